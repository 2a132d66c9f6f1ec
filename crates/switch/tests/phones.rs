//! Phones of agents that call by themselves: sound before the answer, the transfer of one of two calls to the other, and one
//! phone in the place of another.
mod harness;

use std::time::Duration;

use domain::id::{BridgeId, LegId};
use domain::leg::{EndCause, Hears, LegCommand, LegEvent, RejectReason};
use harness::*;

const SECOND: Duration = Duration::from_secs(1);

fn dialled(w: &World) -> (LegId, String) {
    let found = w.events.iter().rev().find_map(|e| match e {
        LegEvent::Dialled { leg, keys, .. } => Some((*leg, keys.clone())),
        _ => None,
    });
    found.expect("a phone has dialled")
}

#[test]
fn a_phone_hears_the_network_before_it_is_answered() {
    let mut w = World::new();
    w.connected(BROWSER, 1);
    let other = w.originate(BROWSER);
    let from_other = w.last_media();
    w.call(phone(1), "13800138000", Some(agent()));
    let (leg, keys) = dialled(&w);
    assert_eq!(keys, "13800138000");
    w.leg(LegCommand::Ring { leg });
    w.leg(LegCommand::EarlyMedia { leg });
    let media = w.last_media();
    assert_ne!(media, from_other);
    let heard = w.heard(phone(1));
    assert!(heard.contains(&"progress 180".to_owned()) && heard.contains(&"progress 183".to_owned()), "{heard:?}");
    let rows = vec![Hears { leg, hears: vec![other] }, Hears { leg: other, hears: vec![] }];
    w.leg(LegCommand::Bridge { bridge: BridgeId(9), legs: rows });
    w.advance(SECOND);
    // Again is no more than once; the answer repeats the session.
    w.leg(LegCommand::EarlyMedia { leg });
    w.leg(LegCommand::Answer { leg });
    assert!(w.heard(phone(1)).contains(&"answered".to_owned()));
    assert!(w.timeline().contains("answered Pcm"));
    for leg in [leg, other] {
        w.leg(LegCommand::Hangup { leg, cause: EndCause::Hangup });
    }
    w.assert_empty();
}

#[test]
fn a_phone_that_hears_early_is_refused_or_gives_up() {
    for gives_up in [false, true] {
        let mut w = World::new();
        let call = w.call(phone(1), "13800138000", Some(agent()));
        let (leg, _) = dialled(&w);
        w.leg(LegCommand::EarlyMedia { leg });
        if gives_up {
            w.phone(phone(1), sip::Command::Hangup { call, headers: Vec::new() });
            assert!(w.timeline().contains("ended Cancelled by Peer"));
        } else {
            w.leg(LegCommand::Hangup { leg, cause: EndCause::Busy });
            assert!(w.heard(phone(1)).contains(&"rejected 486".to_owned()));
        }
        w.assert_empty();
    }
}

/// The dialog of a phone's call as the phone's own messages name it: Call-ID, our tag, its tag.
fn dialog_of(w: &mut World, at: std::net::SocketAddr, call: sip::CallId) -> (String, String, String) {
    let found = w.phone_at(at).events.iter().find_map(|e| match e {
        sip::Event::Answered { call: c, message, .. } if *c == call => Some(message.clone()),
        _ => None,
    });
    let answer = found.expect("it was answered");
    let tag = |a: &sip::msg::NameAddr| a.tag().unwrap_or_default().to_owned();
    (answer.call_id().to_owned(), tag(&answer.to), tag(&answer.from))
}

#[test]
fn a_phone_names_its_other_call_to_be_connected_with() {
    let mut w = World::new();
    let (first, leg) = w.caller_up(phone(1));
    let (second, other) = w.caller_up(phone(1));
    let (call_id, ours, own) = dialog_of(&mut w, phone(1), second);
    let refer = |ours: &str| {
        let text = format!("sip:8002@pbx.example?Replaces={call_id}%3Bto-tag%3D{ours}%3Bfrom-tag%3D{own}");
        sip::Command::Refer { call: first, to: sip::msg::Uri::parse(&text).unwrap() }
    };
    let _ = w.heard(phone(1));
    w.phone(phone(1), refer("unknown"));
    assert_eq!(w.heard(phone(1)), ["refer 481"]);
    w.phone(phone(1), refer(&ours));
    let asked = w.events.iter().rev().find_map(|e| match e {
        LegEvent::TransferAsked { leg, replaces, .. } => Some((*leg, *replaces)),
        _ => None,
    });
    assert_eq!(asked, Some((leg, Some(other))));
    w.leg(LegCommand::RefuseTransfer { leg, why: RejectReason::Busy });
    assert_eq!(w.heard(phone(1)), ["refer 100", "refer 486"]);
    w.phone(phone(1), refer(&ours));
    for leg in [leg, other] {
        w.leg(LegCommand::Hangup { leg, cause: EndCause::Hangup });
    }
    let heard = w.heard(phone(1));
    assert_eq!(heard[..2], ["refer 100", "refer 200"], "{heard:?}");
    w.assert_empty();
}

/// RFC 3891 §3.
#[test]
fn a_phone_asks_for_the_place_of_another_of_its_company() {
    let mut w = World::new();
    let (first, leg) = w.caller_up(phone(1));
    let (call_id, ours, own) = dialog_of(&mut w, phone(1), first);
    let mut calls = 1000;
    let mut ask = |w: &mut World, named: &str, credentials| {
        calls += 1;
        let invite = sip::Invite {
            call: sip::CallId::outgoing(calls),
            hop: sip::Hop::udp(phone(2), node()),
            uri: sip::msg::Uri::parse(&format!("sip:3000@{DOMAIN}")).unwrap(),
            from: sip::msg::NameAddr::new(sip::msg::Uri::parse("sip:agent@pbx.example").unwrap()),
            to: None,
            contact_user: None,
            headers: vec![("Replaces".to_owned(), named.to_owned())],
            sdp: Some(sdp(rtp_of(phone(2)), "8 101", "")),
            credentials,
        };
        w.phone(phone(2), sip::Command::Invite(Box::new(invite)));
        w.heard(phone(2)).last().cloned().unwrap_or_default()
    };
    let named = format!("{call_id};to-tag={ours};from-tag={own}");
    // Not without a password, though the number may be called from here.
    assert_eq!(ask(&mut w, &named, None), "rejected 401");
    assert_eq!(ask(&mut w, "other;to-tag=a;from-tag=b", Some(agent())), "rejected 481");
    assert_eq!(ask(&mut w, "nonsense", Some(agent())), "rejected 400");
    assert_eq!(ask(&mut w, &format!("{named};early-only"), Some(agent())), "rejected 486");
    ask(&mut w, &named, Some(agent()));
    let asked = w.events.iter().rev().find_map(|e| match e {
        LegEvent::ReplaceAsked { leg, replaces, .. } => Some((*leg, *replaces)),
        _ => None,
    });
    let (next, replaces) = asked.expect("the floor is asked");
    assert_eq!(replaces, leg);
    w.leg(LegCommand::Answer { leg: next });
    w.leg(LegCommand::Hangup { leg, cause: EndCause::Elsewhere });
    assert!(w.heard(phone(2)).contains(&"answered".to_owned()));
    w.leg(LegCommand::Hangup { leg: next, cause: EndCause::Hangup });
    w.assert_empty();
}
