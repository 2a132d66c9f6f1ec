//! What handlers share: the engine and its store, the tenants' compiled configuration, limits, keys.
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use domain::config::TenantConfig;
use domain::id::{AgentId, DeviceId, QueueId, TenantId};
use domain::time::Timestamp;
use engine::{Engine, Saving};
use metrics_exporter_prometheus::PrometheusHandle;
use store::{AdminTx, Class, Scope, Settings, Store};
use tokio::sync::{Notify, Semaphore};

use crate::auth::Caller;
use crate::auth::guest::GuestKey;
use crate::auth::limit::Limiter;
use crate::auth::password::Passwords;
use crate::error::{ApiError, ApiResult};
use crate::provisioning::{Links, PhoneDoors};
use crate::relays::Relays;
use crate::socket::board::Boards;

/// How long a tenant's configuration may be remembered when another node changed it; this node's own changes show at
/// once.
const KNOWN_FOR: Duration = Duration::from_secs(5);
/// Longest wait for it when an older one is remembered.
const READ: Duration = Duration::from_secs(2);

/// Makes a recording into Ogg Opus: of so many channels and with this serial number. What it returns takes PCM (16 bit, little
/// endian, 8 kHz) piece by piece, then nothing, and gives the file's bytes. Takes about a hundredth of the time of the sound.
pub type MakeOgg = Arc<dyn Fn(usize, u32) -> OggWriter + Send + Sync>;
pub type OggWriter = Box<dyn FnMut(Option<&[u8]>) -> Vec<u8> + Send>;
/// Pieces of sound encoded at once: calls come first on a small machine.
const ENCODING: usize = 1;

/// What the binary decides.
#[derive(Default)]
pub struct Options {
    /// Renders `/metrics`; none: the path answers 404.
    pub metrics: Option<PrometheusHandle>,
    /// Says whether telephony takes calls, for `/readyz`; none: not asked.
    pub telephony_ready: Option<Arc<dyn Fn() -> bool + Send + Sync>>,
    /// For downloads of recordings as Ogg Opus; none: there are none.
    pub ogg: Option<MakeOgg>,
    /// For browsers that do not reach us by UDP.
    pub relays: Relays,
    /// Whether telephony holds a key to sign calls with.
    pub signs_calls: bool,
    /// Told to who sets up a phone.
    pub phone_doors: PhoneDoors,
}

/// Cheap to clone.
#[derive(Clone)]
pub struct App {
    inner: Arc<Inner>,
}

struct Inner {
    engine: Engine,
    options: Options,
    passwords: Passwords,
    guests: GuestKey,
    phone_links: Links,
    sign_ins_by_address: Limiter<IpAddr>,
    sign_ins_by_login: Limiter<String>,
    guests_by_address: Limiter<IpAddr>,
    known: Mutex<HashMap<TenantId, Remembered>>,
    boards: Boards,
    /// The peer connection offered last for an agent's browser device: our generation and the tab's. It outlives a
    /// lost socket, whose sound may go on.
    connections: Mutex<HashMap<DeviceId, (u64, u64)>>,
    /// Guests' devices with a connection.
    visiting: Mutex<HashMap<DeviceId, Arc<Notify>>>,
    document: Arc<str>,
    encoding: Arc<Semaphore>,
}

/// What is remembered of a tenant, and how often it was changed here: a reading that began before a change is not kept.
#[derive(Default)]
struct Remembered {
    changes: u64,
    known: Option<(Instant, Arc<Known>)>,
}

/// A tenant's configuration with what views need besides.
pub struct Known {
    pub config: TenantConfig,
    pub settings: Settings,
    /// Names of deleted ones too, for history.
    pub agents: HashMap<AgentId, String>,
    pub queues: HashMap<QueueId, String>,
}

impl App {
    /// Must run inside a tokio runtime.
    pub fn new(engine: Engine, options: Options) -> ApiResult<App> {
        let guests = GuestKey::new(engine.store().keyring().local_key("guests of the customer page")?);
        let document = crate::openapi::text(&crate::openapi::document(&crate::routes::operations()));
        Ok(App {
            inner: Arc::new(Inner {
                boards: Boards::default(),
                connections: Mutex::default(),
                visiting: Mutex::default(),
                engine,
                options,
                passwords: Passwords::new()?,
                guests,
                phone_links: Links::default(),
                // A shared office address signs in forty people at the start of a shift; guessing passwords is slow.
                sign_ins_by_address: Limiter::new(40, Duration::from_secs(3)),
                sign_ins_by_login: Limiter::new(10, Duration::from_secs(30)),
                guests_by_address: Limiter::new(10, Duration::from_secs(10)),
                known: Mutex::default(),
                document: document.into(),
                encoding: Arc::new(Semaphore::new(ENCODING)),
            }),
        })
    }

    pub fn engine(&self) -> &Engine {
        &self.inner.engine
    }

    pub fn store(&self) -> &Store {
        self.inner.engine.store()
    }

    pub fn now(&self) -> Timestamp {
        self.inner.engine.now()
    }

    pub fn options(&self) -> &Options {
        &self.inner.options
    }

    /// Held while a piece of sound is encoded.
    pub fn encoding(&self) -> Arc<Semaphore> {
        self.inner.encoding.clone()
    }

    pub fn passwords(&self) -> &Passwords {
        &self.inner.passwords
    }

    pub fn guests(&self) -> &GuestKey {
        &self.inner.guests
    }

    /// Links by which phones fetch their settings.
    pub fn phone_links(&self) -> &Links {
        &self.inner.phone_links
    }

    pub fn boards(&self) -> &Boards {
        &self.inner.boards
    }

    /// The OpenAPI document as text.
    pub fn document(&self) -> Arc<str> {
        self.inner.document.clone()
    }

    /// Takes one try of the source address and one of the login, known or not.
    pub fn may_try_sign_in(&self, address: IpAddr, email: &str) -> ApiResult<()> {
        let now = Instant::now();
        let tried = self
            .inner
            .sign_ins_by_address
            .take(address, now)
            .and_then(|()| self.inner.sign_ins_by_login.take(email.trim().to_lowercase(), now));
        tried.map_err(|seconds| ApiError::from(crate::error::Code::TooManyTries).retry_after(seconds))
    }

    /// One try of the source address alone (one-time links).
    pub fn may_try_link(&self, address: IpAddr) -> ApiResult<()> {
        let tried = self.inner.sign_ins_by_address.take(address, Instant::now());
        tried.map_err(|seconds| ApiError::from(crate::error::Code::TooManyTries).retry_after(seconds))
    }

    pub fn may_be_guest(&self, address: IpAddr) -> ApiResult<()> {
        let tried = self.inner.guests_by_address.take(address, Instant::now());
        tried.map_err(|seconds| ApiError::from(crate::error::Code::TooManyRequests).retry_after(seconds))
    }

    pub fn connection(&self, device: DeviceId) -> Option<(u64, u64)> {
        self.inner.connections.lock().unwrap_or_else(PoisonError::into_inner).get(&device).copied()
    }

    /// At most one for each agent's browser device, so bounded by the configuration.
    pub fn set_connection(&self, device: DeviceId, connection: Option<(u64, u64)>) {
        let mut connections = self.inner.connections.lock().unwrap_or_else(PoisonError::into_inner);
        match connection {
            Some(connection) => connections.insert(device, connection),
            None => connections.remove(&device),
        };
    }

    /// A guest's device gets this connection; one that it has already, perhaps over a network that is no more, is told.
    pub fn enter_guest(&self, device: DeviceId) -> Arc<Notify> {
        let mut visiting = self.inner.visiting.lock().unwrap_or_else(PoisonError::into_inner);
        let place = Arc::new(Notify::new());
        if let Some(older) = visiting.insert(device, place.clone()) {
            older.notify_one();
        }
        place
    }

    /// True if the connection was still the device's own.
    pub fn leave_guest(&self, device: DeviceId, place: &Arc<Notify>) -> bool {
        let mut visiting = self.inner.visiting.lock().unwrap_or_else(PoisonError::into_inner);
        let is_own = visiting.get(&device).is_some_and(|present| Arc::ptr_eq(present, place));
        if is_own {
            visiting.remove(&device);
        }
        is_own
    }

    /// The tenant's published configuration.
    pub async fn known(&self, tenant: TenantId) -> ApiResult<Arc<Known>> {
        let changes = {
            let mut table = self.table();
            let remembered = table.entry(tenant).or_default();
            let is_degraded = self.engine().saving(tenant) != Saving::Journal;
            if let Some((at, known)) = &remembered.known
                && (at.elapsed() < KNOWN_FOR || is_degraded)
            {
                return Ok(known.clone());
            }
            remembered.changes
        };
        let read = self.read_known(tenant, changes);
        let Some(older) = self.remembered(tenant) else { return read.await };
        match tokio::time::timeout(READ, read).await {
            Ok(Ok(known)) => Ok(known),
            Ok(Err(e)) if e.status.is_client_error() => Err(e),
            Ok(Err(_)) | Err(_) => Ok(older),
        }
    }

    /// What was known, however old: without the store desks and boards go on with it.
    fn remembered(&self, tenant: TenantId) -> Option<Arc<Known>> {
        self.table().get(&tenant)?.known.as_ref().map(|(_, known)| known.clone())
    }

    async fn read_known(&self, tenant: TenantId, changes: u64) -> ApiResult<Arc<Known>> {
        let store = self.store();
        let scope = Scope::Tenant(tenant);
        let config = store.load_config(tenant).await?;
        let settings = match store.item::<Settings>(scope, tenant).await {
            Ok(item) => item.value,
            Err(store::Error::NotFound { .. }) => Settings {
                tenant,
                name: config.name.clone(),
                time_zone: config.time_zone.clone(),
                lang: config.lang,
                sip_domain: String::new(),
                region: None,
                music: None,
                monitoring_shown: false,
                browser_codecs: Vec::new(),
                outbound: Default::default(),
                recording: Default::default(),
                voicemail: Default::default(),
                mask_numbers: false,
            },
            Err(e) => return Err(e.into()),
        };
        let known = Arc::new(Known {
            agents: ids(store.names(scope, Class::Agent).await?),
            queues: ids(store.names(scope, Class::Queue).await?),
            config,
            settings,
        });
        let mut table = self.table();
        let remembered = table.entry(tenant).or_default();
        if remembered.changes == changes {
            remembered.known = Some((Instant::now(), known.clone()));
        }
        Ok(known)
    }

    fn table(&self) -> std::sync::MutexGuard<'_, HashMap<TenantId, Remembered>> {
        self.inner.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins an administrative change in the caller's name; finish it with [`App::commit`].
    pub async fn admin(&self, caller: &Caller, reason: &str) -> ApiResult<AdminTx> {
        Ok(self.store().admin(caller.tenant, caller.author(), reason, self.now()).await?)
    }

    /// Makes the change durable and tells the floor and telephony. Returns the new revision, if configuration changed.
    pub async fn commit(&self, tenant: TenantId, tx: AdminTx) -> ApiResult<Option<u64>> {
        let done = tx.commit().await?;
        {
            let mut table = self.table();
            let remembered = table.entry(tenant).or_default();
            remembered.changes += 1;
            remembered.known = None;
        }
        if done.rev.is_some() {
            self.engine().config_changed(tenant).await?;
        }
        Ok(done.rev)
    }
}

fn ids<T: std::str::FromStr + std::hash::Hash + Eq>(names: Vec<(String, String)>) -> HashMap<T, String> {
    names.into_iter().filter_map(|(id, name)| Some((id.parse().ok()?, name))).collect()
}
