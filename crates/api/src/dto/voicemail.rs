//! Messages that callers left, and the rules by which they are taken.
use domain::id::{InteractionId, PromptId, RecordingId, UserId};
use domain::mailbox as d;
use serde::{Deserialize, Serialize};
use std::time::Duration;
use utoipa::ToSchema;

use super::common::QueueRef;
use super::desk::{AddressView, NumberRef};
use super::routing::ms;
use super::words;

/// How messages are taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct MailboxFields {
    /// Off: who would have left a message is let go without one.
    #[serde(default = "super::people::yes")]
    pub on: bool,
    /// Where the step or the destination names none.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pub greeting: Option<PromptId>,
    /// Longest message where no step says otherwise.
    #[serde(default = "two_minutes")]
    #[schema(minimum = 5000, maximum = 600_000)]
    pub max_ms: u64,
    /// Messages in which less than this is to be heard are thrown away.
    #[serde(default = "one_second")]
    #[schema(maximum = 30_000)]
    pub least_ms: u64,
    /// Whose desk tells of a new message.
    #[serde(default)]
    pub notify: Notify,
    /// Messages are deleted so many days after; null for as long as other recordings.
    #[serde(default)]
    #[schema(minimum = 1)]
    pub keep_days: Option<u32>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Notify {
    /// Everybody who may hear it.
    #[default]
    Everybody,
    /// Those who see the live board of the queue.
    Supervisors,
    Nobody,
}

fn two_minutes() -> u64 {
    120_000
}

fn one_second() -> u64 {
    1_000
}

impl Default for MailboxFields {
    fn default() -> Self {
        d::MailboxRules::default().into()
    }
}

impl From<d::MailboxRules> for MailboxFields {
    fn from(r: d::MailboxRules) -> Self {
        let d::MailboxRules { on, greeting, max, least, notify, keep_days } = r;
        let notify = match notify {
            d::Notify::Everybody => Notify::Everybody,
            d::Notify::Supervisors => Notify::Supervisors,
            d::Notify::Nobody => Notify::Nobody,
        };
        Self { on, greeting, max_ms: ms(max), least_ms: ms(least), notify, keep_days }
    }
}

impl From<MailboxFields> for d::MailboxRules {
    fn from(f: MailboxFields) -> Self {
        let MailboxFields { on, greeting, max_ms, least_ms, notify, keep_days } = f;
        let notify = match notify {
            Notify::Everybody => d::Notify::Everybody,
            Notify::Supervisors => d::Notify::Supervisors,
            Notify::Nobody => d::Notify::Nobody,
        };
        let (max, least) = (Duration::from_millis(max_ms), Duration::from_millis(least_ms));
        Self { on, greeting, max, least, notify, keep_days }
    }
}

/// A message.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Voicemail {
    /// Of its recording too: the sound is `/recordings/{id}`.
    #[schema(value_type = String)]
    pub id: RecordingId,
    #[schema(value_type = String)]
    pub interaction: InteractionId,
    /// Whose mailbox it is in; null for the company's.
    pub queue: Option<QueueRef>,
    /// Number of ours that was called.
    pub number: Option<NumberRef>,
    pub from: Option<AddressView>,
    pub left_at: i64,
    pub length_ms: u64,
    #[schema(value_type = words::MessageState)]
    pub state: d::MessageState,
    pub state_at: i64,
    /// Who marked it last.
    #[schema(value_type = Option<String>)]
    pub by: Option<UserId>,
    pub by_name: Option<String>,
    /// The last call that answered it.
    #[schema(value_type = Option<String>)]
    pub call: Option<InteractionId>,
}

#[derive(Debug, Clone, Deserialize, ToSchema)]
pub struct VoicemailChange {
    #[schema(value_type = words::MessageState)]
    pub state: d::MessageState,
}

/// How many messages lie in the mailboxes one may open.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct VoicemailCounts {
    pub new: u64,
    pub heard: u64,
    pub handled: u64,
    /// Every mailbox, empty ones too.
    pub mailboxes: Vec<MailboxCounts>,
}

#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct MailboxCounts {
    /// Null for the company's.
    pub queue: Option<QueueRef>,
    pub new: u64,
    pub heard: u64,
    pub handled: u64,
}
