//! Wishes of people on the floor: what an agent's desk or a supervisor's board sends. `api` parses them, the floor
//! decides ([`crate::floor::Floor::handle`]) and refuses with a stable code ([`crate::input::Rejected`]).
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::id::{
    AddressId, AgentId, BreakReasonId, DeviceId, DispositionId, FlowId, InteractionId, NoteId, NumberId, OfferId,
    PromptId, QueueId, SegmentId,
};
use crate::mailbox::CallBack;
use crate::outbound::{CallClass, RouteTrunk};
use crate::time::millis;

/// JSON: `{"command":"accept_offer","offer":"ofr_…"}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "snake_case")]
pub enum AgentCommand {
    /// Takes a seat and the presence lease; presence stays offline until set. Repeating it with the same device is
    /// harmless; another device replaces the former unless a call is up on it (`agent.busy`).
    SignIn {
        device: DeviceId,
        #[serde(default)]
        seat: SeatClass,
    },
    /// Offline at once; the seat is given back when the last live work is done.
    SignOut,
    SetPresence {
        presence: Presence,
    },
    /// Idempotent: accepting an offer already accepted is fine; one that is gone is `offer.gone`.
    AcceptOffer {
        offer: OfferId,
    },
    DeclineOffer {
        offer: OfferId,
    },
    Hold {
        segment: SegmentId,
    },
    Resume {
        segment: SegmentId,
    },
    Mute {
        segment: SegmentId,
        muted: bool,
    },
    /// On demand, where the rules leave it to the agent (`recording.ruled`).
    StartRecording {
        segment: SegmentId,
    },
    StopRecording {
        segment: SegmentId,
    },
    /// Nothing of the interaction is recorded, whoever takes part, until `Unmask` or the company's time is over. Again:
    /// the time begins anew.
    Mask {
        segment: SegmentId,
    },
    Unmask {
        segment: SegmentId,
    },
    /// At most 32 of `0-9*#A-D`.
    SendDigits {
        segment: SegmentId,
        digits: String,
    },
    /// Ends the conversation (a call, a chat, a task) and begins the wrap-up; with others in the conversation, leaves it
    /// to them. Not while a consultation is up: that is ended or completed first. A supervisor stops watching with it.
    HangUp {
        segment: SegmentId,
    },
    /// Calls somebody outside, as [`crate::outbound::plan`] says he may be: the agent's own device first, then by the trunks,
    /// in the order that [`crate::outbound::in_order`] gives them, until one carries the call.
    Dial {
        to: AddressId,
        class: CallClass,
        trunks: Vec<RouteTrunk>,
        /// Shown to the callee; the company's own choice if none.
        caller: Option<NumberId>,
        /// What the call answers.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        back: Option<CallBack>,
    },
    /// Blind transfer: the customer goes on to the target, the agent wraps up. A target that does not answer sends him
    /// back into the line he came from, with his place.
    Transfer {
        segment: SegmentId,
        to: Target,
    },
    /// Puts the customer on hold and calls a colleague or a device about it.
    Consult {
        segment: SegmentId,
        to: Target,
    },
    /// Between the customer and the party consulted.
    SwitchParty {
        segment: SegmentId,
    },
    /// The party consulted goes on with the customer (or is rung for him, if it has not answered yet); the agent wraps up.
    CompleteTransfer {
        segment: SegmentId,
    },
    /// Customer, agent and the party consulted hear one another.
    Conference {
        segment: SegmentId,
    },
    /// The party consulted goes; the customer stays on hold until `Resume`, or in the conversation if he is in it.
    EndConsult {
        segment: SegmentId,
    },
    /// Leaves the customer to music in a parking place that every colleague sees; after two minutes he comes back as
    /// from a transfer that nobody answered.
    Park {
        segment: SegmentId,
    },
    /// Goes on with a parked customer: the agent's own device is called.
    PickUp {
        interaction: InteractionId,
    },
    /// During the conversation or the wrap-up. A required disposition ends nothing by itself: `EndWrapUp` does.
    SetDisposition {
        segment: SegmentId,
        disposition: DispositionId,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        note: Option<NoteId>,
    },
    EndWrapUp {
        segment: SegmentId,
    },
    /// Moves the end of a timed or optional wrap-up, at most to ten minutes from now.
    ExtendWrapUp {
        segment: SegmentId,
        #[serde(with = "millis")]
        by: Duration,
    },
}

impl AgentCommand {
    /// The segment for whose sake somebody outside is called.
    pub fn calls_outside(&self) -> Option<SegmentId> {
        match self {
            Self::Transfer { segment, to: Target::Outside { .. } }
            | Self::Consult { segment, to: Target::Outside { .. } } => Some(*segment),
            _ => None,
        }
    }
}

/// Where an agent sends a customer, or whom he asks. JSON: `{"to":"agent","agent":"agt_…"}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "to", rename_all = "snake_case")]
pub enum Target {
    Agent {
        agent: AgentId,
    },
    Device {
        device: DeviceId,
    },
    Queue {
        queue: QueueId,
    },
    Flow {
        flow: FlowId,
    },
    Voicemail {
        greeting: Option<PromptId>,
    },
    /// Somebody outside, as [`crate::outbound::plan`] says he may be called; the fields otherwise as in [`AgentCommand::Dial`].
    Outside {
        address: AddressId,
        class: CallClass,
        trunks: Vec<RouteTrunk>,
        caller: Option<NumberId>,
    },
}

/// How a supervisor takes part in a colleague's conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WatchMode {
    /// Hears all, is heard by nobody.
    Monitor,
    /// … is heard by the agent alone.
    Whisper,
    /// … is heard by everybody in the conversation.
    Barge,
}

/// The agent's choice; the system's view is [`Occupancy`]. JSON: `{"state":"break","reason":"brk_…"}`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum Presence {
    Available,
    Break {
        reason: BreakReasonId,
    },
    #[default]
    Offline,
}

/// What the floor sees an agent doing, derived from his live segments; the first that applies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Occupancy {
    /// Connecting, talking or holding.
    Busy,
    WrapUp,
    Offered,
    #[default]
    Idle,
}

/// Which kind of seat a sign-in takes; metering prices them apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SeatClass {
    /// Covered by the subscription.
    #[default]
    Standard,
    /// On demand, billed by use.
    Elastic,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "snake_case")]
pub enum SupervisorCommand {
    SetAgentPresence {
        agent: AgentId,
        presence: Presence,
    },
    SignOutAgent {
        agent: AgentId,
    },
    /// Hangs up every leg; agents go to wrap-up.
    EndInteraction {
        interaction: InteractionId,
    },
    /// Takes part in an agent's conversation by the device at which the supervisor is signed in; if he does already,
    /// changes the mode or the agent.
    Watch {
        interaction: InteractionId,
        segment: SegmentId,
        mode: WatchMode,
    },
    StopWatching {
        interaction: InteractionId,
    },
    /// The watching supervisor goes on with the customer in the agent's stead; the agent wraps up.
    TakeOver {
        interaction: InteractionId,
        segment: SegmentId,
    },
}
