//! Workforce maths against published values, identities, a birth–death chain solved in another way, and large loads.
use domain::workforce::*;

fn near(a: f64, b: f64, tolerance: f64) -> bool {
    (a - b).abs() <= tolerance
}

fn demand(rate: f64, handling: f64, patience: Option<f64>) -> Demand {
    Demand { rate, handling, patience }
}

#[test]
fn erlang_b_is_as_in_the_tables() {
    // Erlang loss tables, four digits.
    for (erlangs, lines, lost) in
        [(1.0, 1, 0.5), (1.0, 2, 0.2), (5.0, 5, 0.2849), (10.0, 10, 0.2146), (100.0, 100, 0.0757), (5.0, 10, 0.0184)]
    {
        assert!(near(erlang_b(erlangs, lines), lost, 0.00005), "B({erlangs}, {lines}) = {}", erlang_b(erlangs, lines));
    }
}

#[test]
fn erlang_c_is_as_in_the_textbook_example() {
    // 200 calls an hour of 180 s, the example of many introductions: 10 Erlang, 14 agents.
    let f = forecast(demand(200.0 / 3600.0, 180.0, None), 14).expect("it is stable");
    assert!(near(f.delayed, 0.174, 0.0005), "{f:?}");
    assert!(near(f.service_level(20.0), 0.888, 0.0005), "{}", f.service_level(20.0));
    assert!(near(f.mean_wait, 7.8, 0.05), "{f:?}");
    let f = forecast(demand(200.0 / 3600.0, 180.0, None), 11).expect("it is stable");
    assert!(near(f.delayed, 0.682, 0.0005), "{f:?}");
    assert_eq!(forecast(demand(200.0 / 3600.0, 180.0, None), 10), None, "the line grows without end");
}

/// Garnett, Mandelbaum, Reiman 2002, table 1: 48 calls a minute of one minute, 50 agents, without and with a patience of
/// two minutes.
#[test]
fn erlang_a_is_as_in_garnett_mandelbaum_and_reiman() {
    let c = forecast(demand(48.0 / 60.0, 60.0, None), 50).expect("it is stable");
    assert!(near(c.mean_wait, 20.8, 0.05) && near(c.waiting, 17.0, 0.5) && near(c.occupancy, 0.96, 0.005), "{c:?}");
    let a = forecast(demand(48.0 / 60.0, 60.0, Some(120.0)), 50).expect("always");
    assert!(near(a.abandoned, 0.031, 0.0005), "{a:?}");
    assert!(near(a.mean_wait, 3.7, 0.05) && near(a.waiting, 3.0, 0.5) && near(a.occupancy, 0.93, 0.005), "{a:?}");
}

/// The chain itself: states by the balance of flows, without logarithms; waits by integrating how a caller with k before
/// him moves up.
struct Chain {
    delayed: f64,
    abandoned: f64,
    mean_wait: f64,
    service_level: f64,
}

fn chain(d: Demand, agents: usize, within: f64) -> Chain {
    let (mu, theta) = (1.0 / d.handling, d.patience.map_or(0.0, |p| 1.0 / p));
    let states = agents + 3_000;
    let leaving = |j: usize| j.min(agents) as f64 * mu + j.saturating_sub(agents) as f64 * theta;
    let mut p = vec![1.0_f64];
    for j in 1..states {
        p.push(p[j - 1] * d.rate / leaving(j));
    }
    let total: f64 = p.iter().sum();
    p.iter_mut().for_each(|x| *x /= total);
    let queue: f64 = (agents..states).map(|j| (j - agents) as f64 * p[j]).sum();
    // q[k]: served within the time integrated so far, with k callers before him; Runge and Kutta's fourth order.
    let depth = 400;
    let capacity = agents as f64 * mu;
    let slope = |q: &[f64]| -> Vec<f64> {
        (0..depth)
            .map(|k| {
                let before = if k == 0 { 1.0 } else { q[k - 1] };
                (capacity + k as f64 * theta) * (before - q[k]) - theta * q[k]
            })
            .collect()
    };
    let steps = (within * (capacity + depth as f64 * theta) * 8.0).ceil() as usize + 1;
    let h = within / steps as f64;
    let mut q = vec![0.0; depth];
    let plus = |q: &[f64], s: &[f64], h: f64| q.iter().zip(s).map(|(q, s)| q + s * h).collect::<Vec<_>>();
    for _ in 0..steps {
        let a = slope(&q);
        let b = slope(&plus(&q, &a, h / 2.0));
        let c = slope(&plus(&q, &b, h / 2.0));
        let e = slope(&plus(&q, &c, h));
        q = (0..depth).map(|k| q[k] + h / 6.0 * (a[k] + 2.0 * b[k] + 2.0 * c[k] + e[k])).collect();
    }
    let at_once: f64 = p[..agents].iter().sum();
    Chain {
        delayed: p[agents..].iter().sum(),
        abandoned: queue * theta / d.rate,
        mean_wait: queue / d.rate,
        service_level: at_once + (0..depth).map(|k| p[agents + k] * q[k]).sum::<f64>(),
    }
}

#[test]
fn formulas_agree_with_the_birth_and_death_chain_solved_directly() {
    for (rate, patience, agents) in [
        (0.02, None, 5),
        (0.02, Some(60.0), 5),
        (0.05, Some(30.0), 8),
        (0.05, Some(600.0), 4),
        (0.15, Some(90.0), 30),
        (0.16, None, 32),
        (0.001, Some(10.0), 1),
    ] {
        let d = demand(rate, 180.0, patience);
        let f = forecast(d, agents).expect("it is stable");
        let c = chain(d, agents as usize, 20.0);
        assert!(near(f.delayed, c.delayed, 1e-9), "{d:?} {} {}", f.delayed, c.delayed);
        assert!(near(f.abandoned, c.abandoned, 1e-9), "{d:?} {} {}", f.abandoned, c.abandoned);
        assert!(near(f.mean_wait, c.mean_wait, 1e-6), "{d:?} {} {}", f.mean_wait, c.mean_wait);
        assert!(
            near(f.service_level(20.0), c.service_level, 1e-6),
            "{d:?} {} {}",
            f.service_level(20.0),
            c.service_level
        );
    }
}

#[test]
fn identities_hold() {
    let d = demand(0.5, 200.0, Some(150.0));
    for agents in [60, 95, 100, 130] {
        let f = forecast(d, agents).expect("always");
        // The known closed form of P(abandon | delayed), by way of rates: arrivals = served + gone.
        let served = f.occupancy * f64::from(agents) / d.handling;
        assert!(near(served + f.abandoned * d.rate, d.rate, 1e-9), "{f:?}");
        // Answered within no time: who is not delayed. Within endless time: who does not hang up.
        assert!(near(f.service_level(0.0), 1.0 - f.delayed, 1e-9), "{f:?} {}", f.service_level(0.0));
        assert!(near(f.service_level(1e5), 1.0 - f.abandoned, 1e-7), "{f:?} {}", f.service_level(1e5));
    }
    // Handling and patience alike: the number present is Poisson (M/M/∞).
    let f = forecast(demand(0.04, 100.0, Some(100.0)), 6).expect("always");
    let poisson = |k: i32| (-4.0_f64).exp() * 4.0_f64.powi(k) / (1..=k).map(f64::from).product::<f64>();
    assert!(near(f.delayed, 1.0 - (0..6).map(poisson).sum::<f64>(), 1e-12), "{f:?}");
    // An endless patience is Erlang C; none at all is Erlang B.
    let patient = forecast(demand(0.05, 180.0, Some(1e9)), 12).expect("always");
    let c = forecast(demand(0.05, 180.0, None), 12).expect("it is stable");
    assert!(near(patient.delayed, c.delayed, 1e-5) && near(patient.mean_wait, c.mean_wait, 1e-2));
    assert!(near(patient.service_level(20.0), c.service_level(20.0), 1e-5));
    let hasty = forecast(demand(0.05, 180.0, Some(1e-6)), 12).expect("always");
    assert!(near(hasty.abandoned, erlang_b(9.0, 12), 1e-5));
}

#[test]
fn large_loads_are_stable_and_meet_their_limits() {
    let d = demand(10_000.0 / 300.0, 300.0, None);
    for beta in [0.25, 0.5, 1.0, 2.0] {
        let limit = delay_by_square_root(beta, None).expect("beta is positive");
        let f = forecast(d, square_root_agents(10_000.0, beta)).expect("it is stable");
        assert!(near(f.delayed, limit, 0.01), "β {beta}: {} against {limit}", f.delayed);
    }
    let d = Demand { patience: Some(150.0), ..d };
    for beta in [-1.0, 0.0, 1.0] {
        let limit = delay_by_square_root(beta, Some(0.5)).expect("there is one");
        let f = forecast(d, square_root_agents(10_000.0, beta)).expect("always");
        assert!(near(f.delayed, limit, 0.01), "β {beta}: {} against {limit}", f.delayed);
        let fluid = f.service_level(20.0);
        assert!((0.0..=1.0).contains(&fluid) && fluid + f.abandoned <= 1.0 + 1e-9, "{fluid}");
    }
    // Half the agents: half the callers leave, none is served at once, nothing overflows.
    let f = forecast(d, 5_000).expect("always");
    assert!(near(f.abandoned, 0.5, 1e-9) && near(f.delayed, 1.0, 1e-12) && f.service_level(20.0) < 1e-9, "{f:?}");
    assert!(f.service_level(1e4) > 0.499, "{}", f.service_level(1e4));
    // Far more than needed.
    let f = forecast(d, 20_000).expect("always");
    assert!(f.delayed >= 0.0 && f.delayed < 1e-300 && near(f.service_level(0.0), 1.0, 1e-12));
    assert!(near(erlang_b(10_000.0, 10_000), 0.0079, 0.0001), "{}", erlang_b(10_000.0, 10_000));
    assert_eq!(erlang_b(10_000.0, 0), 1.0);
}

#[test]
fn the_search_finds_the_fewest_agents() {
    for (d, goal) in [
        (demand(200.0 / 3600.0, 180.0, None), Goal::ServiceLevel { share: 0.8, within: 20.0 }),
        (demand(200.0 / 3600.0, 180.0, Some(60.0)), Goal::ServiceLevel { share: 0.8, within: 20.0 }),
        (demand(2.0, 240.0, Some(90.0)), Goal::Abandoned { share: 0.02 }),
        (demand(2.0, 240.0, None), Goal::MeanWait { seconds: 5.0 }),
        (demand(0.0001, 100.0, None), Goal::Delayed { share: 0.5 }),
        // Easily met with fewer agents than Erlangs.
        (demand(2.0, 240.0, Some(90.0)), Goal::Abandoned { share: 0.4 }),
    ] {
        let n = agents_for(d, goal).expect("it can be met");
        let met = |n| {
            forecast(d, n).is_some_and(|f| match goal {
                Goal::ServiceLevel { share, within } => f.service_level(within) >= share,
                Goal::Delayed { share } => f.delayed <= share,
                Goal::Abandoned { share } => f.abandoned <= share,
                Goal::MeanWait { seconds } => f.mean_wait <= seconds,
            })
        };
        assert!(met(n) && !met(n - 1), "{goal:?}: {n}");
    }
    // 10 Erlang, 80 % in 20 s: 14 agents, as in the textbook example above.
    let d = demand(200.0 / 3600.0, 180.0, None);
    assert_eq!(agents_for(d, Goal::ServiceLevel { share: 0.8, within: 20.0 }), Some(14));
    assert_eq!(agents_for(d, Goal::ServiceLevel { share: 1.1, within: 20.0 }), None);
    assert_eq!(agents_for(demand(-1.0, 180.0, None), Goal::Delayed { share: 0.1 }), None);
    assert_eq!(forecast(demand(f64::NAN, 180.0, None), 3), None);
}
