//! SIP as a phone needs it: reading messages, answering challenges.
pub mod digest;
pub mod wire;
