//! How legs sound.
use domain::id::SegmentId;
use domain::leg;
use serde::Serialize;
use utoipa::ToSchema;

use super::words;

/// How a leg sounded for a while. Losses are percentages of the packets sent.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, ToSchema)]
pub struct Quality {
    /// Mean opinion score of the worse direction, by the E-model (ITU-T G.107): 1 (unusable) to 4.41 (as good as G.711 gets).
    pub mos: f64,
    #[schema(value_type = words::Grade)]
    pub grade: leg::Grade,
    /// Between the person and the server; null when nothing was sent.
    pub lost_in: Option<f64>,
    /// Between the server and the person, as far as the device reports.
    pub lost_out: Option<f64>,
    /// The greater of both directions.
    pub jitter_ms: u16,
    pub round_trip_ms: Option<u16>,
}

impl From<leg::Quality> for Quality {
    fn from(q: leg::Quality) -> Self {
        let percent = |thousandths: u16| f64::from(thousandths) / 10.0;
        Self {
            mos: f64::from(q.mos) / 100.0,
            grade: q.grade(),
            lost_in: q.lost_in.map(percent),
            lost_out: q.lost_out.map(percent),
            jitter_ms: q.jitter_ms,
            round_trip_ms: q.round_trip_ms,
        }
    }
}

/// A leg's whole life.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct LegQuality {
    /// Of the worst slice.
    pub mos_min: f64,
    /// Losses of the whole, mean score, greatest jitter, mean round trip.
    pub whole: Quality,
    /// Length of a slice.
    pub slice_ms: u32,
    /// From the leg's answer on; null where nothing was sent either way.
    pub slices: Vec<Option<Quality>>,
}

impl From<leg::LegQuality> for LegQuality {
    fn from(q: leg::LegQuality) -> Self {
        Self {
            mos_min: f64::from(q.mos_min) / 100.0,
            whole: q.whole.into(),
            slice_ms: q.slice_ms,
            slices: q.slices.into_iter().map(|slice| slice.map(Into::into)).collect(),
        }
    }
}

/// Both ends of a conversation, as they sounded in the last seconds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, ToSchema)]
pub struct CallQuality {
    #[schema(value_type = String)]
    pub segment: SegmentId,
    /// The agent's own leg.
    pub own: Option<Quality>,
    pub customer: Option<Quality>,
}
