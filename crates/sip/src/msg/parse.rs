//! The message parser: head split into indexed headers, strict framing, and the checks every message must pass.

use std::ops::{Deref, Range};

use super::address::{ContactList, NameAddr};
use super::fields::{CSeq, Via, parse_digits, split_list};
use super::limits;
use super::name::{Method, Name};
use super::text::is_token;
use super::uri::{Scheme, Uri};

/// Why a message was refused. Requests may be answered with `code` when `raw` is there and is a request.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{reason}")]
pub struct Reject {
    /// 400, 416, 505, 513.
    pub code: u16,
    /// Fixed text, fit for the reason phrase.
    pub reason: &'static str,
    /// The message as far as it could be taken apart.
    pub raw: Option<Box<RawMessage>>,
}

/// The first line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StartLine {
    Request { method: Method, uri: Uri },
    Response { code: u16, reason: String },
}

#[derive(Debug, Clone)]
struct Field {
    name: Name,
    name_at: Range<usize>,
    value_at: Range<usize>,
}

/// A message taken apart, whose mandatory headers have not been judged.
#[derive(Debug, Clone)]
pub struct RawMessage {
    /// The head with folds turned into blanks; fields are ranges over it.
    head: String,
    fields: Vec<Field>,
    method: Option<Method>,
    body: Vec<u8>,
}

/// A well-formed message: the mandatory headers are present once and parse.
#[derive(Debug, Clone)]
pub struct Message {
    raw: RawMessage,
    pub start: StartLine,
    /// The topmost Via.
    pub via: Via,
    pub from: NameAddr,
    pub to: NameAddr,
    pub cseq: CSeq,
}

impl Deref for Message {
    type Target = RawMessage;

    fn deref(&self) -> &RawMessage {
        &self.raw
    }
}

impl RawMessage {
    /// First value of a header, trimmed.
    pub fn get(&self, name: Name) -> Option<&str> {
        self.all(name).next()
    }

    /// Every line of a header, in order; comma lists are not split.
    pub fn all(&self, name: Name) -> impl Iterator<Item = &str> {
        self.fields.iter().filter(move |f| f.name == name).map(|f| &self.head[f.value_at.clone()])
    }

    /// First value of a header by its text, for names outside [`Name`].
    pub fn get_named<'a>(&'a self, name: &str) -> Option<&'a str> {
        self.fields
            .iter()
            .find(|f| self.head[f.name_at.clone()].eq_ignore_ascii_case(name))
            .map(|f| &self.head[f.value_at.clone()])
    }

    /// All headers in order as (name as received, value).
    pub fn headers(&self) -> impl Iterator<Item = (&str, &str)> {
        self.fields.iter().map(|f| (&self.head[f.name_at.clone()], &self.head[f.value_at.clone()]))
    }

    /// Items of a comma separated header over all its lines, at most [`limits::LIST`].
    pub fn list(&self, name: Name) -> impl Iterator<Item = &str> {
        self.all(name).flat_map(split_list).take(limits::LIST)
    }

    /// The method as far as the first line could be read; `None` for responses.
    pub fn method_hint(&self) -> Option<&Method> {
        self.method.as_ref()
    }

    /// A header that is a number of seconds or a count; malformed counts as absent, too large saturates.
    pub fn number(&self, name: Name) -> Option<u32> {
        let value = self.get(name)?;
        let digits = value.split([';', '(', ' ', '\t']).next()?;
        parse_digits(digits).map(|n| u32::try_from(n).unwrap_or(u32::MAX))
    }

    /// The body; empty when there is none.
    pub fn body(&self) -> &[u8] {
        &self.body
    }

    /// True when the content type (without parameters) is `wanted`, as `application/sdp`.
    pub fn content_is(&self, wanted: &str) -> bool {
        self.get(Name::ContentType)
            .is_some_and(|value| value.split(';').next().unwrap_or("").trim().eq_ignore_ascii_case(wanted))
    }

    /// The body when it is SDP.
    pub fn sdp(&self) -> Option<&[u8]> {
        (!self.body.is_empty() && self.content_is("application/sdp")).then_some(&self.body[..])
    }
}

impl Message {
    /// Parses one whole message, as from a datagram or a [`super::Framer`].
    ///
    /// A body longer than Content-Length is cut (RFC 3261 §18.3); a shorter one is an error.
    ///
    /// # Errors
    /// [`Reject`] with the response code a request deserves.
    pub fn parse(bytes: &[u8]) -> Result<Self, Reject> {
        if bytes.len() > limits::MESSAGE_BYTES {
            return Err(reject(513, "Message Too Large", None));
        }
        let head_end = find_head_end(bytes).ok_or(reject(400, "Incomplete Head", None))?;
        let (first_line, raw) = take_apart(&bytes[..head_end.0])?;
        let mut raw = raw;
        let start = match parse_start(&first_line, &mut raw.method) {
            Ok(start) => start,
            Err((code, reason)) => return Err(reject(code, reason, Some(raw))),
        };
        if let Err(reason) = take_body(&mut raw, &bytes[head_end.1..]) {
            return Err(reject(400, reason, Some(raw)));
        }
        match check(&raw, &start) {
            Ok((via, from, to, cseq)) => Ok(Self { raw, start, via, from, to, cseq }),
            Err(reason) => Err(reject(400, reason, Some(raw))),
        }
    }

    /// True for requests.
    pub fn is_request(&self) -> bool {
        matches!(self.start, StartLine::Request { .. })
    }

    /// The method: of the request, or of the request a response answers.
    pub fn method(&self) -> &Method {
        match &self.start {
            StartLine::Request { method, .. } => method,
            StartLine::Response { .. } => &self.cseq.method,
        }
    }

    /// The status code; 0 for requests.
    pub fn status(&self) -> u16 {
        match &self.start {
            StartLine::Request { .. } => 0,
            StartLine::Response { code, .. } => *code,
        }
    }

    /// The reason phrase; empty for requests.
    pub fn reason(&self) -> &str {
        match &self.start {
            StartLine::Request { .. } => "",
            StartLine::Response { reason, .. } => reason,
        }
    }

    /// The Request-URI; `None` for responses.
    pub fn uri(&self) -> Option<&Uri> {
        match &self.start {
            StartLine::Request { uri, .. } => Some(uri),
            StartLine::Response { .. } => None,
        }
    }

    /// The Call-ID.
    pub fn call_id(&self) -> &str {
        self.get(Name::CallId).unwrap_or("")
    }

    /// All Contact headers; `None` when malformed.
    pub fn contacts(&self) -> Option<ContactList> {
        ContactList::parse(self.all(Name::Contact))
    }

    /// The single Contact of an INVITE or its response, when present and well-formed.
    pub fn contact(&self) -> Option<NameAddr> {
        match self.contacts()? {
            ContactList::Addresses(mut list) if !list.is_empty() => Some(list.swap_remove(0)),
            _ => None,
        }
    }
}

fn reject(code: u16, reason: &'static str, raw: Option<RawMessage>) -> Reject {
    Reject { code, reason, raw: raw.map(Box::new) }
}

/// End of the head (behind the last header's line end) and start of the body.
pub(super) fn find_head_end(bytes: &[u8]) -> Option<(usize, usize)> {
    let mut at = 0;
    while let Some(step) = bytes[at..].iter().position(|b| *b == b'\n') {
        let end = at + step + 1;
        match &bytes[end..] {
            [b'\r', b'\n', ..] => return Some((end, end + 2)),
            [b'\n', ..] => return Some((end, end + 1)),
            _ => at = end,
        }
    }
    None
}

fn take_apart(head: &[u8]) -> Result<(String, RawMessage), Reject> {
    let mut bytes = head.to_vec();
    // Unfold in place (§7.3.1): a line end followed by a blank is a blank.
    for at in 0..bytes.len() {
        if bytes[at] == b'\n' && matches!(bytes.get(at + 1), Some(b' ' | b'\t')) {
            bytes[at] = b' ';
            if at > 0 && bytes[at - 1] == b'\r' {
                bytes[at - 1] = b' ';
            }
        }
    }
    let head = match String::from_utf8(bytes) {
        Ok(head) => head,
        // Old phones send Latin-1 names; losing an umlaut beats losing the call.
        Err(error) => String::from_utf8_lossy(error.as_bytes()).into_owned(),
    };
    let mut fields: Vec<Field> = Vec::with_capacity(16);
    let mut first: Option<&str> = None;
    let mut error = None;
    let mut at = 0;
    for line in head.split_inclusive('\n') {
        let start = at;
        at += line.len();
        let line = line.strip_suffix('\n').unwrap_or(line);
        let line = line.strip_suffix('\r').unwrap_or(line);
        if line.len() > limits::LINE_BYTES {
            error = Some("Header Too Long");
            break;
        }
        // A bare CR would end the line for a laxer reader before or behind us. (A NUL may stand in quotes: RFC 4475.)
        let is_split = line.contains('\r');
        if first.is_none() {
            first = Some(line);
            error = is_split.then_some("Malformed First Line");
            continue;
        }
        if fields.len() >= limits::HEADERS {
            error = Some("Too Many Headers");
            break;
        }
        let Some(colon) = line.find(':') else {
            error = Some("Malformed Header");
            continue;
        };
        let name = line[..colon].trim_end_matches([' ', '\t']);
        if !is_token(name) || is_split {
            error = Some("Malformed Header");
            continue;
        }
        let value = line[colon + 1..].trim_matches([' ', '\t']);
        let value_start = start + (value.as_ptr() as usize - line.as_ptr() as usize);
        fields.push(Field {
            name: Name::from_text(name),
            name_at: start..start + name.len(),
            value_at: value_start..value_start + value.len(),
        });
    }
    let first = first.unwrap_or("").to_owned();
    let raw = RawMessage { head, fields, method: None, body: Vec::new() };
    match error {
        None => Ok((first, raw)),
        Some(reason) => {
            let mut raw = raw;
            // Best effort, so that the refusal of a request can be sent and that of a response cannot.
            let _ = parse_start(&first, &mut raw.method);
            Err(reject(400, reason, Some(raw)))
        }
    }
}

fn parse_start(line: &str, seen_method: &mut Option<Method>) -> Result<StartLine, (u16, &'static str)> {
    if line.get(..4).is_some_and(|p| p.eq_ignore_ascii_case("SIP/")) {
        let (version, rest) = line.split_once(' ').ok_or((400, "Malformed Status Line"))?;
        if !version.eq_ignore_ascii_case("SIP/2.0") {
            return Err((505, "Version Not Supported"));
        }
        let (code, reason) = rest.split_once(' ').unwrap_or((rest, ""));
        let code = parse_digits(code).filter(|_| code.len() == 3).filter(|c| (100..700).contains(c));
        let code = code.and_then(|c| u16::try_from(c).ok()).ok_or((400, "Malformed Status Line"))?;
        return Ok(StartLine::Response { code, reason: reason.to_owned() });
    }
    let (method, rest) = line.split_once(' ').ok_or((400, "Malformed Request Line"))?;
    if !is_token(method) {
        return Err((400, "Malformed Request Line"));
    }
    let method = Method::from_text(method);
    *seen_method = Some(method.clone());
    let (uri, version) = rest.rsplit_once(' ').ok_or((400, "Malformed Request Line"))?;
    if !version.get(..4).is_some_and(|p| p.eq_ignore_ascii_case("SIP/")) {
        return Err((400, "Malformed Request Line"));
    }
    if !version.eq_ignore_ascii_case("SIP/2.0") {
        return Err((505, "Version Not Supported"));
    }
    let uri = Uri::parse(uri).map_err(|_| (400, "Malformed Request URI"))?;
    match uri.scheme {
        Scheme::Other(_) => Err((416, "Unsupported URI Scheme")),
        // Headers are not allowed in a Request-URI (§19.1.1, table 1).
        _ if uri.headers.is_some() => Err((400, "Headers In Request URI")),
        _ => Ok(StartLine::Request { method, uri }),
    }
}

fn take_body(raw: &mut RawMessage, rest: &[u8]) -> Result<(), &'static str> {
    let mut lengths = raw.all(Name::ContentLength);
    let length = match lengths.next() {
        None => rest.len(),
        Some(text) => {
            let length = parse_digits(text).ok_or("Malformed Content-Length")?;
            usize::try_from(length).map_err(|_| "Malformed Content-Length")?
        }
    };
    if lengths.next().is_some() {
        return Err("Repeated Content-Length");
    }
    drop(lengths);
    let body = rest.get(..length).ok_or("Content-Length Exceeds Body")?.to_vec();
    raw.body = body;
    Ok(())
}

fn check(raw: &RawMessage, start: &StartLine) -> Result<(Via, NameAddr, NameAddr, CSeq), &'static str> {
    let from = NameAddr::parse(once(raw, Name::From, "Missing Or Repeated From")?).map_err(|_| "Malformed From")?;
    let to = NameAddr::parse(once(raw, Name::To, "Missing Or Repeated To")?).map_err(|_| "Malformed To")?;
    let cseq = CSeq::parse(once(raw, Name::CSeq, "Missing Or Repeated CSeq")?).ok_or("Malformed CSeq")?;
    let call_id = once(raw, Name::CallId, "Missing Or Repeated Call-ID")?;
    // A control character would come back as a blank in our response, which then belongs to no request.
    if call_id.is_empty() || call_id.bytes().any(|b| b <= b' ' || b == 0x7f || b == b',') {
        return Err("Malformed Call-ID");
    }
    let mut via = None;
    for value in raw.list(Name::Via) {
        let parsed = Via::parse(value).ok_or("Malformed Via")?;
        via.get_or_insert(parsed);
    }
    let via = via.ok_or("Missing Via")?;
    let mut hops = raw.all(Name::MaxForwards);
    if let Some(text) = hops.next() {
        // Max-Forwards is 0..=255 (§20.22).
        if hops.next().is_some() || parse_digits(text).is_none_or(|n| n > 255) {
            return Err("Malformed Max-Forwards");
        }
    }
    if let StartLine::Request { method, .. } = start
        && *method != cseq.method
    {
        return Err("CSeq Method Mismatch");
    }
    if raw.all(Name::ContentType).nth(1).is_some() {
        return Err("Repeated Content-Type");
    }
    Ok((via, from, to, cseq))
}

fn once<'a>(raw: &'a RawMessage, name: Name, reason: &'static str) -> Result<&'a str, &'static str> {
    let mut values = raw.all(name);
    match (values.next(), values.next()) {
        (Some(value), None) => Ok(value),
        _ => Err(reason),
    }
}
