//! The portal's settlement report as CSV: the ledgers of one or more sales units, cut at their payout rows.
//!
//! A first look at the file proves the chain of balances of every sales unit. A file that stands oldest
//! first is then streamed; a smaller one in another order is sorted in memory, and the chain decides
//! which order is right.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::{Seek as _, SeekFrom};

use chrono::NaiveDate;
use ledger::{Cause, Currency, Head, Hold, Kind, Name};
use rust_decimal::Decimal;

use super::order::{self, Break, Entry};
use super::settle::{self, Meaning, PayoutId, Tally};
use super::wire::{Row, TITLES, Titles};
use super::{NAME, missing_columns};
use crate::csv_file::{Record, Records};
use crate::{GroupEnd, Item, ReadError, Rows, Terms};

/// How many rows may be sorted in memory.
const SORTED_ROWS_MAX: u64 = 200_000;
/// How much memory their archived forms may take.
const SORTED_BYTES_MAX: usize = 256 << 20;
/// How many sales units one report may hold.
const UNITS_MAX: usize = 10_000;

/// Where each column stands in this file.
struct Columns {
    titles: &'static Titles,
    unit: usize,
    time: usize,
    booked: usize,
    kind: usize,
    amount: usize,
    balance: usize,
    currency: usize,
    psp_reference: usize,
    reference: usize,
    country: Option<usize>,
    method: Option<usize>,
    fee: Option<usize>,
    net: Option<usize>,
    payout: Option<usize>,
}

impl Columns {
    fn of(records: &Records) -> Result<Columns, ReadError> {
        let known = TITLES.iter().find(|titles| records.column(titles.unit).is_some());
        let Some(titles) = known else {
            return Err(ReadError::new("line 1", missing_columns(&[TITLES[0].unit, TITLES[1].unit])));
        };
        let needed =
            |title| records.column(title).ok_or_else(|| ReadError::new("line 1", missing_columns(&[title])));
        Ok(Columns {
            titles,
            unit: needed(titles.unit)?,
            time: needed(titles.time)?,
            booked: needed(titles.booked)?,
            kind: needed(titles.kind)?,
            amount: needed(titles.amount)?,
            balance: needed(titles.balance)?,
            currency: needed(titles.currency)?,
            psp_reference: needed(titles.psp_reference)?,
            reference: needed(titles.reference)?,
            country: records.column(titles.country),
            method: records.column(titles.method),
            fee: records.column(titles.fee),
            net: records.column(titles.net),
            payout: records.column(titles.payout),
        })
    }

    fn row<'a>(&self, record: Record<'a>) -> Row<'a> {
        let text = |index: usize| Cow::Borrowed(record.get(index).unwrap_or_default());
        let maybe = |index: Option<usize>| index.map(text).unwrap_or_default();
        Row {
            unit: text(self.unit),
            country: maybe(self.country),
            method: maybe(self.method),
            time: text(self.time),
            booked: text(self.booked),
            kind: text(self.kind),
            amount: text(self.amount),
            balance: text(self.balance),
            currency: text(self.currency),
            psp_reference: text(self.psp_reference),
            reference: text(self.reference),
            payout: maybe(self.payout),
        }
    }

    /// Reads what the order and the proof need of a row, and checks its information columns.
    fn facts(&self, row: &Row<'_>, record: Record<'_>) -> Result<Facts, String> {
        let titles = self.titles;
        if !Name::is_plain(&row.unit) {
            return Err(format!(
                "the column {} is empty or no number; download the report again",
                titles.unit
            ));
        }
        let currency =
            settle::currency(&row.currency).map_err(|what| format!("column {}: {what}", titles.currency))?;
        let amount = |text: &str, title: &str| settle::amount(text, currency, &format!("column {title}"));
        let facts = Facts {
            currency,
            on: settle::day(&row.booked).ok_or_else(|| {
                format!(
                    "column {}: \"{}\" is not a date YYYY-MM-DD",
                    titles.booked,
                    settle::short(&row.booked)
                )
            })?,
            rank: match settle::meaning(&row.kind) {
                Some(Meaning::Payout) => order::PAYOUT,
                Some(Meaning::Fee) => order::FEES,
                _ => order::OTHER,
            },
            amount: amount(&row.amount, titles.amount)?,
            balance: amount(&row.balance, titles.balance)?,
        };
        let told =
            |index: Option<usize>| index.and_then(|index| record.get(index)).filter(|text| !text.is_empty());
        if let (Some(fee), Some(net)) = (told(self.fee), told(self.net)) {
            let (fee, net) = (amount(fee, titles.fee)?, amount(net, titles.net)?);
            if net != facts.amount + fee {
                return Err(format!(
                    "{} {net} is not {} {} with {} {fee}; the file was changed, download it again",
                    titles.net, titles.amount, facts.amount, titles.fee
                ));
            }
        }
        Ok(facts)
    }
}

/// What the order of rows and the proof of their chain need.
struct Facts {
    currency: Currency,
    on: NaiveDate,
    rank: u8,
    amount: Decimal,
    balance: Decimal,
}

/// One sales unit of the file.
struct Unit {
    number: String,
    currency: Currency,
    payouts: u64,
    /// The last row that the first look saw: day, whether it is a payout, balance.
    seen: (NaiveDate, bool, Decimal),
    broken: Option<Break>,
    ledger: Option<String>,
    settled: bool,
    group: Option<Group>,
}

/// The rows since a unit's last payout.
struct Group {
    index: u32,
    tally: Tally,
    opening: Decimal,
    balance: Decimal,
    fees: bool,
    payout: Option<(PayoutId, NaiveDate, Decimal)>,
}

/// The units of the file, in the order in which they appear.
#[derive(Default)]
struct Units {
    list: Vec<Unit>,
    by_number: HashMap<String, usize>,
}

impl Units {
    /// The place of a row's unit, which the first look has seen.
    fn find(&self, row: &Row<'_>) -> Result<usize, String> {
        let known = self.by_number.get(row.unit.as_ref()).copied();
        known.ok_or_else(|| "the file changed while it was read; drop it again".to_owned())
    }

    /// The unit of a row; `true` if it is new.
    fn of(&mut self, row: &Row<'_>, facts: &Facts) -> Result<(&mut Unit, bool), String> {
        if let Some(&index) = self.by_number.get(row.unit.as_ref()) {
            let unit = &mut self.list[index];
            if unit.currency != facts.currency {
                return Err(format!(
                    "sales unit {} has rows in {} and in {}; export one currency at a time",
                    unit.number, unit.currency, facts.currency
                ));
            }
            return Ok((unit, false));
        }
        if self.list.len() >= UNITS_MAX {
            return Err(format!("the file holds more than {UNITS_MAX} sales units; export fewer at a time"));
        }
        self.by_number.insert(row.unit.clone().into_owned(), self.list.len());
        self.list.push(Unit {
            number: row.unit.clone().into_owned(),
            currency: facts.currency,
            payouts: 0,
            seen: (facts.on, false, Decimal::ZERO),
            broken: None,
            ledger: None,
            settled: false,
            group: None,
        });
        let last = self.list.len() - 1;
        Ok((&mut self.list[last], true))
    }
}

/// Where the rows come from, once their order is known.
enum Source {
    /// The file itself, which stands oldest first.
    Stream(Box<Records>),
    /// Archived forms in ledger order, unit by unit.
    Sorted { json: Vec<u8>, rows: Vec<Entry>, next: usize },
}

/// The portal's report, row by row.
pub struct Portal {
    columns: Columns,
    source: Source,
    units: Units,
    account: Option<String>,
    groups: u32,
    ids: HashSet<String>,
    /// The unit whose payout row was given last: its group ends next.
    ended: Option<usize>,
    /// Units before this one have been closed after the last row.
    closed: usize,
}

impl Portal {
    /// Opens the report and proves the order of its rows.
    ///
    /// # Errors
    ///
    /// A row that cannot be read, or a file that is neither oldest first nor small enough to be sorted.
    pub fn open(mut file: File, terms: &Terms) -> Result<Portal, ReadError> {
        let failed = |error: std::io::Error| ReadError::new("file", format!("cannot be read: {error}"));
        let mut again = file.try_clone().map_err(failed)?;
        file.seek(SeekFrom::Start(0)).map_err(failed)?;
        let mut records = Records::open(file)?;
        let columns = Columns::of(&records)?;
        let (mut units, rows, unordered) = survey(&mut records, &columns)?;
        again.seek(SeekFrom::Start(0)).map_err(failed)?;
        let mut records = Records::open(again)?;
        let source = match unordered {
            None => Source::Stream(Box::new(records)),
            Some(at) if rows > SORTED_ROWS_MAX => {
                return Err(ReadError::new(
                    at,
                    format!(
                        "the row does not follow on the row before of its sales unit, and {rows} rows \
                         are too many to be sorted; export the report oldest first, unfiltered, or for a \
                         shorter period"
                    ),
                ));
            }
            Some(_) => sort(&mut records, &columns, &mut units)?,
        };
        Ok(Portal {
            columns,
            source,
            units,
            account: terms.account.clone(),
            groups: 0,
            ids: HashSet::new(),
            ended: None,
            closed: 0,
        })
    }

    /// The end of the next unit that has rows after its last payout.
    fn close(&mut self) -> Option<Item<'static>> {
        while let Some(unit) = self.units.list.get_mut(self.closed) {
            self.closed += 1;
            if let Some(group) = unit.group.take() {
                return Some(Item::Group {
                    group: group.index,
                    end: unit.left_open(group, self.account.as_deref()),
                });
            }
        }
        None
    }
}

impl Rows for Portal {
    fn next(&mut self, json: Option<&mut Vec<u8>>) -> Result<Option<Item<'_>>, ReadError> {
        if let Some(unit) = self.ended.take().map(|index| &mut self.units.list[index])
            && let Some(group) = unit.group.take()
        {
            let index = group.index;
            return Ok(Some(Item::Group { group: index, end: unit.settle(group, self.account.as_deref()) }));
        }
        let more = match &mut self.source {
            Source::Stream(records) => records.read()?,
            Source::Sorted { rows, next, .. } => {
                *next += 1;
                *next <= rows.len()
            }
        };
        if !more {
            return Ok(self.close());
        }
        let row = match &self.source {
            Source::Stream(records) => {
                let row = self.columns.row(records.record());
                if let Some(json) = json {
                    write(json, &row)?;
                }
                row
            }
            Source::Sorted { json: rows_json, rows, next } => {
                let bytes = &rows_json[rows[next - 1].json.clone()];
                if let Some(json) = json {
                    json.extend_from_slice(bytes);
                }
                serde_json::from_slice(bytes).map_err(|error| ReadError::new("file", error.to_string()))?
            }
        };
        let at = || match &self.source {
            Source::Stream(records) => records.at(),
            Source::Sorted { rows, next, .. } => format!("row {}", rows[next - 1].number),
        };
        let failed = |what: String| ReadError::new(at(), what);
        let payout = match settle::meaning(&row.kind) {
            Some(Meaning::Payout) => Some(PayoutId::of(&row).map_err(failed)?),
            _ => None,
        };
        let index = self.units.find(&row).map_err(failed)?;
        let unit = &mut self.units.list[index];
        let balance =
            settle::amount(&row.balance, unit.currency, self.columns.titles.balance).map_err(failed)?;
        let line = settle::portal_line(row).map_err(failed)?;
        let groups = &mut self.groups;
        let group = unit.group.get_or_insert_with(|| {
            *groups += 1;
            Group {
                index: *groups - 1,
                tally: Tally::default(),
                opening: balance - line.net(),
                balance,
                fees: false,
                payout: None,
            }
        });
        group.tally.add(&line);
        group.balance = balance;
        group.fees |= line.kind == Kind::Fee;
        if let Some(payout) = payout {
            if !self.ids.insert(payout.id.clone()) {
                return Err(failed(format!(
                    "the payout {} stands twice in this file; export the report again in one piece",
                    payout.id
                )));
            }
            unit.ledger = Some(payout.ledger.clone());
            group.payout = Some((payout, line.on, settle::turned(line.gross)));
            self.ended = Some(index);
        }
        Ok(Some(Item::Row { group: group.index, line }))
    }
}

impl Unit {
    /// The end of a group that its payout row closes.
    fn settle(&mut self, group: Group, account: Option<&str>) -> GroupEnd {
        let Group { tally, opening, balance, fees, payout, .. } = group;
        let Some((payout, payout_on, amount)) = payout else {
            return tally.end_open(self.number.clone(), self.currency, None);
        };
        let name = Name { provider: NAME.to_owned(), scope: String::new(), id: payout.id };
        let begun_in_mid_ledger = !std::mem::replace(&mut self.settled, true) && !opening.is_zero();
        let hold = settle::check_account(account, &name, &self.number, Some(&payout.ledger))
            .or_else(|| self.broken.as_ref().map(|found| found.hold(&name.to_string(), &self.number)))
            .or_else(|| {
                (begun_in_mid_ledger && payout.previous.is_none()).then(|| {
                    settle::payout_row_missing(format!(
                        "{name}: the balance before the first row is {opening} and no payout came before"
                    ))
                })
            });
        let mut tally = tally;
        if let Some(hold) = hold {
            tally.hold_first(hold);
        }
        let head = Head {
            name,
            currency: self.currency,
            payout_on,
            payout: amount,
            opening,
            closing: balance,
            account: self.number.clone(),
            window: false,
            fees_invoiced: fees.then_some(false),
        };
        tally.end(head, payout.previous.filter(|_| begun_in_mid_ledger))
    }

    /// The end of the rows after a unit's last payout row.
    fn left_open(&self, group: Group, account: Option<&str>) -> GroupEnd {
        let what = format!("sales unit {}", self.number);
        let wrong = account.filter(|account| {
            settle::number_of(account) != self.number
                && self.ledger.as_deref().is_some_and(|ledger| ledger != *account)
        });
        let totals = &group.tally.totals;
        let hold = if let Some(wanted) = wrong {
            Some(Hold::new(
                Cause::WrongAccount,
                format!("{what}: the connection is for account {wanted}"),
                "move the file to the right connection's folder, or correct account in the configuration",
            ))
        } else if let Some(broken) = &self.broken {
            Some(broken.hold(&what, &self.number))
        } else if self.payouts == 0 {
            let days = |day: Option<NaiveDate>| day.map(|day| day.to_string()).unwrap_or_default();
            Some(settle::payout_row_missing(format!(
                "{what}: {} row{} from {} to {} and no payout row",
                totals.rows,
                if totals.rows == 1 { "" } else { "s" },
                days(totals.first_on),
                days(totals.last_on),
            )))
        } else {
            None
        };
        group.tally.end_open(self.number.clone(), self.currency, hold)
    }
}

/// Looks at every row once: counts, checks and follows each unit's balance. Gives the first row that does not
/// stand in ledger order, if there is one.
fn survey(records: &mut Records, columns: &Columns) -> Result<(Units, u64, Option<String>), ReadError> {
    let mut units = Units::default();
    let mut rows = 0;
    let mut unordered = None;
    while records.read()? {
        rows += 1;
        let row = columns.row(records.record());
        let failed = |what: String| ReadError::new(records.at(), what);
        let facts = columns.facts(&row, records.record()).map_err(failed)?;
        let is_payout = facts.rank == order::PAYOUT;
        let (unit, new) = units.of(&row, &facts).map_err(failed)?;
        let (on, after_payout, balance) = unit.seen;
        let follows = new
            || (balance + facts.amount == facts.balance
                && order::may_follow((on, after_payout), (facts.on, is_payout)));
        if !follows && unordered.is_none() {
            unordered = Some(records.at());
        }
        unit.payouts += u64::from(is_payout);
        unit.seen = (facts.on, is_payout, facts.balance);
    }
    Ok((units, rows, unordered))
}

/// Reads all rows and puts each unit's in ledger order.
fn sort(records: &mut Records, columns: &Columns, units: &mut Units) -> Result<Source, ReadError> {
    let mut json = Vec::new();
    let mut by_unit: Vec<Vec<Entry>> = units.list.iter().map(|_| Vec::new()).collect();
    let mut number = 1;
    while records.read()? {
        number += 1;
        let row = columns.row(records.record());
        let facts =
            columns.facts(&row, records.record()).map_err(|what| ReadError::new(records.at(), what))?;
        let start = json.len();
        write(&mut json, &row)?;
        if json.len() > SORTED_BYTES_MAX {
            let what = "the rows are too large to be sorted; export the report oldest first";
            return Err(ReadError::new(records.at(), what));
        }
        let index = units.find(&row).map_err(|what| ReadError::new(records.at(), what))?;
        by_unit[index].push(Entry {
            json: start..json.len(),
            number,
            on: facts.on,
            rank: facts.rank,
            time: row.time.as_ref().into(),
            amount: facts.amount,
            balance: facts.balance,
        });
    }
    let mut rows = Vec::new();
    for (unit, entries) in units.list.iter_mut().zip(by_unit) {
        let (entries, broken) = order::arrange(entries);
        unit.broken = broken;
        rows.extend(entries);
    }
    Ok(Source::Sorted { json, rows, next: 0 })
}

/// Appends the archived form of a row.
pub fn write(json: &mut Vec<u8>, row: &impl serde::Serialize) -> Result<(), ReadError> {
    serde_json::to_writer(json, row)
        .map_err(|error| ReadError::new("file", format!("cannot be archived: {error}")))
}
