//! SIPp as caller and as phone: signalling by a program nobody here wrote, sound by [`super::rtp::RtpPeer`].
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use super::ledger::{self, Message, PeerCall};
use super::wait_for;

/// A running SIPp; ended by its id when dropped.
pub struct Sipp {
    child: Child,
    pub port: u16,
    ip: IpAddr,
    errors: PathBuf,
    messages: PathBuf,
}

/// What the calls of one SIPp have in common.
#[derive(Clone)]
pub struct Calls<'a> {
    pub scenario: &'a str,
    pub number: &'a str,
    pub caller: &'a str,
    /// Further headers of a caller's INVITE.
    pub headers: &'a str,
    pub rtp_port: u16,
    /// Of a fax's datagrams.
    pub fax_port: u16,
    /// `-d`: the pause in the scenario.
    pub pause_ms: u64,
    pub count: u32,
    pub per_second: u32,
    pub tcp: bool,
    /// A caller's digits come as telephone events; else only as tones in its sound.
    pub events: bool,
}

impl Default for Calls<'_> {
    fn default() -> Self {
        Calls {
            scenario: "caller",
            number: "1000",
            caller: "13800138000",
            headers: "Subject: test",
            rtp_port: 9,
            fax_port: 9,
            pause_ms: 0,
            count: 1,
            per_second: 1,
            tcp: false,
            events: true,
        }
    }
}

impl Sipp {
    pub fn call(server: SocketAddr, calls: &Calls<'_>) -> Sipp {
        Sipp::start(server, calls, free_port(), &[])
    }

    /// As the phone of this account: the scenario answers a challenge.
    pub fn call_as(server: SocketAddr, calls: &Calls<'_>, user: &str, secret: &str) -> Sipp {
        Sipp::start(server, calls, free_port(), &["-au", user, "-ap", secret])
    }

    /// Takes the calls that come to `port` as the scenario says.
    pub fn phone(server: SocketAddr, port: u16, calls: &Calls<'_>) -> Sipp {
        Sipp::start(server, calls, port, &[])
    }

    /// Registers from `port` and ends; the binding points there.
    pub fn register(server: SocketAddr, port: u16, user: &str, secret: &str) {
        let calls = Calls { scenario: "register", number: user, ..Calls::default() };
        let mut sipp = Sipp::start(server, &calls, port, &["-au", user, "-ap", secret]);
        assert!(sipp.wait(Duration::from_secs(10)), "registration failed: {}\n{}", sipp.errors(), sipp.transcript());
    }

    fn start(server: SocketAddr, calls: &Calls<'_>, port: u16, more: &[&str]) -> Sipp {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let scenario = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("tests/peers/{}.xml", calls.scenario));
        let name = format!("cordboard-sipp-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let file = |kind: &str| std::env::temp_dir().join(format!("{name}.{kind}"));
        let (formats, digits) =
            if calls.events { ("0 101", "a=rtpmap:101 telephone-event/8000") } else { ("0", "a=ptime:20") };
        let (errors, messages) = (file("err"), file("msg"));
        let child = Command::new("sipp")
            .args(["-sf".as_ref(), scenario.as_os_str()])
            .args(["-i", &loopback(server).to_string(), "-p", &port.to_string(), "-nostdin"])
            .args(["-trace_err".as_ref(), "-error_file".as_ref(), errors.as_os_str()])
            .args(["-trace_msg".as_ref(), "-message_file".as_ref(), messages.as_os_str()])
            .args(["-t", if calls.tcp { "t1" } else { "u1" }])
            .args(["-m", &calls.count.to_string(), "-r", &calls.per_second.to_string()])
            .args(["-d", &calls.pause_ms.to_string(), "-s", calls.number])
            .args(["-key", "caller", calls.caller, "-key", "rtp_port", &calls.rtp_port.to_string()])
            .args(["-key", "fax_port", &calls.fax_port.to_string()])
            .args(["-key", "headers", calls.headers, "-key", "formats", formats, "-key", "digits", digits])
            .args(more)
            .arg(server.to_string())
            .env("TZ", "UTC")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("sipp is installed (Debian package sip-tester)");
        Sipp { child, port, ip: loopback(server), errors, messages }
    }

    /// Whether it ended with every call successful.
    #[track_caller]
    pub fn wait(&mut self, limit: Duration) -> bool {
        wait_for("SIPp to end", limit, || self.child.try_wait().ok().flatten()).success()
    }

    /// Waits for the end of all its calls, each as the scenario wants it.
    #[track_caller]
    pub fn must_end_well(&mut self) {
        let well = self.wait(Duration::from_secs(20));
        assert!(well, "SIPp failed: {}\n{}", self.errors(), self.transcript());
    }

    pub fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// As if the machine had lost power: no BYE, nothing.
    pub fn vanish(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    pub fn errors(&self) -> String {
        std::fs::read_to_string(&self.errors).unwrap_or_default()
    }

    pub fn transcript(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(&self.messages).unwrap_or_default()).into_owned()
    }

    pub fn messages(&self) -> Vec<Message> {
        ledger::parse(&self.transcript())
    }

    /// Its ledger.
    pub fn calls(&self) -> Vec<PeerCall> {
        ledger::calls(&self.messages())
    }

    /// Where the server wants the sound of the newest call, once a session description has come.
    pub fn media(&self) -> Option<SocketAddr> {
        self.messages().iter().rev().filter(|m| !m.sent).find_map(Message::media)
    }

    /// Tells the scenario to hang up the newest call.
    pub fn hang_up(&self) {
        self.go_on(1);
    }

    /// Tells the scenario of the newest call to take its next step: a MESSAGE with its Call-ID, from beside. No two `step`s
    /// may be equal, or it is taken for a retransmission.
    pub fn go_on(&self, step: u32) {
        let call = self.calls().pop().expect("a call to hang up");
        let text = format!(
            "MESSAGE sip:peer@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:9;branch=z9hG4bKstep{step}\r\n\
             From: <sip:test@127.0.0.1>;tag=1\r\nTo: <sip:peer@127.0.0.1>\r\nCall-ID: {}\r\nCSeq: {step} MESSAGE\r\n\
             Content-Length: 0\r\n\r\n",
            call.call_id
        );
        let socket = UdpSocket::bind((self.ip, 0)).expect("a UDP port");
        socket.send_to(text.as_bytes(), (self.ip, self.port)).expect("loopback takes it");
    }
}

impl Drop for Sipp {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            let (all, errors) = (self.transcript(), self.errors());
            let tail: Vec<&str> = all.lines().rev().take(120).collect();
            eprintln!("--- last messages of the SIPp on port {}", self.port);
            tail.iter().rev().for_each(|line| eprintln!("{line}"));
            eprintln!("{errors}");
        }
        let _ = std::fs::remove_file(&self.errors);
        let _ = std::fs::remove_file(&self.messages);
    }
}

/// This machine, by the family of `peer`.
pub fn loopback(peer: SocketAddr) -> IpAddr {
    if peer.is_ipv4() { Ipv4Addr::LOCALHOST.into() } else { Ipv6Addr::LOCALHOST.into() }
}

/// A UDP port free at this moment.
pub fn free_port() -> u16 {
    UdpSocket::bind("127.0.0.1:0").and_then(|s| s.local_addr()).expect("a free port").port()
}
