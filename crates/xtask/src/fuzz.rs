//! The long search of the fuzz targets: libFuzzer, guided by coverage, over `crates/fuzz`; and the measure of work, in
//! instructions, on the worst inputs. The tests run the same targets for some seconds (`crates/fuzz/tests`).
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::run::{command, output, root, run};

/// cargo-fuzz as it was when this was last looked at.
const CARGO_FUZZ: &str = "0.13.2";
/// Instructions for twice the input, in times those for once. Doubling buffers and tables may add a little.
const GROWTH_MAX: f64 = 2.5;
/// Sizes at which work is measured, in octets; the second is twice the first.
const SIZES: [usize; 2] = [15_000, 30_000];
/// Below this many instructions a family does nothing with its input (it is refused at once), and growth means nothing.
const WORTH_MEASURING: i64 = 200_000;
/// Without the address sanitiser: what is fuzzed is safe Rust, and the search is three times as fast.
const RUN: &[&str] =
    &["run", "--fuzz-dir", "crates/fuzz", "--sanitizer", "none", "--features", "libfuzzer", "libfuzzer"];

#[derive(clap::Args)]
pub struct Options {
    /// The target; without one, all of them in turn.
    target: Option<String>,
    /// How long to search each target.
    #[arg(long, default_value_t = 10.0)]
    minutes: f64,
    /// Keep what adds coverage: minimise and write it to `crates/fuzz/corpus`.
    #[arg(long)]
    keep: bool,
    /// Count instructions on the worst inputs instead: twice the input, no more than 2.5 times the work.
    #[arg(long)]
    work: bool,
    /// Run the targets' own driver, without coverage, this many times each instead.
    #[arg(long)]
    executions: Option<u64>,
    /// For `--executions`.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

pub fn fuzz(options: &Options) -> Result<()> {
    let program = build()?;
    if options.work {
        return work(&program);
    }
    let mut c = Command::new(&program);
    c.arg("list");
    let all = output(c)?;
    let names: Vec<&str> = all.lines().filter(|name| options.target.as_deref().is_none_or(|t| t == *name)).collect();
    if names.is_empty() {
        bail!("there is no such target; there are {}", all.lines().collect::<Vec<_>>().join(", "));
    }
    if let Some(executions) = options.executions {
        for name in names {
            let mut c = Command::new(&program);
            c.args(["run", name, &executions.to_string(), &options.seed.to_string()]);
            run(c)?;
        }
        return Ok(());
    }
    install()?;
    for name in names {
        search(&program, name, options)?;
    }
    Ok(())
}

/// `fuzz-run` as the tests build it, with overflow checks and assertions.
fn build() -> Result<PathBuf> {
    run(command("cargo", &["build", "-p", "fuzz", "--bin", "fuzz-run"]))?;
    Ok(target_dir().join("debug/fuzz-run"))
}

fn target_dir() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from)
}

/// libFuzzer needs flags of the compiler that only open up with this; the compiler stays the stable one.
fn cargo_fuzz(args: &[&str]) -> Command {
    let mut c = command("cargo", &["fuzz"]);
    c.args(args).env("RUSTC_BOOTSTRAP", "1").env("CARGO_TARGET_DIR", target_dir().join("fuzz"));
    c
}

fn install() -> Result<()> {
    let found = cargo_fuzz(&["--version"]).output().is_ok_and(|o| o.status.success());
    if found {
        return Ok(());
    }
    run(command("cargo", &["install", "cargo-fuzz", "--version", CARGO_FUZZ, "--locked"]))
}

fn search(program: &Path, name: &str, options: &Options) -> Result<()> {
    let directory = |kind: &str| target_dir().join("fuzz").join(kind).join(name);
    let (found, failed) = (directory("found"), directory("failed"));
    for dir in [&found, &failed] {
        fs::create_dir_all(dir).with_context(|| format!("cannot make {}", dir.display()))?;
    }
    let mut c = Command::new(program);
    c.args(["seeds", name]).arg(&found);
    run(c)?;
    let seconds = (options.minutes * 60.0).round();
    let mut c = cargo_fuzz(RUN);
    c.arg(&found)
        .arg("--")
        .arg(format!("-max_total_time={seconds}"))
        .arg("-print_final_stats=1")
        .arg("-rss_limit_mb=4096");
    c.arg("-verbosity=0").arg("-timeout=20").arg(format!("-artifact_prefix={}/", failed.display()));
    c.env("CORDBOARD_FUZZ_TARGET", name);
    run(c).with_context(|| format!("{name} failed; the input is in {}", failed.display()))?;
    if options.keep { keep(name, &found) } else { Ok(()) }
}

/// The smallest set of what was found that covers as much, written to the committed corpus, small inputs first.
fn keep(name: &str, found: &Path) -> Result<()> {
    let merged = target_dir().join("fuzz/merged").join(name);
    let _ = fs::remove_dir_all(&merged);
    fs::create_dir_all(&merged)?;
    let mut c = cargo_fuzz(RUN);
    c.arg(&merged).arg(found).args(["--", "-merge=1", "-verbosity=0"]).env("CORDBOARD_FUZZ_TARGET", name);
    run(c)?;
    let corpus = root().join("crates/fuzz/corpus").join(name);
    let _ = fs::remove_dir_all(&corpus);
    fs::create_dir_all(&corpus)?;
    let mut inputs: BTreeSet<(usize, Vec<u8>)> = BTreeSet::new();
    for entry in fs::read_dir(&merged)? {
        let bytes = fs::read(entry?.path())?;
        inputs.insert((bytes.len(), bytes));
    }
    /// A test holds each corpus to less than 200 KiB.
    const ROOM: usize = 190 * 1024;
    let (mut used, mut count) = (0, 0);
    for (length, bytes) in &inputs {
        if used + length > ROOM {
            break;
        }
        fs::write(corpus.join(format!("{count:04}")), bytes)?;
        (used, count) = (used + length, count + 1);
    }
    println!("{name}: {count} of {} inputs kept, {used} octets", inputs.len());
    Ok(())
}

/// Instructions by callgrind: `size` octets of a family, less what making them costs.
fn instructions(program: &Path, family: &str, size: usize) -> Result<i64> {
    let count = |more: &[&str]| -> Result<i64> {
        let mut c = Command::new("valgrind");
        c.args(["--tool=callgrind", "--callgrind-out-file=/dev/null"]).arg(program).args([
            "work",
            family,
            &size.to_string(),
        ]);
        let out = c.args(more).output().context("cannot start valgrind (Debian package valgrind)")?;
        let text = String::from_utf8_lossy(&out.stderr);
        if !out.status.success() {
            bail!("{family} of {size} octets failed: {text}");
        }
        let line =
            text.lines().find_map(|line| line.split("Collected :").nth(1)).context("callgrind counted nothing")?;
        Ok(line.trim().parse()?)
    };
    Ok(count(&[])? - count(&["dry"])?)
}

fn work(program: &Path) -> Result<()> {
    let mut c = Command::new(program);
    c.arg("worst");
    let families = output(c)?;
    let mut steep = Vec::new();
    println!("{:<24}{:>16}{:>16}{:>10}{:>14}", "worst input", "15,000 octets", "30,000 octets", "times", "per octet");
    for family in families.lines() {
        let (small, large) = (instructions(program, family, SIZES[0])?, instructions(program, family, SIZES[1])?);
        let growth = large as f64 / small.max(1) as f64;
        let is_steep = large > WORTH_MEASURING && growth > GROWTH_MAX;
        println!("{family:<24}{small:>16}{large:>16}{growth:>10.2}{:>14.1}", large as f64 / SIZES[1] as f64);
        if is_steep {
            steep.push(family);
        }
    }
    if !steep.is_empty() {
        bail!("work grows faster than the input: {}", steep.join(", "));
    }
    Ok(())
}
