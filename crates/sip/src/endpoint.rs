//! The endpoint: one value that is registrar, user agent server and user agent client at once, for every call of a node.
//!
//! Called by `telephony` with what the sockets bring and by way of [`Command`] with what `switch` wishes. Contract:
//! `handle(now, input, directory)`, then drain `poll_output()` until `None`, then wait until `next_timeout()`. Time is since
//! start and never goes back. Equal seeds and inputs give equal outputs. Every table is bounded ([`Limits`]).
//!
//! ```text
//! outgoing  Calling ─2xx→ Up ─BYE→ (gone)        incoming  Ringing ─Answer→ Up ─BYE→ (gone)
//!              └─ 3xx-6xx, CANCEL, time-out → (gone)           └─ Reject, CANCEL, time-out → (gone)
//! ```
//!
//! A call leaves the table as soon as its end is decided; what is still under way (a CANCEL, a late 2xx to be
//! acknowledged and ended) lives on in its transactions alone.

mod commands;
mod door;
mod in_dialog;
mod incoming;
mod refresh;
mod register;
mod reliable;
mod responses;
mod saved;
mod tables;
mod types;
mod wire;

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::dialog::{AckStep, DialogKey};
use crate::digest;
use crate::guard::{Guard, Guesses};
use crate::hop::{ConnId, Hop};
use crate::msg::{Builder, Framer, Message, Method, Name, RawMessage};
use crate::random::Random;
use crate::registrar::{BindingRecord, Registrar};
use crate::transaction::ServerKey;
pub use saved::SavedCall;
use tables::{Answered, Call, ClientEntry, MergeKey, ServerEntry, Timer, Timers, TxId};
pub use types::{
    Account, Admission, CallId, Command, Config, Directory, EndCause, Event, ExtraHeader, IncomingCall, Input, Invite,
    Limits, Output, PingId, Register, Replaced, Reply, Transmit, info_digit,
};

/// Sizes of the tables, for metrics and for tests that look for leaks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Load {
    pub calls: usize,
    pub dialogs: usize,
    pub client_transactions: usize,
    pub server_transactions: usize,
    pub streams: usize,
    pub bindings: usize,
}

struct Stream {
    framer: Framer,
    hop: Hop,
    /// Until when an unfinished message may go on.
    armed: Option<Duration>,
}

/// See the module.
pub struct Endpoint {
    config: Config,
    random: Random,
    nonces: digest::Server,
    guard: Guard,
    /// What peers asked us.
    challenges: digest::Answered,
    registrar: Registrar,
    out: VecDeque<Output>,
    streams: BTreeMap<ConnId, Stream>,
    clients: BTreeMap<TxId, ClientEntry>,
    /// The maps by hash are looked up, never walked: their order must not show. Their values are small, as a burst leaves
    /// such a map large.
    client_keys: HashMap<(String, Method), TxId>,
    /// Client transactions by peer, for the network's bad news.
    client_remotes: BTreeSet<(SocketAddr, TxId)>,
    servers: BTreeMap<TxId, ServerEntry>,
    server_keys: HashMap<ServerKey, TxId>,
    merges: HashMap<MergeKey, TxId>,
    answered: Answered,
    calls: BTreeMap<CallId, Call>,
    dialogs: HashMap<DialogKey, CallId>,
    timers: Timers,
    /// Of refusals without state.
    mark: door::Mark,
    last_tx: TxId,
    last_call: u64,
}

impl Endpoint {
    pub fn new(config: Config) -> Self {
        let random = Random::new(config.seed);
        Self {
            mark: door::Mark::new(&random),
            random,
            guard: Guard::new(),
            nonces: digest::Server::new(config.seed, config.nonce_lifetime, config.limits.nonces),
            challenges: digest::Answered::default(),
            registrar: Registrar::new(config.registrar.clone()),
            config,
            out: VecDeque::new(),
            streams: BTreeMap::new(),
            clients: BTreeMap::new(),
            client_keys: HashMap::new(),
            client_remotes: BTreeSet::new(),
            servers: BTreeMap::new(),
            server_keys: HashMap::new(),
            merges: HashMap::new(),
            answered: Answered::default(),
            calls: BTreeMap::new(),
            dialogs: HashMap::new(),
            timers: Timers::default(),
            last_tx: 0,
            last_call: 0,
        }
    }

    /// Takes one input. Everything it causes is in [`Self::poll_output`] afterwards.
    pub fn handle(&mut self, now: Duration, input: Input<'_>, directory: &dyn Directory) {
        self.run_timers(now);
        match input {
            Input::Timeout => {}
            Input::Datagram { local, remote, bytes } => {
                let blank = bytes.iter().take_while(|b| b.is_ascii_whitespace()).count();
                // Blank datagrams keep NAT bindings open (RFC 5626 §3.5.1 has CRLF for streams; phones use it on UDP too).
                if blank < bytes.len() {
                    self.on_message(now, Hop::udp(local, remote), &bytes[blank..], directory);
                }
            }
            Input::StreamOpened { conn, transport, local, remote } => {
                if self.streams.len() >= self.config.limits.streams {
                    self.out.push_back(Output::CloseStream { conn });
                    return;
                }
                let hop = Hop { transport, local, remote, conn: Some(conn) };
                self.streams.insert(conn, Stream { framer: Framer::new(), hop, armed: None });
            }
            Input::Stream { conn, bytes } => self.on_stream(now, conn, bytes, directory),
            Input::StreamClosed { conn } => {
                self.drop_stream(now, conn);
                let changes = self.registrar.disconnect(conn);
                self.report_bindings(changes);
            }
            Input::Unreachable { transport, remote } => {
                self.fail_requests(now, remote, |to| to.transport == transport);
            }
            Input::Command(command) => self.on_command(now, command),
        }
    }

    /// The next thing to send or to know.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.out.pop_front()
    }

    /// When to call [`Self::handle`] with [`Input::Timeout`] at the latest.
    pub fn next_timeout(&self) -> Option<Duration> {
        [self.timers.next(), self.answered.next(), self.registrar.next_expiry()].into_iter().flatten().min()
    }

    /// The registrations, for look-ups.
    pub fn registrar(&self) -> &Registrar {
        &self.registrar
    }

    /// Takes stored registrations back after `away` of being down.
    pub fn import_bindings(&mut self, now: Duration, away: Duration, records: Vec<BindingRecord>) {
        self.registrar.import(now, away, records);
    }

    /// Wrong passwords since the start.
    pub fn guesses(&self) -> Guesses {
        self.guard.guesses()
    }

    /// Sizes of the tables.
    pub fn load(&self) -> Load {
        Load {
            calls: self.calls.len(),
            dialogs: self.dialogs.len(),
            client_transactions: self.clients.len(),
            server_transactions: self.servers.len() + self.answered.len(),
            streams: self.streams.len(),
            bindings: self.registrar.len(),
        }
    }

    fn on_stream(&mut self, now: Duration, conn: ConnId, bytes: &[u8], directory: &dyn Directory) {
        let Some(stream) = self.streams.get_mut(&conn) else { return };
        if stream.hop.transport.is_web() {
            let hop = stream.hop;
            return self.on_web_message(now, hop, bytes, directory);
        }
        stream.framer.push(bytes);
        let (mut is_fresh, mut has_ponged) = (stream.armed.is_none(), false);
        loop {
            let Some(stream) = self.streams.get_mut(&conn) else { return };
            let hop = stream.hop;
            match stream.framer.next_frame() {
                Ok(Some(crate::msg::Frame::Message(bytes))) => {
                    is_fresh = true;
                    self.on_message(now, hop, &bytes, directory);
                }
                // A client waits for the answer to a ping before the next (RFC 5626 §4.4.1): one answer a read is enough.
                Ok(Some(crate::msg::Frame::Ping)) => {
                    if !std::mem::replace(&mut has_ponged, true) {
                        self.transmit(hop, Arc::from(&b"\r\n"[..]));
                    }
                }
                Ok(None) => {
                    let want = match stream.framer.is_mid_message() {
                        true if is_fresh => Some(now + self.config.timers.patience()),
                        true => stream.armed,
                        false => None,
                    };
                    self.timers.arm(&mut stream.armed, Timer::Stream(conn), want);
                    return;
                }
                // Framing is lost; whatever comes next cannot be trusted.
                Err(_) => return self.break_stream(now, conn),
            }
        }
    }

    /// One message of a WebSocket is one of SIP's, whole (RFC 7118 §5); a double line end asks for a single one.
    fn on_web_message(&mut self, now: Duration, hop: Hop, bytes: &[u8], directory: &dyn Directory) {
        let blank = bytes.iter().take_while(|b| b.is_ascii_whitespace()).count();
        if blank < bytes.len() {
            self.on_message(now, hop, &bytes[blank..], directory);
        } else if bytes == b"\r\n\r\n" {
            self.transmit(hop, Arc::from(&b"\r\n"[..]));
        }
    }

    /// Gives a connection up, as one whose message never ends (RFC 4475 §3.1.2.2) or cannot be framed.
    fn break_stream(&mut self, now: Duration, conn: ConnId) {
        self.drop_stream(now, conn);
        self.out.push_back(Output::CloseStream { conn });
    }

    fn drop_stream(&mut self, now: Duration, conn: ConnId) {
        let Some(Stream { hop, mut armed, .. }) = self.streams.remove(&conn) else { return };
        self.timers.arm(&mut armed, Timer::Stream(conn), None);
        self.fail_requests(now, hop.remote, |to| {
            to.transport == hop.transport && to.conn.is_none_or(|used| used == conn)
        });
    }

    fn on_message(&mut self, now: Duration, hop: Hop, bytes: &[u8], directory: &dyn Directory) {
        if self.mark.is_on(bytes) {
            return;
        }
        match Message::parse(bytes) {
            Ok(message) if message.is_request() => self.on_request(now, hop, Arc::new(message), directory),
            Ok(message) => self.on_response(now, hop, Arc::new(message)),
            Err(reject) => {
                let Some(raw) = reject.raw else { return };
                let answerable = raw.method_hint().is_some_and(|method| *method != Method::Ack);
                if answerable && raw.get(Name::Via).is_some() {
                    let reply = Builder::reply(&raw, hop.remote, reject.code, reject.reason, Some(&self.tag_for(&raw)));
                    let via = raw.list(Name::Via).next().and_then(crate::msg::Via::parse);
                    let to = via.map_or(hop, |via| wire::reply_hop(&via, &hop));
                    self.transmit(to, self.finish(reply));
                }
            }
        }
    }

    fn run_timers(&mut self, now: Duration) {
        self.answered.forget(now);
        let lapsed = self.registrar.expire(now);
        self.report_bindings(lapsed);
        // Every timer re-arms itself later than `now`, so this ends.
        while let Some(timer) = self.timers.pop(now) {
            match timer {
                Timer::Client(id) => self.on_client_timer(now, id),
                Timer::Server(id) => self.on_server_timer(now, id),
                Timer::Call(id) => self.on_call_timer(now, id),
                Timer::Stream(conn) => self.break_stream(now, conn),
            }
        }
    }

    fn on_server_timer(&mut self, now: Duration, id: TxId) {
        let Some(entry) = self.servers.get_mut(&id) else { return };
        entry.armed = None;
        let step = entry.tx.on_timeout(now);
        if step.resend
            && let Some(bytes) = entry.last.clone()
        {
            let hop = entry.reply_to;
            self.transmit(hop, bytes);
        }
        self.settle_server(id);
    }

    fn on_call_timer(&mut self, now: Duration, id: CallId) {
        let Some(call) = self.calls.get_mut(&id) else { return };
        call.armed = None;
        if call.ring_until.is_some_and(|at| at <= now) {
            self.end_call(now, id, EndCause::TimedOut, &[]);
            return;
        }
        match call.ack_wait.as_mut().map(|wait| (wait.on_timeout(now), wait.hop, wait.bytes.clone())) {
            Some((AckStep::Resend, hop, bytes)) => self.transmit(hop, bytes),
            Some((AckStep::GiveUp, ..)) => {
                // §13.3.1.4: no ACK, so the session is over; the BYE is due all the same.
                call.ack_wait = None;
                call.is_established = true;
                self.end_call(now, id, EndCause::TimedOut, &[]);
                return;
            }
            Some((AckStep::Wait, ..)) | None => {}
        }
        if !self.on_reliable_timer(now, id) || !self.on_clock(now, id) {
            return;
        }
        self.start_wish(now, id);
        self.settle_call(id);
    }

    /// Forgets a client transaction that is over, or arms its timer.
    fn settle_client(&mut self, id: TxId) {
        let Some(entry) = self.clients.get_mut(&id) else { return };
        let over = entry.tx.is_terminated();
        let want = if over { None } else { entry.deadline() };
        self.timers.arm(&mut entry.armed, Timer::Client(id), want);
        if over && let Some(entry) = self.clients.remove(&id) {
            self.client_keys.remove(&entry.key);
            self.client_remotes.remove(&(entry.hop.remote, id));
        }
    }

    fn settle_server(&mut self, id: TxId) {
        let Some(entry) = self.servers.get_mut(&id) else { return };
        let over = entry.tx.is_terminated();
        let want = if over { None } else { entry.deadline() };
        self.timers.arm(&mut entry.armed, Timer::Server(id), want);
        if over && let Some(entry) = self.servers.remove(&id) {
            self.server_keys.remove(&entry.key);
            if let Some(merge) = entry.merge {
                self.merges.remove(&merge);
            }
        }
    }

    fn settle_call(&mut self, id: CallId) {
        let Some(call) = self.calls.get_mut(&id) else { return };
        let want = call.deadline();
        self.timers.arm(&mut call.armed, Timer::Call(id), want);
    }

    /// Removes a call and tells the user, once. INVITEs still under way must not outlive it for long: the peer's gets its
    /// final response, ours is given the usual patience.
    fn drop_call(&mut self, now: Duration, id: CallId, cause: EndCause) {
        let Some(mut call) = self.calls.remove(&id) else { return };
        self.timers.arm(&mut call.armed, Timer::Call(id), None);
        self.dialogs.remove(&call.dialog_key);
        if let Some(tx) = call.invite_in {
            self.tx_answer(now, tx, 487);
        }
        if let Some(update) = call.update_in.take() {
            let reply = self.tagged_reply(&update.request, update.hop, 487, &update.tag);
            self.answer_at_once(now, update.hop, &update.request, reply);
        }
        if let Some(tx) = call.invite_out
            && let Some(entry) = self.clients.get_mut(&tx)
        {
            entry.give_up_at.get_or_insert(now + self.config.timers.patience());
            self.settle_client(tx);
        }
        if !call.closing {
            self.emit(Event::Ended { call: id, cause });
        }
    }

    fn transmit(&mut self, hop: Hop, bytes: Arc<[u8]>) {
        self.out.push_back(Output::Transmit(Transmit { hop, bytes }));
    }

    fn emit(&mut self, event: Event) {
        self.out.push_back(Output::Event(event));
    }

    fn finish(&self, response: Builder) -> Arc<[u8]> {
        response.header(Name::Server, &self.config.user_agent).finish().into()
    }

    /// The To tag of a response without state: the same for each repeat of the request.
    fn tag_for(&self, request: &RawMessage) -> String {
        let text = |name| request.get(name).unwrap_or("");
        self.random.stable_tag(&[text(Name::Via), text(Name::CallId), text(Name::From)])
    }

    /// True when new work may take another transaction.
    fn has_room(&self) -> bool {
        self.transactions() < self.config.limits.transactions
    }

    fn transactions(&self) -> usize {
        self.clients.len() + self.servers.len() + self.answered.len()
    }

    /// Even requests within dialogs must stop somewhere.
    fn has_room_in_dialog(&self) -> bool {
        self.transactions() < self.config.limits.transactions * 2
    }

    fn next_tx(&mut self) -> TxId {
        self.last_tx += 1;
        self.last_tx
    }

    fn fail_requests(&mut self, now: Duration, remote: SocketAddr, concerns: impl Fn(&Hop) -> bool) {
        let at_remote = self.client_remotes.range((remote, 0)..=(remote, TxId::MAX)).map(|(_, id)| *id);
        let hit: Vec<TxId> = at_remote
            .filter(|id| self.clients.get(id).is_some_and(|e| e.tx.is_pending() && concerns(&e.hop)))
            .collect();
        for id in hit {
            let failed = self.clients.get_mut(&id).is_some_and(|entry| entry.tx.on_transport_error());
            if failed {
                self.on_no_response(now, id, 503);
            }
            self.settle_client(id);
        }
    }

    fn report_bindings(&mut self, changes: Vec<(String, crate::registrar::BindingChange)>) {
        for (aor, change) in changes {
            self.emit(Event::Registration { aor, change });
        }
    }
}
