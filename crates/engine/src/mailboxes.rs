//! How many new messages lie in each mailbox, told to whoever watches as soon as the tables know of a change.
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use domain::id::{QueueId, TenantId};
use domain::time::Timestamp;
use store::Store;
use tokio::sync::watch;
use tracing::warn;

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NewMessages {
    /// Mailboxes with new messages: how many, and when the newest was left. None: the company's own.
    pub mailboxes: BTreeMap<Option<QueueId>, (u64, Timestamp)>,
    /// Grows with every change of any message, so that lists look again.
    pub changes: u64,
}

#[derive(Default)]
pub struct Mailboxes {
    watched: Mutex<HashMap<TenantId, watch::Sender<Arc<NewMessages>>>>,
    /// One count at a time, so that none is overtaken by an older one.
    counting: tokio::sync::Mutex<()>,
}

impl Mailboxes {
    fn watched(&self) -> MutexGuard<'_, HashMap<TenantId, watch::Sender<Arc<NewMessages>>>> {
        self.watched.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The counts now, and at every change.
    pub(crate) async fn watch(&self, store: &Store, tenant: TenantId) -> watch::Receiver<Arc<NewMessages>> {
        let mut receiver = self.watched().entry(tenant).or_default().subscribe();
        self.changed(store, tenant).await;
        receiver.mark_unchanged();
        receiver
    }

    /// Something has changed: counts anew, if somebody watches.
    pub(crate) async fn changed(&self, store: &Store, tenant: TenantId) {
        {
            let mut watched = self.watched();
            match watched.get(&tenant) {
                None => return,
                Some(sender) if sender.receiver_count() == 0 => {
                    watched.remove(&tenant);
                    return;
                }
                Some(_) => {}
            }
        }
        let _one = self.counting.lock().await;
        let counts = match store.voicemail_counts(tenant).await {
            Ok(counts) => counts,
            Err(e) => {
                warn!(error = %e, "new messages could not be counted; the next change tries again");
                return;
            }
        };
        let new = counts.into_iter().filter(|c| c.state == "new").map(|c| (c.queue, (c.count, c.newest_at)));
        let mailboxes = new.collect();
        if let Some(sender) = self.watched().get(&tenant) {
            sender.send_modify(|told| *told = Arc::new(NewMessages { mailboxes, changes: told.changes + 1 }));
        }
    }
}
