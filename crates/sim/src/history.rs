//! A week of ordinary days for a sample tenant, to be written through the journal like live work.
use std::sync::Arc;
use std::time::Duration;

use domain::config::TenantConfig;
use domain::event::Event;
use domain::id::{AddressId, FloorId, IdMint};
use domain::time::Timestamp;

use crate::manner::Manner;
use crate::world::World;

/// What to make a history of.
#[derive(Debug, Clone)]
pub struct Plan {
    pub floor: FloorId,
    /// Of an epoch of its own: the floor goes on under a later one.
    pub mint: IdMint,
    pub seed: u64,
    /// A local midnight, normally `days` days before today's.
    pub start: Timestamp,
    pub days: u32,
    /// Calls on a working day; weekends have fewer.
    pub per_day: u32,
    /// Stored addresses of the people who call; random ids if there are none.
    pub callers: Vec<AddressId>,
}

/// One batch of events for each quarter of an hour in which something happened, in order, from an empty floor
/// (`seq` 1) to one where everybody has gone home. The same plan gives the same events.
pub fn week(config: Arc<TenantConfig>, plan: &Plan) -> impl Iterator<Item = Vec<Event>> + use<> {
    let manner = Manner::ordinary(f64::from(plan.per_day));
    let mut world = World::with_floor(config, plan.seed, plan.start, manner, plan.floor, plan.mint);
    world.callers.clone_from(&plan.callers);
    let mut quarters = 96 * u64::from(plan.days);
    std::iter::from_fn(move || {
        while quarters > 0 {
            quarters -= 1;
            world.run(Duration::from_secs(15 * 60));
            if quarters == 0 {
                world.close();
            }
            let batch = world.take_journal();
            if !batch.is_empty() {
                return Some(batch);
            }
        }
        None
    })
}
