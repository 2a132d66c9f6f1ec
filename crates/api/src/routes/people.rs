//! Logins, users with their grants, API tokens.
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use domain::access::{Action, BuiltIn};
use domain::id::{LoginId, TenantId, TokenId, UserId};
use domain::time::Timestamp;
use serde_json::Value;
use store::{AdminTx, GrantRow, LoginRow, Scope, UserRow};

use crate::App;
use crate::auth::Caller;
use crate::auth::caller::Proof;
use crate::dto::common::Page;
use crate::dto::people::{
    ApiToken, ApiTokenCreated, ApiTokenNew, Grant, GrantScope, Login, LoginNew, LoginPatch, Role, UserFields,
};
use crate::error::{ApiError, ApiResult, Code};
use crate::http::{JsonBody, Params, PathId, created, nothing};
use crate::openapi::{Gate, Operation as Op};
use crate::routes::resource::{ListQuery, Problems, patched, writer};

const TAG: &str = "people";
const READ: Gate = Gate::May(Action::UserView);
const WRITE: Gate = Gate::May(Action::UserManage);
const TOKENS: Gate = Gate::May(Action::TokenManage);

pub fn operations() -> Vec<Op> {
    vec![
        Op::get("/logins", "list_logins", TAG, READ, list_logins)
            .summary("Sign-ins of this company's members")
            .returns_page::<Login>(),
        Op::post("/logins", "create_login", TAG, WRITE, create_login)
            .summary("Make a sign-in and its membership")
            .idempotent()
            .body::<LoginNew>()
            .returns::<Login>(StatusCode::CREATED),
        Op::get("/logins/{id}", "get_login", TAG, READ, get_login).returns::<Login>(StatusCode::OK),
        Op::patch("/logins/{id}", "patch_login", TAG, WRITE, patch_login)
            .summary("Set a password or lift a bar; not for a login that belongs to other companies too")
            .body::<LoginPatch>()
            .returns::<Login>(StatusCode::OK),
        Op::get("/users", "list_users", TAG, READ, list_users)
            .summary("By name")
            .resource::<UserFields>("User")
            .returns_page_named("User"),
        Op::post("/users", "create_user", TAG, WRITE, create_user)
            .summary("Make a membership, and its login if the address has none")
            .idempotent()
            .body_named("UserNew")
            .returns_named(StatusCode::CREATED, "User"),
        Op::get("/users/{id}", "get_user", TAG, READ, get_user).returns_named(StatusCode::OK, "User"),
        Op::patch("/users/{id}", "patch_user", TAG, WRITE, patch_user)
            .summary("Fields given replace the present ones; null resets")
            .body_named("UserPatch")
            .returns_named(StatusCode::OK, "User"),
        Op::delete("/users/{id}", "delete_user", TAG, WRITE, delete_user)
            .summary("Deactivates: history keeps the name, sessions end, grants go")
            .returns_nothing(),
        Op::get("/tokens", "list_tokens", TAG, TOKENS, list_tokens)
            .summary("API tokens that are not revoked")
            .returns_page::<ApiToken>(),
        Op::post("/tokens", "create_token", TAG, TOKENS, create_token)
            .summary("Make an API token with my rights; its secret is shown once")
            .idempotent()
            .body::<ApiTokenNew>()
            .returns::<ApiTokenCreated>(StatusCode::CREATED),
        Op::delete("/tokens/{id}", "delete_token", TAG, TOKENS, delete_token)
            .summary("Revoke an API token")
            .returns_nothing(),
    ]
}

async fn list_logins(
    State(app): State<App>,
    caller: Caller,
    Params(query): Params<ListQuery>,
) -> ApiResult<Json<Page<Login>>> {
    let page = app.store().users(viewer(&caller)?, &query.page()?).await?;
    let mut items = Vec::with_capacity(page.items.len());
    for user in page.items {
        let login = app.store().login(user.login_id).await?;
        items.push(login_view(&login, user.id));
    }
    Ok(Json(Page { items, next_cursor: page.next }))
}

fn viewer(caller: &Caller) -> ApiResult<Scope> {
    if caller.may_somewhere(Action::UserView) { Ok(Scope::Tenant(caller.tenant)) } else { Err(Code::Forbidden.into()) }
}

fn login_view(login: &LoginRow, user: UserId) -> Login {
    Login {
        id: login.id,
        email: login.email.clone(),
        user,
        has_password: login.password_hash.is_some(),
        locked_until_at: login.locked_until.map(|t| t.0),
        created_at: login.created_at.0,
    }
}

/// The membership of a login in this tenant; a login without one does not exist here. Inactive members count.
async fn member(app: &App, tenant: TenantId, login: LoginId) -> ApiResult<UserRow> {
    let mut page = store::PageRequest { cursor: None, limit: 200 };
    loop {
        let users = app.store().users(Scope::Tenant(tenant), &page).await?;
        if let Some(user) = users.items.into_iter().find(|u| u.login_id == login) {
            return Ok(user);
        }
        page.cursor = Some(users.next.ok_or(Code::NotFound)?);
    }
}

async fn get_login(State(app): State<App>, caller: Caller, PathId(id): PathId<LoginId>) -> ApiResult<Json<Login>> {
    viewer(&caller)?;
    let user = member(&app, caller.tenant, id).await?;
    Ok(Json(login_view(&app.store().login(id).await?, user.id)))
}

async fn create_login(
    State(app): State<App>,
    caller: Caller,
    JsonBody(new): JsonBody<LoginNew>,
) -> ApiResult<Response> {
    writer(&caller, Action::UserManage)?;
    let mut problems = Problems::default();
    problems.text("name", &new.name, 100);
    problems.into_result()?;
    let hash = match &new.password {
        Some(password) => Some(app.passwords().hash(password).await?),
        None => None,
    };
    let is_new = app.store().find_login(&new.email).await?.is_none();
    let login = app.store().login_for_email(&new.email, app.now()).await?;
    let lang = app.known(caller.tenant).await?.config.lang;
    let mut tx = app.admin(&caller, "").await?;
    let user = tx.create_user(&login, &new.name, lang).await?;
    app.commit(caller.tenant, tx).await?;
    if let Some(hash) = hash.filter(|_| is_new) {
        app.store().set_password_hash(login.id, &hash).await?;
    }
    Ok(created(login_view(&app.store().login(login.id).await?, user.id)))
}

async fn patch_login(
    State(app): State<App>,
    caller: Caller,
    PathId(id): PathId<LoginId>,
    JsonBody(change): JsonBody<LoginPatch>,
) -> ApiResult<Json<Login>> {
    writer(&caller, Action::UserManage)?;
    let user = member(&app, caller.tenant, id).await?;
    // One company's administrator must not take over a person's way into another.
    if app.store().users_of_login(id).await?.iter().any(|u| u.tenant_id != caller.tenant) {
        return Err(Code::LoginShared.into());
    }
    let hash = match &change.password {
        Some(password) => Some(app.passwords().hash(password).await?),
        None => None,
    };
    let mut tx = app.admin(&caller, "").await?;
    let detail = serde_json::json!({"password": hash.is_some(), "unlock": change.unlock});
    tx.audit("login.update", Some(id.to_string()), detail).await?;
    app.commit(caller.tenant, tx).await?;
    if change.unlock {
        app.store().sign_in_succeeded(id).await?;
    }
    if let Some(hash) = hash {
        app.store().set_password_hash(id, &hash).await?;
    }
    Ok(Json(login_view(&app.store().login(id).await?, user.id)))
}

#[derive(serde::Serialize)]
struct UserView {
    id: UserId,
    #[serde(flatten)]
    fields: UserFields,
}

async fn user_view(app: &App, row: UserRow) -> ApiResult<UserView> {
    let login = app.store().login(row.login_id).await?;
    let grants = app.store().grants_of(row.tenant_id, row.id).await?;
    let known = app.known(row.tenant_id).await?;
    Ok(UserView {
        id: row.id,
        fields: UserFields {
            email: login.email,
            name: row.name,
            lang: row.lang.into(),
            time_zone: row.time_zone,
            grants: grants.iter().filter_map(grant_view).collect(),
            active: row.active,
            login: Some(row.login_id),
            agent: known.config.agents.values().find(|a| a.user == row.id).map(|a| a.id),
        },
    })
}

async fn list_users(
    State(app): State<App>,
    caller: Caller,
    Params(query): Params<ListQuery>,
) -> ApiResult<Json<Page<UserView>>> {
    let page = app.store().users(viewer(&caller)?, &query.page()?).await?;
    let mut items = Vec::with_capacity(page.items.len());
    for row in page.items {
        items.push(user_view(&app, row).await?);
    }
    Ok(Json(Page { items, next_cursor: page.next }))
}

async fn get_user(State(app): State<App>, caller: Caller, PathId(id): PathId<UserId>) -> ApiResult<Json<UserView>> {
    let row = app.store().user(viewer(&caller)?, id).await?;
    user_view(&app, row).await.map(Json)
}

async fn create_user(
    State(app): State<App>,
    caller: Caller,
    JsonBody(fields): JsonBody<UserFields>,
) -> ApiResult<Response> {
    writer(&caller, Action::UserManage)?;
    check_user(&app, &caller, &fields, &[]).await?;
    let login = app.store().login_for_email(&fields.email, app.now()).await?;
    let mut tx = app.admin(&caller, "").await?;
    let mut row = tx.create_user(&login, &fields.name, fields.lang.into()).await?;
    (row.time_zone, row.active) = (fields.time_zone.clone(), fields.active);
    let row = tx.update_user(&row, None).await?;
    for grant in &fields.grants {
        put_grant(&mut tx, row.id, grant).await?;
    }
    app.commit(caller.tenant, tx).await?;
    Ok(created(user_view(&app, row).await?))
}

async fn patch_user(
    State(app): State<App>,
    caller: Caller,
    PathId(id): PathId<UserId>,
    JsonBody(change): JsonBody<Value>,
) -> ApiResult<Json<UserView>> {
    let scope = writer(&caller, Action::UserManage)?;
    let mut row = app.store().user(scope, id).await?;
    let rev = row.rev;
    let present = user_view(&app, row.clone()).await?.fields;
    let fields: UserFields = patched(&present, change)?;
    if fields.email != present.email {
        return Err(ApiError::field("email", "invalid"));
    }
    check_user(&app, &caller, &fields, &present.grants).await?;
    let stored = app.store().grants_of(caller.tenant, id).await?;
    row.name = fields.name;
    row.lang = fields.lang.into();
    row.time_zone = fields.time_zone;
    row.active = fields.active;
    let mut tx = app.admin(&caller, "").await?;
    let row = tx.update_user(&row, Some(rev)).await?;
    for grant in &stored {
        if grant_view(grant).is_none_or(|g| !fields.grants.contains(&g)) {
            tx.revoke_grant(grant.id).await?;
        }
    }
    for grant in fields.grants.iter().filter(|g| !present.grants.contains(g)) {
        put_grant(&mut tx, id, grant).await?;
    }
    app.commit(caller.tenant, tx).await?;
    Ok(Json(user_view(&app, row).await?))
}

async fn delete_user(State(app): State<App>, caller: Caller, PathId(id): PathId<UserId>) -> ApiResult<Response> {
    let scope = writer(&caller, Action::UserManage)?;
    let mut row = app.store().user(scope, id).await?;
    if id == caller.user {
        // Whoever deletes himself may leave a company without an administrator.
        return Err(Code::InUse.into());
    }
    row.active = false;
    let grants = app.store().grants_of(caller.tenant, id).await?;
    let mut tx = app.admin(&caller, "").await?;
    tx.update_user(&row, None).await?;
    for grant in grants {
        tx.revoke_grant(grant.id).await?;
    }
    app.commit(caller.tenant, tx).await?;
    Ok(nothing())
}

/// `present`: grants the user has already, which nobody gives now.
async fn check_user(app: &App, caller: &Caller, fields: &UserFields, present: &[Grant]) -> ApiResult<()> {
    let mut problems = Problems::default();
    problems.text("name", &fields.name, 100);
    if let Some(zone) = &fields.time_zone {
        problems.time_zone("time_zone", zone);
    }
    if fields.grants.len() > 50 {
        problems.add("grants", "too_long");
    }
    let known = app.known(caller.tenant).await?;
    for (i, grant) in fields.grants.iter().enumerate() {
        let exists = match grant.scope {
            GrantScope::Team { team } => known.config.teams.contains_key(&team),
            GrantScope::Queue { queue } => known.config.queues.contains_key(&queue),
            GrantScope::Own | GrantScope::Tenant | GrantScope::Host => true,
        };
        if !exists {
            problems.add(format!("grants[{i}].scope"), "not_found");
        }
        // Nobody gives what they do not have: the installation's rights come from its owner.
        let host = grant.role == Role::Host || grant.scope == GrantScope::Host;
        if host && !present.contains(grant) && !caller.may(Action::HostManage, &domain::access::Resource::host()) {
            return Err(Code::Forbidden.into());
        }
    }
    problems.into_result()
}

async fn put_grant(tx: &mut AdminTx, user: UserId, grant: &Grant) -> ApiResult<()> {
    let (scope, id) = match &grant.scope {
        GrantScope::Own => ("own", None),
        GrantScope::Team { team } => ("team", Some(team.to_string())),
        GrantScope::Queue { queue } => ("queue", Some(queue.to_string())),
        GrantScope::Tenant => ("tenant", None),
        GrantScope::Host => ("host", None),
    };
    tx.grant(user, built_in(grant.role).as_str(), scope, id).await?;
    Ok(())
}

fn built_in(role: Role) -> BuiltIn {
    match role {
        Role::Agent => BuiltIn::Agent,
        Role::Supervisor => BuiltIn::Supervisor,
        Role::Admin => BuiltIn::Admin,
        Role::Host => BuiltIn::Host,
    }
}

/// A stored grant on the wire; codes this version does not know are left out.
pub fn grant_view(row: &GrantRow) -> Option<Grant> {
    let role = match BuiltIn::ALL.iter().find(|r| r.as_str() == row.role)? {
        BuiltIn::Agent => Role::Agent,
        BuiltIn::Supervisor => Role::Supervisor,
        BuiltIn::Admin => Role::Admin,
        BuiltIn::Host => Role::Host,
    };
    let scope = match (row.scope.as_str(), row.scope_id.as_deref()) {
        ("own", _) => GrantScope::Own,
        ("team", Some(id)) => GrantScope::Team { team: id.parse().ok()? },
        ("queue", Some(id)) => GrantScope::Queue { queue: id.parse().ok()? },
        ("tenant", _) => GrantScope::Tenant,
        ("host", _) => GrantScope::Host,
        _ => return None,
    };
    Some(Grant { role, scope })
}

async fn list_tokens(State(app): State<App>, caller: Caller) -> ApiResult<Json<Page<ApiToken>>> {
    let scope = writer(&caller, Action::TokenManage)?;
    let tokens = app.store().tokens(scope).await?;
    let items = tokens
        .into_iter()
        .filter(|t| t.token.revoked_at.is_none())
        .map(|t| ApiToken {
            id: t.token.id.to_string(),
            name: t.token.name,
            user: t.token.user_id,
            user_name: t.user_name,
            created_at: t.token.created_at.0,
            expires_at: t.token.expires_at.map(|e| e.0),
        })
        .collect();
    Ok(Json(Page { items, next_cursor: None }))
}

async fn create_token(
    State(app): State<App>,
    caller: Caller,
    JsonBody(new): JsonBody<ApiTokenNew>,
) -> ApiResult<Response> {
    writer(&caller, Action::TokenManage)?;
    let mut problems = Problems::default();
    problems.text("name", &new.name, 100);
    if new.expires_at.is_some_and(|at| at <= app.now().0) {
        problems.add("expires_at", "out_of_range");
    }
    problems.into_result()?;
    let mut tx = app.admin(&caller, "").await?;
    let (row, secret) = tx.create_token(caller.user, &new.name, new.expires_at.map(Timestamp)).await?;
    app.commit(caller.tenant, tx).await?;
    let token = ApiToken {
        id: row.id.to_string(),
        name: row.name,
        user: row.user_id,
        user_name: caller.name,
        created_at: row.created_at.0,
        expires_at: row.expires_at.map(|e| e.0),
    };
    Ok(created(ApiTokenCreated { token, secret }))
}

async fn delete_token(State(app): State<App>, caller: Caller, PathId(id): PathId<TokenId>) -> ApiResult<Response> {
    writer(&caller, Action::TokenManage)?;
    let mut tx = app.admin(&caller, "").await?;
    tx.revoke_token(id).await?;
    app.commit(caller.tenant, tx).await?;
    Ok(nothing())
}

/// Ends the session behind a request, if one is.
pub async fn end_session(app: &App, caller: &Caller) -> ApiResult<()> {
    if let Proof::Session { id, .. } = &caller.proof {
        app.store().delete_session(*id).await?;
    }
    Ok(())
}
