//! How peer connections begin and change: offers and answers. See [`super`].
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Instant;

use str0m::change::{SdpAnswer, SdpOffer, SdpPendingOffer};
use str0m::media::{Direction, MediaKind, Mid};
use str0m::{Candidate, Rtc};
use switch::{PeerAudio, PeerEvent, PeerRef};

use super::rewrite::Rewrite;
use super::{PeerOut, Peers, Session, offer};
use crate::stats::Counters;

impl Peers {
    /// Answers an offer: of a new peer, or of one that wants a change.
    pub(crate) fn accept(
        &mut self,
        now: Instant,
        peer: PeerRef,
        offer_sdp: &str,
        codecs: &[media::Codec],
        out: &mut dyn FnMut(PeerOut),
    ) {
        if self.sessions.contains_key(&peer) {
            return self.change(now, peer, offer_sdp, out);
        }
        let made = self.guarded(|peers| peers.answering(now, peer, offer_sdp, codecs));
        self.begin(now, peer, made, |answer_sdp| PeerEvent::Accepted { peer, answer_sdp }, out);
    }

    /// Makes a peer connection that offers all of `codecs`.
    pub(crate) fn offer(&mut self, now: Instant, peer: PeerRef, codecs: &[media::Codec], out: &mut dyn FnMut(PeerOut)) {
        let made = self.guarded(|peers| peers.offering(now, peer, codecs));
        self.begin(now, peer, made, |offer_sdp| PeerEvent::Offered { peer, offer_sdp }, out);
    }

    fn guarded<T>(&self, make: impl FnOnce(&Self) -> Result<T, &'static str>) -> Result<T, &'static str> {
        if self.sessions.len() >= self.max {
            return Err("limit.devices");
        }
        catch_unwind(AssertUnwindSafe(|| make(self))).unwrap_or_else(|_| {
            Counters::add(&self.counters.panics, 1);
            Err("device.bad_sdp")
        })
    }

    fn begin(
        &mut self,
        now: Instant,
        peer: PeerRef,
        made: Result<(Session, String), &'static str>,
        told: impl FnOnce(String) -> PeerEvent,
        out: &mut dyn FnMut(PeerOut),
    ) {
        match made {
            Ok((session, sdp)) => {
                self.by_ufrag.insert(session.ufrag.clone(), peer);
                self.sessions.insert(peer, session);
                Counters::set(&self.counters.webrtc_sessions, self.sessions.len() as u64);
                out(PeerOut::Event(told(sdp)));
                self.drive(now, peer, out);
            }
            Err(code) => out(PeerOut::Event(PeerEvent::Failed { peer, code: code.to_owned() })),
        }
    }

    fn answering(
        &self,
        now: Instant,
        peer: PeerRef,
        offer_sdp: &str,
        codecs: &[media::Codec],
    ) -> Result<(Session, String), &'static str> {
        let wanted = offer::read(offer_sdp, codecs)?;
        let mut session = self.session(now, peer, wanted.audio(), |config| wanted.configure(config))?;
        let answer = accept_offer(peer, &mut session.rtc, offer_sdp)?;
        Ok((session, answer.to_sdp_string()))
    }

    fn offering(
        &self,
        now: Instant,
        peer: PeerRef,
        codecs: &[media::Codec],
    ) -> Result<(Session, String), &'static str> {
        let (all, first) = offer::all(codecs);
        let mut session = self.session(now, peer, first.audio(), |config| offer::configure_all(&all, config))?;
        let mut api = session.rtc.sdp_api();
        let mid = api.add_media(MediaKind::Audio, Direction::SendRecv, None, None, None);
        let (offer, pending) = api.apply().ok_or("system.error")?;
        session.pending = Some((mid, pending));
        Ok((session, offer.to_sdp_string()))
    }

    /// A session before anything was said.
    fn session(
        &self,
        now: Instant,
        peer: PeerRef,
        audio: PeerAudio,
        configure: impl FnOnce(&mut str0m::format::CodecConfig),
    ) -> Result<Session, &'static str> {
        let mut config = Rtc::builder()
            .set_crypto_provider(self.crypto.clone())
            .set_dtls_cert(self.certificate.clone())
            .set_ice_lite(true)
            .set_rtp_mode(true)
            .clear_codecs()
            // Only what binds packets to the line: no feedback traffic is wanted for audio on one path.
            .clear_extension_map()
            .set_extension(4, str0m::rtp::Extension::RtpMid);
        configure(config.codec_config());
        let mut rtc = config.build(now);
        let keys = self.listener.take().ok_or("system.error")?;
        for &candidate in &self.candidates {
            let candidate = Candidate::host(candidate, "udp").map_err(|_| "system.error")?;
            rtc.add_local_candidate(candidate);
        }
        let ufrag = rtc.direct_api().local_ice_credentials().ufrag.clone();
        Ok(Session {
            peer,
            rtc,
            ufrag,
            audio,
            addresses: Vec::new(),
            keys,
            srtp: None,
            ssrc: None,
            path: None,
            pending: None,
            ready: false,
            since: now,
            heard: now,
            spoke: None,
            deadline: now,
            over: false,
            out: Rewrite::new(audio.codec.codec.units()),
        })
    }

    /// The answer to an offer of ours.
    pub(crate) fn conclude(&mut self, now: Instant, peer: PeerRef, answer_sdp: &str, out: &mut dyn FnMut(PeerOut)) {
        let Some(session) = self.sessions.get_mut(&peer) else { return };
        let Some((mid, pending)) = session.pending.take() else { return };
        session.since = now;
        match catch_unwind(AssertUnwindSafe(|| answered(session, mid, pending, answer_sdp))) {
            Ok(Ok(())) => self.drive(now, peer, out),
            Ok(Err(code)) => self.end(peer, code, out),
            Err(_) => self.fail(peer, out),
        }
    }

    /// A peer that is there wants a change: hold, or other paths with other credentials.
    fn change(&mut self, now: Instant, peer: PeerRef, offer_sdp: &str, out: &mut dyn FnMut(PeerOut)) {
        let Some(session) = self.sessions.get_mut(&peer) else { return };
        let changed = catch_unwind(AssertUnwindSafe(|| {
            offer::read(offer_sdp, &[])?;
            let answer = accept_offer(peer, &mut session.rtc, offer_sdp)?;
            let ufrag = session.rtc.direct_api().local_ice_credentials().ufrag.clone();
            Ok::<_, &'static str>((answer.to_sdp_string(), ufrag))
        }));
        match changed {
            Ok(Ok((answer_sdp, ufrag))) => {
                if session.ufrag != ufrag {
                    let former = std::mem::replace(&mut session.ufrag, ufrag.clone());
                    self.by_ufrag.remove(&former);
                    self.by_ufrag.insert(ufrag, peer);
                }
                out(PeerOut::Event(PeerEvent::Accepted { peer, answer_sdp }));
                self.drive(now, peer, out);
            }
            Ok(Err(_)) => out(PeerOut::Event(PeerEvent::Declined { peer })),
            Err(_) => self.fail(peer, out),
        }
    }
}

fn accept_offer(peer: PeerRef, rtc: &mut Rtc, offer_sdp: &str) -> Result<SdpAnswer, &'static str> {
    let offer = SdpOffer::from_sdp_string(offer_sdp).map_err(|_| "device.bad_sdp")?;
    rtc.sdp_api().accept_offer(offer).map_err(|e| {
        tracing::debug!(?peer, error = %e, "a browser's offer was refused");
        "device.bad_sdp"
    })
}

fn answered(session: &mut Session, mid: Mid, pending: SdpPendingOffer, answer_sdp: &str) -> Result<(), &'static str> {
    let wanted = offer::read_answer(answer_sdp)?;
    let answer = SdpAnswer::from_sdp_string(answer_sdp).map_err(|_| "device.bad_sdp")?;
    session.rtc.sdp_api().accept_answer(pending, answer).map_err(|e| {
        tracing::debug!(peer = ?session.peer, error = %e, "a browser's answer was refused");
        "device.bad_sdp"
    })?;
    // Of lines that we began str0m does not tell.
    session.ssrc = session.rtc.direct_api().stream_tx_by_mid(mid, None).map(|stream| *stream.ssrc());
    session.audio = wanted.audio();
    session.out = Rewrite::new(session.audio.codec.codec.units());
    Ok(())
}
