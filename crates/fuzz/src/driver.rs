//! The driver without coverage: mutates the inputs to start from, by seed, a fixed number of times. Runs on every build in
//! the tests; libFuzzer does the long search.

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::mutate::{Dice, mutate};
use crate::{Target, corpus};

/// What a run did.
#[derive(Debug, Clone, Copy, Default)]
pub struct Ran {
    pub executions: u64,
    /// The most octets allocated by one input beyond the target's allowance per octet: what `bytes_besides` must cover.
    pub besides_max: u64,
}

/// Runs every input to start from as it is, then `executions` changed ones.
///
/// # Errors
/// The first input that fails. The panic has been printed by then.
pub fn run(target: &Target, seed: u64, executions: u64) -> Result<Ran, Vec<u8>> {
    let mut ran = Ran::default();
    for input in inputs(target, seed) {
        one(target, &input, &mut ran)?;
        if ran.executions >= executions {
            break;
        }
    }
    Ok(ran)
}

/// The inputs to start from as they are, then changed ones without end.
pub fn inputs(target: &Target, seed: u64) -> impl Iterator<Item = Vec<u8>> {
    let seeds = corpus::seeds(target);
    let (mut dice, is_text, mut n) = (Dice::new(seed), target.is_text, 0);
    std::iter::from_fn(move || {
        n += 1;
        if n <= seeds.len() {
            return seeds.get(n - 1).cloned();
        }
        let mut input = seeds.get(dice.below(seeds.len())).cloned().unwrap_or_default();
        let other = seeds.get(dice.below(seeds.len())).map_or(&[][..], Vec::as_slice);
        mutate(&mut dice, &mut input, other, is_text);
        Some(input)
    })
}

fn one(target: &Target, input: &[u8], ran: &mut Ran) -> Result<(), Vec<u8>> {
    ran.executions += 1;
    match catch_unwind(AssertUnwindSafe(|| target.check(input))) {
        Ok(spent) => {
            let allowed = target.bytes_per_octet * input.len() as u64;
            ran.besides_max = ran.besides_max.max(spent.bytes.saturating_sub(allowed));
            Ok(())
        }
        Err(_) => Err(input.to_vec()),
    }
}
