//! Shapes shared by several resources: localized names, small enums, pages.
use std::collections::BTreeMap;

use domain::id::{AgentId, FlowId, PromptId, QueueId, SkillId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A text in Chinese, English or both; at least one is given.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
pub struct Localized {
    #[serde(rename = "zh-CN", default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 200)]
    pub zh: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 200)]
    pub en: Option<String>,
}

impl From<domain::localized::Localized> for Localized {
    fn from(v: domain::localized::Localized) -> Self {
        Self { zh: v.zh, en: v.en }
    }
}

impl From<Localized> for domain::localized::Localized {
    fn from(v: Localized) -> Self {
        Self { zh: v.zh, en: v.en }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub enum Lang {
    #[serde(rename = "zh-CN")]
    Zh,
    #[serde(rename = "en")]
    En,
}

impl From<domain::localized::Lang> for Lang {
    fn from(v: domain::localized::Lang) -> Self {
        match v {
            domain::localized::Lang::Zh => Lang::Zh,
            domain::localized::Lang::En => Lang::En,
        }
    }
}

impl From<Lang> for domain::localized::Lang {
    fn from(v: Lang) -> Self {
        match v {
            Lang::Zh => domain::localized::Lang::Zh,
            Lang::En => domain::localized::Lang::En,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Medium {
    Voice,
    Chat,
    Email,
    Task,
}

impl From<domain::medium::Medium> for Medium {
    fn from(v: domain::medium::Medium) -> Self {
        use domain::medium::Medium as M;
        match v {
            M::Voice => Medium::Voice,
            M::Chat => Medium::Chat,
            M::Email => Medium::Email,
            M::Task => Medium::Task,
        }
    }
}

impl From<Medium> for domain::medium::Medium {
    fn from(v: Medium) -> Self {
        use domain::medium::Medium as M;
        match v {
            Medium::Voice => M::Voice,
            Medium::Chat => M::Chat,
            Medium::Email => M::Email,
            Medium::Task => M::Task,
        }
    }
}

/// How many interactions of each medium an agent may have at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Capacity {
    #[schema(maximum = 100)]
    pub voice: u8,
    #[serde(default)]
    #[schema(maximum = 100)]
    pub chat: u8,
    #[serde(default)]
    #[schema(maximum = 100)]
    pub email: u8,
    #[serde(default)]
    #[schema(maximum = 100)]
    pub task: u8,
}

impl From<domain::medium::PerMedium<u8>> for Capacity {
    fn from(v: domain::medium::PerMedium<u8>) -> Self {
        Self { voice: v.voice, chat: v.chat, email: v.email, task: v.task }
    }
}

impl From<Capacity> for domain::medium::PerMedium<u8> {
    fn from(v: Capacity) -> Self {
        Self { voice: v.voice, chat: v.chat, email: v.email, task: v.task }
    }
}

/// A skill and the level held or wanted, 1–10.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SkillLevel {
    #[schema(value_type = String)]
    pub skill: SkillId,
    #[schema(minimum = 1, maximum = 10)]
    pub level: u8,
}

pub fn skill_levels(map: BTreeMap<SkillId, u8>) -> Vec<SkillLevel> {
    map.into_iter().map(|(skill, level)| SkillLevel { skill, level }).collect()
}

pub fn skill_map(list: Vec<SkillLevel>) -> BTreeMap<SkillId, u8> {
    list.into_iter().map(|s| (s.skill, s.level)).collect()
}

/// Where an interaction goes next.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "to", rename_all = "snake_case")]
pub enum Destination {
    Queue {
        #[schema(value_type = String)]
        queue: QueueId,
    },
    Flow {
        #[schema(value_type = String)]
        flow: FlowId,
    },
    Voicemail {
        #[schema(value_type = Option<String>)]
        greeting: Option<PromptId>,
    },
    HangUp {
        #[schema(value_type = Option<String>)]
        prompt: Option<PromptId>,
    },
}

impl From<domain::config::Destination> for Destination {
    fn from(v: domain::config::Destination) -> Self {
        use domain::config::Destination as D;
        match v {
            D::Queue { queue } => Destination::Queue { queue },
            D::Flow { flow } => Destination::Flow { flow },
            D::Voicemail { greeting } => Destination::Voicemail { greeting },
            D::HangUp { prompt } => Destination::HangUp { prompt },
        }
    }
}

impl From<Destination> for domain::config::Destination {
    fn from(v: Destination) -> Self {
        use domain::config::Destination as D;
        match v {
            Destination::Queue { queue } => D::Queue { queue },
            Destination::Flow { flow } => D::Flow { flow },
            Destination::Voicemail { greeting } => D::Voicemail { greeting },
            Destination::HangUp { prompt } => D::HangUp { prompt },
        }
    }
}

/// A queue by id and name, in views.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct QueueRef {
    #[schema(value_type = String)]
    pub id: QueueId,
    pub name: Localized,
}

/// An agent by id and name, in views.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct AgentRef {
    #[schema(value_type = String)]
    pub id: AgentId,
    pub name: String,
}

/// One page of a list; `next_cursor` is null on the last.
#[derive(Debug, Clone, Serialize)]
pub struct Page<T> {
    pub items: Vec<T>,
    pub next_cursor: Option<String>,
}
