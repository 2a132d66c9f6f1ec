//! One play on one leg: clips in order, and digits collected during and after them. Owned by the leg; told of each
//! digit and each tick.
//!
//! States: `prompt → collecting → ended`. Without collection the play ends with the prompt; with it, digits typed
//! during an interruptible prompt cut it and count at once, digits typed during another prompt count when it is over.

use super::types::{Event, Play, PlayEnd};
use crate::codec::FRAME;
use std::time::Duration;

/// Longest collection; matches the type-ahead buffer.
pub(super) const DIGITS_MAX: usize = 32;
/// Prompts after one another in one play: a spoken amount or date needs a dozen.
const CLIPS_MAX: usize = 64;

#[derive(Debug)]
pub(super) struct Player {
    play: Play,
    gain: Option<f32>,
    clip: usize,
    at: usize,
    /// When the prompt was over (heard to its end or cut).
    prompt_over: Option<Duration>,
    cut: bool,
    digits: String,
    terminator: Option<char>,
    /// Collection has what it wanted.
    complete: bool,
    last_digit: Option<Duration>,
}

impl Player {
    /// Checks a play.
    pub(super) fn new(play: Play) -> Result<Self, &'static str> {
        if play.clips.len() > CLIPS_MAX {
            return Err("too many clips");
        }
        if !play.gain_db.is_finite() || play.gain_db.abs() > 60.0 {
            return Err("gain is out of range");
        }
        if play.collect.as_ref().is_some_and(|collect| {
            !(1..=DIGITS_MAX).contains(&usize::from(collect.max_digits)) || collect.terminators.len() > 16
        }) {
            return Err("digits to collect must be 1 to 32");
        }
        let gain = (play.gain_db != 0.0).then(|| 10f32.powf(play.gain_db / 20.0));
        Ok(Self {
            play,
            gain,
            clip: 0,
            at: 0,
            prompt_over: None,
            cut: false,
            digits: String::new(),
            terminator: None,
            complete: false,
            last_digit: None,
        })
    }

    pub(super) fn play(&self) -> &Play {
        &self.play
    }

    /// Is a digit of use now, or for what follows?
    pub(super) fn takes_digits(&self) -> bool {
        self.play.collect.is_some() || self.play.interruptible || !self.play.looped
    }

    /// A digit arrived (or waited in the buffer). True when this play has used it up.
    pub(super) fn digit(&mut self, now: Duration, digit: char) -> bool {
        if self.play.interruptible && self.prompt_over.is_none() {
            self.prompt_over = Some(now);
            self.cut = true;
        }
        let Some(collect) = &self.play.collect else { return false };
        if self.complete {
            return false;
        }
        self.last_digit = Some(now);
        if collect.terminators.contains(digit) {
            self.terminator = Some(digit);
            self.complete = true;
        } else {
            self.digits.push(digit);
            self.complete = self.digits.len() >= usize::from(collect.max_digits);
        }
        true
    }

    /// Is the play over at `now`? Answers its end.
    pub(super) fn ended(&self, now: Duration) -> Option<Event> {
        let prompt_over = self.prompt_over?;
        let why = if self.cut { PlayEnd::Interrupted } else { PlayEnd::Finished };
        match &self.play.collect {
            Some(collect) if !self.complete => {
                let deadline = match self.last_digit {
                    None => prompt_over.saturating_add(collect.first_timeout),
                    Some(at) => at.max(prompt_over).saturating_add(collect.inter_digit_timeout),
                };
                (now >= deadline).then(|| self.end(why, true))
            }
            _ => (now >= prompt_over).then(|| self.end(why, false)),
        }
    }

    /// The event of this play's end.
    pub(super) fn end(&self, why: PlayEnd, timed_out: bool) -> Event {
        Event::PlayEnded {
            leg: self.play.leg,
            play: self.play.play,
            why,
            digits: self.digits.clone(),
            terminator: self.terminator,
            timed_out,
        }
    }

    /// The next 20 ms of the prompt; false when there is nothing (left) to hear.
    pub(super) fn frame(&mut self, now: Duration, out: &mut [i16; FRAME]) -> bool {
        out.fill(0);
        if self.prompt_over.is_some() {
            return false;
        }
        let mut filled = 0;
        // A loop over empty clips would never fill the frame.
        let empty = self.play.clips.iter().all(|clip| clip.samples().is_empty());
        while filled < FRAME {
            let clip = match self.play.clips.get(self.clip) {
                Some(clip) => clip.samples(),
                None if self.play.looped && !empty => {
                    self.clip = 0;
                    continue;
                }
                None => {
                    self.prompt_over = Some(now);
                    break;
                }
            };
            let rest = &clip[self.at..];
            let taken = rest.len().min(FRAME - filled);
            out[filled..filled + taken].copy_from_slice(&rest[..taken]);
            filled += taken;
            self.at += taken;
            if self.at >= clip.len() {
                self.clip += 1;
                self.at = 0;
            }
        }
        if let Some(gain) = self.gain {
            out.iter_mut().for_each(|sample| *sample = (f32::from(*sample) * gain) as i16);
        }
        filled > 0
    }
}
