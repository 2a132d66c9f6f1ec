//! Calls between endpoints, step by step.

use std::time::Duration;

use sip::digest::{Credentials, Secret};
use sip::msg::{Message, Name};
use sip::{Admission, CallId, Command, EndCause, Event, Hop, Input, PingId, Replaced};

use crate::net::{Link, Net, REALM, address, invite};

fn net() -> Net {
    Net::new(2, Link::default(), 1)
}

fn hangup(call: CallId) -> Command {
    Command::Hangup { call, headers: vec![] }
}

#[test]
fn call_is_set_up_and_ended_with_the_usual_messages() {
    let mut net = net();
    let (caller, _) = net.established();
    net.command(0, hangup(caller));
    net.advance_ms(50);
    assert_eq!(net.lines(0), ["INVITE", "ACK", "BYE"]);
    assert_eq!(net.lines(1), ["100", "200", "200"]);
    assert_eq!(net.ends(0), [EndCause::Local]);
    assert_eq!(net.ends(1), [EndCause::Remote { reason: None }]);
    net.settle(Duration::from_secs(60));
    net.assert_empty();
}

#[test]
fn caller_gives_up_before_the_answer() {
    let mut net = net();
    let caller = net.call(0, 1, 1);
    net.advance_ms(50);
    net.command(1, Command::Progress { call: net.incoming(1), status: 180, sdp: None });
    net.advance_ms(50);
    let headers = vec![("Reason".to_owned(), "SIP;cause=200;text=\"elsewhere\"".to_owned())];
    net.command(0, Command::Hangup { call: caller, headers });
    net.advance_ms(50);
    assert_eq!(net.lines(0), ["INVITE", "CANCEL", "ACK"]);
    assert_eq!(net.lines(1), ["100", "180", "200", "487"]);
    let reason = Some("SIP;cause=200;text=\"elsewhere\"".to_owned());
    assert_eq!(net.ends(1), [EndCause::Cancelled { reason }]);
    net.settle(Duration::from_secs(60));
    net.assert_empty();
}

#[test]
fn cancel_waits_for_the_first_response() {
    let mut net = net();
    let caller = net.call(0, 1, 1);
    net.command(0, hangup(caller));
    assert_eq!(net.ends(0), [EndCause::Local]);
    assert_eq!(net.lines(0), ["INVITE"]);
    net.advance_ms(50);
    assert_eq!(net.lines(0), ["INVITE", "CANCEL", "ACK"]);
    net.settle(Duration::from_secs(60));
    net.assert_empty();
}

#[test]
fn answer_that_crosses_a_cancel_is_acknowledged_and_ended() {
    let mut net = net();
    let caller = net.call(0, 1, 1);
    net.advance_ms(50);
    let callee = net.incoming(1);
    net.command(1, Command::Answer { call: callee, sdp: b"answer".to_vec(), headers: vec![] });
    net.command(0, hangup(caller));
    net.advance_ms(50);
    assert_eq!(net.lines(0), ["INVITE", "CANCEL", "ACK", "BYE"]);
    assert_eq!(net.ends(1), [EndCause::Remote { reason: None }]);
    net.settle(Duration::from_secs(60));
    net.assert_empty();
}

#[test]
fn refusal_carries_its_status() {
    let mut net = net();
    net.call(0, 1, 1);
    net.advance_ms(50);
    net.command(1, Command::Reject { call: net.incoming(1), status: 486, headers: vec![] });
    net.advance_ms(50);
    assert_eq!(net.ends(0), [EndCause::Rejected { status: 486, reason: "Busy Here".to_owned() }]);
    assert_eq!(net.ends(1), [EndCause::Local]);
    net.settle(Duration::from_secs(60));
    net.assert_empty();
}

#[test]
fn call_into_the_void_times_out() {
    let mut net = net();
    net.link.loss = 100;
    net.call(0, 1, 1);
    net.settle(Duration::from_secs(60));
    assert_eq!(net.ends(0), [EndCause::TimedOut]);
    // Timer A: 0.5, 1, 2, 4, 8, 16 s after the first.
    assert_eq!(net.lines(0).len(), 7);
    net.assert_empty();
}

#[test]
fn unreachable_peer_ends_the_call_at_once() {
    let mut net = net();
    net.call(0, 1, 1);
    net.input(0, Input::Unreachable { transport: sip::Transport::Udp, remote: address(1) });
    assert_eq!(net.ends(0), [EndCause::Unreachable]);
}

#[test]
fn ringing_for_too_long_ends_both_sides() {
    let mut net = net();
    net.call(0, 1, 1);
    net.advance_ms(50);
    net.command(1, Command::Progress { call: net.incoming(1), status: 180, sdp: None });
    net.settle(Duration::from_secs(400));
    assert_eq!(net.ends(0), [EndCause::TimedOut]);
    assert_eq!(net.ends(1).len(), 1);
    net.assert_empty();
}

#[test]
fn callee_that_hangs_up_before_the_ack_waits_with_its_bye() {
    let mut net = net();
    net.call(0, 1, 1);
    net.advance_ms(50);
    let callee = net.incoming(1);
    net.command(1, Command::Answer { call: callee, sdp: b"answer".to_vec(), headers: vec![] });
    net.command(1, hangup(callee));
    assert_eq!(net.ends(1), [EndCause::Local]);
    assert_eq!(net.lines(1), ["100", "200"]);
    net.advance_ms(50);
    assert_eq!(net.lines(1), ["100", "200", "BYE"]);
    assert_eq!(net.ends(0), [EndCause::Remote { reason: None }]);
    net.settle(Duration::from_secs(60));
    net.assert_empty();
}

#[test]
fn answer_is_repeated_until_acknowledged_and_then_given_up() {
    let mut net = net();
    net.call(0, 1, 1);
    net.advance_ms(50);
    net.link.loss = 100;
    net.command(1, Command::Answer { call: net.incoming(1), sdp: b"answer".to_vec(), headers: vec![] });
    net.settle(Duration::from_secs(400));
    assert_eq!(net.ends(1), [EndCause::TimedOut]);
    let repeats = net.lines(1).iter().filter(|line| *line == "200").count();
    // 0, 0.5, 1.5, 3.5, then every 4 s up to 32 s.
    assert_eq!(repeats, 11);
    assert!(net.lines(1).contains(&"BYE".to_owned()));
    net.assert_empty();
}

#[test]
fn repeated_answer_is_acknowledged_again() {
    let mut net = net();
    let caller = net.call(0, 1, 1);
    net.advance_ms(50);
    net.command(1, Command::Answer { call: net.incoming(1), sdp: b"answer".to_vec(), headers: vec![] });
    // The ACK is lost twice; the 2xx comes again after 0.5 s and 1.5 s.
    net.advance(Duration::from_micros(500));
    net.link.loss = 0;
    let before = net.now;
    net.advance_ms(1);
    net.link.loss = 100;
    net.advance_ms(1);
    net.link.loss = 0;
    net.advance(Duration::from_secs(3));
    assert!(net.now > before);
    assert!(net.events[1].iter().any(|e| matches!(e, Event::Established { .. })));
    net.command(0, hangup(caller));
    net.settle(Duration::from_secs(60));
    net.assert_empty();
}

#[test]
fn session_is_changed_from_either_side() {
    let mut net = net();
    let (caller, callee) = net.established();
    for (from, to, call, peer) in [(0, 1, caller, callee), (1, 0, callee, caller)] {
        net.events.iter_mut().for_each(Vec::clear);
        net.command(from, Command::Reinvite { call, sdp: Some(b"hold".to_vec()) });
        net.advance_ms(50);
        let asked =
            |e: &Event| matches!(e, Event::Reinvite { call, sdp: Some(sdp) } if *call == peer && sdp == b"hold");
        assert!(net.events[to].iter().any(asked));
        net.command(to, Command::AnswerReinvite { call: peer, sdp: b"held".to_vec() });
        net.advance_ms(50);
        let done = |e: &Event| matches!(e, Event::ReinviteDone { status: 200, sdp: Some(sdp), .. } if sdp == b"held");
        assert!(net.events[from].iter().any(done));
        assert!(net.events[to].iter().any(|e| matches!(e, Event::ReinviteAcked { .. })));
    }
}

#[test]
fn refused_change_leaves_the_call_up() {
    let mut net = net();
    let (caller, callee) = net.established();
    net.command(0, Command::Reinvite { call: caller, sdp: Some(b"video".to_vec()) });
    net.advance_ms(50);
    net.command(1, Command::RejectReinvite { call: callee, status: 488 });
    net.advance_ms(50);
    assert!(net.events[0].iter().any(|e| matches!(e, Event::ReinviteDone { status: 488, .. })));
    assert_eq!(net.ends(0), []);
    assert_eq!(net.nodes[0].load().calls, 1);
}

#[test]
fn glare_is_resolved_inside() {
    let mut net = net();
    let (caller, callee) = net.established();
    net.command(0, Command::Reinvite { call: caller, sdp: Some(b"mine".to_vec()) });
    net.command(1, Command::Reinvite { call: callee, sdp: Some(b"yours".to_vec()) });
    for _ in 0..100 {
        net.advance_ms(100);
        for (node, call) in [(0, caller), (1, callee)] {
            if let Some(at) = net.events[node].iter().position(|e| matches!(e, Event::Reinvite { .. })) {
                net.events[node].remove(at);
                net.command(node, Command::AnswerReinvite { call, sdp: b"ok".to_vec() });
            }
        }
    }
    assert!(net.lines(0).contains(&"491".to_owned()) && net.lines(1).contains(&"491".to_owned()));
    for node in 0..2 {
        let done = net.events[node].iter().filter(|e| matches!(e, Event::ReinviteDone { status: 200, .. })).count();
        assert_eq!(done, 1, "node {node}");
    }
}

#[test]
fn later_wish_replaces_one_that_waits() {
    let mut net = net();
    let (caller, callee) = net.established();
    for sdp in ["one", "two", "three"] {
        net.command(0, Command::Reinvite { call: caller, sdp: Some(sdp.into()) });
    }
    for _ in 0..3 {
        net.advance_ms(50);
        net.command(1, Command::AnswerReinvite { call: callee, sdp: b"ok".to_vec() });
    }
    net.advance_ms(50);
    let asked: Vec<_> = net.events[1]
        .iter()
        .filter_map(|e| match e {
            Event::Reinvite { sdp: Some(sdp), .. } => Some(String::from_utf8_lossy(sdp).into_owned()),
            _ => None,
        })
        .collect();
    assert_eq!(asked, ["one", "three"]);
}

#[test]
fn hanging_up_in_mid_change_ends_both_sides() {
    for side in 0..2 {
        let mut net = net();
        let (caller, callee) = net.established();
        net.command(0, Command::Reinvite { call: caller, sdp: Some(b"hold".to_vec()) });
        net.advance_ms(50);
        net.command(side, hangup([caller, callee][side]));
        net.settle(Duration::from_secs(60));
        assert_eq!(net.ends(side), [EndCause::Local]);
        assert_eq!(net.ends(1 - side), [EndCause::Remote { reason: None }]);
        net.assert_empty();
    }
}

#[test]
fn offer_may_come_with_the_answer() {
    let mut net = net();
    let call = CallId::outgoing(1);
    let mut wish = invite(call, 0, 1);
    wish.sdp = None;
    net.command(0, Command::Invite(Box::new(wish)));
    net.advance_ms(50);
    net.command(1, Command::Answer { call: net.incoming(1), sdp: b"offer".to_vec(), headers: vec![] });
    net.advance_ms(50);
    assert!(net.events[0].iter().any(|e| matches!(e, Event::Answered { sdp: Some(sdp), .. } if sdp == b"offer")));
    assert!(!net.lines(0).contains(&"ACK".to_owned()));
    net.command(0, Command::Ack { call, sdp: b"answer".to_vec() });
    net.advance_ms(50);
    assert!(net.events[1].iter().any(|e| matches!(e, Event::Established { sdp: Some(sdp), .. } if sdp == b"answer")));
    net.command(0, hangup(call));
    net.settle(Duration::from_secs(60));
    net.assert_empty();
}

#[test]
fn info_and_options_pass_within_a_call() {
    let mut net = net();
    let (caller, callee) = net.established();
    let body = b"Signal=5\r\nDuration=160\r\n".to_vec();
    net.command(0, Command::Info { call: caller, content_type: "application/dtmf-relay".to_owned(), body });
    net.command(1, Command::Options { call: callee });
    net.advance_ms(50);
    let digit = net.events[1].iter().find_map(|e| match e {
        Event::Info { content_type, body, .. } => sip::info_digit(content_type, body),
        _ => None,
    });
    assert_eq!(digit, Some(('5', Duration::from_millis(160))));
    assert!(net.events[1].iter().any(|e| matches!(e, Event::OptionsResult { status: 200, .. })));
}

#[test]
fn vanished_peer_is_noticed_by_options() {
    let mut net = net();
    let (caller, _) = net.established();
    // Node 1 forgets everything, as after a crash.
    net.nodes[1] = sip::Endpoint::new(sip::Config::new([9; 32]));
    net.command(0, Command::Options { call: caller });
    net.advance_ms(50);
    assert_eq!(net.ends(0), [EndCause::Gone]);
}

#[test]
fn ping_reports_alive_and_dead_peers() {
    let mut net = net();
    let uri = sip::msg::Uri::parse("sip:192.0.2.2").unwrap();
    net.command(
        0,
        Command::Ping { ping: PingId(1), hop: Hop::udp(address(0), address(1)), uri: uri.clone(), credentials: None },
    );
    net.advance_ms(50);
    net.command(0, Command::Ping { ping: PingId(2), hop: Hop::udp(address(0), address(7)), uri, credentials: None });
    net.settle(Duration::from_secs(60));
    let results: Vec<_> = net.events[0]
        .iter()
        .filter_map(|e| match e {
            Event::PingResult { ping, reply } => Some((ping.0, *reply)),
            _ => None,
        })
        .collect();
    assert_eq!(results, [(1, sip::Reply::Status(200)), (2, sip::Reply::Silence)]);
    net.assert_empty();
}

#[test]
fn challenged_call_succeeds_with_the_right_secret_only() {
    for (secret, expected) in [("secret", None), ("wrong", Some(403))] {
        let mut net = net();
        net.policy.admission = Admission::Challenge { realm: REALM.to_owned() };
        let call = CallId::outgoing(1);
        let mut wish = invite(call, 0, 1);
        wish.credentials = Some(Credentials { user: "alice".to_owned(), secret: Secret::Password(secret.to_owned()) });
        net.command(0, Command::Invite(Box::new(wish)));
        net.advance_ms(50);
        match expected {
            None => {
                let identity = net.events[1].iter().find_map(|e| match e {
                    Event::IncomingCall(incoming) => incoming.identity.clone(),
                    _ => None,
                });
                assert_eq!(identity.as_deref(), Some("user-alice"));
                net.command(1, Command::Answer { call: net.incoming(1), sdp: b"answer".to_vec(), headers: vec![] });
                net.advance_ms(50);
                net.command(0, hangup(call));
            }
            Some(code) => {
                assert!(matches!(net.ends(0)[..], [EndCause::Rejected { status, .. }] if status == code));
                assert_eq!(net.nodes[1].guesses().wrong, 1);
            }
        }
        net.settle(Duration::from_secs(60));
        net.assert_empty();
    }
}

#[test]
fn challenged_call_without_credentials_is_rejected() {
    let mut net = net();
    net.policy.admission = Admission::Challenge { realm: REALM.to_owned() };
    net.call(0, 1, 1);
    net.settle(Duration::from_secs(60));
    assert!(matches!(net.ends(0)[..], [EndCause::Rejected { status: 401, .. }]));
    assert!(net.events[1].is_empty());
    net.assert_empty();
}

#[test]
fn full_node_refuses_new_calls_but_serves_those_it_has() {
    let mut net = Net::with_config(2, Link::default(), 1, |config| config.limits.calls = 1);
    let (caller, _) = net.established();
    let mut other = Net::new(1, Link::default(), 1);
    other.call(0, 1, 1);
    let request = raw("INVITE", "sip:1@192.0.2.2", "<sip:1@192.0.2.2>", "Contact: <sip:x@192.0.2.9>\r\n");
    net.input(1, Input::Datagram { local: address(1), remote: address(8), bytes: request.as_bytes() });
    assert_eq!(net.lines(1).last().unwrap(), "503");
    net.command(0, hangup(caller));
    net.advance_ms(50);
    assert_eq!(net.ends(1).len(), 1);
}

/// A request from 192.0.2.9 that no endpoint made.
fn raw(method: &str, uri: &str, to: &str, more: &str) -> String {
    format!(
        "{method} {uri} SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.9:5060;branch=z9hG4bK-{method}\r\nMax-Forwards: 70\r\n\
         From: <sip:x@192.0.2.9>;tag=1\r\nTo: {to}\r\nCall-ID: c\r\nCSeq: 7 {method}\r\n{more}Content-Length: 0\r\n\r\n"
    )
}

/// The response a lone endpoint gives to a raw request.
fn answer_to(request: &str) -> Message {
    let mut endpoint = sip::Endpoint::new(sip::Config::new([1; 32]));
    let policy = crate::net::Policy::default();
    let input = Input::Datagram { local: address(0), remote: address(8), bytes: request.as_bytes() };
    endpoint.handle(Duration::ZERO, input, &policy);
    let Some(sip::Output::Transmit(transmit)) = endpoint.poll_output() else { panic!("no response") };
    Message::parse(&transmit.bytes).unwrap()
}

#[test]
fn requests_get_the_status_they_deserve() {
    let uri = "sip:1@192.0.2.1";
    let fresh = "<sip:1@192.0.2.1>";
    let tagged = "<sip:1@192.0.2.1>;tag=old";
    let contact = "Contact: <sip:x@192.0.2.9>\r\n";
    let cases = [
        (raw("SUBSCRIBE", uri, fresh, ""), 405),
        (raw("DANCE", uri, fresh, ""), 501),
        (raw("INVITE", uri, fresh, "Require: precondition\r\nContact: <sip:x@192.0.2.9>\r\n"), 420),
        (raw("INVITE", uri, tagged, contact), 481),
        (raw("BYE", uri, tagged, ""), 481),
        (raw("BYE", uri, fresh, ""), 481),
        (raw("CANCEL", uri, fresh, ""), 481),
        (raw("INVITE", uri, fresh, ""), 400),
        (raw("INVITE", uri, fresh, contact).replace("Max-Forwards: 70", "Max-Forwards: 0"), 483),
        (raw("OPTIONS", uri, fresh, "").replace("Max-Forwards: 70", "Max-Forwards: 0"), 200),
        (raw("OPTIONS", "fax:1234", fresh, ""), 416),
        (raw("OPTIONS", uri, fresh, "").replace("SIP/2.0\r\nVia", "SIP/3.0\r\nVia"), 505),
        (raw("OPTIONS", uri, fresh, "").replace("CSeq: 7 OPTIONS", "CSeq: 7 INVITE"), 400),
        (raw("REGISTER", "sip:elsewhere", "<sip:alice@elsewhere>", ""), 404),
        (raw("REGISTER", "sip:call.example", "<sip:alice@call.example>", ""), 401),
        (raw("INVITE", uri, fresh, contact), 100),
    ];
    for (request, status) in cases {
        assert_eq!(answer_to(&request).status(), status, "{request}");
    }
    let answer = answer_to(&raw("SUBSCRIBE", uri, fresh, ""));
    assert!(answer.get(Name::Allow).unwrap().contains("INVITE"));
    let answer = answer_to(&raw("OPTIONS", uri, fresh, "Require: a, b\r\n"));
    assert_eq!(answer.get(Name::Unsupported), Some("a, b"));
}

#[test]
fn invite_body_that_is_not_sdp_is_refused() {
    let mut request = raw("INVITE", "sip:1@192.0.2.1", "<sip:1@192.0.2.1>", "Contact: <sip:x@192.0.2.9>\r\n");
    request = request.replace("Content-Length: 0\r\n\r\n", "Content-Type: text/plain\r\nContent-Length: 2\r\n\r\nhi");
    assert_eq!(answer_to(&request).status(), 415);
}

#[test]
fn same_invite_by_two_ways_is_served_once() {
    let mut net = Net::new(1, Link::default(), 1);
    let first = raw("INVITE", "sip:1@192.0.2.1", "<sip:1@192.0.2.1>", "Contact: <sip:x@192.0.2.9>\r\n");
    let second = first.replace("z9hG4bK-INVITE", "z9hG4bK-other");
    for request in [first, second] {
        net.input(0, Input::Datagram { local: address(0), remote: address(8), bytes: request.as_bytes() });
    }
    assert_eq!(net.lines(0), ["100", "482"]);
}

#[test]
fn second_fork_that_answers_is_ended() {
    let mut net = net();
    let caller = net.call(0, 1, 1);
    net.advance_ms(50);
    net.command(1, Command::Answer { call: net.incoming(1), sdp: b"answer".to_vec(), headers: vec![] });
    net.advance_ms(50);
    // The same 2xx as from another device behind a forking proxy.
    let ok = net.trace.iter().position(|(node, _, line)| *node == 1 && line.contains("200")).unwrap();
    assert!(ok > 0);
    let mut endpoint_trace = net.lines(0);
    assert_eq!(endpoint_trace, ["INVITE", "ACK"]);
    let fork = net.last_answer().replace(";tag=", ";tag=fork");
    // From keeps our tag; only To changes.
    let fork = restore_from(&fork);
    net.input(0, Input::Datagram { local: address(0), remote: address(1), bytes: fork.as_bytes() });
    endpoint_trace = net.lines(0);
    assert_eq!(endpoint_trace, ["INVITE", "ACK", "ACK", "BYE"]);
    // Its repeat gets its ACK again, and no second BYE.
    net.input(0, Input::Datagram { local: address(0), remote: address(1), bytes: fork.as_bytes() });
    assert_eq!(net.lines(0), ["INVITE", "ACK", "ACK", "BYE", "ACK"]);
    assert_eq!(net.ends(0), []);
    net.command(0, hangup(caller));
    net.settle(Duration::from_secs(60));
    net.assert_empty();
}

fn restore_from(message: &str) -> String {
    let fix = |line: &str| {
        if line.starts_with("From:") { line.replace(";tag=fork", ";tag=") } else { line.to_owned() }
    };
    message.split("\r\n").map(fix).collect::<Vec<_>>().join("\r\n")
}

#[test]
fn responses_follow_rport_and_note_the_source() {
    let request = raw("OPTIONS", "sip:1@192.0.2.1", "<sip:1@192.0.2.1>", "").replace(";branch", ";rport;branch");
    let mut endpoint = sip::Endpoint::new(sip::Config::new([1; 32]));
    let remote = "203.0.113.5:40000".parse().unwrap();
    let input = Input::Datagram { local: address(0), remote, bytes: request.as_bytes() };
    endpoint.handle(Duration::ZERO, input, &crate::net::Policy::default());
    let Some(sip::Output::Transmit(transmit)) = endpoint.poll_output() else { panic!("no response") };
    assert_eq!(transmit.hop.remote, remote);
    let via = Message::parse(&transmit.bytes).unwrap().via.clone();
    assert_eq!((via.params.get("received"), via.params.get("rport")), (Some("203.0.113.5"), Some("40000")));
}

#[test]
fn streams_carry_messages_in_any_pieces_and_pings_are_answered() {
    let policy = crate::net::Policy::default();
    let mut endpoint = sip::Endpoint::new(sip::Config::new([1; 32]));
    let conn = sip::ConnId(4);
    let opened = Input::StreamOpened { conn, transport: sip::Transport::Tcp, local: address(0), remote: address(8) };
    endpoint.handle(Duration::ZERO, opened, &policy);
    let request = raw("OPTIONS", "sip:1@192.0.2.1", "<sip:1@192.0.2.1>", "");
    let bytes = format!("\r\n\r\n{request}{}", request.replace("OPTIONS", "DANCE"));
    for piece in bytes.as_bytes().chunks(7) {
        endpoint.handle(Duration::ZERO, Input::Stream { conn, bytes: piece }, &policy);
    }
    let mut sent = Vec::new();
    while let Some(sip::Output::Transmit(transmit)) = endpoint.poll_output() {
        assert_eq!(transmit.hop.conn, Some(conn));
        sent.push(String::from_utf8_lossy(&transmit.bytes[..transmit.bytes.len().min(11)]).into_owned());
    }
    assert_eq!(sent, ["\r\n", "SIP/2.0 200", "SIP/2.0 501"]);
    let bad = b"OPTIONS sip:1@x SIP/2.0\r\nContent-Length: -5\r\n\r\n";
    endpoint.handle(Duration::ZERO, Input::Stream { conn, bytes: bad }, &policy);
    assert!(matches!(endpoint.poll_output(), Some(sip::Output::CloseStream { .. })));
    assert_eq!(endpoint.load().streams, 0);
}

/// RFC 3515: 202, then NOTIFYs with the status line of what the peer does.
#[test]
fn a_transfer_is_asked_for_and_told_about() {
    let mut net = net();
    let (caller, callee) = net.established();
    let to = || sip::msg::Uri::parse("sip:1002@pbx.example").unwrap();
    net.command(0, Command::Refer { call: caller, to: to() });
    net.advance_ms(50);
    assert!(net.events[1].iter().any(|e| matches!(e, Event::Refer { to: t, .. } if *t == to())));
    net.command(1, Command::NotifyRefer { call: callee, status: 100 });
    net.command(1, Command::NotifyRefer { call: callee, status: 200 });
    net.advance_ms(50);
    // Nobody asked for this one.
    net.command(1, Command::NotifyRefer { call: callee, status: 200 });
    net.advance_ms(50);
    let told: Vec<u16> = net.events[0]
        .iter()
        .filter_map(|e| if let Event::ReferProgress { status, .. } = e { Some(*status) } else { None })
        .collect();
    assert_eq!(told, [100, 200]);
    assert_eq!(net.lines(0), ["INVITE", "ACK", "REFER", "200", "200", "481"]);
    assert_eq!(net.lines(1), ["100", "200", "202", "NOTIFY", "NOTIFY", "NOTIFY"]);
    net.command(0, hangup(caller));
    net.settle(Duration::from_secs(60));
    net.assert_empty();
}

/// RFC 5589 §7: one of two calls is to take the place of the other.
#[test]
fn a_call_that_is_to_take_the_place_of_another_is_known_by_its_dialog() {
    let mut net = net();
    let (first, _) = net.established();
    let (second, at_callee) = net.established();
    let invites: Vec<_> = net.events[1]
        .iter()
        .filter_map(|e| if let Event::IncomingCall(call) = e { Some((call.call, call.message.clone())) } else { None })
        .collect();
    let invite = &invites.iter().find(|(call, _)| *call == at_callee).unwrap().1;
    let (call_id, from_tag) = (invite.call_id().to_owned(), invite.from.tag().unwrap().to_owned());
    let to_tag = net.events[0]
        .iter()
        .filter_map(|e| if let Event::Answered { call, message, .. } = e { Some((call, message)) } else { None })
        .find(|(call, _)| **call == second)
        .and_then(|(_, message)| message.to.tag().map(str::to_owned))
        .unwrap();
    let mut refer = |headers: String| {
        let to = sip::msg::Uri::parse(&format!("sip:1002@pbx.example?{headers}")).unwrap();
        net.command(0, Command::Refer { call: first, to });
        net.advance_ms(50);
        let named = net.events[1].iter().rev().find_map(|e| match e {
            Event::Refer { replaces, .. } => Some(*replaces),
            _ => None,
        });
        net.events[1].clear();
        named
    };
    let known = Some(Some(Replaced::Call { call: at_callee, early_only: false }));
    let named = |to: &str, from: &str| format!("Replaces={call_id}%3Bto-tag%3D{to}%3Bfrom-tag%3D{from}");
    assert_eq!(refer(named(&to_tag, &from_tag)), known);
    assert_eq!(refer(named(&from_tag, &to_tag)), known, "the other way round");
    assert_eq!(refer(named(&to_tag, "other")), Some(Some(Replaced::Unknown)));
    assert_eq!(refer("Replaces=nonsense".to_owned()), None, "400");
    assert_eq!(refer("Subject=x".to_owned()), Some(None));
    net.command(0, hangup(first));
    net.command(0, hangup(second));
    net.settle(Duration::from_secs(60));
    net.assert_empty();
}
