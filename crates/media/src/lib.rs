//! Sans-IO media: RTP, jitter, codecs, DTMF, tones, bridge matrix, recorder.
//!
//! [`Plane`] is one media thread's worth of legs and bridges. It has no socket, thread or clock: `telephony` feeds it
//! packets and time and sends what it hands out; `switch` decides, as [`Command`]s, and hears of it in [`Event`]s.
//! Time is a [`std::time::Duration`] since the start of the process. Audio inside is 8 kHz mono `i16`, 20 ms a tick.
//!
//! After every `handle*` call drain [`Plane::poll`] until `None`, then wait until [`Plane::next_timeout`].
//!
//! ```
//! use media::{AddLeg, BridgeKey, Codec, CodecParams, Command, Direction, DtmfParams, LegKey, LockPolicy, Output, Plane};
//! use media::{PlaneConfig, RtcpMode, Transport, bridge, rtp};
//! use std::time::Duration;
//!
//! let mut plane = Plane::new(PlaneConfig::default());
//! let now = Duration::from_secs(1);
//! for n in 1..=2u64 {
//!     let remote = format!("192.0.2.{n}:4000").parse().ok();
//!     let leg = AddLeg {
//!         leg: LegKey(n),
//!         transport: Transport::Rtp { remote, lock: LockPolicy::Any, rtcp: RtcpMode::Off },
//!         codec: CodecParams::new(Codec::Pcma, 8),
//!         dtmf: Some(DtmfParams::new(101)),
//!         direction: Direction::BOTH,
//!         seed: n,
//!         resume: None,
//!     };
//!     plane.handle(now, Command::AddLeg(leg)).unwrap();
//! }
//! let matrix = bridge::pair(LegKey(1), LegKey(2));
//! plane.handle(now, Command::SetBridge { bridge: BridgeKey(1), matrix }).unwrap();
//!
//! // A packet from the first peer is relayed to the second.
//! let header = rtp::Header { payload_type: 8, ..rtp::Header::default() };
//! let packet = rtp::Packet::new(header, &[0xd5; 160]).to_vec();
//! plane.handle_packet(now, LegKey(1), "192.0.2.1:4000".parse().unwrap(), &packet);
//! let relayed = std::iter::from_fn(|| plane.poll()).find_map(|output| match output {
//!     Output::Packet(packet) => Some(packet),
//!     _ => None,
//! });
//! assert_eq!(relayed.unwrap().leg, LegKey(2));
//! assert_eq!(plane.next_timeout(), Some(now + Duration::from_millis(20)));
//! ```

pub mod audio;
pub mod bridge;
pub mod codec;
pub mod dtmf;
pub mod g711;
pub mod g722;
pub mod inband;
pub mod jitter;
mod noise;
pub mod ogg;
pub mod opus;
mod plane;
pub mod plc;
pub mod quality;
pub mod recorder;
pub mod rtcp;
pub mod rtp;
pub mod tone;
pub mod wav;

pub use audio::Clip;
pub use codec::{Codec, FRAME, RATE};
pub use plane::Plane;
pub use plane::types::*;
