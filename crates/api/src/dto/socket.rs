//! The messages of `/socket` and `/public/socket`: one JSON object each, told apart by `type`.
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::command::Command;
use super::desk::DeskView;
use super::live::{LiveAgent, LiveInteraction, LiveQueue, LiveTotals, LiveView};
use super::quality::CallQuality;
use super::words;
use crate::error::Message;

/// From an agent's or supervisor's tab.
#[derive(Debug, Clone, PartialEq, Deserialize, ToSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ClientMessage {
    /// First message. With the `epoch` and `last_seq` of a connection lost less than 60 s ago the server goes on from there.
    Hello {
        /// Chosen by the tab, kept for its life.
        #[schema(max_length = 64)]
        tab: String,
        #[serde(default)]
        epoch: Option<String>,
        #[serde(default)]
        last_seq: Option<u64>,
        #[serde(default)]
        subscribe: Vec<Topic>,
    },
    /// Answered by `ack` once durable, or by `error`.
    Command {
        #[schema(max_length = 64)]
        id: String,
        command: Command,
    },
    /// This tab wants to lead: have the microphone, receive offers. With `take`, from a tab that leads now.
    Lead {
        #[serde(default)]
        take: bool,
    },
    /// Anything but `ok` or `listen_only` keeps offers away.
    Preflight {
        microphone: Microphone,
    },
    /// The tab's peer connection; `generation` grows with each.
    DeviceOffer {
        generation: u64,
        #[schema(max_length = 20_000)]
        sdp: String,
    },
    Ping,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Topic {
    /// The agent's own desk.
    Desk,
    /// The live board.
    Live,
    /// New messages in the mailboxes of which one is told.
    Voicemail,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Microphone {
    Ok,
    Denied,
    Missing,
    ListenOnly,
}

/// To an agent's or supervisor's tab. `seq` counts the messages of one subscription and lets a lost tab resume.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ServerMessage {
    /// First answer to `hello`, unless resumed. `desk` is null for who is no agent or did not subscribe.
    Snapshot {
        epoch: String,
        seq: u64,
        now: i64,
        desk: Option<DeskView>,
        live: Option<LiveView>,
    },
    /// The connection goes on after `last_seq`; missed messages follow.
    Resumed {
        epoch: String,
        seq: u64,
        now: i64,
    },
    /// The whole desk after a change.
    Desk {
        seq: u64,
        now: i64,
        desk: DeskView,
    },
    /// How the agent's conversations sound, every few seconds when it changed.
    Quality {
        calls: Vec<CallQuality>,
    },
    /// New messages in the mailboxes of which one is told: at the beginning, and whenever something has become of any
    /// message.
    Voicemail {
        #[serde(rename = "new")]
        unheard: u64,
        /// When the newest of them was left; grows when another one comes.
        newest_at: Option<i64>,
    },
    /// Changed rows only, at most once a second.
    Live {
        seq: u64,
        now: i64,
        changes: LiveChanges,
    },
    Ack {
        id: String,
    },
    Error {
        id: Option<String>,
        code: String,
        message: Message,
    },
    /// How peer connections made from now on may reach the server: before the first `snapshot` and
    /// whenever the accounts are renewed. Not sent where the operator names no servers.
    Ice {
        servers: Vec<IceServer>,
        /// By relays alone (`iceTransportPolicy`).
        relay_only: bool,
    },
    DeviceAnswer {
        generation: u64,
        sdp: String,
    },
    DeviceRefused {
        generation: u64,
        code: String,
        message: Message,
    },
    /// State of this tab's device; `code` says why not ready.
    DeviceState {
        state: DeviceStateWord,
        code: Option<String>,
    },
    /// For a one-line explanation: `answered_elsewhere`, `caller_hung_up`, `missed` …
    OfferWithdrawn {
        offer: String,
        why: String,
    },
    /// Something the person should know, such as `tab.lead_taken`.
    Notice {
        code: String,
        message: Message,
    },
    Pong {
        now: i64,
    },
}

/// As a browser's `RTCIceServer`, but for `null` where there is no account.
#[derive(Clone, PartialEq, Serialize, ToSchema)]
pub struct IceServer {
    pub urls: Vec<String>,
    pub username: Option<String>,
    pub credential: Option<String>,
}

impl std::fmt::Debug for IceServer {
    /// Without the account: it lets in whoever has it.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("IceServer").field("urls", &self.urls).finish_non_exhaustive()
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum DeviceStateWord {
    Connecting,
    Ready,
    Lost,
    NotLeading,
}

#[derive(Debug, Clone, PartialEq, Default, Serialize, ToSchema)]
pub struct LiveChanges {
    pub totals: Option<LiveTotals>,
    pub queues: Vec<LiveQueue>,
    pub agents: Vec<LiveAgent>,
    pub interactions: Vec<LiveInteraction>,
    /// Ids of queues, agents and interactions that are gone.
    pub removed: Vec<String>,
}

/// From the customer page.
#[derive(Debug, Clone, PartialEq, Deserialize, ToSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum PublicClientMessage {
    DeviceOffer {
        generation: u64,
        #[schema(max_length = 20_000)]
        sdp: String,
    },
    /// One of the numbers the page listed.
    Dial {
        #[schema(max_length = 21)]
        number: String,
    },
    HangUp,
    Digit {
        #[schema(min_length = 1, max_length = 1, pattern = "^[0-9*#]$")]
        digit: String,
    },
    Ping,
}

/// To the customer page.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum PublicServerMessage {
    /// How peer connections made from now on may reach the server: the first message.
    Ice {
        servers: Vec<IceServer>,
        /// By relays alone (`iceTransportPolicy`).
        relay_only: bool,
    },
    DeviceAnswer {
        generation: u64,
        sdp: String,
    },
    DeviceRefused {
        generation: u64,
        code: String,
        message: Message,
    },
    DeviceState {
        state: DeviceStateWord,
        code: Option<String>,
    },
    Call {
        #[schema(value_type = words::GuestCallState)]
        state: domain::device::GuestCallState,
    },
    Error {
        code: String,
        message: Message,
    },
    Pong {
        now: i64,
    },
}
