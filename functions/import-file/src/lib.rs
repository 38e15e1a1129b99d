//! Triggered by an object in the inbox bucket. Reads a dropped report into the archive, row by row, and makes its
//! settlements due.
//!
//! A file that cannot be read leaves a verdict and nothing else. The same bytes read in the same way are read once.

mod apply;

use std::collections::BTreeMap;
use std::path::PathBuf;

use edge::config::{Config, Connection};
use edge::{Error, World};
use ledger::{Totals, voucher::hex};
use providers::{GroupEnd, Item, Provider, ReadError, Terms};
use sha2::{Digest as _, Sha256};
use store::archive::{self, CHUNK_BYTES, Manifest, RowWriter};
use store::item::{FileError, FileItem, Source};
use store::{Key, Table, bucket};

/// Grows when files must be read again because their reading changed.
const READER_VERSION: u32 = 1;

/// Rows that wait in memory, over all settlements of a file.
const BUFFERED_MAX: usize = 8 * CHUNK_BYTES;

/// What became of a dropped file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Imported {
    /// The same bytes were read before.
    Unchanged,
    /// Read: so many settlements.
    Read(u64),
    /// Not readable; the verdict is stored.
    Unreadable(FileError),
    /// The company has no valid configuration yet; the file is read when it has.
    NoConfiguration,
}

/// How a connection wants its files read.
pub fn terms(config: &Config, connection: &Connection) -> Terms {
    Terms {
        time_zone: config.company.time_zone,
        report_time_zone: connection.report_time_zone,
        tags: connection.tags.clone(),
        account: connection.account.clone(),
        window_from: connection.window_from(),
    }
}

/// Reads `<company>/<connection>/<file>` of the inbox bucket. `progress` is told the number of rows now and then.
///
/// # Errors
///
/// If the store or a bucket does not answer; the file is then read again next time.
pub async fn handle(
    world: &World,
    key: &str,
    progress: &mut (dyn FnMut(u64) + Send),
) -> Result<Imported, Error> {
    let mut parts = key.splitn(3, '/');
    let (Some(company), Some(folder), Some(file)) = (parts.next(), parts.next(), parts.next()) else {
        return Err(Error::config(format!("{key}: files belong into <company>/<connection>/")));
    };
    let Some((_, config)) = check_config::in_force(world, company).await? else {
        return Ok(Imported::NoConfiguration);
    };
    let table = Table::of(world);
    let file_key = Key::file(company, folder, file);
    let Some(etag) = bucket::etag(world, &world.places.inbox, key).await? else {
        return Ok(Imported::Unchanged);
    };
    let before = table.get::<FileItem>(&file_key).await?;
    let known = config.connections.get(folder).and_then(|connection| {
        Some((connection, providers::find(&connection.provider)?, terms(&config, connection)))
    });
    let read_as = match &known {
        Some((connection, provider, terms)) => {
            let text = serde_json::to_string(terms).map_err(|error| Error::bug("terms").because(error))?;
            {
                let from = connection.start_on;
                hex(&Sha256::digest(format!("{READER_VERSION} {} {from} {text}", provider.name())))[..16]
                    .to_owned()
            }
        }
        None => "unknown-connection".to_owned(),
    };
    if before.as_ref().is_some_and(|item| item.body.etag == etag && item.body.read_as == read_as) {
        return Ok(Imported::Unchanged);
    }
    let mut item = FileItem {
        connection: folder.to_owned(),
        file: file.to_owned(),
        etag,
        read_as,
        sha256: String::new(),
        format: String::new(),
        error: None,
        settlements: 0,
    };
    match known {
        None => {
            let names: Vec<&str> = config.connections.keys().map(String::as_str).collect();
            let cause = match folder {
                "bank" => "bank statements are not read by this version".to_owned(),
                _ => format!(
                    "{company}.toml has no connection \"{folder}\"; it has: {}; move the file or add the connection",
                    names.join(", ")
                ),
            };
            item.error = Some(FileError { at: "folder".to_owned(), cause });
        }
        Some((_, provider, terms)) => {
            let scratch =
                Scratch(world.scratch.join(format!("import-{}", world.attempt().replace('/', "-"))));
            let Some((etag, sha256)) = bucket::fetch(world, &world.places.inbox, key, &scratch.0).await?
            else {
                return Ok(Imported::Unchanged);
            };
            item.etag = etag;
            item.sha256 = sha256;
            let archived = format!("{company}/files/{}", item.sha256);
            bucket::put_file_once(world, &world.places.archive, &archived, &scratch.0).await?;
            let reading = Reading { world, company, provider, terms: &terms, item: &item };
            match reading.read(&scratch.0, progress).await? {
                Err(error) => item.error = Some(FileError { at: error.at, cause: error.what }),
                Ok((format, groups)) => {
                    item.format = format;
                    let clash = apply::apply(world, &config, folder, provider, &item, groups).await?;
                    item.settlements = clash.settlements;
                    item.error = clash.error;
                }
            }
        }
    }
    let result = match &item.error {
        Some(error) => Imported::Unreadable(error.clone()),
        None => Imported::Read(item.settlements),
    };
    match before {
        None => table.create(&file_key, &item, None, None).await?,
        Some(mut read) => {
            read.body = item;
            table.replace(&read, None, None).await?
        }
    };
    Ok(result)
}

/// A file that is gone when it goes out of scope.
struct Scratch(PathBuf);

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// A group of rows with what it turned out to be and where its rows lie.
pub(crate) struct Group {
    pub end: GroupEnd,
    pub totals: Totals,
    pub source: Source,
}

struct Reading<'a> {
    world: &'a World,
    company: &'a str,
    provider: &'static dyn Provider,
    terms: &'a Terms,
    item: &'a FileItem,
}

#[derive(Default)]
struct Growing {
    writer: Option<RowWriter>,
    totals: Totals,
}

impl Reading<'_> {
    /// Streams the file into the archive. Nothing but running totals and a few buffered rows is in memory.
    async fn read(
        &self,
        path: &std::path::Path,
        progress: &mut (dyn FnMut(u64) + Send),
    ) -> Result<Result<(String, Vec<Group>), ReadError>, Error> {
        let failed = |error| Error::file("cannot read the scratch file", path, error);
        let head = {
            use std::io::Read as _;
            let mut head = Vec::new();
            std::fs::File::open(path)
                .map_err(failed)?
                .take(64 * 1024)
                .read_to_end(&mut head)
                .map_err(failed)?;
            head
        };
        let format = match providers::detect(Some(self.provider.name()), &head) {
            Ok((_, format)) => format,
            Err(error) => return Ok(Err(error)),
        };
        let file = std::fs::File::open(path).map_err(failed)?;
        let mut rows = match self.provider.open(format, file, self.terms) {
            Ok(rows) => rows,
            Err(error) => return Ok(Err(error)),
        };
        let place = format!("{}/rows/{}-{}", self.company, &self.item.sha256[..32], self.item.read_as);
        let mut growing: BTreeMap<u32, Growing> = BTreeMap::new();
        let mut ended: Vec<Group> = Vec::new();
        let mut json = Vec::new();
        let (mut buffered, mut count) = (0, 0u64);
        loop {
            json.clear();
            let mut full = None;
            let mut closing = None;
            match rows.next(Some(&mut json)) {
                Err(error) => return Ok(Err(error)),
                Ok(None) => break,
                Ok(Some(Item::Row { group, line })) => {
                    let entry = growing.entry(group).or_default();
                    if let Err(hold) = entry.totals.add(&line) {
                        return Ok(Err(ReadError::new(format!("row {}", count + 2), hold.what)));
                    }
                    let writer = entry
                        .writer
                        .get_or_insert_with(|| RowWriter::new(format!("{place}/{:06}", group + 1)));
                    writer.add(&json);
                    buffered += json.len() + 1;
                    count += 1;
                    if count % 4096 == 0 {
                        progress(count);
                    }
                    if writer.buffered() >= CHUNK_BYTES {
                        full = Some(group);
                    }
                }
                Ok(Some(Item::Group { group, end })) => closing = Some((group, end)),
            }
            if full.is_none() && buffered > BUFFERED_MAX {
                full = growing
                    .iter()
                    .max_by_key(|(_, group)| group.writer.as_ref().map_or(0, RowWriter::buffered))
                    .map(|(group, _)| *group);
            }
            if let Some(writer) =
                full.and_then(|group| growing.get_mut(&group)).and_then(|group| group.writer.as_mut())
            {
                buffered -= writer.buffered();
                writer.flush(self.world).await?;
            }
            if let Some((group, end)) = closing {
                let done = growing.remove(&group).unwrap_or_default();
                buffered -= done.writer.as_ref().map_or(0, RowWriter::buffered);
                ended.push(self.close(&place, group, format, end, done).await?);
            }
        }
        progress(count);
        if let Some(group) = growing.keys().next() {
            return Err(Error::bug(format!("{format}: group {group} was never closed")));
        }
        Ok(Ok((format.to_owned(), ended)))
    }

    async fn close(
        &self,
        place: &str,
        group: u32,
        format: &str,
        end: GroupEnd,
        done: Growing,
    ) -> Result<Group, Error> {
        let prefix = format!("{place}/{:06}", group + 1);
        let writer = done.writer.unwrap_or_else(|| RowWriter::new(prefix.clone()));
        let (chunks, rows, rows_hash) = writer.finish(self.world).await?;
        let from = format!("{}/{}", self.item.connection, self.item.file);
        let mut source = Source {
            manifest: String::new(),
            rows_hash,
            rows,
            from: from.clone(),
            format: format.to_owned(),
        };
        if let GroupEnd::Settlement { head, hold, .. } = &end {
            let manifest = Manifest {
                format: format.to_owned(),
                terms: serde_json::to_value(self.terms)
                    .map_err(|error| Error::bug("terms").because(error))?,
                head: head.as_ref().clone(),
                totals: done.totals.clone(),
                hold: hold.clone(),
                from,
                file_sha256: self.item.sha256.clone(),
                chunks,
            };
            source.manifest = archive::put_manifest(self.world, &prefix, &manifest).await?;
        }
        Ok(Group { end, totals: done.totals, source })
    }
}
