//! Ownership of one floor: the lease's epoch under which this process may write its journal and snapshots.
use domain::floor::Snapshot;
use domain::id::FloorId;
use domain::time::Timestamp;
use store::{Error as StoreError, Store};

use crate::clock::Clock;

#[derive(Debug, Clone, Copy)]
pub struct Ownership {
    pub floor: FloorId,
    pub epoch: u32,
    pub clock: Clock,
}

impl Ownership {
    fn now(&self) -> Timestamp {
        self.clock.now()
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
