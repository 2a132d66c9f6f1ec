//! The customer page: what may be called, guest sessions, the guest's socket.
use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use domain::id::{DeviceId, TenantId};
use store::{HostScope, Scope};

use crate::App;
use crate::auth::guest::{Guest, LIFE};
use crate::dto::session::{GuestSession, PublicNumber, PublicTenant};
use crate::dto::socket::{PublicClientMessage, PublicServerMessage};
use crate::error::{ApiResult, Code};
use crate::http::{Peer, created};
use crate::openapi::{Gate, Operation as Op};
use crate::socket::guest::open;

const TAG: &str = "public";

pub fn operations() -> Vec<Op> {
    vec![
        Op::get("/public/{tenant}", "get_public_tenant", TAG, Gate::Anonymous, get_tenant)
            .summary("What a customer may call from the page; `default` is this server's first company")
            .returns::<PublicTenant>(StatusCode::OK),
        Op::post("/public/{tenant}/sessions", "create_guest_session", TAG, Gate::Anonymous, create_session)
            .summary("A short-lived token for the guest's socket")
            .returns::<GuestSession>(StatusCode::CREATED),
        Op::get("/public/socket", "public_socket", TAG, Gate::Anonymous, open)
            .summary("WebSocket: PublicClientMessage up, PublicServerMessage down")
            .query("token", "string", "of a guest session")
            .with::<PublicClientMessage>()
            .with::<PublicServerMessage>()
            .returns_media(StatusCode::SWITCHING_PROTOCOLS, "application/octet-stream"),
    ]
}

/// By id or short name; a company without web numbers has no customer page and looks like none.
async fn find(app: &App, name: &str) -> ApiResult<PublicTenant> {
    // Reads names and flags of companies only, to find the one that is meant.
    let tenants = app.store().tenants(Scope::Host(HostScope::whole_installation())).await?;
    let wanted: Option<TenantId> = name.parse().ok();
    let row = tenants
        .into_iter()
        .filter(|t| t.suspended_at.is_none())
        .find(|t| if name == "default" { t.is_default } else { Some(t.id) == wanted || t.slug == name })
        .ok_or(Code::NotFound)?;
    let known = app.known(row.id).await?;
    let numbers: Vec<PublicNumber> = known
        .config
        .numbers
        .values()
        .filter(|n| n.web)
        .map(|n| PublicNumber { id: n.id, number: n.number.clone(), name: n.name.clone().into() })
        .collect();
    if numbers.is_empty() {
        return Err(Code::NotFound.into());
    }
    Ok(PublicTenant { id: row.id, name: known.config.name.clone(), lang: known.config.lang.into(), numbers })
}

async fn get_tenant(State(app): State<App>, Path(name): Path<String>) -> ApiResult<Json<PublicTenant>> {
    find(&app, &name).await.map(Json)
}

async fn create_session(State(app): State<App>, peer: Peer, Path(name): Path<String>) -> ApiResult<Response> {
    app.may_be_guest(peer.address.ip())?;
    let tenant = find(&app, &name).await?.id;
    let now = app.now();
    let guest = Guest { tenant, device: DeviceId::from_parts(now.0, rand::random()), expires: now + LIFE };
    Ok(created(GuestSession { token: app.guests().sign(guest), expires_at: guest.expires.0 }))
}
