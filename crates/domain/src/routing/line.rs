//! Who waits in one demand class, in the order of the line: a sorted list in short pieces. Most who come belong at the
//! end and most who go are the first, and both cost a step there; a place in the middle (a priority, somebody who gives
//! up, a return to one's place) costs moving half a piece, however long the line is.
use std::collections::VecDeque;

use crate::id::SegmentId;
use crate::time::Timestamp;

/// Place in line. Neither part changes while the work waits, so ageing costs nothing.
pub(super) type LineKey = (Timestamp, SegmentId);

/// Entries of one piece, 4 KiB: enough for most lines to be one piece, little enough to be moved in no time.
const PIECE: usize = 256;

/// Sixteen octets, since looking for a place in a line is mostly waiting for memory. Whose segment it is, the index
/// knows: it is asked only of those who have come at the same time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Entry {
    pub virtual_since: Timestamp,
    pub work: u32,
}

#[derive(Debug, Default)]
pub(super) struct Line {
    /// The first piece, of which so many are gone already. Empty only if all is.
    first: Vec<Entry>,
    gone: usize,
    /// What follows; none is empty.
    rest: VecDeque<Vec<Entry>>,
}

impl Line {
    pub fn first(&self) -> Option<&Entry> {
        self.first.get(self.gone)
    }

    pub fn is_empty(&self) -> bool {
        self.first.is_empty()
    }

    pub fn iter(&self) -> impl Iterator<Item = &Entry> {
        self.first.iter().skip(self.gone).chain(self.rest.iter().flatten())
    }

    /// Which of the rest this key is in or belongs to; none for the first piece.
    fn piece(&self, key: LineKey, segment: impl Fn(u32) -> SegmentId) -> Option<usize> {
        let begins = |piece: &Vec<Entry>| {
            piece.first().is_some_and(|e| e.virtual_since <= key.0 && (e.virtual_since, segment(e.work)) <= key)
        };
        match self.rest.back() {
            None => None,
            Some(last) if begins(last) => Some(self.rest.len() - 1),
            Some(_) => self.rest.partition_point(begins).checked_sub(1),
        }
    }

    /// The key must not be there. `segment` tells whose each entry is, the new one's included.
    pub fn insert(&mut self, new: Entry, segment: impl Fn(u32) -> SegmentId) {
        let key = (new.virtual_since, segment(new.work));
        let Some(piece) = self.piece(key, &segment) else { return self.insert_first(new, key, segment) };
        let is_last = piece + 1 == self.rest.len();
        let Some(entries) = self.rest.get_mut(piece) else { return };
        let at = place(entries, key, segment);
        if entries.len() < PIECE {
            entries.insert(at, new);
        } else if is_last && at == PIECE {
            self.rest.push_back(vec![new]);
        } else {
            let second = split(entries, at, new);
            self.rest.insert(piece + 1, second);
        }
    }

    fn insert_first(&mut self, new: Entry, key: LineKey, segment: impl Fn(u32) -> SegmentId) {
        let at = self.gone + place(self.first.get(self.gone..).unwrap_or_default(), key, segment);
        if at == self.gone && self.gone > 0 {
            self.gone -= 1;
            self.first[self.gone] = new;
        } else if self.first.len() < PIECE {
            self.first.insert(at, new);
        } else if self.gone > 0 {
            self.first.insert(at, new);
            self.first.drain(..self.gone);
            self.gone = 0;
        } else if at == PIECE && self.rest.is_empty() {
            self.rest.push_back(vec![new]);
        } else {
            let second = split(&mut self.first, at, new);
            self.rest.push_front(second);
        }
    }

    /// Nothing happens if it is not there.
    pub fn remove(&mut self, old: Entry, segment: impl Fn(u32) -> SegmentId) {
        if self.first() == Some(&old) {
            self.gone += 1;
        } else {
            let key = (old.virtual_since, segment(old.work));
            if let Some(piece) = self.piece(key, &segment) {
                let Some(entries) = self.rest.get_mut(piece) else { return };
                let at = place(entries, key, segment);
                if entries.get(at) == Some(&old) {
                    entries.remove(at);
                }
                if entries.is_empty() {
                    self.rest.remove(piece);
                }
            } else {
                let at = self.gone + place(self.first.get(self.gone..).unwrap_or_default(), key, segment);
                if self.first.get(at) == Some(&old) {
                    self.first.remove(at);
                }
            }
        }
        if self.gone == self.first.len() && self.gone > 0 {
            self.gone = 0;
            match self.rest.pop_front() {
                Some(next) => self.first = next,
                // Its memory serves whoever comes next.
                None => self.first.clear(),
            }
        }
    }
}

/// Where the key is or belongs: most belong at the end.
fn place(entries: &[Entry], key: LineKey, segment: impl Fn(u32) -> SegmentId) -> usize {
    let before = |e: &Entry| e.virtual_since < key.0 || e.virtual_since == key.0 && segment(e.work) < key.1;
    match entries.last() {
        Some(end) if before(end) => entries.len(),
        _ => entries.partition_point(before),
    }
}

/// Makes two of a full piece, with the new entry in one of them.
fn split(entries: &mut Vec<Entry>, at: usize, new: Entry) -> Vec<Entry> {
    let mut second = entries.split_off(PIECE / 2);
    if at <= PIECE / 2 {
        entries.insert(at, new);
    } else {
        second.insert(at - PIECE / 2, new);
    }
    second
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn it_keeps_the_order_that_a_map_keeps() {
        let (mut line, mut map) = (Line::default(), BTreeMap::new());
        let segment = |work: u32| SegmentId(work.into());
        let mut dice = 1_u64;
        for n in 0..40_000_u32 {
            dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let chance = dice >> 33;
            // It grows to a thousand, shrinks to nothing, grows again; some come long before their turn.
            let grows = n / 2_000 % 2 == 0;
            if chance % 8 < if grows { 6 } else { 1 } {
                let early = if chance & 64 == 0 { 0 } else { chance as i64 % 500 };
                let key = (Timestamp(i64::from(n) / 4 - early), SegmentId(n.into()));
                line.insert(Entry { virtual_since: key.0, work: n }, segment);
                map.insert(key, n);
            } else {
                let nth = if chance & 64 == 0 { 0 } else { chance as usize % map.len().max(1) };
                if let Some(key) = map.keys().nth(nth).copied() {
                    map.remove(&key);
                    let entry = Entry { virtual_since: key.0, work: key.1.0 as u32 };
                    line.remove(entry, segment);
                    line.remove(entry, segment);
                }
            }
            assert_eq!(line.first().map(|e| e.work), map.values().next().copied());
            assert_eq!(line.is_empty(), map.is_empty());
            if n % 97 == 0 {
                assert!(line.iter().map(|e| e.work).eq(map.values().copied()));
            }
        }
    }
}
