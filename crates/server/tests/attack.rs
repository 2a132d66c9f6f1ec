//! People who mean harm: floods of every method, broken messages, connections that say nothing, sound and connectivity
//! checks by those who have no part in a call, guesses at phones and passwords. Calls go on, memory is bounded, and
//! nobody learns anything. Nothing here uses our own SIP code.
mod support;

use std::collections::BTreeSet;
use std::io::Write;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use serde_json::json;

use support::SOON;
use support::call::{AGENT_HZ, CALLER_HZ, Caller, Phone, SECRET, auto_answer};
use support::company::Company;
use support::line::{Line, header, status};
use support::rtp::packet;
use support::server::Server;
use support::sound::{BLOCK, heard_ms, tone, ulaw_encode};
use support::verdict::{self, must};
use support::wait_for;

/// What a stranger says into other people's calls.
const STRANGER_HZ: f64 = 1480.0;

const METHODS: [&str; 15] = [
    "INVITE",
    "REGISTER",
    "OPTIONS",
    "BYE",
    "CANCEL",
    "ACK",
    "PRACK",
    "UPDATE",
    "INFO",
    "REFER",
    "MESSAGE",
    "SUBSCRIBE",
    "NOTIFY",
    "PUBLISH",
    "SPLENDID",
];

const SDP: &str = "v=0\r\no=- 1 1 IN IP4 127.0.0.9\r\ns=-\r\nc=IN IP4 127.0.0.9\r\nt=0 0\r\nm=audio 9 RTP/AVP 0 8\r\n";

/// A request outside of any call, or with made-up tags within one that is not.
fn request(method: &str, user: &str, n: u64, to_tag: &str, more: &str) -> String {
    let body = if matches!(method, "INVITE" | "UPDATE" | "PRACK") { SDP } else { "" };
    let kind = if body.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
    format!(
        "{method} sip:{user}@sample.test SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.9:9;branch=z9hG4bK{method}{n};rport\r\n\
         Max-Forwards: 70\r\nFrom: <sip:{user}@sample.test>;tag=f{n}\r\nTo: <sip:{user}@sample.test>{to_tag}\r\n\
         Call-ID: flood-{n}\r\nCSeq: {} {method}\r\nContact: <sip:{user}@127.0.0.9:9>\r\nRefer-To: <sip:1000@sample.test>\r\n\
         Event: presence\r\n{more}{kind}Content-Length: {}\r\n\r\n{body}",
        n % 1000 + 1,
        body.len()
    )
}

/// All that comes in a flood, by its number: each method, outside of calls and as if within one, whole and with an octet
/// changed.
fn flood_message(n: u64) -> Vec<u8> {
    let method = METHODS[(n % METHODS.len() as u64) as usize];
    let to_tag = if (n / 15).is_multiple_of(2) { String::new() } else { format!(";tag=t{n}") };
    let mut bytes = request(method, "7101", n, &to_tag, "").into_bytes();
    if (n / 30).is_multiple_of(3) {
        let at = (n.wrapping_mul(0x9e37_79b9_7f4a_7c15) % bytes.len() as u64) as usize;
        bytes[at] = (n >> 3) as u8;
    }
    bytes
}

/// Sends as fast as a socket takes it, in bursts, from eight addresses; the number sent.
fn flood(server: SocketAddr, stop: &AtomicBool, sent: &AtomicU64) {
    let sockets: Vec<UdpSocket> =
        (2..10).map(|last| UdpSocket::bind((Ipv4Addr::new(127, 0, 7, last), 0)).expect("a UDP port")).collect();
    let mut n = 0;
    while !stop.load(Ordering::Relaxed) {
        for socket in &sockets {
            for _ in 0..4 {
                n += 1;
                let _ = socket.send_to(&flood_message(n), server);
            }
        }
        sent.store(n, Ordering::Relaxed);
        std::thread::park_timeout(Duration::from_millis(4));
    }
}

/// Sound, reports and connectivity checks into two calls, from ports that have no part in them.
fn intrude(media: [SocketAddr; 2], stop: &AtomicBool) {
    let socket = UdpSocket::bind((Ipv4Addr::new(127, 0, 7, 1), 0)).expect("a UDP port");
    // A binding request that chooses the path (RFC 8445 §7.2.5), of a user nobody knows.
    let mut stun = vec![0, 1, 0, 12, 0x21, 0x12, 0xa4, 0x42];
    stun.extend([7; 12]);
    stun.extend([0, 6, 0, 4, b'a', b':', b'b', b' ', 0, 0x25, 0, 0]);
    // Goodbye in the name of the callers' streams (RFC 3550 §6.6).
    let bye = [0x81, 203, 0, 1, 0x5e, 0xed, 0, 1];
    let mut n = 0u32;
    while !stop.load(Ordering::Relaxed) {
        let payload: Vec<u8> = tone(STRANGER_HZ, n as usize * BLOCK, BLOCK).into_iter().map(ulaw_encode).collect();
        for remote in media {
            let _ = socket.send_to(&packet(0, false, n as u16, n.wrapping_mul(160), &payload), remote);
            // A digit, as if pressed.
            let _ = socket.send_to(&packet(101, true, n as u16, n.wrapping_mul(160), &[5, 0x8a, 3, 0x20]), remote);
            let _ = socket.send_to(&stun, remote);
            let _ = socket.send_to(&bye, remote);
            let _ = socket.send_to(&bye, SocketAddr::new(remote.ip(), remote.port() + 1));
        }
        n += 1;
        std::thread::park_timeout(Duration::from_millis(5));
    }
}

#[test]
fn floods_intruders_and_silent_connections_leave_calls_alone_and_memory_bounded() {
    let server = Server::start("attack");
    let company = Company::of(&server);
    let mut phone = Phone::on_duty(&server, &company, "Agent 1", "7101", &auto_answer());
    let mut caller = Caller::dial(&server, "1000");
    phone.wait_call();
    caller.rtp.wait_tone(AGENT_HZ, 300);
    phone.rtp.wait_tone(CALLER_HZ, 300);
    let media = [caller.sipp.media().expect("a session"), phone.sipp.media().expect("a session")];
    let gauge = |name: &str| server.metric(name).unwrap_or_default();
    wait_for("both dialogs to be counted", SOON, || (gauge("cordboard_sip_dialogs") == 2.0).then_some(()));

    let (stop, sent) = (AtomicBool::new(false), AtomicU64::new(0));
    let mut resident = Vec::new();
    let mut silent: Vec<TcpStream> = Vec::new();
    std::thread::scope(|scope| {
        scope.spawn(|| flood(server.sip, &stop, &sent));
        scope.spawn(|| intrude(media, &stop));
        // Half a request each, then nothing.
        for n in 0..300 {
            if let Ok(mut stream) = TcpStream::connect(server.sip) {
                let _ = stream.write_all(&request("INVITE", "1000", n, "", "").as_bytes()[..200]);
                silent.push(stream);
            }
        }
        let until = Instant::now() + Duration::from_secs(12);
        while Instant::now() < until {
            let (at_caller, at_agent) = (caller.rtp.listen(1_000), phone.rtp.listen(1_000));
            must("the caller", verdict::hears(&at_caller, AGENT_HZ, CALLER_HZ));
            must("the agent", verdict::hears(&at_agent, CALLER_HZ, AGENT_HZ));
            assert_eq!((heard_ms(&at_caller, STRANGER_HZ), heard_ms(&at_agent, STRANGER_HZ)), (0, 0));
            resident.push(load::process::Memory::of(server.pid()).expect("a living process").anonymous_kib);
        }
        stop.store(true, Ordering::Relaxed);
    });
    let sent = sent.load(Ordering::Relaxed);
    // What a table can hold is in it after the first third; from there it does not grow.
    let (early, late) = (resident[resident.len() / 3], resident[resident.len() - 1]);
    println!(
        "{sent} messages in 12 s; resident {} KiB at first, {early} after a third, {late} at the end",
        resident[0]
    );
    assert!(sent > 10_000, "a flood of {sent} messages is none");
    assert!(late < early + 24 * 1024, "memory grows: {resident:?} KiB");

    // Nothing of it was taken for a word of those who have a part in the calls.
    assert_eq!(gauge("cordboard_sip_dialogs"), 2.0);
    assert_eq!(company.board_agent(&phone.agent)["occupancy"], "busy");
    let (segment, interaction) = company.wait_segment(&phone.agent, "talking");
    drop(silent);
    wait_for("the transactions of the flood to end", Duration::from_secs(45), || {
        (gauge("cordboard_sip_transactions") < 5.0 && gauge("cordboard_sip_connections") < 5.0).then_some(())
    });
    caller.sipp.hang_up();
    caller.sipp.must_end_well();
    phone.sipp.must_end_well();
    company.wrap_up(&phone.agent, &segment, "Resolved");
    let detail = company.wait_detail(&interaction);
    assert_eq!(detail["summary"]["end"], "served");
    // The phone is still registered where it was, and the next call finds it.
    let phone =
        Phone::back_on_duty(&server, &company, phone.agent.clone(), phone.device.clone(), "7101", &auto_answer());
    let mut caller = Caller::dial(&server, "1000");
    phone.wait_call();
    caller.rtp.wait_tone(AGENT_HZ, 300);
    caller.sipp.hang_up();
    caller.sipp.must_end_well();
    assert_eq!(gauge("cordboard_telephony_panics_total"), 0.0);
}

/// An address nobody else of this test has.
fn stranger(n: u64) -> IpAddr {
    Ipv4Addr::new(127, 9, (n / 250) as u8, (n % 250) as u8 + 1).into()
}

/// Asks for a challenge and answers it wrongly, as `user`; what came back each time, and how long the second took.
fn guess(line: &mut Line, method: &str, user: &str, n: u64) -> (Option<String>, Option<String>, Duration) {
    line.send(request(method, user, n, "", "").as_bytes());
    let Some(first) = line.hear_within(Duration::from_secs(2)) else { return (None, None, Duration::ZERO) };
    acknowledge(line, method, &first);
    let Some(challenge) = header(&first, "WWW-Authenticate") else { return (Some(first), None, Duration::ZERO) };
    let field = |name: &str| {
        let rest = challenge.split(&format!("{name}=\"")).nth(1).expect("a field of the challenge");
        rest.split('"').next().expect("its end").to_owned()
    };
    let answer = format!(
        "Authorization: Digest username=\"{user}\", realm=\"{}\", nonce=\"{}\", uri=\"sip:{user}@sample.test\", \
         response=\"00112233445566778899aabbccddeeff\", algorithm=MD5, qop=auth, nc=00000001, cnonce=\"c\"\r\n",
        field("realm"),
        field("nonce")
    );
    let began = Instant::now();
    line.send(request(method, user, n + 1_000_000, "", &answer).as_bytes());
    let second = line.hear_within(Duration::from_secs(2));
    let took = began.elapsed();
    if let Some(second) = &second {
        acknowledge(line, method, second);
    }
    (Some(first), second, took)
}

fn acknowledge(line: &mut Line, method: &str, refusal: &str) {
    if method == "INVITE" && status(refusal) >= 300 {
        let value = |name: &str| header(refusal, name).expect("a header").to_owned();
        let ack = format!(
            "ACK sip:x@sample.test SIP/2.0\r\nVia: {}\r\nMax-Forwards: 70\r\nFrom: {}\r\nTo: {}\r\nCall-ID: {}\r\nCSeq: {}\r\n\
             Content-Length: 0\r\n\r\n",
            value("Via"),
            value("From"),
            value("To"),
            value("Call-ID"),
            value("CSeq").replace("INVITE", "ACK")
        );
        line.send(ack.as_bytes());
    }
}

/// An answer without what differs from one request to the next.
fn shape(answer: &Option<String>, user: &str) -> Option<String> {
    let mut lines: Vec<String> = Vec::new();
    for line in answer.as_ref()?.replace(user, "USER").lines() {
        let line = match line.split_once(':') {
            Some(("Via" | "Call-ID" | "CSeq" | "Date", _)) => continue,
            Some(("To" | "From", value)) => value.split(";tag=").next().unwrap_or_default().to_owned(),
            Some(("WWW-Authenticate", _)) => {
                let mut parts = line.split("nonce=\"");
                let (before, after) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
                format!("{before}{}", after.split_once('"').map_or("", |(_, rest)| rest))
            }
            _ => line.to_owned(),
        };
        lines.push(line);
    }
    Some(lines.join("\n"))
}

#[test]
fn nobody_learns_by_guessing_which_phones_and_numbers_exist() {
    let server = Server::start("guessing");
    let company = Company::of(&server);
    let agent = company.agent("Agent 1");
    company.sip_device(&agent, "7101", SECRET);
    let entry = company.number("1000")["entry"].clone();
    company.post("numbers", json!({"number": "862155550000", "name": {"en": "Guarded"}, "entry": entry, "lang": "en"}));
    // The account is there when it can register.
    support::peers::Sipp::register(server.sip, support::peers::free_port(), "7101", SECRET);

    // Phones that exist and that do not, and numbers, are answered alike, whatever they are asked.
    let pairs = [("7101", "7999"), ("862155550000", "862155559999")];
    let mut n = 0;
    for method in METHODS.iter().filter(|m| **m != "ACK") {
        for (known, unknown) in pairs {
            let mut shapes = BTreeSet::new();
            for user in [known, unknown] {
                n += 1;
                let mut line = Line::udp_from(stranger(n), server.sip);
                let (first, second, _) = guess(&mut line, method, user, n);
                assert!(first.is_some(), "{method} is answered");
                shapes.insert((shape(&first, user), shape(&second, user)));
            }
            assert_eq!(shapes.len(), 1, "{method} to {known} and {unknown}: {shapes:#?}");
        }
    }

    // Nor does the time tell. Measured in turns, so that a busy machine is so to both; each address guesses once.
    let mut took: [Vec<Duration>; 2] = Default::default();
    for _ in 0..300 {
        for (which, user) in ["7101", "7999"].into_iter().enumerate() {
            n += 1;
            let (_, second, time) = guess(&mut Line::udp_from(stranger(n), server.sip), "REGISTER", user, n);
            assert_eq!(second.as_deref().map(status), Some(403));
            took[which].push(time);
        }
    }
    let [known, unknown] = took.map(|mut times| {
        times.sort();
        times[times.len() / 2].as_secs_f64() * 1e6
    });
    println!("a wrong password: {known:.0} µs for a phone that exists, {unknown:.0} µs for one that does not");
    // Only a blunder is caught here, such as a password's slow hash for some and not for others.
    assert!((known / unknown).max(unknown / known) < 1.5, "{known} and {unknown} µs");

    // Many names from one address: it is not answered any more, not even with a right password; others are.
    n += 1;
    let scanner = stranger(n);
    let mut line = Line::udp_from(scanner, server.sip);
    let mut is_answered = |k: &u64| guess(&mut line, "REGISTER", &format!("{}", 7000 + k), n + k).1.is_some();
    let answered = (0..40).take_while(|k| is_answered(k)).count();
    assert!((15..=25).contains(&answered), "{answered} guesses were answered");
    assert!(guess(&mut line, "INVITE", "7101", n + 50).0.is_none(), "shunned");
    assert_eq!(line_probe(scanner, server.sip), Vec::<u16>::new(), "what needs no password is answered");
    wait_for("the count", SOON, || (server.metric("cordboard_sip_shunned_total")? == 1.0).then_some(()));
    assert!(server.log().contains("too many wrong passwords"));
    support::peers::Sipp::register(server.sip, support::peers::free_port(), "7101", SECRET);
}

fn line_probe(own: IpAddr, server: SocketAddr) -> Vec<u16> {
    Line::udp_from(own, server).probe("after").expect("UDP does not close")
}
