//! After a crash: calls whose customers are still there go on, with what was under way around them put right; all else
//! that was live ended at the last heartbeat. Nobody is stuck, and agents may take their places again.
use std::time::Duration;

use super::Floor;
use super::state::Segment;
use crate::command::Presence;
use crate::event::{EventBody, OfferEnd, PlayWhat, PresenceCause, SegmentEnd, SegmentState};
use crate::flow::run::Act;
use crate::id::{InteractionId, PlayId, RecordingId, SegmentId};
use crate::leg::{ClipRef, EndCause, EndedBy, LegCommand, LegEvent, LegStats, Outlived};
use crate::time::Timestamp;

/// An agent whose desk or session does not return by then is signed out.
const RETURN_WITHIN: Duration = Duration::from_secs(60);

impl Floor {
    /// `outlived`: the answered legs that telephony has taken up again, and the recordings that go on.
    pub(super) fn recover(&mut self, last_heartbeat: Timestamp, outlived: &Outlived) {
        let now = self.now;
        // Never before the journal's last event, never after the restart.
        self.now = last_heartbeat.min(now).max(self.state.at);
        self.effects.clear();
        self.unheard.clear();
        self.announcing.clear();
        self.paused.clear();
        self.keyed.clear();
        let goes_on = |i: &InteractionId| {
            let customer = self.state.customer(*i).map(|(leg, _)| leg);
            customer.is_some_and(|leg| outlived.legs.contains_key(&leg))
        };
        let (resumed, over): (Vec<_>, Vec<_>) = self.state.interactions.keys().copied().partition(goes_on);
        let tapes = &self.state.recordings;
        let is_kept = |r: &&RecordingId| tapes.get(*r).is_some_and(|i| resumed.contains(i));
        let recordings: Vec<RecordingId> = outlived.recordings.iter().filter(is_kept).copied().collect();
        self.emit(EventBody::FloorRecovered { last_heartbeat, recordings });
        over.into_iter().for_each(|interaction| self.end_at_crash(interaction));
        resumed.iter().for_each(|interaction| self.lose_legs(*interaction, outlived));
        let seated: Vec<_> =
            self.state.agents.iter().filter(|(_, a)| a.seat.is_some()).map(|(a, s)| (*a, s.clone())).collect();
        for (agent, a) in &seated {
            if a.presence != Presence::Offline {
                let (agent, why) = (*agent, PresenceCause::Restart);
                self.emit(EventBody::PresenceChanged { agent, presence: Presence::Offline, why, by: None });
            }
        }
        self.settle();
        self.now = now;
        for (agent, a) in seated {
            let still = self.state.agents.get(&agent).is_some_and(|a| a.seat.is_some());
            if still && (a.lease || a.lease_until.is_some()) {
                self.emit(EventBody::LeaseLost { agent, until: Some(now + RETURN_WITHIN) });
            }
        }
        for interaction in &resumed {
            self.emit(EventBody::InteractionResumed { interaction: *interaction });
            self.resume_interaction(*interaction, outlived);
        }
        for (leg, _) in outlived.legs.iter().filter(|(leg, _)| !self.state.legs.contains_key(leg)) {
            self.effects.push_back(hang_up(*leg));
        }
        self.settle();
        resumed.into_iter().for_each(|interaction| self.order_again(interaction));
    }

    fn end_at_crash(&mut self, interaction: InteractionId) {
        let Some(i) = self.state.interactions.get(&interaction).cloned() else { return };
        for (segment, s) in &i.segments {
            let reaching = matches!(s.state, SegmentState::Offered | SegmentState::Connecting);
            if let (Some(agent), Some(offer), true) = (s.agent(), &s.offer, reaching) {
                let (offer, why, segment) = (offer.offer, OfferEnd::Withdrawn, *segment);
                self.emit(EventBody::OfferEnded { interaction, offer, segment, agent, why, not_before: None });
            }
            // Work that was only being wrapped up keeps the end it had.
            let why = s.ended.unwrap_or(SegmentEnd::Restart);
            self.emit(EventBody::SegmentEnded { interaction, segment: *segment, why });
        }
        for leg in i.legs {
            let answered = self.state.legs.get(&leg).and_then(|l| l.answered);
            let answered_ms = answered.map_or(0, |t| u64::try_from(self.now - t).unwrap_or(0));
            let stats = LegStats { answered_ms, ..LegStats::default() };
            let (cause, by) = (EndCause::SystemRestart, EndedBy::System);
            self.charge(leg);
            self.emit(EventBody::LegEnded { interaction, leg, cause, by, stats });
        }
    }

    /// Its customer is still there, but not everybody else.
    fn lose_legs(&mut self, interaction: InteractionId, outlived: &Outlived) {
        let legs = self.state.interactions.get(&interaction).map(|i| i.legs.clone()).unwrap_or_default();
        for leg in legs.into_iter().filter(|leg| !outlived.legs.contains_key(leg)) {
            let (cause, by, stats) = (EndCause::SystemRestart, EndedBy::System, LegStats::default());
            // An event about a leg that is known is not refused.
            let _ = self.leg_event(LegEvent::Ended { leg, cause, by, stats });
        }
    }

    /// What telephony knows and the journal does not is learnt.
    fn resume_interaction(&mut self, interaction: InteractionId, outlived: &Outlived) {
        let Some(i) = self.state.interactions.get(&interaction) else { return };
        let offered = |s: &Segment| s.state == SegmentState::Offered;
        let offers: Vec<SegmentId> = i.segments.iter().filter(|(_, s)| offered(s)).map(|(id, _)| *id).collect();
        for leg in i.legs.clone() {
            let Some(known) = self.state.legs.get(&leg).cloned() else { continue };
            if let (Some(codec), None) = (outlived.legs.get(&leg), known.answered) {
                let _ = self.leg_event(LegEvent::Answered { leg, codec: *codec });
            }
        }
        // Whoever was being asked could not answer meanwhile.
        for segment in offers {
            if self.state.segment(interaction, segment).is_some_and(offered) {
                self.offer_failed(interaction, segment, OfferEnd::Withdrawn);
            }
        }
        self.record_again(interaction);
    }

    /// Orders that the crash may have lost on their way. Those in force already change nothing.
    fn order_again(&mut self, interaction: InteractionId) {
        let Some(i) = self.state.interactions.get(&interaction).cloned() else { return };
        for leg in &i.legs {
            if self.state.legs.get(leg).is_some_and(|l| l.hanging_up) {
                self.effects.push_back(hang_up(*leg));
            }
        }
        if let Some(matrix) = i.bridge.filter(|m| !m.rows.is_empty()) {
            self.order(LegCommand::Bridge { bridge: matrix.bridge, legs: matrix.rows });
        }
        self.pause_again(interaction);
        if let (Some(play), Some((leg, lang)), Some(music)) =
            (i.music, self.ear(interaction), self.hold_music(interaction))
        {
            self.order_play(leg, play, &[music], lang, true);
        }
        for (segment, s) in &i.segments {
            match (s.play, s.step.as_ref().and_then(|step| step.play)) {
                (Some((play, what)), _) => self.play_again(interaction, *segment, play, what),
                (None, Some(play)) => self.ask_again(interaction, *segment, play),
                (None, None) => {}
            }
        }
    }

    fn play_again(&mut self, interaction: InteractionId, segment: SegmentId, play: PlayId, what: PlayWhat) {
        let Some(queue) = self.state.segment(interaction, segment).and_then(|s| s.queue()) else { return };
        let Some((leg, lang)) = self.ear(interaction) else { return };
        let config = self.queue_config(queue);
        let prompt = match what {
            PlayWhat::Music => self.music_of(Some(queue)),
            PlayWhat::Comfort => config.and_then(|q| q.comfort),
            PlayWhat::Welcome => config.and_then(|q| q.welcome),
            PlayWhat::Notice => self.notice_of(interaction, queue),
            // Greetings and farewells have a time by which they count as heard.
            PlayWhat::Greeting | PlayWhat::Farewell | PlayWhat::HoldMusic => return,
        };
        match prompt {
            Some(prompt) => {
                if what == PlayWhat::Notice {
                    self.announcing.insert(interaction, (play, prompt));
                }
                self.order_play(leg, play, &[prompt], lang, what == PlayWhat::Music);
            }
            None => self.play_ended(interaction, play, ""),
        }
    }

    /// What the flow's step was saying, or asking for.
    fn ask_again(&mut self, interaction: InteractionId, segment: SegmentId, play: PlayId) {
        let Some(at) = self.state.segment(interaction, segment).and_then(|s| s.step.clone()) else { return };
        let flow = self.flow_of(interaction, segment);
        let Some(step) = flow.as_ref().and_then(|f| f.steps.get(&at.step)) else { return };
        if let (Act::Play { prompts, interruptible, collect }, Some((leg, lang))) =
            (self.act(step, None), self.ear(interaction))
        {
            let clips = prompts.into_iter().map(|prompt| ClipRef { prompt, lang }).collect();
            self.order(LegCommand::Play { leg, play, clips, looped: false, interruptible, collect });
        }
    }
}

fn hang_up(leg: crate::id::LegId) -> crate::effect::Effect {
    crate::effect::Effect::Leg(LegCommand::Hangup { leg, cause: EndCause::SystemRestart })
}
