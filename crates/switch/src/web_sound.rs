//! SIP calls whose sound goes by WebRTC (RFC 7118, RFC 8827): phones in browsers, such as JsSIP and SIP.js make. SIP carries
//! offer and answer, telephony's peer connection makes and reads them; each call has one of its own.
//!
//! ```text
//! they call:  INVITE, offer → (the floor answers) Accept → Accepted → carrier open → 200, answer → Ready: sound
//! we call:    Offer → Offered → INVITE, offer → 200, answer → Conclude → Ready: sound
//! ```
//!
//! A phone on a WebSocket is offered WebRTC first; one that declines it (488) is called again without.
use domain::id::LegId;
use domain::leg::{EndCause, EndedBy};
use media::{Direction, RtcpMode};
use sip::CallId;
use sip::sdp::SessionDescription;

use crate::io::{Output, PeerAudio, PeerCommand, PeerEvent, PeerRef, Transport};
use crate::leg::{Leg, Offer, Party, Phase, Target, WebSound};
use crate::negotiate::Remote;
use crate::switch::Switch;
use crate::timers::Timer;

/// Whether a description asks for WebRTC: DTLS-SRTP with ICE (RFC 8829 §5.1.2).
pub(crate) fn is_web(description: &SessionDescription) -> bool {
    let secure = |protocol: &str| protocol.starts_with("UDP/TLS/RTP/SAVP");
    description.media.iter().any(|media| media.kind == "audio" && secure(&media.protocol))
}

impl Switch {
    fn new_peer(&mut self, leg: LegId) -> PeerRef {
        let peer = PeerRef::Call { number: self.next_number() };
        self.by_peer.insert(peer, leg);
        peer
    }

    pub(crate) fn close_peer(&mut self, peer: PeerRef) {
        if self.by_peer.remove(&peer).is_some() {
            self.emit(Output::Peer(PeerCommand::Close { peer }));
        }
    }

    /// Answers the offer of a caller: the peer connection first, the 200 when it stands.
    pub(crate) fn accept_web(&mut self, leg: LegId, offer_sdp: String) {
        let peer = self.new_peer(leg);
        let deadline = self.now + self.config.outside;
        let Some(state) = self.legs.get_mut(&leg) else { return };
        state.phase = Phase::Opening;
        state.web = Some(WebSound { peer, answer: None, change: None });
        let codecs = state.session().map(|session| session.wished()).unwrap_or_default();
        self.timers.set(Timer::Outside(leg), deadline);
        self.emit(Output::Peer(PeerCommand::Accept { peer, offer_sdp, codecs }));
    }

    /// A phone in a browser is to be called: its peer connection makes the offer.
    pub(crate) fn offer_web(&mut self, leg: LegId, target: Target) {
        let peer = self.new_peer(leg);
        let Some(Party::Outgoing(sip)) = self.legs.get_mut(&leg).map(|l| &mut l.party) else { return };
        let codecs = sip.session.offered();
        sip.waiting.push((peer, target));
        self.emit(Output::Peer(PeerCommand::Offer { peer, codecs }));
    }

    /// The call was answered by a phone in a browser. Its sound starts when it is [`PeerEvent::Ready`].
    pub(crate) fn conclude_web(&mut self, leg: LegId, peer: PeerRef, sdp: Option<&[u8]>) {
        let Some(answer_sdp) = sdp.and_then(|sdp| String::from_utf8(sdp.to_vec()).ok()) else {
            return self.end(leg, EndCause::MediaIncompatible, EndedBy::Peer);
        };
        self.leg_is_up(leg);
        let Some(state) = self.legs.get_mut(&leg) else { return };
        state.web = Some(WebSound { peer, answer: None, change: None });
        let Some(media) = state.media.as_ref().map(|m| m.key) else { return };
        self.emit(Output::Peer(PeerCommand::Conclude { peer, answer_sdp }));
        self.emit(Output::MoveMedia { media, transport: Transport::Peer(peer) });
        self.checkpoint(leg);
    }

    /// The peer wants to change its session: hold, or other paths after a change of network.
    pub(crate) fn change_web(&mut self, leg: LegId, call: CallId, sdp: Option<&[u8]>) {
        let Some(web) = self.legs.get_mut(&leg).and_then(|l| l.web.as_mut()) else { return };
        // One at a time (RFC 3261 §14.2).
        if web.change.is_some() {
            return self.sip(sip::Command::RejectReinvite { call, status: 491 });
        }
        let offer = sdp.and_then(|sdp| Some((SessionDescription::parse(sdp).ok()?, std::str::from_utf8(sdp).ok()?)));
        let Some((parsed, offer_sdp)) = offer.filter(|(parsed, _)| is_web(parsed)) else {
            return self.sip(sip::Command::RejectReinvite { call, status: 488 });
        };
        // Addresses of all zeros stand there by rule, and mean nothing (RFC 8829 §5.2.1).
        let direction = parsed.media.first().map(|media| parsed.direction_of(media)).unwrap_or_default();
        web.change = Some((call, direction));
        let (peer, offer_sdp) = (web.peer, offer_sdp.to_owned());
        self.emit(Output::Peer(PeerCommand::Accept { peer, offer_sdp, codecs: Vec::new() }));
    }

    /// News of the peer connection of a call.
    pub(crate) fn on_call_peer(&mut self, event: PeerEvent) {
        let peer = event.peer();
        let Some(&leg) = self.by_peer.get(&peer) else { return };
        match event {
            PeerEvent::Accepted { answer_sdp, .. } => self.web_accepted(leg, peer, answer_sdp),
            PeerEvent::Declined { .. } => {
                let web = self.legs.get_mut(&leg).and_then(|l| l.web.as_mut());
                if let Some((call, _)) = web.and_then(|web| web.change.take()) {
                    self.sip(sip::Command::RejectReinvite { call, status: 488 });
                }
            }
            PeerEvent::Offered { offer_sdp, .. } => self.web_offered(leg, peer, Some(offer_sdp)),
            PeerEvent::Ready { audio, .. } => self.web_ready(leg, audio),
            PeerEvent::Failed { code, .. } => {
                tracing::info!(%leg, code, "WebRTC of a SIP call failed");
                self.by_peer.remove(&peer);
                self.web_gone(leg, peer);
            }
            PeerEvent::Closed { .. } => {
                self.by_peer.remove(&peer);
                self.web_gone(leg, peer);
            }
        }
    }

    fn web_accepted(&mut self, leg: LegId, peer: PeerRef, answer_sdp: String) {
        let Some(state) = self.legs.get_mut(&leg) else { return };
        let (is_up, is_opening) = (state.is_up(), matches!(state.phase, Phase::Opening));
        let Some(web) = state.web.as_mut() else { return };
        if let Some((call, direction)) = web.change.take() {
            self.sip(sip::Command::AnswerReinvite { call, sdp: answer_sdp.into_bytes() });
            let remote = self.legs.get(&leg).and_then(|l| l.media.as_ref()?.remote);
            if let Some(remote) = remote {
                let ours = direction.reversed();
                let direction_of_sound = Direction { send: ours.sends(), receive: ours.receives() };
                let remote = Remote { direction: direction_of_sound, held: !direction.receives(), ..remote };
                self.apply_session(leg, &remote);
            }
        } else if !is_up && is_opening {
            web.answer = Some(answer_sdp);
            self.open_media(leg, Transport::Peer(peer));
        }
    }

    /// `None`: no peer connection is to be had, and the phone is called without.
    fn web_offered(&mut self, leg: LegId, peer: PeerRef, offer_sdp: Option<String>) {
        let Some(Party::Outgoing(sip)) = self.legs.get_mut(&leg).map(|l| &mut l.party) else { return };
        let Some(at) = sip.waiting.iter().position(|(waiting, _)| *waiting == peer) else { return };
        let (_, target) = sip.waiting.remove(at);
        self.invite(leg, target, offer_sdp.map(|sdp| (peer, sdp.into_bytes())));
    }

    fn web_ready(&mut self, leg: LegId, audio: PeerAudio) {
        let is_new = |l: &&Leg| l.is_up() && l.media_key().is_none();
        if self.legs.get(&leg).filter(is_new).is_none() {
            return;
        }
        let remote = Remote {
            address: None,
            codec: audio.codec,
            dtmf: audio.dtmf,
            direction: Direction::BOTH,
            rtcp: RtcpMode::Mux,
            held: false,
            keys: None,
            image: false,
        };
        self.start_media(leg, &remote);
    }

    /// A peer connection is no more. Of a call in progress that is silence: mostly a goodbye follows.
    fn web_gone(&mut self, leg: LegId, peer: PeerRef) {
        let Some(state) = self.legs.get_mut(&leg) else { return };
        let is_ours = state.web.as_ref().is_some_and(|web| web.peer == peer);
        if is_ours && state.media_key().is_some() {
            state.rtp_silent = true;
            self.review_silence(leg);
        } else if is_ours {
            let cause = if state.is_up() { EndCause::MediaLost } else { EndCause::MediaIncompatible };
            self.end(leg, cause, EndedBy::System);
        } else {
            self.web_offered(leg, peer, None);
        }
    }

    /// Closes all peer connections of a leg that ends.
    pub(crate) fn close_peers(&mut self, leg: LegId) {
        let Some(state) = self.legs.get_mut(&leg) else { return };
        let own = state.web.take().map(|web| web.peer);
        let others = match &mut state.party {
            Party::Outgoing(sip) => {
                let waiting = sip.waiting.drain(..).map(|(peer, _)| peer);
                waiting.chain(sip.calls.iter().filter_map(|attempt| attempt.peer)).collect()
            }
            Party::Incoming(_) | Party::Browser(_) => Vec::new(),
        };
        for peer in own.into_iter().chain(others) {
            self.close_peer(peer);
        }
    }
}

/// The offer of an INVITE that wants WebRTC, as it came; `None` for any other.
pub(crate) fn web_offer(sdp: &[u8]) -> Option<Offer> {
    let wants = SessionDescription::parse(sdp).is_ok_and(|parsed| is_web(&parsed));
    wants.then(|| std::str::from_utf8(sdp).ok().map(|text| Offer::Web(text.to_owned()))).flatten()
}
