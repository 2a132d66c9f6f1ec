//! Phones that call by themselves: outside, a colleague, and whom an agent asks while his customer is on hold.
#![allow(clippy::unwrap_used, reason = "a test's own machinery")]
mod rig;

use domain::command::{AgentCommand, Occupancy};
use domain::config::TenantConfig;
use domain::event::{Direction, EventBody, InteractionEnd, LegPlace, LegRole, SegmentEnd, SegmentOf, SegmentState};
use domain::id::*;
use domain::leg::*;
use domain::outbound::{NumberFormat, OutboundRules, RouteConfig, RouteTrunk};
use rig::*;

const CARRIER: TrunkId = TrunkId(71);
const SPARE: TrunkId = TrunkId(72);
const MOBILE: &str = "13800138000";

fn company() -> TenantConfig {
    let mut c = config();
    c.region = Some("CN".into());
    c.trunks = [CARRIER, SPARE].map(|t| (t, trunk(t, Some(format!("carrier{}.example", t.0))))).into();
    let in_turn = [(CARRIER, 1), (SPARE, 2)].map(|(trunk, priority)| RouteTrunk { trunk, priority, weight: 1 });
    let route = RouteConfig {
        id: RouteId(1),
        name: "out".into(),
        prefixes: vec!["+86".into(), "1".into()],
        trunks: in_turn.to_vec(),
        format: NumberFormat::National,
        class: None,
        caller: None,
    };
    c.routes = [(route.id, route)].into();
    c.outbound = OutboundRules { concurrent: 2, per_minute: 9, caller: Some(TO_SUPPORT), ..OutboundRules::default() };
    for (agent, extension) in [(ANN, "8001"), (BOB, "8002")] {
        c.agents.get_mut(&agent).unwrap().extension = extension.into();
    }
    c
}

fn states(r: &Rig, agent: AgentId) -> Vec<SegmentState> {
    r.floor.agent_view(agent).unwrap().work.iter().map(|w| w.state).collect()
}

fn end(r: &Rig) -> Option<InteractionEnd> {
    r.events.iter().rev().find_map(|e| match e.body {
        EventBody::InteractionEnded { why, .. } => Some(why),
        _ => None,
    })
}

fn ends(r: &Rig) -> Vec<SegmentEnd> {
    let of = |b: &EventBody| match b {
        EventBody::SegmentEnded { why, .. } => Some(*why),
        _ => None,
    };
    r.events.iter().filter_map(|e| of(&e.body)).collect()
}

/// The rows of the last bridge.
fn hears(r: &Rig) -> Vec<(LegId, Vec<LegId>)> {
    let last = r.events.iter().rev().find_map(|e| match &e.body {
        EventBody::Bridged { legs, hears, .. } => Some((legs.clone(), hears.clone())),
        _ => None,
    });
    let (legs, rows) = last.unwrap_or_default();
    if rows.is_empty() {
        let others = |leg: LegId| legs.iter().copied().filter(|l| *l != leg).collect();
        return legs.iter().map(|leg| (*leg, others(*leg))).collect();
    }
    rows.into_iter().map(|h| (h.leg, h.hears)).collect()
}

fn hear_each_other(r: &Rig, a: LegId, b: LegId) -> bool {
    let rows = hears(r);
    rows.contains(&(a, vec![b])) && rows.contains(&(b, vec![a]))
}

/// R8: the journal alone gives the same floor.
fn replays(r: &Rig) {
    let mut replayed = domain::floor::Floor::new(FloorId(1), std::sync::Arc::new(company()), IdMint::new(1, 2));
    for event in &r.events {
        let read = domain::event::Event::from_json(&event.to_json().unwrap()).unwrap();
        assert_eq!(&read, event);
        replayed.apply(&read);
    }
    assert_eq!(replayed.snapshot(), r.floor.snapshot());
}

fn told(r: &mut Rig, device: DeviceId, keys: &str) -> String {
    r.forget();
    r.phone_dials(device, keys);
    r.out.clone()
}

#[test]
fn a_phone_calls_outside_and_is_answered_when_the_callee_answers() {
    let mut r = Rig::new(company());
    r.sign_in(BOB, PHONE);
    let phone = r.phone_dials(PHONE, MOBILE);
    let callee = r.dialled();
    assert_ne!(phone, callee);
    assert_eq!(states(&r, BOB), [SegmentState::Connecting]);
    assert_eq!(r.floor.agent_view(BOB).unwrap().occupancy, Occupancy::Busy);
    r.forget();
    r.leg(LegEvent::Ringing { leg: callee });
    assert!(r.out.contains("> ring leg") && !r.out.contains("play"), "{}", r.out);
    r.forget();
    r.leg(LegEvent::EarlyMedia { leg: callee });
    assert!(r.out.contains("> early_media leg"), "{}", r.out);
    assert_eq!(hears(&r), [(phone, vec![callee]), (callee, vec![])]);
    r.pass(3);
    r.forget();
    r.leg(answered(callee));
    assert!(r.out.contains("> answer leg"), "{}", r.out);
    assert_eq!(states(&r, BOB), [SegmentState::Talking]);
    assert!(hear_each_other(&r, phone, callee));
    assert!(r.events.iter().any(|e| matches!(e.body, EventBody::RecordingRequested { .. })));
    r.pass(20);
    r.hangs_up(phone);
    assert_eq!((states(&r, BOB), end(&r)), (vec![], Some(InteractionEnd::Served)));
    assert_eq!(r.floor.agent_view(BOB).unwrap().occupancy, Occupancy::Idle);
    replays(&r);
}

#[test]
fn a_phone_is_told_why_its_call_came_to_nothing() {
    for (cause, heard) in
        [(EndCause::Busy, "busy"), (EndCause::NotFound, "not_found"), (EndCause::NoAnswer, "no_answer")]
    {
        let mut r = Rig::new(company());
        r.sign_in(BOB, PHONE);
        r.phone_dials(PHONE, MOBILE);
        r.forget();
        r.leg(ended(r.dialled(), cause, EndedBy::Peer));
        assert!(r.out.contains("> hangup") && r.out.contains(&format!("cause={heard}")), "{}", r.out);
        assert_eq!((states(&r, BOB), end(&r)), (vec![], Some(InteractionEnd::Unanswered)));
        replays(&r);
    }
    // The phone gives up first.
    let mut r = Rig::new(company());
    r.sign_in(BOB, PHONE);
    let phone = r.phone_dials(PHONE, MOBILE);
    r.leg(ended(phone, EndCause::Cancelled, EndedBy::Peer));
    assert_eq!((states(&r, BOB), ends(&r)), (vec![], vec![SegmentEnd::Declined]));
    assert!(r.dialled.is_empty(), "the callee's phone rings on: {:?}", r.dialled);
}

#[test]
fn the_rules_of_calls_out_hold_for_phones() {
    let mut c = company();
    c.outbound.concurrent = 1;
    let mut r = Rig::new(c);
    r.sign_in(BOB, PHONE);
    assert!(told(&mut r, PHONE, "+442079460000").contains("not_found"), "no route leads there");
    assert!(told(&mut r, PHONE, "8009").contains("not_found"), "nobody has that extension");
    assert!(told(&mut r, PHONE, "8001").contains("unavailable"), "Ann is not there");
    assert!(told(&mut r, PHONE, "8002").contains("not_found"), "nobody calls himself");
    assert!(!told(&mut r, PHONE, MOBILE).contains("reject"));
    r.hangs_up(r.dialled());
    let mut c = company();
    c.outbound.concurrent = 0;
    let mut r = Rig::new(c);
    r.sign_in(BOB, PHONE);
    assert!(told(&mut r, PHONE, MOBILE).contains("why=overload"), "{}", r.out);
    let mut c = company();
    c.outbound.allowed.clear();
    let mut r = Rig::new(c);
    r.sign_in(BOB, PHONE);
    assert!(told(&mut r, PHONE, MOBILE).contains("why=forbidden"), "{}", r.out);
    // Nobody is held off an ambulance, not even by a call to wrap up.
    assert!(!told(&mut r, PHONE, "120").contains("reject"), "{}", r.out);
}

#[test]
fn whoever_takes_up_a_phone_without_an_agent_calls_by_the_companys_rules() {
    let mut r = Rig::new(company());
    let phone = r.phone_dials(PHONE, MOBILE);
    let callee = r.dialled();
    let of = r.events.iter().find_map(|e| match &e.body {
        EventBody::SegmentStarted { of, .. } => Some(of.clone()),
        _ => None,
    });
    assert_eq!(of, Some(SegmentOf::Device { device: PHONE, payer: Some(BOB) }), "it is Bob's phone");
    assert!(told(&mut r, PHONE, MOBILE).contains("why=busy"), "one call at a time: {}", r.out);
    r.leg(answered(callee));
    assert!(hear_each_other(&r, phone, callee));
    r.hangs_up(callee);
    assert_eq!(end(&r), Some(InteractionEnd::Served));
    replays(&r);
    // Its agent signs in while he calls from it, and calls on.
    let phone = r.phone_dials(PHONE, MOBILE);
    r.sign_in(BOB, PHONE);
    r.leg(ended(r.dialled(), EndCause::Busy, EndedBy::Peer));
    assert!(r.events.iter().any(|e| matches!(e.body, EventBody::LegEnded { leg, .. } if leg == phone)));
    replays(&r);
}

#[test]
fn a_colleague_is_called_by_his_extension() {
    let mut r = Rig::new(company());
    r.sign_in(BOB, PHONE);
    r.sign_in(ANN, TAB);
    let phone = r.phone_dials(PHONE, "8001");
    assert_eq!((states(&r, BOB), r.floor.agent_view(ANN).unwrap().offers.len()), (vec![SegmentState::Consulting], 1));
    let started =
        r.events.iter().any(|e| matches!(e.body, EventBody::InteractionStarted { direction: Direction::Internal, .. }));
    assert!(started);
    r.forget();
    r.accept(ANN);
    assert!(r.out.contains("> answer leg"), "{}", r.out);
    let tab = r.dialled();
    assert!(hear_each_other(&r, phone, tab));
    let segment = r.work(ANN);
    assert_eq!(states(&r, ANN), [SegmentState::Consulting]);
    // There is nobody to send on.
    let own = r.work(BOB);
    for command in [
        AgentCommand::CompleteTransfer { segment: own },
        AgentCommand::Conference { segment: own },
        AgentCommand::SwitchParty { segment: own },
        AgentCommand::Park { segment },
    ] {
        r.forget();
        let agent = if matches!(command, AgentCommand::Park { .. }) { ANN } else { BOB };
        r.agent(agent, command);
        assert!(r.out.contains("refused"), "{}", r.out);
    }
    r.pass(5);
    r.agent(ANN, AgentCommand::HangUp { segment });
    assert_eq!((states(&r, ANN), states(&r, BOB)), (vec![], vec![]));
    assert_eq!(end(&r), Some(InteractionEnd::Served));
    replays(&r);
    // The caller hangs up; the colleague declines; the caller gives up; nobody answers.
    let phone = r.phone_dials(PHONE, "8001");
    r.accept(ANN);
    r.hangs_up(phone);
    assert_eq!((states(&r, ANN), states(&r, BOB)), (vec![], vec![]));
    r.phone_dials(PHONE, "8001");
    r.forget();
    let offer = r.offer(ANN);
    r.agent(ANN, AgentCommand::DeclineOffer { offer });
    assert!(r.out.contains("cause=busy"), "{}", r.out);
    let phone = r.phone_dials(PHONE, "8001");
    r.leg(ended(phone, EndCause::Cancelled, EndedBy::Peer));
    assert_eq!((states(&r, BOB), r.floor.agent_view(ANN).unwrap().offers.len()), (vec![], 0));
    r.phone_dials(PHONE, "8001");
    r.forget();
    r.pass(31);
    assert!(r.out.contains("cause=no_answer"), "{}", r.out);
    assert_eq!((states(&r, BOB), end(&r)), (vec![], Some(InteractionEnd::Unanswered)));
    replays(&r);
}

#[test]
fn a_colleague_who_is_not_signed_in_is_called_at_his_phone() {
    let mut r = Rig::new(company());
    r.sign_in(ANN, TAB);
    let _ = r.input(domain::input::Input::DeviceReady { device: PHONE });
    let mut c = company();
    c.devices.get_mut(&TAB).unwrap().kind = domain::config::DeviceKind::Sip { user: "ann".into() };
    let mut r = Rig::new(c);
    r.sign_in(ANN, TAB);
    let _ = r.input(domain::input::Input::DeviceReady { device: PHONE });
    let phone = r.phone_dials(TAB, "bob");
    let bobs = r.dialled();
    r.leg(answered(bobs));
    assert!(hear_each_other(&r, phone, bobs));
    r.hangs_up(bobs);
    assert_eq!((states(&r, ANN), end(&r)), (vec![], Some(InteractionEnd::Served)));
}

/// Bob talks with a customer by his phone, has him on hold, and dials.
fn bob_asks(r: &mut Rig, keys: &str) -> (LegId, LegId, LegId) {
    r.sign_in(BOB, PHONE);
    let caller = r.call(TO_SUPPORT);
    let first = r.dialled();
    r.leg(answered(first));
    r.pass(10);
    r.leg(LegEvent::PeerHeld { leg: first, held: true });
    assert_eq!(states(r, BOB), [SegmentState::Held]);
    let second = r.phone_dials(PHONE, keys);
    assert_eq!(states(r, BOB), [SegmentState::Consulting]);
    (caller, first, second)
}

#[test]
fn an_agent_asks_by_his_phone_and_goes_back_and_forth() {
    let mut r = Rig::new(company());
    let (caller, first, second) = bob_asks(&mut r, MOBILE);
    let lawyer = r.dialled();
    r.forget();
    r.leg(LegEvent::Ringing { leg: lawyer });
    assert!(r.out.contains("> ring leg"), "{}", r.out);
    r.leg(LegEvent::EarlyMedia { leg: lawyer });
    assert!(hears(&r).contains(&(second, vec![lawyer])), "{:?}", hears(&r));
    r.leg(answered(lawyer));
    assert!(hear_each_other(&r, second, lawyer) && hears(&r).contains(&(caller, vec![])));
    // A third call is too much.
    assert!(told(&mut r, PHONE, "8001").contains("why=busy"), "{}", r.out);
    // Back to the customer, and again.
    r.leg(LegEvent::PeerHeld { leg: second, held: true });
    r.leg(LegEvent::PeerHeld { leg: first, held: false });
    assert_eq!(states(&r, BOB), [SegmentState::Talking]);
    assert!(hear_each_other(&r, caller, first));
    r.leg(LegEvent::PeerHeld { leg: first, held: true });
    r.leg(LegEvent::PeerHeld { leg: second, held: false });
    assert_eq!(states(&r, BOB), [SegmentState::Consulting]);
    assert!(hear_each_other(&r, second, lawyer));
    // The phone ends its second call, and has the customer back.
    r.hangs_up(second);
    assert_eq!(states(&r, BOB), [SegmentState::Held]);
    r.leg(LegEvent::PeerHeld { leg: first, held: false });
    assert_eq!(states(&r, BOB), [SegmentState::Talking]);
    assert!(hear_each_other(&r, caller, first));
    replays(&r);
    // Asked again, the lawyer hangs up.
    r.leg(LegEvent::PeerHeld { leg: first, held: true });
    let third = r.phone_dials(PHONE, MOBILE);
    let lawyer = r.dialled();
    r.leg(answered(lawyer));
    r.hangs_up(lawyer);
    assert!(r.events.iter().any(|e| matches!(e.body, EventBody::LegEnded { leg, .. } if leg == third)));
    assert_eq!(states(&r, BOB), [SegmentState::Held]);
    r.leg(LegEvent::PeerHeld { leg: first, held: false });
    r.hangs_up(caller);
    assert_eq!(states(&r, BOB), [SegmentState::WrapUp]);
    replays(&r);
}

#[test]
fn whoever_is_asked_and_does_not_answer_leaves_the_customer_on_hold() {
    let mut r = Rig::new(company());
    let (caller, first, second) = bob_asks(&mut r, MOBILE);
    r.forget();
    r.leg(ended(r.dialled(), EndCause::Busy, EndedBy::Peer));
    assert!(r.out.contains("cause=busy"), "the phone is told: {}", r.out);
    assert!(r.events.iter().any(|e| matches!(e.body, EventBody::LegEnded { leg, .. } if leg == second)));
    assert_eq!(states(&r, BOB), [SegmentState::Held]);
    // The phone hangs up on the customer while it asks another.
    let second = r.phone_dials(PHONE, MOBILE);
    r.leg(answered(r.dialled()));
    r.hangs_up(first);
    assert_eq!(states(&r, BOB), [SegmentState::WrapUp]);
    for leg in [caller, second] {
        assert!(r.events.iter().any(|e| matches!(e.body, EventBody::LegEnded { leg: l, .. } if l == leg)), "{leg}");
    }
    replays(&r);
}

#[test]
fn a_customer_who_leaves_takes_both_calls_of_the_phone_with_him() {
    let mut r = Rig::new(company());
    let (caller, first, second) = bob_asks(&mut r, MOBILE);
    let lawyer = r.dialled();
    r.leg(answered(lawyer));
    r.hangs_up(caller);
    assert_eq!(states(&r, BOB), [SegmentState::WrapUp]);
    for leg in [first, second, lawyer] {
        assert!(r.events.iter().any(|e| matches!(e.body, EventBody::LegEnded { leg: l, .. } if l == leg)), "{leg}");
    }
    let roles = r.events.iter().filter_map(|e| match e.body {
        EventBody::LegStarted { role, place: LegPlace::Aside, .. } => Some(role),
        _ => None,
    });
    assert_eq!(roles.collect::<Vec<_>>(), [LegRole::Agent]);
    replays(&r);
}

fn asks_to_be_replaced(r: &mut Rig, leg: LegId, by: LegId) {
    r.forget();
    r.leg(LegEvent::TransferAsked { leg, to: "8001".into(), replaces: Some(by) });
}

#[test]
fn a_phones_transfer_button_connects_the_customer_with_whom_it_asks() {
    // From the first call or from the second: the phone names the other.
    for from_first in [true, false] {
        let mut r = Rig::new(company());
        let (caller, first, second) = bob_asks(&mut r, MOBILE);
        let lawyer = r.dialled();
        r.leg(answered(lawyer));
        r.pass(5);
        let (leg, by) = if from_first { (first, second) } else { (second, first) };
        asks_to_be_replaced(&mut r, leg, by);
        assert!(!r.out.contains("refuse_transfer"), "{}", r.out);
        assert!(hear_each_other(&r, caller, lawyer));
        assert_eq!(states(&r, BOB), [SegmentState::WrapUp]);
        for leg in [first, second] {
            assert!(r.events.iter().any(|e| matches!(e.body, EventBody::LegEnded { leg: l, .. } if l == leg)), "{leg}");
        }
        assert!(r.events.iter().any(|e| matches!(e.body, EventBody::ConsultMerged { .. })));
        r.pass(20);
        r.hangs_up(lawyer);
        r.pass(31);
        assert_eq!(end(&r), Some(InteractionEnd::Served));
        replays(&r);
    }
}

#[test]
fn a_transfer_while_it_rings_leaves_the_customer_to_whoever_answers() {
    let mut r = Rig::new(company());
    let (caller, first, second) = bob_asks(&mut r, MOBILE);
    let lawyer = r.dialled();
    r.leg(LegEvent::Ringing { leg: lawyer });
    asks_to_be_replaced(&mut r, first, second);
    assert_eq!(states(&r, BOB), [SegmentState::WrapUp]);
    r.leg(answered(lawyer));
    assert!(hear_each_other(&r, caller, lawyer));
    replays(&r);
    // Nobody answers: back into the queue he was served from.
    let mut r = Rig::new(company());
    let (_, first, second) = bob_asks(&mut r, MOBILE);
    let lawyer = r.dialled();
    asks_to_be_replaced(&mut r, first, second);
    r.leg(ended(lawyer, EndCause::NoAnswer, EndedBy::System));
    assert_eq!(r.floor.view(r.now).queues.iter().find(|q| q.queue == SUPPORT).unwrap().waiting, 1);
    replays(&r);
}

#[test]
fn a_transfer_by_calls_that_do_not_belong_together_is_refused() {
    let mut r = Rig::new(company());
    let (caller, first, second) = bob_asks(&mut r, MOBILE);
    r.leg(answered(r.dialled()));
    for (leg, by) in [(first, first), (first, caller), (caller, first)] {
        asks_to_be_replaced(&mut r, leg, by);
        assert!(r.out.contains("refuse_transfer"), "{}", r.out);
    }
    assert_eq!(states(&r, BOB), [SegmentState::Consulting]);
    // Within the company there is nobody to send on.
    r.hangs_up(second);
    r.hangs_up(caller);
    r.pass(31);
    r.sign_in(ANN, TAB);
    let phone = r.phone_dials(PHONE, "8001");
    r.accept(ANN);
    asks_to_be_replaced(&mut r, phone, phone);
    assert!(r.out.contains("refuse_transfer"), "{}", r.out);
    assert_eq!(states(&r, BOB), [SegmentState::Consulting]);
}

fn asks_for_the_place_of(r: &mut Rig, n: u128, device: DeviceId, old: LegId) -> LegId {
    let leg = LegId(1 << 126 | n);
    r.forget();
    let tenant = r.floor.config().tenant;
    r.leg(LegEvent::ReplaceAsked { leg, tenant, device, replaces: old });
    leg
}

/// Bob has a second phone, Ann one of her own beside her tab.
fn with_more_phones() -> TenantConfig {
    let mut c = company();
    for (id, agent, user) in [(BOBS, BOB, "bob-2"), (ANNS, ANN, "ann")] {
        let kind = domain::config::DeviceKind::Sip { user: user.into() };
        let device = domain::config::DeviceConfig { id, agent: Some(agent), kind, ..c.devices[&PHONE].clone() };
        c.devices.insert(id, device);
    }
    c
}

const BOBS: DeviceId = DeviceId(12);
const ANNS: DeviceId = DeviceId(13);

#[test]
fn an_agent_goes_on_with_his_call_on_another_phone() {
    let mut r = Rig::new(with_more_phones());
    r.sign_in(BOB, PHONE);
    let caller = r.call(TO_SUPPORT);
    let first = r.dialled();
    r.leg(answered(first));
    r.pass(10);
    asks_for_the_place_of(&mut r, 1, ANNS, first);
    assert!(r.out.contains("why=forbidden"), "not even a colleague: {}", r.out);
    asks_for_the_place_of(&mut r, 2, BOBS, caller);
    assert!(r.out.contains("why=forbidden"), "nobody takes the customer's place: {}", r.out);
    r.leg(LegEvent::PeerHeld { leg: first, held: true });
    let second = asks_for_the_place_of(&mut r, 3, BOBS, first);
    assert!(hear_each_other(&r, caller, second), "{:?}", hears(&r));
    assert_eq!(states(&r, BOB), [SegmentState::Talking], "the old phone's hold went with it");
    assert!(
        r.events
            .iter()
            .any(|e| matches!(e.body, EventBody::LegEnded { leg, cause: EndCause::Elsewhere, .. } if leg == first))
    );
    let recorded = r.events.iter().filter_map(|e| match e.body {
        EventBody::RecordingRequested { right, .. } => right,
        _ => None,
    });
    assert_eq!(recorded.collect::<Vec<_>>(), [first, second]);
    asks_for_the_place_of(&mut r, 4, PHONE, first);
    assert!(r.out.contains("reject"), "that one is gone: {}", r.out);
    r.hangs_up(second);
    assert_eq!(states(&r, BOB), [SegmentState::WrapUp]);
}

#[test]
fn what_rings_is_taken_on_another_phone_or_by_a_colleague_of_the_queue() {
    let mut r = Rig::new(with_more_phones());
    r.sign_in(BOB, PHONE);
    let caller = r.call(TO_SUPPORT);
    let rings = r.dialled();
    let second = asks_for_the_place_of(&mut r, 1, BOBS, rings);
    assert!(hear_each_other(&r, caller, second));
    assert_eq!(states(&r, BOB), [SegmentState::Talking]);
    r.hangs_up(caller);
    r.pass(31);

    let caller = r.call(TO_SUPPORT);
    let rings = r.dialled();
    asks_for_the_place_of(&mut r, 2, ANNS, rings);
    assert!(r.out.contains("why=forbidden"), "nobody sits there: {}", r.out);
    r.sign_in(ANN, ANNS);
    let anns = asks_for_the_place_of(&mut r, 3, ANNS, rings);
    assert_eq!((states(&r, ANN), states(&r, BOB)), (vec![SegmentState::Talking], vec![]));
    assert!(hear_each_other(&r, caller, anns));
    assert!(ends(&r).contains(&SegmentEnd::Withdrawn));
    r.hangs_up(caller);
    r.pass(31);
    assert_eq!(end(&r), Some(InteractionEnd::Served));
    // A call to Bob himself is his alone.
    r.phone_dials(ANNS, "8002");
    let rings = r.dialled();
    asks_for_the_place_of(&mut r, 4, TAB, rings);
    assert!(r.out.contains("why=forbidden"), "{}", r.out);
}

/// Whatever a phone, those at the other ends and the desk do, in any order: the floor's own rules hold (they are checked after
/// each input), the journal gives the same floor again, and in the end nothing is left.
#[test]
fn no_order_of_events_leaves_anything_behind() {
    let mut draw = 0x5eed_u64;
    let mut next = move |n: u64| {
        draw = draw.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (draw >> 33) % n
    };
    let mut replacing = 0;
    for round in 0..300 {
        let mut r = Rig::new(with_more_phones());
        r.sign_in(BOB, PHONE);
        r.sign_in(ANN, TAB);
        let mut legs: Vec<LegId> = Vec::new();
        for _ in 0..40 {
            legs.extend(r.dialled.iter().copied().filter(|l| !legs.contains(l)).collect::<Vec<_>>());
            let leg = |n: u64| legs.get(usize::try_from(n).unwrap() % legs.len().max(1)).copied();
            let (a, b) = (leg(next(99)), leg(next(99)));
            match next(14) {
                0 => legs.push(r.call(TO_SUPPORT)),
                1 | 2 => {
                    let keys = [MOBILE, "8001", "8002", "701", "120", "nobody"][usize::try_from(next(6)).unwrap()];
                    let device = if next(5) == 0 { TAB } else { PHONE };
                    legs.push(r.phone_dials(device, keys));
                }
                3 | 4 => a.into_iter().for_each(|leg| r.leg(answered(leg))),
                5 => a.into_iter().for_each(|leg| r.leg(LegEvent::Ringing { leg })),
                6 => a.into_iter().for_each(|leg| r.leg(LegEvent::EarlyMedia { leg })),
                7 => a.into_iter().for_each(|leg| r.leg(LegEvent::PeerHeld { leg, held: next(2) == 0 })),
                8 => a.into_iter().for_each(|leg| r.hangs_up(leg)),
                9 => {
                    let cause = [EndCause::Busy, EndCause::NoAnswer, EndCause::Unreachable, EndCause::Cancelled];
                    let cause = cause[usize::try_from(next(4)).unwrap()];
                    a.into_iter().for_each(|leg| r.leg(ended(leg, cause, EndedBy::Peer)));
                }
                10 => {
                    let to = if next(2) == 0 { "8001" } else { "8002" };
                    a.into_iter().for_each(|leg| r.leg(LegEvent::TransferAsked { leg, to: to.into(), replaces: b }));
                }
                11 => {
                    let device = [PHONE, BOBS, ANNS][usize::try_from(next(3)).unwrap()];
                    if let Some(old) = a {
                        replacing += 1;
                        legs.push(asks_for_the_place_of(&mut r, replacing, device, old));
                    }
                }
                12 => {
                    let view = r.floor.agent_view(ANN).unwrap();
                    if let Some(offer) = view.offers.first() {
                        r.agent(ANN, AgentCommand::AcceptOffer { offer: offer.offer });
                    }
                }
                _ => {
                    let agent = if next(2) == 0 { ANN } else { BOB };
                    let work = r.floor.agent_view(agent).unwrap().work;
                    if let Some(segment) = work.first().map(|w| w.segment) {
                        let command = match next(7) {
                            0 => AgentCommand::HangUp { segment },
                            1 => AgentCommand::EndConsult { segment },
                            2 => AgentCommand::CompleteTransfer { segment },
                            3 => AgentCommand::Conference { segment },
                            4 => AgentCommand::SwitchParty { segment },
                            5 => AgentCommand::Park { segment },
                            _ => AgentCommand::Hold { segment },
                        };
                        r.agent(agent, command);
                    }
                }
            }
            r.pass(next(3));
        }
        replays(&r);
        for leg in legs {
            r.hangs_up(leg);
        }
        for leg in r.dialled.clone() {
            r.hangs_up(leg);
        }
        r.pass(900);
        for leg in r.dialled.clone() {
            r.hangs_up(leg);
        }
        r.pass(60);
        assert!(r.floor.view(r.now).interactions.is_empty(), "round {round}: {:?}", r.floor.view(r.now).interactions);
    }
}
