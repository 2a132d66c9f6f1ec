//! The matching index: routing's rules over ordered sets, told of each change.
//!
//! The floor builds one from a configuration ([`Index::new`]), tells it how agents stand ([`Index::stand`]) and who
//! waits ([`Index::wait`], [`Index::leave`]), and asks for a round of decisions ([`Index::assign`]), which are those of
//! [`super::naive::assign`], traces included. It is derived from the floor's state and never stored.
//!
//! A change costs one step in a small ordered set for each queue concerned: an agent's change in those he is a member
//! of, a work's in its own. A round looks only at demand classes that have both somebody waiting and somebody free;
//! after a round these are the ones whose free agents were all asked before (R3), so there is hardly ever one.
use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::class::{Class, Line, LineKey, Member, NOBODY, Place, Slot};
use super::ids::IdMap;
use super::{Assignment, Candidate, DecisionTrace, Excluded, Exclusion, Standing, TRACE_MAX, Waiting, has_room};
use crate::command::Presence;
use crate::config::TenantConfig;
use crate::id::{AgentId, QueueId, SegmentId};
use crate::medium::Medium;
use crate::time::Timestamp;

/// See the module. Queues name each member once.
#[derive(Debug, Default)]
pub struct Index {
    agents: Vec<Slot>,
    /// By agent and medium: the first rule he fails whatever the queue, [`Exclusion::AskedBefore`] if none. Explaining a
    /// decision asks this of agents all over the floor, so it is kept small and by itself.
    why: Vec<[Exclusion; 4]>,
    agent_no: IdMap<AgentId, u32>,
    lines: Vec<Line>,
    line_no: IdMap<QueueId, u32>,
    /// Four for each line, in the order of [`Medium::ALL`].
    classes: Vec<Class>,
    /// The first in line of each class, or [`NOBODY`].
    first: Vec<LineKey>,
    /// Agents who became free and are not among the free of their classes yet (see [`Index::serve_alone`]); some may have
    /// been taken again.
    fresh: Vec<u32>,
    /// Live classes; `live_at` is each class's place in it.
    live: Vec<u32>,
    live_at: Vec<Option<u32>>,
    works: Vec<Option<Work>>,
    vacant: Vec<u32>,
    work_no: IdMap<SegmentId, u32>,
    round: u64,
    /// Somebody got an offer in this round.
    taken: bool,
}

#[derive(Debug)]
struct Work {
    key: LineKey,
    class: u32,
    priority: i32,
    since: Timestamp,
    until: Option<Timestamp>,
    refused: Vec<(u32, Timestamp)>,
}

/// The first of a class that somebody free may be asked for.
struct Head {
    key: LineKey,
    work: u32,
    place: u32,
}

impl Index {
    /// Nobody waits, nobody is signed in. Costs as much as the configuration has memberships.
    pub fn new(config: &TenantConfig) -> Index {
        let mut ids: Vec<AgentId> = config.agents.keys().copied().collect();
        ids.extend(config.queues.values().flat_map(|q| q.members.iter().map(|m| m.agent)));
        ids.sort_unstable();
        ids.dedup();
        let mut index = Index {
            agent_no: ids.iter().zip(0..).map(|(id, no)| (*id, no)).collect(),
            agents: ids.iter().map(|id| slot(*id, config)).collect(),
            ..Index::default()
        };
        index.why = index.agents.iter().map(|slot| Medium::ALL.map(|m| slot.why(m))).collect();
        for (no, queue) in (0..).zip(config.queues.values()) {
            let mut members = Vec::with_capacity(queue.members.len());
            for (place, m) in (0..).zip(&queue.members) {
                let Some(agent) = index.agent_no.get(&m.agent).copied() else { continue };
                let skills = config.agents.get(&m.agent).map(|a| &a.skills);
                let level = queue.required_skills.iter().try_fold(0, |sum, (skill, least)| {
                    let own = skills?.get(skill).filter(|own| *own >= least)?;
                    Some(sum + u32::from(*own))
                });
                members.push(Member { id: m.agent, agent, priority: m.priority, level });
                if let Some(slot) = index.agents.get_mut(agent as usize) {
                    slot.places.push(Place { line: no, member: place, fits: level.is_some() });
                }
            }
            index.line_no.insert(queue.id, no);
            index.lines.push(Line { queue: queue.id, strategy: queue.strategy, members });
            index.classes.extend(Medium::ALL.map(|m| Class::new(queue.media.contains(&m))));
        }
        index.live_at = vec![None; index.classes.len()];
        index.first = vec![NOBODY; index.classes.len()];
        index
    }

    /// The queues the agent is a member of, in the order of ids.
    pub fn queues_of(&self, agent: AgentId) -> Vec<QueueId> {
        let places = self.agent_no.get(&agent).and_then(|no| self.agents.get(*no as usize)).map(|s| &s.places);
        places.into_iter().flatten().filter_map(|p| self.lines.get(p.line as usize)).map(|l| l.queue).collect()
    }

    /// How the agent stands now; nobody has been told of one that the configuration does not know.
    pub fn stand(&mut self, agent: AgentId, standing: &Standing) {
        let Some(no) = self.agent_no.get(&agent).copied() else { return };
        let Some(slot) = self.agents.get_mut(no as usize) else { return };
        slot.signed_in = standing.signed_in;
        slot.away = match standing.presence {
            _ if standing.leaving => Some(Exclusion::Leaving),
            Presence::Available => None,
            Presence::Break { .. } => Some(Exclusion::OnBreak),
            Presence::Offline => Some(Exclusion::Offline),
        };
        slot.device_ready = standing.device_ready;
        slot.load = standing.load;
        self.refresh(no, standing.idle_since);
    }

    /// The work waits, or waits in another way than before. Ignored if the configuration has no such queue.
    pub fn wait(&mut self, w: &Waiting) {
        self.leave(w.segment);
        let Some(line) = self.line_no.get(&w.queue).copied() else { return };
        let class = line * 4 + w.medium as u32;
        self.keep(class);
        let refused =
            w.refused.iter().filter_map(|(agent, t)| Some((*self.agent_no.get(agent)?, *t))).collect::<Vec<_>>();
        let key = (w.virtual_since, w.segment);
        let work = Work { key, class, priority: w.priority, since: w.since, until: w.until, refused };
        let no = self.vacant.pop().unwrap_or(self.works.len() as u32);
        match self.works.get_mut(no as usize) {
            Some(vacant) => *vacant = Some(work),
            None => self.works.push(Some(work)),
        }
        self.work_no.insert(w.segment, no);
        if let Some(c) = self.classes.get_mut(class as usize) {
            c.line.insert(key, no);
            if let Some(first) = self.first.get_mut(class as usize) {
                *first = key.min(*first);
            }
        }
        self.count_in(class);
    }

    /// The work does not wait any more. Ignored if it did not.
    pub fn leave(&mut self, segment: SegmentId) {
        let Some(no) = self.work_no.remove(&segment) else { return };
        let Some(work) = self.works.get_mut(no as usize).and_then(Option::take) else { return };
        self.vacant.push(no);
        if let Some(c) = self.classes.get_mut(work.class as usize) {
            c.line.remove(&work.key);
            if let Some(first) = self.first.get_mut(work.class as usize).filter(|first| **first == work.key) {
                *first = c.line.first_key_value().map_or(NOBODY, |(key, _)| *key);
            }
        }
        self.count_in(work.class);
    }

    pub fn is_waiting(&self, segment: SegmentId) -> bool {
        self.work_no.contains_key(&segment)
    }

    /// How much waits here.
    pub fn waiting(&self) -> usize {
        self.work_no.len()
    }

    /// One round: gives each waiting work, in line order, the best agent who passes every rule. What was given does not
    /// wait any more and its agents carry it, as if [`Index::leave`] and [`Index::stand`] had said so.
    pub fn assign(&mut self, now: Timestamp) -> Vec<Assignment> {
        self.round += 1;
        self.taken = false;
        let mut out = Vec::new();
        if let [only] = self.fresh[..]
            && self.live.is_empty()
        {
            while self.is_fresh(only)
                && let Some(given) = self.serve_alone(only, now)
            {
                out.push(given);
            }
        }
        for agent in std::mem::take(&mut self.fresh) {
            self.join(agent);
        }
        if self.live.is_empty() {
            return out;
        }
        // Within a round a class's head only moves back, so an entry is either right or too early.
        let heads = self.live.iter().filter_map(|c| Some(Reverse((self.head(*c, now)?.key, *c))));
        let mut heads: BinaryHeap<_> = heads.collect();
        while let Some(Reverse((key, class))) = heads.pop() {
            if self.live.is_empty() {
                break;
            }
            let Some(head) = self.head(class, now) else { continue };
            if head.key == key {
                out.extend(self.serve(class, &head, now));
                if let Some(next) = self.head(class, now) {
                    heads.push(Reverse((next.key, class)));
                }
            } else {
                heads.push(Reverse((head.key, class)));
            }
        }
        out
    }

    fn head(&self, class: u32, now: Timestamp) -> Option<Head> {
        let c = self.classes.get(class as usize).filter(|c| c.is_live())?;
        let mut place = 0;
        for (key, no) in &c.line {
            let work = self.works.get(*no as usize)?.as_ref()?;
            if work.until.is_some_and(|t| t <= now) {
                continue;
            }
            place += 1;
            if work.refused.is_empty() || self.refusing(work, now).count() < c.free.len() {
                return Some(Head { key: *key, work: *no, place });
            }
        }
        None
    }

    /// Members who are free and may not be asked for this one.
    fn refusing<'a>(&'a self, work: &'a Work, now: Timestamp) -> impl Iterator<Item = u32> + 'a {
        work.refused.iter().filter(move |(_, t)| *t > now).filter_map(move |(agent, _)| {
            let places = &self.agents.get(*agent as usize)?.places;
            let place = places.get(places.binary_search_by_key(&(work.class / 4), |p| p.line).ok()?)?;
            let class = self.classes.get(work.class as usize)?;
            class.is_free(place.member).then_some(place.member)
        })
    }

    /// The class's head gets the best who is willing.
    fn serve(&mut self, class: u32, head: &Head, now: Timestamp) -> Option<Assignment> {
        let trace = {
            let line = self.lines.get(class as usize / 4)?;
            let c = self.classes.get(class as usize)?;
            let work = self.works.get(head.work as usize)?.as_ref()?;
            let mut refusing: Vec<u32> = self.refusing(work, now).collect();
            refusing.sort_unstable();
            let willing = c.free.len() - refusing.len();
            let candidates = c.free.values().copied().filter(|m| refusing.binary_search(m).is_err());
            // Two ordered lists become one.
            let (mut out, mut asked) = (c.out(line.members.len()).peekable(), refusing.iter().copied().peekable());
            let others = std::iter::from_fn(|| match (out.peek(), asked.peek()) {
                (Some(a), Some(b)) if b < a => asked.next(),
                (Some(_), _) => out.next(),
                (None, _) => asked.next(),
            });
            self.explain(class, head, now, candidates, others, willing)?
        };
        self.hand_over(class, head, trace)
    }

    /// Most decisions: everybody is busy and one agent becomes free. Nobody else is free in a class that has somebody
    /// waiting, or it would be live; so the first in line of his classes is his, and he need not join any.
    fn serve_alone(&mut self, no: u32, now: Timestamp) -> Option<Assignment> {
        let slot = self.agents.get(no as usize)?;
        let mut best: Option<(u32, u32, Head)> = None;
        for place in slot.places.iter().filter(|p| p.fits) {
            for medium in (0..4).filter(|m| slot.free[*m as usize]) {
                let class = place.line * 4 + medium;
                let earlier = |key: &LineKey| best.as_ref().is_none_or(|(.., b)| *key < b.key);
                if self.first.get(class as usize).is_some_and(|first| *first != NOBODY && earlier(first))
                    && let Some(head) = self.head_for(class, no, now).filter(|h| earlier(&h.key))
                {
                    best = Some((class, place.member, head));
                }
            }
        }
        let (class, member, head) = best?;
        let members = self.lines.get(class as usize / 4)?.members.len() as u32;
        let others = (0..members).filter(|m| *m != member);
        let trace = self.explain(class, &head, now, std::iter::once(member), others, 1)?;
        self.hand_over(class, &head, trace)
    }

    /// The first of a class that this agent, who is free, may be asked for.
    fn head_for(&self, class: u32, agent: u32, now: Timestamp) -> Option<Head> {
        let mut place = 0;
        for (key, no) in &self.classes.get(class as usize)?.line {
            let work = self.works.get(*no as usize)?.as_ref()?;
            if work.until.is_some_and(|t| t <= now) {
                continue;
            }
            place += 1;
            if work.refused.iter().all(|(a, t)| *a != agent || *t <= now) {
                return Some(Head { key: *key, work: *no, place });
            }
        }
        None
    }

    /// `candidates` best first, `others` in the queue's order: as many as there are, of which the first are listed.
    fn explain(
        &self,
        class: u32,
        head: &Head,
        now: Timestamp,
        candidates: impl Iterator<Item = u32>,
        others: impl Iterator<Item = u32>,
        willing: usize,
    ) -> Option<DecisionTrace> {
        let medium = *Medium::ALL.get(class as usize % 4)?;
        let line = self.lines.get(class as usize / 4)?;
        let work = self.works.get(head.work as usize)?.as_ref()?;
        let out = line.members.len() - willing;
        let mut trace = DecisionTrace {
            strategy: line.strategy,
            waited_ms: millis(now, work.since),
            priority: work.priority,
            place: head.place,
            candidates: Vec::with_capacity(willing.min(TRACE_MAX)),
            excluded: Vec::with_capacity(out.min(TRACE_MAX)),
            left_out: u32::try_from(willing.saturating_sub(TRACE_MAX) + out.saturating_sub(TRACE_MAX))
                .unwrap_or(u32::MAX),
        };
        for member in candidates.take(TRACE_MAX).filter_map(|m| line.members.get(m as usize)) {
            let slot = self.agents.get(member.agent as usize)?;
            trace.candidates.push(Candidate {
                agent: member.id,
                priority: member.priority,
                level: member.level.unwrap_or(0),
                idle_ms: millis(now, slot.idle_since),
            });
        }
        for member in others.take(TRACE_MAX).filter_map(|m| line.members.get(m as usize)) {
            trace.excluded.push(Excluded { agent: member.id, why: self.why_not(member, medium) });
        }
        Some(trace)
    }

    /// The work leaves the line, its agent carries it.
    fn hand_over(&mut self, class: u32, head: &Head, trace: DecisionTrace) -> Option<Assignment> {
        let (segment, agent) = (head.key.1, trace.candidates.first()?.agent);
        let no = *self.agent_no.get(&agent)?;
        self.leave(segment);
        let slot = self.agents.get_mut(no as usize)?;
        *slot.load.get_mut(*Medium::ALL.get(class as usize % 4)?) += 1;
        slot.taken = self.round;
        self.taken = true;
        let idle_since = slot.idle_since;
        self.refresh(no, idle_since);
        Some(Assignment { segment, agent, trace })
    }

    /// The first rule that keeps this member out, asked of those who are not candidates.
    fn why_not(&self, member: &Member, medium: Medium) -> Exclusion {
        match self.why.get(member.agent as usize).map_or(Exclusion::NotSignedIn, |why| why[medium as usize]) {
            why @ (Exclusion::NotSignedIn | Exclusion::Offline | Exclusion::OnBreak | Exclusion::Leaving) => why,
            _ if member.level.is_none() => Exclusion::Skill,
            Exclusion::Capacity if self.was_taken(member.agent) => Exclusion::TakenNow,
            why => why,
        }
    }

    /// He got an offer in this round.
    fn was_taken(&self, no: u32) -> bool {
        self.taken && self.agents.get(no as usize).is_some_and(|s| s.taken == self.round)
    }

    /// Puts the agent among the free of his classes, or takes him out, by how he stands.
    fn refresh(&mut self, no: u32, idle_since: Timestamp) {
        let Some(slot) = self.agents.get_mut(no as usize) else { return };
        let (was, before) = (slot.free, slot.idle_since);
        let why = Medium::ALL.map(|m| slot.why(m));
        slot.free = why.map(|why| why == Exclusion::AskedBefore);
        if let Some(kept) = self.why.get_mut(no as usize) {
            *kept = why;
        }
        slot.idle_since = idle_since;
        let (is, moved) = (slot.free, before != idle_since);
        if slot.fresh {
            slot.fresh = is.contains(&true);
            return;
        }
        if !was.contains(&true) && is.contains(&true) {
            slot.fresh = true;
            self.fresh.push(no);
            return;
        }
        if was == is && !(moved && is.contains(&true)) {
            return;
        }
        for at in 0..slot.places.len() {
            let Some(place) = self.agents.get(no as usize).and_then(|s| s.places.get(at)).copied() else { return };
            for medium in (0..4).filter(|_| place.fits) {
                let class = place.line * 4 + medium as u32;
                let Some(line) = self.lines.get(place.line as usize) else { continue };
                let Some(c) = self.classes.get_mut(class as usize).filter(|c| c.kept) else { continue };
                if was[medium] && (!is[medium] || moved) {
                    c.remove(line, place.member, before);
                }
                if is[medium] && (!was[medium] || moved) {
                    c.add(line, place.member, idle_since);
                }
                if was[medium] != is[medium] {
                    self.count_in(class);
                }
            }
        }
    }

    fn is_fresh(&self, no: u32) -> bool {
        self.agents.get(no as usize).is_some_and(|s| s.fresh)
    }

    /// A fresh agent takes his place among the free of his classes.
    fn join(&mut self, no: u32) {
        let Some(slot) = self.agents.get_mut(no as usize).filter(|s| s.fresh) else { return };
        slot.fresh = false;
        let (is, idle_since) = (slot.free, slot.idle_since);
        for at in 0..slot.places.len() {
            let Some(place) = self.agents.get(no as usize).and_then(|s| s.places.get(at)).copied() else { return };
            for medium in (0..4).filter(|m| place.fits && is[*m as usize]) {
                let class = place.line * 4 + medium;
                let Some(line) = self.lines.get(place.line as usize) else { continue };
                let Some(c) = self.classes.get_mut(class as usize).filter(|c| c.kept) else { continue };
                c.add(line, place.member, idle_since);
                self.count_in(class);
            }
        }
    }

    /// From here on agents are kept for this class, too.
    fn keep(&mut self, class: u32) {
        let Some(line) = self.lines.get(class as usize / 4) else { return };
        let Some(c) = self.classes.get_mut(class as usize).filter(|c| !c.kept) else { return };
        c.kept = true;
        for (no, member) in (0..).zip(&line.members) {
            let slot = self.agents.get(member.agent as usize);
            if let Some(slot) = slot.filter(|s| member.level.is_some() && s.free[class as usize % 4] && !s.fresh) {
                c.add(line, no, slot.idle_since);
            }
        }
    }

    /// Keeps `live` true after a change to one class.
    fn count_in(&mut self, class: u32) {
        let is = self.classes.get(class as usize).is_some_and(Class::is_live);
        let Some(at) = self.live_at.get_mut(class as usize) else { return };
        match (*at, is) {
            (None, true) => {
                *at = Some(self.live.len() as u32);
                self.live.push(class);
            }
            (Some(place), false) => {
                *at = None;
                self.live.swap_remove(place as usize);
                let moved = self.live.get(place as usize).copied();
                if let Some(moved) = moved.and_then(|c| self.live_at.get_mut(c as usize)) {
                    *moved = Some(place);
                }
            }
            (None, false) | (Some(_), true) => {}
        }
    }
}

impl Slot {
    fn why(&self, medium: Medium) -> Exclusion {
        if !self.active || !self.signed_in {
            Exclusion::NotSignedIn
        } else if let Some(why) = self.away {
            why
        } else if medium == Medium::Voice && !self.device_ready {
            Exclusion::DeviceNotReady
        } else if !has_room(medium, &self.load, &self.capacity) {
            Exclusion::Capacity
        } else {
            Exclusion::AskedBefore
        }
    }
}

fn slot(id: AgentId, config: &TenantConfig) -> Slot {
    let profile = config.agents.get(&id).filter(|a| a.active);
    Slot {
        active: profile.is_some(),
        capacity: profile.map(|a| a.capacity).unwrap_or_default(),
        signed_in: false,
        away: Some(Exclusion::Offline),
        device_ready: false,
        load: Default::default(),
        idle_since: Timestamp::default(),
        free: [false; 4],
        fresh: false,
        taken: 0,
        places: Vec::new(),
    }
}

fn millis(now: Timestamp, since: Timestamp) -> u64 {
    u64::try_from(now.saturating_since(since).as_millis()).unwrap_or(u64::MAX)
}
