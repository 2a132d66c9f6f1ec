//! `cargo xtask test`: everything, from formatting to telephones, ending with `N passed, N failed`.
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Result, bail};
use serde_json::Value;

use crate::report::{Counts, Report};
use crate::run::{command, root, run, run_lines};
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

/// Lints need no web UI; the switch skips building it.
fn clippy() -> Command {
    let mut c = command("cargo", &["clippy", "--workspace", "--all-targets", "--quiet", "--", "-D", "warnings"]);
    c.env("CORDBOARD_SKIP_WEB", "1");
    c
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

    fn run(&self, more: &[&str], counts: &mut Counts) -> Result<()> {
        let mut c = Command::new(&self.path);
        c.args(more).current_dir(&self.directory).env("RUST_BACKTRACE", "1");
        c.env("CARGO_MANIFEST_DIR", &self.directory);
        let before = counts.failed;
        let ok = run_lines(c, |line| counts.libtest_line(line))?;
        if !ok && counts.failed == before {
            counts.failed += 1;
        }
        Ok(())
    }
}

fn rust_tests(counts: &mut Counts) -> Result<()> {
    for program in compile_tests()?.iter().filter(|p| !p.is_end_to_end()) {
        program.run(&[], counts)?;
    }
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
