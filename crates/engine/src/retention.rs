//! Stored recordings whose time is over go: after the days the company keeps them, and never later than it is entitled to.
//! The blob goes first, then the event says so; whatever ends in between is found again and finished by the next round.
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use domain::event::EventBody;
use domain::id::{BlobId, InteractionId, RecordingId, TenantId};
use domain::input::Input;
use domain::time::Timestamp;
use store::Scope;
use store::projection::RecordingRow;
use tokio::task::AbortHandle;
use tracing::{info, warn};

use crate::engine::Shared;
use crate::error::CommandError;
use crate::projector::Fact;

const FIRST: Duration = Duration::from_secs(60);
const EVERY: Duration = Duration::from_secs(3600);
/// Deleted in one go; with more to do, the next follows after [`SOON`], when the tables know of these.
const BATCH: u32 = 500;
const SOON: Duration = Duration::from_secs(30);
const DAY_MS: i64 = 86_400_000;

pub(crate) fn spawn(shared: Arc<Shared>) -> AbortHandle {
    let deletes = tokio::spawn(async move {
        let mut pause = FIRST;
        let mut next_sweep = shared.clock.now();
        loop {
            tokio::time::sleep(pause).await;
            let now = shared.clock.now();
            if now >= next_sweep {
                next_sweep = Timestamp(now.0 + DAY_MS);
                sweep(&shared, now).await;
            }
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

/// Removes sealed files that a crash left without a row. One being written has none yet, so only old ones go.
async fn sweep(shared: &Shared, now: Timestamp) {
    for (tenant, _) in shared.tenants() {
        match shared.store.blobs().sweep(tenant, Timestamp(now.0 - DAY_MS)).await {
            Ok(0) => {}
            Ok(left) => info!(%tenant, left, "sealed files of no known object were removed"),
            Err(e) => warn!(error = %e, "sealed files of no known object were not removed; trying again in a day"),
        }
    }
}

/// Deletes what is due at `now` of all tenants whose floors are open here; how many of the fullest tenant.
pub(crate) async fn delete_due(shared: &Shared, now: Timestamp) -> Result<usize, String> {
    let mut most = 0;
    for (tenant, owned) in shared.tenants() {
        let config = shared.store.load_config(tenant).await.map_err(|e| e.to_string())?;
        let entitled = config.entitlements.retention_days;
        let days = config.recording.keep_days.map_or(entitled, |days| days.min(entitled));
        let since = |days: u32| Timestamp(now.0 - i64::from(days) * DAY_MS);
        let mut due =
            shared.store.recordings_due(tenant, owned.floor, since(days), BATCH).await.map_err(|e| e.to_string())?;
        // Messages may go sooner.
        let own = config.queues.values().filter_map(|q| Some((q.id, q.voicemail.as_ref()?.keep_days.map(since))));
        let (own, others) = (own.collect::<Vec<_>>(), config.voicemail.keep_days.map(since));
        let messages = shared.store.messages_due(tenant, owned.floor, &own, others, BATCH).await;
        due.extend(messages.map_err(|e| e.to_string())?);
        let mut deleted = 0;
        let mut seen = BTreeSet::new();
        for row in due.iter().filter(|row| seen.insert(row.id)) {
            match delete(shared, tenant, row).await {
                Ok(()) => deleted += 1,
                // Kept for a court.
                Err(CommandError::Store(store::Error::Conflict { .. })) => {}
                Err(e) => return Err(e.to_string()),
            }
        }
        if deleted > 0 {
            info!(%tenant, deleted, days, "recordings whose time was over were deleted");
        }
        most = most.max(deleted);
    }
    Ok(most)
}

/// The blob, then the event. One under legal hold is a conflict.
pub(crate) async fn delete(shared: &Shared, tenant: TenantId, row: &RecordingRow) -> Result<(), CommandError> {
    let Some(blob) = row.blob_id else { return Ok(()) };
    if row.legal_hold {
        return Err(held());
    }
    delete_sound(shared, tenant, row.interaction_id, row.id, blob).await
}

/// Kept for a court.
fn held() -> CommandError {
    store::Error::Conflict { what: "recording.legal_hold".to_owned() }.into()
}

async fn delete_sound(
    shared: &Shared,
    tenant: TenantId,
    interaction: InteractionId,
    recording: RecordingId,
    blob: BlobId,
) -> Result<(), CommandError> {
    if shared.store.is_held(tenant, interaction).await? {
        return Err(held());
    }
    match shared.store.blobs().delete(Scope::Tenant(tenant), blob).await {
        Ok(()) | Err(store::Error::NotFound { .. }) => {}
        Err(e) => return Err(e.into()),
    }
    let floor = shared.floor(tenant).ok_or(CommandError::NoFloor)?;
    floor.send(Input::RecordingDeleted { interaction, recording }).await.map(drop)
}

/// Messages with nothing in them go at once; what ends in between is found by the next round.
pub(crate) fn drop_discarded(shared: &Arc<Shared>, tenant: TenantId, facts: &[Fact]) {
    for fact in facts {
        if let EventBody::MessageDiscarded { interaction, recording, blob, .. } = fact.event.body {
            let shared = shared.clone();
            tokio::spawn(async move {
                if let Err(e) = delete_sound(&shared, tenant, interaction, recording, blob).await
                    && !matches!(e, CommandError::Store(store::Error::Conflict { .. }))
                {
                    warn!(error = %e, "an empty message was not deleted; trying again within the hour");
                }
            });
        }
    }
}
