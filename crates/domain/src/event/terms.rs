//! The words events are made of: what a segment is of, its states, why it begins and ends.
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::command::WatchMode;
use crate::id::{AddressId, AgentId, DeviceId, FlowId, NumberId, QueueId, SegmentId, TrunkId};
use crate::outbound::CallClass;
use crate::time::{Timestamp, millis};

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    Inbound,
    Outbound,
    /// Of an interaction: a phone of ours calls a colleague or another phone of ours.
    Internal,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LegRole {
    Customer,
    Agent,
    /// A device reached by its own number, of no agent.
    Device,
    /// A supervisor's, in a colleague's conversation.
    Supervisor,
    /// Somebody outside whom an agent asked or to whom he sent the customer.
    Outside,
}

/// What a leg is to the segment that it serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LegPlace {
    #[default]
    Main,
    /// A second leg of its phone, for the party it consults.
    Aside,
    /// Another phone's, which takes the place of the main one as soon as it is up.
    Next,
}

impl LegPlace {
    pub fn is_main(&self) -> bool {
        *self == LegPlace::Main
    }
}

/// What a leg reaches, for metering.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DestinationClass {
    /// Incoming: one of our numbers.
    Number,
    Browser,
    SipDevice,
    SipUri,
    /// A number outside, by a trunk.
    Trunk,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SignOutCause {
    Agent,
    Supervisor,
    LeaseLost,
    /// Removed or deactivated by a published revision.
    Removed,
    #[serde(rename = "system.restart")]
    Restart,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PresenceCause {
    Agent,
    Supervisor,
    MissedOffer,
    LeaseLost,
    /// The lease came back: what it was before.
    LeaseTaken,
    SignedOut,
    #[serde(rename = "system.restart")]
    Restart,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum CallRefusal {
    #[serde(rename = "limit.calls")]
    LimitCalls,
    #[serde(rename = "number.unknown")]
    NumberUnknown,
}

/// What a segment is a stint of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "of", rename_all = "snake_case")]
pub enum SegmentOf {
    /// A flow, or the built-in echo or voicemail if no flow is named.
    Flow {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        flow: Option<FlowId>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        version: Option<u32>,
        /// Whose mailbox a message goes to, where a queue sent the caller here.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        mailbox: Option<QueueId>,
    },
    Queue {
        queue: QueueId,
        /// Interaction's and queue's together.
        priority: i32,
        /// Arrival less the boost for priority: who waits longest by this is served first.
        virtual_since: Timestamp,
        /// The rules in force then, so that a report never changes afterwards.
        #[serde(with = "millis", rename = "service_level_ms")]
        service_level: Duration,
        #[serde(with = "millis", rename = "short_abandon_ms")]
        short_abandon: Duration,
    },
    /// From the offer to the end of the wrap-up.
    Agent {
        agent: AgentId,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        queue: Option<QueueId>,
        /// When the work entered the queue: arrival-interval reports count there.
        arrived: Timestamp,
    },
    /// A device at which no agent sits: reached by its own number, or calling itself.
    Device {
        device: DeviceId,
        /// Whose limits a call from there counts against: the agent whose phone it is.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        payer: Option<AgentId>,
    },
    /// Somebody outside, called by `trunks` in their order (in a state: those not tried yet). `caller`: the number shown.
    Outside {
        address: AddressId,
        class: CallClass,
        trunks: Vec<TrunkId>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        caller: Option<NumberId>,
    },
    /// The customer alone with music, for any agent to pick up. `place`: its number, as people tell one another.
    Parked {
        place: u16,
        by: AgentId,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        queue: Option<QueueId>,
    },
    /// A supervisor in the conversation of a colleague, whose segment is `target`.
    Supervisor { agent: AgentId, target: SegmentId, mode: WatchMode },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SegmentState {
    /// Flow: steps are carried out.
    Running,
    /// Flow: greeting and message.
    Voicemail,
    /// Flow: the caller hears himself.
    Echo,
    /// Queue.
    Waiting,
    /// Agent: shown, ringing.
    Offered,
    /// Agent, device: accepted or dialled, not yet through.
    Connecting,
    /// Agent, device: in conversation; a message or task being worked on.
    Talking,
    Held,
    /// Agent, device: the agent and the party consulted talk, the customer is on hold.
    Consulting,
    /// Supervisor.
    Watching,
    Parked,
    WrapUp,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SegmentStart {
    /// First of the interaction, by the number's entry point.
    Entry,
    /// A step of the flow.
    Flow,
    Overflow,
    /// The queue was full.
    Full,
    /// The queue was closed.
    Closed,
    /// Routing found this agent.
    Offer,
    /// An agent sent the customer here.
    Transfer,
    /// An agent asks this party about the customer.
    Consult,
    /// A transfer came to nothing.
    Returned,
    /// A supervisor takes part.
    Watch,
    /// A supervisor goes on in the agent's stead.
    TakeOver,
    /// The agent calls out.
    Dial,
    /// An agent left the customer in a parking place.
    Park,
    /// An agent took him from there.
    PickUp,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SegmentEnd {
    /// Queue, parking place: an agent answered.
    Answered,
    /// The customer hung up (or left): in a queue an abandoned one.
    CallerHungUp,
    AgentHungUp,
    /// Offer: rang out.
    Missed,
    /// Offer: refused on the desk or the phone.
    Declined,
    /// Offer: the device was busy, gone or failed.
    Unreachable,
    /// Offer: the caller left or the work was ended meanwhile.
    Withdrawn,
    /// Queue: waited longer than the overflow time.
    Overflow,
    /// Flow: went on to a queue, flow or voicemail.
    MovedOn,
    /// Flow: came to its end and hung up.
    Finished,
    /// Agent: sent the customer elsewhere, or gave him up to a supervisor.
    Transferred,
    /// Agent: left the customer in a parking place.
    Parked,
    /// Parking place: nobody picked the customer up in time.
    Returned,
    /// The party consulted left, or was not needed any more.
    ConsultOver,
    /// The supervisor stopped watching, or there was nothing left to watch.
    WatchOver,
    /// A leg was lost (no media, no signalling).
    Lost,
    Supervisor,
    /// A step that cannot be carried out, a loop, a missing configuration.
    #[serde(rename = "system.error")]
    Error,
    #[serde(rename = "system.restart")]
    Restart,
    #[serde(rename = "system.shutdown")]
    Shutdown,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InteractionEnd {
    /// An agent (or a called device) spoke with the customer or finished the work.
    Served,
    /// Left a queue unserved.
    Abandoned,
    /// Hung up within a flow.
    Left,
    /// The flow ended it (closed, farewell).
    Finished,
    /// Left a voicemail message.
    Voicemail,
    /// A called device did not answer.
    Unanswered,
    Supervisor,
    #[serde(rename = "system.error")]
    Error,
    #[serde(rename = "system.restart")]
    Restart,
    #[serde(rename = "system.shutdown")]
    Shutdown,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OfferEnd {
    Declined,
    Missed,
    /// Busy, unreachable, failed.
    Unreachable,
    /// The caller left, the work was ended, the agent went away.
    Withdrawn,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PlayWhat {
    Welcome,
    /// That the call is, or may be, recorded.
    Notice,
    Music,
    Comfort,
    HoldMusic,
    Greeting,
    Farewell,
}
