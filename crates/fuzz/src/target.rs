//! The targets, one file each. What a target asserts stands at its head.

pub mod known;
pub mod rtp;
pub mod sdp;
pub mod sip_endpoint;
pub mod sip_message;
pub mod sip_other;
pub mod sip_stream;
pub mod spool;
pub mod stun;
pub mod wav;
