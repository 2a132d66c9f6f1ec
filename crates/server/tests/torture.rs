//! The 49 torture messages of RFC 4475 against the running server, by UDP and by TCP: each is answered or dropped as the RFC
//! asks, and after each the server answers the next request and is as it was before. Those that are sound calls are made
//! to the echo number besides, and become calls. Nothing here uses our own SIP code.
mod support;

use std::io::Write;
use std::net::{Shutdown, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use serde_json::Value;

use support::SOON;
use support::call::{CALLER_HZ, Caller};
use support::company::Company;
use support::line::{Heard, Line, header, status};
use support::server::Server;
use support::wait_for;

/// What the RFC asks for (the section stands beside it).
#[derive(Debug, Clone, Copy, PartialEq)]
enum Asked {
    /// A response with this status.
    Status(u16),
    /// Two messages to whom bytes are a stream, one to whom they are a datagram (§3.1.1.8).
    Twice(u16),
    /// Responses that nobody waits for, and broken ones, vanish.
    Dropped,
    /// This status in a datagram; a stream has lost its framing and is closed without a word (§3.1.2.2, §3.1.2.3, §3.3.9).
    Unframed(u16),
    /// This status in a datagram; a stream waits for the octets that were promised (§3.1.2.2).
    Unfinished(u16),
}
use Asked::{Dropped, Status, Twice, Unfinished, Unframed};

/// To strangers our numbers are guarded, so a sound INVITE or REGISTER from one is challenged.
const GUARDED: Asked = Status(401);

const TABLE: [(&str, Asked); 49] = [
    ("wsinv", Status(481)),   // 3.1.1.1: sound, within a dialog we do not know (§12.2.2 of RFC 3261)
    ("intmeth", Status(501)), // 3.1.1.2
    ("esc01", GUARDED),       // 3.1.1.3
    ("escnull", GUARDED),     // 3.1.1.4
    ("esc02", Status(501)),   // 3.1.1.5: no REGISTER, for all its escapes
    ("lwsdisp", Status(200)), // 3.1.1.6
    ("longreq", GUARDED),     // 3.1.1.7
    ("dblreq", Twice(401)),   // 3.1.1.8
    ("semiuri", Status(200)), // 3.1.1.9
    ("transports", Status(200)), // 3.1.1.10
    ("mpart01", Status(405)), // 3.1.1.11: a MESSAGE
    ("unreason", Dropped),    // 3.1.1.12
    ("noreason", Dropped),    // 3.1.1.13
    ("badinv01", Status(400)), // 3.1.2.1
    ("clerr", Unfinished(400)), // 3.1.2.2
    ("ncl", Unframed(400)),   // 3.1.2.3
    ("scalar02", Status(400)), // 3.1.2.4
    ("scalarlg", Dropped),    // 3.1.2.5
    ("quotbal", Status(400)), // 3.1.2.6
    ("ltgtruri", Status(400)), // 3.1.2.7
    ("lwsruri", Status(400)), // 3.1.2.8
    ("lwsstart", Status(400)), // 3.1.2.9
    ("trws", Status(400)),    // 3.1.2.10
    ("escruri", Status(400)), // 3.1.2.11
    ("baddate", GUARDED),     // 3.1.2.12: may be ignored
    ("regbadct", Status(400)), // 3.1.2.13
    ("badaspec", Status(400)), // 3.1.2.14
    ("baddn", Status(400)),   // 3.1.2.15
    ("badvers", Status(505)), // 3.1.2.16
    ("mismatch01", Status(400)), // 3.1.2.17
    ("mismatch02", Status(400)), // 3.1.2.18: or 501
    ("bigcode", Dropped),     // 3.1.2.19
    ("badbranch", Status(200)), // 3.2.1
    ("insuf", Status(400)),   // 3.3.1
    ("unkscm", Status(416)),  // 3.3.2
    ("novelsc", Status(416)), // 3.3.3
    ("unksm2", Status(400)),  // 3.3.4
    ("bext01", Status(420)),  // 3.3.5
    ("invut", Status(415)),   // 3.3.6
    ("regaut01", GUARDED),    // 3.3.7
    ("multi01", Status(400)), // 3.3.8
    ("mcl01", Unframed(400)), // 3.3.9
    ("bcast", Dropped),       // 3.3.10
    ("zeromf", Status(200)),  // 3.3.11: for us, who pass it on to nobody
    ("cparam01", GUARDED),    // 3.3.12
    ("cparam02", GUARDED),    // 3.3.13
    ("regescrt", GUARDED),    // 3.3.14
    ("sdp01", Status(406)),   // 3.3.15
    ("inv2543", Unframed(401)), // 3.4.1: without Content-Length, which streams must have
];

fn load(name: &str) -> Vec<u8> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("../sip/tests/rfc4475/{name}.dat"));
    std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

fn by_datagram(server: SocketAddr, name: &str, asked: Asked) {
    let mut line = Line::udp(server);
    line.send(&load(name));
    let heard = line.probe(name).expect("UDP does not close");
    let expected = match asked {
        Status(code) | Twice(code) | Unframed(code) | Unfinished(code) => vec![code],
        Dropped => vec![],
    };
    assert_eq!(heard, expected, "{name} by UDP");
}

fn by_stream(server: SocketAddr, name: &str, asked: Asked) {
    let mut line = Line::tcp(server);
    line.send(&load(name));
    match asked {
        Status(code) => assert_eq!(line.probe(name), Some(vec![code]), "{name} by TCP"),
        Twice(code) => {
            // The second is followed by five octets more than it says; they are no message, and the stream ends there.
            for _ in 0..2 {
                assert!(matches!(line.hear(), Heard::Message(message) if status(&message) == code), "{name} by TCP");
            }
            assert_eq!(line.hear(), Heard::Closed, "{name} by TCP");
        }
        Dropped => assert_eq!(line.probe(name), Some(vec![]), "{name} by TCP"),
        Unframed(_) => assert_eq!(line.hear(), Heard::Closed, "{name} by TCP"),
        Unfinished(_) => {
            // The probe is taken for the rest of it. Then no more comes.
            let Line::Stream(stream, _) = &mut line else { return };
            stream.write_all(b"OPTIONS sip:127.0.0.1 SIP/2.0\r\n\r\n").expect("the connection stands");
            stream.shutdown(Shutdown::Write).expect("half a close");
            assert_eq!(line.hear(), Heard::Closed, "{name} by TCP");
        }
    }
    // On another connection all is well.
    assert_eq!(Line::tcp(server).probe(&format!("{name}-after")), Some(vec![]), "after {name} by TCP");
}

/// The gauges that say what is alive, by name.
fn gauges(server: &Server) -> Vec<(String, f64)> {
    let text = String::from_utf8(server.api().bytes("/metrics")).expect("text");
    let names = [
        "sip_transactions",
        "sip_dialogs",
        "sip_connections",
        "legs",
        "legs_ended_total",
        "telephony_panics_total",
        "calls",
    ];
    let value =
        |name: &str| text.lines().find_map(|line| line.strip_prefix(&format!("cordboard_{name} "))?.parse().ok());
    names.iter().map(|name| ((*name).to_owned(), value(name).unwrap_or_else(|| panic!("no gauge {name}")))).collect()
}

fn wait_unchanged(server: &Server, company: &Company) {
    let mut last = Vec::new();
    let found = support::company::try_for(SOON, || {
        last = gauges(server);
        last.iter().all(|(_, value)| *value == 0.0).then_some(())
    });
    assert!(found.is_some(), "the server is not as it was: {last:?}");
    assert_eq!(company.live()["interactions"], Value::Array(vec![]), "no interaction");
    assert_eq!(company.interactions(), Vec::<Value>::new());
}

#[test]
fn torture_messages_are_answered_as_asked_and_leave_the_server_as_it_was() {
    let server = Server::start("torture");
    let company = Company::of(&server);
    let count = std::fs::read_dir(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../sip/tests/rfc4475"))
        .expect("the messages");
    assert_eq!(count.count(), TABLE.len());
    // The gauges are there from the start.
    wait_for("the first gauges", SOON, || {
        String::from_utf8(server.api().bytes("/metrics")).ok()?.contains("sip_dialogs").then_some(())
    });
    for (name, asked) in TABLE {
        by_datagram(server.sip, name, asked);
        by_stream(server.sip, name, asked);
    }
    wait_unchanged(&server, &company);

    // Sabotage twin: a call does show.
    let mut caller = Caller::dial(&server, "3000");
    caller.rtp.wait_tone(CALLER_HZ, 300);
    wait_for("the call to show", SOON, || {
        gauges(&server).iter().any(|(name, n)| name == "sip_dialogs" && *n > 0.0).then_some(())
    });
    caller.sipp.hang_up();
    caller.sipp.must_end_well();
}

/// A sound INVITE of the RFC, called to the echo number outside of any dialog.
fn to_the_echo(name: &str) -> String {
    let text = String::from_utf8(load(name)).expect("ASCII");
    let (first, rest) = text.split_once("\r\n").expect("a request line");
    assert!(first.starts_with("INVITE "));
    let rest = rest.replacen(" ;   tag    = 1918181833n", "", 1);
    format!("INVITE sip:3000@example.com SIP/2.0\r\n{rest}")
}

/// The ACK or BYE that belongs to a 200.
fn in_dialog(method: &str, ok: &str) -> String {
    let value = |name: &str| header(ok, name).unwrap_or_else(|| panic!("no {name} in {ok}"));
    let number: u32 = value("CSeq").split_whitespace().next().and_then(|n| n.parse().ok()).expect("a number");
    let number = if method == "ACK" { number } else { number + 1 };
    let branch: String = value("Call-ID").chars().filter(char::is_ascii_alphanumeric).collect();
    format!(
        "{method} sip:3000@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:9;branch=z9hG4bK{method}{branch};rport\r\nMax-Forwards: 70\r\n\
         From: {}\r\nTo: {}\r\nCall-ID: {}\r\nCSeq: {number} {method}\r\nContent-Length: 0\r\n\r\n",
        value("From"),
        value("To"),
        value("Call-ID")
    )
}

#[test]
fn sound_torture_invites_become_calls() {
    let server = Server::start("torture-calls");
    let company = Company::of(&server);
    // Not inv2543: without Contact there is no dialog (RFC 4475 §3.4.1 leaves it to those who still care).
    for name in ["wsinv", "esc01", "longreq", "baddate"] {
        for stream in [false, true] {
            let mut line = if stream { Line::tcp(server.sip) } else { Line::udp(server.sip) };
            // By each way another call: the same one coming by two ways is a loop (§8.2.2.2).
            let own = if stream { "s" } else { "d" };
            let invite = to_the_echo(name).replacen(&format!("{name}."), &format!("{name}-{own}."), 1);
            line.send(invite.replacen("branch=z9hG4bK", &format!("branch=z9hG4bK{own}"), 1).as_bytes());
            let ok = loop {
                let Heard::Message(message) = line.hear() else { panic!("{name}: closed") };
                if status(&message) == 200 {
                    break message;
                }
                assert!(status(&message) < 200, "{name}: {message}");
            };
            assert!(ok.contains("m=audio"), "{name} is answered with sound: {ok}");
            line.send(in_dialog("ACK", &ok).as_bytes());
            line.send(in_dialog("BYE", &ok).as_bytes());
            let ended = loop {
                let Heard::Message(message) = line.hear() else { panic!("{name}: closed") };
                if header(&message, "CSeq").is_some_and(|cseq| cseq.ends_with("BYE")) {
                    break message;
                }
            };
            assert_eq!(status(&ended), 200, "{name}");
        }
    }
    let calls = company.wait_ended(8, SOON);
    assert!(calls.iter().all(|call| call["started_at"].is_i64()));
    // The echo still works for everybody else.
    let mut caller = Caller::dial(&server, "3000");
    caller.rtp.wait_tone(CALLER_HZ, 500);
    caller.sipp.hang_up();
    caller.sipp.must_end_well();
    wait_for("the tables to be empty of calls", Duration::from_secs(10), || {
        gauges(&server).iter().all(|(name, n)| name != "sip_dialogs" && name != "calls" || *n == 0.0).then_some(())
    });
}
