//! Does a call cost the same however many are up, and does memory come back after a burst? Two curves, drawn as pictures.
//!
//! Calls that are up cost something by themselves: their phones send no sound here, so the server keeps both sides of each
//! alive with silence, 100 packets a second a call. That is measured with nothing coming or going, before and after each
//! step, and taken from what the step used; both figures are told.
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use clap::Args;
use serde_json::{Value, json};

use super::calls;
use crate::company::{self, Company};
use crate::phones::{Offer, Phones};
use crate::process::Memory;
use crate::report::Report;
use crate::server::Server;
use crate::svg::{Chart, Series};

#[derive(Debug, Clone, Args)]
pub struct Options {
    /// Calls up while others come and go
    #[arg(long = "up", value_delimiter = ',', default_values_t = [10, 100, 300, 1000])]
    pub up: Vec<usize>,
    /// Calls a second that come and go
    #[arg(long, default_value_t = 50.0)]
    pub rate: f64,
    /// How many of them are measured at each level
    #[arg(long, default_value_t = 400)]
    pub calls: usize,
    /// Bursts of the highest number of calls, memory watched
    #[arg(long, default_value_t = 3)]
    pub bursts: usize,
    /// Draw the curves into this directory
    #[arg(long, value_name = "DIR")]
    pub pictures: Option<PathBuf>,
}

/// Agents for those that come and go. The sample company has 2,000 seats.
const SPARE: usize = 40;
/// Calls set up or ended a second when only their number matters.
const RAMP: f64 = 100.0;
const SAMPLE_EVERY: Duration = Duration::from_millis(250);
/// How long the calls that are up are watched with nothing coming or going, each time.
const STANDING: Duration = Duration::from_secs(4);

/// One level of calls up.
struct Point {
    up: usize,
    step: calls::Step,
    /// From the first INVITE of the step until its last leg had ended and was written.
    took: Duration,
    /// CPU time of the calls that are up while nothing else goes on: microseconds a second, before and after the step.
    standing: [f64; 2],
}

impl Point {
    fn standing_us_per_second(&self) -> f64 {
        (self.standing[0] + self.standing[1]) / 2.0
    }

    /// What one call that comes and goes adds.
    fn ms_per_call(&self) -> f64 {
        let standing = self.standing_us_per_second() * self.took.as_secs_f64();
        (self.step.used.total_us as f64 - standing) / 1000.0 / self.step.summary.placed.max(1) as f64
    }

    fn line(&self) -> String {
        let placed = self.step.summary.placed.max(1) as f64;
        let threads: Vec<String> = self
            .step
            .used
            .threads
            .iter()
            .take(5)
            .map(|(n, us)| format!("{n} {:.2}", *us as f64 / 1000.0 / placed))
            .collect();
        format!(
            "{:>5} up: {:.3} ms CPU per call, {} failed; with what is up {:.3} ms ({}); what is up alone: {:.1} and {:.1} % of a core",
            self.up,
            self.ms_per_call(),
            self.step.summary.failed(),
            self.step.ms_per_call(),
            threads.join(", "),
            self.standing[0] / 10_000.0,
            self.standing[1] / 10_000.0,
        )
    }

    fn to_json(&self) -> Value {
        json!({
            "up": self.up, "ms_per_call": self.ms_per_call(), "ms_per_call_with_standing": self.step.ms_per_call(),
            "standing_us_per_second": self.standing, "seconds": self.took.as_secs_f64(),
            "cpu": self.step.used.to_json(self.step.summary.placed as u64), "calls": self.step.summary.to_json(),
        })
    }
}

/// Microseconds of CPU time a second.
fn standing(server: &Server, phones: &mut Phones) -> Result<f64> {
    let (before, begin) = (server.cpu()?, Instant::now());
    phones.run_for(STANDING)?;
    let took = begin.elapsed().as_secs_f64();
    Ok(server.used_since(&before)?.total_us as f64 / took)
}

pub fn run(server: &Server, options: &Options) -> Result<Report> {
    let most = options.up.iter().copied().max().unwrap_or(10);
    let mut phones = Phones::new(server.sip)?;
    let agents = most + SPARE;
    let plan = company::Plan { agents, record: false };
    let company = company::open(&server.api()?, &mut phones, plan)?;
    calls::step(server, &mut phones, &company, 20.0, 40, 100)?;

    let mut levels = Vec::new();
    for up in &options.up {
        let held = hold(&mut phones, &company, *up)?;
        phones.run_for(Duration::from_secs(1))?;
        let before = standing(server, &mut phones)?;
        let begin = Instant::now();
        let step = calls::step(server, &mut phones, &company, options.rate, options.calls, 100)?;
        let took = begin.elapsed();
        let after = standing(server, &mut phones)?;
        levels.push(Point { up: *up, step, took, standing: [before, after] });
        phones.hang_up(held);
        phones.run_until(Duration::from_secs(60), |p| p.unfinished(held) == 0)?;
        phones.run_for(Duration::from_secs(1))?;
    }
    let memory = bursts(server, &mut phones, &company, most, options.bursts)?;

    let failed: usize = levels.iter().map(|p| p.step.summary.failed()).sum();
    let mut lines: Vec<String> = levels.iter().map(Point::line).collect();
    lines.extend(memory.lines());
    if let Some(dir) = &options.pictures {
        std::fs::create_dir_all(dir)?;
        std::fs::write(dir.join("cost-per-call.svg"), cost_chart(&levels).to_svg())?;
        std::fs::write(dir.join("memory-burst.svg"), memory.chart().to_svg())?;
    }
    let json = json!({
        "scenario": "flat", "rate": options.rate,
        "levels": levels.iter().map(Point::to_json).collect::<Vec<_>>(),
        "memory": memory.to_json(),
    });
    Ok(Report { lines, json, is_good: failed == 0 })
}

/// So many calls that stay.
fn hold(phones: &mut Phones, company: &Company, count: usize) -> Result<usize> {
    let mut offer = Offer::new(&company.number, count, RAMP);
    offer.talk = None;
    let group = phones.offer(offer);
    let connected = |p: &Phones| p.ledger.of(group).filter(|r| r.connected.is_some()).count();
    let limit = Duration::from_secs_f64(count as f64 / RAMP + 30.0);
    if !phones.run_until(limit, |p| p.up(group) == count && connected(p) == count)? {
        bail!("only {} of {count} calls came up: {:?}", connected(phones), phones.ledger.summary(group).failures);
    }
    Ok(group)
}

/// Memory over time.
struct Bursts {
    calls: usize,
    start: Memory,
    /// At the height of each burst and ten seconds after it.
    rounds: Vec<(Memory, Memory)>,
    /// Seconds, MiB, calls up.
    samples: Vec<(f64, f64, usize)>,
}

fn bursts(server: &Server, phones: &mut Phones, company: &Company, calls: usize, count: usize) -> Result<Bursts> {
    phones.run_for(Duration::from_secs(5))?;
    let begin = Instant::now();
    let mut out = Bursts { calls, start: server.memory()?, rounds: Vec::new(), samples: Vec::new() };
    let mut watch = |phones: &mut Phones, limit: f64, until: &dyn Fn(&Phones) -> bool, group: usize| -> Result<()> {
        let end = Instant::now() + Duration::from_secs_f64(limit);
        while Instant::now() < end && !until(phones) {
            out.samples.push((
                begin.elapsed().as_secs_f64(),
                server.memory()?.rss_kib as f64 / 1024.0,
                phones.up(group),
            ));
            phones.run_until(SAMPLE_EVERY, |p| until(p))?;
        }
        Ok(())
    };
    let mut rounds = Vec::new();
    for _ in 0..count {
        let mut offer = Offer::new(&company.number, calls, RAMP);
        offer.talk = None;
        let group = phones.offer(offer);
        watch(phones, 60.0, &|p| p.up(group) == calls, group)?;
        watch(phones, 3.0, &|_| false, group)?;
        let up = server.memory()?;
        phones.hang_up(group);
        watch(phones, 40.0, &|p| p.unfinished(group) == 0, group)?;
        watch(phones, 10.0, &|_| false, group)?;
        rounds.push((up, server.memory()?));
    }
    out.rounds = rounds;
    Ok(out)
}

impl Bursts {
    fn lines(&self) -> Vec<String> {
        let mib = |m: &Memory| m.rss_kib as f64 / 1024.0;
        let mut lines = vec![format!("memory before the bursts: {:.1} MiB", mib(&self.start))];
        for (n, (up, after)) in self.rounds.iter().enumerate() {
            lines.push(format!(
                "burst {}: {:.1} MiB with {} calls up, {:.1} MiB ten seconds after them",
                n + 1,
                mib(up),
                self.calls,
                mib(after)
            ));
        }
        lines
    }

    fn to_json(&self) -> Value {
        json!({
            "calls": self.calls, "start": self.start.to_json(),
            "rounds": self.rounds.iter().map(|(up, after)| json!({"up": up.to_json(), "after": after.to_json()})).collect::<Vec<_>>(),
        })
    }

    fn chart(&self) -> Chart {
        Chart {
            title: format!("Memory during bursts of {} calls", self.calls),
            x_label: "seconds".to_owned(),
            y_label: "resident memory, MiB".to_owned(),
            x_is_logarithmic: false,
            series: vec![
                Series {
                    name: "memory, MiB".to_owned(),
                    points: self.samples.iter().map(|(at, mib, _)| (*at, *mib)).collect(),
                    marks: false,
                },
                Series {
                    name: format!("start level, {:.0} MiB", self.start.rss_kib as f64 / 1024.0),
                    points: self
                        .samples
                        .first()
                        .into_iter()
                        .chain(self.samples.last())
                        .map(|(at, ..)| (*at, self.start.rss_kib as f64 / 1024.0))
                        .collect(),
                    marks: false,
                },
            ],
        }
    }
}

fn cost_chart(levels: &[Point]) -> Chart {
    Chart {
        title: "CPU time of a queued call, by the number of calls up".to_owned(),
        x_label: "calls up at the same time".to_owned(),
        y_label: "ms CPU per call".to_owned(),
        x_is_logarithmic: true,
        series: vec![
            Series {
                name: "a call that comes and goes".to_owned(),
                points: levels.iter().map(|p| (p.up as f64, p.ms_per_call())).collect(),
                marks: true,
            },
            Series {
                name: "with what the calls that are up cost meanwhile".to_owned(),
                points: levels.iter().map(|p| (p.up as f64, p.step.ms_per_call())).collect(),
                marks: true,
            },
        ],
    }
}
