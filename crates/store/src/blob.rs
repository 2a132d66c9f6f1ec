//! Encrypted blobs (recordings, prompts, attachments): one file each under `<data-dir>/blobs`, one row of metadata.
//!
//! A file is sealed in chunks of 64 KiB with the blob's own key, so that a player can seek: chunk `n` has nonce `n` (the
//! key is used for this one file only) and associated data (blob id, chunk number, last flag), so that chunks cannot be
//! altered, swapped, dropped or carried to another file unnoticed. The file is complete and flushed before its row
//! appears; a file without a row is rubbish from a crash and [`Blobs::sweep`] removes it.
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use aws_lc_rs::aead::{Aad, LessSafeKey, Nonce};
use domain::id::{BlobId, FloorId, TenantId};
use domain::time::Timestamp;
use sha2::{Digest, Sha256};

use crate::db::{Db, sql};
use crate::error::{Error, Result};
use crate::keyring::{Key, Keyring};
use crate::query::Scope;
use crate::value::{TableRow, insert, select, table_row};

const MAGIC: &[u8; 8] = b"CORDBLB1";
const CHUNK: usize = 64 * 1024;
const TAG: usize = 16;
/// Files whose rows are asked for in one statement.
const SWEPT: usize = 200;
/// What the key of a blob is sealed for.
pub(crate) const BLOB_KEY: &str = "blob-key";

table_row! {
    /// Metadata of a blob. `kind` is `recording`, `prompt`, `attachment`, …; `length` and `sha256` are of the plaintext.
    pub struct BlobRow in "blobs" (id) {
        pub tenant_id: TenantId,
        pub id: BlobId,
        pub kind: String,
        pub content_type: String,
        pub length: u64,
        pub sha256: String,
        /// The blob's key under the tenant's key.
        #[serde(skip)]
        pub sealed_key: Vec<u8>,
        /// Set for blobs of a sample floor; they go with it.
        pub sample_floor_id: Option<FloorId>,
        pub created_at: Timestamp,
        pub retain_until: Option<Timestamp>,
        pub legal_hold: bool,
    }
}

/// What the caller knows of a new blob.
#[derive(Debug, Clone)]
pub struct NewBlob {
    pub tenant: TenantId,
    pub kind: &'static str,
    pub content_type: String,
    pub retain_until: Option<Timestamp>,
    pub sample_floor: Option<FloorId>,
}

/// Obtained by [`crate::Store::blobs`].
#[derive(Clone)]
pub struct Blobs {
    db: Db,
    keys: Arc<Keyring>,
    dir: PathBuf,
}

impl Blobs {
    pub(crate) fn open(db: Db, keys: Arc<Keyring>, dir: PathBuf) -> Result<Blobs> {
        std::fs::create_dir_all(&dir).map_err(|source| Error::Unwritable { path: dir.clone(), source })?;
        Ok(Blobs { db, keys, dir })
    }

    fn path(&self, tenant: TenantId, id: BlobId) -> PathBuf {
        // Ids are base 32: safe as file names. One directory per tenant keeps listings short.
        self.dir.join(tenant.to_string()).join(format!("{id}.sealed"))
    }

    /// Seals everything `source` gives into a new blob; returns its row. The source is read on a blocking thread.
    pub async fn put(&self, new: NewBlob, source: impl Read + Send + 'static, now: Timestamp) -> Result<BlobRow> {
        let id = BlobId::from_parts(now.0, crate::random::bits());
        let key = Key::random()?;
        let sealed_key = self.keys.seal(new.tenant, BLOB_KEY, &id.to_string(), key.bytes()).await?;
        let path = self.path(new.tenant, id);
        let target = path.clone();
        let (length, sha256) = blocking(move || seal_file(&target, id, &key, source)).await?;
        let row = BlobRow {
            tenant_id: new.tenant,
            id,
            kind: new.kind.to_owned(),
            content_type: new.content_type,
            length,
            sha256,
            sealed_key,
            sample_floor_id: new.sample_floor,
            created_at: now,
            retain_until: new.retain_until,
            legal_hold: false,
        };
        let mut tx = self.db.begin().await?;
        insert(&row, &mut tx).await?;
        tx.commit().await?;
        Ok(row)
    }

    /// [`Blobs::put`] for bytes in memory.
    pub async fn put_bytes(&self, new: NewBlob, bytes: Vec<u8>, now: Timestamp) -> Result<BlobRow> {
        self.put(new, std::io::Cursor::new(bytes), now).await
    }

    /// Metadata of a blob within `scope`.
    pub async fn row(&self, scope: Scope, id: BlobId) -> Result<BlobRow> {
        let mut query = select::<BlobRow>("WHERE ");
        query.push_bind("id = ?", id);
        scope.filter(&mut query);
        BlobRow::read(&query.one(&mut self.db.read().await?, "blob").await?)
    }

    /// Opens a blob for reading at any place.
    pub async fn reader(&self, scope: Scope, id: BlobId) -> Result<BlobReader> {
        let row = self.row(scope, id).await?;
        let key = self.keys.open_sealed(row.tenant_id, BLOB_KEY, &id.to_string(), &row.sealed_key).await?;
        Ok(BlobReader { path: self.path(row.tenant_id, id), key: Key::from_bytes(&key)?, row })
    }

    /// The whole plaintext, checked against its checksum.
    pub async fn read(&self, scope: Scope, id: BlobId) -> Result<Vec<u8>> {
        let reader = self.reader(scope, id).await?;
        let bytes = reader.read_range(0, reader.row.length).await?;
        if hex::encode(Sha256::digest(&bytes)) != reader.row.sha256 {
            return Err(Error::Tampered { what: "blob" });
        }
        Ok(bytes)
    }

    /// Deletes row and file. A blob under legal hold is a conflict.
    pub async fn delete(&self, scope: Scope, id: BlobId) -> Result<()> {
        let row = self.row(scope, id).await?;
        if row.legal_hold {
            return Err(Error::conflict("blob.legal_hold"));
        }
        let mut tx = self.db.begin().await?;
        sql("DELETE FROM blobs WHERE id = $1").bind(id).execute(&mut tx).await?;
        tx.commit().await?;
        self.remove_file(row.tenant_id, id).await
    }

    pub(crate) async fn remove_file(&self, tenant: TenantId, id: BlobId) -> Result<()> {
        let path = self.path(tenant, id);
        blocking(move || match std::fs::remove_file(&path) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(Error::File { path, source: e }),
            _ => Ok(()),
        })
        .await
    }

    /// Removes files of `tenant` that have no row and were last written before `before` (left by a crash). Returns how
    /// many went. Give `before` some hours of margin: a blob being written has no row yet.
    pub async fn sweep(&self, tenant: TenantId, before: Timestamp) -> Result<usize> {
        let dir = self.dir.join(tenant.to_string());
        let old = blocking(move || old_files(&dir, before)).await?;
        let mut removed = 0;
        for some in old.chunks(SWEPT) {
            let mut query = sql("SELECT id FROM blobs WHERE id IN (");
            for (n, id) in some.iter().enumerate() {
                query.push_bind(if n == 0 { "?" } else { ", ?" }, *id);
            }
            query.push(")");
            let rows = query.all(&mut self.db.read().await?).await?;
            let known = rows.iter().map(|row| row.get("id")).collect::<Result<Vec<BlobId>>>()?;
            for id in some.iter().filter(|id| !known.contains(id)) {
                self.remove_file(tenant, *id).await?;
                removed += 1;
            }
        }
        Ok(removed)
    }
}

fn old_files(dir: &Path, before: Timestamp) -> Result<Vec<BlobId>> {
    let entries = match std::fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(source) => return Err(Error::File { path: dir.to_owned(), source }),
    };
    let mut old = Vec::new();
    for entry in entries.flatten() {
        let modified = entry.metadata().and_then(|m| m.modified()).ok();
        let age = modified.and_then(|m| m.duration_since(std::time::UNIX_EPOCH).ok());
        let is_old = age.is_some_and(|a| i64::try_from(a.as_millis()).unwrap_or(i64::MAX) < before.0);
        let name = entry.file_name();
        let id = name.to_str().and_then(|n| n.strip_suffix(".sealed")).and_then(|n| n.parse().ok());
        if let (true, Some(id)) = (is_old, id) {
            old.push(id);
        }
    }
    Ok(old)
}

/// Reads a sealed file; every range is authenticated.
#[derive(Debug, Clone)]
pub struct BlobReader {
    path: PathBuf,
    key: Key,
    pub row: BlobRow,
}

impl BlobReader {
    /// `length` plaintext bytes from `offset`, cut at the end of the blob.
    pub async fn read_range(&self, offset: u64, length: u64) -> Result<Vec<u8>> {
        let this = self.clone();
        blocking(move || {
            let file =
                std::fs::File::open(&this.path).map_err(|source| Error::File { path: this.path.clone(), source })?;
            open_range(file, this.row.id, &this.key, this.row.length, offset, length, &this.path)
        })
        .await
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|e| Err(Error::corrupt("blob task", e)))
}

fn chunk_nonce(number: u64) -> Nonce {
    let mut nonce = [0; 12];
    nonce[4..].copy_from_slice(&number.to_be_bytes());
    Nonce::assume_unique_for_key(nonce)
}

fn chunk_aad(id: BlobId, number: u64, last: bool) -> Vec<u8> {
    format!("cordboard/blob/{id}/{number}/{}", u8::from(last)).into_bytes()
}

fn seal_chunk(cipher: &LessSafeKey, id: BlobId, number: u64, last: bool, chunk: &mut Vec<u8>) -> Result<()> {
    cipher
        .seal_in_place_append_tag(chunk_nonce(number), Aad::from(chunk_aad(id, number, last)), chunk)
        .map_err(|_| Error::invalid("blob", "too long to seal"))
}

/// Writes beside the target, flushes, then renames: the target is whole or absent.
fn seal_file(path: &Path, id: BlobId, key: &Key, mut source: impl Read) -> Result<(u64, String)> {
    let failed = |source| Error::Unwritable { path: path.to_owned(), source };
    let dir = path.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(dir).map_err(failed)?;
    let partial = path.with_extension("partial");
    let mut file = std::io::BufWriter::new(std::fs::File::create(&partial).map_err(failed)?);
    file.write_all(MAGIC).map_err(failed)?;
    let (cipher, mut hash, mut length, mut number) = (key.cipher(), Sha256::new(), 0_u64, 0_u64);
    let mut chunk = read_chunk(&mut source).map_err(failed)?;
    loop {
        // The last chunk is known only after looking one further.
        let next = if chunk.len() < CHUNK { Vec::new() } else { read_chunk(&mut source).map_err(failed)? };
        let last = next.is_empty();
        hash.update(&chunk);
        length += chunk.len() as u64;
        seal_chunk(&cipher, id, number, last, &mut chunk)?;
        file.write_all(&chunk).map_err(failed)?;
        if last {
            break;
        }
        chunk = next;
        number += 1;
    }
    let file = file.into_inner().map_err(|e| failed(e.into_error()))?;
    file.sync_all().map_err(failed)?;
    std::fs::rename(&partial, path).map_err(failed)?;
    std::fs::File::open(dir).and_then(|d| d.sync_all()).map_err(failed)?;
    Ok((length, hex::encode(hash.finalize())))
}

fn read_chunk(source: &mut impl Read) -> std::io::Result<Vec<u8>> {
    let mut chunk = Vec::with_capacity(CHUNK + TAG);
    source.take(CHUNK as u64).read_to_end(&mut chunk)?;
    Ok(chunk)
}

fn open_range(
    mut file: impl Read + Seek,
    id: BlobId,
    key: &Key,
    total: u64,
    offset: u64,
    length: u64,
    path: &Path,
) -> Result<Vec<u8>> {
    let failed = |source| Error::File { path: path.to_owned(), source };
    let tampered = || Error::Tampered { what: "blob" };
    let end = offset.saturating_add(length).min(total);
    if offset >= end {
        return Ok(Vec::new());
    }
    let mut magic = [0; 8];
    file.read_exact(&mut magic).map_err(|_| tampered())?;
    if &magic != MAGIC {
        return Err(tampered());
    }
    let cipher = key.cipher();
    let size = CHUNK as u64;
    // An empty blob still has one empty last chunk; `end` > 0 here.
    let (first, final_needed, last_of_file) = (offset / size, (end - 1) / size, (total - 1) / size);
    file.seek(SeekFrom::Start(MAGIC.len() as u64 + first * (size + TAG as u64))).map_err(failed)?;
    let mut out = Vec::with_capacity(usize::try_from(end - offset).unwrap_or(0));
    for number in first..=final_needed {
        let last = number == last_of_file;
        let plain = if last { total - number * size } else { size };
        let mut chunk = vec![0; usize::try_from(plain).unwrap_or(CHUNK) + TAG];
        file.read_exact(&mut chunk).map_err(|_| tampered())?;
        let opened = cipher
            .open_in_place(chunk_nonce(number), Aad::from(chunk_aad(id, number, last)), &mut chunk)
            .map_err(|_| tampered())?;
        let start = usize::try_from(offset.saturating_sub(number * size)).unwrap_or(0);
        let stop = usize::try_from((end - number * size).min(plain)).unwrap_or(0);
        out.extend_from_slice(&opened[start..stop]);
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sealed(length: usize) -> (PathBuf, BlobId, Key, Vec<u8>) {
        let plain: Vec<u8> = (0..length).map(|i| (i * 7 % 251) as u8).collect();
        let id = BlobId(crate::random::bits());
        let path = std::env::temp_dir().join("cordboard-blob-tests").join(format!("{id}.sealed"));
        let key = Key::random().unwrap();
        let (n, _) = seal_file(&path, id, &key, &plain[..]).unwrap();
        assert_eq!(n, length as u64);
        (path, id, key, plain)
    }

    fn read(bytes: &[u8], id: BlobId, key: &Key, total: usize, offset: u64, length: u64) -> Result<Vec<u8>> {
        open_range(std::io::Cursor::new(bytes), id, key, total as u64, offset, length, Path::new("test"))
    }

    #[test]
    fn every_range_reads_back() {
        for length in [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK + 5] {
            let (path, id, key, plain) = sealed(length);
            let file = std::fs::read(&path).unwrap();
            std::fs::remove_file(&path).unwrap();
            for (from, n) in [(0, length), (1, 10), (CHUNK - 3, 6), (2 * CHUNK, CHUNK), (length, 5), (0, usize::MAX)] {
                let want = &plain[from.min(length)..from.saturating_add(n).min(length).max(from.min(length))];
                assert_eq!(read(&file, id, &key, length, from as u64, n as u64).unwrap(), want, "{length} {from} {n}");
            }
        }
    }

    #[test]
    fn swapped_cut_or_altered_chunks_are_noticed() {
        let length = 3 * CHUNK;
        let (path, id, key, _) = sealed(length);
        let file = std::fs::read(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        let all = |bytes: &[u8], id, total| read(bytes, id, &key, total, 0, u64::MAX);
        let mut bad = file.clone();
        bad[8 + CHUNK + TAG + 100] ^= 1;
        assert!(matches!(all(&bad, id, length), Err(Error::Tampered { .. })));
        let mut swapped = file.clone();
        let (a, b) = (8, 8 + CHUNK + TAG);
        for i in 0..CHUNK + TAG {
            swapped.swap(a + i, b + i);
        }
        assert!(matches!(all(&swapped, id, length), Err(Error::Tampered { .. })));
        // Cut at a chunk's edge, with the row's length cut too.
        assert!(matches!(all(&file[..8 + 2 * (CHUNK + TAG)], id, 2 * CHUNK), Err(Error::Tampered { .. })));
        assert!(matches!(all(&file, BlobId(1), length), Err(Error::Tampered { .. })));
    }
}
