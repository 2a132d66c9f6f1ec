//! What a packet costs: telephony in a process of its own, paced RTP from this one. For developers.
//!
//! ```text
//! cargo run --release -p telephony --example media_bench -- [--calls 100] [--mode relay|record|browser|monitored|conference]
//!                                                           [--io auto|epoll|io-uring] [--seconds 10] [--port 20000]
//! ```
//!
//! Sets `calls` calls of two legs up and sends a G.711 packet to each leg every 20 ms: 100 packets a second and call
//! leave the process under test. Prints its CPU time per packet it sent, by thread (on loopback that includes the
//! delivery to the receiving socket), the latency seen by two legs with threads of their own, and memory per call.
//! `browser`: every second leg is a WebRTC peer connection. `monitored`: a third leg hears the two. `conference`: eight
//! legs hear one another. There the first call is the probe: one leg speaks, another hears it in the mix.
#![expect(clippy::unwrap_used, reason = "a bench fails by panicking")]
use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, UdpSocket};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use domain::device::{DeviceReport, DeviceSignal};
use domain::directory::{DeviceEntry, DeviceEntryKind, Directory, NumberEntry};
use domain::id::{BridgeId, DeviceId, LegId, NumberId, RecordingId, TenantId};
use domain::leg::{CallerId, Dial, Hears, LegCommand, LegEvent};
use str0m::change::SdpAnswer;
use str0m::media::{Direction, MediaKind, Mid};
use str0m::net::{Protocol, Receive};
use str0m::{Candidate, Event, Input, Output, Rtc};
use telephony::{Telephony, Up};

const TENANT: TenantId = TenantId(1);
const FRAME: Duration = Duration::from_millis(20);

fn option(name: &str, default: &str) -> String {
    let mut args = std::env::args().skip_while(|a| a != name).skip(1);
    args.next().unwrap_or_else(|| default.to_owned())
}

fn main() {
    if option("--role", "load") == "server" {
        server();
    } else {
        load();
    }
}

// ---- the process under test: telephony, and a floor that joins legs in pairs --------------------------------------

fn server() {
    let mode = option("--mode", "relay");
    let calls: u32 = option("--calls", "100").parse().unwrap();
    let dir = std::env::temp_dir().join(format!("cordboard-media-bench-{}", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    let (up, events) = std::sync::mpsc::sync_channel(65_536);
    let sink = Box::new(move |value| {
        up.try_send(value).err().map(|e| match e {
            std::sync::mpsc::TrySendError::Full(v) | std::sync::mpsc::TrySendError::Disconnected(v) => v,
        })
    });
    let mut config = telephony::Config::new(&dir, [1; 32], sink);
    config.sip = "127.0.0.1:0".parse().unwrap();
    config.media_ip = "127.0.0.1".parse().unwrap();
    let port: u16 = option("--port", "20000").parse().unwrap();
    config.media_ports = port..=port + 9_999;
    config.media_io = match option("--io", "auto").as_str() {
        "epoll" => telephony::MediaIo::Epoll,
        "io-uring" => telephony::MediaIo::IoUring,
        _ => telephony::MediaIo::Auto,
    };
    let handle = Telephony::start(config).unwrap();
    let sender = handle.sender();
    let mut directory = Directory { default_tenant: Some(TENANT), ..Directory::default() };
    directory.numbers.insert((TENANT, "3000".into()), NumberEntry { number: NumberId(1), sample: true });
    for device in 1..=calls {
        directory.devices.insert(
            DeviceId(device.into()),
            DeviceEntry {
                tenant: TENANT,
                kind: DeviceEntryKind::Browser,
                srtp: Default::default(),
                codecs: Vec::new(),
            },
        );
    }
    sender.directory(Arc::new(directory)).unwrap();
    println!("sip {}", handle.sip_addr());
    let offers = sender.clone();
    std::thread::spawn(move || {
        // `device offer`, the offer as JSON text; end of input ends the process.
        for line in std::io::stdin().lines().map_while(Result::ok) {
            let (device, offer) = line.split_once(' ').unwrap();
            let offer_sdp = serde_json::from_str(offer).unwrap();
            let device = DeviceId(device.parse().unwrap());
            offers.signal(DeviceSignal::Connect { device, tenant: TENANT, generation: 1, offer_sdp }).unwrap();
        }
        std::process::exit(0);
    });
    let mut waiting: Vec<LegId> = Vec::new();
    let mut pairs = 0;
    for value in events {
        match value {
            Up::Leg(LegEvent::Offered { leg, .. }) => {
                sender.command(LegCommand::Answer { leg }).unwrap();
                waiting.push(leg);
                if mode == "browser" {
                    let other = LegId(pairs + 1);
                    let to = Dial::Device { device: DeviceId(pairs + 1) };
                    let ring_timeout = Duration::from_secs(20);
                    sender
                        .command(LegCommand::Originate {
                            leg: other,
                            tenant: TENANT,
                            interaction: None,
                            to,
                            from: CallerId::default(),
                            ring_timeout,
                            beside: None,
                        })
                        .unwrap();
                    waiting.push(other);
                }
                if waiting.len() < legs_of_a_call(&mode) {
                    continue;
                }
                pairs += 1;
                let all = std::mem::take(&mut waiting);
                let hears = |leg: LegId| {
                    // Who monitors is heard by nobody.
                    let silent = if mode == "monitored" { all.get(2) } else { None };
                    let hears = all.iter().filter(|o| **o != leg && Some(*o) != silent).copied().collect();
                    Hears { leg, hears }
                };
                let legs = all.iter().copied().map(hears).collect();
                sender.command(LegCommand::Bridge { bridge: BridgeId(pairs), legs }).unwrap();
                if mode == "record" {
                    let recording = RecordingId(pairs);
                    let (left, right) = (all[0], Some(all[1]));
                    let command = LegCommand::Record { recording, tenant: TENANT, left, right, beep_s: None };
                    sender.command(command).unwrap();
                }
            }
            Up::Device(DeviceReport::Answer { device, answer_sdp, .. }) => {
                println!("answer {} {}", device.0, serde_json::to_string(&answer_sdp).unwrap());
            }
            Up::Device(DeviceReport::Ready { device, .. }) => println!("ready {}", device.0),
            _ => {}
        }
    }
}

/// In a call, all of them phones but for `browser`.
fn legs_of_a_call(mode: &str) -> usize {
    match mode {
        "monitored" => 3,
        "conference" => 8,
        _ => 2,
    }
}

// ---- the load ------------------------------------------------------------------------------------------------------

enum Peer {
    /// Plain RTP to the server's port.
    Phone {
        remote: SocketAddr,
    },
    Browser {
        rtc: Box<Rtc>,
        mid: Mid,
    },
}

struct Leg {
    socket: UdpSocket,
    peer: Peer,
    sequence: u16,
    received: u64,
}

fn load() {
    let calls: usize = option("--calls", "100").parse().unwrap();
    let seconds: u64 = option("--seconds", "10").parse().unwrap();
    let mode = option("--mode", "relay");
    let (is_browser, size) = (mode == "browser", legs_of_a_call(&mode));
    let mut server = Command::new(std::env::current_exe().unwrap())
        .args(std::env::args().skip(1))
        .args(["--role", "server"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut told = BufReader::new(server.stdout.take().unwrap()).lines().map(Result::unwrap);
    let sip: SocketAddr = told.next().unwrap().strip_prefix("sip ").unwrap().parse().unwrap();
    std::thread::sleep(Duration::from_millis(300));
    let before = rss_kib(&server);
    let mut legs = Vec::new();
    if is_browser {
        legs.extend(browsers(calls, &mut server, &mut told));
    }
    legs.extend(phones(if is_browser { calls } else { size * calls }, sip));
    // Let everybody be bridged and learned.
    run(&mut legs, Duration::from_secs(2));
    let probe = (!is_browser).then(|| Probe::start(legs.drain(..size), size > 2));
    let (cpu, received) = (cpu_by_thread(&server), total(&legs));
    run(&mut legs, Duration::from_secs(seconds));
    let cpu_after = cpu_by_thread(&server);
    let probed = probe.map(Probe::stop).unwrap_or_default();
    let packets = (total(&legs) - received) as usize + probed.len();
    let us = |ns: u64| ns as f64 / 1000.0 / packets as f64;
    let spent: u64 = cpu_after.iter().map(|(name, ns)| ns - cpu.get(name).copied().unwrap_or(0)).sum();
    println!(
        "calls {calls}, {packets} packets out ({:.1} % of those due): {:.2} us of CPU a packet, {} KiB a call",
        packets as f64 * 100.0 / ((calls * size) as f64 * 50.0 * seconds as f64),
        us(spent),
        (rss_kib(&server) - before) / calls as u64,
    );
    for (name, ns) in &cpu_after {
        let spent = ns - cpu.get(name).copied().unwrap_or(0);
        if us(spent) > 0.02 {
            println!("  {name:16} {:.2} us", us(spent));
        }
    }
    if let Some(last) = probed.len().checked_sub(1) {
        let at = |share: usize| probed[last * share / 1000].as_micros();
        println!("  latency us: p50 {}, p99 {}, p99.9 {}, max {}", at(500), at(990), at(999), at(1000));
    }
    drop(server.stdin.take());
    let _ = server.wait();
}

fn total(legs: &[Leg]) -> u64 {
    legs.iter().map(|leg| leg.received).sum()
}

fn rss_kib(child: &Child) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/{}/statm", child.id())).unwrap();
    text.split(' ').nth(1).unwrap().parse::<u64>().unwrap() * 4
}

/// Nanoseconds on a processor, by thread.
fn cpu_by_thread(child: &Child) -> HashMap<String, u64> {
    let tasks = std::fs::read_dir(format!("/proc/{}/task", child.id())).unwrap();
    tasks
        .map(|task| {
            let task = task.unwrap().path();
            let name = std::fs::read_to_string(task.join("comm")).unwrap().trim().to_owned();
            let ns = std::fs::read_to_string(task.join("schedstat")).unwrap();
            let id = task.file_name().unwrap().to_string_lossy().into_owned();
            (format!("{name} {id}"), ns.split(' ').next().unwrap().parse().unwrap())
        })
        .collect()
}

fn socket() -> UdpSocket {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_nonblocking(true).unwrap();
    socket
}

/// Begins what a probe says. A mix with silence leaves it as it is.
const MARK: [u8; 4] = [0x81, 0x92, 0xa3, 0xb4];

fn rtp(sequence: u16, fill: u8, stamp: u64) -> [u8; 172] {
    let mut packet = [fill; 172];
    let header = media::rtp::Header {
        payload_type: 0,
        sequence,
        timestamp: u32::from(sequence) * 160,
        ssrc: 77,
        ..Default::default()
    };
    packet[..12].copy_from_slice(&media::rtp::Packet::new(header, &[]).to_vec());
    if stamp > 0 {
        packet[12..16].copy_from_slice(&MARK);
        for (at, octet) in packet[16..32].iter_mut().enumerate() {
            *octet = 0x80 | (stamp >> (60 - 4 * at) & 15) as u8;
        }
    }
    packet
}

/// What [`rtp`] wrote, wherever it begins: a mixer has frames of its own.
fn stamp_in(payload: &[u8]) -> Option<u64> {
    let at = payload.windows(4).position(|w| w == MARK)? + 4;
    let nibbles = payload.get(at..at + 16)?;
    nibbles.iter().all(|n| n & 0xf0 == 0x80).then(|| nibbles.iter().fold(0, |all, n| all << 4 | u64::from(n & 15)))
}

/// Sends and reads each leg once in 20 ms, evenly spread. Nobody waits on the sockets: the process under test pays
/// for the delivery of its packets, not for waking us.
fn run(legs: &mut [Leg], length: Duration) {
    let start = Instant::now();
    let mut turn = 0u32;
    let each = FRAME / u32::try_from(legs.len()).unwrap();
    while start.elapsed() < length {
        let due = u32::try_from(start.elapsed().as_nanos() / each.as_nanos()).unwrap();
        while turn < due {
            let at = turn as usize % legs.len();
            legs[at].turn();
            turn += 1;
        }
        std::thread::sleep(Duration::from_micros(500));
    }
}

impl Leg {
    fn turn(&mut self) {
        let mut buffer = [0; 2000];
        self.sequence = self.sequence.wrapping_add(1);
        match &mut self.peer {
            Peer::Phone { remote } => {
                while self.socket.recv_from(&mut buffer).is_ok_and(|(len, _)| len > 150) {
                    self.received += 1;
                }
                let _ = self.socket.send_to(&rtp(self.sequence, 0x55, 0), *remote);
            }
            Peer::Browser { rtc, mid } => {
                let now = Instant::now();
                while let Ok((len, source)) = self.socket.recv_from(&mut buffer) {
                    let local = self.socket.local_addr().unwrap();
                    if let Ok(receive) = Receive::new(Protocol::Udp, source, local, &buffer[..len]) {
                        let _ = rtc.handle_input(Input::Receive(now, receive));
                    }
                    self.received += drain(rtc, &self.socket).0;
                }
                if let Some(stream) = rtc.direct_api().stream_tx_by_mid(*mid, None) {
                    let (at, payload) = (u32::from(self.sequence) * 160, &[0x55; 160]);
                    stream.write_rtp(str0m::rtp::RtpWrite::new(
                        0.into(),
                        u64::from(self.sequence).into(),
                        at,
                        now,
                        &payload[..],
                    ));
                }
                let _ = rtc.handle_input(Input::Timeout(now));
                self.received += drain(rtc, &self.socket).0;
            }
        }
    }
}

/// Audio packets heard, and whether it is connected now.
fn drain(rtc: &mut Rtc, socket: &UdpSocket) -> (u64, bool) {
    let mut heard = 0;
    loop {
        match rtc.poll_output().unwrap() {
            Output::Timeout(_) => return (heard, rtc.is_connected()),
            Output::Transmit(t) => drop(socket.send_to(&t.contents, t.destination)),
            Output::Event(Event::RtpPacket(_)) => heard += 1,
            Output::Event(_) => {}
        }
    }
}

fn browsers(count: usize, server: &mut Child, told: &mut impl Iterator<Item = String>) -> Vec<Leg> {
    let crypto = Arc::new(str0m::crypto::from_feature_flags());
    let input = server.stdin.as_mut().unwrap();
    let mut legs = Vec::new();
    for device in 1..=count {
        let socket = socket();
        let mut rtc = Rtc::builder()
            .set_crypto_provider(crypto.clone())
            .set_rtp_mode(true)
            .clear_codecs()
            .enable_pcmu(true, false)
            .build(Instant::now());
        rtc.add_local_candidate(Candidate::host(socket.local_addr().unwrap(), "udp").unwrap());
        let mut change = rtc.sdp_api();
        let mid = change.add_media(MediaKind::Audio, Direction::SendRecv, None, None, None);
        let (offer, pending) = change.apply().unwrap();
        writeln!(input, "{device} {}", serde_json::to_string(&offer.to_sdp_string()).unwrap()).unwrap();
        let answer = told.find_map(|l| l.strip_prefix(&format!("answer {device} ")).map(str::to_owned)).unwrap();
        let answer = SdpAnswer::from_sdp_string(&serde_json::from_str::<String>(&answer).unwrap()).unwrap();
        rtc.sdp_api().accept_answer(pending, answer).unwrap();
        let mut leg = Leg { socket, peer: Peer::Browser { rtc: Box::new(rtc), mid }, sequence: 0, received: 0 };
        loop {
            leg.turn();
            let Peer::Browser { rtc, .. } = &leg.peer else { unreachable!() };
            if rtc.is_connected() {
                break;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        told.find(|l| *l == format!("ready {device}")).unwrap();
        legs.push(leg);
    }
    legs
}

/// Calls 3000 and takes the media address from the answer; no more of SIP than that.
fn phones(count: usize, server: SocketAddr) -> Vec<Leg> {
    let sip = UdpSocket::bind("127.0.0.1:0").unwrap();
    let local = sip.local_addr().unwrap();
    let mut buffer = [0; 65_535];
    let mut call = |n: usize| {
        let socket = socket();
        let port = socket.local_addr().unwrap().port();
        let sdp = format!(
            "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio {port} RTP/AVP 0\r\n"
        );
        let request = |method: &str, seq: &str, to: &str, body: &str| {
            format!(
                "{method} sip:3000@{server} SIP/2.0\r\nVia: SIP/2.0/UDP {local};branch=z9hG4bK{n}{seq}\r\n\
                 Max-Forwards: 70\r\nFrom: <sip:p@{local}>;tag=t{n}\r\nTo: {to}\r\nCall-ID: c{n}\r\n\
                 CSeq: 1 {method}\r\nContact: <sip:p@{local}>\r\nContent-Type: application/sdp\r\n\
                 Content-Length: {}\r\n\r\n{body}",
                body.len()
            )
        };
        let to = format!("<sip:3000@{server}>");
        sip.send_to(request("INVITE", "i", &to, &sdp).as_bytes(), server).unwrap();
        loop {
            let (len, _) = sip.recv_from(&mut buffer).unwrap();
            let text = String::from_utf8_lossy(&buffer[..len]).into_owned();
            if !text.starts_with("SIP/2.0 200") || !text.contains(&format!("c{n}\r\n")) {
                continue;
            }
            let to = text.lines().find_map(|l| l.strip_prefix("To: ")).unwrap();
            sip.send_to(request("ACK", "a", to, "").as_bytes(), server).unwrap();
            let port = text.lines().find_map(|l| l.strip_prefix("m=audio ")).unwrap().split(' ').next().unwrap();
            let remote = SocketAddr::from(([127, 0, 0, 1], port.parse().unwrap()));
            return Leg { socket, peer: Peer::Phone { remote }, sequence: 0, received: 0 };
        }
    };
    (0..count).map(&mut call).collect()
}

/// The first call's legs on blocking threads: when a packet came is seen at once. In a mix only the first has something to say
/// and only the third is listened to.
struct Probe {
    stop: Arc<AtomicBool>,
    threads: Vec<std::thread::JoinHandle<Vec<Duration>>>,
}

impl Probe {
    fn start(legs: impl Iterator<Item = Leg>, is_mixed: bool) -> Self {
        let stop: Arc<AtomicBool> = Arc::default();
        let zero = Instant::now();
        let mut threads = Vec::new();
        for (place, leg) in legs.enumerate() {
            let says = !is_mixed || place == 0;
            let listens = !is_mixed || place == 2;
            let Leg { socket, peer: Peer::Phone { remote }, .. } = leg else { unreachable!() };
            socket.set_nonblocking(false).unwrap();
            let (mut sequence, stopped) = (leg.sequence, stop.clone());
            let sending = socket.try_clone().unwrap();
            std::thread::spawn(move || {
                while !stopped.load(Ordering::Relaxed) {
                    sequence = sequence.wrapping_add(1);
                    let stamp = if says { u64::try_from(zero.elapsed().as_nanos()).unwrap() } else { 0 };
                    let _ = sending.send_to(&rtp(sequence, 0xff, stamp), remote);
                    // A phase that wanders over the rounds of the server.
                    std::thread::sleep(FRAME - Duration::from_micros(137));
                }
            });
            let stopped = stop.clone();
            threads.push(std::thread::spawn(move || {
                let mut latencies = Vec::new();
                let mut buffer = [0; 2000];
                while !stopped.load(Ordering::Relaxed) {
                    let Ok(len) = socket.recv(&mut buffer) else { continue };
                    let Some(stamp) = stamp_in(&buffer[12..len.max(12)]).filter(|_| listens) else { continue };
                    latencies.extend(zero.elapsed().checked_sub(Duration::from_nanos(stamp)));
                }
                latencies
            }));
        }
        Self { stop, threads }
    }

    fn stop(self) -> Vec<Duration> {
        self.stop.store(true, Ordering::Relaxed);
        let mut all: Vec<Duration> = self.threads.into_iter().flat_map(|t| t.join().unwrap()).collect();
        all.sort_unstable();
        all
    }
}
