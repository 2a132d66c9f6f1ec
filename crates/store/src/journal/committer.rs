//! The committer: one task that makes the appends of all floors of this process durable, many to one fsync.
use std::pin::Pin;
use std::sync::OnceLock;
use std::task::{Context, Poll};
use std::time::Duration;

use domain::id::FloorId;
use domain::time::Timestamp;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use super::LeaseRow;
use super::batch::Batch;
use crate::db::{Db, Sql, Tx, sql};
use crate::error::{Error, Result};
use crate::value::{TableRow, select};

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

    pub(super) async fn append(&self, floor: FloorId, epoch: u32, batches: Vec<Batch>, at: Timestamp) -> Result<()> {
        let gone = || Error::Unavailable { source: sqlx::Error::PoolClosed };
        let (reply, answer) = oneshot::channel();
        let append = Append { floor, epoch, batches, at, reply };
        self.queue.send(append).await.map_err(|_| gone())?;
        Committing(answer).await
    }

    pub(super) fn post(&self, floor: FloorId, epoch: u32, batches: Vec<Batch>, at: Timestamp) -> Result<Committing> {
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
    static TEXTS: [OnceLock<String>; SCRIPT_ADDRESSES + 1] = [const { OnceLock::new() }; SCRIPT_ADDRESSES + 1];
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
