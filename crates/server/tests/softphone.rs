//! The same call with softphones nobody here wrote. baresip on both ends: menu by its keypad, queue, conversation,
//! recording. Linphone as the agent's phone, set up by nothing but its link.
mod support;

use serde_json::json;

use support::SOON;
use support::baresip::{Account, Baresip};
use support::call::{AGENT_HZ, CALLER_HZ, Caller, Phone, SECRET, auto_answer};
use support::company::{Company, id, try_for};
use support::linphone::Linphone;
use support::scenario::{newest, segment_of, served_by};
use support::server::Server;
use support::sound::{heard_ms, stereo};
use support::verdict::{self, Expected, must, must_fail};
use support::wait_for;

#[test]
fn a_baresip_caller_is_served_by_a_baresip_agent() {
    let server = Server::start("baresip");
    let company = Company::of(&server);
    let agent = company.agent("Agent 5");
    let device = company.sip_device(&agent, "7105", SECRET);
    let phone = Baresip::start(server.sip, AGENT_HZ, Some(&Account { user: "7105", secret: SECRET }));
    // Waits until its registration has made the device ready.
    company.on_duty(&agent, &device);

    let mut caller = Baresip::start(server.sip, CALLER_HZ, None);
    caller.dial(server.sip, "2000");
    caller.wait_event("CALL_ESTABLISHED");
    let interaction = id(&newest(&company, &[]));
    wait_for("the menu", SOON, || {
        let events = company.get(&format!("interactions/{interaction}/events"));
        events["items"].as_array()?.iter().find(|e| e["data"]["step"] == "menu").map(|_| ())
    });
    // The prompts before: a voice, and not the caller's own tone.
    must("the caller in the menu", verdict::hears_music(&caller.heard(), &[CALLER_HZ, AGENT_HZ]));
    caller.press('1');

    caller.wait_tone(AGENT_HZ, 300);
    phone.wait_tone(CALLER_HZ, 300);
    let (at_caller, at_agent) = (caller.listen(1000), phone.listen(1000));
    must("the caller", verdict::hears(&at_caller, AGENT_HZ, CALLER_HZ));
    must("the agent", verdict::hears(&at_agent, CALLER_HZ, AGENT_HZ));
    must_fail("the sides swapped", verdict::hears(&at_caller, CALLER_HZ, AGENT_HZ));
    assert_eq!(heard_ms(&at_agent, 697.0), 0, "the digit's tone was an event, not sound");
    caller.hang_up();
    phone.wait_event("CALL_CLOSED");
    let (segment, _) = company.wait_segment(&agent, "wrap_up");
    company.wrap_up(&agent, &segment, "Resolved");

    let detail = company.wait_detail(&interaction);
    assert_eq!(detail["summary"]["end"], "served");
    assert_eq!(detail["summary"]["queues"][0]["name"]["en"], "Sales");
    let (left, right) = stereo(&company.recording(&id(&detail["recordings"][0])));
    let talk = detail["summary"]["talk_ms"].as_f64().expect("talk");
    let expected = Expected { left_hz: CALLER_HZ, right_hz: AGENT_HZ, length_ms: talk, gaps: Vec::new() };
    must("the recording", verdict::recording(&left, &right, &expected));
    must_fail("its channels swapped", verdict::recording(&right, &left, &expected));
}

/// The voice of whom the customer is handed to.
const THIRD_HZ: f64 = 870.0;

#[test]
fn linphone_is_set_up_by_a_link_and_holds_transfers_and_calls_by_its_own_commands() {
    let server = Server::start("linphone");
    let company = Company::of(&server);
    let agent = company.agent("Agent 1");
    let kind = json!({"kind": "sip", "user": "7106"});
    let made = json!({"name": "7106", "agent": agent, "kind": kind, "srtp": "required"});
    let device = id(&company.post("devices", made));
    let link = company.post(&format!("devices/{device}/link"), json!({"transport": "tls"}));
    let path = link["path"].as_str().expect("a path");
    let mut phone = Linphone::start(server.http, path, AGENT_HZ);
    // Waits until its registration has made the device ready.
    company.on_duty(&agent, &device);
    assert_eq!(server.api().text(path).0, 404, "its settings are there once");

    // Called, over TLS with SRTP.
    let mut caller = Caller::dial(&server, "1000");
    caller.rtp.wait_tone(AGENT_HZ, 300);
    phone.wait_tone(CALLER_HZ, 300);
    let interaction = id(&newest(&company, &[]));
    let (at_caller, at_agent) = (caller.rtp.listen(1000), phone.listen(1000));
    must("the caller", verdict::hears(&at_caller, AGENT_HZ, CALLER_HZ));
    must("the agent", verdict::hears(&at_agent, CALLER_HZ, AGENT_HZ));
    must_fail("the sides swapped", verdict::hears(&at_agent, AGENT_HZ, CALLER_HZ));

    // Its hold: music for the caller.
    phone.hold();
    let music = || verdict::hears_music(&caller.rtp.listen(800), &[AGENT_HZ, CALLER_HZ]).ok();
    try_for(SOON, music).expect("music for the caller on hold");
    phone.resume();
    caller.rtp.wait_tone(AGENT_HZ, 300);
    phone.wait_tone(CALLER_HZ, 300);

    // Its transfer.
    let colleague = Phone::on_duty(&server, &company, "Agent 2", "7102", &auto_answer());
    colleague.rtp.say(Some(THIRD_HZ));
    phone.transfer("8002");
    colleague.wait_call();
    caller.rtp.wait_tone(THIRD_HZ, 500);
    must("the customer", verdict::hears(&caller.rtp.listen(800), THIRD_HZ, CALLER_HZ));
    must("the colleague", verdict::hears(&colleague.rtp.listen(800), CALLER_HZ, AGENT_HZ));
    let detail = served_by(&company, &mut caller, &[&agent, &colleague.agent], &interaction);
    assert_eq!(segment_of(&detail, &agent)["end"], "transferred");

    // It calls, and hears itself by the echo.
    phone.dial("3000");
    phone.wait_tone(AGENT_HZ, 500);
    phone.hang_up();
}
