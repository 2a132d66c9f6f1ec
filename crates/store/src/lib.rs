//! Journal, projections, tables, outbox, blobs and keys on SQLite or PostgreSQL.
mod address;
mod admin;
mod blob;
mod config;
mod db;
mod error;
mod journal;
mod keyring;
mod migrate;
mod node;
mod outbox;
mod people;
pub mod projection;
pub mod query;
pub mod random;
mod session;
mod value;

use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use address::{AddressRow, ContactRow, NoteRow};
pub use admin::{AdminTx, AuditRow, Author, Change, Committed, Ha1, RevisionRow};
pub use blob::{BlobReader, BlobRow, Blobs, NewBlob};
pub use config::{
    BreakReasonConfig, Class, ConfigItem, DispositionConfig, Item, Named, PromptConfig, Settings, SkillConfig,
    TrunkConfig,
};
pub use error::{Error, Result};
pub use journal::{Batch, FloorKind, FloorRow, LeaseRow, Snapshot, StoredBatch};
pub use keyring::{Key, Keyring};
pub use node::HeartbeatRow;
pub use outbox::{MAX_ATTEMPTS, OutboxRow};
pub use people::{GrantRow, HostRow, LoginRow, NewTenant, TenantRow, UserRow, normalise_email};
pub use query::{HostScope, Page, PageRequest, Scope};
pub use session::{Idempotency, LinkRow, SessionRow, TOKEN_PREFIX, TokenRow};

/// Where an installation keeps its state.
#[derive(Debug, Clone)]
pub struct Options {
    /// Holds `cordboard.db` (SQLite), `master.key`, `blobs/`. Created if absent.
    pub data_dir: PathBuf,
    /// `postgres://…`; none: SQLite in the data directory.
    pub database_url: Option<String>,
    /// Given by the operator; none: `<data-dir>/master.key`, made at the first start.
    pub master_key: Option<Key>,
}

impl Options {
    pub fn in_dir(data_dir: impl Into<PathBuf>) -> Options {
        Options { data_dir: data_dir.into(), database_url: None, master_key: None }
    }
}

/// An open installation. Cheap to clone.
#[derive(Clone)]
pub struct Store {
    db: db::Db,
    keys: Arc<Keyring>,
    blobs: Blobs,
    appender: journal::Appender,
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
        Ok(Store { db, keys, blobs, appender })
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
