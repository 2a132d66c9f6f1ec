//! Addresses, ports and sockets: the narrow interface behind which batched system calls can come later. Called by the
//! control and media threads and at start. Nothing here knows SIP or RTP.
use std::collections::{HashMap, VecDeque};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::ops::RangeInclusive;
use std::time::{Duration, Instant};

use socket2::{Domain, Protocol, Socket, Type};

use crate::config::StartError;

/// Largest datagram read. SIP over UDP may reach 64 KiB; RTP is far smaller.
pub(crate) const DATAGRAM_MAX: usize = 65_535;
/// SIP datagrams read before the others get their turn.
pub(crate) const READ_BUDGET: usize = 64;

/// Connections that wait to be accepted: all phones of a large office that come back at once.
const BACKLOG: i32 = 1024;

/// What a socket is for, in words for the operator, and the option that chooses its port.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Purpose {
    pub(crate) what: &'static str,
    pub(crate) option: &'static str,
}

pub(crate) const SIP_UDP: Purpose = Purpose { what: "SIP UDP", option: "sip" };
pub(crate) const SIP_TCP: Purpose = Purpose { what: "SIP TCP", option: "sip" };
pub(crate) const SIP_TLS: Purpose = Purpose { what: "SIP TLS", option: "sip-tls" };
pub(crate) const WEBRTC: Purpose = Purpose { what: "WebRTC UDP", option: "media-ports" };

/// Turns the operating system's refusal to bind into words with a remedy.
pub(crate) fn explain(purpose: Purpose, addr: SocketAddr, source: io::Error) -> StartError {
    let Purpose { what, option } = purpose;
    match source.kind() {
        io::ErrorKind::AddrInUse => StartError::PortInUse { what, addr, option },
        io::ErrorKind::AddrNotAvailable => {
            StartError::AddressNotAvailable { addr: addr.ip(), option, have: local_addresses(true) }
        }
        io::ErrorKind::PermissionDenied => StartError::PortForbidden { what, addr, option },
        _ => StartError::Socket { what, addr, option, source },
    }
}

/// A non-blocking UDP socket with room for `buffer` bytes each way (the kernel may grant less). `[::]` is all addresses of
/// both families, unless `is_one_family`.
pub(crate) fn bind_udp(addr: SocketAddr, buffer: usize, is_one_family: bool) -> io::Result<mio::net::UdpSocket> {
    let socket = bind_plain(addr, is_one_family)?;
    // A refusal leaves the kernel's default: fewer bursts survive, nothing breaks.
    let _ = socket.set_recv_buffer_size(buffer);
    let _ = socket.set_send_buffer_size(buffer);
    Ok(mio::net::UdpSocket::from_std(socket.into()))
}

/// A listener, of both families like [`bind_udp`].
pub(crate) fn bind_tcp(addr: SocketAddr) -> io::Result<mio::net::TcpListener> {
    let socket = Socket::new(Domain::for_address(addr), Type::STREAM.nonblocking(), Some(Protocol::TCP))?;
    if addr.is_ipv6() {
        // Linux' default, unless its administrator chose another.
        socket.set_only_v6(false)?;
    }
    // A restart takes the port over while connections of the former run linger.
    socket.set_reuse_address(true)?;
    socket.bind(&addr.into())?;
    socket.listen(BACKLOG)?;
    Ok(mio::net::TcpListener::from_std(socket.into()))
}

/// As a socket bound to `ours` wants a peer's address: one of both families takes IPv4 in mapped form (RFC 4291 §2.5.5.2).
pub(crate) fn mapped(ours: SocketAddr, remote: SocketAddr) -> SocketAddr {
    match remote.ip() {
        IpAddr::V4(ip) if ours.is_ipv6() => SocketAddr::new(ip.to_ipv6_mapped().into(), remote.port()),
        _ => remote,
    }
}

/// The inverse of [`mapped`].
pub(crate) fn canonical(remote: SocketAddr) -> SocketAddr {
    SocketAddr::new(remote.ip().to_canonical(), remote.port())
}

/// Non-blocking from its making, which saves a system call for each of a call's four sockets.
fn bind_plain(addr: SocketAddr, is_one_family: bool) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(addr), Type::DGRAM.nonblocking(), Some(Protocol::UDP))?;
    if addr.is_ipv6() {
        socket.set_only_v6(is_one_family)?;
    }
    socket.bind(&addr.into())?;
    Ok(socket)
}

/// The machine's addresses that others may reach, those of IPv6 if wanted, then `127.0.0.1` so that a browser here works
/// offline.
pub(crate) fn local_addresses(is_ipv6_too: bool) -> Vec<IpAddr> {
    let mut found: Vec<IpAddr> = if_addrs::get_if_addrs()
        .unwrap_or_default()
        .into_iter()
        .map(|i| i.ip())
        .filter(|ip| match ip {
            IpAddr::V4(v4) => !v4.is_loopback() && !v4.is_link_local(),
            IpAddr::V6(v6) => is_ipv6_too && !v6.is_loopback() && !v6.is_unicast_link_local(),
        })
        .collect();
    found.sort();
    found.dedup();
    // A machine with hundreds of container networks must not produce SDP too long for a datagram.
    found.truncate(8);
    found.push(Ipv4Addr::LOCALHOST.into());
    found
}

/// Which of our addresses a peer should be told.
#[derive(Debug)]
pub(crate) struct Advertise {
    /// In order of preference, never empty.
    addresses: Vec<IpAddr>,
    /// Given by the operator: such an address may belong to a NAT in front of us.
    explicit: bool,
    /// The answer of the routing table, by peer; forgotten after a minute.
    cache: HashMap<IpAddr, (Instant, IpAddr)>,
}

/// Peers remembered; more just cost three system calls each.
const CACHE_MAX: usize = 4_096;
const CACHE_FOR: Duration = Duration::from_secs(60);

impl Advertise {
    pub(crate) fn new(bind: IpAddr, configured: &[IpAddr]) -> Self {
        let addresses = if !configured.is_empty() {
            configured.to_vec()
        } else if bind.is_unspecified() {
            local_addresses(bind.is_ipv6())
        } else {
            vec![bind]
        };
        Self { addresses, explicit: !configured.is_empty(), cache: HashMap::new() }
    }

    pub(crate) fn all(&self) -> &[IpAddr] {
        &self.addresses
    }

    /// The address to write into messages for `peer`: the one our packets to it come from, if we advertise it,
    /// else the operator's first choice.
    pub(crate) fn towards(&mut self, peer: Option<IpAddr>) -> IpAddr {
        let first = self.addresses.first().copied().unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST));
        let Some(peer) = peer.map(|p| p.to_canonical()) else { return first };
        let now = Instant::now();
        if let Some((at, ip)) = self.cache.get(&peer)
            && now.duration_since(*at) < CACHE_FOR
        {
            return *ip;
        }
        // Nobody is told an address of the other family, if there is one of his.
        let fitting = self.addresses.iter().find(|ip| ip.is_ipv4() == peer.is_ipv4()).copied();
        let ip = match route_source(peer) {
            Some(ip) if self.addresses.contains(&ip) || ip.is_loopback() || !self.explicit => ip,
            Some(ip) => fitting.unwrap_or(ip),
            None => fitting.unwrap_or(first),
        };
        if self.cache.len() >= CACHE_MAX {
            self.cache.clear();
        }
        self.cache.insert(peer, (now, ip));
        ip
    }
}

/// Asks the routing table which source address packets to `peer` get. Sends nothing.
fn route_source(peer: IpAddr) -> Option<IpAddr> {
    let any: IpAddr = if peer.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let socket = UdpSocket::bind((any, 0)).ok()?;
    socket.connect((peer, 9)).ok()?;
    let ip = socket.local_addr().ok()?.ip();
    (!ip.is_unspecified()).then_some(ip)
}

/// Gives out UDP port pairs, longest unused first, so that late packets of an ended call rarely meet a new one.
#[derive(Debug)]
pub(crate) struct PortPool {
    ip: IpAddr,
    /// Even ports.
    free: VecDeque<u16>,
}

/// An RTP socket and its RTCP sibling.
pub(crate) struct PortPair {
    pub(crate) port: u16,
    pub(crate) rtp: mio::net::UdpSocket,
    pub(crate) rtcp: mio::net::UdpSocket,
}

/// Ports of other programs tried past before giving up.
const BIND_TRIES: usize = 64;

impl PortPool {
    pub(crate) fn new(ip: IpAddr, ports: RangeInclusive<u16>) -> Self {
        let (from, to) = (u32::from(*ports.start()), u32::from(*ports.end()));
        let free = (from.next_multiple_of(2)..to).step_by(2).filter_map(|p| u16::try_from(p).ok()).collect();
        Self { ip, free }
    }

    /// What a peer is told in the place of `ip`: sockets of one address are of that family alone.
    pub(crate) fn told(&self, ip: IpAddr) -> IpAddr {
        if self.ip.is_unspecified() || self.ip.is_ipv4() == ip.is_ipv4() { ip } else { self.ip }
    }

    /// The next pair that is really free, or `None` when the range is used up. Where all addresses of the machine serve, the
    /// pair is of the family of `towards`, the address that the peer is told.
    pub(crate) fn take(&mut self, towards: IpAddr) -> Option<PortPair> {
        for _ in 0..BIND_TRIES.min(self.free.len()) {
            let port = self.free.pop_front()?;
            match self.bind(port, towards) {
                Some(pair) => return Some(pair),
                None => self.free.push_back(port),
            }
        }
        None
    }

    /// The pair with this port, as [`PortPool::take`] gave it out, if it is in the range and free.
    pub(crate) fn take_again(&mut self, local: SocketAddr) -> Option<PortPair> {
        let at = self.free.iter().position(|free| *free == local.port())?;
        let pair = self.bind(local.port(), local.ip())?;
        self.free.remove(at);
        Some(pair)
    }

    fn bind(&self, port: u16, towards: IpAddr) -> Option<PortPair> {
        let ip = match (self.ip.is_unspecified(), towards) {
            (true, IpAddr::V4(_)) => Ipv4Addr::UNSPECIFIED.into(),
            (true, IpAddr::V6(_)) => Ipv6Addr::UNSPECIFIED.into(),
            (false, _) => self.ip,
        };
        // The kernel's default (about 200 KiB) holds two seconds of G.711 and bursts after a stall.
        let bind = |port| bind_plain(SocketAddr::new(ip, port), true).map(|s| mio::net::UdpSocket::from_std(s.into()));
        Some(PortPair { port, rtp: bind(port).ok()?, rtcp: bind(port + 1).ok()? })
    }

    /// Gives a pair back. The sockets may still be closing on the media thread: [`PortPool::take`] tries past that.
    pub(crate) fn give_back(&mut self, port: u16) {
        self.free.push_back(port);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_start_even_and_stay_inside_the_range() {
        let pool = PortPool::new(Ipv4Addr::LOCALHOST.into(), 30_001..=30_006);
        assert_eq!(pool.free, [30_002, 30_004]);
        assert!(PortPool::new(Ipv4Addr::LOCALHOST.into(), 30_001..=30_002).free.is_empty());
        assert_eq!(PortPool::new(Ipv4Addr::LOCALHOST.into(), 65_530..=65_535).free, [65_530, 65_532, 65_534]);
    }

    #[test]
    fn loopback_peers_are_told_loopback_even_behind_nat() {
        let nat = "203.0.113.7".parse().unwrap();
        let mut advertise = Advertise::new(Ipv4Addr::UNSPECIFIED.into(), &[nat]);
        assert_eq!(advertise.towards(None), nat);
        assert_eq!(advertise.towards(Some(Ipv4Addr::LOCALHOST.into())), IpAddr::from(Ipv4Addr::LOCALHOST));
    }

    #[test]
    fn a_port_in_use_is_explained_with_its_option() {
        let taken = UdpSocket::bind("127.0.0.1:0").unwrap();
        let addr = taken.local_addr().unwrap();
        let error = bind_udp(addr, 1024, false).map_err(|e| explain(SIP_UDP, addr, e)).err().unwrap();
        let text = error.to_string();
        assert!(text.contains("in use") && text.contains("--sip"), "{text}");
    }
}
