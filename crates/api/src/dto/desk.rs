//! The agent's desk: a floor view with names and addresses filled in.
use std::collections::BTreeMap;

use domain::id::{BreakReasonId, DeviceId, DispositionId, InteractionId, NumberId, OfferId, RecordingId, SegmentId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::common::{AgentRef, Lang, Localized, Medium, QueueRef};
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
    /// As the far end last called itself.
    pub name: Option<String>,
    /// Parts of the text are hidden: call by `call_back`, not by number.
    pub masked: bool,
}

impl AddressView {
    /// For those who may not see customers' numbers. Short codes of companies stay.
    pub fn mask(&mut self) {
        let text = domain::address::masked(&self.text);
        if self.kind != "withheld" && text != self.text {
            // A name may be the number again.
            (self.text, self.name, self.masked) = (text, None, true);
        }
    }
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
        Self { kind: kind.to_owned(), text: a.to_string(), name: None, masked: false }
    }
}

impl From<&store::AddressRow> for AddressView {
    fn from(row: &store::AddressRow) -> Self {
        Self { name: row.name.clone(), ..(&row.value).into() }
    }
}

/// Whether the caller may use the number he shows.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, ToSchema)]
pub struct CallerVerified {
    /// By the network that brings the call; null: it does not say, or is not asked.
    pub passed: Option<bool>,
    /// What the network where the call began says of itself: it knows the caller and his number (A), the caller (B), or
    /// only where the call came in (C).
    #[schema(value_type = Option<words::Attestation>)]
    pub attested: Option<domain::leg::Attestation>,
}

impl From<domain::leg::Verified> for CallerVerified {
    fn from(v: domain::leg::Verified) -> Self {
        Self { passed: v.passed, attested: v.attested }
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
    /// Who was called first, before the call was sent on to us.
    pub diverted: Option<AddressView>,
    pub verified: Option<CallerVerified>,
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
    /// Who was called first, before the call was sent on to us.
    pub diverted: Option<AddressView>,
    pub verified: Option<CallerVerified>,
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
