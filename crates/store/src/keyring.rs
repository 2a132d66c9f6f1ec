//! The key tree: master key → tenant key → object key, all AES-256-GCM.
//!
//! The master key never touches the database: it is a file beside it (mode 0600) or given by the operator. Each tenant's
//! key is sealed with it; secrets of a tenant (SIP secrets, …) are sealed with the tenant's key; each blob has a key of
//! its own, sealed with the tenant's. Deleting a tenant's key row makes everything of that tenant unreadable.
//!
//! Sealed bytes: `version 1 | key number u32 | nonce 12 | ciphertext and tag`. The associated data names the purpose and
//! the object, so that sealed bytes moved to another row do not open. Random nonces are safe for 2^32 seals per key
//! (NIST SP 800-38D §8.3).
use std::collections::HashMap;
use std::fmt;
use std::io::Write;
use std::path::Path;
use std::sync::Mutex;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::hkdf;
use domain::id::TenantId;
use domain::time::Timestamp;

use crate::db::{Db, Exec, sql};
use crate::error::{Error, Result};

const VERSION: u8 = 1;
const HEADER: usize = 1 + 4 + NONCE_LEN;

/// 256 secret bits. Prints as `Key(…)`.
#[derive(Clone, PartialEq, Eq)]
pub struct Key([u8; 32]);

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(…)")
    }
}

impl Key {
    pub fn random() -> Result<Key> {
        let mut bytes = [0; 32];
        crate::random::fill(&mut bytes);
        Ok(Key(bytes))
    }

    /// From 64 hex digits, as in the `master.key` file or `CORDBOARD_MASTER_KEY`.
    pub fn from_hex(text: &str) -> Result<Key> {
        let mut bytes = [0; 32];
        hex::decode_to_slice(text.trim(), &mut bytes)
            .map_err(|_| Error::invalid("master key", "it must be 64 hexadecimal digits"))?;
        Ok(Key(bytes))
    }

    /// Reads the key file, or creates it (mode 0600, flushed to disk) if there is none.
    pub fn from_file_or_new(path: &Path) -> Result<Key> {
        let unwritable = |source| Error::Unwritable { path: path.to_owned(), source };
        match std::fs::read_to_string(path) {
            Ok(text) => return Key::from_hex(&text),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => {}
            Err(e) => return Err(unwritable(e)),
        }
        let key = Key::random()?;
        let mut options = std::fs::OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(path).map_err(unwritable)?;
        writeln!(file, "{}", hex::encode(key.0)).and_then(|()| file.sync_all()).map_err(unwritable)?;
        Ok(key)
    }

    pub(crate) fn from_bytes(bytes: &[u8]) -> Result<Key> {
        Ok(Key(bytes.try_into().map_err(|_| Error::corrupt("key", "wrong length"))?))
    }

    pub(crate) fn bytes(&self) -> &[u8; 32] {
        &self.0
    }

    pub(crate) fn cipher(&self) -> LessSafeKey {
        // A 32-byte key always fits the algorithm.
        #[expect(clippy::expect_used, reason = "the length is fixed by the type")]
        LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &self.0).expect("key length"))
    }
}

fn seal_with(key: &Key, key_no: u32, purpose: &str, object: &str, plain: &[u8]) -> Result<Vec<u8>> {
    let mut nonce = [0; NONCE_LEN];
    crate::random::fill(&mut nonce);
    let mut out = Vec::with_capacity(HEADER + plain.len() + 16);
    out.push(VERSION);
    out.extend_from_slice(&key_no.to_be_bytes());
    out.extend_from_slice(&nonce);
    let mut sealed = plain.to_vec();
    key.cipher()
        .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(aad(purpose, object)), &mut sealed)
        .map_err(|_| Error::invalid("plaintext", "too long to seal"))?;
    out.extend_from_slice(&sealed);
    Ok(out)
}

fn open_with(key: &Key, purpose: &str, object: &str, sealed: &[u8], what: &'static str) -> Result<Vec<u8>> {
    key_no_of(sealed, what)?;
    let nonce = Nonce::try_assume_unique_for_key(&sealed[5..HEADER]).map_err(|_| Error::Tampered { what })?;
    let mut data = sealed[HEADER..].to_vec();
    let plain = key
        .cipher()
        .open_in_place(nonce, Aad::from(aad(purpose, object)), &mut data)
        .map_err(|_| Error::Tampered { what })?
        .len();
    data.truncate(plain);
    Ok(data)
}

/// Checks the header; returns the number of the key.
fn key_no_of(sealed: &[u8], what: &'static str) -> Result<u32> {
    if sealed.len() < HEADER + 16 || sealed[0] != VERSION {
        return Err(Error::Tampered { what });
    }
    Ok(u32::from_be_bytes([sealed[1], sealed[2], sealed[3], sealed[4]]))
}

fn aad(purpose: &str, object: &str) -> Vec<u8> {
    format!("cordboard/{purpose}/{object}").into_bytes()
}

/// Opens and seals for one installation. Obtained by [`crate::Store::keyring`].
pub struct Keyring {
    db: Db,
    master: Key,
    /// Unsealed tenant keys by (tenant, number). Grows with the tenants of this node only.
    cache: Mutex<HashMap<(TenantId, u32), Key>>,
}

impl Keyring {
    pub(crate) async fn open(db: Db, master: Key) -> Result<Keyring> {
        let mut tx = db.begin().await?;
        // The first start writes the check; a second node racing us waits on the primary key and then reads ours.
        let sealed = seal_with(&master, 0, "master-check", "1", b"cordboard")?;
        sql("INSERT INTO master_check (id, sealed) VALUES (1, $1) ON CONFLICT (id) DO NOTHING")
            .bind(sealed)
            .execute(&mut tx)
            .await?;
        let row = sql("SELECT sealed FROM master_check WHERE id = 1").one(&mut tx, "master key check").await?;
        open_with(&master, "master-check", "1", &row.get::<Vec<u8>>("sealed")?, "master key check")
            .map_err(|_| Error::WrongMasterKey)?;
        tx.commit().await?;
        Ok(Keyring { db, master, cache: Mutex::new(HashMap::new()) })
    }

    /// Makes the first key of a new tenant, in the transaction that creates it.
    pub(crate) async fn create_tenant_key(&self, tenant: TenantId, now: Timestamp, on: &mut impl Exec) -> Result<()> {
        let key = Key::random()?;
        let sealed = seal_with(&self.master, 0, "tenant-key", &format!("{tenant}/1"), key.bytes())?;
        sql("INSERT INTO tenant_keys (tenant_id, key_no, sealed, created_at) VALUES ($1, 1, $2, $3)")
            .bind(tenant)
            .bind(sealed)
            .bind(now)
            .execute(on)
            .await
            .map(drop)
    }

    /// A key with the next number, in the caller's transaction; [`Keyring::remember`] it once that is committed.
    pub(crate) async fn add_tenant_key(
        &self,
        tenant: TenantId,
        now: Timestamp,
        on: &mut impl Exec,
    ) -> Result<(u32, Key)> {
        let row = sql("SELECT MAX(key_no) AS last FROM tenant_keys WHERE tenant_id = $1").bind(tenant);
        let last: Option<u32> = row.one(&mut *on, "tenant key").await?.get("last")?;
        let number = last.unwrap_or(0).checked_add(1).ok_or(Error::conflict("tenant.keys_exhausted"))?;
        let key = Key::random()?;
        let sealed = seal_with(&self.master, 0, "tenant-key", &format!("{tenant}/{number}"), key.bytes())?;
        sql("INSERT INTO tenant_keys (tenant_id, key_no, sealed, created_at) VALUES ($1, $2, $3, $4)")
            .bind(tenant)
            .bind(number)
            .bind(sealed)
            .bind(now)
            .execute(on)
            .await?;
        Ok((number, key))
    }

    /// It seals from now on.
    pub(crate) fn remember(&self, tenant: TenantId, number: u32, key: Key) {
        self.lock().insert((tenant, number), key);
    }

    /// The newest key (`number` none) or a given one.
    async fn tenant_key(&self, tenant: TenantId, number: Option<u32>) -> Result<(u32, Key)> {
        if let Some(found) = self.cached(tenant, number) {
            return Ok(found);
        }
        let mut conn = self.db.read().await?;
        let rows = sql("SELECT key_no, sealed FROM tenant_keys WHERE tenant_id = $1 ORDER BY key_no")
            .bind(tenant)
            .all(&mut conn)
            .await?;
        for row in rows {
            let no: u32 = row.get("key_no")?;
            let sealed: Vec<u8> = row.get("sealed")?;
            let key = open_with(&self.master, "tenant-key", &format!("{tenant}/{no}"), &sealed, "tenant key")?;
            self.lock().insert((tenant, no), Key::from_bytes(&key)?);
        }
        self.cached(tenant, number).ok_or(Error::NotFound { what: "tenant key" })
    }

    fn cached(&self, tenant: TenantId, number: Option<u32>) -> Option<(u32, Key)> {
        let cache = self.lock();
        match number {
            Some(no) => cache.get(&(tenant, no)).map(|k| (no, k.clone())),
            None => cache
                .iter()
                .filter(|((t, _), _)| *t == tenant)
                .max_by_key(|((_, no), _)| *no)
                .map(|((_, no), k)| (*no, k.clone())),
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<(TenantId, u32), Key>> {
        // A panic while holding it leaves the map whole: entries are inserted in one step.
        self.cache.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Seals a secret of `tenant`. `purpose` and `object` must be given again to open it.
    pub async fn seal(&self, tenant: TenantId, purpose: &str, object: &str, plain: &[u8]) -> Result<Vec<u8>> {
        let (no, key) = self.tenant_key(tenant, None).await?;
        seal_with(&key, no, purpose, object, plain)
    }

    /// Opens what [`Keyring::seal`] sealed. Anything else is [`Error::Tampered`].
    pub async fn open_sealed(&self, tenant: TenantId, purpose: &str, object: &str, sealed: &[u8]) -> Result<Vec<u8>> {
        let no = key_no_of(sealed, "sealed secret")?;
        let (_, key) = self.tenant_key(tenant, Some(no)).await.map_err(|e| match e {
            Error::NotFound { .. } => Error::Tampered { what: "sealed secret" },
            other => other,
        })?;
        open_with(&key, purpose, object, sealed, "sealed secret")
    }

    /// A key for files of this node (checkpoints, recording spool), derived from the master key by `label`.
    pub fn local_key(&self, label: &str) -> Result<[u8; 32]> {
        let prk = hkdf::Salt::new(hkdf::HKDF_SHA256, b"cordboard/local").extract(self.master.bytes());
        let mut out = [0; 32];
        prk.expand(&[label.as_bytes()], hkdf::HKDF_SHA256)
            .and_then(|okm| okm.fill(&mut out))
            .map_err(|_| Error::invalid("label", "too long"))?;
        Ok(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sealed_bytes_open_only_for_their_purpose_object_and_key() {
        let key = Key::random().unwrap();
        let sealed = seal_with(&key, 7, "device", "dev_1", b"secret").unwrap();
        assert_eq!(open_with(&key, "device", "dev_1", &sealed, "x").unwrap(), b"secret");
        assert!(matches!(open_with(&key, "device", "dev_2", &sealed, "x"), Err(Error::Tampered { .. })));
        assert!(matches!(open_with(&key, "other", "dev_1", &sealed, "x"), Err(Error::Tampered { .. })));
        assert!(open_with(&Key::random().unwrap(), "device", "dev_1", &sealed, "x").is_err());
        for i in (0..sealed.len()).filter(|i| !(1..5).contains(i)) {
            let mut bad = sealed.clone();
            bad[i] ^= 1;
            assert!(open_with(&key, "device", "dev_1", &bad, "x").is_err(), "byte {i}");
        }
        for short in 0..sealed.len() {
            assert!(open_with(&key, "device", "dev_1", &sealed[..short], "x").is_err());
        }
    }
}
