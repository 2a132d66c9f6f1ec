//! What the floor derives from its state so that an input costs the same on a small and on a large floor: the matching
//! index, timers and counts. Told of every event as it is emitted; after a replay built anew before the next input.
use std::collections::{BTreeMap, BTreeSet};

use super::Floor;
use super::state::State;
use super::timers::Timers;
use crate::event::{Event, EventBody, LegRole, SegmentOf};
use crate::id::{AgentId, DeviceId, InteractionId, QueueId};
use crate::routing::Index;

#[derive(Debug, Default)]
pub(super) struct Derived {
    /// Events were applied that this was not told of.
    stale: bool,
    pub index: Index,
    /// Whose standing, and which interactions' place in line, may differ from the index.
    agents: BTreeSet<AgentId>,
    interactions: BTreeSet<InteractionId>,
    pub timers: Timers,
    /// Who sits at which device.
    seated: BTreeMap<DeviceId, BTreeSet<AgentId>>,
    pub seats_taken: usize,
    /// Customers' legs.
    pub calls: usize,
    /// Live segments of each queue, those being offered included.
    pub lines: BTreeMap<QueueId, usize>,
}

impl Derived {
    /// For a floor that has not decided anything yet.
    pub fn stale() -> Derived {
        Derived { stale: true, ..Derived::default() }
    }

    pub fn set_stale(&mut self) {
        self.stale = true;
    }

    pub fn is_current(&self) -> bool {
        !self.stale
    }

    fn moved(&mut self, interaction: InteractionId) {
        self.interactions.insert(interaction);
        self.timers.changed_work(interaction);
    }

    /// `state` is the one before the event.
    fn before(&mut self, event: &Event, state: &State) {
        match &event.body {
            EventBody::AgentSignedIn { agent, device, .. } => {
                self.stand_up(*agent, state);
                self.seated.entry(*device).or_default().insert(*agent);
                self.seats_taken += 1;
                self.agents.insert(*agent);
                self.timers.changed_agent(*agent);
            }
            EventBody::AgentSignedOut { agent, .. } => {
                self.stand_up(*agent, state);
                self.agents.insert(*agent);
                self.timers.changed_agent(*agent);
            }
            EventBody::PresenceChanged { agent, .. } | EventBody::OccupancyChanged { agent, .. } => {
                self.agents.insert(*agent);
            }
            EventBody::LeaseLost { agent, .. }
            | EventBody::LeaseTaken { agent }
            | EventBody::AgentLeaving { agent, .. } => {
                self.agents.insert(*agent);
                self.timers.changed_agent(*agent);
            }
            EventBody::DeviceReady { device } | EventBody::DeviceLost { device, .. } => {
                self.agents.extend(self.seated.get(device).into_iter().flatten());
            }
            EventBody::FloorRecovered { .. } => self.agents.extend(state.agents.keys()),
            EventBody::SegmentStarted { interaction, of, .. } => {
                match of {
                    SegmentOf::Queue { queue, .. } => *self.lines.entry(*queue).or_default() += 1,
                    SegmentOf::Agent { agent, .. } | SegmentOf::Supervisor { agent, .. } => {
                        self.agents.insert(*agent);
                    }
                    SegmentOf::Flow { .. }
                    | SegmentOf::Device { .. }
                    | SegmentOf::Outside { .. }
                    | SegmentOf::Parked { .. } => {}
                }
                self.moved(*interaction);
            }
            EventBody::SegmentEnded { interaction, segment, .. } => {
                match state.segment(*interaction, *segment).map(|s| &s.of) {
                    Some(SegmentOf::Queue { queue, .. }) => {
                        if let Some(n) = self.lines.get_mut(queue) {
                            *n = n.saturating_sub(1);
                        }
                        self.index.leave(*segment);
                    }
                    Some(SegmentOf::Agent { agent, .. } | SegmentOf::Supervisor { agent, .. }) => {
                        self.agents.insert(*agent);
                    }
                    Some(
                        SegmentOf::Flow { .. }
                        | SegmentOf::Device { .. }
                        | SegmentOf::Outside { .. }
                        | SegmentOf::Parked { .. },
                    )
                    | None => {}
                }
                self.moved(*interaction);
            }
            EventBody::LegStarted { interaction, role, .. } => {
                self.calls += usize::from(*role == LegRole::Customer);
                self.moved(*interaction);
            }
            EventBody::LegEnded { interaction, leg, .. } => {
                let customer = state.legs.get(leg).is_some_and(|l| l.role == LegRole::Customer);
                self.calls = self.calls.saturating_sub(usize::from(customer));
                self.moved(*interaction);
            }
            EventBody::SegmentStateChanged { interaction, .. }
            | EventBody::OfferMade { interaction, .. }
            | EventBody::OfferEnded { interaction, .. }
            | EventBody::LegHangUpSent { interaction, .. } => {
                self.moved(*interaction);
            }
            EventBody::InteractionEnded { interaction, .. }
            | EventBody::WrapUpExtended { interaction, .. }
            | EventBody::StepEntered { interaction, .. }
            | EventBody::DigitsCollected { interaction, .. }
            | EventBody::ConsultMerged { interaction, .. }
            | EventBody::MaskStarted { interaction, .. }
            | EventBody::MaskEnded { interaction, .. }
            | EventBody::LegAnswered { interaction, .. }
            | EventBody::PlayStarted { interaction, .. } => self.timers.changed_work(*interaction),
            EventBody::ConfigPublished { .. }
            | EventBody::AgentQueuesChanged { .. }
            | EventBody::CallRejected { .. }
            | EventBody::InteractionStarted { .. }
            | EventBody::TrunkChanged { .. }
            | EventBody::DialPlanned { .. }
            | EventBody::LanguageSet { .. }
            | EventBody::PrioritySet { .. }
            | EventBody::VariableSet { .. }
            | EventBody::DispositionSet { .. }
            | EventBody::OfferAccepted { .. }
            | EventBody::LegRinging { .. }
            | EventBody::LegEarlyMedia { .. }
            | EventBody::LegPeerHeld { .. }
            | EventBody::LegMuted { .. }
            | EventBody::LegSilent { .. }
            | EventBody::LegMoved { .. }
            | EventBody::WatchChanged { .. }
            | EventBody::MusicStopped { .. }
            | EventBody::Bridged { .. }
            | EventBody::RecordingDecided { .. }
            | EventBody::InteractionResumed { .. }
            | EventBody::RecordingAnnounced { .. }
            | EventBody::RecordingRequested { .. }
            | EventBody::RecordingStarted { .. }
            | EventBody::RecordingEnded { .. }
            | EventBody::RecordingStored { .. }
            | EventBody::RecordingDeleted { .. }
            | EventBody::MessageLeft { .. }
            | EventBody::MessageDiscarded { .. }
            | EventBody::MessageMarked { .. }
            | EventBody::CallIdentified { .. }
            | EventBody::CallBackStarted { .. }
            | EventBody::CallCharged { .. }
            | EventBody::SpendReached { .. } => {}
        }
    }

    /// The agent leaves the seat he has, if any.
    fn stand_up(&mut self, agent: AgentId, state: &State) {
        let Some(seat) = state.agents.get(&agent).and_then(|a| a.seat.as_ref()) else { return };
        self.seats_taken = self.seats_taken.saturating_sub(1);
        if let Some(others) = self.seated.get_mut(&seat.device) {
            others.remove(&agent);
            if others.is_empty() {
                self.seated.remove(&seat.device);
            }
        }
    }
}

impl Floor {
    /// Tells the derived structures of an event that is about to be applied.
    pub(super) fn derive(&mut self, event: &Event) {
        self.derived.before(event, &self.state);
    }

    /// After a replay or a new configuration.
    pub(super) fn derive_anew(&mut self) {
        let mut d = Derived { index: Index::new(&self.config), ..Derived::default() };
        for (id, agent) in &self.state.agents {
            d.agents.insert(*id);
            d.timers.changed_agent(*id);
            if let Some(seat) = &agent.seat {
                d.seats_taken += 1;
                d.seated.entry(seat.device).or_default().insert(*id);
            }
        }
        d.calls = self.state.legs.values().filter(|l| l.role == LegRole::Customer).count();
        self.state.interactions.keys().for_each(|i| d.timers.changed_work(*i));
        for (segment, interaction) in &self.state.waiting {
            d.interactions.insert(*interaction);
            if let Some(queue) = self.state.segment(*interaction, *segment).and_then(|s| s.queue()) {
                *d.lines.entry(queue).or_default() += 1;
            }
        }
        self.derived = d;
    }

    pub(super) fn derive_if_stale(&mut self) {
        if self.derived.stale {
            self.derive_anew();
        }
    }

    /// Brings the index up to what happened since it last was.
    pub(super) fn update_index(&mut self) {
        while let Some(agent) = self.derived.agents.pop_first() {
            if let Some(a) = self.state.agents.get(&agent) {
                self.derived.index.stand(agent, &self.state.standing_of(a, &self.config));
            }
        }
        while let Some(interaction) = self.derived.interactions.pop_first() {
            let Some(i) = self.state.interactions.get(&interaction) else { continue };
            for (segment, s) in i.segments.iter().filter(|(_, s)| matches!(s.of, SegmentOf::Queue { .. })) {
                match self.state.waits(i, *segment, s) {
                    Some(waiting) => self.derived.index.wait(&waiting),
                    None => self.derived.index.leave(*segment),
                }
            }
        }
    }
}
