//! Flows as data: fields, versions, validation, publishing.
use std::collections::BTreeMap;
use std::time::Duration;

use domain::id::{CalendarId, FlowId, PromptId, QueueId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::common::{Lang, Localized};
use super::routing::ms;

/// A flow's draft: a table of named steps.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[schema(as = FlowDraft)]
pub struct FlowFields {
    pub name: Localized,
    /// Name of the first step.
    pub start: String,
    /// By step name: lower-case letters, digits and `_`, at most 40.
    pub steps: BTreeMap<String, Step>,
}

#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(tag = "step", rename_all = "snake_case")]
pub enum Step {
    Play {
        #[schema(value_type = Vec<String>)]
        prompts: Vec<PromptId>,
        next: String,
    },
    /// Play, then branch on one digit. After `attempts` of silence or wrong digits go to `otherwise`.
    Menu {
        #[schema(value_type = Vec<String>)]
        prompts: Vec<PromptId>,
        choices: BTreeMap<char, String>,
        timeout_ms: u64,
        attempts: u8,
        #[serde(default)]
        #[schema(value_type = Option<String>)]
        invalid: Option<PromptId>,
        otherwise: String,
    },
    /// Digits into a variable. `sensitive` digits are never stored.
    Collect {
        #[schema(value_type = Vec<String>)]
        prompts: Vec<PromptId>,
        variable: String,
        min_digits: u8,
        max_digits: u8,
        timeout_ms: u64,
        attempts: u8,
        #[serde(default)]
        sensitive: bool,
        next: String,
        otherwise: String,
    },
    Hours {
        #[schema(value_type = String)]
        calendar: CalendarId,
        open: String,
        closed: String,
        #[serde(default)]
        holiday: Option<String>,
    },
    Set {
        assign: Assign,
        next: String,
    },
    Queue {
        #[schema(value_type = String)]
        queue: QueueId,
        #[serde(default)]
        priority: i32,
    },
    /// Leave this flow for another one.
    Transfer {
        #[schema(value_type = String)]
        flow: FlowId,
    },
    Voicemail {
        #[serde(default)]
        #[schema(value_type = Option<String>)]
        greeting: Option<PromptId>,
        max_length_ms: u64,
        /// Whose mailbox; null for that of the queue the caller was in, or the company's.
        #[serde(default)]
        #[schema(value_type = Option<String>)]
        queue: Option<QueueId>,
    },
    HangUp {
        #[serde(default)]
        #[schema(value_type = Option<String>)]
        prompt: Option<PromptId>,
    },
}

#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(tag = "set", rename_all = "snake_case")]
pub enum Assign {
    Language { lang: Lang },
    Priority { priority: i32 },
    Variable { name: String, value: String },
}

/// A flow: its draft and what is published.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Flow {
    #[schema(value_type = String)]
    pub id: FlowId,
    pub draft: FlowFields,
    /// Null if never published.
    pub published_version: Option<u32>,
    /// The draft differs from the published version.
    pub changed: bool,
}

#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct FlowVersion {
    #[schema(value_type = String)]
    pub flow: FlowId,
    pub version: u32,
    pub published_at: i64,
    pub author: Option<String>,
    pub revision: u64,
    pub fields: FlowFields,
}

/// What stands in the way of publishing; empty when valid.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct FlowValidation {
    pub valid: bool,
    pub problems: Vec<FlowProblem>,
}

#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct FlowProblem {
    /// The step concerned, if one is.
    pub step: Option<String>,
    /// A stable code such as `flow.unknown_step`.
    pub code: String,
    pub message: crate::error::Message,
}

#[derive(Debug, Clone, Default, Deserialize, ToSchema)]
pub struct FlowPublish {
    #[serde(default)]
    #[schema(max_length = 500)]
    pub reason: Option<String>,
}

impl From<domain::flow::Flow> for FlowFields {
    fn from(f: domain::flow::Flow) -> Self {
        Self {
            name: f.name.into(),
            start: f.start.0,
            steps: f.steps.into_iter().map(|(id, s)| (id.0, s.into())).collect(),
        }
    }
}

impl FlowFields {
    pub fn into_flow(self, id: FlowId, version: u32) -> domain::flow::Flow {
        domain::flow::Flow {
            id,
            version,
            name: self.name.into(),
            start: domain::flow::StepId(self.start),
            steps: self.steps.into_iter().map(|(id, s)| (domain::flow::StepId(id), s.into())).collect(),
        }
    }
}

impl From<domain::flow::Step> for Step {
    fn from(s: domain::flow::Step) -> Self {
        use domain::flow::Step as S;
        match s {
            S::Play { prompts, next } => Step::Play { prompts, next: next.0 },
            S::Menu { prompts, choices, timeout, attempts, invalid, otherwise } => Step::Menu {
                prompts,
                choices: choices.into_iter().map(|(d, s)| (d, s.0)).collect(),
                timeout_ms: ms(timeout),
                attempts,
                invalid,
                otherwise: otherwise.0,
            },
            S::Collect { prompts, variable, min_digits, max_digits, timeout, attempts, sensitive, next, otherwise } => {
                Step::Collect {
                    prompts,
                    variable,
                    min_digits,
                    max_digits,
                    timeout_ms: ms(timeout),
                    attempts,
                    sensitive,
                    next: next.0,
                    otherwise: otherwise.0,
                }
            }
            S::Hours { calendar, open, closed, holiday } => {
                Step::Hours { calendar, open: open.0, closed: closed.0, holiday: holiday.map(|s| s.0) }
            }
            S::Set { assign, next } => Step::Set { assign: assign.into(), next: next.0 },
            S::Queue { queue, priority } => Step::Queue { queue, priority },
            S::Transfer { flow } => Step::Transfer { flow },
            S::Voicemail { greeting, max_length, queue } => {
                Step::Voicemail { greeting, max_length_ms: ms(max_length), queue }
            }
            S::HangUp { prompt } => Step::HangUp { prompt },
        }
    }
}

impl From<Step> for domain::flow::Step {
    fn from(s: Step) -> Self {
        use domain::flow::{Step as S, StepId};
        let millis = Duration::from_millis;
        match s {
            Step::Play { prompts, next } => S::Play { prompts, next: StepId(next) },
            Step::Menu { prompts, choices, timeout_ms, attempts, invalid, otherwise } => S::Menu {
                prompts,
                choices: choices.into_iter().map(|(d, s)| (d, StepId(s))).collect(),
                timeout: millis(timeout_ms),
                attempts,
                invalid,
                otherwise: StepId(otherwise),
            },
            Step::Collect {
                prompts,
                variable,
                min_digits,
                max_digits,
                timeout_ms,
                attempts,
                sensitive,
                next,
                otherwise,
            } => S::Collect {
                prompts,
                variable,
                min_digits,
                max_digits,
                timeout: millis(timeout_ms),
                attempts,
                sensitive,
                next: StepId(next),
                otherwise: StepId(otherwise),
            },
            Step::Hours { calendar, open, closed, holiday } => {
                S::Hours { calendar, open: StepId(open), closed: StepId(closed), holiday: holiday.map(StepId) }
            }
            Step::Set { assign, next } => S::Set { assign: assign.into(), next: StepId(next) },
            Step::Queue { queue, priority } => S::Queue { queue, priority },
            Step::Transfer { flow } => S::Transfer { flow },
            Step::Voicemail { greeting, max_length_ms, queue } => {
                S::Voicemail { greeting, max_length: millis(max_length_ms), queue }
            }
            Step::HangUp { prompt } => S::HangUp { prompt },
        }
    }
}

impl From<domain::flow::Assign> for Assign {
    fn from(a: domain::flow::Assign) -> Self {
        use domain::flow::Assign as A;
        match a {
            A::Language { lang } => Assign::Language { lang: lang.into() },
            A::Priority { priority } => Assign::Priority { priority },
            A::Variable { name, value } => Assign::Variable { name, value },
        }
    }
}

impl From<Assign> for domain::flow::Assign {
    fn from(a: Assign) -> Self {
        use domain::flow::Assign as A;
        match a {
            Assign::Language { lang } => A::Language { lang: lang.into() },
            Assign::Priority { priority } => A::Priority { priority },
            Assign::Variable { name, value } => A::Variable { name, value },
        }
    }
}
