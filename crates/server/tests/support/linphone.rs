//! Linphone as an agent's phone, set up by nothing but a link: it fetches its settings, registers, answers by itself. Its
//! microphone is a WAV file, what it hears goes to another, and it takes orders on its standard input.
use std::fs;
use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use super::sound::{heard_ms, tone_at, wav};
use super::{SOON, wait_for};

pub struct Linphone {
    child: Child,
    dir: PathBuf,
}

impl Linphone {
    /// Sounds like `hz`; its settings are at `path` of the web server. Registered when this comes back.
    #[track_caller]
    pub fn start(web: SocketAddr, path: &str, hz: f64) -> Linphone {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("cordboard-linphone-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let dir = std::env::temp_dir().join(name);
        let _ = fs::remove_dir_all(&dir);
        // Its database goes below its home, which it does not make.
        fs::create_dir_all(dir.join(".local/share/linphone")).expect("a directory");
        fs::write(dir.join("microphone.wav"), wav(8_000, &tone_at(8_000.0, hz, 120 * 8_000))).expect("a file");
        let config = format!(
            "[sip]\nsip_port=-1\nsip_tcp_port=-1\nsip_tls_port=-1\nverify_server_certs=0\nverify_server_cn=0\n\
             [rtp]\naudio_rtp_port=-1\n[misc]\nconfig-uri=http://{web}{path}\n"
        );
        fs::write(dir.join("config"), config).expect("a file");
        let log = fs::File::create(dir.join("log")).expect("a file");
        let child = Command::new("linphonec")
            .args(["-d", "6", "-c"])
            .arg(dir.join("config"))
            .arg("-l")
            .arg(dir.join("trace"))
            .env("HOME", &dir)
            .env("XDG_DATA_HOME", dir.join(".local/share"))
            .env("XDG_CONFIG_HOME", dir.join(".config"))
            .stdin(Stdio::piped())
            .stdout(Stdio::from(log.try_clone().expect("a file")))
            .stderr(Stdio::from(log))
            .spawn()
            .expect("linphonec is installed (Debian package linphone-cli)");
        let mut phone = Linphone { child, dir };
        // What is said before it has its settings is forgotten with them.
        phone.wait_traced("to [LinphoneRegistrationOk]");
        phone.order("autoanswer enable");
        phone.order("soundcard use files");
        phone.order(&format!("play {}", phone.dir.join("microphone.wav").display()));
        phone.order(&format!("record {}", phone.file().display()));
        phone
    }

    fn order(&mut self, line: &str) {
        let input = self.child.stdin.as_mut().expect("a pipe");
        input.write_all(format!("{line}\n").as_bytes()).expect("linphonec listens");
    }

    /// Waits until its trace has this.
    #[track_caller]
    fn wait_traced(&self, text: &str) {
        wait_for(&format!("linphone's {text:?}"), SOON, || {
            let trace = fs::read(self.dir.join("trace")).ok()?;
            String::from_utf8_lossy(&trace).contains(text).then_some(())
        });
    }

    fn file(&self) -> PathBuf {
        self.dir.join("heard.wav")
    }

    pub fn dial(&mut self, number: &str) {
        self.order(&format!("call {number}"));
    }

    pub fn hold(&mut self) {
        self.order("pause");
    }

    pub fn resume(&mut self) {
        self.order("resume 1");
    }

    /// By its own command: REFER.
    pub fn transfer(&mut self, number: &str) {
        self.order(&format!("transfer {number}"));
    }

    pub fn hang_up(&mut self) {
        self.order("terminate");
    }

    /// Everything it heard so far, at 8 kHz.
    fn heard(&self) -> Vec<i16> {
        // The file gets its header when it is closed.
        let bytes = fs::read(self.file()).unwrap_or_default();
        let sound = bytes.get(44..).unwrap_or_default();
        sound.chunks_exact(2).map(|s| i16::from_le_bytes([s[0], s[1]])).collect()
    }

    /// Waits until `hz` was heard for `ms` after now.
    #[track_caller]
    pub fn wait_tone(&self, hz: f64, ms: u64) {
        let from = self.heard().len();
        wait_for(&format!("linphone to hear {ms} ms of {hz} Hz"), SOON, || {
            (heard_ms(self.heard().get(from..)?, hz) >= ms).then_some(())
        });
    }

    /// Collects at least `ms` of sound from now on.
    #[track_caller]
    pub fn listen(&self, ms: u64) -> Vec<i16> {
        let from = self.heard().len();
        wait_for(&format!("linphone to hear {ms} ms"), SOON, || {
            let heard = self.heard();
            (heard.len() as u64 >= from as u64 + ms * 8).then(|| heard[from..].to_vec())
        })
    }
}

impl Drop for Linphone {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            let log = fs::read_to_string(self.dir.join("log")).unwrap_or_default();
            let trace = fs::read(self.dir.join("trace")).unwrap_or_default();
            let trace = String::from_utf8_lossy(&trace).into_owned();
            let lines: Vec<&str> = trace.lines().filter(|l| !l.contains("mediastreamer")).collect();
            let tail = lines.get(lines.len().saturating_sub(150)..).unwrap_or_default().join("\n");
            eprintln!("--- linphone's log\n{log}\n--- the end of its trace\n{tail}");
        }
        let _ = fs::remove_dir_all(&self.dir);
    }
}
