//! The worst inputs that somebody could think of, of any size: for the measure of work. Twice the input must not cost much
//! more than twice the work ([`cargo xtask fuzz --work`] counts instructions, a test counts allocations).

use crate::Target;
use crate::records;
use crate::target::{rtp, sdp, sip_endpoint, sip_message, sip_other, sip_stream, spool, stun, wav};

/// A family of inputs of about `n` octets.
pub struct Worst {
    pub name: &'static str,
    pub target: Target,
    pub make: fn(n: usize) -> Vec<u8>,
}

const HEAD: &str =
    "OPTIONS sip:a@b SIP/2.0\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:a@b>\r\nCall-ID: c\r\nCSeq: 1 OPTIONS\r\n";
const VIA: &str = "Via: SIP/2.0/UDP 192.0.2.9;branch=z9hG4bKx\r\n";
const SDP: &str = "v=0\r\no=- 1 1 IN IP4 192.0.2.9\r\ns=-\r\nc=IN IP4 192.0.2.9\r\nm=audio 4000 RTP/AVP 0 8 101\r\n";

fn message(middle: &str, end: &str) -> Vec<u8> {
    format!("{HEAD}{middle}{VIA}{end}").into_bytes()
}

/// `piece` repeated to about `n` octets.
fn fill(piece: &str, n: usize) -> String {
    piece.repeat(n / piece.len())
}

pub const WORST: &[Worst] = &[
    Worst { name: "headers", target: sip_message::TARGET, make: |n| message(&fill("X: y\r\n", n), "\r\n") },
    Worst {
        name: "long_headers",
        target: sip_message::TARGET,
        make: |n| message(&fill(&format!("X: {}\r\n", "y".repeat(250)), n), "\r\n"),
    },
    Worst {
        name: "one_long_line",
        target: sip_message::TARGET,
        make: |n| message(&format!("X: {}\r\n", fill("y", n)), "\r\n"),
    },
    Worst {
        name: "folds",
        target: sip_message::TARGET,
        make: |n| message(&format!("X: y{}\r\n", fill("\r\n ", n)), "\r\n"),
    },
    Worst {
        name: "vias",
        target: sip_message::TARGET,
        make: |n| message(&fill("Via: SIP/2.0/UDP h;branch=z9hG4bKx\r\n", n), "\r\n"),
    },
    Worst {
        name: "vias_in_a_line",
        target: sip_message::TARGET,
        make: |n| message(&format!("Via: SIP/2.0/UDP h{}\r\n", fill(",SIP/2.0/UDP h", n)), "\r\n"),
    },
    Worst {
        name: "contacts",
        target: sip_message::TARGET,
        make: |n| message(&format!("Contact: <sip:a@b>{}\r\n", fill(",<sip:a@b>", n)), "\r\n"),
    },
    Worst {
        name: "parameters",
        target: sip_message::TARGET,
        make: |n| message(&format!("Contact: <sip:a@b>{}\r\n", fill(";a=b", n)), "\r\n"),
    },
    Worst {
        name: "quotes",
        target: sip_message::TARGET,
        make: |n| message(&format!("Contact: \"{}\" <sip:a@b>\r\n", fill("\\\"", n)), "\r\n"),
    },
    Worst {
        name: "open_quotes",
        target: sip_message::TARGET,
        make: |n| message(&format!("Route: {}\r\n", fill("\",", n)), "\r\n"),
    },
    Worst {
        name: "open_angles",
        target: sip_message::TARGET,
        make: |n| message(&format!("Record-Route: {}\r\n", fill("<,", n)), "\r\n"),
    },
    Worst {
        name: "digits",
        target: sip_message::TARGET,
        make: |n| message(&format!("Content-Length: {}\r\n", fill("0", n)), "\r\n"),
    },
    Worst {
        name: "escapes",
        target: sip_message::TARGET,
        make: |n| message(&format!("Contact: <sip:{}@b>\r\n", fill("%41", n)), "\r\n"),
    },
    Worst {
        name: "challenge",
        target: sip_message::TARGET,
        make: |n| message(&format!("Authorization: Digest a=b{}\r\n", fill(",a=b", n)), "\r\n"),
    },
    Worst {
        name: "not_utf8",
        target: sip_message::TARGET,
        make: |n| [HEAD.as_bytes(), b"X: ", &vec![0xff; n], b"\r\n\r\n"].concat(),
    },
    Worst { name: "body", target: sip_message::TARGET, make: |n| message("", &format!("\r\n{}", fill("x", n))) },
    Worst { name: "no_line_end", target: sip_stream::TARGET, make: |n| vec![b'x'; n] },
    Worst { name: "line_ends", target: sip_stream::TARGET, make: |n| fill("\n", n).into_bytes() },
    Worst { name: "pings", target: sip_stream::TARGET, make: |n| fill("\r\n\r\n", n).into_bytes() },
    Worst { name: "small_messages", target: sip_stream::TARGET, make: |n| fill("A\r\nl:0\r\n\r\n", n).into_bytes() },
    Worst {
        name: "unfinished_body",
        target: sip_stream::TARGET,
        make: |n| format!("A\r\nl:65000\r\n\r\n{}", fill("x", n)).into_bytes(),
    },
    Worst {
        name: "unfinished_head",
        target: sip_stream::TARGET,
        make: |n| format!("A\r\nl:9\r\n{}\r\n\r\n1", fill("X: y\r\n", n)).into_bytes(),
    },
    Worst { name: "datagrams", target: sip_endpoint::TARGET, make: |n| steps(n, 0, &message("", "\r\n")) },
    Worst { name: "reads", target: sip_endpoint::TARGET, make: |n| steps(n, 1, &message("l: 0\r\n", "\r\n")) },
    Worst {
        name: "registered_contacts",
        target: sip_endpoint::TARGET,
        make: |n| steps(n, 0, &registration(&fill(",<sip:a@192.0.2.4>", n))),
    },
    Worst {
        name: "routes",
        target: sip_endpoint::TARGET,
        make: |n| steps(n, 0, &message(&fill("Record-Route: <sip:h;lr>\r\n", n), "\r\n")),
    },
    Worst { name: "same_message_in_both", target: sip_other::TARGET, make: |n| message(&fill("X: y\r\n", n), "\r\n") },
    Worst {
        name: "sections",
        target: sdp::TARGET,
        make: |n| format!("{SDP}{}", fill("m=audio 9 RTP/AVP 0\r\n", n)).into_bytes(),
    },
    Worst {
        name: "formats",
        target: sdp::TARGET,
        make: |n| format!("{SDP}m=audio 9 RTP/AVP{}\r\n", fill(" 96", n)).into_bytes(),
    },
    Worst { name: "attributes", target: sdp::TARGET, make: |n| format!("{SDP}{}", fill("a=x\r\n", n)).into_bytes() },
    Worst {
        name: "rtpmaps",
        target: sdp::TARGET,
        make: |n| format!("{SDP}{}", fill("a=rtpmap:101 x/8000\r\n", n)).into_bytes(),
    },
    Worst {
        name: "candidates",
        target: sdp::TARGET,
        make: |n| format!("{SDP}{}", fill("a=candidate:1 1 UDP 1 192.0.2.9 9 typ host\r\n", n)).into_bytes(),
    },
    Worst {
        name: "format_parameters",
        target: sdp::TARGET,
        make: |n| format!("{SDP}a=fmtp:101 0-15{}\r\n", fill(";a=b", n)).into_bytes(),
    },
    Worst {
        name: "format_parameter_lines",
        target: sdp::TARGET,
        make: |n| format!("{SDP}{}", fill("a=fmtp:101 0-15\r\n", n)).into_bytes(),
    },
    Worst {
        name: "connections",
        target: sdp::TARGET,
        make: |n| format!("{SDP}{}", fill("c=IN IP4 192.0.2.9\r\n", n)).into_bytes(),
    },
    Worst {
        name: "stun_attributes",
        target: stun::TARGET,
        make: |n| steps(n, 1, &fill("\0\x24\0\x04\0\0\0\0", 256).into_bytes()),
    },
    Worst {
        name: "rtp_packets",
        target: rtp::TARGET,
        make: |n| steps(n, 1, &[&[0, 8, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1][..], &[0x55; 160]].concat()),
    },
    Worst {
        name: "rtcp_compound",
        target: rtp::TARGET,
        make: |n| fill("\u{1}\u{48}\0\0", n).bytes().map(|b| if b == 0x48 { 200 } else { b | 0x80 }).collect(),
    },
    Worst {
        name: "samples",
        target: wav::TARGET,
        make: |n| media::wav::write_mono(&vec![9; n / 2]).unwrap_or_default(),
    },
    Worst { name: "chunks", target: wav::TARGET, make: chunks },
    Worst { name: "records", target: spool::TARGET, make: spool_of },
];

fn steps(n: usize, op: u8, data: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    while out.len() < n {
        records::write(&mut out, op, 0, data);
    }
    out
}

fn registration(contacts: &str) -> Vec<u8> {
    format!(
        "REGISTER sip:call.example SIP/2.0\r\n{VIA}From: <sip:alice@call.example>;tag=r\r\nTo: <sip:alice@call.example>\r\n\
         Call-ID: r\r\nCSeq: 1 REGISTER\r\nMax-Forwards: 70\r\nContact: <sip:a@192.0.2.4>{contacts}\r\n\r\n"
    )
    .into_bytes()
}

/// A WAV file whose sound hides behind many empty chunks.
fn chunks(n: usize) -> Vec<u8> {
    let plain = media::wav::write_mono(&[9; 80]).unwrap_or_default();
    let (format, data) = plain.split_at(36.min(plain.len()));
    [format, fill("junk\0\0\0\0", n).as_bytes(), data].concat()
}

fn spool_of(n: usize) -> Vec<u8> {
    let mut out = (spool::TARGET.seeds)().swap_remove(1);
    while out.len() < n {
        media::recorder::segment::write_frame(&media::recorder::Frame::GapEnded { position_ms: 60 }, &mut out);
    }
    out
}
