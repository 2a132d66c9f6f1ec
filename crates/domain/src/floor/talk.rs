//! Conversations: who hears whom, and what the customer hears while nobody talks with him. Both follow from the
//! segments and are brought up to date after every decision, so that no path of call control can forget them.
//!
//! A room is those who hear one another: the customer's, or the one aside in which an agent consults somebody.
//!
//! ```text
//!             customer's room                aside
//! talking     customer  agent
//! held        customer (music)               -
//! consulting  customer (music)               agent  party consulted
//! switched    customer  agent                party consulted
//! dialling    the agent hears the network of a callee who has not answered, if it speaks, and is not heard there
//! conference  customer  agent  party
//! monitor     the supervisor hears his target's room · whisper: the target hears him · barge: the whole room does
//! ```
use super::Floor;
use super::apply::everybody;
use super::state::{Interaction, Segment};
use crate::command::WatchMode;
use crate::event::{EventBody, PlayWhat, SegmentOf, SegmentStart, SegmentState};
use crate::id::{BridgeId, InteractionId, LegId, PlayId, PromptId, SegmentId};
use crate::leg::{Hears, LegCommand};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Room {
    Customer,
    /// Named by the segment of the agent who consults.
    Aside(SegmentId),
}

fn room(id: SegmentId, s: &Segment) -> Option<Room> {
    match s.state {
        SegmentState::Talking => Some(Room::Customer),
        SegmentState::Consulting => Some(Room::Aside(s.consulted_by().unwrap_or(id))),
        SegmentState::Running
        | SegmentState::Voicemail
        | SegmentState::Echo
        | SegmentState::Waiting
        | SegmentState::Offered
        | SegmentState::Connecting
        | SegmentState::Held
        | SegmentState::Watching
        | SegmentState::Parked
        | SegmentState::WrapUp => None,
    }
}

fn cared_for(s: &Segment) -> bool {
    match s.of {
        SegmentOf::Parked { .. } => true,
        SegmentOf::Agent { .. } | SegmentOf::Device { .. } | SegmentOf::Outside { .. } => {
            s.consulted_by().is_none() && (s.in_conversation() || s.is_reaching())
        }
        SegmentOf::Flow { .. } | SegmentOf::Queue { .. } | SegmentOf::Supervisor { .. } => false,
    }
}

/// Somebody with a living leg.
struct Party {
    leg: LegId,
    /// None for the customer.
    segment: Option<SegmentId>,
    room: Option<Room>,
    /// Not answered: his network speaks to whoever asks him, and is not heard there.
    early: bool,
    /// Of a supervisor: whom he watches and how; the room is his target's.
    watch: Option<(SegmentId, WatchMode)>,
}

impl Party {
    fn hears(&self, other: &Party) -> bool {
        if self.early {
            return false;
        }
        let same_room = self.room.is_some() && self.room == other.room;
        match (self.watch, other.watch) {
            (None, None) => same_room,
            (Some((target, _)), None) => same_room || other.segment == Some(target),
            (None, Some((_, WatchMode::Monitor))) => false,
            (None, Some((target, mode))) => self.segment == Some(target) || (mode == WatchMode::Barge && same_room),
            (Some(_), Some((_, mode))) => mode == WatchMode::Barge && same_room,
        }
    }
}

impl Floor {
    fn is_up(&self, leg: LegId) -> bool {
        self.state.legs.get(&leg).is_some_and(|l| l.answered.is_some() && !l.hanging_up)
    }

    /// The matrix that the segments call for; no rows if nobody is there any more.
    pub(super) fn hearing(&self, i: &Interaction) -> Vec<Hears> {
        let customer = i.customer.filter(|leg| self.is_up(*leg));
        if let Some(leg) = customer
            && i.segments.values().any(|s| s.state == SegmentState::Echo)
        {
            return vec![Hears { leg, hears: vec![leg] }];
        }
        if let Some(rows) = self.early_media(i) {
            return rows;
        }
        let was_in = |leg: LegId| i.bridge.as_ref().is_some_and(|b| b.rows.iter().any(|r| r.leg == leg));
        let has_talk = i.segments.values().any(Segment::has_customer);
        let mut parties: Vec<Party> = customer
            .filter(|leg| has_talk || was_in(*leg))
            .map(|leg| Party { leg, segment: None, room: Some(Room::Customer), early: false, watch: None })
            .into_iter()
            .collect();
        for (id, s) in &i.segments {
            if let (Some(leg), Some(by)) = (s.leg.filter(|leg| self.speaks_early(*leg)), s.consulted_by()) {
                parties.push(Party { leg, segment: Some(*id), room: Some(Room::Aside(by)), early: true, watch: None });
            }
            if let Some(leg) = s.aside.filter(|leg| self.is_up(*leg) || self.listens(*leg)) {
                let room = Some(Room::Aside(*id));
                parties.push(Party { leg, segment: Some(*id), room, early: false, watch: None });
            }
            let up = |leg: &LegId| self.is_up(*leg) || (s.state == SegmentState::Consulting && self.listens(*leg));
            let Some(leg) = s.leg.filter(up) else { continue };
            match s.of {
                SegmentOf::Supervisor { target, mode, .. } if s.state == SegmentState::Watching => {
                    let room = i.segments.get(&target).and_then(|t| room(target, t));
                    parties.push(Party { leg, segment: Some(*id), room, early: false, watch: Some((target, mode)) });
                }
                _ if s.in_conversation() => {
                    // By this leg he hears nobody while he asks by another.
                    let apart = s.state == SegmentState::Consulting && s.aside.is_some();
                    let room = room(*id, s).filter(|_| !apart);
                    parties.push(Party { leg, segment: Some(*id), room, early: false, watch: None });
                }
                _ => {}
            }
        }
        let heard = |p: &Party| parties.iter().filter(|o| o.leg != p.leg && p.hears(o)).map(|o| o.leg).collect();
        parties.iter().map(|p| Hears { leg: p.leg, hears: heard(p) }).collect()
    }

    fn speaks_early(&self, leg: LegId) -> bool {
        self.state.legs.get(&leg).is_some_and(|l| l.early && l.answered.is_none() && !l.hanging_up)
    }

    /// A phone that has called, is not answered yet and hears already.
    fn listens(&self, leg: LegId) -> bool {
        self.state.legs.get(&leg).is_some_and(|l| l.early && l.waits())
    }

    /// Of a call to the outside whose callee has not answered, but whose network speaks.
    fn early_media(&self, i: &Interaction) -> Option<Vec<Hears>> {
        let dialling = i.segments.values().find(|s| s.why == SegmentStart::Dial && s.is_reaching());
        let leg = dialling.and_then(|s| s.leg).filter(|leg| self.is_up(*leg) || self.listens(*leg))?;
        // A phone goes on to hear so until it is answered in its turn.
        let callee =
            i.customer.filter(|callee| self.speaks_early(*callee) || (self.listens(leg) && self.is_up(*callee)))?;
        Some(vec![Hears { leg, hears: vec![callee] }, Hears { leg: callee, hears: Vec::new() }])
    }

    /// Orders what has changed of who hears whom, and the music on hold. `segment`: by whose change.
    pub(super) fn settle_sound(&mut self, interaction: InteractionId, segment: SegmentId) {
        let Some(i) = self.state.interactions.get(&interaction) else { return };
        let rows = self.hearing(i);
        let before = i.bridge.as_ref();
        if !rows.is_empty() && before.is_none_or(|b| b.rows != rows) {
            let bridge = before.map(|b| b.bridge);
            let bridge = bridge.unwrap_or_else(|| BridgeId(self.mint.next_bits()));
            let legs: Vec<LegId> = rows.iter().map(|r| r.leg).collect();
            let hears = if rows == everybody(&legs) { Vec::new() } else { rows.clone() };
            self.emit(EventBody::Bridged { interaction, segment, bridge, legs, hears });
            self.order(LegCommand::Bridge { bridge, legs: rows });
        }
        self.settle_music(interaction, segment);
    }

    /// After a decision about work of which nothing more is known than that it changed.
    pub(super) fn settle_sound_of(&mut self, interaction: InteractionId) {
        let Some(i) = self.state.interactions.get(&interaction) else { return };
        if i.bridge.is_none() && !i.segments.values().any(Segment::in_conversation) {
            return;
        }
        let talk = i.segments.iter().find(|(_, s)| s.in_conversation()).map(|(id, _)| *id);
        if let Some(segment) = talk.or_else(|| i.segments.keys().next_back().copied()) {
            self.settle_sound(interaction, segment);
        }
    }

    /// He hears music while he is parked, has an agent, or is on his way to one without a queue, and nobody is with him.
    fn settle_music(&mut self, interaction: InteractionId, segment: SegmentId) {
        let Some(i) = self.state.interactions.get(&interaction) else { return };
        let Some((customer, lang)) = self.ear(interaction).filter(|(leg, _)| self.is_up(*leg)) else { return };
        let playing = i.music;
        // Flows and queues have their own sounds.
        let alone = i.bridge.as_ref().is_some_and(|b| b.rows.iter().any(|r| r.leg == customer && r.hears.is_empty()));
        let led = i.segments.values().any(|s| matches!(s.of, SegmentOf::Flow { .. } | SegmentOf::Queue { .. }));
        let wanted = alone && !led && i.segments.values().any(cared_for);
        match playing {
            None if wanted => {
                let Some(music) = self.hold_music(interaction) else { return };
                let play = PlayId(self.mint.next_bits());
                let what = PlayWhat::HoldMusic;
                self.emit(EventBody::PlayStarted { interaction, segment, play, what, until: None });
                self.order_play(customer, play, &[music], lang, true);
            }
            Some(_) if !wanted => self.stop_music(interaction),
            Some(_) | None => {}
        }
    }

    /// The music on hold of those whom somebody cares for.
    pub(super) fn hold_music(&self, interaction: InteractionId) -> Option<PromptId> {
        let i = self.state.interactions.get(&interaction)?;
        let queue = i.segments.values().filter(|s| cared_for(s)).find_map(Segment::queue);
        self.music_of(queue.or_else(|| i.handed.and_then(|(_, queue)| queue)))
    }

    pub(super) fn stop_music(&mut self, interaction: InteractionId) {
        let Some(play) = self.state.interactions.get(&interaction).and_then(|i| i.music) else { return };
        if let Some((leg, _)) = self.ear(interaction) {
            self.order(LegCommand::StopPlay { leg });
        }
        self.emit(EventBody::MusicStopped { interaction, play });
    }

    /// A conversation's next state; its recording lists what is not talk as hold.
    pub(super) fn turn(&mut self, interaction: InteractionId, segment: SegmentId, state: SegmentState) {
        let Some(s) = self.state.segment(interaction, segment) else { return };
        if s.state == state {
            return;
        }
        self.emit(EventBody::SegmentStateChanged { interaction, segment, state, until: None, ended: None });
        self.settle_sound(interaction, segment);
        self.settle_pauses(interaction);
    }

    pub(super) fn hold(&mut self, interaction: InteractionId, segment: SegmentId) {
        if self.state.segment(interaction, segment).is_some_and(|s| s.state == SegmentState::Talking) {
            self.turn(interaction, segment, SegmentState::Held);
        }
    }

    pub(super) fn resume(&mut self, interaction: InteractionId, segment: SegmentId) {
        if self.state.segment(interaction, segment).is_some_and(|s| s.state == SegmentState::Held) {
            self.turn(interaction, segment, SegmentState::Talking);
        }
    }
}
