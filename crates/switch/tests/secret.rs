//! Keys of SRTP that phones and trunks name in their session descriptions, and what the policy makes of them.
#![allow(clippy::unwrap_used, reason = "tests")]
mod harness;

use domain::config::Srtp;
use domain::id::AddressId;
use domain::leg::{Dial, EndCause, LegCommand};
use harness::{SIP_DEVICE, TRUNK, World, agent, directory, phone, rtp_of, sdp};
use switch::Config;

const KEY: &str = "WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz";
const OTHER_KEY: &str = "PS1uQCVeeCFCanVmcjkpPywjNWhcYD0mXXtxaVBR";

/// What a phone says that speaks SRTP alone.
fn secret(n: u16, suite: &str, key: &str) -> Vec<u8> {
    let extra = format!("a=crypto:3 {suite} inline:{key}|2^20\r\n");
    let text = String::from_utf8(sdp(rtp_of(phone(n)), "8 101", &extra)).unwrap();
    text.replace("RTP/AVP", "RTP/SAVP").into_bytes()
}

const CM_80: &str = "AES_CM_128_HMAC_SHA1_80";
const CM_32: &str = "AES_CM_128_HMAC_SHA1_32";

/// The newest answer to a re-INVITE of the phone: its status and what it says.
fn reinvited(w: &mut World, n: u16) -> (u16, String) {
    let events = std::mem::take(&mut w.phone_at(phone(n)).events);
    let done = |e: &sip::Event| match e {
        sip::Event::ReinviteDone { status, sdp, .. } => Some((*status, sdp.clone().unwrap_or_default())),
        _ => None,
    };
    let (status, sdp) = events.iter().rev().find_map(done).unwrap();
    (status, String::from_utf8(sdp.to_vec()).unwrap())
}

#[test]
fn keys_that_stay_keep_the_session_and_new_ones_change_it() {
    let mut w = World::new();
    let call = w.call_with(phone(1), "3000", None, Some(secret(1, CM_80, KEY)));
    let leg = w.offered();
    assert!(w.protected.is_empty());
    w.leg(LegCommand::Answer { leg });
    let [Some(first)] = w.protected[..] else { panic!("protected once: {:?}", w.protected) };

    // On hold with the same key, and back: nothing about the protection changes, our key is named again.
    let hold = String::from_utf8(secret(1, CM_80, KEY)).unwrap() + "a=sendonly\r\n";
    w.phone(phone(1), sip::Command::Reinvite { call, sdp: Some(hold.into_bytes()) });
    w.phone(phone(1), sip::Command::Reinvite { call, sdp: Some(secret(1, CM_80, KEY)) });
    let (status, answer) = reinvited(&mut w, 1);
    assert!(status == 200 && answer.contains("RTP/SAVP") && answer.contains("a=crypto:3 AES_CM_128_HMAC_SHA1_80 "));
    assert_eq!(w.protected.len(), 1);

    // A key of theirs is new, ours stays.
    w.phone(phone(1), sip::Command::Reinvite { call, sdp: Some(secret(1, CM_80, OTHER_KEY)) });
    let [_, Some(second)] = w.protected[..] else { panic!("protected anew: {:?}", w.protected) };
    assert!(second.ours == first.ours && second.theirs != first.theirs);

    // Keys that we cannot use are refused, and the session goes on as it was.
    w.phone(phone(1), sip::Command::Reinvite { call, sdp: Some(secret(1, "AES_256_CM_HMAC_SHA1_80", KEY)) });
    assert_eq!(reinvited(&mut w, 1).0, 488);
    w.phone(phone(1), sip::Command::Reinvite { call, sdp: Some(secret(1, CM_80, "AAAA")) });
    assert_eq!(reinvited(&mut w, 1).0, 488);
    assert_eq!(w.protected.len(), 2);

    // Another suite has other keys.
    w.phone(phone(1), sip::Command::Reinvite { call, sdp: Some(secret(1, CM_32, OTHER_KEY)) });
    let Some(Some(third)) = w.protected.last().copied() else { panic!("protected anew: {:?}", w.protected) };
    assert!(third.ours != second.ours && third.ours.suite() == third.theirs.suite());

    // Asked for an offer, we name keys to whom we have named them before.
    w.phone(phone(1), sip::Command::Reinvite { call, sdp: None });
    assert!(w.events.iter().all(|e| e.leg() == Some(leg)));
    w.leg(LegCommand::Hangup { leg, cause: EndCause::Hangup });
    w.assert_empty();
}

/// A world whose agent's phone and trunk have this policy.
fn world(srtp: Srtp) -> World {
    let mut directory = directory();
    directory.devices.get_mut(&SIP_DEVICE).unwrap().srtp = srtp;
    directory.trunks[0].srtp = srtp;
    // Such as only those may call who prove who they are.
    directory.numbers.values_mut().for_each(|number| number.sample = false);
    World::with(directory, Config::new(1, 1, 42, 1_700_000_000_000))
}

#[test]
fn a_phone_that_must_protect_its_sound_has_no_call_in_plain() {
    let mut w = world(Srtp::Required);
    w.call(phone(2), "3000", Some(agent()));
    assert_eq!(w.heard(phone(2)), ["rejected 488"]);
    w.call_with(phone(2), "3000", Some(agent()), Some(secret(2, CM_80, KEY)));
    let leg = w.offered();
    w.leg(LegCommand::Answer { leg });
    assert!(matches!(w.protected[..], [Some(_)]));
    assert_eq!(w.heard(phone(2)), ["answered"]);

    let mut w = world(Srtp::Off);
    w.call_with(phone(2), "3000", Some(agent()), Some(secret(2, CM_80, KEY)));
    assert_eq!(w.heard(phone(2)), ["rejected 488"]);
}

#[test]
fn a_trunk_is_told_keys_as_its_policy_wants_and_must_answer_with_its_own() {
    let dial = || Dial::Trunk { trunk: TRUNK, address: AddressId(1), number: "+8613800138000".to_owned() };
    // Over UDP anybody on the way could read them: only who insists on SRTP names them there.
    for (srtp, is_offered) in [(Srtp::Off, false), (Srtp::Offered, false), (Srtp::Required, true)] {
        for is_answered in [false, true] {
            let mut w = world(srtp);
            let _ = w.phone_at(phone(3));
            w.originate_to(dial());
            let call = w.rung(phone(3));
            let offer = w.phone_at(phone(3)).events.iter().find_map(|e| match e {
                sip::Event::IncomingCall(c) => c.sdp().map(|s| String::from_utf8(s.to_vec()).unwrap()),
                _ => None,
            });
            let offer = offer.unwrap();
            assert_eq!(offer.contains("RTP/SAVP"), is_offered, "{srtp:?}: {offer}");
            assert_eq!(offer.contains("a=crypto:"), is_offered, "{srtp:?}: {offer}");
            let sdp = match is_answered {
                true => String::from_utf8(secret(3, CM_80, KEY)).unwrap().replace("crypto:3", "crypto:1").into_bytes(),
                false => sdp(rtp_of(phone(3)), "8 101", ""),
            };
            w.phone(phone(3), sip::Command::Answer { call, sdp, headers: Vec::new() });
            let ended = w.timeline().contains("ended MediaIncompatible by Peer");
            // Keys that nobody asked for are no answer, and none where we insisted are none either.
            assert_eq!(ended, is_offered != is_answered, "{srtp:?}, answered {is_answered}");
            assert_eq!(w.protected.iter().flatten().count(), usize::from(is_offered && is_answered));
        }
    }
}

#[test]
fn keys_that_are_only_wished_for_are_left_out_for_who_refuses_them_and_no_others() {
    for (srtp, calls_again) in [(Srtp::Offered, true), (Srtp::Required, false)] {
        let mut directory = directory();
        directory.trunks[0].srtp = srtp;
        directory.trunks[0].transport = domain::config::TrunkTransport::Tls;
        let mut w = World::with(directory, Config::new(1, 1, 42, 1_700_000_000_000));
        w.phone_at(phone(3));
        w.originate_to(Dial::Trunk { trunk: TRUNK, address: AddressId(1), number: "13800138000".to_owned() });
        let offered = |w: &mut World| String::from_utf8(w.invite_at(phone(3)).body().to_vec()).unwrap();
        assert!(offered(&mut w).contains("a=crypto:"));
        let call = w.rung(phone(3));
        w.phone(phone(3), sip::Command::Reject { call, status: 488, headers: Vec::new() });
        if calls_again {
            assert_ne!(w.rung(phone(3)), call, "once more");
            assert!(!offered(&mut w).contains("a=crypto:"));
            w.pick_up(phone(3));
            assert_eq!(w.timeline(), "A answered Pcma\n");
            assert_eq!(w.protected.last().copied().flatten(), None);
        } else {
            assert_eq!(w.timeline(), "A ended MediaIncompatible by Peer\n");
        }
    }
}
