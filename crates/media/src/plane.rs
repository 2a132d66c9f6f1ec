//! The plane: legs, bridges, plays and recordings of one media thread. See the crate's documentation for how it is
//! driven. This file holds the state and the packet path; `command` carries out commands and makes the plan of who is
//! relayed and who is mixed; `tick` does what is due every 20 ms.
//!
//! For each listener the cheapest way that serves it: *relay* when it hears exactly one leg of its own codec and
//! nothing else is going on (the packet gets a new header, nothing is decoded), else *mix* on the tick (prompts,
//! conferences, differing codecs, digits being sent: decoded, and encoded anew). Either way the listener sees one continuous stream.

mod command;
mod fax;
mod leg;
mod player;
mod source;
mod stream;
#[cfg(test)]
mod tests;
mod tick;
pub mod types;

use crate::bridge::Bridge;
use crate::codec::FRAME;
use crate::dtmf::{self, Press};
use crate::quality;
use crate::recorder::Recorder;
use crate::rtcp::{self, Rtcp};
use crate::rtp;
use leg::Leg;
use rustc_hash::FxHashMap;
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;
use types::*;

/// Packets waiting in [`Plane::poll`] beyond which new ones are dropped: a caller that does not drain must not make
/// the process grow. Events and recording frames are kept.
const PACKETS_WAITING_MAX: usize = 16_384;
/// Largest audio payload: 200 ms. Nobody sends more, and the jitter buffer would be pushed around by it.
const PAYLOAD_MAX: usize = 1600;

/// The first digit by signalling within this time of the same one in the sound is the same press: it may be told when the
/// key comes up.
const SAME_PRESS: Duration = Duration::from_secs(2);

/// Source: RFC 3389 §4, RFC 3551 §6.
const COMFORT_NOISE: u8 = 13;

/// What a relayed packet is.
#[derive(Debug, Clone, Copy)]
enum Relayed {
    Audio {
        /// Of 8 kHz.
        samples: u32,
    },
    ComfortNoise,
    Event {
        payload: dtmf::Payload,
        clock: u32,
    },
}

/// One media thread's worth of legs and bridges.
pub struct Plane {
    config: PlaneConfig,
    legs: Vec<Option<Leg>>,
    /// Places in `legs` without a leg.
    free: Vec<usize>,
    // Keys are counters of ours, never a peer's choice: no need for a hash that resists attacks.
    slots: FxHashMap<LegKey, usize>,
    bridges: FxHashMap<BridgeKey, Bridge>,
    /// The bridge each leg belongs to, also of legs that are not added yet.
    membership: FxHashMap<LegKey, BridgeKey>,
    recordings: FxHashMap<RecordingKey, Recorder>,
    /// When the next tone of a recording is due, and how far apart they are.
    beeps: FxHashMap<RecordingKey, (Duration, Duration)>,
    /// What each slot says on this tick, and whether there is anything to hear.
    frames: Vec<([i16; FRAME], bool)>,
    next_tick: Option<Duration>,
    sent: Sent,
    out: VecDeque<Output>,
}

impl Plane {
    pub fn new(config: PlaneConfig) -> Self {
        Self {
            config,
            legs: Vec::new(),
            free: Vec::new(),
            slots: FxHashMap::default(),
            bridges: FxHashMap::default(),
            membership: FxHashMap::default(),
            recordings: FxHashMap::default(),
            beeps: FxHashMap::default(),
            frames: Vec::new(),
            next_tick: None,
            sent: Sent::default(),
            out: VecDeque::new(),
        }
    }

    /// The next thing to send, tell or store.
    pub fn poll(&mut self) -> Option<Output> {
        self.out.pop_front()
    }

    /// When [`Plane::handle_timeout`] is due; `None` while there is nothing to do.
    pub fn next_timeout(&self) -> Option<Duration> {
        self.next_tick
    }

    /// Counters of a leg.
    pub fn stats(&self, leg: LegKey) -> Option<LegStats> {
        self.leg(leg).map(Leg::stats)
    }

    /// How a leg has sounded since it was added; ends its running window.
    pub fn quality(&mut self, now: Duration, leg: LegKey) -> Option<quality::Summary> {
        self.leg_mut(leg)?.quality(now)
    }

    /// What has been sent since this was asked last.
    pub fn take_sent(&mut self) -> Sent {
        std::mem::take(&mut self.sent)
    }

    /// Living legs.
    pub fn leg_count(&self) -> usize {
        self.slots.len()
    }

    fn leg(&self, key: LegKey) -> Option<&Leg> {
        self.legs.get(*self.slots.get(&key)?)?.as_ref()
    }

    fn leg_mut(&mut self, key: LegKey) -> Option<&mut Leg> {
        self.legs.get_mut(*self.slots.get(&key)?)?.as_mut()
    }

    fn event(&mut self, event: Event) {
        self.out.push_back(Output::Event(event));
    }

    /// Takes a datagram that arrived on the socket of `leg` (for WebRTC: the plaintext RTP packet; `src` is ignored).
    /// Never fails: what cannot be used is counted in [`LegStats`].
    pub fn handle_packet(&mut self, now: Duration, leg: LegKey, src: SocketAddr, bytes: &[u8]) {
        let Some(&slot) = self.slots.get(&leg) else { return };
        let is_image = self.legs[slot].as_ref().is_some_and(|leg| leg.image.is_some());
        if rtp::is_rtcp(bytes) && !is_image {
            return self.handle_rtcp(now, leg, src, bytes);
        }
        let relatch_after = self.config.relatch_after;
        let Some(leg) = self.legs[slot].as_mut() else { return };
        if leg.image.is_some() {
            return self.datagram(now, slot, src, bytes);
        }
        let Ok(packet) = rtp::Packet::parse(bytes) else {
            leg.dropped_invalid += 1;
            return;
        };
        let header = &packet.header;
        let is_audio = header.payload_type == leg.codec.payload_type;
        let is_dtmf = !is_audio && leg.dtmf.is_some_and(|dtmf| dtmf.payload_type == header.payload_type);
        let is_comfort = !is_audio && leg.codec.comfort_noise && header.payload_type == COMFORT_NOISE;
        if packet.payload.is_empty() || packet.payload.len() > PAYLOAD_MAX {
            leg.dropped_invalid += 1;
            return;
        }
        let used = is_audio || is_dtmf || is_comfort;
        if let Some(source) = &mut leg.source {
            // What was not agreed can keep a known peer alive, but not make an address the peer.
            let known =
                if used { source.accept(now, src, Some(header), relatch_after) } else { source.locked() == Some(src) };
            if !known {
                leg.dropped_foreign += 1;
                return;
            }
        }
        leg.heard_at = now;
        leg.last_received = Some(now);
        let key = leg.key;
        if std::mem::take(&mut leg.silent) {
            self.out.push_back(Output::Event(Event::MediaResumed { leg: key }));
        }
        if !used {
            leg.dropped_payload_type += 1;
            return;
        }
        if !std::mem::replace(&mut leg.started, true) {
            self.out.push_back(Output::Event(Event::MediaStarted { leg: key }));
        }
        let new_stream = leg.reception.count(now, header, packet.payload.len(), is_audio);
        if !leg.direction.receive {
            return;
        }
        let ended = if new_stream { leg.dtmf_in.reset() } else { None };
        if let Some(press) = ended {
            self.pressed(now, slot, press);
        }
        if is_audio {
            self.audio(now, slot, &packet);
        } else if is_dtmf {
            self.telephone_event(now, slot, &packet);
        } else {
            self.comfort(now, slot, &packet);
        }
    }

    fn audio(&mut self, now: Duration, slot: usize, packet: &rtp::Packet) {
        let Some(leg) = self.legs[slot].as_mut() else { return };
        leg.pausing = false;
        if leg.muted {
            return;
        }
        let codec = leg.codec.codec;
        if let Some(law) = codec.law() {
            for recording in &leg.taps {
                if let Some(recorder) = self.recordings.get_mut(recording) {
                    recorder.tap(now, leg.key, law, &packet.header, packet.payload);
                }
            }
        }
        if let Some(jitter) = &mut leg.jitter {
            let wait = self.next_tick.map_or(0, |tick| source::clock_units(tick.saturating_sub(now)));
            jitter.push(packet.header.ssrc, packet.header.timestamp, packet.payload, wait as u32);
        }
        let samples = codec.samples(packet.payload) as u32;
        self.relay(now, slot, packet, Relayed::Audio { samples });
    }

    /// The peer says nothing for a while, and how that sounds.
    fn comfort(&mut self, now: Duration, slot: usize, packet: &rtp::Packet) {
        let Some(leg) = self.legs[slot].as_mut() else { return };
        leg.pausing = true;
        if leg.muted {
            return;
        }
        let Some(&level) = packet.payload.first() else { return };
        if let Some(jitter) = &mut leg.jitter {
            jitter.comfort(level);
        }
        for recording in &leg.taps {
            if let Some(recorder) = self.recordings.get_mut(recording) {
                recorder.comfort(now, leg.key, level);
            }
        }
        self.relay(now, slot, packet, Relayed::ComfortNoise);
    }

    /// Sends a packet on to everybody who hears this leg by relay.
    fn relay(&mut self, now: Duration, slot: usize, packet: &rtp::Packet, what: Relayed) {
        // By index: the listeners live in the same vector as the speaker.
        let targets = self.legs[slot].as_ref().map_or(0, |leg| leg.relay_to.len());
        for at in 0..targets {
            let Some(target) = self.legs[slot].as_ref().and_then(|leg| leg.relay_to.get(at).copied()) else { return };
            let Some(listener) = self.legs.get_mut(target).and_then(Option::as_mut) else { continue };
            debug_assert_eq!(listener.relay_from, Some(slot), "plans of speaker and listener agree");
            let Some(dst) = listener.destination() else { continue };
            let (payload_type, samples) = match (what, listener.dtmf) {
                (Relayed::Audio { samples }, _) => (listener.codec.payload_type, samples),
                (Relayed::ComfortNoise, _) if listener.codec.comfort_noise => (COMFORT_NOISE, 0),
                // An echo of one's own digits would be taken for the other side's.
                (Relayed::Event { .. }, Some(dtmf)) if target != slot => (dtmf.payload_type, 0),
                (Relayed::ComfortNoise | Relayed::Event { .. }, _) => continue,
            };
            let event = match (what, listener.dtmf) {
                (Relayed::Event { payload, clock }, Some(dtmf)) if dtmf.clock != clock => {
                    Some(payload.at(clock, dtmf.clock).to_bytes())
                }
                _ => None,
            };
            let payload = event.as_ref().map_or(packet.payload, |event| event);
            let header = listener.stream.relay(now, &packet.header, payload_type, samples, payload.len());
            if let Some(header) = header {
                let bytes = rtp::Packet::new(header, payload).to_vec();
                self.sent.relayed += 1;
                push_packet(&mut self.out, Outgoing { leg: listener.key, dst, rtcp: false, bytes });
            }
        }
    }

    fn telephone_event(&mut self, now: Duration, slot: usize, packet: &rtp::Packet) {
        let Some(leg) = self.legs[slot].as_mut() else { return };
        let Some(payload) = dtmf::Payload::parse(packet.payload) else {
            leg.dropped_invalid += 1;
            return;
        };
        let presses = leg.dtmf_in.packet(now, packet.header.timestamp, packet.header.marker, payload);
        for press in presses.into_iter().flatten() {
            self.pressed(now, slot, press);
        }
        let Some(leg) = self.legs[slot].as_mut() else { return };
        // What a play has used is not for the other side, up to its last repeated end packet.
        if !leg.press_used && !leg.muted && leg.relay_to.iter().any(|&to| to != slot) {
            leg.press_relayed = true;
            let clock = leg.dtmf.map_or(crate::RATE, |dtmf| dtmf.clock);
            self.relay(now, slot, packet, Relayed::Event { payload, clock });
        }
    }

    /// A key of this leg's peer went down or came up.
    fn pressed(&mut self, now: Duration, slot: usize, press: Press) {
        let Some(leg) = self.legs.get_mut(slot).and_then(Option::as_mut) else { return };
        let key = leg.key;
        match press {
            Press::Started(digit) => {
                leg.press_used = leg.player.is_some();
                leg.press_relayed = false;
                let used = leg.player.as_mut().is_some_and(|player| player.digit(now, digit));
                // Digits pressed during a conversation are for the other side, not for the next menu.
                if !used && (leg.player.is_some() || !self.membership.contains_key(&key)) {
                    leg.type_ahead(digit);
                }
                self.end_play_if_over(now, slot);
            }
            Press::Ended(digit, duration) => {
                let relaying = leg.press_relayed || leg.relay_to.iter().any(|&to| to != slot);
                let send_on = !leg.press_used && !relaying && !leg.muted;
                self.event(Event::Digit { leg: key, digit, duration });
                if send_on {
                    self.send_on(slot, digit, false);
                }
            }
        }
    }

    /// A digit was heard in this leg's sound.
    fn tone(&mut self, now: Duration, slot: usize, press: Press) {
        let Some(leg) = self.legs.get_mut(slot).and_then(Option::as_mut) else { return };
        let (key, listens) = (leg.key, leg.listens(self.membership.contains_key(&leg.key)));
        if let Press::Started(digit) = press {
            leg.newest_tone = listens.then_some((digit, now));
        }
        if leg.newest_tone.is_some() {
            self.pressed(now, slot, press);
        }
        match press {
            // Whoever hears this leg has heard it.
            Press::Started(_) => _ = self.leg_mut(key).map(|leg| leg.press_relayed = true),
            // Whether to go on listening.
            Press::Ended(..) => self.replan(key),
        }
    }

    /// A digit that arrived by signalling: no telephone-event packets of it are relayed, so all listeners get it anew.
    fn signalled_digit(&mut self, now: Duration, slot: usize, digit: char) {
        let Some(leg) = self.legs.get_mut(slot).and_then(Option::as_mut) else { return };
        let key = leg.key;
        if !std::mem::replace(&mut leg.signals, true) {
            // From here on nothing is taken from the sound; what was taken a moment ago is this very press.
            let heard = leg.newest_tone.is_some_and(|(tone, at)| tone == digit && now.saturating_sub(at) < SAME_PRESS);
            self.replan(key);
            if heard {
                return;
            }
        }
        self.pressed(now, slot, Press::Started(digit));
        let Some(leg) = self.legs.get_mut(slot).and_then(Option::as_mut) else { return };
        let (key, send_on) = (leg.key, !leg.press_used && !leg.muted);
        self.event(Event::Digit { leg: key, digit, duration: Duration::from_millis(100) });
        if send_on {
            self.send_on(slot, digit, true);
        }
    }

    /// Sends a digit received from this leg to those who hear it through the mixer (and, if `relayed`, by relay) as a
    /// digit of our own.
    fn send_on(&mut self, slot: usize, digit: char, relayed: bool) {
        let mut text = [0; 4];
        let digit = &*digit.encode_utf8(&mut text);
        let mut listeners = Vec::new();
        for (at, leg) in self.legs.iter_mut().enumerate() {
            if let Some(leg) = leg
                && at != slot
                && leg.player.is_none()
                && (leg.hears.contains(&slot) || (relayed && leg.relay_from == Some(slot)))
            {
                leg.dtmf_out.push(digit);
                listeners.push(leg.key);
            }
        }
        listeners.into_iter().for_each(|leg| self.replan(leg));
    }

    fn end_play_if_over(&mut self, now: Duration, slot: usize) {
        let Some(leg) = self.legs.get_mut(slot).and_then(Option::as_mut) else { return };
        let Some(event) = leg.player.as_ref().and_then(|player| player.ended(now)) else { return };
        leg.player = None;
        let key = leg.key;
        self.event(event);
        self.replan(key);
    }

    /// Takes an RTCP datagram, from the RTP socket or the one next to it.
    pub fn handle_rtcp(&mut self, now: Duration, leg: LegKey, src: SocketAddr, bytes: &[u8]) {
        let Some(&slot) = self.slots.get(&leg) else { return };
        let Some(leg) = self.legs[slot].as_mut() else { return };
        if leg.image.is_some() {
            // A datagram of UDPTL may look like one.
            return self.datagram(now, slot, src, bytes);
        }
        if leg.source.as_ref().is_some_and(|source| !source.accepts_rtcp(src)) {
            leg.dropped_foreign += 1;
            return;
        }
        for packet in rtcp::parse(bytes) {
            let blocks = match packet {
                Rtcp::SenderReport { info, blocks, .. } => {
                    leg.sender_report = Some(((info.ntp >> 16) as u32, now));
                    blocks
                }
                Rtcp::ReceiverReport { blocks, .. } => blocks,
                Rtcp::Description { .. } | Rtcp::Bye { .. } => continue,
            };
            for block in blocks.iter().filter(|block| block.ssrc == leg.stream.ssrc()) {
                leg.remote_fraction_lost = block.fraction_lost;
                // Reports that come closer together count by the worst.
                let (lost, jitter) = leg.far.unwrap_or_default();
                let theirs = Duration::from_micros(u64::from(block.jitter) * 125 / u64::from(leg.codec.codec.units()));
                leg.far = Some((lost.max(block.fraction_lost), jitter.max(theirs)));
                if block.last_sr != 0 {
                    let arrived = (tick::ntp(now) >> 16) as u32;
                    let units = arrived.wrapping_sub(block.last_sr).wrapping_sub(block.delay_since_last_sr);
                    // Negative or absurd results come from clocks that jumped, or from a liar.
                    if units < 60 << 16 {
                        leg.round_trip = Some(Duration::from_micros((u64::from(units) * 1_000_000) >> 16));
                        leg.far_trip = leg.round_trip;
                    }
                }
            }
        }
    }
}

fn push_packet(out: &mut VecDeque<Output>, packet: Outgoing) {
    if out.len() < PACKETS_WAITING_MAX {
        out.push_back(Output::Packet(packet));
    }
}
