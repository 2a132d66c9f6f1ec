//! A SIP phone on a thread of its own: one call at a time, speaks a sine in G.711, remembers the last second it heard.
use std::collections::VecDeque;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use media::rtp;
use sip::msg::{Message, NameAddr, Uri};
use sip::{Account, Admission, CallId, Command, Endpoint, Event, Hop, Input, Invite, Output};

use crate::floor::eventually;
use crate::tone::{self, Sine};

/// Lets everybody call.
struct Open;

impl sip::Directory for Open {
    fn admit(&self, _: &Hop, _: &Message) -> Admission {
        Admission::Accept { identity: None }
    }
    fn realm(&self, _: &str) -> Option<String> {
        None
    }
    fn account(&self, _: &str, _: &str) -> Option<Account> {
        None
    }
    fn may_register(&self, _: &sip::registrar::UserKey, _: &str) -> bool {
        false
    }
}

#[derive(Default)]
struct Seen {
    is_up: bool,
    ended: Option<sip::EndCause>,
    /// Where its sound goes.
    server: Option<SocketAddr>,
    /// Sequence number of its newest packet.
    spoken: u16,
    heard: VecDeque<i16>,
}

enum Wish {
    Call(SocketAddr, String),
    HangUp,
    Stop,
}

pub struct Phone {
    pub addr: SocketAddr,
    seen: Arc<Mutex<Seen>>,
    wishes: Sender<Wish>,
    thread: Option<JoinHandle<()>>,
}

impl Phone {
    /// A phone that answers every call and speaks a sine of `hz`.
    pub fn new(hz: f64) -> Self {
        Self::at(Ipv4Addr::LOCALHOST.into(), hz)
    }

    /// The same with this address.
    pub fn at(ip: IpAddr, hz: f64) -> Self {
        Self::saying(ip, "RTP/AVP", "", hz)
    }

    /// The same as [`Phone::new`], promising SRTP and then speaking in plain.
    pub fn breaking_its_word(hz: f64) -> Self {
        let key = "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz\r\n";
        Self::saying(Ipv4Addr::LOCALHOST.into(), "RTP/SAVP", key, hz)
    }

    fn saying(ip: IpAddr, protocol: &'static str, crypto: &'static str, hz: f64) -> Self {
        let sip = UdpSocket::bind((ip, 0)).unwrap();
        sip.set_read_timeout(Some(Duration::from_millis(2))).unwrap();
        let rtp = UdpSocket::bind((ip, 0)).unwrap();
        rtp.set_nonblocking(true).unwrap();
        let addr = sip.local_addr().unwrap();
        let seen: Arc<Mutex<Seen>> = Arc::default();
        let (wishes, wished) = channel();
        let mut seed = [0; 32];
        seed[..2].copy_from_slice(&addr.port().to_be_bytes());
        let line = Line {
            addr,
            protocol,
            crypto,
            sip,
            rtp,
            endpoint: Endpoint::new(sip::Config::new(seed)),
            start: Instant::now(),
            call: None,
            calls: 0,
            remote: None,
            sine: Sine::new(hz),
            header: rtp::Header { payload_type: 8, ssrc: u32::from(addr.port()), ..rtp::Header::default() },
            spoken: 0,
            seen: seen.clone(),
        };
        let thread = std::thread::spawn(move || line.run(&wished));
        Self { addr, seen, wishes, thread: Some(thread) }
    }

    pub fn call(&self, server: SocketAddr, number: &str) {
        self.wishes.send(Wish::Call(server, number.to_owned())).unwrap();
    }

    pub fn hang_up(&self) {
        self.wishes.send(Wish::HangUp).unwrap();
    }

    pub fn wait_up(&self) {
        eventually("the phone is in a call", || self.seen.lock().unwrap().is_up);
    }

    pub fn wait_ended(&self) -> sip::EndCause {
        eventually("the phone's call has ended", || self.seen.lock().unwrap().ended.is_some());
        self.seen.lock().unwrap().ended.clone().unwrap()
    }

    /// Where it sends its sound.
    pub fn server(&self) -> SocketAddr {
        eventually("the phone speaks", || self.seen.lock().unwrap().server.is_some());
        let server = self.seen.lock().unwrap().server;
        server.unwrap()
    }

    /// Sequence number of its newest packet.
    pub fn spoken(&self) -> u16 {
        self.seen.lock().unwrap().spoken
    }

    /// Judges by what comes from now on.
    pub fn forget(&self) {
        self.seen.lock().unwrap().heard.clear();
    }

    /// The newest second of what it gets, as it sounds without any key.
    pub fn heard(&self) -> Vec<i16> {
        self.seen.lock().unwrap().heard.iter().copied().collect()
    }

    /// Hears a tenth of a second of nothing, as packets of silence or as no packets at all.
    pub fn wait_silence(&self) {
        self.seen.lock().unwrap().heard.clear();
        let mut asked = 0;
        eventually("the phone hears silence", || {
            let mut seen = self.seen.lock().unwrap();
            asked += 1;
            let last: Vec<i16> = seen.heard.drain(..).collect();
            // 30 checks 10 ms apart.
            if last.iter().any(|s| s.unsigned_abs() > 300) {
                asked = 0;
            }
            asked >= 30
        });
    }

    /// Hears `hz` and does not hear `not`, now and for the last tenth of a second.
    pub fn wait_hears(&self, hz: f64, not: f64) {
        eventually(&format!("the phone hears {hz} Hz and not {not} Hz"), || {
            let seen = self.seen.lock().unwrap();
            let last: Vec<i16> = seen.heard.iter().rev().take(tone::WINDOW).rev().copied().collect();
            tone::has(&last, hz) && tone::lacks(&last, not)
        });
    }
}

impl Drop for Phone {
    fn drop(&mut self) {
        let _ = self.wishes.send(Wish::Stop);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

struct Line {
    addr: SocketAddr,
    protocol: &'static str,
    crypto: &'static str,
    sip: UdpSocket,
    rtp: UdpSocket,
    endpoint: Endpoint,
    start: Instant,
    call: Option<CallId>,
    calls: u64,
    remote: Option<SocketAddr>,
    sine: Sine,
    header: rtp::Header,
    /// Frames sent.
    spoken: u32,
    seen: Arc<Mutex<Seen>>,
}

impl Line {
    fn run(mut self, wishes: &Receiver<Wish>) {
        let mut buffer = [0; 65_535];
        loop {
            match wishes.try_recv() {
                Ok(Wish::Call(server, number)) => self.invite(server, &number),
                Ok(Wish::HangUp) => {
                    if let Some(call) = self.call {
                        self.command(Command::Hangup { call, headers: Vec::new() });
                    }
                }
                Ok(Wish::Stop) => return,
                Err(_) => {}
            }
            if let Ok((len, remote)) = self.sip.recv_from(&mut buffer) {
                let local = self.addr;
                self.handle(Input::Datagram { local, remote, bytes: &buffer[..len] });
            }
            while let Ok((len, _)) = self.rtp.recv_from(&mut buffer) {
                self.hear(&buffer[..len]);
            }
            self.handle(Input::Timeout);
            self.speak();
        }
    }

    fn sdp(&self) -> Vec<u8> {
        let (port, ip) = (self.rtp.local_addr().unwrap().port(), self.addr.ip());
        let family = if ip.is_ipv4() { "IP4" } else { "IP6" };
        let (protocol, crypto) = (self.protocol, self.crypto);
        format!(
            "v=0\r\no=- 1 1 IN {family} {ip}\r\ns=-\r\nc=IN {family} {ip}\r\nt=0 0\r\n\
             m=audio {port} {protocol} 8 101\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:101 telephone-event/8000\r\na=sendrecv\r\n{crypto}"
        )
        .into_bytes()
    }

    fn invite(&mut self, server: SocketAddr, number: &str) {
        self.calls += 1;
        let call = CallId::outgoing(self.calls);
        let from = Uri::parse(&format!("sip:phone@{}", self.addr)).unwrap();
        let invite = Invite {
            call,
            hop: Hop::udp(self.addr, server),
            uri: Uri::parse(&format!("sip:{number}@{server}")).unwrap(),
            from: NameAddr::new(from),
            to: None,
            contact_user: Some("phone".into()),
            headers: Vec::new(),
            sdp: Some(self.sdp()),
            credentials: None,
        };
        *self.seen.lock().unwrap() = Seen::default();
        self.call = Some(call);
        self.command(Command::Invite(Box::new(invite)));
    }

    fn command(&mut self, command: Command) {
        self.handle(Input::Command(command));
    }

    fn handle(&mut self, input: Input<'_>) {
        self.endpoint.handle(self.start.elapsed(), input, &Open);
        while let Some(output) = self.endpoint.poll_output() {
            match output {
                Output::Transmit(transmit) => {
                    self.sip.send_to(&transmit.bytes, transmit.hop.remote).unwrap();
                }
                Output::CloseStream { .. } => {}
                Output::Event(event) => self.event(event),
            }
        }
    }

    fn event(&mut self, event: Event) {
        match event {
            Event::IncomingCall(incoming) => {
                self.remote = incoming.sdp().and_then(rtp_address);
                self.call = Some(incoming.call);
                *self.seen.lock().unwrap() = Seen { is_up: true, ..Seen::default() };
                let sdp = self.sdp();
                // Safe to recurse: the answer causes no further event at once.
                self.command(Command::Answer { call: incoming.call, sdp, headers: Vec::new() });
            }
            Event::Answered { sdp, .. } => {
                self.remote = sdp.as_deref().and_then(rtp_address);
                self.seen.lock().unwrap().is_up = true;
            }
            Event::Reinvite { call, .. } => {
                let sdp = self.sdp();
                self.command(Command::AnswerReinvite { call, sdp });
            }
            Event::Ended { cause, .. } => {
                self.remote = None;
                let mut seen = self.seen.lock().unwrap();
                seen.is_up = false;
                seen.ended = Some(cause);
            }
            _ => {}
        }
    }

    fn hear(&mut self, bytes: &[u8]) {
        let Ok(packet) = rtp::Packet::parse(bytes) else { return };
        if packet.header.payload_type != 8 {
            return;
        }
        let mut seen = self.seen.lock().unwrap();
        seen.heard.extend(packet.payload.iter().map(|&octet| media::g711::alaw_to_linear(octet)));
        let extra = seen.heard.len().saturating_sub(8_000);
        seen.heard.drain(..extra);
    }

    /// One frame each 20 ms while in a call.
    fn speak(&mut self) {
        let due = u32::try_from(self.start.elapsed().as_millis() / 20).unwrap();
        let Some(remote) = self.remote else {
            self.spoken = due;
            return;
        };
        while self.spoken < due {
            self.spoken += 1;
            let payload: Vec<u8> = self.sine.next(160).into_iter().map(media::g711::linear_to_alaw).collect();
            let packet = rtp::Packet::new(self.header, &payload).to_vec();
            self.header.sequence = self.header.sequence.wrapping_add(1);
            self.header.timestamp = self.header.timestamp.wrapping_add(160);
            let _ = self.rtp.send_to(&packet, remote);
            let mut seen = self.seen.lock().unwrap();
            (seen.server, seen.spoken) = (Some(remote), self.header.sequence.wrapping_sub(1));
        }
    }
}

/// Address of the audio line, read as plain text to be independent of the crate under test.
fn rtp_address(sdp: &[u8]) -> Option<SocketAddr> {
    let text = std::str::from_utf8(sdp).ok()?;
    let ip = text.lines().find_map(|l| l.strip_prefix("c=IN IP")?.split(' ').nth(1))?;
    let port = text.lines().find_map(|l| l.strip_prefix("m=audio "))?.split(' ').next()?;
    Some(SocketAddr::new(ip.trim().parse().ok()?, port.parse().ok()?))
}
