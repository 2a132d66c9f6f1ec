//! Digits as RFC 4733 telephone events: a receiver that turns packets (lost, doubled, reordered) into one start and
//! one end per key press, and a sender that turns queued digits into packets on the 20 ms tick. Owned by each leg.
//!
//! Receiver states: `idle → pressed (timestamp) → idle`. A press is known by its RTP timestamp, which all its packets
//! share; it ends with the first end packet, with the next press, or when its packets stop coming.
//!
//! Source: RFC 4733 §2.3 (payload), §2.5.1 (sending), §2.5.2 (receiving).

use crate::tone::Tone;
use std::collections::VecDeque;
use std::time::Duration;

/// Digits that may wait to be sent on one leg; nobody dials longer numbers by hand.
pub const SEND_QUEUE_MAX: usize = 64;
/// A press whose packets stop for this long has ended (updates come every 20–50 ms; all three end packets were lost).
const LOST_END: Duration = Duration::from_millis(200);
/// Sent length of one digit, and of the pause after it.
const PRESS_TICKS: u16 = 5;
const PAUSE_TICKS: u16 = 3;
/// RFC 4733 §2.5.1.4: the end packet is sent three times.
const END_COPIES: u16 = 3;
const TICK_SAMPLES: u16 = 160;
/// The keypad's tones in Hz, and its keys row by row. Source: ITU-T Q.23.
pub(crate) const ROWS: [f64; 4] = [697.0, 770.0, 852.0, 941.0];
pub(crate) const COLUMNS: [f64; 4] = [1209.0, 1336.0, 1477.0, 1633.0];
pub(crate) const KEYS: &[u8; 16] = b"123A456B789C*0#D";

/// The character of an event code 0–15, `None` for the other events (flash, fax tones).
pub fn digit_of_event(event: u8) -> Option<char> {
    b"0123456789*#ABCD".get(usize::from(event)).map(|&octet| octet as char)
}

/// The event code of a character (letters in any case).
pub fn event_of_digit(digit: char) -> Option<u8> {
    let digit = digit.to_ascii_uppercase();
    "0123456789*#ABCD".chars().position(|known| known == digit).map(|at| at as u8)
}

/// The in-band dual tone of a digit. Source: ITU-T Q.23.
pub fn tone_of_digit(digit: char) -> Option<Tone> {
    let digit = digit.to_ascii_uppercase();
    let at = KEYS.iter().position(|&known| known as char == digit)?;
    Some(Tone::dual(ROWS[at / 4], COLUMNS[at % 4]))
}

/// The four octets of a telephone event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Payload {
    pub event: u8,
    pub end: bool,
    /// Power below 0 dBm0, 0–63.
    pub volume: u8,
    /// In RTP clock units since the press began.
    pub duration: u16,
}

impl Payload {
    /// Reads the first event of a payload; `None` when it is too short.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let &[event, flags, high, low, ..] = bytes else { return None };
        Some(Self { event, end: flags & 0x80 != 0, volume: flags & 0x3f, duration: u16::from_be_bytes([high, low]) })
    }

    /// The same with its duration counted by another clock.
    pub(crate) fn at(self, clock: u32, other: u32) -> Self {
        let duration = u64::from(self.duration) * u64::from(other) / u64::from(clock.max(1));
        Self { duration: duration.min(u64::from(u16::MAX)) as u16, ..self }
    }

    pub fn to_bytes(self) -> [u8; 4] {
        let [high, low] = self.duration.to_be_bytes();
        [self.event, (u8::from(self.end) << 7) | (self.volume & 0x3f), high, low]
    }
}

/// What a received packet meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Press {
    /// A key went down; reported once.
    Started(char),
    /// The key came up after this long.
    Ended(char, Duration),
}

#[derive(Debug, Clone, Copy)]
struct Pressed {
    digit: char,
    event: u8,
    /// Timestamp of the current segment (a press over 8 s continues in a new segment, RFC 4733 §2.5.1.3).
    timestamp: u32,
    /// Clock units of the segments before this one.
    earlier: u32,
    duration: u16,
    last_packet: Duration,
}

impl Pressed {
    fn ended(&self, clock: u32) -> Press {
        let units = u64::from(self.earlier) + u64::from(self.duration);
        Press::Ended(self.digit, Duration::from_micros(units * 1_000_000 / u64::from(clock)))
    }
}

/// Turns telephone-event packets of one source into presses.
#[derive(Debug, Clone)]
pub struct Receiver {
    /// Units of a duration in a second.
    clock: u32,
    pressed: Option<Pressed>,
    /// Timestamp of the newest press, kept after its end so that its repeated end packets are known as such.
    newest: Option<u32>,
}

impl Default for Receiver {
    fn default() -> Self {
        Self { clock: crate::RATE, pressed: None, newest: None }
    }
}

impl Receiver {
    /// Durations are counted by this clock from now on.
    pub fn set_clock(&mut self, clock: u32) {
        self.clock = clock.max(1);
    }

    /// Takes one packet; answers at most an end (of the former press) and a start or an end, in order.
    pub fn packet(&mut self, now: Duration, timestamp: u32, marker: bool, payload: Payload) -> [Option<Press>; 3] {
        let mut out = [None; 3];
        let Some(digit) = digit_of_event(payload.event) else { return out };
        if let Some(pressed) = &mut self.pressed {
            let continues = pressed.event == payload.event
                && !marker
                && timestamp == pressed.timestamp.wrapping_add(u32::from(pressed.duration))
                && pressed.duration >= 0xff00;
            if continues {
                pressed.earlier += u32::from(pressed.duration);
                pressed.timestamp = timestamp;
                pressed.duration = 0;
                self.newest = Some(timestamp);
            }
            if pressed.timestamp == timestamp && pressed.event == payload.event {
                pressed.duration = pressed.duration.max(payload.duration);
                pressed.last_packet = now;
                if payload.end {
                    out[0] = Some(pressed.ended(self.clock));
                    self.pressed = None;
                }
                return out;
            }
        }
        // Not newer than the newest press: a repeated end, or a packet overtaken on its way.
        if self.newest.is_some_and(|newest| timestamp.wrapping_sub(newest) as i32 <= 0) {
            return out;
        }
        out[0] = self.pressed.take().map(|pressed| pressed.ended(self.clock));
        self.newest = Some(timestamp);
        out[1] = Some(Press::Started(digit));
        let pressed = Pressed {
            digit,
            event: payload.event,
            timestamp,
            earlier: 0,
            duration: payload.duration,
            last_packet: now,
        };
        if payload.end {
            out[2] = Some(pressed.ended(self.clock));
        } else {
            self.pressed = Some(pressed);
        }
        out
    }

    /// Ends a press whose packets stopped coming. Call on each tick.
    pub fn tick(&mut self, now: Duration) -> Option<Press> {
        let pressed = self.pressed?;
        if now.saturating_sub(pressed.last_packet) < LOST_END {
            return None;
        }
        self.pressed = None;
        Some(pressed.ended(self.clock))
    }

    /// A new source: its timestamps have nothing to do with the former's. Ends a press under way.
    pub fn reset(&mut self) -> Option<Press> {
        self.newest = None;
        self.pressed.take().map(|pressed| pressed.ended(self.clock))
    }
}

/// What the sender wants sent on this tick instead of audio.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Send {
    /// A telephone event. `offset` is how many clock units after the press began this tick lies: the packet carries
    /// the press's own timestamp. `first` asks for the marker bit.
    Event { payload: Payload, first: bool, offset: u32 },
    /// The pause between two digits, to be filled with audio.
    Pause,
}

/// Queued digits on their way out, one step per tick.
#[derive(Debug, Clone, Default)]
pub struct Sender {
    queue: VecDeque<u8>,
    /// The event being sent and the tick within it.
    current: Option<(u8, u16)>,
}

impl Sender {
    /// Queues digits; unknown characters and digits beyond [`SEND_QUEUE_MAX`] are left out. Returns how many were taken.
    pub fn push(&mut self, digits: &str) -> usize {
        let before = self.queue.len();
        for event in digits.chars().filter_map(event_of_digit) {
            if self.queue.len() >= SEND_QUEUE_MAX {
                break;
            }
            self.queue.push_back(event);
        }
        self.queue.len() - before
    }

    pub fn is_idle(&self) -> bool {
        self.current.is_none() && self.queue.is_empty()
    }

    /// The next step; `None` when there is nothing to send.
    pub fn tick(&mut self) -> Option<Send> {
        let (event, step) = match self.current {
            Some(current) => current,
            None => (self.queue.pop_front()?, 0),
        };
        let last = PRESS_TICKS + END_COPIES - 1 + PAUSE_TICKS;
        self.current = if step + 1 < last { Some((event, step + 1)) } else { None };
        if step >= PRESS_TICKS + END_COPIES - 1 {
            return Some(Send::Pause);
        }
        let pressed_ticks = (step + 1).min(PRESS_TICKS);
        let payload =
            Payload { event, end: step + 1 >= PRESS_TICKS, volume: 10, duration: pressed_ticks * TICK_SAMPLES };
        Some(Send::Event { payload, first: step == 0, offset: u32::from(step * TICK_SAMPLES) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    /// The packets of one press as our own sender makes them: (timestamp, marker, payload).
    fn press(digit: &str, start: u32) -> Vec<(u32, bool, Payload)> {
        let mut sender = Sender::default();
        sender.push(digit);
        let mut out = Vec::new();
        while let Some(step) = sender.tick() {
            if let Send::Event { payload, first, .. } = step {
                out.push((start, first, payload));
            }
        }
        out
    }

    fn receive(receiver: &mut Receiver, packets: &[(u32, bool, Payload)]) -> Vec<Press> {
        packets.iter().flat_map(|&(ts, marker, payload)| receiver.packet(MS, ts, marker, payload)).flatten().collect()
    }

    #[test]
    fn a_press_is_sent_with_three_end_packets_of_equal_length() {
        let packets = press("5", 1000);
        assert_eq!(packets.len(), 7);
        assert!(packets[0].1 && !packets[1].1);
        assert_eq!(packets.iter().filter(|packet| packet.2.end).count(), 3);
        assert!(packets[4..].iter().all(|packet| packet.2.duration == 800));
    }

    #[test]
    fn every_loss_pattern_that_leaves_one_packet_gives_the_digit_once() {
        let packets = press("7", 0xffff_ff00);
        for kept in 1u32..1 << packets.len() {
            let mut receiver = Receiver::default();
            let some: Vec<_> =
                packets.iter().enumerate().filter(|(at, _)| kept >> at & 1 == 1).map(|(_, &packet)| packet).collect();
            let mut presses = receive(&mut receiver, &some);
            presses.extend(receiver.tick(MS * 500));
            assert_eq!(presses.len(), 2, "pattern {kept:b}");
            assert_eq!(presses[0], Press::Started('7'));
            assert!(matches!(presses[1], Press::Ended('7', _)));
        }
    }

    #[test]
    fn packets_of_an_earlier_press_arriving_late_are_ignored() {
        let (first, second) = (press("1", 1000), press("1", 3000));
        let mut receiver = Receiver::default();
        let mut order = first[..6].to_vec();
        order.push(second[0]);
        order.push(first[6]);
        order.extend(&second[1..]);
        let presses = receive(&mut receiver, &order);
        let length = Duration::from_millis(100);
        assert_eq!(
            presses,
            [Press::Started('1'), Press::Ended('1', length), Press::Started('1'), Press::Ended('1', length)]
        );
    }

    #[test]
    fn a_new_press_ends_one_whose_end_was_lost() {
        let mut receiver = Receiver::default();
        let mut order = press("1", 1000)[..3].to_vec();
        order.extend(press("2", 4000));
        let presses = receive(&mut receiver, &order);
        assert_eq!(presses[1], Press::Ended('1', Duration::from_millis(60)));
        assert_eq!(presses[2], Press::Started('2'));
    }

    #[test]
    fn a_press_longer_than_the_field_continues_in_a_new_segment() {
        let mut receiver = Receiver::default();
        let payload = |end, duration| Payload { event: 3, end, volume: 0, duration };
        let presses = receive(
            &mut receiver,
            &[(0, true, payload(false, 160)), (0, false, payload(false, 0xffff)), (0xffff, false, payload(true, 161))],
        );
        assert_eq!(presses, [Press::Started('3'), Press::Ended('3', Duration::from_millis(8212))]);
    }

    #[test]
    fn codes_characters_and_tones_agree() {
        for event in 0..16 {
            let digit = digit_of_event(event).unwrap();
            assert_eq!(event_of_digit(digit), Some(event));
            assert!(tone_of_digit(digit).is_some());
        }
        assert_eq!(tone_of_digit('5'), Some(Tone::dual(770.0, 1336.0)));
        assert_eq!(digit_of_event(16), None);
        assert_eq!(event_of_digit('x'), None);
    }
}
