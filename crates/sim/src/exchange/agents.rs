//! Agents: what they do at the desk and at the device, and what befalls them besides.
use std::time::Duration;

use domain::command::{AgentCommand, Presence, SeatClass};
use domain::device::DeviceSignal;
use domain::effect::OfferCard;
use domain::event::{Event, EventBody, PresenceCause, SegmentOf, SegmentState};
use domain::id::{AgentId, DeviceId, SegmentId};
use domain::input::Input;
use domain::medium::Medium;
use switch::{PeerEvent, PeerRef};

use crate::exchange::Exchange;
use crate::exchange::agenda::Happening;
use crate::exchange::node::Down;
use crate::exchange::outside::Seen;
use crate::exchange::phones::{Owner, State};

impl Exchange {
    /// To the floor, through the interfaces for people: lost when the node is down.
    pub(super) fn tell_floor(&mut self, input: Input) {
        let after = self.people.between(Duration::from_millis(1), Duration::from_millis(30));
        if let Some(node) = &mut self.node {
            node.office.tell(self.out.now + after, input);
        }
    }

    pub(super) fn desk(&mut self, agent: AgentId, command: AgentCommand) {
        self.tell_floor(Input::Agent { agent, command });
    }

    /// People look at what became known.
    pub(super) fn people_see(&mut self) {
        while let Some(seen) = self.out.seen.pop_front() {
            match seen {
                Seen::Event(event) => {
                    self.ledger.event(&mut self.out, &event);
                    self.event(&event);
                }
                Seen::Offer(card) => self.offered(&card),
                Seen::BrowserLine(device, up) => {
                    if let Some(phone) = self.devices.get(&device).copied() {
                        self.phones[phone].browser_line(&mut self.out, up);
                    }
                }
                Seen::BrowserUp(device, generation) => {
                    if let Some(phone) = self.devices.get(&device).copied()
                        && self.phones[phone].generation == generation
                    {
                        self.phones[phone].is_connected = true;
                    }
                }
            }
        }
    }

    fn offered(&mut self, card: &OfferCard) {
        if !card.device_rings && !self.people.chance(self.plan.misses) {
            let after = self.people.wait(self.plan.reaction);
            self.out.plan(after, Happening::React(card.agent, card.offer));
        }
    }

    /// A telephone rings: somebody picks up, refuses, or is not there.
    pub(super) fn desk_rings(&mut self, phone: usize) {
        if !self.people.chance(self.plan.misses) {
            let after = self.people.wait(self.plan.reaction);
            let line = self.phones[phone].line;
            self.out.plan(after, Happening::PickUp(phone, line));
        }
    }

    pub(super) fn pick_up(&mut self, phone: usize, line: u32) {
        let declines = self.people.chance(self.plan.declines);
        let vanishes = self.people.chance(self.out.faults.vanishes);
        let after = self.people.wait(Duration::from_secs(5));
        let status = [486, 603, 480, 500][self.people.below(4)];
        let p = &mut self.phones[phone];
        if p.line != line || p.state != State::Ringing {
            return;
        }
        if declines {
            if let Some(call) = p.call {
                p.reject(&mut self.out, call, status);
            }
        } else {
            p.answer(&mut self.out);
            if vanishes {
                self.out.plan(after, Happening::Vanish(phone));
            }
        }
        self.phone_news(phone);
    }

    fn event(&mut self, event: &Event) {
        match &event.body {
            EventBody::SegmentStarted { segment, of: SegmentOf::Agent { agent, queue, .. }, interaction, .. } => {
                let queue = queue.and_then(|q| self.config.queues.get(&q));
                let disposition = queue.and_then(|q| q.dispositions.first().copied());
                self.stints.insert(*segment, (*agent, disposition, *interaction));
            }
            EventBody::SegmentStateChanged { segment, state, interaction, .. } => {
                let Some((agent, ..)) = self.stints.get(segment).copied() else { return };
                if *state == SegmentState::WrapUp {
                    let after = self.people.wait(self.plan.wrap_up);
                    self.out.plan(after, Happening::WrapUpDone(agent, *segment));
                }
                let written = self.written.contains(interaction);
                if *state == SegmentState::Talking && !written && self.talked.insert(*segment) {
                    self.conversation(*segment);
                }
                if *state == SegmentState::Talking && written {
                    let after = self.people.wait(self.plan.talk);
                    self.out.plan(after, Happening::DeskHangUp(agent, *segment));
                }
            }
            EventBody::SegmentEnded { segment, .. } => {
                self.stints.remove(segment);
                self.talked.remove(segment);
            }
            EventBody::InteractionStarted { interaction, medium, .. } if *medium != Medium::Voice => {
                self.written.insert(*interaction);
                if self.people.chance(0.5) {
                    let after = self.people.wait(self.plan.patience * 2);
                    self.out.plan(after, Happening::ChatOver(*interaction));
                }
            }
            EventBody::InteractionEnded { interaction, .. } => {
                self.written.remove(interaction);
            }
            EventBody::PresenceChanged { agent, why: PresenceCause::MissedOffer, .. } => {
                let after = self.people.wait(Duration::from_secs(8));
                self.out.plan(after, Happening::Back(*agent));
            }
            _ => {}
        }
    }

    fn conversation(&mut self, segment: SegmentId) {
        let Some((agent, ..)) = self.stints.get(&segment).copied() else { return };
        let talk = self.people.wait(self.plan.talk);
        if self.people.chance(0.5) {
            self.out.plan(talk, Happening::DeskHangUp(agent, segment));
        }
        if self.people.chance(self.plan.desk_holds) {
            let after = talk.mul_f64(0.4);
            let length = self.people.wait(Duration::from_secs(3));
            self.out.plan(after, Happening::DeskHold(agent, segment));
            self.out.plan(after + length, Happening::DeskResume(agent, segment));
        }
        self.plan_handovers(agent, segment, talk);
        // Some masks are forgotten, and end by themselves.
        if self.people.chance(self.plan.masks) {
            self.out.plan(talk.mul_f64(0.3), Happening::DeskMask(agent, segment, true));
            if self.people.chance(0.7) {
                self.out.plan(talk.mul_f64(0.6), Happening::DeskMask(agent, segment, false));
            }
        }
        // Where the rules decide it is refused.
        if self.people.chance(self.plan.masks) {
            self.out.plan(talk.mul_f64(0.25), Happening::DeskRecords(agent, segment, true));
            self.out.plan(talk.mul_f64(0.7), Happening::DeskRecords(agent, segment, false));
        }
        if self.people.chance(0.05) {
            self.out.plan(talk.mul_f64(0.2), Happening::DeskMute(agent, segment, true));
            self.out.plan(talk.mul_f64(0.3), Happening::DeskMute(agent, segment, false));
        }
    }

    pub(super) fn at_the_desk(&mut self, what: Happening) {
        let (agent, command) = match what {
            Happening::React(agent, offer) if self.people.chance(self.plan.declines) => {
                (agent, AgentCommand::DeclineOffer { offer })
            }
            Happening::React(agent, offer) => (agent, AgentCommand::AcceptOffer { offer }),
            Happening::DeskHangUp(agent, segment) => (agent, AgentCommand::HangUp { segment }),
            Happening::DeskHold(agent, segment) => (agent, AgentCommand::Hold { segment }),
            Happening::DeskResume(agent, segment) => (agent, AgentCommand::Resume { segment }),
            Happening::DeskMute(agent, segment, muted) => (agent, AgentCommand::Mute { segment, muted }),
            Happening::DeskMask(agent, segment, true) => (agent, AgentCommand::Mask { segment }),
            Happening::DeskMask(agent, segment, false) => (agent, AgentCommand::Unmask { segment }),
            Happening::DeskRecords(agent, segment, true) => (agent, AgentCommand::StartRecording { segment }),
            Happening::DeskRecords(agent, segment, false) => (agent, AgentCommand::StopRecording { segment }),
            Happening::WrapUpDone(agent, segment) => {
                if let Some(disposition) = self.stints.get(&segment).and_then(|(_, d, _)| *d) {
                    self.desk(agent, AgentCommand::SetDisposition { segment, disposition, note: None });
                }
                (agent, AgentCommand::EndWrapUp { segment })
            }
            _ => return,
        };
        self.desk(agent, command);
    }

    pub(super) fn plan_whim(&mut self, agent: AgentId) {
        if self.plan.whims_per_hour > 0.0 {
            let after = self.people.wait(Duration::from_secs_f64(3600.0 / self.plan.whims_per_hour));
            self.out.plan(after, Happening::Whim(agent));
        }
    }

    /// A break, a closed tab, a sign-out.
    pub(super) fn whim(&mut self, agent: AgentId) {
        self.plan_whim(agent);
        if !self.is_open() {
            return;
        }
        let reason = self.config.break_reasons.keys().next().copied();
        let kind = self.people.below(5);
        match (kind, reason) {
            (0, _) => self.tell_floor(Input::LeaseLost { agent }),
            (1, _) => self.desk(agent, AgentCommand::SignOut),
            (2, _) => self.desk(agent, AgentCommand::SetPresence { presence: Presence::Offline }),
            (_, Some(reason)) => {
                self.desk(agent, AgentCommand::SetPresence { presence: Presence::Break { reason } });
            }
            _ => {}
        }
        let after = self.people.between(Duration::from_secs(2), Duration::from_secs(60));
        self.out.plan(after, Happening::Back(agent));
    }

    /// Whatever is missing for work: the seat, the lease, the presence.
    pub(super) fn back(&mut self, agent: AgentId) {
        let Some(device) = self.device_of(agent) else { return };
        let Some(node) = &self.node else { return };
        let Some(view) = node.office.floor.agent_view(agent) else { return };
        if !view.signed_in {
            self.desk(agent, AgentCommand::SignIn { device, seat: SeatClass::Standard });
            // The seat may be refused: then another try.
            let after = self.people.between(Duration::from_secs(1), Duration::from_secs(20));
            return self.out.plan(after, Happening::Back(agent));
        }
        if !view.lease {
            self.tell_floor(Input::LeaseTaken { agent });
        } else if view.leaving {
            return self.out.plan(Duration::from_secs(10), Happening::Back(agent));
        }
        if view.presence != Presence::Available {
            self.desk(agent, AgentCommand::SetPresence { presence: Presence::Available });
        }
    }

    fn device_of(&self, agent: AgentId) -> Option<DeviceId> {
        self.config.devices.values().find(|d| d.agent == Some(agent)).map(|d| d.id)
    }

    /// The tab makes a new connection.
    pub(super) fn browser_connects(&mut self, phone: usize) {
        let Owner::Desk { device, .. } = self.phones[phone].owner else { return };
        self.phones[phone].is_connected = false;
        self.phones[phone].generation += 1;
        let generation = self.phones[phone].generation;
        let tenant = self.config.tenant;
        let Some(node) = &mut self.node else { return };
        let signal = DeviceSignal::Connect { device, tenant, generation, offer_sdp: "offer".to_owned() };
        node.down.push_back((self.out.now + self.out.faults.down, Down::Device(signal)));
    }

    /// Its connection breaks, or the tab reloads; a new one comes soon, or too late.
    pub(super) fn browser_drops(&mut self) {
        let rate = self.out.faults.browser_drops_per_hour;
        if rate > 0.0 {
            let after = self.people.wait(Duration::from_secs_f64(3600.0 / rate));
            self.out.plan(after, Happening::BrowserDrops);
        }
        let browsers: Vec<usize> = self.phones[..self.out.desks]
            .iter()
            .filter(|p| p.is_browser() && p.is_connected)
            .map(|p| p.index)
            .collect();
        let pick = self.people.below(browsers.len());
        let Some(phone) = browsers.get(pick).copied() else { return };
        let Owner::Desk { device, .. } = self.phones[phone].owner else { return };
        let generation = self.phones[phone].generation;
        let reload = self.people.chance(0.4);
        let after = self.people.wait(Duration::from_secs(6));
        if !reload && let Some(node) = &mut self.node {
            self.phones[phone].is_connected = false;
            let peer = PeerRef::Device { device, generation };
            let event = if self.people.chance(0.5) {
                PeerEvent::Closed { peer }
            } else {
                PeerEvent::Failed { peer, code: "device.ice_failed".to_owned() }
            };
            node.peer_event(&mut self.out, event);
        }
        // A reload connects anew while the former connection stands.
        self.out.plan(if reload { Duration::ZERO } else { after }, Happening::BrowserConnects(phone));
    }
}
