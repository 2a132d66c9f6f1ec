//! The rules of routing as a plain scan: the twin that the index is compared with, and what the floor's invariant R3
//! is checked by. Cost grows with waiting × members; nothing decides by it.
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use super::{Assignment, Candidate, DecisionTrace, Excluded, Exclusion, Standing, TRACE_MAX, Waiting, has_room};
use crate::command::Presence;
use crate::config::{QueueConfig, Strategy, TenantConfig};
use crate::id::{AgentId, QueueId};
use crate::medium::{Medium, PerMedium};
use crate::time::Timestamp;

/// Gives each waiting work, in line order, the best agent who passes every rule; agents missing in `standing` are
/// not signed in. Afterwards nobody waits while an agent would pass (R3).
pub fn assign(
    now: Timestamp,
    waiting: &[Waiting],
    standing: &BTreeMap<AgentId, Standing>,
    config: &TenantConfig,
) -> Vec<Assignment> {
    let mut line: Vec<&Waiting> = waiting.iter().filter(|w| !w.is_due(now)).collect();
    line.sort_by_key(|w| (w.virtual_since, w.segment));
    let mut load: BTreeMap<AgentId, PerMedium<u8>> = standing.iter().map(|(a, s)| (*a, s.load)).collect();
    let mut taken = BTreeSet::new();
    // Queues whose members are all out, for every work alike: the rest of that line need not be looked at.
    let mut exhausted = BTreeSet::new();
    let mut passed_over: BTreeMap<(QueueId, Medium), u32> = BTreeMap::new();
    let mut out = Vec::new();
    for work in line {
        let passed = passed_over.entry((work.queue, work.medium)).or_default();
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
                judge(agent, s, &in_use, taken.contains(&agent), now, work, queue, config)
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
            *passed += 1;
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
                place: *passed + 1,
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
    now: Timestamp,
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
    if work.refused.get(&agent).is_some_and(|t| *t > now) {
        return Err(Exclusion::AskedBefore);
    }
    Ok(level)
}
