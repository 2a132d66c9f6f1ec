//! Folds a floor's journal into the tables that lists and reports read. The only writer of those tables.
//!
//! Each transaction reads some batches after the offset, writes rows and advances the offset, so a crash repeats or
//! loses nothing; `cordboard rebuild-projections` resets the tables and lets this run from the first event.
mod rows;

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use domain::event::Event;
use domain::report::{Basis, Fold, INTERVAL_MS, Measures, RowKey};
use domain::time::Timestamp;
use store::projection::{IntervalRow, Position, Tx};
use store::{FloorKind, FloorRow, HostScope, Store};
use tokio::sync::watch;
use tracing::{error, info, warn};

use crate::engine::Shared;
use rows::Rows;

/// Journal batches read for one transaction; bounds what a catch-up after a crash holds in memory.
const BATCHES: u32 = 64;
/// Events folded in one transaction: on SQLite it holds the only writer, for about ten milliseconds.
const EVENTS: usize = 2_000;
/// Events handed over in memory beyond which the journal is read instead.
const HANDED: usize = 20_000;
/// From one transaction to the next: lists may be this old, and a busy floor's events share statements and fsyncs.
const PAUSE: Duration = Duration::from_millis(500);
/// Cells of the report whose figures are remembered; beyond it all are forgotten and read again.
const CELLS: usize = 10_000;

pub struct Projector {
    store: Store,
    floor: FloorRow,
    feed: Arc<Feed>,
    /// What is known where it stands, so that a transaction need not read it again.
    known: Option<(Position, Known)>,
}

#[derive(Default)]
struct Known {
    fold: Fold,
    rows: Rows,
    /// Figures as stored.
    figures: BTreeMap<RowKey, Measures>,
}

/// An event and its line in the journal: encoded once, written to the journal and to the timeline.
pub struct Fact {
    pub event: Event,
    pub json: Box<str>,
}

impl Fact {
    pub fn new(event: Event) -> Result<Fact, store::Error> {
        let json = event.to_json().map_err(|e| store::Error::Corrupt { what: "event", why: e.to_string() })?;
        Ok(Fact { event, json: json.into_boxed_str() })
    }
}

/// Journalled events on their way to the projector, so that it need not read them; some may be missing.
#[derive(Default)]
pub struct Feed {
    events: Mutex<VecDeque<Fact>>,
}

impl Feed {
    fn events(&self) -> MutexGuard<'_, VecDeque<Fact>> {
        self.events.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn push(&self, events: Vec<Fact>) {
        let mut waiting = self.events();
        if waiting.len() + events.len() > HANDED {
            waiting.clear();
        }
        waiting.extend(events);
    }

    /// At most [`EVENTS`] that follow the event `last` without a gap, up to `target` (what is in the spool alone may not
    /// be projected); empty if the next is not here.
    fn after(&self, last: u64, target: u64) -> Vec<Fact> {
        let mut waiting = self.events();
        while waiting.front().is_some_and(|fact| fact.event.seq <= last) {
            waiting.pop_front();
        }
        let mut next = last + 1;
        let mut taken = Vec::new();
        while taken.len() < EVENTS
            && let Some(fact) = waiting.pop_front_if(|fact| fact.event.seq == next && next <= target)
        {
            taken.push(fact);
            next += 1;
        }
        taken
    }
}

impl Projector {
    /// Runs whenever more was journalled, as long as the floor's task lives. The channel tells the last event folded;
    /// it closes when there will be no more.
    pub(crate) fn spawn(
        shared: Arc<Shared>,
        floor: FloorRow,
        mut journalled: watch::Receiver<u64>,
        feed: Arc<Feed>,
    ) -> watch::Receiver<u64> {
        let mut projector = Projector { feed, ..Projector::new(shared.store.clone(), floor) };
        let (folded, projected) = watch::channel(0);
        tokio::spawn(async move {
            let mut behind = false;
            loop {
                let target = *journalled.borrow_and_update();
                while let Err(e) = projector.catch_up(target, shared.clock.now()).await {
                    if !e.is_unavailable() {
                        error!(error = %e, "projections are behind; trying again");
                    } else if !behind {
                        warn!(error = %e, "projections are behind until the database is back");
                    }
                    behind = true;
                    if journalled.has_changed().is_err() {
                        // The floor has ended: what is missing is folded after the next start.
                        return;
                    }
                    tokio::time::sleep(Duration::from_secs(1)).await;
                }
                if std::mem::take(&mut behind) {
                    info!("projections are up to date again");
                }
                folded.send_replace(target);
                if projector.known.as_mut().is_some_and(|(_, known)| known.rows.take_mail()) {
                    shared.mailboxes.changed(&shared.store, projector.floor.tenant_id).await;
                }
                if journalled.changed().await.is_err() {
                    return;
                }
                // A floor that has ended leaves nothing to wait for.
                let _ = tokio::time::timeout(PAUSE, ended(&mut journalled)).await;
            }
        });
        projected
    }

    pub fn new(store: Store, floor: FloorRow) -> Self {
        Self { store, floor, feed: Arc::default(), known: None }
    }

    /// Folds until the event `target` is in.
    pub async fn catch_up(&mut self, target: u64, now: Timestamp) -> Result<(), store::Error> {
        while self.step(target, now).await? {}
        Ok(())
    }

    /// One transaction; false when there is nothing left to do.
    async fn step(&mut self, target: u64, now: Timestamp) -> Result<bool, store::Error> {
        if self.known.as_ref().is_some_and(|(at, _)| at.offset() >= target) {
            return Ok(false);
        }
        // Taken: after an error nothing of it may be used again.
        let (mut tx, mut known) = match self.known.take() {
            Some((position, known)) => (self.store.resume_projection(position).await?, known),
            None => {
                let tx = self.store.begin_projection(self.floor.id).await?;
                let fold = tx.fold().map(serde_json::from_str).transpose();
                let fold = fold.map_err(|e| store::Error::Corrupt { what: "report fold", why: e.to_string() })?;
                (tx, Known { fold: fold.unwrap_or_default(), ..Known::default() })
            }
        };
        if tx.offset() >= target {
            return Ok(false);
        }
        let mut deltas: BTreeMap<RowKey, Measures> = BTreeMap::new();
        let mut last = tx.offset();
        let mut events = self.feed.after(last, target);
        if events.is_empty() {
            for batch in tx.next_batches(BATCHES).await? {
                for (_, event) in batch.events()? {
                    events.push(Fact::new(event)?);
                }
                if events.len() >= EVENTS {
                    break;
                }
            }
        }
        for fact in &events {
            let event = &fact.event;
            if event.seq <= last {
                continue;
            }
            known.fold.apply(event, &mut |key, delta| deltas.entry(key).or_default().add(&delta));
            known.rows.apply(&mut tx, fact).await?;
            last = event.seq;
        }
        if last == tx.offset() {
            return Ok(false);
        }
        known.rows.flush(&mut tx).await?;
        if known.figures.len() > CELLS {
            known.figures.clear();
        }
        let mut intervals = Vec::with_capacity(deltas.len());
        for (key, delta) in &deltas {
            let figures = match known.figures.remove(key) {
                Some(figures) => figures,
                None => stored(&mut tx, key).await?,
            };
            intervals.push(interval(&tx, key, known.figures.entry(*key).or_insert(figures), delta)?);
        }
        tx.put_intervals(&intervals).await?;
        tx.set_fold(
            serde_json::to_string(&known.fold)
                .map_err(|e| store::Error::Corrupt { what: "report fold", why: e.to_string() })?,
        );
        let position = tx.commit(last, now).await?;
        self.known = Some((position, known));
        Ok(true)
    }
}

/// Sample floors get no events, but a new version of the program may fold the old ones into other rows.
pub(crate) async fn fold_samples(shared: Arc<Shared>) {
    let fold = async {
        let floors = shared.store.floors(HostScope::whole_installation().into()).await?;
        for floor in floors.into_iter().filter(|floor| floor.kind == FloorKind::Sample) {
            let last = shared.store.lease(floor.id).await?.last_seq;
            Projector::new(shared.store.clone(), floor).catch_up(last, shared.clock.now()).await?;
        }
        Ok::<_, store::Error>(())
    };
    if let Err(e) = fold.await {
        warn!(error = %e, "the sample history is not in the tables; the next start tries again");
    }
}

/// Returns when the channel is closed.
async fn ended(journalled: &mut watch::Receiver<u64>) {
    let _ = journalled.wait_for(|_| false).await;
}

fn json<T: serde::Serialize>(value: &T) -> Result<serde_json::Value, store::Error> {
    serde_json::to_value(value).map_err(|e| store::Error::Corrupt { what: "projected value", why: e.to_string() })
}

fn subject(key: &RowKey) -> (&'static str, String) {
    let subject = match key.basis {
        Basis::Event => "queue.event",
        Basis::Arrival => "queue.arrival",
    };
    (subject, key.queue.to_string())
}

/// The figures in the table.
async fn stored(tx: &mut Tx, key: &RowKey) -> Result<Measures, store::Error> {
    let (subject, subject_id) = subject(key);
    match tx.interval(subject, &subject_id, key.start).await? {
        Some(row) => serde_json::from_value(row.figures)
            .map_err(|e| store::Error::Corrupt { what: "report figures", why: e.to_string() }),
        None => Ok(Measures::default()),
    }
}

/// The figures with `delta` added, as they are written.
fn interval(tx: &Tx, key: &RowKey, figures: &mut Measures, delta: &Measures) -> Result<IntervalRow, store::Error> {
    figures.add(delta);
    let (subject, subject_id) = subject(key);
    Ok(IntervalRow {
        tenant_id: tx.tenant(),
        floor_id: tx.floor(),
        sample: tx.is_sample(),
        subject: subject.to_owned(),
        subject_id,
        interval_at: key.start,
        interval_ms: INTERVAL_MS.unsigned_abs(),
        figures: json(figures)?,
    })
}
