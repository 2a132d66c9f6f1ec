//! Logins, users, teams, agents, skills, dispositions, break reasons, API tokens.
use domain::id::{AgentId, LoginId, QueueId, TeamId, UserId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::common::{Capacity, Lang, Localized, SkillLevel};
use super::words;

/// A person's sign-in, as far as this tenant sees it. The password is written, never read.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Login {
    #[schema(value_type = String)]
    pub id: LoginId,
    pub email: String,
    /// This tenant's membership of the login.
    #[schema(value_type = String)]
    pub user: UserId,
    /// Without one the login can be used through one-time links only.
    pub has_password: bool,
    /// Barred after too many wrong passwords.
    pub locked_until_at: Option<i64>,
    pub created_at: i64,
}

/// Makes a login and its membership here, without grants. A person who already has a login elsewhere keeps their own
/// password; the one given is ignored then.
#[derive(Debug, Clone, Deserialize, ToSchema)]
pub struct LoginNew {
    #[schema(max_length = 200, format = "email")]
    pub email: String,
    #[schema(min_length = 1, max_length = 100)]
    pub name: String,
    #[serde(default)]
    #[schema(min_length = 10, max_length = 200, format = "password")]
    pub password: Option<String>,
}

#[derive(Debug, Clone, Deserialize, ToSchema)]
pub struct LoginPatch {
    /// Ends every session of the login.
    #[serde(default)]
    #[schema(min_length = 10, max_length = 200, format = "password")]
    pub password: Option<String>,
    /// Lift the bar after too many wrong passwords.
    #[serde(default)]
    pub unlock: bool,
}

/// A login's membership in this tenant.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct UserFields {
    /// Of the login; made if there is none. Cannot be changed afterwards.
    #[schema(max_length = 200, format = "email")]
    pub email: String,
    #[schema(min_length = 1, max_length = 100)]
    pub name: String,
    #[serde(default = "zh")]
    pub lang: Lang,
    /// IANA name; null takes the tenant's.
    #[serde(default)]
    pub time_zone: Option<String>,
    #[serde(default)]
    pub grants: Vec<Grant>,
    #[serde(default = "yes")]
    pub active: bool,
    #[serde(default)]
    #[schema(value_type = Option<String>, read_only)]
    pub login: Option<LoginId>,
    /// The agent this user is, if one.
    #[serde(default)]
    #[schema(value_type = Option<String>, read_only)]
    pub agent: Option<AgentId>,
}

/// A role within a scope.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Grant {
    pub role: Role,
    pub scope: GrantScope,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    Agent,
    Supervisor,
    Admin,
    /// Runs the installation; given by its owner only.
    Host,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "scope", rename_all = "snake_case")]
pub enum GrantScope {
    Own,
    Team {
        #[schema(value_type = String)]
        team: TeamId,
    },
    Queue {
        #[schema(value_type = String)]
        queue: QueueId,
    },
    Tenant,
    Host,
}

/// Users and queues a supervisor answers for.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct TeamFields {
    pub name: Localized,
    #[serde(default)]
    #[schema(value_type = Vec<String>)]
    pub queues: Vec<QueueId>,
}

/// A user on the floor.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct AgentFields {
    #[schema(value_type = String)]
    pub user: UserId,
    #[schema(min_length = 1, max_length = 100)]
    pub name: String,
    /// Digits by which colleagues dial this agent.
    #[schema(max_length = 10, pattern = "^[0-9]{2,10}$")]
    pub extension: String,
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pub team: Option<TeamId>,
    #[serde(default)]
    pub skills: Vec<SkillLevel>,
    pub capacity: Capacity,
    #[serde(default = "yes")]
    pub active: bool,
    /// Whether this agent's conversations are recorded; null: as the queue, the number or the company says.
    #[serde(default)]
    pub record: Option<super::recording::RecordRule>,
}

#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct SkillFields {
    pub name: Localized,
}

/// An outcome chosen after an interaction (小结).
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct DispositionFields {
    pub name: Localized,
}

/// Why an agent is on a break (小休).
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct BreakReasonFields {
    pub name: Localized,
}

/// The company itself.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct TenantFields {
    #[schema(min_length = 1, max_length = 100)]
    pub name: String,
    /// IANA name, such as `Asia/Shanghai`.
    pub time_zone: String,
    pub lang: Lang,
    /// ISO 3166, for national numbers.
    #[serde(default)]
    #[schema(pattern = "^[A-Z]{2}$")]
    pub region: Option<String>,
    /// Music where a queue names none.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pub music: Option<domain::id::PromptId>,
    /// Agents see that a supervisor listens.
    #[serde(default)]
    pub monitoring_shown: bool,
    /// Codecs of browsers, the best first. Empty: G.711, which most callers bring, so that nothing need be transcoded.
    #[serde(default)]
    #[schema(value_type = Vec<words::Codec>, max_items = 4)]
    pub browser_codecs: Vec<domain::leg::Codec>,
    /// Rules of calls to the outside.
    #[serde(default)]
    pub outbound: Option<super::voice::OutboundFields>,
    /// Which conversations are recorded, and how long recordings are kept.
    #[serde(default)]
    pub recording: super::recording::RecordingFields,
    /// How messages are taken.
    #[serde(default)]
    pub voicemail: super::voicemail::MailboxFields,
    /// Customers' numbers are shown in part (`138****8000`) to whoever lacks `contact.reveal`, and on every phone; they are
    /// called by `call_back`.
    #[serde(default)]
    pub mask_numbers: bool,
}

/// What the tenant is entitled to; refusals carry `limit.*` codes.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Entitlements {
    pub seats: u32,
    pub concurrent_calls: u32,
    pub retention_days: u32,
}

#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct TenantView {
    pub id: String,
    pub name: String,
    pub time_zone: String,
    pub lang: Lang,
    pub region: Option<String>,
    pub music: Option<String>,
    /// Agents see that a supervisor listens.
    pub monitoring_shown: bool,
    #[schema(value_type = Vec<words::Codec>)]
    pub browser_codecs: Vec<domain::leg::Codec>,
    pub outbound: super::voice::OutboundFields,
    pub recording: super::recording::RecordingFields,
    pub voicemail: super::voicemail::MailboxFields,
    pub mask_numbers: bool,
    /// Where phones register; realm of the devices' secrets.
    pub sip_domain: String,
    pub entitlements: Entitlements,
    /// Number of the configuration revision in force.
    pub revision: u64,
    /// Whether seeded history is present (removed by `DELETE /sample-history`).
    pub has_sample_history: bool,
}

#[derive(Debug, Clone, Deserialize, ToSchema)]
pub struct ApiTokenNew {
    #[schema(min_length = 1, max_length = 100)]
    pub name: String,
    /// Null: never.
    #[serde(default)]
    pub expires_at: Option<i64>,
}

#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ApiToken {
    pub id: String,
    pub name: String,
    /// Whose rights it carries.
    #[schema(value_type = String)]
    pub user: UserId,
    pub user_name: String,
    pub created_at: i64,
    pub expires_at: Option<i64>,
}

/// Shown once; only its hash is kept.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ApiTokenCreated {
    pub token: ApiToken,
    /// `cbt_…`
    pub secret: String,
}

/// An agent put on duty without a tab.
#[derive(Debug, Clone, Deserialize, ToSchema)]
pub struct DutyStart {
    /// A SIP or URI device of this agent.
    #[schema(value_type = String)]
    pub device: domain::id::DeviceId,
}

/// "Ring me" was started: the demo caller enters the first sample queue.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct DemoCall {
    /// Agents signed in and available with a ready device; with none the caller waits.
    #[schema(value_type = Vec<String>)]
    pub agents_ready: Vec<AgentId>,
}

#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Duty {
    #[schema(value_type = String)]
    pub agent: AgentId,
    #[schema(value_type = Option<String>)]
    pub device: Option<domain::id::DeviceId>,
    pub on_duty: bool,
}

pub(super) fn yes() -> bool {
    true
}

fn zh() -> Lang {
    Lang::Zh
}
