//! Keys of SRTP in session descriptions: the `crypto` attribute (RFC 4568, with the GCM suites of RFC 7714 §14.2).
//!
//! The attribute is only as secret as the signalling that carries it. Keys show in no log: their `Debug` says nothing.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// Attributes of one section that are looked at; phones offer up to eight.
pub(super) const CRYPTO_MAX: usize = 16;

/// How packets are protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Suite {
    /// AES in counter mode, HMAC-SHA1 cut to 80 bits.
    AesCm128Sha1_80,
    /// The same, in RTP cut to 32 bits.
    AesCm128Sha1_32,
    AeadAes128Gcm,
    AeadAes256Gcm,
}

impl Suite {
    /// In the order in which we offer them.
    pub const ALL: [Self; 4] = [Self::AesCm128Sha1_80, Self::AeadAes256Gcm, Self::AeadAes128Gcm, Self::AesCm128Sha1_32];

    pub fn text(self) -> &'static str {
        match self {
            Self::AesCm128Sha1_80 => "AES_CM_128_HMAC_SHA1_80",
            Self::AesCm128Sha1_32 => "AES_CM_128_HMAC_SHA1_32",
            Self::AeadAes128Gcm => "AEAD_AES_128_GCM",
            Self::AeadAes256Gcm => "AEAD_AES_256_GCM",
        }
    }

    fn from_text(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|suite| suite.text().eq_ignore_ascii_case(text))
    }

    /// Octets of the master key; the salt follows it.
    pub fn key_len(self) -> usize {
        match self {
            Self::AesCm128Sha1_80 | Self::AesCm128Sha1_32 | Self::AeadAes128Gcm => 16,
            Self::AeadAes256Gcm => 32,
        }
    }

    pub fn salt_len(self) -> usize {
        match self {
            Self::AesCm128Sha1_80 | Self::AesCm128Sha1_32 => 14,
            Self::AeadAes128Gcm | Self::AeadAes256Gcm => 12,
        }
    }
}

/// Longest master key with its salt.
const KEY_MAX: usize = 44;

/// A master key with its salt, for one direction. Written down it is `suite base64`.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Key {
    suite: Suite,
    bytes: [u8; KEY_MAX],
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({})", self.suite.text())
    }
}

impl Key {
    fn new(suite: Suite, secret: &[u8]) -> Option<Self> {
        let mut bytes = [0; KEY_MAX];
        let len = suite.key_len() + suite.salt_len();
        (secret.len() == len).then(|| bytes[..len].copy_from_slice(secret))?;
        Some(Self { suite, bytes })
    }

    /// One for each suite, none of which tells anything of another: SHA-256 of a secret of 256 bits, which must be random and
    /// stay here, and `number`, which must not serve twice with it.
    pub fn all(secret: &[u8; 32], number: u64) -> Vec<Self> {
        let make = |suite: Suite| {
            let mut bytes = [0; KEY_MAX];
            for (part, out) in bytes.chunks_mut(32).enumerate() {
                let block = Sha256::new()
                    .chain_update(secret)
                    .chain_update(b"srtp")
                    .chain_update(number.to_be_bytes())
                    .chain_update([suite as u8, part as u8])
                    .finalize();
                out.copy_from_slice(&block[..out.len()]);
            }
            bytes[suite.key_len() + suite.salt_len()..].fill(0);
            Self { suite, bytes }
        };
        Suite::ALL.into_iter().map(make).collect()
    }

    pub fn suite(&self) -> Suite {
        self.suite
    }

    /// The key, and behind it the salt.
    fn secret(&self) -> &[u8] {
        &self.bytes[..self.suite.key_len() + self.suite.salt_len()]
    }

    pub fn key(&self) -> &[u8] {
        &self.bytes[..self.suite.key_len()]
    }

    pub fn salt(&self) -> &[u8] {
        &self.bytes[self.suite.key_len()..][..self.suite.salt_len()]
    }
}

impl From<Key> for String {
    fn from(key: Key) -> Self {
        format!("{} {}", key.suite.text(), STANDARD.encode(key.secret()))
    }
}

impl TryFrom<String> for Key {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let (suite, secret) = text.split_once(' ').ok_or("no key")?;
        let suite = Suite::from_text(suite).ok_or("unknown suite")?;
        let secret = STANDARD.decode(secret).map_err(|_| "no base64")?;
        Self::new(suite, &secret).ok_or("wrong length")
    }
}

/// What protects a session: both of one suite.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Keys {
    /// Of what we send.
    pub ours: Key,
    /// Of what we receive.
    pub theirs: Key,
}

/// One `a=crypto` line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Crypto {
    /// Ties an answer to what it answers.
    pub tag: u32,
    pub key: Key,
}

impl Crypto {
    /// The value behind `crypto:`. `None` for what we cannot do: another suite, several keys, an index of keys in each packet
    /// (MKI), no encryption, a key derivation rate. Such a line is passed over (RFC 4568 §5.1.2).
    pub(super) fn parse(value: &str) -> Option<Self> {
        let mut parts = value.split_ascii_whitespace();
        let (tag, suite, params) = (parts.next()?, parts.next()?, parts.next()?);
        // §9.1: one to nine digits, no leading zeros (which some write all the same).
        let tag = Some(tag).filter(|t| (1..=9).contains(&t.len()) && t.bytes().all(|b| b.is_ascii_digit()))?;
        let suite = Suite::from_text(suite)?;
        let mut key = params.strip_prefix("inline:")?.split('|');
        let secret = STANDARD.decode(key.next()?).ok()?;
        // A lifetime has no colon, an MKI has one. Our own side never lasts as long as the lifetimes that are common (2^31).
        if key.any(|part| part.contains(':')) || params.contains(';') {
            return None;
        }
        let harmless = |param: &str| param.starts_with("WSH=") || param.starts_with('-') || param == "KDR=0";
        parts.all(harmless).then_some(())?;
        Some(Self { tag: tag.parse().ok()?, key: Key::new(suite, &secret)? })
    }
}

impl fmt::Display for Crypto {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let len = self.key.suite.key_len() + self.key.suite.salt_len();
        write!(f, "{} {} inline:{}", self.tag, self.key.suite.text(), STANDARD.encode(&self.key.bytes[..len]))
    }
}

/// Whether a session is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Protect {
    /// Never.
    #[default]
    Never,
    /// Where the other side can (RFC 8643): offers name keys beside `RTP/AVP`, offers of either kind are answered.
    IfPossible,
    /// Always: `RTP/SAVP`, or no session.
    Always,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 4568 §6.1 and appendix A, GCM by RFC 7714 §14.2.
    #[test]
    fn lines_of_the_rfcs_are_read_and_written() {
        let plain = "1 AES_CM_128_HMAC_SHA1_80 inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz";
        let read = Crypto::parse(plain).unwrap();
        assert_eq!((read.tag, read.key.suite()), (1, Suite::AesCm128Sha1_80));
        assert_eq!((read.key.key().len(), read.key.salt().len()), (16, 14));
        assert_eq!(read.to_string(), plain);
        assert!(!format!("{read:?}").contains("WVNf"), "a key shows in no log");
        for fine in ["|2^20", "|1048576", " WSH=60", " -UNKNOWN", " KDR=0", "|2^20 WSH=64"] {
            assert_eq!(Crypto::parse(&format!("{plain}{fine}")), Some(read.clone()), "{fine}");
        }
        for bad in ["|2^20|1:4", "|1:4", ";inline:WVNf|2^20|2:4", " UNENCRYPTED_SRTP", " KDR=1", " FEC_KEY=inline:x"] {
            assert_eq!(Crypto::parse(&format!("{plain}{bad}")), None, "{bad}");
        }
        for bad in [
            "",
            "1",
            "x AES_CM_128_HMAC_SHA1_80 inline:WVNf",
            "1 F8_128_HMAC_SHA1_80 inline:WVNf",
            "1 AES_CM_128_HMAC_SHA1_80 inline:WVNf",
        ] {
            assert_eq!(Crypto::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn keys_differ_by_suite_number_and_secret() {
        let mut all: Vec<Vec<u8>> = Vec::new();
        for (secret, number) in [([1; 32], 1), ([1; 32], 2), ([2; 32], 1)] {
            for key in Key::all(&secret, number) {
                let (bytes, salt) = (key.key().to_vec(), key.salt().to_vec());
                assert!(all.iter().all(|k| k[..12] != bytes[..12] && k[..12] != salt[..12]));
                let line = Crypto { tag: 7, key }.to_string();
                assert_eq!(Crypto::parse(&line).map(|c| c.key), Some(key));
                all.extend([bytes, salt]);
            }
        }
    }
}
