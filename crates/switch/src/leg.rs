//! What the switch remembers of a leg. The state machine's picture is in the crate's header; its steps are spread over
//! `inbound`, `outbound`, `dialog`, `browser`, `sound` and `ending`, which alone change these values.
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use domain::id::{BridgeId, DeviceId, LegId, PlayId, TenantId, TrunkId};
use domain::leg::{CallerId, EndCause, EndedBy, LegCommand};
use media::{CodecParams, LegKey, Numbers, PlayKey};
use sip::CallId;
use sip::digest::Credentials;
use sip::sdp::{Direction, Keys, SessionDescription};

use crate::io::{PeerRef, ResolveKey, SrtpNumbers};
use crate::negotiate::{Remote, Session};

/// Commands that may wait for a leg to come up; more than any flow sends ahead.
pub(crate) const DEFERRED_MAX: usize = 16;

#[derive(Debug)]
pub(crate) struct Leg {
    pub(crate) id: LegId,
    pub(crate) tenant: TenantId,
    pub(crate) party: Party,
    pub(crate) phase: Phase,
    pub(crate) media: Option<MediaLeg>,
    pub(crate) answered_at: Option<Duration>,
    /// Of an answered leg that a former process began.
    pub(crate) talked_before: Duration,
    pub(crate) muted: bool,
    /// The peer put us on hold.
    pub(crate) peer_held: bool,
    /// The plane last said that no RTP comes.
    pub(crate) rtp_silent: bool,
    /// `MediaSilent { silent: true }` was reported.
    pub(crate) silence_told: bool,
    pub(crate) play: Option<(PlayId, PlayKey)>,
    pub(crate) bridge: Option<BridgeId>,
    /// Media commands that came before the leg was up, in order.
    pub(crate) deferred: Vec<LegCommand>,
    /// The peer asked for a transfer (REFER) and waits to hear of it.
    pub(crate) refers: bool,
    /// What we have asked the peer for by re-INVITE.
    pub(crate) asked: Option<Asked>,
    /// Its wish for a fax, which waits for the other side's word.
    pub(crate) fax_wish: Option<Box<SessionDescription>>,
    /// The parameters it was told of the fax at the other side.
    pub(crate) fax: Vec<String>,
    /// Its sound goes by WebRTC though its signalling is SIP.
    pub(crate) web: Option<WebSound>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asked {
    /// To speak this.
    Codec(media::Codec),
    /// To go on by facsimile, as this leg wishes.
    Fax { by: LegId },
    /// To go back to sound.
    Sound,
}

impl Leg {
    pub(crate) fn new(id: LegId, tenant: TenantId, party: Party, phase: Phase) -> Self {
        Self {
            id,
            tenant,
            party,
            phase,
            media: None,
            answered_at: None,
            talked_before: Duration::ZERO,
            muted: false,
            peer_held: false,
            rtp_silent: false,
            silence_told: false,
            play: None,
            bridge: None,
            deferred: Vec::new(),
            refers: false,
            asked: None,
            web: None,
            fax_wish: None,
            fax: Vec::new(),
        }
    }

    pub(crate) fn is_up(&self) -> bool {
        matches!(self.phase, Phase::Up)
    }

    pub(crate) fn is_ending(&self) -> bool {
        matches!(self.phase, Phase::Ending { .. })
    }

    /// The media leg, once it exists in a plane.
    pub(crate) fn media_key(&self) -> Option<LegKey> {
        self.media.as_ref().filter(|m| m.added).map(|m| m.key)
    }

    /// A fax is sent by datagrams.
    pub(crate) fn is_fax(&self) -> bool {
        self.media.as_ref().and_then(|m| m.remote).is_some_and(|remote| remote.image)
    }

    /// The one SIP call of an established or incoming leg.
    pub(crate) fn call(&self) -> Option<CallId> {
        match &self.party {
            Party::Incoming(sip) => Some(sip.call),
            Party::Outgoing(sip) => sip.won,
            Party::Browser(_) => None,
        }
    }

    pub(crate) fn session(&self) -> Option<&Session> {
        match &self.party {
            Party::Incoming(sip) => Some(&sip.session),
            Party::Outgoing(sip) => Some(&sip.session),
            Party::Browser(_) => None,
        }
    }

    pub(crate) fn session_mut(&mut self) -> Option<&mut Session> {
        match &mut self.party {
            Party::Incoming(sip) => Some(&mut sip.session),
            Party::Outgoing(sip) => Some(&mut sip.session),
            Party::Browser(_) => None,
        }
    }
}

/// A SIP leg's own peer connection.
#[derive(Debug)]
pub(crate) struct WebSound {
    pub(crate) peer: PeerRef,
    /// Our description, until it is sent.
    pub(crate) answer: Option<String>,
    /// What the peer wants to change: asked by this call, and which way his sound is to go then.
    pub(crate) change: Option<(CallId, Direction)>,
}

/// What an INVITE offered.
#[derive(Debug)]
pub(crate) enum Offer {
    /// RTP, plain or with keys by SDES.
    Rtp(SessionDescription),
    /// WebRTC, as it came.
    Web(String),
}

/// Who is at the other end.
#[derive(Debug)]
pub(crate) enum Party {
    Incoming(Incoming),
    Outgoing(Outgoing),
    Browser(Browser),
}

/// A call that came by INVITE.
#[derive(Debug)]
pub(crate) struct Incoming {
    pub(crate) call: CallId,
    /// What the INVITE offered; `None` when the caller wants our offer.
    pub(crate) offer: Option<Offer>,
    pub(crate) hop: sip::Hop,
    pub(crate) session: Session,
    pub(crate) early_media: EarlyMedia,
}

/// Whether the caller hears before the answer (RFC 3960 §3).
#[derive(Debug, Default)]
pub(crate) enum EarlyMedia {
    #[default]
    No,
    /// Wished: media is being opened for it.
    Wished,
    /// 183 went out with this session, which the 200 repeats.
    Sent(Vec<u8>, Box<Remote>),
}

/// A call we placed by INVITE, to one or several contacts at once.
#[derive(Debug)]
pub(crate) struct Outgoing {
    pub(crate) from: CallerId,
    /// The trunk it goes by.
    pub(crate) via: Option<TrunkVia>,
    /// Contacts to call, until media is open.
    pub(crate) targets: Vec<Target>,
    /// Where else the call may go, in this order, if nobody is there: further addresses of one name (RFC 3263 §4.3).
    pub(crate) spares: VecDeque<Target>,
    /// Contacts whose offer by WebRTC is being made.
    pub(crate) waiting: Vec<(PeerRef, Target)>,
    /// Calls still unanswered.
    pub(crate) calls: Vec<Attempt>,
    /// The call that was answered.
    pub(crate) won: Option<CallId>,
    pub(crate) rang: bool,
    /// Sound before the answer; passed on from trunks alone. Phones of our own make none that anybody waits for.
    pub(crate) early: Option<Early>,
    /// The best reason why calls failed so far.
    pub(crate) failure: Option<(EndCause, EndedBy)>,
    pub(crate) session: Session,
}

/// Sessions of a callee who has not answered (RFC 3960): a proxy on the way may have forked the call, so that there are
/// several, each with its own tag. The newest is heard, until one of them answers.
#[derive(Debug, Default)]
pub(crate) struct Early {
    pub(crate) sessions: Vec<(String, Remote)>,
    /// `EarlyMedia` was reported.
    pub(crate) told: bool,
}

impl Outgoing {
    /// A call that was answered in a former run.
    pub(crate) fn won(call: CallId, session: Session) -> Self {
        Self {
            from: CallerId::default(),
            via: None,
            targets: Vec::new(),
            spares: VecDeque::new(),
            waiting: Vec::new(),
            calls: Vec::new(),
            won: Some(call),
            rang: true,
            early: None,
            failure: None,
            session,
        }
    }
}

#[derive(Debug)]
pub(crate) struct TrunkVia {
    pub(crate) trunk: TrunkId,
    /// Our user name there and what proves it.
    pub(crate) login: Option<(String, Credentials)>,
    /// The carrier's.
    pub(crate) domain: String,
    /// As configured: what its certificate must be valid for, where it is checked.
    pub(crate) host: String,
    pub(crate) check_certificate: bool,
}

/// One INVITE of ours.
#[derive(Debug)]
pub(crate) struct Attempt {
    pub(crate) call: CallId,
    pub(crate) target: Target,
    /// Whose offer it carries, if that is WebRTC's.
    pub(crate) peer: Option<PeerRef>,
    /// As it went out, for a CANCEL after a crash.
    pub(crate) invite: Option<Arc<sip::msg::Message>>,
}

#[derive(Debug, Clone)]
pub(crate) struct Target {
    pub(crate) hop: sip::Hop,
    pub(crate) uri: sip::msg::Uri,
    /// The proxies on the way, as Route values.
    pub(crate) path: Vec<String>,
    /// It refused keys that were only wished for.
    pub(crate) is_plain: bool,
    /// Further ways to the same phone, for when this one is cut (RFC 5626 §5.3).
    pub(crate) others: VecDeque<Target>,
}

impl Target {
    pub(crate) fn new(hop: sip::Hop, uri: sip::msg::Uri) -> Self {
        Self { hop, uri, path: Vec::new(), is_plain: false, others: VecDeque::new() }
    }

    /// Whether keys may be named to it where that is only wished for.
    pub(crate) fn may_read_keys(&self) -> bool {
        self.hop.transport.is_secure() && !self.is_plain
    }
}

/// A browser device.
#[derive(Debug)]
pub(crate) struct Browser {
    pub(crate) device: DeviceId,
    /// The browser placed the call (a guest on the customer page, or an agent dialling).
    pub(crate) dialled: bool,
}

#[derive(Debug)]
pub(crate) enum Phase {
    /// Incoming; the floor has decided nothing.
    Offered,
    /// Incoming; the floor said `Ring`.
    Ringing,
    /// Outgoing; a name is being looked up. The URI waits.
    Resolving {
        key: ResolveKey,
        uri: sip::msg::Uri,
    },
    /// Waiting for a media carrier, in order to answer or to call.
    Opening,
    /// Outgoing; INVITEs are out.
    Calling,
    Up,
    /// Everything is let go but the counters, which media still owes us.
    Ending {
        cause: EndCause,
        by: EndedBy,
        talked: Duration,
    },
}

#[derive(Debug)]
pub(crate) struct MediaLeg {
    pub(crate) key: LegKey,
    /// Our address in SDP, once the carrier is open.
    pub(crate) local: Option<SocketAddr>,
    /// Added to its plane.
    pub(crate) added: bool,
    pub(crate) codec: Option<CodecParams>,
    pub(crate) dtmf: Option<media::DtmfParams>,
    /// What its packets are protected with.
    pub(crate) keys: Option<Keys>,
    /// The session it was added or changed by last; none of browsers.
    pub(crate) remote: Option<Remote>,
    pub(crate) seed: u64,
    /// Told by its plane last, and when; or when it was added.
    pub(crate) numbers: Option<Numbers>,
    pub(crate) srtp: Option<SrtpNumbers>,
    pub(crate) numbers_at: Duration,
}

impl MediaLeg {
    pub(crate) fn new(key: LegKey) -> Self {
        Self {
            key,
            local: None,
            added: false,
            codec: None,
            dtmf: None,
            keys: None,
            remote: None,
            seed: 0,
            numbers: None,
            srtp: None,
            numbers_at: Duration::ZERO,
        }
    }

    /// The session that its packets follow from now on.
    pub(crate) fn agreed(&mut self, remote: &Remote) {
        self.codec = Some(remote.codec);
        self.dtmf = remote.dtmf;
        self.remote = Some(*remote);
    }
}
