//! What happens when nobody does anything: derived from the state, never stored beside it.
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::Floor;
use super::check::Broken;
use super::state::{Interaction, Segment};
use crate::event::{OfferEnd, PresenceCause, SegmentEnd, SegmentOf, SegmentState, SignOutCause};
use crate::id::{AgentId, InteractionId, SegmentId};
use crate::time::Timestamp;

/// An accepted call must be through by then; a browser's leg answers at once, a phone has answered already.
pub(super) const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// A step's playback that never reports its end is given up.
pub(super) const STEP_GUARD: Duration = Duration::from_secs(600);

/// In the order in which those of one instant fire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Timer {
    Segment(InteractionId, SegmentId, Part),
    Lease(AgentId),
    /// An agent who may be asked again may free a waiting caller.
    Refusal(InteractionId),
    /// A mask that nobody took off ends.
    Mask(InteractionId),
    /// The costs of its calls are looked at.
    Spend(InteractionId),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Part {
    /// The segment's state is due to end.
    State,
    Step,
    Comfort,
}

/// Whose timers they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Owner {
    Work(InteractionId),
    Agent(AgentId),
}

/// All timers in order. Those of an owner who changed are derived again before the next look.
#[derive(Debug, Default)]
pub(super) struct Timers {
    due: BTreeSet<(Timestamp, Timer)>,
    of: BTreeMap<Owner, Vec<(Timestamp, Timer)>>,
    changed: BTreeSet<Owner>,
}

impl Timers {
    pub fn changed_work(&mut self, interaction: InteractionId) {
        self.changed.insert(Owner::Work(interaction));
    }

    pub fn changed_agent(&mut self, agent: AgentId) {
        self.changed.insert(Owner::Agent(agent));
    }

    fn put(&mut self, owner: Owner, timers: Vec<(Timestamp, Timer)>) {
        let before = self.of.get(&owner).map_or(&[][..], Vec::as_slice);
        if before == timers.as_slice() {
            return;
        }
        for timer in before {
            self.due.remove(timer);
        }
        self.due.extend(timers.iter().copied());
        if timers.is_empty() {
            self.of.remove(&owner);
        } else {
            self.of.insert(owner, timers);
        }
    }
}

impl Floor {
    /// When [`crate::input::Input::Tick`] is due, if nothing happens before.
    pub fn next_timeout(&self) -> Option<Timestamp> {
        if self.derived.is_current() {
            self.derived.timers.due.first().map(|(at, _)| *at)
        } else {
            let work = self.state.interactions.keys().flat_map(|i| self.timers_of(Owner::Work(*i)));
            let agents = self.state.agents.keys().flat_map(|a| self.timers_of(Owner::Agent(*a)));
            work.chain(agents).map(|(at, _)| at).min()
        }
    }

    /// Fires what is due up to `limit`, each at its own time and with all its consequences.
    pub(super) fn fire_due(&mut self, limit: Timestamp) {
        loop {
            self.update_timers();
            let Some((at, timer)) = self.derived.timers.due.first().copied().filter(|(at, _)| *at <= limit) else {
                return;
            };
            self.now = at.max(self.state.at);
            match timer {
                Timer::Segment(interaction, segment, part) => {
                    // What it leads to may leave no other trace in the state than that it fired.
                    self.derived.timers.changed_work(interaction);
                    match part {
                        Part::State => self.state_timed_out(interaction, segment),
                        Part::Step => self.step_timed_out(interaction, segment),
                        Part::Comfort => self.play_comfort(interaction, segment),
                    }
                }
                Timer::Lease(agent) => self.leave(agent, SignOutCause::Restart, PresenceCause::Restart, None),
                Timer::Refusal(interaction) => self.derived.timers.changed_work(interaction),
                Timer::Mask(interaction) => self.unmask(interaction, None),
                Timer::Spend(interaction) => self.look_at_spend(interaction),
            }
            self.settle();
        }
    }

    /// The timers kept are those that the state asks for.
    pub(super) fn check_timers(&self) -> Result<(), Broken> {
        let work = self.state.interactions.keys().flat_map(|i| self.timers_of(Owner::Work(*i)));
        let agents = self.state.agents.keys().flat_map(|a| self.timers_of(Owner::Agent(*a)));
        let all: BTreeSet<_> = work.chain(agents).collect();
        if self.derived.is_current() && all != self.derived.timers.due {
            let seen = format!("timers {:?} are kept, {all:?} are due", self.derived.timers.due);
            return Err(Broken { rule: "timers", seen });
        }
        Ok(())
    }

    fn update_timers(&mut self) {
        while let Some(owner) = self.derived.timers.changed.pop_first() {
            let timers = self.timers_of(owner);
            self.derived.timers.put(owner, timers);
        }
    }

    fn timers_of(&self, owner: Owner) -> Vec<(Timestamp, Timer)> {
        let mut out = Vec::new();
        match owner {
            Owner::Work(id) => {
                let Some(i) = self.state.interactions.get(&id) else { return out };
                for (segment, s) in &i.segments {
                    let step = s.step.as_ref().and_then(|step| step.until);
                    let state = s.until.filter(|_| !shielded(i, *segment, s));
                    let parts = [(state, Part::State), (step, Part::Step), (s.play_until, Part::Comfort)];
                    let timers = parts.into_iter().filter_map(|(at, part)| Some((at?, part)));
                    out.extend(timers.map(|(at, part)| (at, Timer::Segment(id, *segment, part))));
                }
                out.extend(i.masked.map(|at| (at, Timer::Mask(id))));
                out.extend(self.spend_due(id, i).map(|at| (at, Timer::Spend(id))));
                if i.segments.values().any(|s| matches!(s.of, SegmentOf::Queue { .. })) {
                    let later = i.refused.values().filter(|at| **at > self.routed_at);
                    out.extend(later.min().map(|at| (*at, Timer::Refusal(id))));
                }
            }
            Owner::Agent(id) => {
                let agent = self.state.agents.get(&id).filter(|a| a.leaving.is_none());
                out.extend(agent.and_then(|a| a.lease_until).map(|at| (at, Timer::Lease(id))));
            }
        }
        out
    }

    fn state_timed_out(&mut self, interaction: InteractionId, segment: SegmentId) {
        let Some(state) = self.state.segment(interaction, segment).map(|s| s.state) else { return };
        match state {
            SegmentState::Waiting => self.overflow(interaction, segment),
            SegmentState::Voicemail => self.finish_flow(interaction, segment, SegmentEnd::Finished),
            SegmentState::Offered => self.offer_failed(interaction, segment, OfferEnd::Missed),
            SegmentState::Connecting => self.connect_failed(interaction, segment),
            SegmentState::Parked => self.unpark(interaction, segment),
            SegmentState::WrapUp => self.end_wrap_up(interaction, segment),
            // These have no deadline; drop it rather than fire for ever.
            SegmentState::Running
            | SegmentState::Echo
            | SegmentState::Talking
            | SegmentState::Held
            | SegmentState::Consulting
            | SegmentState::Watching => {
                self.finish_flow(interaction, segment, SegmentEnd::Error);
            }
        }
    }
}

/// A queue does not overflow, and a parked customer does not come back, while an agent is being rung for him.
fn shielded(i: &Interaction, segment: SegmentId, s: &Segment) -> bool {
    matches!(s.state, SegmentState::Waiting | SegmentState::Parked)
        && i.segments.values().any(|o| o.offer.as_ref().is_some_and(|offer| offer.waiting == Some(segment)))
}
