//! The part of an administrative change that concerns people: users, team members, grants, API tokens.
use domain::id::{GrantId, TeamId, TokenId, UserId};
use domain::localized::Lang;
use domain::time::Timestamp;
use serde_json::json;

use super::AdminTx;
use crate::db::sql;
use crate::error::{Error, OrConflict, Result};
use crate::people::{GrantRow, LoginRow, UserRow};
use crate::session::{TOKEN_PREFIX, TokenRow};
use crate::value::{TableRow, insert, select};

impl AdminTx {
    /// A login's membership in this tenant.
    pub async fn create_user(&mut self, login: &LoginRow, name: &str, lang: Lang) -> Result<UserRow> {
        let row = UserRow {
            id: UserId::from_parts(self.now.0, crate::random::bits()),
            tenant_id: self.tenant,
            login_id: login.id,
            name: name.to_owned(),
            lang,
            time_zone: None,
            active: true,
            rev: self.rev,
            created_at: self.now,
        };
        insert(&row, &mut self.tx).await.or_conflict("user.exists")?;
        self.audit("user.create", Some(row.id.to_string()), json!({ "name": name })).await?;
        Ok(row)
    }

    /// Changes name, language, zone and activity; deactivating ends the user's sessions.
    pub async fn update_user(&mut self, user: &UserRow, expect: Option<u64>) -> Result<UserRow> {
        let present = select::<UserRow>("WHERE tenant_id = $1 AND id = $2").bind(self.tenant).bind(user.id);
        let present = UserRow::read(&present.one(&mut self.tx, "user").await?)?;
        if expect.is_some_and(|e| e != present.rev) {
            return Err(Error::Stale { rev: present.rev });
        }
        sql("UPDATE users SET name = $1, lang = $2, time_zone = $3, active = $4, rev = $5 WHERE id = $6")
            .bind(user.name.as_str())
            .bind(user.lang)
            .bind(user.time_zone.clone())
            .bind(user.active)
            .bind(self.rev)
            .bind(user.id)
            .execute(&mut self.tx)
            .await?;
        if !user.active {
            sql("DELETE FROM sessions WHERE user_id = $1").bind(user.id).execute(&mut self.tx).await?;
        }
        let detail = json!({ "name": user.name, "active": user.active });
        self.audit("user.update", Some(user.id.to_string()), detail).await?;
        Ok(UserRow { rev: self.rev, tenant_id: self.tenant, ..user.clone() })
    }

    /// The whole list of a team's members.
    pub async fn set_team_members(&mut self, team: TeamId, members: &[UserId]) -> Result<()> {
        sql("SELECT id FROM config_items WHERE tenant_id = $1 AND class = 'team' AND id = $2 AND deleted_at IS NULL")
            .bind(self.tenant)
            .bind(team)
            .one(&mut self.tx, "team")
            .await?;
        sql("DELETE FROM team_members WHERE tenant_id = $1 AND team_id = $2")
            .bind(self.tenant)
            .bind(team)
            .execute(&mut self.tx)
            .await?;
        for user in members {
            self.check_user(*user).await?;
            sql("INSERT INTO team_members (tenant_id, team_id, user_id) VALUES ($1, $2, $3) \
                 ON CONFLICT (tenant_id, team_id, user_id) DO NOTHING")
            .bind(self.tenant)
            .bind(team)
            .bind(*user)
            .execute(&mut self.tx)
            .await?;
        }
        self.audit("team.members", Some(team.to_string()), json!({ "users": members })).await
    }

    pub async fn grant(&mut self, user: UserId, role: &str, scope: &str, scope_id: Option<String>) -> Result<GrantRow> {
        self.check_user(user).await?;
        let row = GrantRow {
            id: GrantId::from_parts(self.now.0, crate::random::bits()),
            tenant_id: self.tenant,
            user_id: user,
            role: role.to_owned(),
            scope: scope.to_owned(),
            scope_id,
            created_at: self.now,
        };
        insert(&row, &mut self.tx).await?;
        let detail = json!({ "user": user, "role": role, "scope": scope, "scope_id": row.scope_id });
        self.audit("grant.create", Some(row.id.to_string()), detail).await?;
        Ok(row)
    }

    pub async fn revoke_grant(&mut self, grant: GrantId) -> Result<()> {
        let n = sql("DELETE FROM grants WHERE tenant_id = $1 AND id = $2")
            .bind(self.tenant)
            .bind(grant)
            .execute(&mut self.tx)
            .await?;
        if n == 0 {
            return Err(Error::NotFound { what: "grant" });
        }
        self.audit("grant.delete", Some(grant.to_string()), json!({})).await
    }

    /// Returns the row and the secret, which is shown once.
    pub async fn create_token(
        &mut self,
        user: UserId,
        name: &str,
        expires_at: Option<Timestamp>,
    ) -> Result<(TokenRow, String)> {
        self.check_user(user).await?;
        let secret = format!("{TOKEN_PREFIX}{}", crate::random::secret());
        let row = TokenRow {
            id: TokenId::from_parts(self.now.0, crate::random::bits()),
            tenant_id: self.tenant,
            user_id: user,
            name: name.to_owned(),
            secret_hash: crate::random::hash_secret(&secret),
            created_at: self.now,
            expires_at,
            revoked_at: None,
        };
        insert(&row, &mut self.tx).await?;
        self.audit("token.create", Some(row.id.to_string()), json!({ "name": name })).await?;
        Ok((row, secret))
    }

    pub async fn revoke_token(&mut self, token: TokenId) -> Result<()> {
        let n = sql("UPDATE api_tokens SET revoked_at = $1 WHERE tenant_id = $2 AND id = $3 AND revoked_at IS NULL")
            .bind(self.now)
            .bind(self.tenant)
            .bind(token)
            .execute(&mut self.tx)
            .await?;
        if n == 0 {
            return Err(Error::NotFound { what: "token" });
        }
        self.audit("token.revoke", Some(token.to_string()), json!({})).await
    }

    async fn check_user(&mut self, user: UserId) -> Result<()> {
        let query = sql("SELECT id FROM users WHERE tenant_id = $1 AND id = $2").bind(self.tenant).bind(user);
        query.one(&mut self.tx, "user").await.map(drop)
    }
}
