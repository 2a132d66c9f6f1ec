//! G.722 at 64 kbit/s, as far as a plane of 8 kHz needs it: its lower sub-band, which holds everything below 4 kHz and is
//! coded by itself at 8,000 samples a second. One octet is one such sample, and (RFC 3551 §4.5.2) one unit of an RTP clock
//! that says 8000 while the phones sample at 16,000. Wide-band sound passes through relays unopened; where it must be
//! opened, the upper sub-band is left out, and sent as nearly nothing. Called by [`crate::codec`].
//!
//! Source: ITU-T G.722 (09/2012), §3 (block diagrams 1L to 6L) and tables 13 to 19; block names are those of the
//! recommendation.

/// The upper sub-band's two bits that move it least.
const SILENT_HIGH: u8 = 0xc0;

/// Decision levels of the 60-level quantizer (QUANTL).
const DECISIONS: [i32; 29] = [
    35, 72, 110, 150, 190, 233, 276, 323, 370, 422, 473, 530, 587, 650, 714, 786, 858, 940, 1023, 1121, 1219, 1339,
    1458, 1612, 1765, 1980, 2195, 2557, 2919,
];
/// Codes of negative and of positive differences, by interval.
const CODES_NEGATIVE: [u8; 30] =
    [63, 62, 31, 30, 29, 28, 27, 26, 25, 24, 23, 22, 21, 20, 19, 18, 17, 16, 15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4];
const CODES_POSITIVE: [u8; 30] = [
    61, 60, 59, 58, 57, 56, 55, 54, 53, 52, 51, 50, 49, 48, 47, 46, 45, 44, 43, 42, 41, 40, 39, 38, 37, 36, 35, 34, 33,
    32,
];
/// Multipliers of the scale factor's logarithm (WL), by the interval of a four-bit code (RL42).
const LOG_STEPS: [i32; 8] = [-60, -30, 58, 172, 334, 538, 1198, 3042];
const LOG_INTERVAL: [usize; 16] = [0, 7, 6, 5, 4, 3, 2, 1, 7, 6, 5, 4, 3, 2, 1, 0];
/// 2^(n/32) in 2,048ths (ILB).
const POWERS: [i32; 32] = [
    2048, 2093, 2139, 2186, 2233, 2282, 2332, 2383, 2435, 2489, 2543, 2599, 2656, 2714, 2774, 2834, 2896, 2960, 3025,
    3091, 3158, 3228, 3298, 3371, 3444, 3520, 3597, 3676, 3756, 3838, 3922, 4008,
];
/// Inverse quantizers of the four-bit code that adapts and of the six-bit code that is heard.
const LEVELS_4: [i32; 16] =
    [0, -20456, -12896, -8968, -6288, -4240, -2584, -1200, 20456, 12896, 8968, 6288, 4240, 2584, 1200, 0];
const LEVELS_6: [i32; 64] = [
    -136, -136, -136, -136, -24808, -21904, -19008, -16704, -14984, -13512, -12280, -11192, -10232, -9360, -8576,
    -7856, -7192, -6576, -6000, -5456, -4944, -4464, -4008, -3576, -3168, -2776, -2400, -2032, -1688, -1360, -1040,
    -728, 24808, 21904, 19008, 16704, 14984, 13512, 12280, 11192, 10232, 9360, 8576, 7856, 7192, 6576, 6000, 5456,
    4944, 4464, 4008, 3576, 3168, 2776, 2400, 2032, 1688, 1360, 1040, 728, 432, 136, -432, -136,
];

fn saturate(value: i32) -> i32 {
    value.clamp(i32::from(i16::MIN), i32::from(i16::MAX))
}

/// The adaptive predictor and quantizer of the lower sub-band, alike in encoder and decoder.
#[derive(Debug, Clone)]
struct Band {
    /// What the predictor expects next, and the share of its zeros in it.
    expected: i32,
    zeros: i32,
    /// Logarithm of the quantizer's scale, and the scale.
    log_scale: i32,
    scale: i32,
    /// The last two reconstructed signals and partial signals, newest first, with the poles' coefficients.
    signals: [i32; 2],
    partials: [i32; 2],
    poles: [i32; 2],
    /// The last six differences, newest first, with the zeros' coefficients.
    differences: [i32; 6],
    coefficients: [i32; 6],
}

impl Default for Band {
    fn default() -> Self {
        Self {
            expected: 0,
            zeros: 0,
            log_scale: 0,
            scale: 32,
            signals: [0; 2],
            partials: [0; 2],
            poles: [0; 2],
            differences: [0; 6],
            coefficients: [0; 6],
        }
    }
}

impl Band {
    /// Adapts to a six-bit code (blocks 2L INVQAL, 3L LOGSCL and SCALEL, 4L).
    fn adapt(&mut self, code: u8) {
        let four = usize::from(code >> 2);
        let difference = (self.scale * LEVELS_4[four]) >> 15;
        self.log_scale = (((self.log_scale * 127) >> 7) + LOG_STEPS[LOG_INTERVAL[four]]).clamp(0, 18_432);
        let power = POWERS[(self.log_scale >> 6 & 31) as usize];
        let shift = 8 - (self.log_scale >> 11);
        self.scale = (if shift < 0 { power << -shift } else { power >> shift }) << 2;
        self.predict(difference);
    }

    /// Block 4L: moves poles and zeros and expects the next sample.
    fn predict(&mut self, difference: i32) {
        let signal = saturate(self.expected + difference);
        let partial = saturate(self.zeros + difference);
        let is_negative = |value: i32| value < 0;
        let [alike_1, alike_2] = self.partials.map(|before| is_negative(before) == is_negative(partial));
        // UPPOL2, UPPOL1
        let first = saturate(self.poles[0] << 2);
        let turned = (if alike_1 { -first } else { first }).min(32_767);
        let second = (turned >> 7) + if alike_2 { 128 } else { -128 };
        let second = (second + ((self.poles[1] * 32_512) >> 15)).clamp(-12_288, 12_288);
        let limit = saturate(15_360 - second);
        let first =
            saturate((if alike_1 { 192 } else { -192 }) + ((self.poles[0] * 32_640) >> 15)).clamp(-limit, limit);
        self.poles = [first, second];
        // UPZERO
        let step = if difference == 0 { 0 } else { 128 };
        for (coefficient, before) in self.coefficients.iter_mut().zip(self.differences) {
            let towards = if is_negative(before) == is_negative(difference) { step } else { -step };
            *coefficient = saturate(towards + ((*coefficient * 32_640) >> 15));
        }
        // DELAYA
        self.differences.copy_within(..5, 1);
        self.differences[0] = difference;
        self.signals = [signal, self.signals[0]];
        self.partials = [partial, self.partials[0]];
        // FILTEP, FILTEZ, PREDIC
        let weigh = |coefficient: i32, value: i32| (coefficient * saturate(value << 1)) >> 15;
        let poles = saturate(weigh(self.poles[0], self.signals[0]) + weigh(self.poles[1], self.signals[1]));
        let zeros = self.coefficients.iter().zip(self.differences).map(|(&c, d)| weigh(c, d)).sum();
        self.zeros = saturate(zeros);
        self.expected = saturate(poles + self.zeros);
    }
}

/// Octets to 8 kHz samples.
#[derive(Debug, Clone, Default)]
pub struct Decoder(Band);

impl Decoder {
    /// Appends one sample for each octet.
    pub fn decode(&mut self, payload: &[u8], out: &mut Vec<i16>) {
        out.extend(payload.iter().map(|&octet| {
            let code = octet & 0x3f;
            let difference = (self.0.scale * LEVELS_6[usize::from(code)]) >> 15;
            let signal = (self.0.expected + difference).clamp(-16_384, 16_383);
            self.0.adapt(code);
            (signal << 1) as i16
        }));
    }
}

/// 8 kHz samples to octets.
#[derive(Debug, Clone, Default)]
pub struct Encoder(Band);

impl Encoder {
    /// Appends one octet for each sample.
    pub fn encode(&mut self, samples: &[i16], out: &mut Vec<u8>) {
        out.extend(samples.iter().map(|&sample| {
            let error = saturate((i32::from(sample) >> 1) - self.0.expected);
            let magnitude = if error >= 0 { error } else { -(error + 1) };
            // The levels rise, so the interval is found by halving.
            let interval = DECISIONS.partition_point(|&level| magnitude >= (level * self.0.scale) >> 12);
            let code = if error < 0 { CODES_NEGATIVE[interval] } else { CODES_POSITIVE[interval] };
            self.0.adapt(code);
            SILENT_HIGH | code
        }));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tone::{self, Tone};
    use proptest::prelude::*;

    fn there_and_back(samples: &[i16]) -> Vec<i16> {
        let (mut octets, mut back) = (Vec::new(), Vec::new());
        Encoder::default().encode(samples, &mut octets);
        Decoder::default().decode(&octets, &mut back);
        back
    }

    #[test]
    fn tones_of_the_whole_band_come_back_clean() {
        for hz in [300.0, 1000.0, 2000.0, 3400.0] {
            let wave = Tone::single(hz).samples(200);
            let back = there_and_back(&wave);
            assert!((tone::amplitude(&back[400..], hz) - 0.25).abs() < 0.01, "{hz}");
            let noise: Vec<i16> = back.iter().zip(&wave).map(|(b, w)| b.saturating_sub(*w)).collect();
            assert!(tone::rms(&noise[400..]) < 0.01, "{hz}: {}", tone::rms(&noise[400..]));
        }
    }

    #[test]
    fn silence_is_silent() {
        let back = there_and_back(&[0; 800]);
        assert!(back.iter().all(|sample| sample.unsigned_abs() < 8));
    }

    /// Checksums of the lower six bits of the octets, and of the samples decoded from them, that another
    /// implementation gave for the same sound.
    #[test]
    fn octets_and_samples_are_those_of_another_implementation() {
        let mut seed = 1u32;
        let wave: Vec<i16> = (0..8000)
            .map(|n| {
                seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let level = [40, 4, 1, 200][n / 1000 % 4];
                ((seed >> 16) as i16 / level).wrapping_add((n % 160) as i16 * 40)
            })
            .collect();
        let (mut octets, mut back) = (Vec::new(), Vec::new());
        Encoder::default().encode(&wave, &mut octets);
        Decoder::default().decode(&octets, &mut back);
        let low: Vec<u8> = octets.iter().map(|octet| octet & 0x3f).collect();
        let bytes: Vec<u8> = back.iter().flat_map(|sample| sample.to_le_bytes()).collect();
        assert_eq!((crc32fast::hash(&low), crc32fast::hash(&bytes)), (0x36c0_fb9d, 0xefec_b838));
    }

    proptest! {
        #[test]
        fn any_octets_decode_without_overflow(octets in proptest::collection::vec(any::<u8>(), 0..2000)) {
            let mut out = Vec::new();
            Decoder::default().decode(&octets, &mut out);
            prop_assert_eq!(out.len(), octets.len());
        }

        #[test]
        fn any_samples_encode_without_overflow(samples in proptest::collection::vec(any::<i16>(), 0..2000)) {
            prop_assert_eq!(there_and_back(&samples).len(), samples.len());
        }
    }
}
