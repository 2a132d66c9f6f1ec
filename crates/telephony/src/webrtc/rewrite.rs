//! One unbroken RTP stream for the browser out of the streams of successive calls. Called by [`super`].
//!
//! A peer connection outlives calls and keeps its own SSRC, while each media leg starts its own sequence and
//! timestamps. SRTP needs sequence numbers that never jump back (RFC 3711 §3.3.1), the browser's jitter buffer needs
//! timestamps that advance with time.
use std::time::Instant;

use media::rtcp::{self, Rtcp};
use media::rtp::Header;

#[derive(Debug)]
pub(super) struct Rewrite {
    /// Units of the RTP clock in a millisecond.
    per_ms: u32,
    last: Option<Last>,
}

#[derive(Debug)]
struct Last {
    source: Header,
    sequence: u64,
    timestamp: u32,
    /// The furthest source packet so far was sent at.
    at: Instant,
}

/// More than this many packets forwards is another stream, not loss.
const JUMP_MAX: i16 = 1_000;
/// Within one stream timestamps advance less than this between packets, in milliseconds.
const TIME_JUMP_MAX: u32 = 20_000;

impl Rewrite {
    /// `units` of the RTP clock pass in an eighth of a millisecond.
    pub(super) fn new(units: u32) -> Self {
        Self { per_ms: units * 8, last: None }
    }

    /// Sequence (extended, from 1) and timestamp on the wire for a packet of the media plane.
    pub(super) fn next(&mut self, now: Instant, header: &Header) -> (u64, u32) {
        let Some(last) = &mut self.last else {
            self.last = Some(Last { source: *header, sequence: 1, timestamp: header.timestamp, at: now });
            return (1, header.timestamp);
        };
        let ahead = header.sequence.wrapping_sub(last.source.sequence) as i16;
        let time_ahead = header.timestamp.wrapping_sub(last.source.timestamp);
        let same = header.ssrc == last.source.ssrc
            && (1..JUMP_MAX).contains(&ahead)
            && time_ahead < TIME_JUMP_MAX * self.per_ms;
        let (sequence, timestamp) = if same {
            (last.sequence + ahead.unsigned_abs() as u64, last.timestamp.wrapping_add(time_ahead))
        } else {
            // The gap between calls is real time for the browser.
            let passed = now.duration_since(last.at).as_millis() * u128::from(self.per_ms);
            let passed = u32::try_from(passed).unwrap_or(u32::MAX);
            (last.sequence + 1, last.timestamp.wrapping_add(passed.max(20 * self.per_ms)))
        };
        *last = Last { source: *header, sequence, timestamp, at: now };
        (sequence, timestamp)
    }

    /// Makes a report of the media plane one about the stream on the wire; false if nothing of it has been sent.
    pub(super) fn report(&self, ssrc: u32, packet: &mut Vec<u8>) -> bool {
        let Some(last) = &self.last else { return false };
        let parts = rtcp::parse(packet);
        packet.clear();
        for part in parts {
            let part = match part {
                Rtcp::SenderReport { ssrc: source, mut info, blocks } => {
                    if source != last.source.ssrc {
                        return false;
                    }
                    let ahead = info.rtp_timestamp.wrapping_sub(last.source.timestamp);
                    info.rtp_timestamp = last.timestamp.wrapping_add(ahead);
                    Rtcp::SenderReport { ssrc, info, blocks }
                }
                Rtcp::ReceiverReport { blocks, .. } => Rtcp::ReceiverReport { ssrc, blocks },
                Rtcp::Description { cname, .. } => Rtcp::Description { ssrc, cname },
                Rtcp::Bye { .. } => Rtcp::Bye { ssrcs: vec![ssrc] },
            };
            rtcp::write(&part, packet);
        }
        !packet.is_empty()
    }

    /// Makes a peer's report on the stream on the wire one about the media plane's stream; false if it reports on nothing
    /// that has been sent.
    pub(super) fn heard(&self, ssrc: u32, packet: &mut Vec<u8>) -> bool {
        let Some(last) = &self.last else { return false };
        let mut parts = rtcp::parse(packet);
        packet.clear();
        for part in &mut parts {
            let (Rtcp::SenderReport { blocks, .. } | Rtcp::ReceiverReport { blocks, .. }) = part else { continue };
            for block in blocks.iter_mut().filter(|block| block.ssrc == ssrc) {
                block.ssrc = last.source.ssrc;
            }
            rtcp::write(part, packet);
        }
        !packet.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn header(ssrc: u32, sequence: u16, timestamp: u32) -> Header {
        Header { ssrc, sequence, timestamp, ..Header::default() }
    }

    #[test]
    fn a_stream_keeps_its_gaps_and_wraps_without_going_back() {
        let mut rewrite = Rewrite::new(1);
        let now = Instant::now();
        assert_eq!(rewrite.next(now, &header(1, 65_534, 100)), (1, 100));
        assert_eq!(rewrite.next(now, &header(1, 65_535, 260)), (2, 260));
        assert_eq!(rewrite.next(now, &header(1, 1, 580)), (4, 580));
    }

    #[test]
    fn the_next_call_continues_where_the_last_one_ended() {
        let mut rewrite = Rewrite::new(1);
        let now = Instant::now();
        rewrite.next(now, &header(1, 500, 80_000));
        let later = now + Duration::from_secs(2);
        assert_eq!(rewrite.next(later, &header(2, 9, 7)), (2, 96_000));
        assert_eq!(rewrite.next(later, &header(2, 10, 167)), (3, 96_160));
    }

    #[test]
    fn reports_speak_of_the_stream_on_the_wire() {
        let info = |rtp_timestamp| rtcp::SenderInfo { ntp: 9, rtp_timestamp, packets: 3, octets: 480 };
        let block = rtcp::ReportBlock { ssrc: 4, jitter: 7, ..rtcp::ReportBlock::default() };
        let packet = |ssrc, info| {
            let mut bytes = Vec::new();
            rtcp::write(&Rtcp::SenderReport { ssrc, info, blocks: vec![block] }, &mut bytes);
            rtcp::write(&Rtcp::Description { ssrc, cname: "c".into() }, &mut bytes);
            bytes
        };
        let mut rewrite = Rewrite::new(1);
        assert!(!rewrite.report(77, &mut packet(2, info(0))), "nothing was sent yet");
        let now = Instant::now();
        rewrite.next(now, &header(1, 500, 80_000));
        let (_, timestamp) = rewrite.next(now + Duration::from_secs(2), &header(2, 9, 7));
        let mut bytes = packet(2, info(7 + 320));
        assert!(rewrite.report(77, &mut bytes));
        assert_eq!(bytes, packet(77, info(timestamp + 320)));
        assert!(!rewrite.report(77, &mut packet(1, info(80_000))), "of a call that is over");
    }

    #[test]
    fn a_browsers_report_is_about_the_stream_of_the_plane() {
        let block = |ssrc| rtcp::ReportBlock { ssrc, fraction_lost: 20, ..rtcp::ReportBlock::default() };
        let packet = |about| {
            let mut bytes = Vec::new();
            rtcp::write(&Rtcp::ReceiverReport { ssrc: 5, blocks: vec![block(about), block(6)] }, &mut bytes);
            bytes
        };
        let mut rewrite = Rewrite::new(1);
        assert!(!rewrite.heard(77, &mut packet(77)), "nothing was sent yet");
        rewrite.next(Instant::now(), &header(1, 500, 80_000));
        let mut bytes = packet(77);
        assert!(rewrite.heard(77, &mut bytes));
        assert_eq!(bytes, packet(1));
    }
}
