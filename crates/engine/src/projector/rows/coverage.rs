//! What became of every talked millisecond (R10): the domain's fold, kept while an interaction lives and its recordings
//! are on their way, and made anew from its timeline if something happens to it later.
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use domain::coverage::Coverage;
use domain::event::{Event, EventBody};
use domain::id::InteractionId;
use store::projection::{CoverageRow, Tx};

use super::Result;

#[derive(Default)]
pub(super) struct Coverages {
    folds: BTreeMap<InteractionId, Coverage>,
    touched: BTreeSet<InteractionId>,
}

/// Whether an event can change it.
fn concerns(body: &EventBody) -> bool {
    matches!(
        body,
        EventBody::InteractionStarted { .. }
            | EventBody::SegmentStarted { .. }
            | EventBody::SegmentStateChanged { .. }
            | EventBody::SegmentEnded { .. }
            | EventBody::RecordingDecided { .. }
            | EventBody::RecordingRequested { .. }
            | EventBody::MaskStarted { .. }
            | EventBody::MaskEnded { .. }
            | EventBody::RecordingEnded { .. }
            | EventBody::RecordingStored { .. }
            | EventBody::RecordingDeleted { .. }
    )
}

impl Coverages {
    pub(super) fn len(&self) -> usize {
        self.folds.len()
    }

    /// `unwritten`: the interaction's events of this transaction before this one, as a JSON array without its end.
    pub(super) async fn apply(
        &mut self,
        tx: &mut Tx,
        interaction: InteractionId,
        event: &Event,
        unwritten: Option<&str>,
    ) -> Result<()> {
        if !concerns(&event.body) {
            return Ok(());
        }
        let fold = match self.folds.entry(interaction) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(place) => place.insert(match &event.body {
                EventBody::InteractionStarted { .. } => Coverage::default(),
                _ => folded(tx, interaction, unwritten).await?,
            }),
        };
        fold.apply(event.at, &event.body);
        self.touched.insert(interaction);
        Ok(())
    }

    /// Writes what was touched. `lives`: of which more is to come.
    pub(super) async fn flush(&mut self, tx: &mut Tx, lives: impl Fn(InteractionId) -> bool) -> Result<()> {
        let mut rows = Vec::new();
        for interaction in std::mem::take(&mut self.touched) {
            let Some(fold) = self.folds.get(&interaction) else { continue };
            for (segment, c) in fold.conversations() {
                let Some(from_at) = c.from else { continue };
                rows.push(CoverageRow {
                    tenant_id: tx.tenant(),
                    segment_id: segment,
                    floor_id: tx.floor(),
                    sample: tx.is_sample(),
                    interaction_id: interaction,
                    agent_id: c.agent,
                    queue_id: c.queue,
                    from_at,
                    talk_ms: c.covered.talk_ms,
                    recorded_ms: c.covered.recorded_ms,
                    masked_ms: c.covered.masked_ms,
                    ruled_out_ms: c.covered.ruled_out_ms,
                    not_asked_ms: c.covered.not_asked_ms,
                    lost_ms: c.covered.lost_ms,
                    crash_ms: c.covered.crash_ms,
                    erased_ms: c.covered.erased_ms,
                    unstored_ms: fold.unstored_ms(segment),
                });
            }
            if fold.is_settled() && !lives(interaction) {
                self.folds.remove(&interaction);
            }
        }
        tx.put_coverage(&rows).await
    }
}

/// From what has happened so far.
async fn folded(tx: &mut Tx, interaction: InteractionId, unwritten: Option<&str>) -> Result<Coverage> {
    let mut fold = Coverage::default();
    let pieces = tx.timeline(interaction).await?.into_iter().map(|row| row.events);
    for piece in pieces.chain(unwritten.map(|events| format!("{events}]"))) {
        let corrupt = |e: &dyn std::fmt::Display| store::Error::Corrupt { what: "timeline", why: e.to_string() };
        let events: Vec<serde_json::Value> = serde_json::from_str(&piece).map_err(|e| corrupt(&e))?;
        for event in events {
            let event = Event::from_json(&event.to_string()).map_err(|e| corrupt(&e))?;
            fold.apply(event.at, &event.body);
        }
    }
    Ok(fold)
}
