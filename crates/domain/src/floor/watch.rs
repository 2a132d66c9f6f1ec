//! Supervisors in their agents' conversations: monitor, whisper, barge, take over.
use super::Floor;
use super::state::Segment;
use super::timers::CONNECT_TIMEOUT;
use crate::command::WatchMode;
use crate::event::{EventBody, LegRole, SegmentEnd, SegmentOf, SegmentStart, SegmentState};
use crate::id::{AgentId, DeviceId, InteractionId, SegmentId, UserId};
use crate::input::{RejectCode, Rejected};
use crate::leg::EndCause;
use crate::medium::Medium;
use crate::routing::has_room;

/// A supervisor's own phone rings that long.
const RING: std::time::Duration = std::time::Duration::from_secs(20);

impl Floor {
    pub(super) fn watch(
        &mut self,
        by: UserId,
        interaction: InteractionId,
        target: SegmentId,
        mode: WatchMode,
    ) -> Result<(), Rejected> {
        let (me, device) = self.seat_of(by)?;
        self.watchable(interaction, target, me)?;
        if let Some(segment) = self.watching(interaction, me) {
            let same = matches!(
                self.state.segment(interaction, segment).map(|s| &s.of),
                Some(SegmentOf::Supervisor { target: t, mode: m, .. }) if (*t, *m) == (target, mode)
            );
            if !same {
                self.emit(EventBody::WatchChanged { interaction, segment, target, mode });
            }
            return Ok(());
        }
        let Some(a) = self.state.agents.get(&me) else { return Err(RejectCode::SupervisorNotSignedIn.into()) };
        let capacity = self.config.agents.get(&me).map(|c| c.capacity).unwrap_or_default();
        if !has_room(Medium::Voice, &self.state.load(a), &capacity) {
            return Err(RejectCode::AgentBusy.into());
        }
        if !self.state.device_ready(device, &self.config) {
            return Err(RejectCode::DeviceNotReady.into());
        }
        let ring = if self.rings_itself(device) { RING } else { CONNECT_TIMEOUT };
        let segment = SegmentId(self.mint.next_bits());
        self.emit(EventBody::SegmentStarted {
            interaction,
            segment,
            of: SegmentOf::Supervisor { agent: me, target, mode },
            why: SegmentStart::Watch,
            state: SegmentState::Connecting,
            until: Some(self.now + ring),
            by: None,
        });
        self.originate(interaction, segment, LegRole::Supervisor, device, ring);
        Ok(())
    }

    pub(super) fn stop_watching(&mut self, by: UserId, interaction: InteractionId) -> Result<(), Rejected> {
        let (me, _) = self.seat_of(by)?;
        let segment = self.watching(interaction, me).ok_or(RejectCode::SegmentState)?;
        self.end_watch(interaction, segment);
        Ok(())
    }

    /// The supervisor's leg stays, and serves from now on a segment of an agent.
    pub(super) fn take_over(
        &mut self,
        by: UserId,
        interaction: InteractionId,
        target: SegmentId,
    ) -> Result<(), Rejected> {
        let (me, _) = self.seat_of(by)?;
        self.watchable(interaction, target, me)?;
        let watch = self.watching(interaction, me).ok_or(RejectCode::SegmentState)?;
        let watched = self.state.segment(interaction, watch).map(|s| (s.state, s.leg));
        let Some((SegmentState::Watching, Some(leg))) = watched else { return Err(RejectCode::SegmentState.into()) };
        let Some(s) = self.state.segment(interaction, target) else { return Err(RejectCode::SegmentState.into()) };
        let queue = s.queue();
        if !s.has_customer() {
            return Err(RejectCode::SegmentState.into());
        }
        let segment = SegmentId(self.mint.next_bits());
        self.emit(EventBody::SegmentStarted {
            interaction,
            segment,
            of: SegmentOf::Agent { agent: me, queue, arrived: self.now },
            why: SegmentStart::TakeOver,
            state: SegmentState::Connecting,
            until: None,
            by: Some(target),
        });
        self.emit(EventBody::LegMoved { interaction, leg, segment });
        self.emit(EventBody::SegmentEnded { interaction, segment: watch, why: SegmentEnd::WatchOver });
        if let Some(other) = self.asked(interaction, target) {
            self.drop_consulted(interaction, other);
        }
        self.leave_talk(interaction, target, SegmentEnd::Transferred);
        self.begin_talk(interaction, segment);
        Ok(())
    }

    pub(super) fn end_watch(&mut self, interaction: InteractionId, segment: SegmentId) {
        let Some(leg) = self.state.segment(interaction, segment).map(|s| s.leg) else { return };
        if let Some(leg) = leg {
            self.hang_up(leg, EndCause::Hangup);
        }
        self.emit(EventBody::SegmentEnded { interaction, segment, why: SegmentEnd::WatchOver });
    }

    /// The agent goes: supervisors stay with whoever has the customer next, or go too.
    pub(super) fn leave_to_others(&mut self, interaction: InteractionId, gone: SegmentId) {
        let Some(i) = self.state.interactions.get(&interaction) else { return };
        let watchers: Vec<(SegmentId, WatchMode)> = i
            .segments
            .iter()
            .filter_map(|(id, s)| match s.of {
                SegmentOf::Supervisor { target, mode, .. } if target == gone => Some((*id, mode)),
                _ => None,
            })
            .collect();
        // Who may watch one agent's calls need not be allowed to watch another's, but for the same queue.
        let queue = |s: SegmentId| i.segments.get(&s).and_then(Segment::queue);
        let heir = self.heir(interaction, gone).filter(|heir| queue(gone).is_some() && queue(*heir) == queue(gone));
        for (segment, mode) in watchers {
            match heir {
                Some(target) => self.emit(EventBody::WatchChanged { interaction, segment, target, mode }),
                None => self.end_watch(interaction, segment),
            }
        }
    }

    fn seat_of(&self, by: UserId) -> Result<(AgentId, DeviceId), Rejected> {
        let me = self.config.agents.values().find(|a| a.user == by && a.active).map(|a| a.id);
        let seat = me.and_then(|me| Some((me, self.state.agents.get(&me)?.seat.as_ref()?.device)));
        seat.ok_or_else(|| RejectCode::SupervisorNotSignedIn.into())
    }

    /// A voice conversation of somebody else.
    fn watchable(&self, interaction: InteractionId, target: SegmentId, me: AgentId) -> Result<(), Rejected> {
        if self.state.interactions.get(&interaction).is_none_or(|i| i.medium != Medium::Voice) {
            return Err(RejectCode::InteractionUnknown.into());
        }
        let agent = self.state.segment(interaction, target).filter(|s| s.in_conversation()).map(|s| &s.of);
        match agent {
            Some(SegmentOf::Agent { agent, .. }) if *agent != me => Ok(()),
            Some(_) | None => Err(RejectCode::SegmentState.into()),
        }
    }

    fn watching(&self, interaction: InteractionId, me: AgentId) -> Option<SegmentId> {
        let i = self.state.interactions.get(&interaction)?;
        let mine = |s: &&crate::id::SegmentId| {
            i.segments.get(s).is_some_and(|s| matches!(s.of, SegmentOf::Supervisor { agent, .. } if agent == me))
        };
        i.segments.keys().find(mine).copied()
    }
}
