//! Folds a floor's journal into the tables that lists and reports read. The only writer of those tables.
//!
//! Each transaction reads some batches after the offset, writes rows and advances the offset, so a crash repeats or
//! loses nothing; `cordboard rebuild-projections` resets the tables and lets this run from the first event.
mod rows;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use domain::event::Event;
use domain::report::{Basis, Fold, INTERVAL_MS, Measures, RowKey};
use domain::time::Timestamp;
use store::projection::{IntervalRow, Tx};
use store::{FloorRow, Store};
use tokio::sync::watch;
use tracing::error;

use crate::engine::Shared;
use rows::Rows;

/// Journal batches folded in one transaction: on SQLite it holds the only writer.
const BATCHES: u32 = 16;

pub struct Projector {
    store: Store,
    floor: FloorRow,
    /// The report fold and the offset it stands at.
    fold: Option<(u64, Fold)>,
}

impl Projector {
    /// Runs whenever more became durable, as long as the floor's task lives. The channel tells the last event folded;
    /// it closes when there will be no more.
    pub(crate) fn spawn(
        shared: Arc<Shared>,
        floor: FloorRow,
        mut durable: watch::Receiver<u64>,
    ) -> watch::Receiver<u64> {
        let mut projector = Projector::new(shared.store.clone(), floor);
        let (folded, projected) = watch::channel(0);
        tokio::spawn(async move {
            loop {
                let target = *durable.borrow_and_update();
                while let Err(e) = projector.catch_up(target, shared.clock.now()).await {
                    error!(error = %e, "projections are behind; trying again");
                    if durable.has_changed().is_err() {
                        // The floor has ended: what is missing is folded after the next start.
                        return;
                    }
                    tokio::time::sleep(Duration::from_secs(1)).await;
                }
                folded.send_replace(target);
                if durable.changed().await.is_err() {
                    return;
                }
            }
        });
        projected
    }

    pub fn new(store: Store, floor: FloorRow) -> Self {
        Self { store, floor, fold: None }
    }

    /// Folds until the event `target` is in.
    pub async fn catch_up(&mut self, target: u64, now: Timestamp) -> Result<(), store::Error> {
        while self.step(target, now).await? {}
        Ok(())
    }

    /// One transaction; false when there is nothing left to do.
    async fn step(&mut self, target: u64, now: Timestamp) -> Result<bool, store::Error> {
        let mut tx = self.store.begin_projection(self.floor.id).await?;
        if tx.offset() >= target {
            return Ok(false);
        }
        let batches = tx.next_batches(BATCHES).await?;
        let mut fold = match self.fold.take() {
            Some((at, fold)) if at == tx.offset() => fold,
            _ => match tx.fold() {
                Some(text) => serde_json::from_str(text)
                    .map_err(|e| store::Error::Corrupt { what: "report fold", why: e.to_string() })?,
                None => Fold::default(),
            },
        };
        let mut rows = Rows::default();
        let mut figures: BTreeMap<RowKey, Measures> = BTreeMap::new();
        let mut last = tx.offset();
        for batch in &batches {
            for (seq, event) in batch.events::<Event>()? {
                if seq <= last {
                    continue;
                }
                fold.apply(&event, &mut |key, delta| figures.entry(key).or_default().add(&delta));
                rows.apply(&mut tx, &event).await?;
                last = seq;
            }
        }
        if last == tx.offset() {
            return Ok(false);
        }
        rows.flush(&mut tx).await?;
        for (key, delta) in &figures {
            add_interval(&mut tx, key, delta).await?;
        }
        tx.set_fold(json(&fold)?.to_string());
        tx.commit(last, now).await?;
        self.fold = Some((last, fold));
        Ok(true)
    }
}

fn json<T: serde::Serialize>(value: &T) -> Result<serde_json::Value, store::Error> {
    serde_json::to_value(value).map_err(|e| store::Error::Corrupt { what: "projected value", why: e.to_string() })
}

async fn add_interval(tx: &mut Tx, key: &RowKey, delta: &Measures) -> Result<(), store::Error> {
    let subject = match key.basis {
        Basis::Event => "queue.event",
        Basis::Arrival => "queue.arrival",
    };
    let subject_id = key.queue.to_string();
    let mut figures = match tx.interval(subject, &subject_id, key.start).await? {
        Some(row) => serde_json::from_value(row.figures)
            .map_err(|e| store::Error::Corrupt { what: "report figures", why: e.to_string() })?,
        None => Measures::default(),
    };
    figures.add(delta);
    let row = IntervalRow {
        tenant_id: tx.tenant(),
        floor_id: tx.floor(),
        sample: tx.is_sample(),
        subject: subject.to_owned(),
        subject_id,
        interval_at: key.start,
        interval_ms: INTERVAL_MS.unsigned_abs(),
        figures: json(&figures)?,
    };
    tx.put_interval(&row).await
}
