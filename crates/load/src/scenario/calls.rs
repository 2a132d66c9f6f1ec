//! Queued calls through auto-answering SIP devices, no sound sent: CPU time per call, failures, highest rate carried.
use std::time::Duration;

use anyhow::Result;
use clap::Args;
use serde_json::{Value, json};

use crate::company::{self, Company};
use crate::ledger::Summary;
use crate::phones::{Offer, Phones};
use crate::process::Used;
use crate::report::Report;
use crate::server::Server;

#[derive(Debug, Clone, Args)]
pub struct Options {
    /// Calls a second; several, separated by commas, are tried one after the other
    #[arg(long, value_delimiter = ',', default_values_t = [50.0, 200.0, 500.0])]
    pub rate: Vec<f64>,
    /// How long each rate lasts
    #[arg(long, default_value_t = 10.0)]
    pub seconds: f64,
    /// Calls at each rate, instead of --seconds
    #[arg(long)]
    pub calls: Option<usize>,
    /// From connection to hang-up
    #[arg(long, default_value_t = 100)]
    pub talk_ms: u64,
    #[arg(long, default_value_t = 200)]
    pub agents: usize,
    /// Record the calls
    #[arg(long)]
    pub record: bool,
    /// Also look for the highest rate without a failure
    #[arg(long)]
    pub search: bool,
    /// Write the ledger of all calls into this file
    #[arg(long, value_name = "FILE")]
    pub ledger: Option<std::path::PathBuf>,
}

/// What one rate gave.
pub struct Step {
    pub rate: f64,
    pub summary: Summary,
    pub used: Used,
    pub retransmissions: u64,
}

impl Step {
    /// No failure, and nobody waited longer than a second.
    pub fn is_carried(&self) -> bool {
        self.summary.failed() == 0 && self.summary.setup_p99 < Duration::from_secs(1)
    }

    pub fn ms_per_call(&self) -> f64 {
        self.used.per(self.summary.placed as u64) / 1000.0
    }

    fn line(&self) -> String {
        let s = &self.summary;
        let threads: Vec<String> = self
            .used
            .threads
            .iter()
            .take(6)
            .map(|(name, us)| format!("{name} {:.3}", *us as f64 / 1000.0 / s.placed.max(1) as f64))
            .collect();
        format!(
            "{:>6.0} calls/s: {:.3} ms CPU per call ({}); {} placed, {} failed {:?}; connected after {:.0} ms (p50), \
             {:.0} ms (p99); {} repeats",
            self.rate,
            self.ms_per_call(),
            threads.join(", "),
            s.placed,
            s.failed(),
            s.failures,
            s.setup_p50.as_secs_f64() * 1000.0,
            s.setup_p99.as_secs_f64() * 1000.0,
            self.retransmissions,
        )
    }

    fn to_json(&self) -> Value {
        json!({
            "rate": self.rate, "calls": self.summary.to_json(), "ms_per_call": self.ms_per_call(),
            "cpu": self.used.to_json(self.summary.placed as u64), "retransmissions": self.retransmissions,
            "carried": self.is_carried(),
        })
    }
}

pub fn run(server: &Server, options: &Options) -> Result<Report> {
    let mut phones = Phones::new(server.sip)?;
    let plan = company::Plan { agents: options.agents, record: options.record };
    let company = company::open(&server.api()?, &mut phones, plan)?;
    // The first calls pay for what is made once.
    step(server, &mut phones, &company, 20.0, 20, options.talk_ms)?;
    let mut steps = Vec::new();
    for rate in &options.rate {
        let count = options.calls.unwrap_or((rate * options.seconds) as usize).max(1);
        steps.push(step(server, &mut phones, &company, *rate, count, options.talk_ms)?);
    }
    let mut highest = steps.iter().filter(|s| s.is_carried()).map(|s| s.rate).fold(0.0, f64::max);
    if options.search {
        let found = search(server, &mut phones, &company, options, highest.max(50.0))?;
        highest = found.iter().filter(|s| s.is_carried()).map(|s| s.rate).fold(highest, f64::max);
        steps.extend(found);
    }
    if let Some(file) = &options.ledger {
        std::fs::write(file, phones.ledger.to_json().to_string())?;
    }
    let mut lines: Vec<String> = steps.iter().map(Step::line).collect();
    if options.search {
        lines.push(format!("highest rate without a failure: {highest:.0} calls/s"));
    }
    let failed: usize = steps.iter().filter(|s| options.rate.contains(&s.rate)).map(|s| s.summary.failed()).sum();
    let json = json!({
        "scenario": "calls", "agents": options.agents, "talk_ms": options.talk_ms, "record": options.record,
        "steps": steps.iter().map(Step::to_json).collect::<Vec<_>>(), "highest_rate": highest,
    });
    Ok(Report { lines, json, is_good: failed == 0 })
}

/// Up by a quarter until it fails, then once half-way back.
fn search(server: &Server, phones: &mut Phones, company: &Company, options: &Options, from: f64) -> Result<Vec<Step>> {
    let mut steps = Vec::new();
    let (mut good, mut rate) = (from, from * 1.25);
    for _ in 0..16 {
        let step = step(server, phones, company, rate, (rate * options.seconds) as usize, options.talk_ms)?;
        let carried = step.is_carried();
        steps.push(step);
        if !carried {
            break;
        }
        good = rate;
        rate *= 1.25;
    }
    let half_way = (good + rate) / 2.0;
    steps.push(step(server, phones, company, half_way, (half_way * options.seconds) as usize, options.talk_ms)?);
    Ok(steps)
}

/// Calls at one rate, from the first INVITE until the last leg has ended.
pub fn step(
    server: &Server,
    phones: &mut Phones,
    company: &Company,
    rate: f64,
    count: usize,
    talk_ms: u64,
) -> Result<Step> {
    let before = server.cpu()?;
    let repeats = phones.ledger.retransmissions;
    let mut offer = Offer::new(&company.number, count, rate);
    offer.talk = Some(Duration::from_millis(talk_ms));
    let group = phones.offer(offer);
    let limit = Duration::from_secs_f64(count as f64 / rate + 60.0);
    if !phones.run_until(limit, |p| p.unfinished(group) == 0)? {
        phones.hang_up(group);
        phones.run_until(Duration::from_secs(40), |p| p.unfinished(group) == 0)?;
    }
    // What the server still does with them: records, reports.
    phones.run_for(Duration::from_millis(500))?;
    Ok(Step {
        rate,
        used: server.used_since(&before)?,
        summary: phones.ledger.summary(group),
        retransmissions: phones.ledger.retransmissions - repeats,
    })
}
