//! The caller's side: INVITE, ACK, CANCEL, BYE, and what is asked within the dialog.
//!
//! `Inviting ─1xx→ Proceeding ─2xx→ Up ─talked→ Ending ─2xx→ Over`; a final response of 300 and more leads to `Over` at
//! once, as does a BYE of the server; a caller out of patience cancels (`Cancelling`) or, once answered, hangs up.
use std::fmt::Write as _;
use std::time::{Duration, Instant};

use super::{CALLERS, GIVE_UP, MediaNews, Phones, SETTLE, Side, T1, T2, Timer};
use crate::ledger::{Failure, Record};
use crate::sip::digest::Challenge;
use crate::sip::wire::{Wire, uri_of};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    Inviting,
    Proceeding,
    Cancelling,
    Up,
    Ending,
    Over,
}

pub(super) struct Caller {
    pub(super) group: usize,
    state: State,
    cseq: u32,
    /// Grows with each request, so that a timer of an earlier one does nothing.
    serial: u32,
    /// The request not answered yet, how long its next wait is and when it has failed.
    pending: Option<(String, Duration, Instant)>,
    /// To with its tag, and the server's Contact; from the 200.
    to: String,
    target: String,
    /// Authorization of a challenged INVITE.
    authorization: String,
    /// The open OPTIONS.
    asked: Option<(u32, Instant)>,
}

impl Phones {
    fn caller_number(&self, call: usize) -> String {
        // Mobile numbers, a million for each run.
        format!("1{:010}", 3_000_000_000 + (self.run / 1000 % 6000) * 1_000_000 + call as u64)
    }

    /// The call whose caller's number this is.
    pub(super) fn call_of_number(&self, number: &str) -> Option<usize> {
        let digits = number.get(number.len().checked_sub(11)?..)?;
        let first: u64 = self.caller_number(0).parse().ok()?;
        let call = usize::try_from(digits.parse::<u64>().ok()?.checked_sub(first)?).ok()?;
        (call < self.callers.len()).then_some(call)
    }

    fn call_of_id(&self, call_id: &str) -> Option<usize> {
        let (run, call) = call_id.strip_suffix("@load")?.split_once('-')?;
        let call: usize = call.parse().ok()?;
        (run.parse() == Ok(self.run) && call < self.callers.len()).then_some(call)
    }

    pub(super) fn place(&mut self, group: usize) {
        let call = self.callers.len();
        self.callers.push(Caller {
            group,
            state: State::Inviting,
            cseq: 1,
            serial: 0,
            pending: None,
            to: String::new(),
            target: String::new(),
            authorization: String::new(),
            asked: None,
        });
        self.unfinished[group] += 1;
        self.ledger.records.push(Record {
            group,
            call_id: format!("{}-{call}@load", self.run),
            caller: self.caller_number(call),
            invited: self.elapsed(),
            answered: None,
            connected: None,
            ended: None,
            status: None,
            device_call_id: None,
            device_ended: false,
            is_over: false,
            failure: None,
        });
        let patience = self.feeds[group].offer.patience;
        self.set(Instant::now() + patience, Timer::Patience { call });
        self.invite(call);
    }

    fn invite(&mut self, call: usize) {
        let number = &self.feeds[self.callers[call].group].offer.number;
        let (local, session) = (self.locals[CALLERS.0], self.session(call, Side::Caller));
        let caller = &self.ledger.records[call].caller;
        let extra = format!(
            "Contact: <sip:{caller}@{local}>\r\n{}Content-Type: application/sdp\r\n",
            self.callers[call].authorization
        );
        let text = self.request(
            call,
            "INVITE",
            &format!("sip:{number}@{}", self.server),
            &format!("<sip:{number}@{}>", self.server),
            &extra,
            &session,
        );
        self.begin(call, text);
    }

    /// A request of the call's present CSeq.
    fn request(&self, call: usize, method: &str, uri: &str, to: &str, extra: &str, body: &str) -> String {
        let (caller, record) = (&self.callers[call], &self.ledger.records[call]);
        let local = self.locals[CALLERS.0];
        let mut text = String::with_capacity(800);
        let _ = write!(
            text,
            "{method} {uri} SIP/2.0\r\nVia: SIP/2.0/UDP {local};branch=z9hG4bK{}-{call}-{}\r\nMax-Forwards: 70\r\n\
             From: <sip:{}@{local}>;tag=c{call}\r\nTo: {to}\r\nCall-ID: {}\r\nCSeq: {} {method}\r\n{extra}\
             Content-Length: {}\r\n\r\n{body}",
            self.run,
            caller.cseq,
            record.caller,
            record.call_id,
            caller.cseq,
            body.len(),
        );
        text
    }

    /// Sends a request and sees to its repeats.
    fn begin(&mut self, call: usize, text: String) {
        self.send(CALLERS, &text);
        let caller = &mut self.callers[call];
        caller.serial += 1;
        let serial = caller.serial;
        caller.pending = Some((text, T1, Instant::now() + GIVE_UP));
        self.set(Instant::now() + T1, Timer::Resend { call, serial });
    }

    pub(super) fn resend(&mut self, call: usize, serial: u32) {
        let caller = &mut self.callers[call];
        // A provisional response ends the repeats of an INVITE (RFC 3261 §17.1.1.2).
        if caller.serial != serial || caller.state == State::Proceeding {
            return;
        }
        let Some((text, wait, give_up)) = caller.pending.take() else { return };
        let now = Instant::now();
        if now >= give_up {
            return self.over(call, Some(Failure::Unanswered));
        }
        let longest = if caller.state == State::Inviting { GIVE_UP } else { T2 };
        let wait = (wait * 2).min(longest);
        self.send(CALLERS, &text);
        self.ledger.retransmissions += 1;
        self.callers[call].pending = Some((text, wait, give_up));
        self.set(now + wait, Timer::Resend { call, serial });
    }

    pub(super) fn caller_got(&mut self, wire: &Wire<'_>) {
        let Some(call) = wire.header("Call-ID").and_then(|id| self.call_of_id(id)) else { return };
        match (wire.status(), wire.method()) {
            (Some(status), _) => self.caller_got_response(call, status, wire),
            (None, Some(method)) => self.caller_got_request(call, method, wire),
            (None, None) => {}
        }
    }

    fn caller_got_response(&mut self, call: usize, status: u16, wire: &Wire<'_>) {
        match wire.cseq() {
            Some((number, "INVITE")) if number == self.callers[call].invite_cseq() => {
                self.got_invite_response(call, status, wire);
            }
            Some((_, "BYE")) if status >= 200 && self.callers[call].state == State::Ending => {
                let failure = (status >= 300).then_some(Failure::EndedEarly);
                self.over(call, failure);
            }
            Some((number, "OPTIONS")) if status >= 200 => {
                let caller = &mut self.callers[call];
                if let Some((_, at)) = caller.asked.take_if(|(cseq, _)| *cseq == number) {
                    self.asked.answered += 1;
                    self.asked.delays.push(at.elapsed());
                }
            }
            _ => {}
        }
    }

    fn got_invite_response(&mut self, call: usize, status: u16, wire: &Wire<'_>) {
        let state = self.callers[call].state;
        if status < 200 {
            if state == State::Inviting {
                self.callers[call].state = State::Proceeding;
            }
            return;
        }
        let uri = wire.header("Contact").map_or("", uri_of);
        if status < 300 {
            // Also when it comes again: the ACK was lost (RFC 3261 §13.2.2.4).
            self.send(CALLERS, &ack(wire, uri, true, self.run));
            if !matches!(state, State::Inviting | State::Proceeding | State::Cancelling) {
                return;
            }
            let answered = self.elapsed();
            let record = &mut self.ledger.records[call];
            (record.answered, record.status) = (Some(answered), Some(status));
            let caller = &mut self.callers[call];
            caller.pending = None;
            caller.serial += 1;
            caller.target = uri.to_owned();
            caller.to = wire.header("To").unwrap_or_default().to_owned();
            caller.state = State::Up;
            self.up[self.callers[call].group] += 1;
            if let Some(remote) = wire.media() {
                self.tell(MediaNews::Up { call, side: Side::Caller, remote });
            }
            if let Some(every) = self.feeds[self.callers[call].group].offer.ask_every {
                self.set(Instant::now() + every, Timer::Ask { call });
            }
            if state == State::Cancelling {
                self.hang_up_call(call);
            } else if record_is_connected(&self.ledger.records[call]) {
                self.both_up(call);
            }
            return;
        }
        let number = &self.feeds[self.callers[call].group].offer.number;
        self.send(CALLERS, &ack(wire, &format!("sip:{number}@{}", self.server), false, self.run));
        if !matches!(state, State::Inviting | State::Proceeding | State::Cancelling) {
            return;
        }
        if matches!(status, 401 | 407) && self.answer_challenge(call, status, wire) {
            return;
        }
        self.ledger.records[call].status = Some(status);
        let failure = match status {
            _ if state == State::Cancelling => Failure::NotConnected,
            503 if wire.header("Retry-After").is_some() => Failure::Deferred,
            _ => Failure::Refused(status),
        };
        self.over(call, Some(failure));
    }

    /// Once; a second challenge means that the account is wrong.
    fn answer_challenge(&mut self, call: usize, status: u16, wire: &Wire<'_>) -> bool {
        let offer = &self.feeds[self.callers[call].group].offer;
        let Some(account) = offer.account.clone().filter(|_| self.callers[call].authorization.is_empty()) else {
            return false;
        };
        let uri = format!("sip:{}@{}", offer.number, self.server);
        let (asks, answers) = match status {
            401 => ("WWW-Authenticate", "Authorization"),
            _ => ("Proxy-Authenticate", "Proxy-Authorization"),
        };
        let Some(mut challenge) = wire.header(asks).and_then(Challenge::parse) else { return false };
        let value = challenge.answer(&account, "INVITE", &uri);
        let caller = &mut self.callers[call];
        caller.authorization = format!("{answers}: {value}\r\n");
        caller.cseq += 1;
        caller.state = State::Inviting;
        self.invite(call);
        true
    }

    fn caller_got_request(&mut self, call: usize, method: &str, wire: &Wire<'_>) {
        if method == "ACK" {
            return;
        }
        // Whoever asks after a call that is over learns it (RFC 3261 §12.2.2): a server that was killed may still have it.
        let is_gone = self.callers[call].state == State::Over && method != "BYE";
        let status = if is_gone { "481 Call/Transaction Does Not Exist" } else { "200 OK" };
        self.send(CALLERS, &super::device::answer(wire, status, "", ""));
        if method == "BYE" && self.callers[call].state == State::Up {
            // Also when an agent never came: the server gave up on the caller.
            self.over(call, Some(Failure::EndedEarly));
        }
    }

    /// The device has the call and the caller an answer: they talk.
    pub(super) fn both_up(&mut self, call: usize) {
        if let Some(talk) = self.feeds[self.callers[call].group].offer.talk {
            self.set(Instant::now() + talk, Timer::HangUp { call });
        }
    }

    pub(super) fn connected(&mut self, call: usize) {
        let connected = self.elapsed();
        self.ledger.records[call].connected.get_or_insert(connected);
        if self.callers[call].state == State::Up {
            self.both_up(call);
        }
    }

    pub(super) fn out_of_patience(&mut self, call: usize) {
        if record_is_connected(&self.ledger.records[call]) {
            return;
        }
        match self.callers[call].state {
            State::Up => {
                self.ledger.records[call].failure = Some(Failure::NotConnected);
                self.hang_up_call(call);
            }
            State::Proceeding => {
                self.callers[call].state = State::Cancelling;
                let (local, caller, record) = (self.locals[CALLERS.0], &self.callers[call], &self.ledger.records[call]);
                let number = &self.feeds[caller.group].offer.number;
                let to = format!("<sip:{number}@{}>", self.server);
                let text = format!(
                    "CANCEL sip:{number}@{} SIP/2.0\r\nVia: SIP/2.0/UDP {local};branch=z9hG4bK{}-{call}-{}\r\n\
                     Max-Forwards: 70\r\nFrom: <sip:{}@{local}>;tag=c{call}\r\nTo: {to}\r\nCall-ID: {}\r\n\
                     CSeq: {} CANCEL\r\nContent-Length: 0\r\n\r\n",
                    self.server, self.run, caller.cseq, record.caller, record.call_id, caller.cseq,
                );
                self.begin(call, text);
            }
            State::Inviting | State::Cancelling | State::Ending | State::Over => {}
        }
    }

    /// Ends every call of the group, and cancels those that have not been answered.
    pub fn hang_up(&mut self, group: usize) {
        self.stop(group);
        for call in 0..self.callers.len() {
            if self.callers[call].group == group {
                match self.callers[call].state {
                    State::Up => self.hang_up_call(call),
                    State::Inviting | State::Proceeding => self.out_of_patience(call),
                    State::Cancelling | State::Ending | State::Over => {}
                }
            }
        }
    }

    pub(super) fn hang_up_call(&mut self, call: usize) {
        if self.callers[call].state != State::Up {
            return;
        }
        self.left(call);
        let caller = &mut self.callers[call];
        caller.state = State::Ending;
        caller.cseq += 1;
        let (target, to) = (caller.target.clone(), caller.to.clone());
        let text = self.request(call, "BYE", &target, &to, "", "");
        self.begin(call, text);
        self.tell(MediaNews::Down { call });
    }

    pub(super) fn ask(&mut self, call: usize) {
        let group = self.callers[call].group;
        let caller = &mut self.callers[call];
        let (State::Up, Some(every)) = (caller.state, self.feeds[group].offer.ask_every) else { return };
        caller.cseq += 1;
        caller.asked = Some((caller.cseq, Instant::now()));
        let (target, to) = (caller.target.clone(), caller.to.clone());
        let text = self.request(call, "OPTIONS", &target, &to, "", "");
        self.send(CALLERS, &text);
        self.asked.sent += 1;
        self.set(Instant::now() + every, Timer::Ask { call });
    }

    fn left(&mut self, call: usize) {
        let group = self.callers[call].group;
        self.up[group] = self.up[group].saturating_sub(1);
    }

    fn over(&mut self, call: usize, failure: Option<Failure>) {
        if self.callers[call].state == State::Over {
            return;
        }
        if self.callers[call].state == State::Up {
            self.left(call);
        }
        let caller = &mut self.callers[call];
        caller.state = State::Over;
        caller.serial += 1;
        // A run of a hundred thousand calls keeps their records only.
        (caller.pending, caller.to, caller.target) = (None, String::new(), String::new());
        let ended = self.elapsed();
        let record = &mut self.ledger.records[call];
        record.ended = Some(ended);
        if record.failure.is_none() {
            record.failure = failure;
        }
        self.tell(MediaNews::Down { call });
        if record_is_connected(&self.ledger.records[call]) && !self.ledger.records[call].device_ended {
            self.set(Instant::now() + SETTLE, Timer::Settle { call });
        } else {
            self.close(call);
        }
    }

    /// The device's leg has ended too, or has had its time.
    pub(super) fn settle(&mut self, call: usize) {
        if self.callers[call].state != State::Over || self.ledger.records[call].is_over {
            return;
        }
        let record = &mut self.ledger.records[call];
        if !record.device_ended && record.failure.is_none() {
            record.failure = Some(Failure::DeviceLeft);
        }
        self.close(call);
    }

    fn close(&mut self, call: usize) {
        let group = self.callers[call].group;
        let record = &mut self.ledger.records[call];
        record.is_over = true;
        if record.connected.is_none() && record.failure.is_none() {
            record.failure = Some(Failure::NotConnected);
        }
        self.unfinished[group] -= 1;
    }
}

impl Caller {
    /// Later requests count on from the last INVITE's number.
    fn invite_cseq(&self) -> u32 {
        if self.authorization.is_empty() { 1 } else { 2 }
    }
}

fn record_is_connected(record: &Record) -> bool {
    record.connected.is_some()
}

/// ACK built from the response it acknowledges: with the branch of the INVITE for a refusal (RFC 3261 §17.1.1.3), with
/// one of its own for a 2xx.
fn ack(wire: &Wire<'_>, uri: &str, is_success: bool, run: u64) -> String {
    let header = |name| wire.header(name).unwrap_or_default();
    let (number, _) = wire.cseq().unwrap_or_default();
    let mut via = header("Via").to_owned();
    if is_success {
        via = format!(
            "{};branch=z9hG4bKack{run}-{}-{number}",
            via.split(';').next().unwrap_or_default(),
            header("Call-ID")
        );
    }
    format!(
        "ACK {uri} SIP/2.0\r\nVia: {via}\r\nMax-Forwards: 70\r\nFrom: {}\r\nTo: {}\r\nCall-ID: {}\r\nCSeq: {number} ACK\r\n\
         Content-Length: 0\r\n\r\n",
        header("From"),
        header("To"),
        header("Call-ID"),
    )
}
