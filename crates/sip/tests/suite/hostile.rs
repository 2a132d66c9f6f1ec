//! Nothing that comes from outside makes the crate panic, hang or grow without bound.

use std::time::Duration;

use proptest::prelude::*;
use sip::msg::{Challenge, Framer, Message, NameAddr, Uri, Via};
use sip::sdp::SessionDescription;
use sip::{Command, ConnId, Endpoint, Input, Output, Transport};

use crate::net::{Link, Net, Policy, address};

fn torture() -> Vec<Vec<u8>> {
    let mut paths: Vec<_> = std::fs::read_dir(format!("{}/tests/rfc4475", env!("CARGO_MANIFEST_DIR")))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.sort();
    paths.into_iter().map(|path| std::fs::read(path).unwrap()).collect()
}

/// What may befall a message.
#[derive(Debug, Clone)]
enum Harm {
    Flip(usize, u8),
    Cut(usize),
    Repeat(usize, usize),
    Insert(usize, Vec<u8>),
}

fn harm() -> impl Strategy<Value = Harm> {
    let token = prop_oneof![
        Just(b"\r\n".to_vec()),
        Just(b"\"".to_vec()),
        Just(b"<".to_vec()),
        Just(b"%".to_vec()),
        Just(b";;=,".to_vec()),
        Just(b"\xff\xfe".to_vec()),
        Just(b"99999999999999999999".to_vec()),
        Just("é世".as_bytes().to_vec()),
    ];
    prop_oneof![
        (any::<usize>(), any::<u8>()).prop_map(|(at, byte)| Harm::Flip(at, byte)),
        any::<usize>().prop_map(Harm::Cut),
        (any::<usize>(), any::<usize>()).prop_map(|(at, length)| Harm::Repeat(at, length)),
        (any::<usize>(), token).prop_map(|(at, bytes)| Harm::Insert(at, bytes)),
    ]
}

fn apply(mut bytes: Vec<u8>, harms: &[Harm]) -> Vec<u8> {
    for harm in harms {
        let length = bytes.len().max(1);
        match harm {
            Harm::Flip(at, byte) if !bytes.is_empty() => bytes[at % length] = *byte,
            Harm::Flip(..) => {}
            Harm::Cut(at) => bytes.truncate(at % length),
            Harm::Repeat(at, count) => {
                let at = at % length;
                let piece = bytes[at..(at + count % 200).min(bytes.len())].to_vec();
                bytes.splice(at..at, piece);
            }
            Harm::Insert(at, piece) => {
                let at = at % length;
                bytes.splice(at..at, piece.iter().copied());
            }
        }
    }
    bytes
}

/// Feeds bytes as a datagram and as a stream; answers must be messages themselves.
fn feed(bytes: &[u8]) {
    let mut endpoint = Endpoint::new(sip::Config::new([1; 32]));
    let policy = Policy::default();
    let datagram = Input::Datagram { local: address(0), remote: address(1), bytes };
    endpoint.handle(Duration::ZERO, datagram, &policy);
    let conn = ConnId(1);
    let opened = Input::StreamOpened { conn, transport: Transport::Tcp, local: address(0), remote: address(1) };
    endpoint.handle(Duration::ZERO, opened, &policy);
    endpoint.handle(Duration::ZERO, Input::Stream { conn, bytes }, &policy);
    while let Some(output) = endpoint.poll_output() {
        if let Output::Transmit(transmit) = output {
            assert!(transmit.bytes.starts_with(b"SIP/2.0 ") || &*transmit.bytes == b"\r\n");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        feed(&bytes);
        let _ = SessionDescription::parse(&bytes);
    }

    #[test]
    fn harmed_torture_messages_are_survived(which in any::<prop::sample::Index>(), harms in prop::collection::vec(harm(), 1..6)) {
        let all = torture();
        feed(&apply(all[which.index(all.len())].clone(), &harms));
    }

    #[test]
    fn header_parsers_survive_any_text(text in "[ -~é世\"<>;:=,@%\\[\\]\\\\]{0,80}") {
        if let Ok(uri) = Uri::parse(&text) {
            prop_assert_eq!(Uri::parse(&uri.to_string()), Ok(uri));
        }
        if let Ok(address) = NameAddr::parse(&text) {
            prop_assert_eq!(NameAddr::parse(&address.to_string()), Ok(address));
        }
        if let Some(via) = Via::parse(&text) {
            prop_assert_eq!(Via::parse(&via.to_string()), Some(via));
        }
        let _ = Challenge::parse(&text);
        let _ = sip::info_digit(&text, text.as_bytes());
    }

    #[test]
    fn harmed_descriptions_are_survived(harms in prop::collection::vec(harm(), 1..6)) {
        let text = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n\
            m=audio 4000 RTP/AVP 0 96 101\r\na=rtpmap:96 opus/48000/2\r\na=ptime:20\r\na=rtcp:53020\r\na=sendonly\r\n";
        if let Ok(read) = SessionDescription::parse(&apply(text.as_bytes().to_vec(), &harms)) {
            let again = SessionDescription::parse(&read.to_bytes()).unwrap();
            prop_assert_eq!(again.media.len(), read.media.len());
        }
    }

    #[test]
    fn messages_harmed_in_mid_call_are_survived(node in 0..2usize, pick in any::<usize>(), harms in prop::collection::vec(harm(), 1..3)) {
        let mut net = Net::new(2, Link::default(), 1);
        let (caller, callee) = net.established();
        net.command(0, Command::Reinvite { call: caller, sdp: Some(b"x".to_vec()) });
        net.advance_ms(10);
        net.command(1, Command::AnswerReinvite { call: callee, sdp: b"y".to_vec() });
        net.advance_ms(10);
        let wire = net.wire[pick % net.wire.len()].clone();
        let bytes = apply(wire, &harms);
        net.input(node, Input::Datagram { local: address(node), remote: address(1 - node), bytes: &bytes });
        net.command(0, Command::Hangup { call: caller, headers: vec![] });
        net.command(1, Command::Hangup { call: callee, headers: vec![] });
        net.settle(Duration::from_secs(700));
        net.assert_empty();
    }
}

#[test]
fn messages_beyond_the_limits_are_refused() {
    let head = "OPTIONS sip:a@b SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bKx\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:a@b>\r\n\
        Call-ID: c\r\nCSeq: 1 OPTIONS\r\n";
    let many = format!("{head}{}\r\n", "X: y\r\n".repeat(300));
    assert_eq!(Message::parse(many.as_bytes()).unwrap_err().code, 400);
    let long = format!("{head}X: {}\r\n\r\n", "y".repeat(9000));
    assert_eq!(Message::parse(long.as_bytes()).unwrap_err().code, 400);
    let huge = format!("{head}\r\n{}", "y".repeat(66_000));
    assert_eq!(Message::parse(huge.as_bytes()).unwrap_err().code, 513);
    assert!(Message::parse(format!("{head}X: y\r\n\r\n").as_bytes()).is_ok());
}

#[test]
fn endless_head_on_a_stream_is_cut_off() {
    let mut framer = Framer::new();
    let mut pushed = 0;
    loop {
        framer.push(&[b'x'; 1000]);
        pushed += 1000;
        if framer.next_message().is_err() {
            break;
        }
        assert!(pushed < 70_000);
    }
}

/// An endpoint with one open connection.
fn connected() -> (Endpoint, ConnId) {
    let mut endpoint = Endpoint::new(sip::Config::new([1; 32]));
    let conn = ConnId(1);
    let opened = Input::StreamOpened { conn, transport: Transport::Tcp, local: address(0), remote: address(1) };
    endpoint.handle(Duration::ZERO, opened, &Policy::default());
    (endpoint, conn)
}

fn push(endpoint: &mut Endpoint, at_s: u64, conn: ConnId, bytes: &[u8]) -> Vec<Output> {
    endpoint.handle(Duration::from_secs(at_s), Input::Stream { conn, bytes }, &Policy::default());
    std::iter::from_fn(|| endpoint.poll_output()).collect()
}

#[test]
fn connection_whose_message_never_ends_is_closed_after_32_s() {
    let (mut endpoint, conn) = connected();
    let half = "OPTIONS sip:a@b SIP/2.0\r\nContent-Length: 9999\r\n\r\n";
    assert!(push(&mut endpoint, 1, conn, half.as_bytes()).is_empty());
    // More bytes, as a trickle sends them, buy no time.
    assert!(push(&mut endpoint, 30, conn, b"x").is_empty());
    assert_eq!(endpoint.next_timeout(), Some(Duration::from_secs(33)));
    endpoint.handle(Duration::from_secs(33), Input::Timeout, &Policy::default());
    assert!(matches!(endpoint.poll_output(), Some(Output::CloseStream { conn: closed }) if closed == conn));
    assert_eq!((endpoint.load(), endpoint.next_timeout()), (sip::Load::default(), None));
}

#[test]
fn connection_at_rest_has_no_deadline_and_a_finished_message_starts_a_new_one() {
    let (mut endpoint, conn) = connected();
    let whole = "OPTIONS sip:a@b SIP/2.0\r\nVia: SIP/2.0/TCP h;branch=z9hG4bKx\r\nFrom: <sip:a@b>;tag=1\r\n\
        To: <sip:a@b>\r\nCall-ID: c\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n";
    assert_eq!(push(&mut endpoint, 1, conn, whole.as_bytes()).len(), 1);
    assert_eq!(endpoint.next_timeout(), None);
    push(&mut endpoint, 2, conn, &whole.as_bytes()[..40]);
    assert_eq!(endpoint.next_timeout(), Some(Duration::from_secs(34)));
    let rest_and_more = format!("{}{}", &whole[40..], &whole[..40]);
    assert_eq!(push(&mut endpoint, 20, conn, rest_and_more.as_bytes()).len(), 1);
    assert_eq!(endpoint.next_timeout(), Some(Duration::from_secs(52)));
    push(&mut endpoint, 21, conn, &whole.as_bytes()[40..]);
    assert_eq!(endpoint.next_timeout(), None);
    endpoint.handle(Duration::from_secs(22), Input::StreamClosed { conn }, &Policy::default());
    assert_eq!(endpoint.load(), sip::Load::default());
}

#[test]
fn many_pings_in_one_read_are_answered_once() {
    let (mut endpoint, conn) = connected();
    assert_eq!(push(&mut endpoint, 1, conn, &b"\r\n\r\n".repeat(10_000)).len(), 1);
    assert_eq!(push(&mut endpoint, 2, conn, b"\r\n\r\n").len(), 1);
}

#[test]
fn header_values_cannot_smuggle_lines() {
    let mut net = Net::new(2, Link::default(), 1);
    let mut wish = crate::net::invite(sip::CallId::outgoing(1), 0, 1);
    wish.headers.push(("X-Name".to_owned(), "a\r\nX-Evil: yes".to_owned()));
    wish.from = wish.from.with_display("b\r\nX-Evil: yes");
    net.command(0, Command::Invite(Box::new(wish)));
    let sent = Message::parse(&net.wire[0]).unwrap();
    assert_eq!(sent.get_named("X-Evil"), None);
    assert_eq!(sent.get_named("X-Name"), Some("a  X-Evil: yes"));
}

#[test]
fn flood_of_new_work_meets_a_bound() {
    let mut net = Net::with_config(1, Link::default(), 1, |config| {
        config.limits.calls = 10;
        config.limits.transactions = 15;
        config.limits.streams = 3;
    });
    for number in 0..200 {
        let request = format!(
            "INVITE sip:1@192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.9;branch=z9hG4bK{number}\r\n\
             From: <sip:x@192.0.2.9>;tag={number}\r\nTo: <sip:1@192.0.2.1>\r\nCall-ID: {number}\r\nCSeq: 1 INVITE\r\n\
             Contact: <sip:x@192.0.2.9>\r\n\r\n"
        );
        net.input(0, Input::Datagram { local: address(0), remote: address(8), bytes: request.as_bytes() });
        let opened = Input::StreamOpened {
            conn: ConnId(number),
            transport: Transport::Tcp,
            local: address(0),
            remote: address(8),
        };
        net.input(0, opened);
    }
    let load = net.nodes[0].load();
    assert_eq!((load.calls, load.server_transactions, load.streams), (10, 10, 3));
    let refused = net.lines(0).iter().filter(|line| *line == "503").count();
    assert_eq!(refused, 190);
}
