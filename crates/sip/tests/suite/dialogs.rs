//! Dialogs: routes, targets, order; where requests within them go; RFC 2543 callers; calls over TCP.

use std::time::Duration;

use sip::dialog::Dialog;
use sip::msg::{Message, Method, Name, Uri};
use sip::{CallId, Command, Config, ConnId, Endpoint, Event, Hop, Input, Output, Transport};

use crate::net::{Policy, address, invite};

fn request(more: &str) -> Message {
    Message::parse(
        format!(
            "INVITE sip:1@example.com SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bKx\r\nFrom: <sip:a@b>;tag=a\r\nTo: <sip:c@d>\r\n\
             Call-ID: i\r\nCSeq: 5 INVITE\r\nContact: <sip:a@192.0.2.9:5070>\r\n{more}\r\n"
        )
        .as_bytes(),
    )
    .unwrap()
}

fn built(dialog: &Dialog) -> Message {
    let via = "SIP/2.0/UDP h;branch=z9hG4bKy";
    Message::parse(&dialog.request(&Method::Bye, 9, via).finish()).unwrap()
}

#[test]
fn loose_routes_are_followed_in_the_callers_order() {
    let dialog = Dialog::of_incoming(&request("Record-Route: <sip:p2;lr>, <sip:p1;lr>\r\n"), "us").unwrap();
    let bye = built(&dialog);
    assert_eq!(bye.uri().unwrap().to_string(), "sip:a@192.0.2.9:5070");
    assert_eq!(bye.list(Name::Route).collect::<Vec<_>>(), ["<sip:p2;lr>", "<sip:p1;lr>"]);
    assert_eq!((bye.from.tag(), bye.to.tag()), (Some("us"), Some("a")));
    assert_eq!(dialog.next_hop_uri().host, "p2");
}

#[test]
fn strict_router_gets_the_request_line() {
    let dialog =
        Dialog::of_incoming(&request("Record-Route: <sip:p2>\r\nRecord-Route: <sip:p1;lr>\r\n"), "us").unwrap();
    let bye = built(&dialog);
    assert_eq!(bye.uri().unwrap().to_string(), "sip:p2");
    assert_eq!(bye.list(Name::Route).collect::<Vec<_>>(), ["<sip:p1;lr>", "<sip:a@192.0.2.9:5070>"]);
}

#[test]
fn caller_sees_the_routes_reversed() {
    let response = Message::parse(
        b"SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP h;branch=z9hG4bKx\r\nFrom: <sip:a@b>;tag=a\r\nTo: <sip:c@d>;tag=them\r\n\
          Call-ID: i\r\nCSeq: 5 INVITE\r\nRecord-Route: <sip:p2;lr>, <sip:p1;lr>\r\nContact: <sip:c@192.0.2.8>\r\n\r\n",
    )
    .unwrap();
    let dialog = Dialog::of_response(&request(""), &response).unwrap();
    assert_eq!(dialog.routes, ["<sip:p1;lr>", "<sip:p2;lr>"]);
    assert_eq!(dialog.key(), ("i".to_owned(), "a".to_owned(), "them".to_owned()));
    assert_eq!(dialog.target, Uri::parse("sip:c@192.0.2.8").unwrap());
}

#[test]
fn requests_of_the_peer_must_come_in_order() {
    let mut dialog = Dialog::of_incoming(&request(""), "us").unwrap();
    assert!(!dialog.admit_cseq(5));
    assert!(dialog.admit_cseq(7));
    assert!(!dialog.admit_cseq(6));
}

fn drain(endpoint: &mut Endpoint) -> (Vec<(Hop, Vec<u8>)>, Vec<Event>) {
    let (mut sent, mut events) = (Vec::new(), Vec::new());
    while let Some(output) = endpoint.poll_output() {
        match output {
            Output::Transmit(transmit) => sent.push((transmit.hop, transmit.bytes.to_vec())),
            Output::Event(event) => events.push(event),
            Output::CloseStream { .. } => {}
        }
    }
    (sent, events)
}

/// Where the BYE goes for a caller that shows `contact` in an INVITE with this Via host and source.
fn bye_goes_to(via: &str, contact: &str, source: &str) -> String {
    let mut endpoint = Endpoint::new(Config::new([1; 32]));
    let text = format!(
        "INVITE sip:1@192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/UDP {via};rport;branch=z9hG4bKx\r\nFrom: <sip:a@b>;tag=a\r\n\
         To: <sip:c@d>\r\nCall-ID: i\r\nCSeq: 1 INVITE\r\nContact: <{contact}>\r\n\r\n"
    );
    let input = Input::Datagram { local: address(0), remote: source.parse().unwrap(), bytes: text.as_bytes() };
    endpoint.handle(Duration::ZERO, input, &Policy::default());
    let (_, events) = drain(&mut endpoint);
    let Event::IncomingCall(incoming) = &events[0] else { panic!("{events:?}") };
    let call = incoming.call;
    let answer = Command::Answer { call, sdp: b"x".to_vec(), headers: vec![] };
    endpoint.handle(Duration::ZERO, Input::Command(answer), &Policy::default());
    let (sent, _) = drain(&mut endpoint);
    let tag = Message::parse(&sent[0].1).unwrap().to.tag().unwrap().to_owned();
    let ack =
        text.replace("INVITE", "ACK").replace("<sip:c@d>", &format!("<sip:c@d>;tag={tag}")).replace("4bKx", "4bKy");
    let input = Input::Datagram { local: address(0), remote: source.parse().unwrap(), bytes: ack.as_bytes() };
    endpoint.handle(Duration::ZERO, input, &Policy::default());
    let hangup = Command::Hangup { call, headers: vec![] };
    endpoint.handle(Duration::ZERO, Input::Command(hangup), &Policy::default());
    let (sent, _) = drain(&mut endpoint);
    assert!(sent[0].1.starts_with(b"BYE"));
    sent[0].0.remote.to_string()
}

#[test]
fn requests_follow_the_contact_unless_nat_or_names_forbid_it() {
    let direct = bye_goes_to("198.51.100.5:5060", "sip:a@198.51.100.5:5070", "198.51.100.5:5060");
    assert_eq!(direct, "198.51.100.5:5070");
    let other_host = bye_goes_to("198.51.100.5:5060", "sip:a@198.51.100.6", "198.51.100.5:5060");
    assert_eq!(other_host, "198.51.100.6:5060");
    let natted = bye_goes_to("10.0.0.5:5060", "sip:a@10.0.0.5:5060", "203.0.113.9:40000");
    assert_eq!(natted, "203.0.113.9:40000");
    let named = bye_goes_to("198.51.100.5:5060", "sip:a@phone.example", "198.51.100.5:5062");
    assert_eq!(named, "198.51.100.5:5062");
}

#[test]
fn caller_without_magic_cookie_is_served_too() {
    let mut endpoint = Endpoint::new(Config::new([1; 32]));
    let mut send = |text: &str| {
        let input = Input::Datagram { local: address(0), remote: address(8), bytes: text.as_bytes() };
        endpoint.handle(Duration::ZERO, input, &Policy::default());
        let (sent, events) = drain(&mut endpoint);
        let codes: Vec<u16> = sent.iter().map(|(_, bytes)| Message::parse(bytes).unwrap().status()).collect();
        (codes, events.len())
    };
    let text = "INVITE sip:1@192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.9\r\nFrom: <sip:a@b>\r\nTo: <sip:c@d>\r\nCall-ID: i\r\n\
                CSeq: 1 INVITE\r\nContact: <sip:a@192.0.2.9>\r\n\r\n";
    assert_eq!(send(text), (vec![100], 1));
    assert_eq!(send(text), (vec![100], 0), "a repeat is no new call");
    assert_eq!(send(&text.replace("INVITE", "CANCEL")), (vec![200, 487], 1));
    assert_eq!(send(&text.replace("INVITE", "ACK")), (vec![], 0));
}

#[test]
fn call_over_tcp_stays_on_its_connection() {
    let policy = Policy::default();
    let mut ends = [Endpoint::new(Config::new([1; 32])), Endpoint::new(Config::new([2; 32]))];
    let conn = ConnId(7);
    for (at, end) in ends.iter_mut().enumerate() {
        let (local, remote) = (address(at), address(1 - at));
        end.handle(Duration::ZERO, Input::StreamOpened { conn, transport: Transport::Tcp, local, remote }, &policy);
    }
    let mut events = [Vec::new(), Vec::new()];
    let run = |ends: &mut [Endpoint; 2], events: &mut [Vec<Event>; 2]| {
        for _ in 0..10 {
            for at in 0..2 {
                let (sent, told) = drain(&mut ends[at]);
                events[at].extend(told);
                for (hop, bytes) in sent {
                    assert!(hop.transport == Transport::Tcp && hop.conn.is_none_or(|used| used == conn));
                    ends[1 - at].handle(Duration::ZERO, Input::Stream { conn, bytes: &bytes }, &policy);
                }
            }
        }
    };
    let mut wish = invite(CallId::outgoing(1), 0, 1);
    wish.hop = Hop::tcp(address(0), address(1));
    ends[0].handle(Duration::ZERO, Input::Command(Command::Invite(Box::new(wish))), &policy);
    run(&mut ends, &mut events);
    let Event::IncomingCall(incoming) = &events[1][0] else { panic!() };
    let call = incoming.call;
    assert!(incoming.message.contact().unwrap().uri.params.get("transport") == Some("tcp"));
    let answer = Command::Answer { call, sdp: b"x".to_vec(), headers: vec![] };
    ends[1].handle(Duration::ZERO, Input::Command(answer), &policy);
    run(&mut ends, &mut events);
    ends[1].handle(Duration::ZERO, Input::Command(Command::Hangup { call, headers: vec![] }), &policy);
    run(&mut ends, &mut events);
    assert!(matches!(events[0].last(), Some(Event::Ended { .. })));
    // A connection that breaks fails what waits on it.
    let mut wish = invite(CallId::outgoing(2), 0, 1);
    wish.hop = Hop { conn: Some(conn), ..Hop::tcp(address(0), address(1)) };
    ends[0].handle(Duration::ZERO, Input::Command(Command::Invite(Box::new(wish))), &policy);
    ends[0].handle(Duration::ZERO, Input::StreamClosed { conn }, &policy);
    let (_, told) = drain(&mut ends[0]);
    assert!(matches!(told[..], [Event::Invited { .. }, Event::Ended { cause: sip::EndCause::Unreachable, .. }]));
}
