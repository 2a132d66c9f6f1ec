//! Relays (TURN, RFC 8656) and STUN servers of the operator's that browsers may use to reach us through firewalls.
//!
//! We are not their client: a browser's relay sends us plain UDP, as the browser would. What is handed out here lets the
//! browser in at the relay, and is told over its own socket before it makes a peer connection.
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use domain::id::DeviceId;
use domain::time::Timestamp;
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;

use crate::dto::socket::IceServer;

/// What an operator has set. Holds secrets: not printable.
#[derive(Clone, Default)]
pub struct Relays {
    /// As `turn:relay.example:3478?transport=tcp`, `turns:…` (RFC 7065) or `stun:…` (RFC 7064).
    pub urls: Vec<String>,
    pub access: Access,
    /// Browsers send nothing but through a relay.
    pub is_only_way: bool,
}

#[derive(Clone, Default)]
pub enum Access {
    /// STUN servers ask nobody.
    #[default]
    Open,
    /// One account for all.
    Account { user: String, password: String },
    /// Accounts that end by themselves, made from a secret that the relay knows too ("TURN REST API",
    /// draft-uberti-behave-turn-rest-00 §2.2; coturn's `use-auth-secret`).
    Secret(String),
}

impl Relays {
    /// What a browser's peer connection is given. `device` tells the relay's accounts apart and is the name in its log.
    pub(crate) fn servers(&self, device: DeviceId, now: Timestamp, life: Duration) -> Vec<IceServer> {
        if self.urls.is_empty() {
            return Vec::new();
        }
        let account = match &self.access {
            Access::Open => None,
            Access::Account { user, password } => Some((user.clone(), password.clone())),
            Access::Secret(secret) => {
                let user = format!("{}:{device}", (now + life).0 / 1000);
                password(secret, &user).map(|password| (user, password))
            }
        };
        let (username, credential) = account.unzip();
        vec![IceServer { urls: self.urls.clone(), username, credential }]
    }
}

/// `base64(HMAC-SHA1(secret, user))`.
fn password(secret: &str, user: &str) -> Option<String> {
    // Keys of any length are taken.
    let mut mac = Hmac::<Sha1>::new_from_slice(secret.as_bytes()).ok()?;
    mac.update(user.as_bytes());
    Some(BASE64_STANDARD.encode(mac.finalize().into_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shared_secret_makes_accounts_that_end_by_themselves() {
        let relays = Relays {
            urls: vec!["turn:relay.example".into(), "turns:relay.example:443?transport=tcp".into()],
            access: Access::Secret("north".into()),
            is_only_way: false,
        };
        let device = DeviceId::from_parts(1, 2);
        let servers = relays.servers(device, Timestamp(1_700_000_000_000), Duration::from_secs(3600));
        let [server] = &servers[..] else { panic!("{}", servers.len()) };
        assert_eq!(server.urls, relays.urls);
        let user = format!("1700003600:{device}");
        assert_eq!(server.username.as_deref(), Some(user.as_str()));
        assert_eq!(server.credential, password("north", &user));
        assert_ne!(server.credential, password("south", &user));
        // `printf %s 1700003600:agent | openssl dgst -sha1 -hmac north -binary | base64`
        assert_eq!(password("north", "1700003600:agent").as_deref(), Some("tQadflehGv/6gKXnxzbZyPXFT9E="));
    }

    #[test]
    fn one_account_for_all_is_told_as_it_is_and_stun_servers_need_none() {
        let device = DeviceId::from_parts(1, 2);
        let servers = |access| {
            let relays = Relays { urls: vec!["stun:relay.example".into()], access, is_only_way: false };
            relays.servers(device, Timestamp(0), Duration::ZERO)
        };
        let account = Access::Account { user: "u".into(), password: "p".into() };
        assert_eq!(servers(account)[0].credential.as_deref(), Some("p"));
        assert_eq!(servers(Access::Open)[0].username, None);
        assert!(Relays::default().servers(device, Timestamp(0), Duration::ZERO).is_empty());
    }
}
