//! The router made from the operations: one gate each, limits, and what stands outside `/api/v1`.
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{StatusCode, header};
use axum::middleware::{from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::CompressionLayer;
use tower_http::compression::predicate::{DefaultPredicate, NotForContentType, Predicate};
use tower_http::timeout::TimeoutLayer;

use crate::App;
use crate::auth::gate::{self, Guarded};
use crate::http;
use crate::openapi::Operation;

/// The longest report over a year takes a few seconds; whoever waits longer has gone away.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Everything under `/api/v1`, health and metrics. `ui` answers all other paths (the console's files).
pub fn router(app: App, ui: Option<Router>) -> Router {
    let mut api = Router::new();
    for operation in crate::routes::operations() {
        api = mount(api, &app, operation);
    }
    let api = api.fallback(async || http::not_found());
    let outside = Router::new()
        .route("/healthz", get(async || "ok\n"))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
        .with_state(app.clone());
    // Sound must keep its length and ranges; the console's files come compressed already.
    let compress = DefaultPredicate::new().and(NotForContentType::const_new("audio/"));
    Router::new()
        .nest("/api/v1", api.with_state(app))
        .merge(outside)
        .fallback_service(ui.unwrap_or_else(|| Router::new().fallback(async || http::not_found())))
        .layer(CatchPanicLayer::new())
        .layer(TimeoutLayer::with_status_code(StatusCode::GATEWAY_TIMEOUT, TIMEOUT))
        .layer(from_fn(http::problems))
        .layer(from_fn(http::finish))
        .layer(CompressionLayer::new().compress_when(compress))
}

fn mount(router: Router<App>, app: &App, operation: Operation) -> Router<App> {
    let guarded = Arc::new(Guarded {
        app: app.clone(),
        socket: operation.is_socket(),
        idempotent: operation.is_idempotent(),
        largest_body: operation.body_limit(),
        gate: operation.gate,
        // Once per process: the list of operations is fixed.
        id: String::leak(operation.id),
    });
    let handler = operation
        .handler
        .route_layer(DefaultBodyLimit::max(guarded.largest_body))
        .route_layer(from_fn_with_state(guarded, gate::pass));
    router.route(&operation.path, handler)
}

/// 200 when store, floors and telephony take work, else 503 with what is missing.
async fn ready(State(app): State<App>) -> Response {
    let mut missing = Vec::new();
    if app.store().ping().await.is_err() {
        missing.push("store");
    }
    if !app.engine().is_ready() {
        missing.push("floors");
    }
    if app.options().telephony_ready.as_ref().is_some_and(|ready| !ready()) {
        missing.push("telephony");
    }
    match missing.is_empty() {
        true => "ready\n".into_response(),
        false => (StatusCode::SERVICE_UNAVAILABLE, format!("not ready: {}\n", missing.join(", "))).into_response(),
    }
}

async fn metrics(State(app): State<App>) -> Response {
    match &app.options().metrics {
        Some(handle) => ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], handle.render()).into_response(),
        None => http::not_found(),
    }
}
