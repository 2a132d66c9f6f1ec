//! Reliable provisional responses, UPDATE and session timers between two endpoints, step by step.

use std::time::Duration;

use sip::msg::{Message, Name};
use sip::{CallId, Command, EndCause, Event, Input};

use crate::net::{Link, Net, address, invite};

fn net() -> Net {
    Net::new(2, Link::default(), 1)
}

/// Node 0 calls node 1 with these further headers; node 1's id for the call.
fn ring(net: &mut Net, headers: &[(&str, &str)]) -> (CallId, CallId) {
    let call = CallId::outgoing(1);
    let mut wish = invite(call, 0, 1);
    wish.headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    net.command(0, Command::Invite(Box::new(wish)));
    net.advance_ms(50);
    (call, net.incoming(1))
}

fn progress(net: &mut Net, call: CallId, status: u16, sdp: Option<&str>) {
    net.command(1, Command::Progress { call, status, sdp: sdp.map(|s| s.as_bytes().to_vec()) });
}

fn answer(net: &mut Net, call: CallId) {
    net.command(1, Command::Answer { call, sdp: b"answer".to_vec(), headers: vec![] });
}

fn heard(net: &Net, node: usize) -> Vec<u16> {
    let status = |e: &Event| if let Event::Progress { status, .. } = e { Some(*status) } else { None };
    net.events[node].iter().filter_map(status).collect()
}

/// The last message that begins so, parsed.
fn last(net: &Net, begins: &str) -> Message {
    let bytes = net.wire.iter().rev().find(|bytes| bytes.starts_with(begins.as_bytes()));
    Message::parse(bytes.expect("such a message")).ok().unwrap()
}

fn hang_up(net: &mut Net, call: CallId) {
    net.command(0, Command::Hangup { call, headers: vec![] });
    net.settle(Duration::from_secs(60));
    net.assert_empty();
}

#[test]
fn a_session_before_the_answer_is_acknowledged_and_ringing_without_one_is_not_made_reliable() {
    let mut net = net();
    let (call, callee) = ring(&mut net, &[]);
    progress(&mut net, callee, 180, None);
    progress(&mut net, callee, 183, Some("early"));
    net.advance_ms(50);
    answer(&mut net, callee);
    net.advance_ms(50);
    assert_eq!(net.lines(0), ["INVITE", "PRACK", "ACK"]);
    assert_eq!(net.lines(1), ["100", "180", "183", "200", "200"]);
    assert_eq!(heard(&net, 0), [180, 183]);
    assert_eq!(last(&net, "SIP/2.0 180").get(Name::RSeq), None);
    let reliable = last(&net, "SIP/2.0 183");
    assert_eq!(reliable.get(Name::Require), Some("100rel"));
    let rseq = reliable.get(Name::RSeq).unwrap();
    assert_eq!(last(&net, "PRACK").get(Name::RAck), Some(format!("{rseq} 1 INVITE").as_str()));
    // What follows counts on from the PRACK.
    net.command(0, Command::Options { call });
    net.advance_ms(50);
    assert_eq!(last(&net, "OPTIONS").cseq.number, 3);
    assert!(matches!(net.events[0].last(), Some(Event::OptionsResult { status: 200, .. })));
    hang_up(&mut net, call);
}

#[test]
fn who_demands_it_gets_every_provisional_response_one_after_the_other() {
    let mut net = net();
    let (call, callee) = ring(&mut net, &[("Require", "100rel")]);
    progress(&mut net, callee, 180, None);
    progress(&mut net, callee, 183, Some("early"));
    answer(&mut net, callee);
    net.advance_ms(50);
    // The 200 waits for no PRACK of a response without a session, and what was queued is not sent any more.
    assert_eq!(net.lines(1), ["100", "180", "200", "200"]);
    hang_up(&mut net, call);

    let mut net = self::net();
    let (call, callee) = ring(&mut net, &[("Require", "100rel")]);
    for status in [180, 181, 182] {
        progress(&mut net, callee, status, None);
    }
    net.advance_ms(50);
    assert_eq!(heard(&net, 0), [180, 181, 182]);
    assert_eq!(net.lines(0), ["INVITE", "PRACK", "PRACK", "PRACK"]);
    progress(&mut net, callee, 183, Some("early"));
    answer(&mut net, callee);
    assert_eq!(net.lines(1).last().unwrap(), "183", "the answer waits for the PRACK of the session before it");
    net.advance_ms(50);
    assert!(net.events[0].iter().any(|e| matches!(e, Event::Answered { .. })));
    hang_up(&mut net, call);
}

#[test]
fn a_reliable_response_is_repeated_until_its_prack_and_then_the_call_is_refused() {
    let mut net = net();
    let (call, callee) = ring(&mut net, &[]);
    net.link.loss = 100;
    progress(&mut net, callee, 183, Some("early"));
    net.advance(Duration::from_secs(63));
    // T1 and its doubles: 0.5, 1.5, 3.5, 7.5, 15.5, 31.5 s after the first.
    assert_eq!(net.lines(1).iter().filter(|l| *l == "183").count(), 7);
    assert_eq!(net.ends(1), [EndCause::TimedOut]);
    assert!(net.lines(1).contains(&"504".to_owned()));
    net.link.loss = 0;
    hang_up(&mut net, call);
}

#[test]
fn repeats_and_gaps_are_neither_told_nor_acknowledged() {
    let mut net = net();
    let (call, callee) = ring(&mut net, &[]);
    progress(&mut net, callee, 183, Some("early"));
    net.advance_ms(50);
    let first = net.wire.iter().find(|b| b.starts_with(b"SIP/2.0 183")).unwrap().clone();
    let rseq: u32 = last(&net, "SIP/2.0 183").get(Name::RSeq).unwrap().parse().unwrap();
    let with = |rseq_now: u32| {
        let text = String::from_utf8(first.clone()).unwrap();
        text.replace(&format!("RSeq: {rseq}\r\n"), &format!("RSeq: {rseq_now}\r\n")).into_bytes()
    };
    for (n, told) in [(rseq, 1), (rseq + 2, 1), (rseq + 1, 2), (rseq, 2), (rseq + 1, 2), (rseq + 2, 3)] {
        net.input(0, Input::Datagram { local: address(0), remote: address(1), bytes: &with(n) });
        assert_eq!(heard(&net, 0).len(), told, "RSeq {n}");
    }
    assert_eq!(net.lines(0).iter().filter(|l| *l == "PRACK").count(), 3);
    hang_up(&mut net, call);
}

#[test]
fn a_prack_for_nothing_is_told_so() {
    let mut net = net();
    let (call, callee) = ring(&mut net, &[]);
    progress(&mut net, callee, 183, Some("early"));
    net.advance_ms(50);
    let prack = String::from_utf8(net.wire.iter().find(|b| b.starts_with(b"PRACK")).unwrap().clone()).unwrap();
    let rack = last(&net, "PRACK").get(Name::RAck).unwrap().to_owned();
    for (n, value, status) in [(3, "1 1 INVITE", "481"), (4, "1 INVITE", "400"), (5, rack.as_str(), "200")] {
        let other = prack.replace(&format!("RAck: {rack}"), &format!("RAck: {value}"));
        let other = other.replace("CSeq: 2 PRACK", &format!("CSeq: {n} PRACK"));
        let other = other.replace("branch=z9hG4bK", &format!("branch=z9hG4bK{n}"));
        net.input(1, Input::Datagram { local: address(1), remote: address(0), bytes: other.as_bytes() });
        assert_eq!(net.lines(1).last().unwrap(), status, "{value}");
    }
    hang_up(&mut net, call);
}

#[test]
fn options_we_do_not_know_are_refused_and_those_we_know_are_not() {
    for (option, line) in [("100rel", "100"), ("timer", "100"), ("precondition", "420"), ("timer, path", "420")] {
        let mut net = net();
        let mut wish = invite(CallId::outgoing(1), 0, 1);
        wish.headers = vec![("Require".to_owned(), option.to_owned())];
        net.command(0, Command::Invite(Box::new(wish)));
        net.advance_ms(50);
        assert_eq!(net.lines(1), [line], "{option}");
    }
}

/// A message of node 1 in its dialog with node 0, made from what it sent before.
fn update_from_callee(net: &Net, cseq: u32, extra: &str, body: &str) -> String {
    let early = last(net, "SIP/2.0 183");
    let sent = last(net, "INVITE");
    format!(
        "UPDATE {} SIP/2.0\r\nVia: SIP/2.0/UDP {};branch=z9hG4bKup{cseq}\r\nMax-Forwards: 70\r\nFrom: {}\r\nTo: {}\r\n\
         Call-ID: {}\r\nCSeq: {cseq} UPDATE\r\nContact: <sip:callee@{}>\r\n{extra}Content-Length: {}\r\n\r\n{body}",
        sent.contact().unwrap().uri,
        address(1),
        early.to,
        sent.from,
        sent.call_id(),
        address(1),
        body.len(),
    )
}

fn datagram_to_caller(net: &mut Net, text: &str) {
    net.input(0, Input::Datagram { local: address(0), remote: address(1), bytes: text.as_bytes() });
}

#[test]
fn a_callee_who_has_not_answered_changes_its_session_by_update() {
    let mut net = net();
    let (call, callee) = ring(&mut net, &[]);
    progress(&mut net, callee, 183, Some("early"));
    net.advance_ms(50);
    let update = update_from_callee(&net, 10, "Content-Type: application/sdp\r\n", "other");
    datagram_to_caller(&mut net, &update);
    assert!(matches!(net.events[0].last(), Some(Event::EarlyOffer { sdp, .. }) if sdp == b"other"));
    // The same again while it is thought about is no second one.
    datagram_to_caller(&mut net, &update);
    assert_eq!(net.lines(0).last().unwrap(), "PRACK");
    net.command(0, Command::AnswerReinvite { call, sdp: b"mine".to_vec() });
    assert_eq!(last(&net, "SIP/2.0 200").sdp(), Some(&b"mine"[..]));
    // Repeated when its answer is lost.
    let sent = net.lines(0).len();
    datagram_to_caller(&mut net, &update);
    assert_eq!(net.lines(0).len(), sent + 1);
    answer(&mut net, callee);
    net.advance_ms(50);
    hang_up(&mut net, call);
}

#[test]
fn an_early_update_before_any_session_meets_our_open_offer() {
    let mut net = net();
    let (call, callee) = ring(&mut net, &[]);
    progress(&mut net, callee, 183, None);
    net.advance_ms(50);
    let update = update_from_callee(&net, 10, "Content-Type: application/sdp\r\n", "other");
    datagram_to_caller(&mut net, &update);
    assert_eq!(net.lines(0).last().unwrap(), "491");
    let refresh = update_from_callee(&net, 11, "", "");
    datagram_to_caller(&mut net, &refresh);
    assert_eq!(net.lines(0).last().unwrap(), "200");
    hang_up(&mut net, call);
}

fn with_timer(seconds: u64) -> Net {
    Net::with_config(2, Link::default(), 1, |config| {
        config.session_expires = Some(Duration::from_secs(seconds));
    })
}

#[test]
fn a_session_is_refreshed_by_update_for_as_long_as_it_lasts() {
    let mut net = with_timer(100);
    let (call, _) = net.established();
    assert_eq!(last(&net, "SIP/2.0 200").get(Name::SessionExpires), Some("100;refresher=uac"));
    net.advance(Duration::from_secs(1000));
    assert_eq!(net.lines(0).iter().filter(|l| *l == "UPDATE").count(), 20);
    assert_eq!(last(&net, "UPDATE").get(Name::SessionExpires), Some("100;refresher=uac"));
    assert!(net.ends(0).is_empty() && net.ends(1).is_empty());
    assert!(!net.events[1].iter().any(|e| matches!(e, Event::Reinvite { .. })), "nobody is asked");
    hang_up(&mut net, call);
}

/// Node 0's INVITE as a peer would send it that lists neither UPDATE nor, unless `timer`, session timers.
#[test]
fn a_peer_without_update_is_refreshed_by_re_invite_with_the_session_as_it_is() {
    let mut net = with_timer(100);
    net.policy = Default::default();
    let invite = format!(
        "INVITE sip:3000@192.0.2.2 SIP/2.0\r\nVia: SIP/2.0/UDP {0};branch=z9hG4bK1\r\nMax-Forwards: 70\r\n\
         From: <sip:a@192.0.2.1>;tag=a\r\nTo: <sip:3000@192.0.2.2>\r\nCall-ID: old\r\nCSeq: 1 INVITE\r\n\
         Contact: <sip:a@{0}>\r\nAllow: INVITE, ACK, BYE, CANCEL\r\nSession-Expires: 100\r\n\
         Content-Type: application/sdp\r\nContent-Length: 5\r\n\r\noffer",
        address(0)
    );
    net.input(1, Input::Datagram { local: address(1), remote: address(0), bytes: invite.as_bytes() });
    let callee = net.incoming(1);
    answer(&mut net, callee);
    let answer = last(&net, "SIP/2.0 200");
    assert_eq!((answer.get(Name::SessionExpires), answer.get(Name::Require)), (Some("100;refresher=uas"), None));
    let ack = invite.replace("INVITE sip", "ACK sip").replace("1 INVITE", "1 ACK").replace("bK1", "bK2");
    let ack = ack
        .replace("To: <sip:3000@192.0.2.2>", &format!("To: {}", answer.to))
        .replace("Length: 5\r\n\r\noffer", "Length: 0\r\n\r\n");
    net.input(1, Input::Datagram { local: address(1), remote: address(0), bytes: ack.as_bytes() });
    net.advance(Duration::from_secs(51));
    let refresh = last(&net, "INVITE sip:a@");
    assert_eq!(refresh.sdp(), Some(&b"answer"[..]));
    assert_eq!(refresh.get(Name::SessionExpires), Some("100;refresher=uac"));
    // The caller knows nothing of it: the call is over.
    net.settle(Duration::from_secs(200));
    assert_eq!(net.ends(1), [EndCause::Gone]);
}

#[test]
fn a_session_that_the_other_side_does_not_refresh_expires_and_is_ended() {
    let mut net = with_timer(120);
    let (_, _) = net.established();
    // The caller has gone without a word; its refreshes with it.
    net.link.loss = 100;
    net.advance(Duration::from_secs(87));
    assert!(net.ends(1).is_empty());
    net.advance(Duration::from_secs(2));
    assert_eq!(net.ends(1), [EndCause::Expired]);
    let bye = net.wire.iter().rev().find(|b| b.starts_with(b"BYE")).unwrap();
    assert!(String::from_utf8_lossy(bye).contains("Reason: SIP;cause=408"));
}

#[test]
fn an_interval_that_is_too_small_for_the_peer_is_asked_for_anew() {
    let mut net = with_timer(95);
    let strict = 300;
    net.nodes[1] = sip::Endpoint::new({
        let mut config = sip::Config::new([9; 32]);
        config.min_se = Duration::from_secs(strict);
        config
    });
    let (call, _) = net.established();
    assert_eq!(net.lines(0), ["INVITE", "ACK", "INVITE", "ACK"]);
    let second = last(&net, "INVITE");
    assert_eq!((second.get(Name::SessionExpires), second.get(Name::MinSe)), (Some("300"), Some("300")));
    assert_eq!(second.cseq.number, 2);
    assert_eq!(net.last_answer().matches("Session-Expires: 300;refresher=uac").count(), 1);
    net.advance(Duration::from_secs(160));
    assert_eq!(net.lines(0).last().unwrap(), "UPDATE");
    hang_up(&mut net, call);
}

#[test]
fn two_refreshing_changes_that_meet_give_way_and_both_come_through() {
    let mut net = with_timer(100);
    let (caller, callee) = net.established();
    net.command(0, Command::Reinvite { call: caller, sdp: Some(b"a".to_vec()) });
    net.command(1, Command::Reinvite { call: callee, sdp: Some(b"b".to_vec()) });
    for _ in 0..100 {
        net.advance_ms(100);
        for node in 0..2 {
            let asked = net.events[node].iter().filter(|e| matches!(e, Event::Reinvite { .. })).count();
            let call = [caller, callee][node];
            if asked > 0 {
                net.command(node, Command::AnswerReinvite { call, sdp: b"yes".to_vec() });
            }
        }
    }
    assert!(net.lines(0).contains(&"491".to_owned()) && net.lines(1).contains(&"491".to_owned()));
    for node in 0..2 {
        let done = |e: &&Event| matches!(e, Event::ReinviteDone { status: 200, .. });
        assert_eq!(net.events[node].iter().filter(done).count(), 1, "node {node}");
    }
    hang_up(&mut net, caller);
}
