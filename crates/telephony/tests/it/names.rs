//! A carrier found by its domain alone (RFC 3263): NAPTR and SRV records of a name server, the order of its servers, the next where one
//! is silent or takes no calls.
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::{Duration, Instant};

use domain::config::TrunkTransport;
use domain::directory::TrunkEntry;
use domain::id::{BridgeId, LegId, TrunkId};
use domain::leg::{CallerId, Dial, LegCommand};
use domain::trunk::{TestStage, TrunkReport, TrunkSignal};
use telephony::Up;

use crate::calls::pair;
use crate::floor::{Floor, Options, TENANT, directory};
use crate::phone::Phone;

/// A name server that knows `carrier.test`: its servers by port, the first to try first, all at this machine.
fn name_server(ports: Vec<u16>) -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let addr = socket.local_addr().unwrap();
    std::thread::spawn(move || {
        let mut buffer = [0; 512];
        while let Ok((len, from)) = socket.recv_from(&mut buffer) {
            let question = &buffer[..len - 11];
            let kind = question[question.len() - 3];
            let name = String::from_utf8_lossy(&question[12..]).into_owned();
            let mut records: Vec<Vec<u8>> = Vec::new();
            let record = |data: &[u8]| {
                let mut all = vec![0xc0, 12, 0, kind, 0, 1, 0, 0, 0, 90, 0, u8::try_from(data.len()).unwrap()];
                all.extend(data);
                all
            };
            if kind == 35 && name.starts_with("\u{7}carrier\u{4}test") {
                // Its servers stand under a name of their own; that by TLS is none of ours.
                for (order, service) in [(1, "SIPS+D2T"), (2, "SIP+D2U")] {
                    let mut data = vec![0, order, 0, 0, 1, b's', service.len() as u8];
                    data.extend(service.bytes());
                    data.push(0);
                    data.extend(b"\x04_own\x04_udp\xc0\x0c");
                    records.push(record(&data));
                }
            } else if kind == 33 && name.starts_with("\u{4}_own\u{4}_udp\u{7}carrier\u{4}test") {
                for (n, port) in ports.iter().enumerate() {
                    let mut data = vec![0, n as u8, 0, 1];
                    data.extend(port.to_be_bytes());
                    // sip. and the domain of the question, behind two labels of it.
                    data.extend([3, b's', b'i', b'p', 0xc0, 22]);
                    records.push(record(&data));
                }
                // In no order: the priorities say it.
                records.reverse();
            } else if kind == 1 && name.starts_with("\u{3}sip\u{7}carrier\u{4}test") {
                records.push(record(&Ipv4Addr::LOCALHOST.octets()));
            }
            let mut answer = question.to_vec();
            answer[2..4].copy_from_slice(&[0x81, if records.is_empty() { 0x83 } else { 0x80 }]);
            answer[6..8].copy_from_slice(&u16::try_from(records.len()).unwrap().to_be_bytes());
            answer[10..12].copy_from_slice(&[0, 0]);
            answer.extend(records.concat());
            let _ = socket.send_to(&answer, from);
        }
    });
    addr
}

/// A server that takes no calls at present.
fn overloaded() -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let addr = socket.local_addr().unwrap();
    std::thread::spawn(move || {
        let mut buffer = [0; 4096];
        while let Ok((len, from)) = socket.recv_from(&mut buffer) {
            let text = String::from_utf8_lossy(&buffer[..len]).into_owned();
            if !text.starts_with("INVITE ") {
                continue;
            }
            let kept = |l: &&str| ["Via:", "From:", "Call-ID:", "CSeq:"].iter().any(|name| l.starts_with(name));
            let head = text.lines().filter(kept).fold(String::new(), |all, line| all + line + "\r\n");
            let to = text.lines().find(|l| l.starts_with("To:")).unwrap();
            let refusal =
                format!("SIP/2.0 503 Service Unavailable\r\n{head}{to};tag=full\r\nContent-Length: 0\r\n\r\n");
            let _ = socket.send_to(refusal.as_bytes(), from);
        }
    });
    addr
}

#[test]
fn a_carriers_servers_are_found_by_srv_records_and_the_next_is_called_where_one_is_full_or_silent() {
    let (full, callee) = (overloaded(), Phone::new(1500.0));
    let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
    let ports = vec![full.port(), silent.local_addr().unwrap().port(), callee.addr.port()];
    let mut floor = Floor::with(Options { dns: Some(name_server(ports.clone())), ..Options::default() });
    let mut directory = directory();
    directory.trunks = vec![TrunkEntry {
        trunk: TrunkId(1),
        tenant: TENANT,
        addresses: Vec::new(),
        region: None,
        host: Some("carrier.test".to_owned()),
        transport: TrunkTransport::Udp,
        check_certificate: false,
        srtp: Default::default(),
        codecs: Vec::new(),
        account: None,
        identity: Default::default(),
        check: Duration::ZERO,
        active: true,
    }];
    floor.handle().sender().directory(Arc::new(directory)).unwrap();

    let caller = Phone::new(440.0);
    caller.call(floor.sip, "3000");
    let left = floor.offered();
    floor.command(LegCommand::Answer { leg: left });
    floor.answered(left);
    let right = LegId(7);
    let since = Instant::now();
    floor.command(LegCommand::Originate {
        leg: right,
        tenant: TENANT,
        interaction: None,
        to: Dial::Trunk { trunk: TrunkId(1), address: domain::id::AddressId(1), number: "13800138000".into() },
        from: CallerId::default(),
        ring_timeout: Duration::from_secs(30),
        beside: None,
    });
    floor.answered(right);
    assert!(since.elapsed() < Duration::from_secs(12), "the third server after a refusal and one silence");
    floor.command(LegCommand::Bridge { bridge: BridgeId(1), legs: pair(left, right) });
    caller.wait_hears(1500.0, 440.0);
    callee.wait_hears(440.0, 1500.0);
    callee.hang_up();
    floor.ended(right);

    // The operator's test shows what was found, in the order of trying.
    floor.handle().sender().trunk(TrunkSignal::Test { test: 1, tenant: TENANT, trunk: TrunkId(1) }).unwrap();
    let steps = floor.wait("the test's report", |up| match up {
        Up::Trunk(TrunkReport::Tested { steps, .. }) => Some(steps.clone()),
        _ => None,
    });
    assert_eq!(steps[0].step, TestStage::Resolve);
    let found: Vec<u16> = steps[0].addresses.iter().map(SocketAddr::port).collect();
    assert_eq!(found, ports);
}
