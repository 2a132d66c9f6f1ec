//! What agents and supervisors ask of the floor, and what a transfer can be aimed at.
use domain::id::{
    AgentId, DeviceId, DispositionId, FlowId, InteractionId, NumberId, OfferId, PromptId, QueueId, RecordingId,
    SegmentId,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::common::Localized;
use super::desk::{Choice, Presence};
use super::words;

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
    /// Call the other party of an earlier interaction, without naming the number. With a message of it, the message is
    /// handled when the call is answered.
    CallBack {
        #[schema(value_type = String)]
        interaction: InteractionId,
        #[serde(default)]
        #[schema(value_type = Option<String>)]
        message: Option<RecordingId>,
        /// As in `dial`.
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

#[derive(Debug, Clone, Deserialize, ToSchema)]
pub struct SupervisionRequest {
    pub command: SupervisorCommand,
}

#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct CommandAccepted {
    /// The floor's last event, durable by now.
    pub seq: u64,
}
