//! What a queue does when things do not go smoothly: nobody there, nobody answers, closed, full; and a hundred calls.
mod support;

use std::time::Duration;

use serde_json::json;

use support::SOON;
use support::call::{AGENT_HZ, CALLER_HZ, Caller, Phone, auto_answer};
use support::company::{Company, id};
use support::crowd::Crowd;
use support::ledger::Figures;
use support::peers::{Calls, Sipp, free_port};
use support::scenario::{newest, segment_of, waits};
use support::server::Server;
use support::sound::{heard_ms, level, stereo};
use support::verdict::{self, Expected, must, must_fail};
use support::wait_for;

#[test]
fn a_caller_who_gives_up_is_counted_as_abandoned() {
    let server = Server::start("abandon");
    let company = Company::of(&server);
    let support = company.queue("Support");
    let before = company.figures(&support);
    let mut caller = waits(&server, &company, &support, 0);
    // Somebody speaks, then music plays, while he waits.
    must("the waiting caller", verdict::hears_music(&caller.rtp.listen(600), &[CALLER_HZ]));
    caller.sipp.hang_up();
    caller.sipp.must_end_well();
    let ended = company.wait_ended(1, SOON);
    assert_eq!(ended[0]["end"], "abandoned");
    assert_eq!(company.board_queue(&support)["waiting"], 0);
    let mut ledger = Figures::default();
    ledger.abandoned(&caller.call());
    let report = company.wait_figures(&support, &before, &ledger);
    must("the report", verdict::figures(&ledger, &report, 50.0));
    must_fail("a ledger without this call", verdict::figures(&Figures::default(), &report, 50.0));
}

#[test]
fn a_caller_is_offered_to_another_agent_after_the_first_misses_the_ring() {
    let server = Server::start("miss");
    let company = Company::of(&server);
    let support = company.queue("Support");
    company.patch(&format!("queues/{support}"), json!({"ring_timeout_ms": 1500}));
    let before = company.figures(&support);
    let rings_only = Calls { scenario: "rings_only", ..Calls::default() };
    let mut first = Phone::on_duty(&server, &company, "Agent 1", "7101", &rings_only);
    let mut second = Phone::on_duty(&server, &company, "Agent 2", "7102", &auto_answer());
    let mut caller = Caller::dial(&server, "1000");
    second.wait_call();
    caller.rtp.wait_tone(AGENT_HZ, 200);
    must("the caller", verdict::hears(&caller.rtp.listen(400), AGENT_HZ, CALLER_HZ));
    first.sipp.must_end_well();
    assert_eq!(first.call().status, Some(487), "the phone that missed it was told to stop");
    // Away until he returns.
    let missed = company.wait_agent(&first.agent, "idle", |a| a["presence"]["state"] == "offline");
    assert_eq!(missed["work"], json!([]));
    caller.sipp.hang_up();
    caller.sipp.must_end_well();
    second.sipp.must_end_well();
    let (segment, interaction) = company.wait_segment(&second.agent, "wrap_up");
    company.wrap_up(&second.agent, &segment, "Follow up");
    let detail = company.wait_detail(&interaction);
    let offers: Vec<_> = detail["offers"].as_array().expect("offers").iter().collect();
    assert_eq!(offers.len(), 2, "{detail:#}");
    assert_eq!((&offers[0]["agent"]["id"], &offers[0]["end"]), (&json!(first.agent), &json!("missed")));
    assert_eq!((&offers[1]["agent"]["id"], &offers[1]["accepted"]), (&json!(second.agent), &json!(true)));
    let why = offers[1]["trace"]["excluded"].as_array().expect("those left out");
    assert!(why.iter().any(|e| e["agent"]["id"] == first.agent), "the trace tells why not again: {detail:#}");
    assert_eq!(segment_of(&detail, &first.agent)["end"], "missed");
    // The caller's wait goes on to the second agent's answer.
    let mut ledger = Figures::default();
    ledger.served(&caller.call(), &second.call(), 0.0);
    let report = company.wait_figures(&support, &before, &ledger);
    must("the report", verdict::figures(&ledger, &report, 50.0));
    let mut wrong = Figures::default();
    wrong.served(&caller.call(), &first.call_answered_at_once(), 0.0);
    must_fail("a ledger in which the first phone answered", verdict::figures(&wrong, &report, 50.0));
}

trait Sabotage {
    fn call_answered_at_once(&self) -> support::ledger::PeerCall;
}

impl Sabotage for Phone {
    fn call_answered_at_once(&self) -> support::ledger::PeerCall {
        let call = self.call();
        support::ledger::PeerCall { answered: Some(call.invited), ended: None, ..call }
    }
}

#[test]
fn full_and_closed_queues_take_a_message() {
    let server = Server::start("closed");
    let company = Company::of(&server);
    let support = company.queue("Support");
    company.patch(&format!("queues/{support}"), json!({"max_waiting": 1}));
    let mut waiting = waits(&server, &company, &support, 0);
    let known = company.interactions();
    leaves_a_message(&server, &company, &known, "full");
    assert_eq!(company.board_queue(&support)["waiting"], 1, "the first one still waits");
    waiting.sipp.hang_up();
    waiting.sipp.must_end_well();

    company.patch(&format!("calendars/{}", company.calendar()), json!({"weekly": []}));
    wait_for("the queue to close", SOON, || (company.board_queue(&support)["open"] == false).then_some(()));
    let known = company.wait_ended(2, SOON);
    leaves_a_message(&server, &company, &known, "closed");
}

/// Calls 1000 and comes to the voicemail: hears the greeting, speaks, hangs up; the message holds what he said.
fn leaves_a_message(server: &Server, company: &Company, known: &[serde_json::Value], why: &str) {
    let mut caller = Caller::dial(server, "1000");
    must("the greeting", verdict::hears_music(&caller.rtp.listen(1000), &[CALLER_HZ]));
    let interaction = id(&newest(company, known));
    wait_for("the recording of the message", SOON, || {
        let detail = company.interaction(&interaction);
        detail["recordings"].as_array()?.iter().find(|r| r["started_at"].is_i64()).map(|_| ())
    });
    // The message: a second of silence, then a second of tone is told from what came before.
    caller.rtp.say(Some(440.0));
    caller.rtp.listen_for(1200);
    caller.sipp.hang_up();
    caller.sipp.must_end_well();
    let detail = company.wait_detail(&interaction);
    assert_eq!(detail["summary"]["end"], "voicemail", "{detail:#}");
    let start = detail["segments"].as_array().expect("segments").iter().any(|s| s["start"] == why);
    assert!(start, "a segment begun because it was {why}: {detail:#}");
    assert!(detail["offers"].as_array().is_some_and(Vec::is_empty), "nobody was asked");
    let (left, right) = stereo(&company.recording(&id(&detail["recordings"][0])));
    assert!(heard_ms(&left, 440.0) >= 900, "{} ms of the message", heard_ms(&left, 440.0));
    assert!(heard_ms(&left, 697.0) == 0 && level(&right) < 60.0);
}

const MANY: u32 = 100;

/// The four agents of Support and as many new ones as it takes, each with a URI at that port: (agent, device).
fn agents_elsewhere(company: &Company, queue: &str, count: usize, port: u16) -> Vec<(String, String)> {
    let mut agents: Vec<String> = (1..=4).map(|n| company.agent(&format!("Agent {n}"))).collect();
    let mut members = company.get(&format!("queues/{queue}"))["members"].clone();
    let skills = company.get(&format!("queues/{queue}"))["required_skills"].clone();
    for n in agents.len()..count {
        let (name, email) = (format!("Elsewhere {n}"), format!("elsewhere{n}@sample.test"));
        let user = id(&company.post("users", json!({"name": name, "email": email})));
        let capacity = json!({"voice": 1});
        let fields = json!({"name": name, "user": user, "extension": format!("9{n:03}"), "capacity": capacity, "skills": skills});
        let agent = id(&company.post("agents", fields));
        members.as_array_mut().expect("members").push(json!({"agent": agent}));
        agents.push(agent);
    }
    company.patch(&format!("queues/{queue}"), json!({ "members": members }));
    let device = |(n, agent): (usize, &String)| {
        let kind = json!({"kind": "uri", "uri": format!("sip:agent{n}@127.0.0.1:{port}")});
        json!({"name": format!("Elsewhere {n}"), "agent": agent, "kind": kind})
    };
    let rows: Vec<_> = agents.iter().enumerate().map(device).collect();
    let made = company.post("devices/bulk", json!({ "devices": rows }));
    assert_eq!((&made["created"], &made["failed"]), (&json!(count), &json!(0)), "{made:#}");
    let devices = made["rows"].as_array().expect("rows").iter().map(|r| id(&r["device"]));
    agents.into_iter().zip(devices).collect()
}

#[test]
fn a_hundred_calls_at_ten_a_second_pass_through_an_auto_answering_device() {
    let server = Server::start("hundred");
    let company = Company::of(&server);
    let support = company.queue("Support");
    company.patch(&format!("queues/{support}"), json!({"wrap_up": {"mode": "none"}}));
    let before = company.figures(&support);
    let port = free_port();
    let (callers, agents) = (Crowd::start(CALLER_HZ, AGENT_HZ), Crowd::start(AGENT_HZ, CALLER_HZ));
    let answering = Calls {
        scenario: "answers_and_leaves",
        rtp_port: agents.port,
        count: MANY,
        pause_ms: 1000,
        ..Calls::default()
    };
    let mut device = Sipp::phone(server.sip, port, &answering);
    // Another exchange stands in for the agents: with twelve of them and a second of talk, ten calls a second find now
    // one free and now a queue.
    for (agent, uri) in agents_elsewhere(&company, &support, 12, port) {
        company.on_duty(&agent, &uri);
    }
    let calling = Calls { rtp_port: callers.port, count: MANY, per_second: 10, ..Calls::default() };
    let mut calls = Sipp::call(server.sip, &calling);
    assert!(calls.wait(Duration::from_secs(60)), "a call failed: {}", calls.errors());
    device.must_end_well();

    // The peers' ledgers and the interactions tell the same story, call by call.
    let ended = company.wait_ended(MANY as usize, SOON);
    let called = calls.calls();
    let mut answered = device.calls();
    assert_eq!((called.len(), answered.len()), (MANY as usize, MANY as usize), "no call lost, none doubled");
    answered.sort_by(|a, b| a.answered.partial_cmp(&b.answered).expect("numbers"));
    let mut ledger = Figures { offered: 100, answered: 100, handled: 100, ..Figures::default() };
    for (call, summary) in called.iter().zip(&ended) {
        assert_eq!(summary["end"], "served", "{summary:#}");
        let (start, end) = (summary["started_at"].as_f64(), summary["ended_at"].as_f64());
        let near = |a: Option<f64>, b: f64| a.is_some_and(|a| (a - b).abs() < 1000.0);
        assert!(near(start, call.invited) && near(end, call.ended.expect("ended")), "{call:?} against {summary:#}");
    }
    // Sums need no pairing: waits are answers less arrivals, talk is ends less answers.
    let sum = |of: &dyn Fn(&support::ledger::PeerCall) -> f64, calls: &[support::ledger::PeerCall]| -> f64 {
        calls.iter().map(of).sum()
    };
    let answers = sum(&|c| c.answered.expect("answered"), &answered);
    ledger.wait_ms = answers - sum(&|c| c.invited, &called);
    ledger.talk_ms = sum(&|c| c.ended.expect("ended"), &answered) - answers;
    let report = company.wait_figures(&support, &before, &ledger);
    // Fifty milliseconds a call.
    must("the report", verdict::figures(&ledger, &report, 50.0 * f64::from(MANY)));
    let short = Figures { offered: 99, answered: 99, handled: 99, ..ledger };
    must_fail("a ledger with a call less", verdict::figures(&short, &report, 5000.0));

    let live = company.live();
    assert_eq!(live["interactions"], json!([]), "nothing stuck");
    let (at_callers, own) = callers.heard();
    assert!(at_callers >= u64::from(MANY) * 500 && own == 0, "callers heard {at_callers} ms and themselves {own} ms");
    let (at_agents, own) = agents.heard();
    assert!(at_agents >= u64::from(MANY) * 500 && own == 0, "agents heard {at_agents} ms and themselves {own} ms");
    // One of them in full.
    let detail = company.wait_detail(&id(&ended[57]));
    let talk = detail["summary"]["talk_ms"].as_f64().expect("talk");
    let (left, right) = stereo(&company.recording(&id(&detail["recordings"][0])));
    let expected = Expected { left_hz: CALLER_HZ, right_hz: AGENT_HZ, length_ms: talk, gaps: Vec::new() };
    must("a recording", verdict::recording(&left, &right, &expected));
    must_fail("its channels swapped", verdict::recording(&right, &left, &expected));
}
