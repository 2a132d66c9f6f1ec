//! What became of every talked millisecond of an interaction (R10): recorded, masked, or missing with its cause. A fold
//! over the interaction's events; the page of an interaction, the projector's day sums and the simulator use the same.
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::event::{EventBody, SegmentEnd, SegmentOf, SegmentState};
use crate::id::{AgentId, QueueId, RecordingId, SegmentId};
use crate::leg::{Gap, GapCause};
use crate::medium::Medium;
use crate::recording::{RecordMode, RuleOf};
use crate::time::Timestamp;

/// Milliseconds of talk by what became of them: `talk_ms` is the sum of the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Covered {
    pub talk_ms: u64,
    pub recorded_ms: u64,
    /// Left out because an agent masked it.
    pub masked_ms: u64,
    /// Not recorded because a rule says so.
    pub ruled_out_ms: u64,
    /// On demand, and nobody asked.
    pub not_asked_ms: u64,
    /// Should be there and is not: a full disk, an overrun.
    pub lost_ms: u64,
    /// … because the process died.
    pub crash_ms: u64,
    /// Was there, and its file was deleted: its days were over, or somebody did.
    #[serde(default)]
    pub erased_ms: u64,
}

impl Covered {
    fn parts(&self) -> [u64; 7] {
        let Covered { talk_ms: _, recorded_ms, masked_ms, ruled_out_ms, not_asked_ms, lost_ms, crash_ms, erased_ms } =
            *self;
        [recorded_ms, masked_ms, ruled_out_ms, not_asked_ms, lost_ms, crash_ms, erased_ms]
    }

    /// Nothing is unaccounted for.
    pub fn adds_up(&self) -> bool {
        self.talk_ms == self.parts().iter().sum::<u64>()
    }

    pub fn add(&mut self, other: &Covered) {
        let Covered { talk_ms, recorded_ms, masked_ms, ruled_out_ms, not_asked_ms, lost_ms, crash_ms, erased_ms } =
            other;
        self.talk_ms += talk_ms;
        self.recorded_ms += recorded_ms;
        self.masked_ms += masked_ms;
        self.ruled_out_ms += ruled_out_ms;
        self.not_asked_ms += not_asked_ms;
        self.lost_ms += lost_ms;
        self.crash_ms += crash_ms;
        self.erased_ms += erased_ms;
    }

    /// Of what was to be recorded, how much was; none where nothing was to be. What was erased later counts as recorded.
    pub fn share(&self) -> Option<f64> {
        let kept = self.recorded_ms + self.erased_ms;
        let wanted = kept + self.lost_ms + self.crash_ms;
        (wanted > 0).then(|| kept as f64 / wanted as f64)
    }

    /// What ought to be there and is not.
    pub fn missing_ms(&self) -> u64 {
        self.lost_ms + self.crash_ms
    }
}

/// One agent's (or device's) conversation with the customer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Conversation {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<AgentId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queue: Option<QueueId>,
    /// When it began; none as long as it is only being brought about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Timestamp>,
    #[serde(flatten)]
    pub covered: Covered,
    /// The last decision about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<RecordMode>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub of: Option<RuleOf>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub draw: Option<u8>,
    /// Talk is going on since then, and not counted yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    since: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    tape: Option<RecordingId>,
}

/// A recording of a conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Tape {
    segment: SegmentId,
    /// Counted as recorded by the times of the talk.
    wanted_ms: u64,
    /// Of that, not in the file.
    #[serde(default)]
    lost_ms: u64,
    /// A crash cut it off: all of it counts as lost until a file turns up.
    cut: bool,
    /// Its file is in the store, or was.
    #[serde(default)]
    stored: bool,
}

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Coverage {
    conversations: BTreeMap<SegmentId, Conversation>,
    tapes: BTreeMap<RecordingId, Tape>,
    voice: bool,
    masked: bool,
}

impl Coverage {
    /// The next event of the interaction.
    pub fn apply(&mut self, at: Timestamp, body: &EventBody) {
        match body {
            EventBody::InteractionStarted { medium, .. } => self.voice = *medium == Medium::Voice,
            EventBody::SegmentStarted { segment, of, state, .. } if self.voice => {
                let (agent, queue) = match of {
                    SegmentOf::Agent { agent, queue, .. } => (Some(*agent), *queue),
                    SegmentOf::Device { .. } | SegmentOf::Outside { .. } => (None, None),
                    SegmentOf::Flow { .. }
                    | SegmentOf::Queue { .. }
                    | SegmentOf::Parked { .. }
                    | SegmentOf::Supervisor { .. } => return,
                };
                let begun = Conversation {
                    agent,
                    queue,
                    from: None,
                    covered: Covered::default(),
                    on: None,
                    mode: None,
                    of: None,
                    draw: None,
                    since: None,
                    tape: None,
                };
                self.conversations.insert(*segment, begun);
                self.state(at, *segment, *state);
            }
            EventBody::SegmentStateChanged { segment, state, .. } => self.state(at, *segment, *state),
            EventBody::SegmentEnded { segment, why, .. } => {
                self.count(at, *segment);
                if let Some(c) = self.conversations.get_mut(segment) {
                    c.since = None;
                }
                if *why == SegmentEnd::Restart {
                    self.cut(*segment);
                }
            }
            EventBody::RecordingDecided { segment, on, mode, of, draw, .. } => {
                self.count(at, *segment);
                if let Some(c) = self.conversations.get_mut(segment) {
                    (c.on, c.mode, c.of, c.draw) = (Some(*on), Some(*mode), Some(*of), *draw);
                    c.tape = c.tape.filter(|_| *on);
                }
            }
            EventBody::RecordingRequested { segment, recording, .. } => {
                self.count(at, *segment);
                if let Some(c) = self.conversations.get_mut(segment) {
                    c.tape = Some(*recording);
                    self.tapes.insert(
                        *recording,
                        Tape { segment: *segment, wanted_ms: 0, lost_ms: 0, cut: false, stored: false },
                    );
                }
            }
            EventBody::MaskStarted { .. } => self.mask(at, true),
            EventBody::MaskEnded { .. } => self.mask(at, false),
            EventBody::RecordingEnded { recording, length_ms, gaps, .. } => {
                let segment = self.tapes.get(recording).map(|t| t.segment);
                if let Some(segment) = segment {
                    self.count(at, segment);
                    let lost = lost_in(*length_ms, gaps);
                    self.lose(*recording, lost, false);
                }
            }
            EventBody::RecordingStored { recording, length_ms, gaps, .. } => {
                let Some(tape) = self.tapes.get_mut(recording) else { return };
                tape.stored = true;
                if tape.cut {
                    self.found(*recording, lost_in(*length_ms, gaps));
                }
            }
            EventBody::RecordingDeleted { recording, .. } => self.erase(*recording),
            _ => {}
        }
    }

    pub fn conversations(&self) -> impl Iterator<Item = (SegmentId, &Conversation)> {
        self.conversations.iter().filter(|(_, c)| c.from.is_some()).map(|(id, c)| (*id, c))
    }

    pub fn conversation(&self, segment: SegmentId) -> Option<&Conversation> {
        self.conversations.get(&segment)
    }

    /// Talk that a recording was to hold, by the times of the talk, and its conversation.
    pub fn wanted_ms(&self, recording: RecordingId) -> Option<(SegmentId, u64)> {
        self.tapes.get(&recording).map(|t| (t.segment, t.wanted_ms))
    }

    /// Of what a conversation's `recorded_ms` counts, how much is not in the store: it is on its way there, or its node
    /// has lost it.
    pub fn unstored_ms(&self, segment: SegmentId) -> u64 {
        let missing = self.tapes.values().filter(|t| t.segment == segment && !t.stored && !t.cut);
        missing.map(|t| t.wanted_ms.saturating_sub(t.lost_ms)).sum()
    }

    /// Nothing that is to come changes it, but for a deletion.
    pub fn is_settled(&self) -> bool {
        self.conversations.values().all(|c| c.since.is_none()) && self.tapes.values().all(|t| t.stored)
    }

    pub fn total(&self) -> Covered {
        let mut total = Covered::default();
        self.conversations.values().for_each(|c| total.add(&c.covered));
        total
    }

    fn state(&mut self, at: Timestamp, segment: SegmentId, state: SegmentState) {
        self.count(at, segment);
        let Some(c) = self.conversations.get_mut(&segment) else { return };
        let talks = state == SegmentState::Talking;
        c.since = talks.then_some(at);
        if talks {
            c.from.get_or_insert(at);
        }
    }

    fn mask(&mut self, at: Timestamp, masked: bool) {
        let all: Vec<SegmentId> = self.conversations.keys().copied().collect();
        all.into_iter().for_each(|segment| self.count(at, segment));
        self.masked = masked;
    }

    /// Counts the talk up to `at` by what holds just now.
    fn count(&mut self, at: Timestamp, segment: SegmentId) {
        let Some(c) = self.conversations.get_mut(&segment) else { return };
        let Some(since) = c.since.replace(at) else {
            c.since = None;
            return;
        };
        let ms = u64::try_from(at - since).unwrap_or(0);
        c.covered.talk_ms += ms;
        // Journals from before there were decisions: recorded if a recording was ordered.
        let on = c.on.unwrap_or(c.tape.is_some());
        let covered = &mut c.covered;
        match (on, c.mode, c.tape.and_then(|t| self.tapes.get_mut(&t))) {
            (true, ..) if self.masked => covered.masked_ms += ms,
            (true, _, Some(tape)) => {
                tape.wanted_ms += ms;
                covered.recorded_ms += ms;
            }
            (true, _, None) => covered.lost_ms += ms,
            (false, Some(RecordMode::OnDemand), _) => covered.not_asked_ms += ms,
            (false, ..) => covered.ruled_out_ms += ms,
        }
    }

    /// So much of what was counted as recorded is not in the file.
    fn lose(&mut self, recording: RecordingId, lost: Option<u64>, crash: bool) {
        let Some(tape) = self.tapes.get_mut(&recording) else { return };
        let lost = lost.unwrap_or(u64::MAX).min(tape.wanted_ms);
        let Some(c) = self.conversations.get_mut(&tape.segment) else { return };
        let lost = lost.min(c.covered.recorded_ms);
        tape.lost_ms = lost;
        c.covered.recorded_ms -= lost;
        if crash {
            c.covered.crash_ms += lost;
        } else {
            c.covered.lost_ms += lost;
        }
    }

    fn cut(&mut self, segment: SegmentId) {
        let Some(tape) = self.conversations.get(&segment).and_then(|c| c.tape) else { return };
        if let Some(t) = self.tapes.get_mut(&tape) {
            t.cut = true;
        }
        self.lose(tape, None, true);
    }

    /// The file of a recording that a crash cut off.
    fn found(&mut self, recording: RecordingId, lost: Option<u64>) {
        let Some(tape) = self.tapes.get_mut(&recording) else { return };
        tape.cut = false;
        let back = tape.wanted_ms.saturating_sub(lost.unwrap_or(u64::MAX));
        let Some(c) = self.conversations.get_mut(&tape.segment) else { return };
        let back = back.min(c.covered.crash_ms);
        tape.lost_ms = tape.wanted_ms - back;
        c.covered.crash_ms -= back;
        c.covered.recorded_ms += back;
    }

    fn erase(&mut self, recording: RecordingId) {
        let Some(tape) = self.tapes.get_mut(&recording) else { return };
        tape.stored = true;
        let Some(c) = self.conversations.get_mut(&tape.segment) else { return };
        let gone = tape.wanted_ms.saturating_sub(tape.lost_ms).min(c.covered.recorded_ms);
        tape.lost_ms = tape.wanted_ms;
        c.covered.recorded_ms -= gone;
        c.covered.erased_ms += gone;
    }
}

/// Milliseconds that a file ought to have and has not; none for all of it.
fn lost_in(length_ms: u64, gaps: &[Gap]) -> Option<u64> {
    (length_ms > 0).then(|| {
        let meant = || gaps.iter().filter(|g| g.why != GapCause::Lost);
        let lost = gaps.iter().filter(|g| g.why == GapCause::Lost);
        lost.map(|g| {
            let length = g.to_ms.saturating_sub(g.from_ms);
            let silent = meant().map(|m| m.to_ms.min(g.to_ms).saturating_sub(m.from_ms.max(g.from_ms))).sum::<u64>();
            length.saturating_sub(silent)
        })
        .sum()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Direction, SegmentStart};
    use crate::id::{BlobId, InteractionId, LegId};
    use crate::localized::Lang;

    const I: InteractionId = InteractionId(1);
    const S: SegmentId = SegmentId(2);
    const R: RecordingId = RecordingId(3);

    /// A conversation with an agent from second 10 on.
    fn talking(on: bool, mode: RecordMode) -> Coverage {
        let mut c = Coverage::default();
        let at = |s: i64| Timestamp(s * 1000);
        c.apply(
            at(0),
            &EventBody::InteractionStarted {
                interaction: I,
                medium: Medium::Voice,
                direction: Direction::Inbound,
                number: None,
                from: None,
                lang: Lang::En,
                priority: 0,
            },
        );
        c.apply(
            at(0),
            &EventBody::SegmentStarted {
                interaction: I,
                segment: S,
                of: SegmentOf::Agent { agent: AgentId(1), queue: None, arrived: at(0) },
                why: SegmentStart::Offer,
                state: SegmentState::Offered,
                until: None,
                by: None,
            },
        );
        turn(&mut c, 10, SegmentState::Talking);
        let of = RuleOf::Company;
        let decided = EventBody::RecordingDecided { interaction: I, segment: S, on, mode, of, draw: None, by: None };
        c.apply(at(10), &decided);
        if on {
            let requested = EventBody::RecordingRequested {
                interaction: I,
                segment: S,
                recording: R,
                left: LegId(1),
                right: None,
                message: None,
            };
            c.apply(at(10), &requested);
        }
        c
    }

    fn turn(c: &mut Coverage, s: i64, state: SegmentState) {
        let body = EventBody::SegmentStateChanged { interaction: I, segment: S, state, until: None, ended: None };
        c.apply(Timestamp(s * 1000), &body);
    }

    fn end(c: &mut Coverage, s: i64, why: SegmentEnd) {
        c.apply(Timestamp(s * 1000), &EventBody::SegmentEnded { interaction: I, segment: S, why });
    }

    #[test]
    fn talk_is_recorded_masked_or_lost_and_hold_is_no_talk() {
        let mut c = talking(true, RecordMode::Always);
        turn(&mut c, 20, SegmentState::Held);
        turn(&mut c, 25, SegmentState::Talking);
        let mask = EventBody::MaskStarted { interaction: I, segment: S, agent: AgentId(1), until: Timestamp(99_000) };
        c.apply(Timestamp(30_000), &mask);
        c.apply(
            Timestamp(37_000),
            &EventBody::MaskEnded { interaction: I, why: crate::recording::MaskEnd::Agent, agent: None },
        );
        end(&mut c, 40, SegmentEnd::AgentHungUp);
        let gap = |from_ms, to_ms, why| Gap { from_ms, to_ms, why };
        // The disk was full from second 18 of the file on, and a mask lies in that.
        let gaps = vec![
            gap(10_000, 15_000, GapCause::Hold),
            gap(18_000, 28_000, GapCause::Lost),
            gap(20_000, 27_000, GapCause::Mask),
        ];
        c.apply(
            Timestamp(40_100),
            &EventBody::RecordingEnded { interaction: I, recording: R, length_ms: 30_000, gaps },
        );
        let covered =
            Covered { talk_ms: 25_000, recorded_ms: 15_000, masked_ms: 7_000, lost_ms: 3_000, ..Covered::default() };
        assert_eq!(c.total(), covered);
        assert!(covered.adds_up());
    }

    #[test]
    fn what_no_rule_or_nobody_wanted_is_told_apart() {
        let mut c = talking(false, RecordMode::Never);
        end(&mut c, 30, SegmentEnd::CallerHungUp);
        assert_eq!(c.total(), Covered { talk_ms: 20_000, ruled_out_ms: 20_000, ..Covered::default() });
        let mut c = talking(false, RecordMode::OnDemand);
        end(&mut c, 30, SegmentEnd::CallerHungUp);
        assert_eq!(c.total(), Covered { talk_ms: 20_000, not_asked_ms: 20_000, ..Covered::default() });
    }

    #[test]
    fn what_a_crash_cut_off_is_lost_until_its_file_turns_up() {
        let mut c = talking(true, RecordMode::Always);
        end(&mut c, 30, SegmentEnd::Restart);
        assert_eq!(c.total(), Covered { talk_ms: 20_000, crash_ms: 20_000, ..Covered::default() });
        let gaps = vec![Gap { from_ms: 19_800, to_ms: 20_000, why: GapCause::Lost }];
        let stored = EventBody::RecordingStored { recording: R, blob: BlobId(1), length_ms: 20_000, bytes: 1, gaps };
        c.apply(Timestamp(99_000), &stored);
        assert_eq!(c.total(), Covered { talk_ms: 20_000, recorded_ms: 19_800, crash_ms: 200, ..Covered::default() });
    }

    #[test]
    fn what_is_erased_was_recorded_and_is_no_longer_there() {
        let mut c = talking(true, RecordMode::Always);
        end(&mut c, 30, SegmentEnd::CallerHungUp);
        let gaps = vec![Gap { from_ms: 0, to_ms: 1_000, why: GapCause::Lost }];
        let ended = EventBody::RecordingEnded { interaction: I, recording: R, length_ms: 20_000, gaps: gaps.clone() };
        c.apply(Timestamp(30_100), &ended);
        assert_eq!((c.unstored_ms(S), c.is_settled()), (19_000, false));
        let stored = EventBody::RecordingStored { recording: R, blob: BlobId(1), length_ms: 20_000, bytes: 1, gaps };
        c.apply(Timestamp(31_000), &stored);
        assert_eq!((c.unstored_ms(S), c.is_settled()), (0, true));
        assert_eq!(c.total().share(), Some(0.95));
        c.apply(Timestamp(99_000), &EventBody::RecordingDeleted { interaction: I, recording: R });
        let covered = Covered { talk_ms: 20_000, lost_ms: 1_000, erased_ms: 19_000, ..Covered::default() };
        assert_eq!(c.total(), covered);
        assert!(covered.adds_up());
        assert_eq!(covered.share(), Some(0.95));
    }
}
