//! The jitter buffer: puts the packets of one source back in order, decodes them and plays them out, 20 ms a tick. Owned by
//! each leg that somebody hears through the mixer, or that is recorded and whose codec has state; other packets never pass
//! through it.
//!
//! Samples lie in a ring indexed by time, so packet length, duplicates, reordering and wrap-around need no special care.
//! G.711 is decoded into it as it comes; packets of codecs with state wait for their turn. States: `empty → playing →
//! empty` (after half a second without a sample). The first packet is played at the next tick if that leaves the packets
//! that follow [`MARGIN`] to be late by, else at the one after it: 6 to 26 ms of delay. It grows when packets come too late
//! and shrinks when all had much time left for a while. What is missing is concealed: by Opus itself, else by
//! [`crate::plc`]; where the sender has said that it pauses (RFC 3389), with noise of the level it named.

use crate::codec::{Codec, Decoder, FRAME};
use crate::noise::{NOISE_MAX, Noise};
use crate::plc::Plc;
use std::collections::VecDeque;

/// Samples in the ring: 512 ms, about three times the largest delay played.
const RING: usize = 4096;
/// How much later than the first a packet may be without being missed, in samples: 6 ms ride out a good network and
/// ordinary scheduling. Others show themselves with the first packet that is missed.
const MARGIN: u32 = 48;
/// Beyond 200 ms of delay people talk over one another; later packets count as lost.
const DELAY_MAX: i32 = 1600;
/// By how much every packet must have been early for [`SHRINK_AFTER`] ticks before a frame is taken out: after it, each
/// still has 10 ms.
const SURPLUS: i32 = FRAME as i32 + 80;
const SHRINK_AFTER: u32 = 100;
/// Ticks without a sample after which the next packet starts afresh.
const EMPTY_AFTER: u32 = 25;
/// Packets that may wait for their turn: a ring's worth of 10 ms each.
const WAITING_MAX: usize = 52;
/// Opus loses and recovers whole multiples of 2.5 ms.
const OPUS_STEP: usize = 20;
/// For how many ticks a pause of the sender is filled with noise.
const NOISE_TICKS: u32 = NOISE_MAX.as_millis() as u32 / 20;

/// What happened to packets, for quality figures.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct JitterStats {
    /// Packets that came after their turn.
    pub late: u64,
    /// Times the buffer started over: new source, jump of the timestamp.
    pub resets: u64,
    /// Ticks of which some samples were concealed.
    pub concealed: u64,
}

/// What a place of the ring holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Nothing,
    Received,
    /// By the decoder.
    Concealed,
}

/// One source's buffer. About 14 KiB, and what its decoder needs.
pub struct JitterBuffer {
    codec: Codec,
    decoder: Decoder,
    clock: Clock,
    samples: Box<[i16; RING]>,
    places: Box<[Place; RING]>,
    /// Packets that a decoder with state shall have in their order, by their time.
    waiting: VecDeque<(u32, Vec<u8>)>,
    decoded: Vec<i16>,
    playing: Option<Playing>,
    plc: Plc,
    /// With the ticks that it has left.
    noise: Option<(Noise, u32)>,
    stats: JitterStats,
}

#[derive(Debug, Clone, Copy)]
struct Playing {
    ssrc: u32,
    /// Time of the next sample to play.
    next: u32,
    /// One past the newest sample held.
    end: u32,
    /// Where the decoder with state goes on; `None` before its first packet.
    decoded: Option<u32>,
    /// Ticks in a row without any sample.
    missing: u32,
    /// The last tick ended with nothing newer to play.
    starved: bool,
    /// Smallest fill after a tick and smallest wait of a packet for its tick since the last change of delay, and for how
    /// many ticks they were observed.
    fill_min: i32,
    wait_min: i32,
    observed: u32,
}

impl Playing {
    fn observe_anew(&mut self) {
        (self.fill_min, self.wait_min, self.observed) = (i32::MAX, FRAME as i32, 0);
    }
}

/// Timestamps of a faster clock as times in samples, which go round at the same place.
#[derive(Debug, Clone, Copy)]
struct Clock {
    units: u32,
    last: u32,
    unwrapped: u64,
}

impl Clock {
    fn samples(&mut self, timestamp: u32) -> u32 {
        if self.units == 1 {
            return timestamp;
        }
        let passed = timestamp.wrapping_sub(self.last) as i32;
        self.last = timestamp;
        self.unwrapped = self.unwrapped.wrapping_add_signed(i64::from(passed));
        (self.unwrapped / u64::from(self.units)) as u32
    }
}

impl JitterBuffer {
    /// An empty buffer for one codec.
    pub fn new(codec: Codec) -> Self {
        Self {
            codec,
            decoder: Decoder::new(codec),
            clock: Clock { units: codec.units(), last: 0, unwrapped: 1 << 40 },
            samples: Box::new([0; RING]),
            places: Box::new([Place::Nothing; RING]),
            waiting: VecDeque::new(),
            decoded: Vec::new(),
            playing: None,
            plc: Plc::default(),
            noise: None,
            stats: JitterStats::default(),
        }
    }

    pub fn codec(&self) -> Codec {
        self.codec
    }

    /// Takes one packet. `timestamp` is in units of the codec's clock; what lasts longer than half a ring is cut off. `wait`
    /// is how many samples (of 8 kHz) pass until the next [`JitterBuffer::pull`].
    pub fn push(&mut self, ssrc: u32, timestamp: u32, payload: &[u8], wait: u32) {
        let length = self.codec.samples(payload).min(RING / 2) as i32;
        if length == 0 {
            return;
        }
        self.noise = None;
        let timestamp = self.clock.samples(timestamp);
        let mut playing = match self.playing {
            Some(playing) if playing.ssrc == ssrc => playing,
            _ => self.start(ssrc, timestamp, wait),
        };
        playing.wait_min = playing.wait_min.min(wait.min(FRAME as u32) as i32);
        let ahead = timestamp.wrapping_sub(playing.next) as i32;
        if !(-(RING as i32)..=RING as i32 - length).contains(&ahead) {
            // The source's clock jumped: nothing held belongs to what comes now.
            playing = self.start(ssrc, timestamp, wait);
        } else if ahead < 0 {
            self.stats.late += 1;
            let room = DELAY_MAX - (playing.end.wrapping_sub(playing.next) as i32).max(0);
            // Waiting longer from here on saves the packets that follow this one; the ring must still hold them.
            if (playing.missing > 0 || playing.starved) && -ahead <= room {
                playing.next = timestamp;
                playing.decoded = playing.decoded.map(|_| timestamp);
                playing.starved = false;
                playing.observe_anew();
            }
        }
        match &self.decoder {
            Decoder::Law(law) => {
                for (at, &octet) in payload.iter().take(length as usize).enumerate() {
                    let position = timestamp.wrapping_add(at as u32);
                    if position.wrapping_sub(playing.next) as i32 >= 0 {
                        let slot = position as usize % RING;
                        self.samples[slot] = law.sample(octet);
                        self.places[slot] = Place::Received;
                    }
                }
            }
            Decoder::G722(_) | Decoder::Opus(_) => self.hold(&playing, timestamp, payload),
        }
        let end = timestamp.wrapping_add(length as u32);
        if end.wrapping_sub(playing.end) as i32 > 0 {
            playing.end = end;
        }
        self.playing = Some(playing);
    }

    /// The sender pauses (RFC 3389); `level` is that of its noise, in dB below the loudest that can be.
    pub fn comfort(&mut self, level: u8) {
        self.noise = Some((Noise::new(level), NOISE_TICKS));
    }

    fn start(&mut self, ssrc: u32, timestamp: u32, wait: u32) -> Playing {
        self.places.fill(Place::Nothing);
        self.waiting.clear();
        // Nothing of the former stream may be repeated into the wait before the first sample. A decoder with state goes on
        // from where it is: within a packet or two it has adapted, and a stranger's new sources must not cost new decoders.
        self.plc.clear();
        self.stats.resets += 1;
        let next = if wait < MARGIN { timestamp.wrapping_sub(FRAME as u32) } else { timestamp };
        let mut playing = Playing {
            ssrc,
            next,
            end: timestamp,
            decoded: None,
            missing: 0,
            starved: false,
            fill_min: 0,
            wait_min: 0,
            observed: 0,
        };
        playing.observe_anew();
        playing
    }

    /// Keeps a packet until its turn.
    fn hold(&mut self, playing: &Playing, timestamp: u32, payload: &[u8]) {
        let done = playing.decoded.unwrap_or(playing.next);
        if (timestamp.wrapping_sub(done) as i32) < 0 {
            return;
        }
        let newer = self.waiting.iter().rev().take_while(|(at, _)| at.wrapping_sub(timestamp) as i32 > 0).count();
        let place = self.waiting.len() - newer;
        if place > 0 && self.waiting[place - 1].0 == timestamp {
            return;
        }
        self.waiting.insert(place, (timestamp, payload.to_vec()));
        if self.waiting.len() > WAITING_MAX {
            self.waiting.pop_front();
        }
    }

    /// Lets a decoder with state do what is due up to `end`.
    fn decode_until(&mut self, playing: &mut Playing, end: u32) {
        let is_due = |at: u32| end.wrapping_sub(at) as i32 > 0;
        // Each turn takes a packet out or moves on; both are bounded by the ring.
        for _ in 0..RING / OPUS_STEP {
            let Some((timestamp, packet)) = self.waiting.front() else { break };
            let at = *playing.decoded.get_or_insert(*timestamp);
            let hole = timestamp.wrapping_sub(at) as i32;
            if !is_due(at) {
                return;
            }
            self.decoded.clear();
            let place = match (&mut self.decoder, hole) {
                (_, ..0) => {
                    // It overlaps what was decoded before it.
                    self.waiting.pop_front();
                    continue;
                }
                (decoder, 0) => {
                    decoder.decode(packet, &mut self.decoded);
                    let length = self.codec.samples(packet);
                    self.decoded.resize(length, 0);
                    self.waiting.pop_front();
                    Place::Received
                }
                (Decoder::Opus(decoder), hole) if (hole as usize).is_multiple_of(OPUS_STEP) => {
                    // The redundancy of the packet that follows speaks of the last of the hole.
                    let (hole, told) = (hole as usize, self.codec.samples(packet));
                    if hole <= told {
                        decoder.recover(packet, hole, &mut self.decoded);
                    } else {
                        decoder.conceal((hole - told).min(FRAME), &mut self.decoded);
                    }
                    Place::Concealed
                }
                (_, _) => {
                    playing.decoded = Some(*timestamp);
                    continue;
                }
            };
            if self.decoded.is_empty() {
                playing.decoded = Some(at.wrapping_add(FRAME as u32));
                continue;
            }
            self.lay(playing, at, place);
        }
        // Nothing has come that could follow.
        while let (Decoder::Opus(decoder), Some(at)) = (&mut self.decoder, playing.decoded.filter(|at| is_due(*at))) {
            self.decoded.clear();
            decoder.conceal(FRAME, &mut self.decoded);
            self.decoded.resize(FRAME, 0);
            self.lay(playing, at, Place::Concealed);
        }
    }

    /// Puts what was decoded into the ring.
    fn lay(&mut self, playing: &mut Playing, at: u32, place: Place) {
        for (n, &sample) in self.decoded.iter().enumerate() {
            let position = at.wrapping_add(n as u32);
            if position.wrapping_sub(playing.next) as i32 >= 0 {
                let slot = position as usize % RING;
                self.samples[slot] = sample;
                self.places[slot] = place;
            }
        }
        playing.decoded = Some(at.wrapping_add(self.decoded.len() as u32));
    }

    /// Plays the next 20 ms into `out`. Answers whether there is anything to hear: false means silence.
    pub fn pull(&mut self, out: &mut [i16; FRAME]) -> bool {
        if let Some((_, left)) = &mut self.noise {
            *left -= 1;
            if *left == 0 {
                self.noise = None;
            }
        }
        let Some(mut playing) = self.playing else {
            match &mut self.noise {
                Some((noise, _)) => noise.fill(out),
                None => out.fill(0),
            }
            return self.noise.is_some();
        };
        if self.codec.law().is_none() {
            let end = playing.next.wrapping_add(FRAME as u32);
            self.decode_until(&mut playing, end);
        }
        let mut received = 0;
        let mut audible = false;
        let mut concealed = false;
        let mut at = 0;
        while at < FRAME {
            let slot = |at: usize| playing.next.wrapping_add(at as u32) as usize % RING;
            let place = self.places[slot(at)];
            let start = at;
            while at < FRAME && self.places[slot(at)] == place {
                out[at] = self.samples[slot(at)];
                self.places[slot(at)] = Place::Nothing;
                at += 1;
            }
            let run = &mut out[start..at];
            match (place, &mut self.noise) {
                (Place::Received, _) => {
                    received += run.len();
                    self.plc.received(run);
                    audible = true;
                }
                (_, Some((noise, _))) => {
                    noise.fill(run);
                    self.plc.clear();
                    audible = true;
                }
                (Place::Concealed, None) => {
                    self.plc.received(run);
                    audible = true;
                    concealed = true;
                }
                (Place::Nothing, None) => {
                    audible |= self.plc.conceal(run);
                    concealed = true;
                }
            }
        }
        if concealed {
            self.stats.concealed += 1;
        }
        playing.missing = if received > 0 { 0 } else { playing.missing + 1 };
        playing.starved = (playing.end.wrapping_sub(playing.next) as i32) < FRAME as i32;
        playing.next = playing.next.wrapping_add(FRAME as u32);
        self.shrink(&mut playing);
        self.playing = if playing.missing >= EMPTY_AFTER { None } else { Some(playing) };
        audible
    }

    /// Takes a frame out when the buffer never ran low for two seconds.
    fn shrink(&mut self, playing: &mut Playing) {
        playing.fill_min = playing.fill_min.min(playing.end.wrapping_sub(playing.next) as i32);
        playing.observed += 1;
        if playing.observed < SHRINK_AFTER {
            return;
        }
        if playing.fill_min >= FRAME as i32 && playing.fill_min + playing.wait_min >= SURPLUS {
            let next = playing.next.wrapping_add(FRAME as u32);
            if self.codec.law().is_none() {
                self.decode_until(playing, next);
            }
            for at in 0..FRAME {
                self.places[playing.next.wrapping_add(at as u32) as usize % RING] = Place::Nothing;
            }
            playing.next = next;
        }
        playing.observe_anew();
    }

    pub fn stats(&self) -> JitterStats {
        self.stats
    }

    /// Milliseconds between the newest sample held and the one played next.
    pub fn depth_ms(&self) -> u32 {
        self.playing.map_or(0, |playing| (playing.end.wrapping_sub(playing.next) as i32).max(0) as u32 / 8)
    }
}

#[cfg(test)]
mod tests {
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
        let mut arrivals: Vec<(usize, usize)> =
            (0..100_000 / length).map(|n| (n * length + late(n), n * length)).collect();
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
        let order: Vec<Vec<u32>> =
            (0..100u32).map(|n| if n % 5 == 4 { (n - 4..=n).collect() } else { vec![] }).collect();
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
}
