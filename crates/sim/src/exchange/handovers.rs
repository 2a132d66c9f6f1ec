//! What agents do with one another: transfers, consultations, conferences; and supervisors in their conversations.
//! People try what they like: the floor refuses what cannot be.
use std::time::Duration;

use domain::command::{AgentCommand, SupervisorCommand, Target, WatchMode};
use domain::config::DeviceKind;
use domain::id::{AddressId, AgentId, SegmentId};
use domain::input::Input;
use domain::outbound::{CallClass, RouteTrunk};

use crate::exchange::Exchange;
use crate::exchange::agenda::Happening;
use crate::exchange::premises::CARRIER;

impl Exchange {
    pub(super) fn plan_handovers(&mut self, agent: AgentId, segment: SegmentId, talk: Duration) {
        if self.people.chance(self.plan.handovers) {
            self.out.plan(talk.mul_f64(0.5), Happening::DeskHandsOver(agent, segment));
        }
        if self.people.chance(self.plan.watches)
            && let Some((_, _, interaction)) = self.stints.get(&segment).copied()
        {
            self.out.plan(talk.mul_f64(0.2), Happening::SupervisorWatches(interaction, segment));
        }
    }

    fn some<T: Copy>(&mut self, among: &[T]) -> Option<T> {
        let n = self.people.below(among.len());
        among.get(n).copied()
    }

    fn some_target(&mut self, but: AgentId) -> Option<Target> {
        match self.people.below(9) {
            0..=3 => self.some_colleague(but).map(|agent| Target::Agent { agent }),
            4 | 5 => {
                let queues: Vec<_> = self.config.queues.keys().copied().collect();
                self.some(&queues).map(|queue| Target::Queue { queue })
            }
            6 => {
                let phones = self.config.devices.values().filter(|d| d.kind != DeviceKind::Browser);
                let phones: Vec<_> = phones.map(|d| d.id).collect();
                self.some(&phones).map(|device| Target::Device { device })
            }
            7 => {
                let shown = self.config.numbers.keys().next().copied();
                let class = CallClass::National;
                let trunks = vec![RouteTrunk { trunk: CARRIER, priority: 1, weight: 1 }];
                Some(Target::Outside { address: AddressId(138), class, trunks, caller: shown })
            }
            _ => {
                let flows: Vec<_> = self.config.flows.keys().copied().collect();
                self.some(&flows).map(|flow| Target::Flow { flow })
            }
        }
    }

    fn some_colleague(&mut self, but: AgentId) -> Option<AgentId> {
        let others: Vec<AgentId> = self.config.agents.keys().copied().filter(|a| *a != but).collect();
        self.some(&others)
    }

    pub(super) fn between_desks(&mut self, what: Happening) {
        let soon = self.people.wait(Duration::from_secs(3));
        match what {
            Happening::DeskHandsOver(agent, segment) => {
                if self.people.chance(0.2) {
                    return self.desk_parks(agent, segment, soon);
                }
                let Some(to) = self.some_target(agent) else { return };
                let persons = matches!(to, Target::Agent { .. } | Target::Device { .. } | Target::Outside { .. });
                let consults = persons && self.people.chance(0.7);
                if consults {
                    self.desk(agent, AgentCommand::Consult { segment, to });
                    let ideas = self.people.below(4) as u8;
                    self.out.plan(soon, Happening::DeskGoesOn(agent, segment, ideas));
                } else {
                    self.desk(agent, AgentCommand::Transfer { segment, to });
                }
            }
            Happening::DeskPicksUp(agent, interaction) => self.desk(agent, AgentCommand::PickUp { interaction }),
            Happening::DeskGoesOn(agent, segment, ideas) => self.desk_goes_on(agent, segment, ideas, soon),
            Happening::SupervisorWatches(interaction, segment) => {
                let Some((agent, ..)) = self.stints.get(&segment).copied() else { return };
                let Some(supervisor) = self.some_colleague(agent) else { return };
                let ideas = 1 + self.people.below(4) as u8;
                self.supervisor_does(
                    supervisor,
                    SupervisorCommand::Watch { interaction, segment, mode: WatchMode::Monitor },
                );
                self.out.plan(soon, Happening::SupervisorGoesOn(supervisor, interaction, segment, ideas));
            }
            Happening::SupervisorGoesOn(supervisor, interaction, segment, ideas) => {
                let watch = |mode| SupervisorCommand::Watch { interaction, segment, mode };
                let command = match self.people.below(5) {
                    0 => watch(WatchMode::Monitor),
                    1 => watch(WatchMode::Whisper),
                    2 | 3 => watch(WatchMode::Barge),
                    _ => SupervisorCommand::TakeOver { interaction, segment },
                };
                let command = if ideas == 0 { SupervisorCommand::StopWatching { interaction } } else { command };
                self.supervisor_does(supervisor, command);
                if ideas > 0 {
                    self.out.plan(soon, Happening::SupervisorGoesOn(supervisor, interaction, segment, ideas - 1));
                }
            }
            _ => {}
        }
    }

    /// Sometimes nobody picks the customer up, sometimes two try.
    fn desk_parks(&mut self, agent: AgentId, segment: SegmentId, soon: Duration) {
        let Some((_, _, interaction)) = self.stints.get(&segment).copied() else { return };
        self.desk(agent, AgentCommand::Park { segment });
        for _ in 0..self.people.below(3) {
            if let Some(colleague) = self.some_colleague(agent) {
                let after = soon + self.people.wait(Duration::from_secs(20));
                self.out.plan(after, Happening::DeskPicksUp(colleague, interaction));
            }
        }
    }

    /// Back and forth, and at last an end that leaves nobody waiting.
    fn desk_goes_on(&mut self, agent: AgentId, segment: SegmentId, ideas: u8, soon: Duration) {
        if !self.stints.contains_key(&segment) {
            return;
        }
        if ideas > 0 {
            let command = match self.people.below(6) {
                0..=3 => AgentCommand::SwitchParty { segment },
                4 => AgentCommand::Hold { segment },
                _ => AgentCommand::Conference { segment },
            };
            self.desk(agent, command);
            return self.out.plan(soon, Happening::DeskGoesOn(agent, segment, ideas - 1));
        }
        match self.people.below(3) {
            0 => self.desk(agent, AgentCommand::CompleteTransfer { segment }),
            1 => self.desk(agent, AgentCommand::Conference { segment }),
            _ => self.desk(agent, AgentCommand::EndConsult { segment }),
        }
        self.out.plan(soon, Happening::DeskResume(agent, segment));
        self.out.plan(soon * 3, Happening::DeskHangUp(agent, segment));
    }

    fn supervisor_does(&mut self, supervisor: AgentId, command: SupervisorCommand) {
        if let Some(by) = self.config.agents.get(&supervisor).map(|a| a.user) {
            self.tell_floor(Input::Supervisor { by, command });
        }
    }
}
