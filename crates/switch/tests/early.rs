//! Sound before the answer: what a trunk lets be heard while it connects a call, forks, and the answer that follows.
mod harness;

use std::time::Duration;

use domain::id::{AddressId, BridgeId};
use domain::leg::{Dial, EndCause, Hears, LegCommand};
use expect_test::expect;
use harness::*;

const SECOND: Duration = Duration::from_secs(1);

fn calling(w: &mut World) -> (domain::id::LegId, sip::CallId) {
    let _ = w.phone_at(phone(3));
    let leg = w.originate_to(Dial::Trunk { trunk: TRUNK, address: AddressId(1), number: "110".to_owned() });
    let call = w.rung(phone(3));
    (leg, call)
}

fn early(w: &mut World, call: sip::CallId, status: u16) {
    let sdp = Some(sdp(rtp_of(phone(3)), "8 101", ""));
    w.phone(phone(3), sip::Command::Progress { call, status, sdp });
}

#[test]
fn an_announcement_of_the_network_is_heard_and_then_the_callee() {
    let mut w = World::new();
    w.connected(BROWSER, 1);
    let agent = w.originate(BROWSER);
    let agent_media = w.last_media();
    let (leg, call) = calling(&mut w);
    let media = w.last_media();
    early(&mut w, call, 183);
    w.advance(SECOND);
    expect![[r#"
        A answered Pcmu
        B ringing
    "#]]
    .assert_eq(&w.timeline());
    // The floor lets the agent hear it, and nobody hears the agent.
    w.speak(media, rtp_of(phone(3)), 8, 2);
    assert_eq!(w.timeline(), "A early media\n");
    let rows = vec![Hears { leg: agent, hears: vec![leg] }, Hears { leg, hears: vec![] }];
    w.leg(LegCommand::Bridge { bridge: BridgeId(9), legs: rows });
    let before = w.rtp.get(&agent_media).copied().unwrap_or_default();
    w.speak(media, rtp_of(phone(3)), 8, 50);
    assert!(w.rtp[&agent_media] - before >= 48, "the announcement reaches the agent");
    let sdp = sdp(rtp_of(phone(3)), "8 101", "");
    w.phone(phone(3), sip::Command::Answer { call, sdp, headers: Vec::new() });
    w.bridge(agent, leg);
    w.speak(media, rtp_of(phone(3)), 8, 50);
    assert_eq!(w.timeline(), "A answered Pcma\n");
    for leg in [leg, agent] {
        w.leg(LegCommand::Hangup { leg, cause: EndCause::Hangup });
    }
    w.assert_empty();
}

#[test]
fn a_refusal_after_an_announcement_ends_the_leg_with_its_cause() {
    let mut w = World::new();
    let (_, call) = calling(&mut w);
    let media = w.last_media();
    early(&mut w, call, 183);
    w.speak(media, rtp_of(phone(3)), 8, 100);
    w.phone(phone(3), sip::Command::Reject { call, status: 404, headers: Vec::new() });
    expect![[r#"
        A ringing
        A early media
        A ended NotFound by Peer
    "#]]
    .assert_eq(&w.timeline());
    w.assert_empty();
}

#[test]
fn ringing_without_a_session_leaves_the_tone_to_us_and_a_phone_of_ours_has_no_early_media() {
    let mut w = World::new();
    let (leg, call) = calling(&mut w);
    w.phone(phone(3), sip::Command::Progress { call, status: 180, sdp: None });
    w.advance(SECOND);
    assert_eq!(w.timeline(), "A ringing\n");
    w.leg(LegCommand::Hangup { leg, cause: EndCause::Hangup });
    let leg = w.originate(URI_DEVICE);
    let media = w.last_media();
    let call = w.rung(phone(3));
    early(&mut w, call, 183);
    w.timeline();
    assert_eq!(w.plane.stats(media), None, "nothing is heard of an agent's own phone before it answers");
    w.leg(LegCommand::Hangup { leg, cause: EndCause::Hangup });
    w.assert_empty();
}

/// A proxy of the carrier forks the call: two phones let themselves be heard, the first answers.
#[test]
fn of_several_early_sessions_the_newest_is_heard_and_the_one_that_answers_stays() {
    let mut w = World::new();
    let (leg, call) = calling(&mut w);
    let media = w.last_media();
    early(&mut w, call, 183);
    w.speak(media, rtp_of(phone(3)), 8, 10);
    // The other end of the fork, with an address of its own; the phone's endpoint knows one fork only.
    let ours = w.invited.unwrap();
    let sdp = Some(sdp(rtp_of(phone(4)), "0", ""));
    w.input(switch::Input::Sip(sip::Event::Progress { call: ours, status: 183, fork: "other".to_owned(), sdp }));
    w.advance(SECOND);
    w.speak(media, rtp_of(phone(4)), 0, 10);
    assert_eq!(w.plane.stats(media).and_then(|s| s.locked_source), Some(rtp_of(phone(4))));
    w.pick_up(phone(3));
    w.speak(media, rtp_of(phone(3)), 8, 60);
    assert_eq!(w.plane.stats(media).and_then(|s| s.locked_source), Some(rtp_of(phone(3))));
    expect![[r#"
        A ringing
        A early media
        A answered Pcma
    "#]]
    .assert_eq(&w.timeline());
    w.leg(LegCommand::Hangup { leg, cause: EndCause::Hangup });
    w.assert_empty();
}

#[test]
fn a_call_is_kept_by_refreshes_and_ends_with_its_cause_when_they_stop() {
    let mut w = World::with_short_sessions();
    let (_, leg) = w.caller_up(phone(1));
    w.timeline();
    w.advance(60 * SECOND);
    assert_eq!(w.timeline(), "A silent true\n", "nobody speaks, but both are there");
    w.phone_at(phone(1)).is_gone = true;
    // The phone is the one to refresh; we give up a third before the end.
    w.advance(10 * SECOND);
    assert_eq!(w.timeline(), "A ended SessionExpired by System\n");
    w.leg(LegCommand::Hangup { leg, cause: EndCause::Hangup });
    w.assert_empty();
}
