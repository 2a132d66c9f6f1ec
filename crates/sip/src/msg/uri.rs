//! SIP, SIPS and TEL URIs (RFC 3261 §19.1, RFC 3966); other schemes are kept as opaque text.

use std::fmt;
use std::net::IpAddr;

use super::text::Params;

/// Which kind of URI.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scheme {
    Sip,
    Sips,
    Tel,
    /// Any other scheme, in lower case. Such a URI cannot be routed.
    Other(String),
}

/// Why a text is not a URI.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("malformed uri")]
pub struct UriError;

/// A parsed URI. Escapes (`%41`) are kept as received; see [`Uri::user_decoded`].
///
/// For `tel:` the number is in `user` and `host` is empty; for other schemes everything behind the colon is in `user`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Uri {
    pub scheme: Scheme,
    pub user: Option<String>,
    pub password: Option<String>,
    /// Host name in lower case, IPv4 address, or IPv6 address with its brackets.
    pub host: String,
    pub port: Option<u16>,
    pub params: Params,
    /// What stands behind `?`, undecoded.
    pub headers: Option<String>,
}

impl Uri {
    /// A `sip:` URI from its parts; `user` is escaped as needed.
    pub fn sip(user: Option<&str>, host: &str, port: Option<u16>) -> Self {
        Self {
            scheme: Scheme::Sip,
            user: user.map(escape_user),
            password: None,
            host: host.to_ascii_lowercase(),
            port,
            params: Params::default(),
            headers: None,
        }
    }

    /// Parses an addr-spec without angle brackets.
    pub fn parse(text: &str) -> Result<Self, UriError> {
        parse(text).ok_or(UriError)
    }

    /// True for `sip:` and `sips:`.
    pub fn is_sip(&self) -> bool {
        matches!(self.scheme, Scheme::Sip | Scheme::Sips)
    }

    /// The user part with escapes resolved; invalid UTF-8 is replaced.
    pub fn user_decoded(&self) -> Option<String> {
        self.user.as_deref().map(unescape)
    }

    /// The host as an address, when it is one.
    pub fn host_ip(&self) -> Option<IpAddr> {
        let host = self.host.strip_prefix('[').and_then(|h| h.strip_suffix(']')).unwrap_or(&self.host);
        host.parse().ok()
    }

    /// Equality for registrar bindings: RFC 3261 §19.1.4 without the parts that never matter for contacts.
    /// Scheme, user, host, port and the parameters `transport`, `user`, `ob`, `maddr`, `method`, `ttl` must agree.
    pub fn same_contact(&self, other: &Self) -> bool {
        self.scheme == other.scheme
            && self.user_decoded() == other.user_decoded()
            && self.password == other.password
            && self.host == other.host
            && self.port == other.port
            && ["transport", "user", "ob", "maddr", "method", "ttl"].iter().all(|name| {
                match (self.params.get(name), other.params.get(name)) {
                    (Some(a), Some(b)) => a.eq_ignore_ascii_case(b),
                    (None, None) => true,
                    _ => false,
                }
            })
    }

    /// The address of record, `user@host`, host in lower case: the key of a registration.
    pub fn aor(&self) -> String {
        match self.user_decoded() {
            Some(user) => format!("{user}@{}", self.host),
            None => self.host.clone(),
        }
    }
}

fn parse(text: &str) -> Option<Uri> {
    // Whitespace, controls, brackets and quotes never stand in a URI unescaped.
    if text.bytes().any(|b| b <= b' ' || b == 0x7f || b"<>\"".contains(&b)) || !escapes_valid(text) {
        return None;
    }
    let (scheme, rest) = text.split_once(':')?;
    if !scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        || !scheme.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b))
    {
        return None;
    }
    let scheme = match scheme.to_ascii_lowercase().as_str() {
        "sip" => Scheme::Sip,
        "sips" => Scheme::Sips,
        "tel" => Scheme::Tel,
        other => Scheme::Other(other.to_owned()),
    };
    let mut uri = Uri {
        scheme,
        user: None,
        password: None,
        host: String::new(),
        port: None,
        params: Params::default(),
        headers: None,
    };
    match uri.scheme {
        Scheme::Other(_) => {
            uri.user = Some(rest.to_owned());
            return Some(uri);
        }
        Scheme::Tel => {
            let (number, params) = match rest.split_once(';') {
                Some((number, params)) => (number, Params::parse_uri(params)?),
                None => (rest, Params::default()),
            };
            if number.is_empty() || !number.bytes().all(|b| b.is_ascii_hexdigit() || b"+-.()*#%".contains(&b)) {
                return None;
            }
            uri.user = Some(number.to_owned());
            uri.params = params;
            return Some(uri);
        }
        Scheme::Sip | Scheme::Sips => {}
    }
    let rest = match rest.split_once('@') {
        Some((userinfo, rest)) => {
            let (user, password) = match userinfo.split_once(':') {
                Some((user, password)) => (user, Some(password)),
                None => (userinfo, None),
            };
            if user.is_empty() {
                return None;
            }
            uri.user = Some(user.to_owned());
            uri.password = password.map(str::to_owned);
            rest
        }
        None => rest,
    };
    let (rest, headers) = match rest.split_once('?') {
        Some((rest, headers)) if !headers.is_empty() => (rest, Some(headers.to_owned())),
        Some(_) => return None,
        None => (rest, None),
    };
    uri.headers = headers;
    let (hostport, params) = match rest.split_once(';') {
        Some((hostport, params)) => (hostport, Params::parse_uri(params)?),
        None => (rest, Params::default()),
    };
    uri.params = params;
    (uri.host, uri.port) = parse_hostport(hostport)?;
    Some(uri)
}

/// `host[:port]`, as in URIs and Via's sent-by. The host comes back in lower case.
pub(super) fn parse_hostport(text: &str) -> Option<(String, Option<u16>)> {
    let (host, port) = if let Some(inner) = text.strip_prefix('[') {
        let (address, after) = inner.split_once(']')?;
        address.parse::<std::net::Ipv6Addr>().ok()?;
        let port = if after.is_empty() { None } else { Some(after.strip_prefix(':')?) };
        (&text[..address.len() + 2], port)
    } else {
        let (host, port) = match text.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (text, None),
        };
        if host.is_empty() || !host.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b)) {
            return None;
        }
        (host, port)
    };
    let port = match port {
        None => None,
        Some(port) if !port.is_empty() && port.len() <= 5 && port.bytes().all(|b| b.is_ascii_digit()) => {
            Some(port.parse().ok()?)
        }
        Some(_) => return None,
    };
    Some((host.to_ascii_lowercase(), port))
}

fn escapes_valid(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes
        .iter()
        .enumerate()
        .filter(|(_, b)| **b == b'%')
        .all(|(at, _)| bytes.get(at + 1..at + 3).is_some_and(|hex| hex.iter().all(u8::is_ascii_hexdigit)))
}

pub(super) fn unescape(text: &str) -> String {
    if !text.contains('%') {
        return text.to_owned();
    }
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let hex = (bytes[at] == b'%').then(|| text.get(at + 1..at + 3)).flatten();
        match hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(byte) => {
                out.push(byte);
                at += 3;
            }
            None => {
                out.push(bytes[at]);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

fn escape_user(user: &str) -> String {
    let mut out = String::with_capacity(user.len());
    for byte in user.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.!~*'()&=+$,;?/".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

impl fmt::Display for Uri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = match &self.scheme {
            Scheme::Sip => "sip",
            Scheme::Sips => "sips",
            Scheme::Tel => "tel",
            Scheme::Other(name) => name,
        };
        write!(f, "{scheme}:")?;
        if let Some(user) = &self.user {
            f.write_str(user)?;
            if let Some(password) = &self.password {
                write!(f, ":{password}")?;
            }
            if self.is_sip() {
                f.write_str("@")?;
            }
        }
        f.write_str(&self.host)?;
        if let Some(port) = self.port {
            write!(f, ":{port}")?;
        }
        // URI parameters are escaped, never quoted.
        for (name, value) in self.params.iter() {
            write!(f, ";{name}")?;
            if let Some(value) = value {
                write!(f, "={value}")?;
            }
        }
        if let Some(headers) = &self.headers {
            write!(f, "?{headers}")?;
        }
        Ok(())
    }
}

impl std::str::FromStr for Uri {
    type Err = UriError;

    fn from_str(text: &str) -> Result<Self, UriError> {
        Self::parse(text)
    }
}
