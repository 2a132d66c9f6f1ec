//! Telephones against the real server: the echo, a queue served by SIP phones, the menu, other ways in. Sound is judged
//! outside the server, numbers are compared with the peers' own ledger.
mod support;

use serde_json::{Value, json};

use support::SOON;
use support::call::{AGENT_HZ, CALLER_HZ, Caller, Phone, auto_answer};
use support::company::{Company, id};
use support::peers::Calls;
use support::postgres::Postgres;
use support::scenario::{By, a_call_is_served, newest};
use support::server::Server;
use support::sound::heard_ms;
use support::verdict::{self, must, must_fail};
use support::wait_for;

#[test]
fn number_3000_answers_and_echoes() {
    let server = Server::start("echo");
    let mut caller = Caller::dial(&server, "3000");
    caller.rtp.wait_tone(CALLER_HZ, 500);
    caller.rtp.say(Some(440.0));
    caller.rtp.wait_tone(440.0, 500);
    caller.rtp.say(None);
    caller.rtp.wait_without(440.0, 200);
    // Sabotage twin: what was not sent is not heard.
    assert_eq!(heard_ms(&caller.rtp.listen(400), 697.0), 0);
    caller.sipp.hang_up();
    caller.sipp.must_end_well();
}

#[test]
fn a_registered_phone_serves_a_caller_who_hangs_up() {
    a_call_is_served(&Server::start("served-caller"), By::Caller);
}

#[test]
fn a_registered_phone_serves_a_caller_and_hangs_up() {
    a_call_is_served(&Server::start("served-phone"), By::AgentsPhone);
}

#[test]
fn an_agent_hangs_up_by_command_and_postgres_keeps_it() {
    let pg = Postgres::start("served");
    a_call_is_served(&Server::start_with("served-pg", Some(pg.url())), By::AgentsCommand);
}

/// Waits until the caller is in the menu, so that a digit counts.
fn in_menu(company: &Company, known: &[Value]) -> String {
    let interaction = id(&newest(company, known));
    wait_step(company, &interaction, 1);
    interaction
}

fn wait_step(company: &Company, interaction: &str, attempt: u64) {
    wait_for(&format!("try {attempt} of the menu"), SOON, || {
        let events = company.get(&format!("interactions/{interaction}/events"));
        events["items"]
            .as_array()?
            .iter()
            .find(|e| e["kind"] == "step_entered" && e["data"]["step"] == "menu" && e["data"]["attempt"] == attempt)?;
        Some(())
    });
}

/// In which queue the interaction waits, by the board.
fn waits_in(company: &Company, interaction: &str) -> String {
    wait_for("the caller to wait in a queue", SOON, || {
        let live = company.live();
        let i = live["interactions"].as_array()?.iter().find(|i| i["id"] == interaction)?;
        i["segments"].as_array()?.iter().find(|s| s["state"] == "waiting")?["queue"].as_str().map(str::to_owned)
    })
}

#[test]
fn the_menu_follows_the_digit_and_bears_with_a_wrong_one_and_with_none() {
    let server = Server::start("menu");
    let company = Company::of(&server);
    let (sales, support) = (company.queue("Sales"), company.queue("Support"));
    // The sample's menu greets, then waits for six seconds, three times; a second twice is the same path.
    let flow = company.flow();
    let mut steps = flow["draft"]["steps"].clone();
    steps["menu"]["timeout_ms"] = json!(1000);
    steps["menu"]["attempts"] = json!(2);
    steps["hours"]["open"] = json!("menu");
    steps.as_object_mut().expect("steps by name").remove("greeting");
    company.patch(&format!("flows/{}", id(&flow)), json!({ "steps": steps }));
    company.post(&format!("flows/{}/publish", id(&flow)), json!({"reason": "shorter waits"}));

    let mut known = Vec::new();
    for (digit, queue) in [('1', &sales), ('2', &support)] {
        let mut caller = Caller::dial(&server, "2000");
        let interaction = in_menu(&company, &known);
        caller.rtp.press(digit);
        assert_eq!(waits_in(&company, &interaction), *queue, "digit {digit}");
        caller.sipp.hang_up();
        caller.sipp.must_end_well();
        known = company.wait_ended(known.len() + 1, SOON);
        assert_eq!(known.last().map(|i| &i["end"]), Some(&json!("abandoned")));
    }

    // A wrong digit: asked again, and the right one counts.
    let mut caller = Caller::dial(&server, "2000");
    let interaction = in_menu(&company, &known);
    caller.rtp.press('9');
    wait_step(&company, &interaction, 2);
    caller.rtp.press('1');
    assert_eq!(waits_in(&company, &interaction), sales, "the second try");
    caller.sipp.hang_up();
    caller.sipp.must_end_well();
    known = company.wait_ended(3, SOON);

    // No digit at all: on to Support, as the step says.
    let mut caller = Caller::dial(&server, "2000");
    let interaction = in_menu(&company, &known);
    wait_step(&company, &interaction, 2);
    assert_eq!(waits_in(&company, &interaction), support, "no digit");
    caller.sipp.hang_up();
    caller.sipp.must_end_well();
    company.wait_ended(4, SOON);
}

#[test]
fn a_caller_whose_digits_are_only_tones_chooses_in_the_menu() {
    let server = Server::start("tones");
    let company = Company::of(&server);
    let mut caller = Caller::dial_as(&server, &Calls { number: "2000", events: false, ..Calls::default() });
    // It speaks all the while: that is no digit.
    let interaction = in_menu(&company, &[]);
    caller.rtp.sound('1');
    assert_eq!(waits_in(&company, &interaction), company.queue("Sales"));
    caller.sipp.hang_up();
    caller.sipp.must_end_well();
    company.wait_ended(1, SOON);
}

#[test]
fn a_caller_by_tcp_is_served() {
    let server = Server::start("tcp");
    let company = Company::of(&server);
    let mut phone = Phone::on_duty(&server, &company, "Agent 1", "7101", &auto_answer());
    let calls = Calls { tcp: true, ..Calls::default() };
    let mut caller = Caller::dial_as(&server, &calls);
    phone.wait_call();
    caller.rtp.wait_tone(AGENT_HZ, 200);
    phone.rtp.wait_tone(CALLER_HZ, 200);
    let (at_caller, at_agent) = (caller.rtp.listen(400), phone.rtp.listen(400));
    must("the caller", verdict::hears(&at_caller, AGENT_HZ, CALLER_HZ));
    must("the agent", verdict::hears(&at_agent, CALLER_HZ, AGENT_HZ));
    must_fail("the sides swapped", verdict::hears(&at_caller, CALLER_HZ, AGENT_HZ));
    phone.sipp.hang_up();
    caller.sipp.must_end_well();
    phone.sipp.must_end_well();
    let via = caller.sipp.messages().into_iter().find(|m| m.sent && m.is_request("INVITE"));
    assert!(via.is_some_and(|m| m.header("Via").is_some_and(|v| v.contains("SIP/2.0/TCP"))));
}
