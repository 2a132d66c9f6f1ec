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
    /// Anchored now, but never before `not_before` (the last event of a restored journal).
    pub fn anchored(not_before: Timestamp) -> Self {
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_millis() as i64);
        Self { anchor: Instant::now(), anchor_ms: wall.max(not_before.0) }
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
