//! The matching index: routing's rules over a line for each demand class and one bit for each idle agent, told of each
//! change.
//!
//! The floor builds one from a configuration ([`Index::new`]), tells it how agents stand ([`Index::stand`]) and who
//! waits ([`Index::wait`], [`Index::leave`]), and asks for a round of decisions ([`Index::assign`]), which are those of
//! [`super::naive::assign`], traces included. It is derived from the floor's state and never stored.
//!
//! A demand class is a queue and a medium: its rules are the same for all that waits in it. A change costs a step in the
//! line concerned, or a few bits. A round looks only at classes where something may be decided: those of agents who
//! became free, those where somebody came, and those with free agents who were all asked before (R3). Nearly always the
//! first are all there is, of one agent: then his is the earliest of the first in his lines.
use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::ids::Numbers;
use super::line::{Entry, Line, LineKey};
use super::staff::{Few, Idle, Member, Staff};
use super::{Assignment, Candidate, DecisionTrace, Excluded, Exclusion, Standing, TRACE_MAX, Waiting, has_room};
use crate::command::Presence;
use crate::config::TenantConfig;
use crate::id::{AgentId, QueueId, SegmentId};
use crate::medium::{Medium, PerMedium};
use crate::time::Timestamp;

/// Comes after everybody.
const NOBODY: Timestamp = Timestamp(i64::MAX);

/// See the module. Queues name each member once.
#[derive(Debug, Default)]
pub struct Index {
    agents: Vec<Agent>,
    /// By agent and medium: the first rule he fails whatever the queue, [`Exclusion::AskedBefore`] if none. Explaining a
    /// decision asks this of agents all over the floor, so it is kept small and by itself.
    why: Vec<[Exclusion; 4]>,
    agent_no: Numbers,
    /// Memberships of all agents, each one's by queue.
    places: Vec<Place>,
    /// By queue, in the order of ids.
    staffs: Vec<Staff>,
    queue_no: Numbers,
    idle: Idle,
    /// Four for each queue, in the order of [`Medium::ALL`].
    lines: Vec<Line>,
    /// By queue and medium: when the first in line virtually came.
    fronts: Vec<[Timestamp; 4]>,
    /// Agents who became free and are not among the idle yet; some may have been taken again.
    fresh: Vec<u32>,
    /// Classes to be looked at, besides those of `fresh`; `is_looked_at` by class.
    looked_at: Vec<u32>,
    is_looked_at: Vec<bool>,
    works: Vec<Option<Work>>,
    vacant: Vec<u32>,
    work_no: Numbers,
    round: u64,
    /// Somebody got an offer in this round.
    taken: bool,
}

#[derive(Debug)]
struct Agent {
    id: AgentId,
    /// The round in which he last got an offer.
    taken: u64,
    /// His memberships in [`Index::places`].
    places: (u32, u32),
    capacity: PerMedium<u8>,
    load: PerMedium<u8>,
    /// In the configuration and active.
    active: bool,
    signed_in: bool,
    device_ready: bool,
    /// The first rule he fails whatever the work is.
    away: Option<Exclusion>,
    /// One bit for each medium he is free for.
    free: u8,
    is: Is,
}

/// Where a free agent is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Is {
    Nowhere,
    Fresh,
    Idle,
}

#[derive(Debug, Clone, Copy)]
struct Place {
    queue: u32,
    member: u32,
    /// Has the skills; otherwise the queue never asks for him.
    fits: bool,
}

/// One cache line.
#[derive(Debug)]
#[repr(align(64))]
struct Work {
    segment: SegmentId,
    virtual_since: Timestamp,
    since: Timestamp,
    until: Timestamp,
    class: u32,
    priority: i32,
    /// None if nobody refused it, as is usual.
    refused: Option<Box<Refused>>,
}

type Refused = Vec<(u32, Timestamp)>;

/// The first of a class that somebody free may be asked for.
#[derive(Clone, Copy)]
struct Head {
    entry: Entry,
    segment: SegmentId,
    place: u32,
}

impl Head {
    fn key(&self) -> LineKey {
        (self.entry.virtual_since, self.segment)
    }
}

impl Index {
    /// Nobody waits, nobody is signed in. Costs as much as the configuration has memberships.
    pub fn new(config: &TenantConfig) -> Index {
        let mut ids: Vec<AgentId> = config.agents.keys().copied().collect();
        ids.extend(config.queues.values().flat_map(|q| q.members.iter().map(|m| m.agent)));
        ids.sort_unstable();
        ids.dedup();
        let mut index = Index { idle: Idle::new(ids.len()), ..Index::default() };
        (0..).zip(&ids).for_each(|(no, id)| index.agent_no.insert(id.0, no));
        index.agents = ids.iter().map(|id| agent(*id, config)).collect();
        index.why = index.agents.iter().map(|agent| Medium::ALL.map(|m| agent.why(m))).collect();
        let mut places: Vec<Vec<Place>> = vec![Vec::new(); ids.len()];
        for (no, queue) in (0..).zip(config.queues.values()) {
            let mut members = Vec::with_capacity(queue.members.len());
            for (place, m) in (0..).zip(&queue.members) {
                let Some(agent) = index.number(m.agent) else { continue };
                let skills = config.agents.get(&m.agent).map(|a| &a.skills);
                let level = queue.required_skills.iter().try_fold(0, |sum, (skill, least)| {
                    let own = skills?.get(skill).filter(|own| *own >= least)?;
                    Some(sum + u32::from(*own))
                });
                let (level, fits) = (level.unwrap_or(0), level.is_some());
                members.push(Member { id: m.agent, agent, priority: m.priority, level, fits });
                if let Some(places) = places.get_mut(agent as usize) {
                    places.push(Place { queue: no, member: place, fits });
                }
            }
            index.queue_no.insert(queue.id.0, no);
            index.staffs.push(Staff::new(queue, members));
            index.lines.extend(Medium::ALL.map(|_| Line::default()));
            index.fronts.push([NOBODY; 4]);
        }
        for (agent, places) in index.agents.iter_mut().zip(places) {
            let from = index.places.len() as u32;
            index.places.extend(places);
            agent.places = (from, index.places.len() as u32);
        }
        index.is_looked_at = vec![false; index.lines.len()];
        index
    }

    fn number(&self, agent: AgentId) -> Option<u32> {
        self.agent_no.get(agent.0, |no| self.agents.get(no as usize).is_some_and(|a| a.id == agent))
    }

    fn places_of(&self, no: u32) -> &[Place] {
        let range = self.agents.get(no as usize).map_or(0..0, |a| a.places.0 as usize..a.places.1 as usize);
        self.places.get(range).unwrap_or_default()
    }

    /// The queues the agent is a member of, in the order of ids.
    pub fn queues_of(&self, agent: AgentId) -> Vec<QueueId> {
        let places = self.number(agent).map_or(&[][..], |no| self.places_of(no));
        places.iter().filter_map(|p| self.staffs.get(p.queue as usize)).map(|s| s.queue).collect()
    }

    /// How the agent stands now; nobody has been told of one that the configuration does not know.
    pub fn stand(&mut self, agent: AgentId, standing: &Standing) {
        let Some(no) = self.number(agent) else { return };
        let Some(agent) = self.agents.get_mut(no as usize) else { return };
        agent.signed_in = standing.signed_in;
        agent.away = match standing.presence {
            _ if standing.leaving => Some(Exclusion::Leaving),
            Presence::Available => None,
            Presence::Break { .. } => Some(Exclusion::OnBreak),
            Presence::Offline => Some(Exclusion::Offline),
        };
        agent.device_ready = standing.device_ready;
        agent.load = standing.load;
        self.refresh(no, standing.idle_since);
    }

    /// The work waits, or waits in another way than before. Ignored if the configuration has no such queue.
    pub fn wait(&mut self, w: &Waiting) {
        self.leave(w.segment);
        let staffs = &self.staffs;
        let is = |no: u32| staffs.get(no as usize).is_some_and(|s| s.queue == w.queue);
        let Some(queue) = self.queue_no.get(w.queue.0, is) else { return };
        let class = queue * 4 + w.medium as u32;
        let refused: Refused = w.refused.iter().filter_map(|(agent, t)| Some((self.number(*agent)?, *t))).collect();
        let work = Work {
            segment: w.segment,
            virtual_since: w.virtual_since,
            since: w.since,
            until: w.until.unwrap_or(NOBODY),
            class,
            priority: w.priority,
            refused: (!refused.is_empty()).then(|| Box::new(refused)),
        };
        let no = self.vacant.pop().unwrap_or(self.works.len() as u32);
        match self.works.get_mut(no as usize) {
            Some(vacant) => *vacant = Some(work),
            None => self.works.push(Some(work)),
        }
        self.work_no.insert(w.segment.0, no);
        if let Some(line) = self.lines.get_mut(class as usize) {
            line.insert(Entry { virtual_since: w.virtual_since, work: no }, segments(&self.works));
            self.front(class);
        }
        self.look_at(class);
    }

    /// The work does not wait any more. Ignored if it did not.
    pub fn leave(&mut self, segment: SegmentId) {
        let works = &self.works;
        let is = |no: u32| works.get(no as usize).and_then(Option::as_ref).is_some_and(|w| w.segment == segment);
        let Some(no) = self.work_no.remove(segment.0, is) else { return };
        let Some(work) = self.works.get(no as usize).and_then(Option::as_ref) else { return };
        let class = work.class;
        if let Some(line) = self.lines.get_mut(class as usize) {
            line.remove(Entry { virtual_since: work.virtual_since, work: no }, segments(&self.works));
            self.front(class);
        }
        if let Some(work) = self.works.get_mut(no as usize) {
            *work = None;
            self.vacant.push(no);
        }
    }

    /// Keeps `fronts` true after a change to one line.
    fn front(&mut self, class: u32) {
        let first = self.lines.get(class as usize).and_then(Line::first).map_or(NOBODY, |e| e.virtual_since);
        if let Some(fronts) = self.fronts.get_mut(class as usize / 4) {
            fronts[class as usize % 4] = first;
        }
    }

    /// How much waits here.
    pub fn waiting(&self) -> usize {
        self.work_no.len()
    }

    fn look_at(&mut self, class: u32) {
        if let Some(is) = self.is_looked_at.get_mut(class as usize).filter(|is| !**is) {
            *is = true;
            self.looked_at.push(class);
        }
    }

    /// Keeps those where both sides have somebody.
    fn look_away(&mut self) {
        let Index { looked_at, is_looked_at, lines, staffs, idle, .. } = self;
        looked_at.retain(|class| {
            let both = lines.get(*class as usize).is_some_and(|line| !line.is_empty())
                && staffs.get(*class as usize / 4).is_some_and(|s| s.has_free(idle, *class as usize % 4));
            if let Some(is) = is_looked_at.get_mut(*class as usize) {
                *is = both;
            }
            both
        });
    }

    /// One round: gives each waiting work, in line order, the best agent who passes every rule. What was given does not
    /// wait any more and its agents carry it, as if [`Index::leave`] and [`Index::stand`] had said so.
    pub fn assign(&mut self, now: Timestamp) -> Vec<Assignment> {
        self.round += 1;
        self.taken = false;
        let mut out = Vec::new();
        self.look_away();
        if let [only] = self.fresh[..]
            && self.looked_at.is_empty()
        {
            while self.is_fresh(only)
                && let Some(given) = self.serve_alone(only, now)
            {
                // Nearly always it is the only one.
                out.reserve_exact(1);
                out.push(given);
            }
        }
        let mut fresh = std::mem::take(&mut self.fresh);
        fresh.drain(..).for_each(|agent| self.join(agent));
        self.fresh = fresh;
        if self.looked_at.is_empty() {
            return out;
        }
        // Within a round a class's head only moves back, so an entry is either right or too early.
        let heads = self.looked_at.iter().filter_map(|c| Some(Reverse((self.head(*c, now)?.key(), *c))));
        let mut heads: BinaryHeap<_> = heads.collect();
        while let Some(Reverse((key, class))) = heads.pop() {
            let Some(head) = self.head(class, now) else { continue };
            if head.key() == key {
                out.extend(self.serve(class, &head, now));
                if let Some(next) = self.head(class, now) {
                    heads.push(Reverse((next.key(), class)));
                }
            } else {
                heads.push(Reverse((head.key(), class)));
            }
        }
        self.look_away();
        out
    }

    fn head(&self, class: u32, now: Timestamp) -> Option<Head> {
        let (staff, medium) = (self.staffs.get(class as usize / 4)?, class as usize % 4);
        if !staff.has_free(&self.idle, medium) {
            return None;
        }
        self.first(class, now, |work| {
            work.refused.is_none() || self.refusing(work, now).len() < staff.count_free(&self.idle, medium)
        })
    }

    /// The first of a class, of those that are not due, that somebody may be asked for.
    fn first(&self, class: u32, now: Timestamp, may: impl Fn(&Work) -> bool) -> Option<Head> {
        let mut place = 0;
        for entry in self.lines.get(class as usize)?.iter() {
            let work = self.works.get(entry.work as usize)?.as_ref()?;
            if work.until <= now {
                continue;
            }
            place += 1;
            if may(work) {
                return Some(Head { entry: *entry, segment: work.segment, place });
            }
        }
        None
    }

    /// Members who are free and may not be asked for this one.
    fn refusing(&self, work: &Work, now: Timestamp) -> Vec<u32> {
        let (queue, medium) = (work.class / 4, work.class as usize % 4);
        let fits = |agent: u32| {
            let places = self.places_of(agent);
            let place = places.binary_search_by_key(&queue, |p| p.queue).ok().and_then(|at| places.get(at));
            place.is_some_and(|p| p.fits)
        };
        let refusing = work.refused().iter().filter(|(agent, t)| *t > now && self.idle.is_free(*agent, medium));
        refusing.map(|(agent, _)| *agent).filter(|agent| fits(*agent)).collect()
    }

    /// The class's head gets the best who is willing.
    fn serve(&mut self, class: u32, head: &Head, now: Timestamp) -> Option<Assignment> {
        let (staff, medium) = (self.staffs.get(class as usize / 4)?, class as usize % 4);
        let refusing = self.refusing(self.works.get(head.entry.work as usize)?.as_ref()?, now);
        let willing = staff.count_free(&self.idle, medium) - refusing.len();
        let candidates = staff.best(&self.idle, medium, &refusing);
        let others = staff.first_out(&self.idle, medium, &refusing, staff.members.len() - willing);
        let trace = self.explain(class, head, now, &candidates, &others, willing)?;
        self.hand_over(class, head, *candidates.as_slice().first()?, trace)
    }

    /// Most decisions: everybody is busy and one agent becomes free. Nobody else is free in a class that has somebody
    /// waiting, or it would be looked at; so the first in line of his classes is his, and he need not be idle first.
    fn serve_alone(&mut self, no: u32, now: Timestamp) -> Option<Assignment> {
        let free = self.agents.get(no as usize)?.free;
        let mut best: Option<(Timestamp, u32, u32)> = None;
        for place in self.places_of(no).iter().filter(|p| p.fits) {
            let fronts = self.fronts.get(place.queue as usize)?;
            for (medium, front) in (0..).zip(*fronts) {
                let class = place.queue * 4 + medium;
                // The lines themselves are asked only if two have come at the same time.
                let is_earlier = |(so_far, other, _): &(Timestamp, u32, u32)| {
                    front < *so_far || front == *so_far && self.first_key(class) < self.first_key(*other)
                };
                if front != NOBODY && free >> medium & 1 == 1 && best.as_ref().is_none_or(is_earlier) {
                    best = Some((front, class, place.member));
                }
            }
        }
        let (_, class, member) = best?;
        let (class, member, head) = match self.head_for(class, no, now) {
            Some(head) if self.is_first(class, &head) => (class, member, head),
            // It is due, or he was asked for it before.
            _ => self.head_of_all(no, now)?,
        };
        let members = self.staffs.get(class as usize / 4)?.members.len() as u32;
        let others = Few::of((0..members).filter(|m| *m != member));
        let trace = self.explain(class, &head, now, &Few::of(std::iter::once(member)), &others, 1)?;
        self.hand_over(class, &head, member, trace)
    }

    fn is_first(&self, class: u32, head: &Head) -> bool {
        self.lines.get(class as usize).and_then(Line::first) == Some(&head.entry)
    }

    fn first_key(&self, class: u32) -> Option<LineKey> {
        let first = self.lines.get(class as usize).and_then(Line::first)?;
        Some((first.virtual_since, segments(&self.works)(first.work)))
    }

    /// The first of all his classes that this agent, who is free, may be asked for.
    fn head_of_all(&self, no: u32, now: Timestamp) -> Option<(u32, u32, Head)> {
        let free = self.agents.get(no as usize)?.free;
        let mut best: Option<(u32, u32, Head)> = None;
        for place in self.places_of(no).iter().filter(|p| p.fits) {
            for class in (0..4).filter(|m| free >> m & 1 == 1).map(|m| place.queue * 4 + m) {
                let head = self.head_for(class, no, now);
                if let Some(head) = head.filter(|h| best.as_ref().is_none_or(|(.., b)| h.key() < b.key())) {
                    best = Some((class, place.member, head));
                }
            }
        }
        best
    }

    /// The first of a class that this agent, who is free, may be asked for.
    fn head_for(&self, class: u32, agent: u32, now: Timestamp) -> Option<Head> {
        self.first(class, now, |work| work.refused().iter().all(|(a, t)| *a != agent || *t <= now))
    }

    /// `candidates` best first, `others` in the queue's order: the first of as many as there are.
    fn explain(
        &self,
        class: u32,
        head: &Head,
        now: Timestamp,
        candidates: &Few,
        others: &Few,
        willing: usize,
    ) -> Option<DecisionTrace> {
        let medium = *Medium::ALL.get(class as usize % 4)?;
        let staff = self.staffs.get(class as usize / 4)?;
        let work = self.works.get(head.entry.work as usize)?.as_ref()?;
        let out = staff.members.len() - willing;
        let left_out = willing.saturating_sub(TRACE_MAX) + out.saturating_sub(TRACE_MAX);
        let candidate = |place: &u32| {
            let m = staff.members.get(*place as usize)?;
            let idle_ms = millis(now, self.idle.since(m.agent));
            Some(Candidate { agent: m.id, priority: m.priority, level: m.level, idle_ms })
        };
        let excluded = |place: &u32| {
            let m = staff.members.get(*place as usize)?;
            Some(Excluded { agent: m.id, why: self.why_not(m, medium) })
        };
        Some(DecisionTrace {
            strategy: staff.strategy,
            waited_ms: millis(now, work.since),
            priority: work.priority,
            place: head.place,
            candidates: all(candidates, candidate),
            excluded: all(others, excluded),
            left_out: u32::try_from(left_out).unwrap_or(u32::MAX),
        })
    }

    /// The work leaves the line, this member of its queue carries it.
    fn hand_over(&mut self, class: u32, head: &Head, member: u32, trace: DecisionTrace) -> Option<Assignment> {
        let no = self.staffs.get(class as usize / 4)?.members.get(member as usize)?.agent;
        let segment = head.segment;
        self.leave(segment);
        let agent = self.agents.get_mut(no as usize)?;
        let id = agent.id;
        *agent.load.get_mut(*Medium::ALL.get(class as usize % 4)?) += 1;
        agent.taken = self.round;
        self.taken = true;
        self.refresh(no, self.idle.since(no));
        Some(Assignment { segment, agent: id, trace })
    }

    /// The first rule that keeps this member out, asked of those who are not candidates.
    fn why_not(&self, member: &Member, medium: Medium) -> Exclusion {
        match self.why.get(member.agent as usize).map_or(Exclusion::NotSignedIn, |why| why[medium as usize]) {
            why @ (Exclusion::NotSignedIn | Exclusion::Offline | Exclusion::OnBreak | Exclusion::Leaving) => why,
            _ if !member.fits => Exclusion::Skill,
            Exclusion::Capacity if self.was_taken(member.agent) => Exclusion::TakenNow,
            why => why,
        }
    }

    /// He got an offer in this round.
    fn was_taken(&self, no: u32) -> bool {
        self.taken && self.agents.get(no as usize).is_some_and(|s| s.taken == self.round)
    }

    /// Puts the agent where he belongs by how he stands. Who is free for more than before, or since another time, is
    /// fresh: his classes will be looked at.
    fn refresh(&mut self, no: u32, idle_since: Timestamp) {
        let Some(agent) = self.agents.get_mut(no as usize) else { return };
        let why = Medium::ALL.map(|m| agent.why(m));
        let free = (0..4).filter(|m| why[*m] == Exclusion::AskedBefore).fold(0, |free, m| free | 1 << m);
        if let Some(kept) = self.why.get_mut(no as usize) {
            *kept = why;
        }
        let was = std::mem::replace(&mut agent.free, free);
        if agent.is == Is::Idle {
            let stays = free != 0 && free & !was == 0 && self.idle.since(no) == idle_since;
            self.idle.remove(no, if stays { was & !free } else { was }, !stays);
            if stays {
                return;
            }
        }
        self.idle.set_since(no, idle_since);
        let is_new = free != 0 && agent.is != Is::Fresh;
        agent.is = if free == 0 { Is::Nowhere } else { Is::Fresh };
        if is_new {
            self.fresh.push(no);
        }
    }

    fn is_fresh(&self, no: u32) -> bool {
        self.agents.get(no as usize).is_some_and(|a| a.is == Is::Fresh)
    }

    /// A fresh agent takes his place among the idle, and where somebody waits for him is looked at.
    fn join(&mut self, no: u32) {
        let Some(agent) = self.agents.get_mut(no as usize).filter(|a| a.is == Is::Fresh) else { return };
        agent.is = Is::Idle;
        let free = agent.free;
        self.idle.add(no, free);
        let (from, to) = agent.places;
        for at in from..to {
            let Some(place) = self.places.get(at as usize).copied().filter(|p| p.fits) else { continue };
            let Some(fronts) = self.fronts.get(place.queue as usize).copied() else { continue };
            for medium in (0..4).filter(|m| free >> m & 1 == 1 && fronts[*m as usize] != NOBODY) {
                self.look_at(place.queue * 4 + medium);
            }
        }
    }
}

impl Work {
    fn refused(&self) -> &[(u32, Timestamp)] {
        self.refused.as_deref().map_or(&[], Vec::as_slice)
    }
}

/// Whose each work is, for lines to order those by who came at the same time.
fn segments(works: &[Option<Work>]) -> impl Fn(u32) -> SegmentId {
    |no| works.get(no as usize).and_then(Option::as_ref).map_or(SegmentId(0), |w| w.segment)
}

impl Agent {
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

fn agent(id: AgentId, config: &TenantConfig) -> Agent {
    let profile = config.agents.get(&id).filter(|a| a.active);
    Agent {
        id,
        taken: 0,
        places: (0, 0),
        capacity: profile.map(|a| a.capacity).unwrap_or_default(),
        load: PerMedium::default(),
        active: profile.is_some(),
        signed_in: false,
        device_ready: false,
        away: Some(Exclusion::Offline),
        free: 0,
        is: Is::Nowhere,
    }
}

/// In one allocation of the right size.
fn all<T>(few: &Few, of: impl Fn(&u32) -> Option<T>) -> Vec<T> {
    let mut all = Vec::with_capacity(few.as_slice().len());
    all.extend(few.as_slice().iter().filter_map(of));
    all
}

fn millis(now: Timestamp, since: Timestamp) -> u64 {
    u64::try_from(now.saturating_since(since).as_millis()).unwrap_or(u64::MAX)
}
