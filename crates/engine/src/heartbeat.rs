//! Once a second: this node is alive. What does not outlive a crash ended at the last beat.
use std::sync::Arc;
use std::time::Duration;

use tokio::task::AbortHandle;
use tokio::time::MissedTickBehavior;
use tracing::warn;

use crate::engine::Shared;
use crate::failure::{Failure, fail};

const VERSION: &str = env!("CARGO_PKG_VERSION");

pub fn spawn(shared: Arc<Shared>) -> AbortHandle {
    let beats = tokio::spawn(async move {
        let mut tick = tokio::time::interval(Duration::from_secs(1));
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let started_at = shared.clock.now();
        let (mut failing, mut unrenewed) = (false, false);
        loop {
            tick.tick().await;
            match shared.store.heartbeat(&shared.node, started_at, VERSION, shared.clock.now()).await {
                Ok(()) => failing = false,
                Err(e) if !failing => {
                    failing = true;
                    warn!(error = %e, "no heartbeat was written");
                }
                Err(_) => {}
            }
            for owned in shared.owned() {
                match owned.renew(&shared.store).await {
                    Ok(()) => unrenewed = false,
                    // An idle floor would learn of it only with its next event.
                    Err(store::Error::Fenced { .. }) => {
                        fail(&shared.failed, Failure::LostFloor { floor: owned.floor });
                        return;
                    }
                    Err(e) if !unrenewed => {
                        unrenewed = true;
                        warn!(floor = %owned.floor, error = %e, "a floor's lease was not renewed");
                    }
                    Err(_) => {}
                }
            }
        }
    });
    beats.abort_handle()
}
