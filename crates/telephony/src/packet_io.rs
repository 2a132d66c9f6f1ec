//! How the media thread gets its packets and sends them: io_uring where the kernel allows it, else epoll with batched
//! system calls. One interface for both; it knows sockets and datagrams, neither RTP nor legs. Used by the media thread
//! alone.
//!
//! A round: [`PacketIo::wait`], then [`PacketIo::next`] until `None`, with [`PacketIo::send`] in between, then
//! [`PacketIo::flush`], and [`PacketIo::rest`] if the next round is to serve more. Received bytes are valid until the next call of `next`. One socket gets a budget of datagrams
//! per round, so that a flood on it starves neither the others nor the tick: with epoll, where a leg's socket is read once
//! a round, the rest stays in its socket buffer; with io_uring a few rounds' worth is held, and until it has been handed
//! out the rest stays in the socket buffer too.
//!
//! A socket may be removed at any time; what is in flight for it is cancelled or ignored.
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use mio::Poll;
use mio::net::UdpSocket;

use crate::config::MediaIo;
use crate::stats::Counters;

mod epoll;
#[allow(unsafe_code, reason = "system calls the standard library lacks; the only such module of the crate")]
mod kernel;

use epoll::Epoll;
use kernel::Uring;

/// Names a socket: an index into the tables of the backends. 0 is the waker; see the media thread for the others.
pub(crate) type SocketKey = usize;

/// The waker's key and mio token.
pub(crate) const WAKER: SocketKey = 0;
/// Larger media packets are not for us (Ethernet carries 1,500).
const PACKET_MAX: usize = 2048;

/// Datagrams of one socket in one round. A leg that was not read for a second has 50; the sockets below `shared` carry
/// many peers each.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Budget {
    pub(crate) shared: SocketKey,
}

impl Budget {
    const LEG: usize = 64;
    const SHARED: usize = 1024;

    fn of(self, key: SocketKey) -> usize {
        if key < self.shared { Self::SHARED } else { Self::LEG }
    }
}

/// A received datagram.
pub(crate) struct Datagram<'a> {
    pub(crate) socket: SocketKey,
    pub(crate) source: SocketAddr,
    pub(crate) bytes: &'a [u8],
}

pub(crate) enum PacketIo {
    Epoll(Box<Epoll>),
    Uring(Box<Uring>),
}

impl PacketIo {
    /// `poll` holds the waker already. `sockets_max` is the number of keys that may be used.
    ///
    /// # Errors
    /// io_uring was asked for and the kernel refuses it.
    pub(crate) fn open(
        wish: MediaIo,
        poll: Poll,
        budget: Budget,
        sockets_max: usize,
        counters: Arc<Counters>,
    ) -> io::Result<Self> {
        if wish == MediaIo::Epoll {
            tracing::info!(media_io = "epoll", "media packets by epoll, as set");
            return Ok(Self::Epoll(Box::new(Epoll::new(poll, budget, counters)?)));
        }
        match Uring::open(budget, sockets_max, counters.clone()) {
            Ok(mut ring) => {
                ring.watch_waker(poll)?;
                tracing::info!(media_io = "io-uring", "media packets by io_uring");
                Ok(Self::Uring(Box::new(ring)))
            }
            Err(error) if wish == MediaIo::IoUring => Err(error),
            Err(error) => {
                tracing::info!(media_io = "epoll", %error, "media packets by epoll: this kernel refuses io_uring");
                Ok(Self::Epoll(Box::new(Epoll::new(poll, budget, counters)?)))
            }
        }
    }

    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Epoll(_) => "epoll",
            Self::Uring(_) => "io-uring",
        }
    }

    /// Called once by the thread that makes all other calls from then on; sockets may be added before.
    pub(crate) fn begin(&mut self) -> io::Result<()> {
        match self {
            Self::Epoll(_) => Ok(()),
            Self::Uring(ring) => ring.begin(),
        }
    }

    /// Reads this socket from now on. The key must be free.
    pub(crate) fn add(&mut self, key: SocketKey, socket: UdpSocket) -> io::Result<()> {
        match self {
            Self::Epoll(epoll) => epoll.add(key, socket),
            Self::Uring(ring) => ring.add(key, socket),
        }
    }

    /// Sends what is queued for it and closes it; its key may be used again at once.
    pub(crate) fn remove(&mut self, key: SocketKey) {
        match self {
            Self::Epoll(epoll) => epoll.remove(key),
            Self::Uring(ring) => ring.remove(key),
        }
    }

    /// Returns when there is something to do (at once if there is), or after `timeout`.
    pub(crate) fn wait(&mut self, timeout: Duration) -> io::Result<()> {
        match self {
            Self::Epoll(epoll) => epoll.wait(timeout),
            Self::Uring(ring) => ring.wait(timeout),
        }
    }

    /// The next datagram of this round.
    pub(crate) fn next(&mut self) -> Option<Datagram<'_>> {
        match self {
            Self::Epoll(epoll) => epoll.next(),
            Self::Uring(ring) => ring.next(),
        }
    }

    /// Sends, at the latest with the next [`PacketIo::flush`]. Failures are counted.
    pub(crate) fn send(&mut self, key: SocketKey, to: SocketAddr, bytes: Vec<u8>) {
        match self {
            Self::Epoll(epoll) => epoll.send(key, to, bytes),
            Self::Uring(ring) => ring.send(key, to, bytes),
        }
    }

    /// Ends a round: what is queued is sent.
    pub(crate) fn flush(&mut self) {
        match self {
            Self::Epoll(epoll) => epoll.flush(),
            Self::Uring(ring) => ring.flush(),
        }
    }

    /// Sleeps, whatever comes: all of it is served together by the next round.
    pub(crate) fn rest(&mut self, until: Instant) -> io::Result<()> {
        match self {
            Self::Epoll(_) => {
                let rest = until.saturating_duration_since(Instant::now());
                if !rest.is_zero() {
                    std::thread::sleep(rest);
                }
                Ok(())
            }
            Self::Uring(ring) => ring.rest(until),
        }
    }
}

/// Octets of the largest socket address we use (`sockaddr_in6`).
const NAME_MAX: usize = 28;

/// Reads a socket address as the kernel writes it (`sockaddr_in`, `sockaddr_in6`).
fn parse_name(name: &[u8]) -> Option<SocketAddr> {
    let (family, rest) = name.split_first_chunk::<2>()?;
    let (port, rest) = rest.split_first_chunk::<2>()?;
    let port = u16::from_be_bytes(*port);
    match i32::from(u16::from_ne_bytes(*family)) {
        libc::AF_INET => {
            let ip: [u8; 4] = *rest.first_chunk()?;
            Some((Ipv4Addr::from(ip), port).into())
        }
        libc::AF_INET6 => {
            // Flow label first; the scope after the address matters for link-local peers only, which we do not serve.
            let ip: [u8; 16] = *rest.get(4..)?.first_chunk()?;
            Some((Ipv6Addr::from(ip), port).into())
        }
        _ => None,
    }
}

/// The inverse of [`parse_name`], and how many octets of it count.
fn write_name(addr: SocketAddr) -> ([u8; NAME_MAX], libc::socklen_t) {
    let mut name = [0; NAME_MAX];
    name[2..4].copy_from_slice(&addr.port().to_be_bytes());
    let (family, length) = match addr.ip() {
        IpAddr::V4(ip) => {
            name[4..8].copy_from_slice(&ip.octets());
            (libc::AF_INET, 16)
        }
        IpAddr::V6(ip) => {
            name[8..24].copy_from_slice(&ip.octets());
            (libc::AF_INET6, 28)
        }
    };
    name[..2].copy_from_slice(&(family as u16).to_ne_bytes());
    (name, length)
}

#[cfg(test)]
mod tests;
