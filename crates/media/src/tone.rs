//! Tones: a generator for prompts, in-band digits and tests, and a Goertzel detector with which tests and tools judge
//! what a peer hears. Pure; 8 kHz samples throughout.

use crate::codec::RATE;
use std::f64::consts::TAU;

/// One or two sines. Levels are linear, 1.0 being full scale of each sine.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Tone {
    pub hz: f64,
    /// The second sine of a dual tone.
    pub second_hz: Option<f64>,
    /// Peak of each sine, 0.0–1.0 (two sines add, so keep a dual tone at 0.5 or less).
    pub level: f64,
}

impl Tone {
    /// A single sine at a comfortable level (−12 dBFS).
    pub fn single(hz: f64) -> Self {
        Self { hz, second_hz: None, level: 0.25 }
    }

    /// Two sines at −14 dBFS each.
    pub fn dual(hz: f64, second_hz: f64) -> Self {
        Self { hz, second_hz: Some(second_hz), level: 0.2 }
    }

    /// The samples of `ms` milliseconds, starting at phase zero.
    pub fn samples(self, ms: u32) -> Vec<i16> {
        let mut out = vec![0; (ms * (RATE / 1000)) as usize];
        Generator::new(self).fill(&mut out);
        out
    }
}

/// Tones and pauses after one another: each entry is a tone (`None` = silence) and its length in milliseconds.
/// Ringback in China is `[(Some(Tone::single(450.0)), 1000), (None, 4000)]`.
pub fn sequence(parts: &[(Option<Tone>, u32)]) -> Vec<i16> {
    let mut out = Vec::new();
    for (tone, ms) in parts {
        match tone {
            Some(tone) => out.extend(tone.samples(*ms)),
            None => out.resize(out.len() + (*ms * (RATE / 1000)) as usize, 0),
        }
    }
    out
}

/// An endless tone that keeps its phase between calls.
#[derive(Debug, Clone)]
pub struct Generator {
    tone: Tone,
    position: u64,
}

impl Generator {
    pub fn new(tone: Tone) -> Self {
        Self { tone, position: 0 }
    }

    /// Writes the next samples over `out`.
    pub fn fill(&mut self, out: &mut [i16]) {
        for sample in out {
            let seconds = self.position as f64 / f64::from(RATE);
            let mut value = (TAU * self.tone.hz * seconds).sin();
            if let Some(second) = self.tone.second_hz {
                value += (TAU * second * seconds).sin();
            }
            *sample = (value * self.tone.level * 32_767.0).clamp(-32_768.0, 32_767.0) as i16;
            self.position += 1;
        }
    }
}

/// Peak of the sine at `hz` within `samples`, 0.0–1.0 of full scale, by Goertzel's algorithm. Resolution is
/// 8,000 / `samples.len()` Hz: give it 50 ms or more to tell neighbouring tones apart.
pub fn amplitude(samples: &[i16], hz: f64) -> f64 {
    if samples.is_empty() {
        return 0.0;
    }
    let coefficient = 2.0 * (TAU * hz / f64::from(RATE)).cos();
    let (mut last, mut before) = (0.0f64, 0.0f64);
    for &sample in samples {
        let next = f64::from(sample) / 32_768.0 + coefficient * last - before;
        before = last;
        last = next;
    }
    let power = last * last + before * before - coefficient * last * before;
    2.0 * power.max(0.0).sqrt() / samples.len() as f64
}

/// Root mean square of `samples`, 0.0–1.0 of full scale.
pub fn rms(samples: &[i16]) -> f64 {
    if samples.is_empty() {
        return 0.0;
    }
    let sum: f64 = samples.iter().map(|&sample| (f64::from(sample) / 32_768.0).powi(2)).sum();
    (sum / samples.len() as f64).sqrt()
}

/// Is `hz` clearly there? True when its sine is at least −40 dBFS and carries a tenth of the energy, so a mix of a
/// few tones answers yes for each of them.
pub fn has_tone(samples: &[i16], hz: f64) -> bool {
    let (peak, rms) = (amplitude(samples, hz), rms(samples));
    peak >= 0.01 && peak * peak / 2.0 >= 0.1 * rms * rms
}

/// Is `hz` the only thing there? True when its sine carries nine tenths of the energy.
pub fn is_tone(samples: &[i16], hz: f64) -> bool {
    let (peak, rms) = (amplitude(samples, hz), rms(samples));
    peak >= 0.01 && peak * peak / 2.0 >= 0.9 * rms * rms
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tone_is_found_at_its_own_frequency_only() {
        let wave = Tone::single(440.0).samples(200);
        assert_eq!(wave.len(), 1600);
        assert!(is_tone(&wave, 440.0));
        assert!((amplitude(&wave, 440.0) - 0.25).abs() < 0.01);
        assert!(!has_tone(&wave, 620.0));
        assert!(!has_tone(&[0; 1600], 440.0));
    }

    #[test]
    fn both_halves_of_a_dual_tone_are_found() {
        let wave = Tone::dual(770.0, 1336.0).samples(100);
        assert!(has_tone(&wave, 770.0) && has_tone(&wave, 1336.0));
        assert!(!is_tone(&wave, 770.0));
        assert!(!has_tone(&wave, 941.0));
    }

    #[test]
    fn a_generator_keeps_its_phase_between_calls() {
        let whole = Tone::single(425.0).samples(40);
        let mut generator = Generator::new(Tone::single(425.0));
        let mut halves = vec![0; 320];
        let (first, second) = halves.split_at_mut(160);
        generator.fill(first);
        generator.fill(second);
        assert_eq!(halves, whole);
    }

    #[test]
    fn a_sequence_has_its_pauses() {
        let wave = sequence(&[(Some(Tone::single(450.0)), 100), (None, 50)]);
        assert_eq!(wave.len(), 1200);
        assert!(wave[800..].iter().all(|&sample| sample == 0));
    }
}
