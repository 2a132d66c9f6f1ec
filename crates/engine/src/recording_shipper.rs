//! Takes finished recordings from telephony's spool, renders them to WAV, seals them into blobs, reports them stored.
//!
//! One at a time, retried with growing pauses; a spool file is removed only after its blob and its event are durable.
//! At start it adopts what an earlier run left: complete (`.rec`) or cut off by a crash (`.part`).
use std::collections::{BTreeSet, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use domain::id::{BlobId, RecordingId, TenantId};
use domain::input::Input;
use domain::leg::{Gap, GapCause};
use domain::time::Timestamp;
use store::{HostScope, NewBlob};
use tokio::sync::Notify;
use tokio::task::AbortHandle;
use tracing::{error, info, warn};

use crate::engine::Shared;

/// Turns a spool file into a stereo WAV. The binary passes the media crate's in: this crate knows no sound.
pub type Render = Arc<dyn Fn(&[u8]) -> Result<Rendered, String> + Send + Sync>;

pub struct Rendered {
    pub wav: Vec<u8>,
    pub length_ms: u64,
    pub started_at: Timestamp,
    /// False of one that was cut off.
    pub is_complete: bool,
    /// Silent stretches within it.
    pub gaps: Vec<Gap>,
    /// How long something is to be heard of the customer.
    pub heard_ms: u64,
}

pub struct Shipper {
    spool: PathBuf,
    render: Render,
    queue: Mutex<VecDeque<Job>>,
    more: Notify,
    /// Spool files found before this process could write any.
    left_over: Mutex<Vec<RecordingId>>,
}

#[derive(Debug, Clone)]
struct Job {
    tenant: TenantId,
    recording: RecordingId,
    tries: u32,
    /// Of one that a crash may have cut off: when what it records ended, by the records.
    ended_at: Option<Timestamp>,
    /// Its blob, if an earlier try got as far.
    sealed: Option<Sealed>,
}

#[derive(Debug, Clone)]
struct Sealed {
    blob: BlobId,
    length_ms: u64,
    bytes: u64,
    gaps: Vec<Gap>,
    heard_ms: u64,
}

/// At this many tries (some five minutes) a person is told; the file waits in the spool and is tried again until it goes.
const TRIES_TOLD: u32 = 12;
/// The longest pause is 250 ms doubled so often: eight minutes.
const DOUBLINGS: u32 = 11;

impl Shipper {
    pub fn new(spool: PathBuf, render: Render) -> Self {
        let left_over = Mutex::new(recordings_in(&spool));
        Self { spool, render, queue: Mutex::default(), more: Notify::new(), left_over }
    }

    /// These files are being written on: they are no leftovers.
    pub fn goes_on(&self, recordings: &BTreeSet<RecordingId>) {
        let mut left_over = self.left_over.lock().unwrap_or_else(PoisonError::into_inner);
        left_over.retain(|recording| !recordings.contains(recording));
    }

    fn queue(&self) -> std::sync::MutexGuard<'_, VecDeque<Job>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The spool file is complete, if there is one: a recording that could not begin has none, nor has one of which
    /// nothing could be written.
    pub fn recording_ended(&self, tenant: TenantId, recording: RecordingId, length_ms: u64) {
        if find(&self.spool, recording).is_some() {
            self.take(Job { tenant, recording, tries: 0, ended_at: None, sealed: None });
        } else if length_ms > 0 {
            warn!(%recording, length_ms, "nothing of a recording could be written");
        }
    }

    fn take(&self, job: Job) {
        self.queue().push_back(job);
        self.more.notify_one();
    }

    pub(crate) fn spawn(&self, shared: Arc<Shared>) -> [AbortHandle; 2] {
        let adopts = shared.clone();
        let adopts = tokio::spawn(async move { adopt(&adopts).await });
        let ships = tokio::spawn(async move {
            loop {
                let job = shared.shipper.queue().pop_front();
                match job {
                    Some(job) => work(&shared, job).await,
                    None => shared.shipper.more.notified().await,
                }
            }
        });
        [adopts.abort_handle(), ships.abort_handle()]
    }
}

async fn work(shared: &Arc<Shared>, mut job: Job) {
    let Err(why) = ship(shared, &mut job).await else { return };
    job.tries += 1;
    if job.tries == TRIES_TOLD {
        error!(recording = %job.recording, why, "a recording cannot be stored; it waits in the spool");
    } else {
        warn!(recording = %job.recording, why, "a recording was not stored; trying again");
    }
    let pause = Duration::from_millis(250 << job.tries.min(DOUBLINGS));
    let shared = shared.clone();
    tokio::spawn(async move {
        tokio::time::sleep(pause).await;
        shared.shipper.take(job);
    });
}

async fn ship(shared: &Arc<Shared>, job: &mut Job) -> Result<(), String> {
    let Some(file) = find(&shared.shipper.spool, job.recording) else {
        return Err("its spool file is missing".to_owned());
    };
    let sealed = match job.sealed.take() {
        Some(sealed) => sealed,
        None => seal(shared, job, &file).await?,
    };
    let Sealed { blob, length_ms, bytes, gaps, heard_ms } = job.sealed.insert(sealed).clone();
    let floor = shared.floor(job.tenant).ok_or("its floor is not open")?;
    let input = Input::RecordingStored { recording: job.recording, blob, length_ms, bytes, gaps, heard_ms };
    floor.send(input).await.map_err(|e| e.to_string())?;
    remove(job.recording, &file);
    info!(recording = %job.recording, length_ms, "recording stored");
    Ok(())
}

/// Renders the spool file and puts it into a blob.
async fn seal(shared: &Arc<Shared>, job: &Job, file: &Path) -> Result<Sealed, String> {
    let (render, path) = (shared.shipper.render.clone(), file.to_owned());
    let rendered = tokio::task::spawn_blocking(move || {
        let bytes = std::fs::read(&path).map_err(|e| e.to_string())?;
        render(&bytes)
    })
    .await
    .map_err(|e| e.to_string())??;
    let gaps = job.ended_at.map(|ended_at| cut_off(&rendered, ended_at)).unwrap_or_default();
    let Rendered { wav, length_ms, heard_ms, .. } = rendered;
    let new = NewBlob {
        tenant: job.tenant,
        kind: "recording",
        content_type: "audio/wav".to_owned(),
        retain_until: None,
        sample_floor: None,
    };
    let blob = shared.store.blobs().put_bytes(new, wav, shared.clock.now()).await.map_err(|e| e.to_string())?;
    Ok(Sealed { blob: blob.id, length_ms, bytes: blob.length, gaps, heard_ms })
}

/// The gaps of a recording that never ended in order: what its frames say, and its end if that is missing.
fn cut_off(rendered: &Rendered, ended_at: Timestamp) -> Vec<Gap> {
    let mut gaps = rendered.gaps.clone();
    let whole_ms = u64::try_from(ended_at - rendered.started_at).unwrap_or(0);
    if !rendered.is_complete && whole_ms > rendered.length_ms {
        gaps.push(Gap { from_ms: rendered.length_ms, to_ms: whole_ms, why: GapCause::Lost });
    }
    gaps
}

fn remove(recording: RecordingId, file: &Path) {
    if let Err(e) = std::fs::remove_file(file) {
        warn!(%recording, error = %e, "a stored recording's spool file cannot be removed");
    }
}

/// The complete file first; `.part` only of recordings that nobody writes any more (adopted or ended in trouble).
fn find(spool: &Path, recording: RecordingId) -> Option<PathBuf> {
    ["rec", "part"].iter().map(|ext| spool.join(format!("{recording}.{ext}"))).find(|p| p.is_file())
}

fn recordings_in(spool: &Path) -> Vec<RecordingId> {
    match std::fs::read_dir(spool) {
        Ok(entries) => {
            let stem = |e: std::fs::DirEntry| e.path().file_stem()?.to_str()?.parse::<RecordingId>().ok();
            entries.filter_map(Result::ok).filter_map(stem).collect()
        }
        Err(e) => {
            warn!(error = %e, "the recording spool cannot be read");
            Vec::new()
        }
    }
}

/// Queues what an earlier run left and is known to a tenant, once the tables know all that the journal knows.
async fn adopt(shared: &Arc<Shared>) {
    shared.caught_up().await;
    let left_over = std::mem::take(&mut *shared.shipper.left_over.lock().unwrap_or_else(PoisonError::into_inner));
    for recording in left_over {
        match shared.store.recording(HostScope::whole_installation().into(), recording).await {
            // The last run ended between the event and the removal.
            Ok(row) if row.blob_id.is_some() => {
                if let Some(file) = find(&shared.shipper.spool, recording) {
                    remove(recording, &file);
                }
            }
            Ok(row) => {
                let scope = HostScope::whole_installation().into();
                let ended_at = match row.length_ms {
                    // Its end was told, with its gaps.
                    Some(_) => None,
                    None => shared.store.interaction(scope, row.interaction_id).await.ok().and_then(|i| i.ended_at),
                };
                if find(&shared.shipper.spool, recording).is_some() {
                    let tenant = row.tenant_id;
                    shared.shipper.take(Job { tenant, recording, tries: 0, ended_at, sealed: None });
                }
            }
            Err(store::Error::NotFound { .. }) => {
                warn!(%recording, "a recording of no known interaction stays in the spool")
            }
            Err(e) => warn!(%recording, error = %e, "a left-over recording was not adopted"),
        }
    }
}
