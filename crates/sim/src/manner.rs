//! How the simulated people behave: means and probabilities.
use std::time::Duration;

/// When people call and work.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Shape {
    /// The same all the time; agents stay until trouble takes them.
    Flat { calls_per_hour: f64, chats_per_hour: f64 },
    /// Office hours in the tenant's time zone with a morning and an afternoon peak, quiet weekends; agents come before
    /// nine, take lunch, and leave after six. `per_day`: calls on a working day.
    Office { per_day: f64 },
}

#[derive(Debug, Clone, PartialEq)]
pub struct Manner {
    pub shape: Shape,
    pub patience: Duration,
    pub talk: Duration,
    pub hold: Duration,
    pub wrap_up: Duration,
    /// From the ring to the agent's reaction.
    pub reaction: Duration,
    pub misses: f64,
    pub declines: f64,
    pub holds: f64,
    /// The agent hangs up first.
    pub agent_ends: f64,
    /// Wrong or no digits in a menu.
    pub wrong_digits: f64,
    /// Per agent and hour: breaks, and short-lived trouble of every kind (device, lease, sign-out, lost media).
    pub breaks_per_hour: f64,
    pub troubles_per_hour: f64,
    /// Of the whole floor: kill and restart; snapshot, hand over and go on.
    pub crashes_per_hour: f64,
    pub handovers_per_hour: f64,
}

const fn secs(s: u64) -> Duration {
    Duration::from_secs(s)
}

impl Manner {
    /// Everything that can happen does, often: for finding faults.
    pub fn lively() -> Manner {
        Manner {
            shape: Shape::Flat { calls_per_hour: 240.0, chats_per_hour: 60.0 },
            patience: secs(90),
            talk: secs(60),
            hold: secs(15),
            wrap_up: secs(15),
            reaction: secs(6),
            misses: 0.1,
            declines: 0.1,
            holds: 0.3,
            agent_ends: 0.4,
            wrong_digits: 0.2,
            breaks_per_hour: 4.0,
            troubles_per_hour: 6.0,
            crashes_per_hour: 2.0,
            handovers_per_hour: 2.0,
        }
    }

    /// A company on ordinary days: nothing breaks, a few people miss a ring.
    pub fn ordinary(per_day: f64) -> Manner {
        Manner {
            shape: Shape::Office { per_day },
            patience: secs(150),
            talk: secs(210),
            hold: secs(35),
            wrap_up: secs(30),
            reaction: secs(4),
            misses: 0.02,
            declines: 0.01,
            holds: 0.15,
            agent_ends: 0.35,
            wrong_digits: 0.06,
            breaks_per_hour: 0.3,
            troubles_per_hour: 0.0,
            crashes_per_hour: 0.0,
            handovers_per_hour: 0.0,
        }
    }
}

/// Share of a working day's calls per local hour.
const OFFICE: [f64; 24] = [
    0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.005, 0.04, 0.115, 0.135, 0.115, 0.07, 0.08, 0.11, 0.12, 0.1, 0.07, 0.025,
    0.01, 0.005, 0.0, 0.0, 0.0,
];

const WEEKEND: f64 = 0.3;

impl Shape {
    /// Calls per hour at this local hour (0–23).
    pub(crate) fn calls(&self, hour: usize, weekend: bool) -> f64 {
        match self {
            Shape::Flat { calls_per_hour, .. } => *calls_per_hour,
            Shape::Office { per_day } => {
                per_day * OFFICE.get(hour).copied().unwrap_or(0.0) * if weekend { WEEKEND } else { 1.0 }
            }
        }
    }

    /// Upper bound of [`Shape::calls`].
    pub(crate) fn calls_most(&self) -> f64 {
        match self {
            Shape::Flat { calls_per_hour, .. } => *calls_per_hour,
            Shape::Office { per_day } => per_day * 0.14,
        }
    }

    pub(crate) fn chats(&self) -> f64 {
        match self {
            Shape::Flat { chats_per_hour, .. } => *chats_per_hour,
            Shape::Office { .. } => 0.0,
        }
    }
}
