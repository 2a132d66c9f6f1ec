//! How legs end: the only place that decides what is said to the peer, lets everything go and reports `Ended`.
//!
//! Two steps: [`Switch::end`] tells the peer and empties the tables at once; [`Switch::finish`] reports `Ended` when
//! media has handed back the counters (or failed to within [`crate::Config::outside`]).
use std::time::Duration;

use domain::id::LegId;
use domain::leg::{EndCause, EndedBy, LegCommand, LegEvent, LegQuality, LegStats, PlayEnd};
use media::LegKey;

use crate::checkpoint::Kept;
use crate::io::Output;
use crate::leg::{Party, Phase};
use crate::sound::floor_quality;
use crate::switch::Switch;
use crate::timers::Timer;

impl Switch {
    /// Ends a leg in whatever state it is and tells the peer so. Does nothing for a leg that is unknown or ending.
    pub(crate) fn end(&mut self, leg: LegId, cause: EndCause, by: EndedBy) {
        let Some(state) = self.legs.get(&leg).filter(|l| !l.is_ending()) else { return };
        let answered = state.answered_at.is_some();
        let mut commands = Vec::new();
        if let (true, EndedBy::Us, Some(call)) = (state.refers, by, state.call()) {
            // Whoever asked to be replaced is told so before the goodbye.
            commands.push(sip::Command::NotifyRefer { call, status: 200 });
        }
        match &state.party {
            Party::Incoming(sip) if answered => {
                commands.push(sip::Command::Hangup { call: sip.call, headers: reason(cause) });
            }
            Party::Incoming(sip) => {
                let (status, headers) = refusal(cause);
                commands.push(sip::Command::Reject { call: sip.call, status, headers });
            }
            Party::Outgoing(sip) => {
                for call in sip.calls.iter().map(|a| a.call).chain(sip.won) {
                    commands.push(sip::Command::Hangup { call, headers: reason(cause) });
                }
            }
            Party::Browser(_) => {}
        }
        for command in commands {
            self.sip(command);
        }
        self.let_go(leg, cause, by);
    }

    /// Ends a leg about which the peer knows already.
    pub(crate) fn let_go(&mut self, leg: LegId, cause: EndCause, by: EndedBy) {
        let now = self.now;
        let Some(state) = self.legs.get_mut(&leg).filter(|l| !l.is_ending()) else { return };
        let talked = state.answered_at.map_or(Duration::ZERO, |at| now.saturating_sub(at) + state.talked_before);
        let refused = state.answered_at.is_none() && by == EndedBy::Us;
        let before = std::mem::replace(&mut state.phase, Phase::Ending { cause, by, talked });
        let deferred = std::mem::take(&mut state.deferred);
        let play = state.play.take();
        let bridge = state.bridge.take();
        let media = state.media.as_ref().map(|m| m.key);
        self.timers.cancel_leg(leg);

        if let Phase::Resolving { key, .. } = before {
            self.by_resolve.remove(&key);
        }
        self.close_peers(leg);
        self.fax_given_up(leg);
        self.forget_party(leg, refused);
        self.forget(Kept::Leg(leg));
        self.stop_recordings_of(leg);
        if let Some(bridge) = bridge {
            self.leave_bridge(bridge, leg);
        }
        if let Some((play, _)) = play {
            self.forget(Kept::Play(play));
            self.tell(LegEvent::PlayEnded { leg, play, why: PlayEnd::Stopped, digits: String::new() });
        }
        for command in deferred {
            if let LegCommand::Play { play, .. } = command {
                self.forget(Kept::Play(play));
                self.tell(LegEvent::PlayEnded { leg, play, why: PlayEnd::Stopped, digits: String::new() });
            }
        }
        match media {
            Some(media) => {
                self.timers.set(Timer::Outside(leg), now + self.config.outside);
                self.emit(Output::CloseMedia { media });
            }
            None => self.finish(leg, LegStats::default()),
        }
    }

    /// Takes the leg out of the indexes of calls and browsers, and tells a browser that placed the call.
    fn forget_party(&mut self, leg: LegId, refused: bool) {
        let Some(state) = self.legs.get_mut(&leg) else { return };
        match &mut state.party {
            Party::Incoming(sip) => {
                let call = sip.call;
                self.by_call.remove(&call);
            }
            Party::Outgoing(sip) => {
                let calls: Vec<_> = sip.calls.drain(..).map(|a| a.call).chain(sip.won.take()).collect();
                for call in calls {
                    self.by_call.remove(&call);
                }
            }
            Party::Browser(browser) => {
                let (device, dialled) = (browser.device, browser.dialled);
                self.by_browser.remove(&device);
                if dialled {
                    use domain::device::{DeviceReport, GuestCallState};
                    let state = if refused { GuestCallState::Refused } else { GuestCallState::Ended };
                    self.report(DeviceReport::GuestCall { device, state });
                }
            }
        }
    }

    pub(crate) fn on_media_closed(
        &mut self,
        key: LegKey,
        stats: Option<media::LegStats>,
        quality: Option<media::quality::Summary>,
    ) {
        let Some(&leg) = self.by_media.get(&key) else { return };
        if !self.legs.get(&leg).is_some_and(|l| l.is_ending()) {
            return;
        }
        let stats = stats.map_or_else(LegStats::default, |s| LegStats {
            answered_ms: 0,
            rtp_received: s.received_packets,
            rtp_sent: s.sent_packets,
            rtp_lost: s.lost,
            jitter_ms: u32::try_from(s.jitter_us / 1000).unwrap_or(u32::MAX),
            rtp_foreign: s.dropped_foreign,
            quality: quality.map(|q| {
                Box::new(LegQuality {
                    mos_min: q.mos_min,
                    whole: floor_quality(&q.whole),
                    slice_ms: q.slice_ms,
                    slices: q.slices.iter().map(|slice| slice.as_ref().map(floor_quality)).collect(),
                })
            }),
        });
        self.finish(leg, stats);
    }

    /// Reports the end of an ending leg, once (S1), and drops what is left of it (S2).
    pub(crate) fn finish(&mut self, leg: LegId, stats: LegStats) {
        let Some(state) = self.legs.remove(&leg) else { return };
        let Phase::Ending { cause, by, talked } = state.phase else {
            debug_assert!(false, "only ending legs are finished");
            self.legs.insert(leg, state);
            return;
        };
        if let Some(media) = state.media {
            self.by_media.remove(&media.key);
        }
        self.timers.cancel_leg(leg);
        let answered_ms = u64::try_from(talked.as_millis()).unwrap_or(u64::MAX);
        tracing::debug!(%leg, ?cause, ?by, answered_ms, "leg ended");
        self.tell(LegEvent::Ended { leg, cause, by, stats: LegStats { answered_ms, ..stats } });
    }
}

/// The final response that tells a caller why we end its unanswered call.
fn refusal(cause: EndCause) -> (u16, Vec<(String, String)>) {
    let status = match cause {
        EndCause::Busy => 486,
        EndCause::NotFound => 404,
        EndCause::Rejected => 403,
        EndCause::MediaIncompatible => 488,
        EndCause::Limit | EndCause::SystemRestart | EndCause::SystemShutdown => 503,
        EndCause::SystemError => 500,
        EndCause::Hangup
        | EndCause::Cancelled
        | EndCause::NoAnswer
        | EndCause::Unreachable
        | EndCause::Elsewhere
        | EndCause::MediaLost
        | EndCause::SignallingLost
        | EndCause::SessionExpired => 480,
    };
    // RFC 3261 §20.33: callers should not come back at once.
    let headers = if status == 503 { vec![("Retry-After".to_owned(), "5".to_owned())] } else { Vec::new() };
    (status, headers)
}

/// RFC 3326: lets phones show "answered elsewhere" instead of a missed call.
fn reason(cause: EndCause) -> Vec<(String, String)> {
    match cause {
        EndCause::Elsewhere => {
            vec![("Reason".to_owned(), "SIP;cause=200;text=\"Call completed elsewhere\"".to_owned())]
        }
        _ => Vec::new(),
    }
}
