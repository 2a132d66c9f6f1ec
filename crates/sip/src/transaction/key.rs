//! How requests find their server transaction (RFC 3261 §17.2.3), with the fallback for RFC 2543 clients.

use std::fmt::Write;

use crate::msg::{Message, Method, Name, Via};

/// Identity of a server transaction. ACK and CANCEL are looked up as the INVITE they belong to.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ServerKey {
    /// INVITE for ACK; the request's own otherwise.
    method: Method,
    /// Branch and sent-by, or what RFC 2543 compares, joined.
    identity: String,
}

impl ServerKey {
    /// The key of a request.
    pub fn of(request: &Message) -> Self {
        let method = match request.method() {
            Method::Ack => Method::Invite,
            other => other.clone(),
        };
        Self::with_method(request, method)
    }

    /// The key of the INVITE that a CANCEL wants to end (§9.2).
    pub fn cancelled_by(cancel: &Message) -> Self {
        Self::with_method(cancel, Method::Invite)
    }

    /// The key of an INVITE of which only the topmost Via is known; `None` when that does not tell.
    pub(crate) fn of_invite(via: &Via) -> Option<Self> {
        Some(Self { method: Method::Invite, identity: identity(via)? })
    }

    fn with_method(request: &Message, method: Method) -> Self {
        let identity = match identity(&request.via) {
            Some(identity) => identity,
            None => {
                // The To tag is left out: an INVITE has none where its ACK has one. All else must agree.
                let uri = request.uri().map(ToString::to_string).unwrap_or_default();
                let via = request.get(Name::Via).unwrap_or("");
                let from = request.from.tag().unwrap_or("");
                format!("2543\n{uri}\n{from}\n{}\n{}\n{via}", request.call_id(), request.cseq.number)
            }
        };
        Self { method, identity }
    }
}

/// What names a transaction since RFC 3261.
fn identity(via: &Via) -> Option<String> {
    let branch = via.branch()?;
    let mut out = String::with_capacity(branch.len() + via.host.len() + 7);
    out.push_str(branch);
    out.make_ascii_lowercase();
    // Writing to a String cannot fail.
    let _ = write!(out, "\n{}:{}", via.host, via.port.unwrap_or(5060));
    Some(out)
}
