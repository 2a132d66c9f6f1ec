//! One demand class of the index: who waits in one queue for one medium, and which of its members are free for that.
//! Everything in a class asks for the same, so the first in line and the best agent are the first of two ordered sets.
use std::collections::BTreeMap;

use super::Exclusion;
use crate::config::Strategy;
use crate::id::{AgentId, QueueId, SegmentId};
use crate::time::Timestamp;

/// Place in line. Neither part changes while the work waits, so ageing costs nothing.
pub(super) type LineKey = (Timestamp, SegmentId);

/// Comes after everybody.
pub(super) const NOBODY: LineKey = (Timestamp(i64::MAX), SegmentId(u128::MAX));

/// Best first, as in the scan's ranking: membership's priority, level if the strategy asks for it, longest idle, id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct IdleKey {
    rank: u64,
    idle_since: Timestamp,
    agent: u32,
}

/// A queue as the index needs it; its four classes share it.
#[derive(Debug)]
pub(super) struct Line {
    pub queue: QueueId,
    pub strategy: Strategy,
    pub members: Vec<Member>,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Member {
    pub id: AgentId,
    /// Number of the agent in the index; the order of numbers is that of ids.
    pub agent: u32,
    pub priority: u8,
    /// Summed over the required skills; none if one is missing or too low.
    pub level: Option<u32>,
}

#[derive(Debug, Default)]
pub(super) struct Class {
    /// Number of the waiting work by its place in line.
    pub line: BTreeMap<LineKey, u32>,
    /// Place among the queue's members of each free one.
    pub free: BTreeMap<IdleKey, u32>,
    /// One bit for each member, set while he is in `free`: finds those who are not without asking all.
    free_bits: Vec<u64>,
    /// Agents are kept for this medium. Not until work of it comes, if the queue does not take it by its configuration.
    pub kept: bool,
}

impl Class {
    pub fn new(kept: bool) -> Class {
        Class { kept, ..Class::default() }
    }

    pub fn add(&mut self, line: &Line, member: u32, idle_since: Timestamp) {
        let Some(key) = line.key(member, idle_since) else { return };
        if self.free_bits.is_empty() {
            self.free_bits = vec![0; line.members.len().div_ceil(64)];
        }
        self.free.insert(key, member);
        if let Some(word) = self.free_bits.get_mut(member as usize / 64) {
            *word |= 1 << (member % 64);
        }
    }

    pub fn remove(&mut self, line: &Line, member: u32, idle_since: Timestamp) {
        let Some(key) = line.key(member, idle_since) else { return };
        self.free.remove(&key);
        if let Some(word) = self.free_bits.get_mut(member as usize / 64) {
            *word &= !(1 << (member % 64));
        }
    }

    pub fn is_free(&self, member: u32) -> bool {
        self.free_bits.get(member as usize / 64).is_some_and(|word| word >> (member % 64) & 1 == 1)
    }

    /// Members who are not free, in the queue's order.
    pub fn out(&self, members: usize) -> impl Iterator<Item = u32> + '_ {
        (0..members.div_ceil(64)).flat_map(move |n| {
            let rest = members - n * 64;
            let mask = if rest >= 64 { u64::MAX } else { (1 << rest) - 1 };
            let mut word = !self.free_bits.get(n).copied().unwrap_or(0) & mask;
            std::iter::from_fn(move || {
                let bit = (word != 0).then(|| word.trailing_zeros())?;
                word &= word - 1;
                Some(n as u32 * 64 + bit)
            })
        })
    }

    /// Both sides have somebody: something may be decided here.
    pub fn is_live(&self) -> bool {
        !self.line.is_empty() && !self.free.is_empty()
    }
}

impl Line {
    fn key(&self, member: u32, idle_since: Timestamp) -> Option<IdleKey> {
        let m = self.members.get(member as usize)?;
        let level = match self.strategy {
            Strategy::LongestIdle => 0,
            Strategy::SkillLevel => m.level?,
        };
        let rank = u64::from(m.priority) << 32 | u64::from(u32::MAX - level);
        Some(IdleKey { rank, idle_since, agent: m.agent })
    }
}

/// An agent as the index keeps him.
#[derive(Debug)]
pub(super) struct Slot {
    /// In the configuration and active.
    pub active: bool,
    pub capacity: crate::medium::PerMedium<u8>,
    pub signed_in: bool,
    /// The first rule he fails whatever the work is.
    pub away: Option<Exclusion>,
    pub device_ready: bool,
    pub load: crate::medium::PerMedium<u8>,
    pub idle_since: Timestamp,
    /// By medium: he is among the free of his classes, under `idle_since`.
    pub free: [bool; 4],
    /// … or rather will be: he has become free and joined none of them yet.
    pub fresh: bool,
    /// The round in which he last got an offer.
    pub taken: u64,
    /// His memberships, in the order of queues.
    pub places: Vec<Place>,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    pub line: u32,
    pub member: u32,
    /// Has the skills; otherwise the queue never asks for him.
    pub fits: bool,
}
