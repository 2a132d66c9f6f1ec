//! Prices of calls to the outside, limits of spending, and what is spent. Money is in minor units of the company's
//! currency (fen, cents).
use domain::outbound::CallClass;
use domain::spend as d;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::common::AgentRef;
use super::words;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SpendFields {
    /// ISO 4217.
    #[schema(pattern = "^[A-Z]{3}$")]
    pub currency: String,
    /// A class without a price costs nothing; emergency calls have none.
    #[serde(default)]
    #[schema(max_items = 3)]
    pub prices: Vec<ClassPrice>,
    /// Limit of a day of the company's zone; null for none. New calls are refused when it is reached, emergency calls never;
    /// calls that are up go on.
    #[serde(default)]
    pub day: Option<u64>,
    #[serde(default)]
    pub month: Option<u64>,
    /// Of each agent.
    #[serde(default)]
    pub agent_day: Option<u64>,
    /// The alarm is given at this share of a limit.
    #[serde(default = "eighty")]
    #[schema(minimum = 1, maximum = 100)]
    pub alarm_percent: u8,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ClassPrice {
    #[schema(value_type = words::CallClass)]
    pub class: CallClass,
    /// Of a minute of talk, reckoned by the millisecond.
    #[schema(maximum = 1000000)]
    pub per_minute: u32,
    /// Of being answered at all.
    #[serde(default)]
    #[schema(maximum = 1000000)]
    pub connection: u32,
}

fn eighty() -> u8 {
    80
}

impl Default for SpendFields {
    fn default() -> Self {
        d::SpendRules::default().into()
    }
}

impl From<d::SpendRules> for SpendFields {
    fn from(r: d::SpendRules) -> Self {
        let d::SpendRules { currency, prices, day, month, agent_day, alarm_percent } = r;
        let price = |(class, p): (CallClass, d::Price)| {
            let d::Price { per_minute, connection } = p;
            ClassPrice { class, per_minute, connection }
        };
        Self { currency, prices: prices.into_iter().map(price).collect(), day, month, agent_day, alarm_percent }
    }
}

impl From<SpendFields> for d::SpendRules {
    fn from(f: SpendFields) -> Self {
        let SpendFields { currency, prices, day, month, agent_day, alarm_percent } = f;
        let price = |p: ClassPrice| (p.class, d::Price { per_minute: p.per_minute, connection: p.connection });
        Self { currency, prices: prices.into_iter().map(price).collect(), day, month, agent_day, alarm_percent }
    }
}

/// What calls to the outside have cost, those that are up included.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct SpendReport {
    /// Some class has a price; else nothing is counted, and no limit holds anything back.
    pub priced: bool,
    pub currency: String,
    pub day: SpendSum,
    pub month: SpendSum,
    /// Agents who have nearly or wholly spent what is allowed them a day.
    pub agents: Vec<AgentSpend>,
}

#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct AgentSpend {
    pub agent: AgentRef,
    pub sum: SpendSum,
}

#[derive(Debug, Clone, Copy, Default, Serialize, ToSchema)]
pub struct SpendSum {
    pub spent: u64,
    /// The limit; null if there is none.
    pub most: Option<u64>,
    /// The share at which the alarm is given is spent.
    pub near: bool,
    pub reached: bool,
}

impl From<domain::view::SpendSum> for SpendSum {
    fn from(s: domain::view::SpendSum) -> Self {
        let domain::view::SpendSum { spent, most, near, reached } = s;
        Self { spent, most, near, reached }
    }
}
