//! The archive: dropped files as they came, rows as numbered chunks with a manifest, vouchers and configurations by
//! their hash. Nothing here is ever changed or removed.

use edge::{Error, World};
use ledger::{Head, Hold, Totals, Voucher};
use serde::{Deserialize, Serialize};
use sha2::digest::common::hazmat::{SerializableState, SerializedState};
use sha2::{Digest as _, Sha256};

use crate::bucket;

/// A chunk is written when it has grown to this many bytes.
pub const CHUNK_BYTES: usize = 1 << 20;

/// One object of rows: JSON, one row a line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chunk {
    /// Its key in the archive bucket.
    pub key: String,
    /// Rows in it.
    pub rows: u64,
    /// SHA-256 of its bytes.
    pub sha256: String,
}

/// What a settlement's rows are and where they lie.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// The format of the rows.
    pub format: String,
    /// How the connection wanted them read, as the provider's terms in JSON.
    pub terms: serde_json::Value,
    /// What the settlement says.
    pub head: Head,
    /// Its sums.
    pub totals: Totals,
    /// Why this source alone does not prove the settlement.
    pub hold: Option<Hold>,
    /// The dropped file, `<connection>/<file>`.
    pub from: String,
    /// SHA-256 of the dropped file; its key is `<company>/files/<sha256>`.
    pub file_sha256: String,
    /// The rows, in order.
    pub chunks: Vec<Chunk>,
}

/// Gathers the rows of one group and writes them chunk by chunk.
#[derive(Debug)]
pub struct RowWriter {
    prefix: String,
    buffer: Vec<u8>,
    buffered: u64,
    /// Bytes at the beginning of `buffer` that `hash` has seen: those of a small chunk that is written anew.
    hashed: usize,
    rows: u64,
    chunks: Vec<Chunk>,
    hash: Sha256,
}

/// A [`RowWriter`] at rest, between two pieces of work.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WriterState {
    /// What is written.
    pub chunks: Vec<Chunk>,
    /// How many rows that is.
    pub rows: u64,
    /// The state of the hash over them, in hexadecimal.
    pub hash: String,
}

impl RowWriter {
    /// A writer of objects `<prefix>/000001-<hash>.jsonl` and on.
    pub fn new(prefix: String) -> RowWriter {
        RowWriter {
            prefix,
            buffer: Vec::new(),
            buffered: 0,
            hashed: 0,
            rows: 0,
            chunks: Vec::new(),
            hash: Sha256::new(),
        }
    }

    /// The writer that was at rest. A last chunk that is small is taken up again, so that many short pieces of work
    /// do not make many small objects.
    ///
    /// # Errors
    ///
    /// If the bucket does not answer, or the state is damaged.
    pub async fn resume(world: &World, prefix: String, state: WriterState) -> Result<RowWriter, Error> {
        let damaged = || Error::bug(format!("archive {prefix}: the state of the writer is damaged"));
        let bytes = unhex(&state.hash).ok_or_else(damaged)?;
        let bytes = SerializedState::<Sha256>::try_from(bytes.as_slice()).map_err(|_| damaged())?;
        let hash = Sha256::deserialize(&bytes).map_err(|_| damaged())?;
        let mut writer = RowWriter { chunks: state.chunks, rows: state.rows, hash, ..RowWriter::new(prefix) };
        if let Some(last) = writer.chunks.last() {
            let bytes = chunk(world, last).await?;
            if bytes.len() < CHUNK_BYTES / 2 {
                writer.buffered = last.rows;
                writer.hashed = bytes.len();
                writer.buffer = bytes;
                writer.chunks.pop();
            }
        }
        Ok(writer)
    }

    /// Writes what waits and comes to rest.
    ///
    /// # Errors
    ///
    /// If the bucket does not answer.
    pub async fn rest(mut self, world: &World) -> Result<WriterState, Error> {
        self.flush(world).await?;
        let hash = ledger::voucher::hex(&SerializableState::serialize(&self.hash));
        Ok(WriterState { chunks: self.chunks, rows: self.rows, hash })
    }

    /// Adds one row, JSON without a line break.
    pub fn add(&mut self, row: &[u8]) {
        self.buffer.extend_from_slice(row);
        self.buffer.push(b'\n');
        self.buffered += 1;
        self.rows += 1;
    }

    /// Bytes that wait to be written.
    pub fn buffered(&self) -> usize {
        self.buffer.len()
    }

    /// Rows so far.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Writes what waits.
    ///
    /// # Errors
    ///
    /// If the bucket does not answer.
    pub async fn flush(&mut self, world: &World) -> Result<(), Error> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        let bytes = std::mem::take(&mut self.buffer);
        self.hash.update(&bytes[std::mem::take(&mut self.hashed)..]);
        let sha256 = ledger::voucher::hex(&Sha256::digest(&bytes));
        let key = format!("{}/{:06}-{}.jsonl", self.prefix, self.chunks.len() + 1, &sha256[..16]);
        bucket::put(world, &world.places.archive, &key, bytes).await?;
        self.chunks.push(Chunk { key, rows: std::mem::take(&mut self.buffered), sha256 });
        Ok(())
    }

    /// Writes the rest and returns the chunks, the number of rows and the hash over all rows.
    ///
    /// # Errors
    ///
    /// If the bucket does not answer.
    pub async fn finish(mut self, world: &World) -> Result<(Vec<Chunk>, u64, String), Error> {
        self.flush(world).await?;
        Ok((self.chunks, self.rows, ledger::voucher::hex(&self.hash.finalize())))
    }
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let pairs = text.as_bytes().chunks_exact(2);
    if !pairs.remainder().is_empty() {
        return None;
    }
    pairs.map(|pair| Some(digit(pair[0])? * 16 + digit(pair[1])?)).collect()
}

/// Keeps a small JSON object under a name that holds its hash, and returns its key and hash.
///
/// # Errors
///
/// If the bucket does not answer.
pub async fn put_json<T: Serialize>(
    world: &World,
    place: &str,
    value: &T,
) -> Result<(String, String), Error> {
    let bytes = serde_json::to_vec(value).map_err(|error| Error::bug(place.to_owned()).because(error))?;
    let sha256 = ledger::voucher::hex(&Sha256::digest(&bytes));
    let key = format!("{place}-{}.json", &sha256[..16]);
    bucket::put_once(world, &world.places.archive, &key, bytes).await?;
    Ok((key, sha256))
}

/// Reads what [`put_json`] kept, and proves its hash.
///
/// # Errors
///
/// If it is missing or damaged.
pub async fn json<T: serde::de::DeserializeOwned>(
    world: &World,
    key: &str,
    sha256: &str,
) -> Result<T, Error> {
    let (bytes, _) = bucket::get(world, &world.places.archive, key).await?.ok_or_else(|| missing(key))?;
    if ledger::voucher::hex(&Sha256::digest(&bytes)) != sha256 {
        return Err(Error::bug(format!("archive {key} is not what was written; restore it from a backup")));
    }
    serde_json::from_slice(&bytes)
        .map_err(|error| Error::bug(format!("archive {key} is damaged")).because(error))
}

/// Writes a manifest and returns its key.
///
/// # Errors
///
/// If the bucket does not answer.
pub async fn put_manifest(world: &World, prefix: &str, manifest: &Manifest) -> Result<String, Error> {
    let key = format!("{prefix}/manifest.json");
    let bytes = serde_json::to_vec(manifest).map_err(|error| Error::bug("manifest").because(error))?;
    bucket::put(world, &world.places.archive, &key, bytes).await?;
    Ok(key)
}

/// Reads a manifest.
///
/// # Errors
///
/// If it is missing or damaged.
pub async fn manifest(world: &World, key: &str) -> Result<Manifest, Error> {
    let (bytes, _) = bucket::get(world, &world.places.archive, key).await?.ok_or_else(|| missing(key))?;
    serde_json::from_slice(&bytes)
        .map_err(|error| Error::bug(format!("archive {key} is damaged")).because(error))
}

/// Reads one chunk and proves its hash.
///
/// # Errors
///
/// If it is missing or damaged.
pub async fn chunk(world: &World, chunk: &Chunk) -> Result<Vec<u8>, Error> {
    let key = &chunk.key;
    let (bytes, _) = bucket::get(world, &world.places.archive, key).await?.ok_or_else(|| missing(key))?;
    if ledger::voucher::hex(&Sha256::digest(&bytes)) != chunk.sha256 {
        return Err(Error::bug(format!("archive {key} is not what was written; restore it from a backup")));
    }
    Ok(bytes)
}

fn missing(key: &str) -> Error {
    Error::config(format!("archive {key} is missing; restore the archive from a backup"))
}

/// Where a voucher lies.
pub fn voucher_key(company: &str, hash: &str) -> String {
    format!("{company}/vouchers/{hash}.json")
}

/// Keeps a voucher under its hash.
///
/// # Errors
///
/// If the bucket does not answer.
pub async fn put_voucher(world: &World, voucher: &Voucher) -> Result<String, Error> {
    let hash = voucher.hash();
    let key = voucher_key(&voucher.company, &hash);
    bucket::put_once(world, &world.places.archive, &key, voucher.canonical()).await?;
    Ok(hash)
}

/// Reads a voucher by its hash.
///
/// # Errors
///
/// If it is missing or damaged.
pub async fn voucher(world: &World, company: &str, hash: &str) -> Result<Voucher, Error> {
    let key = voucher_key(company, hash);
    let (bytes, _) = bucket::get(world, &world.places.archive, &key).await?.ok_or_else(|| missing(&key))?;
    let voucher: Voucher = serde_json::from_slice(&bytes)
        .map_err(|error| Error::bug(format!("archive {key} is damaged")).because(error))?;
    if voucher.hash() != hash {
        return Err(Error::bug(format!("archive {key} is not what was written; restore it from a backup")));
    }
    Ok(voucher)
}
