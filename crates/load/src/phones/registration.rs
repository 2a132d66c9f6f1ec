//! Devices make themselves known: REGISTER, challenge, answer; with the nonce kept, one REGISTER each time after.
use std::time::Instant;

use anyhow::{Result, bail};

use super::{DEVICES, GIVE_UP, Phones, T1, T2, Timer};
use crate::sip::digest::{Account, Challenge};
use crate::sip::wire::Wire;

pub(super) struct Registration {
    account: Account,
    cseq: u32,
    serial: u32,
    challenge: Option<Challenge>,
    /// The open request, how long to wait, when it has failed.
    pending: Option<(String, std::time::Duration, Instant)>,
    /// The open request answers a challenge: another challenge means a wrong secret, unless the nonce had gone stale.
    answered: bool,
    outcome: Option<u16>,
}

/// A round of registrations.
#[derive(Debug, Clone, Copy, Default)]
pub struct Registered {
    pub wanted: u64,
    pub succeeded: u64,
    pub failed: u64,
    /// Requests sent, repeats not counted.
    pub requests: u64,
}

impl Phones {
    /// Registers every account once, `rate` a second; those of an earlier round use their nonce again.
    pub fn register(&mut self, accounts: &[Account], rate: f64) -> Result<Registered> {
        let first = self.registrations.len();
        for account in accounts {
            self.registrations.push(Registration {
                account: account.clone(),
                cseq: 0,
                serial: 0,
                challenge: None,
                pending: None,
                answered: false,
                outcome: None,
            });
        }
        self.register_round(first, rate)
    }

    /// Once more, for all that are registered.
    pub fn register_again_all(&mut self, rate: f64) -> Result<Registered> {
        self.register_round(0, rate)
    }

    fn register_round(&mut self, first: usize, rate: f64) -> Result<Registered> {
        let count = self.registrations.len() - first;
        let (start, sent_before) = (Instant::now(), self.registers_sent);
        let mut placed = 0;
        self.registered = 0;
        for registration in &mut self.registrations[first..] {
            registration.outcome = None;
        }
        let limit = GIVE_UP + std::time::Duration::from_secs_f64(count as f64 / rate.max(0.001));
        self.run_until(limit, |phones| {
            let due = ((start.elapsed().as_secs_f64() * rate) as usize + 1).min(count);
            while placed < due {
                phones.send_register(first + placed);
                placed += 1;
            }
            phones.registered >= count as u64
        })?;
        let good = |r: &&Registration| r.outcome == Some(200);
        let succeeded = self.registrations[first..].iter().filter(good).count() as u64;
        let wanted = count as u64;
        let requests = self.registers_sent - sent_before;
        Ok(Registered { wanted, succeeded, failed: wanted - succeeded, requests })
    }

    /// As [`Phones::register`], for devices that must all be there.
    pub fn register_all(&mut self, accounts: &[Account]) -> Result<()> {
        let done = self.register(accounts, 500.0)?;
        if done.failed > 0 {
            bail!("{} of {} devices could not register", done.failed, done.wanted);
        }
        Ok(())
    }

    fn send_register(&mut self, at: usize) {
        let (local, server, run) = (self.locals[DEVICES.0], self.server, self.run);
        let registration = &mut self.registrations[at];
        registration.cseq += 1;
        registration.serial += 1;
        let uri = format!("sip:{server}");
        let authorization = match &mut registration.challenge {
            Some(challenge) => {
                format!("Authorization: {}\r\n", challenge.answer(&registration.account, "REGISTER", &uri))
            }
            None => String::new(),
        };
        let (user, cseq, serial) = (&registration.account.user, registration.cseq, registration.serial);
        let text = format!(
            "REGISTER {uri} SIP/2.0\r\nVia: SIP/2.0/UDP {local};branch=z9hG4bKr{run}-{at}-{cseq}\r\nMax-Forwards: 70\r\n\
             From: <sip:{user}@{server}>;tag=r{at}\r\nTo: <sip:{user}@{server}>\r\nCall-ID: r{run}-{at}@load\r\n\
             CSeq: {cseq} REGISTER\r\nContact: <sip:{user}@{local}>\r\nExpires: 3600\r\n{authorization}\
             Content-Length: 0\r\n\r\n"
        );
        self.send(DEVICES, &text);
        self.registers_sent += 1;
        self.registrations[at].pending = Some((text, T1, Instant::now() + GIVE_UP));
        self.set(Instant::now() + T1, Timer::Register { at, serial });
    }

    pub(super) fn register_again(&mut self, at: usize, serial: u32) {
        let registration = &mut self.registrations[at];
        if registration.serial != serial {
            return;
        }
        let Some((text, wait, give_up)) = registration.pending.take() else { return };
        if Instant::now() >= give_up {
            return self.registration_over(at, 408);
        }
        let wait = (wait * 2).min(T2);
        self.send(DEVICES, &text);
        self.ledger.retransmissions += 1;
        self.registrations[at].pending = Some((text, wait, give_up));
        self.set(Instant::now() + wait, Timer::Register { at, serial });
    }

    pub(super) fn registration_got(&mut self, call_id: &str, status: u16, wire: &Wire<'_>) {
        let of_this_run = |id: &str| {
            let (run, at) = id.strip_prefix('r')?.strip_suffix("@load")?.split_once('-')?;
            (run.parse() == Ok(self.run)).then(|| at.parse::<usize>().ok())?
        };
        let Some(at) = of_this_run(call_id).filter(|at| *at < self.registrations.len()) else { return };
        let registration = &mut self.registrations[at];
        let is_open = registration.pending.is_some() && wire.cseq().is_some_and(|(n, _)| n == registration.cseq);
        if !is_open || status < 200 {
            return;
        }
        registration.pending = None;
        let value = wire.header("WWW-Authenticate");
        let is_stale = value.is_some_and(|v| v.contains("stale=true"));
        if status == 401 && (!registration.answered || is_stale) {
            registration.challenge = value.and_then(Challenge::parse);
            registration.answered = registration.challenge.is_some();
            if registration.answered {
                return self.send_register(at);
            }
        }
        self.registration_over(at, status);
    }

    fn registration_over(&mut self, at: usize, status: u16) {
        let registration = &mut self.registrations[at];
        registration.outcome = Some(status);
        registration.answered = registration.challenge.is_some();
        self.registered += 1;
    }
}
