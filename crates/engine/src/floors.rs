//! Opening a tenant's floor: take the lease, restore snapshot and journal, end what a crash left, start its tasks.
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use domain::event::Event;
use domain::floor::{Floor, Snapshot};
use domain::id::{IdMint, InteractionId, TenantId};
use domain::input::Input;
use domain::leg::{CallerId, Outlived};
use domain::time::Timestamp;
use store::{LeftOver, SpoolReader, Store};
use tracing::{error, info};

use crate::engine::{OpenFloor, Shared};
use crate::error::CommandError;
use crate::floor_task::{FloorTask, Persons};
use crate::intake::shown;
use crate::outlet::Outlet;
use crate::ownership::Ownership;
use crate::projector::{Fact, Feed, Projector};
use crate::retention;
use crate::spend_alarm;

/// A lease whose owner was not heard of for this long may be taken by another node.
const LEASE_STALE: Duration = Duration::from_secs(10);
/// Journal batches read at once while restoring.
const PAGE: u32 = 1_000;
/// Spooled batches joined in one transaction.
const JOIN: usize = 256;

/// `last_heartbeat`: when this node was last known alive; live interactions of a crashed process ended then, but for those
/// whose customers are among `outlived`.
pub async fn open(
    shared: &Arc<Shared>,
    tenant: TenantId,
    last_heartbeat: Option<Timestamp>,
    outlived: Outlived,
) -> Result<(), CommandError> {
    let store = &shared.store;
    let now = shared.clock.now();
    let config = Arc::new(store.load_config(tenant).await?);
    let row = store.live_floor(tenant, now).await?;
    let lease = store.acquire_lease(row.id, &shared.node, LEASE_STALE, now).await?;
    let mint = IdMint::new(row.floor_no, lease.epoch);
    let mut floor = match store.load_snapshot::<Snapshot>(row.id).await? {
        Some(snapshot) => Floor::restore(config.clone(), mint, snapshot.state),
        None => Floor::new(row.id, config.clone(), mint),
    };
    let mut last_event_at = Timestamp(0);
    // The event that the snapshot ends with is read too: it tells the time below.
    let mut from = floor.seq().max(1);
    loop {
        let batches = store.read_journal(row.id, from, PAGE).await?;
        if batches.is_empty() {
            break;
        }
        for batch in batches {
            for (seq, event) in batch.events::<Event>()? {
                last_event_at = event.at;
                if seq > floor.seq() {
                    floor.apply(&event);
                }
            }
        }
        from = floor.seq() + 1;
    }
    let clock = shared.clock.not_before(last_event_at);
    let restored = floor.seq() > 0;
    info!(%tenant, floor = row.floor_no, epoch = lease.epoch, seq = floor.seq(), "floor restored");

    let ownership = Ownership { floor: row.id, epoch: lease.epoch, clock };
    let outlet = Outlet {
        tenant,
        down: shared.down.clone(),
        routes: shared.routes.clone(),
        offers_gone: shared.offers_gone.clone(),
    };
    let seen = shared.clone();
    let feed = Arc::new(Feed::default());
    let callers = callers(store, tenant, &floor, &outlived).await?;
    let (handle, watched) = FloorTask::spawn(
        floor,
        callers,
        clock,
        store.clone(),
        ownership,
        outlet,
        Arc::new(move |facts: &[Fact]| {
            seen.demo.floor_events(facts.iter().map(|fact| &fact.event));
            retention::drop_discarded(&seen, tenant, facts);
            spend_alarm::tell(&seen, tenant, facts);
        }),
        feed.clone(),
        shared.failed.clone(),
    );
    if restored || !outlived.legs.is_empty() {
        let last_heartbeat = last_heartbeat.unwrap_or(last_event_at).max(last_event_at);
        handle.send(Input::Recovered { last_heartbeat, outlived }).await?;
    }
    let restored_at = *watched.journalled.borrow();
    let projected = Projector::spawn(shared.clone(), row, watched.journalled, feed);
    let saving = watched.saving;
    shared.add_floor(tenant, OpenFloor { handle, config, ownership, restored_at, projected, saving });
    Ok(())
}

/// Who calls, of the calls that go on.
async fn callers(
    store: &Store,
    tenant: TenantId,
    floor: &Floor,
    outlived: &Outlived,
) -> Result<BTreeMap<InteractionId, Persons>, CommandError> {
    let from: Vec<_> = floor.customers().filter(|(_, leg, _)| outlived.legs.contains_key(leg)).collect();
    let ids: Vec<_> = from.iter().map(|(_, _, address)| *address).collect();
    let rows: BTreeMap<_, _> = store.addresses(tenant, &ids).await?.into_iter().map(|row| (row.id, row)).collect();
    let person = |address| {
        let row = rows.get(&address)?;
        let caller = CallerId { user: shown(&row.value), name: row.name.clone(), diverted: None };
        Some(Persons { caller, dialled: Vec::new() })
    };
    Ok(from.into_iter().filter_map(|(interaction, _, address)| Some((interaction, person(address)?))).collect())
}

/// What an earlier run could not write to the database before it ended: joined under its own epoch, so before any floor
/// is taken under a new one. A spool that contradicts the journal is put aside, reported, and never written.
pub async fn join_left_over(shared: &Arc<Shared>) -> Result<(), CommandError> {
    let spool = shared.store.spool().clone();
    let listed = spool.clone();
    let left = blocking(move || listed.left_over()).await?;
    for left in left {
        match join(shared, &left).await {
            Ok(events) => {
                info!(floor = %left.floor, events, "events spooled by the last run have joined the journal");
                let (spool, path) = (spool.clone(), left.path);
                blocking(move || spool.remove(&path)).await?;
            }
            Err(e) if e.is_unavailable() => return Err(e.into()),
            Err(e) => {
                let (spool, path) = (spool.clone(), left.path.clone());
                let aside = blocking(move || spool.set_aside(&path)).await?;
                error!(
                    floor = %left.floor, epoch = left.epoch, error = %e, file = %aside.display(),
                    "events spooled by the last run contradict the journal and were put aside: keep the file"
                );
            }
        }
    }
    Ok(())
}

/// How many events the file held.
async fn join(shared: &Arc<Shared>, left: &LeftOver) -> Result<u64, store::Error> {
    let (spool, path) = (shared.store.spool().clone(), left.path.clone());
    let mut reader = blocking(move || SpoolReader::open(&spool, &path)).await?;
    let mut events = 0;
    loop {
        let (open, batches) = blocking(move || {
            let batches = reader.some(JOIN)?;
            Ok((reader, batches))
        })
        .await?;
        reader = open;
        if batches.is_empty() {
            return Ok(events);
        }
        events += batches.iter().map(|b| b.last_seq + 1 - b.first_seq).sum::<u64>();
        shared.store.join(left.floor, left.epoch, batches, shared.clock.now()).await?;
    }
}

/// Files are read and removed off the async threads.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, store::Error> + Send + 'static,
) -> Result<T, store::Error> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        // The runtime is ending.
        Err(_) => Err(store::Error::NotFound { what: "journal spool" }),
    }
}
