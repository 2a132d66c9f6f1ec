//! One suite for both databases: `both!` makes two tests of each body, `sqlite` and `postgres`.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop here")]
mod admin;
mod coverage;
mod env;
mod history;
mod holds;
mod isolation;
mod journal;
mod opening;
mod people;
mod secrets;
mod voicemails;
