//! Questions to name servers (RFC 1035) of the kinds that the standard library cannot ask: NAPTR, SRV, and A and AAAA of a
//! server that the operator chose. By UDP, and by TCP where the answer does not fit. Blocking, used by the threads of
//! [`crate::names`].
//!
//! Contract: what comes back is a stranger's word: it is matched with its question by number, name and kind, from the address
//! that was asked, and read within bounds. A question takes two tries of [`PATIENCE`] each at each server, one for NAPTR.
use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, UdpSocket};
use std::time::{Duration, Instant};

use sip::locate::{Naptr, Srv};

const PATIENCE: Duration = Duration::from_millis(1_000);
const TRIES: usize = 2;
/// Name servers of the machine that are asked.
const SERVERS_MAX: usize = 2;
/// What we say that we can take (EDNS(0), RFC 6891): whole without fragments.
const ANSWER_MAX: u16 = 1_232;
/// Records read of one answer.
const RECORDS_MAX: usize = 32;
/// Pointers followed in one name.
const JUMPS_MAX: usize = 16;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    A,
    Aaaa,
    Srv,
    Naptr,
}

impl Kind {
    fn number(self) -> u16 {
        match self {
            Kind::A => 1,
            Kind::Aaaa => 28,
            Kind::Srv => 33,
            Kind::Naptr => 35,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Record {
    Address(IpAddr),
    Server(Srv),
    Service(Naptr),
}

/// What was found, and how long that holds.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Found {
    pub(crate) records: Vec<Record>,
    /// Seconds; of the shortest-lived record.
    pub(crate) life_s: Option<u32>,
}

/// The machine's own name servers.
pub(crate) fn system_servers() -> Vec<SocketAddr> {
    let text = std::fs::read_to_string("/etc/resolv.conf").unwrap_or_default();
    let servers = text.lines().filter_map(|line| line.strip_prefix("nameserver")?.trim().parse::<IpAddr>().ok());
    servers.take(SERVERS_MAX).map(|ip| SocketAddr::new(ip, 53)).collect()
}

/// Asks one server after the other until one has an answer, be it that there is nothing.
///
/// # Errors
/// Nobody answered.
pub(crate) fn ask(servers: &[SocketAddr], name: &str, kind: Kind) -> io::Result<Found> {
    let mut last = io::Error::from(io::ErrorKind::NotFound);
    // What is only a hint is waited for once.
    let tries = if kind == Kind::Naptr { 1 } else { TRIES };
    for server in (0..tries).flat_map(|_| servers.iter().take(SERVERS_MAX)) {
        match ask_one(*server, name, kind) {
            Ok(found) => return Ok(found),
            Err(error) => last = error,
        }
    }
    Err(last)
}

fn ask_one(server: SocketAddr, name: &str, kind: Kind) -> io::Result<Found> {
    let any: IpAddr = if server.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    // A port and a number that strangers do not know.
    let socket = UdpSocket::bind((any, 0))?;
    socket.connect(server)?;
    let mut number = [0; 2];
    aws_lc_rs::rand::fill(&mut number).map_err(|_| io::Error::other("no randomness"))?;
    let question = question(number, name, kind).ok_or(io::ErrorKind::InvalidInput)?;
    socket.send(&question)?;
    let until = Instant::now() + PATIENCE;
    let mut buffer = [0; ANSWER_MAX as usize];
    loop {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        socket.set_read_timeout(Some(left))?;
        let len = socket.recv(&mut buffer)?;
        match read(&buffer[..len], number, name, kind) {
            Some(Answer::Found(found)) => return Ok(found),
            Some(Answer::Failed) => return Err(refused()),
            Some(Answer::Short) => return ask_by_tcp(server, &question, number, name, kind),
            // Somebody else's.
            None => {}
        }
    }
}

fn refused() -> io::Error {
    io::Error::other("the name server cannot answer")
}

/// The same question where the answer did not fit into a datagram (RFC 7766).
fn ask_by_tcp(server: SocketAddr, question: &[u8], number: [u8; 2], name: &str, kind: Kind) -> io::Result<Found> {
    let mut stream = TcpStream::connect_timeout(&server, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let len = u16::try_from(question.len()).map_err(io::Error::other)?;
    stream.write_all(&[&len.to_be_bytes()[..], question].concat())?;
    let mut len = [0; 2];
    stream.read_exact(&mut len)?;
    let mut answer = vec![0; usize::from(u16::from_be_bytes(len))];
    stream.read_exact(&mut answer)?;
    match read(&answer, number, name, kind) {
        Some(Answer::Found(found)) => Ok(found),
        Some(Answer::Failed | Answer::Short) | None => Err(refused()),
    }
}

/// `None` for a name that is none.
fn question(number: [u8; 2], name: &str, kind: Kind) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(64);
    out.extend(number);
    // Recursion wanted; one question, one additional record.
    out.extend([0x01, 0x00, 0, 1, 0, 0, 0, 0, 0, 1]);
    let labels = name.trim_end_matches('.').split('.');
    for label in labels {
        let len = u8::try_from(label.len()).ok().filter(|len| (1..64).contains(len))?;
        out.push(len);
        out.extend(label.bytes());
    }
    out.push(0);
    if out.len() > 12 + 255 {
        return None;
    }
    out.extend(kind.number().to_be_bytes());
    out.extend([0, 1]);
    // OPT: root, kind 41, how much we take, nothing else.
    out.extend([0, 0, 41]);
    out.extend(ANSWER_MAX.to_be_bytes());
    out.extend([0; 6]);
    Some(out)
}

enum Answer {
    Found(Found),
    Failed,
    /// Cut short.
    Short,
}

/// `None` if it is no answer to this question.
fn read(bytes: &[u8], number: [u8; 2], name: &str, kind: Kind) -> Option<Answer> {
    let header = bytes.first_chunk::<12>()?;
    let count = |at: usize| u16::from_be_bytes([header[at], header[at + 1]]);
    if header[..2] != number || header[2] & 0x80 == 0 || count(4) != 1 {
        return None;
    }
    let (asked, mut at) = name_at(bytes, 12)?;
    let tail = bytes.get(at..at + 4)?;
    if !asked.eq_ignore_ascii_case(name.trim_end_matches('.')) || tail[..2] != kind.number().to_be_bytes() {
        return None;
    }
    at += 4;
    match header[3] & 0x0f {
        0 => {}
        // The name does not exist.
        3 => return Some(Answer::Found(Found::default())),
        _ => return Some(Answer::Failed),
    }
    if header[2] & 0x02 != 0 {
        return Some(Answer::Short);
    }
    let mut found = Found::default();
    // Names on the way (CNAME) are followed by the server; which of them a record is of does not matter to us.
    for _ in 0..usize::from(count(6)).min(RECORDS_MAX) {
        let Some((record, life, next)) = record_at(bytes, at, kind) else { break };
        at = next;
        if let Some(record) = record {
            found.records.push(record);
            found.life_s = Some(found.life_s.unwrap_or(u32::MAX).min(life));
        }
    }
    Some(Answer::Found(found))
}

/// A record if it is of the kind, its life in seconds, and where the next begins.
fn record_at(bytes: &[u8], at: usize, kind: Kind) -> Option<(Option<Record>, u32, usize)> {
    let (_, at) = name_at(bytes, at)?;
    let head = bytes.get(at..)?.first_chunk::<10>()?;
    let life = u32::from_be_bytes([head[4], head[5], head[6], head[7]]);
    let len = usize::from(u16::from_be_bytes([head[8], head[9]]));
    let data = bytes.get(at + 10..at + 10 + len)?;
    let next = at + 10 + len;
    if head[..2] != kind.number().to_be_bytes() || head[2..4] != [0, 1] {
        return Some((None, life, next));
    }
    let record = match kind {
        Kind::A => Record::Address(IpAddr::from(*data.first_chunk::<4>()?)),
        Kind::Aaaa => Record::Address(IpAddr::from(*data.first_chunk::<16>()?)),
        Kind::Srv => {
            let fixed = data.first_chunk::<6>()?;
            let word = |n: usize| u16::from_be_bytes([fixed[n], fixed[n + 1]]);
            let (target, _) = name_at(bytes, at + 16)?;
            Record::Server(Srv { priority: word(0), weight: word(2), port: word(4), target })
        }
        Kind::Naptr => {
            let fixed = data.first_chunk::<4>()?;
            let word = |n: usize| u16::from_be_bytes([fixed[n], fixed[n + 1]]);
            let (flags, rest) = text_at(&data[4..])?;
            let (service, rest) = text_at(rest)?;
            let (regexp, rest) = text_at(rest)?;
            let (replacement, _) = name_at(bytes, next - rest.len())?;
            // A record that rewrites is none of ours (RFC 3263 §4.1).
            let replacement = if regexp.is_empty() { replacement } else { String::new() };
            Record::Service(Naptr { order: word(0), preference: word(2), flags, service, replacement })
        }
    };
    Some((Some(record), life, next))
}

/// A text of one octet of length, and what follows it.
fn text_at(bytes: &[u8]) -> Option<(String, &[u8])> {
    let (len, rest) = bytes.split_first()?;
    let (text, rest) = rest.split_at_checked(usize::from(*len))?;
    Some((String::from_utf8_lossy(text).into_owned(), rest))
}

/// A name, and where what follows it begins.
fn name_at(bytes: &[u8], mut at: usize) -> Option<(String, usize)> {
    let (mut name, mut after) = (String::new(), None);
    for _ in 0..JUMPS_MAX + 128 {
        let len = *bytes.get(at)?;
        match len {
            0 => return Some((name, after.unwrap_or(at + 1))),
            1..64 => {
                let label = bytes.get(at + 1..at + 1 + usize::from(len))?;
                if !name.is_empty() {
                    name.push('.');
                }
                // What is no letter of a host name becomes one that none has.
                let plain =
                    |b: &u8| if b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_') { char::from(*b) } else { '?' };
                name.extend(label.iter().map(plain));
                if name.len() > 255 {
                    return None;
                }
                at += 1 + usize::from(len);
            }
            0xc0.. => {
                let to = usize::from(u16::from_be_bytes([len & 0x3f, *bytes.get(at + 1)?]));
                after.get_or_insert(at + 2);
                // Only backwards, so that it ends.
                if to >= at {
                    return None;
                }
                at = to;
            }
            _ => return None,
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(records: &[&[u8]]) -> Vec<u8> {
        let mut out = question([7, 7], "_sip._udp.carrier.test", Kind::Srv).unwrap();
        // Without the additional record.
        out.truncate(out.len() - 11);
        out[2..4].copy_from_slice(&[0x81, 0x80]);
        out[6..8].copy_from_slice(&u16::try_from(records.len()).unwrap().to_be_bytes());
        out[10..12].copy_from_slice(&[0, 0]);
        out.extend(records.concat());
        out
    }

    /// Its name is the question's, its target `a.` and that.
    const RECORD: &[u8] = &[0xc0, 12, 0, 33, 0, 1, 0, 0, 0, 60, 0, 10, 0, 1, 0, 2, 0x13, 0xc4, 1, b'a', 0xc0, 22];

    #[test]
    fn servers_are_read_and_what_answers_another_question_is_not() {
        let name = "_sip._udp.carrier.test";
        let bytes = answer(&[RECORD, RECORD]);
        let Some(Answer::Found(found)) = read(&bytes, [7, 7], name, Kind::Srv) else { panic!("an answer") };
        let srv = Srv { priority: 1, weight: 2, port: 5060, target: "a.carrier.test".to_owned() };
        assert_eq!(found.records, [Record::Server(srv.clone()), Record::Server(srv)]);
        assert_eq!(found.life_s, Some(60));
        assert!(read(&bytes, [7, 8], name, Kind::Srv).is_none());
        assert!(read(&bytes, [7, 7], "_sip._udp.other.test", Kind::Srv).is_none());
        assert!(read(&bytes, [7, 7], name, Kind::A).is_none());
    }

    /// Order 10, preference 20, "s", "SIP+D2U", no rewriting, the domain of the question behind `_x`.
    const SERVICE: &[u8] = &[
        0xc0, 12, 0, 35, 0, 1, 0, 0, 0, 60, 0, 20, 0, 10, 0, 20, 1, b's', 7, b'S', b'I', b'P', b'+', b'D', b'2', b'U',
        0, 2, b'_', b'x', 0xc0, 22,
    ];

    #[test]
    fn services_are_read() {
        let mut bytes = answer(&[SERVICE]);
        let end = "_sip._udp.carrier.test".len() + 14;
        bytes[end + 1] = 35;
        let found = read(&bytes, [7, 7], "_sip._udp.carrier.test", Kind::Naptr);
        let Some(Answer::Found(found)) = found else { panic!("an answer") };
        let (flags, service) = ("s".to_owned(), "SIP+D2U".to_owned());
        let replacement = "_x.carrier.test".to_owned();
        let naptr = Naptr { order: 10, preference: 20, flags, service, replacement };
        assert_eq!(found.records, [Record::Service(naptr)]);
    }

    #[test]
    fn an_answer_that_says_it_is_short_is_asked_for_by_tcp() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let server = listener.local_addr().unwrap();
        let socket = UdpSocket::bind(server).unwrap();
        std::thread::spawn(move || {
            let mut buffer = [0; 512];
            let (len, from) = socket.recv_from(&mut buffer).unwrap();
            let mut short = buffer[..len].to_vec();
            short[2] = 0x83;
            socket.send_to(&short, from).unwrap();
            let (mut stream, _) = listener.accept().unwrap();
            stream.read_exact(&mut buffer[..2 + len]).unwrap();
            let mut whole = answer(&[RECORD]);
            whole[..2].copy_from_slice(&buffer[2..4]);
            stream.write_all(&u16::try_from(whole.len()).unwrap().to_be_bytes()).unwrap();
            stream.write_all(&whole).unwrap();
        });
        let found = ask(&[server], "_sip._udp.carrier.test", Kind::Srv).unwrap();
        assert_eq!(found.records.len(), 1);
    }

    #[test]
    fn harmed_answers_are_survived() {
        for (kind, record) in [(Kind::Srv, RECORD), (Kind::Naptr, SERVICE)] {
            let mut whole = answer(&[record, record]);
            let end = "_sip._udp.carrier.test".len() + 14;
            whole[end..end + 2].copy_from_slice(&kind.number().to_be_bytes());
            for cut in 0..whole.len() {
                let _ = read(&whole[..cut], [7, 7], "_sip._udp.carrier.test", kind);
                for value in [0, 1, 0x3f, 0x40, 0xc0, 0xff] {
                    let mut harmed = whole.clone();
                    harmed[cut] = value;
                    let _ = read(&harmed, [7, 7], "_sip._udp.carrier.test", kind);
                }
            }
        }
    }

    #[test]
    fn names_that_are_none_are_not_asked_for() {
        for name in ["", "a..b", &"x".repeat(64), &"x.".repeat(200)] {
            assert!(question([0, 0], name, Kind::A).is_none(), "{name}");
        }
    }
}
