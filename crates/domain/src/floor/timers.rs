//! What happens when nobody does anything: derived from the state, never stored beside it.
use std::time::Duration;

use super::Floor;
use super::state::{Interaction, Segment};
use crate::event::{OfferEnd, PresenceCause, SegmentEnd, SegmentState, SignOutCause};
use crate::id::{AgentId, InteractionId, SegmentId};
use crate::time::Timestamp;

/// An accepted call must be through by then; a browser's leg answers at once, a phone has answered already.
pub(super) const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// A step's playback that never reports its end is given up.
pub(super) const STEP_GUARD: Duration = Duration::from_secs(600);

#[derive(Debug, Clone, Copy)]
enum Timer {
    /// The segment's state is due to end.
    State(InteractionId, SegmentId),
    Step(InteractionId, SegmentId),
    Comfort(InteractionId, SegmentId),
    Lease(AgentId),
}

impl Floor {
    /// When [`crate::input::Input::Tick`] is due, if nothing happens before.
    pub fn next_timeout(&self) -> Option<Timestamp> {
        let timers = self.timers().map(|(at, _)| at);
        // An agent who may be asked again may free a waiting caller.
        let refusals = self
            .state
            .waiting
            .values()
            .filter_map(|i| self.state.interactions.get(i))
            .flat_map(|i| i.refused.values().copied())
            .filter(|at| *at > self.routed_at);
        timers.chain(refusals).min()
    }

    /// Fires what is due up to `limit`, each at its own time and with all its consequences.
    pub(super) fn fire_due(&mut self, limit: Timestamp) {
        while let Some((at, timer)) = self.timers().filter(|(at, _)| *at <= limit).min_by_key(|(at, _)| *at) {
            self.now = at.max(self.state.at);
            match timer {
                Timer::State(interaction, segment) => self.state_timed_out(interaction, segment),
                Timer::Step(interaction, segment) => self.step_timed_out(interaction, segment),
                Timer::Comfort(interaction, segment) => self.play_comfort(interaction, segment),
                Timer::Lease(agent) => self.leave(agent, SignOutCause::Restart, PresenceCause::Restart, None),
            }
            self.settle();
        }
    }

    fn timers(&self) -> impl Iterator<Item = (Timestamp, Timer)> + '_ {
        let of_segments =
            self.state.interactions.iter().flat_map(|(id, i)| i.segments.iter().map(move |(s, seg)| (*id, i, *s, seg)));
        let segments = of_segments.flat_map(|(id, i, segment, s)| {
            [
                s.until.filter(|_| !shielded(i, segment, s)).map(|t| (t, Timer::State(id, segment))),
                s.step.as_ref().and_then(|step| step.until).map(|t| (t, Timer::Step(id, segment))),
                s.play_until.map(|t| (t, Timer::Comfort(id, segment))),
            ]
        });
        let leases = self
            .state
            .agents
            .iter()
            .map(|(a, agent)| agent.lease_until.filter(|_| agent.leaving.is_none()).map(|t| (t, Timer::Lease(*a))));
        segments.chain(leases).flatten()
    }

    fn state_timed_out(&mut self, interaction: InteractionId, segment: SegmentId) {
        let Some(state) = self.state.segment(interaction, segment).map(|s| s.state) else { return };
        match state {
            SegmentState::Waiting => self.overflow(interaction, segment),
            SegmentState::Voicemail => self.finish_flow(interaction, segment, SegmentEnd::Finished),
            SegmentState::Offered => self.offer_failed(interaction, segment, OfferEnd::Missed),
            SegmentState::Connecting => self.connect_failed(interaction, segment),
            SegmentState::WrapUp => self.end_wrap_up(interaction, segment),
            // These have no deadline; drop it rather than fire for ever.
            SegmentState::Running | SegmentState::Echo | SegmentState::Talking | SegmentState::Held => {
                self.finish_flow(interaction, segment, SegmentEnd::Error);
            }
        }
    }
}

/// A queue does not overflow while an agent is being rung for it.
fn shielded(i: &Interaction, segment: SegmentId, s: &Segment) -> bool {
    s.state == SegmentState::Waiting
        && i.segments.values().any(|o| o.offer.as_ref().is_some_and(|offer| offer.waiting == Some(segment)))
}
