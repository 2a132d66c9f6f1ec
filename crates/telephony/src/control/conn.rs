//! One SIP connection: bytes in and out, through TLS or not. Held by [`super::sip_io`].
//!
//! ```text
//!  accepted ──────────────► handshaking (TLS only) ──► open ──► closed
//!  connecting ──connected──► handshaking (TLS only) ──►
//! ```
//! What is sent before it is open waits in it; the bound is [`UNSENT_MAX`].
use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use mio::net::TcpStream;
use sip::Transport;

use crate::net::READ_BUDGET;

/// Unsent bytes of a connection before it counts as dead.
pub(super) const UNSENT_MAX: usize = 256 * 1024;
/// Silence after which a connection is closed: the longest registration we grant.
const IDLE_MAX: Duration = Duration::from_secs(3700);
/// Patience with a connection being opened, and with one that was accepted and says nothing: SIP's own transaction time-out.
const CONNECT_MAX: Duration = Duration::from_secs(32);
/// Patience with a TLS handshake. A phone far away needs four round trips, a second or two.
const HANDSHAKE_MAX: Duration = Duration::from_secs(10);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// Being opened by us.
    Connecting,
    Handshaking,
    Open,
}

/// What reading found.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// Nothing more for now.
    Drained,
    /// The budget is used up.
    More,
    /// The connection is over.
    End,
}

pub(super) struct Conn {
    pub(super) stream: TcpStream,
    pub(super) remote: SocketAddr,
    pub(super) transport: Transport,
    pub(super) state: State,
    /// Made by us. Whom we expect there, where that was said.
    pub(super) ours: bool,
    pub(super) peer: Option<super::trust::Peer>,
    /// The peer has sent something that can be read.
    has_spoken: bool,
    tls: Option<Box<rustls::Connection>>,
    unsent: VecDeque<u8>,
    /// When it was made, then when something last came or went.
    used: Instant,
}

impl Conn {
    pub(super) fn new(
        stream: TcpStream,
        remote: SocketAddr,
        transport: Transport,
        ours: bool,
        mut tls: Option<rustls::Connection>,
    ) -> Self {
        if let Some(tls) = &mut tls {
            tls.set_buffer_limit(Some(UNSENT_MAX));
        }
        let state = match (ours, &tls) {
            (true, _) => State::Connecting,
            (false, Some(_)) => State::Handshaking,
            (false, None) => State::Open,
        };
        let (tls, used) = (tls.map(Box::new), Instant::now());
        Self {
            stream,
            remote,
            transport,
            state,
            ours,
            peer: None,
            has_spoken: false,
            tls,
            unsent: VecDeque::new(),
            used,
        }
    }

    /// Accepted, and its handshake is not over.
    pub(super) fn is_half_open(&self) -> bool {
        !self.ours && self.state == State::Handshaking
    }

    /// True when it has been silent or half-open for too long.
    pub(super) fn is_stale(&self) -> bool {
        let max = match self.state {
            State::Connecting => CONNECT_MAX,
            State::Handshaking => HANDSHAKE_MAX,
            State::Open if !self.ours && !self.has_spoken => CONNECT_MAX,
            State::Open => IDLE_MAX,
        };
        self.used.elapsed() > max
    }

    /// Goes on with opening; false while that takes its time. An error ends the connection.
    pub(super) fn connect(&mut self) -> io::Result<bool> {
        if self.state == State::Connecting {
            if let Some(error) = self.stream.take_error()? {
                return Err(error);
            }
            match self.stream.peer_addr() {
                Ok(_) => {
                    self.used = Instant::now();
                    self.state = if self.tls.is_some() { State::Handshaking } else { State::Open };
                }
                Err(error) if error.kind() == io::ErrorKind::NotConnected => return Ok(false),
                Err(error) => return Err(error),
            }
        }
        if self.state == State::Handshaking {
            self.shake_hands()?;
        }
        Ok(self.state == State::Open)
    }

    fn shake_hands(&mut self) -> io::Result<()> {
        let Some(tls) = &mut self.tls else { return Ok(()) };
        for _ in 0..READ_BUDGET {
            flush(tls, &mut self.stream)?;
            if !tls.is_handshaking() {
                // Patience counts anew from here.
                (self.state, self.used) = (State::Open, Instant::now());
                return Ok(());
            }
            match tls.read_tls(&mut self.stream) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(_) => {
                    if let Err(error) = tls.process_new_packets() {
                        // The alert that says why.
                        let _ = flush(tls, &mut self.stream);
                        return Err(io::Error::other(error));
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        // A handshake of so many pieces is none.
        Err(io::ErrorKind::InvalidData.into())
    }

    /// Sends whole messages, or keeps them until it can.
    pub(super) fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        match &mut self.tls {
            Some(tls) => {
                if tls.writer().write(bytes)? < bytes.len() {
                    return Err(io::ErrorKind::WriteZero.into());
                }
            }
            None if self.unsent.len() + bytes.len() > UNSENT_MAX => return Err(io::ErrorKind::WriteZero.into()),
            None => self.unsent.extend(bytes),
        }
        self.write()
    }

    /// Sends what waits, as far as the network takes it.
    pub(super) fn write(&mut self) -> io::Result<()> {
        if self.state == State::Connecting {
            return Ok(());
        }
        if let Some(tls) = &mut self.tls {
            if flush(tls, &mut self.stream)? && self.state == State::Open {
                self.used = Instant::now();
            }
            return Ok(());
        }
        while !self.unsent.is_empty() {
            let (bytes, _) = self.unsent.as_slices();
            match self.stream.write(bytes) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(len) => {
                    self.unsent.drain(..len);
                    self.used = Instant::now();
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Hands what has come to `take`, piece by piece.
    pub(super) fn read(&mut self, buffer: &mut [u8], mut take: impl FnMut(&[u8])) -> Found {
        // What came with the end of the handshake is in already.
        let mut is_in = self.tls.is_some();
        for _ in 0..READ_BUDGET {
            let read = match &mut self.tls {
                Some(tls) => read_tls(tls, &mut self.stream, buffer, &mut is_in),
                None => self.stream.read(buffer),
            };
            match read {
                Ok(0) => return Found::End,
                Ok(len) => {
                    (self.used, self.has_spoken) = (Instant::now(), true);
                    take(&buffer[..len]);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Found::Drained,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return Found::End,
            }
        }
        Found::More
    }

    /// Says goodbye, as far as that can be done at once.
    pub(super) fn bye(&mut self) {
        if let Some(tls) = &mut self.tls
            && self.state == State::Open
        {
            tls.send_close_notify();
            let _ = flush(tls, &mut self.stream);
        }
    }
}

/// True if anything was sent.
fn flush(tls: &mut rustls::Connection, stream: &mut TcpStream) -> io::Result<bool> {
    let mut sent = false;
    while tls.wants_write() {
        match tls.write_tls(stream) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(_) => sent = true,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(sent)
}

/// Plain bytes out of the next records. `is_in`: there may be some without reading from the network. `Interrupted` when a
/// read brought none, so that whoever sends empty records gets no more turns than others.
fn read_tls(
    tls: &mut rustls::Connection,
    stream: &mut TcpStream,
    buffer: &mut [u8],
    is_in: &mut bool,
) -> io::Result<usize> {
    if !*is_in {
        if tls.read_tls(stream)? == 0 {
            return Ok(0);
        }
        let processed = tls.process_new_packets().map_err(io::Error::other);
        // Answers to key updates, and alerts.
        flush(tls, stream)?;
        processed?;
    }
    match tls.reader().read(buffer) {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
            *is_in = false;
            Err(io::ErrorKind::Interrupted.into())
        }
        // The end may come without a goodbye: messages carry their length.
        Ok(len) => {
            *is_in = len > 0;
            Ok(len)
        }
        other => other,
    }
}
