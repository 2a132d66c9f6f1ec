//! After each decision: seats given back, occupancies told, free agents matched with waiting work, finished
//! interactions ended, until nothing changes.
use std::collections::BTreeMap;

use super::Floor;
use super::offers::Ask;
use super::state::{Agent, Interaction, Segment, State};
use crate::command::Presence;
use crate::config::{DeviceKind, TenantConfig};
use crate::event::{EventBody, PresenceCause, SegmentOf, SegmentStart};
use crate::id::{AgentId, DeviceId, SegmentId};
#[cfg(debug_assertions)]
use crate::routing::naive::assign;
use crate::routing::{Standing, Waiting};
use crate::time::Timestamp;

impl Floor {
    /// Remembers whom an event concerns.
    pub(super) fn touch(&mut self, body: &EventBody) {
        match body {
            EventBody::SegmentStarted { interaction, of, .. } => {
                if let SegmentOf::Agent { agent, .. } | SegmentOf::Supervisor { agent, .. } = of {
                    self.touched_agents.insert(*agent);
                }
                self.touched_interactions.insert(*interaction);
            }
            EventBody::SegmentStateChanged { interaction, segment, .. }
            | EventBody::SegmentEnded { interaction, segment, .. } => {
                if let Some(agent) = self.state.segment(*interaction, *segment).and_then(|s| s.agent()) {
                    self.touched_agents.insert(agent);
                }
                self.touched_interactions.insert(*interaction);
            }
            EventBody::LegEnded { interaction, .. }
            | EventBody::InteractionStarted { interaction, .. }
            | EventBody::WatchChanged { interaction, .. }
            | EventBody::ConsultMerged { interaction, .. } => {
                self.touched_interactions.insert(*interaction);
            }
            EventBody::AgentLeaving { agent, .. } => {
                self.touched_agents.insert(*agent);
            }
            _ => {}
        }
    }

    pub(super) fn settle(&mut self) {
        loop {
            self.settle_agents();
            if !self.route() {
                break;
            }
        }
        while let Some(interaction) = self.touched_interactions.pop_first() {
            self.settle_sound_of(interaction);
            self.settle_recordings(interaction);
            let Some(i) = self.state.interactions.get(&interaction) else { continue };
            if i.segments.is_empty() && i.legs.is_empty() {
                let why = i.outcome;
                self.emit(EventBody::InteractionEnded { interaction, why });
                self.keyed.remove(&interaction);
                self.unheard.remove(&interaction);
                self.announcing.remove(&interaction);
            }
        }
    }

    fn settle_agents(&mut self) {
        while let Some(agent) = self.touched_agents.pop_first() {
            let Some(a) = self.state.agents.get(&agent) else { continue };
            let (was, occupancy) = (a.occupancy, self.state.occupancy_of(a));
            let leaving = a.leaving.filter(|_| a.seat.is_some() && a.work.is_empty());
            let offline = a.presence == Presence::Offline;
            if was != occupancy {
                self.emit(EventBody::OccupancyChanged { agent, occupancy });
            }
            if let Some(why) = leaving {
                if !offline {
                    let why = PresenceCause::SignedOut;
                    self.emit(EventBody::PresenceChanged { agent, presence: Presence::Offline, why, by: None });
                }
                self.emit(EventBody::AgentSignedOut { agent, why });
            }
        }
    }

    /// Makes the offers that the rules call for; true if there was one.
    fn route(&mut self) -> bool {
        self.routed_at = self.now;
        self.update_index();
        #[cfg(debug_assertions)]
        let scanned = {
            let waiting = self.state.waiting_now(self.now);
            assert_eq!(self.derived.index.waiting(), self.state.in_line().count(), "the index missed a change");
            assign(self.now, &waiting, &self.state.standing(&self.config), &self.config)
        };
        let assignments = self.derived.index.assign(self.now);
        #[cfg(debug_assertions)]
        assert_eq!(assignments, scanned, "the matching index decides otherwise than the rules");
        let any = !assignments.is_empty();
        for a in assignments {
            if let Some(interaction) = self.state.waiting.get(&a.segment).copied() {
                let ask = Ask { waiting: Some(a.segment), why: SegmentStart::Offer, by: None, queue: None, leg: None };
                self.offer(interaction, ask, a.agent, a.trace);
            }
        }
        any
    }
}

impl State {
    /// Work in queues that nobody is being offered.
    pub(super) fn in_line(&self) -> impl Iterator<Item = Waiting> + '_ {
        self.waiting.iter().filter_map(|(segment, interaction)| {
            let i = self.interactions.get(interaction)?;
            self.waits(i, *segment, i.segments.get(segment)?)
        })
    }

    /// … and that is not about to overflow.
    pub(super) fn waiting_now(&self, now: Timestamp) -> Vec<Waiting> {
        self.in_line().filter(|w| w.until.is_none_or(|t| t > now)).collect()
    }

    /// How a queue's segment waits; none if its caller is gone or an agent is being asked.
    pub(super) fn waits(&self, i: &Interaction, segment: SegmentId, s: &Segment) -> Option<Waiting> {
        let SegmentOf::Queue { queue, priority, virtual_since, .. } = &s.of else { return None };
        let gone = i.customer.is_some_and(|leg| self.legs.get(&leg).is_none_or(|l| l.hanging_up));
        let asked = i.segments.values().any(|s| s.offer.as_ref().is_some_and(|o| o.waiting == Some(segment)));
        (!gone && !asked).then(|| Waiting {
            segment,
            queue: *queue,
            medium: i.medium,
            priority: *priority,
            since: s.started,
            virtual_since: *virtual_since,
            until: s.until,
            refused: i.refused.clone(),
        })
    }

    pub(super) fn standing(&self, config: &TenantConfig) -> BTreeMap<AgentId, Standing> {
        self.agents.iter().map(|(id, agent)| (*id, self.standing_of(agent, config))).collect()
    }

    pub(super) fn standing_of(&self, agent: &Agent, config: &TenantConfig) -> Standing {
        Standing {
            signed_in: agent.seat.is_some(),
            leaving: agent.leaving.is_some(),
            presence: agent.presence,
            device_ready: agent.seat.as_ref().is_some_and(|seat| self.device_ready(seat.device, config)),
            load: self.load(agent),
            idle_since: agent.presence_since.max(agent.occupancy_since),
        }
    }

    /// A URI is always taken as reachable; the others must have shown themselves.
    pub(super) fn device_ready(&self, device: DeviceId, config: &TenantConfig) -> bool {
        match config.devices.get(&device).map(|d| &d.kind) {
            Some(DeviceKind::Uri { .. }) => true,
            Some(DeviceKind::Browser | DeviceKind::Sip { .. }) => {
                self.devices.get(&device).is_some_and(|d| d.lost.is_none())
            }
            None => false,
        }
    }
}
