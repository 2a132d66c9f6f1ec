//! Work that leaves the house (replies, webhooks, mail): kept until it was done, tried again with growing pauses.
//!
//! `pending` → claim → ack: gone. A claim lasts for its lease only; a crashed sender's work is claimed again, so receivers
//! see each id at least once. After [`MAX_ATTEMPTS`] a row is `dead` and waits for a person.
use std::time::Duration;

use domain::id::TenantId;
use domain::time::Timestamp;

use crate::Store;
use crate::db::sql;
use crate::error::{Error, Result};
use crate::query::HostScope;
use crate::value::{TableRow, insert, read_all, table_row};

/// About a day and a half with the pauses below.
pub const MAX_ATTEMPTS: u32 = 16;
/// Rows of one tenant; more means that the receiver is gone and the tenant should hear of it.
const MAX_PENDING: u64 = 10_000;

table_row! {
    pub struct OutboxRow in "outbox" (id) {
        pub tenant_id: TenantId,
        pub id: String,
        pub kind: String,
        pub payload: serde_json::Value,
        /// `pending`, `dead`.
        pub state: String,
        /// Claims so far.
        pub attempts: u32,
        pub next_at: Timestamp,
        pub last_error: Option<String>,
        pub created_at: Timestamp,
        pub retain_until: Option<Timestamp>,
        pub legal_hold: bool,
    }
}

/// Doubling from 2 s to 4 h.
fn pause_after(attempts: u32) -> Duration {
    Duration::from_secs((1_u64 << attempts.clamp(1, 14)).min(4 * 3600))
}

impl Store {
    /// [`Error::Full`] when the tenant has too much waiting. Returns the id, which receivers may use to drop repeats.
    pub async fn outbox_add(
        &self,
        tenant: TenantId,
        kind: &str,
        payload: serde_json::Value,
        now: Timestamp,
    ) -> Result<String> {
        let mut tx = self.db.begin().await?;
        let waiting: u64 = sql("SELECT COUNT(*) AS n FROM outbox WHERE tenant_id = $1 AND state = 'pending'")
            .bind(tenant)
            .one(&mut tx, "outbox")
            .await?
            .get("n")?;
        if waiting >= MAX_PENDING {
            return Err(Error::Full { what: "outbox" });
        }
        let row = OutboxRow {
            tenant_id: tenant,
            id: format!("out_{:032x}", crate::random::bits()),
            kind: kind.to_owned(),
            payload,
            state: "pending".to_owned(),
            attempts: 0,
            next_at: now,
            last_error: None,
            created_at: now,
            retain_until: None,
            legal_hold: false,
        };
        insert(&row, &mut tx).await?;
        tx.commit().await?;
        Ok(row.id)
    }

    /// Takes up to `limit` due rows for `lease`; nobody else gets them meanwhile.
    pub async fn outbox_claim(
        &self,
        _host: HostScope,
        limit: u32,
        lease: Duration,
        now: Timestamp,
    ) -> Result<Vec<OutboxRow>> {
        let mut tx = self.db.begin().await?;
        // The outer conditions repeat the inner: of two claimants on PostgreSQL the second re-checks them on the row
        // the first has just moved, and leaves it.
        let rows = sql(format!(
            "UPDATE outbox SET attempts = attempts + 1, next_at = $1 WHERE state = 'pending' AND next_at <= $2 \
             AND id IN (SELECT id FROM outbox WHERE state = 'pending' AND next_at <= $2 ORDER BY next_at, id LIMIT $3) \
             RETURNING {}",
            OutboxRow::COLUMNS.join(", ")
        ))
        .bind(now + lease)
        .bind(now)
        .bind(limit.clamp(1, 1000))
        .all(&mut tx)
        .await?;
        tx.commit().await?;
        read_all(&rows)
    }

    /// Done.
    pub async fn outbox_ack(&self, tenant: TenantId, id: &str) -> Result<()> {
        let mut tx = self.db.begin().await?;
        sql("DELETE FROM outbox WHERE tenant_id = $1 AND id = $2").bind(tenant).bind(id).execute(&mut tx).await?;
        tx.commit().await
    }

    /// Failed: due again after a pause, or dead after the last attempt.
    pub async fn outbox_retry(&self, row: &OutboxRow, error: &str, now: Timestamp) -> Result<()> {
        let state = if row.attempts >= MAX_ATTEMPTS { "dead" } else { "pending" };
        let error: String = error.chars().take(1000).collect();
        let mut tx = self.db.begin().await?;
        sql("UPDATE outbox SET state = $1, next_at = $2, last_error = $3 WHERE tenant_id = $4 AND id = $5")
            .bind(state)
            .bind(now + pause_after(row.attempts))
            .bind(error)
            .bind(row.tenant_id)
            .bind(row.id.as_str())
            .execute(&mut tx)
            .await?;
        tx.commit().await
    }
}
