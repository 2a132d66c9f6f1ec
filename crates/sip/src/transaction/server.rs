//! INVITE server transactions (RFC 3261 §17.2.1, RFC 6026 §7.1).
//!
//! ```text
//! Proceeding ─2xx→ Accepted (L) ─→ Terminated
//!     └─3xx-6xx→ Completed (G, H) ─ACK→ Confirmed (I) ─→ Terminated
//! ```
//!
//! All other requests are answered finally at once, so that nothing is left of their transaction (§17.2.2) but a response
//! to repeat until timer J: `endpoint` keeps that by itself.

use std::time::Duration;

use super::Timers;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Proceeding,
    Accepted,
    Completed,
    Confirmed,
    Terminated,
}

/// What the owner must do after a step.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ServerStep {
    /// Send the last response again, if one was sent.
    pub resend: bool,
    /// The ACK of a non-2xx final response never came. Nothing is left to do but to forget.
    pub timed_out: bool,
}

/// One server transaction.
#[derive(Debug)]
pub struct ServerTransaction {
    state: State,
    reliable: bool,
    timers: Timers,
    interval: Duration,
    resend_at: Option<Duration>,
    end_at: Option<Duration>,
}

impl ServerTransaction {
    pub fn new(reliable: bool, timers: Timers) -> Self {
        Self { state: State::Proceeding, reliable, timers, interval: timers.t1, resend_at: None, end_at: None }
    }

    /// When [`Self::on_timeout`] wants to be called.
    pub fn deadline(&self) -> Option<Duration> {
        match (self.resend_at, self.end_at) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        }
    }

    /// True when its deadline only makes it forgotten, so that nobody minds if it comes late.
    pub fn is_lingering(&self) -> bool {
        self.resend_at.is_none()
    }

    pub fn is_terminated(&self) -> bool {
        self.state == State::Terminated
    }

    /// True while no final response has been sent.
    pub fn is_pending(&self) -> bool {
        self.state == State::Proceeding
    }

    /// The same request came again.
    pub fn on_retransmit(&self) -> ServerStep {
        // A repeated INVITE after a 2xx is absorbed: the user repeats the 2xx itself (RFC 6026 §7.1).
        let resend = matches!(self.state, State::Proceeding | State::Completed);
        ServerStep { resend, timed_out: false }
    }

    /// The user sends a response. False when it is too late for it: a final one has been sent.
    pub fn on_send(&mut self, now: Duration, status: u16) -> bool {
        if self.state != State::Proceeding {
            return false;
        }
        if status < 200 {
            return true;
        }
        self.end_at = Some(now + self.timers.patience());
        if status < 300 {
            self.state = State::Accepted;
        } else {
            self.state = State::Completed;
            self.resend_at = (!self.reliable).then_some(now + self.timers.t1);
        }
        true
    }

    /// An ACK with this transaction's branch came (non-2xx).
    pub fn on_ack(&mut self, now: Duration) {
        if self.state == State::Completed {
            self.resend_at = None;
            if self.reliable {
                (self.state, self.end_at) = (State::Terminated, None);
            } else {
                (self.state, self.end_at) = (State::Confirmed, Some(now + self.timers.t4));
            }
        }
    }

    /// Time has come to `now`.
    pub fn on_timeout(&mut self, now: Duration) -> ServerStep {
        let mut step = ServerStep::default();
        if self.end_at.is_some_and(|at| at <= now) {
            step.timed_out = self.state == State::Completed;
            (self.state, self.resend_at, self.end_at) = (State::Terminated, None, None);
            return step;
        }
        if self.resend_at.is_some_and(|at| at <= now) {
            step.resend = true;
            self.interval = (self.interval * 2).min(self.timers.t2);
            self.resend_at = Some(now + self.interval);
        }
        step
    }
}
