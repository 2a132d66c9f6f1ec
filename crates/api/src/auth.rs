//! Sign-in.
pub const COOKIE: &str = "cordboard_session";
