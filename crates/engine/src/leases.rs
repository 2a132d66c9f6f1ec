//! Presence leases: which tab (or API session) leads an agent's desk.
//!
//! The leading tab has the microphone and receives offers; other tabs of the same agent are read-only. When the leader's
//! connection goes away without coming back within [`GRACE`], the floor learns that the lease is lost.
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use domain::id::{AgentId, TenantId};
use domain::input::Input;
use tokio::sync::watch;

use crate::engine::Shared;
use crate::error::CommandError;

/// A reload or a short network loss keeps the presence.
pub const GRACE: Duration = Duration::from_secs(10);

/// A name the tab chose for itself (kept over reloads), at most 64 characters.
pub type Tab = String;

#[derive(Clone, Default)]
pub struct Leases {
    inner: Arc<Mutex<HashMap<(TenantId, AgentId), Lease>>>,
}

struct Lease {
    leader: watch::Sender<Option<Tab>>,
    /// Grows with each connection of the leader, so that an old grace timer does nothing.
    round: u64,
    connected: bool,
}

/// One connection's part in it; tells the lease when dropped.
pub struct Attendance {
    leases: Leases,
    shared: Arc<Shared>,
    tenant: TenantId,
    agent: AgentId,
    tab: Tab,
    /// The lease's round when this connection last took the lead; 0 if it never did. A half-open connection that ends
    /// after the same tab came back must not end the new one's lead.
    round: AtomicU64,
    /// The leading tab's name; compare with your own.
    pub leader: watch::Receiver<Option<Tab>>,
}

impl Leases {
    fn inner(&self) -> std::sync::MutexGuard<'_, HashMap<(TenantId, AgentId), Lease>> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A tab's connection begins; it leads if nobody else does, or if it led before (reload).
    pub(crate) async fn attend(
        &self,
        shared: &Arc<Shared>,
        tenant: TenantId,
        agent: AgentId,
        tab: Tab,
    ) -> Result<Attendance, CommandError> {
        let leader = {
            let mut inner = self.inner();
            let lease = inner.entry((tenant, agent)).or_insert_with(|| Lease {
                leader: watch::Sender::new(None),
                round: 0,
                connected: false,
            });
            lease.leader.subscribe()
        };
        let attendance = Attendance {
            leases: self.clone(),
            shared: shared.clone(),
            tenant,
            agent,
            tab,
            round: AtomicU64::new(0),
            leader,
        };
        let free = match &*attendance.leader.borrow() {
            None => true,
            Some(leader) => *leader == attendance.tab,
        };
        if free {
            attendance.lead().await?;
        }
        Ok(attendance)
    }

    fn release(&self, shared: &Arc<Shared>, tenant: TenantId, agent: AgentId, taken: u64) {
        let mut inner = self.inner();
        let Some(lease) = inner.get_mut(&(tenant, agent)) else { return };
        if lease.round != taken {
            // A follower leaves; its own receiver is dropped after this.
            if lease.leader.borrow().is_none() && lease.leader.receiver_count() <= 1 {
                inner.remove(&(tenant, agent));
            }
            return;
        }
        lease.connected = false;
        lease.round += 1;
        let (round, leases, shared) = (lease.round, self.clone(), shared.clone());
        // Outside a runtime (process exit) nobody is left to tell.
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        runtime.spawn(async move {
            tokio::time::sleep(GRACE).await;
            // The place first, so that the floor hears of loss and return in the order decided under the lock. A
            // stopping floor takes everybody offline anyway.
            let place = match shared.floor(tenant) {
                Some(floor) => floor.place().await.ok(),
                None => None,
            };
            let mut inner = leases.inner();
            let Some(lease) = inner.get_mut(&(tenant, agent)) else { return };
            if lease.round != round || lease.connected {
                return;
            }
            lease.leader.send_replace(None);
            if lease.leader.receiver_count() == 0 {
                inner.remove(&(tenant, agent));
            }
            if let Some(place) = place {
                place.tell(Input::LeaseLost { agent });
            }
        });
    }
}

impl Attendance {
    pub fn leads(&self) -> bool {
        self.leader.borrow().as_ref() == Some(&self.tab)
    }

    /// This tab leads from now on; the former leader sees it on its `leader` channel.
    pub async fn lead(&self) -> Result<(), CommandError> {
        let place = self.shared.floor(self.tenant).ok_or(CommandError::NoFloor)?.place().await?;
        let mut inner = self.leases.inner();
        // There is one as long as somebody watches its leader, as this attendance does.
        let Some(lease) = inner.get_mut(&(self.tenant, self.agent)) else { return Ok(()) };
        lease.connected = true;
        lease.round += 1;
        self.round.store(lease.round, Ordering::Relaxed);
        lease.leader.send_replace(Some(self.tab.clone()));
        place.tell(Input::LeaseTaken { agent: self.agent });
        Ok(())
    }
}

impl Drop for Attendance {
    fn drop(&mut self) {
        self.leases.release(&self.shared, self.tenant, self.agent, self.round.load(Ordering::Relaxed));
    }
}
