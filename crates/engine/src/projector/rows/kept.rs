//! Rows of one kind that are kept from transaction to transaction, and which of them this one has touched.
use std::collections::{BTreeMap, BTreeSet};

pub(super) struct Kept<K, R> {
    pub(super) rows: BTreeMap<K, R>,
    touched: BTreeSet<K>,
}

impl<K, R> Default for Kept<K, R> {
    fn default() -> Self {
        Self { rows: BTreeMap::new(), touched: BTreeSet::new() }
    }
}

impl<K: Ord + Copy, R: Clone> Kept<K, R> {
    /// To be changed, and so written at the end.
    pub(super) fn touch(&mut self, key: K) -> Option<&mut R> {
        let row = self.rows.get_mut(&key)?;
        self.touched.insert(key);
        Some(row)
    }

    pub(super) fn insert(&mut self, key: K, row: R) {
        self.touched.insert(key);
        self.rows.insert(key, row);
    }

    pub(super) fn remove(&mut self, key: K) -> Option<R> {
        self.touched.remove(&key);
        self.rows.remove(&key)
    }

    /// Those to be written; keeps only what lives.
    pub(super) fn take_touched(&mut self, lives: impl Fn(&R) -> bool) -> Vec<R> {
        let mut written = Vec::with_capacity(self.touched.len());
        for key in std::mem::take(&mut self.touched) {
            match self.rows.remove(&key) {
                Some(row) if lives(&row) => {
                    written.push(row.clone());
                    self.rows.insert(key, row);
                }
                Some(row) => written.push(row),
                None => {}
            }
        }
        written
    }
}
