//! One leg's state inside the plane. Commands change it (`plane::command`), packets and ticks drive it.

use super::player::{DIGITS_MAX, Player};
use super::source::{Reception, Source};
use super::stream::OutStream;
use super::types::*;
use crate::codec::Encoder;
use crate::dtmf;
use crate::inband::Detector;
use crate::jitter::{JitterBuffer, JitterStats};
use crate::quality::{Counted, Meter, Quality, Summary};
use crate::tone::Generator;
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

pub(super) struct Leg {
    pub(super) key: LegKey,
    /// `None` for WebRTC, where the peer is known by its keys.
    pub(super) source: Option<Source>,
    pub(super) rtcp: RtcpMode,
    pub(super) codec: CodecParams,
    pub(super) dtmf: Option<DtmfParams>,
    /// Of what is mixed or played for the leg; made when first needed.
    pub(super) encoder: Option<Encoder>,
    pub(super) direction: Direction,
    pub(super) muted: bool,
    /// The peer sends a fax by datagrams since then.
    pub(super) image: Option<Duration>,

    // The plan: made from the matrix by `Plane::replan`.
    pub(super) sending: Sending,
    /// Slot whose packets are relayed to this leg.
    pub(super) relay_from: Option<usize>,
    /// Slots to which this leg's packets are relayed.
    pub(super) relay_to: Vec<usize>,
    /// Slots mixed for this leg.
    pub(super) hears: Vec<usize>,
    /// Present while somebody hears this leg through the mixer, a recording needs it decoded in order, or digits are
    /// listened for in its sound.
    pub(super) jitter: Option<Box<JitterBuffer>>,
    pub(super) taps: Vec<RecordingKey>,

    pub(super) stream: OutStream,
    pub(super) reception: Reception,
    pub(super) dtmf_in: dtmf::Receiver,
    /// Listens for digits in the sound, while [`Leg::listens`].
    pub(super) tones: Option<Box<Detector>>,
    /// The newest digit in the sound and since when, if it was of use when it began.
    pub(super) newest_tone: Option<(char, Duration)>,
    /// The peer tells its digits by signalling.
    pub(super) signals: bool,
    /// The newest press was for a play: nobody else gets it.
    pub(super) press_used: bool,
    /// Packets of the newest press were relayed: do not send it on once more when it ends.
    pub(super) press_relayed: bool,
    /// Digits typed ahead of a collection.
    pub(super) typed: VecDeque<char>,
    pub(super) dtmf_out: dtmf::Sender,
    /// Timestamp of the event being sent.
    pub(super) press_timestamp: u32,
    pub(super) inband: Option<Generator>,
    pub(super) player: Option<Player>,
    /// The tone of a recording, and how many ticks of it are left.
    pub(super) beep: Option<(Generator, u32)>,

    pub(super) started: bool,
    /// Last RTP packet, or when reception became possible.
    pub(super) heard_at: Duration,
    pub(super) last_received: Option<Duration>,
    pub(super) silent: bool,
    /// The peer said that it pauses (RFC 3389); it need not say so again before it speaks.
    pub(super) pausing: bool,
    pub(super) dropped_foreign: u64,
    pub(super) dropped_invalid: u64,
    pub(super) dropped_payload_type: u64,
    pub(super) jitter_before: JitterStats,

    pub(super) next_report: Duration,
    /// Middle bits of the peer's last sender report, and when it came.
    pub(super) sender_report: Option<(u32, Duration)>,
    pub(super) remote_fraction_lost: u8,
    pub(super) round_trip: Option<Duration>,

    pub(super) meter: Meter,
    /// Packets received and lost when the meter's window began.
    pub(super) metered: (u64, u64),
    /// From the peer's reports of this window: lost in 1/256 and jitter; round trip.
    pub(super) far: Option<(u8, Duration)>,
    pub(super) far_trip: Option<Duration>,
    /// Lost on the way to us in the last two windows, 1/256.
    pub(super) lost_lately: [u8; 2],
}

impl Leg {
    pub(super) fn new(now: Duration, add: &AddLeg, rtcp_interval: Duration) -> Self {
        let (source, rtcp) = match add.transport {
            Transport::Rtp { remote, lock, rtcp } => (Some(Source::new(lock, remote)), rtcp),
            Transport::WebRtc => (None, RtcpMode::Mux),
        };
        let mut leg = Self {
            key: add.leg,
            source,
            rtcp,
            codec: add.codec,
            dtmf: add.dtmf,
            encoder: None,
            direction: add.direction,
            muted: false,
            image: None,
            sending: Sending::Off,
            relay_from: None,
            relay_to: Vec::new(),
            hears: Vec::new(),
            jitter: None,
            taps: Vec::new(),
            stream: match add.resume {
                Some(numbers) => OutStream::resumed(add.seed, add.codec.codec.units(), numbers),
                None => OutStream::new(add.seed, add.codec.codec.units()),
            },
            reception: Reception::new(add.codec.codec.units()),
            dtmf_in: dtmf::Receiver::default(),
            tones: None,
            newest_tone: None,
            signals: false,
            press_used: false,
            press_relayed: false,
            typed: VecDeque::new(),
            dtmf_out: dtmf::Sender::default(),
            press_timestamp: 0,
            inband: None,
            player: None,
            beep: None,
            started: false,
            heard_at: now,
            last_received: None,
            silent: false,
            pausing: false,
            dropped_foreign: 0,
            dropped_invalid: 0,
            dropped_payload_type: 0,
            jitter_before: JitterStats::default(),
            // Spread by the seed, so that the reports of many legs do not come in one tick.
            next_report: now + rtcp_interval.mul_f64(0.5 + (add.seed % 64) as f64 / 64.0),
            sender_report: None,
            remote_fraction_lost: 0,
            round_trip: None,
            meter: Meter::new(now),
            metered: (0, 0),
            far: None,
            far_trip: None,
            lost_lately: [0; 2],
        };
        leg.set_dtmf(add.dtmf);
        leg
    }

    /// How digits come and go from now on.
    pub(super) fn set_dtmf(&mut self, dtmf: Option<DtmfParams>) {
        self.dtmf = dtmf;
        if let Some(dtmf) = dtmf {
            self.dtmf_in.set_clock(dtmf.clock);
        }
    }

    /// Are digits wanted from this peer that can only come as tones in its sound? Those of browsers come by signalling. In a
    /// conversation they are for the other side, which hears them; nobody collects any while music goes on for ever.
    pub(super) fn listens(&self, in_bridge: bool) -> bool {
        let collects = self.player.as_ref().map_or(!in_bridge, Player::takes_digits);
        collects
            && self.image.is_none()
            && self.dtmf.is_none()
            && !self.signals
            && self.source.is_some()
            && self.direction.receive
    }

    /// Something else than whom it hears is sent to it.
    pub(super) fn sounds(&self) -> bool {
        self.player.is_some() || self.beep.is_some() || !self.dtmf_out.is_idle()
    }

    /// Where packets go; the outer `None` means nowhere yet.
    pub(super) fn destination(&self) -> Option<Option<SocketAddr>> {
        match &self.source {
            None => Some(None),
            Some(source) => source.destination().map(Some),
        }
    }

    /// Keeps a digit for a later collection; the oldest gives way.
    pub(super) fn type_ahead(&mut self, digit: char) {
        if self.typed.len() == DIGITS_MAX {
            self.typed.pop_front();
        }
        self.typed.push_back(digit);
    }

    /// Another codec, or the same under another number.
    pub(super) fn set_codec(&mut self, codec: CodecParams) {
        if self.codec.codec != codec.codec {
            self.encoder = None;
            self.drop_jitter();
            self.stream.set_units(codec.codec.units());
            self.reception.set_units(codec.codec.units());
        }
        self.codec = codec;
    }

    pub(super) fn drop_jitter(&mut self) {
        if let Some(jitter) = self.jitter.take() {
            let stats = jitter.stats();
            self.jitter_before.late += stats.late;
            self.jitter_before.concealed += stats.concealed;
        }
    }

    /// Judges the window that ends now. What is relayed to this leg had these losses (1/256) before it came here: they are
    /// in the peer's reports, and not of this leg's making.
    pub(super) fn measure(&mut self, now: Duration, lost_before: u8) -> Option<Quality> {
        let mut counted = self.counted(now);
        if let Some((lost, _)) = &mut counted.far {
            *lost = lost.saturating_sub(lost_before);
        }
        let lost = counted.expected.saturating_sub(counted.received) * 256;
        self.lost_lately = [self.lost_lately[1], lost.checked_div(counted.expected).unwrap_or(0).min(255) as u8];
        self.meter.take(now, &counted)
    }

    /// How the leg sounded up to now.
    pub(super) fn quality(&mut self, now: Duration) -> Option<Summary> {
        if self.meter.has_rest(now) {
            let counted = self.counted(now);
            self.meter.take(now, &counted);
        }
        self.meter.summary()
    }

    fn counted(&mut self, now: Duration) -> Counted {
        /// Of 20 ms each: what a peer that fell silent without a word would have sent.
        const PACKETS_PER_SECOND: u128 = 50;
        let total = (self.reception.packets, self.reception.lost());
        let before = std::mem::replace(&mut self.metered, total);
        let received = total.0 - before.0;
        let mut expected = received + total.1.saturating_sub(before.1);
        let since = self.meter.since();
        // Not even comfort noise, although the peer may speak: its packets do not get here.
        if self.started && self.direction.receive && !self.pausing && self.heard_at <= since {
            expected = (now.saturating_sub(since).as_millis() * PACKETS_PER_SECOND / 1000) as u64;
        }
        let jitter = if received > 0 { Duration::from_micros(self.reception.jitter_us()) } else { Duration::ZERO };
        Counted { expected, received, jitter, far: self.far.take(), round_trip: self.far_trip.take() }
    }

    pub(super) fn stats(&self) -> LegStats {
        let jitter = self.jitter.as_ref().map(|jitter| jitter.stats()).unwrap_or_default();
        LegStats {
            sending: self.sending,
            received_packets: self.reception.packets,
            received_bytes: self.reception.bytes,
            sent_packets: self.stream.packets,
            sent_bytes: self.stream.bytes,
            lost: self.reception.lost(),
            jitter_us: self.reception.jitter_us(),
            dropped_foreign: self.dropped_foreign,
            dropped_invalid: self.dropped_invalid,
            dropped_payload_type: self.dropped_payload_type,
            late: self.jitter_before.late + jitter.late,
            concealed: self.jitter_before.concealed + jitter.concealed,
            locked_source: self.source.as_ref().and_then(Source::locked),
            remote_fraction_lost: self.remote_fraction_lost,
            round_trip: self.round_trip,
            last_received: self.last_received,
        }
    }
}
