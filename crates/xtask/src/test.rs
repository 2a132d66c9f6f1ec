//! `cargo xtask test`: everything, from formatting to telephones, ending with `N passed, N failed`.
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::time::Instant;

use anyhow::{Result, bail};
use serde_json::Value;

use crate::report::{Counts, Report};
use crate::run::{command, root, run, run_lines, run_quietly, seconds};
use crate::{setup, stranger, walls};

#[derive(clap::Args)]
pub struct Options {
    /// Only the parts whose name contains this (setup always runs).
    #[arg(long)]
    only: Option<String>,
}

type Part = fn(&mut Counts) -> Result<()>;

pub fn test(options: &Options) -> Result<()> {
    let mut report = Report::default();
    let wanted = |name: &str| options.only.as_ref().is_none_or(|o| name.contains(o.as_str()));
    let parts: [(&str, Part); 8] = [
        ("fmt", |_| run(command("cargo", &["fmt", "--all", "--check"]))),
        ("walls", |_| walls::walls()),
        ("clippy", |_| run(clippy())),
        ("web", web),
        ("rust tests", rust_tests),
        ("end to end", end_to_end),
        ("pictures", pictures),
        ("stranger's path", |_| stranger::stranger(stranger::Caches::Warm)),
    ];
    report.part("setup", |_| setup::setup());
    for (name, part) in parts {
        if wanted(name) {
            report.part(name, part);
        }
    }
    report.print();
    if report.failed > 0 {
        bail!("{} failed", report.failed);
    }
    Ok(())
}

/// With the web console like the tests: without it the server's build script would run again, and all after it.
fn clippy() -> Command {
    command("cargo", &["clippy", "--workspace", "--all-targets", "--quiet", "--", "-D", "warnings"])
}

/// One compiled test program.
struct TestProgram {
    path: String,
    package: String,
    /// The package's directory: tests are run there, as cargo does.
    directory: PathBuf,
    /// Of the `tests/` directory, not unit tests.
    is_integration: bool,
}

/// Compiles every test of the workspace in one go. One selection of packages for all parts: another one would choose
/// other features of the dependencies and compile them again.
fn compile_tests() -> Result<Vec<TestProgram>> {
    let mut c = command("cargo", &["test", "--workspace", "--all-targets", "--no-run", "--message-format=json"]);
    c.env("CARGO_TERM_PROGRESS_WHEN", "never");
    println!("$ cargo test --workspace --all-targets --no-run");
    let out = c.stderr(Stdio::inherit()).output()?;
    let mut programs = Vec::new();
    for line in String::from_utf8_lossy(&out.stdout).lines() {
        let Ok(message) = serde_json::from_str::<Value>(line) else { continue };
        if let Some(text) = message["message"]["rendered"].as_str() {
            eprint!("{text}");
        }
        let (Some(path), Some(manifest)) = (message["executable"].as_str(), message["manifest_path"].as_str()) else {
            continue;
        };
        let kinds = message["target"]["kind"].as_array().cloned().unwrap_or_default();
        let is = |kind: &str| kinds.iter().any(|k| k == kind);
        if message["profile"]["test"].as_bool() != Some(true) || is("example") || is("bench") {
            continue;
        }
        let directory = PathBuf::from(manifest).parent().map(PathBuf::from).unwrap_or_default();
        let package = directory.file_name().unwrap_or_default().to_string_lossy().into_owned();
        programs.push(TestProgram { path: path.to_owned(), package, directory, is_integration: is("test") });
    }
    if !out.status.success() {
        bail!("the tests did not build");
    }
    programs.sort_by(|a, b| a.package.cmp(&b.package).then(a.path.cmp(&b.path)));
    Ok(programs)
}

impl TestProgram {
    /// The tests that want the machine for themselves: real servers, telephones, browsers.
    fn is_end_to_end(&self) -> bool {
        self.package == "server" && self.is_integration
    }

    /// Package and file without the hash of its build.
    fn name(&self) -> String {
        let file = PathBuf::from(&self.path).file_name().unwrap_or_default().to_string_lossy().into_owned();
        let stem = file.rsplit_once('-').map_or(file.as_str(), |(stem, _)| stem);
        format!("{}/{stem}", self.package)
    }

    fn command(&self, more: &[&str]) -> Command {
        let mut c = Command::new(&self.path);
        c.args(more).current_dir(&self.directory).env("RUST_BACKTRACE", "1");
        c.env("CARGO_MANIFEST_DIR", &self.directory);
        c
    }

    fn run(&self, more: &[&str], counts: &mut Counts) -> Result<()> {
        let c = self.command(more);
        let before = counts.failed;
        let ok = run_lines(c, |line| counts.libtest_line(line))?;
        if !ok && counts.failed == before {
            counts.failed += 1;
        }
        Ok(())
    }
}

/// Programs at the same time: most end with one slow test on one core while the other core is idle.
const AT_A_TIME: usize = 2;

/// How long each program took when it last ran, by name: the longest begins first, so that it does not end alone.
struct Durations {
    file: PathBuf,
    seconds: BTreeMap<String, f64>,
}

impl Durations {
    fn load() -> Durations {
        let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from);
        let file = target.join("test-durations.json");
        let text = std::fs::read_to_string(&file).unwrap_or_default();
        Durations { file, seconds: serde_json::from_str(&text).unwrap_or_default() }
    }

    fn of(&self, program: &TestProgram) -> f64 {
        // One that was never seen may be the longest.
        self.seconds.get(&program.name()).copied().unwrap_or(f64::INFINITY)
    }

    fn save(&self) -> Result<()> {
        std::fs::write(&self.file, serde_json::to_string_pretty(&self.seconds)?)?;
        Ok(())
    }
}

/// Each program's output in one piece, when it has ended.
fn run_side_by_side(programs: &[&TestProgram], counts: &mut Counts) -> Result<()> {
    let mut durations = Durations::load();
    let mut programs = programs.to_vec();
    programs.sort_by(|a, b| durations.of(b).total_cmp(&durations.of(a)));
    let programs = &programs;
    let next = AtomicUsize::new(0);
    let (send, ended) = mpsc::channel();
    std::thread::scope(|scope| {
        for _ in 0..AT_A_TIME {
            let (next, send) = (&next, send.clone());
            scope.spawn(move || {
                while let Some(program) = programs.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let start = Instant::now();
                    let ran = run_quietly(program.command(&[]));
                    if send.send((*program, seconds(start), ran)).is_err() {
                        return;
                    }
                }
            });
        }
        drop(send);
        for (program, seconds, ran) in ended {
            let (is_ok, text) = ran?;
            println!("$ {} ({seconds} s)\n{text}", program.path);
            durations.seconds.insert(program.name(), seconds);
            let before = counts.failed;
            text.lines().for_each(|line| counts.libtest_line(line));
            if !is_ok && counts.failed == before {
                counts.failed += 1;
            }
        }
        durations.save()
    })
}

fn rust_tests(counts: &mut Counts) -> Result<()> {
    let programs = compile_tests()?;
    let programs: Vec<&TestProgram> = programs.iter().filter(|p| !p.is_end_to_end()).collect();
    run_side_by_side(&programs, counts)?;
    let mut c = command("cargo", &["test", "--workspace", "--doc", "--no-fail-fast"]);
    c.env("RUST_BACKTRACE", "1");
    let before = counts.failed;
    let ok = run_lines(c, |line| counts.libtest_line(line))?;
    if !ok && counts.failed == before {
        bail!("the examples in the documentation did not build");
    }
    Ok(())
}

fn end_to_end(counts: &mut Counts) -> Result<()> {
    for program in compile_tests()?.iter().filter(|p| p.is_end_to_end()) {
        program.run(&["--test-threads=1", "--nocapture"], counts)?;
    }
    Ok(())
}

fn web(counts: &mut Counts) -> Result<()> {
    let dir = root().join("web");
    let npm = |args: &[&str]| {
        let mut c = Command::new("npm");
        c.args(args).current_dir(&dir).env("NO_COLOR", "1");
        c
    };
    if !dir.join("node_modules/.package-lock.json").exists() || std::env::var_os("CI").is_some() {
        run(npm(&["ci", "--no-audit", "--no-fund", "--loglevel=error"]))?;
    }
    run(npm(&["run", "lint"]))?;
    let ok = run_lines(npm(&["test"]), |line| counts.vitest_line(line))?;
    if !ok && counts.failed == 0 {
        bail!("the web tests did not run");
    }
    Ok(())
}

/// Pictures of every route; the sizes of what the browser loads (the build of the server made the files).
fn pictures(_: &mut Counts) -> Result<()> {
    compile_tests()?;
    crate::shots::take(&crate::shots::Options::default())?;
    let mut c = Command::new("npm");
    c.args(["run", "--silent", "budget"]).current_dir(root().join("web"));
    run(c)
}
