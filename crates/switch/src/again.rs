//! What a failed try of a call we place means, and where or how it is tried again: the next address of a name, another way to
//! the same phone, a lesser offer. Called by `dialog` and by timers; the tries themselves are `outbound`'s.
use domain::id::LegId;
use domain::leg::{EndCause, EndedBy};
use sip::CallId;

use crate::leg::{Attempt, Party};
use crate::switch::Switch;
use crate::timers::Timer;

impl Switch {
    /// Nobody at the trunk's other end has said a word: its next address, if it has one, else the next trunk.
    pub(crate) fn trunk_is_silent(&mut self, leg: LegId) {
        let Some(Party::Outgoing(sip)) = self.legs.get_mut(&leg).map(|l| &mut l.party) else { return };
        let via = sip.via.as_ref().map(|via| via.trunk);
        if sip.spares.is_empty() {
            self.end(leg, EndCause::Unreachable, EndedBy::System);
        } else {
            let silent: Vec<CallId> = sip.calls.drain(..).map(|a| a.call).collect();
            for call in silent {
                self.by_call.remove(&call);
                self.sip(sip::Command::Hangup { call, headers: Vec::new() });
            }
            self.call_next(leg);
        }
        if let Some(trunk) = via {
            self.suspect_trunk(trunk);
        }
    }

    /// The call goes to the next address of the same name. False if there is none.
    fn call_next(&mut self, leg: LegId) -> bool {
        let silence = self.now + self.config.trunk_silence;
        let Some(Party::Outgoing(sip)) = self.legs.get_mut(&leg).map(|l| &mut l.party) else { return false };
        let Some(next) = sip.spares.pop_front() else { return false };
        sip.targets = vec![next];
        if sip.via.is_some() {
            self.timers.set(Timer::Trunk(leg), silence);
        }
        self.send_invites(leg);
        true
    }

    /// The way by which a phone was called is cut: another of its ways. True if it has one.
    fn call_other_way(&mut self, leg: LegId, attempt: &mut Attempt, cause: &sip::EndCause) -> bool {
        // 430 is an edge proxy's word for it (RFC 5626 §11.5).
        let is_cut = matches!(cause, sip::EndCause::TimedOut | sip::EndCause::Unreachable)
            || matches!(cause, sip::EndCause::Rejected { status: 408 | 430, .. });
        let rang = self.legs.get(&leg).is_some_and(|l| matches!(&l.party, Party::Outgoing(sip) if sip.rang));
        if !is_cut || rang {
            return false;
        }
        let others = &mut attempt.target.others;
        let Some(mut next) = others.pop_front() else { return false };
        next.others = std::mem::take(others);
        self.call_target(leg, next);
        true
    }

    /// What was offered is declined: the same phone with a lesser offer, WebRTC before keys. True if there is one.
    fn call_with_less(&mut self, leg: LegId, attempt: Attempt, cause: &sip::EndCause) -> bool {
        let is_declined = matches!(cause, sip::EndCause::Rejected { status: 406 | 415 | 488 | 606, .. });
        let Some(Party::Outgoing(sip)) = self.legs.get(&leg).map(|l| &l.party) else { return false };
        let (was_web, mut target) = (attempt.peer.is_some(), attempt.target);
        // Some refuse a description for a line that they do not know, though it is theirs to pass it over.
        let has_less = was_web || (sip.session.wishes_keys() && target.may_read_keys());
        if !is_declined || !has_less {
            return false;
        }
        target.is_plain |= !was_web;
        self.invite(leg, target, None);
        true
    }

    /// One of the INVITEs failed; the leg ends with the best reason when it was the last.
    pub(crate) fn attempt_failed(&mut self, leg: LegId, call: CallId, cause: &sip::EndCause) {
        let Some(Party::Outgoing(sip)) = self.legs.get_mut(&leg).map(|l| &mut l.party) else { return };
        self.by_call.remove(&call);
        let failed = sip.calls.iter().position(|a| a.call == call).map(|at| sip.calls.remove(at));
        let failure = failure_of(cause, sip.rang);
        if let Some(peer) = failed.as_ref().and_then(|a| a.peer) {
            self.close_peer(peer);
        }
        if let Some(mut attempt) = failed
            && (self.call_other_way(leg, &mut attempt, cause) || self.call_with_less(leg, attempt, cause))
        {
            return;
        }
        let Some(Party::Outgoing(sip)) = self.legs.get_mut(&leg).map(|l| &mut l.party) else { return };
        if sip.calls.is_empty() && sip.waiting.is_empty() && !sip.rang && is_elsewhere(cause) && self.call_next(leg) {
            return;
        }
        let Some(Party::Outgoing(sip)) = self.legs.get_mut(&leg).map(|l| &mut l.party) else { return };
        let better = sip.failure.is_none_or(|old| weight(failure.0) > weight(old.0));
        if better {
            sip.failure = Some(failure);
        }
        if sip.calls.is_empty() && sip.waiting.is_empty() {
            let (cause, by) = sip.failure.unwrap_or(failure);
            self.let_go(leg, cause, by);
        }
    }
}

/// Whether another address of the same name is worth a try (RFC 3263 §4.3): nobody is there, or he takes no calls at present.
fn is_elsewhere(cause: &sip::EndCause) -> bool {
    matches!(
        cause,
        sip::EndCause::TimedOut | sip::EndCause::Unreachable | sip::EndCause::Rejected { status: 408 | 503, .. }
    )
}

/// What a failed call attempt means.
fn failure_of(cause: &sip::EndCause, rang: bool) -> (EndCause, EndedBy) {
    match cause {
        sip::EndCause::Rejected { status, .. } => (cause_of_status(*status), EndedBy::Peer),
        sip::EndCause::TimedOut if rang => (EndCause::NoAnswer, EndedBy::System),
        sip::EndCause::TimedOut | sip::EndCause::Unreachable | sip::EndCause::Gone => {
            (EndCause::Unreachable, EndedBy::System)
        }
        sip::EndCause::Expired => (EndCause::SessionExpired, EndedBy::System),
        sip::EndCause::Remote { .. } => (EndCause::Hangup, EndedBy::Peer),
        sip::EndCause::Cancelled { .. } => (EndCause::Cancelled, EndedBy::Peer),
        sip::EndCause::Refused => (EndCause::Limit, EndedBy::System),
        sip::EndCause::Local => (EndCause::Hangup, EndedBy::Us),
    }
}

/// What a callee's final response means to the floor.
fn cause_of_status(status: u16) -> EndCause {
    match status {
        486 | 600 => EndCause::Busy,
        404 | 484 | 485 | 604 => EndCause::NotFound,
        408 | 480 => EndCause::NoAnswer,
        415 | 488 | 606 => EndCause::MediaIncompatible,
        410 | 430 | 500..=599 => EndCause::Unreachable,
        _ => EndCause::Rejected,
    }
}

/// Which of several failures of one forked call is told: the one in which a person took part.
fn weight(cause: EndCause) -> u8 {
    match cause {
        EndCause::Rejected => 5,
        EndCause::Busy => 4,
        EndCause::NoAnswer => 3,
        EndCause::MediaIncompatible => 2,
        EndCause::NotFound => 1,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_by_a_person_outweighs_a_phone_that_is_off() {
        assert!(weight(cause_of_status(486)) > weight(cause_of_status(503)));
        assert!(weight(cause_of_status(603)) > weight(cause_of_status(486)));
        let silent = failure_of(&sip::EndCause::TimedOut, false);
        assert_eq!(silent.0, EndCause::Unreachable);
        assert_eq!(failure_of(&sip::EndCause::TimedOut, true).0, EndCause::NoAnswer);
    }
}
