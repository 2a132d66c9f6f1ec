//! A server to measure: started here on free ports with a fresh data directory, or one that runs already.
use std::fs;
use std::net::{SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::http::Http;
use crate::process::{Cpu, Memory, Used};

/// Below the ports that the system gives out by itself; room for 5,000 calls of two legs of two ports.
const MEDIA_PORTS: (u16, u16) = (12_000, 31_999);

/// What to start.
#[derive(Debug, Clone, Default)]
pub struct Start {
    /// The program; none for `cordboard` beside this one.
    pub program: Option<PathBuf>,
    /// Further arguments for it.
    pub arguments: Vec<String>,
    pub database_url: Option<String>,
    /// Keep the data directory, and say where it is.
    pub keep: bool,
}

pub struct Server {
    /// None if it was running before.
    child: Option<Child>,
    pid: u32,
    dir: PathBuf,
    keep: bool,
    pub http: SocketAddr,
    pub sip: SocketAddr,
}

impl Server {
    pub fn start(what: &Start) -> Result<Server> {
        let program = match &what.program {
            Some(program) => program.clone(),
            None => std::env::current_exe()?.with_file_name("cordboard"),
        };
        let dir = std::env::temp_dir().join(format!("cordboard-load-{}", std::process::id()));
        let _ = fs::remove_dir_all(&dir);
        fs::create_dir_all(&dir).with_context(|| format!("cannot make {}", dir.display()))?;
        let log = fs::File::create(dir.join("server.log"))?;
        let mut command = Command::new(&program);
        command
            .arg("--data-dir")
            .arg(&dir)
            .args(["--http", "127.0.0.1:0", "--https", "off", "--sip", "127.0.0.1:0", "--sip-tls", "off"])
            .args(["--media-ip", "127.0.0.1", "--media-advertise", "127.0.0.1"])
            .args(["--media-ports", &media_ports()?])
            .args(&what.arguments)
            .env("CORDBOARD_LOG", "warn")
            .env("CORDBOARD_SAMPLE_PASSWORD", PASSWORD)
            .stdout(Stdio::from(log.try_clone()?))
            .stderr(Stdio::from(log));
        if let Some(url) = &what.database_url {
            command.args(["--database-url", url]);
        }
        let child = command.spawn().with_context(|| format!("cannot start {}", program.display()))?;
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let pid = child.id();
        let mut server = Server { child: Some(child), pid, dir, keep: what.keep, http: any, sip: any };
        let deadline = Instant::now() + Duration::from_secs(120);
        while !server.is_ready()? {
            if Instant::now() > deadline {
                bail!("the server is not ready after two minutes; its log:\n{}", server.log());
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(server)
    }

    /// One that runs already on this data directory.
    pub fn attach(dir: &Path) -> Result<Server> {
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut server = Server { child: None, pid: 0, dir: dir.to_owned(), keep: true, http: any, sip: any };
        if !server.is_ready()? {
            bail!("no server is ready on {}", dir.display());
        }
        Ok(server)
    }

    fn is_ready(&mut self) -> Result<bool> {
        if let Some(child) = &mut self.child
            && let Some(status) = child.try_wait()?
        {
            bail!("the server ended with {status}; its log:\n{}", self.log());
        }
        let Ok(text) = fs::read_to_string(self.dir.join("addresses.json")) else { return Ok(false) };
        let value: Value = serde_json::from_str(&text)?;
        let address = |name: &str| value[name].as_str().and_then(|a| a.parse::<SocketAddr>().ok());
        let (Some(http), Some(sip)) = (address("http"), address("sip")) else { return Ok(false) };
        let pid = value["pid"].as_u64().and_then(|p| u32::try_from(p).ok()).unwrap_or(0);
        if self.child.is_some() && pid != self.pid {
            return Ok(false);
        }
        (self.http, self.sip, self.pid) = (http, sip, pid);
        Ok(Http::new(http, None).try_get("/readyz").is_ok_and(|(status, _)| status == 200))
    }

    /// As the sample company's administrator.
    pub fn api(&self) -> Result<Http> {
        let token = fs::read_to_string(self.dir.join("api-token")).context("no api-token in the data directory")?;
        Ok(Http::new(self.http, Some(token.trim().to_owned())))
    }

    pub fn log(&self) -> String {
        let log = fs::read_to_string(self.dir.join("server.log")).unwrap_or_default();
        let from = log.len().saturating_sub(4000);
        log.get(from..).unwrap_or(&log).to_owned()
    }

    /// Lines of its log that a person should have looked at.
    pub fn errors(&self) -> Vec<String> {
        let log = fs::read_to_string(self.dir.join("server.log")).unwrap_or_default();
        log.lines().filter(|l| l.contains("ERROR") || l.contains("panicked at")).map(str::to_owned).take(20).collect()
    }

    pub fn pid(&self) -> u32 {
        self.pid
    }

    pub fn dir(&self) -> &Path {
        &self.dir
    }

    pub fn cpu(&self) -> Result<Cpu> {
        Cpu::of(self.pid)
    }

    pub fn used_since(&self, before: &Cpu) -> Result<Used> {
        Ok(self.cpu()?.since(before))
    }

    pub fn memory(&self) -> Result<Memory> {
        Memory::of(self.pid)
    }
}

/// Of the sample users of a server started here.
pub const PASSWORD: &str = "measured-from-outside";

/// Begins at a port that is free now: the first one serves all browsers and must be.
fn media_ports() -> Result<String> {
    for from in (MEDIA_PORTS.0..MEDIA_PORTS.0 + 1000).step_by(10) {
        if UdpSocket::bind(("127.0.0.1", from)).is_ok() {
            return Ok(format!("{from}-{}", MEDIA_PORTS.1));
        }
    }
    bail!("no free media port above {}", MEDIA_PORTS.0)
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            let _ = child.kill();
            let _ = child.wait();
            if self.keep {
                eprintln!("kept: {}", self.dir.display());
            } else {
                let _ = fs::remove_dir_all(&self.dir);
            }
        }
    }
}
