//! `cargo xtask bench`: builds the release server, loads it from outside, runs the crates' own benches, prints one table.
//!
//! Figures are CPU time of the server's process per unit of work, except delays. A crate takes part with an example that
//! prints `BENCH<TAB>work<TAB>value<TAB>unit<TAB>target`, one line a figure; which examples do is read from their sources.
mod table;

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use crate::run::{command, output, root, run, seconds};
use table::Row;

#[derive(clap::Args)]
pub struct Options {
    /// Only these: calls, bare, media, record, browser, register, flat, overload, crates; separated by commas
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// Shorter and coarser: a minute or two
    #[arg(long)]
    quick: bool,
    /// Draw the curves into docs/pictures
    #[arg(long)]
    pictures: bool,
    /// Measure these programs as they are (`cordboard` and `load` in this directory) instead of building
    #[arg(long, value_name = "DIR")]
    programs: Option<PathBuf>,
}

const NAMES: &[&str] = &["calls", "bare", "media", "record", "browser", "register", "flat", "overload", "crates"];

pub fn bench(options: &Options) -> Result<()> {
    if let Some(unknown) = options.only.iter().find(|name| !NAMES.contains(&name.as_str())) {
        bail!("no bench is called `{unknown}`: choose among {}", NAMES.join(", "));
    }
    let start = Instant::now();
    let programs = match &options.programs {
        Some(dir) => dir.clone(),
        None => {
            run(command("cargo", &["build", "--release", "-p", "server", "-p", "load"]))?;
            target_dir()?.join("release")
        }
    };
    let mut bench = Bench { options, programs, rows: Vec::new(), found: Vec::new(), failures: Vec::new() };
    bench.calls()?;
    bench.bare()?;
    bench.media()?;
    bench.browser()?;
    bench.register()?;
    bench.flat()?;
    bench.overload()?;
    bench.crates()?;

    let file = target_dir()?.join("bench.json");
    fs::write(&file, Value::Array(bench.found).to_string())?;
    println!("\n{}\n", table::markdown(&bench.rows));
    println!("{} s; all figures: {}", seconds(start), file.display());
    if !bench.failures.is_empty() {
        bail!("{}", bench.failures.join("\n"));
    }
    Ok(())
}

struct Bench<'a> {
    options: &'a Options,
    programs: PathBuf,
    rows: Vec<Row>,
    /// Each run's JSON.
    found: Vec<Value>,
    failures: Vec<String>,
}

impl Bench<'_> {
    fn wants(&self, name: &str) -> bool {
        self.options.only.is_empty() || self.options.only.iter().any(|n| n == name)
    }

    /// One scenario of `load`; its figures, also when something was not as it should be.
    fn load(&mut self, arguments: &[&str]) -> Result<Option<Value>> {
        let mut c = Command::new(self.programs.join("load"));
        c.arg("--json").args(arguments).current_dir(root());
        println!("$ load {}", arguments.join(" "));
        let out = c.output().with_context(|| format!("cannot start {}", self.programs.join("load").display()))?;
        let told = String::from_utf8_lossy(&out.stderr).trim().to_owned();
        if !out.status.success() {
            self.failures.push(format!("load {}: {told}", arguments.join(" ")));
        }
        let Ok(mut value) = serde_json::from_slice::<Value>(&out.stdout) else {
            eprintln!("{told}");
            return Ok(None);
        };
        value["arguments"] = json!(arguments);
        println!("{value}");
        self.found.push(value.clone());
        Ok(Some(value))
    }

    fn calls(&mut self) -> Result<()> {
        if !self.wants("calls") {
            return Ok(());
        }
        let seconds = if self.options.quick { "4" } else { "10" };
        let found = self.load(&["calls", "--rate", "50,200,500", "--seconds", seconds, "--search"])?;
        self.rows.extend(found.iter().flat_map(table::calls));
        Ok(())
    }

    /// Each way of input and output that the program can be told to use; as it chooses itself if it cannot be told.
    fn backends(&self) -> Result<Vec<Option<&'static str>>> {
        let help = output({
            let mut c = Command::new(self.programs.join("cordboard"));
            c.arg("--help");
            c
        })?;
        let knows = help.contains("--media-io");
        Ok(if knows { vec![Some("io-uring"), Some("epoll")] } else { vec![None] })
    }

    /// What the relayed packets of [`Self::media`] are held against.
    fn bare(&mut self) -> Result<()> {
        if !self.wants("bare") {
            return Ok(());
        }
        let (up, seconds) = if self.options.quick { ("100", "4") } else { ("100,400", "8") };
        let found = self.load(&["bare", "--up", up, "--seconds", seconds])?;
        self.rows.extend(found.iter().map(table::bare));
        Ok(())
    }

    fn media(&mut self) -> Result<()> {
        let seconds = if self.options.quick { "4" } else { "8" };
        let up = if self.options.quick { "100" } else { "100,200,400" };
        for backend in self.backends()? {
            let flag = backend.map(|b| format!("--server-arg=--media-io={b}"));
            let name = backend.unwrap_or("as it is");
            for record in [false, true] {
                if !self.wants(if record { "record" } else { "media" }) {
                    continue;
                }
                let mut arguments: Vec<&str> = flag.iter().map(String::as_str).collect();
                arguments.extend(["media", "--up", up, "--seconds", seconds]);
                if record {
                    arguments.push("--record");
                }
                let found = self.load(&arguments)?;
                self.rows.extend(found.iter().flat_map(|v| table::media(v, name)));
            }
        }
        Ok(())
    }

    fn browser(&mut self) -> Result<()> {
        if !self.wants("browser") {
            return Ok(());
        }
        let up = if self.options.quick { "20" } else { "50,100" };
        let found = self.load(&["browser", "--up", up])?;
        self.rows.extend(found.iter().flat_map(table::browser));
        Ok(())
    }

    fn register(&mut self) -> Result<()> {
        if !self.wants("register") {
            return Ok(());
        }
        let devices = if self.options.quick { "1000" } else { "5000" };
        let found = self.load(&["register", "--devices", devices])?;
        self.rows.extend(found.iter().flat_map(table::register));
        Ok(())
    }

    fn flat(&mut self) -> Result<()> {
        if !self.wants("flat") {
            return Ok(());
        }
        let pictures = root().join("docs/pictures").display().to_string();
        let mut arguments = vec!["flat"];
        if self.options.quick {
            arguments.extend(["--up", "10,100", "--calls", "200", "--bursts", "1"]);
        }
        if self.options.pictures {
            arguments.extend(["--pictures", &pictures]);
        }
        let found = self.load(&arguments)?;
        self.rows.extend(found.iter().flat_map(table::flat));
        Ok(())
    }

    /// Ten times the highest rate that the calls bench found, if it ran.
    fn overload(&mut self) -> Result<()> {
        if !self.wants("overload") {
            return Ok(());
        }
        let highest = self.found.iter().filter(|v| v["scenario"] == "calls").find_map(|v| v["highest_rate"].as_f64());
        let rate = format!("{:.0}", highest.filter(|r| *r > 0.0).unwrap_or(500.0));
        let mut arguments = vec!["overload", "--rate", &rate];
        if self.options.quick {
            arguments.extend(["--seconds", "5"]);
        }
        let found = self.load(&arguments)?;
        self.rows.extend(found.iter().flat_map(table::overload));
        Ok(())
    }

    fn crates(&mut self) -> Result<()> {
        if !self.wants("crates") {
            return Ok(());
        }
        for (package, example) in examples()? {
            let mut c = command("cargo", &["run", "--release", "-p", &package, "--example", &example]);
            println!("$ cargo run --release -p {package} --example {example}");
            let out = c.stderr(std::process::Stdio::inherit()).output().context("cannot start cargo")?;
            if !out.status.success() {
                self.failures.push(format!("the example {example} of {package} failed"));
            }
            let text = String::from_utf8_lossy(&out.stdout);
            print!("{text}");
            let rows: Vec<Row> = text.lines().filter_map(table::of_line).collect();
            self.found.push(json!({"scenario": example, "lines": text.lines().collect::<Vec<_>>()}));
            self.rows.extend(rows);
        }
        Ok(())
    }
}

/// (package, example) of those that print `BENCH` lines.
fn examples() -> Result<BTreeSet<(String, String)>> {
    let mut found = BTreeSet::new();
    for package in fs::read_dir(root().join("crates"))?.filter_map(Result::ok) {
        let Ok(files) = fs::read_dir(package.path().join("examples")) else { continue };
        for file in files.filter_map(Result::ok).map(|f| f.path()).filter(|p| p.extension().is_some_and(|e| e == "rs"))
        {
            if fs::read_to_string(&file)?.contains("BENCH\\t") {
                let name = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
                found.insert((package.file_name().to_string_lossy().into_owned(), name));
            }
        }
    }
    Ok(found)
}

fn target_dir() -> Result<PathBuf> {
    let meta: Value = serde_json::from_str(&output(command(
        "cargo",
        &["metadata", "--no-deps", "--format-version", "1", "--offline"],
    ))?)?;
    Ok(PathBuf::from(meta["target_directory"].as_str().context("no target directory")?))
}
