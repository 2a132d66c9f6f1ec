//! Guests of the customer page: a short-lived token, signed by a key of this node's.
//!
//! `base64url(tenant ‖ device ‖ expiry ‖ HMAC-SHA256)`. A guest may connect one peer connection and dial the tenant's
//! web numbers, nothing else. Whoever has dialled in time may come back to his call later, also after a restart.
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use domain::id::{DeviceId, TenantId};
use domain::time::Timestamp;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// From the click to the call's start.
pub const LIFE: Duration = Duration::from_secs(10 * 60);
/// Longest visit; a call that is up goes on until then.
pub const VISIT: Duration = Duration::from_secs(2 * 3600);
const BODY: usize = 16 + 16 + 8;

pub struct GuestKey([u8; 32]);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Guest {
    pub tenant: TenantId,
    pub device: DeviceId,
    pub expires: Timestamp,
}

impl GuestKey {
    pub fn new(key: [u8; 32]) -> Self {
        Self(key)
    }

    pub fn sign(&self, guest: Guest) -> String {
        let mut bytes = Vec::with_capacity(BODY + 32);
        bytes.extend_from_slice(&guest.tenant.0.to_be_bytes());
        bytes.extend_from_slice(&guest.device.0.to_be_bytes());
        bytes.extend_from_slice(&guest.expires.0.to_be_bytes());
        if let Some(mac) = self.mac(&bytes) {
            bytes.extend_from_slice(&mac.finalize().into_bytes());
        }
        BASE64_URL_SAFE_NO_PAD.encode(bytes)
    }

    /// The guest of a token with which one may connect; to dial, it must not have expired.
    pub fn open(&self, token: &str, now: Timestamp) -> Option<Guest> {
        if token.len() > 200 {
            return None;
        }
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(token).ok()?;
        let (body, tag) = bytes.split_at_checked(BODY)?;
        self.mac(body)?.verify_slice(tag).ok()?;
        let (tenant, rest) = body.split_first_chunk::<16>()?;
        let (device, expires) = rest.split_first_chunk::<16>()?;
        let guest = Guest {
            tenant: TenantId(u128::from_be_bytes(*tenant)),
            device: DeviceId(u128::from_be_bytes(*device)),
            expires: Timestamp(i64::from_be_bytes(expires.try_into().ok()?)),
        };
        (guest.expires + VISIT > now).then_some(guest)
    }

    fn mac(&self, body: &[u8]) -> Option<Hmac<Sha256>> {
        // HMAC takes keys of any length, so this never fails.
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).ok()?;
        mac.update(body);
        Some(mac)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_open_until_they_expire_and_not_after_a_change() {
        let key = GuestKey::new([7; 32]);
        let guest = Guest { tenant: TenantId(7), device: DeviceId(8), expires: Timestamp(1_000) };
        let token = key.sign(guest);
        let over = guest.expires + VISIT;
        assert_eq!(key.open(&token, Timestamp(over.0 - 1)), Some(guest));
        assert_eq!(key.open(&token, over), None);
        assert_eq!(GuestKey::new([8; 32]).open(&token, Timestamp(0)), None);
        for i in 0..token.len() {
            let mut changed = token.clone().into_bytes();
            changed[i] = if changed[i] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(changed).unwrap();
            // The last character carries spare bits; a strict decoder refuses them.
            assert_eq!(key.open(&changed, Timestamp(0)), None, "{i}");
        }
        assert_eq!(key.open("", Timestamp(0)), None);
    }
}
