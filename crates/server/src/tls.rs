//! The certificate under which other machines reach the console and phones reach SIP: generated until the operator brings
//! his own, or fetched from an authority ([`acme`]).
pub mod acme;

use std::collections::HashMap;
use std::fs;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result};
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use tracing::{info, warn};

/// What an authority speaks that wants a proof of a name (RFC 8737 §3).
pub const PROOF_PROTOCOL: &[u8] = b"acme-tls/1";
/// How often the files are looked at: certificates are replaced days before they end.
const LOOK_EVERY: Duration = Duration::from_secs(60);

/// What TLS listeners show, all of them: another certificate counts from the next connection on.
#[derive(Debug)]
pub struct Certificates {
    current: RwLock<Arc<CertifiedKey>>,
    /// By name, while an authority asks.
    proofs: RwLock<HashMap<String, Arc<CertifiedKey>>>,
}

impl Certificates {
    pub fn new(first: CertifiedKey) -> Arc<Self> {
        Arc::new(Self { current: RwLock::new(Arc::new(first)), proofs: RwLock::default() })
    }

    pub fn replace(&self, key: CertifiedKey) {
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(key);
    }

    fn prove(&self, proofs: HashMap<String, Arc<CertifiedKey>>) {
        *self.proofs.write().unwrap_or_else(PoisonError::into_inner) = proofs;
    }

    /// For a listener that speaks `protocols` (ALPN, RFC 7301); phones name none.
    pub fn server(self: &Arc<Self>, protocols: &[&[u8]]) -> Result<Arc<ServerConfig>> {
        let mut config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .context("no TLS versions")?
            .with_no_client_auth()
            .with_cert_resolver(self.clone());
        config.alpn_protocols = protocols.iter().map(|p| p.to_vec()).collect();
        Ok(Arc::new(config))
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        // Exactly this protocol and no other is offered (RFC 8737 §3).
        let proves = hello.alpn().is_some_and(|mut offered| {
            offered.next().is_some_and(|first| first == PROOF_PROTOCOL) && offered.next().is_none()
        });
        if proves {
            let proofs = self.proofs.read().unwrap_or_else(PoisonError::into_inner);
            return proofs.get(&hello.server_name()?.to_ascii_lowercase()).cloned();
        }
        Some(self.current.read().unwrap_or_else(PoisonError::into_inner).clone())
    }
}

/// Two files that an operator may replace.
pub struct Files {
    certificate: PathBuf,
    key: PathBuf,
}

impl Files {
    /// `<data-dir>/tls/{cert,key}.pem`, made for `addresses` and `localhost` if they are missing.
    pub fn in_data_dir(data_dir: &Path, addresses: &[IpAddr]) -> Result<Self> {
        let dir = data_dir.join("tls");
        let files = Self { certificate: dir.join("cert.pem"), key: dir.join("key.pem") };
        if !files.certificate.exists() || !files.key.exists() {
            fs::create_dir_all(&dir).with_context(|| format!("cannot create {}", dir.display()))?;
            let mut names = vec!["localhost".to_owned()];
            names.extend(addresses.iter().map(IpAddr::to_string));
            let made = rcgen::generate_simple_self_signed(names).context("cannot make a certificate")?;
            write_secret(&files.key, made.signing_key.serialize_pem().as_bytes())?;
            fs::write(&files.certificate, made.cert.pem())
                .with_context(|| format!("cannot write {}", files.certificate.display()))?;
        }
        Ok(files)
    }

    pub fn load(&self) -> Result<CertifiedKey> {
        load(&self.certificate, &self.key)
    }

    fn changed(&self) -> Option<[SystemTime; 2]> {
        let at = |file: &Path| fs::metadata(file).and_then(|m| m.modified()).ok();
        Some([at(&self.certificate)?, at(&self.key)?])
    }

    /// For ever: takes what the files hold when they have changed.
    pub async fn watch(self, certificates: Arc<Certificates>) {
        let mut seen = self.changed();
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            self.look(&mut seen, &certificates);
        }
    }

    /// Files that are no use leave everything as it was.
    fn look(&self, seen: &mut Option<[SystemTime; 2]>, certificates: &Certificates) {
        let now = self.changed();
        if now == *seen || now.is_none() {
            return;
        }
        match self.load() {
            Ok(key) => {
                *seen = now;
                certificates.replace(key);
                info!(file = %self.certificate.display(), "the certificate was replaced");
            }
            // Perhaps one of the two is still being written.
            Err(e) => warn!(error = format!("{e:#}"), "the new certificate is no use, the former stays"),
        }
    }
}

fn load(certificate: &Path, key: &Path) -> Result<CertifiedKey> {
    let chain = CertificateDer::pem_file_iter(certificate)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .with_context(|| format!("{} is not a certificate in PEM form: replace or delete it", certificate.display()))?;
    let secret = PrivateKeyDer::from_pem_file(key)
        .with_context(|| format!("{} is not a private key in PEM form: replace or delete it", key.display()))?;
    let pair = CertifiedKey::from_der(chain, secret, &default_provider())
        .with_context(|| format!("the key {} is no use: replace or delete it", key.display()))?;
    pair.keys_match().context("the certificate and the key do not belong together: replace or delete both")?;
    Ok(pair)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_that_are_replaced_are_taken_once_they_are_whole() {
        let dir = std::env::temp_dir().join(format!("cordboard-tls-{}", std::process::id()));
        let files = Files::in_data_dir(&dir, &[]).unwrap();
        let certificates = Certificates::new(files.load().unwrap());
        let shown = || certificates.current.read().unwrap().cert[0].clone();
        let (first, mut seen) = (shown(), files.changed());
        files.look(&mut seen, &certificates);
        assert_eq!(shown(), first);

        let other = rcgen::generate_simple_self_signed(["calls.example".to_owned()]).unwrap();
        let later = |file: &Path, text: String, seconds: u64| {
            fs::write(file, text).unwrap();
            let at = SystemTime::now() + Duration::from_secs(seconds);
            fs::File::options().write(true).open(file).unwrap().set_modified(at).unwrap();
        };
        later(&files.certificate, other.cert.pem(), 1);
        files.look(&mut seen, &certificates);
        assert_eq!(shown(), first, "the key is another certificate's");
        later(&files.key, other.signing_key.serialize_pem(), 2);
        files.look(&mut seen, &certificates);
        assert_eq!(&shown(), other.cert.der());
        later(&files.certificate, "nonsense".into(), 3);
        files.look(&mut seen, &certificates);
        assert_eq!(&shown(), other.cert.der());
        fs::remove_dir_all(&dir).unwrap();
    }
}
