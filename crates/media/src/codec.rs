//! The codecs a leg can speak, as far as the plane decodes them: payloads to and from 8 kHz mono samples. Called by the
//! plane and its jitter buffers. G.711 has no state and an octet for each sample ([`Codec::law`]); of the others packets
//! must be decoded in their order by a [`Decoder`] of their own, and encoded by an [`Encoder`] of the stream's.

use crate::g711::Law;
use crate::{g722, opus};
use serde::{Deserialize, Serialize};

/// Samples per second of everything inside the plane.
pub const RATE: u32 = 8_000;
/// Samples per 20 ms tick.
pub const FRAME: usize = 160;

/// A payload format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Codec {
    /// G.711 µ-law, static payload type 0.
    Pcmu,
    /// G.711 A-law, static payload type 8.
    Pcma,
    /// G.722 at 64 kbit/s, static payload type 9.
    G722,
    /// Opus (RFC 7587).
    Opus,
}

impl Codec {
    pub const ALL: [Self; 4] = [Self::Pcmu, Self::Pcma, Self::G722, Self::Opus];

    /// The name in SDP `rtpmap` lines.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pcmu => "PCMU",
            Self::Pcma => "PCMA",
            Self::G722 => "G722",
            Self::Opus => "opus",
        }
    }

    /// The codec of an SDP encoding name, any case.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|codec| codec.name().eq_ignore_ascii_case(name))
    }

    /// The payload type of RFC 3551 §6, which SDP may use without an `rtpmap`; for Opus the number that most use.
    pub fn payload_type(self) -> u8 {
        match self {
            Self::Pcmu => 0,
            Self::Pcma => 8,
            Self::G722 => 9,
            Self::Opus => 111,
        }
    }

    /// Units of the RTP clock for each 8 kHz sample. That of G.722 says 8000 (RFC 3551 §4.5.2), that of Opus always 48000
    /// (RFC 7587 §4.1).
    pub fn units(self) -> u32 {
        match self {
            Self::Pcmu | Self::Pcma | Self::G722 => 1,
            Self::Opus => 6,
        }
    }

    /// The law of a codec that is nothing but one.
    pub fn law(self) -> Option<Law> {
        match self {
            Self::Pcmu => Some(Law::Mu),
            Self::Pcma => Some(Law::A),
            Self::G722 | Self::Opus => None,
        }
    }

    /// How many 8 kHz samples a payload lasts; 0 if it cannot be told.
    pub fn samples(self, payload: &[u8]) -> usize {
        match self {
            Self::Pcmu | Self::Pcma | Self::G722 => payload.len(),
            Self::Opus => opus::samples(payload),
        }
    }
}

/// One source's payloads to samples.
pub enum Decoder {
    Law(Law),
    G722(Box<g722::Decoder>),
    Opus(Box<opus::Decoder>),
}

impl Decoder {
    pub fn new(codec: Codec) -> Self {
        match codec {
            Codec::Pcmu => Self::Law(Law::Mu),
            Codec::Pcma => Self::Law(Law::A),
            Codec::G722 => Self::G722(Box::default()),
            Codec::Opus => Self::Opus(Box::default()),
        }
    }

    /// Appends the samples of `payload`; nothing if it is damaged.
    pub fn decode(&mut self, payload: &[u8], out: &mut Vec<i16>) {
        match self {
            Self::Law(law) => law.decode(payload, out),
            Self::G722(decoder) => decoder.decode(payload, out),
            Self::Opus(decoder) => decoder.decode(payload, out),
        }
    }
}

/// One stream's samples to payloads.
pub enum Encoder {
    Law(Law),
    G722(Box<g722::Encoder>),
    Opus(Box<opus::Encoder>),
}

impl Encoder {
    pub fn new(codec: Codec) -> Self {
        match codec {
            Codec::Pcmu => Self::Law(Law::Mu),
            Codec::Pcma => Self::Law(Law::A),
            Codec::G722 => Self::G722(Box::default()),
            Codec::Opus => Self::Opus(Box::default()),
        }
    }

    /// Appends the payload of one tick's samples.
    pub fn encode(&mut self, samples: &[i16; FRAME], out: &mut Vec<u8>) {
        match self {
            Self::Law(law) => law.encode(samples, out),
            Self::G722(encoder) => encoder.encode(samples, out),
            Self::Opus(encoder) => encoder.encode(samples, out),
        }
    }

    /// Appends the payload of a tick of silence.
    pub fn silence(&mut self, out: &mut Vec<u8>) {
        match self {
            Self::Law(law) => out.resize(out.len() + FRAME, law.silence()),
            Self::G722(_) | Self::Opus(_) => self.encode(&[0; FRAME], out),
        }
    }
}
