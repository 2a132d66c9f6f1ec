//! Telephony from outside: real sockets on loopback, an independent phone and browser, sound judged by tone detection.
//! The test plays the floor. Each module is one subject.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod browser;
mod calls;
mod door;
mod floor;
mod line;
mod names;
mod phone;
mod restart;
mod safety;
mod start;
mod tls;
mod tone;
mod webrtc;

/// What the kernel allows; `it_epoll` runs the same with epoll.
const MEDIA_IO: telephony::MediaIo = telephony::MediaIo::Auto;
