//! SQLite's write-ahead log is copied into the database beside the writer, on a reader's connection: a passive checkpoint
//! keeps neither writer nor readers waiting. Done by the writer itself it would come within a commit, and every floor of
//! the node would wait for some hundreds of milliseconds.
//!
//! See <https://www.sqlite.org/wal.html>, "Avoiding Excessively Large WAL Files", and `sqlite3_wal_checkpoint_v2`.
use std::time::Duration;

use sqlx::{Row, SqlitePool};

use crate::db::Db;

/// Between two checkpoints. In this time the same few pages are written again and again, and are copied once.
const EVERY: Duration = Duration::from_secs(5);
/// What is written during a copy is copied by the next, which is shorter: the log begins anew when nothing is left.
const ROUNDS: usize = 6;

/// Until the store is closed. Nothing on PostgreSQL.
pub(crate) fn start(db: &Db) {
    let Db::Sqlite { readers, .. } = db else { return };
    let pool = readers.clone();
    tokio::spawn(async move {
        let closed = pool.close_event();
        let work = async {
            loop {
                tokio::time::sleep(EVERY).await;
                // A full disk, a reader that holds an old state: the next one makes up for it.
                if let Err(e) = copy(&pool).await {
                    tracing::debug!(error = %e, "the write-ahead log was not copied");
                }
            }
        };
        tokio::select! {
            () = closed => {}
            () = work => {}
        }
    });
}

/// Pages that are not in the database yet.
async fn copy(pool: &SqlitePool) -> sqlx::Result<i64> {
    let mut left = 0;
    for _ in 0..ROUNDS {
        let row = sqlx::query("PRAGMA wal_checkpoint(PASSIVE)").fetch_one(pool).await?;
        let (log, copied): (i64, i64) = (row.try_get(1)?, row.try_get(2)?);
        left = log - copied;
        if left <= 0 {
            break;
        }
    }
    Ok(left)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;
    use crate::db::sql;

    #[tokio::test]
    async fn the_log_is_copied_beside_an_open_transaction() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("c.db");
        let db = Db::open_sqlite(&file).await.unwrap();
        let mut tx = db.begin().await.unwrap();
        tx.script("CREATE TABLE t (a BLOB); INSERT INTO t VALUES (randomblob(1000000))").await.unwrap();
        tx.commit().await.unwrap();
        let before = std::fs::metadata(&file).unwrap().len();
        let mut writing = db.begin().await.unwrap();
        sql("INSERT INTO t VALUES (randomblob(10))").execute(&mut writing).await.unwrap();
        let Db::Sqlite { readers, .. } = &db else { unreachable!() };
        assert_eq!(copy(readers).await.unwrap(), 0);
        assert!(std::fs::metadata(&file).unwrap().len() >= before + 1_000_000);
        writing.commit().await.unwrap();
    }
}
