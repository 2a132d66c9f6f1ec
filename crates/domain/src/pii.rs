//! Personal data on its way to a log: redacted unless the operator turned that off.
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};

static REVEAL: AtomicBool = AtomicBool::new(false);

/// Show personal data in logs from now on. Called once by the binary from its configuration.
pub fn reveal_in_logs(on: bool) {
    REVEAL.store(on, Ordering::Relaxed);
}

/// Wraps a phone number, name or text so that logging it prints `[redacted]`.
#[derive(Clone, Copy)]
pub struct Pii<T>(pub T);

impl<T: fmt::Display> fmt::Display for Pii<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if REVEAL.load(Ordering::Relaxed) { self.0.fmt(f) } else { f.write_str("[redacted]") }
    }
}

impl<T: fmt::Display> fmt::Debug for Pii<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
