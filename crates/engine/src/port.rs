//! Where the engine meets telephony: plain values of `domain` on bounded channels, wired by the binary.
use std::collections::BTreeMap;
use std::sync::Arc;

use domain::device::{DeviceReport, DeviceSignal};
use domain::directory::Directory;
use domain::id::TenantId;
use domain::leg::{LegCommand, LegEvent, Outlived};
use domain::trunk::{TrunkReport, TrunkSignal};
use tokio::sync::mpsc;

/// To telephony.
#[derive(Debug, Clone)]
pub enum Down {
    Leg(LegCommand),
    Device(DeviceSignal),
    Trunk(TrunkSignal),
    Directory(Arc<Directory>),
}

/// From telephony. Never dropped: the channel's sender waits.
#[derive(Debug, Clone)]
pub enum Up {
    Leg(LegEvent),
    Device(DeviceReport),
    Trunk(TrunkReport),
}

/// Telephony's inbox is full or gone; the command was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("telephony does not take commands")]
pub struct PortClosed;

pub struct TelephonyPort {
    /// Must not block for long; called from async tasks.
    pub down: Arc<dyn Fn(Down) -> Result<(), PortClosed> + Send + Sync>,
    pub up: mpsc::Receiver<Up>,
    /// What of the former process's calls telephony goes on with; their events come by `up`.
    pub outlived: BTreeMap<TenantId, Outlived>,
}
