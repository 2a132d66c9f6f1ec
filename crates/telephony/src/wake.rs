//! Wakes a thread that waits in its poll loop, and costs nothing while it does not: under load the other side is busy
//! most of the time and finds what was sent to it without a system call.
//!
//! Senders put their value into the queue, then call [`Wake::wake`]. The thread says [`Wake::before_wait`], looks once
//! more into its queues, waits without a time-out only if they are empty, and says [`Wake::after_wait`]. The fences
//! order "put, then look whether it sleeps" against "sleeps, then look for what was put": at least one side sees the
//! other. A thread that never says when it waits is always woken.
use std::io;
use std::sync::atomic::{AtomicBool, Ordering, fence};

use mio::{Registry, Token, Waker};

#[derive(Debug)]
pub(crate) struct Wake {
    waker: Waker,
    waits: AtomicBool,
}

impl Wake {
    pub(crate) fn new(registry: &Registry, token: Token) -> io::Result<Self> {
        Ok(Self { waker: Waker::new(registry, token)?, waits: AtomicBool::new(true) })
    }

    pub(crate) fn wake(&self) {
        fence(Ordering::SeqCst);
        if self.waits.load(Ordering::Relaxed) {
            // Fails only when the thread's poll is gone: the process is stopping.
            let _ = self.waker.wake();
        }
    }

    pub(crate) fn before_wait(&self) {
        self.waits.store(true, Ordering::Relaxed);
        fence(Ordering::SeqCst);
    }

    pub(crate) fn after_wait(&self) {
        self.waits.store(false, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::*;

    /// Would hang (and fail by its wait) if a value could be put without either side noticing.
    #[test]
    fn no_value_is_left_lying_while_the_thread_sleeps() {
        let mut poll = mio::Poll::new().unwrap();
        let wake = Arc::new(Wake::new(poll.registry(), Token(0)).unwrap());
        let (sender, receiver) = crossbeam_channel::bounded(4);
        let waker = wake.clone();
        let thread = std::thread::spawn(move || {
            for i in 0..100_000u32 {
                sender.send(i).unwrap();
                waker.wake();
            }
        });
        let mut events = mio::Events::with_capacity(4);
        let mut next = 0;
        while next < 100_000 {
            wake.before_wait();
            let wait = if receiver.is_empty() { Duration::from_secs(20) } else { Duration::ZERO };
            poll.poll(&mut events, Some(wait)).unwrap();
            wake.after_wait();
            assert!(wait.is_zero() || !events.is_empty(), "slept over value {next}");
            for value in receiver.try_iter() {
                assert_eq!(value, next);
                next += 1;
            }
        }
        thread.join().unwrap();
    }
}
