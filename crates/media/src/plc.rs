//! Concealment of lost sound for codecs that bring none of their own: the last pitch period is repeated, then two and
//! three of them so that it does not buzz, blended where pieces meet and faded to silence within 60 ms. Owned by each
//! jitter buffer, which shows it everything that is played.
//!
//! Source: ITU-T G.711 Appendix I, without its delay of 3.75 ms: the beginning of a gap follows the last sample received
//! directly.

/// 66 to 200 Hz.
const PITCH_MAX: usize = 120;
const PITCH_MIN: usize = 40;
/// Three of the longest periods, and a quarter to blend with.
const HISTORY: usize = PITCH_MAX * 13 / 4;
/// Compared in search of the pitch: 20 ms.
const COMPARED: usize = 160;
const TEN_MS: usize = 80;
/// When nothing is left of a gap's sound.
const SILENT_AFTER: usize = 6 * TEN_MS;

/// One source's memory of what was played.
#[derive(Debug, Clone)]
pub struct Plc {
    /// The newest samples played, the newest last.
    history: [i16; HISTORY],
    /// Anything was played.
    is_filled: bool,
    /// What was played before the gap.
    before: [i16; HISTORY],
    pitch: usize,
    /// Samples of the gap so far.
    lost: usize,
    /// How many periods are repeated, and where in them.
    periods: usize,
    at: usize,
}

impl Default for Plc {
    fn default() -> Self {
        Self {
            history: [0; HISTORY],
            is_filled: false,
            before: [0; HISTORY],
            pitch: PITCH_MAX,
            lost: 0,
            periods: 1,
            at: 0,
        }
    }
}

impl Plc {
    /// These samples were received and are played. After a gap their beginning is blended with its end.
    pub fn received(&mut self, samples: &mut [i16]) {
        if self.lost > 0 {
            let blended = (self.pitch / 4 + self.lost / TEN_MS * 32).min(TEN_MS).min(samples.len());
            for (at, sample) in samples[..blended].iter_mut().enumerate() {
                *sample = blend(self.next(), *sample, at, blended);
            }
            self.lost = 0;
        }
        self.is_filled = true;
        self.remember(samples);
    }

    /// Fills a gap. Answers whether there is anything to hear.
    pub fn conceal(&mut self, samples: &mut [i16]) -> bool {
        if !self.is_filled || self.lost >= SILENT_AFTER {
            samples.fill(0);
            return false;
        }
        if self.lost == 0 {
            self.begin();
        }
        for sample in samples.iter_mut() {
            *sample = self.next();
        }
        self.remember(samples);
        if self.lost >= SILENT_AFTER {
            // What comes after so long is new.
            self.is_filled = false;
        }
        true
    }

    /// Forgets what was played.
    pub fn clear(&mut self) {
        self.is_filled = false;
        self.lost = 0;
        self.history = [0; HISTORY];
    }

    fn remember(&mut self, samples: &[i16]) {
        let new = &samples[samples.len().saturating_sub(HISTORY)..];
        self.history.copy_within(new.len().., 0);
        self.history[HISTORY - new.len()..].copy_from_slice(new);
    }

    fn begin(&mut self) {
        self.before = self.history;
        self.pitch = pitch_of(&self.before);
        self.periods = 1;
        self.at = 0;
    }

    /// The next sample of the gap.
    fn next(&mut self) -> i16 {
        let wanted = (self.lost / TEN_MS + 1).min(3);
        let quarter = self.pitch / 4;
        let mut sample = self.repeated(self.periods, self.at);
        // The change to more periods keeps the phase and is blended over a quarter of one.
        let into = self.lost % TEN_MS;
        if wanted > self.periods {
            sample = blend(sample, self.repeated(wanted, self.at), into, quarter);
            if into + 1 >= quarter {
                self.periods = wanted;
            }
        }
        self.at = (self.at + 1) % (self.pitch * self.periods);
        let faded = self.lost.saturating_sub(TEN_MS).min(SILENT_AFTER - TEN_MS);
        self.lost += 1;
        (i32::from(sample) * (SILENT_AFTER - TEN_MS - faded) as i32 / (SILENT_AFTER - TEN_MS) as i32) as i16
    }

    /// Sample `at` of the last `periods` periods, whose last quarter becomes what went before the first.
    fn repeated(&self, periods: usize, at: usize) -> i16 {
        let (length, quarter) = (self.pitch * periods, self.pitch / 4);
        let at = at % length;
        let start = HISTORY - length;
        let sample = self.before[start + at];
        match at.checked_sub(length - quarter) {
            Some(into) => blend(sample, self.before[start + into - quarter], into, quarter),
            None => sample,
        }
    }
}

/// From one sound to another: `at` of `length` samples have passed.
fn blend(from: i16, to: i16, at: usize, length: usize) -> i16 {
    let (at, length) = (at as i32 + 1, length as i32 + 1);
    ((i32::from(from) * (length - at) + i32::from(to) * at) / length) as i16
}

/// The distance at which the end of `sound` is most like itself: every second one first, by every second sample, then its
/// neighbours.
fn pitch_of(sound: &[i16; HISTORY]) -> usize {
    let newest = &sound[HISTORY - COMPARED..];
    let alike = |lag: usize, step: usize| {
        let older = &sound[HISTORY - COMPARED - lag..HISTORY - lag];
        let (mut product, mut energy) = (0i64, 1i64);
        for (a, b) in newest.iter().zip(older).step_by(step) {
            product += i64::from(*a) * i64::from(*b);
            energy += i64::from(*b) * i64::from(*b);
        }
        product as f32 / (energy as f32).sqrt()
    };
    let best = |lags: &mut dyn Iterator<Item = usize>, step: usize| {
        let scored = lags.map(|lag| (lag, alike(lag, step)));
        scored.reduce(|best, next| if next.1 > best.1 { next } else { best }).map_or(PITCH_MAX, |(lag, _)| lag)
    };
    let coarse = best(&mut (PITCH_MIN..=PITCH_MAX).step_by(2), 2);
    best(&mut (coarse.saturating_sub(1).max(PITCH_MIN)..=(coarse + 1).min(PITCH_MAX)), 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::FRAME;
    use crate::tone;
    use proptest::prelude::*;

    /// A vowel of a voice whose pitch wanders, swelling and falling as syllables do.
    fn voice(seconds: usize) -> Vec<i16> {
        let mut phase = 0.0f64;
        (0..seconds * 8000)
            .map(|n| {
                let time = n as f64 / 8000.0;
                let hz = 130.0 + 15.0 * (time * 5.0).sin();
                phase += hz / 8000.0;
                let formant = |h: f64| (-((h * hz - 600.0) / 450.0).powi(2)).exp();
                let sum: f64 =
                    (1..25).map(|h| (phase * f64::from(h) * std::f64::consts::TAU).sin() * formant(f64::from(h))).sum();
                (sum * (0.6 + 0.4 * (time * 12.0).sin()) * 5000.0) as i16
            })
            .collect()
    }

    /// What is played when frames of `voice` are lost by a dice of `percent`.
    fn play(voice: &[i16], percent: u32, seed: u32) -> Vec<i16> {
        let (mut plc, mut dice, mut out) = (Plc::default(), seed, Vec::new());
        for frame in voice.as_chunks::<FRAME>().0 {
            let mut frame = *frame;
            dice = dice.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            if (dice >> 16) % 100 < percent {
                plc.conceal(&mut frame);
            } else {
                plc.received(&mut frame);
            }
            out.extend(frame);
        }
        out
    }

    #[test]
    fn nothing_lost_is_nothing_changed() {
        let voice = voice(1);
        assert_eq!(play(&voice, 0, 1), voice);
    }

    /// Level of the whole and of its pieces, and no clicks: at 30 % loss steps between samples stay what a voice has.
    #[test]
    fn with_thirty_percent_lost_a_voice_keeps_its_level_and_does_not_click() {
        let voice = voice(10);
        let step = |wave: &[i16]| wave.windows(2).map(|w| w[0].abs_diff(w[1])).max().unwrap_or(0);
        for seed in 1..20 {
            let heard = play(&voice, 30, seed);
            let level = 20.0 * (tone::rms(&heard) / tone::rms(&voice)).log10();
            assert!(level > -1.5 && level < 0.5, "{level} dB");
            // Of the pieces of 60 ms hardly one falls away; with silence in the holes every third would by half.
            let pieces = || voice.chunks(3 * FRAME).zip(heard.chunks(3 * FRAME));
            let fallen = pieces().filter(|(v, h)| tone::rms(h) < tone::rms(v) / 2.0).count();
            assert!(fallen * 12 < pieces().count(), "{fallen} of {}", pieces().count());
            assert!(step(&heard) < step(&voice) * 3 / 2, "{} against {}", step(&heard), step(&voice));
            let error: Vec<i16> = voice.iter().zip(&heard).map(|(v, h)| v.saturating_sub(*h)).collect();
            assert!(tone::rms(&error) < 0.55 * tone::rms(&voice));
        }
    }

    #[test]
    fn a_long_gap_fades_to_silence_within_sixty_milliseconds() {
        let mut plc = Plc::default();
        let mut frames: Vec<[i16; FRAME]> = voice(1).as_chunks::<FRAME>().0.to_vec();
        frames.iter_mut().for_each(|frame| plc.received(frame));
        let mut levels = Vec::new();
        for _ in 0..5 {
            let mut frame = [7; FRAME];
            let audible = plc.conceal(&mut frame);
            levels.push(tone::rms(&frame));
            assert_eq!(audible, tone::rms(&frame) > 0.0);
        }
        assert!(levels[0] > levels[1] && levels[1] > levels[2] && levels[2] > 0.0 && levels[3] == 0.0, "{levels:?}");
    }

    #[test]
    fn before_anything_was_heard_a_gap_is_silence() {
        let mut frame = [7; FRAME];
        assert!(!Plc::default().conceal(&mut frame));
        assert_eq!(frame, [0; FRAME]);
    }

    proptest! {
        #[test]
        fn any_pieces_stay_in_bounds(pieces in proptest::collection::vec((any::<bool>(), 0usize..400, any::<i16>()), 0..60)) {
            let mut plc = Plc::default();
            for (lost, length, value) in pieces {
                let mut samples = vec![value; length];
                if lost {
                    plc.conceal(&mut samples);
                } else {
                    plc.received(&mut samples);
                }
            }
        }
    }
}
