//! Who is offered what: waiting work × free agents × rules → offers, each with the reasons for it.
use serde::{Deserialize, Serialize};

use crate::config::Strategy;
use crate::id::AgentId;

/// Why this agent was chosen; ids and numbers only, part of the offer's event and shown in words by the console.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DecisionTrace {
    pub strategy: Strategy,
    pub waited_ms: u64,
    /// Interaction's and queue's priority together.
    pub priority: i32,
    /// Place among the queue's waiting work when chosen; 1 is first.
    pub place: u32,
    /// Best first: the first one got the offer. At most [`TRACE_MAX`].
    pub candidates: Vec<Candidate>,
    pub excluded: Vec<Excluded>,
    /// How many more candidates and exclusions there were than listed.
    pub left_out: u32,
}

/// Longest list in a trace: enough to explain a choice, small enough for an event.
pub const TRACE_MAX: usize = 16;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Candidate {
    pub agent: AgentId,
    /// Of the membership; 1 is asked first.
    pub priority: u8,
    /// Summed over the required skills.
    pub level: u32,
    pub idle_ms: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Excluded {
    pub agent: AgentId,
    pub why: Exclusion,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Exclusion {
    NotSignedIn,
    Offline,
    OnBreak,
    /// A required skill is missing or its level too low.
    Skill,
    DeviceNotReady,
    /// Offered, busy, or in wrap-up up to his capacity; voice excludes everything else.
    Capacity,
    /// Missed or declined this one a moment ago.
    AskedBefore,
    /// Is leaving after his present work.
    Leaving,
    /// Got another offer in this very round.
    TakenNow,
}
