//! The certificate under which other machines reach the console and phones reach SIP: generated, until the operator brings
//! his own.
use std::fs;
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result};
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// What TLS listeners show.
pub struct Identity {
    certs: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
}

impl Identity {
    /// Reads `<data-dir>/tls/{cert,key}.pem`, making them for `addresses` and `localhost` if they are missing.
    pub fn load(data_dir: &Path, addresses: &[IpAddr]) -> Result<Self> {
        let dir = data_dir.join("tls");
        let (cert_file, key_file) = (dir.join("cert.pem"), dir.join("key.pem"));
        if !cert_file.exists() || !key_file.exists() {
            fs::create_dir_all(&dir).with_context(|| format!("cannot create {}", dir.display()))?;
            let mut names = vec!["localhost".to_owned()];
            names.extend(addresses.iter().map(IpAddr::to_string));
            let made = rcgen::generate_simple_self_signed(names).context("cannot make a certificate")?;
            fs::write(&cert_file, made.cert.pem()).with_context(|| format!("cannot write {}", cert_file.display()))?;
            write_secret(&key_file, made.signing_key.serialize_pem().as_bytes())?;
        }
        let certs =
            CertificateDer::pem_file_iter(&cert_file).and_then(Iterator::collect::<Result<Vec<_>, _>>).with_context(
                || format!("{} is not a certificate in PEM form: replace or delete it", cert_file.display()),
            )?;
        let key = PrivateKeyDer::from_pem_file(&key_file).with_context(|| {
            format!("{} is not a private key in PEM form: replace or delete it", key_file.display())
        })?;
        Ok(Self { certs, key })
    }

    /// For a listener that speaks `protocols` (ALPN, RFC 7301); phones name none.
    pub fn server(&self, protocols: &[&[u8]]) -> Result<Arc<ServerConfig>> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .context("no TLS versions")?
            .with_no_client_auth()
            .with_single_cert(self.certs.clone(), self.key.clone_key())
            .context("the certificate and the key do not belong together: replace or delete both")?;
        config.alpn_protocols = protocols.iter().map(|p| p.to_vec()).collect();
        Ok(Arc::new(config))
    }
}

/// Readable by the owner only, from the first byte.
pub fn write_secret(path: &Path, content: &[u8]) -> Result<()> {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)
        .with_context(|| format!("cannot write {}", path.display()))?;
    file.write_all(content).with_context(|| format!("cannot write {}", path.display()))
}
