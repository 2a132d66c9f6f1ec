//! Whom our TLS connections are to: the switch says it before it calls, connections are made by it. Held by
//! [`super::sip_io`].
//!
//! Source: RFC 5922 §7.2 (the certificate must be valid for the name that was configured, not for what a look-up answered).
use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, ClientConnection, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};

/// Peers remembered: several addresses of some hundred trunks. Beyond it nobody new is.
const PEERS_MAX: usize = 4_096;

/// Who is at an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Peer {
    /// Host name or address, as configured.
    pub(crate) name: String,
    /// False: any certificate will do.
    pub(crate) is_checked: bool,
}

pub(crate) struct Trust {
    peers: HashMap<SocketAddr, Peer>,
    checked: Option<Arc<ClientConfig>>,
    unchecked: Option<Arc<ClientConfig>>,
    has_roots: bool,
}

impl Trust {
    /// Reads the certificates that this machine trusts (or those of `SSL_CERT_FILE`).
    pub(super) fn new() -> Self {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        let has_roots = !roots.is_empty();
        Self { peers: HashMap::new(), checked: client_config(Some(roots)), unchecked: client_config(None), has_roots }
    }

    pub(crate) fn expect(&mut self, remote: SocketAddr, peer: Peer) {
        if self.peers.len() < PEERS_MAX || self.peers.contains_key(&remote) {
            self.peers.insert(remote, peer);
        }
    }

    pub(super) fn peer(&self, remote: SocketAddr) -> Option<&Peer> {
        self.peers.get(&remote)
    }

    /// A client's side of a handshake with `remote`. `None` when its name can be in no certificate.
    pub(super) fn client(&self, remote: SocketAddr) -> Option<ClientConnection> {
        let (name, is_checked) = match self.peers.get(&remote) {
            Some(peer) => (peer.name.clone(), peer.is_checked),
            None => (remote.ip().to_string(), true),
        };
        if is_checked && !self.has_roots {
            tracing::error!(
                "this machine has no certificates to trust: install the package ca-certificates or set SSL_CERT_FILE, \
                 or no trunk can be reached over TLS"
            );
        }
        let config = if is_checked { &self.checked } else { &self.unchecked };
        let bare = name.trim_start_matches('[').trim_end_matches(']').to_owned();
        ClientConnection::new(config.clone()?, ServerName::try_from(bare).ok()?).ok()
    }
}

/// `roots`: whose certificates are taken; `None` for anybody's.
fn client_config(roots: Option<RootCertStore>) -> Option<Arc<ClientConfig>> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider.clone()).with_safe_default_protocol_versions().ok()?;
    let builder = match roots {
        Some(roots) => builder.with_root_certificates(roots),
        None => builder.dangerous().with_custom_certificate_verifier(Arc::new(AnyCertificate(provider))),
    };
    Some(Arc::new(builder.with_no_client_auth()))
}

/// Whoever is there: encrypted, but not known. For trunks whose operator says so.
#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, signed, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, signed, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
