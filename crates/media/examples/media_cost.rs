//! What media costs on this machine: CPU time per relayed packet and per mixed leg and tick, without sockets.
//! Run with `cargo run --release -p media --example media_cost`.

use media::codec::Encoder;
use media::{
    AddLeg, BridgeKey, Codec, CodecParams, Command, Direction, LegKey, LockPolicy, MediaError, Plane, PlaneConfig,
    RecordingKey, RtcpMode, Transport, bridge, rtp,
};
use std::hint::black_box;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

const TICKS: u32 = 500;

fn add(plane: &mut Plane, now: Duration, n: u64, codec: Codec) -> Result<(), MediaError> {
    let transport = Transport::Rtp { remote: Some(addr()), lock: LockPolicy::Any, rtcp: RtcpMode::Off };
    let codec = CodecParams::new(codec, codec.payload_type());
    let direction = Direction::BOTH;
    plane.handle(
        now,
        Command::AddLeg(AddLeg { leg: LegKey(n), transport, codec, dtmf: None, direction, seed: n, resume: None }),
    )
}

fn addr() -> SocketAddr {
    SocketAddr::from(([192, 0, 2, 1], 4000))
}

/// `group` legs to a bridge; the last of each group speaks the second codec: where that is another, nothing can be relayed.
fn measure(name: &str, legs: u64, group: u64, codecs: [Codec; 2], record: bool) -> Result<(), MediaError> {
    let mut plane = Plane::new(PlaneConfig::default());
    let mut now = Duration::from_secs(1);
    let codec_of = |n: u64| codecs[usize::from(n.is_multiple_of(group))];
    for n in 1..=legs {
        add(&mut plane, now, n, codec_of(n))?;
    }
    for first in (1..=legs).step_by(group as usize) {
        let members: Vec<LegKey> = (first..first + group).map(LegKey).collect();
        let matrix = bridge::conference(&members);
        plane.handle(now, Command::SetBridge { bridge: BridgeKey(first), matrix })?;
        if record {
            let (left, right) = (members[0], members[1..].to_vec());
            plane
                .handle(now, Command::Record { recording: RecordingKey(first), left, right, beep: None, from_ms: 0 })?;
        }
    }
    // A voice-like sound: what Opus costs depends on it.
    let tone = media::tone::Tone::dual(220.0, 660.0).samples(TICKS * 20);
    let payloads = codecs.map(|codec| {
        let mut encoder = Encoder::new(codec);
        let frames = tone.as_chunks::<{ media::FRAME }>().0.iter();
        let encode = |frame| {
            let mut payload = Vec::new();
            encoder.encode(frame, &mut payload);
            payload
        };
        frames.map(encode).collect::<Vec<_>>()
    });
    let mut outputs = 0u64;
    let started = Instant::now();
    for tick in 0..TICKS {
        for n in 1..=legs {
            let header = rtp::Header {
                payload_type: codec_of(n).payload_type(),
                sequence: tick as u16,
                timestamp: tick * 160 * codec_of(n).units(),
                ssrc: n as u32,
                marker: false,
            };
            let bytes =
                rtp::Packet::new(header, &payloads[usize::from(n.is_multiple_of(group))][tick as usize]).to_vec();
            plane.handle_packet(now, LegKey(n), addr(), &bytes);
        }
        now += Duration::from_millis(20);
        plane.handle_timeout(now);
        while let Some(output) = plane.poll() {
            black_box(output);
            outputs += 1;
        }
    }
    let per_leg_tick = started.elapsed().as_nanos() / u128::from(TICKS) / u128::from(legs);
    println!("{name:<44} {per_leg_tick:>6} ns per leg and 20 ms   ({outputs} outputs)");
    Ok(())
}

fn main() -> Result<(), MediaError> {
    use Codec::{G722, Opus, Pcma, Pcmu};
    measure("relay, 500 pairs", 1000, 2, [Pcma, Pcma], false)?;
    measure("relay and record, 500 pairs", 1000, 2, [Pcma, Pcma], true)?;
    measure("decode and mix, 500 pairs of two laws", 1000, 2, [Pcma, Pcmu], false)?;
    measure("decode, mix and record, 500 pairs", 1000, 2, [Pcma, Pcmu], true)?;
    measure("conferences of five", 1000, 5, [Pcma, Pcmu], false)?;
    measure("relay G.722, 500 pairs", 1000, 2, [G722, G722], false)?;
    measure("relay Opus, 500 pairs", 1000, 2, [Opus, Opus], false)?;
    measure("relay and record Opus, 100 pairs", 200, 2, [Opus, Opus], true)?;
    measure("transcode G.722 and G.711, 500 pairs", 1000, 2, [G722, Pcma], false)?;
    measure("transcode Opus and G.711, 100 pairs", 200, 2, [Opus, Pcma], false)?;
    measure("transcode Opus and G.722, 100 pairs", 200, 2, [Opus, G722], false)
}
