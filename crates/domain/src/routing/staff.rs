//! The idle side of the index: who is free, as one bit for each agent and medium, and each queue's members as bits by
//! their rank. An agent's change is a few bits, in however many queues he is; who of a queue is free, and who of those
//! comes first, is found a word of 64 agents at a time when somebody has to be chosen.
use std::collections::BTreeSet;

use super::TRACE_MAX;
use crate::config::{QueueConfig, Strategy};
use crate::id::{AgentId, QueueId};
use crate::time::Timestamp;

/// Agents who are free and counted as such, by their numbers.
#[derive(Debug, Default)]
pub(super) struct Idle {
    bits: [Vec<u64>; 4],
    counts: [u32; 4],
    /// All who are free for something, longest idle first.
    order: BTreeSet<(Timestamp, u32)>,
    since: Vec<Timestamp>,
}

impl Idle {
    pub fn new(agents: usize) -> Idle {
        Idle {
            bits: std::array::from_fn(|_| vec![0; agents.div_ceil(64)]),
            since: vec![Timestamp::default(); agents],
            ..Idle::default()
        }
    }

    pub fn since(&self, agent: u32) -> Timestamp {
        self.since.get(agent as usize).copied().unwrap_or_default()
    }

    /// Only while he is not in here.
    pub fn set_since(&mut self, agent: u32, since: Timestamp) {
        if let Some(kept) = self.since.get_mut(agent as usize) {
            *kept = since;
        }
    }

    pub fn is_free(&self, agent: u32, medium: usize) -> bool {
        self.bits[medium].get(agent as usize / 64).is_some_and(|word| word >> (agent % 64) & 1 == 1)
    }

    /// He is free for these media, one bit each.
    pub fn add(&mut self, agent: u32, media: u8) {
        self.order.insert((self.since(agent), agent));
        self.flip(agent, media);
    }

    /// He is not free any more for these media, and out altogether if `is_out`.
    pub fn remove(&mut self, agent: u32, media: u8, is_out: bool) {
        self.flip(agent, media);
        if is_out {
            self.order.remove(&(self.since(agent), agent));
        }
    }

    fn flip(&mut self, agent: u32, media: u8) {
        for medium in (0..4).filter(|m| media >> m & 1 == 1) {
            if let Some(word) = self.bits[medium].get_mut(agent as usize / 64) {
                *word ^= 1 << (agent % 64);
                let is = *word >> (agent % 64) & 1 == 1;
                self.counts[medium] = if is { self.counts[medium] + 1 } else { self.counts[medium] - 1 };
            }
        }
    }
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Member {
    pub id: AgentId,
    /// Number of the agent in the index; the order of numbers is that of ids.
    pub agent: u32,
    /// Summed over the required skills; zero if one is missing or too low.
    pub level: u32,
    pub priority: u8,
    pub fits: bool,
}

/// Up to 64 agents of following numbers who have one rank in a queue.
#[derive(Debug, Clone, Copy)]
struct Word {
    /// Which of the words of all agents.
    at: u32,
    /// Where their places begin.
    places: u32,
    mask: u64,
}

impl Word {
    fn free(self, idle: &Idle, medium: usize) -> u64 {
        idle.bits[medium].get(self.at as usize).map_or(0, |word| word & self.mask)
    }

    /// The agents of these bits.
    fn agents(self, mut bits: u64) -> impl Iterator<Item = u32> {
        std::iter::from_fn(move || {
            let bit = (bits != 0).then(|| bits.trailing_zeros())?;
            bits &= bits - 1;
            Some(self.at * 64 + bit)
        })
    }
}

/// A queue's members.
#[derive(Debug)]
pub(super) struct Staff {
    pub queue: QueueId,
    pub strategy: Strategy,
    pub members: Vec<Member>,
    /// Best rank first (membership's priority, then level if the strategy asks for it), then by agent; a rank begins
    /// where `ranks` says.
    words: Vec<Word>,
    ranks: Vec<u32>,
    /// Places among the members, as the bits of the words follow one another.
    places: Vec<u32>,
    /// Places of those who have not the skills.
    unfit: Vec<u32>,
}

/// At most [`TRACE_MAX`] places among the members.
#[derive(Debug, Default)]
pub(super) struct Few {
    places: [u32; TRACE_MAX],
    len: usize,
}

impl Few {
    pub fn of(places: impl Iterator<Item = u32>) -> Few {
        let mut few = Few::default();
        places.take(TRACE_MAX).for_each(|place| few.push(place));
        few
    }

    pub fn as_slice(&self) -> &[u32] {
        &self.places[..self.len]
    }

    fn is_full(&self) -> bool {
        self.len == TRACE_MAX
    }

    fn push(&mut self, place: u32) {
        if let Some(end) = self.places.get_mut(self.len) {
            *end = place;
            self.len += 1;
        }
    }

    /// Keeps the smallest, in order.
    fn push_smallest(&mut self, place: u32) {
        let at = self.as_slice().partition_point(|p| *p < place);
        if at < TRACE_MAX {
            self.len = (self.len + 1).min(TRACE_MAX);
            self.places[at..self.len].rotate_right(1);
            self.places[at] = place;
        }
    }
}

impl Staff {
    pub fn new(queue: &QueueConfig, members: Vec<Member>) -> Staff {
        let rank = |m: &Member| {
            let level = if queue.strategy == Strategy::SkillLevel { m.level } else { 0 };
            u64::from(m.priority) << 32 | u64::from(u32::MAX - level)
        };
        let mut order: Vec<(u64, u32, u32)> =
            (0..).zip(&members).filter(|(_, m)| m.fits).map(|(place, m)| (rank(m), m.agent, place)).collect();
        order.sort_unstable();
        let (mut words, mut ranks, mut last) = (Vec::<Word>::new(), Vec::new(), None);
        for (n, (rank, agent, _)) in (0..).zip(&order) {
            if last != Some(*rank) {
                ranks.push(words.len() as u32);
            }
            let (at, bit) = (agent / 64, 1 << (agent % 64));
            match words.last_mut() {
                Some(word) if last == Some(*rank) && word.at == at => word.mask |= bit,
                _ => words.push(Word { at, places: n, mask: bit }),
            }
            last = Some(*rank);
        }
        let unfit = (0..).zip(&members).filter(|(_, m)| !m.fits).map(|(place, _)| place).collect();
        let places = order.into_iter().map(|(.., place)| place).collect();
        Staff { queue: queue.id, strategy: queue.strategy, members, words, ranks, places, unfit }
    }

    /// Somebody is free.
    pub fn has_free(&self, idle: &Idle, medium: usize) -> bool {
        idle.counts[medium] > 0 && self.words.iter().any(|w| w.free(idle, medium) != 0)
    }

    pub fn count_free(&self, idle: &Idle, medium: usize) -> usize {
        self.words.iter().map(|w| w.free(idle, medium).count_ones() as usize).sum()
    }

    fn place(&self, word: Word, agent: u32) -> u32 {
        let before = (word.mask & ((1 << (agent % 64)) - 1)).count_ones();
        self.places.get((word.places + before) as usize).copied().unwrap_or_default()
    }

    /// The free ones best first: by rank, then who is idle longest, then by id. Without those who refuse.
    pub fn best(&self, idle: &Idle, medium: usize, refusing: &[u32]) -> Few {
        let mut few = Few::default();
        for (n, from) in self.ranks.iter().enumerate() {
            let to = self.ranks.get(n + 1).map_or(self.words.len(), |to| *to as usize);
            let words = self.words.get(*from as usize..to).unwrap_or_default();
            let free: usize = words.iter().map(|w| w.free(idle, medium).count_ones() as usize).sum();
            if free == 0 {
                continue;
            }
            // Either all the free of this rank are looked at, or the idle in their order until there are enough of it.
            if free * free <= 2 * TRACE_MAX * idle.order.len() {
                self.best_by_words(words, idle, medium, refusing, &mut few);
            } else {
                self.best_by_order(words, idle, medium, refusing, &mut few);
            }
            if few.is_full() {
                break;
            }
        }
        few
    }

    fn best_by_words(&self, words: &[Word], idle: &Idle, medium: usize, refusing: &[u32], few: &mut Few) {
        let room = TRACE_MAX - few.len;
        let mut best = [(Timestamp::default(), 0, Word { at: 0, places: 0, mask: 0 }); TRACE_MAX];
        let mut len = 0;
        for word in words {
            for agent in word.agents(word.free(idle, medium)) {
                let key = (idle.since(agent), agent);
                let is_late = len == room && best.get(len - 1).is_some_and(|last| (last.0, last.1) < key);
                if is_late || refusing.contains(&agent) {
                    continue;
                }
                let at = best[..len].partition_point(|b| (b.0, b.1) < key);
                len = (len + 1).min(room);
                best[at..len].rotate_right(1);
                best[at] = (key.0, agent, *word);
            }
        }
        best[..len].iter().for_each(|(_, agent, word)| few.push(self.place(*word, *agent)));
    }

    fn best_by_order(&self, words: &[Word], idle: &Idle, medium: usize, refusing: &[u32], few: &mut Few) {
        for (_, agent) in &idle.order {
            let Ok(at) = words.binary_search_by_key(&(agent / 64), |w| w.at) else { continue };
            let Some(word) = words.get(at).filter(|w| w.free(idle, medium) >> (agent % 64) & 1 == 1) else { continue };
            if !refusing.contains(agent) {
                few.push(self.place(*word, *agent));
                if few.is_full() {
                    return;
                }
            }
        }
    }

    /// The first who are not candidates, in the queue's order; `out` is how many there are.
    pub fn first_out(&self, idle: &Idle, medium: usize, refusing: &[u32], out: usize) -> Few {
        if out == 0 {
            return Few::default();
        }
        // Many: they are met soon. Few: their bits are.
        if out * out >= TRACE_MAX * self.members.len() {
            let is_out = |m: &Member| !m.fits || !idle.is_free(m.agent, medium) || refusing.contains(&m.agent);
            return Few::of((0..).zip(&self.members).filter(|(_, m)| is_out(m)).map(|(place, _)| place));
        }
        let mut few = Few::of(self.unfit.iter().copied());
        for word in &self.words {
            let bits = word.mask & !word.free(idle, medium);
            word.agents(bits).for_each(|agent| few.push_smallest(self.place(*word, agent)));
        }
        for agent in refusing {
            let word = self.words.iter().find(|w| w.at == agent / 64 && w.mask >> (agent % 64) & 1 == 1);
            if let Some(word) = word {
                few.push_smallest(self.place(*word, *agent));
            }
        }
        few
    }
}
