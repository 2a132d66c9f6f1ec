//! How trunks are doing, as telephony reports it: remembered for those who look, told to floors as far as calls depend on it;
//! and tests of trunks, which wait here for their answers.
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use domain::id::{TenantId, TrunkId};
use domain::input::Input;
use domain::trunk::{TestStep, TrunkReport, TrunkSignal, TrunkStatus};
use tokio::sync::oneshot;
use tracing::{info, warn};

use crate::engine::Shared;
use crate::error::CommandError;
use crate::port::{Down, PortClosed};

/// Tests at the same time; each is a few packets, but nobody needs more.
const TESTS_MAX: usize = 16;
/// Three steps of eight seconds each, and some air.
const TEST: Duration = Duration::from_secs(30);

#[derive(Default)]
pub struct TrunkBoard {
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    /// Of every trunk reported since the start; grows with the trunks of this node only.
    status: BTreeMap<(TenantId, TrunkId), TrunkStatus>,
    tests: HashMap<u64, oneshot::Sender<Vec<TestStep>>>,
    last_test: u64,
}

impl TrunkBoard {
    fn inner(&self) -> std::sync::MutexGuard<'_, Inner> {
        // A panic while holding the lock leaves only maps behind, which stay usable.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How each of the tenant's trunks is doing; without those that nothing is known of.
    pub fn of(&self, tenant: TenantId) -> BTreeMap<TrunkId, TrunkStatus> {
        let of = |((owner, trunk), status): (&(TenantId, TrunkId), &TrunkStatus)| {
            (*owner == tenant).then(|| (*trunk, status.clone()))
        };
        self.inner().status.iter().filter_map(of).collect()
    }

    /// Tries a trunk out; the steps that were tried, the last of which may have failed.
    pub(crate) async fn test(
        &self,
        down: &Arc<dyn Fn(Down) -> Result<(), PortClosed> + Send + Sync>,
        tenant: TenantId,
        trunk: TrunkId,
    ) -> Result<Vec<TestStep>, CommandError> {
        let (sender, answer) = oneshot::channel();
        let test = {
            let mut inner = self.inner();
            inner.tests.retain(|_, waiting| !waiting.is_closed());
            if inner.tests.len() >= TESTS_MAX {
                return Err(CommandError::TestsBusy);
            }
            inner.last_test += 1;
            let test = inner.last_test;
            inner.tests.insert(test, sender);
            test
        };
        down(Down::Trunk(TrunkSignal::Test { test, tenant, trunk })).map_err(|PortClosed| CommandError::Telephony)?;
        match tokio::time::timeout(TEST, answer).await {
            Ok(Ok(steps)) => Ok(steps),
            Ok(Err(_)) | Err(_) => Err(CommandError::Telephony),
        }
    }
}

/// From telephony.
pub(crate) async fn report(shared: &Shared, report: TrunkReport) {
    let (tenant, trunk, status) = match report {
        TrunkReport::Tested { test, steps } => {
            if let Some(waiting) = shared.trunks.inner().tests.remove(&test) {
                // Whoever asked may have gone.
                let _ = waiting.send(steps);
            }
            return;
        }
        TrunkReport::Status { tenant, trunk, status } => (tenant, trunk, status),
    };
    let before = shared.trunks.inner().status.insert((tenant, trunk), status.clone());
    if before.as_ref().is_none_or(|b| (b.state, b.fault) != (status.state, status.fault)) {
        info!(%tenant, %trunk, state = ?status.state, fault = ?status.fault, "trunk");
    }
    let carries = status.state.carries();
    if before.is_none_or(|b| b.state.carries() != carries)
        && let Some(floor) = shared.floor(tenant)
        && floor.tell(Input::TrunkChanged { trunk, up: carries }).await.is_err()
    {
        warn!(%tenant, "the floor is stopping; a trunk report was not taken");
    }
}
