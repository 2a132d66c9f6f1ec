//! Virtual clock with simulated callers and agents, driving the real floor.
//!
//! A [`World`] owns a `domain::floor::Floor`, a switch that answers its commands, callers who arrive, wait, press
//! digits and give up, and agents who accept, miss, hold, wrap up, take breaks and lose their connection. Everything
//! follows from one seed: the same seed gives the same journal, byte for byte. [`history`] makes a plausible week of
//! it for a sample tenant. [`exchange`] is the larger world: a whole node between simulated telephones. Imports pure
//! crates only: no clock, no sockets.
//!
//! ```
//! use sim::{Manner, World, company};
//! use domain::time::Timestamp;
//! use std::time::Duration;
//!
//! let start = Timestamp(1_789_956_000_000);
//! let mut world = World::new(company::config(), 7, start, Manner::lively());
//! world.run(Duration::from_secs(3600));
//! world.close();
//! assert_eq!(world.verify(), Ok(()));
//! assert!(world.ledger().calls > 0);
//! ```
mod agents;
mod callers;
pub mod company;
mod dice;
pub mod exchange;
pub mod history;
mod manner;
mod switch;
mod verify;
mod world;

pub use manner::{Manner, Shape};
pub use verify::Fault;
pub use world::{Ledger, World};
