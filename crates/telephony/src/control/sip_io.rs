//! The SIP sockets: one UDP socket, one TCP listener and its connections. Owned by the control thread. Bytes in and
//! out; messages are cut and understood by `sip`.
use std::collections::{HashMap, VecDeque};
use std::io::{self, Read, Write};
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use mio::net::{TcpListener, TcpStream, UdpSocket};
use mio::{Interest, Registry, Token};
use sip::{ConnId, Hop, Transport};

use crate::config::StartError;
use crate::net::{self, Advertise, READ_BUDGET, SIP_TCP, SIP_UDP};

pub(crate) const UDP: Token = Token(1);
pub(crate) const LISTENER: Token = Token(2);
/// Connection `n` has token `CONNECTIONS + n`; numbers are never used twice.
const CONNECTIONS: usize = 16;
/// Bursts: 10 calls a second make 60 messages; a reload of 1,000 registrations fits twice.
const UDP_BUFFER: usize = 4 * 1024 * 1024;
/// Unsent bytes of a connection before it counts as dead.
const UNSENT_MAX: usize = 256 * 1024;
/// Silence after which a connection is closed: the longest registration we grant.
const IDLE_MAX: Duration = Duration::from_secs(3700);
/// Patience with a connection being opened: SIP's own transaction time-out.
const CONNECT_MAX: Duration = Duration::from_secs(32);
/// A free port may be free for UDP only; when the system chooses, try a few.
const PORT_TRIES: usize = 20;

struct Conn {
    stream: TcpStream,
    remote: SocketAddr,
    connecting: bool,
    unsent: VecDeque<u8>,
    used: Instant,
}

/// What a ready TCP socket brought.
pub(crate) enum TcpEvent {
    Opened { conn: ConnId, local: SocketAddr, remote: SocketAddr },
    Data { conn: ConnId, bytes: Vec<u8> },
    Closed { conn: ConnId },
    Unreachable { remote: SocketAddr },
}

pub(crate) struct SipIo {
    udp: UdpSocket,
    listener: TcpListener,
    addr: SocketAddr,
    advertise: Advertise,
    conns: HashMap<ConnId, Conn>,
    by_remote: HashMap<SocketAddr, ConnId>,
    last: u64,
    max: usize,
}

impl SipIo {
    pub(crate) fn bind(addr: SocketAddr, advertise: Advertise, max: usize) -> Result<Self, StartError> {
        for attempt in 1.. {
            let udp = net::bind_udp(addr, UDP_BUFFER).map_err(|e| net::explain(SIP_UDP, addr, e))?;
            let bound = udp.local_addr().map_err(|e| net::explain(SIP_UDP, addr, e))?;
            match TcpListener::bind(bound) {
                Ok(listener) => {
                    return Ok(Self {
                        udp,
                        listener,
                        addr: bound,
                        advertise,
                        conns: HashMap::new(),
                        by_remote: HashMap::new(),
                        last: 0,
                        max,
                    });
                }
                Err(_) if addr.port() == 0 && attempt < PORT_TRIES => {}
                Err(error) => return Err(net::explain(SIP_TCP, bound, error)),
            }
        }
        Err(StartError::System { what: "a SIP port", source: io::ErrorKind::AddrInUse.into() })
    }

    pub(crate) fn register(&mut self, registry: &Registry) -> io::Result<()> {
        registry.register(&mut self.udp, UDP, Interest::READABLE)?;
        registry.register(&mut self.listener, LISTENER, Interest::READABLE)
    }

    pub(crate) fn addr(&self) -> SocketAddr {
        self.addr
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

    pub(crate) fn receive(&self, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        self.udp.recv_from(buffer)
    }

    /// Sends whole messages; opens a connection where the hop needs one and names none.
    pub(crate) fn send(&mut self, registry: &Registry, hop: &Hop, bytes: &[u8]) -> io::Result<()> {
        if hop.transport == Transport::Udp {
            return self.udp.send_to(bytes, hop.remote).map(|_| ());
        }
        let known = hop.conn.or_else(|| self.by_remote.get(&hop.remote).copied());
        let id = match known.filter(|id| self.conns.contains_key(id)) {
            Some(id) => id,
            // The peer's connection is gone: it must come back, its port is no listener.
            None if hop.conn.is_some() => return Err(io::ErrorKind::NotConnected.into()),
            None => {
                if self.conns.len() >= self.max {
                    return Err(io::Error::other("too many connections"));
                }
                let stream = TcpStream::connect(hop.remote)?;
                self.add(registry, stream, hop.remote, true)?
            }
        };
        let Some(conn) = self.conns.get_mut(&id) else { return Err(io::ErrorKind::NotConnected.into()) };
        if conn.unsent.len() + bytes.len() > UNSENT_MAX {
            return Err(io::ErrorKind::WriteZero.into());
        }
        conn.unsent.extend(bytes);
        conn.write()
    }

    fn add(
        &mut self,
        registry: &Registry,
        mut stream: TcpStream,
        remote: SocketAddr,
        connecting: bool,
    ) -> io::Result<ConnId> {
        self.last += 1;
        let id = ConnId(self.last);
        let token = Token(CONNECTIONS + usize::try_from(self.last).unwrap_or(usize::MAX - CONNECTIONS));
        registry.register(&mut stream, token, Interest::READABLE | Interest::WRITABLE)?;
        let _ = stream.set_nodelay(true);
        self.by_remote.insert(remote, id);
        self.conns.insert(id, Conn { stream, remote, connecting, unsent: VecDeque::new(), used: Instant::now() });
        Ok(id)
    }

    pub(crate) fn close(&mut self, id: ConnId) {
        if let Some(conn) = self.conns.remove(&id)
            && self.by_remote.get(&conn.remote) == Some(&id)
        {
            self.by_remote.remove(&conn.remote);
        }
    }

    /// Takes waiting connections; answers how many were taken and how many turned away.
    pub(crate) fn accept(&mut self, registry: &Registry, out: &mut Vec<TcpEvent>) -> (u64, u64) {
        let (mut taken, mut refused) = (0, 0);
        // Until the queue is empty, as the poll reports only news.
        while let Ok((stream, remote)) = self.listener.accept() {
            if self.conns.len() >= self.max {
                refused += 1;
                continue;
            }
            let local = stream.local_addr().unwrap_or(self.addr);
            if let Ok(conn) = self.add(registry, stream, remote, false) {
                taken += 1;
                out.push(TcpEvent::Opened { conn, local, remote });
            }
        }
        (taken, refused)
    }

    /// Serves a ready connection. True if more may be waiting.
    pub(crate) fn ready(&mut self, token: Token, buffer: &mut [u8], out: &mut Vec<TcpEvent>) -> bool {
        let id = ConnId(token.0.saturating_sub(CONNECTIONS) as u64);
        let Some(conn) = self.conns.get_mut(&id) else { return false };
        let remote = conn.remote;
        if conn.connecting {
            match conn.connected() {
                Ok(Some(local)) => out.push(TcpEvent::Opened { conn: id, local, remote }),
                Ok(None) => return false,
                Err(_) => {
                    self.close(id);
                    out.push(TcpEvent::Unreachable { remote });
                    return false;
                }
            }
        }
        if conn.write().is_err() {
            self.close(id);
            out.push(TcpEvent::Closed { conn: id });
            return false;
        }
        for _ in 0..READ_BUDGET {
            match conn.stream.read(buffer) {
                Ok(0) => break,
                Ok(len) => {
                    conn.used = Instant::now();
                    out.push(TcpEvent::Data { conn: id, bytes: buffer[..len].to_vec() });
                    continue;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return false,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(_) => break,
            }
        }
        // Either the end, or the budget is used up: a further read tells.
        match conn.stream.peek(&mut [0]) {
            Ok(1) => return true,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return false,
            _ => {}
        }
        self.close(id);
        out.push(TcpEvent::Closed { conn: id });
        false
    }

    /// Closes what has been silent or half-open for too long.
    pub(crate) fn sweep(&mut self, out: &mut Vec<TcpEvent>) {
        let old: Vec<(ConnId, SocketAddr, bool)> = self
            .conns
            .iter()
            .filter(|(_, c)| c.used.elapsed() > if c.connecting { CONNECT_MAX } else { IDLE_MAX })
            .map(|(id, c)| (*id, c.remote, c.connecting))
            .collect();
        for (conn, remote, connecting) in old {
            self.close(conn);
            out.push(if connecting { TcpEvent::Unreachable { remote } } else { TcpEvent::Closed { conn } });
        }
    }
}

impl Conn {
    /// Our address once the connection stands, `None` while it does not.
    fn connected(&mut self) -> io::Result<Option<SocketAddr>> {
        if let Some(error) = self.stream.take_error()? {
            return Err(error);
        }
        match self.stream.peer_addr() {
            Ok(_) => {
                self.connecting = false;
                self.stream.local_addr().map(Some)
            }
            Err(error) if error.kind() == io::ErrorKind::NotConnected => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn write(&mut self) -> io::Result<()> {
        while !self.connecting && !self.unsent.is_empty() {
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
}
