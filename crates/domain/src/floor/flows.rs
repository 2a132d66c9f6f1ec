//! Carrying out flows, and the built-in voicemail and farewell that queues may forward to.
use super::timers::STEP_GUARD;
use super::{Floor, ms};
use crate::config::Place;
use crate::event::{EventBody, PlayWhat, SegmentEnd, SegmentOf, SegmentStart, SegmentState};
use crate::flow::run::{Act, Retry, Then, enter, played};
use crate::flow::{Assign, Flow, Step, StepId};
use crate::id::{BlobId, FlowId, InteractionId, PlayId, PromptId, QueueId, RecordingId, SegmentId};
use crate::leg::{ClipRef, LegCommand};
use crate::mailbox::{CallBack, MessageFor, MessageState};
use std::sync::Arc;

/// Steps carried out without waiting for anything; more is a loop.
const STEPS_AT_ONCE: usize = 100;

impl Floor {
    pub(super) fn start_flow(&mut self, interaction: InteractionId, flow: FlowId, why: SegmentStart) {
        let Some(version) = self.config.flows.get(&flow).map(|f| f.version) else { return self.fail(interaction) };
        let segment = SegmentId(self.mint.next_bits());
        let of = SegmentOf::Flow { flow: Some(flow), version: Some(version), mailbox: None };
        let state = SegmentState::Running;
        self.emit(EventBody::SegmentStarted { interaction, segment, of, why, state, until: None, by: None });
        if self.is_answered(interaction) {
            self.flow_answered(interaction, segment);
        }
    }

    /// A message for this queue, or for nobody in particular.
    pub(super) fn start_voicemail(
        &mut self,
        interaction: InteractionId,
        queue: Option<QueueId>,
        greeting: Option<PromptId>,
        why: SegmentStart,
    ) {
        let rules = self.config.mailbox(queue);
        if !rules.on {
            return self.start_farewell(interaction, None, why);
        }
        let greeting = greeting.or(rules.greeting);
        self.start_builtin(interaction, SegmentState::Voicemail, queue, PlayWhat::Greeting, greeting, why);
    }

    pub(super) fn start_farewell(&mut self, interaction: InteractionId, prompt: Option<PromptId>, why: SegmentStart) {
        self.start_builtin(interaction, SegmentState::Running, None, PlayWhat::Farewell, prompt, why);
    }

    /// The playback is decided at once and ordered when the caller can hear it.
    fn start_builtin(
        &mut self,
        interaction: InteractionId,
        state: SegmentState,
        mailbox: Option<QueueId>,
        what: PlayWhat,
        prompt: Option<PromptId>,
        why: SegmentStart,
    ) {
        let segment = SegmentId(self.mint.next_bits());
        let of = SegmentOf::Flow { flow: None, version: None, mailbox };
        self.emit(EventBody::SegmentStarted { interaction, segment, of, why, state, until: None, by: None });
        self.greet(interaction, segment, what, prompt);
    }

    fn greet(&mut self, interaction: InteractionId, segment: SegmentId, what: PlayWhat, prompt: Option<PromptId>) {
        let play = PlayId(self.mint.next_bits());
        let until = Some(self.now + STEP_GUARD);
        self.emit(EventBody::PlayStarted { interaction, segment, play, what, until });
        if self.is_answered(interaction) {
            self.greet_now(interaction, play, prompt);
        } else {
            self.unheard.insert(interaction, (play, prompt));
        }
    }

    fn greet_now(&mut self, interaction: InteractionId, play: PlayId, prompt: Option<PromptId>) {
        match (prompt, self.ear(interaction)) {
            (Some(prompt), Some((leg, lang))) => self.order_play(leg, play, &[prompt], lang, false),
            (Some(_), None) | (None, _) => self.play_ended(interaction, play, ""),
        }
    }

    fn is_answered(&self, interaction: InteractionId) -> bool {
        self.state.customer(interaction).is_some_and(|(_, leg)| leg.answered.is_some())
    }

    /// The caller can hear now.
    pub(super) fn flow_answered(&mut self, interaction: InteractionId, segment: SegmentId) {
        let Some(s) = self.state.segment(interaction, segment) else { return };
        match (&s.of, s.play) {
            (SegmentOf::Flow { flow: Some(_), .. }, None) if s.step.is_none() => {
                let Some(start) = self.flow_of(interaction, segment).map(|f| f.start.clone()) else {
                    return self.finish_flow(interaction, segment, SegmentEnd::Error);
                };
                self.enter_step(interaction, segment, start);
            }
            (SegmentOf::Flow { flow: None, .. }, Some((play, PlayWhat::Greeting | PlayWhat::Farewell))) => {
                if let Some((_, prompt)) = self.unheard.remove(&interaction).filter(|(p, _)| *p == play) {
                    self.greet_now(interaction, play, prompt);
                }
            }
            _ => {}
        }
    }

    pub(super) fn flow_of(&self, interaction: InteractionId, segment: SegmentId) -> Option<Arc<Flow>> {
        match self.state.segment(interaction, segment)?.of {
            SegmentOf::Flow { flow: Some(flow), version: Some(version), .. } => {
                self.flows.get(&(flow, version)).cloned()
            }
            SegmentOf::Flow { .. }
            | SegmentOf::Queue { .. }
            | SegmentOf::Agent { .. }
            | SegmentOf::Device { .. }
            | SegmentOf::Outside { .. }
            | SegmentOf::Parked { .. }
            | SegmentOf::Supervisor { .. } => None,
        }
    }

    fn enter_step(&mut self, interaction: InteractionId, segment: SegmentId, first: StepId) {
        let (mut id, mut attempt, mut retry) = (first, 1u8, None);
        for _ in 0..STEPS_AT_ONCE {
            match self.one_step(interaction, segment, &id, attempt, retry) {
                Some(next) => (id, attempt, retry) = next,
                None => return,
            }
        }
        self.finish_flow(interaction, segment, SegmentEnd::Error);
    }

    /// What a step comes to now.
    pub(super) fn act(&self, step: &Step, retry: Option<Retry>) -> Act {
        // A calendar that is gone counts as open, like a queue without one.
        let hours = |c| self.config.calendars.get(&c).map_or(crate::calendar::Hours::Open, |c| c.hours_at(self.now));
        enter(step, retry, hours)
    }

    /// Carries out one step; the next one, unless something has to happen first.
    fn one_step(
        &mut self,
        interaction: InteractionId,
        segment: SegmentId,
        id: &StepId,
        attempt: u8,
        retry: Option<Retry>,
    ) -> Option<(StepId, u8, Option<Retry>)> {
        let flow = self.flow_of(interaction, segment);
        let Some(step) = flow.as_ref().and_then(|f| f.steps.get(id)) else {
            self.finish_flow(interaction, segment, SegmentEnd::Error);
            return None;
        };
        let act = self.act(step, retry);
        let play = matches!(&act, Act::Play { prompts, collect, .. } if !prompts.is_empty() || collect.is_some())
            .then(|| PlayId(self.mint.next_bits()));
        let until = play.map(|_| self.now + STEP_GUARD);
        self.emit(EventBody::StepEntered { interaction, segment, step: id.clone(), attempt, play, until });
        let fresh = |next: StepId| Some((next, 1, None));
        match act {
            Act::Go(next) => fresh(next),
            Act::Set(assign, next) => {
                self.assign(interaction, assign);
                fresh(next)
            }
            Act::Play { prompts, interruptible, collect } => {
                let Some(play) = play else {
                    return match played(step, attempt, "") {
                        Then::Go(next) => fresh(next),
                        Then::Again(_) | Then::Collected { .. } | Then::HangUp => {
                            self.finish_flow(interaction, segment, SegmentEnd::Error);
                            None
                        }
                    };
                };
                if let Some((leg, lang)) = self.ear(interaction) {
                    let clips = prompts.into_iter().map(|prompt| ClipRef { prompt, lang }).collect();
                    self.order(LegCommand::Play { leg, play, clips, looped: false, interruptible, collect });
                }
                None
            }
            Act::Queue { queue, priority } => {
                self.emit(EventBody::SegmentEnded { interaction, segment, why: SegmentEnd::MovedOn });
                self.enter_queue(interaction, queue, priority, SegmentStart::Flow, 0, Place::Back);
                None
            }
            Act::Transfer(flow) => {
                self.emit(EventBody::SegmentEnded { interaction, segment, why: SegmentEnd::MovedOn });
                self.forward_flow(interaction, flow);
                None
            }
            Act::Voicemail { greeting, queue } => {
                let rules = self.config.mailbox(queue.or_else(|| self.last_queue(interaction)));
                let greeting = greeting.or(rules.greeting);
                if !rules.on {
                    self.greet(interaction, segment, PlayWhat::Farewell, None);
                    return None;
                }
                let state = SegmentState::Voicemail;
                self.emit(EventBody::SegmentStateChanged { interaction, segment, state, until: None, ended: None });
                self.greet(interaction, segment, PlayWhat::Greeting, greeting);
                None
            }
            Act::HangUp { prompt } => {
                self.greet(interaction, segment, PlayWhat::Farewell, prompt);
                None
            }
        }
    }

    fn assign(&mut self, interaction: InteractionId, assign: Assign) {
        match assign {
            Assign::Language { lang } => self.emit(EventBody::LanguageSet { interaction, lang }),
            Assign::Priority { priority } => self.emit(EventBody::PrioritySet { interaction, priority }),
            Assign::Variable { name, value } => self.emit(EventBody::VariableSet { interaction, name, value }),
        }
    }

    /// A playback of this interaction came to its end, with these digits.
    pub(super) fn play_ended(&mut self, interaction: InteractionId, play: PlayId, digits: &str) {
        let Some(i) = self.state.interactions.get(&interaction) else { return };
        let found = i.segments.iter().find_map(|(id, s)| {
            let of_step = s.step.as_ref().is_some_and(|step| step.play == Some(play));
            let what = s.play.filter(|(p, _)| *p == play).map(|(_, what)| what);
            (of_step || what.is_some()).then_some((*id, what))
        });
        match found {
            Some((segment, Some(PlayWhat::Notice))) => self.queue_welcome(interaction, segment),
            Some((segment, Some(PlayWhat::Welcome | PlayWhat::Comfort))) => self.play_music(interaction, segment),
            Some((segment, Some(PlayWhat::Greeting))) => self.take_message(interaction, segment),
            Some((segment, Some(PlayWhat::Farewell))) => {
                self.finish_flow(interaction, segment, SegmentEnd::Finished);
            }
            Some((_, Some(PlayWhat::Music | PlayWhat::HoldMusic))) | None => {}
            Some((segment, None)) => self.step_played(interaction, segment, digits),
        }
    }

    pub(super) fn step_timed_out(&mut self, interaction: InteractionId, segment: SegmentId) {
        self.step_played(interaction, segment, "");
    }

    fn step_played(&mut self, interaction: InteractionId, segment: SegmentId, digits: &str) {
        let Some(at) = self.state.segment(interaction, segment).and_then(|s| s.step.clone()) else { return };
        let flow = self.flow_of(interaction, segment);
        let Some(step) = flow.as_ref().and_then(|f| f.steps.get(&at.step)) else {
            return self.finish_flow(interaction, segment, SegmentEnd::Error);
        };
        match played(step, at.attempt, digits) {
            Then::Go(next) => self.enter_step(interaction, segment, next),
            Then::Again(retry) => {
                let attempt = at.attempt.saturating_add(1);
                self.one_step(interaction, segment, &at.step, attempt, Some(retry));
            }
            Then::Collected { variable, digits, sensitive, next } => {
                let count = u8::try_from(digits.len()).unwrap_or(u8::MAX);
                let sensitive = sensitive || self.is_masked(interaction);
                let (step, name) = (at.step, variable.clone());
                let keyed = EventBody::DigitsCollected { interaction, segment, step, variable: name, count, sensitive };
                self.emit(keyed);
                if !sensitive {
                    self.keyed.entry(interaction).or_default().insert(variable, digits);
                }
                self.enter_step(interaction, segment, next);
            }
            Then::HangUp => self.finish_flow(interaction, segment, SegmentEnd::Finished),
        }
    }

    /// The greeting is over: record until the caller hangs up, presses `#`, or has spoken long enough.
    fn take_message(&mut self, interaction: InteractionId, segment: SegmentId) {
        let Some(s) = self.state.segment(interaction, segment) else { return };
        let (step, sent_by) = match &s.of {
            SegmentOf::Flow { mailbox, .. } => (s.step.as_ref().map(|s| s.step.clone()), *mailbox),
            _ => (None, None),
        };
        let (length, of_step) = match step.and_then(|id| self.flow_of(interaction, segment)?.steps.get(&id).cloned()) {
            Some(Step::Voicemail { max_length, queue, .. }) => (Some(max_length), queue),
            _ => (None, None),
        };
        let queue = of_step.or(sent_by).or_else(|| self.last_queue(interaction));
        let rules = self.config.mailbox(queue);
        let until = Some(self.now + length.unwrap_or(rules.max));
        let message = Some(MessageFor { queue, least_ms: ms(rules.least) });
        let state = SegmentState::Voicemail;
        self.emit(EventBody::SegmentStateChanged { interaction, segment, state, until, ended: None });
        if let Some((leg, _)) = self.ear(interaction) {
            self.record(interaction, segment, leg, None, None, message);
        }
    }

    /// Whose customer he is, or was last.
    fn last_queue(&self, interaction: InteractionId) -> Option<QueueId> {
        self.state.interactions.get(&interaction)?.queue
    }

    /// A message is stored: somebody is told of it, unless nothing is to be heard in it.
    pub(super) fn message_stored(&mut self, recording: RecordingId, blob: BlobId, length_ms: u64, heard_ms: u64) {
        let Some(message) = self.state.messages.get(&recording).copied() else { return };
        let interaction = message.interaction;
        if heard_ms < message.least_ms {
            self.emit(EventBody::MessageDiscarded { interaction, recording, blob, heard_ms });
        } else {
            self.emit(EventBody::MessageLeft { interaction, recording, length_ms });
        }
    }

    /// Whom a call of ours called back has answered: his message is done with.
    pub(super) fn called_back(&mut self, call: InteractionId) {
        let Some(i) = self.state.interactions.get(&call) else { return };
        let Some(CallBack { of: interaction, message: Some(recording) }) = i.back else { return };
        let agent = i.segments.values().find_map(|s| s.agent());
        let by = agent.and_then(|a| self.config.agents.get(&a)).map(|a| a.user);
        let (state, call) = (MessageState::Handled, Some(call));
        self.emit(EventBody::MessageMarked { interaction, recording, state, by, call });
    }

    fn forward_flow(&mut self, interaction: InteractionId, flow: FlowId) {
        self.forward(interaction, crate::config::Destination::Flow { flow }, None, SegmentStart::Flow, 0);
    }

    /// The flow is over, and with it the call.
    pub(super) fn finish_flow(&mut self, interaction: InteractionId, segment: SegmentId, why: SegmentEnd) {
        let recording = self.state.segment(interaction, segment).and_then(|s| s.recording);
        if let Some(recording) = recording.filter(|r| self.state.recordings.contains_key(r)) {
            self.order(LegCommand::StopRecording { recording });
        }
        self.emit(EventBody::SegmentEnded { interaction, segment, why });
        if let Some((leg, _)) = self.state.customer(interaction) {
            self.hang_up(leg, crate::leg::EndCause::Hangup);
        }
    }
}
