//! Sines and their detection (Goertzel), 8 kHz mono: the judges of the tests, independent of the media crate's own.
use std::f64::consts::TAU;

pub const RATE: f64 = 8_000.0;
/// 100 ms: 10 Hz between bins, so 440 and 1000 Hz fall on bins.
pub const WINDOW: usize = 800;

/// A continuous sine of a tenth of full scale or so.
pub struct Sine {
    step: f64,
    phase: f64,
}

impl Sine {
    pub fn new(hz: f64) -> Self {
        Self { step: TAU * hz / RATE, phase: 0.0 }
    }

    pub fn next(&mut self, samples: usize) -> Vec<i16> {
        (0..samples)
            .map(|_| {
                self.phase = (self.phase + self.step) % TAU;
                (self.phase.sin() * 8_000.0) as i16
            })
            .collect()
    }
}

/// Amplitude of one frequency in samples, in the units of the samples.
pub fn amplitude(samples: &[i16], hz: f64) -> f64 {
    let k = 2.0 * (TAU * hz / RATE).cos();
    let (mut s1, mut s2) = (0.0, 0.0);
    for &x in samples {
        let s0 = f64::from(x) + k * s1 - s2;
        s2 = s1;
        s1 = s0;
    }
    (s1 * s1 + s2 * s2 - k * s1 * s2).max(0.0).sqrt() * 2.0 / samples.len().max(1) as f64
}

/// The tone is clearly there.
pub fn has(samples: &[i16], hz: f64) -> bool {
    samples.len() >= WINDOW && amplitude(samples, hz) > 3_000.0
}

/// The tone is clearly not there.
pub fn lacks(samples: &[i16], hz: f64) -> bool {
    samples.len() >= WINDOW && amplitude(samples, hz) < 300.0
}

#[test]
fn the_judge_tells_tones_apart() {
    let samples = Sine::new(440.0).next(WINDOW);
    assert!(has(&samples, 440.0) && lacks(&samples, 1000.0));
    assert!(!has(&vec![0; WINDOW], 440.0) && !has(&samples[..100], 440.0));
}
