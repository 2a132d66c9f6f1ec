//! Calls to the outside: the dial plan as a table, and timelines of calls that get through, fail over, and are refused.
#![allow(clippy::unwrap_used, reason = "a test's own machinery")]
mod rig;

use domain::command::AgentCommand;
use domain::config::{TenantConfig, TrunkConfig};
use domain::effect::Effect;
use domain::event::{Direction, EventBody, InteractionEnd, SegmentEnd, SegmentState};
use domain::id::*;
use domain::input::Input;
use domain::leg::*;
use domain::outbound::*;
use rig::*;

const CARRIER: TrunkId = TrunkId(71);
const SPARE: TrunkId = TrunkId(72);
const INBOUND_ONLY: TrunkId = TrunkId(73);

fn trunk(id: TrunkId) -> TrunkConfig {
    rig::trunk(id, (id != INBOUND_ONLY).then(|| format!("carrier{}.example", id.0)))
}

/// One after the other.
fn in_turn(trunks: &[TrunkId]) -> Vec<RouteTrunk> {
    trunks.iter().zip(1..).map(|(trunk, priority)| RouteTrunk { trunk: *trunk, priority, weight: 1 }).collect()
}

fn route(
    id: u128,
    prefixes: &[&str],
    trunks: &[TrunkId],
    format: NumberFormat,
    class: Option<CallClass>,
) -> RouteConfig {
    RouteConfig {
        id: RouteId(id),
        name: id.to_string(),
        prefixes: prefixes.iter().map(|p| (*p).to_owned()).collect(),
        trunks: in_turn(trunks),
        format,
        class,
        caller: None,
    }
}

fn company() -> TenantConfig {
    let mut c = config();
    c.region = Some("CN".into());
    c.trunks = [CARRIER, SPARE, INBOUND_ONLY].map(|t| (t, trunk(t))).into();
    c.routes = [
        route(1, &[""], &[INBOUND_ONLY, CARRIER, SPARE], NumberFormat::E164, None),
        route(2, &["+86"], &[CARRIER, SPARE], NumberFormat::National, None),
        route(3, &["+86168"], &[CARRIER], NumberFormat::Digits, Some(CallClass::Premium)),
    ]
    .map(|r| (r.id, r))
    .into();
    c.outbound = OutboundRules { concurrent: 1, per_minute: 3, caller: Some(TO_SUPPORT), ..OutboundRules::default() };
    c
}

#[test]
fn what_is_dialled_and_where_it_goes() {
    let mut c = company();
    c.outbound.allowed = vec![CallClass::National, CallClass::International];
    let plan = |text: &str| match plan(&c, text) {
        Ok(p) => format!(
            "{} {:?} {:?}",
            p.address.key(),
            p.class,
            p.trunks.iter().map(|t| (t.trunk.0, p.number.as_str())).collect::<Vec<_>>()
        ),
        Err(e) => format!("{e:?}"),
    };
    let table = [
        ("138 0013 8000", r#"tel:+8613800138000 National [(71, "13800138000"), (72, "13800138000")]"#),
        ("010-8888-6666", r#"tel:+861088886666 National [(71, "01088886666"), (72, "01088886666")]"#),
        ("+44 (20) 7946 0000", r#"tel:+442079460000 International [(71, "+442079460000"), (72, "+442079460000")]"#),
        ("0044 20 7946 0000", r#"tel:+442079460000 International [(71, "+442079460000"), (72, "+442079460000")]"#),
        ("95588", r#"tel:95588 National [(71, "95588"), (72, "95588")]"#),
        ("4008001234", r#"tel:4008001234 National [(71, "4008001234"), (72, "4008001234")]"#),
        ("110", r#"tel:110 Emergency [(71, "110"), (72, "110")]"#),
        ("+8616812345678", "Forbidden"),
        // Tricks: a trunk prefix behind one's own code, a carrier's prefix, a foreign number without its plus.
        ("+86 0 44 2079460000", "Invalid"),
        ("0086 0 44 2079460000", "Invalid"),
        ("8616812345678", "Forbidden"),
        ("442079460000", r#"tel:442079460000 International [(71, "442079460000"), (72, "442079460000")]"#),
        (
            "179510044207946000",
            r#"tel:179510044207946000 International [(71, "179510044207946000"), (72, "179510044207946000")]"#,
        ),
        ("alice", "Invalid"),
        ("+1", "Invalid"),
        ("", "Invalid"),
        ("12;phone-context=evil", "Invalid"),
    ];
    for (text, expected) in table {
        assert_eq!(plan(text), expected, "{text}");
    }
}

#[test]
fn each_country_dials_its_own_way() {
    let of = |region: &str, text: &str| {
        let mut c = company();
        c.region = Some(region.into());
        c.routes = [(RouteId(1), route(1, &[""], &[CARRIER], NumberFormat::E164, None))].into();
        c.outbound.allowed = vec![CallClass::National, CallClass::International, CallClass::Premium];
        plan(&c, text).map(|p| (p.number, p.class))
    };
    let ok = |number: &str, class| Ok((number.to_owned(), class));
    assert_eq!(of("GB", "020 7946 0000"), ok("+442079460000", CallClass::National));
    assert_eq!(of("GB", "+44 0 1 212 555 0100"), Err(PlanError::Invalid));
    assert_eq!(of("US", "(212) 555-0100"), ok("+12125550100", CallClass::National));
    assert_eq!(of("US", "011 44 20 7946 0000"), ok("+442079460000", CallClass::International));
    assert_eq!(of("US", "+1 011 53 555 0100"), Err(PlanError::Invalid));
    assert_eq!(of("US", "876-555-0100"), ok("+18765550100", CallClass::International), "Jamaica");
    assert_eq!(of("US", "1 900 555 0100"), ok("+19005550100", CallClass::Premium));
    assert_eq!(of("AU", "0011 44 20 7946 0000"), ok("+442079460000", CallClass::International));
    assert_eq!(of("HK", "2345 6789"), ok("+85223456789", CallClass::National));
    assert_eq!(of("DE", "110"), ok("110", CallClass::Emergency));
    // A route cannot make an emergency of a number.
    let mut c = company();
    c.routes = [(RouteId(1), route(1, &[""], &[CARRIER], NumberFormat::E164, Some(CallClass::Emergency)))].into();
    assert_eq!(plan(&c, "+442079460000"), Err(PlanError::Forbidden));
}

#[test]
fn extensions_of_ones_own_and_numbers_without_a_route_are_told_apart() {
    let mut c = company();
    c.agents.get_mut(&ANN).unwrap().extension = "801".into();
    assert_eq!(plan(&c, "801"), Err(PlanError::Internal));
    c.routes.remove(&RouteId(1));
    assert_eq!(plan(&c, "+442079460000"), Err(PlanError::NoRoute));
    // Emergency calls need a route like any other, and no permission.
    c.routes = [(RouteId(9), route(9, &["1"], &[CARRIER], NumberFormat::E164, None))].into();
    c.outbound.allowed.clear();
    assert_eq!(plan(&c, "120").unwrap().class, CallClass::Emergency);
    assert_eq!(plan(&c, "13800138000"), Err(PlanError::NoRoute));
}

fn dial(r: &mut Rig, class: CallClass) -> Result<(), &'static str> {
    let command =
        AgentCommand::Dial { to: AddressId(9), class, trunks: in_turn(&[CARRIER, SPARE]), caller: None, back: None };
    r.input(Input::Agent { agent: ANN, command }).map(drop).map_err(|e| e.code.as_str())
}

fn states(r: &Rig) -> Vec<SegmentState> {
    r.floor.agent_view(ANN).unwrap().work.iter().map(|w| w.state).collect()
}

fn end(r: &Rig) -> Option<InteractionEnd> {
    r.events.iter().rev().find_map(|e| match e.body {
        EventBody::InteractionEnded { why, .. } => Some(why),
        _ => None,
    })
}

fn segment_end(r: &Rig) -> Option<SegmentEnd> {
    r.events.iter().rev().find_map(|e| match e.body {
        EventBody::SegmentEnded { why, .. } => Some(why),
        _ => None,
    })
}

/// The trunks by which legs went out so far.
fn tried(r: &Rig) -> Vec<u128> {
    let of = |e: &domain::event::Event| match e.body {
        EventBody::LegStarted { via: Some(Via::Trunk { trunk }), direction: Direction::Outbound, .. } => Some(trunk.0),
        _ => None,
    };
    r.events.iter().filter_map(of).collect()
}

#[test]
fn a_call_to_the_outside_is_answered_recorded_and_ended() {
    let mut r = Rig::new(company());
    r.sign_in(ANN, TAB);
    // The browser answers by itself; then the callee's phone rings.
    assert_eq!(dial(&mut r, CallClass::National), Ok(()));
    let callee = r.dialled();
    assert_eq!((tried(&r), states(&r)), (vec![71], vec![SegmentState::Connecting]));
    r.leg(LegEvent::Ringing { leg: callee });
    r.pass(5);
    r.leg(answered(callee));
    assert_eq!(states(&r), [SegmentState::Talking]);
    assert!(r.events.iter().any(|e| matches!(e.body, EventBody::RecordingRequested { .. })));
    r.pass(30);
    r.hangs_up(callee);
    assert_eq!((states(&r), end(&r)), (vec![], Some(InteractionEnd::Served)));
    let view = r.floor.agent_view(ANN).unwrap();
    assert_eq!(view.occupancy, domain::command::Occupancy::Idle);
}

/// The number that each trunk shows, in the order of trying.
fn shown(c: TenantConfig, caller: Option<NumberId>) -> Vec<Option<String>> {
    let mut r = Rig::new(c);
    r.sign_in(ANN, TAB);
    let (to, class, trunks) = (AddressId(9), CallClass::National, in_turn(&[CARRIER, SPARE]));
    let command = AgentCommand::Dial { to, class, trunks, caller, back: None };
    let mut shown = Vec::new();
    let mut inputs = vec![Input::Agent { agent: ANN, command }];
    while let Some(input) = inputs.pop() {
        r.floor.handle(r.now, input).unwrap();
        while let Some(effect) = r.floor.poll_effect() {
            match effect {
                Effect::Leg(LegCommand::Originate { leg, to: Dial::Trunk { .. }, from, .. }) => {
                    shown.push(from.user);
                    inputs.push(Input::Leg(rig::ended(leg, EndCause::Unreachable, EndedBy::System)));
                }
                Effect::Leg(LegCommand::Originate { leg, .. }) => inputs.push(Input::Leg(answered(leg))),
                _ => {}
            }
        }
    }
    shown
}

#[test]
fn the_number_shown_is_the_trunks_own_else_the_agents_choice_else_the_routes_else_the_companys() {
    let mut c = company();
    let of = |c: &TenantConfig, number| Some(c.numbers[&number].number.clone());
    let (company, chosen) = (of(&c, TO_SUPPORT), of(&c, TO_MENU));
    assert_eq!(shown(c.clone(), None), [company.clone(), company]);
    assert_eq!(shown(c.clone(), Some(TO_MENU)), [chosen.clone(), chosen.clone()]);
    c.trunks.get_mut(&CARRIER).unwrap().caller = Some(TO_ECHO);
    assert_eq!(shown(c.clone(), Some(TO_MENU)), [of(&c, TO_ECHO), chosen]);
    c.region = Some("CN".into());
    assert_eq!(plan(&c, "13800138000").unwrap().caller, None);
    for route in c.routes.values_mut() {
        route.caller = Some(TO_DOOR);
    }
    assert_eq!(plan(&c, "13800138000").unwrap().caller, Some(TO_DOOR));
}

#[test]
fn a_trunk_that_cannot_carry_the_call_gives_way_to_the_next() {
    let mut r = Rig::new(company());
    r.sign_in(ANN, TAB);
    assert_eq!(dial(&mut r, CallClass::National), Ok(()));
    let first = r.dialled();
    r.leg(rig::ended(first, EndCause::Unreachable, EndedBy::System));
    assert_eq!(tried(&r), [71, 72]);
    let second = r.dialled();
    r.leg(answered(second));
    assert_eq!(states(&r), [SegmentState::Talking]);
}

#[test]
fn a_callee_who_does_not_want_it_ends_it_and_no_trunk_is_tried_again() {
    for (cause, by, seen) in [
        (EndCause::Busy, EndedBy::Peer, SegmentEnd::Declined),
        (EndCause::NoAnswer, EndedBy::System, SegmentEnd::Missed),
        (EndCause::NotFound, EndedBy::Peer, SegmentEnd::Unreachable),
    ] {
        let mut r = Rig::new(company());
        r.sign_in(ANN, TAB);
        assert_eq!(dial(&mut r, CallClass::National), Ok(()));
        let callee = r.dialled();
        r.leg(rig::ended(callee, cause, by));
        assert_eq!((tried(&r), states(&r)), (vec![71], vec![]));
        assert_eq!((segment_end(&r), end(&r)), (Some(seen), Some(InteractionEnd::Unanswered)));
    }
}

#[test]
fn the_agent_gives_up_while_it_rings() {
    let mut r = Rig::new(company());
    r.sign_in(ANN, TAB);
    assert_eq!(dial(&mut r, CallClass::National), Ok(()));
    let segment = r.work(ANN);
    r.agent(ANN, AgentCommand::HangUp { segment });
    assert_eq!((states(&r), end(&r)), (vec![], Some(InteractionEnd::Unanswered)));
    assert!(r.dialled.is_empty(), "no phone rings on");
}

#[test]
fn limits_and_classes_hold_off_fraud_but_not_an_emergency() {
    let mut r = Rig::new(company());
    r.sign_in(ANN, TAB);
    assert_eq!(dial(&mut r, CallClass::International), Err("number.forbidden"));
    for _ in 0..3 {
        assert_eq!(dial(&mut r, CallClass::National), Ok(()));
        let callee = r.dialled();
        r.leg(rig::ended(callee, EndCause::Busy, EndedBy::Peer));
    }
    assert_eq!(dial(&mut r, CallClass::National), Err("limit.outbound"), "three a minute");
    assert_eq!(dial(&mut r, CallClass::Emergency), Ok(()));
    assert_eq!(dial(&mut r, CallClass::National), Err("agent.busy"));
    let callee = r.dialled();
    r.hangs_up(callee);
    r.pass(61);
    assert_eq!(dial(&mut r, CallClass::National), Ok(()));
    // One at a time: Bob has to wait.
    r.sign_in(BOB, PHONE);
    let command = AgentCommand::Dial {
        to: AddressId(8),
        class: CallClass::National,
        trunks: in_turn(&[CARRIER]),
        caller: None,
        back: None,
    };
    assert_eq!(r.input(Input::Agent { agent: BOB, command }).unwrap_err().code.as_str(), "limit.outbound");
}

/// What the matrix and the plays of a call being set up are.
#[test]
fn what_the_callees_network_says_takes_the_place_of_our_ringing_tone() {
    let mut r = Rig::new(company());
    r.sign_in(ANN, TAB);
    assert_eq!(dial(&mut r, CallClass::National), Ok(()));
    let hears = |r: &Rig| {
        r.events.iter().rev().find_map(|e| match &e.body {
            EventBody::Bridged { legs, hears, .. } => Some((legs.clone(), hears.clone())),
            _ => None,
        })
    };
    let first = r.dialled();
    let own = r.dialled[0];
    r.leg(LegEvent::EarlyMedia { leg: first });
    let one_way = |callee| vec![Hears { leg: own, hears: vec![callee] }, Hears { leg: callee, hears: vec![] }];
    assert_eq!(hears(&r), Some((vec![own, first], one_way(first))));
    // A ring that comes now is not to be heard over it.
    r.plays.clear();
    r.leg(LegEvent::Ringing { leg: first });
    assert!(r.plays.is_empty());
    // The next trunk rings as any other, and speaks as any other.
    r.leg(rig::ended(first, EndCause::Unreachable, EndedBy::System));
    let second = r.dialled();
    r.leg(LegEvent::Ringing { leg: second });
    assert_eq!(r.plays.len(), 1);
    r.leg(LegEvent::EarlyMedia { leg: second });
    assert_eq!(hears(&r), Some((vec![own, second], one_way(second))));
    r.leg(answered(second));
    assert_eq!(hears(&r), Some((vec![second, own], vec![])));
    assert_eq!(states(&r), [SegmentState::Talking]);
    r.leg(LegEvent::EarlyMedia { leg: second });
    assert_eq!(states(&r), [SegmentState::Talking], "too late to matter");
}

#[test]
fn equals_share_the_calls_by_weight_and_the_spare_waits() {
    let of = |trunk, priority, weight| RouteTrunk { trunk: TrunkId(trunk), priority, weight };
    let all = [of(9, 2, 1), of(1, 1, 70), of(2, 1, 20), of(3, 1, 10)];
    let mut first = std::collections::BTreeMap::<u128, u32>::new();
    for draw in 0..10_000 {
        let order = in_order(&all, draw);
        assert_eq!(order, in_order(&all, draw), "the same draw");
        assert_eq!(order[3], TrunkId(9), "the spare comes last");
        *first.entry(order[0].0).or_default() += 1;
    }
    let share = |trunk: u128| i64::from(first[&trunk]);
    assert!((share(1) - 7_000).abs() < 250 && (share(2) - 2_000).abs() < 250 && (share(3) - 1_000).abs() < 250);
    assert_eq!(in_order(&[], 7), []);
}

#[test]
fn routes_written_before_there_were_weights_keep_their_order() {
    let [bare, whole] = [TrunkId(71), TrunkId(72)].map(|t| serde_json::to_value(t).unwrap());
    let old = serde_json::json!({"id": RouteId(1), "name": "out", "prefixes": [""], "trunks": [
        bare, {"trunk": whole, "priority": 2, "weight": 5},
    ]});
    let read: RouteConfig = serde_json::from_value(old).unwrap();
    let spare = RouteTrunk { trunk: SPARE, priority: 2, weight: 5 };
    assert_eq!(read.trunks, [RouteTrunk { trunk: CARRIER, priority: 1, weight: 1 }, spare]);
    let again = serde_json::to_string(&read).unwrap();
    assert_eq!(serde_json::from_str::<RouteConfig>(&again).unwrap(), read);
}

#[test]
fn a_trunk_that_does_not_answer_is_left_out_until_it_answers_again() {
    let mut r = Rig::new(company());
    r.sign_in(ANN, TAB);
    let change = |r: &mut Rig, trunk, up| r.input(Input::TrunkChanged { trunk, up }).map_err(|e| e.code.as_str());
    assert_eq!(change(&mut r, TrunkId(999), false).unwrap_err(), "trunk.unknown");
    change(&mut r, CARRIER, false).unwrap();
    change(&mut r, CARRIER, false).unwrap();
    let told = r.events.iter().filter(|e| matches!(e.body, EventBody::TrunkChanged { .. })).count();
    assert_eq!(told, 1, "what is known already is no event");
    assert_eq!(dial(&mut r, CallClass::National), Ok(()));
    let callee = r.dialled();
    assert_eq!(tried(&r), [72]);
    r.leg(rig::ended(callee, EndCause::Busy, EndedBy::Peer));
    change(&mut r, SPARE, false).unwrap();
    assert_eq!(dial(&mut r, CallClass::National), Err("route.down"));
    // For an ambulance even these are tried.
    assert_eq!(dial(&mut r, CallClass::Emergency), Ok(()));
    let callee = r.dialled();
    r.leg(rig::ended(callee, EndCause::Busy, EndedBy::Peer));
    change(&mut r, CARRIER, true).unwrap();
    assert_eq!(dial(&mut r, CallClass::National), Ok(()));
    r.dialled();
    assert_eq!(tried(&r), [72, 71, 71]);
}

#[test]
fn a_trunk_takes_as_many_calls_a_second_as_it_may() {
    let mut c = company();
    c.outbound.per_minute = 10;
    c.trunks.get_mut(&CARRIER).unwrap().calls_per_second = Some(1);
    let mut r = Rig::new(c);
    r.sign_in(ANN, TAB);
    for wait in [0, 0, 1] {
        r.pass(wait);
        assert_eq!(dial(&mut r, CallClass::National), Ok(()));
        let callee = r.dialled();
        r.leg(rig::ended(callee, EndCause::Busy, EndedBy::Peer));
    }
    assert_eq!(tried(&r), [71, 72, 71]);
}
