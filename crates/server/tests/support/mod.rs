//! What the end-to-end tests share: a real server process, independent telephone peers, sound judged outside the server.
#![allow(dead_code, reason = "each test binary uses its part")]
pub mod http;
pub mod peers;
pub mod rtp;
pub mod server;
pub mod sound;

use std::time::{Duration, Instant};

/// Waits for a condition, never for a while; panics with `what` after `limit`.
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
