//! Responses to what we sent, and their absence (RFC 3261 §8.1.3, §13.2.2, §14.1).

use std::sync::Arc;
use std::time::Duration;

use super::refresh::AGAIN;
use super::tables::{Cancel, Owner, Stage, TxId};
use super::types::{CallId, EndCause, Event, Reply};
use super::wire;
use super::{Endpoint, Hop};
use crate::dialog::Dialog;
use crate::digest::Credentials;
use crate::msg::{Builder, CSeq, Challenge, Message, Method, Name};
use crate::session::Clock;

/// Challenges answered for one request: a proxy's, the server's, and one more when a nonce had gone stale.
const AUTH_TRIES: u8 = 3;
/// Re-INVITEs tried again after glare.
const GLARE_TRIES: u8 = 5;

impl Endpoint {
    pub(super) fn on_response(&mut self, now: Duration, hop: Hop, response: Arc<Message>) {
        // §18.1.2: a response that does not carry our branch is not ours.
        let Some(branch) = response.via.branch() else { return };
        let key = (branch.to_owned(), response.cseq.method.clone());
        let Some(id) = self.client_keys.get(&key).copied() else { return };
        let Some(entry) = self.clients.get_mut(&id) else { return };
        let step = entry.tx.on_response(now, response.status());
        if step.ack {
            self.ack_failure(id, &response);
        }
        if step.deliver {
            self.deliver(now, hop, id, &response);
        }
        self.settle_client(id);
    }

    pub(super) fn on_client_timer(&mut self, now: Duration, id: TxId) {
        let Some(entry) = self.clients.get_mut(&id) else { return };
        entry.armed = None;
        if entry.give_up_at.is_some_and(|at| at <= now) {
            // §9.1: neither the CANCEL nor the INVITE was answered.
            entry.give_up_at = None;
            if entry.tx.is_pending() {
                entry.tx.abandon();
            }
        }
        let step = entry.tx.on_timeout(now);
        if step.resend {
            let (hop, bytes) = (entry.hop, entry.bytes.clone());
            self.transmit(hop, bytes);
        }
        if step.timed_out {
            self.on_no_response(now, id, 408);
        }
        self.settle_client(id);
    }

    /// A request died without a final response: `status` 408 or 503 stands for it (§8.1.3.1).
    pub(super) fn on_no_response(&mut self, now: Duration, id: TxId, status: u16) {
        let Some(owner) = self.clients.get(&id).map(|entry| entry.owner) else { return };
        let (cause, reply) = match status {
            408 => (EndCause::TimedOut, Reply::Silence),
            _ => (EndCause::Unreachable, Reply::Unreachable),
        };
        match owner {
            Owner::Invite(call) => {
                if self.awaits(call, id) {
                    self.drop_call(now, call, cause);
                }
            }
            Owner::Reinvite(call) => {
                if self.awaits(call, id) {
                    self.end_call(now, call, cause, &[]);
                }
            }
            Owner::Options(call) if self.calls.contains_key(&call) => {
                self.emit(Event::OptionsResult { call, status });
            }
            Owner::Update(call) => self.end_call(now, call, cause, &[]),
            Owner::Refer(call) => self.refer_failed(call, status),
            Owner::Ping(ping) => self.emit(Event::PingResult { ping, reply }),
            Owner::Register(ping) => self.registered(ping, id, reply, None),
            Owner::Options(_) | Owner::Info(_) | Owner::Prack(_) | Owner::Nobody => {}
        }
    }

    /// True when this INVITE is the one its call waits for.
    fn awaits(&self, call: CallId, tx: TxId) -> bool {
        self.calls.get(&call).is_some_and(|call| call.invite_out == Some(tx))
    }

    /// §17.1.1.3: the ACK of a failure repeats the INVITE's top Via and goes where it went.
    fn ack_failure(&mut self, id: TxId, response: &Message) {
        let Some(entry) = self.clients.get_mut(&id) else { return };
        let bytes = match &entry.ack {
            Some(bytes) => bytes.clone(),
            None => {
                let request = &entry.request;
                let Some(uri) = request.uri() else { return };
                let method = Method::Ack;
                let mut out = Builder::request(&method, uri)
                    .header(Name::Via, &request.via)
                    .header(Name::MaxForwards, 70)
                    .header(Name::From, &request.from)
                    .header(Name::To, response.get(Name::To).unwrap_or(""))
                    .header(Name::CallId, request.call_id())
                    .header(Name::CSeq, CSeq { number: request.cseq.number, method });
                for route in request.all(Name::Route) {
                    out = out.header(Name::Route, route);
                }
                let bytes: Arc<[u8]> = out.finish().into();
                entry.ack = Some(bytes.clone());
                bytes
            }
        };
        let hop = entry.hop;
        self.transmit(hop, bytes);
    }

    fn deliver(&mut self, now: Duration, hop: Hop, id: TxId, response: &Arc<Message>) {
        let Some(entry) = self.clients.get_mut(&id) else { return };
        let owner = entry.owner;
        let status = response.status();
        if status < 200 {
            if let Cancel::Wanted(headers) = std::mem::replace(&mut entry.cancel, Cancel::No) {
                self.cancel(now, id, &headers);
            } else if let Owner::Invite(call) = owner
                && self.awaits(call, id)
            {
                if status == 100 {
                    return self.emit(Event::Trying { call });
                }
                if !self.on_provisional(now, hop, id, call, response) {
                    return;
                }
                self.emit(Event::Progress {
                    call,
                    status,
                    fork: response.to.tag().unwrap_or("").to_owned(),
                    sdp: response.sdp().map(<[u8]>::to_vec),
                });
            }
            return;
        }
        if status < 300 && entry.key.1 == Method::Invite {
            return self.on_invite_accepted(now, hop, id, response);
        }
        if matches!(status, 401 | 407) && self.answer_challenge(now, id, response) {
            return;
        }
        if status == 422 && self.answer_interval(now, id, response) {
            return;
        }
        match owner {
            Owner::Invite(call) => {
                if self.awaits(call, id) {
                    let reason = response.reason().to_owned();
                    self.drop_call(now, call, EndCause::Rejected { status, reason });
                }
            }
            Owner::Reinvite(call) => {
                if self.awaits(call, id) {
                    self.on_reinvite_refused(now, id, call, status);
                }
            }
            Owner::Options(call) => {
                if self.calls.contains_key(&call) {
                    self.emit(Event::OptionsResult { call, status });
                    if status == 481 {
                        self.drop_call(now, call, EndCause::Gone);
                    }
                }
            }
            Owner::Info(call) => {
                if status == 481 {
                    self.drop_call(now, call, EndCause::Gone);
                }
            }
            Owner::Refer(call) => {
                // A 2xx says no more than that NOTIFYs will come.
                if status >= 300 {
                    self.refer_failed(call, status);
                }
                if status == 481 {
                    self.drop_call(now, call, EndCause::Gone);
                }
            }
            Owner::Update(call) => self.on_update_answer(now, call, response),
            Owner::Ping(ping) => self.emit(Event::PingResult { ping, reply: Reply::Status(status) }),
            Owner::Register(ping) => self.registered(ping, id, Reply::Status(status), Some(response)),
            Owner::Prack(_) | Owner::Nobody => {}
        }
    }

    fn refer_failed(&mut self, call: CallId, status: u16) {
        if let Some(row) = self.calls.get_mut(&call).filter(|row| row.refers) {
            row.refers = false;
            self.emit(Event::ReferProgress { call, status });
        }
    }

    /// A 2xx to an INVITE: the answer, its repeat, another fork's, or one that came too late.
    fn on_invite_accepted(&mut self, now: Duration, hop: Hop, id: TxId, response: &Arc<Message>) {
        let Some(entry) = self.clients.get_mut(&id) else { return };
        let tag = response.to.tag().unwrap_or("").to_owned();
        if let Some((_, ack)) = entry.acks.iter().find(|(known, _)| *known == tag) {
            let ack = ack.clone();
            return self.transmit(ack.hop, ack.bytes);
        }
        if entry.winner.as_ref() == Some(&tag) {
            // Our own answer is still awaited.
            return;
        }
        let request = entry.request.clone();
        let is_first = entry.winner.is_none();
        let (Owner::Invite(call_id) | Owner::Reinvite(call_id)) = entry.owner else {
            return self.on_orphan_accepted(now, hop, id, response);
        };
        let call = self.calls.get_mut(&call_id).filter(|call| is_first && call.invite_out == Some(id));
        let Some(call) = call else { return self.on_orphan_accepted(now, hop, id, response) };
        entry.winner = Some(tag);
        let early_cseq = entry.early_cseq;
        let has_offer = request.sdp().is_some();
        let sdp = response.sdp().map(<[u8]>::to_vec);
        call.invite_out = None;
        call.source = Hop { local: call.source.local, ..hop };
        call.ring_until = None;
        let was_calling = call.stage == Stage::Calling;
        if was_calling {
            let Some(mut dialog) = Dialog::of_response(&request, response) else { return };
            dialog.local_cseq = dialog.local_cseq.max(early_cseq);
            let early = call.early.drain(..).find(|early| early.tag == dialog.remote.tag().unwrap_or(""));
            dialog.remote_cseq = early.and_then(|early| early.dialog.remote_cseq);
            call.stage = Stage::Up;
            self.dialogs.remove(&call.dialog_key);
            call.dialog_key = dialog.key();
            self.dialogs.insert(call.dialog_key.clone(), call_id);
            call.dialog = Some(dialog);
        } else if let Some(dialog) = call.dialog.as_mut() {
            dialog.refresh_target(response);
        }
        call.retries = 0;
        call.clock = Clock::of_answer(now, response);
        call.learn(response);
        if let Some(offer) = request.sdp().filter(|_| sdp.is_some()) {
            call.sdp = offer.to_vec();
        }
        let Some(dialog) = call.dialog.clone() else { return };
        if has_offer || sdp.is_none() {
            call.is_established = true;
            let to = wire::dialog_hop(&dialog.next_hop_uri(), &call.source, call.is_natted);
            self.send_ack(id, &dialog, to, None);
        } else {
            call.pending_ack = Some(id);
        }
        self.emit(if was_calling {
            Event::Answered { call: call_id, message: response.clone(), sdp }
        } else {
            Event::ReinviteDone { call: call_id, status: response.status(), sdp }
        });
        self.start_wish(now, call_id);
        self.settle_call(call_id);
    }

    /// A 2xx nobody wants any more: a second fork, or the answer that crossed our CANCEL. It must be acknowledged and, if it
    /// opened a dialog, ended (§13.2.2.4).
    fn on_orphan_accepted(&mut self, now: Duration, hop: Hop, id: TxId, response: &Message) {
        let Some(entry) = self.clients.get(&id) else { return };
        let (request, sent_to) = (entry.request.clone(), entry.hop);
        let (credentials, early_cseq) = (entry.credentials.clone(), entry.early_cseq);
        let Some(mut dialog) = Dialog::of_response(&request, response) else { return };
        dialog.local_cseq = dialog.local_cseq.max(early_cseq);
        let is_reinvite = request.to.tag().is_some();
        if is_reinvite {
            dialog.routes = request.list(Name::Route).map(str::to_owned).collect();
        }
        let to = wire::dialog_hop(&dialog.next_hop_uri(), &Hop { local: sent_to.local, ..hop }, false);
        self.send_ack(id, &dialog, to, None);
        if !is_reinvite {
            self.send_bye(now, &mut dialog, to, credentials, &[]);
        }
    }

    fn on_reinvite_refused(&mut self, now: Duration, tx: TxId, id: CallId, status: u16) {
        let offer = self.clients.get(&tx).map(|entry| entry.request.sdp().map(<[u8]>::to_vec));
        let wait = self.random.below(2000);
        let Some(call) = self.calls.get_mut(&id) else { return };
        call.invite_out = None;
        match status {
            491 if call.retries < GLARE_TRIES => {
                // §14.1: who owns the Call-ID waits longer, so that the two do not meet again.
                let wait = if call.owns_call_id { 2100 + wait * 1900 / 2000 } else { wait };
                call.retries += 1;
                call.retry_at = Some(now + Duration::from_millis(wait.max(10)));
                if call.wish.is_none() {
                    call.wish = offer;
                }
            }
            481 => return self.drop_call(now, id, EndCause::Gone),
            408 => return self.end_call(now, id, EndCause::TimedOut, &[]),
            _ => {
                call.retries = 0;
                if let Some(clock) = &mut call.clock {
                    clock.postpone(now, AGAIN);
                }
                self.emit(Event::ReinviteDone { call: id, status, sdp: None });
                self.start_wish(now, id);
            }
        }
        self.settle_call(id);
    }

    /// Sends the request again with credentials. False when there are none, or they have been tried.
    fn answer_challenge(&mut self, now: Duration, id: TxId, response: &Message) -> bool {
        let cnonce = self.random.hex(8);
        let Some(entry) = self.clients.get(&id) else { return false };
        let Some(credentials) = entry.credentials.clone() else { return false };
        if entry.auth_tries >= AUTH_TRIES || entry.cancel != Cancel::No {
            return false;
        }
        let (asked, given) = match response.status() {
            401 => (Name::WwwAuthenticate, Name::Authorization),
            _ => (Name::ProxyAuthenticate, Name::ProxyAuthorization),
        };
        // An answer to the peer's own challenge refused without `stale` means that the secret is wrong. One that we gave before
        // we were asked may simply be too old.
        let retried = entry.auth_tries > 0 && entry.request.get(given).is_some();
        let stale = response.all(asked).filter_map(Challenge::parse).any(|c| c.get("stale").is_some_and(is_true));
        let by_proxy = response.status() == 407;
        if retried && !stale {
            let remote = entry.hop.remote;
            self.challenges.refused(remote, by_proxy, &credentials);
            return false;
        }
        let (request, remote, tries) = (entry.request.clone(), entry.hop.remote, entry.auth_tries);
        let Some(uri) = request.uri() else { return false };
        let (asks, uri, method) = (response.all(asked), uri.to_string(), request.method().text());
        let answer = self.challenges.challenged(remote, by_proxy, asks, &credentials, method, &uri, &cnonce);
        let Some(answer) = answer else { return false };
        self.ask_again(now, id, &[(given, answer)], Some(credentials), tries + 1)
    }

    /// Sends a request once more, as a new transaction with these headers replaced. False when its call has ended.
    pub(super) fn ask_again(
        &mut self,
        now: Duration,
        id: TxId,
        fields: &[(Name, String)],
        credentials: Option<Credentials>,
        tries: u8,
    ) -> bool {
        let branch = self.random.branch();
        let Some(entry) = self.clients.get(&id) else { return false };
        let (request, owner, hop) = (entry.request.clone(), entry.owner, entry.hop);
        let Some(uri) = request.uri() else { return false };
        let method = request.method().clone();
        let call = match owner {
            Owner::Invite(call)
            | Owner::Reinvite(call)
            | Owner::Options(call)
            | Owner::Info(call)
            | Owner::Update(call)
            | Owner::Prack(call)
            | Owner::Refer(call) => Some(call),
            Owner::Ping(_) | Owner::Register(_) | Owner::Nobody => None,
        };
        let waits = matches!(owner, Owner::Invite(_) | Owner::Reinvite(_));
        let cseq = match call {
            Some(call) => {
                if (waits && !self.awaits(call, id)) || !self.calls.contains_key(&call) {
                    return false;
                }
                // Outside of any dialog, as an INVITE is at first, its own number goes on.
                match request.to.tag() {
                    Some(_) => self.next_early_cseq(call, &request),
                    None => None,
                }
            }
            None => None,
        };
        let cseq = cseq.unwrap_or(request.cseq.number + 1);
        let mut out = Builder::request(&method, uri).header(Name::Via, wire::own_via(&self.config, &hop, &branch));
        for (name, value) in request.headers() {
            match Name::from_text(name) {
                Name::Via | Name::ContentLength | Name::ContentType => {}
                Name::CSeq => out = out.header(Name::CSeq, CSeq { number: cseq, method: method.clone() }),
                known if fields.iter().any(|(name, _)| *name == known) => {}
                _ => out = out.header_named(name, value),
            }
        }
        for (name, value) in fields {
            out = out.header(*name, value);
        }
        if let Some(kind) = request.get(Name::ContentType) {
            out = out.body(kind, request.body());
        }
        let next = self.send_request(now, hop, out, owner, credentials, tries);
        if waits
            && let Some(call) = call.and_then(|call| self.calls.get_mut(&call))
            && next.is_some()
        {
            call.invite_out = next;
            call.early.clear();
        }
        if let (Owner::Invite(call), Some(tx)) = (owner, next) {
            self.tell_invited(call, tx);
        }
        next.is_some()
    }
}

fn is_true(text: &str) -> bool {
    text.eq_ignore_ascii_case("true")
}
