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
mod tests;
