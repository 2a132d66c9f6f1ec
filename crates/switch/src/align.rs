//! Two legs that hear one another and speak different codecs though one could speak the other's: it is asked to, by
//! re-INVITE, and their packets are relayed from then on instead of being decoded and coded anew.
use std::time::Duration;

use domain::id::LegId;
use media::CodecParams;
use sip::CallId;

use crate::leg::{Asked, Leg, Party};
use crate::switch::Switch;
use crate::timers::Timer;

/// Between two who begin to hear one another and the first question: until then an ACK may be on its way, or the next
/// step of a transfer.
const SETTLED: Duration = Duration::from_secs(1);

impl Switch {
    /// Whom this leg talks with, and nobody else.
    pub(crate) fn partner(&self, leg: LegId) -> Option<LegId> {
        let bridge = self.legs.get(&leg)?.bridge?;
        self.bridges.get(&bridge)?.partner(leg)
    }

    /// The leg of the two that could speak the other's codec, and that codec. Of two that could, the one that was called.
    fn alignable(&self, leg: LegId) -> Option<(LegId, CodecParams)> {
        let other = self.partner(leg)?;
        let talks =
            |leg: LegId| self.legs.get(&leg).filter(|l| l.is_up() && !l.peer_held && !l.is_fax() && l.asked.is_none());
        let (one, two) = (talks(leg)?, talks(other)?);
        let codec = |leg: &Leg| leg.media.as_ref().filter(|m| m.added)?.codec;
        let (first, second) = (codec(one)?, codec(two)?);
        if first.codec == second.codec {
            return None;
        }
        let could = |leg: &Leg, codec: CodecParams| {
            leg.web.is_none() && leg.session().is_some_and(|s| s.could_speak(codec.codec))
        };
        let mut choices = [(one, second), (two, first)];
        choices.sort_by_key(|(leg, _)| !matches!(leg.party, Party::Outgoing(_)));
        choices.into_iter().find(|(leg, codec)| could(leg, *codec)).map(|(leg, codec)| (leg.id, codec))
    }

    /// Whom this leg hears, or what it speaks, has changed.
    pub(crate) fn consider_aligning(&mut self, leg: LegId) {
        let wanted = if self.is_fax_alone(leg) { Some(leg) } else { self.alignable(leg).map(|(asked, _)| asked) };
        if let Some(asked) = wanted.filter(|asked| !self.timers.is_set(Timer::Align(*asked))) {
            self.timers.set(Timer::Align(asked), self.now + SETTLED);
        }
    }

    pub(crate) fn align(&mut self, leg: LegId) {
        if self.is_fax_alone(leg) {
            return self.sound_again(leg);
        }
        let Some((leg, codec)) = self.alignable(leg) else { return };
        let Some(state) = self.legs.get_mut(&leg) else { return };
        let (call, local) = (state.call(), state.media.as_ref().and_then(|m| m.local));
        let (Some(call), Some(local), Some(session)) = (call, local, state.session_mut()) else { return };
        let sdp = Some(session.offer_of(local, codec));
        state.asked = Some(Asked::Codec(codec.codec));
        self.sip(sip::Command::Reinvite { call, sdp });
    }

    /// The end of a re-INVITE: of ours, or of a refresh by the endpoint.
    pub(crate) fn on_reinvite_done(&mut self, call: CallId, status: u16, sdp: Option<&[u8]>) {
        let Some(leg) = self.living_by_call(call) else { return };
        let asked = self.legs.get_mut(&leg).and_then(|l| l.asked.take());
        if let Some(Asked::Fax { by }) = asked {
            return self.fax_answered(leg, by, sdp.filter(|_| (200..300).contains(&status)));
        }
        // A refresh of a fax changes nothing, nor does one of WebRTC, whose sessions the peer alone changes.
        let is_refresh = asked.is_none() && self.legs.get(&leg).is_some_and(|l| l.is_fax() || l.web.is_some());
        let remote = match status {
            200..300 if !is_refresh => self.conclude(leg, sdp),
            _ => None,
        };
        if let Some(Asked::Codec(codec)) = asked
            && remote.is_none_or(|remote| remote.codec.codec != codec)
            && let Some(session) = self.legs.get_mut(&leg).and_then(Leg::session_mut)
        {
            session.declined(codec);
        }
        // Refused, the session goes on as it was (RFC 3261 §14.1).
        if let Some(remote) = remote {
            self.apply_session(leg, &remote);
        }
    }
}
