//! `cargo xtask simulate`: builds the simulator in release and runs seeds of the whole exchange on a virtual clock.
//! Prints a digest, equal for equal seeds; on a violation the seed, the step, the rule and the story, with exit code 1.
use anyhow::Result;
use clap::{Args, ValueEnum};

use crate::run::{command, run};

#[derive(Clone, Copy, ValueEnum)]
enum Faults {
    None,
    Mild,
    Wild,
}

#[derive(Args)]
pub struct Options {
    /// One run; everything in it follows from this number.
    #[arg(long, conflicts_with = "seeds")]
    seed: Option<u64>,
    /// Many runs, one after the other: `FROM..TO`, without TO.
    #[arg(long, value_name = "FROM..TO")]
    seeds: Option<String>,
    /// Simulated hours; without it a run ends with its interactions.
    #[arg(long)]
    hours: Option<u64>,
    /// Agents with telephones on ordinary days; without it the small company with browsers, chats and short calls.
    #[arg(long)]
    agents: Option<usize>,
    /// New work comes until there were so many; 200 by default in the small company.
    #[arg(long)]
    interactions: Option<u64>,
    /// How much goes wrong; by default a quarter of the seeds meets nothing, a quarter little, half of them everything.
    #[arg(long)]
    faults: Option<Faults>,
    /// Lines told after a violation.
    #[arg(long)]
    story: Option<usize>,
}

pub fn simulate(options: &Options) -> Result<()> {
    let mut args = Vec::new();
    let mut put = |name: &str, value: Option<String>| {
        if let Some(value) = value {
            args.extend([name.to_owned(), value]);
        }
    };
    put("--seed", options.seed.map(|n| n.to_string()));
    put("--seeds", options.seeds.clone());
    put("--hours", options.hours.map(|n| n.to_string()));
    put("--agents", options.agents.map(|n| n.to_string()));
    put("--interactions", options.interactions.map(|n| n.to_string()));
    put("--story", options.story.map(|n| n.to_string()));
    let faults = options.faults.map(|f| match f {
        Faults::None => "none",
        Faults::Mild => "mild",
        Faults::Wild => "wild",
    });
    put("--faults", faults.map(str::to_owned));
    let mut cargo = command("cargo", &["run", "--quiet", "--release", "-p", "sim", "--example", "simulate", "--"]);
    cargo.args(args);
    run(cargo)
}
