//! The two scenarios that every store has to carry: a call served, held, recorded and counted; a crash with calls up.
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::SOON;
use super::call::{AGENT_HZ, CALLER_HZ, Caller, Phone, auto_answer, silence_between};
use super::company::{Company, id};
use super::ledger::Figures;
use super::peers::Calls;
use super::server::Server;
use super::sound::{heard_ms, stereo};
use super::verdict::{self, Expected, Verdict, must, must_fail};
use super::wait_for;

/// Who hangs up.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum By {
    Caller,
    AgentsPhone,
    AgentsCommand,
}

/// The caller hangs up, these agents wrap up; the interaction when all of it is stored.
pub fn served_by(company: &Company, caller: &mut Caller, agents: &[&str], interaction: &str) -> Value {
    caller.sipp.hang_up();
    caller.sipp.must_end_well();
    for agent in agents {
        let (segment, _) = company.wait_segment(agent, "wrap_up");
        company.wrap_up(agent, &segment, "Resolved");
    }
    company.wait_detail(interaction)
}

/// Caller → 1000 → registered SIP phone: heard, held, resumed, hung up, wrapped up, recorded, explained, measured.
pub fn a_call_is_served(server: &Server, by: By) {
    let company = Company::of(server);
    let support = company.queue("Support");
    let before = company.figures(&support);
    let mut phone = Phone::on_duty(server, &company, "Agent 1", "7101", &auto_answer());
    let mut caller = Caller::dial(server, "1000");
    phone.wait_call();

    // Each hears the other and not itself.
    caller.rtp.wait_tone(AGENT_HZ, 200);
    phone.rtp.wait_tone(CALLER_HZ, 200);
    let (at_caller, at_agent) = (caller.rtp.listen(1000), phone.rtp.listen(1000));
    must("the caller", verdict::hears(&at_caller, AGENT_HZ, CALLER_HZ));
    must("the agent", verdict::hears(&at_agent, CALLER_HZ, AGENT_HZ));
    must_fail("the agent's sound as the caller's", verdict::hears(&at_agent, AGENT_HZ, CALLER_HZ));
    assert_eq!(heard_ms(&at_caller, 941.0), 0, "nobody sent this tone");

    // Hold and resume.
    let (segment, interaction) = company.wait_segment(&phone.agent, "talking");
    company.command(&phone.agent, json!({"command": "hold", "segment": segment}));
    phone.rtp.wait_without(CALLER_HZ, 100);
    caller.rtp.wait_without(AGENT_HZ, 100);
    let (at_caller, at_agent) = (caller.rtp.listen(1000), phone.rtp.listen_for(500));
    must("the caller on hold", verdict::hears_music(&at_caller, &[CALLER_HZ, AGENT_HZ]));
    must("the agent on hold", verdict::hears_nothing(&at_agent));
    company.command(&phone.agent, json!({"command": "resume", "segment": segment}));
    caller.rtp.wait_tone(AGENT_HZ, 200);
    phone.rtp.wait_tone(CALLER_HZ, 200);
    must("the caller after the hold", verdict::hears(&caller.rtp.listen(600), AGENT_HZ, CALLER_HZ));
    must("the agent after the hold", verdict::hears(&phone.rtp.listen(600), CALLER_HZ, AGENT_HZ));

    // The end, on both sides.
    match by {
        By::Caller => caller.sipp.hang_up(),
        By::AgentsPhone => phone.sipp.hang_up(),
        By::AgentsCommand => {
            company.command(&phone.agent, json!({"command": "hang_up", "segment": segment}));
        }
    }
    caller.sipp.must_end_well();
    phone.sipp.must_end_well();
    let (called, answered) = (caller.call(), phone.call());
    assert_eq!(called.ended_here, by == By::Caller, "who hung up: {called:?}");
    assert_eq!(answered.ended_here, by == By::AgentsPhone, "who hung up: {answered:?}");
    assert_eq!((called.byes, answered.byes), (1, 1));

    // Wrap-up with a disposition.
    let (wrapping, _) = company.wait_segment(&phone.agent, "wrap_up");
    assert_eq!(wrapping, segment);
    company.wrap_up(&phone.agent, &segment, "Resolved");
    company.wait_agent(&phone.agent, "idle", |_| true);

    let held = silence_between(&caller.rtp.spans(AGENT_HZ));
    let detail = company.wait_detail(&interaction);
    let members = company.get(&format!("queues/{support}"))["members"].as_array().map_or(0, Vec::len);
    check_detail(&detail, &phone.agent, by, members);
    check_recording(&company, &detail, &called, &answered, held);

    // The row equals the peers' ledger.
    let mut ledger = Figures::default();
    ledger.served(&called, &answered, held);
    let report = company.wait_figures(&support, &before, &ledger);
    must("the report", verdict::figures(&ledger, &report, 50.0));
    let mut without_answer = called.clone();
    without_answer.ended = answered.answered;
    let mut dropped = Figures::default();
    dropped.abandoned(&without_answer);
    must_fail("a ledger without the answer", verdict::figures(&dropped, &report, 50.0));
}

fn check_detail(detail: &Value, agent: &str, by: By, members: usize) {
    assert_eq!(detail["summary"]["end"], "served");
    let offer = &detail["offers"][0];
    assert_eq!(detail["offers"].as_array().map(Vec::len), Some(1), "one offer: {detail:#}");
    assert_eq!(offer["accepted"], true);
    let trace = &offer["trace"];
    assert_eq!(trace["candidates"][0]["agent"]["id"], agent, "the trace names who was chosen: {trace:#}");
    let excluded = trace["excluded"].as_array().expect("those left out");
    assert_eq!(excluded.len(), members - 1, "everybody else, with a reason: {trace:#}");
    assert!(excluded.iter().all(|e| e["why"] == "not_signed_in"), "{trace:#}");
    let of_agent = segment_of(detail, agent);
    assert_eq!(of_agent["disposition_name"]["en"], "Resolved");
    assert_eq!(of_agent["note"], "checked");
    let end = if by == By::Caller { "caller_hung_up" } else { "agent_hung_up" };
    assert_eq!(of_agent["end"], end);
    let states: Vec<&str> = spans(of_agent).map(|s| s["state"].as_str().unwrap_or_default()).collect();
    assert_eq!(states, ["offered", "connecting", "talking", "held", "talking", "wrap_up"]);
    // R7: the spans tile the segment.
    let mut at = of_agent["started_at"].as_i64();
    for span in spans(of_agent) {
        assert_eq!(span["from_at"].as_i64(), at, "no hole and no overlap: {of_agent:#}");
        at = span["to_at"].as_i64();
    }
    assert_eq!(at, of_agent["ended_at"].as_i64());
    for leg in detail["legs"].as_array().expect("legs") {
        assert_eq!(leg["cause"], "hangup", "{leg:#}");
        assert_eq!(leg["codec"], "pcmu", "{leg:#}");
    }
}

pub fn segment_of<'a>(detail: &'a Value, agent: &str) -> &'a Value {
    let segments = detail["segments"].as_array().expect("segments");
    segments.iter().find(|s| s["agent"]["id"] == agent).unwrap_or_else(|| panic!("no segment of the agent: {detail:#}"))
}

pub fn spans(segment: &Value) -> impl Iterator<Item = &Value> {
    segment["spans"].as_array().into_iter().flatten()
}

fn gaps(recording: &Value) -> Vec<(u64, u64)> {
    let gap = |g: &Value| Some((g["from_ms"].as_u64()?, g["to_ms"].as_u64()?));
    recording["gaps"].as_array().into_iter().flatten().filter_map(gap).collect()
}

/// Each tone in its own channel, the hold listed and silent, length = talk + hold.
pub fn check_recording(
    company: &Company,
    detail: &Value,
    caller: &super::ledger::PeerCall,
    agent: &super::ledger::PeerCall,
    held: f64,
) {
    let recording = &detail["recordings"][0];
    assert_eq!(detail["recordings"].as_array().map(Vec::len), Some(1), "one recording: {detail:#}");
    let gaps = gaps(recording);
    let (left, right) = stereo(&company.recording(&id(recording)));
    let ended = caller.ended.into_iter().chain(agent.ended).fold(f64::INFINITY, f64::min);
    let length_ms = ended - agent.answered.expect("answered");
    let expected = Expected { left_hz: CALLER_HZ, right_hz: AGENT_HZ, length_ms, gaps: gaps.clone() };
    must("the recording", verdict::recording(&left, &right, &expected));
    must_fail("the recording with its channels swapped", verdict::recording(&right, &left, &expected));
    let silence: f64 = gaps.iter().map(|(from, to)| (to - from) as f64).sum();
    assert!((silence - held).abs() <= 100.0, "{silence} ms of listed gaps, {held:.0} ms of hold heard by the caller");
}

/// One call talking, one waiting, then the process ends in this manner; the next one goes on with both.
pub fn calls_outlive(server: &mut Server, end: fn(&mut Server)) {
    let company = Company::of(server);
    let support = company.queue("Support");
    let before = company.figures(&support);
    let mut phone = Phone::on_duty(server, &company, "Agent 2", "7102", &auto_answer());
    let mut talking = Caller::dial(server, "1000");
    phone.wait_call();
    talking.rtp.wait_tone(AGENT_HZ, 1500);
    let mut waiting = Caller::dial(server, "1000");
    company.wait_waiting(&support, 1);
    must("the caller before the crash", verdict::hears(&talking.rtp.listen(500), AGENT_HZ, CALLER_HZ));
    let music = verdict::hears_music(&waiting.rtp.listen(500), &[CALLER_HZ, AGENT_HZ]);
    must("the waiting caller before the crash", music);

    let cut = Instant::now();
    end(server);
    server.start_again();
    let company = Company::of(server);
    // Each hears what it heard, and nobody was told anything.
    talking.rtp.wait_tone(AGENT_HZ, 200);
    must("the caller after the crash", verdict::hears(&talking.rtp.listen(500), AGENT_HZ, CALLER_HZ));
    must("the agent after the crash", verdict::hears(&phone.rtp.listen(500), CALLER_HZ, AGENT_HZ));
    let music = || verdict::hears_music(&waiting.rtp.listen(300), &[CALLER_HZ, AGENT_HZ]).ok();
    wait_for("the waiting caller to hear music again", SOON, music);
    for call in [talking.call(), waiting.call(), phone.call()] {
        assert!(!call.ended_here && call.byes == 0, "no BYE: {call:?}");
    }
    let since = |at: Instant| at.saturating_duration_since(cut).as_millis();
    let again = talking.rtp.spans(AGENT_HZ).last().map(|(from, _)| since(*from));
    println!("sound came back {again:?} ms after the kill");
    assert_eq!(company.live()["interactions"].as_array().map(Vec::len), Some(2));
    assert_eq!(company.board_queue(&support)["waiting"], 1);
    assert_eq!(company.board_agent(&phone.agent)["occupancy"], "busy");

    // The talk ends as any other; its recording lists what is missing.
    let (agent, device) = (phone.agent.clone(), phone.device.clone());
    company.takes_duty(&agent, &device);
    talking.sipp.hang_up();
    talking.sipp.must_end_well();
    phone.sipp.must_end_well();
    let (segment, interaction) = company.wait_segment(&agent, "wrap_up");
    let phone_again = Phone::back_on_duty(server, &company, agent.clone(), device, "7102", &auto_answer());
    company.wrap_up(&agent, &segment, "Resolved");
    let detail = company.wait_detail(&interaction);
    must_fail("the call that went on as ended by the crash", ended_by_restart(&detail));
    assert_eq!(detail["summary"]["end"], "served");
    let recording = &detail["recordings"][0];
    let (left, right) = stereo(&company.recording(&id(recording)));
    let (at_left, at_right) = (heard_ms(&left, CALLER_HZ), heard_ms(&right, AGENT_HZ));
    assert!(at_left >= 2400 && at_right >= 2400, "{at_left} and {at_right} ms of tone before and after");
    assert_eq!((heard_ms(&left, AGENT_HZ), heard_ms(&right, CALLER_HZ)), (0, 0));
    let talked = talking.call().ended.unwrap_or_default() - phone.call().answered.unwrap_or_default();
    let length = left.len() as f64 / 8.0;
    assert!((length - talked).abs() < 700.0, "{length} ms recorded of {talked}");
    let lost = recording["gaps"].as_array().into_iter().flatten().filter(|g| g["why"] == "lost");
    let lost: u64 = lost.map(|g| g["to_ms"].as_u64().unwrap_or(0) - g["from_ms"].as_u64().unwrap_or(0)).sum();
    let silent = length - at_left.min(at_right) as f64;
    assert!(lost > 50 && (lost as f64 - silent).abs() < 600.0, "{lost} ms are listed as lost, {silent} are silent");

    // Who waited is served by the agent who is back.
    phone_again.wait_call();
    waiting.rtp.wait_tone(AGENT_HZ, 400);
    must("the second caller", verdict::hears(&waiting.rtp.listen(400), AGENT_HZ, CALLER_HZ));
    waiting.sipp.hang_up();
    waiting.sipp.must_end_well();
    let mut phone = phone_again;
    phone.sipp.must_end_well();
    let (segment, _) = company.wait_segment(&phone.agent, "wrap_up");
    company.wrap_up(&phone.agent, &segment, "Resolved");
    let ended = company.wait_ended(2, SOON);
    assert!(ended.iter().all(|i| i["end"] == "served"), "{ended:#?}");
    let found = company.wait_figures(&support, &before, &Figures { offered: 2, handled: 2, ..Figures::default() });
    assert_eq!((found.offered, found.answered, found.handled, found.abandoned), (2, 2, 2, 0));
    assert_eq!(company.live()["interactions"], json!([]), "nothing stuck on the board");
}

/// Interaction and legs ended with the true cause, every segment closed.
fn ended_by_restart(detail: &Value) -> Verdict {
    match &detail["summary"]["end"] {
        end if end == "system.restart" => Ok(()),
        end => Err(format!("the interaction ended by {end}")),
    }
}

/// Calls the queue without anybody there, waits until it is counted.
pub fn waits(server: &Server, company: &Company, queue: &str, before: u64) -> Caller {
    let caller = Caller::dial_as(server, &Calls::default());
    company.wait_waiting(queue, before + 1);
    caller
}

/// The one interaction that is not among `known`.
pub fn newest(company: &Company, known: &[Value]) -> Value {
    wait_for("the new interaction in the list", Duration::from_secs(10), || {
        company.interactions().into_iter().rev().find(|i| known.iter().all(|k| k["id"] != i["id"]))
    })
}
