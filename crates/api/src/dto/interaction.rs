//! Interactions with their segments, legs, offers and recordings; revisions and the audit trail.
use domain::id::{DeviceId, DispositionId, FlowId, InteractionId, LegId, OfferId, RecordingId, SegmentId, UserId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::common::{AgentRef, Lang, Localized, Medium, QueueRef};
use super::desk::{AddressView, NumberRef};
use super::quality::LegQuality;
use super::words;

/// One row of the interactions list.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct InteractionSummary {
    #[schema(value_type = String)]
    pub id: InteractionId,
    pub medium: Medium,
    #[schema(value_type = words::Direction)]
    pub direction: domain::event::Direction,
    pub number: Option<NumberRef>,
    pub from: Option<AddressView>,
    pub lang: Lang,
    pub started_at: i64,
    /// Null while live.
    pub ended_at: Option<i64>,
    #[schema(value_type = Option<words::InteractionEnd>)]
    pub end: Option<domain::event::InteractionEnd>,
    pub queues: Vec<QueueRef>,
    pub agents: Vec<AgentRef>,
    pub waited_ms: u64,
    pub talk_ms: u64,
    pub hold_ms: u64,
    pub has_recording: bool,
    /// Part of the seeded history.
    pub sample: bool,
    /// Kept for a court: nothing of it is deleted.
    pub held: bool,
}

/// Since when it is kept for a court; by whom and why is for those who may hold and release.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Hold {
    pub at: i64,
    pub by: Option<String>,
    pub reason: Option<String>,
}

impl Hold {
    pub fn new(row: &store::HoldRow, whole: bool) -> Self {
        let shown = |text: &String| whole.then(|| text.clone());
        Self { at: row.held_at.0, by: shown(&row.author), reason: shown(&row.reason) }
    }
}

#[derive(Debug, Clone, Deserialize, ToSchema)]
pub struct HoldChange {
    pub held: bool,
    #[schema(min_length = 1, max_length = 500)]
    pub reason: String,
}

#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct InteractionDetail {
    pub summary: InteractionSummary,
    pub hold: Option<Hold>,
    /// By start.
    pub segments: Vec<Segment>,
    pub legs: Vec<Leg>,
    pub offers: Vec<Offer>,
    pub recordings: Vec<Recording>,
    /// Who was called first, before the call was sent on to us.
    pub diverted: Option<AddressView>,
    pub verified: Option<super::desk::CallerVerified>,
    /// The earlier interaction that this call of ours answers.
    #[schema(value_type = Option<String>)]
    pub calls_back: Option<InteractionId>,
    /// Calls of ours that answered this one.
    #[schema(value_type = Vec<String>)]
    pub called_back_by: Vec<InteractionId>,
}

#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Segment {
    #[schema(value_type = String)]
    pub id: SegmentId,
    /// `flow`, `queue`, `agent`, `device`, `outside`, `parked` or `supervisor`.
    pub of: String,
    #[schema(value_type = Option<String>)]
    pub flow: Option<FlowId>,
    pub flow_version: Option<u32>,
    pub queue: Option<QueueRef>,
    pub agent: Option<AgentRef>,
    #[schema(value_type = Option<String>)]
    pub device: Option<DeviceId>,
    /// Whom an agent asked or sent the customer to, outside.
    pub outside: Option<AddressView>,
    /// Number of the parking place.
    pub place: Option<u16>,
    pub started_at: i64,
    #[schema(value_type = words::SegmentStart)]
    pub start: domain::event::SegmentStart,
    pub ended_at: Option<i64>,
    #[schema(value_type = Option<words::SegmentEnd>)]
    pub end: Option<domain::event::SegmentEnd>,
    /// Tile the segment to the millisecond.
    pub spans: Vec<Span>,
    #[schema(value_type = Option<String>)]
    pub disposition: Option<DispositionId>,
    pub disposition_name: Option<Localized>,
    pub note: Option<String>,
}

#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Span {
    #[schema(value_type = words::SegmentState)]
    pub state: domain::event::SegmentState,
    pub from_at: i64,
    /// Null while it lasts.
    pub to_at: Option<i64>,
}

#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Leg {
    #[schema(value_type = String)]
    pub id: LegId,
    #[schema(value_type = Option<String>)]
    pub segment: Option<SegmentId>,
    #[schema(value_type = words::LegRole)]
    pub role: domain::event::LegRole,
    #[schema(value_type = words::Direction)]
    pub direction: domain::event::Direction,
    #[schema(value_type = words::DestinationClass)]
    pub destination: domain::event::DestinationClass,
    #[schema(value_type = Option<String>)]
    pub device: Option<DeviceId>,
    #[schema(value_type = Option<words::Codec>)]
    pub codec: Option<domain::leg::Codec>,
    pub started_at: i64,
    pub ringing_at: Option<i64>,
    pub answered_at: Option<i64>,
    pub ended_at: Option<i64>,
    #[schema(value_type = Option<words::EndCause>)]
    pub cause: Option<domain::leg::EndCause>,
    #[schema(value_type = Option<words::EndedBy>)]
    pub ended_by: Option<domain::leg::EndedBy>,
    pub stats: Option<LegStats>,
}

#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct LegStats {
    pub answered_ms: u64,
    pub rtp_received: u64,
    pub rtp_sent: u64,
    pub rtp_lost: u64,
    pub jitter_ms: u32,
    pub rtp_foreign: u64,
    /// Null for legs without sound, and for those that ended before it was judged.
    pub quality: Option<LegQuality>,
}

impl From<domain::leg::LegStats> for LegStats {
    fn from(s: domain::leg::LegStats) -> Self {
        Self {
            answered_ms: s.answered_ms,
            rtp_received: s.rtp_received,
            rtp_sent: s.rtp_sent,
            rtp_lost: s.rtp_lost,
            jitter_ms: s.jitter_ms,
            rtp_foreign: s.rtp_foreign,
            quality: s.quality.map(|quality| (*quality).into()),
        }
    }
}

/// One offer, how it ended, and why this agent was chosen.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Offer {
    #[schema(value_type = String)]
    pub id: OfferId,
    #[schema(value_type = String)]
    pub segment: SegmentId,
    pub agent: AgentRef,
    pub made_at: i64,
    pub until_at: i64,
    pub ended_at: Option<i64>,
    pub accepted: bool,
    #[schema(value_type = Option<words::OfferEnd>)]
    pub end: Option<domain::event::OfferEnd>,
    pub trace: DecisionTrace,
}

#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct DecisionTrace {
    pub strategy: super::routing::Strategy,
    pub waited_ms: u64,
    pub priority: i32,
    /// Place among the queue's waiting work when chosen; 1 is first.
    pub place: u32,
    /// Best first: the first one got the offer.
    pub candidates: Vec<Candidate>,
    pub excluded: Vec<Excluded>,
    /// How many more there were than listed.
    pub left_out: u32,
}

#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Candidate {
    pub agent: AgentRef,
    pub priority: u8,
    pub level: u32,
    pub idle_ms: u64,
}

#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Excluded {
    pub agent: AgentRef,
    #[schema(value_type = words::Exclusion)]
    pub why: domain::routing::Exclusion,
}

#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Recording {
    #[schema(value_type = String)]
    pub id: RecordingId,
    #[schema(value_type = String)]
    pub interaction: InteractionId,
    #[schema(value_type = Option<String>)]
    pub segment: Option<SegmentId>,
    /// First frame written.
    pub started_at: i64,
    pub length_ms: Option<u64>,
    /// The sound can be fetched from `/recordings/{id}`.
    pub stored: bool,
    /// Its time was over: there is no sound any more.
    pub deleted: bool,
    pub gaps: Vec<Gap>,
}

/// A stretch of listed silence, from the recording's start.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
pub struct Gap {
    pub from_ms: u64,
    pub to_ms: u64,
    #[schema(value_type = words::GapCause)]
    pub why: domain::leg::GapCause,
}

impl From<domain::leg::Gap> for Gap {
    fn from(g: domain::leg::Gap) -> Self {
        Self { from_ms: g.from_ms, to_ms: g.to_ms, why: g.why }
    }
}

/// Loudness for a waveform: `min` and `max` of each 50 ms, −1 to 1.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Peaks {
    pub step_ms: u32,
    pub length_ms: u64,
    /// Customer.
    pub left: Vec<Peak>,
    /// Agent.
    pub right: Vec<Peak>,
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize, ToSchema)]
pub struct Peak {
    pub min: f32,
    pub max: f32,
}

/// A fact of the journal about one interaction. `data` holds the fields of its kind (ids, never personal data).
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct InteractionEvent {
    pub seq: u64,
    pub at: i64,
    pub kind: String,
    #[schema(value_type = Object)]
    pub data: serde_json::Value,
}

#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct InteractionEvents {
    pub items: Vec<InteractionEvent>,
}

/// One numbered change of configuration.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ConfigRevision {
    pub number: u64,
    /// Published, or saved as a draft.
    pub at: i64,
    /// `draft`, `published`, `merged` (a draft that was published under a new number) or `discarded`.
    pub state: String,
    #[schema(value_type = Option<String>)]
    pub author: Option<UserId>,
    pub author_name: Option<String>,
    pub reason: String,
    /// What it put and deleted.
    #[schema(value_type = Vec<Object>)]
    pub changes: serde_json::Value,
}

/// Who did what.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct AuditEntry {
    pub id: String,
    pub at: i64,
    #[schema(value_type = Option<String>)]
    pub actor: Option<UserId>,
    pub actor_name: Option<String>,
    /// Such as `queue.update`.
    pub action: String,
    /// Id of the thing concerned.
    pub resource: Option<String>,
    pub revision: Option<u64>,
    #[schema(value_type = Object)]
    pub detail: serde_json::Value,
}
