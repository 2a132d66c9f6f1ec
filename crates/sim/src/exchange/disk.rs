//! What outlives the process: journal, snapshot, checkpoints of calls, spool files of recordings, registrations, the
//! last heartbeat.
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use domain::device::Binding;
use domain::event::{Event, EventBody};
use domain::floor::Snapshot;
use domain::id::{DeviceId, RecordingId};
use domain::leg::Gap;
use domain::time::Timestamp;
use switch::Kept;

#[derive(Default)]
pub(crate) struct Disk {
    pub(crate) journal: Vec<Event>,
    pub(crate) snapshot: Option<Snapshot>,
    /// JSON, as telephony writes it.
    pub(crate) checkpoints: BTreeMap<Kept, Vec<u8>>,
    pub(crate) spool: BTreeMap<RecordingId, SpoolFile>,
    /// Recordings that were stored and left the spool.
    pub(crate) archive: BTreeMap<RecordingId, SpoolFile>,
    pub(crate) bindings: BTreeMap<DeviceId, Vec<Binding>>,
    pub(crate) heartbeat: Option<Timestamp>,
    pub(crate) starts: u32,
    pub(crate) epoch: u32,
    /// Of the journal.
    pub(crate) requested: BTreeSet<RecordingId>,
    pub(crate) stored: BTreeSet<RecordingId>,
}

/// A recording as far as it is written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct SpoolFile {
    /// When it was opened: its beginning, by the true time.
    pub(crate) opened: Duration,
    /// End of the last written frame, milliseconds from the start.
    pub(crate) end_ms: u64,
    /// Ended properly.
    pub(crate) complete: bool,
    pub(crate) gaps: Vec<Gap>,
    /// Octets in the real spool format, of a sample of recordings.
    pub(crate) bytes: Option<Vec<u8>>,
}

impl Disk {
    /// One batch becomes durable.
    pub(crate) fn append(&mut self, events: &[Event]) {
        for event in events {
            match &event.body {
                EventBody::RecordingRequested { recording, .. } => {
                    self.requested.insert(*recording);
                }
                EventBody::RecordingStored { recording, .. } => {
                    self.stored.insert(*recording);
                }
                _ => {}
            }
        }
        self.journal.extend_from_slice(events);
    }
}
