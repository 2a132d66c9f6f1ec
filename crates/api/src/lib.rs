//! REST, agent socket, OpenAPI and sign-in: the only place that knows the outside's JSON.
pub mod auth;
pub mod dto;
pub mod error;
pub mod http;
pub mod openapi;
pub mod routes;

#[derive(Clone)]
pub struct App;
