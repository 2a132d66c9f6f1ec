//! The closed door: new INVITEs refused without state, at the price of a glance.

use std::time::Duration;

use sip::msg::{Builder, CSeq, Message, Method, Name};
use sip::{Config, Endpoint, Event, Hop, Input, Load, Output};

use crate::net::{Policy, address};

fn invite(more: &str) -> String {
    format!(
        "INVITE sip:3000@192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.9:5060;branch=z9hG4bKdoor;rport\r\n\
         Via: SIP/2.0/UDP 10.0.0.8;branch=z9hG4bKbehind\r\nMax-Forwards: 70\r\nFrom: \"A\" <sip:a@10.0.0.9>;tag=a\r\n\
         To: <sip:3000@192.0.2.1>\r\nCall-ID: door@10.0.0.9\r\nCSeq: 7 INVITE\r\nContact: <sip:a@10.0.0.9>\r\n{more}\
         Content-Length: 0\r\n\r\n"
    )
}

fn endpoint() -> (Endpoint, Hop) {
    (Endpoint::new(Config::new([1; 32])), Hop::udp(address(0), address(1)))
}

fn given(endpoint: &mut Endpoint, hop: Hop, bytes: &[u8]) -> (Vec<Vec<u8>>, usize) {
    let input = Input::Datagram { local: hop.local, remote: hop.remote, bytes };
    endpoint.handle(Duration::from_secs(1), input, &Policy::default());
    let (mut sent, mut calls) = (Vec::new(), 0);
    while let Some(output) = endpoint.poll_output() {
        match output {
            Output::Transmit(transmit) => sent.push(transmit.bytes.to_vec()),
            Output::Event(Event::IncomingCall(_)) => calls += 1,
            _ => {}
        }
    }
    (sent, calls)
}

#[test]
fn a_refusal_is_what_the_parser_would_have_written_and_the_same_for_each_repeat() {
    let (endpoint, hop) = endpoint();
    let sent = endpoint.turn_away(&hop, invite("").as_bytes()).unwrap();
    assert_eq!(sent.hop.remote, hop.remote, "rport: answered where it came from");
    let refusal = Message::parse(&sent.bytes).unwrap();
    let request = Message::parse(invite("").as_bytes()).unwrap();
    let tag = refusal.to.tag().unwrap();
    let written = Builder::reply(&request, hop.remote, 503, "Service Unavailable", Some(tag))
        .header(Name::RetryAfter, 5)
        .header(Name::Server, "Cordboard")
        .finish();
    assert_eq!(String::from_utf8_lossy(&sent.bytes), String::from_utf8_lossy(&written));
    assert_eq!(endpoint.turn_away(&hop, invite("").as_bytes()).unwrap().bytes, sent.bytes);
    let other = invite("").replace("Call-ID: door", "Call-ID: other");
    assert_ne!(endpoint.turn_away(&hop, other.as_bytes()).unwrap().bytes, sent.bytes);
    assert_eq!(endpoint.load(), Load::default());
}

#[test]
fn the_acknowledgement_of_a_refusal_leaves_no_trace() {
    let (mut endpoint, hop) = endpoint();
    let sent = endpoint.turn_away(&hop, invite("").as_bytes()).unwrap();
    let (request, refusal) = (Message::parse(invite("").as_bytes()).unwrap(), Message::parse(&sent.bytes).unwrap());
    let ack = Builder::request(&Method::Ack, request.uri().unwrap())
        .header(Name::Via, &request.via)
        .header(Name::From, &request.from)
        .header(Name::To, refusal.get(Name::To).unwrap())
        .header(Name::CallId, request.call_id())
        .header(Name::CSeq, CSeq { number: 7, method: Method::Ack });
    assert_eq!(given(&mut endpoint, hop, &ack.finish()), (vec![], 0));
    assert_eq!(endpoint.load(), Load::default());
}

#[test]
fn a_call_that_is_being_served_is_not_turned_away_by_its_repeat() {
    let (mut endpoint, hop) = endpoint();
    let (sent, calls) = given(&mut endpoint, hop, invite("").as_bytes());
    assert_eq!((sent.len(), calls), (1, 1));
    assert!(endpoint.turn_away(&hop, invite("").as_bytes()).is_none());
    assert_eq!(given(&mut endpoint, hop, invite("").as_bytes()), (sent, 0));
}

#[test]
fn what_is_no_plain_new_invite_is_left_to_the_parser() {
    let (endpoint, hop) = endpoint();
    for other in [
        invite("").replace("To: <sip:3000@192.0.2.1>", "To: <sip:3000@192.0.2.1>;tag=b"),
        invite("").replace("INVITE", "OPTIONS"),
        invite("").replace("branch=z9hG4bKdoor", "branch=1"),
        invite("").replace(";rport\r\nVia:", ","),
        invite("").replace("Max-Forwards: 70", "Subject: a\r\n folded"),
        invite("").replace("\r\n\r\n", "\r\n"),
    ] {
        assert!(endpoint.turn_away(&hop, other.as_bytes()).is_none(), "{other}");
    }
}
