//! Running other programs: echo the command, stream or capture its output, fail with a plain sentence.
use std::io::{BufRead, BufReader, PipeReader};
use std::path::PathBuf;
use std::process::Command;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// The workspace's root, two levels above this crate.
pub fn root() -> PathBuf {
    let here = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).map(PathBuf::from).unwrap_or(here)
}

/// A command in the workspace's root.
pub fn command(program: &str, args: &[&str]) -> Command {
    let mut c = Command::new(program);
    c.args(args).current_dir(root());
    c
}

/// Runs to its end with output passed through; `Err` on a non-zero exit.
pub fn run(mut c: Command) -> Result<()> {
    let text = describe(&c);
    println!("$ {text}");
    let status = c.status().with_context(|| format!("cannot start `{text}`"))?;
    if !status.success() {
        bail!("`{text}` failed with {status}");
    }
    Ok(())
}

/// A test program, a build or a browser that takes longer hangs.
const LIMIT: Duration = Duration::from_secs(15 * 60);

/// Runs with standard output passed through line by line to `on_line`; returns whether it succeeded. What hangs is
/// ended after a quarter of an hour and has failed.
pub fn run_lines(mut c: Command, mut on_line: impl FnMut(&str)) -> Result<bool> {
    println!("$ {}", describe(&c));
    let (reader, writer) = std::io::pipe().context("no pipe")?;
    c.stdout(writer);
    watch(c, reader, |line| {
        println!("{line}");
        on_line(&line);
    })
}

/// The same with all that it writes kept; whether it succeeded, and the text.
pub fn run_quietly(mut c: Command) -> Result<(bool, String)> {
    let (reader, writer) = std::io::pipe().context("no pipe")?;
    c.stdout(writer.try_clone().context("no pipe")?).stderr(writer);
    let mut text = String::new();
    let is_ok = watch(c, reader, |line| {
        text.push_str(&line);
        text.push('\n');
    })?;
    Ok((is_ok, text))
}

fn watch(mut c: Command, reader: PipeReader, mut on_line: impl FnMut(String)) -> Result<bool> {
    let text = describe(&c);
    let mut child = c.spawn().with_context(|| format!("cannot start `{text}`"))?;
    // The command holds our copy of the pipe's other end.
    drop(c);
    let (send, lines) = mpsc::channel();
    std::thread::spawn(move || {
        for line in BufReader::new(reader).lines().map_while(Result::ok) {
            if send.send(line).is_err() {
                return;
            }
        }
    });
    let deadline = Instant::now() + LIMIT;
    loop {
        match lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Ok(line) => on_line(line),
            Err(mpsc::RecvTimeoutError::Disconnected) => return Ok(child.wait()?.success()),
            Err(mpsc::RecvTimeoutError::Timeout) => {
                eprintln!("`{text}` hangs; it is ended");
                child.kill()?;
                child.wait()?;
                return Ok(false);
            }
        }
    }
}

/// Standard output of a successful run.
pub fn output(mut c: Command) -> Result<String> {
    let text = describe(&c);
    let out = c.output().with_context(|| format!("cannot start `{text}`"))?;
    if !out.status.success() {
        bail!("`{text}` failed with {}: {}", out.status, String::from_utf8_lossy(&out.stderr));
    }
    Ok(String::from_utf8_lossy(&out.stdout).into_owned())
}

fn describe(c: &Command) -> String {
    let args: Vec<_> = c.get_args().map(|a| a.to_string_lossy().into_owned()).collect();
    format!("{} {}", c.get_program().to_string_lossy(), args.join(" "))
}

/// Seconds since `start`, for tables a person reads.
pub fn seconds(start: Instant) -> f64 {
    (start.elapsed().as_secs_f64() * 10.0).round() / 10.0
}
