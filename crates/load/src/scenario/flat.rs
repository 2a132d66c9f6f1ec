//! Does a call cost the same however many are up, and does memory come back after a burst? Two curves, drawn as pictures.
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
        let step = calls::step(server, &mut phones, &company, options.rate, options.calls, 100)?;
        levels.push((*up, step));
        phones.hang_up(held);
        phones.run_until(Duration::from_secs(60), |p| p.unfinished(held) == 0)?;
        phones.run_for(Duration::from_secs(1))?;
    }
    let memory = bursts(server, &mut phones, &company, most, options.bursts)?;

    let failed: usize = levels.iter().map(|(_, s)| s.summary.failed()).sum();
    let mut lines: Vec<String> = levels
        .iter()
        .map(|(up, s)| format!("{up:>5} up: {:.3} ms CPU per call, {} failed", s.ms_per_call(), s.summary.failed()))
        .collect();
    lines.extend(memory.lines());
    if let Some(dir) = &options.pictures {
        std::fs::create_dir_all(dir)?;
        std::fs::write(dir.join("cost-per-call.svg"), cost_chart(&levels).to_svg())?;
        std::fs::write(dir.join("memory-burst.svg"), memory.chart().to_svg())?;
    }
    let json = json!({
        "scenario": "flat", "rate": options.rate,
        "levels": levels.iter().map(|(up, s)| json!({
            "up": up, "ms_per_call": s.ms_per_call(), "calls": s.summary.to_json(),
        })).collect::<Vec<_>>(),
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

fn cost_chart(levels: &[(usize, calls::Step)]) -> Chart {
    Chart {
        title: "CPU time of a queued call, by the number of calls up".to_owned(),
        x_label: "calls up at the same time".to_owned(),
        y_label: "ms CPU per call".to_owned(),
        x_is_logarithmic: true,
        series: vec![Series {
            name: "measured".to_owned(),
            points: levels.iter().map(|(up, s)| (*up as f64, s.ms_per_call())).collect(),
            marks: true,
        }],
    }
}
