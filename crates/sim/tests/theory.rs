//! The floor's queues behave as queueing theory says: Poisson calls, exponential conversations and patience, the real
//! floor on a virtual clock, against Erlang C (nobody hangs up) and Erlang A within statistical error. So the theory
//! vouches for the simulator and the simulator for the formulas; a wrong model or one agent more or less is noticed.
//! `THEORY_BATCHES=400 cargo test --release -p sim --test theory` is the long variant.
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::sync::Arc;
use std::time::Duration;

use domain::command::{AgentCommand, Presence, SeatClass};
use domain::config::*;
use domain::effect::Effect;
use domain::event::{EventBody, SegmentEnd, SegmentOf};
use domain::floor::Floor;
use domain::id::*;
use domain::input::Input;
use domain::leg::{Codec, EndCause, EndedBy, LegCommand, LegEvent, LegStats, Via};
use domain::time::Timestamp;
use domain::workforce::{Demand, Forecast, forecast};
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64;

const QUEUE: QueueId = QueueId(1);
const NUMBER: NumberId = NumberId(1);
const START: Timestamp = Timestamp(1_789_956_000_000);
/// Calls of a batch; a line of ten agents forgets its past within about seventy.
const BATCH: usize = 1_000;
const WITHIN: f64 = 20.0;

/// One company of `agents` equal agents and one queue with no rule but the line.
fn company(agents: u32) -> Arc<TenantConfig> {
    let sample = sim::company::config();
    let mut config = TenantConfig::clone(&sample);
    let (agent, device) = (config.agents[&AgentId(1)].clone(), config.devices[&DeviceId(1)].clone());
    let ids = (1..=u128::from(agents)).map(AgentId);
    config.agents = ids.clone().map(|id| (id, AgentConfig { id, ..agent.clone() })).collect();
    config.devices = ids
        .clone()
        .map(|a| (DeviceId(a.0), a))
        .map(|(id, a)| (id, DeviceConfig { id, agent: Some(a), kind: DeviceKind::Browser, ..device.clone() }))
        .collect();
    let queue = config.queues.values().next().expect("the sample has queues").clone();
    let queue = QueueConfig {
        id: QUEUE,
        members: ids.map(|agent| Membership { agent, priority: 1 }).collect(),
        required_skills: BTreeMap::new(),
        strategy: Strategy::LongestIdle,
        wrap_up: WrapUp { mode: WrapUpMode::None, limit: Duration::ZERO },
        service_level: Duration::from_secs_f64(WITHIN),
        calendar: None,
        max_waiting: 1_000_000,
        overflow: None,
        comfort: None,
        record: Some(domain::recording::RecordRule::NEVER),
        ..queue
    };
    config.queues = BTreeMap::from([(QUEUE, queue)]);
    let number = config.numbers.values().next().expect("the sample has numbers").clone();
    let number = NumberConfig { id: NUMBER, entry: EntryPoint::Queue { queue: QUEUE }, ..number };
    config.numbers = BTreeMap::from([(NUMBER, number)]);
    config.teams = BTreeMap::new();
    config.flows = BTreeMap::new();
    config.entitlements = Entitlements { seats: agents, concurrent_calls: 1_000_000, retention_days: 1 };
    Arc::new(config)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Due {
    Arrival,
    /// The caller hangs up: his patience or his conversation is at its end.
    HangUp(LegId),
}

/// What became of a call, in the order of arrival.
#[derive(Debug, Clone, Copy, Default)]
struct Fate {
    wait_ms: i64,
    answered: bool,
}

struct Line {
    floor: Floor,
    demand: Demand,
    chance: Pcg64,
    due: BinaryHeap<Reverse<(Timestamp, Due)>>,
    /// The caller's leg of an interaction, and the conversation's end of a leg that is talking.
    legs: BTreeMap<InteractionId, LegId>,
    talks_until: BTreeMap<LegId, Timestamp>,
    /// By queue segment, with the time it began; then by place of arrival.
    waits: BTreeMap<SegmentId, (Timestamp, usize)>,
    fates: Vec<Fate>,
    calls: u128,
}

impl Line {
    fn new(demand: Demand, agents: u32, seed: u64) -> Line {
        let mut line = Line {
            floor: Floor::new(FloorId(1), company(agents), IdMint::new(1, 1)),
            demand,
            chance: Pcg64::seed_from_u64(seed),
            due: BinaryHeap::from([Reverse((START, Due::Arrival))]),
            legs: BTreeMap::new(),
            talks_until: BTreeMap::new(),
            waits: BTreeMap::new(),
            fates: Vec::new(),
            calls: 0,
        };
        for agent in (1..=u128::from(agents)).map(AgentId) {
            let device = DeviceId(agent.0);
            let sign_in = AgentCommand::SignIn { device, seat: SeatClass::Standard };
            line.tell(START, Input::Agent { agent, command: sign_in });
            line.tell(START, Input::DeviceReady { device });
            let command = AgentCommand::SetPresence { presence: Presence::Available };
            line.tell(START, Input::Agent { agent, command });
        }
        line
    }

    fn exponential(&mut self, mean: f64) -> Duration {
        let unit: f64 = self.chance.random_range(f64::MIN_POSITIVE..1.0);
        Duration::from_millis((-unit.ln() * mean * 1e3).round() as u64)
    }

    /// A switch without delay and agents who accept at once: everything follows at the same instant.
    fn tell(&mut self, now: Timestamp, input: Input) {
        let mut inputs = vec![input];
        while let Some(input) = inputs.pop() {
            self.floor.handle(now, input).expect("nothing here is refused");
            while let Some(event) = self.floor.poll_event() {
                self.note(now, &event.body);
            }
            while let Some(effect) = self.floor.poll_effect() {
                inputs.extend(match effect {
                    Effect::Leg(LegCommand::Answer { leg } | LegCommand::Originate { leg, .. }) => {
                        Some(Input::Leg(LegEvent::Answered { leg, codec: Codec::Pcma }))
                    }
                    Effect::Leg(LegCommand::Hangup { leg, cause }) => Some(ended(leg, cause, EndedBy::Us)),
                    Effect::Offer(card) => {
                        let command = AgentCommand::AcceptOffer { offer: card.offer };
                        Some(Input::Agent { agent: card.agent, command })
                    }
                    _ => None,
                });
            }
        }
    }

    fn note(&mut self, now: Timestamp, event: &EventBody) {
        match event {
            EventBody::SegmentStarted { segment, of: SegmentOf::Queue { .. }, .. } => {
                self.waits.insert(*segment, (now, self.fates.len()));
                self.fates.push(Fate::default());
            }
            EventBody::SegmentEnded { interaction, segment, why } => {
                let Some((since, n)) = self.waits.remove(segment) else { return };
                self.fates[n] = Fate { wait_ms: now - since, answered: *why == SegmentEnd::Answered };
                if *why == SegmentEnd::Answered {
                    let leg = self.legs[interaction];
                    let until = now + self.exponential(self.demand.handling);
                    self.talks_until.insert(leg, until);
                    self.due.push(Reverse((until, Due::HangUp(leg))));
                }
            }
            EventBody::InteractionEnded { interaction, .. } => {
                let leg = self.legs.remove(interaction).expect("a call of ours");
                self.talks_until.remove(&leg);
            }
            EventBody::LegStarted { interaction, leg, segment: None, .. } => {
                self.legs.insert(*interaction, *leg);
            }
            _ => {}
        }
    }

    /// Until so many calls have come and the first `calls` of them have met their fate.
    fn run(&mut self, calls: usize) {
        while self.fates.len() < calls || self.waits.values().any(|(_, n)| *n < calls) {
            let Reverse((now, due)) = self.due.pop().expect("calls never stop");
            match due {
                Due::Arrival => {
                    self.calls += 1;
                    let leg = LegId(self.calls);
                    let next = now + self.exponential(1.0 / self.demand.rate);
                    self.due.push(Reverse((next, Due::Arrival)));
                    if let Some(patience) = self.demand.patience {
                        let gives_up = now + self.exponential(patience);
                        self.due.push(Reverse((gives_up, Due::HangUp(leg))));
                    }
                    let from = AddressId(1);
                    self.tell(
                        now,
                        Input::CallOffered { leg, number: NUMBER, from, via: Via::Loopback, known: Default::default() },
                    );
                }
                // An old patience does not end a conversation.
                Due::HangUp(leg) if self.talks_until.get(&leg).is_none_or(|until| *until == now) => {
                    self.tell(now, ended(leg, EndCause::Hangup, EndedBy::Peer));
                }
                Due::HangUp(_) => {}
            }
        }
    }
}

fn ended(leg: LegId, cause: EndCause, by: EndedBy) -> Input {
    Input::Leg(LegEvent::Ended { leg, cause, by, stats: LegStats::default() })
}

/// A mean over batches and the half width of its confidence interval.
#[derive(Debug, Clone, Copy)]
struct Estimate {
    mean: f64,
    half: f64,
}

impl Estimate {
    fn of(batches: &[f64]) -> Estimate {
        let n = batches.len() as f64;
        let mean = batches.iter().sum::<f64>() / n;
        let variance = batches.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / (n - 1.0);
        // Student's t at 99.9 %, two-sided: 3.88 for 19 degrees of freedom, less for more.
        Estimate { mean, half: 3.88 * (variance / n).sqrt() }
    }

    fn holds(self, value: f64) -> bool {
        (self.mean - value).abs() <= self.half
    }
}

/// Delayed, abandoned, mean wait, answered in time: as measured.
struct Measured([Estimate; 4]);

impl Measured {
    fn by_floor(demand: Demand, agents: u32, seed: u64) -> Measured {
        let batches = std::env::var("THEORY_BATCHES").map_or(20, |n| n.parse().expect("a number"));
        let mut line = Line::new(demand, agents, seed);
        // The first batch fills the empty line and is not counted.
        line.run((batches + 1) * BATCH);
        let share = |what: &dyn Fn(&Fate) -> f64| {
            let means = line.fates[BATCH..(batches + 1) * BATCH].chunks(BATCH);
            Estimate::of(&means.map(|b| b.iter().map(what).sum::<f64>() / BATCH as f64).collect::<Vec<_>>())
        };
        Measured([
            share(&|f| f64::from(f.wait_ms > 0 || !f.answered)),
            share(&|f| f64::from(!f.answered)),
            share(&|f| f.wait_ms as f64 / 1e3),
            share(&|f| f64::from(f.answered && f.wait_ms as f64 <= WITHIN * 1e3)),
        ])
    }

    /// Which of the four agree with the forecast.
    fn agrees(&self, f: &Forecast) -> [bool; 4] {
        let expected = [f.delayed, f.abandoned, f.mean_wait, f.service_level(WITHIN)];
        [0, 1, 2, 3].map(|i| self.0[i].holds(expected[i]))
    }
}

fn erlang(demand: Demand, agents: u32) -> Forecast {
    forecast(demand, agents).expect("it has a long run")
}

#[test]
fn a_line_of_patient_callers_is_erlang_c() {
    let demand = Demand { rate: 8.0 / 180.0, handling: 180.0, patience: None };
    let measured = Measured::by_floor(demand, 10, 1);
    assert_eq!(measured.agrees(&erlang(demand, 10)), [true; 4], "{:?} {:?}", measured.0, erlang(demand, 10));
    // Not every number will do: one agent more or less, or callers with some patience, is another line.
    for wrong in [erlang(demand, 9), erlang(demand, 11), erlang(Demand { patience: Some(180.0), ..demand }, 10)] {
        let [delayed, _, wait, in_time] = measured.agrees(&wrong);
        assert!(!delayed && !wait && !in_time, "{:?} {wrong:?}", measured.0);
    }
}

#[test]
fn a_line_of_impatient_callers_is_erlang_a() {
    let demand = Demand { rate: 10.0 / 180.0, handling: 180.0, patience: Some(120.0) };
    let measured = Measured::by_floor(demand, 10, 2);
    assert_eq!(measured.agrees(&erlang(demand, 10)), [true; 4], "{:?} {:?}", measured.0, erlang(demand, 10));
    for wrong in [erlang(demand, 9), erlang(demand, 11)] {
        assert_eq!(measured.agrees(&wrong), [false; 4], "{:?} {wrong:?}", measured.0);
    }
    // Half the patience changes the share of those who leave by little, their waits by much.
    let [delayed, _, wait, in_time] = measured.agrees(&erlang(Demand { patience: Some(60.0), ..demand }, 10));
    assert!(!delayed && !wait && !in_time, "{:?}", measured.0);
}
