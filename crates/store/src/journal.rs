//! Floors, their leases and their journal: the one place where facts become durable.
//!
//! A floor has one owner. Taking the lease raises the epoch; every append names its epoch and first sequence number and
//! is checked against the lease row in the same transaction, so a former owner can never write again ([`Error::Fenced`])
//! and the sequence has neither gaps nor repeats ([`Error::NotContiguous`]). Sequence numbers start at 1.
//!
//! Appends of all floors of this process go through one task that commits what has gathered as one transaction (group
//! commit): while one fsync runs, the next group collects.
mod batch;
mod committer;

use std::time::Duration;

use domain::id::{FloorId, TenantId};
use domain::time::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;

pub use batch::{Batch, Draft, NewAddress, StoredBatch};
use batch::{compress, decompress};
pub(crate) use committer::Appender;
pub use committer::Committing;

use crate::Store;
use crate::db::{Exec, sql};
use crate::error::{Error, Result};
use crate::query::Scope;
use crate::value::{TableRow, read_all, select, table_row};

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

/// State of a floor at `seq`.
#[derive(Debug, Clone, PartialEq)]
pub struct Snapshot<S> {
    pub seq: u64,
    pub state: S,
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
