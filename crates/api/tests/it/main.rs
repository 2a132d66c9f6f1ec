//! The interface against a real store (SQLite in a temporary directory) and a real engine; telephony is a pair of
//! channels that the tests hold.
#![expect(clippy::unwrap_used, reason = "a failed step fails the test")]

mod access;
mod administration;
mod history;
mod openapi;
mod privacy;
mod sign_in;
mod sockets;
mod support;
mod tenants;
mod voicemails;
