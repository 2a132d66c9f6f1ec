//! Typed header values other than addresses: Via, CSeq, authentication challenges, comma lists.

use std::borrow::Cow;
use std::fmt;
use std::net::SocketAddr;

use super::limits;
use super::name::Method;
use super::text::{Params, find_outside, is_token, take_quoted};
use super::uri::parse_hostport;

/// One Via value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Via {
    /// `UDP`, `TCP`, `TLS`, …, in upper case.
    pub transport: String,
    /// sent-by host in lower case; IPv6 with brackets.
    pub host: String,
    pub port: Option<u16>,
    pub params: Params,
}

impl Via {
    /// Parses one value (no comma list).
    pub fn parse(text: &str) -> Option<Self> {
        let (protocol, rest) = text.trim().split_once('/')?;
        let (version, rest) = rest.split_once('/')?;
        let rest = rest.trim_start();
        if !protocol.trim().eq_ignore_ascii_case("SIP") || version.trim() != "2.0" {
            return None;
        }
        let (transport, rest) = rest.split_once([' ', '\t'])?;
        if !is_token(transport) {
            return None;
        }
        let (sent_by, params) = match rest.split_once(';') {
            Some((sent_by, params)) => (sent_by, Params::parse_header(params)?),
            None => (rest, Params::default()),
        };
        // Blanks may stand around the colon (§20.42).
        let sent_by: String = match sent_by.rsplit_once(':') {
            Some((host, port)) => format!("{}:{}", host.trim(), port.trim()),
            None => sent_by.trim().to_owned(),
        };
        let (host, port) = parse_hostport(&sent_by)?;
        Some(Self { transport: transport.to_ascii_uppercase(), host, port, params })
    }

    /// The branch, when it follows RFC 3261 (magic cookie and something behind it).
    pub fn branch(&self) -> Option<&str> {
        let branch = self.params.get("branch")?;
        let cookie = branch.get(..7)?;
        (cookie.eq_ignore_ascii_case("z9hG4bK") && branch.len() > 7).then_some(branch)
    }

    /// Notes where the request came from (RFC 3261 §18.2.1, RFC 3581 §4).
    pub fn stamp(&mut self, source: SocketAddr) {
        let ip = source.ip().to_canonical().to_string();
        let differs = self.host.trim_start_matches('[').trim_end_matches(']') != ip;
        if self.params.has("rport") {
            self.params.set("rport", Some(&source.port().to_string()));
            self.params.set("received", Some(&ip));
        } else if differs {
            self.params.set("received", Some(&ip));
        }
    }
}

impl fmt::Display for Via {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SIP/2.0/{} {}", self.transport, self.host)?;
        if let Some(port) = self.port {
            write!(f, ":{port}")?;
        }
        write!(f, "{}", self.params)
    }
}

/// A CSeq value; the number is below 2^31 (RFC 3261 §8.1.1.5).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CSeq {
    pub number: u32,
    pub method: Method,
}

impl CSeq {
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split_ascii_whitespace();
        let number = parse_digits(parts.next()?)?;
        let method = parts.next()?;
        if parts.next().is_some() || number >= 1 << 31 || !is_token(method) {
            return None;
        }
        Some(Self { number: u32::try_from(number).ok()?, method: Method::from_text(method) })
    }
}

impl fmt::Display for CSeq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.number, self.method)
    }
}

/// Digits only, saturating: signs and blanks are not numbers here.
pub(crate) fn parse_digits(text: &str) -> Option<u64> {
    if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    Some(text.bytes().fold(0u64, |n, b| n.saturating_mul(10).saturating_add(u64::from(b - b'0'))))
}

/// Splits a comma separated value, honouring quotes and angle brackets. At most [`limits::LIST`] items.
pub fn split_list(value: &str) -> impl Iterator<Item = &str> {
    let mut rest = Some(value);
    std::iter::from_fn(move || {
        let text = rest?;
        match find_outside(text, b',') {
            Some(at) => {
                rest = Some(&text[at + 1..]);
                Some(text[..at].trim())
            }
            None => {
                rest = None;
                Some(text.trim())
            }
        }
    })
    .take(limits::LIST)
}

/// A scheme with comma separated parameters: the shape of challenges and of credentials (RFC 3261 §20.7, §20.44).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Challenge<'a> {
    /// `Digest`, as written.
    pub scheme: &'a str,
    params: Vec<(&'a str, Cow<'a, str>)>,
}

impl<'a> Challenge<'a> {
    pub fn parse(text: &'a str) -> Option<Self> {
        let (scheme, rest) = text.trim().split_once([' ', '\t'])?;
        if !is_token(scheme) {
            return None;
        }
        let mut params: Vec<(&str, Cow<'_, str>)> = Vec::with_capacity(10);
        for item in split_list(rest) {
            let (name, value) = item.split_once('=')?;
            let (name, value) = (name.trim(), value.trim());
            let value = if value.starts_with('"') {
                let (inner, after) = take_quoted(value)?;
                if !after.trim().is_empty() {
                    return None;
                }
                inner
            } else {
                Cow::Borrowed(value)
            };
            // A repeated parameter is ambiguous, and ambiguity is what request smuggling lives on.
            if !is_token(name) || params.iter().any(|(key, _)| key.eq_ignore_ascii_case(name)) {
                return None;
            }
            params.push((name, value));
        }
        Some(Self { scheme, params })
    }

    pub fn get(&self, name: &str) -> Option<&str> {
        self.params.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| &**value)
    }

    pub fn is_digest(&self) -> bool {
        self.scheme.eq_ignore_ascii_case("Digest")
    }
}
