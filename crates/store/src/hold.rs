//! Legal holds: what is kept for a court is deleted by nobody, whatever the company's days are.
use std::collections::BTreeMap;

use domain::id::{InteractionId, TenantId, UserId};
use domain::time::Timestamp;
use serde_json::json;

use crate::Store;
use crate::admin::AdminTx;
use crate::db::{Exec, Sql, sql};
use crate::error::{Error, Result};
use crate::query::Scope;
use crate::value::{read_all, select, table_row, upsert};

table_row! {
    /// An interaction that is kept, with everything that belongs to it.
    pub struct HoldRow in "legal_holds" (interaction_id) {
        pub tenant_id: TenantId,
        pub interaction_id: InteractionId,
        pub user_id: Option<UserId>,
        /// As the one who holds it was called then.
        pub author: String,
        pub reason: String,
        pub held_at: Timestamp,
    }
}

/// Appended to a query over recordings: none that is kept, by its interaction or by its sound.
pub(crate) const NOT_HELD: &str = " AND NOT EXISTS (SELECT 1 FROM legal_holds h WHERE h.interaction_id = recordings.interaction_id) \
     AND NOT EXISTS (SELECT 1 FROM blobs b WHERE b.id = recordings.blob_id AND b.legal_hold = 1)";

/// Appended to a query over interactions.
pub(crate) const HELD: &str = " AND EXISTS (SELECT 1 FROM legal_holds h WHERE h.interaction_id = interactions.id)";

impl Store {
    /// Those of `interactions` that are kept.
    pub async fn holds(
        &self,
        tenant: TenantId,
        interactions: &[InteractionId],
    ) -> Result<BTreeMap<InteractionId, HoldRow>> {
        if interactions.is_empty() {
            return Ok(BTreeMap::new());
        }
        let mut query: Sql = select::<HoldRow>("WHERE 1 = 1");
        Scope::Tenant(tenant).filter(&mut query);
        query.push(" AND interaction_id IN (");
        for (n, id) in interactions.iter().enumerate() {
            query.push_bind(if n == 0 { "?" } else { ", ?" }, *id);
        }
        query.push(")");
        let rows: Vec<HoldRow> = read_all(&query.all(&mut self.db.read().await?).await?)?;
        Ok(rows.into_iter().map(|row| (row.interaction_id, row)).collect())
    }

    pub async fn is_held(&self, tenant: TenantId, interaction: InteractionId) -> Result<bool> {
        Ok(!self.holds(tenant, &[interaction]).await?.is_empty())
    }
}

impl AdminTx {
    /// Keeps an interaction; one that is kept gets the new reason. The audit row is written here.
    ///
    /// # Errors
    /// [`Error::NotFound`] if the tenant has no such interaction.
    pub async fn hold(&mut self, interaction: InteractionId) -> Result<HoldRow> {
        sql("SELECT id FROM interactions WHERE id = $1 AND tenant_id = $2")
            .bind(interaction)
            .bind(self.tenant())
            .one(self.on(), "interaction")
            .await?;
        let row = self.hold_row(interaction);
        upsert(&row, self.on()).await?;
        let detail = json!({ "reason": row.reason });
        self.audit("interaction.hold", Some(interaction.to_string()), detail).await?;
        Ok(row)
    }

    /// # Errors
    /// [`Error::NotFound`] if it is not kept.
    pub async fn release(&mut self, interaction: InteractionId) -> Result<()> {
        let gone = sql("DELETE FROM legal_holds WHERE interaction_id = $1 AND tenant_id = $2")
            .bind(interaction)
            .bind(self.tenant())
            .execute(self.on())
            .await?;
        if gone == 0 {
            return Err(Error::NotFound { what: "legal hold" });
        }
        let detail = json!({ "reason": self.reason() });
        self.audit("interaction.release", Some(interaction.to_string()), detail).await
    }
}

/// Whether an interaction with this address is kept.
pub(crate) async fn holds_address(
    tenant: TenantId,
    address: domain::id::AddressId,
    on: &mut impl Exec,
) -> Result<bool> {
    let query = sql("SELECT h.interaction_id FROM legal_holds h JOIN interactions i ON i.id = h.interaction_id \
                     WHERE h.tenant_id = $1 AND i.address_id = $2 LIMIT 1");
    Ok(query.bind(tenant).bind(address).maybe(on).await?.is_some())
}
