//! Trouble by the seed: the process dies and starts again, phones vanish, the network parts, the wall clock steps.
use std::time::Duration;

use domain::leg::{EndCause, LegCommand};

use crate::exchange::agenda::Happening;
use crate::exchange::node::{Down, Node};
use crate::exchange::office::Office;
use crate::exchange::phones::State;
use crate::exchange::{Exchange, premises};

impl Exchange {
    /// The first of each kind of trouble; each plans its next.
    pub(super) fn plan_troubles(&mut self) {
        self.plan_at_rate(self.out.faults.crashes_per_hour, Happening::Crash);
        self.plan_at_rate(self.out.faults.partitions_per_hour, Happening::Partition);
        self.plan_at_rate(self.out.faults.clock_steps_per_hour, Happening::ClockStep);
        self.plan_at_rate(self.out.faults.browser_drops_per_hour, Happening::BrowserDrops);
    }

    fn plan_at_rate(&mut self, per_hour: f64, what: Happening) {
        if per_hour > 0.0 {
            let after = self.people.wait(Duration::from_secs_f64(3600.0 / per_hour));
            self.out.plan(after, what);
        }
    }

    /// From the next batch on, the process dies before one is written, after one is written, or at once.
    pub(super) fn plan_death(&mut self) {
        self.plan_at_rate(self.out.faults.crashes_per_hour, Happening::Crash);
        if self.node.is_none() || self.closing {
            return;
        }
        match self.people.below(5) {
            0 => self.out.dying = true,
            kind => {
                let batch = self.out.counts.batches + self.people.below(6) as u64;
                self.out.dies_at = Some((batch, kind > 2));
            }
        }
    }

    /// Killed: what was in memory is gone.
    pub(super) fn crash(&mut self) {
        self.out.dying = false;
        self.out.dies_at = None;
        self.beat();
        let Some(mut node) = self.node.take() else { return };
        self.out.counts.crashes += 1;
        self.out.note(|| "crash".to_owned());
        node.wake(&mut self.out);
        node.writer.crash(&mut self.out);
        let now = self.out.now;
        self.out.ears.forget(now);
        self.out.talks.forget(now);
        for phone in &mut self.phones[..self.out.desks] {
            phone.is_connected = false;
            if phone.is_browser() {
                phone.state = State::Idle;
            }
        }
        // What desks were about to do with their calls is void; people at phones know nothing.
        self.out.agenda.retain(|what| {
            !matches!(
                what,
                Happening::Node
                    | Happening::React(..)
                    | Happening::DeskHangUp(..)
                    | Happening::DeskHold(..)
                    | Happening::DeskResume(..)
                    | Happening::DeskMute(..)
                    | Happening::DeskMask(..)
                    | Happening::DeskRecords(..)
                    | Happening::DeskHandsOver(..)
                    | Happening::DeskGoesOn(..)
                    | Happening::DeskPicksUp(..)
                    | Happening::SupervisorWatches(..)
                    | Happening::SupervisorGoesOn(..)
                    | Happening::WrapUpDone(..)
                    | Happening::ChatOver(..)
                    | Happening::PeerPacket { .. }
            )
        });
        let after = self.people.between(Duration::from_millis(400), Duration::from_secs(12));
        self.out.plan(after, Happening::Restart);
    }

    /// A new process on what the disk holds: checkpoints and sockets, then the floor, then the directory.
    pub(super) fn start_node(&mut self) {
        if self.node.is_some() {
            return;
        }
        let start = self.start();
        let (switch, outlived) = Node::recover(&mut self.out, &start);
        let office = Office::open(&mut self.out, self.config.clone(), self.devices.clone(), self.plan.check_every);
        let mut node = Node::start(&mut self.out, &start, switch, office);
        for leg in outlived.legs.into_keys() {
            let hang_up = LegCommand::Hangup { leg, cause: EndCause::SystemRestart };
            node.down.push_back((self.out.now + self.out.faults.down, Down::Leg(hang_up)));
        }
        let directory = premises::directory(&self.config, &self.out.disk, &self.accounts);
        node.down.push_back((self.out.now + self.out.faults.down, Down::Directory(directory)));
        node.run(&mut self.out);
        self.node = Some(node);
        if self.out.disk.starts > 1 {
            self.out.note(|| "restart".to_owned());
            for phone in 0..self.out.desks {
                if self.phones[phone].is_browser() {
                    let after = self.people.between(Duration::from_millis(300), Duration::from_secs(10));
                    self.out.plan(after, Happening::BrowserConnects(phone));
                }
            }
            for agent in self.config.clone().agents.keys() {
                let after = self.people.between(Duration::from_secs(1), Duration::from_secs(30));
                self.out.plan(after, Happening::Back(*agent));
            }
        }
    }

    /// Its cable is pulled, for a while.
    pub(super) fn vanish(&mut self, phone: usize) {
        let length = self.people.wait(Duration::from_secs(30));
        self.out.note(|| format!("phone {phone} vanishes for {length:?}"));
        self.out.cut.insert(phone, self.out.now + length);
        self.out.plan(length, Happening::Reappear(phone));
    }

    pub(super) fn partition(&mut self) {
        self.plan_at_rate(self.out.faults.partitions_per_hour, Happening::Partition);
        if self.closing {
            return;
        }
        self.out.parted = true;
        let length = self.people.wait(Duration::from_secs(8));
        self.out.plan(length, Happening::Heal);
    }

    /// Somebody sets the wall clock: seconds, or an hour, forth or back. It matters at the next start.
    pub(super) fn clock_step(&mut self) {
        self.plan_at_rate(self.out.faults.clock_steps_per_hour, Happening::ClockStep);
        let most = if self.people.chance(0.3) { 3_600_000 } else { 20_000 };
        let step = self.people.below(2 * most + 1) as i64 - most as i64;
        self.out.wall_ms += step;
    }
}
