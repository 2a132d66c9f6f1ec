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

/// A read buffer larger than this is given back once it is empty: most connections carry a burst and then rest.
const KEPT_BYTES: usize = 4 * 1024;

/// Collects bytes of one connection. Holds at most one unfinished message between calls, and looks at each byte a bounded
/// number of times however the bytes are cut into pieces.
#[derive(Debug, Default)]
pub struct Framer {
    buffer: Vec<u8>,
    /// Bytes of `buffer` that have been handed out.
    taken: usize,
    /// Bytes behind `taken` already searched for the end of the head.
    searched: usize,
    /// Length of the message at the front, once its head is complete.
    total: Option<usize>,
}

impl Framer {
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds bytes as they came.
    pub fn push(&mut self, bytes: &[u8]) {
        self.compact();
        self.buffer.extend_from_slice(bytes);
    }

    /// True while the beginning of a message waits for its rest.
    pub fn is_mid_message(&self) -> bool {
        self.rest().iter().any(|b| *b != b'\r' && *b != b'\n')
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
        if self.rest().starts_with(b"\r\n\r\n") {
            self.consume(4);
            return Ok(Some(Frame::Ping));
        }
        // Line ends before a message are ignored (§7.5), but half a ping must wait for its other half.
        let blank = self.rest().iter().take_while(|b| **b == b'\r' || **b == b'\n').count();
        if blank == self.rest().len() && blank < 4 {
            self.compact();
            return Ok(None);
        }
        if blank > 0 {
            self.consume(blank);
        }
        let total = match self.total {
            Some(total) => total,
            None => match self.find_total()? {
                Some(total) => *self.total.insert(total),
                None => {
                    self.compact();
                    return Ok(None);
                }
            },
        };
        let Some(message) = self.rest().get(..total).map(<[u8]>::to_vec) else {
            self.compact();
            return Ok(None);
        };
        self.consume(total);
        Ok(Some(Frame::Message(message)))
    }

    /// Length of the message at the front; `None` while its head is not complete.
    fn find_total(&mut self) -> Result<Option<usize>, StreamError> {
        let from = self.searched.saturating_sub(3);
        let Some((head_end, body_start)) = find_head_end(&self.rest()[from..]).map(|(a, b)| (a + from, b + from))
        else {
            self.searched = self.rest().len();
            if self.searched > limits::MESSAGE_BYTES {
                return Err(StreamError::HeadTooLong);
            }
            return Ok(None);
        };
        if head_end > limits::MESSAGE_BYTES {
            return Err(StreamError::HeadTooLong);
        }
        let total = body_start.saturating_add(content_length(&self.rest()[..head_end])?);
        if total > limits::MESSAGE_BYTES { Err(StreamError::TooLong) } else { Ok(Some(total)) }
    }

    fn rest(&self) -> &[u8] {
        &self.buffer[self.taken..]
    }

    fn consume(&mut self, count: usize) {
        self.taken += count;
        self.searched = 0;
        self.total = None;
    }

    /// Forgets what was handed out. Once a call, not once a message: many small messages in one read would move the rest of
    /// it each time.
    fn compact(&mut self) {
        self.buffer.drain(..self.taken);
        self.taken = 0;
        if self.buffer.is_empty() && self.buffer.capacity() > KEPT_BYTES {
            self.buffer = Vec::new();
        }
    }
}

fn content_length(head: &[u8]) -> Result<usize, StreamError> {
    let mut found = None;
    for line in head.split(|b| *b == b'\n').skip(1) {
        let Some(colon) = line.iter().position(|b| *b == b':') else { continue };
        let Ok(name) = std::str::from_utf8(&line[..colon]) else { continue };
        if Name::from_text(name.trim_end_matches([' ', '\t'])) != Name::ContentLength {
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
