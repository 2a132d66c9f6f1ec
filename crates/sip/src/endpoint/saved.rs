//! Calls that outlive their process: written down as they stand, and taken up again by the next one.
//!
//! What is under way (a re-INVITE, an ACK not yet come) is not kept: the peer repeats it or lets it be, and the session
//! that was agreed last goes on.

use std::net::SocketAddr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Endpoint;
use super::reliable::Reliable;
use super::tables::{Call, Stage};
use super::types::CallId;
use crate::dialog::Dialog;
use crate::digest::Credentials;
use crate::hop::{Hop, Transport};
use crate::msg::{NameAddr, Uri};
use crate::session::{Clock, Refresher, SessionExpires};

/// Requests we may have sent since it was written. CSeq must grow; gaps are allowed (RFC 3261 §12.2.1.1).
const CSEQ_LEAP: u32 = 10_000;
/// When a session that we refresh was refreshed last is not known: soon, but not all of a node's at once.
const REFRESH_FROM: Duration = Duration::from_secs(2);
const REFRESH_SPREAD_MS: u64 = 8_000;

/// An established call, for [`super::Command::Adopt`]. Holds what proves us to the peer: keep it as a secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SavedCall {
    call_id: String,
    /// From of our next request, with our tag.
    local: String,
    /// To of our next request, with the peer's tag.
    remote: String,
    /// Request-URI of our next request.
    target: String,
    /// Route headers, first hop first.
    routes: Vec<String>,
    /// CSeq of our last request when this was written.
    local_cseq: u32,
    contact: String,
    owns_call_id: bool,
    /// By which way the peer was last heard.
    transport: Transport,
    local_address: SocketAddr,
    remote_address: SocketAddr,
    is_natted: bool,
    /// Interval of the session timer in seconds, and whether we refresh.
    timer: Option<(u64, bool)>,
    min_se_s: u64,
    takes_update: bool,
    sdp: String,
    login: Option<Credentials>,
}

impl SavedCall {
    fn hop(&self) -> Hop {
        // A connection of the former process is gone: the next one is opened, or comes from the peer.
        Hop { transport: self.transport, local: self.local_address, remote: self.remote_address, conn: None }
    }

    /// Where the peer was last heard from.
    pub fn remote_address(&self) -> SocketAddr {
        self.remote_address
    }

    fn dialog(&self) -> Option<Dialog> {
        Some(Dialog {
            call_id: self.call_id.clone(),
            local: NameAddr::parse(&self.local).ok()?,
            remote: NameAddr::parse(&self.remote).ok()?,
            target: Uri::parse(&self.target).ok()?,
            routes: self.routes.clone(),
            local_cseq: self.local_cseq.saturating_add(CSEQ_LEAP).min(i32::MAX as u32 - 1),
            remote_cseq: None,
        })
    }
}

impl Endpoint {
    /// An established call as it stands; `None` for any other.
    pub fn save(&self, call: CallId) -> Option<SavedCall> {
        let row = self.calls.get(&call).filter(|row| row.stage == Stage::Up && !row.closing)?;
        let dialog = row.dialog.as_ref()?;
        Some(SavedCall {
            call_id: dialog.call_id.clone(),
            local: dialog.local.to_string(),
            remote: dialog.remote.to_string(),
            target: dialog.target.to_string(),
            routes: dialog.routes.clone(),
            local_cseq: dialog.local_cseq,
            contact: row.contact.clone(),
            owns_call_id: row.owns_call_id,
            transport: row.source.transport,
            local_address: row.source.local,
            remote_address: row.source.remote,
            is_natted: row.is_natted,
            timer: row.clock.as_ref().map(|clock| {
                let renewal = clock.renewal();
                (renewal.interval.as_secs(), renewal.refresher == Some(Refresher::Uac))
            }),
            min_se_s: row.min_se.as_secs(),
            takes_update: row.takes_update,
            sdp: String::from_utf8_lossy(&row.sdp).into_owned(),
            login: row.credentials.clone(),
        })
    }

    /// Takes up a call of a former process. False when it is damaged or there is no room.
    pub(super) fn adopt(&mut self, now: Duration, call: CallId, saved: &SavedCall) -> bool {
        let Some(dialog) = saved.dialog() else { return false };
        let dialog_key = dialog.key();
        if self.calls.contains_key(&call)
            || self.dialogs.contains_key(&dialog_key)
            || self.calls.len() >= self.config.limits.calls
        {
            return false;
        }
        let clock = saved.timer.map(|(seconds, is_ours)| {
            let expires = SessionExpires { interval: Duration::from_secs(seconds), refresher: Some(Refresher::Uac) };
            let mut clock = Clock::start(now, expires, is_ours);
            clock.postpone(now, REFRESH_FROM + Duration::from_millis(self.random.below(REFRESH_SPREAD_MS)));
            clock
        });
        self.dialogs.insert(dialog_key.clone(), call);
        let row = Call {
            stage: Stage::Up,
            closing: false,
            source: saved.hop(),
            is_natted: saved.is_natted,
            contact: saved.contact.clone(),
            dialog: Some(dialog),
            dialog_key,
            owns_call_id: saved.owns_call_id,
            invite_in: None,
            invite_out: None,
            ack_wait: None,
            is_established: true,
            pending_ack: None,
            refers: false,
            wish: None,
            retry_at: None,
            retries: 0,
            ring_until: None,
            early: Vec::new(),
            reliable: Reliable::default(),
            update_in: None,
            clock,
            min_se: Duration::from_secs(saved.min_se_s),
            takes_update: saved.takes_update,
            sdp: saved.sdp.clone().into_bytes(),
            credentials: saved.login.clone(),
            armed: None,
        };
        self.calls.insert(call, row);
        self.settle_call(call);
        true
    }
}
