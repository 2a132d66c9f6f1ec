//! Carrying out commands, and the plan that follows from them: who is relayed to whom, who is mixed. Part of
//! [`Plane`]; called through [`Plane::handle`].

use super::Plane;
use super::leg::Leg;
use super::player::Player;
use super::types::*;
use crate::bridge::{Bridge, Matrix};
use crate::codec::FRAME;
use crate::dtmf;
use crate::jitter::JitterBuffer;
use crate::recorder::Recorder;
use std::time::Duration;

pub(super) const TICK: Duration = Duration::from_millis(20);
/// Recordings that may tap one leg: its own, and a supervisor's or two.
const TAPS_MAX: usize = 4;
/// The first tone of a recording comes when both sides have begun to listen; more often than the least nobody can talk.
const BEEP_FIRST: Duration = Duration::from_secs(1);
const BEEP_LEAST: Duration = Duration::from_secs(5);

impl Plane {
    /// Carries out a command.
    ///
    /// # Errors
    /// [`MediaError`] when it names something unknown, already taken or out of bounds; nothing was changed then.
    pub fn handle(&mut self, now: Duration, command: Command) -> Result<(), MediaError> {
        match command {
            Command::AddLeg(add) => self.add_leg(now, &add),
            Command::UpdateLeg(update) => self.update_leg(now, update),
            Command::RemoveLeg { leg } => self.remove_leg(leg),
            Command::SetBridge { bridge, matrix } => self.set_bridge(bridge, matrix),
            Command::RemoveBridge { bridge } => self.remove_bridge(bridge),
            Command::Mute { leg, muted } => {
                self.leg_mut(leg).ok_or(MediaError::UnknownLeg(leg))?.muted = muted;
                self.replan(leg);
                Ok(())
            }
            Command::Play(play) => self.play(now, play),
            Command::StopPlay { leg, play } => {
                let state = self.leg_mut(leg).ok_or(MediaError::UnknownLeg(leg))?;
                if let Some(player) = state.player.take_if(|player| player.play().play == play) {
                    self.event(player.end(PlayEnd::Stopped, false));
                    self.replan(leg);
                }
                Ok(())
            }
            Command::SendDtmf { leg, digits } => {
                let state = self.leg_mut(leg).ok_or(MediaError::UnknownLeg(leg))?;
                state.dtmf_out.push(&digits);
                self.replan(leg);
                Ok(())
            }
            Command::Digit { leg, digit } => {
                let slot = *self.slots.get(&leg).ok_or(MediaError::UnknownLeg(leg))?;
                if let Some(digit) = dtmf::event_of_digit(digit).and_then(dtmf::digit_of_event) {
                    self.signalled_digit(now, slot, digit);
                }
                Ok(())
            }
            Command::Record { recording, left, right, beep, from_ms } => {
                if self.recordings.contains_key(&recording) {
                    return Err(MediaError::DuplicateRecording(recording));
                }
                let recorder = Recorder::new(now, from_ms, left, &right);
                let legs: Vec<LegKey> = recorder.legs().collect();
                self.recordings.insert(recording, recorder);
                if let Some(every) = beep {
                    let every = every.max(BEEP_LEAST);
                    self.beeps.insert(recording, (now + BEEP_FIRST, every));
                }
                legs.into_iter().for_each(|leg| self.tap_leg(leg));
                self.next_tick.get_or_insert(now + TICK);
                Ok(())
            }
            Command::UpdateRecord { recording, left, right, pause } => {
                let recorder = self.recordings.get_mut(&recording).ok_or(MediaError::UnknownRecording(recording))?;
                let mut legs: Vec<LegKey> = recorder.legs().collect();
                recorder.set_legs(left, &right);
                legs.extend(recorder.legs());
                let frames = recorder.set_pause(now, pause);
                self.out.extend(frames.into_iter().map(|frame| Output::Record { recording, frame }));
                legs.into_iter().for_each(|leg| self.tap_leg(leg));
                Ok(())
            }
            Command::StopRecord { recording } => {
                let recorder = self.recordings.remove(&recording).ok_or(MediaError::UnknownRecording(recording))?;
                self.beeps.remove(&recording);
                let legs: Vec<LegKey> = recorder.legs().collect();
                let frames = recorder.stop(now);
                self.out.extend(frames.into_iter().map(|frame| Output::Record { recording, frame }));
                legs.into_iter().for_each(|leg| self.tap_leg(leg));
                self.rest_if_idle();
                Ok(())
            }
        }
    }

    fn add_leg(&mut self, now: Duration, add: &AddLeg) -> Result<(), MediaError> {
        if self.slots.contains_key(&add.leg) {
            return Err(MediaError::DuplicateLeg(add.leg));
        }
        if self.slots.len() >= self.config.legs_max {
            return Err(MediaError::Full);
        }
        let leg = Leg::new(now, add, self.config.rtcp_interval);
        let slot = match self.free.pop() {
            Some(free) => free,
            None => {
                self.legs.push(None);
                self.frames.push(([0; FRAME], false));
                self.legs.len() - 1
            }
        };
        self.legs[slot] = Some(leg);
        self.slots.insert(add.leg, slot);
        self.next_tick.get_or_insert(now + TICK);
        self.replan(add.leg);
        self.tap_leg(add.leg);
        Ok(())
    }

    fn update_leg(&mut self, now: Duration, update: UpdateLeg) -> Result<(), MediaError> {
        let leg = self.leg_mut(update.leg).ok_or(MediaError::UnknownLeg(update.leg))?;
        if let (Some(source), Some(remote)) = (&mut leg.source, update.remote) {
            source.signalled(now, remote);
        }
        if let Some(codec) = update.codec {
            leg.set_codec(codec);
        }
        if let Some(dtmf) = update.dtmf {
            leg.set_dtmf(dtmf);
        }
        if let Some(direction) = update.direction {
            if direction.receive && !leg.direction.receive {
                // The silence of a hold is not the peer's fault.
                leg.heard_at = now;
            }
            leg.direction = direction;
        }
        if let Some(image) = update.image {
            leg.set_image(now, image);
        }
        self.replan(update.leg);
        Ok(())
    }

    fn remove_leg(&mut self, key: LegKey) -> Result<(), MediaError> {
        let slot = self.slots.remove(&key).ok_or(MediaError::UnknownLeg(key))?;
        let leg = self.legs[slot].take();
        self.free.push(slot);
        if let Some(player) = leg.and_then(|leg| leg.player) {
            self.event(player.end(PlayEnd::Stopped, false));
        }
        let touched = self.leave_bridge(key);
        self.plan(touched);
        self.rest_if_idle();
        Ok(())
    }

    /// No legs and no recordings: no reason to wake up.
    fn rest_if_idle(&mut self) {
        if self.slots.is_empty() && self.recordings.is_empty() {
            self.next_tick = None;
        }
    }

    /// Takes a leg out of its bridge; answers whose plan this touches.
    fn leave_bridge(&mut self, leg: LegKey) -> Vec<LegKey> {
        let Some(key) = self.membership.remove(&leg) else { return Vec::new() };
        let Some(bridge) = self.bridges.get_mut(&key) else { return Vec::new() };
        let touched = bridge.legs().to_vec();
        bridge.remove(leg);
        if bridge.legs().is_empty() {
            self.bridges.remove(&key);
        }
        touched
    }

    fn set_bridge(&mut self, key: BridgeKey, matrix: Matrix) -> Result<(), MediaError> {
        let bridge = Bridge::new(matrix)?;
        // Every bridge holds at least one leg, so this bounds the bridges as well.
        if !self.bridges.contains_key(&key) && self.bridges.len() >= self.config.legs_max {
            return Err(MediaError::Full);
        }
        let members = bridge.legs().to_vec();
        let mut touched = members.clone();
        if let Some(before) = self.bridges.remove(&key) {
            touched.extend(before.legs());
            before.legs().iter().for_each(|leg| _ = self.membership.remove(leg));
        }
        for &leg in &members {
            touched.extend(self.leave_bridge(leg));
            self.membership.insert(leg, key);
            if let Some(leg) = self.leg_mut(leg) {
                leg.typed.clear();
            }
        }
        if !members.is_empty() {
            self.bridges.insert(key, bridge);
        }
        self.plan(touched);
        Ok(())
    }

    fn remove_bridge(&mut self, key: BridgeKey) -> Result<(), MediaError> {
        let bridge = self.bridges.remove(&key).ok_or(MediaError::UnknownBridge(key))?;
        bridge.legs().iter().for_each(|leg| _ = self.membership.remove(leg));
        self.plan(bridge.legs().to_vec());
        Ok(())
    }

    fn play(&mut self, now: Duration, play: Play) -> Result<(), MediaError> {
        let key = play.leg;
        let mut player = Player::new(play).map_err(MediaError::Play)?;
        let leg = self.leg_mut(key).ok_or(MediaError::UnknownLeg(key))?;
        let former = leg.player.take();
        let (interruptible, collect) = (player.play().interruptible, player.play().collect.clone());
        match collect {
            Some(collect) => {
                if collect.clear_buffered {
                    leg.typed.clear();
                }
                while let Some(&digit) = leg.typed.front() {
                    if !player.digit(now, digit) {
                        break;
                    }
                    leg.typed.pop_front();
                }
            }
            // Typed ahead of a greeting that may be interrupted: skip it, keep the digit for the menu that follows.
            None => {
                if let (true, Some(&digit)) = (interruptible, leg.typed.front()) {
                    player.digit(now, digit);
                }
            }
        }
        leg.player = Some(player);
        leg.stream.mark();
        if let Some(former) = former {
            self.event(former.end(PlayEnd::Stopped, false));
        }
        self.replan(key);
        if let Some(&slot) = self.slots.get(&key) {
            self.end_play_if_over(now, slot);
        }
        Ok(())
    }

    /// Which recordings tap this leg has changed.
    fn tap_leg(&mut self, key: LegKey) {
        let Some(leg) = self.slots.get(&key).and_then(|&slot| self.legs[slot].as_mut()) else { return };
        let taps = self.recordings.iter().filter(|(_, recorder)| recorder.legs().any(|leg| leg == key));
        let taps = taps.map(|(&recording, _)| recording).take(TAPS_MAX);
        let (had, has) = (!leg.taps.is_empty(), {
            leg.taps.clear();
            leg.taps.extend(taps);
            !leg.taps.is_empty()
        });
        // A codec with state must be decoded for its recordings.
        if had != has && leg.codec.codec.law().is_none() {
            self.replan(key);
        }
    }

    /// Something about this leg changed: plan anew for it and all who share its bridge.
    pub(super) fn replan(&mut self, leg: LegKey) {
        let bridge = self.membership.get(&leg).and_then(|key| self.bridges.get(key));
        self.plan(bridge.map_or_else(|| vec![leg], |bridge| bridge.legs().to_vec()));
    }

    /// Plans for these legs: first all of them as listeners, then as speakers, whose plan follows from their listeners'.
    fn plan(&mut self, mut legs: Vec<LegKey>) {
        legs.sort_unstable();
        legs.dedup();
        let slots: Vec<usize> = legs.iter().filter_map(|leg| self.slots.get(leg).copied()).collect();
        for leg in legs {
            if let Some(&slot) = self.slots.get(&leg) {
                self.plan_listener(slot, &self.row(leg));
            }
        }
        self.plan_speakers(&slots);
    }

    /// The slots of whom this leg hears by its bridge.
    fn row(&self, leg: LegKey) -> Vec<usize> {
        let bridge = self.membership.get(&leg).and_then(|key| self.bridges.get(key));
        let row = bridge.and_then(|bridge| bridge.rows().iter().find(|(listener, _)| *listener == leg));
        row.map_or_else(Vec::new, |(_, hears)| hears.iter().filter_map(|leg| self.slots.get(leg).copied()).collect())
    }

    /// How this listener's stream is made, given whom the matrix lets it hear.
    fn plan_listener(&mut self, slot: usize, hears: &[usize]) {
        let relayable = |from: usize, to: &Leg| {
            self.legs[from].as_ref().is_some_and(|speaker| {
                to.image.is_some()
                    || speaker.codec.codec == to.codec.codec && speaker.dtmf.is_some() == to.dtmf.is_some()
            })
        };
        let Some(leg) = self.legs[slot].as_ref() else { return };
        let is_heard =
            |other: &Leg| !other.muted && other.direction.receive && other.image.is_some() == leg.image.is_some();
        let audible: Vec<usize> =
            hears.iter().copied().filter(|&at| self.legs[at].as_ref().is_some_and(is_heard)).collect();
        let busy = leg.image.is_none() && leg.sounds();
        let (sending, relay_from, hears) = match audible[..] {
            _ if !leg.direction.send => (Sending::Off, None, Vec::new()),
            [from] if !busy && relayable(from, leg) => (Sending::Relay, Some(from), Vec::new()),
            _ if leg.image.is_some() => (Sending::Off, None, Vec::new()),
            _ if leg.player.is_some() => (Sending::Mix, None, Vec::new()),
            _ => (Sending::Mix, None, audible),
        };
        let Some(leg) = self.legs[slot].as_mut() else { return };
        if leg.sending != sending || leg.relay_from != relay_from {
            leg.stream.mark();
        }
        leg.sending = sending;
        leg.relay_from = relay_from;
        leg.hears = hears;
    }

    /// What these speakers' packets are needed for. All their listeners must be planned already and be among them: they
    /// share a bridge, and a plan is made for whole bridges.
    fn plan_speakers(&mut self, slots: &[usize]) {
        for &slot in slots {
            let listeners = || slots.iter().filter_map(|&at| Some((at, self.legs[at].as_ref()?)));
            let relay_to = listeners().filter(|(_, leg)| leg.relay_from == Some(slot)).map(|(at, _)| at).collect();
            let mixed = listeners().any(|(_, leg)| leg.hears.contains(&slot));
            let Some(leg) = self.legs[slot].as_mut() else { continue };
            leg.relay_to = relay_to;
            if leg.image.is_some() {
                leg.drop_jitter();
                leg.tones = None;
                continue;
            }
            // A press goes on to its end, or it would count once more when somebody listens again.
            let pressed = leg.tones.as_ref().is_some_and(|tones| tones.is_pressed());
            let listens = pressed || leg.listens(self.membership.contains_key(&leg.key));
            match &leg.tones {
                None if listens => leg.tones = Some(Box::default()),
                Some(_) if !listens => leg.tones = None,
                _ => {}
            }
            let codec = leg.codec.codec;
            if !mixed && !listens && (leg.taps.is_empty() || codec.law().is_some()) {
                leg.drop_jitter();
            } else if leg.jitter.is_none() {
                leg.jitter = Some(Box::new(JitterBuffer::new(codec)));
            }
        }
    }
}
