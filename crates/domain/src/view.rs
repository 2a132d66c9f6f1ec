//! Snapshots of the floor for screens: the agent's desk and the live board. Ids only; `api` adds names and addresses.
//! Built on request by [`crate::floor::Floor`]; nothing reads them back.
use std::collections::BTreeMap;

use serde::Serialize;

use crate::command::{Occupancy, Presence, SeatClass, WatchMode};
use crate::device::DeviceLoss;
use crate::effect::Handover;
use crate::event::{Direction, PresenceCause, SegmentState};
use crate::id::{
    AddressId, AgentId, DeviceId, DispositionId, FloorId, InteractionId, LegId, NumberId, OfferId, QueueId,
    RecordingId, SegmentId, TeamId, TenantId,
};
use crate::leg::Verified;
use crate::localized::Lang;
use crate::medium::Medium;
use crate::recording::{RecordMode, RuleOf};
use crate::report::Measures;
use crate::time::Timestamp;

/// What the company's calls to the outside cost, those that are up included; minor units of its currency.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SpendView {
    /// ISO 4217.
    pub currency: String,
    pub day: SpendSum,
    pub month: SpendSum,
    /// Agents who have nearly or wholly spent what is allowed them a day.
    pub agents: Vec<(AgentId, SpendSum)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct SpendSum {
    pub spent: u64,
    /// The limit, if there is one.
    pub most: Option<u64>,
    /// The share at which the alarm is given is spent.
    pub near: bool,
    pub reached: bool,
}

/// Everything a desk shows about its agent.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AgentView {
    pub agent: AgentId,
    pub team: Option<TeamId>,
    pub signed_in: bool,
    pub seat: Option<SeatClass>,
    /// The desk (or API session) holds the presence lease.
    pub lease: bool,
    /// Signs out when the present work is done.
    pub leaving: bool,
    pub presence: Presence,
    pub presence_since: Timestamp,
    /// Why it is what it is, such as `missed_offer`; none before the first change.
    pub presence_why: Option<PresenceCause>,
    pub occupancy: Occupancy,
    pub occupancy_since: Timestamp,
    pub device: Option<DeviceView>,
    pub offers: Vec<OfferView>,
    /// Oldest first.
    pub work: Vec<WorkView>,
    /// Customers in parking places, everybody's, oldest first.
    pub parked: Vec<ParkedView>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ParkedView {
    pub interaction: InteractionId,
    pub place: u16,
    pub by: AgentId,
    pub queue: Option<QueueId>,
    pub from: Option<AddressId>,
    pub since: Timestamp,
    /// When he comes back.
    pub until: Timestamp,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DeviceView {
    pub device: DeviceId,
    /// Offers reach it.
    pub ready: bool,
    /// Why not, if it was ready once; else it has never connected.
    pub lost: Option<DeviceLoss>,
    pub since: Timestamp,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct OfferView {
    pub offer: OfferId,
    pub agent: AgentId,
    pub interaction: InteractionId,
    pub segment: SegmentId,
    pub medium: Medium,
    pub queue: Option<QueueId>,
    pub from: Option<AddressId>,
    /// Who was called first, before the call was sent on to us.
    pub diverted: Option<AddressId>,
    pub verified: Option<Verified>,
    pub number: Option<NumberId>,
    /// Answered on the ringing device itself: no accept button.
    pub device_rings: bool,
    pub since: Timestamp,
    pub until: Timestamp,
    /// Waited before the offer.
    pub waited_ms: u64,
    /// A colleague sends this, or asks about it.
    pub handover: Option<Handover>,
}

/// One agent segment that is past its offer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct WorkView {
    pub interaction: InteractionId,
    pub segment: SegmentId,
    /// Of the agent's device and of the customer, as long as they live.
    pub leg: Option<LegId>,
    pub customer: Option<LegId>,
    pub medium: Medium,
    pub direction: Direction,
    pub queue: Option<QueueId>,
    pub from: Option<AddressId>,
    /// Who was called first, before the call was sent on to us.
    pub diverted: Option<AddressId>,
    pub verified: Option<Verified>,
    pub number: Option<NumberId>,
    pub lang: Lang,
    pub state: SegmentState,
    pub state_since: Timestamp,
    /// Of the interaction.
    pub started: Timestamp,
    pub answered: Option<Timestamp>,
    /// Of closed spans, as `hold_ms`: the present one began at `state_since`.
    pub talk_ms: u64,
    pub hold_ms: u64,
    pub muted: bool,
    /// Held by the agent's own phone: it must take the call back itself.
    pub peer_held: bool,
    pub recording: Option<RecordingId>,
    /// Whether the conversation is recorded and why; none before it begins.
    pub record: Option<RecordView>,
    /// Nothing of the interaction is recorded until then, or until somebody says so.
    pub masked_until: Option<Timestamp>,
    /// Dispositions to choose from and the one chosen.
    pub dispositions: Vec<DispositionId>,
    pub disposition: Option<DispositionId>,
    pub disposition_required: bool,
    pub wrap_up_until: Option<Timestamp>,
    /// What the caller keyed in or the flow set; sensitive digits are not among them.
    pub variables: BTreeMap<String, String>,
    /// The party this agent consults.
    pub consult: Option<PartyView>,
    /// The colleague who asks this agent, as long as that is all.
    pub asked_by: Option<AgentId>,
    /// Others who have to do with the customer at the same time.
    pub others: Vec<PartyView>,
    /// Supervisors of whom this agent may know.
    pub watchers: Vec<WatcherView>,
    /// This is a supervisor's: whose conversation he is in, and how.
    pub watching: Option<WatchingView>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct RecordView {
    pub on: bool,
    /// The agent may start and stop it.
    pub on_demand: bool,
    pub mode: RecordMode,
    pub of: RuleOf,
}

/// Another agent, a device or somebody outside in the same interaction.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PartyView {
    pub segment: SegmentId,
    pub agent: Option<AgentId>,
    pub device: Option<DeviceId>,
    pub outside: Option<AddressId>,
    pub state: SegmentState,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct WatcherView {
    pub agent: AgentId,
    pub mode: WatchMode,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct WatchingView {
    pub target: SegmentId,
    pub agent: Option<AgentId>,
    pub mode: WatchMode,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct QueueView {
    pub queue: QueueId,
    pub open: bool,
    /// Waiting, those being offered included.
    pub waiting: u32,
    pub longest_wait_ms: u64,
    pub agents: AgentCounts,
    /// Since midnight in the tenant's time zone, by event interval.
    pub today: Measures,
}

/// Members of a queue (or all agents) by what they do; each counts once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct AgentCounts {
    pub idle: u32,
    pub offered: u32,
    pub busy: u32,
    pub wrap_up: u32,
    pub on_break: u32,
    /// Available or not: signed in, but the device is not ready.
    pub not_ready: u32,
    pub offline: u32,
}

/// One live interaction on the board.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LiveView {
    pub interaction: InteractionId,
    pub medium: Medium,
    pub direction: Direction,
    pub number: Option<NumberId>,
    pub from: Option<AddressId>,
    pub started: Timestamp,
    /// Live segments, oldest first.
    pub segments: Vec<LiveSegment>,
    /// Nothing of it is recorded until then, or until somebody says so.
    pub masked_until: Option<Timestamp>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LiveSegment {
    pub segment: SegmentId,
    pub queue: Option<QueueId>,
    pub agent: Option<AgentId>,
    pub state: SegmentState,
    pub started: Timestamp,
    pub state_since: Timestamp,
    /// A conversation that is recorded, masked or not.
    pub recorded: bool,
    /// A supervisor's: whose conversation he is in, and how.
    pub watching: Option<WatchingView>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FloorView {
    /// The database is slow or away: facts go to the node's spool. The floor itself never says so, its owner does.
    pub degraded: bool,
    /// Facts cannot be saved anywhere, so new work is refused; by the owner too.
    pub refusing: bool,
    pub floor: FloorId,
    pub tenant: TenantId,
    pub rev: u64,
    pub at: Timestamp,
    pub seq: u64,
    pub agents: Vec<AgentView>,
    pub queues: Vec<QueueView>,
    pub interactions: Vec<LiveView>,
    pub counts: AgentCounts,
    /// Customer legs alive, of `calls_max`.
    pub calls: u32,
    pub calls_max: u32,
    pub seats: u32,
    pub seats_max: u32,
    /// None without prices.
    pub spend: Option<SpendView>,
}
