//! Sound that says whose it is: a voice repeats a number in coarse levels, which survive relaying, a turn of codec and
//! the mixing of one source. Whoever hears a packet can tell who spoke.
//!
//! A period has six samples: a mark (loud, negative), four digits to base 8 and their sum. Levels double, so that A-law,
//! µ-law and back leave the nearest level the same.
use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use media::g711;

/// Sources from here on are prompts.
pub(crate) const PROMPTS: usize = 3584;
const PERIOD: usize = 6;
const MARK: i16 = -24_000;
const LEVELS: [i16; 8] = [190, 380, 760, 1500, 3000, 6000, 12_000, 24_000];

/// Whether a phone speaks A-law or µ-law.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Law {
    A,
    Mu,
}

impl Law {
    pub(crate) fn payload_type(self) -> u8 {
        match self {
            Law::A => 8,
            Law::Mu => 0,
        }
    }

    fn table(self) -> &'static [u8; 256] {
        match self {
            Law::A => &A_CLASSES,
            Law::Mu => &MU_CLASSES,
        }
    }
}

fn period(source: usize) -> [i16; PERIOD] {
    let digit = |at: u32| (source >> (3 * at)) & 7;
    let sum = (digit(0) + 3 * digit(1) + 5 * digit(2) + 7 * digit(3) + 1) & 7;
    [MARK, LEVELS[digit(3)], LEVELS[digit(2)], LEVELS[digit(1)], LEVELS[digit(0)], LEVELS[sum]]
}

/// 20 ms of a voice, encoded.
pub(crate) fn frame(source: usize, law: Law) -> [u8; 160] {
    let encode = match law {
        Law::A => g711::linear_to_alaw,
        Law::Mu => g711::linear_to_ulaw,
    };
    let period = period(source).map(encode);
    std::array::from_fn(|at| period[at % PERIOD])
}

/// A prompt's sound, 200 ms.
pub(crate) fn clip(prompt: u128) -> Arc<[i16]> {
    let period = period(PROMPTS + (prompt as usize & 255));
    (0..1600).map(|at| period[at % PERIOD]).collect()
}

const NOTHING: u8 = 255;
const IS_MARK: u8 = 254;

fn classes(decode: impl Fn(u8) -> i16) -> [u8; 256] {
    std::array::from_fn(|code| {
        let sample = i32::from(decode(code as u8));
        if sample < -16_000 {
            return IS_MARK;
        }
        let near = |level: &i16| (sample * 10 - i32::from(*level) * 10).abs() < i32::from(*level) * 2;
        LEVELS.iter().position(near).map_or(NOTHING, |at| at as u8)
    })
}

static A_CLASSES: LazyLock<[u8; 256]> = LazyLock::new(|| classes(g711::alaw_to_linear));
static MU_CLASSES: LazyLock<[u8; 256]> = LazyLock::new(|| classes(g711::ulaw_to_linear));

/// Who is heard in this payload; none if it is silence, or two at once.
pub(crate) fn heard(payload: &[u8], law: Law) -> Option<usize> {
    let table = law.table();
    // From the middle: a play may begin or end within the packet.
    let half = payload.get(payload.len() / 2..)?;
    let at = half.iter().take(PERIOD).position(|octet| table[usize::from(*octet)] == IS_MARK)?;
    let digits = half.get(at + 1..at + PERIOD)?;
    let mut source = 0;
    for octet in &digits[..4] {
        let digit = table[usize::from(*octet)];
        if digit > 7 {
            return None;
        }
        source = source * 8 + usize::from(digit);
    }
    let table_sum = LEVELS.iter().position(|l| *l == period(source)[5])?;
    (usize::from(table[usize::from(digits[4])]) == table_sum).then_some(source)
}

/// Whose voice an RTP packet carries; none for prompts, silence and keys.
pub(crate) fn of_packet(bytes: &[u8]) -> Option<usize> {
    let law = match bytes.get(1)? & 0x7f {
        0 => Law::Mu,
        8 => Law::A,
        _ => return None,
    };
    heard(bytes.get(12..)?, law).filter(|source| *source < PROMPTS)
}

/// Not silence, and no key either: a voice, a prompt, or several voices at once, which nobody can tell apart.
pub(crate) fn is_sound(bytes: &[u8]) -> bool {
    let silence = match bytes.get(1).map(|b| b & 0x7f) {
        Some(0) => g711::linear_to_ulaw(0),
        Some(8) => g711::linear_to_alaw(0),
        _ => return false,
    };
    bytes.get(12..).is_some_and(|payload| payload.iter().any(|octet| *octet != silence))
}

/// How long ago an RTP packet was made, milliseconds: phones' timestamps are the time.
pub(crate) fn age_ms(bytes: &[u8], now: Duration) -> Option<u32> {
    let timestamp = u32::from_be_bytes(bytes.get(4..8)?.try_into().ok()?);
    let now = (now.as_millis() as u64).wrapping_mul(8) as u32;
    Some(now.wrapping_sub(timestamp) / 8)
}

/// Whose voice is heard most in this sound, and in how many pieces of 10 ms.
pub(crate) fn heard_most(samples: &[i16]) -> Option<(usize, usize)> {
    let mut count = BTreeMap::new();
    for piece in samples.chunks(80).filter(|piece| piece.iter().any(|s| *s != 0)) {
        let coded: Vec<u8> = piece.iter().map(|s| g711::linear_to_alaw(*s)).collect();
        if let Some(source) = heard(&coded, Law::A) {
            *count.entry(source).or_insert(0) += 1;
        }
    }
    count.into_iter().max_by_key(|(_, times)| *times)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_voice_is_known_again_whatever_the_law() {
        for source in (0..4096).step_by(7) {
            for law in [Law::A, Law::Mu] {
                assert_eq!(heard(&frame(source, law), law), Some(source));
            }
            let turned: Vec<u8> =
                frame(source, Law::A).iter().map(|o| g711::linear_to_ulaw(g711::alaw_to_linear(*o))).skip(3).collect();
            assert_eq!(heard(&turned, Law::Mu), Some(source), "also transcoded and shifted");
        }
        assert_eq!(heard(&[0xd5; 160], Law::A), None);
    }
}
