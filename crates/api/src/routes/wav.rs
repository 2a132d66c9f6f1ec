//! The little of WAV that the interface needs: reading PCM for prompts and waveforms, writing prompts.
//!
//! Pure; hostile input gives `None`.

/// 16-bit PCM.
#[derive(Debug, PartialEq, Eq)]
pub struct Pcm<'a> {
    pub channels: usize,
    pub rate: u32,
    /// Where the samples begin in the file.
    pub offset: usize,
    /// Interleaved little-endian samples.
    pub data: &'a [u8],
}

impl<'a> Pcm<'a> {
    /// Only integer 16-bit PCM with one or two channels.
    pub fn read(bytes: &'a [u8]) -> Option<Pcm<'a>> {
        if bytes.get(..4)? != b"RIFF" || bytes.get(8..12)? != b"WAVE" {
            return None;
        }
        let (mut at, mut format) = (12, None);
        loop {
            let id = bytes.get(at..at + 4)?;
            let length = usize::try_from(u32_at(bytes, at + 4)?).ok()?;
            let body = at + 8;
            match id {
                b"fmt " => {
                    let (kind, channels) = (u16_at(bytes, body)?, u16_at(bytes, body + 2)?);
                    let (rate, bits) = (u32_at(bytes, body + 4)?, u16_at(bytes, body + 14)?);
                    if kind != 1 || bits != 16 || !(1..=2).contains(&channels) || !(4_000..=48_000).contains(&rate) {
                        return None;
                    }
                    format = Some((usize::from(channels), rate));
                }
                b"data" => {
                    let (channels, rate) = format?;
                    // A recording cut short by a crash names more than it holds.
                    let end = body.checked_add(length)?.min(bytes.len());
                    let whole = (end - body) / (2 * channels) * (2 * channels);
                    return Some(Pcm { channels, rate, offset: body, data: &bytes[body..body + whole] });
                }
                _ => {}
            }
            at = body.checked_add(length)?.checked_add(length & 1)?;
        }
    }

    pub fn frames(&self) -> usize {
        self.data.len() / (2 * self.channels)
    }

    pub fn sample(&self, frame: usize, channel: usize) -> i16 {
        let at = (frame * self.channels + channel) * 2;
        self.data.get(at..at + 2).map_or(0, |b| i16::from_le_bytes([b[0], b[1]]))
    }
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(bytes.get(at..at.checked_add(2)?)?.try_into().ok()?))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at.checked_add(4)?)?.try_into().ok()?))
}

/// Any readable WAV as mono, 8 kHz, 16 bit. Channels are averaged; higher rates are averaged down over the samples each
/// output sample covers, which is filter enough for speech prompts.
pub fn to_prompt(bytes: &[u8]) -> Option<Vec<u8>> {
    const RATE: u64 = 8_000;
    let pcm = Pcm::read(bytes)?;
    let frames = pcm.frames() as u64;
    let rate = u64::from(pcm.rate);
    let length = usize::try_from(frames * RATE / rate).ok()?;
    if length == 0 {
        return None;
    }
    let mut samples = Vec::with_capacity(length * 2);
    for i in 0..length as u64 {
        let from = i * rate / RATE;
        let to = ((i + 1) * rate / RATE).clamp(from + 1, frames.max(from + 1));
        let mut sum = 0_i64;
        for frame in from..to {
            for channel in 0..pcm.channels {
                sum += i64::from(pcm.sample(usize::try_from(frame).ok()?, channel));
            }
        }
        let mean = sum / ((to - from) as i64 * pcm.channels as i64);
        samples.extend_from_slice(&i16::try_from(mean).unwrap_or(0).to_le_bytes());
    }
    let mut wav = header(1, 8_000, u32::try_from(samples.len()).ok()?);
    wav.append(&mut samples);
    Some(wav)
}

/// A 44-byte header for 16-bit PCM.
pub fn header(channels: u16, rate: u32, data: u32) -> Vec<u8> {
    let mut h = Vec::with_capacity(44);
    h.extend_from_slice(b"RIFF");
    h.extend_from_slice(&data.saturating_add(36).to_le_bytes());
    h.extend_from_slice(b"WAVEfmt \x10\0\0\0\x01\0");
    h.extend_from_slice(&channels.to_le_bytes());
    h.extend_from_slice(&rate.to_le_bytes());
    h.extend_from_slice(&(rate * 2 * u32::from(channels)).to_le_bytes());
    h.extend_from_slice(&(2 * channels).to_le_bytes());
    h.extend_from_slice(&16_u16.to_le_bytes());
    h.extend_from_slice(b"data");
    h.extend_from_slice(&data.to_le_bytes());
    h
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wav(channels: u16, rate: u32, samples: &[i16]) -> Vec<u8> {
        let mut w = header(channels, rate, samples.len() as u32 * 2);
        w.extend(samples.iter().flat_map(|s| s.to_le_bytes()));
        w
    }

    #[test]
    fn prompts_become_mono_at_eight_kilohertz() {
        assert_eq!(to_prompt(&wav(1, 8_000, &[1, -2, 3])), Some(wav(1, 8_000, &[1, -2, 3])));
        assert_eq!(to_prompt(&wav(2, 8_000, &[10, 20, -4, -8])), Some(wav(1, 8_000, &[15, -6])));
        assert_eq!(to_prompt(&wav(1, 16_000, &[10, 20, 30, 50])), Some(wav(1, 8_000, &[15, 40])));
    }

    #[test]
    fn what_is_no_pcm_is_refused() {
        let good = wav(1, 8_000, &[1, 2, 3]);
        for length in 0..44 {
            assert_eq!(to_prompt(&good[..length]), None, "{length}");
        }
        let mut float = good.clone();
        float[20] = 3;
        assert_eq!(to_prompt(&float), None);
        let mut endless = good;
        endless[16..20].copy_from_slice(&u32::MAX.to_le_bytes());
        assert_eq!(to_prompt(&endless), None);
    }
}
