//! Questions to name servers (RFC 1035) of the kinds that the standard library cannot ask: SRV, and A and AAAA of a server
//! that the operator chose. Blocking, used by the threads of [`crate::names`].
//!
//! Contract: what comes back is a stranger's word: it is matched with its question by number, name and kind, from the address
//! that was asked, and read within bounds. A question takes two tries of [`PATIENCE`] each at each server.
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use sip::locate::Srv;

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
}

impl Kind {
    fn number(self) -> u16 {
        match self {
            Kind::A => 1,
            Kind::Aaaa => 28,
            Kind::Srv => 33,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Record {
    Address(IpAddr),
    Server(Srv),
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
    for server in (0..TRIES).flat_map(|_| servers.iter().take(SERVERS_MAX)) {
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
            Some(Answer::Failed) => return Err(io::Error::other("the name server cannot answer")),
            // Somebody else's.
            None => {}
        }
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
    let mut found = Found::default();
    // Names on the way (CNAME) are followed by the server; which of them a record is of does not matter to us. One that was
    // cut short is used as far as it goes.
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
    };
    Some((Some(record), life, next))
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

    #[test]
    fn harmed_answers_are_survived() {
        let whole = answer(&[RECORD, RECORD]);
        for cut in 0..whole.len() {
            let _ = read(&whole[..cut], [7, 7], "_sip._udp.carrier.test", Kind::Srv);
            for value in [0, 1, 0x3f, 0x40, 0xc0, 0xff] {
                let mut harmed = whole.clone();
                harmed[cut] = value;
                let _ = read(&harmed, [7, 7], "_sip._udp.carrier.test", Kind::Srv);
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
