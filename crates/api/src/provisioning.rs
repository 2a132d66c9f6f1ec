//! Links by which a phone fetches its settings, the password among them: random, for one fetch, for minutes, in memory.
//!
//! The document is the remote provisioning of Linphone (lpconfig XML). A restart or another password ends a link.
use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use domain::config::Srtp;
use domain::id::{DeviceId, TenantId};
use domain::time::Timestamp;
use sha2::{Digest, Sha256};

use crate::dto::voice::PhoneTransport;

/// From the press of the button to the phone's fetch.
pub const LIFE: Duration = Duration::from_secs(10 * 60);
/// Links of one company at the same time; the oldest gives way.
const LINKS_MAX: usize = 100;
/// Seconds between registrations: what the registrar gives who asks for nothing.
pub const REGISTRATION_S: u32 = 600;

/// Where phones reach this server.
#[derive(Debug, Clone, Default)]
pub struct PhoneDoors {
    /// UDP and TCP.
    pub sip: u16,
    pub sip_tls: Option<u16>,
    /// For who looks from this machine itself: its name towards others is not in the page's address.
    pub elsewhere: Option<Elsewhere>,
}

/// As other machines of the network see this one.
#[derive(Debug, Clone)]
pub struct Elsewhere {
    pub host: String,
    /// Of the console: `https://192.0.2.7:8443`.
    pub url: String,
}

/// What a phone needs to register.
#[derive(Clone)]
pub struct Account {
    pub user: String,
    pub realm: String,
    pub secret: String,
    pub srtp: Srtp,
    pub transport: PhoneTransport,
    pub port: u16,
}

struct Link {
    tenant: TenantId,
    device: DeviceId,
    account: Account,
    expires: Timestamp,
}

/// Links that wait for their phone, by the SHA-256 of their token.
#[derive(Default)]
pub struct Links(Mutex<HashMap<[u8; 32], Link>>);

impl Links {
    /// The token of a new link, and until when it holds. The device's former link ends.
    pub fn make(&self, tenant: TenantId, device: DeviceId, account: Account, now: Timestamp) -> (String, Timestamp) {
        let secret: [u8; 32] = rand::random();
        let token = BASE64_URL_SAFE_NO_PAD.encode(secret);
        let expires = now + LIFE;
        let mut links = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        links.retain(|_, link| link.expires > now && (link.tenant, link.device) != (tenant, device));
        let ours = || links.iter().filter(|(_, link)| link.tenant == tenant);
        if ours().count() >= LINKS_MAX
            && let Some(oldest) = ours().min_by_key(|(_, link)| link.expires).map(|(key, _)| *key)
        {
            links.remove(&oldest);
        }
        links.insert(key(&token), Link { tenant, device, account, expires });
        (token, expires)
    }

    /// What the link holds, this once.
    pub fn take(&self, token: &str, now: Timestamp) -> Option<Account> {
        let mut links = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        links.remove(&key(token)).filter(|link| link.expires > now).map(|link| link.account)
    }

    /// The device is gone or has another password.
    pub fn forget(&self, tenant: TenantId, device: DeviceId) {
        let mut links = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        links.retain(|_, link| (link.tenant, link.device) != (tenant, device));
    }
}

fn key(token: &str) -> [u8; 32] {
    Sha256::digest(token.as_bytes()).into()
}

/// The host of a `Host` header without its port; none if it is no name or address.
pub fn host_of(header: &str) -> Option<&str> {
    let host = match header.strip_prefix('[') {
        Some(rest) => header.get(..rest.find(']')? + 2)?,
        None => header.split_once(':').map_or(header, |(host, _)| host),
    };
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let is_v6 = host.len() != bare.len();
    let is_good = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-') || (is_v6 && b == b':');
    (!bare.is_empty() && bare.len() <= 253 && bare.bytes().all(is_good)).then_some(host)
}

/// Settings as Linphone fetches them. The phone reaches SIP by the name by which it fetched this.
pub fn linphone(account: &Account, host: &str) -> String {
    let Account { user, realm, secret, srtp, transport, port } = account;
    let server = format!("<sip:{host}:{port};transport={}>", transport.param());
    let expires = REGISTRATION_S.to_string();
    let encryption = if *srtp == Srtp::Off { "none" } else { "srtp" };
    let mandatory = if *srtp == Srtp::Required { "1" } else { "0" };
    let identity = format!("sip:{user}@{realm}");
    let sections: [(&str, &[(&str, &str)]); 4] = [
        // Else the phone would fetch at every start what can be fetched once.
        ("misc", &[("transient_provisioning", "1")]),
        (
            "sip",
            &[
                ("default_proxy", "0"),
                ("use_rfc2833", "1"),
                ("use_info", "0"),
                ("media_encryption", encryption),
                ("media_encryption_mandatory", mandatory),
            ],
        ),
        (
            "proxy_0",
            &[
                ("reg_proxy", &server),
                ("reg_route", &server),
                ("reg_identity", &identity),
                ("reg_expires", &expires),
                ("reg_sendregister", "1"),
                ("publish", "0"),
            ],
        ),
        (
            "auth_info_0",
            &[("username", user), ("userid", user), ("passwd", secret), ("realm", realm), ("domain", realm)],
        ),
    ];
    let mut xml = String::from(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<config xmlns=\"http://www.linphone.org/xsds/lpconfig.xsd\">\n",
    );
    for (section, entries) in sections {
        let _ = writeln!(xml, "  <section name=\"{section}\">");
        for (name, value) in entries {
            let _ = writeln!(xml, "    <entry name=\"{name}\" overwrite=\"true\">{}</entry>", escaped(value));
        }
        xml.push_str("  </section>\n");
    }
    xml.push_str("</config>\n");
    xml
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account(user: &str) -> Account {
        Account {
            user: user.to_owned(),
            realm: "alpha.example".to_owned(),
            secret: "a&b<c>\"d".to_owned(),
            srtp: Srtp::Required,
            transport: PhoneTransport::Tls,
            port: 5061,
        }
    }

    #[test]
    fn links_hold_once_for_their_time_and_are_bounded() {
        let (links, tenant, now) = (Links::default(), TenantId(1), Timestamp(1_000));
        let (token, expires) = links.make(tenant, DeviceId(1), account("a"), now);
        assert_eq!(token.len(), 43);
        assert!(links.take("x", now).is_none());
        assert_eq!(links.take(&token, now).map(|a| a.user).as_deref(), Some("a"));
        assert!(links.take(&token, now).is_none());
        let (late, _) = links.make(tenant, DeviceId(1), account("a"), now);
        assert!(links.take(&late, expires).is_none());
        let (former, _) = links.make(tenant, DeviceId(1), account("a"), now);
        let (newer, _) = links.make(tenant, DeviceId(1), account("b"), now);
        assert!(links.take(&former, now).is_none());
        links.forget(TenantId(2), DeviceId(1));
        assert!(links.take(&newer, now).is_some());
        let (gone, _) = links.make(tenant, DeviceId(1), account("a"), now);
        links.forget(tenant, DeviceId(1));
        assert!(links.take(&gone, now).is_none());
        let (other, _) = links.make(TenantId(2), DeviceId(1), account("c"), now);
        let mut tokens = Vec::new();
        for n in 0..=LINKS_MAX {
            let made = links.make(tenant, DeviceId(n as u128), account("a"), Timestamp(now.0 + n as i64));
            tokens.push(made.0);
        }
        assert!(links.take(&tokens[0], now).is_none(), "the oldest gave way");
        assert!(links.take(&tokens[1], now).is_some() && links.take(&tokens[LINKS_MAX], now).is_some());
        assert!(links.take(&other, now).is_some(), "to its own company's");
    }

    #[test]
    fn hosts_are_names_and_addresses_only() {
        assert_eq!(host_of("desk.example:8443"), Some("desk.example"));
        assert_eq!(host_of("192.0.2.7"), Some("192.0.2.7"));
        assert_eq!(host_of("[2001:db8::7]:8443"), Some("[2001:db8::7]"));
        for bad in ["", ":80", "a b", "a>b", "[2001:db8::7", "x;transport=udp", "[a b]"] {
            assert_eq!(host_of(bad), None, "{bad}");
        }
    }

    #[test]
    fn the_document_says_all_and_escapes_it() {
        let xml = linphone(&account("desk-1"), "desk.example");
        for line in [
            "<entry name=\"reg_proxy\" overwrite=\"true\">&lt;sip:desk.example:5061;transport=tls&gt;</entry>",
            "<entry name=\"reg_identity\" overwrite=\"true\">sip:desk-1@alpha.example</entry>",
            "<entry name=\"passwd\" overwrite=\"true\">a&amp;b&lt;c&gt;\"d</entry>",
            "<entry name=\"media_encryption\" overwrite=\"true\">srtp</entry>",
            "<entry name=\"media_encryption_mandatory\" overwrite=\"true\">1</entry>",
        ] {
            assert!(xml.contains(line), "{line}\n{xml}");
        }
    }
}
