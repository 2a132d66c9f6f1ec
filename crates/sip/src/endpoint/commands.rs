//! Carries out commands: what we send of our own accord.

use std::sync::Arc;
use std::time::Duration;

use super::reliable::{Reliable, supported};
use super::tables::{Call, Cancel, ClientEntry, Owner, Stage, Transmitted, TxId, UpdateIn};
use super::types::{CallId, Command, EndCause, Event, ExtraHeader, Invite};
use super::wire;
use super::{Endpoint, Hop};
use crate::dialog::{AckWait, Dialog};
use crate::digest::Credentials;
use crate::msg::{Builder, CSeq, Message, Method, Name, NameAddr};
use crate::transaction::{ClientTransaction, Kind};

/// Most forks of one INVITE whose ACK is remembered.
const FORKS: usize = 16;

impl Endpoint {
    pub(super) fn on_command(&mut self, now: Duration, command: Command) {
        match command {
            Command::Invite(invite) => self.invite(now, *invite),
            Command::Progress { call, status, sdp } => self.progress(now, call, status, sdp),
            Command::Answer { call, sdp, headers } => {
                if self.stage(call) == Some(Stage::Ringing) {
                    self.accept(now, call, &sdp, &headers);
                }
            }
            Command::AnswerReinvite { call, sdp } => {
                let update = self.calls.get_mut(&call).filter(|row| !row.closing).and_then(|row| row.update_in.take());
                if let Some(update) = update {
                    self.answer_update(now, call, update, Some(&sdp));
                } else if self.stage(call) == Some(Stage::Up) {
                    self.accept(now, call, &sdp, &[]);
                }
            }
            Command::Reject { call, status, headers } => {
                if self.stage(call) == Some(Stage::Ringing) {
                    self.reject(now, call, status.clamp(300, 699), &headers);
                    self.drop_call(now, call, EndCause::Local);
                }
            }
            Command::RejectReinvite { call, status } => {
                let update = self.calls.get_mut(&call).filter(|row| !row.closing).and_then(|row| row.update_in.take());
                if let Some(UpdateIn { request, hop, tag }) = update {
                    let reply = self.tagged_reply(&request, hop, status.clamp(300, 699), &tag);
                    self.answer_at_once(now, hop, &request, reply);
                    self.start_wish(now, call);
                    self.settle_call(call);
                } else if self.stage(call) == Some(Stage::Up) {
                    self.reject(now, call, status.clamp(300, 699), &[]);
                    self.start_wish(now, call);
                    self.settle_call(call);
                }
            }
            Command::Hangup { call, headers } => {
                if self.stage(call).is_some() {
                    self.end_call(now, call, EndCause::Local, &headers);
                }
            }
            Command::Reinvite { call, sdp } => {
                if let Some(row) = self.calls.get_mut(&call).filter(|row| !row.closing && row.stage == Stage::Up) {
                    row.wish = Some(sdp);
                    row.retries = 0;
                    self.start_wish(now, call);
                    self.settle_call(call);
                }
            }
            Command::Ack { call, sdp } => self.late_ack(now, call, Some(&sdp)),
            Command::Info { call, content_type, body } => {
                self.dialog_request(now, call, &Method::Info, Owner::Info(call), |b| b.body(&content_type, &body));
            }
            Command::Refer { call, to } => {
                let contact = self.calls.get(&call).map(|row| row.contact.clone()).unwrap_or_default();
                let sent = self.dialog_request(now, call, &Method::Refer, Owner::Refer(call), |b| {
                    b.header(Name::Contact, contact).header(Name::ReferTo, format!("<{to}>"))
                });
                if let Some(row) = self.calls.get_mut(&call).filter(|_| sent.is_some()) {
                    row.refers = true;
                }
            }
            Command::NotifyRefer { call, status } => self.notify_refer(now, call, status),
            Command::Options { call } => {
                self.dialog_request(now, call, &Method::Options, Owner::Options(call), |b| b);
            }
            Command::Ping { ping, hop, uri, credentials } => self.ping(now, ping, hop, &uri, credentials),
            Command::Register(wish) => self.register(now, *wish),
            Command::Adopt { call, saved } => {
                if !self.adopt(now, call, &saved) {
                    self.emit(Event::Ended { call, cause: EndCause::Refused });
                }
            }
            Command::Withdraw { invite, hop } => self.withdraw(now, &invite, hop),
        }
    }

    /// RFC 3515 §2.4.4, §2.4.5: the body is the status line alone (`message/sipfrag`, RFC 3420).
    fn notify_refer(&mut self, now: Duration, call: CallId, status: u16) {
        let state = if status < 200 { "active;expires=60" } else { "terminated;reason=noresource" };
        let fragment = format!("SIP/2.0 {status} {}\r\n", wire::reason_phrase(status));
        let contact = self.calls.get(&call).map(|row| row.contact.clone()).unwrap_or_default();
        self.dialog_request(now, call, &Method::Notify, Owner::Nobody, |b| {
            b.header(Name::Contact, contact)
                .header(Name::Event, "refer")
                .header(Name::SubscriptionState, state)
                .body("message/sipfrag;version=2.0", fragment.as_bytes())
        });
    }

    /// The stage of a call that has not ended for its user.
    fn stage(&self, call: CallId) -> Option<Stage> {
        self.calls.get(&call).filter(|row| !row.closing).map(|row| row.stage)
    }

    fn invite(&mut self, now: Duration, wish: Invite) {
        let call = wish.call;
        let refused = Event::Ended { call, cause: EndCause::Refused };
        if self.calls.contains_key(&call) || self.calls.len() >= self.config.limits.calls || !self.has_room() {
            return self.emit(refused);
        }
        let tag = self.random.hex(8);
        let call_id = self.random.hex(16);
        let from = wish.from.with_tag(&tag);
        let to = wish.to.unwrap_or_else(|| NameAddr::new(wish.uri.clone()));
        let contact = wire::own_contact(&self.config, &wish.hop, wish.contact_user.as_deref(), &wish.uri);
        let branch = self.random.branch();
        let method = Method::Invite;
        let mut out = Builder::request(&method, &wish.uri)
            .header(Name::Via, wire::own_via(&self.config, &wish.hop, &branch))
            .header(Name::MaxForwards, 70)
            .header(Name::From, &from)
            .header(Name::To, &to)
            .header(Name::CallId, &call_id)
            .header(Name::CSeq, CSeq { number: 1, method })
            .header(Name::Contact, &contact)
            .header(Name::Allow, wire::ALLOW)
            .header(Name::UserAgent, &self.config.user_agent);
        out = self.timer_headers(None, supported(out, wish.sdp.is_some()));
        out = extra(out, &wish.headers);
        if let Some(sdp) = &wish.sdp {
            out = out.body("application/sdp", sdp);
        }
        let credentials = wish.credentials;
        let out = self.authorize(wish.hop, &Method::Invite, &wish.uri, credentials.as_ref(), out);
        let Some(tx) = self.send_request(now, wish.hop, out, Owner::Invite(call), credentials.clone(), 0) else {
            return self.emit(refused);
        };
        // Until an answer names the peer's tag, the index holds the half that is known.
        let dialog_key = (call_id, tag, String::new());
        self.dialogs.insert(dialog_key.clone(), call);
        let row = Call {
            stage: Stage::Calling,
            closing: false,
            source: wish.hop,
            // Sent elsewhere than its address says: a phone behind NAT, or a proxy. Its Contact will be no better.
            is_natted: wish.uri.host_ip().is_some_and(|ip| ip.to_canonical() != wish.hop.remote.ip().to_canonical()),
            contact,
            dialog: None,
            dialog_key,
            owns_call_id: true,
            invite_in: None,
            invite_out: Some(tx),
            ack_wait: None,
            is_established: false,
            pending_ack: None,
            refers: false,
            wish: None,
            retry_at: None,
            retries: 0,
            ring_until: Some(now + self.config.ring_limit),
            early: Vec::new(),
            reliable: Reliable::default(),
            update_in: None,
            clock: None,
            min_se: self.config.min_se,
            takes_update: false,
            sdp: wish.sdp.unwrap_or_default(),
            credentials,
            armed: None,
        };
        self.calls.insert(call, row);
        self.settle_call(call);
        self.tell_invited(call, tx);
    }

    pub(super) fn tell_invited(&mut self, call: CallId, tx: TxId) {
        if let Some(request) = self.clients.get(&tx).map(|entry| entry.request.clone()) {
            self.emit(Event::Invited { call, request });
        }
    }

    /// Opens a client transaction and sends. `None` when the request cannot be written as a valid message.
    pub(super) fn send_request(
        &mut self,
        now: Duration,
        hop: Hop,
        request: Builder,
        owner: Owner,
        credentials: Option<Credentials>,
        auth_tries: u8,
    ) -> Option<TxId> {
        let bytes = request.finish();
        // Reading our own message back keeps one form for both directions, and checks what was put into it.
        let request = Arc::new(Message::parse(&bytes).ok()?);
        let bytes: Arc<[u8]> = bytes.into();
        let id = self.open_client(now, hop, request, bytes.clone(), owner, credentials, auth_tries)?;
        self.transmit(hop, bytes);
        self.settle_client(id);
        Some(id)
    }

    fn open_client(
        &mut self,
        now: Duration,
        hop: Hop,
        request: Arc<Message>,
        bytes: Arc<[u8]>,
        owner: Owner,
        credentials: Option<Credentials>,
        auth_tries: u8,
    ) -> Option<TxId> {
        let key = (request.via.branch()?.to_owned(), request.method().clone());
        let kind = if key.1 == Method::Invite { Kind::Invite } else { Kind::NonInvite };
        let id = self.next_tx();
        self.client_keys.insert(key.clone(), id);
        self.client_remotes.insert((hop.remote, id));
        let entry = ClientEntry {
            tx: ClientTransaction::new(kind, hop.transport.is_reliable(), self.config.timers, now),
            key,
            hop,
            bytes,
            request,
            owner,
            credentials,
            auth_tries,
            cancel: Cancel::No,
            give_up_at: None,
            ack: None,
            winner: None,
            early_cseq: 0,
            acks: Vec::new(),
            armed: None,
        };
        self.clients.insert(id, entry);
        Some(id)
    }

    /// Takes an INVITE of a former run over and cancels it. Whether a provisional response had come, as §9.1 asks, nobody
    /// knows any more; by now one would have.
    fn withdraw(&mut self, now: Duration, invite: &[u8], hop: Hop) {
        let Ok(request) = Message::parse(invite) else { return };
        if *request.method() != Method::Invite {
            return;
        }
        let Some(id) = self.open_client(now, hop, Arc::new(request), invite.into(), Owner::Nobody, None, 0) else {
            return;
        };
        if let Some(entry) = self.clients.get_mut(&id) {
            entry.tx.on_response(now, 100);
        }
        self.cancel(now, id, &[]);
    }

    /// 2xx to the INVITE that waits, first or later.
    pub(super) fn accept(&mut self, now: Duration, id: CallId, sdp: &[u8], headers: &[ExtraHeader]) {
        let Some(call) = self.calls.get_mut(&id) else { return };
        if call.stage == Stage::Ringing && call.reliable.holds(sdp, headers) {
            return;
        }
        let Some(tx) = call.invite_in.take() else { return };
        let contact = call.contact.clone();
        let Some(entry) = self.servers.get(&tx) else { return };
        let (hop, request) = (entry.reply_to, entry.request.clone());
        let Some(mut reply) = self.tx_reply(tx, 200) else { return };
        reply = self
            .with_record_route(reply, tx)
            .header(Name::Contact, contact)
            .header(Name::Allow, wire::ALLOW)
            .header(Name::Supported, wire::SUPPORTED);
        reply = self.agree(now, id, &request, reply);
        reply = extra(reply, headers).body("application/sdp", sdp);
        let Some(bytes) = self.tx_send(now, tx, 200, reply) else { return };
        let Some(call) = self.calls.get_mut(&id) else { return };
        call.stage = Stage::Up;
        call.ring_until = None;
        call.sdp = sdp.to_vec();
        call.ack_wait = Some(AckWait::new(bytes, hop, request.cseq.number, &self.config.timers, now));
        self.settle_call(id);
    }

    pub(super) fn with_record_route(&self, mut reply: Builder, tx: TxId) -> Builder {
        if let Some(entry) = self.servers.get(&tx) {
            for route in entry.request.all(Name::RecordRoute) {
                reply = reply.header(Name::RecordRoute, route);
            }
        }
        reply
    }

    pub(super) fn reject(&mut self, now: Duration, id: CallId, status: u16, headers: &[ExtraHeader]) {
        let tx = self.calls.get_mut(&id).and_then(|call| call.invite_in.take());
        if let Some(tx) = tx
            && let Some(reply) = self.tx_reply(tx, status)
        {
            self.tx_send(now, tx, status, extra(reply, headers));
        }
    }

    /// Ends a call by what its state asks for and forgets it. Its user learns `cause`.
    pub(super) fn end_call(&mut self, now: Duration, id: CallId, cause: EndCause, headers: &[ExtraHeader]) {
        let Some(call) = self.calls.get_mut(&id) else { return };
        match call.stage {
            Stage::Calling => {
                if let Some(tx) = call.invite_out {
                    self.cancel(now, tx, headers);
                }
            }
            Stage::Ringing => self.reject(now, id, 480, headers),
            Stage::Up if !call.is_established && call.ack_wait.is_some() => {
                // §15: the answering side must not send BYE before the ACK of its 2xx.
                call.ring_until = None;
                if !std::mem::replace(&mut call.closing, true) {
                    self.emit(Event::Ended { call: id, cause });
                }
                return self.settle_call(id);
            }
            Stage::Up => {
                self.late_ack(now, id, None);
                self.reject(now, id, 487, &[]);
                if let Some(call) = self.calls.get_mut(&id)
                    && let Some(mut dialog) = call.dialog.take()
                {
                    let hop = wire::dialog_hop(&dialog.next_hop_uri(), &call.source, call.is_natted);
                    let credentials = call.credentials.take();
                    self.send_bye(now, &mut dialog, hop, credentials, headers);
                }
            }
        }
        self.drop_call(now, id, cause);
    }

    pub(super) fn send_bye(
        &mut self,
        now: Duration,
        dialog: &mut Dialog,
        hop: Hop,
        credentials: Option<Credentials>,
        headers: &[ExtraHeader],
    ) {
        let via = wire::own_via(&self.config, &hop, &self.random.branch());
        let cseq = dialog.next_cseq();
        let out = dialog.request(&Method::Bye, cseq, &via).header(Name::UserAgent, &self.config.user_agent);
        let out = self.authorize(hop, &Method::Bye, &dialog.target, credentials.as_ref(), extra(out, headers));
        self.send_request(now, hop, out, Owner::Nobody, credentials, 0);
    }

    /// CANCELs an INVITE of ours, at once or when the first response allows it (§9.1).
    pub(super) fn cancel(&mut self, now: Duration, tx: TxId, headers: &[ExtraHeader]) {
        let Some(entry) = self.clients.get_mut(&tx) else { return };
        if !entry.tx.is_pending() || entry.cancel == Cancel::Sent {
            return;
        }
        if !entry.tx.is_proceeding() {
            entry.cancel = Cancel::Wanted(headers.to_vec());
            return;
        }
        entry.cancel = Cancel::Sent;
        entry.give_up_at = Some(now + self.config.timers.patience());
        let (hop, invite) = (entry.hop, entry.request.clone());
        self.settle_client(tx);
        let Some(uri) = invite.uri() else { return };
        let method = Method::Cancel;
        let mut out = Builder::request(&method, uri)
            .header(Name::Via, &invite.via)
            .header(Name::MaxForwards, 70)
            .header(Name::From, &invite.from)
            .header(Name::To, &invite.to)
            .header(Name::CallId, invite.call_id())
            .header(Name::CSeq, CSeq { number: invite.cseq.number, method });
        for route in invite.all(Name::Route) {
            out = out.header(Name::Route, route);
        }
        self.send_request(now, hop, extra(out, headers), Owner::Nobody, None, 0);
    }

    /// Sends the re-INVITE that waits, if nothing stands in its way.
    pub(super) fn start_wish(&mut self, now: Duration, id: CallId) {
        let Some(call) = self.calls.get_mut(&id) else { return };
        if call.retry_at.is_some_and(|at| at <= now) {
            call.retry_at = None;
        }
        if !call.may_reinvite() {
            return;
        }
        let Some(sdp) = call.wish.take() else { return };
        let contact = call.contact.clone();
        let Some(call) = self.calls.get(&id) else { return };
        let headers = self.timer_headers(Some(call), Builder::default());
        let tx = self.dialog_request(now, id, &Method::Invite, Owner::Reinvite(id), |b| {
            let out = b.header(Name::Contact, contact).header(Name::Allow, wire::ALLOW);
            let out = out.header(Name::Supported, wire::SUPPORTED_WITHOUT_OFFER).append(headers);
            match &sdp {
                Some(sdp) => out.body("application/sdp", sdp),
                None => out,
            }
        });
        if let Some(call) = self.calls.get_mut(&id) {
            call.invite_out = tx;
        }
    }

    /// Sends a request within a call that is up.
    pub(super) fn dialog_request(
        &mut self,
        now: Duration,
        id: CallId,
        method: &Method,
        owner: Owner,
        fill: impl FnOnce(Builder) -> Builder,
    ) -> Option<TxId> {
        let branch = self.random.branch();
        let call = self.calls.get_mut(&id).filter(|call| call.stage == Stage::Up && !call.closing)?;
        let dialog = call.dialog.as_mut()?;
        let hop = wire::dialog_hop(&dialog.next_hop_uri(), &call.source, call.is_natted);
        let cseq = dialog.next_cseq();
        let out = dialog
            .request(method, cseq, &wire::own_via(&self.config, &hop, &branch))
            .header(Name::UserAgent, &self.config.user_agent);
        let credentials = call.credentials.clone();
        let (target, out) = (dialog.target.clone(), fill(out));
        let out = self.authorize(hop, method, &target, credentials.as_ref(), out);
        self.send_request(now, hop, out, owner, credentials, 0)
    }

    /// Sends the ACK that waited for our answer, with it or, when the call ends instead, without.
    fn late_ack(&mut self, now: Duration, id: CallId, sdp: Option<&[u8]>) {
        let Some(call) = self.calls.get_mut(&id) else { return };
        let Some(tx) = call.pending_ack.take() else { return };
        let Some(dialog) = call.dialog.clone() else { return };
        call.is_established = true;
        if let Some(sdp) = sdp {
            call.sdp = sdp.to_vec();
        }
        let hop = wire::dialog_hop(&dialog.next_hop_uri(), &call.source, call.is_natted);
        self.send_ack(tx, &dialog, hop, sdp);
        self.start_wish(now, id);
        self.settle_call(id);
    }

    /// ACK of a 2xx to the INVITE of client transaction `tx`, which remembers it for repeats of the 2xx.
    pub(super) fn send_ack(&mut self, tx: TxId, dialog: &Dialog, hop: Hop, sdp: Option<&[u8]>) {
        let Some(request) = self.clients.get(&tx).map(|entry| entry.request.clone()) else { return };
        let via = wire::own_via(&self.config, &hop, &self.random.branch());
        let mut out = dialog.request(&Method::Ack, request.cseq.number, &via);
        // §13.2.2.4: the ACK carries the same credentials as the INVITE.
        for name in [Name::Authorization, Name::ProxyAuthorization] {
            if let Some(value) = request.get(name) {
                out = out.header(name, value);
            }
        }
        if let Some(sdp) = sdp {
            out = out.body("application/sdp", sdp);
        }
        let bytes: Arc<[u8]> = out.finish().into();
        let tag = dialog.remote.tag().unwrap_or("").to_owned();
        if let Some(entry) = self.clients.get_mut(&tx)
            && entry.acks.len() < FORKS
        {
            entry.acks.push((tag, Transmitted { hop, bytes: bytes.clone() }));
        }
        self.transmit(hop, bytes);
    }
}

fn extra(mut out: Builder, headers: &[ExtraHeader]) -> Builder {
    for (name, value) in headers {
        out = out.header_named(name, value);
    }
    out
}
