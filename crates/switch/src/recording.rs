//! Recordings: two sides, one stereo file, ended by command or with either side.
//!
//! States: `waiting for the left leg → running ⇄ paused → stopping (until the file is complete) → gone`.
//!
//! Each `Record` ends with exactly one `RecordingEnded`, of no length if nothing was recorded: the floor and the engine
//! keep it in their tables until then.
use std::time::Duration;

use domain::id::{LegId, RecordingId, TenantId};
use domain::leg::{Gap, GapCause, LegCommand, LegEvent};
use media::RecordingKey;
use media::recorder::GapReason;

use crate::checkpoint::Kept;
use crate::io::Output;
use crate::leg::Leg;
use crate::switch::Switch;

/// Recordings one leg may be in at once.
const PER_LEG_MAX: usize = 4;

#[derive(Debug)]
pub(crate) struct Recording {
    key: RecordingKey,
    tenant: TenantId,
    left: LegId,
    right: Option<LegId>,
    pause: Option<GapCause>,
    /// Between the tones that both sides hear, in seconds.
    beep_s: Option<u32>,
    state: State,
    /// When it began to run here, and what a former process had recorded before.
    began: Duration,
    pub(crate) from_ms: u64,
}

impl Recording {
    /// The order that would make it, when it began and why it is silent.
    pub(crate) fn order(&self, recording: RecordingId) -> (LegCommand, Duration, Option<GapCause>) {
        let Self { tenant, left, right, beep_s, .. } = *self;
        (LegCommand::Record { recording, tenant, left, right, beep_s }, self.began, self.pause)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// The left leg has no media yet.
    Waiting,
    Running,
    /// Waiting for telephony's word that the file is complete.
    Stopping,
}

impl Switch {
    pub(crate) fn record(
        &mut self,
        id: RecordingId,
        tenant: TenantId,
        left: LegId,
        right: Option<LegId>,
        beep_s: Option<u32>,
    ) {
        let living = |leg: LegId| self.legs.get(&leg).is_some_and(|l| !l.is_ending() && l.tenant == tenant);
        let running =
            |id: &RecordingId| self.recordings.get(id).is_some_and(|r| r.left == left && r.state != State::Stopping);
        let of_left = self.recordings_of(left).into_iter().filter(running).count();
        // Recordings whose files are still being closed count too, so that a stuck disk cannot fill the table.
        let full = self.recordings.len() >= self.config.max_legs.saturating_mul(2);
        let dead = !living(left) || right.is_some_and(|right| !living(right));
        // Ordered again after a restart, in case the order was lost.
        if self.recordings.contains_key(&id) {
            return;
        }
        if dead || full || of_left >= PER_LEG_MAX {
            // Often the order crossed the end of a leg.
            tracing::debug!(recording = %id, dead, full, "recording not started");
            return self.nothing_recorded(id);
        }
        let (pause, state, began) = (None, State::Waiting, self.now);
        let key = RecordingKey(self.next_number());
        self.begin_recording(id, Recording { key, tenant, left, right, pause, beep_s, state, began, from_ms: 0 });
    }

    /// Goes on with a recording of a former process, `passed` after it began; whose it is. `None` when its legs are not there.
    pub(crate) fn resume_recording(
        &mut self,
        id: RecordingId,
        order: LegCommand,
        passed: Duration,
        pause: Option<GapCause>,
    ) -> Option<TenantId> {
        let LegCommand::Record { recording: _, tenant, left, right, beep_s } = order else { return None };
        let living = |leg: LegId| self.legs.get(&leg).is_some_and(|l| !l.is_ending() && l.tenant == tenant);
        if !living(left) || right.is_some_and(|right| !living(right)) {
            return None;
        }
        let from_ms = u64::try_from(passed.as_millis()).unwrap_or(0);
        let (state, began) = (State::Waiting, self.now);
        let key = RecordingKey(self.next_number());
        self.begin_recording(id, Recording { key, tenant, left, right, pause, beep_s, state, began, from_ms });
        Some(tenant)
    }

    fn begin_recording(&mut self, id: RecordingId, recording: Recording) {
        self.by_recording.insert(recording.key, id);
        self.recorded_legs.extend([recording.left].into_iter().chain(recording.right).map(|leg| (leg, id)));
        self.recordings.insert(id, recording);
        self.run_recording(id);
    }

    /// Starts a waiting recording if its left leg has sound, and brings a running one up to date.
    fn run_recording(&mut self, id: RecordingId) {
        let now = self.now;
        let Some(recording) = self.recordings.get_mut(&id) else { return };
        let is_fax = |leg: LegId| self.legs.get(&leg).is_some_and(Leg::is_fax);
        let fax = is_fax(recording.left) || recording.right.is_some_and(is_fax);
        let media_of = |leg: LegId| self.legs.get(&leg).and_then(Leg::media_key);
        let Some(left) = media_of(recording.left) else { return };
        let right: Vec<_> = recording.right.and_then(media_of).into_iter().collect();
        let (key, tenant, pause, from_ms) = (recording.key, recording.tenant, recording.pause, recording.from_ms);
        let pause = pause.or(fax.then_some(GapCause::Fax));
        let beep = recording.beep_s.map(|s| Duration::from_secs(s.into()));
        match recording.state {
            State::Waiting => {
                recording.state = State::Running;
                recording.began = now;
                self.emit(Output::OpenRecording { recording: key, id, tenant });
                self.media(media::Command::Record { recording: key, left, right: right.clone(), beep, from_ms });
                if pause.is_some() {
                    self.media(media::Command::UpdateRecord {
                        recording: key,
                        left,
                        right,
                        pause: pause.map(reason_of),
                    });
                }
            }
            State::Running => {
                self.media(media::Command::UpdateRecord { recording: key, left, right, pause: pause.map(reason_of) })
            }
            State::Stopping => return,
        }
        self.keep_recording(id);
    }

    pub(crate) fn pause_recording(&mut self, id: RecordingId, why: Option<GapCause>) {
        let Some(recording) = self.recordings.get_mut(&id) else { return };
        if recording.pause != why {
            recording.pause = why;
            self.run_recording(id);
        }
    }

    pub(crate) fn stop_recording(&mut self, id: RecordingId) {
        let Some(recording) = self.recordings.get_mut(&id) else { return };
        let key = recording.key;
        match recording.state {
            State::Waiting => {
                self.drop_recording(id);
                self.nothing_recorded(id);
            }
            State::Running => {
                recording.state = State::Stopping;
                self.forget(Kept::Recording(id));
                self.media(media::Command::StopRecord { recording: key });
            }
            State::Stopping => {}
        }
    }

    fn nothing_recorded(&mut self, recording: RecordingId) {
        self.tell(LegEvent::RecordingEnded { recording, length_ms: 0, gaps: Vec::new() });
    }

    fn drop_recording(&mut self, id: RecordingId) {
        if let Some(recording) = self.recordings.remove(&id) {
            self.by_recording.remove(&recording.key);
            for leg in [recording.left].into_iter().chain(recording.right) {
                self.recorded_legs.remove(&(leg, id));
            }
        }
    }

    fn recordings_of(&self, leg: LegId) -> Vec<RecordingId> {
        let all = (leg, RecordingId(0))..=(leg, RecordingId(u128::MAX));
        self.recorded_legs.range(all).map(|(_, id)| *id).collect()
    }

    /// A leg ended: so does every recording it is a side of, since talk is over at that instant.
    pub(crate) fn stop_recordings_of(&mut self, leg: LegId) {
        for id in self.recordings_of(leg) {
            self.stop_recording(id);
        }
    }

    /// A leg's sound began: recordings that waited for it go on.
    pub(crate) fn recordings_of_ready(&mut self, leg: LegId) {
        for id in self.recordings_of(leg) {
            self.run_recording(id);
        }
    }

    pub(crate) fn on_recording_started(&mut self, key: RecordingKey) {
        if let Some(&recording) = self.by_recording.get(&key) {
            self.tell(LegEvent::RecordingStarted { recording });
        }
    }

    pub(crate) fn on_recording_ended(&mut self, key: RecordingKey, length_ms: u64, gaps: Vec<Gap>) {
        if let Some(&recording) = self.by_recording.get(&key) {
            self.drop_recording(recording);
            self.forget(Kept::Recording(recording));
            self.tell(LegEvent::RecordingEnded { recording, length_ms, gaps });
        }
    }
}

fn reason_of(cause: GapCause) -> GapReason {
    match cause {
        GapCause::Hold => GapReason::Hold,
        GapCause::Mask => GapReason::Mask,
        GapCause::Fax => GapReason::Fax,
        GapCause::Lost => GapReason::Lost,
    }
}
