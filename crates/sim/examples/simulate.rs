//! Runs seeds of the whole exchange and prints a line for each, or only the sum; the heart of `cargo xtask simulate`.
//! Exit code 1 on the first violation, with the story of the last steps.
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::time::Duration;

use sim::exchange::{Digest, Exchange, Level, Outcome, Plan};

/// What was asked for.
struct Options {
    from: u64,
    to: u64,
    hours: Option<u64>,
    agents: Option<usize>,
    interactions: Option<u64>,
    faults: Option<Level>,
    /// Full digests, for one seed.
    thorough: bool,
    /// Lines told after a violation.
    story: usize,
}

fn options() -> Result<Options, String> {
    let mut o = Options {
        from: 1,
        to: 2,
        hours: None,
        agents: None,
        interactions: None,
        faults: None,
        thorough: true,
        story: 100,
    };
    let mut args = std::env::args().skip(1);
    while let Some(name) = args.next() {
        let value = args.next().ok_or_else(|| format!("{name} needs a value"))?;
        let number = || value.parse::<u64>().map_err(|_| format!("{name}: `{value}` is not a number"));
        match name.as_str() {
            "--seed" => (o.from, o.to) = (number()?, number()? + 1),
            "--seeds" => {
                let (from, to) = value.split_once("..").ok_or("--seeds wants FROM..TO")?;
                let parse = |t: &str| t.parse::<u64>().map_err(|_| format!("`{t}` is not a number"));
                (o.from, o.to, o.thorough) = (parse(from)?, parse(to)?, false);
            }
            "--hours" => o.hours = Some(number()?),
            "--story" => o.story = number()? as usize,
            "--agents" => o.agents = Some(number()? as usize),
            "--interactions" => o.interactions = Some(number()?),
            "--faults" => {
                o.faults = Some(match value.as_str() {
                    "none" => Level::None,
                    "mild" => Level::Mild,
                    "wild" => Level::Wild,
                    _ => return Err("--faults wants none, mild or wild".to_owned()),
                });
            }
            _ => return Err(format!("unknown option {name}")),
        }
    }
    Ok(o)
}

fn plan(o: &Options, seed: u64) -> Plan {
    // Without a wish a quarter of the seeds meets no trouble, a quarter some, half of them all of it.
    let faults = o.faults.unwrap_or(match seed % 4 {
        0 => Level::None,
        1 => Level::Mild,
        _ => Level::Wild,
    });
    let mut plan = match o.agents {
        Some(agents) if agents > 0 => Plan::ordinary(seed, agents, o.hours.unwrap_or(1), faults),
        _ => Plan::hectic(seed, faults),
    };
    if let Some(hours) = o.hours {
        plan.length = Duration::from_secs(3600 * hours);
        plan.interactions = u64::MAX;
    }
    if let Some(interactions) = o.interactions {
        plan.interactions = interactions;
        if o.hours.is_none() {
            // Until there were so many, however long it takes.
            plan.length = Duration::from_secs(3600 * 24 * 3650);
        }
    }
    plan.thorough = o.thorough;
    plan
}

/// Plays a plan; a panic counts as a violation.
fn play(plan: &Plan) -> Result<Outcome, (String, Vec<String>)> {
    let mut exchange = Exchange::new(plan.clone());
    let played = catch_unwind(AssertUnwindSafe(|| exchange.run()));
    match played {
        Ok(()) => {
            let outcome = exchange.outcome();
            match outcome.violations.first() {
                None => Ok(outcome),
                Some(v) => {
                    let text = format!("step {} at {:?}: {}: {}", v.step, v.at, v.rule, v.seen);
                    Err((text, outcome.story))
                }
            }
        }
        Err(panic) => {
            let text = panic.downcast_ref::<String>().map(String::as_str).or(panic.downcast_ref::<&str>().copied());
            let (counts, now, story) = exchange.so_far();
            Err((format!("step {} at {now:?}: panic: {}", counts.steps, text.unwrap_or("?")), story))
        }
    }
}

fn main() -> ExitCode {
    let options = match options() {
        Ok(options) => options,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::from(2);
        }
    };
    let mut sum = (0, 0, 0, 0, Duration::ZERO);
    let mut all = Vec::new();
    for seed in options.from..options.to {
        let plan = plan(&options, seed);
        match play(&plan) {
            Ok(outcome) => {
                let c = outcome.counts;
                sum.0 += c.interactions;
                sum.1 += c.steps;
                sum.2 += c.packets;
                sum.3 += c.crashes;
                sum.4 += outcome.length;
                all.push(outcome.digest);
                if options.to - options.from == 1 {
                    println!("digest {}", outcome.digest);
                    println!("{c:?} in {:?}", outcome.length);
                }
            }
            Err((text, _)) => {
                println!("seed {seed} ({:?}): {text}", plan.faults);
                // The same once more, with the story.
                let told = play(&Plan { story: options.story, ..plan });
                if let Err((_, story)) = told {
                    story.iter().for_each(|line| println!("  {line}"));
                }
                return ExitCode::FAILURE;
            }
        }
    }
    if options.to - options.from > 1 {
        let (interactions, steps, packets, crashes, length) = sum;
        println!(
            "{} seeds hold: {interactions} interactions, {steps} steps, {packets} packets, {crashes} crashes, {} simulated hours, digest {}",
            options.to - options.from,
            length.as_secs() / 3600,
            Digest::of(&all),
        );
    }
    ExitCode::SUCCESS
}
