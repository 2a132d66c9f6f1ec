//! SIPp as caller and as phone: signalling by a program nobody here wrote, sound by [`super::rtp::RtpPeer`].
use std::net::{SocketAddr, UdpSocket};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::wait_for;

/// A running SIPp; ended by its id when dropped.
pub struct Sipp {
    child: Child,
    pub port: u16,
    log: PathBuf,
}

/// What the calls of one SIPp have in common.
#[derive(Clone)]
pub struct Calls<'a> {
    pub scenario: &'a str,
    pub number: &'a str,
    pub caller: &'a str,
    pub rtp_port: u16,
    /// `-d`: the pause in the scenario.
    pub pause_ms: u64,
    pub count: u32,
    pub per_second: u32,
}

impl Default for Calls<'_> {
    fn default() -> Self {
        Calls {
            scenario: "caller",
            number: "1000",
            caller: "13800138000",
            rtp_port: 9,
            pause_ms: 0,
            count: 1,
            per_second: 1,
        }
    }
}

impl Sipp {
    pub fn call(server: SocketAddr, calls: &Calls<'_>) -> Sipp {
        Sipp::start(server, calls, free_port(), &[])
    }

    /// Answers what comes to `port`.
    pub fn phone(server: SocketAddr, port: u16, rtp_port: u16, count: u32, ring_ms: u64) -> Sipp {
        let calls = Calls { scenario: "auto_answer", rtp_port, count, pause_ms: ring_ms, ..Calls::default() };
        Sipp::start(server, &calls, port, &[])
    }

    /// Registers from `port` and ends; the binding points there.
    pub fn register(server: SocketAddr, port: u16, user: &str, secret: &str) {
        let calls = Calls { scenario: "register", number: user, ..Calls::default() };
        let mut sipp = Sipp::start(server, &calls, port, &["-au", user, "-ap", secret]);
        assert!(sipp.wait(Duration::from_secs(10)), "registration failed: {}", sipp.errors());
    }

    fn start(server: SocketAddr, calls: &Calls<'_>, port: u16, more: &[&str]) -> Sipp {
        let scenario = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("tests/peers/{}.xml", calls.scenario));
        let log = std::env::temp_dir().join(format!("cordboard-sipp-{}-{port}.log", std::process::id()));
        let child = Command::new("sipp")
            .args(["-sf".as_ref(), scenario.as_os_str()])
            .args(["-i", "127.0.0.1", "-p", &port.to_string(), "-nostdin", "-trace_err", "-error_file"])
            .arg(&log)
            .args(["-m", &calls.count.to_string(), "-r", &calls.per_second.to_string()])
            .args(["-d", &calls.pause_ms.to_string(), "-s", calls.number])
            .args(["-key", "caller", calls.caller, "-key", "rtp_port", &calls.rtp_port.to_string()])
            .args(more)
            .arg(server.to_string())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("sipp is installed (Debian package sip-tester)");
        Sipp { child, port, log }
    }

    /// Whether it ended with every call successful.
    pub fn wait(&mut self, limit: Duration) -> bool {
        wait_for("SIPp to end", limit, || self.child.try_wait().ok().flatten()).success()
    }

    pub fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    pub fn errors(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }
}

impl Drop for Sipp {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_file(&self.log);
    }
}

/// A UDP port free at this moment.
pub fn free_port() -> u16 {
    UdpSocket::bind("127.0.0.1:0").and_then(|s| s.local_addr()).expect("a free port").port()
}
