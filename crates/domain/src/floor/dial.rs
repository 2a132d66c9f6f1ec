//! Calls to the outside: the agent's own device first, then the callee by one trunk after the other.
use std::time::Duration;

use super::Floor;
use super::apply::{DIALLED_FOR_MS, TRUNK_CALLS_FOR_MS};
use super::calls::{RING, trunk_failed};
use super::state::{Interaction, Leg};
use super::timers::CONNECT_TIMEOUT;
use crate::event::{
    DestinationClass, Direction, EventBody, LegPlace, LegRole, SegmentEnd, SegmentOf, SegmentStart, SegmentState,
};
use crate::id::{AddressId, AgentId, DeviceId, InteractionId, LegId, NumberId, PlayId, SegmentId, TrunkId};
use crate::input::{RejectCode, Rejected};
use crate::leg::{CallerId, Dial, EndCause, LegCommand, RINGBACK, Via};
use crate::mailbox::CallBack;
use crate::medium::Medium;
use crate::outbound::{CallClass, RouteTrunk, in_order};
use crate::routing::has_room;

/// The agent's own phone rings that long.
const OWN_RING: Duration = Duration::from_secs(20);

/// Whom to call outside: his address, its class, the ways out, the number shown.
pub(super) type Outside<'a> = (AddressId, CallClass, &'a [RouteTrunk], Option<NumberId>);

impl Floor {
    pub(super) fn dial(
        &mut self,
        agent: AgentId,
        (to, class, trunks, caller): Outside<'_>,
        back: Option<CallBack>,
    ) -> Result<InteractionId, Rejected> {
        self.signed_in(agent)?;
        let seat = self.state.agents.get(&agent).and_then(|a| a.seat.as_ref());
        let device = seat.map(|s| s.device).ok_or(RejectCode::AgentNotSignedIn)?;
        self.may_begin(agent, device, class == CallClass::Emergency)?;
        let number = caller.or(self.config.outbound.caller);
        self.may_dial_by(Some(agent), class, trunks, number)?;
        let interaction = self.begin_dial((to, class, trunks, number), back);
        let ring = if self.rings_itself(device) { OWN_RING } else { CONNECT_TIMEOUT };
        let of = SegmentOf::Agent { agent, queue: None, arrived: self.now };
        let segment = self.begin_calling(interaction, of, SegmentState::Connecting, Some(self.now + ring));
        self.originate(interaction, segment, LegRole::Agent, device, ring);
        Ok(interaction)
    }

    /// He has room for a call of his own by this device. Nobody finishes a chat before he calls an ambulance.
    pub(super) fn may_begin(&self, agent: AgentId, device: DeviceId, emergency: bool) -> Result<(), Rejected> {
        let Some(a) = self.state.agents.get(&agent) else { return Err(RejectCode::AgentUnknown.into()) };
        let capacity = self.config.agents.get(&agent).map(|c| c.capacity).unwrap_or_default();
        let load = self.state.load(a);
        let room = has_room(Medium::Voice, &load, &capacity) || (emergency && load.voice == 0);
        if a.leaving.is_some() || !room {
            return Err(RejectCode::AgentBusy.into());
        }
        if self.state.device_ready(device, &self.config) { Ok(()) } else { Err(RejectCode::DeviceNotReady.into()) }
    }

    pub(super) fn begin_dial(
        &mut self,
        (to, class, trunks, number): Outside<'_>,
        back: Option<CallBack>,
    ) -> InteractionId {
        let lang = number.and_then(|n| self.config.numbers.get(&n)).map_or(self.config.lang, |n| n.lang);
        let interaction = InteractionId(self.mint.next_bits());
        self.emit(EventBody::InteractionStarted {
            interaction,
            medium: Medium::Voice,
            direction: Direction::Outbound,
            number,
            from: Some(to),
            lang,
            priority: 0,
        });
        let trunks = self.ways_out(class, trunks, interaction.0);
        self.emit(EventBody::DialPlanned { interaction, class, trunks });
        if let Some(CallBack { of, message }) = back {
            self.emit(EventBody::CallBackStarted { interaction, of, message });
        }
        interaction
    }

    fn carries(&self, trunk: TrunkId) -> bool {
        self.config.trunks.get(&trunk).is_some_and(|t| t.active && t.host.is_some())
    }

    /// Somebody outside may be called by at least one of these trunks, and shown this number.
    pub(super) fn may_dial_by(
        &self,
        agent: Option<AgentId>,
        class: CallClass,
        trunks: &[RouteTrunk],
        caller: Option<NumberId>,
    ) -> Result<(), Rejected> {
        if caller.is_some_and(|n| !self.config.numbers.contains_key(&n)) {
            return Err(RejectCode::NumberUnknown.into());
        }
        if !trunks.iter().any(|t| self.carries(t.trunk)) {
            return Err(RejectCode::RouteMissing.into());
        }
        if class == CallClass::Emergency {
            return Ok(());
        }
        self.may_dial(class)?;
        self.may_spend(agent)?;
        let is_down = |t: &RouteTrunk| self.state.trunks_down.contains(&t.trunk);
        let mut usable = trunks.iter().filter(|t| self.carries(t.trunk));
        if usable.all(is_down) { Err(RejectCode::RouteDown.into()) } else { Ok(()) }
    }

    /// The order of trying for one call. `draw`: an id; those are counted, so that it is another with each call and the same
    /// at each run.
    fn ways_out(&self, class: CallClass, trunks: &[RouteTrunk], draw: u128) -> Vec<TrunkId> {
        let usable: Vec<RouteTrunk> = trunks.iter().filter(|t| self.carries(t.trunk)).copied().collect();
        let mut order = in_order(&usable, draw as u64 ^ (draw >> 64) as u64);
        if class == CallClass::Emergency {
            // Those that did not answer of late are the last hope, not none.
            order.sort_by_key(|t| self.state.trunks_down.contains(t));
        }
        order
    }

    pub(super) fn trunk_changed(&mut self, trunk: TrunkId, up: bool) -> Result<(), Rejected> {
        if !self.config.trunks.contains_key(&trunk) {
            return Err(RejectCode::TrunkUnknown.into());
        }
        if self.state.trunks_down.contains(&trunk) == up {
            self.emit(EventBody::TrunkChanged { trunk, up });
        }
        Ok(())
    }

    /// Of trunks that are gone nobody tells again that they are up.
    pub(super) fn trunks_after_publish(&mut self) {
        let gone = |trunk: &&TrunkId| !self.config.trunks.contains_key(trunk);
        let gone: Vec<TrunkId> = self.state.trunks_down.iter().filter(gone).copied().collect();
        gone.into_iter().for_each(|trunk| self.emit(EventBody::TrunkChanged { trunk, up: true }));
    }

    /// The rules against toll fraud.
    fn may_dial(&self, class: CallClass) -> Result<(), Rejected> {
        let rules = &self.config.outbound;
        if !rules.allowed.contains(&class) {
            return Err(RejectCode::NumberForbidden.into());
        }
        let outside =
            |i: &Interaction| i.segments.values().filter(|s| matches!(s.of, SegmentOf::Outside { .. })).count();
        let own = |i: &Interaction| usize::from(i.dial.is_some() && !i.segments.is_empty());
        let up: usize = self.state.interactions.values().map(|i| own(i) + outside(i)).sum();
        let lately = self.state.dialled.iter().filter(|t| self.now - **t < DIALLED_FOR_MS).count();
        let full = self.derived.calls >= self.config.entitlements.concurrent_calls as usize;
        if full || up >= rules.concurrent as usize || lately >= rules.per_minute as usize {
            return Err(RejectCode::LimitOutbound.into());
        }
        Ok(())
    }

    /// The agent is on the line, or the trunk before could not carry the call: by the next trunk with room. False if
    /// there is none.
    pub(super) fn dial_next(&mut self, interaction: InteractionId) -> bool {
        let Some(i) = self.state.interactions.get(&interaction) else { return false };
        let Some(dial) = &i.dial else { return false };
        let Some(address) = i.from else { return false };
        let Some(trunk) = self.trunk_with_room(dial.class, &dial.left) else { return false };
        let again = i.customer.is_some();
        let user = i.number.and_then(|n| self.config.numbers.get(&n)).map(|n| n.number.clone());
        if let Some((segment, own)) = self.dialling(interaction) {
            if let (Some(leg), true) = (own.filter(|leg| !self.waits(*leg)), again) {
                self.order(LegCommand::StopPlay { leg });
            }
            // The ring of a leg ends it sooner, unless the switch falls silent.
            let (state, until) = (SegmentState::Connecting, Some(self.now + RING + CONNECT_TIMEOUT));
            self.emit(EventBody::SegmentStateChanged { interaction, segment, state, until, ended: None });
        }
        let shown = CallerId { user, ..CallerId::default() };
        self.originate_by(interaction, None, LegRole::Customer, trunk, address, shown);
        true
    }

    /// Somebody outside is asked about the customer, or sent to him.
    pub(super) fn ask_outside(
        &mut self,
        interaction: InteractionId,
        (address, class, trunks, caller): Outside<'_>,
        why: SegmentStart,
        by: SegmentId,
    ) {
        let segment = SegmentId(self.mint.next_bits());
        let of = SegmentOf::Outside { address, class, trunks: self.ways_out(class, trunks, segment.0), caller };
        let (state, until) = (SegmentState::Connecting, Some(self.now + RING + CONNECT_TIMEOUT));
        self.emit(EventBody::SegmentStarted { interaction, segment, of, why, state, until, by: Some(by) });
        if !self.call_outside(interaction, segment) {
            self.device_failed(interaction, segment, SegmentEnd::Unreachable, EndCause::Unreachable);
        }
    }

    /// By the next trunk with room; false if there is none.
    pub(super) fn call_outside(&mut self, interaction: InteractionId, segment: SegmentId) -> bool {
        let Some(s) = self.state.segment(interaction, segment) else { return false };
        let SegmentOf::Outside { address, class, trunks, caller } = &s.of else { return false };
        let (address, again) = (*address, s.leg.is_some());
        let Some(i) = self.state.interactions.get(&interaction) else { return false };
        let shown = caller.or(self.config.outbound.caller).or(i.number);
        let Some(trunk) = self.trunk_with_room(*class, trunks) else { return false };
        let number_of = |n: Option<NumberId>| n.and_then(|n| self.config.numbers.get(&n)).map(|n| n.number.clone());
        let user = number_of(shown);
        let sent_on = s.why == SegmentStart::Transfer && i.direction == Direction::Inbound;
        let diverted = number_of(i.number.filter(|_| sent_on));
        if again {
            let (state, until) = (SegmentState::Connecting, Some(self.now + RING + CONNECT_TIMEOUT));
            self.emit(EventBody::SegmentStateChanged { interaction, segment, state, until, ended: None });
        }
        let shown = CallerId { user, name: None, diverted };
        self.originate_by(interaction, Some(segment), LegRole::Outside, trunk, address, shown);
        true
    }

    fn trunk_with_room(&self, class: CallClass, trunks: &[TrunkId]) -> Option<TrunkId> {
        let has_room = |trunk: &TrunkId| {
            let Some(rule) = self.config.trunks.get(trunk).filter(|_| self.carries(*trunk)) else { return false };
            if class == CallClass::Emergency {
                return true;
            }
            let up = || self.state.legs.values().filter(|l| l.trunk == Some(*trunk)).count();
            let begun = self.state.trunk_calls.get(trunk);
            let lately = || begun.into_iter().flatten().filter(|t| self.now - **t < TRUNK_CALLS_FOR_MS).count();
            !self.state.trunks_down.contains(trunk)
                && rule.calls_max.is_none_or(|most| up() < most as usize)
                && rule.calls_per_second.is_none_or(|most| lately() < most as usize)
        };
        trunks.iter().copied().find(has_room)
    }

    /// `shown`: unless the trunk takes one number alone.
    fn originate_by(
        &mut self,
        interaction: InteractionId,
        segment: Option<SegmentId>,
        role: LegRole,
        trunk: TrunkId,
        address: AddressId,
        shown: CallerId,
    ) {
        let leg = LegId(self.mint.next_bits());
        let fixed = self.config.trunks.get(&trunk).and_then(|t| self.config.numbers.get(&t.caller?));
        let user = fixed.map(|n| n.number.clone()).or(shown.user);
        self.emit(EventBody::LegStarted {
            interaction,
            leg,
            segment,
            direction: Direction::Outbound,
            role,
            via: Some(Via::Trunk { trunk }),
            device: None,
            destination: DestinationClass::Trunk,
            place: LegPlace::Main,
        });
        self.order(LegCommand::Originate {
            leg,
            tenant: self.config.tenant,
            interaction: Some(interaction),
            to: Dial::Trunk { trunk, address, number: String::new() },
            from: CallerId { user, ..shown },
            ring_timeout: RING,
            beside: self.leg_beside(interaction, leg),
        });
    }

    /// It rings there: the agent who calls out or asks hears so, until the conversation or its end takes it away again.
    pub(super) fn play_ringback(&mut self, interaction: InteractionId, ringing: &Leg) {
        let lang = self.state.interactions.get(&interaction).map_or(self.config.lang, |i| i.lang);
        let ear = match ringing.role {
            LegRole::Customer => self.dialling(interaction).and_then(|(_, leg)| leg),
            _ => ringing.segment.filter(|_| !ringing.rang).and_then(|asked| self.asking(interaction, asked)),
        };
        if let Some(leg) = ear.filter(|leg| self.waits(*leg)) {
            self.order(LegCommand::Ring { leg });
        } else if let Some(leg) = ear {
            let play = PlayId(self.mint.next_bits());
            self.order_play(leg, play, &[RINGBACK], lang, true);
        }
    }

    /// The callee's network speaks: the agent hears that in place of our tone.
    pub(super) fn hear_early_media(&mut self, interaction: InteractionId, early: &Leg) {
        let (segment, ear) = match (early.segment, self.dialling(interaction)) {
            (Some(asked), _) => {
                self.stop_ringback(interaction, asked);
                (asked, self.asking(interaction, asked))
            }
            (None, Some((segment, own))) => (segment, own),
            (None, None) => return,
        };
        if let Some(leg) = ear {
            if self.waits(leg) {
                self.let_phone_hear(interaction, leg);
            } else if early.segment.is_none() {
                self.order(LegCommand::StopPlay { leg });
            }
        }
        self.settle_sound(interaction, segment);
    }

    /// Whoever asks hears no more that it rings at the party he asks.
    pub(super) fn stop_ringback(&mut self, interaction: InteractionId, asked: SegmentId) {
        let leg = self.state.segment(interaction, asked).and_then(|s| s.leg);
        if leg.and_then(|l| self.state.legs.get(&l)).is_some_and(|l| l.rang)
            && let Some(leg) = self.asking(interaction, asked).filter(|leg| !self.waits(*leg))
        {
            self.order(LegCommand::StopPlay { leg });
        }
    }

    /// The leg of the agent who asks this party and waits for it.
    fn asking(&self, interaction: InteractionId, asked: SegmentId) -> Option<LegId> {
        let by = self.state.segment(interaction, asked)?.consulted_by()?;
        self.state.segment(interaction, by).filter(|s| s.state == SegmentState::Consulting)?.aside()
    }

    /// The callee's leg ended before he answered. A trunk that could not carry it gives way to the next; else it is over.
    pub(super) fn callee_lost(&mut self, interaction: InteractionId, cause: EndCause) {
        if trunk_failed(cause) && self.dial_next(interaction) {
            return;
        }
        let why = match cause {
            EndCause::NoAnswer | EndCause::Cancelled => SegmentEnd::Missed,
            EndCause::Busy | EndCause::Rejected | EndCause::Hangup => SegmentEnd::Declined,
            _ => SegmentEnd::Unreachable,
        };
        self.dial_over(interaction, why, cause);
    }

    /// Nobody was reached: both legs go, and there is nothing to wrap up. A phone that called is told `cause`.
    pub(super) fn dial_over(&mut self, interaction: InteractionId, why: SegmentEnd, cause: EndCause) {
        let Some((segment, leg)) = self.dialling(interaction) else { return };
        if let Some(leg) = leg {
            let cause = if self.waits(leg) { cause } else { EndCause::Hangup };
            self.hang_up(leg, cause);
        }
        if let Some((customer, _)) = self.state.customer(interaction) {
            self.hang_up(customer, EndCause::Cancelled);
        }
        self.emit(EventBody::SegmentEnded { interaction, segment, why });
    }

    /// The segment of an agent who calls out and has not got through yet, with his leg.
    pub(super) fn dialling(&self, interaction: InteractionId) -> Option<(SegmentId, Option<LegId>)> {
        let i = self.state.interactions.get(&interaction)?;
        let found = i.segments.iter().find(|(_, s)| s.why == SegmentStart::Dial && s.is_reaching());
        found.map(|(id, s)| (*id, s.leg))
    }
}
