//! CPU seconds for 24 simulated hours of a floor of 200 agents, with a perfect network.
//!
//! All signalling is simulated: every SIP message of every call, registration and refresh, parsed and built on both
//! sides, every timer. Of the sound it is one packet of 20 ms in four seconds from each side of each call, and five media
//! ticks in four seconds: who hears whom is known and checked, all of the packets are not made.
use std::fs;

use sim::exchange::{Exchange, Level, Plan};

/// User and system time of this process, in seconds.
fn cpu_seconds() -> Option<f64> {
    let stat = fs::read_to_string("/proc/self/stat").ok()?;
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks: f64 = fields.get(11)?.parse::<f64>().ok()? + fields.get(12)?.parse::<f64>().ok()?;
    // USER_HZ is 100 on every Linux there is.
    Some(ticks / 100.0)
}

fn main() {
    let hours = std::env::args().nth(1).and_then(|a| a.parse().ok()).unwrap_or(24);
    let plan = Plan::ordinary(1, 200, hours, Level::None);
    let outcome = Exchange::play(&plan);
    let (counts, length) = (outcome.counts, outcome.length);
    for violation in &outcome.violations {
        println!("violation: {violation:?}");
    }
    println!("{counts:?} in {length:?}, digest {}", outcome.digest);
    if let Some(cpu) = cpu_seconds() {
        println!("BENCH\tsimulated day of 200 agents\t{cpu:.1}\tCPU s\t60");
        println!("BENCH\tsimulated call\t{:.3}\tCPU ms\t-", cpu * 1000.0 / counts.calls.max(1) as f64);
    }
    if !outcome.violations.is_empty() {
        std::process::exit(1);
    }
}
