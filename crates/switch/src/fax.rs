//! Faxes by T.38: one of two legs that hear one another asks to send datagrams instead of sound, the other is asked the
//! same with the same parameters, and its answer is carried back.
//!
//! ```text
//! one: re-INVITE image ──► other: re-INVITE image ──► 200: 200 to the one, datagrams pass both ways
//!                                                 └─► refused: 488 to the one; sound goes on, the fax by G.711
//! either: re-INVITE audio ──► answered at once; the other is asked for sound again
//! ```
use domain::id::LegId;
use sip::CallId;
use sip::sdp::{Image, SessionDescription};

use crate::leg::{Asked, Leg, Party};
use crate::switch::Switch;
use crate::timers::Timer;

impl Switch {
    /// A peer wishes to send a fax.
    pub(crate) fn fax_offered(&mut self, leg: LegId, call: CallId, offer: SessionDescription, image: &Image) {
        // What others could read is no substitute for what was protected.
        let fits = |l: &Leg| {
            let is_plain = l.media.as_ref().is_some_and(|m| m.added && m.keys.is_none());
            l.is_up() && is_plain && l.web.is_none() && !matches!(l.party, Party::Browser(_))
        };
        let other = self.partner(leg).and_then(|other| self.legs.get(&other)).filter(|l| fits(l));
        let own = self.legs.get(&leg).filter(|l| fits(l));
        let (Some(own), Some(other)) = (own, other) else {
            return self.sip(sip::Command::RejectReinvite { call, status: 488 });
        };
        if own.is_fax() && other.is_fax() {
            // The session is refreshed, or its address is another.
            return self.agree_to_fax(leg, &offer, image);
        }
        if own.asked.is_some() || other.asked.is_some() || other.fax_wish.is_some() {
            return self.sip(sip::Command::RejectReinvite { call, status: 491 });
        }
        let other = other.id;
        if let Some(state) = self.legs.get_mut(&leg) {
            state.fax_wish = Some(Box::new(offer));
        }
        let Some(state) = self.legs.get_mut(&other) else { return };
        state.fax.clone_from(&image.attributes);
        let (call, local) = (state.call(), state.media.as_ref().and_then(|m| m.local));
        let (Some(call), Some(local), Some(session)) = (call, local, state.session_mut()) else { return };
        let sdp = Some(session.offer_fax(local, &image.attributes));
        state.asked = Some(Asked::Fax { by: leg });
        self.sip(sip::Command::Reinvite { call, sdp });
    }

    /// 200 to whoever wishes the fax, with the parameters of the other side.
    fn agree_to_fax(&mut self, leg: LegId, offer: &SessionDescription, image: &Image) {
        let Some(state) = self.legs.get_mut(&leg) else { return };
        let (call, local) = (state.call(), state.media.as_ref().and_then(|m| m.local));
        let fax = state.fax.clone();
        let (Some(call), Some(local), Some(session)) = (call, local, state.session_mut()) else { return };
        let sdp = session.answer_fax(local, offer, &fax);
        self.sip(sip::Command::AnswerReinvite { call, sdp });
        self.fax_begins(leg, image);
    }

    fn fax_begins(&mut self, leg: LegId, image: &Image) {
        let before = self.legs.get(&leg).and_then(|l| l.media.as_ref()?.remote);
        if let Some(before) = before {
            self.apply_session(leg, &before.faxing(image.remote));
        }
    }

    /// A leg's fax has begun or ended. Recordings say so; a fax may be quiet for long.
    pub(crate) fn fax_changes(&mut self, leg: LegId, is_fax: bool) {
        let silence = self.now + self.config.silence;
        let Some(state) = self.legs.get_mut(&leg) else { return };
        state.rtp_silent &= !is_fax;
        self.review_silence(leg);
        if is_fax {
            self.timers.set(Timer::Probe(leg), silence);
        }
        self.recordings_of_ready(leg);
    }

    /// The peer that was asked for a fax has answered; `None`: it refused.
    pub(crate) fn fax_answered(&mut self, leg: LegId, by: LegId, sdp: Option<&[u8]>) {
        let answer = sdp.and_then(|sdp| SessionDescription::parse(sdp).ok());
        let image = answer.as_ref().and_then(Image::of);
        let wisher = self.legs.get_mut(&by).filter(|l| !l.is_ending());
        let wish = wisher.and_then(|l| Some((l.fax_wish.take()?, l.call()?)));
        if let Some(image) = &image {
            self.fax_begins(leg, image);
        }
        match (wish, image) {
            (Some((offer, _)), Some(image)) => {
                if let Some(state) = self.legs.get_mut(&by) {
                    state.fax = image.attributes;
                }
                if let Some(wished) = Image::of(&offer) {
                    self.agree_to_fax(by, &offer, &wished);
                }
            }
            (Some((_, call)), None) => self.sip(sip::Command::RejectReinvite { call, status: 488 }),
            // Taken back meanwhile: `is_fax_alone`.
            (None, _) => {}
        }
        if answer.is_some() && self.legs.get(&leg).is_some_and(|l| !l.is_fax()) {
            // It agreed to something else than was asked.
            self.sound_again(leg);
        }
    }

    /// A leg ends while it is asked for a fax: whoever wishes to send it is told no.
    pub(crate) fn fax_given_up(&mut self, leg: LegId) {
        let Some(state) = self.legs.get_mut(&leg) else { return };
        if let Some(Asked::Fax { by }) = state.asked.take() {
            self.fax_answered(leg, by, None);
        }
    }

    /// The peer takes its wish back.
    pub(crate) fn on_reinvite_cancelled(&mut self, call: CallId) {
        if let Some(state) = self.living_by_call(call).and_then(|leg| self.legs.get_mut(&leg)) {
            state.fax_wish = None;
        }
    }

    /// Nobody takes what this fax sends.
    pub(crate) fn is_fax_alone(&self, leg: LegId) -> bool {
        let is_fax = |leg: LegId| self.legs.get(&leg).is_some_and(|l| l.is_up() && l.is_fax());
        let is_free = self.legs.get(&leg).is_some_and(|l| l.asked.is_none());
        is_free && is_fax(leg) && !self.partner(leg).is_some_and(is_fax)
    }

    pub(crate) fn sound_again(&mut self, leg: LegId) {
        let Some(state) = self.legs.get_mut(&leg).filter(|l| l.is_up()) else { return };
        let (call, local) = (state.call(), state.media.as_ref().and_then(|m| m.local));
        let (Some(call), Some(local), Some(session)) = (call, local, state.session_mut()) else { return };
        let sdp = Some(session.offer(local));
        state.asked = Some(Asked::Sound);
        self.sip(sip::Command::Reinvite { call, sdp });
    }
}
