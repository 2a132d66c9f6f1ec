//! What we ask of servers outside of calls: REGISTER and OPTIONS; and answers to their challenges.

use std::time::Duration;

use super::tables::{Owner, TxId};
use super::types::{Event, PingId, Register, Reply};
use super::wire;
use super::{Endpoint, Hop};
use crate::digest::Credentials;
use crate::msg::{Builder, CSeq, ContactList, Message, Method, Name, NameAddr, Uri};

impl Endpoint {
    pub(super) fn register(&mut self, now: Duration, wish: Register) {
        let Register { ping, hop, registrar, aor, contact_user, call_id, cseq, expires, credentials } = wish;
        let method = Method::Register;
        let (branch, tag) = (self.random.branch(), self.random.hex(8));
        let mut out = Builder::request(&method, &registrar)
            .header(Name::Via, wire::own_via(&self.config, &hop, &branch))
            .header(Name::MaxForwards, 70)
            .header(Name::From, NameAddr::new(aor.clone()).with_tag(&tag))
            .header(Name::To, NameAddr::new(aor))
            .header(Name::CallId, call_id)
            .header(Name::CSeq, CSeq { number: cseq, method: method.clone() })
            .header(Name::UserAgent, &self.config.user_agent);
        if let Some(expires) = expires {
            let contact = wire::own_contact(&self.config, &hop, Some(&contact_user), &registrar);
            out = out
                .header(Name::Contact, format_args!("{contact};expires={expires}"))
                .header(Name::Expires, expires)
                .header(Name::Allow, wire::ALLOW);
        }
        let out = self.authorize(hop, &method, &registrar, credentials.as_ref(), out);
        let owner = Owner::Register(ping);
        let sent = self.has_room().then(|| self.send_request(now, hop, out, owner, credentials, 0)).flatten();
        if sent.is_none() {
            self.emit(Event::RegisterResult { ping, reply: Reply::Unreachable, expires: None, retry_after: None });
        }
    }

    /// The final response to a REGISTER of ours, or its absence.
    pub(super) fn registered(&mut self, ping: PingId, id: TxId, reply: Reply, response: Option<&Message>) {
        let Some(request) = self.clients.get(&id).map(|entry| entry.request.clone()) else { return };
        let number = |name| response.and_then(|r| r.number(name));
        let expires = match reply {
            Reply::Status(200..=299) => response.and_then(|r| granted(&request, r)),
            Reply::Status(423) => number(Name::MinExpires),
            Reply::Status(_) | Reply::Silence | Reply::Unreachable => None,
        };
        let retry_after = number(Name::RetryAfter).filter(|_| !matches!(reply, Reply::Status(200..=299)));
        self.emit(Event::RegisterResult { ping, reply, expires, retry_after });
    }

    pub(super) fn ping(&mut self, now: Duration, ping: PingId, hop: Hop, uri: &Uri, credentials: Option<Credentials>) {
        let branch = self.random.branch();
        let tag = self.random.hex(8);
        let call_id = self.random.hex(16);
        let method = Method::Options;
        let own = wire::own_contact(&self.config, &hop, None, uri);
        let out = Builder::request(&method, uri)
            .header(Name::Via, wire::own_via(&self.config, &hop, &branch))
            .header(Name::MaxForwards, 70)
            .header(Name::From, format_args!("{own};tag={tag}"))
            .header(Name::To, NameAddr::new(uri.clone()))
            .header(Name::CallId, call_id)
            .header(Name::CSeq, CSeq { number: 1, method })
            .header(Name::Contact, &own)
            .header(Name::Accept, "application/sdp")
            .header(Name::UserAgent, &self.config.user_agent);
        let sent =
            self.has_room().then(|| self.send_request(now, hop, out, Owner::Ping(ping), credentials, 0)).flatten();
        if sent.is_none() {
            self.emit(Event::PingResult { ping, reply: Reply::Unreachable });
        }
    }

    /// Answers what the peer asked before, so that it need not ask again.
    pub(super) fn authorize(
        &mut self,
        hop: Hop,
        method: &Method,
        uri: &Uri,
        credentials: Option<&Credentials>,
        mut out: Builder,
    ) -> Builder {
        let Some(credentials) = credentials else { return out };
        let uri = uri.to_string();
        for (by_proxy, name) in [(false, Name::Authorization), (true, Name::ProxyAuthorization)] {
            let cnonce = self.random.hex(8);
            let answer = self.challenges.again(hop.remote, by_proxy, credentials, method.text(), &uri, &cnonce);
            if let Some(answer) = answer {
                out = out.header(name, answer);
            }
        }
        out
    }
}

/// Seconds for which a registrar keeps our Contact (RFC 3261 §10.2.4): the Contact's own, else those of the whole response,
/// else what we asked for.
fn granted(request: &Message, response: &Message) -> Option<u32> {
    let ContactList::Addresses(ours) = request.contacts()? else { return None };
    let ours = ours.first()?;
    let listed = match response.contacts() {
        Some(ContactList::Addresses(list)) => list.into_iter().find(|c| c.uri.same_contact(&ours.uri)),
        Some(ContactList::Star) | None => None,
    };
    let own = listed.and_then(|c| c.params.get("expires")?.parse().ok());
    own.or_else(|| response.number(Name::Expires)).or_else(|| request.number(Name::Expires))
}
