//! How somebody can be reached, normalised once at the edge.
use std::fmt;

use serde::{Deserialize, Serialize};

/// An address of a customer, agent or service. Personal data: events hold its [`crate::id::AddressId`], never the value.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Address {
    /// `raw` as received; `e164` where the number is one (short codes such as 95588 or 400 numbers are not).
    Phone {
        raw: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        e164: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        region: Option<String>,
    },
    Extension {
        number: String,
    },
    SipUri {
        uri: String,
    },
    Email {
        address: String,
    },
    Social {
        channel: String,
        id: String,
    },
    /// The caller withheld it.
    Withheld,
}

impl Address {
    /// What a person types to find somebody: a number, or a SIP address with or without `sip:` and `@`.
    pub fn typed(text: &str, own_domain: &str, region: Option<&str>) -> Address {
        let uri = text.strip_prefix("sip:").unwrap_or(text);
        let (user, host) = uri.split_once('@').unwrap_or((uri, own_domain));
        Address::from_sip(user, host, region)
    }

    /// Classifies the user part of a SIP From or To as seen from `region` (ISO 3166, for national numbers).
    ///
    /// `+` and digits become E.164; in region CN an 11-digit mobile number or a national number with trunk prefix 0
    /// does too; up to six digits are an extension; other digits stay a raw phone number; anything else a SIP URI.
    pub fn from_sip(user: &str, host: &str, region: Option<&str>) -> Address {
        let bare: String = user.chars().filter(|c| !matches!(c, '-' | '.' | '(' | ')' | ' ')).collect();
        if bare.is_empty() || bare.eq_ignore_ascii_case("anonymous") || host.ends_with("anonymous.invalid") {
            return Address::Withheld;
        }
        let digits = bare.strip_prefix('+').unwrap_or(&bare);
        let numeric = !digits.is_empty() && digits.len() <= 20 && digits.bytes().all(|b| b.is_ascii_digit());
        if !numeric {
            return Address::SipUri { uri: format!("sip:{user}@{host}") };
        }
        let e164 = if bare.starts_with('+') {
            (7..=15).contains(&digits.len()).then(|| bare.clone())
        } else if region == Some("CN") && digits.len() == 11 && digits.starts_with('1') {
            Some(format!("+86{digits}"))
        } else if region == Some("CN") && (10..=12).contains(&digits.len()) && digits.starts_with('0') {
            Some(format!("+86{}", &digits[1..]))
        } else {
            None
        };
        if e164.is_none() && digits.len() <= 6 && !bare.starts_with('+') {
            return Address::Extension { number: bare };
        }
        Address::Phone { raw: bare, e164, region: region.map(str::to_owned) }
    }

    /// The text by which equal addresses are found: stored in one indexed column.
    pub fn key(&self) -> String {
        match self {
            Address::Phone { raw, e164, .. } => format!("tel:{}", e164.as_ref().unwrap_or(raw)),
            Address::Extension { number } => format!("ext:{number}"),
            Address::SipUri { uri } => uri.to_lowercase(),
            Address::Email { address } => format!("mailto:{}", address.to_lowercase()),
            Address::Social { channel, id } => format!("{channel}:{id}"),
            Address::Withheld => "withheld".to_owned(),
        }
    }
}

/// Whether somebody calls himself so, or it is a number written down.
pub fn is_name(text: &str) -> bool {
    text.chars().any(char::is_alphabetic)
}

/// The text of an address, or the user part of one, for those who may not see the whole: of a number the last four digits
/// and what comes before the four in front of them (`138****8000`), of a name its first letter. Short codes are nobody's.
pub fn masked(text: &str) -> String {
    let (user, host) = text.split_once('@').map_or((text, None), |(user, host)| (user, Some(host)));
    let (scheme, user) = user.split_once(':').map_or((None, user), |(scheme, user)| (Some(scheme), user));
    let digits = user.chars().filter(char::is_ascii_digit).count();
    let is_number = user.chars().all(|c| c.is_ascii_digit() || "+-.() ".contains(c));
    let (from, to) = match digits {
        ..=6 => (digits, digits),
        7..=8 => (0, digits - 3),
        _ => (digits - 8, digits - 4),
    };
    let mut out: String = scheme.map(|s| format!("{s}:")).unwrap_or_default();
    if is_number {
        let mut at = 0;
        for c in user.chars() {
            let hidden = c.is_ascii_digit() && (from..to).contains(&at);
            at += usize::from(c.is_ascii_digit());
            out.push(if hidden { '*' } else { c });
        }
    } else {
        out.extend(user.chars().take(1));
        out.push_str("****");
    }
    if let Some(host) = host {
        out.push('@');
        out.push_str(host);
    }
    out
}

/// For screens; wrap in [`crate::pii::Pii`] before logging.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Phone { raw, e164, .. } => f.write_str(e164.as_ref().unwrap_or(raw)),
            Address::Extension { number } => f.write_str(number),
            Address::SipUri { uri } => f.write_str(uri),
            Address::Email { address } => f.write_str(address),
            Address::Social { channel, id } => write!(f, "{channel}:{id}"),
            Address::Withheld => f.write_str("withheld"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_masked_number_cannot_be_dialled_and_can_be_told_from_others() {
        let cases = [
            ("13800138000", "138****8000"),
            ("+8613800138000", "+86138****8000"),
            ("+86 138 0013 8000", "+86 138 **** 8000"),
            ("+442079460018", "+4420****0018"),
            ("88886666", "*****666"),
            ("95588", "95588"),
            ("sip:13800138000@carrier.example", "sip:138****8000@carrier.example"),
            ("sip:alice@example.com", "sip:a****@example.com"),
            ("bob@example.com", "b****@example.com"),
        ];
        for (text, wanted) in cases {
            assert_eq!(masked(text), wanted, "{text}");
        }
    }

    #[test]
    fn sip_users_become_typed_addresses() {
        let kind = |user: &str| Address::from_sip(user, "example.com", Some("CN")).key();
        assert_eq!(kind("13800138000"), "tel:+8613800138000");
        assert_eq!(kind("010-8888-6666"), "tel:+861088886666");
        assert_eq!(kind("+44 20 7946 0000"), "tel:+442079460000");
        assert_eq!(kind("95588"), "ext:95588");
        assert_eq!(kind("4008001234"), "tel:4008001234");
        assert_eq!(kind("alice"), "sip:alice@example.com");
        assert_eq!(Address::from_sip("anonymous", "anonymous.invalid", None), Address::Withheld);
    }
}
