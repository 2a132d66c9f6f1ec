//! The engine: opens floors, wires them to telephony, and is what `api` talks to.
use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use crate::directory::ClipCache;
use arc_swap::ArcSwap;
use domain::address::Address;
use domain::command::{AgentCommand, SupervisorCommand, Target};
use domain::config::{EntryPoint, NumberConfig, TenantConfig};
use domain::directory::Directory;
use domain::id::{AddressId, AgentId, DeviceId, IdMint, NumberId, SegmentId, TenantId, TrunkId, UserId};
use domain::input::{Accepted, Input};
use domain::leg::{CallerId, EndCause, LegCommand, Outlived};
use domain::localized::Lang;
use domain::mailbox::CallBack;
use domain::outbound::Plan;
use domain::time::Timestamp;
use domain::trunk::{TestStep, TrunkStatus};
use domain::view::{AgentView, FloorView};
use store::projection::RecordingRow;
use store::{HostScope, NewAddress, Store};
use tokio::sync::{broadcast, oneshot, watch};
use tokio::task::{AbortHandle, JoinHandle};
use tracing::{info, warn};

use crate::bindings::Bindings;
use crate::clock::Clock;
use crate::demo_caller::DemoCaller;
use crate::device_hub::DeviceHub;
use crate::error::CommandError;
use crate::failure::{Failed, Failure};
use crate::floor_task::{DeskState, FloorHandle, Persons};
use crate::intake::shown;
use crate::leases::{Attendance, Leases, Tab};
use crate::live::LiveBoards;
use crate::mailboxes::{Mailboxes, NewMessages};
use crate::outlet::OfferGone;
use crate::ownership::Ownership;
use crate::port::{Down, PortClosed, TelephonyPort};
use crate::quality::LiveQuality;
use crate::recording_shipper::{Render, Shipper};
use crate::routes::Routes;
use crate::saver::Saving;
use crate::trunks::TrunkBoard;
use crate::{bindings, directory, floors, heartbeat, intake, retention};

/// Callers' addresses remembered with their row ids.
const ADDRESSES_MAX: usize = 50_000;
/// A caller waits this long for the store to tell whether he is known.
const LOOK_UP: Duration = Duration::from_millis(250);
/// Withdrawn offers told to desks; a desk that lags behind loses only an explanation.
const OFFERS_GONE: usize = 1_024;
/// Longest wait for floors, and for tables, at the end of the process.
const STOP: Duration = Duration::from_secs(5);
/// Floor number of ids that the engine itself mints: the store counts up from 1, and the top bit marks incoming legs.
const ENGINE_FLOOR_NO: u32 = u32::MAX >> 1;

pub struct EngineConfig {
    /// Name of this node, unique in the installation.
    pub node: String,
    /// Where telephony takes calls from this machine (the demo caller's way in).
    pub sip: SocketAddr,
    /// Where telephony leaves finished recordings.
    pub recordings: PathBuf,
    pub render: Render,
    /// What the demo caller says: mono, 8 kHz.
    pub demo_speech: Vec<(Lang, Arc<[i16]>)>,
}

/// Cheap to clone.
#[derive(Clone)]
pub struct Engine {
    shared: Arc<Shared>,
}

pub(crate) struct Shared {
    pub store: Store,
    pub clock: Clock,
    pub node: String,
    pub down: Arc<dyn Fn(Down) -> Result<(), PortClosed> + Send + Sync>,
    pub routes: Arc<Routes>,
    pub devices: DeviceHub,
    pub demo: DemoCaller,
    pub shipper: Shipper,
    pub clips: ClipCache,
    pub demo_speech: Vec<(Lang, Arc<[i16]>)>,
    pub live: LiveBoards,
    pub mailboxes: Mailboxes,
    pub quality: LiveQuality,
    pub leases: Leases,
    pub offers_gone: broadcast::Sender<OfferGone>,
    pub directory: ArcSwap<Directory>,
    pub bindings: Bindings,
    pub trunks: TrunkBoard,
    pub failed: Failed,
    floors: RwLock<HashMap<TenantId, OpenFloor>>,
    addresses: Mutex<HashMap<(TenantId, String), AddressId>>,
    ready: AtomicBool,
    /// Changes of configuration that were reported, counted.
    changes: AtomicU64,
    /// One published revision at a time comes into force, so that none is overtaken by an older one.
    publishing: tokio::sync::Mutex<HashMap<TenantId, Published>>,
    running: Mutex<Running>,
}

pub(crate) struct OpenFloor {
    pub handle: FloorHandle,
    /// In force.
    pub config: Arc<TenantConfig>,
    pub ownership: Ownership,
    /// The last event when it was opened.
    pub restored_at: u64,
    /// The last event in the tables; closed when the projector has ended.
    pub projected: watch::Receiver<u64>,
    pub saving: watch::Receiver<Saving>,
}

/// A tenant's last publication.
#[derive(Debug, Clone, Copy, Default)]
struct Published {
    /// The last reported change that it knew.
    change: u64,
    /// The revision that its floor was given; 0 when it was opened with it.
    rev: u64,
}

/// What [`Engine::stop`] ends.
#[derive(Default)]
struct Running {
    intake: Option<(oneshot::Sender<()>, JoinHandle<()>)>,
    helpers: Vec<AbortHandle>,
}

impl Shared {
    pub fn floor(&self, tenant: TenantId) -> Option<FloorHandle> {
        let floors = self.floors.read().unwrap_or_else(PoisonError::into_inner);
        floors.get(&tenant).map(|floor| floor.handle.clone())
    }

    pub fn config(&self, tenant: TenantId) -> Option<Arc<TenantConfig>> {
        let floors = self.floors.read().unwrap_or_else(PoisonError::into_inner);
        floors.get(&tenant).map(|floor| floor.config.clone())
    }

    fn set_config(&self, tenant: TenantId, config: Arc<TenantConfig>) {
        let mut floors = self.floors.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(floor) = floors.get_mut(&tenant) {
            floor.config = config;
        }
    }

    pub fn add_floor(&self, tenant: TenantId, floor: OpenFloor) {
        self.floors.write().unwrap_or_else(PoisonError::into_inner).insert(tenant, floor);
    }

    fn of_all_floors<T>(&self, of: impl Fn(&OpenFloor) -> T) -> Vec<T> {
        self.floors.read().unwrap_or_else(PoisonError::into_inner).values().map(of).collect()
    }

    pub fn owned(&self) -> Vec<Ownership> {
        self.of_all_floors(|floor| floor.ownership)
    }

    /// The tenants whose floors are open here.
    pub fn tenants(&self) -> Vec<(TenantId, Ownership)> {
        let floors = self.floors.read().unwrap_or_else(PoisonError::into_inner);
        floors.iter().map(|(tenant, floor)| (*tenant, floor.ownership)).collect()
    }

    /// Waits until the tables know what the journals held at the start.
    pub async fn caught_up(&self) {
        for (restored_at, mut projected) in self.of_all_floors(|floor| (floor.restored_at, floor.projected.clone())) {
            // An error: the floor has ended already.
            let _ = projected.wait_for(|seq| *seq >= restored_at).await;
        }
    }

    pub fn tenant_of_device(&self, device: DeviceId) -> Option<TenantId> {
        self.directory.load().devices.get(&device).map(|d| d.tenant)
    }

    pub fn saving(&self, tenant: TenantId) -> Saving {
        let floors = self.floors.read().unwrap_or_else(PoisonError::into_inner);
        floors.get(&tenant).map_or(Saving::Journal, |floor| *floor.saving.borrow())
    }

    /// The id of an address. With it the row to be written with the events that name it first, if the store knows
    /// none, or does not tell in time.
    pub async fn address_id(
        &self,
        tenant: TenantId,
        address: Address,
        name: Option<String>,
    ) -> (AddressId, Option<NewAddress>) {
        let key = (tenant, address.key());
        let known = self.addresses.lock().unwrap_or_else(PoisonError::into_inner).get(&key).copied();
        if let Some(id) = known {
            return (id, None);
        }
        let found = match self.saving(tenant) {
            Saving::Journal => {
                let asked = self.store.find_address(tenant, &address, name.as_deref());
                tokio::time::timeout(LOOK_UP, asked).await.ok().and_then(Result::ok).flatten()
            }
            Saving::Spool | Saving::Nowhere => None,
        };
        let (id, new) = match found {
            Some(found) => {
                if found.is_stale {
                    let (store, now) = (self.store.clone(), self.clock.now());
                    let (address, name) = (address.clone(), name.clone());
                    tokio::spawn(async move {
                        // The former name stays until the next call.
                        let _ = store.intern_address(tenant, &address, name.as_deref(), None, now).await;
                    });
                }
                (found.id, None)
            }
            None => {
                let id = AddressId::from_parts(self.clock.now().0, store::random::bits());
                (id, Some(NewAddress { id, address, name }))
            }
        };
        let mut addresses = self.addresses.lock().unwrap_or_else(PoisonError::into_inner);
        if addresses.len() >= ADDRESSES_MAX {
            // Forgetting costs one look-up per returning caller.
            addresses.clear();
        }
        // Another call of the same caller may have been quicker.
        match addresses.entry(key) {
            Entry::Occupied(first) => (*first.get(), None),
            Entry::Vacant(place) => {
                place.insert(id);
                (id, new)
            }
        }
    }
}

impl Engine {
    /// Restores every floor and starts to take calls.
    pub async fn start(config: EngineConfig, store: Store, port: TelephonyPort) -> Result<Engine, CommandError> {
        let clock = Clock::anchored();
        let (offers_gone, _) = broadcast::channel(OFFERS_GONE);
        // Seconds since 1970 grow from start to start, so demo legs never repeat an id.
        let epoch = u32::try_from(clock.now().0 / 1000).unwrap_or(u32::MAX);
        let shared = Arc::new(Shared {
            devices: DeviceHub::new(port.down.clone()),
            demo: DemoCaller::new(port.down.clone(), config.sip, IdMint::new(ENGINE_FLOOR_NO, epoch)),
            shipper: Shipper::new(config.recordings, config.render),
            down: port.down,
            routes: Arc::default(),
            clips: ClipCache::default(),
            demo_speech: config.demo_speech,
            live: LiveBoards::default(),
            mailboxes: Mailboxes::default(),
            quality: LiveQuality::default(),
            leases: Leases::default(),
            offers_gone,
            directory: ArcSwap::default(),
            bindings: Bindings::default(),
            trunks: TrunkBoard::default(),
            failed: Failed::new(None),
            floors: RwLock::default(),
            addresses: Mutex::default(),
            ready: AtomicBool::new(false),
            changes: AtomicU64::new(0),
            publishing: tokio::sync::Mutex::default(),
            running: Mutex::default(),
            node: config.node,
            clock,
            store,
        });
        // What lived before a crash ended at the last beat, so it is read before the first new one.
        let last_heartbeat = shared.store.last_heartbeat(&shared.node).await?.map(|row| row.beat_at);
        let mut helpers = vec![heartbeat::spawn(shared.clone()), bindings::spawn(shared.clone())];
        floors::join_left_over(&shared).await?;
        let mut outlived = port.outlived;
        for (tenant, outlived) in &outlived {
            shared.routes.learn_outlived(*tenant, outlived);
            shared.shipper.goes_on(&outlived.recordings);
        }
        for tenant in shared.store.tenants(HostScope::whole_installation().into()).await? {
            let outlived = outlived.remove(&tenant.id).unwrap_or_default();
            floors::open(&shared, tenant.id, last_heartbeat, outlived).await?;
        }
        // Of tenants that are no more, or at home elsewhere by now.
        for leg in outlived.into_values().flat_map(|outlived| outlived.legs.into_keys()) {
            let _ = (shared.down)(Down::Leg(LegCommand::Hangup { leg, cause: EndCause::SystemRestart }));
        }
        directory::push(&shared).await?;
        let (stop, stopped) = oneshot::channel();
        let intake = Some((stop, intake::Intake::spawn(shared.clone(), port.up, stopped)));
        helpers.extend(shared.shipper.spawn(shared.clone()));
        helpers.push(retention::spawn(shared.clone()));
        helpers.push(tokio::spawn(crate::projector::fold_samples(shared.clone())).abort_handle());
        *shared.running.lock().unwrap_or_else(PoisonError::into_inner) = Running { intake, helpers };
        shared.ready.store(true, Ordering::Release);
        info!("engine started");
        Ok(Engine { shared })
    }

    pub fn store(&self) -> &Store {
        &self.shared.store
    }

    pub fn now(&self) -> Timestamp {
        self.shared.clock.now()
    }

    /// Deletes the recordings whose time is over at `now`, as happens by itself every hour; how many of the fullest tenant.
    pub async fn delete_due_recordings(&self, now: Timestamp) -> Result<usize, String> {
        retention::delete_due(&self.shared, now).await
    }

    /// Floors are restored and calls are taken.
    pub fn is_ready(&self) -> bool {
        self.shared.ready.load(Ordering::Acquire) && self.shared.failed.borrow().is_none()
    }

    /// Returns when the engine can go on no more; the process should then end with these words and be started again.
    pub async fn failed(&self) -> Failure {
        let mut failed = self.shared.failed.subscribe();
        loop {
            if let Some(failure) = *failed.borrow_and_update() {
                return failure;
            }
            if failed.changed().await.is_err() {
                // Not while `self` holds the sender.
                std::future::pending::<()>().await;
            }
        }
    }

    /// Returns when the command's events are durable.
    pub async fn agent(
        &self,
        tenant: TenantId,
        agent: AgentId,
        command: AgentCommand,
    ) -> Result<Accepted, CommandError> {
        self.input(tenant, Input::Agent { agent, command }).await
    }

    /// An agent calls out, as [`domain::outbound::plan`] allows; returns when the call's beginning is durable. `back`: what it
    /// answers.
    pub async fn dial(
        &self,
        tenant: TenantId,
        agent: AgentId,
        plan: Plan,
        caller: Option<NumberId>,
        back: Option<CallBack>,
    ) -> Result<Accepted, CommandError> {
        let floor = self.shared.floor(tenant).ok_or(CommandError::NoFloor)?;
        let Plan { address, class, number, trunks, caller: usual } = plan;
        let caller = caller.or(usual);
        let shown = CallerId { user: shown(&address), name: None, diverted: None };
        let (to, new) = self.shared.address_id(tenant, address, None).await;
        let command = AgentCommand::Dial { to, class, trunks, caller, back };
        let persons = Persons { caller: shown, dialled: vec![(to, number)] };
        floor.dial(Input::Agent { agent, command }, persons, new).await
    }

    /// An agent asks somebody outside about his customer, or sends the customer there.
    pub async fn hand_outside(
        &self,
        tenant: TenantId,
        agent: AgentId,
        segment: SegmentId,
        plan: Plan,
        caller: Option<NumberId>,
        consult: bool,
    ) -> Result<Accepted, CommandError> {
        let floor = self.shared.floor(tenant).ok_or(CommandError::NoFloor)?;
        let Plan { address, class, number, trunks, caller: usual } = plan;
        let caller = caller.or(usual);
        let (address, new) = self.shared.address_id(tenant, address, None).await;
        let to = Target::Outside { address, class, trunks, caller };
        let command = match consult {
            true => AgentCommand::Consult { segment, to },
            false => AgentCommand::Transfer { segment, to },
        };
        let persons = Persons { caller: CallerId::default(), dialled: vec![(address, number)] };
        floor.dial(Input::Agent { agent, command }, persons, new).await
    }

    pub async fn supervisor(
        &self,
        tenant: TenantId,
        by: UserId,
        command: SupervisorCommand,
    ) -> Result<Accepted, CommandError> {
        self.input(tenant, Input::Supervisor { by, command }).await
    }

    /// Any other input from the outside, such as work that arrived.
    pub async fn input(&self, tenant: TenantId, input: Input) -> Result<Accepted, CommandError> {
        self.shared.floor(tenant).ok_or(CommandError::NoFloor)?.send(input).await
    }

    pub async fn view(&self, tenant: TenantId) -> Result<FloorView, CommandError> {
        self.shared.floor(tenant).ok_or(CommandError::NoFloor)?.view().await
    }

    pub async fn agent_view(&self, tenant: TenantId, agent: AgentId) -> Result<Option<AgentView>, CommandError> {
        self.shared.floor(tenant).ok_or(CommandError::NoFloor)?.agent_view(agent).await
    }

    /// How safe the tenant's facts are at the moment.
    pub fn saving(&self, tenant: TenantId) -> Saving {
        self.shared.saving(tenant)
    }

    /// The worst of all floors, for readiness.
    pub fn saving_worst(&self) -> Saving {
        let all = self.shared.of_all_floors(|floor| *floor.saving.borrow());
        all.into_iter().max_by_key(|saving| *saving as u8).unwrap_or_default()
    }

    /// Every change of an agent's desk.
    pub async fn watch_desk(
        &self,
        tenant: TenantId,
        agent: AgentId,
    ) -> Result<watch::Receiver<Arc<DeskState>>, CommandError> {
        self.shared.floor(tenant).ok_or(CommandError::NoFloor)?.watch(agent).await
    }

    /// The live board, once a second.
    pub async fn watch_live(&self, tenant: TenantId) -> Result<watch::Receiver<Arc<FloorView>>, CommandError> {
        self.shared.live.subscribe(&self.shared, tenant).await
    }

    /// New messages by mailbox, now and at every change.
    pub async fn watch_mailboxes(&self, tenant: TenantId) -> watch::Receiver<Arc<NewMessages>> {
        self.shared.mailboxes.watch(&self.shared.store, tenant).await
    }

    /// Deletes the sound of a recording; the event that says so is durable on return. One that is kept for a court is a
    /// conflict.
    pub async fn delete_recording(&self, tenant: TenantId, recording: &RecordingRow) -> Result<(), CommandError> {
        retention::delete(&self.shared, tenant, recording).await
    }

    /// Offers taken away from desks, of all tenants: compare `tenant` and `agent`.
    pub fn offers_gone(&self) -> broadcast::Receiver<OfferGone> {
        self.shared.offers_gone.subscribe()
    }

    /// A tab's (or API session's) connection begins; hold the value while it lives.
    pub async fn attend(&self, tenant: TenantId, agent: AgentId, tab: Tab) -> Result<Attendance, CommandError> {
        self.shared.leases.attend(&self.shared, tenant, agent, tab).await
    }

    /// An API session takes the presence lease without a connection; it lasts until the agent signs out.
    pub async fn lease(&self, tenant: TenantId, agent: AgentId) -> Result<Accepted, CommandError> {
        self.input(tenant, Input::LeaseTaken { agent }).await
    }

    /// How the tenant's trunks are doing.
    pub fn trunks(&self, tenant: TenantId) -> BTreeMap<TrunkId, TrunkStatus> {
        self.shared.trunks.of(tenant)
    }

    /// Tries a trunk out, which may take half a minute.
    pub async fn test_trunk(&self, tenant: TenantId, trunk: TrunkId) -> Result<Vec<TestStep>, CommandError> {
        self.shared.trunks.test(&self.shared.down, tenant, trunk).await
    }

    pub fn devices(&self) -> &DeviceHub {
        &self.shared.devices
    }

    /// How living legs sound.
    pub fn quality(&self) -> &LiveQuality {
        &self.shared.quality
    }

    /// "Ring me": the demo caller calls the tenant's first sample number that leads straight into a queue.
    pub async fn demo_call(&self, tenant: TenantId, lang: Lang) -> Result<(), CommandError> {
        let config = self.shared.store.load_config(tenant).await?;
        let leads_to_queue = |n: &&NumberConfig| n.sample && matches!(n.entry, EntryPoint::Queue { .. });
        let number = config.numbers.values().find(leads_to_queue).ok_or(CommandError::NoDemoNumber)?;
        self.shared.demo.call(tenant, &number.number, lang)
    }

    /// After a published revision: the floor learns it first, so that it knows a device before telephony reports it.
    /// Changes that came while an earlier one was being published share one publication: each reads everything.
    pub async fn config_changed(&self, tenant: TenantId) -> Result<(), CommandError> {
        let change = self.shared.changes.fetch_add(1, Ordering::SeqCst) + 1;
        let mut published = self.shared.publishing.lock().await;
        let before = published.get(&tenant).copied().unwrap_or_default();
        if before.change >= change {
            return Ok(());
        }
        let change = self.shared.changes.load(Ordering::SeqCst);
        let rev = match self.shared.floor(tenant) {
            Some(floor) => {
                let config = Arc::new(self.shared.store.load_config(tenant).await?);
                let rev = config.rev;
                // A change that is stored, but not yet announced here, may have come into force with the one before it.
                if rev <= before.rev {
                    return Ok(());
                }
                floor.send(Input::ConfigPublished(config.clone())).await?;
                self.shared.set_config(tenant, config);
                rev
            }
            None => {
                floors::open(&self.shared, tenant, None, Outlived::default()).await?;
                0
            }
        };
        directory::push(&self.shared).await?;
        published.insert(tenant, Published { change, rev });
        Ok(())
    }

    /// Takes what telephony has sent, writes snapshots, gives leases back, completes the tables; at most [`STOP`] for
    /// each of the two waits. Telephony is ended by its owner before, so that the last events of its legs are taken.
    pub async fn stop(&self) {
        self.shared.ready.store(false, Ordering::Release);
        self.shared.demo.hang_up_all();
        let running = std::mem::take(&mut *self.shared.running.lock().unwrap_or_else(PoisonError::into_inner));
        let floors = async {
            if let Some((stop, intake)) = running.intake {
                // An intake that has ended already needs no telling.
                let _ = stop.send(());
                let _ = intake.await;
            }
            let stopping = self.shared.of_all_floors(|floor| floor.handle.clone());
            let stopping: Vec<_> = stopping.into_iter().map(|f| tokio::spawn(async move { f.stop().await })).collect();
            for floor in stopping {
                let _ = floor.await;
            }
        };
        if tokio::time::timeout(STOP, floors).await.is_err() {
            warn!("not every floor was saved in time; the next start restores them from the journal");
        }
        let tables = async {
            for mut projected in self.shared.of_all_floors(|floor| floor.projected.clone()) {
                while projected.changed().await.is_ok() {}
            }
        };
        if tokio::time::timeout(STOP, tables).await.is_err() {
            warn!("the tables are not complete; the next start completes them");
        }
        // Before their writer is ended, who may be writing.
        if tokio::time::timeout(STOP, bindings::flush(&self.shared)).await.is_err() {
            warn!("the last registrations were not stored; phones register again by themselves");
        }
        for helper in running.helpers {
            helper.abort();
        }
    }
}
