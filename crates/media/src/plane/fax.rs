//! Facsimile by T.38: a leg whose peer sends UDPTL datagrams instead of RTP. They go as they are to the leg that hears it, if
//! that is one of this kind too; nothing is mixed, played or recorded meanwhile.

use super::leg::Leg;
use super::types::*;
use super::{Plane, push_packet};
use std::net::SocketAddr;
use std::time::Duration;

/// More than a datagram of three redundant packets of the fastest modem takes.
const DATAGRAM_MAX: usize = 1400;
/// Sound may still be on its way when both have agreed on a fax.
const LATE_SOUND: Duration = Duration::from_secs(2);

impl Leg {
    /// From now on datagrams, or sound again.
    pub(super) fn set_image(&mut self, now: Duration, image: bool) {
        if image != self.image.is_some() {
            self.image = image.then_some(now);
            // A fax may be quiet for long, and sound has not begun yet.
            (self.silent, self.heard_at) = (false, now);
            self.stream.mark();
        }
    }
}

impl Plane {
    /// Takes what a fax sent.
    pub(super) fn datagram(&mut self, now: Duration, slot: usize, src: SocketAddr, bytes: &[u8]) {
        let relatch_after = self.config.relatch_after;
        let Some(leg) = self.legs[slot].as_mut() else { return };
        let since = leg.image.unwrap_or(now);
        // UDPTL begins with its sequence number, from 0 on; RTP with its version, 2 (RFC 3550 §5.1).
        let is_open = leg.source.as_ref().is_some_and(|source| source.locked().is_none());
        let is_late = is_open || now.saturating_sub(since) < LATE_SOUND;
        let is_sound = is_late && bytes.first().is_some_and(|first| first >> 6 == 2);
        if bytes.is_empty() || bytes.len() > DATAGRAM_MAX || is_sound {
            leg.dropped_invalid += 1;
            return;
        }
        let known = leg.source.as_mut().is_some_and(|source| source.accept(now, src, None, relatch_after));
        if !known {
            leg.dropped_foreign += 1;
            return;
        }
        leg.heard_at = now;
        leg.last_received = Some(now);
        leg.reception.packets += 1;
        leg.reception.bytes += bytes.len() as u64;
        if !leg.direction.receive {
            return;
        }
        // By index: the listeners live in the same vector as the speaker.
        let targets = self.legs[slot].as_ref().map_or(0, |leg| leg.relay_to.len());
        for at in 0..targets {
            let Some(target) = self.legs[slot].as_ref().and_then(|leg| leg.relay_to.get(at).copied()) else { return };
            let Some(listener) = self.legs.get_mut(target).and_then(Option::as_mut) else { continue };
            let Some(dst) = listener.destination().filter(|_| listener.image.is_some()) else { continue };
            listener.stream.packets += 1;
            listener.stream.bytes += bytes.len() as u64;
            self.sent.fax += 1;
            push_packet(&mut self.out, Outgoing { leg: listener.key, dst, rtcp: false, bytes: bytes.to_vec() });
        }
    }
}
