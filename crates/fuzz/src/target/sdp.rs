//! Session descriptions: as SIP peers send them, and as browsers do. Asserts: reading, writing and reading again is stable;
//! an answer has the offer's sections in their order, all but one refused, with a codec of the offer; what must
//! be protected is, by keys of one suite; it can be concluded.

use std::net::SocketAddr;
use std::time::Duration;

use sip::sdp::{Capabilities, Codec, Direction, Key, Protect, SessionDescription, conclude, negotiate, offer};

use crate::Target;

pub const TARGET: Target =
    Target { name: "sdp", run, seeds, max_len: 66_000, is_text: true, bytes_per_octet: 40, bytes_besides: 16 * 1024 };

fn capabilities(protect: Protect) -> Capabilities {
    Capabilities {
        codecs: vec![Codec::Pcma, Codec::Pcmu, Codec::G722, Codec::Opus],
        comfort_noise: true,
        local: SocketAddr::from(([192, 0, 2, 1], 4000)),
        direction: Direction::SendRecv,
        ptime: Duration::from_millis(20),
        protect,
        keys: Key::all(&[7; 32], 1),
        session_id: 1,
        version: 1,
    }
}

fn seeds() -> Vec<Vec<u8>> {
    let head = "v=0\r\no=- 1 1 IN IP4 192.0.2.9\r\ns=-\r\nc=IN IP4 192.0.2.9\r\nt=0 0\r\n";
    let audio = "m=audio 4000 RTP/AVP 0 8 96 101\r\na=rtpmap:96 opus/48000/2\r\na=rtpmap:101 telephone-event/8000\r\n\
        a=fmtp:101 0-15\r\na=ptime:20\r\na=rtcp:53020 IN IP4 192.0.2.10\r\na=sendonly\r\n";
    let browser = "m=audio 9 UDP/TLS/RTP/SAVPF 111 0 8 126\r\nc=IN IP4 0.0.0.0\r\na=rtcp:9 IN IP4 0.0.0.0\r\na=ice-ufrag:abcd\r\n\
        a=ice-pwd:0123456789012345678901\r\na=fingerprint:sha-256 AA:BB\r\na=setup:actpass\r\na=mid:0\r\n\
        a=extmap:1 urn:ietf:params:rtp-hdrext:ssrc-audio-level\r\na=sendrecv\r\na=rtcp-mux\r\na=rtpmap:111 opus/48000/2\r\n\
        a=rtpmap:126 telephone-event/8000\r\na=ssrc:1 cname:x\r\n";
    let ipv6 = "v=0\r\no=x 9 9 IN IP6 2001:db8::1\r\ns= \r\nc=IN IP6 2001:db8::1\r\nt=0 0\r\na=inactive\r\nm=audio 5004/2 RTP/AVP 9 13\r\n";
    let crypto = "a=crypto:1 AES_CM_128_HMAC_SHA1_32 inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz|2^20|1:4 FEC_ORDER=FEC_SRTP\r\n\
        a=crypto:2 AES_CM_128_HMAC_SHA1_80 inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz|2^31 WSH=64\r\n";
    vec![
        format!("{head}{audio}").into_bytes(),
        format!("{head}m=video 0 RTP/AVP 31\r\n{audio}m=application 9 TCP/BFCP *\r\n").into_bytes(),
        format!("{head}a=group:BUNDLE 0\r\na=msid-semantic: WMS\r\n{browser}").into_bytes(),
        ipv6.as_bytes().to_vec(),
        offer(&capabilities(Protect::Never)).to_bytes(),
        offer(&capabilities(Protect::IfPossible)).to_bytes(),
        offer(&capabilities(Protect::Always)).to_bytes(),
        format!("{head}m=audio 4000 RTP/AVP 8\r\nm=audio 4002 RTP/SAVP 8\r\n{crypto}").into_bytes(),
    ]
}

fn run(bytes: &[u8]) {
    if let Ok(text) = std::str::from_utf8(bytes) {
        // What a page sends; the code of a refusal is part of the interface.
        assert!(matches!(telephony::offer_fault(text), None | Some("device.bad_sdp" | "device.no_codec")));
    }
    let Ok(read) = SessionDescription::parse(bytes) else { return };
    let written = read.to_bytes();
    let again =
        SessionDescription::parse(&written).unwrap_or_else(|e| panic!("{e}: {}", String::from_utf8_lossy(&written)));
    assert_eq!(again.to_bytes(), written, "writing is stable");
    assert_eq!(again.media.len(), read.media.len());
    for protect in [Protect::Never, Protect::IfPossible, Protect::Always] {
        answer(&read, &capabilities(protect));
    }
}

fn answer(read: &SessionDescription, caps: &Capabilities) {
    if let Ok(agreed) = conclude(read, caps) {
        assert!(agreed.keys.is_some() || caps.protect != Protect::Always);
    }
    let Ok((answer, agreed)) = negotiate(read, caps) else { return };
    match agreed.keys {
        Some(keys) => assert!(keys.ours.suite() == keys.theirs.suite() && caps.protect != Protect::Never),
        None => assert!(caps.protect != Protect::Always),
    }
    assert!(caps.codecs.contains(&agreed.codec));
    assert!(agreed.payload < 128 && agreed.receive_payload < 128);
    assert!((10..=60).contains(&agreed.ptime.as_millis()));
    assert!(agreed.remote.is_none_or(|remote| !remote.ip().is_unspecified() && remote.port() != 0));
    let kinds = |d: &SessionDescription| d.media.iter().map(|m| m.kind.clone()).collect::<Vec<_>>();
    let read_answer = SessionDescription::parse(&answer.to_bytes()).unwrap_or_else(|e| panic!("our answer: {e}"));
    assert_eq!(kinds(&read_answer), kinds(read));
    assert_eq!(read_answer.media.iter().filter(|m| m.port != 0).count(), 1, "one section is taken");
}
