//! The same call with a softphone nobody here wrote, baresip, on both ends: menu by its keypad, queue, conversation,
//! recording.
mod support;

use support::SOON;
use support::baresip::{Account, Baresip};
use support::call::{AGENT_HZ, CALLER_HZ, SECRET};
use support::company::{Company, id};
use support::scenario::newest;
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
