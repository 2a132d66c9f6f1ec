//! WAV in memory: prompts of any sample rate to 8 kHz mono clips, and stereo recordings out. Reads and writes byte
//! slices only; who owns the file is the caller's business. Called by telephony (prompts) and the recording shipper.

use crate::audio::Clip;
use crate::codec::RATE;
use std::io::Cursor;
use thiserror::Error;

/// Longest prompt: half an hour of music is plenty, and bounds what a hostile file can claim.
const SECONDS_MAX: usize = 1800;
/// Lobes of the sinc on each side; 16 keep the pass band flat to 3.6 kHz and aliases below −60 dB.
const LOBES: usize = 16;
/// Table entries per lobe; linear interpolation between them errs by less than 16 bits resolve.
const PER_LOBE: usize = 512;

/// Why bytes are not a usable prompt.
#[derive(Debug, Error)]
pub enum WavError {
    #[error("not a readable WAV file")]
    Format(#[from] hound::Error),
    #[error("unsupported WAV layout: need 16-bit PCM with one or two channels at 4,000 to 192,000 Hz")]
    Layout,
    #[error("WAV is longer than half an hour")]
    TooLong,
}

/// Reads a PCM16 WAV, mono or stereo (averaged), and resamples it to 8 kHz.
///
/// # Errors
/// [`WavError`] when it is not a WAV, not 16-bit PCM, or too long.
pub fn read(bytes: &[u8]) -> Result<Clip, WavError> {
    let mut reader = hound::WavReader::new(Cursor::new(bytes))?;
    let spec = reader.spec();
    let pcm16 = spec.bits_per_sample == 16 && spec.sample_format == hound::SampleFormat::Int;
    if !pcm16 || !(1..=2).contains(&spec.channels) || !(4_000..=192_000).contains(&spec.sample_rate) {
        return Err(WavError::Layout);
    }
    if reader.duration() as usize > SECONDS_MAX * spec.sample_rate as usize {
        return Err(WavError::TooLong);
    }
    let samples = reader.samples::<i16>().collect::<Result<Vec<_>, _>>()?;
    let mono: Vec<i16> = match spec.channels {
        1 => samples,
        _ => samples.as_chunks::<2>().0.iter().map(|[l, r]| ((i32::from(*l) + i32::from(*r)) / 2) as i16).collect(),
    };
    Ok(Clip::new(resample(&mono, spec.sample_rate)))
}

/// Resamples to 8 kHz with a windowed sinc (Blackman). Pure arithmetic, meant for loading prompts, not for live audio.
pub fn resample(samples: &[i16], rate: u32) -> Vec<i16> {
    if rate == RATE || samples.is_empty() || rate == 0 {
        return samples.to_vec();
    }
    let table: Vec<f32> = (0..=LOBES * PER_LOBE).map(|at| kernel(at as f64 / PER_LOBE as f64) as f32).collect();
    let step = f64::from(rate) / f64::from(RATE);
    // Going down, the sinc is stretched so that it also cuts what 8 kHz cannot carry.
    let stretch = step.max(1.0);
    let reach = LOBES as f64 * stretch;
    let count = (samples.len() as u64 * u64::from(RATE) / u64::from(rate)) as usize;
    (0..count)
        .map(|n| {
            let centre = n as f64 * step;
            let first = (centre - reach).ceil().max(0.0) as usize;
            let last = ((centre + reach).floor() as usize).min(samples.len() - 1);
            let (mut sum, mut weight_sum) = (0.0f32, 0.0f32);
            for (at, &sample) in samples[first..=last].iter().enumerate() {
                let x = ((first + at) as f64 - centre).abs() / stretch * PER_LOBE as f64;
                let (whole, part) = (x as usize, x.fract() as f32);
                let left = table.get(whole).copied().unwrap_or(0.0);
                let right = table.get(whole + 1).copied().unwrap_or(0.0);
                let weight = left + (right - left) * part;
                sum += weight * f32::from(sample);
                weight_sum += weight;
            }
            (sum / weight_sum.max(1e-6)).round().clamp(-32_768.0, 32_767.0) as i16
        })
        .collect()
}

/// Blackman-windowed sinc at `x` lobes from its centre, cut slightly below the new Nyquist frequency.
fn kernel(x: f64) -> f64 {
    const CUT: f64 = 0.94;
    let window = {
        let phase = std::f64::consts::PI * x / LOBES as f64;
        0.42 + 0.5 * phase.cos() + 0.08 * (2.0 * phase).cos()
    };
    let angle = std::f64::consts::PI * x * CUT;
    let sinc = if angle.abs() < 1e-9 { 1.0 } else { angle.sin() / angle };
    sinc * window
}

fn spec(channels: u16) -> hound::WavSpec {
    hound::WavSpec { channels, sample_rate: RATE, bits_per_sample: 16, sample_format: hound::SampleFormat::Int }
}

/// A stereo WAV, 8 kHz PCM16; the shorter side is padded with silence.
///
/// # Errors
/// [`WavError::Format`] when the result would exceed what a WAV can hold (4 GiB, about 37 hours).
pub fn write_stereo(left: &[i16], right: &[i16]) -> Result<Vec<u8>, WavError> {
    let mut out = Cursor::new(Vec::new());
    let mut writer = hound::WavWriter::new(&mut out, spec(2))?;
    for at in 0..left.len().max(right.len()) {
        writer.write_sample(left.get(at).copied().unwrap_or(0))?;
        writer.write_sample(right.get(at).copied().unwrap_or(0))?;
    }
    writer.finalize()?;
    Ok(out.into_inner())
}

/// A mono WAV, 8 kHz PCM16.
///
/// # Errors
/// As [`write_stereo`].
pub fn write_mono(samples: &[i16]) -> Result<Vec<u8>, WavError> {
    let mut out = Cursor::new(Vec::new());
    let mut writer = hound::WavWriter::new(&mut out, spec(1))?;
    for &sample in samples {
        writer.write_sample(sample)?;
    }
    writer.finalize()?;
    Ok(out.into_inner())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tone::{self, Tone};
    use proptest::prelude::*;

    fn sine(hz: f64, rate: u32, seconds: f64) -> Vec<i16> {
        let count = (f64::from(rate) * seconds) as usize;
        (0..count)
            .map(|n| ((std::f64::consts::TAU * hz * n as f64 / f64::from(rate)).sin() * 16_000.0) as i16)
            .collect()
    }

    #[test]
    fn a_tone_keeps_pitch_length_and_level_at_every_common_rate() {
        for rate in [8_000, 11_025, 16_000, 22_050, 24_000, 44_100, 48_000] {
            let out = resample(&sine(1000.0, rate, 0.5), rate);
            assert!(out.len().abs_diff(4000) <= 1, "{rate}");
            assert!(tone::is_tone(&out, 1000.0), "{rate}");
            assert!((tone::amplitude(&out[200..3800], 1000.0) - 0.488).abs() < 0.01, "{rate}");
        }
    }

    #[test]
    fn what_eight_kilohertz_cannot_carry_is_removed_not_folded() {
        for hz in [5_000.0, 6_500.0, 9_000.0] {
            let out = resample(&sine(hz, 48_000, 0.5), 48_000);
            assert!(tone::rms(&out[200..3800]) < 0.001, "{hz}: {}", tone::rms(&out));
        }
    }

    #[test]
    fn what_is_written_is_read_back() {
        let wave = Tone::single(440.0).samples(100);
        assert_eq!(read(&write_mono(&wave).unwrap()).unwrap().samples(), wave);
        let stereo = read(&write_stereo(&wave, &wave).unwrap()).unwrap();
        assert_eq!(stereo.samples(), wave);
    }

    proptest! {
        #[test]
        fn damaged_files_are_errors_not_panics(at in 0usize..60, value in any::<u8>(), cut in 0usize..100) {
            let mut bytes = write_mono(&[1, 2, 3, 4, 5, 6, 7, 8]).unwrap();
            if let Some(octet) = bytes.get_mut(at) {
                *octet = value;
            }
            bytes.truncate(bytes.len().saturating_sub(cut).max(10));
            let _ = read(&bytes);
        }
    }
}
