//! The recording writer: one thread that appends frames to spool files, so that a slow disk never delays a packet.
//!
//! The control thread opens a recording, media threads send its frames in batches, the writer puts them into
//! `<spool>/<recording id>.part` at once, has each file on the disk within some five seconds (decision 28), and after the end
//! mark renames it to `.rec`. A killed process loses what was not yet written; the engine's shipper adopts the `.part` files it finds ([`leftovers`])
//! and the reader of the segments lists what is missing as gaps. What a full disk does not take is lost and listed; the
//! recording goes on when there is room again.
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

/// What waits is written together, but no later than this. Nearly always nothing waits, and a frame is written as it comes.
const WRITE_WITHIN: Duration = Duration::from_millis(20);
/// Between attempts to write a file that a full disk refused.
const RETRY: Duration = Duration::from_millis(500);
/// A power cut loses no more than this, as long as the disk keeps up with [`SYNCS_MAX`]. Each file has its own turn, so
/// that the disk's work is spread as the recordings' beginnings are.
const SYNC_EVERY: Duration = Duration::from_secs(5);
/// Between two looks for files whose turn it is.
const SYNC_PASS: Duration = Duration::from_millis(200);
/// Files synced in one pass: at 1 ms each the writer still keeps up with its ring. The rest get the next pass.
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
    header: Vec<u8>,
    file: Option<File>,
    /// Octets of the file that are whole; what a refused write left behind them is cut off.
    written: u64,
    /// End of the audio in the file, and what is to follow: its first audio and all of it.
    written_ms: u64,
    next_ms: Option<u64>,
    buffer: Vec<u8>,
    /// Since when something written has not been synced.
    dirty: Option<Instant>,
    started: bool,
    /// End of the last audio that came.
    end_ms: u64,
    gap: Option<(u64, GapCause)>,
    gaps: Vec<Gap>,
    /// The disk refuses: audio from here on is missing, and the next attempt is due then.
    refused: Option<(u64, Instant)>,
}

pub(crate) struct Writer {
    spool: PathBuf,
    jobs: Receiver<Job>,
    report: Box<dyn FnMut(Report) + Send>,
    counters: Arc<Counters>,
    open: HashMap<RecordingKey, Open>,
    /// Have something to be written.
    touched: Vec<RecordingKey>,
}

impl Writer {
    pub(crate) fn new(
        spool: PathBuf,
        jobs: Receiver<Job>,
        report: Box<dyn FnMut(Report) + Send>,
        counters: Arc<Counters>,
    ) -> Self {
        Self { spool, jobs, report, counters, open: HashMap::new(), touched: Vec::new() }
    }

    /// The thread's body: until [`Job::Stop`] or until all senders are gone.
    pub(crate) fn run(mut self) {
        let mut synced = Instant::now();
        let mut goes_on = true;
        while goes_on {
            let mut next = match self.jobs.recv_timeout(SYNC_PASS.saturating_sub(synced.elapsed())) {
                Ok(job) => Some(job),
                Err(RecvTimeoutError::Timeout) => None,
                Err(RecvTimeoutError::Disconnected) => Some(Job::Stop),
            };
            let began = Instant::now();
            while let Some(job) = next {
                goes_on = self.take(job);
                next = if goes_on && began.elapsed() < WRITE_WITHIN { self.jobs.try_recv().ok() } else { None };
            }
            self.write_touched();
            if synced.elapsed() >= SYNC_PASS {
                synced = Instant::now();
                self.sync_some(synced.checked_sub(SYNC_EVERY), SYNCS_MAX);
            }
        }
        self.sync_some(Some(Instant::now()), usize::MAX);
    }

    /// Whether to go on.
    fn take(&mut self, job: Job) -> bool {
        match job {
            Job::Open { recording, id } => self.open(recording, id),
            Job::Frames(frames) => {
                for (recording, frame) in frames {
                    self.frame(recording, frame);
                }
            }
            Job::Stop => return false,
        }
        true
    }

    fn open(&mut self, recording: RecordingKey, id: RecordingId) {
        let path = self.spool.join(format!("{id}.part"));
        let mut header = Vec::new();
        let start_unix_ms = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_millis() as i64);
        segment::write_header(&SpoolHeader { recording_id: id.to_string().into_bytes(), start_unix_ms }, &mut header);
        let mut open = Open {
            path,
            header,
            file: None,
            written: 0,
            written_ms: 0,
            next_ms: None,
            buffer: Vec::with_capacity(4096),
            dirty: None,
            started: false,
            end_ms: 0,
            gap: None,
            gaps: Vec::new(),
            refused: None,
        };
        if let Err(error) = open.go_on() {
            open.told(&error, &self.counters);
        }
        self.open.insert(recording, open);
        self.touched.push(recording);
    }

    fn frame(&mut self, recording: RecordingKey, frame: Frame) {
        let Some(open) = self.open.get_mut(&recording) else { return };
        open.keep(&frame);
        match frame {
            Frame::Audio { position_ms, length_ms, .. } => {
                open.lost_to(position_ms);
                open.end_ms = position_ms + u64::from(length_ms);
                if !open.started {
                    open.started = true;
                    (self.report)(Report::Started { recording });
                }
            }
            Frame::GapStarted { position_ms, why } => open.gap = Some((position_ms, gap_cause(why))),
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
            open.write(&self.counters);
        } else if self.touched.last() != Some(&recording) {
            self.touched.push(recording);
        }
    }

    fn write_touched(&mut self) {
        for recording in self.touched.drain(..) {
            if let Some(open) = self.open.get_mut(&recording) {
                open.write(&self.counters);
            }
        }
    }

    /// At most `most` of the files that have had something unsynced since `before` or longer.
    fn sync_some(&mut self, before: Option<Instant>, most: usize) {
        let is_due = |open: &&mut Open| open.dirty.is_some_and(|since| before.is_some_and(|before| since <= before));
        for open in self.open.values_mut().filter(is_due).take(most) {
            open.dirty = None;
            if let Some(Err(error)) = open.file.as_ref().map(File::sync_data) {
                open.told(&error, &self.counters);
            }
        }
    }
}

/// In the floor's words.
pub fn gap_cause(why: GapReason) -> GapCause {
    match why {
        GapReason::Hold => GapCause::Hold,
        GapReason::Mask => GapCause::Mask,
        GapReason::Fax => GapCause::Fax,
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

    /// A file that a former process left goes on behind its last whole frame. What was being left out there is for this
    /// process to say anew.
    fn go_on(&mut self) -> io::Result<()> {
        let bytes = match std::fs::read(&self.path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error),
        };
        // Not even a header: it is written over.
        let Some(spool) = segment::read(&bytes).ok().filter(|spool| !spool.complete) else {
            return std::fs::remove_file(&self.path);
        };
        for frame in &spool.frames {
            match frame {
                Frame::Audio { position_ms, length_ms, .. } => {
                    self.lost_to(*position_ms);
                    self.end_ms = position_ms + u64::from(*length_ms);
                    self.started = true;
                }
                Frame::GapStarted { position_ms, why } => self.gap = Some((*position_ms, gap_cause(*why))),
                Frame::GapEnded { position_ms } => self.end_gap(*position_ms),
                Frame::Ended { .. } => {}
            }
        }
        let file = OpenOptions::new().append(true).open(&self.path)?;
        file.set_len(spool.valid_len as u64)?;
        (self.file, self.written, self.written_ms) = (Some(file), spool.valid_len as u64, self.end_ms);
        if self.gap.is_some() {
            segment::write_frame(&Frame::GapEnded { position_ms: self.end_ms }, &mut self.buffer);
            self.end_gap(self.end_ms);
        }
        Ok(())
    }

    /// Puts the frame behind what waits to be written, unless the disk refuses at present.
    fn keep(&mut self, frame: &Frame) {
        if self.refused.is_some_and(|(_, retry_at)| Instant::now() < retry_at) {
            return;
        }
        if let (Frame::Audio { position_ms, .. }, None) = (frame, self.next_ms) {
            self.next_ms = Some(*position_ms);
        }
        segment::write_frame(frame, &mut self.buffer);
    }

    fn write(&mut self, counters: &Counters) {
        if self.buffer.is_empty() && self.written > 0 || self.refused.is_some_and(|(_, at)| Instant::now() < at) {
            return;
        }
        match self.try_write() {
            Ok(octets) => {
                Counters::add(&counters.recording_bytes, octets);
                self.dirty.get_or_insert_with(Instant::now);
                if let (Some((from_ms, _)), Some(to_ms)) = (self.refused, self.next_ms) {
                    tracing::info!(file = %self.path.display(), "a recording can be written again");
                    self.refused = None;
                    self.add_gap(Gap { from_ms, to_ms, why: GapCause::Lost });
                }
                self.written_ms = self.end_ms;
            }
            Err(error) => {
                if self.refused.is_none() {
                    self.told(&error, counters);
                }
                let from_ms = self.refused.map_or(self.written_ms, |(from_ms, _)| from_ms);
                self.refused = Some((from_ms, Instant::now() + RETRY));
                if let Some(file) = &self.file {
                    // If even this fails the reader stops at the torn frame.
                    let _ = file.set_len(self.written);
                }
            }
        }
        self.buffer.clear();
        self.next_ms = None;
    }

    /// Octets written.
    fn try_write(&mut self) -> io::Result<u64> {
        let file = match &mut self.file {
            Some(file) => file,
            None => {
                let file = OpenOptions::new().append(true).create(true).mode(0o600).open(&self.path)?;
                self.file.insert(file)
            }
        };
        let mut octets = 0;
        if self.written == 0 {
            file.write_all(&self.header)?;
            octets += self.header.len() as u64;
        }
        file.write_all(&self.buffer)?;
        octets += self.buffer.len() as u64;
        self.written += octets;
        Ok(octets)
    }

    fn told(&self, error: &io::Error, counters: &Counters) {
        tracing::error!(file = %self.path.display(), %error, "a recording cannot be written: free space on the disk or check its permissions");
        Counters::add(&counters.recording_errors, 1);
    }

    /// Everything on disk and under its final name; answers the gaps in order of time.
    fn finish(&mut self, length_ms: u64, counters: &Counters) -> Vec<Gap> {
        self.write(counters);
        if self.written == 0 {
            let _ = std::fs::remove_file(&self.path);
        }
        if let Some((from_ms, _)) = self.refused {
            self.add_gap(Gap { from_ms, to_ms: length_ms, why: GapCause::Lost });
        } else if let Some(file) = self.file.take() {
            let done = file.sync_data().and_then(|()| std::fs::rename(&self.path, self.path.with_extension("rec")));
            if let Err(error) = done {
                self.told(&error, counters);
            }
        }
        self.gaps.sort_by_key(|gap| (gap.from_ms, gap.to_ms));
        std::mem::take(&mut self.gaps)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use media::g711::Law;
    use media::recorder::Sound;

    fn audio(position_ms: u64) -> Frame {
        let left = Sound::Coded { law: Law::Mu, payload: vec![0x55; 800] };
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
    fn a_recording_goes_on_in_another_process_with_the_time_between_listed() {
        let spool = temp("goes_on");
        let (key, id) = (RecordingKey(1), RecordingId(80));
        let frames = vec![
            (key, audio(0)),
            (key, Frame::GapStarted { position_ms: 100, why: GapReason::Hold }),
            (key, audio(100)),
        ];
        run(&spool, vec![Job::Open { recording: key, id }, Job::Frames(frames), Job::Stop]);
        let path = spool.join(format!("{id}.part"));
        let torn = [std::fs::read(&path).unwrap(), vec![1, 2, 3]].concat();
        std::fs::write(&path, torn).unwrap();
        let frames = vec![
            (key, Frame::GapStarted { position_ms: 700, why: GapReason::Hold }),
            (key, audio(700)),
            (key, Frame::GapEnded { position_ms: 800 }),
            (key, audio(800)),
            (key, Frame::Ended { length_ms: 900 }),
        ];
        let reports = run(&spool, vec![Job::Open { recording: key, id }, Job::Frames(frames)]);
        let gap = |from_ms, to_ms, why| Gap { from_ms, to_ms, why };
        let gaps = vec![gap(100, 200, GapCause::Hold), gap(200, 700, GapCause::Lost), gap(700, 800, GapCause::Hold)];
        assert_eq!(reports, [Report::Ended { recording: key, length_ms: 900, gaps: gaps.clone() }]);
        let read = segment::read(&std::fs::read(spool.join(format!("{id}.rec"))).unwrap()).unwrap();
        assert!(read.complete);
        let (_, listed) =
            media::recorder::export::to_wav(&std::fs::read(spool.join(format!("{id}.rec"))).unwrap()).unwrap();
        assert_eq!(listed.len(), gaps.len(), "{listed:?}");
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
        let start = Instant::now();
        let later = start + SYNC_EVERY / 2;
        for ((key, id), since) in keys.into_iter().zip(90..).zip([start, later]) {
            writer.open(key, RecordingId(id));
            writer.write_touched();
            writer.open.get_mut(&key).unwrap().dirty = Some(since);
        }
        let dirty = |writer: &Writer| keys.map(|key| writer.open[&key].dirty);
        writer.frame(keys[0], audio(0));
        writer.write_touched();
        assert_eq!(dirty(&writer), [Some(start), Some(later)], "since the first octet that is not synced");
        writer.sync_some(start.checked_sub(Duration::from_nanos(1)), SYNCS_MAX);
        assert_eq!(dirty(&writer), [Some(start), Some(later)]);
        writer.sync_some(Some(start), SYNCS_MAX);
        assert_eq!(dirty(&writer), [None, Some(later)]);
        writer.sync_some(Some(later), SYNCS_MAX);
        assert_eq!(dirty(&writer), [None, None]);
    }
}
