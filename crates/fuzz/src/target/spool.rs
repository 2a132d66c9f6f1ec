//! A recording's spool as the node finds it after a crash, and its export. Asserts: no panic; what is read is a prefix that
//! reads the same again and, written again, is the same octets; both channels are as long as the recording says.
//!
//! Checksums would stop every change at the door, so the target repairs them first: damage that goes unnoticed is the
//! harder case. Recordings of more than ten minutes are not laid out here: they are long by right.

use media::g711::Law;
use media::recorder::export::Recording;
use media::recorder::segment::{self, SpoolHeader};
use media::recorder::{Frame, GapReason, Sound};
use media::wav;

use crate::Target;

pub const TARGET: Target = Target {
    name: "spool",
    run,
    seeds,
    max_len: 16_384,
    is_text: false,
    bytes_per_octet: 64,
    // Ten minutes of two channels, as samples and as WAV.
    bytes_besides: 160 * 1024 * 1024,
};

const LONGEST_MS: u64 = 600_000;

fn seeds() -> Vec<Vec<u8>> {
    let audio = |position_ms, left, right| Frame::Audio { position_ms, length_ms: 20, left, right };
    let coded = |law| Sound::Coded { law, payload: vec![0x55; 160] };
    let frames = [
        audio(0, coded(Law::A), Sound::Silence),
        audio(20, Sound::Pcm(vec![7; 160]), coded(Law::Mu)),
        Frame::GapStarted { position_ms: 40, why: GapReason::Hold },
        Frame::GapEnded { position_ms: 80 },
        audio(100, Sound::Silence, Sound::Silence),
        Frame::Ended { length_ms: 140 },
    ];
    let mut whole = Vec::new();
    segment::write_header(
        &SpoolHeader { recording_id: b"recording-1".to_vec(), start_unix_ms: 1_700_000_000_000 },
        &mut whole,
    );
    let mut torn = whole.clone();
    for (n, frame) in frames.iter().enumerate() {
        segment::write_frame(frame, &mut whole);
        if n < 3 {
            segment::write_frame(frame, &mut torn);
        }
    }
    vec![whole, torn]
}

fn run(bytes: &[u8]) {
    let _ = segment::read(bytes);
    let bytes = repaired(bytes);
    let Ok(spool) = segment::read(&bytes) else { return };
    assert!(spool.valid_len <= bytes.len());
    assert_eq!(segment::read(&bytes[..spool.valid_len]).as_ref(), Ok(&spool), "the valid part stands by itself");
    let mut written = Vec::new();
    segment::write_header(&spool.header, &mut written);
    spool.frames.iter().for_each(|frame| segment::write_frame(frame, &mut written));
    assert_eq!(segment::read(&written).map(|again| again.frames), Ok(spool.frames.clone()));
    let is_long = |frame: &Frame| match frame {
        Frame::Audio { position_ms, length_ms, .. } => position_ms.saturating_add(u64::from(*length_ms)) > LONGEST_MS,
        Frame::Ended { length_ms } => *length_ms > LONGEST_MS,
        Frame::GapStarted { .. } | Frame::GapEnded { .. } => false,
    };
    if spool.frames.iter().any(is_long) {
        return;
    }
    let Ok(recording) = Recording::from_spool(&bytes) else { panic!("a spool that reads has no recording") };
    let samples = recording.length_ms as usize * 8;
    assert_eq!((recording.left.len(), recording.right.len()), (samples, samples));
    assert!(recording.gaps.iter().all(|gap| gap.start_ms < gap.end_ms));
    assert!(recording.peaks().len() as u64 == recording.length_ms.div_ceil(50));
    let exported = recording.to_wav().unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(exported.len(), 44 + samples * 4);
    assert!(wav::read(&exported).is_ok());
}

/// The same with right checksums wherever the lengths allow it.
fn repaired(bytes: &[u8]) -> Vec<u8> {
    let mut out = bytes.to_vec();
    let Some(id) = out.get(6).map(|length| usize::from(*length)) else { return out };
    let mut at = 7 + id + 12;
    if let Some(head) = out.get(..at) {
        let crc = crc32fast::hash(head).to_le_bytes();
        if let Some(place) = out.get_mut(at..at + 4) {
            place.copy_from_slice(&crc);
        }
    }
    at += 4;
    while let Some(length) = out.get(at..at + 4) {
        let length = u32::from_le_bytes([length[0], length[1], length[2], length[3]]) as usize;
        let Some(body) = out.get(at + 8..).and_then(|rest| rest.get(..length)) else { break };
        let crc = crc32fast::hash(body).to_le_bytes();
        out[at + 4..at + 8].copy_from_slice(&crc);
        at += 8 + length;
    }
    out
}
