//! Lists of configuration, people, tokens, revisions and the audit trail.
use domain::id::{GrantId, UserId};
use serde::Serialize;

use super::{Cursor, Page, PageRequest, Scope, page_of};
use crate::Store;
use crate::admin::{AuditRow, RevisionRow};
use crate::config::{Class, ConfigItem, ITEM_COLUMNS, Item, read_item};
use crate::db::{Sql, sql};
use crate::error::Result;
use crate::people::{GrantRow, UserRow};
use crate::session::TokenRow;
use crate::value::{TableRow, read_all, select};

/// An API token with the name of its user.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TokenOwner {
    pub token: TokenRow,
    pub user_name: String,
}

/// `LIKE` pattern for "contains", with the wildcards of the text escaped.
fn contains(text: &str) -> String {
    let escaped = text.to_lowercase().replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_");
    format!("%{escaped}%")
}

/// `ORDER BY name, id` after a cursor.
fn by_name(query: &mut Sql, page: &PageRequest) -> Result<()> {
    if let Some(Cursor(name, id)) = page.after::<String>()? {
        query.push_bind(" AND (name > ?", name.clone());
        query.push_bind(" OR (name = ?", name);
        query.push_bind(" AND id > ?))", id);
    }
    query.push_bind(" ORDER BY name, id LIMIT ?", page.limit() + 1);
    Ok(())
}

impl Store {
    /// One configuration object.
    pub async fn item<T: ConfigItem>(&self, scope: Scope, id: T::Id) -> Result<Item<T>> {
        let mut query = sql(format!("SELECT {ITEM_COLUMNS} FROM config_items WHERE deleted_at IS NULL"));
        query.push_bind(" AND class = ?", T::CLASS);
        query.push_bind(" AND id = ?", id.to_string());
        scope.filter(&mut query);
        read_item(&query.one(&mut self.db.read().await?, T::CLASS.as_str()).await?)
    }

    /// Configuration objects by name. `search`: part of name, number or extension, in any case.
    pub async fn items<T: ConfigItem>(
        &self,
        scope: Scope,
        search: Option<&str>,
        page: &PageRequest,
    ) -> Result<Page<Item<T>>> {
        let mut query = sql(format!("SELECT {ITEM_COLUMNS} FROM config_items WHERE deleted_at IS NULL"));
        query.push_bind(" AND class = ?", T::CLASS);
        scope.filter(&mut query);
        if let Some(text) = search.filter(|t| !t.is_empty()) {
            query.push_bind(" AND search LIKE ? ESCAPE '\\'", contains(text));
        }
        by_name(&mut query, page)?;
        let rows = query.all(&mut self.db.read().await?).await?;
        page_of(&rows, page.limit(), read_item, |r| Ok(Cursor(r.get::<String>("name")?, r.get("id")?)))
    }

    /// The object with this natural key (number, extension, SIP user).
    pub async fn item_by_key<T: ConfigItem>(&self, scope: Scope, key: &str) -> Result<Option<Item<T>>> {
        let mut query = sql(format!("SELECT {ITEM_COLUMNS} FROM config_items WHERE deleted_at IS NULL"));
        query.push_bind(" AND class = ?", T::CLASS);
        query.push_bind(" AND natural_key = ?", key.to_owned());
        scope.filter(&mut query);
        query.maybe(&mut self.db.read().await?).await?.as_ref().map(read_item).transpose()
    }

    /// (id, name) of every object of a class, deleted ones too: reports name what existed then.
    pub async fn names(&self, scope: Scope, class: Class) -> Result<Vec<(String, String)>> {
        let mut query = sql("SELECT id, name FROM config_items WHERE ");
        query.push_bind("class = ?", class);
        scope.filter(&mut query);
        query.push(" ORDER BY name, id LIMIT 100000");
        let rows = query.all(&mut self.db.read().await?).await?;
        rows.iter().map(|r| Ok((r.get("id")?, r.get("name")?))).collect()
    }

    pub async fn user(&self, scope: Scope, id: UserId) -> Result<UserRow> {
        let mut query = select::<UserRow>("WHERE ");
        query.push_bind("id = ?", id);
        scope.filter(&mut query);
        UserRow::read(&query.one(&mut self.db.read().await?, "user").await?)
    }

    pub async fn users(&self, scope: Scope, page: &PageRequest) -> Result<Page<UserRow>> {
        let mut query = select::<UserRow>("WHERE 1 = 1");
        scope.filter(&mut query);
        by_name(&mut query, page)?;
        let rows = query.all(&mut self.db.read().await?).await?;
        page_of(&rows, page.limit(), UserRow::read, |r| Ok(Cursor(r.get::<String>("name")?, r.get("id")?)))
    }

    pub async fn grants(&self, scope: Scope, page: &PageRequest) -> Result<Page<GrantRow>> {
        let mut query = select::<GrantRow>("WHERE 1 = 1");
        scope.filter(&mut query);
        if let Some(Cursor((), id)) = page.after()? {
            query.push_bind(" AND id > ?", id);
        }
        query.push_bind(" ORDER BY id LIMIT ?", page.limit() + 1);
        let rows = query.all(&mut self.db.read().await?).await?;
        page_of(&rows, page.limit(), GrantRow::read, |r| Ok(Cursor((), r.get("id")?)))
    }

    pub async fn grant(&self, scope: Scope, id: GrantId) -> Result<GrantRow> {
        let mut query = select::<GrantRow>("WHERE ");
        query.push_bind("id = ?", id);
        scope.filter(&mut query);
        GrantRow::read(&query.one(&mut self.db.read().await?, "grant").await?)
    }

    /// API tokens, revoked ones too, with their users' names.
    pub async fn tokens(&self, scope: Scope) -> Result<Vec<TokenOwner>> {
        let mut query = select::<TokenRow>("WHERE 1 = 1");
        scope.filter(&mut query);
        query.push(" ORDER BY id LIMIT 1000");
        let mut conn = self.db.read().await?;
        let tokens: Vec<TokenRow> = read_all(&query.all(&mut conn).await?)?;
        let mut owned = Vec::with_capacity(tokens.len());
        for token in tokens {
            let user = sql("SELECT name FROM users WHERE id = $1").bind(token.user_id).one(&mut conn, "user").await?;
            owned.push(TokenOwner { user_name: user.get("name")?, token });
        }
        Ok(owned)
    }

    /// Configuration revisions, newest first.
    pub async fn revisions(&self, scope: Scope, page: &PageRequest) -> Result<Page<RevisionRow>> {
        let mut query = select::<RevisionRow>("WHERE 1 = 1");
        scope.filter(&mut query);
        newest_first(&mut query, "number", page)?;
        let rows = query.all(&mut self.db.read().await?).await?;
        page_of(&rows, page.limit(), RevisionRow::read, |r| Ok(Cursor(r.get::<i64>("number")?, r.get("tenant_id")?)))
    }

    pub async fn revision(&self, scope: Scope, number: u64) -> Result<RevisionRow> {
        let mut query = select::<RevisionRow>("WHERE ");
        query.push_bind("number = ?", number);
        scope.filter(&mut query);
        RevisionRow::read(&query.one(&mut self.db.read().await?, "revision").await?)
    }

    /// The audit trail, newest first.
    pub async fn audit(&self, scope: Scope, page: &PageRequest) -> Result<Page<AuditRow>> {
        let mut query = select::<AuditRow>("WHERE 1 = 1");
        scope.filter(&mut query);
        newest_first(&mut query, "seq", page)?;
        let rows = query.all(&mut self.db.read().await?).await?;
        page_of(&rows, page.limit(), AuditRow::read, |r| Ok(Cursor(r.get::<i64>("seq")?, r.get("tenant_id")?)))
    }
}

/// `ORDER BY <key> DESC, tenant_id` after a cursor.
fn newest_first(query: &mut Sql, key: &'static str, page: &PageRequest) -> Result<()> {
    if let Some(Cursor(n, tenant)) = page.after::<i64>()? {
        query.push_bind(&format!(" AND ({key} < ?"), n);
        query.push_bind(&format!(" OR ({key} = ?"), n);
        query.push_bind(" AND tenant_id > ?))", tenant);
    }
    query.push_bind(&format!(" ORDER BY {key} DESC, tenant_id LIMIT ?"), page.limit() + 1);
    Ok(())
}
