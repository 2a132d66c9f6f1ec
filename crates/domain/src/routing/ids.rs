//! From an id to the number that the index gave it. A table of its own because the standard map keeps the id beside each
//! number: five times the memory, which with 100,000 waiting is a cache miss in each look-up. Here an entry has eight
//! octets: the number and 32 bits of the id's hash, enough to move it without asking whose it is.
//!
//! Ids are minted by us, so nobody can choose them to collide, and a cheap hash will do.

const VACANT: u32 = u32::MAX;

#[derive(Debug, Clone, Copy)]
struct Slot {
    tag: u32,
    number: u32,
}

/// Open addressing with linear probing; nothing is ever marked as deleted, what follows moves up instead.
#[derive(Debug, Default)]
pub(super) struct Numbers {
    /// A power of two, at most three quarters full.
    slots: Vec<Slot>,
    len: usize,
}

fn tag(id: u128) -> u32 {
    // The upper half tells floor and epoch, or time, the lower one the counter, or chance.
    let mixed = (id as u64) ^ ((id >> 64) as u64).rotate_left(32);
    let wide = u128::from(mixed) * 0x9e37_79b9_7f4a_7c15;
    let folded = (wide as u64) ^ ((wide >> 64) as u64);
    (folded >> 32) as u32 ^ folded as u32
}

impl Numbers {
    pub fn len(&self) -> usize {
        self.len
    }

    fn find(&self, id: u128, is: impl Fn(u32) -> bool) -> Option<usize> {
        let tag = tag(id);
        let mask = self.slots.len().wrapping_sub(1);
        let mut at = tag as usize & mask;
        loop {
            let slot = self.slots.get(at)?;
            if slot.number == VACANT {
                return None;
            }
            if slot.tag == tag && is(slot.number) {
                return Some(at);
            }
            at = (at + 1) & mask;
        }
    }

    /// The number of this id; `is` tells whether a number is the one.
    pub fn get(&self, id: u128, is: impl Fn(u32) -> bool) -> Option<u32> {
        self.find(id, is).and_then(|at| self.slots.get(at)).map(|slot| slot.number)
    }

    /// The id must not be there.
    pub fn insert(&mut self, id: u128, number: u32) {
        if (self.len + 1) * 4 > self.slots.len() * 3 {
            let larger = vec![Slot { tag: 0, number: VACANT }; (self.slots.len() * 2).max(16)];
            for slot in std::mem::replace(&mut self.slots, larger) {
                if slot.number != VACANT {
                    self.put(slot);
                }
            }
        }
        self.len += 1;
        self.put(Slot { tag: tag(id), number });
    }

    fn put(&mut self, new: Slot) {
        let mask = self.slots.len() - 1;
        let mut at = new.tag as usize & mask;
        while let Some(slot) = self.slots.get_mut(at) {
            if slot.number == VACANT {
                *slot = new;
                return;
            }
            at = (at + 1) & mask;
        }
    }

    pub fn remove(&mut self, id: u128, is: impl Fn(u32) -> bool) -> Option<u32> {
        let mut hole = self.find(id, is)?;
        let mask = self.slots.len() - 1;
        let number = self.slots.get(hole)?.number;
        self.len -= 1;
        let mut at = hole;
        loop {
            at = (at + 1) & mask;
            let next = *self.slots.get(at)?;
            if next.number == VACANT {
                break;
            }
            // It may move up unless its home lies behind the hole.
            let home = next.tag as usize & mask;
            if at.wrapping_sub(home) & mask >= at.wrapping_sub(hole) & mask {
                *self.slots.get_mut(hole)? = next;
                hole = at;
            }
        }
        self.slots.get_mut(hole)?.number = VACANT;
        Some(number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn it_holds_what_a_map_holds() {
        let (mut numbers, mut map) = (Numbers::default(), BTreeMap::new());
        let mut ids: Vec<u128> = Vec::new();
        let mut dice = 1_u64;
        for _ in 0..60_000 {
            dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            // Few different ones, from two epochs, so that most are met again.
            let id = (u128::from(dice >> 33) % 700) | ((u128::from(dice >> 32) & 1) << 64);
            let of = |ids: &[u128], n: u32| ids.get(n as usize).copied();
            let got = numbers.get(id, |n| of(&ids, n) == Some(id));
            assert_eq!(got, map.get(&id).copied());
            match (got, dice >> 20 & 1) {
                (None, _) => {
                    numbers.insert(id, ids.len() as u32);
                    map.insert(id, ids.len() as u32);
                    ids.push(id);
                }
                (Some(n), 0) => {
                    assert_eq!(numbers.remove(id, |n| of(&ids, n) == Some(id)), Some(n));
                    map.remove(&id);
                }
                (Some(_), _) => {}
            }
            assert_eq!(numbers.len(), map.len());
        }
    }
}
