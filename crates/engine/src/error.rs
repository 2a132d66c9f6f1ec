//! Why the engine refuses or fails, with the stable codes that outsiders see.
use domain::input::{RejectCode, Rejected};

#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// The floor refused it.
    #[error("{}", .0.as_str())]
    Rejected(RejectCode),
    /// The process is shutting down.
    #[error("engine is stopping")]
    Stopping,
    #[error("tenant has no floor here")]
    NoFloor,
    #[error("no sample number leads into a queue")]
    NoDemoNumber,
    #[error("too many demo calls at once")]
    DemoBusy,
    #[error("too many tests of trunks at once")]
    TestsBusy,
    #[error("telephony does not take commands")]
    Telephony,
    /// Neither the database nor the node's spool takes anything: nothing new may begin.
    #[error("nothing can be saved")]
    NotSaved,
    #[error("store: {0}")]
    Store(#[from] store::Error),
}

impl From<Rejected> for CommandError {
    fn from(rejected: Rejected) -> Self {
        CommandError::Rejected(rejected.code)
    }
}

impl CommandError {
    /// Stable code for the outside.
    pub fn code(&self) -> &'static str {
        match self {
            CommandError::Rejected(code) => code.as_str(),
            CommandError::Stopping => "system.stopping",
            CommandError::NoFloor => "tenant.not_found",
            CommandError::NoDemoNumber => "demo.unavailable",
            CommandError::DemoBusy => "limit.demo_calls",
            CommandError::TestsBusy => "limit.trunk_tests",
            CommandError::Telephony => "system.telephony",
            CommandError::NotSaved => "system.not_saved",
            CommandError::Store(_) => "system.store",
        }
    }
}
