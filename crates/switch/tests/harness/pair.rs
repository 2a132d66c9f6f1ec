//! A caller and an agent's phone that hear one another.
use domain::id::LegId;
use media::{LegKey, Sending};
use sip::CallId;

use super::{World, phone};

/// Each by his phone's call, our leg and its sound.
pub struct Pair {
    pub w: World,
    pub caller: (CallId, LegId, LegKey),
    pub agent: (CallId, LegId, LegKey),
}

impl Pair {
    /// Bridges the caller at `phone(1)` with the agent at `phone(2)`, who has answered.
    pub fn join(mut w: World, caller: (CallId, LegId, LegKey), (call, leg): (CallId, LegId)) -> Self {
        let mut keys: Vec<LegKey> = w.carriers.keys().copied().collect();
        keys.sort_unstable();
        let key = *keys.iter().find(|key| **key != caller.2).unwrap();
        w.bridge(caller.1, leg);
        let _ = (w.heard(phone(1)), w.heard(phone(2)));
        Self { w, caller, agent: (call, leg, key) }
    }

    /// How the sound that each hears is made.
    pub fn sending(&self) -> [Sending; 2] {
        [self.caller.2, self.agent.2].map(|key| self.w.plane.stats(key).unwrap().sending)
    }
}
