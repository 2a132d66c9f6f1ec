//! Many datagrams with one system call: `recvmmsg` and `sendmmsg`.
use std::io;
use std::net::SocketAddr;
use std::os::fd::AsRawFd;

use mio::net::UdpSocket;
use socket2::SockAddr;

use crate::packet_io::{NAME_MAX, PACKET_MAX, parse_name};

/// What one `recvmmsg` brought.
pub(in crate::packet_io) struct Received {
    buffers: Box<[[u8; PACKET_MAX]]>,
    names: Box<[[u8; NAME_MAX]]>,
    /// Source (`None`: to be left out) and length.
    got: Vec<(Option<SocketAddr>, usize)>,
}

impl Received {
    /// Datagrams in one call at most.
    pub(in crate::packet_io) const MAX: usize = 32;

    pub(in crate::packet_io) fn new() -> Self {
        Self {
            buffers: vec![[0; PACKET_MAX]; Self::MAX].into(),
            names: vec![[0; NAME_MAX]; Self::MAX].into(),
            got: Vec::with_capacity(Self::MAX),
        }
    }

    pub(in crate::packet_io) fn clear(&mut self) {
        self.got.clear();
    }

    /// Source of datagram number `at`; the inner `None` for one to be left out, the outer for no such number.
    pub(in crate::packet_io) fn source(&self, at: usize) -> Option<Option<SocketAddr>> {
        self.got.get(at).map(|(source, _)| *source)
    }

    pub(in crate::packet_io) fn bytes(&self, at: usize) -> &[u8] {
        let length = self.got.get(at).map_or(0, |(_, length)| *length);
        self.buffers.get(at).and_then(|buffer| buffer.get(..length)).unwrap_or_default()
    }

    /// Reads up to `want` datagrams without waiting; answers how many.
    pub(in crate::packet_io) fn read(&mut self, socket: &UdpSocket, want: usize) -> io::Result<usize> {
        const N: usize = Received::MAX;
        let want = want.min(N);
        // SAFETY: all-zero bytes are valid values of these plain C structures.
        let (mut parts, mut headers): ([libc::iovec; N], [libc::mmsghdr; N]) = unsafe { std::mem::zeroed() };
        for at in 0..want {
            parts[at].iov_base = self.buffers[at].as_mut_ptr().cast();
            parts[at].iov_len = PACKET_MAX;
            let header = &mut headers[at].msg_hdr;
            header.msg_name = self.names[at].as_mut_ptr().cast();
            header.msg_namelen = NAME_MAX as libc::socklen_t;
            header.msg_iov = &raw mut parts[at];
            header.msg_iovlen = 1;
        }
        // SAFETY: the first `want` headers point to buffers and names of the lengths given, which live until the call
        // returns and to which nothing else refers meanwhile.
        let got = unsafe {
            libc::recvmmsg(
                socket.as_raw_fd(),
                headers.as_mut_ptr(),
                want as libc::c_uint,
                libc::MSG_DONTWAIT,
                std::ptr::null_mut(),
            )
        };
        self.got.clear();
        let got = usize::try_from(got).map_err(|_| io::Error::last_os_error())?;
        for (header, name) in headers.iter().zip(&self.names).take(got) {
            let is_whole = header.msg_hdr.msg_flags & libc::MSG_TRUNC == 0;
            let source = parse_name(name).filter(|_| is_whole);
            self.got.push((source, (header.msg_len as usize).min(PACKET_MAX)));
        }
        Ok(got)
    }
}

/// Sends each datagram, with as few system calls as the kernel allows; answers how many it took. One that is refused
/// is passed over.
pub(in crate::packet_io) fn send_many(socket: &UdpSocket, datagrams: &[(SocketAddr, Vec<u8>)]) -> usize {
    let mut sent = 0;
    for batch in datagrams.chunks(Received::MAX) {
        let names: Vec<SockAddr> = batch.iter().map(|(to, _)| SockAddr::from(*to)).collect();
        // SAFETY: all-zero bytes are valid values of these plain C structures.
        let (mut parts, mut headers): ([libc::iovec; Received::MAX], [libc::mmsghdr; Received::MAX]) =
            unsafe { std::mem::zeroed() };
        for (at, ((_, bytes), name)) in batch.iter().zip(&names).enumerate() {
            parts[at].iov_base = bytes.as_ptr().cast_mut().cast();
            parts[at].iov_len = bytes.len();
            let header = &mut headers[at].msg_hdr;
            header.msg_name = name.as_ptr().cast_mut().cast();
            header.msg_namelen = name.len();
            header.msg_iov = &raw mut parts[at];
            header.msg_iovlen = 1;
        }
        let mut from = 0;
        while from < batch.len() {
            let left = &mut headers[from..batch.len()];
            // SAFETY: the headers point to octets and names that live until the call returns; the kernel only reads
            // them.
            let taken = unsafe {
                libc::sendmmsg(socket.as_raw_fd(), left.as_mut_ptr(), left.len() as libc::c_uint, libc::MSG_DONTWAIT)
            };
            match usize::try_from(taken) {
                Ok(taken) if taken > 0 => {
                    sent += taken;
                    from += taken;
                }
                // The first of the rest was refused.
                _ => from += 1,
            }
        }
    }
    sent
}
