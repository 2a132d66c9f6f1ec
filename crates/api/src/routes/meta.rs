//! The interface's own description.
use axum::http::StatusCode;

use crate::http::unwritten as u;
use crate::openapi::{Gate, Operation as Op};

pub fn operations() -> Vec<Op> {
    vec![
        Op::get("/openapi.json", "get_openapi", "meta", Gate::Anonymous, u)
            .summary("This document")
            .returns_media(StatusCode::OK, "application/json"),
    ]
}
