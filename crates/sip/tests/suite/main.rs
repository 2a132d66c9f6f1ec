//! Tests of the `sip` crate through its public surface, in one binary so that they link once.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

mod calls;
mod client;
mod dialogs;
mod digest;
mod door;
mod hostile;
mod lossy;
mod messages;
mod net;
mod registrar;
mod reliable;
mod restart;
mod sdp;
mod torture;
mod transactions;
