//! The engine's part of a node: addresses of new callers, the floor with its batches, the journal, gated effects,
//! the shipper of recordings. By the rules of `engine::{intake, floor_task, outlet, recording_shipper, floors}`:
//! urgent effects leave at once, gated ones once their batch is durable; inputs wait while a batch is being written.
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use domain::config::TenantConfig;
use domain::device::DeviceReport;
use domain::effect::Effect;
use domain::event::{Event, EventBody};
use domain::floor::Floor;
use domain::id::{AddressId, BlobId, FloorId, IdMint, InteractionId, LegId, RecordingId};
use domain::input::{Accepted, Input};
use domain::leg::{CallerId, Dial, LegCommand, LegEvent, Outlived};
use domain::time::Timestamp;

use crate::exchange::node::{Down, Node, Up};
use crate::exchange::outside::{Outside, Seen};
use crate::exchange::phones::DeviceMap;

/// Inputs decided before one commit.
const BATCH: usize = 512;
const FLOOR: FloorId = FloorId(1);
/// A recording is turned into a blob in this time.
const SHIPPING: Duration = Duration::from_millis(150);

struct Commit {
    at: Duration,
    events: Vec<Event>,
    gated: Vec<Effect>,
}

pub(crate) struct Office {
    pub(crate) floor: Floor,
    /// The clock: wall milliseconds when the process began, and never before the last event.
    anchor_ms: i64,
    anchor: Duration,
    inbox: VecDeque<(Duration, Input, Option<CallerId>)>,
    commit: Option<Commit>,
    callers: BTreeMap<InteractionId, CallerId>,
    /// Calls whose caller's address is being stored, with what came meanwhile.
    parked: BTreeMap<LegId, Vec<LegEvent>>,
    stored: VecDeque<(Duration, Input, CallerId, LegId)>,
    known: BTreeSet<AddressId>,
    /// Where to route leg events: legs of this floor.
    legs: BTreeSet<LegId>,
    recordings: BTreeSet<RecordingId>,
    shipping: VecDeque<(Duration, RecordingId)>,
    /// Of the floor, kept because asking is not free.
    timeout: Option<Timestamp>,
    pub(crate) devices: Arc<DeviceMap>,
    snapshot_every: u64,
    snapshot_seq: u64,
    /// Every so many inputs the rules are checked (the floor does so itself in debug builds).
    check_every: u64,
}

impl Office {
    /// Opens the floor with what the disk holds.
    pub(crate) fn open(
        out: &mut Outside,
        config: Arc<TenantConfig>,
        devices: Arc<DeviceMap>,
        check_every: u64,
    ) -> Office {
        out.disk.epoch += 1;
        let mint = IdMint::new(1, out.disk.epoch);
        let mut floor = match out.disk.snapshot.clone() {
            Some(snapshot) => Floor::restore(config.clone(), mint, snapshot),
            None => Floor::new(FLOOR, config.clone(), mint),
        };
        let from = usize::try_from(floor.seq()).unwrap_or(0);
        for event in out.disk.journal.iter().skip(from) {
            floor.apply(event);
        }
        let last_event_at = out.disk.journal.last().map_or(Timestamp(0), |e| e.at);
        let restored = floor.seq() > 0;
        let mut office = Office {
            floor,
            anchor_ms: out.wall().max(last_event_at.0),
            anchor: out.now,
            inbox: VecDeque::new(),
            commit: None,
            callers: BTreeMap::new(),
            parked: BTreeMap::new(),
            stored: VecDeque::new(),
            known: BTreeSet::new(),
            legs: BTreeSet::new(),
            recordings: BTreeSet::new(),
            shipping: VecDeque::new(),
            timeout: None,
            devices,
            snapshot_every: 2_000,
            snapshot_seq: 0,
            check_every,
        };
        office.snapshot_seq = office.floor.seq();
        if restored {
            let last_heartbeat = out.disk.heartbeat.unwrap_or(last_event_at).max(last_event_at);
            office.tell(out.now, Input::Recovered { last_heartbeat, outlived: Outlived::default() });
        } else {
            office.tell(out.now, Input::ConfigPublished(config));
        }
        // Recordings that the last run left.
        let left: Vec<RecordingId> = out.disk.spool.keys().copied().collect();
        for recording in left {
            if out.disk.stored.contains(&recording) {
                archive(out, recording);
            } else if out.disk.requested.contains(&recording) {
                office.shipping.push_back((out.now + SHIPPING, recording));
            }
        }
        office
    }

    pub(crate) fn now(&self, out: &Outside) -> Timestamp {
        Timestamp(self.anchor_ms + (out.now - self.anchor).as_millis() as i64)
    }

    fn instant(&self, at: Timestamp) -> Duration {
        self.anchor + Duration::from_millis(u64::try_from(at.0 - self.anchor_ms).unwrap_or(0))
    }

    /// When to call [`Office::run`].
    pub(crate) fn next(&self) -> Option<Duration> {
        let inbox = match &self.commit {
            Some(commit) => Some(commit.at),
            None => {
                let timer = self.timeout.map(|at| self.instant(at));
                self.inbox.front().map(|(at, ..)| *at).into_iter().chain(timer).min()
            }
        };
        let stored = self.stored.front().map(|(at, ..)| *at);
        let shipping = self.shipping.front().map(|(at, _)| *at);
        [inbox, stored, shipping].into_iter().flatten().min()
    }

    /// An input from people or channels.
    pub(crate) fn tell(&mut self, at: Duration, input: Input) {
        let at = self.inbox.back().map_or(at, |(last, ..)| at.max(*last));
        self.inbox.push_back((at, input, None));
    }

    /// Telephony's word; the intake's work.
    pub(crate) fn take_up(&mut self, out: &mut Outside, up: Up, down: &mut VecDeque<(Duration, Down)>) {
        match up {
            Up::Leg(event) => self.leg_event(out, event),
            Up::Device(report) => self.device(out, report, down),
        }
    }

    fn leg_event(&mut self, out: &mut Outside, event: LegEvent) {
        if let LegEvent::Quality { .. } = event {
            // For screens, which are not here.
            return;
        }
        if let LegEvent::Offered { leg, number, from, name, via, .. } = event {
            self.legs.insert(leg);
            let address = address_id(&from.key());
            let known = !self.known.insert(address);
            let user = match from {
                domain::address::Address::Phone { raw, e164, .. } => Some(e164.unwrap_or(raw)),
                _ => None,
            };
            let input = Input::CallOffered { leg, number, from: address, via, known: Default::default() };
            let mut at = out.now;
            if !known {
                at += out.weather.between(Duration::ZERO, out.faults.address);
            }
            self.parked.insert(leg, Vec::new());
            let place = self.stored.partition_point(|(other, ..)| *other <= at);
            self.stored.insert(place, (at, input, CallerId { user, name, diverted: None }, leg));
            return;
        }
        if let Some(parked) = event.leg().and_then(|leg| self.parked.get_mut(&leg)) {
            parked.push(event);
            return;
        }
        self.tell_leg(out, event);
    }

    fn tell_leg(&mut self, out: &mut Outside, event: LegEvent) {
        let routed = match &event {
            LegEvent::Ended { leg, .. } => self.legs.remove(leg),
            LegEvent::RecordingStarted { recording } => self.recordings.contains(recording),
            LegEvent::RecordingEnded { recording, .. } => self.recordings.remove(recording),
            other => other.leg().is_some_and(|leg| self.legs.contains(&leg)),
        };
        if !routed {
            return;
        }
        let ended = match &event {
            LegEvent::RecordingEnded { recording, .. } if out.disk.spool.contains_key(recording) => Some(*recording),
            _ => None,
        };
        self.tell(out.now, Input::Leg(event));
        if let Some(recording) = ended {
            self.shipping.push_back((out.now + SHIPPING, recording));
        }
    }

    fn device(&mut self, out: &mut Outside, report: DeviceReport, _down: &mut VecDeque<(Duration, Down)>) {
        match report {
            DeviceReport::Ready { device, .. } => self.tell(out.now, Input::DeviceReady { device }),
            DeviceReport::Lost { device, why, .. } => self.tell(out.now, Input::DeviceLost { device, why }),
            DeviceReport::Binding { device, bindings } => {
                out.disk.bindings.insert(device, bindings);
            }
            DeviceReport::Answer { .. } | DeviceReport::Refused { .. } | DeviceReport::GuestCall { .. } => {}
        }
    }

    /// Does what is due: one thing of each kind.
    pub(crate) fn run(&mut self, out: &mut Outside, down: &mut VecDeque<(Duration, Down)>) {
        if self.stored.front().is_some_and(|(at, ..)| *at <= out.now)
            && let Some((_, input, caller, leg)) = self.stored.pop_front()
        {
            let at = self.inbox.back().map_or(out.now, |(last, ..)| out.now.max(*last));
            self.inbox.push_back((at, input, Some(caller)));
            for event in self.parked.remove(&leg).unwrap_or_default() {
                self.tell_leg(out, event);
            }
        }
        if self.shipping.front().is_some_and(|(at, _)| *at <= out.now)
            && let Some((_, recording)) = self.shipping.pop_front()
        {
            match out.disk.spool.get(&recording) {
                Some(file) => {
                    let blob = BlobId(recording.0);
                    let (length_ms, bytes) = (file.end_ms, file.end_ms * 32 + 44);
                    self.tell(
                        out.now,
                        Input::RecordingStored {
                            recording,
                            blob,
                            length_ms,
                            bytes,
                            gaps: Vec::new(),
                            heard_ms: length_ms,
                        },
                    );
                }
                None => out.violation("R10", format!("the spool file of {recording} is missing")),
            }
        }
        if self.commit.as_ref().is_some_and(|c| c.at <= out.now) {
            self.committed(out, down);
        }
        if self.commit.is_none() && !out.dies_now() {
            self.decide_batch(out, down);
        }
    }

    fn decide_batch(&mut self, out: &mut Outside, down: &mut VecDeque<(Duration, Down)>) {
        let (mut events, mut gated, mut taken) = (Vec::new(), Vec::new(), 0);
        while taken < BATCH && self.inbox.front().is_some_and(|(at, ..)| *at <= out.now) {
            let Some((_, input, caller)) = self.inbox.pop_front() else { break };
            self.decide(out, input, caller, &mut events, &mut gated, down);
            taken += 1;
        }
        if taken == 0 && self.timeout.is_some_and(|at| self.instant(at) <= out.now) {
            self.decide(out, Input::Tick, None, &mut events, &mut gated, down);
        }
        self.timeout = self.floor.next_timeout();
        if events.is_empty() {
            gated.into_iter().for_each(|effect| self.carry_out(out, effect, down));
            return;
        }
        out.counts.batches += 1;
        let mut takes = out.faults.commit;
        if out.weather.chance(out.faults.slow_commit) {
            takes += out.weather.between(Duration::from_millis(50), Duration::from_millis(2500));
        }
        self.commit = Some(Commit { at: out.now + takes, events, gated });
    }

    fn decide(
        &mut self,
        out: &mut Outside,
        input: Input,
        caller: Option<CallerId>,
        events: &mut Vec<Event>,
        gated: &mut Vec<Effect>,
        down: &mut VecDeque<(Duration, Down)>,
    ) {
        out.counts.inputs += 1;
        out.note(|| format!("input {input:?}"));
        let now = self.now(out);
        let result = self.floor.handle(now, input);
        if out.counts.inputs.is_multiple_of(self.check_every)
            && let Err(broken) = self.floor.check()
        {
            out.violation(broken.rule, broken.seen);
        }
        if let Err(refused) = &result {
            out.note(|| format!("refused: {refused}"));
        }
        if let (Ok(Accepted { interaction: Some(interaction), .. }), Some(caller)) = (&result, caller) {
            self.callers.insert(*interaction, caller);
        }
        while let Some(mut effect) = self.floor.poll_effect() {
            if let Effect::Leg(LegCommand::Originate { interaction: Some(interaction), from, to, .. }) = &mut effect {
                match (to, self.callers.get(interaction)) {
                    (Dial::Trunk { number, .. }, _) => "+8613800138000".clone_into(number),
                    (Dial::Device { .. } | Dial::Uri { .. }, Some(caller)) => from.clone_from(caller),
                    _ => {}
                }
            }
            let waits = !effect.is_urgent() || gated.iter().any(|earlier| effect.must_follow(earlier));
            if waits {
                gated.push(effect);
            } else {
                self.carry_out(out, effect, down);
            }
        }
        while let Some(event) = self.floor.poll_event() {
            if let EventBody::InteractionEnded { interaction, .. } = &event.body {
                self.callers.remove(interaction);
            }
            events.push(event);
        }
    }

    /// The batch is durable, or the process dies around it.
    fn committed(&mut self, out: &mut Outside, down: &mut VecDeque<(Duration, Down)>) {
        let Some(Commit { events, gated, .. }) = self.commit.take() else { return };
        let batches = out.counts.batches;
        let dies = out.dies_at.take_if(|(batch, _)| *batch <= batches).map(|(_, written)| written);
        if dies == Some(false) {
            out.note(|| "the process dies before a batch is written".to_owned());
            out.dying = true;
            return;
        }
        out.disk.append(&events);
        let stored = events.iter().filter_map(|e| match &e.body {
            EventBody::RecordingStored { recording, .. } => Some(*recording),
            _ => None,
        });
        let stored: Vec<RecordingId> = stored.collect();
        for event in events {
            out.durable(event);
        }
        if dies == Some(true) {
            out.note(|| "the process dies after a batch is written".to_owned());
            out.dying = true;
            return;
        }
        stored.into_iter().for_each(|recording| archive(out, recording));
        gated.into_iter().for_each(|effect| self.carry_out(out, effect, down));
        if self.floor.seq() - self.snapshot_seq >= self.snapshot_every {
            self.snapshot_seq = self.floor.seq();
            out.disk.snapshot = Some(self.floor.snapshot());
        }
    }

    fn carry_out(&mut self, out: &mut Outside, effect: Effect, down: &mut VecDeque<(Duration, Down)>) {
        match effect {
            Effect::Leg(command) => {
                match &command {
                    LegCommand::Originate { leg, .. } => {
                        self.legs.insert(*leg);
                    }
                    LegCommand::Record { recording, .. } => {
                        self.recordings.insert(*recording);
                    }
                    _ => {}
                }
                if let Some((leg, device)) = Node::device_of(&command)
                    && let Some(phone) = self.devices.get(&device)
                {
                    out.ears.learn(leg, *phone);
                    out.talks.learn(leg, *phone);
                }
                down.push_back((out.now + out.faults.down, Down::Leg(command)));
            }
            Effect::Offer(card) => out.seen.push_back(Seen::Offer(card)),
            // A person who reacts to it all the same is refused by the floor.
            Effect::OfferWithdrawn { .. } => {}
        }
    }

    /// Nothing waits to be done or written.
    pub(crate) fn is_quiet(&self) -> bool {
        self.inbox.is_empty() && self.commit.is_none() && self.stored.is_empty() && self.shipping.is_empty()
    }

    pub(crate) fn leaks(&self) -> Vec<String> {
        let mut found = Vec::new();
        let sizes = [
            ("callers", self.callers.len()),
            ("parked calls", self.parked.len()),
            ("routes of legs", self.legs.len()),
            ("routes of recordings", self.recordings.len()),
        ];
        found.extend(sizes.iter().filter(|(_, n)| *n != 0).map(|(what, n)| format!("{n} {what}")));
        found
    }
}

/// The blob stands and the journal knows it: the spool file goes.
fn archive(out: &mut Outside, recording: RecordingId) {
    if let Some(file) = out.disk.spool.remove(&recording) {
        out.disk.archive.insert(recording, file);
    }
}

/// The row of an address: a number made of its text.
fn address_id(key: &str) -> AddressId {
    let number =
        key.bytes().fold(14_695_981_039_346_656_037_u64, |h, b| (h ^ u64::from(b)).wrapping_mul(1_099_511_628_211));
    AddressId(u128::from(number))
}
