//! Loads for measuring a running server from outside: SIP callers, auto-answering SIP devices, RTP streams.
//!
//! Knows the server by its protocols and its REST interface alone and imports none of its crates. The program `load` runs
//! the scenarios; tests use [`phones`] and its [`ledger`] for calls whose fate they must know. Cheap on purpose: it shares
//! the processors with what it measures.
pub mod browsers;
pub mod company;
pub mod http;
pub mod ledger;
pub mod phones;
pub mod process;
pub mod report;
pub mod rtp;
pub mod scenario;
pub mod server;
pub mod sip;
pub mod svg;
