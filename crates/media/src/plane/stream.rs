//! The outgoing stream of a leg: one SSRC, sequence numbers without holes of our making, timestamps that never go
//! back, whatever feeds it: relayed packets of changing sources, mixed frames, digits, silence. Owned by each leg.

use super::source::clock_units;
use super::types::Numbers;
use crate::rtp::Header;
use std::time::Duration;

/// A stream that fell this far (in samples) behind the clock jumps to it (with a marker) instead of trailing for ever.
const BEHIND_MAX: i32 = 480;
/// Sequence distance within which packets belong to the stream being relayed.
const REORDER_MAX: i16 = 100;
/// A relayed timestamp may differ this much (in samples) from the time that passed; beyond it the source's clock jumped.
const CLOCK_JUMP: i32 = 24_000;

#[derive(Debug, Clone)]
pub(super) struct OutStream {
    /// Of the RTP clock, for each 8 kHz sample.
    units: u32,
    ssrc: u32,
    next_sequence: u16,
    next_timestamp: u32,
    /// A time and the timestamp that belongs to it.
    anchor: Option<(Duration, u32)>,
    mapping: Option<Mapping>,
    marker: bool,
    pub(super) packets: u64,
    pub(super) bytes: u64,
    /// When a relayed packet last went out, or relaying began.
    pub(super) relayed_at: Duration,
}

/// How the numbers of a relayed source become ours.
#[derive(Debug, Clone, Copy)]
struct Mapping {
    ssrc: u32,
    first_sequence: u16,
    highest_sequence: u16,
    sequence_offset: u16,
    timestamp_offset: u32,
    /// Source timestamp and arrival of the newest audio packet.
    newest: (u32, Duration),
}

impl OutStream {
    pub(super) fn new(seed: u64, units: u32) -> Self {
        // SplitMix64: spreads whatever seed the caller had over both words.
        let mut bits = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^= bits >> 31;
        Self {
            units,
            ssrc: bits as u32,
            // Below 2^15, so that the first packets do not wrap (RFC 3711 §3.3.1 footnote on SRTP's roll-over).
            next_sequence: (bits >> 32) as u16 & 0x7fff,
            next_timestamp: (bits >> 24) as u32,
            anchor: None,
            mapping: None,
            marker: true,
            packets: 0,
            bytes: 0,
            relayed_at: Duration::ZERO,
        }
    }

    /// The stream that a former process began with this seed.
    pub(super) fn resumed(seed: u64, units: u32, Numbers { sequence, timestamp }: Numbers) -> Self {
        Self { next_sequence: sequence, next_timestamp: timestamp, ..Self::new(seed, units) }
    }

    pub(super) fn numbers(&self, now: Duration) -> Numbers {
        Numbers {
            sequence: self.next_sequence,
            timestamp: self.timestamp_at(now).wrapping_add(self.ahead(now).max(0) as u32),
        }
    }

    pub(super) fn ssrc(&self) -> u32 {
        self.ssrc
    }

    /// The codec's clock is another from now on.
    pub(super) fn set_units(&mut self, units: u32) {
        self.units = units;
        self.anchor = None;
        self.mark();
    }

    /// The RTP timestamp that belongs to `now` (for sender reports).
    pub(super) fn timestamp_at(&self, now: Duration) -> u32 {
        match self.anchor {
            None => self.next_timestamp,
            Some((at, timestamp)) => {
                let passed = clock_units(now) as i64 - clock_units(at) as i64;
                timestamp.wrapping_add((passed * i64::from(self.units)) as u32)
            }
        }
    }

    /// How many samples the stream has run ahead of `now`.
    pub(super) fn ahead(&self, now: Duration) -> i32 {
        self.next_timestamp.wrapping_sub(self.timestamp_at(now)) as i32 / self.units as i32
    }

    /// Catches up when the stream fell behind; call before reading `next_timestamp`.
    fn catch_up(&mut self, now: Duration) {
        if self.ahead(now) < -BEHIND_MAX {
            self.next_timestamp = self.timestamp_at(now);
            self.marker = true;
        }
    }

    /// A source of another kind begins: ask the receiver to adapt.
    pub(super) fn mark(&mut self) {
        self.marker = true;
        self.mapping = None;
    }

    /// Timestamp at which something that starts now begins, e.g. a telephone event.
    pub(super) fn begin(&mut self, now: Duration) -> u32 {
        self.catch_up(now);
        self.next_timestamp
    }

    /// Header of a frame of our own that lasts `samples`.
    pub(super) fn frame(&mut self, now: Duration, payload_type: u8, samples: u32, bytes: usize) -> Header {
        self.catch_up(now);
        let timestamp = self.next_timestamp;
        self.anchor.get_or_insert((now, timestamp));
        self.mapping = None;
        let marker = std::mem::take(&mut self.marker);
        self.advance(samples);
        self.number(Header { marker, payload_type, sequence: 0, timestamp, ssrc: self.ssrc }, bytes)
    }

    /// Header of a packet whose timestamp lies in the past (telephone events); time advances by `samples` all the same.
    pub(super) fn event(
        &mut self,
        now: Duration,
        payload_type: u8,
        timestamp: u32,
        first: bool,
        bytes: usize,
    ) -> Header {
        self.anchor.get_or_insert((now, timestamp));
        self.mapping = None;
        self.number(Header { marker: first, payload_type, sequence: 0, timestamp, ssrc: self.ssrc }, bytes)
    }

    /// Lets the time of some samples pass without a packet.
    pub(super) fn advance(&mut self, samples: u32) {
        self.next_timestamp = self.next_timestamp.wrapping_add(samples.wrapping_mul(self.units));
    }

    fn number(&mut self, mut header: Header, bytes: usize) -> Header {
        header.sequence = self.next_sequence;
        self.next_sequence = self.next_sequence.wrapping_add(1);
        self.packets += 1;
        self.bytes += bytes as u64;
        header
    }

    /// Header for a relayed packet of `samples` length (0 for what has none: telephone events, comfort noise); `None` when it is too old to be sent.
    pub(super) fn relay(
        &mut self,
        now: Duration,
        source: &Header,
        payload_type: u8,
        samples: u32,
        bytes: usize,
    ) -> Option<Header> {
        let mut mapping = match self.mapping {
            Some(mapping) if mapping.ssrc == source.ssrc && !mapping.jumped(now, source, samples, self.units) => {
                mapping
            }
            _ => self.map(now, source),
        };
        let ahead = source.sequence.wrapping_sub(mapping.highest_sequence) as i16;
        if ahead < 0 && (source.sequence.wrapping_sub(mapping.first_sequence) as i16) < 0 {
            // From before the switch: its number has been given to something else.
            return None;
        }
        let timestamp = source.timestamp.wrapping_add(mapping.timestamp_offset);
        let sequence = source.sequence.wrapping_add(mapping.sequence_offset);
        if ahead >= 0 {
            mapping.highest_sequence = source.sequence;
            self.next_sequence = sequence.wrapping_add(1);
            if samples > 0 {
                mapping.newest = (source.timestamp, now);
                self.anchor = Some((now, timestamp));
            }
        }
        let end = timestamp.wrapping_add(samples * self.units);
        if end.wrapping_sub(self.next_timestamp) as i32 > 0 {
            self.next_timestamp = end;
        }
        self.mapping = Some(mapping);
        self.relayed_at = now;
        self.packets += 1;
        self.bytes += bytes as u64;
        let marker = source.marker | std::mem::take(&mut self.marker);
        Some(Header { marker, payload_type, sequence, timestamp, ssrc: self.ssrc })
    }

    fn map(&mut self, now: Duration, source: &Header) -> Mapping {
        let start = match self.anchor {
            None => self.next_timestamp,
            // Not before what was sent, and not behind the clock.
            Some(_) => self.timestamp_at(now).wrapping_add(self.ahead(now).max(0) as u32 * self.units),
        };
        self.marker = true;
        self.next_timestamp = start;
        Mapping {
            ssrc: source.ssrc,
            first_sequence: source.sequence,
            highest_sequence: source.sequence,
            sequence_offset: self.next_sequence.wrapping_sub(source.sequence),
            timestamp_offset: start.wrapping_sub(source.timestamp),
            newest: (source.timestamp, now),
        }
    }
}

impl Mapping {
    /// Did the source start over, so that its numbers need a new mapping?
    fn jumped(&self, now: Duration, source: &Header, samples: u32, units: u32) -> bool {
        let ahead = source.sequence.wrapping_sub(self.highest_sequence) as i16;
        if !(-REORDER_MAX..=REORDER_MAX).contains(&ahead) {
            return true;
        }
        // Telephone events keep the timestamp of their beginning.
        if samples == 0 {
            return false;
        }
        let (timestamp, at) = self.newest;
        let passed = clock_units(now.saturating_sub(at)).min(1 << 28) as i32;
        let moved = source.timestamp.wrapping_sub(timestamp) as i32 / units as i32;
        moved.saturating_sub(passed).unsigned_abs() > CLOCK_JUMP as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::Codec;

    const TICK: Duration = Duration::from_millis(20);

    fn source(ssrc: u32, n: u16) -> Header {
        Header {
            ssrc,
            sequence: 65_530u16.wrapping_add(n),
            timestamp: 0xffff_ff00u32.wrapping_add(u32::from(n) * 160),
            ..Header::default()
        }
    }

    #[test]
    fn numbers_go_on_across_frames_relays_and_sources() {
        let mut stream = OutStream::new(1, 1);
        let mut now = TICK;
        let mut last: Option<Header> = None;
        for n in 0..100u16 {
            let header = match n / 10 % 3 {
                0 => stream.frame(now, 0, 160, 160),
                kind => stream.relay(now, &source(u32::from(kind), n), 0, 160, 160).unwrap(),
            };
            if let Some(last) = last {
                assert_eq!(header.sequence, last.sequence.wrapping_add(1));
                assert_eq!(header.timestamp, last.timestamp.wrapping_add(160));
                assert_eq!(header.marker, n % 10 == 0 && n / 10 % 3 != 0, "packet {n}");
            }
            last = Some(header);
            now += TICK;
        }
    }

    #[test]
    fn losses_and_reordering_of_the_source_stay_visible() {
        let mut stream = OutStream::new(2, 1);
        let headers: Vec<Header> = [3u16, 4, 7, 6, 8]
            .iter()
            .map(|&n| stream.relay(TICK * u32::from(n), &source(1, n), 0, 160, 160).unwrap())
            .collect();
        let steps: Vec<u16> = headers.iter().map(|h| h.sequence.wrapping_sub(headers[0].sequence)).collect();
        assert_eq!(steps, [0, 1, 4, 3, 5]);
        assert_eq!(headers[2].timestamp.wrapping_sub(headers[0].timestamp), 640);
        assert!(stream.relay(TICK * 9, &source(1, 2), 0, 160, 160).is_none(), "older than the switch");
    }

    #[test]
    fn a_stream_goes_on_in_another_process() {
        let mut stream = OutStream::new(4, 1);
        let mut last = stream.frame(TICK, 0, 160, 160);
        let told = stream.numbers(TICK);
        // Sent after the numbers were told, and before the end of the process.
        for n in 2..250 {
            last = stream.frame(TICK * n, 0, 160, 160);
        }
        for told in [told, Numbers::first(4)] {
            let mut next = OutStream::resumed(4, 1, told.resumed(Duration::from_secs(6), Codec::Pcma));
            let first = next.frame(Duration::ZERO, 0, 160, 160);
            assert_eq!((first.ssrc, first.marker), (last.ssrc, true));
            let ahead = first.sequence.wrapping_sub(last.sequence);
            assert!((1..3_000).contains(&ahead), "{ahead}");
            let later = first.timestamp.wrapping_sub(last.timestamp) as i32;
            assert!((6_000..10_000).contains(&later), "a second and some: {later}");
        }
    }

    #[test]
    fn a_pause_moves_the_timestamp_by_the_time_that_passed() {
        let mut stream = OutStream::new(3, 1);
        let first = stream.frame(TICK, 0, 160, 160);
        let second = stream.frame(TICK * 51, 0, 160, 160);
        assert_eq!(second.timestamp.wrapping_sub(first.timestamp), 8000);
        assert!(second.marker);
        assert_eq!(second.sequence, first.sequence + 1);
    }
}
