//! Packets by epoll: one `recvmmsg` per ready socket (it says by itself when the socket is empty), one `sendmmsg` for
//! all packets of a round that leave by the same shared socket. Called by [`super::PacketIo`].
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use mio::net::UdpSocket;
use mio::{Events, Interest, Poll, Token};

use super::kernel::{Received, send_many};
use super::{Budget, Datagram, SocketKey, WAKER};
use crate::stats::Counters;

/// Ready sockets taken in one round; the others come with the next.
const EVENTS_MAX: usize = 4096;
/// Datagrams asked for at once. A leg's socket has one nearly always: the second slot finds out that it is empty.
const BATCH_LEG: usize = 2;
const BATCH_SHARED: usize = Received::MAX;
/// Packets queued for one shared socket before they are sent without waiting for the round's end.
const QUEUE_MAX: usize = 64;

pub(crate) struct Epoll {
    poll: Poll,
    events: Events,
    sockets: Vec<Option<UdpSocket>>,
    budget: Budget,
    /// To be read in this round, and sockets that used their budget up: they are read again in the next.
    ready: Vec<SocketKey>,
    again: Vec<SocketKey>,
    /// Where `received` came from, and what is left of that socket's budget if it may have more.
    current: SocketKey,
    more: Option<usize>,
    received: Received,
    /// Next of `received` to hand out.
    at: usize,
    /// Waiting packets of the shared sockets, by key.
    queues: Vec<Vec<(SocketAddr, Vec<u8>)>>,
    counters: Arc<Counters>,
}

impl Epoll {
    pub(super) fn new(poll: Poll, budget: Budget, counters: Arc<Counters>) -> Self {
        Self {
            poll,
            events: Events::with_capacity(EVENTS_MAX),
            sockets: Vec::new(),
            budget,
            ready: Vec::new(),
            again: Vec::new(),
            current: WAKER,
            more: None,
            received: Received::new(),
            at: 0,
            queues: (0..budget.shared).map(|_| Vec::new()).collect(),
            counters,
        }
    }

    pub(super) fn add(&mut self, key: SocketKey, mut socket: UdpSocket) -> io::Result<()> {
        self.poll.registry().register(&mut socket, Token(key), Interest::READABLE)?;
        if self.sockets.len() <= key {
            self.sockets.resize_with(key + 1, || None);
        }
        self.sockets[key] = Some(socket);
        Ok(())
    }

    pub(super) fn remove(&mut self, key: SocketKey) {
        self.flush_shared(key);
        if let Some(mut socket) = self.sockets.get_mut(key).and_then(Option::take) {
            // Closing the socket would do; a refusal changes nothing.
            let _ = self.poll.registry().deregister(&mut socket);
        }
        self.again.retain(|&k| k != key);
        if self.current == key {
            self.more = None;
            self.received.clear();
        }
    }

    pub(super) fn wait(&mut self, timeout: Duration) -> io::Result<()> {
        let timeout = if self.again.is_empty() { timeout } else { Duration::ZERO };
        if let Err(error) = self.poll.poll(&mut self.events, Some(timeout))
            && error.kind() != io::ErrorKind::Interrupted
        {
            return Err(error);
        }
        // Those that had their turn go last.
        let again = std::mem::take(&mut self.again);
        self.ready.extend(again.iter());
        let fresh = self.events.iter().map(|event| event.token().0);
        self.ready.extend(fresh.filter(|key| *key != WAKER && !again.contains(key)));
        Ok(())
    }

    pub(super) fn next(&mut self) -> Option<Datagram<'_>> {
        loop {
            while let Some(source) = self.received.source(self.at) {
                self.at += 1;
                if let Some(source) = source {
                    return Some(Datagram { socket: self.current, source, bytes: self.received.bytes(self.at - 1) });
                }
            }
            self.fill()?;
        }
    }

    /// Reads on where something may be left; `None` when the round is over.
    fn fill(&mut self) -> Option<()> {
        self.received.clear();
        self.at = 0;
        let (key, left) = match self.more.take() {
            Some(left) => (self.current, left),
            None => {
                let key = self.ready.pop()?;
                (key, self.budget.of(key))
            }
        };
        self.current = key;
        let Some(Some(socket)) = self.sockets.get(key) else { return Some(()) };
        if left == 0 {
            self.again.push(key);
            return Some(());
        }
        let want = if key < self.budget.shared { BATCH_SHARED } else { BATCH_LEG }.min(left);
        match self.received.read(socket, want) {
            // Fewer than asked for: the socket is empty and epoll tells when it no longer is.
            Ok(got) if got < want => {}
            Ok(got) => self.more = Some(left - got),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            // An ICMP error reported for an earlier packet: the next read goes on.
            Err(_) => self.more = Some(left - 1),
        }
        Some(())
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
