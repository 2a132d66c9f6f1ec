//! When this node takes no new calls. Held by the control thread, which refuses with 503 and Retry-After meanwhile.
//!
//! The measure is what a caller notices: how long the oldest call the floor has not yet decided about (answer, ring,
//! reject) has been waiting for that. It covers everything between the INVITE and the durable decision, whatever is
//! short there: this thread, the floor, the journal or the processor. While the door is closed the calls inside are
//! decided, so it opens again as soon as the node keeps up; the work waiting behind the door keeps it busy meanwhile
//! (the queue is bounded by its delay, as in RFC 8289, not by a guessed rate).
use std::collections::{HashSet, VecDeque};
use std::time::Duration;

use domain::id::LegId;

/// A decision normally takes a few milliseconds, and some hundred when the disk stalls. A caller bears with a second
/// before the first ring; many seconds of it would be a queue in front of the queue.
const DECISION_LATE: Duration = Duration::from_secs(1);
/// With a crowd of undecided calls this is late already: it is not the disk that stalls for a moment, more come than can be
/// served, and their callers soon repeat themselves (T1, RFC 3261 §17.1.1.1).
const CROWD_LATE: Duration = Duration::from_millis(400);
const CROWD: usize = 100;

#[derive(Debug, Default)]
pub(crate) struct Pressure {
    /// In order of arrival; may name calls decided since.
    arrivals: VecDeque<(Duration, LegId)>,
    undecided: HashSet<LegId>,
}

impl Pressure {
    /// The floor is told of a call.
    pub(crate) fn offered(&mut self, now: Duration, leg: LegId) {
        self.arrivals.push_back((now, leg));
        self.undecided.insert(leg);
    }

    /// The floor has spoken about it, or it is over.
    pub(crate) fn decided(&mut self, leg: LegId) {
        if !self.undecided.remove(&leg) {
            return;
        }
        while self.arrivals.front().is_some_and(|(_, leg)| !self.undecided.contains(leg)) {
            self.arrivals.pop_front();
        }
    }

    pub(crate) fn is_high(&self, now: Duration) -> bool {
        let late = if self.undecided.len() >= CROWD { CROWD_LATE } else { DECISION_LATE };
        self.arrivals.front().is_some_and(|(at, _)| now.saturating_sub(*at) > late)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(n: u64) -> Duration {
        Duration::from_millis(n)
    }

    #[test]
    fn the_door_is_closed_while_the_oldest_undecided_call_is_late() {
        let mut p = Pressure::default();
        p.offered(ms(0), LegId(1));
        p.offered(ms(200), LegId(2));
        assert!(!p.is_high(ms(1000)));
        assert!(p.is_high(ms(1001)));
        p.decided(LegId(1));
        assert!(!p.is_high(ms(1200)));
        assert!(p.is_high(ms(1201)));
        p.decided(LegId(2));
        assert!(!p.is_high(ms(10_000)));
    }

    #[test]
    fn a_crowd_of_undecided_calls_closes_it_sooner() {
        let mut p = Pressure::default();
        for n in 0..100 {
            p.offered(ms(0), LegId(n));
        }
        assert!(!p.is_high(ms(400)));
        assert!(p.is_high(ms(401)));
        p.decided(LegId(99));
        assert!(!p.is_high(ms(401)));
        assert!(p.is_high(ms(1001)));
    }

    #[test]
    fn decisions_out_of_order_and_of_unknown_legs_leave_nothing_behind() {
        let mut p = Pressure::default();
        for n in 0..100 {
            p.offered(ms(n), LegId(u128::from(n)));
        }
        for n in (0..100).rev() {
            p.decided(LegId(n));
            p.decided(LegId(n));
            p.decided(LegId(n + 1_000));
        }
        assert!(p.arrivals.is_empty() && p.undecided.is_empty());
    }
}
