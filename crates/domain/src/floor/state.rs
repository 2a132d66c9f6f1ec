//! What a floor remembers: built by `apply` from events and by nothing else, so that a replay gives the same value.
//!
//! Rules that decide are read from the configuration when deciding; what must hold later (deadlines, thresholds) is
//! in the events and copied here.
use std::collections::{BTreeMap, BTreeSet, VecDeque};

use serde::{Deserialize, Serialize};

use crate::command::{Occupancy, Presence, SeatClass};
use crate::device::DeviceLoss;
use crate::event::{
    Direction, InteractionEnd, LegRole, PlayWhat, PresenceCause, SegmentEnd, SegmentOf, SegmentStart, SegmentState,
    SignOutCause,
};
use crate::flow::StepId;
use crate::id::{
    AddressId, AgentId, BridgeId, DeviceId, DispositionId, InteractionId, LegId, NumberId, OfferId, PlayId, QueueId,
    RecordingId, SegmentId, TrunkId,
};
use crate::leg::{Hears, Verified};
use crate::localized::Lang;
use crate::mailbox::CallBack;
use crate::medium::{Medium, PerMedium};
use crate::outbound::CallClass;
use crate::recording::{RecordMode, RuleOf};
use crate::report::Report;
use crate::spend::Spent;
use crate::time::Timestamp;

#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(super) struct State {
    pub seq: u64,
    pub at: Timestamp,
    pub rev: u64,
    pub agents: BTreeMap<AgentId, Agent>,
    pub devices: BTreeMap<DeviceId, Device>,
    pub interactions: BTreeMap<InteractionId, Interaction>,
    pub legs: BTreeMap<LegId, Leg>,
    /// From the offer to the end of the agent's segment, so that a repeated accept is recognised.
    pub offers: BTreeMap<OfferId, (InteractionId, SegmentId)>,
    /// Live queue segments.
    pub waiting: BTreeMap<SegmentId, InteractionId>,
    /// Requested and not yet ended; may outlive their interaction by a moment.
    pub recordings: BTreeMap<RecordingId, InteractionId>,
    pub report: Report,
    /// Live parking places.
    #[serde(default)]
    pub parked: BTreeMap<SegmentId, InteractionId>,
    /// When calls of ours began, of the last minute.
    #[serde(default)]
    pub dialled: VecDeque<Timestamp>,
    /// Those that cannot carry calls at present.
    #[serde(default)]
    pub trunks_down: BTreeSet<TrunkId>,
    /// When calls of ours began by each trunk, of the second before the last one.
    #[serde(default)]
    pub trunk_calls: BTreeMap<TrunkId, VecDeque<Timestamp>>,
    /// On calls to the outside.
    #[serde(default)]
    pub spent: Spent,
    /// Messages that are being recorded or stored.
    #[serde(default)]
    pub messages: BTreeMap<RecordingId, Message>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Message {
    pub interaction: InteractionId,
    pub since: Timestamp,
    pub least_ms: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(super) struct Agent {
    pub seat: Option<Seat>,
    pub lease: bool,
    /// Signed out then, unless the lease comes back.
    pub lease_until: Option<Timestamp>,
    pub leaving: Option<SignOutCause>,
    pub presence: Presence,
    pub presence_since: Timestamp,
    pub presence_why: Option<PresenceCause>,
    /// Given back when the lease returns.
    pub resume: Option<Presence>,
    pub occupancy: Occupancy,
    pub occupancy_since: Timestamp,
    /// Live segments of this agent, offers included.
    pub work: BTreeMap<SegmentId, InteractionId>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Seat {
    pub device: DeviceId,
    pub class: SeatClass,
    pub queues: Vec<QueueId>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Device {
    /// Ready if none.
    pub lost: Option<DeviceLoss>,
    pub since: Timestamp,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Interaction {
    pub medium: Medium,
    pub direction: Direction,
    pub number: Option<NumberId>,
    pub from: Option<AddressId>,
    pub lang: Lang,
    pub priority: i32,
    pub started: Timestamp,
    pub customer: Option<LegId>,
    /// Live legs, the customer's included.
    pub legs: Vec<LegId>,
    /// Constants set by the flow.
    pub variables: BTreeMap<String, String>,
    /// Live segments; their ids grow with time.
    pub segments: BTreeMap<SegmentId, Segment>,
    /// Segments begun so far, against endless loops.
    pub hops: u32,
    /// Agents not to be asked again before then.
    pub refused: BTreeMap<AgentId, Timestamp>,
    pub served: bool,
    /// When it first entered a queue.
    #[serde(default)]
    pub queued: Option<Timestamp>,
    /// Who was called first, before the call was sent on to us.
    #[serde(default)]
    pub diverted: Option<AddressId>,
    #[serde(default)]
    pub verified: Option<Verified>,
    /// Who hears whom.
    #[serde(default)]
    pub bridge: Option<Matrix>,
    /// Music on hold that the customer hears.
    #[serde(default)]
    pub music: Option<PlayId>,
    /// Of a call of ours.
    #[serde(default)]
    pub dial: Option<DialAt>,
    /// Nothing is recorded until then.
    #[serde(default)]
    pub masked: Option<Timestamp>,
    /// The customer has heard that he is, or may be, recorded.
    #[serde(default)]
    pub announced: bool,
    /// The last agent who sent the customer on, and the queue he served him for.
    #[serde(default)]
    pub handed: Option<(AgentId, Option<QueueId>)>,
    /// The last queue it was in.
    #[serde(default)]
    pub queue: Option<QueueId>,
    /// What a call of ours answers.
    #[serde(default)]
    pub back: Option<CallBack>,
    /// How it ends if nothing else happens.
    pub outcome: InteractionEnd,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct DialAt {
    pub class: CallClass,
    /// Trunks not tried yet.
    pub left: Vec<TrunkId>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Matrix {
    pub bridge: BridgeId,
    pub rows: Vec<Hears>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Segment {
    pub of: SegmentOf,
    #[serde(default = "entry")]
    pub why: SegmentStart,
    /// The agent's segment that sent the customer here or asks this party.
    #[serde(default)]
    pub by: Option<SegmentId>,
    pub state: SegmentState,
    pub started: Timestamp,
    pub state_since: Timestamp,
    /// Sum of the closed spans; with the open one it tiles the segment (R7).
    pub spans_ms: u64,
    pub talk_ms: u64,
    pub hold_ms: u64,
    pub until: Option<Timestamp>,
    /// Flow: the step being carried out.
    pub step: Option<StepAt>,
    /// What the customer hears by this segment's order, outside flow steps.
    pub play: Option<(PlayId, PlayWhat)>,
    pub play_until: Option<Timestamp>,
    /// Agent: the offer it began with.
    pub offer: Option<OfferAt>,
    pub accepted: bool,
    /// Agent, device: the leg that serves it.
    pub leg: Option<LegId>,
    /// The same phone's second leg, by which it speaks with the party it consults.
    #[serde(default)]
    pub aside: Option<LegId>,
    /// Another phone's leg that is to take the place of `leg`.
    #[serde(default)]
    pub next: Option<LegId>,
    pub recording: Option<RecordingId>,
    /// Whether the conversation is recorded, as decided last.
    #[serde(default)]
    pub record: Option<RecordAt>,
    pub answered: Option<Timestamp>,
    /// How the conversation ended, from the wrap-up on.
    pub ended: Option<SegmentEnd>,
    pub disposition: Option<DispositionId>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct RecordAt {
    pub on: bool,
    pub mode: RecordMode,
    pub of: RuleOf,
    /// What the agent asked for, on demand.
    pub asked: Option<bool>,
}

fn entry() -> SegmentStart {
    SegmentStart::Entry
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct StepAt {
    pub step: StepId,
    pub attempt: u8,
    pub play: Option<PlayId>,
    pub until: Option<Timestamp>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct OfferAt {
    pub offer: OfferId,
    pub device: DeviceId,
    /// The queue segment the work waits in; none for a call to the agent's own number.
    pub waiting: Option<SegmentId>,
    pub since: Timestamp,
    pub until: Timestamp,
    pub waited_ms: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Leg {
    pub interaction: InteractionId,
    pub segment: Option<SegmentId>,
    pub role: LegRole,
    pub device: Option<DeviceId>,
    /// The phone of an agent or of nobody called us; it is answered when the party it calls has answered.
    #[serde(default)]
    pub called: bool,
    /// By which a call of ours goes out.
    #[serde(default)]
    pub trunk: Option<TrunkId>,
    /// Of a call of ours: what kind it is, and who called.
    #[serde(default)]
    pub class: Option<CallClass>,
    #[serde(default)]
    pub payer: Option<AgentId>,
    /// Not answered, but its network speaks.
    #[serde(default)]
    pub early: bool,
    /// It has rung there, and whoever calls hears so until it is answered or given up.
    #[serde(default)]
    pub rang: bool,
    pub answered: Option<Timestamp>,
    pub peer_held: bool,
    /// The hold of the conversation is this phone's doing, so that it ends with it.
    #[serde(default)]
    pub holds: bool,
    pub muted: bool,
    pub silent: bool,
    /// We asked the switch to end it.
    pub hanging_up: bool,
}

impl State {
    pub fn segment(&self, interaction: InteractionId, segment: SegmentId) -> Option<&Segment> {
        self.interactions.get(&interaction)?.segments.get(&segment)
    }

    pub fn segment_mut(&mut self, interaction: InteractionId, segment: SegmentId) -> Option<&mut Segment> {
        self.interactions.get_mut(&interaction)?.segments.get_mut(&segment)
    }

    /// The customer's leg of an interaction, if it is alive.
    pub fn customer(&self, interaction: InteractionId) -> Option<(LegId, &Leg)> {
        let leg = self.interactions.get(&interaction)?.customer?;
        Some((leg, self.legs.get(&leg)?))
    }

    /// Slots in use by medium; offers and wrap-ups use theirs.
    pub fn load(&self, agent: &Agent) -> PerMedium<u8> {
        let mut load = PerMedium::default();
        for interaction in agent.work.values() {
            if let Some(i) = self.interactions.get(interaction) {
                let slot: &mut u8 = load.get_mut(i.medium);
                *slot = slot.saturating_add(1);
            }
        }
        load
    }

    /// What the agent's live segments amount to.
    pub fn occupancy_of(&self, agent: &Agent) -> Occupancy {
        agent
            .work
            .iter()
            .filter_map(|(segment, interaction)| self.segment(*interaction, *segment))
            .map(|s| match s.state {
                SegmentState::Offered => Occupancy::Offered,
                SegmentState::WrapUp => Occupancy::WrapUp,
                SegmentState::Connecting
                | SegmentState::Talking
                | SegmentState::Held
                | SegmentState::Consulting
                | SegmentState::Watching
                | SegmentState::Running
                | SegmentState::Voicemail
                | SegmentState::Echo
                | SegmentState::Parked
                | SegmentState::Waiting => Occupancy::Busy,
            })
            .min()
            .unwrap_or_default()
    }

    pub fn seats_taken(&self) -> usize {
        self.agents.values().filter(|a| a.seat.is_some()).count()
    }

    pub fn calls(&self) -> usize {
        self.legs.values().filter(|l| l.role == LegRole::Customer).count()
    }
}

impl Segment {
    /// Who works on it: the agent, or the supervisor who watches.
    pub fn agent(&self) -> Option<AgentId> {
        match self.of {
            SegmentOf::Agent { agent, .. } | SegmentOf::Supervisor { agent, .. } => Some(agent),
            SegmentOf::Flow { .. }
            | SegmentOf::Queue { .. }
            | SegmentOf::Device { .. }
            | SegmentOf::Outside { .. }
            | SegmentOf::Parked { .. } => None,
        }
    }

    /// Whose limits its calls to the outside count against.
    pub fn payer(&self) -> Option<AgentId> {
        match self.of {
            SegmentOf::Device { payer, .. } => payer,
            _ => self.agent(),
        }
    }

    /// The leg by which he speaks with the party he consults.
    pub fn aside(&self) -> Option<LegId> {
        self.aside.or(self.leg)
    }

    pub fn queue(&self) -> Option<QueueId> {
        match self.of {
            SegmentOf::Queue { queue, .. } => Some(queue),
            SegmentOf::Agent { queue, .. } | SegmentOf::Parked { queue, .. } => queue,
            SegmentOf::Flow { .. }
            | SegmentOf::Device { .. }
            | SegmentOf::Outside { .. }
            | SegmentOf::Supervisor { .. } => None,
        }
    }

    /// The segment of the agent who asks this party about the customer, as long as it only is asked.
    pub fn consulted_by(&self) -> Option<SegmentId> {
        self.by.filter(|_| self.why == SegmentStart::Consult)
    }

    /// Offered or on the way to a conversation.
    pub fn is_reaching(&self) -> bool {
        matches!(self.state, SegmentState::Offered | SegmentState::Connecting)
    }

    pub fn in_conversation(&self) -> bool {
        matches!(self.state, SegmentState::Talking | SegmentState::Held | SegmentState::Consulting)
    }

    /// Has to do with the customer himself, now or when the consultation is over.
    pub fn has_customer(&self) -> bool {
        self.in_conversation() && self.consulted_by().is_none()
    }
}
