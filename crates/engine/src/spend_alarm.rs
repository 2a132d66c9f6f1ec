//! When spending on calls to the outside nears or reaches a limit, the log and the audit say so; boards and desks ask for
//! the figures themselves.
use std::sync::Arc;

use domain::event::EventBody;
use domain::id::TenantId;
use domain::time::Timestamp;
use serde_json::json;
use store::Author;
use tracing::warn;

use crate::engine::Shared;
use crate::projector::Fact;

/// At most a few a day: each limit is told of twice in its period.
pub(crate) fn tell(shared: &Arc<Shared>, tenant: TenantId, facts: &[Fact]) {
    for fact in facts {
        let EventBody::SpendReached { limit, percent, spent, most, .. } = fact.event.body else { continue };
        warn!(%tenant, ?limit, percent, spent, most, "spending on outside calls nears or has reached its limit");
        let (shared, at) = (shared.clone(), fact.event.at);
        let detail = json!({ "limit": limit, "percent": percent, "spent": spent, "most": most });
        tokio::spawn(async move {
            if let Err(e) = note(&shared, tenant, at, detail).await {
                warn!(error = %e, "an alarm of spending is not in the audit");
            }
        });
    }
}

async fn note(shared: &Shared, tenant: TenantId, at: Timestamp, detail: serde_json::Value) -> Result<(), store::Error> {
    let mut tx = shared.store.admin(tenant, Author::system(), "", at).await?;
    tx.audit("spend.alarm", Some(tenant.to_string()), detail).await?;
    tx.commit().await.map(drop)
}
