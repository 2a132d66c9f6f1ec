//! Customers: they call, wait, press digits, write, and give up.
use std::time::Duration;

use domain::config::{DeviceKind, EntryPoint};
use domain::id::{AddressId, DeviceId, LegId, NumberId, PlayId};
use domain::input::Input;
use domain::leg::{Codec, Collect, EndCause, EndedBy, LegEvent, PlayEnd, Via};
use domain::medium::Medium;
use domain::time::Timestamp;

use crate::manner::Shape;
use crate::world::{Happening, World};

const HOUR: f64 = 3_600_000.0;

impl World {
    /// The next arrival of a Poisson stream whose rate changes with the hour, by thinning.
    pub(crate) fn plan_call(&mut self) {
        let most = self.manner.shape.calls_most();
        if most <= 0.0 {
            return;
        }
        let mean = Duration::from_millis((HOUR / most) as u64);
        let mut at = self.now;
        // A night has a few dozen candidates at most; the bound is for rates near zero.
        for _ in 0..100_000 {
            at = at + self.dice.wait(mean);
            let (hour, weekend) = self.local(at);
            if self.dice.chance(self.manner.shape.calls(hour, weekend) / most) {
                return self.plan_at(at, Happening::Call);
            }
        }
    }

    pub(crate) fn plan_chat(&mut self) {
        let rate = self.manner.shape.chats();
        if rate > 0.0 {
            let after = self.dice.wait(Duration::from_millis((HOUR / rate) as u64));
            self.plan(after, Happening::Chat);
        }
    }

    /// Local hour, and whether it is Saturday or Sunday there.
    pub(crate) fn local(&self, at: Timestamp) -> (usize, bool) {
        let midnight = domain::calendar::day_start(&self.config.time_zone, at);
        let hour = usize::try_from((at - midnight) / 3_600_000).unwrap_or(0).min(23);
        // Noon of the local day falls on the same date in UTC, nearly everywhere; 1970-01-01 was a Thursday.
        let day = (midnight.0 + 43_200_000).div_euclid(86_400_000);
        (hour, (day + 3).rem_euclid(7) >= 5)
    }

    pub(crate) fn call(&mut self) {
        if !self.open {
            return;
        }
        self.plan_call();
        let Some(number) = self.pick_number() else { return };
        let leg = LegId::from_parts(self.now.0, self.dice.bits());
        let any = AddressId::from_parts(self.now.0, self.dice.bits());
        let known = self.dice.below(self.callers.len());
        let from = self.callers.get(known).copied().unwrap_or(any);
        self.ledger.calls += 1;
        self.switch.offered(leg);
        let _ = self.input(Input::CallOffered { leg, number, from, via: Via::Loopback, known: Default::default() });
        let patience = self.dice.wait(self.manner.patience);
        self.plan(patience, Happening::GiveUp(leg));
    }

    /// On ordinary days hardly anyone calls the echo or a device directly.
    fn pick_number(&mut self) -> Option<NumberId> {
        let all: Vec<_> = self.config.numbers.values().map(|n| (n.id, n.entry.clone())).collect();
        let ordinary = matches!(self.manner.shape, Shape::Office { .. });
        let wanted: Vec<_> = all
            .iter()
            .filter(|(_, e)| !ordinary || matches!(e, EntryPoint::Queue { .. } | EntryPoint::Flow { .. }))
            .collect();
        let n = self.dice.below(wanted.len());
        wanted.get(n).map(|(id, _)| *id)
    }

    pub(crate) fn chat(&mut self) {
        if !self.open {
            return;
        }
        self.plan_chat();
        let media = [Medium::Chat, Medium::Email, Medium::Task];
        let medium = media[self.dice.below(media.len())];
        let queues: Vec<_> = self.config.queues.values().filter(|q| q.media.contains(&medium)).map(|q| q.id).collect();
        let n = self.dice.below(queues.len());
        let Some(queue) = queues.get(n).copied() else { return };
        self.ledger.chats += 1;
        let priority = i32::try_from(self.dice.below(3)).unwrap_or(0);
        let begun = self.input(Input::WorkArrived { medium, queue, from: None, priority, lang: None });
        if let Ok(Some(interaction)) = begun
            && self.dice.chance(0.5)
        {
            let after = self.dice.wait(self.manner.patience * 2);
            self.plan(after, Happening::ChatOver(interaction));
        }
    }

    /// A device was dialled. A browser picks up at once; a phone needs somebody there.
    pub(crate) fn ring(&mut self, leg: LegId, device: DeviceId, ring_timeout: Duration) {
        let kind = self.config.devices.get(&device).map(|d| d.kind.clone());
        if kind == Some(DeviceKind::Browser) {
            let event = LegEvent::Answered { leg, codec: Codec::Opus };
            return self.plan(Duration::from_millis(60), Happening::Switch(event));
        }
        self.plan(Duration::from_millis(80), Happening::Switch(LegEvent::Ringing { leg }));
        self.plan(ring_timeout, Happening::RingOut(leg));
        if !self.dice.chance(self.manner.misses) {
            let after = self.dice.wait(self.manner.reaction).max(Duration::from_millis(200));
            self.plan(after, Happening::Phone(leg, device));
        }
    }

    pub(crate) fn at_the_phone(&mut self, leg: LegId, _device: DeviceId) {
        if !self.switch.is_up(leg) || self.switch.is_answered(leg) {
            return;
        }
        if self.dice.chance(self.manner.declines) {
            let cause = [EndCause::Busy, EndCause::Rejected, EndCause::Unreachable][self.dice.below(3)];
            self.end_leg(leg, cause, EndedBy::Peer);
        } else if self.switch.answer(self.now, leg) {
            let _ = self.input(Input::Leg(LegEvent::Answered { leg, codec: Codec::Pcma }));
        }
    }

    pub(crate) fn play_over(&mut self, leg: LegId, play: PlayId, collect: Option<Collect>) {
        if !self.switch.plays(leg, play) {
            self.menus.remove(&play);
            return;
        }
        let choices = self.menus.remove(&play).unwrap_or_default();
        let (why, digits) = match collect {
            None => (PlayEnd::Finished, String::new()),
            Some(_) if self.dice.chance(self.manner.wrong_digits / 2.0) => (PlayEnd::TimedOut, String::new()),
            Some(collect) => (PlayEnd::Interrupted, self.keyed(&collect, &choices)),
        };
        if self.switch.play_over(leg, play) {
            let _ = self.input(Input::Leg(LegEvent::PlayEnded { leg, play, why, digits }));
        }
    }

    fn keyed(&mut self, collect: &Collect, choices: &[char]) -> String {
        let any = ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', '*'];
        let wrong = self.dice.chance(self.manner.wrong_digits / 2.0);
        if !choices.is_empty() && !wrong {
            return choices[self.dice.below(choices.len())].to_string();
        }
        let count = 1 + self.dice.below(usize::from(collect.max_digits));
        (0..count).map(|_| any[self.dice.below(any.len())]).collect()
    }
}
