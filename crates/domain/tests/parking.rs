//! Customers handed to somebody outside, and customers in parking places.
#![allow(clippy::unwrap_used, reason = "a test's own machinery")]
mod rig;

use domain::command::{AgentCommand, Occupancy, Target};
use domain::config::{TenantConfig, TrunkConfig};
use domain::event::{EventBody, InteractionEnd, LegRole, SegmentEnd, SegmentOf, SegmentState};
use domain::id::*;
use domain::input::RejectCode;
use domain::leg::*;
use domain::outbound::{CallClass, OutboundRules, RouteTrunk};
use rig::*;

const CARRIER: TrunkId = TrunkId(71);
const SPARE: TrunkId = TrunkId(72);
const LAWYER: AddressId = AddressId(90);

fn company() -> TenantConfig {
    let mut c = config();
    let trunk = |id: TrunkId| TrunkConfig {
        id,
        name: id.0.to_string(),
        addresses: vec![],
        region: None,
        host: Some(format!("carrier{}.example", id.0)),
        transport: Default::default(),
        check_certificate: true,
        identity: Default::default(),
        srtp: Default::default(),
        codecs: Vec::new(),
        calls_max: None,
        calls_per_second: None,
        account: None,
        check_s: 0,
        caller: None,
        active: true,
    };
    c.trunks = [CARRIER, SPARE].map(|t| (t, trunk(t))).into();
    c.outbound = OutboundRules { concurrent: 1, per_minute: 3, caller: Some(TO_SUPPORT), ..OutboundRules::default() };
    c
}

fn in_turn(trunks: &[TrunkId]) -> Vec<RouteTrunk> {
    trunks.iter().zip(1..).map(|(trunk, priority)| RouteTrunk { trunk: *trunk, priority, weight: 1 }).collect()
}

fn outside() -> Target {
    Target::Outside { address: LAWYER, class: CallClass::National, trunks: in_turn(&[CARRIER, SPARE]), caller: None }
}

/// Ann talks with a caller of the support queue; Bob is not there yet.
fn ann_talks(r: &mut Rig) -> (LegId, SegmentId) {
    r.sign_in(ANN, TAB);
    let caller = r.call(TO_SUPPORT);
    r.accept(ANN);
    r.pass(10);
    (caller, r.work(ANN))
}

fn states(r: &Rig, agent: AgentId) -> Vec<SegmentState> {
    r.floor.agent_view(agent).unwrap().work.iter().map(|w| w.state).collect()
}

fn ends(r: &Rig) -> Vec<SegmentEnd> {
    let of = |b: &EventBody| match b {
        EventBody::SegmentEnded { why, .. } => Some(*why),
        _ => None,
    };
    r.events.iter().filter_map(|e| of(&e.body)).collect()
}

fn end(r: &Rig) -> Option<InteractionEnd> {
    r.events.iter().find_map(|e| match e.body {
        EventBody::InteractionEnded { why, .. } => Some(why),
        _ => None,
    })
}

/// The rows of the last bridge, by role of the leg.
fn rooms(r: &Rig) -> Vec<(LegRole, Vec<LegRole>)> {
    let role = |leg: LegId| {
        let found = r.events.iter().find_map(|e| match &e.body {
            EventBody::LegStarted { leg: l, role, .. } if *l == leg => Some(*role),
            _ => None,
        });
        found.unwrap()
    };
    let last = r.events.iter().rev().find_map(|e| match &e.body {
        EventBody::Bridged { legs, hears, .. } => Some((legs.clone(), hears.clone())),
        _ => None,
    });
    let (legs, mut rows) = last.unwrap();
    if rows.is_empty() {
        let others = |leg: LegId| legs.iter().copied().filter(|l| *l != leg).collect();
        rows = legs.iter().map(|leg| Hears { leg: *leg, hears: others(*leg) }).collect();
    }
    rows.iter().map(|h| (role(h.leg), h.hears.iter().map(|l| role(*l)).collect())).collect()
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

#[test]
fn somebody_outside_is_asked_and_gets_the_customer() {
    let mut r = Rig::new(company());
    let (caller, work) = ann_talks(&mut r);
    r.forget();
    r.agent(ANN, AgentCommand::Consult { segment: work, to: outside() });
    let first = r.dialled();
    assert!(r.out.contains("originate"), "{}", r.out);
    // The first trunk is down, the second carries the call; Ann hears that it rings.
    r.leg(ended(first, EndCause::Unreachable, EndedBy::System));
    let lawyer = r.dialled();
    assert_ne!(lawyer, first);
    r.leg(LegEvent::Ringing { leg: lawyer });
    assert!(r.out.contains("play clips=[pmt"), "no ringing tone: {}", r.out);
    // The lawyer's network says something before he answers: Ann hears that, and is not heard there.
    r.leg(LegEvent::EarlyMedia { leg: lawyer });
    let asked = (LegRole::Agent, vec![LegRole::Outside]);
    assert_eq!(rooms(&r), [(LegRole::Customer, vec![]), asked, (LegRole::Outside, vec![])]);
    r.forget();
    r.leg(answered(lawyer));
    assert!(r.out.contains("stop_play"), "the ringing tone goes on: {}", r.out);
    use LegRole::{Agent, Customer, Outside};
    assert_eq!(rooms(&r), [(Customer, vec![]), (Agent, vec![Outside]), (Outside, vec![Agent])]);
    r.agent(ANN, AgentCommand::Conference { segment: work });
    assert_eq!(rooms(&r)[0], (Customer, vec![Agent, Outside]));
    assert_eq!(r.floor.agent_view(ANN).unwrap().work[0].others[0].outside, Some(LAWYER));
    r.agent(ANN, AgentCommand::HangUp { segment: work });
    assert_eq!(rooms(&r), [(Customer, vec![Outside]), (Outside, vec![Customer])]);
    assert_eq!(end(&r), None);
    r.hangs_up(lawyer);
    r.pass(60);
    assert_eq!(end(&r), Some(InteractionEnd::Served));
    assert!(!r.dialled.contains(&caller));
    replays(&r);
}

#[test]
fn a_blind_transfer_to_somebody_outside_who_is_busy_comes_back() {
    let mut r = Rig::new(company());
    let (_, work) = ann_talks(&mut r);
    r.agent(ANN, AgentCommand::Transfer { segment: work, to: outside() });
    assert_eq!(states(&r, ANN), [SegmentState::WrapUp]);
    let lawyer = r.dialled();
    // Not the trunk's fault: no other is tried.
    r.leg(ended(lawyer, EndCause::Busy, EndedBy::Peer));
    assert_eq!(r.dialled(), lawyer);
    let waiting = r.floor.view(r.now).queues.iter().find(|q| q.queue == SUPPORT).unwrap().waiting;
    assert_eq!(waiting, 1, "he waits where he came from");
    replays(&r);
}

#[test]
fn a_blind_transfer_to_somebody_outside_leaves_the_two_alone() {
    let mut r = Rig::new(company());
    let (caller, work) = ann_talks(&mut r);
    r.agent(ANN, AgentCommand::Transfer { segment: work, to: outside() });
    r.leg(answered(r.dialled()));
    r.pass(40);
    assert_eq!(r.floor.agent_view(ANN).unwrap().occupancy, Occupancy::Idle, "Ann has nothing more to do with it");
    assert_eq!(rooms(&r), [(LegRole::Customer, vec![LegRole::Outside]), (LegRole::Outside, vec![LegRole::Customer])]);
    r.hangs_up(caller);
    assert_eq!(end(&r), Some(InteractionEnd::Served));
    assert!(r.dialled.is_empty(), "the trunk is held no longer");
    replays(&r);
}

#[test]
fn the_rules_of_calls_out_hold_for_transfers_too() {
    let mut c = company();
    c.outbound.concurrent = 0;
    let mut r = Rig::new(c);
    let (_, work) = ann_talks(&mut r);
    let refused = |r: &mut Rig, to: Target| {
        r.input(domain::input::Input::Agent { agent: ANN, command: AgentCommand::Consult { segment: work, to } })
            .unwrap_err()
            .code
    };
    assert_eq!(refused(&mut r, outside()), RejectCode::LimitOutbound);
    let premium =
        Target::Outside { address: LAWYER, class: CallClass::Premium, trunks: in_turn(&[CARRIER]), caller: None };
    assert_eq!(refused(&mut r, premium), RejectCode::NumberForbidden);
    let nowhere =
        Target::Outside { address: LAWYER, class: CallClass::National, trunks: in_turn(&[TrunkId(99)]), caller: None };
    assert_eq!(refused(&mut r, nowhere), RejectCode::RouteMissing);
    assert_eq!(states(&r, ANN), [SegmentState::Talking], "a refusal changes nothing");
    // An ambulance comes in any case.
    let help =
        Target::Outside { address: LAWYER, class: CallClass::Emergency, trunks: in_turn(&[CARRIER]), caller: None };
    r.agent(ANN, AgentCommand::Consult { segment: work, to: help });
    assert_eq!(states(&r, ANN), [SegmentState::Consulting]);
}

#[test]
fn a_parked_customer_is_picked_up_by_a_colleague() {
    let mut r = Rig::new(company());
    let (caller, work) = ann_talks(&mut r);
    r.agent(ANN, AgentCommand::Park { segment: work });
    assert_eq!(states(&r, ANN), [], "nothing to wrap up yet");
    let parked = r.floor.agent_view(ANN).unwrap().parked;
    assert_eq!((parked[0].place, parked[0].by, parked[0].queue), (701, ANN, Some(SUPPORT)));
    r.sign_in(BOB, PHONE);
    r.agent(BOB, AgentCommand::SetPresence { presence: domain::command::Presence::Break { reason: LUNCH } });
    r.agent(BOB, AgentCommand::PickUp { interaction: parked[0].interaction });
    let phone = r.dialled();
    // While it rings at Bob's he does not come back, and nobody else gets him.
    r.pass(15);
    let again = r.input(domain::input::Input::Agent {
        agent: ANN,
        command: AgentCommand::PickUp { interaction: parked[0].interaction },
    });
    assert_eq!(again.unwrap_err().code, RejectCode::OfferGone);
    r.leg(answered(phone));
    assert_eq!(states(&r, BOB), [SegmentState::Talking]);
    assert_eq!(rooms(&r), [(LegRole::Customer, vec![LegRole::Agent]), (LegRole::Agent, vec![LegRole::Customer])]);
    assert!(r.floor.agent_view(ANN).unwrap().parked.is_empty());
    assert!(ends(&r).contains(&SegmentEnd::Parked) && ends(&r).contains(&SegmentEnd::Answered));
    r.hangs_up(caller);
    r.pass(60);
    assert_eq!(end(&r), Some(InteractionEnd::Served));
    replays(&r);
}

#[test]
fn a_pick_up_that_fails_leaves_him_parked_and_time_brings_him_back() {
    let mut r = Rig::new(company());
    let (caller, work) = ann_talks(&mut r);
    r.agent(ANN, AgentCommand::Park { segment: work });
    r.sign_in(BOB, PHONE);
    let interaction = r.floor.agent_view(BOB).unwrap().parked[0].interaction;
    r.agent(BOB, AgentCommand::PickUp { interaction });
    let phone = r.dialled();
    r.leg(ended(phone, EndCause::Rejected, EndedBy::Peer));
    assert_eq!(r.floor.agent_view(BOB).unwrap().parked.len(), 1);
    r.pass(119);
    assert_eq!(r.floor.agent_view(ANN).unwrap().offers.len(), 0);
    r.pass(2);
    // Back in the queue, with his place, where Ann is the next.
    assert_eq!(r.floor.agent_view(ANN).unwrap().offers.len(), 1);
    assert!(ends(&r).contains(&SegmentEnd::Returned));
    r.hangs_up(caller);
    replays(&r);
}

#[test]
fn a_customer_who_hangs_up_while_parked_was_served() {
    let mut r = Rig::new(company());
    let (caller, work) = ann_talks(&mut r);
    r.agent(ANN, AgentCommand::Hold { segment: work });
    r.agent(ANN, AgentCommand::Park { segment: work });
    r.hangs_up(caller);
    assert_eq!(end(&r), Some(InteractionEnd::Served));
    assert_eq!(ends(&r), [SegmentEnd::Answered, SegmentEnd::Parked, SegmentEnd::CallerHungUp]);
    replays(&r);
}

#[test]
fn places_are_counted_up_and_used_again() {
    let mut c = company();
    c.agents.get_mut(&ANN).unwrap().capacity.voice = 1;
    let mut r = Rig::new(c);
    let (first, work) = ann_talks(&mut r);
    r.agent(ANN, AgentCommand::Park { segment: work });
    r.call(TO_SUPPORT);
    r.accept(ANN);
    let work = r.work(ANN);
    r.agent(ANN, AgentCommand::Park { segment: work });
    let places = |r: &Rig| -> Vec<u16> { r.floor.agent_view(ANN).unwrap().parked.iter().map(|p| p.place).collect() };
    assert_eq!(places(&r), [701, 702]);
    r.hangs_up(first);
    r.call(TO_SUPPORT);
    r.accept(ANN);
    let work = r.work(ANN);
    r.agent(ANN, AgentCommand::Park { segment: work });
    let mut now = places(&r);
    now.sort_unstable();
    assert_eq!(now, [701, 702]);
    let parked =
        |e: &domain::event::Event| matches!(e.body, EventBody::SegmentStarted { of: SegmentOf::Parked { .. }, .. });
    assert_eq!(r.events.iter().filter(|e| parked(e)).count(), 3);
}

#[test]
fn a_phone_dials_a_parking_place_and_has_the_customer() {
    let mut r = Rig::new(company());
    let (caller, segment) = ann_talks(&mut r);
    r.agent(ANN, AgentCommand::Park { segment });
    let dial = |r: &mut Rig, keys: &str| {
        r.forget();
        r.phone_dials(PHONE, keys)
    };
    dial(&mut r, "701");
    assert!(r.out.contains("forbidden"), "nobody is signed in at that phone: {}", r.out);
    r.sign_in(BOB, PHONE);
    dial(&mut r, "702");
    assert!(r.out.contains("not_found"), "nobody is in that place: {}", r.out);
    let leg = dial(&mut r, "*85701");
    r.leg(answered(leg));
    assert_eq!(states(&r, BOB), [SegmentState::Talking]);
    assert_eq!(rooms(&r), [(LegRole::Customer, vec![LegRole::Agent]), (LegRole::Agent, vec![LegRole::Customer])]);
    dial(&mut r, "701");
    assert!(r.out.contains("not_found"), "the place is free again: {}", r.out);
    r.hangs_up(caller);
    r.pass(60);
    assert_eq!(end(&r), Some(InteractionEnd::Served));
    replays(&r);
}
