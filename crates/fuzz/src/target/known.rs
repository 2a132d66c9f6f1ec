//! Where our SIP parser and the other one ([`super::sip_other`]) are known to disagree, and who is right.

/// Which way they disagree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    WeRefuse,
    TheyRefuse,
    /// Both accept, and it means different things to them.
    Differ,
}

/// One known disagreement.
pub struct Known {
    pub kind: Kind,
    /// How the report of it begins.
    pub what: &'static str,
    /// Holds for the inputs that it is about.
    pub about: fn(&[u8]) -> bool,
    /// Who is right, and by which words.
    pub why: &'static str,
}

/// True when a disagreement is listed.
pub fn is_known(kind: Kind, what: &str, input: &[u8]) -> bool {
    KNOWN.iter().any(|known| known.kind == kind && what.starts_with(known.what) && (known.about)(input))
}

/// The head, up to the first empty line by anybody's reading.
fn head(input: &[u8]) -> &[u8] {
    let end = (0..input.len()).find(|at| input[*at..].starts_with(b"\n\r\n") || input[*at..].starts_with(b"\n\n"));
    &input[..end.map_or(input.len(), |at| at + 1)]
}

/// A line ends without CR.
fn has_bare_newline(input: &[u8]) -> bool {
    let head = head(input);
    let body_first = &input[head.len()..];
    head.first() == Some(&b'\n')
        || head.windows(2).any(|w| w[1] == b'\n' && w[0] != b'\r')
        || body_first.first() == Some(&b'\n')
}

fn has_octets_beyond_ascii(input: &[u8]) -> bool {
    !head(input).is_ascii()
}

fn any(_: &[u8]) -> bool {
    true
}

/// A line of this header (long or compact name) whose value is so.
fn has_value(input: &[u8], names: &[&str], so: impl Fn(&str) -> bool) -> bool {
    let text = String::from_utf8_lossy(head(input)).replace("\r\n ", "   ").replace("\r\n\t", "   ");
    text.lines().any(|line| {
        line.split_once(':')
            .is_some_and(|(name, value)| names.iter().any(|n| name.trim().eq_ignore_ascii_case(n)) && so(value))
    })
}

fn is_odd_via(via: &str) -> bool {
    let mut parts = via.splitn(3, '/').map(str::trim);
    let (protocol, version, rest) =
        (parts.next().unwrap_or(""), parts.next().unwrap_or(""), parts.next().unwrap_or(""));
    let transport = rest.split([' ', '\t']).next().unwrap_or("");
    let is_token = |c: char| c.is_ascii_alphanumeric() || "-.!%*_+`'~".contains(c);
    !protocol.eq_ignore_ascii_case("SIP")
        || version != "2.0"
        || transport.is_empty()
        || !transport.chars().all(is_token)
}

fn repeats_a_parameter(value: &str) -> bool {
    let name = |item: &str| item.split(['=', '>']).next().unwrap_or("").trim().to_ascii_lowercase();
    let mut names: Vec<String> = value.split(';').skip(1).map(name).collect();
    names.sort_unstable();
    names.windows(2).any(|pair| pair[0] == pair[1])
}

const TWICE: &str = "RFC 3261 §19.1.1 and §7.3.1: a parameter stands once, so they are right; the first counts here, and nothing before us reads \
    another";

fn lines_of(input: &[u8], names: &[&str]) -> usize {
    let text = String::from_utf8_lossy(head(input));
    let is_one = |line: &&str| {
        line.split_once(':').is_some_and(|(name, _)| names.iter().any(|n| name.trim().eq_ignore_ascii_case(n)))
    };
    text.lines().filter(is_one).count()
}

/// Something in it that neither a token nor a host nor a quoted string may have.
fn is_loose(value: &str) -> bool {
    let params = value
        .rsplit_once('>')
        .map_or_else(|| value.split_once(';').map_or("", |(_, params)| params), |(_, params)| params);
    value.chars().any(|c| (c.is_control() && c != '\t') || "[]{}|^\\#`".contains(c))
        || params.contains(|c| "@?$&/:<>(),".contains(c))
}

/// A scheme that begins with no letter, or a comma or question mark in an address without angle brackets.
fn is_no_address(value: &str) -> bool {
    let bare = value.trim();
    let uri = bare.split_once('<').map_or(bare, |(_, uri)| uri);
    !uri.starts_with(|c: char| c.is_ascii_alphabetic()) || (!bare.contains('<') && bare.contains([',', '?']))
}

const NO_ADDRESS: &str = "RFC 3986 §3.1: a scheme begins with a letter; RFC 3261 §20: with a comma or question mark a URI stands in angle \
    brackets. We are right";

pub const KNOWN: &[Known] = &[
    Known {
        kind: Kind::TheyRefuse,
        what: "Framing(NoHeaderTerminator)",
        about: has_bare_newline,
        why: "RFC 3261 §7 wants CRLF, so they are right; peers that send LF alone exist, and nothing before us reads them otherwise",
    },
    Known { kind: Kind::TheyRefuse, what: "HeaderSyntax", about: has_bare_newline, why: "as above" },
    Known {
        kind: Kind::TheyRefuse,
        what: "MalformedRequiredHeader",
        about: has_octets_beyond_ascii,
        why: "RFC 3261 §25.1 has them in quoted strings only, so they are right; phones send names in Latin-1, and losing a letter \
              beats losing the call",
    },
    Known {
        kind: Kind::TheyRefuse,
        what: "MalformedRequiredHeader",
        about: |input| has_value(input, &["From", "f", "To", "t", "Via", "v"], is_loose),
        why: "RFC 3261 §25.1 has tokens, hosts and quoted strings as values of parameters, so they are right; tags and branches are \
              compared and sent back as they came, whatever they are made of",
    },
    Known {
        kind: Kind::TheyRefuse,
        what: "HeaderSyntax",
        about: |input| {
            String::from_utf8_lossy(head(input))
                .lines()
                .any(|line| line.trim_start().starts_with(':') && line.starts_with([' ', '\t']))
        },
        why: "RFC 3261 §25.1 allows blanks but no line end before the colon, so they are right; the name is the same either way",
    },
    Known {
        kind: Kind::WeRefuse,
        what: "Malformed From",
        about: |input| has_value(input, &["From", "f"], is_no_address),
        why: NO_ADDRESS,
    },
    Known {
        kind: Kind::WeRefuse,
        what: "Malformed To",
        about: |input| has_value(input, &["To", "t"], is_no_address),
        why: NO_ADDRESS,
    },
    Known {
        kind: Kind::WeRefuse,
        what: "Malformed Request URI",
        about: |input| {
            let first = input.split(|b| *b == b' ').nth(1).unwrap_or_default();
            !first.first().is_some_and(u8::is_ascii_alphabetic)
        },
        why: "RFC 3986 §3.1: a scheme begins with a letter. We are right",
    },
    Known {
        kind: Kind::WeRefuse,
        what: "Malformed Via",
        about: |input| has_value(input, &["Via", "v"], |via| via.contains(',')) || lines_of(input, &["Via", "v"]) > 1,
        why: "they read the topmost value alone; our responses copy all of them (RFC 3261 §8.2.6.2), so all must be sound",
    },
    Known {
        kind: Kind::TheyRefuse,
        what: "MalformedRequiredHeader(\"Via\")",
        about: |input| has_value(input, &["Via", "v"], |via| via.contains(": ") || via.contains(" :")),
        why: "RFC 3261 §25.1: sent-by is host COLON port, and COLON has blanks around it. We are right",
    },
    Known {
        kind: Kind::WeRefuse,
        what: "Malformed Max-Forwards",
        about: |input| input.starts_with(b"SIP/"),
        why: "a response has none (RFC 3261 §20.22), and they do not look; a malformed header is one all the same",
    },
    Known {
        kind: Kind::TheyRefuse,
        what: "StartLine(Uri(",
        about: has_octets_beyond_ascii,
        why: "RFC 3261 §25.1 wants them escaped, so they are right; the number asked for decides, and an unknown one is 404",
    },
    Known {
        kind: Kind::TheyRefuse,
        what: "StartLine(Uri(User))",
        about: any,
        why: "RFC 3261 §25.1 wants brackets and such escaped in the user part, so they are right; the user part ends at `@` all \
              the same, and an unknown user is 404",
    },
    Known {
        kind: Kind::WeRefuse,
        what: "Malformed Call-ID",
        about: |input| {
            has_value(input, &["Call-ID", "i"], |id| {
                id.trim().bytes().any(|b| b <= b' ' || b == 0x7f || b == b',') || id.trim().is_empty()
            })
        },
        why: "RFC 3261 §25.1: a word, perhaps `@` and another; neither blanks nor commas. We are right",
    },
    Known {
        kind: Kind::WeRefuse,
        what: "Unsupported URI Scheme",
        about: any,
        why: "RFC 3261 §8.2.2.1 and RFC 4475 §3.3.2: 416. Ours is a verdict, theirs a parse; both are right",
    },
    Known {
        kind: Kind::WeRefuse,
        what: "Repeated Content-Type",
        about: any,
        why: "RFC 3261 §7.3.1: only headers that are lists may be repeated. We are right",
    },
    Known {
        kind: Kind::WeRefuse,
        what: "Malformed Via",
        about: |input| has_value(input, &["Via", "v"], is_odd_via),
        why: "RFC 3261 §8.1.1.7 and §25.1: the protocol is SIP, its version 2.0, the transport a token. We are right",
    },
    Known {
        kind: Kind::TheyRefuse,
        what: "MalformedRequiredHeader",
        about: |input| has_value(input, &["From", "f", "To", "t"], repeats_a_parameter),
        why: TWICE,
    },
    Known { kind: Kind::TheyRefuse, what: "StartLine(Uri(DuplicateParameterName", about: any, why: TWICE },
];
