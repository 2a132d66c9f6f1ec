//! What telephony needs to know of the configuration, pushed by the engine as one immutable `Arc<Directory>`.
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::config::{Srtp, TrunkAccount, TrunkIdentity, TrunkTransport};
use crate::device::Binding;
use crate::id::{DeviceId, NumberId, TenantId, TrunkId};
use crate::leg::{ClipRef, Codec};

/// Rebuilt whole and swapped at each published revision; telephony never queries.
#[derive(Debug, Clone, Default)]
pub struct Directory {
    /// SIP domain (lower case) → tenant. A request to a bare address of this server belongs to `default_tenant`.
    pub domains: HashMap<String, TenantId>,
    pub default_tenant: Option<TenantId>,
    /// Dialled user part (digits as written in configuration, or `+…`) within a tenant.
    pub numbers: HashMap<(TenantId, String), NumberEntry>,
    /// (SIP user, realm) → account.
    pub accounts: HashMap<(String, String), SipAccount>,
    pub devices: HashMap<DeviceId, DeviceEntry>,
    pub trunks: Vec<TrunkEntry>,
    /// What browsers of a tenant shall speak, the best first, where it has a wish.
    pub browser_codecs: HashMap<TenantId, Vec<Codec>>,
    /// Prompts by reference: mono, 8 kHz, 16 bit.
    pub clips: HashMap<ClipRef, Arc<[i16]>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NumberEntry {
    pub number: NumberId,
    /// Unauthenticated INVITEs from loopback are accepted to sample numbers only.
    pub sample: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SipAccount {
    pub tenant: TenantId,
    pub device: DeviceId,
    /// Lower-case hex of MD5(user:realm:secret), RFC 2617 §3.2.2.2.
    pub ha1_md5: String,
    /// Lower-case hex of SHA-256(user:realm:secret), RFC 7616 §3.4.2.
    pub ha1_sha256: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceEntry {
    pub tenant: TenantId,
    pub kind: DeviceEntryKind,
    pub srtp: Srtp,
    /// The best first; empty for all.
    pub codecs: Vec<Codec>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DeviceEntryKind {
    Browser,
    /// Bindings known when the directory was first built (restored after a restart).
    Sip {
        user: String,
        realm: String,
        bindings: Vec<Binding>,
    },
    /// Another PBX or a load generator standing in for an agent.
    Uri {
        uri: String,
    },
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrunkEntry {
    pub trunk: TrunkId,
    pub tenant: TenantId,
    pub addresses: Vec<IpAddr>,
    pub region: Option<String>,
    /// Where our calls go, with an optional port.
    pub host: Option<String>,
    pub transport: TrunkTransport,
    /// Over TLS: whoever is there must prove it.
    pub check_certificate: bool,
    pub srtp: Srtp,
    /// The best first; empty for all.
    pub codecs: Vec<Codec>,
    pub account: Option<TrunkLogin>,
    /// Zero: the other end is not asked whether it lives.
    pub check: Duration,
    pub identity: TrunkIdentity,
    /// False while it is drained.
    pub active: bool,
}

/// What we prove ourselves with to a carrier.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrunkLogin {
    pub account: TrunkAccount,
    pub password: Password,
}

/// Prints as `Password(…)`.
#[derive(Clone, PartialEq, Eq)]
pub struct Password(pub String);

impl std::fmt::Debug for Password {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Password(…)")
    }
}
