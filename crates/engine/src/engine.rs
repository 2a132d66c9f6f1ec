//! The engine: opens floors, wires them to telephony, and is what `api` talks to.
use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use crate::directory::ClipCache;
use arc_swap::ArcSwap;
use domain::address::Address;
use domain::command::{AgentCommand, SupervisorCommand};
use domain::config::{EntryPoint, NumberConfig};
use domain::device::Binding;
use domain::directory::Directory;
use domain::id::{AddressId, AgentId, DeviceId, IdMint, TenantId, UserId};
use domain::input::{Accepted, Input};
use domain::localized::Lang;
use domain::time::Timestamp;
use domain::view::{AgentView, FloorView};
use store::{HostScope, Store};
use tokio::sync::{broadcast, watch};
use tracing::{info, warn};

use crate::clock::Clock;
use crate::demo_caller::DemoCaller;
use crate::device_hub::DeviceHub;
use crate::error::CommandError;
use crate::floor_task::{DeskState, FloorHandle};
use crate::leases::{Attendance, Leases, Tab};
use crate::live::LiveBoards;
use crate::outlet::OfferGone;
use crate::ownership::Ownership;
use crate::port::{Down, PortClosed, TelephonyPort};
use crate::recording_shipper::{Render, Shipper};
use crate::routes::Routes;
use crate::{directory, floors, heartbeat, intake};

/// Callers' addresses remembered with their row ids.
const ADDRESSES_MAX: usize = 50_000;
/// Withdrawn offers told to desks; a desk that lags behind loses only an explanation.
const OFFERS_GONE: usize = 1_024;
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
    pub leases: Leases,
    pub offers_gone: broadcast::Sender<OfferGone>,
    pub directory: ArcSwap<Directory>,
    floors: RwLock<HashMap<TenantId, (FloorHandle, Ownership)>>,
    addresses: Mutex<HashMap<(TenantId, String), AddressId>>,
    ready: AtomicBool,
}

impl Shared {
    pub fn floor(&self, tenant: TenantId) -> Option<FloorHandle> {
        let floors = self.floors.read().unwrap_or_else(PoisonError::into_inner);
        floors.get(&tenant).map(|(floor, _)| floor.clone())
    }

    pub fn add_floor(&self, tenant: TenantId, floor: FloorHandle, owned: Ownership) {
        self.floors.write().unwrap_or_else(PoisonError::into_inner).insert(tenant, (floor, owned));
    }

    fn all_floors(&self) -> Vec<FloorHandle> {
        self.floors.read().unwrap_or_else(PoisonError::into_inner).values().map(|(floor, _)| floor.clone()).collect()
    }

    pub fn owned(&self) -> Vec<Ownership> {
        self.floors.read().unwrap_or_else(PoisonError::into_inner).values().map(|(_, owned)| *owned).collect()
    }

    pub fn tenant_of_device(&self, device: DeviceId) -> Option<TenantId> {
        self.directory.load().devices.get(&device).map(|d| d.tenant)
    }

    /// The row of an address, made if it is new.
    pub async fn address_id(
        &self,
        tenant: TenantId,
        address: &Address,
        name: Option<&str>,
    ) -> Result<AddressId, CommandError> {
        let key = (tenant, address.key());
        let known = self.addresses.lock().unwrap_or_else(PoisonError::into_inner).get(&key).copied();
        if let Some(id) = known {
            return Ok(id);
        }
        let id = self.store.intern_address(tenant, address, name, None, self.clock.now()).await?;
        let mut addresses = self.addresses.lock().unwrap_or_else(PoisonError::into_inner);
        if addresses.len() >= ADDRESSES_MAX {
            // Forgetting costs one look-up per returning caller.
            addresses.clear();
        }
        addresses.insert(key, id);
        Ok(id)
    }

    /// Write-behind: a lost write costs a phone one re-registration after a crash.
    pub fn bindings_changed(self: &Arc<Self>, device: DeviceId, bindings: Vec<Binding>) {
        let Some(tenant) = self.tenant_of_device(device) else { return };
        let shared = self.clone();
        tokio::spawn(async move {
            if let Err(e) = shared.store.save_bindings(tenant, device, &bindings, shared.clock.now()).await {
                warn!(%device, error = %e, "a registration was not stored");
            }
        });
    }
}

impl Engine {
    /// Restores every floor and starts to take calls.
    pub async fn start(config: EngineConfig, store: Store, port: TelephonyPort) -> Result<Engine, CommandError> {
        let clock = Clock::anchored(Timestamp(0));
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
            leases: Leases::default(),
            offers_gone,
            directory: ArcSwap::default(),
            floors: RwLock::default(),
            addresses: Mutex::default(),
            ready: AtomicBool::new(false),
            node: config.node,
            clock,
            store,
        });
        // What lived before a crash ended at the last beat, so it is read before the first new one.
        let last_heartbeat = shared.store.last_heartbeat(&shared.node).await?.map(|row| row.beat_at);
        heartbeat::spawn(shared.clone());
        for tenant in shared.store.tenants(HostScope::whole_installation().into()).await? {
            floors::open(&shared, tenant.id, last_heartbeat).await?;
        }
        directory::push(&shared).await?;
        intake::Intake::spawn(shared.clone(), port.up);
        shared.shipper.spawn(shared.clone());
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

    /// Floors are restored and calls are taken.
    pub fn is_ready(&self) -> bool {
        self.shared.ready.load(Ordering::Acquire)
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

    pub fn devices(&self) -> &DeviceHub {
        &self.shared.devices
    }

    /// "Ring me": the demo caller calls the tenant's first sample number that leads straight into a queue.
    pub async fn demo_call(&self, tenant: TenantId, lang: Lang) -> Result<(), CommandError> {
        let config = self.shared.store.load_config(tenant).await?;
        let leads_to_queue = |n: &&NumberConfig| n.sample && matches!(n.entry, EntryPoint::Queue { .. });
        let number = config.numbers.values().find(leads_to_queue).ok_or(CommandError::NoDemoNumber)?;
        self.shared.demo.call(tenant, &number.number, lang)
    }

    /// After a published revision: the floor learns it first, so that it knows a device before telephony reports it.
    pub async fn config_changed(&self, tenant: TenantId) -> Result<(), CommandError> {
        match self.shared.floor(tenant) {
            Some(floor) => {
                let config = self.shared.store.load_config(tenant).await?;
                floor.send(Input::ConfigPublished(Arc::new(config))).await?;
            }
            None => floors::open(&self.shared, tenant, None).await?,
        }
        directory::push(&self.shared).await
    }

    /// Ends demo calls, writes snapshots, gives leases back. Telephony is drained by its owner before.
    pub async fn stop(&self) {
        self.shared.ready.store(false, Ordering::Release);
        self.shared.demo.hang_up_all();
        for floor in self.shared.all_floors() {
            floor.stop().await;
        }
    }
}
