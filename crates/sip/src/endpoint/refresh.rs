//! Session timers (RFC 4028) and UPDATE (RFC 3311): what keeps a session alive or changes it without an INVITE.

use std::sync::Arc;
use std::time::Duration;

use super::tables::{Call, Owner, Stage, TxId, UpdateIn};
use super::types::{CallId, EndCause, Event};
use super::wire;
use super::{Endpoint, Hop};
use crate::dialog::Dialog;
use crate::msg::{Builder, Message, Method, Name};
use crate::session::{self, Clock, SessionExpires, Terms, Tick};

/// While something else is under way a refresh waits this long.
const BUSY: Duration = Duration::from_secs(2);
/// A refresh that was refused is tried again after this, until the session expires.
pub(super) const AGAIN: Duration = Duration::from_secs(10);

impl Endpoint {
    /// Headers of a request of ours that sets the session timer up or renews it.
    pub(super) fn timer_headers(&self, call: Option<&Call>, mut out: Builder) -> Builder {
        let min = call.map_or(self.config.min_se, |call| call.min_se);
        let expires = match call.and_then(|call| call.clock.as_ref()) {
            Some(clock) => Some(clock.renewal()),
            None => self.config.session_expires.map(|interval| SessionExpires { interval, refresher: None }),
        };
        if let Some(mut expires) = expires {
            expires.interval = expires.interval.max(min);
            out = out.header(Name::SessionExpires, expires);
            if min > session::MIN_SE {
                out = out.header(Name::MinSe, min.as_secs());
            }
        }
        out
    }

    /// 422 for a request that wants its session refreshed too often; true when it was answered so.
    pub(super) fn refuse_interval(&mut self, request: &Message, hop: Hop) -> bool {
        let too_small = self.terms(request) == Terms::TooSmall;
        if too_small {
            let reply = self.reply(request, hop, 422).header(Name::MinSe, self.config.min_se.as_secs());
            self.send_stateless(request, hop, reply);
        }
        too_small
    }

    fn terms(&self, request: &Message) -> Terms {
        session::terms(request, self.config.session_expires, self.config.min_se)
    }

    /// Headers of our 2xx to `request`, which starts, renews or ends the session timer.
    pub(super) fn agree(&mut self, now: Duration, id: CallId, request: &Message, out: Builder) -> Builder {
        let terms = self.terms(request);
        let Some(call) = self.calls.get_mut(&id) else { return out };
        call.learn(request);
        let Terms::On { expires, require } = terms else {
            call.clock = None;
            return out;
        };
        call.clock = Some(Clock::start(now, expires, false));
        let out = out.header(Name::SessionExpires, expires);
        if require { out.header(Name::Require, "timer") } else { out }
    }

    /// The session timer's time has come. False when the call has ended.
    pub(super) fn on_clock(&mut self, now: Duration, id: CallId) -> bool {
        let Some(call) = self.calls.get_mut(&id).filter(|call| !call.closing) else { return true };
        let Some(clock) = call.clock.as_mut() else { return true };
        match clock.on_timeout(now) {
            Tick::Wait => true,
            Tick::Refresh => {
                self.refresh(now, id);
                true
            }
            Tick::Expired => {
                let reason = ("Reason".to_owned(), "SIP;cause=408;text=\"Session timer expired\"".to_owned());
                self.end_call(now, id, EndCause::Expired, &[reason]);
                false
            }
        }
    }

    fn refresh(&mut self, now: Duration, id: CallId) {
        let Some(call) = self.calls.get_mut(&id) else { return };
        if !call.may_reinvite() || call.wish.is_some() {
            // Whatever is under way renews the session as well.
            if let Some(clock) = &mut call.clock {
                clock.postpone(now, BUSY);
            }
            return;
        }
        if !call.takes_update && !call.sdp.is_empty() {
            call.wish = Some(Some(call.sdp.clone()));
            return self.start_wish(now, id);
        }
        let contact = call.contact.clone();
        let Some(call) = self.calls.get(&id) else { return };
        let headers = self.timer_headers(Some(call), Builder::default());
        self.dialog_request(now, id, &Method::Update, Owner::Update(id), |out| {
            out.header(Name::Contact, contact)
                .header(Name::Allow, wire::ALLOW)
                .header(Name::Supported, wire::SUPPORTED)
                .append(headers)
        });
    }

    /// The final response to an UPDATE of ours.
    pub(super) fn on_update_answer(&mut self, now: Duration, id: CallId, response: &Message) {
        let Some(call) = self.calls.get_mut(&id) else { return };
        match response.status() {
            200..300 => {
                call.clock = Clock::of_answer(now, response);
                call.learn(response);
                if let Some(dialog) = call.dialog.as_mut() {
                    dialog.refresh_target(response);
                }
            }
            481 => return self.drop_call(now, id, EndCause::Gone),
            408 => return self.end_call(now, id, EndCause::TimedOut, &[]),
            status => {
                // Whoever does not know it after all gets a re-INVITE.
                call.takes_update &= !matches!(status, 405 | 420 | 501);
                if let Some(clock) = &mut call.clock {
                    clock.postpone(now, if call.takes_update { AGAIN } else { Duration::ZERO });
                }
            }
        }
        self.settle_call(id);
    }

    /// 422: asks again with the interval the peer wants (RFC 4028 §7.3). False when that would be no other.
    pub(super) fn answer_interval(&mut self, now: Duration, tx: TxId, response: &Message) -> bool {
        let Some(min) = session::min_se(response) else { return false };
        let Some(entry) = self.clients.get(&tx) else { return false };
        let (Owner::Invite(id) | Owner::Reinvite(id) | Owner::Update(id)) = entry.owner else { return false };
        let Some(call) = self.calls.get_mut(&id).filter(|call| call.min_se < min) else { return false };
        call.min_se = min;
        let asked = entry.request.get(Name::SessionExpires).and_then(SessionExpires::parse);
        let Some(mut expires) = asked else { return false };
        expires.interval = expires.interval.max(min);
        let fields = [(Name::SessionExpires, expires.to_string()), (Name::MinSe, min.as_secs().to_string())];
        let (credentials, tries) = (entry.credentials.clone(), entry.auth_tries);
        self.ask_again(now, tx, &fields, credentials, tries)
    }

    /// UPDATE of the peer within a call that is up, or of one of ours that it has not answered yet (`early`).
    pub(super) fn on_update(&mut self, now: Duration, hop: Hop, id: CallId, request: Arc<Message>, tag: String) {
        if self.refuse_interval(&request, hop) {
            return;
        }
        let fault = Self::body_fault(&request);
        let Some(call) = self.calls.get_mut(&id) else { return };
        let has_offer = request.sdp().is_some();
        let early = call.early.iter().position(|early| Some(early.tag.as_str()) == request.from.tag());
        let refused = match call.stage {
            _ if call.closing => Some(481),
            _ if fault.is_some() => fault,
            _ if !has_offer => None,
            // RFC 3311 §5.2: an offer of theirs, or of ours, waits for its answer.
            _ if call.invite_in.is_some() || call.update_in.is_some() => Some(500),
            Stage::Up if call.invite_out.is_some() || call.ack_wait.is_some() || call.pending_ack.is_some() => {
                Some(491)
            }
            Stage::Up => None,
            Stage::Calling if early.is_some_and(|at| call.early[at].has_session) => None,
            Stage::Calling => Some(491),
            Stage::Ringing => Some(500),
        };
        if let Some(status) = refused {
            return self.refuse(&request, hop, status);
        }
        let dialog = match (call.stage, early) {
            (Stage::Calling, Some(at)) => Some(&mut call.early[at].dialog),
            _ => call.dialog.as_mut(),
        };
        if let Some(dialog) = dialog {
            dialog.refresh_target(&request);
        }
        let Some(sdp) = request.sdp().map(<[u8]>::to_vec) else {
            return self.answer_update(now, id, UpdateIn { request, hop, tag }, None);
        };
        let fork = request.from.tag().unwrap_or("").to_owned();
        let event = match call.stage {
            Stage::Up | Stage::Ringing => Event::Reinvite { call: id, sdp: Some(sdp) },
            Stage::Calling => Event::EarlyOffer { call: id, fork, sdp },
        };
        call.update_in = Some(UpdateIn { request, hop, tag });
        self.emit(event);
    }

    /// 200 to an UPDATE, with our answer if it had an offer.
    pub(super) fn answer_update(&mut self, now: Duration, id: CallId, update: UpdateIn, sdp: Option<&[u8]>) {
        let UpdateIn { request, hop, tag } = update;
        let Some(call) = self.calls.get_mut(&id) else { return };
        let (contact, up) = (call.contact.clone(), call.stage == Stage::Up);
        if let Some(sdp) = sdp {
            call.sdp = sdp.to_vec();
        }
        let mut reply = self
            .tagged_reply(&request, hop, 200, &tag)
            .header(Name::Contact, contact)
            .header(Name::Allow, wire::ALLOW)
            .header(Name::Supported, wire::SUPPORTED);
        // Before the answer there is no session to time.
        if up {
            reply = self.agree(now, id, &request, reply);
        }
        if let Some(sdp) = sdp {
            reply = reply.body("application/sdp", sdp);
        }
        self.answer_at_once(now, hop, &request, reply);
        self.start_wish(now, id);
        self.settle_call(id);
    }

    /// A request of the peer within a dialog of an INVITE of ours that has not been answered.
    pub(super) fn on_early_request(&mut self, now: Duration, hop: Hop, id: CallId, request: Arc<Message>) {
        let tag = request.to.tag().unwrap_or("").to_owned();
        let Some(call) = self.calls.get_mut(&id) else { return };
        if is_repeat(call.update_in.as_ref(), &request) {
            return;
        }
        // The peer's BYE may overtake its own 2xx. Unanswered it comes again, and then the 2xx will have been here.
        let Some(early) = call.early.iter_mut().find(|early| Some(early.tag.as_str()) == request.from.tag()) else {
            return;
        };
        match request.method() {
            Method::Update | Method::Info | Method::Options => {}
            _ => return,
        }
        if !early.dialog.admit_cseq(request.cseq.number) {
            return self.refuse(&request, hop, 500);
        }
        match request.method() {
            Method::Update => self.on_update(now, hop, id, request, tag),
            Method::Options => {
                let reply = self.capabilities(self.tagged_reply(&request, hop, 200, &tag));
                self.answer_at_once(now, hop, &request, reply);
            }
            _ => {
                let reply = self.tagged_reply(&request, hop, 200, &tag);
                self.answer_at_once(now, hop, &request, reply);
            }
        }
    }
}

/// The same UPDATE again, while its answer is awaited.
pub(super) fn is_repeat(waiting: Option<&UpdateIn>, request: &Message) -> bool {
    waiting.is_some_and(|update| {
        request.cseq.number == update.request.cseq.number && request.via.branch() == update.request.via.branch()
    })
}

impl Call {
    /// What the peer says of itself in a request or answer that begins or renews the session.
    pub(super) fn learn(&mut self, message: &Message) {
        if message.get(Name::Allow).is_some() {
            self.takes_update = message.list(Name::Allow).any(|m| m == Method::Update.text());
        }
    }
}

/// The key of the dialog whose INVITE of ours is not answered, for a request that came in it.
pub(super) fn calling_key(request: &Message) -> crate::dialog::DialogKey {
    let (call_id, local, _) = Dialog::key_of_request(request);
    (call_id, local, String::new())
}
