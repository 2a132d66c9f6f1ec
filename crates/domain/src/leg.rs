//! The contract between a floor and the switch: commands down, events up, plain values on bounded channels.
//!
//! A *leg* is one signalled media endpoint of an interaction. A *bridge* is a matrix of who hears whom; hold, echo,
//! three-way and monitoring are edits of that matrix. The floor (through `engine`) sends [`LegCommand`]s, the switch
//! answers with [`LegEvent`]s. Commands about a leg that has ended are ignored; every leg ends with exactly one
//! [`LegEvent::Ended`].
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::address::Address;
use crate::id::{
    AddressId, BridgeId, DeviceId, InteractionId, LegId, NumberId, PlayId, PromptId, RecordingId, TenantId, TrunkId,
};
use crate::localized::Lang;
use crate::time::millis;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum LegCommand {
    /// Tell the caller it rings (180).
    Ring {
        leg: LegId,
    },
    /// Let an offered leg hear before it is answered (183 with a session).
    EarlyMedia {
        leg: LegId,
    },
    /// Answer an offered leg.
    Answer {
        leg: LegId,
    },
    /// Refuse an offered leg.
    Reject {
        leg: LegId,
        why: RejectReason,
    },
    /// Start a new leg. The floor minted its id. A browser device answers at once (its peer connection stands already).
    Originate {
        leg: LegId,
        tenant: TenantId,
        interaction: Option<InteractionId>,
        to: Dial,
        /// Shown to the callee.
        from: CallerId,
        #[serde(with = "millis")]
        ring_timeout: Duration,
        /// With whom it is to be connected: what that leg speaks is offered first.
        #[serde(default)]
        beside: Option<LegId>,
    },
    /// End a leg in whatever state it is.
    Hangup {
        leg: LegId,
        cause: EndCause,
    },
    /// Play to one leg; it hears this instead of its bridge until the end. A new `Play` replaces the former.
    Play {
        leg: LegId,
        play: PlayId,
        clips: Vec<ClipRef>,
        looped: bool,
        /// A digit ends the playback (it still counts for `collect`).
        interruptible: bool,
        collect: Option<Collect>,
    },
    StopPlay {
        leg: LegId,
    },
    /// The whole matrix of a bridge; an empty list dissolves it. A leg that hears itself is an echo.
    Bridge {
        bridge: BridgeId,
        legs: Vec<Hears>,
    },
    /// Nobody hears this leg until unmuted.
    Mute {
        leg: LegId,
        muted: bool,
    },
    SendDigits {
        leg: LegId,
        digits: String,
    },
    /// The transfer that the leg's peer asked for is not made; its call goes on. One that is made needs no word: the leg
    /// is hung up.
    RefuseTransfer {
        leg: LegId,
        why: RejectReason,
    },
    /// Record to one stereo file: customer left, agent right.
    Record {
        recording: RecordingId,
        tenant: TenantId,
        left: LegId,
        right: Option<LegId>,
        /// Both sides hear a short tone every so many seconds, except while it is paused.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        beep_s: Option<u32>,
    },
    /// Listed silence from here on (hold, mask), or sound again.
    PauseRecording {
        recording: RecordingId,
        why: Option<GapCause>,
    },
    StopRecording {
        recording: RecordingId,
    },
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hears {
    pub leg: LegId,
    pub hears: Vec<LegId>,
}

/// Where an outgoing leg goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "to", rename_all = "snake_case")]
pub enum Dial {
    Device {
        device: DeviceId,
    },
    /// A SIP URI, used by the demo caller.
    Uri {
        uri: String,
    },
    /// A number outside, which the engine fills in: the floor does not know it.
    Trunk {
        trunk: TrunkId,
        /// Whose number it is.
        address: AddressId,
        number: String,
    },
}

/// What the callee is shown. Not journalled.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct CallerId {
    /// The user part of the From header; the engine fills it from the stored address.
    pub user: Option<String>,
    pub name: Option<String>,
    /// Our number from which a call is sent on outside: who was called first (RFC 5806).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub diverted: Option<String>,
}

/// What an agent who calls out hears while it rings there: built in, in every directory.
pub const RINGBACK: PromptId = PromptId(450);

/// One prompt in one language; the directory holds its sound.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ClipRef {
    pub prompt: PromptId,
    pub lang: Lang,
}

/// Collect digits while and after playing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Collect {
    pub max_digits: u8,
    /// Digits that end the input, such as `#`; not part of the result.
    pub terminators: String,
    /// From the end of the playback to the first digit.
    #[serde(with = "millis")]
    pub first_timeout: Duration,
    #[serde(with = "millis")]
    pub inter_digit_timeout: Duration,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum LegEvent {
    /// An incoming call on a number of the directory. The switch minted the leg's id. Held at 100 Trying until the
    /// floor says `Ring`, `Answer` or `Reject`; the switch rejects with 503 itself if nobody says so in 10 s.
    Offered {
        leg: LegId,
        tenant: TenantId,
        number: NumberId,
        from: Address,
        name: Option<String>,
        via: Via,
        claims: Claims,
    },
    /// A registered phone dials what is no number of the directory. Else as `Offered`.
    Dialled {
        leg: LegId,
        tenant: TenantId,
        device: DeviceId,
        /// What [`crate::keys::dialled`] understands: keys, or a name.
        keys: String,
    },
    Ringing {
        leg: LegId,
    },
    /// Sound comes from the network of one who is called by a trunk and has not answered: its own ringing tone, an
    /// announcement. At most once a leg.
    EarlyMedia {
        leg: LegId,
    },
    Answered {
        leg: LegId,
        codec: Codec,
    },
    /// The peer put us on hold or took us back (re-INVITE with sendonly/inactive).
    PeerHeld {
        leg: LegId,
        held: bool,
    },
    Digit {
        leg: LegId,
        digit: char,
    },
    /// The peer wants to be replaced by whom it names: the user part of an address of ours (SIP REFER). Answered by the
    /// leg's hang-up or by [`LegCommand::RefuseTransfer`].
    TransferAsked {
        leg: LegId,
        to: String,
        /// By another call of this phone that it names (RFC 5589 §7): those on the other ends of both are to be connected.
        #[serde(default)]
        replaces: Option<LegId>,
    },
    /// A registered phone calls in order to take the place of another leg (INVITE with Replaces, RFC 3891). Else as `Offered`.
    ReplaceAsked {
        leg: LegId,
        tenant: TenantId,
        device: DeviceId,
        replaces: LegId,
    },
    PlayEnded {
        leg: LegId,
        play: PlayId,
        why: PlayEnd,
        digits: String,
    },
    /// No RTP from the peer for a while; the switch ends the leg with `media.lost` if it goes on.
    MediaSilent {
        leg: LegId,
        silent: bool,
    },
    /// How the leg has sounded for the last seconds. For screens only: it never gets to the floor, and one that is lost is
    /// not missed.
    Quality {
        leg: LegId,
        quality: Quality,
    },
    /// First frame written.
    RecordingStarted {
        recording: RecordingId,
    },
    /// Exactly one for each `Record`. The spool file is complete and the engine's shipper stores it; there is none if
    /// nothing could be recorded, and the length is 0.
    RecordingEnded {
        recording: RecordingId,
        length_ms: u64,
        gaps: Vec<Gap>,
    },
    Ended {
        leg: LegId,
        cause: EndCause,
        by: EndedBy,
        stats: LegStats,
    },
}

impl LegCommand {
    /// The leg concerned, if the command is about one.
    pub fn leg(&self) -> Option<LegId> {
        match self {
            LegCommand::Ring { leg }
            | LegCommand::EarlyMedia { leg }
            | LegCommand::Answer { leg }
            | LegCommand::Reject { leg, .. }
            | LegCommand::Originate { leg, .. }
            | LegCommand::Hangup { leg, .. }
            | LegCommand::Play { leg, .. }
            | LegCommand::StopPlay { leg }
            | LegCommand::Mute { leg, .. }
            | LegCommand::RefuseTransfer { leg, .. }
            | LegCommand::SendDigits { leg, .. } => Some(*leg),
            LegCommand::Bridge { .. }
            | LegCommand::Record { .. }
            | LegCommand::PauseRecording { .. }
            | LegCommand::StopRecording { .. } => None,
        }
    }
}

impl LegEvent {
    /// The leg concerned, if the event is about one.
    pub fn leg(&self) -> Option<LegId> {
        match self {
            LegEvent::Offered { leg, .. }
            | LegEvent::Dialled { leg, .. }
            | LegEvent::Ringing { leg }
            | LegEvent::EarlyMedia { leg }
            | LegEvent::Answered { leg, .. }
            | LegEvent::PeerHeld { leg, .. }
            | LegEvent::Digit { leg, .. }
            | LegEvent::TransferAsked { leg, .. }
            | LegEvent::ReplaceAsked { leg, .. }
            | LegEvent::PlayEnded { leg, .. }
            | LegEvent::MediaSilent { leg, .. }
            | LegEvent::Quality { leg, .. }
            | LegEvent::Ended { leg, .. } => Some(*leg),
            LegEvent::RecordingStarted { .. } | LegEvent::RecordingEnded { .. } => None,
        }
    }
}

/// What of a tenant's calls outlived a crash of their node.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Outlived {
    /// Answered legs, up again.
    pub legs: BTreeMap<LegId, Codec>,
    /// Recordings that go on, with the time between listed as a gap.
    pub recordings: BTreeSet<RecordingId>,
}

/// What the network that brings a call says of it, where it is believed.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Claims {
    /// Who was called first, before the call was sent on to us.
    pub diverted: Option<Address>,
    pub verified: Option<Verified>,
}

/// Whether the caller may use the number he shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verified {
    /// By the network that brings the call; none: it does not say, or is not asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub passed: Option<bool>,
    /// What the network where the call began says of itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attested: Option<Attestation>,
}

/// How well the network where a call began knows the caller. Source: RFC 8588 §4.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Attestation {
    /// Him, and that the number is his.
    A,
    /// Him, not the number.
    B,
    /// Only where the call came in.
    C,
}

/// How an incoming call reached us.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "via", rename_all = "snake_case")]
pub enum Via {
    /// Unauthenticated, from this machine, to a sample number.
    Loopback,
    Trunk {
        trunk: TrunkId,
    },
    /// A registered device, or a guest's browser on the customer page.
    Device {
        device: DeviceId,
    },
    Guest,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Codec {
    Pcmu,
    Pcma,
    G722,
    Opus,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PlayEnd {
    Finished,
    /// By a digit.
    Interrupted,
    /// By a command or because the leg ended.
    Stopped,
    /// Digits were asked for and none (or too few) came in time.
    TimedOut,
    /// A clip is missing from the directory; the floor goes on as if it had finished.
    Missing,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RejectReason {
    /// 486
    Busy,
    /// 404
    NotFound,
    /// 503 with Retry-After
    Overload,
    /// 403
    Forbidden,
    /// 480
    Unavailable,
}

/// Why a leg ended; stable text codes, shown in words by the console.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum EndCause {
    /// A BYE or a hang-up by a person.
    #[serde(rename = "hangup")]
    Hangup,
    /// The caller gave up before the answer (CANCEL).
    #[serde(rename = "cancelled")]
    Cancelled,
    #[serde(rename = "rejected")]
    Rejected,
    #[serde(rename = "busy")]
    Busy,
    #[serde(rename = "no_answer")]
    NoAnswer,
    /// Nothing is registered or connected there.
    #[serde(rename = "unreachable")]
    Unreachable,
    #[serde(rename = "not_found")]
    NotFound,
    /// The device took or was given the call, but another leg won.
    #[serde(rename = "elsewhere")]
    Elsewhere,
    #[serde(rename = "media.lost")]
    MediaLost,
    /// No answer to in-dialog requests.
    #[serde(rename = "signalling.lost")]
    SignallingLost,
    /// The session timer ran out: nobody at the other end kept the session alive (RFC 4028).
    #[serde(rename = "session.expired")]
    SessionExpired,
    /// No codec in common, bad SDP.
    #[serde(rename = "media.incompatible")]
    MediaIncompatible,
    #[serde(rename = "limit.calls")]
    Limit,
    #[serde(rename = "system.restart")]
    SystemRestart,
    #[serde(rename = "system.shutdown")]
    SystemShutdown,
    #[serde(rename = "system.error")]
    SystemError,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EndedBy {
    /// The far end.
    Peer,
    /// The floor's command.
    Us,
    /// The switch itself (time-out, lost media, restart).
    System,
}

/// What the leg carried; metering and quality start from here.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct LegStats {
    /// 0 if never answered.
    pub answered_ms: u64,
    pub rtp_received: u64,
    pub rtp_sent: u64,
    pub rtp_lost: u64,
    /// RFC 3550 interarrival jitter.
    pub jitter_ms: u32,
    /// Packets from addresses that were not the locked source.
    pub rtp_foreign: u64,
    /// Of legs that carried sound, since there is such a judgement.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quality: Option<Box<LegQuality>>,
}

/// How a leg sounded for a while, told from packet counters: losses in thousandths, times in milliseconds. Stored as
/// `[mos, lost_in, lost_out, jitter_ms, round_trip_ms]`, for there is one for each slice of each call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(from = "QualityWords", into = "QualityWords")]
pub struct Quality {
    /// Mean opinion score times 100, of the worse direction: 100 (unusable) to 441.
    pub mos: u16,
    /// Lost between the peer and us; `None` when it sent nothing.
    pub lost_in: Option<u16>,
    /// Lost between us and the peer; `None` when it does not report.
    pub lost_out: Option<u16>,
    pub jitter_ms: u16,
    pub round_trip_ms: Option<u16>,
}

type QualityWords = (u16, Option<u16>, Option<u16>, u16, Option<u16>);

impl From<QualityWords> for Quality {
    fn from((mos, lost_in, lost_out, jitter_ms, round_trip_ms): QualityWords) -> Self {
        Self { mos, lost_in, lost_out, jitter_ms, round_trip_ms }
    }
}

impl From<Quality> for QualityWords {
    fn from(q: Quality) -> Self {
        (q.mos, q.lost_in, q.lost_out, q.jitter_ms, q.round_trip_ms)
    }
}

/// What a person makes of a score.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Grade {
    Poor,
    Fair,
    Good,
}

impl Quality {
    /// Source: ITU-T G.109 (R 80 and 60: nobody complains, many do), as scores.
    pub fn grade(&self) -> Grade {
        match self.mos {
            ..310 => Grade::Poor,
            310..400 => Grade::Fair,
            400.. => Grade::Good,
        }
    }
}

/// A leg's whole life.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct LegQuality {
    /// Of the worst slice; that of `whole` is the mean.
    pub mos_min: u16,
    /// Losses of the whole, greatest jitter, mean round trip.
    pub whole: Quality,
    /// At most 120 of this length, from the leg's answer on; `None` where nothing was sent either way.
    pub slice_ms: u32,
    pub slices: Vec<Option<Quality>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GapCause {
    Hold,
    Mask,
    /// A fax by datagrams, which is no sound.
    Fax,
    /// Lost in a crash or an overrun.
    Lost,
}

/// A stretch of silence in a recording, in milliseconds from its start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gap {
    pub from_ms: u64,
    pub to_ms: u64,
    pub why: GapCause,
}
