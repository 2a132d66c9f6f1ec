//! Routing at 10,000 agents × 100,000 waiting × 1,000 skills: assignments per CPU second and the time of one decision,
//! by the matching index and by the plain scan. Run: `cargo run --release -p domain --example routing_bench`.
//!
//! An agent has ten skills; a queue asks for one of them at a level, so that he is a member of about ten queues. One
//! turn: an agent becomes free, is assigned the first in line among all his queues (explained as the floor does), is
//! told to be busy; a new work arrives; every fifth turn another one gives up and is replaced. Each turn is counted whole.
use std::collections::BTreeMap;
use std::time::Duration;

use domain::command::Presence;
use domain::config::*;
use domain::id::*;
use domain::localized::{Lang, Localized};
use domain::medium::{Medium, PerMedium};
use domain::routing::{Index, Standing, Waiting, naive};
use domain::time::Timestamp;
use rustix::time::{ClockId, clock_gettime};

const AGENTS: u64 = 10_000;
const WAITING: u64 = 100_000;
const SKILLS: u64 = 1_000;
const SKILLS_EACH: u64 = 10;

struct Bench {
    config: TenantConfig,
    index: Index,
    waiting: BTreeMap<SegmentId, Waiting>,
    standing: BTreeMap<AgentId, Standing>,
    now: Timestamp,
    segments: u128,
    dice: u64,
}

fn main() {
    let mut bench = Bench::new();
    bench.all(false);
    (0..WAITING).for_each(|_| bench.arrive());

    // Everybody is busy and 100,000 wait: an agent who becomes free is matched with them.
    bench.turns(50_000, None);
    let rate = (0..5).map(|_| bench.turns(200_000, None)).fold(0.0, f64::max);
    line("assignments, 100,000 waiting", rate, "per CPU-s", "500000");
    let mut each = Vec::new();
    bench.turns(200_000, Some(&mut each));
    each.sort_unstable();
    for (name, of) in [("p50", 500), ("p99", 990), ("p99.9", 999)] {
        let at = each.get(each.len() * of / 1000).copied().unwrap_or_default();
        line(&format!("one decision, {name}"), at.as_secs_f64() * 1e6, "µs CPU", if of == 990 { "20" } else { "" });
    }
    line("assignments by the plain scan, 100,000 waiting", bench.scan(20), "per CPU-s", "");

    // Nobody waits and all are idle: a work that arrives is matched with 10,000 agents.
    bench.drain();
    bench.all(true);
    let rate = (0..3).map(|_| bench.arrivals(200_000)).fold(0.0, f64::max);
    line("assignments, 10,000 agents idle", rate, "per CPU-s", "500000");
}

fn line(work: &str, value: f64, unit: &str, target: &str) {
    println!("BENCH\t{work}\t{value:.1}\t{unit}\t{target}");
}

/// CPU time of this thread.
fn cpu() -> Duration {
    let t = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(t.tv_sec.unsigned_abs(), t.tv_nsec.unsigned_abs() as u32)
}

impl Bench {
    fn new() -> Bench {
        let mut dice = 7;
        let config = company(&mut dice);
        let index = Index::new(&config);
        let standing = config.agents.keys().map(|a| (*a, standing(Timestamp(0), 0))).collect();
        Bench { config, index, waiting: BTreeMap::new(), standing, now: Timestamp(0), segments: 0, dice }
    }

    fn below(&mut self, n: u64) -> u64 {
        below(&mut self.dice, n)
    }

    fn arrive(&mut self) {
        let w = self.new_work();
        self.index.wait(&w);
        self.waiting.insert(w.segment, w);
    }

    fn new_work(&mut self) -> Waiting {
        self.segments += 1;
        self.now.0 += i64::from(self.segments.is_multiple_of(8));
        let priority = self.below(3) as i32;
        Waiting {
            segment: SegmentId(self.segments),
            queue: QueueId(self.below(SKILLS).into()),
            medium: Medium::Voice,
            priority,
            since: self.now,
            virtual_since: Timestamp(self.now.0 - 10_000 * i64::from(priority)),
            until: Some(Timestamp(self.now.0 + 3_600_000)),
            refused: BTreeMap::new(),
        }
    }

    /// Frees or occupies everybody.
    fn all(&mut self, free: bool) {
        for (agent, s) in &mut self.standing {
            s.load.voice = u8::from(!free);
            self.index.stand(*agent, s);
        }
    }

    fn stand(&mut self, agent: AgentId, load: u8) {
        let now = self.now;
        if let Some(s) = self.standing.get_mut(&agent) {
            s.load.voice = load;
            s.idle_since = now;
            self.index.stand(agent, s);
        }
    }

    /// Turns as the head describes, each decision timed if `each` is there to be told. Gives assignments per CPU second,
    /// without the time in which the bench itself makes up its mind.
    fn turns(&mut self, turns: usize, mut each: Option<&mut Vec<Duration>>) -> f64 {
        let (mut spent, mut given) = (Duration::ZERO, 0);
        for _ in 0..turns / 1_000 {
            let agents: Vec<AgentId> = (0..1_000).map(|_| AgentId(self.below(AGENTS).into())).collect();
            let fresh: Vec<Waiting> = (0..1_200).map(|_| self.new_work()).collect();
            let (now, free) = (self.now, standing(self.now, 0));
            let busy = standing(self.now, 1);
            let mut gone = Vec::with_capacity(1_200);
            let mut arriving = fresh.iter();
            let start = cpu();
            for (n, agent) in agents.into_iter().enumerate() {
                let begun = each.as_ref().map(|_| cpu());
                self.index.stand(agent, &free);
                let assigned = self.index.assign(now);
                if let (Some(each), Some(begun)) = (each.as_mut(), begun) {
                    each.push(cpu() - begun);
                }
                self.index.stand(agent, &busy);
                given += assigned.len();
                gone.extend(assigned.into_iter().map(|a| a.segment));
                if let Some(w) = arriving.next() {
                    self.index.wait(w);
                }
                if n % 5 == 0
                    && let Some(w) = arriving.next()
                {
                    let leaver = SegmentId(w.segment.0 - u128::from(WAITING) / 2);
                    self.index.leave(leaver);
                    gone.push(leaver);
                    self.index.wait(w);
                }
            }
            spent += cpu() - start;
            self.waiting.extend(fresh.into_iter().map(|w| (w.segment, w)));
            for segment in gone {
                self.waiting.remove(&segment);
            }
        }
        given as f64 / spent.as_secs_f64()
    }

    fn scan(&mut self, decisions: usize) -> f64 {
        let waiting: Vec<Waiting> = self.waiting.values().cloned().collect();
        for s in self.standing.values_mut() {
            s.load.voice = 1;
        }
        let start = cpu();
        let mut given = 0;
        for _ in 0..decisions {
            let agent = AgentId(self.below(AGENTS).into());
            self.stand(agent, 0);
            given += naive::assign(self.now, &waiting, &self.standing, &self.config).len();
            self.stand(agent, 1);
        }
        given as f64 / (cpu() - start).as_secs_f64()
    }

    fn drain(&mut self) {
        for segment in std::mem::take(&mut self.waiting).into_keys() {
            self.index.leave(segment);
        }
    }

    /// A work arrives, is given to the best of the idle, who is idle again a hundred turns later.
    fn arrivals(&mut self, turns: usize) -> f64 {
        let mut at_work = std::collections::VecDeque::new();
        let (mut spent, mut given) = (Duration::ZERO, 0);
        for _ in 0..turns / 1_000 {
            let fresh: Vec<Waiting> = (0..1_000).map(|_| self.new_work()).collect();
            let start = cpu();
            for w in fresh {
                self.index.wait(&w);
                let busy = standing(self.now, 1);
                for a in self.index.assign(self.now) {
                    self.index.stand(a.agent, &busy);
                    at_work.push_back(a.agent);
                    given += 1;
                }
                if at_work.len() > 100
                    && let Some(agent) = at_work.pop_front()
                {
                    self.index.stand(agent, &standing(self.now, 0));
                }
            }
            spent += cpu() - start;
        }
        given as f64 / spent.as_secs_f64()
    }
}

fn standing(idle_since: Timestamp, calls: u8) -> Standing {
    Standing {
        signed_in: true,
        leaving: false,
        presence: Presence::Available,
        device_ready: true,
        load: PerMedium { voice: calls, ..PerMedium::default() },
        idle_since,
    }
}

/// SplitMix64.
fn below(dice: &mut u64, n: u64) -> u64 {
    *dice = dice.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *dice;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (z ^ (z >> 31)) % n
}

fn company(dice: &mut u64) -> TenantConfig {
    let mut agents = BTreeMap::new();
    let mut members: Vec<Vec<Membership>> = vec![Vec::new(); SKILLS as usize];
    for n in 0..AGENTS {
        let mut skills = BTreeMap::new();
        while skills.len() < SKILLS_EACH as usize {
            let (skill, level) = (below(dice, SKILLS), 1 + below(dice, 10) as u8);
            if skills.insert(SkillId(skill.into()), level).is_none()
                && let Some(m) = members.get_mut(skill as usize)
            {
                m.push(Membership { agent: AgentId(n.into()), priority: 1 + below(dice, 2) as u8 });
            }
        }
        let agent = AgentConfig {
            id: AgentId(n.into()),
            user: UserId(n.into()),
            name: String::new(),
            extension: String::new(),
            team: None,
            skills,
            capacity: PerMedium { voice: 1, chat: 3, email: 1, task: 1 },
            record: None,
            active: true,
        };
        agents.insert(agent.id, agent);
    }
    let queues = (0..SKILLS).zip(members).map(|(n, members)| {
        let queue = QueueConfig {
            id: QueueId(n.into()),
            name: Localized::both("", ""),
            media: vec![Medium::Voice],
            members,
            required_skills: BTreeMap::from([(SkillId(n.into()), 1 + below(dice, 3) as u8)]),
            strategy: if n % 2 == 0 { Strategy::LongestIdle } else { Strategy::SkillLevel },
            priority: 0,
            priority_boost: Duration::from_secs(10),
            ring_timeout: Duration::from_secs(20),
            away_after_missed: true,
            wrap_up: WrapUp { mode: WrapUpMode::None, limit: Duration::ZERO },
            dispositions: Vec::new(),
            service_level: Duration::from_secs(20),
            short_abandon: Duration::from_secs(5),
            calendar: None,
            max_waiting: 1_000_000,
            overflow: None,
            closed: Destination::HangUp { prompt: None },
            welcome: None,
            music: None,
            comfort: None,
            comfort_every: Duration::from_secs(30),
            record: Some(domain::recording::RecordRule::NEVER),
            transferred: Default::default(),
            voicemail: None,
        };
        (queue.id, queue)
    });
    TenantConfig {
        tenant: TenantId(1),
        rev: 1,
        name: String::new(),
        time_zone: "UTC".into(),
        lang: Lang::En,
        entitlements: Entitlements { seats: 20_000, concurrent_calls: 200_000, retention_days: 1 },
        queues: queues.collect(),
        agents,
        teams: BTreeMap::new(),
        skills: BTreeMap::new(),
        calendars: BTreeMap::new(),
        flows: BTreeMap::new(),
        numbers: BTreeMap::new(),
        devices: BTreeMap::new(),
        dispositions: BTreeMap::new(),
        break_reasons: BTreeMap::new(),
        music: None,
        monitoring_shown: false,
        region: None,
        trunks: Default::default(),
        routes: Default::default(),
        outbound: Default::default(),
        recording: Default::default(),
        voicemail: Default::default(),
        mask_numbers: false,
    }
}
