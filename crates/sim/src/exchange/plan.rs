//! What to simulate: size, length, manners, faults.
use std::time::Duration;

use crate::exchange::faults::Level;

/// Something broken on purpose, between the machines under test: a rule that lets it pass is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sabotage {
    /// Of each two who are put through only one hears the other.
    DeafEars,
    /// Recordings have the customer's side right and the agent's left.
    SwappedSides,
    /// The last 300 ms of each recording are missing.
    ShortRecordings,
    /// All of each recording is listed as hold.
    FalseHolds,
    /// A crash costs another second of each recording.
    SlowWriter,
}

/// One run. Everything follows from it.
#[derive(Debug, Clone)]
pub struct Plan {
    pub seed: u64,
    pub faults: Level,
    /// No more calls come after so many interactions, or after this time.
    pub interactions: u64,
    pub length: Duration,
    /// 0: the sample company of six with browsers, telephones and URIs; else so many agents with telephones.
    pub agents: usize,
    pub between_calls: Duration,
    /// Zero: nobody writes.
    pub between_chats: Duration,
    pub patience: Duration,
    pub talk: Duration,
    pub wrap_up: Duration,
    /// From the ring to the agent's reaction.
    pub reaction: Duration,
    pub misses: f64,
    pub declines: f64,
    pub desk_holds: f64,
    /// Conversations in which the agent sends the customer on or asks somebody, and in which a supervisor takes part.
    pub handovers: f64,
    pub watches: f64,
    /// Conversations that are masked for a while, and in which the agent tries to record by hand.
    pub masks: f64,
    pub phone_holds: f64,
    /// Per agent: breaks, closed tabs, sign-outs.
    pub whims_per_hour: f64,
    /// A voice says one packet of 20 ms in this time, and the media tick runs so often in it. 20 ms: all of it.
    pub pace: Duration,
    pub ticks: u32,
    /// Registrations last this long.
    pub registration: Duration,
    /// Events are part of the digest in full.
    pub thorough: bool,
    /// Every so many inputs the floor's rules are checked; a debug build checks after each anyway.
    pub check_every: u64,
    /// So many lines of the story are kept.
    pub story: usize,
    pub sabotage: Option<Sabotage>,
}

impl Plan {
    /// A small floor on a hectic day: the seed decides the weather.
    pub fn hectic(seed: u64, faults: Level) -> Plan {
        // One seed in 64 hears every packet; it costs as much as twenty others.
        let full = seed % 64 == 7;
        Plan {
            seed,
            faults,
            interactions: 200,
            length: Duration::from_secs(24 * 3600),
            agents: 0,
            between_calls: Duration::from_millis(2200),
            between_chats: Duration::from_millis(6000),
            patience: Duration::from_secs(15),
            talk: Duration::from_secs(6),
            wrap_up: Duration::from_secs(3),
            reaction: Duration::from_secs(2),
            misses: 0.08,
            declines: 0.08,
            desk_holds: 0.2,
            handovers: 0.25,
            watches: 0.1,
            masks: 0.25,
            phone_holds: 0.15,
            whims_per_hour: 20.0,
            pace: if full { Duration::from_millis(20) } else { Duration::from_secs(1) },
            ticks: 5,
            registration: Duration::from_secs(120),
            thorough: false,
            check_every: 1,
            story: 0,
            sabotage: None,
        }
    }

    /// An ordinary day of a floor of this size, four agents of five busy.
    pub fn ordinary(seed: u64, agents: usize, hours: u64, faults: Level) -> Plan {
        let (talk, wrap_up, reaction) = (180.0, 20.0, 4.0);
        let between = (talk + wrap_up + reaction) / (0.8 * agents.max(1) as f64);
        Plan {
            interactions: u64::MAX,
            length: Duration::from_secs(3600 * hours),
            agents,
            between_calls: Duration::from_secs_f64(between),
            between_chats: Duration::ZERO,
            patience: Duration::from_secs(240),
            talk: Duration::from_secs_f64(talk),
            wrap_up: Duration::from_secs_f64(wrap_up),
            reaction: Duration::from_secs_f64(reaction),
            misses: 0.02,
            declines: 0.01,
            desk_holds: 0.1,
            handovers: 0.05,
            watches: 0.01,
            masks: 0.05,
            phone_holds: 0.02,
            whims_per_hour: 0.5,
            // Three ticks are a jitter buffer's delay and the word that waits behind it; in a conference words of others come
            // between. Who is silent for five seconds is
            // reported to the floor: where packets are lost, two of them must fit into these.
            pace: Duration::from_secs(if faults == Level::None { 4 } else { 2 }),
            ticks: 5,
            registration: Duration::from_secs(1800),
            check_every: 1000,
            ..Plan::hectic(seed, faults)
        }
    }
}
