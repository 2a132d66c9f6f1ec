//! Calls that outlive a crash: what the next process takes up, and what it does with what it cannot.
mod harness;

use std::time::Duration;

use domain::id::{BridgeId, PlayId, RecordingId};
use domain::leg::{EndedBy, GapCause, Hears, LegCommand, LegEvent};
use harness::*;

const SECOND: Duration = Duration::from_secs(1);

fn play(w: &mut World, leg: domain::id::LegId, play: u128) {
    let clips = vec![];
    let collect = Some(domain::leg::Collect {
        max_digits: 4,
        terminators: "#".to_owned(),
        first_timeout: 30 * SECOND,
        inter_digit_timeout: 5 * SECOND,
    });
    w.leg(LegCommand::Play { leg, play: PlayId(play), clips, looped: false, interruptible: true, collect });
}

#[test]
fn two_bridged_phones_talk_on_are_recorded_on_and_hang_up() {
    let mut w = World::new();
    let (caller_call, caller) = w.caller_up(phone(1));
    let _ = w.phone_at(phone(3));
    let agent = w.originate(URI_DEVICE);
    w.pick_up(phone(3));
    w.bridge(caller, agent);
    let recording = RecordingId(5);
    w.leg(LegCommand::Record { recording, tenant: TENANT, left: caller, right: Some(agent), beep_s: None });
    w.leg(LegCommand::PauseRecording { recording, why: Some(GapCause::Mask) });
    w.advance(20 * SECOND);
    w.timeline();
    let outlived = w.crash(3 * SECOND);
    let ours = &outlived[&TENANT];
    assert_eq!(ours.legs.keys().copied().collect::<Vec<_>>(), [agent, caller]);
    assert_eq!(ours.recordings.iter().copied().collect::<Vec<_>>(), [recording]);
    assert_eq!(w.carriers.len(), 2, "both have their ports again");
    assert_eq!(w.switch.leg_count(), 2);
    w.input(switch::Input::Directory(std::sync::Arc::new(directory())));
    // The same orders again change nothing; a new one does.
    let rows = vec![Hears { leg: caller, hears: vec![agent] }, Hears { leg: agent, hears: vec![caller] }];
    w.leg(LegCommand::Bridge { bridge: BridgeId(1), legs: rows });
    w.leg(LegCommand::Record { recording, tenant: TENANT, left: caller, right: Some(agent), beep_s: None });
    w.leg(LegCommand::PauseRecording { recording, why: None });
    w.advance(10 * SECOND);
    assert_eq!(w.recordings.len(), 1);
    w.phone(phone(1), sip::Command::Hangup { call: caller_call, headers: vec![] });
    w.leg(LegCommand::Hangup { leg: agent, cause: domain::leg::EndCause::Hangup });
    let ends: Vec<(EndedBy, u64)> = w
        .events
        .iter()
        .filter_map(|e| match e {
            LegEvent::Ended { by, stats, .. } => Some((*by, stats.answered_ms)),
            _ => None,
        })
        .collect();
    assert_eq!(ends.iter().map(|(by, _)| *by).collect::<Vec<_>>(), [EndedBy::Peer, EndedBy::Us]);
    assert!(ends.iter().all(|(_, ms)| (32_000..35_000).contains(ms)), "the whole conversation counts: {ends:?}");
    assert_eq!(w.heard(phone(3)).last().unwrap(), "ended Remote { reason: None }");
    w.assert_empty();
    assert!(w.checkpoints.is_empty(), "{:?}", w.checkpoints);
}

#[test]
fn a_menu_asks_again_as_soon_as_there_are_prompts() {
    let mut w = World::new();
    let (call, caller) = w.caller_up(phone(1));
    play(&mut w, caller, 9);
    w.timeline();
    w.crash(SECOND);
    w.advance(SECOND);
    assert_eq!(w.timeline(), "");
    // The floor gives the order again, in case it was lost; then come the prompts.
    play(&mut w, caller, 9);
    w.input(switch::Input::Directory(std::sync::Arc::new(directory())));
    w.phone(
        phone(1),
        sip::Command::Info {
            call,
            content_type: "application/dtmf-relay".to_owned(),
            body: b"Signal=7\r\nDuration=100\r\n".to_vec(),
        },
    );
    w.advance(10 * SECOND);
    let ends = w.events.iter().filter(|e| matches!(e, LegEvent::PlayEnded { digits, .. } if digits == "7")).count();
    assert_eq!(ends, 1, "{:?}", w.events);
}

#[test]
fn a_browser_has_its_time_to_come_back() {
    let mut w = World::new();
    w.connected(BROWSER, 1);
    let leg = w.originate(BROWSER);
    w.timeline();
    let outlived = w.crash(SECOND);
    assert!(outlived[&TENANT].legs.contains_key(&leg));
    w.input(switch::Input::Directory(std::sync::Arc::new(directory())));
    w.advance(5 * SECOND);
    w.connected(BROWSER, 1);
    w.advance(60 * SECOND);
    assert_eq!(w.switch.leg_count(), 1, "{}", w.timeline());
    // The next time it does not.
    w.crash(SECOND);
    w.advance(60 * SECOND);
    assert_eq!(w.switch.leg_count(), 0);
    assert!(w.timeline().contains("ended MediaLost by System"));
}

#[test]
fn no_number_serves_twice_however_often_the_process_dies() {
    let mut w = World::new();
    w.caller_up(phone(1));
    let numbers = |w: &World| {
        let text = w.checkpoints.values().next().unwrap();
        let value: serde_json::Value = serde_json::from_str(text).unwrap();
        (value["media"]["numbers"]["sequence"].as_u64(), value["party"]["sip"]["call"]["local_cseq"].as_u64())
    };
    let mut before = numbers(&w);
    for _ in 0..5 {
        w.crash(Duration::from_millis(300));
        let now = numbers(&w);
        let ahead = (now.0.unwrap() as u16).wrapping_sub(before.0.unwrap_or(now.0.unwrap() - 2_000) as u16);
        assert!((2_000..3_000).contains(&ahead), "{before:?} {now:?}");
        assert!(now.1.unwrap() >= before.1.unwrap() + 10_000, "{before:?} {now:?}");
        before = now;
        w.advance(Duration::from_millis(900));
    }
}

#[test]
fn after_a_restart_of_the_machine_a_call_gets_its_bye() {
    let mut w = World::new();
    w.caller_up(phone(1));
    w.heard(phone(1));
    let of_before = |c: &String| c.replace("\"boot\":0", "\"boot\":7");
    w.checkpoints.values_mut().for_each(|c| *c = of_before(c));
    assert!(w.crash(60 * SECOND).is_empty());
    assert_eq!(w.heard(phone(1)), ["ended Remote { reason: None }"]);
    w.assert_empty();
    assert!(w.checkpoints.is_empty(), "{:?}", w.checkpoints);
}

#[test]
fn what_is_damaged_or_of_another_version_is_left_out() {
    let mut w = World::new();
    w.caller_up(phone(1));
    let text = w.checkpoints.values().next().unwrap().clone();
    for broken in [text.replacen("\"v\":3", "\"v\":99", 1), text.replace("<sip:", "<<")] {
        assert_ne!(broken, text);
        w.checkpoints.values_mut().for_each(|c| *c = broken.clone());
        w.crash(SECOND);
        w.advance(10 * SECOND);
        assert_eq!(w.switch.leg_count(), 0);
    }
}
