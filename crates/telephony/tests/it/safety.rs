//! Media safety over real sockets: nobody but the peer is heard, hears, or costs a call its life.
use std::net::{SocketAddr, UdpSocket};

use domain::device::DeviceReport;
use domain::id::{BridgeId, LegId};
use domain::leg::{LegCommand, LegEvent};
use media::rtp;
use telephony::Up;

use crate::browser::Browser;
use crate::calls::{echo, in_echo, pair};
use crate::floor::{Floor, eventually};
use crate::phone::Phone;
use crate::tone::{self, Sine};
use crate::webrtc::{connect, originate};

fn stranger() -> UdpSocket {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_nonblocking(true).unwrap();
    socket
}

/// A tenth of a second of a sine as A-law packets of the stream `ssrc`, and an RTCP goodbye in its name.
fn attack(stranger: &UdpSocket, port: SocketAddr, ssrc: u32, sine: &mut Sine, first: u16) {
    for n in 0..5 {
        let payload: Vec<u8> = sine.next(160).into_iter().map(media::g711::linear_to_alaw).collect();
        let sequence = first.wrapping_add(n);
        let timestamp = u32::from(sequence) * 160;
        let header = rtp::Header { payload_type: 8, ssrc, sequence, timestamp, ..rtp::Header::default() };
        stranger.send_to(&rtp::Packet::new(header, &payload).to_vec(), port).unwrap();
    }
    let mut goodbye = vec![0x81, 203, 0, 1];
    goodbye.extend(ssrc.to_be_bytes());
    stranger.send_to(&goodbye, port).unwrap();
    stranger.send_to(&goodbye, SocketAddr::new(port.ip(), port.port() + 1)).unwrap();
}

#[test]
fn a_third_address_is_neither_heard_nor_told_anything() {
    let mut floor = Floor::start();
    let (a, b) = (Phone::new(440.0), Phone::new(1000.0));
    let (left, right) = (in_echo(&mut floor, &a), in_echo(&mut floor, &b));
    // Each has spoken: its address is known.
    a.wait_hears(440.0, 1000.0);
    b.wait_hears(1000.0, 440.0);
    floor.command(LegCommand::Bridge { bridge: BridgeId(1), legs: pair(left, right) });
    a.wait_hears(1000.0, 440.0);
    let thief = stranger();
    let mut sine = Sine::new(1500.0);
    for round in 0..5 {
        for phone in [&a, &b] {
            // With the stream's own name and the numbers that come next.
            attack(&thief, phone.server(), u32::from(phone.addr.port()), &mut sine, phone.spoken() + 1);
        }
        // What the phones send now is read after the attack: it came to the same sockets later.
        a.forget();
        b.forget();
        a.wait_hears(1000.0, 1500.0);
        b.wait_hears(440.0, 1500.0);
        assert!(thief.recv_from(&mut [0; 2000]).is_err(), "the stranger was sent something in round {round}");
    }
    let ended = floor.rest().iter().any(|up| matches!(up, Up::Leg(LegEvent::Ended { .. })));
    assert!(!ended, "a goodbye in the peer's name is nothing");
}

#[test]
fn packets_for_an_ended_leg_reach_no_other_call() {
    let mut floor = Floor::start();
    let (a, b) = (Phone::new(440.0), Phone::new(1000.0));
    in_echo(&mut floor, &a);
    a.wait_hears(440.0, 1000.0);
    let old = a.server();
    let name = u32::from(a.addr.port());
    let first = a.spoken();
    a.hang_up();
    a.wait_ended();
    in_echo(&mut floor, &b);
    b.wait_hears(1000.0, 1500.0);
    attack(&stranger(), old, name, &mut Sine::new(1500.0), first);
    b.forget();
    b.wait_hears(1000.0, 1500.0);
}

/// A browser in an echo call.
fn browser_in_echo(floor: &mut Floor, browser: &Browser) -> LegId {
    connect(floor, 1, browser);
    let leg = LegId(8);
    originate(floor, leg);
    floor.command(LegCommand::Bridge { bridge: BridgeId(1), legs: echo(leg) });
    browser.wait_hears(1000.0, 440.0);
    leg
}

#[test]
fn bad_srtp_and_dtls_from_the_peers_own_address_never_end_a_call() {
    let mut floor = Floor::start();
    let browser = Browser::new(1000.0);
    browser_in_echo(&mut floor, &browser);
    let (_, hello, srtp) = browser.sent();
    let mut wrong_key = srtp.clone();
    *wrong_key.last_mut().unwrap() ^= 1;
    let mut other_stream = srtp.clone();
    other_stream[8] ^= 0xff;
    let mut far_ahead = srtp.clone();
    far_ahead[2] ^= 0x80;
    let plain = rtp::Packet::new(rtp::Header::default(), &[0; 160]).to_vec();
    // Alert, DTLS 1.2, epoch 0: fatal handshake_failure, then close_notify, neither authenticated.
    let alert = |level, what| vec![21, 254, 253, 0, 0, 0, 0, 0, 0, 0, 9, 0, 2, level, what];
    let mut bad =
        vec![srtp.clone(), wrong_key, other_stream, far_ahead, plain, hello.clone(), alert(2, 40), alert(1, 0)];
    bad.extend((0..srtp.len()).step_by(3).map(|cut| srtp[..cut].to_vec()));
    bad.extend((1..hello.len()).step_by(7).map(|cut| hello[..cut].to_vec()));
    // Sender report and goodbye without protection.
    bad.push([&[0x80, 200, 0, 6][..], &[0; 24]].concat());
    bad.push([&[0x81, 203, 0, 1][..], &srtp[8..12]].concat());
    for datagram in bad {
        let before = floor.handle().stats().webrtc_received;
        browser.send_raw(datagram);
        // The browser's own packets follow on the same socket: then this one has been read.
        eventually("it was received", || floor.handle().stats().webrtc_received >= before + 2);
    }
    browser.forget();
    browser.wait_hears(1000.0, 440.0);
    let over = floor
        .rest()
        .iter()
        .any(|up| matches!(up, Up::Leg(LegEvent::Ended { .. }) | Up::Device(DeviceReport::Lost { .. })));
    assert!(!over, "the call lives");
    let stats = floor.handle().stats();
    assert_eq!((stats.webrtc_sessions, stats.panics), (1, 0));
}

#[test]
fn dtls_and_srtp_from_an_address_ice_has_not_validated_are_dropped_unread() {
    let mut floor = Floor::start();
    let browser = Browser::new(1000.0);
    browser_in_echo(&mut floor, &browser);
    let (server, hello, srtp) = browser.sent();
    let thief = stranger();
    let before = floor.handle().stats().webrtc_unknown;
    for _ in 0..50 {
        thief.send_to(&hello, server).unwrap();
        thief.send_to(&srtp, server).unwrap();
    }
    eventually("all are counted as strangers'", || floor.handle().stats().webrtc_unknown >= before + 100);
    browser.forget();
    browser.wait_hears(1000.0, 440.0);
    assert!(thief.recv_from(&mut [0; 2000]).is_err(), "no answer, so nothing to amplify");
    assert_eq!(floor.handle().stats().webrtc_sessions, 1);
}

#[test]
fn a_phone_that_promised_srtp_and_speaks_in_plain_is_not_heard_and_stays() {
    let mut floor = Floor::start();
    let (liar, other) = (Phone::breaking_its_word(440.0), Phone::new(1000.0));
    let left = in_echo(&mut floor, &liar);
    let right = in_echo(&mut floor, &other);
    floor.command(LegCommand::Bridge { bridge: BridgeId(1), legs: pair(left, right) });
    eventually("what is not protected is counted", || floor.handle().stats().srtp_rejected > 50);
    other.wait_silence();
    // What it gets itself is nothing without the key.
    eventually("something is sent to it", || liar.heard().len() >= 2 * tone::WINDOW);
    assert!(!tone::has(&liar.heard(), 1000.0));
    // A stranger who knows neither key changes nothing about that.
    attack(&stranger(), liar.server(), u32::from(liar.addr.port()), &mut Sine::new(1500.0), 1);
    other.wait_silence();
    liar.hang_up();
    let LegEvent::Ended { cause, .. } = floor.ended(left) else { unreachable!() };
    assert_eq!(cause, domain::leg::EndCause::Hangup, "by itself, and not before");
    assert_eq!(floor.handle().stats().panics, 0);
}
