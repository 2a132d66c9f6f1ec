//! A carrier that asks who we are: Kamailio as registrar and proxy, in front of a SIPp. A wrong password is told, the right
//! one registers; calls go out and come in by the registration with sound both ways; a carrier that is gone is noticed.
mod support;

use std::time::Instant;

use serde_json::{Value, json};

use support::SOON;
use support::call::{AGENT_HZ, CALLER_HZ, Phone, auto_answer};
use support::company::{Company, id};
use support::kamailio::{DOMAIN, Kamailio, PASSWORD, USER};
use support::peers::{Calls, Sipp, free_port};
use support::rtp::RtpPeer;
use support::server::Server;
use support::verdict::{self, must};
use support::wait_for;

fn status(company: &Company, trunk: &str) -> Value {
    let all = company.get("trunks/status");
    let of = |s: &&Value| s["trunk"] == trunk;
    all["items"].as_array().into_iter().flatten().find(of).cloned().unwrap_or_default()
}

#[track_caller]
fn wait_state(company: &Company, trunk: &str, state: &str) -> Value {
    wait_for(&format!("the trunk to be {state}"), SOON, || {
        let status = status(company, trunk);
        (status["state"] == state).then_some(status)
    })
}

/// Step and fault of each step of a test.
fn tested(company: &Company, trunk: &str) -> Vec<(String, Option<String>)> {
    let text = |v: &Value| v.as_str().map(str::to_owned);
    let test = company.post(&format!("trunks/{trunk}/test"), json!({}));
    let steps = test["steps"].as_array().into_iter().flatten();
    let all: Vec<_> = steps.map(|s| (text(&s["step"]).unwrap_or_default(), text(&s["fault"]))).collect();
    assert_eq!(test["ok"], all.iter().all(|(_, fault)| fault.is_none()));
    all
}

#[test]
fn calls_go_out_and_come_in_by_a_registration_at_a_carrier() {
    let server = Server::start("carrier");
    let company = Company::of(&server);
    let rtp = RtpPeer::start();
    rtp.say(Some(CALLER_HZ));
    let port = free_port();
    let carrier = Kamailio::start(server.sip.port(), port, 6);
    let calls = Calls { rtp_port: rtp.port, ..auto_answer() };
    let mut callee = Sipp::phone(server.sip, port, &calls);
    let ok = |step: &str| (step.to_owned(), None);

    let account = json!({"user": USER, "domain": DOMAIN, "register": true});
    let trunk = id(&company.post(
        "trunks",
        json!({"name": "carrier", "host": carrier.address, "account": account, "password": "wrong", "check_s": 5}),
    ));
    let told = wait_state(&company, &trunk, "unreachable");
    assert_eq!((&told["fault"], &told["sip_status"]), (&json!("credentials"), &json!(403)));
    let refused = ("sign_in".to_owned(), Some("credentials".to_owned()));
    assert_eq!(tested(&company, &trunk), [ok("resolve"), ok("answer"), refused]);
    company.patch(&format!("trunks/{trunk}"), json!({"password": PASSWORD}));
    let first = wait_state(&company, &trunk, "registered");
    assert_eq!(tested(&company, &trunk), [ok("resolve"), ok("answer"), ok("sign_in")]);

    // Out: the carrier challenges the INVITE, and every request of ours in the call.
    company.post("routes", json!({"name": "out", "prefixes": ["+86"], "trunks": [trunk], "format": "digits"}));
    let phone = Phone::on_duty(&server, &company, "Agent 1", "7101", &Calls { count: 2, ..auto_answer() });
    company.command(&phone.agent, json!({"command": "dial", "number": "13800138000"}));
    phone.wait_call();
    rtp.send_to(wait_for("the callee to be called", SOON, || callee.media()));
    phone.rtp.wait_tone(CALLER_HZ, 300);
    rtp.wait_tone(AGENT_HZ, 300);
    must("the agent", verdict::hears(&phone.rtp.listen(800), CALLER_HZ, AGENT_HZ));
    must("the callee", verdict::hears(&rtp.listen(800), AGENT_HZ, CALLER_HZ));
    let (segment, interaction) = company.wait_segment(&phone.agent, "talking");
    company.command(&phone.agent, json!({"command": "hang_up", "segment": segment}));
    callee.must_end_well();
    let seen = callee.transcript();
    assert!(seen.contains(&format!("INVITE sip:8613800138000@{DOMAIN}")), "{seen}");
    assert!(!seen.contains("Proxy-Authorization"), "what proves us is the carrier's alone");
    assert_eq!(company.wait_detail(&interaction)["summary"]["end"], "served");
    company.wait_agent(&phone.agent, "idle", |_| true);

    // The registration is kept while all this happens.
    let until = |s: &Value| s["registered_until"].as_i64().unwrap_or_default();
    wait_for("the registration to be refreshed", SOON, || {
        (until(&status(&company, &trunk)) > until(&first)).then_some(())
    });
    assert_eq!(status(&company, &trunk)["since"], first["since"], "and never lost");

    // In: the carrier calls our Contact; the number is in To.
    let incoming = RtpPeer::start();
    incoming.say(Some(CALLER_HZ));
    let calls = Calls { number: "1000", rtp_port: incoming.port, ..Calls::default() };
    let mut caller = Sipp::call(carrier.address, &calls);
    incoming.send_to(wait_for("the caller to be answered", SOON, || caller.media()));
    wait_for("the phone's second call", SOON, || (phone.sipp.calls().len() == 2).then_some(()));
    phone.wait_call();
    phone.rtp.wait_tone(CALLER_HZ, 300);
    incoming.wait_tone(AGENT_HZ, 300);
    must("the agent", verdict::hears(&phone.rtp.listen(800), CALLER_HZ, AGENT_HZ));
    must("the caller", verdict::hears(&incoming.listen(800), AGENT_HZ, CALLER_HZ));
    // Drained: no new call either way, while this one goes on.
    company.patch(&format!("trunks/{trunk}"), json!({"active": false}));
    wait_state(&company, &trunk, "drained");
    let mut refused = Sipp::call(carrier.address, &Calls { number: "1000", ..Calls::default() });
    assert!(!refused.wait(SOON));
    assert!(refused.transcript().contains("SIP/2.0 480"), "the carrier knows us no more: {}", refused.transcript());
    must("the agent", verdict::hears(&phone.rtp.listen(800), CALLER_HZ, AGENT_HZ));
    company.patch(&format!("trunks/{trunk}"), json!({"active": true}));
    caller.hang_up();
    caller.must_end_well();
    let (segment, interaction) = company.wait_segment(&phone.agent, "wrap_up");
    company.wrap_up(&phone.agent, &segment, "Resolved");
    company.wait_detail(&interaction);
    let events = company.get(&format!("interactions/{interaction}/events"));
    let by_trunk = |e: &&Value| e["kind"] == "leg_started" && e["data"]["via"]["trunk"] == trunk;
    assert!(events["items"].as_array().into_iter().flatten().any(|e| by_trunk(&e)), "{events}");

    // The carrier is gone: nobody waits for it.
    wait_state(&company, &trunk, "registered");
    drop(carrier);
    let gone = Instant::now();
    wait_state(&company, &trunk, "unreachable");
    println!("noticed after {:?}", gone.elapsed());
    let dial = json!({"command": {"command": "dial", "number": "13800138000"}});
    let wait = || {
        let path = format!("/api/v1/agents/{}/commands", phone.agent);
        let (_, answer) = company.api.status("POST", &path, Some(dial.clone()));
        (answer["code"] == "route.down").then_some(())
    };
    wait_for("the route to be refused", SOON, wait);
}
