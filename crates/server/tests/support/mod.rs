//! What the end-to-end tests share: a real server process, independent telephone peers, sound judged outside the server.
//! The peers keep their own ledger ([`ledger`]); [`verdict`] holds the judges, [`company`] talks to the server's API.
#![allow(dead_code, reason = "each test binary uses its part")]
pub mod authority;
pub mod baresip;
pub mod browser;
pub mod call;
pub mod company;
pub mod crowd;
pub mod http;
pub mod kamailio;
pub mod ledger;
pub mod line;
pub mod lines;
pub mod linphone;
pub mod peers;
pub mod postgres;
pub mod random;
pub mod relay;
pub mod rtp;
pub mod scenario;
pub mod server;
pub mod small_disk;
pub mod sound;
pub mod traffic;
pub mod verdict;
pub mod web_phone;

use std::time::{Duration, Instant};

/// Waits for a condition, never for a while; panics with `what` after `limit`.
#[track_caller]
pub fn wait_for<T>(what: &str, limit: Duration, mut probe: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + limit;
    loop {
        if let Some(found) = probe() {
            return found;
        }
        assert!(Instant::now() < deadline, "waited {limit:?} in vain for {what}");
        std::thread::park_timeout(Duration::from_millis(20));
    }
}

/// Most waits of the tests: far longer than anything that works takes, even on a busy machine.
pub const SOON: Duration = Duration::from_secs(20);
