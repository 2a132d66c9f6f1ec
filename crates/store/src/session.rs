//! Sessions, API tokens, one-time links and idempotency keys. Secrets leave this module once, when they are made; the
//! tables hold their SHA-256.
use std::time::Duration;

use domain::id::{LoginId, SessionId, TenantId, TokenId, UserId};
use domain::time::Timestamp;

use crate::Store;
use crate::db::sql;
use crate::error::{Error, Result};
use crate::random::{bits, hash_secret, secret};
use crate::value::{TableRow, insert, select, table_row};

table_row! {
    pub struct SessionRow in "sessions" (id) {
        pub id: SessionId,
        #[serde(skip)]
        pub secret_hash: String,
        pub login_id: LoginId,
        pub tenant_id: TenantId,
        pub user_id: UserId,
        /// Given to the page; must come back in a header with every change.
        pub csrf: String,
        pub created_at: Timestamp,
        pub seen_at: Timestamp,
        pub expires_at: Timestamp,
    }

    pub struct TokenRow in "api_tokens" (id) {
        pub id: TokenId,
        pub tenant_id: TenantId,
        pub user_id: UserId,
        pub name: String,
        #[serde(skip)]
        pub secret_hash: String,
        pub created_at: Timestamp,
        pub expires_at: Option<Timestamp>,
        pub revoked_at: Option<Timestamp>,
    }

    pub struct LinkRow in "one_time_links" (secret_hash) {
        #[serde(skip)]
        pub secret_hash: String,
        pub tenant_id: TenantId,
        pub user_id: UserId,
        /// `sign_in`, `set_password`, …
        pub purpose: String,
        pub created_at: Timestamp,
        pub expires_at: Timestamp,
        pub used_at: Option<Timestamp>,
    }
}

/// Marks a text as an API token of Cordboard, so that secret scanners can know it.
pub const TOKEN_PREFIX: &str = "cbt_";

/// What a repeated `Idempotency-Key` finds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Idempotency {
    /// First time: do the work, then [`Store::idempotency_finish`].
    Fresh,
    /// Done before: answer this.
    Replay { status: u16, body: String },
    /// The first request has not finished; answer 409 with Retry-After.
    InProgress,
    /// The same key came with another request; answer 422.
    Mismatch,
}

impl Store {
    /// Returns the row and the cookie's secret.
    pub async fn create_session(
        &self,
        user: &crate::people::UserRow,
        ttl: Duration,
        now: Timestamp,
    ) -> Result<(SessionRow, String)> {
        let token = secret();
        let row = SessionRow {
            id: SessionId::from_parts(now.0, bits()),
            secret_hash: hash_secret(&token),
            login_id: user.login_id,
            tenant_id: user.tenant_id,
            user_id: user.id,
            csrf: secret(),
            created_at: now,
            seen_at: now,
            expires_at: now + ttl,
        };
        let mut tx = self.db.begin().await?;
        insert(&row, &mut tx).await?;
        tx.commit().await?;
        Ok((row, token))
    }

    /// The living session of a cookie, if its user is still active.
    pub async fn find_session(&self, token: &str, now: Timestamp) -> Result<Option<SessionRow>> {
        let row = select::<SessionRow>(
            "WHERE secret_hash = $1 AND expires_at > $2 \
             AND EXISTS (SELECT 1 FROM users u WHERE u.id = sessions.user_id AND u.active = 1)",
        )
        .bind(hash_secret(token))
        .bind(now)
        .maybe(&mut self.db.read().await?)
        .await?;
        row.as_ref().map(SessionRow::read).transpose()
    }

    /// Notes use and moves the expiry. Call at most about once a minute per session.
    pub async fn touch_session(&self, session: SessionId, ttl: Duration, now: Timestamp) -> Result<()> {
        let mut tx = self.db.begin().await?;
        sql("UPDATE sessions SET seen_at = $1, expires_at = $2 WHERE id = $3")
            .bind(now)
            .bind(now + ttl)
            .bind(session)
            .execute(&mut tx)
            .await?;
        tx.commit().await
    }

    pub async fn delete_session(&self, session: SessionId) -> Result<()> {
        let mut tx = self.db.begin().await?;
        sql("DELETE FROM sessions WHERE id = $1").bind(session).execute(&mut tx).await?;
        tx.commit().await
    }

    /// The living API token of a secret, if its user is still active.
    pub async fn find_token(&self, token: &str, now: Timestamp) -> Result<Option<TokenRow>> {
        let row = select::<TokenRow>(
            "WHERE secret_hash = $1 AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > $2) \
             AND EXISTS (SELECT 1 FROM users u WHERE u.id = api_tokens.user_id AND u.active = 1)",
        )
        .bind(hash_secret(token))
        .bind(now)
        .maybe(&mut self.db.read().await?)
        .await?;
        row.as_ref().map(TokenRow::read).transpose()
    }

    /// Returns the secret to put into the link. It works once, before `ttl` is over.
    pub async fn create_link(
        &self,
        tenant: TenantId,
        user: UserId,
        purpose: &str,
        ttl: Duration,
        now: Timestamp,
    ) -> Result<String> {
        let token = secret();
        let mut tx = self.db.begin().await?;
        sql("SELECT id FROM users WHERE id = $1 AND tenant_id = $2")
            .bind(user)
            .bind(tenant)
            .one(&mut tx, "user")
            .await?;
        let row = LinkRow {
            secret_hash: hash_secret(&token),
            tenant_id: tenant,
            user_id: user,
            purpose: purpose.to_owned(),
            created_at: now,
            expires_at: now + ttl,
            used_at: None,
        };
        insert(&row, &mut tx).await?;
        tx.commit().await?;
        Ok(token)
    }

    /// Uses up a link. `None` if it is unknown, used, expired or for another purpose.
    pub async fn redeem_link(&self, token: &str, purpose: &str, now: Timestamp) -> Result<Option<LinkRow>> {
        let mut tx = self.db.begin().await?;
        let hash = hash_secret(token);
        let n = sql("UPDATE one_time_links SET used_at = $1 \
                     WHERE secret_hash = $2 AND purpose = $3 AND used_at IS NULL AND expires_at > $1")
        .bind(now)
        .bind(hash.as_str())
        .bind(purpose)
        .execute(&mut tx)
        .await?;
        if n == 0 {
            return Ok(None);
        }
        let row = select::<LinkRow>("WHERE secret_hash = $1").bind(hash).one(&mut tx, "link").await?;
        tx.commit().await?;
        Ok(Some(LinkRow::read(&row)?))
    }

    /// Claims `key` for a request whose method, path and body hash to `request_hash`.
    pub async fn idempotency_begin(
        &self,
        tenant: TenantId,
        key: &str,
        request_hash: &str,
        ttl: Duration,
        now: Timestamp,
    ) -> Result<Idempotency> {
        if key.is_empty() || key.len() > 255 {
            return Err(Error::invalid("idempotency key", "1 to 255 characters"));
        }
        let mut tx = self.db.begin().await?;
        sql("DELETE FROM idempotency_keys WHERE tenant_id = $1 AND idem_key = $2 AND expires_at <= $3")
            .bind(tenant)
            .bind(key)
            .bind(now)
            .execute(&mut tx)
            .await?;
        let n = sql("INSERT INTO idempotency_keys (tenant_id, idem_key, request_hash, created_at, expires_at) \
                     VALUES ($1, $2, $3, $4, $5) ON CONFLICT (tenant_id, idem_key) DO NOTHING")
        .bind(tenant)
        .bind(key)
        .bind(request_hash)
        .bind(now)
        .bind(now + ttl)
        .execute(&mut tx)
        .await?;
        if n == 1 {
            tx.commit().await?;
            return Ok(Idempotency::Fresh);
        }
        let row = sql("SELECT request_hash, status, body FROM idempotency_keys WHERE tenant_id = $1 AND idem_key = $2")
            .bind(tenant)
            .bind(key)
            .one(&mut tx, "idempotency key")
            .await?;
        if row.get::<String>("request_hash")? != request_hash {
            return Ok(Idempotency::Mismatch);
        }
        Ok(match (row.get::<Option<u16>>("status")?, row.get::<Option<String>>("body")?) {
            (Some(status), body) => Idempotency::Replay { status, body: body.unwrap_or_default() },
            (None, _) => Idempotency::InProgress,
        })
    }

    /// Keeps the answer for repeats.
    pub async fn idempotency_finish(&self, tenant: TenantId, key: &str, status: u16, body: &str) -> Result<()> {
        let mut tx = self.db.begin().await?;
        sql("UPDATE idempotency_keys SET status = $1, body = $2 WHERE tenant_id = $3 AND idem_key = $4")
            .bind(status)
            .bind(body)
            .bind(tenant)
            .bind(key)
            .execute(&mut tx)
            .await?;
        tx.commit().await
    }

    /// The request failed without effect: let the client try again under the same key.
    pub async fn idempotency_abandon(&self, tenant: TenantId, key: &str) -> Result<()> {
        let mut tx = self.db.begin().await?;
        sql("DELETE FROM idempotency_keys WHERE tenant_id = $1 AND idem_key = $2 AND status IS NULL")
            .bind(tenant)
            .bind(key)
            .execute(&mut tx)
            .await?;
        tx.commit().await
    }

    /// Removes expired sessions, links and keys. Call every few minutes.
    pub async fn expire(&self, now: Timestamp) -> Result<u64> {
        let mut tx = self.db.begin().await?;
        let mut n = 0;
        for statement in [
            "DELETE FROM sessions WHERE expires_at <= $1",
            "DELETE FROM one_time_links WHERE expires_at <= $1",
            "DELETE FROM idempotency_keys WHERE expires_at <= $1",
        ] {
            n += sql(statement).bind(now).execute(&mut tx).await?;
        }
        tx.commit().await?;
        Ok(n)
    }
}
