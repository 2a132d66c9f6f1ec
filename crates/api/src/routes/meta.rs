//! The interface's own description.
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};

use crate::App;
use crate::openapi::{Gate, Operation as Op};

pub fn operations() -> Vec<Op> {
    vec![
        Op::get("/openapi.json", "get_openapi", "meta", Gate::Anonymous, document)
            .summary("This document")
            .returns_media(StatusCode::OK, "application/json"),
    ]
}

async fn document(State(app): State<App>) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], app.document().to_string()).into_response()
}
