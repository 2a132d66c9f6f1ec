//! The torture messages of RFC 4475: which must be read, which must be refused, and with what code.

use sip::msg::{Message, Method, Reject};

fn load(name: &str) -> Vec<u8> {
    std::fs::read(format!("{}/tests/rfc4475/{name}.dat", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

fn valid(name: &str) -> Message {
    Message::parse(&load(name)).unwrap_or_else(|reject| panic!("{name} refused: {reject}"))
}

fn refused(name: &str) -> Reject {
    match Message::parse(&load(name)) {
        Err(reject) => reject,
        Ok(_) => panic!("{name} was accepted"),
    }
}

#[test]
fn valid_messages_are_read() {
    // §3.1.1, and those of §3.2 to §3.4 whose syntax is sound.
    for name in [
        "wsinv",
        "intmeth",
        "esc01",
        "escnull",
        "esc02",
        "lwsdisp",
        "longreq",
        "dblreq",
        "semiuri",
        "transports",
        "mpart01",
        "unreason",
        "noreason",
        "badbranch",
        "unksm2",
        "bext01",
        "invut",
        "regaut01",
        "bcast",
        "zeromf",
        "cparam01",
        "cparam02",
        "regescrt",
        "sdp01",
        "inv2543",
    ] {
        valid(name);
    }
}

#[test]
fn malformed_messages_are_refused_with_400() {
    for name in [
        "badinv01",
        "clerr",
        "ncl",
        "scalar02",
        "quotbal",
        "ltgtruri",
        "lwsruri",
        "lwsstart",
        "trws",
        "escruri",
        "badaspec",
        "baddn",
        "mismatch01",
        "mismatch02",
        "insuf",
        "multi01",
        "mcl01",
    ] {
        let reject = refused(name);
        assert_eq!(reject.code, 400, "{name}");
        let raw = reject.raw.unwrap_or_else(|| panic!("{name} cannot be answered"));
        assert!(raw.method_hint().is_some(), "{name} is a request");
    }
}

#[test]
fn other_faults_have_their_own_code() {
    for (name, code) in [("badvers", 505), ("unkscm", 416), ("novelsc", 416)] {
        assert_eq!(refused(name).code, code, "{name}");
    }
}

#[test]
fn malformed_responses_are_refused_and_cannot_be_answered() {
    for name in ["scalarlg", "bigcode"] {
        assert!(refused(name).raw.is_none_or(|raw| raw.method_hint().is_none()), "{name}");
    }
}

#[test]
fn contact_with_bare_headers_is_malformed() {
    // §3.1.2.13: the message may be read, the binding must not be made.
    assert_eq!(valid("regbadct").contacts(), None);
}

#[test]
fn date_in_another_time_zone_is_tolerated() {
    // §3.1.2.12 leaves it open; nothing here depends on Date.
    valid("baddate");
}

/// What an endpoint that lets everybody in says to it.
fn status(name: &str) -> u16 {
    let mut endpoint = sip::Endpoint::new(sip::Config::new([1; 32]));
    let (local, remote) = (crate::net::address(0), crate::net::address(1));
    let input = sip::Input::Datagram { local, remote, bytes: &load(name) };
    endpoint.handle(std::time::Duration::ZERO, input, &crate::net::Policy::default());
    let sent = std::iter::from_fn(|| endpoint.poll_output()).find_map(|output| match output {
        sip::Output::Transmit(transmit) => Some(transmit.bytes),
        _ => None,
    });
    Message::parse(&sent.unwrap()).unwrap().status()
}

#[test]
fn readable_messages_that_cannot_be_served_have_the_status_the_rfc_asks() {
    let asked = [
        // §3.1.2.13 and §3.3.4: no registrar can bind that, whoever asks.
        ("regbadct", 400),
        ("unksm2", 400),
        // §3.3.15: an INVITE whose answer may hold no SDP.
        ("sdp01", 406),
        ("invut", 415),
        ("bext01", 420),
        ("zeromf", 200),
    ];
    for (name, code) in asked {
        assert_eq!(status(name), code, "{name}");
    }
}

#[test]
fn every_torture_message_is_judged() {
    let count = std::fs::read_dir(format!("{}/tests/rfc4475", env!("CARGO_MANIFEST_DIR"))).unwrap().count();
    assert_eq!(count, 25 + 17 + 3 + 2 + 2);
}

#[test]
fn tortuous_invite_means_what_it_says() {
    let message = valid("wsinv");
    assert_eq!(message.method(), &Method::Invite);
    assert_eq!(message.uri().unwrap().to_string(), "sip:vivekg@chair-dnrc.example.com;unknownparam");
    assert_eq!(message.to.tag(), Some("1918181833n"));
    assert_eq!(message.from.display.as_deref(), Some("J Rosenberg \\\""));
    assert_eq!(message.cseq.number, 9);
    assert_eq!(message.via.branch(), None);
    assert_eq!(message.number(sip::msg::Name::MaxForwards), Some(68));
    assert_eq!(message.contact().unwrap().params.get("q"), Some("0.33"));
    assert_eq!(message.body().len(), 150);
    assert!(message.sdp().is_some());
}

#[test]
fn escapes_are_resolved_in_the_user_part() {
    let message = valid("escnull");
    assert_eq!(message.from.uri.user_decoded().as_deref(), Some("null-\0-null"));
    let message = valid("semiuri");
    assert_eq!(message.uri().unwrap().user_decoded().as_deref(), Some("user;par=u@example.net"));
}

#[test]
fn second_request_in_a_datagram_is_ignored() {
    let message = valid("dblreq");
    assert_eq!(message.method(), &Method::Register);
    assert!(message.body().is_empty());
}

#[test]
fn unusual_method_names_are_kept() {
    assert!(matches!(valid("intmeth").method(), Method::Other(name) if name.starts_with("!interesting-Method")));
    assert_eq!(valid("esc02").method(), &Method::Other("RE%47IST%45R".to_owned()));
}
