//! Browsers: connecting, sound both ways with a SIP caller, reload under a living call, strangers on the port.
use std::net::UdpSocket;
use std::time::Duration;

use domain::device::{DeviceLoss, DeviceReport, DeviceSignal};
use domain::id::{BridgeId, LegId};
use domain::leg::{CallerId, Dial, LegCommand};

use crate::browser::Browser;
use crate::calls::{echo, in_echo, pair};
use crate::floor::{BROWSER, Floor, Options, TENANT, eventually};
use crate::phone::Phone;

/// Connects a browser as the device's next generation; answers the SDP of the server.
pub fn connect(floor: &mut Floor, generation: u64, browser: &Browser) -> String {
    let offer_sdp = browser.offer.clone();
    floor.signal(DeviceSignal::Connect { device: BROWSER, tenant: TENANT, generation, offer_sdp });
    let answer = floor.wait_device("the SDP answer", |r| match r {
        DeviceReport::Answer { generation: g, answer_sdp, .. } if *g == generation => Some(answer_sdp.clone()),
        _ => None,
    });
    browser.answer(&answer);
    floor.wait_device("a ready device", |r| {
        matches!(r, DeviceReport::Ready { generation: g, .. } if *g == generation).then_some(())
    });
    answer
}

pub fn originate(floor: &mut Floor, leg: LegId) {
    floor.command(LegCommand::Originate {
        leg,
        tenant: TENANT,
        interaction: None,
        to: Dial::Device { device: BROWSER },
        from: CallerId::default(),
        ring_timeout: Duration::from_secs(20),
        beside: None,
    });
    floor.answered(leg);
}

#[test]
fn a_browser_and_a_caller_hear_each_other_across_a_reload() {
    let mut floor = Floor::start();
    let browser = Browser::new(1000.0);
    let answer = connect(&mut floor, 1, &browser);
    assert!(answer.contains("a=ice-lite"), "{answer}");
    assert!(answer.contains("PCMU/8000") && !answer.contains("opus"), "{answer}");

    let caller = Phone::new(440.0);
    caller.call(floor.sip, "3000");
    let customer = floor.offered();
    floor.command(LegCommand::Answer { leg: customer });
    floor.answered(customer);
    let agent = LegId(8);
    originate(&mut floor, agent);
    floor.command(LegCommand::Bridge { bridge: BridgeId(1), legs: pair(customer, agent) });
    caller.wait_hears(1000.0, 440.0);
    browser.wait_hears(440.0, 1000.0);

    // The tab reloads: it closes its connection and comes back with another one, another tone to tell them apart.
    browser.close();
    let reloaded = Browser::new(1500.0);
    connect(&mut floor, 2, &reloaded);
    caller.wait_hears(1500.0, 1000.0);
    reloaded.wait_hears(440.0, 1500.0);
    let ended = floor.rest().iter().any(|up| format!("{up:?}").contains("Ended"));
    assert!(!ended, "the call lived through the reload");
    assert_eq!(floor.handle().stats().panics, 0);
}

#[test]
fn a_node_on_all_addresses_serves_peers_on_loopback() {
    let mut floor = Floor::with(Options { media_ip: std::net::Ipv4Addr::UNSPECIFIED, ..Options::default() });
    let browser = Browser::new(1000.0);
    let answer = connect(&mut floor, 1, &browser);
    assert!(answer.contains(" 127.0.0.1 "), "{answer}");
    let leg = LegId(8);
    originate(&mut floor, leg);
    floor.command(LegCommand::Bridge { bridge: BridgeId(1), legs: echo(leg) });
    browser.wait_hears(1000.0, 440.0);
    let phone = Phone::new(440.0);
    in_echo(&mut floor, &phone);
    phone.wait_hears(440.0, 1000.0);
}

#[test]
fn a_closed_tab_is_a_lost_device() {
    let mut floor = Floor::start();
    let browser = Browser::new(1000.0);
    connect(&mut floor, 1, &browser);
    assert_eq!(floor.handle().stats().webrtc_sessions, 1);
    browser.wait_connected();
    browser.close();
    let why = floor.wait_device("the loss", |r| match r {
        DeviceReport::Lost { device: BROWSER, generation: 1, why } => Some(*why),
        _ => None,
    });
    assert_eq!(why, DeviceLoss::Closed);
    eventually("the session is gone", || floor.handle().stats().webrtc_sessions == 0);
}

#[test]
fn a_vanished_browser_is_noticed_without_a_goodbye() {
    let mut floor = Floor::start();
    let browser = Browser::new(1000.0);
    connect(&mut floor, 1, &browser);
    drop(browser);
    let why = floor.wait_device("the loss", |r| match r {
        DeviceReport::Lost { device: BROWSER, generation: 1, why } => Some(*why),
        _ => None,
    });
    assert_eq!(why, DeviceLoss::IceFailed);
}

#[test]
fn an_offer_we_cannot_serve_is_refused_with_a_code() {
    let mut floor = Floor::start();
    let offer_sdp = "v=0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\n".to_owned();
    floor.signal(DeviceSignal::Connect { device: BROWSER, tenant: TENANT, generation: 1, offer_sdp });
    let code = floor.wait_device("a refusal", |r| match r {
        DeviceReport::Refused { code, .. } => Some(code.clone()),
        _ => None,
    });
    assert_eq!(code, "device.no_codec");
}

#[test]
fn strangers_on_the_webrtc_port_are_counted_and_ignored() {
    let mut floor = Floor::start();
    let browser = Browser::new(1000.0);
    let answer = connect(&mut floor, 1, &browser);
    let port = answer.split(" typ host").next().unwrap().rsplit(' ').next().unwrap();
    let stranger = UdpSocket::bind("127.0.0.1:0").unwrap();
    let ufrag = answer.split("a=ice-ufrag:").nth(1).unwrap().lines().next().unwrap();
    let username = format!("{ufrag}:them");
    let mut stun = vec![0, 1, 0, (4 + username.len().next_multiple_of(4)) as u8, 0x21, 0x12, 0xa4, 0x42];
    stun.extend([7; 12]);
    stun.extend([0, 6, 0, username.len() as u8]);
    stun.extend(username.bytes());
    stun.resize(stun.len().next_multiple_of(4), 0);
    let dtls = [22, 254, 253, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0];
    let rtp = [0x80; 40];
    let before = floor.handle().stats().webrtc_unknown;
    for datagram in [&stun[..], &dtls, &rtp, &[], &[0xff; 1400]] {
        stranger.send_to(datagram, format!("127.0.0.1:{port}")).unwrap();
    }
    eventually("all five are counted", || floor.handle().stats().webrtc_unknown >= before + 5);
    assert_eq!(floor.handle().stats().webrtc_sessions, 1);
    assert_eq!(floor.handle().stats().panics, 0);
}
