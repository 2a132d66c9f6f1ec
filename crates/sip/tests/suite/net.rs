//! A simulated network of endpoints with a virtual clock: delay, loss and repetition by a seeded generator.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use sip::digest::Ha1;
use sip::msg::{Message, NameAddr, Uri};
use sip::registrar::UserKey;
use sip::{
    Account, Admission, CallId, Command, Config, Directory, EndCause, Endpoint, Event, Hop, Input, Invite, Output,
};

pub const REALM: &str = "call.example";

/// Admits by `admission`; knows user `alice` with password `secret`.
pub struct Policy {
    pub admission: Admission,
}

impl Default for Policy {
    fn default() -> Self {
        Self { admission: Admission::Accept { identity: None } }
    }
}

impl Directory for Policy {
    fn admit(&self, _: &Hop, _: &Message) -> Admission {
        self.admission.clone()
    }

    fn realm(&self, domain: &str) -> Option<String> {
        (domain == REALM).then(|| REALM.to_owned())
    }

    fn account(&self, realm: &str, username: &str) -> Option<Account> {
        let known = realm == REALM && username == "alice";
        known.then(|| Account { user: "user-alice".into(), ha1: Ha1::from_password("alice", REALM, "secret") })
    }

    fn may_register(&self, user: &UserKey, aor: &str) -> bool {
        &**user == "user-alice" && aor == "alice@call.example"
    }
}

/// What the link does to datagrams, in percent.
#[derive(Debug, Clone, Copy, Default)]
pub struct Link {
    pub loss: u64,
    pub duplicate: u64,
    /// Delay is 1 ms to this.
    pub jitter_ms: u64,
}

pub struct Net {
    pub now: Duration,
    pub nodes: Vec<Endpoint>,
    pub events: Vec<Vec<Event>>,
    pub policy: Policy,
    pub link: Link,
    /// Datagrams sent, first line only, as (from, to, line).
    pub trace: Vec<(usize, usize, String)>,
    /// Datagrams sent, whole.
    pub wire: Vec<Vec<u8>>,
    in_flight: BTreeMap<(Duration, u64), (SocketAddr, SocketAddr, Vec<u8>)>,
    sent: u64,
    state: u64,
}

pub fn address(node: usize) -> SocketAddr {
    format!("192.0.2.{}:5060", node + 1).parse().unwrap()
}

impl Net {
    pub fn new(nodes: u8, link: Link, seed: u64) -> Self {
        Self::with_config(nodes, link, seed, |_| {})
    }

    pub fn with_config(nodes: u8, link: Link, seed: u64, change: impl Fn(&mut Config)) -> Self {
        let build = |node: u8| {
            let mut config = Config::new([node + 1; 32]);
            change(&mut config);
            Endpoint::new(config)
        };
        Self {
            now: Duration::from_secs(1),
            nodes: (0..nodes).map(build).collect(),
            events: vec![Vec::new(); usize::from(nodes)],
            policy: Policy::default(),
            link,
            trace: Vec::new(),
            wire: Vec::new(),
            in_flight: BTreeMap::new(),
            sent: 0,
            state: seed | 1,
        }
    }

    pub fn below(&mut self, limit: u64) -> u64 {
        // xorshift64*: good enough to shake a network.
        self.state ^= self.state >> 12;
        self.state ^= self.state << 25;
        self.state ^= self.state >> 27;
        (self.state.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) % limit.max(1)
    }

    pub fn input(&mut self, node: usize, input: Input<'_>) {
        self.nodes[node].handle(self.now, input, &self.policy);
        self.drain(node);
    }

    pub fn command(&mut self, node: usize, command: Command) {
        self.input(node, Input::Command(command));
    }

    fn drain(&mut self, node: usize) {
        while let Some(output) = self.nodes[node].poll_output() {
            match output {
                Output::Event(event) => self.events[node].push(event),
                Output::CloseStream { .. } => {}
                Output::Transmit(transmit) => {
                    let to = transmit.hop.remote;
                    let line = transmit.bytes.split(|b| *b == b'\r').next().unwrap();
                    let peer = (0..self.nodes.len()).find(|n| address(*n) == to).unwrap_or(usize::MAX);
                    self.trace.push((node, peer, String::from_utf8_lossy(line).into_owned()));
                    self.wire.push(transmit.bytes.to_vec());
                    if self.below(100) < self.link.loss {
                        continue;
                    }
                    let copies = 1 + u64::from(self.below(100) < self.link.duplicate);
                    for _ in 0..copies {
                        self.sent += 1;
                        let delay = Duration::from_millis(1 + self.below(self.link.jitter_ms));
                        let key = (self.now + delay, self.sent);
                        self.in_flight.insert(key, (address(node), to, transmit.bytes.to_vec()));
                    }
                }
            }
        }
    }

    fn next_at(&self) -> Option<Duration> {
        let flight = self.in_flight.keys().next().map(|(at, _)| *at);
        let timers = self.nodes.iter().filter_map(Endpoint::next_timeout).min();
        flight.into_iter().chain(timers).min()
    }

    /// Runs until `span` has passed.
    pub fn advance(&mut self, span: Duration) {
        let end = self.now + span;
        while let Some(at) = self.next_at().filter(|at| *at <= end) {
            self.now = self.now.max(at);
            self.step();
        }
        self.now = end;
    }

    pub fn advance_ms(&mut self, ms: u64) {
        self.advance(Duration::from_millis(ms));
    }

    /// Runs until nothing is left to do. Panics when that takes more than `limit` of virtual time.
    pub fn settle(&mut self, limit: Duration) {
        let end = self.now + limit;
        while let Some(at) = self.next_at() {
            assert!(at <= end, "not settled after {limit:?}");
            self.now = self.now.max(at);
            self.step();
        }
    }

    fn step(&mut self) {
        while let Some(entry) = self.in_flight.first_entry().filter(|entry| entry.key().0 <= self.now) {
            let (from, to, bytes) = entry.remove();
            if let Some(node) = (0..self.nodes.len()).find(|node| address(*node) == to) {
                self.input(node, Input::Datagram { local: to, remote: from, bytes: &bytes });
            }
        }
        for node in 0..self.nodes.len() {
            if self.nodes[node].next_timeout().is_some_and(|at| at <= self.now) {
                self.input(node, Input::Timeout);
            }
        }
    }

    /// Node `from` calls node `to`.
    pub fn call(&mut self, from: usize, to: usize, number: u64) -> CallId {
        let call = CallId::outgoing(number);
        let invite = invite(call, from, to);
        self.command(from, Command::Invite(Box::new(invite)));
        call
    }

    /// The first incoming call at `node`.
    pub fn incoming(&self, node: usize) -> CallId {
        let found = self.events[node].iter().find_map(|event| match event {
            Event::IncomingCall(incoming) => Some(incoming.call),
            _ => None,
        });
        found.expect("no incoming call")
    }

    /// The causes of all calls that ended at `node`.
    pub fn ends(&self, node: usize) -> Vec<EndCause> {
        let causes = self.events[node].iter().filter_map(|event| match event {
            Event::Ended { cause, .. } => Some(cause.clone()),
            _ => None,
        });
        causes.collect()
    }

    /// Sets up a call from node 0 to node 1: their ids for it.
    pub fn established(&mut self) -> (CallId, CallId) {
        let caller = self.call(0, 1, 1);
        self.advance_ms(50);
        let callee = self.incoming(1);
        self.command(1, Command::Answer { call: callee, sdp: b"answer".to_vec(), headers: vec![] });
        self.advance_ms(50);
        assert!(self.events[0].iter().any(|e| matches!(e, Event::Answered { .. })));
        assert!(self.events[1].iter().any(|e| matches!(e, Event::Established { .. })));
        (caller, callee)
    }

    /// First lines sent from `from`, without what follows the method or status.
    pub fn lines(&self, from: usize) -> Vec<String> {
        let short = |line: &String| match line.strip_prefix("SIP/2.0 ") {
            Some(rest) => rest.split(' ').next().unwrap().to_owned(),
            None => line.split(' ').next().unwrap().to_owned(),
        };
        self.trace.iter().filter(|(node, ..)| *node == from).map(|(.., line)| short(line)).collect()
    }

    /// The last 2xx that anybody sent, whole.
    pub fn last_answer(&self) -> String {
        let found = self.wire.iter().rev().find(|bytes| bytes.starts_with(b"SIP/2.0 2"));
        String::from_utf8(found.expect("no answer").clone()).unwrap()
    }

    pub fn assert_empty(&self) {
        for node in &self.nodes {
            assert_eq!(node.load(), sip::Load::default());
        }
    }
}

pub fn invite(call: CallId, from: usize, to: usize) -> Invite {
    Invite {
        call,
        hop: Hop::udp(address(from), address(to)),
        uri: Uri::parse(&format!("sip:3000@{}", address(to).ip())).unwrap(),
        from: NameAddr::new(Uri::parse(&format!("sip:caller@{}", address(from).ip())).unwrap()),
        to: None,
        contact_user: Some("caller".to_owned()),
        headers: vec![("X-Test".to_owned(), "yes".to_owned())],
        sdp: Some(b"offer".to_vec()),
        credentials: None,
    }
}
