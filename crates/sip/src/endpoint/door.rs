//! Refusing new calls without state (RFC 3261 §8.2.7, §21.5.4): a node that takes none must spend as little as it can on
//! each, or the flood takes what living calls need.
//!
//! The 503 is made from the lines a glance finds; nothing is remembered, and a repeat gets the same answer. Its To tag
//! begins with a mark by which the ACK (which a refused caller must send, §17.1.1.3) is known and dropped unread.

use std::fmt::Write;
use std::hash::{DefaultHasher, Hash, Hasher};

use super::types::Transmit;
use super::{Endpoint, Hop, wire};
use crate::msg::{Glance, Via};
use crate::random::Random;
use crate::transaction::ServerKey;

/// Seconds after which refused work may be tried again.
pub(super) const RETRY_AFTER_S: u32 = 5;

/// What the tags of refusals begin with; another one in each process.
#[derive(Debug)]
pub(super) struct Mark(String);

impl Mark {
    pub(super) fn new(random: &Random) -> Self {
        Self(random.stable_tag(&["door"])[..10].to_owned())
    }

    /// True for the ACK of a refusal.
    pub(super) fn is_on(&self, bytes: &[u8]) -> bool {
        bytes.starts_with(b"ACK ")
            && Glance::of(bytes).and_then(|ack| ack.to_tag()).is_some_and(|tag| tag.starts_with(&self.0))
    }
}

impl Endpoint {
    /// The 503 for a new INVITE, for a door that is closed. `None` for anything else, as a message that only a parser can
    /// judge or a repeat of an INVITE that is being served: hand that to [`Endpoint::handle`].
    pub fn turn_away(&self, hop: &Hop, bytes: &[u8]) -> Option<Transmit> {
        let invite = Glance::of(bytes).filter(|g| g.method == "INVITE" && g.to_tag().is_none())?;
        let (top, others) = invite.vias().split_first()?;
        // A comma would mean two in one line.
        let mut via = Via::parse(top).filter(|via| !top.contains(',') && via.branch().is_some())?;
        if self.server_keys.contains_key(&ServerKey::of_invite(&via)?) {
            return None;
        }
        let to = wire::reply_hop(&via, hop);
        via.stamp(hop.remote);
        let mut tag = DefaultHasher::new();
        (invite.call_id, top, invite.from).hash(&mut tag);

        let mut out = String::with_capacity(bytes.len().min(1024) + 128);
        let _ = write!(out, "SIP/2.0 503 Service Unavailable\r\nVia: {via}\r\n");
        for via in others {
            let _ = write!(out, "Via: {via}\r\n");
        }
        let Glance { from, to: callee, call_id, cseq, .. } = invite;
        let (mark, tag, server) = (&self.mark.0, tag.finish(), &self.config.user_agent);
        // Writing to a String cannot fail.
        let _ = write!(
            out,
            "From: {from}\r\nTo: {callee};tag={mark}{tag:016x}\r\nCall-ID: {call_id}\r\nCSeq: {cseq}\r\n\
             Retry-After: {RETRY_AFTER_S}\r\nServer: {server}\r\nContent-Length: 0\r\n\r\n"
        );
        Some(Transmit { hop: to, bytes: out.into_bytes().into() })
    }
}
