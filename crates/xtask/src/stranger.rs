//! The stranger's path: the README's commands, followed to the letter in a clean clone with an empty HOME, until
//! headless Chromium hears the demo caller's voice. Prints how long each step took.
//!
//! `cargo xtask stranger` starts with nothing cached; `cargo xtask test` follows the same path with warm caches, in a clone
//! that is kept and made clean again, because a build from nothing takes longer than every other part together.
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::run::{command, root, run, seconds};

/// A first build on two slow cores with nothing cached.
const BUILD_LIMIT: Duration = Duration::from_secs(30 * 60);

/// Which of cargo's caches the stranger finds.
#[derive(Clone, Copy, PartialEq)]
pub enum Caches {
    /// None: every dependency is downloaded and compiled.
    Empty,
    /// Ours, and what the stranger before this one had compiled: only what has changed since is compiled.
    Warm,
}

pub fn stranger(caches: Caches) -> Result<()> {
    // Cargo knows a package by its path: at a fixed one it finds what it has compiled there.
    let dir = match caches {
        Caches::Empty => std::env::temp_dir().join(format!("cordboard-stranger-{}", std::process::id())),
        Caches::Warm => target_dir().join("stranger"),
    };
    let (clone, home) = (dir.join("cordboard"), dir.join("home"));
    if caches == Caches::Empty || !is_renewed(&clone) {
        let _ = fs::remove_dir_all(&dir);
        fs::create_dir_all(&dir)?;
        let mut c = command("git", &["clone", "--quiet", "--no-hardlinks"]);
        c.arg(root()).arg(&clone);
        run(c)?;
    }
    let _ = fs::remove_dir_all(&home);
    fs::create_dir_all(&home)?;
    let result = follow(&clone, &home, caches);
    if caches == Caches::Empty {
        let _ = fs::remove_dir_all(&dir);
    }
    result
}

/// Makes the clone of an earlier run what a fresh one would be, so that only the files that differ are new to cargo; false
/// if there is none. What npm has downloaded stays, as cargo's downloads do.
fn is_renewed(clone: &Path) -> bool {
    if !clone.join(".git").is_dir() {
        return false;
    }
    let git = |args: &[&str]| {
        let mut c = Command::new("git");
        c.args(args).current_dir(clone);
        c
    };
    let mut fetch = git(&["fetch", "--quiet", "--no-tags"]);
    fetch.arg(root()).arg("HEAD");
    let reset = git(&["reset", "--quiet", "--hard", "FETCH_HEAD"]);
    let clean = git(&["clean", "-ffdxq", "--exclude=/web/node_modules"]);
    // A clone that was left half made is made anew.
    [fetch, reset, clean].into_iter().all(|step| run(step).is_ok())
}

fn target_dir() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from)
}

fn follow(clone: &Path, home: &Path, caches: Caches) -> Result<()> {
    let readme = fs::read_to_string(clone.join("README.md")).context("the clone has no README.md")?;
    let start_command = commands(&readme)
        .into_iter()
        .find(|c| c.starts_with("cargo run"))
        .context("README.md shows no `cargo run` command in a code block")?;

    let built = Instant::now();
    println!("$ {start_command}");
    let mut child = stranger_shell(&start_command, clone, home, caches)
        .stdout(Stdio::piped())
        .spawn()
        .context("cannot start a shell")?;
    let out = child.stdout.take().context("no standard output")?;
    let (send, lines) = mpsc::channel();
    std::thread::spawn(move || {
        for line in BufReader::new(out).lines().map_while(Result::ok) {
            let _ = send.send(line);
        }
    });
    let mut link = None;
    let deadline = built + BUILD_LIMIT;
    while let Ok(line) = lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
        println!("  {line}");
        if let Some(at) = line.find("http://localhost:") {
            link = Some(line[at..].trim().to_owned());
            break;
        }
    }
    let build_seconds = seconds(built);
    let heard = Instant::now();
    let result = match &link {
        Some(link) => {
            let mut c = Command::new("node");
            c.arg(root().join("web/e2e/hear-demo.mjs")).args(["--link", link]).current_dir(root().join("web"));
            run(c)
        }
        None => bail_with_status(&mut child),
    };
    // The shell replaced itself by cargo, which passes the signal's effect on by ending; the server follows its group.
    let _ = Command::new("kill").args(["-TERM", "--", &format!("-{}", child.id())]).status();
    let _ = child.wait();
    result?;
    println!("README: `{start_command}` to the link {build_seconds} s; link to a heard voice {} s", seconds(heard));
    Ok(())
}

fn bail_with_status(child: &mut std::process::Child) -> Result<()> {
    bail!("no sign-in link was printed ({:?})", child.try_wait())
}

/// As a stranger would type it: an empty HOME, none of our settings, a process group of its own.
fn stranger_shell(line: &str, dir: &Path, home: &Path, caches: Caches) -> Command {
    use std::os::unix::process::CommandExt;
    let mut c = Command::new("sh");
    c.args(["-c", &format!("exec {line}")]).current_dir(dir).process_group(0).env("HOME", home);
    // The toolchain itself counts as installed; our settings do not.
    let real_home = std::env::var("HOME").unwrap_or_default();
    if std::env::var_os("RUSTUP_HOME").is_none() && Path::new(&real_home).join(".rustup").exists() {
        c.env("RUSTUP_HOME", Path::new(&real_home).join(".rustup"));
    }
    for name in ["CARGO_HOME", "CARGO_TARGET_DIR", "RUSTC_WRAPPER", "RUSTFLAGS", "CORDBOARD_SKIP_WEB", "XDG_CACHE_HOME"]
    {
        c.env_remove(name);
    }
    for (name, _) in std::env::vars().filter(|(n, _)| n.starts_with("CORDBOARD_") || n.starts_with("CARGO_")) {
        c.env_remove(name);
    }
    if caches == Caches::Warm {
        let cargo = std::env::var_os("CARGO_HOME").map_or_else(|| Path::new(&real_home).join(".cargo"), PathBuf::from);
        c.env("CARGO_HOME", cargo).env("CARGO_TARGET_DIR", target_dir());
    }
    c
}

/// The lines of the README's `sh` code blocks.
fn commands(readme: &str) -> Vec<String> {
    let mut inside = false;
    let mut found = Vec::new();
    for line in readme.lines() {
        if let Some(lang) = line.trim().strip_prefix("```") {
            inside = !inside && lang.trim() == "sh";
        } else if inside && !line.trim().is_empty() && !line.trim_start().starts_with('#') {
            found.push(line.trim().trim_start_matches("$ ").to_owned());
        }
    }
    found
}

#[cfg(test)]
mod tests {
    #[test]
    fn commands_are_taken_from_sh_blocks_only() {
        let readme =
            "text\n```sh\n# start\ncargo run --release\n```\n```toml\na = 1\n```\n```sh\ncargo xtask test\n```\n";
        assert_eq!(super::commands(readme), ["cargo run --release", "cargo xtask test"]);
    }
}
