//! The engine owns floors: it feeds them inputs, journals their events, carries out their effects, and projects the
//! journal into tables. Used by `api` (through [`Engine`]) and started by the binary, which wires it to telephony.
//!
//! ```text
//!  telephony ─Up→ intake ──→ floor task ──events→ journal (or spool, which joins it) ──→ projector → tables
//!            ←Down─ outlet ←─effects─┘ └─views→ desks, live board
//! ```
//!
//! One task per floor decides; everybody else sends it messages. Device signalling passes by the floor through
//! [`device_hub`]. Configuration is written through the store; [`Engine::config_changed`] brings a published revision into
//! force. The engine never ends the process: the binary watches [`Engine::failed`].
mod bindings;
mod clock;
mod demo_caller;
pub mod device_hub;
mod directory;
mod engine;
mod error;
mod failure;
mod floor_task;
mod floors;
mod heartbeat;
mod intake;
mod leases;
mod live;
mod mailboxes;
mod outlet;
mod ownership;
pub mod port;
mod projector;
mod quality;
mod recording_shipper;
mod retention;
mod routes;
mod saver;
mod spend_alarm;
mod trunks;

pub use engine::{Engine, EngineConfig};
pub use error::CommandError;
pub use failure::Failure;
pub use floor_task::DeskState;
pub use leases::{Attendance, GRACE, Tab};
pub use mailboxes::NewMessages;
pub use outlet::OfferGone;
pub use projector::Projector;
pub use quality::LiveQuality;
pub use recording_shipper::{Render, Rendered};
pub use saver::Saving;
