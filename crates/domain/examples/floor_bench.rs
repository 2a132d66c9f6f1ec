//! What a queued call costs the floor: whole calls, from the offer of the caller's leg to the end of the wrap-up, with
//! every event encoded as the journal stores it. Run: `cargo run --release -p domain --example floor_bench`.
//!
//! A call takes eleven inputs and more: offered, answered, accepted, the agent's leg answered, recording begun, hung up,
//! both legs ended, recording ended and stored, disposition, end of the wrap-up. Batches of eight inputs' events
//! become a JSON array as in `store::journal`; its compression is not counted here.
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use domain::command::{AgentCommand, Presence, SeatClass};
use domain::config::*;
use domain::effect::Effect;
use domain::event::{Event, EventBody};
use domain::floor::Floor;
use domain::id::*;
use domain::input::Input;
use domain::leg::{Codec, EndCause, EndedBy, LegCommand, LegEvent, LegStats, Via};
use domain::localized::{Lang, Localized};
use domain::medium::{Medium, PerMedium};
use domain::time::Timestamp;
use rustix::time::{ClockId, clock_gettime};

const SOLVED: DispositionId = DispositionId(1);
/// Inputs whose events share a journal row, on a busy floor.
const BATCH: usize = 8;

fn main() {
    let calls = std::env::args().nth(1).and_then(|n| n.parse().ok()).unwrap_or(20_000);
    for (agents, queues, waiting) in [(200, 10, 0), (200, 10, 1_000), (10_000, 100, 0), (10_000, 100, 20_000)] {
        let name = |what: &str| format!("{what}, {agents} agents, {waiting} waiting");
        let runs = (0..3).map(|_| Bench::new(agents, queues, waiting).calls(calls));
        let best = runs.reduce(|a, b| if b.floor + b.encode < a.floor + a.encode { b } else { a });
        let Some(r) = best else { return };
        let (floor, all) = (r.floor.as_secs_f64(), (r.floor + r.encode).as_secs_f64());
        let n = r.inputs as f64;
        println!("BENCH\t{}\t{:.0}\tper CPU-s\t", name("floor inputs"), n / floor);
        println!("BENCH\t{}\t{:.0}\tper CPU-s\t100000", name("floor inputs, encoded"), n / all);
        println!("BENCH\t{}\t{:.1}\tµs CPU\t", name("a call, encoded"), all * 1e6 / calls as f64);
        println!("BENCH\t{}\t{:.0}\tbytes\t", name("journal of a call"), r.bytes as f64 / calls as f64);
    }
}

#[derive(Default)]
struct Spent {
    floor: Duration,
    encode: Duration,
    inputs: usize,
    bytes: usize,
}

struct Talk {
    customer: LegId,
    agent: AgentId,
    segment: SegmentId,
}

struct Bench {
    floor: Floor,
    now: Timestamp,
    legs: u128,
    queues: u64,
    /// Conversations to keep up.
    target: usize,
    agents: BTreeMap<SegmentId, AgentId>,
    talks: VecDeque<Talk>,
    inputs: usize,
    events: Vec<Event>,
}

/// CPU time of this thread.
fn cpu() -> Duration {
    let t = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(t.tv_sec.unsigned_abs(), t.tv_nsec.unsigned_abs() as u32)
}

impl Bench {
    /// With a line, all agents but every 41st are away; without one, all are there.
    fn new(agents: u64, queues: u64, waiting: usize) -> Bench {
        let there = (0..agents).filter(|n| waiting == 0 || n.is_multiple_of(41));
        let mut bench = Bench {
            floor: Floor::new(FloorId(1), Arc::new(company(agents, queues)), IdMint::new(1, 1)),
            now: Timestamp(1_790_000_000_000),
            legs: 0,
            queues,
            target: if waiting == 0 { 50 } else { there.clone().count() - 1 },
            agents: BTreeMap::new(),
            talks: VecDeque::new(),
            inputs: 0,
            events: Vec::new(),
        };
        for (agent, device) in (0..agents).map(|n| (AgentId(n.into()), DeviceId(n.into()))) {
            bench.tell(Input::Agent { agent, command: AgentCommand::SignIn { device, seat: SeatClass::Standard } });
            bench.tell(Input::DeviceReady { device });
        }
        for agent in there.map(|n| AgentId(n.into())) {
            let command = AgentCommand::SetPresence { presence: Presence::Available };
            bench.tell(Input::Agent { agent, command });
        }
        let waits = if waiting == 0 { 0 } else { bench.target + 1 + waiting };
        (0..waits).for_each(|_| bench.begin());
        bench.events.clear();
        bench.inputs = 0;
        bench
    }

    fn calls(mut self, calls: usize) -> Spent {
        let mut out = Spent::default();
        let (mut json, mut finished) = (Vec::new(), 0);
        while finished < calls {
            let start = cpu();
            for _ in 0..64 {
                self.begin();
                if self.talks.len() > self.target {
                    self.end();
                    finished += 1;
                }
            }
            out.floor += cpu() - start;
            let start = cpu();
            for batch in self.events.chunks((self.events.len() * BATCH).div_ceil(self.inputs)) {
                json.clear();
                if serde_json::to_writer(&mut json, batch).is_ok() {
                    out.bytes += json.len();
                }
            }
            out.encode += cpu() - start;
            self.events.clear();
            out.inputs += std::mem::take(&mut self.inputs);
        }
        out
    }

    fn begin(&mut self) {
        self.legs += 1;
        let (leg, number) = (LegId(self.legs), NumberId(self.legs % u128::from(self.queues)));
        self.tell(Input::CallOffered { leg, number, from: AddressId(self.legs), via: Via::Loopback });
    }

    fn end(&mut self) {
        let Some(talk) = self.talks.pop_front() else { return };
        let (agent, segment) = (talk.agent, talk.segment);
        self.tell(ended(talk.customer, EndCause::Hangup, EndedBy::Peer));
        let command = AgentCommand::SetDisposition { segment, disposition: SOLVED, note: None };
        self.tell(Input::Agent { agent, command });
        self.tell(Input::Agent { agent, command: AgentCommand::EndWrapUp { segment } });
    }

    /// One input and what a switch and willing agents make of it.
    fn tell(&mut self, input: Input) {
        let mut inputs = VecDeque::from([input]);
        while let Some(input) = inputs.pop_front() {
            self.inputs += 1;
            self.now.0 += i64::from(self.inputs.is_multiple_of(4));
            if self.floor.handle(self.now, input).is_err() {
                std::process::exit(1);
            }
            let _ = self.floor.next_timeout();
            while let Some(event) = self.floor.poll_event() {
                if let EventBody::Bridged { segment, legs, .. } = &event.body
                    && let (Some(agent), Some(customer)) = (self.agents.remove(segment), legs.first())
                {
                    self.talks.push_back(Talk { customer: *customer, agent, segment: *segment });
                }
                self.events.push(event);
            }
            while let Some(effect) = self.floor.poll_effect() {
                match effect {
                    Effect::Offer(card) => {
                        self.agents.insert(card.segment, card.agent);
                        let command = AgentCommand::AcceptOffer { offer: card.offer };
                        inputs.push_back(Input::Agent { agent: card.agent, command });
                    }
                    Effect::Leg(LegCommand::Answer { leg } | LegCommand::Originate { leg, .. }) => {
                        inputs.push_back(Input::Leg(LegEvent::Answered { leg, codec: Codec::Pcma }));
                    }
                    Effect::Leg(LegCommand::Hangup { leg, cause }) => {
                        inputs.push_back(ended(leg, cause, EndedBy::Us));
                    }
                    Effect::Leg(LegCommand::Record { recording, .. }) => {
                        inputs.push_back(Input::Leg(LegEvent::RecordingStarted { recording }));
                    }
                    Effect::Leg(LegCommand::StopRecording { recording }) => {
                        let gaps = Vec::new();
                        inputs.push_back(Input::Leg(LegEvent::RecordingEnded { recording, length_ms: 1, gaps }));
                        let blob = BlobId(recording.0);
                        inputs.push_back(Input::RecordingStored {
                            recording,
                            blob,
                            length_ms: 1,
                            bytes: 1,
                            gaps: Vec::new(),
                        });
                    }
                    _ => {}
                }
            }
        }
    }
}

fn ended(leg: LegId, cause: EndCause, by: EndedBy) -> Input {
    Input::Leg(LegEvent::Ended { leg, cause, by, stats: LegStats::default() })
}

fn company(agents: u64, queues: u64) -> TenantConfig {
    let queue = |n: u64| QueueConfig {
        id: QueueId(n.into()),
        name: Localized::both("", ""),
        media: vec![Medium::Voice],
        // Everybody is in ten of the queues.
        members: (0..agents)
            .filter(|a| (a + n).is_multiple_of(queues.div_ceil(10)))
            .map(|a| Membership { agent: AgentId(a.into()), priority: 1 })
            .collect(),
        required_skills: BTreeMap::new(),
        strategy: Strategy::LongestIdle,
        priority: 0,
        priority_boost: Duration::from_secs(10),
        ring_timeout: Duration::from_secs(20),
        away_after_missed: true,
        wrap_up: WrapUp { mode: WrapUpMode::Optional, limit: Duration::from_secs(30) },
        dispositions: vec![SOLVED],
        service_level: Duration::from_secs(20),
        short_abandon: Duration::from_secs(5),
        calendar: None,
        max_waiting: 1_000_000,
        overflow: Some(Overflow { after: Duration::from_secs(86_400), to: Destination::HangUp { prompt: None } }),
        closed: Destination::HangUp { prompt: None },
        welcome: None,
        music: Some(PromptId(1)),
        comfort: None,
        comfort_every: Duration::from_secs(30),
        record: true,
    };
    let agent = |n: u64| AgentConfig {
        id: AgentId(n.into()),
        user: UserId(n.into()),
        name: String::new(),
        extension: String::new(),
        team: None,
        skills: BTreeMap::new(),
        capacity: PerMedium { voice: 1, chat: 3, email: 1, task: 1 },
        active: true,
    };
    let device = |n: u64| DeviceConfig {
        id: DeviceId(n.into()),
        name: String::new(),
        agent: Some(AgentId(n.into())),
        kind: DeviceKind::Browser,
    };
    let number = |n: u64| NumberConfig {
        id: NumberId(n.into()),
        number: n.to_string(),
        name: Localized::both("", ""),
        entry: EntryPoint::Queue { queue: QueueId(n.into()) },
        lang: Lang::En,
        sample: false,
        web: false,
    };
    TenantConfig {
        tenant: TenantId(1),
        rev: 1,
        name: String::new(),
        time_zone: "UTC".into(),
        lang: Lang::En,
        entitlements: Entitlements { seats: 20_000, concurrent_calls: 200_000, retention_days: 1 },
        agents: (0..agents).map(|n| (AgentId(n.into()), agent(n))).collect(),
        queues: (0..queues).map(|n| (QueueId(n.into()), queue(n))).collect(),
        numbers: (0..queues).map(|n| (NumberId(n.into()), number(n))).collect(),
        devices: (0..agents).map(|n| (DeviceId(n.into()), device(n))).collect(),
        dispositions: BTreeMap::from([(SOLVED, Localized::both("", ""))]),
        teams: BTreeMap::new(),
        skills: BTreeMap::new(),
        calendars: BTreeMap::new(),
        flows: BTreeMap::new(),
        break_reasons: BTreeMap::new(),
        music: None,
    }
}
