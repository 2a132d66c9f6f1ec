//! Dialogs (RFC 3261 §12): identity, route set, remote target, CSeq order; and the wait for the ACK of a 2xx (§13.3.1.4).
//!
//! Called by `endpoint`, which decides what the requests mean. Nothing here sends.

use std::sync::Arc;
use std::time::Duration;

use crate::hop::Hop;
use crate::msg::{Builder, CSeq, Message, Method, Name, NameAddr, Uri};
use crate::transaction::Timers;

/// Call-ID, local tag, remote tag.
pub type DialogKey = (String, String, String);

/// One dialog, seen from our side.
#[derive(Debug, Clone)]
pub struct Dialog {
    pub call_id: String,
    /// Our address with our tag: From of what we send.
    pub local: NameAddr,
    /// The peer's address with its tag: To of what we send.
    pub remote: NameAddr,
    /// Where requests are addressed to: the peer's Contact.
    pub target: Uri,
    /// Route values in sending order.
    pub routes: Vec<String>,
    /// CSeq number of our last request.
    pub local_cseq: u32,
    /// CSeq number of the peer's last request.
    pub remote_cseq: Option<u32>,
}

impl Dialog {
    /// The dialog an INVITE creates at its receiver. `None` when it has no usable Contact (§8.1.1.8 demands one).
    pub fn of_incoming(request: &Message, tag: &str) -> Option<Self> {
        let contact = request.contact()?;
        Some(Self {
            call_id: request.call_id().to_owned(),
            local: request.to.clone().with_tag(tag),
            remote: request.from.clone(),
            target: contact.uri,
            routes: request.list(Name::RecordRoute).map(str::to_owned).collect(),
            local_cseq: 0,
            remote_cseq: Some(request.cseq.number),
        })
    }

    /// The dialog a response to our INVITE creates. A response without Contact leaves the request's target.
    pub fn of_response(request: &Message, response: &Message) -> Option<Self> {
        let target = match response.contact() {
            Some(contact) => contact.uri,
            None => request.uri()?.clone(),
        };
        let mut routes: Vec<String> = response.list(Name::RecordRoute).map(str::to_owned).collect();
        // The sender of the request sees the proxies in reverse (§12.1.2).
        routes.reverse();
        Some(Self {
            call_id: request.call_id().to_owned(),
            local: request.from.clone(),
            remote: response.to.clone(),
            target,
            routes,
            local_cseq: request.cseq.number,
            remote_cseq: None,
        })
    }

    pub fn key(&self) -> DialogKey {
        let tag = |address: &NameAddr| address.tag().unwrap_or("").to_owned();
        (self.call_id.clone(), tag(&self.local), tag(&self.remote))
    }

    /// The key of the dialog a received request belongs to.
    pub fn key_of_request(request: &Message) -> DialogKey {
        let tag = |address: &NameAddr| address.tag().unwrap_or("").to_owned();
        (request.call_id().to_owned(), tag(&request.to), tag(&request.from))
    }

    /// Judges the CSeq of a new request from the peer: false when it is out of order (§12.2.2), which deserves a 500.
    pub fn admit_cseq(&mut self, number: u32) -> bool {
        if self.remote_cseq.is_some_and(|last| number <= last) {
            return false;
        }
        self.remote_cseq = Some(number);
        true
    }

    /// Takes the peer's new Contact from a target refresh (re-INVITE or its 2xx).
    pub fn refresh_target(&mut self, message: &Message) {
        if let Some(contact) = message.contact() {
            self.target = contact.uri;
        }
    }

    /// Takes the next CSeq number for a request of ours.
    pub fn next_cseq(&mut self) -> u32 {
        self.local_cseq += 1;
        self.local_cseq
    }

    /// Starts a request within the dialog: request line, Via, Max-Forwards, Route, From, To, Call-ID, CSeq.
    pub fn request(&self, method: &Method, cseq: u32, via: &str) -> Builder {
        let first = self.routes.first().and_then(|route| NameAddr::parse(route).ok());
        let strict = first.filter(|route| !route.uri.params.has("lr"));
        // A strict router wants itself in the request line and the target as the last Route (§12.2.1.1).
        let (uri, skip) = match &strict {
            Some(router) => (&router.uri, 1),
            None => (&self.target, 0),
        };
        let mut out = Builder::request(method, uri).header(Name::Via, via).header(Name::MaxForwards, 70);
        for route in self.routes.iter().skip(skip) {
            out = out.header(Name::Route, route);
        }
        if strict.is_some() {
            out = out.header(Name::Route, format_args!("<{}>", self.target));
        }
        out.header(Name::From, &self.local)
            .header(Name::To, &self.remote)
            .header(Name::CallId, &self.call_id)
            .header(Name::CSeq, CSeq { number: cseq, method: method.clone() })
    }

    /// The URI whose host the next request goes to: first Route, else the target.
    pub fn next_hop_uri(&self) -> Uri {
        let first = self.routes.first().and_then(|route| NameAddr::parse(route).ok());
        first.map_or_else(|| self.target.clone(), |route| route.uri)
    }
}

/// A 2xx of ours that is repeated until its ACK comes (§13.3.1.4), over any transport.
#[derive(Debug, Clone)]
pub struct AckWait {
    /// The 2xx, and where it goes.
    pub bytes: Arc<[u8]>,
    pub hop: Hop,
    /// CSeq number the ACK must carry.
    pub cseq: u32,
    interval: Duration,
    limit: Duration,
    resend_at: Duration,
    give_up_at: Duration,
}

/// What an [`AckWait`] wants at its deadline.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AckStep {
    Wait,
    Resend,
    GiveUp,
}

impl AckWait {
    pub fn new(bytes: Arc<[u8]>, hop: Hop, cseq: u32, timers: &Timers, now: Duration) -> Self {
        Self {
            bytes,
            hop,
            cseq,
            interval: timers.t1,
            limit: timers.t2,
            resend_at: now + timers.t1,
            give_up_at: now + timers.patience(),
        }
    }

    pub fn deadline(&self) -> Duration {
        self.resend_at.min(self.give_up_at)
    }

    pub fn on_timeout(&mut self, now: Duration) -> AckStep {
        if self.give_up_at <= now {
            return AckStep::GiveUp;
        }
        if self.resend_at > now {
            return AckStep::Wait;
        }
        self.interval = (self.interval * 2).min(self.limit);
        self.resend_at = now + self.interval;
        AckStep::Resend
    }
}
