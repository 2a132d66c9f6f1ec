//! Requests within dialogs: ACK, BYE, re-INVITE, INFO, OPTIONS (RFC 3261 §12.2.2, §13.3, §14.2, §15.1.2), REFER
//! (RFC 3515). UPDATE is in `refresh`, PRACK in `reliable`.

use std::sync::Arc;
use std::time::Duration;

use super::refresh::{calling_key, is_repeat};
use super::tables::Stage;
use super::types::{CallId, EndCause, Event, Replaced};
use super::{Endpoint, Hop};
use crate::dialog::Dialog;
use crate::msg::{Message, Method, Name, NameAddr, Replaces, Uri};

/// The target of a REFER, or the status that refuses it: one Refer-To (RFC 3515 §2.1), of a scheme that can be called; and
/// the dialog it names to be replaced.
fn refer_target(request: &Message) -> Result<(Uri, Option<Replaces>), u16> {
    let mut values = request.all(Name::ReferTo);
    let (Some(value), None) = (values.next(), values.next()) else { return Err(400) };
    let to = NameAddr::parse(value).map_err(|_| 400u16)?;
    if !to.uri.is_sip() {
        return Err(416);
    }
    match Replaces::of_uri(&to.uri) {
        Some(None) => Err(400),
        Some(replaces) => Ok((to.uri, replaces)),
        None => Ok((to.uri, None)),
    }
}

impl Endpoint {
    pub(super) fn on_dialog_request(&mut self, now: Duration, hop: Hop, request: Arc<Message>) {
        let key = Dialog::key_of_request(&request);
        let Some(id) = self.dialogs.get(&key).copied() else {
            return match self.dialogs.get(&calling_key(&request)).copied() {
                Some(id) => self.on_early_request(now, hop, id, request),
                None => self.refuse(&request, hop, 481),
            };
        };
        if !self.has_room_in_dialog() {
            return;
        }
        let Some(call) = self.calls.get_mut(&id).filter(|call| !is_repeat(call.update_in.as_ref(), &request)) else {
            return;
        };
        let Some(dialog) = call.dialog.as_mut() else { return };
        if !dialog.admit_cseq(request.cseq.number) {
            return self.refuse(&request, hop, 500);
        }
        call.source = hop;
        let (tag, closing) = (key.1, call.closing);
        match request.method() {
            Method::Invite => self.on_reinvite(now, hop, id, request, tag),
            Method::Update => self.on_update(now, hop, id, request, tag),
            Method::Prack => self.on_prack(now, hop, id, &request, &tag),
            Method::Bye => {
                let reply = self.tagged_reply(&request, hop, 200, &tag);
                self.answer_at_once(now, hop, &request, reply);
                let Some(call) = self.calls.get_mut(&id) else { return };
                let ringing = call.stage == Stage::Ringing;
                // §15.1.2: what still waits for an answer gets 487.
                if let Some(invite) = call.invite_in.take() {
                    self.tx_answer(now, invite, 487);
                }
                let reason = request.get(Name::Reason).map(str::to_owned);
                let cause = if ringing { EndCause::Cancelled { reason } } else { EndCause::Remote { reason } };
                self.drop_call(now, id, cause);
            }
            Method::Info => {
                let reply = self.tagged_reply(&request, hop, 200, &tag);
                self.answer_at_once(now, hop, &request, reply);
                if !closing && !request.body().is_empty() {
                    self.emit(Event::Info {
                        call: id,
                        content_type: request.get(Name::ContentType).unwrap_or("").to_owned(),
                        body: request.body().to_vec(),
                    });
                }
            }
            Method::Refer => {
                let (status, to) = match refer_target(&request) {
                    Ok(_) if closing => (481, None),
                    Ok(target) => (202, Some(target)),
                    Err(status) => (status, None),
                };
                let reply = self.tagged_reply(&request, hop, status, &tag);
                self.answer_at_once(now, hop, &request, reply);
                if let Some((to, replaces)) = to {
                    let replaces = replaces.map(|replaces| self.replaced(&replaces));
                    self.emit(Event::Refer { call: id, to, replaces });
                }
            }
            Method::Notify => {
                let refers = self.calls.get(&id).is_some_and(|call| call.refers);
                let event = request.get(Name::Event).map(|e| e.split(';').next().unwrap_or(e).trim());
                let status = match event {
                    // RFC 6665 §4.1.3: nothing that we asked for.
                    Some(e) if !refers && e.eq_ignore_ascii_case("refer") => 481,
                    Some(e) if e.eq_ignore_ascii_case("refer") => 200,
                    Some(_) | None => 489,
                };
                let reply = self.tagged_reply(&request, hop, status, &tag);
                self.answer_at_once(now, hop, &request, reply);
                if status == 200 {
                    self.on_refer_progress(id, &request);
                }
            }
            Method::Options => {
                let reply = self.capabilities(self.tagged_reply(&request, hop, 200, &tag));
                self.answer_at_once(now, hop, &request, reply);
            }
            Method::Other(_) => self.refuse(&request, hop, 501),
            _ => self.refuse(&request, hop, 405),
        }
    }

    /// The call of ours that a peer names (RFC 3891 §3): our tag is its to-tag. Some phones, to whom we are the other side of
    /// the call they name, write the two the other way round.
    pub(super) fn replaced(&self, named: &Replaces) -> Replaced {
        let Replaces { call_id, to_tag, from_tag, early_only } = named;
        let known = |own: &String, other: &String| {
            let of = |other: &str| self.dialogs.get(&(call_id.clone(), own.clone(), other.to_owned())).copied();
            // Of a call of ours that nobody has answered, the index knows our half.
            let rings = |call: &CallId| {
                self.calls.get(call).is_some_and(|row| row.early.iter().any(|early| early.tag == *other))
            };
            of(other).or_else(|| of("").filter(rings))
        };
        let found = known(to_tag, from_tag).or_else(|| known(from_tag, to_tag));
        let found = found.filter(|call| self.calls.get(call).is_some_and(|row| !row.closing));
        found.map_or(Replaced::Unknown, |call| Replaced::Call { call, early_only: *early_only })
    }

    /// RFC 3515 §2.4.4: the status line of the call that the peer makes; without one, how the subscription stands.
    fn on_refer_progress(&mut self, id: CallId, notify: &Message) {
        let over = notify
            .get(Name::SubscriptionState)
            .is_some_and(|s| s.get(..10).is_some_and(|s| s.eq_ignore_ascii_case("terminated")));
        let told =
            std::str::from_utf8(notify.body()).ok().and_then(|b| b.strip_prefix("SIP/2.0 ")?.get(..3)?.parse().ok());
        let status = match told {
            Some(status @ 100..=699) => status,
            Some(_) | None if over => 487,
            Some(_) | None => 100,
        };
        if (over || status >= 200)
            && let Some(call) = self.calls.get_mut(&id)
        {
            call.refers = false;
        }
        self.emit(Event::ReferProgress { call: id, status });
    }

    fn on_reinvite(&mut self, now: Duration, hop: Hop, id: CallId, request: Arc<Message>, tag: String) {
        let Some(call) = self.calls.get_mut(&id) else { return };
        // §14.2: one at a time. Ours under way means glare; theirs under way means a confused peer. Until our last 2xx or
        // theirs is acknowledged the offer before is not settled either (RFC 5407 §3.2).
        if call.invite_in.is_some() || call.update_in.is_some() {
            return self.refuse(&request, hop, 500);
        }
        if call.invite_out.is_some() || call.ack_wait.is_some() || call.pending_ack.is_some() || call.closing {
            return self.refuse(&request, hop, 491);
        }
        if let Some(status) = Self::body_fault(&request) {
            return self.refuse(&request, hop, status);
        }
        if self.refuse_interval(&request, hop) {
            return;
        }
        let Some(call) = self.calls.get_mut(&id) else { return };
        if let Some(dialog) = call.dialog.as_mut() {
            dialog.refresh_target(&request);
        }
        let sdp = request.sdp().map(<[u8]>::to_vec);
        let tx = self.open_server(hop, &request, id, tag);
        self.tx_answer(now, tx, 100);
        if let Some(call) = self.calls.get_mut(&id) {
            call.invite_in = Some(tx);
        }
        self.emit(Event::Reinvite { call: id, sdp });
    }

    /// ACK of a 2xx; ACKs of other responses end in their transaction.
    pub(super) fn on_ack(&mut self, now: Duration, hop: Hop, ack: &Message) {
        let Some(id) = self.dialogs.get(&Dialog::key_of_request(ack)).copied() else { return };
        let Some(call) = self.calls.get_mut(&id) else { return };
        if call.ack_wait.as_ref().is_none_or(|wait| wait.cseq != ack.cseq.number) {
            return;
        }
        call.ack_wait = None;
        call.source = hop;
        let first = !std::mem::replace(&mut call.is_established, true);
        if call.closing {
            self.end_call(now, id, EndCause::Local, &[]);
            return;
        }
        let sdp = ack.sdp().map(<[u8]>::to_vec);
        self.emit(if first { Event::Established { call: id, sdp } } else { Event::ReinviteAcked { call: id, sdp } });
        self.start_wish(now, id);
        self.settle_call(id);
    }
}
