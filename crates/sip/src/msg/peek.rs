//! What a datagram is about, before it is parsed: a node under load serves its calls before it takes new ones.

/// True when the message looks like a request that begins something new: INVITE, REGISTER, OPTIONS and the like without
/// a To tag. Responses, ACK, BYE, CANCEL, PRACK and all requests within dialogs are about something there is.
///
/// A guess from the bytes alone, linear in their number, no allocation. It decides about the order of work only: a
/// sender who cheats gains an earlier parse.
pub fn begins_new_work(bytes: &[u8]) -> bool {
    let about_existing: [&[u8]; 6] = [b"SIP/", b"ACK ", b"BYE ", b"CANCEL ", b"PRACK ", b"UPDATE "];
    if about_existing.iter().any(|start| bytes.starts_with(start)) {
        return false;
    }
    for line in bytes.split(|b| *b == b'\n').skip(1) {
        match line {
            // The end of the head.
            [] | [b'\r'] => break,
            [b't' | b'T', rest @ ..] => {
                let rest = match rest {
                    [b'o' | b'O', rest @ ..] => rest,
                    rest => rest,
                };
                if rest.trim_ascii_start().first() == Some(&b':') {
                    return !has_tag(rest);
                }
            }
            _ => {}
        }
    }
    true
}

fn has_tag(to: &[u8]) -> bool {
    to.windows(5).any(|w| w[0] == b';' && w[1..4].eq_ignore_ascii_case(b"tag") && w[4] == b'=')
}

#[cfg(test)]
mod tests {
    use super::begins_new_work;

    #[test]
    fn only_requests_without_a_to_tag_begin_something() {
        let with = |start: &str, to: &str| format!("{start}\r\nVia: SIP/2.0/UDP h;branch=z9hG4bKx\r\n{to}\r\n\r\n");
        for (start, to, expected) in [
            ("INVITE sip:1000@h SIP/2.0", "To: <sip:1000@h>", true),
            ("INVITE sip:1000@h SIP/2.0", "t:<sip:1000@h>", true),
            ("INVITE sip:1000@h SIP/2.0", "To: <sip:1000@h>;tag=a", false),
            ("INVITE sip:1000@h SIP/2.0", "TO : <sip:1000@h>;x=y;TAG=a", false),
            ("REGISTER sip:h SIP/2.0", "To: <sip:6001@h>", true),
            ("INFO sip:h SIP/2.0", "To: <sip:6001@h>;tag=b", false),
            ("BYE sip:h SIP/2.0", "To: <sip:6001@h>", false),
            ("SIP/2.0 200 OK", "To: <sip:6001@h>", false),
            ("ACK sip:h SIP/2.0", "To: <sip:6001@h>", false),
        ] {
            assert_eq!(begins_new_work(with(start, to).as_bytes()), expected, "{start} {to}");
        }
    }

    #[test]
    fn a_tag_in_the_body_or_in_nonsense_means_nothing() {
        assert!(begins_new_work(b"INVITE sip:1@h SIP/2.0\r\nCall-ID: a\r\n\r\nTo: x;tag=1\r\n"));
        assert!(begins_new_work(b""));
        assert!(begins_new_work(b"\r\n\r\n"));
    }
}
