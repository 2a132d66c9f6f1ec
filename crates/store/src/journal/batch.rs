//! What stands in one journal row: events as JSON, compressed when that saves something. Written by [`Draft`] or
//! [`Batch::encode`], read back as [`StoredBatch`].
use std::cell::RefCell;

use domain::address::Address;
use domain::id::AddressId;
use domain::time::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::{Error, Result};

/// Zstandard-compressed JSON array of events.
pub const CODEC_JSON_ZSTD: u8 = 1;
/// The same uncompressed, for the few events of a quiet moment.
pub const CODEC_JSON: u8 = 2;
/// Shorter JSON stays as it is: compressing it would save less than a row costs anyway.
const PLAIN: usize = 512;
/// An uncompressed batch or snapshot is never larger; also stops a decompression bomb.
const MAX_PLAIN: usize = 256 << 20;

/// Events to append. Make one with [`Batch::encode`] (off the floor's task if it is large).
#[derive(Debug, Clone, PartialEq)]
pub struct Batch {
    pub first_seq: u64,
    pub last_seq: u64,
    pub codec: u8,
    pub bytes: Vec<u8>,
    /// Addresses that its events name for the first time; their rows are written with it.
    pub addresses: Vec<NewAddress>,
    /// When it was decided, if that was not just now (it waited in the spool).
    pub at: Option<Timestamp>,
}

/// A customer's address under an id made here, because the store knew none or did not answer.
#[derive(Debug, Clone, PartialEq, Serialize, serde::Deserialize)]
pub struct NewAddress {
    pub id: AddressId,
    pub address: Address,
    /// As shown by the far end.
    pub name: Option<String>,
}

impl Batch {
    /// Encodes `events` numbered from `first_seq`. At least one event.
    pub fn encode<E: Serialize>(first_seq: u64, events: &[E]) -> Result<Batch> {
        if events.is_empty() || first_seq == 0 {
            return Err(Error::invalid("journal batch", "it needs an event and a sequence number from 1"));
        }
        let (codec, bytes) = compress(events)?;
        let last_seq = first_seq + events.len() as u64 - 1;
        Ok(Batch { first_seq, last_seq, codec, bytes, addresses: Vec::new(), at: None })
    }
}

/// A batch in the making: events that may share a journal row.
#[derive(Debug, Default)]
pub struct Draft {
    first_seq: u64,
    count: u64,
    /// A JSON array without its end.
    json: Vec<u8>,
    addresses: Vec<NewAddress>,
    at: Option<Timestamp>,
}

impl Draft {
    /// The JSON of an event numbered `seq`, decided at `now`; it must follow what is in the draft.
    pub fn push(&mut self, seq: u64, json: &str, now: Timestamp) -> Result<()> {
        if self.count == 0 {
            (self.first_seq, self.at) = (seq, Some(now));
        }
        if seq == 0 || seq != self.first_seq + self.count {
            return Err(Error::invalid("journal batch", "it needs events that follow one another from 1 on"));
        }
        self.json.push(if self.json.is_empty() { b'[' } else { b',' });
        self.json.extend_from_slice(json.as_bytes());
        self.count += 1;
        Ok(())
    }

    /// An address that the events name for the first time.
    pub fn address(&mut self, address: NewAddress) {
        self.addresses.push(address);
    }

    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Bytes of JSON.
    pub fn size(&self) -> usize {
        self.json.len()
    }

    /// The batch; the draft is empty again. Not of an empty one.
    pub fn take(&mut self) -> Result<Batch> {
        if self.count == 0 {
            return Err(Error::invalid("journal batch", "it needs an event"));
        }
        let Draft { first_seq, count, mut json, addresses, at } = std::mem::take(self);
        json.push(b']');
        let (codec, bytes) = compress_json(json)?;
        Ok(Batch { first_seq, last_seq: first_seq + count - 1, codec, bytes, addresses, at })
    }
}

/// A batch as read back.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredBatch {
    pub first_seq: u64,
    pub last_seq: u64,
    pub epoch: u32,
    pub at: Timestamp,
    pub(super) codec: u8,
    pub(super) bytes: Vec<u8>,
}

impl StoredBatch {
    /// The events with their sequence numbers. `E` is the domain's event, or `serde_json::Value` to upcast first.
    pub fn events<E: DeserializeOwned>(&self) -> Result<Vec<(u64, E)>> {
        let events: Vec<E> = decompress(self.codec, &self.bytes, "journal batch")?;
        if events.len() as u64 != self.last_seq + 1 - self.first_seq {
            return Err(Error::corrupt("journal batch", format!("wrong count at {}", self.first_seq)));
        }
        Ok((self.first_seq..).zip(events).collect())
    }
}

thread_local! {
    /// Level 1: events repeat their field names, so even the fastest level gives most of the gain. A context is half a
    /// megabyte of tables, too much to make for every batch.
    static ZSTD: RefCell<Option<zstd::bulk::Compressor<'static>>> = const { RefCell::new(None) };
}

pub(super) fn compress<T: Serialize + ?Sized>(value: &T) -> Result<(u8, Vec<u8>)> {
    compress_json(serde_json::to_vec(value).map_err(|e| Error::invalid("journal event", e))?)
}

fn compress_json(json: Vec<u8>) -> Result<(u8, Vec<u8>)> {
    if json.len() < PLAIN {
        return Ok((CODEC_JSON, json));
    }
    let packed = ZSTD.with_borrow_mut(|context| {
        let mut packer = match context.take() {
            Some(packer) => packer,
            None => zstd::bulk::Compressor::new(1)?,
        };
        let packed = packer.compress(&json);
        *context = Some(packer);
        packed
    });
    Ok((CODEC_JSON_ZSTD, packed.map_err(|e| Error::invalid("journal batch", e))?))
}

pub(super) fn decompress<T: DeserializeOwned>(codec: u8, bytes: &[u8], what: &'static str) -> Result<T> {
    let corrupt = |e: serde_json::Error| Error::corrupt(what, e);
    match codec {
        CODEC_JSON => return serde_json::from_slice(bytes).map_err(corrupt),
        CODEC_JSON_ZSTD => {}
        other => return Err(Error::corrupt(what, format!("unknown codec {other}"))),
    }
    let mut json = Vec::new();
    let mut decoder = zstd::stream::read::Decoder::new(bytes).map_err(|e| Error::corrupt(what, e))?;
    std::io::Read::read_to_end(&mut std::io::Read::take(&mut decoder, MAX_PLAIN as u64), &mut json)
        .map_err(|e| Error::corrupt(what, e))?;
    serde_json::from_slice(&json).map_err(corrupt)
}
