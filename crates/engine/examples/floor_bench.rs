//! What a floor costs that is never without work: whole calls, from the offer of the caller's leg to the end of the
//! wrap-up, every event encoded and made durable in the journal, on SQLite with full fsyncs, in TMPDIR. Run:
//! `cargo run --release -p engine --example floor_bench [calls]`.
//!
//! A call takes eleven inputs and more: offered, answered, accepted, the agent's leg answered, recording begun, hung up,
//! both legs ended, recording ended and stored, disposition, end of the wrap-up. What is decided while a commit is under
//! way goes with the next, as in the engine. No tasks, no projections: `call_bench` has them.
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
use store::{Committing, Draft, FloorKind, HostScope, NewTenant, Options, Store};

/// As the server has it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const SOLVED: DispositionId = DispositionId(1);
/// JSON in one journal row, as in the engine.
const ROW: usize = 256 << 10;
const NOW: Timestamp = Timestamp(1_790_000_000_000);

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

#[tokio::main(worker_threads = 1)]
async fn main() -> Result<()> {
    let calls = std::env::args().nth(1).map_or(Ok(20_000), |n| n.parse())?;
    let dir = std::env::temp_dir().join(format!("cordboard-floor-bench-{}", std::process::id()));
    let store = Store::open(&Options::in_dir(&dir)).await?;
    for (agents, queues, waiting) in [(200, 10, 0), (200, 10, 1_000), (10_000, 100, 0), (10_000, 100, 20_000)] {
        let name = |what: &str| format!("{what}, {agents} agents, {waiting} waiting");
        let mut best: Option<Spent> = None;
        for _ in 0..3 {
            let spent = Bench::new(agents, queues, waiting).calls(calls, Journal::make(&store).await?).await?;
            if best.as_ref().is_none_or(|b| spent.all < b.all) {
                best = Some(spent);
            }
        }
        let Some(r) = best else { break };
        let n = r.inputs as f64;
        println!("BENCH\t{}\t{:.0}\tper CPU-s\t", name("floor inputs, decided"), n / r.floor.as_secs_f64());
        println!("BENCH\t{}\t{:.0}\tper CPU-s\t100000", name("floor inputs, journalled"), n / r.all.as_secs_f64());
        let (all, calls) = (r.all.as_secs_f64() * 1e6, calls as f64);
        println!("BENCH\t{}\t{:.1}\tµs CPU\t", name("a call, journalled"), all / calls);
        println!("BENCH\t{}\t{:.0}\tbytes\t", name("a call's events before compression"), r.bytes as f64 / calls);
    }
    store.close().await;
    std::fs::remove_dir_all(&dir)?;
    Ok(())
}

#[derive(Default)]
struct Spent {
    /// Of the thread that decides, while it does.
    floor: Duration,
    /// Of the whole process, from the first input to the last commit.
    all: Duration,
    inputs: usize,
    bytes: usize,
}

/// A floor's place in the database.
struct Journal {
    store: Store,
    floor: FloorId,
    epoch: u32,
    draft: Draft,
    last_seq: u64,
    under_way: Option<Committing>,
}

impl Journal {
    async fn make(store: &Store) -> Result<Journal> {
        let host = HostScope::whole_installation();
        let owner = store.create_host(host, "Bench", NOW).await?;
        let new = NewTenant {
            host: owner.id,
            slug: format!("bench-{:x}", store::random::bits()),
            name: "Bench".to_owned(),
            entitlements: Entitlements { seats: 1, concurrent_calls: 1, retention_days: 1 },
            is_default: false,
        };
        let tenant = store.create_tenant(host, new, NOW).await?.id;
        let floor = store.create_floor(tenant, FloorKind::Live, NOW).await?.id;
        let epoch = store.acquire_lease(floor, "bench", Duration::from_secs(1), NOW).await?.epoch;
        Ok(Journal { store: store.clone(), floor, epoch, draft: Draft::default(), last_seq: 0, under_way: None })
    }

    /// Writes what there is when the last commit is done.
    async fn keep(&mut self, events: &[Event], now: Timestamp) -> Result<usize> {
        let mut bytes = 0;
        for event in events {
            let json = event.to_json()?;
            self.last_seq += 1;
            self.draft.push(self.last_seq, &json, now)?;
            bytes += json.len();
        }
        if self.draft.size() >= ROW {
            self.write(now).await?;
        }
        Ok(bytes)
    }

    async fn write(&mut self, now: Timestamp) -> Result<()> {
        if let Some(before) = self.under_way.take() {
            before.await?;
        }
        if !self.draft.is_empty() {
            let batches = vec![self.draft.take()?];
            self.under_way = Some(self.store.post(self.floor, self.epoch, batches, now)?);
        }
        Ok(())
    }
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

/// CPU time of this thread, or of this process.
fn cpu(of: ClockId) -> Duration {
    let t = clock_gettime(of);
    Duration::new(t.tv_sec.unsigned_abs(), t.tv_nsec.unsigned_abs() as u32)
}

impl Bench {
    /// With a line, all agents but every 41st are away; without one, all are there.
    fn new(agents: u64, queues: u64, waiting: usize) -> Bench {
        let there = (0..agents).filter(|n| waiting == 0 || n.is_multiple_of(41));
        let mut bench = Bench {
            floor: Floor::new(FloorId(1), Arc::new(company(agents, queues)), IdMint::new(1, 1)),
            now: NOW,
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

    async fn calls(mut self, calls: usize, mut journal: Journal) -> Result<Spent> {
        let (mut out, mut finished) = (Spent::default(), 0);
        let all = cpu(ClockId::ProcessCPUTime);
        while finished < calls {
            let start = cpu(ClockId::ThreadCPUTime);
            for _ in 0..64 {
                self.begin();
                if self.talks.len() > self.target {
                    self.end();
                    finished += 1;
                }
            }
            out.floor += cpu(ClockId::ThreadCPUTime) - start;
            out.bytes += journal.keep(&self.events, self.now).await?;
            self.events.clear();
            out.inputs += std::mem::take(&mut self.inputs);
        }
        journal.write(self.now).await?;
        journal.write(self.now).await?;
        out.all = cpu(ClockId::ProcessCPUTime) - all;
        Ok(out)
    }

    fn begin(&mut self) {
        self.legs += 1;
        let (leg, number) = (LegId(self.legs), NumberId(self.legs % u128::from(self.queues)));
        self.tell(Input::CallOffered {
            leg,
            number,
            from: AddressId(self.legs),
            via: Via::Loopback,
            known: Default::default(),
        });
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
                            heard_ms: 1,
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
        record: Some(domain::recording::RecordRule::ALWAYS),
        transferred: Default::default(),
        voicemail: None,
    };
    let agent = |n: u64| AgentConfig {
        id: AgentId(n.into()),
        user: UserId(n.into()),
        name: String::new(),
        extension: String::new(),
        team: None,
        skills: BTreeMap::new(),
        capacity: PerMedium { voice: 1, chat: 3, email: 1, task: 1 },
        record: None,
        active: true,
    };
    let device = |n: u64| DeviceConfig {
        id: DeviceId(n.into()),
        name: String::new(),
        agent: Some(AgentId(n.into())),
        kind: DeviceKind::Browser,
        srtp: Default::default(),
        codecs: Vec::new(),
    };
    let number = |n: u64| NumberConfig {
        id: NumberId(n.into()),
        number: n.to_string(),
        name: Localized::both("", ""),
        entry: EntryPoint::Queue { queue: QueueId(n.into()) },
        lang: Lang::En,
        sample: false,
        web: false,
        record: None,
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
