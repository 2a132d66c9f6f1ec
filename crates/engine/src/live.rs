//! The live board's view of a floor, made once a second while somebody looks, shared by all who look.
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use domain::id::TenantId;
use domain::view::FloorView;
use tokio::sync::watch;

use crate::engine::Shared;
use crate::error::CommandError;

const EVERY: Duration = Duration::from_secs(1);

#[derive(Default)]
pub struct LiveBoards {
    boards: Mutex<HashMap<TenantId, watch::Sender<Arc<FloorView>>>>,
}

impl LiveBoards {
    fn boards(&self) -> std::sync::MutexGuard<'_, HashMap<TenantId, watch::Sender<Arc<FloorView>>>> {
        self.boards.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The tenant's view now, and once a second from now on.
    pub(crate) async fn subscribe(
        &self,
        shared: &Arc<Shared>,
        tenant: TenantId,
    ) -> Result<watch::Receiver<Arc<FloorView>>, CommandError> {
        if let Some(board) = self.boards().get(&tenant) {
            return Ok(board.subscribe());
        }
        let first = Arc::new(shared.floor(tenant).ok_or(CommandError::NoFloor)?.view().await?);
        let (sender, receiver) = watch::channel(first);
        let mut boards = self.boards();
        // Somebody else may have begun meanwhile.
        if let Some(board) = boards.get(&tenant) {
            return Ok(board.subscribe());
        }
        boards.insert(tenant, sender);
        drop(boards);
        tokio::spawn(refresh(shared.clone(), tenant));
        Ok(receiver)
    }
}

async fn refresh(shared: Arc<Shared>, tenant: TenantId) {
    let mut tick = tokio::time::interval(EVERY);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        let view = match shared.floor(tenant) {
            Some(floor) => floor.view().await.ok(),
            None => None,
        };
        let mut boards = shared.live.boards();
        let unwatched = boards.get(&tenant).is_none_or(|board| board.receiver_count() == 0);
        let Some(view) = view.filter(|_| !unwatched) else {
            boards.remove(&tenant);
            return;
        };
        if let Some(board) = boards.get(&tenant) {
            board.send_replace(Arc::new(view));
        }
    }
}
