//! REGISTER as a phone sends it, written as plain text to be independent of the crate under test: digest, retransmission,
//! refresh, and another try a little later when nobody answers.
use std::net::SocketAddrV4;
use std::time::Duration;

use sip::digest::{Credentials, Secret};
use sip::msg::{Message, Name};

use crate::exchange::agenda::{Happening, Octets};
use crate::exchange::outside::{NODE, Outside};

pub(crate) const DOMAIN: &str = "sim.example";
pub(crate) const PASSWORD: &str = "secret";
/// Tries of one request, half a second apart at first.
const TRIES: u32 = 6;

pub(crate) struct Registration {
    user: String,
    cseq: u32,
    authorization: String,
    expires: Duration,
    tries: u32,
    waiting: bool,
    /// When the next registration, or the next try, is due.
    due: Duration,
    /// Bindings are allowed to be wrong until then: a 200 came at this time.
    pub(crate) confirmed: Option<Duration>,
}

impl Registration {
    pub(crate) fn new(user: String, expires: Duration) -> Registration {
        Registration {
            user,
            cseq: 0,
            authorization: String::new(),
            expires,
            tries: 0,
            waiting: false,
            due: Duration::ZERO,
            confirmed: None,
        }
    }

    /// The time has come to register, or to send once more.
    pub(crate) fn run(&mut self, out: &mut Outside, phone: usize) {
        if out.now < self.due {
            return;
        }
        if !self.waiting {
            self.waiting = true;
            self.tries = 0;
            self.cseq += 1;
            self.authorization.clear();
        }
        self.tries += 1;
        if self.tries > TRIES {
            self.waiting = false;
            let pause = out.weather.between(Duration::from_secs(2), Duration::from_secs(10));
            return self.again(out, phone, pause);
        }
        self.send(out, phone);
        let pause = Duration::from_millis(500) * (1 << (self.tries - 1).min(3));
        self.again(out, phone, pause);
    }

    fn again(&mut self, out: &mut Outside, phone: usize, after: Duration) {
        self.due = out.now + after;
        out.plan(after, Happening::PhoneRegisters(phone));
    }

    fn send(&mut self, out: &mut Outside, phone: usize) {
        let (at, user, cseq) = (out.sip_address(phone), &self.user, self.cseq);
        let (seconds, branch) = (self.expires.as_secs(), format!("z9hG4bKr{phone}x{cseq}"));
        let text = format!(
            "REGISTER sip:{DOMAIN} SIP/2.0\r\nVia: SIP/2.0/UDP {at};branch={branch};rport\r\nMax-Forwards: 70\r\n\
             From: <sip:{user}@{DOMAIN}>;tag=r{cseq}\r\nTo: <sip:{user}@{DOMAIN}>\r\nCall-ID: reg-{phone}\r\n\
             CSeq: {cseq} REGISTER\r\nContact: <sip:{user}@{at}>;expires={seconds}\r\n{}Content-Length: 0\r\n\r\n",
            self.authorization,
        );
        let from: SocketAddrV4 = at;
        out.send(from, NODE, Octets::Owned(text.into_bytes()));
    }

    /// Takes an answer to our request; false if it is something else.
    pub(crate) fn response(&mut self, out: &mut Outside, phone: usize, bytes: &[u8]) -> bool {
        if !bytes.starts_with(b"SIP/2.0 ") {
            return false;
        }
        let Ok(message) = Message::parse(bytes) else { return false };
        if message.call_id() != format!("reg-{phone}") {
            return false;
        }
        if !self.waiting || message.cseq.number != self.cseq {
            return true;
        }
        let uri = format!("sip:{DOMAIN}");
        match message.status() {
            401 if self.authorization.is_empty() || self.tries < TRIES => {
                let credentials =
                    Credentials { user: self.user.clone(), secret: Secret::Password(PASSWORD.to_owned()) };
                let challenges = message.all(Name::WwwAuthenticate);
                if let Some(answer) = sip::digest::answer(challenges, &credentials, "REGISTER", &uri, 1, "c") {
                    self.authorization = format!("Authorization: {answer}\r\n");
                    self.cseq += 1;
                    self.tries += 1;
                    self.send(out, phone);
                    self.again(out, phone, Duration::from_millis(500));
                }
            }
            200 => {
                self.waiting = false;
                self.confirmed = Some(out.now);
                let refresh = self.expires.mul_f64(0.5 + 0.35 * out.weather.part());
                self.again(out, phone, refresh);
            }
            _ => {
                self.waiting = false;
                let pause = out.weather.between(Duration::from_secs(1), Duration::from_secs(8));
                self.again(out, phone, pause);
            }
        }
        true
    }
}
