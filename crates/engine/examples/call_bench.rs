//! What one queued call costs the engine, the journal and the projections: processor time, not wall time. A scripted
//! switch answers at once, so that nothing else of the process is measured. SQLite with full fsyncs, in TMPDIR.
//!
//! Run: `cargo run --release -p engine --example call_bench [calls] [at once]`. The line that begins with `BENCH` is
//! for `cargo xtask bench`.
use std::collections::{BTreeMap, HashMap, HashSet};
use std::error::Error;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use domain::address::Address;
use domain::command::{AgentCommand, Presence, SeatClass};
use domain::config::*;
use domain::id::*;
use domain::leg::*;
use domain::localized::{Lang, Localized};
use domain::medium::{Medium, PerMedium};
use engine::port::{Down, TelephonyPort, Up};
use engine::{Engine, EngineConfig};
use store::{Author, HostScope, NewTenant, Options, Settings, Store};
use tokio::sync::{Notify, mpsc};

/// As the server has it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const AGENTS: u32 = 200;
/// Callers come back: as many different ones.
const CALLERS: u64 = 10_000;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

#[tokio::main(worker_threads = 2)]
async fn main() -> Result<()> {
    let arg = |n: usize, default: u64| std::env::args().nth(n).map_or(Ok(default), |s| s.parse());
    let (calls, at_once) = (arg(1, 20_000)?, arg(2, 250)?);
    let dir = std::env::temp_dir().join(format!("cordboard-floor-bench-{}", std::process::id()));
    let store = Store::open(&Options::in_dir(&dir)).await?;
    let company = Company::make(&store).await?;
    let (up, up_receiver) = mpsc::channel(65_536);
    let script = Arc::new(Script {
        up,
        tenant: company.tenant,
        number: company.number,
        started: AtomicU64::new(0),
        inputs: AtomicU64::new(0),
        calls,
        live: Mutex::default(),
        done: Notify::new(),
        ended: AtomicU64::new(0),
    });
    let carried_out = script.clone();
    let config = EngineConfig {
        node: "bench".to_owned(),
        sip: ([127, 0, 0, 1], 5060).into(),
        recordings: dir.join("spool"),
        render: Arc::new(|_| Err("nothing is recorded".to_owned())),
        demo_speech: Vec::new(),
    };
    std::fs::create_dir_all(dir.join("spool"))?;
    let port = TelephonyPort {
        down: Arc::new(move |down| {
            if let Down::Leg(command) = down {
                carried_out.carry_out(command);
            }
            Ok(())
        }),
        up: up_receiver,
        outlived: Default::default(),
    };
    let engine = Engine::start(config, store.clone(), port).await?;
    for (agent, device) in &company.agents {
        let sign_in = AgentCommand::SignIn { device: *device, seat: SeatClass::Standard };
        engine.agent(company.tenant, *agent, sign_in).await?;
        let available = AgentCommand::SetPresence { presence: Presence::Available };
        engine.agent(company.tenant, *agent, available).await?;
    }
    let floor = store.live_floor(company.tenant, engine.now()).await?.id;
    projected(&store, floor).await?;

    let before = store.lease(floor).await?.last_seq;
    let (cpu, start) = (cpu_time()?, Instant::now());
    for _ in 0..at_once.min(calls) {
        script.next_call();
    }
    script.done.notified().await;
    let (served_cpu, wall) = (cpu_time()? - cpu, start.elapsed());
    projected(&store, floor).await?;
    let cpu = cpu_time()? - cpu;
    let lease = store.lease(floor).await?;
    let (events, inputs) = (lease.last_seq - before, script.inputs.load(Ordering::Relaxed));
    let batches = store.read_journal(floor, before + 1, 10_000).await?.len();
    println!("{calls} calls, {at_once} at once, in {:.2} s: {inputs} inputs, {events} events", wall.as_secs_f64());
    println!("events in a journal batch: {:.1} (of the first {batches})", events as f64 / batches.max(1) as f64);
    let per_call = |d: Duration| d.as_secs_f64() * 1e3 / calls as f64;
    println!("CPU per call: {:.3} ms, with the projections complete {:.3} ms", per_call(served_cpu), per_call(cpu));
    println!("BENCH\tA queued call in engine, journal and projections\t{:.3}\tms CPU\t", per_call(cpu));
    engine.stop().await;
    store.close().await;
    std::fs::remove_dir_all(&dir)?;
    Ok(())
}

async fn projected(store: &Store, floor: FloorId) -> Result<()> {
    while store.projector_offset(floor).await? < store.lease(floor).await?.last_seq {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    Ok(())
}

/// Telephony's place: peers who answer at once; the caller hangs up as soon as he hears somebody.
struct Script {
    up: mpsc::Sender<Up>,
    tenant: TenantId,
    number: NumberId,
    started: AtomicU64,
    inputs: AtomicU64,
    calls: u64,
    live: Mutex<Live>,
    done: Notify,
    ended: AtomicU64,
}

#[derive(Default)]
struct Live {
    customers: HashSet<LegId>,
    plays: HashMap<LegId, PlayId>,
}

impl Script {
    fn say(&self, event: LegEvent) {
        self.inputs.fetch_add(1, Ordering::Relaxed);
        if self.up.try_send(Up::Leg(event)).is_err() {
            eprintln!("the engine's inbox is full");
        }
    }

    fn next_call(&self) {
        let n = self.started.fetch_add(1, Ordering::Relaxed);
        if n >= self.calls {
            return;
        }
        // The top bit marks incoming legs.
        let leg = LegId(1 << 127 | u128::from(n));
        self.live().customers.insert(leg);
        let user = format!("138{:08}", n % CALLERS);
        let from = Address::from_sip(&user, "carrier.example", Some("CN"));
        let (tenant, number) = (self.tenant, self.number);
        self.say(LegEvent::Offered {
            leg,
            tenant,
            number,
            from,
            name: None,
            via: Via::Loopback,
            claims: Default::default(),
        });
    }

    fn live(&self) -> std::sync::MutexGuard<'_, Live> {
        self.live.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn carry_out(&self, command: LegCommand) {
        match command {
            LegCommand::Answer { leg } => self.say(LegEvent::Answered { leg, codec: Codec::Pcmu }),
            LegCommand::Originate { leg, .. } => {
                self.say(LegEvent::Ringing { leg });
                self.say(LegEvent::Answered { leg, codec: Codec::Pcmu });
            }
            LegCommand::Bridge { legs, .. } if legs.len() == 2 => {
                let customer = legs.iter().map(|h| h.leg).find(|leg| self.live().customers.contains(leg));
                if let Some(leg) = customer {
                    self.end(leg, EndCause::Hangup, EndedBy::Peer);
                }
            }
            LegCommand::Hangup { leg, cause } => self.end(leg, cause, EndedBy::Us),
            LegCommand::Reject { leg, .. } => self.end(leg, EndCause::Rejected, EndedBy::Us),
            LegCommand::Play { leg, play, looped, .. } => {
                let stopped = self.live().plays.insert(leg, play);
                if let Some(play) = stopped {
                    self.say(LegEvent::PlayEnded { leg, play, why: PlayEnd::Stopped, digits: String::new() });
                }
                if !looped {
                    self.live().plays.remove(&leg);
                    self.say(LegEvent::PlayEnded { leg, play, why: PlayEnd::Finished, digits: String::new() });
                }
            }
            LegCommand::StopPlay { leg } => {
                let stopped = self.live().plays.remove(&leg);
                if let Some(play) = stopped {
                    self.say(LegEvent::PlayEnded { leg, play, why: PlayEnd::Stopped, digits: String::new() });
                }
            }
            _ => {}
        }
    }

    fn end(&self, leg: LegId, cause: EndCause, by: EndedBy) {
        let was_customer = {
            let mut live = self.live();
            live.plays.remove(&leg);
            live.customers.remove(&leg)
        };
        self.say(LegEvent::Ended { leg, cause, by, stats: LegStats::default() });
        if was_customer {
            self.next_call();
            if self.ended.fetch_add(1, Ordering::Relaxed) + 1 == self.calls {
                self.done.notify_one();
            }
        }
    }
}

struct Company {
    tenant: TenantId,
    number: NumberId,
    agents: Vec<(AgentId, DeviceId)>,
}

impl Company {
    async fn make(store: &Store) -> Result<Company> {
        let (host, now) = (HostScope::whole_installation(), store::random::wall_clock());
        let owner = store.create_host(host, "Bench", now).await?;
        let new = NewTenant {
            host: owner.id,
            slug: "bench".to_owned(),
            name: "Bench".to_owned(),
            entitlements: Entitlements { seats: AGENTS, concurrent_calls: 100_000, retention_days: 30 },
            is_default: true,
        };
        let tenant = store.create_tenant(host, new, now).await?.id;
        let bits = || store::random::bits();
        let (queue, number) = (QueueId::from_parts(now.0, bits()), NumberId::from_parts(now.0, bits()));
        let login = store.login_for_email("worker@bench.test", now).await?;
        let mut tx = store.admin(tenant, Author::system(), "bench", now).await?;
        let settings = Settings {
            tenant,
            name: "Bench".to_owned(),
            time_zone: "Asia/Shanghai".to_owned(),
            lang: Lang::En,
            sip_domain: "bench.example".to_owned(),
            region: Some("CN".to_owned()),
            music: None,
            monitoring_shown: false,
            browser_codecs: Vec::new(),
            outbound: Default::default(),
            recording: Default::default(),
            voicemail: Default::default(),
            mask_numbers: false,
        };
        tx.put(settings, None).await?;
        let user = tx.create_user(&login, "Worker", Lang::En).await?.id;
        let mut agents = Vec::new();
        for n in 0..AGENTS {
            let (agent, device) = (AgentId::from_parts(now.0, bits()), DeviceId::from_parts(now.0, bits()));
            let config = AgentConfig {
                id: agent,
                user,
                name: format!("Agent {n}"),
                extension: format!("{}", 6000 + n),
                team: None,
                skills: BTreeMap::new(),
                capacity: PerMedium { voice: 1, ..PerMedium::default() },
                record: None,
                active: true,
            };
            tx.put(config, None).await?;
            let kind = DeviceKind::Uri { uri: format!("sip:agent{n}@127.0.0.1") };
            tx.put(
                DeviceConfig {
                    id: device,
                    name: format!("Phone {n}"),
                    agent: Some(agent),
                    kind,
                    srtp: Default::default(),
                    codecs: Vec::new(),
                },
                None,
            )
            .await?;
            agents.push((agent, device));
        }
        let named = |text: &str| Localized { zh: None, en: Some(text.to_owned()) };
        let config = QueueConfig {
            id: queue,
            name: named("Support"),
            media: vec![Medium::Voice],
            members: agents.iter().map(|(agent, _)| Membership { agent: *agent, priority: 1 }).collect(),
            required_skills: BTreeMap::new(),
            strategy: Strategy::LongestIdle,
            priority: 0,
            priority_boost: Duration::from_secs(10),
            ring_timeout: Duration::from_secs(20),
            away_after_missed: true,
            wrap_up: WrapUp { mode: WrapUpMode::None, limit: Duration::from_secs(30) },
            dispositions: Vec::new(),
            service_level: Duration::from_secs(20),
            short_abandon: Duration::from_millis(1),
            calendar: None,
            max_waiting: 100_000,
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
        tx.put(config, None).await?;
        let entry = EntryPoint::Queue { queue };
        let config = NumberConfig {
            id: number,
            number: "1000".to_owned(),
            name: named("Support"),
            entry,
            lang: Lang::En,
            sample: true,
            web: false,
            record: None,
        };
        tx.put(config, None).await?;
        tx.commit().await?;
        Ok(Company { tenant, number, agents })
    }
}

/// User and system time of this process, from `/proc/self/stat` (100 ticks a second on Linux).
fn cpu_time() -> Result<Duration> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    // Fields are counted after the parenthesised name, which may hold blanks: utime and stime are the 12th and 13th.
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks: u64 = fields.get(11).unwrap_or(&"0").parse::<u64>()? + fields.get(12).unwrap_or(&"0").parse::<u64>()?;
    Ok(Duration::from_millis(ticks * 10))
}
