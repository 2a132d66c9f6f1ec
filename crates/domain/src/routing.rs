//! Who is offered what: waiting work × free agents × rules → offers, each with the reasons for it.
//!
//! [`assign`] is the whole of it: pure, a naive scan over the waiting work in line order. The floor calls it after
//! every input that may free an agent or bring work; an index may take the place of the scan behind this function.
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::command::Presence;
use crate::config::{QueueConfig, Strategy, TenantConfig};
use crate::id::{AgentId, QueueId, SegmentId};
use crate::medium::{Medium, PerMedium};
use crate::time::Timestamp;

/// Why this agent was chosen; ids and numbers only, part of the offer's event and shown in words by the console.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DecisionTrace {
    pub strategy: Strategy,
    pub waited_ms: u64,
    /// Interaction's and queue's priority together.
    pub priority: i32,
    /// Place among the queue's waiting work when chosen; 1 is first.
    pub place: u32,
    /// Best first: the first one got the offer. At most [`TRACE_MAX`].
    pub candidates: Vec<Candidate>,
    pub excluded: Vec<Excluded>,
    /// How many more candidates and exclusions there were than listed.
    pub left_out: u32,
}

/// Longest list in a trace: enough to explain a choice, small enough for an event.
pub const TRACE_MAX: usize = 16;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Candidate {
    pub agent: AgentId,
    /// Of the membership; 1 is asked first.
    pub priority: u8,
    /// Summed over the required skills.
    pub level: u32,
    pub idle_ms: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Excluded {
    pub agent: AgentId,
    pub why: Exclusion,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Exclusion {
    NotSignedIn,
    Offline,
    OnBreak,
    /// A required skill is missing or its level too low.
    Skill,
    DeviceNotReady,
    /// Offered, busy, or in wrap-up up to his capacity; voice excludes everything else.
    Capacity,
    /// Missed or declined this one a moment ago.
    AskedBefore,
    /// Is leaving after his present work.
    Leaving,
    /// Got another offer in this very round.
    TakenNow,
}

/// Work in a queue that no agent is being offered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    pub segment: SegmentId,
    pub queue: QueueId,
    pub medium: Medium,
    pub priority: i32,
    pub since: Timestamp,
    /// Place in line: the earliest is served first, equal ones by segment id, which grows with arrival (R4).
    pub virtual_since: Timestamp,
    /// Agents who must not be asked now.
    pub refused: BTreeSet<AgentId>,
}

/// An agent as routing sees him.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    pub signed_in: bool,
    pub leaving: bool,
    pub presence: Presence,
    pub device_ready: bool,
    /// Slots in use, offers and wrap-ups included.
    pub load: PerMedium<u8>,
    /// Available and idle since then.
    pub idle_since: Timestamp,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assignment {
    pub segment: SegmentId,
    pub agent: AgentId,
    pub trace: DecisionTrace,
}

/// Gives each waiting work, in line order, the best agent who passes every rule; agents missing in `standing` are
/// not signed in. Afterwards nobody waits while an agent would pass (R3).
pub fn assign(
    now: Timestamp,
    waiting: &[Waiting],
    standing: &BTreeMap<AgentId, Standing>,
    config: &TenantConfig,
) -> Vec<Assignment> {
    let mut line: Vec<&Waiting> = waiting.iter().collect();
    line.sort_by_key(|w| (w.virtual_since, w.segment));
    let mut load: BTreeMap<AgentId, PerMedium<u8>> = standing.iter().map(|(a, s)| (*a, s.load)).collect();
    let mut taken = BTreeSet::new();
    // Queues whose members are all out, for every work alike: the rest of that line need not be looked at.
    let mut exhausted = BTreeSet::new();
    let mut places: BTreeMap<QueueId, u32> = BTreeMap::new();
    let mut out = Vec::new();
    for work in line {
        let place = places.entry(work.queue).or_default();
        *place += 1;
        let Some(queue) = config.queues.get(&work.queue) else { continue };
        if exhausted.contains(&(work.queue, work.medium)) {
            continue;
        }
        let mut candidates = Vec::new();
        let mut excluded = Vec::new();
        for member in &queue.members {
            let agent = member.agent;
            let verdict = standing.get(&agent).ok_or(Exclusion::NotSignedIn).and_then(|s| {
                let in_use = load.get(&agent).copied().unwrap_or(s.load);
                judge(agent, s, &in_use, taken.contains(&agent), work, queue, config)
            });
            match verdict {
                Ok(level) => candidates.push(Candidate {
                    agent,
                    priority: member.priority,
                    level,
                    idle_ms: standing.get(&agent).map_or(0, |s| {
                        u64::try_from(now.saturating_since(s.idle_since).as_millis()).unwrap_or(u64::MAX)
                    }),
                }),
                Err(why) => excluded.push(Excluded { agent, why }),
            }
        }
        rank(&mut candidates, queue.strategy);
        let Some(best) = candidates.first().copied() else {
            if excluded.iter().all(|e| e.why != Exclusion::AskedBefore) {
                exhausted.insert((work.queue, work.medium));
            }
            continue;
        };
        if let Some(l) = load.get_mut(&best.agent) {
            *l.get_mut(work.medium) += 1;
        }
        taken.insert(best.agent);
        let left_out = candidates.len().saturating_sub(TRACE_MAX) + excluded.len().saturating_sub(TRACE_MAX);
        candidates.truncate(TRACE_MAX);
        excluded.truncate(TRACE_MAX);
        out.push(Assignment {
            segment: work.segment,
            agent: best.agent,
            trace: DecisionTrace {
                strategy: queue.strategy,
                waited_ms: u64::try_from(now.saturating_since(work.since).as_millis()).unwrap_or(u64::MAX),
                priority: work.priority,
                place: *place,
                candidates,
                excluded,
                left_out: u32::try_from(left_out).unwrap_or(u32::MAX),
            },
        });
    }
    out
}

/// Best first. Equal agents are told apart by id, so that the same floor always decides the same.
fn rank(candidates: &mut [Candidate], strategy: Strategy) {
    candidates.sort_by_key(|c| {
        let level = match strategy {
            Strategy::LongestIdle => 0,
            Strategy::SkillLevel => c.level,
        };
        (c.priority, Reverse(level), Reverse(c.idle_ms), c.agent)
    });
}

/// The agent's summed level over the required skills, or the first rule he fails.
fn judge(
    agent: AgentId,
    standing: &Standing,
    load: &PerMedium<u8>,
    taken: bool,
    work: &Waiting,
    queue: &QueueConfig,
    config: &TenantConfig,
) -> Result<u32, Exclusion> {
    let Some(profile) = config.agents.get(&agent).filter(|a| a.active && standing.signed_in) else {
        return Err(Exclusion::NotSignedIn);
    };
    if standing.leaving {
        return Err(Exclusion::Leaving);
    }
    match standing.presence {
        Presence::Available => {}
        Presence::Break { .. } => return Err(Exclusion::OnBreak),
        Presence::Offline => return Err(Exclusion::Offline),
    }
    let mut level = 0;
    for (skill, least) in &queue.required_skills {
        match profile.skills.get(skill) {
            Some(own) if own >= least => level += u32::from(*own),
            Some(_) | None => return Err(Exclusion::Skill),
        }
    }
    if work.medium == Medium::Voice && !standing.device_ready {
        return Err(Exclusion::DeviceNotReady);
    }
    if !has_room(work.medium, load, &profile.capacity) {
        return Err(if taken { Exclusion::TakenNow } else { Exclusion::Capacity });
    }
    if work.refused.contains(&agent) {
        return Err(Exclusion::AskedBefore);
    }
    Ok(level)
}

/// Voice is exclusive: nothing beside a call, and no call beside other work.
pub fn has_room(medium: Medium, load: &PerMedium<u8>, capacity: &PerMedium<u8>) -> bool {
    if *capacity.get(medium) == 0 || load.voice > 0 {
        return false;
    }
    match medium {
        Medium::Voice => load.chat == 0 && load.email == 0 && load.task == 0,
        Medium::Chat | Medium::Email | Medium::Task => load.get(medium) < capacity.get(medium),
    }
}
