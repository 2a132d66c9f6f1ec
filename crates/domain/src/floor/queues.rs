//! Waiting lines: entry (hours, room), what the caller hears, overflow; and work that is not a call.
use std::time::Duration;

use super::Floor;
use crate::config::{Destination, Place};
use crate::event::{Direction, EventBody, PlayWhat, SegmentEnd, SegmentOf, SegmentStart, SegmentState};
use crate::id::{AddressId, InteractionId, LegId, PlayId, PromptId, QueueId, SegmentId};
use crate::input::{RejectCode, Rejected};
use crate::leg::{ClipRef, LegCommand};
use crate::localized::Lang;
use crate::medium::Medium;

/// Closed and full queues may point at one another; beyond this many the call ends with an error.
const FORWARDS_MAX: u8 = 8;
/// Segments of one interaction; more is a loop in the configuration.
const HOPS_MAX: u32 = 200;
/// A comfort announcement more often than this would drown the music.
const COMFORT_LEAST: Duration = Duration::from_secs(5);

impl Floor {
    /// `boost`: priority added by the flow's step. `forwards` counts closed and full queues met on the way. `place`: for
    /// those who have waited in this call before.
    pub(super) fn enter_queue(
        &mut self,
        interaction: InteractionId,
        queue: QueueId,
        boost: i32,
        why: SegmentStart,
        forwards: u8,
        place: Place,
    ) {
        let Some(q) = self.queue_config(queue) else { return self.fail(interaction) };
        let Some(i) = self.state.interactions.get(&interaction) else { return };
        let calendar = q.calendar.and_then(|c| self.config.calendars.get(&c));
        if calendar.is_some_and(|c| !c.is_open(self.now)) {
            let to = q.closed.clone();
            return self.forward(interaction, to, Some(queue), SegmentStart::Closed, forwards + 1);
        }
        if self.waiting_in(queue) >= q.max_waiting as usize {
            let to = q.overflow.as_ref().map_or_else(|| q.closed.clone(), |o| o.to.clone());
            return self.forward(interaction, to, Some(queue), SegmentStart::Full, forwards + 1);
        }
        let priority = i.priority.saturating_add(q.priority).saturating_add(boost);
        let shift = q.priority_boost.as_millis().min(i64::MAX as u128) as i64;
        let arrived = i.queued.filter(|_| place == Place::Kept).unwrap_or(self.now);
        let virtual_since = crate::time::Timestamp(arrived.0.saturating_sub(shift.saturating_mul(i64::from(priority))));
        let of = SegmentOf::Queue {
            queue,
            priority,
            virtual_since,
            service_level: q.service_level,
            short_abandon: q.short_abandon,
        };
        let until = q.overflow.as_ref().map(|o| self.now + o.after);
        let segment = SegmentId(self.mint.next_bits());
        let state = SegmentState::Waiting;
        self.emit(EventBody::SegmentStarted { interaction, segment, of, why, state, until, by: None });
        if self.state.customer(interaction).is_some_and(|(_, leg)| leg.answered.is_some()) {
            self.queue_greeting(interaction, segment);
        }
    }

    fn waiting_in(&self, queue: QueueId) -> usize {
        self.derived.lines.get(&queue).copied().unwrap_or(0)
    }

    /// `queue`: which sends the caller there.
    pub(super) fn forward(
        &mut self,
        interaction: InteractionId,
        to: Destination,
        queue: Option<QueueId>,
        why: SegmentStart,
        forwards: u8,
    ) {
        let hops = self.state.interactions.get(&interaction).map_or(0, |i| i.hops);
        if forwards > FORWARDS_MAX || hops > HOPS_MAX {
            return self.fail(interaction);
        }
        let voice = self.state.interactions.get(&interaction).is_some_and(|i| i.medium == Medium::Voice);
        match to {
            Destination::Queue { queue } => {
                self.enter_queue(interaction, queue, 0, why, forwards, Place::Back);
            }
            Destination::Flow { flow } if voice => self.start_flow(interaction, flow, why),
            Destination::Voicemail { greeting } if voice => self.start_voicemail(interaction, queue, greeting, why),
            Destination::HangUp { prompt } if voice => self.start_farewell(interaction, prompt, why),
            Destination::Flow { .. } | Destination::Voicemail { .. } | Destination::HangUp { .. } => {
                let segment = SegmentId(self.mint.next_bits());
                let of = SegmentOf::Flow { flow: None, version: None, mailbox: None };
                let state = SegmentState::Running;
                self.emit(EventBody::SegmentStarted { interaction, segment, of, why, state, until: None, by: None });
                self.emit(EventBody::SegmentEnded { interaction, segment, why: SegmentEnd::Finished });
            }
        }
    }

    /// The configuration leads nowhere: the caller is let go rather than kept for ever.
    pub(super) fn fail(&mut self, interaction: InteractionId) {
        if let Some((leg, _)) = self.state.customer(interaction) {
            self.hang_up(leg, crate::leg::EndCause::SystemError);
        }
    }

    pub(super) fn overflow(&mut self, interaction: InteractionId, segment: SegmentId) {
        let queue = self.state.segment(interaction, segment).and_then(|s| s.queue());
        let to = queue
            .and_then(|q| self.queue_config(q))
            .map(|q| q.overflow.as_ref().map_or_else(|| q.closed.clone(), |o| o.to.clone()))
            .unwrap_or(Destination::HangUp { prompt: None });
        self.emit(EventBody::SegmentEnded { interaction, segment, why: SegmentEnd::Overflow });
        self.forward(interaction, to, queue, SegmentStart::Overflow, 0);
    }

    /// A published revision may remove a queue under its callers.
    pub(super) fn queues_after_publish(&mut self) {
        let orphans: Vec<_> = self
            .state
            .waiting
            .iter()
            .filter(|(s, i)| {
                let queue = self.state.segment(**i, **s).and_then(|s| s.queue());
                queue.is_none_or(|q| !self.config.queues.contains_key(&q))
            })
            .map(|(_, i)| *i)
            .collect();
        for interaction in orphans {
            self.end_all(interaction, SegmentEnd::Error);
        }
    }

    /// That he may be recorded, welcome, then music with a comfort announcement now and then.
    pub(super) fn queue_greeting(&mut self, interaction: InteractionId, segment: SegmentId) {
        let Some(queue) = self.state.segment(interaction, segment).and_then(|s| s.queue()) else { return };
        if let Some(prompt) = self.notice_of(interaction, queue) {
            return self.announce(interaction, segment, PlayWhat::Notice, prompt);
        }
        self.queue_welcome(interaction, segment);
    }

    pub(super) fn queue_welcome(&mut self, interaction: InteractionId, segment: SegmentId) {
        let Some(queue) = self.state.segment(interaction, segment).and_then(|s| s.queue()) else { return };
        match self.queue_config(queue).and_then(|q| q.welcome) {
            Some(prompt) => self.announce(interaction, segment, PlayWhat::Welcome, prompt),
            None => self.play_music(interaction, segment),
        }
    }

    fn announce(&mut self, interaction: InteractionId, segment: SegmentId, what: PlayWhat, prompt: PromptId) {
        let Some((leg, lang)) = self.ear(interaction) else { return };
        let play = PlayId(self.mint.next_bits());
        self.emit(EventBody::PlayStarted { interaction, segment, play, what, until: None });
        if what == PlayWhat::Notice {
            self.announcing.insert(interaction, (play, prompt));
        }
        self.order_play(leg, play, &[prompt], lang, false);
    }

    pub(super) fn play_music(&mut self, interaction: InteractionId, segment: SegmentId) {
        let Some(queue) = self.state.segment(interaction, segment).and_then(|s| s.queue()) else { return };
        let Some((leg, lang)) = self.ear(interaction) else { return };
        let comfort = self.queue_config(queue).filter(|q| q.comfort.is_some()).map(|q| q.comfort_every);
        let music = self.music_of(Some(queue));
        if music.is_none() && comfort.is_none() {
            return;
        }
        let play = PlayId(self.mint.next_bits());
        let until = comfort.map(|every| self.now + every.max(COMFORT_LEAST));
        let what = PlayWhat::Music;
        self.emit(EventBody::PlayStarted { interaction, segment, play, what, until });
        if let Some(music) = music {
            self.order_play(leg, play, &[music], lang, true);
        }
    }

    /// The timer of a playback: comfort is due, or a greeting or farewell never reported its end.
    pub(super) fn play_comfort(&mut self, interaction: InteractionId, segment: SegmentId) {
        let Some(s) = self.state.segment(interaction, segment) else { return };
        let comfort = s.queue().and_then(|q| self.queue_config(q)).and_then(|q| q.comfort);
        match (s.play, comfort) {
            (Some((play, PlayWhat::Greeting | PlayWhat::Farewell)), _) => self.play_ended(interaction, play, ""),
            (_, Some(prompt)) => self.announce(interaction, segment, PlayWhat::Comfort, prompt),
            (Some((play, what)), None) => {
                // The announcement was taken out of the configuration: let the music be.
                self.emit(EventBody::PlayStarted { interaction, segment, play, what, until: None });
            }
            // A playback's deadline goes with the playback.
            (None, None) => {}
        }
    }

    pub(super) fn music_of(&self, queue: Option<QueueId>) -> Option<PromptId> {
        queue.and_then(|q| self.queue_config(q)).and_then(|q| q.music).or(self.config.music)
    }

    /// The customer's leg, if it can hear, and his language.
    pub(super) fn ear(&self, interaction: InteractionId) -> Option<(LegId, Lang)> {
        let (leg, state) = self.state.customer(interaction)?;
        let lang = self.state.interactions.get(&interaction)?.lang;
        (!state.hanging_up).then_some((leg, lang))
    }

    pub(super) fn order_play(&mut self, leg: LegId, play: PlayId, prompts: &[PromptId], lang: Lang, looped: bool) {
        let clips = prompts.iter().map(|prompt| ClipRef { prompt: *prompt, lang }).collect();
        self.order(LegCommand::Play { leg, play, clips, looped, interruptible: false, collect: None });
    }

    pub(super) fn work_arrived(
        &mut self,
        medium: Medium,
        queue: QueueId,
        from: Option<AddressId>,
        priority: i32,
        lang: Option<Lang>,
    ) -> Result<Option<InteractionId>, Rejected> {
        let Some(q) = self.queue_config(queue).filter(|q| medium != Medium::Voice && q.media.contains(&medium)) else {
            return Err(RejectCode::QueueUnknown.into());
        };
        if self.waiting_in(queue) >= q.max_waiting as usize {
            return Err(RejectCode::QueueFull.into());
        }
        let interaction = InteractionId(self.mint.next_bits());
        let (direction, lang) = (Direction::Inbound, lang.unwrap_or(self.config.lang));
        let started =
            EventBody::InteractionStarted { interaction, medium, direction, number: None, from, lang, priority };
        self.emit(started);
        self.enter_queue(interaction, queue, 0, SegmentStart::Entry, 0, Place::Back);
        Ok(Some(interaction))
    }

    pub(super) fn work_done(&mut self, interaction: InteractionId) -> Result<(), Rejected> {
        match self.state.interactions.get(&interaction) {
            Some(i) if i.medium != Medium::Voice => {
                self.end_all(interaction, SegmentEnd::CallerHungUp);
                Ok(())
            }
            Some(_) | None => Err(RejectCode::InteractionUnknown.into()),
        }
    }
}
