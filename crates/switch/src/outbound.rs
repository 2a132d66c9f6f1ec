//! Calls we place: where a device or URI is, INVITEs to all contacts at once, the first answer wins.
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use domain::address::Address;
use domain::directory::DeviceEntryKind;
use domain::id::{DeviceId, LegId, TenantId, TrunkId};
use domain::leg::{CallerId, Dial, EndCause, EndedBy, LegEvent, LegStats, Via};
use media::CodecParams;
use sip::identity::Attestation;
use sip::msg::{Message, NameAddr, Scheme, Uri};
use sip::passport::Passport;
use sip::{CallId, Hop};

use crate::io::{Output, PeerRef, ResolveKey, Transport};
use crate::leg::{Attempt, Early, Leg, Outgoing, Party, Phase, Target, TrunkVia};
use crate::negotiate::{Remote, Terms};
use crate::policy;
use crate::switch::Switch;
use crate::timers::Timer;
use crate::trunks::{Settings, credentials_of, literal};

/// Contacts of one device called at once.
const FORK_MAX: usize = 5;
/// Addresses of one name that a call is tried at.
const ADDRESSES_MAX: usize = 4;
/// Early sessions of one call that are remembered: ends of a fork that let themselves be heard.
const EARLY_MAX: usize = 8;

impl Switch {
    pub(crate) fn originate(
        &mut self,
        leg: LegId,
        tenant: TenantId,
        to: Dial,
        from: CallerId,
        ring: Duration,
        beside: Option<CodecParams>,
    ) {
        if self.legs.contains_key(&leg) {
            return;
        }
        let refused = if self.draining {
            Some(EndCause::SystemShutdown)
        } else if !self.has_room() {
            Some(EndCause::Limit)
        } else {
            None
        };
        if let Some(cause) = refused {
            return self.stillborn(leg, cause);
        }
        match to {
            Dial::Uri { uri } => {
                let terms = self.terms(tenant, Via::Loopback, beside);
                self.originate_uri(leg, tenant, &uri, from, ring, terms);
            }
            Dial::Trunk { trunk, number, .. } => {
                let terms = self.terms(tenant, Via::Trunk { trunk }, beside);
                self.originate_trunk(leg, tenant, trunk, &number, from, ring, terms);
            }
            Dial::Device { device } => {
                let terms = self.terms(tenant, Via::Device { device }, beside);
                match self.device_of(tenant, device).map(|d| d.kind.clone()) {
                    Some(DeviceEntryKind::Browser) => self.originate_browser(leg, tenant, device),
                    Some(DeviceEntryKind::Sip { .. }) => {
                        self.originate_registered(leg, tenant, device, from, ring, terms);
                    }
                    Some(DeviceEntryKind::Uri { uri }) => self.originate_uri(leg, tenant, &uri, from, ring, terms),
                    None => self.stillborn(leg, EndCause::Unreachable),
                }
            }
        }
    }

    fn terms(&self, tenant: TenantId, via: Via, beside: Option<CodecParams>) -> Terms {
        Terms { beside, ..policy::terms(&self.directory, tenant, via) }
    }

    fn originate_trunk(
        &mut self,
        leg: LegId,
        tenant: TenantId,
        trunk: TrunkId,
        number: &str,
        from: CallerId,
        ring: Duration,
        terms: Terms,
    ) {
        let entry = self.directory.trunks.iter().find(|t| t.trunk == trunk && t.tenant == tenant && t.active);
        let dialled = number.strip_prefix('+').unwrap_or(number);
        let is_number = !dialled.is_empty() && dialled.bytes().all(|b| b.is_ascii_digit());
        let found = entry.filter(|_| is_number).and_then(Settings::of);
        let Some(settings) = found else { return self.stillborn(leg, EndCause::Unreachable) };
        let mut uri = Uri { user: Some(number.to_owned()), ..settings.domain() };
        match settings.transport {
            sip::Transport::Udp => {}
            other => uri.params.set("transport", Some(other.param_text())),
        }
        let via = TrunkVia {
            trunk,
            login: settings.login.as_ref().map(|login| (login.account.user.clone(), credentials_of(login))),
            domain: uri.host.clone(),
            host: settings.host.host.clone(),
            check_certificate: settings.check_certificate,
        };
        let (host, port) = (settings.host.host.clone(), settings.host.port);
        let mut known = self.trunk_remotes(trunk);
        if known.is_empty() {
            known.extend(literal(&settings.host, settings.transport));
        }
        self.begin_outgoing(leg, tenant, from, ring, Vec::new(), terms);
        if let Some(Party::Outgoing(sip)) = self.legs.get_mut(&leg).map(|l| &mut l.party) {
            sip.via = Some(via);
            sip.early = Some(Early::default());
        }
        self.timers.set(Timer::Trunk(leg), self.now + self.config.trunk_silence);
        match known.is_empty() {
            false => self.call_at(leg, uri, &known),
            true => self.resolve(leg, uri, host, port),
        }
    }

    /// A leg that could not even begin.
    pub(crate) fn stillborn(&mut self, leg: LegId, cause: EndCause) {
        self.tell(LegEvent::Ended { leg, cause, by: EndedBy::System, stats: LegStats::default() });
    }

    fn originate_registered(
        &mut self,
        leg: LegId,
        tenant: TenantId,
        device: DeviceId,
        from: CallerId,
        ring: Duration,
        terms: Terms,
    ) {
        let now = self.now;
        let mut bindings: Vec<_> =
            self.registered.get(&device).iter().flat_map(|s| &s.bindings).filter(|b| b.expires_at > now).collect();
        // The most recently refreshed first, in case there are too many.
        bindings.sort_by_key(|b| std::cmp::Reverse(b.expires_at));
        let mut phones: Vec<(Option<&str>, Target)> = Vec::new();
        for binding in bindings {
            let (uri, path) = (binding.contact.clone(), binding.path.clone());
            let target = Target { path, ..Target::new(binding.hop, uri) };
            let phone = binding.flow.as_ref().map(|flow| flow.instance.as_str());
            match phones.iter_mut().find(|(known, _)| phone.is_some() && *known == phone) {
                // It would ring at itself.
                Some((_, first)) => first.others.push_back(target),
                None => phones.push((phone, target)),
            }
        }
        let targets: Vec<Target> = phones.into_iter().take(FORK_MAX).map(|(_, target)| target).collect();
        if targets.is_empty() {
            return self.stillborn(leg, EndCause::Unreachable);
        }
        self.begin_outgoing(leg, tenant, from, ring, targets, terms);
        self.open_media(leg, Transport::Udp);
    }

    fn originate_uri(&mut self, leg: LegId, tenant: TenantId, uri: &str, from: CallerId, ring: Duration, terms: Terms) {
        let Some(uri) = Uri::parse(uri).ok().filter(|u| u.is_sip() && !u.host.is_empty()) else {
            return self.stillborn(leg, EndCause::Unreachable);
        };
        self.begin_outgoing(leg, tenant, from, ring, Vec::new(), terms);
        let transport = transport_of(&uri);
        match literal(&uri, transport) {
            Some(remote) => self.call_at(leg, uri, &[remote]),
            None => {
                let (host, port) = (uri.host.clone(), uri.port);
                self.resolve(leg, uri, host, port);
            }
        }
    }

    fn resolve(&mut self, leg: LegId, uri: Uri, host: String, port: Option<u16>) {
        let transport = transport_of(&uri);
        let key = ResolveKey(self.next_number());
        if let Some(state) = self.legs.get_mut(&leg) {
            state.phase = Phase::Resolving { key, uri };
        }
        self.by_resolve.insert(key, leg);
        self.timers.set(Timer::Outside(leg), self.now + self.config.outside);
        self.emit(Output::Resolve { key, host, port, transport });
    }

    /// Where the callee is, is known: one address, and others for when nobody is there.
    fn call_at(&mut self, leg: LegId, uri: Uri, remotes: &[SocketAddr]) {
        // The sound's socket is of one family.
        let fits = |remote: &&SocketAddr| remotes.first().is_some_and(|first| first.is_ipv4() == remote.is_ipv4());
        let known = remotes.iter().filter(fits).take(ADDRESSES_MAX);
        let mut targets: VecDeque<Target> = known.map(|remote| self.target(uri.clone(), *remote)).collect();
        if let Some(Party::Outgoing(sip)) = self.legs.get_mut(&leg).map(|l| &mut l.party) {
            sip.targets = targets.pop_front().into_iter().collect();
            sip.spares = targets;
        }
        self.open_media(leg, Transport::Udp);
    }

    fn target(&self, uri: Uri, remote: SocketAddr) -> Target {
        let (transport, local) = (transport_of(&uri), self.config.sip_local);
        Target::new(Hop { transport, local, remote, conn: None }, uri)
    }

    pub(crate) fn on_resolved(&mut self, key: ResolveKey, addresses: &[SocketAddr], life: Duration) {
        if self.trunk_resolved(key, addresses, life) {
            return;
        }
        let Some(leg) = self.by_resolve.remove(&key) else { return };
        let Some(state) = self.legs.get_mut(&leg) else { return };
        let Phase::Resolving { uri, .. } = &state.phase else { return };
        let uri = uri.clone();
        self.timers.cancel(Timer::Outside(leg));
        let remotes = self.reachable(addresses);
        if remotes.is_empty() {
            return self.end(leg, EndCause::Unreachable, EndedBy::System);
        }
        self.call_at(leg, uri, &remotes);
    }

    fn begin_outgoing(
        &mut self,
        leg: LegId,
        tenant: TenantId,
        from: CallerId,
        ring: Duration,
        targets: Vec<Target>,
        terms: Terms,
    ) {
        let session = self.new_session(terms, false);
        let party = Party::Outgoing(Outgoing {
            from,
            via: None,
            targets,
            spares: VecDeque::new(),
            waiting: Vec::new(),
            calls: Vec::new(),
            won: None,
            rang: false,
            early: None,
            failure: None,
            session,
        });
        self.legs.insert(leg, Leg::new(leg, tenant, party, Phase::Opening));
        self.timers.set(Timer::Ring(leg), self.now + ring);
    }

    /// Media is open: INVITE every target.
    pub(crate) fn send_invites(&mut self, leg: LegId) {
        let Some(state) = self.legs.get_mut(&leg) else { return };
        let Party::Outgoing(sip) = &mut state.party else { return };
        state.phase = Phase::Calling;
        for target in std::mem::take(&mut sip.targets) {
            self.call_target(leg, target);
        }
    }

    pub(crate) fn call_target(&mut self, leg: LegId, target: Target) {
        match target.hop.transport.is_web() {
            true => self.offer_web(leg, target),
            false => self.invite(leg, target, None),
        }
    }

    /// INVITEs one target; `web` is the offer of a peer connection of its own.
    pub(crate) fn invite(&mut self, leg: LegId, mut target: Target, web: Option<(PeerRef, Vec<u8>)>) {
        let Some(state) = self.legs.get_mut(&leg) else { return };
        let Some(local) = state.media.as_ref().and_then(|m| m.local) else { return };
        let Party::Outgoing(sip) = &mut state.party else { return };
        // Carriers know their customers by their own domain, and who shows no number by his account.
        let peer = sip.via.as_ref().map(|via| (via.host.clone(), via.check_certificate));
        let login = sip.via.as_ref().and_then(|via| via.login.clone());
        let account = login.as_ref().map(|(user, _)| user.clone());
        let user = sip.from.user.as_deref().or(account.as_deref()).unwrap_or("anonymous");
        let host = sip.via.as_ref().filter(|via| via.login.is_some()).map_or(&self.config.from_host, |via| &via.domain);
        let trunk = sip.via.as_ref().and_then(|via| self.directory.trunks.iter().find(|t| t.trunk == via.trunk));
        let told = trunk.filter(|t| t.identity.told);
        let mut headers = told.map(|_| stated(&sip.from, host)).unwrap_or_default();
        let signed = trunk.filter(|t| t.identity.signed).map(|t| (t.tenant, t.region.clone()));
        let called = target.uri.user.clone();
        let shown = sip.from.user.clone();
        let mut from = NameAddr::new(Uri::sip(Some(user), host, None));
        if let Some(name) = &sip.from.name {
            from = from.with_display(name);
        }
        if let (Some((tenant, region)), Some(shown), Some(called)) = (signed, shown, called) {
            let value = self.signed(tenant, region.as_deref(), &shown, &called);
            headers.extend(value.map(|value| ("Identity".to_owned(), value)));
        }
        // The address that reaches the peer for media does so for signalling.
        if target.hop.local.ip().is_unspecified() {
            target.hop.local.set_ip(local.ip());
        }
        if target.hop.transport.is_secure() && target.hop.conn.is_none() {
            let remote = target.hop.remote;
            let (name, is_checked) = peer.unwrap_or_else(|| (target.uri.host.clone(), true));
            self.emit(Output::ExpectPeer { remote, name, is_checked });
        }
        let call = CallId::outgoing(self.next_number());
        let (hop, uri) = (target.hop, target.uri.clone());
        let routes = target.path.clone().into_iter().map(|proxy| ("Route".to_owned(), proxy));
        let (peer, offer) = web.unzip();
        let mut sdp = None;
        if let Some(Party::Outgoing(sip)) = self.legs.get_mut(&leg).map(|l| &mut l.party) {
            // Contacts of one phone may be reached by ways that are private and such that are not.
            sip.session.set_private(target.may_read_keys());
            sdp = offer.or_else(|| Some(sip.session.offer(local)));
            sip.calls.push(Attempt { call, target, peer, invite: None });
        }
        self.by_call.insert(call, leg);
        self.sip(sip::Command::Invite(Box::new(sip::Invite {
            call,
            hop,
            uri,
            from,
            to: None,
            contact_user: account,
            headers: routes.chain(headers).collect(),
            sdp,
            credentials: login.map(|(_, credentials)| credentials),
        })));
    }

    /// The Identity header of a call that shows `from` and goes to `to`. That a number of the company is shown is ours to say;
    /// of any other number we know only that the call came by us (RFC 8588 §4).
    fn signed(&mut self, tenant: TenantId, region: Option<&str>, from: &str, to: &str) -> Option<String> {
        let signer = self.config.signer.clone()?;
        let is_own = policy::number(&self.directory, tenant, from).is_some();
        let number = |user: &str| match Address::from_sip(user, "", region) {
            Address::Phone { e164, .. } => e164,
            _ => None,
        };
        let (from, to) = (number(from)?, number(to)?);
        let issued = self.config.wall_ms_at_start / 1000 + i64::try_from(self.now.as_secs()).ok()?;
        let passport = Passport {
            from: &from,
            to: &to,
            attested: if is_own { Attestation::Full } else { Attestation::Gateway },
            issued: u64::try_from(issued).ok()?,
            origin: u128::from(self.draw()) << 64 | u128::from(self.draw()),
            certificate: &signer.certificate,
        };
        let unsigned = passport.unsigned()?;
        let signature = (signer.sign)(unsigned.as_bytes())?;
        Some(passport.header(&unsigned, &signature))
    }

    /// The INVITE went out: from now on a crash would leave a phone ringing.
    pub(crate) fn on_invited(&mut self, call: CallId, request: Arc<Message>) {
        let Some(leg) = self.living_by_call(call) else { return };
        let Some(Party::Outgoing(sip)) = self.legs.get_mut(&leg).map(|l| &mut l.party) else { return };
        if let Some(attempt) = sip.calls.iter_mut().find(|a| a.call == call) {
            attempt.invite = Some(request);
            self.checkpoint(leg);
        }
    }

    /// Whoever is at the other end of a trunk has the call.
    pub(crate) fn trunk_lives(&mut self, call: CallId) {
        if let Some(leg) = self.living_by_call(call) {
            self.timers.cancel(Timer::Trunk(leg));
        }
    }

    pub(crate) fn on_progress(&mut self, call: CallId, status: u16, fork: String, sdp: Option<&[u8]>) {
        self.trunk_lives(call);
        let Some(leg) = self.living_by_call(call) else { return };
        let Some(Party::Outgoing(sip)) = self.legs.get_mut(&leg).map(|l| &mut l.party) else { return };
        // 181, 182 and 183 say that something happens, which for whoever waits is ringing just as well.
        if sip.won.is_none() && !sip.rang && (180..=183).contains(&status) {
            sip.rang = true;
            self.tell(LegEvent::Ringing { leg });
        }
        self.early_session(leg, fork, sdp);
    }

    /// The network may speak from now on; that it does is told with its first packet ([`Switch::early_sound`]), for many
    /// announce a session and then leave the ringing tone to us (RFC 3960 §3.2).
    fn early_session(&mut self, leg: LegId, fork: String, sdp: Option<&[u8]>) {
        if let Some(remote) = self.conclude(leg, sdp) {
            self.early_remote(leg, fork, remote);
        }
    }

    fn early_remote(&mut self, leg: LegId, fork: String, remote: Remote) {
        let hears = |l: &&mut Leg| matches!(&l.party, Party::Outgoing(sip) if sip.early.is_some() && sip.won.is_none());
        let Some(state) = self.legs.get_mut(&leg).filter(hears) else { return };
        let Party::Outgoing(Outgoing { early: Some(early), .. }) = &mut state.party else { return };
        early.sessions.retain(|(known, _)| *known != fork);
        early.sessions.truncate(EARLY_MAX - 1);
        early.sessions.insert(0, (fork, remote));
        match state.media_key() {
            Some(_) => self.update_media(leg, &remote),
            None => self.begin_media(leg, &remote),
        }
    }

    /// A callee who has let himself be heard wants another session before he answers (UPDATE).
    pub(crate) fn on_early_offer(&mut self, call: CallId, fork: String, sdp: &[u8]) {
        let leg = self.living_by_call(call);
        let state = leg.and_then(|leg| self.legs.get_mut(&leg)).filter(|l| l.media_key().is_some() && !l.is_up());
        let local = state.as_ref().and_then(|l| l.media.as_ref()).and_then(|m| m.local);
        let session = state.and_then(Leg::session_mut);
        let answer = match (session, local) {
            (Some(session), Some(local)) => {
                session.read_offer(sdp).and_then(|offer| session.answer(local, &offer)).ok()
            }
            _ => None,
        };
        let (Some(leg), Some((answer, remote))) = (leg, answer) else {
            return self.sip(sip::Command::RejectReinvite { call, status: 488 });
        };
        self.sip(sip::Command::AnswerReinvite { call, sdp: answer });
        self.early_remote(leg, fork, remote);
    }

    /// A packet came: of a callee who has not answered, the agent should hear it.
    pub(crate) fn early_sound(&mut self, leg: LegId) {
        let Some(Party::Outgoing(sip)) = self.legs.get_mut(&leg).map(|l| &mut l.party) else { return };
        if let Some(early) = sip.early.as_mut().filter(|early| sip.won.is_none() && !early.told) {
            early.told = true;
            self.tell(LegEvent::EarlyMedia { leg });
        }
    }

    pub(crate) fn on_answered(&mut self, call: CallId, response: &Message, sdp: Option<&[u8]>) {
        let Some(leg) = self.living_by_call(call) else {
            // Its leg has gone: whoever answered is let go.
            return self.sip(sip::Command::Hangup { call, headers: Vec::new() });
        };
        let Some(Party::Outgoing(sip)) = self.legs.get_mut(&leg).map(|l| &mut l.party) else { return };
        if sip.won.is_some() {
            return;
        }
        // What it said before it answered holds for an answer that says nothing (RFC 6337 §3.1.1).
        let tag = response.to.tag().unwrap_or("");
        let early = sip.early.iter().flat_map(|e| &e.sessions).find(|(fork, _)| fork == tag).map(|(_, remote)| *remote);
        let (winner, losers): (Vec<Attempt>, Vec<Attempt>) = sip.calls.drain(..).partition(|a| a.call == call);
        let waiting = std::mem::take(&mut sip.waiting);
        let winner = winner.into_iter().next();
        sip.won = Some(call);
        sip.session.set_private(winner.as_ref().is_some_and(|a| a.target.may_read_keys()));
        for peer in losers.iter().filter_map(|a| a.peer).chain(waiting.into_iter().map(|(peer, _)| peer)) {
            self.close_peer(peer);
        }
        for loser in losers {
            self.by_call.remove(&loser.call);
            let reason = "SIP;cause=200;text=\"Call completed elsewhere\"".to_owned();
            self.sip(sip::Command::Hangup { call: loser.call, headers: vec![("Reason".to_owned(), reason)] });
        }
        if let Some(peer) = winner.and_then(|a| a.peer) {
            return self.conclude_web(leg, peer, sdp);
        }
        match self.conclude(leg, sdp).or(early.filter(|_| sdp.is_none())) {
            Some(remote) => {
                self.leg_is_up(leg);
                self.start_media(leg, &remote);
                self.checkpoint(leg);
            }
            None => self.end(leg, EndCause::MediaIncompatible, EndedBy::Peer),
        }
    }
}

/// How a URI wants to be called (RFC 3263 §4.1); what it names and we do not speak is tried over UDP.
fn transport_of(uri: &Uri) -> sip::Transport {
    let named = uri.params.get("transport").map(str::to_ascii_lowercase);
    match (&uri.scheme, named.as_deref()) {
        (Scheme::Sips, _) | (_, Some("tls")) => sip::Transport::Tls,
        (_, Some("tcp")) => sip::Transport::Tcp,
        _ => sip::Transport::Udp,
    }
}

/// What a trunk is told of the caller beside From (RFC 3325 §9.1, RFC 5806 §4).
fn stated(from: &CallerId, host: &str) -> Vec<(String, String)> {
    let uri = |user: &str| NameAddr::new(Uri::sip(Some(user), host, None));
    let asserted = from.user.as_deref().map(|user| ("P-Asserted-Identity".to_owned(), uri(user).to_string()));
    let diverted = from.diverted.as_deref();
    let diverted = diverted.map(|n| ("Diversion".to_owned(), format!("{};reason=unconditional;counter=1", uri(n))));
    asserted.into_iter().chain(diverted).collect()
}
