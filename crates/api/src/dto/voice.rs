//! Numbers, rules of calls to the outside, devices (one by one and in bulk) and prompts.
use domain::id::{AgentId, DeviceId, FlowId, NumberId, QueueId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::common::{Lang, Localized};
use super::spend::SpendFields;
use super::words;

/// A number that can be called.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct NumberFields {
    /// As dialled: digits, or `+` and digits.
    #[schema(pattern = "^\\+?[0-9]{2,20}$")]
    pub number: String,
    pub name: Localized,
    pub entry: EntryPoint,
    pub lang: Lang,
    /// May be called from this machine without authentication.
    #[serde(default)]
    pub sample: bool,
    /// May be called from the customer page.
    #[serde(default)]
    pub web: bool,
    /// Whether its calls are recorded; null: as the company says.
    #[serde(default)]
    pub record: Option<super::recording::RecordRule>,
}

#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(tag = "entry", rename_all = "snake_case")]
pub enum EntryPoint {
    Flow {
        #[schema(value_type = String)]
        flow: FlowId,
    },
    Queue {
        #[schema(value_type = String)]
        queue: QueueId,
    },
    Device {
        #[schema(value_type = String)]
        device: DeviceId,
    },
    /// The caller hears themselves.
    Echo,
}

impl From<domain::config::NumberConfig> for NumberFields {
    fn from(n: domain::config::NumberConfig) -> Self {
        use domain::config::EntryPoint as E;
        Self {
            number: n.number,
            name: n.name.into(),
            entry: match n.entry {
                E::Flow { flow } => EntryPoint::Flow { flow },
                E::Queue { queue } => EntryPoint::Queue { queue },
                E::Device { device } => EntryPoint::Device { device },
                E::Echo => EntryPoint::Echo,
            },
            lang: n.lang.into(),
            sample: n.sample,
            web: n.web,
            record: n.record.map(Into::into),
        }
    }
}

impl NumberFields {
    pub fn into_config(self, id: domain::id::NumberId) -> domain::config::NumberConfig {
        use domain::config::EntryPoint as E;
        domain::config::NumberConfig {
            id,
            number: self.number,
            name: self.name.into(),
            entry: match self.entry {
                EntryPoint::Flow { flow } => E::Flow { flow },
                EntryPoint::Queue { queue } => E::Queue { queue },
                EntryPoint::Device { device } => E::Device { device },
                EntryPoint::Echo => E::Echo,
            },
            lang: self.lang.into(),
            sample: self.sample,
            web: self.web,
            record: self.record.map(Into::into),
        }
    }
}

/// Rules of calls to the outside.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct OutboundFields {
    /// Emergency calls are always let out.
    #[schema(value_type = Vec<words::CallClass>)]
    pub allowed: Vec<domain::outbound::CallClass>,
    /// Outbound calls at the same time.
    #[schema(maximum = 10000)]
    pub concurrent: u32,
    /// Outbound calls begun within any minute.
    #[schema(maximum = 10000)]
    pub per_minute: u32,
    /// Shown to those who are called, where the caller chooses none.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pub caller: Option<NumberId>,
    pub record: bool,
    /// What calls cost, and how much may be spent. Left out: no prices, no limits.
    #[serde(default)]
    pub spend: SpendFields,
}

impl From<domain::outbound::OutboundRules> for OutboundFields {
    fn from(r: domain::outbound::OutboundRules) -> Self {
        let domain::outbound::OutboundRules { allowed, concurrent, per_minute, caller, record, spend } = r;
        Self { allowed, concurrent, per_minute, caller, record, spend: spend.into() }
    }
}

impl From<OutboundFields> for domain::outbound::OutboundRules {
    fn from(f: OutboundFields) -> Self {
        let OutboundFields { allowed, concurrent, per_minute, caller, record, spend } = f;
        Self { allowed, concurrent, per_minute, caller, record, spend: spend.into() }
    }
}

/// Where an agent can be reached. Browser devices are made by the desk itself.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[schema(as = DeviceNew)]
pub struct DeviceFields {
    #[schema(min_length = 1, max_length = 100)]
    pub name: String,
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pub agent: Option<AgentId>,
    pub kind: DeviceKind,
    /// Of phones; browsers always encrypt.
    #[serde(default)]
    #[schema(value_type = words::Srtp)]
    pub srtp: domain::config::Srtp,
    /// Codecs a phone may use, the best first. Empty: all, G.711 first, and that first which the other side of the call
    /// speaks. Browsers follow the company's setting.
    #[serde(default)]
    #[schema(value_type = Vec<words::Codec>, max_items = 4)]
    pub codecs: Vec<domain::leg::Codec>,
    /// SIP password of a `sip` device; generated if left out when creating; never read again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 128, write_only)]
    pub secret: Option<String>,
    /// SIP domain and digest realm of a `sip` device.
    #[serde(default)]
    #[schema(read_only)]
    pub realm: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum DeviceKind {
    /// The agent's tab.
    Browser,
    /// A phone that registers as `user` at the tenant's SIP domain.
    Sip {
        #[schema(pattern = "^[a-z0-9._-]{2,40}$")]
        user: String,
    },
    /// An external SIP URI, always taken as reachable.
    Uri { uri: String },
}

impl From<domain::config::DeviceKind> for DeviceKind {
    fn from(k: domain::config::DeviceKind) -> Self {
        use domain::config::DeviceKind as K;
        match k {
            K::Browser => DeviceKind::Browser,
            K::Sip { user } => DeviceKind::Sip { user },
            K::Uri { uri } => DeviceKind::Uri { uri },
        }
    }
}

impl From<DeviceKind> for domain::config::DeviceKind {
    fn from(k: DeviceKind) -> Self {
        use domain::config::DeviceKind as K;
        match k {
            DeviceKind::Browser => K::Browser,
            DeviceKind::Sip { user } => K::Sip { user },
            DeviceKind::Uri { uri } => K::Uri { uri },
        }
    }
}

/// A device just made, with what a phone needs to register. `secret` is shown this once.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct DeviceCreated {
    #[schema(value_type = String)]
    pub id: DeviceId,
    pub name: String,
    #[schema(value_type = Option<String>)]
    pub agent: Option<AgentId>,
    pub kind: DeviceKind,
    #[schema(value_type = words::Srtp)]
    pub srtp: domain::config::Srtp,
    #[schema(value_type = Vec<words::Codec>)]
    pub codecs: Vec<domain::leg::Codec>,
    /// SIP domain and digest realm.
    pub realm: Option<String>,
    pub secret: Option<String>,
}

#[derive(Debug, Clone, Deserialize, ToSchema)]
pub struct DevicesBulk {
    #[schema(max_items = 1000)]
    pub devices: Vec<DeviceFields>,
}

/// One result per row, in the order given.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct DevicesBulkResult {
    pub created: u32,
    pub failed: u32,
    pub rows: Vec<DevicesBulkRow>,
}

/// Either `device` or `error` is set.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct DevicesBulkRow {
    pub row: u32,
    pub device: Option<DeviceCreated>,
    pub error: Option<crate::error::Problem>,
}

/// Where phones reach this server.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct PhoneService {
    /// Port of UDP and TCP.
    pub sip: u16,
    /// Port of TLS, if there is one.
    pub sip_tls: Option<u16>,
    /// How others reach it, for pages opened on this machine itself by a loopback address.
    pub elsewhere: Option<PhoneElsewhere>,
    /// Seconds between registrations.
    pub registration_s: u32,
}

#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct PhoneElsewhere {
    pub host: String,
    /// Of the console, without a path.
    pub url: String,
}

#[derive(Debug, Clone, Deserialize, ToSchema)]
pub struct PhoneLinkRequest {
    pub transport: PhoneTransport,
    /// The password the device gets; generated if left out.
    #[serde(default)]
    #[schema(max_length = 128)]
    pub secret: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum PhoneTransport {
    Udp,
    Tcp,
    Tls,
}

impl PhoneTransport {
    /// As in a SIP URI.
    pub fn param(self) -> &'static str {
        match self {
            PhoneTransport::Udp => "udp",
            PhoneTransport::Tcp => "tcp",
            PhoneTransport::Tls => "tls",
        }
    }
}

/// A phone's settings to be fetched once. `secret` is shown this once.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct PhoneLink {
    pub realm: String,
    pub secret: String,
    /// Of the link, to be set behind the address by which the phone reaches this server.
    pub path: String,
    /// Unix time in milliseconds.
    pub expires_at: i64,
}

/// A prompt or piece of music, in one or both languages.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct PromptFields {
    pub name: Localized,
    /// WAV (mono, 8 or 16 kHz, 16 bit), base64, by language; at most 4 MiB each. Written, never read: see
    /// `/prompts/{id}/audio/{lang}`. In a change, only the languages given are replaced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(write_only)]
    pub audio: Option<PromptAudio>,
    /// Who made it.
    #[serde(default)]
    #[schema(max_length = 300)]
    pub source: String,
    /// Under which licence it may be used.
    #[serde(default)]
    #[schema(max_length = 300)]
    pub licence: String,
    /// In which languages there is sound.
    #[serde(default)]
    #[schema(read_only)]
    pub languages: Vec<Lang>,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
pub struct PromptAudio {
    #[serde(rename = "zh-CN", default)]
    pub zh: Option<String>,
    #[serde(default)]
    pub en: Option<String>,
}
