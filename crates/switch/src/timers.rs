//! The switch's clockwork: at most one deadline per (owner, purpose), ordered by time.
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use domain::id::{LegId, TrunkId};

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Timer {
    /// The floor has not decided about an offered leg.
    Offer(LegId),
    /// The callee has not answered.
    Ring(LegId),
    /// Nobody at the trunk's other end has said a word.
    Trunk(LegId),
    /// Telephony has not opened media, resolved a name or closed media.
    Outside(LegId),
    /// The device's next peer connection has not come.
    Reattach(LegId),
    /// RTP is silent: ask the peer (again) whether it lives.
    Probe(LegId),
    /// RTP has been silent for too long.
    MediaLost(LegId),
    /// Two legs that hear one another may be able to speak the same codec.
    Align(LegId),
    /// A trunk's line wants to look at the clock.
    Line(TrunkId),
    /// A question of a trunk's test stays unanswered.
    Trial(u64),
}

#[derive(Debug, Default)]
pub(crate) struct Timers {
    due: BTreeSet<(Duration, Timer)>,
    at: BTreeMap<Timer, Duration>,
}

impl Timers {
    /// Sets or moves a deadline.
    pub(crate) fn set(&mut self, timer: Timer, at: Duration) {
        self.cancel(timer);
        self.at.insert(timer, at);
        self.due.insert((at, timer));
    }

    pub(crate) fn is_set(&self, timer: Timer) -> bool {
        self.at.contains_key(&timer)
    }

    pub(crate) fn cancel(&mut self, timer: Timer) {
        if let Some(at) = self.at.remove(&timer) {
            self.due.remove(&(at, timer));
        }
    }

    /// Forgets everything about a leg.
    pub(crate) fn cancel_leg(&mut self, leg: LegId) {
        for timer in [
            Timer::Offer(leg),
            Timer::Ring(leg),
            Timer::Trunk(leg),
            Timer::Outside(leg),
            Timer::Reattach(leg),
            Timer::Probe(leg),
            Timer::MediaLost(leg),
            Timer::Align(leg),
        ] {
            self.cancel(timer);
        }
    }

    /// The next timer that is due, taken out.
    pub(crate) fn pop(&mut self, now: Duration) -> Option<Timer> {
        let (at, timer) = *self.due.first()?;
        if at > now {
            return None;
        }
        self.cancel(timer);
        Some(timer)
    }

    pub(crate) fn next(&self) -> Option<Duration> {
        self.due.first().map(|(at, _)| *at)
    }

    pub(crate) fn len(&self) -> usize {
        self.due.len()
    }
}
