//! Crash file entries: one per leg whose peer must be told after a restart that nobody is there any more. An established
//! dialog gets a BYE, INVITEs of ours that may be ringing somewhere a CANCEL.
use std::net::SocketAddr;
use std::time::Duration;

use domain::id::LegId;
use serde::{Deserialize, Serialize};
use sip::Hop;
use sip::dialog::Dialog;
use sip::msg::{NameAddr, Uri};

use crate::io::Output;
use crate::leg::{Attempt, Party};
use crate::switch::Switch;

/// Versions written: of entries with a dialog, and of those with INVITEs.
const DIALOG: u32 = 1;
const RINGING: u32 = 2;
/// Requests we may have sent since the checkpoint was taken. CSeq must grow; gaps are allowed (RFC 3261 §12.2.1.1).
const CSEQ_LEAP: u32 = 10_000;

/// What is to be told for a leg. Versioned: a reader leaves out what has a `v` it does not know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checkpoint {
    pub v: u32,
    pub leg: LegId,
    #[serde(flatten)]
    pub what: Saved,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Saved {
    Ringing { invites: Vec<SavedInvite> },
    Dialog(SavedDialog),
}

/// An INVITE of ours without a final response.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SavedInvite {
    /// The message without its body.
    pub invite: String,
    /// `udp` or `tcp`.
    pub transport: String,
    pub local_address: SocketAddr,
    pub remote_address: SocketAddr,
}

/// A confirmed dialog.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SavedDialog {
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

fn hop_of(transport: &str, local: SocketAddr, remote: SocketAddr) -> Option<Hop> {
    match transport {
        "udp" => Some(Hop::udp(local, remote)),
        "tcp" => Some(Hop::tcp(local, remote)),
        _ => None,
    }
}

impl SavedInvite {
    fn new(attempt: &Attempt) -> Option<Self> {
        Some(Self {
            invite: String::from_utf8(attempt.invite.as_ref()?.bare()?).ok()?,
            transport: attempt.hop.transport.param_text().to_owned(),
            local_address: attempt.hop.local,
            remote_address: attempt.hop.remote,
        })
    }
}

impl SavedDialog {
    fn new(dialog: &Dialog, hop: Hop) -> Self {
        Self {
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

    /// `None` when it is damaged.
    fn dialog(&self) -> Option<(Dialog, Hop)> {
        let hop = hop_of(&self.transport, self.local_address, self.remote_address)?;
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

impl Checkpoint {
    /// What to tell the peers; `None` when it is of an unknown version or damaged.
    fn goodbyes(&self) -> Option<Vec<sip::Command>> {
        match (self.v, &self.what) {
            (DIALOG, Saved::Dialog(saved)) => {
                let (dialog, hop) = saved.dialog()?;
                Some(vec![sip::Command::EndDialog { dialog: Box::new(dialog), hop }])
            }
            (RINGING, Saved::Ringing { invites }) => {
                let withdraw = |saved: &SavedInvite| {
                    let hop = hop_of(&saved.transport, saved.local_address, saved.remote_address)?;
                    Some(sip::Command::Withdraw { invite: saved.invite.clone().into_bytes(), hop })
                };
                invites.iter().map(withdraw).collect()
            }
            _ => None,
        }
    }
}

impl Switch {
    /// Writes down whom a crash would leave in a call, or ringing.
    pub(crate) fn checkpoint(&mut self, leg: LegId) {
        let (v, what) = match self.legs.get(&leg).map(|l| &l.party) {
            Some(Party::Incoming(sip)) => (DIALOG, Saved::Dialog(SavedDialog::new(&sip.dialog, sip.hop))),
            Some(Party::Outgoing(sip)) => match &sip.dialog {
                Some((dialog, hop)) => (DIALOG, Saved::Dialog(SavedDialog::new(dialog, *hop))),
                None => {
                    let invites = sip.calls.iter().filter_map(SavedInvite::new).collect();
                    (RINGING, Saved::Ringing { invites })
                }
            },
            Some(Party::Browser(_)) | None => return,
        };
        self.emit(Output::Checkpoint { leg, value: Some(Box::new(Checkpoint { v, leg, what })) });
    }

    /// After a restart, before anything else: says BYE to the peer of every dialog of the former run, CANCEL where a phone
    /// may still ring, and has the checkpoints forgotten. Drain [`Switch::poll`] afterwards.
    pub fn recover(&mut self, now: Duration, checkpoints: impl IntoIterator<Item = Checkpoint>) {
        self.now = self.now.max(now);
        for checkpoint in checkpoints {
            let leg = checkpoint.leg;
            match checkpoint.goodbyes() {
                Some(commands) => commands.into_iter().for_each(|command| self.sip(command)),
                None => tracing::warn!(%leg, v = checkpoint.v, "checkpoint is damaged or of an unknown version"),
            }
            self.emit(Output::Checkpoint { leg, value: None });
        }
    }
}
