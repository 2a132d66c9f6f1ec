//! What every request goes through: an id, limits, headers, one shape of errors; and the extractors handlers use.
//!
//! The binary puts a [`Peer`] into each request's extensions (who connects, over TLS or not); without one, axum's
//! `ConnectInfo` is used. Nothing here believes `X-Forwarded-For`.
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::{ConnectInfo, FromRequest, FromRequestParts, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde::de::DeserializeOwned;
use tracing::Instrument;

use crate::App;
use crate::error::{ApiError, Code, FieldProblem};

/// Who connects; inserted by the listener.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peer {
    pub address: SocketAddr,
    pub https: bool,
}

impl Peer {
    pub fn of(extensions: &axum::http::Extensions) -> Peer {
        extensions.get::<Peer>().copied().unwrap_or_else(|| Peer {
            address: extensions
                .get::<ConnectInfo<SocketAddr>>()
                .map_or_else(|| SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0), |c| c.0),
            https: false,
        })
    }
}

impl<S: Sync> FromRequestParts<S> for Peer {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        Ok(Peer::of(&parts.extensions))
    }
}

static REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Scripts and styles come from us; inline styles are what the component kit writes; sound is played from memory.
const CSP: &str = "default-src 'self'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; \
                   media-src 'self' blob: mediastream:; font-src 'self' data:; connect-src 'self' ws: wss:; \
                   worker-src 'self' blob:; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

/// Outermost layer: id, span, metrics, security headers, and the body of errors.
pub async fn finish(request: Request, next: Next) -> Response {
    let id = format!("{:016x}", rand::random::<u64>());
    let method = request.method().clone();
    // The matched route, not the path: ids in labels would be without bound.
    let span = tracing::info_span!("request", id = %id, method = %method);
    let started = std::time::Instant::now();
    let mut response = next.run(request).instrument(span).await;
    if let Some(error) = response.extensions_mut().remove::<ApiError>() {
        let body = serde_json::to_vec(&error.problem(&id)).unwrap_or_default();
        let length = body.len();
        *response.body_mut() = Body::from(body);
        response.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    }
    let route = response.extensions().get::<RouteName>().map_or("other", |r| r.0).to_owned();
    metrics::histogram!("cordboard_http_request_seconds", "operation" => route, "status" => response.status().as_str().to_owned())
        .record(started.elapsed().as_secs_f64());
    let headers = response.headers_mut();
    if let Ok(id) = HeaderValue::from_str(&id) {
        headers.insert(REQUEST_ID.clone(), id);
    }
    set_default(headers, header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    set_default(headers, header::X_FRAME_OPTIONS, "DENY");
    set_default(headers, header::REFERRER_POLICY, "same-origin");
    set_default(headers, header::CONTENT_SECURITY_POLICY, CSP);
    set_default(headers, HeaderName::from_static("permissions-policy"), "microphone=(self), camera=(), geolocation=()");
    set_default(headers, HeaderName::from_static("cross-origin-opener-policy"), "same-origin");
    response
}

fn set_default(headers: &mut HeaderMap, name: HeaderName, value: &'static str) {
    headers.entry(name).or_insert(HeaderValue::from_static(value));
}

/// The operation that answered, for metrics.
#[derive(Debug, Clone)]
pub struct RouteName(pub &'static str);

/// Bare statuses of axum and tower (timeouts, body limits, wrong methods) become problems too.
pub async fn problems(request: Request, next: Next) -> Response {
    let ours = request.uri().path().starts_with("/api/");
    let response = next.run(request).await;
    let status = response.status();
    if !ours
        || !(status.is_client_error() || status.is_server_error())
        || response.extensions().get::<ApiError>().is_some()
    {
        return response;
    }
    let code = match status {
        StatusCode::NOT_FOUND => Code::NotFound,
        StatusCode::METHOD_NOT_ALLOWED => Code::MethodNotAllowed,
        StatusCode::PAYLOAD_TOO_LARGE => Code::TooLarge,
        StatusCode::UNSUPPORTED_MEDIA_TYPE => Code::MediaType,
        StatusCode::REQUEST_TIMEOUT | StatusCode::GATEWAY_TIMEOUT => Code::Timeout,
        StatusCode::RANGE_NOT_SATISFIABLE => return response,
        s if s.is_client_error() => Code::Malformed,
        _ => Code::Internal,
    };
    ApiError::from(code).into_response()
}

pub fn not_found() -> Response {
    ApiError::from(Code::NotFound).into_response()
}

/// A JSON body; wrong shapes name the field.
pub struct JsonBody<T>(pub T);

impl<T: DeserializeOwned> FromRequest<App> for JsonBody<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &App) -> Result<Self, ApiError> {
        let is_json =
            request.headers().get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).is_some_and(|v| {
                v.split(';').next().is_some_and(|v| v.trim().eq_ignore_ascii_case("application/json"))
            });
        if !is_json {
            return Err(Code::MediaType.into());
        }
        let bytes = Bytes::from_request(request, state).await.map_err(|rejection| {
            let code = match rejection.status() {
                StatusCode::PAYLOAD_TOO_LARGE => Code::TooLarge,
                _ => Code::Malformed,
            };
            ApiError::from(code)
        })?;
        parse(&bytes).map(JsonBody)
    }
}

/// Reads JSON text; a wrong shape names the field.
pub fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, ApiError> {
    let reader = &mut serde_json::Deserializer::from_slice(bytes);
    serde_path_to_error::deserialize(reader).map_err(|e| wrong_shape(&e))
}

/// Reads a JSON value; a wrong shape names the field.
pub fn from_value<T: DeserializeOwned>(value: serde_json::Value) -> Result<T, ApiError> {
    serde_path_to_error::deserialize(value).map_err(|e| wrong_shape(&e))
}

fn wrong_shape(error: &serde_path_to_error::Error<serde_json::Error>) -> ApiError {
    if error.inner().is_syntax() || error.inner().is_eof() {
        return Code::Malformed.into();
    }
    let text = error.inner().to_string();
    // serde names a missing field in its text only.
    let missing = text.strip_prefix("missing field `").and_then(|t| t.split('`').next());
    let path = error.path().to_string();
    let path = if path == "." { String::new() } else { path };
    match missing {
        Some(field) if path.is_empty() => ApiError::field(field, "required"),
        Some(field) => ApiError::fields(vec![FieldProblem::new(format!("{path}.{field}"), "required")]),
        None => ApiError::field(path, "invalid"),
    }
}

/// A path id; what does not parse does not exist.
pub struct PathId<T>(pub T);

impl<T> FromRequestParts<App> for PathId<T>
where
    T: std::str::FromStr + Send,
{
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &App) -> Result<Self, ApiError> {
        let axum::extract::Path(text) = axum::extract::Path::<String>::from_request_parts(parts, state)
            .await
            .map_err(|_| ApiError::from(Code::NotFound))?;
        text.parse().map(PathId).map_err(|_| Code::NotFound.into())
    }
}

/// Query parameters; a wrong one is named.
pub struct Params<T>(pub T);

impl<T: DeserializeOwned> FromRequestParts<App> for Params<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &App) -> Result<Self, ApiError> {
        axum::extract::Query::<T>::from_request_parts(parts, state)
            .await
            .map(|q| Params(q.0))
            .map_err(|_| Code::Malformed.into())
    }
}

/// 204.
pub fn nothing() -> Response {
    StatusCode::NO_CONTENT.into_response()
}

pub fn created<T: serde::Serialize>(value: T) -> Response {
    (StatusCode::CREATED, Json(value)).into_response()
}
