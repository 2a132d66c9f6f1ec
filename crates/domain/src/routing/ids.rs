//! A hash map by id. Ids are minted by us, so nobody can choose them to collide, and a cheap hash will do: the standard
//! one costs as much as the rest of a look-up. Only ever looked into, never walked: its order means nothing.
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

pub(super) type IdMap<K, V> = HashMap<K, V, BuildHasherDefault<IdHasher>>;

/// Multiply and fold of a 128-bit id.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct IdHasher(u64);

impl Hasher for IdHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write_u128(&mut self, id: u128) {
        // The upper half tells floor and epoch, or time, the lower one the counter, or chance.
        let mixed = (id as u64) ^ ((id >> 64) as u64).rotate_left(32);
        let wide = u128::from(mixed ^ self.0) * 0x9e37_79b9_7f4a_7c15;
        self.0 = (wide as u64) ^ ((wide >> 64) as u64);
    }

    /// Not what ids do; correct all the same.
    fn write(&mut self, bytes: &[u8]) {
        for b in bytes {
            self.write_u128(u128::from(*b));
        }
    }
}
