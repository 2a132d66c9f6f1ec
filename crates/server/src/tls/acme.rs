//! Certificates from an authority by ACME (RFC 8555): ordered, proved over the HTTPS listener (TLS-ALPN-01, RFC 8737), kept in
//! the data directory and renewed when two thirds of their time are over. Calls and the console wait for none of it.
use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail};
use instant_acme::{
    Account, AuthorizationStatus, ChallengeType, Identifier, NewAccount, NewOrder, Order, OrderStatus, RetryPolicy,
};
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::sign::CertifiedKey;
use tracing::{info, warn};
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::FromDer as _;

use super::{Certificates, load, write_secret};

/// How long an authority may take to look at us, and to make the certificate.
const PATIENCE: RetryPolicy = RetryPolicy::new().timeout(Duration::from_secs(90));
/// Two orders are never nearer than this, whatever a certificate says of its time.
const ORDERS_APART: Duration = Duration::from_secs(10);

/// What the operator wants certified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// Lower-case host names, at least one.
    pub names: Vec<String>,
    /// Address for the authority's mails.
    pub contact: Option<String>,
    /// The authority's directory (RFC 8555 §7.1.1).
    pub directory: String,
}

/// Where the account and the certificate are kept.
pub struct Keeper {
    wanted: Wanted,
    dir: PathBuf,
}

/// What a certificate says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Term {
    names: Vec<String>,
    /// Since 1970.
    begins: Duration,
    ends: Duration,
}

impl Keeper {
    pub fn new(data_dir: &Path, wanted: Wanted) -> Self {
        Self { wanted, dir: data_dir.join("tls/acme") }
    }

    /// The certificate of an earlier start, if it is for the wanted names and not over.
    pub fn kept(&self) -> Option<CertifiedKey> {
        // One file, so that it is whole whenever it is there.
        let file = self.file();
        let pair = file.exists().then(|| load(&file, &file)).transpose();
        let pair = pair.inspect_err(|e| warn!(error = format!("{e:#}"), "the kept certificate is no use")).ok()??;
        let is_good = |term: &Term| term.covers(&self.wanted.names) && term.ends > since_1970();
        term(&pair).filter(is_good).map(|_| pair)
    }

    /// For ever: sees to it that the listeners have a certificate that is good.
    pub async fn run(self, certificates: Arc<Certificates>) {
        let mut failures = 0;
        let mut wait = self.kept().as_ref().and_then(term).map_or(Duration::ZERO, |t| t.renewal_in(since_1970()));
        loop {
            tokio::time::sleep(wait).await;
            let ordered = self.order(&certificates).await;
            certificates.prove(HashMap::new());
            wait = match ordered {
                Ok(pair) => {
                    failures = 0;
                    let term = term(&pair);
                    let days = term.as_ref().map(|t| (t.ends - t.begins).as_secs() / 86_400);
                    certificates.replace(pair);
                    info!(names = ?self.wanted.names, days, "a certificate was fetched");
                    term.map_or(Duration::ZERO, |t| t.renewal_in(since_1970())).max(ORDERS_APART)
                }
                Err(e) => {
                    failures += 1;
                    let wait = after_failures(failures);
                    let again_s = wait.as_secs();
                    warn!(error = format!("{e:#}"), names = ?self.wanted.names, again_s, "no certificate was fetched");
                    wait
                }
            };
        }
    }

    async fn order(&self, certificates: &Certificates) -> Result<CertifiedKey> {
        let account = self.account().await?;
        let names: Vec<Identifier> = self.wanted.names.iter().cloned().map(Identifier::Dns).collect();
        let mut order = account.new_order(&NewOrder::new(&names)).await.context("the authority takes no order")?;
        let mut proofs = HashMap::new();
        let mut asked = order.authorizations();
        while let Some(one) = asked.next().await {
            let mut one = one?;
            if one.status == AuthorizationStatus::Valid {
                continue;
            }
            let mut challenge =
                one.challenge(ChallengeType::TlsAlpn01).context("the authority offers no TLS-ALPN-01 for this name")?;
            let name = challenge.identifier().to_string().to_ascii_lowercase();
            let proof = proof(&name, challenge.key_authorization().digest().as_ref())?;
            proofs.insert(name, proof);
            // Shown before it is looked for.
            certificates.prove(proofs.clone());
            challenge.set_ready().await?;
        }
        let status = order.poll_ready(&PATIENCE).await.context("the authority did not look at us")?;
        if status != OrderStatus::Ready && status != OrderStatus::Valid {
            bail!("the authority could not reach us: {}", refusal(&mut order).await);
        }
        let key = order.finalize().await.context("the authority makes no certificate")?;
        let chain = order.poll_certificate(&PATIENCE).await.context("the certificate cannot be fetched")?;
        let (file, fresh) = (self.file(), self.file().with_extension("new"));
        write_secret(&fresh, format!("{key}{chain}").as_bytes())?;
        let pair = load(&fresh, &fresh)?;
        fs::rename(&fresh, &file).with_context(|| format!("cannot write {}", file.display()))?;
        Ok(pair)
    }

    /// Ours at this authority, made with the first order.
    async fn account(&self) -> Result<Account> {
        fs::create_dir_all(&self.dir).with_context(|| format!("cannot create {}", self.dir.display()))?;
        let builder = Account::builder().context("no roots of trust")?;
        let file = self.dir.join(format!("account-{}.json", name_of(&self.wanted.directory)));
        if let Ok(text) = fs::read_to_string(&file) {
            let credentials = serde_json::from_str(&text)
                .with_context(|| format!("{} is no account: delete it to get another", file.display()))?;
            return builder.from_credentials(credentials).await.context("the authority does not answer");
        }
        let contact: Vec<String> = self.wanted.contact.iter().map(|mail| format!("mailto:{mail}")).collect();
        let contact: Vec<&str> = contact.iter().map(String::as_str).collect();
        // Who sets a name for it agrees to its terms: the documentation says so.
        let new = NewAccount { contact: &contact, terms_of_service_agreed: true, only_return_existing: false };
        let made = builder.create(&new, self.wanted.directory.clone(), None).await;
        let (account, credentials) = made.context("the authority gives no account")?;
        write_secret(&file, serde_json::to_string(&credentials)?.as_bytes())?;
        Ok(account)
    }

    fn file(&self) -> PathBuf {
        self.dir.join("certificate.pem")
    }
}

impl Term {
    fn covers(&self, wanted: &[String]) -> bool {
        wanted.iter().all(|name| self.names.iter().any(|n| n.eq_ignore_ascii_case(name)))
    }

    /// Zero when two thirds of its time are over.
    fn renewal_in(&self, now: Duration) -> Duration {
        let life = self.ends.saturating_sub(self.begins);
        (self.begins + life * 2 / 3).saturating_sub(now)
    }
}

fn term(pair: &CertifiedKey) -> Option<Term> {
    let (_, x509) = X509Certificate::from_der(pair.cert.first()?).ok()?;
    let dns = |name: &GeneralName<'_>| match name {
        GeneralName::DNSName(name) => Some((*name).to_owned()),
        _ => None,
    };
    let alternatives = x509.subject_alternative_name().ok()?;
    let names = alternatives.iter().flat_map(|found| &found.value.general_names).filter_map(dns).collect();
    let at = |time: x509_parser::time::ASN1Time| u64::try_from(time.timestamp()).ok().map(Duration::from_secs);
    Some(Term { names, begins: at(x509.validity().not_before)?, ends: at(x509.validity().not_after)? })
}

/// What is shown to an authority that asks for `name` (RFC 8737 §3).
fn proof(name: &str, digest: &[u8]) -> Result<Arc<CertifiedKey>> {
    anyhow::ensure!(digest.len() == 32, "the authority's question is of no known kind");
    let mut params = rcgen::CertificateParams::new(vec![name.to_owned()]).context("no name for a certificate")?;
    params.custom_extensions.push(rcgen::CustomExtension::new_acme_identifier(digest));
    let key = rcgen::KeyPair::generate().context("no key")?;
    let certificate = params.self_signed(&key).context("no proof")?;
    let secret = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    // Unread: libraries know no such critical extension, and nobody else's eyes are for it.
    let secret = default_provider().key_provider.load_private_key(secret)?;
    Ok(Arc::new(CertifiedKey::new(vec![certificate.der().clone()], secret)))
}

/// Why an order was not made ready, in the authority's words.
async fn refusal(order: &mut Order) -> String {
    let mut asked = order.authorizations();
    while let Some(one) = asked.next().await {
        let Ok(one) = one else { continue };
        if let Some(error) = one.challenges.iter().find_map(|c| c.error.as_ref()) {
            return error.to_string();
        }
    }
    "it says not why".to_owned()
}

/// Authorities count failures: minutes first, then hours.
fn after_failures(failures: u32) -> Duration {
    Duration::from_secs(60) * 4_u32.pow(failures.saturating_sub(1).min(4))
}

/// A directory's address as a part of a file's name.
fn name_of(directory: &str) -> String {
    directory.trim_start_matches("https://").chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect()
}

fn since_1970() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_is_renewed_after_two_thirds_of_its_time() {
        let hours = |h: u64| Duration::from_secs(h * 3600);
        let term = Term { names: vec!["a.example".into()], begins: hours(1000), ends: hours(1090) };
        assert_eq!(term.renewal_in(hours(1000)), hours(60));
        assert_eq!(term.renewal_in(hours(1059)), hours(1));
        assert_eq!(term.renewal_in(hours(5000)), Duration::ZERO);
        assert!(term.covers(&["A.example".into()]) && !term.covers(&["a.example".into(), "b.example".into()]));
    }

    #[test]
    fn failures_make_it_wait_longer_and_never_for_ever() {
        let waits: Vec<u64> = (1..8).map(|n| after_failures(n).as_secs() / 60).collect();
        assert_eq!(waits, [1, 4, 16, 64, 256, 256, 256]);
        assert_eq!(after_failures(u32::MAX), after_failures(5));
    }

    #[test]
    fn what_is_shown_to_an_authority_is_read_back() {
        let pair = proof("a.example", &[5; 32]).unwrap();
        let found = term(&pair).unwrap();
        assert_eq!(found.names, ["a.example"]);
        let (_, x509) = X509Certificate::from_der(&pair.cert[0]).unwrap();
        let proves = x509.extensions().iter().find(|e| e.oid.to_id_string() == "1.3.6.1.5.5.7.1.31").unwrap();
        assert!(proves.critical);
        assert_eq!(proves.value, [&[4, 32][..], &[5; 32][..]].concat());
        assert!(proof("a.example", &[5; 31]).is_err());
    }
}
