//! Relayed G.711 calls with sound both ways: CPU time per packet sent by the server, loss, added delay, memory per call.
use std::time::Duration;

use anyhow::{Result, bail};
use clap::Args;
use serde_json::{Value, json};

use crate::company::{self, Company};
use crate::phones::{Offer, Phones};
use crate::process::{Cpu, Memory, Used};
use crate::report::Report;
use crate::rtp::{Account, Speakers};
use crate::server::Server;

#[derive(Debug, Clone, Args)]
pub struct Options {
    /// Calls up at the same time; several, separated by commas, are measured one after the other
    #[arg(long = "up", value_delimiter = ',', default_values_t = [100, 200, 400])]
    pub up: Vec<usize>,
    /// How long each is measured
    #[arg(long, default_value_t = 8.0)]
    pub seconds: f64,
    /// Record every call, stereo, to disk
    #[arg(long)]
    pub record: bool,
}

/// What so many calls gave.
pub struct Step {
    pub calls: usize,
    pub used: Used,
    /// CPU time of the generator in the same interval.
    pub own: Used,
    pub account: Account,
    pub memory_before: Memory,
    pub memory_up: Memory,
    pub failed: usize,
}

impl Step {
    pub fn us_per_packet(&self) -> f64 {
        self.used.per(self.account.received)
    }

    pub fn kib_per_call(&self) -> f64 {
        self.memory_up.rss_kib.saturating_sub(self.memory_before.rss_kib) as f64 / self.calls.max(1) as f64
    }

    fn line(&self) -> String {
        let a = &self.account;
        let threads: Vec<String> = self
            .used
            .threads
            .iter()
            .take(4)
            .map(|(name, us)| format!("{name} {:.2}", *us as f64 / a.received.max(1) as f64))
            .collect();
        format!(
            "{:>4} calls: {:.2} µs CPU per packet out ({}); {} sent, {} lost, {} misrouted, {} changed; added delay {} µs \
             (p50), {} µs (p99); {:.0} KiB a call; {} calls failed; generator {:.2} µs a packet, late {} µs at most",
            self.calls,
            self.us_per_packet(),
            threads.join(", "),
            a.sent,
            a.lost(),
            a.misrouted,
            a.changed,
            a.delay_us(50.0),
            a.delay_us(99.0),
            self.kib_per_call(),
            self.failed,
            self.own.per(a.received),
            a.own_lateness_us,
        )
    }

    fn to_json(&self) -> Value {
        json!({
            "calls": self.calls, "us_per_packet": self.us_per_packet(), "cpu": self.used.to_json(self.account.received),
            "generator_us_per_packet": self.own.per(self.account.received), "packets": self.account.to_json(),
            "kib_per_call": self.kib_per_call(), "memory_before": self.memory_before.to_json(),
            "memory_up": self.memory_up.to_json(), "failed": self.failed,
        })
    }
}

pub fn run(server: &Server, options: &Options) -> Result<Report> {
    let speakers = Speakers::start()?;
    let mut phones = Phones::new(server.sip)?;
    phones.ports = speakers.ports.clone();
    phones.media = Some(speakers.news());
    let most = options.up.iter().copied().max().unwrap_or(1);
    let plan = company::Plan { agents: most, record: options.record };
    let company = company::open(&server.api()?, &mut phones, plan)?;
    // What is made once is not the first call's.
    step(server, &mut phones, &speakers, &company, 10.min(most), 1.0)?;
    let mut steps = Vec::new();
    for calls in &options.up {
        steps.push(step(server, &mut phones, &speakers, &company, *calls, options.seconds)?);
    }
    let is_good = steps.iter().all(|s| s.failed == 0 && s.account.misrouted == 0 && s.account.received > 0);
    let json = json!({
        "scenario": "media", "record": options.record, "seconds": options.seconds,
        "steps": steps.iter().map(Step::to_json).collect::<Vec<_>>(),
    });
    Ok(Report { lines: steps.iter().map(Step::line).collect(), json, is_good })
}

/// So many calls up, measured while all of them speak, then ended.
fn step(
    server: &Server,
    phones: &mut Phones,
    speakers: &Speakers,
    company: &Company,
    calls: usize,
    seconds: f64,
) -> Result<Step> {
    let memory_before = server.memory()?;
    let mut offer = Offer::new(&company.number, calls, 50.0);
    offer.talk = None;
    let group = phones.offer(offer);
    let connected = |p: &Phones| p.ledger.of(group).filter(|r| r.connected.is_some()).count();
    let limit = Duration::from_secs_f64(calls as f64 / 50.0 + 30.0);
    if !phones.run_until(limit, |p| p.up(group) == calls && connected(p) == calls)? {
        bail!("only {} of {calls} calls came up: {:?}", connected(phones), phones.ledger.summary(group).failures);
    }
    phones.run_for(Duration::from_secs(2))?;
    let memory_up = server.memory()?;
    let own_pid = std::process::id();
    speakers.count(true);
    let (before, own_before) = (server.cpu()?, Cpu::of(own_pid)?);
    phones.run_for(Duration::from_secs_f64(seconds))?;
    let (used, own) = (server.used_since(&before)?, Cpu::of(own_pid)?.since(&own_before));
    speakers.count(false);
    // What is under way arrives.
    phones.run_for(Duration::from_millis(300))?;
    let account = speakers.account()?;
    phones.hang_up(group);
    phones.run_until(Duration::from_secs(40), |p| p.unfinished(group) == 0)?;
    let failed = phones.ledger.summary(group).failed();
    phones.run_for(Duration::from_millis(500))?;
    Ok(Step { calls, used, own, account, memory_before, memory_up, failed })
}
