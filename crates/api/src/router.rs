//! The router made from the operations: one gate each, limits, and what stands outside `/api/v1`.
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{StatusCode, header};
use axum::middleware::{from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use engine::Saving;
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

/// Longest wait for the database's sign of life.
const PING: Duration = Duration::from_secs(2);

/// 200 when store, floors and telephony take work, else 503 with what is missing. While floors write to the spool calls
/// are taken, so that is said with 200.
async fn ready(State(app): State<App>) -> Response {
    let mut missing = Vec::new();
    let saving = app.engine().saving_worst();
    match saving {
        Saving::Nowhere => missing.push("store (neither the database nor the spool can be written: see the log)"),
        Saving::Spool => {}
        Saving::Journal => {
            let ping = tokio::time::timeout(PING, app.store().ping());
            if !ping.await.is_ok_and(|answer| answer.is_ok()) {
                missing.push("store");
            }
        }
    }
    if !app.engine().is_ready() {
        missing.push("floors");
    }
    if app.options().telephony_ready.as_ref().is_some_and(|ready| !ready()) {
        missing.push("telephony");
    }
    match missing.is_empty() {
        true if saving == Saving::Spool => {
            "ready, degraded: the database is slow or away, calls go on with the spool\n".into_response()
        }
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
