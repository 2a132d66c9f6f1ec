//! Ways to a telephone beside UDP by IPv4, each with peers that nobody here wrote and sound at both ends.
mod support;

use std::net::{Ipv6Addr, SocketAddr};

use serde_json::{Value, json};

use support::SOON;
use support::baresip::{Account, Baresip, Manner};
use support::browser::Browser;
use support::call::{AGENT_HZ, CALLER_HZ, Caller, SECRET, auto_answer};
use support::company::{Company, id, try_for};
use support::kamailio::Kamailio;
use support::peers::{Calls, Sipp, free_port};
use support::rtp::RtpPeer;
use support::scenario::newest;
use support::server::{Server, Unusual};
use support::sound::{heard_ms, stereo};
use support::verdict::{self, must, must_fail};
use support::wait_for;
use support::web_phone::{WebPhone, connect, media};

#[test]
fn a_phone_and_a_carrier_of_ipv6_talk_with_a_caller_of_ipv4_and_with_each_other() {
    let mut server = Server::start_unusual("ipv6", Unusual { ipv6: true, ..Unusual::default() });
    let company = Company::of(&server);
    let agent = company.agent("Agent 1");
    let device = company.sip_device(&agent, "7105", SECRET);
    let at = SocketAddr::new(Ipv6Addr::LOCALHOST.into(), server.sip.port());
    server.sip = SocketAddr::from(([127, 0, 0, 1], at.port()));
    let phone = Baresip::start(at, AGENT_HZ, Some(&Account { user: "7105", secret: SECRET }));
    company.on_duty(&agent, &device);

    // A caller of the other family.
    let mut caller = Caller::dial(&server, "1000");
    caller.rtp.wait_tone(AGENT_HZ, 300);
    phone.wait_tone(CALLER_HZ, 300);
    must("the caller", verdict::hears(&caller.rtp.listen(800), AGENT_HZ, CALLER_HZ));
    let at_agent = phone.listen(800);
    must("the agent", verdict::hears(&at_agent, CALLER_HZ, AGENT_HZ));
    must_fail("the sides swapped", verdict::hears(&at_agent, AGENT_HZ, CALLER_HZ));
    caller.sipp.hang_up();
    caller.sipp.must_end_well();
    let (segment, _) = company.wait_segment(&agent, "wrap_up");
    company.wrap_up(&agent, &segment, "Resolved");
    company.wait_agent(&agent, "idle", |_| true);

    // A carrier whose address is one of IPv6.
    let rtp = RtpPeer::at(Ipv6Addr::LOCALHOST.into());
    rtp.say(Some(CALLER_HZ));
    let port = free_port();
    let mut carrier = Sipp::phone(at, port, &Calls { rtp_port: rtp.port, ..auto_answer() });
    let trunk = json!({"name": "six", "host": format!("[::1]:{port}"), "check_s": 0});
    let trunk = id(&company.post("trunks", trunk));
    company.post("routes", json!({"name": "out", "prefixes": ["+86"], "trunks": [trunk], "format": "national"}));
    company.command(&agent, json!({"command": "dial", "number": "13800138000"}));
    let media = wait_for("the carrier to be called", SOON, || carrier.media());
    assert!(media.is_ipv6(), "{media}");
    rtp.send_to(media);
    rtp.wait_tone(AGENT_HZ, 300);
    phone.wait_tone(CALLER_HZ, 300);
    must("the callee", verdict::hears(&rtp.listen(800), AGENT_HZ, CALLER_HZ));
    must("the agent", verdict::hears(&phone.listen(800), CALLER_HZ, AGENT_HZ));
    let (segment, _) = company.wait_segment(&agent, "talking");
    company.command(&agent, json!({"command": "hang_up", "segment": segment}));
    carrier.must_end_well();
    let seen = carrier.transcript();
    assert!(seen.contains("Via: SIP/2.0/UDP [::1]:") && seen.contains("c=IN IP6 ::1"), "{seen}");
}

#[test]
fn a_phone_on_a_websocket_is_called_and_calls_down_its_own_connection() {
    let server = Server::start("websocket");
    let company = Company::of(&server);
    let agent = company.agent("Agent 1");
    let device = company.sip_device(&agent, "7105", SECRET);
    // Who speaks no SIP, or comes from a page of another site, does not get in.
    assert_eq!(connect(server.http, None, None).err(), Some(400));
    assert_eq!(connect(server.http, Some("sip"), Some("https://evil.example")).err(), Some(403));

    let mut phone = WebPhone::start(server.http, "7105", SECRET, "127.0.0.1");
    company.on_duty(&agent, &device);
    phone.keep_alive();
    let rtp = RtpPeer::start();
    rtp.say(Some(AGENT_HZ));
    let at_caller = RtpPeer::start();
    at_caller.say(Some(CALLER_HZ));
    let mut caller = Sipp::call(server.sip, &Calls { rtp_port: at_caller.port, ..Calls::default() });
    // It speaks no WebRTC, says so, and is called again without.
    let webrtc = phone.decline_call();
    assert!(webrtc.contains("UDP/TLS/RTP/SAVPF"), "{webrtc}");
    let invite = phone.take_call(rtp.port);
    assert!(invite.contains("Via: SIP/2.0/WS ") && invite.contains(";transport=ws>"), "{invite}");
    rtp.send_to(media(&invite));
    at_caller.send_to(wait_for("the caller to be answered", SOON, || caller.media()));
    rtp.wait_tone(CALLER_HZ, 300);
    at_caller.wait_tone(AGENT_HZ, 300);
    must("the agent", verdict::hears(&rtp.listen(800), CALLER_HZ, AGENT_HZ));
    must("the caller", verdict::hears(&at_caller.listen(800), AGENT_HZ, CALLER_HZ));
    caller.hang_up();
    phone.wait_bye();
    caller.must_end_well();
    let (segment, _) = company.wait_segment(&agent, "wrap_up");
    company.wrap_up(&agent, &segment, "Resolved");

    // It calls the echo, and hears itself.
    let (echoed, mut phone) = (RtpPeer::start(), phone);
    echoed.say(Some(CALLER_HZ));
    let answered = phone.call("3000", echoed.port);
    echoed.send_to(media(&answered));
    echoed.wait_tone(CALLER_HZ, 300);
    phone.hang_up(&answered);

    // The page is closed: the device is lost at once, and nobody waits for it.
    phone.vanish();
    company.wait_agent(&agent, "idle", |a| a["device_ready"] == false);
}

/// The phone that is JsSIP on a page, until its call is in this state.
fn wait_state(chromium: &mut Browser, state: &str) {
    let mut last = Value::Null;
    let found = try_for(SOON, || {
        last = chromium.order(json!({"do": "phone_state", "page": "phone"}));
        (last["state"] == state).then_some(())
    });
    assert!(found.is_some(), "the phone is not {state}: {last}");
}

#[test]
fn a_phone_in_a_browser_is_called_holds_and_calls_by_webrtc() {
    let server = Server::start_unusual("jssip", Unusual { https: true, ..Unusual::default() });
    let company = Company::of(&server);
    let agent = company.agent("Agent 1");
    let device = company.sip_device(&agent, "7105", SECRET);
    let mut chromium = Browser::start(&server, AGENT_HZ);
    let phone = json!({"do": "phone", "page": "phone", "user": "7105", "secret": SECRET, "domain": "127.0.0.1"});
    chromium.order(phone.clone());
    company.on_duty(&agent, &device);

    // Called, with our offer.
    let mut caller = Caller::dial(&server, "1000");
    caller.rtp.wait_tone(AGENT_HZ, 300);
    wait_state(&mut chromium, "talking");
    chromium.wait_tone("phone", CALLER_HZ);
    let interaction = id(&newest(&company, &[]));
    must("the caller", verdict::hears(&caller.rtp.listen(800), AGENT_HZ, CALLER_HZ));
    let at_agent = chromium.listen("phone", 1000);
    must("the agent", verdict::browser_hears(&at_agent, CALLER_HZ, AGENT_HZ));
    must_fail("the sides swapped", verdict::browser_hears(&at_agent, AGENT_HZ, CALLER_HZ));

    // Its own hold: music for the caller.
    let mut order = |what: &str, value: &str| {
        chromium.order(json!({"do": "phone_do", "page": "phone", "what": what, "value": value}));
    };
    order("hold", "");
    let music = || verdict::hears_music(&caller.rtp.listen(800), &[AGENT_HZ, CALLER_HZ]).ok();
    try_for(SOON, music).expect("music for the caller on hold");
    order("unhold", "");
    caller.rtp.wait_tone(AGENT_HZ, 300);
    chromium.wait_tone("phone", CALLER_HZ);
    caller.sipp.hang_up();
    caller.sipp.must_end_well();
    wait_state(&mut chromium, "idle");
    let (segment, _) = company.wait_segment(&agent, "wrap_up");
    company.wrap_up(&agent, &segment, "Resolved");
    let detail = company.wait_detail(&interaction);
    assert_eq!(detail["summary"]["end"], "served");
    let (left, right) = stereo(&company.recording(&id(&detail["recordings"][0])));
    assert!(heard_ms(&left, CALLER_HZ) > 1000 && heard_ms(&right, AGENT_HZ) > 1000, "both are in the recording");
    assert_eq!(heard_ms(&left, AGENT_HZ) + heard_ms(&right, CALLER_HZ), 0, "each in his channel");

    // It calls, with its own offer, by TLS: the same phone from another page, and the echo.
    let secure = server.https.expect("HTTPS was wished for");
    let mut other = phone;
    other["base"] = json!(format!("https://localhost:{}", secure.port()));
    chromium.order(json!({"do": "close", "page": "phone"}));
    chromium.order(other);
    chromium.order(json!({"do": "phone_do", "page": "phone", "what": "call", "value": "3000"}));
    wait_state(&mut chromium, "talking");
    chromium.wait_tone("phone", AGENT_HZ);
    chromium.order(json!({"do": "phone_do", "page": "phone", "what": "hang_up"}));
    wait_state(&mut chromium, "idle");
}

#[test]
fn a_phone_behind_two_edge_proxies_is_called_once_and_calls_by_them() {
    let server = Server::start("edge");
    let company = Company::of(&server);
    let agent = company.agent("Agent 1");
    let device = company.sip_device(&agent, "7105", SECRET);
    let edges = [Kamailio::edge(server.sip), Kamailio::edge(server.sip)];
    let manner = Manner { edges: edges.iter().map(|edge| edge.address).collect(), ..Manner::default() };
    let account = Account { user: "7105", secret: SECRET };
    let mut phone = Baresip::start_in(server.sip, AGENT_HZ, Some(&account), &manner);
    phone.wait_registered(2);
    company.on_duty(&agent, &device);

    let mut caller = Caller::dial(&server, "1000");
    caller.rtp.wait_tone(AGENT_HZ, 300);
    phone.wait_tone(CALLER_HZ, 300);
    must("the caller", verdict::hears(&caller.rtp.listen(800), AGENT_HZ, CALLER_HZ));
    must("the agent", verdict::hears(&phone.listen(800), CALLER_HZ, AGENT_HZ));
    phone.wait_event("CALL_ESTABLISHED");
    // A second call would have been let go when the first was answered.
    assert_eq!((phone.count("CALL_ESTABLISHED"), phone.count("CALL_CLOSED")), (1, 0), "two ways are one phone");
    // Its BYE goes the way of the call, by the edge.
    phone.hang_up();
    caller.sipp.must_end_well();
    let (segment, _) = company.wait_segment(&agent, "wrap_up");
    company.wrap_up(&agent, &segment, "Resolved");

    phone.dial(server.sip, "3000");
    phone.wait_tone(AGENT_HZ, 300);
    phone.hang_up();
}
