//! Sending a customer on, and asking somebody about him: blind transfer, consultation, attended transfer, conference.
use super::Floor;
use super::keys::reason;
use super::offers::Ask;
use super::state::{Leg, Segment};
use crate::command::{Presence, Target};
use crate::config::{DeviceKind, Place};
use crate::event::{
    Direction, EventBody, LegPlace, LegRole, OfferEnd, SegmentEnd, SegmentOf, SegmentStart, SegmentState,
};
use crate::id::{AgentId, DeviceId, InteractionId, LegId, QueueId, SegmentId};
use crate::input::{RejectCode, Rejected};
use crate::keys::inside;
use crate::leg::{EndCause, LegCommand};
use crate::medium::Medium;
use crate::routing::has_room;

use super::calls::DEVICE_RING;

impl Floor {
    /// Blind: the target's own refusal or silence sends the customer back.
    pub(super) fn transfer(
        &mut self,
        interaction: InteractionId,
        segment: SegmentId,
        to: Target,
    ) -> Result<(), Rejected> {
        let Some(s) = self.state.segment(interaction, segment) else { return Err(RejectCode::SegmentState.into()) };
        let (by, queue) = (s.agent(), s.queue());
        if !s.has_customer() || self.has_others(interaction, segment) || self.asked(interaction, segment).is_some() {
            return Err(RejectCode::SegmentState.into());
        }
        let medium = self.medium(interaction);
        match &to {
            Target::Queue { queue } if self.takes(*queue, medium) => {}
            Target::Flow { flow } if medium == Medium::Voice && self.config.flows.contains_key(flow) => {}
            Target::Voicemail { .. } if medium == Medium::Voice => {}
            Target::Agent { .. } | Target::Device { .. } | Target::Outside { .. } => self.may_call(medium, by, &to)?,
            Target::Queue { .. } | Target::Flow { .. } | Target::Voicemail { .. } => {
                return Err(RejectCode::TargetUnknown.into());
            }
        }
        self.leave_talk(interaction, segment, SegmentEnd::Transferred);
        let why = SegmentStart::Transfer;
        match to {
            Target::Agent { agent } => self.ask_agent(interaction, agent, why, segment, queue),
            Target::Device { device } => self.ask_device(interaction, device, why, segment),
            Target::Queue { queue } => {
                self.stop_music(interaction);
                let place = self.queue_config(queue).map(|q| q.transferred).unwrap_or_default();
                self.enter_queue(interaction, queue, 0, why, 0, place);
            }
            Target::Flow { flow } => {
                self.stop_music(interaction);
                self.start_flow(interaction, flow, why);
            }
            Target::Voicemail { greeting } => {
                self.stop_music(interaction);
                self.start_voicemail(interaction, queue, greeting, why);
            }
            Target::Outside { address, class, trunks, caller } => {
                self.ask_outside(interaction, (address, class, &trunks, caller), why, segment);
            }
        }
        Ok(())
    }

    /// `phone`: his phone's second leg, if it is by that he asks.
    pub(super) fn consult(
        &mut self,
        interaction: InteractionId,
        segment: SegmentId,
        to: Target,
        phone: Option<LegId>,
    ) -> Result<(), Rejected> {
        let Some(s) = self.state.segment(interaction, segment) else { return Err(RejectCode::SegmentState.into()) };
        let (by, queue) = (s.agent(), s.queue());
        let medium = self.medium(interaction);
        if medium != Medium::Voice || !s.has_customer() || self.asked(interaction, segment).is_some() {
            return Err(RejectCode::SegmentState.into());
        }
        self.may_call(medium, by, &to)?;
        self.turn(interaction, segment, SegmentState::Consulting);
        let device = self.state.segment(interaction, segment).and_then(|s| self.state.legs.get(&s.leg?)?.device);
        if let (Some(leg), Some(device)) = (phone, device) {
            self.phone_leg(interaction, segment, leg, device, LegPlace::Aside);
        }
        self.ask(interaction, segment, to, queue);
        Ok(())
    }

    /// Rings the party that this segment consults.
    pub(super) fn ask(&mut self, interaction: InteractionId, segment: SegmentId, to: Target, queue: Option<QueueId>) {
        match to {
            Target::Agent { agent } => self.ask_agent(interaction, agent, SegmentStart::Consult, segment, queue),
            Target::Device { device } => self.ask_device(interaction, device, SegmentStart::Consult, segment),
            Target::Outside { address, class, trunks, caller } => {
                let whom = (address, class, &trunks[..], caller);
                self.ask_outside(interaction, whom, SegmentStart::Consult, segment);
            }
            Target::Queue { .. } | Target::Flow { .. } | Target::Voicemail { .. } => {}
        }
    }

    pub(super) fn switch_party(&mut self, interaction: InteractionId, segment: SegmentId) -> Result<(), Rejected> {
        let other = self.consultation(interaction, segment)?;
        let state = |s| self.state.segment(interaction, s).map(|s| s.state);
        let next = match (state(segment), state(other)) {
            (Some(SegmentState::Consulting), _) => SegmentState::Talking,
            (Some(SegmentState::Talking | SegmentState::Held), Some(SegmentState::Consulting)) => {
                SegmentState::Consulting
            }
            _ => return Err(RejectCode::SegmentState.into()),
        };
        if next == SegmentState::Talking && self.state.segment(interaction, other).is_some_and(Segment::is_reaching) {
            self.stop_ringback(interaction, other);
        }
        self.turn(interaction, segment, next);
        Ok(())
    }

    pub(super) fn complete_transfer(&mut self, interaction: InteractionId, segment: SegmentId) -> Result<(), Rejected> {
        let other = self.consultation(interaction, segment)?;
        if self.has_others(interaction, segment) {
            // The customer would be left with them anyway.
            return self.conference(interaction, segment).map(|()| {
                self.leave_talk(interaction, segment, SegmentEnd::Transferred);
            });
        }
        self.leave_talk(interaction, segment, SegmentEnd::Transferred);
        self.merge(interaction, other);
        Ok(())
    }

    pub(super) fn conference(&mut self, interaction: InteractionId, segment: SegmentId) -> Result<(), Rejected> {
        let other = self.consultation(interaction, segment)?;
        if self.state.segment(interaction, other).is_none_or(|s| s.state != SegmentState::Consulting) {
            return Err(RejectCode::SegmentState.into());
        }
        self.merge(interaction, other);
        self.turn(interaction, segment, SegmentState::Talking);
        Ok(())
    }

    pub(super) fn end_consult(&mut self, interaction: InteractionId, segment: SegmentId) -> Result<(), Rejected> {
        let other = self.asked(interaction, segment).ok_or(RejectCode::SegmentState)?;
        self.drop_consulted(interaction, other);
        Ok(())
    }

    /// An agent's phone transfers by its own button (SIP REFER): to an extension or a number of ours, or to whom it asks by
    /// its other call, whether he has answered or is still being rung.
    pub(super) fn transfer_asked(
        &mut self,
        interaction: InteractionId,
        leg: LegId,
        known: &Leg,
        to: &str,
        replaces: Option<LegId>,
    ) {
        let segment = known.segment.filter(|_| known.role == LegRole::Agent && !known.hanging_up);
        let done = match (segment, replaces) {
            (None, _) => Err(RejectCode::SegmentNotYours.into()),
            (Some(segment), Some(other)) => self.transfer_by(interaction, segment, [leg, other]),
            (Some(segment), None) => match inside(&self.config, to) {
                Some(to) => self.transfer(interaction, segment, to),
                None => Err(RejectCode::TargetUnknown.into()),
            },
        };
        if let Err(Rejected { code }) = done {
            let why = reason(code);
            self.order(LegCommand::RefuseTransfer { leg, why });
        }
    }

    /// Both calls of a phone: it does not matter which of them it names first.
    fn transfer_by(
        &mut self,
        interaction: InteractionId,
        segment: SegmentId,
        both: [LegId; 2],
    ) -> Result<(), Rejected> {
        let s = self.state.segment(interaction, segment).ok_or(RejectCode::SegmentState)?;
        let own = [s.leg, s.aside];
        if own != both.map(Some) && own != [Some(both[1]), Some(both[0])] {
            return Err(RejectCode::SegmentNotYours.into());
        }
        self.complete_transfer(interaction, segment)
    }

    /// The party that this agent consults.
    pub(super) fn asked(&self, interaction: InteractionId, segment: SegmentId) -> Option<SegmentId> {
        let i = self.state.interactions.get(&interaction)?;
        i.segments.iter().find(|(_, s)| s.consulted_by() == Some(segment)).map(|(id, _)| *id)
    }

    /// … about a customer.
    fn consultation(&self, interaction: InteractionId, segment: SegmentId) -> Result<SegmentId, Rejected> {
        let asked = self.asked(interaction, segment).filter(|_| !self.is_inside(interaction));
        asked.ok_or(RejectCode::SegmentState.into())
    }

    /// A call within the company: there is no customer, and never was.
    pub(super) fn is_inside(&self, interaction: InteractionId) -> bool {
        self.state.interactions.get(&interaction).is_some_and(|i| i.direction == Direction::Internal)
    }

    /// Somebody else is with the customer, or has him on hold.
    pub(super) fn has_others(&self, interaction: InteractionId, segment: SegmentId) -> bool {
        let i = self.state.interactions.get(&interaction);
        i.is_some_and(|i| i.segments.iter().any(|(id, s)| *id != segment && s.has_customer()))
    }

    pub(super) fn medium(&self, interaction: InteractionId) -> Medium {
        self.state.interactions.get(&interaction).map_or(Medium::Voice, |i| i.medium)
    }

    pub(super) fn takes(&self, queue: QueueId, medium: Medium) -> bool {
        self.queue_config(queue).is_some_and(|q| q.media.contains(&medium))
    }

    /// Somebody who could be rung at once.
    pub(super) fn may_call(&self, medium: Medium, by: Option<AgentId>, to: &Target) -> Result<(), Rejected> {
        match to {
            Target::Outside { class, trunks, caller, .. } if medium == Medium::Voice => {
                self.may_dial_by(by, *class, trunks, *caller)
            }
            Target::Agent { agent } if Some(*agent) != by => {
                if !self.config.agents.get(agent).is_some_and(|a| a.active) {
                    return Err(RejectCode::TargetUnknown.into());
                }
                if self.is_free(*agent, medium) { Ok(()) } else { Err(RejectCode::TargetUnavailable.into()) }
            }
            Target::Device { device } if medium == Medium::Voice => match self.config.devices.get(device) {
                // A tab rings for its agent alone, and who sits at a phone is called as the agent he is: his phone is taken then.
                Some(d) if d.kind != DeviceKind::Browser => {
                    let seats = self.state.agents.values().filter_map(|a| a.seat.as_ref());
                    let free = self.state.device_ready(*device, &self.config)
                        && !seats.into_iter().any(|s| s.device == *device)
                        && !self.state.legs.values().any(|l| l.device == Some(*device));
                    if free { Ok(()) } else { Err(RejectCode::TargetUnavailable.into()) }
                }
                Some(_) | None => Err(RejectCode::TargetUnknown.into()),
            },
            Target::Agent { .. }
            | Target::Device { .. }
            | Target::Queue { .. }
            | Target::Flow { .. }
            | Target::Voicemail { .. }
            | Target::Outside { .. } => Err(RejectCode::TargetUnknown.into()),
        }
    }

    /// Could be offered work of this kind at once.
    pub(super) fn is_free(&self, agent: AgentId, medium: Medium) -> bool {
        let Some(a) = self.state.agents.get(&agent) else { return false };
        let Some(seat) = &a.seat else { return false };
        let capacity = self.config.agents.get(&agent).map(|c| c.capacity).unwrap_or_default();
        let ready = medium != Medium::Voice || self.state.device_ready(seat.device, &self.config);
        a.presence == Presence::Available
            && a.leaving.is_none()
            && ready
            && has_room(medium, &self.state.load(a), &capacity)
    }

    fn ask_agent(
        &mut self,
        interaction: InteractionId,
        agent: AgentId,
        why: SegmentStart,
        by: SegmentId,
        queue: Option<QueueId>,
    ) {
        let trace = self.direct_trace(agent);
        self.offer(interaction, Ask { waiting: None, why, by: Some(by), queue, leg: None }, agent, trace);
    }

    fn ask_device(&mut self, interaction: InteractionId, device: DeviceId, why: SegmentStart, by: SegmentId) {
        self.ring_device(interaction, device, why, Some(by));
    }

    pub(super) fn ring_device(
        &mut self,
        interaction: InteractionId,
        device: DeviceId,
        why: SegmentStart,
        by: Option<SegmentId>,
    ) {
        let segment = SegmentId(self.mint.next_bits());
        self.emit(EventBody::SegmentStarted {
            interaction,
            segment,
            of: SegmentOf::Device { device, payer: None },
            why,
            state: SegmentState::Connecting,
            until: Some(self.now + DEVICE_RING),
            by,
        });
        self.originate(interaction, segment, LegRole::Device, device, DEVICE_RING);
    }

    /// The party consulted is the customer's now; one that is still being rung answers to him.
    fn merge(&mut self, interaction: InteractionId, segment: SegmentId) {
        let talks = self.state.segment(interaction, segment).is_some_and(|s| s.state == SegmentState::Consulting);
        self.emit(EventBody::ConsultMerged { interaction, segment });
        if talks {
            self.begin_talk(interaction, segment);
        } else {
            self.connect(interaction, segment);
        }
    }

    /// Somebody's phone hung up in a conversation. If he consulted just then, the customer goes to whom he spoke with.
    pub(super) fn talker_left(&mut self, interaction: InteractionId, segment: SegmentId, why: SegmentEnd) {
        let talks = |other: &SegmentId| {
            self.state.segment(interaction, *other).is_some_and(|s| s.state == SegmentState::Consulting)
        };
        // Who has a call of its own with whom he asks has hung up on the customer.
        let alone =
            self.is_inside(interaction) || self.state.segment(interaction, segment).is_some_and(|s| s.aside.is_some());
        match self.asked(interaction, segment).filter(|other| !alone && talks(&segment) && talks(other)) {
            Some(other) => {
                self.leave_talk(interaction, segment, SegmentEnd::Transferred);
                self.merge(interaction, other);
            }
            None => self.end_talk(interaction, segment, why),
        }
    }

    /// The party consulted goes, whether it talks or is still being rung.
    pub(super) fn drop_consulted(&mut self, interaction: InteractionId, segment: SegmentId) {
        let Some(s) = self.state.segment(interaction, segment) else { return };
        match s.of {
            SegmentOf::Agent { .. } if s.is_reaching() => {
                self.offer_failed(interaction, segment, OfferEnd::Withdrawn);
            }
            SegmentOf::Device { .. } | SegmentOf::Outside { .. } if s.is_reaching() => {
                self.device_failed(interaction, segment, SegmentEnd::ConsultOver, EndCause::Cancelled);
            }
            _ => self.end_consulted(interaction, segment),
        }
    }

    pub(super) fn end_consulted(&mut self, interaction: InteractionId, segment: SegmentId) {
        let Some(s) = self.state.segment(interaction, segment) else { return };
        let (leg, by) = (s.leg, s.consulted_by());
        if let Some(leg) = leg {
            self.hang_up(leg, EndCause::Hangup);
        }
        self.leave_to_others(interaction, segment);
        self.emit(EventBody::SegmentEnded { interaction, segment, why: SegmentEnd::ConsultOver });
        self.consult_over(interaction, by, EndCause::Hangup);
    }

    /// Whoever consulted is alone: the customer stays on hold until he is taken back. A phone that called for it is told
    /// `cause`; within the company its call is over.
    pub(super) fn consult_over(&mut self, interaction: InteractionId, by: Option<SegmentId>, cause: EndCause) {
        let Some((by, s)) = by.and_then(|by| Some((by, self.state.segment(interaction, by)?))) else { return };
        let (aside, leg, consults) = (s.aside, s.leg, s.state == SegmentState::Consulting);
        if let Some(aside) = aside {
            self.hang_up(aside, cause);
        }
        if self.is_inside(interaction) {
            if let Some(leg) = leg {
                self.hang_up(leg, cause);
            }
            self.leave_talk(interaction, by, SegmentEnd::ConsultOver);
        } else if consults {
            self.turn(interaction, by, SegmentState::Held);
            if aside.is_some() {
                self.back_by_phone(interaction, by);
            }
        }
    }

    /// A phone that asked by a second call and never put the customer on hold has him again.
    pub(super) fn back_by_phone(&mut self, interaction: InteractionId, segment: SegmentId) {
        let leg = self.state.segment(interaction, segment).and_then(|s| s.leg);
        if leg.and_then(|l| self.state.legs.get(&l)).is_some_and(|l| !l.peer_held) {
            self.resume(interaction, segment);
        }
    }

    /// A phone puts its call on hold, or takes it back. One that asks somebody by a second call goes back and forth so.
    pub(super) fn phone_held(
        &mut self,
        interaction: InteractionId,
        segment: SegmentId,
        leg: LegId,
        held: bool,
        holds: bool,
    ) {
        let Some(s) = self.state.segment(interaction, segment).filter(|s| s.leg == Some(leg)) else { return };
        match (held, s.state) {
            (true, SegmentState::Talking) if s.aside.is_some() => {
                self.turn(interaction, segment, SegmentState::Consulting);
            }
            (true, _) => self.hold(interaction, segment),
            // A hold from the desk is ended there.
            (false, SegmentState::Consulting) if holds && s.aside.is_some() => {
                self.turn(interaction, segment, SegmentState::Talking);
            }
            (false, _) if holds => self.resume(interaction, segment),
            (false, _) => {}
        }
    }

    /// A transfer came to nothing: to the queue he was served for, with his place; else to the agent who sent him, if
    /// he is free.
    pub(super) fn give_back(&mut self, interaction: InteractionId, failed: SegmentStart, cause: EndCause) {
        let Some(i) = self.state.interactions.get(&interaction) else { return };
        let (medium, handed) = (i.medium, i.handed);
        let gone = medium == Medium::Voice && self.ear(interaction).is_none();
        let why = SegmentStart::Returned;
        match handed {
            _ if gone => {}
            Some((_, Some(queue))) if self.takes(queue, medium) => {
                self.stop_music(interaction);
                self.enter_queue(interaction, queue, 0, why, 0, Place::Kept);
            }
            Some((agent, queue)) if failed == SegmentStart::Transfer && self.is_free(agent, medium) => {
                let trace = self.direct_trace(agent);
                self.offer(interaction, Ask { waiting: None, why, by: None, queue, leg: None }, agent, trace);
            }
            Some(_) | None => match self.state.customer(interaction) {
                Some((customer, _)) => self.hang_up(customer, cause),
                None => self.end_all(interaction, SegmentEnd::Error),
            },
        }
    }

    /// Who is left in the customer's room when one goes.
    pub(super) fn heir(&self, interaction: InteractionId, gone: SegmentId) -> Option<SegmentId> {
        let i = self.state.interactions.get(&interaction)?;
        let agents = || i.segments.iter().filter(|(id, s)| **id != gone && matches!(s.of, SegmentOf::Agent { .. }));
        let talks = agents().find(|(_, s)| s.in_conversation());
        talks.or_else(|| agents().find(|(_, s)| s.is_reaching())).map(|(id, _)| *id)
    }
}

/// Never was more than asked.
pub(super) fn only_consulted(s: &Segment) -> bool {
    s.consulted_by().is_some()
}
