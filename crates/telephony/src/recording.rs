//! The recording writer: one thread that appends frames to spool files, so that a slow disk never delays a packet.
//!
//! The control thread opens a recording, media threads send its frames in batches, the writer puts them into
//! `<spool>/<recording id>.part` within 200 ms, has each file on the disk within some five seconds (decision 28), and
//! after the end mark renames it to `.rec`. A killed process loses what was not yet written; the engine's shipper adopts the `.part` files it finds
//! ([`leftovers`]) and the reader of the segments lists what is missing as gaps.
use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crossbeam_channel::{Receiver, RecvTimeoutError};
use domain::id::RecordingId;
use domain::leg::{Gap, GapCause};
use media::RecordingKey;
use media::recorder::segment::{self, SpoolHeader};
use media::recorder::{Frame, GapReason};

use crate::stats::Counters;

/// A process that dies loses no more than this of what reached the writer.
const WRITE_EVERY: Duration = Duration::from_millis(200);
/// A power cut loses no more than this, as long as the disk keeps up with [`SYNCS_MAX`]. Each file has its own turn, so
/// that the disk's work is spread as the recordings' beginnings are.
const SYNC_EVERY: Duration = Duration::from_secs(5);
/// Files synced in one pass, which comes with each writing: at 1 ms each the writer still keeps up with its ring. The rest
/// get the next pass.
const SYNCS_MAX: usize = 50;
/// Bytes of one recording held back at most (a recording makes 3 KiB in 200 ms).
const BUFFER_MAX: usize = 64 * 1024;
/// Silent stretches listed for one recording; a call with more is broken otherwise.
const GAPS_MAX: usize = 10_000;

pub(crate) enum Job {
    Open {
        recording: RecordingKey,
        id: RecordingId,
    },
    Frames(Vec<(RecordingKey, Frame)>),
    /// Write what there is and leave; open recordings stay `.part`.
    Stop,
}

/// What the control thread is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Report {
    Started { recording: RecordingKey },
    Ended { recording: RecordingKey, length_ms: u64, gaps: Vec<Gap> },
}

/// A spool file of an earlier run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leftover {
    pub recording: RecordingId,
    pub path: PathBuf,
    /// Ended properly (`.rec`), only not stored yet; otherwise cut off by a crash (`.part`).
    pub complete: bool,
}

/// The spool files lying in `spool`, oldest name first. Files with other names are left alone.
pub(crate) fn leftovers(spool: &Path) -> io::Result<Vec<Leftover>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(spool)? {
        let path = entry?.path();
        let complete = match path.extension().and_then(|e| e.to_str()) {
            Some("rec") => true,
            Some("part") => false,
            _ => continue,
        };
        if let Some(recording) = path.file_stem().and_then(|s| s.to_str()).and_then(|s| s.parse().ok()) {
            found.push(Leftover { recording, path, complete });
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(found)
}

struct Open {
    path: PathBuf,
    /// `None` once the disk refused: the rest is listed as lost.
    file: Option<File>,
    buffer: Vec<u8>,
    /// Since when something written has not been synced.
    dirty: Option<Instant>,
    started: bool,
    /// End of the last written audio.
    end_ms: u64,
    gap: Option<(u64, GapCause)>,
    gaps: Vec<Gap>,
    failed_at_ms: Option<u64>,
}

pub(crate) struct Writer {
    spool: PathBuf,
    jobs: Receiver<Job>,
    report: Box<dyn FnMut(Report) + Send>,
    counters: Arc<Counters>,
    open: HashMap<RecordingKey, Open>,
}

impl Writer {
    pub(crate) fn new(
        spool: PathBuf,
        jobs: Receiver<Job>,
        report: Box<dyn FnMut(Report) + Send>,
        counters: Arc<Counters>,
    ) -> Self {
        Self { spool, jobs, report, counters, open: HashMap::new() }
    }

    /// The thread's body: until [`Job::Stop`] or until all senders are gone.
    pub(crate) fn run(mut self) {
        let mut written = Instant::now();
        loop {
            let wait = WRITE_EVERY.saturating_sub(written.elapsed());
            match self.jobs.recv_timeout(wait) {
                Ok(Job::Open { recording, id }) => self.open(recording, id),
                Ok(Job::Frames(frames)) => {
                    for (recording, frame) in frames {
                        self.frame(recording, frame);
                    }
                }
                Ok(Job::Stop) | Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => {}
            }
            if written.elapsed() >= WRITE_EVERY {
                written = Instant::now();
                self.write_all(written);
                self.sync_some(written.checked_sub(SYNC_EVERY), SYNCS_MAX);
            }
        }
        let now = Instant::now();
        self.write_all(now);
        self.sync_some(Some(now), usize::MAX);
    }

    fn open(&mut self, recording: RecordingKey, id: RecordingId) {
        let path = self.spool.join(format!("{id}.part"));
        let file = OpenOptions::new().append(true).create(true).mode(0o600).open(&path);
        let mut buffer = Vec::with_capacity(4096);
        let start_unix_ms = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_millis() as i64);
        segment::write_header(&SpoolHeader { recording_id: id.to_string().into_bytes(), start_unix_ms }, &mut buffer);
        let mut open = Open {
            path,
            file: None,
            buffer,
            dirty: None,
            started: false,
            end_ms: 0,
            gap: None,
            gaps: Vec::new(),
            failed_at_ms: None,
        };
        match file {
            Ok(file) => {
                open.file = Some(file);
                open.write(Instant::now(), &self.counters);
            }
            Err(error) => open.fail(&error, &self.counters),
        }
        self.open.insert(recording, open);
    }

    fn frame(&mut self, recording: RecordingKey, frame: Frame) {
        let Some(open) = self.open.get_mut(&recording) else { return };
        if open.file.is_some() {
            segment::write_frame(&frame, &mut open.buffer);
        }
        match frame {
            Frame::Audio { position_ms, length_ms, .. } => {
                open.lost_to(position_ms);
                open.end_ms = position_ms + u64::from(length_ms);
                if !open.started {
                    open.started = true;
                    open.write(Instant::now(), &self.counters);
                    (self.report)(Report::Started { recording });
                }
            }
            Frame::GapStarted { position_ms, why } => open.gap = Some((position_ms, cause(why))),
            Frame::GapEnded { position_ms } => open.end_gap(position_ms),
            Frame::Ended { length_ms } => {
                open.lost_to(length_ms);
                open.end_gap(length_ms);
                if let Some(mut open) = self.open.remove(&recording) {
                    let gaps = open.finish(length_ms, &self.counters);
                    (self.report)(Report::Ended { recording, length_ms, gaps });
                }
                return;
            }
        }
        if open.buffer.len() > BUFFER_MAX {
            open.write(Instant::now(), &self.counters);
        }
    }

    fn write_all(&mut self, now: Instant) {
        for open in self.open.values_mut() {
            open.write(now, &self.counters);
        }
    }

    /// Syncs what has been written and not synced since `before`, so many files at most.
    fn sync_some(&mut self, before: Option<Instant>, most: usize) {
        let is_due = |open: &&mut Open| open.dirty.is_some_and(|since| before.is_some_and(|before| since <= before));
        for open in self.open.values_mut().filter(is_due).take(most) {
            open.dirty = None;
            if let Some(Err(error)) = open.file.as_ref().map(File::sync_data) {
                open.fail(&error, &self.counters);
            }
        }
    }
}

fn cause(why: GapReason) -> GapCause {
    match why {
        GapReason::Hold => GapCause::Hold,
        GapReason::Mask => GapCause::Mask,
        GapReason::Lost => GapCause::Lost,
    }
}

impl Open {
    fn add_gap(&mut self, gap: Gap) {
        if gap.from_ms < gap.to_ms && self.gaps.len() < GAPS_MAX {
            self.gaps.push(gap);
        }
    }

    /// Audio up to here is missing: a batch was lost on the way.
    fn lost_to(&mut self, position_ms: u64) {
        if position_ms > self.end_ms {
            self.add_gap(Gap { from_ms: self.end_ms, to_ms: position_ms, why: GapCause::Lost });
            self.end_ms = position_ms;
        }
    }

    fn end_gap(&mut self, to_ms: u64) {
        if let Some((from_ms, why)) = self.gap.take() {
            self.add_gap(Gap { from_ms, to_ms, why });
        }
    }

    fn write(&mut self, now: Instant, counters: &Counters) {
        if let Some(file) = &mut self.file
            && !self.buffer.is_empty()
        {
            let bytes = self.buffer.len() as u64;
            match file.write_all(&self.buffer) {
                Ok(()) => {
                    self.dirty.get_or_insert(now);
                    Counters::add(&counters.recording_bytes, bytes);
                }
                Err(error) => self.fail(&error, counters),
            }
        }
        self.buffer.clear();
    }

    fn fail(&mut self, error: &io::Error, counters: &Counters) {
        tracing::error!(file = %self.path.display(), %error, "a recording cannot be written: free space on the disk or check its permissions");
        Counters::add(&counters.recording_errors, 1);
        self.file = None;
        self.failed_at_ms = Some(self.end_ms);
    }

    /// Everything on disk and under its final name; answers the gaps in order of time.
    fn finish(&mut self, length_ms: u64, counters: &Counters) -> Vec<Gap> {
        self.write(Instant::now(), counters);
        if let Some(file) = self.file.take() {
            let done = file.sync_data().and_then(|()| std::fs::rename(&self.path, self.path.with_extension("rec")));
            if let Err(error) = done {
                self.fail(&error, counters);
            }
        }
        if let Some(from_ms) = self.failed_at_ms {
            self.add_gap(Gap { from_ms, to_ms: length_ms, why: GapCause::Lost });
        }
        self.gaps.sort_by_key(|gap| (gap.from_ms, gap.to_ms));
        std::mem::take(&mut self.gaps)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use media::Codec;
    use media::recorder::Sound;

    fn audio(position_ms: u64) -> Frame {
        let left = Sound::Coded { codec: Codec::Pcmu, payload: vec![0x55; 800] };
        Frame::Audio { position_ms, length_ms: 100, left, right: Sound::Silence }
    }

    fn temp(name: &str) -> PathBuf {
        let dir = std::env::temp_dir().join(format!("cordboard-spool-{}-{name}", std::process::id()));
        let _ = std::fs::remove_dir_all(&dir);
        std::fs::create_dir_all(&dir).unwrap();
        dir
    }

    fn run(spool: &Path, jobs: Vec<Job>) -> Vec<Report> {
        let (jobs_in, jobs_out) = crossbeam_channel::unbounded();
        for job in jobs {
            jobs_in.send(job).unwrap();
        }
        drop(jobs_in);
        let (reports_in, reports) = crossbeam_channel::unbounded();
        let report = Box::new(move |r| reports_in.send(r).unwrap());
        Writer::new(spool.to_owned(), jobs_out, report, Arc::default()).run();
        reports.try_iter().collect()
    }

    #[test]
    fn a_recording_is_complete_on_disk_before_its_end_is_reported() {
        let spool = temp("complete");
        let (key, id) = (RecordingKey(1), RecordingId(77));
        let frames = vec![
            (key, audio(0)),
            (key, Frame::GapStarted { position_ms: 100, why: GapReason::Hold }),
            (key, audio(100)),
            (key, Frame::GapEnded { position_ms: 200 }),
            (key, audio(300)),
            (key, Frame::Ended { length_ms: 400 }),
        ];
        let reports = run(&spool, vec![Job::Open { recording: key, id }, Job::Frames(frames)]);
        let gaps = vec![
            Gap { from_ms: 100, to_ms: 200, why: GapCause::Hold },
            Gap { from_ms: 200, to_ms: 300, why: GapCause::Lost },
        ];
        let ended = Report::Ended { recording: key, length_ms: 400, gaps };
        assert_eq!(reports, [Report::Started { recording: key }, ended]);
        let bytes = std::fs::read(spool.join(format!("{id}.rec"))).unwrap();
        let read = segment::read(&bytes).unwrap();
        assert!(read.complete);
        assert_eq!(read.header.recording_id, id.to_string().into_bytes());
        assert_eq!(
            leftovers(&spool).unwrap().iter().map(|l| (l.recording, l.complete)).collect::<Vec<_>>(),
            [(id, true)]
        );
    }

    #[test]
    fn a_recording_cut_off_stays_readable_and_is_found_again() {
        let spool = temp("cut");
        let (key, id) = (RecordingKey(1), RecordingId(78));
        let reports =
            run(&spool, vec![Job::Open { recording: key, id }, Job::Frames(vec![(key, audio(0))]), Job::Stop]);
        assert_eq!(reports, [Report::Started { recording: key }]);
        let leftover = leftovers(&spool).unwrap().remove(0);
        assert!(!leftover.complete && leftover.recording == id);
        assert_eq!(segment::read(&std::fs::read(leftover.path).unwrap()).unwrap().frames.len(), 1);
    }

    #[test]
    fn a_missing_directory_makes_the_whole_recording_a_gap() {
        let spool = temp("gone");
        std::fs::remove_dir_all(&spool).unwrap();
        let (key, id) = (RecordingKey(1), RecordingId(79));
        let frames = vec![(key, audio(0)), (key, Frame::Ended { length_ms: 100 })];
        let reports = run(&spool, vec![Job::Open { recording: key, id }, Job::Frames(frames)]);
        let gaps = vec![Gap { from_ms: 0, to_ms: 100, why: GapCause::Lost }];
        assert_eq!(reports.last(), Some(&Report::Ended { recording: key, length_ms: 100, gaps }));
    }

    #[test]
    fn each_file_is_synced_in_its_own_turn() {
        let spool = temp("sync");
        let (_, jobs) = crossbeam_channel::unbounded();
        let mut writer = Writer::new(spool, jobs, Box::new(|_| {}), Arc::default());
        let keys = [RecordingKey(1), RecordingKey(2)];
        for (key, id) in keys.into_iter().zip(90..) {
            writer.open(key, RecordingId(id));
            writer.open.get_mut(&key).unwrap().dirty = None;
        }
        let start = Instant::now();
        let dirty = |writer: &Writer| keys.map(|key| writer.open[&key].dirty);
        writer.open.get_mut(&keys[0]).unwrap().buffer.push(0);
        writer.write_all(start);
        let later = start + SYNC_EVERY / 2;
        writer.open.values_mut().for_each(|open| open.buffer.push(0));
        writer.write_all(later);
        assert_eq!(dirty(&writer), [Some(start), Some(later)], "since the first octet that is not synced");
        writer.sync_some(start.checked_sub(Duration::from_nanos(1)), SYNCS_MAX);
        assert_eq!(dirty(&writer), [Some(start), Some(later)]);
        writer.sync_some(Some(start), SYNCS_MAX);
        assert_eq!(dirty(&writer), [None, Some(later)]);
        writer.sync_some(Some(later), SYNCS_MAX);
        assert_eq!(dirty(&writer), [None, None]);
    }
}
