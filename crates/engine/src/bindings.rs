//! SIP registrations on their way to the store, write-behind: the newest list of each device wins, one writer keeps the
//! order. A lost write costs a phone one re-registration after a crash.
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use domain::device::Binding;
use domain::id::{DeviceId, TenantId};
use tokio::sync::Notify;
use tokio::task::AbortHandle;
use tracing::warn;

use crate::engine::Shared;

/// Between attempts while the database is away.
const RETRY: std::time::Duration = std::time::Duration::from_secs(2);

/// Bounded by the configured devices: telephony accepts registrations of no others.
#[derive(Default)]
pub struct Bindings {
    waiting: Mutex<HashMap<DeviceId, (TenantId, Vec<Binding>)>>,
    more: Notify,
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
            let mut failed = false;
            let waiting = std::mem::take(&mut *shared.bindings.waiting());
            for (device, (tenant, bindings)) in waiting {
                if failed {
                    shared.bindings.waiting().entry(device).or_insert((tenant, bindings));
                    continue;
                }
                if let Err(e) = shared.store.save_bindings(tenant, device, &bindings, shared.clock.now()).await {
                    warn!(error = %e, "registrations are not stored; trying again");
                    // Unless a newer list came in meanwhile.
                    shared.bindings.waiting().entry(device).or_insert((tenant, bindings));
                    failed = true;
                }
            }
            if failed {
                tokio::time::sleep(RETRY).await;
                shared.bindings.more.notify_one();
            }
        }
    });
    writer.abort_handle()
}
