//! Two sources of one settlement, compared row by row.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use edge::{Error, World};
use ledger::{Line, Totals};
use providers::{ReadError, Settle, Terms};
use rust_decimal::Decimal;
use store::archive::{self, Manifest};
use store::item::Source;

/// How a second source differs from the first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Difference {
    /// Rows only in the second.
    pub added: u64,
    /// Rows with the same id and other money.
    pub amended: u64,
    /// Rows only in the first.
    pub removed: u64,
}

impl Difference {
    /// Whether both say the same.
    pub fn is_none(self) -> bool {
        self == Difference::default()
    }
}

impl std::fmt::Display for Difference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} rows added, {} amended, {} removed", self.added, self.amended, self.removed)
    }
}

/// The rows of a source as fixed-size digests: 16 bytes a row, whatever the row.
#[derive(Debug, Default)]
pub struct Digests(HashMap<u64, u64>);

impl Digests {
    /// The digests of an archived source. Sources of one format are compared by kind, gross and fee; sources of
    /// different formats by net, since one may state VAT or types that the other does not.
    ///
    /// # Errors
    ///
    /// If the archive does not answer or is damaged.
    pub async fn of(world: &World, source: &Source, by_net: bool) -> Result<Digests, Error> {
        let mut digests = Digests::default();
        each_line(world, source, |line| {
            let digest = digests.0.entry(key(line, by_net)).or_default();
            // A sum, so that rows which share an id (a dispute and its sale) count in any order.
            *digest = digest.wrapping_add(money(line, by_net));
            Ok(())
        })
        .await?;
        Ok(digests)
    }

    /// How `other` differs from these.
    pub fn difference(&self, other: &Digests) -> Difference {
        let mut difference = Difference::default();
        for (key, money) in &other.0 {
            match self.0.get(key) {
                None => difference.added += 1,
                Some(known) if known != money => difference.amended += 1,
                Some(_) => {}
            }
        }
        difference.removed = self.0.keys().filter(|key| !other.0.contains_key(key)).count() as u64;
        difference
    }

    /// Whether a line of `other` (of the same format) is new or amended against these.
    pub fn changed(&self, other: &Digests, line: &Line<'_>) -> bool {
        let key = key(line, false);
        self.0.get(&key) != other.0.get(&key)
    }
}

/// How often each row occurs in some sources: 12 bytes a row.
#[derive(Debug, Default)]
pub struct RowCounts(HashMap<u64, u32>);

impl RowCounts {
    /// Counts the rows of an archived source, too.
    ///
    /// # Errors
    ///
    /// If the archive does not answer or is damaged.
    pub async fn add(&mut self, world: &World, source: &Source) -> Result<(), Error> {
        each_line(world, source, |line| {
            *self.0.entry(row(line)).or_default() += 1;
            Ok(())
        })
        .await?;
        Ok(())
    }

    /// The sums of the rows of another source that do not occur in these.
    ///
    /// # Errors
    ///
    /// If the archive does not answer or is damaged.
    pub async fn rest_of(mut self, world: &World, source: &Source) -> Result<Totals, Error> {
        let mut totals = Totals::default();
        each_line(world, source, |line| match self.0.get_mut(&row(line)) {
            Some(count) if *count > 0 => {
                *count -= 1;
                Ok(())
            }
            _ => totals.add(line).map_err(|hold| Error::bug(hold.to_string())),
        })
        .await?;
        Ok(totals)
    }
}

/// What tells a row from any other of its format: ids alone repeat where a refund names its sale.
fn row(line: &Line<'_>) -> u64 {
    let mut hasher = DefaultHasher::new();
    (line.id.as_ref(), line.remote_type.as_ref(), line.on, key(line, false), money(line, false))
        .hash(&mut hasher);
    hasher.finish()
}

fn key(line: &Line<'_>, by_net: bool) -> u64 {
    let mut hasher = DefaultHasher::new();
    line.id.hash(&mut hasher);
    if !by_net {
        line.remote_type.hash(&mut hasher);
    }
    hasher.finish()
}

fn money(line: &Line<'_>, by_net: bool) -> u64 {
    let mut hasher = DefaultHasher::new();
    let amount = |hasher: &mut DefaultHasher, amount: Decimal| amount.normalize().serialize().hash(hasher);
    line.currency.hash(&mut hasher);
    if by_net {
        amount(&mut hasher, line.net());
    } else {
        line.kind.hash(&mut hasher);
        for part in [line.gross, line.fee, line.fee_vat] {
            amount(&mut hasher, part);
        }
    }
    hasher.finish()
}

/// Calls `each` with every line of an archived source, in order, one chunk in memory at a time.
///
/// # Errors
///
/// If the archive does not answer or is damaged, or whatever `each` returns.
pub async fn each_line(
    world: &World,
    source: &Source,
    mut each: impl FnMut(&Line<'_>) -> Result<(), Error>,
) -> Result<Manifest, Error> {
    let manifest = archive::manifest(world, &source.manifest).await?;
    let damaged =
        |error: ReadError| Error::bug(format!("archive {} cannot be read: {error}", source.manifest));
    let terms: Terms = serde_json::from_value(manifest.terms.clone())
        .map_err(|error| Error::bug(format!("archive {} has no terms", source.manifest)).because(error))?;
    let provider = providers::find(&manifest.head.name.provider).ok_or_else(|| {
        Error::config(format!("this version has no provider {}", manifest.head.name.provider))
    })?;
    let mut settler: Box<dyn Settle + Send> = provider.settler(&manifest.format, &terms).map_err(damaged)?;
    for chunk in &manifest.chunks {
        let bytes = archive::chunk(world, chunk).await?;
        for row in bytes.split(|byte| *byte == b'\n').filter(|row| !row.is_empty()) {
            let line = settler.line(row).map_err(damaged)?;
            each(&line)?;
        }
    }
    Ok(manifest)
}
