//! G.711 A-law and µ-law, one octet per 8 kHz sample. Pure functions called by [`crate::codec`] and the recorder.
//! Samples are 16-bit linear, scaled so that full scale of the companding law is near full scale of `i16`.
//!
//! Source: ITU-T G.711 (11/88), tables 1a/1b and 2a/2b; digital milliwatt of tables 5 and 6 in the tests.

/// The octet that decodes to silence in µ-law.
pub const ULAW_SILENCE: u8 = 0xff;
/// The octet nearest to silence in A-law.
pub const ALAW_SILENCE: u8 = 0xd5;

const ULAW_BIAS: i32 = 0x84;
const ULAW_CLIP: i32 = 32_635;

static ULAW_DECODE: [i16; 256] = decode_table(true);
static ALAW_DECODE: [i16; 256] = decode_table(false);

const fn decode_table(ulaw: bool) -> [i16; 256] {
    let mut table = [0; 256];
    let mut octet = 0;
    while octet < 256 {
        table[octet] = if ulaw { ulaw_expand(octet as u8) } else { alaw_expand(octet as u8) };
        octet += 1;
    }
    table
}

const fn ulaw_expand(octet: u8) -> i16 {
    let bits = !octet as i32;
    let magnitude = ((((bits & 0x0f) << 3) + ULAW_BIAS) << ((bits & 0x70) >> 4)) - ULAW_BIAS;
    (if bits & 0x80 != 0 { -magnitude } else { magnitude }) as i16
}

const fn alaw_expand(octet: u8) -> i16 {
    let bits = (octet ^ 0x55) as i32;
    let mantissa = (bits & 0x0f) << 4;
    let segment = (bits & 0x70) >> 4;
    let magnitude = if segment == 0 { mantissa + 8 } else { (mantissa + 0x108) << (segment - 1) };
    (if bits & 0x80 != 0 { magnitude } else { -magnitude }) as i16
}

/// One µ-law octet to linear.
pub fn ulaw_to_linear(octet: u8) -> i16 {
    ULAW_DECODE[usize::from(octet)]
}

/// One A-law octet to linear.
pub fn alaw_to_linear(octet: u8) -> i16 {
    ALAW_DECODE[usize::from(octet)]
}

/// One linear sample to µ-law.
pub fn linear_to_ulaw(sample: i16) -> u8 {
    let sample = i32::from(sample);
    let sign = if sample < 0 { 0x80 } else { 0 };
    let biased = sample.abs().min(ULAW_CLIP) + ULAW_BIAS;
    // The bias puts the highest set bit at 7 or above, so the segment is never negative.
    let segment = 24 - biased.leading_zeros() as i32;
    let mantissa = (biased >> (segment + 3)) & 0x0f;
    !(sign | (segment << 4) | mantissa) as u8
}

/// One linear sample to A-law.
pub fn linear_to_alaw(sample: i16) -> u8 {
    let sample = i32::from(sample >> 3);
    let (mask, magnitude) = if sample >= 0 { (0xd5, sample) } else { (0x55, -sample - 1) };
    let segment = (27 - (magnitude | 0x1f).leading_zeros() as i32).min(7);
    let mantissa = if segment < 2 { magnitude >> 1 } else { magnitude >> segment } & 0x0f;
    ((segment << 4 | mantissa) ^ mask) as u8
}

/// One of the two companding laws.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Law {
    Mu,
    A,
}

impl Law {
    /// The octet that, repeated, is silence.
    pub fn silence(self) -> u8 {
        match self {
            Self::Mu => ULAW_SILENCE,
            Self::A => ALAW_SILENCE,
        }
    }

    /// One octet to linear.
    pub fn sample(self, octet: u8) -> i16 {
        match self {
            Self::Mu => ulaw_to_linear(octet),
            Self::A => alaw_to_linear(octet),
        }
    }

    /// Appends a sample for each octet.
    pub fn decode(self, octets: &[u8], out: &mut Vec<i16>) {
        match self {
            Self::Mu => out.extend(octets.iter().map(|&octet| ulaw_to_linear(octet))),
            Self::A => out.extend(octets.iter().map(|&octet| alaw_to_linear(octet))),
        }
    }

    /// Appends an octet for each sample.
    pub fn encode(self, samples: &[i16], out: &mut Vec<u8>) {
        match self {
            Self::Mu => out.extend(samples.iter().map(|&sample| linear_to_ulaw(sample))),
            Self::A => out.extend(samples.iter().map(|&sample| linear_to_alaw(sample))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tone;

    /// G.711 tables 5 and 6: one period of 1 kHz at 0 dBm0.
    const ALAW_MILLIWATT: [u8; 8] = [0x34, 0x21, 0x21, 0x34, 0xb4, 0xa1, 0xa1, 0xb4];
    const ULAW_MILLIWATT: [u8; 8] = [0x1e, 0x0b, 0x0b, 0x1e, 0x9e, 0x8b, 0x8b, 0x9e];

    #[test]
    fn every_octet_survives_a_round_trip() {
        for octet in 0..=255u8 {
            assert_eq!(linear_to_alaw(alaw_to_linear(octet)), octet);
            // µ-law has two zeros; negative zero comes back positive.
            let expected = if octet == 0x7f { 0xff } else { octet };
            assert_eq!(linear_to_ulaw(ulaw_to_linear(octet)), expected);
        }
    }

    #[test]
    fn corner_values_match_the_recommendation() {
        assert_eq!([0x00, 0x80, 0x7f, 0xff].map(ulaw_to_linear), [-32_124, 32_124, 0, 0]);
        assert_eq!([0x2a, 0xaa, 0x55, 0xd5].map(alaw_to_linear), [-32_256, 32_256, -8, 8]);
        assert_eq!([i16::MIN, i16::MAX, 0].map(linear_to_ulaw), [0x00, 0x80, 0xff]);
        assert_eq!([i16::MIN, i16::MAX, 0].map(linear_to_alaw), [0x2a, 0xaa, 0xd5]);
    }

    #[test]
    fn digital_milliwatt_is_one_kilohertz_at_zero_dbm0() {
        // Full scale lies 3.14 and 3.17 dB above 0 dBm0.
        for (samples, full_scale_centibels) in
            [(ALAW_MILLIWATT.map(alaw_to_linear), 314), (ULAW_MILLIWATT.map(ulaw_to_linear), 317)]
        {
            let wave: Vec<i16> = samples.iter().copied().cycle().take(800).collect();
            assert!(tone::is_tone(&wave, 1000.0));
            let dbfs = 20.0 * (tone::amplitude(&wave, 1000.0) * 32_768.0 / 32_256.0).log10();
            assert!((dbfs + f64::from(full_scale_centibels) / 100.0).abs() < 0.2, "{dbfs} dB below full scale");
        }
    }

    #[test]
    fn error_stays_within_half_a_step() {
        for sample in (i16::MIN..=i16::MAX).step_by(7) {
            for back in [ulaw_to_linear(linear_to_ulaw(sample)), alaw_to_linear(linear_to_alaw(sample))] {
                let error = (i32::from(back) - i32::from(sample)).abs();
                assert!(error <= 16 + i32::from(sample).abs() / 31, "{sample} came back as {back}");
            }
        }
    }
}
