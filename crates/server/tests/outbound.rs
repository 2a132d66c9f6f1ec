//! Calls to the outside by a carrier that is SIPp: from the desk in the browser with sound both ways and recorded, the
//! second trunk when the first is dead, what the carrier announces before it refuses, and what the rules forbid; callers
//! who left a message are called back.
mod support;

use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use support::SOON;
use support::baresip::{Account, Baresip};
use support::browser::Browser;
use support::call::{AGENT_HZ, CALLER_HZ, Caller, Phone, SECRET, auto_answer};
use support::company::{Company, id};
use support::peers::{Calls, Sipp, free_port};
use support::rtp::RtpPeer;
use support::scenario::{newest, segment_of};
use support::server::{Server, Unusual};
use support::sound::{heard_ms, stereo};
use support::verdict::{self, Expected, must, must_fail};
use support::wait_for;

/// The third voice: no multiple of the others, no DTMF frequency.
const THIRD_HZ: f64 = 870.0;

/// A carrier that answers one call after 700 ms, with the callee's voice.
struct Carrier {
    sipp: Sipp,
    rtp: RtpPeer,
    port: u16,
}

impl Carrier {
    fn start(server: &Server) -> Carrier {
        Carrier::by(server, &auto_answer())
    }

    fn by(server: &Server, calls: &Calls<'_>) -> Carrier {
        let (port, rtp) = (free_port(), RtpPeer::start());
        rtp.say(Some(CALLER_HZ));
        let calls = Calls { rtp_port: rtp.port, pause_ms: 700, ..calls.clone() };
        Carrier { sipp: Sipp::phone(server.sip, port, &calls), rtp, port }
    }

    fn wait_call(&self) {
        self.rtp.send_to(wait_for("the carrier to be called", SOON, || self.sipp.media()));
    }
}

fn trunk(company: &Company, name: &str, host: &str) -> String {
    id(&company.post("trunks", json!({"name": name, "host": host, "check_s": 0})))
}

fn route(company: &Company, prefixes: &[&str], trunks: &[&str]) {
    company.post("routes", json!({"name": "out", "prefixes": prefixes, "trunks": trunks, "format": "national"}));
}

/// Calls to the country, which show the company's number and are recorded.
fn lets_out(company: &Company) {
    let caller = id(&company.number("1000"));
    company.patch(
        "tenant",
        json!({"outbound": {
            "allowed": ["national"], "concurrent": 5, "per_minute": 10, "caller": caller, "record": true,
        }}),
    );
}

#[test]
fn an_agent_calls_out_from_the_desk_and_is_heard() {
    let server = Server::start("dial");
    let company = Company::of(&server);
    let mut carrier = Carrier::start(&server);
    // Nobody listens at the first trunk: the network says so, and the second is tried.
    let dead = trunk(&company, "dead", &format!("127.0.0.1:{}", free_port()));
    let living = trunk(&company, "carrier", &format!("127.0.0.1:{}", carrier.port));
    route(&company, &["+86"], &[&dead, &living]);
    lets_out(&company);
    let agent = company.agent("Agent 1");
    let mut chromium = Browser::start(&server, AGENT_HZ);
    chromium.at_desk("agent", "agent1@sample.test");

    chromium.click("agent", "call-out");
    chromium.order(json!({"do": "fill", "page": "agent", "test": "dial-number", "keys": "+44 20 7946 0000"}));
    chromium.click("agent", "dial-now");
    chromium.wait_shown("agent", "dial-error");
    chromium.order(json!({"do": "fill", "page": "agent", "test": "dial-number", "keys": "138 0013 8000"}));
    chromium.click("agent", "dial-now");
    chromium.wait("agent", "work-state", "data-state", "connecting");
    carrier.wait_call();
    chromium.wait("agent", "work-state", "data-state", "talking");
    chromium.wait_tone("agent", CALLER_HZ);
    carrier.rtp.wait_tone(AGENT_HZ, 300);
    let (at_agent, at_callee) = (chromium.listen("agent", 1000), carrier.rtp.listen(1000));
    must("the agent", verdict::browser_hears(&at_agent, CALLER_HZ, AGENT_HZ));
    must("the callee", verdict::browser_hears(&at_callee, AGENT_HZ, CALLER_HZ));
    must_fail("the sides swapped", verdict::browser_hears(&at_agent, AGENT_HZ, CALLER_HZ));
    let invite = carrier.sipp.transcript();
    assert!(invite.contains("INVITE sip:13800138000@127.0.0.1"), "the number as the trunk wants it: {invite}");
    assert!(invite.contains("<sip:1000@"), "the company's number is shown: {invite}");

    let interaction = id(&newest(&company, &[]));
    chromium.click("agent", "phone-hang_up");
    carrier.sipp.must_end_well();
    let detail = company.wait_detail(&interaction);
    let summary = &detail["summary"];
    assert_eq!((&summary["direction"], &summary["end"]), (&json!("outbound"), &json!("served")));
    assert_eq!(segment_of(&detail, &agent)["start"], "dial");
    let tried: Vec<&Value> = detail["legs"]
        .as_array()
        .into_iter()
        .flatten()
        .filter(|l| l["role"] == "customer")
        .map(|l| &l["cause"])
        .collect();
    assert_eq!(tried, ["unreachable", "hangup"]);
    let (left, right) = stereo(&company.recording(&id(&detail["recordings"][0])));
    let length_ms = summary["talk_ms"].as_f64().expect("talk");
    let expected = Expected { left_hz: CALLER_HZ, right_hz: AGENT_HZ, length_ms, gaps: Vec::new() };
    must("the recording", verdict::recording(&left, &right, &expected));
    must_fail("its channels swapped", verdict::recording(&right, &left, &expected));
    let ogg = company.recording(&format!("{}?format=ogg", id(&detail["recordings"][0])));
    assert!(ogg.starts_with(b"OggS\0\x02") && ogg.windows(8).any(|w| w == b"OpusTags"));
    let whole = (2 * left.len() * 2) as f64;
    assert!(ogg.len() as f64 > whole / 50.0 && (ogg.len() as f64) < whole / 3.0, "{} of {whole}", ogg.len());
}

#[test]
fn an_agents_phone_rings_first_and_the_rules_hold() {
    let server = Server::start("dial-phone");
    let company = Company::of(&server);
    let carrier = Carrier::start(&server);
    let living = trunk(&company, "carrier", &format!("127.0.0.1:{}", carrier.port));
    route(&company, &[""], &[&living]);
    let phone = Phone::on_duty(&server, &company, "Agent 1", "7101", &auto_answer());
    let refused = |number: &str| {
        let command = json!({"command": {"command": "dial", "number": number}});
        let (status, answer) =
            company.api.status("POST", &format!("/api/v1/agents/{}/commands", phone.agent), Some(command));
        (status, answer["code"].as_str().unwrap_or_default().to_owned())
    };
    assert_eq!(refused("+442079460000"), (403, "number.forbidden".to_owned()));
    assert_eq!(refused("call me"), (422, "number.invalid".to_owned()));
    assert_eq!(refused("8002"), (422, "number.internal".to_owned()));
    // A fen for the answer is all that the company spends a day.
    let spend =
        json!({"currency": "CNY", "prices": [{"class": "national", "per_minute": 6, "connection": 1}], "day": 1});
    company.patch(
        "tenant",
        json!({"outbound": {"allowed": ["national"], "concurrent": 5, "per_minute": 10, "record": true, "spend": spend}}),
    );
    company.command(&phone.agent, json!({"command": "dial", "number": "010-8888-6666"}));
    phone.wait_call();
    carrier.wait_call();
    phone.rtp.wait_tone(CALLER_HZ, 300);
    carrier.rtp.wait_tone(AGENT_HZ, 300);
    must("the agent", verdict::hears(&phone.rtp.listen(800), CALLER_HZ, AGENT_HZ));
    must("the callee", verdict::hears(&carrier.rtp.listen(800), AGENT_HZ, CALLER_HZ));
    assert!(carrier.sipp.transcript().contains("INVITE sip:01088886666@127.0.0.1"));
    let (segment, interaction) = company.wait_segment(&phone.agent, "talking");
    company.command(&phone.agent, json!({"command": "hang_up", "segment": segment}));
    let detail = company.wait_detail(&interaction);
    assert_eq!(detail["summary"]["end"], "served");
    assert_eq!(refused("010-8888-6666"), (429, "limit.spend".to_owned()));
    let spent = company.get("outbound/spend");
    assert!(spent["day"]["reached"] == true && spent["day"]["spent"].as_u64() >= Some(2), "{spent}");
    let told =
        |trail: &Value| trail["items"].as_array().into_iter().flatten().any(|row| row["action"] == "spend.alarm");
    wait_for("the alarm in the audit", SOON, || told(&company.get("audit")).then_some(()));
}

#[test]
fn a_phone_calls_outside_by_its_keys() {
    let server = Server::start("dial-keys");
    let company = Company::of(&server);
    let mut carrier = Carrier::start(&server);
    let mut silent = Carrier::by(&server, &Calls { scenario: "announcement", ..Calls::default() });
    let living = trunk(&company, "carrier", &format!("127.0.0.1:{}", carrier.port));
    let announcing = trunk(&company, "announcing", &format!("127.0.0.1:{}", silent.port));
    route(&company, &["+86"], &[&living]);
    route(&company, &["955", "+44"], &[&announcing]);
    lets_out(&company);
    let agent = company.agent("Agent 1");
    let device = company.sip_device(&agent, "7101", SECRET);
    let mut phone = Baresip::start(server.sip, AGENT_HZ, Some(&Account { user: "7101", secret: SECRET }));
    company.on_duty(&agent, &device);

    phone.dial(server.sip, "13800138000");
    carrier.wait_call();
    phone.wait_tone(CALLER_HZ, 300);
    carrier.rtp.wait_tone(AGENT_HZ, 300);
    must("the agent", verdict::hears(&phone.listen(800), CALLER_HZ, AGENT_HZ));
    must("the callee", verdict::hears(&carrier.rtp.listen(800), AGENT_HZ, CALLER_HZ));
    let invite = carrier.sipp.transcript();
    assert!(invite.contains("INVITE sip:13800138000@127.0.0.1") && invite.contains("<sip:1000@"), "{invite}");
    let (_, interaction) = company.wait_segment(&agent, "talking");
    assert_eq!(company.board_agent(&agent)["occupancy"], "busy");
    phone.hang_up();
    carrier.sipp.must_end_well();
    let detail = company.wait_detail(&interaction);
    let summary = &detail["summary"];
    assert_eq!((&summary["direction"], &summary["end"]), (&json!("outbound"), &json!("served")));
    assert_eq!(segment_of(&detail, &agent)["start"], "dial");
    let (left, right) = stereo(&company.recording(&id(&detail["recordings"][0])));
    assert!(heard_ms(&left, CALLER_HZ) > 800 && heard_ms(&right, AGENT_HZ) > 800, "the recording has both");
    assert_eq!(heard_ms(&left, AGENT_HZ) + heard_ms(&right, CALLER_HZ), 0);

    // What the network says before the answer is heard, and its refusal told.
    phone.wait_closed(1);
    phone.dial(server.sip, "95588");
    silent.wait_call();
    phone.wait_tone(CALLER_HZ, 300);
    assert_eq!(heard_ms(&silent.rtp.listen(600), AGENT_HZ), 0, "nobody answered, so nobody hears the agent");
    silent.sipp.hang_up();
    silent.sipp.must_end_well();
    assert!(phone.wait_closed(2).contains("404"), "{}", phone.wait_closed(2));
    // The rules are those of the desk.
    phone.dial(server.sip, "+442079460000");
    assert!(phone.wait_closed(3).contains("403"), "{}", phone.wait_closed(3));
    phone.dial(server.sip, "8999");
    assert!(phone.wait_closed(4).contains("404"), "{}", phone.wait_closed(4));
}

#[test]
fn a_phone_calls_a_colleague_by_his_extension() {
    let server = Server::start("dial-inside");
    let company = Company::of(&server);
    let agent = company.agent("Agent 1");
    let device = company.sip_device(&agent, "7101", SECRET);
    let mut phone = Baresip::start(server.sip, CALLER_HZ, Some(&Account { user: "7101", secret: SECRET }));
    company.on_duty(&agent, &device);
    phone.dial(server.sip, "8002");
    assert!(phone.wait_closed(1).contains("480"), "he is not there: {}", phone.wait_closed(1));
    let mut colleague = Phone::on_duty(&server, &company, "Agent 2", "7102", &auto_answer());
    phone.dial(server.sip, "8002");
    colleague.wait_call();
    phone.wait_tone(AGENT_HZ, 300);
    must("the colleague", verdict::hears(&colleague.rtp.listen(800), CALLER_HZ, AGENT_HZ));
    assert!(colleague.sipp.transcript().contains("<sip:8001@"), "his phone shows who calls");
    let (_, interaction) = company.wait_segment(&agent, "consulting");
    for who in [&agent, &colleague.agent] {
        assert_eq!(company.board_agent(who)["occupancy"], "busy");
    }
    phone.hang_up();
    colleague.sipp.must_end_well();
    let detail = company.wait_detail(&interaction);
    let summary = &detail["summary"];
    assert_eq!((&summary["direction"], &summary["end"]), (&json!("internal"), &json!("served")));
    assert_eq!(summary["from"]["text"], "8001");
    assert_eq!(detail["recordings"].as_array().map(Vec::len), Some(0), "nobody from outside, nothing recorded");
}

/// "The number you have dialled is not in service" is said before the answer, which never comes.
#[test]
fn what_the_carrier_announces_before_it_refuses_is_heard() {
    let server = Server::start("dial-early");
    let company = Company::of(&server);
    let mut carrier = Carrier::by(&server, &Calls { scenario: "announcement", ..Calls::default() });
    let living = trunk(&company, "carrier", &format!("127.0.0.1:{}", carrier.port));
    route(&company, &[""], &[&living]);
    let phone = Phone::on_duty(&server, &company, "Agent 1", "7101", &auto_answer());
    company.command(&phone.agent, json!({"command": "dial", "number": "010-8888-6666"}));
    phone.wait_call();
    carrier.wait_call();
    phone.rtp.wait_tone(CALLER_HZ, 300);
    must("the agent", verdict::hears(&phone.rtp.listen(800), CALLER_HZ, AGENT_HZ));
    assert_eq!(heard_ms(&carrier.rtp.listen(800), AGENT_HZ), 0, "nobody answered, so nobody hears the agent");
    let interaction = id(&newest(&company, &[]));
    carrier.sipp.hang_up();
    carrier.sipp.must_end_well();
    let detail = company.wait_detail(&interaction);
    assert_eq!(detail["summary"]["end"], "unanswered");
    let customer = detail["legs"].as_array().into_iter().flatten().find(|l| l["role"] == "customer").cloned();
    assert_eq!(customer.expect("the callee's leg")["cause"], "not_found");
}

#[test]
fn a_customer_is_parked_picked_up_and_handed_to_somebody_outside() {
    let server = Server::start("park");
    let company = Company::of(&server);
    let carrier = Carrier::start(&server);
    carrier.rtp.say(Some(THIRD_HZ));
    let living = trunk(&company, "carrier", &format!("127.0.0.1:{}", carrier.port));
    route(&company, &["+86"], &[&living]);
    let mut chromium = Browser::start(&server, AGENT_HZ);
    chromium.at_desk("agent", "agent1@sample.test");
    let mut caller = Caller::dial(&server, "1000");
    chromium.click("agent", "accept");
    chromium.wait("agent", "work-state", "data-state", "talking");
    caller.rtp.wait_tone(AGENT_HZ, 300);
    let interaction = id(&newest(&company, &[]));

    // Parked: the customer has music and the agent nothing to do; whoever takes him has him.
    chromium.click("agent", "phone-park");
    chromium.wait_shown("agent", "parked");
    must("the parked customer", verdict::hears_music(&caller.rtp.listen(800), &[AGENT_HZ, CALLER_HZ, THIRD_HZ]));
    chromium.click("agent", "pick-up");
    chromium.wait("agent", "work-state", "data-state", "talking");
    caller.rtp.wait_tone(AGENT_HZ, 300);
    chromium.wait_tone("agent", CALLER_HZ);

    // A number typed where colleagues are searched is asked like one.
    chromium.click("agent", "phone-transfer");
    chromium.order(json!({"do": "fill", "page": "agent", "test": "transfer-search", "keys": "138 0013 8000"}));
    chromium.click("agent", "consult-first");
    chromium.wait("agent", "work-state", "data-state", "consulting");
    carrier.wait_call();
    carrier.rtp.wait_tone(AGENT_HZ, 300);
    chromium.wait_tone("agent", THIRD_HZ);
    must("the customer on hold", verdict::hears_music(&caller.rtp.listen(800), &[AGENT_HZ, CALLER_HZ, THIRD_HZ]));
    must("who is asked", verdict::hears(&carrier.rtp.listen(800), AGENT_HZ, CALLER_HZ));
    chromium.click("agent", "complete_transfer");
    chromium.wait_shown("agent", "wrap-up");
    caller.rtp.wait_tone(THIRD_HZ, 500);
    must("the customer", verdict::hears(&caller.rtp.listen(800), THIRD_HZ, CALLER_HZ));
    must("who was asked", verdict::hears(&carrier.rtp.listen(800), CALLER_HZ, AGENT_HZ));
    caller.sipp.hang_up();
    caller.sipp.must_end_well();
    chromium.click("agent", "end-wrap-up");

    let detail = company.wait_detail(&interaction);
    assert_eq!(detail["summary"]["end"], "served");
    let steps: Vec<(&str, &str)> = detail["segments"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|s| Some((s["of"].as_str()?, s["start"].as_str()?)))
        .collect();
    assert_eq!(
        steps,
        [("queue", "entry"), ("agent", "offer"), ("parked", "park"), ("agent", "pick_up"), ("outside", "consult")]
    );
    let outside = &detail["segments"][4];
    assert_eq!(outside["outside"]["text"], "+8613800138000");
    assert_eq!(detail["segments"][2]["place"], 701);
}

/// Comes to the voicemail of a queue in which nobody can wait, and says its tone, or nothing; the interaction.
fn leaves_a_message(server: &Server, company: &Company, says: bool) -> String {
    let known = company.interactions();
    let mut caller = Caller::dial(server, "1000");
    let interaction = id(&newest(company, &known));
    if !says {
        caller.rtp.say(None);
    }
    wait_for("the recording of the message", SOON, || {
        let detail = company.interaction(&interaction);
        detail["recordings"].as_array()?.iter().find(|r| r["started_at"].is_i64()).map(|_| ())
    });
    caller.rtp.listen_for(1600);
    caller.sipp.hang_up();
    caller.sipp.must_end_well();
    interaction
}

#[test]
fn a_message_is_heard_at_the_desk_and_its_caller_called_back_by_a_click() {
    let server = Server::start("voicemail");
    let company = Company::of(&server);
    let mut carrier = Carrier::start(&server);
    let living = trunk(&company, "carrier", &format!("127.0.0.1:{}", carrier.port));
    route(&company, &["+86"], &[&living]);
    company.patch(&format!("queues/{}", company.queue("Support")), json!({"max_waiting": 0}));
    let mut chromium = Browser::start(&server, AGENT_HZ);
    chromium.at_desk("agent", "agent1@sample.test");

    // Whoever says nothing has left nothing.
    let silent = leaves_a_message(&server, &company, false);
    let interaction = leaves_a_message(&server, &company, true);
    chromium.wait_shown("agent", "badge-voicemail");
    let messages = company.get("voicemails");
    let message = id(&messages["items"][0]);
    assert_eq!((messages["items"].as_array().map(Vec::len), &messages["items"][0]["state"]), (Some(1), &json!("new")));
    let (left, right) = stereo(&company.recording(&message));
    assert!(heard_ms(&left, CALLER_HZ) >= 1200 && heard_ms(&right, CALLER_HZ) == 0, "{}", heard_ms(&left, CALLER_HZ));
    wait_for("the silent one to be thrown away", SOON, || {
        let detail = company.interaction(&silent);
        (detail["recordings"][0]["deleted"] == true).then_some(())
    });

    // Heard at the desk, and called back from there: nobody types the number.
    chromium.click("agent", "nav-voicemail");
    chromium.click("agent", "message");
    chromium.click("agent", "play");
    chromium.wait("agent", "message", "data-state", "heard");
    chromium.click("agent", "call-back");
    carrier.wait_call();
    chromium.wait("agent", "work-state", "data-state", "talking");
    chromium.wait_tone("agent", CALLER_HZ);
    carrier.rtp.wait_tone(AGENT_HZ, 300);
    let at_agent = chromium.listen("agent", 800);
    must("the agent", verdict::browser_hears(&at_agent, CALLER_HZ, AGENT_HZ));
    must_fail("the sides swapped", verdict::browser_hears(&at_agent, AGENT_HZ, CALLER_HZ));
    must("the caller", verdict::browser_hears(&carrier.rtp.listen(800), AGENT_HZ, CALLER_HZ));
    assert!(carrier.sipp.transcript().contains("INVITE sip:13800138000@127.0.0.1"));
    let call = id(&newest(&company, &[]));
    chromium.click("agent", "phone-hang_up");
    carrier.sipp.must_end_well();

    chromium.click("agent", "nav-voicemail");
    chromium.wait("agent", "message", "data-state", "handled");
    let handled = company.get(&format!("voicemails/{message}"));
    assert_eq!((&handled["state"], &handled["call"]), (&json!("handled"), &json!(call)));
    assert_eq!(company.wait_detail(&call)["calls_back"], json!(interaction));
    assert_eq!(company.wait_detail(&interaction)["called_back_by"], json!([call]));
}

#[test]
fn a_hidden_number_is_on_no_phone_of_an_agent_and_is_called_back_all_the_same() {
    let server = Server::start("masked");
    let company = Company::of(&server);
    let mut carrier = Carrier::start(&server);
    let living = trunk(&company, "carrier", &format!("127.0.0.1:{}", carrier.port));
    route(&company, &["+86"], &[&living]);
    company.patch("tenant", json!({"mask_numbers": true}));
    company.patch(&format!("queues/{}", company.queue("Support")), json!({"wrap_up": {"mode": "none"}}));
    let phone = Phone::on_duty(&server, &company, "Agent 1", "7101", &Calls { count: 2, ..auto_answer() });
    let mut caller = Caller::dial(&server, "1000");
    phone.wait_call();
    caller.rtp.wait_tone(AGENT_HZ, 300);
    let (_, interaction) = company.wait_segment(&phone.agent, "talking");
    caller.sipp.hang_up();
    caller.sipp.must_end_well();
    company.wait_detail(&interaction);

    company.command(&phone.agent, json!({"command": "call_back", "interaction": interaction}));
    wait_for("the phone to be called again", SOON, || (phone.sipp.calls().len() == 2).then_some(()));
    phone.wait_call();
    carrier.wait_call();
    carrier.rtp.wait_tone(AGENT_HZ, 300);
    must("the agent", verdict::hears(&phone.rtp.listen(800), CALLER_HZ, AGENT_HZ));
    must("the customer", verdict::hears(&carrier.rtp.listen(800), AGENT_HZ, CALLER_HZ));
    assert!(carrier.sipp.transcript().contains("INVITE sip:13800138000@127.0.0.1"));
    let told = phone.sipp.transcript();
    assert!(told.contains("<sip:+86138****8000@"), "what the phone shows: {told}");
    assert!(!told.contains("13800138000"), "the number is nowhere in what the phone was sent: {told}");
    let (segment, call) = company.wait_segment(&phone.agent, "talking");
    company.command(&phone.agent, json!({"command": "hang_up", "segment": segment}));
    carrier.sipp.must_end_well();
    assert_eq!(company.wait_detail(&call)["calls_back"], json!(interaction));
}

/// PRACK, an answer that says nothing of the session, and a session that is refreshed in mid-talk.
#[test]
fn a_carrier_of_reliable_responses_and_short_sessions_is_talked_through() {
    let server = Server::start("dial-reliable");
    let company = Company::of(&server);
    let mut carrier = Carrier::by(&server, &Calls { scenario: "reliable", ..Calls::default() });
    let living = trunk(&company, "carrier", &format!("127.0.0.1:{}", carrier.port));
    route(&company, &[""], &[&living]);
    let phone = Phone::on_duty(&server, &company, "Agent 1", "7101", &auto_answer());
    company.command(&phone.agent, json!({"command": "dial", "number": "010-8888-6666"}));
    phone.wait_call();
    carrier.wait_call();
    carrier.rtp.wait_tone(AGENT_HZ, 300);
    wait_for("the session to be refreshed", SOON, || carrier.sipp.transcript().contains("UPDATE sip:").then_some(()));
    must("the agent", verdict::hears(&phone.rtp.listen(800), CALLER_HZ, AGENT_HZ));
    must("the callee", verdict::hears(&carrier.rtp.listen(800), AGENT_HZ, CALLER_HZ));
    let (segment, interaction) = company.wait_segment(&phone.agent, "talking");
    company.command(&phone.agent, json!({"command": "hang_up", "segment": segment}));
    carrier.sipp.must_end_well();
    assert_eq!(company.wait_detail(&interaction)["summary"]["end"], "served");
}

/// A carrier that wants calls signed gets a statement that its peer can check by our certificate.
#[test]
fn a_call_is_signed_for_a_trunk_that_wants_it() {
    let key_file = std::env::temp_dir().join(format!("cordboard-e2e-stir-{}.pem", std::process::id()));
    let key = rcgen::KeyPair::generate().expect("a key");
    std::fs::write(&key_file, key.serialize_pem()).expect("a key file");
    let certificate = "https://certs.example/cordboard.pem";
    let options = ["--stir-key", &key_file.display().to_string(), "--stir-certificate", certificate].map(str::to_owned);
    let server = Server::start_unusual("signed", Unusual { options: options.to_vec(), ..Unusual::default() });
    std::fs::remove_file(&key_file).expect("the key file");
    let company = Company::of(&server);
    let mut carrier = Carrier::start(&server);
    let host = format!("127.0.0.1:{}", carrier.port);
    let signed = json!({"name": "carrier", "host": host, "region": "CN", "check_s": 0, "identity": {"signed": true}});
    route(&company, &[""], &[&id(&company.post("trunks", signed))]);
    let entry = company.number("1000")["entry"].clone();
    let own = json!({"number": "+861088886600", "name": {"en": "Main"}, "entry": entry, "lang": "en"});
    let own = id(&company.post("numbers", own));
    let phone = Phone::on_duty(&server, &company, "Agent 1", "7101", &auto_answer());
    let dial = json!({"command": "dial", "number": "13800138000", "caller": own});
    company.command(&phone.agent, dial);
    phone.wait_call();
    carrier.wait_call();
    carrier.rtp.wait_tone(AGENT_HZ, 300);
    let (segment, _) = company.wait_segment(&phone.agent, "talking");
    company.command(&phone.agent, json!({"command": "hang_up", "segment": segment}));
    carrier.sipp.must_end_well();

    let transcript = carrier.sipp.transcript();
    let value = transcript.lines().find_map(|l| l.strip_prefix("Identity: ")).expect("an Identity header").trim();
    let (token, params) = value.split_once(';').expect("parameters");
    assert_eq!(params, format!("info=<{certificate}>;alg=ES256;ppt=shaken"));
    let (stated, signature) = token.rsplit_once('.').expect("a signature");
    let (header, claims) = stated.split_once('.').expect("two parts");
    let read = |part: &str| BASE64_URL_SAFE_NO_PAD.decode(part).expect("base64url");
    let public = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, key.public_key_raw());
    public.verify(stated.as_bytes(), &read(signature)).expect("signed by our key");
    let (header, claims): (Value, Value) =
        (serde_json::from_slice(&read(header)).expect("JSON"), serde_json::from_slice(&read(claims)).expect("JSON"));
    assert_eq!(header["x5u"], certificate);
    assert_eq!((&claims["attest"], &claims["orig"]["tn"]), (&json!("A"), &json!("861088886600")));
    assert_eq!(claims["dest"]["tn"], json!(["8613800138000"]));
    let age = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("a time").as_secs();
    assert!(age - claims["iat"].as_u64().expect("a time") < 60, "others take it for a minute: {claims}");
}

/// A carrier that vouches for its callers brings a call that somebody forwarded; the agent sends it on outside.
#[test]
fn a_trusted_carrier_says_who_calls_and_is_told_whose_call_is_sent_on() {
    let server = Server::start("identity");
    let company = Company::of(&server);
    let mut carrier = Carrier::start(&server);
    let told = json!({"trusted": true, "verifies": true, "told": true});
    let host = format!("127.0.0.1:{}", carrier.port);
    let trunk = id(&company.post(
        "trunks",
        json!({"name": "carrier", "host": host, "addresses": ["127.0.0.1"], "check_s": 0, "identity": told}),
    ));
    route(&company, &["+86"], &[&trunk]);
    let phone = Phone::on_duty(&server, &company, "Agent 1", "7101", &auto_answer());
    let headers = "P-Asserted-Identity: \"Wang Fang\" <tel:+8613900139000;verstat=TN-Validation-Passed>\r\n\
                   P-Attestation-Indicator: A\r\n\
                   Diversion: <sip:1002@pbx.example>;reason=no-answer;counter=1\r\n\
                   Diversion: <sip:+861088887777@pbx.example;user=phone>;reason=unconditional;counter=1";
    let mut caller = Caller::dial_as(&server, &Calls { headers, ..Calls::default() });
    phone.wait_call();
    caller.rtp.wait_tone(AGENT_HZ, 300);
    assert!(phone.sipp.transcript().contains("From: \"Wang Fang\" <sip:+8613900139000@"), "what the phone shows");
    let (segment, interaction) = company.wait_segment(&phone.agent, "talking");
    let live = company.get(&format!("interactions/{interaction}"));
    assert_eq!(live["summary"]["from"]["text"], "+8613900139000");
    assert_eq!(live["summary"]["from"]["name"], "Wang Fang");
    assert_eq!(live["diverted"]["text"], "+861088887777");
    assert_eq!(live["verified"], json!({"passed": true, "attested": "A"}));
    let events = company.get(&format!("interactions/{interaction}/events")).to_string();
    assert!(events.contains("call_identified") && !events.contains("88887777"), "ids only: {events}");

    // Sent on outside: the carrier is told whose call it was.
    let outside = json!({"to": "outside", "number": "13800138000"});
    company.command(&phone.agent, json!({"command": "transfer", "segment": segment, "to": outside}));
    carrier.wait_call();
    carrier.rtp.wait_tone(CALLER_HZ, 300);
    let invite = carrier.sipp.transcript();
    assert!(invite.contains("P-Asserted-Identity: <sip:1000@"), "{invite}");
    assert!(invite.contains("Diversion: <sip:1000@") && invite.contains(";reason=unconditional;counter=1"), "{invite}");
    caller.sipp.hang_up();
    caller.sipp.must_end_well();
    carrier.sipp.must_end_well();

    // Who asks for privacy stays unknown, here and at the agent's phone.
    let headers = "P-Asserted-Identity: <tel:+8613900139000>\r\nPrivacy: id";
    let known = company.interactions();
    let mut hidden = Caller::dial_as(&server, &Calls { number: "3000", headers, ..Calls::default() });
    let interaction = id(&newest(&company, &known));
    assert_eq!(company.interaction(&interaction)["summary"]["from"]["kind"], "withheld");
    hidden.sipp.hang_up();
    hidden.sipp.must_end_well();
}
