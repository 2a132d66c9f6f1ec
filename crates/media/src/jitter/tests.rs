//! Packets in and out of order, in bursts, late, lost, by clocks that drift: what is heard, and how long it was held back.
use super::*;
use crate::codec::Encoder;
use crate::g711::Law;
use crate::tone::{self, Tone};
use proptest::prelude::*;

/// A tone as A-law, and what comes back of it.
fn wave(ms: u32) -> (Vec<u8>, Vec<i16>) {
    let (mut octets, mut samples) = (Vec::new(), Vec::new());
    Law::A.encode(&Tone::single(500.0).samples(ms), &mut octets);
    Law::A.decode(&octets, &mut samples);
    (octets, samples)
}

/// Feeds packets of a tone by the given arrival order per tick and returns what was played.
fn play(packets: &[Vec<u32>], base: u32) -> (Vec<i16>, JitterBuffer) {
    let (wave, _) = wave(20_000);
    let mut buffer = JitterBuffer::new(Codec::Pcma);
    let mut out = Vec::new();
    for arrivals in packets {
        for &n in arrivals {
            let at = n as usize * FRAME;
            buffer.push(1, base.wrapping_add(at as u32), &wave[at..at + FRAME], 0);
        }
        let mut frame = [0; FRAME];
        buffer.pull(&mut frame);
        out.extend(frame);
    }
    (out, buffer)
}

#[test]
fn packets_in_order_play_unbroken_across_timestamp_wrap() {
    let order: Vec<Vec<u32>> = (0..50).map(|n| vec![n]).collect();
    let (out, buffer) = play(&order, u32::MAX - 3000);
    let (_, wave) = wave(20_000);
    assert_eq!(out[FRAME..], wave[..out.len() - FRAME]);
    assert_eq!(buffer.stats().late, 0);
}

/// A tone in packets of `length` samples whose nth arrives `late(n)` samples after its time; ticks are `phase` samples
/// after the first. What was heard, and the delay of each packet that was heard in time, in samples.
fn timed(length: usize, phase: usize, late: impl Fn(usize) -> usize) -> (Vec<i16>, JitterBuffer) {
    let (wave, _) = wave(20_000);
    let mut buffer = JitterBuffer::new(Codec::Pcma);
    let mut arrivals: Vec<(usize, usize)> = (0..100_000 / length).map(|n| (n * length + late(n), n * length)).collect();
    arrivals.sort();
    let mut arrivals = arrivals.into_iter().peekable();
    let (mut out, mut frame) = (Vec::new(), [0; FRAME]);
    for tick in (phase..90_000).step_by(FRAME) {
        while let Some((at, stamp)) = arrivals.next_if(|(at, _)| *at <= tick) {
            buffer.push(1, stamp as u32, &wave[stamp..stamp + length], (tick - at) as u32);
        }
        buffer.pull(&mut frame);
        out.extend(frame);
    }
    (out, buffer)
}

#[test]
fn a_good_network_costs_at_most_26_ms_wherever_the_ticks_fall() {
    let (_, wave) = wave(20_000);
    for phase in 0..FRAME {
        let (out, buffer) = timed(FRAME, phase, |_| 0);
        // The first sample was played by the tick after `phase` samples, or by the next.
        let held = if phase < MARGIN as usize { FRAME } else { 0 };
        assert_eq!(out[held..], wave[..out.len() - held], "at {phase}");
        assert_eq!(buffer.stats().late, 0);
        assert!(phase + held < 26 * 8);
    }
}

#[test]
fn packets_of_any_length_end_up_whole_wherever_the_ticks_fall_and_whatever_the_jitter() {
    for length in [80, 160, 240, 320, 480] {
        for phase in (0..FRAME).step_by(7) {
            for jitter in [1, 40, 90, 250, 400] {
                let (out, buffer) = timed(length, phase, |n| (n * 7919) % jitter);
                let steady = &out[out.len() - 30_000..];
                assert!(tone::is_tone(steady, 500.0), "{length} {phase} {jitter}: {:?}", buffer.stats());
                let most = (jitter + length) / 8 + 45;
                assert!(buffer.depth_ms() as usize <= most, "{length} {phase} {jitter}: {} ms", buffer.depth_ms());
            }
        }
    }
}

#[test]
fn a_clock_that_drifts_either_way_costs_neither_delay_nor_sound() {
    for drift in [-1i64, 1] {
        let (wave, _) = wave(200_000);
        let mut buffer = JitterBuffer::new(Codec::Pcma);
        let (mut sent, mut frame, mut out) = (0i64, [0; FRAME], Vec::new());
        // One part in a thousand: ten times what clocks do.
        for tick in (100..1_500_000i64).step_by(FRAME) {
            while sent * (FRAME as i64 * 1000 + drift * FRAME as i64) / 1000 <= tick {
                let at = sent as usize * FRAME;
                let born = sent * (FRAME as i64 * 1000 + drift * FRAME as i64) / 1000;
                buffer.push(1, at as u32, &wave[at..at + FRAME], (tick - born) as u32);
                sent += 1;
            }
            buffer.pull(&mut frame);
            out.extend(frame);
            assert!(buffer.depth_ms() <= 40, "{drift}: {} ms at {tick}", buffer.depth_ms());
        }
        let stats = buffer.stats();
        assert!(stats.late <= 20 && stats.concealed <= 20, "{drift}: {stats:?}");
    }
}

#[test]
fn reordered_and_doubled_packets_play_unbroken() {
    let mut order: Vec<Vec<u32>> = (0..50).map(|n| vec![n]).collect();
    order[10] = vec![11];
    order[11] = vec![10, 10];
    let (out, _) = play(&order, 5);
    let (_, wave) = wave(20_000);
    assert_eq!(out[FRAME..], wave[..out.len() - FRAME]);
}

#[test]
fn a_lost_packet_is_concealed() {
    let mut order: Vec<Vec<u32>> = (0..30).map(|n| vec![n]).collect();
    order[10].clear();
    let (out, _) = play(&order, 0);
    let hole = &out[11 * FRAME..12 * FRAME];
    assert!(tone::is_tone(hole, 500.0) && tone::rms(hole) < tone::rms(&out[10 * FRAME..11 * FRAME]));
}

#[test]
fn delay_grows_when_packets_come_in_bursts() {
    // Every fifth tick brings five packets: 100 ms of jitter.
    let order: Vec<Vec<u32>> = (0..100u32).map(|n| if n % 5 == 4 { (n - 4..=n).collect() } else { vec![] }).collect();
    let (out, buffer) = play(&order, 0);
    assert!(buffer.depth_ms() <= 200);
    let steady = &out[40 * FRAME..];
    assert!(tone::is_tone(steady, 500.0), "the tail plays without holes");
}

#[test]
fn a_source_whose_clock_is_fast_does_not_build_up_delay() {
    let (wave, _) = wave(200_000);
    let mut buffer = JitterBuffer::new(Codec::Pcma);
    let (mut sent, mut frame) = (0usize, [0; FRAME]);
    for tick in 0..8000usize {
        let due = tick + 1 + tick / 200;
        while sent < due {
            buffer.push(1, (sent * FRAME) as u32, &wave[sent * FRAME..(sent + 1) * FRAME], 0);
            sent += 1;
        }
        buffer.pull(&mut frame);
    }
    assert!(buffer.depth_ms() <= 100, "{} ms", buffer.depth_ms());
}

#[test]
fn a_jump_of_the_timestamp_or_a_new_source_starts_afresh() {
    let (wave, _) = wave(1000);
    let mut buffer = JitterBuffer::new(Codec::Pcma);
    let mut frame = [0; FRAME];
    for n in 0..10usize {
        buffer.push(1, (n * FRAME) as u32, &wave[n * FRAME..][..FRAME], 0);
        buffer.pull(&mut frame);
    }
    for (ssrc, base) in [(1, 900_000_000u32), (2, 17)] {
        let mut heard = Vec::new();
        for n in 0..10usize {
            buffer.push(ssrc, base.wrapping_add((n * FRAME) as u32), &wave[n * FRAME..][..FRAME], 0);
            assert!(buffer.depth_ms() <= 60);
            buffer.pull(&mut frame);
            heard.extend(frame);
        }
        assert!(tone::is_tone(&heard[640..], 500.0));
    }
    assert_eq!(buffer.stats().resets, 3);
}

#[test]
fn a_new_talk_spurt_does_not_begin_with_an_echo_of_the_last() {
    let (wave, _) = wave(200);
    let mut buffer = JitterBuffer::new(Codec::Pcma);
    let mut frame = [0; FRAME];
    buffer.push(1, 0, &wave[..800], 0);
    (0..60).for_each(|_| _ = buffer.pull(&mut frame));
    buffer.push(1, 60 * FRAME as u32, &wave[..160], 0);
    buffer.pull(&mut frame);
    assert_eq!(frame, [0; FRAME]);
}

/// What is heard of a tone spoken in `codec` whose packets arrive per tick as `arrivals` says.
fn spoken(codec: Codec, arrivals: impl Fn(usize) -> Vec<usize>, base: u32) -> (Vec<i16>, JitterBuffer) {
    let mut encoder = Encoder::new(codec);
    let payloads: Vec<Vec<u8>> = Tone::dual(250.0, 750.0)
        .samples(2000)
        .as_chunks::<FRAME>()
        .0
        .iter()
        .map(|frame| {
            let mut payload = Vec::new();
            encoder.encode(frame, &mut payload);
            payload
        })
        .collect();
    let mut buffer = JitterBuffer::new(codec);
    let mut out = Vec::new();
    for tick in 0..payloads.len() {
        for n in arrivals(tick) {
            buffer.push(1, base.wrapping_add(n as u32 * FRAME as u32 * codec.units()), &payloads[n], 0);
        }
        let mut frame = [0; FRAME];
        buffer.pull(&mut frame);
        out.extend(frame);
    }
    (out, buffer)
}

#[test]
fn codecs_with_state_play_reordered_packets_as_if_in_order() {
    for codec in [Codec::G722, Codec::Opus] {
        let (in_order, _) = spoken(codec, |tick| vec![tick], u32::MAX - 30_000);
        let (mixed_up, buffer) = spoken(
            codec,
            |tick| match tick % 10 {
                3 => vec![tick + 1],
                4 => vec![tick - 1, tick - 1],
                _ => vec![tick],
            },
            7,
        );
        assert_eq!(in_order, mixed_up, "{codec:?}");
        assert!(tone::has_tone(&in_order[2000..], 250.0) && tone::has_tone(&in_order[2000..], 750.0));
        assert_eq!((buffer.stats().late, buffer.stats().resets), (0, 1));
    }
}

#[test]
fn losses_are_concealed_in_every_codec() {
    for codec in Codec::ALL {
        let (whole, _) = spoken(codec, |tick| vec![tick], 0);
        let (holes, buffer) = spoken(codec, |tick| if tick % 10 == 7 { vec![] } else { vec![tick] }, 0);
        assert!(buffer.stats().concealed >= 9, "{codec:?}: {:?}", buffer.stats());
        for (at, (whole, holes)) in whole.chunks(5 * FRAME).zip(holes.chunks(5 * FRAME)).enumerate().skip(4) {
            let level = tone::rms(holes) / tone::rms(whole);
            assert!((0.5..2.0).contains(&level), "{codec:?} at {at}: {level}");
        }
    }
}

#[test]
fn a_pause_of_opus_is_filled_by_its_decoder_and_then_ends() {
    let (out, buffer) = spoken(Codec::Opus, |tick| if tick < 40 { vec![tick] } else { vec![] }, 0);
    assert_eq!(buffer.depth_ms(), 0);
    assert!(tone::rms(&out[90 * FRAME..]) < 0.001);
}

#[test]
fn a_pause_that_was_announced_is_noise_of_its_level() {
    let (wave, _) = wave(200);
    let mut buffer = JitterBuffer::new(Codec::Pcma);
    let mut frame = [0; FRAME];
    (0..10).for_each(|n| buffer.push(1, n * 160, &wave[n as usize * FRAME..][..FRAME], 0));
    (0..11).for_each(|_| _ = buffer.pull(&mut frame));
    buffer.comfort(50);
    let mut heard = Vec::new();
    for _ in 0..100 {
        assert!(buffer.pull(&mut frame));
        heard.extend(frame);
    }
    let level = -20.0 * tone::rms(&heard).log10();
    assert!((level - 50.0).abs() < 1.5, "{level}");
    assert_eq!(buffer.stats().concealed, 1, "the wait before the first sample");
    (0..NOISE_TICKS).for_each(|_| _ = buffer.pull(&mut frame));
    assert!(!buffer.pull(&mut frame) && frame == [0; FRAME]);
}

proptest! {
    #[test]
    fn any_order_of_pushes_and_pulls_stays_bounded(
        steps in proptest::collection::vec((any::<u32>(), 0u32..3, 0usize..3000, any::<bool>()), 0..200)
    ) {
        let mut buffer = JitterBuffer::new(Codec::ALL[steps.len() % 4]);
        let mut frame = [0; FRAME];
        for (timestamp, ssrc, length, pull) in steps {
            let near = if timestamp & 1 == 0 { timestamp } else { timestamp % 5000 };
            buffer.push(ssrc, near, &vec![7; length], timestamp % 200);
            if length == 5 {
                buffer.comfort(timestamp as u8);
            }
            prop_assert!(buffer.depth_ms() <= (RING / 8) as u32);
            if pull {
                buffer.pull(&mut frame);
            }
        }
    }
}
