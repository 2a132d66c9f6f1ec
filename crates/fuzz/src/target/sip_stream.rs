//! Bytes of a SIP connection. Asserts: however a stream is cut into reads, the same messages come out and the same error;
//! nothing that comes out is longer than a message may be; a read much longer than a message ends in an error or a message.

use sip::msg::{Framer, StreamError, limits};

use crate::{Target, corpus};

pub const TARGET: Target = Target {
    name: "sip_stream",
    run,
    seeds,
    max_len: 200_000,
    is_text: true,
    bytes_per_octet: 12,
    bytes_besides: 24 * 1024,
};

fn seeds() -> Vec<Vec<u8>> {
    let all = corpus::torture();
    let mut out: Vec<Vec<u8>> = all.windows(3).map(|three| three.concat()).collect();
    let one = b"OPTIONS sip:a@b SIP/2.0\r\nContent-Length: 4\r\n\r\nbody";
    out.push([&b"\r\n\r\n"[..], one, one, b"\r\n", one].concat());
    out.push(b"\r\n\r\n".repeat(50));
    out
}

fn run(bytes: &[u8]) {
    let whole = frames(bytes, |rest| rest);
    let mut step = usize::from(bytes.first().copied().unwrap_or(0)) % 7 + 1;
    let pieces = frames(bytes, |rest| {
        step = step * 5 % 61 + 1;
        step.min(rest)
    });
    assert_eq!(whole, pieces, "the cuts between reads matter");
}

/// All messages of the stream, fed in pieces of the given sizes, and how it ended.
fn frames(bytes: &[u8], mut size: impl FnMut(usize) -> usize) -> (Vec<Vec<u8>>, Option<StreamError>) {
    let mut framer = Framer::new();
    let mut out = Vec::new();
    let mut rest = bytes;
    while !rest.is_empty() {
        let (piece, more) = rest.split_at(size(rest.len()).clamp(1, rest.len()));
        rest = more;
        framer.push(piece);
        loop {
            match framer.next_message() {
                Ok(Some(message)) => {
                    assert!(message.len() <= limits::MESSAGE_BYTES);
                    out.push(message);
                }
                Ok(None) => break,
                Err(error) => return (out, Some(error)),
            }
        }
    }
    (out, None)
}
