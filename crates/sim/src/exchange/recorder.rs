//! The recording writer as telephony has it: frames reach the file within 20 ms, so a crash loses what lay between. A
//! sample of the files is kept octet for octet in the real spool format and read back at the end.
use std::collections::BTreeMap;
use std::time::Duration;

use domain::id::RecordingId;
use domain::leg::{Gap, GapCause};
use media::RecordingKey;
use media::recorder::segment::{self, SpoolHeader};
use media::recorder::{Frame, GapReason, Sound};
use switch::Input;

use crate::exchange::disk::SpoolFile;
use crate::exchange::outside::Outside;
use crate::exchange::plan::Sabotage;

const WRITE_EVERY: Duration = Duration::from_millis(20);
/// Frames come so long after what they hold, as the recorder waits for late packets.
const LAG: Duration = Duration::from_millis(80);
/// A frame's usual length.
const PIECE_MS: u32 = 60;

struct Open {
    id: RecordingId,
    /// What is written, and what would be written next, with when it came.
    written: SpoolFile,
    written_octets: usize,
    now: SpoolFile,
    came: Duration,
    started: bool,
    gap: Option<(u64, GapCause)>,
}

pub(crate) struct Writer {
    open: BTreeMap<RecordingKey, Open>,
    opened: u64,
    /// Of so many recordings one is kept in full.
    sampled: u64,
    sabotage: Option<Sabotage>,
}

impl Writer {
    pub(crate) fn new(sampled: u64, sabotage: Option<Sabotage>) -> Writer {
        Writer { open: BTreeMap::new(), opened: 0, sampled, sabotage }
    }

    pub(crate) fn open_files(&self) -> usize {
        self.open.len()
    }

    pub(crate) fn open(&mut self, out: &mut Outside, recording: RecordingKey, id: RecordingId) {
        if let Some(file) = out.disk.spool.get(&id).filter(|file| !file.complete).cloned() {
            return self.go_on(out, recording, id, file);
        }
        if out.disk.spool.contains_key(&id) || out.disk.archive.contains_key(&id) {
            out.violation("R10", format!("{id} is opened twice"));
        }
        self.opened += 1;
        let bytes = self.opened.is_multiple_of(self.sampled).then(|| {
            let mut bytes = Vec::new();
            let header = SpoolHeader { recording_id: id.to_string().into_bytes(), start_unix_ms: out.wall() };
            segment::write_header(&header, &mut bytes);
            bytes
        });
        let file = SpoolFile { bytes, opened: out.now, ..SpoolFile::default() };
        out.disk.spool.insert(id, file.clone());
        let came = out.now;
        let written_octets = file.bytes.as_ref().map_or(0, Vec::len);
        let written = SpoolFile { opened: out.now, ..SpoolFile::default() };
        let open = Open { id, written, written_octets, now: file, came, started: false, gap: None };
        self.open.insert(recording, open);
    }

    /// What a former process left goes on.
    fn go_on(&mut self, out: &mut Outside, recording: RecordingKey, id: RecordingId, file: SpoolFile) {
        let written_octets = file.bytes.as_ref().map_or(0, Vec::len);
        let written = SpoolFile { bytes: None, ..file.clone() };
        let open = Open { id, written, written_octets, now: file, came: out.now, started: true, gap: None };
        self.open.insert(recording, open);
    }

    /// Takes a frame; tells what control is told.
    pub(crate) fn frame(&mut self, out: &mut Outside, recording: RecordingKey, frame: Frame) -> Option<Input> {
        if let Frame::Audio { position_ms, length_ms, left: Sound::Silence, right: Sound::Silence } = frame
            && length_ms > PIECE_MS
        {
            // A dozing plane's long silence in one frame: a waking one had said it bit by bit, and a crash may lie between.
            let head = length_ms.saturating_sub(3 * PIECE_MS).max(PIECE_MS);
            let silence = |from: u32, length_ms| {
                let position_ms = position_ms + u64::from(from);
                Frame::Audio { position_ms, length_ms, left: Sound::Silence, right: Sound::Silence }
            };
            let first = self.frame(out, recording, silence(0, head));
            return first.or(self.frame(out, recording, silence(head, length_ms - head)));
        }
        let open = self.open.get_mut(&recording)?;
        // A dozing plane hands out late what a waking one had handed out at its time.
        let came = match &frame {
            Frame::Audio { position_ms, length_ms, .. } => {
                let end = Duration::from_millis(position_ms + u64::from(*length_ms));
                (open.now.opened + end + LAG).min(out.now)
            }
            Frame::GapStarted { .. } | Frame::GapEnded { .. } | Frame::Ended { .. } => out.now,
        };
        if tick(came) != tick(open.came) {
            // What came before the last 20 ms mark is on disk.
            open.write();
        }
        open.came = came;
        if let Some(bytes) = &mut open.now.bytes {
            segment::write_frame(&frame, bytes);
        }
        match frame {
            Frame::Audio { position_ms, length_ms, .. } => {
                open.now.lost_to(position_ms);
                open.now.end_ms = position_ms + u64::from(length_ms);
                if !std::mem::replace(&mut open.started, true) {
                    open.write();
                    return Some(Input::RecordingStarted { recording });
                }
            }
            Frame::GapStarted { position_ms, why } => open.gap = Some((position_ms, cause(why))),
            Frame::GapEnded { position_ms } => {
                if let Some((from_ms, why)) = open.gap.take() {
                    open.now.gaps.push(Gap { from_ms, to_ms: position_ms, why });
                }
            }
            Frame::Ended { length_ms } => {
                let mut open = self.open.remove(&recording)?;
                open.now.lost_to(length_ms);
                open.now.end_ms = length_ms;
                open.now.complete = true;
                match self.sabotage {
                    Some(Sabotage::ShortRecordings) => open.now.end_ms = length_ms.saturating_sub(300),
                    Some(Sabotage::FalseHolds) => {
                        open.now.gaps.push(Gap { from_ms: 0, to_ms: length_ms, why: GapCause::Hold });
                    }
                    _ => {}
                }
                let gaps = open.now.gaps.clone();
                out.disk.spool.insert(open.id, open.now);
                return Some(Input::RecordingEnded { recording, length_ms, gaps });
            }
        }
        None
    }

    /// The process dies now: what the files hold.
    pub(crate) fn crash(self, out: &mut Outside) {
        for (_, open) in self.open {
            let mut file = open.now;
            if self.sabotage == Some(Sabotage::SlowWriter) {
                file.end_ms = file.end_ms.saturating_sub(1_000);
            }
            if tick(out.now) == tick(open.came) {
                let mut bytes = file.bytes;
                if let Some(bytes) = &mut bytes {
                    bytes.truncate(open.written_octets);
                }
                file = SpoolFile { bytes, ..open.written };
            }
            out.disk.spool.insert(open.id, file);
        }
    }
}

impl Open {
    /// Everything so far is on disk.
    fn write(&mut self) {
        let SpoolFile { end_ms, complete, gaps, bytes, opened: _ } = &self.now;
        self.written.end_ms = *end_ms;
        self.written.complete = *complete;
        self.written.gaps.clone_from(gaps);
        self.written_octets = bytes.as_ref().map_or(0, Vec::len);
    }
}

impl SpoolFile {
    fn lost_to(&mut self, position_ms: u64) {
        if position_ms > self.end_ms {
            self.gaps.push(Gap { from_ms: self.end_ms, to_ms: position_ms, why: GapCause::Lost });
            self.end_ms = position_ms;
        }
    }
}

fn tick(at: Duration) -> u128 {
    at.as_millis() / WRITE_EVERY.as_millis()
}

fn cause(why: GapReason) -> GapCause {
    match why {
        GapReason::Hold => GapCause::Hold,
        GapReason::Mask => GapCause::Mask,
        GapReason::Fax => GapCause::Fax,
        GapReason::Lost => GapCause::Lost,
    }
}
