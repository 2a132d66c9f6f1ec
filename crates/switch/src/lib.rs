//! Sans-IO call control: turns the floor's leg commands into SIP and media commands, and their events into leg events.
//!
//! `telephony` owns the sockets, the media threads and the WebRTC peers; it drives one [`Switch`] per node:
//!
//! ```text
//! switch.handle(now, input);             // whatever happened: Leg, Sip, Media, Device, Peer, Directory, …
//! while let Some(output) = switch.poll() // carry it out, in order
//! { … }
//! switch.next_timeout()                  // call handle(now, Input::Tick) not later than this
//! ```
//!
//! `now` is monotonic time since the node started; [`Config::wall_ms_at_start`] makes wall time of it. The switch never
//! reads a clock, opens a socket or draws randomness: the same inputs give the same outputs.
//!
//! An agent's browser that is not connected cannot be called:
//!
//! ```
//! use std::{sync::Arc, time::Duration};
//! use domain::directory::{DeviceEntry, DeviceEntryKind, Directory};
//! use domain::id::{DeviceId, LegId, TenantId};
//! use domain::leg::{CallerId, Dial, EndCause, LegCommand, LegEvent};
//! use switch::{Config, Input, Output, Switch};
//!
//! let (tenant, device, leg) = (TenantId(1), DeviceId(2), LegId(3));
//! let mut directory = Directory::default();
//! directory.devices.insert(device, DeviceEntry { tenant, kind: DeviceEntryKind::Browser, srtp: Default::default(), codecs: Vec::new() });
//!
//! let mut switch = Switch::new(Config::new(1, 1, 42, 1_700_000_000_000));
//! switch.handle(Duration::ZERO, Input::Directory(Arc::new(directory)));
//! let to = Dial::Device { device };
//! let (from, ring_timeout) = (CallerId::default(), Duration::from_secs(20));
//! let call = LegCommand::Originate { leg, tenant, interaction: None, to, from, ring_timeout, beside: None };
//! switch.handle(Duration::from_secs(1), Input::Leg(call));
//! let Some(Output::Leg(LegEvent::Ended { cause, .. })) = switch.poll() else { panic!("the leg ends") };
//! assert_eq!(cause, EndCause::Unreachable);
//! ```
//!
//! # A leg's life
//!
//! ```text
//! INVITE, guest dials → Offered ─ Ring → Ringing ─┐
//!                          └──────────── Answer ──┴→ Opening ─ media open → Up ─┐
//! Originate → Resolving → Opening → Calling ─ 180 → Ringing ─ 200 ──────────→ Up ─┤
//!                                                        any state, any cause → Ending ─ media closed → (gone, Ended)
//! ```
//!
//! Invariants: (S1) each leg is reported `Ended` exactly once, and nothing is reported about it afterwards; (S2) a
//! leg that ended leaves no entry in any table; (S3) every table has a bound in [`Config`]; (S4) a command about a leg
//! that is unknown or ending does nothing.
mod again;
mod align;
mod browser;
mod checkpoint;
mod config;
mod dialog;
mod ending;
mod fax;
mod inbound;
mod io;
mod leg;
mod negotiate;
mod outbound;
mod policy;
mod recording;
mod registrations;
mod sound;
mod switch;
mod timers;
mod trunks;
mod web_sound;

pub use checkpoint::{Checkpoint, Kept};
pub use config::{Config, Signer};
pub use inbound::Policy;
pub use io::{Input, Output, PeerAudio, PeerCommand, PeerEvent, PeerRef, ResolveKey, SrtpNumbers, Transport};
pub use switch::Switch;
