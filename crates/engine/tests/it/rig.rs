//! A small company on a real store, an engine with a life of its own (a runtime that can be killed), and a scripted
//! switch in telephony's place.
use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use domain::address::Address;
use domain::command::{AgentCommand, Presence, SeatClass};
use domain::config::*;
use domain::device::DeviceReport;
use domain::event::{Event, EventBody, SegmentState};
use domain::id::*;
use domain::leg::*;
use domain::localized::{Lang, Localized};
use domain::medium::{Medium, PerMedium};
use domain::time::Timestamp;
use domain::view::{AgentView, OfferView};
use engine::port::{Down, TelephonyPort, Up};
use engine::{Attendance, Engine, EngineConfig, Render, Rendered, Saving};
use store::{Author, HostScope, NewTenant, Options, Scope, Settings, Store};
use tokio::runtime::Runtime;
use tokio::sync::mpsc;

pub const NODE: &str = "test";
pub const RECORDED: u64 = 1_500;

/// What the binary would make of a complete spool file.
pub fn rendered(spool: &[u8]) -> Rendered {
    let wav = spool.to_vec();
    Rendered {
        wav,
        length_ms: RECORDED,
        started_at: Timestamp(0),
        is_complete: true,
        gaps: Vec::new(),
        heard_ms: RECORDED,
    }
}

/// What stays when an engine dies.
pub struct Rig {
    dir: tempfile::TempDir,
    options: Options,
    pub tenant: TenantId,
    pub agent: AgentId,
    pub queue: QueueId,
    pub number: NumberId,
    pub tab: DeviceId,
    pub user: UserId,
}

pub fn wall() -> Timestamp {
    store::random::wall_clock()
}

/// The condition's value, which must come within ten seconds.
pub async fn eventually<T, F: Future<Output = Option<T>>>(what: &str, mut look: impl FnMut() -> F) -> T {
    let found = async {
        loop {
            if let Some(found) = look().await {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    match tokio::time::timeout(Duration::from_secs(10), found).await {
        Ok(found) => found,
        Err(_) => panic!("not within 10 s: {what}"),
    }
}

impl Rig {
    pub async fn new() -> Rig {
        Rig::on(None).await
    }

    pub async fn on_postgres() -> Rig {
        let url = tokio::task::spawn_blocking(crate::postgres::new_database).await.unwrap();
        Rig::on(Some(url)).await
    }

    async fn on(database_url: Option<String>) -> Rig {
        let dir = tempfile::tempdir().unwrap();
        let options = Options { database_url, ..Options::in_dir(dir.path()) };
        let store = Store::open(&options).await.unwrap();
        let host = HostScope::whole_installation();
        let now = wall();
        let owner = store.create_host(host, "host", now).await.unwrap();
        let new = NewTenant {
            host: owner.id,
            slug: "alpha".to_owned(),
            name: "alpha".to_owned(),
            entitlements: Entitlements { seats: 5, concurrent_calls: 100, retention_days: 30 },
            is_default: true,
        };
        let tenant = store.create_tenant(host, new, now).await.unwrap().id;
        let login = store.login_for_email("worker@alpha.test", now).await.unwrap();
        let bits = store::random::bits;
        let mut rig = Rig {
            dir,
            options,
            tenant,
            agent: AgentId::from_parts(now.0, bits()),
            queue: QueueId::from_parts(now.0, bits()),
            number: NumberId::from_parts(now.0, bits()),
            tab: DeviceId::from_parts(now.0, bits()),
            user: UserId(0),
        };
        let mut tx = store.admin(tenant, Author::system(), "test", now).await.unwrap();
        let settings = Settings {
            tenant,
            name: "Alpha".to_owned(),
            time_zone: "Asia/Shanghai".to_owned(),
            lang: Lang::En,
            sip_domain: "alpha.example".to_owned(),
            region: Some("CN".to_owned()),
            music: None,
            monitoring_shown: false,
            browser_codecs: Vec::new(),
            outbound: Default::default(),
            recording: Default::default(),
            voicemail: Default::default(),
            mask_numbers: false,
        };
        tx.put(settings, None).await.unwrap();
        rig.user = tx.create_user(&login, "Worker", Lang::En).await.unwrap().id;
        let agent = AgentConfig {
            id: rig.agent,
            user: rig.user,
            name: "Worker".to_owned(),
            extension: "601".to_owned(),
            team: None,
            skills: BTreeMap::new(),
            capacity: PerMedium { voice: 1, ..PerMedium::default() },
            record: None,
            active: true,
        };
        tx.put(agent, None).await.unwrap();
        tx.put(rig.queue_config("Support"), None).await.unwrap();
        let number = NumberConfig {
            id: rig.number,
            number: "1000".to_owned(),
            name: named("Support"),
            entry: EntryPoint::Queue { queue: rig.queue },
            lang: Lang::En,
            sample: true,
            web: false,
            record: None,
        };
        tx.put(number, None).await.unwrap();
        let tab = DeviceConfig {
            id: rig.tab,
            name: "tab".to_owned(),
            agent: Some(rig.agent),
            kind: DeviceKind::Browser,
            srtp: Default::default(),
            codecs: Vec::new(),
        };
        tx.put(tab, None).await.unwrap();
        tx.commit().await.unwrap();
        store.close().await;
        rig
    }

    pub fn queue_config(&self, name: &str) -> QueueConfig {
        QueueConfig {
            id: self.queue,
            name: named(name),
            media: vec![Medium::Voice],
            members: vec![Membership { agent: self.agent, priority: 1 }],
            required_skills: BTreeMap::new(),
            strategy: Strategy::LongestIdle,
            priority: 0,
            priority_boost: Duration::from_secs(10),
            ring_timeout: Duration::from_secs(20),
            away_after_missed: true,
            wrap_up: WrapUp { mode: WrapUpMode::Optional, limit: Duration::from_secs(30) },
            dispositions: Vec::new(),
            service_level: Duration::from_secs(20),
            short_abandon: Duration::from_millis(1),
            calendar: None,
            max_waiting: 100,
            overflow: None,
            closed: Destination::HangUp { prompt: None },
            welcome: None,
            music: None,
            comfort: None,
            comfort_every: Duration::from_secs(30),
            record: Some(domain::recording::RecordRule::ALWAYS),
            transferred: Default::default(),
            voicemail: None,
        }
    }

    pub fn spool(&self) -> PathBuf {
        self.dir.path().join("spool")
    }

    /// Sealed files of the company.
    pub fn blobs(&self) -> usize {
        let dir = self.options.data_dir.join("blobs").join(self.tenant.to_string());
        std::fs::read_dir(dir).map_or(0, Iterator::count)
    }

    /// Nobody can wait in the queue any more: callers leave messages.
    pub async fn take_messages(&self, life: &Life) {
        let store = &life.store;
        let mut tx = store.admin(self.tenant, Author::system(), "test", wall()).await.unwrap();
        let closed = Destination::Voicemail { greeting: None };
        let queue = QueueConfig { max_waiting: 0, closed, ..self.queue_config("Support") };
        let present = store.item::<QueueConfig>(life.scope(), self.queue).await.unwrap().rev;
        tx.put(queue, Some(present)).await.unwrap();
        tx.commit().await.unwrap();
        life.engine.config_changed(self.tenant).await.unwrap();
    }

    /// Where floors write while the database is away.
    pub fn journal_spool(&self) -> PathBuf {
        self.dir.path().join("journal-spool")
    }

    /// The names in it.
    pub fn spooled(&self) -> Vec<String> {
        let names = std::fs::read_dir(self.journal_spool()).unwrap();
        names.map(|e| e.unwrap().file_name().into_string().unwrap()).collect()
    }

    /// The state opened beside the engine's.
    pub async fn store(&self) -> Store {
        Store::open(&self.options).await.unwrap()
    }

    /// An engine whose recordings render to their own bytes.
    pub async fn life(&self) -> Life {
        self.life_with(Arc::new(|spool| Ok(rendered(spool)))).await
    }

    pub async fn life_with(&self, render: Render) -> Life {
        self.life_after(render, Outlived::default()).await
    }

    /// A life that begins with calls of the former one.
    pub async fn life_that_goes_on(&self, outlived: Outlived) -> Life {
        self.life_after(Arc::new(|spool| Ok(rendered(spool))), outlived).await
    }

    async fn life_after(&self, render: Render, outlived: Outlived) -> Life {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let options = self.options.clone();
        let spool = self.spool();
        std::fs::create_dir_all(&spool).unwrap();
        let told: Arc<Mutex<Vec<Down>>> = Arc::default();
        let early: Arc<Mutex<Vec<LegCommand>>> = Arc::default();
        let (to_script, script) = mpsc::unbounded_channel();
        let (up, up_receiver) = mpsc::channel(1_000);
        let (tenant, number) = (self.tenant, self.number);
        let (log, premature, ask, sender) = (told.clone(), early.clone(), to_script.clone(), up.clone());
        let started = runtime.spawn(async move {
            let store = Store::open(&options).await.unwrap();
            let floor = store.live_floor(tenant, wall()).await.unwrap().id;
            let (recordings, demo) = (HashMap::new(), HashMap::new());
            tokio::spawn(Switch { up: sender, spool: spool.clone(), tenant, number, recordings, demo }.run(script));
            let journal = store.clone();
            let down = move |down: Down| {
                if let Down::Leg(command) = &down {
                    if let Some(leg) = gated(command) {
                        // A busy machine's commit may have been slow: then its facts are in the spool.
                        let spooled = journal.spool().left_over().is_ok_and(|files| !files.is_empty());
                        let durable = async { spooled || is_durable(&journal, floor, leg).await };
                        if !tokio::task::block_in_place(|| tokio::runtime::Handle::current().block_on(durable)) {
                            premature.lock().unwrap().push(command.clone());
                        }
                    }
                    let _ = ask.send(Ask::Do(command.clone()));
                }
                log.lock().unwrap().push(down);
                Ok(())
            };
            let config = EngineConfig {
                node: NODE.to_owned(),
                sip: ([127, 0, 0, 1], 5060).into(),
                recordings: spool,
                render,
                demo_speech: Vec::new(),
            };
            let port = TelephonyPort { down: Arc::new(down), up: up_receiver, outlived: [(tenant, outlived)].into() };
            let engine = Engine::start(config, store.clone(), port).await.unwrap();
            (engine, store, floor)
        });
        let (engine, store, floor) = started.await.unwrap();
        let legs = AtomicU32::new(0);
        let ids = (self.tenant, self.agent, self.number, self.tab);
        Life { engine, store, floor, up, told, early, to_script, ids, legs, runtime: Some(runtime) }
    }
}

pub fn named(text: &str) -> Localized {
    Localized { zh: None, en: Some(text.to_owned()) }
}

/// The leg of a command that must not leave before its facts are durable.
fn gated(command: &LegCommand) -> Option<LegId> {
    match command {
        LegCommand::Ring { leg }
        | LegCommand::Answer { leg }
        | LegCommand::Originate { leg, interaction: Some(_), .. } => Some(*leg),
        _ => None,
    }
}

pub async fn journal(store: &Store, floor: FloorId) -> Vec<Event> {
    let mut events = Vec::new();
    for batch in store.read_journal(floor, 1, 10_000).await.unwrap() {
        events.extend(batch.events::<Event>().unwrap().into_iter().map(|(_, event)| event));
    }
    events
}

/// Whether the journal holds the beginning of the leg.
pub async fn is_durable(store: &Store, floor: FloorId, wanted: LegId) -> bool {
    let begins = |e: &Event| matches!(e.body, EventBody::LegStarted { leg, .. } if leg == wanted);
    journal(store, floor).await.iter().any(begins)
}

/// One engine's life. Dropped without [`Life::stop`], it ends as a killed process does: between two steps.
pub struct Life {
    pub engine: Engine,
    pub store: Store,
    pub floor: FloorId,
    pub up: mpsc::Sender<Up>,
    /// What telephony was told.
    pub told: Arc<Mutex<Vec<Down>>>,
    early: Arc<Mutex<Vec<LegCommand>>>,
    to_script: mpsc::UnboundedSender<Ask>,
    ids: (TenantId, AgentId, NumberId, DeviceId),
    legs: AtomicU32,
    runtime: Option<Runtime>,
}

impl Drop for Life {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl Life {
    pub async fn stop(self) {
        self.engine.stop().await;
        self.store.close().await;
    }

    /// No gated command came before its facts.
    pub fn assert_journal_first(&self) {
        assert_eq!(*self.early.lock().unwrap(), []);
    }

    pub async fn events(&self) -> Vec<Event> {
        journal(&self.store, self.floor).await
    }

    pub async fn send(&self, event: LegEvent) {
        self.up.send(Up::Leg(event)).await.unwrap();
    }

    pub fn new_leg(&self) -> LegId {
        // The top bit marks incoming legs; distinct between lives by the random half.
        LegId(
            (1 << 127) | (store::random::bits() >> 1 & !0xFFFF) | u128::from(self.legs.fetch_add(1, Ordering::Relaxed)),
        )
    }

    pub fn offered(&self, leg: LegId, caller: &str) -> LegEvent {
        let (tenant, _, number, _) = self.ids;
        let from = Address::from_sip(caller, "carrier.example", Some("CN"));
        LegEvent::Offered { leg, tenant, number, from, name: None, via: Via::Loopback, claims: Default::default() }
    }

    /// A customer calls.
    pub async fn call(&self, caller: &str) -> LegId {
        let leg = self.new_leg();
        self.send(self.offered(leg, caller)).await;
        leg
    }

    pub fn peer_hangs_up(&self, leg: LegId) {
        self.to_script.send(Ask::PeerHangsUp(leg)).unwrap();
    }

    pub async fn command(&self, command: AgentCommand) {
        self.engine.agent(self.ids.0, self.ids.1, command).await.unwrap();
    }

    /// The agent's tab connects, its device is ready, he is available.
    pub async fn on_duty(&self) -> Attendance {
        let (tenant, agent, _, tab) = self.ids;
        let attendance = self.engine.attend(tenant, agent, "tab-1".to_owned()).await.unwrap();
        self.up.send(Up::Device(DeviceReport::Ready { device: tab, generation: 1 })).await.unwrap();
        self.command(AgentCommand::SignIn { device: tab, seat: SeatClass::Standard }).await;
        self.command(AgentCommand::SetPresence { presence: Presence::Available }).await;
        attendance
    }

    pub async fn agent(&self) -> AgentView {
        self.engine.agent_view(self.ids.0, self.ids.1).await.unwrap().unwrap()
    }

    pub async fn offer(&self) -> OfferView {
        eventually("an offer", async || self.agent().await.offers.first().cloned()).await
    }

    /// Accepts the offer that comes and waits for the conversation; its segment.
    pub async fn answer(&self) -> (InteractionId, SegmentId) {
        let offer = self.offer().await;
        self.command(AgentCommand::AcceptOffer { offer: offer.offer }).await;
        eventually("a conversation", async || self.work(SegmentState::Talking).await).await;
        (offer.interaction, offer.segment)
    }

    pub async fn work(&self, state: SegmentState) -> Option<SegmentId> {
        self.agent().await.work.iter().find(|w| w.state == state).map(|w| w.segment)
    }

    /// A whole call: served, hung up by the caller, wrapped up.
    pub async fn serve(&self, caller: &str) -> InteractionId {
        let leg = self.call(caller).await;
        let (interaction, segment) = self.answer().await;
        eventually("the recording", async || {
            let events = self.events().await;
            let starts =
                |e: &Event| matches!(e.body, EventBody::RecordingStarted { interaction: i, .. } if i == interaction);
            events.iter().any(starts).then_some(())
        })
        .await;
        self.peer_hangs_up(leg);
        eventually("the wrap-up", async || self.work(SegmentState::WrapUp).await).await;
        self.command(AgentCommand::EndWrapUp { segment }).await;
        interaction
    }

    /// Waits until the floor's facts are as safe as this.
    pub async fn saving(&self, saving: Saving) {
        eventually(&format!("{saving:?}"), async || (self.engine.saving(self.ids.0) == saving).then_some(())).await;
    }

    /// Waits until telephony was told something.
    pub async fn told<T>(&self, what: &str, find: impl Fn(&LegCommand) -> Option<T>) -> T {
        eventually(what, async || {
            self.told.lock().unwrap().iter().find_map(|d| match d {
                Down::Leg(command) => find(command),
                _ => None,
            })
        })
        .await
    }

    /// Waits until the tables hold the whole journal.
    pub async fn projected(&self) {
        eventually("the tables", async || {
            let last = self.store.lease(self.floor).await.unwrap().last_seq;
            (self.store.projector_offset(self.floor).await.unwrap() == last).then_some(())
        })
        .await;
    }

    pub fn scope(&self) -> Scope {
        Scope::Tenant(self.ids.0)
    }
}

enum Ask {
    Do(LegCommand),
    PeerHangsUp(LegId),
}

/// Does at once what it is told, as the real one would on a perfect network.
struct Switch {
    up: mpsc::Sender<Up>,
    spool: PathBuf,
    tenant: TenantId,
    number: NumberId,
    recordings: HashMap<RecordingId, Vec<LegId>>,
    /// A demo caller's leg by the incoming side's.
    demo: HashMap<LegId, LegId>,
}

impl Switch {
    async fn run(mut self, mut asks: mpsc::UnboundedReceiver<Ask>) {
        while let Some(ask) = asks.recv().await {
            match ask {
                Ask::Do(command) => self.carry_out(command).await,
                Ask::PeerHangsUp(leg) => self.end(leg, EndCause::Hangup, EndedBy::Peer).await,
            }
        }
    }

    async fn say(&self, event: LegEvent) {
        let _ = self.up.send(Up::Leg(event)).await;
    }

    async fn carry_out(&mut self, command: LegCommand) {
        match command {
            LegCommand::Answer { leg } => {
                self.say(LegEvent::Answered { leg, codec: Codec::Pcmu }).await;
                if let Some(leg) = self.demo.get(&leg).copied() {
                    self.say(LegEvent::Answered { leg, codec: Codec::Pcmu }).await;
                }
            }
            LegCommand::Originate { leg, to: Dial::Uri { .. }, from, .. } => {
                let incoming = LegId(leg.0 | 1 << 127);
                self.demo.insert(incoming, leg);
                let uri = format!("sip:{}@127.0.0.1", from.user.unwrap_or_default());
                let (tenant, number, from) = (self.tenant, self.number, Address::SipUri { uri });
                self.say(LegEvent::Offered {
                    leg: incoming,
                    tenant,
                    number,
                    from,
                    name: None,
                    via: Via::Loopback,
                    claims: Default::default(),
                })
                .await;
            }
            LegCommand::Originate { leg, .. } => {
                self.say(LegEvent::Ringing { leg }).await;
                self.say(LegEvent::Answered { leg, codec: Codec::Opus }).await;
            }
            LegCommand::Hangup { leg, cause } => self.end(leg, cause, EndedBy::Us).await,
            LegCommand::Reject { leg, .. } => self.end(leg, EndCause::Rejected, EndedBy::Us).await,
            LegCommand::Play { leg, play, looped: false, .. } => {
                self.say(LegEvent::PlayEnded { leg, play, why: PlayEnd::Finished, digits: String::new() }).await;
            }
            LegCommand::Record { recording, left, right, .. } => {
                self.recordings.insert(recording, std::iter::once(left).chain(right).collect());
                self.say(LegEvent::RecordingStarted { recording }).await;
            }
            LegCommand::StopRecording { recording } => self.end_recording(recording).await,
            _ => {}
        }
    }

    async fn end(&mut self, leg: LegId, cause: EndCause, by: EndedBy) {
        self.say(LegEvent::Ended { leg, cause, by, stats: LegStats::default() }).await;
        let ending: Vec<_> = self.recordings.iter().filter(|(_, l)| l.contains(&leg)).map(|(r, _)| *r).collect();
        for recording in ending {
            self.end_recording(recording).await;
        }
    }

    async fn end_recording(&mut self, recording: RecordingId) {
        if self.recordings.remove(&recording).is_some() {
            std::fs::write(self.spool.join(format!("{recording}.rec")), b"sound").unwrap();
            self.say(LegEvent::RecordingEnded { recording, length_ms: RECORDED, gaps: Vec::new() }).await;
        }
    }
}
