//! Triggered by an object in the inbox bucket. Reads a dropped report into the archive, row by row, and makes its
//! settlements due.
//!
//! A file that cannot be read leaves a verdict and nothing else. The same bytes read in the same way are read once.

mod apply;

use std::collections::BTreeMap;
use std::path::PathBuf;

use edge::config::Config;
use edge::{Error, World};
use ledger::{Currency, Head, Name, Totals, voucher::hex};
use providers::{GroupEnd, Item, Provider, ReadError, Terms};
use rust_decimal::Decimal;
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
    /// Not readable, or not in a connection's folder.
    Unreadable(FileError),
    /// There is no such company, or it has no valid configuration yet; the file is read when it has.
    NoConfiguration,
}

/// Whether a file of the inbox is one that no person drops: its name, or that of a folder above it, begins with a dot.
pub fn is_hidden(key: &str) -> bool {
    key.split('/').any(|segment| segment.starts_with('.'))
}

/// Why a file of the inbox that is the company's does not lie in the folder of one of its connections; `None` if it
/// does.
pub fn misplaced(key: &str, config: &Config) -> Option<FileError> {
    let company = &config.company.id;
    let folder = key.split('/').nth(1).filter(|_| key.matches('/').count() > 1);
    let what = match folder {
        Some(folder) if config.connections.contains_key(folder) => return None,
        Some("bank") => format!(
            "inbox/{company}/bank/ is kept for bank statements, which this version cannot read yet; a settlement \
             report belongs into the folder of its connection"
        ),
        Some(folder) => format!(
            "{company}.toml has no connection \"{folder}\"; add [connections.{folder}], or move the file into the \
             folder of its connection"
        ),
        None => "the file lies in no connection's folder; move it into that of its connection".to_owned(),
    };
    let folders: Vec<String> =
        config.connections.keys().map(|name| format!("inbox/{company}/{name}/")).collect();
    Some(FileError { at: "folder".to_owned(), cause: format!("{what}: {}", folders.join(", ")) })
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
    if is_hidden(key) {
        return Ok(Imported::Unchanged);
    }
    let Some((company, place)) = key.split_once('/') else {
        return Ok(Imported::NoConfiguration);
    };
    let Some((_, config)) = check_config::in_force(world, company).await? else {
        return Ok(Imported::NoConfiguration);
    };
    if let Some(error) = misplaced(key, &config) {
        return Ok(Imported::Unreadable(error));
    }
    let (folder, file) = place.split_once('/').unwrap_or_default();
    let Some(connection) = config.connections.get(folder) else {
        return Err(Error::bug(format!("{key} lies in no connection's folder")));
    };
    let provider = providers::find(&connection.provider)
        .ok_or_else(|| Error::config(format!("this version has no provider {}", connection.provider)))?;
    let terms = intake::terms(&config, connection);
    let table = Table::of(world);
    let file_key = Key::file(company, folder, file);
    let Some(etag) = bucket::etag(world, &world.places.inbox, key).await? else {
        return Ok(Imported::Unchanged);
    };
    let before = table.get::<FileItem>(&file_key).await?;
    let text = serde_json::to_string(&terms).map_err(|error| Error::bug("terms").because(error))?;
    let how = format!("{READER_VERSION} {} {} {text}", provider.name(), connection.start_on);
    let read_as = hex(&Sha256::digest(how))[..16].to_owned();
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
    let scratch = Scratch(world.scratch.join(format!("import-{}", world.attempt().replace('/', "-"))));
    let Some((etag, sha256)) = bucket::fetch(world, &world.places.inbox, key, &scratch.0).await? else {
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

    /// What the archive says of rows that no payout holds: nothing but whose they are.
    fn open(&self, scope: &str, currency: Currency, totals: &Totals) -> Head {
        Head {
            name: Name {
                provider: self.provider.name().to_owned(),
                scope: scope.to_owned(),
                id: "open".to_owned(),
            },
            currency,
            payout_on: totals.last_on.unwrap_or_default(),
            payout: Decimal::ZERO,
            opening: Decimal::ZERO,
            closing: Decimal::ZERO,
            account: String::new(),
            window: false,
            fees_invoiced: None,
        }
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
        let (head, hold) = match &end {
            GroupEnd::Settlement { head, hold, .. } => (head.as_ref().clone(), hold.clone()),
            GroupEnd::Open { scope, currency, hold } => {
                (self.open(scope, *currency, &done.totals), hold.clone())
            }
        };
        let manifest = Manifest {
            format: format.to_owned(),
            terms: serde_json::to_value(self.terms).map_err(|error| Error::bug("terms").because(error))?,
            head,
            totals: done.totals.clone(),
            hold,
            from,
            file_sha256: self.item.sha256.clone(),
            chunks,
        };
        source.manifest = archive::put_manifest(self.world, &prefix, &manifest).await?;
        Ok(Group { end, totals: done.totals, source })
    }
}
