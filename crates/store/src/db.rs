//! The one place that knows there are two databases: pools, transactions, values and rows behind a narrow interface.
//!
//! Every other module writes one SQL text with `$1` placeholders (both databases take them) and binds [`Value`]s through
//! [`sql`]. SQLite has exactly one writer connection, so a write transaction is a short exclusive turn; readers never
//! wait for it (WAL). PostgreSQL uses one pool for both.
use std::borrow::Cow;
use std::path::Path;
use std::str::FromStr;
use std::time::Duration;

use sqlx::postgres::{PgArguments, PgConnectOptions, PgPoolOptions, PgRow};
use sqlx::sqlite::{
    SqliteArguments, SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteRow, SqliteSynchronous,
};
use sqlx::{Arguments, AssertSqlSafe, ConnectOptions, Row as _};
use sqlx::{PgPool, Postgres, Sqlite, SqlitePool, Transaction};

use crate::error::{Error, Result};
use crate::value::{Column, Kind, Value};

/// Readers of SQLite and connections to PostgreSQL: enough for the API of one node, few enough that a hundred nodes
/// stay under a server's usual limit of connections.
const POOL: u32 = 16;
/// A caller waits this long for a connection before it hears "unavailable".
const ACQUIRE: Duration = Duration::from_secs(10);
/// A read that takes longer (a database that hangs, not one that is gone) is "unavailable" too. Transactions have no
/// such limit: a rebuild may take minutes.
const READ: Duration = Duration::from_secs(10);
/// Distinct statements kept prepared per connection: more than this crate has.
const STATEMENTS: usize = 512;

/// The writer's page cache: 32 MiB hold the ends of all indexes that a busy node writes to.
const WRITER_CACHE: &str = "-32768";
/// Pages in the write-ahead log before they are copied into the database: 16 MiB, in which the same few pages come again
/// and again and are copied once.
const CHECKPOINT: &str = "4000";

/// Without the pool's maintenance task: in sqlx 0.9.0 it counts from a number of idle connections that a concurrent
/// acquire can take below zero, and then spins on a worker thread for good. Connections are tested when they are
/// acquired, so nothing needs to age out.
fn unattended<DB: sqlx::Database>(options: sqlx::pool::PoolOptions<DB>) -> sqlx::pool::PoolOptions<DB> {
    options.idle_timeout(None).max_lifetime(None)
}

#[derive(Clone)]
pub(crate) enum Db {
    Sqlite { writer: SqlitePool, readers: SqlitePool },
    Postgres { pool: PgPool },
}

impl Db {
    /// Opens or creates the SQLite file.
    pub async fn open_sqlite(path: &Path) -> Result<Db> {
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .busy_timeout(Duration::from_secs(5))
            .statement_cache_capacity(STATEMENTS)
            .disable_statement_logging();
        let unreachable =
            |e: sqlx::Error| Error::Unreachable { address: path.display().to_string(), why: e.to_string() };
        // A connection to a file is tested by using it: the pool's test would be one more journey to its thread each time.
        let writer = unattended(SqlitePoolOptions::new())
            .test_before_acquire(false)
            .max_connections(1)
            .acquire_timeout(ACQUIRE)
            .connect_with(options.clone().pragma("cache_size", WRITER_CACHE).pragma("wal_autocheckpoint", CHECKPOINT))
            .await
            .map_err(unreachable)?;
        let readers = unattended(SqlitePoolOptions::new())
            .test_before_acquire(false)
            .max_connections(POOL)
            .acquire_timeout(ACQUIRE)
            .connect_with(options.pragma("query_only", "ON"))
            .await
            .map_err(unreachable)?;
        Ok(Db::Sqlite { writer, readers })
    }

    pub async fn open_postgres(url: &str) -> Result<Db> {
        let options = PgConnectOptions::from_str(url)
            .map_err(|e| Error::BadUrl { why: e.to_string() })?
            .application_name("cordboard")
            .statement_cache_capacity(STATEMENTS)
            .disable_statement_logging();
        let address = format!("{}:{}", options.get_host(), options.get_port());
        let pool = unattended(PgPoolOptions::new())
            .max_connections(POOL)
            .acquire_timeout(ACQUIRE)
            .connect_with(options)
            .await
            .map_err(|e| Error::Unreachable { address, why: e.to_string() })?;
        Ok(Db::Postgres { pool })
    }

    /// A connection for reading; SQLite refuses writes on it.
    pub async fn read(&self) -> Result<Conn> {
        Ok(match self {
            Db::Sqlite { readers, .. } => Conn::Sqlite(readers.acquire().await?),
            Db::Postgres { pool } => Conn::Postgres(in_time(pool.acquire()).await?),
        })
    }

    /// A write transaction; rolled back unless [`Tx::commit`] is called.
    pub async fn begin(&self) -> Result<Tx> {
        Ok(match self {
            // IMMEDIATE: another process (rebuild) on the same file makes us wait here, never fail half-way.
            Db::Sqlite { writer, .. } => Tx::Sqlite(match writer.begin_with("BEGIN IMMEDIATE").await {
                Ok(tx) => tx,
                // A full disk makes SQLite roll back by itself; the driver's own ROLLBACK then fails, and from then on it
                // believes that a transaction is open. Only a new connection helps.
                Err(sqlx::Error::InvalidSavePointStatement | sqlx::Error::BeginFailed) => {
                    writer.acquire().await?.close().await?;
                    writer.begin_with("BEGIN IMMEDIATE").await?
                }
                Err(e) => return Err(e.into()),
            }),
            Db::Postgres { pool } => Tx::Postgres(in_time(pool.begin()).await?),
        })
    }

    /// A whole write transaction of SQLite in one journey to the database's thread: `script` holds several statements with
    /// nameless places, from `BEGIN IMMEDIATE` to `COMMIT`. Returns what they return. None on PostgreSQL, whose protocol
    /// has no such thing.
    pub async fn write_at_once(&self, script: Sql) -> Result<Option<Vec<Row>>> {
        let Db::Sqlite { writer, .. } = self else { return Ok(None) };
        let mut connection = Undecided(Some(writer.acquire().await?));
        let Some(open) = connection.0.as_mut() else { return Ok(None) };
        let args = sqlite_args(script.args)?;
        let rows = match script.text {
            Cow::Borrowed(t) => sqlx::query_with(t, args).fetch_all(&mut **open).await?,
            Cow::Owned(t) => sqlx::query_with(AssertSqlSafe(t), args).fetch_all(&mut **open).await?,
        };
        connection.0 = None;
        Ok(Some(rows.into_iter().map(Row::Sqlite).collect()))
    }

    pub async fn close(&self) {
        match self {
            Db::Sqlite { writer, readers } => {
                readers.close().await;
                writer.close().await;
            }
            Db::Postgres { pool } => pool.close().await,
        }
    }

    pub fn is_sqlite(&self) -> bool {
        matches!(self, Db::Sqlite { .. })
    }
}

/// A connection whose transaction may stand half-way: dropped like this it is closed, which rolls back.
struct Undecided(Option<sqlx::pool::PoolConnection<Sqlite>>);

impl Drop for Undecided {
    fn drop(&mut self) {
        if let Some(connection) = &mut self.0 {
            connection.close_on_drop();
        }
    }
}

async fn in_time<T>(work: impl Future<Output = sqlx::Result<T>>) -> Result<T> {
    let slow = || Error::Unavailable { source: sqlx::Error::PoolTimedOut };
    Ok(tokio::time::timeout(READ, work).await.map_err(|_| slow())??)
}

pub(crate) enum Conn {
    Sqlite(sqlx::pool::PoolConnection<Sqlite>),
    Postgres(sqlx::pool::PoolConnection<Postgres>),
}

pub(crate) enum Tx {
    Sqlite(Transaction<'static, Sqlite>),
    Postgres(Transaction<'static, Postgres>),
}

impl Tx {
    pub async fn commit(self) -> Result<()> {
        match self {
            Tx::Sqlite(tx) => tx.commit().await?,
            Tx::Postgres(tx) => tx.commit().await?,
        }
        Ok(())
    }

    /// Runs a script of several statements without parameters.
    pub async fn script(&mut self, text: &str) -> Result<()> {
        let text = AssertSqlSafe(text.to_owned());
        match self {
            Tx::Sqlite(tx) => sqlx::raw_sql(text).execute(&mut **tx).await.map(drop)?,
            Tx::Postgres(tx) => sqlx::raw_sql(text).execute(&mut **tx).await.map(drop)?,
        }
        Ok(())
    }
}

pub(crate) enum Raw<'a> {
    Sqlite(&'a mut sqlx::SqliteConnection),
    Postgres(&'a mut sqlx::PgConnection),
}

/// Something a statement can run on: a connection or a transaction.
pub(crate) trait Exec {
    fn raw(&mut self) -> Raw<'_>;
    /// Longest wait for the answer to one statement.
    const LIMIT: Option<Duration>;
}

impl Exec for Conn {
    const LIMIT: Option<Duration> = Some(READ);

    fn raw(&mut self) -> Raw<'_> {
        match self {
            Conn::Sqlite(c) => Raw::Sqlite(c),
            Conn::Postgres(c) => Raw::Postgres(c),
        }
    }
}

impl Exec for Tx {
    const LIMIT: Option<Duration> = None;

    fn raw(&mut self) -> Raw<'_> {
        match self {
            Tx::Sqlite(c) => Raw::Sqlite(c),
            Tx::Postgres(c) => Raw::Postgres(c),
        }
    }
}

/// A statement with its arguments. `$1…$n` in the order of the binds.
///
/// The text must come from literals of this crate (column lists, filters): never from outside.
#[must_use]
pub(crate) struct Sql {
    text: Cow<'static, str>,
    args: Vec<Value>,
}

pub(crate) fn sql(text: impl Into<Cow<'static, str>>) -> Sql {
    Sql { text: text.into(), args: Vec::new() }
}

impl Sql {
    pub fn bind<T: Column>(mut self, value: T) -> Self {
        self.args.push(value.to_value());
        self
    }

    pub fn bind_value(&mut self, value: Value) -> usize {
        self.args.push(value);
        self.args.len()
    }

    /// Appends text.
    pub fn push(&mut self, text: &str) -> &mut Self {
        self.text.to_mut().push_str(text);
        self
    }

    /// Appends text in which `?` stands for the placeholder of `value`.
    pub fn push_bind<T: Column>(&mut self, text: &str, value: T) -> &mut Self {
        let n = self.bind_value(value.to_value());
        let text = text.replace('?', &format!("${n}"));
        self.push(&text)
    }

    /// Runs it; returns the number of rows touched.
    pub async fn execute(self, on: &mut impl Exec) -> Result<u64> {
        match on.raw() {
            Raw::Sqlite(c) => {
                let args = sqlite_args(self.args)?;
                let done = match self.text {
                    Cow::Borrowed(t) => sqlx::query_with(t, args).execute(c).await?,
                    Cow::Owned(t) => sqlx::query_with(AssertSqlSafe(t), args).execute(c).await?,
                };
                Ok(done.rows_affected())
            }
            Raw::Postgres(c) => {
                let args = postgres_args(self.args)?;
                let done = match self.text {
                    Cow::Borrowed(t) => sqlx::query_with(t, args).execute(c).await?,
                    Cow::Owned(t) => sqlx::query_with(AssertSqlSafe(t), args).execute(c).await?,
                };
                Ok(done.rows_affected())
            }
        }
    }

    pub async fn all<E: Exec>(self, on: &mut E) -> Result<Vec<Row>> {
        match E::LIMIT {
            Some(limit) => {
                let slow = || Error::Unavailable { source: sqlx::Error::PoolTimedOut };
                tokio::time::timeout(limit, self.fetch(on)).await.map_err(|_| slow())?
            }
            None => self.fetch(on).await,
        }
    }

    async fn fetch(self, on: &mut impl Exec) -> Result<Vec<Row>> {
        match on.raw() {
            Raw::Sqlite(c) => {
                let args = sqlite_args(self.args)?;
                let rows = match self.text {
                    Cow::Borrowed(t) => sqlx::query_with(t, args).fetch_all(c).await?,
                    Cow::Owned(t) => sqlx::query_with(AssertSqlSafe(t), args).fetch_all(c).await?,
                };
                Ok(rows.into_iter().map(Row::Sqlite).collect())
            }
            Raw::Postgres(c) => {
                let args = postgres_args(self.args)?;
                let rows = match self.text {
                    Cow::Borrowed(t) => sqlx::query_with(t, args).fetch_all(c).await?,
                    Cow::Owned(t) => sqlx::query_with(AssertSqlSafe(t), args).fetch_all(c).await?,
                };
                Ok(rows.into_iter().map(Row::Postgres).collect())
            }
        }
    }

    pub async fn maybe(self, on: &mut impl Exec) -> Result<Option<Row>> {
        // All rows, not the first: a statement with RETURNING must run to its end.
        Ok(self.all(on).await?.into_iter().next())
    }

    pub async fn one(self, on: &mut impl Exec, what: &'static str) -> Result<Row> {
        self.maybe(on).await?.ok_or(Error::NotFound { what })
    }
}

fn sqlite_args(values: Vec<Value>) -> Result<SqliteArguments> {
    let mut args = SqliteArguments::default();
    for v in values {
        match v {
            Value::Null(_) => args.add(Option::<i64>::None),
            Value::Int(v) => args.add(v),
            Value::Double(v) => args.add(v),
            Value::Text(v) => args.add(v),
            Value::Blob(v) => args.add(v),
        }
        .map_err(|e| Error::Database { source: sqlx::Error::Encode(e) })?;
    }
    Ok(args)
}

fn postgres_args(values: Vec<Value>) -> Result<PgArguments> {
    let mut args = PgArguments::default();
    for v in values {
        match v {
            Value::Null(Kind::Int) => args.add(Option::<i64>::None),
            Value::Null(Kind::Double) => args.add(Option::<f64>::None),
            Value::Null(Kind::Text) => args.add(Option::<String>::None),
            Value::Null(Kind::Blob) => args.add(Option::<Vec<u8>>::None),
            Value::Int(v) => args.add(v),
            Value::Double(v) => args.add(v),
            Value::Text(v) => args.add(v),
            Value::Blob(v) => args.add(v),
        }
        .map_err(|e| Error::Database { source: sqlx::Error::Encode(e) })?;
    }
    Ok(args)
}

pub(crate) enum Row {
    Sqlite(SqliteRow),
    Postgres(PgRow),
}

impl Row {
    /// The column `name` as `T`; a value of another shape is [`Error::Corrupt`].
    pub fn get<T: Column>(&self, name: &'static str) -> Result<T> {
        macro_rules! fetch {
            ($row:expr) => {
                match T::KIND {
                    Kind::Int => $row.try_get::<Option<i64>, _>(name)?.map(Value::Int),
                    Kind::Double => $row.try_get::<Option<f64>, _>(name)?.map(Value::Double),
                    Kind::Text => $row.try_get::<Option<String>, _>(name)?.map(Value::Text),
                    Kind::Blob => $row.try_get::<Option<Vec<u8>>, _>(name)?.map(Value::Blob),
                }
            };
        }
        let value = match self {
            Row::Sqlite(row) => fetch!(row),
            Row::Postgres(row) => fetch!(row),
        };
        T::from_value(value.unwrap_or(Value::Null(T::KIND)))
            .ok_or_else(|| Error::corrupt(name, "unexpected value in this column"))
    }
}
