//! Client transactions (RFC 3261 §17.1, RFC 6026 §7.2).
//!
//! ```text
//! INVITE      Calling ─1xx→ Proceeding ─2xx→ Accepted (M) ─→ Terminated
//!                └────────────┴─3xx-6xx→ Completed (D) ─→ Terminated
//! non-INVITE  Trying ─1xx→ Proceeding ─final→ Completed (K) ─→ Terminated
//! ```

use std::time::Duration;

use super::{Kind, Timers};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Trying,
    Proceeding,
    Accepted,
    Completed,
    Terminated,
}

/// What the owner must do after a step.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ClientStep {
    /// Send the request again.
    pub resend: bool,
    /// Send the ACK of this non-2xx response (INVITE only).
    pub ack: bool,
    /// Hand the response to the user.
    pub deliver: bool,
    /// No final response came: tell the user, as if a 408 had come.
    pub timed_out: bool,
}

/// One client transaction. The owner has sent the request once when creating it.
#[derive(Debug)]
pub struct ClientTransaction {
    kind: Kind,
    state: State,
    reliable: bool,
    timers: Timers,
    interval: Duration,
    resend_at: Option<Duration>,
    /// Timers B and F, or D, K and M, by state.
    end_at: Option<Duration>,
}

impl ClientTransaction {
    pub fn new(kind: Kind, reliable: bool, timers: Timers, now: Duration) -> Self {
        Self {
            kind,
            state: State::Trying,
            reliable,
            timers,
            interval: timers.t1,
            resend_at: (!reliable).then_some(now + timers.t1),
            end_at: Some(now + timers.patience()),
        }
    }

    /// When [`Self::on_timeout`] wants to be called.
    pub fn deadline(&self) -> Option<Duration> {
        match (self.resend_at, self.end_at) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        }
    }

    /// True once it may be forgotten.
    pub fn is_terminated(&self) -> bool {
        self.state == State::Terminated
    }

    /// True while no final response has come.
    pub fn is_pending(&self) -> bool {
        matches!(self.state, State::Trying | State::Proceeding)
    }

    /// True when its deadline only makes it forgotten, so that nobody minds if it comes late.
    pub fn is_lingering(&self) -> bool {
        matches!(self.state, State::Accepted | State::Completed)
    }

    /// True once any response has come: a CANCEL may be sent (§9.1).
    pub fn is_proceeding(&self) -> bool {
        self.state == State::Proceeding
    }

    /// A response with a matching branch arrived.
    pub fn on_response(&mut self, now: Duration, status: u16) -> ClientStep {
        let mut step = ClientStep::default();
        match (self.state, self.kind) {
            (State::Trying | State::Proceeding, _) if status < 200 => {
                step.deliver = true;
                self.state = State::Proceeding;
                match self.kind {
                    // Ringing may take long: only the user limits it.
                    Kind::Invite => (self.resend_at, self.end_at) = (None, None),
                    Kind::NonInvite => self.interval = self.timers.t2,
                }
            }
            (State::Trying | State::Proceeding, Kind::Invite) => {
                step.deliver = true;
                self.resend_at = None;
                if status < 300 {
                    self.state = State::Accepted;
                    self.end_at = Some(now + self.timers.patience());
                } else {
                    step.ack = true;
                    self.finish(now, self.timers.patience());
                }
            }
            (State::Trying | State::Proceeding, Kind::NonInvite) => {
                step.deliver = true;
                self.finish(now, self.timers.t4);
            }
            // Forks and repeats of a 2xx are the user's affair (RFC 6026 §7.2).
            (State::Accepted, _) => step.deliver = (200..300).contains(&status),
            (State::Completed, Kind::Invite) => step.ack = status >= 300,
            (State::Completed, Kind::NonInvite) | (State::Terminated, _) => {}
        }
        step
    }

    fn finish(&mut self, now: Duration, linger: Duration) {
        self.resend_at = None;
        if self.reliable {
            (self.state, self.end_at) = (State::Terminated, None);
        } else {
            (self.state, self.end_at) = (State::Completed, Some(now + linger));
        }
    }

    /// The transport could not deliver the request (§17.1.4).
    pub fn on_transport_error(&mut self) -> bool {
        let pending = self.is_pending();
        if pending {
            (self.state, self.resend_at, self.end_at) = (State::Terminated, None, None);
        }
        pending
    }

    /// Gives up waiting for a final response, as after an unanswered CANCEL (§9.1).
    pub fn abandon(&mut self) {
        (self.state, self.resend_at, self.end_at) = (State::Terminated, None, None);
    }

    /// Time has come to `now`.
    pub fn on_timeout(&mut self, now: Duration) -> ClientStep {
        let mut step = ClientStep::default();
        if self.end_at.is_some_and(|at| at <= now) {
            step.timed_out = self.is_pending();
            (self.state, self.resend_at, self.end_at) = (State::Terminated, None, None);
            return step;
        }
        if self.resend_at.is_some_and(|at| at <= now) {
            step.resend = true;
            self.interval = match (self.kind, self.state) {
                (Kind::Invite, _) => self.interval * 2,
                (Kind::NonInvite, State::Proceeding) => self.timers.t2,
                (Kind::NonInvite, _) => (self.interval * 2).min(self.timers.t2),
            };
            self.resend_at = Some(now + self.interval);
        }
        step
    }
}
