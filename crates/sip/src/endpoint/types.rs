//! What goes into and comes out of the endpoint.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use super::saved::SavedCall;
use crate::digest::{Algorithm, Credentials, Ha1};
use crate::hop::{ConnId, Hop, Transport};
use crate::msg::{Message, NameAddr, Uri};
use crate::registrar::{BindingChange, RegistrarLimits, UserKey};
use crate::transaction::Timers;

/// Settings that do not change while the endpoint lives.
#[derive(Debug, Clone)]
pub struct Config {
    /// Secret from which tags, branches and nonces are made. Must be random in production.
    pub seed: [u8; 32],
    /// User-Agent and Server.
    pub user_agent: String,
    /// Address written into Via and Contact, when the local socket's own is not what peers can reach. Loopback peers
    /// always get a loopback address.
    pub advertise: Option<IpAddr>,
    /// Listening port for stream transports, written into Via and Contact there.
    pub tcp_port: u16,
    /// The same for TLS.
    pub tls_port: u16,
    pub timers: Timers,
    pub limits: Limits,
    pub registrar: RegistrarLimits,
    /// Life of an authentication nonce.
    pub nonce_lifetime: Duration,
    /// Digest algorithms to challenge with, best first (RFC 7616 §3.7). Only MD5 by default: phones in use (baresip 1.0, SIPp 3.6)
    /// give up when they meet a challenge with SHA-256, even beside one with MD5. Answers by either are accepted.
    pub algorithms: Vec<Algorithm>,
    /// Longest unanswered call in either direction.
    pub ring_limit: Duration,
    /// Session timer (RFC 4028) that we ask for, in whole seconds; `None` agrees to what the peer asks for.
    pub session_expires: Option<Duration>,
    /// The smallest interval a peer may ask for.
    pub min_se: Duration,
}

impl Config {
    /// Defaults with this seed.
    pub fn new(seed: [u8; 32]) -> Self {
        Self {
            seed,
            user_agent: "Cordboard".to_owned(),
            advertise: None,
            tcp_port: 5060,
            tls_port: 5061,
            timers: Timers::default(),
            limits: Limits::default(),
            registrar: RegistrarLimits::default(),
            nonce_lifetime: Duration::from_secs(300),
            algorithms: vec![Algorithm::Md5],
            ring_limit: Duration::from_secs(300),
            // What RFC 4028 §4 recommends.
            session_expires: Some(Duration::from_secs(1800)),
            min_se: crate::session::MIN_SE,
        }
    }
}

/// Bounds of the tables. New work beyond them gets 503 with Retry-After; requests within dialogs never do.
#[derive(Debug, Clone)]
pub struct Limits {
    pub calls: usize,
    /// Transactions of either kind that new work may take. In-dialog requests may go on to twice as many; beyond that
    /// they are dropped, and the peer repeats them.
    pub transactions: usize,
    pub streams: usize,
    /// Nonces whose counts are remembered.
    pub nonces: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { calls: 20_000, transactions: 100_000, streams: 10_000, nonces: 100_000 }
    }
}

/// Names a call. Callers of [`Command::Invite`] choose theirs with [`CallId::outgoing`]; incoming ones are numbered by the
/// endpoint from the other half of the range, so that they never meet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CallId(u64);

impl CallId {
    const INCOMING: u64 = 1 << 63;

    /// The id of an outgoing call. `number` must not be used for a second call.
    pub fn outgoing(number: u64) -> Self {
        Self(number & !Self::INCOMING)
    }

    pub(super) fn incoming(number: u64) -> Self {
        Self(number | Self::INCOMING)
    }

    /// The bare number, for logs and keys.
    pub fn number(self) -> u64 {
        self.0
    }
}

/// Names a [`Command::Ping`] or [`Command::Register`]; chosen by its caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PingId(pub u64);

/// What happened outside, or what is wished.
#[derive(Debug)]
pub enum Input<'a> {
    /// A datagram came.
    Datagram {
        local: SocketAddr,
        remote: SocketAddr,
        bytes: &'a [u8],
    },
    /// A connection was accepted or opened.
    StreamOpened {
        conn: ConnId,
        transport: Transport,
        local: SocketAddr,
        remote: SocketAddr,
    },
    /// Bytes came on a connection; of a WebSocket the bytes of one message.
    Stream {
        conn: ConnId,
        bytes: &'a [u8],
    },
    /// A connection is gone.
    StreamClosed {
        conn: ConnId,
    },
    /// `remote` cannot be reached: an ICMP error, or a connection that could not be opened.
    Unreachable {
        transport: Transport,
        remote: SocketAddr,
    },
    Command(Command),
    /// The time of [`super::Endpoint::next_timeout`] has come. Other inputs look at the clock too.
    Timeout,
}

/// A header to add to a message, as (name, value). Headers the endpoint writes itself must not be given.
pub type ExtraHeader = (String, String);

/// An outgoing call.
#[derive(Debug, Clone)]
pub struct Invite {
    pub call: CallId,
    /// Where to send it: a registered binding's hop, a trunk's resolved address.
    pub hop: Hop,
    /// Request-URI.
    pub uri: Uri,
    /// Shown to the callee; a tag is added.
    pub from: NameAddr,
    /// To; the Request-URI when `None`.
    pub to: Option<NameAddr>,
    /// User part of our Contact.
    pub contact_user: Option<String>,
    pub headers: Vec<ExtraHeader>,
    /// The offer. `None` asks the peer for one, which [`Event::Answered`] brings and [`Command::Ack`] must answer.
    pub sdp: Option<Vec<u8>>,
    /// Used when the peer challenges.
    pub credentials: Option<Credentials>,
}

/// A REGISTER of ours (RFC 3261 §10.2).
#[derive(Debug, Clone)]
pub struct Register {
    pub ping: PingId,
    pub hop: Hop,
    /// Request-URI: the domain, without a user.
    pub registrar: Uri,
    /// Address of record.
    pub aor: Uri,
    /// User part of our Contact.
    pub contact_user: String,
    /// The same for all of one address of record.
    pub call_id: String,
    /// Higher than the one before by [`Register::CSEQ_STEP`] at least.
    pub cseq: u32,
    /// Seconds to register for; 0 takes the registration back. `None` asks only what is registered (§10.2.3).
    pub expires: Option<u32>,
    pub credentials: Option<Credentials>,
}

impl Register {
    /// Answers to challenges count on by themselves.
    pub const CSEQ_STEP: u32 = 8;
}

/// What came of a request outside of calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reply {
    /// The final status.
    Status(u16),
    /// Nothing came.
    Silence,
    /// The network says that nobody is there.
    Unreachable,
}

/// A wish. Commands for a call that has already ended are ignored: they crossed its [`Event::Ended`].
#[derive(Debug, Clone)]
pub enum Command {
    Invite(Box<Invite>),
    /// Incoming call: a provisional response, as 180 or 183. 100 is sent by itself. It is sent reliably (RFC 3262) if the
    /// caller demands that, or understands it and a session comes with it; then one after the other.
    Progress {
        call: CallId,
        status: u16,
        sdp: Option<Vec<u8>>,
    },
    /// Incoming call: 200. `sdp` is the answer, or our offer when the INVITE had none. It waits for the PRACK of a session
    /// that went before it (RFC 3262 §5).
    Answer {
        call: CallId,
        sdp: Vec<u8>,
        headers: Vec<ExtraHeader>,
    },
    /// Incoming call: a final refusal, 300 to 699.
    Reject {
        call: CallId,
        status: u16,
        headers: Vec<ExtraHeader>,
    },
    /// Ends the call in whatever state it is: CANCEL, BYE, or 480. [`Event::Ended`] follows at once.
    Hangup {
        call: CallId,
        headers: Vec<ExtraHeader>,
    },
    /// Changes the session. `None` asks the peer for an offer. While another change is under way it waits its turn, the
    /// latest wish winning; glare (491) is retried inside. Ends with [`Event::ReinviteDone`].
    Reinvite {
        call: CallId,
        sdp: Option<Vec<u8>>,
    },
    /// Accepts the peer's re-INVITE or UPDATE, or the [`Event::EarlyOffer`] of one who has not answered.
    AnswerReinvite {
        call: CallId,
        sdp: Vec<u8>,
    },
    /// Refuses the peer's re-INVITE or UPDATE, as with 488; the session goes on as it was.
    RejectReinvite {
        call: CallId,
        status: u16,
    },
    /// Answers the peer's offer that came in a 2xx (to an INVITE or re-INVITE of ours without SDP).
    Ack {
        call: CallId,
        sdp: Vec<u8>,
    },
    /// INFO within the call.
    Info {
        call: CallId,
        content_type: String,
        body: Vec<u8>,
    },
    /// Asks the peer to call this target in our stead (RFC 3515). [`Event::ReferProgress`] tells how it gets on.
    Refer {
        call: CallId,
        to: Uri,
    },
    /// How a transfer that the peer asked for ([`Event::Refer`]) is getting on: NOTIFY with the status line that the
    /// call to the target has, or would have (RFC 3515 §2.4.4). A final status ends the subscription.
    NotifyRefer {
        call: CallId,
        status: u16,
    },
    /// OPTIONS within the call, to see whether the peer is alive. Ends with [`Event::OptionsResult`].
    Options {
        call: CallId,
    },
    /// OPTIONS outside of calls. Ends with [`Event::PingResult`].
    Ping {
        ping: PingId,
        hop: Hop,
        uri: Uri,
        credentials: Option<Credentials>,
    },
    /// Ends with [`Event::RegisterResult`].
    Register(Box<Register>),
    /// Takes up an established call of a former run, as [`super::Endpoint::save`] wrote it down. It goes on under this id, or
    /// [`Event::Ended`] follows at once.
    Adopt {
        call: CallId,
        saved: Box<SavedCall>,
    },
    /// CANCEL for an INVITE of a former run, known from a checkpoint ([`Message::bare`] of [`Event::Invited`]): whoever
    /// still rings stops, and who has answered meanwhile gets ACK and BYE. No event follows.
    Withdraw {
        invite: Vec<u8>,
        hop: Hop,
    },
}

/// What the endpoint wants done or known; drain with [`super::Endpoint::poll_output`].
#[derive(Debug)]
pub enum Output {
    Transmit(Transmit),
    /// Close a connection whose stream is broken or which is one too many.
    CloseStream {
        conn: ConnId,
    },
    Event(Event),
}

/// Bytes to send, whole messages each.
#[derive(Debug, Clone)]
pub struct Transmit {
    pub hop: Hop,
    pub bytes: Arc<[u8]>,
}

/// Why a call ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EndCause {
    /// We hung up or refused.
    Local,
    /// The peer sent BYE; `reason` is its Reason header.
    Remote { reason: Option<String> },
    /// The peer, calling, gave up before an answer; `reason` is its Reason header.
    Cancelled { reason: Option<String> },
    /// Our INVITE was refused, or redirected (3xx).
    Rejected { status: u16, reason: String },
    /// No answer on the wire: INVITE, re-INVITE or ACK went unanswered, or ringing took too long.
    TimedOut,
    /// The network says that the peer cannot be reached.
    Unreachable,
    /// The session timer ran out: no refresh came, or none of ours was answered (RFC 4028 §10).
    Expired,
    /// The peer no longer knows the call (481).
    Gone,
    /// We could not begin: a limit is reached, or the id is in use.
    Refused,
}

/// A new call from outside. It has been answered with 100.
#[derive(Debug, Clone)]
pub struct IncomingCall {
    pub call: CallId,
    /// Where it came from.
    pub hop: Hop,
    /// The INVITE.
    pub message: Arc<Message>,
    /// Who it is: by digest, or as the directory said.
    pub identity: Option<UserKey>,
    /// The call whose place it wants to take.
    pub replaces: Option<Replaced>,
}

impl IncomingCall {
    pub fn from(&self) -> &NameAddr {
        &self.message.from
    }

    pub fn to(&self) -> &NameAddr {
        &self.message.to
    }

    /// The Request-URI. (An INVITE always has one; To stands in for the type's sake.)
    pub fn uri(&self) -> &Uri {
        self.message.uri().unwrap_or(&self.message.to.uri)
    }

    /// The offer; `None` when the caller wants ours.
    pub fn sdp(&self) -> Option<&[u8]> {
        self.message.sdp()
    }

    pub fn user_agent(&self) -> Option<&str> {
        self.message.get(crate::msg::Name::UserAgent)
    }
}

/// What a Replaces (RFC 3891) names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Replaced {
    /// This call of ours; `early_only`: unless it has been answered.
    Call { call: CallId, early_only: bool },
    /// No dialog that we have.
    Unknown,
}

/// What happened. Each call has exactly one [`Event::Ended`], and it is its last.
#[derive(Debug, Clone)]
pub enum Event {
    IncomingCall(IncomingCall),
    /// Outgoing call: this INVITE went out, the first or one with credentials.
    Invited {
        call: CallId,
        request: Arc<Message>,
    },
    /// Outgoing call: 100, somebody is there.
    Trying {
        call: CallId,
    },
    /// Outgoing call: a provisional response above 100. Forks may each send theirs; `fork` is the peer's tag.
    Progress {
        call: CallId,
        status: u16,
        fork: String,
        sdp: Option<Vec<u8>>,
    },
    /// Outgoing call: answered. `sdp` is the answer, or the peer's offer when we sent none ([`Command::Ack`] must follow).
    Answered {
        call: CallId,
        message: Arc<Message>,
        sdp: Option<Vec<u8>>,
    },
    /// Incoming call: our answer has been acknowledged. `sdp` is the peer's answer when the INVITE had no offer.
    Established {
        call: CallId,
        sdp: Option<Vec<u8>>,
    },
    /// The peer wants to change the session, by re-INVITE or UPDATE: [`Command::AnswerReinvite`] or [`Command::RejectReinvite`] must follow.
    Reinvite {
        call: CallId,
        sdp: Option<Vec<u8>>,
    },
    /// The peer takes back its re-INVITE: nothing must follow.
    ReinviteCancelled {
        call: CallId,
    },
    /// Outgoing call: the `fork` that sent a session before it answered wants another (UPDATE, RFC 3311).
    /// [`Command::AnswerReinvite`] or [`Command::RejectReinvite`] must follow.
    EarlyOffer {
        call: CallId,
        fork: String,
        sdp: Vec<u8>,
    },
    /// Our offer in [`Command::AnswerReinvite`] (the peer's re-INVITE had none) was answered in the ACK.
    ReinviteAcked {
        call: CallId,
        sdp: Option<Vec<u8>>,
    },
    /// Our re-INVITE came to an end, one that only refreshed the session included. After a 2xx to a re-INVITE without SDP, [`Command::Ack`] must follow.
    ReinviteDone {
        call: CallId,
        status: u16,
        sdp: Option<Vec<u8>>,
    },
    Info {
        call: CallId,
        content_type: String,
        body: Vec<u8>,
    },
    /// The peer asks to be replaced by a call to this target (RFC 3515), or by another call that it has with us (RFC 5589
    /// §7). It has been answered with 202; [`Command::NotifyRefer`] must follow.
    Refer {
        call: CallId,
        to: Uri,
        replaces: Option<Replaced>,
    },
    /// What the peer tells of our [`Command::Refer`]: a status below 200 is not the last.
    ReferProgress {
        call: CallId,
        status: u16,
    },
    /// `status` 408 when nothing came. A 481 also ends the call.
    OptionsResult {
        call: CallId,
        status: u16,
    },
    PingResult {
        ping: PingId,
        reply: Reply,
    },
    RegisterResult {
        ping: PingId,
        reply: Reply,
        /// Seconds granted to our Contact; of a refusal with 423 the shortest that is taken (Min-Expires).
        expires: Option<u32>,
        /// Seconds, of a refusal.
        retry_after: Option<u32>,
    },
    Ended {
        call: CallId,
        cause: EndCause,
    },
    /// A registration changed.
    Registration {
        aor: String,
        change: BindingChange,
    },
    /// Too many wrong passwords came from this address: its requests get no answer for `time`.
    Shunned {
        source: IpAddr,
        time: Duration,
    },
}

/// A digit sent by INFO: `application/dtmf-relay` (`Signal=5`, `Duration=160`) or `application/dtmf` (`5`).
pub fn info_digit(content_type: &str, body: &[u8]) -> Option<(char, Duration)> {
    let kind = content_type.split(';').next()?.trim();
    let text = std::str::from_utf8(body).ok()?;
    let mut digit = None;
    let mut length = Duration::from_millis(100);
    if kind.eq_ignore_ascii_case("application/dtmf-relay") {
        for line in text.lines().take(16) {
            let Some((name, value)) = line.split_once('=') else { continue };
            let value = value.trim();
            if name.trim().eq_ignore_ascii_case("Signal") {
                digit = value.chars().next();
            } else if name.trim().eq_ignore_ascii_case("Duration") {
                length = value.parse().map(Duration::from_millis).unwrap_or(length).min(Duration::from_secs(10));
            }
        }
    } else if kind.eq_ignore_ascii_case("application/dtmf") {
        digit = text.trim().chars().next();
    }
    let digit = digit.map(|d| d.to_ascii_uppercase()).filter(|d| "0123456789*#ABCD".contains(*d))?;
    Some((digit, length))
}

/// What the directory decides about a new INVITE.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Admission {
    /// Let it in. `identity` names the peer when its address alone tells who it is (a trunk).
    Accept { identity: Option<UserKey> },
    /// Ask for credentials of this realm.
    Challenge { realm: String },
    /// Refuse with this status.
    Reject { status: u16 },
}

/// An account that may authenticate.
#[derive(Debug, Clone)]
pub struct Account {
    pub user: UserKey,
    pub ha1: Ha1,
}

/// What the endpoint asks its owner. Answers must come at once, from memory.
pub trait Directory {
    /// May this INVITE in?
    fn admit(&self, hop: &Hop, invite: &Message) -> Admission;
    /// The realm that guards registrations of `domain` (lower case); `None` when it is not ours.
    fn realm(&self, domain: &str) -> Option<String>;
    /// The account of a user name in a realm.
    fn account(&self, realm: &str, username: &str) -> Option<Account>;
    /// May this user register under this address of record (`user@domain`)?
    fn may_register(&self, user: &UserKey, aor: &str) -> bool;
}
