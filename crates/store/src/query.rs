//! Reads for the API, always scoped. Another tenant's row looks exactly like no row.
//!
//! Lists come in pages: stable order, an opaque cursor that says where the last page ended. Names, addresses and other
//! details of the ids in a row are fetched by the caller once per page.
mod coverage;
mod history;
mod lists;
mod voicemails;

use domain::id::TenantId;
use serde::{Deserialize, Serialize};

use crate::db::{Row, Sql};
use crate::error::{Error, Result};

pub use coverage::{CoverageFilter, CoverageState, CoverageSum};
pub use history::{InteractionDetail, InteractionFilter, Sample};
pub use lists::TokenOwner;
pub use voicemails::{MailboxCount, VoicemailFilter};

/// Whose rows a read may see. Required by every read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    Tenant(TenantId),
    /// All tenants: only through [`HostScope::whole_installation`].
    Host(HostScope),
}

/// Proof that the caller acts for the whole installation (start-up, node services, the host's own console).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HostScope(());

impl HostScope {
    /// For start-up, node services and the host's own console. A request of a tenant's user never comes here.
    pub fn whole_installation() -> HostScope {
        HostScope(())
    }
}

impl From<HostScope> for Scope {
    fn from(host: HostScope) -> Scope {
        Scope::Host(host)
    }
}

impl Scope {
    /// Appends ` AND tenant_id = $n` for a tenant.
    pub(crate) fn filter(self, query: &mut Sql) {
        match self {
            Scope::Tenant(tenant) => {
                query.push_bind(" AND tenant_id = ?", tenant);
            }
            Scope::Host(_) => {}
        }
    }
}

/// Which part of a list is wanted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PageRequest {
    /// [`Page::next`] of the page before.
    pub cursor: Option<String>,
    /// 1 to 200; 0 means 50.
    pub limit: u32,
}

impl PageRequest {
    pub(crate) fn limit(&self) -> u32 {
        if self.limit == 0 { 50 } else { self.limit.min(200) }
    }

    pub(crate) fn after<K: serde::de::DeserializeOwned>(&self) -> Result<Option<Cursor<K>>> {
        let Some(text) = &self.cursor else { return Ok(None) };
        let bad = || Error::invalid("cursor", "it is not one of ours");
        let json = hex::decode(text).map_err(|_| bad())?;
        serde_json::from_slice(&json).map(Some).map_err(|_| bad())
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Page<T> {
    pub items: Vec<T>,
    /// None on the last page.
    pub next: Option<String>,
}

/// Where a page ended: the sort key and the id of its last row.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Cursor<K>(pub K, pub String);

/// Cuts rows fetched with `limit + 1` into a page.
pub(crate) fn page_of<T, K: Serialize>(
    rows: &[Row],
    limit: u32,
    read: impl Fn(&Row) -> Result<T>,
    cursor: impl Fn(&Row) -> Result<Cursor<K>>,
) -> Result<Page<T>> {
    let limit = limit as usize;
    let items = rows.iter().take(limit).map(&read).collect::<Result<Vec<T>>>()?;
    let next = match (rows.len() > limit).then(|| rows.get(limit - 1)).flatten() {
        Some(row) => {
            let json = serde_json::to_vec(&cursor(row)?).map_err(|e| Error::corrupt("cursor", e))?;
            Some(hex::encode(json))
        }
        None => None,
    };
    Ok(Page { items, next })
}
