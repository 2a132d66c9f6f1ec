//! The live board: a floor view with names and addresses filled in.
use domain::id::{AgentId, InteractionId, QueueId, SegmentId, TeamId};
use serde::Serialize;
use utoipa::ToSchema;

use super::common::{Localized, Medium};
use super::desk::{AddressView, NumberRef, Presence, Watching};
use super::quality::CallQuality;
use super::words;

/// The live board.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct LiveView {
    pub at: i64,
    pub totals: LiveTotals,
    pub queues: Vec<LiveQueue>,
    pub agents: Vec<LiveAgent>,
    pub interactions: Vec<LiveInteraction>,
}

impl LiveAgent {
    /// For those who may not see customers' numbers.
    pub fn mask(&mut self) {
        self.work.iter_mut().filter_map(|w| w.from.as_mut()).for_each(AddressView::mask);
    }
}

impl LiveInteraction {
    /// For those who may not see customers' numbers.
    pub fn mask(&mut self) {
        self.from.iter_mut().for_each(AddressView::mask);
    }
}

/// The tenant as a whole.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct LiveTotals {
    pub counts: AgentCounts,
    pub calls: u32,
    pub calls_max: u32,
    pub seats: u32,
    pub seats_max: u32,
    /// The journal is written to the spool because the database is slow or away.
    pub degraded: bool,
    /// Neither database nor spool can be written: new calls are refused until there is room again.
    pub refusing: bool,
}

/// Agents by what they do; each counts once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, ToSchema)]
pub struct AgentCounts {
    pub idle: u32,
    pub offered: u32,
    pub busy: u32,
    pub wrap_up: u32,
    pub on_break: u32,
    /// Signed in, but the device is not ready.
    pub not_ready: u32,
    pub offline: u32,
}

impl From<domain::view::AgentCounts> for AgentCounts {
    fn from(c: domain::view::AgentCounts) -> Self {
        Self {
            idle: c.idle,
            offered: c.offered,
            busy: c.busy,
            wrap_up: c.wrap_up,
            on_break: c.on_break,
            not_ready: c.not_ready,
            offline: c.offline,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct LiveQueue {
    #[schema(value_type = String)]
    pub id: QueueId,
    pub name: Localized,
    pub open: bool,
    /// Waiting, those being offered included.
    pub waiting: u32,
    /// When the longest waiting one arrived; null if nobody waits.
    pub longest_since_at: Option<i64>,
    pub agents: AgentCounts,
    /// Since midnight in the tenant's time zone.
    pub today: super::analysis::Figures,
}

#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct LiveAgent {
    #[schema(value_type = String)]
    pub id: AgentId,
    pub name: String,
    pub extension: String,
    #[schema(value_type = Option<String>)]
    pub team: Option<TeamId>,
    pub signed_in: bool,
    pub leaving: bool,
    pub presence: Presence,
    /// Name of the break reason, if on a break.
    pub break_reason: Option<Localized>,
    pub presence_since_at: i64,
    #[schema(value_type = words::Occupancy)]
    pub occupancy: domain::command::Occupancy,
    pub occupancy_since_at: i64,
    pub device_ready: bool,
    /// `browser`, `sip` or `uri`.
    pub device_kind: Option<String>,
    pub work: Vec<LiveWork>,
}

#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct LiveWork {
    #[schema(value_type = String)]
    pub interaction: InteractionId,
    #[schema(value_type = Option<String>)]
    pub queue: Option<QueueId>,
    pub medium: Medium,
    pub from: Option<AddressView>,
    #[schema(value_type = words::SegmentState)]
    pub state: domain::event::SegmentState,
    pub state_since_at: i64,
    #[schema(value_type = String)]
    pub segment: SegmentId,
    /// A recording runs, masked or not.
    pub recorded: bool,
    /// Nothing of the interaction is recorded until then, or until somebody says so.
    pub masked_until_at: Option<i64>,
    /// This is not an agent's work but a supervisor's.
    pub watching: Option<Watching>,
    /// While one of both ends sounds less than good.
    pub quality: Option<CallQuality>,
}

#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct LiveInteraction {
    #[schema(value_type = String)]
    pub id: InteractionId,
    pub medium: Medium,
    #[schema(value_type = words::Direction)]
    pub direction: domain::event::Direction,
    pub number: Option<NumberRef>,
    pub from: Option<AddressView>,
    pub started_at: i64,
    pub segments: Vec<LiveSegment>,
    /// Nothing of it is recorded until then, or until somebody says so.
    pub masked_until_at: Option<i64>,
}

#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct LiveSegment {
    #[schema(value_type = String)]
    pub segment: SegmentId,
    #[schema(value_type = Option<String>)]
    pub queue: Option<QueueId>,
    #[schema(value_type = Option<String>)]
    pub agent: Option<AgentId>,
    #[schema(value_type = words::SegmentState)]
    pub state: domain::event::SegmentState,
    pub started_at: i64,
    pub state_since_at: i64,
    /// A recording of it runs, masked or not.
    pub recorded: bool,
    /// A supervisor's segment.
    pub watching: Option<Watching>,
}
