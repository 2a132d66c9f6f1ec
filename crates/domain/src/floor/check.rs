//! The blueprint's invariants, checked after every input in debug builds, by the simulator and by tests.
use std::collections::BTreeSet;
use std::fmt;

use super::Floor;
use super::state::{Agent, Segment};
use crate::event::{LegRole, SegmentOf, SegmentState};
use crate::id::AgentId;
use crate::routing::naive::assign;

/// An invariant does not hold: the rule's number in the blueprint and what was seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broken {
    pub rule: &'static str,
    pub seen: String,
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.rule, self.seen)
    }
}

fn broken(rule: &'static str, seen: impl Into<String>) -> Result<(), Broken> {
    Err(Broken { rule, seen: seen.into() })
}

impl Floor {
    /// R1–R3, R5–R7 on the present state. R4 is the order within routing, R8 needs a second floor: `sim` has both.
    ///
    /// # Errors
    /// The first rule that does not hold.
    pub fn check(&self) -> Result<(), Broken> {
        self.check_interactions()?;
        self.check_agents()?;
        self.check_timers()?;
        // R3: routing finds nothing left to do.
        let waiting = self.state.waiting_now(self.now);
        if !waiting.is_empty() {
            let standing = self.state.standing(&self.config);
            if let Some(a) = assign(self.now, &waiting, &standing, &self.config).first() {
                return broken("R3", format!("{} waits while {} is free for it", a.segment, a.agent));
            }
        }
        Ok(())
    }

    fn check_interactions(&self) -> Result<(), Broken> {
        for (id, i) in &self.state.interactions {
            // R5: whatever lives has something that will end it.
            if i.segments.is_empty() && i.legs.is_empty() {
                return broken("R5", format!("{id} is over and has not ended"));
            }
            let cares = |s: &Segment| s.state != SegmentState::WrapUp;
            if let Some(leg) = i.customer.and_then(|l| self.state.legs.get(&l))
                && !leg.hanging_up
                && !i.segments.values().any(cares)
            {
                return broken("R5", format!("nobody takes care of the caller of {id}"));
            }
            // Everybody hears whom the state of the conversation says, and nobody else.
            let rows = self.hearing(i);
            if !rows.is_empty() && i.bridge.as_ref().is_none_or(|b| b.rows != rows) {
                return broken("bridge", format!("{id} is bridged as {:?}, not as {rows:?}", i.bridge));
            }
            for (segment, s) in &i.segments {
                if let SegmentOf::Supervisor { target, .. } = s.of
                    && !i.segments.contains_key(&target)
                {
                    return broken("watch", format!("{segment} watches nobody"));
                }
                if let Some(by) = s.consulted_by()
                    && !i.segments.get(&by).is_some_and(|a| a.has_customer())
                {
                    return broken("consult", format!("{segment} is asked by nobody"));
                }
                // R7: closed spans reach to where the open one begins.
                if s.state_since - s.started != i64::try_from(s.spans_ms).unwrap_or(i64::MAX) {
                    return broken("R7", format!("the spans of {segment} leave a gap"));
                }
                // R1
                if let SegmentOf::Queue { .. } = s.of {
                    let offers = i
                        .segments
                        .values()
                        .filter(|a| a.offer.as_ref().is_some_and(|o| o.waiting == Some(*segment)) && a.is_reaching());
                    if offers.count() > 1 {
                        return broken("R1", format!("{segment} has two live offers"));
                    }
                    if self.state.waiting.get(segment) != Some(id) {
                        return broken("R5", format!("{segment} waits in no line"));
                    }
                }
                // R6: one floor, one tenant: everything a segment names belongs to it.
                if let SegmentOf::Agent { agent, .. } | SegmentOf::Supervisor { agent, .. } = s.of
                    && self.state.agents.get(&agent).and_then(|a| a.work.get(segment)) != Some(id)
                {
                    return broken("R6", format!("{segment} is not among the work of {agent}"));
                }
                if s.in_conversation()
                    && i.customer.is_some()
                    && s.leg.and_then(|l| self.state.legs.get(&l)).is_none_or(|l| l.interaction != *id)
                {
                    return broken("R6", format!("{segment} talks without a leg of its own"));
                }
            }
        }
        for (leg, l) in &self.state.legs {
            let Some(i) = self.state.interactions.get(&l.interaction) else {
                return broken("R5", format!("{leg} outlives its interaction"));
            };
            let served = l.segment.is_some_and(|s| i.segments.get(&s).is_some_and(|s| s.state != SegmentState::WrapUp));
            if l.role != LegRole::Customer && !l.hanging_up && !served {
                return broken("R5", format!("{leg} serves nothing and is not hung up"));
            }
        }
        Ok(())
    }

    /// More written work than the configuration allows.
    fn is_over(&self, id: AgentId, agent: &Agent) -> bool {
        let load = self.state.load(agent);
        let most = self.config.agents.get(&id).map(|c| c.capacity).unwrap_or_default();
        load.chat > most.chat || load.email > most.email || load.task > most.task
    }

    /// Who is above his capacity through no fault of routing: a new revision, or a restore under another one.
    pub(super) fn overfull_now(&self) -> BTreeSet<AgentId> {
        self.state.agents.iter().filter(|(id, a)| self.is_over(**id, a)).map(|(id, _)| *id).collect()
    }

    fn check_agents(&self) -> Result<(), Broken> {
        for (id, a) in &self.state.agents {
            // R2. A revision may lower a capacity under live work: who was above it then may be until he is done.
            let load = self.state.load(a);
            let others = u32::from(load.chat) + u32::from(load.email) + u32::from(load.task);
            let over = self.is_over(*id, a);
            if load.voice > 1 || (load.voice == 1 && others > 0) || (over && !self.overfull.contains(id)) {
                return broken("R2", format!("{id} has more work than his capacity: {load:?}"));
            }
            if a.occupancy != self.state.occupancy_of(a) {
                return broken("R7", format!("{id} is said to be {:?}", a.occupancy));
            }
            if a.seat.is_none() && (a.presence != crate::command::Presence::Offline || !a.work.is_empty()) {
                return broken("R5", format!("{id} left his seat and is still at work"));
            }
        }
        Ok(())
    }
}
