//! What goes into the switch and what comes out: plain values, exchanged with `telephony` only.
//!
//! Not here: the vocabulary towards the floor, which is `domain::leg` and `domain::device`.
use std::net::SocketAddr;
use std::sync::Arc;

use domain::device::{DeviceReport, DeviceSignal};
use domain::directory::Directory;
use domain::id::{DeviceId, LegId};
use domain::leg::{LegCommand, LegEvent};

/// A media leg, minted by the switch, never used twice in one run. Telephony knows by it which socket or peer carries
/// the leg; media commands name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MediaKey(pub u64);

/// A name look-up the switch waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ResolveKey(pub u64);

/// One WebRTC peer connection: the newest of a device has the highest generation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PeerRef {
    pub device: DeviceId,
    pub generation: u64,
}

/// Something happened.
///
/// Two further variants, `Sip` and `Media`, carry the events of those crates as they are.
#[derive(Debug, Clone)]
pub enum Input {
    /// From the floor.
    Leg(LegCommand),
    /// From the device hub.
    Device(DeviceSignal),
    /// About a peer connection.
    Peer(PeerEvent),
    /// The configuration changed (or arrived for the first time).
    Directory(Arc<Directory>),
    /// Answer to [`Output::OpenMedia`]: the address to write into SDP as ours (advertised address, RTP port). For
    /// [`Transport::Peer`] the address means nothing.
    MediaOpened { media: MediaKey, local: SocketAddr },
    /// Answer to [`Output::OpenMedia`]: no port left, or the peer is gone.
    MediaFailed { media: MediaKey },
    /// Answer to [`Output::Resolve`]; empty if the name is unknown.
    Resolved { key: ResolveKey, addresses: Vec<SocketAddr> },
    /// Only time passed.
    Tick,
    /// The node stops: every leg ends with `system.shutdown`, new calls are refused.
    Drain,
}

/// To be carried out, in order.
///
/// Two further variants, `Sip` and `Media`, carry the commands of those crates as they are.
#[derive(Debug, Clone)]
pub enum Output {
    /// To the floor.
    Leg(LegEvent),
    /// To the device hub.
    Report(DeviceReport),
    /// To the WebRTC peers.
    Peer(PeerCommand),
    /// Get a carrier for a media leg: a UDP port pair, or the (single) audio line of a peer connection. Answer with
    /// [`Input::MediaOpened`] or [`Input::MediaFailed`]. The media leg itself is added by a media command afterwards.
    OpenMedia { media: MediaKey, transport: Transport },
    /// The leg is living on, but on another carrier: a reloaded browser. Packets of `media` go to and come from the new
    /// transport from now on; the former one is released.
    MoveMedia { media: MediaKey, transport: Transport },
    /// Release the carrier. The media leg has been removed by a media command before.
    CloseMedia { media: MediaKey },
    /// Look a host name up (A and AAAA) and answer with [`Input::Resolved`]. IP literals and `localhost` never come
    /// here, so telephony may answer with an empty list until it can resolve.
    Resolve { key: ResolveKey, host: String, port: u16 },
    /// Keep this (or forget it) in the node-local crash file, under the leg's id.
    Checkpoint { leg: LegId, value: Option<Checkpoint> },
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
    /// Make a peer connection answering this SDP offer. Answer with [`PeerEvent::Accepted`] or [`PeerEvent::Failed`],
    /// then [`PeerEvent::Ready`] when ICE and DTLS are through.
    Accept { peer: PeerRef, offer_sdp: String },
    /// Close it; no event is expected any more (one that crosses is ignored).
    Close { peer: PeerRef },
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PeerEvent {
    Accepted {
        peer: PeerRef,
        answer_sdp: String,
    },
    /// Media path proved: audio can flow.
    Ready {
        peer: PeerRef,
        audio: PeerAudio,
    },
    /// Never became ready. `code` is stable text such as `device.bad_sdp`, `device.ice_failed`.
    Failed {
        peer: PeerRef,
        code: String,
    },
    /// Was accepted or ready and is gone: closed by the browser, ICE consent expired, DTLS closed.
    Closed {
        peer: PeerRef,
    },
}

/// What a peer connection's audio line was negotiated to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PeerAudio {
    pub codec: domain::leg::Codec,
    pub payload_type: u8,
    /// telephone-event at 8000 Hz, if agreed.
    pub dtmf_payload_type: Option<u8>,
}

/// Enough of a confirmed SIP dialog to send a BYE after a crash. Versioned: a reader refuses a `v` it does not know.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Checkpoint {
    pub v: u32,
    pub call_id: String,
    pub local_tag: String,
    pub remote_tag: String,
    /// From and To of our next request, as URIs.
    pub local_uri: String,
    pub remote_uri: String,
    /// Request-URI of our next request.
    pub remote_target: String,
    /// Route headers, first hop first.
    pub route_set: Vec<String>,
    /// CSeq of our last request.
    pub local_cseq: u32,
    pub transport: String,
    /// Where the dialog's packets go.
    pub destination: SocketAddr,
}
