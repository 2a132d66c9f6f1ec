//! Session descriptions of one SIP leg: our offers and answers, what the peer agreed to. Built on `sip::sdp`.
//!
//! Codecs today: PCMU, PCMA, telephone-event. An answer takes the first codec of the peer's offer that we know, because
//! the caller's wish costs us nothing.
use std::net::SocketAddr;
use std::time::Duration;

use media::{CodecParams, RtcpMode};
use sip::sdp::{Agreement, Capabilities, Codec, Direction, NegotiateError, SdpError, SessionDescription};

/// Our order where we offer: A-law first, as most of the world outside North America and Japan speaks it.
const CODECS: [Codec; 2] = [Codec::Pcma, Codec::Pcmu];

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
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Remote {
    /// `None`: to be learnt from its packets.
    pub(crate) address: Option<SocketAddr>,
    pub(crate) codec: CodecParams,
    pub(crate) dtmf_payload_type: Option<u8>,
    pub(crate) direction: media::Direction,
    pub(crate) rtcp: RtcpMode,
    /// The peer does not want to hear us.
    pub(crate) held: bool,
}

impl Remote {
    fn new(agreement: &Agreement) -> Result<Self, SessionError> {
        let codec = match agreement.codec {
            Codec::Pcmu => media::Codec::Pcmu,
            Codec::Pcma => media::Codec::Pcma,
            Codec::G722 | Codec::Opus | Codec::TelephoneEvent => return Err(SessionError::Codec),
        };
        Ok(Self {
            address: agreement.remote,
            codec: CodecParams { codec, payload_type: agreement.payload },
            dtmf_payload_type: agreement.digits.map(|(send, _)| send),
            direction: media::Direction { send: agreement.direction.sends(), receive: agreement.direction.receives() },
            rtcp: if agreement.has_rtcp_mux { RtcpMode::Mux } else { RtcpMode::NextPort },
            held: agreement.is_held_by_peer,
        })
    }
}

/// The `o=` line's numbers, which last as long as the leg.
#[derive(Debug)]
pub(crate) struct Session {
    id: u64,
    version: u64,
}

impl Session {
    /// `random` makes the session id; RFC 8866 §5.2 wants it unlikely to be met again.
    pub(crate) fn new(random: u64) -> Self {
        // Some phones read the number into a signed 32-bit integer.
        Self { id: random & 0x7fff_ffff, version: 0 }
    }

    fn capabilities(&self, local: SocketAddr, codecs: Vec<Codec>) -> Capabilities {
        Capabilities {
            codecs,
            local,
            direction: Direction::SendRecv,
            ptime: Duration::from_millis(20),
            session_id: self.id,
            version: self.version,
        }
    }

    /// Everything we can, for an INVITE or where the peer asks us for an offer.
    pub(crate) fn offer(&mut self, local: SocketAddr) -> Vec<u8> {
        self.version += 1;
        sip::sdp::offer(&self.capabilities(local, CODECS.to_vec())).to_bytes()
    }

    /// The answer to the peer's offer, and what it amounts to.
    pub(crate) fn answer(
        &mut self,
        local: SocketAddr,
        offer: &SessionDescription,
    ) -> Result<(Vec<u8>, Remote), SessionError> {
        self.version += 1;
        let (answer, agreement) = sip::sdp::negotiate(offer, &self.capabilities(local, in_order_of(offer)))?;
        Ok((answer.to_bytes(), Remote::new(&agreement)?))
    }

    /// What the peer's answer to our last offer amounts to.
    pub(crate) fn conclude(&self, local: SocketAddr, answer: &[u8]) -> Result<Remote, SessionError> {
        let answer = SessionDescription::parse(answer)?;
        let caps = self.capabilities(local, CODECS.to_vec());
        Remote::new(&sip::sdp::conclude(&answer, &caps)?)
    }
}

/// Reads an offer and makes sure that we could answer it.
pub(crate) fn read_offer(sdp: &[u8]) -> Result<SessionDescription, SessionError> {
    let offer = SessionDescription::parse(sdp)?;
    Session::new(0).answer(SocketAddr::from(([127, 0, 0, 1], 9)), &offer)?;
    Ok(offer)
}

/// Our codecs, those first that the offer names first.
fn in_order_of(offer: &SessionDescription) -> Vec<Codec> {
    let mut codecs: Vec<Codec> = offer
        .media
        .iter()
        .flat_map(|media| media.formats.iter().filter_map(|format| format.codec))
        .filter(|codec| CODECS.contains(codec))
        .collect();
    let mut seen = Vec::new();
    codecs.retain(|codec| {
        let fresh = !seen.contains(codec);
        seen.push(*codec);
        fresh
    });
    codecs
}

/// The codec in the floor's words.
pub(crate) fn floor_codec(codec: media::Codec) -> domain::leg::Codec {
    match codec {
        media::Codec::Pcmu => domain::leg::Codec::Pcmu,
        media::Codec::Pcma => domain::leg::Codec::Pcma,
        // `media` grows codecs before the switch offers them; none other is offered today.
        _ => domain::leg::Codec::Opus,
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

    fn answer(sdp: &str) -> Result<(String, Remote), SessionError> {
        let offer = read_offer(sdp.as_bytes())?;
        let (bytes, remote) = Session::new(7).answer(LOCAL.into(), &offer)?;
        Ok((String::from_utf8(bytes).unwrap(), remote))
    }

    #[test]
    fn the_callers_order_of_codecs_decides() {
        let (_, remote) = answer(&offer("0 8 96", "")).unwrap();
        assert_eq!(remote.codec.codec, media::Codec::Pcmu);
        assert_eq!(remote.dtmf_payload_type, Some(96));
        let (sdp, remote) = answer(&offer("18 8 0", "")).unwrap();
        assert_eq!(remote.codec.codec, media::Codec::Pcma);
        assert_eq!(remote.dtmf_payload_type, None);
        assert!(sdp.contains("m=audio 10000 RTP/AVP 8\r\n"), "{sdp}");
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
        assert!(read_offer(b"not sdp").is_err());
    }

    #[test]
    fn our_own_answer_concludes_our_offer() {
        let mut us = Session::new(1);
        let sdp = us.offer(LOCAL.into());
        let (reply, _) = answer(std::str::from_utf8(&sdp).unwrap()).unwrap();
        let remote = us.conclude(LOCAL.into(), reply.as_bytes()).unwrap();
        assert_eq!(remote.codec.codec, media::Codec::Pcma);
        assert_eq!(remote.address, Some(LOCAL.into()));
        assert!(us.conclude(LOCAL.into(), b"rubbish").is_err());
    }
}
