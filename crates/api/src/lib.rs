//! REST, agent socket, OpenAPI and sign-in: the only place that knows the outside's JSON.
//!
//! The binary makes an [`App`] from a started engine and serves [`router`]. Every operation is declared once in
//! [`routes`]; the router wraps each in its gate ([`auth::gate`]): who is asking, may they, CSRF, repeats.
pub mod app;
pub mod auth;
pub mod dto;
pub mod error;
pub mod http;
pub mod openapi;
pub mod provisioning;
pub mod relays;
pub mod router;
pub mod routes;
pub mod socket;
mod views;

pub use app::{App, MakeOgg, OggWriter, Options};
pub use relays::Relays;
pub use router::router;
