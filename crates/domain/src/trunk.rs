//! How trunks get on, as telephony finds out, and what it finds when it is asked to test one. Beside the floor, which knows
//! only whether a trunk can carry calls ([`crate::input::Input::TrunkChanged`]).
use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use crate::id::{TenantId, TrunkId};

/// Wishes about trunks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TrunkSignal {
    /// Try it out, step by step; ends with [`TrunkReport::Tested`] of the same number.
    Test { test: u64, tenant: TenantId, trunk: TrunkId },
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TrunkReport {
    /// Each change, and each new measurement.
    Status { tenant: TenantId, trunk: TrunkId, status: TrunkStatus },
    /// The steps that were tried; the last may have failed. Empty: there is no such trunk.
    Tested { test: u64, steps: Vec<TestStep> },
}

/// How a trunk is doing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrunkStatus {
    pub state: TrunkState,
    /// Unix milliseconds since when it is so.
    pub since: i64,
    /// Why it is unreachable.
    pub fault: Option<TrunkFault>,
    /// What the other end said to that, if it said anything.
    pub sip_status: Option<u16>,
    /// Of the last question that was answered.
    pub round_trip_ms: Option<u32>,
    /// Unix milliseconds until when the registration holds.
    pub registered_until: Option<i64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TrunkState {
    /// Being drained: no new calls.
    Drained,
    /// Nobody asks whether its other end lives: calls show.
    Unchecked,
    /// The first answer has not come.
    Connecting,
    Registered,
    /// It answers; there is no registration to be had.
    Reachable,
    /// Calls go another way until it answers.
    Unreachable,
}

impl TrunkState {
    /// May calls of ours go by it?
    pub fn carries(self) -> bool {
        !matches!(self, TrunkState::Unreachable | TrunkState::Drained)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TrunkFault {
    /// The host has no address.
    NameUnknown,
    /// Nothing came back.
    Silent,
    /// The network says that nobody listens there.
    Refused,
    /// The other end does not take our user name and password (401, 403, 407).
    Credentials,
    /// The other end does not know our account (404).
    AccountUnknown,
    /// It refused with another status.
    Rejected,
}

/// One step of a test.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TestStep {
    pub step: TestStage,
    /// Why it failed; none if it went well.
    pub fault: Option<TrunkFault>,
    pub sip_status: Option<u16>,
    /// Whom it was tried with.
    pub address: Option<SocketAddr>,
    /// Of the look-up: all that was found, in the order of trying.
    #[serde(default)]
    pub addresses: Vec<SocketAddr>,
    pub round_trip_ms: Option<u32>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TestStage {
    /// The host's name has an address.
    Resolve,
    /// The other end answers a question (OPTIONS).
    Answer,
    /// It takes our user name and password (REGISTER).
    SignIn,
}
