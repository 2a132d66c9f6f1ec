//! Reports and the formulas behind their numbers.
use domain::report::Measures;
use serde::Serialize;
use utoipa::ToSchema;

use super::common::{AgentRef, Localized, QueueRef};

/// Sums of segments and the ratios computed from them; a ratio is null where its denominator is zero.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, ToSchema)]
pub struct Figures {
    pub offered: u64,
    pub answered: u64,
    pub answered_in_time: u64,
    /// Short abandons included.
    pub abandoned: u64,
    pub short_abandons: u64,
    pub overflowed: u64,
    pub lost: u64,
    pub offers: u64,
    pub offers_missed: u64,
    pub offers_declined: u64,
    pub wait_ms: u64,
    pub abandon_wait_ms: u64,
    pub wait_ms_max: u64,
    pub talk_ms: u64,
    pub hold_ms: u64,
    pub wrap_ms: u64,
    pub handled: u64,
    pub idle_ms: u64,
    /// 0–1.
    pub service_level: Option<f64>,
    /// 0–1.
    pub abandon_rate: Option<f64>,
    /// 0–1.
    pub occupancy: Option<f64>,
    pub asa_ms: Option<u64>,
    pub aht_ms: Option<u64>,
}

/// Ratios come from `domain::report` alone: one formula each, everywhere.
impl From<&Measures> for Figures {
    fn from(m: &Measures) -> Self {
        Self {
            offered: m.offered,
            answered: m.answered,
            answered_in_time: m.answered_in_time,
            abandoned: m.abandoned,
            short_abandons: m.short_abandons,
            overflowed: m.overflowed,
            lost: m.lost,
            offers: m.offers,
            offers_missed: m.offers_missed,
            offers_declined: m.offers_declined,
            wait_ms: m.wait_ms,
            abandon_wait_ms: m.abandon_wait_ms,
            wait_ms_max: m.wait_ms_max,
            talk_ms: m.talk_ms,
            hold_ms: m.hold_ms,
            wrap_ms: m.wrap_ms,
            handled: m.handled,
            idle_ms: m.idle_ms,
            service_level: m.service_level(),
            abandon_rate: m.abandon_rate(),
            occupancy: m.occupancy(),
            asa_ms: m.asa_ms(),
            aht_ms: m.aht_ms(),
        }
    }
}

#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct QueueReport {
    pub from_at: i64,
    pub to_at: i64,
    /// IANA zone in which days begin.
    pub time_zone: String,
    pub rows: Vec<QueueReportRow>,
    pub total: Figures,
}

#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct QueueReportRow {
    pub from_at: i64,
    pub to_at: i64,
    pub queue: QueueRef,
    pub figures: Figures,
}

#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct AgentReport {
    pub from_at: i64,
    pub to_at: i64,
    pub time_zone: String,
    pub rows: Vec<AgentReportRow>,
    pub total: AgentFigures,
}

#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct AgentReportRow {
    pub from_at: i64,
    pub to_at: i64,
    pub agent: AgentRef,
    pub figures: AgentFigures,
}

/// One agent's interval. Offers and work count where the offer was made; idle, break and signed-in time are split at
/// the intervals.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, ToSchema)]
pub struct AgentFigures {
    pub offers: u64,
    pub offers_missed: u64,
    pub offers_declined: u64,
    pub handled: u64,
    pub talk_ms: u64,
    pub hold_ms: u64,
    pub wrap_ms: u64,
    pub idle_ms: u64,
    pub break_ms: u64,
    pub signed_in_ms: u64,
    pub aht_ms: Option<u64>,
    /// 0–1.
    pub occupancy: Option<f64>,
}

/// What a column means and how it is computed, in words.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Formula {
    /// Field name in `Figures`.
    pub metric: String,
    pub name: Localized,
    /// In the field names of `Figures`.
    pub formula: String,
    /// `ms` or `ratio`.
    pub unit: String,
}

#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Formulas {
    pub items: Vec<Formula>,
}
