//! The jitter buffer: puts the decoded samples of one source back in order and plays them out, 20 ms a tick. Owned by
//! each leg that somebody hears through the mixer; relayed packets never pass through it.
//!
//! Samples lie in a ring indexed by RTP timestamp, so packet length, duplicates, reordering and wrap-around need no
//! special care. States: `empty → playing → empty` (after half a second without a sample). The delay starts at two
//! frames, grows when packets come too late and shrinks when the ring has stayed needlessly full for a while.
//! What is missing is concealed by repeating the last frame while fading it out.

use crate::codec::FRAME;

/// Samples in the ring: 512 ms, about three times the largest delay played.
const RING: usize = 4096;
/// Delay at the start: two frames ride out ordinary scheduling jitter.
const DELAY_START: i32 = 2 * FRAME as i32;
/// Beyond 200 ms of delay people talk over one another; later packets count as lost.
const DELAY_MAX: i32 = 1600;
/// The ring must have held this much too much for [`SHRINK_AFTER`] ticks before a frame is taken out.
const SURPLUS: i32 = 2 * FRAME as i32;
const SHRINK_AFTER: u32 = 100;
/// Ticks without a sample after which the next packet starts afresh.
const EMPTY_AFTER: u32 = 25;
/// Frames of fading repetition before silence.
const CONCEAL_FRAMES: u32 = 3;

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

/// One source's buffer. About 9 KiB.
#[derive(Debug, Clone)]
pub struct JitterBuffer {
    samples: Box<[i16; RING]>,
    present: Box<[bool; RING]>,
    playing: Option<Playing>,
    last_frame: [i16; FRAME],
    stats: JitterStats,
}

#[derive(Debug, Clone, Copy)]
struct Playing {
    ssrc: u32,
    /// Timestamp of the next sample to play.
    next: u32,
    /// One past the newest sample held.
    end: u32,
    /// Ticks in a row without any sample.
    missing: u32,
    /// Smallest fill since the last change of delay, and for how many ticks it was observed.
    fill_min: i32,
    observed: u32,
}

impl Default for JitterBuffer {
    fn default() -> Self {
        Self {
            samples: Box::new([0; RING]),
            present: Box::new([false; RING]),
            playing: None,
            last_frame: [0; FRAME],
            stats: JitterStats::default(),
        }
    }
}

impl JitterBuffer {
    /// Takes the decoded samples of one packet. More than half a ring of samples is cut off.
    pub fn push(&mut self, ssrc: u32, timestamp: u32, samples: &[i16]) {
        let samples = &samples[..samples.len().min(RING / 2)];
        let length = samples.len() as i32;
        if length == 0 {
            return;
        }
        let mut playing = match self.playing {
            Some(playing) if playing.ssrc == ssrc => playing,
            _ => self.start(ssrc, timestamp),
        };
        let ahead = timestamp.wrapping_sub(playing.next) as i32;
        if !(-(RING as i32)..=RING as i32 - length).contains(&ahead) {
            // The source's clock jumped: nothing held belongs to what comes now.
            playing = self.start(ssrc, timestamp);
        } else if ahead < 0 {
            self.stats.late += 1;
            let room = DELAY_MAX - (playing.end.wrapping_sub(playing.next) as i32).max(0);
            // Waiting longer from here on saves the packets that follow this one; the ring must still hold them.
            if playing.missing > 0 && -ahead <= room {
                playing.next = timestamp;
                playing.fill_min = i32::MAX;
                playing.observed = 0;
            }
        }
        for (at, &sample) in samples.iter().enumerate() {
            let position = timestamp.wrapping_add(at as u32);
            if position.wrapping_sub(playing.next) as i32 >= 0 {
                let slot = position as usize % RING;
                self.samples[slot] = sample;
                self.present[slot] = true;
            }
        }
        let end = timestamp.wrapping_add(length as u32);
        if end.wrapping_sub(playing.end) as i32 > 0 {
            playing.end = end;
        }
        self.playing = Some(playing);
    }

    fn start(&mut self, ssrc: u32, timestamp: u32) -> Playing {
        self.present.fill(false);
        // Nothing of the former stream may be repeated into the wait before the first sample.
        self.last_frame = [0; FRAME];
        self.stats.resets += 1;
        let next = timestamp.wrapping_sub(DELAY_START as u32);
        Playing { ssrc, next, end: timestamp, missing: 0, fill_min: i32::MAX, observed: 0 }
    }

    /// Plays the next 20 ms into `out`. Answers whether there is anything to hear: false means silence.
    pub fn pull(&mut self, out: &mut [i16; FRAME]) -> bool {
        let Some(mut playing) = self.playing else {
            out.fill(0);
            return false;
        };
        let mut found = 0;
        for (at, sample) in out.iter_mut().enumerate() {
            let slot = playing.next.wrapping_add(at as u32) as usize % RING;
            if std::mem::take(&mut self.present[slot]) {
                *sample = self.samples[slot];
                found += 1;
            } else {
                // Halved with each frame that is missing, then silence.
                let fade = if playing.missing < CONCEAL_FRAMES { playing.missing + 1 } else { 15 };
                *sample = self.last_frame[at] >> fade;
            }
        }
        if found < FRAME {
            self.stats.concealed += 1;
        }
        if found > 0 {
            playing.missing = 0;
            self.last_frame = *out;
        } else {
            playing.missing += 1;
            if playing.missing > CONCEAL_FRAMES {
                out.fill(0);
            }
        }
        playing.next = playing.next.wrapping_add(FRAME as u32);
        self.shrink(&mut playing);
        let audible = playing.missing <= CONCEAL_FRAMES;
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
        if playing.fill_min > SURPLUS {
            for at in 0..FRAME {
                self.present[playing.next.wrapping_add(at as u32) as usize % RING] = false;
            }
            playing.next = playing.next.wrapping_add(FRAME as u32);
        }
        playing.fill_min = i32::MAX;
        playing.observed = 0;
    }

    /// Forgets everything held; the next packet starts afresh.
    pub fn clear(&mut self) {
        self.playing = None;
        self.last_frame = [0; FRAME];
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
    use crate::tone::{self, Tone};
    use proptest::prelude::*;

    /// Feeds packets of a tone by the given arrival order per tick and returns what was played.
    fn play(packets: &[Vec<u32>], base: u32) -> (Vec<i16>, JitterBuffer) {
        let wave = Tone::single(500.0).samples(20_000);
        let mut buffer = JitterBuffer::default();
        let mut out = Vec::new();
        for arrivals in packets {
            for &n in arrivals {
                let at = n as usize * FRAME;
                buffer.push(1, base.wrapping_add(at as u32), &wave[at..at + FRAME]);
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
        let wave = Tone::single(500.0).samples(20_000);
        assert_eq!(out[320..], wave[..out.len() - 320]);
        assert_eq!(buffer.stats().late, 0);
    }

    #[test]
    fn reordered_and_doubled_packets_play_unbroken() {
        let mut order: Vec<Vec<u32>> = (0..50).map(|n| vec![n]).collect();
        order[10] = vec![11];
        order[11] = vec![10, 10];
        let (out, _) = play(&order, 5);
        let wave = Tone::single(500.0).samples(20_000);
        assert_eq!(out[320..], wave[..out.len() - 320]);
    }

    #[test]
    fn a_lost_packet_is_concealed_by_a_quieter_repetition() {
        let mut order: Vec<Vec<u32>> = (0..30).map(|n| vec![n]).collect();
        order[10].clear();
        let (out, _) = play(&order, 0);
        let hole = &out[12 * FRAME..13 * FRAME];
        assert!(tone::rms(hole) > 0.02 && tone::rms(hole) < tone::rms(&out[11 * FRAME..12 * FRAME]));
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
        let wave = Tone::single(500.0).samples(200_000);
        let mut buffer = JitterBuffer::default();
        let (mut sent, mut frame) = (0usize, [0; FRAME]);
        for tick in 0..8000usize {
            let due = tick + 1 + tick / 200;
            while sent < due {
                buffer.push(1, (sent * FRAME) as u32, &wave[sent * FRAME..(sent + 1) * FRAME]);
                sent += 1;
            }
            buffer.pull(&mut frame);
        }
        assert!(buffer.depth_ms() <= 100, "{} ms", buffer.depth_ms());
    }

    #[test]
    fn a_jump_of_the_timestamp_or_a_new_source_starts_afresh() {
        let wave = Tone::single(500.0).samples(1000);
        let mut buffer = JitterBuffer::default();
        let mut frame = [0; FRAME];
        for n in 0..10usize {
            buffer.push(1, (n * FRAME) as u32, &wave[n * FRAME..][..FRAME]);
            buffer.pull(&mut frame);
        }
        for (ssrc, base) in [(1, 900_000_000u32), (2, 17)] {
            let mut heard = Vec::new();
            for n in 0..10usize {
                buffer.push(ssrc, base.wrapping_add((n * FRAME) as u32), &wave[n * FRAME..][..FRAME]);
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
        let wave = Tone::single(500.0).samples(200);
        let mut buffer = JitterBuffer::default();
        let mut frame = [0; FRAME];
        buffer.push(1, 0, &wave[..800]);
        (0..60).for_each(|_| _ = buffer.pull(&mut frame));
        buffer.push(1, 60 * FRAME as u32, &wave[..160]);
        buffer.pull(&mut frame);
        assert_eq!(frame, [0; FRAME]);
    }

    proptest! {
        #[test]
        fn any_order_of_pushes_and_pulls_stays_bounded(
            steps in proptest::collection::vec((any::<u32>(), 0u32..3, 0usize..3000, any::<bool>()), 0..200)
        ) {
            let mut buffer = JitterBuffer::default();
            let mut frame = [0; FRAME];
            for (timestamp, ssrc, length, pull) in steps {
                let near = if timestamp & 1 == 0 { timestamp } else { timestamp % 5000 };
                buffer.push(ssrc, near, &vec![7; length]);
                prop_assert!(buffer.depth_ms() <= (RING / 8) as u32);
                if pull {
                    buffer.pull(&mut frame);
                }
            }
        }
    }
}
