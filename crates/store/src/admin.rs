//! Administrative changes: one transaction with its revision, its audit rows and the changed rows. Called by
//! `engine::admin`, which checks permissions and tells the floor afterwards.
//!
//! ```text
//! let mut tx = store.admin(tenant, author, "reason", now).await?;
//! tx.put(queue, Some(rev)).await?;      // config objects: revision + audit
//! tx.create_user(…).await?;             // people: audit
//! let done = tx.commit().await?;        // done.rev: publish to the floor
//! ```
//! References between configuration objects are checked at commit, so objects that name each other can be put in any
//! order. There is no way to change a row here without an audit row.
mod draft;
mod people;

use domain::config::Entitlements;
use domain::id::{DeviceId, InteractionId, TenantId, TrunkId, UserId};
use domain::time::Timestamp;
use md5::Md5;
use serde::{Deserialize, Serialize};
use serde_json::json;
use sha2::{Digest, Sha256};

use crate::Store;
use crate::config::{Class, ConfigItem, ITEM_COLUMNS, Item, Settings, decode, read_item};
use crate::db::{Tx, sql};
use crate::error::{Error, OrConflict, Result};
use crate::hold::HoldRow;
use crate::keyring::{Key, Keyring};
use crate::value::{insert, table_row};

table_row! {
    pub struct AuditRow in "audit" (tenant_id, seq) {
        pub tenant_id: TenantId,
        pub seq: u64,
        pub at: Timestamp,
        pub user_id: Option<UserId>,
        /// As the author was called then: a name, a token's name, `system`.
        pub author: String,
        /// `<class>.<verb>`, such as `queue.put`.
        pub action: String,
        pub object_id: Option<String>,
        pub rev: Option<u64>,
        pub reason: String,
        /// What changed; never a secret.
        pub detail: serde_json::Value,
    }

    pub struct RevisionRow in "config_revisions" (tenant_id, number) {
        pub tenant_id: TenantId,
        pub number: u64,
        /// `draft`, `published`, `merged` (a draft that was published under a new number), `discarded`.
        pub state: String,
        pub user_id: Option<UserId>,
        pub author: String,
        pub reason: String,
        /// Array of [`Change`].
        pub changes: serde_json::Value,
        pub created_at: Timestamp,
        pub published_at: Option<Timestamp>,
    }
}

/// What a trunk's password is sealed for; the object is the trunk's id.
pub(crate) const TRUNK_PASSWORD: &str = "trunk-password";

/// What the digests of a device's secret are sealed for; the object is the device's id.
pub(crate) const HA1: &str = "device-ha1";

/// Who makes a change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Author {
    pub user: Option<UserId>,
    pub name: String,
}

impl Author {
    pub fn system() -> Self {
        Author { user: None, name: "system".to_owned() }
    }
}

/// One step of a revision.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "op", rename_all = "snake_case")]
pub enum Change {
    Put { class: Class, id: String, body: serde_json::Value },
    Delete { class: Class, id: String },
    Entitlements { entitlements: Entitlements },
}

impl Change {
    /// For drafts.
    pub fn put<T: ConfigItem>(item: &T) -> Result<Change> {
        let body = serde_json::to_value(item).map_err(|e| Error::invalid("configuration object", e))?;
        Ok(Change::Put { class: T::CLASS, id: item.id().to_string(), body })
    }
}

/// What [`AdminTx::commit`] did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Committed {
    /// The new published revision, if configuration changed: tell the floor and rebuild the directory.
    pub rev: Option<u64>,
}

/// The two digests of a SIP secret that answer every challenge without the secret itself. Lower-case hex.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ha1 {
    /// MD5(user:realm:secret), RFC 2617 §3.2.2.2.
    pub md5: String,
    /// SHA-256(user:realm:secret), RFC 7616 §3.4.2.
    pub sha256: String,
}

impl Ha1 {
    pub fn derive(user: &str, realm: &str, secret: &str) -> Ha1 {
        let text = format!("{user}:{realm}:{secret}");
        Ha1 { md5: hex::encode(Md5::digest(&text)), sha256: hex::encode(Sha256::digest(&text)) }
    }

    pub(crate) async fn unseal(keys: &Keyring, tenant: TenantId, device: DeviceId, sealed: &[u8]) -> Result<Ha1> {
        let plain = keys.open_sealed(tenant, HA1, &device.to_string(), sealed).await?;
        serde_json::from_slice(&plain).map_err(|e| Error::corrupt("device secret", e))
    }
}

impl Store {
    /// Begins an administrative change. On SQLite this holds the writer: commit soon.
    pub async fn admin(&self, tenant: TenantId, author: Author, reason: &str, now: Timestamp) -> Result<AdminTx> {
        // Unsealed before the transaction: inside it SQLite's only writer is ours and the key is read elsewhere.
        self.keys.seal(tenant, "warm", "up", b"").await?;
        let mut tx = self.db.begin().await?;
        // Takes the tenant's row: changes of one tenant come one after the other, revisions have no gaps in order.
        let row = sql("UPDATE tenants SET last_rev = last_rev + 1 WHERE id = $1 RETURNING last_rev")
            .bind(tenant)
            .one(&mut tx, "tenant")
            .await?;
        let rev: u64 = row.get("last_rev")?;
        let last: Option<u64> = sql("SELECT MAX(seq) AS seq FROM audit WHERE tenant_id = $1")
            .bind(tenant)
            .one(&mut tx, "audit")
            .await?
            .get("seq")?;
        Ok(AdminTx {
            tx,
            keys: self.keys.clone(),
            tenant,
            author,
            reason: reason.to_owned(),
            now,
            rev,
            audit_seq: last.unwrap_or(0),
            changes: Vec::new(),
            new_key: None,
        })
    }
}

/// An open administrative change; dropped without [`AdminTx::commit`] it never happened.
pub struct AdminTx {
    tx: Tx,
    keys: std::sync::Arc<Keyring>,
    tenant: TenantId,
    author: Author,
    reason: String,
    now: Timestamp,
    rev: u64,
    audit_seq: u64,
    changes: Vec<Change>,
    /// Seals from the commit on.
    new_key: Option<(u32, Key)>,
}

impl AdminTx {
    pub(crate) fn on(&mut self) -> &mut Tx {
        &mut self.tx
    }

    pub(crate) fn tenant(&self) -> TenantId {
        self.tenant
    }

    pub(crate) fn reason(&self) -> &str {
        &self.reason
    }

    pub(crate) fn hold_row(&self, interaction_id: InteractionId) -> HoldRow {
        HoldRow {
            tenant_id: self.tenant,
            interaction_id,
            user_id: self.author.user,
            author: self.author.name.clone(),
            reason: self.reason.clone(),
            held_at: self.now,
        }
    }

    /// Makes a new key for the tenant; it seals from the commit on. Returns its number.
    pub async fn rotate_key(&mut self) -> Result<u32> {
        let (number, key) = self.keys.add_tenant_key(self.tenant, self.now, &mut self.tx).await?;
        self.new_key = Some((number, key));
        self.audit("tenant.rotate_key", Some(self.tenant.to_string()), json!({ "number": number })).await?;
        Ok(number)
    }

    /// The number this change will have if it is published.
    pub fn rev(&self) -> u64 {
        self.rev
    }

    /// Adds an audit row of the caller's own, for changes outside these tables.
    pub async fn audit(&mut self, action: &str, object: Option<String>, detail: serde_json::Value) -> Result<()> {
        self.audit_seq += 1;
        let row = AuditRow {
            tenant_id: self.tenant,
            seq: self.audit_seq,
            at: self.now,
            user_id: self.author.user,
            author: self.author.name.clone(),
            action: action.to_owned(),
            object_id: object,
            rev: Some(self.rev),
            reason: self.reason.clone(),
            detail,
        };
        insert(&row, &mut self.tx).await
    }

    /// Creates the object, or replaces it. `expect`: the revision the caller read ([`Error::Stale`] if it moved);
    /// `None` overwrites. Returns what was stored.
    pub async fn put<T: ConfigItem>(&mut self, mut item: T, expect: Option<u64>) -> Result<Item<T>> {
        let id = item.id().to_string();
        let present = sql(format!(
            "SELECT {ITEM_COLUMNS}, deleted_at FROM config_items WHERE tenant_id = $1 AND class = $2 AND id = $3"
        ))
        .bind(self.tenant)
        .bind(T::CLASS)
        .bind(id.as_str())
        .maybe(&mut self.tx)
        .await?;
        let previous: Option<Item<T>> = present.as_ref().map(read_item).transpose()?;
        if let Some(row) = &present
            && row.get::<Option<Timestamp>>("deleted_at")?.is_some()
        {
            return Err(Error::NotFound { what: T::CLASS.as_str() });
        }
        match (&previous, expect) {
            (Some(p), Some(rev)) if p.rev != rev => return Err(Error::Stale { rev: p.rev }),
            (None, Some(_)) => return Err(Error::NotFound { what: T::CLASS.as_str() }),
            _ => {}
        }
        item.prepare(previous.as_ref().map(|p| &p.value));
        let (name, key) = (item.name(), item.natural_key());
        let change = Change::put(&item)?;
        let body = serde_json::to_string(&item).map_err(|e| Error::invalid("configuration object", e))?;
        if body.len() > MAX_BODY {
            return Err(Error::invalid("configuration object", format!("longer than {MAX_BODY} bytes")));
        }
        let taken = format!("{}.taken", T::CLASS.as_str());
        let created_at = previous.as_ref().map_or(self.now, |p| p.created_at);
        let text = if previous.is_some() {
            "UPDATE config_items SET name = $4, search = $5, natural_key = $6, body = $7, rev = $8, created_at = $9, \
             updated_at = $10 WHERE tenant_id = $1 AND class = $2 AND id = $3"
        } else {
            "INSERT INTO config_items (tenant_id, class, id, name, search, natural_key, body, rev, created_at, updated_at) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)"
        };
        sql(text)
            .bind(self.tenant)
            .bind(T::CLASS)
            .bind(id.as_str())
            .bind(name.as_str())
            .bind(format!("{} {}", name, key.as_deref().unwrap_or_default()).to_lowercase())
            .bind(key)
            .bind(body.as_str())
            .bind(self.rev)
            .bind(created_at)
            .bind(self.now)
            .execute(&mut self.tx)
            .await
            .or_conflict(&taken)?;
        self.put_refs(T::CLASS, &id, item.references()).await?;
        if T::CLASS == Class::Flow {
            self.put_flow_version(&id, &body).await?;
        }
        if T::CLASS == Class::Settings {
            self.put_settings_columns(&decode(&body)?).await?;
        }
        let detail = json!({ "name": name });
        self.audit(&format!("{}.put", T::CLASS.as_str()), Some(id), detail).await?;
        self.changes.push(change);
        Ok(Item { value: item, rev: self.rev, created_at, updated_at: self.now })
    }

    /// Deletes the object; refused at commit while another object names it. Its row stays for old reports.
    pub async fn delete<T: ConfigItem>(&mut self, id: T::Id, expect: Option<u64>) -> Result<()> {
        self.delete_item(T::CLASS, &id.to_string(), expect).await
    }

    async fn delete_item(&mut self, class: Class, id: &str, expect: Option<u64>) -> Result<()> {
        if class == Class::Settings {
            return Err(Error::conflict("settings.required"));
        }
        let row = sql("SELECT rev, name FROM config_items \
                       WHERE tenant_id = $1 AND class = $2 AND id = $3 AND deleted_at IS NULL")
        .bind(self.tenant)
        .bind(class)
        .bind(id)
        .one(&mut self.tx, class.as_str())
        .await?;
        let rev: u64 = row.get("rev")?;
        if expect.is_some_and(|e| e != rev) {
            return Err(Error::Stale { rev });
        }
        sql("UPDATE config_items SET deleted_at = $1, natural_key = NULL, rev = $2 WHERE class = $3 AND id = $4")
            .bind(self.now)
            .bind(self.rev)
            .bind(class)
            .bind(id)
            .execute(&mut self.tx)
            .await?;
        self.put_refs(class, id, Vec::new()).await?;
        if class == Class::Trunk {
            sql("DELETE FROM trunk_secrets WHERE trunk_id = $1").bind(id).execute(&mut self.tx).await?;
        }
        if class == Class::Device {
            for text in
                ["DELETE FROM device_secrets WHERE device_id = $1", "DELETE FROM sip_bindings WHERE device_id = $1"]
            {
                sql(text).bind(id).execute(&mut self.tx).await?;
            }
        }
        let detail = json!({ "name": row.get::<String>("name")? });
        self.audit(&format!("{}.delete", class.as_str()), Some(id.to_owned()), detail).await?;
        self.changes.push(Change::Delete { class, id: id.to_owned() });
        Ok(())
    }

    async fn put_refs(&mut self, class: Class, id: &str, mut refs: Vec<(Class, String)>) -> Result<()> {
        sql("DELETE FROM config_refs WHERE class = $1 AND id = $2").bind(class).bind(id).execute(&mut self.tx).await?;
        refs.sort();
        refs.dedup();
        for (to_class, to_id) in refs {
            sql("INSERT INTO config_refs (tenant_id, class, id, to_class, to_id) VALUES ($1, $2, $3, $4, $5)")
                .bind(self.tenant)
                .bind(class)
                .bind(id)
                .bind(to_class)
                .bind(to_id)
                .execute(&mut self.tx)
                .await?;
        }
        Ok(())
    }

    async fn put_flow_version(&mut self, id: &str, body: &str) -> Result<()> {
        let flow: domain::flow::Flow = decode(body)?;
        sql("INSERT INTO flow_versions (tenant_id, flow_id, version, body, rev, created_at) VALUES ($1, $2, $3, $4, $5, $6)")
            .bind(self.tenant)
            .bind(id)
            .bind(flow.version)
            .bind(body)
            .bind(self.rev)
            .bind(self.now)
            .execute(&mut self.tx)
            .await
            .or_conflict("flow.version_taken")
            .map(drop)
    }

    async fn put_settings_columns(&mut self, settings: &Settings) -> Result<()> {
        if settings.tenant != self.tenant {
            return Err(Error::NotFound { what: "settings" });
        }
        let domain = settings.sip_domain.trim().to_lowercase();
        let present: Option<String> = sql("SELECT sip_domain FROM tenants WHERE id = $1")
            .bind(self.tenant)
            .one(&mut self.tx, "tenant")
            .await?
            .get("sip_domain")?;
        if present.as_deref().is_some_and(|p| p != domain) {
            // Every device's HA1 contains the realm: a new domain would lock all phones out.
            let secrets = sql("SELECT device_id FROM device_secrets WHERE tenant_id = $1 LIMIT 1").bind(self.tenant);
            if secrets.maybe(&mut self.tx).await?.is_some() {
                return Err(Error::conflict("settings.sip_domain_in_use"));
            }
        }
        sql("UPDATE tenants SET name = $1, sip_domain = $2 WHERE id = $3")
            .bind(settings.name.as_str())
            .bind(domain)
            .bind(self.tenant)
            .execute(&mut self.tx)
            .await
            .or_conflict("settings.sip_domain_taken")
            .map(drop)
    }

    /// Seals the SIP secret of a device put before (in this or an earlier change). The realm is the tenant's domain,
    /// the user is the device's. Returns the realm.
    pub async fn set_device_secret(&mut self, device: DeviceId, secret: &str) -> Result<String> {
        let row = sql("SELECT i.body, t.sip_domain FROM config_items i JOIN tenants t ON t.id = i.tenant_id \
                       WHERE i.tenant_id = $1 AND i.class = 'device' AND i.id = $2 AND i.deleted_at IS NULL")
        .bind(self.tenant)
        .bind(device)
        .one(&mut self.tx, "device")
        .await?;
        let realm =
            row.get::<Option<String>>("sip_domain")?.ok_or_else(|| Error::conflict("settings.sip_domain_missing"))?;
        let domain::config::DeviceKind::Sip { user } =
            decode::<domain::config::DeviceConfig>(&row.get::<String>("body")?)?.kind
        else {
            return Err(Error::invalid("device", "only SIP devices have a secret"));
        };
        let plain =
            serde_json::to_vec(&Ha1::derive(&user, &realm, secret)).map_err(|e| Error::invalid("device secret", e))?;
        let sealed = self.keys.seal(self.tenant, HA1, &device.to_string(), &plain).await?;
        sql("DELETE FROM device_secrets WHERE device_id = $1").bind(device).execute(&mut self.tx).await?;
        sql("INSERT INTO device_secrets (sip_user, realm, tenant_id, device_id, sealed_ha1, updated_at) \
             VALUES ($1, $2, $3, $4, $5, $6)")
        .bind(user)
        .bind(realm.as_str())
        .bind(self.tenant)
        .bind(device)
        .bind(sealed)
        .bind(self.now)
        .execute(&mut self.tx)
        .await
        .or_conflict("device.sip_user_taken")?;
        self.audit("device.secret", Some(device.to_string()), json!({})).await?;
        Ok(realm)
    }

    /// Seals our password at a carrier; `None` forgets it.
    pub async fn set_trunk_password(&mut self, trunk: TrunkId, password: Option<&str>) -> Result<()> {
        sql("DELETE FROM trunk_secrets WHERE trunk_id = $1 AND tenant_id = $2")
            .bind(trunk)
            .bind(self.tenant)
            .execute(&mut self.tx)
            .await?;
        if let Some(password) = password {
            let sealed = self.keys.seal(self.tenant, TRUNK_PASSWORD, &trunk.to_string(), password.as_bytes()).await?;
            sql("INSERT INTO trunk_secrets (trunk_id, tenant_id, sealed_password, updated_at) VALUES ($1, $2, $3, $4)")
                .bind(trunk)
                .bind(self.tenant)
                .bind(sealed)
                .bind(self.now)
                .execute(&mut self.tx)
                .await?;
        }
        self.audit("trunk.password", Some(trunk.to_string()), json!({ "set": password.is_some() })).await
    }

    /// Whether the trunk has a password.
    pub async fn has_trunk_password(&mut self, trunk: TrunkId) -> Result<bool> {
        let found = sql("SELECT trunk_id FROM trunk_secrets WHERE trunk_id = $1 AND tenant_id = $2")
            .bind(trunk)
            .bind(self.tenant)
            .maybe(&mut self.tx)
            .await?;
        Ok(found.is_some())
    }

    /// Seats, concurrent calls, retention. Part of the revision: the floor hears of it at once.
    pub async fn set_entitlements(&mut self, entitlements: &Entitlements) -> Result<()> {
        sql("UPDATE tenants SET entitlements = $1 WHERE id = $2")
            .bind(entitlements.clone())
            .bind(self.tenant)
            .execute(&mut self.tx)
            .await?;
        self.audit("entitlements.put", None, json!(entitlements)).await?;
        self.changes.push(Change::Entitlements { entitlements: entitlements.clone() });
        Ok(())
    }

    /// Checks references, writes the revision, makes it all durable.
    pub async fn commit(mut self) -> Result<Committed> {
        self.check_references().await?;
        let rev = (!self.changes.is_empty()).then_some(self.rev);
        if rev.is_some() {
            let changes = json!(self.changes);
            self.insert_revision("published", changes, Some(self.now)).await?;
            sql("UPDATE tenants SET published_rev = $1 WHERE id = $2")
                .bind(self.rev)
                .bind(self.tenant)
                .execute(&mut self.tx)
                .await?;
        }
        self.tx.commit().await?;
        if let Some((number, key)) = self.new_key {
            self.keys.remember(self.tenant, number, key);
        }
        Ok(Committed { rev })
    }

    async fn check_references(&mut self) -> Result<()> {
        for change in &self.changes {
            let (text, class, id, what) = match change {
                Change::Put { class, id, .. } => (
                    "SELECT r.to_class AS class, r.to_id AS id FROM config_refs r LEFT JOIN config_items i \
                     ON i.class = r.to_class AND i.id = r.to_id AND i.tenant_id = r.tenant_id AND i.deleted_at IS NULL \
                     WHERE r.tenant_id = $1 AND r.class = $2 AND r.id = $3 AND i.id IS NULL LIMIT 1",
                    class,
                    id,
                    "refers to something that does not exist",
                ),
                Change::Delete { class, id } => (
                    "SELECT class, id FROM config_refs WHERE tenant_id = $1 AND to_class = $2 AND to_id = $3 LIMIT 1",
                    class,
                    id,
                    "still in use by",
                ),
                Change::Entitlements { .. } => continue,
            };
            let bad = sql(text).bind(self.tenant).bind(*class).bind(id.as_str()).maybe(&mut self.tx).await?;
            if let Some(row) = bad {
                return Err(Error::Reference { what, object: row.get("id")? });
            }
        }
        Ok(())
    }

    async fn insert_revision(
        &mut self,
        state: &str,
        changes: serde_json::Value,
        published_at: Option<Timestamp>,
    ) -> Result<()> {
        let row = RevisionRow {
            tenant_id: self.tenant,
            number: self.rev,
            state: state.to_owned(),
            user_id: self.author.user,
            author: self.author.name.clone(),
            reason: self.reason.clone(),
            changes,
            created_at: self.now,
            published_at,
        };
        insert(&row, &mut self.tx).await
    }
}

/// A queue with thousands of members, or a very large flow, stays well under this.
const MAX_BODY: usize = 1 << 20;
