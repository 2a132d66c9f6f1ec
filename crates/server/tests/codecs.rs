//! Other codecs than G.711, with phones and a browser nobody here wrote: what both sides speak is not opened, and else each
//! hears the other all the same.
mod support;

use serde_json::{Value, json};

use support::SOON;
use support::baresip::{Account, Baresip, Manner, Speaks};
use support::browser::Browser;
use support::call::{AGENT_HZ, CALLER_HZ, Caller, SECRET};
use support::company::{Company, id};
use support::scenario::newest;
use support::server::Server;
use support::sound::stereo;
use support::verdict::{self, Expected, must, must_fail};
use support::wait_for;

/// Above what a telephone of 8 kHz can carry.
const WIDE_CALLER_HZ: f64 = 5000.0;
const WIDE_AGENT_HZ: f64 = 5600.0;

fn speaking(codec: Speaks) -> Manner<'static> {
    Manner { codec, ..Manner::default() }
}

/// What the customer's leg and the agent's have agreed on.
fn must_speak(company: &Company, interaction: &str, codecs: [&str; 2]) {
    wait_for(&format!("legs of {codecs:?}"), SOON, || {
        let detail = company.interaction(interaction);
        let codec = |role: &str| {
            let leg = detail["legs"].as_array()?.iter().find(|leg| leg["role"] == role)?.clone();
            leg["codec"].as_str().map(str::to_owned)
        };
        (codec("customer").as_deref() == Some(codecs[0]) && codec("agent").as_deref() == Some(codecs[1])).then_some(())
    });
}

fn wrap_up(chromium: &mut Browser) {
    chromium.wait_shown("agent", "wrap-up");
    chromium.order(json!({"do": "click", "page": "agent", "test": "disposition", "text": "Resolved"}));
    chromium.click("agent", "end-wrap-up");
}

/// The recording has each side in its own channel.
fn recorded(company: &Company, detail: &Value) {
    let (left, right) = stereo(&company.recording(&id(&detail["recordings"][0])));
    let length_ms = detail["summary"]["talk_ms"].as_f64().expect("talk");
    let expected = Expected { left_hz: CALLER_HZ, right_hz: AGENT_HZ, length_ms, gaps: Vec::new() };
    must("the recording", verdict::recording(&left, &right, &expected));
    must_fail("its channels swapped", verdict::recording(&right, &left, &expected));
}

#[test]
fn phones_of_g722_hear_each_others_wide_band_and_a_g711_agent_serves_one() {
    let server = Server::start("g722");
    let company = Company::of(&server);
    let agent = company.agent("Agent 1");
    let device = company.sip_device(&agent, "7105", SECRET);
    company.patch(&format!("devices/{device}"), json!({"codecs": ["g722", "pcma"]}));
    let account = Account { user: "7105", secret: SECRET };
    let phone = Baresip::start_in(server.sip, WIDE_AGENT_HZ, Some(&account), &speaking(Speaks::G722));
    company.on_duty(&agent, &device);

    let mut caller = Baresip::start_in(server.sip, WIDE_CALLER_HZ, None, &speaking(Speaks::G722));
    caller.dial(server.sip, "1000");
    caller.wait_tone(WIDE_AGENT_HZ, 300);
    phone.wait_tone(WIDE_CALLER_HZ, 300);
    let (at_caller, at_agent) = (caller.listen(1000), phone.listen(1000));
    assert!(caller.heard_ms(&at_caller, WIDE_AGENT_HZ) >= 850, "the agent's upper half of the band");
    assert!(phone.heard_ms(&at_agent, WIDE_CALLER_HZ) >= 850, "the caller's upper half of the band");
    assert_eq!(caller.heard_ms(&at_caller, WIDE_CALLER_HZ), 0, "not himself");
    let first = id(&newest(&company, &[]));
    caller.hang_up();
    phone.wait_event("CALL_CLOSED");
    must_speak(&company, &first, ["g722", "g722"]);
    drop((caller, phone));

    // While the first wraps up: an agent whose phone speaks µ-law alone.
    let agent = company.agent("Agent 2");
    let device = company.sip_device(&agent, "7106", SECRET);
    let phone = Baresip::start(server.sip, AGENT_HZ, Some(&Account { user: "7106", secret: SECRET }));
    company.on_duty(&agent, &device);
    let mut caller = Baresip::start_in(server.sip, CALLER_HZ, None, &speaking(Speaks::G722));
    caller.dial(server.sip, "1000");
    caller.wait_tone(AGENT_HZ, 300);
    phone.wait_tone(CALLER_HZ, 300);
    let (at_caller, at_agent) = (caller.listen(1000), phone.listen(1000));
    assert!(caller.heard_ms(&at_caller, AGENT_HZ) >= 850 && caller.heard_ms(&at_caller, CALLER_HZ) == 0);
    must("the agent", verdict::hears(&at_agent, CALLER_HZ, AGENT_HZ));
    let second = id(&newest(&company, &[json!({"id": first})]));
    caller.hang_up();
    phone.wait_event("CALL_CLOSED");
    must_speak(&company, &second, ["g722", "pcmu"]);
    let (segment, _) = company.wait_segment(&agent, "wrap_up");
    company.wrap_up(&agent, &segment, "Resolved");
    recorded(&company, &company.wait_detail(&second));
}

#[test]
fn a_caller_who_was_answered_in_one_law_is_asked_for_that_of_the_agents_phone() {
    let server = Server::start("align");
    let company = Company::of(&server);
    let agent = company.agent("Agent 1");
    let device = company.sip_device(&agent, "7107", SECRET);
    let account = Account { user: "7107", secret: SECRET };
    let phone = Baresip::start_in(server.sip, AGENT_HZ, Some(&account), &speaking(Speaks::Pcma));
    company.on_duty(&agent, &device);

    let mut caller = Baresip::start_in(server.sip, CALLER_HZ, None, &speaking(Speaks::BothLaws));
    caller.dial(server.sip, "1000");
    caller.wait_tone(AGENT_HZ, 300);
    phone.wait_tone(CALLER_HZ, 300);
    let sent = |kind: &str| server.metric(&format!("cordboard_sound_sent_total{{kind=\"{kind}\"}}")).unwrap_or(0.0);
    // The figures are told every few seconds.
    wait_for("packets passed on unopened", SOON, || (sent("relayed") > 100.0).then_some(()));
    let (coded, relayed) = (sent("transcoded"), sent("relayed"));
    wait_for("more of them", SOON, || (sent("relayed") > relayed + 100.0).then_some(()));
    assert_eq!(sent("transcoded"), coded, "none is opened any more");
    let (at_caller, at_agent) = (caller.listen(1000), phone.listen(1000));
    must("the caller", verdict::hears(&at_caller, AGENT_HZ, CALLER_HZ));
    must("the agent", verdict::hears(&at_agent, CALLER_HZ, AGENT_HZ));
    let interaction = id(&newest(&company, &[]));
    caller.hang_up();
    phone.wait_event("CALL_CLOSED");
    must_speak(&company, &interaction, ["pcmu", "pcma"]);
    let (segment, _) = company.wait_segment(&agent, "wrap_up");
    company.wrap_up(&agent, &segment, "Resolved");
    recorded(&company, &company.wait_detail(&interaction));
}

#[test]
fn an_opus_browser_serves_a_g711_caller_and_an_opus_phone() {
    let server = Server::start("opus");
    let company = Company::of(&server);
    company.patch("tenant", json!({"browser_codecs": ["opus", "g722"]}));
    let mut chromium = Browser::start(&server, AGENT_HZ);
    chromium.at_desk("agent", "agent1@sample.test");
    let mut known: Vec<Value> = Vec::new();

    let mut caller = Caller::dial(&server, "1000");
    chromium.click("agent", "accept");
    caller.rtp.wait_tone(AGENT_HZ, 300);
    chromium.wait_tone("agent", CALLER_HZ);
    let (at_caller, at_agent) = (caller.rtp.listen(1000), chromium.listen("agent", 1000));
    must("the caller", verdict::browser_hears(&at_caller, AGENT_HZ, CALLER_HZ));
    must("the agent", verdict::browser_hears(&at_agent, CALLER_HZ, AGENT_HZ));
    let interaction = id(&newest(&company, &known));
    caller.sipp.hang_up();
    caller.sipp.must_end_well();
    must_speak(&company, &interaction, ["pcmu", "opus"]);
    known.push(newest(&company, &known));
    wrap_up(&mut chromium);
    recorded(&company, &company.wait_detail(&interaction));

    // Another who speaks Opus is answered by it: nothing is opened.
    let mut phone = Baresip::start_in(server.sip, CALLER_HZ, None, &speaking(Speaks::Opus));
    phone.dial(server.sip, "1000");
    chromium.click("agent", "accept");
    phone.wait_tone(AGENT_HZ, 300);
    chromium.wait_tone("agent", CALLER_HZ);
    let interaction = id(&newest(&company, &known));
    phone.hang_up();
    must_speak(&company, &interaction, ["opus", "opus"]);
    wrap_up(&mut chromium);
    recorded(&company, &company.wait_detail(&interaction));
}
