//! A phone that takes the place of another (INVITE with Replaces, RFC 3891): an agent goes on with his call on another
//! device, or takes a ringing one there; a colleague picks up what rings at another's phone.
use super::Floor;
use super::keys::reason;
use super::offers::Ask;
use crate::event::{EventBody, LegPlace, LegRole, OfferEnd, SegmentStart, SegmentState};
use crate::id::{AgentId, DeviceId, InteractionId, LegId, QueueId, SegmentId};
use crate::input::{RejectCode, Rejected};
use crate::leg::{EndCause, LegCommand};

impl Floor {
    /// A refusal is told to the phone by a SIP status.
    pub(super) fn replace_asked(&mut self, leg: LegId, device: DeviceId, old: LegId) -> Result<(), Rejected> {
        if self.state.legs.contains_key(&leg) {
            return Err(RejectCode::LegDuplicate.into());
        }
        if let Err(Rejected { code }) = self.replace(leg, device, old) {
            self.order(LegCommand::Reject { leg, why: reason(code) });
        }
        Ok(())
    }

    fn replace(&mut self, leg: LegId, device: DeviceId, old: LegId) -> Result<(), Rejected> {
        let known = self.state.legs.get(&old).filter(|l| !l.hanging_up).ok_or(RejectCode::InteractionUnknown)?;
        let (interaction, answered) = (known.interaction, known.answered.is_some());
        let segment = known.segment.filter(|_| known.role == LegRole::Agent).ok_or(RejectCode::SegmentNotYours)?;
        let s = self.state.segment(interaction, segment).ok_or(RejectCode::InteractionUnknown)?;
        let seated = self.seated_at(device);
        let who = seated.or(self.config.devices.get(&device).and_then(|d| d.agent));
        let own = who.is_some() && who == s.agent();
        let main = s.leg == Some(old) && s.aside.is_none() && s.next.is_none();
        match s.state {
            _ if !own && (answered || seated.is_none()) => Err(RejectCode::SegmentNotYours.into()),
            _ if !main => Err(RejectCode::SegmentState.into()),
            SegmentState::Talking | SegmentState::Held | SegmentState::Consulting if answered => {
                self.phone_leg(interaction, segment, leg, device, LegPlace::Next);
                self.order(LegCommand::Answer { leg });
                Ok(())
            }
            SegmentState::Offered if own => {
                self.phone_leg(interaction, segment, leg, device, LegPlace::Main);
                self.hang_up(old, EndCause::Elsewhere);
                self.order(LegCommand::Answer { leg });
                Ok(())
            }
            SegmentState::Offered => {
                let waiting = s.offer.as_ref().and_then(|o| o.waiting);
                let (colleague, queue) = (seated.ok_or(RejectCode::SegmentNotYours)?, s.queue());
                self.pick_up_ringing(interaction, segment, waiting, queue, colleague, (leg, device))
            }
            _ => Err(RejectCode::SegmentState.into()),
        }
    }

    /// What rings at an agent's phone for a queue is picked up by another member of that queue.
    fn pick_up_ringing(
        &mut self,
        interaction: InteractionId,
        segment: SegmentId,
        waiting: Option<SegmentId>,
        queue: Option<QueueId>,
        agent: AgentId,
        (leg, device): (LegId, DeviceId),
    ) -> Result<(), Rejected> {
        let member =
            queue.and_then(|q| self.queue_config(q)).is_some_and(|q| q.members.iter().any(|m| m.agent == agent));
        let waiting = waiting.filter(|_| member).ok_or(RejectCode::SegmentNotYours)?;
        self.may_begin(agent, device, false)?;
        self.drop_offer(interaction, segment, OfferEnd::Withdrawn);
        let trace = self.direct_trace(agent);
        let ask = Ask { waiting: Some(waiting), why: SegmentStart::PickUp, by: None, queue: None, leg: Some(leg) };
        self.offer(interaction, ask, agent, trace);
        if let Some(own) = self.state.legs.get(&leg).and_then(|l| l.segment) {
            self.accepted(interaction, own);
        }
        Ok(())
    }

    /// The segment whose leg this one is to follow.
    pub(super) fn comes_next(&self, interaction: InteractionId, leg: LegId) -> Option<SegmentId> {
        let i = self.state.interactions.get(&interaction)?;
        i.segments.iter().find(|(_, s)| s.next == Some(leg)).map(|(id, _)| *id)
    }

    /// The other phone is up: the conversation goes on there, and its recording in another file.
    pub(super) fn take_place(&mut self, interaction: InteractionId, segment: SegmentId, leg: LegId) {
        let old = self.state.segment(interaction, segment).and_then(|s| s.leg);
        let held = old.and_then(|l| self.state.legs.get(&l)).is_some_and(|l| l.holds);
        self.emit(EventBody::LegMoved { interaction, leg, segment });
        if let Some(old) = old {
            self.hang_up(old, EndCause::Elsewhere);
        }
        self.settle_sound(interaction, segment);
        self.record_further(interaction, segment);
        if held {
            self.resume(interaction, segment);
        }
    }
}
