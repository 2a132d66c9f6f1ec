//! How bad the world is: losses, delays, vanishing peers, crashes, all drawn from the seed.
use std::time::Duration;

use crate::dice::Dice;

/// How much goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// A perfect network, a process that never dies.
    None,
    /// A bad day: some loss and jitter, a phone that vanishes now and then, one crash.
    Mild,
    /// Everything at once.
    Wild,
}

/// Rates are probabilities per packet or call, or per hour of the whole exchange.
#[derive(Debug, Clone)]
pub(crate) struct Faults {
    pub(crate) delay: Duration,
    /// Mean of what is added to it; packets overtake one another.
    pub(crate) jitter: Duration,
    pub(crate) loss: f64,
    pub(crate) doubled: f64,
    /// Held up for half a second and more.
    pub(crate) late: f64,
    /// A refused datagram is reported to its sender.
    pub(crate) icmp: bool,
    /// Per call: its phone loses the network for a while.
    pub(crate) vanishes: f64,
    pub(crate) partitions_per_hour: f64,
    pub(crate) crashes_per_hour: f64,
    pub(crate) clock_steps_per_hour: f64,
    pub(crate) browser_drops_per_hour: f64,
    /// Ways inside the node: telephony to engine, engine to telephony, media to control.
    pub(crate) up: Duration,
    pub(crate) down: Duration,
    pub(crate) media: Duration,
    /// A batch is durable after this, or after this when the disk is slow.
    pub(crate) commit: Duration,
    pub(crate) slow_commit: f64,
    /// A new caller's address is stored.
    pub(crate) address: Duration,
    /// Callers who want our offer first; phones that speak µ-law only.
    pub(crate) late_offers: f64,
    pub(crate) ulaw: f64,
    pub(crate) info_digits: f64,
}

const fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

impl Faults {
    pub(crate) fn draw(level: Level, dice: &mut Dice) -> Faults {
        let none = Faults {
            delay: ms(5),
            jitter: Duration::ZERO,
            loss: 0.0,
            doubled: 0.0,
            late: 0.0,
            icmp: false,
            vanishes: 0.0,
            partitions_per_hour: 0.0,
            crashes_per_hour: 0.0,
            clock_steps_per_hour: 0.0,
            browser_drops_per_hour: 0.0,
            up: Duration::ZERO,
            down: Duration::ZERO,
            media: Duration::ZERO,
            commit: ms(2),
            slow_commit: 0.0,
            address: ms(1),
            late_offers: 0.0,
            ulaw: 0.2,
            info_digits: 0.3,
        };
        if level == Level::None {
            return none;
        }
        // Each seed has its own weather: some have one trouble only, which is then easy to see.
        let mut some = |of: f64| if dice.chance(0.6) { of * (0.2 + 0.8 * dice.part()) } else { 0.0 };
        let worse = if level == Level::Wild { 1.0 } else { 0.15 };
        let mut faults = Faults {
            loss: some(0.2) * worse,
            doubled: some(0.2) * worse,
            late: some(0.1) * worse,
            vanishes: some(0.1) * worse,
            partitions_per_hour: some(20.0) * worse,
            crashes_per_hour: some(15.0) * worse,
            clock_steps_per_hour: some(15.0) * worse,
            browser_drops_per_hour: some(60.0) * worse,
            slow_commit: some(0.05),
            late_offers: some(0.3),
            ..none
        };
        let up_to = |dice: &mut Dice, most: u64| ms(dice.below(most as usize + 1) as u64);
        faults.icmp = dice.chance(0.5);
        faults.delay = up_to(dice, 60);
        faults.jitter = if dice.chance(0.7) { up_to(dice, if level == Level::Wild { 120 } else { 15 }) } else { ms(0) };
        for way in [&mut faults.up, &mut faults.down, &mut faults.media] {
            *way = if dice.chance(0.5) { up_to(dice, 8) } else { ms(0) };
        }
        faults.commit = up_to(dice, 12);
        faults.address = up_to(dice, 30);
        faults
    }
}
