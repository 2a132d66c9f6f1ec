//! `cargo xtask test`: everything, from formatting to telephones, ending with `N passed, N failed`.
use std::process::Command;

use anyhow::{Result, bail};

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
        ("stranger's path", |_| stranger::stranger()),
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

fn libtest(mut c: Command, counts: &mut Counts) -> Result<()> {
    c.env("RUST_BACKTRACE", "1");
    let ok = run_lines(c, |line| counts.libtest_line(line))?;
    if !ok && counts.failed == 0 {
        bail!("the tests did not build or run");
    }
    Ok(())
}

fn rust_tests(counts: &mut Counts) -> Result<()> {
    // The server's end-to-end tests are a part of their own: they want the machine for themselves.
    libtest(command("cargo", &["test", "--workspace", "--lib", "--bins", "--no-fail-fast"]), counts)?;
    libtest(
        command("cargo", &["test", "--workspace", "--exclude", "server", "--test", "*", "--no-fail-fast"]),
        counts,
    )?;
    libtest(command("cargo", &["test", "--workspace", "--doc", "--no-fail-fast"]), counts)
}

fn end_to_end(counts: &mut Counts) -> Result<()> {
    let args = ["test", "-p", "server", "--test", "*", "--no-fail-fast", "--", "--test-threads=1", "--nocapture"];
    libtest(command("cargo", &args), counts)
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
    crate::shots::shots(&crate::shots::Options::default())?;
    let mut c = Command::new("npm");
    c.args(["run", "--silent", "budget"]).current_dir(root().join("web"));
    run(c)
}
