//! Two endpoints over a link that loses, repeats, delays and reorders, driven at random by both users. Whatever happens, each
//! call ends exactly once on each side that knew it, both sides agree on who ended it, and nothing is left in any table.
//!
//! Runs from fixed seeds, so that a failure names the seed that repeats it.

use std::collections::BTreeMap;
use std::time::Duration;

use sip::{CallId, Command, EndCause, Event};

use crate::net::{Link, Net, invite};

/// What a user can know of a call from events alone.
#[derive(Debug, Default, Clone)]
struct Seen {
    is_incoming: bool,
    is_up: bool,
    owes_answer: bool,
    owes_ack: bool,
    ended: Vec<EndCause>,
    /// Call-ID on the wire, known to the callee; and what joins the sides.
    number: Option<String>,
}

struct Users {
    net: Net,
    seen: [BTreeMap<CallId, Seen>; 2],
    read: [usize; 2],
    next: u64,
    callers: BTreeMap<String, (usize, CallId)>,
}

impl Users {
    fn new(seed: u64, link: Link) -> Self {
        Self {
            // Sessions so short that some are refreshed, and some expire, while it lasts.
            net: Net::with_config(2, link, seed, |config| {
                config.session_expires = Some(Duration::from_secs(6));
                config.min_se = Duration::from_secs(1);
            }),
            seen: [BTreeMap::new(), BTreeMap::new()],
            read: [0, 0],
            next: 0,
            callers: BTreeMap::new(),
        }
    }

    fn read_events(&mut self) {
        for node in 0..2 {
            for event in &self.net.events[node][self.read[node]..] {
                let seen = &mut self.seen[node];
                match event {
                    Event::IncomingCall(incoming) => {
                        let number = incoming.message.get_named("X-Number").unwrap().to_owned();
                        let fresh = Seen { is_incoming: true, number: Some(number), ..Seen::default() };
                        assert!(seen.insert(incoming.call, fresh).is_none(), "call id used twice");
                    }
                    Event::Answered { call, sdp, .. } => {
                        let seen = seen.get_mut(call).unwrap();
                        assert!(seen.ended.is_empty() && !seen.is_up && sdp.is_some());
                        seen.is_up = true;
                        // Our own offers say so; a peer's offer comes only when we sent none.
                        seen.owes_ack = sdp.as_deref() == Some(b"their offer");
                    }
                    Event::Established { call, .. } => {
                        assert!(seen[call].ended.is_empty());
                        seen.get_mut(call).unwrap().is_up = true;
                    }
                    Event::Reinvite { call, .. } => {
                        let seen = seen.get_mut(call).unwrap();
                        assert!(seen.ended.is_empty());
                        seen.owes_answer = true;
                    }
                    Event::Ended { call, cause } => seen.get_mut(call).unwrap().ended.push(cause.clone()),
                    Event::EarlyOffer { call, .. }
                    | Event::Progress { call, .. }
                    | Event::ReinviteDone { call, .. }
                    | Event::Info { call, .. } => {
                        assert!(seen[call].ended.is_empty(), "an event after the end");
                    }
                    _ => {}
                }
            }
            self.read[node] = self.net.events[node].len();
        }
    }

    fn act(&mut self) {
        let node = self.net.below(2) as usize;
        let live: Vec<(CallId, Seen)> =
            self.seen[node].iter().filter(|(_, s)| s.ended.is_empty()).map(|(id, s)| (*id, s.clone())).collect();
        if live.is_empty() || (live.len() < 4 && self.net.below(5) == 0) {
            return self.start(node);
        }
        let (call, seen) = live[self.net.below(live.len() as u64) as usize].clone();
        let body = |text: &str| text.as_bytes().to_vec();
        let command = match (self.net.below(10), seen.is_up, seen.is_incoming) {
            (0, ..) => Command::Hangup { call, headers: vec![] },
            (1, false, true) => Command::Reject { call, status: 486, headers: vec![] },
            (2, false, true) => Command::Progress { call, status: 180, sdp: None },
            (3 | 4, false, true) => Command::Progress { call, status: 183, sdp: Some(body("early")) },
            (_, false, true) => Command::Answer { call, sdp: body("their offer"), headers: vec![] },
            (_, false, false) => return,
            _ if seen.owes_ack => {
                self.seen[node].get_mut(&call).unwrap().owes_ack = false;
                Command::Ack { call, sdp: body("late answer") }
            }
            (1 | 2, true, _) if seen.owes_answer => {
                self.seen[node].get_mut(&call).unwrap().owes_answer = false;
                Command::RejectReinvite { call, status: 488 }
            }
            (_, true, _) if seen.owes_answer => {
                self.seen[node].get_mut(&call).unwrap().owes_answer = false;
                Command::AnswerReinvite { call, sdp: body("changed") }
            }
            (1 | 2, true, _) => Command::Reinvite { call, sdp: None },
            (3..=5, true, _) => Command::Reinvite { call, sdp: Some(body("change")) },
            (6 | 7, true, _) => Command::Info { call, content_type: "application/dtmf".to_owned(), body: body("1") },
            (_, true, _) => Command::Options { call },
        };
        self.net.command(node, command);
    }

    fn start(&mut self, node: usize) {
        self.next += 1;
        let call = CallId::outgoing(self.next);
        let mut wish = invite(call, node, 1 - node);
        if self.net.below(4) == 0 {
            wish.sdp = None;
        }
        wish.headers.push(("X-Number".to_owned(), self.next.to_string()));
        self.callers.insert(self.next.to_string(), (node, call));
        self.seen[node].insert(call, Seen::default());
        self.net.command(node, Command::Invite(Box::new(wish)));
    }

    fn run(&mut self, steps: u32) {
        for _ in 0..steps {
            self.act();
            let pause = self.net.below(400);
            self.net.advance_ms(pause);
            self.read_events();
        }
        // One side of each call ends it; the other must learn of it.
        for node in 0..2 {
            let live: Vec<(CallId, Seen)> =
                self.seen[node].iter().filter(|(_, s)| s.ended.is_empty()).map(|(id, s)| (*id, s.clone())).collect();
            for (call, seen) in live {
                let number: u64 = seen.number.map_or(call.number(), |number| number.parse().unwrap());
                if seen.is_incoming == number.is_multiple_of(2) {
                    self.net.command(node, Command::Hangup { call, headers: vec![] });
                }
            }
        }
        self.net.settle(Duration::from_secs(600));
        self.read_events();
    }

    fn check(&self, seed: u64) {
        self.net.assert_empty();
        for node in 0..2 {
            for (call, seen) in &self.seen[node] {
                assert_eq!(seen.ended.len(), 1, "seed {seed}: {call:?} at node {node}");
            }
        }
        for callee in self.seen.iter().flat_map(|seen| seen.values()).filter(|seen| seen.is_incoming) {
            let (node, call) = self.callers[callee.number.as_ref().unwrap()];
            let caller = &self.seen[node][&call];
            let pair = (&caller.ended[0], &callee.ended[0]);
            let by_us = |cause: &EndCause| matches!(cause, EndCause::Local | EndCause::TimedOut | EndCause::Expired);
            // Somebody began it: no call ends because each side says that the other ended it.
            assert!(by_us(pair.0) || by_us(pair.1), "seed {seed}: {pair:?}");
            assert!(!matches!(pair.0, EndCause::Cancelled { .. } | EndCause::Refused), "seed {seed}: {pair:?}");
            if matches!(pair.1, EndCause::Cancelled { .. }) {
                assert!(by_us(pair.0) && !caller.is_up, "seed {seed}: {pair:?}");
            }
            if let EndCause::Rejected { status, .. } = pair.0 {
                assert!([480, 486, 504].contains(status), "seed {seed}: {pair:?}");
                assert!(by_us(pair.1) && !callee.is_up, "seed {seed}: {pair:?}");
            }
        }
    }
}

fn many(seeds: std::ops::Range<u64>, link: Link) -> usize {
    let mut established = 0;
    for seed in seeds {
        let mut users = Users::new(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) + 1, link);
        users.run(60);
        users.check(seed);
        established += users.seen.iter().flat_map(|seen| seen.values()).filter(|seen| seen.is_up).count();
    }
    established
}

#[test]
fn calls_end_and_leave_nothing_on_a_good_link() {
    assert!(many(0..150, Link { loss: 0, duplicate: 0, jitter_ms: 5 }) > 300);
}

#[test]
fn calls_end_and_leave_nothing_on_a_reordering_link() {
    assert!(many(1000..1150, Link { loss: 0, duplicate: 30, jitter_ms: 700 }) > 200);
}

#[test]
fn calls_end_and_leave_nothing_on_a_lossy_link() {
    assert!(many(2000..2200, Link { loss: 20, duplicate: 10, jitter_ms: 300 }) > 200);
}
