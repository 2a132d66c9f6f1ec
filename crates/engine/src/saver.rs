//! Makes a floor's decisions durable: in the journal, or in the node's spool while the database is slow or away.
//!
//! ```text
//! journal ──commit over 250 ms, or failed──→ spool ──joined, and the database answers in time──→ journal
//!                                            │   ↑
//!                              append failed ↓   │ written after all
//!                                           nowhere: decisions wait in memory, new work is refused
//! ```
//! Used by the floor's task alone: [`Saver::push`] what was decided, await [`Saver::progress`] beside everything else.
//! While the spool is in use a task joins it to the journal, in order, each batch exactly once: whether the commit that
//! was under way at the change happened is read from the floor's lease row before anything is written again.
use std::collections::VecDeque;
use std::path::PathBuf;
use std::time::Duration;

use store::{Batch, Committing, Draft, Error as StoreError, NewAddress, Spool, SpoolReader, SpoolWriter, Store};
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinHandle};
use tokio::time::{Instant, sleep_until};
use tracing::{error, info, warn};

use crate::ownership::Ownership;
use crate::projector::Fact;

/// A commit that takes longer goes to the spool too: callers hear silence meanwhile.
const SLOW: Duration = Duration::from_millis(250);
/// A spool write that takes longer (a stalled disk) no longer keeps the floor from deciding.
const STALLED: Duration = Duration::from_millis(500);
/// Between attempts to reach the database, or the spool.
const RETRY: Duration = Duration::from_millis(500);
/// Batches joined in one transaction.
const CHUNK: usize = 256;
/// What nobody waits for is written with what comes within this time: a crash loses no more of it.
const LINGER: Duration = Duration::from_millis(25);
/// JSON in one journal row; more begins the next.
const ROW: usize = 256 << 10;
/// Batches that wait in memory while neither database nor spool takes them. Live calls make some a minute each, new
/// ones are refused; beyond it the process ends and is restored from what is durable.
const UNSAVED_MAX: usize = 200_000;

/// How safe a floor's facts are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Saving {
    /// In the database.
    #[default]
    Journal,
    /// In this node's spool: everything goes on.
    Spool,
    /// Nowhere yet: live calls go on, new work is refused.
    Nowhere,
}

/// What [`Saver::progress`] tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// Everything up to this event will survive a crash.
    Durable(u64),
    /// [`Saver::saving`] has changed.
    Changed,
    /// The floor is owned elsewhere, or too much is unsaved.
    Lost,
}

pub struct Saver {
    ownership: Ownership,
    store: Store,
    /// Decided last, and not yet on its way.
    draft: Draft,
    /// When the draft is to be written.
    draft_due: Instant,
    /// Decided before it and not durable, in order. The first of them may be being written.
    unsaved: VecDeque<Batch>,
    writing: Writing,
    spooling: Option<Spooling>,
    /// The last event in the journal.
    journalled: watch::Sender<u64>,
    saving: Saving,
}

enum Writing {
    Nothing,
    Journal { answer: Committing, count: usize, slow_at: Instant },
    Spool { work: JoinHandle<Spooled>, count: usize, stalled_at: Instant },
    Pause { until: Instant },
}

type Spooled = (Option<SpoolWriter>, Result<(), StoreError>);

/// The spool is in use.
struct Spooling {
    since: Instant,
    writer: Option<SpoolWriter>,
    path: Option<PathBuf>,
    /// The last event in the spool; of the journal before anything is.
    spooled: watch::Sender<(u64, Option<PathBuf>)>,
    joiner: AbortHandle,
    joined: watch::Receiver<Joined>,
    /// The joiner has come near: nothing more is spooled until then, so that it can finish.
    hold_until: Instant,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Joined {
    NotYet,
    /// The journal holds everything up to this event, and the database answered in time.
    UpTo(u64),
    Conflict,
}

impl Drop for Spooling {
    fn drop(&mut self) {
        self.joiner.abort();
    }
}

impl Saver {
    pub fn new(ownership: Ownership, store: Store, journalled: watch::Sender<u64>) -> Self {
        Self {
            ownership,
            store,
            draft: Draft::default(),
            draft_due: Instant::now(),
            unsaved: VecDeque::new(),
            writing: Writing::Nothing,
            spooling: None,
            journalled,
            saving: Saving::Journal,
        }
    }

    /// Consecutive events that were just decided, at least one, with the addresses they name first. They are written
    /// within [`LINGER`]; at once if [`Saver::hurry`] is told.
    pub fn push(&mut self, facts: &[Fact], addresses: Vec<NewAddress>) -> Result<(), StoreError> {
        if self.draft.is_empty() {
            self.draft_due = Instant::now() + LINGER;
        }
        let now = self.ownership.clock.now();
        for fact in facts {
            self.draft.push(fact.event.seq, &fact.json, now)?;
        }
        addresses.into_iter().for_each(|address| self.draft.address(address));
        if self.draft.size() >= ROW {
            self.unsaved.push_back(self.draft.take()?);
        }
        Ok(())
    }

    /// Somebody waits for what was pushed.
    pub fn hurry(&mut self) {
        self.draft_due = Instant::now();
    }

    pub fn saving(&self) -> Saving {
        self.saving
    }

    /// Something is on its way to be durable, and it is worth waiting for it before the next decision.
    pub fn keeps_waiting(&self) -> bool {
        let is_due = !self.draft.is_empty() && self.draft_due <= Instant::now();
        (!self.unsaved.is_empty() || is_due) && self.saving != Saving::Nowhere
    }

    pub fn is_saved(&self) -> bool {
        self.unsaved.is_empty() && self.draft.is_empty()
    }

    /// Returns when something has changed. Dropping the future loses nothing.
    pub async fn progress(&mut self) -> Progress {
        loop {
            if self.unsaved.len() > UNSAVED_MAX {
                error!("neither the database nor the spool has taken a floor's events for too long");
                return Progress::Lost;
            }
            if matches!(self.writing, Writing::Nothing)
                && let Some(progress) = self.begin()
            {
                return progress;
            }
            let progress = match &mut self.writing {
                Writing::Nothing => {
                    let (due, has_draft) = (self.draft_due, !self.draft.is_empty());
                    let joined = self.spooling.as_mut().map(|s| &mut s.joined);
                    tokio::select! {
                        () = sleep_until(due), if has_draft => None,
                        () = changed(joined) => self.rejoined(),
                    }
                }
                Writing::Journal { answer, count, slow_at } => {
                    let (count, slow_at) = (*count, *slow_at);
                    tokio::select! {
                        biased;
                        result = &mut *answer => self.journal_answered(result, count),
                        () = sleep_until(slow_at) => {
                            warn!(floor = %self.ownership.floor, "the database is slow: the floor goes on with its spool");
                            match std::mem::replace(&mut self.writing, Writing::Nothing) {
                                Writing::Journal { answer, .. } => Some(self.degrade(Some(answer))),
                                _ => None,
                            }
                        }
                    }
                }
                Writing::Spool { work, count, stalled_at } => {
                    let (count, stalled_at) = (*count, *stalled_at);
                    let stalls = self.saving != Saving::Nowhere;
                    tokio::select! {
                        biased;
                        done = &mut *work => {
                            let done = done.unwrap_or_else(|_| (None, Err(StoreError::Full { what: "journal spool" })));
                            self.spool_answered(done, count)
                        }
                        () = sleep_until(stalled_at), if stalls => {
                            error!(floor = %self.ownership.floor, "the spool's disk does not answer: new calls are refused");
                            self.saving = Saving::Nowhere;
                            Some(Progress::Changed)
                        }
                    }
                }
                Writing::Pause { until } => {
                    let until = *until;
                    let joined = self.spooling.as_mut().map(|s| &mut s.joined);
                    tokio::select! {
                        () = sleep_until(until) => {
                            self.writing = Writing::Nothing;
                            None
                        }
                        () = changed(joined) => {
                            self.writing = Writing::Nothing;
                            self.rejoined()
                        }
                    }
                }
            };
            if let Some(progress) = progress {
                return progress;
            }
        }
    }

    /// Begins to write what waits, if it should be written now.
    fn begin(&mut self) -> Option<Progress> {
        if self.spooling.as_ref().is_some_and(|s| s.joined.has_changed().unwrap_or(false))
            && let Some(progress) = self.rejoined()
        {
            return Some(progress);
        }
        if !self.draft.is_empty() && (!self.unsaved.is_empty() || self.draft_due <= Instant::now()) {
            match self.draft.take() {
                Ok(batch) => self.unsaved.push_back(batch),
                Err(e) => {
                    error!(floor = %self.ownership.floor, error = %e, "events were decided that cannot be written");
                    return Some(Progress::Lost);
                }
            }
        }
        let first_seq = self.unsaved.front()?.first_seq;
        let batches: Vec<Batch> = self.unsaved.iter().cloned().collect();
        let count = batches.len();
        let owned = self.ownership;
        let now = Instant::now();
        let Some(spooling) = &mut self.spooling else {
            match self.store.post(owned.floor, owned.epoch, batches, owned.clock.now()) {
                Ok(answer) => self.writing = Writing::Journal { answer, count, slow_at: now + SLOW },
                Err(e) => {
                    warn!(floor = %owned.floor, error = %e, "the journal takes no more: the floor goes on with its spool");
                    return Some(self.degrade(None));
                }
            }
            return None;
        };
        if now < spooling.hold_until {
            self.writing = Writing::Pause { until: spooling.hold_until };
            return None;
        }
        let (writer, spool) = (spooling.writer.take(), self.store.spool().clone());
        let work = tokio::task::spawn_blocking(move || {
            let open = || spool.writer(owned.floor, owned.epoch, first_seq);
            match writer.map_or_else(open, Ok) {
                Ok(mut writer) => {
                    let written = writer.append(&batches, owned.clock.now());
                    (Some(writer), written)
                }
                Err(e) => (None, Err(e)),
            }
        });
        self.writing = Writing::Spool { work, count, stalled_at: now + STALLED };
        None
    }

    fn durable(&mut self, count: usize) -> Option<u64> {
        self.unsaved.drain(..count.min(self.unsaved.len())).next_back().map(|batch| batch.last_seq)
    }

    fn journal_answered(&mut self, result: Result<(), StoreError>, count: usize) -> Option<Progress> {
        self.writing = Writing::Nothing;
        match result {
            Ok(()) => {
                let last = self.durable(count)?;
                self.journalled.send_replace(last);
                Some(Progress::Durable(last))
            }
            // An earlier try got through although its answer did not.
            Err(StoreError::NotContiguous { expected })
                if self.unsaved.iter().take(count).any(|b| b.last_seq + 1 == expected) =>
            {
                let written = self.unsaved.iter().take_while(|b| b.last_seq < expected).count();
                let last = self.durable(written)?;
                self.journalled.send_replace(last);
                Some(Progress::Durable(last))
            }
            Err(e @ (StoreError::Fenced { .. } | StoreError::NotContiguous { .. })) => {
                error!(floor = %self.ownership.floor, error = %e, "events were decided that cannot be written");
                Some(Progress::Lost)
            }
            Err(e) => {
                let floor = self.ownership.floor;
                warn!(%floor, error = %e, "the journal cannot be written: the floor goes on with its spool");
                Some(self.degrade(None))
            }
        }
    }

    fn degrade(&mut self, in_flight: Option<Committing>) -> Progress {
        let from = *self.journalled.borrow();
        let (spooled, to_join) = watch::channel((from, None));
        let (joined_sender, joined) = watch::channel(Joined::NotYet);
        let joiner = Joiner {
            ownership: self.ownership,
            store: self.store.clone(),
            in_flight,
            spooled: to_join,
            joined: joined_sender,
            journalled: self.journalled.clone(),
        };
        let joiner = tokio::spawn(joiner.run()).abort_handle();
        let now = Instant::now();
        self.spooling =
            Some(Spooling { since: now, writer: None, path: None, spooled, joiner, joined, hold_until: now });
        self.saving = Saving::Spool;
        Progress::Changed
    }

    fn spool_answered(&mut self, (writer, result): Spooled, count: usize) -> Option<Progress> {
        self.writing = Writing::Nothing;
        if let Some(spooling) = &mut self.spooling {
            if let Some(writer) = &writer {
                spooling.path = Some(writer.path().to_owned());
            }
            spooling.writer = writer;
        }
        if let Err(e) = result {
            self.writing = Writing::Pause { until: Instant::now() + RETRY };
            if self.saving == Saving::Nowhere {
                return None;
            }
            let floor = self.ownership.floor;
            error!(%floor, cause = %source_of(&e), "neither database nor spool can be written: new calls are refused");
            self.saving = Saving::Nowhere;
            return Some(Progress::Changed);
        }
        let last = self.durable(count)?;
        if self.saving == Saving::Nowhere {
            info!(floor = %self.ownership.floor, "the spool can be written again");
            self.saving = Saving::Spool;
        }
        if let Some(spooling) = &self.spooling {
            spooling.spooled.send_replace((last, spooling.path.clone()));
        }
        Some(Progress::Durable(last))
    }

    /// The joiner has come further.
    fn rejoined(&mut self) -> Option<Progress> {
        let spooling = self.spooling.as_mut()?;
        let joined = *spooling.joined.borrow_and_update();
        match joined {
            Joined::NotYet => None,
            Joined::Conflict => Some(Progress::Lost),
            Joined::UpTo(last) if last >= spooling.spooled.borrow().0 => {
                let seconds = spooling.since.elapsed().as_secs();
                if let Some(path) = spooling.path.take() {
                    spooling.writer = None;
                    let spool = self.store.spool().clone();
                    tokio::task::spawn_blocking(move || remove(&spool, path));
                }
                self.spooling = None;
                self.saving = Saving::Journal;
                info!(floor = %self.ownership.floor, seconds, "the database holds everything again");
                Some(Progress::Changed)
            }
            Joined::UpTo(_) => {
                spooling.hold_until = Instant::now() + SLOW;
                None
            }
        }
    }
}

fn remove(spool: &Spool, path: PathBuf) {
    if let Err(e) = spool.remove(&path) {
        warn!(error = %e, "a joined spool file cannot be removed; the next start skips what it holds");
    }
}

async fn changed(joined: Option<&mut watch::Receiver<Joined>>) {
    match joined {
        Some(joined) => {
            let _ = joined.changed().await;
        }
        None => std::future::pending().await,
    }
}

/// The cause in words, which an operator can act on ("No space left on device").
fn source_of(e: &StoreError) -> String {
    match std::error::Error::source(e) {
        Some(source) => format!("{e}: {source}"),
        None => e.to_string(),
    }
}

/// Carries the spool into the journal.
struct Joiner {
    ownership: Ownership,
    store: Store,
    /// The commit that took too long.
    in_flight: Option<Committing>,
    spooled: watch::Receiver<(u64, Option<PathBuf>)>,
    joined: watch::Sender<Joined>,
    journalled: watch::Sender<u64>,
}

impl Joiner {
    async fn run(mut self) {
        match self.in_flight.take() {
            // Whatever it says: the lease row tells what is in the journal.
            Some(answer) => drop(answer.await),
            // It failed at once, and would again.
            None => tokio::time::sleep(RETRY).await,
        }
        let mut reader: Option<SpoolReader> = None;
        loop {
            let began = Instant::now();
            match self.step(&mut reader).await {
                Ok((last, at_end)) => {
                    self.journalled.send_if_modified(|known| {
                        let more = last > *known;
                        *known = last.max(*known);
                        more
                    });
                    if at_end && began.elapsed() < SLOW {
                        self.joined.send_replace(Joined::UpTo(last));
                        // More is spooled only if the floor did not take this as the end.
                        let _ = tokio::time::timeout(RETRY, self.spooled.changed()).await;
                    } else if at_end {
                        tokio::time::sleep(RETRY).await;
                    }
                }
                Err(e @ (StoreError::Fenced { .. } | StoreError::NotContiguous { .. })) => {
                    error!(
                        floor = %self.ownership.floor, error = %e,
                        "the spool cannot join the journal: another process has written to this floor meanwhile"
                    );
                    self.joined.send_replace(Joined::Conflict);
                    return;
                }
                Err(e) => {
                    if !e.is_unavailable() {
                        error!(floor = %self.ownership.floor, error = %e, "the spool is not joined; trying again");
                    }
                    // The chunk read is read again.
                    reader = None;
                    tokio::time::sleep(RETRY).await;
                }
            }
        }
    }

    /// The last event in the journal, and whether that was all of the spool.
    async fn step(&mut self, reader: &mut Option<SpoolReader>) -> Result<(u64, bool), StoreError> {
        let (_, path) = self.spooled.borrow_and_update().clone();
        let batches = match path {
            None => Vec::new(),
            Some(path) => {
                let (spool, open) = (self.store.spool().clone(), reader.take());
                let read = tokio::task::spawn_blocking(move || {
                    let mut reader = open.map_or_else(|| SpoolReader::open(&spool, &path), Ok)?;
                    let batches = reader.some(CHUNK)?;
                    Ok::<_, StoreError>((reader, batches))
                });
                let (open, batches) = read.await.unwrap_or(Err(StoreError::NotFound { what: "journal spool" }))?;
                *reader = Some(open);
                batches
            }
        };
        let at_end = batches.len() < CHUNK;
        let Ownership { floor, epoch, clock } = self.ownership;
        if batches.is_empty() {
            // A full disk still reads: only a write tells that the journal can be written.
            self.ownership.renew(&self.store).await?;
        }
        let last = self.store.join(floor, epoch, batches, clock.now()).await?;
        Ok((last, at_end))
    }
}
