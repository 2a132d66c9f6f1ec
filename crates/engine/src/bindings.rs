//! SIP registrations on their way to the store, write-behind: the newest list of each device wins, one writer keeps the
//! order and writes all that have gathered with few statements, at most once in [`PAUSE`]. A lost write costs a phone one
//! re-registration after a crash; an orderly end loses none ([`flush`]).
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use domain::device::Binding;
use domain::id::{DeviceId, TenantId};
use store::DeviceBindings;
use tokio::sync::Notify;
use tokio::task::AbortHandle;
use tracing::warn;

use crate::engine::Shared;

/// Between two writes, and between attempts while the database is away. More registrations share a commit.
const PAUSE: Duration = Duration::from_secs(1);

/// Bounded by the configured devices: telephony accepts registrations of no others.
#[derive(Default)]
pub struct Bindings {
    waiting: Mutex<HashMap<DeviceId, (TenantId, Vec<Binding>)>>,
    more: Notify,
    /// Held while writing, so that an older list never follows a newer one.
    writing: tokio::sync::Mutex<()>,
}

impl Bindings {
    fn waiting(&self) -> std::sync::MutexGuard<'_, HashMap<DeviceId, (TenantId, Vec<Binding>)>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn changed(&self, tenant: TenantId, device: DeviceId, bindings: Vec<Binding>) {
        self.waiting().insert(device, (tenant, bindings));
        self.more.notify_one();
    }
}

pub fn spawn(shared: Arc<Shared>) -> AbortHandle {
    let writer = tokio::spawn(async move {
        loop {
            shared.bindings.more.notified().await;
            flush(&shared).await;
            tokio::time::sleep(PAUSE).await;
        }
    });
    writer.abort_handle()
}

/// Writes what waits now.
pub async fn flush(shared: &Shared) {
    let _writing = shared.bindings.writing.lock().await;
    let waiting = std::mem::take(&mut *shared.bindings.waiting());
    if waiting.is_empty() {
        return;
    }
    let devices: Vec<DeviceBindings> =
        waiting.into_iter().map(|(device, (tenant, bindings))| DeviceBindings { tenant, device, bindings }).collect();
    if let Err(e) = shared.store.save_bindings(&devices, shared.clock.now()).await {
        warn!(error = %e, "registrations are not stored; trying again");
        let mut waiting = shared.bindings.waiting();
        for DeviceBindings { tenant, device, bindings } in devices {
            // Unless a newer list came in meanwhile.
            waiting.entry(device).or_insert((tenant, bindings));
        }
        shared.bindings.more.notify_one();
    }
}
