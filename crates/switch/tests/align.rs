//! Legs that hear one another and speak different codecs: who is asked to speak the other's, and what comes of it.
#![allow(clippy::unwrap_used, reason = "a test may fail")]
mod harness;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use domain::id::BridgeId;
use domain::leg::{Hears, LegCommand};
use harness::pair::Pair;
use harness::{SIP_DEVICE, World, directory, phone, rtp_of, sdp};
use media::Sending;
use sip::CallId;
use switch::Input;

const SECOND: Duration = Duration::from_secs(1);

impl Pair {
    /// A caller who offered both laws and was answered A-law, with an agent's phone that answered with these formats.
    fn new(answered: &str) -> Self {
        Self::between("8 0 101", answered, World::new())
    }

    fn between(offered: &str, answered: &str, mut w: World) -> Self {
        w.register(phone(2), 600);
        let call = w.call_with(phone(1), "3000", None, Some(sdp(rtp_of(phone(1)), offered, "")));
        let leg = w.offered();
        w.leg(LegCommand::Answer { leg });
        let caller = (call, leg, w.last_media());
        let leg = w.originate(SIP_DEVICE);
        let call = w.rung(phone(2));
        let sdp = sdp(rtp_of(phone(2)), answered, "");
        w.phone(phone(2), sip::Command::Answer { call, sdp, headers: Vec::new() });
        Self::join(w, caller, (call, leg))
    }

    /// What the phone was asked for since it was asked last: the formats of the offer.
    fn asked(&mut self, at: SocketAddr) -> Vec<String> {
        let events = std::mem::take(&mut self.w.phone_at(at).events);
        let offers = events.into_iter().filter_map(|event| match event {
            sip::Event::Reinvite { sdp, .. } => String::from_utf8(sdp.unwrap()).ok(),
            _ => None,
        });
        let formats = |sdp: String| {
            let line = sdp.lines().find(|line| line.starts_with("m=")).unwrap();
            line.split_once("RTP/AVP ").unwrap().1.to_owned()
        };
        offers.map(formats).collect()
    }

    fn answers(&mut self, at: SocketAddr, call: CallId, formats: &str) {
        let sdp = sdp(rtp_of(at), formats, "");
        self.w.phone(at, sip::Command::AnswerReinvite { call, sdp });
    }
}

#[test]
fn the_caller_is_asked_for_the_agents_codec_when_he_has_shown_it_and_packets_are_relayed_then() {
    let mut talk = Pair::new("0 101");
    assert_eq!(talk.sending(), [Sending::Mix; 2]);
    talk.w.advance(Duration::from_millis(900));
    assert!(talk.asked(phone(1)).is_empty(), "not before they are settled");
    talk.w.advance(SECOND);
    assert_eq!(talk.asked(phone(1)), ["0 101"]);
    assert!(talk.asked(phone(2)).is_empty());
    assert_eq!(talk.sending(), [Sending::Mix; 2], "as it was until the answer");
    let call = talk.caller.0;
    talk.answers(phone(1), call, "0 101");
    assert_eq!(talk.sending(), [Sending::Relay; 2]);
    let _ = talk.w.plane.take_sent();
    let key = talk.caller.2;
    talk.w.speak(key, rtp_of(phone(1)), 0, 10);
    assert_eq!(talk.w.plane.take_sent().relayed, 10);
    talk.w.advance(60 * SECOND);
    assert!(talk.asked(phone(1)).is_empty() && talk.asked(phone(2)).is_empty());
}

#[test]
fn of_two_that_could_the_called_one_is_asked() {
    let mut talk = Pair::new("0 8 101");
    talk.w.advance(2 * SECOND);
    assert_eq!(talk.asked(phone(2)), ["8 101"]);
    assert!(talk.asked(phone(1)).is_empty());
    let call = talk.agent.0;
    talk.answers(phone(2), call, "8 101");
    assert_eq!(talk.sending(), [Sending::Relay; 2]);
}

#[test]
fn who_refuses_keeps_his_session_and_is_not_asked_again() {
    let mut talk = Pair::new("0 101");
    talk.w.advance(2 * SECOND);
    assert_eq!(talk.asked(phone(1)), ["0 101"]);
    talk.w.phone(phone(1), sip::Command::RejectReinvite { call: talk.caller.0, status: 488 });
    let key = talk.caller.2;
    talk.w.speak(key, rtp_of(phone(1)), 8, 50);
    assert_eq!(talk.sending(), [Sending::Mix; 2]);
    // Taken apart and joined again, as after a consultation.
    let bridge = BridgeId(talk.caller.1.0 ^ talk.agent.1.0);
    let alone = vec![Hears { leg: talk.caller.1, hears: Vec::new() }];
    talk.w.leg(LegCommand::Bridge { bridge, legs: alone });
    talk.w.bridge(talk.caller.1, talk.agent.1);
    talk.w.advance(5 * SECOND);
    assert!(talk.asked(phone(1)).is_empty());
    assert!(!talk.w.timeline().contains("ended"));
}

#[test]
fn two_wishes_that_cross_are_tried_again() {
    let mut talk = Pair::new("0 101");
    talk.w.advance(2 * SECOND);
    assert_eq!(talk.asked(phone(1)), ["0 101"]);
    let call = talk.caller.0;
    talk.w.phone(phone(1), sip::Command::RejectReinvite { call, status: 491 });
    talk.w.advance(5 * SECOND);
    assert_eq!(talk.asked(phone(1)), ["0 101"]);
    talk.answers(phone(1), call, "0 101");
    assert_eq!(talk.sending(), [Sending::Relay; 2]);
}

#[test]
fn nobody_is_asked_for_what_he_has_not_shown_or_may_not_speak_or_while_he_holds() {
    // The caller knows A-law alone; so, it seems, does the phone know µ-law alone.
    let mut talk = Pair::between("8 101", "0 101", World::new());
    talk.w.advance(5 * SECOND);
    assert!(talk.asked(phone(1)).is_empty() && talk.asked(phone(2)).is_empty());

    // By the list of the phone: µ-law alone, whatever it says.
    let mut w = World::new();
    let mut d = directory();
    d.devices.get_mut(&SIP_DEVICE).unwrap().codecs = vec![domain::leg::Codec::Pcmu];
    w.input(Input::Directory(Arc::new(d)));
    let mut talk = Pair::between("8 101", "0 8 101", w);
    talk.w.advance(5 * SECOND);
    assert!(talk.asked(phone(2)).is_empty());

    let mut talk = Pair::new("0 101");
    let hold = sdp(rtp_of(phone(1)), "8 0 101", "a=sendonly\r\n");
    talk.w.phone(phone(1), sip::Command::Reinvite { call: talk.caller.0, sdp: Some(hold) });
    talk.w.advance(5 * SECOND);
    assert!(talk.asked(phone(1)).is_empty());
    let back = sdp(rtp_of(phone(1)), "8 0 101", "");
    talk.w.phone(phone(1), sip::Command::Reinvite { call: talk.caller.0, sdp: Some(back) });
    talk.w.advance(5 * SECOND);
    assert_eq!(talk.asked(phone(1)), ["0 101"], "when he is back");
}
