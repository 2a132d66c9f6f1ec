//! Takes finished recordings from telephony's spool, renders them to WAV, seals them into blobs, reports them stored.
//!
//! One at a time, retried with growing pauses; a spool file is removed only after its blob and its event are durable.
//! At start it adopts what an earlier run left: complete (`.rec`) or cut off by a crash (`.part`).
use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use domain::id::{BlobId, RecordingId, TenantId};
use domain::input::Input;
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
    /// Its blob, if an earlier try got as far: blob, length in milliseconds, bytes.
    sealed: Option<(BlobId, u64, u64)>,
}

/// After this many tries the file stays in the spool until the next start.
const TRIES_MAX: u32 = 12;

impl Shipper {
    pub fn new(spool: PathBuf, render: Render) -> Self {
        let left_over = Mutex::new(recordings_in(&spool));
        Self { spool, render, queue: Mutex::default(), more: Notify::new(), left_over }
    }

    fn queue(&self) -> std::sync::MutexGuard<'_, VecDeque<Job>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The spool file is complete, if there is one: a recording that could not begin has none.
    pub fn recording_ended(&self, tenant: TenantId, recording: RecordingId, length_ms: u64) {
        if length_ms == 0 && find(&self.spool, recording).is_none() {
            return;
        }
        self.queue().push_back(Job { tenant, recording, tries: 0, sealed: None });
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
    if job.tries >= TRIES_MAX {
        error!(recording = %job.recording, why, "a recording cannot be stored; it stays in the spool");
        return;
    }
    warn!(recording = %job.recording, why, "a recording was not stored; trying again");
    let pause = Duration::from_millis(250 << job.tries.min(8));
    let shared = shared.clone();
    tokio::spawn(async move {
        tokio::time::sleep(pause).await;
        shared.shipper.queue().push_back(job);
        shared.shipper.more.notify_one();
    });
}

async fn ship(shared: &Arc<Shared>, job: &mut Job) -> Result<(), String> {
    let Some(file) = find(&shared.shipper.spool, job.recording) else {
        return Err("its spool file is missing".to_owned());
    };
    let (blob, length_ms, bytes) = match job.sealed {
        Some(sealed) => sealed,
        None => seal(shared, job, &file).await?,
    };
    job.sealed = Some((blob, length_ms, bytes));
    let floor = shared.floor(job.tenant).ok_or("its floor is not open")?;
    let input = Input::RecordingStored { recording: job.recording, blob, length_ms, bytes };
    floor.send(input).await.map_err(|e| e.to_string())?;
    remove(job.recording, &file);
    info!(recording = %job.recording, length_ms, "recording stored");
    Ok(())
}

/// Renders the spool file and puts it into a blob: its id, length in milliseconds, bytes.
async fn seal(shared: &Arc<Shared>, job: &Job, file: &Path) -> Result<(BlobId, u64, u64), String> {
    let (render, path) = (shared.shipper.render.clone(), file.to_owned());
    let rendered = tokio::task::spawn_blocking(move || {
        let bytes = std::fs::read(&path).map_err(|e| e.to_string())?;
        render(&bytes)
    })
    .await
    .map_err(|e| e.to_string())??;
    let Rendered { wav, length_ms } = rendered;
    let new = NewBlob {
        tenant: job.tenant,
        kind: "recording",
        content_type: "audio/wav".to_owned(),
        retain_until: None,
        sample_floor: None,
    };
    let blob = shared.store.blobs().put_bytes(new, wav, shared.clock.now()).await.map_err(|e| e.to_string())?;
    Ok((blob.id, length_ms, blob.length))
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
            Ok(row) => shared.shipper.recording_ended(row.tenant_id, recording, 0),
            Err(store::Error::NotFound { .. }) => {
                warn!(%recording, "a recording of no known interaction stays in the spool")
            }
            Err(e) => warn!(%recording, error = %e, "a left-over recording was not adopted"),
        }
    }
}
