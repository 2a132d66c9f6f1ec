//! Life of an established leg as SIP tells it: coming up, hold and other session changes, digits by INFO, is-anybody-there,
//! the end. Also where every event of the SIP endpoint is handed on.
use domain::id::{LegId, TenantId};
use domain::leg::{EndCause, EndedBy, LegEvent, RejectReason};
use sip::msg::Uri;
use sip::sdp::{Image, SessionDescription};
use sip::{CallId, Event, Replaced};

use crate::leg::{Leg, Party, Phase};
use crate::negotiate::Remote;
use crate::switch::Switch;
use crate::timers::Timer;

impl Switch {
    pub(crate) fn on_sip(&mut self, event: Event) {
        match event {
            Event::IncomingCall(incoming) => self.on_incoming_call(&incoming),
            Event::Invited { call, request } => self.on_invited(call, request),
            Event::Trying { call } => self.trunk_lives(call),
            Event::Progress { call, status, fork, sdp } => self.on_progress(call, status, fork, sdp.as_deref()),
            Event::Answered { call, message, sdp } => self.on_answered(call, &message, sdp.as_deref()),
            Event::Established { call, sdp } => self.on_established(call, sdp.as_deref()),
            Event::Reinvite { call, sdp } => self.on_reinvite(call, sdp.as_deref()),
            Event::ReinviteCancelled { call } => self.on_reinvite_cancelled(call),
            Event::ReinviteAcked { call, sdp } => self.on_session(call, sdp.as_deref()),
            Event::EarlyOffer { call, fork, sdp } => self.on_early_offer(call, fork, &sdp),
            Event::ReinviteDone { call, status, sdp } => self.on_reinvite_done(call, status, sdp.as_deref()),
            Event::Info { call, content_type, body } => self.on_info(call, &content_type, &body),
            Event::Refer { call, to, replaces } => self.on_refer(call, &to, replaces),
            Event::OptionsResult { call, status } => self.on_options_result(call, status),
            Event::PingResult { ping, reply } => self.on_ping_result(ping, reply),
            Event::RegisterResult { ping, reply, expires, retry_after } => {
                self.on_register_result(ping, reply, expires, retry_after);
            }
            Event::Ended { call, cause } => self.on_call_ended(call, &cause),
            Event::Registration { aor, change } => self.on_registration(&aor, change),
            // We ask nobody to be replaced.
            Event::ReferProgress { .. } => {}
            Event::Shunned { source, time } => {
                tracing::warn!(%source, minutes = time.as_secs() / 60, "too many wrong passwords: not answered for a while");
            }
        }
    }

    /// The leg is answered: timers of the calling phase end. Its sound starts with [`Switch::start_media`].
    pub(crate) fn leg_is_up(&mut self, leg: LegId) {
        let now = self.now;
        let Some(state) = self.legs.get_mut(&leg) else { return };
        state.phase = Phase::Up;
        state.answered_at = Some(now);
        self.timers.cancel(Timer::Ring(leg));
        self.timers.cancel(Timer::Trunk(leg));
        self.timers.cancel(Timer::Outside(leg));
    }

    fn on_established(&mut self, call: CallId, sdp: Option<&[u8]>) {
        let Some(leg) = self.living_by_call(call) else { return };
        let Some(state) = self.legs.get(&leg) else { return };
        // Our offer stood in the 200; the ACK brings the answer.
        if state.is_up() && state.web.is_none() && state.media_key().is_none() {
            match self.conclude(leg, sdp) {
                Some(remote) => self.start_media(leg, &remote),
                None => return self.end(leg, EndCause::MediaIncompatible, EndedBy::Peer),
            }
        }
        self.checkpoint(leg);
    }

    /// The peer's answer to our last offer.
    pub(crate) fn conclude(&mut self, leg: LegId, sdp: Option<&[u8]>) -> Option<Remote> {
        let state = self.legs.get_mut(&leg)?;
        let local = state.media.as_ref()?.local?;
        state.session_mut()?.conclude(local, sdp?).ok()
    }

    /// The peer wants to change the session, or wants our offer.
    fn on_reinvite(&mut self, call: CallId, sdp: Option<&[u8]>) {
        let leg = self.living_by_call(call);
        let state = leg.and_then(|leg| self.legs.get_mut(&leg)).filter(|l| l.is_up());
        let local = state.as_ref().and_then(|l| l.media.as_ref()).and_then(|m| m.local);
        let (Some(leg), Some(local)) = (leg, local) else {
            return self.sip(sip::Command::RejectReinvite { call, status: 500 });
        };
        if self.legs.get(&leg).is_some_and(|l| l.web.is_some()) {
            return self.change_web(leg, call, sdp);
        }
        let offer = sdp.and_then(|sdp| SessionDescription::parse(sdp).ok());
        if let Some((image, offer)) = offer.and_then(|offer| Some((Image::of(&offer)?, offer))) {
            return self.fax_offered(leg, call, offer, &image);
        }
        let Some(session) = self.legs.get_mut(&leg).and_then(Leg::session_mut) else { return };
        let answer = match sdp {
            Some(sdp) => {
                session.read_offer(sdp).and_then(|offer| session.answer(local, &offer)).map(|(a, r)| (a, Some(r)))
            }
            // RFC 6337 §5.2.5: an offer on request is the whole of what we can, sending and receiving.
            None => Ok((session.offer(local), None)),
        };
        // The session goes on as it was (RFC 3261 §14.2).
        let Ok((answer, remote)) = answer else {
            return self.sip(sip::Command::RejectReinvite { call, status: 488 });
        };
        self.sip(sip::Command::AnswerReinvite { call, sdp: answer });
        if let Some(remote) = remote {
            self.apply_session(leg, &remote);
            // A fax is over, or gives up: the other side follows at once.
            if let Some(other) = self.partner(leg).filter(|other| self.is_fax_alone(*other)) {
                self.sound_again(other);
            }
        }
    }

    fn on_session(&mut self, call: CallId, sdp: Option<&[u8]>) {
        // WebRTC's sessions are changed by the peer alone, in `change_web`.
        let by_rtp = |leg: &LegId| self.legs.get(leg).is_some_and(|l| l.web.is_none());
        let Some(leg) = self.living_by_call(call).filter(by_rtp) else { return };
        if let Some(remote) = self.conclude(leg, sdp) {
            self.apply_session(leg, &remote);
        }
    }

    pub(crate) fn apply_session(&mut self, leg: LegId, remote: &Remote) {
        let was_fax = self.legs.get(&leg).is_some_and(Leg::is_fax);
        self.update_media(leg, remote);
        if remote.image != was_fax {
            self.fax_changes(leg, remote.image);
        }
        let Some(state) = self.legs.get_mut(&leg) else { return };
        if state.peer_held != remote.held {
            state.peer_held = remote.held;
            self.tell(LegEvent::PeerHeld { leg, held: remote.held });
            if remote.held {
                self.review_silence(leg);
            }
            // A peer on hold may be quiet for hours: only by asking do we learn that it is gone. One who comes back gets
            // the time to speak up again before anybody worries.
            self.timers.set(Timer::Probe(leg), self.now + self.config.silence);
        }
        self.consider_aligning(leg);
        self.checkpoint(leg);
    }

    fn on_info(&mut self, call: CallId, content_type: &str, body: &[u8]) {
        let Some(leg) = self.living_by_call(call) else { return };
        if let Some((digit, _)) = sip::info_digit(content_type, body) {
            self.digit_by_signalling(leg, digit);
        }
    }

    /// The peer wants to be replaced, perhaps by another call of its own. One wish at a time; the floor knows whom we can
    /// reach by that name.
    fn on_refer(&mut self, call: CallId, to: &Uri, replaces: Option<Replaced>) {
        let leg = self.living_by_call(call);
        let state = leg.and_then(|leg| self.legs.get(&leg)).filter(|l| l.is_up() && !l.refers);
        let (Some(leg), Some(user), Some(state)) = (leg, to.user_decoded(), state) else {
            return self.sip(sip::Command::NotifyRefer { call, status: 603 });
        };
        let replaces = replaces.map(|named| self.leg_named(named, state.tenant));
        if let Some(None) = replaces {
            // The dialog it names is none of ours (RFC 5589 §7.3).
            return self.sip(sip::Command::NotifyRefer { call, status: 481 });
        }
        if let Some(state) = self.legs.get_mut(&leg) {
            state.refers = true;
        }
        self.sip(sip::Command::NotifyRefer { call, status: 100 });
        let to = user.chars().take(64).collect();
        self.tell(LegEvent::TransferAsked { leg, to, replaces: replaces.flatten() });
    }

    /// The leg of a call of this tenant that somebody names.
    pub(crate) fn leg_named(&self, named: Replaced, tenant: TenantId) -> Option<LegId> {
        let Replaced::Call { call, .. } = named else { return None };
        let leg = self.living_by_call(call)?;
        self.legs.get(&leg).filter(|l| l.tenant == tenant).map(|l| l.id)
    }

    pub(crate) fn refuse_transfer(&mut self, leg: LegId, why: RejectReason) {
        let Some(state) = self.legs.get_mut(&leg) else { return };
        let status = match why {
            RejectReason::Forbidden => 603,
            RejectReason::Busy => 486,
            RejectReason::NotFound => 404,
            RejectReason::Overload => 503,
            RejectReason::Unavailable => 480,
        };
        if std::mem::take(&mut state.refers)
            && let Some(call) = state.call()
        {
            self.sip(sip::Command::NotifyRefer { call, status });
        }
    }

    fn on_call_ended(&mut self, call: CallId, cause: &sip::EndCause) {
        let Some(leg) = self.living_by_call(call) else { return };
        let Some(state) = self.legs.get(&leg) else { return };
        let answered = state.answered_at.is_some();
        match &state.party {
            Party::Outgoing(sip) if sip.won != Some(call) => self.attempt_failed(leg, call, cause),
            _ => {
                let (cause, by) = match cause {
                    sip::EndCause::Remote { .. } => (EndCause::Hangup, EndedBy::Peer),
                    sip::EndCause::Cancelled { .. } => (EndCause::Cancelled, EndedBy::Peer),
                    sip::EndCause::TimedOut if !answered => (EndCause::NoAnswer, EndedBy::System),
                    sip::EndCause::TimedOut | sip::EndCause::Unreachable | sip::EndCause::Gone => {
                        (EndCause::SignallingLost, EndedBy::System)
                    }
                    sip::EndCause::Expired => (EndCause::SessionExpired, EndedBy::System),
                    sip::EndCause::Rejected { .. } => (EndCause::Rejected, EndedBy::Peer),
                    sip::EndCause::Refused => (EndCause::Limit, EndedBy::System),
                    sip::EndCause::Local => (EndCause::Hangup, EndedBy::Us),
                };
                self.let_go(leg, cause, by);
            }
        }
    }

    /// The plane hears nothing, or hears again, or hold began or ended: what follows for the leg.
    ///
    /// Browsers are left out: a listener without a microphone never sends, and a vanished one is reported by its peer
    /// connection.
    pub(crate) fn review_silence(&mut self, leg: LegId) {
        let now = self.now;
        let Some(state) = self.legs.get_mut(&leg) else { return };
        if matches!(state.party, Party::Browser(_)) || !state.is_up() {
            return;
        }
        let silent = state.rtp_silent && !state.peer_held;
        if silent == state.silence_told {
            return;
        }
        state.silence_told = silent;
        if silent {
            self.timers.set(Timer::Probe(leg), now + self.config.silence);
            self.timers.set(Timer::MediaLost(leg), now + self.config.media_lost);
        } else {
            self.timers.cancel(Timer::Probe(leg));
            self.timers.cancel(Timer::MediaLost(leg));
        }
        self.tell(LegEvent::MediaSilent { leg, silent });
    }

    /// RTP has been silent for long, or the peer holds us: ask whether anybody is there, and go on asking while it lasts.
    pub(crate) fn probe(&mut self, leg: LegId) {
        self.review_silence(leg);
        let quiet = |l: &&Leg| l.is_up() && (l.silence_told || l.peer_held || l.is_fax());
        let Some(call) = self.legs.get(&leg).filter(quiet).and_then(Leg::call) else { return };
        self.timers.set(Timer::Probe(leg), self.now + self.config.silence);
        self.sip(sip::Command::Options { call });
    }

    fn on_options_result(&mut self, call: CallId, status: u16) {
        let Some(leg) = self.living_by_call(call) else { return };
        // 408: nothing came; 481: the call is unknown there (RFC 3261 §12.2.1.2); 503: the network says that nobody is
        // there. Any other answer proves life, even "501 not implemented".
        if matches!(status, 408 | 481 | 503)
            && self.legs.get(&leg).is_some_and(|l| l.rtp_silent || l.peer_held || l.is_fax())
        {
            self.end(leg, EndCause::SignallingLost, EndedBy::System);
        }
    }
}
