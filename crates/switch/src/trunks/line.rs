//! Our end of one trunk: registers at the carrier and keeps the registration (RFC 3261 §10.2), asks whether the other end
//! lives, and says how it gets on. Pure: told what came and what time it is, it orders what is to be asked.
//!
//! Contract: `handle(now, heard)`, drain `poll()`, call again at `next_timeout()` at the latest. At most one question of each
//! kind is open. What stays unanswered for [`PATIENCE`] has failed; a late answer to it is not heard.
//!
//! ```text
//! registration  Idle ─due→ Asked ─2xx→ Idle, due again well before it lapses
//!                            └─ 423: at once with the time wanted; any other failure: due after a growing pause with jitter
//! check         Idle ─due→ Asked ─any answer but 503→ alive;  silence, network error, 503 → dead, asked again soon
//! ```
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

use domain::config::TrunkTransport;
use domain::directory::{TrunkEntry, TrunkLogin};
use domain::trunk::{TrunkFault, TrunkState};
use sip::msg::Uri;
use sip::{Reply, Transport};

/// How long an answer may take. A question by UDP is repeated four times in it (RFC 3261 §17.1.2.1).
pub(crate) const PATIENCE: Duration = Duration::from_secs(8);
/// Seconds we ask a registrar for; it may grant less.
const EXPIRES: u32 = 600;
/// A registrar that wants longer than this is not humoured.
const EXPIRES_MAX: u32 = 86_400;
/// First pause after a failure; doubles with each further one.
const PAUSE: Duration = Duration::from_secs(4);
const PAUSE_MAX: Duration = Duration::from_secs(600);
/// The same after our credentials were refused: carriers ban those who go on.
const PAUSE_REFUSED: Duration = Duration::from_secs(60);
const PAUSE_REFUSED_MAX: Duration = Duration::from_secs(1_800);
/// A carrier's Retry-After beyond this is not waited for.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(3_600);
/// The other end is asked again this soon after it did not answer, if it is asked at all.
const CHECK_DEAD: Duration = Duration::from_secs(15);
/// A name is looked up anew after this at the latest; failures do it at once.
const NAME_LIFE: Duration = Duration::from_secs(300);

/// What the line is made of; another of these is another line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Settings {
    pub(crate) host: Uri,
    pub(crate) transport: Transport,
    pub(crate) check_certificate: bool,
    pub(crate) login: Option<TrunkLogin>,
    pub(crate) active: bool,
}

impl Settings {
    /// None where there is nobody to ask: a trunk that only brings calls.
    pub(crate) fn of(entry: &TrunkEntry) -> Option<Settings> {
        let host = Uri::parse(&format!("sip:{}", entry.host.as_ref()?)).ok().filter(|uri| !uri.host.is_empty())?;
        let transport = match entry.transport {
            TrunkTransport::Udp => Transport::Udp,
            TrunkTransport::Tcp => Transport::Tcp,
            TrunkTransport::Tls => Transport::Tls,
        };
        let (login, check_certificate) = (entry.account.clone(), entry.check_certificate);
        Some(Settings { host, transport, check_certificate, login, active: entry.active })
    }

    pub(crate) fn registers(&self) -> Option<&TrunkLogin> {
        self.login.as_ref().filter(|login| login.account.register)
    }

    /// The carrier's SIP domain with what else stands in its URI: the port belongs to the host alone.
    pub(crate) fn domain(&self) -> Uri {
        let named = self.login.as_ref().and_then(|login| login.account.domain.as_deref());
        match named {
            Some(domain) => Uri::sip(None, domain, None),
            None => Uri::sip(None, &self.host.host, self.host.port),
        }
    }
}

/// To be carried out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Order {
    Resolve,
    /// `ask` names the question in its answer.
    Register {
        ask: u64,
        remote: SocketAddr,
        cseq: u32,
        expires: u32,
    },
    Ping {
        ask: u64,
        remote: SocketAddr,
    },
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Heard {
    Time,
    /// Empty if the name has no address. `life`: how long that holds.
    Resolved {
        remotes: Vec<SocketAddr>,
        life: Duration,
    },
    Registered {
        ask: u64,
        reply: Reply,
        expires: Option<u32>,
        retry_after: Option<u32>,
    },
    Ponged {
        ask: u64,
        reply: Reply,
    },
    /// A call by this trunk met nobody.
    Suspect,
}

/// Why something failed, and what was said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) fault: TrunkFault,
    pub(crate) sip_status: Option<u16>,
}

impl Failure {
    fn plain(fault: TrunkFault) -> Failure {
        Failure { fault, sip_status: None }
    }
}

/// What a reply to REGISTER says.
pub(crate) fn failure_to_register(reply: Reply) -> Option<Failure> {
    let fault = match reply {
        Reply::Status(200..=299) => return None,
        Reply::Status(401 | 403 | 407) => TrunkFault::Credentials,
        Reply::Status(404) => TrunkFault::AccountUnknown,
        Reply::Status(_) => TrunkFault::Rejected,
        Reply::Silence => TrunkFault::Silent,
        Reply::Unreachable => TrunkFault::Refused,
    };
    Some(Failure { fault, sip_status: status_of(reply) })
}

/// What a reply to OPTIONS says: whoever answers lives, whatever the answer, unless it is that it takes no calls.
pub(crate) fn failure_to_answer(reply: Reply) -> Option<Failure> {
    let fault = match reply {
        Reply::Status(503) => TrunkFault::Rejected,
        Reply::Status(_) => return None,
        Reply::Silence => TrunkFault::Silent,
        Reply::Unreachable => TrunkFault::Refused,
    };
    Some(Failure { fault, sip_status: status_of(reply) })
}

pub(crate) fn status_of(reply: Reply) -> Option<u16> {
    match reply {
        Reply::Status(status) => Some(status),
        Reply::Silence | Reply::Unreachable => None,
    }
}

/// An open question.
#[derive(Debug, Clone, Copy)]
struct Asked {
    ask: u64,
    at: Duration,
}

/// A question that is asked again and again.
#[derive(Debug, Default)]
struct Task {
    due: Option<Duration>,
    asked: Option<Asked>,
    failures: u32,
    failure: Option<Failure>,
}

impl Task {
    fn next(&self, may_ask: bool) -> Option<Duration> {
        match self.asked {
            Some(asked) => Some(asked.at + PATIENCE),
            None => self.due.filter(|_| may_ask),
        }
    }

    /// The answer to the open question, if it is one: how long it took.
    fn answered(&mut self, now: Duration, ask: u64) -> Option<Duration> {
        let asked = self.asked.take_if(|asked| asked.ask == ask)?;
        Some(now.saturating_sub(asked.at))
    }

    fn is_late(&self, now: Duration) -> bool {
        self.asked.is_some_and(|asked| asked.at + PATIENCE <= now)
    }

    fn is_due(&self, now: Duration) -> bool {
        self.asked.is_none() && self.due.is_some_and(|due| due <= now)
    }
}

/// What we know of where the host is.
#[derive(Debug)]
enum Place {
    /// To be looked up before the next question.
    Stale,
    Asked {
        at: Duration,
    },
    Fresh {
        until: Duration,
    },
}

#[derive(Debug)]
pub(crate) struct Line {
    pub(crate) settings: Settings,
    /// Of its registrations.
    pub(crate) call_id: String,
    /// The host is an address itself.
    is_literal: bool,
    place: Place,
    /// As looked up last.
    remotes: Vec<SocketAddr>,
    /// Counts failures: each tries the next address.
    turn: usize,
    registration: Task,
    registered_until: Option<Duration>,
    /// Seconds to ask for.
    wish: u32,
    cseq: u32,
    check: Task,
    every: Duration,
    is_alive: bool,
    round_trip: Option<Duration>,
    asks: u64,
    random: u64,
    orders: VecDeque<Order>,
}

impl Line {
    /// `literal`: the host, if it is an address. `every`: pause between checks; zero for none. `random` decides jitter.
    pub(crate) fn new(
        now: Duration,
        settings: Settings,
        literal: Option<SocketAddr>,
        every: Duration,
        random: u64,
        call_id: String,
    ) -> Line {
        let registers = settings.active && settings.registers().is_some();
        let checks = settings.active && !every.is_zero();
        Line {
            is_literal: literal.is_some(),
            place: Place::Stale,
            remotes: literal.into_iter().collect(),
            turn: 0,
            registration: Task { due: registers.then_some(now), ..Task::default() },
            registered_until: None,
            wish: EXPIRES,
            cseq: 0,
            check: Task { due: checks.then_some(now), ..Task::default() },
            every,
            is_alive: false,
            round_trip: None,
            asks: 0,
            random: random | 1,
            orders: VecDeque::new(),
            settings,
            call_id,
        }
    }

    /// Another pause between checks.
    pub(crate) fn check_every(&mut self, now: Duration, every: Duration) {
        if std::mem::replace(&mut self.every, every) == every || !self.settings.active {
            return;
        }
        self.check = Task { due: (!every.is_zero()).then_some(now), ..Task::default() };
        self.is_alive = false;
        self.handle(now, Heard::Time);
    }

    pub(crate) fn poll(&mut self) -> Option<Order> {
        self.orders.pop_front()
    }

    pub(crate) fn next_timeout(&self) -> Option<Duration> {
        let (may_ask, name) = match &self.place {
            Place::Asked { at } => (false, Some(*at + PATIENCE)),
            Place::Stale | Place::Fresh { .. } => (true, None),
        };
        let tasks = [self.registration.next(may_ask), self.check.next(may_ask)];
        [name, self.registered_until].into_iter().chain(tasks).flatten().min()
    }

    pub(crate) fn handle(&mut self, now: Duration, heard: Heard) {
        match heard {
            Heard::Time => {}
            Heard::Resolved { remotes, life } => self.resolved(now, remotes, life),
            Heard::Registered { ask, reply, expires, retry_after } => {
                if let Some(took) = self.registration.answered(now, ask) {
                    self.round_trip_of(reply, took);
                    self.register_replied(now, reply, expires, retry_after);
                }
            }
            Heard::Ponged { ask, reply } => {
                if let Some(took) = self.check.answered(now, ask) {
                    self.round_trip_of(reply, took);
                    self.checked(now, reply);
                }
            }
            Heard::Suspect => {
                if self.check.due.is_some() && self.check.asked.is_none() {
                    self.check.due = Some(now);
                }
            }
        }
        self.look_at_the_clock(now);
    }

    fn look_at_the_clock(&mut self, now: Duration) {
        if let Place::Asked { at } = self.place
            && at + PATIENCE <= now
        {
            self.resolved(now, Vec::new(), NAME_LIFE);
        }
        if self.registration.is_late(now) {
            self.registration.asked = None;
            self.register_replied(now, Reply::Silence, None, None);
        }
        if self.check.is_late(now) {
            self.check.asked = None;
            self.checked(now, Reply::Silence);
        }
        self.registered_until.take_if(|until| *until <= now);
        if !self.registration.is_due(now) && !self.check.is_due(now) {
            return;
        }
        let Some(remote) = self.remote_now(now) else { return };
        if self.registration.is_due(now) {
            self.asks += 1;
            self.cseq += sip::Register::CSEQ_STEP;
            self.registration.asked = Some(Asked { ask: self.asks, at: now });
            let order = Order::Register { ask: self.asks, remote, cseq: self.cseq, expires: self.wish };
            self.orders.push_back(order);
        }
        if self.check.is_due(now) {
            self.asks += 1;
            self.check.asked = Some(Asked { ask: self.asks, at: now });
            self.orders.push_back(Order::Ping { ask: self.asks, remote });
        }
    }

    /// Whom to ask; looks the name up if that is not known.
    fn remote_now(&mut self, now: Duration) -> Option<SocketAddr> {
        match self.place {
            _ if self.is_literal => self.remote(),
            Place::Fresh { until } if until > now => self.remote(),
            Place::Asked { .. } => None,
            Place::Stale | Place::Fresh { .. } => {
                self.place = Place::Asked { at: now };
                self.orders.push_back(Order::Resolve);
                None
            }
        }
    }

    fn resolved(&mut self, now: Duration, remotes: Vec<SocketAddr>, life: Duration) {
        if !matches!(self.place, Place::Asked { .. }) {
            return;
        }
        if !remotes.is_empty() {
            self.place = Place::Fresh { until: now + life.min(NAME_LIFE) };
            if self.check.failure.is_none() && self.registration.failure.is_none() {
                // Back to the first in the order.
                self.turn = 0;
            }
            self.remotes = remotes;
            return;
        }
        self.place = Place::Stale;
        let failure = Failure::plain(TrunkFault::NameUnknown);
        if self.registration.is_due(now) {
            self.register_failed(now, failure, None);
        }
        if self.check.is_due(now) {
            self.check_failed(now, failure);
        }
    }

    fn register_replied(&mut self, now: Duration, reply: Reply, expires: Option<u32>, retry_after: Option<u32>) {
        let Some(failure) = failure_to_register(reply) else {
            let granted = Duration::from_secs(u64::from(expires.unwrap_or(self.wish)).max(1));
            self.registered_until = Some(now + granted);
            self.registration.failures = 0;
            self.registration.failure = None;
            // A fifth of the time is left for a take that gets lost, and not all lines come at once.
            self.registration.due = Some(now + granted.mul_f64(self.between(0.75, 0.85)));
            return;
        };
        if let (Some(423), Some(least)) = (failure.sip_status, expires)
            && least > self.wish
            && least <= EXPIRES_MAX
        {
            self.wish = least;
            self.registration.due = Some(now);
            return;
        }
        self.register_failed(now, failure, retry_after);
    }

    fn register_failed(&mut self, now: Duration, failure: Failure, retry_after: Option<u32>) {
        self.look_elsewhere(failure);
        let refused = matches!(failure.fault, TrunkFault::Credentials | TrunkFault::AccountUnknown);
        if refused {
            // Whatever it was, it is registered no more.
            self.registered_until = None;
        }
        let (first, most) = if refused { (PAUSE_REFUSED, PAUSE_REFUSED_MAX) } else { (PAUSE, PAUSE_MAX) };
        let pause = (first * (1 << self.registration.failures.min(16))).min(most).mul_f64(self.between(0.5, 1.0));
        let asked_for = Duration::from_secs(u64::from(retry_after.unwrap_or(0))).min(RETRY_AFTER_MAX);
        self.registration.failures = self.registration.failures.saturating_add(1);
        self.registration.failure = Some(failure);
        self.registration.due = Some(now + pause.max(asked_for));
    }

    fn checked(&mut self, now: Duration, reply: Reply) {
        match failure_to_answer(reply) {
            None => {
                self.is_alive = true;
                self.check.failures = 0;
                self.check.failure = None;
                self.check.due = Some(now + self.every);
            }
            Some(failure) => self.check_failed(now, failure),
        }
    }

    fn check_failed(&mut self, now: Duration, failure: Failure) {
        self.look_elsewhere(failure);
        self.is_alive = false;
        self.check.failures = self.check.failures.saturating_add(1);
        self.check.failure = Some(failure);
        self.check.due = Some(now + self.every.min(CHECK_DEAD).mul_f64(self.between(0.75, 1.0)));
    }

    /// The next question goes to the next address, after another look at the name.
    fn look_elsewhere(&mut self, failure: Failure) {
        self.turn = self.turn.wrapping_add(1);
        if failure.sip_status.is_none() && matches!(self.place, Place::Fresh { .. }) {
            self.place = Place::Stale;
        }
    }

    fn round_trip_of(&mut self, reply: Reply, took: Duration) {
        if matches!(reply, Reply::Status(_)) {
            self.round_trip = Some(took);
        }
    }

    /// The address whose turn it is; for calls.
    pub(crate) fn remote(&self) -> Option<SocketAddr> {
        self.remotes.get(self.turn % self.remotes.len().max(1)).copied()
    }

    /// That address, then the others.
    pub(crate) fn in_turn(&self) -> Vec<SocketAddr> {
        let at = self.turn % self.remotes.len().max(1);
        let (later, first) = self.remotes.split_at(at.min(self.remotes.len()));
        [first, later].concat()
    }

    /// Every address of the host that is known: whoever calls from one is the carrier.
    pub(crate) fn remotes(&self) -> &[SocketAddr] {
        &self.remotes
    }

    pub(crate) fn registered_until(&self) -> Option<Duration> {
        self.registered_until
    }

    pub(crate) fn round_trip(&self) -> Option<Duration> {
        self.round_trip
    }

    pub(crate) fn state(&self) -> (TrunkState, Option<Failure>) {
        if !self.settings.active {
            return (TrunkState::Drained, None);
        }
        if self.check.failure.is_some() {
            return (TrunkState::Unreachable, self.check.failure);
        }
        if self.settings.registers().is_some() {
            return match (self.registered_until, self.registration.failure) {
                (Some(_), _) => (TrunkState::Registered, None),
                (None, Some(failure)) => (TrunkState::Unreachable, Some(failure)),
                (None, None) => (TrunkState::Connecting, None),
            };
        }
        match (self.every.is_zero(), self.is_alive) {
            (true, _) => (TrunkState::Unchecked, None),
            (false, true) => (TrunkState::Reachable, None),
            (false, false) => (TrunkState::Connecting, None),
        }
    }

    /// Takes the registration back, if there is one: the order for it. Nothing is asked any more.
    pub(crate) fn close(&mut self) -> Option<Order> {
        let held = self.registered_until.take();
        // One whose answer has not come may have been taken.
        let asked = self.registration.asked.take();
        self.registration.due = None;
        self.check = Task::default();
        let remote = self.remote().filter(|_| held.is_some() || asked.is_some())?;
        self.cseq += sip::Register::CSEQ_STEP;
        self.asks += 1;
        Some(Order::Register { ask: self.asks, remote, cseq: self.cseq, expires: 0 })
    }

    fn between(&mut self, low: f64, high: f64) -> f64 {
        // xorshift64: nothing secret is made of it.
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        low + (high - low) * (self.random >> 11) as f64 / (1_u64 << 53) as f64
    }
}
