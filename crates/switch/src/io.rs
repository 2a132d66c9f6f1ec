//! What goes into the switch and what comes out: plain values, exchanged with `telephony` only.
//!
//! Not here: the vocabulary towards the floor, which is `domain::leg` and `domain::device`.
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use domain::device::{DeviceReport, DeviceSignal};
use domain::directory::Directory;
use domain::id::{DeviceId, RecordingId, TenantId};
use domain::leg::{Gap, LegCommand, LegEvent};
use domain::trunk::{TrunkReport, TrunkSignal};
use media::{LegKey, RecordingKey};
use serde::{Deserialize, Serialize};
use sip::registrar::BindingRecord;
use sip::sdp::Keys;

use crate::checkpoint::{Checkpoint, Kept};

/// A name look-up the switch waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ResolveKey(pub u64);

/// One WebRTC peer connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PeerRef {
    /// Of a browser at our own desk or customer page: it outlives calls. The newest has the highest generation.
    Device { device: DeviceId, generation: u64 },
    /// Of one SIP call, or one try at it.
    Call { number: u64 },
}

impl PeerRef {
    /// Whose connection it is, if it is a browser's that outlives calls.
    pub fn device(self) -> Option<DeviceId> {
        match self {
            PeerRef::Device { device, .. } => Some(device),
            PeerRef::Call { .. } => None,
        }
    }
}

/// Where the packets of a protected leg stand: SSRC and highest index (RFC 3711 §3.3.1) of what was sent and received
/// last, and the next index of the reports sent. Whoever goes on with the same keys uses none of them again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SrtpNumbers {
    pub sent: Option<(u32, u64)>,
    pub received: Option<(u32, u64)>,
    pub reports: u32,
}

impl SrtpNumbers {
    /// With which another process goes on: more reports than are sent between two of these lie between.
    pub(crate) fn resumed(self) -> Self {
        Self { reports: self.reports.wrapping_add(1_000) & 0x7fff_ffff, ..self }
    }
}

/// Something happened.
///
/// Media legs, plays, bridges and recordings are named by keys the switch mints; none is used twice in one run.
#[derive(Debug, Clone)]
pub enum Input {
    /// From the floor.
    Leg(LegCommand),
    /// From the device hub.
    Device(DeviceSignal),
    /// About trunks.
    Trunk(TrunkSignal),
    /// About a peer connection.
    Peer(PeerEvent),
    /// The configuration changed (or arrived for the first time).
    Directory(Arc<Directory>),
    /// Answer to [`Output::OpenMedia`]: the address to write into SDP as ours (advertised address, RTP port). For
    /// [`Transport::Peer`] the address means nothing.
    MediaOpened { media: LegKey, local: SocketAddr },
    /// Answer to [`Output::OpenMedia`]: no port left, or the peer is gone. Later on: the carrier broke, which ends the leg.
    MediaFailed { media: LegKey },
    /// Answer to [`Output::CloseMedia`]: the counters at removal, `None` if the plane did not know the leg (any more).
    MediaClosed { media: LegKey, stats: Option<media::LegStats>, quality: Option<media::quality::Summary> },
    /// From the SIP endpoint.
    Sip(sip::Event),
    /// From a media plane.
    Media(media::Event),
    /// Where the numbers of a protected media leg stand; with each [`media::Event::Numbers`] of it, before that.
    SrtpNumbers { media: LegKey, numbers: SrtpNumbers },
    /// The first frame of a recording stands in its spool file.
    RecordingStarted { recording: RecordingKey },
    /// The spool file is complete (or could not be written: then with what there is).
    RecordingEnded { recording: RecordingKey, length_ms: u64, gaps: Vec<Gap> },
    /// Answer to [`Output::Resolve`]; empty if the name is unknown.
    /// In the order of trying; `life` is how long that holds.
    Resolved { key: ResolveKey, addresses: Vec<SocketAddr>, life: Duration },
    /// Only time passed.
    Tick,
    /// The node stops: every leg ends with `system.shutdown`, new calls are refused.
    Drain,
}

/// To be carried out, in order.
#[derive(Debug, Clone)]
pub enum Output {
    /// To the floor.
    Leg(LegEvent),
    /// To the device hub.
    Report(DeviceReport),
    /// About trunks, to whoever shows them and to their floors.
    Trunk(TrunkReport),
    /// [`crate::Switch::policy`] has changed.
    PolicyChanged,
    /// To the SIP endpoint. The hop of what is sent outside of calls has `sip_local` as its own side.
    Sip(sip::Command),
    /// At the first directory: registrations that outlived a restart, for `Endpoint::import_bindings` (with `away` zero:
    /// what they have left is counted from now).
    RestoreBindings { records: Vec<BindingRecord> },
    /// To the WebRTC peers.
    Peer(PeerCommand),
    /// Get a carrier for a media leg: a UDP port pair, or the (single) audio line of a peer connection. Answer with
    /// [`Input::MediaOpened`] or [`Input::MediaFailed`]. The media leg itself is added by a media command afterwards.
    /// `towards` is the peer, or where he wants his sound, for the choice of the address to advertise; `None` for browsers.
    OpenMedia { media: LegKey, transport: Transport, towards: Option<IpAddr> },
    /// Get the port of this address (with its sibling) for a media leg of a former process, whose peer sends there. Answer
    /// with [`Input::MediaFailed`] if it cannot be had, else not at all.
    ReopenMedia { media: LegKey, local: SocketAddr },
    /// The leg is living on, but on another carrier: a reloaded browser. Packets of `media` go to and come from the new
    /// transport from now on; the former one is released.
    MoveMedia { media: LegKey, transport: Transport },
    /// From now on the packets of a media leg with a UDP port are SRTP with these keys; without, they are plain.
    /// `resume`: where the numbers of a former process stood.
    Protect { media: LegKey, keys: Option<Box<Keys>>, resume: Option<SrtpNumbers> },
    /// Remove the media leg from its plane, release its carrier and answer with [`Input::MediaClosed`]. May concern
    /// a leg that was opened and never added, or whose opening has not been answered yet.
    CloseMedia { media: LegKey },
    /// To the media plane of the legs it names.
    Media(media::Command),
    /// Make a spool file for this recording; the media command that starts it follows.
    OpenRecording { recording: RecordingKey, id: RecordingId, tenant: TenantId },
    /// Look up where this SIP domain is by this transport, without a port by SRV records first (RFC 3263 §4.2), and answer
    /// with [`Input::Resolved`]. IP literals and `localhost` never come here.
    Resolve { key: ResolveKey, host: String, port: Option<u16>, transport: sip::Transport },
    /// Whom a TLS connection to this address is to: `name` is what the certificate must be valid for, where it is
    /// checked. Comes before the first message there.
    ExpectPeer { remote: SocketAddr, name: String, is_checked: bool },
    /// Keep this (or forget it) in the node-local crash file, in the place of what it held of this; [`Checkpoint::complete`] it before.
    Checkpoint { about: Kept, value: Option<Box<Checkpoint>> },
}

/// What carries a media leg's packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// Plain RTP and RTCP on a UDP port of this node.
    Udp,
    /// Unprotected RTP in and out of this WebRTC peer.
    Peer(PeerRef),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PeerCommand {
    /// Make a peer connection answering this SDP offer, or go on with the one there is. Answer with [`PeerEvent::Accepted`]
    /// or, of a new one, [`PeerEvent::Failed`]; then, of a new one, [`PeerEvent::Ready`] when ICE and DTLS are through. What
    /// cannot be accepted of one there is changes nothing and is answered with [`PeerEvent::Declined`].
    Accept {
        peer: PeerRef,
        offer_sdp: String,
        /// Which codec to take, the best first; empty: G.711 before others.
        codecs: Vec<media::Codec>,
    },
    /// Make a peer connection and an SDP offer. Answer with [`PeerEvent::Offered`] or [`PeerEvent::Failed`].
    Offer {
        peer: PeerRef,
        /// All that may be spoken, the best first.
        codecs: Vec<media::Codec>,
    },
    /// The SDP answer to that offer. Answer with [`PeerEvent::Failed`], or with [`PeerEvent::Ready`] when ICE and DTLS are
    /// through.
    Conclude { peer: PeerRef, answer_sdp: String },
    /// Close it; no event is expected any more (one that crosses is ignored).
    Close { peer: PeerRef },
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PeerEvent {
    Accepted {
        peer: PeerRef,
        answer_sdp: String,
    },
    Declined {
        peer: PeerRef,
    },
    Offered {
        peer: PeerRef,
        offer_sdp: String,
    },
    /// Media path proved: audio can flow.
    Ready {
        peer: PeerRef,
        audio: PeerAudio,
    },
    /// Never became ready, or its network path is lost. `code` is stable text such as `device.bad_sdp`,
    /// `device.ice_failed`.
    Failed {
        peer: PeerRef,
        code: String,
    },
    /// Was accepted or ready and the browser closed it.
    Closed {
        peer: PeerRef,
    },
}

impl PeerEvent {
    pub fn peer(&self) -> PeerRef {
        match self {
            PeerEvent::Accepted { peer, .. }
            | PeerEvent::Declined { peer }
            | PeerEvent::Offered { peer, .. }
            | PeerEvent::Ready { peer, .. }
            | PeerEvent::Failed { peer, .. }
            | PeerEvent::Closed { peer } => *peer,
        }
    }
}

/// What a peer connection's audio line was negotiated to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PeerAudio {
    pub codec: media::CodecParams,
    /// Telephone events, if agreed.
    pub dtmf: Option<media::DtmfParams>,
}
