//! The client's side of digest authentication with MD5 and `qop=auth` (RFC 2617), which every phone knows.
//! Called by [`crate::phones`] and [`crate::registrations`].
use md5::{Digest, Md5};

/// User and password of a SIP account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    pub user: String,
    pub secret: String,
}

/// A challenge, kept so that its nonce can be used again with a higher count.
#[derive(Debug, Clone, Default)]
pub struct Challenge {
    realm: String,
    nonce: String,
    opaque: Option<String>,
    /// With `qop=auth`; else the answer of RFC 2069.
    qop: bool,
    used: u32,
}

impl Challenge {
    /// Reads the value of WWW-Authenticate or Proxy-Authenticate; none for algorithms other than MD5.
    pub fn parse(value: &str) -> Option<Challenge> {
        let mut challenge = Challenge::default();
        for part in split(value.strip_prefix("Digest ")?) {
            let (name, value) = part.split_once('=')?;
            let value = value.trim().trim_matches('"');
            match name.trim().to_ascii_lowercase().as_str() {
                "realm" => challenge.realm = value.to_owned(),
                "nonce" => challenge.nonce = value.to_owned(),
                "opaque" => challenge.opaque = Some(value.to_owned()),
                "qop" => challenge.qop = value.split(',').any(|q| q.trim() == "auth"),
                "algorithm" if !value.eq_ignore_ascii_case("MD5") => return None,
                _ => {}
            }
        }
        (!challenge.nonce.is_empty()).then_some(challenge)
    }

    /// The value of Authorization for one request; each use counts.
    pub fn answer(&mut self, account: &Account, method: &str, uri: &str) -> String {
        self.used += 1;
        let ha1 = hex(&[&account.user, &self.realm, &account.secret]);
        let ha2 = hex(&[method, uri]);
        let (user, realm, nonce) = (&account.user, &self.realm, &self.nonce);
        let mut out = format!("Digest username=\"{user}\", realm=\"{realm}\", nonce=\"{nonce}\", uri=\"{uri}\"");
        if self.qop {
            let count = format!("{:08x}", self.used);
            let response = hex(&[&ha1, nonce, &count, CNONCE, "auth", &ha2]);
            out.push_str(&format!(", response=\"{response}\", qop=auth, nc={count}, cnonce=\"{CNONCE}\""));
        } else {
            out.push_str(&format!(", response=\"{}\"", hex(&[&ha1, nonce, &ha2])));
        }
        if let Some(opaque) = &self.opaque {
            out.push_str(&format!(", opaque=\"{opaque}\""));
        }
        out.push_str(", algorithm=MD5");
        out
    }
}

/// It guards against chosen plaintext, which a load need not fear.
const CNONCE: &str = "0a4f113b";

fn hex(parts: &[&str]) -> String {
    Md5::digest(parts.join(":")).iter().map(|b| format!("{b:02x}")).collect()
}

/// Parameters at commas outside quotes.
fn split(text: &str) -> impl Iterator<Item = &str> {
    let mut quoted = false;
    text.split(move |c| {
        quoted ^= c == '"';
        c == ',' && !quoted
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Source: RFC 2617 §3.5.
    #[test]
    fn the_example_of_the_rfc_is_answered_as_printed() {
        let value = "Digest realm=\"testrealm@host.com\", qop=\"auth,auth-int\", \
                     nonce=\"dcd98b7102dd2f0e8b11d0f600bfb0c093\", opaque=\"5ccc069c403ebaf9f0171e9517f40e41\"";
        let account = Account { user: "Mufasa".into(), secret: "Circle Of Life".into() };
        let answer = Challenge::parse(value).unwrap().answer(&account, "GET", "/dir/index.html");
        assert!(answer.contains("response=\"6629fae49393a05397450978507c4ef1\""), "{answer}");
    }

    #[test]
    fn a_nonce_used_again_counts_on() {
        let mut challenge = Challenge::parse("Digest realm=\"r\", nonce=\"n\", qop=\"auth\"").unwrap();
        let account = Account { user: "u".into(), secret: "s".into() };
        let (first, second) =
            (challenge.answer(&account, "REGISTER", "sip:r"), challenge.answer(&account, "REGISTER", "sip:r"));
        assert!(first.contains("nc=00000001") && second.contains("nc=00000002"));
        assert!(Challenge::parse("Digest realm=\"r\", nonce=\"n\", algorithm=SHA-256").is_none());
    }
}
