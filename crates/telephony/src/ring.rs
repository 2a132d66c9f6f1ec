//! A bounded queue between two threads whose sender never waits and never loses: what does not fit stays with the
//! sender, in order, until [`Outbox::flush`] gets it through. The receiver is woken by the flush alone: a sender flushes
//! once in each round of its loop, and the receiver finds all of the round's values together. Used between the control, media and recording threads.
use std::collections::VecDeque;
use std::sync::Arc;

use crossbeam_channel::{Receiver, Sender, TrySendError};

use crate::wake::Wake;

/// The sending end, owned by one thread.
pub(crate) struct Outbox<T> {
    sender: Sender<T>,
    /// Wakes the receiver's poll loop, if it has one.
    waker: Option<Arc<Wake>>,
    waiting: VecDeque<T>,
    /// Something was put that the receiver has not been woken for.
    put: bool,
}

/// `capacity` values fit between the threads.
pub(crate) fn ring<T>(capacity: usize, waker: Option<Arc<Wake>>) -> (Outbox<T>, Receiver<T>) {
    let (sender, receiver) = crossbeam_channel::bounded(capacity);
    (Outbox { sender, waker, waiting: VecDeque::new(), put: false }, receiver)
}

impl<T> Outbox<T> {
    /// A second sender into the same ring, for another thread.
    pub(crate) fn another(&self) -> Self {
        Self { sender: self.sender.clone(), waker: self.waker.clone(), waiting: VecDeque::new(), put: false }
    }

    /// Passes a value on; true if it had to wait.
    pub(crate) fn send(&mut self, value: T) -> bool {
        self.waiting.push_back(value);
        self.put_waiting();
        !self.waiting.is_empty()
    }

    /// How many values wait on this side: a sender whose values may be lost looks here first.
    pub(crate) fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// Tries again and wakes the receiver; call at the end of each round of the thread's loop.
    pub(crate) fn flush(&mut self) {
        self.put_waiting();
        if std::mem::take(&mut self.put)
            && let Some(waker) = &self.waker
        {
            waker.wake();
        }
    }

    fn put_waiting(&mut self) {
        while let Some(value) = self.waiting.pop_front() {
            match self.sender.try_send(value) {
                Ok(()) => self.put = true,
                Err(TrySendError::Full(value)) => {
                    self.waiting.push_front(value);
                    break;
                }
                // The other thread is gone: the process is stopping.
                Err(TrySendError::Disconnected(_)) => self.waiting.clear(),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_arrives_later_in_order() {
        let (mut outbox, receiver) = ring(2, None);
        for i in 0..5 {
            outbox.send(i);
        }
        assert_eq!(outbox.waiting(), 3);
        let mut got: Vec<i32> = receiver.try_iter().collect();
        while outbox.waiting() > 0 {
            outbox.flush();
            got.extend(receiver.try_iter());
        }
        assert_eq!(got, [0, 1, 2, 3, 4]);
    }
}
