//! `cargo xtask shots`: the real server with its sample company, every route in both languages and themes, as pictures.
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::run::{command, root, run};

#[derive(clap::Args, Default)]
pub struct Options {
    /// Only routes containing this text.
    #[arg(long)]
    only: Option<String>,
    /// Where the pictures go.
    #[arg(long)]
    out: Option<PathBuf>,
}

pub fn shots(options: &Options) -> Result<()> {
    // The same selection as the tests make, so that nothing is compiled twice.
    run(command("cargo", &["test", "--workspace", "--all-targets", "--no-run", "--quiet"]))?;
    take(options)
}

/// With the binary that was built last.
pub fn take(options: &Options) -> Result<()> {
    let out = options.out.clone().unwrap_or_else(|| root().join("test-results/shots"));
    let data = std::env::temp_dir().join(format!("cordboard-shots-{}", std::process::id()));
    fs::create_dir_all(&out)?;
    let server = Server::start(&binary()?, &data)?;
    let mut c = Command::new("node");
    c.arg(root().join("web/e2e/shots.mjs"))
        .args(["--base", &server.url, "--email", "admin@sample.test", "--password", PASSWORD, "--out"])
        .arg(&out)
        .current_dir(root().join("web"));
    if let Some(only) = &options.only {
        c.args(["--only", only]);
    }
    let result = run(c);
    drop(server);
    let _ = fs::remove_dir_all(&data);
    result?;
    println!("pictures in {}", out.display());
    Ok(())
}

const PASSWORD: &str = "shots-password-1";

fn binary() -> Result<PathBuf> {
    let meta = crate::run::output(command("cargo", &["metadata", "--no-deps", "--format-version", "1"]))?;
    let meta: serde_json::Value = serde_json::from_str(&meta)?;
    let target = meta["target_directory"].as_str().context("cargo metadata names no target directory")?;
    Ok(Path::new(target).join("debug/cordboard"))
}

/// A running server on ports of its own; ended (by its id) when dropped.
struct Server {
    child: Child,
    url: String,
}

impl Server {
    fn start(binary: &Path, data: &Path) -> Result<Self> {
        let mut child = Command::new(binary)
            .arg("--data-dir")
            .arg(data)
            .args([
                "--http",
                "127.0.0.1:0",
                "--https",
                "off",
                "--sip",
                "127.0.0.1:0",
                "--sip-tls",
                "off",
                "--media-ports",
                "42000-42199",
            ])
            .env("CORDBOARD_SAMPLE_PASSWORD", PASSWORD)
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot start {}", binary.display()))?;
        let out = child.stdout.take().context("no standard output")?;
        let (send, lines) = mpsc::channel();
        std::thread::spawn(move || {
            for line in BufReader::new(out).lines().map_while(Result::ok) {
                let _ = send.send(line);
            }
        });
        let deadline = Instant::now() + Duration::from_secs(120);
        let mut server = Server { child, url: String::new() };
        while let Ok(line) = lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            // The link is `http://localhost:PORT/sign-in/link#token=…`.
            if let Some(at) = line.find("http://localhost:") {
                let rest = &line[at..];
                let end = rest["http://localhost:".len()..].find('/').map_or(rest.len(), |e| e + 17);
                server.url = rest[..end].to_owned();
                return Ok(server);
            }
        }
        bail!("the server printed no link within two minutes")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
