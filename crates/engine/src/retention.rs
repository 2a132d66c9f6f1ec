//! Stored recordings whose time is over go: after the days the company keeps them, and never later than it is entitled to.
//! The blob goes first, then the event says so; whatever ends in between is found again and finished by the next round.
use std::sync::Arc;
use std::time::Duration;

use domain::id::TenantId;
use domain::input::Input;
use domain::time::Timestamp;
use store::Scope;
use tokio::task::AbortHandle;
use tracing::{info, warn};

use crate::engine::Shared;

const FIRST: Duration = Duration::from_secs(60);
const EVERY: Duration = Duration::from_secs(3600);
/// Deleted in one go; with more to do, the next follows after [`SOON`], when the tables know of these.
const BATCH: u32 = 500;
const SOON: Duration = Duration::from_secs(30);
const DAY_MS: i64 = 86_400_000;

pub(crate) fn spawn(shared: Arc<Shared>) -> AbortHandle {
    let deletes = tokio::spawn(async move {
        let mut pause = FIRST;
        loop {
            tokio::time::sleep(pause).await;
            pause = match delete_due(&shared, shared.clock.now()).await {
                Ok(deleted) if deleted >= BATCH as usize => SOON,
                Ok(_) => EVERY,
                Err(why) => {
                    warn!(why, "recordings whose time is over were not deleted; trying again in an hour");
                    EVERY
                }
            };
        }
    });
    deletes.abort_handle()
}

/// Deletes what is due at `now` of all tenants whose floors are open here; how many of the fullest tenant.
pub(crate) async fn delete_due(shared: &Shared, now: Timestamp) -> Result<usize, String> {
    let mut most = 0;
    for (tenant, owned) in shared.tenants() {
        let config = shared.store.load_config(tenant).await.map_err(|e| e.to_string())?;
        let entitled = config.entitlements.retention_days;
        let days = config.recording.keep_days.map_or(entitled, |days| days.min(entitled));
        let before = Timestamp(now.0 - i64::from(days) * DAY_MS);
        let due = shared.store.recordings_due(tenant, owned.floor, before, BATCH).await.map_err(|e| e.to_string())?;
        let mut deleted = 0;
        for row in &due {
            let Some(blob) = row.blob_id else { continue };
            match shared.store.blobs().delete(Scope::Tenant(tenant), blob).await {
                Ok(()) | Err(store::Error::NotFound { .. }) => {}
                // Kept for a court.
                Err(store::Error::Conflict { .. }) => continue,
                Err(e) => return Err(e.to_string()),
            }
            tell(shared, tenant, Input::RecordingDeleted { interaction: row.interaction_id, recording: row.id })
                .await?;
            deleted += 1;
        }
        if deleted > 0 {
            info!(%tenant, deleted, days, "recordings whose time was over were deleted");
        }
        most = most.max(deleted);
    }
    Ok(most)
}

async fn tell(shared: &Shared, tenant: TenantId, input: Input) -> Result<(), String> {
    let floor = shared.floor(tenant).ok_or("its floor is not open")?;
    floor.send(input).await.map(drop).map_err(|e| e.to_string())
}
