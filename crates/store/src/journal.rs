//! Floors, their leases and their journal: the one place where facts become durable.
//!
//! A floor has one owner. Taking the lease raises the epoch; every append names its epoch and first sequence number and
//! is checked against the lease row in the same transaction, so a former owner can never write again ([`Error::Fenced`])
//! and the sequence has neither gaps nor repeats ([`Error::NotContiguous`]). Sequence numbers start at 1.
//!
//! Appends of all floors of this process go through one task that commits what has gathered as one transaction (group
//! commit): while one fsync runs, the next group collects.
use std::cell::RefCell;
use std::pin::Pin;
use std::sync::OnceLock;
use std::task::{Context, Poll};
use std::time::Duration;

use domain::address::Address;
use domain::id::{AddressId, FloorId, TenantId};
use domain::time::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use crate::Store;
use crate::db::{Db, Exec, Sql, Tx, sql};
use crate::error::{Error, Result};
use crate::query::Scope;
use crate::value::{TableRow, read_all, select, table_row};

/// Zstandard-compressed JSON array of events.
pub const CODEC_JSON_ZSTD: u8 = 1;
/// The same uncompressed, for the few events of a quiet moment.
pub const CODEC_JSON: u8 = 2;
/// Shorter JSON stays as it is: compressing it would save less than a row costs anyway.
const PLAIN: usize = 512;
/// An uncompressed batch or snapshot is never larger; also stops a decompression bomb.
const MAX_PLAIN: usize = 256 << 20;
/// Appends waiting for the committer. Each floor waits for its own append, so this is a bound on floors per node.
const QUEUE: usize = 1024;
/// A commit that takes longer is taken as lost, so that a database that hangs does not hold every floor for ever. The
/// owner has long gone on with its spool by then.
const COMMIT: Duration = Duration::from_secs(30);
/// Appends in one transaction: keeps one commit short.
const GROUP: usize = 256;
/// From the beginning of one commit to the next: a commit costs the same whether it holds one event or a hundred, and a
/// busy node's calls share it. The first after a silence is not kept waiting.
const PACE: Duration = Duration::from_millis(10);

#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FloorKind {
    Live,
    /// Seeded history, removed as a whole by [`Store::remove_sample`].
    Sample,
}
crate::value::names!(FloorKind);

table_row! {
    pub struct FloorRow in "floors" (id) {
        pub id: FloorId,
        pub tenant_id: TenantId,
        /// Goes into the ids the floor mints; unique in the installation.
        pub floor_no: u32,
        pub kind: FloorKind,
        pub created_at: Timestamp,
    }

    pub struct LeaseRow in "floor_leases" (floor_id) {
        pub floor_id: FloorId,
        /// The node, or none after a clean release.
        pub owner: Option<String>,
        pub epoch: u32,
        /// Last journalled event; 0 for an empty journal.
        pub last_seq: u64,
        pub heartbeat_at: Timestamp,
    }
}

/// Events to append. Make one with [`Batch::encode`] (off the floor's task if it is large).
#[derive(Debug, Clone, PartialEq)]
pub struct Batch {
    pub first_seq: u64,
    pub last_seq: u64,
    pub codec: u8,
    pub bytes: Vec<u8>,
    /// Addresses that its events name for the first time; their rows are written with it.
    pub addresses: Vec<NewAddress>,
    /// When it was decided, if that was not just now (it waited in the spool).
    pub at: Option<Timestamp>,
}

/// A customer's address under an id made here, because the store knew none or did not answer.
#[derive(Debug, Clone, PartialEq, Serialize, serde::Deserialize)]
pub struct NewAddress {
    pub id: AddressId,
    pub address: Address,
    /// As shown by the far end.
    pub name: Option<String>,
}

impl Batch {
    /// Encodes `events` numbered from `first_seq`. At least one event.
    pub fn encode<E: Serialize>(first_seq: u64, events: &[E]) -> Result<Batch> {
        if events.is_empty() || first_seq == 0 {
            return Err(Error::invalid("journal batch", "it needs an event and a sequence number from 1"));
        }
        let (codec, bytes) = compress(events)?;
        let last_seq = first_seq + events.len() as u64 - 1;
        Ok(Batch { first_seq, last_seq, codec, bytes, addresses: Vec::new(), at: None })
    }
}

/// A batch in the making: events that may share a journal row.
#[derive(Debug, Default)]
pub struct Draft {
    first_seq: u64,
    count: u64,
    /// A JSON array without its end.
    json: Vec<u8>,
    addresses: Vec<NewAddress>,
    at: Option<Timestamp>,
}

impl Draft {
    /// The JSON of an event numbered `seq`, decided at `now`; it must follow what is in the draft.
    pub fn push(&mut self, seq: u64, json: &str, now: Timestamp) -> Result<()> {
        if self.count == 0 {
            (self.first_seq, self.at) = (seq, Some(now));
        }
        if seq == 0 || seq != self.first_seq + self.count {
            return Err(Error::invalid("journal batch", "it needs events that follow one another from 1 on"));
        }
        self.json.push(if self.json.is_empty() { b'[' } else { b',' });
        self.json.extend_from_slice(json.as_bytes());
        self.count += 1;
        Ok(())
    }

    /// An address that the events name for the first time.
    pub fn address(&mut self, address: NewAddress) {
        self.addresses.push(address);
    }

    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Bytes of JSON.
    pub fn size(&self) -> usize {
        self.json.len()
    }

    /// The batch; the draft is empty again. Not of an empty one.
    pub fn take(&mut self) -> Result<Batch> {
        if self.count == 0 {
            return Err(Error::invalid("journal batch", "it needs an event"));
        }
        let Draft { first_seq, count, mut json, addresses, at } = std::mem::take(self);
        json.push(b']');
        let (codec, bytes) = compress_json(json)?;
        Ok(Batch { first_seq, last_seq: first_seq + count - 1, codec, bytes, addresses, at })
    }
}

/// A batch as read back.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredBatch {
    pub first_seq: u64,
    pub last_seq: u64,
    pub epoch: u32,
    pub at: Timestamp,
    codec: u8,
    bytes: Vec<u8>,
}

impl StoredBatch {
    /// The events with their sequence numbers. `E` is the domain's event, or `serde_json::Value` to upcast first.
    pub fn events<E: DeserializeOwned>(&self) -> Result<Vec<(u64, E)>> {
        let events: Vec<E> = decompress(self.codec, &self.bytes, "journal batch")?;
        if events.len() as u64 != self.last_seq + 1 - self.first_seq {
            return Err(Error::corrupt("journal batch", format!("wrong count at {}", self.first_seq)));
        }
        Ok((self.first_seq..).zip(events).collect())
    }
}

/// State of a floor at `seq`.
#[derive(Debug, Clone, PartialEq)]
pub struct Snapshot<S> {
    pub seq: u64,
    pub state: S,
}

thread_local! {
    /// Level 1: events repeat their field names, so even the fastest level gives most of the gain. A context is half a
    /// megabyte of tables, too much to make for every batch.
    static ZSTD: RefCell<Option<zstd::bulk::Compressor<'static>>> = const { RefCell::new(None) };
}

fn compress<T: Serialize + ?Sized>(value: &T) -> Result<(u8, Vec<u8>)> {
    compress_json(serde_json::to_vec(value).map_err(|e| Error::invalid("journal event", e))?)
}

fn compress_json(json: Vec<u8>) -> Result<(u8, Vec<u8>)> {
    if json.len() < PLAIN {
        return Ok((CODEC_JSON, json));
    }
    let packed = ZSTD.with_borrow_mut(|context| {
        let mut packer = match context.take() {
            Some(packer) => packer,
            None => zstd::bulk::Compressor::new(1)?,
        };
        let packed = packer.compress(&json);
        *context = Some(packer);
        packed
    });
    Ok((CODEC_JSON_ZSTD, packed.map_err(|e| Error::invalid("journal batch", e))?))
}

fn decompress<T: DeserializeOwned>(codec: u8, bytes: &[u8], what: &'static str) -> Result<T> {
    let corrupt = |e: serde_json::Error| Error::corrupt(what, e);
    match codec {
        CODEC_JSON => return serde_json::from_slice(bytes).map_err(corrupt),
        CODEC_JSON_ZSTD => {}
        other => return Err(Error::corrupt(what, format!("unknown codec {other}"))),
    }
    let mut json = Vec::new();
    let mut decoder = zstd::stream::read::Decoder::new(bytes).map_err(|e| Error::corrupt(what, e))?;
    std::io::Read::read_to_end(&mut std::io::Read::take(&mut decoder, MAX_PLAIN as u64), &mut json)
        .map_err(|e| Error::corrupt(what, e))?;
    serde_json::from_slice(&json).map_err(corrupt)
}

struct Append {
    floor: FloorId,
    epoch: u32,
    batches: Vec<Batch>,
    at: Timestamp,
    reply: oneshot::Sender<Result<()>>,
}

/// Handle to the committer task.
#[derive(Clone)]
pub(crate) struct Appender {
    queue: mpsc::Sender<Append>,
}

impl Appender {
    /// The task ends when the last handle is gone.
    pub fn start(db: Db) -> Appender {
        let (queue, mut waiting) = mpsc::channel::<Append>(QUEUE);
        tokio::spawn(async move {
            let mut group = Vec::with_capacity(GROUP);
            let mut next = Instant::now();
            while let Some(first) = waiting.recv().await {
                group.push(first);
                tokio::time::sleep_until(next).await;
                while group.len() < GROUP
                    && let Ok(append) = waiting.try_recv()
                {
                    group.push(append);
                }
                next = Instant::now() + PACE;
                commit_group(&db, &mut group).await;
            }
        });
        Appender { queue }
    }

    async fn append(&self, floor: FloorId, epoch: u32, batches: Vec<Batch>, at: Timestamp) -> Result<()> {
        let gone = || Error::Unavailable { source: sqlx::Error::PoolClosed };
        let (reply, answer) = oneshot::channel();
        let append = Append { floor, epoch, batches, at, reply };
        self.queue.send(append).await.map_err(|_| gone())?;
        Committing(answer).await
    }

    fn post(&self, floor: FloorId, epoch: u32, batches: Vec<Batch>, at: Timestamp) -> Result<Committing> {
        let (reply, answer) = oneshot::channel();
        let append = Append { floor, epoch, batches, at, reply };
        self.queue.try_send(append).map_err(|_| Error::Unavailable { source: sqlx::Error::PoolTimedOut })?;
        Ok(Committing(answer))
    }
}

/// An append on its way: what [`Store::append`] returns, later. Dropped, it still happens.
pub struct Committing(oneshot::Receiver<Result<()>>);

impl Future for Committing {
    type Output = Result<()>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0).poll(cx).map(|answer| {
            // The committer ends only with the process.
            answer.unwrap_or(Err(Error::Unavailable { source: sqlx::Error::PoolClosed }))
        })
    }
}

/// New addresses in a script: a group with more takes the long way.
const SCRIPT_ADDRESSES: usize = 16;

/// The transaction of one floor's batch with so many new addresses, in nameless places. Everything hangs on the lease row
/// being as it should: else nothing is written and nothing returned.
fn script(addresses: usize) -> &'static str {
    const EMPTY: OnceLock<String> = OnceLock::new();
    static TEXTS: [OnceLock<String>; SCRIPT_ADDRESSES + 1] = [EMPTY; SCRIPT_ADDRESSES + 1];
    let owned = "EXISTS (SELECT 1 FROM floor_leases WHERE floor_id = ? AND epoch = ? AND last_seq = ?)";
    TEXTS[addresses.min(SCRIPT_ADDRESSES)].get_or_init(|| {
        let mut text = "BEGIN IMMEDIATE; ".to_owned();
        for _ in 0..addresses {
            text.push_str(&crate::address::insert_new_if(owned));
        }
        text.push_str(
            "INSERT INTO journal (floor_id, first_seq, last_seq, epoch, codec, bytes, at) \
             SELECT floor_id, ?, ?, epoch, ?, ?, ? FROM floor_leases WHERE floor_id = ? AND epoch = ? AND last_seq = ? \
             RETURNING last_seq; \
             UPDATE floor_leases SET last_seq = ? WHERE floor_id = ? AND epoch = ? AND last_seq = ?; COMMIT",
        );
        text
    })
}

/// Commits the only append of a group, if that goes by a script: false if not, or if the lease is not as it should be;
/// then nothing was written.
async fn commit_one(db: &Db, append: &Append) -> Result<bool> {
    let [batch] = append.batches.as_slice() else { return Ok(false) };
    if !db.is_sqlite() || batch.addresses.len() > SCRIPT_ADDRESSES {
        return Ok(false);
    }
    let before = batch.first_seq - 1;
    let at = batch.at.unwrap_or(append.at);
    let owner = |sql: Sql| sql.bind(append.floor).bind(append.epoch).bind(before);
    let mut sql = sql(script(batch.addresses.len()));
    for address in &batch.addresses {
        sql = crate::address::bind_new_if(sql, append.floor, address, at, owner);
    }
    sql = sql.bind(batch.first_seq).bind(batch.last_seq).bind(batch.codec).bind(batch.bytes.clone()).bind(at);
    sql = owner(owner(sql).bind(batch.last_seq));
    let written = tokio::time::timeout(COMMIT, db.write_at_once(sql)).await;
    let rows = written.map_err(|_| Error::Unavailable { source: sqlx::Error::PoolTimedOut })??;
    Ok(rows.is_some_and(|rows| rows.len() == 1))
}

/// Commits a group. A refused append (fenced, gap) does not disturb the others; a failing database fails all.
async fn commit_group(db: &Db, group: &mut Vec<Append>) {
    if let [append] = group.as_slice() {
        match commit_one(db, append).await {
            Ok(false) => {}
            result => {
                let result = result.map(drop).map_err(|e| {
                    tracing::warn!(error = %e, "a journal batch was not committed");
                    Error::Unavailable { source: sqlx::Error::WorkerCrashed }
                });
                if let Some(append) = group.pop() {
                    // The caller may have gone away.
                    let _ = append.reply.send(result);
                }
                return;
            }
        }
    }
    // Rows are locked in one order on every node.
    group.sort_by_key(|a| a.floor);
    let mut answers: Vec<(oneshot::Sender<Result<()>>, Result<()>)> = Vec::with_capacity(group.len());
    let mut work = group.drain(..);
    let commit = async {
        let mut tx = db.begin().await?;
        for Append { floor, epoch, batches, at, reply } in work.by_ref() {
            let result = append_in(&mut tx, floor, epoch, batches, at).await;
            let broken = result.as_ref().err().is_some_and(|e| !is_refusal(e));
            answers.push((reply, result));
            if broken {
                return Err(Error::Unavailable { source: sqlx::Error::WorkerCrashed });
            }
        }
        tx.commit().await
    };
    let timed_out = || Err(Error::Unavailable { source: sqlx::Error::PoolTimedOut });
    let failed = tokio::time::timeout(COMMIT, commit).await.unwrap_or_else(|_| timed_out()).err();
    for append in work {
        answers.push((append.reply, Err(Error::Unavailable { source: sqlx::Error::WorkerCrashed })));
    }
    for (reply, result) in answers {
        let result = match (&failed, result) {
            (Some(e), Ok(())) => {
                tracing::warn!(error = %e, "a journal group was not committed");
                Err(Error::Unavailable { source: sqlx::Error::WorkerCrashed })
            }
            (_, result) => result,
        };
        // The caller may have gone away.
        let _ = reply.send(result);
    }
}

/// Refusals are decided before anything is written, so the transaction stays good.
fn is_refusal(e: &Error) -> bool {
    matches!(e, Error::Fenced { .. } | Error::NotContiguous { .. } | Error::NotFound { .. } | Error::Invalid { .. })
}

async fn append_in(tx: &mut Tx, floor: FloorId, epoch: u32, batches: Vec<Batch>, at: Timestamp) -> Result<()> {
    let (Some(first), Some(last)) = (batches.first(), batches.last()) else { return Ok(()) };
    if batches.windows(2).any(|w| w[0].last_seq + 1 != w[1].first_seq) {
        return Err(Error::invalid("journal batches", "they do not follow one another"));
    }
    let n = sql("UPDATE floor_leases SET last_seq = $1 WHERE floor_id = $2 AND epoch = $3 AND last_seq = $4")
        .bind(last.last_seq)
        .bind(floor)
        .bind(epoch)
        .bind(first.first_seq - 1)
        .execute(tx)
        .await?;
    if n == 0 {
        let row = select::<LeaseRow>("WHERE floor_id = $1").bind(floor).one(tx, "floor").await?;
        let lease = LeaseRow::read(&row)?;
        return Err(if lease.epoch == epoch {
            Error::NotContiguous { expected: lease.last_seq + 1 }
        } else {
            Error::Fenced { epoch: lease.epoch }
        });
    }
    let tenant = match batches.iter().any(|b| !b.addresses.is_empty()) {
        true => Some(sql("SELECT tenant_id FROM floors WHERE id = $1").bind(floor).one(tx, "floor").await?),
        false => None,
    };
    for batch in batches {
        if let Some(row) = &tenant {
            let tenant = row.get("tenant_id")?;
            for address in &batch.addresses {
                crate::address::insert_new(tx, tenant, address, batch.at.unwrap_or(at)).await?;
            }
        }
        sql("INSERT INTO journal (floor_id, first_seq, last_seq, epoch, codec, bytes, at) VALUES ($1, $2, $3, $4, $5, $6, $7)")
            .bind(floor)
            .bind(batch.first_seq)
            .bind(batch.last_seq)
            .bind(epoch)
            .bind(batch.codec)
            .bind(batch.bytes)
            .bind(batch.at.unwrap_or(at))
            .execute(tx)
            .await?;
    }
    Ok(())
}

impl Store {
    /// A new floor with an empty journal and no owner.
    pub async fn create_floor(&self, tenant: TenantId, kind: FloorKind, now: Timestamp) -> Result<FloorRow> {
        let mut tx = self.db.begin().await?;
        let no = sql("UPDATE counters SET value = value + 1 WHERE name = 'floor_no' RETURNING value")
            .one(&mut tx, "counter")
            .await?
            .get("value")?;
        let id = FloorId::from_parts(now.0, crate::random::bits());
        let row = FloorRow { id, tenant_id: tenant, floor_no: no, kind, created_at: now };
        crate::value::insert(&row, &mut tx).await?;
        let lease = LeaseRow { floor_id: id, owner: None, epoch: 0, last_seq: 0, heartbeat_at: Timestamp(0) };
        crate::value::insert(&lease, &mut tx).await?;
        tx.commit().await?;
        Ok(row)
    }

    pub async fn floors(&self, scope: Scope) -> Result<Vec<FloorRow>> {
        let mut query = select::<FloorRow>("WHERE 1 = 1");
        scope.filter(&mut query);
        query.push(" ORDER BY floor_no");
        read_all(&query.all(&mut self.db.read().await?).await?)
    }

    /// The tenant's live floor, made if there is none.
    pub async fn live_floor(&self, tenant: TenantId, now: Timestamp) -> Result<FloorRow> {
        let floors = self.floors(Scope::Tenant(tenant)).await?;
        match floors.into_iter().find(|f| f.kind == FloorKind::Live) {
            Some(floor) => Ok(floor),
            None => self.create_floor(tenant, FloorKind::Live, now).await,
        }
    }

    pub async fn lease(&self, floor: FloorId) -> Result<LeaseRow> {
        let row = select::<LeaseRow>("WHERE floor_id = $1").bind(floor);
        LeaseRow::read(&row.one(&mut self.db.read().await?, "floor").await?)
    }

    /// Becomes the owner under a new epoch. Refused ([`Error::Held`]) while another owner's heartbeat is younger than
    /// `stale_after`; the same owner (a restarted process) gets it at once.
    pub async fn acquire_lease(
        &self,
        floor: FloorId,
        owner: &str,
        stale_after: Duration,
        now: Timestamp,
    ) -> Result<LeaseRow> {
        let mut tx = self.db.begin().await?;
        // The conditions stand in the UPDATE, so that of two nodes asking at once exactly one wins on PostgreSQL too.
        let n = sql("UPDATE floor_leases SET owner = $1, epoch = epoch + 1, heartbeat_at = $2 \
                     WHERE floor_id = $3 AND (owner IS NULL OR owner = $1 OR heartbeat_at <= $4)")
        .bind(owner)
        .bind(now)
        .bind(floor)
        .bind(now.0.saturating_sub(i64::try_from(stale_after.as_millis()).unwrap_or(i64::MAX)))
        .execute(&mut tx)
        .await?;
        let row = select::<LeaseRow>("WHERE floor_id = $1").bind(floor).one(&mut tx, "floor").await?;
        let lease = LeaseRow::read(&row)?;
        if n == 0 {
            return Err(Error::Held { owner: lease.owner.unwrap_or_default() });
        }
        tx.commit().await?;
        Ok(lease)
    }

    /// Shows that the owner lives. [`Error::Fenced`] if it is the owner no more.
    pub async fn renew_lease(&self, floor: FloorId, epoch: u32, now: Timestamp) -> Result<()> {
        self.with_lease(
            floor,
            epoch,
            "UPDATE floor_leases SET heartbeat_at = $1 WHERE floor_id = $2 AND epoch = $3",
            now,
        )
        .await
    }

    /// Gives the floor up after a clean stop.
    pub async fn release_lease(&self, floor: FloorId, epoch: u32, now: Timestamp) -> Result<()> {
        let text = "UPDATE floor_leases SET owner = NULL, heartbeat_at = $1 WHERE floor_id = $2 AND epoch = $3";
        self.with_lease(floor, epoch, text, now).await
    }

    async fn with_lease(&self, floor: FloorId, epoch: u32, text: &'static str, now: Timestamp) -> Result<()> {
        let mut tx = self.db.begin().await?;
        let n = sql(text).bind(now).bind(floor).bind(epoch).execute(&mut tx).await?;
        if n == 0 {
            drop(tx);
            return Err(Error::Fenced { epoch: self.lease(floor).await?.epoch });
        }
        tx.commit().await
    }

    /// Makes a batch durable: returns after the fsync. [`Error::Unavailable`] leaves open whether it was committed:
    /// ask [`Store::lease`] for `last_seq` before appending it again.
    pub async fn append(&self, floor: FloorId, epoch: u32, batch: Batch, now: Timestamp) -> Result<()> {
        self.appender.append(floor, epoch, vec![batch], now).await
    }

    /// Like [`Store::append_all`], but returns at once with the answer to come.
    pub fn post(&self, floor: FloorId, epoch: u32, batches: Vec<Batch>, now: Timestamp) -> Result<Committing> {
        self.appender.post(floor, epoch, batches, now)
    }

    /// Appends those of `batches` (consecutive, from the spool) that the journal does not hold yet, and returns the
    /// last journalled event. Whether an append whose answer was lost happened is seen here: [`Error::Fenced`] or
    /// [`Error::NotContiguous`] if another owner wrote, or decided otherwise, in between; then nothing is written.
    pub async fn join(&self, floor: FloorId, epoch: u32, mut batches: Vec<Batch>, now: Timestamp) -> Result<u64> {
        let lease = self.lease(floor).await?;
        let known = batches.partition_point(|b| b.last_seq <= lease.last_seq);
        if let (Some(first), Some(last)) = (batches.first(), batches[..known].last()) {
            // The same events only if they were written under the same epoch in the same batches.
            let limit = u32::try_from(known).unwrap_or(u32::MAX);
            let written = self.read_journal(floor, first.first_seq, limit).await?;
            let same = written.len() == known
                && written.last().is_some_and(|w| w.last_seq == last.last_seq)
                && written.iter().zip(&batches).all(|(w, b)| w.epoch == epoch && w.first_seq == b.first_seq);
            if !same {
                return Err(Error::Fenced { epoch: lease.epoch });
            }
        }
        batches.drain(..known);
        if lease.epoch != epoch && !batches.is_empty() {
            return Err(Error::Fenced { epoch: lease.epoch });
        }
        let Some(last) = batches.last().map(|b| b.last_seq) else { return Ok(lease.last_seq) };
        self.append_all(floor, epoch, batches, now).await?;
        Ok(last)
    }

    /// Several batches in one transaction: joining the spool, or importing history.
    pub async fn append_all(&self, floor: FloorId, epoch: u32, batches: Vec<Batch>, now: Timestamp) -> Result<()> {
        self.appender.append(floor, epoch, batches, now).await
    }

    /// At most `limit` batches that hold events from `from_seq` on, in order. The first may begin before `from_seq`.
    pub async fn read_journal(&self, floor: FloorId, from_seq: u64, limit: u32) -> Result<Vec<StoredBatch>> {
        read_batches(floor, from_seq, limit, &mut self.db.read().await?).await
    }

    /// Writes the state at `seq` and drops older snapshots but one. Fenced like an append.
    pub async fn save_snapshot<S: Serialize + ?Sized>(
        &self,
        floor: FloorId,
        epoch: u32,
        seq: u64,
        state: &S,
        now: Timestamp,
    ) -> Result<()> {
        let (codec, bytes) = compress(state)?;
        let mut tx = self.db.begin().await?;
        let row = select::<LeaseRow>("WHERE floor_id = $1").bind(floor).one(&mut tx, "floor").await?;
        let lease = LeaseRow::read(&row)?;
        if lease.epoch != epoch {
            return Err(Error::Fenced { epoch: lease.epoch });
        }
        if seq > lease.last_seq {
            return Err(Error::NotContiguous { expected: lease.last_seq + 1 });
        }
        sql("INSERT INTO snapshots (floor_id, seq, epoch, codec, bytes, at) VALUES ($1, $2, $3, $4, $5, $6) \
             ON CONFLICT (floor_id, seq) DO UPDATE SET epoch = excluded.epoch, codec = excluded.codec, \
             bytes = excluded.bytes, at = excluded.at")
        .bind(floor)
        .bind(seq)
        .bind(epoch)
        .bind(codec)
        .bind(bytes)
        .bind(now)
        .execute(&mut tx)
        .await?;
        // One older snapshot stays, should the newest not be readable.
        sql("DELETE FROM snapshots WHERE floor_id = $1 AND seq < \
             (SELECT MAX(seq) FROM snapshots WHERE floor_id = $1 AND seq < $2)")
        .bind(floor)
        .bind(seq)
        .execute(&mut tx)
        .await?;
        tx.commit().await
    }

    /// The newest snapshot that this program can read.
    pub async fn load_snapshot<S: DeserializeOwned>(&self, floor: FloorId) -> Result<Option<Snapshot<S>>> {
        let rows = sql("SELECT seq, codec, bytes FROM snapshots WHERE floor_id = $1 ORDER BY seq DESC LIMIT 2")
            .bind(floor)
            .all(&mut self.db.read().await?)
            .await?;
        for row in rows {
            let seq = row.get("seq")?;
            match decompress(row.get("codec")?, &row.get::<Vec<u8>>("bytes")?, "snapshot") {
                Ok(state) => return Ok(Some(Snapshot { seq, state })),
                Err(e) => tracing::warn!(%floor, seq, error = %e, "a snapshot is skipped"),
            }
        }
        Ok(None)
    }
}

pub(crate) async fn read_batches(
    floor: FloorId,
    from_seq: u64,
    limit: u32,
    on: &mut impl Exec,
) -> Result<Vec<StoredBatch>> {
    // The batch that contains from_seq begins at or before it: the primary key finds it.
    let rows = sql("SELECT first_seq, last_seq, epoch, codec, bytes, at FROM journal WHERE floor_id = $1 \
                    AND first_seq >= COALESCE((SELECT MAX(first_seq) FROM journal WHERE floor_id = $1 AND first_seq <= $2), 0) \
                    AND last_seq >= $2 ORDER BY first_seq LIMIT $3")
    .bind(floor)
    .bind(from_seq)
    .bind(limit.clamp(1, 10_000))
    .all(on)
    .await?;
    rows.iter()
        .map(|row| {
            Ok(StoredBatch {
                first_seq: row.get("first_seq")?,
                last_seq: row.get("last_seq")?,
                epoch: row.get("epoch")?,
                at: row.get("at")?,
                codec: row.get("codec")?,
                bytes: row.get("bytes")?,
            })
        })
        .collect()
}
