//! Transactions: the four machines of RFC 3261 §17 with the corrections of RFC 6026, as pure state machines.
//!
//! They hold no messages and no sockets: each step says what its owner (`endpoint`) should do. Time is since start.

mod client;
mod key;
mod server;

pub use client::{ClientStep, ClientTransaction};
pub use key::ServerKey;
pub use server::{ServerStep, ServerTransaction};

use std::time::Duration;

/// INVITE transactions have other states than all the rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Invite,
    NonInvite,
}

/// RFC 3261 table 4.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timers {
    /// Round trip estimate, 500 ms.
    pub t1: Duration,
    /// Longest interval between repeats, 4 s.
    pub t2: Duration,
    /// Longest life of a message in the network, 5 s.
    pub t4: Duration,
}

impl Default for Timers {
    fn default() -> Self {
        Self { t1: Duration::from_millis(500), t2: Duration::from_secs(4), t4: Duration::from_secs(5) }
    }
}

impl Timers {
    /// 64·T1, the patience of every transaction.
    pub fn patience(&self) -> Duration {
        self.t1 * 64
    }
}
