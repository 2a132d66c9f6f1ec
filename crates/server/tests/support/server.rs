//! A cordboard process of its own: free ports, fresh data directory, ended by its id.
use std::fs;
use std::net::{SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
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

/// What a test wants to be unusual.
#[derive(Default)]
pub struct Unusual {
    /// Data is kept here, in an empty directory of the test's own, instead of in a fresh one.
    pub dir: Option<PathBuf>,
    pub database_url: Option<String>,
    /// Certificates that the server trusts, instead of the machine's.
    pub roots: Option<PathBuf>,
    /// A web port with TLS beside the one without.
    pub https: bool,
    /// SIP and sound by both families of addresses, instead of IPv4 alone.
    pub ipv6: bool,
    /// Options of the command line beside the usual ones.
    pub options: Vec<String>,
    /// Settings that are no options, being secret.
    pub environment: Vec<(&'static str, &'static str)>,
    /// What is logged.
    pub log: Option<&'static str>,
    /// Nobody reads what the server writes until [`Server::read_log`].
    pub log_unread: bool,
    /// Errors in the log that the test provokes: a line with one of these is no surprise.
    pub expected_errors: &'static [&'static str],
}

pub struct Server {
    child: Child,
    pub dir: PathBuf,
    pub http: SocketAddr,
    pub sip: SocketAddr,
    /// SIP over TLS.
    pub sip_tls: SocketAddr,
    /// Where a test wanted it.
    pub https: Option<SocketAddr>,
    media_ports: String,
    unusual: Unusual,
    /// Beside the data, not in it: a full disk of the server's is not the test's.
    log: PathBuf,
    keep: bool,
}

impl Server {
    pub fn start(name: &str) -> Server {
        Server::start_with(name, None)
    }

    pub fn start_with(name: &str, database_url: Option<String>) -> Server {
        Server::start_unusual(name, Unusual { database_url, ..Unusual::default() })
    }

    pub fn start_unusual(name: &str, unusual: Unusual) -> Server {
        let own = || std::env::temp_dir().join(format!("cordboard-e2e-{name}-{}", std::process::id()));
        let dir = unusual.dir.clone().unwrap_or_else(|| {
            let _ = fs::remove_dir_all(own());
            own()
        });
        match &unusual.database_url {
            Some(_) => fs::create_dir_all(&dir).expect("data directory"),
            None => copy(&sample_data(), &dir),
        }
        Server::start_in(dir, unusual)
    }

    fn start_in(dir: PathBuf, unusual: Unusual) -> Server {
        let media_ports = media_ports();
        let flat = dir.display().to_string().replace('/', "-");
        let log = std::env::temp_dir().join(format!("cordboard-log{flat}"));
        let _ = fs::remove_file(&log);
        let sip = if unusual.ipv6 { "[::]:0" } else { "127.0.0.1:0" };
        let child = spawn(&dir, &log, &media_ports, &unusual, ["127.0.0.1:0", sip]);
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut server = Server {
            child,
            dir,
            http: any,
            sip: any,
            sip_tls: any,
            https: None,
            media_ports,
            unusual,
            log,
            keep: false,
        };
        server.wait_ready();
        server
    }

    fn wait_ready(&mut self) {
        let file = self.dir.join("addresses.json");
        let child = &mut self.child;
        let (http, sip, sip_tls, https) = wait_for("the server to be ready", Duration::from_secs(90), || {
            if let Ok(Some(status)) = child.try_wait() {
                panic!("the server ended with {status}");
            }
            let value: Value = serde_json::from_str(&fs::read_to_string(&file).ok()?).ok()?;
            if value["pid"].as_u64() != Some(u64::from(child.id())) {
                return None;
            }
            let addr = |name: &str| value[name].as_str()?.parse::<SocketAddr>().ok();
            Some((addr("http")?, addr("sip")?, addr("sip_tls")?, addr("https")))
        });
        self.http = http;
        self.sip = sip;
        self.sip_tls = sip_tls;
        self.https = https;
        wait_for("/readyz", Duration::from_secs(60), || {
            (Http::new(http, None).try_get("/readyz")?.0 == 200).then_some(())
        });
    }

    /// Kills the process without warning and starts another on the same data and ports.
    pub fn kill_and_restart(&mut self) {
        self.kill();
        self.start_again();
    }

    /// On the same data and ports.
    pub fn start_again(&mut self) {
        let (http, sip) = (self.http.to_string(), self.sip.to_string());
        self.child = spawn(&self.dir, &self.log, &self.media_ports, &self.unusual, [&http, &sip]);
        self.wait_ready();
    }

    /// An orderly end.
    fn stop(&mut self) {
        let _ = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status();
        wait_for("the server to stop", Duration::from_secs(20), || self.child.try_wait().ok().flatten());
    }

    /// An end that leaves the calls to the next process.
    pub fn hand_over(&mut self) {
        let _ = Command::new("kill").args(["-USR2", &self.child.id().to_string()]).status();
        wait_for("the server to hand over", Duration::from_secs(20), || self.child.try_wait().ok().flatten());
    }

    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Begins to read what the server has written and writes, into the file that [`Server::log`] reads.
    pub fn read_log(&mut self) {
        let open = || fs::OpenOptions::new().create(true).append(true).open(&self.log).expect("log file");
        if let Some(mut out) = self.child.stdout.take() {
            let mut to = open();
            std::thread::spawn(move || std::io::copy(&mut out, &mut to));
        }
        if let Some(mut err) = self.child.stderr.take() {
            let mut to = open();
            std::thread::spawn(move || std::io::copy(&mut err, &mut to));
        }
    }

    pub fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.log).unwrap_or_default()).into_owned()
    }

    /// The value of a metric without labels.
    pub fn metric(&self, name: &str) -> Option<f64> {
        let (_, text) = self.api().text("/metrics");
        text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok())
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

    /// How many UDP ports of the media range the process holds.
    pub fn media_ports_open(&self) -> usize {
        let (from, to) = self.media_ports.split_once('-').expect("a range");
        let range: std::ops::RangeInclusive<u16> = from.parse().expect("a port")..=to.parse().expect("a port");
        let table = fs::read_to_string("/proc/net/udp").expect("the kernel's table");
        let port = |line: &str| u16::from_str_radix(line.split_whitespace().nth(1)?.split_once(':')?.1, 16).ok();
        table.lines().filter_map(port).filter(|port| range.contains(port)).count()
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
    static DONE: OnceLock<PathBuf> = OnceLock::new();
    DONE.get_or_init(make_sample_data).clone()
}

/// Sample data of other builds are removed when they are as old as this.
const SAMPLE_DATA_AGE: Duration = Duration::from_secs(2 * 3600);

fn make_sample_data() -> PathBuf {
    let program = fs::metadata(binary()).expect("the program");
    let changed = program.modified().expect("a time").duration_since(std::time::UNIX_EPOCH).expect("after 1970");
    let name = format!("cordboard-e2e-sample-{}-{}", program.len(), changed.as_millis());
    let done = std::env::temp_dir().join(&name);
    if !done.exists() {
        for old in fs::read_dir(std::env::temp_dir()).expect("a directory").filter_map(Result::ok) {
            // Not what another build's tests beside these may be using.
            let age = old.metadata().and_then(|m| m.modified()).ok().and_then(|m| m.elapsed().ok());
            if old.file_name().to_string_lossy().starts_with("cordboard-e2e-sample-") && age > Some(SAMPLE_DATA_AGE) {
                let _ = fs::remove_dir_all(old.path());
            }
        }
        let making = std::env::temp_dir().join(format!("{name}-{}", std::process::id()));
        fs::create_dir_all(&making).expect("data directory");
        let mut server = Server::start_in(making.clone(), Unusual::default());
        server.stop();
        server.keep = true;
        drop(server);
        // Another test program may have been faster.
        if fs::rename(&making, &done).is_err() {
            let _ = fs::remove_dir_all(&making);
            assert!(done.exists(), "the sample data cannot be put to {}", done.display());
        }
    }
    done
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a directory");
    for entry in fs::read_dir(from).expect("a directory").filter_map(Result::ok) {
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else if entry.file_name() != "addresses.json" {
            fs::copy(entry.path(), target).expect("a copy");
        }
    }
}

fn spawn(dir: &Path, log: &Path, media_ports: &str, unusual: &Unusual, [http, sip]: [&str; 2]) -> Child {
    let file = fs::OpenOptions::new().create(true).append(true).open(log).expect("log file");
    let mut c = Command::new(binary());
    let (sip_tls, media_ip, advertise) =
        if unusual.ipv6 { ("[::]:0", "::", "127.0.0.1,::1") } else { ("127.0.0.1:0", "127.0.0.1", "127.0.0.1") };
    c.arg("--data-dir")
        .arg(dir)
        .args([
            "--http",
            http,
            "--https",
            if unusual.https { "127.0.0.1:0" } else { "off" },
            "--sip",
            sip,
            "--sip-tls",
            sip_tls,
        ])
        .args(["--media-ip", media_ip, "--media-advertise", advertise, "--media-ports", media_ports])
        .args(&unusual.options)
        .envs(unusual.environment.iter().copied())
        .env("CORDBOARD_SAMPLE_PASSWORD", PASSWORD)
        .env("CORDBOARD_LOG", unusual.log.unwrap_or("info,sqlx=warn"));
    if unusual.log_unread {
        c.stdout(Stdio::piped()).stderr(Stdio::piped());
    } else {
        c.stdout(Stdio::from(file.try_clone().expect("log file"))).stderr(Stdio::from(file));
    }
    if let Some(roots) = &unusual.roots {
        c.env("SSL_CERT_FILE", roots);
    }
    if let Some(url) = &unusual.database_url {
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
        let log = self.log();
        let provoked = |line: &&str| !self.unusual.expected_errors.iter().any(|text| line.contains(text));
        let unexpected: Vec<&str> =
            log.lines().filter(|l| l.contains(" ERROR ") || l.contains("panicked at")).filter(provoked).collect();
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
        let _ = fs::remove_file(&self.log);
        assert!(unexpected.is_empty(), "errors in the server's log:\n{}", unexpected.join("\n"));
    }
}
