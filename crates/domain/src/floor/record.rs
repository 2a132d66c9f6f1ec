//! Recording: which conversations are, what is left out of their recordings, and how people are told. All of it follows
//! from the segments, the rules ([`crate::recording`]) and the agents' wishes, and is brought up to date after every
//! decision, as who hears whom is.
use std::time::Duration;

use super::Floor;
use super::state::{Interaction, RecordAt, Segment};
use crate::event::{EventBody, SegmentState};
use crate::id::{AgentId, InteractionId, LegId, PlayId, PromptId, QueueId, RecordingId, SegmentId};
use crate::input::{RejectCode, Rejected};
use crate::leg::{GapCause, LegCommand};
use crate::medium::Medium;
use crate::recording::{Concerned, Decision, MaskEnd, Notice, RecordMode, decide};

/// A mask is never shorter or longer than this, whatever the company says.
const MASK_LEAST: Duration = Duration::from_secs(5);
const MASK_MOST: Duration = Duration::from_secs(900);

impl Floor {
    /// What the rules come to for a conversation of this agent and queue.
    fn decision(
        &self,
        interaction: InteractionId,
        i: &Interaction,
        agent: Option<AgentId>,
        queue: Option<QueueId>,
        forbidden: Option<AgentId>,
    ) -> Decision {
        let rule_of_agent = |agent| self.config.agents.get(&agent).and_then(|a| a.record);
        let concerned = Concerned {
            agent: agent.map(|agent| (agent, rule_of_agent(agent))),
            queue: queue.map(|queue| (queue, self.queue_config(queue).and_then(|q| q.record))),
            number: i.number.map(|number| (number, self.config.numbers.get(&number).and_then(|n| n.record))),
            outbound: i.dial.is_some().then_some(self.config.outbound.record),
            forbidden,
        };
        decide(interaction, &self.config.recording, &concerned)
    }

    /// Decides anew who is recorded, starts and stops what differs, and lists silence where it is due.
    pub(super) fn settle_recordings(&mut self, interaction: InteractionId) {
        let Some(i) = self.state.interactions.get(&interaction).filter(|i| i.medium == Medium::Voice) else { return };
        let talks: Vec<SegmentId> = i.segments.iter().filter(|(_, s)| is_talk(s)).map(|(id, _)| *id).collect();
        for segment in talks {
            let Some(i) = self.state.interactions.get(&interaction) else { return };
            let Some(s) = i.segments.get(&segment) else { continue };
            let others = i.segments.iter().filter(|(id, s)| **id != segment && is_talk(s));
            let forbidden = others.filter_map(|(_, s)| s.agent()).find(|agent| {
                let rule = self.config.agents.get(agent).and_then(|a| a.record);
                rule.is_some_and(|r| r.mode == RecordMode::Forbidden)
            });
            let decision = self.decision(interaction, i, s.agent(), s.queue(), forbidden);
            let asked = s.record.as_ref().and_then(|r| r.asked).filter(|_| decision.mode == RecordMode::OnDemand);
            let on = asked.unwrap_or(decision.on);
            let known = s.record.as_ref().is_some_and(|r| r.on == on && r.mode == decision.mode && r.of == decision.of);
            if !known {
                self.turn_recording(interaction, segment, on, decision, None);
            }
        }
        self.settle_pauses(interaction);
    }

    /// Starts or stops one, and says why. `by`: the agent who asked.
    fn turn_recording(
        &mut self,
        interaction: InteractionId,
        segment: SegmentId,
        on: bool,
        decision: Decision,
        by: Option<AgentId>,
    ) {
        let Some(s) = self.state.segment(interaction, segment) else { return };
        let (leg, running) = (s.leg, s.recording.filter(|r| self.state.recordings.contains_key(r)));
        let Decision { mode, of, draw, notice, .. } = decision;
        if let Some(recording) = running.filter(|_| !on) {
            self.order(LegCommand::StopRecording { recording });
        }
        self.emit(EventBody::RecordingDecided { interaction, segment, on, mode, of, draw, by });
        let customer = self.state.customer(interaction).map(|(leg, _)| leg);
        let (Some(customer), Some(leg)) = (customer, leg.filter(|_| on && running.is_none())) else { return };
        let beep_s = match notice {
            Notice::Beep { every_s } => Some(every_s),
            Notice::None | Notice::Announcement { .. } => None,
        };
        self.record(interaction, segment, customer, Some(leg), beep_s, None);
        if let Some(prompt) = notice.prompt() {
            self.announce_recording(interaction, prompt, customer, Some(leg));
        }
    }

    /// Both sides hear it unless the customer has heard it before.
    fn announce_recording(
        &mut self,
        interaction: InteractionId,
        prompt: PromptId,
        customer: LegId,
        agent: Option<LegId>,
    ) {
        let Some(lang) = self.state.interactions.get(&interaction).filter(|i| !i.announced).map(|i| i.lang) else {
            return;
        };
        let play = PlayId(self.mint.next_bits());
        self.announcing.insert(interaction, (play, prompt));
        self.order_play(customer, play, &[prompt], lang, false);
        if let Some(agent) = agent {
            let play = PlayId(self.mint.next_bits());
            self.order_play(agent, play, &[prompt], lang, false);
        }
    }

    /// What a caller hears before anything else of a queue, if its conversations may be recorded and he has not been told.
    pub(super) fn notice_of(&self, interaction: InteractionId, queue: QueueId) -> Option<PromptId> {
        let i = self.state.interactions.get(&interaction).filter(|i| !i.announced)?;
        let decision = self.decision(interaction, i, None, Some(queue), None);
        let may_be = decision.on || decision.mode == RecordMode::OnDemand;
        decision.notice.prompt().filter(|_| may_be)
    }

    /// The customer has heard a playback to its end: was it that he is recorded?
    pub(super) fn notice_heard(&mut self, interaction: InteractionId, play: PlayId) {
        if let Some((_, prompt)) = self.announcing.get(&interaction).copied().filter(|(p, _)| *p == play) {
            self.announcing.remove(&interaction);
            self.emit(EventBody::RecordingAnnounced { interaction, prompt });
        }
    }

    pub(super) fn start_recording(
        &mut self,
        agent: AgentId,
        interaction: InteractionId,
        segment: SegmentId,
    ) -> Result<(), Rejected> {
        self.ask_recording(agent, interaction, segment, true)
    }

    pub(super) fn stop_recording(
        &mut self,
        agent: AgentId,
        interaction: InteractionId,
        segment: SegmentId,
    ) -> Result<(), Rejected> {
        self.ask_recording(agent, interaction, segment, false)
    }

    fn ask_recording(
        &mut self,
        agent: AgentId,
        interaction: InteractionId,
        segment: SegmentId,
        on: bool,
    ) -> Result<(), Rejected> {
        let Some(i) = self.state.interactions.get(&interaction) else { return Err(RejectCode::SegmentState.into()) };
        let at = i.segments.get(&segment).and_then(|s| s.record.clone());
        let Some(at) = at.filter(|r| r.mode == RecordMode::OnDemand) else {
            return Err(RejectCode::RecordingRuled.into());
        };
        if at.on != on {
            let queue = i.segments.get(&segment).and_then(Segment::queue);
            let decision = self.decision(interaction, i, Some(agent), queue, None);
            let decision = Decision { mode: at.mode, of: at.of, ..decision };
            self.turn_recording(interaction, segment, on, decision, Some(agent));
            self.settle_pauses(interaction);
        }
        Ok(())
    }

    /// Nothing of the interaction is recorded until it is unmasked or the time is over; asked again, the time begins anew.
    pub(super) fn mask(&mut self, agent: AgentId, interaction: InteractionId, segment: SegmentId) {
        let length = Duration::from_secs(self.config.recording.mask_s.into()).clamp(MASK_LEAST, MASK_MOST);
        let until = self.now + length;
        self.emit(EventBody::MaskStarted { interaction, segment, agent, until });
        self.settle_pauses(interaction);
    }

    pub(super) fn unmask(&mut self, interaction: InteractionId, agent: Option<AgentId>) {
        if self.state.interactions.get(&interaction).is_some_and(|i| i.masked.is_some()) {
            let why = if agent.is_some() { MaskEnd::Agent } else { MaskEnd::TimedOut };
            self.emit(EventBody::MaskEnded { interaction, why, agent });
            self.settle_pauses(interaction);
        }
    }

    pub(super) fn is_masked(&self, interaction: InteractionId) -> bool {
        self.state.interactions.get(&interaction).is_some_and(|i| i.masked.is_some())
    }

    /// Recordings list a mask, and what is not talk as hold.
    pub(super) fn settle_pauses(&mut self, interaction: InteractionId) {
        for (recording, why) in self.pauses(interaction) {
            if self.paused.get(&recording).copied() != why {
                self.pause(recording, why);
            }
        }
    }

    /// After a crash, whatever was ordered before it.
    pub(super) fn pause_again(&mut self, interaction: InteractionId) {
        for (recording, why) in self.pauses(interaction) {
            self.pause(recording, why);
        }
    }

    fn pauses(&self, interaction: InteractionId) -> Vec<(RecordingId, Option<GapCause>)> {
        let Some(i) = self.state.interactions.get(&interaction) else { return Vec::new() };
        i.segments
            .values()
            .filter(|s| s.in_conversation())
            .filter_map(|s| Some((s.recording.filter(|r| self.state.recordings.contains_key(r))?, s.state)))
            .map(|(recording, state)| {
                let hold = (state != SegmentState::Talking).then_some(GapCause::Hold);
                (recording, i.masked.map(|_| GapCause::Mask).or(hold))
            })
            .collect()
    }

    fn pause(&mut self, recording: RecordingId, why: Option<GapCause>) {
        match why {
            Some(why) => self.paused.insert(recording, why),
            None => self.paused.remove(&recording),
        };
        self.order(LegCommand::PauseRecording { recording, why });
    }

    /// Its agent speaks by another leg from here on: what was recorded is one file, what comes is the next.
    pub(super) fn record_further(&mut self, interaction: InteractionId, segment: SegmentId) {
        let Some(i) = self.state.interactions.get(&interaction) else { return };
        let Some(s) = i.segments.get(&segment) else { return };
        let Some(recording) = s.recording.filter(|r| self.state.recordings.contains_key(r)) else { return };
        let (Some(customer), Some(leg)) = (i.customer, s.leg) else { return };
        let beep_s = match self.decision(interaction, i, s.agent(), s.queue(), None).notice {
            Notice::Beep { every_s } => Some(every_s),
            Notice::None | Notice::Announcement { .. } => None,
        };
        self.order(LegCommand::StopRecording { recording });
        self.record(interaction, segment, customer, Some(leg), beep_s, None);
        self.settle_pauses(interaction);
    }

    /// Recordings that did not outlive a crash are begun anew, with the beep or announcement that belongs to them.
    pub(super) fn record_again(&mut self, interaction: InteractionId) {
        let Some(i) = self.state.interactions.get(&interaction) else { return };
        let is_lost = |s: &Segment| s.recording.is_some_and(|r| !self.state.recordings.contains_key(&r));
        let again: Vec<(SegmentId, Decision)> = i
            .segments
            .iter()
            .filter(|(_, s)| is_talk(s) && is_lost(s))
            .filter_map(|(id, s)| {
                let at = s.record.as_ref().filter(|r| r.on)?;
                let decision = self.decision(interaction, i, s.agent(), s.queue(), None);
                Some((*id, Decision { mode: at.mode, of: at.of, ..decision }))
            })
            .collect();
        for (segment, decision) in again {
            self.turn_recording(interaction, segment, true, decision, None);
        }
    }
}

/// A conversation with the customer that has begun.
fn is_talk(s: &Segment) -> bool {
    s.has_customer() && s.answered.is_some()
}

impl RecordAt {
    /// The agent may start or stop it.
    pub(super) fn on_demand(&self) -> bool {
        self.mode == RecordMode::OnDemand
    }
}
