//! Calls that come to us by INVITE: who is let in, the offer to the floor, and the floor's decision.
use std::sync::Arc;

use domain::address::Address;
use domain::directory::Directory;
use domain::id::{DeviceId, LegId, TenantId};
use domain::leg::{Attestation, Claims, EndCause, EndedBy, LegEvent, RejectReason, Verified, Via};
use sip::identity::Trust;
use sip::msg::{Message, Name};
use sip::{Admission, Hop, IncomingCall, Replaced};

use crate::io::Transport;
use crate::leg::{EarlyMedia, Incoming, Leg, Offer, Party, Phase};
use crate::negotiate::SessionError;
use crate::policy::{self, Book, Called, Caller, Verdict};
use crate::switch::Switch;
use crate::timers::Timer;
use crate::trunks::Carrier;
use crate::web_sound::web_offer;

/// The directory as the SIP endpoint asks it. See [`Switch::policy`].
#[derive(Debug, Clone)]
pub struct Policy {
    directory: Arc<Directory>,
    carriers: Arc<Vec<Carrier>>,
    realm: String,
    draining: bool,
}

impl Policy {
    pub(crate) fn new(directory: Arc<Directory>, carriers: Arc<Vec<Carrier>>, realm: String, draining: bool) -> Self {
        Self { directory, carriers, realm, draining }
    }

    fn realm_of(&self, host: &str) -> String {
        policy::realm_of(&self.directory, host, &self.realm)
    }
}

/// The key of an account: `user@realm`. Realms hold no `@`.
fn user_key(user: &str, realm: &str) -> sip::registrar::UserKey {
    format!("{user}@{realm}").into()
}

/// The (user, realm) of a key.
pub(crate) fn split_key(key: &str) -> Option<(&str, &str)> {
    key.rsplit_once('@')
}

impl sip::Directory for Policy {
    fn admit(&self, hop: &Hop, invite: &Message) -> Admission {
        if self.draining {
            return Admission::Reject { status: 503 };
        }
        let Some(called) = Called::of(invite) else { return Admission::Reject { status: 404 } };
        if invite.get(Name::Replaces).is_some() {
            // Of nobody but our own phones.
            return Admission::Challenge { realm: self.realm_of(&called.host) };
        }
        let book = Book { directory: &self.directory, carriers: &self.carriers };
        match policy::admit(book, hop.remote, &called, Caller::Unknown) {
            Verdict::Accept { .. } | Verdict::Keys { .. } => Admission::Accept { identity: None },
            Verdict::Challenge => Admission::Challenge { realm: self.realm_of(&called.host) },
            Verdict::NotFound => Admission::Reject { status: 404 },
            Verdict::Drained => Admission::Reject { status: 503 },
        }
    }

    fn realm(&self, domain: &str) -> Option<String> {
        Some(self.realm_of(domain))
    }

    fn account(&self, realm: &str, username: &str) -> Option<sip::Account> {
        let found = policy::account(&self.directory, username, realm);
        // The same work for a name that nobody has: the time of an answer tells nothing.
        let (md5, sha256) = found.map_or((NOBODY_MD5, NOBODY_SHA256), |a| (&a.ha1_md5, &a.ha1_sha256));
        let ha1 = sip::digest::Ha1 { md5: unhex(md5), sha256: unhex(sha256) };
        let account = std::hint::black_box(sip::Account { user: user_key(username, realm), ha1 });
        found.map(|_| account)
    }

    fn may_register(&self, user: &sip::registrar::UserKey, aor: &str) -> bool {
        // Phones register under the domain or under our bare address: the user part says who it is, and the realm was
        // proved by the digest.
        let Some((name, realm)) = split_key(user) else { return false };
        let Some((aor_user, aor_host)) = aor.rsplit_once('@') else { return false };
        aor_user == name && self.realm_of(aor_host) == realm
    }
}

const NOBODY_MD5: &str = "00000000000000000000000000000000";
const NOBODY_SHA256: &str = "0000000000000000000000000000000000000000000000000000000000000000";

fn unhex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let text = text.as_bytes();
    if text.len() != 2 * N {
        return None;
    }
    let mut out = [0; N];
    for (byte, pair) in out.iter_mut().zip(text.chunks_exact(2)) {
        let digit = |b: u8| char::from(b).to_digit(16).map(|d| d as u8);
        *byte = (digit(pair[0])? << 4) | digit(pair[1])?;
    }
    Some(out)
}

/// A name as it may be shown: not longer than a line, without what would turn or break one.
fn printable(name: &str) -> String {
    let turns = |c: char| matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let shown: String = name.chars().filter(|c| !c.is_control() && !turns(*c)).take(128).collect();
    shown.trim().to_owned()
}

fn verified(v: sip::identity::Verified) -> Verified {
    let attested = v.attested.map(|a| match a {
        sip::identity::Attestation::Full => Attestation::A,
        sip::identity::Attestation::Partial => Attestation::B,
        sip::identity::Attestation::Gateway => Attestation::C,
    });
    Verified { passed: v.passed, attested }
}

impl Switch {
    pub(crate) fn on_incoming_call(&mut self, incoming: &IncomingCall) {
        let call = incoming.call;
        if self.draining || !self.has_room() {
            return self.refuse(call, 503);
        }
        let account = incoming
            .identity
            .as_deref()
            .and_then(split_key)
            .and_then(|(user, realm)| policy::account(&self.directory, user, realm));
        if let Some(named) = incoming.replaces {
            let account = account.map(|a| (a.tenant, a.device));
            return self.on_replacing_call(incoming, account, named);
        }
        let caller = account.map_or(Caller::Unknown, Caller::Account);
        let Some(called) = Called::of(&incoming.message) else { return self.refuse(call, 404) };
        let book = Book { directory: &self.directory, carriers: &self.trunks.carriers };
        let (tenant, number, via, region) = match policy::admit(book, incoming.hop.remote, &called, caller) {
            Verdict::Accept { tenant, number, via, region } => (tenant, Some(number), via, region),
            Verdict::Keys { tenant, device } => (tenant, None, Via::Device { device }, None),
            // The endpoint has challenged already where that helps; the directory may have changed since.
            Verdict::Challenge => return self.refuse(call, 403),
            Verdict::NotFound => return self.refuse(call, 404),
            Verdict::Drained => return self.refuse(call, 503),
        };
        let caller = sip::identity::caller(&incoming.message, self.trust(via));
        let region = region.as_deref();
        let of = |user: &str, host: &str, withheld: bool| match withheld {
            true => Address::Withheld,
            false => Address::from_sip(user, host, region),
        };
        let address = of(&caller.user, &caller.host, caller.withheld);
        let name =
            caller.display.filter(|_| address != Address::Withheld).map(|n| printable(&n)).filter(|n| !n.is_empty());
        let claims = Claims {
            diverted: caller.diverted.map(|first| of(&first.user, &first.host, first.withheld)),
            verified: caller.verified.map(verified),
        };

        let Some(leg) = self.new_incoming(incoming, tenant, via) else { return };
        match (number, via) {
            (Some(number), _) => self.tell(LegEvent::Offered { leg, tenant, number, from: address, name, via, claims }),
            (None, Via::Device { device }) => self.tell(LegEvent::Dialled { leg, tenant, device, keys: called.user }),
            (None, _) => self.reject(leg, RejectReason::NotFound),
        }
    }

    /// The leg of a call that is let in; `None` when its offer cannot be read, and it was refused.
    fn new_incoming(&mut self, incoming: &IncomingCall, tenant: TenantId, via: Via) -> Option<LegId> {
        let call = incoming.call;
        let terms = policy::terms(&self.directory, tenant, via);
        let session = self.new_session(terms, incoming.hop.transport.is_secure());
        let read = |sdp: &[u8]| match web_offer(sdp) {
            Some(offer) => Ok(offer),
            None => session.read_offer(sdp).map(Offer::Rtp),
        };
        let offer = match incoming.sdp().map(read).transpose() {
            Ok(offer) => offer,
            Err(why) => {
                tracing::info!(%why, "INVITE refused: unusable session description");
                self.refuse_sound(call, &why);
                return None;
            }
        };
        let leg = self.mint_leg();
        let party = Party::Incoming(Incoming { call, offer, hop: incoming.hop, session, early_media: EarlyMedia::No });
        self.legs.insert(leg, Leg::new(leg, tenant, party, Phase::Offered));
        self.by_call.insert(call, leg);
        self.timers.set(Timer::Offer(leg), self.now + self.config.offer_timeout);
        Some(leg)
    }

    /// A phone of ours wants the place of another call of its company (RFC 3891 §3). The floor knows whether it may.
    fn on_replacing_call(&mut self, incoming: &IncomingCall, account: Option<(TenantId, DeviceId)>, named: Replaced) {
        let call = incoming.call;
        let Some((tenant, device)) = account else { return self.refuse(call, 403) };
        let Some(replaces) = self.leg_named(named, tenant) else { return self.refuse(call, 481) };
        let Some(other) = self.legs.get(&replaces) else { return self.refuse(call, 481) };
        match (named, &other.party) {
            (Replaced::Call { early_only: true, .. }, _) if other.is_up() => return self.refuse(call, 486),
            // What rings and was not called by us is nobody's to take.
            (_, Party::Incoming(_)) if !other.is_up() => return self.refuse(call, 481),
            _ => {}
        }
        if let Some(leg) = self.new_incoming(incoming, tenant, Via::Device { device }) {
            self.tell(LegEvent::ReplaceAsked { leg, tenant, device, replaces });
        }
    }

    /// What is believed of whoever brings a call.
    fn trust(&self, via: Via) -> Trust {
        let Via::Trunk { trunk } = via else { return Trust::default() };
        let entry = self.directory.trunks.iter().find(|t| t.trunk == trunk);
        entry.map_or(Trust::default(), |t| Trust { identity: t.identity.trusted, verification: t.identity.verifies })
    }

    fn refuse(&mut self, call: sip::CallId, status: u16) {
        let headers = if status == 503 { vec![("Retry-After".to_owned(), "5".to_owned())] } else { Vec::new() };
        self.sip(sip::Command::Reject { call, status, headers });
    }

    /// 488 with the reason in words (RFC 3261 §20.43), for whoever looks into a call that did not come about.
    fn refuse_sound(&mut self, call: sip::CallId, why: &SessionError) {
        let warning = format!("305 {} \"{why}\"", self.config.from_host);
        self.sip(sip::Command::Reject { call, status: 488, headers: vec![("Warning".to_owned(), warning)] });
    }

    pub(crate) fn offer_timed_out(&mut self, leg: LegId) {
        let Some(state) = self.legs.get(&leg).filter(|l| matches!(l.phase, Phase::Offered)) else { return };
        if let Party::Incoming(sip) = &state.party {
            let call = sip.call;
            self.refuse(call, 503);
        }
        self.let_go(leg, EndCause::SystemError, EndedBy::System);
    }

    pub(crate) fn ring(&mut self, leg: LegId) {
        let Some(state) = self.legs.get_mut(&leg).filter(|l| matches!(l.phase, Phase::Offered)) else { return };
        state.phase = Phase::Ringing;
        self.timers.cancel(Timer::Offer(leg));
        match &state.party {
            Party::Incoming(sip) => {
                let call = sip.call;
                self.sip(sip::Command::Progress { call, status: 180, sdp: None });
            }
            Party::Browser(browser) => {
                use domain::device::{DeviceReport, GuestCallState};
                let device = browser.device;
                self.report(DeviceReport::GuestCall { device, state: GuestCallState::Ringing });
            }
            Party::Outgoing(_) => {}
        }
    }

    /// A caller who has made an offer of RTP is told a session before the answer. Media is opened first; [`Switch::send_answer`] goes on.
    pub(crate) fn let_hear(&mut self, leg: LegId) {
        let Some(state) = self.legs.get_mut(&leg).filter(|l| matches!(l.phase, Phase::Offered | Phase::Ringing)) else {
            return;
        };
        let Party::Incoming(sip) = &mut state.party else { return };
        if !matches!((&sip.early_media, &sip.offer), (EarlyMedia::No, Some(Offer::Rtp(_)))) {
            return;
        }
        sip.early_media = EarlyMedia::Wished;
        self.timers.cancel(Timer::Offer(leg));
        self.open_media(leg, Transport::Udp);
    }

    fn send_early_media(&mut self, leg: LegId) {
        let Some(state) = self.legs.get_mut(&leg) else { return };
        let Some(local) = state.media.as_ref().and_then(|m| m.local) else { return };
        let Party::Incoming(sip) = &mut state.party else { return };
        let Some(Offer::Rtp(offer)) = sip.offer.take() else { return };
        let call = sip.call;
        let Ok((sdp, remote)) = sip.session.answer(local, &offer) else {
            return self.end(leg, EndCause::MediaIncompatible, EndedBy::Peer);
        };
        sip.early_media = EarlyMedia::Sent(sdp.clone(), Box::new(remote));
        state.phase = Phase::Ringing;
        self.sip(sip::Command::Progress { call, status: 183, sdp: Some(sdp) });
        self.begin_media(leg, &remote);
        self.sound_ready(leg);
    }

    /// Opens media first; [`Switch::send_answer`] or `browser_up` goes on from there.
    pub(crate) fn answer(&mut self, leg: LegId) {
        let Some(state) = self.legs.get_mut(&leg) else { return };
        if let (Phase::Opening, Party::Incoming(sip)) = (&state.phase, &mut state.party) {
            // Answered before it could hear: no word of it before.
            sip.early_media = EarlyMedia::No;
            return;
        }
        if !matches!(state.phase, Phase::Offered | Phase::Ringing) {
            return;
        }
        self.timers.cancel(Timer::Offer(leg));
        match &state.party {
            Party::Incoming(sip) if matches!(sip.early_media, EarlyMedia::Sent(..)) => self.send_answer(leg),
            Party::Incoming(Incoming { offer: Some(Offer::Web(offer)), .. }) => {
                let offer = offer.clone();
                self.accept_web(leg, offer);
            }
            Party::Incoming(_) => self.open_media(leg, Transport::Udp),
            Party::Browser(browser) => {
                let device = browser.device;
                self.open_browser_media(leg, device);
            }
            Party::Outgoing(_) => {}
        }
    }

    /// Media is open: 200 with our session, and the media leg begins.
    pub(crate) fn send_answer(&mut self, leg: LegId) {
        let Some(state) = self.legs.get_mut(&leg) else { return };
        let Some(local) = state.media.as_ref().and_then(|m| m.local) else { return };
        let by_web = state.web.as_mut().and_then(|web| web.answer.take());
        let Party::Incoming(sip) = &mut state.party else { return };
        if let EarlyMedia::Wished = sip.early_media {
            return self.send_early_media(leg);
        }
        let (call, offer) = (sip.call, sip.offer.take());
        if let Some(answer) = by_web {
            // Its sound starts when the peer connection is through.
            self.sip(sip::Command::Answer { call, sdp: answer.into_bytes(), headers: Vec::new() });
            return self.leg_is_up(leg);
        }
        let offer = offer.and_then(|offer| match offer {
            Offer::Rtp(offer) => Some(offer),
            Offer::Web(_) => None,
        });
        let (sdp, remote) = match (std::mem::take(&mut sip.early_media), offer.map(|o| sip.session.answer(local, &o))) {
            (EarlyMedia::Sent(sdp, remote), _) => (sdp, Some(*remote)),
            (_, Some(Ok((sdp, remote)))) => (sdp, Some(remote)),
            (_, Some(Err(_))) => return self.end(leg, EndCause::MediaIncompatible, EndedBy::Peer),
            (_, None) => (sip.session.offer(local), None),
        };
        self.sip(sip::Command::Answer { call, sdp, headers: Vec::new() });
        self.leg_is_up(leg);
        if let Some(remote) = remote {
            self.start_media(leg, &remote);
        }
        self.checkpoint(leg);
        // Without an offer the codec is known when the ACK brings the peer's answer.
    }

    pub(crate) fn reject(&mut self, leg: LegId, why: RejectReason) {
        let undecided = |l: &&Leg| matches!(l.phase, Phase::Offered | Phase::Ringing);
        if self.legs.get(&leg).filter(undecided).is_none() {
            return;
        }
        let cause = match why {
            RejectReason::Busy => EndCause::Busy,
            RejectReason::NotFound => EndCause::NotFound,
            RejectReason::Overload => EndCause::Limit,
            RejectReason::Forbidden => EndCause::Rejected,
            RejectReason::Unavailable => EndCause::Unreachable,
        };
        self.end(leg, cause, EndedBy::Us);
    }
}
