//! Who may hear whom, by the floor's own orders, against who is heard at the phones. Knows legs by the phones at their
//! far ends, learnt from what callers show and from where calls are placed.
use std::collections::BTreeMap;
use std::time::Duration;

use domain::id::{BridgeId, LegId};
use domain::leg::{Hears, LegCommand};

/// Packets on their way when a bridge changes may still arrive.
const ECHOES: Duration = Duration::from_secs(8);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum May {
    Now,
    Until(Duration),
}

#[derive(Default)]
pub(crate) struct Ears {
    phones: BTreeMap<LegId, usize>,
    bridges: BTreeMap<BridgeId, Vec<Hears>>,
    /// (listener, speaker), by phone.
    may: BTreeMap<(usize, usize), May>,
}

impl Ears {
    pub(crate) fn learn(&mut self, leg: LegId, phone: usize) {
        self.phones.insert(leg, phone);
    }

    pub(crate) fn phone(&self, leg: LegId) -> Option<usize> {
        self.phones.get(&leg).copied()
    }

    /// An order on its way to the switch.
    pub(crate) fn ordered(&mut self, now: Duration, command: &LegCommand) {
        if let LegCommand::Bridge { bridge, legs } = command {
            self.close(now, *bridge);
            for pair in self.pairs(legs) {
                self.may.insert(pair, May::Now);
            }
            // An order may cross the end of its legs.
            let living = legs.iter().filter(|row| self.phones.contains_key(&row.leg));
            let living: Vec<Hears> = living.cloned().collect();
            if !living.is_empty() {
                self.bridges.insert(*bridge, living);
            }
        }
    }

    pub(crate) fn ended(&mut self, now: Duration, leg: LegId) {
        let of_leg = |rows: &Vec<Hears>| rows.iter().any(|r| r.leg == leg || r.hears.contains(&leg));
        let over: Vec<BridgeId> = self.bridges.iter().filter(|(_, rows)| of_leg(rows)).map(|(b, _)| *b).collect();
        over.into_iter().for_each(|bridge| self.close(now, bridge));
        self.phones.remove(&leg);
    }

    /// The process died.
    pub(crate) fn forget(&mut self, now: Duration) {
        let all: Vec<BridgeId> = self.bridges.keys().copied().collect();
        all.into_iter().for_each(|bridge| self.close(now, bridge));
        self.phones.clear();
    }

    fn close(&mut self, now: Duration, bridge: BridgeId) {
        let rows = self.bridges.remove(&bridge).unwrap_or_default();
        for pair in self.pairs(&rows) {
            // A phone whose goodbye was lost may have two legs for a while.
            let elsewhere = self.bridges.values().any(|rows| self.pairs(rows).contains(&pair));
            self.may.insert(pair, if elsewhere { May::Now } else { May::Until(now + ECHOES) });
        }
    }

    fn pairs(&self, rows: &[Hears]) -> Vec<(usize, usize)> {
        let of = |row: &Hears| row.hears.iter().map(move |s| (row.leg, *s)).collect::<Vec<_>>();
        let pairs = rows.iter().flat_map(of);
        pairs.filter_map(|(a, b)| Some((self.phone(a)?, self.phone(b)?))).collect()
    }

    /// A phone hears a voice.
    pub(crate) fn may_hear(&self, now: Duration, listener: usize, speaker: usize) -> bool {
        match self.may.get(&(listener, speaker)) {
            Some(May::Now) => true,
            Some(May::Until(until)) => *until >= now,
            None => false,
        }
    }

    /// Whoever hears several voices hears their sum, which may by chance say the number of somebody else.
    pub(crate) fn hears_several(&self, now: Duration, listener: usize) -> bool {
        let heard = self.may.range((listener, 0)..=(listener, usize::MAX));
        heard.filter(|((_, speaker), _)| self.may_hear(now, listener, *speaker)).count() > 1
    }

    /// Forgets pairs long over.
    pub(crate) fn sweep(&mut self, now: Duration) {
        self.may.retain(|_, may| !matches!(may, May::Until(until) if *until < now));
    }

    pub(crate) fn open(&self) -> (usize, usize) {
        (self.phones.len(), self.bridges.len())
    }
}
