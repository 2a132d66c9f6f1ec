//! Typed identifiers. Written as `prefix_` and 26 Crockford base-32 digits, stored as TEXT, 128 bits in memory.
//!
//! Three sources, never mixed: configuration ids are minted at the edge (time and randomness passed in), floor ids
//! by [`IdMint`] as (floor, epoch, counter), leg ids of incoming calls by the switch as (node, start, counter).
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A string is not an identifier of the expected kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not an id of the form {prefix}_…")]
pub struct BadId {
    pub prefix: &'static str,
    pub text: String,
}

const DIGITS: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// Prefix, underscore and digits: 30 bytes for every kind. Events are full of ids, so this is written in one piece.
fn encode<'a>(prefix: &str, value: u128, out: &'a mut [u8; 30]) -> &'a str {
    let (head, digits) = out.split_at_mut(4);
    for (to, from) in head.iter_mut().zip(prefix.bytes().chain([b'_'])) {
        *to = from;
    }
    let mut rest = value;
    for (n, to) in digits.iter_mut().rev().enumerate() {
        // Twelve digits at a time fit into a machine word; the shifts of 128 bits are the dear ones.
        if n == 12 || n == 24 {
            rest >>= 60;
        }
        *to = DIGITS[((rest as u64 >> (n % 12 * 5)) & 31) as usize];
    }
    std::str::from_utf8(out).unwrap_or_default()
}

fn decode(text: &str) -> Option<u128> {
    if text.len() != 26 {
        return None;
    }
    let mut value: u128 = 0;
    for (i, b) in text.bytes().enumerate() {
        let digit = DIGITS.iter().position(|d| *d == b)? as u128;
        // 26 digits carry 130 bits: the first may only use three of its five.
        if i == 0 && digit > 7 {
            return None;
        }
        value = (value << 5) | digit;
    }
    Some(value)
}

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident = $prefix:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub u128);

        impl $name {
            pub const PREFIX: &'static str = $prefix;

            /// From 48 bits of time and 80 random bits, so that ids sort by creation.
            pub fn from_parts(unix_ms: i64, random: u128) -> Self {
                Self(((unix_ms as u128 & 0xffff_ffff_ffff) << 80) | (random & ((1 << 80) - 1)))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(encode($prefix, self.0, &mut [0; 30]))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = BadId;
            fn from_str(text: &str) -> Result<Self, BadId> {
                text.strip_prefix(concat!($prefix, "_"))
                    .and_then(decode)
                    .map(Self)
                    .ok_or_else(|| BadId { prefix: $prefix, text: text.chars().take(64).collect() })
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
                s.serialize_str(encode($prefix, self.0, &mut [0; 30]))
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<'de, str>::deserialize(d)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    )*};
}

ids! {
    HostId = "hst";
    TenantId = "ten";
    FloorId = "flr";
    LoginId = "log";
    UserId = "usr";
    TeamId = "tea";
    GrantId = "grt";
    AgentId = "agt";
    DeviceId = "dev";
    SkillId = "skl";
    QueueId = "que";
    CalendarId = "cal";
    FlowId = "flo";
    NumberId = "num";
    TrunkId = "trk";
    RouteId = "rte";
    PromptId = "pmt";
    DispositionId = "dsp";
    BreakReasonId = "brk";
    SessionId = "ses";
    TokenId = "tok";
    ContactId = "con";
    /// A stored [`crate::address::Address`]: events refer to people by this only.
    AddressId = "adr";
    /// A stored text (wrap-up note, message): events refer to texts by this only.
    NoteId = "not";
    InteractionId = "int";
    SegmentId = "seg";
    OfferId = "ofr";
    LegId = "leg";
    BridgeId = "brg";
    PlayId = "ply";
    RecordingId = "rec";
    AskId = "ask";
    BlobId = "blb";
}

/// Mints the ids of one floor under one ownership epoch: (floor number, epoch, counter), never issued twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct IdMint {
    /// Installation-wide number of the floor, given by the store when the floor is created.
    pub floor_no: u32,
    pub epoch: u32,
    pub counter: u64,
}

impl IdMint {
    pub fn new(floor_no: u32, epoch: u32) -> Self {
        Self { floor_no, epoch, counter: 0 }
    }

    /// The bits of the next id; wrap them in the type wanted: `LegId(mint.next())`.
    pub fn next_bits(&mut self) -> u128 {
        self.counter += 1;
        (u128::from(self.floor_no) << 96) | (u128::from(self.epoch) << 64) | u128::from(self.counter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_survive_text_and_refuse_other_kinds() {
        let id = QueueId(u128::MAX - 12345);
        assert_eq!(id.to_string().parse::<QueueId>(), Ok(id));
        assert_eq!(serde_json::from_str::<QueueId>(&serde_json::to_string(&id).unwrap()).unwrap(), id);
        assert!(id.to_string().parse::<AgentId>().is_err());
        let digits = |n: u32| SegmentId((0..26).fold(0, |id, i| id << 5 | u128::from((n + i) % 32)));
        assert_eq!(digits(1).to_string(), "seg_123456789abcdefghjkmnpqrst");
        assert!((0..8).all(|n| digits(n).to_string().parse() == Ok(digits(n))));
        assert!("que_z0000000000000000000000000".parse::<QueueId>().is_err());
    }

    #[test]
    fn a_mint_never_repeats_across_epochs() {
        let (mut a, mut b) = (IdMint::new(1, 1), IdMint::new(1, 2));
        assert_ne!(a.next_bits(), a.next_bits());
        assert_ne!(a.next_bits(), b.next_bits());
    }
}
