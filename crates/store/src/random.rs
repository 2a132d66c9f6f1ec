//! Randomness for ids, secrets and nonces, from the operating system through aws-lc. L0 crates never call this.
use domain::time::Timestamp;
use sha2::{Digest, Sha256};

/// Fills `bytes` with random bits.
pub(crate) fn fill(bytes: &mut [u8]) {
    // aws-lc reseeds itself from the operating system; without randomness no secret may be made, so stop.
    #[expect(clippy::expect_used, reason = "a machine without randomness must not go on")]
    aws_lc_rs::rand::fill(bytes).expect("operating system randomness");
}

/// 128 random bits for `QueueId::from_parts(now.0, random::bits())` and its like.
pub fn bits() -> u128 {
    let mut bytes = [0; 16];
    fill(&mut bytes);
    u128::from_le_bytes(bytes)
}

/// 256 random bits as 64 hex digits: session secrets, API tokens, one-time links.
pub fn secret() -> String {
    let mut bytes = [0; 32];
    fill(&mut bytes);
    hex::encode(bytes)
}

/// The present time of the wall clock, for callers that have no better one.
pub fn wall_clock() -> Timestamp {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    Timestamp(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

/// How a secret of 256 random bits is stored. No salt or stretching: it cannot be guessed.
pub(crate) fn hash_secret(secret: &str) -> String {
    hex::encode(Sha256::digest(secret.as_bytes()))
}
