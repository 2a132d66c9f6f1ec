//! Costs of calls to the outside: charged when they end, counted while they are up, told of in time, refused at the limit.
#![allow(clippy::unwrap_used, reason = "a test's own machinery")]
mod rig;

use domain::command::AgentCommand;
use domain::config::TenantConfig;
use domain::event::EventBody;
use domain::floor::Floor;
use domain::id::*;
use domain::input::Input;
use domain::leg::LegEvent;
use domain::outbound::*;
use domain::spend::*;
use rig::*;

const CARRIER: TrunkId = TrunkId(71);

/// Sixty a minute and one for the answer, so that a second costs one.
fn company(spend: SpendRules) -> TenantConfig {
    let mut c = config();
    c.region = Some("CN".into());
    c.trunks = [(CARRIER, rig::trunk(CARRIER, Some("carrier.example".into())))].into();
    c.outbound.allowed = vec![CallClass::National, CallClass::International];
    let prices = [(CallClass::National, Price { per_minute: 60, connection: 1 })].into();
    c.outbound.spend = SpendRules { prices, ..spend };
    c
}

fn dial(r: &mut Rig, agent: AgentId, class: CallClass) -> Result<LegId, &'static str> {
    let trunks = vec![RouteTrunk { trunk: CARRIER, priority: 1, weight: 1 }];
    let command = AgentCommand::Dial { to: AddressId(9), class, trunks, caller: None, back: None };
    r.input(Input::Agent { agent, command }).map_err(|e| e.code.as_str())?;
    Ok(r.dialled())
}

fn talk(r: &mut Rig, leg: LegId, seconds: u64) {
    r.leg(answered(leg));
    r.pass(seconds);
    r.hangs_up(leg);
}

/// Costs charged and alarms given, in order.
fn told(r: &Rig) -> Vec<String> {
    let of = |e: &domain::event::Event| match &e.body {
        EventBody::CallCharged { agent, talk_ms, cost, .. } => {
            Some(format!("{cost} for {talk_ms} ms by {:?}", agent.map(|a| a == ANN)))
        }
        EventBody::SpendReached { limit: SpendLimit::AgentDay { .. }, percent, spent, most, .. } => {
            Some(format!("agent {percent} % {spent}/{most}"))
        }
        EventBody::SpendReached { limit, percent, spent, most, .. } => {
            Some(format!("{limit:?} {percent} % {spent}/{most}"))
        }
        _ => None,
    };
    r.events.iter().filter_map(of).collect()
}

#[test]
fn a_limit_is_told_of_when_it_is_near_and_holds_new_calls_back_when_it_is_reached() {
    let mut r = Rig::new(company(SpendRules { day: Some(100), ..Default::default() }));
    r.sign_in(ANN, TAB);
    let callee = dial(&mut r, ANN, CallClass::National).unwrap();
    talk(&mut r, callee, 49);
    assert_eq!(told(&r), ["50 for 49000 ms by Some(true)"]);
    let callee = dial(&mut r, ANN, CallClass::National).unwrap();
    r.leg(answered(callee));
    // The alarm comes while the call is up; the call itself goes on.
    r.pass(40);
    assert_eq!(told(&r)[1..], ["Day 80 % 81/100"]);
    assert!(!r.floor.spend_view(r.now).unwrap().day.reached);
    r.pass(30);
    assert_eq!(told(&r)[2..], ["Day 100 % 111/100"]);
    r.hangs_up(callee);
    let view = r.floor.spend_view(r.now).unwrap().day;
    assert_eq!((view.spent, view.most, view.near, view.reached), (121, Some(100), true, true));
    assert_eq!(dial(&mut r, ANN, CallClass::National), Err("limit.spend"));
    assert_eq!(
        dial(&mut r, ANN, CallClass::International),
        Err("limit.spend"),
        "what has no price is no way around it"
    );
    let ambulance = dial(&mut r, ANN, CallClass::Emergency).unwrap();
    talk(&mut r, ambulance, 60);
    assert_eq!(r.floor.spend_view(r.now).unwrap().day.spent, 121, "an emergency is free");
    // The next day begins with nothing.
    r.pass(86_400);
    assert_eq!(r.floor.spend_view(r.now).unwrap().day.spent, 0);
    assert_eq!(r.floor.spend_view(r.now).unwrap().month.spent, 121);
    assert!(dial(&mut r, ANN, CallClass::National).is_ok());
}

#[test]
fn calls_that_are_up_count_before_they_are_charged() {
    let mut r = Rig::new(company(SpendRules { month: Some(20), ..Default::default() }));
    r.sign_in(ANN, TAB);
    r.sign_in(BOB, PHONE);
    let callee = dial(&mut r, ANN, CallClass::National).unwrap();
    r.leg(answered(callee));
    r.pass(18);
    assert!(r.floor.spend_view(r.now).unwrap().month.near);
    r.pass(2);
    assert_eq!(dial(&mut r, BOB, CallClass::National), Err("limit.spend"));
    assert_eq!(r.floor.agent_view(ANN).unwrap().work.len(), 1, "her call goes on");
}

#[test]
fn each_agent_has_a_day_of_his_own() {
    let mut r = Rig::new(company(SpendRules { agent_day: Some(10), alarm_percent: 100, ..Default::default() }));
    r.sign_in(ANN, TAB);
    let callee = dial(&mut r, ANN, CallClass::National).unwrap();
    talk(&mut r, callee, 12);
    assert_eq!(told(&r), ["13 for 12000 ms by Some(true)", "agent 100 % 13/10"]);
    assert_eq!(dial(&mut r, ANN, CallClass::National), Err("limit.spend_agent"));
    r.sign_in(BOB, PHONE);
    assert!(dial(&mut r, BOB, CallClass::National).is_ok());
    let spent = r.floor.spend_view(r.now).unwrap().agents;
    assert_eq!(spent.iter().map(|(agent, s)| (*agent, s.spent)).collect::<Vec<_>>(), [(ANN, 13)]);
}

#[test]
fn an_unanswered_call_costs_nothing_and_without_prices_there_is_nothing_to_tell() {
    let mut r = Rig::new(company(SpendRules { day: Some(1), ..Default::default() }));
    r.sign_in(ANN, TAB);
    let callee = dial(&mut r, ANN, CallClass::National).unwrap();
    r.leg(LegEvent::Ringing { leg: callee });
    r.pass(5);
    r.hangs_up(callee);
    assert_eq!(told(&r), [""; 0]);
    let mut free = company(SpendRules { day: Some(0), ..Default::default() });
    free.outbound.spend.prices.clear();
    let mut r = Rig::new(free);
    r.sign_in(ANN, TAB);
    let callee = dial(&mut r, ANN, CallClass::National).unwrap();
    talk(&mut r, callee, 60);
    assert_eq!(told(&r), [""; 0]);
    assert_eq!(r.floor.spend_view(r.now), None);
}

#[test]
fn what_is_spent_outlives_a_restart() {
    let rules = SpendRules { day: Some(50), ..Default::default() };
    let mut r = Rig::new(company(rules.clone()));
    r.sign_in(ANN, TAB);
    let snapshot = r.floor.snapshot();
    let callee = dial(&mut r, ANN, CallClass::National).unwrap();
    talk(&mut r, callee, 60);
    let (spent, now) = (r.floor.spend_view(r.now), r.now);
    assert!(spent.as_ref().unwrap().day.reached);
    let text = serde_json::to_string(&snapshot).unwrap();
    let config = std::sync::Arc::new(company(rules));
    let mut again = Floor::restore(config.clone(), IdMint::new(1, 2), serde_json::from_str(&text).unwrap());
    r.events.iter().filter(|e| e.seq > snapshot.seq).for_each(|e| again.apply(e));
    assert_eq!(again.spend_view(now), spent);
    let whole = serde_json::to_string(&r.floor.snapshot()).unwrap();
    let again = Floor::restore(config, IdMint::new(1, 2), serde_json::from_str(&whole).unwrap());
    assert_eq!(again.spend_view(now), spent);
}
