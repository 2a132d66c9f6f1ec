//! Writes messages. Header values are cleaned of line ends, so that no value can smuggle in a header.

use std::fmt::{Display, Write};
use std::net::SocketAddr;

use super::fields::Via;
use super::name::{Method, Name};
use super::parse::{Message, RawMessage};
use super::uri::Uri;

/// Builds one message; [`Builder::finish`] adds Content-Length and the body.
#[derive(Debug, Clone, Default)]
pub struct Builder {
    head: String,
    body: Vec<u8>,
}

impl Builder {
    pub fn request(method: &Method, uri: &Uri) -> Self {
        let mut head = String::with_capacity(512);
        push_clean(&mut head, format_args!("{method} {uri} SIP/2.0"));
        Self { head, body: Vec::new() }
    }

    /// A bare response; see [`Builder::reply`] for one that answers a request.
    pub fn response(code: u16, reason: &str) -> Self {
        let mut head = String::with_capacity(512);
        push_clean(&mut head, format_args!("SIP/2.0 {code} {reason}"));
        Self { head, body: Vec::new() }
    }

    /// A response that copies Via, From, To, Call-ID and CSeq of `request` (RFC 3261 §8.2.6), notes `source` in the top
    /// Via and adds `tag` to a To that has none. Works on malformed requests too, with what they have.
    pub fn reply(request: &RawMessage, source: SocketAddr, code: u16, reason: &str, tag: Option<&str>) -> Self {
        let mut out = Self::response(code, reason);
        let mut top = true;
        for line in request.all(Name::Via) {
            // Only the top value is rewritten; what stands behind a comma is copied.
            let split = super::text::find_outside(line, b',').filter(|_| top);
            let (first, rest) = split.map_or((line, None), |at| (&line[..at], Some(line[at + 1..].trim())));
            match Via::parse(first).filter(|_| top) {
                Some(mut via) => {
                    via.stamp(source);
                    out = out.header(Name::Via, via);
                }
                None => out = out.header(Name::Via, first),
            }
            if let Some(rest) = rest {
                out = out.header(Name::Via, rest);
            }
            top = false;
        }
        for name in [Name::From, Name::To, Name::CallId, Name::CSeq] {
            let Some(value) = request.get(name) else { continue };
            let untagged = name == Name::To
                && super::address::NameAddr::parse(value).map_or(!value.contains("tag="), |to| to.tag().is_none());
            match tag.filter(|_| untagged) {
                Some(tag) => out = out.header(name, format_args!("{value};tag={tag}")),
                None => out = out.header(name, value),
            }
        }
        out
    }

    /// Appends a header.
    pub fn header(self, name: Name, value: impl Display) -> Self {
        self.header_named(name.text(), value)
    }

    /// Appends a header by its text.
    pub fn header_named(mut self, name: &str, value: impl Display) -> Self {
        push_clean(&mut self.head, format_args!("{name}: {value}"));
        self
    }

    /// Appends the headers of another, which began with none of its own.
    pub(crate) fn append(mut self, other: Builder) -> Self {
        self.head.push_str(&other.head);
        self
    }

    /// Sets body and Content-Type.
    pub fn body(mut self, content_type: &str, body: &[u8]) -> Self {
        self = self.header(Name::ContentType, content_type);
        self.body = body.to_vec();
        self
    }

    /// The bytes to send.
    pub fn finish(mut self) -> Vec<u8> {
        let length = self.body.len();
        push_clean(&mut self.head, format_args!("Content-Length: {length}"));
        self.head.push_str("\r\n");
        let mut bytes = self.head.into_bytes();
        bytes.extend_from_slice(&self.body);
        bytes
    }
}

impl Message {
    /// A request without its body: what is needed to cancel or acknowledge it after a restart. `None` for responses.
    pub fn bare(&self) -> Option<Vec<u8>> {
        let mut out = Builder::request(self.method(), self.uri()?);
        for (name, value) in self.headers() {
            if !matches!(Name::from_text(name), Name::ContentLength | Name::ContentType) {
                out = out.header_named(name, value);
            }
        }
        Some(out.finish())
    }
}

/// Appends a line and its CRLF; control characters in it become blanks.
fn push_clean(head: &mut String, line: std::fmt::Arguments<'_>) {
    struct Clean<'a>(&'a mut String);
    impl Write for Clean<'_> {
        fn write_str(&mut self, text: &str) -> std::fmt::Result {
            if text.bytes().any(|b| b < b' ') {
                self.0.extend(text.chars().map(|c| if c < ' ' { ' ' } else { c }));
            } else {
                self.0.push_str(text);
            }
            Ok(())
        }
    }
    // Writing to a String cannot fail.
    let _ = Clean(head).write_fmt(line);
    head.push_str("\r\n");
}
