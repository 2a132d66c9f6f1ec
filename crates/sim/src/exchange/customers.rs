//! Customers: they call, listen, press what the menu wants, wait, talk, and give up at any stage.
use std::time::Duration;

use domain::id::NumberId;
use domain::input::Input;
use domain::medium::Medium;

use crate::exchange::Exchange;
use crate::exchange::agenda::{Happening, Line};
use crate::exchange::outside::Place;
use crate::exchange::phones::{Noticed, Owner, Phone, State};
use crate::exchange::voice::{Law, PROMPTS};

/// Prompts of the sample company that ask for a key.
const MENU: usize = PROMPTS + 10;
const ACCOUNT: usize = PROMPTS + 12;
/// A caller who hears nothing at all for this long hangs up.
const DEAD_LINE: Duration = Duration::from_secs(25);
/// Telephones of customers; more calls at once than lines are let in.
const CUSTOMERS_MAX: usize = 3_000;

impl Exchange {
    fn seconds(&mut self, mean: f64) -> Duration {
        self.people.wait(Duration::from_secs_f64(mean))
    }

    pub(super) fn plan_call(&mut self) {
        let after = self.people.wait(self.plan.between_calls);
        self.out.plan(after, Happening::Call);
    }

    /// Somebody calls a number.
    pub(super) fn call(&mut self) {
        if !self.is_open() {
            return;
        }
        self.plan_call();
        let numbers: Vec<(NumberId, String)> = self.config.numbers.values().map(|n| (n.id, n.number.clone())).collect();
        let pick = self.people.below(numbers.len());
        let Some((_, number)) = numbers.get(pick) else { return };
        let Some(phone) = self.free_phone() else { return };
        self.out.counts.calls += 1;
        let late_offer = self.people.chance(self.out.faults.late_offers);
        let patience = self.people.wait(self.plan.patience);
        let vanishes = self.people.chance(self.out.faults.vanishes);
        let p = &mut self.phones[phone];
        p.dial(&mut self.out, number, late_offer);
        let line = p.line;
        self.out.plan(patience, Happening::GiveUp(phone, line));
        if vanishes {
            let after = self.seconds(8.0);
            self.out.plan(after, Happening::Vanish(phone));
        }
    }

    fn free_phone(&mut self) -> Option<usize> {
        let free = (self.free_customers.len() > 8).then(|| self.free_customers.pop_front()).flatten();
        if free.is_some() {
            return free;
        }
        let index = self.phones.len();
        if index >= self.out.desks + CUSTOMERS_MAX {
            return self.free_customers.pop_front();
        }
        let law = if self.people.chance(self.out.faults.ulaw) { Law::Mu } else { Law::A };
        self.phones.push(Phone::new(index, Owner::Customer, law, self.plan.seed, false));
        Some(index)
    }

    /// News of a phone's SIP endpoint, and what people make of it.
    pub(super) fn phone_news(&mut self, phone: usize) {
        while let Some(event) = self.phones[phone].events.pop_front() {
            self.out.note(|| format!("phone {phone} hears {event:.200?}"));
            let noticed = self.phones[phone].react(&mut self.out, event);
            match (noticed, self.phones[phone].owner) {
                (Some(Noticed::Ended(_)), Owner::Customer) => self.free_customers.push_back(phone),
                (Some(Noticed::Rings), Owner::Desk { .. }) => self.desk_rings(phone),
                _ => {}
            }
        }
    }

    pub(super) fn speaks(&mut self, phone: usize, line: Line) {
        let p = &mut self.phones[phone];
        if p.line != line || !p.speaks() {
            return;
        }
        if p.state == State::Up && !p.is_browser() && self.out.now > p.heard_at + DEAD_LINE && !p.holding {
            p.hang_up(&mut self.out);
            return self.phone_news(phone);
        }
        let begun = self.out.now < p.up_at + Duration::from_millis(100);
        let pace = if begun { Duration::from_millis(20) } else { self.plan.pace };
        p.speak(&mut self.out, pace);
    }

    /// A phone heard something.
    pub(super) fn hears(&mut self, phone: usize, bytes: &[u8]) {
        let Some(source) = self.phones[phone].hear(&mut self.out, bytes) else { return };
        if source >= PROMPTS {
            self.hears_prompt(phone, source);
            return;
        }
        self.out.counts.voices_heard += 1;
        let (ears, now) = (&self.out.ears, self.out.now);
        if !ears.may_hear(now, phone, source) && ears.hears_several(now, phone) {
            return;
        }
        if !self.out.ears.may_hear(self.out.now, phone, source) {
            let seen = format!("phone {phone} hears {source}, which nothing allows");
            return self.out.violation("bleed", seen);
        }
        let p = &mut self.phones[phone];
        if p.voice != Some(source) {
            p.voice = Some(source);
            self.hears_voice(phone);
        }
    }

    fn hears_prompt(&mut self, phone: usize, source: usize) {
        let p = &mut self.phones[phone];
        if p.owner != Owner::Customer || p.prompt == Some(source) {
            return;
        }
        p.prompt = Some(source);
        let line = p.line;
        if source == MENU || source == ACCOUNT {
            let after = self.people.between(Duration::from_millis(200), Duration::from_millis(6000));
            self.out.plan(after, Happening::Press(phone, line));
        } else if source == PROMPTS + 4 {
            // A voice mailbox: some words, then the end.
            let after = self.seconds(4.0);
            self.out.plan(after, Happening::HangUp(phone, line));
        }
    }

    /// Somebody answers: the conversation begins.
    fn hears_voice(&mut self, phone: usize) {
        if self.phones[phone].is_browser() {
            return;
        }
        let talk = self.people.wait(self.plan.talk);
        let p = &self.phones[phone];
        let line = p.line;
        // Somebody has to end it: customers do at last.
        let (ends, at_last) = match p.owner {
            Owner::Customer => (0.6, true),
            Owner::Desk { .. } => (0.15, false),
        };
        if self.people.chance(ends) {
            self.out.plan(talk, Happening::HangUp(phone, line));
        } else if at_last {
            self.out.plan(4 * talk, Happening::HangUp(phone, line));
        }
        if self.people.chance(self.plan.phone_holds) {
            // Often just when the other side hangs up, so that a BYE and a re-INVITE cross.
            self.out.plan(talk.mul_f64(0.5), Happening::PhoneHolds(phone, line, true));
            let back = talk.mul_f64(0.5) + self.people.between(Duration::ZERO, Duration::from_secs(6));
            self.out.plan(back, Happening::PhoneHolds(phone, line, false));
        }
        if !at_last && self.people.chance(self.plan.handovers / 2.0) {
            self.out.plan(talk.mul_f64(0.6), Happening::PhoneRefers(phone, line));
        }
    }

    pub(super) fn at_the_phone(&mut self, what: Happening) {
        let (phone, line) = match what {
            Happening::GiveUp(phone, line)
            | Happening::HangUp(phone, line)
            | Happening::Press(phone, line)
            | Happening::KeyUp(phone, line, _)
            | Happening::PhoneRefers(phone, line)
            | Happening::PhoneHolds(phone, line, _) => (phone, line),
            _ => return,
        };
        let p = &mut self.phones[phone];
        if p.line != line {
            return;
        }
        let digits = ['1', '2', '3', '4', '1', '2', '7', '#'];
        match what {
            Happening::GiveUp(..) if p.voice.is_none() => p.hang_up(&mut self.out),
            Happening::HangUp(..) => p.hang_up(&mut self.out),
            Happening::KeyUp(_, _, digit) => p.key_up(&mut self.out, digit),
            Happening::PhoneHolds(_, _, held) => p.hold(&mut self.out, held),
            Happening::PhoneRefers(..) => {
                let known: Vec<String> = self.config.agents.values().map(|a| a.extension.clone()).collect();
                // Numbers that nobody has are dialled too.
                let pick = self.people.below(known.len() + 1);
                p.refer(&mut self.out, known.get(pick).map_or("0000", String::as_str));
            }
            Happening::Press(..) => {
                let pick = self.people.below(digits.len());
                let by_info = self.people.chance(self.out.faults.info_digits);
                let again = p.prompt == Some(ACCOUNT) && self.people.chance(0.7);
                p.prompt = p.prompt.filter(|_| again);
                p.press(&mut self.out, digits[pick], by_info);
                if again {
                    let after = Duration::from_millis(400);
                    self.out.plan(after, Happening::Press(phone, line));
                }
            }
            _ => {}
        }
        self.phone_news(phone);
    }

    /// A datagram arrives.
    pub(super) fn arrives(&mut self, from: std::net::SocketAddrV4, to: std::net::SocketAddrV4, bytes: &[u8]) {
        match self.out.place(to) {
            Some(Place::Node) => match &mut self.node {
                Some(node) => node.packet(&mut self.out, from, to, bytes),
                None if self.out.faults.icmp => {
                    if let Some(Place::Sip(phone)) = self.out.place(from) {
                        let after = self.out.faults.delay;
                        self.out.plan(after, Happening::Refused(phone));
                    }
                }
                None => {}
            },
            Some(Place::Sip(phone)) if phone < self.phones.len() => {
                self.phones[phone].datagram(&mut self.out, from, bytes);
                self.phone_news(phone);
            }
            Some(Place::Rtp(phone)) if phone < self.phones.len() => self.hears(phone, bytes),
            Some(Place::Sip(_) | Place::Rtp(_) | Place::Rtcp) | None => {}
        }
    }

    /// Somebody writes.
    pub(super) fn chat(&mut self) {
        if !self.is_open() {
            return;
        }
        let after = self.people.wait(self.plan.between_chats);
        self.out.plan(after, Happening::Chat);
        let media = [Medium::Chat, Medium::Email, Medium::Task];
        let medium = media[self.people.below(media.len())];
        let queues: Vec<_> = self.config.queues.values().filter(|q| q.media.contains(&medium)).map(|q| q.id).collect();
        let pick = self.people.below(queues.len());
        let Some(queue) = queues.get(pick).copied() else { return };
        self.out.counts.chats += 1;
        let priority = self.people.below(3) as i32;
        self.tell_floor(Input::WorkArrived { medium, queue, from: None, priority, lang: None });
    }
}
