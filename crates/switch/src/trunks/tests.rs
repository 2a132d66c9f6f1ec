//! A line against carriers that answer, lose, refuse and are gone, over hours of virtual time; and a test of a trunk.
use std::net::SocketAddr;
use std::time::Duration;

use domain::config::TrunkAccount;
use domain::directory::{Password, TrunkLogin};
use domain::trunk::{TestStage, TrunkFault, TrunkState};
use sip::msg::Uri;
use sip::{Reply, Transport};

use super::line::{Heard, Line, Order, PATIENCE, Settings};
use super::trial::{Question, Trial};

const LIFE: Duration = Duration::from_secs(300);
const OK: Reply = Reply::Status(200);

fn remote(n: u8) -> SocketAddr {
    SocketAddr::from(([192, 0, 2, n], 5060))
}

fn settings(register: bool) -> Settings {
    let account = TrunkAccount { user: "1001".into(), auth_user: None, domain: None, register };
    Settings {
        host: Uri::parse("sip:carrier.example").unwrap(),
        transport: Transport::Udp,
        check_certificate: true,
        login: Some(TrunkLogin { account, password: Password("secret".into()) }),
        active: true,
    }
}

/// A line with a clock and a carrier that answers as the closure says; `None`: not at all.
struct Bench {
    now: Duration,
    line: Line,
    /// When each order was given, in whole seconds.
    log: Vec<(u64, Order)>,
}

impl Bench {
    fn new(settings: Settings, literal: bool, every_s: u64, random: u64) -> Bench {
        let literal = literal.then(|| remote(1));
        let every = Duration::from_secs(every_s);
        let mut line = Line::new(Duration::ZERO, settings, literal, every, random, "call-id".into());
        line.handle(Duration::ZERO, Heard::Time);
        Bench { now: Duration::ZERO, line, log: Vec::new() }
    }

    /// Runs for so long; each order is answered after 20 ms.
    fn run(&mut self, seconds: u64, mut carrier: impl FnMut(u64, &Order) -> Option<Heard>) {
        let end = self.now + Duration::from_secs(seconds);
        let mut answers: Vec<(Duration, Heard)> = Vec::new();
        loop {
            while let Some(order) = self.line.poll() {
                if let Some(heard) = carrier(self.now.as_secs(), &order) {
                    answers.push((self.now + Duration::from_millis(20), heard));
                }
                self.log.push((self.now.as_secs(), order));
            }
            answers.sort_by_key(|(at, _)| std::cmp::Reverse(*at));
            let answer = answers.last().map(|(at, _)| *at);
            let Some(at) = answer.into_iter().chain(self.line.next_timeout()).min().filter(|at| *at <= end) else {
                break;
            };
            assert!(at >= self.now, "a deadline in the past");
            self.now = at;
            let heard = if answer == Some(at) { answers.pop().unwrap().1 } else { Heard::Time };
            self.line.handle(at, heard);
        }
        self.now = end;
    }

    fn state(&self) -> TrunkState {
        self.line.state().0
    }

    fn registers(&self) -> Vec<u64> {
        self.log.iter().filter(|(_, o)| matches!(o, Order::Register { .. })).map(|(at, _)| *at).collect()
    }
}

fn registered(order: &Order, reply: Reply, expires: Option<u32>) -> Option<Heard> {
    match order {
        Order::Register { ask, .. } => Some(Heard::Registered { ask: *ask, reply, expires, retry_after: None }),
        Order::Ping { ask, .. } => Some(Heard::Ponged { ask: *ask, reply }),
        Order::Resolve => Some(Heard::Resolved { remotes: vec![remote(1), remote(2)], life: LIFE }),
    }
}

#[test]
fn a_registration_is_refreshed_well_before_it_lapses() {
    for random in 1..50 {
        let mut b = Bench::new(settings(true), false, 0, random);
        b.run(3_600, |_, order| registered(order, OK, Some(120)));
        assert_eq!(b.state(), TrunkState::Registered);
        let times = b.registers();
        for pair in times.windows(2) {
            assert!((89..=103).contains(&(pair[1] - pair[0])), "{times:?}");
        }
        let cseqs: Vec<u32> = b
            .log
            .iter()
            .filter_map(|(_, o)| if let Order::Register { cseq, .. } = o { Some(*cseq) } else { None })
            .collect();
        assert!(cseqs.is_sorted_by(|a, b| a < b));
    }
}

#[test]
fn a_refresh_that_gets_lost_is_made_up_for_before_anybody_notices() {
    let mut b = Bench::new(settings(true), true, 0, 7);
    // Every other REGISTER is lost.
    let mut n = 0;
    for _ in 0..600 {
        b.run(10, |_, order| {
            n += 1;
            (n % 2 == 1).then(|| registered(order, OK, Some(600))).flatten()
        });
        assert_eq!(b.state(), TrunkState::Registered, "after {:?}", b.now);
    }
}

#[test]
fn a_carrier_that_is_gone_is_tried_ever_more_rarely_and_found_again() {
    let mut b = Bench::new(settings(true), false, 0, 9);
    b.run(7_200, |_, order| matches!(order, Order::Resolve).then(|| registered(order, OK, None)).flatten());
    let (state, failure) = b.line.state();
    assert_eq!((state, failure.unwrap().fault), (TrunkState::Unreachable, TrunkFault::Silent));
    let times = b.registers();
    assert!(times.len() < 30, "{times:?}");
    assert!(times[1] - times[0] <= 12 && times.windows(2).all(|p| p[1] - p[0] <= 610), "{times:?}");
    // Each take goes to the next of its addresses.
    let tried: Vec<SocketAddr> = b
        .log
        .iter()
        .filter_map(|(_, o)| if let Order::Register { remote, .. } = o { Some(*remote) } else { None })
        .collect();
    assert_eq!(tried[..4], [remote(1), remote(2), remote(1), remote(2)]);
    b.run(620, |_, order| registered(order, OK, Some(600)));
    assert_eq!(b.state(), TrunkState::Registered);
}

#[test]
fn a_wrong_password_is_not_hammered() {
    let mut b = Bench::new(settings(true), true, 0, 5);
    b.run(3_600, |_, order| registered(order, Reply::Status(403), None));
    let (state, failure) = b.line.state();
    let failure = failure.unwrap();
    assert_eq!(
        (state, failure.fault, failure.sip_status),
        (TrunkState::Unreachable, TrunkFault::Credentials, Some(403))
    );
    assert!(b.registers().len() <= 8, "{:?}", b.registers());
}

#[test]
fn a_registrar_gets_the_time_it_wants_and_the_pause_it_asks_for() {
    let mut b = Bench::new(settings(true), true, 0, 5);
    b.run(1, |_, order| match order {
        Order::Register { expires: 600, .. } => registered(order, Reply::Status(423), Some(1_800)),
        _ => registered(order, OK, Some(1_800)),
    });
    assert_eq!((b.state(), b.registers().len()), (TrunkState::Registered, 2));
    // One that is never content is not asked without end.
    let mut b = Bench::new(settings(true), true, 0, 5);
    b.run(1, |_, order| registered(order, Reply::Status(423), Some(u32::MAX)));
    assert_eq!((b.state(), b.registers().len()), (TrunkState::Unreachable, 1));
    let mut b = Bench::new(settings(true), true, 0, 5);
    b.run(1_000, |_, order| match order {
        Order::Register { ask, .. } => {
            Some(Heard::Registered { ask: *ask, reply: Reply::Status(503), expires: None, retry_after: Some(300) })
        }
        _ => None,
    });
    assert!(b.registers().windows(2).all(|p| p[1] - p[0] >= 300), "{:?}", b.registers());
}

#[test]
fn a_trunk_that_does_not_answer_is_asked_until_it_does() {
    let mut plain = settings(false);
    plain.login = None;
    let mut b = Bench::new(plain, true, 60, 3);
    assert_eq!(b.state(), TrunkState::Connecting);
    // Whatever it says, it lives.
    b.run(100, |_, order| registered(order, Reply::Status(405), None));
    assert_eq!((b.state(), b.log.len()), (TrunkState::Reachable, 2));
    assert_eq!(b.line.round_trip(), Some(Duration::from_millis(20)));
    b.run(100, |_, _| None);
    assert_eq!(b.line.state().1.unwrap().fault, TrunkFault::Silent);
    b.run(25, |_, order| registered(order, OK, None));
    assert_eq!(b.state(), TrunkState::Reachable);
    // A call that met nobody is reason enough to ask at once.
    let before = b.log.len();
    b.line.handle(b.now, Heard::Suspect);
    b.run(1, |_, order| registered(order, Reply::Unreachable, None));
    assert_eq!((b.log.len(), b.state()), (before + 1, TrunkState::Unreachable));
}

#[test]
fn a_name_without_an_address_is_told_and_looked_up_again() {
    let mut b = Bench::new(settings(true), false, 0, 3);
    b.run(30, |_, _| Some(Heard::Resolved { remotes: Vec::new(), life: LIFE }));
    let (state, failure) = b.line.state();
    assert_eq!((state, failure.unwrap().fault), (TrunkState::Unreachable, TrunkFault::NameUnknown));
    // The resolver itself may be silent.
    b.run(60, |_, _| None);
    b.run(120, |_, order| registered(order, OK, Some(600)));
    assert_eq!(b.state(), TrunkState::Registered);
}

#[test]
fn only_a_registration_there_may_be_is_taken_back() {
    let mut b = Bench::new(settings(true), true, 30, 3);
    b.run(10, |_, order| registered(order, OK, Some(600)));
    assert!(matches!(b.line.close(), Some(Order::Register { expires: 0, .. })));
    assert_eq!(b.line.next_timeout(), None);
    let mut b = Bench::new(settings(true), true, 30, 3);
    b.run(9, |_, _| None);
    assert_eq!(b.line.close(), None);
    let mut drained = settings(true);
    drained.active = false;
    let mut b = Bench::new(drained, true, 30, 3);
    b.run(100, |_, order| registered(order, OK, Some(600)));
    assert_eq!((b.state(), b.log.len()), (TrunkState::Drained, 0));
}

#[test]
fn a_test_tells_each_step_and_stops_at_the_first_that_fails() {
    let now = Duration::from_millis(40);
    let (mut trial, first) = Trial::begin(Duration::ZERO, settings(true), None);
    assert_eq!(first, Question::Resolve);
    assert_eq!(trial.resolved(now, &[remote(1)]), Question::Ping(remote(1)));
    assert_eq!(trial.replied(now * 2, OK), Question::Register(remote(1)));
    assert_eq!(trial.replied(now * 3, Reply::Status(401)), Question::Nothing);
    let told: Vec<_> = trial.steps.iter().map(|s| (s.step, s.fault, s.round_trip_ms)).collect();
    let expected = [
        (TestStage::Resolve, None, None),
        (TestStage::Answer, None, Some(40)),
        (TestStage::SignIn, Some(TrunkFault::Credentials), Some(40)),
    ];
    assert_eq!(told, expected);
    let (mut trial, first) = Trial::begin(Duration::ZERO, settings(true), Some(remote(1)));
    assert_eq!(first, Question::Ping(remote(1)));
    assert_eq!(trial.give_up(PATIENCE), Question::Nothing);
    assert_eq!(trial.steps.last().unwrap().fault, Some(TrunkFault::Silent));
}
