//! Which conversations are recorded: rules and what they come to.
use domain::id::{AgentId, NumberId, PromptId, QueueId};
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;

/// What a rule wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "mode", rename_all = "snake_case")]
pub enum RecordMode {
    Always,
    /// So many of a hundred interactions; which ones follows from their ids.
    Sample {
        #[schema(maximum = 100)]
        percent: u8,
    },
    /// Not before the agent starts it.
    OnDemand,
    Never,
    /// Never, by law: no other rule and no agent changes that.
    Forbidden,
}

/// How people are told that they are recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Notice {
    #[default]
    None,
    /// Played to the customer before he waits, or to both sides when the conversation begins.
    Announcement {
        #[schema(value_type = String)]
        prompt: PromptId,
    },
    /// A short tone that both sides hear while sound is recorded.
    Beep {
        #[serde(default = "fifteen")]
        #[schema(minimum = 5, maximum = 120)]
        every_s: u32,
    },
}

fn fifteen() -> u32 {
    15
}

/// One rule; the most specific one decides: agent, queue, number, company. `true` and `false` are taken for `always` and
/// `never`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
pub struct RecordRule {
    #[serde(flatten)]
    pub mode: RecordMode,
    /// Null: as the company does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub notice: Option<Notice>,
}

impl<'de> Deserialize<'de> for RecordRule {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<RecordRule, D::Error> {
        domain::recording::RecordRule::deserialize(from).map(Into::into)
    }
}

/// The company's rules.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RecordingFields {
    /// Null: conversations for a queue are recorded, and calls out if their rules say so; direct calls are not.
    #[serde(default)]
    pub rule: Option<RecordRule>,
    /// Where the rule that decides has none of its own.
    #[serde(default)]
    pub notice: Notice,
    /// A masked recording goes on by itself after so many seconds.
    #[serde(default = "two_minutes")]
    #[schema(minimum = 5, maximum = 900)]
    pub mask_s: u32,
    /// Stored recordings are deleted so many days after; null for as long as the entitlement allows.
    #[serde(default)]
    #[schema(minimum = 1)]
    pub keep_days: Option<u32>,
}

fn two_minutes() -> u32 {
    120
}

impl Default for RecordingFields {
    fn default() -> Self {
        domain::recording::RecordingRules::default().into()
    }
}

/// Whose rule decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(tag = "of", rename_all = "snake_case")]
pub enum RuleOf {
    /// No rule: the custom of the house.
    Default,
    Company,
    /// The company's rules of calls out.
    Outbound,
    Number {
        #[schema(value_type = String)]
        number: NumberId,
    },
    Queue {
        #[schema(value_type = String)]
        queue: QueueId,
    },
    Agent {
        #[schema(value_type = String)]
        agent: AgentId,
    },
}

/// Whether a conversation is recorded, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
pub struct RecordState {
    pub on: bool,
    /// The agent may start and stop it.
    pub on_demand: bool,
    pub mode: RecordMode,
    pub of: RuleOf,
}

mod convert {
    use super::{Notice, RecordMode, RecordRule, RecordingFields, RuleOf};
    use domain::recording as d;

    impl From<d::RecordMode> for RecordMode {
        fn from(m: d::RecordMode) -> Self {
            match m {
                d::RecordMode::Always => Self::Always,
                d::RecordMode::Sample { percent } => Self::Sample { percent },
                d::RecordMode::OnDemand => Self::OnDemand,
                d::RecordMode::Never => Self::Never,
                d::RecordMode::Forbidden => Self::Forbidden,
            }
        }
    }

    impl From<RecordMode> for d::RecordMode {
        fn from(m: RecordMode) -> Self {
            match m {
                RecordMode::Always => Self::Always,
                RecordMode::Sample { percent } => Self::Sample { percent },
                RecordMode::OnDemand => Self::OnDemand,
                RecordMode::Never => Self::Never,
                RecordMode::Forbidden => Self::Forbidden,
            }
        }
    }

    impl From<d::Notice> for Notice {
        fn from(n: d::Notice) -> Self {
            match n {
                d::Notice::None => Self::None,
                d::Notice::Announcement { prompt } => Self::Announcement { prompt },
                d::Notice::Beep { every_s } => Self::Beep { every_s },
            }
        }
    }

    impl From<Notice> for d::Notice {
        fn from(n: Notice) -> Self {
            match n {
                Notice::None => Self::None,
                Notice::Announcement { prompt } => Self::Announcement { prompt },
                Notice::Beep { every_s } => Self::Beep { every_s },
            }
        }
    }

    impl From<d::RecordRule> for RecordRule {
        fn from(r: d::RecordRule) -> Self {
            Self { mode: r.mode.into(), notice: r.notice.map(Into::into) }
        }
    }

    impl From<RecordRule> for d::RecordRule {
        fn from(r: RecordRule) -> Self {
            Self { mode: r.mode.into(), notice: r.notice.map(Into::into) }
        }
    }

    impl From<d::RecordingRules> for RecordingFields {
        fn from(r: d::RecordingRules) -> Self {
            let d::RecordingRules { rule, notice, mask_s, keep_days } = r;
            Self { rule: rule.map(Into::into), notice: notice.into(), mask_s, keep_days }
        }
    }

    impl From<RecordingFields> for d::RecordingRules {
        fn from(r: RecordingFields) -> Self {
            let RecordingFields { rule, notice, mask_s, keep_days } = r;
            Self { rule: rule.map(Into::into), notice: notice.into(), mask_s, keep_days }
        }
    }

    impl From<d::RuleOf> for RuleOf {
        fn from(of: d::RuleOf) -> Self {
            match of {
                d::RuleOf::Default => Self::Default,
                d::RuleOf::Company => Self::Company,
                d::RuleOf::Outbound => Self::Outbound,
                d::RuleOf::Number { number } => Self::Number { number },
                d::RuleOf::Queue { queue } => Self::Queue { queue },
                d::RuleOf::Agent { agent } => Self::Agent { agent },
            }
        }
    }
}
