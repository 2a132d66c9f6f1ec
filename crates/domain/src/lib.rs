//! The call centre as values and state machines.
//!
//! Pure: no clock, no sockets, no database, no randomness. Everything here takes the time it needs as an argument
//! and can be replayed. `engine` runs a [`floor`], `switch` carries out its [`leg`] commands, `store` keeps its
//! [`event`]s, `api` shows its [`view`]s; they meet in the values of this crate.
//!
//! The contract of a floor in one example: inputs go in, events and effects come out, and the events alone build the
//! same floor again.
//!
//! ```
//! use std::sync::Arc;
//! use domain::config::{Entitlements, EntryPoint, NumberConfig, TenantConfig};
//! use domain::effect::Effect;
//! use domain::floor::Floor;
//! use domain::id::{AddressId, FloorId, IdMint, LegId, NumberId, TenantId};
//! use domain::input::Input;
//! use domain::leg::{Codec, LegCommand, LegEvent, Via};
//! use domain::localized::{Lang, Localized};
//! use domain::time::Timestamp;
//!
//! // A company with one number that lets callers hear themselves.
//! let number = NumberId(1);
//! let echo = NumberConfig {
//!     id: number,
//!     number: "3000".into(),
//!     name: Localized::both("回音测试", "Echo test"),
//!     entry: EntryPoint::Echo,
//!     lang: Lang::En,
//!     sample: true,
//!     web: false,
//!     record: None,
//! };
//! let config = Arc::new(TenantConfig {
//!     tenant: TenantId(1),
//!     rev: 1,
//!     name: "Sample".into(),
//!     time_zone: "Asia/Shanghai".into(),
//!     lang: Lang::Zh,
//!     entitlements: Entitlements { seats: 5, concurrent_calls: 10, retention_days: 90 },
//!     agents: Default::default(),
//!     teams: Default::default(),
//!     skills: Default::default(),
//!     queues: Default::default(),
//!     calendars: Default::default(),
//!     flows: Default::default(),
//!     numbers: [(number, echo)].into(),
//!     devices: Default::default(),
//!     dispositions: Default::default(),
//!     break_reasons: Default::default(),
//!     music: None,
//!     monitoring_shown: false,
//!     region: None,
//!     trunks: Default::default(),
//!     routes: Default::default(),
//!     outbound: Default::default(),
//!     recording: Default::default(),
//!     voicemail: Default::default(),
//!     mask_numbers: false,
//! });
//! let mut floor = Floor::new(FloorId(1), config.clone(), IdMint::new(1, 1));
//!
//! // The switch reports a call; the engine has stored the caller's address and passes its id.
//! let (leg, from) = (LegId(7), AddressId(9));
//! let call = Input::CallOffered { leg, number, from, via: Via::Loopback, known: Default::default() };
//! let accepted = floor.handle(Timestamp(1_000), call)?;
//! assert!(accepted.interaction.is_some());
//!
//! // What happened goes to the journal, what is to be done to the switch.
//! let mut journal = Vec::new();
//! journal.extend(std::iter::from_fn(|| floor.poll_event()));
//! assert_eq!(floor.poll_effect(), Some(Effect::Leg(LegCommand::Answer { leg })));
//!
//! let answered = LegEvent::Answered { leg, codec: Codec::Pcma };
//! floor.handle(Timestamp(1_020), Input::Leg(answered))?;
//! journal.extend(std::iter::from_fn(|| floor.poll_event()));
//! assert!(matches!(floor.poll_effect(), Some(Effect::Leg(LegCommand::Bridge { .. }))));
//!
//! // Replay: the journal alone gives the same state (R8).
//! let mut again = Floor::new(FloorId(1), config, IdMint::new(1, 2));
//! journal.iter().for_each(|event| again.apply(event));
//! assert_eq!(again.snapshot(), floor.snapshot());
//! # Ok::<(), domain::input::Rejected>(())
//! ```
pub mod access;
pub mod address;
pub mod calendar;
pub mod command;
pub mod config;
pub mod coverage;
pub mod device;
pub mod directory;
pub mod effect;
pub mod event;
pub mod floor;
pub mod flow;
pub mod id;
pub mod input;
pub mod keys;
pub mod leg;
pub mod localized;
pub mod mailbox;
pub mod medium;
pub mod outbound;
pub mod pii;
pub mod recording;
pub mod report;
pub mod routing;
pub mod spend;
pub mod time;
pub mod trunk;
pub mod view;
pub mod workforce;
