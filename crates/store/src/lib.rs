//! Journal, projections, tables, outbox, blobs and keys on SQLite or PostgreSQL.
//!
//! Called by `engine` (writes) and `api` (scoped reads). Nothing is decided here: the store keeps, checks fences and
//! uniqueness, and gives back. Every method takes the time it needs; ids and secrets are made in [`random`].
//!
//! # The public surface
//!
//! | For | Calls |
//! |---|---|
//! | opening | [`Store::open`] ([`Options`]), [`Store::ping`], [`Store::close`] |
//! | host, tenants | [`Store::create_host`], [`Store::create_tenant`], [`Store::tenants`], [`Store::tenant`] |
//! | sign-in | [`Store::find_login`], [`Store::login_for_email`], [`Store::set_password_hash`], [`Store::sign_in_failed`], [`Store::sign_in_succeeded`], [`Store::users_of_login`], [`Store::grants_of`], [`Store::teams_of`], [`Store::members_of`] |
//! | sessions, tokens, links | [`Store::create_session`], [`Store::find_session`], [`Store::touch_session`], [`Store::delete_session`], [`Store::find_token`], [`Store::create_link`], [`Store::redeem_link`], [`Store::expire`] |
//! | idempotency | [`Store::idempotency_begin`], [`Store::idempotency_finish`], [`Store::idempotency_abandon`] |
//! | administrative changes | [`Store::admin`] → [`AdminTx`]: `put`, `delete`, `set_device_secret`, `set_entitlements`, `create_user`, `update_user`, `set_team_members`, `grant`, `revoke_grant`, `create_token`, `revoke_token`, `audit`, `commit`; drafts: [`Store::save_draft`], [`Store::publish_draft`], [`Store::discard_draft`] |
//! | compiled configuration | [`Store::load_config`], [`Store::load_flow`], [`Store::load_directory`], [`Store::prompt_audio`] |
//! | floors, leases | [`Store::live_floor`], [`Store::create_floor`], [`Store::floors`], [`Store::lease`], [`Store::acquire_lease`], [`Store::renew_lease`], [`Store::release_lease`] |
//! | journal | [`Batch::encode`], [`Store::append`], [`Store::append_all`], [`Store::post`], [`Store::read_journal`], [`StoredBatch::events`], [`Store::save_snapshot`], [`Store::load_snapshot`] |
//! | journal's spool | [`Store::spool`] → [`Spool`], [`SpoolWriter`], [`SpoolReader`]; [`Store::join`] |
//! | projections | [`Store::begin_projection`] → [`projection::Tx`]; [`Store::projector_offset`], [`Store::reset_projections`], [`Store::remove_sample`] |
//! | personal data | [`Store::intern_address`], [`Store::find_address`], [`NewAddress`], [`Store::address`], [`Store::addresses`], [`Store::erase_address`], [`Store::create_note`], [`Store::note`], [`Store::create_contact`], [`Store::contact`] |
//! | nodes | [`Store::heartbeat`], [`Store::last_heartbeat`], [`Store::nodes`], [`Store::save_bindings`] |
//! | outbox | [`Store::outbox_add`], [`Store::outbox_claim`], [`Store::outbox_ack`], [`Store::outbox_retry`] |
//! | blobs, keys | [`Store::blobs`] → [`Blobs`]; [`Store::keyring`] → [`Keyring`] |
//! | reads of configuration ([`Scope`], [`PageRequest`]) | [`Store::item`], [`Store::items`], [`Store::item_by_key`], [`Store::names`], [`Store::user`], [`Store::users`], [`Store::grant`], [`Store::grants`], [`Store::tokens`], [`Store::revisions`], [`Store::revision`], [`Store::audit`] |
//! | reads of history | [`Store::interactions`] ([`query::InteractionFilter`]), [`Store::interaction`], [`Store::interaction_detail`], [`Store::recordings`], [`Store::recording`], [`Store::report_segments`], [`Store::report_agent_spans`], [`Store::report_intervals`], [`Store::report_offers`] |
//!
//! Sample history: make a floor of [`FloorKind::Sample`], take its lease, [`Store::append_all`] what the simulator
//! made, let the projector run; [`Store::remove_sample`] takes all of it away.
//!
//! # Errors
//!
//! [`Error::Unavailable`] may be tried again; [`Error::NotFound`], [`Error::Conflict`], [`Error::Stale`],
//! [`Error::Reference`] and [`Error::Invalid`] are the caller's; [`Error::Fenced`] ends the floor's owner.
//!
//! # Example
//!
//! ```
//! use domain::time::Timestamp;
//! use std::time::Duration;
//! use store::{Batch, FloorKind, HostScope, NewTenant, Options, Store};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let dir = std::env::temp_dir().join(format!("cordboard-example-{}", std::process::id()));
//! let store = Store::open(&Options::in_dir(&dir)).await?;
//! let (host, now) = (HostScope::whole_installation(), Timestamp(1_790_000_000_000));
//! let owner = store.create_host(host, "Example Ltd", now).await?;
//! let tenant = store
//!     .create_tenant(
//!         host,
//!         NewTenant {
//!             host: owner.id,
//!             slug: "example".into(),
//!             name: "Example".into(),
//!             entitlements: domain::config::Entitlements { seats: 10, concurrent_calls: 20, retention_days: 90 },
//!             is_default: true,
//!         },
//!         now,
//!     )
//!     .await?;
//!
//! let floor = store.live_floor(tenant.id, now).await?;
//! assert_eq!(floor.kind, FloorKind::Live);
//! let lease = store.acquire_lease(floor.id, "node-a", Duration::from_secs(10), now).await?;
//! store.append(floor.id, lease.epoch, Batch::encode(1, &["first", "second"])?, now).await?;
//! let read = store.read_journal(floor.id, 2, 100).await?;
//! assert_eq!(read[0].events::<String>()?, [(1, "first".to_owned()), (2, "second".to_owned())]);
//! # store.close().await;
//! # std::fs::remove_dir_all(&dir)?;
//! # Ok(())
//! # }
//! ```
mod address;
mod admin;
mod blob;
mod config;
mod db;
mod error;
mod hold;
mod journal;
mod keyring;
mod migrate;
mod node;
mod outbox;
mod people;
pub mod projection;
pub mod query;
pub mod random;
mod rotate;
mod session;
mod spool;
mod value;

use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use address::{AddressRow, ContactRow, KnownAddress, NoteRow};
pub use admin::{AdminTx, AuditRow, Author, Change, Committed, Ha1, RevisionRow};
pub use blob::{BlobReader, BlobRow, Blobs, NewBlob};
pub use config::{
    BreakReasonConfig, Class, ConfigItem, DispositionConfig, Item, Named, PromptConfig, Settings, SkillConfig,
};
pub use error::{Error, Result};
pub use hold::HoldRow;
pub use journal::{Batch, Committing, Draft, FloorKind, FloorRow, LeaseRow, NewAddress, Snapshot, StoredBatch};
pub use keyring::{Key, Keyring};
pub use node::{DeviceBindings, HeartbeatRow};
pub use outbox::{MAX_ATTEMPTS, OutboxRow};
pub use people::{GrantRow, HostRow, LoginRow, NewTenant, TenantRow, UserRow, normalise_email};
pub use query::{HostScope, Page, PageRequest, Scope};
pub use rotate::KeyState;
pub use session::{Idempotency, LinkRow, SessionRow, TOKEN_PREFIX, TokenRow};
pub use spool::{LeftOver, Spool, SpoolReader, SpoolWriter};

/// Where an installation keeps its state.
#[derive(Debug, Clone)]
pub struct Options {
    /// Holds `cordboard.db` (SQLite), `master.key`, `blobs/`, `journal-spool/`. Created if absent.
    pub data_dir: PathBuf,
    /// `postgres://…`; none: SQLite in the data directory.
    pub database_url: Option<String>,
    /// Given by the operator; none: `<data-dir>/master.key`, made at the first start.
    pub master_key: Option<Key>,
    /// Bytes that the journal's spool may hold while the database is away.
    pub spool_max: u64,
}

/// About ten million events: hours of a busy floor.
pub const SPOOL_MAX: u64 = 1 << 30;

impl Options {
    pub fn in_dir(data_dir: impl Into<PathBuf>) -> Options {
        Options { data_dir: data_dir.into(), database_url: None, master_key: None, spool_max: SPOOL_MAX }
    }
}

/// An open installation. Cheap to clone.
#[derive(Clone)]
pub struct Store {
    db: db::Db,
    keys: Arc<Keyring>,
    blobs: Blobs,
    appender: journal::Appender,
    spool: Spool,
}

impl Store {
    /// Opens or creates the state, migrates it, checks the master key. Must run inside a tokio runtime.
    pub async fn open(options: &Options) -> Result<Store> {
        let dir = &options.data_dir;
        prepare_dir(dir)?;
        let master = match &options.master_key {
            Some(key) => key.clone(),
            None => Key::from_file_or_new(&dir.join("master.key"))?,
        };
        let db = match options.database_url.as_deref() {
            None => db::Db::open_sqlite(&dir.join("cordboard.db")).await?,
            Some(url) if url.starts_with("postgres://") || url.starts_with("postgresql://") => {
                db::Db::open_postgres(url).await?
            }
            Some(url) => match url.strip_prefix("sqlite:") {
                Some(path) => db::Db::open_sqlite(Path::new(path.trim_start_matches("//"))).await?,
                None => {
                    return Err(Error::BadUrl {
                        why: "it begins neither with postgres:// nor with sqlite:".to_owned(),
                    });
                }
            },
        };
        migrate::run(&db).await?;
        let keys = Arc::new(Keyring::open(db.clone(), master).await?);
        let blobs = Blobs::open(db.clone(), keys.clone(), dir.join("blobs"))?;
        let appender = journal::Appender::start(db.clone());
        let spool = Spool::open(dir.join("journal-spool"), keys.local_key("journal spool")?, options.spool_max)?;
        Ok(Store { db, keys, blobs, appender, spool })
    }

    /// Where the journal goes while the database is slow or away.
    pub fn spool(&self) -> &Spool {
        &self.spool
    }

    pub fn keyring(&self) -> &Keyring {
        &self.keys
    }

    pub fn blobs(&self) -> &Blobs {
        &self.blobs
    }

    /// Answers if the database does: for `/readyz`.
    pub async fn ping(&self) -> Result<()> {
        db::sql("SELECT 1").all(&mut self.db.read().await?).await.map(drop)
    }

    /// Waits for running statements and closes all connections.
    pub async fn close(&self) {
        self.db.close().await;
    }
}

/// Creates the directory and proves that it can be written, before anything is half done.
fn prepare_dir(dir: &Path) -> Result<()> {
    let unwritable = |source| Error::Unwritable { path: dir.to_owned(), source };
    std::fs::create_dir_all(dir).map_err(unwritable)?;
    let probe = dir.join(format!(".probe-{}", std::process::id()));
    std::fs::write(&probe, b"").map_err(unwritable)?;
    std::fs::remove_file(&probe).map_err(unwritable)
}
