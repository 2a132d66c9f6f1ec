//! The engine on a real store with a scripted switch in telephony's place.
#![allow(clippy::unwrap_used, reason = "tests")]
mod calls;
mod demo;
mod failures;
mod leases;
mod messages;
mod postgres;
mod projections;
mod recordings;
mod restart;
mod rig;
mod spool;
