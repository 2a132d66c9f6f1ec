//! Counts what a thread allocates, so that bounds can be asserted per input. The only `unsafe` of the crate: a global
//! allocator that passes everything on to the system's. Used by [`crate::Target::check`] and by targets that look for
//! memory kept after the work is done.
#![allow(unsafe_code, reason = "a global allocator cannot be written without")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

thread_local! {
    static BYTES: Cell<u64> = const { Cell::new(0) };
    static CALLS: Cell<u64> = const { Cell::new(0) };
    static LIVE: Cell<i64> = const { Cell::new(0) };
}

struct Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Threads that end have no counters any more; their last words are not counted.
fn count(grown: usize, live: i64) {
    if grown > 0 {
        let _ = BYTES.try_with(|bytes| bytes.set(bytes.get() + grown as u64));
        let _ = CALLS.try_with(|calls| calls.set(calls.get() + 1));
    }
    let _ = LIVE.try_with(|cell| cell.set(cell.get() + live));
}

// SAFETY: every method hands its arguments unchanged to the system's allocator, whose contract is the same, and returns what
// it returns. Counting uses thread-local cells with constant initialisers, which neither allocate nor unwind.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size(), layout.size() as i64);
        // SAFETY: as above.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(layout.size(), layout.size() as i64);
        // SAFETY: as above.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        count(0, -(layout.size() as i64));
        // SAFETY: as above.
        unsafe { System.dealloc(memory, layout) }
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(size.saturating_sub(layout.size()), size as i64 - layout.size() as i64);
        // SAFETY: as above.
        unsafe { System.realloc(memory, layout, size) }
    }
}

/// What a piece of work took.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Spent {
    /// Octets asked for in all; growing a buffer counts by what it grew.
    pub bytes: u64,
    pub calls: u64,
}

/// Runs `work` and counts what this thread allocates meanwhile.
pub fn measure(work: impl FnOnce()) -> Spent {
    let before = (BYTES.get(), CALLS.get());
    work();
    Spent { bytes: BYTES.get() - before.0, calls: CALLS.get() - before.1 }
}

/// Octets this thread has allocated and not given back; only differences mean something.
pub fn live() -> i64 {
    LIVE.get()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn octets_are_counted_and_what_is_kept_shows() {
        let before = live();
        let mut kept = Vec::new();
        let spent = measure(|| {
            kept = vec![0u8; 1000];
            drop(vec![0u8; 500]);
        });
        assert_eq!((spent.bytes, spent.calls), (1500, 2));
        assert_eq!(live() - before, 1000);
        drop(kept);
        assert_eq!(live(), before);
    }
}
