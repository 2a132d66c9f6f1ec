//! Requests outside of dialogs: retransmissions, ACK, CANCEL, and new INVITE, OPTIONS, REGISTER (RFC 3261 §8.2).

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use super::door::RETRY_AFTER_S;
use super::reliable::Reliable;
use super::tables::{Call, ServerEntry, Stage, Transmitted, TxId};
use super::types::{Admission, CallId, Directory, EndCause, Event, IncomingCall};
use super::wire::{self, reason_phrase};
use super::{Endpoint, Hop};
use crate::dialog::Dialog;
use crate::digest::{Claim, Denial};
use crate::msg::{Builder, ContactList, Message, Method, Name, NameAddr, Replaces};
use crate::registrar::{BindingChange, Flow, PATH_MAX, PATH_OCTETS_MAX, RegisterError, Registration, UserKey};
use crate::transaction::{ServerKey, ServerTransaction};

impl Endpoint {
    pub(super) fn on_request(&mut self, now: Duration, hop: Hop, request: Arc<Message>, directory: &dyn Directory) {
        let key = ServerKey::of(&request);
        let known = self.server_keys.get(&key).copied();
        match (request.method(), known) {
            (Method::Ack, known) => {
                if let Some(id) = known
                    && let Some(entry) = self.servers.get_mut(&id)
                {
                    entry.tx.on_ack(now);
                    self.settle_server(id);
                }
                self.on_ack(now, hop, &request);
            }
            (Method::Cancel, _) => self.on_cancel(now, hop, &request),
            (_, Some(id)) => {
                let Some(entry) = self.servers.get(&id) else { return };
                if entry.tx.on_retransmit().resend
                    && let Some(bytes) = entry.last.clone()
                {
                    let to = entry.reply_to;
                    self.transmit(to, bytes);
                }
            }
            (method, None) => {
                if let Some(response) = self.answered.get(&key) {
                    let Transmitted { hop, bytes } = response.clone();
                    return self.transmit(hop, bytes);
                }
                let unsupported: Vec<&str> = request
                    .list(Name::Require)
                    .filter(|o| !o.is_empty() && !wire::is_supported(request.method(), o))
                    .collect();
                if !unsupported.is_empty() {
                    let reply = self.reply(&request, hop, 420).header(Name::Unsupported, unsupported.join(", "));
                    self.send_stateless(&request, hop, reply);
                    return;
                }
                let in_dialog = request.to.tag().is_some() && *method != Method::Register;
                match method {
                    _ if in_dialog => self.on_dialog_request(now, hop, request),
                    Method::Invite => self.on_invite(now, hop, request, directory),
                    Method::Register => self.on_register(now, hop, &request, directory),
                    Method::Options => {
                        let reply = self.capabilities(self.reply(&request, hop, 200));
                        self.send_stateless(&request, hop, reply);
                    }
                    Method::Bye | Method::Info | Method::Prack | Method::Update => self.refuse(&request, hop, 481),
                    other => {
                        let status = if matches!(other, Method::Other(_)) { 501 } else { 405 };
                        self.refuse(&request, hop, status);
                    }
                }
            }
        }
    }

    /// A response to `request`, with a To tag made from it.
    pub(super) fn reply(&self, request: &Message, hop: Hop, status: u16) -> Builder {
        self.tagged_reply(request, hop, status, &self.tag_for(request))
    }

    pub(super) fn tagged_reply(&self, request: &Message, hop: Hop, status: u16, tag: &str) -> Builder {
        Builder::reply(request, hop.remote, status, reason_phrase(status), Some(tag))
    }

    pub(super) fn send_stateless(&mut self, request: &Message, hop: Hop, reply: Builder) {
        let bytes = self.finish(reply);
        self.transmit(wire::reply_hop(&request.via, &hop), bytes);
    }

    /// Refuses without keeping state: a repeat of the request gets the same answer.
    pub(super) fn refuse(&mut self, request: &Message, hop: Hop, status: u16) {
        let mut reply = self.reply(request, hop, status);
        match status {
            405 | 501 => reply = reply.header(Name::Allow, wire::ALLOW),
            415 => reply = reply.header(Name::Accept, "application/sdp"),
            500 | 503 => reply = reply.header(Name::RetryAfter, RETRY_AFTER_S),
            _ => {}
        }
        self.send_stateless(request, hop, reply);
    }

    pub(super) fn capabilities(&self, reply: Builder) -> Builder {
        reply
            .header(Name::Allow, wire::ALLOW)
            .header(Name::Accept, "application/sdp, application/dtmf-relay, application/dtmf")
            .header(Name::Supported, wire::SUPPORTED)
    }

    /// The status for an INVITE whose body we cannot read or who could not read ours; `None` when it is fine.
    pub(super) fn body_fault(request: &Message) -> Option<u16> {
        let encoded = request.get(Name::ContentEncoding).is_some_and(|e| !e.eq_ignore_ascii_case("identity"));
        if !request.body().is_empty() && (encoded || request.sdp().is_none()) {
            return Some(415);
        }
        // Our answer to an INVITE holds SDP; whoever cannot read it cannot be served (§13.2.1, §21.4.7).
        let reads_sdp = |range: &str| {
            let range = range.split(';').next().unwrap_or("").trim();
            ["application/sdp", "application/*", "*/*"].iter().any(|known| range.eq_ignore_ascii_case(known))
        };
        let has_accept = request.get(Name::Accept).is_some();
        (has_accept && !request.list(Name::Accept).any(reads_sdp)).then_some(406)
    }

    /// Answers a request that is no INVITE with its final response.
    pub(super) fn answer_at_once(&mut self, now: Duration, hop: Hop, request: &Message, reply: Builder) {
        let bytes = self.finish(reply);
        let response = Transmitted { hop: wire::reply_hop(&request.via, &hop), bytes: bytes.clone() };
        self.transmit(response.hop, bytes);
        // Over a reliable transport timer J is zero.
        if !hop.transport.is_reliable() {
            self.answered.keep(ServerKey::of(request), response, now + self.config.timers.patience());
        }
    }

    /// Opens the transaction of an INVITE.
    pub(super) fn open_server(&mut self, hop: Hop, request: &Arc<Message>, call: CallId, tag: String) -> TxId {
        let id = self.next_tx();
        let key = ServerKey::of(request);
        let merge = request.to.tag().is_none().then(|| merge_key(request));
        self.server_keys.insert(key.clone(), id);
        if let Some(merge) = &merge {
            self.merges.insert(merge.clone(), id);
        }
        let entry = ServerEntry {
            tx: ServerTransaction::new(hop.transport.is_reliable(), self.config.timers),
            key,
            merge,
            source: hop,
            reply_to: wire::reply_hop(&request.via, &hop),
            request: request.clone(),
            last: None,
            call,
            tag,
            armed: None,
        };
        self.servers.insert(id, entry);
        id
    }

    /// Begins a response within a transaction.
    pub(super) fn tx_reply(&self, id: TxId, status: u16) -> Option<Builder> {
        let entry = self.servers.get(&id)?;
        let tag = (status > 100).then_some(entry.tag.as_str());
        Some(Builder::reply(&entry.request, entry.source.remote, status, reason_phrase(status), tag))
    }

    /// Sends a response within a transaction; its bytes, or `None` when it is too late for it.
    pub(super) fn tx_send(&mut self, now: Duration, id: TxId, status: u16, reply: Builder) -> Option<Arc<[u8]>> {
        let bytes = self.finish(reply);
        let entry = self.servers.get_mut(&id)?;
        if !entry.tx.on_send(now, status) {
            return None;
        }
        entry.last = Some(bytes.clone());
        let to = entry.reply_to;
        self.transmit(to, bytes.clone());
        self.settle_server(id);
        Some(bytes)
    }

    /// [`Self::tx_reply`] and [`Self::tx_send`] for a response without further headers.
    pub(super) fn tx_answer(&mut self, now: Duration, id: TxId, status: u16) {
        if let Some(reply) = self.tx_reply(id, status) {
            self.tx_send(now, id, status, reply);
        }
    }

    fn on_invite(&mut self, now: Duration, hop: Hop, request: Arc<Message>, directory: &dyn Directory) {
        if self.merges.contains_key(&merge_key(&request)) {
            return self.refuse(&request, hop, 482);
        }
        // We pass calls on as new ones, so a loop through us must end here.
        if request.number(Name::MaxForwards) == Some(0) {
            return self.refuse(&request, hop, 483);
        }
        if let Some(status) = Self::body_fault(&request) {
            return self.refuse(&request, hop, status);
        }
        if self.calls.len() >= self.config.limits.calls || !self.has_room() {
            return self.refuse(&request, hop, 503);
        }
        if self.refuse_interval(&request, hop) {
            return;
        }
        let identity = match directory.admit(&hop, &request) {
            Admission::Accept { identity } => identity,
            Admission::Reject { status } => return self.refuse(&request, hop, status),
            Admission::Challenge { realm } => match self.authenticate(now, hop, &request, &realm, directory) {
                Some(user) => Some(user),
                None => return,
            },
        };
        // At most one, and one that can be read (RFC 3891 §3).
        let named: Vec<_> = request.all(Name::Replaces).map(Replaces::parse).collect();
        let replaces = match &named[..] {
            [] => None,
            [Some(named)] => Some(self.replaced(named)),
            _ => return self.refuse(&request, hop, 400),
        };
        let tag = self.random.hex(8);
        let Some(dialog) = Dialog::of_incoming(&request, &tag) else {
            return self.refuse(&request, hop, 400);
        };
        self.last_call += 1;
        let call = CallId::incoming(self.last_call);
        let tx = self.open_server(hop, &request, call, tag);
        self.tx_answer(now, tx, 100);
        let user = request.uri().and_then(|uri| uri.user.clone());
        let dialog_key = dialog.key();
        self.dialogs.insert(dialog_key.clone(), call);
        let row = Call {
            stage: Stage::Ringing,
            closing: false,
            source: hop,
            is_natted: wire::is_natted(&request.via, &hop),
            contact: wire::own_contact(&self.config, &hop, user.as_deref(), request.uri().unwrap_or(&request.to.uri)),
            dialog: Some(dialog),
            dialog_key,
            owns_call_id: false,
            invite_in: Some(tx),
            invite_out: None,
            ack_wait: None,
            is_established: false,
            pending_ack: None,
            refers: false,
            wish: None,
            retry_at: None,
            retries: 0,
            ring_until: Some(now + self.config.ring_limit),
            early: Vec::new(),
            reliable: Reliable::of(&request),
            update_in: None,
            clock: None,
            min_se: self.config.min_se,
            takes_update: false,
            sdp: Vec::new(),
            credentials: None,
            armed: None,
        };
        self.calls.insert(call, row);
        self.settle_call(call);
        self.emit(Event::IncomingCall(IncomingCall { call, hop, message: request, identity, replaces }));
    }

    /// CANCEL is answered without state: the INVITE's transaction remembers all that matters (§9.2).
    fn on_cancel(&mut self, now: Duration, hop: Hop, request: &Arc<Message>) {
        let Some(id) = self.server_keys.get(&ServerKey::cancelled_by(request)).copied() else {
            return self.refuse(request, hop, 481);
        };
        let Some(entry) = self.servers.get(&id) else { return };
        let (tag, call, pending) = (entry.tag.clone(), entry.call, entry.tx.is_pending());
        let reply = Builder::reply(request, hop.remote, 200, reason_phrase(200), Some(&tag));
        self.send_stateless(request, hop, reply);
        if !pending {
            return;
        }
        self.tx_answer(now, id, 487);
        let Some(row) = self.calls.get_mut(&call) else { return };
        row.invite_in = None;
        if row.stage == Stage::Ringing {
            let reason = request.get(Name::Reason).map(str::to_owned);
            self.drop_call(now, call, EndCause::Cancelled { reason });
        } else {
            // A cancelled re-INVITE leaves the session as it was.
            self.emit(Event::ReinviteCancelled { call });
            self.start_wish(now, call);
            self.settle_call(call);
        }
    }

    /// Who sent this, by its credentials. `None` when it was answered with a challenge or a refusal.
    fn authenticate(
        &mut self,
        now: Duration,
        hop: Hop,
        request: &Message,
        realm: &str,
        directory: &dyn Directory,
    ) -> Option<UserKey> {
        let source = hop.remote.ip();
        if self.guard.shuns(now, source) {
            return None;
        }
        let headers = request.all(Name::Authorization);
        let claim = self.nonces.claim(now, source, realm, request.method().text(), headers);
        let denial = match claim {
            Err(denial) => denial,
            Ok(claim) => match self.prove(now, source, realm, &claim, directory) {
                Ok(user) => return Some(user),
                Err(denial) => denial,
            },
        };
        match denial {
            Denial::Missing | Denial::Stale => {
                let stale = denial == Denial::Stale;
                let challenges = self.nonces.challenges(now, source, realm, &self.config.algorithms, stale);
                let mut reply = self.reply(request, hop, 401);
                for challenge in challenges {
                    reply = reply.header(Name::WwwAuthenticate, challenge);
                }
                self.send_stateless(request, hop, reply);
            }
            Denial::Wrong => self.refuse(request, hop, 403),
            Denial::Malformed => self.refuse(request, hop, 400),
        }
        None
    }

    /// Whose the credentials are, if they are worth a look (see [`crate::guard`]).
    fn prove(
        &mut self,
        now: Duration,
        source: IpAddr,
        realm: &str,
        claim: &Claim,
        directory: &dyn Directory,
    ) -> Result<UserKey, Denial> {
        let is_looked_at = self.guard.may_try(now, source, &claim.username);
        let account = directory.account(realm, &claim.username).filter(|_| is_looked_at);
        let verified = self.nonces.verify(claim, account.as_ref().map(|a| &a.ha1));
        match (verified, account) {
            (Ok(()), Some(account)) => {
                self.guard.was_right(now, source, &claim.username);
                Ok(account.user)
            }
            (Err(Denial::Wrong), _) | (Ok(()), None) => {
                if let Some(time) = self.guard.was_wrong(now, source, &claim.username) {
                    self.emit(Event::Shunned { source, time });
                }
                Err(Denial::Wrong)
            }
            (Err(denial), _) => Err(denial),
        }
    }

    fn on_register(&mut self, now: Duration, hop: Hop, request: &Message, directory: &dyn Directory) {
        if !self.has_room() {
            return self.refuse(request, hop, 503);
        }
        // §10.2: the address of record is a SIP URI, and a Contact must be one thing or the other (RFC 4475 §3.1.2.13, §3.3.4).
        let contacts = request.contacts();
        if !request.to.uri.is_sip() || contacts.is_none() {
            return self.refuse(request, hop, 400);
        }
        // §10.3: the address of record is To, the domain ours.
        let Some(realm) = directory.realm(&request.to.uri.host) else { return self.refuse(request, hop, 404) };
        let Some(user) = self.authenticate(now, hop, request, &realm, directory) else { return };
        let aor = request.to.uri.aor();
        if !directory.may_register(&user, &aor) {
            return self.refuse(request, hop, 403);
        }
        let path: Vec<String> = request.list(Name::Path).map(str::to_owned).collect();
        let octets: usize = path.iter().map(String::len).sum();
        let is_way = |value: &String| NameAddr::parse(value).is_ok_and(|proxy| proxy.uri.is_sip());
        let wants = |name| request.list(name).any(|option: &str| option.eq_ignore_ascii_case(OUTBOUND));
        let has_flows = (wants(Name::Supported) || wants(Name::Require)) && has_outbound_edge(request, &path);
        if wants(Name::Require) && !has_flows {
            return self.refuse(request, hop, 439);
        }
        let result = match &contacts {
            _ if path.len() > PATH_MAX || octets > PATH_OCTETS_MAX || !path.iter().all(is_way) => {
                Err(RegisterError::Malformed)
            }
            None => Err(RegisterError::Malformed),
            Some(ContactList::Addresses(list)) if list.is_empty() => Ok(Vec::new()),
            Some(contacts) => self.registrar.register(
                now,
                &Registration {
                    aor: &aor,
                    user: &user,
                    hop,
                    call_id: request.call_id(),
                    cseq: request.cseq.number,
                    user_agent: request.get(Name::UserAgent),
                    contacts,
                    path: &path,
                    expires: request.number(Name::Expires),
                    has_flows,
                },
            ),
        };
        let status = match &result {
            Ok(_) => 200,
            Err(RegisterError::TooBrief { .. }) => 423,
            Err(RegisterError::OutOfOrder) => 500,
            Err(RegisterError::TooMany) => 403,
            Err(RegisterError::Full) => 503,
            Err(RegisterError::Malformed) => 400,
        };
        let mut reply = self.reply(request, hop, status);
        match &result {
            Ok(_) => {
                // So that the phone sees who stands between (RFC 3327 §5.3).
                for proxy in &path {
                    reply = reply.header(Name::Path, proxy);
                }
                reply = reply.header(Name::Supported, wire::SUPPORTED_OF_PHONES);
                let keeps_flows =
                    |change: &BindingChange| matches!(change, BindingChange::Bound(b) if b.flow.is_some());
                if result.iter().flatten().any(keeps_flows) {
                    reply = reply.header(Name::Require, OUTBOUND).header(Name::FlowTimer, FLOW_TIMER_S);
                }
                for binding in self.registrar.bindings(&aor) {
                    let left = binding.expires_at.saturating_sub(now).as_secs();
                    let contact = &binding.contact;
                    reply = match &binding.flow {
                        None => reply.header(Name::Contact, format_args!("<{contact}>;expires={left}")),
                        Some(Flow { instance, number }) => {
                            let flow =
                                format_args!("<{contact}>;expires={left};+sip.instance=\"{instance}\";reg-id={number}");
                            reply.header(Name::Contact, flow)
                        }
                    };
                }
            }
            Err(RegisterError::TooBrief { min }) => reply = reply.header(Name::MinExpires, min.as_secs()),
            Err(RegisterError::Full | RegisterError::OutOfOrder) => {
                reply = reply.header(Name::RetryAfter, RETRY_AFTER_S);
            }
            Err(RegisterError::TooMany | RegisterError::Malformed) => {}
        }
        self.answer_at_once(now, hop, request, reply);
        for change in result.unwrap_or_default() {
            self.emit(Event::Registration { aor: aor.clone(), change });
        }
    }
}

/// The option of RFC 5626.
const OUTBOUND: &str = "outbound";
/// How often a phone should show that its way is open: the NATs of homes forget a TCP connection after some minutes.
const FLOW_TIMER_S: u32 = 120;

/// Whether the first proxy behind the phone keeps its flows: there is none, or it says so (RFC 5626 §6).
fn has_outbound_edge(request: &Message, path: &[String]) -> bool {
    let edge = path.last().and_then(|proxy| NameAddr::parse(proxy).ok());
    match edge {
        Some(edge) => edge.uri.params.has("ob"),
        None => request.list(Name::Via).count() == 1,
    }
}

fn merge_key(request: &Message) -> super::MergeKey {
    (request.call_id().to_owned(), request.from.tag().unwrap_or("").to_owned(), request.cseq.number)
}
