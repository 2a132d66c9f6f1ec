//! Parking places: the customer waits with music, off everybody's hands, until any agent picks him up.
use std::time::Duration;

use super::Floor;
use super::offers::Ask;
use super::state::Segment;
use crate::event::{EventBody, SegmentEnd, SegmentOf, SegmentStart, SegmentState};
use crate::id::{AgentId, DeviceId, InteractionId, LegId, SegmentId};
use crate::input::{RejectCode, Rejected};
use crate::keys::PLACES;
use crate::leg::EndCause;
use crate::medium::Medium;
use crate::routing::has_room;

/// Who is not picked up by then comes back.
const PARKED_FOR: Duration = Duration::from_secs(120);

impl Floor {
    pub(super) fn park(&mut self, interaction: InteractionId, segment: SegmentId) -> Result<(), Rejected> {
        let Some(s) = self.state.segment(interaction, segment) else { return Err(RejectCode::SegmentState.into()) };
        let (Some(by), queue) = (s.agent(), s.queue()) else { return Err(RejectCode::SegmentState.into()) };
        let alone = !self.has_others(interaction, segment) && self.asked(interaction, segment).is_none();
        if self.medium(interaction) != Medium::Voice || !s.has_customer() || !alone {
            return Err(RejectCode::SegmentState.into());
        }
        let place = PLACES.into_iter().find(|p| self.parked_at(*p).is_none()).ok_or(RejectCode::ParkFull)?;
        self.leave_talk(interaction, segment, SegmentEnd::Parked);
        let parked = SegmentId(self.mint.next_bits());
        self.emit(EventBody::SegmentStarted {
            interaction,
            segment: parked,
            of: SegmentOf::Parked { place, by, queue },
            why: SegmentStart::Park,
            state: SegmentState::Parked,
            until: Some(self.now + PARKED_FOR),
            by: Some(segment),
        });
        Ok(())
    }

    /// Whoever picks up need not be available for other calls, but have room for this one.
    pub(super) fn pick_up(&mut self, agent: AgentId, interaction: InteractionId) -> Result<(), Rejected> {
        self.pick_up_by(agent, interaction, None)
    }

    /// The phone of an agent who is signed in with it dials a parking place.
    pub(super) fn pick_up_at(&mut self, leg: LegId, device: DeviceId, place: u16) -> Result<(), Rejected> {
        let agent = self.seated_at(device).ok_or(RejectCode::AgentNotSignedIn)?;
        let interaction = self.parked_at(place).ok_or(RejectCode::InteractionUnknown)?;
        self.pick_up_by(agent, interaction, Some(leg)).map_err(|_| RejectCode::AgentBusy.into())
    }

    fn parked_at(&self, place: u16) -> Option<InteractionId> {
        let at = |s: &Segment| matches!(s.of, SegmentOf::Parked { place: p, .. } if p == place);
        let found = self.state.parked.iter().find(|(segment, i)| self.state.segment(**i, **segment).is_some_and(at));
        found.map(|(_, interaction)| *interaction)
    }

    /// `leg`: of the agent's phone, if it has called for this.
    fn pick_up_by(&mut self, agent: AgentId, interaction: InteractionId, leg: Option<LegId>) -> Result<(), Rejected> {
        let parked = self.parked_in(interaction).ok_or(RejectCode::InteractionUnknown)?;
        let Some(a) = self.state.agents.get(&agent) else { return Err(RejectCode::AgentUnknown.into()) };
        let Some(device) = a.seat.as_ref().map(|s| s.device) else { return Err(RejectCode::AgentNotSignedIn.into()) };
        let capacity = self.config.agents.get(&agent).map(|c| c.capacity).unwrap_or_default();
        if a.leaving.is_some() || !has_room(Medium::Voice, &self.state.load(a), &capacity) {
            return Err(RejectCode::AgentBusy.into());
        }
        if !self.state.device_ready(device, &self.config) {
            return Err(RejectCode::DeviceNotReady.into());
        }
        if self.state.interactions.get(&interaction).is_some_and(|i| i.segments.values().any(|s| s.is_reaching())) {
            // A colleague was quicker.
            return Err(RejectCode::OfferGone.into());
        }
        let trace = self.direct_trace(agent);
        let ask = Ask { waiting: Some(parked), why: SegmentStart::PickUp, by: None, queue: None, leg };
        self.offer(interaction, ask, agent, trace);
        let made = self.state.interactions.get(&interaction).and_then(|i| {
            let mine = i.segments.iter().find(|(_, s)| s.agent() == Some(agent) && s.state == SegmentState::Offered);
            mine.map(|(id, s)| (*id, s.leg.is_some()))
        });
        // A phone that rings is answered by hand.
        if let Some((segment, has_leg)) = made
            && (leg.is_some() || !has_leg)
        {
            self.accepted(interaction, segment);
        }
        Ok(())
    }

    /// Nobody came. With no queue to go back to and the agent taken, he waits on rather than being cut off.
    pub(super) fn unpark(&mut self, interaction: InteractionId, segment: SegmentId) {
        let medium = self.medium(interaction);
        let handed = self.state.interactions.get(&interaction).and_then(|i| i.handed);
        let somewhere = handed
            .is_some_and(|(agent, queue)| queue.is_some_and(|q| self.takes(q, medium)) || self.is_free(agent, medium));
        if !somewhere {
            let (state, until) = (SegmentState::Parked, Some(self.now + PARKED_FOR));
            return self.emit(EventBody::SegmentStateChanged { interaction, segment, state, until, ended: None });
        }
        self.emit(EventBody::SegmentEnded { interaction, segment, why: SegmentEnd::Returned });
        self.give_back(interaction, SegmentStart::Transfer, EndCause::NoAnswer);
    }

    fn parked_in(&self, interaction: InteractionId) -> Option<SegmentId> {
        let i = self.state.interactions.get(&interaction)?;
        i.segments.iter().find(|(_, s)| s.state == SegmentState::Parked).map(|(id, _)| *id)
    }
}
