//! Where a plain RTP leg's packets come from and go to: learning, locking, re-learning; and reception statistics of
//! the stream. Owned by each leg.
//!
//! States of the lock: `open → locked(address) → open` (only when signalling brings another address). While locked,
//! the address changes in two cases only: the address of the SDP shows up soon after somebody else was first, or the
//! same stream continues from elsewhere after its locked address fell silent (NAT rebinding). A hijacker who cannot
//! see the stream knows neither its SSRC nor its sequence numbers.

use super::types::LockPolicy;
use crate::rtp::Header;
use std::net::SocketAddr;
use std::time::Duration;

/// For this long after locking, the SDP's own address may claim the lock from whoever was first.
const PROBATION: Duration = Duration::from_secs(3);
/// After signalling moved a peer, its old address may still deliver for this long, without being locked again.
const AFTERGLOW: Duration = Duration::from_millis(500);

#[derive(Debug, Clone, Copy)]
struct Locked {
    addr: SocketAddr,
    since: Duration,
    last: Duration,
    ssrc: u32,
    sequence: u16,
}

#[derive(Debug, Clone)]
pub(super) struct Source {
    policy: LockPolicy,
    signalled: Option<SocketAddr>,
    locked: Option<Locked>,
    former: Option<(SocketAddr, Duration)>,
}

impl Source {
    pub(super) fn new(policy: LockPolicy, signalled: Option<SocketAddr>) -> Self {
        Self { policy, signalled, locked: None, former: None }
    }

    /// Where to send.
    pub(super) fn destination(&self) -> Option<SocketAddr> {
        self.locked.map(|locked| locked.addr).or(self.signalled)
    }

    pub(super) fn locked(&self) -> Option<SocketAddr> {
        self.locked.map(|locked| locked.addr)
    }

    /// Signalling named the peer's address (again).
    pub(super) fn signalled(&mut self, now: Duration, addr: SocketAddr) {
        if self.signalled == Some(addr) {
            return;
        }
        self.signalled = Some(addr);
        if let Some(locked) = self.locked.take_if(|locked| locked.addr != addr) {
            self.former = Some((locked.addr, now));
        }
    }

    /// May a valid packet from `src` be used? Locks and re-locks on the way. `None`: it bears no marks of a stream, so that
    /// none can be followed to another address.
    pub(super) fn accept(
        &mut self,
        now: Duration,
        src: SocketAddr,
        header: Option<&Header>,
        relatch_after: Duration,
    ) -> bool {
        let (ssrc, sequence) = header.map_or((0, 0), |header| (header.ssrc, header.sequence));
        let fresh = Locked { addr: src, since: now, last: now, ssrc, sequence };
        let allowed = match (self.policy, self.signalled) {
            (LockPolicy::Exact, signalled) => signalled == Some(src),
            (LockPolicy::SameIp, Some(signalled)) => signalled.ip() == src.ip(),
            (LockPolicy::SameIp, None) | (LockPolicy::Any, _) => true,
        };
        if !allowed {
            return false;
        }
        let Some(locked) = &mut self.locked else {
            let lingering = self.former.is_some_and(|(addr, at)| addr == src && now.saturating_sub(at) < AFTERGLOW);
            if !lingering {
                self.locked = Some(fresh);
            }
            return true;
        };
        if locked.addr == src {
            locked.last = now;
            (locked.ssrc, locked.sequence) = (ssrc, sequence);
            return true;
        }
        let claimed = self.signalled == Some(src) && now.saturating_sub(locked.since) < PROBATION;
        let silent = now.saturating_sub(locked.last);
        // At most 100 packets a second were missed, and a few more for good measure.
        let missed_max = (silent.as_millis() / 10 + 100).min(30_000) as u16;
        let missed = sequence.wrapping_sub(locked.sequence);
        let is_same = header.is_some() && ssrc == locked.ssrc;
        let continued = silent >= relatch_after && is_same && (1..=missed_max).contains(&missed);
        if claimed || continued {
            *locked = fresh;
            return true;
        }
        false
    }

    /// RTCP may come from the peer's address (any port) only, and never locks.
    pub(super) fn accepts_rtcp(&self, src: SocketAddr) -> bool {
        self.destination().is_some_and(|addr| addr.ip() == src.ip())
    }
}

/// Losses and jitter of the received stream. Source: RFC 3550 appendix A.
#[derive(Debug, Clone)]
pub(super) struct Reception {
    /// Of the RTP clock, for each 8 kHz sample.
    units: u32,
    pub(super) packets: u64,
    pub(super) bytes: u64,
    stream: Option<Stream>,
    /// Losses of streams before the current one.
    lost_before: u64,
}

#[derive(Debug, Clone, Copy)]
struct Stream {
    ssrc: u32,
    first: u32,
    highest: u32,
    received: u64,
    /// Transit time of the last packet and jitter, in clock units (jitter times 16).
    transit: u32,
    jitter16: u32,
    expected_reported: u64,
    received_reported: u64,
}

impl Stream {
    fn expected(&self) -> u64 {
        u64::from(self.highest.wrapping_sub(self.first)) + 1
    }

    fn lost(&self) -> u64 {
        self.expected().saturating_sub(self.received)
    }
}

impl Reception {
    pub(super) fn new(units: u32) -> Self {
        Self { units, packets: 0, bytes: 0, stream: None, lost_before: 0 }
    }

    /// The codec's clock is another from now on.
    pub(super) fn set_units(&mut self, units: u32) {
        self.units = units;
        if let Some(stream) = &mut self.stream {
            stream.jitter16 = 0;
        }
    }

    /// Counts an accepted packet. Answers whether it begins a new stream (another SSRC than before). Telephone events
    /// say nothing about jitter: their timestamp stands still.
    pub(super) fn count(&mut self, now: Duration, header: &Header, payload_len: usize, is_audio: bool) -> bool {
        self.packets += 1;
        self.bytes += payload_len as u64;
        let transit = (clock_units(now) as u32).wrapping_mul(self.units).wrapping_sub(header.timestamp);
        let sequence = u32::from(header.sequence);
        // A jump of thousands within one stream is a restarted sender, not that many losses.
        let jumped = |stream: &Stream| {
            let ahead = header.sequence.wrapping_sub(stream.highest as u16) as i16;
            !(-3000..3000).contains(&ahead)
        };
        match &mut self.stream {
            Some(stream) if stream.ssrc == header.ssrc && !jumped(stream) => {
                stream.received += 1;
                let ahead = header.sequence.wrapping_sub(stream.highest as u16) as i16;
                if ahead > 0 {
                    stream.highest = stream.highest.wrapping_add(ahead as u32);
                }
                if !is_audio {
                    return false;
                }
                let change = (transit.wrapping_sub(stream.transit) as i32).unsigned_abs().min(1 << 24);
                stream.transit = transit;
                stream.jitter16 = (stream.jitter16 + change).saturating_sub((stream.jitter16 + 8) >> 4);
                false
            }
            other => {
                let changed = other.is_some_and(|stream| stream.ssrc != header.ssrc);
                self.lost_before += other.map_or(0, |stream| stream.lost());
                *other = Some(Stream {
                    ssrc: header.ssrc,
                    first: sequence,
                    highest: sequence,
                    received: 1,
                    transit,
                    jitter16: 0,
                    expected_reported: 0,
                    received_reported: 0,
                });
                changed
            }
        }
    }

    pub(super) fn lost(&self) -> u64 {
        self.lost_before + self.stream.map_or(0, |stream| stream.lost())
    }

    pub(super) fn jitter_us(&self) -> u64 {
        self.stream.map_or(0, |stream| u64::from(stream.jitter16 >> 4) * 125 / u64::from(self.units))
    }

    /// The report block for the current stream, and a new start for its fraction.
    pub(super) fn report(&mut self) -> Option<crate::rtcp::ReportBlock> {
        let stream = self.stream.as_mut()?;
        let expected = stream.expected() - stream.expected_reported;
        let received = stream.received - stream.received_reported;
        stream.expected_reported = stream.expected();
        stream.received_reported = stream.received;
        let lost = expected.saturating_sub(received);
        Some(crate::rtcp::ReportBlock {
            ssrc: stream.ssrc,
            fraction_lost: (lost * 256).checked_div(expected).unwrap_or(0).min(255) as u8,
            cumulative_lost: stream.lost().min(0x7f_ffff) as i32,
            highest_sequence: stream.highest,
            jitter: stream.jitter16 >> 4,
            last_sr: 0,
            delay_since_last_sr: 0,
        })
    }
}

/// A time as units of the 8 kHz RTP clock.
pub(super) fn clock_units(time: Duration) -> u64 {
    time.as_micros() as u64 / 125
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);
    const RELATCH: Duration = Duration::from_secs(3);

    fn addr(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    fn header(ssrc: u32, sequence: u16) -> Header {
        Header { ssrc, sequence, ..Header::default() }
    }

    #[test]
    fn a_locked_source_cannot_be_taken_over() {
        let mut source = Source::new(LockPolicy::Any, Some(addr("10.0.0.1:4000")));
        let (peer, thief) = (addr("192.0.2.1:5000"), addr("192.0.2.66:5000"));
        assert_eq!(source.destination(), Some(addr("10.0.0.1:4000")));
        assert!(source.accept(SECOND, peer, Some(&header(7, 1)), RELATCH));
        assert!(!source.accept(SECOND, thief, Some(&header(9, 2)), RELATCH));
        assert!(!source.accept(SECOND, thief, Some(&header(7, 2)), RELATCH), "right SSRC, but the peer is alive");
        assert!(!source.accept(SECOND * 9, thief, Some(&header(9, 2)), RELATCH), "silent peer, but a foreign stream");
        assert!(
            !source.accept(SECOND * 9, thief, Some(&header(7, 40_000)), RELATCH),
            "not the next packets of the stream"
        );
        assert_eq!(source.destination(), Some(peer));
    }

    #[test]
    fn a_stream_may_continue_from_a_rebound_address() {
        let mut source = Source::new(LockPolicy::Any, None);
        assert!(source.accept(SECOND, addr("192.0.2.1:5000"), Some(&header(7, 65_500)), RELATCH));
        assert!(source.accept(SECOND * 5, addr("192.0.2.1:6000"), Some(&header(7, 160)), RELATCH));
        assert_eq!(source.locked(), Some(addr("192.0.2.1:6000")));
    }

    #[test]
    fn the_signalled_address_wins_over_an_early_stranger() {
        let mut source = Source::new(LockPolicy::Any, Some(addr("192.0.2.1:5000")));
        assert!(source.accept(SECOND, addr("192.0.2.66:1"), Some(&header(6, 1)), RELATCH));
        assert!(source.accept(SECOND * 2, addr("192.0.2.1:5000"), Some(&header(7, 1)), RELATCH));
        assert!(!source.accept(SECOND * 2, addr("192.0.2.66:1"), Some(&header(6, 2)), RELATCH));
    }

    #[test]
    fn the_strict_policies_refuse_other_addresses_at_once() {
        let mut exact = Source::new(LockPolicy::Exact, Some(addr("192.0.2.1:5000")));
        assert!(!exact.accept(SECOND, addr("192.0.2.1:5002"), Some(&header(1, 1)), RELATCH));
        assert!(exact.accept(SECOND, addr("192.0.2.1:5000"), Some(&header(1, 1)), RELATCH));
        let mut same_ip = Source::new(LockPolicy::SameIp, Some(addr("192.0.2.1:5000")));
        assert!(!same_ip.accept(SECOND, addr("192.0.2.2:5000"), Some(&header(1, 1)), RELATCH));
        assert!(same_ip.accept(SECOND, addr("192.0.2.1:5002"), Some(&header(1, 1)), RELATCH));
    }

    #[test]
    fn a_new_signalled_address_is_learned_and_the_old_one_not_again() {
        let (old, new) = (addr("192.0.2.1:5000"), addr("192.0.2.2:5000"));
        let mut source = Source::new(LockPolicy::Any, Some(old));
        assert!(source.accept(SECOND, old, Some(&header(1, 1)), RELATCH));
        source.signalled(SECOND, old);
        assert_eq!(source.locked(), Some(old), "a refresh keeps the lock");
        source.signalled(SECOND, new);
        assert!(source.accept(SECOND + SECOND / 10, old, Some(&header(1, 2)), RELATCH));
        assert_eq!(source.destination(), Some(new), "a straggler is heard but not locked");
        assert!(source.accept(SECOND + SECOND / 5, new, Some(&header(2, 1)), RELATCH));
        assert!(!source.accept(SECOND * 2, old, Some(&header(1, 3)), RELATCH));
    }

    #[test]
    fn losses_survive_wrap_and_a_new_stream() {
        let mut reception = Reception::new(1);
        for sequence in [65_534u16, 65_535, 1, 2] {
            reception.count(SECOND, &header(1, sequence), 160, true);
        }
        assert_eq!(reception.lost(), 1);
        assert!(reception.count(SECOND, &header(2, 30_000), 160, true));
        assert_eq!(reception.lost(), 1);
        assert_eq!(reception.packets, 5);
    }
}
