//! The mixing matrix: which leg hears which. Hold, transfer, consult, three-way, monitor, whisper and barge are all
//! edits of this matrix. Pure data; the plane turns it into relaying or mixing. `switch` builds it, mostly with
//! [`pair`], [`conference`] and [`echo`].

use crate::LegKey;
use thiserror::Error;

/// Legs in one bridge: far beyond any three-way, and bounds the work of one tick.
pub const LEGS_MAX: usize = 64;

/// A matrix: each row is a listener and the legs it hears.
pub type Matrix = Vec<(LegKey, Vec<LegKey>)>;

/// Two legs that hear each other.
pub fn pair(a: LegKey, b: LegKey) -> Matrix {
    vec![(a, vec![b]), (b, vec![a])]
}

/// Everybody hears everybody else.
pub fn conference(legs: &[LegKey]) -> Matrix {
    legs.iter().map(|&leg| (leg, legs.iter().copied().filter(|&other| other != leg).collect())).collect()
}

/// A leg that hears itself.
pub fn echo(leg: LegKey) -> Matrix {
    vec![(leg, vec![leg])]
}

/// Why a matrix is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum BridgeError {
    #[error("a bridge holds at most {LEGS_MAX} legs")]
    TooManyLegs,
    #[error("a leg has two rows in the matrix")]
    DoubleRow,
}

/// A checked matrix.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Bridge {
    rows: Matrix,
    legs: Vec<LegKey>,
}

impl Bridge {
    /// Checks a matrix and removes repeated entries of a row.
    ///
    /// # Errors
    /// [`BridgeError`] when it is too large or names a listener twice.
    pub fn new(mut rows: Matrix) -> Result<Self, BridgeError> {
        let mut legs = Vec::new();
        for at in 0..rows.len() {
            if rows[..at].iter().any(|(leg, _)| *leg == rows[at].0) {
                return Err(BridgeError::DoubleRow);
            }
            let mut seen = Vec::new();
            rows[at].1.retain(|leg| {
                !seen.contains(leg) && seen.len() <= LEGS_MAX && {
                    seen.push(*leg);
                    true
                }
            });
            for leg in std::iter::once(rows[at].0).chain(seen) {
                if !legs.contains(&leg) {
                    legs.push(leg);
                }
                if legs.len() > LEGS_MAX {
                    return Err(BridgeError::TooManyLegs);
                }
            }
        }
        Ok(Self { rows, legs })
    }

    /// Everybody who listens or is heard.
    pub fn legs(&self) -> &[LegKey] {
        &self.legs
    }

    /// The rows of the matrix.
    pub fn rows(&self) -> &[(LegKey, Vec<LegKey>)] {
        &self.rows
    }

    /// Takes a leg out, as listener and as heard.
    pub fn remove(&mut self, leg: LegKey) {
        self.legs.retain(|&other| other != leg);
        self.rows.retain(|(listener, _)| *listener != leg);
        self.rows.iter_mut().for_each(|(_, hears)| hears.retain(|&other| other != leg));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_conference_leaves_out_ones_own_voice() {
        let legs = [LegKey(1), LegKey(2), LegKey(3)];
        let bridge = Bridge::new(conference(&legs)).unwrap();
        assert_eq!(bridge.legs(), legs);
        assert_eq!(bridge.rows()[1], (LegKey(2), vec![LegKey(1), LegKey(3)]));
    }

    #[test]
    fn a_removed_leg_is_neither_heard_nor_listening() {
        let mut bridge = Bridge::new(conference(&[LegKey(1), LegKey(2), LegKey(3)])).unwrap();
        bridge.remove(LegKey(2));
        assert_eq!(bridge.rows(), pair(LegKey(1), LegKey(3)));
    }

    #[test]
    fn oversized_and_doubled_matrices_are_refused() {
        let many: Vec<LegKey> = (0..65).map(LegKey).collect();
        assert_eq!(Bridge::new(vec![(LegKey(0), many)]), Err(BridgeError::TooManyLegs));
        assert_eq!(Bridge::new(vec![(LegKey(0), vec![]), (LegKey(0), vec![])]), Err(BridgeError::DoubleRow));
    }
}
