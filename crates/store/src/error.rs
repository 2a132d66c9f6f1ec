//! What can go wrong in the store, as one enum. Every message tells an operator or a caller what happened; `api` maps
//! the variants to stable codes and never shows the sources.
use std::path::PathBuf;

pub type Result<T, E = Error> = std::result::Result<T, E>;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No such row within the scope asked for (another tenant's row looks exactly like this).
    #[error("no such {what}")]
    NotFound { what: &'static str },
    /// The write contradicts what is stored. `what` is a stable code such as `number.taken`.
    #[error("conflict: {what}")]
    Conflict { what: String },
    /// The row was changed since the caller read it; `rev` is the present revision.
    #[error("changed by somebody else, now at revision {rev}")]
    Stale { rev: u64 },
    /// A configuration object refers to something that does not exist, or is still referred to.
    #[error("{what}: {object}")]
    Reference { what: &'static str, object: String },
    /// The floor is owned under a newer epoch: the writer must stop at once.
    #[error("fenced: the floor is at epoch {epoch}")]
    Fenced { epoch: u32 },
    /// The batch does not follow the last journalled event.
    #[error("not contiguous: the next sequence number is {expected}")]
    NotContiguous { expected: u64 },
    /// The lease is held by a living owner.
    #[error("the floor is held by {owner}")]
    Held { owner: String },
    /// A bounded table is full.
    #[error("{what} is full")]
    Full { what: &'static str },
    /// Sealed data does not open: it was altered, moved to another object, or sealed under another key.
    #[error("{what} was tampered with or sealed under another key")]
    Tampered { what: &'static str },
    #[error(
        "the master key does not match this database: restore the master.key file it was created with, \
         or set CORDBOARD_MASTER_KEY to its contents"
    )]
    WrongMasterKey,
    /// Stored bytes cannot be read as what they should be.
    #[error("corrupt {what}: {why}")]
    Corrupt { what: &'static str, why: String },
    /// A value the caller passed is refused.
    #[error("invalid {what}: {why}")]
    Invalid { what: &'static str, why: String },
    #[error(
        "the database is at version {found} and this program knows up to {known}: install the newer program again, \
         or restore a backup taken before the upgrade"
    )]
    NewerDatabase { found: i64, known: i64 },
    #[error(
        "migration {number} of the database was made by a different build (checksum mismatch): \
         use the release that created it"
    )]
    AlteredMigration { number: i64 },
    #[error("cannot use the database URL: {why}; write postgres://user:password@host:5432/database")]
    BadUrl { why: String },
    #[error("cannot write to {}: {source}; make the directory writable for this user or choose another with --data-dir", path.display())]
    Unwritable { path: PathBuf, source: std::io::Error },
    #[error("cannot reach the database at {address}: {why}; check that the server runs and that the URL is right")]
    Unreachable { address: String, why: String },
    /// The database does not answer now; the same call may succeed later.
    #[error("the database is unavailable")]
    Unavailable { source: sqlx::Error },
    #[error("the database refused a statement")]
    Database { source: sqlx::Error },
    #[error("file error on {}", path.display())]
    File { path: PathBuf, source: std::io::Error },
}

impl Error {
    /// The same call may succeed later without any change.
    pub fn is_unavailable(&self) -> bool {
        matches!(self, Error::Unavailable { .. } | Error::Unreachable { .. })
    }

    pub(crate) fn corrupt(what: &'static str, why: impl ToString) -> Self {
        Error::Corrupt { what, why: why.to_string() }
    }

    pub(crate) fn invalid(what: &'static str, why: impl ToString) -> Self {
        Error::Invalid { what, why: why.to_string() }
    }

    pub(crate) fn conflict(what: impl Into<String>) -> Self {
        Error::Conflict { what: what.into() }
    }
}

/// Code under which a unique violation travels until a call site names it.
pub(crate) const UNIQUE: &str = "unique";

impl From<sqlx::Error> for Error {
    fn from(source: sqlx::Error) -> Self {
        match &source {
            sqlx::Error::Io(_)
            | sqlx::Error::Tls(_)
            | sqlx::Error::PoolTimedOut
            | sqlx::Error::PoolClosed
            | sqlx::Error::WorkerCrashed
            | sqlx::Error::BeginFailed => Error::Unavailable { source },
            sqlx::Error::Database(db) => {
                if db.is_unique_violation() {
                    return Error::conflict(UNIQUE);
                }
                if db.is_foreign_key_violation() {
                    return Error::Reference {
                        what: "referenced row is missing or still in use",
                        object: String::new(),
                    };
                }
                let code = db.code().unwrap_or_default();
                // SQLite: busy 5, locked 6, I/O 10, full 13, cannot open 14; extended codes keep the low byte.
                let sqlite = code.parse::<i64>().map(|c| matches!(c & 0xff, 5 | 6 | 10 | 13 | 14)).unwrap_or(false);
                // PostgreSQL: 08 connection, 53 resources, 57P shutdown, 40001 serialisation, 40P01 deadlock, 25006 standby.
                let postgres = code.len() == 5
                    && (code.starts_with("08")
                        || code.starts_with("53")
                        || code.starts_with("57P")
                        || matches!(code.as_ref(), "40001" | "40P01" | "25006"));
                if (code.len() < 5 && sqlite) || postgres {
                    Error::Unavailable { source }
                } else {
                    Error::Database { source }
                }
            }
            _ => Error::Database { source },
        }
    }
}

/// Names a unique violation.
pub(crate) trait OrConflict<T> {
    fn or_conflict(self, what: &str) -> Result<T>;
}

impl<T> OrConflict<T> for Result<T> {
    fn or_conflict(self, what: &str) -> Result<T> {
        self.map_err(|e| match e {
            Error::Conflict { what: w } if w == UNIQUE => Error::conflict(what),
            other => other,
        })
    }
}
