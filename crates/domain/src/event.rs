//! Facts: what the floor decided or learned, in the order of its journal.
//!
//! Emitted and applied by [`crate::floor::Floor`] only; `store` keeps them, projections and [`crate::report`] fold
//! them. Ids only: no address, name, text, note or keyed digit. JSON, internally tagged by `kind`, with the version
//! `v` of that kind's shape; unknown fields are ignored, an unknown kind or a newer version is a named error.
use serde::{Deserialize, Serialize};

use crate::command::{Occupancy, Presence, SeatClass, WatchMode};
use crate::device::DeviceLoss;
use crate::flow::StepId;
use crate::id::{
    AddressId, AgentId, BlobId, BridgeId, DeviceId, DispositionId, InteractionId, LegId, NoteId, NumberId, OfferId,
    PlayId, PromptId, QueueId, RecordingId, SegmentId, TrunkId, UserId,
};
use crate::leg::{Codec, EndCause, EndedBy, Gap, Hears, LegStats, Verified, Via};
use crate::localized::Lang;
use crate::mailbox::{MessageFor, MessageState};
use crate::medium::Medium;
use crate::outbound::CallClass;
use crate::recording::{MaskEnd, RecordMode, RuleOf};
use crate::routing::DecisionTrace;
use crate::spend::SpendLimit;
use crate::time::Timestamp;

mod terms;

pub use terms::*;

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
    /// The floor came back after a crash. What was live goes on with `InteractionResumed`, or ends, in the events that follow.
    FloorRecovered {
        last_heartbeat: Timestamp,
        /// Recordings that go on.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        recordings: Vec<RecordingId>,
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

    /// A trunk does not answer, or answers again.
    TrunkChanged {
        trunk: TrunkId,
        up: bool,
    },

    /// An agent calls out: which way it may go.
    DialPlanned {
        interaction: InteractionId,
        class: CallClass,
        /// In the order of trying.
        trunks: Vec<TrunkId>,
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
        /// The agent's segment that sent the customer here, or that consults this party.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<SegmentId>,
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
    /// The party consulted belongs to the customer's conversation from here on: by transfer or in conference.
    ConsultMerged {
        interaction: InteractionId,
        segment: SegmentId,
    },
    /// A supervisor takes part otherwise, or with another agent of the conversation.
    WatchChanged {
        interaction: InteractionId,
        segment: SegmentId,
        target: SegmentId,
        mode: WatchMode,
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

    /// The customer does not hear the music on hold any more.
    MusicStopped {
        interaction: InteractionId,
        play: PlayId,
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
        #[serde(default, skip_serializing_if = "LegPlace::is_main")]
        place: LegPlace,
    },
    LegRinging {
        interaction: InteractionId,
        leg: LegId,
    },
    /// The network of one who has not answered speaks: whoever calls him hears it. Of a phone that calls and waits for its
    /// answer: it can hear from here on.
    LegEarlyMedia {
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
    /// The leg serves another segment from here on.
    LegMoved {
        interaction: InteractionId,
        leg: LegId,
        segment: SegmentId,
    },
    /// Who hears whom from now on; `segment` is the one by whose change.
    Bridged {
        interaction: InteractionId,
        segment: SegmentId,
        bridge: BridgeId,
        legs: Vec<LegId>,
        /// Left out if each of `legs` hears all the others.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        hears: Vec<Hears>,
    },

    // Recordings.
    /// Whether a conversation is recorded from here on, and by which rule.
    RecordingDecided {
        interaction: InteractionId,
        segment: SegmentId,
        on: bool,
        #[serde(flatten)]
        mode: RecordMode,
        #[serde(flatten)]
        of: RuleOf,
        /// The interaction's lot, 0–99: recorded if below the percentage of the sample.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        draw: Option<u8>,
        /// The agent who started or stopped it on demand.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<AgentId>,
    },
    /// Its node crashed and is back, and the call goes on.
    InteractionResumed {
        interaction: InteractionId,
    },
    /// The customer has heard that he is, or may be, recorded.
    RecordingAnnounced {
        interaction: InteractionId,
        prompt: PromptId,
    },
    /// Nothing of this interaction is recorded from here on; again, for longer, if it is masked already.
    MaskStarted {
        interaction: InteractionId,
        /// By whose agent.
        segment: SegmentId,
        agent: AgentId,
        /// Ends by itself then.
        until: Timestamp,
    },
    MaskEnded {
        interaction: InteractionId,
        why: MaskEnd,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        agent: Option<AgentId>,
    },
    RecordingRequested {
        interaction: InteractionId,
        segment: SegmentId,
        recording: RecordingId,
        left: LegId,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        right: Option<LegId>,
        /// It is a message, and for whom.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        message: Option<MessageFor>,
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
    /// Its time was over: the sound is gone, what is known about it stays.
    RecordingDeleted {
        interaction: InteractionId,
        recording: RecordingId,
    },

    // Messages: known by their recordings.
    /// It can be heard now.
    MessageLeft {
        interaction: InteractionId,
        recording: RecordingId,
        length_ms: u64,
    },
    /// Too little is to be heard in it: nobody is told, and its sound is deleted.
    MessageDiscarded {
        interaction: InteractionId,
        recording: RecordingId,
        blob: BlobId,
        heard_ms: u64,
    },
    MessageMarked {
        interaction: InteractionId,
        recording: RecordingId,
        state: MessageState,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<UserId>,
        /// The call by which it was handled.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        call: Option<InteractionId>,
    },
    /// This call of ours answers an earlier interaction.
    CallBackStarted {
        interaction: InteractionId,
        of: InteractionId,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        message: Option<RecordingId>,
    },

    /// What the network said of an incoming call.
    CallIdentified {
        interaction: InteractionId,
        /// Who was called first.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        diverted: Option<AddressId>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        verified: Option<Verified>,
    },

    // Costs of calls to the outside, in minor units of the company's currency.
    /// A call of ours that was answered is about to end.
    CallCharged {
        interaction: InteractionId,
        leg: LegId,
        class: CallClass,
        /// Who called.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        agent: Option<AgentId>,
        talk_ms: u64,
        cost: u64,
        /// When the company's day and month began.
        day: Timestamp,
        month: Timestamp,
    },
    /// So much of a limit is spent; told once in its period.
    SpendReached {
        #[serde(flatten)]
        limit: SpendLimit,
        percent: u8,
        spent: u64,
        most: u64,
        day: Timestamp,
        month: Timestamp,
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
    TrunkChanged = "trunk_changed",
    DialPlanned = "dial_planned",
    SegmentStarted = "segment_started",
    SegmentStateChanged = "segment_state_changed",
    SegmentEnded = "segment_ended",
    ConsultMerged = "consult_merged",
    WatchChanged = "watch_changed",
    WrapUpExtended = "wrap_up_extended",
    DispositionSet = "disposition_set",
    StepEntered = "step_entered",
    DigitsCollected = "digits_collected",
    PlayStarted = "play_started",
    MusicStopped = "music_stopped",
    OfferMade = "offer_made",
    OfferAccepted = "offer_accepted",
    OfferEnded = "offer_ended",
    LegStarted = "leg_started",
    LegRinging = "leg_ringing",
    LegEarlyMedia = "leg_early_media",
    LegAnswered = "leg_answered",
    LegPeerHeld = "leg_peer_held",
    LegMuted = "leg_muted",
    LegSilent = "leg_silent",
    LegHangUpSent = "leg_hang_up_sent",
    LegEnded = "leg_ended",
    LegMoved = "leg_moved",
    Bridged = "bridged",
    RecordingDecided = "recording_decided",
    InteractionResumed = "interaction_resumed",
    RecordingAnnounced = "recording_announced",
    MaskStarted = "mask_started",
    MaskEnded = "mask_ended",
    RecordingRequested = "recording_requested",
    RecordingStarted = "recording_started",
    RecordingEnded = "recording_ended",
    RecordingStored = "recording_stored",
    RecordingDeleted = "recording_deleted",
    MessageLeft = "message_left",
    MessageDiscarded = "message_discarded",
    MessageMarked = "message_marked",
    CallBackStarted = "call_back_started",
    CallIdentified = "call_identified",
    CallCharged = "call_charged",
    SpendReached = "spend_reached",
}
