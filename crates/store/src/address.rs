//! Personal data that events refer to by id: addresses, contacts, notes. Deleting a person deletes these rows; every fold
//! still counts.
use domain::address::Address;
use domain::id::{AddressId, ContactId, FloorId, InteractionId, NoteId, TenantId, UserId};
use domain::time::Timestamp;

use crate::Store;
use crate::db::{Sql, Tx, sql};
use crate::error::{Error, Result};
use crate::journal::NewAddress;
use crate::value::{TableRow, insert, read_all, select, table_row};

table_row! {
    pub struct AddressRow in "addresses" (id) {
        pub tenant_id: TenantId,
        pub id: AddressId,
        /// `phone`, `extension`, `sip_uri`, `email`, `social`, `withheld`.
        pub kind: String,
        /// `Address::key`.
        pub address_key: String,
        pub value: Address,
        /// As last shown by the far end.
        pub name: Option<String>,
        pub contact_id: Option<ContactId>,
        pub sample_floor_id: Option<FloorId>,
        pub created_at: Timestamp,
        pub retain_until: Option<Timestamp>,
        pub legal_hold: bool,
    }

    pub struct ContactRow in "contacts" (id) {
        pub tenant_id: TenantId,
        pub id: ContactId,
        pub name: String,
        /// Tenant-defined custom fields.
        pub fields: serde_json::Value,
        pub sample_floor_id: Option<FloorId>,
        pub created_at: Timestamp,
        pub updated_at: Timestamp,
        pub retain_until: Option<Timestamp>,
        pub legal_hold: bool,
    }

    /// A text by a person: wrap-up note, later messages.
    pub struct NoteRow in "notes" (id) {
        pub tenant_id: TenantId,
        pub id: NoteId,
        pub interaction_id: Option<InteractionId>,
        pub user_id: Option<UserId>,
        /// `wrap_up`, …
        pub kind: String,
        pub text: String,
        pub sample_floor_id: Option<FloorId>,
        pub created_at: Timestamp,
        pub retain_until: Option<Timestamp>,
        pub legal_hold: bool,
    }
}

fn kind_of(address: &Address) -> &'static str {
    match address {
        Address::Phone { .. } => "phone",
        Address::Extension { .. } => "extension",
        Address::SipUri { .. } => "sip_uri",
        Address::Email { .. } => "email",
        Address::Social { .. } => "social",
        Address::Withheld => "withheld",
    }
}

/// Between an address key and the id that tells two rows of one address apart: no key holds this character.
const ALIAS: char = '\u{1f}';

/// The key under which an address is found, without what tells its rows apart.
pub(crate) fn plain_key(stored: &str) -> &str {
    stored.split(ALIAS).next().unwrap_or(stored)
}

/// Writes the row of an address whose id was made without asking the store. If the address turns out to be known, its
/// events have this id all the same: then it gets a second row, which is erased with the first.
pub(crate) async fn insert_new(tx: &mut Tx, tenant: TenantId, new: &NewAddress, now: Timestamp) -> Result<()> {
    for row in new_rows(tenant, new, now) {
        let mut statement = sql(INSERT_NEW);
        for value in row.values() {
            statement.bind_value(value);
        }
        if statement.execute(tx).await? == 1 {
            break;
        }
    }
    Ok(())
}

/// The row of an address, and the one it gets if that address is known.
fn new_rows(tenant: TenantId, new: &NewAddress, now: Timestamp) -> [AddressRow; 2] {
    let key = new.address.key();
    [key.clone(), format!("{key}{ALIAS}{}", new.id)].map(|address_key| AddressRow {
        tenant_id: tenant,
        id: new.id,
        kind: kind_of(&new.address).to_owned(),
        address_key,
        value: new.address.clone(),
        name: new.name.clone(),
        contact_id: None,
        sample_floor_id: None,
        created_at: now,
        retain_until: None,
        legal_hold: false,
    })
}

/// [`insert_new`] as statements of a script with nameless places, which write only where `condition` holds.
pub(crate) fn insert_new_if(condition: &str) -> String {
    let columns = AddressRow::COLUMNS.join(", ");
    let places = ", ?".repeat(AddressRow::COLUMNS.len() - 1);
    let insert = format!(
        "INSERT INTO addresses ({columns}) SELECT (SELECT tenant_id FROM floors WHERE id = ?){places} WHERE {condition}"
    );
    // The second is refused as well if the first was written: they have one id.
    format!("{insert} ON CONFLICT DO NOTHING; {insert} ON CONFLICT DO NOTHING; ")
}

/// The arguments of [`insert_new_if`]; `condition` binds its own.
pub(crate) fn bind_new_if(
    mut sql: Sql,
    floor: FloorId,
    new: &NewAddress,
    now: Timestamp,
    condition: impl Fn(Sql) -> Sql,
) -> Sql {
    // The tenant, the first column, is the floor's.
    for row in new_rows(TenantId(0), new, now) {
        sql = sql.bind(floor);
        for value in row.values().into_iter().skip(1) {
            sql.bind_value(value);
        }
        sql = condition(sql);
    }
    sql
}

/// In the order of [`AddressRow`].
const INSERT_NEW: &str = "INSERT INTO addresses (tenant_id, id, kind, address_key, value, name, contact_id, \
     sample_floor_id, created_at, retain_until, legal_hold) \
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) ON CONFLICT DO NOTHING";

/// What the store knows of an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KnownAddress {
    pub id: AddressId,
    /// Its row tells an older name, or that it was seen in sample history alone: [`Store::intern_address`] mends it.
    pub is_stale: bool,
}

impl Store {
    /// The address, if it was seen before. Reads only.
    pub async fn find_address(
        &self,
        tenant: TenantId,
        address: &Address,
        name: Option<&str>,
    ) -> Result<Option<KnownAddress>> {
        let query = sql("SELECT id, name, sample_floor_id FROM addresses WHERE tenant_id = $1 AND address_key = $2")
            .bind(tenant)
            .bind(address.key());
        let Some(row) = query.maybe(&mut self.db.read().await?).await? else { return Ok(None) };
        let known = row.get::<Option<String>>("name")?;
        let was_sample = row.get::<Option<FloorId>>("sample_floor_id")?.is_some();
        let is_stale = (name.is_some() && known.as_deref() != name) || was_sample;
        Ok(Some(KnownAddress { id: row.get("id")?, is_stale }))
    }

    /// The id of an address, kept from its first sight on. `sample_floor` marks addresses seen first in sample history.
    pub async fn intern_address(
        &self,
        tenant: TenantId,
        address: &Address,
        name: Option<&str>,
        sample_floor: Option<FloorId>,
        now: Timestamp,
    ) -> Result<AddressId> {
        let key = address.key();
        let find = || {
            sql("SELECT id, name, sample_floor_id FROM addresses WHERE tenant_id = $1 AND address_key = $2")
                .bind(tenant)
                .bind(key.as_str())
        };
        if let Some(row) = find().maybe(&mut self.db.read().await?).await? {
            let known = row.get::<Option<String>>("name")?;
            let was_sample = row.get::<Option<FloorId>>("sample_floor_id")?.is_some();
            // A caller whose name is known, and who belongs where he was seen, costs no write.
            if (name.is_none() || known.as_deref() == name) && (!was_sample || sample_floor.is_some()) {
                return row.get("id");
            }
        }
        let row = AddressRow {
            tenant_id: tenant,
            id: AddressId::from_parts(now.0, crate::random::bits()),
            kind: kind_of(address).to_owned(),
            address_key: key.clone(),
            value: address.clone(),
            name: name.map(str::to_owned),
            contact_id: None,
            sample_floor_id: sample_floor,
            created_at: now,
            retain_until: None,
            legal_hold: false,
        };
        let mut tx = self.db.begin().await?;
        let mut statement = sql(format!(
            "INSERT INTO addresses ({}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) \
             ON CONFLICT (tenant_id, address_key) DO UPDATE SET name = COALESCE(excluded.name, addresses.name), \
             sample_floor_id = CASE WHEN excluded.sample_floor_id IS NULL THEN NULL ELSE addresses.sample_floor_id END \
             RETURNING id",
            AddressRow::COLUMNS.join(", ")
        ));
        for value in row.values() {
            statement.bind_value(value);
        }
        let id = statement.one(&mut tx, "address").await?.get("id")?;
        tx.commit().await?;
        Ok(id)
    }

    pub async fn address(&self, tenant: TenantId, id: AddressId) -> Result<AddressRow> {
        let query = select::<AddressRow>("WHERE tenant_id = $1 AND id = $2").bind(tenant).bind(id);
        AddressRow::read(&query.one(&mut self.db.read().await?, "address").await?)
    }

    /// Many at once, for lists; unknown ids are left out.
    pub async fn addresses(&self, tenant: TenantId, ids: &[AddressId]) -> Result<Vec<AddressRow>> {
        let mut all = Vec::new();
        // Both databases bound the number of arguments; a page is at most some hundred rows.
        for some in ids.chunks(500) {
            let mut query = select::<AddressRow>("WHERE ");
            query.push_bind("tenant_id = ? AND id IN (", tenant);
            for (i, id) in some.iter().enumerate() {
                query.push_bind(if i == 0 { "?" } else { ", ?" }, *id);
            }
            query.push(")");
            all.extend(read_all::<AddressRow>(&query.all(&mut self.db.read().await?).await?)?);
        }
        Ok(all)
    }

    /// Deletes a person's address: the row goes, and its key wherever it was copied to. Refused under legal hold.
    pub async fn erase_address(&self, tenant: TenantId, id: AddressId) -> Result<()> {
        let mut tx = self.db.begin().await?;
        let query = select::<AddressRow>("WHERE tenant_id = $1 AND id = $2").bind(tenant).bind(id);
        let row = AddressRow::read(&query.one(&mut tx, "address").await?)?;
        let key = plain_key(&row.address_key);
        let (from, to) = (format!("{key}{ALIAS}"), format!("{key} "));
        // Both databases compare keys byte by byte, and the blank follows the separator.
        let all = select::<AddressRow>(
            "WHERE tenant_id = $1 AND (address_key = $2 OR (address_key > $3 AND address_key < $4))",
        )
        .bind(tenant)
        .bind(key)
        .bind(from)
        .bind(to);
        let rows: Vec<AddressRow> = read_all(&all.all(&mut tx).await?)?;
        if rows.iter().any(|row| row.legal_hold) {
            return Err(Error::conflict("address.legal_hold"));
        }
        for row in &rows {
            if crate::hold::holds_address(tenant, row.id, &mut tx).await? {
                return Err(Error::conflict("address.legal_hold"));
            }
        }
        for AddressRow { id, .. } in rows {
            sql("UPDATE interactions SET address_key = NULL WHERE tenant_id = $1 AND address_id = $2")
                .bind(tenant)
                .bind(id)
                .execute(&mut tx)
                .await?;
            sql("DELETE FROM addresses WHERE tenant_id = $1 AND id = $2")
                .bind(tenant)
                .bind(id)
                .execute(&mut tx)
                .await?;
        }
        tx.commit().await
    }

    pub async fn create_contact(&self, tenant: TenantId, name: &str, now: Timestamp) -> Result<ContactRow> {
        let row = ContactRow {
            tenant_id: tenant,
            id: ContactId::from_parts(now.0, crate::random::bits()),
            name: name.to_owned(),
            fields: serde_json::json!({}),
            sample_floor_id: None,
            created_at: now,
            updated_at: now,
            retain_until: None,
            legal_hold: false,
        };
        let mut tx = self.db.begin().await?;
        insert(&row, &mut tx).await?;
        tx.commit().await?;
        Ok(row)
    }

    pub async fn contact(&self, tenant: TenantId, id: ContactId) -> Result<ContactRow> {
        let query = select::<ContactRow>("WHERE tenant_id = $1 AND id = $2").bind(tenant).bind(id);
        ContactRow::read(&query.one(&mut self.db.read().await?, "contact").await?)
    }

    /// Stores a text; its id goes into the event.
    pub async fn create_note(
        &self,
        tenant: TenantId,
        interaction: Option<InteractionId>,
        user: Option<UserId>,
        kind: &str,
        text: &str,
        sample_floor: Option<FloorId>,
        now: Timestamp,
    ) -> Result<NoteRow> {
        let row = NoteRow {
            tenant_id: tenant,
            id: NoteId::from_parts(now.0, crate::random::bits()),
            interaction_id: interaction,
            user_id: user,
            kind: kind.to_owned(),
            text: text.to_owned(),
            sample_floor_id: sample_floor,
            created_at: now,
            retain_until: None,
            legal_hold: false,
        };
        let mut tx = self.db.begin().await?;
        insert(&row, &mut tx).await?;
        tx.commit().await?;
        Ok(row)
    }

    pub async fn note(&self, tenant: TenantId, id: NoteId) -> Result<NoteRow> {
        let query = select::<NoteRow>("WHERE tenant_id = $1 AND id = $2").bind(tenant).bind(id);
        NoteRow::read(&query.one(&mut self.db.read().await?, "note").await?)
    }
}
