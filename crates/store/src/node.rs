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

    /// The present registrations of a device; an empty list removes them. A device deleted meanwhile is ignored.
    pub async fn save_bindings(
        &self,
        tenant: TenantId,
        device: DeviceId,
        bindings: &[Binding],
        now: Timestamp,
    ) -> Result<()> {
        let mut tx = self.db.begin().await?;
        if bindings.is_empty() {
            sql("DELETE FROM sip_bindings WHERE device_id = $1 AND tenant_id = $2")
                .bind(device)
                .bind(tenant)
                .execute(&mut tx)
                .await?;
        } else {
            let json = serde_json::to_string(bindings).map_err(|e| Error::invalid("bindings", e))?;
            sql("INSERT INTO sip_bindings (tenant_id, device_id, bindings, updated_at) \
                 SELECT tenant_id, id, $3, $4 FROM config_items \
                 WHERE tenant_id = $1 AND class = 'device' AND id = $2 AND deleted_at IS NULL \
                 ON CONFLICT (device_id) DO UPDATE SET bindings = excluded.bindings, updated_at = excluded.updated_at")
            .bind(tenant)
            .bind(device)
            .bind(json)
            .bind(now)
            .execute(&mut tx)
            .await?;
        }
        tx.commit().await
    }
}
