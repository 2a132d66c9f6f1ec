//! Timelines of recording: rules, on demand, masks, announcements.
#![allow(clippy::unwrap_used, reason = "a test's own machinery")]
mod rig;

use domain::command::{AgentCommand, Target};
use domain::config::TenantConfig;
use domain::event::EventBody;
use domain::id::*;
use domain::recording::*;
use rig::*;

fn ruled(mode: RecordMode) -> TenantConfig {
    let mut c = config();
    c.queues.get_mut(&SUPPORT).unwrap().record = Some(RecordRule { mode, notice: None });
    c
}

fn talk(r: &mut Rig) -> (LegId, SegmentId) {
    r.sign_in(ANN, TAB);
    let caller = r.call(TO_SUPPORT);
    r.accept(ANN);
    r.pass(10);
    (caller, r.work(ANN))
}

/// What the journal says of recording, and what the switch was told.
fn story(r: &Rig) -> Vec<String> {
    let about = ["recording_", "mask_", "> record", "> pause", "> stop_rec", "refused"];
    let lines = r.out.lines().filter(|l| about.iter().any(|a| l.contains(a)));
    lines.map(|l| l.trim().to_owned()).collect()
}

#[test]
fn a_conversation_that_the_sample_did_not_choose_says_so() {
    let mut r = Rig::new(ruled(RecordMode::Sample { percent: 0 }));
    let (caller, _) = talk(&mut r);
    r.hangs_up(caller);
    let decided = r.events.iter().find_map(|e| match e.body {
        EventBody::RecordingDecided { on, mode, of, draw, .. } => Some((on, mode, of, draw.is_some())),
        _ => None,
    });
    let of = RuleOf::Queue { queue: SUPPORT };
    assert_eq!(decided, Some((false, RecordMode::Sample { percent: 0 }, of, true)));
    assert!(!r.events.iter().any(|e| matches!(e.body, EventBody::RecordingRequested { .. })));
}

#[test]
fn on_demand_is_the_agents_to_start_and_stop_and_nobody_elses() {
    let mut r = Rig::new(ruled(RecordMode::OnDemand));
    let (_, segment) = talk(&mut r);
    r.forget();
    r.agent(ANN, AgentCommand::StartRecording { segment });
    r.agent(ANN, AgentCommand::StartRecording { segment });
    r.pass(5);
    assert!(r.floor.agent_view(ANN).unwrap().work[0].record.unwrap().on);
    r.agent(ANN, AgentCommand::StopRecording { segment });
    r.agent(ANN, AgentCommand::Hold { segment });
    r.agent(ANN, AgentCommand::StartRecording { segment });
    expect_test::expect![[r#"
        10.000 recording_decided by=ann mode=on_demand of=queue on=true queue=que1 segment=seg#2
        10.000 recording_requested left=leg#1 recording=rec#1 right=leg#2 segment=seg#2
        > record left=leg#1 recording=rec#1 right=leg#2
        15.000 recording_decided by=ann mode=on_demand of=queue on=false queue=que1 segment=seg#2
        > stop_recording recording=rec#1
        15.000 recording_ended gaps=[] length_ms=5000 recording=rec#1
        15.000 recording_decided by=ann mode=on_demand of=queue on=true queue=que1 segment=seg#2
        15.000 recording_requested left=leg#1 recording=rec#2 right=leg#2 segment=seg#2
        > record left=leg#1 recording=rec#2 right=leg#2
        > pause_recording recording=rec#2 why=hold"#]]
    .assert_eq(&story(&r).join("\n"));

    let mut r = Rig::new(ruled(RecordMode::Always));
    let (_, segment) = talk(&mut r);
    r.forget();
    r.agent(ANN, AgentCommand::StopRecording { segment });
    assert_eq!(story(&r), ["10.000 refused recording.ruled"]);
}

#[test]
fn a_mask_stays_with_the_customer_until_it_is_taken_off_or_its_time_is_over() {
    let mut c = config();
    c.recording.mask_s = 60;
    let mut r = Rig::new(c);
    let (_, segment) = talk(&mut r);
    r.sign_in(BOB, PHONE);
    r.forget();
    r.agent(ANN, AgentCommand::Mask { segment });
    r.agent(ANN, AgentCommand::Hold { segment });
    r.agent(ANN, AgentCommand::Resume { segment });
    r.agent(ANN, AgentCommand::Transfer { segment, to: Target::Agent { agent: BOB } });
    r.pass(5);
    let phone = r.dialled();
    r.leg(answered(phone));
    assert!(r.floor.agent_view(BOB).unwrap().work[0].masked_until.is_some());
    r.pass(2);
    let his = r.work(BOB);
    r.agent(BOB, AgentCommand::Unmask { segment: his });
    r.pass(1);
    r.agent(BOB, AgentCommand::Mask { segment: his });
    r.pass(61);
    expect_test::expect![[r#"
        10.000 mask_started agent=ann segment=seg#2 until=70.000
        > pause_recording recording=rec#1 why=mask
        > stop_recording recording=rec#1
        10.000 recording_ended gaps=[] length_ms=10000 recording=rec#1
        15.000 recording_decided mode=always of=queue on=true queue=que1 segment=seg#3
        15.000 recording_requested left=leg#1 recording=rec#2 right=leg#3 segment=seg#3
        > record left=leg#1 recording=rec#2 right=leg#3
        > pause_recording recording=rec#2 why=mask
        17.000 mask_ended agent=bob why=agent
        > pause_recording recording=rec#2
        18.000 mask_started agent=bob segment=seg#3 until=78.000
        > pause_recording recording=rec#2 why=mask
        78.000 mask_ended why=timed_out
        > pause_recording recording=rec#2"#]]
    .assert_eq(&story(&r).join("\n"));
}

#[test]
fn one_whom_the_law_protects_stops_the_recordings_of_all_while_he_takes_part() {
    let mut c = config();
    c.agents.get_mut(&BOB).unwrap().record = Some(RecordRule { mode: RecordMode::Forbidden, notice: None });
    let mut r = Rig::new(c);
    let (_, segment) = talk(&mut r);
    r.sign_in(BOB, PHONE);
    r.forget();
    r.agent(ANN, AgentCommand::Consult { segment, to: Target::Agent { agent: BOB } });
    let phone = r.dialled();
    r.leg(answered(phone));
    r.agent(ANN, AgentCommand::Conference { segment });
    r.pass(5);
    r.hangs_up(phone);
    expect_test::expect![[r#"
        > pause_recording recording=rec#1 why=hold
        10.000 recording_decided agent=bob mode=forbidden of=agent on=false segment=seg#2
        10.000 recording_decided agent=bob mode=forbidden of=agent on=false segment=seg#3
        > stop_recording recording=rec#1
        10.000 recording_ended gaps=[] length_ms=10000 recording=rec#1
        15.000 recording_decided mode=always of=queue on=true queue=que1 segment=seg#2
        15.000 recording_requested left=leg#1 recording=rec#2 right=leg#2 segment=seg#2
        > record left=leg#1 recording=rec#2 right=leg#2"#]]
    .assert_eq(&story(&r).join("\n"));
}

#[test]
fn a_caller_hears_that_he_is_recorded_before_he_waits_and_once_only() {
    let mut c = config();
    c.recording.notice = Notice::Announcement { prompt: PromptId(32) };
    let mut r = Rig::new(c.clone());
    let caller = r.call(TO_SUPPORT);
    let played = |r: &Rig| r.out.matches("> play ").count();
    assert_eq!(played(&r), 1);
    r.play_ends(caller, "");
    assert!(story(&r).iter().any(|l| l.contains("recording_announced")), "{}", r.out);
    assert_eq!(played(&r), 2, "the welcome follows: {}", r.out);
    r.sign_in(ANN, TAB);
    r.forget();
    r.accept(ANN);
    assert_eq!(played(&r), 0, "{}", r.out);

    // Cut off by an agent who is free at once: both hear it when they talk.
    let mut r = Rig::new(c);
    r.sign_in(ANN, TAB);
    let caller = r.call(TO_SUPPORT);
    r.forget();
    r.accept(ANN);
    assert_eq!(played(&r), 2, "{}", r.out);
    r.play_ends(caller, "");
    assert!(story(&r).iter().any(|l| l.contains("recording_announced")), "{}", r.out);
}

#[test]
fn a_beep_goes_with_the_recording_alone() {
    let mut c = ruled(RecordMode::OnDemand);
    c.recording.notice = Notice::Beep { every_s: 15 };
    let mut r = Rig::new(c);
    let (_, segment) = talk(&mut r);
    r.agent(ANN, AgentCommand::StartRecording { segment });
    assert!(story(&r).iter().any(|l| l.starts_with("> record beep_s=15")), "{}", r.out);
}
