//! The matching index against its twin: for random events it decides what the plain scan decides, traces included.
//! `MATCHING_EVENTS=600000 cargo test -p domain --release --test matching` is the long variant.
use std::collections::BTreeMap;

use domain::command::Presence;
use domain::config::*;
use domain::id::*;
use domain::medium::{Medium, PerMedium};
use domain::routing::{Index, Standing, Waiting, naive};
use domain::time::Timestamp;

mod rig;

/// SplitMix64 (Steele, Lea, Flood 2014): small, and the same everywhere.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }

    fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }
}

/// An index and, beside it, what it was told.
struct Twins {
    dice: Dice,
    config: TenantConfig,
    index: Index,
    now: Timestamp,
    waiting: BTreeMap<SegmentId, Waiting>,
    standing: BTreeMap<AgentId, Standing>,
    segments: u128,
    assigned: usize,
    passed_over: usize,
}

fn some_config(dice: &mut Dice, agents: u64, queues: u64) -> TenantConfig {
    let mut config = rig::config();
    let skills = 6;
    config.agents = (0..agents)
        .map(|n| {
            let agent = AgentConfig {
                id: AgentId(u128::from(n)),
                user: UserId(1),
                name: String::new(),
                extension: String::new(),
                team: None,
                skills: (0..3).map(|_| (SkillId(dice.below(skills).into()), 1 + dice.below(10) as u8)).collect(),
                capacity: PerMedium { voice: dice.below(5).min(1) as u8, chat: dice.below(4) as u8, email: 2, task: 1 },
                record: None,
                active: !dice.one_in(12),
            };
            (agent.id, agent)
        })
        .collect();
    config.queues = (0..queues)
        .map(|n| {
            let mut q = rig::queue(QueueId(u128::from(n)));
            // Some members are not among the agents at all.
            q.members = (0..agents + 2)
                .map(|a| Membership { agent: AgentId(a.into()), priority: dice.below(7) as u8 })
                .filter(|m| (1..4).contains(&m.priority))
                .collect();
            if dice.one_in(2) {
                q.members.reverse();
            }
            q.media = vec![Medium::Voice];
            if dice.one_in(2) {
                q.media.push(Medium::Chat);
            }
            if dice.one_in(2) {
                q.strategy = Strategy::SkillLevel;
            }
            q.required_skills =
                (0..dice.below(3)).map(|_| (SkillId(dice.below(skills).into()), 1 + dice.below(5) as u8)).collect();
            (q.id, q)
        })
        .collect();
    config
}

impl Twins {
    fn new(seed: u64) -> Twins {
        let mut dice = Dice(seed);
        let (agents, queues) = (1 + dice.below(70), 1 + dice.below(8));
        let config = some_config(&mut dice, agents, queues);
        let index = Index::new(&config);
        let (waiting, standing) = (BTreeMap::new(), BTreeMap::new());
        let now = Timestamp(1_000_000);
        Twins { dice, config, index, now, waiting, standing, segments: 0, assigned: 0, passed_over: 0 }
    }

    fn some_agent(&mut self) -> AgentId {
        AgentId(self.dice.below(self.config.agents.len() as u64 + 2).into())
    }

    fn some_work(&mut self) -> Option<Waiting> {
        let n = self.dice.below(self.waiting.len().max(1) as u64) as usize;
        self.waiting.values().nth(n).cloned()
    }

    fn refuse(&mut self, w: &mut Waiting) {
        for _ in 0..self.dice.below(4) {
            let agent = self.some_agent();
            w.refused.insert(agent, Timestamp(self.now.0 + self.dice.below(300) as i64));
        }
    }

    fn arrive(&mut self) {
        let dice = &mut self.dice;
        let priority = dice.below(3) as i32;
        self.segments += 1;
        let mut w = Waiting {
            segment: SegmentId(self.segments),
            queue: QueueId(dice.below(self.config.queues.len() as u64).into()),
            medium: if dice.one_in(2) { Medium::Voice } else { Medium::ALL[dice.below(4) as usize] },
            priority,
            since: self.now,
            virtual_since: Timestamp(self.now.0 - i64::from(priority) * 50),
            until: dice.one_in(3).then(|| Timestamp(self.now.0 + dice.below(500) as i64)),
            refused: BTreeMap::new(),
        };
        if self.dice.one_in(4) {
            self.refuse(&mut w);
        }
        self.index.wait(&w);
        self.waiting.insert(w.segment, w);
    }

    fn stand(&mut self, agent: AgentId, change: impl FnOnce(&mut Dice, &mut Standing)) {
        let now = self.now;
        let s = self.standing.entry(agent).or_insert_with(|| Standing {
            signed_in: true,
            leaving: false,
            presence: Presence::Available,
            device_ready: true,
            load: PerMedium::default(),
            idle_since: now,
        });
        change(&mut self.dice, s);
        self.index.stand(agent, s);
    }

    /// One event. Several at one time are usual, so that equal idle and arrival times occur.
    fn step(&mut self) {
        if self.dice.one_in(2) {
            self.now.0 += self.dice.below(20) as i64;
        }
        let now = self.now;
        match self.dice.below(40) {
            0..=13 => self.arrive(),
            14..=17 => {
                if let Some(w) = self.some_work() {
                    self.waiting.remove(&w.segment);
                    self.index.leave(w.segment);
                }
            }
            18..=19 => {
                if let Some(mut w) = self.some_work() {
                    self.refuse(&mut w);
                    self.index.wait(&w);
                    self.waiting.insert(w.segment, w);
                }
            }
            20..=34 => {
                let agent = self.some_agent();
                self.stand(agent, |dice, s| match dice.below(12) {
                    0 => s.signed_in = !dice.one_in(3),
                    1 => s.leaving = dice.one_in(3),
                    2 => s.device_ready = !dice.one_in(3),
                    3 => {
                        s.presence = match dice.below(4) {
                            0 => Presence::Offline,
                            1 => Presence::Break { reason: rig::LUNCH },
                            _ => Presence::Available,
                        };
                        s.idle_since = now;
                    }
                    _ => {
                        s.load = PerMedium::default();
                        s.idle_since = now;
                    }
                });
            }
            35..=37 => {
                let agent = self.some_agent();
                self.stand(agent, |dice, s| {
                    s.load = PerMedium { voice: dice.below(2) as u8, chat: dice.below(3) as u8, ..s.load }
                });
            }
            38 if self.dice.one_in(40) => {
                let (agents, queues) = (self.config.agents.len() as u64, self.config.queues.len() as u64);
                self.config = some_config(&mut self.dice, agents, queues);
                self.index = Index::new(&self.config);
                self.standing.iter().for_each(|(a, s)| self.index.stand(*a, s));
                self.waiting.values().for_each(|w| self.index.wait(w));
            }
            // What is due leaves.
            _ => {
                let due: Vec<_> = self.waiting.values().filter(|w| w.until.is_some_and(|t| t <= now)).collect();
                for segment in due.into_iter().map(|w| w.segment).collect::<Vec<_>>() {
                    self.waiting.remove(&segment);
                    self.index.leave(segment);
                }
            }
        }
    }

    fn decide(&mut self) {
        let waiting: Vec<Waiting> = self.waiting.values().cloned().collect();
        let expected = naive::assign(self.now, &waiting, &self.standing, &self.config);
        let decided = self.index.assign(self.now);
        assert_eq!(decided, expected);
        for a in decided {
            self.assigned += 1;
            self.passed_over += usize::from(a.trace.place > 1);
            let mut w = self.waiting.remove(&a.segment).expect("it waited");
            let medium = w.medium;
            self.stand(a.agent, |_, s| *s.load.get_mut(medium) += 1);
            if self.dice.one_in(3) {
                // He misses the ring.
                w.refused.insert(a.agent, Timestamp(self.now.0 + 100));
                self.stand(a.agent, |_, s| *s.load.get_mut(medium) -= 1);
                self.index.wait(&w);
                self.waiting.insert(w.segment, w);
            }
        }
        assert_eq!(self.index.waiting(), self.waiting.len());
    }
}

#[test]
fn the_index_decides_and_explains_as_the_plain_scan_does() {
    let events = std::env::var("MATCHING_EVENTS").map_or(24_000, |n| n.parse().expect("a number"));
    let (mut assigned, mut passed_over) = (0, 0);
    for seed in 0..events / 1_000 {
        let mut twins = Twins::new(seed);
        for _ in 0..1_000 {
            twins.step();
            // Sometimes several changes meet in one round.
            if !twins.dice.one_in(4) {
                twins.decide();
            }
        }
        assigned += twins.assigned;
        passed_over += twins.passed_over;
    }
    // The play is not idle: a good share ends in offers, some past others who may not be given to the agent.
    assert!(assigned as u64 > events / 6, "{assigned}");
    assert!(passed_over as u64 > events / 2_000, "{passed_over}");
}
