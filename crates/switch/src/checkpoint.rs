//! Crash file entries: one per established SIP dialog, enough to say BYE to its peer after a restart.
use std::net::SocketAddr;
use std::time::Duration;

use domain::id::LegId;
use serde::{Deserialize, Serialize};
use sip::Hop;
use sip::dialog::Dialog;
use sip::msg::{NameAddr, Uri};

use crate::io::Output;
use crate::leg::Party;
use crate::switch::Switch;

/// The version written.
const VERSION: u32 = 1;
/// Requests we may have sent since the checkpoint was taken. CSeq must grow; gaps are allowed (RFC 3261 §12.2.1.1).
const CSEQ_LEAP: u32 = 10_000;

/// A confirmed SIP dialog. Versioned: a reader leaves out what has a `v` it does not know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checkpoint {
    pub v: u32,
    pub leg: LegId,
    pub call_id: String,
    /// From of our next request, with our tag.
    pub local: String,
    /// To of our next request, with the peer's tag.
    pub remote: String,
    /// Request-URI of our next request.
    pub target: String,
    /// Route headers, first hop first.
    pub routes: Vec<String>,
    /// CSeq of our last request when this was written.
    pub local_cseq: u32,
    /// `udp` or `tcp`.
    pub transport: String,
    /// Our socket.
    pub local_address: SocketAddr,
    /// Where the dialog's packets go.
    pub remote_address: SocketAddr,
}

impl Checkpoint {
    fn new(leg: LegId, dialog: &Dialog, hop: Hop) -> Self {
        Self {
            v: VERSION,
            leg,
            call_id: dialog.call_id.clone(),
            local: dialog.local.to_string(),
            remote: dialog.remote.to_string(),
            target: dialog.target.to_string(),
            routes: dialog.routes.clone(),
            local_cseq: dialog.local_cseq,
            transport: hop.transport.param_text().to_owned(),
            local_address: hop.local,
            remote_address: hop.remote,
        }
    }

    /// `None` when it is of an unknown version or damaged.
    fn dialog(&self) -> Option<(Dialog, Hop)> {
        let hop = match (self.v, self.transport.as_str()) {
            (VERSION, "udp") => Hop::udp(self.local_address, self.remote_address),
            (VERSION, "tcp") => Hop::tcp(self.local_address, self.remote_address),
            _ => return None,
        };
        let dialog = Dialog {
            call_id: self.call_id.clone(),
            local: NameAddr::parse(&self.local).ok()?,
            remote: NameAddr::parse(&self.remote).ok()?,
            target: Uri::parse(&self.target).ok()?,
            routes: self.routes.clone(),
            local_cseq: self.local_cseq.saturating_add(CSEQ_LEAP).min(i32::MAX as u32 - 1),
            remote_cseq: None,
        };
        Some((dialog, hop))
    }
}

impl Switch {
    /// Writes down an established leg's dialog.
    pub(crate) fn checkpoint(&mut self, leg: LegId) {
        let value = match self.legs.get(&leg).map(|l| &l.party) {
            Some(Party::Incoming(sip)) => Some(Checkpoint::new(leg, &sip.dialog, sip.hop)),
            Some(Party::Outgoing(sip)) => sip.dialog.as_ref().map(|(dialog, hop)| Checkpoint::new(leg, dialog, *hop)),
            Some(Party::Browser(_)) | None => None,
        };
        if let Some(value) = value {
            self.emit(Output::Checkpoint { leg, value: Some(Box::new(value)) });
        }
    }

    /// After a restart, before anything else: says BYE to the peer of every dialog of the former run and has the
    /// checkpoints forgotten. Drain [`Switch::poll`] afterwards.
    pub fn recover(&mut self, now: Duration, checkpoints: impl IntoIterator<Item = Checkpoint>) {
        self.now = self.now.max(now);
        for checkpoint in checkpoints {
            let leg = checkpoint.leg;
            match checkpoint.dialog() {
                Some((dialog, hop)) => self.sip(sip::Command::EndDialog { dialog: Box::new(dialog), hop }),
                None => tracing::warn!(%leg, v = checkpoint.v, "checkpoint is damaged or of an unknown version"),
            }
            self.emit(Output::Checkpoint { leg, value: None });
        }
    }
}
