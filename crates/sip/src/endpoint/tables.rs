//! Rows of the endpoint's tables, and the timer queue they share.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use super::reliable::{EarlyDialog, Reliable};
use super::types::{CallId, ExtraHeader, PingId};
use crate::dialog::{AckWait, Dialog, DialogKey};
use crate::digest::Credentials;
use crate::hop::{ConnId, Hop};
use crate::msg::{Message, Method};
use crate::session::Clock;
use crate::transaction::{ClientTransaction, ServerKey, ServerTransaction};

/// Number of a transaction within the endpoint.
pub(super) type TxId = u64;

/// Whose deadline it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Timer {
    Client(TxId),
    Server(TxId),
    Call(CallId),
    Stream(ConnId),
}

/// All deadlines. Each owner has at most one entry and remembers it in `armed`.
#[derive(Debug, Default)]
pub(super) struct Timers(BTreeSet<(Duration, Timer)>);

impl Timers {
    pub(super) fn arm(&mut self, armed: &mut Option<Duration>, timer: Timer, want: Option<Duration>) {
        if *armed == want {
            return;
        }
        if let Some(at) = armed.take() {
            self.0.remove(&(at, timer));
        }
        if let Some(at) = want {
            self.0.insert((at, timer));
        }
        *armed = want;
    }

    pub(super) fn next(&self) -> Option<Duration> {
        self.0.first().map(|(at, _)| *at)
    }

    /// Takes the first deadline that has come.
    pub(super) fn pop(&mut self, now: Duration) -> Option<Timer> {
        let (at, timer) = *self.0.first()?;
        (at <= now).then(|| {
            self.0.remove(&(at, timer));
            timer
        })
    }
}

/// A deadline at which something is merely forgotten, moved to the next full second: a thousand of them share one wake-up.
pub(super) fn coarse(at: Duration) -> Duration {
    Duration::from_secs(at.as_secs() + u64::from(at.subsec_nanos() > 0))
}

/// Requests other than INVITE, answered finally at once: of their transactions nothing is left but a response that is
/// repeated when the request is, until timer J (RFC 3261 §17.2.2).
#[derive(Debug, Default)]
pub(super) struct Answered {
    responses: HashMap<ServerKey, Transmitted>,
    /// In order, as all live equally long.
    until: VecDeque<(Duration, ServerKey)>,
}

impl Answered {
    pub(super) fn keep(&mut self, key: ServerKey, response: Transmitted, until: Duration) {
        self.until.push_back((coarse(until), key.clone()));
        self.responses.insert(key, response);
    }

    pub(super) fn get(&self, key: &ServerKey) -> Option<&Transmitted> {
        self.responses.get(key)
    }

    pub(super) fn next(&self) -> Option<Duration> {
        self.until.front().map(|(at, _)| *at)
    }

    pub(super) fn forget(&mut self, now: Duration) {
        while let Some((_, key)) = self.until.pop_front_if(|(at, _)| *at <= now) {
            self.responses.remove(&key);
        }
        // After a burst.
        if self.responses.capacity() > 1024 && self.responses.len() < self.responses.capacity() / 8 {
            self.responses.shrink_to(self.responses.len() * 2);
            self.until.shrink_to(self.until.len() * 2);
        }
    }

    pub(super) fn len(&self) -> usize {
        self.responses.len()
    }
}

/// Whom a response is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Owner {
    Invite(CallId),
    Reinvite(CallId),
    Options(CallId),
    Info(CallId),
    Refer(CallId),
    Update(CallId),
    /// PRACK of an early dialog.
    Prack(CallId),
    Ping(PingId),
    Register(PingId),
    /// BYE and CANCEL: the call is gone already, only the message must arrive.
    Nobody,
}

/// Progress of a wish to cancel an INVITE of ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Cancel {
    No,
    /// No response has come yet, so CANCEL must wait (§9.1).
    Wanted(Vec<ExtraHeader>),
    Sent,
}

#[derive(Debug)]
pub(super) struct ClientEntry {
    pub tx: ClientTransaction,
    pub key: (String, Method),
    pub hop: Hop,
    pub bytes: Arc<[u8]>,
    pub request: Arc<Message>,
    pub owner: Owner,
    pub credentials: Option<Credentials>,
    /// Challenges answered so far for this request.
    pub auth_tries: u8,
    pub cancel: Cancel,
    /// After CANCEL: when to stop waiting for a final response.
    pub give_up_at: Option<Duration>,
    /// ACK of the non-2xx final response.
    pub ack: Option<Arc<[u8]>>,
    /// Highest CSeq number used in an early dialog of this INVITE.
    pub early_cseq: u32,
    /// To tag of the fork that became the call.
    pub winner: Option<String>,
    /// ACKs of 2xx by To tag, to be repeated when the 2xx is.
    pub acks: Vec<(String, Transmitted)>,
    pub armed: Option<Duration>,
}

/// Something sent once that may have to be sent again.
#[derive(Debug, Clone)]
pub(super) struct Transmitted {
    pub hop: Hop,
    pub bytes: Arc<[u8]>,
}

impl ClientEntry {
    pub(super) fn deadline(&self) -> Option<Duration> {
        if self.tx.is_lingering() {
            return self.tx.deadline().map(coarse);
        }
        match (self.tx.deadline(), self.give_up_at) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        }
    }
}

/// Call-ID, From tag, CSeq: equal in a request that reached us twice by different ways (§8.2.2.2).
pub(super) type MergeKey = (String, String, u32);

/// An INVITE that came in.
#[derive(Debug)]
pub(super) struct ServerEntry {
    pub tx: ServerTransaction,
    pub key: ServerKey,
    pub merge: Option<MergeKey>,
    /// Where the request came from, and where responses go.
    pub source: Hop,
    pub reply_to: Hop,
    pub request: Arc<Message>,
    pub last: Option<Arc<[u8]>>,
    pub call: CallId,
    /// Our To tag.
    pub tag: String,
    pub armed: Option<Duration>,
}

impl ServerEntry {
    pub(super) fn deadline(&self) -> Option<Duration> {
        let at = self.tx.deadline();
        if self.tx.is_lingering() { at.map(coarse) } else { at }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// Outgoing, not answered.
    Calling,
    /// Incoming, not answered.
    Ringing,
    Up,
}

/// An UPDATE with an offer, until it is answered.
#[derive(Debug)]
pub(super) struct UpdateIn {
    pub request: Arc<Message>,
    pub hop: Hop,
    pub tag: String,
}

#[derive(Debug)]
pub(super) struct Call {
    pub stage: Stage,
    /// Ended for the user; lives on only until the ACK of our 2xx allows the BYE (§15).
    pub closing: bool,
    /// By which way the peer was last heard.
    pub source: Hop,
    /// The peer's own idea of its address is not where it sends from.
    pub is_natted: bool,
    /// Our Contact value.
    pub contact: String,
    /// `None` only while `Calling`.
    pub dialog: Option<Dialog>,
    /// Our entry in the dialog index; while `Calling` with an empty remote tag.
    pub dialog_key: DialogKey,
    /// The Call-ID is ours: decides who retries first after glare (§14.1).
    pub owns_call_id: bool,
    /// An INVITE of the peer that waits for our final response.
    pub invite_in: Option<TxId>,
    /// An INVITE of ours that waits for a final response.
    pub invite_out: Option<TxId>,
    /// A 2xx of ours that waits for its ACK.
    pub ack_wait: Option<AckWait>,
    /// The first ACK has come, or been sent.
    pub is_established: bool,
    /// A 2xx with an offer waits for [`super::Command::Ack`].
    pub pending_ack: Option<TxId>,
    /// A re-INVITE that waits its turn.
    pub wish: Option<Option<Vec<u8>>>,
    /// A REFER of ours that the peer has not told the end of.
    pub refers: bool,
    pub retry_at: Option<Duration>,
    pub retries: u8,
    pub ring_until: Option<Duration>,
    /// Outgoing: the ends of a fork that have let themselves be heard of.
    pub early: Vec<EarlyDialog>,
    /// Incoming: reliable provisional responses.
    pub reliable: Reliable,
    /// An UPDATE of the peer that waits for our answer.
    pub update_in: Option<UpdateIn>,
    /// Its session timer, when one was agreed.
    pub clock: Option<Clock>,
    /// Min-SE of what we send: grows with each 422.
    pub min_se: Duration,
    /// The peer lists UPDATE in Allow.
    pub takes_update: bool,
    /// The session description that we sent last and that is in force: what a refresh repeats.
    pub sdp: Vec<u8>,
    pub credentials: Option<Credentials>,
    pub armed: Option<Duration>,
}

impl Call {
    pub(super) fn deadline(&self) -> Option<Duration> {
        let ack = self.ack_wait.as_ref().map(AckWait::deadline);
        let clock = self.clock.as_ref().filter(|_| !self.closing).map(Clock::deadline);
        [ack, self.retry_at, self.ring_until, self.reliable.deadline(), clock].into_iter().flatten().min()
    }

    /// True when a re-INVITE of ours may start.
    pub(super) fn may_reinvite(&self) -> bool {
        self.stage == Stage::Up
            && !self.closing
            && self.invite_in.is_none()
            && self.invite_out.is_none()
            && self.ack_wait.is_none()
            && self.pending_ack.is_none()
            && self.update_in.is_none()
            && self.retry_at.is_none()
    }
}
