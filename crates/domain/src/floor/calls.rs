//! Calls: entry, what the switch reports of legs, hold and the end of it all.
use std::time::Duration;

use super::Floor;
use super::state::{Leg, Segment};
use crate::config::{DeviceKind, EntryPoint, Place};
use crate::event::{
    CallRefusal, DestinationClass, Direction, EventBody, LegPlace, LegRole, OfferEnd, SegmentEnd, SegmentOf,
    SegmentStart, SegmentState,
};
use crate::id::{AddressId, DeviceId, InteractionId, LegId, NumberId, SegmentId};
use crate::input::{CallFacts, RejectCode, Rejected};
use crate::leg::{EndCause, EndedBy, LegCommand, LegEvent, LegStats, PlayEnd, RejectReason, Via};
use crate::medium::Medium;

use super::offers::Ask;

/// Ring time of a device called by its own number.
pub(super) const DEVICE_RING: Duration = Duration::from_secs(45);

/// The phone of somebody outside rings that long.
pub(super) const RING: Duration = Duration::from_secs(60);

impl Floor {
    pub(super) fn call_offered(
        &mut self,
        leg: LegId,
        number: NumberId,
        from: AddressId,
        via: Via,
        CallFacts { diverted, verified }: CallFacts,
    ) -> Result<Option<InteractionId>, Rejected> {
        if self.state.legs.contains_key(&leg) {
            return Err(RejectCode::LegDuplicate.into());
        }
        if let Via::Device { device } = via
            && let Some(asked) = self.number_asked(leg, device, number)
        {
            return Ok(asked);
        }
        let Some((entry, lang)) = self.config.numbers.get(&number).map(|n| (n.entry.clone(), n.lang)) else {
            self.reject(leg, number, from, CallRefusal::NumberUnknown, RejectReason::NotFound);
            return Ok(None);
        };
        if self.derived.calls >= self.config.entitlements.concurrent_calls as usize {
            self.reject(leg, number, from, CallRefusal::LimitCalls, RejectReason::Overload);
            return Ok(None);
        }
        let interaction = InteractionId(self.mint.next_bits());
        self.emit(EventBody::InteractionStarted {
            interaction,
            medium: Medium::Voice,
            direction: Direction::Inbound,
            number: Some(number),
            from: Some(from),
            lang,
            priority: 0,
        });
        self.emit(EventBody::LegStarted {
            interaction,
            leg,
            segment: None,
            direction: Direction::Inbound,
            role: LegRole::Customer,
            via: Some(via),
            device: None,
            destination: DestinationClass::Number,
            place: LegPlace::Main,
        });
        if diverted.is_some() || verified.is_some() {
            self.emit(EventBody::CallIdentified { interaction, diverted, verified });
        }
        match entry {
            EntryPoint::Device { device } => self.call_device(interaction, leg, device),
            EntryPoint::Echo => {
                self.order(LegCommand::Answer { leg });
                let segment = SegmentId(self.mint.next_bits());
                let of = SegmentOf::Flow { flow: None, version: None, mailbox: None };
                let (why, state) = (SegmentStart::Entry, SegmentState::Echo);
                self.emit(EventBody::SegmentStarted { interaction, segment, of, why, state, until: None, by: None });
            }
            EntryPoint::Queue { queue } => {
                self.order(LegCommand::Answer { leg });
                self.enter_queue(interaction, queue, 0, SegmentStart::Entry, 0, Place::Back);
            }
            EntryPoint::Flow { flow } => {
                self.order(LegCommand::Answer { leg });
                self.start_flow(interaction, flow, SegmentStart::Entry);
            }
        }
        Ok(Some(interaction))
    }

    fn reject(&mut self, leg: LegId, number: NumberId, from: AddressId, why: CallRefusal, reason: RejectReason) {
        self.emit(EventBody::CallRejected { leg, number, from, why });
        self.order(LegCommand::Reject { leg, why: reason });
    }

    /// An agent's device is offered like queued work, if he is there; any other device just rings.
    fn call_device(&mut self, interaction: InteractionId, leg: LegId, device: DeviceId) {
        let Some(config) = self.config.devices.get(&device) else { return self.hang_up(leg, EndCause::NotFound) };
        let browser = config.kind == DeviceKind::Browser;
        let seated = config.agent.filter(|a| {
            self.state.agents.get(a).is_some_and(|s| s.seat.as_ref().is_some_and(|seat| seat.device == device))
        });
        if !self.state.device_ready(device, &self.config) {
            return self.hang_up(leg, EndCause::Unreachable);
        }
        match seated {
            Some(agent) => {
                if !self.is_free(agent, Medium::Voice) {
                    return self.hang_up(leg, EndCause::Busy);
                }
                self.order(LegCommand::Ring { leg });
                let trace = self.direct_trace(agent);
                let ask = Ask { waiting: None, why: SegmentStart::Entry, by: None, queue: None, leg: None };
                self.offer(interaction, ask, agent, trace);
            }
            None if browser => self.hang_up(leg, EndCause::Unreachable),
            None => {
                self.order(LegCommand::Ring { leg });
                self.ring_device(interaction, device, SegmentStart::Entry, None);
            }
        }
    }

    pub(super) fn leg_event(&mut self, event: LegEvent) -> Result<(), Rejected> {
        if matches!(event, LegEvent::Offered { .. } | LegEvent::Dialled { .. }) {
            return Err(RejectCode::InputUnexpected.into());
        }
        if let LegEvent::RecordingStarted { recording } | LegEvent::RecordingEnded { recording, .. } = &event {
            let Some(interaction) = self.state.recordings.get(recording).copied() else { return Ok(()) };
            match event {
                LegEvent::RecordingEnded { recording, length_ms, gaps } => {
                    self.paused.remove(&recording);
                    self.emit(EventBody::RecordingEnded { interaction, recording, length_ms, gaps });
                }
                _ => self.emit(EventBody::RecordingStarted { interaction, recording: *recording }),
            }
            return Ok(());
        }
        if let LegEvent::ReplaceAsked { leg, device, replaces, .. } = &event {
            return self.replace_asked(*leg, *device, *replaces);
        }
        // A leg we do not know (any more): a rejected call, or one that ended before a crash.
        let Some(leg) = event.leg() else { return Ok(()) };
        let Some(known) = self.state.legs.get(&leg).cloned() else { return Ok(()) };
        let interaction = known.interaction;
        match event {
            LegEvent::Offered { .. }
            | LegEvent::Dialled { .. }
            | LegEvent::ReplaceAsked { .. }
            | LegEvent::RecordingStarted { .. }
            | LegEvent::RecordingEnded { .. } => {}
            LegEvent::Ringing { .. } => {
                self.emit(EventBody::LegRinging { interaction, leg });
                if !known.early {
                    self.play_ringback(interaction, &known);
                }
            }
            LegEvent::EarlyMedia { .. } => {
                if known.answered.is_none() && !known.early && !known.called && !known.hanging_up {
                    self.emit(EventBody::LegEarlyMedia { interaction, leg });
                    self.hear_early_media(interaction, &known);
                }
            }
            LegEvent::Answered { codec, .. } => {
                if known.answered.is_none() {
                    self.emit(EventBody::LegAnswered { interaction, leg, codec });
                    if let Some(segment) = self.comes_next(interaction, leg) {
                        self.take_place(interaction, segment, leg);
                    } else if !known.hanging_up {
                        self.leg_answered(&known);
                        if known.role == LegRole::Customer {
                            self.called_back(interaction);
                        }
                    }
                }
            }
            LegEvent::PeerHeld { held, .. } => {
                if known.peer_held != held {
                    self.emit(EventBody::LegPeerHeld { interaction, leg, held });
                    if let (Some(segment), LegRole::Agent | LegRole::Device) = (known.segment, known.role) {
                        self.phone_held(interaction, segment, leg, held, known.holds);
                    }
                }
            }
            LegEvent::Digit { digit, .. } => self.digit(interaction, &known, digit),
            LegEvent::TransferAsked { to, replaces, .. } => {
                self.transfer_asked(interaction, leg, &known, &to, replaces);
            }
            LegEvent::PlayEnded { play, why, digits, .. } => {
                if matches!(why, PlayEnd::Finished | PlayEnd::Interrupted) {
                    self.notice_heard(interaction, play);
                }
                if why != PlayEnd::Stopped {
                    self.play_ended(interaction, play, &digits);
                }
            }
            LegEvent::Quality { .. } => {}
            LegEvent::MediaSilent { silent, .. } => {
                if known.silent != silent {
                    self.emit(EventBody::LegSilent { interaction, leg, silent });
                }
            }
            LegEvent::Ended { cause, by, stats, .. } => self.leg_ended(leg, &known, cause, by, stats),
        }
        Ok(())
    }

    fn leg_answered(&mut self, leg: &Leg) {
        let interaction = leg.interaction;
        let Some(i) = self.state.interactions.get(&interaction) else { return };
        let live: Vec<(SegmentId, Segment)> = i
            .segments
            .iter()
            .filter(|(id, _)| leg.role == LegRole::Customer || leg.segment == Some(**id))
            .map(|(id, s)| (*id, s.clone()))
            .collect();
        for (segment, s) in live {
            match s.state {
                SegmentState::Offered if leg.role != LegRole::Customer => {
                    self.accepted(interaction, segment);
                    self.connect(interaction, segment);
                }
                SegmentState::Connecting if leg.role == LegRole::Supervisor => {
                    self.turn(interaction, segment, SegmentState::Watching);
                }
                SegmentState::Connecting => self.connect(interaction, segment),
                SegmentState::Echo => self.settle_sound(interaction, segment),
                SegmentState::Waiting => self.queue_greeting(interaction, segment),
                SegmentState::Running | SegmentState::Voicemail => self.flow_answered(interaction, segment),
                // The phone that calls, or the second leg of one that asks.
                SegmentState::Consulting | SegmentState::Talking | SegmentState::Held => {
                    self.settle_sound(interaction, segment);
                }
                SegmentState::Offered | SegmentState::Parked | SegmentState::Watching | SegmentState::WrapUp => {}
            }
        }
    }

    /// A `#` ends a voicemail message.
    fn digit(&mut self, interaction: InteractionId, leg: &Leg, digit: char) {
        if digit != '#' || leg.role != LegRole::Customer {
            return;
        }
        let Some(i) = self.state.interactions.get(&interaction) else { return };
        let message = i.segments.iter().find(|(_, s)| s.state == SegmentState::Voicemail && s.recording.is_some());
        if let Some(segment) = message.map(|(id, _)| *id) {
            self.finish_flow(interaction, segment, SegmentEnd::Finished);
        }
    }

    fn leg_ended(&mut self, leg: LegId, known: &Leg, cause: EndCause, by: EndedBy, stats: LegStats) {
        let interaction = known.interaction;
        let aside = known.segment.filter(|s| self.state.segment(interaction, *s).is_some_and(|s| s.aside == Some(leg)));
        self.charge(leg);
        self.emit(EventBody::LegEnded { interaction, leg, cause, by, stats });
        if known.role == LegRole::Customer {
            if self.dialling(interaction).is_some() {
                return self.callee_lost(interaction, cause);
            }
            return self.end_all(interaction, why_ended(cause, SegmentEnd::CallerHungUp));
        }
        if let Some(segment) = aside {
            if let Some(asked) = self.asked(interaction, segment) {
                self.drop_consulted(interaction, asked);
                self.back_by_phone(interaction, segment);
            }
            return;
        }
        let Some(segment) = known.segment else { return };
        let Some(s) = self.state.segment(interaction, segment).filter(|s| s.leg == Some(leg)) else { return };
        match (s.state, known.role) {
            (_, LegRole::Supervisor) => self.end_watch(interaction, segment),
            (SegmentState::Talking | SegmentState::Held | SegmentState::Consulting, _) => {
                self.talker_left(interaction, segment, why_ended(cause, SegmentEnd::AgentHungUp));
            }
            (SegmentState::Offered | SegmentState::Connecting, LegRole::Agent) => {
                let why = match cause {
                    EndCause::NoAnswer => OfferEnd::Missed,
                    EndCause::Busy | EndCause::Rejected | EndCause::Hangup => OfferEnd::Declined,
                    EndCause::Cancelled if s.why == SegmentStart::Dial => OfferEnd::Declined,
                    EndCause::SystemRestart => OfferEnd::Withdrawn,
                    _ => OfferEnd::Unreachable,
                };
                self.offer_failed(interaction, segment, why);
            }
            (SegmentState::Connecting, role) => {
                if role == LegRole::Outside && trunk_failed(cause) && self.call_outside(interaction, segment) {
                    return;
                }
                let why = match cause {
                    EndCause::NoAnswer => SegmentEnd::Missed,
                    EndCause::Busy | EndCause::Rejected | EndCause::Hangup => SegmentEnd::Declined,
                    _ => SegmentEnd::Unreachable,
                };
                self.device_failed(interaction, segment, why, cause);
            }
            _ => {}
        }
    }

    /// Nothing of this interaction goes on: the customer left, or it was ended from above. Agents who spoke wrap up.
    pub(super) fn end_all(&mut self, interaction: InteractionId, why: SegmentEnd) {
        let Some(i) = self.state.interactions.get(&interaction) else { return };
        // Those who are only asked or watch go before those for whose sake they are there.
        let rank = |s: &Segment| match s.of {
            SegmentOf::Supervisor { .. } => 0,
            _ if s.consulted_by().is_some() => 1,
            _ => 2,
        };
        let mut live: Vec<(SegmentId, Segment)> = i.segments.iter().map(|(id, s)| (*id, s.clone())).collect();
        live.sort_by_key(|(id, s)| (rank(s), *id));
        for (segment, s) in live {
            match s.of {
                SegmentOf::Supervisor { .. } => self.end_watch(interaction, segment),
                SegmentOf::Flow { .. } => self.finish_flow(interaction, segment, why),
                SegmentOf::Queue { .. } | SegmentOf::Parked { .. } => {
                    self.emit(EventBody::SegmentEnded { interaction, segment, why });
                }
                SegmentOf::Agent { .. } | SegmentOf::Device { .. } | SegmentOf::Outside { .. }
                    if s.in_conversation() =>
                {
                    self.end_talk(interaction, segment, why);
                }
                SegmentOf::Agent { .. } if s.is_reaching() => {
                    self.drop_offer(interaction, segment, OfferEnd::Withdrawn);
                }
                SegmentOf::Device { .. } | SegmentOf::Outside { .. } => {
                    self.drop_device(interaction, segment, why, EndCause::Cancelled)
                }
                SegmentOf::Agent { .. } => {}
            }
        }
        if let Some((customer, _)) = self.state.customer(interaction) {
            self.hang_up(customer, EndCause::Hangup);
        }
    }

    pub(super) fn hang_up(&mut self, leg: LegId, cause: EndCause) {
        let Some(interaction) = self.state.legs.get(&leg).filter(|l| !l.hanging_up).map(|l| l.interaction) else {
            return;
        };
        self.emit(EventBody::LegHangUpSent { interaction, leg, cause });
        self.order(LegCommand::Hangup { leg, cause });
    }
}

/// The trunk could not carry the call: another may.
pub(super) fn trunk_failed(cause: EndCause) -> bool {
    matches!(cause, EndCause::Unreachable | EndCause::Limit | EndCause::SystemError)
}

/// `person`: who hung up if nothing failed.
fn why_ended(cause: EndCause, person: SegmentEnd) -> SegmentEnd {
    match cause {
        EndCause::MediaLost
        | EndCause::SignallingLost
        | EndCause::SessionExpired
        | EndCause::MediaIncompatible
        | EndCause::Unreachable => SegmentEnd::Lost,
        EndCause::SystemRestart => SegmentEnd::Restart,
        EndCause::SystemShutdown => SegmentEnd::Shutdown,
        EndCause::SystemError | EndCause::Limit => SegmentEnd::Error,
        EndCause::Hangup
        | EndCause::Cancelled
        | EndCause::Rejected
        | EndCause::Busy
        | EndCause::NoAnswer
        | EndCause::NotFound
        | EndCause::Elsewhere => person,
    }
}
