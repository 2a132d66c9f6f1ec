//! The device's side: takes what comes, rings, answers at once, and says 200 to whatever else the server asks.
use std::fmt::Write as _;
use std::time::{Duration, Instant};

use super::{Answering, DEVICES, MediaNews, Phones, Side, T1, T2, Timer};
use crate::sip::wire::{Wire, user_of};

/// One call to a device.
pub(super) struct Leg {
    /// The caller's call, if it was one of ours.
    call: Option<usize>,
    /// Our final response until it is acknowledged, when repeating ends.
    answer: Option<(String, Instant)>,
    /// Where the server wants this side's sound.
    media: Option<std::net::SocketAddr>,
    is_acknowledged: bool,
    is_over: bool,
}

impl Phones {
    pub(super) fn device_got(&mut self, wire: &Wire<'_>) {
        let Some(call_id) = wire.header("Call-ID") else { return };
        if let Some(status) = wire.status() {
            return self.registration_got(call_id, status, wire);
        }
        let Some(method) = wire.method() else { return };
        let leg = self.leg_by_call_id.get(call_id).copied();
        match (method, leg) {
            ("INVITE", None) => self.device_invited(call_id, wire),
            ("INVITE", Some(leg)) => self.device_invited_again(leg, wire),
            ("ACK", Some(leg)) => self.device_acknowledged(leg),
            ("ACK", None) => {}
            ("BYE", Some(leg)) => {
                self.reply(leg, wire, "200 OK");
                self.legs[leg].is_over = true;
                if let Some(call) = self.legs[leg].call {
                    self.ledger.records[call].device_ended = true;
                    self.settle(call);
                }
            }
            ("CANCEL", Some(leg)) => {
                self.reply(leg, wire, "200 OK");
                // Answered at once, so a CANCEL crosses our final response, which stands.
            }
            ("OPTIONS", Some(leg)) if self.legs[leg].is_over => {
                let text = answer(wire, "481 Call/Transaction Does Not Exist", "", "");
                self.send(DEVICES, &text);
            }
            ("BYE" | "CANCEL", None) => {
                let text = answer(wire, "481 Call/Transaction Does Not Exist", "", "");
                self.send(DEVICES, &text);
            }
            _ => {
                let text = answer(wire, "200 OK", "", "");
                self.send(DEVICES, &text);
            }
        }
    }

    fn device_invited(&mut self, call_id: &str, wire: &Wire<'_>) {
        let leg = self.legs.len();
        let call = wire.header("From").map(user_of).and_then(|number| self.call_of_number(number));
        match call {
            Some(call) => {
                let record = &mut self.ledger.records[call];
                if record.device_call_id.replace(call_id.to_owned()).is_some() {
                    self.ledger.second_offers += 1;
                }
            }
            None => self.ledger.strangers += 1,
        }
        self.leg_by_call_id.insert(call_id.to_owned(), leg);
        let until = Instant::now() + super::GIVE_UP;
        let tag = format!(";tag=d{leg}");
        let text = match self.answering {
            Answering::Accept => {
                self.send(DEVICES, &answer(wire, "180 Ringing", &tag, ""));
                let user = wire.header("To").map_or("", user_of);
                let body = self.session(call.unwrap_or(leg), Side::Device);
                let contact =
                    format!("Contact: <sip:{user}@{}>\r\nContent-Type: application/sdp\r\n", self.locals[DEVICES.0]);
                with_body(wire, "200 OK", &tag, &contact, &body)
            }
            Answering::Refuse(status) => answer(wire, &format!("{status} No"), &tag, ""),
        };
        self.send(DEVICES, &text);
        self.legs.push(Leg {
            call,
            answer: Some((text, until)),
            media: wire.media(),
            is_acknowledged: false,
            is_over: false,
        });
        self.set(Instant::now() + T1, Timer::Answer { leg, wait: T1 });
    }

    /// The server repeats its INVITE, or changes the session.
    fn device_invited_again(&mut self, leg: usize, wire: &Wire<'_>) {
        if let Some((text, _)) = &self.legs[leg].answer {
            let text = text.clone();
            return self.send(DEVICES, &text);
        }
        if self.legs[leg].is_acknowledged {
            let body = self.session(self.legs[leg].call.unwrap_or(leg), Side::Device);
            let extra = format!("Contact: <sip:{}>\r\nContent-Type: application/sdp\r\n", self.locals[DEVICES.0]);
            let text = with_body(wire, "200 OK", &format!(";tag=d{leg}"), &extra, &body);
            self.send(DEVICES, &text);
        }
    }

    fn device_acknowledged(&mut self, leg: usize) {
        let state = &mut self.legs[leg];
        if state.answer.take().is_none() || state.is_acknowledged {
            return;
        }
        state.is_acknowledged = true;
        let (call, media) = (state.call, state.media);
        if self.answering != Answering::Accept {
            return;
        }
        match call {
            Some(call) => self.connected(call),
            None => self.strangers.push(leg),
        }
        if let Some(remote) = media {
            self.tell(MediaNews::Up { call: call.unwrap_or(leg), side: Side::Device, remote });
        }
    }

    /// 2xx and refusals alike, until the ACK (RFC 3261 §13.3.1.4, §17.2.1).
    pub(super) fn answer_again(&mut self, leg: usize, wait: Duration) {
        let Some((text, until)) = &self.legs[leg].answer else { return };
        if Instant::now() >= *until {
            self.legs[leg].answer = None;
            return;
        }
        let text = text.clone();
        self.send(DEVICES, &text);
        self.ledger.retransmissions += 1;
        let wait = (wait * 2).min(T2);
        self.set(Instant::now() + wait, Timer::Answer { leg, wait });
    }

    fn reply(&self, leg: usize, wire: &Wire<'_>, status: &str) {
        let tag = match wire.header("To") {
            Some(to) if to.contains(";tag=") => String::new(),
            _ => format!(";tag=d{leg}"),
        };
        self.send(DEVICES, &answer(wire, status, &tag, ""));
    }
}

/// A response without a body; `tag` is added to To if it has none.
pub(super) fn answer(wire: &Wire<'_>, status: &str, tag: &str, extra: &str) -> String {
    with_body(wire, status, tag, extra, "")
}

fn with_body(wire: &Wire<'_>, status: &str, tag: &str, extra: &str, body: &str) -> String {
    let mut text = String::with_capacity(700);
    let _ = write!(text, "SIP/2.0 {status}\r\n");
    for (name, value) in wire.headers() {
        let name_is = |long: &str, short: &str| name.eq_ignore_ascii_case(long) || name.eq_ignore_ascii_case(short);
        if name_is("To", "t") {
            let tag = if value.contains(";tag=") { "" } else { tag };
            let _ = write!(text, "To: {value}{tag}\r\n");
        } else if name_is("Via", "v") || name_is("From", "f") || name_is("Call-ID", "i") || name_is("CSeq", "CSeq") {
            let _ = write!(text, "{name}: {value}\r\n");
        }
    }
    let _ = write!(text, "{extra}Content-Length: {}\r\n\r\n{body}", body.len());
    text
}
