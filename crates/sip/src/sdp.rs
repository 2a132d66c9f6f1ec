//! Session descriptions for audio (RFC 8866) and the offer/answer exchange (RFC 3264).
//!
//! Called by `switch`. [`SessionDescription`] reads and writes what is on the wire and keeps attributes it does not know;
//! [`negotiate`] answers an offer, [`offer`] makes one, [`conclude`] reads the answer to it. The outcome in both directions is
//! an [`Agreement`]: codec, digits, the peer's address, direction. Contract: bounded, no panics, one audio stream.

mod crypto;
mod image;
mod negotiate;
mod parse;

pub use crypto::{Crypto, Key, Keys, Protect, Suite};
pub use image::{Image, answer_image, no_image, offer_image};
pub use negotiate::{Agreement, Capabilities, NegotiateError, conclude, negotiate, offer};
pub use parse::SdpError;

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

/// Which way media flows, from the describer's point of view.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Direction {
    #[default]
    SendRecv,
    SendOnly,
    RecvOnly,
    Inactive,
}

impl Direction {
    fn from_text(text: &str) -> Option<Self> {
        match text {
            "sendrecv" => Some(Self::SendRecv),
            "sendonly" => Some(Self::SendOnly),
            "recvonly" => Some(Self::RecvOnly),
            "inactive" => Some(Self::Inactive),
            _ => None,
        }
    }

    pub fn text(self) -> &'static str {
        match self {
            Self::SendRecv => "sendrecv",
            Self::SendOnly => "sendonly",
            Self::RecvOnly => "recvonly",
            Self::Inactive => "inactive",
        }
    }

    pub fn sends(self) -> bool {
        matches!(self, Self::SendRecv | Self::SendOnly)
    }

    pub fn receives(self) -> bool {
        matches!(self, Self::SendRecv | Self::RecvOnly)
    }

    pub fn new(sends: bool, receives: bool) -> Self {
        match (sends, receives) {
            (true, true) => Self::SendRecv,
            (true, false) => Self::SendOnly,
            (false, true) => Self::RecvOnly,
            (false, false) => Self::Inactive,
        }
    }

    /// The same flow seen by the other side.
    pub fn reversed(self) -> Self {
        Self::new(self.receives(), self.sends())
    }

    /// What both allow, both from the same point of view.
    pub fn and(self, other: Self) -> Self {
        Self::new(self.sends() && other.sends(), self.receives() && other.receives())
    }
}

/// Codecs this product speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Codec {
    Pcmu,
    Pcma,
    /// Clock 8000 on the wire though it samples at 16000 (RFC 3551 §4.5.2).
    G722,
    Opus,
    /// RFC 4733 digits, at clock 8000.
    TelephoneEvent,
    /// The same at clock 48000, beside Opus (RFC 4733 §2.1 wants the clock of the sound they interrupt).
    TelephoneEvent48,
    /// RFC 3389, at clock 8000.
    ComfortNoise,
}

impl Codec {
    const ALL: [Self; 7] = [
        Self::Pcmu,
        Self::Pcma,
        Self::G722,
        Self::Opus,
        Self::TelephoneEvent,
        Self::TelephoneEvent48,
        Self::ComfortNoise,
    ];

    /// It carries a voice; the others go with one that does.
    pub fn is_voice(self) -> bool {
        match self {
            Self::Pcmu | Self::Pcma | Self::G722 | Self::Opus => true,
            Self::TelephoneEvent | Self::TelephoneEvent48 | Self::ComfortNoise => false,
        }
    }

    /// Encoding name, clock rate, channels.
    fn rtpmap(self) -> (&'static str, u32, u8) {
        match self {
            Self::Pcmu => ("PCMU", 8000, 1),
            Self::Pcma => ("PCMA", 8000, 1),
            Self::G722 => ("G722", 8000, 1),
            Self::Opus => ("opus", 48000, 2),
            Self::TelephoneEvent => ("telephone-event", 8000, 1),
            Self::TelephoneEvent48 => ("telephone-event", 48000, 1),
            Self::ComfortNoise => ("CN", 8000, 1),
        }
    }

    /// The RTP clock in hertz.
    pub fn clock_hz(self) -> u32 {
        self.rtpmap().1
    }

    /// The static payload type of RFC 3551, or the dynamic one that our offers use.
    pub fn payload(self) -> u8 {
        match self {
            Self::Pcmu => 0,
            Self::Pcma => 8,
            Self::G722 => 9,
            Self::Opus => 111,
            Self::TelephoneEvent => 101,
            Self::TelephoneEvent48 => 110,
            Self::ComfortNoise => 13,
        }
    }

    fn from_rtpmap(name: &str, clock: u32, channels: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|codec| {
            let (known, rate, count) = codec.rtpmap();
            known.eq_ignore_ascii_case(name) && rate == clock && count == channels
        })
    }

    /// What a static payload type means without an rtpmap.
    fn from_static(payload: u8) -> Option<Self> {
        match payload {
            0 => Some(Self::Pcmu),
            8 => Some(Self::Pcma),
            9 => Some(Self::G722),
            13 => Some(Self::ComfortNoise),
            _ => None,
        }
    }
}

/// One format of a media line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Format {
    /// RTP payload type, 0 to 127.
    pub payload: u8,
    /// `None` for a codec we do not speak.
    pub codec: Option<Codec>,
    /// The rtpmap value behind the payload type, as `opus/48000/2`.
    pub rtpmap: Option<String>,
    pub fmtp: Option<String>,
}

impl Format {
    pub fn new(codec: Codec, payload: u8) -> Self {
        let (name, clock, channels) = codec.rtpmap();
        let rtpmap = if channels > 1 { format!("{name}/{clock}/{channels}") } else { format!("{name}/{clock}") };
        let fmtp = match codec {
            Codec::TelephoneEvent | Codec::TelephoneEvent48 => Some("0-15".to_owned()),
            Codec::Opus => Some("useinbandfec=1".to_owned()),
            Codec::Pcmu | Codec::Pcma | Codec::G722 | Codec::ComfortNoise => None,
        };
        Self { payload, codec: Some(codec), rtpmap: Some(rtpmap), fmtp }
    }
}

/// One `m=` section.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Media {
    /// `audio`, `video`, …
    pub kind: String,
    /// 0 means refused or switched off.
    pub port: u16,
    /// `RTP/AVP`, …
    pub protocol: String,
    /// RTP formats; empty for protocols that are not RTP.
    pub formats: Vec<Format>,
    /// The format list as text, for protocols that are not RTP.
    pub raw_formats: String,
    /// This section's own `c=` address.
    pub connection: Option<String>,
    pub direction: Option<Direction>,
    pub ptime: Option<Duration>,
    /// Port, and address if given, of `a=rtcp`.
    pub rtcp: Option<(u16, Option<IpAddr>)>,
    pub has_rtcp_mux: bool,
    /// Keys of SRTP; those we cannot use are left out.
    pub crypto: Vec<Crypto>,
    /// Other attributes, as `name` or `name:value`.
    pub attributes: Vec<String>,
}

/// A whole description.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SessionDescription {
    /// The `o=` line's value.
    pub origin: String,
    /// The `s=` line's value.
    pub name: String,
    /// The session's `c=` address.
    pub connection: Option<String>,
    pub direction: Option<Direction>,
    /// Other session attributes.
    pub attributes: Vec<String>,
    pub media: Vec<Media>,
}

impl SessionDescription {
    /// Reads a description.
    ///
    /// # Errors
    /// [`SdpError`] with what is wrong; such an offer deserves a 400.
    pub fn parse(bytes: &[u8]) -> Result<Self, SdpError> {
        parse::parse(bytes)
    }

    /// The bytes to put into a message.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.to_string().into_bytes()
    }

    /// The direction in force for a section.
    pub fn direction_of(&self, media: &Media) -> Direction {
        media.direction.or(self.direction).unwrap_or_default()
    }

    /// The connection address in force for a section, when it is a literal one.
    pub fn address_of(&self, media: &Media) -> Option<IpAddr> {
        media.connection.as_ref().or(self.connection.as_ref())?.parse().ok()
    }
}

impl fmt::Display for SessionDescription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "v=0\r\no={}\r\ns={}\r\n", self.origin, if self.name.is_empty() { "-" } else { &self.name })?;
        write_connection(f, self.connection.as_deref())?;
        f.write_str("t=0 0\r\n")?;
        for attribute in &self.attributes {
            write!(f, "a={attribute}\r\n")?;
        }
        if let Some(direction) = self.direction {
            write!(f, "a={}\r\n", direction.text())?;
        }
        for media in &self.media {
            write!(f, "m={} {} {}", media.kind, media.port, media.protocol)?;
            for format in &media.formats {
                write!(f, " {}", format.payload)?;
            }
            if !media.raw_formats.is_empty() {
                write!(f, " {}", media.raw_formats)?;
            }
            f.write_str("\r\n")?;
            write_connection(f, media.connection.as_deref())?;
            for format in &media.formats {
                if let Some(rtpmap) = &format.rtpmap {
                    write!(f, "a=rtpmap:{} {rtpmap}\r\n", format.payload)?;
                }
                if let Some(fmtp) = &format.fmtp {
                    write!(f, "a=fmtp:{} {fmtp}\r\n", format.payload)?;
                }
            }
            if let Some(ptime) = media.ptime {
                write!(f, "a=ptime:{}\r\n", ptime.as_millis())?;
            }
            match media.rtcp {
                Some((port, None)) => write!(f, "a=rtcp:{port}\r\n")?,
                Some((port, Some(ip))) => write!(f, "a=rtcp:{port} IN {} {ip}\r\n", family(ip))?,
                None => {}
            }
            if media.has_rtcp_mux {
                f.write_str("a=rtcp-mux\r\n")?;
            }
            for crypto in &media.crypto {
                write!(f, "a=crypto:{crypto}\r\n")?;
            }
            for attribute in &media.attributes {
                write!(f, "a={attribute}\r\n")?;
            }
            if let Some(direction) = media.direction {
                write!(f, "a={}\r\n", direction.text())?;
            }
        }
        Ok(())
    }
}

fn write_connection(f: &mut fmt::Formatter<'_>, address: Option<&str>) -> fmt::Result {
    match address {
        None => Ok(()),
        Some(address) => {
            let family = if address.contains(':') { "IP6" } else { "IP4" };
            write!(f, "c=IN {family} {address}\r\n")
        }
    }
}

fn family(ip: IpAddr) -> &'static str {
    if ip.is_ipv4() { "IP4" } else { "IP6" }
}
