//! What goes into the plane and comes out of it: keys, commands, events, statistics. Plain values, built and read by
//! `switch` (commands, events) and `telephony` (outputs, statistics).

use crate::audio::Clip;
use crate::bridge::{BridgeError, Matrix};
use crate::codec::Codec;
use crate::quality::Quality;
use crate::recorder::{Frame, GapReason};
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;
use std::time::Duration;
use thiserror::Error;

/// A leg, named by the caller; unique among the living legs of one plane.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LegKey(pub u64);

/// A bridge, named by the caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BridgeKey(pub u64);

/// One [`Play`], named by the caller; comes back in [`Event::PlayEnded`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PlayKey(pub u64);

/// A running recording, named by the caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RecordingKey(pub u64);

/// Which source addresses may become the peer of an RTP leg. Once locked, packets from elsewhere are counted and
/// dropped; see [`Transport::Rtp`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LockPolicy {
    /// Only the address and port of the SDP (trunks with fixed addresses).
    Exact,
    /// The IP address of the SDP, any port.
    SameIp,
    /// The first valid packet decides (peers behind NAT: "comedia").
    Any,
}

/// Where RTCP goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum RtcpMode {
    /// None is sent.
    Off,
    /// To the RTP address (RFC 5761).
    Mux,
    /// To the RTP port plus one.
    NextPort,
}

/// How packets of a leg travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// Plain RTP. Packets go to `remote` until a source is locked, then to that source (symmetric RTP). A lock is
    /// given up when [`UpdateLeg`] brings another `remote`, or when the locked source has been silent for
    /// [`PlaneConfig::relatch_after`] and the very same stream (SSRC, following sequence numbers) shows up elsewhere.
    Rtp { remote: Option<SocketAddr>, lock: LockPolicy, rtcp: RtcpMode },
    /// The caller exchanges plaintext RTP with its WebRTC stack; packets, and reports, come out without a destination.
    WebRtc,
}

/// May media flow to and from the peer, seen from here (SDP direction attribute).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Direction {
    pub send: bool,
    pub receive: bool,
}

impl Direction {
    pub const BOTH: Self = Self { send: true, receive: true };
    pub const SEND_ONLY: Self = Self { send: true, receive: false };
    pub const RECEIVE_ONLY: Self = Self { send: false, receive: true };
    /// Added but not started, or on hold both ways.
    pub const INACTIVE: Self = Self { send: false, receive: false };
}

/// A codec and the payload type agreed for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct CodecParams {
    pub codec: Codec,
    pub payload_type: u8,
    /// Comfort noise was agreed besides (RFC 3389, payload type 13).
    #[serde(default)]
    pub comfort_noise: bool,
}

impl CodecParams {
    /// Without comfort noise.
    pub fn new(codec: Codec, payload_type: u8) -> Self {
        Self { codec, payload_type, comfort_noise: false }
    }
}

/// How digits are sent and received as telephone events (RFC 4733).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct DtmfParams {
    pub payload_type: u8,
    /// Units of their durations in a second: 8,000, or beside Opus 48,000.
    pub clock: u32,
}

impl DtmfParams {
    /// At 8 kHz.
    pub fn new(payload_type: u8) -> Self {
        Self { payload_type, clock: crate::RATE }
    }

    /// Units for each 8 kHz sample.
    pub(super) fn units(self) -> u32 {
        (self.clock / crate::RATE).max(1)
    }
}

/// A new leg.
#[derive(Debug, Clone, PartialEq)]
pub struct AddLeg {
    pub leg: LegKey,
    pub transport: Transport,
    pub codec: CodecParams,
    /// Telephone events, when agreed. Without them digits are sent as tones in the sound, and listened for there while they
    /// are of use (not those of [`Transport::WebRtc`]).
    pub dtmf: Option<DtmfParams>,
    pub direction: Direction,
    /// Random number from which SSRC, first sequence number and first timestamp are made.
    pub seed: u64,
    /// The leg lived in a former process, with the same seed: the numbers it goes on with ([`Numbers::resumed`]).
    pub resume: Option<Numbers>,
}

/// Where the numbers of what a leg sends stand: the next sequence number, and the timestamp of this moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Numbers {
    pub sequence: u16,
    pub timestamp: u32,
}

/// More than a leg sends between two of its [`Numbers`], at whatever packet length, and less than makes receivers take the
/// stream for another (RFC 3550 appendix A.1: 3,000).
const RESUME_LEAP: u16 = 2_000;

impl Numbers {
    /// Of a leg with this seed that has sent nothing.
    pub fn first(seed: u64) -> Self {
        super::stream::OutStream::new(seed, 1).numbers(Duration::ZERO)
    }

    /// With which another process goes on, so long after these were told: none that may have been used since. The peer sees
    /// one stream, with the loss of what was not sent.
    pub fn resumed(self, passed: Duration, codec: Codec) -> Self {
        let units = super::source::clock_units(passed) as u32;
        Self {
            sequence: self.sequence.wrapping_add(RESUME_LEAP),
            timestamp: self.timestamp.wrapping_add(units.wrapping_mul(codec.units())),
        }
    }
}

/// What a re-INVITE, an answer or a new peer changed; `None` leaves a property as it is.
#[derive(Debug, Clone, PartialEq)]
pub struct UpdateLeg {
    pub leg: LegKey,
    /// RTP address of the SDP. The same address again keeps the lock, another one learns anew.
    pub remote: Option<SocketAddr>,
    pub codec: Option<CodecParams>,
    pub dtmf: Option<Option<DtmfParams>>,
    pub direction: Option<Direction>,
    /// Datagrams of T.38 (UDPTL) instead of RTP, or RTP again. They are passed between two legs that hear one another, and
    /// dropped where the other is not of this kind.
    pub image: Option<bool>,
}

impl UpdateLeg {
    /// Changes nothing yet; set the fields that differ.
    pub fn new(leg: LegKey) -> Self {
        Self { leg, remote: None, codec: None, dtmf: None, direction: None, image: None }
    }
}

/// Digits to wait for, during and after the prompt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Collect {
    /// 1–32; collection ends with the last of them.
    pub max_digits: u8,
    /// Characters that end collection and are not part of the digits, for example `#`.
    pub terminators: String,
    /// Counted from the end of the prompt.
    pub first_timeout: Duration,
    /// Counted from each digit.
    pub inter_digit_timeout: Duration,
    /// Forget digits typed before this play began.
    pub clear_buffered: bool,
}

/// Audio for one leg. While it lasts (collection included) the leg hears this instead of its bridge; a new play
/// replaces the old one, which ends as [`PlayEnd::Stopped`].
#[derive(Debug, Clone, PartialEq)]
pub struct Play {
    pub leg: LegKey,
    pub play: PlayKey,
    /// Played in order. Empty: only collect.
    pub clips: Vec<Clip>,
    /// Starts over after the last clip, until stopped (music on hold).
    pub looped: bool,
    /// 0.0 leaves the clips as they are.
    pub gain_db: f32,
    /// A digit cuts the prompt short. Without `collect` the digit stays buffered for the next collection.
    pub interruptible: bool,
    pub collect: Option<Collect>,
}

impl Play {
    /// These clips once, uninterruptible, at their own level.
    pub fn new(leg: LegKey, play: PlayKey, clips: Vec<Clip>) -> Self {
        Self { leg, play, clips, looped: false, gain_db: 0.0, interruptible: false, collect: None }
    }
}

/// Wishes; see [`crate::Plane::handle`].
#[derive(Debug, Clone, PartialEq)]
pub enum Command {
    AddLeg(AddLeg),
    UpdateLeg(UpdateLeg),
    /// Ends its play (as stopped) and takes it out of its bridge and recordings.
    RemoveLeg {
        leg: LegKey,
    },
    /// Creates or replaces a whole bridge. Legs found in another bridge leave that one. Unknown legs are skipped and
    /// take their place when they are added.
    SetBridge {
        bridge: BridgeKey,
        matrix: Matrix,
    },
    RemoveBridge {
        bridge: BridgeKey,
    },
    /// A muted leg is heard by nobody and not recorded; it goes on hearing.
    Mute {
        leg: LegKey,
        muted: bool,
    },
    Play(Play),
    /// Ends a play early; a play that is not running any more is left alone.
    StopPlay {
        leg: LegKey,
        play: PlayKey,
    },
    /// Digits towards the peer: RFC 4733, or in-band tones when the peer has not agreed to it.
    SendDtmf {
        leg: LegKey,
        digits: String,
    },
    /// A digit the peer sent by signalling (SIP INFO, a page's keypad): treated and reported as if it had come as a
    /// telephone event, and sent on to those who hear this leg. Anything but 0–9, `*`, `#`, A–D is left out.
    Digit {
        leg: LegKey,
        digit: char,
    },
    /// Starts a stereo recording of what these legs say: customer left; agent (and whoever joins) right.
    Record {
        recording: RecordingKey,
        left: LegKey,
        right: Vec<LegKey>,
        /// Between two short tones that all recorded legs hear, paused stretches apart; not before the first has passed a
        /// second of the recording.
        beep: Option<Duration>,
        /// What a former process has recorded of it; zero for a new one.
        from_ms: u64,
    },
    /// The new state of a recording: its legs, and why it is paused if it is. A pause is silence listed as a gap.
    UpdateRecord {
        recording: RecordingKey,
        left: LegKey,
        right: Vec<LegKey>,
        pause: Option<GapReason>,
    },
    /// Ends it; the last frame is [`Frame::Ended`].
    StopRecord {
        recording: RecordingKey,
    },
}

/// How a play ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PlayEnd {
    /// All clips were heard, and collection (if any) is over.
    Finished,
    /// A digit cut the prompt short.
    Interrupted,
    /// By [`Command::StopPlay`], another play, or the end of the leg.
    Stopped,
}

/// Facts about media.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The first valid packet of a leg arrived (its source is now locked).
    MediaStarted { leg: LegKey },
    /// A key was pressed; reported when it comes up. Also reported when a play collects it, and after the end of that
    /// play: plays act when the key goes down.
    Digit { leg: LegKey, digit: char, duration: Duration },
    PlayEnded {
        leg: LegKey,
        play: PlayKey,
        why: PlayEnd,
        /// What was collected, without the terminator.
        digits: String,
        terminator: Option<char>,
        /// Collection ended by a time-out.
        timed_out: bool,
    },
    /// Nothing at all was received for [`PlaneConfig::silent_after`]. Said once per silence.
    MediaSilent { leg: LegKey, silent_for: Duration },
    /// A packet arrived after [`Event::MediaSilent`].
    MediaResumed { leg: LegKey },
    /// All digits queued by [`Command::SendDtmf`] are out.
    DtmfSent { leg: LegKey },
    /// How the leg sounded in the last [`crate::quality::WINDOW`]; nothing is said of one in which nobody sent anything.
    Quality { leg: LegKey, quality: Quality },
    /// With each [`crate::quality::WINDOW`] of a leg with an address, for [`Numbers::resumed`].
    Numbers { leg: LegKey, numbers: Numbers },
}

/// A packet to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outgoing {
    pub leg: LegKey,
    /// `None` for WebRTC legs.
    pub dst: Option<SocketAddr>,
    pub rtcp: bool,
    pub bytes: Vec<u8>,
}

/// What [`crate::Plane::poll`] hands out.
#[derive(Debug, Clone, PartialEq)]
pub enum Output {
    Packet(Outgoing),
    Event(Event),
    /// A piece of a recording, to be appended to its spool with [`crate::recorder::segment::write_frame`].
    Record {
        recording: RecordingKey,
        frame: Frame,
    },
}

/// Why a command was refused; nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum MediaError {
    #[error("no such leg")]
    UnknownLeg(LegKey),
    #[error("the leg exists already")]
    DuplicateLeg(LegKey),
    #[error("no such bridge")]
    UnknownBridge(BridgeKey),
    #[error("no such recording")]
    UnknownRecording(RecordingKey),
    #[error("the recording exists already")]
    DuplicateRecording(RecordingKey),
    #[error("this media plane is full")]
    Full,
    #[error("unusable play: {0}")]
    Play(&'static str),
    #[error(transparent)]
    Bridge(#[from] BridgeError),
}

/// Limits and times; the defaults suit telephony.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlaneConfig {
    pub legs_max: usize,
    /// No RTP for this long is reported as [`Event::MediaSilent`].
    pub silent_after: Duration,
    /// How long a locked source must be silent before its stream may continue from another address.
    pub relatch_after: Duration,
    pub rtcp_interval: Duration,
    /// Ticks made up for after a late wake-up: the last of those owed. Time before them is skipped rather than sent in a
    /// burst.
    pub catch_up_max: u32,
    /// CNAME in RTCP; must not name a person or machine.
    pub cname: String,
}

impl Default for PlaneConfig {
    fn default() -> Self {
        Self {
            legs_max: 4096,
            silent_after: Duration::from_secs(5),
            relatch_after: Duration::from_secs(3),
            rtcp_interval: Duration::from_secs(5),
            catch_up_max: 5,
            cname: "cordboard".into(),
        }
    }
}

/// How a leg's outgoing stream is made at the moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sending {
    /// Packets of one other leg with a new header.
    Relay,
    /// Mixed, played or silent frames on the tick.
    Mix,
    /// Nothing (direction).
    Off,
}

/// Packets sent, by how they were made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Sent {
    /// Of another leg, unopened.
    pub relayed: u64,
    /// Of one other leg, decoded and coded anew: it speaks another codec, or has digits where this one has none.
    pub transcoded: u64,
    /// Prompts, tones, several voices, and the silence between relayed packets.
    pub mixed: u64,
    /// Datagrams of a fax, as they came.
    pub fax: u64,
}

/// Counters since the leg was added.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LegStats {
    pub sending: Sending,
    /// RTP accepted from the peer: packets and payload octets.
    pub received_packets: u64,
    pub received_bytes: u64,
    pub sent_packets: u64,
    pub sent_bytes: u64,
    /// Sequence numbers that never came (late packets are not lost).
    pub lost: u64,
    /// RFC 3550 interarrival jitter, microseconds.
    pub jitter_us: u64,
    /// From addresses other than the locked source.
    pub dropped_foreign: u64,
    /// Not RTP, or with an empty or oversized payload.
    pub dropped_invalid: u64,
    /// RTP of a payload type that was not agreed. It still counts as a sign of life.
    pub dropped_payload_type: u64,
    /// Packets that reached the jitter buffer after their turn.
    pub late: u64,
    /// Ticks with concealed samples.
    pub concealed: u64,
    /// The source that packets are accepted from and sent to.
    pub locked_source: Option<SocketAddr>,
    /// From the peer's RTCP: share of our packets lost lately (1/256), and round trip.
    pub remote_fraction_lost: u8,
    pub round_trip: Option<Duration>,
    /// When the last RTP packet came.
    pub last_received: Option<Duration>,
}
