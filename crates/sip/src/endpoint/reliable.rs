//! Reliable provisional responses (RFC 3262) in both roles, and the early dialogs that they make.
//!
//! ```text
//! caller: 1xx with RSeq, in order → PRACK, told · again, or out of order → not told, not acknowledged (§4)
//! callee: 1xx ─T1, 2·T1, 4·T1 …→ again ─PRACK→ next in the queue, or the 2xx that waited · 64·T1 → 504 (§3)
//! ```

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use super::tables::{Owner, Stage, TxId};
use super::types::{CallId, EndCause, ExtraHeader};
use super::wire;
use super::{Endpoint, Hop};
use crate::dialog::Dialog;
use crate::msg::{Builder, Message, Method, Name};
use crate::session;
use crate::transaction::Timers;

/// Most early dialogs of one call: ends of a fork.
const EARLY_MAX: usize = 16;
/// Most provisional responses that wait for the PRACK of the one before; further ones are left out.
const QUEUE_MAX: usize = 8;

/// The caller's side of a dialog that is not confirmed yet.
#[derive(Debug)]
pub(super) struct EarlyDialog {
    pub tag: String,
    pub dialog: Dialog,
    /// RSeq of the newest reliable response.
    rseq: Option<u32>,
    /// Our offer has been answered in it.
    pub has_session: bool,
}

/// The callee's side.
#[derive(Debug, Default)]
pub(super) struct Reliable {
    /// The caller demands it, or understands it.
    pub required: bool,
    pub supported: bool,
    /// RSeq of the newest response, and the CSeq number of the INVITE.
    last: Option<(u32, u32)>,
    wait: Option<PrackWait>,
    queue: VecDeque<(u16, Option<Vec<u8>>)>,
    /// A 2xx that may not go out before the PRACK.
    held: Option<(Vec<u8>, Vec<ExtraHeader>)>,
}

#[derive(Debug)]
struct PrackWait {
    bytes: Arc<[u8]>,
    hop: Hop,
    has_sdp: bool,
    interval: Duration,
    resend_at: Duration,
    give_up_at: Duration,
}

impl Reliable {
    pub(super) fn of(invite: &Message) -> Self {
        let required = invite.list(Name::Require).any(|o| o.eq_ignore_ascii_case("100rel"));
        Self { required, supported: session::supports(invite, "100rel"), ..Self::default() }
    }

    pub(super) fn deadline(&self) -> Option<Duration> {
        self.wait.as_ref().map(|wait| wait.resend_at.min(wait.give_up_at))
    }

    /// May a 2xx go out (§5)? If not, it is kept.
    pub(super) fn holds(&mut self, sdp: &[u8], headers: &[ExtraHeader]) -> bool {
        let holds = self.wait.as_ref().is_some_and(|wait| wait.has_sdp);
        if holds {
            self.held = Some((sdp.to_vec(), headers.to_vec()));
        } else {
            // A final response ends the repeats; a PRACK under way is answered all the same.
            self.wait = None;
            self.queue.clear();
        }
        holds
    }
}

impl PrackWait {
    fn new(bytes: Arc<[u8]>, hop: Hop, has_sdp: bool, timers: &Timers, now: Duration) -> Self {
        Self {
            bytes,
            hop,
            has_sdp,
            interval: timers.t1,
            resend_at: now + timers.t1,
            give_up_at: now + timers.patience(),
        }
    }
}

impl Endpoint {
    /// A provisional response above 100 to an INVITE of ours. False when nobody is to be told of it.
    pub(super) fn on_provisional(&mut self, now: Duration, hop: Hop, tx: TxId, id: CallId, response: &Message) -> bool {
        let Some(tag) = response.to.tag() else { return true };
        let rseq = response.get(Name::RSeq).and_then(|text| text.trim().parse::<u32>().ok());
        let reliable = response.list(Name::Require).any(|o| o.eq_ignore_ascii_case("100rel"));
        let Some(entry) = self.clients.get(&tx) else { return true };
        let request = entry.request.clone();
        let Some(call) = self.calls.get_mut(&id) else { return true };
        if call.early.iter().all(|early| early.tag != tag)
            && call.early.len() < EARLY_MAX
            && let Some(dialog) = Dialog::of_response(&request, response)
        {
            call.early.push(EarlyDialog { tag: tag.to_owned(), dialog, rseq: None, has_session: false });
        }
        let local = call.source.local;
        let is_natted = call.is_natted;
        let Some(early) = call.early.iter_mut().find(|early| early.tag == tag) else { return !reliable };
        let has_offer = request.sdp().is_some();
        if reliable {
            // Without an offer of ours the answer would belong into the PRACK; we have not said that we could.
            let Some(rseq) = rseq.filter(|_| has_offer) else { return false };
            if early.rseq.is_some_and(|last| rseq != last.wrapping_add(1)) {
                return false;
            }
            early.rseq = Some(rseq);
        }
        early.has_session |= has_offer && response.sdp().is_some();
        if let Some(rseq) = rseq.filter(|_| reliable) {
            let cseq = early.dialog.next_cseq();
            let to = wire::dialog_hop(&early.dialog.next_hop_uri(), &Hop { local, ..hop }, is_natted);
            let via = wire::own_via(&self.config, &to, &self.random.branch());
            let rack = format!("{rseq} {} INVITE", request.cseq.number);
            let out = early
                .dialog
                .request(&Method::Prack, cseq, &via)
                .header(Name::RAck, rack)
                .header(Name::UserAgent, &self.config.user_agent);
            let credentials = call.credentials.clone();
            if let Some(entry) = self.clients.get_mut(&tx) {
                entry.early_cseq = entry.early_cseq.max(cseq);
            }
            self.send_request(now, to, out, Owner::Prack(id), credentials, 0);
        }
        true
    }

    /// The next CSeq number of the early dialog that `request` of ours belongs to.
    pub(super) fn next_early_cseq(&mut self, id: CallId, request: &Message) -> Option<u32> {
        let call = self.calls.get_mut(&id)?;
        let cseq = match call.early.iter_mut().find(|early| Some(early.tag.as_str()) == request.to.tag()) {
            Some(early) => early.dialog.next_cseq(),
            None => call.dialog.as_mut()?.next_cseq(),
        };
        if let Some(entry) = call.invite_out.and_then(|tx| self.clients.get_mut(&tx)) {
            entry.early_cseq = entry.early_cseq.max(cseq);
        }
        Some(cseq)
    }

    /// Sends a provisional response of ours.
    pub(super) fn progress(&mut self, now: Duration, id: CallId, status: u16, sdp: Option<Vec<u8>>) {
        let Some(call) = self.calls.get_mut(&id).filter(|call| call.stage == Stage::Ringing) else { return };
        let status = status.clamp(101, 199);
        let Some(tx) = call.invite_in else { return };
        let reliable = call.reliable.required || (call.reliable.supported && sdp.is_some());
        if reliable && call.reliable.wait.is_some() {
            if call.reliable.queue.len() < QUEUE_MAX {
                call.reliable.queue.push_back((status, sdp));
            }
            return;
        }
        let contact = call.contact.clone();
        let last = call.reliable.last;
        let Some(mut reply) = self.tx_reply(tx, status) else { return };
        reply = self.with_record_route(reply, tx).header(Name::Contact, contact).header(Name::Allow, wire::ALLOW);
        // §3: the first number is random, in the lower half so that it never wraps.
        let rseq = match last {
            Some((last, _)) => last + 1,
            None => 1 + u32::try_from(self.random.below(1 << 31)).unwrap_or(0) / 2,
        };
        if reliable {
            reply = reply.header(Name::Require, "100rel").header(Name::RSeq, rseq);
        }
        if let Some(sdp) = &sdp {
            reply = reply.body("application/sdp", sdp);
        }
        let Some(bytes) = self.tx_send(now, tx, status, reply).filter(|_| reliable) else { return };
        let Some(entry) = self.servers.get(&tx) else { return };
        let (hop, cseq) = (entry.reply_to, entry.request.cseq.number);
        if let Some(call) = self.calls.get_mut(&id) {
            call.reliable.last = Some((rseq, cseq));
            call.reliable.wait = Some(PrackWait::new(bytes, hop, sdp.is_some(), &self.config.timers, now));
        }
        self.settle_call(id);
    }

    /// The peer acknowledges a provisional response of ours.
    pub(super) fn on_prack(&mut self, now: Duration, hop: Hop, id: CallId, request: &Message, tag: &str) {
        let Some(call) = self.calls.get_mut(&id) else { return };
        let rack = request.get(Name::RAck).and_then(|text| {
            let mut parts = text.split_ascii_whitespace();
            let numbers = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
            (parts.next() == Some(Method::Invite.text()) && parts.next().is_none()).then_some(numbers)
        });
        // An offer in a PRACK would be one more than we made room for.
        let status = match rack {
            None => 400,
            Some(rack) if call.reliable.last != Some(rack) => 481,
            Some(_) if !request.body().is_empty() => 488,
            Some(_) => 200,
        };
        let answered = status == 200 && call.reliable.wait.take().is_some();
        let reply = self.tagged_reply(request, hop, status, tag);
        self.answer_at_once(now, hop, request, reply);
        if !answered {
            return;
        }
        let Some(call) = self.calls.get_mut(&id) else { return };
        match (call.reliable.held.take(), call.reliable.queue.pop_front()) {
            (Some((sdp, headers)), _) => self.accept(now, id, &sdp, &headers),
            (None, Some((status, sdp))) => self.progress(now, id, status, sdp),
            (None, None) => self.settle_call(id),
        }
    }

    /// Repeats a provisional response, or gives up on one who never acknowledges it. False when the call has ended.
    pub(super) fn on_reliable_timer(&mut self, now: Duration, id: CallId) -> bool {
        let Some(call) = self.calls.get_mut(&id) else { return false };
        let Some(wait) = call.reliable.wait.as_mut() else { return true };
        if wait.give_up_at <= now {
            self.reject(now, id, 504, &[]);
            self.drop_call(now, id, EndCause::TimedOut);
            return false;
        }
        if wait.resend_at <= now {
            // §3: doubles without an upper limit, unlike other repeats.
            wait.interval *= 2;
            wait.resend_at = now + wait.interval;
            let (hop, bytes) = (wait.hop, wait.bytes.clone());
            self.transmit(hop, bytes);
        }
        true
    }
}

/// Supported of an INVITE of ours.
pub(super) fn supported(out: Builder, has_offer: bool) -> Builder {
    out.header(Name::Supported, if has_offer { wire::SUPPORTED } else { wire::SUPPORTED_WITHOUT_OFFER })
}
