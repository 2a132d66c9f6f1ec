//! The person or program behind a request: found from the session cookie or an API token, with grants.
use std::collections::HashSet;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use domain::access::{Action, BuiltIn, Grant, Resource, Scope as Reach, may};
use domain::id::{AgentId, LoginId, QueueId, TeamId, TenantId, UserId};
use domain::localized::Lang;
use store::{GrantRow, Scope, UserRow};

use crate::App;
use crate::auth::{COOKIE, SECURE_COOKIE};
use crate::error::{ApiError, ApiResult, Code};

#[derive(Clone)]
pub struct Caller {
    pub tenant: TenantId,
    pub user: UserId,
    pub login: LoginId,
    pub name: String,
    pub lang: Lang,
    pub time_zone: Option<String>,
    pub grants: Vec<Grant>,
    /// The agent this user is, if one.
    pub agent: Option<AgentId>,
    pub proof: Proof,
}

/// How the caller proved who they are.
#[derive(Clone)]
pub enum Proof {
    Session {
        id: domain::id::SessionId,
        csrf: String,
        /// The cookie's value, to ask again whether the session lives.
        secret: String,
    },
    Token,
}

impl Caller {
    /// From the request's headers; `None` without credentials.
    pub async fn find(app: &App, headers: &HeaderMap) -> ApiResult<Option<Caller>> {
        if let Some(token) = bearer(headers) {
            let row = app.store().find_token(token, app.now()).await?.ok_or(Code::BadToken)?;
            return Self::of_user(app, row.tenant_id, row.user_id, Proof::Token).await.map(Some);
        }
        let Some(cookie) = cookie(headers) else { return Ok(None) };
        let now = app.now();
        let Some(row) = app.store().find_session(cookie, now).await? else { return Ok(None) };
        // Once a minute is often enough to keep a session of twelve hours alive.
        if now - row.seen_at > 60_000 {
            app.store().touch_session(row.id, super::SESSION_LIFE, now).await?;
        }
        let proof = Proof::Session { id: row.id, csrf: row.csrf, secret: cookie.to_owned() };
        Self::of_user(app, row.tenant_id, row.user_id, proof).await.map(Some)
    }

    pub async fn of_user(app: &App, tenant: TenantId, user: UserId, proof: Proof) -> ApiResult<Caller> {
        let row: UserRow = app.store().user(Scope::Tenant(tenant), user).await?;
        if !row.active {
            return Err(Code::NotSignedIn.into());
        }
        let grants = app.store().grants_of(tenant, user).await?;
        let known = app.known(tenant).await?;
        let agent = known.config.agents.values().find(|a| a.user == user && a.active).map(|a| a.id);
        Ok(Caller {
            tenant,
            user,
            login: row.login_id,
            name: row.name,
            lang: row.lang,
            time_zone: row.time_zone,
            grants: grants.iter().filter_map(read_grant).collect(),
            agent,
            proof,
        })
    }

    /// `auth.forbidden` unless a grant allows it.
    pub fn require(&self, action: Action, resource: &Resource) -> ApiResult<()> {
        if may(&self.grants, action, resource) { Ok(()) } else { Err(Code::Forbidden.into()) }
    }

    pub fn may(&self, action: Action, resource: &Resource) -> bool {
        may(&self.grants, action, resource)
    }

    /// Whether some grant holds the action at all: lists are then filtered row by row.
    pub fn may_somewhere(&self, action: Action) -> bool {
        self.grants.iter().any(|g| g.role.actions.contains(&action))
    }

    /// Customers' numbers are shown to this person in part.
    pub fn sees_masked(&self, config: &domain::config::TenantConfig) -> bool {
        config.mask_numbers && !self.may_somewhere(Action::ContactReveal)
    }

    /// The company as a whole.
    pub fn tenant_resource(&self) -> Resource {
        Resource::tenant(self.tenant)
    }

    /// Something that went through these queues and was handled by these agents.
    pub fn resource(
        &self,
        config: &domain::config::TenantConfig,
        queues: impl IntoIterator<Item = QueueId>,
        agents: impl IntoIterator<Item = AgentId>,
    ) -> Resource {
        let queues: Vec<QueueId> = queues.into_iter().collect();
        let mut teams: HashSet<TeamId> = HashSet::new();
        let mut users = Vec::new();
        for team in config.teams.values() {
            if team.queues.iter().any(|q| queues.contains(q)) {
                teams.insert(team.id);
            }
        }
        for agent in agents.into_iter().filter_map(|a| config.agents.get(&a)) {
            users.push(agent.user);
            teams.extend(agent.team);
        }
        Resource { tenant: Some(self.tenant), users, teams: teams.into_iter().collect(), queues }
    }

    pub fn author(&self) -> store::Author {
        store::Author { user: Some(self.user), name: self.name.clone() }
    }
}

/// The gate put the caller into the request before the handler runs.
impl FromRequestParts<App> for Caller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Self, ApiError> {
        parts.extensions.get::<Caller>().cloned().ok_or_else(|| Code::NotSignedIn.into())
    }
}

/// A stored grant; codes this version does not know give nothing.
pub fn read_grant(row: &GrantRow) -> Option<Grant> {
    let (tenant, user) = (row.tenant_id, row.user_id);
    let scope = match (row.scope.as_str(), row.scope_id.as_deref()) {
        ("own", _) => Reach::Own { tenant, user },
        ("team", Some(id)) => Reach::Team { tenant, team: id.parse().ok()? },
        ("queue", Some(id)) => Reach::Queue { tenant, queue: id.parse().ok()? },
        ("tenant", _) => Reach::Tenant { tenant },
        ("host", _) => Reach::Host,
        _ => return None,
    };
    let role = BuiltIn::ALL.iter().find(|r| r.as_str() == row.role)?.role();
    Some(Grant { id: row.id, role, scope })
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// The session's secret; the one set over TLS goes first.
pub fn cookie(headers: &HeaderMap) -> Option<&str> {
    let find = |name: &str| {
        headers
            .get_all(header::COOKIE)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(';'))
            .find_map(|pair| pair.trim().strip_prefix(name)?.strip_prefix('='))
    };
    find(SECURE_COOKIE).or_else(|| find(COOKIE))
}
