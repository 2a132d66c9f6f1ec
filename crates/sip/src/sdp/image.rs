//! Facsimile by T.38 in session descriptions (ITU-T T.38 annex D): `m=image … udptl t38`. Its parameters belong to the two
//! fax machines; here they are carried over as they stand.
use std::net::SocketAddr;

use super::negotiate::describe;
use super::{Capabilities, Codec, Format, Media, SessionDescription};

/// More than T.38 knows.
const ATTRIBUTES_MAX: usize = 16;
const ATTRIBUTE_LENGTH_MAX: usize = 64;

/// What a description says of a fax.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    /// Where the peer wants UDPTL. `None`: learn it from what arrives.
    pub remote: Option<SocketAddr>,
    /// Its `T38…` attributes.
    pub attributes: Vec<String>,
    /// A section for sound stands beside it, switched off.
    pub beside_sound: bool,
}

impl Image {
    /// `None` where the description is not about a fax, or wants sound as well.
    pub fn of(description: &SessionDescription) -> Option<Self> {
        if description.media.iter().any(|media| media.kind == "audio" && media.port != 0) {
            return None;
        }
        let media = description.media.iter().find(|media| is_image(media))?;
        let ip = description.address_of(media).filter(|ip| !ip.is_unspecified() && !ip.is_multicast());
        let is_t38 = |text: &&String| {
            let named = text.get(..3).is_some_and(|start| start.eq_ignore_ascii_case("t38"));
            named && text.len() <= ATTRIBUTE_LENGTH_MAX
        };
        Some(Self {
            remote: ip.map(|ip| SocketAddr::new(ip, media.port)),
            attributes: media.attributes.iter().filter(is_t38).take(ATTRIBUTES_MAX).cloned().collect(),
            beside_sound: description.media.len() > 1,
        })
    }
}

/// A living section of UDPTL; over TCP nobody speaks it.
fn is_image(media: &Media) -> bool {
    let formats = || media.raw_formats.split_ascii_whitespace();
    media.kind == "image"
        && media.port != 0
        && media.protocol.eq_ignore_ascii_case("udptl")
        && formats().any(|format| format.eq_ignore_ascii_case("t38"))
}

/// A section of a fax, at this port.
fn section(port: u16, attributes: &[String]) -> Media {
    Media {
        kind: "image".to_owned(),
        port,
        protocol: "udptl".to_owned(),
        raw_formats: "t38".to_owned(),
        attributes: attributes.to_vec(),
        ..Media::default()
    }
}

/// Asks for a fax instead of sound. `beside_sound`: the peer has shown a section for each.
pub fn offer_image(caps: &Capabilities, attributes: &[String], beside_sound: bool) -> SessionDescription {
    let sound = Media {
        kind: "audio".to_owned(),
        protocol: "RTP/AVP".to_owned(),
        formats: vec![Format::new(Codec::Pcma, Codec::Pcma.payload())],
        ..Media::default()
    };
    let sections = beside_sound.then_some(sound).into_iter().chain([section(caps.local.port(), attributes)]);
    describe(caps, sections.collect())
}

/// Answers an offer that [`Image::of`] reads; other sections are refused (RFC 3264 §6).
pub fn answer_image(offer: &SessionDescription, caps: &Capabilities, attributes: &[String]) -> SessionDescription {
    let chosen = offer.media.iter().position(is_image);
    let sections = offer.media.iter().enumerate().map(|(at, media)| match chosen == Some(at) {
        true => section(caps.local.port(), attributes),
        false => Media {
            kind: media.kind.clone(),
            protocol: media.protocol.clone(),
            formats: media.formats.clone(),
            raw_formats: media.raw_formats.clone(),
            ..Media::default()
        },
    });
    describe(caps, sections.collect())
}

/// The section of a fax that is over, for a peer that has shown one beside sound.
pub fn no_image() -> Media {
    section(0, &[])
}
