//! Once a second: this node is alive. After a crash live calls ended at the last beat.
use std::sync::Arc;
use std::time::Duration;

use tokio::time::MissedTickBehavior;
use tracing::warn;

use crate::engine::Shared;

const VERSION: &str = env!("CARGO_PKG_VERSION");

pub fn spawn(shared: Arc<Shared>) {
    tokio::spawn(async move {
        let mut tick = tokio::time::interval(Duration::from_secs(1));
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let started_at = shared.clock.now();
        let mut failing = false;
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
                // A lost lease shows at the next append, which stops the process.
                if let Err(e) = owned.renew(&shared.store).await {
                    warn!(floor = %owned.floor, error = %e, "a floor's lease was not renewed");
                }
            }
        }
    });
}
