//! A cordboard process of its own: free ports, fresh data directory, ended by its id.
use std::fs;
use std::net::{SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use serde_json::Value;

use super::http::Http;
use super::wait_for;

pub const PASSWORD: &str = "end-to-end-password";

/// A range of media ports below those that the system gives out (32768 and up), free at this moment and different for
/// each server of this run.
fn media_ports() -> String {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    const RANGE: u16 = 500;
    let ranges = (32_500 - 12_000) / RANGE;
    for _ in 0..ranges {
        let n = (std::process::id() % u32::from(ranges)) as u16 + NEXT.fetch_add(1, Ordering::Relaxed);
        let from = 12_000 + n % ranges * RANGE;
        // The first is the one that has to be free: all browsers share it.
        if UdpSocket::bind(("127.0.0.1", from)).is_ok() {
            return format!("{from}-{}", from + RANGE - 1);
        }
    }
    panic!("no free range of media ports");
}

pub struct Server {
    child: Child,
    pub dir: PathBuf,
    pub http: SocketAddr,
    pub sip: SocketAddr,
    media_ports: String,
    database_url: Option<String>,
    keep: bool,
}

impl Server {
    pub fn start(name: &str) -> Server {
        Server::start_with(name, None)
    }

    pub fn start_with(name: &str, database_url: Option<String>) -> Server {
        let dir = std::env::temp_dir().join(format!("cordboard-e2e-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&dir);
        match database_url {
            Some(_) => fs::create_dir_all(&dir).expect("data directory"),
            None => copy(&sample_data(), &dir),
        }
        Server::start_in(dir, database_url)
    }

    fn start_in(dir: PathBuf, database_url: Option<String>) -> Server {
        let media_ports = media_ports();
        let child = spawn(&dir, &media_ports, database_url.as_deref());
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut server = Server { child, dir, http: any, sip: any, media_ports, database_url, keep: false };
        server.wait_ready();
        server
    }

    fn wait_ready(&mut self) {
        let file = self.dir.join("addresses.json");
        let child = &mut self.child;
        let (http, sip) = wait_for("the server to be ready", Duration::from_secs(90), || {
            if let Ok(Some(status)) = child.try_wait() {
                panic!("the server ended with {status}");
            }
            let value: Value = serde_json::from_str(&fs::read_to_string(&file).ok()?).ok()?;
            if value["pid"].as_u64() != Some(u64::from(child.id())) {
                return None;
            }
            let addr = |name: &str| value[name].as_str()?.parse::<SocketAddr>().ok();
            Some((addr("http")?, addr("sip")?))
        });
        self.http = http;
        self.sip = sip;
        wait_for("/readyz", Duration::from_secs(60), || {
            (Http::new(http, None).try_get("/readyz")?.0 == 200).then_some(())
        });
    }

    /// Kills the process without warning and starts another on the same data and ports.
    pub fn kill_and_restart(&mut self) {
        self.kill();
        let sip = self.sip.to_string();
        self.child = spawn_on(&self.dir, &self.media_ports, self.database_url.as_deref(), &sip);
        self.wait_ready();
    }

    /// An orderly end.
    fn stop(&mut self) {
        let _ = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status();
        wait_for("the server to stop", Duration::from_secs(20), || self.child.try_wait().ok().flatten());
    }

    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// The sample tenant's API token.
    pub fn token(&self) -> String {
        fs::read_to_string(self.dir.join("api-token")).expect("api-token").trim().to_owned()
    }

    pub fn api(&self) -> Http {
        Http::new(self.http, Some(self.token()))
    }

    pub fn url(&self) -> String {
        format!("http://localhost:{}", self.http.port())
    }

    pub fn data(&self) -> &Path {
        &self.dir
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }
}

/// A data directory after its first start: the sample company and its week of history are made once for one program and
/// copied for each test.
fn sample_data() -> PathBuf {
    let program = fs::metadata(binary()).expect("the program");
    let changed = program.modified().expect("a time").duration_since(std::time::UNIX_EPOCH).expect("after 1970");
    let name = format!("cordboard-e2e-sample-{}-{}", program.len(), changed.as_millis());
    let done = std::env::temp_dir().join(&name);
    if !done.exists() {
        for old in fs::read_dir(std::env::temp_dir()).expect("a directory").filter_map(Result::ok) {
            if old.file_name().to_string_lossy().starts_with("cordboard-e2e-sample-") {
                let _ = fs::remove_dir_all(old.path());
            }
        }
        let making = std::env::temp_dir().join(format!("{name}-{}", std::process::id()));
        fs::create_dir_all(&making).expect("data directory");
        let mut server = Server::start_in(making.clone(), None);
        server.stop();
        server.keep = true;
        drop(server);
        fs::rename(&making, &done).expect("a directory of that name is free");
    }
    done
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a directory");
    for entry in fs::read_dir(from).expect("a directory").filter_map(Result::ok) {
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else if entry.file_name() != "addresses.json" && entry.file_name() != "server.log" {
            fs::copy(entry.path(), target).expect("a copy");
        }
    }
}

fn spawn(dir: &Path, media_ports: &str, database_url: Option<&str>) -> Child {
    spawn_on(dir, media_ports, database_url, "127.0.0.1:0")
}

fn spawn_on(dir: &Path, media_ports: &str, database_url: Option<&str>, sip: &str) -> Child {
    let log = fs::OpenOptions::new().create(true).append(true).open(dir.join("server.log")).expect("log file");
    let mut c = Command::new(binary());
    c.arg("--data-dir")
        .arg(dir)
        .args(["--http", "127.0.0.1:0", "--https", "off", "--sip", sip])
        .args(["--media-ip", "127.0.0.1", "--media-advertise", "127.0.0.1", "--media-ports", media_ports])
        .env("CORDBOARD_SAMPLE_PASSWORD", PASSWORD)
        .env("CORDBOARD_LOG", "info,sqlx=warn")
        .stdout(Stdio::from(log.try_clone().expect("log file")))
        .stderr(Stdio::from(log));
    if let Some(url) = database_url {
        c.args(["--database-url", url]);
    }
    c.spawn().expect("the server starts")
}

/// The program under test: the one built along, or another (an installed package, a release build) named by
/// `E2E_BINARY`.
fn binary() -> PathBuf {
    std::env::var_os("E2E_BINARY").map_or_else(|| env!("CARGO_BIN_EXE_cordboard").into(), PathBuf::from)
}

impl Drop for Server {
    /// A test fails too if the server wrote an error: a person should have looked.
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let log = fs::read_to_string(self.dir.join("server.log")).unwrap_or_default();
        let unexpected: Vec<&str> =
            log.lines().filter(|l| l.contains(" ERROR ") || l.contains("panicked at")).collect();
        if std::thread::panicking() {
            let tail: Vec<&str> = log.lines().rev().take(60).collect();
            eprintln!("--- the server's log, last lines of {}", self.dir.display());
            for line in tail.iter().rev() {
                eprintln!("{line}");
            }
            return;
        }
        if !self.keep {
            let _ = fs::remove_dir_all(&self.dir);
        }
        assert!(unexpected.is_empty(), "errors in the server's log:\n{}", unexpected.join("\n"));
    }
}
