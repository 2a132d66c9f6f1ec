//! name-addr and addr-spec as in From, To, Contact, Route (RFC 3261 §20.10).

use std::fmt;

use super::text::{Params, find_outside, is_token_byte, take_quoted, write_quoted};
use super::uri::{Uri, UriError};

/// An optional display name, a URI, and header parameters (`tag`, `q`, `expires`, `lr` stays with the URI).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NameAddr {
    /// Display name without quotes; `None` when absent or empty.
    pub display: Option<String>,
    pub uri: Uri,
    pub params: Params,
}

impl NameAddr {
    pub fn new(uri: Uri) -> Self {
        Self { display: None, uri, params: Params::default() }
    }

    pub fn with_display(mut self, display: &str) -> Self {
        self.display = (!display.is_empty()).then(|| display.to_owned());
        self
    }

    /// The same address with its `tag` set.
    pub fn with_tag(mut self, tag: &str) -> Self {
        self.params.set("tag", Some(tag));
        self
    }

    /// The dialog tag, when there is a non-empty one.
    pub fn tag(&self) -> Option<&str> {
        self.params.get("tag").filter(|tag| !tag.is_empty())
    }

    /// Parses one value (no comma list).
    pub fn parse(text: &str) -> Result<Self, UriError> {
        parse(text).ok_or(UriError)
    }
}

fn parse(text: &str) -> Option<NameAddr> {
    let text = text.trim();
    let (display, rest) = if text.starts_with('"') {
        let (display, rest) = take_quoted(text)?;
        let rest = rest.trim_start();
        if !rest.starts_with('<') {
            return None;
        }
        (display.into_owned(), rest)
    } else if let Some(open) = text.find('<') {
        // Unquoted display names are tokens and blanks; bytes above ASCII are common in practice and harmless.
        let display = text[..open].trim();
        if !display.bytes().all(|b| is_token_byte(b) || b == b' ' || b == b'\t' || b >= 0x80) {
            return None;
        }
        (display.to_owned(), &text[open..])
    } else {
        (String::new(), text)
    };
    let (uri, after) = match rest.strip_prefix('<') {
        Some(inner) => {
            let (uri, after) = inner.split_once('>')?;
            (Uri::parse(uri).ok()?, after.trim_start())
        }
        None => {
            // Without brackets `;` starts header parameters, and neither `,` nor `?` may occur (§20.10).
            let end = rest.find(';').unwrap_or(rest.len());
            let uri = rest[..end].trim_end();
            if uri.contains([',', '?']) {
                return None;
            }
            (Uri::parse(uri).ok()?, &rest[end..])
        }
    };
    let params =
        if after.trim().is_empty() { Params::default() } else { Params::parse_header(after.strip_prefix(';')?)? };
    Some(NameAddr { display: (!display.is_empty()).then_some(display), uri, params })
}

impl fmt::Display for NameAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(display) = &self.display {
            write_quoted(f, display)?;
            f.write_str(" ")?;
        }
        write!(f, "<{}>{}", self.uri, self.params)
    }
}

/// The Contact headers of one message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ContactList {
    /// `Contact: *`
    Star,
    /// Zero or more addresses.
    Addresses(Vec<NameAddr>),
}

impl ContactList {
    /// Reads all values; `None` when one is malformed, `*` is mixed with others, or there are too many.
    pub(super) fn parse<'a>(values: impl Iterator<Item = &'a str>) -> Option<Self> {
        let mut list = Vec::new();
        let mut star = false;
        for value in values {
            let mut rest = value;
            loop {
                let end = find_outside(rest, b',').unwrap_or(rest.len());
                let item = rest[..end].trim();
                if item == "*" {
                    star = true;
                } else {
                    list.push(parse(item)?);
                }
                if list.len() > super::limits::LIST {
                    return None;
                }
                if end == rest.len() {
                    break;
                }
                rest = &rest[end + 1..];
            }
        }
        match (star, list.is_empty()) {
            (true, true) => Some(Self::Star),
            (true, false) => None,
            (false, _) => Some(Self::Addresses(list)),
        }
    }
}
