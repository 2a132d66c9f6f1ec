//! Signing in and out, and who I am.
use axum::Json;
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use domain::access::Action;
use domain::time::Timestamp;
use store::{LoginRow, UserRow};

use crate::App;
use crate::auth::caller::Proof;
use crate::auth::{COOKIE, Caller, SECURE_COOKIE, SESSION_LIFE};
use crate::dto::common::Lang;
use crate::dto::session::{Me, MeLogin, MePatch, MeTenant, SignIn, SignInLink};
use crate::error::{ApiError, ApiResult, Code};
use crate::http::{JsonBody, Peer, nothing};
use crate::openapi::{Gate, Operation as Op};
use crate::routes::people::{end_session, grant_view};

const TAG: &str = "session";
/// Purpose of one-time links that sign in.
pub const LINK_PURPOSE: &str = "sign_in";
/// Wrong passwords in a row before a login is barred, and for how long.
const WRONG_MAX: u32 = 20;
const BARRED_MS: i64 = 15 * 60 * 1000;

pub fn operations() -> Vec<Op> {
    vec![
        Op::post("/sign-in", "sign_in", TAG, Gate::Anonymous, sign_in)
            .summary("Sign in with e-mail and password; sets the session cookie")
            .body::<SignIn>()
            .returns::<Me>(StatusCode::OK),
        Op::post("/sign-in/link", "sign_in_by_link", TAG, Gate::Anonymous, sign_in_by_link)
            .summary("Sign in with a one-time link's token")
            .body::<SignInLink>()
            .returns::<Me>(StatusCode::OK),
        Op::post("/sign-out", "sign_out", TAG, Gate::SignedIn, sign_out).summary("End this session").returns_nothing(),
        Op::get("/me", "get_me", TAG, Gate::SignedIn, get_me)
            .summary("Who I am and what I may do")
            .returns::<Me>(StatusCode::OK),
        Op::patch("/me", "patch_me", TAG, Gate::SignedIn, patch_me)
            .summary("Change my language or password")
            .body::<MePatch>()
            .returns::<Me>(StatusCode::OK),
    ]
}

/// Unknown and known addresses get the same answer after the same work.
async fn sign_in(State(app): State<App>, peer: Peer, JsonBody(body): JsonBody<SignIn>) -> ApiResult<Response> {
    app.may_try_sign_in(peer.address.ip(), &body.email)?;
    let login = app.store().find_login(&body.email).await?;
    let now = app.now();
    let barred = login.as_ref().is_some_and(|l| l.locked_until.is_some_and(|until| until > now));
    let hash = login.as_ref().filter(|_| !barred).and_then(|l| l.password_hash.as_deref());
    let right = app.passwords().verify(&body.password, hash).await?;
    let login = match login {
        Some(login) if right => login,
        other => {
            metrics::counter!("cordboard_sign_ins_total", "result" => "refused").increment(1);
            if let Some(login) = other.filter(|_| !barred) {
                // Counted beside the answer, which must not take longer for known addresses.
                tokio::spawn(count_wrong(app, login, now));
            }
            return Err(Code::BadCredentials.into());
        }
    };
    app.store().sign_in_succeeded(login.id).await?;
    let users = app.store().users_of_login(login.id).await?;
    let user = match body.tenant {
        Some(tenant) => users.into_iter().find(|u| u.tenant_id == tenant),
        None => users.into_iter().next(),
    };
    begin(&app, user.ok_or(Code::BadCredentials)?, peer).await
}

async fn count_wrong(app: App, login: LoginRow, now: Timestamp) {
    let bar = (login.failed_count + 1 >= WRONG_MAX).then_some(Timestamp(now.0 + BARRED_MS));
    if let Err(e) = app.store().sign_in_failed(login.id, now, bar).await {
        tracing::warn!(error = %e, "a wrong password was not counted");
    }
}

async fn sign_in_by_link(
    State(app): State<App>,
    peer: Peer,
    JsonBody(body): JsonBody<SignInLink>,
) -> ApiResult<Response> {
    app.may_try_link(peer.address.ip())?;
    let link = app.store().redeem_link(&body.token, LINK_PURPOSE, app.now()).await?.ok_or(Code::BadLink)?;
    let user = app.store().user(store::Scope::Tenant(link.tenant_id), link.user_id).await?;
    if !user.active {
        return Err(Code::BadLink.into());
    }
    begin(&app, user, peer).await
}

/// A fresh session for every sign-in, so that a planted cookie is worth nothing.
async fn begin(app: &App, user: UserRow, peer: Peer) -> ApiResult<Response> {
    let (session, secret) = app.store().create_session(&user, SESSION_LIFE, app.now()).await?;
    metrics::counter!("cordboard_sign_ins_total", "result" => "accepted").increment(1);
    let proof = Proof::Session { id: session.id, csrf: session.csrf, secret: secret.clone() };
    let caller = Caller::of_user(app, user.tenant_id, user.id, proof).await?;
    let mut response = Json(me(app, &caller).await?).into_response();
    set_cookie(&mut response, &cookie_text(&secret, SESSION_LIFE.as_secs(), peer.https))?;
    Ok(response)
}

fn cookie_text(value: &str, seconds: u64, https: bool) -> String {
    let (name, secure) = if https { (SECURE_COOKIE, "; Secure") } else { (COOKIE, "") };
    format!("{name}={value}; Path=/; HttpOnly; SameSite=Lax; Max-Age={seconds}{secure}")
}

fn set_cookie(response: &mut Response, text: &str) -> ApiResult<()> {
    let value = HeaderValue::from_str(text).map_err(|e| ApiError::internal(&e))?;
    response.headers_mut().insert(header::SET_COOKIE, value);
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(())
}

async fn sign_out(State(app): State<App>, caller: Caller, peer: Peer) -> ApiResult<Response> {
    end_session(&app, &caller).await?;
    let mut response = nothing();
    set_cookie(&mut response, &cookie_text("", 0, peer.https))?;
    Ok(response)
}

async fn get_me(State(app): State<App>, caller: Caller) -> ApiResult<Response> {
    let mut response = Json(me(&app, &caller).await?).into_response();
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

async fn patch_me(
    State(app): State<App>,
    mut caller: Caller,
    peer: Peer,
    JsonBody(change): JsonBody<MePatch>,
) -> ApiResult<Response> {
    if let Some(change) = &change.password {
        // Guessing here is bounded like signing in.
        let login = app.store().login(caller.login).await?;
        app.may_try_sign_in(peer.address.ip(), &login.email)?;
        if !app.passwords().verify(&change.current, login.password_hash.as_deref()).await? {
            return Err(ApiError::field("password.current", "invalid"));
        }
        let hash = app.passwords().hash(&change.new).await?;
        let mut tx = app.admin(&caller, "").await?;
        tx.audit("login.password", Some(caller.login.to_string()), serde_json::json!({})).await?;
        app.commit(caller.tenant, tx).await?;
        app.store().set_password_hash(caller.login, &hash).await?;
    }
    if let Some(lang) = change.lang {
        let mut row = app.store().user(store::Scope::Tenant(caller.tenant), caller.user).await?;
        row.lang = lang.into();
        let mut tx = app.admin(&caller, "").await?;
        tx.update_user(&row, None).await?;
        app.commit(caller.tenant, tx).await?;
        caller.lang = lang.into();
    }
    if change.password.is_some() && matches!(caller.proof, Proof::Session { .. }) {
        // Every session ended with the old password; this one goes on as a new one.
        let user = app.store().user(store::Scope::Tenant(caller.tenant), caller.user).await?;
        return begin(&app, user, peer).await;
    }
    Ok(Json(me(&app, &caller).await?).into_response())
}

async fn me(app: &App, caller: &Caller) -> ApiResult<Me> {
    let known = app.known(caller.tenant).await?;
    let login = app.store().login(caller.login).await?;
    let mut tenants = Vec::new();
    for user in app.store().users_of_login(caller.login).await? {
        let tenant = app.store().tenant(user.tenant_id).await?;
        tenants.push(MeTenant { id: tenant.id, name: tenant.name });
    }
    let grants = app.store().grants_of(caller.tenant, caller.user).await?;
    Ok(Me {
        login: MeLogin { id: login.id, email: login.email },
        user: caller.user,
        name: caller.name.clone(),
        lang: caller.lang.into(),
        time_zone: caller.time_zone.clone().unwrap_or_else(|| known.config.time_zone.clone()),
        tenant: MeTenant { id: caller.tenant, name: known.config.name.clone() },
        tenants,
        grants: grants.iter().filter_map(grant_view).collect(),
        actions: Action::ALL.iter().filter(|a| caller.may_somewhere(**a)).map(|a| a.as_str().to_owned()).collect(),
        numbers_masked: caller.sees_masked(&known.config),
        agent: caller.agent,
        csrf_token: match &caller.proof {
            Proof::Session { csrf, .. } => Some(csrf.clone()),
            Proof::Token => None,
        },
        languages: vec![Lang::Zh, Lang::En],
    })
}
