//! An RTP peer of our own: sends a tone, and digits as telephone-events (RFC 4733) or as dual tones, keeps what it hears with its time.
use std::collections::VecDeque;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::sound::{BLOCK, alaw_decode, heard_ms, tone, ulaw_decode, ulaw_encode};
use super::{SOON, wait_for};

const PCMU: u8 = 0;
const PCMA: u8 = 8;
pub const EVENT: u8 = 101;
/// Ten minutes of packets: a test that hears more has gone astray.
const HEARD_MAX: usize = 30_000;

pub struct RtpPeer {
    pub port: u16,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    stop: AtomicBool,
    state: Mutex<State>,
}

struct State {
    /// Where to send; learned from the first packet if the signalling does not tell.
    remote: Option<SocketAddr>,
    hz: Option<f64>,
    /// Packets left out on purpose: each one whose number this divides.
    loses: Option<u16>,
    digits: Vec<char>,
    /// Packets of dual tones and of pauses that are still to come.
    sounding: VecDeque<Option<(f64, f64)>>,
    /// First and last packet of each digit.
    pressed: Vec<(Instant, Instant)>,
    /// Each packet's arrival and sound.
    heard: Vec<(Instant, Vec<i16>)>,
    /// How much of `heard` was taken.
    taken: usize,
    packets: u64,
}

impl RtpPeer {
    pub fn start() -> RtpPeer {
        RtpPeer::at(Ipv4Addr::LOCALHOST.into())
    }

    pub fn at(ip: IpAddr) -> RtpPeer {
        let socket = UdpSocket::bind((ip, 0)).expect("a UDP port");
        let port = socket.local_addr().expect("its address").port();
        let state = State {
            remote: None,
            hz: None,
            loses: None,
            digits: Vec::new(),
            sounding: VecDeque::new(),
            pressed: Vec::new(),
            heard: Vec::new(),
            taken: 0,
            packets: 0,
        };
        let shared = Arc::new(Shared { stop: AtomicBool::new(false), state: Mutex::new(state) });
        let thread = std::thread::spawn({
            let shared = shared.clone();
            move || run(&socket, &shared)
        });
        RtpPeer { port, shared, thread: Some(thread) }
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.shared.state.lock().expect("no panic in the peer")
    }

    pub fn send_to(&self, remote: SocketAddr) {
        self.state().remote = Some(remote);
    }

    /// Sends this tone from now on; `None` is silence.
    pub fn say(&self, hz: Option<f64>) {
        self.state().hz = hz;
    }

    /// Every `nth` packet of sound is lost on its way from now on.
    pub fn lose(&self, nth: u16) {
        self.state().loses = Some(nth);
    }

    pub fn press(&self, digit: char) {
        self.state().digits.push(digit);
    }

    /// A key whose digit is nothing but sound: 80 ms of its two tones (ITU-T Q.23), and as long a pause.
    pub fn sound(&self, digit: char) {
        let at = "123A456B789C*0#D".find(digit).expect("a DTMF digit");
        let tones = ([697.0, 770.0, 852.0, 941.0][at / 4], [1209.0, 1336.0, 1477.0, 1633.0][at % 4]);
        let mut state = self.state();
        state.sounding.extend([Some(tones); 4]);
        state.sounding.extend([None; 4]);
    }

    /// What was heard since the last call.
    pub fn take(&self) -> Vec<i16> {
        let mut state = self.state();
        let from = state.taken;
        state.taken = state.heard.len();
        state.heard[from..].iter().flat_map(|(_, s)| s.iter().copied()).collect()
    }

    pub fn packets(&self) -> u64 {
        self.state().packets
    }

    fn untaken(&self) -> Vec<i16> {
        let state = self.state();
        state.heard[state.taken..].iter().flat_map(|(_, s)| s.iter().copied()).collect()
    }

    /// Waits until `hz` was heard for `ms` after now.
    #[track_caller]
    pub fn wait_tone(&self, hz: f64, ms: u64) {
        self.take();
        wait_for(&format!("{ms} ms of {hz} Hz"), SOON, || (heard_ms(&self.untaken(), hz) >= ms).then_some(()));
    }

    /// Waits until `hz` has not been heard for `ms`, whatever else is.
    #[track_caller]
    pub fn wait_without(&self, hz: f64, ms: u64) {
        let since = Instant::now();
        wait_for(&format!("{ms} ms without {hz} Hz"), SOON, || {
            let last = self.spans(hz).last().map_or(since, |(_, to)| (*to).max(since));
            (last.elapsed() >= Duration::from_millis(ms)).then_some(())
        });
    }

    /// Collects `ms` of sound from now on.
    #[track_caller]
    pub fn listen(&self, ms: u64) -> Vec<i16> {
        self.take();
        wait_for(&format!("{ms} ms of sound"), SOON, || (self.untaken().len() as u64 >= ms * 8).then(|| self.take()))
    }

    /// Whatever comes within `ms` from now on, be it nothing.
    pub fn listen_for(&self, ms: u64) -> Vec<i16> {
        self.take();
        let until = Instant::now() + Duration::from_millis(ms);
        wait_for("the time of listening to pass", SOON, || (Instant::now() >= until).then(|| self.take()))
    }

    /// When each digit's first and last packet was sent.
    pub fn pressed(&self) -> Vec<(Instant, Instant)> {
        self.state().pressed.clone()
    }

    /// From when to when the tone was heard: a packet's arrival to the end of the last one's 20 ms; pauses of up to
    /// 100 ms (a late packet) do not divide.
    pub fn spans(&self, hz: f64) -> Vec<(Instant, Instant)> {
        let state = self.state();
        let mut spans: Vec<(Instant, Instant)> = Vec::new();
        for (at, samples) in &state.heard {
            if heard_ms(samples, hz) == 0 {
                continue;
            }
            let end = *at + Duration::from_millis(20);
            match spans.last_mut() {
                Some((_, to)) if at.saturating_duration_since(*to) <= Duration::from_millis(100) => *to = end,
                _ => spans.push((*at, end)),
            }
        }
        spans
    }
}

impl Drop for RtpPeer {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn run(socket: &UdpSocket, shared: &Shared) {
    let mut next = Instant::now();
    let (mut seq, mut stamp, mut position) = (1u16, 160u32, 0usize);
    let mut buffer = [0u8; 2048];
    while !shared.stop.load(Ordering::Relaxed) {
        let wait = next.saturating_duration_since(Instant::now());
        if wait > Duration::from_millis(0) {
            let _ = socket.set_read_timeout(Some(wait.max(Duration::from_millis(1))));
            if let Ok((n, from)) = socket.recv_from(&mut buffer) {
                receive(&buffer[..n], from, shared);
            }
            continue;
        }
        next += Duration::from_millis(20);
        let (remote, hz, loses, digit, sounding) = {
            let mut state = shared.state.lock().expect("no panic in the peer");
            let digit =
                if state.remote.is_some() && !state.digits.is_empty() { Some(state.digits.remove(0)) } else { None };
            let sounding = if state.remote.is_some() { state.sounding.pop_front() } else { None };
            (state.remote, state.hz, state.loses, digit, sounding)
        };
        let Some(remote) = remote else { continue };
        if let Some(digit) = digit {
            let pressed = Instant::now();
            // Five packets of 20 ms, the end three times, then the clock goes on (RFC 4733 §2.5).
            for step in 1..=8u16 {
                let end = step > 5;
                let duration = step.min(6) * 160;
                let code = "0123456789*#ABCD".find(digit).expect("a DTMF digit") as u8;
                let payload = [code, if end { 0x8a } else { 0x0a }, (duration >> 8) as u8, duration as u8];
                let _ = socket.send_to(&packet(EVENT, step == 1, seq, stamp, &payload), remote);
                seq = seq.wrapping_add(1);
                if !end {
                    std::thread::park_timeout(Duration::from_millis(20));
                }
            }
            shared.state.lock().expect("no panic in the peer").pressed.push((pressed, Instant::now()));
            stamp = stamp.wrapping_add(6 * 160);
            next = Instant::now();
            continue;
        }
        let samples = match (sounding, hz) {
            (Some(Some((low, high))), _) => {
                let pairs = tone(low, position, BLOCK).into_iter().zip(tone(high, position, BLOCK));
                pairs.map(|(low, high)| low / 2 + high / 2).collect()
            }
            (None, Some(hz)) => tone(hz, position, BLOCK),
            (Some(None), _) | (None, None) => vec![0; BLOCK],
        };
        position += BLOCK;
        let payload: Vec<u8> = samples.iter().map(|s| ulaw_encode(*s)).collect();
        if loses.is_none_or(|nth| !seq.is_multiple_of(nth)) {
            let _ = socket.send_to(&packet(PCMU, false, seq, stamp, &payload), remote);
        }
        seq = seq.wrapping_add(1);
        stamp = stamp.wrapping_add(BLOCK as u32);
    }
}

pub fn packet(kind: u8, marker: bool, seq: u16, stamp: u32, payload: &[u8]) -> Vec<u8> {
    let mut p = vec![0x80, kind | if marker { 0x80 } else { 0 }];
    p.extend_from_slice(&seq.to_be_bytes());
    p.extend_from_slice(&stamp.to_be_bytes());
    p.extend_from_slice(&0x5eed_0001u32.to_be_bytes());
    p.extend_from_slice(payload);
    p
}

/// On the clock of the other ledgers: Unix milliseconds.
pub fn unix_ms(at: Instant) -> f64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
    (now.as_secs_f64() - at.elapsed().as_secs_f64()) * 1000.0
}

/// The sound in an RTP packet; none if it is no G.711.
pub fn decode(bytes: &[u8]) -> Option<Vec<i16>> {
    if bytes.len() < 12 || bytes[0] >> 6 != 2 {
        return None;
    }
    let payload = &bytes[12..];
    match bytes[1] & 0x7f {
        PCMU => Some(payload.iter().map(|b| ulaw_decode(*b)).collect()),
        PCMA => Some(payload.iter().map(|b| alaw_decode(*b)).collect()),
        _ => None,
    }
}

fn receive(bytes: &[u8], from: SocketAddr, shared: &Shared) {
    let mut state = shared.state.lock().expect("no panic in the peer");
    state.packets += 1;
    let Some(samples) = decode(bytes) else { return };
    state.remote.get_or_insert(from);
    assert!(state.heard.len() < HEARD_MAX, "a test listens for too long");
    state.heard.push((Instant::now(), samples));
}
