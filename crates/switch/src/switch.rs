//! The switch itself: its tables, and where each input goes. Called by `telephony` only.
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use domain::config::Srtp;
use domain::device::DeviceReport;
use domain::directory::Directory;
use domain::id::{BridgeId, DeviceId, LegId, RecordingId, TenantId};
use domain::leg::{EndCause, EndedBy, LegCommand, LegEvent, LegStats};
use media::{LegKey, RecordingKey};
use sip::CallId;
use sip::sdp::{Key, SessionDescription};

use crate::browser::Peer;
use crate::config::Config;
use crate::inbound::Policy;
use crate::io::{Input, Output, PeerRef, ResolveKey, Transport};
use crate::leg::{Leg, MediaLeg, Offer, Party, Phase};
use crate::negotiate::{Session, Terms};
use crate::recording::Recording;
use crate::registrations::Registered;
use crate::sound::Bridge;
use crate::timers::{Timer, Timers};
use crate::trunks::Trunks;

/// Call control of one node. See the crate's header.
#[derive(Debug)]
pub struct Switch {
    pub(crate) config: Config,
    pub(crate) directory: Arc<Directory>,
    pub(crate) directory_known: bool,
    pub(crate) draining: bool,
    pub(crate) now: Duration,
    out: VecDeque<Output>,
    pub(crate) timers: Timers,
    /// Source of all keys, ids and session numbers.
    counter: u64,
    pub(crate) legs: BTreeMap<LegId, Leg>,
    pub(crate) by_call: HashMap<CallId, LegId>,
    pub(crate) by_media: HashMap<LegKey, LegId>,
    pub(crate) by_resolve: HashMap<ResolveKey, LegId>,
    /// Peer connections of SIP calls.
    pub(crate) by_peer: HashMap<PeerRef, LegId>,
    /// The living leg of each browser device.
    pub(crate) by_browser: HashMap<DeviceId, LegId>,
    pub(crate) bridges: BTreeMap<BridgeId, Bridge>,
    pub(crate) recordings: BTreeMap<RecordingId, Recording>,
    /// The recordings a leg is a side of.
    pub(crate) recorded_legs: BTreeSet<(LegId, RecordingId)>,
    pub(crate) by_recording: HashMap<RecordingKey, RecordingId>,
    pub(crate) peers: BTreeMap<DeviceId, Peer>,
    pub(crate) registered: BTreeMap<DeviceId, Registered>,
    /// When registered devices are told of next.
    pub(crate) tells: BTreeSet<(Duration, DeviceId)>,
    /// URI devices reported ready.
    pub(crate) uri_devices: BTreeSet<DeviceId>,
    pub(crate) trunks: Trunks,
}

impl Switch {
    pub fn new(config: Config) -> Self {
        Self {
            config,
            directory: Arc::default(),
            directory_known: false,
            draining: false,
            now: Duration::ZERO,
            out: VecDeque::new(),
            timers: Timers::default(),
            counter: 0,
            legs: BTreeMap::new(),
            by_call: HashMap::new(),
            by_media: HashMap::new(),
            by_resolve: HashMap::new(),
            by_peer: HashMap::new(),
            by_browser: HashMap::new(),
            bridges: BTreeMap::new(),
            recordings: BTreeMap::new(),
            recorded_legs: BTreeSet::new(),
            by_recording: HashMap::new(),
            peers: BTreeMap::new(),
            registered: BTreeMap::new(),
            tells: BTreeSet::new(),
            uri_devices: BTreeSet::new(),
            trunks: Trunks::default(),
        }
    }

    /// The directory as the SIP endpoint sees it; hand it to each `Endpoint` call. Cheap; take it anew after
    /// [`Input::Directory`] and [`Input::Drain`].
    pub fn policy(&self) -> Policy {
        Policy::new(self.directory.clone(), self.trunks.carriers.clone(), self.config.realm.clone(), self.draining)
    }

    /// Something happened at `now` (since start; never runs backwards). Drain [`Switch::poll`] afterwards.
    pub fn handle(&mut self, now: Duration, input: Input) {
        self.now = self.now.max(now);
        self.run_timers();
        match input {
            Input::Leg(command) => self.on_leg_command(command),
            Input::Sip(event) => self.on_sip(event),
            Input::Media(event) => self.on_media(event),
            Input::SrtpNumbers { media, numbers } => self.on_srtp_numbers(media, numbers),
            Input::Device(signal) => self.on_device_signal(signal),
            Input::Trunk(signal) => self.on_trunk_signal(signal),
            Input::Peer(event) => self.on_peer(event),
            Input::Directory(directory) => self.on_directory(directory),
            Input::MediaOpened { media, local } => self.on_media_opened(media, local),
            Input::MediaFailed { media } => self.on_media_failed(media),
            Input::MediaClosed { media, stats, quality } => self.on_media_closed(media, stats, quality),
            Input::RecordingStarted { recording } => self.on_recording_started(recording),
            Input::RecordingEnded { recording, length_ms, gaps } => {
                self.on_recording_ended(recording, length_ms, gaps);
            }
            Input::Resolved { key, addresses, life } => self.on_resolved(key, &addresses, life),
            Input::Tick => {}
            Input::Drain => self.drain(),
        }
    }

    /// The next thing to do, in order.
    pub fn poll(&mut self) -> Option<Output> {
        self.out.pop_front()
    }

    /// Call [`Switch::handle`] with [`Input::Tick`] not later than this.
    pub fn next_timeout(&self) -> Option<Duration> {
        let told = self.tells.first().map(|(at, _)| *at);
        [self.timers.next(), told].into_iter().flatten().min()
    }

    /// Legs that have not been reported ended.
    pub fn leg_count(&self) -> usize {
        self.legs.len()
    }

    /// Entries in all tables together; 0 when nothing lives. For tests and metrics.
    pub fn table_entries(&self) -> usize {
        self.legs.len()
            + self.by_call.len()
            + self.by_media.len()
            + self.by_resolve.len()
            + self.by_peer.len()
            + self.by_browser.len()
            + self.bridges.len()
            + self.recordings.len()
            + self.by_recording.len()
            + self.peers.len()
            + self.timers.len()
            + self.trunks.entries()
    }

    pub(crate) fn emit(&mut self, output: Output) {
        self.out.push_back(output);
    }

    pub(crate) fn tell(&mut self, event: LegEvent) {
        self.emit(Output::Leg(event));
    }

    pub(crate) fn report(&mut self, report: DeviceReport) {
        self.emit(Output::Report(report));
    }

    pub(crate) fn sip(&mut self, command: sip::Command) {
        self.emit(Output::Sip(command));
    }

    pub(crate) fn media(&mut self, command: media::Command) {
        self.emit(Output::Media(command));
    }

    /// A number never given out before in this run.
    pub(crate) fn next_number(&mut self) -> u64 {
        self.counter += 1;
        self.counter
    }

    /// A random-looking number, a function of the seed and of how many were drawn before.
    pub(crate) fn draw(&mut self) -> u64 {
        // SplitMix64: enough for SSRC seeds and SDP session numbers; nothing secret is made of it.
        let mut z = self.config.seed.wrapping_add(self.next_number().wrapping_mul(0x9e37_79b9_7f4a_7c15));
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// What a SIP leg says of itself, with keys of its own. `is_private`: only the peer can read what is signalled.
    pub(crate) fn new_session(&mut self, terms: Terms, is_private: bool) -> Session {
        let number = self.next_number();
        let keys = if terms.srtp == Srtp::Off { Vec::new() } else { Key::all(&self.config.secret, number) };
        Session::new(self.draw(), terms, keys, is_private)
    }

    /// The id of a leg that began here, unique over nodes and restarts. The top bit keeps it apart from floors' ids.
    pub(crate) fn mint_leg(&mut self) -> LegId {
        let counter = u128::from(self.next_number());
        let node = u128::from(self.config.node & 0x7fff_ffff);
        LegId((1 << 127) | (node << 96) | (u128::from(self.config.start) << 64) | counter)
    }

    /// Room for one more leg?
    pub(crate) fn has_room(&self) -> bool {
        self.legs.len() < self.config.max_legs
    }

    fn on_leg_command(&mut self, command: LegCommand) {
        match command {
            LegCommand::Ring { leg } => self.ring(leg),
            LegCommand::EarlyMedia { leg } => self.let_hear(leg),
            LegCommand::Answer { leg } => self.answer(leg),
            LegCommand::Reject { leg, why } => self.reject(leg, why),
            LegCommand::Originate { leg, tenant, interaction: _, to, from, ring_timeout, beside } => {
                let beside = beside.and_then(|leg| self.legs.get(&leg)?.media.as_ref()?.codec);
                self.originate(leg, tenant, to, from, ring_timeout, beside);
            }
            LegCommand::Hangup { leg, cause } => self.end(leg, cause, EndedBy::Us),
            LegCommand::Bridge { bridge, legs } => self.set_bridge(bridge, legs),
            LegCommand::Record { recording, tenant, left, right, beep_s } => {
                self.record(recording, tenant, left, right, beep_s);
            }
            LegCommand::PauseRecording { recording, why } => self.pause_recording(recording, why),
            LegCommand::StopRecording { recording } => self.stop_recording(recording),
            LegCommand::Play { leg, .. }
            | LegCommand::StopPlay { leg }
            | LegCommand::Mute { leg, .. }
            | LegCommand::SendDigits { leg, .. } => self.sound_command(leg, command),
            LegCommand::RefuseTransfer { leg, why } => self.refuse_transfer(leg, why),
        }
    }

    fn run_timers(&mut self) {
        self.tell_registrations(self.now);
        while let Some(timer) = self.timers.pop(self.now) {
            match timer {
                Timer::Offer(leg) => self.offer_timed_out(leg),
                Timer::Ring(leg) => self.end(leg, EndCause::NoAnswer, EndedBy::System),
                Timer::Trunk(leg) => self.trunk_is_silent(leg),
                Timer::Line(trunk) => self.line_is_due(trunk),
                Timer::Trial(test) => self.trial_is_late(test),
                Timer::Outside(leg) => self.outside_timed_out(leg),
                Timer::Reattach(leg) => self.end(leg, EndCause::MediaLost, EndedBy::System),
                Timer::Probe(leg) => self.probe(leg),
                Timer::Align(leg) => self.align(leg),
                Timer::MediaLost(leg) => self.end(leg, EndCause::MediaLost, EndedBy::System),
            }
        }
    }

    fn on_directory(&mut self, directory: Arc<Directory>) {
        self.directory = directory;
        let first = !std::mem::replace(&mut self.directory_known, true);
        self.review_registrations(first);
        self.review_peers();
        self.review_trunks();
        if first {
            self.resume_plays();
        }
    }

    fn drain(&mut self) {
        self.draining = true;
        self.tell_registrations(Duration::MAX);
        let legs: Vec<LegId> = self.legs.keys().copied().collect();
        for leg in legs {
            self.end(leg, EndCause::SystemShutdown, EndedBy::System);
        }
        self.close_lines();
    }

    /// Asks telephony for a carrier; the leg waits in `Opening`.
    pub(crate) fn open_media(&mut self, leg: LegId, transport: Transport) {
        let key = LegKey(self.next_number());
        let deadline = self.now + self.config.outside;
        let Some(state) = self.legs.get_mut(&leg) else { return };
        state.phase = Phase::Opening;
        let towards = match &state.party {
            Party::Incoming(sip) => {
                let heard_from = sip.hop.remote.ip();
                // Sound may be wanted by the other family of addresses than the signalling's.
                let audio =
                    |offer: &SessionDescription| offer.address_of(offer.media.iter().find(|m| m.kind == "audio")?);
                let wanted = match &sip.offer {
                    Some(Offer::Rtp(offer)) => audio(offer),
                    Some(Offer::Web(_)) | None => None,
                };
                Some(wanted.filter(|ip| ip.is_ipv4() != heard_from.is_ipv4()).unwrap_or(heard_from))
            }
            Party::Outgoing(sip) => sip.targets.first().map(|target| target.hop.remote.ip()),
            Party::Browser(_) => None,
        };
        state.media = Some(MediaLeg::new(key));
        self.by_media.insert(key, leg);
        self.timers.set(Timer::Outside(leg), deadline);
        self.emit(Output::OpenMedia { media: key, transport, towards });
    }

    fn on_media_opened(&mut self, key: LegKey, local: std::net::SocketAddr) {
        let Some(&leg) = self.by_media.get(&key) else { return };
        let Some(state) = self.legs.get_mut(&leg) else { return };
        let Some(media) = state.media.as_mut().filter(|m| m.local.is_none()) else { return };
        media.local = Some(local);
        if !matches!(state.phase, Phase::Opening) {
            return;
        }
        self.timers.cancel(Timer::Outside(leg));
        match self.legs.get(&leg).map(|l| &l.party) {
            Some(Party::Incoming(_)) => self.send_answer(leg),
            Some(Party::Outgoing(_)) => self.send_invites(leg),
            Some(Party::Browser(_)) => self.browser_up(leg),
            None => {}
        }
    }

    fn on_media_failed(&mut self, key: LegKey) {
        let Some(&leg) = self.by_media.get(&key) else { return };
        let Some(state) = self.legs.get_mut(&leg) else { return };
        let Some(media) = &state.media else { return };
        if state.is_ending() {
            // There is nothing to close, so nobody will say that it is closed.
            return self.finish(leg, LegStats::default());
        }
        if media.local.is_some() {
            // The carrier broke later on, or could not be had again after a restart.
            return self.end(leg, EndCause::SystemError, EndedBy::System);
        }
        state.media = None;
        self.by_media.remove(&key);
        self.timers.cancel(Timer::Outside(leg));
        // A browser that is reloading has taken the carrier away; its next peer opens another.
        if !self.timers.is_set(Timer::Reattach(leg)) {
            self.end(leg, EndCause::SystemError, EndedBy::System);
        }
    }

    fn outside_timed_out(&mut self, leg: LegId) {
        let Some(state) = self.legs.get(&leg) else { return };
        match &state.phase {
            Phase::Ending { .. } => self.finish(leg, LegStats::default()),
            Phase::Resolving { .. } => self.end(leg, EndCause::Unreachable, EndedBy::System),
            _ => self.end(leg, EndCause::SystemError, EndedBy::System),
        }
    }

    /// The leg of an event about a call, unless it is ending.
    pub(crate) fn living_by_call(&self, call: CallId) -> Option<LegId> {
        let leg = *self.by_call.get(&call)?;
        self.legs.get(&leg).filter(|l| !l.is_ending()).map(|l| l.id)
    }

    /// The tenant's device, if the directory has it.
    pub(crate) fn device_of(&self, tenant: TenantId, device: DeviceId) -> Option<&domain::directory::DeviceEntry> {
        self.directory.devices.get(&device).filter(|d| d.tenant == tenant)
    }
}
