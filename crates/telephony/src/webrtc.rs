//! WebRTC peers of one media thread: str0m sessions behind one multiplexed UDP port. Called by the media thread only.
//!
//! A browser offers one audio line; we are ICE-lite, answer one codec of it (by the company's order, else the first of
//! G.711 the browser lists) and telephone-event, and hand plain RTP up and down. str0m does SDP, ICE and DTLS; packets of sound do not pass through
//! it but through [`srtp`], with the keys of its handshake (decision 27). What a session goes through:
//!
//! ```text
//! accept, or offer and conclude → Connecting ─ ICE + DTLS done → Ready ─ DTLS closed → Closed
//!                                     └─ 20 s pass, or DTLS fails → Failed ←┘ nothing heard for 10 s
//! ```
//!
//! Datagrams find their session by remote address. An address is learned only from a STUN binding request whose
//! username names the session **and** whose message integrity proves knowledge of its password (RFC 8445 §7.3);
//! everything else from strangers is counted and dropped.
//!
//! Sound goes where the browser's own newest authentic sound comes from: that is the path it has chosen, and no one else
//! can name another. Until it speaks, where DTLS was spoken; while it is silent, where its check nominates a path.
use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use media::rtp;
use rustc_hash::FxHashMap;
use str0m::change::SdpPendingOffer;
use str0m::config::{CryptoProvider, DtlsCert};
use str0m::media::Mid;
use str0m::net::{Protocol, Receive};
use str0m::{Event, Input, Output, Rtc};
use switch::{PeerAudio, PeerEvent, PeerRef};

use crate::config::StartError;
use crate::net::{self, WEBRTC};
use crate::srtp::Srtp;
use crate::stats::Counters;

mod dtls;
mod offer;
mod rewrite;
mod setup;

use dtls::{Keys, Listener};
use rewrite::Rewrite;

/// From the offer to ICE and DTLS done; a person answering a microphone prompt has answered before the offer.
const CONNECT_WITHIN: Duration = Duration::from_secs(20);
/// Browsers check consent every 2.5 to 6 s and send audio between; RFC 7675 lets consent live 30 s, an agent's desk
/// wants to know sooner.
const SILENT_FOR: Duration = Duration::from_secs(10);
/// After this long without sound a check may name the path that ours takes.
const SPOKE_LATELY: Duration = Duration::from_secs(1);
/// Remote addresses remembered for one session (interfaces of a laptop, NAT rebinding).
const ADDRESSES_MAX: usize = 8;
/// Outputs taken from one session at a time; str0m is done long before.
const OUTPUTS_MAX: usize = 10_000;
/// All sessions share the socket: 2,000 browsers × 50 packets/s × 200 octets × 0.1 s.
const MUX_BUFFER: usize = 4 * 1024 * 1024;

/// A socket of the mux port, and the candidate it stands for (they differ behind a NAT).
pub(crate) struct MuxSocket {
    pub(crate) socket: mio::net::UdpSocket,
    candidate: SocketAddr,
}

/// Opens the mux port: on `media_ip` alone if that is a specific address, else on each advertised address of this
/// machine. An advertised address that is not ours stands in front of a NAT and is served by a wildcard socket.
pub(crate) fn bind_mux(media_ip: IpAddr, advertise: &[IpAddr], port: u16) -> Result<Vec<MuxSocket>, StartError> {
    let mut sockets: Vec<MuxSocket> = Vec::new();
    if !media_ip.is_unspecified() {
        let addr = SocketAddr::new(media_ip, port);
        let socket = bind_patiently(addr).map_err(|e| net::explain(WEBRTC, addr, e))?;
        let candidate = SocketAddr::new(advertise.first().copied().unwrap_or(media_ip), port);
        return Ok(vec![MuxSocket { socket, candidate }]);
    }
    for ip in advertise {
        let candidate = SocketAddr::new(*ip, port);
        match bind_patiently(candidate) {
            Ok(socket) => sockets.push(MuxSocket { socket, candidate }),
            Err(e) if e.kind() == io::ErrorKind::AddrNotAvailable => {
                let any: IpAddr =
                    if ip.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
                let addr = SocketAddr::new(any, port);
                // Binding the wildcard next to specific addresses fails: then the NAT's packets arrive on those.
                match bind_patiently(addr) {
                    Ok(socket) => sockets.push(MuxSocket { socket, candidate }),
                    Err(e) if sockets.is_empty() => return Err(net::explain(WEBRTC, addr, e)),
                    Err(_) => tracing::warn!(%candidate, "this advertised address has no socket of its own"),
                }
            }
            Err(e) => return Err(net::explain(WEBRTC, candidate, e)),
        }
    }
    Ok(sockets)
}

/// A killed process' io_uring keeps its ports for some milliseconds after its end: a restart waits for them.
fn bind_patiently(addr: SocketAddr) -> io::Result<mio::net::UdpSocket> {
    const TRIES: u32 = 20;
    for _ in 1..TRIES {
        match net::bind_udp(addr, MUX_BUFFER, true) {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => {}
            bound => return bound,
        }
        std::thread::sleep(Duration::from_millis(25));
    }
    net::bind_udp(addr, MUX_BUFFER, true)
}

/// Called back while peers are driven.
pub(crate) enum PeerOut {
    Event(PeerEvent),
    /// To be sent from mux socket number `socket`.
    Datagram {
        socket: usize,
        to: SocketAddr,
        bytes: Vec<u8>,
    },
}

/// A mux socket, and the address at its other end.
type Path = (usize, SocketAddr);

/// How a session says that it is over.
enum End {
    /// The browser closed it.
    Closed,
    Failed,
}

struct Session {
    peer: PeerRef,
    rtc: Rtc,
    ufrag: String,
    audio: PeerAudio,
    addresses: Vec<SocketAddr>,
    keys: Arc<Keys>,
    /// Once the handshake is over.
    srtp: Option<Srtp>,
    /// Of what we send, as our answer says.
    ssrc: Option<u32>,
    /// Where our packets go.
    path: Option<Path>,
    /// Our offer and its line, until it is answered: nothing is late before.
    pending: Option<(Mid, SdpPendingOffer)>,
    ready: bool,
    since: Instant,
    heard: Instant,
    /// The newest authentic packet of sound.
    spoke: Option<Instant>,
    deadline: Instant,
    /// Over: reported once, then removed.
    over: bool,
    out: Rewrite,
}

impl Session {
    /// Both sides have said what they want, and nothing has come of it.
    fn is_late(&self, now: Instant) -> bool {
        !self.ready && self.pending.is_none() && now.duration_since(self.since) > CONNECT_WITHIN
    }
}

pub(crate) struct Peers {
    /// The address that each mux socket stands for.
    candidates: Vec<SocketAddr>,
    // Keys of ours, while addresses and user names are the peers' choice.
    sessions: FxHashMap<PeerRef, Session>,
    by_addr: HashMap<SocketAddr, PeerRef>,
    by_ufrag: HashMap<String, PeerRef>,
    crypto: Arc<CryptoProvider>,
    listener: &'static Listener,
    /// One certificate for the run: making one costs as much as a handshake, and it says nothing about the peer.
    certificate: DtlsCert,
    max: usize,
    /// The packet that [`Peers::receive`] opened.
    plain: Vec<u8>,
    counters: Arc<Counters>,
}

impl Peers {
    pub(crate) fn new(mux: &[MuxSocket], max: usize, counters: Arc<Counters>) -> Result<Self, StartError> {
        let mut crypto = str0m::crypto::from_feature_flags();
        let listener = Listener::install(&mut crypto);
        let certificate = crypto
            .dtls_provider
            .generate_certificate()
            .ok_or(StartError::Crypto { what: "to make a certificate for WebRTC" })?;
        Ok(Self {
            candidates: mux.iter().map(|socket| socket.candidate).collect(),
            sessions: FxHashMap::default(),
            by_addr: HashMap::new(),
            by_ufrag: HashMap::new(),
            crypto: Arc::new(crypto),
            listener,
            certificate,
            max,
            plain: Vec::new(),
            counters,
        })
    }

    /// Ends a session at our wish: says goodbye and reports nothing.
    pub(crate) fn close(&mut self, now: Instant, peer: PeerRef, out: &mut dyn FnMut(PeerOut)) {
        if let Some(session) = self.sessions.get_mut(&peer) {
            session.over = true;
            let _ = session.rtc.close();
            let _ = session.rtc.handle_input(Input::Timeout(now));
            self.drive(now, peer, &mut |o| {
                if matches!(o, PeerOut::Datagram { .. }) {
                    out(o);
                }
            });
        }
        self.remove(peer);
    }

    pub(crate) fn contains(&self, peer: PeerRef) -> bool {
        self.sessions.contains_key(&peer)
    }

    fn remove(&mut self, peer: PeerRef) {
        if let Some(session) = self.sessions.remove(&peer) {
            self.by_ufrag.remove(&session.ufrag);
            for addr in &session.addresses {
                if self.by_addr.get(addr) == Some(&peer) {
                    self.by_addr.remove(addr);
                }
            }
            Counters::set(&self.counters.webrtc_sessions, self.sessions.len() as u64);
        }
    }

    /// A datagram that arrived on mux socket number `socket`. Answers whose RTP it was, if it was authentic RTP; the plain
    /// packet is then in [`Peers::plain`].
    pub(crate) fn receive(
        &mut self,
        now: Instant,
        socket: usize,
        source: SocketAddr,
        bytes: &[u8],
        out: &mut dyn FnMut(PeerOut),
    ) -> Option<PeerRef> {
        Counters::add(&self.counters.webrtc_received, 1);
        // RFC 7983 §7.
        if matches!(bytes.first(), Some(128..=191)) {
            return self.open(now, (socket, source), bytes, out);
        }
        self.negotiate(now, (socket, source), bytes, out);
        None
    }

    /// The packet that [`Peers::receive`] told of.
    pub(crate) fn plain(&self) -> &[u8] {
        &self.plain
    }

    fn open(&mut self, now: Instant, path: Path, bytes: &[u8], out: &mut dyn FnMut(PeerOut)) -> Option<PeerRef> {
        let session = self.by_addr.get(&path.1).and_then(|peer| self.sessions.get_mut(peer));
        let Some(Session { peer, srtp: Some(srtp), over: false, heard, spoke, path: ours, ssrc, out: rewrite, .. }) =
            session
        else {
            Counters::add(&self.counters.webrtc_unknown, 1);
            return None;
        };
        let (peer, plain) = (*peer, &mut self.plain);
        if rtp::is_rtcp(bytes) {
            let opened = catch_unwind(AssertUnwindSafe(|| {
                srtp.open_rtcp(bytes, plain) && ssrc.is_some_and(|ssrc| rewrite.heard(ssrc, plain))
            }));
            return match opened {
                Ok(is_report) => is_report.then_some(peer),
                Err(_) => {
                    self.fail(peer, out);
                    None
                }
            };
        }
        match catch_unwind(AssertUnwindSafe(|| srtp.open(bytes, plain))) {
            Ok(Some(is_newest)) => {
                *heard = now;
                *spoke = Some(now);
                if is_newest {
                    *ours = Some(path);
                }
                Some(peer)
            }
            // Whoever sent it cannot end the session by it.
            Ok(None) => {
                Counters::add(&self.counters.webrtc_unknown, 1);
                None
            }
            Err(_) => {
                self.fail(peer, out);
                None
            }
        }
    }

    /// STUN and DTLS.
    fn negotiate(&mut self, now: Instant, path: Path, bytes: &[u8], out: &mut dyn FnMut(PeerOut)) {
        let (socket, source) = path;
        let Some(&destination) = self.candidates.get(socket) else { return };
        let ufrag = binding_ufrag(bytes);
        let is_check = ufrag.is_some();
        let found = match ufrag {
            Some(ufrag) => self.by_ufrag.get(ufrag).copied(),
            None => self.by_addr.get(&source).copied(),
        };
        let Some(session) = found.and_then(|peer| self.sessions.get_mut(&peer)) else {
            return Counters::add(&self.counters.webrtc_unknown, 1);
        };
        let peer = session.peer;
        let Ok(receive) = Receive::new(Protocol::Udp, source, destination, bytes) else {
            return Counters::add(&self.counters.webrtc_unknown, 1);
        };
        let input = Input::Receive(now, receive);
        let by_addr = &mut self.by_addr;
        let taken = catch_unwind(AssertUnwindSafe(|| {
            let is_known = by_addr.get(&source) == Some(&peer);
            let spoke_lately = session.spoke.is_some_and(|at| now.duration_since(at) < SPOKE_LATELY);
            let moves = is_check && session.path != Some(path) && !spoke_lately && nominates(bytes);
            // Only a request with the right integrity gets here and past this: see the header.
            if (!is_known || moves) && !session.rtc.accepts(&input) {
                return false;
            }
            if !is_known {
                if session.addresses.len() >= ADDRESSES_MAX {
                    let oldest = session.addresses.remove(0);
                    if by_addr.get(&oldest) == Some(&peer) {
                        by_addr.remove(&oldest);
                    }
                }
                session.addresses.push(source);
                by_addr.insert(source, peer);
            }
            if moves {
                session.path = Some(path);
            }
            if is_check {
                session.heard = now;
            }
            // An error may come from a datagram that only pretends to be the peer's: it must not end the session.
            if let Err(error) = session.rtc.handle_input(input) {
                tracing::debug!(?peer, %error, "a WebRTC datagram was refused");
            }
            true
        }));
        match taken {
            Ok(true) => self.drive(now, peer, out),
            Ok(false) => Counters::add(&self.counters.webrtc_unknown, 1),
            Err(_) => self.fail(peer, out),
        }
    }

    /// Protects a packet of the media plane for a peer and answers the mux socket and address it is to leave by; `None`
    /// while the peer is not ready for it.
    pub(crate) fn seal(&mut self, now: Instant, peer: PeerRef, is_rtcp: bool, packet: &mut Vec<u8>) -> Option<Path> {
        let session = self.sessions.get_mut(&peer).filter(|session| !session.over)?;
        let (path, ssrc, srtp) = (session.path?, session.ssrc?, session.srtp.as_mut()?);
        let rewrite = &mut session.out;
        let sealed = catch_unwind(AssertUnwindSafe(|| {
            if is_rtcp {
                return rewrite.report(ssrc, packet) && srtp.seal_rtcp(ssrc, packet);
            }
            let (Some((header, _)), Some(place)) = (rtp::Header::parse(packet), packet.first_chunk_mut()) else {
                return false;
            };
            let (index, timestamp) = rewrite.next(now, &header);
            *place = rtp::Header { sequence: index as u16, timestamp, ssrc, ..header }.to_bytes();
            srtp.seal(ssrc, index, packet)
        }));
        match sealed {
            Ok(is_sealed) => is_sealed.then_some(path),
            Err(_) => {
                Counters::add(&self.counters.panics, 1);
                None
            }
        }
    }

    /// Lets time pass: call at each tick.
    pub(crate) fn tick(&mut self, now: Instant, out: &mut dyn FnMut(PeerOut)) {
        let due: Vec<PeerRef> = self
            .sessions
            .values()
            .filter(|s| now >= s.deadline || s.is_late(now) || (s.ready && now.duration_since(s.heard) > SILENT_FOR))
            .map(|s| s.peer)
            .collect();
        for peer in due {
            let Some(session) = self.sessions.get_mut(&peer) else { continue };
            let lost = if session.ready { now - session.heard > SILENT_FOR } else { session.is_late(now) };
            if lost {
                self.end(peer, "device.ice_failed", out);
                continue;
            }
            match catch_unwind(AssertUnwindSafe(|| session.rtc.handle_input(Input::Timeout(now)))) {
                Ok(_) => self.drive(now, peer, out),
                Err(_) => self.fail(peer, out),
            }
        }
    }

    /// Takes everything a session has to say until it asks to wait.
    fn drive(&mut self, now: Instant, peer: PeerRef, out: &mut dyn FnMut(PeerOut)) {
        let Some(session) = self.sessions.get_mut(&peer) else { return };
        let candidates = &self.candidates;
        let mut became_ready = false;
        let done = catch_unwind(AssertUnwindSafe(|| {
            for _ in 0..OUTPUTS_MAX {
                match session.rtc.poll_output() {
                    Ok(Output::Timeout(at)) => {
                        session.deadline = at;
                        return (!session.over && !session.rtc.is_alive()).then_some(End::Closed);
                    }
                    Ok(Output::Transmit(t)) => {
                        let socket = candidates.iter().position(|c| *c == t.source).unwrap_or(0);
                        let is_dtls = matches!(t.contents.first(), Some(20..=63));
                        if is_dtls && session.spoke.is_none() {
                            session.path = Some((socket, t.destination));
                        }
                        out(PeerOut::Datagram { socket, to: t.destination, bytes: t.contents.into() });
                    }
                    Ok(Output::Event(event)) => match event {
                        // The browser's certificate is the one its offer names: str0m has looked at it by now.
                        Event::Connected if !session.ready => {
                            session.srtp = session.keys.srtp();
                            if session.srtp.is_none() {
                                return (!session.over).then_some(End::Failed);
                            }
                            session.ready = true;
                            session.heard = now;
                            became_ready = true;
                        }
                        Event::MediaAdded(added) => {
                            let mut api = session.rtc.direct_api();
                            session.ssrc = api.stream_tx_by_mid(added.mid, None).map(|stream| *stream.ssrc());
                        }
                        Event::Closed => return (!session.over).then_some(End::Closed),
                        _ => {}
                    },
                    Err(error) => {
                        tracing::debug!(?peer, %error, "a WebRTC session failed");
                        return (!session.over).then_some(End::Failed);
                    }
                }
            }
            None
        }));
        match done {
            Ok(ended) => {
                if became_ready {
                    let audio = session.audio;
                    out(PeerOut::Event(PeerEvent::Ready { peer, audio }));
                }
                match ended {
                    Some(End::Closed) if session.ready => {
                        self.remove(peer);
                        out(PeerOut::Event(PeerEvent::Closed { peer }));
                    }
                    Some(_) => self.end(peer, "device.dtls_failed", out),
                    None => {}
                }
            }
            Err(_) => self.fail(peer, out),
        }
    }

    fn end(&mut self, peer: PeerRef, code: &str, out: &mut dyn FnMut(PeerOut)) {
        self.remove(peer);
        out(PeerOut::Event(PeerEvent::Failed { peer, code: code.to_owned() }));
    }

    /// A panic inside a session: it ends, the others go on.
    fn fail(&mut self, peer: PeerRef, out: &mut dyn FnMut(PeerOut)) {
        Counters::add(&self.counters.panics, 1);
        tracing::error!(?peer, "a WebRTC session panicked and was ended");
        self.end(peer, "system.error", out);
    }
}

/// The code with which a browser's offer is refused before str0m sees it; `None` when it is acceptable so far. Public for
/// the fuzz targets.
pub fn offer_fault(offer_sdp: &str) -> Option<&'static str> {
    offer::read(offer_sdp, &[]).err()
}

/// Our username fragment in a STUN binding request (RFC 8489 §5, §14.3); `None` for any other datagram. Public for the fuzz
/// targets.
pub fn binding_ufrag(bytes: &[u8]) -> Option<&str> {
    const USERNAME: [u8; 2] = [0, 6];
    std::str::from_utf8(binding_attribute(bytes, USERNAME)?).ok()?.split(':').next()
}

/// Does this check choose its path for what follows (RFC 8445 §7.1.2)?
fn nominates(bytes: &[u8]) -> bool {
    const USE_CANDIDATE: [u8; 2] = [0, 0x25];
    binding_attribute(bytes, USE_CANDIDATE).is_some()
}

/// The first attribute of this kind in a STUN binding request.
fn binding_attribute(bytes: &[u8], kind: [u8; 2]) -> Option<&[u8]> {
    const BINDING_REQUEST: [u8; 2] = [0, 1];
    const COOKIE: [u8; 4] = [0x21, 0x12, 0xa4, 0x42];
    let (header, mut rest) = bytes.split_first_chunk::<20>()?;
    if header[0..2] != BINDING_REQUEST || header[4..8] != COOKIE {
        return None;
    }
    while let Some((attribute, tail)) = rest.split_first_chunk::<4>() {
        let length = usize::from(u16::from_be_bytes([attribute[2], attribute[3]]));
        let value = tail.get(..length)?;
        if attribute[0..2] == kind {
            return Some(value);
        }
        rest = tail.get(length.next_multiple_of(4)..)?;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_username_names_the_session_and_broken_stun_names_none() {
        let mut stun = vec![0, 1, 0, 16, 0x21, 0x12, 0xa4, 0x42];
        stun.extend([0; 12]);
        stun.extend([0, 6, 0, 9]);
        stun.extend(b"ours:them");
        stun.extend([0; 3]);
        assert_eq!(binding_ufrag(&stun), Some("ours"));
        assert!(!nominates(&stun));
        let nomination = [&stun[..], &[0, 0x25, 0, 0]].concat();
        assert!(nominates(&nomination));
        assert_eq!(binding_ufrag(&nomination), Some("ours"));
        for cut in 0..stun.len() - 4 {
            assert_eq!(binding_ufrag(&stun[..cut]), None, "cut at {cut}");
        }
        stun[1] = 0x11;
        assert_eq!(binding_ufrag(&stun), None);
    }
}
