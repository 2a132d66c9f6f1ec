//! What the endpoint costs by itself, without sockets: a REGISTER with challenge, one with the nonce kept, and a new call
//! turned away with the ACK that follows. `cargo run --release -p sip --example sip_bench [devices]`.
#![expect(clippy::unwrap_used, reason = "a measurement that cannot go on should stop")]
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use sip::digest::{Credentials, Ha1, Secret, answer};
use sip::msg::{Message, Name};
use sip::registrar::UserKey;
use sip::{Account, Admission, Config, Directory, Endpoint, Hop, Input, Output};

const REALM: &str = "call.example";

struct Everybody;

impl Directory for Everybody {
    fn admit(&self, _: &Hop, _: &Message) -> Admission {
        Admission::Reject { status: 503 }
    }
    fn realm(&self, _: &str) -> Option<String> {
        Some(REALM.to_owned())
    }
    fn account(&self, realm: &str, user: &str) -> Option<Account> {
        Some(Account { user: format!("{user}@{realm}").into(), ha1: Ha1::from_password(user, realm, "secret") })
    }
    fn may_register(&self, _: &UserKey, _: &str) -> bool {
        true
    }
}

fn main() {
    let devices: usize = std::env::args().nth(1).map_or(20_000, |n| n.parse().unwrap());
    let mut endpoint = Endpoint::new(Config::new([7; 32]));
    let mut bench = Bench { now: Duration::ZERO, spent: Duration::ZERO, hop: Hop::udp(address(5060), address(20_000)) };

    let mut answers = Vec::new();
    for n in 0..devices {
        let challenge = bench.give(&mut endpoint, register(n, 1, "").as_bytes()).unwrap();
        answers.push(authorization(n, &challenge, 1));
        let ok = bench.give(&mut endpoint, register(n, 2, &answers[n].0).as_bytes()).unwrap();
        assert!(ok.starts_with(b"SIP/2.0 200"));
    }
    bench.tell("REGISTER, challenged", devices);
    for (n, (_, challenge)) in answers.iter().enumerate() {
        let again = authorization(n, challenge, 2);
        let ok = bench.give(&mut endpoint, register(n, 3, &again.0).as_bytes()).unwrap();
        assert!(ok.starts_with(b"SIP/2.0 200"));
    }
    bench.tell("REGISTER, nonce kept", devices);

    for n in 0..devices {
        let invite = invite(n);
        let started = Instant::now();
        let refusal = endpoint.turn_away(&bench.hop, invite.as_bytes()).unwrap();
        bench.spent += started.elapsed();
        let tag = String::from_utf8(refusal.bytes.to_vec()).unwrap();
        let to = tag.lines().find(|l| l.starts_with("To:")).unwrap().to_owned();
        let ack = invite.replace("INVITE", "ACK").replace(&format!("To: <sip:3000@{REALM}>"), &to);
        assert!(bench.give(&mut endpoint, ack.as_bytes()).is_none());
    }
    bench.tell("INVITE turned away, and its ACK", devices);
    println!("{:?}", endpoint.load());
}

struct Bench {
    now: Duration,
    spent: Duration,
    hop: Hop,
}

impl Bench {
    /// The last message sent in answer.
    fn give(&mut self, endpoint: &mut Endpoint, bytes: &[u8]) -> Option<Vec<u8>> {
        self.now += Duration::from_millis(1);
        let input = Input::Datagram { local: self.hop.local, remote: self.hop.remote, bytes };
        let started = Instant::now();
        endpoint.handle(self.now, input, &Everybody);
        let mut sent = None;
        while let Some(output) = endpoint.poll_output() {
            if let Output::Transmit(transmit) = output {
                sent = Some(transmit.bytes);
            }
        }
        self.spent += started.elapsed();
        sent.map(|bytes| bytes.to_vec())
    }

    fn tell(&mut self, what: &str, count: usize) {
        let each = std::mem::take(&mut self.spent).as_secs_f64() * 1e6 / count as f64;
        println!("{what}: {each:.2} µs");
    }
}

fn address(port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port))
}

fn register(n: usize, cseq: u32, more: &str) -> String {
    format!(
        "REGISTER sip:{REALM} SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:20000;branch=z9hG4bKr-{n}-{cseq};rport\r\nMax-Forwards: 70\r\n\
         From: <sip:u{n}@{REALM}>;tag=r{n}\r\nTo: <sip:u{n}@{REALM}>\r\nCall-ID: r-{n}@bench\r\nCSeq: {cseq} REGISTER\r\n\
         Contact: <sip:u{n}@127.0.0.1:20000>\r\nExpires: 3600\r\n{more}User-Agent: bench\r\nContent-Length: 0\r\n\r\n"
    )
}

fn authorization(n: usize, challenge: &[u8], nc: u32) -> (String, Vec<u8>) {
    let message = Message::parse(challenge).unwrap();
    let credentials = Credentials { user: format!("u{n}"), secret: Secret::Password("secret".to_owned()) };
    let uri = format!("sip:{REALM}");
    let value = answer(message.all(Name::WwwAuthenticate), &credentials, "REGISTER", &uri, nc, "cn").unwrap();
    (format!("Authorization: {value}\r\n"), challenge.to_vec())
}

fn invite(n: usize) -> String {
    format!(
        "INVITE sip:3000@{REALM} SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:20000;branch=z9hG4bKi-{n};rport\r\nMax-Forwards: 70\r\n\
         From: <sip:u{n}@{REALM}>;tag=i{n}\r\nTo: <sip:3000@{REALM}>\r\nCall-ID: i-{n}@bench\r\nCSeq: 1 INVITE\r\n\
         Contact: <sip:u{n}@127.0.0.1:20000>\r\nContent-Type: application/sdp\r\nContent-Length: 4\r\n\r\nv=0\r\n"
    )
}
