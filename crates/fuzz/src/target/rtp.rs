//! RTP and RTCP: the parsers by themselves, then packets into a plane with living legs that are bridged, recorded, played
//! to and collecting digits. Asserts: what is parsed is written and parsed again the same; whatever arrives, what leaves is
//! RTP to an address that the leg may be sent to, bounded per step; nothing stays when the legs are gone.

use std::net::SocketAddr;
use std::time::Duration;

use media::{
    AddLeg, BridgeKey, Clip, Codec, CodecParams, Collect, Command, Direction, DtmfParams, LegKey, LockPolicy, Output,
    Plane, PlaneConfig, Play, PlayKey, RecordingKey, RtcpMode, Transport, bridge, dtmf, rtcp, rtp,
};

use crate::Target;
use crate::records::{self, Record};

pub const TARGET: Target = Target {
    name: "rtp",
    run,
    seeds,
    max_len: 16_384,
    is_text: false,
    bytes_per_octet: 1000,
    // Coders and decoders of Opus and the jitter buffers of three legs, made once.
    bytes_besides: 1024 * 1024,
};

const RAW: u8 = 0;
const VOICE: u8 = 1;
const RTCP: u8 = 2;
const FOREIGN: u8 = 3;
const WAIT: u8 = 4;
const COMMAND: u8 = 5;
const OPS: u8 = 6;

const LEGS: u64 = 3;

fn seeds() -> Vec<Vec<u8>> {
    let voice = |n: u8| [&[n, 8, 0, n, 0, 0, n, n.wrapping_mul(160), 0, 0, 0, 1][..], &[0x55; 160]].concat();
    let mut talk = Vec::new();
    for n in 0..12 {
        records::write(&mut talk, VOICE, n % 2, &voice(n));
        records::write(&mut talk, WAIT, 20, &[]);
    }
    let mut digits = Vec::new();
    records::write(&mut digits, COMMAND, 5, &[]);
    for n in 0..6u8 {
        let event =
            [&[0, 101, 0, n, 0, 0, 9, 9, 0, 0, 0, 1][..], &[5, if n > 3 { 0x8a } else { 10 }, 0, n.wrapping_mul(160)]]
                .concat();
        records::write(&mut digits, VOICE, 0, &event);
        records::write(&mut digits, WAIT, 20, &[]);
    }
    let mut report = Vec::new();
    let block = rtcp::ReportBlock { ssrc: 1, fraction_lost: 10, cumulative_lost: 3, ..Default::default() };
    let info = rtcp::SenderInfo { ntp: 1 << 40, rtp_timestamp: 160, packets: 10, octets: 1600 };
    rtcp::write(&rtcp::Rtcp::SenderReport { ssrc: 1, info, blocks: vec![block] }, &mut report);
    rtcp::write(&rtcp::Rtcp::Description { ssrc: 1, cname: "peer".to_owned() }, &mut report);
    rtcp::write(&rtcp::Rtcp::Bye { ssrcs: vec![1] }, &mut report);
    let mut mixed = talk.clone();
    for n in 0..10 {
        records::write(&mut mixed, COMMAND, n, &[]);
        records::write(&mut mixed, RTCP, n, &report);
        records::write(&mut mixed, VOICE, n, &voice(n));
        records::write(&mut mixed, FOREIGN, n, &voice(n + 1));
        records::write(&mut mixed, WAIT, 60, &[]);
    }
    vec![talk, digits, mixed, voice(1), report]
}

fn address(leg: u64) -> SocketAddr {
    SocketAddr::from(([192, 0, 2, leg as u8], 4000))
}

fn foreign() -> SocketAddr {
    SocketAddr::from(([203, 0, 113, 9], 666))
}

fn run(bytes: &[u8]) {
    parsers(bytes);
    let mut plane = Plane::new(PlaneConfig::default());
    let mut now = Duration::from_secs(1);
    for leg in 1..=LEGS {
        add(&mut plane, now, leg);
    }
    let command = |plane: &mut Plane, now, command| drop(plane.handle(now, command));
    command(&mut plane, now, Command::SetBridge { bridge: BridgeKey(1), matrix: bridge::pair(LegKey(1), LegKey(2)) });
    let record = Command::Record {
        recording: RecordingKey(1),
        left: LegKey(1),
        right: vec![LegKey(2), LegKey(3)],
        beep: Some(std::time::Duration::from_secs(5)),
        from_ms: 0,
    };
    command(&mut plane, now, record);
    for Record { op, arg, data } in records::read(bytes) {
        let leg = u64::from(arg) % LEGS + 1;
        let mut ticks = 1;
        match op % OPS {
            RAW => plane.handle_packet(now, LegKey(leg), address(leg), data),
            VOICE => {
                // As if the sender knew the version.
                let mut packet = data.to_vec();
                if let Some(first) = packet.first_mut() {
                    *first = 0x80 | ((*first & 0x0f) % 3);
                }
                plane.handle_packet(now, LegKey(leg), address(leg), &packet);
            }
            RTCP => plane.handle_rtcp(now, LegKey(leg), address(leg), data),
            FOREIGN => plane.handle_packet(now, LegKey(leg), foreign(), data),
            WAIT => {
                now += Duration::from_millis(u64::from(arg));
                ticks = usize::from(arg) / 20 + 2;
                while plane.next_timeout().is_some_and(|at| at <= now) {
                    plane.handle_timeout(now);
                }
            }
            _ => {
                for wish in commands(arg, leg) {
                    let _ = plane.handle(now, wish);
                }
            }
        }
        drain(&mut plane, ticks);
    }
    for leg in 1..=LEGS {
        command(&mut plane, now, Command::RemoveLeg { leg: LegKey(leg) });
    }
    command(&mut plane, now, Command::StopRecord { recording: RecordingKey(1) });
    while plane.poll().is_some() {}
    assert_eq!(plane.leg_count(), 0);
}

fn parsers(bytes: &[u8]) {
    if let Ok(packet) = rtp::Packet::parse(bytes) {
        assert!(packet.payload.len() <= bytes.len() - rtp::HEADER_LEN);
        let written = packet.to_vec();
        assert_eq!(rtp::Packet::parse(&written).as_ref(), Ok(&packet));
    }
    for packet in rtcp::parse(bytes) {
        let mut written = Vec::new();
        rtcp::write(&packet, &mut written);
        assert_eq!(rtcp::parse(&written), [packet]);
    }
    if let Some(payload) = dtmf::Payload::parse(bytes) {
        assert_eq!(dtmf::Payload::parse(&payload.to_bytes()), Some(payload));
    }
}

fn add(plane: &mut Plane, now: Duration, leg: u64) {
    let codec = [Codec::Pcma, Codec::G722, Codec::Opus][leg as usize % 3];
    let wish = AddLeg {
        leg: LegKey(leg),
        transport: Transport::Rtp { remote: Some(address(leg)), lock: LockPolicy::SameIp, rtcp: RtcpMode::NextPort },
        codec: CodecParams { comfort_noise: true, ..CodecParams::new(codec, codec.payload_type()) },
        dtmf: Some(DtmfParams::new(101)),
        direction: Direction::BOTH,
        seed: leg,
        resume: None,
    };
    assert!(plane.handle(now, Command::AddLeg(wish)).is_ok());
}

fn commands(arg: u8, leg: u64) -> Vec<Command> {
    let bridge = BridgeKey(1);
    let clip = Clip::new(vec![1000i16; 800]);
    let collect = Collect {
        max_digits: 4,
        terminators: "#".to_owned(),
        first_timeout: Duration::from_secs(1),
        inter_digit_timeout: Duration::from_millis(300),
        clear_buffered: arg.is_multiple_of(2),
    };
    let one = match arg / 3 {
        0 => Command::SetBridge { bridge, matrix: bridge::conference(&[LegKey(1), LegKey(2), LegKey(3)]) },
        1 => Command::Play(Play {
            interruptible: true,
            collect: Some(collect),
            ..Play::new(LegKey(leg), PlayKey(1), vec![clip])
        }),
        2 => Command::SetBridge { bridge: BridgeKey(2), matrix: bridge::echo(LegKey(leg)) },
        3 => Command::SendDtmf { leg: LegKey(leg), digits: "12#".to_owned() },
        4 => Command::Mute { leg: LegKey(leg), muted: arg.is_multiple_of(2) },
        5 => Command::Digit { leg: LegKey(leg), digit: '7' },
        6 => Command::StopPlay { leg: LegKey(leg), play: PlayKey(1) },
        7 => Command::RemoveBridge { bridge },
        8 => Command::Play(Play { looped: true, ..Play::new(LegKey(leg), PlayKey(2), vec![clip]) }),
        _ => Command::SetBridge { bridge, matrix: bridge::pair(LegKey(1), LegKey(2)) },
    };
    vec![one]
}

fn drain(plane: &mut Plane, ticks: usize) {
    let mut count = 0;
    while let Some(output) = plane.poll() {
        count += 1;
        let Output::Packet(packet) = output else { continue };
        let own = address(packet.leg.0);
        // RTCP goes to the port behind it; a peer's other port may have been learned, another host never.
        assert_eq!(packet.dst.map(|dst| dst.ip()), Some(own.ip()), "sent to a stranger");
        // The plane takes payloads of up to 1,600 octets and relays them behind its own header.
        assert!(packet.bytes.len() <= rtp::HEADER_LEN + 1600);
        assert!(packet.rtcp || rtp::Packet::parse(&packet.bytes).is_ok());
    }
    // For each leg and tick: a packet, a report, and a handful of facts and frames.
    assert!(count <= 40 * ticks, "{count} outputs in {ticks} ticks");
}
