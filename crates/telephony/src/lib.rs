//! Telephony: the sockets, timers and operating-system threads that drive the state machines `sip`, `media`, `switch`
//! and `str0m`. It decides nothing; it knows neither queues nor agents. Started by the binary, used by the engine.
//!
//! ```text
//!            commands, signals, directory                      LegEvent, DeviceReport
//!   engine ───────── CommandSender ─────────┐         ┌──────── Config::on_event ──────── engine
//!                                           ▼         │
//!   SIP UDP/TCP/TLS ◄────────────────► control thread: sip ⇄ switch ──► checkpoint file
//!                                           │  ▲              └── names thread (system resolver)
//!                                           ▼  │ rings
//!   RTP pairs, WebRTC port ◄─────────► media thread: plane ⇄ str0m ──► recording thread ──► spool files
//! ```
//!
//! All rings are bounded and nobody waits on one with a packet in hand. What must not be lost (leg events, commands to
//! the media thread, marks of recordings) waits with its sender; audio for a disk that does not keep up is left out
//! and listed as a gap.
//!
//! # Use
//!
//! ```no_run
//! let (events, received) = std::sync::mpsc::sync_channel(65_536);
//! let sink = Box::new(move |up| match events.try_send(up) {
//!     Ok(()) => None,
//!     Err(std::sync::mpsc::TrySendError::Full(up) | std::sync::mpsc::TrySendError::Disconnected(up)) => Some(up),
//! });
//! let mut config = telephony::Config::new(std::path::Path::new("data"), [7; 32], sink);
//! config.sip = "127.0.0.1:5060".parse().unwrap();
//! let handle = telephony::Telephony::start(config)?;
//! let sender = handle.sender();
//! sender.directory(Default::default()).unwrap();
//! while let Ok(up) = received.recv() {
//!     println!("{up:?}");
//! }
//! handle.shutdown(std::time::Duration::from_secs(5));
//! # Ok::<(), telephony::StartError>(())
//! ```
mod checkpoint;
mod config;
mod control;
mod dns;
mod handle;
mod media_thread;
mod names;
mod net;
mod packet_io;
mod recording;
mod ring;
mod srtp;
mod stats;
mod wake;
mod web;
mod webrtc;

pub use config::{Config, Limits, MediaIo, Sink, SipTls, StartError, Stir, Up};
pub use handle::{Busy, CommandSender, Handle, Telephony};
pub use recording::{Leftover, gap_cause};
pub use stats::Stats;
pub use web::{ToPhone, WebDoor, WebPhone};
#[doc(hidden)]
pub use webrtc::{binding_ufrag, offer_fault};
