//! Starts that fail, in words with a remedy.
use std::net::{TcpListener, UdpSocket};

use telephony::{Config, StartError, Telephony};

fn failed(change: impl FnOnce(&mut Config)) -> String {
    let dir = std::env::temp_dir().join(format!("cordboard-telephony-start-{}", std::process::id()));
    let mut config = Config::new(&dir, [1; 32], Box::new(|_| None));
    config.sip = "127.0.0.1:0".parse().unwrap();
    config.media_ip = "127.0.0.1".parse().unwrap();
    change(&mut config);
    match Telephony::start(config) {
        Ok(_) => panic!("started"),
        Err(error) => error.to_string(),
    }
}

#[test]
fn a_sip_port_in_use_is_named_with_its_remedy() {
    let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
    let text = failed(|c| c.sip = udp.local_addr().unwrap());
    assert!(text.contains("SIP UDP") && text.contains("in use") && text.contains("--sip"), "{text}");
    let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
    let text = failed(|c| c.sip = tcp.local_addr().unwrap());
    assert!(text.contains("SIP TCP") && text.contains("in use"), "{text}");
}

#[test]
fn an_address_of_another_machine_is_named() {
    let text = failed(|c| c.sip = "192.0.2.1:5060".parse().unwrap());
    assert!(text.contains("192.0.2.1 is not an address of this machine") && text.contains("127.0.0.1"), "{text}");
}

#[test]
fn a_webrtc_port_in_use_and_a_tiny_range_are_named() {
    let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
    let port = udp.local_addr().unwrap().port().min(65_000);
    let text = failed(|c| c.media_ports = port..=port + 20);
    assert!(text.contains("WebRTC") && text.contains("--media-ports"), "{text}");
    let text = failed(|c| c.media_ports = 30_000..=30_004);
    assert!(text.contains("too small"), "{text}");
}

#[test]
fn more_media_threads_than_supported_are_refused() {
    let text = failed(|c| c.media_threads = 2);
    assert_eq!(text, StartError::Threads { threads: 2 }.to_string());
}
