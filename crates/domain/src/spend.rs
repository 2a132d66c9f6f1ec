//! What calls to the outside cost, and the limits that bound what toll fraud can do: prices by class of destination, and
//! sums of a day and a month. Arithmetic alone; the floor charges each call when it ends and asks before it lets one out.
use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::id::AgentId;
use crate::outbound::CallClass;
use crate::time::Timestamp;

const MINUTE_MS: u64 = 60_000;

/// In minor units of the company's currency (fen, cents).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Price {
    /// Of a minute of talk; reckoned by the millisecond and rounded up once a call.
    pub per_minute: u32,
    /// Of being answered at all.
    #[serde(default)]
    pub connection: u32,
}

impl Price {
    /// Of an answered call that has lasted so long.
    pub fn of(&self, talk_ms: u64) -> u64 {
        let talk = u64::from(self.per_minute).saturating_mul(talk_ms).div_ceil(MINUTE_MS);
        talk.saturating_add(u64::from(self.connection))
    }
}

/// The company's prices and limits. Emergency calls are free, and no limit holds them back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SpendRules {
    /// ISO 4217, for those who read the figures.
    pub currency: String,
    /// A class without a price costs nothing.
    #[serde(default)]
    pub prices: BTreeMap<CallClass, Price>,
    /// Minor units; none: as much as it takes.
    #[serde(default)]
    pub day: Option<u64>,
    #[serde(default)]
    pub month: Option<u64>,
    /// Of each agent.
    #[serde(default)]
    pub agent_day: Option<u64>,
    /// The alarm is given at this share of a limit.
    pub alarm_percent: u8,
}

impl Default for SpendRules {
    fn default() -> Self {
        let (day, month, agent_day) = (None, None, None);
        SpendRules { currency: "CNY".to_owned(), prices: BTreeMap::new(), day, month, agent_day, alarm_percent: 80 }
    }
}

impl SpendRules {
    pub fn price(&self, class: CallClass) -> Option<Price> {
        (class != CallClass::Emergency).then(|| self.prices.get(&class).copied()).flatten()
    }

    pub fn has_limits(&self) -> bool {
        !self.prices.is_empty() && (self.day.is_some() || self.month.is_some() || self.agent_day.is_some())
    }
}

/// Which limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(tag = "limit", rename_all = "snake_case")]
pub enum SpendLimit {
    Day,
    Month,
    AgentDay { agent: AgentId },
}

/// The company's day and month, by when they began.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Period {
    pub day: Timestamp,
    pub month: Timestamp,
}

/// What was charged in the present day and month.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Spent {
    period: Period,
    day: u64,
    month: u64,
    agents: BTreeMap<AgentId, u64>,
    /// Told already in this period, and at which share in percent.
    told: BTreeSet<(SpendLimit, u8)>,
}

impl Spent {
    /// Forgets what belongs to an earlier day or month.
    fn turn(&mut self, period: Period) {
        if self.period.day != period.day {
            self.day = 0;
            self.agents.clear();
            self.told.retain(|(limit, _)| *limit == SpendLimit::Month);
        }
        if self.period.month != period.month {
            self.month = 0;
            self.told.retain(|(limit, _)| *limit != SpendLimit::Month);
        }
        self.period = period;
    }

    pub fn charge(&mut self, period: Period, agent: Option<AgentId>, cost: u64) {
        self.turn(period);
        self.day = self.day.saturating_add(cost);
        self.month = self.month.saturating_add(cost);
        if let Some(agent) = agent {
            let sum = self.agents.entry(agent).or_default();
            *sum = sum.saturating_add(cost);
        }
    }

    pub fn tell(&mut self, period: Period, limit: SpendLimit, percent: u8) {
        self.turn(period);
        self.told.insert((limit, percent));
    }

    /// In this period so far, calls that are up not counted.
    pub fn sum(&self, period: Period, limit: SpendLimit) -> u64 {
        let (same_day, same_month) = (self.period.day == period.day, self.period.month == period.month);
        match limit {
            SpendLimit::Day if same_day => self.day,
            SpendLimit::Month if same_month => self.month,
            SpendLimit::AgentDay { agent } if same_day => self.agents.get(&agent).copied().unwrap_or(0),
            SpendLimit::Day | SpendLimit::Month | SpendLimit::AgentDay { .. } => 0,
        }
    }

    pub fn was_told(&self, period: Period, limit: SpendLimit, percent: u8) -> bool {
        let same = match limit {
            SpendLimit::Month => self.period.month == period.month,
            SpendLimit::Day | SpendLimit::AgentDay { .. } => self.period.day == period.day,
        };
        same && self.told.contains(&(limit, percent))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn talk_is_reckoned_by_the_millisecond_and_rounded_up_once() {
        let price = Price { per_minute: 30, connection: 5 };
        assert_eq!([0, 1, 2_000, 2_001, 60_000].map(|ms| price.of(ms)), [5, 6, 6, 7, 35]);
        assert_eq!(Price::default().of(u64::MAX), 0);
    }

    #[test]
    fn a_new_day_and_a_new_month_begin_with_nothing() {
        let at = |day, month| Period { day: Timestamp(day), month: Timestamp(month) };
        let (agent, mut spent) = (AgentId(1), Spent::default());
        spent.charge(at(1, 1), Some(agent), 10);
        spent.tell(at(1, 1), SpendLimit::Day, 80);
        spent.tell(at(1, 1), SpendLimit::Month, 80);
        let sums = |spent: &Spent, p| {
            [SpendLimit::Day, SpendLimit::Month, SpendLimit::AgentDay { agent }].map(|limit| spent.sum(p, limit))
        };
        assert_eq!(sums(&spent, at(1, 1)), [10, 10, 10]);
        assert_eq!(sums(&spent, at(2, 1)), [0, 10, 0]);
        spent.charge(at(2, 1), None, 7);
        assert_eq!(sums(&spent, at(2, 1)), [7, 17, 0]);
        assert!(!spent.was_told(at(2, 1), SpendLimit::Day, 80) && spent.was_told(at(2, 1), SpendLimit::Month, 80));
        spent.charge(at(3, 2), None, 1);
        assert_eq!(sums(&spent, at(3, 2)), [1, 1, 0]);
        assert!(!spent.was_told(at(3, 2), SpendLimit::Month, 80));
    }
}
