//! When the control thread rests between two rounds. Waking a thread costs more than most of what it is woken for: while
//! messages come one upon the other, what comes within a millisecond after a round began is served together. While they
//! come singly a rest would only be a second wake-up, so there is none.
use std::time::{Duration, Instant};

/// Between the beginnings of two rounds while there is much to do.
const PACE: Duration = Duration::from_millis(1);
/// So many rounds within [`PACE`] of each other mean that there is: a call makes three or four by itself.
const QUICK: u8 = 4;

#[derive(Debug)]
pub(super) struct Pace {
    /// Beginning of the present round.
    began: Instant,
    quick: u8,
}

impl Pace {
    pub(super) fn new(now: Instant) -> Self {
        Self { began: now, quick: 0 }
    }

    /// A round begins, the thread having waited since `since`.
    pub(super) fn round(&mut self, since: Instant, now: Instant) {
        if self.quick < QUICK {
            let is_quick = now.duration_since(self.began) < PACE;
            self.quick = if is_quick { self.quick + 1 } else { 0 };
        } else if now.duration_since(since) > PACE / 4 {
            // Nothing had come during the rest: it was in vain.
            self.quick = 0;
        }
        self.began = now;
    }

    /// How long to rest before the next wait.
    pub(super) fn rest(&self, now: Instant) -> Duration {
        if self.quick < QUICK { Duration::ZERO } else { PACE.saturating_sub(now.duration_since(self.began)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn single_messages_are_served_without_rest_and_streams_of_them_in_rounds() {
        let start = Instant::now();
        let at = |us| start + Duration::from_micros(us);
        let mut pace = Pace::new(start);
        for n in 1..20 {
            pace.round(at(n * 2000 - 1900), at(n * 2000));
            assert_eq!(pace.rest(at(n * 2000 + 100)), Duration::ZERO);
        }
        let mut now = 40_000;
        for _ in 0..=QUICK {
            pace.round(at(now), at(now));
            now += 300;
        }
        let rest = pace.rest(at(now));
        assert_eq!(rest, Duration::from_micros(700));
        // Something has come meanwhile: it goes on like that.
        now += 700;
        pace.round(at(now), at(now + 5));
        assert_ne!(pace.rest(at(now + 105)), Duration::ZERO);
        // Nothing has: the rests end.
        pace.round(at(now + 1000), at(now + 1900));
        assert_eq!(pace.rest(at(now + 2000)), Duration::ZERO);
    }
}
