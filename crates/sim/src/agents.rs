//! Agents: what they do when an event reaches their desk, and what befalls them besides.
use std::time::Duration;

use domain::command::{AgentCommand, Presence, SeatClass};
use domain::config::DeviceKind;
use domain::device::DeviceLoss;
use domain::event::{Event, EventBody, PresenceCause, SegmentState};
use domain::flow::Step;
use domain::id::{AgentId, DeviceId};
use domain::input::Input;
use domain::leg::{EndCause, EndedBy, LegEvent};
use domain::medium::Medium;
use domain::time::Timestamp;

use crate::manner::Shape;
use crate::world::{Happening, World};

const MINUTE: Duration = Duration::from_secs(60);
const DAY_MS: i64 = 86_400_000;

impl World {
    /// The first plans.
    pub(crate) fn begin(&mut self) {
        match self.manner.shape {
            Shape::Flat { .. } => {
                for agent in self.config.clone().agents.keys() {
                    let after = self.dice.between(Duration::from_secs(1), Duration::from_secs(30));
                    self.plan(after, Happening::Back(*agent));
                }
            }
            Shape::Office { .. } => self.plan(Duration::ZERO, Happening::Day),
        }
        for agent in self.config.clone().agents.keys() {
            self.plan_whim(*agent);
        }
        self.plan_call();
        self.plan_chat();
        self.replan_floor_trouble();
    }

    /// Crashes and hand-overs, each from its own rate.
    pub(crate) fn replan_floor_trouble(&mut self) {
        for (rate, what) in
            [(self.manner.crashes_per_hour, Happening::Crash), (self.manner.handovers_per_hour, Happening::HandOver)]
        {
            if rate > 0.0 && !self.is_planned(&what) {
                let after = self.dice.wait(Duration::from_secs_f64(3600.0 / rate));
                self.plan(after, what);
            }
        }
    }

    fn plan_whim(&mut self, agent: AgentId) {
        let rate = self.manner.breaks_per_hour + self.manner.troubles_per_hour;
        if rate > 0.0 {
            let after = self.dice.wait(Duration::from_secs_f64(3600.0 / rate));
            self.plan(after, Happening::Whim(agent));
        }
    }

    /// People and callers see what happened and make their plans.
    pub(crate) fn react(&mut self, event: &Event) {
        match &event.body {
            EventBody::StepEntered { segment, step, play: Some(play), .. } => {
                let flow = self.stints.get(segment).and_then(|s| s.flow);
                let flow = flow.and_then(|f| self.config.flows.get(&f));
                if let Some(Step::Menu { choices, .. }) = flow.and_then(|f| f.steps.get(step)) {
                    self.menus.insert(*play, choices.keys().copied().collect());
                }
            }
            EventBody::Bridged { segment, legs, .. } => {
                let Some(stint) = self.stints.get(segment).copied() else { return };
                let [customer, leg] = legs.as_slice() else { return };
                if !self.talked.insert(*segment) {
                    return;
                }
                if stint.queue.is_some() {
                    self.queued_talks.insert(*customer);
                }
                let talk = self.dice.wait(self.manner.talk);
                match stint.agent {
                    Some(agent) if self.dice.chance(self.manner.agent_ends) => {
                        self.plan(talk, Happening::AgentHangUp(agent, *segment));
                    }
                    Some(_) | None => self.plan(talk, Happening::HangUp(*customer)),
                }
                if self.dice.chance(self.manner.holds) {
                    let after = talk.mul_f64(0.4);
                    let length = self.dice.wait(self.manner.hold);
                    match stint.agent {
                        Some(agent) if self.dice.chance(0.8) => {
                            self.plan(after, Happening::Hold(agent, *segment));
                            self.plan(after + length, Happening::Resume(agent, *segment));
                        }
                        Some(_) | None => {
                            self.plan(after, Happening::PeerHold(*leg, true));
                            self.plan(after + length, Happening::PeerHold(*leg, false));
                        }
                    }
                }
            }
            EventBody::SegmentStateChanged { segment, state, .. } => {
                let Some((stint, agent)) = self.stints.get(segment).and_then(|s| Some((*s, s.agent?))) else { return };
                if *state == SegmentState::WrapUp {
                    let after = self.dice.wait(self.manner.wrap_up);
                    self.plan(after, Happening::WrapUpDone(agent, *segment));
                }
                let written = self.media.get(&stint.interaction).is_some_and(|m| *m != Medium::Voice);
                if *state == SegmentState::Talking && written {
                    let after = self.dice.wait(self.manner.talk);
                    self.plan(after, Happening::AgentHangUp(agent, *segment));
                }
            }
            EventBody::PresenceChanged { agent, why: PresenceCause::MissedOffer, .. } => {
                let after = self.dice.between(Duration::from_secs(10), MINUTE);
                self.plan(after, Happening::Back(*agent));
            }
            _ => {}
        }
    }

    pub(crate) fn at_work(&mut self, what: Happening) {
        let command = |agent, command| Input::Agent { agent, command };
        let input = match what {
            Happening::React(agent, offer) if self.dice.chance(self.manner.declines) => {
                command(agent, AgentCommand::DeclineOffer { offer })
            }
            Happening::React(agent, offer) => command(agent, AgentCommand::AcceptOffer { offer }),
            Happening::AgentHangUp(agent, segment) => command(agent, AgentCommand::HangUp { segment }),
            Happening::Hold(agent, segment) => command(agent, AgentCommand::Hold { segment }),
            Happening::Resume(agent, segment) => command(agent, AgentCommand::Resume { segment }),
            Happening::PeerHold(leg, held) => Input::Leg(LegEvent::PeerHeld { leg, held }),
            Happening::ChatOver(interaction) => Input::WorkDone { interaction },
            Happening::WrapUpDone(agent, segment) => {
                let queue = self.stints.get(&segment).and_then(|s| s.queue);
                let choices = queue.and_then(|q| self.config.queues.get(&q)).map(|q| q.dispositions.clone());
                let n = self.dice.below(choices.as_ref().map_or(0, Vec::len));
                if let Some(disposition) = choices.and_then(|c| c.get(n).copied()) {
                    let set = AgentCommand::SetDisposition { segment, disposition, note: None };
                    let _ = self.input(command(agent, set));
                }
                command(agent, AgentCommand::EndWrapUp { segment })
            }
            _ => return,
        };
        let _ = self.input(input);
    }

    pub(crate) fn at_leisure(&mut self, what: Happening) {
        match what {
            Happening::Back(agent) => self.back(agent),
            Happening::Break(agent) => self.take_break(agent),
            Happening::Leave(agent) => {
                let _ = self.input(Input::Agent { agent, command: AgentCommand::SignOut });
            }
            Happening::Whim(agent) => {
                self.plan_whim(agent);
                if self.open {
                    self.whim(agent);
                }
            }
            Happening::Day => self.plan_day(),
            _ => {}
        }
    }

    /// Whatever is missing for work: the device, the seat, the lease, the presence.
    fn back(&mut self, agent: AgentId) {
        if self.shift_ends.get(&agent).is_some_and(|end| *end <= self.now) {
            return;
        }
        let Some(device) = self.device_of(agent) else { return };
        let _ = self.input(Input::DeviceReady { device });
        let Some(view) = self.floor.agent_view(agent) else { return };
        if !view.signed_in {
            let command = AgentCommand::SignIn { device, seat: SeatClass::Standard };
            if self.input(Input::Agent { agent, command }).is_err() {
                // All seats are taken.
                return self.plan(5 * MINUTE, Happening::Back(agent));
            }
        } else if !view.lease {
            let _ = self.input(Input::LeaseTaken { agent });
        } else if view.leaving {
            return self.plan(MINUTE, Happening::Back(agent));
        }
        let command = AgentCommand::SetPresence { presence: Presence::Available };
        let _ = self.input(Input::Agent { agent, command });
    }

    fn take_break(&mut self, agent: AgentId) {
        let Some(reason) = self.config.break_reasons.keys().next().copied() else { return };
        let command = AgentCommand::SetPresence { presence: Presence::Break { reason } };
        if self.input(Input::Agent { agent, command }).is_ok() {
            let most = match self.manner.shape {
                Shape::Flat { .. } => 3 * MINUTE,
                Shape::Office { .. } => 12 * MINUTE,
            };
            let after = self.dice.between(MINUTE, most);
            self.plan(after, Happening::Back(agent));
        }
    }

    fn whim(&mut self, agent: AgentId) {
        let all = self.manner.breaks_per_hour + self.manner.troubles_per_hour;
        if self.dice.chance(self.manner.breaks_per_hour / all) {
            let available = self.floor.agent_view(agent).is_some_and(|v| v.presence == Presence::Available);
            if available {
                self.take_break(agent);
            }
            return;
        }
        let Some(device) = self.device_of(agent) else { return };
        let input = match self.dice.below(5) {
            0 => Input::LeaseLost { agent },
            1 => Input::DeviceLost { device, why: DeviceLoss::IceFailed },
            2 => Input::Agent { agent, command: AgentCommand::SignOut },
            3 => return self.lose_media(),
            _ => Input::Agent { agent, command: AgentCommand::SetPresence { presence: Presence::Offline } },
        };
        let _ = self.input(input);
        let after = self.dice.between(Duration::from_secs(2), 3 * MINUTE);
        self.plan(after, Happening::Back(agent));
    }

    /// Some leg's peer vanishes.
    fn lose_media(&mut self) {
        let live = self.switch.live();
        let n = self.dice.below(live.len());
        if let Some(leg) = live.get(n).copied() {
            let _ = self.input(Input::Leg(LegEvent::MediaSilent { leg, silent: true }));
            self.end_leg(leg, EndCause::MediaLost, EndedBy::System);
        }
    }

    /// Shifts of the local day that contains `now`, and the next planning.
    fn plan_day(&mut self) {
        let midnight = domain::calendar::day_start(&self.config.time_zone, self.now);
        self.plan_at(Timestamp(midnight.0 + DAY_MS + 3_600_000), Happening::Day);
        let (_, weekend) = self.local(self.now);
        for agent in self.config.clone().agents.keys() {
            if weekend && !self.dice.chance(0.5) {
                continue;
            }
            let at = |minutes: u64| midnight + MINUTE * u32::try_from(minutes).unwrap_or(0);
            let come = at(8 * 60 + 35) + self.dice.between(Duration::ZERO, 30 * MINUTE);
            let lunch = at(11 * 60 + 30) + self.dice.between(Duration::ZERO, 90 * MINUTE);
            let leave = at(18 * 60) + self.dice.between(Duration::ZERO, 35 * MINUTE);
            if come < self.now {
                continue;
            }
            self.shift_ends.insert(*agent, leave);
            self.plan_at(come, Happening::Back(*agent));
            self.plan_at(lunch, Happening::Break(*agent));
            let full = self.dice.between(35 * MINUTE, 50 * MINUTE);
            self.plan_at(lunch + full, Happening::Back(*agent));
            self.plan_at(leave, Happening::Leave(*agent));
        }
    }

    /// The agent's own device; a browser's if there are several.
    fn device_of(&self, agent: AgentId) -> Option<DeviceId> {
        let own = self.config.devices.values().filter(|d| d.agent == Some(agent));
        own.min_by_key(|d| (d.kind != DeviceKind::Browser, d.id)).map(|d| d.id)
    }
}
