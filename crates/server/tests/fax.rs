//! Faxes: T.38 between a caller and a phone by SIPp's signalling and sockets of the test's own, byte for byte.
mod support;

use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use support::call::{AGENT_HZ, CALLER_HZ, Caller, Phone};
use support::company::Company;
use support::peers::{Calls, Sipp};
use support::server::Server;
use support::verdict::{self, must};
use support::{SOON, wait_for};

fn socket() -> (UdpSocket, u16) {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a UDP port");
    socket.set_read_timeout(Some(Duration::from_secs(5))).expect("a timeout");
    let port = socket.local_addr().expect("its address").port();
    (socket, port)
}

/// The newest description of a fax that the server sent to this peer: where it wants datagrams, and its bit rate.
fn image(peer: &Sipp) -> (SocketAddr, String) {
    wait_for("a fax to be agreed on", SOON, || {
        let messages = peer.messages();
        let text = messages.iter().rev().filter(|m| !m.sent).find(|m| m.text.contains("m=image "))?.text.clone();
        let line = |start: &str| text.lines().find_map(|line| line.strip_prefix(start)).map(str::to_owned);
        let port: u16 = line("m=image ")?.split(' ').next()?.parse().ok()?;
        let ip = line("c=IN IP4 ")?.trim().parse().ok()?;
        Some((SocketAddr::new(ip, port), line("a=T38MaxBitRate:")?.trim().to_owned()))
    })
}

/// Datagrams of UDPTL: a sequence number, and what looks like data, some of it like the beginning of other protocols.
fn page() -> Vec<Vec<u8>> {
    let datagram = |n: u16| {
        let length = 3 + usize::from(n * 37 % 500);
        let noise = (0..length).map(|at| (usize::from(n) * 31 + at * 17) as u8);
        n.to_be_bytes().into_iter().chain(noise).collect()
    };
    (0..200).map(datagram).collect()
}

#[test]
fn a_fax_by_t38_passes_between_a_caller_and_a_phone_byte_for_byte_and_the_recording_says_so() {
    let server = Server::start("fax");
    let company = Company::of(&server);
    let ((at_caller, caller_port), (at_phone, phone_port)) = (socket(), socket());
    let calls = Calls { scenario: "fax_phone", fax_port: phone_port, pause_ms: 300, ..Calls::default() };
    let mut phone = Phone::on_duty(&server, &company, "Agent 1", "7108", &calls);
    let calls = Calls { scenario: "fax_caller", fax_port: caller_port, ..Calls::default() };
    let mut caller = Caller::dial_as(&server, &calls);
    phone.wait_call();
    caller.rtp.wait_tone(AGENT_HZ, 300);
    phone.rtp.wait_tone(CALLER_HZ, 300);
    let (_, interaction) = company.wait_segment(&phone.agent, "talking");

    caller.sipp.go_on(1);
    let (to_caller, granted) = image(&caller.sipp);
    let (to_phone, asked) = image(&phone.sipp);
    assert_eq!((asked.as_str(), granted.as_str()), ("14400", "9600"), "each was told the other's parameters");
    let mut buffer = [0; 2000];
    let began = Instant::now();
    for datagram in page() {
        at_caller.send_to(&datagram, to_caller).expect("loopback takes it");
        let (length, from) = at_phone.recv_from(&mut buffer).expect("the phone gets it");
        assert_eq!((&buffer[..length], from), (&datagram[..], to_phone));
        let reply: Vec<u8> = datagram.iter().rev().map(|b| b & 0x3f).collect();
        at_phone.send_to(&reply, to_phone).expect("loopback takes it");
        let (length, from) = at_caller.recv_from(&mut buffer).expect("the caller gets it");
        assert_eq!((&buffer[..length], from), (&reply[..], to_caller));
    }
    // Figures are told every few seconds: long enough for the fax to be seen in the recording.
    wait_for("the datagrams to be counted", SOON, || {
        (server.metric("cordboard_fax_sent_total") == Some(400.0)).then_some(())
    });
    let took = i64::try_from(began.elapsed().as_millis()).expect("some seconds");

    caller.sipp.go_on(2);
    let _ = (caller.rtp.listen(300), phone.rtp.listen(300));
    must("the caller after the fax", verdict::hears(&caller.rtp.listen(600), AGENT_HZ, CALLER_HZ));
    must("the phone after the fax", verdict::hears(&phone.rtp.listen(600), CALLER_HZ, AGENT_HZ));
    caller.sipp.go_on(3);
    caller.sipp.must_end_well();
    phone.sipp.must_end_well();
    let (segment, _) = company.wait_segment(&phone.agent, "wrap_up");
    company.wrap_up(&phone.agent, &segment, "Resolved");
    let detail = company.wait_detail(&interaction);
    let gaps = detail["recordings"][0]["gaps"].as_array().expect("gaps");
    let fax: i64 = gaps
        .iter()
        .filter(|gap| gap["why"] == "fax")
        .map(|gap| gap["to_ms"].as_i64().expect("ms") - gap["from_ms"].as_i64().expect("ms"))
        .sum();
    assert!(gaps.len() == 1 && fax >= took, "{took} ms: {gaps:?}");
}
