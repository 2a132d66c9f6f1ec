//! The gate of every operation: who is asking, may they, is the change theirs (CSRF), was it done before
//! (`Idempotency-Key`). Built by the router from the operation's declaration, so no handler can forget it.
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use domain::id::TenantId;
use sha2::{Digest, Sha256};
use store::Idempotency;
use subtle::ConstantTimeEq;

use crate::App;
use crate::auth::caller::Proof;
use crate::auth::{CSRF_HEADER, Caller};
use crate::error::{ApiError, ApiResult, Code};
use crate::http::RouteName;
use crate::openapi::Gate;

/// How long a create is remembered.
const REMEMBERED: Duration = Duration::from_secs(24 * 3600);
/// Largest answer kept for a repeat: 1,000 bulk rows fit.
const LARGEST_ANSWER: usize = 2 * 1024 * 1024;

/// What the gate knows of its operation.
pub struct Guarded {
    pub app: App,
    pub id: &'static str,
    pub gate: Gate,
    pub idempotent: bool,
    pub largest_body: usize,
    /// WebSockets cannot send headers from a page: they check the Origin and their own credentials.
    pub socket: bool,
}

pub async fn pass(State(guarded): State<Arc<Guarded>>, request: Request, next: Next) -> Response {
    let (mut parts, body) = request.into_parts();
    let mut response = match admit(&guarded, &parts).await {
        Err(error) => error.into_response(),
        Ok(None) => next.run(Request::from_parts(parts, body)).await,
        Ok(Some(caller)) => {
            let tenant = caller.tenant;
            parts.extensions.insert(caller);
            let key = idempotency_key(&guarded, &parts.headers);
            let request = Request::from_parts(parts, body);
            match key {
                Some(key) => {
                    once(&guarded, tenant, key, request, next).await.unwrap_or_else(IntoResponse::into_response)
                }
                None => next.run(request).await,
            }
        }
    };
    response.extensions_mut().insert(RouteName(guarded.id));
    response
}

async fn admit(guarded: &Guarded, request: &Parts) -> ApiResult<Option<Caller>> {
    let headers = &request.headers;
    let changes = !matches!(request.method, Method::GET | Method::HEAD | Method::OPTIONS);
    if (changes || guarded.socket) && !same_origin(headers) {
        return Err(Code::BadOrigin.into());
    }
    if guarded.gate == Gate::Anonymous {
        return Ok(None);
    }
    let caller = if guarded.socket {
        find_for_socket(&guarded.app, headers).await?
    } else {
        Caller::find(&guarded.app, headers).await?
    };
    let caller = caller.ok_or(Code::NotSignedIn)?;
    if let Proof::Session { csrf, .. } = &caller.proof
        && changes
    {
        let given = headers.get(CSRF_HEADER).map(HeaderValue::as_bytes).unwrap_or_default();
        if !bool::from(given.ct_eq(csrf.as_bytes())) {
            return Err(Code::Csrf.into());
        }
    }
    if let Gate::May(action) = guarded.gate
        && !caller.may_somewhere(action)
    {
        return Err(Code::Forbidden.into());
    }
    Ok(Some(caller))
}

/// A program may carry its token as a subprotocol: `Sec-WebSocket-Protocol: cordboard, cbt_…`.
async fn find_for_socket(app: &App, headers: &HeaderMap) -> ApiResult<Option<Caller>> {
    let token = headers
        .get(header::SEC_WEBSOCKET_PROTOCOL)
        .and_then(|v| v.to_str().ok())
        .and_then(|v| v.split(',').map(str::trim).find(|p| p.starts_with(store::TOKEN_PREFIX)));
    match token {
        Some(token) => {
            let row = app.store().find_token(token, app.now()).await?.ok_or(Code::BadToken)?;
            Caller::of_user(app, row.tenant_id, row.user_id, Proof::Token).await.map(Some)
        }
        None => Caller::find(app, headers).await,
    }
}

/// A browser names the page's origin; programs name none.
fn same_origin(headers: &HeaderMap) -> bool {
    let Some(origin) = headers.get(header::ORIGIN) else { return true };
    let (Ok(origin), Some(host)) = (origin.to_str(), headers.get(header::HOST).and_then(|h| h.to_str().ok())) else {
        return false;
    };
    origin.split_once("://").is_some_and(|(_, authority)| authority.eq_ignore_ascii_case(host))
}

fn idempotency_key(guarded: &Guarded, headers: &HeaderMap) -> Option<String> {
    let key = headers.get("idempotency-key").filter(|_| guarded.idempotent)?;
    Some(key.to_str().unwrap_or_default().to_owned())
}

/// Runs the handler unless the same key was used before; a repeat gets the first answer, secrets left out.
async fn once(guarded: &Guarded, tenant: TenantId, key: String, request: Request, next: Next) -> ApiResult<Response> {
    if key.is_empty() || key.len() > 100 {
        return Err(ApiError::field("Idempotency-Key", "invalid"));
    }
    let store = guarded.app.store();
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, guarded.largest_body).await.map_err(|_| ApiError::from(Code::TooLarge))?;
    let hash = request_hash(&parts.method, parts.uri.path(), &body);
    match store.idempotency_begin(tenant, &key, &hash, REMEMBERED, guarded.app.now()).await? {
        Idempotency::Fresh => {}
        Idempotency::Mismatch => return Err(Code::IdempotencyMismatch.into()),
        Idempotency::InProgress => return Err(ApiError::from(Code::Overloaded).retry_after(1)),
        Idempotency::Replay { status, body } => {
            let status = StatusCode::from_u16(status).unwrap_or(StatusCode::OK);
            let headers = [(header::CONTENT_TYPE, "application/json"), (REPLAYED, "true")];
            return Ok((status, headers, body).into_response());
        }
    }
    let response = next.run(Request::from_parts(parts, Body::from(body))).await;
    if !response.status().is_success() {
        store.idempotency_abandon(tenant, &key).await?;
        return Ok(response);
    }
    let (parts, body) = response.into_parts();
    let body = to_bytes(body, LARGEST_ANSWER).await.map_err(|e| ApiError::internal(&e))?;
    store.idempotency_finish(tenant, &key, parts.status.as_u16(), &without_secrets(&body)).await?;
    Ok(Response::from_parts(parts, Body::from(body)))
}

const REPLAYED: axum::http::HeaderName = axum::http::HeaderName::from_static("idempotency-replayed");

fn request_hash(method: &Method, path: &str, body: &Bytes) -> String {
    let mut hash = Sha256::new();
    hash.update(method.as_str());
    hash.update([0]);
    hash.update(path);
    hash.update([0]);
    hash.update(body);
    hex::encode(hash.finalize())
}

/// Secrets are shown once and never stored, so a repeat shows null in their place.
fn without_secrets(body: &[u8]) -> String {
    fn strip(value: &mut serde_json::Value) {
        match value {
            serde_json::Value::Object(map) => {
                for (key, value) in map {
                    if key == "secret" { *value = serde_json::Value::Null } else { strip(value) }
                }
            }
            serde_json::Value::Array(list) => list.iter_mut().for_each(strip),
            _ => {}
        }
    }
    let mut value = serde_json::from_slice(body).unwrap_or_default();
    strip(&mut value);
    value.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_of_other_sites_are_refused_and_programs_are_not() {
        let headers = |origin: Option<&str>| {
            let mut h = HeaderMap::new();
            h.insert(header::HOST, HeaderValue::from_static("desk.example:8443"));
            if let Some(origin) = origin {
                h.insert(header::ORIGIN, HeaderValue::from_str(origin).unwrap());
            }
            h
        };
        assert!(same_origin(&headers(None)));
        assert!(same_origin(&headers(Some("https://desk.example:8443"))));
        assert!(!same_origin(&headers(Some("https://desk.example"))));
        assert!(!same_origin(&headers(Some("https://evil.example:8443"))));
        assert!(!same_origin(&headers(Some("null"))));
    }

    #[test]
    fn secrets_never_reach_the_store() {
        let kept = without_secrets(br#"{"rows":[{"device":{"id":"d","secret":"s3"}}],"secret":"x"}"#);
        assert_eq!(kept, r#"{"rows":[{"device":{"id":"d","secret":null}}],"secret":null}"#);
    }
}
