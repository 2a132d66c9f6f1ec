//! Comfort noise in place of a sender's pauses (RFC 3389): white, which over a telephone is as good as any. Owned by jitter
//! buffers and the lanes of recordings.

use std::time::Duration;

/// A pause is filled for this long: who says nothing for longer is gone.
pub(crate) const NOISE_MAX: Duration = Duration::from_secs(10);
/// No sender's noise is louder.
const PEAK_MAX: i32 = 2_000;

#[derive(Debug, Clone, Copy)]
pub(crate) struct Noise {
    peak: i32,
    dice: u32,
}

impl Noise {
    /// `level` as in the packet: dB below the loudest that can be.
    pub(crate) fn new(level: u8) -> Self {
        // The root mean square of white noise is its peak divided by the root of three.
        let peak = 32_768.0 * 3f32.sqrt() * 10f32.powf(-f32::from(level & 0x7f) / 20.0);
        Self { peak: (peak as i32).min(PEAK_MAX), dice: u32::from(level) }
    }

    pub(crate) fn fill(&mut self, out: &mut [i16]) {
        for sample in out {
            self.dice = self.dice.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            *sample = (((self.dice >> 16) as i16 as i32 * self.peak) >> 15) as i16;
        }
    }
}
