//! Cuts messages out of a TCP stream by Content-Length (RFC 3261 §18.3), with keep-alive pings (RFC 5626 §3.5.1).

use super::fields::parse_digits;
use super::limits;
use super::name::Name;
use super::parse::find_head_end;

/// Why a stream can no longer be read: the connection should be closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum StreamError {
    #[error("head is longer than allowed")]
    HeadTooLong,
    #[error("content-length is missing, repeated or malformed")]
    BadLength,
    #[error("message is longer than allowed")]
    TooLong,
}

/// One thing read from a stream.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Frame {
    Message(Vec<u8>),
    /// A double CRLF: answer it with a single one.
    Ping,
}

/// Collects bytes of one connection. Holds at most one unfinished message.
#[derive(Debug, Default)]
pub struct Framer {
    buffer: Vec<u8>,
    /// Bytes already searched for the end of the head, so that a trickled head is not searched again from its start.
    searched: usize,
}

impl Framer {
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds bytes as they came.
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// The next whole message as bytes; pings are skipped. `Ok(None)` means more bytes are needed.
    ///
    /// # Errors
    /// [`StreamError`]: framing is lost for good.
    pub fn next_message(&mut self) -> Result<Option<Vec<u8>>, StreamError> {
        loop {
            match self.next_frame()? {
                Some(Frame::Message(bytes)) => return Ok(Some(bytes)),
                Some(Frame::Ping) => {}
                None => return Ok(None),
            }
        }
    }

    pub(crate) fn next_frame(&mut self) -> Result<Option<Frame>, StreamError> {
        if self.buffer.starts_with(b"\r\n\r\n") {
            self.consume(4);
            return Ok(Some(Frame::Ping));
        }
        // Line ends before a message are ignored (§7.5), but half a ping must wait for its other half.
        let blank = self.buffer.iter().take_while(|b| **b == b'\r' || **b == b'\n').count();
        if blank == self.buffer.len() && blank < 4 {
            return Ok(None);
        }
        if blank > 0 {
            self.consume(blank);
        }
        let from = self.searched.saturating_sub(3);
        let Some((head_end, body_start)) = find_head_end(&self.buffer[from..]).map(|(a, b)| (a + from, b + from))
        else {
            self.searched = self.buffer.len();
            if self.buffer.len() > limits::MESSAGE_BYTES {
                return Err(StreamError::HeadTooLong);
            }
            return Ok(None);
        };
        if head_end > limits::MESSAGE_BYTES {
            return Err(StreamError::HeadTooLong);
        }
        let length = content_length(&self.buffer[..head_end])?;
        let total = body_start.saturating_add(length);
        if total > limits::MESSAGE_BYTES {
            return Err(StreamError::TooLong);
        }
        if self.buffer.len() < total {
            return Ok(None);
        }
        let message = self.buffer[..total].to_vec();
        self.consume(total);
        Ok(Some(Frame::Message(message)))
    }

    fn consume(&mut self, count: usize) {
        self.buffer.drain(..count);
        self.searched = 0;
    }
}

fn content_length(head: &[u8]) -> Result<usize, StreamError> {
    let mut found = None;
    for line in head.split(|b| *b == b'\n').skip(1) {
        let Some(colon) = line.iter().position(|b| *b == b':') else { continue };
        let Ok(name) = std::str::from_utf8(&line[..colon]) else { continue };
        if Name::from_text(name.trim_end()) != Name::ContentLength {
            continue;
        }
        let value = std::str::from_utf8(&line[colon + 1..]).map_err(|_| StreamError::BadLength)?;
        let length = parse_digits(value.trim()).ok_or(StreamError::BadLength)?;
        if found.replace(length).is_some() {
            return Err(StreamError::BadLength);
        }
    }
    // Content-Length is mandatory on streams (§20.14).
    usize::try_from(found.ok_or(StreamError::BadLength)?).map_err(|_| StreamError::BadLength)
}
