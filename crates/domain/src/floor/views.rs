//! Snapshots for screens, built from the state on request.
use std::collections::BTreeMap;

use super::state::{Agent, Interaction, Segment};
use super::{Floor, ms};
use crate::calendar::day_start;
use crate::command::WatchMode;
use crate::command::{Occupancy, Presence};
use crate::config::WrapUpMode;
use crate::effect::{Handover, HandoverKind};
use crate::event::{Direction, SegmentOf, SegmentStart, SegmentState};
use crate::id::{AddressId, AgentId, DeviceId, InteractionId, LegId, QueueId, SegmentId};
use crate::report::Measures;
use crate::time::Timestamp;
use crate::view::{
    AgentCounts, AgentView, DeviceView, FloorView, LiveSegment, LiveView, OfferView, ParkedView, PartyView, QueueView,
    RecordView, WatcherView, WatchingView, WorkView,
};

impl Floor {
    /// The customers of living calls: by which leg, and whose address.
    pub fn customers(&self) -> impl Iterator<Item = (InteractionId, LegId, AddressId)> {
        self.state.interactions.iter().filter_map(|(id, i)| Some((*id, i.customer?, i.from?)))
    }

    /// The whole floor, for the live board and a socket's first message.
    pub fn view(&self, now: Timestamp) -> FloorView {
        let mut counts = AgentCounts::default();
        for agent in self.config.agents.values().filter(|a| a.active) {
            self.count(agent.id, &mut counts);
        }
        FloorView {
            degraded: false,
            refusing: false,
            floor: self.id,
            tenant: self.config.tenant,
            rev: self.config.rev,
            at: now,
            seq: self.state.seq,
            agents: self.config.agents.keys().filter_map(|a| self.agent_view(*a)).collect(),
            queues: self.queue_views(now),
            interactions: self.state.interactions.iter().map(|(id, i)| live(*id, i)).collect(),
            counts,
            calls: u32::try_from(self.state.calls()).unwrap_or(u32::MAX),
            calls_max: self.config.entitlements.concurrent_calls,
            seats: u32::try_from(self.state.seats_taken()).unwrap_or(u32::MAX),
            seats_max: self.config.entitlements.seats,
            spend: self.spend_view(now),
        }
    }

    /// One agent's desk; none if the configuration has no such active agent and he is not on the floor either.
    pub fn agent_view(&self, agent: AgentId) -> Option<AgentView> {
        let config = self.config.agents.get(&agent).filter(|a| a.active);
        let idle = Agent::default();
        let a = match self.state.agents.get(&agent) {
            Some(a) => a,
            None => config.map(|_| &idle)?,
        };
        let work = a
            .work
            .iter()
            .filter_map(|(s, i)| Some((*i, self.state.interactions.get(i)?, *s, self.state.segment(*i, *s)?)));
        let (offers, work): (Vec<_>, Vec<_>) = work.partition(|(.., s)| s.state == SegmentState::Offered);
        Some(AgentView {
            agent,
            team: config.and_then(|c| c.team),
            signed_in: a.seat.is_some(),
            seat: a.seat.as_ref().map(|s| s.class),
            lease: a.lease,
            leaving: a.leaving.is_some(),
            presence: a.presence,
            presence_since: a.presence_since,
            presence_why: a.presence_why,
            occupancy: a.occupancy,
            occupancy_since: a.occupancy_since,
            device: a.seat.as_ref().map(|s| self.device_view(s.device)),
            offers: offers.into_iter().filter_map(|(id, i, seg, s)| offer_view(agent, id, i, seg, s)).collect(),
            work: work.into_iter().map(|(id, i, seg, s)| self.work_view(id, i, seg, s)).collect(),
            parked: self.state.parked.iter().filter_map(|(s, i)| self.parked_view(*i, *s)).collect(),
        })
    }

    fn parked_view(&self, interaction: InteractionId, segment: SegmentId) -> Option<ParkedView> {
        let i = self.state.interactions.get(&interaction)?;
        let s = i.segments.get(&segment)?;
        let SegmentOf::Parked { place, by, queue } = s.of else { return None };
        let until = s.until.unwrap_or(s.started);
        Some(ParkedView { interaction, place, by, queue, from: i.from, since: s.started, until })
    }

    /// One queue's line on the board.
    pub fn queue_view(&self, queue: QueueId, now: Timestamp) -> Option<QueueView> {
        let today = self.today(now);
        self.one_queue(queue, now, &today)
    }

    fn queue_views(&self, now: Timestamp) -> Vec<QueueView> {
        let today = self.today(now);
        self.config.queues.keys().filter_map(|q| self.one_queue(*q, now, &today)).collect()
    }

    fn today(&self, now: Timestamp) -> BTreeMap<QueueId, Measures> {
        self.state.report.since(day_start(&self.config.time_zone, now), now)
    }

    fn one_queue(&self, queue: QueueId, now: Timestamp, today: &BTreeMap<QueueId, Measures>) -> Option<QueueView> {
        let q = self.queue_config(queue)?;
        let line: Vec<&Segment> = self
            .state
            .waiting
            .iter()
            .filter_map(|(s, i)| self.state.segment(*i, *s))
            .filter(|s| s.queue() == Some(queue))
            .collect();
        let mut agents = AgentCounts::default();
        for member in &q.members {
            self.count(member.agent, &mut agents);
        }
        let calendar = q.calendar.and_then(|c| self.config.calendars.get(&c));
        Some(QueueView {
            queue,
            open: calendar.is_none_or(|c| c.is_open(now)),
            waiting: u32::try_from(line.len()).unwrap_or(u32::MAX),
            longest_wait_ms: line.iter().map(|s| ms(now.saturating_since(s.started))).max().unwrap_or(0),
            agents,
            today: today.get(&queue).copied().unwrap_or_default(),
        })
    }

    fn count(&self, agent: AgentId, counts: &mut AgentCounts) {
        let a = self.state.agents.get(&agent);
        let Some((a, seat)) = a.and_then(|a| Some((a, a.seat.as_ref()?))) else {
            counts.offline += 1;
            return;
        };
        let slot = match (a.occupancy, a.presence) {
            (Occupancy::Busy, _) => &mut counts.busy,
            (Occupancy::WrapUp, _) => &mut counts.wrap_up,
            (Occupancy::Offered, _) => &mut counts.offered,
            (Occupancy::Idle, Presence::Offline) => &mut counts.offline,
            (Occupancy::Idle, Presence::Break { .. }) => &mut counts.on_break,
            (Occupancy::Idle, Presence::Available) if !self.state.device_ready(seat.device, &self.config) => {
                &mut counts.not_ready
            }
            (Occupancy::Idle, Presence::Available) => &mut counts.idle,
        };
        *slot += 1;
    }

    /// Who whispers or barges in is heard; who only listens is shown if the company wants it.
    fn watchers(&self, i: &Interaction, segment: SegmentId) -> Vec<WatcherView> {
        let of = |s: &Segment| match s.of {
            SegmentOf::Supervisor { agent, target, mode }
                if target == segment
                    && s.state == SegmentState::Watching
                    && (mode != WatchMode::Monitor || self.config.monitoring_shown) =>
            {
                Some(WatcherView { agent, mode })
            }
            _ => None,
        };
        i.segments.values().filter_map(of).collect()
    }

    fn device_view(&self, device: DeviceId) -> DeviceView {
        let seen = self.state.devices.get(&device);
        DeviceView {
            device,
            ready: self.state.device_ready(device, &self.config),
            lost: seen.and_then(|d| d.lost),
            since: seen.map(|d| d.since).unwrap_or_default(),
        }
    }

    fn work_view(&self, interaction: InteractionId, i: &Interaction, segment: SegmentId, s: &Segment) -> WorkView {
        let leg = s.leg.and_then(|l| self.state.legs.get(&l));
        let asked = self.asked(interaction, segment);
        let mut variables = i.variables.clone();
        variables.extend(self.keyed.get(&interaction).cloned().unwrap_or_default());
        WorkView {
            interaction,
            segment,
            leg: s.leg,
            customer: i.customer,
            medium: i.medium,
            direction: i.direction,
            queue: s.queue(),
            from: i.from,
            diverted: i.diverted,
            verified: i.verified,
            number: i.number,
            lang: i.lang,
            state: s.state,
            state_since: s.state_since,
            started: i.started,
            answered: s.answered,
            talk_ms: s.talk_ms,
            hold_ms: s.hold_ms,
            muted: leg.is_some_and(|l| l.muted),
            peer_held: leg.is_some_and(|l| l.peer_held),
            recording: s.recording,
            record: s.record.as_ref().map(|r| RecordView {
                on: r.on,
                on_demand: r.on_demand(),
                mode: r.mode,
                of: r.of,
            }),
            masked_until: i.masked,
            dispositions: self.dispositions(interaction, segment),
            disposition: s.disposition,
            disposition_required: self.wrap_up_mode(interaction, segment) == WrapUpMode::Required,
            wrap_up_until: s.until.filter(|_| s.state == SegmentState::WrapUp),
            variables,
            consult: asked.and_then(|id| Some(party(id, i.segments.get(&id)?))),
            asked_by: s.consulted_by().and_then(|by| i.segments.get(&by)?.agent()),
            others: i
                .segments
                .iter()
                .filter(|(id, o)| **id != segment && o.has_customer())
                .map(|(id, o)| party(*id, o))
                .collect(),
            watchers: self.watchers(i, segment),
            watching: watching(i, s),
        }
    }
}

fn party(segment: SegmentId, s: &Segment) -> PartyView {
    let (device, outside) = match s.of {
        SegmentOf::Device { device, .. } => (Some(device), None),
        SegmentOf::Outside { address, .. } => (None, Some(address)),
        _ => (None, None),
    };
    PartyView { segment, agent: s.agent(), device, outside, state: s.state }
}

fn watching(i: &Interaction, s: &Segment) -> Option<WatchingView> {
    let SegmentOf::Supervisor { target, mode, .. } = s.of else { return None };
    Some(WatchingView { target, agent: i.segments.get(&target).and_then(Segment::agent), mode })
}

fn handover(i: &Interaction, s: &Segment) -> Option<Handover> {
    let kind = match s.why {
        SegmentStart::Transfer => HandoverKind::Transfer,
        SegmentStart::Consult if i.direction != Direction::Internal => HandoverKind::Consult,
        SegmentStart::Returned => HandoverKind::Returned,
        _ => return None,
    };
    let by = s.by.and_then(|by| i.segments.get(&by)?.agent());
    Some(Handover { kind, by: by.or(i.handed.map(|(agent, _)| agent)) })
}

fn offer_view(
    agent: AgentId,
    interaction: InteractionId,
    i: &Interaction,
    segment: SegmentId,
    s: &Segment,
) -> Option<OfferView> {
    let offer = s.offer.as_ref()?;
    Some(OfferView {
        offer: offer.offer,
        agent,
        interaction,
        segment,
        medium: i.medium,
        queue: s.queue(),
        from: i.from,
        diverted: i.diverted,
        verified: i.verified,
        number: i.number,
        device_rings: s.leg.is_some(),
        since: offer.since,
        until: offer.until,
        waited_ms: offer.waited_ms,
        handover: handover(i, s),
    })
}

fn live(interaction: InteractionId, i: &Interaction) -> LiveView {
    let segments = i.segments.iter().map(|(segment, s)| LiveSegment {
        segment: *segment,
        queue: s.queue(),
        agent: s.agent(),
        state: s.state,
        started: s.started,
        state_since: s.state_since,
        recorded: s.recording.is_some() && s.in_conversation(),
        watching: watching(i, s),
    });
    LiveView {
        interaction,
        medium: i.medium,
        direction: i.direction,
        number: i.number,
        from: i.from,
        started: i.started,
        segments: segments.collect(),
        masked_until: i.masked,
    }
}
