//! Trunks of this node: one [`Line`] each, what they ask carried to the SIP endpoint, how they get on reported; and their
//! tests. Who may call from where follows from it: [`Carrier`].
use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use domain::directory::{Directory, TrunkEntry, TrunkLogin};
use domain::id::{TenantId, TrunkId};
use domain::trunk::{TrunkReport, TrunkSignal, TrunkState, TrunkStatus};
use sip::digest::{Credentials, Secret};
use sip::msg::Uri;
use sip::{Hop, PingId, Reply, Transport};

mod line;
#[cfg(test)]
mod tests;
mod trial;

pub(crate) use line::Settings;
use line::{Failure, Heard, Line, Order};
use trial::{Question, Trial};

use crate::io::{Output, ResolveKey};
use crate::switch::Switch;
use crate::timers::Timer;

/// A trunk with another end to ask.
#[derive(Debug)]
struct Trunk {
    tenant: TenantId,
    line: Line,
    state: (TrunkState, Option<Failure>),
    since: Duration,
    told: Option<TrunkStatus>,
}

/// Who asked a question of the endpoint or of the resolver.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asker {
    /// The trunk's line; the number is its own for the question.
    Line(TrunkId, u64),
    Trial(u64),
}

/// Where a carrier at which we are registered calls from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Carrier {
    pub(crate) trunk: TrunkId,
    pub(crate) remotes: Vec<SocketAddr>,
    /// User part of our Contact there.
    pub(crate) user: String,
}

#[derive(Debug, Default)]
pub(crate) struct Trunks {
    all: BTreeMap<TrunkId, Trunk>,
    trials: BTreeMap<u64, Trial>,
    pings: HashMap<PingId, Asker>,
    resolves: HashMap<ResolveKey, Asker>,
    pub(crate) carriers: Arc<Vec<Carrier>>,
}

impl Trunks {
    /// Open questions, for tests and metrics.
    pub(crate) fn entries(&self) -> usize {
        self.trials.len() + self.pings.len() + self.resolves.len()
    }
}

/// The address, where a host is one.
pub(crate) fn literal(host: &Uri, transport: Transport) -> Option<SocketAddr> {
    let ip = if host.host == "localhost" { Some(IpAddr::V4(Ipv4Addr::LOCALHOST)) } else { host.host_ip() };
    Some(SocketAddr::new(ip?, host.port.unwrap_or(transport.default_port())))
}

pub(crate) fn credentials_of(login: &TrunkLogin) -> Credentials {
    let user = login.account.auth_user.as_ref().unwrap_or(&login.account.user).clone();
    Credentials { user, secret: Secret::Password(login.password.0.clone()) }
}

impl Switch {
    /// After the directory changed.
    pub(crate) fn review_trunks(&mut self) {
        let directory: Arc<Directory> = self.directory.clone();
        let wanted: BTreeMap<TrunkId, (&TrunkEntry, Settings)> =
            directory.trunks.iter().filter_map(|t| Some((t.trunk, (t, Settings::of(t)?)))).collect();
        let gone: Vec<TrunkId> = self
            .trunks
            .all
            .iter()
            .filter(|(id, trunk)| wanted.get(*id).is_none_or(|(_, settings)| *settings != trunk.line.settings))
            .map(|(id, _)| *id)
            .collect();
        for trunk in gone {
            self.close_line(trunk);
        }
        for (id, (entry, settings)) in wanted {
            let now = self.now;
            if let Some(trunk) = self.trunks.all.get_mut(&id) {
                trunk.line.check_every(now, entry.check);
            } else {
                let (random, literal) = (self.draw(), literal(&settings.host, settings.transport));
                let call_id = format!("{:016x}{:016x}", self.draw(), self.draw());
                let mut line = Line::new(now, settings, literal, entry.check, random, call_id);
                if self.draining {
                    line.close();
                } else {
                    line.handle(now, Heard::Time);
                }
                let trunk = Trunk { tenant: entry.tenant, state: line.state(), line, since: now, told: None };
                self.trunks.all.insert(id, trunk);
            }
            self.settle_line(id);
        }
        self.review_carriers();
    }

    /// The node stops: carriers should send their calls elsewhere.
    pub(crate) fn close_lines(&mut self) {
        let all: Vec<TrunkId> = self.trunks.all.keys().copied().collect();
        for trunk in all {
            self.close_line(trunk);
        }
        self.review_carriers();
    }

    fn close_line(&mut self, trunk: TrunkId) {
        let Some(mut gone) = self.trunks.all.remove(&trunk) else { return };
        self.timers.cancel(Timer::Line(trunk));
        let is_other = |asker: &mut Asker| !matches!(asker, Asker::Line(of, _) if *of == trunk);
        self.trunks.pings.retain(|_, asker| is_other(asker));
        self.trunks.resolves.retain(|_, asker| is_other(asker));
        if let Some(Order::Register { remote, cseq, expires, .. }) = gone.line.close() {
            let ping = PingId(self.next_number());
            self.register(ping, &gone.line.settings, gone.line.call_id, remote, cseq, Some(expires));
        }
    }

    /// Carries out what a line orders, sets its clock, tells how it gets on.
    fn settle_line(&mut self, id: TrunkId) {
        while let Some(trunk) = self.trunks.all.get_mut(&id)
            && let Some(order) = trunk.line.poll()
        {
            let (settings, call_id) = (trunk.line.settings.clone(), trunk.line.call_id.clone());
            match order {
                Order::Resolve => self.look_up(Asker::Line(id, 0), &settings),
                Order::Register { ask, remote, cseq, expires } => {
                    let ping = self.asker(Asker::Line(id, ask));
                    self.register(ping, &settings, call_id, remote, cseq, Some(expires));
                }
                Order::Ping { ask, remote } => {
                    let ping = self.asker(Asker::Line(id, ask));
                    self.ping(ping, &settings, remote);
                }
            }
        }
        let Some(trunk) = self.trunks.all.get_mut(&id) else { return };
        match trunk.line.next_timeout() {
            Some(at) => self.timers.set(Timer::Line(id), at),
            None => self.timers.cancel(Timer::Line(id)),
        }
        let state = trunk.line.state();
        if state != trunk.state {
            (trunk.state, trunk.since) = (state, self.now);
        }
        let wall = |at: Duration| {
            self.config.wall_ms_at_start.saturating_add(i64::try_from(at.as_millis()).unwrap_or(i64::MAX))
        };
        let (state, failure) = trunk.state;
        let status = TrunkStatus {
            state,
            since: wall(trunk.since),
            fault: failure.map(|f| f.fault),
            sip_status: failure.and_then(|f| f.sip_status),
            round_trip_ms: trunk.line.round_trip().map(|t| u32::try_from(t.as_millis()).unwrap_or(u32::MAX)),
            registered_until: trunk.line.registered_until().map(wall),
        };
        if trunk.told.as_ref() != Some(&status) {
            trunk.told = Some(status.clone());
            let tenant = trunk.tenant;
            self.emit(Output::Trunk(TrunkReport::Status { tenant, trunk: id, status }));
        }
    }

    /// Who may call us as a carrier may have changed.
    fn review_carriers(&mut self) {
        let of = |(id, trunk): (&TrunkId, &Trunk)| {
            let login = trunk.line.settings.registers().filter(|_| trunk.line.settings.active)?;
            let remotes = trunk.line.remotes().to_vec();
            (!remotes.is_empty()).then(|| Carrier { trunk: *id, remotes, user: login.account.user.clone() })
        };
        let carriers: Vec<Carrier> = self.trunks.all.iter().filter_map(of).collect();
        if carriers != *self.trunks.carriers {
            self.trunks.carriers = Arc::new(carriers);
            self.emit(Output::PolicyChanged);
        }
    }

    fn asker(&mut self, asker: Asker) -> PingId {
        let ping = PingId(self.next_number());
        self.trunks.pings.insert(ping, asker);
        ping
    }

    fn look_up(&mut self, asker: Asker, settings: &Settings) {
        let key = ResolveKey(self.next_number());
        self.trunks.resolves.insert(key, asker);
        let (host, port) = (settings.host.host.clone(), settings.host.port);
        self.emit(Output::Resolve { key, host, port, transport: settings.transport });
    }

    /// Where a question goes.
    fn trunk_hop(&mut self, settings: &Settings, remote: SocketAddr) -> Hop {
        if settings.transport.is_secure() {
            let (name, is_checked) = (settings.host.host.clone(), settings.check_certificate);
            self.emit(Output::ExpectPeer { remote, name, is_checked });
        }
        Hop { transport: settings.transport, local: self.config.sip_local, remote, conn: None }
    }

    fn register(
        &mut self,
        ping: PingId,
        settings: &Settings,
        call_id: String,
        remote: SocketAddr,
        cseq: u32,
        expires: Option<u32>,
    ) {
        let Some(login) = &settings.login else { return };
        let registrar = settings.domain();
        let aor = Uri::sip(Some(&login.account.user), &registrar.host, None);
        let hop = self.trunk_hop(settings, remote);
        self.sip(sip::Command::Register(Box::new(sip::Register {
            ping,
            hop,
            registrar,
            aor,
            contact_user: login.account.user.clone(),
            call_id,
            cseq,
            expires,
            credentials: Some(credentials_of(login)),
        })));
    }

    fn ping(&mut self, ping: PingId, settings: &Settings, remote: SocketAddr) {
        let credentials = settings.login.as_ref().map(credentials_of);
        let hop = self.trunk_hop(settings, remote);
        self.sip(sip::Command::Ping { ping, hop, uri: settings.domain(), credentials });
    }

    fn tell_line(&mut self, id: TrunkId, heard: Heard) {
        let now = self.now;
        let Some(trunk) = self.trunks.all.get_mut(&id) else { return };
        trunk.line.handle(now, heard);
        self.settle_line(id);
        self.review_carriers();
    }

    pub(crate) fn line_is_due(&mut self, trunk: TrunkId) {
        self.tell_line(trunk, Heard::Time);
    }

    /// A call by the trunk met nobody: worth a question.
    pub(crate) fn suspect_trunk(&mut self, trunk: TrunkId) {
        self.tell_line(trunk, Heard::Suspect);
    }

    pub(crate) fn on_ping_result(&mut self, ping: PingId, reply: Reply) {
        match self.trunks.pings.remove(&ping) {
            Some(Asker::Line(trunk, ask)) => self.tell_line(trunk, Heard::Ponged { ask, reply }),
            Some(Asker::Trial(test)) => self.trial_goes_on(test, |trial, now| trial.replied(now, reply)),
            None => {}
        }
    }

    pub(crate) fn on_register_result(
        &mut self,
        ping: PingId,
        reply: Reply,
        expires: Option<u32>,
        retry_after: Option<u32>,
    ) {
        match self.trunks.pings.remove(&ping) {
            Some(Asker::Line(trunk, ask)) => {
                self.tell_line(trunk, Heard::Registered { ask, reply, expires, retry_after });
            }
            Some(Asker::Trial(test)) => self.trial_goes_on(test, |trial, now| trial.replied(now, reply)),
            None => {}
        }
    }

    /// False if the name was looked up for a call.
    pub(crate) fn trunk_resolved(&mut self, key: ResolveKey, addresses: &[SocketAddr], life: Duration) -> bool {
        let remotes = self.reachable(addresses);
        match self.trunks.resolves.remove(&key) {
            Some(Asker::Line(trunk, _)) => self.tell_line(trunk, Heard::Resolved { remotes, life }),
            Some(Asker::Trial(test)) => self.trial_goes_on(test, |trial, now| trial.resolved(now, &remotes)),
            None => return false,
        }
        true
    }

    /// Addresses of the families that our socket speaks: one of IPv6 speaks both, unless it is bound to a single address.
    pub(crate) fn reachable(&self, addresses: &[SocketAddr]) -> Vec<SocketAddr> {
        let ours = self.config.sip_local.ip();
        let is_both = ours.is_ipv6() && ours.is_unspecified();
        addresses.iter().filter(|a| is_both || a.is_ipv4() == ours.is_ipv4()).copied().collect()
    }

    pub(crate) fn on_trunk_signal(&mut self, signal: TrunkSignal) {
        let TrunkSignal::Test { test, tenant, trunk } = signal;
        let entry = self.directory.trunks.iter().find(|t| t.trunk == trunk && t.tenant == tenant);
        let Some(settings) = entry.and_then(Settings::of) else {
            return self.emit(Output::Trunk(TrunkReport::Tested { test, steps: Vec::new() }));
        };
        let literal = literal(&settings.host, settings.transport);
        let (trial, question) = Trial::begin(self.now, settings, literal);
        self.trunks.trials.insert(test, trial);
        self.carry_on(test, question);
    }

    pub(crate) fn trial_is_late(&mut self, test: u64) {
        // A late answer is none to the next question.
        self.trunks.pings.retain(|_, asker| *asker != Asker::Trial(test));
        self.trunks.resolves.retain(|_, asker| *asker != Asker::Trial(test));
        self.trial_goes_on(test, Trial::give_up);
    }

    fn trial_goes_on(&mut self, test: u64, step: impl FnOnce(&mut Trial, Duration) -> Question) {
        let now = self.now;
        let Some(trial) = self.trunks.trials.get_mut(&test) else { return };
        let question = step(trial, now);
        self.carry_on(test, question);
    }

    fn carry_on(&mut self, test: u64, question: Question) {
        let Some(trial) = self.trunks.trials.get(&test) else { return };
        let (settings, deadline) = (trial.settings.clone(), trial.deadline());
        match question {
            Question::Resolve => self.look_up(Asker::Trial(test), &settings),
            Question::Ping(remote) => {
                let ping = self.asker(Asker::Trial(test));
                self.ping(ping, &settings, remote);
            }
            Question::Register(remote) => {
                let ping = self.asker(Asker::Trial(test));
                let call_id = format!("{:016x}{:016x}", self.draw(), self.draw());
                self.register(ping, &settings, call_id, remote, sip::Register::CSEQ_STEP, None);
            }
            Question::Nothing => {
                self.timers.cancel(Timer::Trial(test));
                let steps = self.trunks.trials.remove(&test).map(|trial| trial.steps).unwrap_or_default();
                return self.emit(Output::Trunk(TrunkReport::Tested { test, steps }));
            }
        }
        self.timers.set(Timer::Trial(test), deadline);
    }

    /// Where a trunk's calls go at present, and where else they may, if that is known.
    pub(crate) fn trunk_remotes(&self, trunk: TrunkId) -> Vec<SocketAddr> {
        self.trunks.all.get(&trunk).map(|trunk| trunk.line.in_turn()).unwrap_or_default()
    }
}
