//! Linphone (its daemon) as an agent's phone with several calls at once: a softphone nobody here wrote, ordered by lines on its standard input.
//! It answers by itself and speaks a file into its calls; what it hears is not looked at.
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use super::baresip::Account;
use super::peers::free_port;
use super::sound::{tone_at, wav};
use super::{SOON, wait_for};

pub struct Lines {
    child: Child,
    dir: PathBuf,
    orders: ChildStdin,
    said: Arc<Mutex<Vec<String>>>,
}

impl Lines {
    /// Registers, and speaks `hz` where it is told to.
    pub fn start(server: SocketAddr, hz: f64, account: &Account<'_>) -> Lines {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("cordboard-lines-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let dir = std::env::temp_dir().join(name);
        let _ = fs::remove_dir_all(&dir);
        for inner in [".local/share/linphone", ".config/linphone"] {
            fs::create_dir_all(dir.join(inner)).expect("a directory");
        }
        fs::write(dir.join("speech.wav"), wav(8_000, &tone_at(8_000.0, hz, 60 * 8_000))).expect("a file");
        let config = format!(
            "[sip]\nsip_port={}\nsip_tcp_port=0\nsip_tls_port=0\nmedia_encryption=none\n[rtp]\naudio_rtp_port={}\n[net]\nfirewall_policy=none\n",
            free_port(),
            free_port()
        );
        fs::write(dir.join("linphonerc"), config).expect("a file");
        let mut child = Command::new("linphone-daemon")
            .args(["--auto-answer", "--disable-stats-events", "--config"])
            .arg(dir.join("linphonerc"))
            .env("HOME", &dir)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("linphone-daemon is installed (Debian package linphone-cli)");
        let orders = child.stdin.take().expect("a pipe");
        let said = Arc::new(Mutex::new(Vec::new()));
        let out = child.stdout.take().expect("a pipe");
        std::thread::spawn({
            let said = said.clone();
            move || {
                for line in BufReader::new(out).lines().map_while(Result::ok) {
                    said.lock().expect("no panic here").push(line);
                }
            }
        });
        let mut phone = Lines { child, dir, orders, said };
        let Account { user, secret } = account;
        phone.order(&format!("register sip:{user}@{server} sip:{server} {secret}"));
        wait_for("linphone to be registered", SOON, || {
            phone.order("register-status 1");
            let said = phone.said.lock().expect("no panic in the reader");
            said.iter().any(|line| line.contains("LinphoneRegistrationOk")).then_some(())
        });
        phone
    }

    fn order(&mut self, line: &str) {
        writeln!(self.orders, "{line}").and_then(|()| self.orders.flush()).expect("linphone listens");
    }

    /// Waits until it has said this so often.
    #[track_caller]
    pub fn wait_said(&self, what: &str, times: usize) {
        wait_for(&format!("linphone's {what}, {times} times"), SOON, || {
            let said = self.said.lock().expect("no panic in the reader");
            (said.iter().filter(|line| line.contains(what)).count() >= times).then_some(())
        });
    }

    /// Puts the present call on hold by itself.
    pub fn dial(&mut self, server: SocketAddr, number: &str) {
        self.order(&format!("call sip:{number}@{server}"));
    }

    /// Calls are counted from 1.
    pub fn speak_in(&mut self, call: u32) {
        let file = self.dir.join("speech.wav");
        self.order(&format!("incall-player-start {} {call}", file.display()));
    }

    pub fn resume(&mut self, call: u32) {
        self.order(&format!("call-resume {call}"));
    }

    /// By its transfer button: REFER with Replaces.
    pub fn connect(&mut self, call: u32, with: u32) {
        self.order(&format!("call-transfer {call} {with}"));
    }
}

impl Drop for Lines {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            let said = self.said.lock().map(|said| said.join("\n")).unwrap_or_default();
            eprintln!("--- linphone said\n{said}");
        }
        let _ = fs::remove_dir_all(&self.dir);
    }
}
