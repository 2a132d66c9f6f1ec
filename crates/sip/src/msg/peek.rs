//! What a datagram is about, before it is parsed: a node under load serves its calls before it takes new ones, and
//! refuses those without spending a parser on them.

/// The lines that a refusal without state copies (RFC 3261 §8.2.6, §8.2.7), as they stand in the datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Glance<'a> {
    pub method: &'a str,
    vias: [&'a str; VIAS],
    via_lines: usize,
    pub from: &'a str,
    pub to: &'a str,
    pub call_id: &'a str,
    pub cseq: &'a str,
}

/// Via lines a glance remembers; requests that came by more proxies are parsed.
const VIAS: usize = 8;

impl<'a> Glance<'a> {
    /// Reads a request whose head is plain: no folded line, no control characters in what is copied, each of From, To,
    /// Call-ID and CSeq once. `None` for everything else, which only a parser can judge. No allocation.
    pub(crate) fn of(bytes: &'a [u8]) -> Option<Self> {
        let mut lines = bytes.split_inclusive(|b| *b == b'\n').map(|line| {
            let line = line.strip_suffix(b"\n")?;
            Some(line.strip_suffix(b"\r").unwrap_or(line))
        });
        let first = lines.next()??;
        let method = text(&first[..first.iter().position(|b| *b == b' ')?])?;
        if method.starts_with("SIP/") || !first.ends_with(b" SIP/2.0") {
            return None;
        }
        let mut out = Self { method, vias: [""; VIAS], via_lines: 0, from: "", to: "", call_id: "", cseq: "" };
        for line in lines {
            // Without an empty line the head is torn.
            let line = line?;
            match line.first() {
                None => return (out.via_lines > 0 && out.has_all()).then_some(out),
                Some(b' ' | b'\t') => return None,
                Some(_) => {}
            }
            let colon = line.iter().position(|b| *b == b':')?;
            let value = &line[colon + 1..];
            let once = match line[..colon].trim_ascii_end() {
                name if is(name, b"via", b"v") => {
                    *out.vias.get_mut(out.via_lines)? = text(value)?;
                    out.via_lines += 1;
                    continue;
                }
                name if is(name, b"from", b"f") => &mut out.from,
                name if is(name, b"to", b"t") => &mut out.to,
                name if is(name, b"call-id", b"i") => &mut out.call_id,
                name if name.eq_ignore_ascii_case(b"cseq") => &mut out.cseq,
                _ => continue,
            };
            if !once.is_empty() {
                return None;
            }
            *once = text(value)?;
        }
        None
    }

    fn has_all(&self) -> bool {
        [self.from, self.to, self.call_id, self.cseq].iter().all(|value| !value.is_empty())
    }

    /// The Via lines, topmost first.
    pub(crate) fn vias(&self) -> &[&'a str] {
        &self.vias[..self.via_lines]
    }

    /// The To tag.
    pub(crate) fn to_tag(self) -> Option<&'a str> {
        let at = self.to.as_bytes().windows(5).position(|w| w[0] == b';' && w[1..].eq_ignore_ascii_case(b"tag="))?;
        self.to[at + 5..].split([';', ' ', '\t']).next()
    }
}

fn is(name: &[u8], long: &[u8], short: &[u8]) -> bool {
    name.eq_ignore_ascii_case(long) || name.eq_ignore_ascii_case(short)
}

fn text(value: &[u8]) -> Option<&str> {
    let value = value.trim_ascii();
    let is_plain = value.iter().all(|b| *b >= b' ' && *b != 0x7f || *b == b'\t');
    std::str::from_utf8(value).ok().filter(|_| is_plain)
}

/// The branch of the topmost Via of a request, as it stands there: it names an INVITE and the CANCEL that means it
/// (RFC 3261 §9.1). `None` if it is not found at a glance.
pub fn branch_of(bytes: &[u8]) -> Option<&str> {
    let glance = Glance::of(bytes)?;
    let top = glance.vias().first()?;
    let at = top.as_bytes().windows(8).position(|w| w[0] == b';' && w[1..].eq_ignore_ascii_case(b"branch="))?;
    top[at + 8..].split([';', ',', ' ', '\t']).next().filter(|branch| branch.len() > 7)
}

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
    use super::{Glance, begins_new_work, branch_of};

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

    const INVITE: &str = "INVITE sip:1@h SIP/2.0\r\nv: SIP/2.0/UDP h;branch=z9hG4bKx;rport, SIP/2.0/UDP i;branch=z9hG4bKy\r\n\
                          Via: SIP/2.0/UDP j\r\nf:<sip:a@h>;tag=a\r\nTO : <sip:1@h>\r\nCall-ID: c\r\nCSeq: 1 INVITE\r\n\r\nTo: x";

    #[test]
    fn a_glance_finds_what_a_refusal_copies() {
        let glance = Glance::of(INVITE.as_bytes()).unwrap();
        assert_eq!((glance.method, glance.from, glance.to), ("INVITE", "<sip:a@h>;tag=a", "<sip:1@h>"));
        assert_eq!((glance.call_id, glance.cseq, glance.vias().len()), ("c", "1 INVITE", 2));
        assert_eq!((glance.to_tag(), branch_of(INVITE.as_bytes())), (None, Some("z9hG4bKx")));
        let tagged = INVITE.replace("<sip:1@h>\r", "<sip:1@h>;x=y;TAG=b;z\r");
        assert_eq!(Glance::of(tagged.as_bytes()).unwrap().to_tag(), Some("b"));
    }

    #[test]
    fn what_is_not_plain_is_left_to_the_parser() {
        for (from, to) in [
            ("\r\n\r\nTo: x", ""),
            ("Call-ID: c\r\n", ""),
            ("Call-ID: c\r\n", "Call-ID: c\r\ni: d\r\n"),
            ("Call-ID: c\r\n", "Call-ID: c\r\n folded\r\n"),
            ("Call-ID: c\r\n", "Call-ID: c\u{1}\r\n"),
            (" SIP/2.0\r\nv", " SIP/3.0\r\nv"),
            ("INVITE sip:1@h SIP/2.0", "SIP/2.0 200 OK"),
        ] {
            let changed = INVITE.replace(from, to);
            assert_ne!(changed, INVITE);
            assert_eq!(Glance::of(changed.as_bytes()), None, "{changed}");
        }
    }
}
