//! A tenant's published configuration, compiled by the engine into one immutable value for the floor.
//!
//! Rows are edited through `engine::admin` (revision, audit, rows in one transaction); the floor sees only this.
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::calendar::Calendar;
use crate::flow::Flow;
use crate::id::{
    AgentId, BreakReasonId, CalendarId, DeviceId, DispositionId, FlowId, NumberId, PromptId, QueueId, RouteId, SkillId,
    TeamId, TenantId, TrunkId, UserId,
};
use crate::leg::Codec;
use crate::localized::{Lang, Localized};
use crate::mailbox::MailboxRules;
use crate::medium::{Medium, PerMedium};
use crate::outbound::{OutboundRules, RouteConfig};
use crate::recording::{RecordRule, RecordingRules};
use crate::time::millis;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TenantConfig {
    pub tenant: TenantId,
    /// Number of the published revision.
    pub rev: u64,
    pub name: String,
    pub time_zone: String,
    pub lang: Lang,
    pub entitlements: Entitlements,
    pub agents: BTreeMap<AgentId, AgentConfig>,
    pub teams: BTreeMap<TeamId, Team>,
    pub skills: BTreeMap<SkillId, Localized>,
    pub queues: BTreeMap<QueueId, QueueConfig>,
    pub calendars: BTreeMap<CalendarId, Calendar>,
    /// The newest published version of each flow; older ones stay reachable for interactions pinned to them.
    pub flows: BTreeMap<FlowId, Arc<Flow>>,
    pub numbers: BTreeMap<NumberId, NumberConfig>,
    pub devices: BTreeMap<DeviceId, DeviceConfig>,
    pub dispositions: BTreeMap<DispositionId, Localized>,
    pub break_reasons: BTreeMap<BreakReasonId, Localized>,
    /// Music on hold and while waiting, where a queue names none.
    pub music: Option<PromptId>,
    /// Agents see that a supervisor listens.
    #[serde(default)]
    pub monitoring_shown: bool,
    /// ISO 3166, for national numbers.
    #[serde(default)]
    pub region: Option<String>,
    #[serde(default)]
    pub trunks: BTreeMap<TrunkId, TrunkConfig>,
    #[serde(default)]
    pub routes: BTreeMap<RouteId, RouteConfig>,
    #[serde(default)]
    pub outbound: OutboundRules,
    #[serde(default)]
    pub recording: RecordingRules,
    /// Of queues without rules of their own, and of messages for no queue.
    #[serde(default)]
    pub voicemail: MailboxRules,
    /// Customers' numbers are shown in part to whoever may not see them, and on phones.
    #[serde(default)]
    pub mask_numbers: bool,
}

impl TenantConfig {
    /// How messages are taken for this queue, or for none.
    pub fn mailbox(&self, queue: Option<QueueId>) -> &MailboxRules {
        let own = queue.and_then(|q| self.queues.get(&q)).and_then(|q| q.voicemail.as_ref());
        own.unwrap_or(&self.voicemail)
    }
}

/// A line to a carrier or another exchange.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrunkConfig {
    pub id: TrunkId,
    pub name: String,
    /// Calls from these addresses are the trunk's.
    pub addresses: Vec<IpAddr>,
    pub region: Option<String>,
    /// Where our calls go: a host name or address with an optional port; none for a trunk that only brings calls.
    #[serde(default)]
    pub host: Option<String>,
    #[serde(default)]
    pub transport: TrunkTransport,
    /// Over TLS: the trunk's certificate must be valid for `host`. Off: any will do, so that nobody knows who is there.
    #[serde(default = "yes")]
    pub check_certificate: bool,
    #[serde(default)]
    pub srtp: Srtp,
    /// Codecs it may use, the best first; none named: all, as saves work.
    #[serde(default)]
    pub codecs: Vec<Codec>,
    /// Calls of ours at the same time; none for as many as there are.
    #[serde(default)]
    pub calls_max: Option<u32>,
    /// Calls of ours begun within any second; none for as many as come.
    #[serde(default)]
    pub calls_per_second: Option<u32>,
    /// What the carrier knows us by, where it asks who calls. The password is kept apart, sealed.
    #[serde(default)]
    pub account: Option<TrunkAccount>,
    /// Seconds between questions whether its other end lives (OPTIONS); 0 for none.
    #[serde(default)]
    pub check_s: u32,
    /// Number of ours that is shown by it whatever was chosen: some carriers take calls of one number alone.
    #[serde(default)]
    pub caller: Option<NumberId>,
    #[serde(default)]
    pub identity: TrunkIdentity,
    /// Off: it is being drained (maintenance). No new call goes either way; those that are up go on.
    #[serde(default = "yes")]
    pub active: bool,
}

/// What is believed of a trunk about who calls, and said to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct TrunkIdentity {
    /// It vouches for the identities it brings (RFC 3325): P-Asserted-Identity, Remote-Party-ID, Diversion, History-Info.
    #[serde(default)]
    pub trusted: bool,
    /// What it says it has verified (`verstat`, P-Attestation-Indicator) is so.
    #[serde(default)]
    pub verifies: bool,
    /// It is told by P-Asserted-Identity who calls, and by Diversion whose call is sent on to it.
    #[serde(default)]
    pub told: bool,
    /// Our calls carry a signed statement of whose number is shown (STIR/SHAKEN, RFC 8588), where this installation has a key.
    #[serde(default)]
    pub signed: bool,
}

/// Our account at a carrier.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrunkAccount {
    /// User part of our address there.
    pub user: String,
    /// Name in the answer to a challenge, where it is another.
    #[serde(default)]
    pub auth_user: Option<String>,
    /// SIP domain of the carrier, where it is another than the host.
    #[serde(default)]
    pub domain: Option<String>,
    /// Whether we register there, so that the carrier knows where its calls to us go.
    #[serde(default)]
    pub register: bool,
}

fn yes() -> bool {
    true
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TrunkTransport {
    #[default]
    Udp,
    Tcp,
    Tls,
}

/// Whether sound to and from a phone or trunk is encrypted (SRTP with keys by SDES, RFC 4568).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Srtp {
    /// Never.
    Off,
    /// Where the other side offers it; offered by us where signalling is encrypted too.
    #[default]
    Offered,
    /// Always, or there is no call.
    Required,
}

/// What the tenant is entitled to; refusals carry `limit.*` codes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entitlements {
    /// Agents signed in at the same time.
    pub seats: u32,
    pub concurrent_calls: u32,
    pub retention_days: u32,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgentConfig {
    pub id: AgentId,
    pub user: UserId,
    pub name: String,
    pub extension: String,
    pub team: Option<TeamId>,
    /// Level 1–10.
    pub skills: BTreeMap<SkillId, u8>,
    pub capacity: PerMedium<u8>,
    pub active: bool,
    /// Whether his conversations are recorded; none: as the queue, the number or the company says.
    #[serde(default)]
    pub record: Option<RecordRule>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Team {
    pub id: TeamId,
    pub name: Localized,
    pub queues: Vec<QueueId>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct QueueConfig {
    pub id: QueueId,
    pub name: Localized,
    pub media: Vec<Medium>,
    pub members: Vec<Membership>,
    /// Every one of these is required at the level given or above.
    pub required_skills: BTreeMap<SkillId, u8>,
    pub strategy: Strategy,
    /// Added to an interaction's priority, 0–100; each point is worth `priority_boost` of waiting.
    pub priority: i32,
    #[serde(with = "millis")]
    pub priority_boost: Duration,
    /// An offer not accepted in this time is missed (RONA).
    #[serde(with = "millis")]
    pub ring_timeout: Duration,
    /// What a missed offer does to the agent's presence: away until he returns, or available again.
    pub away_after_missed: bool,
    pub wrap_up: WrapUp,
    pub dispositions: Vec<DispositionId>,
    /// Answered within this time counts as in service level.
    #[serde(with = "millis")]
    pub service_level: Duration,
    /// Abandoned before this time is a short abandon and left out of the service level.
    #[serde(with = "millis")]
    pub short_abandon: Duration,
    pub calendar: Option<CalendarId>,
    pub max_waiting: u32,
    pub overflow: Option<Overflow>,
    pub closed: Destination,
    /// Played when the caller enters, then music with `comfort` every `comfort_every`.
    pub welcome: Option<PromptId>,
    pub music: Option<PromptId>,
    pub comfort: Option<PromptId>,
    #[serde(with = "millis")]
    pub comfort_every: Duration,
    /// Whether its conversations are recorded; none: as the number or the company says.
    #[serde(default)]
    pub record: Option<RecordRule>,
    /// Where a customer whom an agent sends here stands in line.
    #[serde(default)]
    pub transferred: Place,
    /// How messages are taken; none: as the company says.
    #[serde(default)]
    pub voicemail: Option<MailboxRules>,
}

/// Place in line of a customer who has waited in this call before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Place {
    /// As if he had waited here since he first entered a queue.
    #[default]
    Kept,
    /// Behind those who wait.
    Back,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Membership {
    pub agent: AgentId,
    /// 1 is asked first; equal numbers compete by the strategy.
    pub priority: u8,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Strategy {
    LongestIdle,
    /// The highest summed level over the required skills, then longest idle.
    SkillLevel,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct WrapUp {
    pub mode: WrapUpMode,
    /// End of a timed or optional wrap-up.
    #[serde(with = "millis")]
    pub limit: Duration,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WrapUpMode {
    /// Free at once.
    None,
    /// Ends when the agent says so or at the limit; a disposition may be given.
    Optional,
    /// Ends only with a disposition.
    Required,
    /// Ends at the limit.
    Timed,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Overflow {
    #[serde(with = "millis")]
    pub after: Duration,
    pub to: Destination,
}

/// Where an interaction goes next.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "to", rename_all = "snake_case")]
pub enum Destination {
    Queue {
        queue: QueueId,
    },
    Flow {
        flow: FlowId,
    },
    Voicemail {
        greeting: Option<PromptId>,
    },
    /// Say goodbye, if there is a prompt, and hang up.
    HangUp {
        prompt: Option<PromptId>,
    },
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NumberConfig {
    pub id: NumberId,
    /// As dialled: digits, or `+` and digits.
    pub number: String,
    pub name: Localized,
    pub entry: EntryPoint,
    pub lang: Lang,
    /// May be called from loopback without authentication.
    pub sample: bool,
    /// May be called from the customer page.
    pub web: bool,
    /// Whether its calls are recorded; none: as the company says.
    #[serde(default)]
    pub record: Option<RecordRule>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "entry", rename_all = "snake_case")]
pub enum EntryPoint {
    Flow { flow: FlowId },
    Queue { queue: QueueId },
    Device { device: DeviceId },
    Echo,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceConfig {
    pub id: DeviceId,
    pub name: String,
    pub agent: Option<AgentId>,
    pub kind: DeviceKind,
    /// Of phones; browsers always encrypt.
    #[serde(default)]
    pub srtp: Srtp,
    /// Codecs a phone may use, the best first; none named: all, as saves work. Browsers follow the company's.
    #[serde(default)]
    pub codecs: Vec<Codec>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum DeviceKind {
    /// The agent's tab: rings on screen, its leg starts when the offer is accepted.
    Browser,
    /// A phone: rings itself, answering it accepts the offer.
    Sip { user: String },
    /// An external URI: like a phone, always taken as reachable.
    Uri { uri: String },
}
