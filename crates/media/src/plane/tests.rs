//! The plane judged from outside: peers that speak RTP of their own, and listen with a tone detector. Nothing here
//! looks into the plane except through its statistics.

mod codecs;
mod digits;
mod modes;
mod network;
mod plays;
mod recordings;

use super::*;
use crate::audio::Clip;
use crate::bridge;
use crate::codec::{Codec, Decoder, Encoder};
use crate::tone::{self, Generator, Tone};

const A: LegKey = LegKey(1);
const B: LegKey = LegKey(2);
const C: LegKey = LegKey(3);
const BRIDGE: BridgeKey = BridgeKey(1);
/// What each peer says: its own tone, which no other peer and no prompt uses.
const TONES: [f64; 4] = [0.0, 440.0, 620.0, 850.0];

struct Peer {
    key: LegKey,
    addr: SocketAddr,
    codec: CodecParams,
    encoder: Encoder,
    decoder: Decoder,
    /// Share of its packets that get lost on the way, in percent.
    loses: u32,
    dice: u32,
    dtmf: Option<u8>,
    speaking: bool,
    voice: Generator,
    header: rtp::Header,
    heard: Vec<i16>,
    headers: Vec<rtp::Header>,
    digits: dtmf::Receiver,
    presses: Vec<Press>,
}

struct Lab {
    plane: Plane,
    now: Duration,
    peers: Vec<Peer>,
    events: Vec<Event>,
    spool: Vec<u8>,
}

fn addr_of(leg: LegKey) -> SocketAddr {
    format!("192.0.2.{}:4000", leg.0).parse().unwrap()
}

fn params(codec: Codec) -> CodecParams {
    CodecParams::new(codec, codec.payload_type())
}

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

impl Lab {
    fn new() -> Self {
        Self::with(PlaneConfig::default())
    }

    fn with(config: PlaneConfig) -> Self {
        let mut spool = Vec::new();
        let header = crate::recorder::segment::SpoolHeader { recording_id: b"r1".to_vec(), start_unix_ms: 0 };
        crate::recorder::segment::write_header(&header, &mut spool);
        Self { plane: Plane::new(config), now: ms(1000), peers: Vec::new(), events: Vec::new(), spool }
    }

    /// A lab with A and B of the same codec, hearing each other.
    fn pair() -> Self {
        let mut lab = Self::new();
        lab.add(A, Codec::Pcma, Some(101));
        lab.add(B, Codec::Pcma, Some(96));
        lab.bridge(bridge::pair(A, B));
        lab
    }

    fn add(&mut self, key: LegKey, codec: Codec, dtmf: Option<u8>) {
        self.handle(Command::AddLeg(AddLeg {
            leg: key,
            transport: Transport::Rtp { remote: Some(addr_of(key)), lock: LockPolicy::Any, rtcp: RtcpMode::Off },
            codec: params(codec),
            dtmf: dtmf.map(DtmfParams::new),
            direction: Direction::BOTH,
            seed: key.0,
            resume: None,
        }));
        self.peers.push(Peer {
            key,
            addr: addr_of(key),
            codec: params(codec),
            encoder: Encoder::new(codec),
            decoder: Decoder::new(codec),
            loses: 0,
            dice: key.0 as u32,
            dtmf,
            speaking: true,
            voice: Generator::new(Tone::single(TONES[key.0 as usize])),
            // Wraps soon, in both numbers.
            header: rtp::Header {
                sequence: 65_500,
                timestamp: u32::MAX - 9000,
                ssrc: key.0 as u32,
                ..Default::default()
            },
            heard: Vec::new(),
            headers: Vec::new(),
            digits: dtmf::Receiver::default(),
            presses: Vec::new(),
        });
    }

    fn handle(&mut self, command: Command) {
        self.plane.handle(self.now, command).unwrap();
        self.drain();
    }

    fn bridge(&mut self, matrix: bridge::Matrix) {
        self.handle(Command::SetBridge { bridge: BRIDGE, matrix });
    }

    fn play(&mut self, leg: LegKey, key: u64, hz: f64, length_ms: u32) -> Play {
        Play::new(leg, PlayKey(key), vec![Clip::new(Tone::single(hz).samples(length_ms))])
    }

    fn peer(&mut self, key: LegKey) -> &mut Peer {
        self.peers.iter_mut().find(|peer| peer.key == key).unwrap()
    }

    fn drain(&mut self) {
        while let Some(output) = self.plane.poll() {
            match output {
                Output::Packet(packet) if !packet.rtcp => {
                    let now = self.now;
                    let Some(peer) = self.peers.iter_mut().find(|peer| peer.key == packet.leg) else { continue };
                    assert_eq!(packet.dst, Some(peer.addr));
                    peer.listen(now, &packet.bytes);
                }
                Output::Packet(_) => {}
                Output::Event(event) => self.events.push(event),
                Output::Record { frame, .. } => crate::recorder::segment::write_frame(&frame, &mut self.spool),
            }
        }
    }

    /// Sends raw bytes as if from `src`.
    fn inject(&mut self, leg: LegKey, src: SocketAddr, bytes: &[u8]) {
        self.plane.handle_packet(self.now, leg, src, bytes);
        self.drain();
    }

    /// Lets everybody speak and listen for a while. Peers send at different moments within the tick.
    fn run(&mut self, length_ms: u64) {
        let end = self.now + ms(length_ms);
        while self.now < end {
            for at in 0..self.peers.len() {
                let offset = self.peers[at].key.0 * 3 % 20;
                if self.now.as_millis() as u64 % 20 == offset && self.peers[at].speaking {
                    let bytes = self.peers[at].speak();
                    let (key, addr) = (self.peers[at].key, self.peers[at].addr);
                    if !self.peers[at].is_lost() {
                        self.inject(key, addr, &bytes);
                    }
                }
            }
            self.now += ms(1);
            if self.plane.next_timeout().is_some_and(|due| due <= self.now) {
                self.plane.handle_timeout(self.now);
                self.drain();
            }
        }
    }

    /// Runs for a while and returns what `leg` heard, without the first 200 ms of it (switching, buffering).
    fn listen(&mut self, leg: LegKey, length_ms: u64) -> Vec<i16> {
        self.run(200);
        self.peers.iter_mut().for_each(|peer| peer.heard.clear());
        self.run(length_ms);
        self.peer(leg).heard.clone()
    }

    fn sending(&self, leg: LegKey) -> Sending {
        self.plane.stats(leg).unwrap().sending
    }

    /// Peer presses a key: the packets of RFC 4733 as a phone sends them; the phone's audio pauses meanwhile.
    fn press(&mut self, leg: LegKey, digit: char, keep: impl Fn(usize) -> bool) {
        let mut sender = dtmf::Sender::default();
        sender.push(&digit.to_string());
        let speaking = std::mem::replace(&mut self.peer(leg).speaking, false);
        let start = self.peer(leg).header.timestamp;
        let mut count = 0;
        while let Some(step) = sender.tick() {
            if let dtmf::Send::Event { payload, first, .. } = step {
                let peer = self.peer(leg);
                let mut header = peer.header;
                header.payload_type = peer.dtmf.unwrap();
                header.marker = first;
                header.timestamp = start;
                peer.header.sequence = peer.header.sequence.wrapping_add(1);
                let (addr, bytes) = (peer.addr, rtp::Packet::new(header, &payload.to_bytes()).to_vec());
                if keep(count) {
                    self.inject(leg, addr, &bytes);
                }
                count += 1;
            }
            let peer = self.peer(leg);
            peer.header.timestamp = peer.header.timestamp.wrapping_add(160 * peer.codec.codec.units());
            self.run(20);
        }
        self.peer(leg).speaking = speaking;
    }

    /// Peer presses a key that sounds for so long, and for as long not; it says nothing besides.
    fn sound(&mut self, leg: LegKey, digit: char, length_ms: u64) {
        let silence = Tone { hz: 0.0, second_hz: None, level: 0.0 };
        for tone in [dtmf::tone_of_digit(digit).unwrap(), silence] {
            self.peer(leg).voice = Generator::new(tone);
            self.run(length_ms);
        }
    }

    fn digits(&self, leg: LegKey) -> String {
        let digit = |event: &Event| match event {
            Event::Digit { leg: from, digit, .. } if *from == leg => Some(*digit),
            _ => None,
        };
        self.events.iter().filter_map(digit).collect()
    }
}

impl Peer {
    fn is_lost(&mut self) -> bool {
        self.dice = self.dice.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (self.dice >> 16) % 100 < self.loses
    }

    fn speak(&mut self) -> Vec<u8> {
        let mut samples = [0; FRAME];
        self.voice.fill(&mut samples);
        let mut payload = Vec::new();
        self.encoder.encode(&samples, &mut payload);
        self.header.payload_type = self.codec.payload_type;
        let bytes = rtp::Packet::new(self.header, &payload).to_vec();
        self.header.sequence = self.header.sequence.wrapping_add(1);
        self.header.timestamp = self.header.timestamp.wrapping_add(160 * self.codec.codec.units());
        bytes
    }

    fn listen(&mut self, now: Duration, bytes: &[u8]) {
        let packet = rtp::Packet::parse(bytes).unwrap();
        if packet.header.payload_type == self.codec.payload_type {
            self.decoder.decode(packet.payload, &mut self.heard);
        } else {
            assert_eq!(Some(packet.header.payload_type), self.dtmf);
            let payload = dtmf::Payload::parse(packet.payload).unwrap();
            let presses = self.digits.packet(now, packet.header.timestamp, packet.header.marker, payload);
            self.presses.extend(presses.into_iter().flatten());
        }
        self.headers.push(packet.header);
    }

    /// One SSRC, no hole in the sequence, timestamps never back nor further on than the longest stall left unfilled.
    fn assert_continuous(&self) {
        let units = self.codec.codec.units() as i32;
        for pair in self.headers.windows(2) {
            let (a, b) = (&pair[0], &pair[1]);
            assert_eq!(a.ssrc, b.ssrc);
            assert_eq!(b.sequence, a.sequence.wrapping_add(1), "sequence");
            let step = b.timestamp.wrapping_sub(a.timestamp) as i32;
            assert!((0..=(4000 + 480) * units).contains(&step), "timestamp moved by {step}");
        }
    }

    fn sent_digits(&self) -> String {
        let started = |press: &Press| match press {
            Press::Started(digit) => Some(*digit),
            Press::Ended(..) => None,
        };
        self.presses.iter().filter_map(started).collect()
    }
}

/// Everything that sounds in `heard` is the given tones, each of them.
fn assert_hears(heard: &[i16], tones: &[f64]) {
    assert!(!heard.is_empty());
    for hz in [440.0, 620.0, 850.0, 1100.0, 1500.0] {
        assert_eq!(tone::has_tone(heard, hz), tones.contains(&hz), "{hz} Hz");
    }
    if tones.is_empty() {
        assert!(tone::rms(heard) < 0.001);
    }
}
