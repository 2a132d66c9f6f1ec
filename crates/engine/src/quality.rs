//! How living legs sound at the moment, for desks and the live board. Not of the floor: telephony tells it every few
//! seconds, nothing is decided by it, and it is not journalled.
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use domain::id::LegId;
use domain::leg::Quality;

/// More legs than a node carries; beyond it new ones are not shown.
const LEGS_MAX: usize = 16_384;

#[derive(Clone, Default)]
pub struct LiveQuality(Arc<Mutex<HashMap<LegId, Quality>>>);

impl LiveQuality {
    fn table(&self) -> std::sync::MutexGuard<'_, HashMap<LegId, Quality>> {
        // A panic while holding the lock leaves only values behind, which stay usable.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn of(&self, leg: LegId) -> Option<Quality> {
        self.table().get(&leg).copied()
    }

    pub(crate) fn put(&self, leg: LegId, quality: Quality) {
        let mut table = self.table();
        if table.len() < LEGS_MAX || table.contains_key(&leg) {
            table.insert(leg, quality);
        }
    }

    pub(crate) fn ended(&self, leg: LegId) {
        self.table().remove(&leg);
    }
}
