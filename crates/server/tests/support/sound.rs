//! Sound as the tests make and judge it: µ-law by the book (ITU-T G.711), tones, the Goertzel algorithm. Written apart
//! from the product's own code, so that a fault there cannot hide here.

pub const RATE: f64 = 8000.0;
/// Samples of the 20 ms by which sound is judged.
pub const BLOCK: usize = 160;

pub fn ulaw_encode(sample: i16) -> u8 {
    const BIAS: i32 = 0x84;
    let sign: u8 = if sample < 0 { 0x80 } else { 0 };
    let magnitude = (i32::from(sample).abs().min(32_635)) + BIAS;
    let exponent = (7..=14).rev().find(|bit| magnitude & (1 << bit) != 0).unwrap_or(7) - 7;
    let mantissa = (magnitude >> (exponent + 3)) & 0x0f;
    !(sign | ((exponent as u8) << 4) | mantissa as u8)
}

pub fn ulaw_decode(byte: u8) -> i16 {
    let byte = !byte;
    let exponent = i32::from((byte >> 4) & 7);
    let magnitude = ((i32::from(byte & 0x0f) << 3) + 0x84) << exponent;
    let value = magnitude - 0x84;
    (if byte & 0x80 != 0 { -value } else { value }) as i16
}

pub fn alaw_decode(byte: u8) -> i16 {
    let byte = byte ^ 0x55;
    let exponent = i32::from((byte >> 4) & 7);
    let mantissa = i32::from(byte & 0x0f);
    let value = if exponent == 0 { (mantissa << 4) + 8 } else { ((mantissa << 4) + 0x108) << (exponent - 1) };
    (if byte & 0x80 != 0 { value } else { -value }) as i16
}

/// A sine at about -10 dBFS.
pub fn tone(hz: f64, start: usize, samples: usize) -> Vec<i16> {
    (start..start + samples).map(|n| ((n as f64 * hz * std::f64::consts::TAU / RATE).sin() * 10_000.0) as i16).collect()
}

/// The same at another rate, from its start.
pub fn tone_at(rate: f64, hz: f64, samples: usize) -> Vec<i16> {
    (0..samples).map(|n| ((n as f64 * hz * std::f64::consts::TAU / rate).sin() * 10_000.0) as i16).collect()
}

/// Share of the power at `hz` in all the power, 0–1.
pub fn share(samples: &[i16], hz: f64) -> f64 {
    let total: f64 = samples.iter().map(|s| f64::from(*s).powi(2)).sum();
    if total < samples.len() as f64 * 100.0 {
        return 0.0;
    }
    let k = 2.0 * (std::f64::consts::TAU * hz / RATE).cos();
    let (mut a, mut b) = (0.0, 0.0);
    for s in samples {
        (a, b) = (f64::from(*s) + k * a - b, a);
    }
    let power = a * a + b * b - k * a * b;
    (2.0 * power / (samples.len() as f64 * total)).min(1.0)
}

/// Root mean square.
pub fn level(samples: &[i16]) -> f64 {
    (samples.iter().map(|s| f64::from(*s).powi(2)).sum::<f64>() / samples.len().max(1) as f64).sqrt()
}

/// Milliseconds (in blocks of 20) in which the tone at `hz` dominates.
pub fn heard_ms(samples: &[i16], hz: f64) -> u64 {
    samples.chunks_exact(BLOCK).filter(|block| share(block, hz) > 0.7).count() as u64 * 20
}

/// Samples of a 16-bit WAV, channels interleaved; a file still being written counts as far as it goes.
pub fn samples(wav: &[u8]) -> Vec<i16> {
    assert_eq!(wav.get(..4), Some(&b"RIFF"[..]), "not a WAV file");
    let data = wav.windows(4).position(|w| w == b"data").expect("data chunk") + 8;
    wav.get(data..).unwrap_or_default().chunks_exact(2).map(|s| i16::from_le_bytes([s[0], s[1]])).collect()
}

/// The channels of a 16-bit stereo WAV.
pub fn stereo(wav: &[u8]) -> (Vec<i16>, Vec<i16>) {
    samples(wav).chunks_exact(2).map(|f| (f[0], f[1])).unzip()
}

/// A 16-bit mono WAV.
pub fn wav(rate: u32, samples: &[i16]) -> Vec<u8> {
    let bytes = samples.len() as u32 * 2;
    let mut out = Vec::with_capacity(44 + bytes as usize);
    out.extend_from_slice(b"RIFF");
    out.extend_from_slice(&(36 + bytes).to_le_bytes());
    out.extend_from_slice(b"WAVEfmt ");
    out.extend_from_slice(&16u32.to_le_bytes());
    out.extend_from_slice(&1u16.to_le_bytes());
    out.extend_from_slice(&1u16.to_le_bytes());
    out.extend_from_slice(&rate.to_le_bytes());
    out.extend_from_slice(&(rate * 2).to_le_bytes());
    out.extend_from_slice(&2u16.to_le_bytes());
    out.extend_from_slice(&16u16.to_le_bytes());
    out.extend_from_slice(b"data");
    out.extend_from_slice(&bytes.to_le_bytes());
    for s in samples {
        out.extend_from_slice(&s.to_le_bytes());
    }
    out
}
