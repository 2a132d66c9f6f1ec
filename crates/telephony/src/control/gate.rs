//! What the SIP endpoint asks about new calls and registrations, and the door that is closed while none are taken.
use std::sync::atomic::AtomicU64;

use sip::{Admission, Hop};
use switch::Policy;

use crate::stats::Counters;

/// The switch's policy, closed for new calls until the first directory is here (a 404 would be a lie) and while the
/// node does not keep up.
pub(super) struct Gate<'a> {
    pub(super) policy: &'a Policy,
    pub(super) is_closed: bool,
    pub(super) refused: &'a AtomicU64,
}

impl sip::Directory for Gate<'_> {
    fn admit(&self, hop: &Hop, invite: &sip::msg::Message) -> Admission {
        if self.is_closed {
            Counters::add(self.refused, 1);
            return Admission::Reject { status: 503 };
        }
        self.policy.admit(hop, invite)
    }

    fn realm(&self, domain: &str) -> Option<String> {
        self.policy.realm(domain)
    }

    fn account(&self, realm: &str, username: &str) -> Option<sip::Account> {
        self.policy.account(realm, username)
    }

    fn may_register(&self, user: &sip::registrar::UserKey, aor: &str) -> bool {
        self.policy.may_register(user, aor)
    }
}
