//! baresip as caller and as agent's phone: a softphone nobody here wrote. Its microphone is a WAV file, what it hears
//! goes to another, and it takes orders on a TCP connection (netstrings of JSON).
use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use super::peers::{free_port, loopback};
use super::sound::{heard_ms, samples, tone_at, wav};
use super::{SOON, wait_for};

pub struct Baresip {
    child: Child,
    dir: PathBuf,
    /// For UDP and TCP; TLS has the next.
    pub port: u16,
    /// Of what it hears, as a multiple of 8 kHz.
    wide: u32,
    control: TcpStream,
    events: Arc<Mutex<Vec<Value>>>,
}

/// An account to register with.
pub struct Account<'a> {
    pub user: &'a str,
    pub secret: &'a str,
}

/// How it speaks.
#[derive(Default)]
pub struct Manner<'a> {
    /// Registers there over TLS, or takes calls over TLS where it does not register.
    pub tls: bool,
    /// Shown to those who connect: a file with certificate and key.
    pub certificate: Option<&'a Path>,
    /// SRTP by SDES, or no call.
    pub srtp: bool,
    pub codec: Speaks,
    /// By these edge proxies, with a flow over each (RFC 5626).
    pub edges: Vec<SocketAddr>,
}

/// The codecs it speaks.
#[derive(Default, Clone, Copy, PartialEq, Eq)]
pub enum Speaks {
    #[default]
    Pcmu,
    G722,
    Opus,
    Pcma,
    /// µ-law rather than A-law.
    BothLaws,
}

impl Speaks {
    /// Its name, and the rate of its sound.
    fn account(self) -> (&'static str, u32) {
        match self {
            Speaks::Pcmu => ("PCMU/8000/1", 8_000),
            Speaks::G722 => ("G722/16000/1", 16_000),
            Speaks::Opus => ("opus/48000/2", 48_000),
            Speaks::Pcma => ("PCMA/8000/1", 8_000),
            Speaks::BothLaws => ("PCMU/8000/1,PCMA/8000/1", 8_000),
        }
    }
}

impl Baresip {
    /// `registrar`: registers there and answers by itself.
    pub fn start(server: SocketAddr, hz: f64, registrar: Option<&Account<'_>>) -> Baresip {
        Baresip::start_in(server, hz, registrar, &Manner::default())
    }

    /// Registers at `server`, or takes every call for 13900139000, in this manner.
    pub fn start_in(server: SocketAddr, hz: f64, registrar: Option<&Account<'_>>, manner: &Manner<'_>) -> Baresip {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("cordboard-baresip-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let dir = std::env::temp_dir().join(name);
        let _ = fs::remove_dir_all(&dir);
        fs::create_dir_all(&dir).expect("a directory");
        // Two minutes of microphone: longer than any test speaks.
        let microphone = dir.join("microphone.wav");
        let (codec, rate) = manner.codec.account();
        fs::write(&microphone, wav(rate, &tone_at(f64::from(rate), hz, 120 * rate as usize))).expect("a file");
        let (port, control) = (free_port(), free_port());
        let ip = loopback(server);
        let at = SocketAddr::new(ip, port);
        let certificate = manner.certificate.map(|c| format!("sip_certificate {}\n", c.display())).unwrap_or_default();
        let config = format!(
            "poll_method epoll\nsip_listen {at}\nnet_interface {ip}\naudio_path /usr/share/baresip\n\
             audio_player aubridge,nobody\naudio_alert aubridge,alert\naudio_source aufile,{}\n\
             ausrc_srate {rate}\nauplay_srate {rate}\nausrc_channels 1\nauplay_channels 1\n\
             jitter_buffer_delay 5-10\nrtp_stats no\nmodule_path /usr/lib/baresip/modules\n{certificate}\
             module g711.so\nmodule g722.so\nmodule opus.so\nmodule srtp.so\nmodule aufile.so\nmodule aubridge.so\nmodule sndfile.so\nsnd_path {}\n\
             module_tmp uuid.so\nmodule_app account.so\nmodule_app menu.so\nmodule_app ctrl_tcp.so\nctrl_tcp_listen 127.0.0.1:{control}\n",
            microphone.display(),
            dir.display()
        );
        let transport = if manner.tls { ";transport=tls" } else { "" };
        let media = if manner.srtp { ";mediaenc=srtp-mand" } else { "" };
        let proxy = |(at, edge)| format!(";outbound{at}=\"sip:{edge};transport=tcp;lr\"");
        let mut edges: String = (1..).zip(&manner.edges).map(proxy).collect();
        if !edges.is_empty() {
            edges.push_str(";sipnat=outbound");
        }
        let account = match registrar {
            Some(a) => format!(
                "<sip:{}@{server}{transport}>;auth_pass={};regint=600;answermode=auto;audio_codecs={codec}{media}{edges}\n",
                a.user, a.secret
            ),
            None => format!("<sip:13900139000@{at}{transport}>;regint=0;answermode=auto;audio_codecs={codec}{media}\n"),
        };
        fs::write(dir.join("config"), config).expect("a file");
        fs::write(dir.join("accounts"), account).expect("a file");
        fs::write(dir.join("contacts"), "").expect("a file");
        let log = fs::File::create(dir.join("log")).expect("a file");
        let child = Command::new("baresip")
            .arg("-f")
            .arg(&dir)
            .stdin(Stdio::null())
            .stdout(Stdio::from(log.try_clone().expect("a file")))
            .stderr(Stdio::from(log))
            .spawn()
            .expect("baresip is installed (Debian package baresip-core)");
        let control = wait_for("baresip to take orders", SOON, || TcpStream::connect(("127.0.0.1", control)).ok());
        let events = Arc::new(Mutex::new(Vec::new()));
        let reader = control.try_clone().expect("a second handle");
        std::thread::spawn({
            let events = events.clone();
            move || read_events(reader, &events)
        });
        Baresip { child, dir, port, wide: rate / 8_000, control, events }
    }

    fn order(&mut self, command: &str, params: &str) {
        let message = json!({"command": command, "params": params, "token": "test"}).to_string();
        self.control.write_all(format!("{}:{message},", message.len()).as_bytes()).expect("baresip listens");
    }

    pub fn dial(&mut self, server: SocketAddr, number: &str) {
        self.order("dial", &format!("sip:{number}@{server}"));
    }

    /// By RFC 4733.
    pub fn press(&mut self, digit: char) {
        self.order("sndcode", &digit.to_string());
    }

    pub fn hang_up(&mut self) {
        self.order("hangup", "");
    }

    pub fn hold(&mut self) {
        self.order("hold", "");
    }

    pub fn resume(&mut self) {
        self.order("resume", "");
    }

    /// By its transfer button: REFER.
    pub fn transfer(&mut self, server: SocketAddr, number: &str) {
        self.order("transfer", &format!("sip:{number}@{server}"));
    }

    /// Events of this kind so far.
    pub fn count(&self, kind: &str) -> usize {
        self.events.lock().expect("no panic in the reader").iter().filter(|e| e["type"] == kind).count()
    }

    #[track_caller]
    pub fn wait_event(&self, kind: &str) {
        wait_for(&format!("baresip's {kind}"), SOON, || (self.count(kind) > 0).then_some(()));
    }

    /// Waits until it is registered by so many ways. Its log says so too, and from the beginning: who connects late misses
    /// events.
    #[track_caller]
    pub fn wait_registered(&self, ways: usize) {
        wait_for("baresip to be registered", SOON, || {
            let log = fs::read_to_string(self.dir.join("log")).unwrap_or_default();
            let logged = log.lines().filter(|l| l.contains("} 200 OK (Cordboard)")).count();
            (logged >= ways).then_some(())
        });
    }

    /// Waits until `calls` of its calls are over; why the last one is.
    #[track_caller]
    pub fn wait_closed(&self, calls: usize) -> String {
        wait_for(&format!("baresip's call {calls} to be over"), SOON, || {
            let events = self.events.lock().expect("no panic in the reader");
            let mut closed = events.iter().filter(|e| e["type"] == "CALL_CLOSED").skip(calls - 1);
            Some(closed.next()?["param"].as_str().unwrap_or_default().to_owned())
        })
    }

    /// Everything it heard so far in its newest call, at its codec's own rate; of several channels the first.
    pub fn heard(&self) -> Vec<i16> {
        let files = fs::read_dir(&self.dir).expect("its directory");
        let dumps = files.filter_map(|f| Some(f.ok()?.path())).filter(|p| p.to_string_lossy().ends_with("-dec.wav"));
        // Named by the second in which their call began.
        let dump = dumps.max();
        let bytes = dump.and_then(|p| fs::read(p).ok()).filter(|b| b.len() > 44).unwrap_or_default();
        let Some(channels) = bytes.get(22) else { return Vec::new() };
        samples(&bytes).into_iter().step_by(usize::from(*channels).max(1)).collect()
    }

    /// Milliseconds of `hz` in what it heard.
    pub fn heard_ms(&self, heard: &[i16], hz: f64) -> u64 {
        // Sound judged at 8 kHz that is of a higher rate seems deeper and longer.
        heard_ms(heard, hz / f64::from(self.wide)) / u64::from(self.wide)
    }

    /// Waits until `hz` was heard for `ms` after now.
    #[track_caller]
    pub fn wait_tone(&self, hz: f64, ms: u64) {
        let from = self.heard().len();
        wait_for(&format!("baresip to hear {ms} ms of {hz} Hz"), SOON, || {
            let heard = self.heard();
            (self.heard_ms(heard.get(from..)?, hz) >= ms).then_some(())
        });
    }

    /// Collects at least `ms` of sound from now on.
    #[track_caller]
    pub fn listen(&self, ms: u64) -> Vec<i16> {
        let from = self.heard().len();
        wait_for(&format!("baresip to hear {ms} ms"), SOON, || {
            let heard = self.heard();
            (heard.len() as u64 >= from as u64 + ms * 8 * u64::from(self.wide)).then(|| heard[from..].to_vec())
        })
    }
}

fn read_events(mut from: TcpStream, events: &Mutex<Vec<Value>>) {
    let mut bytes = Vec::new();
    let mut buffer = [0u8; 4096];
    while let Ok(n) = from.read(&mut buffer) {
        if n == 0 {
            break;
        }
        bytes.extend_from_slice(&buffer[..n]);
        while let Some(colon) = bytes.iter().position(|b| *b == b':') {
            let length: usize = String::from_utf8_lossy(&bytes[..colon]).parse().unwrap_or(0);
            let end = colon + 1 + length;
            if bytes.len() <= end {
                break;
            }
            if let Ok(event) = serde_json::from_slice(&bytes[colon + 1..end]) {
                events.lock().expect("no panic here").push(event);
            }
            bytes.drain(..=end);
        }
    }
}

impl Drop for Baresip {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            let log = fs::read_to_string(self.dir.join("log")).unwrap_or_default();
            eprintln!("--- baresip's log\n{log}");
        }
        let _ = fs::remove_dir_all(&self.dir);
    }
}
