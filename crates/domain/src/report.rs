//! Reports: one fold over the journal's segments.
use serde::{Deserialize, Serialize};

/// Sums of one queue and interval (or of many: they add up). Ratios are computed from these by one formula each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Measures {
    /// Entered the queue.
    pub offered: u64,
    pub answered: u64,
    /// Answered within the service-level time.
    pub answered_in_time: u64,
    /// Left before an answer, short ones included.
    pub abandoned: u64,
    pub short_abandons: u64,
    /// Sent elsewhere by overflow.
    pub overflowed: u64,
    /// Ended by a restart, a lost leg or a supervisor while waiting.
    pub lost: u64,
    /// Offers made to agents, and those missed or declined.
    pub offers: u64,
    pub offers_missed: u64,
    pub offers_declined: u64,
    /// Waits of the answered ones, and of the abandoned ones.
    pub wait_ms: u64,
    pub abandon_wait_ms: u64,
    pub wait_ms_max: u64,
    pub talk_ms: u64,
    pub hold_ms: u64,
    pub wrap_ms: u64,
    /// Agent segments that reached a conversation and ended.
    pub handled: u64,
    /// Available and idle time of the queue's members.
    pub idle_ms: u64,
}
