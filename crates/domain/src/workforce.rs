//! Workforce maths: how busy lines behave and how many agents they need. Pure functions of a demand; used by planning,
//! and by a test that holds the simulator against them.
//!
//! Three models, each with Poisson arrivals and exponential handling times, one line, first in first out:
//!
//! * **Erlang B** (M/M/n/n): no waiting room; the share of calls that find all lines taken.
//!   A. K. Erlang, "Solution of some problems in the theory of probabilities of significance in automatic telephone
//!   exchanges", 1917.
//! * **Erlang C** (M/M/n): callers wait for ever. Same paper; finite only with more agents than Erlangs.
//! * **Erlang A** (M/M/n+M): callers hang up after an exponential patience. C. Palm, "Research on telephone traffic
//!   carried by full availability groups", 1957; O. Garnett, A. Mandelbaum, M. Reiman, "Designing a call center with
//!   impatient customers", M&SOM 4 (3), 2002; formulas as in A. Mandelbaum, S. Zeltyn, "Service engineering in
//!   action: the Palm/Erlang-A queue", 2007.
//!
//! All three are computed in log space from sums without cancellation, so they hold at 10,000 Erlang and beyond, in
//! time proportional to the number of agents. Rates are per second, times are in seconds, shares are 0–1.
mod normal;
mod staffing;

pub use staffing::{Goal, agents_for, delay_by_square_root, square_root_agents};

/// What is asked of a line.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Demand {
    /// Arrivals per second, above 0.
    pub rate: f64,
    /// Mean handling time in seconds (talk, hold and wrap-up), above 0.
    pub handling: f64,
    /// Mean time in seconds after which a caller hangs up, above 0; none if callers never do.
    pub patience: Option<f64>,
}

impl Demand {
    /// Offered load: agents who would be busy if there were enough of them.
    pub fn erlangs(&self) -> f64 {
        self.rate * self.handling
    }
}

/// How a line behaves in the long run, by Erlang C or, with a patience, Erlang A.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Forecast {
    pub demand: Demand,
    pub agents: u32,
    /// Share of callers who find nobody free.
    pub delayed: f64,
    /// Share of callers who hang up before an answer.
    pub abandoned: f64,
    /// Mean wait in seconds of all callers, answered at once, answered late or gone.
    pub mean_wait: f64,
    /// Mean number of callers waiting (Little's law).
    pub waiting: f64,
    /// Share of the agents' time that is spent on calls.
    pub occupancy: f64,
    /// Logarithm of f(0) in [`Forecast::service_level`].
    ln_density: f64,
}

/// Erlang B: the share of calls lost by `agents` lines without a waiting room.
pub fn erlang_b(erlangs: f64, agents: u32) -> f64 {
    ln_erlang_b(erlangs, agents).exp()
}

/// By the recursion 1/B(n) = 1 + (n/a)·1/B(n−1), in logarithms: sums of positive terms only.
fn ln_erlang_b(erlangs: f64, agents: u32) -> f64 {
    if erlangs <= 0.0 {
        return if agents == 0 { 0.0 } else { f64::NEG_INFINITY };
    }
    let ln_a = erlangs.ln();
    -(1..=agents).fold(0.0, |inverse, n| ln_add(0.0, f64::from(n).ln() - ln_a + inverse))
}

/// ln(eˣ + eʸ).
fn ln_add(x: f64, y: f64) -> f64 {
    let (low, high) = if x < y { (x, y) } else { (y, x) };
    if high == f64::NEG_INFINITY { high } else { high + (low - high).exp().ln_1p() }
}

/// The long run of `demand` with that many agents. None if callers wait for ever and there are not more agents than
/// Erlangs (the line grows without end), if there are no agents, or if the demand is not made of positive numbers.
pub fn forecast(demand: Demand, agents: u32) -> Option<Forecast> {
    let positive = |x: f64| x.is_finite() && x > 0.0;
    if agents == 0 || !positive(demand.rate) || !positive(demand.handling) || !demand.patience.is_none_or(positive) {
        return None;
    }
    match demand.patience {
        None => erlang_c(demand, agents),
        Some(patience) => Some(erlang_a(demand, patience, agents)),
    }
}

fn erlang_c(demand: Demand, agents: u32) -> Option<Forecast> {
    let (a, n) = (demand.erlangs(), f64::from(agents));
    if a >= n {
        return None;
    }
    let ln_b = ln_erlang_b(a, agents);
    let rho = a / n;
    // C = B / (1 − ρ·(1 − B)).
    let ln_c = ln_b - (-rho * -ln_b.exp_m1()).ln_1p();
    let spare = n / demand.handling - demand.rate;
    let mean_wait = ln_c.exp() / spare;
    Some(Forecast {
        demand,
        agents,
        delayed: ln_c.exp(),
        abandoned: 0.0,
        mean_wait,
        waiting: mean_wait * demand.rate,
        occupancy: rho,
        ln_density: ln_c + spare.ln(),
    })
}

fn erlang_a(demand: Demand, patience: f64, agents: u32) -> Forecast {
    let (a, n) = (demand.erlangs(), f64::from(agents));
    let ln_b = ln_erlang_b(a, agents);
    // States above n relative to state n: A = Σ yᵏ / ((x+1)…(x+k)), x = nμ/θ, y = λ/θ.
    let (x, y) = (n * patience / demand.handling, demand.rate * patience);
    let ln_sum = ln_series(x, y);
    // P(delayed) = A·B / (1 − B + A·B).
    let ln_free = (-ln_b.exp_m1()).ln();
    let ln_all = ln_add(ln_free, ln_sum + ln_b);
    let ln_delayed = ln_sum + ln_b - ln_all;
    // 1/(ρA) + 1 − 1/ρ of those delayed, but that form cancels.
    let abandoned = ln_delayed.exp() * abandon_given_delay(x, y, ln_sum);
    let mean_wait = abandoned * patience;
    Forecast {
        demand,
        agents,
        delayed: ln_delayed.exp(),
        abandoned,
        mean_wait,
        waiting: mean_wait * demand.rate,
        occupancy: a * (1.0 - abandoned) / n,
        // Who finds the agents busy and nobody waiting is served at the next end of a call: nμ·P(state n).
        ln_density: (n / demand.handling).ln() + ln_b - ln_all,
    }
}

/// ln Σ_{k≥0} yᵏ / ((x+1)…(x+k)).
fn ln_series(x: f64, y: f64) -> f64 {
    let (mut term, mut sum, mut k) = (0.0_f64, 0.0_f64, 0.0);
    // Terms grow until x + k passes y, then fall ever faster; those left out together are below the rounding error.
    loop {
        k += 1.0;
        let ratio = y / (x + k);
        term += ratio.ln();
        sum = ln_add(sum, term);
        if ratio < 1.0 && term - (1.0 - ratio).ln() < sum - 40.0 {
            return sum;
        }
    }
}

/// Mean of k/y over the series' terms: in state n + k callers hang up at rate kθ, of λ who arrive.
fn abandon_given_delay(x: f64, y: f64, ln_sum: f64) -> f64 {
    let (mut term, mut mean, mut k) = (0.0_f64, 0.0_f64, 0.0);
    loop {
        k += 1.0;
        let ratio = y / (x + k);
        term += ratio.ln();
        mean += k / y * (term - ln_sum).exp();
        if ratio < 1.0 && term + (k / (1.0 - ratio)).ln() < ln_sum - 40.0 {
            return mean;
        }
    }
}

impl Forecast {
    /// Share of all callers who are answered within that many seconds.
    ///
    /// The wait a caller of endless patience would have is 0 with probability 1 − `delayed`, and above 0 has the density
    /// f(u) = f(0)·exp(λ·H(u) − nμ·u), H(u) = (1 − e^(−θu))/θ the time he is expected to stay within u (Mandelbaum and
    /// Zeltyn 2005). Answered within t are those whose wait is u ≤ t and who stay that long: e^(−θu)·f(u), summed.
    pub fn service_level(&self, within: f64) -> f64 {
        if within.is_nan() || within < 0.0 {
            return 0.0;
        }
        let (lambda, capacity) = (self.demand.rate, f64::from(self.agents) / self.demand.handling);
        let Some(patience) = self.demand.patience else {
            return 1.0 - self.delayed * (-(capacity - lambda) * within).exp();
        };
        let theta = 1.0 / patience;
        let stays = |u: f64| -(-theta * u).exp_m1() * patience;
        let density = |u: f64| (self.ln_density + lambda * stays(u) - (capacity + theta) * u).exp();
        // Simpson's rule in steps that are short against every rate there is. The density has died out after the wait
        // at which the line would settle, and forty times the width of its fall.
        let rate = lambda + capacity + theta;
        let settled = (patience * (lambda / capacity).ln()).max(0.0);
        let end = within.min(settled + 40.0 / (lambda * theta).sqrt().max(capacity - lambda));
        let steps = ((end * rate / 0.02).ceil() as usize).clamp(64, 4_000_000).next_multiple_of(2);
        let h = end / steps as f64;
        let inner: f64 = (1..steps).map(|i| density(i as f64 * h) * if i % 2 == 1 { 4.0 } else { 2.0 }).sum();
        let late = (density(0.0) + inner + density(end)) * h / 3.0;
        (1.0 - self.delayed + late).clamp(0.0, 1.0)
    }
}
