//! The JSON of the outside, one module per group of resources; nothing else in Cordboard knows these shapes.
//!
//! Types here are thin: they hold `domain` ids, spell durations as `…_ms`, and convert to and from `domain` values.
//! A configuration resource is one struct of fields (`QueueFields`): `Queue` on the wire is those fields with `id`,
//! `POST` takes them, `PATCH` takes any subset of them (each field given replaces, null resets). The schemas of all three
//! are derived from the one struct (`crate::openapi`).
pub mod analysis;
pub mod command;
pub mod common;
pub mod coverage;
pub mod desk;
pub mod flow;
pub mod interaction;
pub mod live;
pub mod people;
pub mod quality;
pub mod recording;
pub mod routing;
pub mod session;
pub mod socket;
pub mod spend;
pub mod trunk;
pub mod voice;
pub mod voicemail;
pub mod words;
