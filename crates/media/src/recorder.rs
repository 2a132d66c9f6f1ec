//! Live recording: taps of what legs say, laid on one timeline, cut into [`Frame`]s. The plane owns one [`Recorder`]
//! per recording and hands its frames out; `segment` puts frames into a spool file and `export` makes a stereo WAV of it.
//!
//! Taps copy the received payload into a lane per leg, at the place its RTP timestamp gives it on the plane's clock;
//! G.711 is not decoded on the way, and other codecs are by the leg's jitter buffer, tick by tick. A lane trails the clock by 80 ms so that late packets find their place, and is cut
//! every 60 ms: with the tick of 20 ms and the writer a crash loses at most 200 ms. Length = stop − start, whatever the
//! packets did.
//! When a stall is followed by a burst, the burst is laid after what was cut already, so no word is lost; the lane then
//! runs ahead of the clock until pauses in the speech, left out one packet at a time, bring it back.

pub mod export;
pub mod segment;

use crate::LegKey;
use crate::audio::mix_into;
use crate::codec::FRAME;
use crate::g711::Law;
use crate::noise::{NOISE_MAX, Noise};
use crate::rtp::Header;
use std::time::Duration;

/// How long late packets are waited for, and how much is handed out at a time, in samples.
const LAG: u64 = 640;
const CHUNK: u64 = 480;
/// A burst after a stall may lie this far in the future before it is pulled back to the clock, in samples.
const LEAD_MAX: u64 = 3200;
/// Beyond this lead, quiet packets are left out until the lane is back at the clock, in samples; and what quiet means.
const LEAD_WANTED: i64 = 160;
const QUIET: u16 = 260;
/// Legs of one side: the agent and those who join or take over.
pub(crate) const SIDE_LEGS_MAX: usize = 8;

/// Why a stretch of a recording is silent on purpose or by accident.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum GapReason {
    /// The customer was on hold.
    Hold,
    /// Recording was paused on purpose, e.g. while card numbers were spoken.
    Mask,
    /// What was sent was a fax by datagrams, not sound.
    Fax,
    /// Frames are missing from the spool (found by the reader, never commanded).
    Lost,
}

/// One channel of a frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sound {
    Silence,
    /// One source, as it was received where that was G.711.
    Coded {
        law: Law,
        payload: Vec<u8>,
    },
    /// Several sources mixed, 8 kHz.
    Pcm(Vec<i16>),
}

impl Sound {
    /// The samples, exactly `length` of them (cut or padded with silence).
    pub fn samples(&self, length: usize) -> Vec<i16> {
        let mut out = Vec::with_capacity(length);
        match self {
            Self::Silence => {}
            Self::Coded { law, payload } => law.decode(payload, &mut out),
            Self::Pcm(samples) => out.extend_from_slice(samples),
        }
        out.resize(length, 0);
        out
    }
}

/// A piece of a recording. Positions are milliseconds from its start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Frame {
    Audio {
        position_ms: u64,
        length_ms: u32,
        left: Sound,
        right: Sound,
    },
    /// From here on it is silent for this reason.
    GapStarted {
        position_ms: u64,
        why: GapReason,
    },
    GapEnded {
        position_ms: u64,
    },
    /// The last frame: the recording is complete.
    Ended {
        length_ms: u64,
    },
}

#[derive(Debug, Clone)]
struct Lane {
    leg: LegKey,
    right: bool,
    /// Law and octets from position `from` on, which is not before the recorder's `emitted`; silence before them is
    /// not kept. They end no later than [`LEAD_MAX`] after the clock.
    law: Law,
    octets: Vec<u8>,
    from: u64,
    /// Which timeline position (samples) belongs to which timestamp of which source.
    anchor: Option<(u32, u32, u64)>,
    /// The sender pauses between these positions, and how that sounds.
    pause: Option<(u64, u64, Noise)>,
    /// No longer tapped; goes once its rest is handed out.
    closed: bool,
}

/// One recording under way.
#[derive(Debug, Clone)]
pub struct Recorder {
    start: Duration,
    /// Position at the start: not zero when a former process began the recording.
    from_ms: u64,
    /// Handed out so far, samples; always whole milliseconds.
    emitted: u64,
    lanes: Vec<Lane>,
    pause: Option<GapReason>,
}

impl Recorder {
    /// A recording that starts now, or goes on from this position.
    pub fn new(now: Duration, from_ms: u64, left: LegKey, right: &[LegKey]) -> Self {
        let emitted = from_ms * 8;
        let mut recorder = Self { start: now, from_ms, emitted, lanes: Vec::new(), pause: None };
        recorder.set_legs(left, right);
        recorder
    }

    /// Samples since the start, whole milliseconds.
    fn position(&self, now: Duration) -> u64 {
        (self.from_ms + now.saturating_sub(self.start).as_millis() as u64) * 8
    }

    /// From now on these legs are recorded.
    pub fn set_legs(&mut self, left: LegKey, right: &[LegKey]) {
        let right = &right[..right.len().min(SIDE_LEGS_MAX)];
        for lane in &mut self.lanes {
            lane.closed = if lane.right { !right.contains(&lane.leg) } else { lane.leg != left };
        }
        for (leg, on_right) in std::iter::once((left, false)).chain(right.iter().map(|&leg| (leg, true))) {
            let known = |lane: &Lane| lane.leg == leg && lane.right == on_right;
            if !self.lanes.iter().any(known) && self.lanes.len() < 4 * SIDE_LEGS_MAX {
                self.lanes.push(Lane {
                    leg,
                    right: on_right,
                    law: Law::Mu,
                    octets: Vec::new(),
                    from: 0,
                    anchor: None,
                    pause: None,
                    closed: false,
                });
            }
        }
    }

    pub(crate) fn is_paused(&self) -> bool {
        self.pause.is_some()
    }

    /// The legs being recorded.
    pub fn legs(&self) -> impl Iterator<Item = LegKey> {
        self.lanes.iter().filter(|lane| !lane.closed).map(|lane| lane.leg)
    }

    /// Pauses, changes the reason of a pause, or resumes; answers the frames that say so.
    pub fn set_pause(&mut self, now: Duration, pause: Option<GapReason>) -> Vec<Frame> {
        let position_ms = self.position(now) / 8;
        let mut out = Vec::new();
        if self.pause != pause {
            out.extend(self.pause.map(|_| Frame::GapEnded { position_ms }));
            out.extend(pause.map(|why| Frame::GapStarted { position_ms, why }));
            self.pause = pause;
        }
        out
    }

    /// Takes a received audio packet of `leg`.
    pub fn tap(&mut self, now: Duration, leg: LegKey, law: Law, header: &Header, payload: &[u8]) {
        if self.pause.is_some() {
            return;
        }
        let (arrival, emitted) = (self.position(now), self.emitted);
        for lane in self.lanes.iter_mut().filter(|lane| lane.leg == leg && !lane.closed) {
            lane.tap(arrival, emitted, law, header, payload);
        }
    }

    /// Takes what a leg of a codec with state says on this tick.
    pub(crate) fn tap_samples(&mut self, now: Duration, leg: LegKey, samples: &[i16; FRAME]) {
        /// Keeps more of it than a telephone does.
        const LAW: Law = Law::A;
        let header = Header { timestamp: self.position(now) as u32, ..Header::default() };
        let mut octets = Vec::with_capacity(FRAME);
        LAW.encode(samples, &mut octets);
        self.tap(now, leg, LAW, &header, &octets);
    }

    /// `leg` pauses (RFC 3389), with noise of this level, until its next packet.
    pub(crate) fn comfort(&mut self, now: Duration, leg: LegKey, level: u8) {
        if self.pause.is_some() {
            return;
        }
        let start = self.position(now).max(self.emitted);
        for lane in self.lanes.iter_mut().filter(|lane| lane.leg == leg && !lane.closed) {
            lane.pause = Some((start, start + NOISE_MAX.as_millis() as u64 * 8, Noise::new(level)));
        }
    }

    /// Hands out what is due. Call on each tick.
    pub fn tick(&mut self, now: Duration) -> Vec<Frame> {
        let mut out = Vec::new();
        let due = self.position(now).saturating_sub(LAG);
        while self.emitted + CHUNK <= due {
            let samples = self.quiet_until(due).max(CHUNK);
            out.push(self.emit(samples));
        }
        out
    }

    /// For how long, in whole chunks, nobody says anything from here on: one frame says that, however late the tick is.
    fn quiet_until(&self, due: u64) -> u64 {
        let sounds = self.lanes.iter().filter(|lane| !lane.octets.is_empty()).map(|lane| lane.from);
        let pauses = self.lanes.iter().filter_map(|lane| lane.pause).filter(|(_, until, _)| *until > self.emitted);
        let noises = pauses.map(|(from, _, _)| from.max(self.emitted));
        let quiet = sounds.chain(noises).min().unwrap_or(due).min(due) - self.emitted;
        quiet / CHUNK * CHUNK
    }

    /// Ends the recording: the rest of the audio and the end mark.
    pub fn stop(mut self, now: Duration) -> Vec<Frame> {
        let end = self.position(now);
        let mut out = Vec::new();
        while self.emitted < end {
            let samples = self.quiet_until(end.max(self.emitted)).max(CHUNK).min(end - self.emitted);
            out.push(self.emit(samples));
        }
        out.extend(self.pause.map(|_| Frame::GapEnded { position_ms: end / 8 }));
        out.push(Frame::Ended { length_ms: end / 8 });
        out
    }

    fn emit(&mut self, samples: u64) -> Frame {
        let position_ms = self.emitted / 8;
        let end = self.emitted + samples;
        let (mut left, mut right) = (Sound::Silence, Sound::Silence);
        for lane in &mut self.lanes {
            let Some(payload) = lane.take(self.emitted, end) else { continue };
            let side = if lane.right { &mut right } else { &mut left };
            let new = Sound::Coded { law: lane.law, payload };
            if *side == Sound::Silence {
                *side = new;
            } else {
                let mut mixed = side.samples(samples as usize);
                mix_into(&mut mixed, &new.samples(samples as usize));
                *side = Sound::Pcm(mixed);
            }
        }
        self.lanes.retain(|lane| !lane.closed || !lane.octets.is_empty());
        self.emitted = end;
        Frame::Audio { position_ms, length_ms: (samples / 8) as u32, left, right }
    }
}

impl Lane {
    fn tap(&mut self, arrival: u64, emitted: u64, law: Law, header: &Header, payload: &[u8]) {
        if law != self.law {
            self.recode(law);
        }
        let length = payload.len() as u64;
        let by_timestamp = self.anchor.filter(|anchor| anchor.0 == header.ssrc).map(|(_, timestamp, position)| {
            position as i64 + i64::from(header.timestamp.wrapping_sub(timestamp) as i32)
        });
        let (earliest, latest) = (emitted as i64, (arrival + LEAD_MAX) as i64 - length as i64);
        let position = match by_timestamp {
            Some(position) if (earliest..=latest).contains(&position) => position,
            // Late beyond saving, or the source's clock ran off: place it where it arrived, after what is there.
            Some(position) if position < earliest => {
                (arrival as i64 - length as i64).max(self.end(emitted) as i64).min(latest)
            }
            _ => arrival as i64 - length as i64,
        };
        let lead = position + length as i64 - arrival as i64;
        if lead > LEAD_WANTED && is_quiet(law, payload) {
            self.anchor = Some((header.ssrc, header.timestamp, (position - length as i64).max(0) as u64));
            return;
        }
        // Moving the anchor along keeps the difference of timestamps small for ever.
        self.anchor = Some((header.ssrc, header.timestamp, position.max(0) as u64));
        let skip = (earliest - position).clamp(0, length as i64) as usize;
        let at = position.max(earliest) as u64;
        if let Some((_, until, _)) = &mut self.pause {
            *until = at.min(*until);
        }
        let octets = &payload[skip..];
        if octets.is_empty() {
            return;
        }
        let silence = self.law.silence();
        if self.octets.is_empty() {
            self.from = at;
        } else if at < self.from {
            // Overtaken by what is there already.
            let missing = (self.from - at) as usize;
            self.octets.splice(..0, std::iter::repeat_n(silence, missing));
            self.from = at;
        }
        let at = (at - self.from) as usize;
        if self.octets.len() < at + octets.len() {
            self.octets.resize(at + octets.len(), silence);
        }
        self.octets[at..at + octets.len()].copy_from_slice(octets);
    }

    /// Where what is kept ends.
    fn end(&self, emitted: u64) -> u64 {
        if self.octets.is_empty() { emitted } else { self.from + self.octets.len() as u64 }
    }

    /// What was said between two positions, the first of which nothing kept precedes; none if it was nothing.
    fn take(&mut self, start: u64, end: u64) -> Option<Vec<u8>> {
        let noise = self.noise(start, end);
        if self.octets.is_empty() || self.from >= end {
            return noise;
        }
        let (samples, before) = ((end - start) as usize, (self.from - start) as usize);
        let taken = self.octets.len().min(samples - before);
        let mut payload = noise.unwrap_or_else(|| vec![self.law.silence(); samples]);
        payload[before..before + taken].copy_from_slice(&self.octets[..taken]);
        self.octets.drain(..taken);
        self.from = end;
        Some(payload)
    }

    /// The noise of a pause between two positions; none where there is no pause.
    fn noise(&mut self, start: u64, end: u64) -> Option<Vec<u8>> {
        let (from, until, noise) = self.pause.as_mut()?;
        let within = (*from).max(start)..(*until).min(end);
        if *until <= start {
            self.pause = None;
            return None;
        }
        if within.is_empty() {
            return None;
        }
        let mut samples = vec![0; (end - start) as usize];
        noise.fill(&mut samples[(within.start - start) as usize..(within.end - start) as usize]);
        let mut payload = Vec::with_capacity(samples.len());
        self.law.encode(&samples, &mut payload);
        Some(payload)
    }

    fn recode(&mut self, law: Law) {
        let mut samples = Vec::new();
        self.law.decode(&self.octets, &mut samples);
        self.octets.clear();
        law.encode(&samples, &mut self.octets);
        self.law = law;
    }
}

fn is_quiet(law: Law, payload: &[u8]) -> bool {
    let mut samples = Vec::new();
    law.decode(payload, &mut samples);
    samples.iter().all(|sample| sample.unsigned_abs() < QUIET)
}

#[cfg(test)]
mod tests;
