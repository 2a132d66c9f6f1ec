//! The SIP sockets: one UDP socket, a listener for TCP and one for TLS, and their connections. Owned by the control
//! thread. Bytes in and out; messages are cut and understood by `sip`.
//!
//! Strangers may open connections and say nothing, or begin handshakes and not end them. Each waits for a bounded time and
//! holds a bounded number of places; a handshake costs as much work as several messages, so a round does only a few.
use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use crossbeam_channel::Receiver;
use mio::net::{TcpListener, TcpStream, UdpSocket};
use mio::{Interest, Registry, Token};
use rustls::{ServerConfig, ServerConnection};
use sip::{ConnId, Hop, Transport};

use super::conn::{Conn, Found, State};
use super::trust::{Peer, Trust};
use crate::config::{SipTls, StartError};
use crate::net::{self, Advertise, SIP_TCP, SIP_TLS, SIP_UDP};
use crate::web::{FromWeb, WebConns};

pub(crate) const UDP: Token = Token(1);
pub(crate) const LISTENER: Token = Token(2);
pub(crate) const TLS_LISTENER: Token = Token(3);
/// Connection `n` has token `CONNECTIONS + n`; numbers are never used twice.
const CONNECTIONS: usize = 16;
/// Bursts: 10 calls a second make 60 messages; a reload of 1,000 registrations fits twice.
const UDP_BUFFER: usize = 4 * 1024 * 1024;
/// A free port may be free for UDP only; when the system chooses, try a few.
const PORT_TRIES: usize = 20;
/// TLS handshakes that peers have begun and not ended: all phones of a large office that come back at once.
const HALF_OPEN_MAX: u32 = 1_000;
/// Of one source. Whoever is turned away tries again when the others are through.
const HALF_OPEN_PER_SOURCE: u32 = 200;
/// Steps of TLS handshakes in one round. The dear one, a signature, takes up to a millisecond with RSA.
const HANDSHAKES: u32 = 8;

/// Messages of phones on WebSockets taken in one round.
const WEB_BUDGET: usize = 256;

/// What a ready connection brought.
pub(crate) enum StreamEvent {
    Opened { conn: ConnId, transport: Transport, local: SocketAddr, remote: SocketAddr },
    Data { conn: ConnId, bytes: Vec<u8> },
    Closed { conn: ConnId },
    Unreachable { transport: Transport, remote: SocketAddr },
}

/// How many connections were taken and turned away, and how many handshakes failed.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Tally {
    pub(crate) taken: u64,
    pub(crate) refused: u64,
    pub(crate) tls_failed: u64,
}

struct TlsSide {
    listener: TcpListener,
    addr: SocketAddr,
    server: Arc<ServerConfig>,
}

/// Connections that came from one source.
#[derive(Debug, Default, Clone, Copy)]
struct Held {
    all: usize,
    half_open: u32,
}

pub(crate) struct SipIo {
    udp: UdpSocket,
    listener: TcpListener,
    addr: SocketAddr,
    tls: Option<TlsSide>,
    pub(crate) trust: Trust,
    advertise: Advertise,
    conns: HashMap<ConnId, Conn>,
    web: WebConns,
    by_remote: HashMap<(Transport, SocketAddr), ConnId>,
    by_source: HashMap<IpAddr, Held>,
    half_open: u32,
    handshakes: u32,
    tally: Tally,
    last: u64,
    max: usize,
}

impl SipIo {
    pub(crate) fn bind(
        addr: SocketAddr,
        tls: Option<SipTls>,
        advertise: Advertise,
        max: usize,
    ) -> Result<Self, StartError> {
        let tls = match tls {
            Some(SipTls { addr, server }) => {
                let explain = |error| net::explain(SIP_TLS, addr, error);
                let listener = net::bind_tcp(addr).map_err(explain)?;
                let addr = listener.local_addr().map_err(explain)?;
                Some(TlsSide { listener, addr, server })
            }
            None => None,
        };
        let (udp, listener) = bind_pair(addr)?;
        let addr = udp.local_addr().map_err(|e| net::explain(SIP_UDP, addr, e))?;
        Ok(Self {
            udp,
            listener,
            addr,
            tls,
            trust: Trust::new(),
            advertise,
            conns: HashMap::new(),
            web: WebConns::default(),
            by_remote: HashMap::new(),
            by_source: HashMap::new(),
            half_open: 0,
            handshakes: HANDSHAKES,
            tally: Tally::default(),
            last: 0,
            max,
        })
    }

    pub(crate) fn register(&mut self, registry: &Registry) -> io::Result<()> {
        registry.register(&mut self.udp, UDP, Interest::READABLE)?;
        if let Some(tls) = &mut self.tls {
            registry.register(&mut tls.listener, TLS_LISTENER, Interest::READABLE)?;
        }
        registry.register(&mut self.listener, LISTENER, Interest::READABLE)
    }

    pub(crate) fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Where phones reach us over TLS.
    pub(crate) fn tls_addr(&self) -> Option<SocketAddr> {
        self.tls.as_ref().map(|tls| tls.addr)
    }

    /// The address of ours that `remote` is told.
    pub(crate) fn local_for(&mut self, remote: IpAddr) -> SocketAddr {
        let ip = if self.addr.ip().is_unspecified() { self.advertise.towards(Some(remote)) } else { self.addr.ip() };
        SocketAddr::new(ip, self.addr.port())
    }

    /// The address of ours to write into SDP for `remote`.
    pub(crate) fn media_ip_for(&mut self, remote: Option<IpAddr>) -> IpAddr {
        self.advertise.towards(remote)
    }

    /// A round of the control thread begins.
    pub(crate) fn begin_round(&mut self) {
        self.handshakes = HANDSHAKES;
    }

    /// What was counted since the last call.
    pub(crate) fn take_tally(&mut self) -> Tally {
        std::mem::take(&mut self.tally)
    }

    pub(crate) fn receive(&self, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        self.udp.recv_from(buffer).map(|(len, remote)| (len, net::canonical(remote)))
    }

    /// Sends whole messages; opens a connection where the hop needs one and names none.
    pub(crate) fn send(&mut self, registry: &Registry, hop: &Hop, bytes: &[u8]) -> io::Result<()> {
        if hop.transport == Transport::Udp {
            return self.udp.send_to(bytes, net::mapped(self.addr, hop.remote)).map(|_| ());
        }
        if hop.transport.is_web() {
            return self.web.send(hop, bytes);
        }
        let id = match self.connection(hop) {
            Some(id) => id,
            // The peer's connection is gone: it must come back, its port is no listener. To a trunk of ours we go ourselves.
            None if hop.conn.is_some() && self.trust.peer(hop.remote).is_none() => {
                return Err(io::ErrorKind::NotConnected.into());
            }
            None => self.open(registry, hop)?,
        };
        let Some(conn) = self.conns.get_mut(&id) else { return Err(io::ErrorKind::NotConnected.into()) };
        conn.send(bytes)
    }

    /// The living connection that this hop means. Over TLS one of ours serves only who it was made to.
    fn connection(&self, hop: &Hop) -> Option<ConnId> {
        let named = hop.conn.filter(|id| self.conns.contains_key(id));
        let expected = self.trust.peer(hop.remote).filter(|_| hop.transport.is_secure());
        let known = || self.by_remote.get(&(hop.transport, hop.remote)).copied();
        named.or_else(|| {
            known().filter(|id| self.conns.get(id).is_some_and(|c| expected.is_none() || c.peer.as_ref() == expected))
        })
    }

    fn open(&mut self, registry: &Registry, hop: &Hop) -> io::Result<ConnId> {
        if self.conns.len() >= self.max {
            return Err(io::Error::other("too many connections"));
        }
        let tls = match hop.transport {
            Transport::Tls => {
                let client = self.trust.client(hop.remote);
                Some(client.ok_or_else(|| io::Error::other("no TLS with a peer of such a name"))?.into())
            }
            Transport::Udp | Transport::Tcp => None,
            Transport::Ws | Transport::Wss => return Err(io::ErrorKind::NotConnected.into()),
        };
        let stream = TcpStream::connect(hop.remote)?;
        let mut conn = Conn::new(stream, hop.remote, hop.transport, true, tls);
        conn.peer = self.trust.peer(hop.remote).cloned();
        self.add(registry, conn)
    }

    fn add(&mut self, registry: &Registry, mut conn: Conn) -> io::Result<ConnId> {
        self.last += 1;
        let id = ConnId(self.last);
        let token = Token(CONNECTIONS + usize::try_from(self.last).unwrap_or(usize::MAX - CONNECTIONS));
        registry.register(&mut conn.stream, token, Interest::READABLE | Interest::WRITABLE)?;
        let _ = conn.stream.set_nodelay(true);
        self.by_remote.insert((conn.transport, conn.remote), id);
        if !conn.ours {
            self.by_source.entry(source(conn.remote.ip())).or_default().all += 1;
        }
        if conn.is_half_open() {
            self.count_half_open(conn.remote.ip(), true);
        }
        self.conns.insert(id, conn);
        Ok(id)
    }

    fn count_half_open(&mut self, ip: IpAddr, is_more: bool) {
        let held = self.by_source.entry(source(ip)).or_default();
        let add = |n: u32| if is_more { n + 1 } else { n.saturating_sub(1) };
        (held.half_open, self.half_open) = (add(held.half_open), add(self.half_open));
    }

    pub(crate) fn close(&mut self, id: ConnId) {
        if let Some(remote) = self.web.close(id) {
            return self.let_go(remote.ip());
        }
        let Some(mut conn) = self.conns.remove(&id) else { return };
        conn.bye();
        let at = (conn.transport, conn.remote);
        if self.by_remote.get(&at) == Some(&id) {
            self.by_remote.remove(&at);
        }
        if conn.is_half_open() {
            self.count_half_open(conn.remote.ip(), false);
        }
        if !conn.ours {
            self.let_go(conn.remote.ip());
        }
    }

    /// One connection less from there.
    fn let_go(&mut self, remote: IpAddr) {
        let ip = source(remote);
        if let Some(held) = self.by_source.get_mut(&ip) {
            held.all -= 1;
            if held.all == 0 {
                self.by_source.remove(&ip);
            }
        }
    }

    /// What phones on WebSockets sent.
    pub(crate) fn take_web(&mut self, from: &Receiver<FromWeb>, out: &mut Vec<StreamEvent>) {
        for event in from.try_iter().take(WEB_BUDGET) {
            match event {
                FromWeb::Opened { conn, transport, local, remote, phone } => {
                    let held = self.by_source.get(&source(remote.ip())).copied().unwrap_or_default();
                    if self.conns.len() + self.web.len() >= self.max || held.all >= self.max / 2 {
                        self.tally.refused += 1;
                        // Dropped, which ends it.
                        continue;
                    }
                    self.by_source.entry(source(remote.ip())).or_default().all += 1;
                    self.tally.taken += 1;
                    self.web.add(conn, remote, phone);
                    out.push(StreamEvent::Opened { conn, transport, local, remote });
                }
                FromWeb::Message { conn, bytes } if self.web.knows(conn) => out.push(StreamEvent::Data { conn, bytes }),
                FromWeb::Message { .. } => {}
                FromWeb::Closed { conn } if self.web.knows(conn) => {
                    self.close(conn);
                    out.push(StreamEvent::Closed { conn });
                }
                FromWeb::Closed { .. } => {}
            }
        }
    }

    /// Takes the connections that wait at a listener.
    pub(crate) fn accept(&mut self, registry: &Registry, token: Token, out: &mut Vec<StreamEvent>) {
        let server = self.tls.as_ref().filter(|_| token == TLS_LISTENER).map(|tls| tls.server.clone());
        // Until the queue is empty, as the poll reports only news.
        loop {
            let listener = match &self.tls {
                Some(tls) if token == TLS_LISTENER => &tls.listener,
                _ => &self.listener,
            };
            let Ok((stream, remote)) = listener.accept() else { return };
            let remote = net::canonical(remote);
            let held = self.by_source.get(&source(remote.ip())).copied().unwrap_or_default();
            let half_open = self.half_open >= HALF_OPEN_MAX || held.half_open >= HALF_OPEN_PER_SOURCE;
            // Half of all places: behind one address there may be a whole company, but never everybody.
            if self.conns.len() + self.web.len() >= self.max
                || held.all >= self.max / 2
                || (server.is_some() && half_open)
            {
                self.tally.refused += 1;
                continue;
            }
            let (transport, tls) = match &server {
                None => (Transport::Tcp, None),
                Some(server) => match ServerConnection::new(server.clone()) {
                    Ok(tls) => (Transport::Tls, Some(tls.into())),
                    Err(_) => {
                        self.tally.refused += 1;
                        continue;
                    }
                },
            };
            let local = net::canonical(stream.local_addr().unwrap_or(self.addr));
            let is_open = tls.is_none();
            if let Ok(conn) = self.add(registry, Conn::new(stream, remote, transport, false, tls)) {
                self.tally.taken += 1;
                if is_open {
                    out.push(StreamEvent::Opened { conn, transport, local, remote });
                }
            }
        }
    }

    /// Serves a ready connection. True if more may be waiting.
    pub(crate) fn ready(&mut self, token: Token, buffer: &mut [u8], out: &mut Vec<StreamEvent>) -> bool {
        let id = ConnId(token.0.saturating_sub(CONNECTIONS) as u64);
        let Some(conn) = self.conns.get_mut(&id) else { return false };
        let (remote, transport, was_half_open) = (conn.remote, conn.transport, conn.is_half_open());
        if conn.state != State::Open {
            if conn.transport.is_secure() {
                if self.handshakes == 0 {
                    return true;
                }
                self.handshakes -= 1;
            }
            match conn.connect() {
                Ok(true) => {
                    let local = net::canonical(conn.stream.local_addr().unwrap_or(self.addr));
                    out.push(StreamEvent::Opened { conn: id, transport, local, remote });
                    if was_half_open {
                        self.count_half_open(remote.ip(), false);
                    }
                }
                Ok(false) => return false,
                Err(error) => {
                    self.opening_failed(id, &error, out);
                    return false;
                }
            }
        }
        let Some(conn) = self.conns.get_mut(&id) else { return false };
        let found = match conn.write() {
            Ok(()) => conn.read(buffer, |bytes| out.push(StreamEvent::Data { conn: id, bytes: bytes.to_vec() })),
            Err(_) => Found::End,
        };
        if found == Found::End {
            self.close(id);
            out.push(StreamEvent::Closed { conn: id });
        }
        found == Found::More
    }

    /// A connection that `sip` has not heard of is given up.
    fn opening_failed(&mut self, id: ConnId, error: &io::Error, out: &mut Vec<StreamEvent>) {
        let Some(conn) = self.conns.get(&id) else { return };
        let (remote, transport, ours) = (conn.remote, conn.transport, conn.ours);
        if transport.is_secure() {
            self.tally.tls_failed += 1;
            match &conn.peer {
                // The operator must know why a trunk is not reached: mostly its certificate.
                Some(Peer { name, .. }) => tracing::warn!(%error, peer = name, "no TLS connection to a trunk"),
                None => tracing::debug!(%error, "a TLS handshake failed"),
            }
        }
        self.close(id);
        if ours {
            out.push(StreamEvent::Unreachable { transport, remote });
        }
    }

    /// Closes what has been silent or half-open for too long.
    pub(crate) fn sweep(&mut self, out: &mut Vec<StreamEvent>) {
        let old: Vec<(ConnId, State)> =
            self.conns.iter().filter(|(_, c)| c.is_stale()).map(|(id, c)| (*id, c.state)).collect();
        for conn in self.web.gone() {
            self.close(conn);
            out.push(StreamEvent::Closed { conn });
        }
        for (conn, state) in old {
            if state == State::Open {
                self.close(conn);
                out.push(StreamEvent::Closed { conn });
            } else {
                self.opening_failed(conn, &io::ErrorKind::TimedOut.into(), out);
            }
        }
    }
}

/// UDP and TCP on the same port.
fn bind_pair(addr: SocketAddr) -> Result<(UdpSocket, TcpListener), StartError> {
    for attempt in 1.. {
        let udp = net::bind_udp(addr, UDP_BUFFER, false).map_err(|e| net::explain(SIP_UDP, addr, e))?;
        let bound = udp.local_addr().map_err(|e| net::explain(SIP_UDP, addr, e))?;
        match net::bind_tcp(bound) {
            Ok(listener) => return Ok((udp, listener)),
            Err(_) if addr.port() == 0 && attempt < PORT_TRIES => {}
            Err(error) => return Err(net::explain(SIP_TCP, bound, error)),
        }
    }
    Err(StartError::System { what: "a SIP port", source: io::ErrorKind::AddrInUse.into() })
}

/// Whom connections are counted by: an IPv4 address, or a network of 64 bits, of which one customer has all addresses.
fn source(ip: IpAddr) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V4(ip) => ip.into(),
        IpAddr::V6(ip) => Ipv6Addr::from(u128::from(ip) >> 64 << 64).into(),
    }
}
