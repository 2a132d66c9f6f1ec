//! Browsers through the switch: agents who answer and reload, guests who call from the customer page.
mod harness;

use std::time::Duration;

use domain::device::{DeviceLoss, DeviceReport, DeviceSignal, GuestCallState};
use domain::id::PlayId;
use domain::leg::{Collect, EndCause, LegCommand, RejectReason};
use expect_test::expect;
use harness::*;
use switch::{Input, PeerCommand, PeerEvent, PeerRef, Transport};

const SECOND: Duration = Duration::from_secs(1);

fn guest_states(w: &World) -> Vec<GuestCallState> {
    let state = |r: &DeviceReport| if let DeviceReport::GuestCall { state, .. } = r { Some(*state) } else { None };
    w.reports.iter().filter_map(state).collect()
}

#[test]
fn an_agent_in_a_browser_answers_at_once_and_hears_the_caller() {
    let mut w = World::new();
    w.connected(BROWSER, 1);
    let (call, caller) = w.caller_up(phone(1));
    let caller_media = w.last_media();
    let agent = w.originate(BROWSER);
    let agent_media = w.last_media();
    w.bridge(caller, agent);
    w.speak(caller_media, rtp_of(phone(1)), 8, 50);
    // PCMA on one side and PCMU on the other: transcoded.
    assert!(w.rtp[&agent_media] >= 48, "{:?}", w.rtp);
    w.phone(phone(1), sip::Command::Hangup { call, headers: Vec::new() });
    w.leg(LegCommand::Hangup { leg: agent, cause: EndCause::Hangup });
    expect![[r#"
        A offered 3000 +8613800138000 Loopback
        A answered Pcma
        B answered Pcmu
        A ended Hangup by Peer
        B ended Hangup by Us
    "#]]
    .assert_eq(&w.timeline());
    // The device is still there for the next call.
    w.originate(BROWSER);
    assert_eq!(w.timeline(), "A answered Pcmu\n");
}

#[test]
fn a_browser_that_is_not_connected_or_busy_says_so() {
    let mut w = World::new();
    w.originate(BROWSER);
    assert_eq!(w.timeline(), "A ended Unreachable by System\n");
    w.connected(BROWSER, 1);
    w.originate(BROWSER);
    w.originate(BROWSER);
    assert_eq!(w.timeline(), "A answered Pcmu\nB ended Busy by System\n");
}

#[test]
fn a_reload_moves_the_leg_to_the_new_peer() {
    let mut w = World::new();
    w.connected(BROWSER, 1);
    w.originate(BROWSER);
    let media = w.last_media();
    w.reports.clear();
    w.advance(SECOND);
    w.connected(BROWSER, 2);
    let transport = Transport::Peer(PeerRef::Device { device: BROWSER, generation: 2 });
    assert_eq!(w.carriers[&media], transport);
    assert!(w.peer_commands.contains(&PeerCommand::Close { peer: PeerRef::Device { device: BROWSER, generation: 1 } }));
    // The old tab's end crosses: nobody is interested.
    w.input(Input::Peer(PeerEvent::Closed { peer: PeerRef::Device { device: BROWSER, generation: 1 } }));
    w.advance(60 * SECOND);
    assert_eq!(w.timeline(), "A answered Pcmu\n", "the leg lives on");
    assert_eq!(
        w.reports,
        [
            DeviceReport::Lost { device: BROWSER, generation: 1, why: DeviceLoss::Replaced },
            DeviceReport::Answer { device: BROWSER, generation: 2, answer_sdp: "v=0".to_owned() },
            DeviceReport::Ready { device: BROWSER, generation: 2 },
        ]
    );
}

#[test]
fn a_browser_that_stays_away_loses_its_leg_after_fifteen_seconds() {
    let mut w = World::new();
    w.connected(BROWSER, 1);
    w.originate(BROWSER);
    w.input(Input::Peer(PeerEvent::Closed { peer: PeerRef::Device { device: BROWSER, generation: 1 } }));
    w.advance(14 * SECOND);
    assert_eq!(w.timeline(), "A answered Pcmu\n");
    // A connection that does not become ready helps nobody.
    w.connect(BROWSER, 2);
    w.advance(SECOND);
    assert_eq!(w.timeline(), "A ended MediaLost by System\n");
    assert_eq!(w.switch.leg_count(), 0);
}

#[test]
fn only_newer_connections_of_the_right_tenant_are_taken() {
    let mut w = World::new();
    w.connected(BROWSER, 5);
    w.reports.clear();
    w.connect(BROWSER, 5);
    w.connect(SIP_DEVICE, 1);
    let codes: Vec<&str> =
        w.reports.iter().map(|r| if let DeviceReport::Refused { code, .. } = r { code.as_str() } else { "" }).collect();
    assert_eq!(codes, ["device.stale", "device.not_browser"]);
    w.connect(GUEST, 1);
    let peer = PeerRef::Device { device: GUEST, generation: 1 };
    w.input(Input::Peer(PeerEvent::Failed { peer, code: "device.bad_sdp".to_owned() }));
    let refused = DeviceReport::Refused { device: GUEST, generation: 1, code: "device.bad_sdp".to_owned() };
    assert_eq!(w.reports.last(), Some(&refused));
}

#[test]
fn a_guest_dials_types_and_hangs_up() {
    let mut w = World::new();
    w.connected(GUEST, 1);
    w.input(Input::Device(DeviceSignal::Dial { device: GUEST, number: ECHO }));
    // A second click while the first call is up.
    w.input(Input::Device(DeviceSignal::Dial { device: GUEST, number: ECHO }));
    let leg = w.offered();
    w.leg(LegCommand::Ring { leg });
    w.leg(LegCommand::Answer { leg });
    let collect = Collect {
        max_digits: 2,
        terminators: String::new(),
        first_timeout: 5 * SECOND,
        inter_digit_timeout: 5 * SECOND,
    };
    w.leg(LegCommand::Play {
        leg,
        play: PlayId(1),
        clips: vec![CLIP],
        looped: false,
        interruptible: true,
        collect: Some(collect),
    });
    for digit in ['1', '*', 'x'] {
        w.input(Input::Device(DeviceSignal::Digit { device: GUEST, digit }));
    }
    w.input(Input::Device(DeviceSignal::HangUp { device: GUEST }));
    let timeline = w.timeline();
    let timeline = timeline.replace(&GUEST.to_string(), "GUEST");
    expect![[r#"
        A offered 3000 web:GUEST Guest
        A answered Pcmu
        A digit 1
        A play 1 Interrupted "1*"
        A digit *
        A ended Hangup by Peer
    "#]]
    .assert_eq(&timeline);
    assert_eq!(guest_states(&w), [GuestCallState::Ringing, GuestCallState::Answered, GuestCallState::Ended]);
    assert!(w.carriers.is_empty());
}

#[test]
fn a_guest_is_told_of_a_refusal() {
    let mut w = World::new();
    w.input(Input::Device(DeviceSignal::Dial { device: GUEST, number: ECHO }));
    w.connected(GUEST, 1);
    w.input(Input::Device(DeviceSignal::Dial { device: GUEST, number: domain::id::NumberId(1) }));
    w.input(Input::Device(DeviceSignal::Dial { device: GUEST, number: ECHO }));
    let leg = w.offered();
    w.leg(LegCommand::Reject { leg, why: RejectReason::Overload });
    assert_eq!(guest_states(&w), [GuestCallState::Refused; 3], "not connected, not a number, not wanted");
    assert!(w.timeline().ends_with("A ended Limit by Us\n"));
}

#[test]
fn a_guest_who_closes_the_page_hangs_up() {
    let mut w = World::new();
    w.connected(GUEST, 1);
    w.input(Input::Device(DeviceSignal::Dial { device: GUEST, number: ECHO }));
    w.leg(LegCommand::Answer { leg: w.offered() });
    w.input(Input::Device(DeviceSignal::Close { device: GUEST, generation: 1 }));
    assert!(w.timeline().ends_with("A ended Hangup by Peer\n"));
    assert_eq!(w.switch.table_entries(), 0);
}
