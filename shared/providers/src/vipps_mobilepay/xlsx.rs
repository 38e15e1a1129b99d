//! The workbook "Oppgjørsrapport": transactions row by row, each settlement closed by a row with its sum.
//!
//! The rows are taken out of the workbook when it is opened, in their archived form, since an entry of a ZIP
//! archive cannot be read on and off; a spreadsheet's limit of rows bounds them.

use std::borrow::Cow;
use std::collections::HashSet;
use std::fs::File;
use std::ops::Range;

use ledger::{Currency, Head, Kind, Name};
use rust_decimal::Decimal;

use super::NAME;
use super::file::write;
use super::settle::{self, Tally};
use super::wire::{SETTLED, TITLES, Transaction};
use super::workbook::{Cell, Workbook, error_in};
use crate::{Item, ReadError, Rows, Terms};

/// The column titles; the constants below are places in it.
const COLUMNS: [&str; 12] = [
    "Salgsdato",
    "Vippsnummer",
    "Produkt",
    "Transaksjons-ID",
    "Ordre-ID",
    "Brutto",
    "Gebyr",
    "Netto",
    "Transaksjonstype",
    "Oppgjørs-ID",
    "Oppgjørsdato",
    "Oppgjørssum",
];
/// Positions within [`COLUMNS`].
const SOLD: usize = 0;
const UNIT: usize = 1;
const PRODUCT: usize = 2;
const TRANSACTION: usize = 3;
const ORDER: usize = 4;
const GROSS: usize = 5;
const FEE: usize = 6;
const NET: usize = 7;
const KIND: usize = 8;
const SETTLEMENT: usize = 9;
const PAID: usize = 10;
const SUM: usize = 11;

/// The report names no currency: Vipps settled in Norwegian kroner only while it delivered this report.
const CURRENCY: &str = "NOK";
/// How many rows may stand above the titles.
const TITLE_ROWS_MAX: u64 = 50;
/// How much the archived forms of all rows may take in memory.
const ROWS_BYTES_MAX: usize = 64 << 20;
const AGAIN: &str = "the workbook was saved by a spreadsheet program or cut, download it again";

/// A row of the report, in its archived form.
struct Entry {
    json: Range<usize>,
    sheet: usize,
    row: u64,
    /// Rows of one number stand together and name the same settlement.
    run: usize,
}

/// The settlement whose rows are being given.
struct Open {
    run: usize,
    group: u32,
    name: Name,
    tally: Tally,
    /// The closing row's day and sum.
    paid: Option<(chrono::NaiveDate, Decimal)>,
}

/// The report, row by row.
pub struct Report {
    sheets: Vec<String>,
    json: Vec<u8>,
    entries: Vec<Entry>,
    next: usize,
    open: Option<Open>,
    groups: u32,
    names: HashSet<Name>,
    currency: Currency,
    account: Option<String>,
}

impl Report {
    /// Opens the workbook and takes its rows out.
    ///
    /// # Errors
    ///
    /// A file that is no workbook, or a workbook of another kind.
    pub fn open(file: File, terms: &Terms) -> Result<Report, ReadError> {
        let mut workbook = Workbook::open(file)?;
        let sheets = workbook.names();
        let mut report = Report {
            json: Vec::new(),
            entries: Vec::new(),
            next: 0,
            open: None,
            groups: 0,
            names: HashSet::new(),
            currency: settle::currency(CURRENCY).map_err(|what| ReadError::new("file", what))?,
            account: terms.account.clone(),
            sheets: Vec::new(),
        };
        let mut found = false;
        for (index, name) in sheets.iter().enumerate() {
            found |= report.read_sheet(&mut workbook, index, name)?;
        }
        report.sheets = sheets;
        if !found {
            return Err(ReadError::new(
                "file",
                "no sheet has the columns Salgsdato and Oppgjørs-ID of Vipps' Oppgjørsrapport; bilag \
                 reads no other workbook, export the report as CSV",
            ));
        }
        Ok(report)
    }

    /// Takes the rows of one sheet; `false` if it is of another kind.
    fn read_sheet(&mut self, workbook: &mut Workbook, index: usize, name: &str) -> Result<bool, ReadError> {
        let mut sheet = workbook.sheet(index)?;
        let mut columns = None;
        // The unit, the settlement, and whether its closing row has been.
        let mut before = (String::new(), String::new(), true);
        let mut run = self.entries.last().map_or(0, |entry| entry.run);
        loop {
            let Some((row, cells)) = sheet.next_row()? else {
                return Ok(columns.is_some());
            };
            if columns.is_none() && row > TITLE_ROWS_MAX {
                return Ok(false);
            }
            let Some(columns) = &columns else {
                if is_portal(cells) {
                    return Err(ReadError::new(
                        format!("sheet {name}"),
                        "this is the portal's Settlement report as a workbook; export it as CSV and drop \
                         that",
                    ));
                }
                columns = titles(cells);
                continue;
            };
            let cells = pick(cells, columns);
            let json = self.json.len();
            let taken = archive(&cells, &mut self.json);
            taken.map_err(|what| error_in(name, row, &what))?;
            if self.json.len() > ROWS_BYTES_MAX {
                let what = "the workbook holds more than 64 MB of rows; export a shorter period";
                return Err(error_in(name, row, what));
            }
            if self.json.len() > json {
                let text = |column: usize| cells[column].map(|cell| cell.text.trim()).unwrap_or_default();
                if before.2 || before.0 != text(UNIT) || before.1 != text(SETTLEMENT) {
                    run += 1;
                }
                before = (text(UNIT).to_owned(), text(SETTLEMENT).to_owned(), is_closing(text(SOLD)));
                self.entries.push(Entry { json: json..self.json.len(), sheet: index, row, run });
            }
        }
    }

    /// The end of the settlement that is open.
    fn end(&mut self) -> Option<Item<'static>> {
        let Open { group, name, mut tally, paid, .. } = self.open.take()?;
        if let Some(hold) = settle::check_account(self.account.as_deref(), &name, &name.scope, None) {
            tally.hold_first(hold);
        }
        let end = match paid {
            None => {
                let what = format!(
                    "settlement {} of sales unit {}: {} rows and no closing row \"{}\"",
                    name.id, name.scope, tally.totals.rows, SETTLED[2]
                );
                tally.end_open(name.scope, self.currency, Some(settle::payout_row_missing(what)))
            }
            Some((payout_on, payout)) => {
                let head = Head {
                    currency: self.currency,
                    payout_on,
                    payout,
                    opening: Decimal::ZERO,
                    closing: Decimal::ZERO,
                    account: name.scope.clone(),
                    window: false,
                    fees_invoiced: (!tally.totals.fee.is_zero()).then_some(false),
                    name,
                };
                tally.end(head, None)
            }
        };
        Some(Item::Group { group, end })
    }
}

impl Rows for Report {
    fn next(&mut self, json: Option<&mut Vec<u8>>) -> Result<Option<Item<'_>>, ReadError> {
        let run = self.entries.get(self.next).map(|entry| entry.run);
        if self.open.as_ref().is_some_and(|open| Some(open.run) != run) {
            return Ok(self.end());
        }
        let Some(entry) = self.entries.get(self.next) else {
            return Ok(None);
        };
        let bytes = &self.json[entry.json.clone()];
        let failed = |what: &str| error_in(&self.sheets[entry.sheet], entry.row, what);
        let row: Transaction<'_> =
            serde_json::from_slice(bytes).map_err(|error| failed(&error.to_string()))?;
        let open = match &mut self.open {
            Some(open) => open,
            none => {
                let (scope, id) = (row.unit.as_ref(), row.settlement.as_ref());
                for (what, text) in [(COLUMNS[UNIT], scope), (COLUMNS[SETTLEMENT], id)] {
                    if !Name::is_plain(text) {
                        return Err(failed(&format!(
                            "{what} \"{}\" is empty or no number",
                            settle::short(text)
                        )));
                    }
                }
                let name = Name { provider: NAME.to_owned(), scope: scope.to_owned(), id: id.to_owned() };
                if !self.names.insert(name.clone()) {
                    return Err(failed(&format!(
                        "the rows of settlement {id} of sales unit {scope} do not stand together; {AGAIN}"
                    )));
                }
                self.groups += 1;
                none.insert(Open {
                    run: entry.run,
                    group: self.groups - 1,
                    name,
                    tally: Tally::default(),
                    paid: None,
                })
            }
        };
        let net = settle::amount(&row.net, self.currency, COLUMNS[NET])
            .map_err(|what| failed(&format!("{what}; {AGAIN}")))?;
        let line = settle::transaction_line(row, true).map_err(|what| failed(&format!("{what}; {AGAIN}")))?;
        if line.kind == Kind::Payout {
            open.paid = Some((line.on, settle::turned(line.gross)));
        } else if line.net() != net {
            open.tally.hold(ledger::Hold::new(
                ledger::Cause::DoesNotAddUp,
                format!(
                    "{}: row {} has Netto {net}, but Brutto with Gebyr is {}",
                    open.name,
                    entry.row,
                    line.net()
                ),
                "download the report again and drop it in the inbox",
            ));
        }
        open.tally.add(&line);
        if let Some(json) = json {
            json.extend_from_slice(bytes);
        }
        self.next += 1;
        Ok(Some(Item::Row { group: open.group, line }))
    }
}

/// Where the titles stand, if this row is the one with them.
fn titles(cells: &[Cell]) -> Option<[usize; 12]> {
    let mut columns = [0; 12];
    for (column, title) in columns.iter_mut().zip(COLUMNS) {
        *column = cells.iter().find(|cell| cell.text.trim() == title)?.column;
    }
    Some(columns)
}

/// Whether a row holds the titles of the portal's newer report.
fn is_portal(cells: &[Cell]) -> bool {
    TITLES.iter().any(|titles| {
        cells.iter().any(|cell| cell.text.trim() == titles.unit || cell.text.trim() == titles.booked)
    })
}

fn pick<'a>(cells: &'a [Cell], columns: &[usize; 12]) -> [Option<&'a Cell>; 12] {
    columns.map(|column| cells.iter().find(|cell| cell.column == column))
}

/// Whether a row's first cell says that it closes a settlement.
fn is_closing(first: &str) -> bool {
    first.starts_with(SETTLED[2])
}

/// Appends the archived form of a row; nothing for a row without any of the columns.
fn archive(cells: &[Option<&Cell>; 12], json: &mut Vec<u8>) -> Result<(), String> {
    if cells.iter().all(Option::is_none) {
        return Ok(());
    }
    // An id that a spreadsheet program has made a number of may be rounded or written with an exponent.
    for index in [UNIT, TRANSACTION, ORDER, SETTLEMENT] {
        if let Some(cell) = cells[index]
            && cell.number
            && (cell.text.len() > 15 || !cell.text.bytes().all(|byte| byte.is_ascii_digit()))
        {
            return Err(format!(
                "{} \"{}\" is written as a decimal number; {AGAIN}",
                COLUMNS[index], cell.text
            ));
        }
    }
    let text = |index: usize| Cow::Borrowed(cells[index].map(|cell| cell.text.trim()).unwrap_or_default());
    let closing = is_closing(&text(SOLD));
    let row = Transaction {
        unit: text(UNIT),
        settlement: text(SETTLEMENT),
        settlement_type: Cow::Borrowed(""),
        kind: if closing { Cow::Borrowed(SETTLED[2]) } else { text(KIND) },
        id: if closing { text(SETTLEMENT) } else { text(TRANSACTION) },
        order: text(ORDER),
        method: text(PRODUCT),
        on: if closing { text(PAID) } else { text(SOLD) },
        gross: if closing { text(SUM) } else { text(GROSS) },
        fee: if closing { Cow::Borrowed("0") } else { text(FEE) },
        net: if closing { text(SUM) } else { text(NET) },
        currency: Cow::Borrowed(CURRENCY),
    };
    write(json, &row).map_err(|error| error.what)
}
