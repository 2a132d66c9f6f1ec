//! Ownership of one floor: the lease's epoch under which this process may write its journal and snapshots.
use domain::event::Event;
use domain::floor::Snapshot;
use domain::id::FloorId;
use domain::time::Timestamp;
use store::{Batch, Error as StoreError, Store};

use crate::clock::Clock;

#[derive(Debug, Clone, Copy)]
pub struct Ownership {
    pub floor: FloorId,
    pub epoch: u32,
    pub clock: Clock,
}

#[derive(Debug, thiserror::Error)]
pub enum AppendError {
    /// Another process owns the floor, or the journal is not where this process left it.
    #[error("the floor is owned elsewhere: {0}")]
    LostOwnership(#[source] StoreError),
    /// May succeed later.
    #[error("{0}")]
    Store(#[source] StoreError),
}

impl AppendError {
    pub fn is_fatal(&self) -> bool {
        matches!(self, AppendError::LostOwnership(_))
    }
}

impl Ownership {
    fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Makes consecutive events durable. After an unclear failure (the answer was lost) it looks whether they were
    /// written before it writes them again.
    pub async fn append(&self, store: &Store, events: &[Event]) -> Result<(), AppendError> {
        let (Some(first), Some(last)) = (events.first(), events.last()) else { return Ok(()) };
        let batch = Batch::encode(first.seq, events).map_err(AppendError::Store)?;
        match store.append(self.floor, self.epoch, batch, self.now()).await {
            Ok(()) => Ok(()),
            Err(e @ StoreError::Fenced { .. }) => Err(AppendError::LostOwnership(e)),
            Err(e @ StoreError::NotContiguous { expected }) => {
                // Our own earlier try got through although its answer did not.
                if expected == last.seq + 1 { Ok(()) } else { Err(AppendError::LostOwnership(e)) }
            }
            Err(e) => Err(AppendError::Store(e)),
        }
    }

    pub async fn snapshot(&self, store: &Store, snapshot: &Snapshot) -> Result<(), StoreError> {
        store.save_snapshot(self.floor, self.epoch, snapshot.seq, snapshot, self.now()).await
    }

    /// Shows other nodes that the owner lives.
    pub async fn renew(&self, store: &Store) -> Result<(), StoreError> {
        store.renew_lease(self.floor, self.epoch, self.now()).await
    }

    pub async fn release(&self, store: &Store) -> Result<(), StoreError> {
        store.release_lease(self.floor, self.epoch, self.now()).await
    }
}
