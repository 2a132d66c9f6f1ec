//! The spool format: a header and CRC-framed records, appended as a recording runs and read back up to a torn tail.
//! Bytes only: telephony appends them to a file, the shipper reads the file whole. Little-endian throughout.
//!
//! ```text
//! header: "CBREC" version:u8 id_len:u8 id[id_len] start_unix_ms:i64 rate:u32 crc32(all before)
//! record: length:u32 crc32(body) body[length]
//! body:   kind:u8 position_ms:u64 …
//!         1 audio        length_ms:u32 channel(left) channel(right)
//!         2 gap started  why:u8 (1 hold, 2 mask)
//!         3 gap ended
//!         4 ended        (position is the length)
//! channel: encoding:u8 (0 silence, 1 PCMU, 2 PCMA, 3 PCM16) length:u32 bytes
//! ```

use super::{Frame, GapReason, Sound};
use crate::codec::RATE;
use crate::g711::Law;
use thiserror::Error;

const MAGIC: &[u8; 5] = b"CBREC";
/// Version written; readers know all versions up to it.
pub const VERSION: u8 = 1;
/// Longer records are damage: a frame of a second in PCM16 stereo is 32 KiB.
const BODY_MAX: usize = 64 * 1024;

/// What a spool file says about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpoolHeader {
    /// The recording's id as the engine wrote it, at most 255 octets.
    pub recording_id: Vec<u8>,
    /// UTC milliseconds.
    pub start_unix_ms: i64,
}

/// Why a file is not a spool.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum SpoolError {
    #[error("not a recording spool, or its header is damaged")]
    Header,
    #[error("recording spool of an unknown version")]
    Version(u8),
}

/// What could be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spool {
    pub header: SpoolHeader,
    pub frames: Vec<Frame>,
    /// Octets that were read; the rest of the file is torn and may be cut off.
    pub valid_len: usize,
    /// The end mark was found.
    pub complete: bool,
}

/// Appends the header of a new spool. An id longer than 255 octets is cut.
pub fn write_header(header: &SpoolHeader, out: &mut Vec<u8>) {
    let start = out.len();
    let id = &header.recording_id[..header.recording_id.len().min(255)];
    out.extend_from_slice(MAGIC);
    out.extend_from_slice(&[VERSION, id.len() as u8]);
    out.extend_from_slice(id);
    out.extend_from_slice(&header.start_unix_ms.to_le_bytes());
    out.extend_from_slice(&RATE.to_le_bytes());
    let crc = crc32fast::hash(&out[start..]);
    out.extend_from_slice(&crc.to_le_bytes());
}

/// Appends one record.
pub fn write_frame(frame: &Frame, out: &mut Vec<u8>) {
    let start = out.len();
    out.extend_from_slice(&[0; 8]);
    let (kind, position) = match frame {
        Frame::Audio { position_ms, .. } => (1u8, position_ms),
        Frame::GapStarted { position_ms, .. } => (2, position_ms),
        Frame::GapEnded { position_ms } => (3, position_ms),
        Frame::Ended { length_ms } => (4, length_ms),
    };
    out.push(kind);
    out.extend_from_slice(&position.to_le_bytes());
    match frame {
        Frame::Audio { length_ms, left, right, .. } => {
            out.extend_from_slice(&length_ms.to_le_bytes());
            write_sound(left, out);
            write_sound(right, out);
        }
        // The reader finds losses itself; a commanded one would be a hold in disguise.
        Frame::GapStarted { why, .. } => out.push(match why {
            GapReason::Hold | GapReason::Lost => 1,
            GapReason::Mask => 2,
            GapReason::Fax => 3,
        }),
        Frame::GapEnded { .. } | Frame::Ended { .. } => {}
    }
    let length = (out.len() - start - 8) as u32;
    let crc = crc32fast::hash(&out[start + 8..]);
    out[start..start + 4].copy_from_slice(&length.to_le_bytes());
    out[start + 4..start + 8].copy_from_slice(&crc.to_le_bytes());
}

fn write_sound(sound: &Sound, out: &mut Vec<u8>) {
    match sound {
        Sound::Silence => out.extend_from_slice(&[0; 5]),
        Sound::Coded { law, payload } => {
            out.push(match law {
                Law::Mu => 1,
                Law::A => 2,
            });
            out.extend_from_slice(&(payload.len() as u32).to_le_bytes());
            out.extend_from_slice(payload);
        }
        Sound::Pcm(samples) => {
            out.push(3);
            out.extend_from_slice(&(samples.len() as u32 * 2).to_le_bytes());
            samples.iter().for_each(|sample| out.extend_from_slice(&sample.to_le_bytes()));
        }
    }
}

/// Reads a whole spool, up to the first record that is cut short or fails its checksum.
///
/// # Errors
/// [`SpoolError`] when the header cannot be trusted.
pub fn read(bytes: &[u8]) -> Result<Spool, SpoolError> {
    let mut reader = Reader { bytes, at: 0 };
    if reader.take(MAGIC.len()) != Some(MAGIC) {
        return Err(SpoolError::Header);
    }
    let version = reader.u8().ok_or(SpoolError::Header)?;
    if version != VERSION {
        return Err(SpoolError::Version(version));
    }
    let header = reader.header().ok_or(SpoolError::Header)?;
    let checked = reader.at;
    if reader.u32() != Some(crc32fast::hash(&bytes[..checked])) {
        return Err(SpoolError::Header);
    }
    let mut spool = Spool { header, frames: Vec::new(), valid_len: reader.at, complete: false };
    while let Some(frame) = reader.record() {
        spool.complete = matches!(frame, Frame::Ended { .. });
        spool.frames.push(frame);
        spool.valid_len = reader.at;
        if spool.complete {
            break;
        }
    }
    Ok(spool)
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let taken = self.bytes.get(self.at..self.at.checked_add(length)?)?;
        self.at += length;
        Some(taken)
    }

    fn u8(&mut self) -> Option<u8> {
        self.take(1).map(|bytes| bytes[0])
    }

    fn u32(&mut self) -> Option<u32> {
        Some(u32::from_le_bytes(self.take(4)?.try_into().ok()?))
    }

    fn u64(&mut self) -> Option<u64> {
        Some(u64::from_le_bytes(self.take(8)?.try_into().ok()?))
    }

    fn header(&mut self) -> Option<SpoolHeader> {
        let length = usize::from(self.u8()?);
        let recording_id = self.take(length)?.to_vec();
        let start_unix_ms = self.u64()? as i64;
        (self.u32()? == RATE).then_some(SpoolHeader { recording_id, start_unix_ms })
    }

    fn record(&mut self) -> Option<Frame> {
        let length = self.u32()? as usize;
        let crc = self.u32()?;
        if length > BODY_MAX {
            return None;
        }
        let body = self.take(length)?;
        if crc32fast::hash(body) != crc {
            return None;
        }
        Reader { bytes: body, at: 0 }.frame()
    }

    fn frame(&mut self) -> Option<Frame> {
        let kind = self.u8()?;
        let position_ms = self.u64()?;
        Some(match kind {
            1 => Frame::Audio { position_ms, length_ms: self.u32()?, left: self.sound()?, right: self.sound()? },
            2 => {
                let why = match self.u8()? {
                    2 => GapReason::Mask,
                    3 => GapReason::Fax,
                    _ => GapReason::Hold,
                };
                Frame::GapStarted { position_ms, why }
            }
            3 => Frame::GapEnded { position_ms },
            4 => Frame::Ended { length_ms: position_ms },
            _ => return None,
        })
    }

    fn sound(&mut self) -> Option<Sound> {
        let encoding = self.u8()?;
        let length = self.u32()? as usize;
        let bytes = self.take(length)?;
        Some(match encoding {
            0 => Sound::Silence,
            1 => Sound::Coded { law: Law::Mu, payload: bytes.to_vec() },
            2 => Sound::Coded { law: Law::A, payload: bytes.to_vec() },
            3 => Sound::Pcm(bytes.as_chunks::<2>().0.iter().map(|pair| i16::from_le_bytes(*pair)).collect()),
            _ => return None,
        })
    }
}
