//! The agent and the customer in the browser, headless Chromium: accepting, holding, reloading, wrapping up; the
//! customer page; "Ring me". What Chromium receives and what its microphone sends are judged outside the server.
mod support;

use std::time::{Duration, Instant};

use serde_json::json;

use support::SOON;
use support::browser::Browser;
use support::call::{AGENT_HZ, CALLER_HZ, Caller, Phone, auto_answer};
use support::company::{Company, id};
use support::ledger::Figures;
use support::rtp::unix_ms;
use support::scenario::{newest, segment_of, spans};
use support::server::Server;
use support::sound::{heard_ms, level, stereo};
use support::verdict::{self, Expected, must, must_fail};
use support::wait_for;

/// Until the caller is in the menu, so that a digit counts.
fn in_menu(company: &Company, known: &[serde_json::Value]) -> String {
    let interaction = id(&newest(company, known));
    wait_for("the menu", SOON, || {
        let events = company.get(&format!("interactions/{interaction}/events"));
        events["items"].as_array()?.iter().find(|e| e["data"]["step"] == "menu").map(|_| ())
    });
    interaction
}

fn second(n: usize) -> Duration {
    Duration::from_secs(n.min(1) as u64)
}

#[test]
fn an_agent_in_the_browser_serves_callers_and_keeps_one_through_a_reload() {
    let server = Server::start("browser");
    let company = Company::of(&server);
    let (sales, agent) = (company.queue("Sales"), company.agent("Agent 5"));
    let before = company.figures(&sales);
    let mut chromium = Browser::start(&server, AGENT_HZ);
    chromium.at_desk("agent", "agent5@sample.test");

    // The menu's digit leads to Sales; the desk rings; the agent accepts.
    let mut caller = Caller::dial(&server, "2000");
    let interaction = in_menu(&company, &[]);
    caller.rtp.press('1');
    chromium.click("agent", "accept");
    chromium.wait("agent", "work-state", "data-state", "talking");
    caller.rtp.wait_tone(AGENT_HZ, 300);
    chromium.wait_tone("agent", CALLER_HZ);
    let (at_caller, at_agent) = (caller.rtp.listen(1000), chromium.listen("agent", 1000));
    must("the caller", verdict::browser_hears(&at_caller, AGENT_HZ, CALLER_HZ));
    must("the agent", verdict::browser_hears(&at_agent, CALLER_HZ, AGENT_HZ));
    must_fail("the agent's sound as the caller's", verdict::browser_hears(&at_agent, AGENT_HZ, CALLER_HZ));
    assert_eq!(heard_ms(&at_agent, 697.0), 0, "the digit was an event, not sound");

    // Hold and resume.
    chromium.click("agent", "phone-hold");
    chromium.wait("agent", "work-state", "data-state", "held");
    caller.rtp.wait_without(AGENT_HZ, 200);
    must("the caller on hold", verdict::hears_music(&caller.rtp.listen(800), &[AGENT_HZ, CALLER_HZ]));
    must("the agent on hold", verdict::hears_nothing(&chromium.listen("agent", 500)));
    chromium.click("agent", "phone-hold");
    chromium.wait("agent", "work-state", "data-state", "talking");
    caller.rtp.wait_tone(AGENT_HZ, 300);
    chromium.wait_tone("agent", CALLER_HZ);

    // The agent hangs up, wraps up.
    chromium.click("agent", "phone-hang_up");
    caller.sipp.must_end_well();
    chromium.wait_shown("agent", "wrap-up");
    chromium.order(json!({"do": "click", "page": "agent", "test": "disposition", "text": "Resolved"}));
    chromium.click("agent", "end-wrap-up");
    chromium.wait("agent", "presence", "data-state", "available");

    // By the peers' ledger: the digit, the presses in the page, the BYE.
    let call = caller.call();
    assert!(!call.ended_here && call.byes == 1);
    let queued = unix_ms(caller.rtp.pressed()[0].0);
    let accepted = chromium.pressed("agent", "accept", 0);
    let held = chromium.pressed("agent", "phone-hold", 1) - chromium.pressed("agent", "phone-hold", 0);
    let ended = call.ended.expect("a BYE");
    let ledger = Figures {
        offered: 1,
        answered: 1,
        handled: 1,
        wait_ms: accepted - queued,
        talk_ms: ended - accepted - held,
        hold_ms: held,
        ..Figures::default()
    };
    let report = company.wait_figures(&sales, &before, &ledger);
    must("the report", verdict::figures(&ledger, &report, 50.0));
    let without_hold = Figures { talk_ms: ended - accepted, hold_ms: 0.0, ..ledger };
    must_fail("a ledger without the hold", verdict::figures(&without_hold, &report, 50.0));

    let detail = company.wait_detail(&interaction);
    assert_eq!(detail["summary"]["end"], "served");
    let segment = segment_of(&detail, &agent);
    assert_eq!((&segment["end"], &segment["disposition_name"]["en"]), (&json!("agent_hung_up"), &json!("Resolved")));
    let states: Vec<&str> = spans(segment).map(|s| s["state"].as_str().unwrap_or_default()).collect();
    assert_eq!(states, ["offered", "connecting", "talking", "held", "talking", "wrap_up"]);
    assert_eq!(detail["offers"][0]["trace"]["candidates"][0]["agent"]["id"], agent);
    let recording = &detail["recordings"][0];
    let gap = |g: &serde_json::Value| Some((g["from_ms"].as_u64()?, g["to_ms"].as_u64()?));
    let gaps: Vec<_> = recording["gaps"].as_array().into_iter().flatten().filter_map(gap).collect();
    let (left, right) = stereo(&company.recording(&id(recording)));
    let expected = Expected { left_hz: CALLER_HZ, right_hz: AGENT_HZ, length_ms: ended - accepted, gaps };
    must("the recording", verdict::recording(&left, &right, &expected));
    must_fail("its channels swapped", verdict::recording(&right, &left, &expected));

    // A second call, kept through a reload of the agent's tab.
    let known = company.wait_ended(1, SOON);
    let mut caller = Caller::dial(&server, "2000");
    in_menu(&company, &known);
    caller.rtp.press('1');
    chromium.click("agent", "accept");
    caller.rtp.wait_tone(AGENT_HZ, 1000);
    chromium.order(json!({"do": "reload", "page": "agent"}));
    chromium.wait("agent", "work-state", "data-state", "talking");
    chromium.wait_tone("agent", CALLER_HZ);
    caller.rtp.wait_tone(AGENT_HZ, 300);
    let spans = caller.rtp.spans(AGENT_HZ);
    let missed = verdict::missed_at_most(&spans, Duration::from_secs(2));
    println!("the caller missed the agent for {missed:?} while the tab reloaded");
    must("the reload", missed.map(|_| ()));
    // Sabotage twins: a tab that never came back, and one that came back three seconds later.
    must_fail("a tab gone for good", verdict::missed_at_most(&spans[..1], Duration::from_secs(2)).map(|_| ()));
    let late: Vec<_> = spans.iter().enumerate().map(|(n, (a, b))| (*a + 3 * second(n), *b + 3 * second(n))).collect();
    must_fail("a slow tab", verdict::missed_at_most(&late, Duration::from_secs(2)).map(|_| ()));
    assert!(caller.sipp.is_running(), "the caller is still there");

    // Another tab shows the call and changes nothing.
    chromium.order(json!({"do": "tab", "page": "second", "of": "agent", "path": "/desk"}));
    chromium.wait("second", "device-trouble", "data-trouble", "not_leading");
    chromium.wait("second", "work-state", "data-state", "talking");
    let enabled = json!({"do": "enabled", "page": "second", "test": "phone-hang_up"});
    assert_eq!(chromium.order(enabled), false, "the second tab is read-only");
    assert_eq!(chromium.order(json!({"do": "enabled", "page": "agent", "test": "phone-hang_up"})), true);
    must("the caller", verdict::browser_hears(&caller.rtp.listen(600), AGENT_HZ, CALLER_HZ));

    // A click moves the call into that tab, and another one to another computer; the caller stays.
    chromium.at_desk("elsewhere", "agent5@sample.test");
    for (to, from) in [("second", "agent"), ("elsewhere", "second")] {
        chromium.wait(to, "device-trouble", "data-trouble", "not_leading");
        chromium.click(to, "lead-here");
        let clicked = Instant::now();
        chromium.wait(from, "device-trouble", "data-trouble", "not_leading");
        chromium.wait_tone(to, CALLER_HZ);
        caller.rtp.wait_tone(AGENT_HZ, 300);
        let spans: Vec<_> = caller.rtp.spans(AGENT_HZ).into_iter().filter(|(_, end)| *end >= clicked).collect();
        let missed = verdict::missed_at_most(&spans, Duration::from_secs(2));
        println!("the caller missed the agent for {missed:?} while the call moved");
        // A move without any pause would be one without a new connection: then there is one span.
        assert!(spans.len() == 1 || missed.is_ok(), "{missed:?}");
        assert_eq!(chromium.order(json!({"do": "enabled", "page": to, "test": "phone-hang_up"})), true);
        assert_eq!(chromium.order(json!({"do": "enabled", "page": from, "test": "phone-hang_up"})), false);
    }
    must("the caller", verdict::browser_hears(&caller.rtp.listen(600), AGENT_HZ, CALLER_HZ));
    must("the agent", verdict::browser_hears(&chromium.listen("elsewhere", 600), CALLER_HZ, AGENT_HZ));

    // This time the caller hangs up.
    caller.sipp.hang_up();
    caller.sipp.must_end_well();
    chromium.wait_shown("elsewhere", "wrap-up");
    chromium.click("elsewhere", "end-wrap-up");
    chromium.wait("elsewhere", "presence", "data-state", "available");
    let ended = company.wait_ended(2, SOON);
    assert!(ended.iter().all(|i| i["end"] == "served"), "{ended:#?}");
}

/// A tenth of the customer's packets is lost before the server: the desk says whose line it is while they talk, and the
/// history keeps it, of both legs.
#[test]
fn what_a_line_loses_is_shown_at_the_desk_and_kept() {
    let server = Server::start("quality");
    let company = Company::of(&server);
    let mut chromium = Browser::start(&server, AGENT_HZ);
    chromium.at_desk("agent", "agent1@sample.test");
    let mut caller = Caller::dial(&server, "1000");
    chromium.click("agent", "accept");
    chromium.wait("agent", "work-state", "data-state", "talking");
    caller.rtp.lose(10);
    chromium.wait_tone("agent", CALLER_HZ);
    chromium.wait("agent", "quality", "data-whose", "customer");
    let agent = company.agent("Agent 1");
    wait_for("the live board", SOON, || {
        let line = &company.board_agent(&agent)["work"][0]["quality"];
        (line["customer"]["lost_in"].as_f64()? > 3.0 && line["own"]["grade"] == "good").then_some(())
    });
    // Long enough for a slice of nothing but the lossy line, and for Chromium's own reports.
    caller.rtp.listen(12_000);
    chromium.click("agent", "phone-hang_up");
    caller.sipp.must_end_well();
    chromium.wait_shown("agent", "wrap-up");
    chromium.click("agent", "end-wrap-up");
    let interaction = id(&company.wait_ended(1, SOON)[0]);
    let detail = company.wait_detail(&interaction);
    let quality = |role: &str| {
        let leg = detail["legs"].as_array().into_iter().flatten().find(|leg| leg["role"] == role).expect("a leg");
        leg["stats"]["quality"].clone()
    };
    let (customer, agent) = (quality("customer"), quality("agent"));
    let slices = customer["slices"].as_array().expect("slices").iter();
    let worst = slices.filter_map(|slice| slice["lost_in"].as_f64()).fold(0.0, f64::max);
    assert!((8.5..=11.5).contains(&worst), "one in ten: {customer}");
    assert!(customer["mos_min"].as_f64().is_some_and(|mos| (3.0..3.7).contains(&mos)), "{customer}");
    // The agent's own line is flawless, although what came to it had holes already; Chromium has told so.
    assert!(agent["whole"]["lost_in"].as_f64().is_some_and(|lost| lost < 2.0), "{agent}");
    assert!(agent["whole"]["lost_out"].as_f64().is_some_and(|lost| lost < 5.0), "{agent}");
    assert!(agent["whole"]["round_trip_ms"].as_u64().is_some_and(|trip| trip < 500), "{agent}");
}

#[test]
fn a_customer_calls_from_the_web_page() {
    let server = Server::start("customer");
    let company = Company::of(&server);
    let mut phone = Phone::on_duty(&server, &company, "Agent 1", "7101", &auto_answer());
    let tenant = company.get("me")["tenant"]["id"].as_str().expect("a tenant").to_owned();
    let mut chromium = Browser::start(&server, CALLER_HZ);
    chromium.order(json!({"do": "open", "page": "customer", "path": format!("/call/{tenant}")}));
    chromium.order(json!({"do": "choose", "page": "customer", "selector": "input[name=number][value=\"1000\"]"}));
    chromium.click("customer", "call");
    chromium.wait("customer", "call-state", "data-state", "answered");
    phone.wait_call();
    phone.rtp.wait_tone(CALLER_HZ, 300);
    chromium.wait_tone("customer", AGENT_HZ);
    let (at_customer, at_agent) = (chromium.listen("customer", 1000), phone.rtp.listen(1000));
    must("the customer", verdict::browser_hears(&at_customer, AGENT_HZ, CALLER_HZ));
    must("the agent", verdict::browser_hears(&at_agent, CALLER_HZ, AGENT_HZ));
    must_fail("the sides swapped", verdict::browser_hears(&at_customer, CALLER_HZ, AGENT_HZ));
    chromium.click("customer", "hang-up");
    phone.sipp.must_end_well();
    assert!(!phone.call().ended_here);
    let (segment, interaction) = company.wait_segment(&phone.agent, "wrap_up");
    company.wrap_up(&phone.agent, &segment, "Resolved");
    let detail = company.wait_detail(&interaction);
    assert_eq!(detail["summary"]["end"], "served");
    let (left, right) = stereo(&company.recording(&id(&detail["recordings"][0])));
    let length_ms = detail["summary"]["talk_ms"].as_f64().expect("talk");
    let expected = Expected { left_hz: CALLER_HZ, right_hz: AGENT_HZ, length_ms, gaps: Vec::new() };
    must("the recording", verdict::recording(&left, &right, &expected));
    must_fail("its channels swapped", verdict::recording(&right, &left, &expected));
}

#[test]
fn a_crash_is_a_pause_for_the_agent_and_the_customer_in_their_browsers() {
    let mut server = Server::start("crash-browser");
    let company = Company::of(&server);
    let tenant = company.get("me")["tenant"]["id"].as_str().expect("a tenant").to_owned();
    let mut agent = Browser::start(&server, AGENT_HZ);
    agent.at_desk("agent", "agent1@sample.test");
    let mut customer = Browser::start(&server, CALLER_HZ);
    customer.order(json!({"do": "open", "page": "customer", "path": format!("/call/{tenant}")}));
    customer.order(json!({"do": "choose", "page": "customer", "selector": "input[name=number][value=\"1000\"]"}));
    customer.click("customer", "call");
    agent.click("agent", "accept");
    agent.wait_tone("agent", CALLER_HZ);
    customer.wait_tone("customer", AGENT_HZ);
    agent.listen("agent", 1000);

    server.kill();
    let cut = Instant::now();
    server.start_again();
    customer.wait("customer", "call-state", "data-state", "answered");
    let at_customer = wait_for("the customer to hear the agent again", SOON, || {
        let heard = customer.listen("customer", 400);
        verdict::browser_hears(&heard, AGENT_HZ, CALLER_HZ).ok().map(|()| cut.elapsed())
    });
    let at_agent = wait_for("the agent to hear the customer again", SOON, || {
        let heard = agent.listen("agent", 400);
        verdict::browser_hears(&heard, CALLER_HZ, AGENT_HZ).ok().map(|()| cut.elapsed())
    });
    println!("sound was back {at_customer:?} and {at_agent:?} after the kill");
    agent.wait("agent", "work-state", "data-state", "talking");
    customer.click("customer", "hang-up");
    agent.wait_shown("agent", "wrap-up");
    agent.order(json!({"do": "click", "page": "agent", "test": "disposition", "text": "Resolved"}));
    agent.click("agent", "end-wrap-up");
    let ended = Company::of(&server).wait_ended(1, SOON);
    assert_eq!(ended[0]["end"], "served");
}

#[test]
fn ring_me_speaks_and_then_echoes() {
    let server = Server::start("ring-me");
    let mut chromium = Browser::start(&server, AGENT_HZ);
    chromium.at_desk("agent", "agent1@sample.test");
    chromium.click("agent", "ring-me");
    chromium.click("agent", "accept");
    chromium.wait("agent", "work-state", "data-state", "talking");
    // A voice: loud enough, and not the newcomer's own tone.
    let voice = wait_for("the demo caller's voice", SOON, || {
        let heard = chromium.listen("agent", 1000);
        (level(&heard) > 300.0).then_some(heard)
    });
    must("the demo caller", verdict::hears_music(&voice, &[AGENT_HZ]));
    must_fail("silence as a voice", verdict::hears_music(&[0; 8000], &[AGENT_HZ]));
    // Then the newcomer's own voice comes back.
    chromium.wait_tone("agent", AGENT_HZ);
    chromium.click("agent", "phone-hang_up");
    chromium.wait_shown("agent", "wrap-up");
    let company = Company::of(&server);
    chromium.click("agent", "end-wrap-up");
    let ended = company.wait_ended(1, SOON);
    assert_eq!(ended[0]["end"], "served");
}
