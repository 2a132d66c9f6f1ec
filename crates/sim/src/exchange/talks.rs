//! What two people who are put through to one another must get, by the floor's orders and by the packets at the node's
//! wires: each hears the other soon, and goes on to; and of a recorded conversation each moment is in the recording or
//! listed as a gap (R10). Knows legs by the phones at their far ends, like `ears`.
//!
//! The network may lose what it likes: only packets count that have reached the node, and a packet is heard when the
//! node sends it on.
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use domain::id::{BridgeId, LegId, PlayId, RecordingId};
use domain::leg::{GapCause, Hears, LegCommand};

use crate::exchange::disk::{Disk, SpoolFile};

/// Words that nobody hears before something is wrong, and for how long it must have been so: commands and packets cross
/// on their way, a jitter buffer fills.
const UNHEARD_MAX: u32 = 6;
const UNHEARD_FOR: Duration = Duration::from_secs(1);
/// … and so many paces of a dozing plane, which plays out of a jitter buffer only when it wakes.
const UNHEARD_PACES: u32 = 3;
/// Ticks in which a digit is sent on instead of sound (RFC 4733: 100 ms of it, two repeats of its end, a pause).
const DIGIT_TICKS: u32 = 11;
/// What may be missing in a recording without being listed, also when the process was killed: up to 80 ms wait for late
/// packets, up to 60 ms for a frame to be full, 20 ms for the tick and 20 ms for the writer.
const MISSING_MAX: Duration = Duration::from_millis(200);
/// What may be listed as hold and was talk.
const FALSE_HOLD_MAX: Duration = Duration::from_millis(20);

#[derive(Debug, Clone, Copy)]
struct Way {
    /// When the first word was said that nobody heard: a bridge may stand long before a phone learns of its answer.
    since: Duration,
    unheard: u32,
    /// When the last of them was said: after a long silence the count begins anew.
    last: Duration,
}

#[derive(Debug)]
struct Tape {
    left: LegId,
    right: LegId,
    /// The phones at their ends.
    phones: [usize; 2],
    /// They talk since then.
    since: Option<Duration>,
    talked: Vec<(Duration, Duration)>,
    /// Words said now are left out.
    masked: bool,
    /// Words of each side that reached the node while they talked.
    said: [u32; 2],
}

#[derive(Default)]
pub(crate) struct Talks {
    phones: BTreeMap<LegId, usize>,
    /// A phone whose goodbye was lost may have two for a while.
    legs: BTreeMap<usize, Vec<LegId>>,
    bridges: BTreeMap<BridgeId, Vec<(LegId, LegId)>>,
    /// By speaker and listener.
    ways: BTreeMap<(LegId, LegId), Way>,
    muted: BTreeSet<LegId>,
    playing: BTreeMap<LegId, PlayId>,
    tapes: BTreeMap<RecordingId, Tape>,
    /// Which tapes a living leg is on: a customer in conference is on each agent's.
    taped: BTreeMap<LegId, Vec<RecordingId>>,
    /// Until when digits of a leg are sent on to those who hear it.
    digits: BTreeMap<LegId, Duration>,
    pace: Duration,
    /// Of the plane, on an average.
    tick: Duration,
    /// Phones on hold by their own wish, or not surely back from it, as far as the node may know: a phone whose goodbye
    /// was lost may call anew while the node holds its former call.
    pub(crate) unsettled: BTreeSet<usize>,
}

impl Talks {
    pub(crate) fn new(pace: Duration, ticks: u32) -> Talks {
        Talks { pace, tick: (pace / ticks).max(Duration::from_millis(20)), ..Talks::default() }
    }

    pub(crate) fn learn(&mut self, leg: LegId, phone: usize) {
        self.phones.insert(leg, phone);
        let legs = self.legs.entry(phone).or_default();
        if legs.is_empty() {
            self.unsettled.remove(&phone);
        }
        legs.push(leg);
    }

    /// An order on its way to the switch.
    pub(crate) fn ordered(&mut self, now: Duration, command: &LegCommand) {
        match command {
            LegCommand::Bridge { bridge, legs } => {
                let mut changed = self.close(*bridge);
                let pairs = self.pairs(legs);
                for pair in &pairs {
                    self.ways.insert(*pair, Way { since: now, unheard: 0, last: now });
                }
                changed.extend_from_slice(&pairs);
                if !pairs.is_empty() {
                    self.bridges.insert(*bridge, pairs);
                }
                changed.into_iter().for_each(|(leg, _)| self.review(now, leg));
            }
            LegCommand::Mute { leg, muted } => {
                let _ = if *muted { self.muted.insert(*leg) } else { self.muted.remove(leg) };
            }
            LegCommand::Hangup { leg, .. } => {
                self.ways.retain(|(a, b), _| a != leg && b != leg);
                self.review(now, *leg);
            }
            LegCommand::Play { leg, play, .. } => {
                self.playing.insert(*leg, *play);
            }
            LegCommand::StopPlay { leg } => {
                self.playing.remove(leg);
            }
            LegCommand::Record { recording, left, right: Some(right), .. } => {
                if let (Some(a), Some(b)) = (self.phones.get(left), self.phones.get(right)) {
                    let (left, right, phones) = (*left, *right, [*a, *b]);
                    let tape =
                        Tape { left, right, phones, since: None, talked: Vec::new(), masked: false, said: [0; 2] };
                    self.tapes.insert(*recording, tape);
                    for leg in [left, right] {
                        self.taped.entry(leg).or_default().push(*recording);
                    }
                    self.review(now, left);
                }
            }
            LegCommand::PauseRecording { recording, why } => {
                if let Some(tape) = self.tapes.get_mut(recording) {
                    tape.masked = *why == Some(GapCause::Mask);
                }
            }
            LegCommand::StopRecording { recording } => {
                if let Some(tape) = self.tapes.get_mut(recording) {
                    tape.talked.extend(tape.since.take().map(|since| (since, now)));
                }
                self.taped.values_mut().for_each(|tapes| tapes.retain(|r| r != recording));
            }
            _ => {}
        }
    }

    /// The end of one that another has replaced changes nothing.
    pub(crate) fn play_ended(&mut self, leg: LegId, play: PlayId) {
        if self.playing.get(&leg) == Some(&play) {
            self.playing.remove(&leg);
        }
    }

    /// A key was pressed at this leg's phone.
    pub(crate) fn digit(&mut self, now: Duration, leg: LegId) {
        let until = self.digits.entry(leg).or_insert(now);
        *until = now.max(*until) + self.pace + DIGIT_TICKS * self.tick;
    }

    fn pairs(&self, rows: &[Hears]) -> Vec<(LegId, LegId)> {
        let of_row = |row: &Hears| row.hears.iter().map(|s| (*s, row.leg)).collect::<Vec<_>>();
        let lives = |(speaker, listener): &(LegId, LegId)| {
            speaker != listener && self.phones.contains_key(speaker) && self.phones.contains_key(listener)
        };
        rows.iter().flat_map(of_row).filter(lives).collect()
    }

    /// The pairs that hear each other no longer.
    fn close(&mut self, bridge: BridgeId) -> Vec<(LegId, LegId)> {
        let pairs = self.bridges.remove(&bridge).unwrap_or_default();
        for pair in &pairs {
            self.ways.remove(pair);
        }
        pairs
    }

    pub(crate) fn ended(&mut self, now: Duration, leg: LegId) {
        for pairs in self.bridges.values_mut() {
            pairs.retain(|(a, b)| *a != leg && *b != leg);
        }
        self.bridges.retain(|_, pairs| !pairs.is_empty());
        self.ways.retain(|(a, b), _| *a != leg && *b != leg);
        self.muted.remove(&leg);
        self.playing.remove(&leg);
        self.digits.remove(&leg);
        if let Some(legs) = self.phones.remove(&leg).and_then(|phone| self.legs.get_mut(&phone)) {
            legs.retain(|l| *l != leg);
        }
        self.review(now, leg);
        self.taped.remove(&leg);
    }

    /// The process died.
    pub(crate) fn forget(&mut self, now: Duration) {
        self.ways.clear();
        let taped: Vec<LegId> = self.taped.keys().copied().collect();
        taped.into_iter().for_each(|leg| self.review(now, leg));
        let (tapes, unsettled) = (std::mem::take(&mut self.tapes), std::mem::take(&mut self.unsettled));
        *self = Talks { tapes, unsettled, pace: self.pace, tick: self.tick, ..Talks::default() };
    }

    /// Whether the recorded talk, after a change to one of them.
    fn review(&mut self, now: Duration, leg: LegId) {
        for recording in self.taped.get(&leg).into_iter().flatten() {
            let Some(tape) = self.tapes.get_mut(recording) else { continue };
            let (a, b) = (tape.left, tape.right);
            let talk = self.ways.contains_key(&(a, b)) && self.ways.contains_key(&(b, a));
            match (tape.since, talk) {
                (None, true) => tape.since = Some(now),
                (Some(since), false) => {
                    tape.talked.push((since, now));
                    tape.since = None;
                }
                (None, false) | (Some(_), true) => {}
            }
        }
    }

    /// The only leg of this phone.
    fn leg(&self, phone: usize) -> Option<LegId> {
        match self.legs.get(&phone).map(Vec::as_slice) {
            Some([leg]) => Some(*leg),
            _ => None,
        }
    }

    /// A word of this phone reached the node. Tells who has heard nothing for too long.
    pub(crate) fn said(&mut self, now: Duration, phone: usize) -> Option<String> {
        let speaker = self.leg(phone)?;
        let mut deaf = None;
        for ((_, listener), way) in self.ways.range_mut((speaker, LegId(0))..=(speaker, LegId(u128::MAX))) {
            let ear = self.phones.get(listener).copied()?;
            let excused = self.muted.contains(&speaker)
                || self.digits.get(&speaker).is_some_and(|until| *until >= now)
                || self.playing.contains_key(listener)
                || self.unsettled.contains(&phone)
                || self.unsettled.contains(&ear)
                || self.legs.get(&ear).is_none_or(|legs| legs.len() != 1);
            if excused {
                *way = Way { since: now, unheard: 0, last: now };
                continue;
            }
            let patience = UNHEARD_FOR + UNHEARD_PACES * self.pace;
            if way.unheard == 0 || now > way.last + patience {
                *way = Way { since: now, unheard: 0, last: now };
            }
            way.unheard += 1;
            way.last = now;
            if way.unheard >= UNHEARD_MAX && now >= way.since + patience {
                let (words, time) = (way.unheard, now - way.since);
                deaf = Some(format!("phone {ear} has not heard the last {words} words of phone {phone}, for {time:?}"));
            }
        }
        if !self.muted.contains(&speaker) {
            for recording in self.taped.get(&speaker).into_iter().flatten() {
                if let Some(tape) = self.tapes.get_mut(recording).filter(|t| t.since.is_some() && !t.masked) {
                    tape.said[usize::from(tape.right == speaker)] += 1;
                }
            }
        }
        deaf
    }

    /// The node sends a word of one phone to another.
    pub(crate) fn passed_on(&mut self, now: Duration, from: usize, to: usize) {
        if let (Some(speaker), Some(listener)) = (self.leg(from), self.leg(to))
            && let Some(way) = self.ways.get_mut(&(speaker, listener))
        {
            *way = Way { since: now, unheard: 0, last: now };
        }
    }

    /// The node sends a sum of voices to a phone. It counts for each of those whom the phone is to hear, if they are
    /// several: one of them alone is told apart, and known for what he is.
    pub(crate) fn passed_on_mixed(&mut self, now: Duration, to: usize) {
        let Some(listener) = self.leg(to) else { return };
        let speakers: Vec<LegId> = self.ways.keys().filter(|(_, l)| *l == listener).map(|(s, _)| *s).collect();
        if speakers.len() > 1 {
            for speaker in speakers {
                self.ways.insert((speaker, listener), Way { since: now, unheard: 0, last: now });
            }
        }
    }

    /// Everything is over: what of each talk is missing in its recording and not listed, in words.
    pub(crate) fn missing(&self, disk: &Disk) -> Vec<String> {
        let mut found = Vec::new();
        for (recording, tape) in &self.tapes {
            let file = disk.archive.get(recording).or_else(|| disk.spool.get(recording));
            let talked: Duration = tape.talked.iter().map(|(from, to)| *to - *from).sum();
            let covered = file.map_or(Duration::ZERO, |file| {
                // What was talked up to a crash is not in the gap that follows it.
                let lost = file.gaps.iter().filter(|g| g.why == GapCause::Lost);
                let lost: Duration = lost.map(|g| within(&tape.talked, file, g.from_ms, g.to_ms)).sum();
                within(&tape.talked, file, 0, file.end_ms).saturating_sub(lost)
            });
            if talked > covered + MISSING_MAX {
                let (missing, end_ms) = (talked - covered, file.map(|f| f.end_ms));
                found.push(format!(
                    "{recording} lacks {missing:?} of {talked:?} that were talked (file: {end_ms:?} ms)"
                ));
            }
            let holds =
                file.into_iter().flat_map(|f| f.gaps.iter().filter(|g| g.why == GapCause::Hold).map(move |g| (f, g)));
            let false_hold: Duration = holds.map(|(f, gap)| within(&tape.talked, f, gap.from_ms, gap.to_ms)).sum();
            if false_hold > FALSE_HOLD_MAX {
                found.push(format!("{recording} calls {false_hold:?} hold that were talked"));
            }
        }
        found
    }

    /// Whose voices a recording holds, left and right, and how many words of each reached the node.
    pub(crate) fn sides(&self, recording: RecordingId) -> Option<[(usize, u32); 2]> {
        let tape = self.tapes.get(&recording)?;
        Some([(tape.phones[0], tape.said[0]), (tape.phones[1], tape.said[1])])
    }
}

/// How much of the talk lies between these two places of the file.
fn within(talked: &[(Duration, Duration)], file: &SpoolFile, from_ms: u64, to_ms: u64) -> Duration {
    let (begin, end) = (file.opened + Duration::from_millis(from_ms), file.opened + Duration::from_millis(to_ms));
    talked.iter().map(|(from, to)| (*to).min(end).saturating_sub((*from).max(begin))).sum()
}
