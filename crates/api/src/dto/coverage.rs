//! The completeness report: what became of every talked millisecond.
use domain::coverage::Covered;
use domain::id::{InteractionId, SegmentId};
use serde::Serialize;
use utoipa::ToSchema;

use super::common::{AgentRef, QueueRef};

/// Milliseconds of talk by what became of them: `talk_ms` is the sum of those from `recorded_ms` to `erased_ms`.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, ToSchema)]
pub struct CoverageFigures {
    pub talk_ms: u64,
    pub recorded_ms: u64,
    /// Left out because an agent masked it.
    pub masked_ms: u64,
    /// Not recorded because a rule says so.
    pub ruled_out_ms: u64,
    /// On demand, and nobody asked.
    pub not_asked_ms: u64,
    /// Missing: a full disk, an overrun, a pause while the server started anew.
    pub lost_ms: u64,
    /// Missing: the server died, and no file turned up.
    pub crash_ms: u64,
    /// Was recorded, and has been deleted.
    pub erased_ms: u64,
    /// Of `recorded_ms`: not in the store yet.
    pub unstored_ms: u64,
    /// 0–1: of what was to be recorded, how much was; null where nothing was to be.
    pub share: Option<f64>,
}

impl CoverageFigures {
    pub fn new(covered: &Covered, unstored_ms: u64) -> Self {
        let Covered { talk_ms, recorded_ms, masked_ms, ruled_out_ms, not_asked_ms, lost_ms, crash_ms, erased_ms } =
            *covered;
        let share = covered.share();
        Self {
            talk_ms,
            recorded_ms,
            masked_ms,
            ruled_out_ms,
            not_asked_ms,
            lost_ms,
            crash_ms,
            erased_ms,
            unstored_ms,
            share,
        }
    }
}

/// One conversation with a customer.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct CoverageRow {
    #[schema(value_type = String)]
    pub segment: SegmentId,
    #[schema(value_type = String)]
    pub interaction: InteractionId,
    pub from_at: i64,
    /// Null if it was with a device of no agent or with somebody outside.
    pub agent: Option<AgentRef>,
    pub queue: Option<QueueRef>,
    pub sample: bool,
    pub figures: CoverageFigures,
}

#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct CoverageReport {
    pub from_at: i64,
    pub to_at: i64,
    /// Over the whole range, whatever `state` leaves out of the rows.
    pub total: CoverageFigures,
    pub conversations: u64,
    /// Those of which most is missing first, then the newest.
    pub rows: Vec<CoverageRow>,
    pub next_cursor: Option<String>,
}
