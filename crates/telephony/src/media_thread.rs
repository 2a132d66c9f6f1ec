//! One media thread: RTP sockets, the WebRTC port and one `media::Plane`, driven by packets and the 20 ms tick. Started
//! by [`crate::Telephony::start`], commanded by the control thread; it decides nothing and takes no lock.
//!
//! A round of the loop: wait for packets, commands or the tick; take what has arrived from [`PacketIo`]; hand everything
//! to the plane; carry out what the plane says. Rounds are paced: one begins [`PACE_MIN`] to [`PACE_MAX`] after the former,
//! so that a busy thread wakes up some hundreds of times a second and serves all that has come, instead of once per packet. Events to the control thread and recorded frames to the writer go through rings that never block here.
//!
//! Panics: the code of one leg's packet runs under `catch_unwind`. A panic removes that leg and tells the switch, which
//! ends the call. A panic in the tick cannot be blamed on a leg: when it repeats, the plane is replaced by an empty one
//! and all its calls are ended. The process lives on in either case.
use std::collections::VecDeque;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::Receiver;
use media::recorder::Frame;
use media::{LegKey, LegStats, Plane, PlaneConfig, RecordingKey};
use mio::Poll;
use rustc_hash::FxHashMap;
use sip::sdp::Keys;
use switch::{PeerEvent, PeerRef, SrtpNumbers};

use crate::config::MediaIo;
use crate::net::PortPair;
use crate::packet_io::{Budget, PacketIo, SocketKey};
use crate::recording::Job;
use crate::ring::Outbox;
use crate::srtp::Srtp;
use crate::stats::Counters;
use crate::wake::Wake;
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
    /// Packets of a leg with a UDP port are SRTP with these keys from now on, or plain.
    Protect {
        media: LegKey,
        keys: Option<Box<Keys>>,
        resume: Option<SrtpNumbers>,
    },
    /// Removes the leg from the plane, releases its carrier, answers [`FromMedia::Closed`].
    Close {
        media: LegKey,
    },
    Plane(media::Command),
    Accept {
        peer: PeerRef,
        offer_sdp: String,
        codecs: Vec<media::Codec>,
    },
    Offer {
        peer: PeerRef,
        codecs: Vec<media::Codec>,
    },
    Conclude {
        peer: PeerRef,
        answer_sdp: String,
    },
    ClosePeer {
        peer: PeerRef,
    },
    Stop,
}

#[derive(Debug)]
pub(crate) enum FromMedia {
    Event(media::Event),
    SrtpNumbers {
        media: LegKey,
        numbers: SrtpNumbers,
    },
    Peer(PeerEvent),
    Closed {
        media: LegKey,
        stats: Option<LegStats>,
        quality: Option<media::quality::Summary>,
    },
    /// Handling this leg failed; its carrier is gone.
    Broken {
        media: LegKey,
    },
}

/// Sockets of the WebRTC port: keys 1 to 63.
const MUX: SocketKey = 1;
/// Per UDP slot two keys from here on: RTP, then RTCP.
const SLOTS: SocketKey = 64;
/// A packet is delayed by one pace and by the serving of one round at most. Together they stay below this, as long as serving
/// leaves room for it: the latency a packet may gain, against a round's own cost, which its packets share.
const DELAY_MAX: Duration = Duration::from_micros(1_750);
const PACE_MIN: Duration = Duration::from_millis(1);
const PACE_MAX: Duration = Duration::from_micros(1_500);
/// Longest wait: keeps the WebRTC timers going.
const IDLE: Duration = Duration::from_millis(100);
const PEER_TICK: Duration = Duration::from_millis(20);
/// Commands taken in one round, so that a burst of new calls cannot delay a tick for long.
const COMMAND_BUDGET: usize = 256;
/// Batches of frames (one a round) the writer may lag behind before audio is left out of recordings; 2 s.
const FRAMES_LATE_MAX: usize = 100;
/// Ticks in a row that may panic before the plane is replaced.
const TICK_PANICS_MAX: u32 = 3;

/// A pair of RTP and RTCP sockets.
struct Slot {
    media: LegKey,
    srtp: Option<Box<Srtp>>,
}

enum Carrier {
    Udp(usize),
    Peer(PeerRef),
}

pub(crate) struct MediaThread {
    io: PacketIo,
    wake: Arc<Wake>,
    start: Instant,
    /// When the current round began.
    began: Instant,
    plane: Plane,
    plane_config: PlaneConfig,
    peers: Peers,
    carriers: FxHashMap<LegKey, Carrier>,
    slots: Vec<Option<Slot>>,
    /// The packet that was opened last.
    plain: Vec<u8>,
    free: Vec<usize>,
    by_peer: FxHashMap<PeerRef, LegKey>,
    /// What peers said while they were driven.
    peer_out: VecDeque<PeerOut>,
    frames: Vec<(RecordingKey, Frame)>,
    tick_panics: u32,
    peers_ticked: Instant,
    commands: Receiver<ToMedia>,
    control: Outbox<FromMedia>,
    writer: Outbox<Job>,
    counters: Arc<Counters>,
}

pub(crate) struct Parts {
    /// Holds the waker.
    pub(crate) poll: Poll,
    pub(crate) wake: Arc<Wake>,
    pub(crate) media_io: MediaIo,
    /// Zero of the time that `switch`, `media` and `sip` see.
    pub(crate) start: Instant,
    pub(crate) plane: PlaneConfig,
    pub(crate) peers: Peers,
    /// Sockets of the WebRTC port, as `peers` numbers them.
    pub(crate) mux: Vec<mio::net::UdpSocket>,
    pub(crate) commands: Receiver<ToMedia>,
    pub(crate) control: Outbox<FromMedia>,
    pub(crate) writer: Outbox<Job>,
    pub(crate) counters: Arc<Counters>,
}

impl MediaThread {
    pub(crate) fn new(parts: Parts) -> io::Result<Self> {
        let sockets_max = SLOTS + 2 * parts.plane.legs_max;
        let budget = Budget { shared: SLOTS };
        let mut io = PacketIo::open(parts.media_io, parts.poll, budget, sockets_max, parts.counters.clone())?;
        for (i, socket) in parts.mux.into_iter().enumerate() {
            io.add(MUX + i, socket)?;
        }
        Ok(Self {
            io,
            wake: parts.wake,
            start: parts.start,
            began: parts.start,
            plane: Plane::new(parts.plane.clone()),
            plane_config: parts.plane,
            peers: parts.peers,
            carriers: FxHashMap::default(),
            slots: Vec::new(),
            plain: Vec::new(),
            free: Vec::new(),
            by_peer: FxHashMap::default(),
            peer_out: VecDeque::new(),
            frames: Vec::new(),
            tick_panics: 0,
            peers_ticked: parts.start,
            commands: parts.commands,
            control: parts.control,
            writer: parts.writer,
            counters: parts.counters,
        })
    }

    /// The way packets are got, for the log and the metrics.
    pub(crate) fn io_name(&self) -> &'static str {
        self.io.name()
    }

    fn now(&self) -> Duration {
        self.start.elapsed()
    }

    /// The thread's body, until [`ToMedia::Stop`].
    pub(crate) fn run(mut self) {
        if let Err(error) = self.io.begin() {
            tracing::error!(%error, "the media thread cannot start its packet queue: set --media-io epoll");
            return;
        }
        // When the current round was due: to take in what has come is part of serving it.
        let mut due = self.began;
        loop {
            self.wake.before_wait();
            let waited = self.io.wait(self.timeout());
            self.wake.after_wait();
            self.began = Instant::now();
            if self.began.saturating_duration_since(due) > PACE_MAX {
                due = self.began;
            }
            if !self.round() {
                return;
            }
            due += DELAY_MAX.saturating_sub(due.elapsed()).clamp(PACE_MIN, PACE_MAX);
            if let Err(error) = waited.and_then(|()| self.io.rest(due)) {
                tracing::error!(%error, "the media thread cannot wait for packets and stops");
                return;
            }
        }
    }

    /// Serves all that has come; false when the thread is to stop.
    fn round(&mut self) -> bool {
        // Late ticks are heard, late packets are not: the tick goes first.
        self.tick();
        self.read();
        if !self.take_commands() {
            return false;
        }
        self.settle();
        self.io.flush();
        self.pass_on_frames();
        self.control.flush();
        self.writer.flush();
        true
    }

    fn timeout(&self) -> Duration {
        if !self.commands.is_empty() {
            return Duration::ZERO;
        }
        let tick = self.plane.next_timeout().map_or(IDLE, |at| at.saturating_sub(self.now()));
        tick.min(IDLE)
    }

    fn tick(&mut self) {
        let now = self.now();
        let due = self.plane.next_timeout();
        if due.is_none() {
            // Nobody is there to hear anything late.
            Counters::set(&self.counters.media_tick_late_us_lately, 0);
        }
        if let Some(due) = due.filter(|due| *due <= now) {
            self.counters.tick(now - due);
            let plane = &mut self.plane;
            match catch_unwind(AssertUnwindSafe(|| plane.handle_timeout(now))) {
                Ok(()) => self.tick_panics = 0,
                Err(_) => self.tick_panicked(),
            }
            self.settle();
        }
        let instant = self.began;
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

    /// Takes what has arrived.
    fn read(&mut self) {
        let (mut rtp, mut rejected) = (0, 0);
        let (instant, now) = (self.began, self.began.duration_since(self.start));
        while let Some(datagram) = self.io.next() {
            let (key, source, bytes) = (datagram.socket, datagram.source, datagram.bytes);
            let mut panicked = None;
            if key < SLOTS {
                let out = &mut self.peer_out;
                let peer = self.peers.receive(instant, key - MUX, source, bytes, &mut |o| out.push_back(o));
                rtp += u64::from(peer.is_some());
                if let Some(&media) = peer.and_then(|peer| self.by_peer.get(&peer)) {
                    let nowhere = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0));
                    let (plane, plain) = (&mut self.plane, self.peers.plain());
                    let handled = catch_unwind(AssertUnwindSafe(|| plane.handle_packet(now, media, nowhere, plain)));
                    panicked = handled.is_err().then_some(media);
                }
            } else {
                let (slot, is_rtcp) = ((key - SLOTS) / 2, (key - SLOTS) % 2 == 1);
                let Some(Some(Slot { media, srtp })) = self.slots.get_mut(slot) else { continue };
                rtp += 1;
                let (plane, plain, media) = (&mut self.plane, &mut self.plain, *media);
                let handled = catch_unwind(AssertUnwindSafe(|| {
                    let is_rtcp = is_rtcp || media::rtp::is_rtcp(bytes);
                    let bytes = match srtp {
                        None => bytes,
                        Some(srtp) => {
                            let is_open = match is_rtcp {
                                true => srtp.open_rtcp(bytes, plain),
                                false => srtp.open(bytes, plain).is_some(),
                            };
                            // Forged, repeated, or in plain: as if it had not come.
                            if !is_open {
                                return false;
                            }
                            plain.as_slice()
                        }
                    };
                    if is_rtcp {
                        plane.handle_rtcp(now, media, source, bytes);
                    } else {
                        plane.handle_packet(now, media, source, bytes);
                    }
                    true
                }));
                rejected += u64::from(matches!(handled, Ok(false)));
                panicked = handled.is_err().then_some(media);
            }
            if let Some(media) = panicked {
                self.panicked(media);
            }
        }
        Counters::add(&self.counters.rtp_received, rtp);
        Counters::add(&self.counters.srtp_rejected, rejected);
        // All together: code and data of each step are used many times before the next step's.
        self.settle();
    }

    /// Carries out everything the plane and the peers have said; neither says more without new input.
    fn settle(&mut self) {
        let sent = self.plane.take_sent();
        for (counter, n) in [
            (&self.counters.sound_relayed, sent.relayed),
            (&self.counters.sound_transcoded, sent.transcoded),
            (&self.counters.sound_mixed, sent.mixed),
            (&self.counters.fax_sent, sent.fax),
        ] {
            if n > 0 {
                Counters::add(counter, n);
            }
        }
        while let Some(output) = self.plane.poll() {
            match output {
                media::Output::Packet(packet) => self.send(packet),
                media::Output::Event(event) => {
                    if let media::Event::Numbers { leg, .. } = &event {
                        self.tell_srtp_numbers(*leg);
                    }
                    self.tell(FromMedia::Event(event));
                }
                media::Output::Record { recording, frame } => self.frames.push((recording, frame)),
            }
        }
        while let Some(out) = self.peer_out.pop_front() {
            match out {
                PeerOut::Datagram { socket, to, bytes } => {
                    Counters::add(&self.counters.webrtc_sent, 1);
                    self.io.send(MUX + socket, to, bytes);
                }
                PeerOut::Event(event) => {
                    if let PeerEvent::Closed { peer } | PeerEvent::Failed { peer, .. } = &event {
                        self.by_peer.remove(peer);
                    }
                    self.tell(FromMedia::Peer(event));
                }
            }
        }
    }

    fn send(&mut self, packet: media::Outgoing) {
        let media::Outgoing { leg, dst, rtcp, mut bytes } = packet;
        let (key, dst) = match self.carriers.get(&leg) {
            Some(Carrier::Udp(slot)) => {
                let Some(dst) = dst else { return };
                if let Some(srtp) = self.slots.get_mut(*slot).and_then(|s| s.as_mut()?.srtp.as_mut()) {
                    // A report begins with the SSRC of its sender.
                    let ssrc = bytes.get(4..8).and_then(|b| b.try_into().ok()).map(u32::from_be_bytes);
                    let is_sealed = match ssrc.filter(|_| rtcp) {
                        Some(ssrc) => srtp.seal_rtcp(ssrc, &mut bytes),
                        None => !rtcp && srtp.seal_next(&mut bytes),
                    };
                    if !is_sealed {
                        return;
                    }
                }
                (SLOTS + slot * 2 + usize::from(rtcp), dst)
            }
            Some(Carrier::Peer(peer)) => {
                let Some((socket, dst)) = self.peers.seal(self.began, *peer, rtcp, &mut bytes) else { return };
                Counters::add(&self.counters.webrtc_sent, 1);
                (MUX + socket, dst)
            }
            None => return,
        };
        Counters::add(&self.counters.rtp_sent, 1);
        self.io.send(key, dst, bytes);
    }

    fn tell(&mut self, event: FromMedia) {
        if self.control.send(event) {
            Counters::add(&self.counters.media_events_delayed, 1);
        }
    }

    fn tell_srtp_numbers(&mut self, media: LegKey) {
        let Some(Carrier::Udp(slot)) = self.carriers.get(&media) else { return };
        let srtp = self.slots.get(*slot).and_then(|s| s.as_ref()?.srtp.as_ref());
        if let Some(numbers) = srtp.map(|srtp| srtp.numbers()) {
            self.tell(FromMedia::SrtpNumbers { media, numbers });
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
                ToMedia::Protect { media, keys, resume } => self.protect(media, keys.map(|k| *k), resume),
                ToMedia::Close { media } => {
                    let now = self.now();
                    let stats = self.plane.stats(media);
                    let quality = self.plane.quality(now, media);
                    self.plane_command(now, media::Command::RemoveLeg { leg: media });
                    self.settle();
                    self.release(media);
                    self.tell(FromMedia::Closed { media, stats, quality });
                }
                ToMedia::Plane(command) => {
                    let now = self.now();
                    self.plane_command(now, command);
                    self.settle();
                }
                ToMedia::Accept { peer, offer_sdp, codecs } => {
                    let out = &mut self.peer_out;
                    self.peers.accept(Instant::now(), peer, &offer_sdp, &codecs, &mut |o| out.push_back(o));
                    self.settle();
                }
                ToMedia::Offer { peer, codecs } => {
                    let out = &mut self.peer_out;
                    self.peers.offer(Instant::now(), peer, &codecs, &mut |o| out.push_back(o));
                    self.settle();
                }
                ToMedia::Conclude { peer, answer_sdp } => {
                    let out = &mut self.peer_out;
                    self.peers.conclude(Instant::now(), peer, &answer_sdp, &mut |o| out.push_back(o));
                    self.settle();
                }
                ToMedia::ClosePeer { peer } => {
                    self.by_peer.remove(&peer);
                    let out = &mut self.peer_out;
                    self.peers.close(Instant::now(), peer, &mut |o| out.push_back(o));
                    self.settle();
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
        self.slots[index] = Some(Slot { media, srtp: None });
        self.carriers.insert(media, Carrier::Udp(index));
        let key = SLOTS + index * 2;
        if let Err(error) = self.io.add(key, pair.rtp).and_then(|()| self.io.add(key + 1, pair.rtcp)) {
            tracing::error!(%error, "a media socket cannot be watched");
            self.broken(media);
        }
    }

    fn protect(&mut self, media: LegKey, keys: Option<Keys>, resume: Option<SrtpNumbers>) {
        let Some(Carrier::Udp(index)) = self.carriers.get(&media) else { return };
        let Some(Some(slot)) = self.slots.get_mut(*index) else { return };
        let former = slot.srtp.take();
        let Some(keys) = keys else { return };
        let srtp = match former {
            Some(former) => former.rekey(keys),
            None => Srtp::by_sdes(keys),
        };
        match srtp {
            Some(mut srtp) => {
                if let Some(numbers) = resume {
                    srtp.resume(numbers);
                }
                slot.srtp = Some(Box::new(srtp));
            }
            // No key has a wrong length; if one had, nothing may leave in plain.
            None => self.broken(media),
        }
    }

    fn release(&mut self, media: LegKey) {
        match self.carriers.remove(&media) {
            Some(Carrier::Udp(index)) => {
                if self.slots.get_mut(index).and_then(Option::take).is_some() {
                    let key = SLOTS + index * 2;
                    self.io.remove(key);
                    self.io.remove(key + 1);
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
