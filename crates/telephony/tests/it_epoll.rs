//! The tests of `it` whose subject is media, with epoll: where the kernel allows it, `it` itself runs on io_uring.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(dead_code, reason = "not all helpers are used here")]
#[path = "it/browser.rs"]
mod browser;
#[path = "it/calls.rs"]
mod calls;
#[path = "it/floor.rs"]
mod floor;
#[path = "it/phone.rs"]
mod phone;
#[path = "it/safety.rs"]
mod safety;
#[path = "it/tone.rs"]
mod tone;
#[path = "it/webrtc.rs"]
mod webrtc;

const MEDIA_IO: telephony::MediaIo = telephony::MediaIo::Epoll;

#[test]
fn epoll_can_be_forced() {
    assert_eq!(floor::Floor::start().handle().media_io(), "epoll");
}
