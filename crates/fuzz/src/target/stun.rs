//! Datagrams on the port that all browsers share: our own look at STUN, then a session of str0m set up as `telephony` does.
//! Asserts: no panic; the name found in a datagram is a piece of it; a session answers nobody who has not proved by message
//! integrity that it knows the session's password, answers little, and is still alive after whatever strangers sent.
//!
//! Steps: a datagram as it is · attributes that the target puts into a binding request with right integrity and fingerprint ·
//! time passes. Three addresses send; what comes from one that has proved nothing is offered to the session only if it
//! accepts it, as in `telephony::webrtc`.

use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use aws_lc_rs::hmac;
use str0m::config::{CryptoProvider, DtlsCert};
use str0m::net::{Protocol, Receive};
use str0m::{Candidate, IceCreds, Input, Output, Rtc};

use crate::Target;
use crate::records::{self, Record};

pub const TARGET: Target = Target {
    name: "stun",
    run,
    seeds,
    max_len: 4_096,
    is_text: false,
    bytes_per_octet: 200,
    bytes_besides: 256 * 1024,
};

const RAW: u8 = 0;
const SIGNED: u8 = 1;
const WAIT: u8 = 2;

const UFRAG: &str = "ours";
const PASSWORD: &str = "0123456789abcdefghijkl";

/// More than any one datagram or tick may cause.
const OUTPUTS_MAX: usize = 200;

const OFFER: &str = "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 8 126\r\n\
    c=IN IP4 0.0.0.0\r\na=ice-ufrag:them\r\na=ice-pwd:abcdefghijklmnopqrstuv\r\na=fingerprint:sha-256 \
    00:01:02:03:04:05:06:07:08:09:0A:0B:0C:0D:0E:0F:10:11:12:13:14:15:16:17:18:19:1A:1B:1C:1D:1E:1F\r\na=setup:active\r\n\
    a=mid:0\r\na=sendrecv\r\na=rtcp-mux\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:126 telephone-event/8000\r\na=ssrc:1 cname:x\r\n";

fn seeds() -> Vec<Vec<u8>> {
    let priority = [0, 0x24, 0, 4, 0x6e, 0, 1, 0xff];
    let use_candidate = [0, 0x25, 0, 0];
    let controlling = [0x80, 0x2a, 0, 8, 1, 2, 3, 4, 5, 6, 7, 8];
    let check = [&priority[..], &controlling, &use_candidate].concat();
    let hello =
        [&[22, 254, 255, 0, 0, 0, 0, 0, 0, 0, 0, 0, 13, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1][..], &[7; 40]].concat();
    let rtp = [&[0x80, 8, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1][..], &[0x55; 160]].concat();
    let mut whole = Vec::new();
    records::write(&mut whole, SIGNED, 0, &check);
    records::write(&mut whole, WAIT, 1, &[]);
    records::write(&mut whole, RAW, 0, &hello);
    records::write(&mut whole, RAW, 0, &rtp);
    records::write(&mut whole, SIGNED, 1, &check[..8]);
    let mut strangers = Vec::new();
    records::write(&mut strangers, RAW, 2, &request(&check, b"a-wrong-password"));
    records::write(&mut strangers, RAW, 1, &hello);
    records::write(&mut strangers, RAW, 2, &rtp);
    let mut late = Vec::new();
    records::write(&mut late, SIGNED, 0, &check);
    records::write(&mut late, WAIT, 250, &[]);
    records::write(&mut late, SIGNED, 0, &check);
    vec![whole, strangers, late]
}

/// A binding request with these attributes after the username, signed (RFC 8489 §14.5, §14.7).
fn request(attributes: &[u8], password: &[u8]) -> Vec<u8> {
    let mut out = vec![0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12];
    out.extend([0, 6, 0, 9]);
    out.extend(b"ours:them\0\0\0");
    out.extend(&attributes[..attributes.len() / 4 * 4]);
    let set_length = |out: &mut Vec<u8>, more: usize| {
        let length = (out.len() - 20 + more) as u16;
        out[2..4].copy_from_slice(&length.to_be_bytes());
    };
    set_length(&mut out, 24);
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, password), &out);
    out.extend([0, 8, 0, 20]);
    out.extend(tag.as_ref());
    set_length(&mut out, 8);
    let crc = crc32fast::hash(&out) ^ 0x5354_554e;
    out.extend([0x80, 0x28, 0, 4]);
    out.extend(crc.to_be_bytes());
    out
}

/// What is made once: it costs as much as a thousand inputs and says nothing about them.
fn shared() -> &'static (Arc<CryptoProvider>, DtlsCert, Instant) {
    static SHARED: OnceLock<(Arc<CryptoProvider>, DtlsCert, Instant)> = OnceLock::new();
    SHARED.get_or_init(|| {
        let crypto = Arc::new(str0m::crypto::from_feature_flags());
        let certificate = crypto.dtls_provider.generate_certificate().unwrap_or_else(|| panic!("no certificate"));
        (crypto, certificate, Instant::now())
    })
}

fn address(n: u8) -> SocketAddr {
    SocketAddr::from(([192, 0, 2, n], 40_000))
}

fn session() -> (Rtc, Instant) {
    let (crypto, certificate, start) = shared();
    let mut config = Rtc::builder()
        .set_crypto_provider(crypto.clone())
        .set_dtls_cert(certificate.clone())
        .set_local_ice_credentials(IceCreds { ufrag: UFRAG.to_owned(), pass: PASSWORD.to_owned() })
        .set_ice_lite(true)
        .set_rtp_mode(true)
        .clear_codecs();
    config.codec_config().enable_pcma(true, false);
    let mut rtc = config.build(*start);
    let candidate = Candidate::host(address(100), "udp").unwrap_or_else(|e| panic!("{e}"));
    rtc.add_local_candidate(candidate);
    let offer = str0m::change::SdpOffer::from_sdp_string(OFFER).unwrap_or_else(|e| panic!("{e}"));
    let accepted = rtc.sdp_api().accept_offer(offer);
    assert!(accepted.is_ok(), "the offer is a good one");
    (rtc, *start)
}

fn run(bytes: &[u8]) {
    names_a_piece(bytes);
    let (mut rtc, mut now) = session();
    let mut proved: Vec<SocketAddr> = Vec::new();
    drain(&mut rtc, &proved);
    for Record { op, arg, data } in records::read(bytes) {
        let source = address(arg % 3);
        match op % 3 {
            RAW => receive(&mut rtc, now, source, data, &mut proved, false),
            SIGNED => receive(&mut rtc, now, source, &request(data, PASSWORD.as_bytes()), &mut proved, true),
            _ => {
                now += Duration::from_millis(u64::from(arg) * 20);
                let _ = rtc.handle_input(Input::Timeout(now));
                drain(&mut rtc, &proved);
            }
        }
    }
}

fn names_a_piece(bytes: &[u8]) {
    if let Some(name) = telephony::binding_ufrag(bytes) {
        assert!(bytes.windows(name.len().max(1)).any(|piece| piece.starts_with(name.as_bytes())));
    }
}

fn receive(
    rtc: &mut Rtc,
    now: Instant,
    source: SocketAddr,
    bytes: &[u8],
    proved: &mut Vec<SocketAddr>,
    is_signed: bool,
) {
    names_a_piece(bytes);
    let Ok(receive) = Receive::new(Protocol::Udp, source, address(100), bytes) else { return };
    let input = Input::Receive(now, receive);
    if !proved.contains(&source) {
        if !rtc.accepts(&input) {
            return;
        }
        assert!(is_signed, "a datagram without the right integrity is accepted from a stranger");
        proved.push(source);
    }
    let _ = rtc.handle_input(input);
    drain(rtc, proved);
}

fn drain(rtc: &mut Rtc, proved: &[SocketAddr]) {
    for _ in 0..OUTPUTS_MAX {
        match rtc.poll_output() {
            Ok(Output::Timeout(_)) | Err(_) => return,
            Ok(Output::Transmit(out)) => {
                assert!(
                    proved.contains(&out.destination),
                    "something is sent to {}, who proved nothing",
                    out.destination
                );
                assert!(out.contents.len() <= 1500);
            }
            Ok(Output::Event(_)) => {}
        }
    }
    panic!("one input causes more than {OUTPUTS_MAX} outputs");
}
