//! Draft revisions: kept as a list of changes, applied when they are published.
use domain::id::TenantId;
use domain::time::Timestamp;
use serde_json::json;

use super::{AdminTx, Author, Change, Committed, RevisionRow};
use crate::Store;
use crate::config::{self as c, Class, ConfigItem, Settings};
use crate::db::sql;
use crate::error::{Error, Result};
use crate::value::{TableRow, select};

impl Store {
    /// Keeps a draft revision: nothing changes until [`Store::publish_draft`]. Returns its number.
    pub async fn save_draft(
        &self,
        tenant: TenantId,
        author: Author,
        reason: &str,
        changes: &[Change],
        now: Timestamp,
    ) -> Result<u64> {
        let mut admin = self.admin(tenant, author, reason, now).await?;
        let (rev, changes) = (admin.rev, json!(changes));
        admin.insert_revision("draft", changes, None).await?;
        admin.audit("revision.draft", Some(rev.to_string()), json!({})).await?;
        admin.tx.commit().await?;
        Ok(rev)
    }

    /// Applies a draft as a new revision; the draft becomes `merged`.
    pub async fn publish_draft(
        &self,
        tenant: TenantId,
        author: Author,
        draft: u64,
        now: Timestamp,
    ) -> Result<Committed> {
        let mut admin = self.admin(tenant, author, &format!("publish draft {draft}"), now).await?;
        let row = select::<RevisionRow>("WHERE tenant_id = $1 AND number = $2")
            .bind(tenant)
            .bind(draft)
            .one(&mut admin.tx, "draft")
            .await?;
        let row = RevisionRow::read(&row)?;
        if row.state != "draft" {
            return Err(Error::conflict("revision.not_draft"));
        }
        let changes: Vec<Change> =
            serde_json::from_value(row.changes).map_err(|e| Error::corrupt("draft revision", e))?;
        for change in changes {
            admin.apply(change).await?;
        }
        admin.set_revision_state(draft, "merged").await?;
        admin.commit().await
    }

    pub async fn discard_draft(&self, tenant: TenantId, author: Author, draft: u64, now: Timestamp) -> Result<()> {
        let mut admin = self.admin(tenant, author, &format!("discard draft {draft}"), now).await?;
        admin.set_revision_state(draft, "discarded").await?;
        admin.audit("revision.discard", Some(draft.to_string()), json!({})).await?;
        admin.tx.commit().await
    }
}

impl AdminTx {
    async fn apply(&mut self, change: Change) -> Result<()> {
        fn body<T: ConfigItem>(body: serde_json::Value) -> Result<T> {
            serde_json::from_value(body).map_err(|e| Error::corrupt("draft revision", e))
        }
        match change {
            Change::Delete { class, id } => self.delete_item(class, &id, None).await,
            Change::Entitlements { entitlements } => self.set_entitlements(&entitlements).await,
            Change::Put { class, body: b, .. } => match class {
                Class::Settings => self.put::<Settings>(body(b)?, None).await.map(drop),
                Class::Agent => self.put::<domain::config::AgentConfig>(body(b)?, None).await.map(drop),
                Class::Team => self.put::<domain::config::Team>(body(b)?, None).await.map(drop),
                Class::Skill => self.put::<c::SkillConfig>(body(b)?, None).await.map(drop),
                Class::Queue => self.put::<domain::config::QueueConfig>(body(b)?, None).await.map(drop),
                Class::Calendar => self.put::<domain::calendar::Calendar>(body(b)?, None).await.map(drop),
                Class::Flow => self.put::<domain::flow::Flow>(body(b)?, None).await.map(drop),
                Class::Number => self.put::<domain::config::NumberConfig>(body(b)?, None).await.map(drop),
                Class::Device => self.put::<domain::config::DeviceConfig>(body(b)?, None).await.map(drop),
                Class::Disposition => self.put::<c::DispositionConfig>(body(b)?, None).await.map(drop),
                Class::BreakReason => self.put::<c::BreakReasonConfig>(body(b)?, None).await.map(drop),
                Class::Prompt => self.put::<c::PromptConfig>(body(b)?, None).await.map(drop),
                Class::Trunk => self.put::<domain::config::TrunkConfig>(body(b)?, None).await.map(drop),
                Class::Route => self.put::<domain::outbound::RouteConfig>(body(b)?, None).await.map(drop),
            },
        }
    }

    async fn set_revision_state(&mut self, number: u64, state: &str) -> Result<()> {
        let n = sql("UPDATE config_revisions SET state = $1 WHERE tenant_id = $2 AND number = $3 AND state = 'draft'")
            .bind(state)
            .bind(self.tenant)
            .bind(number)
            .execute(&mut self.tx)
            .await?;
        if n == 0 { Err(Error::NotFound { what: "draft" }) } else { Ok(()) }
    }
}
