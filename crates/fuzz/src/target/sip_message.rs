//! One SIP message as a datagram brings it. Asserts: no panic; what is refused as a request names a status of a refusal;
//! what is accepted has its mandatory parts, and written again by [`Builder`] is read as the same message.

use sip::msg::{Builder, CSeq, Challenge, Message, Name, NameAddr, StartLine, Uri, Via, limits};

use crate::{Target, corpus};

pub const TARGET: Target = Target {
    name: "sip_message",
    run,
    seeds: corpus::torture,
    max_len: 70_000,
    is_text: true,
    bytes_per_octet: 24,
    bytes_besides: 16 * 1024,
};

fn run(bytes: &[u8]) {
    let message = match Message::parse(bytes) {
        Ok(message) => message,
        Err(reject) => {
            assert!(matches!(reject.code, 400 | 416 | 505 | 513), "{}", reject.code);
            assert!(bytes.len() <= limits::MESSAGE_BYTES || reject.code == 513);
            return;
        }
    };
    assert!(message.body().len() <= bytes.len());
    assert!(!message.call_id().is_empty());
    assert!(message.headers().count() <= limits::HEADERS);
    assert!(message.is_request() == (message.status() == 0));
    let written = write(&message);
    let again = Message::parse(&written).unwrap_or_else(|e| panic!("{e}: {}", String::from_utf8_lossy(&written)));
    assert_eq!(String::from_utf8_lossy(&write(&again)), String::from_utf8_lossy(&written), "writing is stable");
    assert_eq!((again.status(), again.method(), again.uri()), (message.status(), message.method(), message.uri()));
    assert_eq!(again.cseq, message.cseq);
    assert_eq!(again.body(), message.body());
    assert_eq!(again.from.tag(), message.from.tag());
    assert_eq!(again.to.uri, message.to.uri);
    typed_values(&message);
}

/// What the endpoint reads from a message, written and read again.
fn typed_values(message: &Message) {
    assert_eq!(CSeq::parse(&message.cseq.to_string()), Some(message.cseq.clone()));
    for value in message.list(Name::Via) {
        if let Some(via) = Via::parse(value) {
            assert_eq!(Via::parse(&via.to_string()), Some(via));
        }
    }
    for name in [Name::From, Name::To, Name::Route, Name::RecordRoute] {
        for value in message.list(name) {
            if let Ok(address) = NameAddr::parse(value) {
                same_address(&address);
            }
        }
    }
    if let Some(contact) = message.contact() {
        same_address(&contact);
        assert!(contact.uri.same_contact(&contact.uri));
    }
    for name in [Name::Authorization, Name::WwwAuthenticate] {
        message.all(name).for_each(|value| drop(Challenge::parse(value)));
    }
    let _ = (message.number(Name::Expires), message.sdp().map(sip::sdp::SessionDescription::parse));
    let _ = sip::info_digit(message.get(Name::ContentType).unwrap_or(""), message.body());
}

/// Control characters in quoted names become blanks when written, all else stays.
fn same_address(address: &NameAddr) {
    let again = NameAddr::parse(&address.to_string()).unwrap_or_else(|_| panic!("{address}"));
    assert_eq!(again.uri, address.uri);
    assert_eq!(Uri::parse(&address.uri.to_string()).as_ref(), Ok(&address.uri));
    assert_eq!(again.to_string(), address.to_string());
}

/// The message by our own writer. Content-Length is the writer's, and the body's type stands behind the other headers.
fn write(message: &Message) -> Vec<u8> {
    let mut out = match &message.start {
        StartLine::Request { method, uri } => Builder::request(method, uri),
        StartLine::Response { code, reason } => Builder::response(*code, reason),
    };
    for (name, value) in message.headers() {
        if !matches!(Name::from_text(name), Name::ContentLength | Name::ContentType) {
            // The writer makes blanks of control characters, and blanks at the ends belong to nobody.
            out = out.header_named(name, value.trim_matches(|c| c <= ' '));
        }
    }
    // Without a type a body would get one; an empty one is written as it was.
    let kind = message.get(Name::ContentType).unwrap_or("").trim_matches(|c| c <= ' ');
    out.body(kind, message.body()).finish()
}
