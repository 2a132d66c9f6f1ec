//! The agent's desk and the live board: floor views with names and addresses filled in, and the commands they send.
use std::collections::BTreeMap;

use domain::id::{
    AgentId, BreakReasonId, DeviceId, DispositionId, FlowId, InteractionId, NumberId, OfferId, PromptId, QueueId,
    RecordingId, SegmentId, TeamId,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::common::{AgentRef, Lang, Localized, Medium, QueueRef};
use super::quality::CallQuality;
use super::words;

/// The agent's choice of presence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum Presence {
    Available,
    Break {
        #[schema(value_type = String)]
        reason: BreakReasonId,
    },
    Offline,
}

impl From<domain::command::Presence> for Presence {
    fn from(p: domain::command::Presence) -> Self {
        use domain::command::Presence as P;
        match p {
            P::Available => Presence::Available,
            P::Break { reason } => Presence::Break { reason },
            P::Offline => Presence::Offline,
        }
    }
}

impl From<Presence> for domain::command::Presence {
    fn from(p: Presence) -> Self {
        use domain::command::Presence as P;
        match p {
            Presence::Available => P::Available,
            Presence::Break { reason } => P::Break { reason },
            Presence::Offline => P::Offline,
        }
    }
}

/// What an agent may ask of the floor.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(tag = "command", rename_all = "snake_case")]
pub enum AgentCommand {
    /// Take a seat. A tab signs in by leading and needs not send this.
    SignIn {
        /// Left out: the agent's browser device.
        #[serde(default)]
        #[schema(value_type = Option<String>)]
        device: Option<DeviceId>,
    },
    SignOut,
    SetPresence {
        presence: Presence,
    },
    AcceptOffer {
        #[schema(value_type = String)]
        offer: OfferId,
    },
    DeclineOffer {
        #[schema(value_type = String)]
        offer: OfferId,
    },
    Hold {
        #[schema(value_type = String)]
        segment: SegmentId,
    },
    Resume {
        #[schema(value_type = String)]
        segment: SegmentId,
    },
    Mute {
        #[schema(value_type = String)]
        segment: SegmentId,
        muted: bool,
    },
    /// On demand, where the rules leave it to the agent (`recording.ruled`).
    StartRecording {
        #[schema(value_type = String)]
        segment: SegmentId,
    },
    StopRecording {
        #[schema(value_type = String)]
        segment: SegmentId,
    },
    /// Nothing of the interaction is recorded, whoever takes part, until `unmask` or the company's time is over. Again:
    /// the time begins anew.
    Mask {
        #[schema(value_type = String)]
        segment: SegmentId,
    },
    Unmask {
        #[schema(value_type = String)]
        segment: SegmentId,
    },
    SendDigits {
        #[schema(value_type = String)]
        segment: SegmentId,
        #[schema(max_length = 32, pattern = "^[0-9*#A-D]{1,32}$")]
        digits: String,
    },
    HangUp {
        #[schema(value_type = String)]
        segment: SegmentId,
    },
    /// Call somebody outside: the agent's own device first, then the number.
    Dial {
        /// As a person writes it: digits, `+`, blanks, hyphens.
        #[schema(max_length = 40)]
        number: String,
        /// One of the company's numbers, shown to the callee; the company's own choice if left out.
        #[serde(default)]
        #[schema(value_type = Option<String>)]
        caller: Option<NumberId>,
    },
    /// Blind transfer. A target that does not answer sends the customer back into the line he came from.
    Transfer {
        #[schema(value_type = String)]
        segment: SegmentId,
        to: Target,
    },
    /// The customer is put on hold and an agent or a device called about him.
    Consult {
        #[schema(value_type = String)]
        segment: SegmentId,
        to: Target,
    },
    /// Between the customer and the party consulted.
    SwitchParty {
        #[schema(value_type = String)]
        segment: SegmentId,
    },
    /// The party consulted goes on with the customer.
    CompleteTransfer {
        #[schema(value_type = String)]
        segment: SegmentId,
    },
    /// All hear one another.
    Conference {
        #[schema(value_type = String)]
        segment: SegmentId,
    },
    EndConsult {
        #[schema(value_type = String)]
        segment: SegmentId,
    },
    /// The customer hears music in a parking place that every colleague sees; after two minutes he comes back.
    Park {
        #[schema(value_type = String)]
        segment: SegmentId,
    },
    /// Goes on with a parked customer.
    PickUp {
        #[schema(value_type = String)]
        interaction: InteractionId,
    },
    SetDisposition {
        #[schema(value_type = String)]
        segment: SegmentId,
        #[schema(value_type = String)]
        disposition: DispositionId,
        #[serde(default)]
        #[schema(max_length = 4000)]
        note: Option<String>,
    },
    EndWrapUp {
        #[schema(value_type = String)]
        segment: SegmentId,
    },
    ExtendWrapUp {
        #[schema(value_type = String)]
        segment: SegmentId,
        #[schema(maximum = 600_000)]
        by_ms: u64,
    },
}

/// Where a customer is sent, or who is asked about him.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(tag = "to", rename_all = "snake_case")]
pub enum Target {
    Agent {
        #[schema(value_type = String)]
        agent: AgentId,
    },
    /// Not a browser: a tab rings for its agent alone.
    Device {
        #[schema(value_type = String)]
        device: DeviceId,
    },
    Queue {
        #[schema(value_type = String)]
        queue: QueueId,
    },
    Flow {
        #[schema(value_type = String)]
        flow: FlowId,
    },
    Voicemail {
        #[serde(default)]
        #[schema(value_type = Option<String>)]
        greeting: Option<PromptId>,
    },
    /// Somebody outside, by the company's routes and rules.
    Outside {
        /// As a person writes it: digits, `+`, blanks, hyphens.
        #[schema(max_length = 40)]
        number: String,
        /// One of the company's numbers, shown to the callee; the company's own choice if left out.
        #[serde(default)]
        #[schema(value_type = Option<String>)]
        caller: Option<NumberId>,
    },
}

impl Target {
    /// None of somebody outside, of whom the floor knows no number.
    pub fn inside(self) -> Option<domain::command::Target> {
        use domain::command::Target as T;
        Some(match self {
            Target::Agent { agent } => T::Agent { agent },
            Target::Device { device } => T::Device { device },
            Target::Queue { queue } => T::Queue { queue },
            Target::Flow { flow } => T::Flow { flow },
            Target::Voicemail { greeting } => T::Voicemail { greeting },
            Target::Outside { .. } => return None,
        })
    }
}

/// What a transfer or consultation can be aimed at just now.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Targets {
    /// Colleagues who are signed in, the free ones first.
    pub agents: Vec<TargetAgent>,
    pub queues: Vec<TargetQueue>,
    /// Phones of no agent.
    pub devices: Vec<TargetDevice>,
    pub flows: Vec<Choice>,
}

#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct TargetAgent {
    #[schema(value_type = String)]
    pub id: AgentId,
    pub name: String,
    pub extension: String,
    /// Could be called at once.
    pub free: bool,
    #[schema(value_type = words::Occupancy)]
    pub occupancy: domain::command::Occupancy,
    pub presence: Presence,
}

#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct TargetQueue {
    #[schema(value_type = String)]
    pub id: QueueId,
    pub name: Localized,
    pub open: bool,
    pub waiting: u32,
    /// Members who could be offered work at once.
    pub idle: u32,
}

#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct TargetDevice {
    #[schema(value_type = String)]
    pub id: DeviceId,
    pub name: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(tag = "command", rename_all = "snake_case")]
pub enum SupervisorCommand {
    SetAgentPresence {
        #[schema(value_type = String)]
        agent: AgentId,
        presence: Presence,
    },
    SignOutAgent {
        #[schema(value_type = String)]
        agent: AgentId,
    },
    /// Hangs up every leg; agents go to wrap-up.
    EndInteraction {
        #[schema(value_type = String)]
        interaction: InteractionId,
    },
    /// Take part in an agent's conversation by the device at which one is signed in, or change how.
    Watch {
        #[schema(value_type = String)]
        interaction: InteractionId,
        #[schema(value_type = String)]
        segment: SegmentId,
        #[schema(value_type = words::WatchMode)]
        mode: domain::command::WatchMode,
    },
    StopWatching {
        #[schema(value_type = String)]
        interaction: InteractionId,
    },
    /// Go on with the customer in the agent's stead; he wraps up.
    TakeOver {
        #[schema(value_type = String)]
        interaction: InteractionId,
        #[schema(value_type = String)]
        segment: SegmentId,
    },
}

/// What a socket may ask: told apart by the word in `command`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(untagged)]
pub enum Command {
    Agent(AgentCommand),
    Supervisor(SupervisorCommand),
}

#[derive(Debug, Clone, Deserialize, ToSchema)]
pub struct CommandRequest {
    pub command: AgentCommand,
}

#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct CommandAccepted {
    /// The floor's last event, durable by now.
    pub seq: u64,
}

/// Everything the desk shows about its agent.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct DeskView {
    pub agent: AgentRef,
    pub extension: String,
    pub signed_in: bool,
    /// Signs out when the present work is done.
    pub leaving: bool,
    pub presence: Presence,
    pub presence_since_at: i64,
    #[schema(value_type = words::Occupancy)]
    pub occupancy: domain::command::Occupancy,
    pub occupancy_since_at: i64,
    pub device: Option<DeskDevice>,
    /// Why no offers come although the agent is available: a code such as `device.not_ready`.
    pub blocked: Option<String>,
    pub offers: Vec<DeskOffer>,
    /// Oldest first.
    pub work: Vec<DeskWork>,
    /// Customers in parking places, everybody's, oldest first.
    pub parked: Vec<DeskParked>,
    pub queues: Vec<QueueRef>,
    pub break_reasons: Vec<Choice>,
}

/// A customer in a parking place.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct DeskParked {
    #[schema(value_type = String)]
    pub interaction: InteractionId,
    /// Its number, as colleagues tell one another.
    pub place: u16,
    pub by: AgentRef,
    pub queue: Option<QueueRef>,
    pub from: Option<AddressView>,
    pub since_at: i64,
    /// When he comes back.
    pub until_at: i64,
}

/// Something to choose from.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Choice {
    pub id: String,
    pub name: Localized,
}

#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct DeskDevice {
    #[schema(value_type = String)]
    pub id: DeviceId,
    pub name: String,
    /// `browser`, `sip` or `uri`.
    pub kind: String,
    pub ready: bool,
    #[schema(value_type = Option<words::DeviceLoss>)]
    pub lost: Option<domain::device::DeviceLoss>,
    pub since_at: i64,
}

/// A number of ours, by id.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct NumberRef {
    #[schema(value_type = String)]
    pub id: NumberId,
    pub number: String,
    pub name: Localized,
}

/// The outside person's address; `text` is for the screen.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct AddressView {
    /// `phone`, `extension`, `sip_uri`, `email`, `social` or `withheld`.
    pub kind: String,
    pub text: String,
}

impl From<&domain::address::Address> for AddressView {
    fn from(a: &domain::address::Address) -> Self {
        use domain::address::Address as A;
        let kind = match a {
            A::Phone { .. } => "phone",
            A::Extension { .. } => "extension",
            A::SipUri { .. } => "sip_uri",
            A::Email { .. } => "email",
            A::Social { .. } => "social",
            A::Withheld => "withheld",
        };
        Self { kind: kind.to_owned(), text: a.to_string() }
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct DeskOffer {
    #[schema(value_type = String)]
    pub offer: OfferId,
    #[schema(value_type = String)]
    pub interaction: InteractionId,
    #[schema(value_type = String)]
    pub segment: SegmentId,
    pub medium: Medium,
    pub queue: Option<QueueRef>,
    pub from: Option<AddressView>,
    pub number: Option<NumberRef>,
    /// Answered on the ringing device itself: no accept button.
    pub device_rings: bool,
    pub since_at: i64,
    pub until_at: i64,
    /// Waited before the offer.
    pub waited_ms: u64,
    /// A colleague sends this, or asks about it.
    pub handover: Option<DeskHandover>,
}

#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct DeskHandover {
    #[schema(value_type = words::HandoverKind)]
    pub kind: domain::effect::HandoverKind,
    pub by: Option<AgentRef>,
}

/// Another agent, a device or somebody outside in the same interaction.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct DeskParty {
    #[schema(value_type = String)]
    pub segment: SegmentId,
    /// The agent's or the device's; the number of somebody outside.
    pub name: String,
    #[schema(value_type = words::SegmentState)]
    pub state: domain::event::SegmentState,
}

/// A supervisor in the agent's conversation.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct DeskWatcher {
    pub agent: AgentRef,
    #[schema(value_type = words::WatchMode)]
    pub mode: domain::command::WatchMode,
}

/// Whose conversation a supervisor is in, and how.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Watching {
    /// The agent's segment.
    #[schema(value_type = String)]
    pub target: SegmentId,
    pub agent: Option<AgentRef>,
    #[schema(value_type = words::WatchMode)]
    pub mode: domain::command::WatchMode,
}

/// One piece of work past its offer.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct DeskWork {
    #[schema(value_type = String)]
    pub interaction: InteractionId,
    #[schema(value_type = String)]
    pub segment: SegmentId,
    pub medium: Medium,
    #[schema(value_type = words::Direction)]
    pub direction: domain::event::Direction,
    pub queue: Option<QueueRef>,
    pub from: Option<AddressView>,
    pub number: Option<NumberRef>,
    pub lang: Lang,
    #[schema(value_type = words::SegmentState)]
    pub state: domain::event::SegmentState,
    pub state_since_at: i64,
    /// Of the interaction.
    pub started_at: i64,
    pub answered_at: Option<i64>,
    /// Up to `state_since_at`.
    pub talk_ms: u64,
    pub hold_ms: u64,
    pub muted: bool,
    /// Held by the agent's own phone: it must take the call back itself.
    pub peer_held: bool,
    #[schema(value_type = Option<String>)]
    pub recording: Option<RecordingId>,
    /// Whether the conversation is recorded and by which rule; null before it begins.
    pub record: Option<super::recording::RecordState>,
    /// Nothing of the interaction is recorded until then, or until somebody says so.
    pub masked_until_at: Option<i64>,
    pub dispositions: Vec<Choice>,
    #[schema(value_type = Option<String>)]
    pub disposition: Option<DispositionId>,
    pub disposition_required: bool,
    pub wrap_up_until_at: Option<i64>,
    /// What the caller keyed in or the flow set; sensitive digits are not among them.
    pub variables: BTreeMap<String, String>,
    /// The party this agent consults.
    pub consult: Option<DeskParty>,
    /// The colleague who asks this agent, as long as that is all.
    pub asked_by: Option<AgentRef>,
    /// Others who have to do with the customer at the same time.
    pub others: Vec<DeskParty>,
    /// Supervisors of whom this agent may know.
    pub watchers: Vec<DeskWatcher>,
    /// This is not an agent's work but a supervisor's.
    pub watching: Option<Watching>,
}

/// The live board.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct LiveView {
    pub at: i64,
    pub totals: LiveTotals,
    pub queues: Vec<LiveQueue>,
    pub agents: Vec<LiveAgent>,
    pub interactions: Vec<LiveInteraction>,
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
