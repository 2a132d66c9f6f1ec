//! coturn, as an operator would run it: a relay for browsers, with accounts made from a shared secret.
use std::fs;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use super::{SOON, wait_for};

pub const SECRET: &str = "between relay and call centre";

pub struct Relay {
    child: Child,
    at: SocketAddr,
    dir: PathBuf,
}

impl Relay {
    pub fn start(name: &str) -> Relay {
        let at = TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr()).expect("a free port");
        let dir = std::env::temp_dir().join(format!("cordboard-relay-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&dir);
        fs::create_dir_all(&dir).expect("a directory");
        let mut relay = Relay { child: run(&dir, at), at, dir };
        relay.wait_ready();
        relay
    }

    fn wait_ready(&mut self) {
        wait_for("the relay", SOON, || {
            if let Ok(Some(status)) = self.child.try_wait() {
                panic!("the relay ended with {status}: {}", self.log());
            }
            TcpStream::connect(self.at).ok()
        });
    }

    /// By TCP, as where UDP is blocked.
    pub fn url(&self) -> String {
        format!("turn:{}?transport=tcp", self.at)
    }

    /// Without a word to anyone.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    pub fn start_again(&mut self) {
        self.child = run(&self.dir, self.at);
        self.wait_ready();
    }

    pub fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(self.dir.join("log")).unwrap_or_default()).into_owned()
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.kill();
        let _ = fs::remove_dir_all(&self.dir);
    }
}

fn run(dir: &Path, at: SocketAddr) -> Child {
    let file = |name: &str| dir.join(name).display().to_string();
    let log = fs::OpenOptions::new().create(true).append(true).open(dir.join("log")).expect("a log");
    Command::new("turnserver")
        .args(["-n", "--listening-ip", "127.0.0.1", "--relay-ip", "127.0.0.1"])
        .args(["--listening-port", &at.port().to_string(), "--min-port", "34000", "--max-port", "34999"])
        .args(["--realm", "relay.test", "--use-auth-secret", "--static-auth-secret", SECRET])
        // Everything is on this machine here.
        .args(["--allow-loopback-peers", "--no-cli", "--no-tls", "--no-dtls", "--verbose"])
        .args(["--log-file", "stdout", "--pidfile", &file("pid"), "--userdb", &file("db")])
        .current_dir(dir)
        .stdin(Stdio::null())
        .stdout(log.try_clone().expect("a file"))
        .stderr(log)
        .spawn()
        .expect("turnserver runs: package coturn")
}
