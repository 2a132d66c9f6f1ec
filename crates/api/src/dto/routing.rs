//! Queues and calendars.
use std::time::Duration;

use domain::id::{AgentId, CalendarId, DispositionId, PromptId, QueueId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::common::{Destination, Localized, Medium, SkillLevel, skill_levels, skill_map};
use super::recording::RecordRule;
use super::voicemail::MailboxFields;

#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct QueueFields {
    pub name: Localized,
    #[serde(default = "voice")]
    pub media: Vec<Medium>,
    #[serde(default)]
    pub members: Vec<Membership>,
    /// Every one of these is required at the level given or above.
    #[serde(default)]
    pub required_skills: Vec<SkillLevel>,
    #[serde(default)]
    pub strategy: Strategy,
    /// Added to an interaction's priority.
    #[serde(default)]
    #[schema(minimum = 0, maximum = 100)]
    pub priority: i32,
    /// How much waiting one point of priority is worth.
    #[serde(default = "ten_seconds")]
    pub priority_boost_ms: u64,
    /// An offer not accepted in this time is missed.
    #[serde(default = "twenty_seconds")]
    #[schema(minimum = 1000, maximum = 120_000)]
    pub ring_timeout_ms: u64,
    /// After a missed offer the agent is away until they return.
    #[serde(default = "super::people::yes")]
    pub away_after_missed: bool,
    #[serde(default)]
    pub wrap_up: WrapUp,
    #[serde(default)]
    #[schema(value_type = Vec<String>)]
    pub dispositions: Vec<DispositionId>,
    /// Answered within this time counts as in service level.
    #[serde(default = "twenty_seconds")]
    pub service_level_ms: u64,
    /// Abandoned before this time is a short abandon.
    #[serde(default = "five_seconds")]
    pub short_abandon_ms: u64,
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pub calendar: Option<CalendarId>,
    #[serde(default = "hundred")]
    pub max_waiting: u32,
    #[serde(default)]
    pub overflow: Option<Overflow>,
    #[serde(default = "hang_up")]
    pub closed: Destination,
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pub welcome: Option<PromptId>,
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pub music: Option<PromptId>,
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pub comfort: Option<PromptId>,
    #[serde(default = "thirty_seconds")]
    pub comfort_every_ms: u64,
    /// Whether its conversations are recorded; null: as the number or the company says.
    #[serde(default)]
    pub record: Option<RecordRule>,
    /// Where a customer whom an agent sends here stands in line.
    #[serde(default)]
    pub transferred: Place,
    /// How messages are taken; null: as the company says.
    #[serde(default)]
    pub voicemail: Option<MailboxFields>,
}

#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Place {
    /// As if he had waited here since he first entered a queue.
    #[default]
    Kept,
    /// Behind those who wait.
    Back,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize, ToSchema)]
pub struct Membership {
    #[schema(value_type = String)]
    pub agent: AgentId,
    /// 1 is asked first; equal numbers compete by the strategy.
    #[serde(default = "one")]
    #[schema(minimum = 1, maximum = 99)]
    pub priority: u8,
}

#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Strategy {
    #[default]
    LongestIdle,
    SkillLevel,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize, ToSchema)]
pub struct WrapUp {
    pub mode: WrapUpMode,
    /// End of a timed or optional wrap-up.
    #[serde(default = "thirty_seconds")]
    pub limit_ms: u64,
}

impl Default for WrapUp {
    fn default() -> Self {
        Self { mode: WrapUpMode::Optional, limit_ms: thirty_seconds() }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum WrapUpMode {
    /// Free at once.
    None,
    /// Ends when the agent says so or at the limit.
    Optional,
    /// Ends only with a disposition.
    Required,
    /// Ends at the limit.
    Timed,
}

#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Overflow {
    #[schema(minimum = 1000)]
    pub after_ms: u64,
    pub to: Destination,
}

fn voice() -> Vec<Medium> {
    vec![Medium::Voice]
}
fn one() -> u8 {
    1
}
fn hundred() -> u32 {
    100
}
fn five_seconds() -> u64 {
    5_000
}
fn ten_seconds() -> u64 {
    10_000
}
fn twenty_seconds() -> u64 {
    20_000
}
fn thirty_seconds() -> u64 {
    30_000
}
fn hang_up() -> Destination {
    Destination::HangUp { prompt: None }
}

/// A duration in whole milliseconds, saturating.
pub fn ms(d: Duration) -> u64 {
    u64::try_from(d.as_millis()).unwrap_or(u64::MAX)
}

impl From<domain::config::QueueConfig> for QueueFields {
    fn from(q: domain::config::QueueConfig) -> Self {
        use domain::config as c;
        Self {
            name: q.name.into(),
            media: q.media.into_iter().map(Into::into).collect(),
            members: q.members.into_iter().map(|m| Membership { agent: m.agent, priority: m.priority }).collect(),
            required_skills: skill_levels(q.required_skills),
            strategy: match q.strategy {
                c::Strategy::LongestIdle => Strategy::LongestIdle,
                c::Strategy::SkillLevel => Strategy::SkillLevel,
            },
            priority: q.priority,
            priority_boost_ms: ms(q.priority_boost),
            ring_timeout_ms: ms(q.ring_timeout),
            away_after_missed: q.away_after_missed,
            wrap_up: WrapUp {
                mode: match q.wrap_up.mode {
                    c::WrapUpMode::None => WrapUpMode::None,
                    c::WrapUpMode::Optional => WrapUpMode::Optional,
                    c::WrapUpMode::Required => WrapUpMode::Required,
                    c::WrapUpMode::Timed => WrapUpMode::Timed,
                },
                limit_ms: ms(q.wrap_up.limit),
            },
            dispositions: q.dispositions,
            service_level_ms: ms(q.service_level),
            short_abandon_ms: ms(q.short_abandon),
            calendar: q.calendar,
            max_waiting: q.max_waiting,
            overflow: q.overflow.map(|o| Overflow { after_ms: ms(o.after), to: o.to.into() }),
            closed: q.closed.into(),
            welcome: q.welcome,
            music: q.music,
            comfort: q.comfort,
            comfort_every_ms: ms(q.comfort_every),
            record: q.record.map(Into::into),
            transferred: match q.transferred {
                c::Place::Kept => Place::Kept,
                c::Place::Back => Place::Back,
            },
            voicemail: q.voicemail.map(Into::into),
        }
    }
}

impl QueueFields {
    pub fn into_config(self, id: QueueId) -> domain::config::QueueConfig {
        use domain::config as c;
        let millis = Duration::from_millis;
        c::QueueConfig {
            id,
            name: self.name.into(),
            media: self.media.into_iter().map(Into::into).collect(),
            members: self.members.into_iter().map(|m| c::Membership { agent: m.agent, priority: m.priority }).collect(),
            required_skills: skill_map(self.required_skills),
            strategy: match self.strategy {
                Strategy::LongestIdle => c::Strategy::LongestIdle,
                Strategy::SkillLevel => c::Strategy::SkillLevel,
            },
            priority: self.priority,
            priority_boost: millis(self.priority_boost_ms),
            ring_timeout: millis(self.ring_timeout_ms),
            away_after_missed: self.away_after_missed,
            wrap_up: c::WrapUp {
                mode: match self.wrap_up.mode {
                    WrapUpMode::None => c::WrapUpMode::None,
                    WrapUpMode::Optional => c::WrapUpMode::Optional,
                    WrapUpMode::Required => c::WrapUpMode::Required,
                    WrapUpMode::Timed => c::WrapUpMode::Timed,
                },
                limit: millis(self.wrap_up.limit_ms),
            },
            dispositions: self.dispositions,
            service_level: millis(self.service_level_ms),
            short_abandon: millis(self.short_abandon_ms),
            calendar: self.calendar,
            max_waiting: self.max_waiting,
            overflow: self.overflow.map(|o| c::Overflow { after: millis(o.after_ms), to: o.to.into() }),
            closed: self.closed.into(),
            welcome: self.welcome,
            music: self.music,
            comfort: self.comfort,
            comfort_every: millis(self.comfort_every_ms),
            record: self.record.map(Into::into),
            transferred: match self.transferred {
                Place::Kept => c::Place::Kept,
                Place::Back => c::Place::Back,
            },
            voicemail: self.voicemail.map(Into::into),
        }
    }
}

/// Opening hours in an IANA time zone.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct CalendarFields {
    pub name: Localized,
    /// Such as `Asia/Shanghai`.
    pub time_zone: String,
    #[serde(default)]
    pub weekly: Vec<WeeklyHours>,
    #[serde(default)]
    pub holidays: Vec<Holiday>,
}

/// Open from `from_minute` to `to_minute` of a local day.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, ToSchema)]
pub struct WeeklyHours {
    /// 1 = Monday … 7 = Sunday.
    #[schema(minimum = 1, maximum = 7)]
    pub weekday: u8,
    #[schema(maximum = 1440)]
    pub from_minute: u16,
    #[schema(maximum = 1440)]
    pub to_minute: u16,
}

/// A local date on which the weekly rule does not hold.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Holiday {
    /// `YYYY-MM-DD`.
    #[schema(pattern = "^[0-9]{4}-[0-9]{2}-[0-9]{2}$")]
    pub date: String,
    pub name: Localized,
    /// Closed all day if empty.
    #[serde(default)]
    pub hours: Vec<DayHours>,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize, ToSchema)]
pub struct DayHours {
    #[schema(maximum = 1440)]
    pub from_minute: u16,
    #[schema(maximum = 1440)]
    pub to_minute: u16,
}

impl From<domain::calendar::Calendar> for CalendarFields {
    fn from(c: domain::calendar::Calendar) -> Self {
        Self {
            name: c.name.into(),
            time_zone: c.time_zone,
            weekly: c
                .weekly
                .into_iter()
                .map(|w| WeeklyHours { weekday: w.weekday, from_minute: w.from_minute, to_minute: w.to_minute })
                .collect(),
            holidays: c
                .holidays
                .into_iter()
                .map(|h| Holiday {
                    date: h.date,
                    name: h.name.into(),
                    hours: h
                        .hours
                        .into_iter()
                        .map(|(from_minute, to_minute)| DayHours { from_minute, to_minute })
                        .collect(),
                })
                .collect(),
        }
    }
}

impl CalendarFields {
    pub fn into_config(self, id: CalendarId) -> domain::calendar::Calendar {
        use domain::calendar as c;
        c::Calendar {
            id,
            name: self.name.into(),
            time_zone: self.time_zone,
            weekly: self
                .weekly
                .into_iter()
                .map(|w| c::WeeklyHours { weekday: w.weekday, from_minute: w.from_minute, to_minute: w.to_minute })
                .collect(),
            holidays: self
                .holidays
                .into_iter()
                .map(|h| c::Holiday {
                    date: h.date,
                    name: h.name.into(),
                    hours: h.hours.into_iter().map(|d| (d.from_minute, d.to_minute)).collect(),
                })
                .collect(),
        }
    }
}
