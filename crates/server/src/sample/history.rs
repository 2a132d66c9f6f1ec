//! A week of history made by the simulator, written through the journal of a floor of its own and labelled "sample".
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use domain::address::Address;
use domain::calendar::day_start;
use domain::id::{AgentId, IdMint, TenantId};
use domain::recording::RecordRule;
use domain::time::Timestamp;
use engine::Projector;
use store::{Batch, FloorKind, Store};

use super::company::TIME_ZONE;

const DAYS: u32 = 7;
/// Calls on a working day: enough for reports to look like a small company's, few enough to be made in seconds.
const PER_DAY: u32 = 120;
/// People who call, some of them again.
const CALLERS: u32 = 150;
const SEED: u64 = 20_260_101;
const OWNER: &str = "sample history";
/// Events in one transaction.
const BATCHES: usize = 64;

/// `absent` is in the configuration but took no call.
pub async fn seed(store: &Store, tenant: TenantId, absent: AgentId, now: Timestamp) -> Result<()> {
    let mut config = store.load_config(tenant).await?;
    config.agents.remove(&absent);
    for queue in config.queues.values_mut() {
        queue.members.retain(|m| m.agent != absent);
        // Nobody spoke: a recording would be on its way to the store for ever.
        queue.record = Some(RecordRule::NEVER);
    }
    let config = Arc::new(config);
    let floor = store.create_floor(tenant, FloorKind::Sample, now).await?;
    let lease = store.acquire_lease(floor.id, OWNER, Duration::ZERO, now).await?;
    let mut callers = Vec::new();
    for n in 0..CALLERS {
        // 199 with a fourth digit 0 is in use by nobody who could be disturbed: nothing dials these.
        let raw = format!("1990{:07}", n * 7_919 % 10_000_000);
        let address = Address::from_sip(&raw, "sample.test", Some("CN"));
        callers.push(store.intern_address(tenant, &address, None, Some(floor.id), now).await?);
    }
    let today = day_start(TIME_ZONE, now);
    let plan = sim::history::Plan {
        floor: floor.id,
        mint: IdMint::new(floor.floor_no, lease.epoch),
        seed: SEED,
        start: Timestamp(today.0 - i64::from(DAYS) * 24 * 3_600_000),
        days: DAYS,
        per_day: PER_DAY,
        callers,
    };
    // The simulation is a second of pure computing: off the async threads.
    let batches = tokio::task::spawn_blocking(move || {
        let week = sim::history::week(config, &plan).filter(|events| !events.is_empty());
        week.map(|events| Batch::encode(events[0].seq, &events)).collect::<Result<Vec<_>, _>>()
    })
    .await??;
    let mut last = 0;
    let mut batches = batches.into_iter().peekable();
    while batches.peek().is_some() {
        let some: Vec<Batch> = batches.by_ref().take(BATCHES).collect();
        last = some.last().map_or(last, |b| b.last_seq);
        store.append_all(floor.id, lease.epoch, some, now).await?;
    }
    store.release_lease(floor.id, lease.epoch, now).await?;
    Projector::new(store.clone(), floor).catch_up(last, now).await?;
    Ok(())
}
