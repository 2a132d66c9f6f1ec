//! Datagrams, stream bytes, wishes and time into a living endpoint: one call of a peer's up, one ringing, one of ours up, one
//! unanswered, a phone registered, a connection open. Asserts: no panic; what is sent are messages, and no more of them than
//! so many octets per octet received; each call ends once and says nothing after; when all calls are hung up and the
//! transactions' time has passed the tables are empty, and what memory is kept does not depend on what was sent.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

use sip::digest::{Credentials, Ha1, Secret, answer};
use sip::msg::{Builder, Message, Method, Name, NameAddr, Uri};
use sip::registrar::UserKey;
use sip::{
    Account, Admission, CallId, Command, Config, ConnId, Directory, Endpoint, Event, Hop, Input, Invite, Load, Output,
    Transport,
};

use crate::records::{self, Record};
use crate::{Target, allocation, corpus};

pub const TARGET: Target = Target {
    name: "sip_endpoint",
    run,
    seeds,
    max_len: 32_768,
    is_text: true,
    bytes_per_octet: 120,
    bytes_besides: 256 * 1024,
};

const DATAGRAM: u8 = 0;
const STREAM: u8 = 1;
const WAIT: u8 = 2;
const WISH: u8 = 3;
const NETWORK: u8 = 4;
const OPS: u8 = 5;

const REALM: &str = "call.example";
/// Octets an endpoint may keep for good: buffers of its queues, remembered nonces.
const KEPT_MAX: i64 = 256 * 1024;
/// More than the timers of a day's worth of what one input can start.
const STEPS_MAX: usize = 50_000;

struct Open;

impl Directory for Open {
    fn admit(&self, _: &Hop, invite: &Message) -> Admission {
        match invite.uri().and_then(|uri| uri.user.as_deref()) {
            Some("guarded") => Admission::Challenge { realm: REALM.to_owned() },
            Some("nobody") => Admission::Reject { status: 404 },
            _ => Admission::Accept { identity: None },
        }
    }

    fn realm(&self, domain: &str) -> Option<String> {
        (domain == REALM).then(|| REALM.to_owned())
    }

    fn account(&self, realm: &str, username: &str) -> Option<Account> {
        (username == "alice")
            .then(|| Account { user: "alice".into(), ha1: Ha1::from_password("alice", realm, "secret") })
    }

    fn may_register(&self, user: &UserKey, aor: &str) -> bool {
        &**user == "alice" && aor == "alice@call.example"
    }
}

fn ours() -> SocketAddr {
    SocketAddr::from(([192, 0, 2, 100], 5060))
}

fn peer(n: u8) -> SocketAddr {
    SocketAddr::from(([192, 0, 2, n % 4 + 1], 5060))
}

struct Lab {
    endpoint: Endpoint,
    now: Duration,
    calls: BTreeSet<CallId>,
    ended: BTreeSet<CallId>,
    /// Sent since the last look.
    sent: Vec<Vec<u8>>,
    /// All of it, for making inputs.
    wire: Vec<Vec<u8>>,
    octets_in: usize,
}

impl Lab {
    fn new() -> Self {
        let mut config = Config::new([7; 32]);
        config.limits.calls = 40;
        config.limits.transactions = 100;
        config.limits.streams = 4;
        config.limits.nonces = 100;
        Self {
            endpoint: Endpoint::new(config),
            now: Duration::from_secs(1),
            calls: BTreeSet::new(),
            ended: BTreeSet::new(),
            sent: Vec::new(),
            wire: Vec::new(),
            octets_in: 0,
        }
    }

    fn input(&mut self, input: Input<'_>) {
        self.endpoint.handle(self.now, input, &Open);
        while let Some(output) = self.endpoint.poll_output() {
            match output {
                Output::Transmit(transmit) => {
                    let bytes = &*transmit.bytes;
                    assert!(bytes == b"\r\n" || bytes.windows(7).take(200).any(|w| w == b"SIP/2.0"), "no message");
                    self.sent.push(bytes.to_vec());
                }
                Output::CloseStream { .. } => {}
                Output::Event(event) => self.hear(&event),
            }
        }
    }

    fn hear(&mut self, event: &Event) {
        let call = match event {
            Event::IncomingCall(incoming) => {
                assert!(self.calls.insert(incoming.call), "a call comes twice");
                incoming.call
            }
            Event::Invited { call, .. }
            | Event::Trying { call }
            | Event::Progress { call, .. }
            | Event::Answered { call, .. }
            | Event::EarlyOffer { call, .. }
            | Event::Established { call, .. }
            | Event::Reinvite { call, .. }
            | Event::ReinviteAcked { call, .. }
            | Event::ReinviteCancelled { call, .. }
            | Event::ReinviteDone { call, .. }
            | Event::Info { call, .. }
            | Event::Refer { call, .. }
            | Event::ReferProgress { call, .. }
            | Event::OptionsResult { call, .. }
            | Event::Ended { call, .. } => *call,
            Event::PingResult { .. }
            | Event::RegisterResult { .. }
            | Event::Registration { .. }
            | Event::Shunned { .. } => return,
        };
        assert!(self.calls.contains(&call), "a call nobody heard of");
        assert!(!self.ended.contains(&call), "a call says something after its end");
        if matches!(event, Event::Ended { .. }) {
            self.ended.insert(call);
        }
    }

    fn datagram(&mut self, from: u8, bytes: &[u8]) {
        self.octets_in += bytes.len();
        self.input(Input::Datagram { local: ours(), remote: peer(from), bytes });
    }

    fn wish(&mut self, command: Command) {
        self.input(Input::Command(command));
    }

    fn sent(&mut self) -> Vec<Vec<u8>> {
        let sent = std::mem::take(&mut self.sent);
        self.wire.extend(sent.iter().cloned());
        sent
    }

    fn invite(&mut self, number: u64, to: u8) -> Option<Message> {
        let call = CallId::outgoing(number);
        self.calls.insert(call);
        let invite = Invite {
            call,
            hop: Hop::udp(ours(), peer(to)),
            uri: Uri::sip(Some("bob"), "192.0.2.3", None),
            from: NameAddr::new(Uri::sip(Some("desk"), "192.0.2.100", None)),
            to: None,
            contact_user: Some("desk".to_owned()),
            headers: vec![],
            sdp: (number != 3).then(|| b"v=0 (offer)".to_vec()),
            credentials: Some(Credentials { user: "desk".to_owned(), secret: Secret::Password("secret".to_owned()) }),
        };
        self.wish(Command::Invite(Box::new(invite)));
        self.sent().pop().and_then(|bytes| Message::parse(&bytes).ok())
    }

    /// The state every input meets. The same each time, tags and branches included.
    fn set_up() -> Self {
        let mut lab = Self::new();
        for (number, name) in [(1u8, "up"), (2, "ringing")] {
            lab.datagram(number, incoming(name, "INVITE", 1, None).as_bytes());
            let Some(call) = lab.calls.last().copied() else { panic!("no call came") };
            if name == "up" {
                lab.wish(Command::Answer { call, sdp: b"v=0 (answer)".to_vec(), headers: vec![] });
                let tag = lab.sent().pop().and_then(|ok| Message::parse(&ok).ok()?.to.tag().map(str::to_owned));
                lab.datagram(number, incoming(name, "ACK", 1, tag.as_deref()).as_bytes());
            } else {
                lab.wish(Command::Progress { call, status: 180, sdp: None });
                lab.sent();
            }
        }
        if let Some(invite) = lab.invite(1, 2) {
            lab.datagram(2, &response(&invite, 200, "bobs"));
        }
        lab.sent();
        lab.invite(2, 2);
        lab.datagram(3, register("").as_bytes());
        let challenge = lab.sent().pop().and_then(|bytes| Message::parse(&bytes).ok());
        if let Some(header) = challenge.and_then(|c| authorization(&c)) {
            lab.datagram(3, register(&format!("Authorization: {header}\r\n")).as_bytes());
        }
        lab.sent();
        let (conn, transport) = (ConnId(1), Transport::Tcp);
        lab.input(Input::StreamOpened { conn, transport, local: ours(), remote: peer(3) });
        assert_eq!((lab.endpoint.load().calls, lab.endpoint.load().bindings), (4, 1));
        lab
    }

    fn step(&mut self, Record { op, arg, data }: Record<'_>) {
        let octets = self.octets_in;
        match op % OPS {
            DATAGRAM => {
                self.datagram(arg, data);
                let answered: usize = self.sent().iter().map(Vec::len).sum();
                // A BYE lets go of an INVITE whose headers are copied into its response; hence the sum so far.
                let allowed = 4 * (octets + data.len()) + 4096;
                assert!(answered <= allowed, "{answered} octets answer {}", data.len());
            }
            STREAM => {
                self.octets_in += data.len();
                self.input(Input::Stream { conn: ConnId(1 + u64::from(arg % 2)), bytes: data });
            }
            WAIT => {
                let until = self.now + Duration::from_millis(u64::from(arg) * u64::from(arg));
                self.pass(until);
            }
            WISH => {
                let known: Vec<CallId> = self.calls.iter().copied().collect();
                if let Some(call) = known.get(usize::from(arg / 16) % known.len().max(1)) {
                    self.wish(wish(arg % 16, *call));
                }
            }
            _ => {
                let (conn, transport) = (ConnId(u64::from(arg % 3)), Transport::Tcp);
                self.input(match arg / 64 {
                    0 => Input::StreamOpened { conn: ConnId(2), transport, local: ours(), remote: peer(arg) },
                    1 => Input::StreamClosed { conn },
                    2 => Input::Unreachable { transport: Transport::Udp, remote: peer(arg) },
                    _ => Input::Timeout,
                });
            }
        }
        self.sent.clear();
    }

    fn pass(&mut self, until: Duration) {
        for _ in 0..STEPS_MAX {
            let Some(at) = self.endpoint.next_timeout().filter(|at| *at <= until) else {
                self.now = until;
                return;
            };
            self.now = self.now.max(at);
            self.input(Input::Timeout);
            self.sent.clear();
        }
        panic!("timers do not come to rest");
    }

    /// Everybody hangs up and the longest time there is passes.
    fn tear_down(&mut self) {
        for call in self.calls.clone() {
            self.wish(Command::Hangup { call, headers: vec![] });
        }
        for conn in 0..3 {
            self.input(Input::StreamClosed { conn: ConnId(conn) });
        }
        self.pass(self.now + Duration::from_secs(100_000));
        assert_eq!(self.endpoint.load(), Load::default(), "something stays for ever");
        assert_eq!(self.endpoint.next_timeout(), None);
        assert_eq!(self.calls, self.ended, "each call ends");
        (self.sent, self.wire) = (Vec::new(), Vec::new());
    }
}

fn wish(kind: u8, call: CallId) -> Command {
    let sdp = b"v=0 (more)".to_vec();
    match kind {
        0 => Command::Hangup { call, headers: vec![("Reason".to_owned(), "Q.850;cause=16".to_owned())] },
        1 => Command::Answer { call, sdp, headers: vec![] },
        2 => Command::Reject { call, status: 486, headers: vec![] },
        3 => Command::Reinvite { call, sdp: Some(sdp) },
        4 => Command::Reinvite { call, sdp: None },
        5 => Command::AnswerReinvite { call, sdp },
        6 => Command::RejectReinvite { call, status: 488 },
        7 => Command::Ack { call, sdp },
        8 => Command::Info { call, content_type: "application/dtmf".to_owned(), body: b"5".to_vec() },
        9 => Command::Options { call },
        _ => Command::Progress { call, status: 183, sdp: Some(sdp) },
    }
}

/// A request of a peer's in one of its calls.
fn incoming(name: &str, method: &str, number: u32, to_tag: Option<&str>) -> String {
    let tag = to_tag.map(|tag| format!(";tag={tag}")).unwrap_or_default();
    let body = if method == "INVITE" { "v=0 (offer)" } else { "" };
    let kind = if body.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
    format!(
        "{method} sip:3000@192.0.2.100 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.2:5060;branch=z9hG4bK{name}{method}{number};rport\r\n\
         Max-Forwards: 70\r\nFrom: \"A\" <sip:a@192.0.2.2>;tag=a{name}\r\nTo: <sip:3000@192.0.2.100>{tag}\r\nCall-ID: {name}\r\n\
         CSeq: {number} {method}\r\nContact: <sip:a@192.0.2.2:5060>\r\n{kind}Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

fn register(more: &str) -> String {
    let number = if more.is_empty() { 1 } else { 2 };
    format!(
        "REGISTER sip:call.example SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.4;branch=z9hG4bKr{number}\r\nFrom: <sip:alice@call.example>;tag=r\r\n\
         To: <sip:alice@call.example>\r\nCall-ID: register\r\nCSeq: {number} REGISTER\r\nContact: <sip:alice@192.0.2.4>\r\n\
         Expires: 600\r\n{more}Content-Length: 0\r\n\r\n"
    )
}

fn authorization(challenge: &Message) -> Option<String> {
    let credentials = Credentials { user: "alice".to_owned(), secret: Secret::Password("secret".to_owned()) };
    answer(challenge.all(Name::WwwAuthenticate), &credentials, "REGISTER", "sip:call.example", 1, "c")
}

fn response(request: &Message, status: u16, tag: &str) -> Vec<u8> {
    let reply = Builder::reply(request, ours(), status, "Said", Some(tag));
    let reply = reply.header(Name::Contact, "<sip:bob@192.0.2.3:5060>");
    reply.body("application/sdp", b"v=0 (theirs)").finish()
}

fn seeds() -> Vec<Vec<u8>> {
    let mut lab = Lab::set_up();
    let sent: Vec<Message> = lab.wire.iter().filter_map(|bytes| Message::parse(bytes).ok()).collect();
    let is_invite = |m: &&Message| m.is_request() && *m.method() == Method::Invite;
    let ours: Vec<&Message> = sent.iter().filter(is_invite).collect();
    let ok = |call: &str| sent.iter().rev().find(|m| m.status() >= 180 && m.call_id() == call);
    let tag = |call: &str| ok(call).and_then(|m| m.to.tag()).map(str::to_owned);
    let mut steps: Vec<(u8, Vec<u8>)> = Vec::new();
    for (name, from) in [("up", 1), ("ringing", 2)] {
        for (number, method) in ["INFO", "OPTIONS", "INVITE", "ACK", "CANCEL", "BYE", "UPDATE"].iter().enumerate() {
            let text = incoming(name, method, number as u32 + 2, tag(name).as_deref());
            steps.push((from, text.into_bytes()));
        }
    }
    steps.push((2, incoming("ringing", "CANCEL", 1, None).replace("CANCEL1;", "INVITE1;").into_bytes()));
    if let Some(unanswered) = ours.last() {
        for (status, fork) in
            [(180, "fork1"), (183, "fork2"), (200, "fork1"), (200, "fork2"), (486, "x"), (401, "x"), (302, "y")]
        {
            steps.push((2, response(unanswered, status, fork)));
        }
    }
    for name in ["new", "guarded", "nobody"] {
        steps.push((0, incoming(name, "INVITE", 1, None).replace("3000", name).into_bytes()));
    }
    let one = |(from, bytes): &(u8, Vec<u8>)| {
        let mut out = Vec::new();
        records::write(&mut out, DATAGRAM, *from, bytes);
        records::write(&mut out, WAIT, 40, &[]);
        out
    };
    let mut all: Vec<Vec<u8>> = steps.iter().map(one).collect();
    // A call's whole life, with wishes between; and a re-INVITE that crosses ours.
    all.push(steps.iter().take(7).flat_map(one).collect());
    let mut crossing = Vec::new();
    records::write(&mut crossing, WISH, 3, &[]);
    crossing.extend(one(&steps[2]));
    records::write(&mut crossing, WISH, 16 + 5, &[]);
    records::write(&mut crossing, WAIT, 200, &[]);
    crossing.extend(one(&steps[5]));
    all.push(crossing);
    let torture = corpus::torture();
    for (n, message) in torture.iter().enumerate() {
        let mut out = Vec::new();
        records::write(&mut out, if n % 2 == 0 { DATAGRAM } else { STREAM }, 0, message);
        records::write(&mut out, NETWORK, (n * 20) as u8, &[]);
        all.push(out);
    }
    lab.tear_down();
    all
}

fn run(bytes: &[u8]) {
    let before = allocation::live();
    let mut lab = Lab::set_up();
    for record in records::read(bytes) {
        lab.step(record);
    }
    lab.tear_down();
    (lab.calls, lab.ended) = (BTreeSet::new(), BTreeSet::new());
    let kept = allocation::live() - before;
    assert!(kept <= KEPT_MAX, "{kept} octets are kept when nothing is going on");
}
