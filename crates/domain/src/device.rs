//! Devices: where an agent (or a guest on the customer page) can be reached. Devices outlive calls.
//!
//! [`DeviceSignal`]s travel api ↔ engine's device hub ↔ telephony, opaque to the floor, which only learns
//! `DeviceReady` and `DeviceLost`.
use serde::{Deserialize, Serialize};

use crate::id::{DeviceId, NumberId, TenantId};

/// To telephony.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum DeviceSignal {
    /// A browser offers its peer connection for this device; a former one of the same device is replaced and living
    /// legs move to the new one. `generation` grows with each connect and is echoed in the reports.
    Connect {
        device: DeviceId,
        tenant: TenantId,
        generation: u64,
        offer_sdp: String,
    },
    /// The tab closed its connection on purpose.
    Close {
        device: DeviceId,
        generation: u64,
    },
    /// A guest's connected browser device calls a number of its tenant.
    Dial {
        device: DeviceId,
        number: NumberId,
    },
    /// A guest's browser hangs up its call or sends a digit.
    HangUp {
        device: DeviceId,
    },
    Digit {
        device: DeviceId,
        digit: char,
    },
}

/// From telephony.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum DeviceReport {
    /// Answer to `Connect`.
    Answer {
        device: DeviceId,
        generation: u64,
        answer_sdp: String,
    },
    /// `Connect` failed: a stable code such as `device.bad_sdp`.
    Refused {
        device: DeviceId,
        generation: u64,
        code: String,
    },
    /// Media path proved (ICE and DTLS done), or a SIP registration arrived.
    Ready {
        device: DeviceId,
        generation: u64,
    },
    Lost {
        device: DeviceId,
        generation: u64,
        why: DeviceLoss,
    },
    /// State of a guest's call: `ringing`, `answered`, or `ended`.
    GuestCall {
        device: DeviceId,
        state: GuestCallState,
    },
    /// A registration appeared, was refreshed or removed: persisted write-behind by the engine.
    Binding {
        device: DeviceId,
        bindings: Vec<Binding>,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GuestCallState {
    Ringing,
    Answered,
    Ended,
    Refused,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeviceLoss {
    Closed,
    /// ICE consent or DTLS failed.
    IceFailed,
    RegistrationExpired,
    Unregistered,
    Replaced,
}

/// A stored SIP registration of a device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Binding {
    pub contact: String,
    /// `udp` or `tcp`.
    pub transport: String,
    /// Where requests are sent: the registration's source.
    pub source: std::net::SocketAddr,
    pub expires_unix_ms: i64,
    pub call_id: String,
    pub cseq: u32,
    /// The proxies on the way to it, as Route values.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub path: Vec<String>,
}
