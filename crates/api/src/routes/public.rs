//! The customer page: what may be called, guest sessions, the guest's socket.
use axum::http::StatusCode;

use crate::dto::session::{GuestSession, PublicTenant};
use crate::dto::socket::{PublicClientMessage, PublicServerMessage};
use crate::http::unwritten as u;
use crate::openapi::{Gate, Operation as Op};

const TAG: &str = "public";

pub fn operations() -> Vec<Op> {
    vec![
        Op::get("/public/{tenant}", "get_public_tenant", TAG, Gate::Anonymous, u)
            .summary("What a customer may call from the page; `default` is this server's first company")
            .returns::<PublicTenant>(StatusCode::OK),
        Op::post("/public/{tenant}/sessions", "create_guest_session", TAG, Gate::Anonymous, u)
            .summary("A short-lived token for the guest's socket")
            .returns::<GuestSession>(StatusCode::CREATED),
        Op::get("/public/socket", "public_socket", TAG, Gate::Anonymous, u)
            .summary("WebSocket: PublicClientMessage up, PublicServerMessage down")
            .query("token", "string", "of a guest session")
            .with::<PublicClientMessage>()
            .with::<PublicServerMessage>()
            .returns_media(StatusCode::SWITCHING_PROTOCOLS, "application/octet-stream"),
    ]
}
