//! Hosts, tenants, logins, users, teams' members and grants: rows, and the writes that do not belong to a tenant's
//! administrator (those are in [`crate::admin`]).
use domain::config::Entitlements;
use domain::id::{GrantId, HostId, LoginId, TeamId, TenantId, UserId};
use domain::localized::Lang;
use domain::time::Timestamp;

use crate::Store;
use crate::db::sql;
use crate::error::{Error, OrConflict, Result};
use crate::query::{HostScope, Scope};
use crate::value::{TableRow, insert, read_all, select, table_row};

table_row! {
    pub struct HostRow in "hosts" (id) {
        pub id: HostId,
        pub name: String,
        pub created_at: Timestamp,
    }

    pub struct TenantRow in "tenants" (id) {
        pub id: TenantId,
        pub host_id: HostId,
        /// Short name for URLs and sign-in: lower-case letters, digits, `-`.
        pub slug: String,
        pub name: String,
        /// From the tenant's settings; unique in the installation.
        pub sip_domain: Option<String>,
        pub entitlements: Entitlements,
        /// Number of the newest revision, drafts included.
        pub last_rev: u64,
        pub published_rev: u64,
        /// Calls to a bare address of this server belong to this tenant.
        pub is_default: bool,
        pub created_at: Timestamp,
        pub suspended_at: Option<Timestamp>,
    }

    /// A person's way in; global. `email` is normalised by [`normalise_email`].
    pub struct LoginRow in "logins" (id) {
        pub id: LoginId,
        pub email: String,
        /// argon2id in PHC form; none: sign-in by link or SSO only.
        #[serde(skip)]
        pub password_hash: Option<String>,
        pub failed_count: u32,
        pub failed_at: Option<Timestamp>,
        pub locked_until: Option<Timestamp>,
        pub created_at: Timestamp,
    }

    /// A login's membership in one tenant.
    pub struct UserRow in "users" (id) {
        pub id: UserId,
        pub tenant_id: TenantId,
        pub login_id: LoginId,
        pub name: String,
        pub lang: Lang,
        /// IANA; none: the tenant's.
        pub time_zone: Option<String>,
        pub active: bool,
        /// Grows with each change; for optimistic updates.
        pub rev: u64,
        pub created_at: Timestamp,
    }

    /// (role, scope): codes of `domain::access`; `scope_id` names the team or queue.
    pub struct GrantRow in "grants" (id) {
        pub id: GrantId,
        pub tenant_id: TenantId,
        pub user_id: UserId,
        pub role: String,
        pub scope: String,
        pub scope_id: Option<String>,
        pub created_at: Timestamp,
    }
}

/// What a new tenant is made of.
#[derive(Debug, Clone)]
pub struct NewTenant {
    pub host: HostId,
    pub slug: String,
    pub name: String,
    pub entitlements: Entitlements,
    pub is_default: bool,
}

/// Trimmed and lower-case; refuses what cannot be an e-mail address.
pub fn normalise_email(email: &str) -> Result<String> {
    let email = email.trim().to_lowercase();
    let valid = email.len() <= 254
        && email
            .split_once('@')
            .is_some_and(|(user, host)| !user.is_empty() && !host.is_empty() && !host.contains('@'))
        && !email.chars().any(|c| c.is_whitespace() || c.is_control());
    if valid { Ok(email) } else { Err(Error::invalid("email", "it must look like name@example.com")) }
}

impl Store {
    pub async fn create_host(&self, _host: HostScope, name: &str, now: Timestamp) -> Result<HostRow> {
        let row =
            HostRow { id: HostId::from_parts(now.0, crate::random::bits()), name: name.to_owned(), created_at: now };
        let mut tx = self.db.begin().await?;
        insert(&row, &mut tx).await?;
        tx.commit().await?;
        Ok(row)
    }

    pub async fn hosts(&self, _host: HostScope) -> Result<Vec<HostRow>> {
        read_all(&select::<HostRow>("ORDER BY id LIMIT 1000").all(&mut self.db.read().await?).await?)
    }

    /// Creates the tenant with its key. Its settings follow through [`Store::admin`].
    pub async fn create_tenant(&self, _host: HostScope, new: NewTenant, now: Timestamp) -> Result<TenantRow> {
        let row = TenantRow {
            id: TenantId::from_parts(now.0, crate::random::bits()),
            host_id: new.host,
            slug: new.slug,
            name: new.name,
            sip_domain: None,
            entitlements: new.entitlements,
            last_rev: 0,
            published_rev: 0,
            is_default: new.is_default,
            created_at: now,
            suspended_at: None,
        };
        let mut tx = self.db.begin().await?;
        if row.is_default {
            sql("UPDATE tenants SET is_default = 0 WHERE is_default = 1").execute(&mut tx).await?;
        }
        insert(&row, &mut tx).await.or_conflict("tenant.slug_taken")?;
        self.keys.create_tenant_key(row.id, now, &mut tx).await?;
        tx.commit().await?;
        Ok(row)
    }

    /// All tenants (host) or the one of the scope.
    pub async fn tenants(&self, scope: Scope) -> Result<Vec<TenantRow>> {
        let mut query = select::<TenantRow>("WHERE 1 = 1");
        if let Scope::Tenant(tenant) = scope {
            query.push_bind(" AND id = ?", tenant);
        }
        query.push(" ORDER BY created_at, id LIMIT 100000");
        read_all(&query.all(&mut self.db.read().await?).await?)
    }

    pub async fn tenant(&self, tenant: TenantId) -> Result<TenantRow> {
        let row = select::<TenantRow>("WHERE id = $1").bind(tenant).one(&mut self.db.read().await?, "tenant").await?;
        TenantRow::read(&row)
    }

    /// The login with this e-mail, made if there is none (inviting a person who works for two tenants).
    pub async fn login_for_email(&self, email: &str, now: Timestamp) -> Result<LoginRow> {
        let email = normalise_email(email)?;
        let id = LoginId::from_parts(now.0, crate::random::bits());
        let mut tx = self.db.begin().await?;
        sql("INSERT INTO logins (id, email, failed_count, created_at) VALUES ($1, $2, 0, $3) ON CONFLICT (email) DO NOTHING")
            .bind(id)
            .bind(email.as_str())
            .bind(now)
            .execute(&mut tx)
            .await?;
        let row = select::<LoginRow>("WHERE email = $1").bind(email).one(&mut tx, "login").await?;
        tx.commit().await?;
        LoginRow::read(&row)
    }

    /// For sign-in. `None` for an unknown or malformed address.
    pub async fn find_login(&self, email: &str) -> Result<Option<LoginRow>> {
        let Ok(email) = normalise_email(email) else { return Ok(None) };
        let row = select::<LoginRow>("WHERE email = $1").bind(email).maybe(&mut self.db.read().await?).await?;
        row.as_ref().map(LoginRow::read).transpose()
    }

    pub async fn login(&self, login: LoginId) -> Result<LoginRow> {
        let row = select::<LoginRow>("WHERE id = $1").bind(login).one(&mut self.db.read().await?, "login").await?;
        LoginRow::read(&row)
    }

    /// Stores an argon2 hash (PHC text) and ends every session of the login.
    pub async fn set_password_hash(&self, login: LoginId, hash: &str) -> Result<()> {
        let mut tx = self.db.begin().await?;
        let n = sql("UPDATE logins SET password_hash = $1, failed_count = 0, failed_at = NULL, locked_until = NULL WHERE id = $2")
            .bind(hash)
            .bind(login)
            .execute(&mut tx)
            .await?;
        if n == 0 {
            return Err(Error::NotFound { what: "login" });
        }
        sql("DELETE FROM sessions WHERE login_id = $1").bind(login).execute(&mut tx).await?;
        tx.commit().await
    }

    /// Counts a wrong password; returns the new count. `lock_until` bars the login until then.
    pub async fn sign_in_failed(&self, login: LoginId, now: Timestamp, lock_until: Option<Timestamp>) -> Result<u32> {
        let mut tx = self.db.begin().await?;
        let row = sql("UPDATE logins SET failed_count = failed_count + 1, failed_at = $1, \
                       locked_until = COALESCE($2, locked_until) WHERE id = $3 RETURNING failed_count")
        .bind(now)
        .bind(lock_until)
        .bind(login)
        .one(&mut tx, "login")
        .await?;
        tx.commit().await?;
        row.get("failed_count")
    }

    pub async fn sign_in_succeeded(&self, login: LoginId) -> Result<()> {
        let mut tx = self.db.begin().await?;
        sql("UPDATE logins SET failed_count = 0, failed_at = NULL, locked_until = NULL WHERE id = $1")
            .bind(login)
            .execute(&mut tx)
            .await?;
        tx.commit().await
    }

    /// The tenants a login may enter: its active users.
    pub async fn users_of_login(&self, login: LoginId) -> Result<Vec<UserRow>> {
        let rows = select::<UserRow>("WHERE login_id = $1 AND active = 1 ORDER BY created_at, id LIMIT 1000")
            .bind(login)
            .all(&mut self.db.read().await?)
            .await?;
        read_all(&rows)
    }

    pub async fn grants_of(&self, tenant: TenantId, user: UserId) -> Result<Vec<GrantRow>> {
        let rows = select::<GrantRow>("WHERE tenant_id = $1 AND user_id = $2 ORDER BY id LIMIT 1000")
            .bind(tenant)
            .bind(user)
            .all(&mut self.db.read().await?)
            .await?;
        read_all(&rows)
    }

    pub async fn teams_of(&self, tenant: TenantId, user: UserId) -> Result<Vec<TeamId>> {
        let rows = sql("SELECT team_id FROM team_members WHERE tenant_id = $1 AND user_id = $2 ORDER BY team_id")
            .bind(tenant)
            .bind(user)
            .all(&mut self.db.read().await?)
            .await?;
        rows.iter().map(|r| r.get("team_id")).collect()
    }

    pub async fn members_of(&self, tenant: TenantId, team: TeamId) -> Result<Vec<UserId>> {
        let rows = sql("SELECT user_id FROM team_members WHERE tenant_id = $1 AND team_id = $2 ORDER BY user_id")
            .bind(tenant)
            .bind(team)
            .all(&mut self.db.read().await?)
            .await?;
        rows.iter().map(|r| r.get("user_id")).collect()
    }
}
