//! Identity headers: the signed statement of a network that a call began with it and how well it knows the caller
//! (PASSporT, RFC 8225; in SIP, RFC 8224; "shaken", RFC 8588). Ours are made here and signed by whoever holds the key.
use std::fmt::Write as _;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde_json::json;

use crate::identity::Attestation;

/// What we state of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Passport<'a> {
    /// The number shown, in E.164 with or without its plus.
    pub from: &'a str,
    /// The number called, likewise.
    pub to: &'a str,
    pub attested: Attestation,
    /// Seconds since 1970; others take it for a minute or so (RFC 8224 §5.2).
    pub issued: u64,
    /// Names where the call came in without saying who it was (RFC 8588 §5): an opaque number, written as a UUID.
    pub origin: u128,
    /// Where the certificate of the key is (RFC 8225 §4.3); an https address.
    pub certificate: &'a str,
}

impl Passport<'_> {
    /// What is to be signed by ES256 (RFC 7515 §5.1); `None` if one of the numbers is none of the telephone network
    /// (E.164: 7 to 15 digits).
    pub fn unsigned(&self) -> Option<String> {
        let (from, to) = (telephone(self.from)?, telephone(self.to)?);
        // A JSON object's keys come out in the order of their letters and without white space, as RFC 8225 §9 asks.
        let header = json!({"alg": "ES256", "ppt": "shaken", "typ": "passport", "x5u": self.certificate});
        let payload = json!({
            "attest": self.attested.letter(),
            "dest": {"tn": [to]},
            "iat": self.issued,
            "orig": {"tn": from},
            "origid": uuid(self.origin),
        });
        let mut out = String::new();
        BASE64_URL_SAFE_NO_PAD.encode_string(header.to_string(), &mut out);
        out.push('.');
        BASE64_URL_SAFE_NO_PAD.encode_string(payload.to_string(), &mut out);
        Some(out)
    }

    /// The value of the Identity header; `signature` is of [`Passport::unsigned`], two numbers of 32 bytes (RFC 7518 §3.4).
    pub fn header(&self, unsigned: &str, signature: &[u8; 64]) -> String {
        let mut out = unsigned.to_owned();
        out.push('.');
        BASE64_URL_SAFE_NO_PAD.encode_string(signature, &mut out);
        let _ = write!(out, ";info=<{}>;alg=ES256;ppt=shaken", self.certificate);
        out
    }
}

/// Digits alone (RFC 8224 §8.3).
fn telephone(number: &str) -> Option<&str> {
    let digits = number.strip_prefix('+').unwrap_or(number);
    let is_one = (7..=15).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
    is_one.then_some(digits)
}

/// RFC 9562 §5.4: version 4, the other bits as they are.
fn uuid(number: u128) -> String {
    let number = number & !(0xf << 76) & !(0x3 << 62) | (0x4 << 76) | (0x2 << 62);
    let hex = format!("{number:032x}");
    [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-")
}

/// The attestation in an Identity header (RFC 8224 §4, RFC 8588 §4), if it is the shape of one: the signature is not checked,
/// so this is what the network where the call began claims.
pub(crate) fn claimed(identity: &str) -> Option<Attestation> {
    let token = identity.split(';').next()?.trim();
    let mut parts = token.split('.');
    let (Some(header), Some(payload), Some(signature), None) = (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return None;
    };
    let json = |part: &str| -> Option<serde_json::Value> {
        serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(part).ok()?).ok()
    };
    let (header, payload) = (json(header)?, json(payload)?);
    // Two numbers of 32 bytes (RFC 7518 §3.4).
    let signed = BASE64_URL_SAFE_NO_PAD.decode(signature).is_ok_and(|s| s.len() == 64);
    let is_shaken = header["ppt"] == "shaken" && header["alg"] == "ES256" && header["x5u"].is_string();
    let is_whole = payload["iat"].is_number() && payload["orig"]["tn"].is_string() && payload["dest"].is_object();
    (signed && is_shaken && is_whole).then(|| Attestation::of(payload["attest"].as_str()?)).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::{Trust, Verified, caller};
    use crate::msg::Message;

    /// What is read of an INVITE with this Identity header.
    fn read(identity: &str) -> Option<Verified> {
        let text = format!(
            "INVITE sip:95588@pbx.example SIP/2.0\r\nVia: SIP/2.0/UDP 203.0.113.5:5060;branch=z9hG4bK1\r\n\
             Max-Forwards: 70\r\nFrom: <sip:1@a.example>;tag=1\r\nTo: <sip:95588@pbx.example>\r\nCall-ID: a@b\r\n\
             CSeq: 1 INVITE\r\nContact: <sip:203.0.113.5>\r\nIdentity: {identity}\r\nContent-Length: 0\r\n\r\n"
        );
        caller(&Message::parse(text.as_bytes()).unwrap(), Trust::default()).verified
    }

    #[test]
    fn a_passport_says_what_is_claimed_and_only_a_whole_one() {
        let encode = |text: &str| BASE64_URL_SAFE_NO_PAD.encode(text);
        let header = r#"{"alg":"ES256","ppt":"shaken","typ":"passport","x5u":"https://cert.example/a.pem"}"#;
        let payload = r#"{"attest":"B","dest":{"tn":["12155551213"]},"iat":1443208345,"orig":{"tn":"12155551212"},"origid":"123e4567-e89b-12d3-a456-426655440000"}"#;
        let signature = BASE64_URL_SAFE_NO_PAD.encode([7; 64]);
        let of = |header: &str, payload: &str, signature: &str| {
            let token = format!("{}.{}.{signature}", encode(header), encode(payload));
            read(&format!("{token};info=<https://cert.example/a.pem>;alg=ES256;ppt=shaken"))
        };
        let claimed = Some(Verified { passed: None, attested: Some(Attestation::Partial) });
        assert_eq!(of(header, payload, &signature), claimed);
        assert_eq!(of(header, payload, "short"), None);
        assert_eq!(of(&header.replace("ES256", "none"), payload, &signature), None);
        assert_eq!(of(header, &payload.replace("\"B\"", "\"Z\""), &signature), None);
        assert_eq!((read("a.b.c"), read(";")), (None, None));
    }

    #[test]
    fn ours_is_byte_for_byte_the_one_of_the_specification() {
        // The example of RFC 8588 §4, but for its claim.
        let ours = Passport {
            from: "+12155551212",
            to: "12155551213",
            attested: Attestation::Full,
            issued: 1_443_208_345,
            origin: 0x123e_4567_e89b_12d3_a456_4266_5544_0000,
            certificate: "https://cert.example.org/passport.cer",
        };
        let unsigned = ours.unsigned().unwrap();
        let parts: Vec<String> = unsigned
            .split('.')
            .map(|part| String::from_utf8(BASE64_URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap())
            .collect();
        assert_eq!(
            parts,
            [
                r#"{"alg":"ES256","ppt":"shaken","typ":"passport","x5u":"https://cert.example.org/passport.cer"}"#,
                r#"{"attest":"A","dest":{"tn":["12155551213"]},"iat":1443208345,"orig":{"tn":"12155551212"},"origid":"123e4567-e89b-42d3-a456-426655440000"}"#,
            ]
        );
        let claimed = Some(Verified { passed: None, attested: Some(Attestation::Full) });
        assert_eq!(read(&ours.header(&unsigned, &[9; 64])), claimed);
    }

    #[test]
    fn what_is_no_telephone_number_is_not_spoken_for() {
        let ours = Passport {
            from: "+12155551212",
            to: "+12155551213",
            attested: Attestation::Gateway,
            issued: 1,
            origin: 1,
            certificate: "https://cert.example/a.pem",
        };
        assert!(ours.unsigned().is_some());
        for strange in ["", "+", "1000", "anonymous", "+1215555121a", "1234567890123456"] {
            assert_eq!(Passport { from: strange, ..ours }.unsigned(), None, "{strange}");
            assert_eq!(Passport { to: strange, ..ours }.unsigned(), None, "{strange}");
        }
    }
}
