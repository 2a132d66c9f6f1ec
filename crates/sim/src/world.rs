//! The world around one floor: an agenda of things to come, carried out in order of time.
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use domain::config::TenantConfig;
use domain::effect::Effect;
use domain::event::{Event, EventBody, SegmentOf, SegmentState};
use domain::floor::{Floor, Snapshot};
use domain::id::{
    AddressId, AgentId, DeviceId, FloorId, IdMint, InteractionId, LegId, OfferId, PlayId, QueueId, RecordingId,
    SegmentId,
};
use domain::input::{Input, Rejected};
use domain::leg::{Collect, EndCause, EndedBy, LegEvent};
use domain::medium::Medium;
use domain::report::{Basis, Fold, Measures};
use domain::time::Timestamp;

use crate::dice::Dice;
use crate::manner::Manner;
use crate::switch::{Demand, Switch};

/// Something that will happen unless circumstances change before.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Happening {
    Call,
    Chat,
    Switch(LegEvent),
    /// Somebody is (or is not) at the ringing device.
    Phone(LegId, DeviceId),
    RingOut(LegId),
    PlayOver(LegId, PlayId, Option<Collect>),
    GiveUp(LegId),
    HangUp(LegId),
    React(AgentId, OfferId),
    AgentHangUp(AgentId, SegmentId),
    ChatOver(InteractionId),
    Hold(AgentId, SegmentId),
    Resume(AgentId, SegmentId),
    PeerHold(LegId, bool),
    WrapUpDone(AgentId, SegmentId),
    /// The agent takes his place, whatever kept him from it.
    Back(AgentId),
    Break(AgentId),
    Leave(AgentId),
    Whim(AgentId),
    /// Plan a local day's shifts.
    Day,
    Crash,
    HandOver,
}

/// Counts kept by the people outside, not by the floor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Ledger {
    pub calls: u64,
    pub chats: u64,
    pub started: u64,
    pub ended: u64,
    pub rejected_calls: u64,
    pub refused_inputs: u64,
    pub crashes: u64,
    pub handovers: u64,
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Stint {
    pub(crate) agent: Option<AgentId>,
    pub(crate) queue: Option<QueueId>,
    pub(crate) flow: Option<domain::id::FlowId>,
    pub(crate) interaction: InteractionId,
}

pub struct World {
    pub(crate) config: Arc<TenantConfig>,
    pub(crate) floor: Floor,
    pub(crate) manner: Manner,
    pub(crate) dice: Dice,
    pub(crate) switch: Switch,
    pub(crate) now: Timestamp,
    pub(crate) open: bool,
    pub(crate) ledger: Ledger,
    pub(crate) callers: Vec<AddressId>,
    agenda: BTreeMap<(Timestamp, u64), Happening>,
    planned: u64,
    pub(crate) journal: Vec<Event>,
    checkpoint: (Snapshot, usize),
    epoch: u32,
    pub(crate) mint_floor: u32,
    // What the people know, from the events they see.
    pub(crate) stints: BTreeMap<SegmentId, Stint>,
    /// Stints that have come to a conversation.
    pub(crate) talked: BTreeSet<SegmentId>,
    pub(crate) media: BTreeMap<InteractionId, Medium>,
    pub(crate) menus: BTreeMap<PlayId, Vec<char>>,
    pub(crate) shift_ends: BTreeMap<AgentId, Timestamp>,
    // For the proof at the end.
    pub(crate) live: BTreeSet<InteractionId>,
    pub(crate) totals: BTreeMap<(Basis, QueueId), Measures>,
    pub(crate) recordings: BTreeMap<RecordingId, (LegId, Option<LegId>)>,
    pub(crate) recorded: Vec<(LegId, LegId, u64)>,
    pub(crate) queued_talks: BTreeSet<LegId>,
    pub(crate) faults: Vec<String>,
    /// Time agents spent on written work.
    pub(crate) written_ms: u64,
    written: BTreeMap<SegmentId, Timestamp>,
    fold: Fold,
}

impl World {
    /// `seed` decides everything that follows.
    pub fn new(config: Arc<TenantConfig>, seed: u64, start: Timestamp, manner: Manner) -> World {
        World::with_floor(config, seed, start, manner, FloorId(1), IdMint::new(1, 1))
    }

    pub(crate) fn with_floor(
        config: Arc<TenantConfig>,
        seed: u64,
        start: Timestamp,
        manner: Manner,
        id: FloorId,
        mint: IdMint,
    ) -> World {
        let floor = Floor::new(id, config.clone(), mint);
        let checkpoint = (floor.snapshot(), 0);
        let mut world = World {
            config: config.clone(),
            floor,
            manner,
            dice: Dice::new(seed),
            switch: Switch::default(),
            now: start,
            open: true,
            ledger: Ledger::default(),
            callers: Vec::new(),
            agenda: BTreeMap::new(),
            planned: 0,
            journal: Vec::new(),
            checkpoint,
            epoch: mint.epoch,
            mint_floor: mint.floor_no,
            stints: BTreeMap::new(),
            talked: BTreeSet::new(),
            media: BTreeMap::new(),
            menus: BTreeMap::new(),
            shift_ends: BTreeMap::new(),
            live: BTreeSet::new(),
            totals: BTreeMap::new(),
            recordings: BTreeMap::new(),
            recorded: Vec::new(),
            queued_talks: BTreeSet::new(),
            faults: Vec::new(),
            written_ms: 0,
            written: BTreeMap::new(),
            fold: Fold::default(),
        };
        let _ = world.input(Input::ConfigPublished(config));
        world.begin();
        world
    }

    pub fn ledger(&self) -> Ledger {
        self.ledger
    }

    /// Everything the floor emitted since the last time.
    pub fn take_journal(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.journal)
    }

    /// The day goes on for so long.
    pub fn run(&mut self, length: Duration) {
        let until = self.now + length;
        self.run_until(until);
    }

    /// No new work; goes on until what there is has come to its end (three hours at most).
    pub fn close(&mut self) {
        self.open = false;
        for _ in 0..180 {
            if self.live.is_empty() && self.switch.live().is_empty() {
                // One more minute, for what the switch still has to say.
                return self.run(Duration::from_secs(60));
            }
            self.run(Duration::from_secs(60));
        }
    }

    pub(crate) fn run_until(&mut self, until: Timestamp) {
        let mut ticks_here = 0;
        loop {
            let happening = self.agenda.first_key_value().map(|((at, _), _)| *at);
            let timer = self.floor.next_timeout().map(|t| t.max(self.now));
            match (timer, happening) {
                (Some(t), h) if t <= until && h.is_none_or(|h| t <= h) => {
                    ticks_here = if t == self.now { ticks_here + 1 } else { 0 };
                    if ticks_here > 100 {
                        self.faults.push(format!("timers at {t} never come to rest"));
                        return;
                    }
                    self.now = t;
                    let _ = self.input(Input::Tick);
                }
                (_, Some(h)) if h <= until => {
                    ticks_here = 0;
                    self.now = self.now.max(h);
                    if let Some((_, what)) = self.agenda.pop_first() {
                        self.happen(what);
                    }
                }
                _ => break,
            }
        }
        self.now = until;
    }

    pub(crate) fn is_planned(&self, what: &Happening) -> bool {
        self.agenda.values().any(|w| w == what)
    }

    pub(crate) fn plan(&mut self, after: Duration, what: Happening) {
        self.plan_at(self.now + after, what);
    }

    pub(crate) fn plan_at(&mut self, at: Timestamp, what: Happening) {
        self.planned += 1;
        self.agenda.insert((at.max(self.now), self.planned), what);
    }

    pub(crate) fn input(&mut self, input: Input) -> Result<Option<InteractionId>, Rejected> {
        let result = self.floor.handle(self.now, input);
        if let Err(broken) = self.floor.check() {
            self.faults.push(broken.to_string());
        }
        while let Some(event) = self.floor.poll_event() {
            self.note(&event);
            self.journal.push(event);
        }
        while let Some(effect) = self.floor.poll_effect() {
            self.carry_out(effect);
        }
        self.ledger.refused_inputs += u64::from(result.is_err());
        result.map(|a| a.interaction)
    }

    fn carry_out(&mut self, effect: Effect) {
        match effect {
            Effect::Leg(command) => {
                for demand in self.switch.obey(self.now, command) {
                    match demand {
                        Demand::Later(after, event) => self.plan(after, Happening::Switch(event)),
                        Demand::Rings { leg, device, ring_timeout } => self.ring(leg, device, ring_timeout),
                        Demand::Plays { leg, play, collect } => {
                            let length = self.dice.between(Duration::from_millis(1500), Duration::from_millis(6000));
                            self.plan(length, Happening::PlayOver(leg, play, collect));
                        }
                    }
                }
            }
            Effect::Offer(card) => {
                if !card.device_rings && !self.dice.chance(self.manner.misses) {
                    let after = self.dice.wait(self.manner.reaction);
                    self.plan(after, Happening::React(card.agent, card.offer));
                }
            }
            Effect::OfferWithdrawn { .. } => {}
        }
    }

    fn happen(&mut self, what: Happening) {
        match what {
            Happening::Call => self.call(),
            Happening::Chat => self.chat(),
            Happening::Switch(event) => self.switch_says(event),
            Happening::Phone(leg, device) => self.at_the_phone(leg, device),
            Happening::RingOut(leg) => {
                if !self.switch.is_answered(leg) && self.switch.is_up(leg) {
                    self.end_leg(leg, EndCause::NoAnswer, EndedBy::System);
                }
            }
            Happening::PlayOver(leg, play, collect) => self.play_over(leg, play, collect),
            Happening::GiveUp(leg) => {
                if !self.switch.is_talking(leg) {
                    self.end_leg(leg, EndCause::Hangup, EndedBy::Peer);
                }
            }
            Happening::HangUp(leg) => self.end_leg(leg, EndCause::Hangup, EndedBy::Peer),
            Happening::React(..)
            | Happening::AgentHangUp(..)
            | Happening::Hold(..)
            | Happening::Resume(..)
            | Happening::PeerHold(..)
            | Happening::WrapUpDone(..)
            | Happening::ChatOver(..) => self.at_work(what),
            Happening::Back(_) | Happening::Break(_) | Happening::Leave(_) | Happening::Whim(_) | Happening::Day => {
                self.at_leisure(what)
            }
            Happening::Crash => self.crash(),
            Happening::HandOver => self.hand_over(),
        }
    }

    fn switch_says(&mut self, event: LegEvent) {
        match event {
            LegEvent::Answered { leg, .. } => {
                if self.switch.answer(self.now, leg) {
                    let _ = self.input(Input::Leg(event));
                }
            }
            LegEvent::Ended { leg, cause, by, .. } => self.end_leg(leg, cause, by),
            other => {
                let _ = self.input(Input::Leg(other));
            }
        }
    }

    pub(crate) fn end_leg(&mut self, leg: LegId, cause: EndCause, by: EndedBy) {
        for event in self.switch.ended(self.now, leg, cause, by) {
            let _ = self.input(Input::Leg(event));
        }
    }

    /// Killed and started again: state from the checkpoint and the journal, nothing else.
    fn crash(&mut self) {
        if !self.open {
            return;
        }
        self.ledger.crashes += 1;
        let heartbeat = Timestamp(self.now.0 - 700);
        let last = self.journal.last().map_or(heartbeat, |e| e.at);
        let goes_on = self.dice.chance(0.5);
        let dice = &mut self.dice;
        let outlived = self.switch.crash(heartbeat.max(last), || goes_on && dice.chance(0.9));
        // Whatever people or the switch were about to do with calls is void, and so are offers on screens; or people know
        // nothing of it.
        self.agenda.retain(|_, what| {
            let is_untold = matches!(what, Happening::Switch(_) | Happening::React(..));
            goes_on && !is_untold
                || matches!(
                    what,
                    Happening::Call
                        | Happening::Chat
                        | Happening::Back(_)
                        | Happening::Break(_)
                        | Happening::Leave(_)
                        | Happening::Whim(_)
                        | Happening::Day
                        | Happening::Crash
                        | Happening::HandOver
                )
        });
        self.restore();
        self.now = self.now + Duration::from_secs(4);
        let _ = self.input(Input::Recovered { last_heartbeat: heartbeat, outlived });
        for agent in self.config.clone().agents.keys() {
            let after = self.dice.between(Duration::from_secs(1), Duration::from_secs(90));
            self.plan(after, Happening::Back(*agent));
        }
        self.replan_floor_trouble();
    }

    /// The floor moves to another owner while calls go on.
    fn hand_over(&mut self) {
        self.ledger.handovers += 1;
        let snapshot = self.floor.snapshot();
        self.checkpoint = (snapshot, self.journal.len());
        self.restore();
        self.replan_floor_trouble();
    }

    fn restore(&mut self) {
        self.epoch += 1;
        let text = serde_json::to_string(&self.checkpoint.0);
        let Some(snapshot) = text.ok().and_then(|t| serde_json::from_str::<Snapshot>(&t).ok()) else {
            self.faults.push("the snapshot cannot be written and read".to_owned());
            return;
        };
        let before = self.floor.snapshot();
        let mint = IdMint::new(self.mint_floor, self.epoch);
        self.floor = Floor::restore(self.config.clone(), mint, snapshot);
        for event in &self.journal[self.checkpoint.1..] {
            self.floor.apply(event);
        }
        if self.floor.snapshot() != before {
            self.faults.push("R8: the restored floor differs".to_owned());
        }
    }

    fn note(&mut self, event: &Event) {
        let totals = &mut self.totals;
        self.fold.apply(event, &mut |row, d| totals.entry((row.basis, row.queue)).or_default().add(&d));
        match &event.body {
            EventBody::InteractionStarted { interaction, medium, .. } => {
                self.ledger.started += 1;
                self.media.insert(*interaction, *medium);
                if !self.live.insert(*interaction) {
                    self.faults.push(format!("{interaction} starts twice"));
                }
            }
            EventBody::InteractionEnded { interaction, .. } => {
                self.ledger.ended += 1;
                self.media.remove(interaction);
                if !self.live.remove(interaction) {
                    self.faults.push(format!("R5: {interaction} ends twice"));
                }
            }
            EventBody::CallRejected { .. } => self.ledger.rejected_calls += 1,
            EventBody::SegmentStarted { interaction, segment, of, .. } => {
                let (agent, queue, flow) = match of {
                    SegmentOf::Agent { agent, queue, .. } => (Some(*agent), *queue, None),
                    SegmentOf::Flow { flow, .. } => (None, None, *flow),
                    SegmentOf::Queue { queue, .. } => (None, Some(*queue), None),
                    SegmentOf::Supervisor { agent, .. } => (Some(*agent), None, None),
                    SegmentOf::Parked { queue, .. } => (None, *queue, None),
                    SegmentOf::Device { .. } | SegmentOf::Outside { .. } => (None, None, None),
                };
                self.stints.insert(*segment, Stint { agent, queue, flow, interaction: *interaction });
            }
            EventBody::SegmentStateChanged { interaction, segment, state, .. } => {
                self.written_until(*segment, event.at);
                let written = self.media.get(interaction).is_some_and(|m| *m != Medium::Voice);
                if written && *state == SegmentState::Talking {
                    self.written.insert(*segment, event.at);
                }
            }
            EventBody::SegmentEnded { segment, .. } => {
                self.written_until(*segment, event.at);
                self.stints.remove(segment);
                self.talked.remove(segment);
            }
            EventBody::RecordingRequested { recording, left, right, .. } => {
                self.recordings.insert(*recording, (*left, *right));
            }
            EventBody::RecordingEnded { recording, length_ms, .. } => {
                if let Some((left, Some(right))) = self.recordings.remove(recording) {
                    self.recorded.push((left, right, *length_ms));
                }
            }
            EventBody::FloorRecovered { recordings, .. } => {
                self.recordings.retain(|recording, _| recordings.contains(recording));
            }
            _ => {}
        }
        self.react(event);
    }

    fn written_until(&mut self, segment: SegmentId, at: Timestamp) {
        if let Some(from) = self.written.remove(&segment) {
            self.written_ms += u64::try_from(at - from).unwrap_or(0);
        }
    }
}
