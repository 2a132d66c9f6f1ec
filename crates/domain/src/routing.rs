//! Who is offered what: waiting work × free agents × rules → offers, each with the reasons for it.
//!
//! The rules are written down twice. [`naive::assign`] is a plain scan over everything, meant to be read; the
//! [`Index`] keeps who waits and who is free in order and is told of changes, so that a decision costs the same with
//! ten agents and with ten thousand. The floor decides by the index; in debug builds every decision is compared with the
//! scan's, and a test does so for random events.
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::command::Presence;
use crate::config::Strategy;
use crate::id::{AgentId, QueueId, SegmentId};
use crate::medium::{Medium, PerMedium};
use crate::time::Timestamp;

mod ids;
mod index;
mod line;
pub mod naive;
mod staff;

pub use index::Index;

/// Why this agent was chosen; ids and numbers only, part of the offer's event and shown in words by the console.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DecisionTrace {
    pub strategy: Strategy,
    pub waited_ms: u64,
    /// Interaction's and queue's priority together.
    pub priority: i32,
    /// Place among what waits in the queue for the same medium when chosen: 1 is first, more means that nobody who was
    /// free could take those before.
    pub place: u32,
    /// Best first: the first one got the offer. At most [`TRACE_MAX`].
    pub candidates: Vec<Candidate>,
    /// Members in the queue's order. At most [`TRACE_MAX`].
    pub excluded: Vec<Excluded>,
    /// How many more candidates and exclusions there were than listed.
    pub left_out: u32,
}

/// Longest list in a trace: enough to explain a choice, small enough for an event of every call.
pub const TRACE_MAX: usize = 8;

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

/// Work in a queue that no agent is being offered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    pub segment: SegmentId,
    pub queue: QueueId,
    pub medium: Medium,
    pub priority: i32,
    pub since: Timestamp,
    /// Place in line: the earliest is served first, equal ones by segment id, which grows with arrival (R4).
    pub virtual_since: Timestamp,
    /// Leaves the line then, and is offered to nobody from that moment on.
    pub until: Option<Timestamp>,
    /// Agents who must not be asked before the time given.
    pub refused: BTreeMap<AgentId, Timestamp>,
}

impl Waiting {
    fn is_due(&self, now: Timestamp) -> bool {
        self.until.is_some_and(|t| t <= now)
    }
}

/// An agent as routing sees him.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    pub signed_in: bool,
    pub leaving: bool,
    pub presence: Presence,
    pub device_ready: bool,
    /// Slots in use, offers and wrap-ups included.
    pub load: PerMedium<u8>,
    /// Available and idle since then; never in the future.
    pub idle_since: Timestamp,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assignment {
    pub segment: SegmentId,
    pub agent: AgentId,
    pub trace: DecisionTrace,
}

/// Voice is exclusive: nothing beside a call, and no call beside other work.
pub fn has_room(medium: Medium, load: &PerMedium<u8>, capacity: &PerMedium<u8>) -> bool {
    if *capacity.get(medium) == 0 || load.voice > 0 {
        return false;
    }
    match medium {
        Medium::Voice => load.chat == 0 && load.email == 0 && load.task == 0,
        Medium::Chat | Medium::Email | Medium::Task => load.get(medium) < capacity.get(medium),
    }
}
