//! Unguessable identifiers from a seed: branches, tags, Call-IDs. Deterministic, so that a run can be repeated.

use sha2::{Digest, Sha256};

/// A counter run through SHA-256 with a secret seed. Tags must not be guessable (RFC 3261 §19.3).
#[derive(Debug, Clone)]
pub(crate) struct Random {
    seed: [u8; 32],
    counter: u64,
}

impl Random {
    pub(crate) fn new(seed: [u8; 32]) -> Self {
        Self { seed, counter: 0 }
    }

    fn block(&mut self) -> [u8; 32] {
        self.counter += 1;
        Sha256::new()
            .chain_update(self.seed)
            .chain_update(b"random")
            .chain_update(self.counter.to_be_bytes())
            .finalize()
            .into()
    }

    /// `bytes` random bytes (at most 32) as lower-case hex.
    pub(crate) fn hex(&mut self, bytes: usize) -> String {
        let block = self.block();
        hex(&block[..bytes.min(32)])
    }

    /// A number below `limit`, which must not be 0.
    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        let block = self.block();
        let mut word = [0; 8];
        word.copy_from_slice(&block[..8]);
        u64::from_be_bytes(word) % limit.max(1)
    }

    /// A branch with the magic cookie of RFC 3261.
    pub(crate) fn branch(&mut self) -> String {
        format!("z9hG4bK{}", self.hex(12))
    }

    /// The same text for the same request: To tags of stateless responses must not differ between retransmissions.
    pub(crate) fn stable_tag(&self, parts: &[&str]) -> String {
        let mut hash = Sha256::new().chain_update(self.seed).chain_update(b"tag");
        for part in parts {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part.as_bytes());
        }
        hex(&hash.finalize()[..8])
    }
}

/// Lower-case hex.
pub(crate) fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut out = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        out.push(char::from(DIGITS[usize::from(byte >> 4)]));
        out.push(char::from(DIGITS[usize::from(byte & 15)]));
    }
    out
}
