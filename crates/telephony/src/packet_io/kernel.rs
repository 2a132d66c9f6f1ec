//! The system calls that the standard library lacks: `recvmmsg`, `sendmmsg`, epoll and io_uring. All unsafe code of the crate
//! is below here. Called by [`super`].
mod mmsg;
mod poll;
mod uring;

pub(super) use mmsg::{Received, send_many};
pub(super) use poll::Readiness;
pub(super) use uring::Uring;
