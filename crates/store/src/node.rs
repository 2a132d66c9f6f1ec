//! What nodes tell of themselves: a heartbeat each second, and SIP registrations written behind.
use domain::device::Binding;
use domain::id::{DeviceId, TenantId};
use domain::time::Timestamp;

use crate::Store;
use crate::db::sql;
use crate::error::{Error, Result};
use crate::query::HostScope;
use crate::value::{TableRow, read_all, select, table_row, upsert};

table_row! {
    pub struct HeartbeatRow in "node_heartbeats" (node) {
        pub node: String,
        pub started_at: Timestamp,
        /// The last sign of life: after a crash, open interactions end here.
        pub beat_at: Timestamp,
        pub version: String,
    }
}

/// The present registrations of one device.
#[derive(Debug, Clone, PartialEq)]
pub struct DeviceBindings {
    pub tenant: TenantId,
    pub device: DeviceId,
    pub bindings: Vec<Binding>,
}

impl Store {
    /// Each second. Read the former row ([`Store::last_heartbeat`]) before the first beat after a start.
    pub async fn heartbeat(&self, node: &str, started_at: Timestamp, version: &str, now: Timestamp) -> Result<()> {
        let row = HeartbeatRow { node: node.to_owned(), started_at, beat_at: now, version: version.to_owned() };
        let mut tx = self.db.begin().await?;
        upsert(&row, &mut tx).await?;
        tx.commit().await
    }

    pub async fn last_heartbeat(&self, node: &str) -> Result<Option<HeartbeatRow>> {
        let row = select::<HeartbeatRow>("WHERE node = $1").bind(node).maybe(&mut self.db.read().await?).await?;
        row.as_ref().map(HeartbeatRow::read).transpose()
    }

    pub async fn nodes(&self, _host: HostScope) -> Result<Vec<HeartbeatRow>> {
        read_all(&select::<HeartbeatRow>("ORDER BY node LIMIT 10000").all(&mut self.db.read().await?).await?)
    }

    /// The present registrations of devices, none of them named twice; an empty list removes them. Devices deleted
    /// meanwhile are ignored.
    pub async fn save_bindings(&self, devices: &[DeviceBindings], now: Timestamp) -> Result<()> {
        let (gone, present): (Vec<_>, Vec<_>) = devices.iter().partition(|d| d.bindings.is_empty());
        let mut tx = self.db.begin().await?;
        for device in gone {
            sql("DELETE FROM sip_bindings WHERE device_id = $1 AND tenant_id = $2")
                .bind(device.device)
                .bind(device.tenant)
                .execute(&mut tx)
                .await?;
        }
        let mut rest = present.as_slice();
        for size in ROWS {
            while rest.len() >= size {
                let (some, others) = rest.split_at(size);
                rest = others;
                let mut statement = sql(upsert_text(size, self.db.is_sqlite()));
                for device in some {
                    let json = serde_json::to_string(&device.bindings).map_err(|e| Error::invalid("bindings", e))?;
                    statement = statement.bind(device.tenant).bind(device.device).bind(json);
                }
                statement.bind(now).execute(&mut tx).await?;
            }
        }
        tx.commit().await
    }
}

/// Devices in one statement: few sizes, so that each stays prepared.
const ROWS: [usize; 3] = [64, 8, 1];

/// The text for so many devices; SQLite takes nameless places faster.
fn upsert_text(rows: usize, is_sqlite: bool) -> String {
    let place = |n: usize| if is_sqlite { "?".to_owned() } else { format!("${n}") };
    let row = |n: usize| format!("({}, {}, {})", place(3 * n + 1), place(3 * n + 2), place(3 * n + 3));
    let values: Vec<String> = (0..rows).map(row).collect();
    format!(
        "WITH given (tenant_id, id, bindings) AS (VALUES {}) \
         INSERT INTO sip_bindings (tenant_id, device_id, bindings, updated_at) \
         SELECT c.tenant_id, c.id, given.bindings, {} FROM given JOIN config_items c \
         ON c.tenant_id = given.tenant_id AND c.class = 'device' AND c.id = given.id WHERE c.deleted_at IS NULL \
         ON CONFLICT (device_id) DO UPDATE SET bindings = excluded.bindings, updated_at = excluded.updated_at",
        values.join(", "),
        place(3 * rows + 1)
    )
}
