//! Who is asking: passwords, session cookies, API tokens, CSRF, sign-in limits, and the gate of every operation.
//!
//! Permissions themselves are `domain::access::may`; this module only brings the question there.
pub mod caller;
pub mod gate;
pub mod guest;
pub mod limit;
pub mod password;

pub use caller::Caller;

/// The session cookie's name over plain HTTP (this machine).
pub const COOKIE: &str = "cordboard_session";
/// Its name over TLS. Another one, because browsers let no plain page replace a Secure cookie of the same name; the
/// prefix makes them refuse it from subdomains and other paths (RFC 6265bis §4.1.3.2).
pub const SECURE_COOKIE: &str = "__Host-cordboard_session";
/// Header that carries the session's CSRF token on every change.
pub const CSRF_HEADER: &str = "x-csrf-token";
/// Of a session, from its last use.
pub const SESSION_LIFE: std::time::Duration = std::time::Duration::from_secs(12 * 3600);
