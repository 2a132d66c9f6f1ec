//! One media thread: RTP sockets, the WebRTC port and one `media::Plane`, driven by epoll and the 20 ms tick. Started
//! by [`crate::Telephony::start`], commanded by the control thread; it decides nothing and takes no lock.
//!
//! A round of the loop: wait for packets, commands or the tick; read each ready socket until it is empty (or its
//! budget is used up: then it is read again in the next round); hand everything to the plane; carry out what the plane
//! says. Events to the control thread and recorded frames to the writer go through rings that never block here.
//!
//! Panics: the code of one leg's packet runs under `catch_unwind`. A panic removes that leg and tells the switch, which
//! ends the call. A panic in the tick cannot be blamed on a leg: when it repeats, the plane is replaced by an empty one
//! and all its calls are ended. The process lives on in either case.
use std::collections::{HashMap, VecDeque};
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::Receiver;
use media::recorder::Frame;
use media::{LegKey, LegStats, Plane, PlaneConfig, RecordingKey};
use mio::event::Source;
use mio::{Events, Interest, Poll, Token};
use switch::{PeerEvent, PeerRef};

use crate::net::{PortPair, READ_BUDGET};
use crate::recording::Job;
use crate::ring::Outbox;
use crate::stats::Counters;
use crate::webrtc::{PeerOut, Peers};

pub(crate) enum ToMedia {
    /// Carries a media leg's packets from now on; a former carrier of it is released.
    OpenUdp {
        media: LegKey,
        pair: PortPair,
    },
    OpenPeer {
        media: LegKey,
        peer: PeerRef,
    },
    /// Removes the leg from the plane, releases its carrier, answers [`FromMedia::Closed`].
    Close {
        media: LegKey,
    },
    Plane(media::Command),
    Accept {
        peer: PeerRef,
        offer_sdp: String,
    },
    ClosePeer {
        peer: PeerRef,
    },
    Stop,
}

#[derive(Debug)]
pub(crate) enum FromMedia {
    Event(media::Event),
    Peer(PeerEvent),
    Closed {
        media: LegKey,
        stats: Option<LegStats>,
    },
    /// Handling this leg failed; its carrier is gone.
    Broken {
        media: LegKey,
    },
}

const WAKER: Token = Token(0);
/// Sockets of the WebRTC port: tokens 1 to 63.
const MUX: usize = 1;
/// Per UDP slot two tokens from here on: RTP, then RTCP.
const SLOTS: usize = 64;
/// Longest wait: keeps the WebRTC timers going.
const IDLE: Duration = Duration::from_millis(100);
const PEER_TICK: Duration = Duration::from_millis(20);
/// Larger media packets are not for us (Ethernet carries 1,500).
const PACKET_MAX: usize = 2048;
/// Commands taken in one round, so that a burst of new calls cannot delay a tick for long.
const COMMAND_BUDGET: usize = 256;
/// Batches of frames (one a round) the writer may lag behind before audio is left out of recordings; 2 s.
const FRAMES_LATE_MAX: usize = 100;
/// Ticks in a row that may panic before the plane is replaced.
const TICK_PANICS_MAX: u32 = 3;

enum Carrier {
    Udp(usize),
    Peer(PeerRef),
}

struct Slot {
    media: LegKey,
    rtp: mio::net::UdpSocket,
    rtcp: mio::net::UdpSocket,
}

pub(crate) struct MediaThread {
    poll: Poll,
    start: Instant,
    plane: Plane,
    plane_config: PlaneConfig,
    peers: Peers,
    carriers: HashMap<LegKey, Carrier>,
    slots: Vec<Option<Slot>>,
    free: Vec<usize>,
    by_peer: HashMap<PeerRef, LegKey>,
    /// What peers said while they were driven.
    peer_out: VecDeque<PeerOut>,
    /// Sockets with more to read than their budget.
    again: Vec<Token>,
    frames: Vec<(RecordingKey, Frame)>,
    tick_panics: u32,
    peers_ticked: Instant,
    commands: Receiver<ToMedia>,
    control: Outbox<FromMedia>,
    writer: Outbox<Job>,
    counters: Arc<Counters>,
    buffer: Box<[u8; PACKET_MAX]>,
}

/// The waker's token, for whoever makes the poll.
pub(crate) const WAKER_TOKEN: Token = WAKER;

pub(crate) struct Parts {
    pub(crate) poll: Poll,
    /// Zero of the time that `switch`, `media` and `sip` see.
    pub(crate) start: Instant,
    pub(crate) plane: PlaneConfig,
    pub(crate) peers: Peers,
    pub(crate) commands: Receiver<ToMedia>,
    pub(crate) control: Outbox<FromMedia>,
    pub(crate) writer: Outbox<Job>,
    pub(crate) counters: Arc<Counters>,
}

impl MediaThread {
    pub(crate) fn new(mut parts: Parts) -> io::Result<Self> {
        for (i, mux) in parts.peers.sockets().iter_mut().enumerate() {
            parts.poll.registry().register(&mut mux.socket, Token(MUX + i), Interest::READABLE)?;
        }
        Ok(Self {
            poll: parts.poll,
            start: parts.start,
            plane: Plane::new(parts.plane.clone()),
            plane_config: parts.plane,
            peers: parts.peers,
            carriers: HashMap::new(),
            slots: Vec::new(),
            free: Vec::new(),
            by_peer: HashMap::new(),
            peer_out: VecDeque::new(),
            again: Vec::new(),
            frames: Vec::new(),
            tick_panics: 0,
            peers_ticked: parts.start,
            commands: parts.commands,
            control: parts.control,
            writer: parts.writer,
            counters: parts.counters,
            buffer: Box::new([0; PACKET_MAX]),
        })
    }

    fn now(&self) -> Duration {
        self.start.elapsed()
    }

    /// The thread's body, until [`ToMedia::Stop`].
    pub(crate) fn run(mut self) {
        let mut events = Events::with_capacity(1024);
        loop {
            let timeout = self.timeout();
            if let Err(error) = self.poll.poll(&mut events, Some(timeout))
                && error.kind() != io::ErrorKind::Interrupted
            {
                tracing::error!(%error, "the media thread cannot wait for packets and stops");
                return;
            }
            // Late ticks are heard, late packets are not: the tick goes first.
            self.tick();
            for token in std::mem::take(&mut self.again) {
                self.read(token);
            }
            for event in &events {
                if event.token() != WAKER {
                    self.read(event.token());
                }
            }
            if !self.take_commands() {
                return;
            }
            self.settle();
            self.pass_on_frames();
            self.control.flush();
            self.writer.flush();
        }
    }

    fn timeout(&self) -> Duration {
        if !self.again.is_empty() || !self.commands.is_empty() {
            return Duration::ZERO;
        }
        let tick = self.plane.next_timeout().map_or(IDLE, |at| at.saturating_sub(self.now()));
        tick.min(IDLE)
    }

    fn tick(&mut self) {
        let now = self.now();
        if let Some(due) = self.plane.next_timeout().filter(|due| *due <= now) {
            self.counters.tick(now - due);
            let plane = &mut self.plane;
            match catch_unwind(AssertUnwindSafe(|| plane.handle_timeout(now))) {
                Ok(()) => self.tick_panics = 0,
                Err(_) => self.tick_panicked(),
            }
            self.settle();
        }
        let instant = Instant::now();
        if instant.duration_since(self.peers_ticked) >= PEER_TICK {
            self.peers_ticked = instant;
            let out = &mut self.peer_out;
            self.peers.tick(instant, &mut |o| out.push_back(o));
            self.settle();
        }
    }

    fn tick_panicked(&mut self) {
        Counters::add(&self.counters.panics, 1);
        self.tick_panics += 1;
        if self.tick_panics < TICK_PANICS_MAX {
            return;
        }
        tracing::error!(legs = self.carriers.len(), "the media tick panics again and again: all its calls are ended");
        self.tick_panics = 0;
        self.plane = Plane::new(self.plane_config.clone());
        let legs: Vec<LegKey> = self.carriers.keys().copied().collect();
        for media in legs {
            self.broken(media);
        }
    }

    /// Reads a socket until it is empty or has had its turn.
    fn read(&mut self, token: Token) {
        for _ in 0..READ_BUDGET {
            match self.read_one(token) {
                Ok(true) => {}
                Ok(false) => return,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                // An ICMP error reported for an earlier packet: the next read goes on.
                Err(_) => {}
            }
        }
        self.again.push(token);
    }

    /// One datagram; false if the token means nothing (any more).
    fn read_one(&mut self, token: Token) -> io::Result<bool> {
        if token.0 < SLOTS {
            let socket = token.0 - MUX;
            let Some(mux) = self.peers.sockets().get_mut(socket) else { return Ok(false) };
            let (len, source) = mux.socket.recv_from(&mut self.buffer[..])?;
            let out = &mut self.peer_out;
            self.peers.receive(Instant::now(), socket, source, &self.buffer[..len], &mut |o| out.push_back(o));
            self.settle();
            return Ok(true);
        }
        let (slot, is_rtcp) = ((token.0 - SLOTS) / 2, (token.0 - SLOTS) % 2 == 1);
        let Some(Some(carrier)) = self.slots.get(slot) else { return Ok(false) };
        let socket = if is_rtcp { &carrier.rtcp } else { &carrier.rtp };
        let (len, source) = socket.recv_from(&mut self.buffer[..])?;
        let media = carrier.media;
        Counters::add(&self.counters.rtp_received, 1);
        let now = self.now();
        let (plane, bytes) = (&mut self.plane, &self.buffer[..len]);
        let handled = catch_unwind(AssertUnwindSafe(|| {
            if is_rtcp {
                plane.handle_rtcp(now, media, source, bytes);
            } else {
                plane.handle_packet(now, media, source, bytes);
            }
        }));
        if handled.is_err() {
            self.panicked(media);
        }
        self.settle();
        Ok(true)
    }

    /// Carries out everything the plane and the peers have said; neither says more without new input, except that a
    /// packet of one may be a packet for the other.
    fn settle(&mut self) {
        loop {
            while let Some(output) = self.plane.poll() {
                match output {
                    media::Output::Packet(packet) => self.send(&packet),
                    media::Output::Event(event) => self.tell(FromMedia::Event(event)),
                    media::Output::Record { recording, frame } => self.frames.push((recording, frame)),
                }
            }
            let Some(out) = self.peer_out.pop_front() else { return };
            match out {
                PeerOut::Event(event) => {
                    if let PeerEvent::Closed { peer } | PeerEvent::Failed { peer, .. } = &event {
                        self.by_peer.remove(peer);
                    }
                    self.tell(FromMedia::Peer(event));
                }
                PeerOut::Rtp { peer, packet } => {
                    Counters::add(&self.counters.rtp_received, 1);
                    if let Some(&media) = self.by_peer.get(&peer) {
                        let now = self.now();
                        let nowhere = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0));
                        let plane = &mut self.plane;
                        let handled =
                            catch_unwind(AssertUnwindSafe(|| plane.handle_packet(now, media, nowhere, &packet)));
                        if handled.is_err() {
                            self.panicked(media);
                        }
                    }
                }
            }
        }
    }

    fn send(&mut self, packet: &media::Outgoing) {
        match self.carriers.get(&packet.leg) {
            Some(Carrier::Udp(slot)) => {
                let (Some(Some(slot)), Some(dst)) = (self.slots.get(*slot), packet.dst) else { return };
                let socket = if packet.rtcp { &slot.rtcp } else { &slot.rtp };
                let counter = match socket.send_to(&packet.bytes, dst) {
                    Ok(_) => &self.counters.rtp_sent,
                    Err(_) => &self.counters.rtp_send_failed,
                };
                Counters::add(counter, 1);
            }
            Some(Carrier::Peer(peer)) => {
                Counters::add(&self.counters.rtp_sent, 1);
                let out = &mut self.peer_out;
                self.peers.send(Instant::now(), *peer, &packet.bytes, &mut |o| out.push_back(o));
            }
            None => {}
        }
    }

    fn tell(&mut self, event: FromMedia) {
        if self.control.send(event) {
            Counters::add(&self.counters.media_events_delayed, 1);
        }
    }

    fn panicked(&mut self, media: LegKey) {
        Counters::add(&self.counters.panics, 1);
        tracing::error!(media = media.0, "handling a media leg panicked and it was ended");
        let now = self.now();
        let plane = &mut self.plane;
        let _ = catch_unwind(AssertUnwindSafe(|| plane.handle(now, media::Command::RemoveLeg { leg: media })));
        self.broken(media);
    }

    fn broken(&mut self, media: LegKey) {
        self.release(media);
        self.tell(FromMedia::Broken { media });
    }

    /// False when the thread is to stop.
    fn take_commands(&mut self) -> bool {
        for _ in 0..COMMAND_BUDGET {
            let Ok(command) = self.commands.try_recv() else { return true };
            match command {
                ToMedia::OpenUdp { media, pair } => self.open_udp(media, pair),
                ToMedia::OpenPeer { media, peer } => {
                    self.release(media);
                    if self.peers.contains(peer) {
                        self.by_peer.insert(peer, media);
                    }
                    self.carriers.insert(media, Carrier::Peer(peer));
                }
                ToMedia::Close { media } => {
                    let now = self.now();
                    let stats = self.plane.stats(media);
                    self.plane_command(now, media::Command::RemoveLeg { leg: media });
                    self.settle();
                    self.release(media);
                    self.tell(FromMedia::Closed { media, stats });
                }
                ToMedia::Plane(command) => {
                    let now = self.now();
                    self.plane_command(now, command);
                    self.settle();
                }
                ToMedia::Accept { peer, offer_sdp } => {
                    let out = &mut self.peer_out;
                    self.peers.accept(Instant::now(), peer, &offer_sdp, &mut |o| out.push_back(o));
                    self.settle();
                }
                ToMedia::ClosePeer { peer } => {
                    self.by_peer.remove(&peer);
                    self.peers.close(Instant::now(), peer);
                }
                ToMedia::Stop => return false,
            }
        }
        true
    }

    fn plane_command(&mut self, now: Duration, command: media::Command) {
        let leg = match &command {
            media::Command::AddLeg(add) => Some(add.leg),
            media::Command::UpdateLeg(update) => Some(update.leg),
            media::Command::Play(play) => Some(play.leg),
            media::Command::RemoveLeg { .. } => None,
            media::Command::Mute { leg, .. }
            | media::Command::StopPlay { leg, .. }
            | media::Command::Digit { leg, .. }
            | media::Command::SendDtmf { leg, .. } => Some(*leg),
            media::Command::SetBridge { .. }
            | media::Command::RemoveBridge { .. }
            | media::Command::Record { .. }
            | media::Command::UpdateRecord { .. }
            | media::Command::StopRecord { .. } => None,
        };
        let plane = &mut self.plane;
        match catch_unwind(AssertUnwindSafe(|| plane.handle(now, command))) {
            Ok(Ok(())) => {}
            // Commands cross the end of their leg; that is no error.
            Ok(Err(error)) => tracing::debug!(%error, "a media command was refused"),
            Err(_) => match leg {
                Some(leg) => self.panicked(leg),
                None => Counters::add(&self.counters.panics, 1),
            },
        }
    }

    fn open_udp(&mut self, media: LegKey, pair: PortPair) {
        self.release(media);
        let index = self.free.pop().unwrap_or_else(|| {
            self.slots.push(None);
            self.slots.len() - 1
        });
        let mut slot = Slot { media, rtp: pair.rtp, rtcp: pair.rtcp };
        let registry = self.poll.registry();
        let registered = registry
            .register(&mut slot.rtp, Token(SLOTS + index * 2), Interest::READABLE)
            .and_then(|()| registry.register(&mut slot.rtcp, Token(SLOTS + index * 2 + 1), Interest::READABLE));
        self.slots[index] = Some(slot);
        self.carriers.insert(media, Carrier::Udp(index));
        if let Err(error) = registered {
            tracing::error!(%error, "a media socket cannot be watched");
            self.broken(media);
        }
    }

    fn release(&mut self, media: LegKey) {
        match self.carriers.remove(&media) {
            Some(Carrier::Udp(index)) => {
                if let Some(mut slot) = self.slots.get_mut(index).and_then(Option::take) {
                    // Closing the socket would do; a refusal changes nothing.
                    let _ = slot.rtp.deregister(self.poll.registry());
                    let _ = slot.rtcp.deregister(self.poll.registry());
                    self.free.push(index);
                }
            }
            Some(Carrier::Peer(peer)) if self.by_peer.get(&peer) == Some(&media) => {
                self.by_peer.remove(&peer);
            }
            Some(Carrier::Peer(_)) | None => {}
        }
    }

    /// Hands the frames of this round to the writer. When the disk is far behind, audio is left out (the reader lists
    /// it as lost) but never a mark of a gap or of the end.
    fn pass_on_frames(&mut self) {
        if self.frames.is_empty() {
            return;
        }
        let mut frames = std::mem::take(&mut self.frames);
        if self.writer.waiting() > FRAMES_LATE_MAX {
            let before = frames.len();
            frames.retain(|(_, frame)| !matches!(frame, Frame::Audio { .. }));
            Counters::add(&self.counters.recording_chunks_dropped, (before - frames.len()) as u64);
        }
        if !frames.is_empty() {
            self.writer.send(Job::Frames(frames));
        }
    }
}
