//! `State::apply`: one event's change of state. Never decides, never reads the configuration.
use super::state::{
    Agent, Device, DialAt, Interaction, Leg, Matrix, Message, OfferAt, RecordAt, Seat, Segment, State, StepAt,
};
use crate::command::Presence;
use crate::event::{
    Direction, Event, EventBody, InteractionEnd, LegPlace, LegRole, PlayWhat, PresenceCause, SegmentEnd, SegmentOf,
    SegmentStart, SegmentState, SignOutCause,
};
use crate::id::{AgentId, InteractionId, LegId, SegmentId};
use crate::leg::{Hears, Via};
use crate::mailbox::{CallBack, MessageFor};
use crate::outbound::CallClass;
use crate::spend::Period;
use crate::time::Timestamp;

/// How long the beginning of a call of ours counts against the limit of a minute.
pub(super) const DIALLED_FOR_MS: i64 = 60_000;
/// The same, against a trunk's limit of a second.
pub(super) const TRUNK_CALLS_FOR_MS: i64 = 1_000;
/// Messages not yet stored; those beyond were lost with their spool long ago.
const MESSAGES_MAX: usize = 10_000;

impl State {
    pub(super) fn apply(&mut self, event: &Event) {
        let at = event.at;
        self.report.apply(event);
        self.seq = event.seq;
        self.at = at;
        match &event.body {
            EventBody::ConfigPublished { rev } => self.rev = *rev,
            EventBody::FloorRecovered { recordings, .. } => {
                self.recordings.retain(|recording, _| recordings.contains(recording));
                self.devices.clear();
                self.trunks_down.clear();
            }
            EventBody::AgentSignedIn { .. }
            | EventBody::AgentQueuesChanged { .. }
            | EventBody::AgentSignedOut { .. }
            | EventBody::PresenceChanged { .. }
            | EventBody::OccupancyChanged { .. }
            | EventBody::LeaseLost { .. }
            | EventBody::LeaseTaken { .. }
            | EventBody::AgentLeaving { .. } => self.apply_agent(at, &event.body),
            EventBody::DeviceReady { device } => {
                self.devices.insert(*device, Device { lost: None, since: at });
            }
            EventBody::DeviceLost { device, why } => {
                self.devices.insert(*device, Device { lost: Some(*why), since: at });
            }
            EventBody::CallRejected { .. } | EventBody::RecordingStored { .. } | EventBody::MessageMarked { .. } => {}
            EventBody::MessageLeft { recording, .. }
            | EventBody::MessageDiscarded { recording, .. }
            | EventBody::RecordingDeleted { recording, .. } => {
                self.messages.remove(recording);
            }
            EventBody::CallBackStarted { interaction, of, message } => {
                if let Some(i) = self.interactions.get_mut(interaction) {
                    i.back = Some(CallBack { of: *of, message: *message });
                }
            }
            EventBody::CallIdentified { interaction, diverted, verified } => {
                if let Some(i) = self.interactions.get_mut(interaction) {
                    i.diverted = *diverted;
                    i.verified = *verified;
                }
            }
            EventBody::InteractionStarted { interaction, medium, direction, number, from, lang, priority } => {
                let begun = Interaction {
                    medium: *medium,
                    direction: *direction,
                    number: *number,
                    from: *from,
                    lang: *lang,
                    priority: *priority,
                    started: at,
                    customer: None,
                    legs: Vec::new(),
                    variables: Default::default(),
                    segments: Default::default(),
                    hops: 0,
                    refused: Default::default(),
                    served: false,
                    queued: None,
                    bridge: None,
                    diverted: None,
                    verified: None,
                    music: None,
                    dial: None,
                    masked: None,
                    announced: false,
                    handed: None,
                    queue: None,
                    back: None,
                    outcome: InteractionEnd::Error,
                };
                self.interactions.insert(*interaction, begun);
            }
            EventBody::CallCharged { agent, cost, day, month, .. } => {
                self.spent.charge(Period { day: *day, month: *month }, *agent, *cost);
            }
            EventBody::SpendReached { limit, percent, day, month, .. } => {
                self.spent.tell(Period { day: *day, month: *month }, *limit, *percent);
            }
            EventBody::TrunkChanged { trunk, up: true } => {
                self.trunks_down.remove(trunk);
            }
            EventBody::TrunkChanged { trunk, up: false } => {
                self.trunks_down.insert(*trunk);
            }
            EventBody::DialPlanned { interaction, class, trunks } => {
                if let Some(i) = self.interactions.get_mut(interaction) {
                    i.dial = Some(DialAt { class: *class, left: trunks.clone() });
                }
                self.count_dialled(at, *class);
            }
            EventBody::LanguageSet { interaction, lang } => {
                if let Some(i) = self.interactions.get_mut(interaction) {
                    i.lang = *lang;
                }
            }
            EventBody::PrioritySet { interaction, priority } => {
                if let Some(i) = self.interactions.get_mut(interaction) {
                    i.priority = *priority;
                }
            }
            EventBody::VariableSet { interaction, name, value } => {
                if let Some(i) = self.interactions.get_mut(interaction) {
                    i.variables.insert(name.clone(), value.clone());
                }
            }
            EventBody::InteractionEnded { interaction, .. } => {
                self.interactions.remove(interaction);
            }
            EventBody::SegmentStarted { .. }
            | EventBody::SegmentStateChanged { .. }
            | EventBody::SegmentEnded { .. }
            | EventBody::ConsultMerged { .. }
            | EventBody::WatchChanged { .. }
            | EventBody::WrapUpExtended { .. }
            | EventBody::DispositionSet { .. }
            | EventBody::StepEntered { .. }
            | EventBody::DigitsCollected { .. }
            | EventBody::PlayStarted { .. }
            | EventBody::MusicStopped { .. }
            | EventBody::OfferMade { .. }
            | EventBody::OfferAccepted { .. }
            | EventBody::OfferEnded { .. } => self.apply_segment(at, &event.body),
            EventBody::LegStarted { .. }
            | EventBody::LegRinging { .. }
            | EventBody::LegEarlyMedia { .. }
            | EventBody::LegAnswered { .. }
            | EventBody::LegPeerHeld { .. }
            | EventBody::LegMuted { .. }
            | EventBody::LegSilent { .. }
            | EventBody::LegHangUpSent { .. }
            | EventBody::LegMoved { .. }
            | EventBody::LegEnded { .. } => self.apply_leg(at, &event.body),
            EventBody::Bridged { interaction, bridge, legs, hears, .. } => {
                if let Some(i) = self.interactions.get_mut(interaction) {
                    let rows = if hears.is_empty() { everybody(legs) } else { hears.clone() };
                    i.bridge = Some(Matrix { bridge: *bridge, rows });
                }
            }
            EventBody::RecordingRequested { interaction, segment, recording, message, .. } => {
                self.recordings.insert(*recording, *interaction);
                if let Some(MessageFor { least_ms, .. }) = message {
                    if self.messages.len() >= MESSAGES_MAX {
                        self.messages.pop_first();
                    }
                    let message = Message { interaction: *interaction, since: at, least_ms: *least_ms };
                    self.messages.insert(*recording, message);
                }
                if let Some(s) = self.segment_mut(*interaction, *segment) {
                    s.recording = Some(*recording);
                }
            }
            EventBody::RecordingDecided { interaction, segment, on, mode, of, by, .. } => {
                if let Some(s) = self.segment_mut(*interaction, *segment) {
                    let before = s.record.as_ref().and_then(|r| r.asked);
                    s.record = Some(RecordAt { on: *on, mode: *mode, of: *of, asked: by.map(|_| *on).or(before) });
                    s.recording = s.recording.filter(|_| *on);
                }
            }
            EventBody::InteractionResumed { .. } => {}
            EventBody::RecordingAnnounced { interaction, .. } => {
                if let Some(i) = self.interactions.get_mut(interaction) {
                    i.announced = true;
                }
            }
            EventBody::MaskStarted { interaction, until, .. } => {
                if let Some(i) = self.interactions.get_mut(interaction) {
                    i.masked = Some(*until);
                }
            }
            EventBody::MaskEnded { interaction, .. } => {
                if let Some(i) = self.interactions.get_mut(interaction) {
                    i.masked = None;
                }
            }
            EventBody::RecordingStarted { .. } => {}
            EventBody::RecordingEnded { recording, length_ms, .. } => {
                self.recordings.remove(recording);
                if *length_ms == 0 {
                    // Nothing to store.
                    self.messages.remove(recording);
                }
            }
        }
    }

    fn count_dialled(&mut self, at: Timestamp, class: CallClass) {
        if class == CallClass::Emergency {
            return;
        }
        while self.dialled.front().is_some_and(|t| at - *t >= DIALLED_FOR_MS) {
            self.dialled.pop_front();
        }
        self.dialled.push_back(at);
    }

    fn apply_agent(&mut self, at: Timestamp, body: &EventBody) {
        match body {
            EventBody::AgentSignedIn { agent, device, seat, queues } => {
                let a = self.agents.entry(*agent).or_insert_with(|| Agent {
                    presence_since: at,
                    occupancy_since: at,
                    ..Agent::default()
                });
                a.seat = Some(Seat { device: *device, class: *seat, queues: queues.clone() });
                a.lease = true;
                a.lease_until = None;
                a.leaving = None;
                a.resume = None;
            }
            EventBody::AgentQueuesChanged { agent, queues } => {
                if let Some(seat) = self.agents.get_mut(agent).and_then(|a| a.seat.as_mut()) {
                    seat.queues.clone_from(queues);
                }
            }
            EventBody::AgentSignedOut { agent, .. } => {
                if let Some(a) = self.agents.get_mut(agent) {
                    a.seat = None;
                    a.lease = false;
                    a.lease_until = None;
                    a.leaving = None;
                    a.resume = None;
                }
            }
            EventBody::PresenceChanged { agent, presence, why, .. } => {
                if let Some(a) = self.agents.get_mut(agent) {
                    let lapse = matches!(why, PresenceCause::LeaseLost | PresenceCause::Restart);
                    a.resume = (lapse && a.presence != Presence::Offline).then_some(a.presence);
                    a.presence = *presence;
                    a.presence_since = at;
                    a.presence_why = Some(*why);
                }
            }
            EventBody::OccupancyChanged { agent, occupancy } => {
                if let Some(a) = self.agents.get_mut(agent) {
                    a.occupancy = *occupancy;
                    a.occupancy_since = at;
                }
            }
            EventBody::LeaseLost { agent, until } => {
                if let Some(a) = self.agents.get_mut(agent) {
                    a.lease = false;
                    a.lease_until = *until;
                }
            }
            EventBody::LeaseTaken { agent } => {
                if let Some(a) = self.agents.get_mut(agent) {
                    a.lease = true;
                    a.lease_until = None;
                    if a.leaving == Some(SignOutCause::LeaseLost) {
                        a.leaving = None;
                    }
                }
            }
            EventBody::AgentLeaving { agent, why } => {
                if let Some(a) = self.agents.get_mut(agent) {
                    a.leaving = Some(*why);
                }
            }
            _ => {}
        }
    }

    fn apply_segment(&mut self, at: Timestamp, body: &EventBody) {
        match body {
            EventBody::SegmentStarted { interaction, segment, of, why, state, until, by } => {
                match of {
                    SegmentOf::Queue { .. } => {
                        self.waiting.insert(*segment, *interaction);
                    }
                    SegmentOf::Agent { agent, .. } | SegmentOf::Supervisor { agent, .. } => {
                        self.agents.entry(*agent).or_default().work.insert(*segment, *interaction);
                    }
                    SegmentOf::Parked { .. } => {
                        self.parked.insert(*segment, *interaction);
                    }
                    SegmentOf::Outside { class, .. } => self.count_dialled(at, *class),
                    SegmentOf::Flow { .. } | SegmentOf::Device { .. } => {}
                }
                if let Some(i) = self.interactions.get_mut(interaction) {
                    i.hops += 1;
                    if let SegmentOf::Queue { queue, .. } = of {
                        i.queued.get_or_insert(at);
                        i.queue = Some(*queue);
                    }
                    i.segments.insert(*segment, Segment::begun(of.clone(), *why, *by, *state, at, *until));
                }
            }
            EventBody::SegmentStateChanged { interaction, segment, state, until, ended } => {
                let Some(i) = self.interactions.get_mut(interaction) else { return };
                // A call within the company is a consultation about nobody.
                let inside = *state == SegmentState::Consulting && i.customer.is_none();
                i.served |= inside || *state == SegmentState::Talking;
                if let Some(s) = i.segments.get_mut(segment) {
                    s.close_span(at);
                    s.state = *state;
                    s.until = *until;
                    if *state == SegmentState::Talking && s.answered.is_none() {
                        s.answered = Some(at);
                    }
                    s.play = None;
                    s.play_until = None;
                    s.ended = ended.or(s.ended);
                    if *ended == Some(SegmentEnd::Transferred) {
                        i.handed = s.agent().map(|agent| (agent, s.queue()));
                    }
                }
            }
            EventBody::ConsultMerged { interaction, segment } => {
                if let Some(s) = self.segment_mut(*interaction, *segment) {
                    s.why = SegmentStart::Transfer;
                }
            }
            EventBody::WatchChanged { interaction, segment, target, mode } => {
                if let Some(s) = self.segment_mut(*interaction, *segment)
                    && let SegmentOf::Supervisor { target: t, mode: m, .. } = &mut s.of
                {
                    (*t, *m) = (*target, *mode);
                }
            }
            EventBody::SegmentEnded { interaction, segment, why } => {
                self.waiting.remove(segment);
                self.parked.remove(segment);
                let Some(i) = self.interactions.get_mut(interaction) else { return };
                let Some(s) = i.segments.remove(segment) else { return };
                let message = s.recording.and_then(|r| self.messages.get(&r));
                let spoke = message.is_none_or(|m| at - m.since >= i64::try_from(m.least_ms).unwrap_or(i64::MAX));
                i.outcome = outcome(&s, *why, i.served, spoke, i.outcome);
                if matches!(why, SegmentEnd::Transferred | SegmentEnd::Parked) && s.ended.is_none() {
                    i.handed = s.agent().map(|agent| (agent, s.queue()));
                }
                if let Some(agent) = s.agent()
                    && let Some(a) = self.agents.get_mut(&agent)
                {
                    a.work.remove(segment);
                }
                if let Some(offer) = s.offer {
                    self.offers.remove(&offer.offer);
                }
            }
            EventBody::WrapUpExtended { interaction, segment, until } => {
                if let Some(s) = self.segment_mut(*interaction, *segment) {
                    s.until = Some(*until);
                }
            }
            EventBody::DispositionSet { interaction, segment, disposition, .. } => {
                if let Some(s) = self.segment_mut(*interaction, *segment) {
                    s.disposition = Some(*disposition);
                }
            }
            EventBody::StepEntered { interaction, segment, step, attempt, play, until } => {
                if let Some(s) = self.segment_mut(*interaction, *segment) {
                    s.step = Some(StepAt { step: step.clone(), attempt: *attempt, play: *play, until: *until });
                }
            }
            EventBody::DigitsCollected { .. } => {}
            EventBody::PlayStarted { interaction, play, what: PlayWhat::HoldMusic, .. } => {
                if let Some(i) = self.interactions.get_mut(interaction) {
                    i.music = Some(*play);
                }
            }
            EventBody::MusicStopped { interaction, .. } => {
                if let Some(i) = self.interactions.get_mut(interaction) {
                    i.music = None;
                }
            }
            EventBody::PlayStarted { interaction, segment, play, what, until } => {
                if let Some(s) = self.segment_mut(*interaction, *segment) {
                    s.play = Some((*play, *what));
                    s.play_until = *until;
                }
            }
            EventBody::OfferMade { interaction, offer, segment, device, waiting, until, trace, .. } => {
                self.offers.insert(*offer, (*interaction, *segment));
                if let Some(s) = self.segment_mut(*interaction, *segment) {
                    s.offer = Some(OfferAt {
                        offer: *offer,
                        device: *device,
                        waiting: *waiting,
                        since: at,
                        until: *until,
                        waited_ms: trace.waited_ms,
                    });
                }
            }
            EventBody::OfferAccepted { interaction, offer, .. } => {
                let segment = self.offers.get(offer).map(|(_, segment)| *segment);
                if let Some(s) = segment.and_then(|s| self.segment_mut(*interaction, s)) {
                    s.accepted = true;
                }
            }
            EventBody::OfferEnded { interaction, agent, not_before, .. } => {
                if let (Some(i), Some(t)) = (self.interactions.get_mut(interaction), not_before) {
                    i.refused.insert(*agent, *t);
                }
            }
            _ => {}
        }
    }

    fn apply_leg(&mut self, at: Timestamp, body: &EventBody) {
        match body {
            EventBody::LegStarted { interaction, leg, segment, role, device, via, direction, place, .. } => {
                let trunk = match via {
                    Some(Via::Trunk { trunk }) if *direction == Direction::Outbound => Some(*trunk),
                    _ => None,
                };
                if let Some(trunk) = trunk {
                    let begun = self.trunk_calls.entry(trunk).or_default();
                    begun.retain(|t| at - *t < TRUNK_CALLS_FOR_MS);
                    begun.push_back(at);
                }
                let (class, payer) = trunk.and_then(|_| self.called_by(*interaction, *segment)).unzip();
                let begun = Leg {
                    interaction: *interaction,
                    segment: *segment,
                    role: *role,
                    device: *device,
                    called: *role != LegRole::Customer && *direction == Direction::Inbound,
                    trunk,
                    class,
                    payer: payer.flatten(),
                    early: false,
                    rang: false,
                    answered: None,
                    peer_held: false,
                    holds: false,
                    muted: false,
                    silent: false,
                    hanging_up: false,
                };
                self.legs.insert(*leg, begun);
                let Some(i) = self.interactions.get_mut(interaction) else { return };
                i.legs.push(*leg);
                if *role == LegRole::Customer {
                    i.customer = Some(*leg);
                    if let (Some(dial), Some(trunk)) = (&mut i.dial, trunk) {
                        dial.left.retain(|t| *t != trunk);
                    }
                }
                if let Some(s) = segment.and_then(|s| i.segments.get_mut(&s)) {
                    match place {
                        LegPlace::Main => s.leg = Some(*leg),
                        LegPlace::Aside => s.aside = Some(*leg),
                        LegPlace::Next => s.next = Some(*leg),
                    }
                    if let (SegmentOf::Outside { trunks, .. }, Some(trunk)) = (&mut s.of, trunk) {
                        trunks.retain(|t| *t != trunk);
                    }
                }
            }
            EventBody::LegRinging { leg, .. } => {
                if let Some(l) = self.legs.get_mut(leg) {
                    l.rang = true;
                }
            }
            EventBody::LegEarlyMedia { leg, .. } => {
                if let Some(l) = self.legs.get_mut(leg) {
                    l.early = true;
                }
            }
            EventBody::LegAnswered { leg, .. } => {
                if let Some(l) = self.legs.get_mut(leg) {
                    l.answered = Some(at);
                }
            }
            EventBody::LegPeerHeld { interaction, leg, held } => {
                let segment = self.legs.get(leg).and_then(|l| l.segment);
                let talks = segment.and_then(|s| self.segment(*interaction, s));
                let talks = talks.is_some_and(|s| match s.state {
                    SegmentState::Talking => true,
                    SegmentState::Consulting => s.aside.is_some() && s.leg == Some(*leg),
                    _ => false,
                });
                if let Some(l) = self.legs.get_mut(leg) {
                    l.peer_held = *held;
                    l.holds = *held && talks;
                }
            }
            EventBody::LegMuted { leg, muted, .. } => {
                if let Some(l) = self.legs.get_mut(leg) {
                    l.muted = *muted;
                }
            }
            EventBody::LegSilent { leg, silent, .. } => {
                if let Some(l) = self.legs.get_mut(leg) {
                    l.silent = *silent;
                }
            }
            EventBody::LegHangUpSent { leg, .. } => {
                if let Some(l) = self.legs.get_mut(leg) {
                    l.hanging_up = true;
                }
            }
            EventBody::LegMoved { interaction, leg, segment } => {
                if let Some(l) = self.legs.get_mut(leg) {
                    l.segment = Some(*segment);
                    l.role = LegRole::Agent;
                }
                let Some(i) = self.interactions.get_mut(interaction) else { return };
                for (id, s) in &mut i.segments {
                    s.next = s.next.filter(|l| l != leg);
                    if id == segment {
                        s.leg = Some(*leg);
                    } else if s.leg == Some(*leg) {
                        s.leg = None;
                    }
                }
            }
            EventBody::LegEnded { interaction, leg, .. } => {
                self.legs.remove(leg);
                if let Some(i) = self.interactions.get_mut(interaction) {
                    i.legs.retain(|l| l != leg);
                    for s in i.segments.values_mut() {
                        s.aside = s.aside.filter(|l| l != leg);
                        s.next = s.next.filter(|l| l != leg);
                    }
                }
            }
            _ => {}
        }
    }
}

impl State {
    /// What kind of call of ours goes out, and who calls: with a segment it is to that party, else to the customer.
    fn called_by(
        &self,
        interaction: InteractionId,
        segment: Option<SegmentId>,
    ) -> Option<(CallClass, Option<AgentId>)> {
        let i = self.interactions.get(&interaction)?;
        match segment.and_then(|s| i.segments.get(&s)) {
            Some(s) => {
                let SegmentOf::Outside { class, .. } = s.of else { return None };
                let by = s.by.and_then(|by| i.segments.get(&by)).and_then(Segment::agent);
                Some((class, by.or(i.handed.map(|(agent, _)| agent))))
            }
            None => {
                let class = i.dial.as_ref()?.class;
                Some((class, i.segments.values().find(|s| s.why == SegmentStart::Dial).and_then(Segment::payer)))
            }
        }
    }
}

/// Each hears all the others.
pub(super) fn everybody(legs: &[LegId]) -> Vec<Hears> {
    let others = |leg: LegId| legs.iter().copied().filter(|l| *l != leg).collect();
    legs.iter().map(|leg| Hears { leg: *leg, hears: others(*leg) }).collect()
}

impl Segment {
    fn begun(
        of: SegmentOf,
        why: SegmentStart,
        by: Option<SegmentId>,
        state: SegmentState,
        at: Timestamp,
        until: Option<Timestamp>,
    ) -> Segment {
        Segment {
            of,
            why,
            by,
            state,
            started: at,
            state_since: at,
            spans_ms: 0,
            talk_ms: 0,
            hold_ms: 0,
            until,
            step: None,
            play: None,
            play_until: None,
            offer: None,
            accepted: false,
            leg: None,
            aside: None,
            next: None,
            recording: None,
            record: None,
            answered: None,
            ended: None,
            disposition: None,
        }
    }

    fn close_span(&mut self, at: Timestamp) {
        let ms = u64::try_from(at - self.state_since).unwrap_or(0);
        self.spans_ms += ms;
        match self.state {
            SegmentState::Talking => self.talk_ms += ms,
            SegmentState::Held => self.hold_ms += ms,
            SegmentState::Running
            | SegmentState::Voicemail
            | SegmentState::Echo
            | SegmentState::Waiting
            | SegmentState::Offered
            | SegmentState::Connecting
            | SegmentState::Watching
            | SegmentState::Parked
            | SegmentState::WrapUp => {}
            // The customer waits meanwhile.
            SegmentState::Consulting if self.answered.is_some() => self.hold_ms += ms,
            SegmentState::Consulting => {}
        }
        self.state_since = at;
    }
}

/// How the interaction ends if this segment was its last. What came later wins, but nothing takes away that the
/// customer was served, except a restart or shutdown.
/// `spoke`: there was time to leave a message.
fn outcome(segment: &Segment, why: SegmentEnd, served: bool, spoke: bool, before: InteractionEnd) -> InteractionEnd {
    if matches!(before, InteractionEnd::Restart | InteractionEnd::Shutdown) {
        return before;
    }
    let ended = segment.ended.unwrap_or(why);
    match ended {
        SegmentEnd::Restart => return InteractionEnd::Restart,
        SegmentEnd::Shutdown => return InteractionEnd::Shutdown,
        _ if served => return InteractionEnd::Served,
        SegmentEnd::Supervisor => return InteractionEnd::Supervisor,
        SegmentEnd::Error => return InteractionEnd::Error,
        _ => {}
    }
    match (&segment.of, segment.state) {
        (SegmentOf::Flow { .. }, SegmentState::Voicemail) if segment.recording.is_some() && spoke => {
            InteractionEnd::Voicemail
        }
        (SegmentOf::Flow { .. }, SegmentState::Echo) => InteractionEnd::Finished,
        (SegmentOf::Flow { .. }, _) if ended == SegmentEnd::Finished => InteractionEnd::Finished,
        (SegmentOf::Flow { .. }, _) if ended == SegmentEnd::MovedOn => before,
        (SegmentOf::Flow { .. }, _) => InteractionEnd::Left,
        (SegmentOf::Queue { .. }, _) => InteractionEnd::Abandoned,
        (SegmentOf::Supervisor { .. } | SegmentOf::Parked { .. }, _) => before,
        (SegmentOf::Agent { .. } | SegmentOf::Device { .. } | SegmentOf::Outside { .. }, _) => match &segment.offer {
            Some(offer) if offer.waiting.is_some() => before,
            _ => InteractionEnd::Unanswered,
        },
    }
}
