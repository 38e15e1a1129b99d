//! Payment providers: one folder each, found by name in [`REGISTRY`].
//!
//! A provider reads its report files into rows that belong to settlements ([`Rows`]), and turns one archived row
//! into one settlement line ([`Settle`]). Both are pure: a file or a row in, lines out. What a remote type means is
//! decided in the provider's `settle.rs` and listed in its README.

pub mod api;
pub mod csv_file;
mod day;
mod json;
pub mod stripe;
mod text_file;
pub mod vipps_mobilepay;

use std::fs::File;

use chrono_tz::Tz;
use ledger::{Cause, Currency, Head, Hold, Line};

pub use api::{Access, Announced, Api, Discovered, EachRow, Next, Notice, Pages, Ready, Refusal};
pub use day::Days;

/// Every provider of this version. Adding one is one folder, its `mod` line and one line here.
pub static REGISTRY: &[&dyn Provider] = &[&stripe::Stripe, &vipps_mobilepay::VippsMobilePay];

/// The provider of a configured name.
pub fn find(name: &str) -> Option<&'static dyn Provider> {
    REGISTRY.iter().copied().find(|provider| provider.name() == name)
}

/// One payment provider.
pub trait Provider: Sync {
    /// The configured name, for example `vipps-mobilepay`.
    fn name(&self) -> &'static str;

    /// The name as people write it, for example `Vipps MobilePay`.
    fn title(&self) -> &'static str;

    /// The company behind it, as it stands on invoices and documents.
    fn legal_name(&self) -> &'static str;

    /// The report formats that can be read, for example `stripe-payout-reconciliation`.
    fn formats(&self) -> &'static [&'static str];

    /// Whether a file that begins with `head` (up to 64 KB, as dropped) is one of this provider's reports.
    fn detect(&self, head: &[u8]) -> Detected;

    /// Opens a report for reading; `format` is one of [`Provider::formats`].
    ///
    /// # Errors
    ///
    /// [`ReadError`] if the file is not of that format or is refused as a whole.
    fn open(&self, format: &str, file: File, terms: &Terms) -> Result<Box<dyn Rows + Send>, ReadError>;

    /// The provider's API; `None` if only files are read.
    fn api(&self) -> Option<&'static dyn Api> {
        None
    }

    /// A reader of archived rows of `format`.
    ///
    /// # Errors
    ///
    /// [`ReadError`] if the format is not known to this version.
    fn settler(&self, format: &str, terms: &Terms) -> Result<Box<dyn Settle + Send>, ReadError>;
}

/// What a look at the beginning of a file tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Detected {
    /// A report of this format.
    Format(&'static str),
    /// A file of this provider's that cannot be used; the text says why and what to do instead.
    Refused(String),
    /// Nothing of this provider's.
    NotMine,
}

/// How a connection wants its files read. All of it decides which rows make a settlement or what day they have, so
/// a change makes files be read again.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Terms {
    /// The company's time zone: timestamps become days in it.
    pub time_zone: Tz,
    /// The zone of timestamps that the report does not mark; UTC unless configured.
    pub report_time_zone: Tz,
    /// Remote metadata keys to keep.
    pub tags: Vec<String>,
    /// The provider account that the connection is for, if configured.
    pub account: Option<String>,
    /// Rows are booked by day from this day on, rather than by payout. Needs `account`.
    pub window_from: Option<chrono::NaiveDate>,
}

impl Terms {
    /// Terms for looking at a file without a configuration: UTC, by payout.
    pub fn plain() -> Terms {
        Terms {
            time_zone: Tz::UTC,
            report_time_zone: Tz::UTC,
            tags: Vec::new(),
            account: None,
            window_from: None,
        }
    }
}

/// Reads a report row by row; nothing is kept but running totals per settlement.
pub trait Rows {
    /// The next item, or `None` at the end. With `json` given, a row's archived form (allow-listed fields only, no
    /// line break) is appended to it.
    ///
    /// # Errors
    ///
    /// [`ReadError`] makes the whole file unreadable: nothing of it may be used.
    fn next(&mut self, json: Option<&mut Vec<u8>>) -> Result<Option<Item<'_>>, ReadError>;
}

/// What a report holds.
#[derive(Debug)]
pub enum Item<'a> {
    /// One row of a group of rows.
    Row {
        /// Which group, counted from 0 as groups begin in this file; a later [`Item::Group`] says what it is.
        group: u32,
        /// What the row means.
        line: Line<'a>,
    },
    /// A group is complete: no more rows of it follow. Every group of the file is closed by one of these.
    Group {
        /// Which group.
        group: u32,
        /// What the group turned out to be.
        end: GroupEnd,
    },
}

/// What a group of rows turned out to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GroupEnd {
    /// A settlement; with a hold if its boundaries or identities are not proved by this file.
    Settlement {
        /// The settlement as a whole. Where a hold is given, figures that are not known are 0.
        head: Box<Head>,
        /// Why the settlement cannot be booked from this file.
        hold: Option<Hold>,
        /// The day's rows may go on in another file (windows only).
        open: bool,
        /// The opening balance is not 0 and must be the closing balance of the settlement with this id (Vipps
        /// MobilePay files that begin in mid-ledger).
        follows: Option<String>,
    },
    /// Rows that no payout of this file holds yet: they stay with the provider until a later report.
    Open {
        /// What makes ids unique, as for settlements: the sales unit, or empty.
        scope: String,
        /// The currency of the rows.
        currency: Currency,
        /// `None`: usual at the end of a report. Otherwise why the rows cannot be placed.
        hold: Option<Hold>,
    },
}

/// Turns archived rows into lines.
pub trait Settle {
    /// The line of one archived row, as [`Rows::next`] wrote it.
    ///
    /// # Errors
    ///
    /// [`ReadError`] if the row is not of the format; the archive is then damaged.
    fn line<'a>(&mut self, row: &'a [u8]) -> Result<Line<'a>, ReadError>;
}

/// Why a file or row cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadError {
    /// Where: `row 14`, `line 3`, `sheet Rapport, row 9`, or `file`.
    pub at: String,
    /// What is wrong and what to do, without a cause's name.
    pub what: String,
    /// The cause's name.
    pub cause: Cause,
}

impl ReadError {
    /// An error of shape: the file is not what it should be.
    pub fn new(at: impl Into<String>, what: impl Into<String>) -> ReadError {
        ReadError { at: at.into(), what: what.into(), cause: Cause::Schema }
    }
}

impl std::fmt::Display for ReadError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.at, self.what)
    }
}

impl std::error::Error for ReadError {}

/// Finds the format of a dropped file. With `provider` given only its formats are considered.
///
/// # Errors
///
/// [`ReadError`] if no format fits: with a provider's reason if one recognised the file, else a description of what
/// the file seems to be.
pub fn detect(
    provider: Option<&str>,
    head: &[u8],
) -> Result<(&'static dyn Provider, &'static str), ReadError> {
    let mut refused = None;
    for candidate in REGISTRY.iter().copied() {
        match candidate.detect(head) {
            Detected::Format(format) if provider.is_none_or(|name| name == candidate.name()) => {
                return Ok((candidate, format));
            }
            Detected::Format(format) => {
                refused = Some(format!(
                    "this is a {} report ({format}), but the folder's connection is for {}; move it to the right folder",
                    candidate.title(),
                    provider.unwrap_or_default(),
                ));
            }
            Detected::Refused(why) => refused = refused.or(Some(why)),
            Detected::NotMine => {}
        }
    }
    Err(ReadError::new("file", refused.unwrap_or_else(|| describe(head))))
}

/// What an unknown file seems to be, so that a person sees at once what was dropped.
fn describe(head: &[u8]) -> String {
    let known: Vec<&str> = REGISTRY.iter().flat_map(|provider| provider.formats().iter().copied()).collect();
    let text = String::from_utf8_lossy(&head[..head.len().min(400)]);
    let start = text.trim_start_matches('\u{feff}').trim_start();
    let seems = if head.is_empty() {
        "the file is empty"
    } else if head.starts_with(&[0xff, 0xfe]) || head.starts_with(&[0xfe, 0xff]) {
        "the file is UTF-16; save or export it as UTF-8"
    } else if start.starts_with('{') || start.starts_with('[') {
        "the file is JSON, an answer of an API or a webhook, not a report"
    } else if head.starts_with(b"%PDF") {
        "the file is a PDF; export the report as CSV, XML or XLSX"
    } else if head.starts_with(b"PK") {
        "the file is a ZIP archive or workbook of unknown kind"
    } else if start.starts_with('<') {
        "the file is XML of an unknown kind"
    } else if head.contains(&0) {
        "the file is binary"
    } else {
        "the first line names no columns that a report has"
    };
    format!("{seems}; bilag reads: {}", known.join(", "))
}

/// A hold for a file that holds rows of another account than the connection's.
pub fn wrong_account(name: &ledger::Name, found: &str, wanted: &str) -> Hold {
    Hold::new(
        Cause::WrongAccount,
        format!("{name}: the rows belong to account {found}, the connection is for account {wanted}"),
        "move the file to the right connection's folder, or correct account in the configuration",
    )
}
