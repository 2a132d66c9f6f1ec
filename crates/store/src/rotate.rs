//! New keys for a tenant: what is sealed from then on is sealed by the newest, older seals stay readable by theirs, and
//! can be sealed anew. Only the small keys of objects and secrets are sealed by a tenant's key, so no sound is rewritten.
use domain::id::TenantId;
use domain::time::Timestamp;

use crate::Store;
use crate::admin::{HA1, TRUNK_PASSWORD};
use crate::blob::BLOB_KEY;
use crate::db::sql;
use crate::error::Result;

/// Table, column of the id, column of the seal, purpose of the seal.
const SEALED: [(&str, &str, &str, &str); 3] = [
    ("blobs", "id", "sealed_key", BLOB_KEY),
    ("device_secrets", "device_id", "sealed_ha1", HA1),
    ("trunk_secrets", "trunk_id", "sealed_password", TRUNK_PASSWORD),
];

/// How a tenant's seals stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyState {
    /// From 1.
    pub number: u32,
    pub created_at: Timestamp,
    /// Sealed by the newest key.
    pub current: u64,
    /// Sealed by an older one.
    pub older: u64,
}

impl Store {
    pub async fn key_state(&self, tenant: TenantId) -> Result<KeyState> {
        let row = sql("SELECT key_no, created_at FROM tenant_keys WHERE tenant_id = $1 ORDER BY key_no DESC LIMIT 1")
            .bind(tenant)
            .one(&mut self.db.read().await?, "tenant key")
            .await?;
        let number: u32 = row.get("key_no")?;
        let mut state = KeyState { number, created_at: row.get("created_at")?, current: 0, older: 0 };
        for (table, _, seal, _) in SEALED {
            // The number of the key stands behind the version.
            let text = format!(
                "SELECT COUNT(*) AS n, COUNT(CASE WHEN substr({seal}, 2, 4) = $2 THEN 1 END) AS current \
                 FROM {table} WHERE tenant_id = $1"
            );
            let query = sql(text).bind(tenant).bind(number.to_be_bytes().to_vec());
            let row = query.one(&mut self.db.read().await?, "seals").await?;
            let (all, current): (u64, u64) = (row.get("n")?, row.get("current")?);
            state.current += current;
            state.older += all - current;
        }
        Ok(state)
    }

    /// Seals at most `limit` objects of older keys by the newest one; returns how many it were.
    pub async fn rewrap(&self, tenant: TenantId, limit: u32) -> Result<u64> {
        let number = self.key_state(tenant).await?.number;
        let mut done = 0;
        for (table, id, seal, purpose) in SEALED {
            let text = format!(
                "SELECT {id} AS id, {seal} AS seal FROM {table} WHERE tenant_id = $1 AND substr({seal}, 2, 4) <> $2 LIMIT $3"
            );
            let left = u64::from(limit).saturating_sub(done);
            let query = sql(text).bind(tenant).bind(number.to_be_bytes().to_vec()).bind(left);
            let rows = query.all(&mut self.db.read().await?).await?;
            let mut fresh = Vec::with_capacity(rows.len());
            for row in &rows {
                let (object, old): (String, Vec<u8>) = (row.get("id")?, row.get("seal")?);
                let plain = self.keys.open_sealed(tenant, purpose, &object, &old).await?;
                fresh.push((self.keys.seal(tenant, purpose, &object, &plain).await?, object, old));
            }
            let mut tx = self.db.begin().await?;
            for (new, object, old) in fresh {
                // What was written anew meanwhile is left alone.
                let text = format!("UPDATE {table} SET {seal} = $1 WHERE {id} = $2 AND {seal} = $3");
                done += sql(text).bind(new).bind(object).bind(old).execute(&mut tx).await?;
            }
            tx.commit().await?;
        }
        Ok(done)
    }
}
