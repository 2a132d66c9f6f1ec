//! The test of a trunk, step by step: has its host an address, does it answer, does it take our user name and password.
//! Pure, like [`super::line`]; changes nothing at the carrier, for its REGISTER asks only (RFC 3261 §10.2.3).
use std::net::SocketAddr;
use std::time::Duration;

use domain::trunk::{TestStage, TestStep, TrunkFault};
use sip::Reply;

use super::line::{Failure, PATIENCE, Settings, failure_to_answer, failure_to_register, status_of};

/// What to ask next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Question {
    Resolve,
    Ping(SocketAddr),
    Register(SocketAddr),
    /// The test is over.
    Nothing,
}

#[derive(Debug)]
pub(crate) struct Trial {
    pub(crate) settings: Settings,
    stage: TestStage,
    since: Duration,
    remote: Option<SocketAddr>,
    found: Vec<SocketAddr>,
    pub(crate) steps: Vec<TestStep>,
}

impl Trial {
    /// `literal`: the host, if it is an address.
    pub(crate) fn begin(now: Duration, settings: Settings, literal: Option<SocketAddr>) -> (Trial, Question) {
        let mut trial = Trial {
            settings,
            stage: TestStage::Resolve,
            since: now,
            remote: None,
            found: Vec::new(),
            steps: Vec::new(),
        };
        let question = match literal {
            Some(remote) => trial.resolved(now, &[remote]),
            None => Question::Resolve,
        };
        (trial, question)
    }

    /// When [`Trial::give_up`] is due.
    pub(crate) fn deadline(&self) -> Duration {
        self.since + PATIENCE
    }

    pub(crate) fn resolved(&mut self, now: Duration, remotes: &[SocketAddr]) -> Question {
        if self.stage != TestStage::Resolve {
            return Question::Nothing;
        }
        self.remote = remotes.first().copied();
        self.found = remotes.to_vec();
        let unknown = Failure { fault: TrunkFault::NameUnknown, sip_status: None };
        self.note(now, self.remote.is_none().then_some(unknown), None);
        match self.remote {
            Some(remote) => self.go_on(now, TestStage::Answer, Question::Ping(remote)),
            None => Question::Nothing,
        }
    }

    pub(crate) fn replied(&mut self, now: Duration, reply: Reply) -> Question {
        match (self.stage, self.remote) {
            (TestStage::Answer, Some(remote)) => {
                let failure = failure_to_answer(reply);
                self.note(now, failure, status_of(reply));
                if failure.is_none() && self.settings.registers().is_some() {
                    return self.go_on(now, TestStage::SignIn, Question::Register(remote));
                }
                Question::Nothing
            }
            (TestStage::SignIn, _) => {
                self.note(now, failure_to_register(reply), status_of(reply));
                Question::Nothing
            }
            (TestStage::Resolve | TestStage::Answer, _) => Question::Nothing,
        }
    }

    pub(crate) fn give_up(&mut self, now: Duration) -> Question {
        match self.stage {
            TestStage::Resolve => self.resolved(now, &[]),
            TestStage::Answer | TestStage::SignIn => self.replied(now, Reply::Silence),
        }
    }

    fn go_on(&mut self, now: Duration, stage: TestStage, question: Question) -> Question {
        (self.stage, self.since) = (stage, now);
        question
    }

    fn note(&mut self, now: Duration, failure: Option<Failure>, sip_status: Option<u16>) {
        let took = now.saturating_sub(self.since);
        let is_measured = sip_status.is_some();
        self.steps.push(TestStep {
            step: self.stage,
            fault: failure.map(|f| f.fault),
            sip_status,
            address: self.remote,
            addresses: std::mem::take(&mut self.found),
            round_trip_ms: is_measured.then(|| u32::try_from(took.as_millis()).unwrap_or(u32::MAX)),
        });
    }
}
