//! The sockets: `/socket` for agents and supervisors ([`agent`]), `/public/socket` for the customer page ([`guest`]).
//!
//! A connection keeps no queue of its own: it compares what it sent with what is (desk, board rows), so a slow reader
//! costs nothing; one that does not take a message within [`SLOW`] is closed and resumes.
pub mod agent;
pub mod board;
pub mod commands;
pub mod guest;
mod mail;

use std::time::Duration;

use axum::extract::ws::{CloseFrame, Message, WebSocket};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// A message not taken by the network in this time: the reader is gone or too slow.
pub const SLOW: Duration = Duration::from_secs(5);
/// Clients ping every 20 s.
pub const SILENT: Duration = Duration::from_secs(60);
/// An SDP offer is the largest message.
pub const LARGEST: usize = 64 * 1024;

/// Close codes of our own, from the range for applications (RFC 6455 §7.4.2).
pub mod close {
    /// Signed out, session expired.
    pub const NOT_SIGNED_IN: u16 = 4401;
    /// Not a message of the protocol.
    pub const PROTOCOL: u16 = 4400;
    pub const SLOW: u16 = 4408;
    /// The same guest has connected anew.
    pub const REPLACED: u16 = 4409;
    pub const OVERLOADED: u16 = 4503;
}

/// Why a connection ends from our side.
pub struct Closed {
    pub code: u16,
    pub reason: &'static str,
}

impl Closed {
    pub fn protocol() -> Self {
        Self { code: close::PROTOCOL, reason: "socket.protocol" }
    }
}

/// Sends one message or says that the connection must end.
pub async fn send<T: Serialize>(socket: &mut WebSocket, message: &T) -> Result<(), Closed> {
    let text = serde_json::to_string(message).map_err(|_| Closed { code: close::OVERLOADED, reason: "internal" })?;
    match tokio::time::timeout(SLOW, socket.send(Message::Text(text.into()))).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(_)) | Err(_) => Err(Closed { code: close::SLOW, reason: "socket.slow" }),
    }
}

/// What came from the other side.
pub enum Received<T> {
    Message(T),
    /// Text that is no message of the protocol.
    Unknown,
    /// Ping, pong: the library answers.
    Nothing,
    Gone,
}

pub fn read<T: DeserializeOwned>(message: Option<Result<Message, axum::Error>>) -> Received<T> {
    match message {
        Some(Ok(Message::Text(text))) => serde_json::from_str(&text).map_or(Received::Unknown, Received::Message),
        Some(Ok(Message::Ping(_) | Message::Pong(_))) => Received::Nothing,
        Some(Ok(Message::Binary(_))) => Received::Unknown,
        Some(Ok(Message::Close(_)) | Err(_)) | None => Received::Gone,
    }
}

pub async fn end(mut socket: WebSocket, closed: Closed) {
    let frame = CloseFrame { code: closed.code, reason: closed.reason.into() };
    // The other side may be gone already.
    let _ = tokio::time::timeout(SLOW, socket.send(Message::Close(Some(frame)))).await;
}
