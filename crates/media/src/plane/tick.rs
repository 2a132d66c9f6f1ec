//! What is due every 20 ms: play-out of the jitter buffers, mixing, prompts, digits, silence, reports, recording.
//! Part of [`Plane`]; called through [`Plane::handle_timeout`].

use super::command::TICK;
use super::leg::Leg;
use super::types::*;
use super::{Plane, push_packet};
use crate::codec::{Encoder, FRAME};
use crate::dtmf::{self, Send};
use crate::rtcp::{self, Rtcp, SenderInfo};
use crate::rtp;
use crate::tone::{Generator, Tone};
use std::collections::VecDeque;
use std::time::Duration;

/// A relayed stream that pauses for this long is filled with silence, which keeps NATs open and peers content. Shorter
/// stalls are left alone: the burst that follows one keeps its place in time, as the listener's jitter buffer expects.
const FILL_AFTER: Duration = Duration::from_millis(500);
/// How much longer than others a peer is believed to live that said it pauses, and need not say so again (RFC 3389 §4).
const PAUSES_LAST: u32 = 6;
/// In-band digits sound for the first five ticks, as their events would.
const PRESS_SAMPLES: u32 = 5 * FRAME as u32;
/// The tone of a recording: 1,400 Hz for 200 ms, the custom of recorders, quiet enough to talk through.
const BEEP: Tone = Tone { hz: 1400.0, second_hz: None, level: 0.1 };
const BEEP_TICKS: u32 = 10;

/// A time in NTP's 32.32 format, as far as differences are concerned.
pub(super) fn ntp(now: Duration) -> u64 {
    (now.as_secs() << 32) | ((u64::from(now.subsec_nanos()) << 32) / 1_000_000_000)
}

impl Plane {
    /// Does what is due at `now`.
    pub fn handle_timeout(&mut self, now: Duration) {
        if let Some(due) = &mut self.next_tick {
            let owed = now.checked_sub(*due).map_or(0, |late| (late.as_millis() / TICK.as_millis()) as u32 + 1);
            *due += TICK * owed.saturating_sub(self.config.catch_up_max);
        }
        while let Some(due) = self.next_tick.filter(|&due| due <= now) {
            self.next_tick = Some(due + TICK);
            self.tick(due);
        }
    }

    fn tick(&mut self, now: Duration) {
        self.beep(now);
        let mut tones = Vec::new();
        for (slot, (leg, (frame, audible))) in self.legs.iter_mut().zip(&mut self.frames).enumerate() {
            *audible = false;
            let Some(leg) = leg else { continue };
            let Some(jitter) = &mut leg.jitter else { continue };
            let concealed = jitter.stats().concealed;
            *audible = jitter.pull(frame);
            let received = jitter.stats().concealed == concealed;
            if *audible && !leg.taps.is_empty() && leg.codec.codec.law().is_none() {
                for recording in &leg.taps {
                    if let Some(recorder) = self.recordings.get_mut(recording) {
                        recorder.tap_samples(now, leg.key, frame);
                    }
                }
            }
            if let Some(detector) = &mut leg.tones {
                tones.extend(detector.listen(frame, received).into_iter().map(|press| (slot, press)));
            }
        }
        for (slot, press) in tones {
            self.tone(now, slot, press);
        }
        let mut presses = Vec::new();
        let mut changed = Vec::new();
        let mut measured = Vec::new();
        for (slot, leg) in self.legs.iter_mut().enumerate() {
            let Some(leg) = leg else { continue };
            presses.extend(leg.dtmf_in.tick(now).map(|press| (slot, press)));
            let (sending_digits, beeping) = (!leg.dtmf_out.is_idle(), leg.beep.is_some());
            leg.send(now, &self.frames, &mut self.sent, &mut self.out);
            if beeping && leg.end_beep() {
                changed.push(leg.key);
            }
            if sending_digits && leg.dtmf_out.is_idle() {
                self.out.push_back(Output::Event(Event::DtmfSent { leg: leg.key }));
                changed.push(leg.key);
            }
            leg.watch(now, &self.config, &mut self.out);
            leg.report(now, &self.config, &mut self.out);
            if leg.meter.is_due(now) {
                measured.push(slot);
            }
        }
        for (slot, press) in presses {
            self.pressed(now, slot, press);
        }
        measured.into_iter().for_each(|slot| self.measure(now, slot));
        for slot in 0..self.legs.len() {
            self.end_play_if_over(now, slot);
        }
        changed.into_iter().for_each(|leg| self.replan(leg));
        for (&recording, recorder) in &mut self.recordings {
            self.out.extend(recorder.tick(now).into_iter().map(|frame| Output::Record { recording, frame }));
        }
    }

    fn measure(&mut self, now: Duration, slot: usize) {
        let leg = |slot: usize| self.legs.get(slot).and_then(Option::as_ref);
        let source = leg(slot).and_then(|leg| leg.relay_from).filter(|from| *from != slot).and_then(leg);
        let lost_before = source.map_or(0, |source| source.lost_lately[0].max(source.lost_lately[1]));
        let Some(leg) = self.legs.get_mut(slot).and_then(Option::as_mut) else { return };
        if let Some(quality) = leg.measure(now, lost_before) {
            self.out.push_back(Output::Event(Event::Quality { leg: leg.key, quality }));
        }
        if leg.source.is_some() {
            let numbers = leg.stream.numbers(now);
            self.out.push_back(Output::Event(Event::Numbers { leg: leg.key, numbers }));
        }
    }
}

impl Plane {
    /// Begins the tones of recordings that are due.
    fn beep(&mut self, now: Duration) {
        if self.beeps.is_empty() {
            return;
        }
        let mut legs = Vec::new();
        for (recording, (next, every)) in &mut self.beeps {
            if *next > now {
                continue;
            }
            *next = now + *every;
            let recorder = self.recordings.get(recording).filter(|r| !r.is_paused());
            legs.extend(recorder.into_iter().flat_map(|r| r.legs()));
        }
        for key in legs {
            let Some(leg) = self.leg_mut(key) else { continue };
            // A prompt says more than a tone, and digits must not be disturbed.
            if leg.player.is_none() && leg.dtmf_out.is_idle() {
                leg.beep = Some((Generator::new(BEEP), BEEP_TICKS));
                self.replan(key);
            }
        }
    }
}

impl Leg {
    /// One tick of the tone has passed; true when it is over.
    fn end_beep(&mut self) -> bool {
        if let Some((_, left)) = &mut self.beep {
            *left = left.saturating_sub(1);
            if *left == 0 {
                self.beep = None;
            }
        }
        self.beep.is_none()
    }

    /// Sends this tick's packet, if the leg's stream is made on the tick.
    fn send(&mut self, now: Duration, frames: &[([i16; FRAME], bool)], sent: &mut Sent, out: &mut VecDeque<Output>) {
        let Some(dst) = self.destination() else {
            // Nobody to send to yet; prompts and digits go by unheard, as on a line not yet connected.
            if let Some(player) = &mut self.player {
                player.frame(now, &mut [0; FRAME]);
            }
            return;
        };
        let filling = match self.sending {
            Sending::Off => {
                // Time goes on for a prompt towards a peer on hold.
                if let Some(player) = &mut self.player {
                    player.frame(now, &mut [0; FRAME]);
                }
                return;
            }
            Sending::Relay if self.image.is_some() => return,
            Sending::Relay if now.saturating_sub(self.stream.relayed_at) < FILL_AFTER => return,
            Sending::Relay => true,
            Sending::Mix => false,
        };
        // Relaying may have run ahead of the tick; give the clock time to come up.
        if self.stream.ahead(now) >= FRAME as i32 {
            return;
        }
        let is_transcoded = self.hears.len() == 1 && self.beep.is_none() && self.dtmf_out.is_idle();
        match is_transcoded {
            true => sent.transcoded += 1,
            false => sent.mixed += 1,
        }
        let mut samples = [0; FRAME];
        let mut audible = false;
        match self.dtmf_out.tick() {
            Some(Send::Event { mut payload, first, offset }) => match self.dtmf {
                Some(dtmf) => {
                    payload.duration *= dtmf.units() as u16;
                    if first {
                        self.press_timestamp = self.stream.begin(now);
                    }
                    let header = self.stream.event(now, dtmf.payload_type, self.press_timestamp, first, 4);
                    self.stream.advance(FRAME as u32);
                    let bytes = rtp::Packet::new(header, &payload.to_bytes()).to_vec();
                    push_packet(out, Outgoing { leg: self.key, dst, rtcp: false, bytes });
                    return;
                }
                None => {
                    if first {
                        let tone = dtmf::digit_of_event(payload.event).and_then(dtmf::tone_of_digit);
                        self.inband = tone.map(Generator::new);
                    }
                    if let (true, Some(generator)) = (offset < PRESS_SAMPLES, &mut self.inband) {
                        generator.fill(&mut samples);
                        audible = true;
                    }
                }
            },
            Some(Send::Pause) => {}
            None if filling => {}
            None => match &mut self.player {
                Some(player) => audible = player.frame(now, &mut samples),
                None => {
                    audible = mix(&self.hears, frames, &mut samples);
                    if let Some((tone, _)) = &mut self.beep {
                        audible = true;
                        let mut beep = [0; FRAME];
                        tone.fill(&mut beep);
                        samples.iter_mut().zip(beep).for_each(|(sample, beep)| *sample = sample.saturating_add(beep));
                    }
                }
            },
        }
        let encoder = self.encoder.get_or_insert_with(|| Encoder::new(self.codec.codec));
        let mut bytes = Vec::with_capacity(rtp::HEADER_LEN + FRAME + rtp::SEAL_ROOM);
        bytes.resize(rtp::HEADER_LEN, 0);
        if audible {
            encoder.encode(&samples, &mut bytes);
        } else {
            encoder.silence(&mut bytes);
        }
        let header = self.stream.frame(now, self.codec.payload_type, FRAME as u32, bytes.len() - rtp::HEADER_LEN);
        bytes[..rtp::HEADER_LEN].copy_from_slice(&header.to_bytes());
        push_packet(out, Outgoing { leg: self.key, dst, rtcp: false, bytes });
    }

    /// Notices that the peer fell silent.
    fn watch(&mut self, now: Duration, config: &PlaneConfig, out: &mut VecDeque<Output>) {
        let silent_for = now.saturating_sub(self.heard_at);
        let patience = if self.pausing { config.silent_after * PAUSES_LAST } else { config.silent_after };
        if self.direction.receive && self.image.is_none() && !self.silent && silent_for >= patience {
            self.silent = true;
            out.push_back(Output::Event(Event::MediaSilent { leg: self.key, silent_for }));
        }
    }

    /// Sends a sender or receiver report when one is due.
    fn report(&mut self, now: Duration, config: &PlaneConfig, out: &mut VecDeque<Output>) {
        if self.rtcp == RtcpMode::Off || self.image.is_some() || now < self.next_report {
            return;
        }
        self.next_report = now + config.rtcp_interval;
        let Some(mut dst) = self.destination() else { return };
        if let (RtcpMode::NextPort, Some(dst)) = (self.rtcp, &mut dst) {
            let Some(port) = dst.port().checked_add(1) else { return };
            dst.set_port(port);
        }
        let mut block = self.reception.report();
        if let (Some(block), Some((last_sr, at))) = (&mut block, self.sender_report) {
            block.last_sr = last_sr;
            block.delay_since_last_sr = (ntp(now.saturating_sub(at)) >> 16) as u32;
        }
        let (ssrc, blocks) = (self.stream.ssrc(), block.into_iter().collect());
        let report = if self.stream.packets > 0 {
            let info = SenderInfo {
                ntp: ntp(now),
                rtp_timestamp: self.stream.timestamp_at(now),
                packets: self.stream.packets as u32,
                octets: self.stream.bytes as u32,
            };
            Rtcp::SenderReport { ssrc, info, blocks }
        } else {
            Rtcp::ReceiverReport { ssrc, blocks }
        };
        let mut bytes = Vec::new();
        rtcp::write(&report, &mut bytes);
        rtcp::write(&Rtcp::Description { ssrc, cname: config.cname.clone() }, &mut bytes);
        push_packet(out, Outgoing { leg: self.key, dst, rtcp: true, bytes });
    }
}

/// Adds up what a listener hears; false when all of it is silence.
fn mix(hears: &[usize], frames: &[([i16; FRAME], bool)], out: &mut [i16; FRAME]) -> bool {
    let mut sounding = hears.iter().filter_map(|&slot| frames.get(slot)).filter(|(_, audible)| *audible);
    let Some((first, _)) = sounding.next() else { return false };
    let Some((second, _)) = sounding.next() else {
        *out = *first;
        return true;
    };
    // In 32 bits, so that three voices saturate once and not on the way.
    let mut sum: [i32; FRAME] = std::array::from_fn(|at| i32::from(first[at]) + i32::from(second[at]));
    for (frame, _) in sounding {
        sum.iter_mut().zip(frame).for_each(|(sum, &sample)| *sum += i32::from(sample));
    }
    *out = sum.map(|sum| sum.clamp(i32::from(i16::MIN), i32::from(i16::MAX)) as i16);
    true
}
