//! SIP calls: echo, bridge with recording, hang-ups, SIP over TCP.
use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use domain::id::{BridgeId, LegId, RecordingId};
use domain::leg::{CallerId, Dial, EndCause, EndedBy, Hears, LegCommand, LegEvent};
use media::recorder::export::Recording;

use crate::floor::{Floor, Options, TENANT, eventually};
use crate::phone::Phone;
use crate::tone;

pub fn pair(a: LegId, b: LegId) -> Vec<Hears> {
    vec![Hears { leg: a, hears: vec![b] }, Hears { leg: b, hears: vec![a] }]
}

pub fn echo(leg: LegId) -> Vec<Hears> {
    vec![Hears { leg, hears: vec![leg] }]
}

/// A phone in an echo call.
pub fn in_echo(floor: &mut Floor, phone: &Phone) -> LegId {
    phone.call(floor.sip, "3000");
    let leg = floor.offered();
    floor.command(LegCommand::Ring { leg });
    floor.command(LegCommand::Answer { leg });
    floor.command(LegCommand::Bridge { bridge: BridgeId(leg.0), legs: echo(leg) });
    floor.answered(leg);
    phone.wait_up();
    leg
}

#[test]
fn a_caller_of_the_echo_number_hears_himself_until_he_hangs_up() {
    let mut floor = Floor::start();
    let phone = Phone::new(1000.0);
    let leg = in_echo(&mut floor, &phone);
    phone.wait_hears(1000.0, 440.0);
    phone.hang_up();
    let LegEvent::Ended { cause, by, stats, .. } = floor.ended(leg) else { unreachable!() };
    assert_eq!((cause, by), (EndCause::Hangup, EndedBy::Peer));
    // A tenth of a second was heard: five packets there and back.
    assert!(stats.rtp_received >= 5 && stats.rtp_sent >= 5, "{stats:?}");
    assert_eq!(floor.handle().stats().panics, 0);
}

#[test]
fn two_callers_hear_each_other_and_are_recorded_each_in_its_channel() {
    let mut floor = Floor::start();
    let (customer, agent) = (Phone::new(440.0), Phone::new(1000.0));
    customer.call(floor.sip, "3000");
    let left = floor.offered();
    floor.command(LegCommand::Answer { leg: left });
    floor.answered(left);
    let right = LegId(5);
    floor.command(LegCommand::Originate {
        leg: right,
        tenant: TENANT,
        interaction: None,
        to: Dial::Uri { uri: format!("sip:agent@{}", agent.addr) },
        from: CallerId::default(),
        ring_timeout: Duration::from_secs(20),
        beside: None,
    });
    floor.answered(right);
    floor.command(LegCommand::Bridge { bridge: BridgeId(1), legs: pair(left, right) });
    let recording = RecordingId(9);
    floor.command(LegCommand::Record { recording, tenant: TENANT, left, right: Some(right), beep_s: None });
    customer.wait_hears(1000.0, 440.0);
    agent.wait_hears(440.0, 1000.0);
    floor.wait_leg("the recording's start", |e| {
        matches!(e, LegEvent::RecordingStarted { recording: r } if *r == recording).then_some(())
    });
    let spool = floor.dir.join("spool");
    // Half a second of sound is in the file before anybody hangs up: what a crash would leave.
    let part = spool.join(format!("{recording}.part"));
    eventually("half a second is in the spool", || {
        std::fs::read(&part).is_ok_and(|bytes| Recording::from_spool(&bytes).is_ok_and(|r| r.length_ms >= 500))
    });
    customer.hang_up();
    floor.ended(left);
    floor.command(LegCommand::Hangup { leg: right, cause: EndCause::Hangup });
    agent.wait_ended();
    floor.ended(right);
    let length = floor.wait_leg("the recording's end", |e| match e {
        LegEvent::RecordingEnded { recording: r, length_ms, .. } if *r == recording => Some(*length_ms),
        _ => None,
    });
    let bytes = std::fs::read(spool.join(format!("{recording}.rec"))).unwrap();
    let recorded = Recording::from_spool(&bytes).unwrap();
    assert!(recorded.complete);
    assert_eq!(recorded.length_ms, length);
    let window = |channel: &[i16]| channel[channel.len() / 2 - tone::WINDOW / 2..][..tone::WINDOW].to_vec();
    let (left, right) = (window(&recorded.left), window(&recorded.right));
    assert!(tone::has(&left, 440.0) && tone::lacks(&left, 1000.0), "customer is left");
    assert!(tone::has(&right, 1000.0) && tone::lacks(&right, 440.0), "agent is right");
}

#[test]
fn ended_calls_give_their_ports_back() {
    // At most six pairs beside the WebRTC port: more calls than that, one after the other.
    let mut floor = Floor::with(Options { ports: 13, ..Options::default() });
    let phone = Phone::new(1000.0);
    for _ in 0..15 {
        let leg = in_echo(&mut floor, &phone);
        phone.hang_up();
        floor.ended(leg);
    }
}

#[test]
fn a_removed_bridge_is_silence() {
    let mut floor = Floor::start();
    let phone = Phone::new(1000.0);
    let leg = in_echo(&mut floor, &phone);
    phone.wait_hears(1000.0, 440.0);
    floor.command(LegCommand::Bridge { bridge: BridgeId(leg.0), legs: Vec::new() });
    phone.wait_silence();
}

#[test]
fn a_shut_down_node_says_goodbye_in_time() {
    let mut floor = Floor::start();
    let phone = Phone::new(1000.0);
    let leg = in_echo(&mut floor, &phone);
    let before = std::time::Instant::now();
    floor.handle.take().unwrap().shutdown(Duration::from_secs(10));
    assert!(before.elapsed() < Duration::from_secs(9), "the phone answered, so nothing had to time out");
    phone.wait_ended();
    let LegEvent::Ended { cause, .. } = floor.ended(leg) else { unreachable!() };
    assert_eq!(cause, EndCause::SystemShutdown);
}

#[test]
fn while_the_floor_is_deaf_nothing_is_lost_and_new_calls_are_refused() {
    let mut floor = Floor::with(Options { backlog: 1, ..Options::default() });
    floor.deaf.store(true, std::sync::atomic::Ordering::Relaxed);
    let (first, second) = (Phone::new(440.0), Phone::new(1000.0));
    first.call(floor.sip, "3000");
    eventually("an event waits", || floor.handle().stats().engine_backlog == 1);
    second.call(floor.sip, "3000");
    let refused = second.wait_ended();
    assert!(matches!(refused, sip::EndCause::Rejected { status: 503, .. }), "{refused:?}");
    floor.deaf.store(false, std::sync::atomic::Ordering::Relaxed);
    let leg = floor.offered();
    floor.command(LegCommand::Answer { leg });
    first.wait_up();
}

#[test]
fn a_call_out_over_tcp_opens_the_connection_and_a_closed_port_is_unreachable() {
    let mut floor = Floor::start();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let originate = |leg| LegCommand::Originate {
        leg,
        tenant: TENANT,
        interaction: None,
        to: Dial::Uri { uri: format!("sip:agent@127.0.0.1:{port};transport=tcp") },
        from: CallerId::default(),
        ring_timeout: Duration::from_secs(20),
        beside: None,
    };
    floor.command(originate(LegId(1)));
    let (mut tcp, _) = listener.accept().unwrap();
    tcp.set_read_timeout(Some(crate::floor::PATIENCE)).unwrap();
    let mut start = [0; 12];
    tcp.read_exact(&mut start).unwrap();
    assert_eq!(&start, b"INVITE sip:a");
    drop((tcp, listener));
    floor.ended(LegId(1));
    floor.command(originate(LegId(2)));
    let LegEvent::Ended { cause, .. } = floor.ended(LegId(2)) else { unreachable!() };
    assert_eq!(cause, EndCause::Unreachable);
}

#[test]
fn sip_over_tcp_is_answered_on_the_same_connection() {
    let floor = Floor::start();
    let mut tcp = std::net::TcpStream::connect(floor.sip).unwrap();
    tcp.set_read_timeout(Some(crate::floor::PATIENCE)).unwrap();
    let local = tcp.local_addr().unwrap();
    let request = format!(
        "OPTIONS sip:{0} SIP/2.0\r\nVia: SIP/2.0/TCP {local};branch=z9hG4bKone\r\nMax-Forwards: 70\r\n\
         From: <sip:a@{local}>;tag=1\r\nTo: <sip:{0}>\r\nCall-ID: one\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n",
        floor.sip
    );
    // In two pieces: the framing is ours to do.
    let (first, second) = request.split_at(40);
    tcp.write_all(first.as_bytes()).unwrap();
    tcp.write_all(second.as_bytes()).unwrap();
    let mut answer = Vec::new();
    let mut buffer = [0; 4096];
    while !answer.windows(4).any(|w| w == b"\r\n\r\n") {
        let len = tcp.read(&mut buffer).unwrap();
        assert!(len > 0, "closed instead of answered");
        answer.extend_from_slice(&buffer[..len]);
    }
    let answer = String::from_utf8(answer).unwrap();
    assert!(answer.starts_with("SIP/2.0 200"), "{answer}");
}

#[test]
fn a_phone_with_an_ipv6_address_and_one_with_an_ipv4_address_hear_each_other() {
    let mut floor = Floor::with(Options { ipv6: true, media_ip: Ipv4Addr::UNSPECIFIED, ..Options::default() });
    let (a, b) = (Phone::at(Ipv6Addr::LOCALHOST.into(), 440.0), Phone::at(Ipv4Addr::LOCALHOST.into(), 1000.0));
    let port = floor.sip.port();
    let mut up = |phone: &Phone, ip: IpAddr| {
        phone.call(SocketAddr::new(ip, port), "3000");
        let leg = floor.offered();
        floor.command(LegCommand::Answer { leg });
        floor.answered(leg);
        phone.wait_up();
        leg
    };
    let left = up(&a, Ipv6Addr::LOCALHOST.into());
    let right = up(&b, Ipv4Addr::LOCALHOST.into());
    // Each is told an address of its own family.
    assert!(a.server().is_ipv6() && b.server().is_ipv4(), "{} {}", a.server(), b.server());
    floor.command(LegCommand::Bridge { bridge: BridgeId(1), legs: pair(left, right) });
    a.wait_hears(1000.0, 440.0);
    b.wait_hears(440.0, 1000.0);
    // We call IPv6 too.
    let called = Phone::at(Ipv6Addr::LOCALHOST.into(), 1500.0);
    let leg = LegId(7);
    floor.command(LegCommand::Originate {
        leg,
        tenant: TENANT,
        interaction: None,
        to: Dial::Uri { uri: format!("sip:agent@{}", called.addr) },
        from: CallerId::default(),
        ring_timeout: Duration::from_secs(20),
        beside: None,
    });
    floor.answered(leg);
    floor.command(LegCommand::Bridge { bridge: BridgeId(1), legs: pair(leg, right) });
    b.wait_hears(1500.0, 440.0);
    called.wait_hears(1000.0, 440.0);
    called.hang_up();
    floor.ended(leg);
    b.hang_up();
    floor.ended(right);
}
