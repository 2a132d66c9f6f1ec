//! The call centre as values and state machines.
//!
//! Pure: no clock, no sockets, no database, no randomness. Everything here takes the time it needs as an argument
//! and can be replayed. `engine` runs a [`floor`], `switch` carries out its [`leg`] commands, `store` keeps its
//! [`event`]s, `api` shows its views; they meet in the values of this crate.
pub mod access;
pub mod address;
pub mod calendar;
pub mod command;
pub mod config;
pub mod device;
pub mod directory;
pub mod effect;
pub mod event;
pub mod floor;
pub mod flow;
pub mod id;
pub mod input;
pub mod leg;
pub mod localized;
pub mod medium;
pub mod pii;
pub mod report;
pub mod routing;
pub mod time;
pub mod view;
