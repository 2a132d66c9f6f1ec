//! The company's encryption key: how old it is, a new one, and what older ones have sealed sealed anew.
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use domain::access::Action;
use serde::Serialize;
use utoipa::ToSchema;

use crate::App;
use crate::auth::Caller;
use crate::error::ApiResult;
use crate::openapi::{Gate, Operation as Op};

const MANAGE: Gate = Gate::May(Action::KeyManage);
/// Sealed anew by one request: about a second.
const REWRAPPED: u32 = 2_000;

/// Recordings and secrets are sealed by keys of their own, and those by the company's key.
#[derive(Debug, Clone, Serialize, ToSchema)]
struct Encryption {
    /// Of the company's newest key, from 1.
    number: u32,
    created_at: i64,
    /// Recordings and secrets whose keys the newest has sealed.
    current: u64,
    /// Those whose keys an older one has sealed: readable as before.
    older: u64,
}

pub fn operations() -> Vec<Op> {
    vec![
        Op::get("/encryption", "get_encryption", "encryption", MANAGE, get)
            .summary("The company's key and what it has sealed")
            .returns::<Encryption>(StatusCode::OK),
        Op::post("/encryption/rotate", "rotate_key", "encryption", MANAGE, rotate)
            .summary("A new key; what is recorded from now on is sealed by it")
            .returns::<Encryption>(StatusCode::OK),
        Op::post("/encryption/rewrap", "rewrap_keys", "encryption", MANAGE, rewrap)
            .summary("Seals up to 2,000 keys of recordings and secrets anew; repeat until `older` is 0")
            .returns::<Encryption>(StatusCode::OK),
    ]
}

async fn state(app: &App, caller: &Caller) -> ApiResult<Json<Encryption>> {
    let state = app.store().key_state(caller.tenant).await?;
    let created_at = state.created_at.0;
    Ok(Json(Encryption { number: state.number, created_at, current: state.current, older: state.older }))
}

async fn get(State(app): State<App>, caller: Caller) -> ApiResult<Json<Encryption>> {
    caller.require(Action::KeyManage, &caller.tenant_resource())?;
    state(&app, &caller).await
}

async fn rotate(State(app): State<App>, caller: Caller) -> ApiResult<Json<Encryption>> {
    caller.require(Action::KeyManage, &caller.tenant_resource())?;
    let mut tx = app.admin(&caller, "").await?;
    tx.rotate_key().await?;
    app.commit(caller.tenant, tx).await?;
    state(&app, &caller).await
}

async fn rewrap(State(app): State<App>, caller: Caller) -> ApiResult<Json<Encryption>> {
    caller.require(Action::KeyManage, &caller.tenant_resource())?;
    app.store().rewrap(caller.tenant, REWRAPPED).await?;
    state(&app, &caller).await
}
