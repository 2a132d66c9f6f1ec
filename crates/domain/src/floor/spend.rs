//! What calls to the outside cost: each is charged when it ends, the limits are asked before one is let out, and those who
//! look after them are told in time. Calls that are up count by what they have cost so far; they are never cut off.
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::Floor;
use super::state::{Interaction, Leg};
use crate::calendar::{day_start, month_start};
use crate::event::EventBody;
use crate::id::{AgentId, InteractionId, LegId};
use crate::input::{RejectCode, Rejected};
use crate::spend::{Period, SpendLimit};
use crate::time::Timestamp;
use crate::view::{SpendSum, SpendView};

/// How often the costs of calls that are up are looked at: an alarm comes at most so late.
const LOOK: Duration = Duration::from_secs(15);
const LEAST: Duration = Duration::from_secs(1);
const FULL: u8 = 100;

impl Floor {
    fn period(&self, now: Timestamp) -> Period {
        let zone = &self.config.time_zone;
        Period { day: day_start(zone, now), month: month_start(zone, now) }
    }

    /// What a call has cost until now; none if it costs nothing.
    fn cost(&self, leg: &Leg, now: Timestamp) -> Option<(u64, u64)> {
        let price = self.config.outbound.spend.price(leg.class?)?;
        let talk_ms = u64::try_from(now - leg.answered?).unwrap_or(0);
        Some((talk_ms, price.of(talk_ms)))
    }

    /// Before the end of a call of ours is told.
    pub(super) fn charge(&mut self, leg: LegId) {
        let Some(l) = self.state.legs.get(&leg) else { return };
        let (Some((talk_ms, cost)), Some(class)) = (self.cost(l, self.now), l.class) else { return };
        let (interaction, agent) = (l.interaction, l.payer);
        let Period { day, month } = self.period(self.now);
        self.emit(EventBody::CallCharged { interaction, leg, class, agent, talk_ms, cost, day, month });
        // The leg is still there, and is not to count twice.
        self.watch_spend(agent, Some(leg));
    }

    /// What calls that are up have cost so far, one that is charged already left out: of all, and of each agent.
    fn running(&self, now: Timestamp, without: Option<LegId>) -> (u64, BTreeMap<AgentId, u64>) {
        let (mut all, mut agents) = (0_u64, BTreeMap::new());
        for (_, l) in self.state.legs.iter().filter(|(id, l)| l.class.is_some() && Some(**id) != without) {
            let Some((_, cost)) = self.cost(l, now) else { continue };
            all = all.saturating_add(cost);
            if let Some(agent) = l.payer {
                let sum: &mut u64 = agents.entry(agent).or_default();
                *sum = sum.saturating_add(cost);
            }
        }
        (all, agents)
    }

    /// In this period, with calls that are up.
    fn spent(&self, period: Period, limit: SpendLimit, (all, agents): &(u64, BTreeMap<AgentId, u64>)) -> u64 {
        let up = match limit {
            SpendLimit::Day | SpendLimit::Month => *all,
            SpendLimit::AgentDay { agent } => agents.get(&agent).copied().unwrap_or(0),
        };
        self.state.spent.sum(period, limit).saturating_add(up)
    }

    fn limit(&self, limit: SpendLimit) -> Option<u64> {
        let rules = &self.config.outbound.spend;
        match limit {
            SpendLimit::Day => rules.day,
            SpendLimit::Month => rules.month,
            SpendLimit::AgentDay { .. } => rules.agent_day,
        }
    }

    /// A call may be let out; asked for all but emergency calls.
    pub(super) fn may_spend(&self, agent: Option<AgentId>) -> Result<(), Rejected> {
        if !self.config.outbound.spend.has_limits() {
            return Ok(());
        }
        let (period, up) = (self.period(self.now), self.running(self.now, None));
        let reached = |limit| self.limit(limit).is_some_and(|most| self.spent(period, limit, &up) >= most);
        if reached(SpendLimit::Day) || reached(SpendLimit::Month) {
            return Err(RejectCode::LimitSpend.into());
        }
        match agent {
            Some(agent) if reached(SpendLimit::AgentDay { agent }) => Err(RejectCode::LimitSpendAgent.into()),
            _ => Ok(()),
        }
    }

    /// Tells once in a period when a limit is nearly, and when it is wholly spent.
    fn watch_spend(&mut self, agent: Option<AgentId>, without: Option<LegId>) {
        let rules = &self.config.outbound.spend;
        if !rules.has_limits() {
            return;
        }
        let (alarm, period) = (rules.alarm_percent.clamp(1, FULL), self.period(self.now));
        let up = self.running(self.now, without);
        let agents: BTreeSet<AgentId> = up.1.keys().copied().chain(agent).collect();
        let each = agents.into_iter().map(|agent| SpendLimit::AgentDay { agent });
        let limits: Vec<SpendLimit> = [SpendLimit::Day, SpendLimit::Month].into_iter().chain(each).collect();
        for limit in limits {
            let Some(most) = self.limit(limit) else { continue };
            let spent = self.spent(period, limit, &up);
            // The fuller one says it all.
            let percent = [FULL, alarm].into_iter().find(|p| spent >= share(most, *p));
            let Some(percent) = percent.filter(|p| !self.state.spent.was_told(period, limit, *p)) else { continue };
            let Period { day, month } = period;
            self.emit(EventBody::SpendReached { limit, percent, spent, most, day, month });
        }
    }

    /// When the costs of this interaction's calls are to be looked at next.
    pub(super) fn spend_due(&self, id: InteractionId, i: &Interaction) -> Option<Timestamp> {
        if !self.config.outbound.spend.has_limits() {
            return None;
        }
        let legs = i.legs.iter().filter_map(|leg| self.state.legs.get(leg)).filter(|l| l.class.is_some());
        let since = legs.filter_map(|l| l.answered).min()?;
        Some(self.spend_looked.get(&id).map_or(since, |looked| since.max(*looked)) + LOOK)
    }

    pub(super) fn look_at_spend(&mut self, interaction: InteractionId) {
        self.spend_looked.insert(interaction, self.now);
        let living = &self.state.interactions;
        self.spend_looked.retain(|id, _| living.contains_key(id));
        self.derived.timers.changed_work(interaction);
        // Hundreds of calls at once are not looked at hundreds of times.
        if self.now >= self.spend_watched + LEAST {
            self.spend_watched = self.now;
            self.watch_spend(None, None);
        }
    }

    /// For screens; none without prices.
    pub fn spend_view(&self, now: Timestamp) -> Option<SpendView> {
        let rules = &self.config.outbound.spend;
        if rules.prices.is_empty() {
            return None;
        }
        let (period, alarm) = (self.period(now), rules.alarm_percent.clamp(1, FULL));
        let up = self.running(now, None);
        let sum = |limit| {
            let (spent, most) = (self.spent(period, limit, &up), self.limit(limit));
            let near = |percent| most.is_some_and(|most| spent >= share(most, percent));
            SpendSum { spent, most, near: near(alarm), reached: near(FULL) }
        };
        let agent_sums = self.config.agents.keys().map(|agent| (*agent, sum(SpendLimit::AgentDay { agent: *agent })));
        Some(SpendView {
            currency: rules.currency.clone(),
            day: sum(SpendLimit::Day),
            month: sum(SpendLimit::Month),
            agents: if rules.agent_day.is_some() { agent_sums.filter(|(_, s)| s.near).collect() } else { Vec::new() },
        })
    }
}

/// So many percent of a limit.
fn share(most: u64, percent: u8) -> u64 {
    u64::try_from((u128::from(most) * u128::from(percent)).div_ceil(100)).unwrap_or(u64::MAX)
}
