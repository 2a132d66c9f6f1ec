//! Trunks, how they are doing, tests of them; and routes.
use domain::id::{NumberId, TrunkId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::words;

/// A line to a carrier or another exchange.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct TrunkFields {
    #[schema(min_length = 1, max_length = 100)]
    pub name: String,
    /// Calls from these addresses are the trunk's.
    #[serde(default)]
    #[schema(value_type = Vec<String>)]
    pub addresses: Vec<std::net::IpAddr>,
    /// ISO 3166, for national numbers of its callers.
    #[serde(default)]
    #[schema(pattern = "^[A-Z]{2}$")]
    pub region: Option<String>,
    /// Where our calls go: a host name or address with an optional port. Null: the trunk only brings calls.
    #[serde(default)]
    #[schema(max_length = 200)]
    pub host: Option<String>,
    #[serde(default)]
    #[schema(value_type = words::TrunkTransport)]
    pub transport: domain::config::TrunkTransport,
    /// Over TLS: the trunk's certificate must be valid for `host`. Off: any will do, so that nobody knows who is there.
    #[serde(default = "super::people::yes")]
    pub check_certificate: bool,
    #[serde(default)]
    #[schema(value_type = words::Srtp)]
    pub srtp: domain::config::Srtp,
    /// Codecs it may use, the best first. Empty: all, G.711 first, and that first which the other side of the call speaks.
    #[serde(default)]
    #[schema(value_type = Vec<words::Codec>, max_items = 4)]
    pub codecs: Vec<domain::leg::Codec>,
    /// Calls of ours at the same time; null for as many as there are.
    #[serde(default)]
    #[schema(minimum = 1)]
    pub calls_max: Option<u32>,
    /// Calls of ours begun within any second; null for as many as come.
    #[serde(default)]
    #[schema(minimum = 1, maximum = 1000)]
    pub calls_per_second: Option<u32>,
    /// What the carrier knows us by, where it asks who calls. Null: it knows us by our address.
    #[serde(default)]
    pub account: Option<TrunkAccount>,
    /// Our password there; wanted with the first `account`, kept if left out later; never read again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 128, write_only)]
    pub password: Option<String>,
    /// Seconds between questions whether its other end lives (OPTIONS); 0 for none, else 5 and more. While it does not answer,
    /// calls go another way.
    #[serde(default = "check_s")]
    #[schema(maximum = 3600)]
    pub check_s: u32,
    /// Number of ours that is shown by it whatever was chosen, for carriers that take calls of one number alone.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pub caller: Option<NumberId>,
    #[serde(default)]
    pub identity: TrunkIdentity,
    /// Off: it is being drained. No new call goes either way; those that are up go on.
    #[serde(default = "super::people::yes")]
    pub active: bool,
}

/// A minute: soon enough to spare callers a dead trunk, seldom enough for any carrier.
fn check_s() -> u32 {
    60
}

/// What is believed of a trunk about who calls, and said to it.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize, ToSchema)]
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
    /// Our calls carry a signed statement of whose number is shown (STIR/SHAKEN). `unavailable` if the server has no key.
    #[serde(default)]
    pub signed: bool,
}

impl From<domain::config::TrunkIdentity> for TrunkIdentity {
    fn from(i: domain::config::TrunkIdentity) -> Self {
        Self { trusted: i.trusted, verifies: i.verifies, told: i.told, signed: i.signed }
    }
}

impl From<TrunkIdentity> for domain::config::TrunkIdentity {
    fn from(i: TrunkIdentity) -> Self {
        Self { trusted: i.trusted, verifies: i.verifies, told: i.told, signed: i.signed }
    }
}

/// Our account at a carrier.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct TrunkAccount {
    /// User part of our address there, often the number.
    #[schema(min_length = 1, max_length = 100)]
    pub user: String,
    /// Name in the answer to a challenge, where it is another.
    #[serde(default)]
    #[schema(max_length = 100)]
    pub auth_user: Option<String>,
    /// SIP domain of the carrier, where it is another than the host.
    #[serde(default)]
    #[schema(max_length = 200)]
    pub domain: Option<String>,
    /// Whether we register there, so that the carrier knows where its calls to us go.
    #[serde(default)]
    pub register: bool,
}

impl From<domain::config::TrunkAccount> for TrunkAccount {
    fn from(a: domain::config::TrunkAccount) -> Self {
        let domain::config::TrunkAccount { user, auth_user, domain, register } = a;
        Self { user, auth_user, domain, register }
    }
}

impl From<TrunkAccount> for domain::config::TrunkAccount {
    fn from(a: TrunkAccount) -> Self {
        let TrunkAccount { user, auth_user, domain, register } = a;
        Self { user, auth_user, domain, register }
    }
}

/// How a trunk is doing.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct TrunkStatus {
    #[schema(value_type = String)]
    pub trunk: TrunkId,
    #[schema(value_type = words::TrunkState)]
    pub state: domain::trunk::TrunkState,
    /// Unix milliseconds since when it is so.
    pub since: i64,
    /// Why it is unreachable.
    #[schema(value_type = Option<words::TrunkFault>)]
    pub fault: Option<domain::trunk::TrunkFault>,
    /// The SIP status that came with it.
    pub sip_status: Option<u16>,
    /// Of the last question that was answered.
    pub round_trip_ms: Option<u32>,
    /// Unix milliseconds until when the registration holds.
    pub registered_until: Option<i64>,
}

impl TrunkStatus {
    pub fn of(trunk: TrunkId, status: domain::trunk::TrunkStatus) -> Self {
        let domain::trunk::TrunkStatus { state, since, fault, sip_status, round_trip_ms, registered_until } = status;
        Self { trunk, state, since, fault, sip_status, round_trip_ms, registered_until }
    }
}

#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct TrunkStatuses {
    /// Of trunks that calls of ours can go by.
    pub items: Vec<TrunkStatus>,
}

/// What came of a test: the steps in order, up to the first that failed.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct TrunkTest {
    pub ok: bool,
    pub steps: Vec<TrunkTestStep>,
}

#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct TrunkTestStep {
    #[schema(value_type = words::TestStage)]
    pub step: domain::trunk::TestStage,
    /// Null if it went well.
    #[schema(value_type = Option<words::TrunkFault>)]
    pub fault: Option<domain::trunk::TrunkFault>,
    /// What was answered.
    pub sip_status: Option<u16>,
    /// Address and port it was tried with.
    pub address: Option<String>,
    pub round_trip_ms: Option<u32>,
    /// What it means and what to do about it.
    pub message: crate::error::Message,
}

/// A trunk among those of a route.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct RouteTrunk {
    #[schema(value_type = String)]
    pub trunk: TrunkId,
    /// The lowest is tried first; the next if none of that priority can carry the call.
    #[schema(minimum = 1, maximum = 99)]
    pub priority: u8,
    /// Its share of the calls among trunks of equal priority.
    #[schema(minimum = 1, maximum = 1000)]
    pub weight: u16,
}

/// Numbers that begin so go out by these trunks.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct RouteFields {
    #[schema(min_length = 1, max_length = 100)]
    pub name: String,
    /// Beginnings of numbers, such as `+86` or `95`; an empty one takes every number. The longest that fits decides.
    pub prefixes: Vec<String>,
    /// Tried by priority; bare ids are taken as trunks in the order of trying.
    #[serde(deserialize_with = "domain::outbound::route_trunks")]
    #[schema(value_type = Vec<RouteTrunk>)]
    pub trunks: Vec<domain::outbound::RouteTrunk>,
    #[serde(default)]
    #[schema(value_type = words::NumberFormat)]
    pub format: domain::outbound::NumberFormat,
    /// Null: what the number itself says.
    #[serde(default)]
    #[schema(value_type = Option<words::CallClass>)]
    pub class: Option<domain::outbound::CallClass>,
    /// Number of ours that is shown where the agent chooses none; null: the company's choice.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pub caller: Option<NumberId>,
}
