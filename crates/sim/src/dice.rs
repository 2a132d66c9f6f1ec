//! Chance, from one seed.
use std::time::Duration;

use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64;

#[derive(Debug, Clone)]
pub(crate) struct Dice(Pcg64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Dice {
        Dice(Pcg64::seed_from_u64(seed))
    }

    pub(crate) fn chance(&mut self, p: f64) -> bool {
        p > 0.0 && self.0.random_bool(p.min(1.0))
    }

    /// From 0 to `n` − 1; 0 if `n` is 0.
    pub(crate) fn below(&mut self, n: usize) -> usize {
        if n == 0 { 0 } else { self.0.random_range(0..n) }
    }

    /// Exponential with this mean, at most ten times it, in whole milliseconds and at least one.
    pub(crate) fn wait(&mut self, mean: Duration) -> Duration {
        let unit: f64 = self.0.random_range(f64::EPSILON..1.0);
        let ms = (-unit.ln()).min(10.0) * mean.as_millis() as f64;
        Duration::from_millis((ms as u64).max(1))
    }

    /// Evenly between the two, in milliseconds.
    pub(crate) fn between(&mut self, least: Duration, most: Duration) -> Duration {
        let (a, b) = (least.as_millis() as u64, most.as_millis() as u64);
        Duration::from_millis(if a >= b { a } else { self.0.random_range(a..=b) })
    }

    /// Evenly from 0 to 1.
    pub(crate) fn part(&mut self) -> f64 {
        self.0.random_range(0.0..1.0)
    }

    pub(crate) fn bits(&mut self) -> u128 {
        self.0.random()
    }
}
