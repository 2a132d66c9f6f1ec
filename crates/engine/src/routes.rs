//! Which tenant a leg or a recording belongs to, so that telephony's events find their floor.
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use domain::id::{LegId, RecordingId, TenantId};
use domain::leg::{LegCommand, LegEvent, Outlived};

#[derive(Default)]
pub struct Routes {
    inner: Mutex<Inner>,
}

/// Bounded by telephony's own limit of legs; entries go with `Ended`.
#[derive(Default)]
struct Inner {
    legs: HashMap<LegId, TenantId>,
    recordings: HashMap<RecordingId, TenantId>,
}

impl Routes {
    fn inner(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Learns from a command on its way down.
    pub fn learn_command(&self, tenant: TenantId, command: &LegCommand) {
        match command {
            LegCommand::Originate { leg, .. } => {
                self.inner().legs.insert(*leg, tenant);
            }
            LegCommand::Record { recording, .. } => {
                self.inner().recordings.insert(*recording, tenant);
            }
            LegCommand::Ring { .. }
            | LegCommand::Answer { .. }
            | LegCommand::EarlyMedia { .. }
            | LegCommand::Reject { .. }
            | LegCommand::Hangup { .. }
            | LegCommand::Play { .. }
            | LegCommand::StopPlay { .. }
            | LegCommand::Bridge { .. }
            | LegCommand::Mute { .. }
            | LegCommand::SendDigits { .. }
            | LegCommand::RefuseTransfer { .. }
            | LegCommand::PauseRecording { .. }
            | LegCommand::StopRecording { .. } => {}
        }
    }

    pub fn learn_offered(&self, leg: LegId, tenant: TenantId) {
        self.inner().legs.insert(leg, tenant);
    }

    /// Learns what goes on from before the start.
    pub fn learn_outlived(&self, tenant: TenantId, outlived: &Outlived) {
        let mut inner = self.inner();
        inner.legs.extend(outlived.legs.keys().map(|leg| (*leg, tenant)));
        inner.recordings.extend(outlived.recordings.iter().map(|recording| (*recording, tenant)));
    }

    /// The tenant concerned; forgets what ended.
    pub fn tenant_of(&self, event: &LegEvent) -> Option<TenantId> {
        let mut inner = self.inner();
        match event {
            LegEvent::Ended { leg, .. } => inner.legs.remove(leg),
            LegEvent::RecordingStarted { recording } => inner.recordings.get(recording).copied(),
            LegEvent::RecordingEnded { recording, .. } => inner.recordings.remove(recording),
            other => other.leg().and_then(|leg| inner.legs.get(&leg).copied()),
        }
    }
}
