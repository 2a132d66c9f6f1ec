//! Voicemail: the rules by which messages are taken, and what becomes of them.
//!
//! A message is the recording of a flow's voicemail step, or of the voicemail a queue forwards to. It belongs to the
//! mailbox of a queue, or to the company's where no queue had to do with the call.
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::id::{InteractionId, PromptId, QueueId, RecordingId};
use crate::time::millis;

/// How messages are taken for a queue, or for the company where a queue has no rules of its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MailboxRules {
    /// Off: who would have left a message is let go without one.
    pub on: bool,
    /// Where the step or the destination names none.
    #[serde(default)]
    pub greeting: Option<PromptId>,
    /// Longest message where no step says otherwise.
    #[serde(with = "millis", rename = "max_ms")]
    pub max: Duration,
    /// Messages in which less than this is to be heard are thrown away.
    #[serde(with = "millis", rename = "least_ms")]
    pub least: Duration,
    #[serde(default)]
    pub notify: Notify,
    /// Messages are deleted so many days after; none for as long as other recordings.
    #[serde(default)]
    pub keep_days: Option<u32>,
}

impl Default for MailboxRules {
    fn default() -> Self {
        MailboxRules {
            on: true,
            greeting: None,
            max: Duration::from_secs(120),
            least: Duration::from_secs(1),
            notify: Notify::Everybody,
            keep_days: None,
        }
    }
}

/// Whose desk tells of a new message, among those who may hear it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Notify {
    #[default]
    Everybody,
    /// Those who see the live board of the queue.
    Supervisors,
    Nobody,
}

/// Whose message is being recorded, in the event that asks for the recording.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct MessageFor {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queue: Option<QueueId>,
    /// As the rules were then: thrown away if less is to be heard.
    pub least_ms: u64,
}

/// What people have done about a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MessageState {
    New,
    Heard,
    Handled,
}

/// What a call of ours answers: an earlier interaction, and the message that was left in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallBack {
    pub of: InteractionId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<RecordingId>,
}
