//! Offer and answer (RFC 3264) for one audio stream.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use super::{Codec, Crypto, Direction, Format, Key, Keys, Media, Protect, SessionDescription, family};

/// What we can and wish to do.
#[derive(Debug, Clone)]
pub struct Capabilities {
    /// Audio codecs, best first. Digits are always offered besides.
    pub codecs: Vec<Codec>,
    /// Beside G.711: the peer may say that it pauses, and how that sounds (RFC 3389).
    pub comfort_noise: bool,
    /// Where we receive RTP; the address is written as it stands.
    pub local: SocketAddr,
    /// What we want to do with audio: `SendOnly` holds the peer, `Inactive` stops both ways.
    pub direction: Direction,
    pub ptime: Duration,
    pub protect: Protect,
    /// Our keys, best suite first; empty where nothing is protected.
    pub keys: Vec<Key>,
    /// Identifies the session in `o=`; keep it for the life of a leg.
    pub session_id: u64,
    /// Add one with each description of this leg that differs from the last.
    pub version: u64,
}

/// What both sides have settled on, from our point of view.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Agreement {
    pub codec: Codec,
    /// Payload type to send the codec with: the peer's number.
    pub payload: u8,
    /// Payload type we receive the codec with.
    pub receive_payload: u8,
    /// Payload types of digits to send and to receive; `None` when the peer has none.
    pub digits: Option<(u8, u8)>,
    /// The clock of digits.
    pub digits_hz: u32,
    /// Agreed besides, with its static payload type.
    pub comfort_noise: bool,
    /// Where the peer wants RTP. `None` when it gave a name or no address (0.0.0.0): learn it from what arrives.
    pub remote: Option<SocketAddr>,
    /// Where the peer wants RTCP; equal to `remote` under rtcp-mux.
    pub remote_rtcp: Option<SocketAddr>,
    pub has_rtcp_mux: bool,
    /// `None`: plain RTP.
    pub keys: Option<Keys>,
    /// What we do: whether we send and whether we will receive.
    pub direction: Direction,
    /// True when the peer put us on hold: it does not want to hear us.
    pub is_held_by_peer: bool,
    /// Packet time to send with.
    pub ptime: Duration,
}

/// Why there is no session. Deserves a 488.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NegotiateError {
    #[error("no usable audio stream")]
    NoAudio,
    /// One side wants SRTP, and they cannot or must not agree on it.
    #[error("no protection in common")]
    NoProtection,
    #[error("no codec in common: PCMA, PCMU, G722 and opus are spoken here, as far as the line allows them")]
    NoCodec,
    #[error("the answer does not fit the offer")]
    Mismatch,
}

/// Makes an offer.
pub fn offer(caps: &Capabilities) -> SessionDescription {
    let voices = caps.codecs.iter().filter(|codec| codec.is_voice()).copied();
    let pauses = Some(Codec::ComfortNoise).filter(|_| caps.comfort_noise);
    let wide = Some(Codec::TelephoneEvent48).filter(|_| caps.codecs.contains(&Codec::Opus));
    let besides = pauses.into_iter().chain([Codec::TelephoneEvent]).chain(wide);
    let formats = voices.chain(besides).map(|codec| Format::new(codec, codec.payload())).collect();
    let protocol = if caps.protect == Protect::Always { "RTP/SAVP" } else { "RTP/AVP" };
    let mut media = our_media(caps, protocol, formats, caps.direction, true);
    if caps.protect != Protect::Never {
        media.crypto = (1..).zip(&caps.keys).map(|(tag, key)| Crypto { tag, key: *key }).collect();
    }
    describe(caps, vec![media])
}

/// Answers an offer: takes the first usable audio section, one that can be protected before others, and refuses the others
/// with port 0 (RFC 3264 §6).
///
/// Of the codecs both know, our order decides. Digits are kept when offered at the clock of the codec, or at 8 kHz.
///
/// # Errors
/// [`NegotiateError`]: answer with 488.
pub fn negotiate(
    offer: &SessionDescription,
    caps: &Capabilities,
) -> Result<(SessionDescription, Agreement), NegotiateError> {
    let (chosen, crypto) = choose(offer, caps)?;
    let media = &offer.media[chosen];
    let find = |codec: Codec| media.formats.iter().find(|format| format.codec == Some(codec));
    let voices = caps.codecs.iter().filter(|codec| codec.is_voice());
    let (codec, voice) = voices
        .into_iter()
        .find_map(|codec| find(*codec).map(|format| (*codec, format)))
        .ok_or(NegotiateError::NoCodec)?;
    let digits = digits_of(media, codec);
    let pauses = find(Codec::ComfortNoise).filter(|_| caps.comfort_noise && may_pause(codec));
    let theirs = peer_direction(offer, media);
    let direction = caps.direction.and(theirs.reversed());
    // The answer uses the numbers of the offer (§6.1).
    let mut formats = vec![Format { fmtp: Format::new(codec, 0).fmtp, ..voice.clone() }];
    formats.extend(pauses.map(|pauses| Format { fmtp: None, ..pauses.clone() }));
    if let Some(digits) = digits {
        formats.push(Format { fmtp: Some("0-15".to_owned()), ..digits.clone() });
    }
    let sections = offer.media.iter().enumerate().map(|(at, section)| {
        if at == chosen {
            let mut ours = our_media(caps, &section.protocol, formats.clone(), direction, section.has_rtcp_mux);
            ours.crypto.extend(crypto.map(|(tag, keys)| Crypto { tag, key: keys.ours }));
            ours
        } else {
            let (kind, protocol) = (section.kind.clone(), section.protocol.clone());
            let (formats, raw_formats) = (section.formats.clone(), section.raw_formats.clone());
            Media { kind, protocol, formats, raw_formats, ..Media::default() }
        }
    });
    let answer = describe(caps, sections.collect());
    let payload = voice.payload;
    let digits = digits.map(|format| (format.payload, format.payload, clock_of(format)));
    let keys = crypto.map(|(_, keys)| keys);
    let agreement = agree(offer, media, codec, (payload, payload), digits, keys, direction, caps);
    Ok((answer, agreement))
}

/// Reads the answer to an offer of ours.
///
/// # Errors
/// [`NegotiateError`]: the call has no media; end it.
pub fn conclude(answer: &SessionDescription, caps: &Capabilities) -> Result<Agreement, NegotiateError> {
    // Our offers have one section.
    let media = answer.media.first().ok_or(NegotiateError::Mismatch)?;
    if !is_usable(media) {
        return Err(NegotiateError::NoAudio);
    }
    // The tag says which of ours was taken (RFC 4568 §5.1.3).
    let keys = media.crypto.first().filter(|_| caps.protect != Protect::Never).and_then(|crypto| {
        let at = usize::try_from(crypto.tag).ok()?.checked_sub(1)?;
        let ours = caps.keys.get(at).filter(|ours| ours.suite() == crypto.key.suite())?;
        Some(Keys { ours: *ours, theirs: crypto.key })
    });
    let is_meant = is_secure(media) || caps.protect != Protect::Never && !media.crypto.is_empty();
    if keys.is_none() && (caps.protect == Protect::Always || is_meant) {
        return Err(NegotiateError::NoProtection);
    }
    // The answerer's first codec is the one it will use (§6.1).
    let voice = media.formats.iter().find_map(|format| {
        let codec = format.codec.filter(|codec| codec.is_voice() && caps.codecs.contains(codec))?;
        Some((codec, format.payload))
    });
    let (codec, payload) = voice.ok_or(NegotiateError::NoCodec)?;
    let digits = digits_of(media, codec).map(|format| {
        let ours = format.codec.unwrap_or(Codec::TelephoneEvent).payload();
        (format.payload, ours, clock_of(format))
    });
    let direction = caps.direction.and(peer_direction(answer, media).reversed());
    Ok(agree(answer, media, codec, (payload, codec.payload()), digits, keys, direction, caps))
}

/// Which section to take, with the tag and the keys of what protects it.
fn choose(offer: &SessionDescription, caps: &Capabilities) -> Result<(usize, Option<(u32, Keys)>), NegotiateError> {
    let usable = || offer.media.iter().enumerate().filter(|(_, media)| is_usable(media));
    let keys_of = |media: &Media| {
        // The offerer's order decides (RFC 4568 §5.1.2).
        media.crypto.iter().find_map(|crypto| {
            let ours = caps.keys.iter().find(|ours| ours.suite() == crypto.key.suite())?;
            Some((crypto.tag, Keys { ours: *ours, theirs: crypto.key }))
        })
    };
    if caps.protect != Protect::Never
        && let Some((at, crypto)) = usable().find_map(|(at, media)| Some((at, keys_of(media)?)))
    {
        return Ok((at, Some(crypto)));
    }
    let plain = usable().find(|(_, media)| !is_secure(media)).filter(|_| caps.protect != Protect::Always);
    match plain {
        Some((at, _)) => Ok((at, None)),
        None if usable().next().is_some() => Err(NegotiateError::NoProtection),
        None => Err(NegotiateError::NoAudio),
    }
}

/// Digits that go with a codec: those of its own clock first.
fn digits_of(media: &Media, codec: Codec) -> Option<&Format> {
    let find = |codec| media.formats.iter().find(|format| format.codec == Some(codec));
    match codec {
        Codec::Opus => find(Codec::TelephoneEvent48).or_else(|| find(Codec::TelephoneEvent)),
        _ => find(Codec::TelephoneEvent),
    }
}

fn clock_of(format: &Format) -> u32 {
    format.codec.unwrap_or(Codec::TelephoneEvent).clock_hz()
}

/// Opus has pauses of its own; to G.722 the noise of 8 kHz does not fit.
fn may_pause(codec: Codec) -> bool {
    matches!(codec, Codec::Pcmu | Codec::Pcma)
}

fn is_secure(media: &Media) -> bool {
    media.protocol.starts_with("RTP/SAVP")
}

fn is_usable(media: &Media) -> bool {
    let protocol = matches!(media.protocol.as_str(), "RTP/AVP" | "RTP/AVPF" | "RTP/SAVP" | "RTP/SAVPF");
    media.kind == "audio" && media.port != 0 && protocol && !media.formats.is_empty()
}

/// The peer's direction; an address of all zeros is the old way to hold (RFC 2543; RFC 3264 §8.4).
fn peer_direction(description: &SessionDescription, media: &Media) -> Direction {
    let direction = description.direction_of(media);
    match description.address_of(media) {
        Some(ip) if ip.is_unspecified() => direction.and(Direction::SendOnly),
        _ => direction,
    }
}

fn agree(
    theirs: &SessionDescription,
    media: &Media,
    codec: Codec,
    (payload, receive_payload): (u8, u8),
    digits: Option<(u8, u8, u32)>,
    keys: Option<Keys>,
    direction: Direction,
    caps: &Capabilities,
) -> Agreement {
    let ip = theirs.address_of(media).filter(|ip| !ip.is_unspecified() && !ip.is_multicast());
    let remote = ip.map(|ip| SocketAddr::new(ip, media.port));
    let remote_rtcp = match (media.has_rtcp_mux, media.rtcp) {
        (true, _) => remote,
        (false, Some((port, address))) => address.or(ip).map(|ip| SocketAddr::new(ip, port)),
        (false, None) => media.port.checked_add(1).and_then(|port| ip.map(|ip| SocketAddr::new(ip, port))),
    };
    Agreement {
        codec,
        payload,
        receive_payload,
        digits: digits.map(|(send, receive, _)| (send, receive)),
        digits_hz: digits.map_or(Codec::TelephoneEvent.clock_hz(), |(_, _, clock)| clock),
        comfort_noise: caps.comfort_noise
            && may_pause(codec)
            && media.formats.iter().any(|format| format.codec == Some(Codec::ComfortNoise) && format.payload == 13),
        remote,
        remote_rtcp,
        has_rtcp_mux: media.has_rtcp_mux,
        keys,
        direction,
        is_held_by_peer: !peer_direction(theirs, media).receives(),
        // What the peer would like to receive, within what our mixer can cut.
        ptime: media.ptime.filter(|p| [10, 20, 30, 40, 60].contains(&p.as_millis())).unwrap_or(caps.ptime),
    }
}

fn our_media(
    caps: &Capabilities,
    protocol: &str,
    formats: Vec<Format>,
    direction: Direction,
    has_rtcp_mux: bool,
) -> Media {
    Media {
        kind: "audio".to_owned(),
        port: caps.local.port(),
        protocol: protocol.to_owned(),
        formats,
        ptime: Some(caps.ptime),
        has_rtcp_mux,
        direction: Some(direction),
        ..Media::default()
    }
}

pub(super) fn describe(caps: &Capabilities, media: Vec<Media>) -> SessionDescription {
    let ip: IpAddr = caps.local.ip();
    SessionDescription {
        origin: format!("- {} {} IN {} {ip}", caps.session_id, caps.version, family(ip)),
        name: "-".to_owned(),
        connection: Some(ip.to_string()),
        media,
        ..SessionDescription::default()
    }
}
