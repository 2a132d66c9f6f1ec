//! Packets by io_uring: each socket has one multishot `recvmsg` that fills buffers of a shared ring as packets come,
//! sends are queued and go out together. Called by [`crate::packet_io::PacketIo`].
//!
//! ```text
//! add ──► armed ──► packets … ──► (no buffer left, or an error) ──► armed again at the end of the round
//!           │                 └─► more than a round's budget: the rest is held, the reception cancelled, armed again
//!           │                     when what is held has been handed out in the next rounds
//!           └────── remove: cancelled; later completions carry an old generation and are ignored
//! ```
//!
//! A busy round costs two system calls: [`Uring::flush`] hands its sends over, [`Uring::rest`] sleeps until the next round
//! is due and comes back with all that has arrived meanwhile. It asks for more completions than can come ([`TOGETHER`]):
//! the task is not woken before its time, and the kernel, which runs no more deferred work for one call than the caller
//! asked for (or some twenty pieces, if that is more), runs all of it.
//!
//! Every completion carries what it belongs to in its user data: kind, generation, key. Memory that the kernel may
//! touch (buffers, datagrams being sent, their addresses) is owned here and freed only when nothing is in flight.
use std::alloc::{Layout, alloc_zeroed, dealloc, handle_alloc_error};
use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsRawFd, RawFd};
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

use io_uring::types::{BufRingEntry, CancelBuilder, Fd, Fixed, RecvMsgOut, SubmitArgs, Timespec};
use io_uring::{IoUring, cqueue, opcode, squeue};
use mio::net::UdpSocket;
use mio::{Events, Poll};

use crate::packet_io::{Budget, Datagram, NAME_MAX, PACKET_MAX, SocketKey, parse_name, write_name};
use crate::stats::Counters;

// The rings are used from end to end before a place is used again, so each is as short as a round allows: what fits the
// processor's nearer caches stays there from round to round.
/// Operations handed over with one `enter` at most; more are handed over in between.
const QUEUE: u32 = 256;
/// Completions that fit: all buffers, failed sends, the ends of receptions. More wait in the kernel.
const COMPLETIONS: u32 = 2048;
/// Receive buffers, a power of two. They are filled while this thread is in the kernel, so they need to hold one round: 512
/// are what 3,000 calls bring in a millisecond and a half. What does not fit stays in its socket until the next.
const BUFFERS: u16 = 512;
/// Datagrams on their way out. They leave when they are handed over, so this bounds one handing over.
const SENDS: usize = 2 * QUEUE as usize;
const GROUP: u16 = 0;
/// Datagrams of one socket held for later rounds; more are dropped. With a leg's budget of a round these are five seconds of
/// its sound, and others still have half the buffers.
const HELD_MAX: usize = 192;
/// Completions that would end a round's rest before its time: more than there are buffers. Also the bound on pieces of
/// work that the kernel does for one call.
const TOGETHER: usize = 1024;

const RECEIVE: u64 = 1;
const SEND: u64 = 2;
const WAKE: u64 = 3;
const CANCEL: u64 = 4;

/// Kind (8 bits), generation (24), key (32).
fn tag(kind: u64, generation: u32, key: usize) -> u64 {
    kind << 56 | u64::from(generation & 0xff_ffff) << 32 | (key as u64 & 0xffff_ffff)
}

/// The ring of receive buffers, shared with the kernel: entries it takes from the head, we add at the tail.
struct Buffers {
    entries: NonNull<BufRingEntry>,
    data: Box<[[u8; PACKET_MAX]]>,
    tail: u16,
}

// SAFETY: the entries are owned by this value alone, as a Box's content would be.
unsafe impl Send for Buffers {}

impl Buffers {
    const LAYOUT: Layout = match Layout::from_size_align(size_of::<BufRingEntry>() * BUFFERS as usize, 4096) {
        Ok(layout) => layout,
        Err(_) => panic!("the layout is valid"),
    };

    fn new() -> Self {
        // SAFETY: the layout's size is not zero.
        let memory = unsafe { alloc_zeroed(Self::LAYOUT) };
        let Some(entries) = NonNull::new(memory.cast()) else { handle_alloc_error(Self::LAYOUT) };
        let mut buffers = Self { entries, data: vec![[0; PACKET_MAX]; BUFFERS.into()].into(), tail: 0 };
        (0..BUFFERS).for_each(|id| buffers.put(id));
        buffers.publish();
        buffers
    }

    /// Gives a buffer to the kernel; visible to it after [`Buffers::publish`].
    fn put(&mut self, id: u16) {
        let at = usize::from(self.tail % BUFFERS);
        // SAFETY: `at` is below BUFFERS, for which the layout has room; all-zero bytes are a valid entry; the kernel
        // reads entries between head and tail only, and this one is not yet there.
        let entry = unsafe { &mut *self.entries.as_ptr().add(at) };
        entry.set_addr(self.data[usize::from(id)].as_mut_ptr() as u64);
        entry.set_len(PACKET_MAX as u32);
        entry.set_bid(id);
        self.tail = self.tail.wrapping_add(1);
    }

    fn publish(&mut self) {
        // SAFETY: `entries` is the page-aligned beginning of the ring; its tail lies in the reserved field of the first
        // entry, is aligned for u16 and written by us alone; the kernel reads it atomically.
        let tail = unsafe { AtomicU16::from_ptr(BufRingEntry::tail(self.entries.as_ptr()).cast_mut()) };
        tail.store(self.tail, Ordering::Release);
    }
}

impl Drop for Buffers {
    fn drop(&mut self) {
        // SAFETY: allocated with this layout in `new`.
        unsafe { dealloc(self.entries.as_ptr().cast(), Self::LAYOUT) };
    }
}

/// A datagram on its way out, and the address as the kernel reads it.
struct Sending {
    bytes: Vec<u8>,
    to: [u8; NAME_MAX],
}

/// What the kernel may read or write while operations are in flight.
struct Shared {
    buffers: Buffers,
    /// Says how much room a received datagram's address gets in its buffer.
    header: libc::msghdr,
    /// Queued, until they are handed over. Never grows beyond its first capacity: the kernel has been given pointers.
    sends: Vec<Sending>,
}

// SAFETY: `header` holds null pointers only, and `Buffers` may be sent.
unsafe impl Send for Shared {}

#[derive(Default)]
struct Socket {
    /// `None`: the key is free.
    socket: Option<UdpSocket>,
    generation: u32,
    /// Datagrams in this round, and those held for the next ones.
    taken: usize,
    held: usize,
    /// The kernel has a reception of it.
    armed: bool,
    /// None is to be started while something is held.
    paused: bool,
}

struct Received {
    key: SocketKey,
    buffer: u16,
    length: usize,
}

pub(crate) struct Uring {
    ring: IoUring,
    /// Boxed, so that addresses given to the kernel stay; leaked if operations cannot be ended (see `drop`).
    shared: Option<Box<Shared>>,
    sockets: Vec<Socket>,
    /// Size of the table of registered files: sockets with higher keys are used by their descriptor.
    files: usize,
    budget: Budget,
    inbox: VecDeque<Received>,
    /// What came beyond its socket's budget of the round, in order.
    held: VecDeque<Received>,
    /// Sockets whose reception is to be cancelled.
    pausing: Vec<SocketKey>,
    /// The buffer that the caller of `next` may still be reading.
    lent: Option<u16>,
    /// Sockets whose reception ended and is to be started again.
    rearm: Vec<SocketKey>,
    /// Keys with `taken` above zero.
    touched: Vec<SocketKey>,
    /// Operations other than sends that the kernel has not reported the end of.
    in_flight: usize,
    waker: Option<(Poll, Events)>,
    /// The waker was used since the last wait.
    woken: bool,
    /// The waker's operation must be started (again).
    wake_ended: bool,
    begun: bool,
    counters: Arc<Counters>,
}

impl Uring {
    /// A ring that is not enabled yet.
    ///
    /// # Errors
    /// The kernel has no io_uring, is older than 6.1, or forbids it.
    pub(in crate::packet_io) fn open(budget: Budget, sockets_max: usize, counters: Arc<Counters>) -> io::Result<Self> {
        let ring = IoUring::builder()
            .setup_single_issuer()
            .setup_defer_taskrun()
            // The thread that enables it later is the single issuer.
            .setup_r_disabled()
            // One refused operation must not hold up the others.
            .setup_submit_all()
            .setup_cqsize(COMPLETIONS)
            .build(QUEUE)?;
        // SAFETY: all-zero bytes are a valid msghdr.
        let mut header: libc::msghdr = unsafe { std::mem::zeroed() };
        header.msg_namelen = NAME_MAX as libc::socklen_t;
        let shared = Box::new(Shared { buffers: Buffers::new(), header, sends: Vec::with_capacity(SENDS) });
        // SAFETY: the entries are page-aligned, BUFFERS of them, initialised, and live until the ring is closed.
        unsafe {
            ring.submitter().register_buf_ring_with_flags(shared.buffers.entries.as_ptr() as u64, BUFFERS, GROUP, 0)?;
        }
        // More than the limit of open files is refused, and no more sockets than that can be open.
        let mut files = sockets_max;
        while files > 0 && ring.submitter().register_files_sparse(files as u32).is_err() {
            files /= 2;
        }
        Ok(Self {
            ring,
            shared: Some(shared),
            sockets: Vec::new(),
            files,
            budget,
            inbox: VecDeque::new(),
            held: VecDeque::new(),
            pausing: Vec::new(),
            lent: None,
            rearm: Vec::new(),
            touched: Vec::new(),
            in_flight: 0,
            waker: None,
            woken: false,
            wake_ended: false,
            begun: false,
            counters,
        })
    }

    /// Lets this poll's waker end [`Uring::wait`].
    pub(in crate::packet_io) fn watch_waker(&mut self, poll: Poll) -> io::Result<()> {
        self.waker = Some((poll, Events::with_capacity(8)));
        self.wake_ended = true;
        Ok(())
    }

    pub(in crate::packet_io) fn begin(&mut self) -> io::Result<()> {
        self.ring.submitter().register_enable_rings()?;
        self.begun = true;
        Ok(())
    }

    pub(in crate::packet_io) fn add(&mut self, key: SocketKey, socket: UdpSocket) -> io::Result<()> {
        if self.sockets.len() <= key {
            self.sockets.resize_with(key + 1, Socket::default);
        }
        self.register(key, socket.as_raw_fd())?;
        let generation = self.sockets[key].generation.wrapping_add(1);
        self.sockets[key] = Socket { socket: Some(socket), generation, ..Socket::default() };
        self.rearm.push(key);
        Ok(())
    }

    fn register(&self, key: SocketKey, fd: RawFd) -> io::Result<()> {
        if key < self.files {
            self.ring.submitter().register_files_update(key as u32, &[fd])?;
        }
        Ok(())
    }

    pub(in crate::packet_io) fn remove(&mut self, key: SocketKey) {
        let Some(entry) = self.sockets.get_mut(key) else { return };
        let Some(socket) = entry.socket.take() else { return };
        let target = tag(RECEIVE, entry.generation, key);
        // What completes from here on belongs to nobody.
        entry.generation = entry.generation.wrapping_add(1);
        self.rearm.retain(|&k| k != key);
        self.pausing.retain(|&k| k != key);
        if let Some(shared) = &mut self.shared {
            self.held.retain(|received| {
                if received.key == key {
                    shared.buffers.put(received.buffer);
                }
                received.key != key
            });
        }
        let cancel = opcode::AsyncCancel::new(target).build().user_data(tag(CANCEL, 0, 0));
        self.push(&cancel);
        // Packets queued for it leave before its place is given up.
        self.submit();
        // Fails only for a place out of range.
        let _ = self.register(key, -1);
        drop(socket);
    }

    /// Queues an operation; false if there is no room and the kernel takes none.
    fn push(&mut self, operation: &squeue::Entry) -> bool {
        // SAFETY: what the operation points to is in `shared` and lives until the operation's end is reported.
        while unsafe { self.ring.submission().push(operation) }.is_err() {
            if !self.submit() {
                return false;
            }
        }
        self.in_flight += 1;
        true
    }

    /// Hands the queued operations to the kernel and takes what has completed; false if it took none.
    fn submit(&mut self) -> bool {
        // Before the ring is enabled its queue takes hundreds of operations, far more than there are then.
        if !self.begun {
            return false;
        }
        // Refused while completions overflow or memory is short: the operations stay queued.
        let taken = self.ring.submit();
        self.handed_over();
        !matches!(taken, Ok(0) | Err(_))
    }

    /// Call when the kernel has been given the queue. A send that may not wait (`MSG_DONTWAIT`) is over when the call that
    /// hands it over returns: it is tried once, within that call, and never taken up again.
    fn handed_over(&mut self) {
        self.reap();
        if self.ring.submission().is_empty()
            && let Some(shared) = &mut self.shared
        {
            shared.sends.clear();
        }
    }

    fn arm(&mut self, key: SocketKey) {
        let (Some(entry), Some(shared)) = (self.sockets.get_mut(key), self.shared.as_ref()) else { return };
        let Some(socket) = entry.socket.as_ref().filter(|_| !entry.paused && !entry.armed) else { return };
        entry.armed = true;
        let tag = tag(RECEIVE, entry.generation, key);
        let header = &raw const shared.header;
        let receive = if key < self.files {
            opcode::RecvMsgMulti::new(Fixed(key as u32), header, GROUP).build()
        } else {
            opcode::RecvMsgMulti::new(Fd(socket.as_raw_fd()), header, GROUP).build()
        };
        if !self.push(&receive.user_data(tag)) {
            self.sockets[key].armed = false;
            self.rearm.push(key);
        }
    }

    /// Cancels the receptions of sockets that gave more than they may, and hands out what is held of them, a round's budget
    /// each.
    fn hand_out_held(&mut self) {
        for key in std::mem::take(&mut self.pausing) {
            let Some(generation) = self.sockets.get(key).map(|socket| socket.generation) else { continue };
            let cancel = opcode::AsyncCancel::new(tag(RECEIVE, generation, key)).build();
            // If it cannot be cancelled now, what comes meanwhile is held, or dropped.
            self.push(&cancel.user_data(tag(CANCEL, 0, 0)));
        }
        for _ in 0..self.held.len() {
            let Some(received) = self.held.pop_front() else { break };
            let Some(socket) = self.sockets.get_mut(received.key) else { continue };
            if socket.taken == self.budget.of(received.key) {
                self.held.push_back(received);
                continue;
            }
            if socket.taken == 0 {
                self.touched.push(received.key);
            }
            socket.taken += 1;
            socket.held -= 1;
            if socket.held == 0 {
                socket.paused = false;
                self.rearm.push(received.key);
            }
            self.inbox.push_back(received);
        }
    }

    /// Waits for the first thing to happen, unless something has happened already.
    pub(in crate::packet_io) fn wait(&mut self, timeout: Duration) -> io::Result<()> {
        if self.inbox.is_empty() && !self.woken && self.rearm.is_empty() && !self.wake_ended && !timeout.is_zero() {
            self.enter(1, timeout)?;
        }
        self.woken = false;
        Ok(())
    }

    /// Hands over what is queued, waits for so many completions or until the time is up, takes what has completed.
    fn enter(&mut self, completions: usize, timeout: Duration) -> io::Result<()> {
        let time = Timespec::new().sec(timeout.as_secs()).nsec(timeout.subsec_nanos());
        let args = SubmitArgs::new().timespec(&time);
        let entered = self.ring.submitter().submit_with_args(completions, &args);
        self.handed_over();
        match entered {
            Ok(_) => Ok(()),
            // Time is up, a signal came, completions overflow, memory is short: all of it is looked at in this round.
            Err(error) => match error.raw_os_error() {
                Some(libc::ETIME | libc::EINTR | libc::EBUSY | libc::EAGAIN) => Ok(()),
                _ => Err(error),
            },
        }
    }

    /// Takes completions over.
    fn reap(&mut self) {
        let Some(shared) = self.shared.as_mut() else { return };
        let mut woken = false;
        for done in self.ring.completion() {
            let (data, result, flags) = (done.user_data(), done.result(), done.flags());
            let goes_on = cqueue::more(flags);
            if !goes_on && data >> 56 != SEND {
                self.in_flight -= 1;
            }
            let (generation, key) = ((data >> 32) as u32 & 0xff_ffff, (data & 0xffff_ffff) as usize);
            match data >> 56 {
                RECEIVE => {
                    let socket = self.sockets.get_mut(key).filter(|s| s.generation & 0xff_ffff == generation);
                    let buffer = cqueue::buffer_select(flags);
                    let Some(socket) = socket else {
                        buffer.into_iter().for_each(|buffer| shared.buffers.put(buffer));
                        continue;
                    };
                    if let Some(buffer) = buffer {
                        let received = usize::try_from(result).map(|length| Received { key, buffer, length });
                        match received {
                            Ok(received) if socket.taken < self.budget.of(key) && socket.held == 0 => {
                                if socket.taken == 0 {
                                    self.touched.push(key);
                                }
                                socket.taken += 1;
                                self.inbox.push_back(received);
                            }
                            Ok(received) if socket.held < HELD_MAX => {
                                socket.held += 1;
                                if !std::mem::replace(&mut socket.paused, true) {
                                    self.pausing.push(key);
                                }
                                self.held.push_back(received);
                            }
                            Ok(_) | Err(_) => shared.buffers.put(buffer),
                        }
                    }
                    // Buffers were used up, it was cancelled, or the kernel wants to be asked again.
                    if !goes_on {
                        socket.armed = false;
                        self.rearm.push(key);
                    }
                }
                // Only failures are reported.
                SEND => Counters::add(&self.counters.rtp_send_failed, 1),
                WAKE => {
                    woken = true;
                    self.wake_ended |= !goes_on;
                }
                _ => {}
            }
        }
        if woken && let Some((poll, events)) = &mut self.waker {
            self.woken = true;
            // Takes the wake-up back; there is nothing else in this poll.
            let _ = poll.poll(events, Some(Duration::ZERO));
        }
        shared.buffers.publish();
    }

    pub(in crate::packet_io) fn next(&mut self) -> Option<Datagram<'_>> {
        loop {
            let shared = self.shared.as_mut()?;
            if let Some(buffer) = self.lent.take() {
                shared.buffers.put(buffer);
            }
            let Some(Received { key, buffer, length }) = self.inbox.pop_front() else {
                shared.buffers.publish();
                return None;
            };
            self.lent = Some(buffer);
            let is_open = self.sockets.get(key).is_some_and(|s| s.socket.is_some());
            let bytes = shared.buffers.data[usize::from(buffer)].get(..length).unwrap_or_default();
            // What was queued for a removed socket, or does not fit a buffer, is left out.
            let whole = RecvMsgOut::parse(bytes, &shared.header).ok().filter(|o| is_open && !o.is_payload_truncated());
            let found = whole.and_then(|out| Some((parse_name(out.name_data())?, out.payload_data().len())));
            if let Some((source, payload)) = found {
                let bytes = &self.shared.as_ref()?.buffers.data[usize::from(buffer)][length - payload..length];
                return Some(Datagram { socket: key, source, bytes });
            }
        }
    }

    pub(in crate::packet_io) fn send(&mut self, key: SocketKey, to: SocketAddr, bytes: Vec<u8>) {
        let is_full = |ring: &mut Self| {
            ring.ring.submission().is_full() || ring.shared.as_ref().is_none_or(|shared| shared.sends.len() == SENDS)
        };
        // Before it is queued: handing over lets go of what is.
        if is_full(self) {
            self.submit();
        }
        let fd = self.sockets.get(key).and_then(|s| s.socket.as_ref()).map(AsRawFd::as_raw_fd);
        let Some(fd) = fd else { return };
        if is_full(self) {
            // Hundreds of datagrams that the kernel has not taken: it will not take this one either.
            return Counters::add(&self.counters.rtp_send_failed, 1);
        }
        let Some(shared) = &mut self.shared else { return };
        let (to, name_length) = write_name(to);
        shared.sends.push(Sending { bytes, to });
        let Some(sending) = shared.sends.last() else { return };
        let (start, length, name) = (sending.bytes.as_ptr(), sending.bytes.len() as u32, sending.to.as_ptr());
        // Without waiting: a full socket is a lost packet, as with any other sender of RTP.
        let flags = libc::MSG_DONTWAIT;
        let send = if key < self.files {
            opcode::Send::new(Fixed(key as u32), start, length)
        } else {
            opcode::Send::new(Fd(fd), start, length)
        };
        let send = send.flags(flags).dest_addr(name.cast()).dest_addr_len(name_length).build();
        let send = send.flags(squeue::Flags::SKIP_SUCCESS).user_data(tag(SEND, 0, 0));
        // SAFETY: octets and address are in `shared.sends`, which stays where it is (see there) and keeps them until the
        // operation has been handed over and with that is over (see `handed_over`).
        if unsafe { self.ring.submission().push(&send) }.is_err() {
            Counters::add(&self.counters.rtp_send_failed, 1);
        }
    }

    pub(in crate::packet_io) fn flush(&mut self) {
        for key in std::mem::take(&mut self.touched) {
            if let Some(socket) = self.sockets.get_mut(key) {
                socket.taken = 0;
            }
        }
        self.hand_out_held();
        for key in std::mem::take(&mut self.rearm) {
            self.arm(key);
        }
        if std::mem::take(&mut self.wake_ended)
            && let Some((poll, _)) = &self.waker
        {
            let watch = opcode::PollAdd::new(Fd(poll.as_raw_fd()), libc::POLLIN as u32).multi(true).build();
            self.wake_ended = !self.push(&watch.user_data(tag(WAKE, 0, 0)));
        }
        if !self.ring.submission().is_empty() {
            self.submit();
        }
    }

    pub(in crate::packet_io) fn rest(&mut self, until: Instant) -> io::Result<()> {
        self.enter(TOGETHER, until.saturating_duration_since(Instant::now()))
    }
}

impl Drop for Uring {
    /// Ends what is in flight and lets go of the sockets. The kernel takes a ring apart at its leisure, and ports would
    /// stay in use meanwhile. Should it not end the operations, the memory they may touch is never freed.
    fn drop(&mut self) {
        if !self.begun {
            return;
        }
        let _ = self.ring.submit();
        // Answers after all matching operations are cancelled; their completions follow.
        let _ = self.ring.submitter().register_sync_cancel(None, CancelBuilder::any());
        for _ in 0..100 {
            self.reap();
            if self.in_flight == 0 {
                break;
            }
            let time = Timespec::new().nsec(10_000_000);
            let _ = self.ring.submitter().submit_with_args(1, &SubmitArgs::new().timespec(&time));
        }
        let _ = self.ring.submitter().unregister_files();
        if self.in_flight > 0 {
            std::mem::forget(self.shared.take());
            tracing::warn!(operations = self.in_flight, "io_uring did not end all operations");
        }
    }
}
