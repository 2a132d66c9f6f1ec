//! Facts: what the floor decided or learned, in the order of its journal.
//!
//! Emitted and applied by [`crate::floor::Floor`] only; `store` keeps them, projections and [`crate::report`] fold
//! them. Ids only: no address, name, text, note or keyed digit. JSON, internally tagged by `kind`, with the version
//! `v` of that kind's shape; unknown fields are ignored, an unknown kind or a newer version is a named error.
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::command::{Occupancy, Presence, SeatClass};
use crate::device::DeviceLoss;
use crate::flow::StepId;
use crate::id::{
    AddressId, AgentId, BlobId, BridgeId, DeviceId, DispositionId, FlowId, InteractionId, LegId, NoteId, NumberId,
    OfferId, PlayId, QueueId, RecordingId, SegmentId, UserId,
};
use crate::leg::{Codec, EndCause, EndedBy, Gap, LegStats, Via};
use crate::localized::Lang;
use crate::medium::Medium;
use crate::routing::DecisionTrace;
use crate::time::{Timestamp, millis};

/// Version of the shapes written today.
pub const EVENT_VERSION: u32 = 1;

/// One line of the journal: `{"seq":7,"at":1790000000000,"v":1,"kind":"agent_signed_in",…}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// 1, 2, 3 … within the floor.
    pub seq: u64,
    /// Never before the former event's.
    pub at: Timestamp,
    pub v: u32,
    #[serde(flatten)]
    pub body: EventBody,
}

/// A journal line cannot be read; the reader stops.
#[derive(Debug, thiserror::Error)]
pub enum EventError {
    #[error("event kind `{kind}` is unknown to this version of the program")]
    UnknownKind { kind: String },
    #[error("event kind `{kind}` has version {v}, this program reads up to {EVENT_VERSION}")]
    UnknownVersion { kind: String, v: u64 },
    #[error("event is malformed")]
    Malformed(#[source] serde_json::Error),
}

impl Event {
    /// Reads one line, of this or an older version.
    pub fn from_json(text: &str) -> Result<Event, EventError> {
        #[derive(Deserialize)]
        struct Head {
            kind: String,
            v: u64,
        }
        let head: Head = serde_json::from_str(text).map_err(EventError::Malformed)?;
        if !EventBody::KINDS.contains(&head.kind.as_str()) {
            return Err(EventError::UnknownKind { kind: head.kind.chars().take(64).collect() });
        }
        if head.v > u64::from(EVENT_VERSION) {
            return Err(EventError::UnknownVersion { kind: head.kind, v: head.v });
        }
        serde_json::from_str(text).map_err(EventError::Malformed)
    }

    pub fn to_json(&self) -> Result<String, EventError> {
        serde_json::to_string(self).map_err(EventError::Malformed)
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum EventBody {
    ConfigPublished {
        rev: u64,
    },
    /// The floor came back after a crash; everything that was live ends in the events that follow.
    FloorRecovered {
        last_heartbeat: Timestamp,
    },

    // Agents and devices.
    AgentSignedIn {
        agent: AgentId,
        device: DeviceId,
        seat: SeatClass,
        /// The queues he is a member of; reports attribute his idle time to them.
        queues: Vec<QueueId>,
    },
    /// A published revision changed his memberships while signed in.
    AgentQueuesChanged {
        agent: AgentId,
        queues: Vec<QueueId>,
    },
    AgentSignedOut {
        agent: AgentId,
        why: SignOutCause,
    },
    PresenceChanged {
        agent: AgentId,
        presence: Presence,
        why: PresenceCause,
        /// Who did it, if a supervisor.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<UserId>,
    },
    OccupancyChanged {
        agent: AgentId,
        occupancy: Occupancy,
    },
    LeaseLost {
        agent: AgentId,
        /// After a restart: signed out then, unless the lease comes back.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        until: Option<Timestamp>,
    },
    LeaseTaken {
        agent: AgentId,
    },
    /// The agent leaves as soon as his live work is done.
    AgentLeaving {
        agent: AgentId,
        why: SignOutCause,
    },
    DeviceReady {
        device: DeviceId,
    },
    DeviceLost {
        device: DeviceId,
        why: DeviceLoss,
    },

    // Interactions.
    /// A call was refused before it became an interaction.
    CallRejected {
        leg: LegId,
        number: NumberId,
        from: AddressId,
        why: CallRefusal,
    },
    InteractionStarted {
        interaction: InteractionId,
        medium: Medium,
        direction: Direction,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        number: Option<NumberId>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        from: Option<AddressId>,
        lang: Lang,
        priority: i32,
    },
    LanguageSet {
        interaction: InteractionId,
        lang: Lang,
    },
    PrioritySet {
        interaction: InteractionId,
        priority: i32,
    },
    /// A constant of the flow. Keyed digits are never an event: see `DigitsCollected`.
    VariableSet {
        interaction: InteractionId,
        name: String,
        value: String,
    },
    InteractionEnded {
        interaction: InteractionId,
        why: InteractionEnd,
    },

    // Segments.
    SegmentStarted {
        interaction: InteractionId,
        segment: SegmentId,
        of: SegmentOf,
        why: SegmentStart,
        state: SegmentState,
        /// When the state ends by itself: overflow of a queue, longest voicemail.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        until: Option<Timestamp>,
    },
    /// The former state's span ends here and the next begins.
    SegmentStateChanged {
        interaction: InteractionId,
        segment: SegmentId,
        state: SegmentState,
        /// End of a wrap-up or voicemail.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        until: Option<Timestamp>,
        /// How the conversation ended, when the wrap-up begins.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        ended: Option<SegmentEnd>,
    },
    SegmentEnded {
        interaction: InteractionId,
        segment: SegmentId,
        why: SegmentEnd,
    },
    WrapUpExtended {
        interaction: InteractionId,
        segment: SegmentId,
        until: Timestamp,
    },
    DispositionSet {
        interaction: InteractionId,
        segment: SegmentId,
        disposition: DispositionId,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        note: Option<NoteId>,
    },

    // Flow and queue.
    /// `until`: when the step gives up by itself.
    StepEntered {
        interaction: InteractionId,
        segment: SegmentId,
        step: StepId,
        /// 1 at first, counting the tries of a menu or a digit input.
        attempt: u8,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        play: Option<PlayId>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        until: Option<Timestamp>,
    },
    /// How many digits came; the digits themselves stay out of the journal.
    DigitsCollected {
        interaction: InteractionId,
        segment: SegmentId,
        step: StepId,
        variable: String,
        count: u8,
        sensitive: bool,
    },
    /// The caller hears a welcome, music, comfort announcement or farewell from now on.
    PlayStarted {
        interaction: InteractionId,
        segment: SegmentId,
        play: PlayId,
        what: PlayWhat,
        /// When the next comfort announcement is due.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        until: Option<Timestamp>,
    },

    // Offers. The agent's segment begins with the offer.
    OfferMade {
        interaction: InteractionId,
        offer: OfferId,
        segment: SegmentId,
        agent: AgentId,
        device: DeviceId,
        /// The queue segment the work waits in.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        waiting: Option<SegmentId>,
        /// Ring time-out.
        until: Timestamp,
        trace: DecisionTrace,
    },
    OfferAccepted {
        interaction: InteractionId,
        offer: OfferId,
        agent: AgentId,
    },
    /// Over without an answer.
    OfferEnded {
        interaction: InteractionId,
        offer: OfferId,
        segment: SegmentId,
        agent: AgentId,
        why: OfferEnd,
        /// This agent is not offered this interaction before then.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        not_before: Option<Timestamp>,
    },

    // Legs.
    LegStarted {
        interaction: InteractionId,
        leg: LegId,
        /// The agent or device segment it serves; none for the customer's leg.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        segment: Option<SegmentId>,
        direction: Direction,
        role: LegRole,
        /// How an incoming leg came (trunk, device, guest, loopback).
        #[serde(default, skip_serializing_if = "Option::is_none")]
        via: Option<Via>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        device: Option<DeviceId>,
        destination: DestinationClass,
    },
    LegRinging {
        interaction: InteractionId,
        leg: LegId,
    },
    LegAnswered {
        interaction: InteractionId,
        leg: LegId,
        codec: Codec,
    },
    /// The peer put us on hold or took us back.
    LegPeerHeld {
        interaction: InteractionId,
        leg: LegId,
        held: bool,
    },
    LegMuted {
        interaction: InteractionId,
        leg: LegId,
        muted: bool,
    },
    LegSilent {
        interaction: InteractionId,
        leg: LegId,
        silent: bool,
    },
    /// We asked the switch to end it; `LegEnded` follows.
    LegHangUpSent {
        interaction: InteractionId,
        leg: LegId,
        cause: EndCause,
    },
    LegEnded {
        interaction: InteractionId,
        leg: LegId,
        cause: EndCause,
        by: EndedBy,
        stats: LegStats,
    },
    /// The legs named hear one another from now on.
    Bridged {
        interaction: InteractionId,
        segment: SegmentId,
        bridge: BridgeId,
        legs: Vec<LegId>,
    },

    // Recordings.
    RecordingRequested {
        interaction: InteractionId,
        segment: SegmentId,
        recording: RecordingId,
        left: LegId,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        right: Option<LegId>,
    },
    RecordingStarted {
        interaction: InteractionId,
        recording: RecordingId,
    },
    /// The spool file is complete: `length_ms` is the recorded time that metering counts.
    RecordingEnded {
        interaction: InteractionId,
        recording: RecordingId,
        length_ms: u64,
        gaps: Vec<Gap>,
    },
    RecordingStored {
        recording: RecordingId,
        blob: BlobId,
        length_ms: u64,
        bytes: u64,
        /// Of a recording that a crash has cut off, and which never ended in order: what is silent or missing.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        gaps: Vec<Gap>,
    },
}

macro_rules! kinds {
    ($($name:ident = $kind:literal,)*) => {
        impl EventBody {
            pub const KINDS: &'static [&'static str] = &[$($kind,)*];

            /// The `kind` tag.
            pub fn kind(&self) -> &'static str {
                match self { $(EventBody::$name { .. } => $kind,)* }
            }
        }
    };
}

kinds! {
    ConfigPublished = "config_published",
    FloorRecovered = "floor_recovered",
    AgentSignedIn = "agent_signed_in",
    AgentQueuesChanged = "agent_queues_changed",
    AgentSignedOut = "agent_signed_out",
    PresenceChanged = "presence_changed",
    OccupancyChanged = "occupancy_changed",
    LeaseLost = "lease_lost",
    LeaseTaken = "lease_taken",
    AgentLeaving = "agent_leaving",
    DeviceReady = "device_ready",
    DeviceLost = "device_lost",
    CallRejected = "call_rejected",
    InteractionStarted = "interaction_started",
    LanguageSet = "language_set",
    PrioritySet = "priority_set",
    VariableSet = "variable_set",
    InteractionEnded = "interaction_ended",
    SegmentStarted = "segment_started",
    SegmentStateChanged = "segment_state_changed",
    SegmentEnded = "segment_ended",
    WrapUpExtended = "wrap_up_extended",
    DispositionSet = "disposition_set",
    StepEntered = "step_entered",
    DigitsCollected = "digits_collected",
    PlayStarted = "play_started",
    OfferMade = "offer_made",
    OfferAccepted = "offer_accepted",
    OfferEnded = "offer_ended",
    LegStarted = "leg_started",
    LegRinging = "leg_ringing",
    LegAnswered = "leg_answered",
    LegPeerHeld = "leg_peer_held",
    LegMuted = "leg_muted",
    LegSilent = "leg_silent",
    LegHangUpSent = "leg_hang_up_sent",
    LegEnded = "leg_ended",
    Bridged = "bridged",
    RecordingRequested = "recording_requested",
    RecordingStarted = "recording_started",
    RecordingEnded = "recording_ended",
    RecordingStored = "recording_stored",
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    Inbound,
    Outbound,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LegRole {
    Customer,
    Agent,
    /// A device reached by its own number, of no agent.
    Device,
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
    /// A device of no agent, reached by its own number.
    Device { device: DeviceId },
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
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SegmentEnd {
    /// Queue: an agent answered.
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
    Music,
    Comfort,
    HoldMusic,
    Greeting,
    Farewell,
}
