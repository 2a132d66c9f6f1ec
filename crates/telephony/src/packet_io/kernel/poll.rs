//! Level-triggered epoll. mio's is edge-triggered: with it each socket must be read until it is empty, which costs one
//! read in vain for each packet. Level-triggered, one read is enough: what is left is reported again.
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::time::Duration;

use crate::packet_io::SocketKey;

/// Ready sockets taken in one round; the others come with the next.
const EVENTS_MAX: usize = 4096;

pub(in crate::packet_io) struct Readiness {
    epoll: OwnedFd,
    events: Box<[libc::epoll_event]>,
    ready: usize,
}

impl Readiness {
    pub(in crate::packet_io) fn new() -> io::Result<Self> {
        // SAFETY: takes no pointers; the descriptor it answers is ours alone.
        let epoll = unsafe {
            let fd = libc::epoll_create1(libc::EPOLL_CLOEXEC);
            if fd < 0 {
                return Err(io::Error::last_os_error());
            }
            OwnedFd::from_raw_fd(fd)
        };
        Ok(Self { epoll, events: vec![libc::epoll_event { events: 0, u64: 0 }; EVENTS_MAX].into(), ready: 0 })
    }

    /// Watches a descriptor until it is closed, or removed.
    pub(in crate::packet_io) fn add(&self, key: SocketKey, fd: RawFd) -> io::Result<()> {
        let mut event = libc::epoll_event { events: libc::EPOLLIN as u32, u64: key as u64 };
        self.control(libc::EPOLL_CTL_ADD, fd, &raw mut event)
    }

    pub(in crate::packet_io) fn remove(&self, fd: RawFd) -> io::Result<()> {
        self.control(libc::EPOLL_CTL_DEL, fd, std::ptr::null_mut())
    }

    fn control(&self, operation: libc::c_int, fd: RawFd, event: *mut libc::epoll_event) -> io::Result<()> {
        // SAFETY: the kernel only reads the event, which lives until the call returns; removing needs none.
        let done = unsafe { libc::epoll_ctl(self.epoll.as_raw_fd(), operation, fd, event) };
        if done < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
    }

    /// Waits until something is ready or the time, in whole milliseconds from it upwards, is up.
    pub(in crate::packet_io) fn wait(&mut self, timeout: Duration) -> io::Result<()> {
        let timeout = libc::c_int::try_from(timeout.as_nanos().div_ceil(1_000_000)).unwrap_or(libc::c_int::MAX);
        // SAFETY: the kernel writes at most as many events as the slice has places for.
        let ready = unsafe {
            libc::epoll_wait(
                self.epoll.as_raw_fd(),
                self.events.as_mut_ptr(),
                self.events.len() as libc::c_int,
                timeout,
            )
        };
        self.ready = 0;
        match usize::try_from(ready) {
            Ok(ready) => {
                self.ready = ready;
                Ok(())
            }
            Err(_) => match io::Error::last_os_error() {
                error if error.kind() == io::ErrorKind::Interrupted => Ok(()),
                error => Err(error),
            },
        }
    }

    /// Number `at` of what the last wait found ready.
    pub(in crate::packet_io) fn get(&self, at: usize) -> Option<SocketKey> {
        self.events[..self.ready].get(at).map(|event| event.u64 as SocketKey)
    }
}
