//! From a spool to what people use: a stereo WAV (customer left, agent right), the list of gaps, and peaks for a
//! waveform. Called by the recording shipper on complete spools and on orphans found at start. Pure.

use super::segment::{self, SpoolError};
use super::{Frame, GapReason};
use crate::wav::{self, WavError};
use thiserror::Error;

/// Length of one waveform column.
pub const PEAK_MS: u64 = 50;
/// Longest recording exported: a day. Bounds what a damaged position can make us allocate.
const LENGTH_MS_MAX: u64 = 24 * 3600 * 1000;

/// Level above which somebody speaks, −46 dB of full scale.
const HEARD: i64 = 164;

/// Why a spool could not be exported.
#[derive(Debug, Error)]
pub enum ExportError {
    #[error(transparent)]
    Spool(#[from] SpoolError),
    #[error(transparent)]
    Wav(#[from] WavError),
}

/// A silent stretch, milliseconds from the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gap {
    pub start_ms: u64,
    pub end_ms: u64,
    pub why: GapReason,
}

/// Lowest and highest sample of one column of one channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Peak {
    pub min: i16,
    pub max: i16,
}

/// A spool laid out on its timeline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recording {
    pub recording_id: Vec<u8>,
    pub start_unix_ms: i64,
    pub length_ms: u64,
    /// 8 kHz, both of the same length.
    pub left: Vec<i16>,
    pub right: Vec<i16>,
    /// In order of time.
    pub gaps: Vec<Gap>,
    /// False when the recording was cut off by a crash.
    pub complete: bool,
}

impl Recording {
    /// Lays out the bytes of a spool, up to its torn tail if it has one.
    ///
    /// # Errors
    /// [`SpoolError`] when the header cannot be trusted.
    pub fn from_spool(bytes: &[u8]) -> Result<Self, SpoolError> {
        let spool = segment::read(bytes)?;
        let mut out = Self {
            recording_id: spool.header.recording_id,
            start_unix_ms: spool.header.start_unix_ms,
            length_ms: 0,
            left: Vec::new(),
            right: Vec::new(),
            gaps: Vec::new(),
            complete: spool.complete,
        };
        let mut open: Option<(u64, GapReason)> = None;
        for frame in spool.frames {
            match frame {
                Frame::Audio { position_ms, length_ms, left, right } => {
                    let end_ms = position_ms.saturating_add(u64::from(length_ms));
                    if end_ms > LENGTH_MS_MAX || position_ms < out.length_ms {
                        continue;
                    }
                    out.fill_to(position_ms);
                    let samples = length_ms as usize * 8;
                    out.left.extend(left.samples(samples));
                    out.right.extend(right.samples(samples));
                    out.length_ms = end_ms;
                }
                Frame::GapStarted { position_ms, why } => open = Some((position_ms, why)),
                Frame::GapEnded { position_ms } => out.close(&mut open, position_ms),
                Frame::Ended { length_ms } => out.fill_to(length_ms.min(LENGTH_MS_MAX)),
            }
        }
        let end = out.length_ms;
        out.close(&mut open, end);
        out.gaps.sort_by_key(|gap| (gap.start_ms, gap.end_ms));
        Ok(out)
    }

    fn close(&mut self, open: &mut Option<(u64, GapReason)>, end_ms: u64) {
        if let Some((start_ms, why)) = open.take()
            && start_ms < end_ms
        {
            self.gaps.push(Gap { start_ms, end_ms, why });
        }
    }

    /// Audio that should be here is missing: silence, and a gap that says so.
    fn fill_to(&mut self, position_ms: u64) {
        if position_ms > self.length_ms {
            self.gaps.push(Gap { start_ms: self.length_ms, end_ms: position_ms, why: GapReason::Lost });
            self.left.resize(position_ms as usize * 8, 0);
            self.right.resize(position_ms as usize * 8, 0);
            self.length_ms = position_ms;
        }
    }

    /// Stereo WAV, 8 kHz PCM16.
    ///
    /// # Errors
    /// [`WavError`] when the recording is too long for a WAV.
    pub fn to_wav(&self) -> Result<Vec<u8>, WavError> {
        wav::write_stereo(&self.left, &self.right)
    }

    /// How long something is to be heard of the customer: stretches of 20 ms whose level (root mean square) is above
    /// [`HEARD`]. Noise of a line and comfort noise lie below it, speech above.
    pub fn heard_ms(&self) -> u64 {
        let loud = |samples: &&[i16]| {
            let energy: i64 = samples.iter().map(|s| i64::from(*s) * i64::from(*s)).sum();
            energy > HEARD * HEARD * samples.len() as i64
        };
        self.left.chunks(20 * 8).filter(loud).count() as u64 * 20
    }

    /// One `[left, right]` pair per [`PEAK_MS`], the last one perhaps shorter.
    pub fn peaks(&self) -> Vec<[Peak; 2]> {
        let peak = |samples: &[i16]| Peak {
            min: samples.iter().copied().min().unwrap_or(0),
            max: samples.iter().copied().max().unwrap_or(0),
        };
        let column = PEAK_MS as usize * 8;
        self.left.chunks(column).zip(self.right.chunks(column)).map(|(l, r)| [peak(l), peak(r)]).collect()
    }
}

/// A spool's bytes as a stereo WAV and its gaps.
///
/// # Errors
/// [`ExportError`] when the header is damaged or the WAV would be too long.
pub fn to_wav(spool: &[u8]) -> Result<(Vec<u8>, Vec<Gap>), ExportError> {
    let recording = Recording::from_spool(spool)?;
    Ok((recording.to_wav()?, recording.gaps))
}
