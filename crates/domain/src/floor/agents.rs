//! Seats, presence, leases and devices of agents.
use super::Floor;
use crate::command::{Presence, SeatClass, SupervisorCommand};
use crate::device::DeviceLoss;
use crate::event::{EventBody, OfferEnd, PresenceCause, SegmentEnd, SegmentOf, SegmentState, SignOutCause};
use crate::id::{AgentId, DeviceId, UserId};
use crate::input::{RejectCode, Rejected};

impl Floor {
    pub(super) fn sign_in(&mut self, agent: AgentId, device: DeviceId, seat: SeatClass) -> Result<(), Rejected> {
        match self.config.devices.get(&device) {
            None => return Err(RejectCode::DeviceUnknown.into()),
            Some(d) if d.agent != Some(agent) => return Err(RejectCode::DeviceNotYours.into()),
            Some(_) => {}
        }
        if let Some(a) = self.state.agents.get(&agent).filter(|a| a.seat.is_some()) {
            let moves = a.seat.as_ref().is_some_and(|s| s.device != device);
            if moves && self.has_call(agent) {
                return Err(RejectCode::AgentBusy.into());
            }
            let same = a.seat.as_ref().is_some_and(|s| s.device == device && s.class == seat);
            let staying = a.leaving.is_none_or(|why| why == SignOutCause::LeaseLost);
            if same && staying {
                // The desk is back (or repeats itself): nothing but the lease can have changed.
                return self.lease_taken(agent);
            }
        } else if self.derived.seats_taken >= self.config.entitlements.seats as usize {
            return Err(RejectCode::LimitSeats.into());
        } else if self.state.legs.values().any(|l| l.device == Some(device) && !l.hanging_up) {
            // The phone talks already, for a colleague who called it as a device.
            return Err(RejectCode::AgentBusy.into());
        }
        let queues = self.derived.index.queues_of(agent);
        self.emit(EventBody::AgentSignedIn { agent, device, seat, queues });
        Ok(())
    }

    /// A leg of his is up or wanted.
    fn has_call(&self, agent: AgentId) -> bool {
        self.work_of(agent).into_iter().any(|(i, s)| {
            self.state.segment(i, s).is_some_and(|s| s.leg.is_some_and(|leg| self.state.legs.contains_key(&leg)))
        })
    }

    /// Offline at once, offers withdrawn, wrap-ups and watches ended; the seat is given back when the last work is done.
    pub(super) fn leave(&mut self, agent: AgentId, why: SignOutCause, cause: PresenceCause, by: Option<UserId>) {
        self.emit(EventBody::AgentLeaving { agent, why });
        self.change_presence(agent, Presence::Offline, cause, by);
        for (interaction, segment) in self.work_of(agent) {
            let Some(s) = self.state.segment(interaction, segment) else { continue };
            if s.state == SegmentState::WrapUp {
                self.end_wrap_up(interaction, segment);
            } else if matches!(s.of, SegmentOf::Supervisor { .. }) {
                self.end_watch(interaction, segment);
            }
        }
    }

    pub(super) fn set_presence(
        &mut self,
        agent: AgentId,
        presence: Presence,
        why: PresenceCause,
        by: Option<UserId>,
    ) -> Result<(), Rejected> {
        if let Presence::Break { reason } = presence
            && !self.config.break_reasons.contains_key(&reason)
        {
            return Err(RejectCode::BreakReasonUnknown.into());
        }
        self.change_presence(agent, presence, why, by);
        Ok(())
    }

    /// Whoever is not available any more declines what he is being offered.
    fn change_presence(&mut self, agent: AgentId, presence: Presence, why: PresenceCause, by: Option<UserId>) {
        let Some(a) = self.state.agents.get(&agent) else { return };
        if a.presence != presence {
            self.emit(EventBody::PresenceChanged { agent, presence, why, by });
        }
        if presence != Presence::Available {
            let end = if why == PresenceCause::Agent { OfferEnd::Declined } else { OfferEnd::Withdrawn };
            self.drop_offers(agent, end);
        }
    }

    fn drop_offers(&mut self, agent: AgentId, end: OfferEnd) {
        for (interaction, segment) in self.work_of(agent) {
            if self.state.segment(interaction, segment).is_some_and(|s| s.state == SegmentState::Offered) {
                self.offer_failed(interaction, segment, end);
            }
        }
    }

    pub(super) fn lease_lost(&mut self, agent: AgentId) -> Result<(), Rejected> {
        self.signed_in(agent)?;
        if self.state.agents.get(&agent).is_some_and(|a| a.lease) {
            self.emit(EventBody::LeaseLost { agent, until: None });
            self.leave(agent, SignOutCause::LeaseLost, PresenceCause::LeaseLost, None);
        }
        Ok(())
    }

    pub(super) fn lease_taken(&mut self, agent: AgentId) -> Result<(), Rejected> {
        self.signed_in(agent)?;
        let Some(a) = self.state.agents.get(&agent).filter(|a| !a.lease) else { return Ok(()) };
        let resume = a.resume;
        self.emit(EventBody::LeaseTaken { agent });
        if let Some(presence) = resume {
            self.change_presence(agent, presence, PresenceCause::LeaseTaken, None);
        }
        Ok(())
    }

    pub(super) fn device_ready(&mut self, device: DeviceId) -> Result<(), Rejected> {
        if !self.config.devices.contains_key(&device) {
            return Err(RejectCode::DeviceUnknown.into());
        }
        if self.state.devices.get(&device).is_none_or(|d| d.lost.is_some()) {
            self.emit(EventBody::DeviceReady { device });
        }
        Ok(())
    }

    /// Offers to it go elsewhere; a call on it lives on until the switch says otherwise (a reload replaces the device).
    pub(super) fn device_lost(&mut self, device: DeviceId, why: DeviceLoss) -> Result<(), Rejected> {
        if !self.config.devices.contains_key(&device) {
            return Err(RejectCode::DeviceUnknown.into());
        }
        if self.state.devices.get(&device).is_some_and(|d| d.lost.is_none()) {
            self.emit(EventBody::DeviceLost { device, why });
        }
        if self.state.device_ready(device, &self.config) {
            return Ok(());
        }
        let ringing: Vec<_> = self
            .state
            .offers
            .values()
            .copied()
            .filter(|(i, s)| {
                let voice = self.state.interactions.get(i).is_some_and(|i| i.customer.is_some());
                voice
                    && self.state.segment(*i, *s).is_some_and(|s| {
                        s.state == SegmentState::Offered && s.offer.as_ref().is_some_and(|o| o.device == device)
                    })
            })
            .collect();
        for (interaction, segment) in ringing {
            self.offer_failed(interaction, segment, OfferEnd::Withdrawn);
        }
        Ok(())
    }

    pub(super) fn supervisor_command(&mut self, by: UserId, command: SupervisorCommand) -> Result<(), Rejected> {
        match command {
            SupervisorCommand::SetAgentPresence { agent, presence } => {
                self.signed_in(agent)?;
                self.set_presence(agent, presence, PresenceCause::Supervisor, Some(by))
            }
            SupervisorCommand::SignOutAgent { agent } => {
                self.signed_in(agent)?;
                self.leave(agent, SignOutCause::Supervisor, PresenceCause::Supervisor, Some(by));
                Ok(())
            }
            SupervisorCommand::EndInteraction { interaction } => {
                if !self.state.interactions.contains_key(&interaction) {
                    return Err(RejectCode::InteractionUnknown.into());
                }
                self.end_all(interaction, SegmentEnd::Supervisor);
                Ok(())
            }
            SupervisorCommand::Watch { interaction, segment, mode } => self.watch(by, interaction, segment, mode),
            SupervisorCommand::StopWatching { interaction } => self.stop_watching(by, interaction),
            SupervisorCommand::TakeOver { interaction, segment } => self.take_over(by, interaction, segment),
        }
    }

    pub(super) fn signed_in(&self, agent: AgentId) -> Result<(), Rejected> {
        match self.state.agents.get(&agent) {
            Some(a) if a.seat.is_some() => Ok(()),
            Some(_) | None => Err(RejectCode::AgentNotSignedIn.into()),
        }
    }

    pub(super) fn agents_after_publish(&mut self) {
        let seated: Vec<_> =
            self.state.agents.iter().filter_map(|(a, s)| Some((*a, s.seat.as_ref()?.queues.clone()))).collect();
        for (agent, before) in seated {
            if !self.config.agents.get(&agent).is_some_and(|a| a.active) {
                self.leave(agent, SignOutCause::Removed, PresenceCause::SignedOut, None);
                continue;
            }
            let queues = self.derived.index.queues_of(agent);
            if queues != before {
                self.emit(EventBody::AgentQueuesChanged { agent, queues });
            }
        }
    }
}
