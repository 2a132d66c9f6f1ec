//! One node: the real SIP endpoint, switch, media plane and floor, with what telephony and the engine are in production
//! re-enacted by their rules: queues between threads that keep their order, ports, browser lines, the checkpoint file,
//! the recording writer. See `office` for the engine's part.
//!
//! Contract: [`Node::packet`] or [`Node::peer_packet`] when something arrives, [`Node::run`] when [`Node::next`] is due.
//! Time inside is counted from the start of the process, as in production.
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::{SocketAddr, SocketAddrV4};
use std::sync::Arc;
use std::time::Duration;

use domain::device::{DeviceReport, DeviceSignal};
use domain::directory::Directory;
use domain::id::{DeviceId, LegId};
use domain::leg::{LegCommand, LegEvent, Outlived};
use media::{Codec, CodecParams, DtmfParams, LegKey, Plane, PlaneConfig};
use sip::{Admission, Endpoint, Hop};
use switch::{Checkpoint, Input, Output, PeerAudio, PeerCommand, PeerEvent, PeerRef, Policy, Switch, Transport};

use crate::exchange::agenda::{Happening, Octets};
use crate::exchange::office::Office;
use crate::exchange::outside::{MEDIA_PORT, NODE, Outside, Place, Seen};
use crate::exchange::plan::Sabotage;
use crate::exchange::premises::OUTSIDE;
use crate::exchange::recorder::Writer;
use crate::exchange::voice;

/// RTP and RTCP ports, in pairs.
pub(crate) const PORT_PAIRS: u16 = 1_000;
/// Steps of one input; a call takes a dozen.
const STEPS_MAX: usize = 100_000;
/// Rounds of one wake-up.
const ROUNDS_MAX: usize = 100_000;

/// Packets that come later have missed their turn in a jitter buffer, or were overtaken too far.
const WORD_AGE_MAX_MS: u32 = 150;

/// Telephony to engine.
pub(crate) enum Up {
    Leg(LegEvent),
    Device(DeviceReport),
}

/// Engine to telephony.
pub(crate) enum Down {
    Leg(LegCommand),
    Device(DeviceSignal),
    Directory(Arc<Directory>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Carrier {
    Udp(u16),
    Peer(PeerRef),
}

/// As telephony's: closed for new calls until the directory is here.
struct Gate<'a> {
    policy: &'a Policy,
    is_closed: bool,
}

impl sip::Directory for Gate<'_> {
    fn admit(&self, hop: &Hop, invite: &sip::msg::Message) -> Admission {
        if self.is_closed {
            return Admission::Reject { status: 503 };
        }
        self.policy.admit(hop, invite)
    }

    fn realm(&self, domain: &str) -> Option<String> {
        self.policy.realm(domain)
    }

    fn account(&self, realm: &str, username: &str) -> Option<sip::Account> {
        self.policy.account(realm, username)
    }

    fn may_register(&self, user: &sip::registrar::UserKey, aor: &str) -> bool {
        self.policy.may_register(user, aor)
    }
}

pub(crate) struct Node {
    born: Duration,
    pub(crate) endpoint: Endpoint,
    pub(crate) switch: Switch,
    pub(crate) plane: Plane,
    policy: Policy,
    has_directory: bool,
    answers: VecDeque<Input>,
    from_media: VecDeque<(Duration, Input)>,
    up: VecDeque<(Duration, Up)>,
    pub(crate) down: VecDeque<(Duration, Down)>,
    free_ports: VecDeque<u16>,
    carriers: BTreeMap<LegKey, Carrier>,
    by_port: Vec<Option<LegKey>>,
    by_peer: BTreeMap<PeerRef, LegKey>,
    peers: BTreeSet<PeerRef>,
    pub(crate) writer: Writer,
    pub(crate) office: Office,
    /// The plane is woken at least this long after its last tick; every 20 ms if zero.
    doze: Duration,
    ticked: Duration,
    /// The wake-up that stands in the agenda.
    pub(crate) armed: Option<Duration>,
    /// (S1) Legs reported ended: nothing may follow.
    ended: BTreeSet<LegId>,
    sabotage: Option<Sabotage>,
}

/// How a process is started.
pub(crate) struct Start {
    pub(crate) seed: u64,
    pub(crate) doze: Duration,
    /// Ticks of one wake-up after a doze.
    pub(crate) ticks: u32,
    pub(crate) sampled: u64,
    pub(crate) sabotage: Option<Sabotage>,
}

impl Node {
    /// Call control of a new process with what the disk holds, and the legs that it goes on with.
    pub(crate) fn recover(out: &mut Outside, start: &Start) -> (Switch, Outlived) {
        out.disk.starts += 1;
        let mut config = switch::Config::new(1, out.disk.starts, start.seed ^ u64::from(out.disk.starts), out.wall());
        config.boot_ms_at_start = i64::try_from(out.now.as_millis()).unwrap_or(i64::MAX);
        config.sip_local = SocketAddr::V4(NODE);
        config.from_host = NODE.ip().to_string();
        let mut switch = Switch::new(config);
        let checkpoints: Vec<Checkpoint> =
            out.disk.checkpoints.values().filter_map(|bytes| serde_json::from_slice(bytes).ok()).collect();
        let outlived = switch.recover(Duration::ZERO, checkpoints).into_values().next().unwrap_or_default();
        (switch, outlived)
    }

    /// The new process. Drive it with [`Node::run`] at once.
    pub(crate) fn start(out: &mut Outside, start: &Start, switch: Switch, office: Office) -> Node {
        let policy = switch.policy();
        let mut secret = [0; 32];
        secret[..8].copy_from_slice(&start.seed.to_le_bytes());
        secret[8..12].copy_from_slice(&out.disk.starts.to_le_bytes());
        Node {
            born: out.now,
            endpoint: Endpoint::new(super::sip_config(secret)),
            switch,
            plane: Plane::new(PlaneConfig { catch_up_max: start.ticks, ..PlaneConfig::default() }),
            policy,
            has_directory: false,
            answers: VecDeque::new(),
            from_media: VecDeque::new(),
            up: VecDeque::new(),
            down: VecDeque::new(),
            free_ports: (0..PORT_PAIRS).collect(),
            carriers: BTreeMap::new(),
            by_port: vec![None; usize::from(PORT_PAIRS)],
            by_peer: BTreeMap::new(),
            peers: BTreeSet::new(),
            writer: Writer::new(start.sampled, start.sabotage),
            office,
            doze: start.doze,
            ticked: out.now,
            armed: None,
            ended: BTreeSet::new(),
            sabotage: start.sabotage,
        }
    }

    /// Does the ticks that a dozing plane owes: before the process dies, its recordings are as far as they would be.
    pub(crate) fn wake(&mut self, out: &mut Outside) {
        self.plane.handle_timeout(out.now - self.born);
        self.settle(out);
    }

    /// When to call [`Node::run`].
    pub(crate) fn next(&self) -> Option<Duration> {
        let timers = [self.endpoint.next_timeout(), self.switch.next_timeout()].into_iter().flatten();
        let timers = timers.map(|at| self.born + at).chain(self.tick_due());
        let queues = [
            self.from_media.front().map(|(at, _)| *at),
            self.up.front().map(|(at, _)| *at),
            self.down.front().map(|(at, _)| *at),
            self.office.next(),
        ];
        timers.chain(queues.into_iter().flatten()).min()
    }

    fn tick_due(&self) -> Option<Duration> {
        self.plane.next_timeout().map(|at| (self.born + at).max(self.ticked + self.doze))
    }

    /// Does everything that is due.
    pub(crate) fn run(&mut self, out: &mut Outside) {
        self.pump(out);
        for _ in 0..ROUNDS_MAX {
            if out.dies_now() {
                return;
            }
            let now = out.now;
            let due = |at: Option<Duration>| at.is_some_and(|at| at <= now);
            if due(self.tick_due()) {
                self.ticked = now;
                self.plane.handle_timeout(now - self.born);
                self.settle(out);
            } else if due(self.endpoint.next_timeout().map(|at| self.born + at)) {
                self.tell_sip(out, sip::Input::Timeout);
                self.pump(out);
            } else if due(self.switch.next_timeout().map(|at| self.born + at)) {
                self.input(out, Input::Tick);
            } else if due(self.from_media.front().map(|(at, _)| *at)) {
                if let Some((_, input)) = self.from_media.pop_front() {
                    if let Input::MediaClosed { media, .. } = &input {
                        self.release_port(*media);
                    }
                    self.input(out, input);
                }
            } else if due(self.down.front().map(|(at, _)| *at)) {
                if let Some((_, down)) = self.down.pop_front() {
                    self.take_down(out, down);
                }
            } else if due(self.up.front().map(|(at, _)| *at)) {
                if let Some((_, up)) = self.up.pop_front() {
                    self.office.take_up(out, up, &mut self.down);
                }
            } else if due(self.office.next()) {
                self.office.run(out, &mut self.down);
            } else {
                return;
            }
        }
        out.violation("rest", "the node does not come to rest");
    }

    fn take_down(&mut self, out: &mut Outside, down: Down) {
        match down {
            Down::Leg(command) => {
                out.note(|| format!("command {command:?}"));
                out.ears.ordered(out.now, &command);
                out.talks.ordered(out.now, &command);
                self.input(out, Input::Leg(command));
            }
            Down::Device(signal) => self.input(out, Input::Device(signal)),
            Down::Directory(directory) => {
                self.has_directory = true;
                self.input(out, Input::Directory(directory));
                self.policy = self.switch.policy();
            }
        }
    }

    /// A datagram for one of the node's sockets.
    pub(crate) fn packet(&mut self, out: &mut Outside, from: SocketAddrV4, to: SocketAddrV4, bytes: &[u8]) {
        let (local, remote) = (SocketAddr::V4(to), SocketAddr::V4(from));
        if to.port() == NODE.port() {
            self.tell_sip(out, sip::Input::Datagram { local, remote, bytes });
            return self.pump(out);
        }
        let Some(offset) = to.port().checked_sub(MEDIA_PORT) else { return };
        let Some(Some(media)) = self.by_port.get(usize::from(offset / 2)).copied() else { return };
        let now = out.now - self.born;
        if offset.is_multiple_of(2) {
            self.plane.handle_packet(now, media, remote, bytes);
        } else {
            self.plane.handle_rtcp(now, media, remote, bytes);
        }
        self.settle(out);
        if let (true, Some(Place::Rtp(phone))) = (offset.is_multiple_of(2), out.place(from)) {
            said(out, phone, bytes);
        }
    }

    /// Plain RTP of a browser's connection.
    pub(crate) fn peer_packet(&mut self, out: &mut Outside, peer: PeerRef, bytes: &[u8]) {
        let Some(media) = self.by_peer.get(&peer).copied() else { return };
        let nowhere = SocketAddr::from(([0, 0, 0, 0], 0));
        self.plane.handle_packet(out.now - self.born, media, nowhere, bytes);
        self.settle(out);
        if let Some(phone) = peer.device().and_then(|device| self.office.devices.get(&device)) {
            said(out, *phone, bytes);
        }
    }

    /// A connection's own news: lost, closed.
    pub(crate) fn peer_event(&mut self, out: &mut Outside, event: PeerEvent) {
        if let PeerEvent::Closed { peer } | PeerEvent::Failed { peer, .. } = &event {
            self.by_peer.remove(peer);
            self.peers.remove(peer);
        }
        self.later(out, Input::Peer(event));
    }

    fn later(&mut self, out: &Outside, input: Input) {
        self.later_at(out.now + out.faults.media, input);
    }

    fn later_at(&mut self, at: Duration, input: Input) {
        let place = self.from_media.partition_point(|(other, _)| *other <= at);
        self.from_media.insert(place, (at, input));
    }

    fn tell_sip(&mut self, out: &Outside, input: sip::Input<'_>) {
        let gate = Gate { policy: &self.policy, is_closed: !self.has_directory };
        self.endpoint.handle(out.now - self.born, input, &gate);
    }

    fn input(&mut self, out: &mut Outside, input: Input) {
        self.switch.handle(out.now - self.born, input);
        self.pump(out);
    }

    /// Carries out what the two machines say until both are silent.
    fn pump(&mut self, out: &mut Outside) {
        for _ in 0..STEPS_MAX {
            if let Some(output) = self.endpoint.poll_output() {
                self.sip_output(out, output);
            } else if let Some(output) = self.switch.poll() {
                self.switch_output(out, output);
            } else if let Some(answer) = self.answers.pop_front() {
                self.switch.handle(out.now - self.born, answer);
            } else {
                return;
            }
        }
        out.violation("rest", "the switch and the SIP endpoint do not come to rest");
    }

    fn sip_output(&mut self, out: &mut Outside, output: sip::Output) {
        match output {
            sip::Output::Transmit(sent) => {
                if let SocketAddr::V4(to) = sent.hop.remote {
                    out.note(|| format!("node → {to} {}", first_line(&sent.bytes)));
                    out.send(NODE, to, Octets::Shared(sent.bytes));
                }
            }
            sip::Output::CloseStream { .. } => {}
            sip::Output::Event(event) => {
                self.switch.handle(out.now - self.born, Input::Sip(event));
            }
        }
    }

    fn switch_output(&mut self, out: &mut Outside, output: Output) {
        match output {
            Output::Leg(event) => self.leg_event(out, event),
            Output::Report(report) => self.up.push_back((out.now + out.faults.up, Up::Device(report))),
            // Trunks of the simulation are not asked how they are.
            Output::Trunk(_) => {}
            Output::PolicyChanged => self.policy = self.switch.policy(),
            Output::RestoreBindings { records } => {
                self.endpoint.import_bindings(out.now - self.born, Duration::ZERO, records);
            }
            Output::Peer(command) => self.peer_command(out, command),
            Output::OpenMedia { media, transport, .. } => {
                let answer = match self.open(out, media, transport) {
                    Some(port) => {
                        let local = SocketAddr::V4(SocketAddrV4::new(*NODE.ip(), port));
                        Input::MediaOpened { media, local }
                    }
                    None => Input::MediaFailed { media },
                };
                self.answers.push_back(answer);
            }
            Output::ReopenMedia { media, local } => {
                let port = local.port();
                let pair = (port - MEDIA_PORT) / 2;
                self.free_ports.retain(|free| *free != pair);
                self.carriers.insert(media, Carrier::Udp(pair));
                self.by_port[usize::from(pair)] = Some(media);
            }
            Output::MoveMedia { media, transport } => {
                self.release(out, media);
                self.release_port(media);
                if self.open(out, media, transport).is_none() {
                    self.answers.push_back(Input::MediaFailed { media });
                }
            }
            Output::CloseMedia { media } => {
                let stats = self.plane.stats(media);
                let quality = self.plane.quality(out.now - self.born, media);
                self.command(out, media::Command::RemoveLeg { leg: media });
                self.release(out, media);
                self.later(out, Input::MediaClosed { media, stats, quality });
            }
            Output::Media(command) => self.command(out, command),
            Output::OpenRecording { recording, id, .. } => {
                out.counts.recordings += 1;
                self.writer.open(out, recording, id);
            }
            Output::Resolve { key, .. } => {
                self.answers.push_back(Input::Resolved { key, addresses: Vec::new(), life: Duration::ZERO })
            }
            // The simulated network has neither TLS nor SRTP.
            Output::ExpectPeer { .. } | Output::Protect { .. } => {}
            Output::Checkpoint { about, mut value } => {
                if value.as_mut().is_some_and(|v| !v.complete(|call| self.endpoint.save(call))) {
                    return;
                }
                match value.map(|v| serde_json::to_vec(&v)) {
                    Some(Ok(bytes)) => drop(out.disk.checkpoints.insert(about, bytes)),
                    Some(Err(error)) => out.violation("checkpoint", error.to_string()),
                    None => drop(out.disk.checkpoints.remove(&about)),
                };
            }
            Output::Sip(command) => self.tell_sip(out, sip::Input::Command(command)),
        }
    }

    fn leg_event(&mut self, out: &mut Outside, event: LegEvent) {
        out.note(|| format!("leg {event:?}"));
        if let Some(leg) = event.leg() {
            if self.ended.contains(&leg) {
                out.violation("S1", format!("{event:?} comes after the end of its leg"));
            }
            match &event {
                LegEvent::Offered { from, .. } => {
                    // Callers show the number of their phone.
                    let digits: String = from.key().chars().filter(char::is_ascii_digit).collect();
                    if let Some(phone) = digits.get(5..).and_then(|d| d.parse().ok()) {
                        out.ears.learn(leg, phone);
                        out.talks.learn(leg, phone);
                    }
                }
                LegEvent::Digit { .. } => out.talks.digit(out.now, leg),
                LegEvent::PlayEnded { play, .. } => out.talks.play_ended(leg, *play),
                LegEvent::Ended { .. } => {
                    self.ended.insert(leg);
                    out.ears.ended(out.now, leg);
                    out.talks.ended(out.now, leg);
                }
                _ => {}
            }
        }
        self.up.push_back((out.now + out.faults.up, Up::Leg(event)));
    }

    fn peer_command(&mut self, out: &mut Outside, command: PeerCommand) {
        match command {
            PeerCommand::Accept { peer, .. } => {
                self.peers.insert(peer);
                let answer_sdp = "answer".to_owned();
                self.later(out, Input::Peer(PeerEvent::Accepted { peer, answer_sdp }));
                let codec = CodecParams::new(Codec::Pcma, 8);
                let audio = PeerAudio { codec, dtmf: Some(DtmfParams::new(101)) };
                // ICE and DTLS take a few round trips.
                let ready = out.now + out.faults.media + 4 * out.faults.delay;
                self.later_at(ready, Input::Peer(PeerEvent::Ready { peer, audio }));
                if let PeerRef::Device { device, generation } = peer {
                    out.seen.push_back(Seen::BrowserUp(device, generation));
                }
            }
            // Nobody here has a SIP phone in a browser.
            PeerCommand::Offer { .. } | PeerCommand::Conclude { .. } => {}
            PeerCommand::Close { peer } => {
                self.by_peer.remove(&peer);
                self.peers.remove(&peer);
            }
        }
    }

    fn open(&mut self, out: &mut Outside, media: LegKey, transport: Transport) -> Option<u16> {
        match transport {
            Transport::Udp => {
                let pair = self.free_ports.pop_front()?;
                self.carriers.insert(media, Carrier::Udp(pair));
                self.by_port[usize::from(pair)] = Some(media);
                Some(MEDIA_PORT + 2 * pair)
            }
            Transport::Peer(peer) => {
                if self.peers.contains(&peer) {
                    self.by_peer.insert(peer, media);
                }
                self.carriers.insert(media, Carrier::Peer(peer));
                out.seen.extend(peer.device().map(|device| Seen::BrowserLine(device, true)));
                Some(0)
            }
        }
    }

    /// The media thread lets go of a leg's socket; its port is given back when control hears of it.
    fn release(&mut self, out: &mut Outside, media: LegKey) {
        match self.carriers.get(&media) {
            Some(Carrier::Udp(pair)) => self.by_port[usize::from(*pair)] = None,
            Some(Carrier::Peer(peer)) => {
                if self.by_peer.get(peer) == Some(&media) {
                    self.by_peer.remove(peer);
                }
                out.seen.extend(peer.device().map(|device| Seen::BrowserLine(device, false)));
            }
            None => {}
        }
    }

    fn release_port(&mut self, media: LegKey) {
        if let Some(Carrier::Udp(pair)) = self.carriers.remove(&media) {
            self.free_ports.push_back(pair);
        }
    }

    fn command(&mut self, out: &mut Outside, mut command: media::Command) {
        match (&mut command, self.sabotage) {
            (media::Command::SetBridge { matrix, .. }, Some(Sabotage::DeafEars)) if matrix.len() == 2 => {
                matrix[1].1.clear();
            }
            (media::Command::Record { left, right, .. }, Some(Sabotage::SwappedSides)) => {
                right.iter_mut().for_each(|right| std::mem::swap(left, right));
            }
            _ => {}
        }
        // Commands cross the end of their leg; that is no error.
        let _ = self.plane.handle(out.now - self.born, command);
        self.settle(out);
    }

    /// Carries out what the plane says.
    fn settle(&mut self, out: &mut Outside) {
        while let Some(output) = self.plane.poll() {
            match output {
                media::Output::Packet(packet) => self.send_media(out, packet),
                media::Output::Event(event) => self.later(out, Input::Media(event)),
                media::Output::Record { recording, frame } => {
                    if let Some(report) = self.writer.frame(out, recording, frame) {
                        self.later(out, report);
                    }
                }
            }
        }
    }

    fn send_media(&mut self, out: &mut Outside, packet: media::Outgoing) {
        match self.carriers.get(&packet.leg) {
            Some(Carrier::Udp(pair)) => {
                let Some(SocketAddr::V4(to)) = packet.dst else { return };
                if let (false, Some(Place::Rtp(phone))) = (packet.rtcp, out.place(to)) {
                    passed_on(out, phone, &packet.bytes);
                }
                let port = MEDIA_PORT + 2 * pair + u16::from(packet.rtcp);
                out.send(SocketAddrV4::new(*NODE.ip(), port), to, Octets::Owned(packet.bytes));
            }
            // Browsers here listen to no reports.
            Some(Carrier::Peer(_)) if packet.rtcp => {}
            Some(Carrier::Peer(PeerRef::Call { .. })) => {}
            Some(Carrier::Peer(PeerRef::Device { device, generation })) => {
                let (device, generation) = (*device, *generation);
                if let Some(phone) = self.office.devices.get(&device) {
                    passed_on(out, *phone, &packet.bytes);
                }
                let bytes = Octets::Owned(packet.bytes);
                let after = out.faults.delay;
                out.plan(after, Happening::PeerPacket { device, generation, to_node: false, bytes });
            }
            None => {}
        }
    }

    /// The phone with this device is called by this leg; whoever is called outside has one too.
    pub(crate) fn device_of(command: &LegCommand) -> Option<(LegId, DeviceId)> {
        match command {
            LegCommand::Originate { leg, to: domain::leg::Dial::Device { device }, .. } => Some((*leg, *device)),
            LegCommand::Originate { leg, to: domain::leg::Dial::Trunk { .. }, .. } => Some((*leg, OUTSIDE)),
            _ => None,
        }
    }

    /// What a node at rest still holds, in words; empty if nothing. Registrations and browser connections may stay.
    pub(crate) fn leaks(&self) -> String {
        let mut found = Vec::new();
        let load = self.endpoint.load();
        let sip = [load.calls, load.dialogs, load.client_transactions, load.server_transactions, load.streams];
        if sip != [0; 5] {
            found.push(format!("sip {load:?}"));
        }
        let mut tables = self.switch.table_entries();
        // Connected browsers stay connected.
        tables = tables.saturating_sub(self.peers.len());
        if tables != 0 {
            found.push(format!("{tables} entries in the switch's tables: {:?}", self.switch));
        }
        if self.plane.leg_count() != 0 {
            found.push(format!("{} media legs", self.plane.leg_count()));
        }
        if self.plane.next_timeout().is_some() {
            found.push("a media tick with nothing to do".to_owned());
        }
        if self.free_ports.len() != usize::from(PORT_PAIRS) {
            found.push(format!("{} ports", usize::from(PORT_PAIRS) - self.free_ports.len()));
        }
        if self.writer.open_files() != 0 {
            found.push(format!("{} open recordings", self.writer.open_files()));
        }
        found.extend(self.office.leaks());
        found.join("; ")
    }
}

/// A phone's packet reached the node. One that was on its way for too long may rightly be left out.
fn said(out: &mut Outside, phone: usize, bytes: &[u8]) {
    let in_time = voice::age_ms(bytes, out.now).is_some_and(|age| age <= WORD_AGE_MAX_MS);
    if in_time
        && voice::of_packet(bytes).is_some()
        && let Some(seen) = out.talks.said(out.now, phone)
    {
        out.violation("deaf", seen);
    }
}

/// The node sends a packet to a phone.
fn passed_on(out: &mut Outside, phone: usize, bytes: &[u8]) {
    match voice::of_packet(bytes) {
        Some(source) => out.talks.passed_on(out.now, source, phone),
        None if voice::is_sound(bytes) => out.talks.passed_on_mixed(out.now, phone),
        None => {}
    }
}

/// Of a SIP message, with its CSeq, for stories.
pub(crate) fn first_line(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let cseq = text.lines().find(|l| l.starts_with("CSeq")).unwrap_or_default().to_owned();
    let call = text.lines().find(|l| l.starts_with("Call-ID")).map_or(String::new(), |l| l.chars().take(20).collect());
    format!("{} | {cseq} | {call}", text.lines().next().unwrap_or_default())
}
