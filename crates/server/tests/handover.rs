//! Customers handed from one to the next, with sound at every ear: consultation, conference and transfer from the desk,
//! a supervisor who listens, whispers, barges in and takes over from the live board, a softphone's own transfer button.
mod support;

use serde_json::{Value, json};

use support::SOON;
use support::baresip::{Account, Baresip};
use support::browser::Browser;
use support::call::{AGENT_HZ, CALLER_HZ, Caller, Phone, SECRET, auto_answer};
use support::company::{Company, id};
use support::lines::Lines;
use support::peers::{Calls, Sipp};
use support::rtp::RtpPeer;
use support::scenario::{newest, segment_of, served_by};
use support::server::Server;
use support::sound::{heard_ms, stereo};
use support::verdict::{self, must, must_fail};
use support::wait_for;

/// The third voice: no multiple of the others, no DTMF frequency.
const THIRD_HZ: f64 = 870.0;

/// Until a phone hears two tones at once.
fn wait_both(what: &str, listen: impl Fn() -> Vec<i16>, others: [f64; 2], own: f64, percent: u64) {
    let mut last = Ok(());
    let found = support::company::try_for(SOON, || {
        last = verdict::hears_both(&listen(), others, own, percent);
        last.is_ok().then_some(())
    });
    assert!(found.is_some(), "{what}: {last:?}");
}

fn blocks_with(channel: &[i16], hz: f64) -> u64 {
    heard_ms(channel, hz)
}

#[test]
fn an_agent_consults_a_colleague_confers_and_leaves_the_customer_to_him() {
    let server = Server::start("consult");
    let company = Company::of(&server);
    let mut chromium = Browser::start(&server, AGENT_HZ);
    chromium.at_desk("agent", "agent1@sample.test");
    let (first, support) = (company.agent("Agent 1"), company.queue("Support"));
    // The caller comes before the colleague is on duty, so that it is Agent 1 who is asked.
    let mut caller = Caller::dial(&server, "1000");
    chromium.click("agent", "accept");
    chromium.wait("agent", "work-state", "data-state", "talking");
    caller.rtp.wait_tone(AGENT_HZ, 300);
    let interaction = id(&newest(&company, &[]));
    let phone = Phone::on_duty(&server, &company, "Agent 2", "7102", &auto_answer());
    phone.rtp.say(Some(THIRD_HZ));

    // Consultation: the customer has music, the two hear each other.
    chromium.click("agent", "phone-transfer");
    chromium.order(json!({"do": "click", "page": "agent", "test": "target", "text": "Agent 2"}));
    chromium.click("agent", "consult-first");
    chromium.wait("agent", "work-state", "data-state", "consulting");
    phone.wait_call();
    phone.rtp.wait_tone(AGENT_HZ, 300);
    chromium.wait_tone("agent", THIRD_HZ);
    must("the customer on hold", verdict::hears_music(&caller.rtp.listen(800), &[AGENT_HZ, CALLER_HZ, THIRD_HZ]));
    must("the colleague", verdict::hears(&phone.rtp.listen(800), AGENT_HZ, CALLER_HZ));
    must("the agent", verdict::browser_hears(&chromium.listen("agent", 800), THIRD_HZ, CALLER_HZ));
    assert_eq!(chromium.order(json!({"do": "enabled", "page": "agent", "test": "phone-hang_up"})), false);

    // Back to the customer for a word: the colleague hears nobody.
    chromium.click("agent", "switch_party");
    chromium.wait("agent", "work-state", "data-state", "talking");
    caller.rtp.wait_tone(AGENT_HZ, 300);
    chromium.wait_tone("agent", CALLER_HZ);
    must("the colleague meanwhile", verdict::hears_nothing(&phone.rtp.listen(600)));
    chromium.click("agent", "switch_party");
    chromium.wait("agent", "work-state", "data-state", "consulting");
    phone.rtp.wait_tone(AGENT_HZ, 300);

    // Conference: everybody hears both others.
    chromium.click("agent", "conference");
    chromium.wait_shown("agent", "others");
    wait_both("the customer", || caller.rtp.listen(600), [AGENT_HZ, THIRD_HZ], CALLER_HZ, 90);
    wait_both("the colleague", || phone.rtp.listen(600), [AGENT_HZ, CALLER_HZ], THIRD_HZ, 90);
    let at_agent = chromium.listen("agent", 1000);
    must("the agent", verdict::hears_both(&at_agent, [CALLER_HZ, THIRD_HZ], AGENT_HZ, 70));
    must_fail("two voices as one", verdict::hears_both(&phone.rtp.listen(600), [AGENT_HZ, 1400.0], THIRD_HZ, 90));

    // The agent leaves; the others go on.
    chromium.click("agent", "phone-hang_up");
    chromium.wait_shown("agent", "wrap-up");
    caller.rtp.wait_tone(THIRD_HZ, 500);
    must("the customer", verdict::hears(&caller.rtp.listen(800), THIRD_HZ, CALLER_HZ));
    must("the colleague", verdict::hears(&phone.rtp.listen(800), CALLER_HZ, THIRD_HZ));
    caller.sipp.hang_up();
    caller.sipp.must_end_well();
    chromium.click("agent", "end-wrap-up");
    let (segment, _) = company.wait_segment(&phone.agent, "wrap_up");
    company.wrap_up(&phone.agent, &segment, "Resolved");

    // The record: both served him for the queue, each recording has its own agent at the right.
    let detail = company.wait_detail(&interaction);
    assert_eq!(detail["summary"]["end"], "served");
    let asked = segment_of(&detail, &phone.agent);
    assert_eq!((&asked["start"], &asked["queue"]["id"]), (&json!("consult"), &json!(support)));
    let states: Vec<&Value> = asked["spans"].as_array().into_iter().flatten().map(|s| &s["state"]).collect();
    assert_eq!(states, ["offered", "connecting", "consulting", "talking", "wrap_up"]);
    let of = |agent: &str| {
        let segment = &segment_of(&detail, agent)["id"];
        let found = detail["recordings"].as_array().into_iter().flatten().find(|r| r["segment"] == *segment);
        stereo(&company.recording(&id(found.unwrap_or_else(|| panic!("no recording of {agent}: {detail:#}")))))
    };
    let ((left, right), (left_2, right_2)) = (of(&first), of(&phone.agent));
    for (channel, hz) in [(&left, CALLER_HZ), (&right, AGENT_HZ), (&left_2, CALLER_HZ), (&right_2, THIRD_HZ)] {
        assert!(blocks_with(channel, hz) > 1000, "{hz} Hz for {} ms only", blocks_with(channel, hz));
    }
    assert_eq!(
        blocks_with(&right, THIRD_HZ) + blocks_with(&right_2, AGENT_HZ),
        0,
        "each agent is in his own recording"
    );
}

#[test]
fn a_supervisor_listens_whispers_barges_in_and_takes_over() {
    let server = Server::start("watch");
    let company = Company::of(&server);
    let phone = Phone::on_duty(&server, &company, "Agent 1", "7101", &auto_answer());
    let mut chromium = Browser::start(&server, THIRD_HZ);
    chromium.at_desk("boss", "supervisor@sample.test");
    let mut caller = Caller::dial(&server, "1000");
    phone.wait_call();
    caller.rtp.wait_tone(AGENT_HZ, 300);
    let interaction = id(&newest(&company, &[]));
    chromium.order(json!({"do": "goto", "page": "boss", "path": "/live/agents"}));
    let menu = json!({"do": "click", "page": "boss", "test": "agent-menu", "name": "data-agent", "value": phone.agent});

    // Listening: nobody notices.
    chromium.order(menu.clone());
    chromium.click("boss", "watch-monitor");
    chromium.wait("boss", "heard", "data-mode", "monitor");
    let mut listen = |ms| chromium.listen("boss", ms);
    let found =
        support::company::try_for(SOON, || verdict::hears_both(&listen(800), [AGENT_HZ, CALLER_HZ], THIRD_HZ, 70).ok());
    assert!(found.is_some(), "the supervisor hears both: {:?}", {
        verdict::hears_both(&listen(800), [AGENT_HZ, CALLER_HZ], THIRD_HZ, 70)
    });
    must("the customer", verdict::hears(&caller.rtp.listen(600), AGENT_HZ, CALLER_HZ));
    must("the agent", verdict::hears(&phone.rtp.listen(600), CALLER_HZ, AGENT_HZ));

    // Whispering: the agent alone hears it.
    chromium.order(menu.clone());
    chromium.click("boss", "watch-whisper");
    chromium.wait("boss", "heard", "data-mode", "whisper");
    wait_both("the agent", || phone.rtp.listen(600), [CALLER_HZ, THIRD_HZ], AGENT_HZ, 90);
    must("the customer", verdict::hears(&caller.rtp.listen(600), AGENT_HZ, CALLER_HZ));

    // Barging in: all hear all.
    chromium.order(menu.clone());
    chromium.click("boss", "watch-barge");
    chromium.wait("boss", "heard", "data-mode", "barge");
    wait_both("the customer", || caller.rtp.listen(600), [AGENT_HZ, THIRD_HZ], CALLER_HZ, 90);
    wait_both("the agent", || phone.rtp.listen(600), [CALLER_HZ, THIRD_HZ], AGENT_HZ, 90);

    // Taking over: the agent is free to wrap up, the customer stays.
    chromium.order(menu);
    chromium.click("boss", "watch-take_over");
    caller.rtp.wait_tone(THIRD_HZ, 500);
    must("the customer", verdict::hears(&caller.rtp.listen(600), THIRD_HZ, CALLER_HZ));
    let (segment, _) = company.wait_segment(&phone.agent, "wrap_up");
    company.wrap_up(&phone.agent, &segment, "Resolved");
    chromium.order(json!({"do": "goto", "page": "boss", "path": "/desk"}));
    chromium.wait("boss", "work-state", "data-state", "talking");
    chromium.wait_tone("boss", CALLER_HZ);
    must("the supervisor", verdict::browser_hears(&chromium.listen("boss", 800), CALLER_HZ, AGENT_HZ));
    chromium.click("boss", "phone-hang_up");
    caller.sipp.must_end_well();
    chromium.click("boss", "end-wrap-up");

    let detail = company.wait_detail(&interaction);
    assert_eq!(detail["summary"]["end"], "served");
    let ways: Vec<&str> =
        detail["segments"].as_array().into_iter().flatten().filter_map(|s| s["start"].as_str()).collect();
    assert_eq!(ways, ["entry", "offer", "watch", "take_over"]);
    assert_eq!(detail["recordings"].as_array().map(Vec::len), Some(2));
}

#[test]
fn a_softphone_sends_the_customer_on_by_its_own_button() {
    let server = Server::start("refer");
    let company = Company::of(&server);
    let agent = company.agent("Agent 1");
    let device = company.sip_device(&agent, "7101", SECRET);
    let mut phone = Baresip::start(server.sip, AGENT_HZ, Some(&Account { user: "7101", secret: SECRET }));
    company.on_duty(&agent, &device);
    let mut caller = Caller::dial(&server, "1000");
    caller.rtp.wait_tone(AGENT_HZ, 300);
    let interaction = id(&newest(&company, &[]));
    let colleague = Phone::on_duty(&server, &company, "Agent 2", "7102", &auto_answer());
    colleague.rtp.say(Some(THIRD_HZ));

    phone.transfer(server.sip, "8002");
    colleague.wait_call();
    caller.rtp.wait_tone(THIRD_HZ, 500);
    must("the customer", verdict::hears(&caller.rtp.listen(800), THIRD_HZ, CALLER_HZ));
    must("the colleague", verdict::hears(&colleague.rtp.listen(800), CALLER_HZ, AGENT_HZ));
    phone.wait_event("CALL_CLOSED");
    wait_for("the first agent's wrap-up", SOON, || {
        (company.board_agent(&agent)["occupancy"] == "wrap_up").then_some(())
    });
    let detail = served_by(&company, &mut caller, &[&agent, &colleague.agent], &interaction);
    assert_eq!(segment_of(&detail, &agent)["end"], "transferred");
    assert_eq!(segment_of(&detail, &colleague.agent)["start"], "transfer");
}

#[test]
fn a_softphone_asks_a_colleague_and_connects_the_customer_with_him() {
    let server = Server::start("attended");
    let company = Company::of(&server);
    let agent = company.agent("Agent 1");
    let device = company.sip_device(&agent, "7101", SECRET);
    let mut phone = Lines::start(server.sip, AGENT_HZ, &Account { user: "7101", secret: SECRET });
    company.on_duty(&agent, &device);
    let mut caller = Caller::dial(&server, "1000");
    phone.wait_said("LinphoneCallStreamsRunning", 1);
    phone.speak_in(1);
    caller.rtp.wait_tone(AGENT_HZ, 300);
    let interaction = id(&newest(&company, &[]));
    let colleague = Phone::on_duty(&server, &company, "Agent 2", "7102", &auto_answer());
    colleague.rtp.say(Some(THIRD_HZ));

    // Its second call is about the customer, who waits with music.
    phone.dial(server.sip, "8002");
    colleague.wait_call();
    company.wait_segment(&agent, "consulting");
    phone.wait_said("LinphoneCallStreamsRunning", 2);
    phone.speak_in(2);
    colleague.rtp.wait_tone(AGENT_HZ, 300);
    must("the customer on hold", verdict::hears_music(&caller.rtp.listen(800), &[AGENT_HZ, CALLER_HZ, THIRD_HZ]));
    must("the colleague", verdict::hears(&colleague.rtp.listen(800), AGENT_HZ, CALLER_HZ));

    phone.connect(1, 2);
    caller.rtp.wait_tone(THIRD_HZ, 500);
    must("the customer", verdict::hears(&caller.rtp.listen(800), THIRD_HZ, CALLER_HZ));
    must("the colleague", verdict::hears(&colleague.rtp.listen(800), CALLER_HZ, AGENT_HZ));
    phone.wait_said("LinphoneCallReleased", 2);
    wait_for("the first agent's wrap-up", SOON, || {
        (company.board_agent(&agent)["occupancy"] == "wrap_up").then_some(())
    });
    let detail = served_by(&company, &mut caller, &[&agent, &colleague.agent], &interaction);
    assert_eq!(segment_of(&detail, &agent)["end"], "transferred");
    assert_eq!(segment_of(&detail, &colleague.agent)["start"], "consult");
    let of = |agent: &str| {
        let segment = &segment_of(&detail, agent)["id"];
        let found = detail["recordings"].as_array().into_iter().flatten().find(|r| r["segment"] == *segment);
        stereo(&company.recording(&id(found.unwrap_or_else(|| panic!("no recording of {agent}: {detail:#}")))))
    };
    let ((_, right), (left_2, right_2)) = (of(&agent), of(&colleague.agent));
    assert!(blocks_with(&right, AGENT_HZ) > 200, "the agent is in his own recording");
    assert!(blocks_with(&left_2, CALLER_HZ) > 800 && blocks_with(&right_2, THIRD_HZ) > 800);
    assert_eq!(blocks_with(&right, THIRD_HZ) + blocks_with(&right_2, AGENT_HZ), 0);
}

/// INVITE with Replaces (RFC 3891).
#[test]
fn an_agent_goes_on_with_his_call_on_another_phone_and_nobody_else_can() {
    let server = Server::start("replaces");
    let company = Company::of(&server);
    let mut first = Phone::on_duty(&server, &company, "Agent 1", "7101", &auto_answer());
    company.sip_device(&first.agent, "7111", SECRET);
    company.sip_device(&company.agent("Agent 2"), "7102", SECRET);
    let mut caller = Caller::dial(&server, "1000");
    first.wait_call();
    caller.rtp.wait_tone(AGENT_HZ, 300);
    let (segment, interaction) = company.wait_segment(&first.agent, "talking");
    let messages = first.sipp.messages();
    let answer = messages.iter().find(|m| m.sent && m.status_of("INVITE") == Some(200)).expect("it has answered");
    let tag = |name: &str| answer.header(name).and_then(|h| h.split(";tag=").nth(1)).expect("a tag").to_owned();
    let (ours, theirs) = (tag("From"), tag("To"));

    let ask = |rtp: &RtpPeer, user: &str, ours: &str, more: &str| {
        let headers = format!("Replaces: {};to-tag={ours};from-tag={theirs}{more}", answer.call_id());
        let calls = Calls {
            scenario: "phone_caller",
            number: "8001",
            headers: &headers,
            rtp_port: rtp.port,
            ..Calls::default()
        };
        Sipp::call_as(server.sip, &calls, user, SECRET)
    };
    let rtp = RtpPeer::start();
    rtp.say(Some(THIRD_HZ));
    for (user, tag, more, status) in
        [("7102", &ours[..], "", 403), ("7111", "other", "", 481), ("7111", &ours, ";early-only", 486)]
    {
        let refused = ask(&rtp, user, tag, more);
        wait_for(&format!("{status} for {user}"), SOON, || {
            refused.transcript().contains(&format!("SIP/2.0 {status} ")).then_some(())
        });
    }
    must("the customer meanwhile", verdict::hears(&caller.rtp.listen(600), AGENT_HZ, CALLER_HZ));

    let mut second = ask(&rtp, "7111", &ours, "");
    rtp.send_to(wait_for("the second phone to be answered", SOON, || second.media()));
    caller.rtp.wait_tone(THIRD_HZ, 500);
    must("the customer", verdict::hears(&caller.rtp.listen(800), THIRD_HZ, CALLER_HZ));
    must("the agent", verdict::hears(&rtp.listen(800), CALLER_HZ, THIRD_HZ));
    first.sipp.must_end_well();
    assert_eq!(company.wait_segment(&first.agent, "talking").0, segment, "it is the same conversation");
    caller.sipp.hang_up();
    caller.sipp.must_end_well();
    second.must_end_well();
    company.wrap_up(&first.agent, &segment, "Resolved");
    let detail = company.wait_detail(&interaction);
    assert_eq!(detail["summary"]["end"], "served");
    let sides: Vec<_> = detail["recordings"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|r| stereo(&company.recording(&id(r))))
        .map(|(left, right)| {
            [(&left, CALLER_HZ), (&right, AGENT_HZ), (&right, THIRD_HZ)].map(|(c, hz)| blocks_with(c, hz))
        })
        .collect();
    assert_eq!(sides.len(), 2, "{detail:#}");
    for [customer, before, after] in &sides {
        assert!(*customer > 600 && (*before > 600) != (*after > 600), "{sides:?}");
    }
}

#[test]
fn a_softphone_picks_a_parked_customer_up_by_the_number_of_his_place() {
    let server = Server::start("pick-up");
    let company = Company::of(&server);
    let first = Phone::on_duty(&server, &company, "Agent 1", "7101", &auto_answer());
    let mut caller = Caller::dial(&server, "1000");
    first.wait_call();
    caller.rtp.wait_tone(AGENT_HZ, 300);
    let interaction = id(&newest(&company, &[]));
    let (segment, _) = company.wait_segment(&first.agent, "talking");
    company.command(&first.agent, json!({"command": "park", "segment": segment}));

    let agent = company.agent("Agent 2");
    let device = company.sip_device(&agent, "7102", SECRET);
    let mut phone = Baresip::start(server.sip, THIRD_HZ, Some(&Account { user: "7102", secret: SECRET }));
    company.on_duty(&agent, &device);
    phone.dial(server.sip, "702");
    phone.wait_event("CALL_CLOSED");
    phone.dial(server.sip, "701");
    caller.rtp.wait_tone(THIRD_HZ, 500);
    phone.wait_tone(CALLER_HZ, 300);
    must("the customer", verdict::hears(&caller.rtp.listen(800), THIRD_HZ, CALLER_HZ));
    company.wait_segment(&agent, "talking");
    phone.hang_up();
    caller.sipp.must_end_well();
    let (segment, _) = company.wait_segment(&agent, "wrap_up");
    company.wrap_up(&agent, &segment, "Resolved");
    let detail = company.wait_detail(&interaction);
    assert_eq!(detail["summary"]["end"], "served");
    assert_eq!(segment_of(&detail, &agent)["start"], "pick_up");
}
