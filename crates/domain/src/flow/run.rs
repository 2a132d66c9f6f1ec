//! What a flow step wants: pure answers to "the step is entered" and "its playback ended". The floor carries them out.
use std::time::Duration;

use super::{Assign, Step, StepId};
use crate::calendar::Hours;
use crate::id::{CalendarId, FlowId, PromptId, QueueId};
use crate::leg::Collect;

/// Pause between two digits after which an input counts as complete.
const BETWEEN_DIGITS: Duration = Duration::from_secs(3);

/// Why a menu or digit input is entered again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retry {
    Silence,
    Wrong,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Act {
    /// Play, then ask [`played`]. With nothing to play and nothing to collect, go on as if it had ended.
    Play {
        prompts: Vec<PromptId>,
        interruptible: bool,
        collect: Option<Collect>,
    },
    Go(StepId),
    Set(Assign, StepId),
    Queue {
        queue: QueueId,
        priority: i32,
    },
    Transfer(FlowId),
    Voicemail {
        greeting: Option<PromptId>,
        queue: Option<QueueId>,
    },
    HangUp {
        prompt: Option<PromptId>,
    },
}

/// After the playback of a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Then {
    Go(StepId),
    /// Enter the same step once more.
    Again(Retry),
    Collected {
        variable: String,
        digits: String,
        sensitive: bool,
        next: StepId,
    },
    /// The farewell is over.
    HangUp,
}

pub fn enter(step: &Step, retry: Option<Retry>, hours: impl Fn(CalendarId) -> Hours) -> Act {
    match step {
        Step::Play { prompts, .. } => Act::Play { prompts: prompts.clone(), interruptible: false, collect: None },
        Step::Menu { prompts, timeout, invalid, .. } => {
            let wrong = invalid.filter(|_| retry == Some(Retry::Wrong));
            Act::Play {
                prompts: wrong.into_iter().chain(prompts.iter().copied()).collect(),
                interruptible: true,
                collect: Some(Collect {
                    max_digits: 1,
                    terminators: String::new(),
                    first_timeout: *timeout,
                    inter_digit_timeout: BETWEEN_DIGITS,
                }),
            }
        }
        Step::Collect { prompts, max_digits, timeout, .. } => Act::Play {
            prompts: prompts.clone(),
            interruptible: true,
            collect: Some(Collect {
                max_digits: *max_digits,
                terminators: "#".to_owned(),
                first_timeout: *timeout,
                inter_digit_timeout: BETWEEN_DIGITS,
            }),
        },
        Step::Hours { calendar, open, closed, holiday } => Act::Go(
            match hours(*calendar) {
                Hours::Open => open,
                Hours::Closed => closed,
                Hours::Holiday => holiday.as_ref().unwrap_or(closed),
            }
            .clone(),
        ),
        Step::Set { assign, next } => Act::Set(assign.clone(), next.clone()),
        Step::Queue { queue, priority } => Act::Queue { queue: *queue, priority: *priority },
        Step::Transfer { flow } => Act::Transfer(*flow),
        Step::Voicemail { greeting, queue, .. } => Act::Voicemail { greeting: *greeting, queue: *queue },
        Step::HangUp { prompt } => Act::HangUp { prompt: *prompt },
    }
}

/// `attempt` counts from 1; `digits` without terminators.
pub fn played(step: &Step, attempt: u8, digits: &str) -> Then {
    match step {
        Step::Play { next, .. } => Then::Go(next.clone()),
        Step::Menu { choices, attempts, otherwise, .. } => match digits.chars().next() {
            Some(digit) => match choices.get(&digit) {
                Some(next) => Then::Go(next.clone()),
                None => again(attempt, *attempts, Retry::Wrong, otherwise),
            },
            None => again(attempt, *attempts, Retry::Silence, otherwise),
        },
        Step::Collect { variable, min_digits, max_digits, attempts, sensitive, next, otherwise, .. } => {
            let count = digits.chars().count();
            if count >= usize::from((*min_digits).max(1)) && count <= usize::from(*max_digits) {
                Then::Collected {
                    variable: variable.clone(),
                    digits: digits.to_owned(),
                    sensitive: *sensitive,
                    next: next.clone(),
                }
            } else if count == 0 && *min_digits == 0 {
                Then::Go(next.clone())
            } else {
                again(attempt, *attempts, if count == 0 { Retry::Silence } else { Retry::Wrong }, otherwise)
            }
        }
        Step::HangUp { .. } => Then::HangUp,
        // These play nothing of their own.
        Step::Hours { open: next, .. } | Step::Set { next, .. } => Then::Go(next.clone()),
        Step::Queue { .. } | Step::Transfer { .. } | Step::Voicemail { .. } => Then::HangUp,
    }
}

fn again(attempt: u8, attempts: u8, retry: Retry, otherwise: &StepId) -> Then {
    if attempt < attempts { Then::Again(retry) } else { Then::Go(otherwise.clone()) }
}
