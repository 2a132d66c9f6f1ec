//! What legs hear: media legs beginning and changing, bridges, plays, digits, mute. Recordings are in `recording`.
use domain::id::{BridgeId, LegId};
use domain::leg::{ClipRef, Collect, Hears, LegCommand, LegEvent, PlayEnd};
use media::{BridgeKey, Clip, LegKey, PlayKey};
use sip::sdp::Keys;

use crate::checkpoint::Kept;
use crate::io::{Output, SrtpNumbers};
use crate::leg::{DEFERRED_MAX, Leg};
use crate::negotiate::{Remote, floor_codec};
use crate::switch::Switch;
use crate::timers::Timer;

/// As many as a media plane takes.
const BRIDGE_LEGS_MAX: usize = media::bridge::LEGS_MAX;
/// A spoken amount or date needs a dozen; the plane takes 64.
const CLIPS_MAX: usize = 64;
const COLLECT_MAX: u8 = 32;
const TERMINATORS_MAX: usize = 16;
const DIGITS_MAX: usize = 64;

/// A bridge lives as long as a living leg is in it.
#[derive(Debug)]
pub(crate) struct Bridge {
    key: BridgeKey,
    rows: Vec<Hears>,
}

impl Bridge {
    /// The one that this leg hears and that hears it, nobody else being heard by either.
    pub(crate) fn partner(&self, leg: LegId) -> Option<LegId> {
        let hears = |leg: LegId| self.rows.iter().find(|row| row.leg == leg).map(|row| &row.hears[..]);
        let &[other] = hears(leg)? else { return None };
        (other != leg && hears(other) == Some(&[leg])).then_some(other)
    }

    fn members(&self) -> Vec<LegId> {
        let mut members: Vec<LegId> =
            self.rows.iter().flat_map(|row| std::iter::once(row.leg).chain(row.hears.iter().copied())).collect();
        members.sort_unstable();
        members.dedup();
        members
    }
}

pub(crate) fn floor_quality(q: &media::quality::Quality) -> domain::leg::Quality {
    domain::leg::Quality {
        mos: q.mos,
        lost_in: q.lost_in,
        lost_out: q.lost_out,
        jitter_ms: q.jitter_ms,
        round_trip_ms: q.round_trip_ms,
    }
}

impl Switch {
    /// The peer has answered and its session is known: its media leg begins, unless there was early media, and the floor
    /// hears `Answered`.
    pub(crate) fn start_media(&mut self, leg: LegId, remote: &Remote) {
        match self.legs.get(&leg).and_then(Leg::media_key) {
            Some(_) => self.update_media(leg, remote),
            None => self.begin_media(leg, remote),
        }
        let Some(state) = self.legs.get_mut(&leg).filter(|l| l.media_key().is_some()) else { return };
        state.peer_held = remote.held;
        self.tell(LegEvent::Answered { leg, codec: floor_codec(remote.codec.codec) });
        if remote.held {
            self.tell(LegEvent::PeerHeld { leg, held: true });
            self.timers.set(Timer::Probe(leg), self.now + self.config.silence);
        }
        self.sound_ready(leg);
        self.review_silence(leg);
    }

    /// Adds the leg to its plane.
    pub(crate) fn begin_media(&mut self, leg: LegId, remote: &Remote) {
        let seed = self.draw();
        let now = self.now;
        let Some(state) = self.legs.get_mut(&leg) else { return };
        let Some(media) = state.media.as_mut() else { return };
        (media.added, media.seed, media.numbers_at) = (true, seed, now);
        media.agreed(remote);
        let (key, by_web) = (media.key, state.web.is_some());
        if let Some(session) = state.session_mut() {
            session.speaks(remote.codec.codec);
        }
        self.protect(leg, remote.keys);
        let mut add = remote.leg(key, seed);
        if by_web {
            add.transport = media::Transport::WebRtc;
        }
        self.media(media::Command::AddLeg(add));
    }

    /// A later session of the peer: address, codec or direction may differ.
    pub(crate) fn update_media(&mut self, leg: LegId, remote: &Remote) {
        let Some(state) = self.legs.get_mut(&leg) else { return };
        let Some(media) = state.media.as_mut().filter(|m| m.added) else { return };
        media.agreed(remote);
        let key = media.key;
        if let Some(session) = state.session_mut() {
            session.speaks(remote.codec.codec);
        }
        self.protect(leg, remote.keys);
        let mut update = media::UpdateLeg::new(key);
        update.remote = remote.address;
        update.codec = Some(remote.codec);
        update.dtmf = Some(remote.dtmf);
        update.direction = Some(remote.direction);
        update.image = Some(remote.image);
        self.media(media::Command::UpdateLeg(update));
    }

    /// Before the packets that are protected so.
    fn protect(&mut self, leg: LegId, keys: Option<Keys>) {
        let Some(media) = self.legs.get_mut(&leg).and_then(|l| l.media.as_mut()) else { return };
        if std::mem::replace(&mut media.keys, keys) != keys {
            let media = media.key;
            self.emit(Output::Protect { media, keys: keys.map(Box::new), resume: None });
        }
    }

    /// The media leg stands: what was wished before takes place now.
    pub(crate) fn sound_ready(&mut self, leg: LegId) {
        let Some(state) = self.legs.get_mut(&leg) else { return };
        let deferred = std::mem::take(&mut state.deferred);
        let bridge = state.bridge;
        if let Some(bridge) = bridge {
            self.show_bridge(bridge);
        }
        for command in deferred {
            self.sound_command(leg, command);
        }
        self.recordings_of_ready(leg);
    }

    /// Play, stop, mute or digits for one leg; kept until the leg is up.
    pub(crate) fn sound_command(&mut self, leg: LegId, command: LegCommand) {
        let Some(state) = self.legs.get_mut(&leg).filter(|l| !l.is_ending()) else { return };
        // Orders that come before the first directory has brought the prompts are about legs of a former process.
        let Some(key) = state.media_key().filter(|_| self.directory_known) else {
            if state.deferred.len() < DEFERRED_MAX {
                state.deferred.push(command);
            } else if let LegCommand::Play { play, .. } = command {
                self.tell(LegEvent::PlayEnded { leg, play, why: PlayEnd::Stopped, digits: String::new() });
            }
            return;
        };
        match command {
            LegCommand::Play { play, ref clips, looped, interruptible, ref collect, .. } => {
                // Ordered again after a restart, in case the order was lost.
                if state.play.is_some_and(|(id, _)| id == play) {
                    return;
                }
                let former = state.play.take();
                if let Some((former, _)) = former {
                    self.forget(Kept::Play(former));
                    self.tell(LegEvent::PlayEnded { leg, play: former, why: PlayEnd::Stopped, digits: String::new() });
                }
                let found = self.clips(clips);
                if found.is_empty() && (!clips.is_empty() || collect.is_none()) {
                    if let Some((_, former)) = former {
                        self.media(media::Command::StopPlay { leg: key, play: former });
                    }
                    let why = if clips.is_empty() { PlayEnd::Finished } else { PlayEnd::Missing };
                    self.forget(Kept::Play(play));
                    return self.tell(LegEvent::PlayEnded { leg, play, why, digits: String::new() });
                }
                let play_key = PlayKey(self.next_number());
                if let Some(state) = self.legs.get_mut(&leg) {
                    state.play = Some((play, play_key));
                }
                let mut wish = media::Play::new(key, play_key, found);
                wish.looped = looped;
                wish.interruptible = interruptible;
                wish.collect = collect.clone().map(collect_of);
                self.media(media::Command::Play(wish));
                self.keep_order(command);
            }
            LegCommand::StopPlay { .. } => {
                if let Some((_, play)) = state.play {
                    self.media(media::Command::StopPlay { leg: key, play });
                }
            }
            LegCommand::Mute { muted, .. } => {
                state.muted = muted;
                self.media(media::Command::Mute { leg: key, muted });
                self.checkpoint(leg);
            }
            LegCommand::SendDigits { digits, .. } => {
                let digits = digits.chars().take(DIGITS_MAX).collect();
                self.media(media::Command::SendDtmf { leg: key, digits });
            }
            LegCommand::Ring { .. }
            | LegCommand::Answer { .. }
            | LegCommand::EarlyMedia { .. }
            | LegCommand::Reject { .. }
            | LegCommand::Originate { .. }
            | LegCommand::Hangup { .. }
            | LegCommand::Bridge { .. }
            | LegCommand::RefuseTransfer { .. }
            | LegCommand::Record { .. }
            | LegCommand::PauseRecording { .. }
            | LegCommand::StopRecording { .. } => debug_assert!(false, "not a sound command"),
        }
    }

    /// The sounds the directory has; a missing one is left out.
    fn clips(&self, refs: &[ClipRef]) -> Vec<Clip> {
        let found = refs.iter().take(CLIPS_MAX).filter_map(|r| {
            let samples = self.directory.clips.get(r);
            if samples.is_none() {
                tracing::warn!(prompt = %r.prompt, lang = r.lang.as_str(), "prompt has no sound");
            }
            samples.cloned()
        });
        found.map(Clip::new).collect()
    }

    /// Replaces a bridge's matrix. Legs found in another bridge leave that one.
    pub(crate) fn set_bridge(&mut self, bridge: BridgeId, mut rows: Vec<Hears>) {
        rows.truncate(BRIDGE_LEGS_MAX);
        // Nobody hears another tenant's calls, whatever the command says (R6).
        let tenant = rows.iter().find_map(|row| self.legs.get(&row.leg)).map(|l| l.tenant);
        let may_join = |leg: LegId| self.legs.get(&leg).is_some_and(|l| !l.is_ending() && Some(l.tenant) == tenant);
        let mut seen: Vec<LegId> = Vec::new();
        rows.retain(|row| {
            let keep = may_join(row.leg) && !seen.contains(&row.leg);
            seen.push(row.leg);
            keep
        });
        for row in &mut rows {
            row.hears.truncate(BRIDGE_LEGS_MAX);
            row.hears.retain(|leg| may_join(*leg));
        }
        let key = match self.bridges.remove(&bridge) {
            Some(old) => {
                for leg in old.members() {
                    if let Some(state) = self.legs.get_mut(&leg) {
                        state.bridge = None;
                    }
                }
                old.key
            }
            None if rows.is_empty() => return,
            None => BridgeKey(self.next_number()),
        };
        if rows.is_empty() {
            self.forget(Kept::Bridge(bridge));
            return self.media(media::Command::RemoveBridge { bridge: key });
        }
        let fresh = Bridge { key, rows };
        for leg in fresh.members() {
            let other = self.legs.get_mut(&leg).and_then(|l| l.bridge.replace(bridge));
            if let Some(other) = other.filter(|o| *o != bridge) {
                self.leave_bridge(other, leg);
            }
        }
        self.bridges.insert(bridge, fresh);
        self.show_bridge(bridge);
    }

    /// Takes a leg out of a bridge, as listener and as heard; an empty bridge goes.
    pub(crate) fn leave_bridge(&mut self, bridge: BridgeId, leg: LegId) {
        let Some(state) = self.bridges.get_mut(&bridge) else { return };
        state.rows.retain(|row| row.leg != leg);
        for row in &mut state.rows {
            row.hears.retain(|heard| *heard != leg);
        }
        if state.rows.is_empty() {
            let key = state.key;
            self.bridges.remove(&bridge);
            self.forget(Kept::Bridge(bridge));
            for state in self.legs.values_mut().filter(|l| l.bridge == Some(bridge)) {
                state.bridge = None;
            }
            self.media(media::Command::RemoveBridge { bridge: key });
        } else {
            self.show_bridge(bridge);
        }
        self.consider_aligning(leg);
    }

    /// Tells the plane the matrix of those legs that have media.
    fn show_bridge(&mut self, bridge: BridgeId) {
        let Some(state) = self.bridges.get(&bridge) else { return };
        let media_of = |leg: &LegId| self.legs.get(leg).and_then(Leg::media_key);
        let matrix: media::bridge::Matrix = state
            .rows
            .iter()
            .filter_map(|row| Some((media_of(&row.leg)?, row.hears.iter().filter_map(media_of).collect())))
            .collect();
        if !matrix.is_empty() {
            let (key, legs) = (state.key, state.rows.clone());
            let members: Vec<LegId> = legs.iter().map(|row| row.leg).collect();
            self.media(media::Command::SetBridge { bridge: key, matrix });
            self.keep_order(LegCommand::Bridge { bridge, legs });
            members.into_iter().for_each(|leg| self.consider_aligning(leg));
        }
    }

    /// A digit that came outside RTP: INFO, or a guest's keypad by socket.
    pub(crate) fn digit_by_signalling(&mut self, leg: LegId, digit: char) {
        let digit = digit.to_ascii_uppercase();
        if !"0123456789*#ABCD".contains(digit) {
            return;
        }
        if let Some(state) = self.legs.get(&leg).filter(|l| l.is_up()) {
            match state.media_key() {
                // The plane decides what the digit does to a prompt, and reports it like any other.
                Some(key) => self.media(media::Command::Digit { leg: key, digit }),
                None => self.tell(LegEvent::Digit { leg, digit }),
            }
        }
    }

    fn leg_of_media(&self, key: LegKey) -> Option<LegId> {
        let leg = *self.by_media.get(&key)?;
        self.legs.get(&leg).filter(|l| !l.is_ending()).map(|l| l.id)
    }

    pub(crate) fn on_media(&mut self, event: media::Event) {
        match event {
            media::Event::Digit { leg, digit, .. } => {
                if let Some(leg) = self.leg_of_media(leg) {
                    self.tell(LegEvent::Digit { leg, digit });
                }
            }
            media::Event::PlayEnded { leg, play, why, digits, timed_out, .. } => {
                let Some(leg) = self.leg_of_media(leg) else { return };
                let Some(state) = self.legs.get_mut(&leg) else { return };
                // The end of a replaced play has been told already.
                let Some((id, _)) = state.play.take_if(|(_, key)| *key == play) else { return };
                let why = match why {
                    media::PlayEnd::Stopped => PlayEnd::Stopped,
                    media::PlayEnd::Finished | media::PlayEnd::Interrupted if timed_out => PlayEnd::TimedOut,
                    media::PlayEnd::Finished => PlayEnd::Finished,
                    media::PlayEnd::Interrupted => PlayEnd::Interrupted,
                };
                self.forget(Kept::Play(id));
                self.tell(LegEvent::PlayEnded { leg, play: id, why, digits });
            }
            media::Event::Numbers { leg, numbers } => {
                let Some(leg) = self.leg_of_media(leg) else { return };
                let now = self.now;
                if let Some(media) = self.legs.get_mut(&leg).and_then(|l| l.media.as_mut()) {
                    (media.numbers, media.numbers_at) = (Some(numbers), now);
                }
                if self.legs.get(&leg).is_some_and(Leg::is_up) {
                    self.checkpoint(leg);
                }
            }
            media::Event::MediaSilent { leg, .. } => self.rtp_silence(leg, true),
            media::Event::MediaStarted { leg } => {
                self.rtp_silence(leg, false);
                if let Some(leg) = self.leg_of_media(leg) {
                    self.early_sound(leg);
                }
            }
            media::Event::MediaResumed { leg } => self.rtp_silence(leg, false),
            media::Event::DtmfSent { .. } => {}
            media::Event::Quality { leg, quality } => {
                let living = |leg: &&LegId| self.legs.get(leg).is_some_and(|l| !l.is_ending());
                if let Some(&leg) = self.by_media.get(&leg).filter(living) {
                    self.tell(LegEvent::Quality { leg, quality: floor_quality(&quality) });
                }
            }
        }
    }

    pub(crate) fn on_srtp_numbers(&mut self, key: LegKey, numbers: SrtpNumbers) {
        let Some(leg) = self.leg_of_media(key) else { return };
        if let Some(media) = self.legs.get_mut(&leg).and_then(|l| l.media.as_mut()) {
            media.srtp = Some(numbers);
        }
    }

    fn rtp_silence(&mut self, key: LegKey, silent: bool) {
        let Some(leg) = self.leg_of_media(key) else { return };
        if let Some(state) = self.legs.get_mut(&leg) {
            state.rtp_silent = silent;
        }
        self.review_silence(leg);
    }
}

fn collect_of(collect: Collect) -> media::Collect {
    media::Collect {
        max_digits: collect.max_digits.clamp(1, COLLECT_MAX),
        terminators: collect.terminators.chars().filter(char::is_ascii).take(TERMINATORS_MAX).collect(),
        first_timeout: collect.first_timeout,
        inter_digit_timeout: collect.inter_digit_timeout,
        // Callers who know the menu type ahead.
        clear_buffered: false,
    }
}
