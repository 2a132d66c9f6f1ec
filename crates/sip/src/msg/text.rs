//! Lexical helpers shared by the header parsers: tokens, quoted strings, parameters, list splitting.

use std::borrow::Cow;
use std::fmt;

use super::limits;

/// RFC 3261 §25.1 `token`.
pub(super) fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(is_token_byte)
}

pub(super) fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-.!%*_+`'~".contains(&byte)
}

/// Byte offset of the first `wanted` outside quotes and angle brackets; `None` if there is none or quotes are unbalanced.
pub(super) fn find_outside(text: &str, wanted: u8) -> Option<usize> {
    let mut in_quotes = false;
    let mut in_angle = false;
    let mut escaped = false;
    for (at, byte) in text.bytes().enumerate() {
        if escaped {
            escaped = false;
            continue;
        }
        if in_quotes {
            match byte {
                b'\\' => escaped = true,
                b'"' => in_quotes = false,
                _ => {}
            }
            continue;
        }
        if byte == wanted && !in_angle {
            return Some(at);
        }
        match byte {
            b'"' if !in_angle => in_quotes = true,
            b'<' => in_angle = true,
            b'>' => in_angle = false,
            _ => {}
        }
    }
    None
}

/// Reads a quoted string that starts at the beginning of `text`: its unescaped content and the rest behind it.
pub(super) fn take_quoted(text: &str) -> Option<(Cow<'_, str>, &str)> {
    let inner = text.strip_prefix('"')?;
    // Hardly any has escapes.
    let end = inner.bytes().position(|b| b == b'"' || b == b'\\')?;
    if inner.as_bytes()[end] == b'"' {
        return Some((Cow::Borrowed(&inner[..end]), &inner[end + 1..]));
    }
    let mut out = String::new();
    let mut escaped = false;
    for (at, c) in inner.char_indices() {
        if escaped {
            out.push(c);
            escaped = false;
        } else if c == '\\' {
            escaped = true;
        } else if c == '"' {
            return Some((Cow::Owned(out), &inner[at + 1..]));
        } else {
            out.push(c);
        }
    }
    None
}

/// Writes `text` as a quoted string.
pub(super) fn write_quoted(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    f.write_str("\"")?;
    for c in text.chars() {
        match c {
            '"' | '\\' => write!(f, "\\{c}")?,
            // A control character inside would end the header.
            c if c.is_control() => f.write_str(" ")?,
            c => write!(f, "{c}")?,
        }
    }
    f.write_str("\"")
}

/// Parameters of a URI or a header value, in order. Names compare without case.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Params(Vec<(String, Option<String>)>);

impl Params {
    /// The value of `name`: `None` when absent, `Some("")` when it is a bare flag.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_deref().unwrap_or(""))
    }

    /// True when `name` is present, with or without a value.
    pub fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// Sets `name`, replacing an earlier value in place.
    pub fn set(&mut self, name: &str, value: Option<&str>) {
        let value = value.map(str::to_owned);
        match self.0.iter_mut().find(|(key, _)| key.eq_ignore_ascii_case(name)) {
            Some(found) => found.1 = value,
            None => self.0.push((name.to_owned(), value)),
        }
    }

    /// Removes `name` if present.
    pub fn remove(&mut self, name: &str) {
        self.0.retain(|(key, _)| !key.eq_ignore_ascii_case(name));
    }

    /// All parameters in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, Option<&str>)> {
        self.0.iter().map(|(key, value)| (key.as_str(), value.as_deref()))
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Parses what stands behind the first `;` of a header value, for example `branch=x;rport`.
    pub(super) fn parse_header(text: &str) -> Option<Self> {
        let mut params = Self::default();
        let mut rest = text;
        loop {
            let end = find_outside(rest, b';').unwrap_or(rest.len());
            let item = rest[..end].trim();
            if params.0.len() >= limits::PARAMS {
                return None;
            }
            let (name, value) = match item.split_once('=') {
                None => (item, None),
                Some((name, value)) => {
                    let value = value.trim();
                    let value = if value.starts_with('"') {
                        let (inner, after) = take_quoted(value)?;
                        if !after.trim().is_empty() {
                            return None;
                        }
                        inner.into_owned()
                    } else if value.is_empty() || value.bytes().any(|b| b <= b' ' || b"\",;<>=\x7f".contains(&b)) {
                        return None;
                    } else {
                        value.to_owned()
                    };
                    (name.trim(), Some(value))
                }
            };
            if !is_token(name) {
                return None;
            }
            params.0.push((name.to_owned(), value));
            if end == rest.len() {
                return Some(params);
            }
            rest = &rest[end + 1..];
        }
    }

    /// Parses URI parameters (behind the first `;`), keeping escapes as they are.
    pub(super) fn parse_uri(text: &str) -> Option<Self> {
        let mut params = Self::default();
        for item in text.split(';') {
            if params.0.len() >= limits::PARAMS {
                return None;
            }
            let (name, value) = match item.split_once('=') {
                None => (item, None),
                Some((name, value)) => (name, Some(value)),
            };
            if name.is_empty() || value == Some("") {
                return None;
            }
            params.0.push((name.to_owned(), value.map(str::to_owned)));
        }
        Some(params)
    }
}

impl fmt::Display for Params {
    /// Writes `;name=value…`; values that are not tokens are quoted.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, value) in &self.0 {
            write!(f, ";{name}")?;
            if let Some(value) = value {
                f.write_str("=")?;
                let plain = !value.is_empty() && value.bytes().all(|b| is_token_byte(b) || b"[]:/&$".contains(&b));
                if plain {
                    f.write_str(value)?;
                } else {
                    write_quoted(f, value)?;
                }
            }
        }
        Ok(())
    }
}
