//! Digits as dual tones in the sound, for peers that agreed on no telephone events: a detector that turns decoded samples
//! into one start and one end per key press. Pure; owned by each leg that listens for them.
//!
//! Windows of 12.75 ms, each overlapping half of the former, are judged for themselves: one tone of each group must stand
//! out of its group, both must be of like level, and nearly all of the energy must be theirs. Voices and music meet that in
//! a window now and then; so a press needs several windows in a row, and it ends after several without it. States: `idle →
//! (windows of one digit) → pressed → (windows without it) → idle`.
//!
//! Source: ITU-T Q.23 (tones), Q.24 annex A (operation at 40 ms, pauses of 40 ms, ±1.5 %, twist, interruptions).

use crate::codec::RATE;
use crate::dtmf::{COLUMNS, KEYS, Press, ROWS};
use std::f32::consts::TAU;
use std::time::Duration;

/// Samples judged at once: long enough to tell the tones apart, short enough to let 1.5 % pass.
const WINDOW: usize = 102;
/// Samples from one window to the next.
const HOP: usize = WINDOW / 2;
/// Windows in a row that make a press: 32 ms.
const CONFIRM: u32 = 4;
/// Windows in a row without the digit that end it: a lost packet of 20 ms does not, a pause of 40 ms does.
const END: u32 = 5;
/// Least peak of each tone, of full scale (−41 dB): of −33 dBm0, the weaker at −25 dBm0 and 8 dB of twist.
const PEAK_MIN: f32 = 0.009;
/// Share of all energy that both tones must have: what 1.5 % off and noise 10 dB below leave.
const SHARE_MIN: f32 = 0.6;
/// How far (in power) the strongest of a group must stand out of it.
const STANDS_OUT: f32 = 4.0;
/// Most power of the low tone above the high one, lines weakening the high: 8 dB, and what it costs that the frequencies
/// are off and the strong tone leaks into the weak.
const TWIST: f32 = 14.0;
/// The other way round (4 dB).
const REVERSE_TWIST: f32 = 4.0;
/// Most power of the high tone's second harmonic, of its own: voices have one. That of the low tones lies among the high.
const HARMONIC_MAX: f32 = 0.1;

/// Listens to one stream.
#[derive(Debug, Clone)]
pub struct Detector {
    window: [f32; WINDOW],
    filled: usize,
    /// The digit of the newest windows, and of how many in a row.
    candidate: Option<(char, u32)>,
    pressed: Option<Pressed>,
}

#[derive(Debug, Clone, Copy)]
struct Pressed {
    digit: char,
    /// Windows from the first to the newest that had it.
    windows: u32,
    /// Windows since then.
    missing: u32,
}

impl Pressed {
    fn ended(&self) -> Press {
        Press::Ended(
            self.digit,
            Duration::from_micros(u64::from(self.windows) * HOP as u64 * 1_000_000 / u64::from(RATE)),
        )
    }
}

impl Default for Detector {
    fn default() -> Self {
        Self { window: [0.0; WINDOW], filled: 0, candidate: None, pressed: None }
    }
}

impl Detector {
    /// Takes the next 8 kHz samples, however many; answers what they meant, in order. What was not `received` whole, but
    /// concealed, does not end a press.
    pub fn listen(&mut self, samples: &[i16], received: bool) -> Vec<Press> {
        let mut out = Vec::new();
        for &sample in samples {
            self.window[self.filled] = f32::from(sample) / 32_768.0;
            self.filled += 1;
            if self.filled == WINDOW {
                self.step(judge(&self.window), received, &mut out);
                self.window.copy_within(HOP.., 0);
                self.filled = WINDOW - HOP;
            }
        }
        out
    }

    /// Is a key down?
    pub fn is_pressed(&self) -> bool {
        self.pressed.is_some()
    }

    /// What the newest window had.
    fn step(&mut self, heard: Option<char>, received: bool, out: &mut Vec<Press>) {
        if let Some(pressed) = &mut self.pressed {
            if heard == Some(pressed.digit) {
                pressed.windows += 1 + std::mem::take(&mut pressed.missing);
                self.candidate = None;
                return;
            }
            pressed.missing += u32::from(received);
            if pressed.missing >= END {
                out.push(pressed.ended());
                self.pressed = None;
            }
        }
        self.candidate = match (heard, self.candidate) {
            (Some(digit), Some((former, windows))) if digit == former => Some((digit, windows + 1)),
            (heard, _) => heard.map(|digit| (digit, 1)),
        };
        if let Some((digit, windows)) = self.candidate.take_if(|(_, windows)| *windows >= CONFIRM) {
            out.extend(self.pressed.take().map(|pressed| pressed.ended()));
            out.push(Press::Started(digit));
            self.pressed = Some(Pressed { digit, windows, missing: 0 });
        }
    }
}

/// The digit that a window is full of.
fn judge(window: &[f32; WINDOW]) -> Option<char> {
    let energy: f32 = window.iter().map(|sample| sample * sample).sum();
    let least = PEAK_MIN * WINDOW as f32 / 2.0;
    // Silence, by far the most frequent, costs next to nothing.
    if energy * WINDOW as f32 / 2.0 < 2.0 * least * least {
        return None;
    }
    let (row, low) = loudest(window, ROWS)?;
    let (column, high) = loudest(window, COLUMNS)?;
    let is_tone = low >= least * least
        && high >= least * least
        && low <= high * TWIST
        && high <= low * REVERSE_TWIST
        && (low + high) * 2.0 / WINDOW as f32 >= SHARE_MIN * energy
        && powers(window, [2.0 * COLUMNS[column]])[0] <= HARMONIC_MAX * high;
    is_tone.then(|| KEYS[row * 4 + column] as char)
}

/// Which frequency of a group is the strongest, and its power; `None` if it does not stand out.
fn loudest(window: &[f32; WINDOW], group: [f64; 4]) -> Option<(usize, f32)> {
    let powers = powers(window, group);
    let (at, most) = powers.iter().copied().enumerate().max_by(|a, b| a.1.total_cmp(&b.1))?;
    powers.iter().enumerate().all(|(other, power)| other == at || power * STANDS_OUT <= most).then_some((at, most))
}

/// Goertzel's algorithm for some frequencies at once: of each the square of half the peak times the samples.
fn powers<const N: usize>(window: &[f32; WINDOW], hz: [f64; N]) -> [f32; N] {
    let coefficients = hz.map(|hz| 2.0 * (TAU * hz as f32 / RATE as f32).cos());
    let (mut last, mut before) = ([0.0f32; N], [0.0f32; N]);
    for &sample in window {
        for at in 0..N {
            (last[at], before[at]) = (sample + coefficients[at] * last[at] - before[at], last[at]);
        }
    }
    std::array::from_fn(|at| last[at] * last[at] + before[at] * before[at] - coefficients[at] * last[at] * before[at])
}

#[cfg(test)]
mod tests;
