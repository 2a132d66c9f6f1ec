//! Session descriptions of one SIP leg: our offers and answers, what the peer agreed to. Built on `sip::sdp`.
//!
//! Which codec is taken follows from [`Terms`]: the order of the trunk's or phone's own policy where it has one; else what
//! spares transcoding. Sound is decoded and encoded only where two sides have nothing in common.
use std::net::SocketAddr;
use std::time::Duration;

use domain::config::Srtp;
use media::{CodecParams, DtmfParams, RtcpMode};
use serde::{Deserialize, Serialize};
use sip::sdp::{
    Agreement, Capabilities, Codec, Direction, Key, Keys, NegotiateError, Protect, SdpError, SessionDescription,
};

/// Our order where nothing else says one: what nearly everybody speaks first; A-law before µ-law, as most of the world
/// outside North America and Japan does.
const USUAL: [Codec; 4] = [Codec::Pcma, Codec::Pcmu, Codec::G722, Codec::Opus];

/// What the trunk or phone at the other end wants, and what fits those it will talk to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Terms {
    pub(crate) srtp: Srtp,
    /// Nothing else is spoken, and these in this order; empty for all.
    pub(crate) codecs: Vec<domain::leg::Codec>,
    /// What the company's browsers speak, the best first; taken first where `codecs` says nothing.
    pub(crate) browsers: Vec<domain::leg::Codec>,
    /// What the leg speaks that this one is for.
    pub(crate) beside: Option<CodecParams>,
}

impl Terms {
    pub(crate) fn new(srtp: Srtp, codecs: &[domain::leg::Codec]) -> Self {
        Self { srtp, codecs: codecs.to_vec(), ..Self::default() }
    }

    /// In the order in which we offer them. `current`: what the leg speaks already.
    fn offered(&self, current: Option<Codec>) -> Vec<Codec> {
        let mut codecs = match &self.codecs[..] {
            [] => in_order(self.browsers.iter().map(|codec| sdp_codec(*codec)).chain(USUAL)),
            own => in_order(own.iter().map(|codec| sdp_codec(*codec))),
        };
        let beside = self.beside.map(|beside| sdp_codec(floor_codec(beside.codec)));
        // A stable sort: what is there already comes first, then what the other leg speaks.
        codecs.sort_by_key(|codec| (Some(*codec) != current, Some(*codec) != beside));
        codecs
    }

    /// In the order in which an offer is answered.
    fn answered(&self, offer: &SessionDescription, current: Option<Codec>) -> Vec<Codec> {
        let mut codecs = self.offered(current);
        if self.codecs.is_empty() {
            // The caller's wish counts within what costs us the same: the two laws, and what is never preferred.
            let theirs = voices_of(offer);
            let wish = |codec: &Codec| theirs.iter().position(|their| their == codec);
            let is_law = |codec: &Codec| matches!(codec, Codec::Pcma | Codec::Pcmu);
            let preferred = self.browsers.iter().map(|codec| sdp_codec(*codec)).collect::<Vec<_>>();
            codecs.sort_by_key(|codec| {
                let place = preferred.iter().position(|p| p == codec).unwrap_or(preferred.len());
                (Some(*codec) != current, place, !is_law(codec), wish(codec).unwrap_or(theirs.len()))
            });
        }
        codecs
    }
}

/// The codecs of a description's living sections.
fn voices_of(description: &SessionDescription) -> Vec<Codec> {
    let living = description.media.iter().filter(|media| media.kind == "audio" && media.port != 0);
    in_order(living.flat_map(|m| &m.formats).filter_map(|f| f.codec).filter(|codec| codec.is_voice()))
}

/// Each once.
fn in_order(codecs: impl Iterator<Item = Codec>) -> Vec<Codec> {
    let mut seen = Vec::new();
    for codec in codecs {
        if !seen.contains(&codec) {
            seen.push(codec);
        }
    }
    seen
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum SessionError {
    #[error(transparent)]
    Sdp(#[from] SdpError),
    #[error(transparent)]
    Negotiate(#[from] NegotiateError),
    #[error("the codec cannot be decoded here")]
    Codec,
}

/// What the peer agreed to, in the words of `media`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Remote {
    /// `None`: to be learnt from its packets.
    pub(crate) address: Option<SocketAddr>,
    pub(crate) codec: CodecParams,
    pub(crate) dtmf: Option<DtmfParams>,
    pub(crate) direction: media::Direction,
    pub(crate) rtcp: RtcpMode,
    /// The peer does not want to hear us.
    pub(crate) held: bool,
    /// `None`: plain RTP.
    pub(crate) keys: Option<Keys>,
    /// A fax by datagrams (T.38) for the time being; the sound's part is what it was before.
    #[serde(default)]
    pub(crate) image: bool,
}

impl Remote {
    /// The session that this one becomes while a fax is sent.
    pub(crate) fn faxing(self, address: Option<SocketAddr>) -> Self {
        Self { address, image: true, held: false, direction: media::Direction::BOTH, ..self }
    }

    fn new(agreement: &Agreement) -> Result<Self, SessionError> {
        let codec = voice(agreement.codec).ok_or(SessionError::Codec)?;
        let (payload_type, clock) = (agreement.payload, agreement.digits_hz);
        Ok(Self {
            address: agreement.remote,
            codec: CodecParams { codec, payload_type, comfort_noise: agreement.comfort_noise },
            dtmf: agreement.digits.map(|(payload_type, _)| DtmfParams { payload_type, clock }),
            direction: media::Direction { send: agreement.direction.sends(), receive: agreement.direction.receives() },
            rtcp: if agreement.has_rtcp_mux { RtcpMode::Mux } else { RtcpMode::NextPort },
            held: agreement.is_held_by_peer,
            keys: agreement.keys,
            image: false,
        })
    }

    /// The media leg of such a session.
    pub(crate) fn leg(&self, leg: media::LegKey, seed: u64) -> media::AddLeg {
        media::AddLeg {
            leg,
            // The first valid packet decides: phones behind NAT write addresses that nobody can reach.
            transport: media::Transport::Rtp { remote: self.address, lock: media::LockPolicy::Any, rtcp: self.rtcp },
            codec: self.codec,
            dtmf: self.dtmf,
            direction: self.direction,
            seed,
            resume: None,
        }
    }
}

/// What lasts as long as the leg: the `o=` line's numbers, our keys, and whether sound is protected.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Session {
    id: u64,
    version: u64,
    terms: Terms,
    /// Agreed on last.
    current: Option<Codec>,
    /// What the peer's descriptions say that it speaks, and what it was asked for in vain.
    #[serde(default)]
    theirs: Vec<Codec>,
    #[serde(default)]
    declined: Vec<Codec>,
    /// The peer has shown a section for a fax beside that for sound: there have to be as many from then on (RFC 3264 §8).
    #[serde(default)]
    two_sections: bool,
    keys: Vec<Key>,
    /// Keys may be named in offers of ours: nobody but the peer reads them, or the peer names its own as freely.
    is_private: bool,
}

impl Session {
    /// `random` makes the session id; RFC 8866 §5.2 wants it unlikely to be met again. `keys` serve no other leg.
    pub(crate) fn new(random: u64, terms: Terms, keys: Vec<Key>, is_private: bool) -> Self {
        // Some phones read the number into a signed 32-bit integer.
        let id = random & 0x7fff_ffff;
        let (theirs, declined) = (Vec::new(), Vec::new());
        Self { id, version: 0, terms, current: None, theirs, declined, two_sections: false, keys, is_private }
    }

    /// The way of signalling is another from now on.
    pub(crate) fn set_private(&mut self, is_private: bool) {
        self.is_private = is_private;
    }

    fn capabilities(&self, local: SocketAddr, codecs: Vec<Codec>, protect: Protect) -> Capabilities {
        Capabilities {
            codecs,
            comfort_noise: false,
            local,
            direction: Direction::SendRecv,
            ptime: Duration::from_millis(20),
            protect,
            keys: if protect == Protect::Never { Vec::new() } else { self.keys.clone() },
            session_id: self.id,
            version: self.version,
        }
    }

    fn offers(&self, local: SocketAddr) -> Capabilities {
        let protect = match self.terms.srtp {
            Srtp::Offered if self.is_private => Protect::IfPossible,
            Srtp::Off | Srtp::Offered => Protect::Never,
            Srtp::Required => Protect::Always,
        };
        // By itself it would talk phones into leaving sound out; who is asked to hear such a phone must know of it.
        let comfort_noise = self.terms.beside.is_some_and(|beside| beside.comfort_noise);
        Capabilities { comfort_noise, ..self.capabilities(local, self.terms.offered(self.current), protect) }
    }

    fn answers(&self, local: SocketAddr, offer: &SessionDescription) -> Capabilities {
        let protect = match self.terms.srtp {
            Srtp::Off => Protect::Never,
            Srtp::Offered => Protect::IfPossible,
            Srtp::Required => Protect::Always,
        };
        let codecs = self.terms.answered(offer, self.current);
        Capabilities { comfort_noise: true, ..self.capabilities(local, codecs, protect) }
    }

    /// Everything we can, for an INVITE or where the peer asks us for an offer.
    pub(crate) fn offer(&mut self, local: SocketAddr) -> Vec<u8> {
        self.version += 1;
        self.sound(&self.offers(local))
    }

    fn sound(&self, caps: &Capabilities) -> Vec<u8> {
        let mut offer = sip::sdp::offer(caps);
        offer.media.extend(self.two_sections.then(sip::sdp::no_image));
        offer.to_bytes()
    }

    /// Asks for a fax with these parameters instead of sound.
    pub(crate) fn offer_fax(&mut self, local: SocketAddr, parameters: &[String]) -> Vec<u8> {
        self.version += 1;
        sip::sdp::offer_image(&self.offers(local), parameters, self.two_sections).to_bytes()
    }

    /// Agrees to a fax, with the parameters of whom it goes to.
    pub(crate) fn answer_fax(
        &mut self,
        local: SocketAddr,
        offer: &SessionDescription,
        parameters: &[String],
    ) -> Vec<u8> {
        self.version += 1;
        self.two_sections |= offer.media.len() > 1;
        sip::sdp::answer_image(offer, &self.offers(local), parameters).to_bytes()
    }

    /// Asks for this codec and no other, beside a leg that speaks it.
    pub(crate) fn offer_of(&mut self, local: SocketAddr, beside: CodecParams) -> Vec<u8> {
        self.version += 1;
        self.terms.beside = Some(beside);
        let codecs = vec![sdp_codec(floor_codec(beside.codec))];
        self.sound(&Capabilities { codecs, ..self.offers(local) })
    }

    /// Whether it is worth asking the peer for it: it has shown it, our list allows it, and it has not refused before.
    pub(crate) fn could_speak(&self, codec: media::Codec) -> bool {
        let codec = sdp_codec(floor_codec(codec));
        self.theirs.contains(&codec) && !self.declined.contains(&codec) && self.terms.offered(None).contains(&codec)
    }

    /// The peer was asked for it and speaks it not.
    pub(crate) fn declined(&mut self, codec: media::Codec) {
        self.declined.push(sdp_codec(floor_codec(codec)));
    }

    /// Reads an offer and makes sure that we could answer it.
    pub(crate) fn read_offer(&self, sdp: &[u8]) -> Result<SessionDescription, SessionError> {
        let offer = SessionDescription::parse(sdp)?;
        let (_, agreement) = sip::sdp::negotiate(&offer, &self.answers(SocketAddr::from(([127, 0, 0, 1], 9)), &offer))?;
        Remote::new(&agreement)?;
        Ok(offer)
    }

    /// The answer to the peer's offer, and what it amounts to.
    pub(crate) fn answer(
        &mut self,
        local: SocketAddr,
        offer: &SessionDescription,
    ) -> Result<(Vec<u8>, Remote), SessionError> {
        self.version += 1;
        let (answer, agreement) = sip::sdp::negotiate(offer, &self.answers(local, offer))?;
        // Whom the peer has trusted with its keys, we trust with ours: an offer on request must not end the protection.
        self.is_private |= agreement.keys.is_some();
        self.current = Some(agreement.codec);
        self.theirs = voices_of(offer);
        Ok((answer.to_bytes(), Remote::new(&agreement)?))
    }

    /// What the peer's answer to our last offer amounts to.
    pub(crate) fn conclude(&mut self, local: SocketAddr, answer: &[u8]) -> Result<Remote, SessionError> {
        let answer = SessionDescription::parse(answer)?;
        let remote = Remote::new(&sip::sdp::conclude(&answer, &self.offers(local))?)?;
        // An answer says what it would speak of what was offered, an offer all that it speaks.
        self.theirs = in_order(self.theirs.iter().copied().chain(voices_of(&answer)));
        Ok(remote)
    }

    /// Protection is wished for and not a condition.
    pub(crate) fn wishes_keys(&self) -> bool {
        self.terms.srtp == Srtp::Offered
    }

    /// What an offer by WebRTC lists, the best first.
    pub(crate) fn offered(&self) -> Vec<media::Codec> {
        self.terms.offered(self.current).into_iter().filter_map(voice).collect()
    }

    /// What is taken of such an offer before others, the best first.
    pub(crate) fn wished(&self) -> Vec<media::Codec> {
        let wished = if self.terms.codecs.is_empty() { &self.terms.browsers } else { &self.terms.codecs };
        wished.iter().map(|codec| media_codec(*codec)).collect()
    }

    /// Which codec is spoken from now on; what is agreed on later begins with it.
    pub(crate) fn speaks(&mut self, codec: media::Codec) {
        self.current = Some(sdp_codec(floor_codec(codec)));
    }
}

/// A codec of SDP that carries a voice, in the words of `media`.
fn voice(codec: Codec) -> Option<media::Codec> {
    match codec {
        Codec::Pcmu => Some(media::Codec::Pcmu),
        Codec::Pcma => Some(media::Codec::Pcma),
        Codec::G722 => Some(media::Codec::G722),
        Codec::Opus => Some(media::Codec::Opus),
        Codec::TelephoneEvent | Codec::TelephoneEvent48 | Codec::ComfortNoise => None,
    }
}

/// The codec in the floor's words.
pub(crate) fn floor_codec(codec: media::Codec) -> domain::leg::Codec {
    match codec {
        media::Codec::Pcmu => domain::leg::Codec::Pcmu,
        media::Codec::Pcma => domain::leg::Codec::Pcma,
        media::Codec::G722 => domain::leg::Codec::G722,
        media::Codec::Opus => domain::leg::Codec::Opus,
    }
}

/// A codec of the floor in the words of SDP.
fn sdp_codec(codec: domain::leg::Codec) -> Codec {
    match codec {
        domain::leg::Codec::Pcmu => Codec::Pcmu,
        domain::leg::Codec::Pcma => Codec::Pcma,
        domain::leg::Codec::G722 => Codec::G722,
        domain::leg::Codec::Opus => Codec::Opus,
    }
}

/// A codec of the floor in the words of `media`.
pub(crate) fn media_codec(codec: domain::leg::Codec) -> media::Codec {
    match codec {
        domain::leg::Codec::Pcmu => media::Codec::Pcmu,
        domain::leg::Codec::Pcma => media::Codec::Pcma,
        domain::leg::Codec::G722 => media::Codec::G722,
        domain::leg::Codec::Opus => media::Codec::Opus,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOCAL: ([u8; 4], u16) = ([192, 0, 2, 1], 10_000);

    fn offer(formats: &str, extra: &str) -> String {
        format!(
            "v=0\r\no=- 1 1 IN IP4 192.0.2.9\r\ns=-\r\nc=IN IP4 192.0.2.9\r\nt=0 0\r\n\
             m=audio 4000 RTP/AVP {formats}\r\na=rtpmap:96 telephone-event/8000\r\n{extra}"
        )
    }

    fn session(srtp: Srtp, is_private: bool) -> Session {
        Session::new(7, Terms::new(srtp, &[]), Key::all(&[3; 32], 7), is_private)
    }

    fn answer(sdp: &str) -> Result<(String, Remote), SessionError> {
        answer_by(&mut session(Srtp::Off, false), sdp)
    }

    fn answer_by(session: &mut Session, sdp: &str) -> Result<(String, Remote), SessionError> {
        let offer = session.read_offer(sdp.as_bytes())?;
        let (bytes, remote) = session.answer(LOCAL.into(), &offer)?;
        Ok((String::from_utf8(bytes).unwrap(), remote))
    }

    /// What both sides agree on when `caller` offers to `callee`: whether it is protected, `None` for no call.
    fn meet(caller: (Srtp, bool), callee: Srtp) -> Option<bool> {
        let (mut caller, mut callee) = (session(caller.0, caller.1), session(callee, false));
        callee.keys = Key::all(&[4; 32], 8);
        let offer = String::from_utf8(caller.offer(LOCAL.into())).unwrap();
        let (reply, theirs) = answer_by(&mut callee, &offer).ok()?;
        let ours = caller.conclude(LOCAL.into(), reply.as_bytes()).unwrap();
        let crossed = |a: &Remote, b: &Remote| a.keys.map(|k| k.ours) == b.keys.map(|k| k.theirs);
        assert!(crossed(&ours, &theirs) && crossed(&theirs, &ours), "each has the other's key");
        // What is asked for later does not end it.
        assert_eq!(String::from_utf8(callee.offer(LOCAL.into())).unwrap().contains("a=crypto:"), theirs.keys.is_some());
        Some(ours.keys.is_some())
    }

    #[test]
    fn policies_meet() {
        use Srtp::{Off, Offered, Required};
        for (caller, callee, is_protected) in [
            ((Off, true), Off, Some(false)),
            ((Off, true), Offered, Some(false)),
            ((Off, true), Required, None),
            // Keys are named by a way that others may read only where that is wished.
            ((Offered, false), Offered, Some(false)),
            ((Offered, false), Required, None),
            ((Offered, true), Off, Some(false)),
            ((Offered, true), Offered, Some(true)),
            ((Offered, true), Required, Some(true)),
            ((Required, false), Off, None),
            ((Required, false), Offered, Some(true)),
            ((Required, true), Required, Some(true)),
        ] {
            assert_eq!(meet(caller, callee), is_protected, "{caller:?} calls {callee:?}");
        }
    }

    #[test]
    fn of_two_sections_the_protected_one_is_taken_and_keys_we_cannot_use_are_passed_over() {
        let both = offer("8", "")
            + "m=audio 4002 RTP/SAVP 8\r\na=crypto:1 F8_128_HMAC_SHA1_80 inline:AAAA\r\n\
            a=crypto:4 AES_CM_128_HMAC_SHA1_32 inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz|2^20\r\n";
        let (sdp, remote) = answer_by(&mut session(Srtp::Offered, false), &both).unwrap();
        assert!(sdp.contains("m=audio 0 RTP/AVP 8\r\n") && sdp.contains("m=audio 10000 RTP/SAVP 8\r\n"), "{sdp}");
        assert!(sdp.contains("a=crypto:4 AES_CM_128_HMAC_SHA1_32 inline:"), "{sdp}");
        assert_eq!(remote.address.map(|a| a.port()), Some(4002));
        let (sdp, remote) = answer_by(&mut session(Srtp::Off, true), &both).unwrap();
        assert!(sdp.contains("m=audio 10000 RTP/AVP 8\r\n") && remote.keys.is_none(), "{sdp}");
        let unusable = both.replace("AES_CM_128_HMAC_SHA1_32", "AES_256_CM_HMAC_SHA1_80");
        assert!(answer_by(&mut session(Srtp::Required, true), &unusable).is_err());
    }

    #[test]
    fn an_answer_must_fit_one_of_the_keys_offered() {
        let mut us = session(Srtp::Offered, true);
        let ours = String::from_utf8(us.offer(LOCAL.into())).unwrap();
        assert!(
            ours.contains("m=audio 10000 RTP/AVP ") && ours.contains("a=crypto:4 AES_CM_128_HMAC_SHA1_32 "),
            "{ours}"
        );
        let key = "inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz";
        for (crypto, is_protected) in [
            ("", Some(false)),
            ("a=crypto:1 AES_CM_128_HMAC_SHA1_80 ", Some(true)),
            ("a=crypto:4 AES_CM_128_HMAC_SHA1_32 ", Some(true)),
            ("a=crypto:4 AES_CM_128_HMAC_SHA1_80 ", None),
            ("a=crypto:9 AES_CM_128_HMAC_SHA1_80 ", None),
            ("a=crypto:0 AES_CM_128_HMAC_SHA1_80 ", None),
        ] {
            let line = if crypto.is_empty() { String::new() } else { format!("{crypto}{key}\r\n") };
            let remote = us.conclude(LOCAL.into(), offer("8", &line).as_bytes()).ok();
            assert_eq!(remote.map(|r| r.keys.is_some()), is_protected, "{crypto}");
        }
    }

    #[test]
    fn the_callers_order_of_codecs_decides() {
        let (_, remote) = answer(&offer("0 8 96", "")).unwrap();
        assert_eq!(remote.codec.codec, media::Codec::Pcmu);
        assert_eq!(remote.dtmf, Some(DtmfParams::new(96)));
        let (sdp, remote) = answer(&offer("18 8 0", "")).unwrap();
        assert_eq!(remote.codec.codec, media::Codec::Pcma);
        assert_eq!(remote.dtmf, None);
        assert!(sdp.contains("m=audio 10000 RTP/AVP 8\r\n"), "{sdp}");
    }

    const PHONE: &str = "a=rtpmap:111 opus/48000/2\r\n";

    /// What `offer` (its payload types) is answered with under these terms.
    fn taken(terms: Terms, formats: &str) -> Option<media::Codec> {
        let mut session = Session::new(7, terms, Vec::new(), false);
        let offer = session.read_offer(offer(formats, PHONE).as_bytes()).ok()?;
        session.answer(LOCAL.into(), &offer).ok().map(|(_, remote)| remote.codec.codec)
    }

    #[test]
    fn what_spares_transcoding_is_taken_and_a_policy_is_kept() {
        use domain::leg::Codec::{G722, Opus, Pcma, Pcmu};
        let policy = |codecs: &[domain::leg::Codec]| Terms::new(Srtp::Off, codecs);
        let browsers = |codecs: &[domain::leg::Codec]| Terms { browsers: codecs.to_vec(), ..Terms::default() };
        for (terms, formats, codec) in [
            // G.711 before others, for nearly everybody speaks it; then what the caller likes.
            (policy(&[]), "111 9 0 8", Some(media::Codec::Pcmu)),
            (policy(&[]), "111 9", Some(media::Codec::Opus)),
            (policy(&[]), "9 111", Some(media::Codec::G722)),
            // What our browsers speak needs no transcoding.
            (browsers(&[Opus, G722]), "8 9 111", Some(media::Codec::Opus)),
            (browsers(&[Opus, G722]), "0 8 9", Some(media::Codec::G722)),
            (browsers(&[Opus]), "9 0 8", Some(media::Codec::Pcmu)),
            (policy(&[G722, Pcma]), "111 0 8 9", Some(media::Codec::G722)),
            (policy(&[G722, Pcma]), "111 8", Some(media::Codec::Pcma)),
            (policy(&[Pcmu]), "111 8 9", None),
        ] {
            assert_eq!(taken(terms.clone(), formats), codec, "{terms:?}, {formats}");
        }
    }

    #[test]
    fn the_second_leg_is_offered_first_what_the_first_speaks() {
        use domain::leg::Codec::{G722, Opus, Pcma};
        let line = |terms: Terms| {
            let sdp = Session::new(7, terms, Vec::new(), false).offer(LOCAL.into());
            let text = String::from_utf8(sdp).unwrap();
            text.lines().find_map(|l| l.strip_prefix("m=audio 10000 RTP/AVP ")).map(str::to_owned).unwrap()
        };
        let beside = |codec| Some(CodecParams::new(codec, codec.payload_type()));
        assert_eq!(line(Terms::default()), "8 0 9 111 101 110");
        assert_eq!(line(Terms { beside: beside(media::Codec::Opus), ..Terms::default() }), "111 8 0 9 101 110");
        let own = Terms::new(Srtp::Off, &[G722, Pcma]);
        assert_eq!(line(own.clone()), "9 8 101");
        assert_eq!(line(Terms { beside: beside(media::Codec::Pcma), ..own.clone() }), "8 9 101");
        assert_eq!(
            line(Terms { beside: beside(media::Codec::Opus), ..own }),
            "9 8 101",
            "not what the policy leaves out"
        );
        assert_eq!(line(Terms { browsers: vec![Opus], ..Terms::default() }), "111 8 0 9 101 110");
        let pausing = CodecParams { comfort_noise: true, ..CodecParams::new(media::Codec::Pcma, 8) };
        assert_eq!(line(Terms { beside: Some(pausing), ..Terms::default() }), "8 0 9 111 13 101 110");
    }

    #[test]
    fn a_change_of_the_session_keeps_the_codec_where_it_can() {
        let mut session = session(Srtp::Off, false);
        for (formats, codec) in
            [("9 111", media::Codec::G722), ("8 0 111 9", media::Codec::G722), ("111 0", media::Codec::Pcmu)]
        {
            let offer = session.read_offer(offer(formats, PHONE).as_bytes()).unwrap();
            let (_, remote) = session.answer(LOCAL.into(), &offer).unwrap();
            assert_eq!(remote.codec.codec, codec, "{formats}");
        }
    }

    #[test]
    fn hold_is_mirrored() {
        for (theirs, ours, held) in [
            ("a=sendonly\r\n", "a=recvonly", true),
            ("a=inactive\r\n", "a=inactive", true),
            ("a=recvonly\r\n", "a=sendonly", false),
            ("", "a=sendrecv", false),
        ] {
            let (sdp, remote) = answer(&offer("8", theirs)).unwrap();
            assert!(sdp.contains(ours), "{theirs} is answered by {ours}: {sdp}");
            assert_eq!(remote.held, held, "{theirs}");
        }
        let zeros = offer("8", "").replace("c=IN IP4 192.0.2.9", "c=IN IP4 0.0.0.0");
        let (_, remote) = answer(&zeros).unwrap();
        assert!(remote.held && remote.address.is_none());
    }

    #[test]
    fn an_offer_without_a_codec_of_ours_is_refused() {
        assert!(answer(&offer("18 3", "")).is_err());
        assert!(session(Srtp::Off, false).read_offer(b"not sdp").is_err());
    }

    #[test]
    fn our_own_answer_concludes_our_offer() {
        let mut us = session(Srtp::Off, false);
        let sdp = us.offer(LOCAL.into());
        let (reply, _) = answer(std::str::from_utf8(&sdp).unwrap()).unwrap();
        let remote = us.conclude(LOCAL.into(), reply.as_bytes()).unwrap();
        assert_eq!(remote.codec.codec, media::Codec::Pcma);
        assert_eq!(remote.address, Some(LOCAL.into()));
        assert!(us.conclude(LOCAL.into(), b"rubbish").is_err());
    }
}
