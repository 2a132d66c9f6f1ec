//! Why the engine can go on no more: the process must end and be started again. Set once by a floor's task or the
//! heartbeat, awaited by the binary through [`crate::Engine::failed`].
use domain::id::FloorId;
use tokio::sync::watch;

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// What was decided here and not written must not happen twice.
    #[error("floor {floor} was taken over by another process, so this one stops: run one server per database")]
    LostFloor { floor: FloorId },
    /// A floor without its task takes no call; a new start restores it from the journal.
    #[error("floor {floor} ended on an error of the program, so the server must be started again")]
    FloorEnded { floor: FloorId },
}

/// The first failure stays.
pub type Failed = watch::Sender<Option<Failure>>;

pub fn fail(failed: &Failed, why: Failure) {
    tracing::error!("{why}");
    failed.send_if_modified(|first| {
        let is_first = first.is_none();
        first.get_or_insert(why);
        is_first
    });
}
