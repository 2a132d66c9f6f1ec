//! SIP calls through the switch with the real SIP endpoint and media plane: who gets in, how calls go and how they end.
mod harness;

use std::sync::Arc;
use std::time::Duration;

use domain::device::{Binding, DeviceLoss, DeviceReport};
use domain::directory::{DeviceEntryKind, Directory};
use domain::id::{AddressId, BridgeId, LegId, PlayId, RecordingId, TrunkId};
use domain::leg::{CallerId, Collect, Dial, EndCause, Hears, LegCommand, LegEvent, RejectReason};
use expect_test::expect;
use harness::*;
use sip::digest::{Credentials, Secret};
use switch::{Config, Input};

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn a_caller_hears_himself_until_he_hangs_up() {
    let mut w = World::new();
    let (call, leg) = w.caller_up(phone(1));
    w.leg(LegCommand::Bridge { bridge: BridgeId(1), legs: vec![Hears { leg, hears: vec![leg] }] });
    let key = w.last_media();
    w.speak(key, rtp_of(phone(1)), 8, 50);
    assert!(w.rtp[&key] >= 45, "echoed packets: {}", w.rtp[&key]);
    assert_eq!(w.checkpoints.len(), 2, "the leg, and who hears whom");
    w.phone(phone(1), sip::Command::Hangup { call, headers: Vec::new() });
    let Some(LegEvent::Ended { stats, .. }) = w.events.last() else { panic!("the leg ended") };
    assert_eq!((stats.answered_ms, stats.rtp_received, stats.rtp_lost), (1000, 50, 0));
    expect![[r#"
        A offered 3000 +8613800138000 Loopback
        A answered Pcma
        A ended Hangup by Peer
    "#]]
    .assert_eq(&w.timeline());
    w.assert_empty();
}

#[test]
fn a_call_without_an_offer_gets_ours() {
    let mut w = World::new();
    let call = w.call_with(phone(1), "3000", None, None);
    let leg = w.offered();
    w.leg(LegCommand::Answer { leg });
    w.phone(phone(1), sip::Command::Ack { call, sdp: sdp(rtp_of(phone(1)), "0 101", "") });
    expect![[r#"
        A offered 3000 +8613800138000 Loopback
        A answered Pcmu
    "#]]
    .assert_eq(&w.timeline());
    w.leg(LegCommand::Hangup { leg, cause: EndCause::Hangup });
    assert_eq!(w.heard(phone(1)).last().unwrap(), "ended Remote { reason: None }");
    w.assert_empty();
}

#[test]
fn a_caller_of_g729_alone_is_told_what_is_spoken() {
    let mut w = World::new();
    w.call_with(phone(1), "3000", None, Some(sdp(rtp_of(phone(1)), "18", "")));
    assert_eq!(w.timeline(), "");
    assert_eq!(w.heard(phone(1)), ["rejected 488"]);
    let (name, text) = w.refusals.pop().unwrap();
    assert_eq!(name, "Warning");
    assert!(
        text.starts_with("305 ") && text.contains("no codec in common: PCMA, PCMU, G722 and opus are spoken here"),
        "{text}"
    );
}

#[test]
fn a_fax_that_asks_for_t38_goes_on_by_g711() {
    let mut w = World::new();
    let (call, leg) = w.caller_up(phone(1));
    let fax = String::from_utf8(sdp(rtp_of(phone(1)), "8", "")).unwrap().replace("RTP/AVP 8", "udptl t38");
    let fax = fax.replace("m=audio", "m=image");
    w.phone(phone(1), sip::Command::Reinvite { call, sdp: Some(fax.into_bytes()) });
    assert_eq!(w.heard(phone(1)), ["answered", "reinvite 488 -"]);
    w.leg(LegCommand::Hangup { leg, cause: EndCause::Hangup });
    expect![[r#"
        A offered 3000 +8613800138000 Loopback
        A answered Pcma
        A ended Hangup by Us
    "#]]
    .assert_eq(&w.timeline());
}

#[test]
fn the_agents_phone_is_offered_first_what_the_caller_speaks() {
    let mut w = World::new();
    w.register(phone(9), 600);
    let opus = "a=rtpmap:111 opus/48000/2\r\n";
    w.call_with(phone(1), "3000", None, Some(sdp(rtp_of(phone(1)), "111 101", opus)));
    let caller = w.offered();
    w.leg(LegCommand::Answer { leg: caller });
    let leg = LegId(700);
    w.leg(LegCommand::Originate {
        leg,
        tenant: TENANT,
        interaction: None,
        to: Dial::Device { device: SIP_DEVICE },
        from: CallerId::default(),
        ring_timeout: 20 * SECOND,
        beside: Some(caller),
    });
    let events = &w.phone_at(phone(9)).events;
    let offered = events.iter().find_map(|event| match event {
        sip::Event::IncomingCall(incoming) => incoming.sdp().map(|sdp| String::from_utf8_lossy(sdp).into_owned()),
        _ => None,
    });
    assert!(offered.unwrap().contains("RTP/AVP 111 8 0 9 101 110\r\n"));
}

#[test]
fn strangers_get_no_further_than_a_challenge() {
    let mut w = World::new();
    w.call(phone(1), "4000", None);
    let wrong = Credentials { user: "agent".to_owned(), secret: Secret::Password("guess".to_owned()) };
    w.call(phone(2), "4000", Some(wrong));
    let nobody = Credentials { user: "nobody".to_owned(), secret: Secret::Password("guess".to_owned()) };
    w.call(phone(3), "4000", Some(nobody));
    assert_eq!(w.heard(phone(1)), ["rejected 401"]);
    assert_eq!(w.heard(phone(2)), w.heard(phone(3)), "an existing user is not told from an unknown one");
    assert_eq!(w.timeline(), "");
}

#[test]
fn a_registered_devices_user_calls_numbers_of_its_tenant() {
    let mut d = directory();
    for entry in d.numbers.values_mut() {
        entry.sample = false;
    }
    let mut w = World::with(d, Config::new(1, 1, 1, 0));
    w.call(phone(1), "3000", Some(agent()));
    let leg = w.offered();
    w.leg(LegCommand::Reject { leg, why: RejectReason::Busy });
    assert_eq!(w.heard(phone(1)), ["rejected 486"]);
    let timeline = w.timeline();
    assert!(timeline.contains("Device { device: dev_"), "{timeline}");
    assert!(timeline.ends_with("A ended Busy by Us\n"), "{timeline}");
    w.assert_empty();
}

#[test]
fn a_caller_hears_ringing_and_may_give_up() {
    let mut w = World::new();
    let call = w.call(phone(1), "3000", None);
    let leg = w.offered();
    w.leg(LegCommand::Ring { leg });
    w.advance(11 * SECOND);
    w.phone(phone(1), sip::Command::Hangup { call, headers: Vec::new() });
    // Too late: the leg has gone.
    w.leg(LegCommand::Answer { leg });
    w.leg(LegCommand::Hangup { leg, cause: EndCause::Hangup });
    expect![[r#"
        A offered 3000 +8613800138000 Loopback
        A ended Cancelled by Peer
    "#]]
    .assert_eq(&w.timeline());
    assert_eq!(w.heard(phone(1)), ["progress 180", "ended Local"]);
    w.assert_empty();
}

#[test]
fn an_offer_nobody_decides_about_is_refused_after_ten_seconds() {
    let mut w = World::new();
    w.call(phone(1), "3000", None);
    w.advance(10 * SECOND);
    assert_eq!(w.heard(phone(1)), ["rejected 503"]);
    assert!(w.timeline().ends_with("A ended SystemError by System\n"));
    w.assert_empty();
}

#[test]
fn a_caller_who_never_acknowledges_is_lost() {
    let mut w = World::new();
    w.call(phone(1), "3000", None);
    let leg = w.offered();
    w.phone_at(phone(1)).is_gone = true;
    w.leg(LegCommand::Answer { leg });
    w.advance(33 * SECOND);
    expect![[r#"
        A offered 3000 +8613800138000 Loopback
        A answered Pcma
        A silent true
        A ended SignallingLost by System
    "#]]
    .assert_eq(&w.timeline());
    w.assert_empty();
}

#[test]
fn a_phone_behind_proxies_is_called_by_the_way_it_registered_by() {
    let mut w = World::new();
    let path = ["<sip:inner.example;lr>", "<sip:b64@edge.example;lr;ob>"];
    w.register_by(phone(2), 600, &format!("Path: {}\r\nPath: {}\r\n", path[0], path[1]));
    w.originate(SIP_DEVICE);
    let invite = w.invite_at(phone(2));
    assert_eq!(invite.list(sip::msg::Name::Route).collect::<Vec<_>>(), path);
}

#[test]
fn a_phone_with_two_ways_is_called_by_one_and_by_the_other_when_that_is_cut() {
    let mut w = World::new();
    let flow = |number: u32| format!(";+sip.instance=\"<urn:uuid:0>\";reg-id={number}");
    let outbound = "Supported: outbound\r\n";
    w.register_as(phone(3), 300, &flow(1), outbound);
    w.register_as(phone(2), 600, &flow(2), outbound);
    let leg = w.originate(SIP_DEVICE);
    let first = w.rung(phone(2));
    assert!(w.heard(phone(3)).is_empty(), "it would ring at itself");
    // What an edge proxy says when the phone's connection to it is gone.
    w.phone(phone(2), sip::Command::Reject { call: first, status: 430, headers: Vec::new() });
    w.pick_up(phone(3));
    assert_eq!(w.timeline(), "A answered Pcma\n");
    w.leg(LegCommand::Hangup { leg, cause: EndCause::Hangup });
    assert_eq!(w.timeline(), "A ended Hangup by Us\n");

    // Neither: nobody is there.
    w.originate(SIP_DEVICE);
    for at in [phone(2), phone(3)] {
        let call = w.rung(at);
        w.phone(at, sip::Command::Reject { call, status: 430, headers: Vec::new() });
    }
    assert_eq!(w.timeline(), "A ended Unreachable by Peer\n");
    w.assert_empty();
}

#[test]
fn an_agents_phone_is_rung_bridged_and_let_go_when_the_caller_leaves() {
    let mut w = World::new();
    w.register(phone(2), 600);
    let (call, caller) = w.caller_up(phone(1));
    let caller_media = w.last_media();
    let agent = w.originate(SIP_DEVICE);
    let ringing = w.rung(phone(2));
    w.phone(phone(2), sip::Command::Progress { call: ringing, status: 180, sdp: None });
    w.pick_up(phone(2));
    let agent_media = w.last_media();
    w.bridge(caller, agent);
    let (recording, tenant) = (RecordingId(5), TENANT);
    w.leg(LegCommand::Record { recording, tenant, left: caller, right: Some(agent), beep_s: None });
    w.speak(caller_media, rtp_of(phone(1)), 8, 50);
    assert!(w.rtp[&agent_media] >= 49, "the agent hears the caller: {:?}", w.rtp);
    let before = w.rtp[&caller_media];
    w.speak(agent_media, rtp_of(phone(2)), 8, 50);
    assert!(w.rtp[&caller_media] >= before + 49, "the caller hears the agent: {:?}", w.rtp);
    w.phone(phone(1), sip::Command::Hangup { call, headers: Vec::new() });
    // The floor's answer to the caller's end.
    w.leg(LegCommand::Hangup { leg: agent, cause: EndCause::Hangup });
    expect![[r#"
        A offered 3000 +8613800138000 Loopback
        A answered Pcma
        B ringing
        B answered Pcma
        recording 5 started
        A ended Hangup by Peer
        recording 5 ended 2000 ms
        B ended Hangup by Us
    "#]]
    .assert_eq(&w.timeline());
    assert_eq!(w.heard(phone(2)), ["incoming", "established", "ended Remote { reason: None }"]);
    w.assert_empty();
}

#[test]
fn the_first_of_two_phones_to_answer_wins() {
    let mut w = World::new();
    w.register(phone(2), 600);
    w.register(phone(4), 600);
    let leg = w.originate(SIP_DEVICE);
    w.pick_up(phone(4));
    let lost = w.heard(phone(2));
    assert!(lost.last().unwrap().contains("Call completed elsewhere"), "{lost:?}");
    w.leg(LegCommand::Hangup { leg, cause: EndCause::Hangup });
    assert_eq!(w.timeline(), "A answered Pcma\nA ended Hangup by Us\n");
    w.assert_empty();
}

#[test]
fn a_phone_that_is_busy_does_not_stop_the_other_from_ringing() {
    let mut w = World::new();
    w.register(phone(2), 600);
    w.register(phone(4), 600);
    w.originate(SIP_DEVICE);
    let call = w.rung(phone(2));
    w.phone(phone(2), sip::Command::Reject { call, status: 486, headers: Vec::new() });
    assert_eq!(w.timeline(), "");
    let call = w.rung(phone(4));
    w.phone(phone(4), sip::Command::Reject { call, status: 503, headers: Vec::new() });
    assert_eq!(w.timeline(), "A ended Busy by Peer\n", "busy tells more than unreachable");
    w.assert_empty();
}

#[test]
fn a_device_that_does_not_answer_is_cancelled() {
    let mut w = World::new();
    let leg = w.originate(URI_DEVICE);
    // The phone exists but nobody hears it.
    let _ = w.phone_at(phone(3));
    w.advance(SECOND);
    let call = w.rung(phone(3));
    w.phone(phone(3), sip::Command::Progress { call, status: 180, sdp: None });
    w.advance(20 * SECOND);
    assert_eq!(w.timeline(), "A ringing\nA ended NoAnswer by System\n");
    assert!(w.heard(phone(3)).last().unwrap().starts_with("ended Cancelled"));
    w.leg(LegCommand::Hangup { leg, cause: EndCause::Hangup });
    w.assert_empty();
}

#[test]
fn unreachable_places_say_so() {
    let mut w = World::new();
    w.originate(SIP_DEVICE);
    assert_eq!(w.timeline(), "A ended Unreachable by System\n", "nothing is registered");
    w.originate_to(Dial::Uri { uri: "sip:robot@no.such.host".to_owned() });
    assert_eq!(w.timeline(), "A ended Unreachable by System\n", "a name that does not resolve");
    w.originate_to(Dial::Uri { uri: "tel:+1".to_owned() });
    assert_eq!(w.timeline(), "A ended Unreachable by System\n", "no SIP URI");
    w.is_media_stuck = true;
    w.originate(URI_DEVICE);
    w.advance(15 * SECOND);
    assert_eq!(w.timeline(), "A ended SystemError by System\n", "media that never opens");
    w.assert_empty();
}

#[test]
fn an_answer_without_usable_media_ends_the_call() {
    let mut w = World::new();
    let _ = w.phone_at(phone(3));
    w.originate(URI_DEVICE);
    let call = w.rung(phone(3));
    w.phone(phone(3), sip::Command::Answer { call, sdp: b"v=0".to_vec(), headers: Vec::new() });
    assert_eq!(w.timeline(), "A ended MediaIncompatible by Peer\n");
    assert_eq!(w.heard(phone(3)).last().unwrap(), "ended Remote { reason: None }");
    w.assert_empty();
}

#[test]
fn hold_and_resume_by_re_invite() {
    let mut w = World::new();
    let (call, leg) = w.caller_up(phone(1));
    let rtp = rtp_of(phone(1));
    let hold = sdp(rtp, "8 101", "a=sendonly\r\n");
    w.phone(phone(1), sip::Command::Reinvite { call, sdp: Some(hold) });
    // On hold nobody wonders about silence.
    w.advance(60 * SECOND);
    w.phone(phone(1), sip::Command::Reinvite { call, sdp: Some(sdp(rtp, "0 101", "")) });
    w.phone(phone(1), sip::Command::Reinvite { call, sdp: Some(sdp(rtp, "18", "")) });
    let key = w.last_media();
    w.speak(key, rtp, 0, 2);
    assert_eq!(w.heard(phone(1)), ["answered", "reinvite 200 recvonly", "reinvite 200 sendrecv", "reinvite 488 -"]);
    w.leg(LegCommand::Hangup { leg, cause: EndCause::Hangup });
    expect![[r#"
        A offered 3000 +8613800138000 Loopback
        A answered Pcma
        A held true
        A held false
        A ended Hangup by Us
    "#]]
    .assert_eq(&w.timeline());
    w.assert_empty();
}

/// Found by the simulator: such a leg lived for ever, since nothing is expected of a peer on hold.
#[test]
fn a_peer_that_vanishes_while_it_holds_us_is_lost_and_one_that_lives_is_kept() {
    let mut w = World::new();
    let (dead, _) = w.caller_up(phone(1));
    let (alive, _) = w.caller_up(phone(2));
    for (n, call) in [(1, dead), (2, alive)] {
        let sdp = sdp(rtp_of(phone(n)), "8 101", "a=inactive\r\n");
        w.phone(phone(n), sip::Command::Reinvite { call, sdp: Some(sdp) });
    }
    w.phone_at(phone(1)).is_gone = true;
    w.advance(300 * SECOND);
    expect![[r#"
        A offered 3000 +8613800138000 Loopback
        A answered Pcma
        B offered 3000 +8613800138000 Loopback
        B answered Pcma
        A held true
        B held true
        A ended SignallingLost by System
    "#]]
    .assert_eq(&w.timeline());
    w.phone(phone(2), sip::Command::Hangup { call: alive, headers: Vec::new() });
    w.advance(40 * SECOND);
    w.assert_empty();
}

/// Found by the simulator: the floor and the engine kept such a recording in their tables for ever.
#[test]
fn a_recording_that_cannot_begin_ends_all_the_same() {
    let mut w = World::new();
    let (call, caller) = w.caller_up(phone(1));
    w.phone(phone(1), sip::Command::Hangup { call, headers: Vec::new() });
    w.leg(LegCommand::Record { recording: RecordingId(5), tenant: TENANT, left: caller, right: None, beep_s: None });
    let timeline = w.timeline();
    assert!(timeline.ends_with("recording 5 ended 0 ms\n"), "{timeline}");
    w.advance(40 * SECOND);
    w.assert_empty();
}

#[test]
fn a_silent_peer_that_does_not_answer_is_lost_and_one_that_does_is_kept() {
    let mut w = World::new();
    let (_, dead) = w.caller_up(phone(1));
    let (call, quiet) = w.caller_up(phone(2));
    assert_ne!(dead, quiet);
    w.phone_at(phone(1)).is_gone = true;
    w.advance(100 * SECOND);
    expect![[r#"
        A offered 3000 +8613800138000 Loopback
        A answered Pcma
        B offered 3000 +8613800138000 Loopback
        B answered Pcma
        A silent true
        B silent true
        A ended SignallingLost by System
    "#]]
    .assert_eq(&w.timeline());
    let key = w.last_media();
    w.speak(key, rtp_of(phone(2)), 8, 2);
    assert_eq!(w.timeline(), "A silent false\n");
    // Signalling lives, but sound never comes back.
    w.advance(605 * SECOND);
    assert_eq!(w.timeline(), "A silent true\nA ended MediaLost by System\n");
    w.phone(phone(2), sip::Command::Hangup { call, headers: Vec::new() });
    w.assert_empty();
}

#[test]
fn digits_by_info_answer_a_menu() {
    let mut w = World::new();
    let (call, leg) = w.caller_up(phone(1));
    let collect = Collect {
        max_digits: 1,
        terminators: "#".to_owned(),
        first_timeout: 5 * SECOND,
        inter_digit_timeout: 3 * SECOND,
    };
    let play = |play, clips: &[_], collect: &Collect| LegCommand::Play {
        leg,
        play: PlayId(play),
        clips: clips.to_vec(),
        looped: false,
        interruptible: true,
        collect: Some(collect.clone()),
    };
    w.leg(play(1, &[CLIP, MISSING], &collect));
    let body = b"Signal=2\r\nDuration=160\r\n".to_vec();
    w.phone(phone(1), sip::Command::Info { call, content_type: "application/dtmf-relay".to_owned(), body });
    w.leg(play(2, &[CLIP], &collect));
    w.advance(8 * SECOND);
    w.leg(play(3, &[MISSING], &collect));
    w.leg(play(4, &[CLIP], &collect));
    w.leg(play(5, &[CLIP], &collect));
    w.leg(LegCommand::StopPlay { leg });
    w.leg(play(6, &[CLIP], &collect));
    w.leg(LegCommand::Hangup { leg, cause: EndCause::Hangup });
    expect![[r#"
        A offered 3000 +8613800138000 Loopback
        A answered Pcma
        A play 1 Interrupted "2"
        A digit 2
        A silent true
        A play 2 TimedOut ""
        A play 3 Missing ""
        A play 4 Stopped ""
        A play 5 Stopped ""
        A play 6 Stopped ""
        A ended Hangup by Us
    "#]]
    .assert_eq(&w.timeline());
    w.assert_empty();
}

#[test]
fn a_phone_asks_to_be_replaced_and_hears_how_it_went() {
    let mut w = World::new();
    let (call, leg) = w.caller_up(phone(1));
    let refer = |user: &str| sip::Command::Refer {
        call,
        to: sip::msg::Uri::parse(&format!("sip:{user}@pbx.example")).unwrap(),
    };
    w.phone(phone(1), refer("4711"));
    let _ = w.heard(phone(1));
    w.leg(LegCommand::RefuseTransfer { leg, why: RejectReason::Forbidden });
    assert_eq!(w.heard(phone(1)), ["refer 603"]);
    // The call goes on; the next wish is granted, and the goodbye comes after the news.
    w.phone(phone(1), refer("1002"));
    w.leg(LegCommand::Hangup { leg, cause: EndCause::Hangup });
    assert_eq!(w.heard(phone(1)), ["refer 100", "refer 200", "ended Remote { reason: None }"]);
    expect![[r#"
        A offered 3000 +8613800138000 Loopback
        A answered Pcma
        A wants 4711 instead
        A wants 1002 instead
        A ended Hangup by Us
    "#]]
    .assert_eq(&w.timeline());
    w.assert_empty();
}

/// RFC 3261's timer B is 32 s: nobody waits so long for the next trunk.
#[test]
fn a_trunk_that_says_nothing_is_given_up_and_one_that_speaks_is_waited_for() {
    let out = |number: &str| Dial::Trunk { trunk: TRUNK, address: AddressId(1), number: number.to_owned() };
    let mut w = World::new();
    w.phone_at(phone(3)).is_gone = true;
    w.originate_to(out("+8613800138000"));
    w.advance(5 * SECOND);
    assert_eq!(w.timeline(), "A ended Unreachable by System\n");
    // Of another company's trunk, or without a number, nothing goes out at all.
    w.originate_to(Dial::Trunk { trunk: TrunkId(99), address: AddressId(1), number: "110".to_owned() });
    w.originate_to(out("x"));
    assert_eq!(w.timeline(), "A ended Unreachable by System\nB ended Unreachable by System\n");
    w.phone_at(phone(3)).is_gone = false;
    let leg = w.originate_to(out("110"));
    w.advance(10 * SECOND);
    assert_eq!(w.timeline(), "", "it rings there");
    w.leg(LegCommand::Hangup { leg, cause: EndCause::Hangup });
    w.advance(40 * SECOND);
    w.assert_empty();
}

#[test]
fn what_is_wished_before_the_answer_happens_after_it() {
    let mut w = World::new();
    let _ = w.phone_at(phone(3));
    let leg = w.originate(URI_DEVICE);
    w.leg(LegCommand::Play {
        leg,
        play: PlayId(1),
        clips: vec![CLIP],
        looped: false,
        interruptible: false,
        collect: None,
    });
    let (recording, tenant) = (RecordingId(5), TENANT);
    w.leg(LegCommand::Record { recording, tenant, left: leg, right: None, beep_s: None });
    w.advance(2 * SECOND);
    w.pick_up(phone(3));
    w.advance(2 * SECOND);
    w.leg(LegCommand::StopRecording { recording });
    expect![[r#"
        A answered Pcma
        recording 5 started
        A play 1 Finished ""
        recording 5 ended 2000 ms
    "#]]
    .assert_eq(&w.timeline());
    w.leg(LegCommand::Hangup { leg, cause: EndCause::Hangup });
    w.assert_empty();
}

#[test]
fn registrations_make_a_device_ready_and_lost_and_outlive_a_restart() {
    let mut w = World::new();
    w.register(phone(2), 600);
    w.advance(SECOND);
    w.register(phone(2), 0);
    w.advance(SECOND);
    w.register(phone(2), 600);
    w.advance(601 * SECOND);
    let ready = DeviceReport::Ready { device: SIP_DEVICE, generation: 0 };
    let lost = |why| DeviceReport::Lost { device: SIP_DEVICE, generation: 0, why };
    let mut stored: Vec<Binding> = Vec::new();
    let mut told = Vec::new();
    for report in &w.reports {
        match report {
            DeviceReport::Binding { bindings, .. } if !bindings.is_empty() => stored.clone_from(bindings),
            DeviceReport::Binding { .. } => {}
            other => told.push(other.clone()),
        }
    }
    let [a, b] = [DeviceLoss::Unregistered, DeviceLoss::RegistrationExpired].map(lost);
    assert_eq!(told, [ready.clone(), a, ready, b]);
    assert_eq!(stored[0].source, phone(2));

    let mut d: Directory = directory();
    let Some(entry) = d.devices.get_mut(&SIP_DEVICE) else { panic!() };
    if let DeviceEntryKind::Sip { bindings, .. } = &mut entry.kind {
        *bindings = stored;
    }
    let mut again = World::with(d, Config::new(1, 2, 2, 1_700_000_000_000));
    assert_eq!(again.restored, 1);
    let _ = again.phone_at(phone(2));
    again.originate(SIP_DEVICE);
    again.rung(phone(2));
}

#[test]
fn registrations_are_told_gathered_and_a_new_expiry_only_when_half_the_old_one_is_over() {
    let mut w = World::new();
    let told = |w: &mut World| std::mem::take(&mut w.reports);
    let contacts = |reports: &[DeviceReport]| -> Vec<Vec<String>> {
        let list = |r: &DeviceReport| match r {
            DeviceReport::Binding { bindings, .. } => Some(bindings.iter().map(|b| b.contact.clone()).collect()),
            _ => None,
        };
        reports.iter().filter_map(list).collect()
    };
    // Two phones of one account at once, and one that is gone before anybody heard of it.
    w.register(phone(2), 600);
    w.register(phone(4), 600);
    w.register(phone(5), 600);
    w.register(phone(5), 0);
    assert_eq!(told(&mut w), []);
    w.advance(SECOND);
    let both = [phone(2), phone(4)].map(|p| format!("sip:agent@{p}"));
    assert_eq!(contacts(&told(&mut w)), [both.to_vec()]);
    // Refreshed before half of the time: nothing to tell until then, and only once.
    w.advance(100 * SECOND);
    w.register(phone(2), 600);
    w.register(phone(4), 600);
    w.advance(100 * SECOND);
    w.register(phone(4), 600);
    w.register(phone(2), 600);
    w.advance(90 * SECOND);
    assert_eq!(told(&mut w), []);
    w.advance(20 * SECOND);
    assert_eq!(contacts(&told(&mut w)).len(), 1);
    // An end in order loses nothing.
    w.register(phone(2), 0);
    w.input(Input::Drain);
    assert_eq!(contacts(&told(&mut w)), [vec![format!("sip:agent@{}", phone(4))]]);
}

#[test]
fn after_a_crash_every_phone_that_rang_stops() {
    let mut w = World::new();
    w.register(phone(2), 600);
    w.register(phone(4), 600);
    w.originate(SIP_DEVICE);
    let calls = [phone(2), phone(4)].map(|p| (p, w.rung(p)));
    for (phone, call) in calls {
        w.phone(phone, sip::Command::Progress { call, status: 180, sdp: None });
        w.heard(phone);
    }
    assert_eq!(w.checkpoints.len(), 1);
    assert!(!w.checkpoints.values().any(|c| c.contains("v=0")), "no session description is kept");

    w.crash(SECOND);
    assert_eq!(w.heard(phone(2)), ["ended Cancelled { reason: None }"]);
    assert_eq!(w.heard(phone(4)), ["ended Cancelled { reason: None }"]);
    w.assert_empty();
}

#[test]
fn draining_ends_every_call_and_lets_none_in() {
    let mut w = World::new();
    w.caller_up(phone(1));
    w.call(phone(2), "3000", None);
    let _ = w.phone_at(phone(3));
    w.originate(URI_DEVICE);
    w.input(Input::Drain);
    w.call(phone(4), "3000", None);
    w.originate(URI_DEVICE);
    let timeline = w.timeline();
    assert_eq!(timeline.matches("ended SystemShutdown by System").count(), 4, "{timeline}");
    assert_eq!(w.heard(phone(1)).last().unwrap(), "ended Remote { reason: None }");
    assert_eq!(w.heard(phone(2)), ["rejected 503"]);
    assert_eq!(w.heard(phone(4)), ["rejected 503"]);
    w.assert_empty();
    assert_eq!(w.switch.table_entries(), 0);
}

#[test]
fn a_new_directory_takes_a_removed_phone_away() {
    let mut w = World::new();
    w.register(phone(2), 600);
    w.advance(SECOND);
    w.reports.clear();
    let mut d = directory();
    d.devices.remove(&SIP_DEVICE);
    d.accounts.clear();
    w.input(Input::Directory(Arc::new(d)));
    let lost = DeviceReport::Lost { device: SIP_DEVICE, generation: 0, why: DeviceLoss::Unregistered };
    assert_eq!(w.reports, [lost]);
    w.originate(SIP_DEVICE);
    assert_eq!(w.timeline(), "A ended Unreachable by System\n");
}
