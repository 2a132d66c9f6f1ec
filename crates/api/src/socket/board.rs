//! The live board as rows with sequence numbers: whoever was away less than a minute gets the rows changed since.
//!
//! One task per watched tenant turns the engine's view (once a second) into rows and notes at which sequence number
//! each changed. Nothing is queued per watcher: a watcher compares its own number with the rows', so a slow one costs
//! nothing and misses nothing but intermediate values.
use std::collections::HashMap;
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use domain::id::{AgentId, InteractionId, QueueId, TenantId};
use tokio::sync::watch;

use crate::App;
use crate::dto::live::{LiveAgent, LiveInteraction, LiveQueue, LiveTotals, LiveView};
use crate::error::ApiResult;
use crate::views::{Addresses, LOOK_UP, live, live_addresses, load_addresses};

/// How long a lost watcher may resume.
pub const RESUME: Duration = Duration::from_secs(60);
/// Sums that grow by themselves (talk and idle time of today) are sent this many seconds apart if nothing else changes.
const SUMS_EVERY: u64 = 15;

#[derive(Default)]
pub struct Boards {
    boards: Mutex<HashMap<TenantId, watch::Sender<Arc<Board>>>>,
}

/// The rows and when each changed.
#[derive(Debug, Clone)]
pub struct Board {
    /// Names this run of the board: sequence numbers of another mean nothing.
    pub epoch: String,
    pub seq: u64,
    pub at: i64,
    pub totals: (u64, LiveTotals),
    pub queues: BTreeMap<QueueId, (u64, LiveQueue)>,
    pub agents: BTreeMap<AgentId, (u64, LiveAgent)>,
    pub interactions: BTreeMap<InteractionId, (u64, LiveInteraction)>,
    /// Ids that left, with the number at which they did; kept for [`RESUME`].
    pub removed: VecDeque<(u64, Instant, String)>,
    /// Every change after this number is still known.
    pub known_since: u64,
}

impl Boards {
    fn table(&self) -> std::sync::MutexGuard<'_, HashMap<TenantId, watch::Sender<Arc<Board>>>> {
        self.boards.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The tenant's board, now and with every change.
    pub async fn watch(&self, app: &App, tenant: TenantId) -> ApiResult<watch::Receiver<Arc<Board>>> {
        if let Some(board) = self.table().get(&tenant) {
            return Ok(board.subscribe());
        }
        let mut views = app.engine().watch_live(tenant).await?;
        let mut addresses = Addresses::new();
        let view = views.borrow_and_update().clone();
        let first = Board::new(snapshot(app, tenant, &view, &mut addresses).await?);
        let (sender, receiver) = watch::channel(Arc::new(first));
        {
            let mut table = self.table();
            // Somebody else may have begun meanwhile.
            if let Some(board) = table.get(&tenant) {
                return Ok(board.subscribe());
            }
            table.insert(tenant, sender);
        }
        let app = app.clone();
        tokio::spawn(async move {
            let mut unwatched: Option<Instant> = None;
            while views.changed().await.is_ok() {
                let view = views.borrow_and_update().clone();
                let Ok(next) = snapshot(&app, tenant, &view, &mut addresses).await else { continue };
                let mut table = app.boards().table();
                let Some(sender) = table.get(&tenant) else { return };
                sender.send_if_modified(|board| {
                    let mut changed = Board::clone(board);
                    let is_news = changed.update(next);
                    *board = Arc::new(changed);
                    is_news
                });
                // A lost watcher may come back and resume; afterwards the board ends.
                unwatched = match sender.receiver_count() {
                    0 => unwatched.or_else(|| Some(Instant::now())),
                    _ => None,
                };
                if unwatched.is_some_and(|since| since.elapsed() > RESUME) {
                    table.remove(&tenant);
                    return;
                }
            }
            app.boards().table().remove(&tenant);
        });
        Ok(receiver)
    }
}

async fn snapshot(
    app: &App,
    tenant: TenantId,
    view: &domain::view::FloorView,
    addresses: &mut Addresses,
) -> ApiResult<LiveView> {
    let known = app.known(tenant).await?;
    let wanted = live_addresses(view);
    addresses.retain(|id, _| wanted.contains(id));
    // Without the store the board goes on; callers it does not know yet are shown without a number.
    let _ = tokio::time::timeout(LOOK_UP, load_addresses(app, tenant, wanted, addresses)).await;
    Ok(live(view, &known, addresses, app.engine().quality()))
}

impl Board {
    fn new(view: LiveView) -> Board {
        let seq = 1;
        Board {
            epoch: format!("{:016x}", rand::random::<u64>()),
            seq,
            at: view.at,
            totals: (seq, view.totals),
            queues: view.queues.into_iter().map(|r| (r.id, (seq, r))).collect(),
            agents: view.agents.into_iter().map(|r| (r.id, (seq, r))).collect(),
            interactions: view.interactions.into_iter().map(|r| (r.id, (seq, r))).collect(),
            removed: VecDeque::new(),
            known_since: seq,
        }
    }

    /// Takes the next view; true if a row changed.
    fn update(&mut self, view: LiveView) -> bool {
        let seq = self.seq + 1;
        let sums_are_due = u64::try_from(view.at / 1000).unwrap_or(0).is_multiple_of(SUMS_EVERY);
        let mut changed = false;
        if self.totals.1 != view.totals {
            self.totals = (seq, view.totals);
            changed = true;
        }
        let mut gone = Vec::new();
        let same_queue =
            |a: &LiveQueue, b: &LiveQueue| if sums_are_due { a == b } else { without_sums(a) == without_sums(b) };
        changed |= merge(&mut self.queues, view.queues.into_iter().map(|r| (r.id, r)), seq, same_queue, &mut gone);
        changed |= merge(&mut self.agents, view.agents.into_iter().map(|r| (r.id, r)), seq, PartialEq::eq, &mut gone);
        let interactions = view.interactions.into_iter().map(|r| (r.id, r));
        changed |= merge(&mut self.interactions, interactions, seq, PartialEq::eq, &mut gone);
        let now = Instant::now();
        self.removed.extend(gone.into_iter().map(|id| (seq, now, id)));
        while self.removed.front().is_some_and(|(_, at, _)| now.duration_since(*at) > RESUME) {
            if let Some((forgotten, ..)) = self.removed.pop_front() {
                self.known_since = forgotten;
            }
        }
        self.at = view.at;
        if changed {
            self.seq = seq;
        }
        changed
    }

    /// Whether a watcher that saw `seq` of `epoch` can go on from there.
    pub fn can_resume(&self, epoch: &str, seq: u64) -> bool {
        self.epoch == epoch && (self.known_since..=self.seq).contains(&seq)
    }
}

fn without_sums(queue: &LiveQueue) -> LiveQueue {
    let mut queue = queue.clone();
    let today = &mut queue.today;
    (today.idle_ms, today.talk_ms, today.hold_ms, today.wrap_ms) = (0, 0, 0, 0);
    (today.occupancy, today.aht_ms) = (None, None);
    queue
}

fn merge<K: Ord + Copy + std::fmt::Display, R>(
    rows: &mut BTreeMap<K, (u64, R)>,
    next: impl Iterator<Item = (K, R)>,
    seq: u64,
    same: impl Fn(&R, &R) -> bool,
    gone: &mut Vec<String>,
) -> bool {
    let before = gone.len();
    let mut changed = false;
    let next: BTreeMap<K, R> = next.collect();
    rows.retain(|id, _| {
        let stays = next.contains_key(id);
        if !stays {
            gone.push(id.to_string());
        }
        stays
    });
    for (id, row) in next {
        match rows.get_mut(&id) {
            Some((_, old)) if same(old, &row) => {}
            Some(old) => {
                *old = (seq, row);
                changed = true;
            }
            None => {
                rows.insert(id, (seq, row));
                changed = true;
            }
        }
    }
    changed || gone.len() > before
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dto::analysis::Figures;
    use crate::dto::common::Localized;
    use crate::dto::live::AgentCounts;

    fn queue(id: u128, waiting: u32, idle_ms: u64) -> LiveQueue {
        LiveQueue {
            id: QueueId(id),
            name: Localized::default(),
            open: true,
            waiting,
            longest_since_at: None,
            agents: AgentCounts::default(),
            today: Figures { idle_ms, ..Figures::default() },
        }
    }

    fn view(at: i64, queues: Vec<LiveQueue>) -> LiveView {
        let totals = LiveTotals {
            counts: AgentCounts::default(),
            calls: 0,
            calls_max: 1,
            seats: 0,
            seats_max: 1,
            degraded: false,
            refusing: false,
        };
        LiveView { at, totals, queues, agents: vec![], interactions: vec![] }
    }

    #[test]
    fn only_changed_rows_get_a_new_number_and_removed_ones_are_listed() {
        let mut board = Board::new(view(1_000, vec![queue(1, 0, 0), queue(2, 0, 0)]));
        assert!(!board.update(view(2_000, vec![queue(1, 0, 0), queue(2, 0, 0)])));
        assert!(board.update(view(3_000, vec![queue(1, 3, 0), queue(2, 0, 0)])));
        assert_eq!((board.seq, board.queues[&QueueId(1)].0, board.queues[&QueueId(2)].0), (2, 2, 1));
        assert!(board.update(view(4_000, vec![queue(1, 3, 0)])));
        assert_eq!(board.removed.front().map(|r| (r.0, r.2.clone())), Some((3, QueueId(2).to_string())));
        assert!(board.can_resume(&board.epoch.clone(), 2));
        assert!(!board.can_resume(&board.epoch.clone(), 4) && !board.can_resume("other", 2));
    }

    #[test]
    fn sums_that_grow_by_themselves_are_sent_every_fifteen_seconds() {
        let mut board = Board::new(view(1_000, vec![queue(1, 0, 0)]));
        assert!(!board.update(view(2_000, vec![queue(1, 0, 1_000)])));
        assert!(board.update(view(15_000, vec![queue(1, 0, 14_000)])));
        assert_eq!(board.queues[&QueueId(1)].1.today.idle_ms, 14_000);
    }
}
