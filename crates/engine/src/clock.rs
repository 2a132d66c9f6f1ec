//! Time for floors: monotonic, anchored once to the wall clock, never going back (blueprint "Clock").
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use domain::time::Timestamp;

/// Cheap to copy; every part of one engine uses the same anchor.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    anchor: Instant,
    anchor_ms: i64,
}

impl Clock {
    /// Anchored to the wall clock now.
    pub fn anchored() -> Self {
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_millis() as i64);
        Self { anchor: Instant::now(), anchor_ms: wall }
    }

    /// The same clock, put forward if it stands before `earliest`: after a restart with the wall clock set back, a
    /// floor's timers would otherwise stand still until the clock reached its last event.
    pub fn not_before(self, earliest: Timestamp) -> Self {
        let behind = earliest.0.saturating_sub(self.now().0).max(0);
        Self { anchor: self.anchor, anchor_ms: self.anchor_ms.saturating_add(behind) }
    }

    pub fn now(&self) -> Timestamp {
        Timestamp(self.anchor_ms + self.anchor.elapsed().as_millis() as i64)
    }

    /// The instant at which [`Clock::now`] reaches `at`.
    pub fn instant(&self, at: Timestamp) -> Instant {
        let ms = u64::try_from(at.0 - self.anchor_ms).unwrap_or(0);
        self.anchor + std::time::Duration::from_millis(ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_behind_the_last_event_is_put_forward_and_one_ahead_is_left_alone() {
        let clock = Clock::anchored();
        let ahead = Timestamp(clock.now().0 + 3_600_000);
        let forward = clock.not_before(ahead);
        assert!(forward.now() >= ahead);
        assert!(forward.now().0 - ahead.0 < 60_000);
        assert_eq!(clock.not_before(Timestamp(0)).anchor_ms, clock.anchor_ms);
        assert!(forward.instant(Timestamp(ahead.0 + 1_000)) <= Instant::now() + std::time::Duration::from_secs(1));
    }
}
