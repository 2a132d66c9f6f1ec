//! Phones that call by themselves: a parking place picked up, a colleague, somebody outside, and whom an agent asks while
//! his customer is on hold. The phone's leg waits (100, 180, 183) until whoever is called has answered.
//!
//! A call within the company is a consultation about nobody: the caller's segment consults, and is over with it.
use super::Floor;
use super::calls::RING;
use super::state::{Agent, Leg, Segment};
use super::timers::CONNECT_TIMEOUT;
use crate::command::Target;
use crate::config::DeviceKind;
use crate::event::{
    DestinationClass, Direction, EventBody, LegPlace, LegRole, SegmentEnd, SegmentOf, SegmentStart, SegmentState,
};
use crate::id::{AddressId, AgentId, DeviceId, InteractionId, LegId, NumberId, SegmentId};
use crate::input::{PhoneCall, RejectCode, Rejected};
use crate::keys::inside;
use crate::leg::{EndCause, LegCommand, RejectReason, Via};
use crate::medium::Medium;
use crate::outbound::CallClass;
use crate::time::Timestamp;

impl Floor {
    /// A refusal is told to the phone by a SIP status, and is no error of the input.
    pub(super) fn phone_dialled(
        &mut self,
        leg: LegId,
        device: DeviceId,
        call: PhoneCall,
    ) -> Result<Option<InteractionId>, Rejected> {
        if self.state.legs.contains_key(&leg) {
            return Err(RejectCode::LegDuplicate.into());
        }
        let begun = match call {
            PhoneCall::Nowhere(code) => Err(code.into()),
            PhoneCall::Place(place) => self.pick_up_at(leg, device, place).map(|()| None),
            PhoneCall::To { to, from } => self.call_by_phone(leg, device, to, from).map(Some),
        };
        match begun {
            Ok(interaction) => Ok(interaction),
            Err(Rejected { code }) => {
                self.order(LegCommand::Reject { leg, why: reason(code) });
                Ok(None)
            }
        }
    }

    fn call_by_phone(
        &mut self,
        leg: LegId,
        device: DeviceId,
        to: Target,
        from: Option<AddressId>,
    ) -> Result<InteractionId, Rejected> {
        let to = self.where_reached(to);
        let emergency = matches!(to, Target::Outside { class: CallClass::Emergency, .. });
        let agent = self.seated_at(device);
        if let Some((interaction, segment)) = agent.and_then(|agent| self.conversation_at(agent, device)) {
            self.consult(interaction, segment, to, Some(leg))?;
            return Ok(interaction);
        }
        // Whoever has no room for a call may still call an ambulance: as anybody who takes up that phone.
        let room = agent.map(|agent| self.may_begin(agent, device, emergency));
        let agent = match room {
            Some(Err(_)) if emergency => None,
            Some(Err(why)) => return Err(why),
            Some(Ok(())) | None => agent,
        };
        if agent.is_none() && !emergency && self.state.legs.values().any(|l| l.device == Some(device)) {
            return Err(RejectCode::AgentBusy.into());
        }
        let payer = self.config.devices.get(&device).and_then(|d| d.agent);
        let of = match agent {
            Some(agent) => SegmentOf::Agent { agent, queue: None, arrived: self.now },
            None => SegmentOf::Device { device, payer },
        };
        match to {
            Target::Outside { address, class, trunks, caller } => {
                let shown = caller.or(self.config.outbound.caller);
                self.may_dial_by(agent.or(payer), class, &trunks, shown)?;
                let interaction = self.begin_dial((address, class, &trunks, shown), None);
                let until = self.now + RING + CONNECT_TIMEOUT;
                let segment = self.begin_calling(interaction, of, SegmentState::Connecting, Some(until));
                self.phone_leg(interaction, segment, leg, device, LegPlace::Main);
                if !self.dial_next(interaction) {
                    self.dial_over(interaction, SegmentEnd::Unreachable, EndCause::Limit);
                }
                Ok(interaction)
            }
            to => {
                self.may_call(Medium::Voice, agent, &to)?;
                if self.derived.calls >= self.config.entitlements.concurrent_calls as usize {
                    return Err(RejectCode::LimitCalls.into());
                }
                let interaction = InteractionId(self.mint.next_bits());
                self.emit(EventBody::InteractionStarted {
                    interaction,
                    medium: Medium::Voice,
                    direction: Direction::Internal,
                    number: None,
                    from,
                    lang: self.config.lang,
                    priority: 0,
                });
                let segment = self.begin_calling(interaction, of, SegmentState::Consulting, None);
                self.phone_leg(interaction, segment, leg, device, LegPlace::Main);
                self.ask(interaction, segment, to, None);
                Ok(interaction)
            }
        }
    }

    /// An agent's phone calls a number of ours while his customer is on it: he asks whoever that number leads to.
    pub(super) fn number_asked(
        &mut self,
        leg: LegId,
        device: DeviceId,
        number: NumberId,
    ) -> Option<Option<InteractionId>> {
        let agent = self.seated_at(device)?;
        self.conversation_at(agent, device)?;
        let to = self.config.numbers.get(&number).and_then(|n| inside(&self.config, &n.number));
        let call = match to {
            Some(to @ (Target::Agent { .. } | Target::Device { .. })) => PhoneCall::To { to, from: None },
            // Nobody asks a queue.
            _ => PhoneCall::Nowhere(RejectCode::AgentBusy),
        };
        self.phone_dialled(leg, device, call).ok()
    }

    /// The segment of whoever calls, by his desk or his phone.
    pub(super) fn begin_calling(
        &mut self,
        interaction: InteractionId,
        of: SegmentOf,
        state: SegmentState,
        until: Option<Timestamp>,
    ) -> SegmentId {
        let segment = SegmentId(self.mint.next_bits());
        let why = SegmentStart::Dial;
        self.emit(EventBody::SegmentStarted { interaction, segment, of, why, state, until, by: None });
        segment
    }

    /// The phone that called joins its segment.
    pub(super) fn phone_leg(
        &mut self,
        interaction: InteractionId,
        segment: SegmentId,
        leg: LegId,
        device: DeviceId,
        place: LegPlace,
    ) {
        let is_agent = self.state.segment(interaction, segment).is_some_and(|s| s.agent().is_some());
        self.emit(EventBody::LegStarted {
            interaction,
            leg,
            segment: Some(segment),
            direction: Direction::Inbound,
            role: if is_agent { LegRole::Agent } else { LegRole::Device },
            via: Some(Via::Device { device }),
            device: Some(device),
            destination: DestinationClass::SipDevice,
            place,
        });
    }

    /// The agent who is signed in with this device.
    pub(super) fn seated_at(&self, device: DeviceId) -> Option<AgentId> {
        let at = |a: &Agent| a.seat.as_ref().is_some_and(|s| s.device == device);
        self.state.agents.iter().find(|(_, a)| at(a)).map(|(id, _)| *id)
    }

    /// What this agent and a customer talk about by this device.
    fn conversation_at(&self, agent: AgentId, device: DeviceId) -> Option<(InteractionId, SegmentId)> {
        let by_device =
            |s: &Segment| s.leg.and_then(|l| self.state.legs.get(&l)).is_some_and(|l| l.device == Some(device));
        self.work_of(agent).into_iter().find(|(interaction, segment)| {
            let talks = |s: &Segment| s.has_customer() && by_device(s);
            self.state.customer(*interaction).is_some() && self.state.segment(*interaction, *segment).is_some_and(talks)
        })
    }

    /// An agent who is not there is looked for at a phone of his.
    fn where_reached(&self, to: Target) -> Target {
        let Target::Agent { agent } = to else { return to };
        if self.state.agents.get(&agent).is_some_and(|a| a.seat.is_some()) {
            return to;
        }
        let mut own = self.config.devices.values().filter(|d| d.agent == Some(agent));
        let phone =
            own.find(|d| matches!(d.kind, DeviceKind::Sip { .. }) && self.state.device_ready(d.id, &self.config));
        phone.map_or(to, |d| Target::Device { device: d.id })
    }

    /// A phone that has called and is not answered yet.
    pub(super) fn waits(&self, leg: LegId) -> bool {
        self.state.legs.get(&leg).is_some_and(Leg::waits)
    }

    /// Whoever was called has answered: so is the phone that called him.
    pub(super) fn answer_phone(&mut self, leg: Option<LegId>) {
        if let Some(leg) = leg.filter(|leg| self.waits(*leg)) {
            self.order(LegCommand::Answer { leg });
        }
    }

    /// The phone that calls hears the network of whom it calls, before it is answered.
    pub(super) fn let_phone_hear(&mut self, interaction: InteractionId, leg: LegId) {
        if self.waits(leg) && self.state.legs.get(&leg).is_some_and(|l| !l.early) {
            self.emit(EventBody::LegEarlyMedia { interaction, leg });
            self.order(LegCommand::EarlyMedia { leg });
        }
    }
}

impl Leg {
    pub fn waits(&self) -> bool {
        self.called && self.answered.is_none() && !self.hanging_up
    }
}

/// What a phone shows of a refusal.
pub(super) fn reason(code: RejectCode) -> RejectReason {
    match code {
        RejectCode::NumberForbidden
        | RejectCode::LimitSpend
        | RejectCode::LimitSpendAgent
        | RejectCode::SegmentNotYours
        | RejectCode::AgentNotSignedIn => RejectReason::Forbidden,
        RejectCode::AgentBusy | RejectCode::SegmentState | RejectCode::OfferGone => RejectReason::Busy,
        RejectCode::LimitOutbound | RejectCode::LimitCalls | RejectCode::RouteDown => RejectReason::Overload,
        RejectCode::TargetUnavailable | RejectCode::DeviceNotReady => RejectReason::Unavailable,
        _ => RejectReason::NotFound,
    }
}
