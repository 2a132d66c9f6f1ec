//! How many agents: exactly, by search, and by the square-root rule that says why it grows as it does.
use super::normal::hazard;
use super::{Demand, Forecast, forecast};

/// Where a search gives up. Each step of it takes time proportional to the agents tried.
const AGENTS_MAX: u32 = 1_000_000;

/// What is wanted of a line; shares are 0–1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Goal {
    /// At least this share of all callers answered within so many seconds.
    ServiceLevel { share: f64, within: f64 },
    /// At most this share finds nobody free.
    Delayed { share: f64 },
    /// At most this share hangs up before an answer.
    Abandoned { share: f64 },
    /// Callers wait at most so many seconds on average.
    MeanWait { seconds: f64 },
}

impl Goal {
    fn is_met(self, f: &Forecast) -> bool {
        match self {
            Goal::ServiceLevel { share, within } => f.service_level(within) >= share,
            Goal::Delayed { share } => f.delayed <= share,
            Goal::Abandoned { share } => f.abandoned <= share,
            Goal::MeanWait { seconds } => f.mean_wait <= seconds,
        }
    }
}

/// The fewest agents that meet the goal: every one of these improves with each agent more. None if it cannot be met by
/// a million, or the demand is not made of positive numbers.
pub fn agents_for(demand: Demand, goal: Goal) -> Option<u32> {
    let met = |n: u32| forecast(demand, n).is_some_and(|f| goal.is_met(&f));
    // The answer is about the load; look there first, then twice as far each time.
    let load = demand.erlangs().min(f64::from(AGENTS_MAX)).max(0.0) as u32;
    let (mut too_few, mut step) = (load, 1);
    if met(load) {
        (too_few, step) = (0, load);
    }
    let mut enough = too_few.saturating_add(step).min(AGENTS_MAX);
    while !met(enough) {
        if enough == AGENTS_MAX {
            return None;
        }
        step = step.saturating_mul(2);
        (too_few, enough) = (enough, too_few.saturating_add(step).min(AGENTS_MAX));
    }
    while enough - too_few > 1 {
        let middle = too_few + (enough - too_few) / 2;
        if met(middle) {
            enough = middle;
        } else {
            too_few = middle;
        }
    }
    Some(enough)
}

/// Square-root staffing: the load and β times its square root. The quality of service is that of β, however large the
/// load: S. Halfin, W. Whitt, "Heavy-traffic limits for queues with many exponential servers", Oper. Res. 29 (3), 1981.
pub fn square_root_agents(erlangs: f64, beta: f64) -> u32 {
    (erlangs + beta * erlangs.max(0.0).sqrt()).ceil().clamp(0.0, f64::from(u32::MAX)) as u32
}

/// What share of callers finds nobody free with square-root staffing, in the limit of a large load. By Halfin and Whitt
/// (β above 0) if callers are endlessly patient; by Garnett, Mandelbaum and Reiman 2002 (any β) if they have a patience,
/// of which `patience_by_handling` is the mean divided by the mean handling time. None where there is no such limit.
pub fn delay_by_square_root(beta: f64, patience_by_handling: Option<f64>) -> Option<f64> {
    match patience_by_handling {
        // α = 1 / (1 + β·Φ(β)/φ(β)).
        None => (beta > 0.0).then(|| 1.0 / (1.0 + beta / hazard(-beta))),
        // α = 1 / (1 + √(θ/μ)·h(β·√(μ/θ)) / h(−β)).
        Some(ratio) => (ratio > 0.0).then(|| {
            let root = ratio.sqrt();
            1.0 / (1.0 + hazard(beta * root) / root / hazard(-beta))
        }),
    }
}
