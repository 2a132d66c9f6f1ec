//! Offers: made, accepted, failed; and the way from an accepted offer to a conversation.
use std::time::Duration;

use super::state::Segment;
use super::timers::CONNECT_TIMEOUT;
use super::{Floor, ms};
use crate::command::Presence;
use crate::config::DeviceKind;
use crate::effect::{Effect, Handover, HandoverKind, OfferCard};
use crate::event::{
    DestinationClass, Direction, EventBody, LegPlace, LegRole, OfferEnd, PresenceCause, SegmentEnd, SegmentOf,
    SegmentStart, SegmentState,
};
use crate::id::{AgentId, DeviceId, InteractionId, LegId, OfferId, QueueId, RecordingId, SegmentId};
use crate::leg::{CallerId, Dial, EndCause, LegCommand};
use crate::mailbox::MessageFor;
use crate::medium::Medium;
use crate::routing::DecisionTrace;

/// Ring time of a call to an agent's or device's own number, where no queue has a rule.
const DIRECT_RING: Duration = Duration::from_secs(30);
/// Who missed or declined is not asked for the same work again before that.
const ASK_AGAIN: Duration = Duration::from_secs(15);

/// Why an agent is asked.
pub(super) struct Ask {
    /// The queue segment the work waits in, if it does.
    pub waiting: Option<SegmentId>,
    pub why: SegmentStart,
    /// The colleague's segment whose doing it is.
    pub by: Option<SegmentId>,
    /// The queue he is to serve it for, if it waits in none.
    pub queue: Option<QueueId>,
    /// His phone is on the line already: it asked for this.
    pub leg: Option<LegId>,
}

impl Floor {
    /// Shows the work to the agent and rings his phone, if it is one.
    pub(super) fn offer(&mut self, interaction: InteractionId, ask: Ask, agent: AgentId, trace: DecisionTrace) {
        let Ask { waiting, why, by, queue, leg } = ask;
        let Some(device) = self.state.agents.get(&agent).and_then(|a| a.seat.as_ref()).map(|s| s.device) else {
            return;
        };
        let Some(i) = self.state.interactions.get(&interaction) else { return };
        let queued = waiting.and_then(|w| i.segments.get(&w));
        let queue = queued.and_then(|s| s.queue()).or(queue);
        let arrived = queued.map_or(if why == SegmentStart::Entry { i.started } else { self.now }, |s| s.started);
        let kind = match why {
            SegmentStart::Transfer => Some(HandoverKind::Transfer),
            SegmentStart::Consult if i.direction != Direction::Internal => Some(HandoverKind::Consult),
            SegmentStart::Returned => Some(HandoverKind::Returned),
            _ => None,
        };
        let from_agent = by.and_then(|by| i.segments.get(&by)).and_then(|s| s.agent());
        let from_agent = from_agent.or(i.handed.map(|(agent, _)| agent));
        let handover = kind.map(|kind| Handover { kind, by: from_agent });
        let (medium, from, number) = (i.medium, i.from, i.number);
        let ring = queue.and_then(|q| self.queue_config(q)).map_or(DIRECT_RING, |q| q.ring_timeout);
        let until = self.now + ring;
        let waited_ms = trace.waited_ms;
        let segment = SegmentId(self.mint.next_bits());
        let offer = OfferId(self.mint.next_bits());
        self.emit(EventBody::SegmentStarted {
            interaction,
            segment,
            of: SegmentOf::Agent { agent, queue, arrived },
            why,
            state: SegmentState::Offered,
            until: Some(until),
            by,
        });
        self.emit(EventBody::OfferMade { interaction, offer, segment, agent, device, waiting, until, trace });
        let device_rings = medium == Medium::Voice && self.rings_itself(device);
        self.effects.push_back(Effect::Offer(OfferCard {
            offer,
            agent,
            interaction,
            segment,
            medium,
            queue,
            from,
            number,
            device,
            device_rings,
            until,
            waited_ms,
            handover,
        }));
        match leg {
            Some(leg) => {
                self.phone_leg(interaction, segment, leg, device, LegPlace::Main);
                self.order(LegCommand::Answer { leg });
            }
            None if device_rings => self.originate(interaction, segment, LegRole::Agent, device, ring),
            None => {}
        }
    }

    pub(super) fn rings_itself(&self, device: DeviceId) -> bool {
        match self.config.devices.get(&device).map(|d| &d.kind) {
            Some(DeviceKind::Sip { .. } | DeviceKind::Uri { .. }) => true,
            Some(DeviceKind::Browser) | None => false,
        }
    }

    pub(super) fn originate(
        &mut self,
        interaction: InteractionId,
        segment: SegmentId,
        role: LegRole,
        device: DeviceId,
        ring_timeout: Duration,
    ) {
        let destination = match self.config.devices.get(&device).map(|d| &d.kind) {
            Some(DeviceKind::Sip { .. }) => DestinationClass::SipDevice,
            Some(DeviceKind::Uri { .. }) => DestinationClass::SipUri,
            Some(DeviceKind::Browser) | None => DestinationClass::Browser,
        };
        let leg = LegId(self.mint.next_bits());
        self.emit(EventBody::LegStarted {
            interaction,
            leg,
            segment: Some(segment),
            direction: Direction::Outbound,
            role,
            via: None,
            device: Some(device),
            destination,
            place: LegPlace::Main,
        });
        self.order(LegCommand::Originate {
            leg,
            tenant: self.config.tenant,
            interaction: Some(interaction),
            to: Dial::Device { device },
            from: CallerId::default(),
            ring_timeout,
            beside: self.leg_beside(interaction, leg),
        });
    }

    /// Whom a new leg of an interaction is to talk to: the customer, else whoever is there first.
    pub(super) fn leg_beside(&self, interaction: InteractionId, new: LegId) -> Option<LegId> {
        let others = || self.state.legs.iter().filter(|(leg, l)| l.interaction == interaction && **leg != new);
        others().find(|(_, l)| l.role == LegRole::Customer).or_else(|| others().next()).map(|(leg, _)| *leg)
    }

    /// On the desk, or by answering the ringing phone.
    pub(super) fn accepted(&mut self, interaction: InteractionId, segment: SegmentId) {
        let Some(s) = self.state.segment(interaction, segment) else { return };
        let (Some(agent), Some(offer)) = (s.agent(), s.offer.clone()) else { return };
        let has_leg = s.leg.is_some();
        self.emit(EventBody::OfferAccepted { interaction, offer: offer.offer, agent });
        if self.state.interactions.get(&interaction).is_some_and(|i| i.medium != Medium::Voice) {
            self.begin_talk(interaction, segment);
            return;
        }
        let until = Some(self.now + CONNECT_TIMEOUT);
        let state = SegmentState::Connecting;
        self.emit(EventBody::SegmentStateChanged { interaction, segment, state, until, ended: None });
        if !has_leg {
            self.originate(interaction, segment, LegRole::Agent, offer.device, CONNECT_TIMEOUT);
        }
    }

    /// The offer ends without a conversation; the work, if it waits in a queue, is offered to the next agent.
    pub(super) fn offer_failed(&mut self, interaction: InteractionId, segment: SegmentId, why: OfferEnd) {
        let Some(s) = self.state.segment(interaction, segment) else { return };
        let Some(waiting) = s.offer.as_ref().map(|o| o.waiting) else {
            return self.dial_over(interaction, segment_end(why), EndCause::Cancelled);
        };
        let (started, consulted_by) = (s.why, s.consulted_by());
        self.stop_ringback(interaction, segment);
        self.drop_offer(interaction, segment, why);
        let cause = if why == OfferEnd::Declined { EndCause::Busy } else { EndCause::NoAnswer };
        match (waiting, started) {
            (Some(_), _) => {}
            (None, SegmentStart::Consult) => self.consult_over(interaction, consulted_by, cause),
            (None, SegmentStart::Transfer | SegmentStart::Returned) => self.give_back(interaction, started, cause),
            (None, _) => {
                if let Some((customer, _)) = self.state.customer(interaction) {
                    self.hang_up(customer, cause);
                }
            }
        }
    }

    /// Ends the offer, with nothing following from it for the work.
    pub(super) fn drop_offer(&mut self, interaction: InteractionId, segment: SegmentId, why: OfferEnd) {
        let Some(s) = self.state.segment(interaction, segment) else { return };
        let (Some(agent), Some(offer)) = (s.agent(), s.offer.clone()) else {
            return self.dial_over(interaction, segment_end(why), EndCause::Cancelled);
        };
        let (leg, queue) = (s.leg, s.queue());
        let not_before = (why != OfferEnd::Withdrawn).then(|| self.now + ASK_AGAIN);
        self.emit(EventBody::OfferEnded { interaction, offer: offer.offer, segment, agent, why, not_before });
        let cause = match why {
            OfferEnd::Declined => EndCause::Rejected,
            OfferEnd::Missed => EndCause::NoAnswer,
            OfferEnd::Unreachable => EndCause::Unreachable,
            OfferEnd::Withdrawn => EndCause::Cancelled,
        };
        self.leave_to_others(interaction, segment);
        self.emit(EventBody::SegmentEnded { interaction, segment, why: segment_end(why) });
        self.effects.push_back(Effect::OfferWithdrawn { agent, offer: offer.offer });
        if let Some(leg) = leg {
            self.hang_up(leg, cause);
        }
        let away = queue.and_then(|q| self.queue_config(q)).is_some_and(|q| q.away_after_missed);
        let available = self.state.agents.get(&agent).is_some_and(|a| a.presence == Presence::Available);
        if away && available && matches!(why, OfferEnd::Missed | OfferEnd::Unreachable) {
            let why = PresenceCause::MissedOffer;
            self.emit(EventBody::PresenceChanged { agent, presence: Presence::Offline, why, by: None });
        }
    }

    /// The agent's or device's leg did not come up.
    pub(super) fn connect_failed(&mut self, interaction: InteractionId, segment: SegmentId) {
        match self.state.segment(interaction, segment).map(|s| &s.of) {
            Some(SegmentOf::Agent { .. }) => self.offer_failed(interaction, segment, OfferEnd::Unreachable),
            Some(SegmentOf::Supervisor { .. }) => self.end_watch(interaction, segment),
            Some(_) => self.device_failed(interaction, segment, SegmentEnd::Missed, EndCause::NoAnswer),
            None => {}
        }
    }

    pub(super) fn device_failed(
        &mut self,
        interaction: InteractionId,
        segment: SegmentId,
        why: SegmentEnd,
        cause: EndCause,
    ) {
        let Some(s) = self.state.segment(interaction, segment) else { return };
        let (started, consulted_by) = (s.why, s.consulted_by());
        if started == SegmentStart::Dial {
            return self.dial_over(interaction, why, cause);
        }
        self.stop_ringback(interaction, segment);
        self.drop_device(interaction, segment, why, cause);
        match started {
            SegmentStart::Consult => self.consult_over(interaction, consulted_by, cause),
            SegmentStart::Transfer => self.give_back(interaction, started, cause),
            _ => {
                if let Some((customer, _)) = self.state.customer(interaction) {
                    self.hang_up(customer, cause);
                }
            }
        }
    }

    /// The device's leg goes, with nothing following from it for the customer.
    pub(super) fn drop_device(
        &mut self,
        interaction: InteractionId,
        segment: SegmentId,
        why: SegmentEnd,
        cause: EndCause,
    ) {
        let Some(leg) = self.state.segment(interaction, segment).map(|s| s.leg) else { return };
        self.emit(EventBody::SegmentEnded { interaction, segment, why });
        if let Some(leg) = leg {
            self.hang_up(leg, cause);
        }
    }

    /// Both sides answered: they hear one another from here. With one side missing, waits for it.
    pub(super) fn connect(&mut self, interaction: InteractionId, segment: SegmentId) {
        let Some(s) = self.state.segment(interaction, segment) else { return };
        let answered = |leg: Option<LegId>| {
            leg.and_then(|l| self.state.legs.get(&l)).is_some_and(|l| l.answered.is_some() && !l.hanging_up)
        };
        if s.state != SegmentState::Connecting {
            return;
        }
        if !answered(s.leg) {
            let there = s.why == SegmentStart::Dial
                && self.state.customer(interaction).is_some_and(|(_, l)| l.answered.is_some());
            if let Some(own) = s.leg.filter(|leg| there && self.waits(*leg)) {
                self.answer_phone(Some(own));
                self.settle_sound(interaction, segment);
            }
            return;
        }
        if let Some(by) = s.consulted_by() {
            self.stop_ringback(interaction, segment);
            self.turn(interaction, segment, SegmentState::Consulting);
            let asking = self.state.segment(interaction, by).and_then(Segment::aside);
            return self.answer_phone(asking);
        }
        let calls_out = s.why == SegmentStart::Dial;
        let direct = s.offer.as_ref().is_none_or(|o| o.waiting.is_none());
        if calls_out && self.state.customer(interaction).is_none() {
            if !self.dial_next(interaction) {
                self.dial_over(interaction, SegmentEnd::Unreachable, EndCause::Limit);
            }
            return;
        }
        let Some((customer, leg)) = self.state.customer(interaction) else { return };
        if leg.hanging_up {
            return;
        }
        if leg.answered.is_some() {
            self.begin_talk(interaction, segment);
        } else if direct && !calls_out {
            // The customer has only been told that it rings.
            self.order(LegCommand::Answer { leg: customer });
        }
    }

    pub(super) fn begin_talk(&mut self, interaction: InteractionId, segment: SegmentId) {
        let Some(s) = self.state.segment(interaction, segment) else { return };
        let (leg, waiting) = (s.leg, s.offer.as_ref().and_then(|o| o.waiting));
        let customer = self.state.customer(interaction).map(|(leg, _)| leg);
        if let Some(waiting) = waiting {
            let playing = self.state.segment(interaction, waiting).is_some_and(|s| s.play.is_some());
            if let Some(leg) = customer.filter(|_| playing) {
                self.order(LegCommand::StopPlay { leg });
            }
            self.emit(EventBody::SegmentEnded { interaction, segment: waiting, why: SegmentEnd::Answered });
        }
        let state = SegmentState::Talking;
        self.emit(EventBody::SegmentStateChanged { interaction, segment, state, until: None, ended: None });
        let (Some(_), Some(leg)) = (customer, leg) else { return };
        if self.state.segment(interaction, segment).is_some_and(|s| s.why == SegmentStart::Dial) {
            // The ringing tone.
            self.order(LegCommand::StopPlay { leg });
        }
        self.settle_sound(interaction, segment);
        self.settle_recordings(interaction);
    }

    pub(super) fn record(
        &mut self,
        interaction: InteractionId,
        segment: SegmentId,
        left: LegId,
        right: Option<LegId>,
        beep_s: Option<u32>,
        message: Option<MessageFor>,
    ) {
        let recording = RecordingId(self.mint.next_bits());
        self.emit(EventBody::RecordingRequested { interaction, segment, recording, left, right, message });
        self.order(LegCommand::Record { recording, tenant: self.config.tenant, left, right, beep_s });
    }

    /// What a direct offer's trace says: nobody else was considered.
    pub(super) fn direct_trace(&self, agent: AgentId) -> DecisionTrace {
        let idle = self
            .state
            .agents
            .get(&agent)
            .map_or(Duration::ZERO, |a| self.now.saturating_since(a.presence_since.max(a.occupancy_since)));
        DecisionTrace {
            strategy: crate::config::Strategy::LongestIdle,
            waited_ms: 0,
            priority: 0,
            place: 1,
            candidates: vec![crate::routing::Candidate { agent, priority: 1, level: 0, idle_ms: ms(idle) }],
            excluded: Vec::new(),
            left_out: 0,
        }
    }
}

/// How the agent's segment ends with its offer.
fn segment_end(why: OfferEnd) -> SegmentEnd {
    match why {
        OfferEnd::Declined => SegmentEnd::Declined,
        OfferEnd::Missed => SegmentEnd::Missed,
        OfferEnd::Unreachable => SegmentEnd::Unreachable,
        OfferEnd::Withdrawn => SegmentEnd::Withdrawn,
    }
}
