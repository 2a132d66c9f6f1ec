//! Flows as data: what happens to an interaction between its entry point and its end.
//!
//! A flow is a table of named steps; validated before it is published, pinned by version for the interactions inside.
use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::id::{CalendarId, FlowId, PromptId, QueueId};
use crate::localized::{Lang, Localized};
use crate::time::millis;

pub mod run;
pub mod validate;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Flow {
    pub id: FlowId,
    pub version: u32,
    pub name: Localized,
    pub start: StepId,
    pub steps: BTreeMap<StepId, Step>,
}

/// A step's name within its flow: lower-case letters, digits and `_`, at most 40.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct StepId(pub String);

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "step", rename_all = "snake_case")]
pub enum Step {
    Play {
        prompts: Vec<PromptId>,
        next: StepId,
    },
    /// Play, then branch on one digit. After `attempts` of silence or wrong digits go to `otherwise`.
    Menu {
        prompts: Vec<PromptId>,
        choices: BTreeMap<char, StepId>,
        #[serde(with = "millis")]
        timeout: Duration,
        attempts: u8,
        invalid: Option<PromptId>,
        otherwise: StepId,
    },
    /// Digits into a variable. `sensitive` digits are never stored.
    Collect {
        prompts: Vec<PromptId>,
        variable: String,
        min_digits: u8,
        max_digits: u8,
        #[serde(with = "millis")]
        timeout: Duration,
        attempts: u8,
        #[serde(default)]
        sensitive: bool,
        next: StepId,
        otherwise: StepId,
    },
    Hours {
        calendar: CalendarId,
        open: StepId,
        closed: StepId,
        holiday: Option<StepId>,
    },
    Set {
        assign: Assign,
        next: StepId,
    },
    Queue {
        queue: QueueId,
        #[serde(default)]
        priority: i32,
    },
    /// Leave this flow for another one.
    Transfer {
        flow: FlowId,
    },
    Voicemail {
        greeting: Option<PromptId>,
        #[serde(with = "millis")]
        max_length: Duration,
        /// Whose mailbox it is; none: of the queue the caller was in, or the company's.
        #[serde(default)]
        queue: Option<QueueId>,
    },
    HangUp {
        prompt: Option<PromptId>,
    },
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "set", rename_all = "snake_case")]
pub enum Assign {
    Language { lang: Lang },
    Priority { priority: i32 },
    Variable { name: String, value: String },
}
