//! Threads that look names up, which may take seconds: where the servers of a SIP domain are (RFC 3263 §4.2), in the order in
//! which they are to be tried. Started by [`crate::Telephony::start`], asked by the control thread.
//!
//! A name with a port has addresses alone. One without may have SRV records for its transport, under the name that its NAPTR
//! records say or else the usual one; if it has none, its addresses and the transport's own port are meant. Which transport
//! is the asker's to say.
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::time::Duration;

use sip::Transport;
use sip::locate::{self, Naptr, Srv};
use switch::ResolveKey;

use crate::dns::{self, Found, Kind, Record};
use crate::wake::Wake;

/// Names looked up at the same time: one whose name server is away keeps a thread for seconds.
pub(crate) const THREADS: usize = 4;
/// Addresses of one name that are tried.
const ADDRESSES_MAX: usize = 8;
/// Names of SRV records that a domain's NAPTR records send us to.
const SERVICES_MAX: usize = 4;
/// Servers of one domain whose addresses are looked up.
const SERVERS_MAX: usize = 4;
/// What is found holds so long at least and at most, whatever its owner says: no flood of questions, no address of last week.
const LIFE_MIN: Duration = Duration::from_secs(30);
const LIFE_MAX: Duration = Duration::from_secs(300);

/// A name to look up.
pub(crate) struct Question {
    pub(crate) key: ResolveKey,
    pub(crate) host: String,
    pub(crate) port: Option<u16>,
    pub(crate) transport: Transport,
}

pub(crate) struct Answer {
    pub(crate) key: ResolveKey,
    /// In the order of trying.
    pub(crate) addresses: Vec<SocketAddr>,
    /// How long that holds.
    pub(crate) life: Duration,
}

/// The body of each thread. `server`: the name server that the operator chose, instead of the machine's.
pub(crate) fn look_up(
    questions: &crossbeam_channel::Receiver<Question>,
    answers: &crossbeam_channel::Sender<Answer>,
    server: Option<SocketAddr>,
    wake: &Wake,
) {
    while let Ok(question) = questions.recv() {
        let (addresses, life_s) = locate(&question, server);
        let life = life_s.map_or(LIFE_MAX, |s| Duration::from_secs(u64::from(s))).clamp(LIFE_MIN, LIFE_MAX);
        if answers.send(Answer { key: question.key, addresses, life }).is_err() {
            return;
        }
        wake.wake();
    }
}

fn locate(question: &Question, server: Option<SocketAddr>) -> (Vec<SocketAddr>, Option<u32>) {
    let Question { host, port, transport, .. } = question;
    let asked = |port| addresses(host, port, server);
    if let Some(port) = port {
        return asked(*port);
    }
    let servers = server.map_or_else(dns::system_servers, |server| vec![server]);
    let said = dns::ask(&servers, host, Kind::Naptr).unwrap_or_default();
    let mut services = locate::services(said.records.into_iter().filter_map(service_of).collect(), *transport);
    services.truncate(SERVICES_MAX);
    let (mut life_s, mut known) = (said.life_s.filter(|_| !services.is_empty()), Vec::new());
    for name in services.into_iter().chain(locate::srv_name(*transport, host)) {
        let found = dns::ask(&servers, &name, Kind::Srv).unwrap_or_default();
        known.extend(found.records.into_iter().filter_map(server_of));
        if !known.is_empty() {
            life_s = [life_s, found.life_s].into_iter().flatten().min();
            break;
        }
    }
    if known.is_empty() {
        return asked(transport.default_port());
    }
    let mut all = Vec::new();
    // An empty target: the service is decidedly not there (RFC 2782).
    let there = locate::in_turn(known, chance).into_iter().filter(|srv| !srv.target.is_empty());
    for srv in there.take(SERVERS_MAX) {
        let (found, life) = addresses(&srv.target, srv.port, server);
        life_s = [life_s, life].into_iter().flatten().min();
        all.extend(found.into_iter().filter(|a| !all.contains(a)).collect::<Vec<_>>());
    }
    all.truncate(ADDRESSES_MAX);
    (all, life_s)
}

fn server_of(record: Record) -> Option<Srv> {
    match record {
        Record::Server(srv) => Some(srv),
        Record::Address(_) | Record::Service(_) => None,
    }
}

fn service_of(record: Record) -> Option<Naptr> {
    match record {
        Record::Service(naptr) => Some(naptr),
        Record::Address(_) | Record::Server(_) => None,
    }
}

/// By the machine's resolver, which knows its `hosts` file too and tells no life; or by the name server that was chosen.
fn addresses(host: &str, port: u16, server: Option<SocketAddr>) -> (Vec<SocketAddr>, Option<u32>) {
    let Some(server) = server else {
        let found = (host, port).to_socket_addrs().map(|all| all.take(ADDRESSES_MAX).collect());
        return (found.unwrap_or_default(), None);
    };
    if let Ok(ip) = host.parse::<IpAddr>() {
        return (vec![SocketAddr::new(ip, port)], None);
    }
    let both = [Kind::A, Kind::Aaaa].map(|kind| dns::ask(&[server], host, kind).unwrap_or_default());
    let life_s = both.iter().filter_map(|found| found.life_s).min();
    let address = |record| match record {
        Record::Address(ip) => Some(SocketAddr::new(ip, port)),
        Record::Server(_) | Record::Service(_) => None,
    };
    let all = both.into_iter().flat_map(|Found { records, .. }| records).filter_map(address);
    (all.take(ADDRESSES_MAX).collect(), life_s)
}

/// A number from 0 to `most`. Nothing secret is made of it.
fn chance(most: u32) -> u32 {
    let mut bytes = [0; 8];
    // Without randomness the weights have no say, and no call is lost for it.
    let _ = aws_lc_rs::rand::fill(&mut bytes);
    (u64::from_le_bytes(bytes) % (u64::from(most) + 1)) as u32
}
