//! An agent's commands about his work, and what follows the conversation: wrap-up and disposition.
use std::time::Duration;

use super::Floor;
use super::state::Segment;
use super::transfer::only_consulted;
use crate::command::AgentCommand;
use crate::config::WrapUpMode;
use crate::event::{EventBody, OfferEnd, PresenceCause, SegmentEnd, SegmentOf, SegmentState, SignOutCause};
use crate::id::{AgentId, DispositionId, InteractionId, OfferId, SegmentId};
use crate::input::{RejectCode, Rejected};
use crate::leg::{EndCause, LegCommand};

/// Longest wrap-up an agent can give himself, from now.
const WRAP_UP_MAX: Duration = Duration::from_secs(600);
const DIGITS_MAX: usize = 32;
const CONVERSATION: &[SegmentState] = &[SegmentState::Talking, SegmentState::Held, SegmentState::Consulting];

impl Floor {
    pub(super) fn agent_command(&mut self, agent: AgentId, command: AgentCommand) -> Result<(), Rejected> {
        if !self.config.agents.get(&agent).is_some_and(|a| a.active) && !self.state.agents.contains_key(&agent) {
            return Err(RejectCode::AgentUnknown.into());
        }
        if let AgentCommand::SignIn { device, seat } = command {
            if !self.config.agents.get(&agent).is_some_and(|a| a.active) {
                return Err(RejectCode::AgentUnknown.into());
            }
            return self.sign_in(agent, device, seat);
        }
        self.signed_in(agent)?;
        match command {
            // Both are taken before.
            AgentCommand::SignIn { .. } | AgentCommand::Dial { .. } => {}
            AgentCommand::SignOut => self.leave(agent, SignOutCause::Agent, PresenceCause::SignedOut, None),
            AgentCommand::SetPresence { presence } => {
                if self.state.agents.get(&agent).is_some_and(|a| a.leaving.is_some()) {
                    return Err(RejectCode::AgentNotSignedIn.into());
                }
                self.set_presence(agent, presence, PresenceCause::Agent, None)?;
            }
            AgentCommand::AcceptOffer { offer } => self.accept(agent, offer)?,
            AgentCommand::DeclineOffer { offer } => self.decline(agent, offer)?,
            AgentCommand::Hold { segment } => {
                let i = self.own(agent, segment, &[SegmentState::Talking, SegmentState::Held])?;
                self.hold(i, segment);
            }
            AgentCommand::Resume { segment } => {
                let i = self.own(agent, segment, &[SegmentState::Talking, SegmentState::Held])?;
                let leg = self.state.segment(i, segment).and_then(|s| s.leg);
                if leg.and_then(|l| self.state.legs.get(&l)).is_some_and(|l| l.peer_held) {
                    return Err(RejectCode::SegmentState.into());
                }
                self.resume(i, segment);
            }
            AgentCommand::Mute { segment, muted } => {
                let states = [SegmentState::Talking, SegmentState::Held, SegmentState::Consulting];
                let interaction = self.own(agent, segment, &states)?;
                let leg = self.leg_of(interaction, segment)?;
                if self.state.legs.get(&leg).is_some_and(|l| l.muted != muted) {
                    self.emit(EventBody::LegMuted { interaction, leg, muted });
                    self.order(LegCommand::Mute { leg, muted });
                }
            }
            AgentCommand::StartRecording { segment } => {
                let i = self.own(agent, segment, CONVERSATION)?;
                self.start_recording(agent, i, segment)?;
            }
            AgentCommand::StopRecording { segment } => {
                let i = self.own(agent, segment, CONVERSATION)?;
                self.stop_recording(agent, i, segment)?;
            }
            AgentCommand::Mask { segment } => {
                let i = self.own(agent, segment, CONVERSATION)?;
                self.mask(agent, i, segment);
            }
            AgentCommand::Unmask { segment } => {
                let i = self.own(agent, segment, CONVERSATION)?;
                self.unmask(i, Some(agent));
            }
            AgentCommand::SendDigits { segment, digits } => {
                let i = self.own(agent, segment, &[SegmentState::Talking, SegmentState::Consulting])?;
                let valid = digits.chars().all(|c| matches!(c, '0'..='9' | '*' | '#' | 'A'..='D'));
                if !valid || digits.is_empty() || digits.len() > DIGITS_MAX {
                    return Err(RejectCode::DigitsInvalid.into());
                }
                let consults = self.state.segment(i, segment).is_some_and(|s| s.state == SegmentState::Consulting);
                let other = self.asked(i, segment).and_then(|s| self.state.segment(i, s)?.leg);
                let leg = if consults { other } else { self.state.customer(i).map(|(leg, _)| leg) };
                let leg = leg.ok_or(RejectCode::SegmentState)?;
                self.order(LegCommand::SendDigits { leg, digits });
            }
            AgentCommand::HangUp { segment } => {
                let states = [
                    SegmentState::Connecting,
                    SegmentState::Talking,
                    SegmentState::Held,
                    SegmentState::Consulting,
                    SegmentState::Watching,
                ];
                let i = self.own(agent, segment, &states)?;
                if self.asked(i, segment).is_some() && !self.is_inside(i) {
                    return Err(RejectCode::SegmentState.into());
                }
                let s = self.state.segment(i, segment);
                if s.is_some_and(|s| matches!(s.of, SegmentOf::Supervisor { .. })) {
                    self.end_watch(i, segment);
                } else if s.is_some_and(Segment::in_conversation) {
                    self.end_talk(i, segment, SegmentEnd::AgentHungUp);
                } else {
                    self.offer_failed(i, segment, OfferEnd::Declined);
                }
            }
            AgentCommand::Transfer { segment, to } => {
                let i = self.own(agent, segment, &[SegmentState::Talking, SegmentState::Held])?;
                self.transfer(i, segment, to)?;
            }
            AgentCommand::Consult { segment, to } => {
                let i = self.own(agent, segment, &[SegmentState::Talking, SegmentState::Held])?;
                self.consult(i, segment, to, None)?;
            }
            AgentCommand::SwitchParty { segment } => {
                let i = self.own(agent, segment, CONVERSATION)?;
                self.switch_party(i, segment)?;
            }
            AgentCommand::CompleteTransfer { segment } => {
                let i = self.own(agent, segment, CONVERSATION)?;
                self.complete_transfer(i, segment)?;
            }
            AgentCommand::Conference { segment } => {
                let i = self.own(agent, segment, CONVERSATION)?;
                self.conference(i, segment)?;
            }
            AgentCommand::EndConsult { segment } => {
                let i = self.own(agent, segment, CONVERSATION)?;
                self.end_consult(i, segment)?;
            }
            AgentCommand::Park { segment } => {
                let i = self.own(agent, segment, &[SegmentState::Talking, SegmentState::Held])?;
                self.park(i, segment)?;
            }
            AgentCommand::PickUp { interaction } => self.pick_up(agent, interaction)?,
            AgentCommand::SetDisposition { segment, disposition, note } => {
                let states =
                    [SegmentState::Talking, SegmentState::Held, SegmentState::Consulting, SegmentState::WrapUp];
                let interaction = self.own(agent, segment, &states)?;
                if !self.dispositions(interaction, segment).contains(&disposition) {
                    return Err(RejectCode::DispositionUnknown.into());
                }
                self.emit(EventBody::DispositionSet { interaction, segment, disposition, note });
            }
            AgentCommand::EndWrapUp { segment } => {
                let i = self.own(agent, segment, &[SegmentState::WrapUp])?;
                let given = self.state.segment(i, segment).is_some_and(|s| s.disposition.is_some());
                if !given && self.wrap_up_mode(i, segment) == WrapUpMode::Required {
                    return Err(RejectCode::DispositionRequired.into());
                }
                self.end_wrap_up(i, segment);
            }
            AgentCommand::ExtendWrapUp { segment, by } => {
                let interaction = self.own(agent, segment, &[SegmentState::WrapUp])?;
                let until = self.state.segment(interaction, segment).and_then(|s| s.until);
                let Some(until) = until else { return Err(RejectCode::SegmentState.into()) };
                let until = (until + by.min(WRAP_UP_MAX)).min(self.now + WRAP_UP_MAX).max(until);
                self.emit(EventBody::WrapUpExtended { interaction, segment, until });
            }
        }
        Ok(())
    }

    fn accept(&mut self, agent: AgentId, offer: OfferId) -> Result<(), Rejected> {
        let (interaction, segment) = self.own_offer(agent, offer)?;
        let Some(s) = self.state.segment(interaction, segment) else { return Err(RejectCode::OfferGone.into()) };
        match s.state {
            // The phone itself rings and is answered there.
            SegmentState::Offered if s.leg.is_some() => Err(RejectCode::SegmentState.into()),
            SegmentState::Offered => {
                self.accepted(interaction, segment);
                Ok(())
            }
            SegmentState::Connecting | SegmentState::Talking | SegmentState::Held | SegmentState::Consulting => Ok(()),
            SegmentState::Watching
            | SegmentState::WrapUp
            | SegmentState::Running
            | SegmentState::Voicemail
            | SegmentState::Echo
            | SegmentState::Parked
            | SegmentState::Waiting => Err(RejectCode::OfferGone.into()),
        }
    }

    fn decline(&mut self, agent: AgentId, offer: OfferId) -> Result<(), Rejected> {
        let (interaction, segment) = self.own_offer(agent, offer)?;
        if !self.state.segment(interaction, segment).is_some_and(Segment::is_reaching) {
            return Err(RejectCode::OfferGone.into());
        }
        self.offer_failed(interaction, segment, OfferEnd::Declined);
        Ok(())
    }

    fn own_offer(&self, agent: AgentId, offer: OfferId) -> Result<(InteractionId, SegmentId), Rejected> {
        let gone = Rejected { code: RejectCode::OfferGone };
        let (interaction, segment) = self.state.offers.get(&offer).copied().ok_or(gone)?;
        let own = self.state.segment(interaction, segment).and_then(Segment::agent) == Some(agent);
        if own { Ok((interaction, segment)) } else { Err(gone) }
    }

    /// The interaction of the agent's own segment, if it is in one of these states.
    fn own(&self, agent: AgentId, segment: SegmentId, states: &[SegmentState]) -> Result<InteractionId, Rejected> {
        let work = self.state.agents.get(&agent).and_then(|a| a.work.get(&segment));
        let interaction = *work.ok_or(RejectCode::SegmentNotYours)?;
        match self.state.segment(interaction, segment) {
            Some(s) if states.contains(&s.state) => Ok(interaction),
            Some(_) | None => Err(RejectCode::SegmentState.into()),
        }
    }

    fn leg_of(&self, interaction: InteractionId, segment: SegmentId) -> Result<crate::id::LegId, Rejected> {
        let leg = self.state.segment(interaction, segment).and_then(|s| s.leg);
        Ok(leg.ok_or(RejectCode::SegmentState)?)
    }

    /// Live segments of an agent, as a list that survives changes.
    pub(super) fn work_of(&self, agent: AgentId) -> Vec<(InteractionId, SegmentId)> {
        let work = self.state.agents.get(&agent).map(|a| &a.work);
        work.into_iter().flatten().map(|(segment, interaction)| (*interaction, *segment)).collect()
    }

    pub(super) fn dispositions(&self, interaction: InteractionId, segment: SegmentId) -> Vec<DispositionId> {
        let queue = self.state.segment(interaction, segment).and_then(Segment::queue);
        match queue.and_then(|q| self.queue_config(q)) {
            Some(queue) => queue.dispositions.clone(),
            None => self.config.dispositions.keys().copied().collect(),
        }
    }

    pub(super) fn wrap_up_mode(&self, interaction: InteractionId, segment: SegmentId) -> WrapUpMode {
        let queue = self.state.segment(interaction, segment).and_then(Segment::queue);
        queue.and_then(|q| self.queue_config(q)).map_or(WrapUpMode::None, |q| q.wrap_up.mode)
    }

    /// The agent's conversation is over, whoever ended it. With nobody else in it, the customer goes too.
    pub(super) fn end_talk(&mut self, interaction: InteractionId, segment: SegmentId, why: SegmentEnd) {
        if self.state.segment(interaction, segment).is_some_and(only_consulted) {
            return self.end_consulted(interaction, segment);
        }
        if let Some(other) = self.asked(interaction, segment) {
            if self.is_inside(interaction) {
                self.leave_talk(interaction, segment, why);
            }
            self.drop_consulted(interaction, other);
        }
        let customer = self.state.customer(interaction).map(|(leg, _)| leg);
        let alone = !self.has_others(interaction, segment);
        self.leave_talk(interaction, segment, why);
        if let Some(customer) = customer.filter(|_| alone) {
            self.hang_up(customer, EndCause::Hangup);
        }
    }

    /// The agent goes and wraps up; the customer stays.
    pub(super) fn leave_talk(&mut self, interaction: InteractionId, segment: SegmentId, why: SegmentEnd) {
        let Some(s) = self.state.segment(interaction, segment) else { return };
        let (legs, recording, agent) = ([s.leg, s.aside, s.next], s.recording, s.agent());
        let queue = s.queue();
        let is_agent = matches!(s.of, SegmentOf::Agent { .. });
        if let Some(recording) = recording.filter(|r| self.state.recordings.contains_key(r)) {
            self.order(LegCommand::StopRecording { recording });
        }
        for leg in legs.into_iter().flatten() {
            self.hang_up(leg, EndCause::Hangup);
        }
        self.leave_to_others(interaction, segment);
        // Nobody is there to wrap up if the agent is leaving or his desk is gone.
        let present = agent.and_then(|a| self.state.agents.get(&a)).is_some_and(|a| a.lease && a.leaving.is_none());
        let rule = queue.and_then(|q| self.queue_config(q)).map(|q| q.wrap_up);
        match rule {
            // A customer in a parking place is not done with.
            Some(rule) if is_agent && present && rule.mode != WrapUpMode::None && why != SegmentEnd::Parked => {
                let until = (rule.mode != WrapUpMode::Required).then(|| self.now + rule.limit);
                let state = SegmentState::WrapUp;
                self.emit(EventBody::SegmentStateChanged { interaction, segment, state, until, ended: Some(why) });
            }
            Some(_) | None => self.emit(EventBody::SegmentEnded { interaction, segment, why }),
        }
    }

    pub(super) fn end_wrap_up(&mut self, interaction: InteractionId, segment: SegmentId) {
        let Some(s) = self.state.segment(interaction, segment) else { return };
        let why = s.ended.unwrap_or(SegmentEnd::AgentHungUp);
        self.emit(EventBody::SegmentEnded { interaction, segment, why });
    }
}
