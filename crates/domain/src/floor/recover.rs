//! After a crash: what was live ended at the last heartbeat, nobody is stuck, agents may take their places again.
use std::time::Duration;

use super::Floor;
use crate::command::Presence;
use crate::event::{EventBody, OfferEnd, PresenceCause, SegmentEnd, SegmentState};
use crate::leg::{EndCause, EndedBy, LegStats};
use crate::time::Timestamp;

/// An agent whose desk or session does not return by then is signed out.
const RETURN_WITHIN: Duration = Duration::from_secs(60);

impl Floor {
    pub(super) fn recover(&mut self, last_heartbeat: Timestamp) {
        let now = self.now;
        // Never before the journal's last event, never after the restart.
        self.now = last_heartbeat.min(now).max(self.state.at);
        self.effects.clear();
        self.unheard.clear();
        self.announcing.clear();
        self.paused.clear();
        self.keyed.clear();
        self.emit(EventBody::FloorRecovered { last_heartbeat });
        let interactions: Vec<_> = self.state.interactions.iter().map(|(id, i)| (*id, i.clone())).collect();
        for (interaction, i) in interactions {
            for (segment, s) in &i.segments {
                let reaching = matches!(s.state, SegmentState::Offered | SegmentState::Connecting);
                if let (Some(agent), Some(offer), true) = (s.agent(), &s.offer, reaching) {
                    let (offer, why) = (offer.offer, OfferEnd::Withdrawn);
                    let segment = *segment;
                    self.emit(EventBody::OfferEnded { interaction, offer, segment, agent, why, not_before: None });
                }
                // Work that was only being wrapped up keeps the end it had.
                let why = s.ended.unwrap_or(SegmentEnd::Restart);
                self.emit(EventBody::SegmentEnded { interaction, segment: *segment, why });
            }
            for leg in i.legs {
                let answered = self.state.legs.get(&leg).and_then(|l| l.answered);
                let answered_ms = answered.map_or(0, |t| u64::try_from(self.now - t).unwrap_or(0));
                let stats = LegStats { answered_ms, ..LegStats::default() };
                let (cause, by) = (EndCause::SystemRestart, EndedBy::System);
                self.emit(EventBody::LegEnded { interaction, leg, cause, by, stats });
            }
        }
        let seated: Vec<_> =
            self.state.agents.iter().filter(|(_, a)| a.seat.is_some()).map(|(a, s)| (*a, s.clone())).collect();
        for (agent, a) in &seated {
            if a.presence != Presence::Offline {
                let (agent, why) = (*agent, PresenceCause::Restart);
                self.emit(EventBody::PresenceChanged { agent, presence: Presence::Offline, why, by: None });
            }
        }
        self.settle();
        self.now = now;
        for (agent, a) in seated {
            let still = self.state.agents.get(&agent).is_some_and(|a| a.seat.is_some());
            if still && (a.lease || a.lease_until.is_some()) {
                self.emit(EventBody::LeaseLost { agent, until: Some(now + RETURN_WITHIN) });
            }
        }
    }
}
