//! Faxes by T.38 between two legs that hear one another: what is asked of whom, and that datagrams pass as they are.
#![allow(clippy::unwrap_used, reason = "a test may fail")]
mod harness;

use std::net::SocketAddr;
use std::time::Duration;

use domain::id::BridgeId;
use domain::leg::{EndCause, Hears, LegCommand};
use harness::pair::Pair;
use harness::{BROWSER, SIP_DEVICE, World, phone, rtp_of, sdp};
use media::{LegKey, Sending};
use sip::sdp::{Image, SessionDescription};

const SECOND: Duration = Duration::from_secs(1);
const ASKED: [&str; 3] = ["T38FaxVersion:0", "T38MaxBitRate:14400", "T38FaxUdpEC:t38UDPRedundancy"];
const GRANTED: [&str; 2] = ["T38FaxVersion:0", "T38MaxBitRate:9600"];

/// A phone's session description of a fax: another port than that of its sound.
fn fax(at: SocketAddr, parameters: &[&str]) -> Vec<u8> {
    let (ip, port) = (at.ip(), at.port() + 200);
    let parameters: String = parameters.iter().map(|p| format!("a={p}\r\n")).collect();
    format!(
        "v=0\r\no=- 1 2 IN IP4 {ip}\r\ns=-\r\nc=IN IP4 {ip}\r\nt=0 0\r\nm=image {port} udptl t38\r\n{parameters}\
         a=sendrecv\r\n"
    )
    .into_bytes()
}

fn fax_at(phone: SocketAddr) -> SocketAddr {
    SocketAddr::new(phone.ip(), phone.port() + 200)
}

impl Pair {
    /// Both speak A-law.
    fn new() -> Self {
        let mut w = World::new();
        w.register(phone(2), 600);
        let (call, leg) = w.caller_up(phone(1));
        let caller = (call, leg, w.last_media());
        let leg = w.originate(SIP_DEVICE);
        let call = w.pick_up(phone(2));
        Self::join(w, caller, (call, leg))
    }

    /// What was asked of a phone, or answered to it, since it was asked last.
    fn told(&mut self, at: SocketAddr) -> Vec<SessionDescription> {
        let events = std::mem::take(&mut self.w.phone_at(at).events);
        let told = events.into_iter().filter_map(|event| match event {
            sip::Event::Reinvite { sdp, .. } | sip::Event::ReinviteDone { status: 200, sdp, .. } => sdp,
            _ => None,
        });
        told.map(|sdp| SessionDescription::parse(&sdp).unwrap()).collect()
    }

    fn asks(&mut self) {
        self.w.phone(phone(1), sip::Command::Reinvite { call: self.caller.0, sdp: Some(fax(phone(1), &ASKED)) });
    }

    fn grants(&mut self) {
        let sdp = fax(phone(2), &GRANTED);
        self.w.phone(phone(2), sip::Command::AnswerReinvite { call: self.agent.0, sdp });
    }

    fn faxing() -> Self {
        let mut talk = Self::new();
        talk.asks();
        talk.grants();
        let _ = (talk.told(phone(1)), talk.told(phone(2)));
        talk
    }

    /// What each receives of a datagram that the other sends.
    fn passes(&mut self, bytes: &[u8]) -> Vec<(SocketAddr, Vec<u8>)> {
        self.w.datagrams.clear();
        for (key, from) in [(self.caller.2, phone(1)), (self.agent.2, phone(2))] {
            self.w.plane.handle_packet(self.w.now, key, fax_at(from), bytes);
            self.w.pump();
        }
        std::mem::take(&mut self.w.datagrams)
    }
}

#[test]
fn a_fax_is_asked_of_the_other_side_and_its_datagrams_pass_as_they_are_until_sound_is_wanted_again() {
    let mut talk = Pair::new();
    talk.asks();
    assert!(talk.told(phone(1)).is_empty(), "until the other side has spoken");
    let asked = talk.told(phone(2)).pop().unwrap();
    let image = Image::of(&asked).unwrap();
    assert_eq!(image.attributes, ASKED);
    assert_eq!((asked.media.len(), image.remote.map(|at| at.ip())), (1, Some(phone(1).ip())), "by way of us");
    talk.grants();
    let granted = talk.told(phone(1)).pop().unwrap();
    assert_eq!(Image::of(&granted).unwrap().attributes, GRANTED);

    // Of every length and first octet, but for what would be sound that is late.
    for bytes in [&[0, 1, 2][..], &[0x12; 1400], &[0, 200, 9]] {
        assert_eq!(talk.passes(bytes), [(fax_at(phone(2)), bytes.to_vec()), (fax_at(phone(1)), bytes.to_vec())]);
    }
    assert!(talk.passes(&[0x80; 172]).is_empty() && talk.passes(&[1; 1401]).is_empty() && talk.passes(&[]).is_empty());
    talk.w.advance(3 * SECOND);
    assert!(talk.w.plane.take_sent().mixed == 0, "no sound, no silence in between");
    talk.w.plane.handle_packet(talk.w.now, talk.caller.2, "127.0.0.1:9".parse().unwrap(), &[0, 1, 2]);
    talk.w.pump();
    assert!(talk.w.datagrams.is_empty(), "from nobody we know");
    // A page may take its time.
    talk.w.advance(100 * SECOND);
    assert!(!talk.w.timeline().contains("silent"));

    let sound = sdp(rtp_of(phone(1)), "8 101", "");
    talk.w.phone(phone(1), sip::Command::Reinvite { call: talk.caller.0, sdp: Some(sound) });
    assert_eq!(talk.told(phone(1)).pop().unwrap().media[0].kind, "audio");
    assert_eq!(talk.told(phone(2)).pop().unwrap().media[0].kind, "audio", "the other is asked at once");
    let sound = sdp(rtp_of(phone(2)), "8 101", "");
    talk.w.phone(phone(2), sip::Command::AnswerReinvite { call: talk.agent.0, sdp: sound });
    assert_eq!(talk.sending(), [Sending::Relay; 2]);
    talk.w.leg(LegCommand::Hangup { leg: talk.caller.1, cause: EndCause::Hangup });
    talk.w.leg(LegCommand::Hangup { leg: talk.agent.1, cause: EndCause::Hangup });
    talk.w.advance(40 * SECOND);
    talk.w.assert_empty();
}

#[test]
fn who_refuses_a_fax_or_cannot_send_one_goes_on_with_sound() {
    let mut talk = Pair::new();
    talk.asks();
    talk.w.phone(phone(2), sip::Command::RejectReinvite { call: talk.agent.0, status: 488 });
    assert_eq!(talk.w.heard(phone(1)), ["reinvite 488 -"]);
    assert_eq!(talk.sending(), [Sending::Relay; 2]);

    // Who is asked hangs up instead: nobody waits for his word.
    talk.asks();
    talk.w.phone(phone(2), sip::Command::Hangup { call: talk.agent.0, headers: Vec::new() });
    assert_eq!(talk.w.heard(phone(1)), ["reinvite 488 -"]);

    let mut w = World::new();
    w.connected(BROWSER, 1);
    let (call, caller) = w.caller_up(phone(1));
    let browser = w.originate(BROWSER);
    w.bridge(caller, browser);
    w.phone(phone(1), sip::Command::Reinvite { call, sdp: Some(fax(phone(1), &ASKED)) });
    assert_eq!(w.heard(phone(1)), ["answered", "reinvite 488 -"]);
}

#[test]
fn a_fax_whose_other_side_is_taken_away_is_asked_for_sound() {
    let mut talk = Pair::faxing();
    let bridge = BridgeId(talk.caller.1.0 ^ talk.agent.1.0);
    let legs = vec![Hears { leg: talk.caller.1, hears: Vec::new() }, Hears { leg: talk.agent.1, hears: Vec::new() }];
    talk.w.leg(LegCommand::Bridge { bridge, legs });
    talk.w.advance(2 * SECOND);
    for at in [phone(1), phone(2)] {
        assert_eq!(talk.told(at).pop().unwrap().media[0].kind, "audio");
    }

    // Its call over, the other goes on alone.
    let mut talk = Pair::faxing();
    talk.w.leg(LegCommand::Hangup { leg: talk.caller.1, cause: EndCause::Hangup });
    talk.w.advance(2 * SECOND);
    assert_eq!(talk.told(phone(2)).pop().unwrap().media[0].kind, "audio");
}

#[test]
fn two_sections_stay_two_and_a_refresh_of_a_fax_is_answered_by_it() {
    let mut talk = Pair::new();
    let two = |sdp: Vec<u8>| String::from_utf8(sdp).unwrap().replace("m=image", "m=audio 0 RTP/AVP 8\r\nm=image");
    let wish = two(fax(phone(1), &ASKED)).into_bytes();
    let call = talk.caller.0;
    talk.w.phone(phone(1), sip::Command::Reinvite { call, sdp: Some(wish.clone()) });
    talk.grants();
    let granted = talk.told(phone(1)).pop().unwrap();
    let shape = |sdp: &SessionDescription| -> Vec<(String, bool)> {
        sdp.media.iter().map(|media| (media.kind.clone(), media.port > 0)).collect()
    };
    assert_eq!(shape(&granted), [("audio".to_owned(), false), ("image".to_owned(), true)]);
    talk.w.phone(phone(1), sip::Command::Reinvite { call, sdp: Some(wish) });
    assert_eq!(Image::of(&talk.told(phone(1)).pop().unwrap()).unwrap().attributes, GRANTED);
    let _ = talk.told(phone(2));
    // The other wants sound: it is asked of the first, in its two sections.
    let sound = sdp(rtp_of(phone(2)), "8 101", "");
    talk.w.phone(phone(2), sip::Command::Reinvite { call: talk.agent.0, sdp: Some(sound) });
    let asked = talk.told(phone(1)).pop().unwrap();
    assert_eq!(shape(&asked), [("audio".to_owned(), true), ("image".to_owned(), false)]);
}

#[test]
fn a_fax_outlives_its_process() {
    let mut talk = Pair::faxing();
    talk.w.crash(SECOND);
    talk.w.advance(SECOND);
    // The legs are taken up by their ids: the agent's first.
    let mut keys: Vec<LegKey> = talk.w.carriers.keys().copied().collect();
    keys.sort_unstable();
    (talk.agent.2, talk.caller.2) = (keys[0], keys[1]);
    let passed = talk.passes(&[3, 2, 1]);
    assert_eq!(passed, [(fax_at(phone(2)), vec![3, 2, 1]), (fax_at(phone(1)), vec![3, 2, 1])]);
}
