//! The journal's stand-in while the database is slow or away: files on the node's own disk, one per floor and outage.
//!
//! A floor's owner appends here what it could not commit in time ([`SpoolWriter::append`] returns after the fsync) and
//! joins it to the journal later ([`crate::Store::join`]). Calls block: run them off the async threads. Nothing here
//! decides when; `engine` does.
//!
//! ```text
//! file   "CBSPOOL1" | floor u128 | epoch u32 | frame …
//! frame  length u32 | CRC-32 u32 | first_seq u64 | last_seq u64 | sealed        (length and CRC: of what follows them)
//! sealed nonce 12 | AES-256-GCM(JSON line of [`Head`] | bytes of the batch)      big-endian numbers throughout
//! ```
//! The batch holds ids only, but the new addresses beside it are personal data, so everything is sealed. A frame cut
//! short at the end was never acknowledged; a frame damaged before the end is an error that a person must look at.
use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use aws_lc_rs::aead::{Aad, LessSafeKey, NONCE_LEN, Nonce};
use domain::id::FloorId;
use domain::time::Timestamp;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::journal::{Batch, NewAddress};
use crate::keyring::Key;

const MAGIC: &[u8; 8] = b"CBSPOOL1";
const FILE_HEADER: u64 = 8 + 16 + 4;
const FRAME_HEADER: usize = 4 + 4;
/// A longer frame is damage, not data: a batch is at most some hundred events.
const FRAME_MAX: usize = 64 << 20;
const ENDING: &str = "spool";

/// The node's spool. Cheap to clone.
#[derive(Clone)]
pub struct Spool {
    inner: Arc<Inner>,
}

struct Inner {
    dir: PathBuf,
    key: LessSafeKey,
    max: u64,
    /// Bytes of all files.
    used: AtomicU64,
}

/// A file of an earlier run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftOver {
    pub floor: FloorId,
    pub epoch: u32,
    /// Of its first batch.
    pub first_seq: u64,
    pub path: PathBuf,
}

#[derive(Serialize, Deserialize)]
struct Head {
    at: Timestamp,
    codec: u8,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    addresses: Vec<NewAddress>,
}

impl Spool {
    pub(crate) fn open(dir: PathBuf, key: [u8; 32], max: u64) -> Result<Spool> {
        std::fs::create_dir_all(&dir).map_err(|source| Error::Unwritable { path: dir.clone(), source })?;
        let key = Key::from_bytes(&key)?.cipher();
        let used = AtomicU64::new(files(&dir)?.iter().map(|f| std::fs::metadata(&f.path).map_or(0, |m| m.len())).sum());
        Ok(Spool { inner: Arc::new(Inner { dir, key, max, used }) })
    }

    /// What an earlier run left: join it before its floor loads.
    pub fn left_over(&self) -> Result<Vec<LeftOver>> {
        files(&self.inner.dir)
    }

    /// A file that begins with the event `first_seq`, or the end of the one there is.
    pub fn writer(&self, floor: FloorId, epoch: u32, first_seq: u64) -> Result<SpoolWriter> {
        let path = self.inner.dir.join(format!("{floor}.{epoch}.{first_seq}.{ENDING}"));
        let failed = |source| Error::File { path: path.clone(), source };
        let file =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path).map_err(failed)?;
        let mut writer = SpoolWriter { spool: self.clone(), file, length: 0, floor, epoch, path: path.clone() };
        let mut reader = SpoolReader::open(self, &path)?;
        if reader.is_fresh() {
            writer.begin()?;
        } else {
            while reader.next_batch()?.is_some() {}
            writer.length = reader.at;
        }
        Ok(writer)
    }

    /// Deletes a file that was joined.
    pub fn remove(&self, path: &Path) -> Result<()> {
        let failed = |source| Error::File { path: path.to_owned(), source };
        let length = std::fs::metadata(path).map_err(failed)?.len();
        std::fs::remove_file(path).map_err(failed)?;
        let _ = self.inner.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |u| Some(u.saturating_sub(length)));
        Ok(())
    }

    /// Puts a file aside that cannot be joined; its new name.
    pub fn set_aside(&self, path: &Path) -> Result<PathBuf> {
        let aside = path.with_extension("conflict");
        std::fs::rename(path, &aside).map_err(|source| Error::File { path: path.to_owned(), source })?;
        Ok(aside)
    }
}

fn files(dir: &Path) -> Result<Vec<LeftOver>> {
    let failed = |source| Error::File { path: dir.to_owned(), source };
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let name = path.file_name().and_then(|n| n.to_str()).unwrap_or_default().to_owned();
        let mut parts = name.split('.');
        if let (Some(floor), Some(epoch), Some(first), Some(ENDING), None) =
            (parts.next(), parts.next(), parts.next(), parts.next(), parts.next())
            && let (Ok(floor), Ok(epoch), Ok(first_seq)) = (floor.parse(), epoch.parse(), first.parse())
        {
            found.push(LeftOver { floor, epoch, first_seq, path });
        }
    }
    found.sort_by_key(|f| (f.floor, f.epoch, f.first_seq));
    Ok(found)
}

fn aad(floor: FloorId, epoch: u32, first: u64, last: u64) -> Vec<u8> {
    format!("cordboard/journal-spool/{floor}/{epoch}/{first}/{last}").into_bytes()
}

/// One floor's file under one epoch.
pub struct SpoolWriter {
    spool: Spool,
    file: File,
    /// Of what is whole; anything behind it is overwritten.
    length: u64,
    floor: FloorId,
    epoch: u32,
    path: PathBuf,
}

impl SpoolWriter {
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn failed(&self, source: std::io::Error) -> Error {
        Error::File { path: self.path.clone(), source }
    }

    fn begin(&mut self) -> Result<()> {
        let mut header = MAGIC.to_vec();
        header.extend(self.floor.0.to_be_bytes());
        header.extend(self.epoch.to_be_bytes());
        self.write(&header)?;
        // The directory, so that the file is found after a power cut.
        File::open(&self.spool.inner.dir).and_then(|dir| dir.sync_all()).map_err(|e| self.failed(e))
    }

    /// Durable when it returns. On an error nothing of it is. [`Error::Full`] beyond the spool's bound.
    pub fn append(&mut self, batches: &[Batch], now: Timestamp) -> Result<()> {
        let mut frames = Vec::new();
        for batch in batches {
            self.frame(batch, now, &mut frames)?;
        }
        self.write(&frames)
    }

    fn frame(&self, batch: &Batch, now: Timestamp, out: &mut Vec<u8>) -> Result<()> {
        let head = Head { at: batch.at.unwrap_or(now), codec: batch.codec, addresses: batch.addresses.clone() };
        let mut sealed = serde_json::to_vec(&head).map_err(|e| Error::invalid("journal batch", e))?;
        sealed.push(b'\n');
        sealed.extend_from_slice(&batch.bytes);
        let mut nonce = [0; NONCE_LEN];
        crate::random::fill(&mut nonce);
        let aad = Aad::from(aad(self.floor, self.epoch, batch.first_seq, batch.last_seq));
        self.spool
            .inner
            .key
            .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), aad, &mut sealed)
            .map_err(|_| Error::invalid("journal batch", "too long to seal"))?;
        let mut body = Vec::with_capacity(16 + NONCE_LEN + sealed.len());
        body.extend(batch.first_seq.to_be_bytes());
        body.extend(batch.last_seq.to_be_bytes());
        body.extend(nonce);
        body.extend(sealed);
        let length = u32::try_from(body.len()).map_err(|_| Error::invalid("journal batch", "too long"))?;
        out.extend(length.to_be_bytes());
        out.extend(crc32fast::hash(&body).to_be_bytes());
        out.extend(body);
        Ok(())
    }

    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        let more = bytes.len() as u64;
        let used = self.spool.inner.used.fetch_add(more, Ordering::Relaxed) + more;
        let written = if used > self.spool.inner.max {
            Err(Error::Full { what: "journal spool" })
        } else {
            let at = self.length;
            let write = |file: &mut File| {
                file.seek(SeekFrom::Start(at))?;
                file.write_all(bytes)?;
                file.sync_data()
            };
            write(&mut self.file).map_err(|e| self.failed(e))
        };
        match written {
            Ok(()) => {
                self.length += more;
                Ok(())
            }
            Err(e) => {
                self.spool.inner.used.fetch_sub(more, Ordering::Relaxed);
                // What was written in part is not read, for its CRC is wrong, and it is overwritten by the next try.
                let _ = self.file.set_len(self.length);
                Err(e)
            }
        }
    }
}

/// Reads a file from its beginning, also while it grows.
pub struct SpoolReader {
    spool: Spool,
    file: File,
    /// Where the next frame begins.
    at: u64,
    floor: FloorId,
    epoch: u32,
    path: PathBuf,
}

impl SpoolReader {
    pub fn open(spool: &Spool, path: &Path) -> Result<SpoolReader> {
        let failed = |source| Error::File { path: path.to_owned(), source };
        let mut file = File::open(path).map_err(failed)?;
        let mut header = Vec::new();
        Read::by_ref(&mut file).take(FILE_HEADER).read_to_end(&mut header).map_err(failed)?;
        let (floor, epoch) = match header.as_slice() {
            // Cut short before anything was acknowledged.
            short if (short.len() as u64) < FILE_HEADER => (FloorId(0), 0),
            header if header.starts_with(MAGIC) => {
                let floor = u128::from_be_bytes(header[8..24].try_into().unwrap_or_default());
                (FloorId(floor), u32::from_be_bytes(header[24..28].try_into().unwrap_or_default()))
            }
            _ => return Err(Error::corrupt("journal spool", "it does not begin as one")),
        };
        Ok(SpoolReader { spool: spool.clone(), file, at: FILE_HEADER, floor, epoch, path: path.to_owned() })
    }

    fn is_fresh(&self) -> bool {
        self.floor.0 == 0
    }

    /// The next whole batch; none at the end, for now.
    pub fn next_batch(&mut self) -> Result<Option<Batch>> {
        let path = self.path.clone();
        let failed = |source| Error::File { path: path.clone(), source };
        if self.is_fresh() {
            *self = SpoolReader::open(&self.spool, &path)?;
            if self.is_fresh() {
                return Ok(None);
            }
        }
        let end = self.file.metadata().map_err(failed)?.len();
        self.file.seek(SeekFrom::Start(self.at)).map_err(failed)?;
        let mut head = Vec::with_capacity(FRAME_HEADER);
        Read::by_ref(&mut self.file).take(FRAME_HEADER as u64).read_to_end(&mut head).map_err(failed)?;
        let Some(&[a, b, c, d, e, f, g, h]) = head.first_chunk::<FRAME_HEADER>() else { return Ok(None) };
        let length = u32::from_be_bytes([a, b, c, d]) as usize;
        let body_at = self.at + FRAME_HEADER as u64;
        let is_last = body_at + length as u64 >= end;
        let damaged = |why: &str| Error::corrupt("journal spool", format!("{why} at byte {}", body_at));
        if !(16 + NONCE_LEN..=FRAME_MAX).contains(&length) {
            return if is_last { Ok(None) } else { Err(damaged("a frame of impossible length")) };
        }
        let mut body = Vec::with_capacity(length);
        Read::by_ref(&mut self.file).take(length as u64).read_to_end(&mut body).map_err(failed)?;
        if body.len() < length || crc32fast::hash(&body) != u32::from_be_bytes([e, f, g, h]) {
            return if is_last { Ok(None) } else { Err(damaged("a damaged frame")) };
        }
        let number = |at: usize| u64::from_be_bytes(body[at..at + 8].try_into().unwrap_or_default());
        let (first_seq, last_seq) = (number(0), number(8));
        let tampered = Error::Tampered { what: "journal spool" };
        let Ok(nonce) = Nonce::try_assume_unique_for_key(&body[16..16 + NONCE_LEN]) else { return Err(tampered) };
        let aad = Aad::from(aad(self.floor, self.epoch, first_seq, last_seq));
        let sealed = &mut body[16 + NONCE_LEN..];
        let Ok(plain) = self.spool.inner.key.open_in_place(nonce, aad, sealed) else { return Err(tampered) };
        let line = plain.iter().position(|b| *b == b'\n').ok_or_else(|| damaged("a frame without its head"))?;
        let head: Head = serde_json::from_slice(&plain[..line]).map_err(|e| Error::corrupt("journal spool", e))?;
        let bytes = plain[line + 1..].to_vec();
        self.at = body_at + length as u64;
        Ok(Some(Batch { first_seq, last_seq, codec: head.codec, bytes, addresses: head.addresses, at: Some(head.at) }))
    }

    /// Whole batches, at most `limit`; empty at the end, for now.
    pub fn some(&mut self, limit: usize) -> Result<Vec<Batch>> {
        let mut found = Vec::new();
        while found.len() < limit
            && let Some(batch) = self.next_batch()?
        {
            found.push(batch);
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::address::Address;
    use domain::id::AddressId;

    const NOW: Timestamp = Timestamp(1_790_000_000_000);
    const FLOOR: FloorId = FloorId(7);

    fn spool(dir: &Path, max: u64) -> Spool {
        Spool::open(dir.to_owned(), [9; 32], max).unwrap()
    }

    fn batch(first_seq: u64, text: &str) -> Batch {
        let address = Address::SipUri { uri: "sip:someone@far.test".to_owned() };
        let addresses = vec![NewAddress { id: AddressId(u128::from(first_seq)), address, name: None }];
        Batch { addresses, at: Some(NOW), ..Batch::encode(first_seq, &[text, text]).unwrap() }
    }

    struct Dir(PathBuf);

    impl Dir {
        fn new(name: &str) -> Dir {
            let dir = std::env::temp_dir().join(format!("cordboard-spool-{name}-{}", std::process::id()));
            let _ = std::fs::remove_dir_all(&dir);
            Dir(dir)
        }
    }

    impl Drop for Dir {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    fn read(spool: &Spool, path: &Path) -> Result<Vec<Batch>> {
        SpoolReader::open(spool, path)?.some(1_000)
    }

    #[test]
    fn what_was_appended_is_read_in_order_after_a_restart_and_is_not_plain_on_disk() {
        let dir = Dir::new("order");
        let mut writer = spool(&dir.0, 1 << 20).writer(FLOOR, 3, 1).unwrap();
        writer.append(&[batch(1, "one"), batch(3, "two")], NOW).unwrap();
        drop(writer);
        let again = spool(&dir.0, 1 << 20);
        let left = again.left_over().unwrap();
        assert_eq!(left.iter().map(|l| (l.floor, l.epoch)).collect::<Vec<_>>(), [(FLOOR, 3)]);
        let mut writer = again.writer(FLOOR, 3, 1).unwrap();
        writer.append(&[batch(5, "three")], NOW).unwrap();
        assert_eq!(read(&again, &left[0].path).unwrap(), [batch(1, "one"), batch(3, "two"), batch(5, "three")]);
        let bytes = std::fs::read(&left[0].path).unwrap();
        assert!(!bytes.windows(7).any(|w| w == b"someone"), "a caller's address in plain text");
        let other = Spool::open(dir.0.clone(), [8; 32], 1 << 20).unwrap();
        assert!(matches!(read(&other, &left[0].path), Err(Error::Tampered { .. })));
        again.remove(&left[0].path).unwrap();
        assert_eq!(again.left_over().unwrap(), []);
        assert_eq!(again.inner.used.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn a_torn_end_is_not_read_and_is_overwritten_and_damage_before_the_end_is_an_error() {
        let dir = Dir::new("torn");
        let spool = spool(&dir.0, 1 << 20);
        let mut writer = spool.writer(FLOOR, 1, 1).unwrap();
        writer.append(&[batch(1, "one"), batch(3, "two")], NOW).unwrap();
        let path = writer.path().to_owned();
        drop(writer);
        let whole = std::fs::read(&path).unwrap();
        for cut in FILE_HEADER as usize..whole.len() {
            std::fs::write(&path, &whole[..cut]).unwrap();
            let found = read(&spool, &path).unwrap();
            assert!(found.is_empty() || found == [batch(1, "one")], "cut at {cut}");
        }
        let mut writer = spool.writer(FLOOR, 1, 1).unwrap();
        writer.append(&[batch(3, "other")], NOW).unwrap();
        assert_eq!(read(&spool, &path).unwrap(), [batch(1, "one"), batch(3, "other")]);
        let mut bad = whole.clone();
        bad[FILE_HEADER as usize + 40] ^= 1;
        std::fs::write(&path, &bad).unwrap();
        assert!(matches!(read(&spool, &path), Err(Error::Corrupt { .. })));
    }

    #[test]
    fn a_full_spool_refuses_and_keeps_what_it_has() {
        let dir = Dir::new("full");
        let spool = spool(&dir.0, 1_000);
        let mut writer = spool.writer(FLOOR, 1, 1).unwrap();
        let mut kept = Vec::new();
        let refused = loop {
            let next = batch(kept.len() as u64 * 2 + 1, "a text");
            match writer.append(std::slice::from_ref(&next), NOW) {
                Ok(()) => kept.push(next),
                Err(e) => break e,
            }
        };
        assert!(matches!(refused, Error::Full { what: "journal spool" }), "{refused}");
        assert!(!kept.is_empty());
        assert_eq!(read(&spool, writer.path()).unwrap(), kept);
    }
}
