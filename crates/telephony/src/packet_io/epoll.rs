//! Packets by epoll: one read of each ready leg's socket a round, one `recvmmsg` and one `sendmmsg` for many packets of
//! a shared socket. Called by [`super::PacketIo`].
use std::io;
use std::net::SocketAddr;
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::time::Duration;

use mio::net::UdpSocket;
use mio::{Events, Poll};

use super::kernel::{Readiness, Received, send_many};
use super::{Budget, Datagram, PACKET_MAX, SocketKey, WAKER};
use crate::stats::Counters;

/// Datagrams of a shared socket asked for at once.
const BATCH: usize = Received::MAX;
/// Packets queued for one shared socket before they are sent without waiting for the round's end.
const QUEUE_MAX: usize = 64;

pub(crate) struct Epoll {
    readiness: Readiness,
    /// The waker's own poll is one of the descriptors watched.
    waker: Poll,
    woken: Events,
    sockets: Vec<Option<UdpSocket>>,
    budget: Budget,
    /// The next of those that are ready in this round.
    at: usize,
    /// The datagram of a leg's socket, with a place more than is taken: what fills it was longer.
    single: Box<[u8; PACKET_MAX + 1]>,
    /// The shared socket being read, what it may still give in this round, what it has given and the next of that.
    shared: SocketKey,
    left: usize,
    received: Received,
    next: usize,
    /// Waiting packets of the shared sockets, by key.
    queues: Vec<Vec<(SocketAddr, Vec<u8>)>>,
    counters: Arc<Counters>,
}

impl Epoll {
    pub(super) fn new(poll: Poll, budget: Budget, counters: Arc<Counters>) -> io::Result<Self> {
        let readiness = Readiness::new()?;
        readiness.add(WAKER, poll.as_raw_fd())?;
        Ok(Self {
            readiness,
            waker: poll,
            woken: Events::with_capacity(8),
            sockets: Vec::new(),
            budget,
            at: 0,
            single: Box::new([0; PACKET_MAX + 1]),
            shared: WAKER,
            left: 0,
            received: Received::new(),
            next: 0,
            queues: (0..budget.shared).map(|_| Vec::new()).collect(),
            counters,
        })
    }

    pub(super) fn add(&mut self, key: SocketKey, socket: UdpSocket) -> io::Result<()> {
        self.readiness.add(key, socket.as_raw_fd())?;
        if self.sockets.len() <= key {
            self.sockets.resize_with(key + 1, || None);
        }
        self.sockets[key] = Some(socket);
        Ok(())
    }

    pub(super) fn remove(&mut self, key: SocketKey) {
        self.flush_shared(key);
        if let Some(socket) = self.sockets.get_mut(key).and_then(Option::take) {
            // Closing the socket would do; a refusal changes nothing.
            let _ = self.readiness.remove(socket.as_raw_fd());
        }
        if self.shared == key {
            self.left = 0;
            self.received.clear();
        }
    }

    pub(super) fn wait(&mut self, timeout: Duration) -> io::Result<()> {
        self.at = 0;
        self.readiness.wait(timeout)
    }

    pub(super) fn next(&mut self) -> Option<Datagram<'_>> {
        loop {
            while let Some(source) = self.received.source(self.next) {
                self.next += 1;
                if let Some(source) = source {
                    return Some(Datagram { socket: self.shared, source, bytes: self.received.bytes(self.next - 1) });
                }
            }
            if self.left > 0 {
                self.fill();
                continue;
            }
            let key = self.readiness.get(self.at)?;
            self.at += 1;
            if key == WAKER {
                // Takes the wake-up back; there is nothing else in this poll.
                let _ = self.waker.poll(&mut self.woken, Some(Duration::ZERO));
            } else if key < self.budget.shared {
                (self.shared, self.left) = (key, self.budget.of(key));
            } else if let Some(Some(socket)) = self.sockets.get(key) {
                // One packet is what a leg has in a round. More are read in the next rounds: a flood holds nobody up, and
                // a second of a leg's sound is caught up with in fifty.
                match socket.recv_from(&mut self.single[..]) {
                    Ok((length, source)) if length <= PACKET_MAX => {
                        return Some(Datagram { socket: key, source, bytes: &self.single[..length] });
                    }
                    // Too long, or an ICMP error reported for an earlier packet.
                    Ok(_) | Err(_) => {}
                }
            }
        }
    }

    /// Reads on from the shared socket.
    fn fill(&mut self) {
        self.received.clear();
        self.next = 0;
        let left = std::mem::take(&mut self.left);
        let Some(Some(socket)) = self.sockets.get(self.shared) else { return };
        let want = BATCH.min(left);
        match self.received.read(socket, want) {
            // Fewer than asked for: the socket is empty.
            Ok(got) if got < want => {}
            Ok(got) => self.left = left - got,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            // An ICMP error reported for an earlier packet: the next read goes on.
            Err(_) => self.left = left - 1,
        }
    }

    pub(super) fn send(&mut self, key: SocketKey, to: SocketAddr, bytes: Vec<u8>) {
        if let Some(queue) = self.queues.get_mut(key) {
            queue.push((to, bytes));
            if queue.len() >= QUEUE_MAX {
                self.flush_shared(key);
            }
            return;
        }
        let sent = self.sockets.get(key).and_then(Option::as_ref).map(|socket| socket.send_to(&bytes, to));
        if !matches!(sent, Some(Ok(_))) {
            Counters::add(&self.counters.rtp_send_failed, 1);
        }
    }

    pub(super) fn flush(&mut self) {
        for key in 0..self.queues.len() {
            self.flush_shared(key);
        }
    }

    fn flush_shared(&mut self, key: SocketKey) {
        let Some(queue) = self.queues.get_mut(key).filter(|queue| !queue.is_empty()) else { return };
        let sent = match self.sockets.get(key).and_then(Option::as_ref) {
            Some(socket) => send_many(socket, queue),
            None => 0,
        };
        Counters::add(&self.counters.rtp_send_failed, (queue.len() - sent) as u64);
        queue.clear();
    }
}
