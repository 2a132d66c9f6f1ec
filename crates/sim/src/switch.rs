//! A switch that answers the floor's commands, with delays, and keeps its own ledger of who could hear whom.
use std::collections::BTreeMap;
use std::time::Duration;

use domain::id::{DeviceId, LegId, PlayId, RecordingId};
use domain::leg::{
    Codec, Collect, Dial, EndCause, EndedBy, Gap, GapCause, LegCommand, LegEvent, LegStats, Outlived, PlayEnd,
};
use domain::time::Timestamp;

/// What the outside must do about a command.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Demand {
    /// Tell the floor after this delay.
    Later(Duration, LegEvent),
    /// A device rings: somebody may answer it.
    Rings { leg: LegId, device: DeviceId, ring_timeout: Duration },
    /// A playback of a few seconds began; with `collect` the caller may press digits.
    Plays { leg: LegId, play: PlayId, collect: Option<Collect> },
}

#[derive(Debug, Clone)]
struct Leg {
    answered: Option<Timestamp>,
    play: Option<PlayId>,
    /// A hang-up was ordered and is on its way.
    ending: bool,
}

#[derive(Debug, Clone)]
struct Recording {
    legs: Vec<LegId>,
    since: Timestamp,
    paused: Option<(Timestamp, GapCause)>,
    gaps: Vec<Gap>,
}

/// Two legs that hear each other (or are on hold): the customer's and the agent's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Talk {
    pub(crate) customer: LegId,
    pub(crate) agent: LegId,
    pub(crate) from: Timestamp,
    pub(crate) to: Option<Timestamp>,
}

#[derive(Debug, Default)]
pub(crate) struct Switch {
    legs: BTreeMap<LegId, Leg>,
    recordings: BTreeMap<RecordingId, Recording>,
    /// Every conversation there ever was.
    pub(crate) talks: Vec<Talk>,
    open_talks: BTreeMap<LegId, usize>,
    /// Lengths of all recordings that ended, and orders that made no sense.
    pub(crate) recorded_ms: u64,
    pub(crate) faults: Vec<String>,
}

const SIGNAL: Duration = Duration::from_millis(20);

impl Switch {
    pub(crate) fn offered(&mut self, leg: LegId) {
        self.legs.insert(leg, Leg { answered: None, play: None, ending: false });
    }

    pub(crate) fn is_up(&self, leg: LegId) -> bool {
        self.legs.get(&leg).is_some_and(|l| !l.ending)
    }

    pub(crate) fn is_answered(&self, leg: LegId) -> bool {
        self.legs.get(&leg).is_some_and(|l| l.answered.is_some())
    }

    pub(crate) fn is_talking(&self, leg: LegId) -> bool {
        self.open_talks.contains_key(&leg)
    }

    pub(crate) fn plays(&self, leg: LegId, play: PlayId) -> bool {
        self.legs.get(&leg).is_some_and(|l| l.play == Some(play))
    }

    pub(crate) fn live(&self) -> Vec<LegId> {
        self.legs.keys().copied().collect()
    }

    pub(crate) fn obey(&mut self, now: Timestamp, command: LegCommand) -> Vec<Demand> {
        match command {
            LegCommand::Originate { leg, to, ring_timeout, .. } => {
                if self.legs.contains_key(&leg) {
                    self.faults.push(format!("{leg} is originated twice"));
                }
                self.legs.insert(leg, Leg { answered: None, play: None, ending: false });
                match to {
                    Dial::Device { device } => vec![Demand::Rings { leg, device, ring_timeout }],
                    Dial::Uri { .. } | Dial::Trunk { .. } => vec![Demand::Later(SIGNAL, answered(leg))],
                }
            }
            LegCommand::Answer { leg } if self.is_up(leg) => {
                vec![Demand::Later(2 * SIGNAL, answered(leg))]
            }
            LegCommand::Reject { leg, .. } => self.end_soon(now, leg, EndCause::Rejected),
            LegCommand::Hangup { leg, cause } => self.end_soon(now, leg, cause),
            LegCommand::Play { leg, play, looped, collect, .. } => {
                let Some(l) = self.legs.get_mut(&leg).filter(|l| !l.ending) else { return Vec::new() };
                if l.answered.is_none() {
                    self.faults.push(format!("{leg} is played to before it is answered"));
                }
                // Again, after a crash.
                if l.play == Some(play) {
                    return Vec::new();
                }
                let stopped = l.play.replace(play).map(|former| stopped(leg, former));
                let begun = (!looped).then_some(Demand::Plays { leg, play, collect });
                stopped.into_iter().chain(begun).collect()
            }
            LegCommand::StopPlay { leg } => {
                let former = self.legs.get_mut(&leg).and_then(|l| l.play.take());
                former.map(|play| stopped(leg, play)).into_iter().collect()
            }
            LegCommand::Bridge { legs, .. } => {
                if let [a, b] = legs.as_slice()
                    && self.is_up(a.leg)
                    && self.is_up(b.leg)
                    && !self.open_talks.contains_key(&a.leg)
                {
                    let talk = self.talks.len();
                    self.talks.push(Talk { customer: a.leg, agent: b.leg, from: now, to: None });
                    self.open_talks.insert(a.leg, talk);
                    self.open_talks.insert(b.leg, talk);
                }
                Vec::new()
            }
            LegCommand::Record { recording, left, right, .. } => {
                let legs = std::iter::once(left).chain(right).collect();
                self.recordings.insert(recording, Recording { legs, since: now, paused: None, gaps: Vec::new() });
                vec![Demand::Later(SIGNAL, LegEvent::RecordingStarted { recording })]
            }
            LegCommand::PauseRecording { recording, why } => {
                if let Some(r) = self.recordings.get_mut(&recording) {
                    r.pause(now, why);
                }
                Vec::new()
            }
            LegCommand::StopRecording { recording } => self.stop_recording(now, recording).into_iter().collect(),
            LegCommand::Answer { .. }
            | LegCommand::Ring { .. }
            | LegCommand::EarlyMedia { .. }
            | LegCommand::Mute { .. }
            | LegCommand::SendDigits { .. }
            | LegCommand::RefuseTransfer { .. } => Vec::new(),
        }
    }

    /// Marks a leg answered; false if it is gone or was already.
    pub(crate) fn answer(&mut self, now: Timestamp, leg: LegId) -> bool {
        match self.legs.get_mut(&leg) {
            Some(l) if l.answered.is_none() && !l.ending => {
                l.answered = Some(now);
                true
            }
            Some(_) | None => false,
        }
    }

    /// The playback came to its end; false if another one or none is on.
    pub(crate) fn play_over(&mut self, leg: LegId, play: PlayId) -> bool {
        match self.legs.get_mut(&leg) {
            Some(l) if l.play == Some(play) && !l.ending => {
                l.play = None;
                true
            }
            Some(_) | None => false,
        }
    }

    /// Ordered by the floor: it ends a moment later.
    fn end_soon(&mut self, now: Timestamp, leg: LegId, cause: EndCause) -> Vec<Demand> {
        let Some(l) = self.legs.get_mut(&leg).filter(|l| !l.ending) else { return Vec::new() };
        l.ending = true;
        self.close_talk(now, leg);
        let ended = LegEvent::Ended { leg, cause, by: EndedBy::Us, stats: LegStats::default() };
        vec![Demand::Later(SIGNAL, ended)]
    }

    /// The leg is over now: what the floor has to hear, in order. Empty if it was over before.
    pub(crate) fn ended(&mut self, now: Timestamp, leg: LegId, cause: EndCause, by: EndedBy) -> Vec<LegEvent> {
        let Some(l) = self.legs.remove(&leg) else { return Vec::new() };
        self.close_talk(now, leg);
        let recordings: Vec<_> =
            self.recordings.iter().filter(|(_, r)| r.legs.contains(&leg)).map(|(id, _)| *id).collect();
        let mut out: Vec<LegEvent> = recordings
            .into_iter()
            .filter_map(|r| match self.stop_recording(now, r) {
                Some(Demand::Later(_, event)) => Some(event),
                Some(_) | None => None,
            })
            .collect();
        let answered_ms = l.answered.map_or(0, |t| u64::try_from(now - t).unwrap_or(0));
        let packets = answered_ms / 20;
        let stats = LegStats { answered_ms, rtp_received: packets, rtp_sent: packets, ..LegStats::default() };
        out.push(LegEvent::Ended { leg, cause, by, stats });
        out
    }

    /// The process was killed: nothing is left and nobody is told. Conversations lasted until `at`.
    /// The process dies; the next one goes on with some of the legs that were up.
    pub(crate) fn crash(&mut self, at: Timestamp, mut survives: impl FnMut() -> bool) -> Outlived {
        let lost: Vec<LegId> = self
            .legs
            .iter()
            .filter(|(_, l)| l.answered.is_none() || l.ending || !survives())
            .map(|(id, _)| *id)
            .collect();
        for leg in lost {
            self.close_talk(at, leg);
            self.legs.remove(&leg);
        }
        let legs = &self.legs;
        self.recordings.retain(|_, r| r.legs.iter().all(|leg| legs.contains_key(leg)));
        Outlived {
            legs: self.legs.keys().map(|leg| (*leg, Codec::Pcma)).collect(),
            recordings: self.recordings.keys().copied().collect(),
        }
    }

    fn close_talk(&mut self, now: Timestamp, leg: LegId) {
        if let Some(talk) = self.open_talks.remove(&leg).and_then(|t| self.talks.get_mut(t)) {
            talk.to.get_or_insert(now);
            let other = if talk.customer == leg { talk.agent } else { talk.customer };
            self.open_talks.remove(&other);
        }
    }

    fn stop_recording(&mut self, now: Timestamp, recording: RecordingId) -> Option<Demand> {
        let mut r = self.recordings.remove(&recording)?;
        r.pause(now, None);
        let length_ms = u64::try_from(now - r.since).unwrap_or(0);
        self.recorded_ms += length_ms;
        Some(Demand::Later(SIGNAL, LegEvent::RecordingEnded { recording, length_ms, gaps: r.gaps }))
    }
}

impl Recording {
    fn pause(&mut self, now: Timestamp, why: Option<GapCause>) {
        let since = |t: Timestamp| u64::try_from(t - self.since).unwrap_or(0);
        if let Some((from, cause)) = self.paused.filter(|(_, cause)| why != Some(*cause)) {
            self.gaps.push(Gap { from_ms: since(from), to_ms: since(now), why: cause });
            self.paused = None;
        }
        self.paused = why.map(|cause| self.paused.unwrap_or((now, cause)));
    }
}

fn answered(leg: LegId) -> LegEvent {
    LegEvent::Answered { leg, codec: Codec::Pcma }
}

fn stopped(leg: LegId, play: PlayId) -> Demand {
    Demand::Later(SIGNAL, LegEvent::PlayEnded { leg, play, why: PlayEnd::Stopped, digits: String::new() })
}
