//! The checkpoint file: what is needed to go on with living calls after a crash. Used by the control thread only.
//!
//! An append-only log of encrypted records, one per change of a leg or order (or its end), compacted when mostly stale:
//!
//! ```text
//! file   = magic record*
//! record = length:u32le nonce:12 ciphertext:length   (AES-256-GCM with its 16-byte tag, magic as associated data)
//! plain  = kind:u8 id:u128le present:u8 checkpoint-bytes
//! ```
//!
//! Records are collected and written together by [`CheckpointFile::flush`], once in each round of the control thread.
//! They are written, not synced: the page cache survives a killed process, and after a power cut the calls are
//! gone anyway (the peers notice by lost media). A torn tail is dropped. Nonces are random; one key sees far fewer
//! than 2^32 records in its life (NIST SP 800-38D §8.3).
use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};

const MAGIC: &[u8; 8] = b"CBCALLS2";
const NONCE: usize = 12;
/// What a checkpoint is about: kind and id.
pub(crate) type Key = (u8, u128);

/// A checkpoint is a few kilobytes at most; anything near this is damage.
const RECORD_MAX: usize = 64 * 1024;
/// The whole file is read at start; compaction keeps it far below.
const FILE_MAX: u64 = 256 * 1024 * 1024;
/// Stale bytes tolerated before the file is rewritten.
const COMPACT_AT: u64 = 1024 * 1024;

pub(crate) struct CheckpointFile {
    path: PathBuf,
    file: File,
    key: LessSafeKey,
    live: HashMap<Key, Vec<u8>>,
    written: u64,
    live_bytes: u64,
    /// Records not yet written.
    waiting: Vec<u8>,
    /// The disk refused a record, perhaps half-way: behind it nothing would be read, so the file is written anew.
    torn: bool,
}

/// Waiting bytes at which [`CheckpointFile::put`] writes by itself.
const WAITING_MAX: usize = 256 * 1024;

impl CheckpointFile {
    /// Opens or creates the file and returns the checkpoints of the legs that were alive when it was last written.
    /// A file that does not open under `key` is moved aside as `*.unreadable`.
    pub(crate) fn open(path: &Path, key: &[u8; 32]) -> io::Result<(Self, Vec<Vec<u8>>)> {
        let key = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, key).map_err(|_| io::Error::other("bad key"))?);
        let live = match File::open(path) {
            Ok(mut file) => match read_all(&mut file, &key)? {
                Some(live) => live,
                None => {
                    let aside = path.with_extension("unreadable");
                    tracing::error!(file = %aside.display(), "the checkpoint file does not open under this key and was moved aside; calls of the former run cannot go on");
                    std::fs::rename(path, aside)?;
                    HashMap::new()
                }
            },
            Err(e) if e.kind() == io::ErrorKind::NotFound => HashMap::new(),
            Err(e) => return Err(e),
        };
        let recovered = live.values().cloned().collect();
        // The recovered legs stay on file until the switch has dealt with them (and said so by removing them).
        let (file, written) = rewrite(path, &key, &live)?;
        let this = Self {
            path: path.to_owned(),
            file,
            key,
            live,
            written,
            live_bytes: written,
            waiting: Vec::new(),
            torn: false,
        };
        Ok((this, recovered))
    }

    /// Replaces the checkpoint of a leg or order, or removes it, from the next [`Self::flush`] on.
    pub(crate) fn put(&mut self, key: Key, checkpoint: Option<Vec<u8>>) -> io::Result<()> {
        let record = seal(&self.key, key, checkpoint.as_deref())?;
        self.waiting.extend_from_slice(&record);
        self.written += record.len() as u64;
        let size = |bytes: &Vec<u8>| (4 + NONCE + 16 + 18 + bytes.len()) as u64;
        if let Some(bytes) = &checkpoint {
            self.live_bytes += size(bytes);
        }
        let old = match checkpoint {
            Some(bytes) => self.live.insert(key, bytes),
            None => self.live.remove(&key),
        };
        if let Some(old) = &old {
            self.live_bytes = self.live_bytes.saturating_sub(size(old));
        }
        if self.waiting.len() > WAITING_MAX {
            self.flush()?;
        }
        if self.written > COMPACT_AT && self.written > 4 * self.live_bytes {
            self.compact()?;
        }
        Ok(())
    }

    fn compact(&mut self) -> io::Result<()> {
        self.waiting.clear();
        (self.file, self.written) = rewrite(&self.path, &self.key, &self.live)?;
        self.live_bytes = self.written;
        self.torn = false;
        Ok(())
    }

    /// Writes what waits. What a full disk does not take is written when it has room, with the next change.
    pub(crate) fn flush(&mut self) -> io::Result<()> {
        if self.waiting.is_empty() {
            return Ok(());
        }
        if self.torn {
            return self.compact();
        }
        let written = self.file.write_all(&self.waiting);
        self.waiting.clear();
        self.torn = written.is_err();
        written
    }
}

impl Drop for CheckpointFile {
    fn drop(&mut self) {
        // Without it the next start would look for calls that have ended.
        let _ = self.flush();
    }
}

fn read_all(file: &mut File, key: &LessSafeKey) -> io::Result<Option<HashMap<Key, Vec<u8>>>> {
    let mut bytes = Vec::new();
    file.take(FILE_MAX).read_to_end(&mut bytes)?;
    if bytes.is_empty() {
        return Ok(Some(HashMap::new()));
    }
    let Some(mut rest) = bytes.strip_prefix(MAGIC.as_slice()) else { return Ok(None) };
    let mut live = HashMap::new();
    let mut first = true;
    while let Some((leg, checkpoint, tail)) = open_record(key, rest) {
        match checkpoint {
            Some(bytes) => live.insert(leg, bytes),
            None => live.remove(&leg),
        };
        rest = tail;
        first = false;
    }
    Ok(if first && rest.len() > 4 + NONCE { None } else { Some(live) })
}

/// Whose, its checkpoint unless it was removed, and the bytes behind the record.
type Record<'a> = (Key, Option<Vec<u8>>, &'a [u8]);

fn open_record<'a>(key: &LessSafeKey, bytes: &'a [u8]) -> Option<Record<'a>> {
    let (len, rest) = bytes.split_first_chunk::<4>()?;
    let len = u32::from_le_bytes(*len) as usize;
    let (nonce, rest) = rest.split_first_chunk::<NONCE>()?;
    if len > RECORD_MAX || rest.len() < len {
        return None;
    }
    let (cipher, tail) = rest.split_at(len);
    let mut cipher = cipher.to_vec();
    let plain = key.open_in_place(Nonce::assume_unique_for_key(*nonce), Aad::from(MAGIC), &mut cipher).ok()?;
    let (kind, plain) = plain.split_first()?;
    let (id, plain) = plain.split_first_chunk::<16>()?;
    let (present, body) = plain.split_first()?;
    Some(((*kind, u128::from_le_bytes(*id)), (*present == 1).then(|| body.to_vec()), tail))
}

fn seal(key: &LessSafeKey, (kind, id): Key, checkpoint: Option<&[u8]>) -> io::Result<Vec<u8>> {
    let body = checkpoint.unwrap_or_default();
    if body.len() > RECORD_MAX - 64 {
        return Err(io::Error::other("checkpoint is too large"));
    }
    let mut plain = Vec::with_capacity(18 + body.len() + 16);
    plain.push(kind);
    plain.extend_from_slice(&id.to_le_bytes());
    plain.push(u8::from(checkpoint.is_some()));
    plain.extend_from_slice(body);
    let mut nonce = [0u8; NONCE];
    aws_lc_rs::rand::fill(&mut nonce).map_err(|_| io::Error::other("no randomness"))?;
    key.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(MAGIC), &mut plain)
        .map_err(|_| io::Error::other("encryption failed"))?;
    let mut record = Vec::with_capacity(4 + NONCE + plain.len());
    record.extend_from_slice(&u32::try_from(plain.len()).unwrap_or(u32::MAX).to_le_bytes());
    record.extend_from_slice(&nonce);
    record.extend_from_slice(&plain);
    Ok(record)
}

/// Writes the living checkpoints to a fresh file, puts it in place and returns it opened for appending.
fn rewrite(path: &Path, key: &LessSafeKey, live: &HashMap<Key, Vec<u8>>) -> io::Result<(File, u64)> {
    let fresh = path.with_extension("new");
    let mut bytes = MAGIC.to_vec();
    for (leg, checkpoint) in live {
        bytes.extend_from_slice(&seal(key, *leg, Some(checkpoint))?);
    }
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&fresh)?;
    file.write_all(&bytes)?;
    std::fs::rename(&fresh, path)?;
    Ok((file, bytes.len() as u64))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn temp(name: &str) -> PathBuf {
        let dir = std::env::temp_dir().join(format!("cordboard-checkpoint-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let path = dir.join("calls.checkpoint");
        let _ = std::fs::remove_file(&path);
        path
    }

    #[test]
    fn only_legs_that_were_alive_come_back_and_in_their_last_state() {
        let path = temp("alive");
        let (mut file, recovered) = CheckpointFile::open(&path, &[7; 32]).unwrap();
        assert!(recovered.is_empty());
        file.put((0, 1), Some(b"one".to_vec())).unwrap();
        file.put((0, 2), Some(b"two".to_vec())).unwrap();
        file.put((0, 1), Some(b"one again".to_vec())).unwrap();
        file.put((0, 2), None).unwrap();
        drop(file);
        let (_, recovered) = CheckpointFile::open(&path, &[7; 32]).unwrap();
        assert_eq!(recovered, [b"one again".to_vec()]);
    }

    #[test]
    fn nothing_readable_is_on_disk_and_another_key_opens_nothing() {
        let path = temp("secret");
        let (mut file, _) = CheckpointFile::open(&path, &[7; 32]).unwrap();
        file.put((0, 1), Some(b"sip:caller@example.com".to_vec())).unwrap();
        drop(file);
        let bytes = std::fs::read(&path).unwrap();
        assert!(!bytes.windows(6).any(|w| w == b"caller"));
        let (_, recovered) = CheckpointFile::open(&path, &[8; 32]).unwrap();
        assert!(recovered.is_empty());
        assert!(path.with_extension("unreadable").exists());
    }

    #[test]
    fn a_torn_last_record_loses_only_itself() {
        let path = temp("torn");
        let (mut file, _) = CheckpointFile::open(&path, &[7; 32]).unwrap();
        file.put((0, 1), Some(b"one".to_vec())).unwrap();
        file.put((0, 2), Some(b"two".to_vec())).unwrap();
        drop(file);
        let bytes = std::fs::read(&path).unwrap();
        std::fs::write(&path, &bytes[..bytes.len() - 3]).unwrap();
        let (_, recovered) = CheckpointFile::open(&path, &[7; 32]).unwrap();
        assert_eq!(recovered, [b"one".to_vec()]);
    }

    #[test]
    fn behind_a_record_that_the_disk_took_half_the_next_ones_are_found() {
        let path = temp("half");
        let (mut file, _) = CheckpointFile::open(&path, &[7; 32]).unwrap();
        file.put((0, 1), Some(b"one".to_vec())).unwrap();
        file.flush().unwrap();
        // As a full disk leaves it.
        let half = seal(&file.key, (0, 2), Some(b"two")).unwrap();
        file.file.write_all(&half[..half.len() / 2]).unwrap();
        (file.torn, file.live) = (true, [((0, 1), b"one".to_vec()), ((0, 2), b"two".to_vec())].into());
        file.put((0, 3), Some(b"three".to_vec())).unwrap();
        drop(file);
        let (_, mut recovered) = CheckpointFile::open(&path, &[7; 32]).unwrap();
        recovered.sort();
        assert_eq!(recovered, [b"one".to_vec(), b"three".to_vec(), b"two".to_vec()]);
    }

    #[test]
    fn the_file_stays_small_over_many_changes() {
        let path = temp("compact");
        let (mut file, _) = CheckpointFile::open(&path, &[7; 32]).unwrap();
        for i in 0..20_000u128 {
            file.put((0, i % 4), Some(vec![b'x'; 200])).unwrap();
        }
        drop(file);
        assert!(std::fs::metadata(&path).unwrap().len() < 2 * COMPACT_AT);
        let (_, recovered) = CheckpointFile::open(&path, &[7; 32]).unwrap();
        assert_eq!(recovered.len(), 4);
    }
}
