//! The codecs a leg can speak, as far as the plane decodes them: payload octets to and from 8 kHz mono samples.
//! Called by the plane, the jitter buffer and the recorder. Codecs with state (G.722, Opus) join as further variants;
//! code outside this file must not assume that one octet is one sample, except where it asks [`Codec::samples`].

use crate::g711;

/// Samples per second of everything inside the plane.
pub const RATE: u32 = 8_000;
/// Samples per 20 ms tick.
pub const FRAME: usize = 160;

/// A payload format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Codec {
    /// G.711 µ-law, static payload type 0.
    Pcmu,
    /// G.711 A-law, static payload type 8.
    Pcma,
}

impl Codec {
    /// The name in SDP `rtpmap` lines.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pcmu => "PCMU",
            Self::Pcma => "PCMA",
        }
    }

    /// The codec of an SDP encoding name, any case.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Pcmu, Self::Pcma].into_iter().find(|codec| codec.name().eq_ignore_ascii_case(name))
    }

    /// RFC 3551 §6 payload type, which SDP may use without an `rtpmap`.
    pub fn static_payload_type(self) -> u8 {
        match self {
            Self::Pcmu => 0,
            Self::Pcma => 8,
        }
    }

    /// How many samples (and RTP clock units) a payload of this many octets lasts.
    pub fn samples(self, payload_len: usize) -> usize {
        match self {
            Self::Pcmu | Self::Pcma => payload_len,
        }
    }

    /// The octet that, repeated, is silence.
    pub fn silence_octet(self) -> u8 {
        match self {
            Self::Pcmu => g711::ULAW_SILENCE,
            Self::Pcma => g711::ALAW_SILENCE,
        }
    }

    /// Appends the samples of `payload` to `out`.
    pub fn decode(self, payload: &[u8], out: &mut Vec<i16>) {
        match self {
            Self::Pcmu => out.extend(payload.iter().map(|&octet| g711::ulaw_to_linear(octet))),
            Self::Pcma => out.extend(payload.iter().map(|&octet| g711::alaw_to_linear(octet))),
        }
    }

    /// Appends the octets of `samples` to `out`.
    pub fn encode(self, samples: &[i16], out: &mut Vec<u8>) {
        match self {
            Self::Pcmu => out.extend(samples.iter().map(|&sample| g711::linear_to_ulaw(sample))),
            Self::Pcma => out.extend(samples.iter().map(|&sample| g711::linear_to_alaw(sample))),
        }
    }
}
