//! The itemized payout reconciliation as a stream of rows, grouped by payout (or by day).

use std::borrow::Cow;
use std::collections::{HashMap, VecDeque};
use std::fs::File;

use chrono::NaiveDate;
use ledger::{Cause, Currency, Head, Hold, Kind, Line, Name, Totals};
use rust_decimal::Decimal;

use super::settle::Settler;
use super::wire::Row;
use crate::csv_file::{Record, Records};
use crate::{GroupEnd, Item, ReadError, Rows, Terms, wrong_account};

/// Where each column stands in this file.
struct Columns {
    payout: usize,
    id: usize,
    category: usize,
    currency: usize,
    gross: usize,
    fee: usize,
    net: usize,
    created_utc: Option<usize>,
    created: Option<usize>,
    source: Option<usize>,
    charge: Option<usize>,
    intent: Option<usize>,
    order: Option<usize>,
    invoice: Option<usize>,
    method: Option<usize>,
    country: Option<usize>,
    connected: Option<usize>,
    tags: Vec<(String, usize)>,
}

impl Columns {
    fn of(records: &Records, terms: &Terms) -> Result<Columns, ReadError> {
        let needed = |name: &str| {
            records.column(name).ok_or_else(|| {
                ReadError::new(
                    "line 1",
                    format!("the column {name} is missing; export the report with all columns"),
                )
            })
        };
        let created_utc = records.column("created_utc");
        Ok(Columns {
            payout: needed("automatic_payout_id")?,
            id: needed("balance_transaction_id")?,
            category: needed("reporting_category")?,
            currency: needed("currency")?,
            gross: needed("gross")?,
            fee: needed("fee")?,
            net: needed("net")?,
            created: if created_utc.is_some() { records.column("created") } else { Some(needed("created")?) },
            created_utc,
            source: records.column("source_id"),
            charge: records.column("charge_id"),
            intent: records.column("payment_intent_id"),
            order: records.column("order_id"),
            invoice: records.column("invoice_number"),
            method: records.column("payment_method_type"),
            country: records.column("card_country"),
            connected: records.column("connected_account_id"),
            tags: terms
                .tags
                .iter()
                .filter_map(|key| Some((key.clone(), records.column(&format!("payment_metadata[{key}]"))?)))
                .collect(),
        })
    }

    fn row<'a>(&'a self, record: &'a Record) -> Row<'a> {
        let text = |index: usize| Cow::Borrowed(record.get(index).unwrap_or_default());
        let maybe = |index: Option<usize>| index.map(text).unwrap_or_default();
        let created_utc = maybe(self.created_utc);
        Row {
            balance_transaction_id: text(self.id),
            automatic_payout_id: text(self.payout),
            reporting_category: text(self.category),
            currency: text(self.currency),
            gross: text(self.gross),
            fee: text(self.fee),
            net: text(self.net),
            created: if created_utc.is_empty() { maybe(self.created) } else { Cow::Borrowed("") },
            created_utc,
            source_id: maybe(self.source),
            charge_id: maybe(self.charge),
            payment_intent_id: maybe(self.intent),
            order_id: maybe(self.order),
            invoice_number: maybe(self.invoice),
            payment_method_type: maybe(self.method),
            card_country: maybe(self.country),
            connected_account_id: maybe(self.connected),
            metadata: self
                .tags
                .iter()
                .map(|(key, index)| (Cow::Borrowed(key.as_str()), text(*index)))
                .filter(|(_, value)| !value.is_empty())
                .collect(),
        }
    }
}

/// What a row belongs to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum GroupKey {
    Payout(String, Currency),
    Manual(String, Currency),
    Window(NaiveDate, Currency),
    Open(Currency),
}

impl GroupKey {
    /// The group of a row that is not booked by day.
    fn by_payout(payout: &str, source: &str, line: &Line<'_>) -> GroupKey {
        match (payout, line.kind) {
            ("", Kind::Payout) => {
                let id = if source.is_empty() { line.id.as_ref() } else { source };
                GroupKey::Manual(id.to_owned(), line.currency)
            }
            ("", _) => GroupKey::Open(line.currency),
            (payout, _) => GroupKey::Payout(payout.to_owned(), line.currency),
        }
    }
}

struct Group {
    key: GroupKey,
    totals: Totals,
    payout_on: Option<NaiveDate>,
    account: String,
}

/// The report, row by row.
pub struct Itemized {
    records: Records,
    columns: Columns,
    settler: Settler,
    terms: Terms,
    groups: Vec<Group>,
    by_key: HashMap<GroupKey, usize>,
    /// The payout id, currency and group of the last row: most neighbours share them.
    last: Option<(String, Currency, usize)>,
    ends: Option<VecDeque<(u32, GroupEnd)>>,
}

impl Itemized {
    /// Opens the report.
    ///
    /// # Errors
    ///
    /// A header without the columns that are needed.
    pub fn open(file: File, terms: &Terms) -> Result<Itemized, ReadError> {
        let records = Records::open(file)?;
        let columns = Columns::of(&records, terms)?;
        Ok(Itemized {
            records,
            columns,
            settler: Settler::new(terms),
            terms: terms.clone(),
            groups: Vec::new(),
            by_key: HashMap::new(),
            last: None,
            ends: None,
        })
    }
}

impl Rows for Itemized {
    fn next(&mut self, json: Option<&mut Vec<u8>>) -> Result<Option<Item<'_>>, ReadError> {
        if self.ends.is_none() && self.records.read()? {
            let record = self.records.record();
            let mut row = self.columns.row(record);
            if let Some(json) = json {
                serde_json::to_writer(json, &row).map_err(|error| ReadError::new("", error.to_string()))?;
            }
            let located = |error: ReadError| ReadError { at: self.records.at(), ..error };
            let payout = record.get(self.columns.payout).unwrap_or_default();
            let source = self.columns.source.and_then(|index| record.get(index)).unwrap_or_default();
            let connected = self.columns.connected.and_then(|index| record.get(index)).unwrap_or_default();
            let line = self.settler.settle(&mut row).map_err(located)?;
            let windowed = self.terms.window_from.is_some_and(|from| line.on >= from);
            let near = self.last.as_ref().filter(|(id, currency, _)| {
                !windowed && !payout.is_empty() && id == payout && *currency == line.currency
            });
            let index = match near {
                Some((_, _, index)) => *index,
                None => {
                    if !payout.is_empty() && !Name::is_plain(payout) {
                        let what = format!("\"{payout}\" is not a payout id");
                        return Err(located(ReadError::new("", what)));
                    }
                    // A manual payout is named by its source.
                    if payout.is_empty()
                        && line.kind == Kind::Payout
                        && !windowed
                        && !Name::is_plain(if source.is_empty() { &line.id } else { source })
                    {
                        let what = format!("\"{source}\" is not a payout id");
                        return Err(located(ReadError::new("", what)));
                    }
                    let key = if windowed {
                        GroupKey::Window(line.on, line.currency)
                    } else {
                        GroupKey::by_payout(payout, source, &line)
                    };
                    let groups = &mut self.groups;
                    let index = *self.by_key.entry(key.clone()).or_insert_with(|| {
                        groups.push(Group {
                            key,
                            totals: Totals::default(),
                            payout_on: None,
                            account: String::new(),
                        });
                        groups.len() - 1
                    });
                    self.last = (!windowed).then(|| (payout.to_owned(), line.currency, index));
                    index
                }
            };
            let group = &mut self.groups[index];
            group.totals.add(&line).map_err(|hold| located(ReadError::new("", hold.what)))?;
            if line.kind == Kind::Payout {
                group.payout_on = Some(line.on);
            }
            // One row of another account is enough to hold the whole group.
            let wanted = self.terms.account.as_deref();
            if !connected.is_empty() && (group.account.is_empty() || Some(group.account.as_str()) == wanted) {
                connected.clone_into(&mut group.account);
            }
            return Ok(Some(Item::Row { group: u32::try_from(index).unwrap_or(u32::MAX), line }));
        }
        if self.ends.is_none() {
            let ends = self.finish();
            self.ends = Some(ends);
        }
        let end = self.ends.as_mut().and_then(VecDeque::pop_front);
        Ok(end.map(|(group, end)| Item::Group { group, end }))
    }
}

impl Itemized {
    fn finish(&self) -> VecDeque<(u32, GroupEnd)> {
        let days = |pick: fn(NaiveDate, NaiveDate) -> NaiveDate, of: fn(&Totals) -> Option<NaiveDate>| {
            self.groups.iter().filter_map(|group| of(&group.totals)).reduce(pick)
        };
        let first = days(std::cmp::min, |totals| totals.first_on);
        let last = days(std::cmp::max, |totals| totals.last_on);
        (0..).zip(&self.groups).map(|(index, group)| (index, self.end(group, first, last))).collect()
    }

    fn end(&self, group: &Group, first: Option<NaiveDate>, last: Option<NaiveDate>) -> GroupEnd {
        let totals = &group.totals;
        let wanted = self.terms.account.as_deref().unwrap_or_default();
        let head = |id: &str, scope: &str, currency: Currency, on: NaiveDate, window: bool| Head {
            name: Name { provider: "stripe".to_owned(), scope: scope.to_owned(), id: id.to_owned() },
            currency,
            payout_on: on,
            // The negative of 0 would be written as "-0".
            payout: if totals.payout.is_zero() { Decimal::ZERO } else { -totals.payout },
            opening: Decimal::ZERO,
            closing: if window { totals.net() + totals.payout - totals.payout_fee } else { Decimal::ZERO },
            account: group.account.clone(),
            window,
            fees_invoiced: (!totals.fee.is_zero()).then_some(false),
        };
        let settlement = |head: Head, hold: Option<Hold>, open: bool| {
            let hold = if !group.account.is_empty() && !wanted.is_empty() && group.account != wanted {
                Some(wrong_account(&head.name, &group.account, wanted))
            } else {
                hold.or_else(|| totals.prove(&head).err())
            };
            GroupEnd::Settlement { head: Box::new(head), hold, open, follows: None }
        };
        let on = group.payout_on.or(totals.last_on).unwrap_or_default();
        match &group.key {
            GroupKey::Open(currency) => {
                GroupEnd::Open { scope: String::new(), currency: *currency, hold: None }
            }
            GroupKey::Window(day, currency) => {
                let head = head(&format!("window-{day}-{currency}"), wanted, *currency, *day, true);
                settlement(head, None, Some(*day) == first || Some(*day) == last)
            }
            GroupKey::Manual(id, currency) => {
                let mut head = head(id, "", *currency, on, false);
                head.closing = totals.payout - totals.payout_fee;
                let hold = Hold::new(
                    Cause::ManualPayout,
                    format!(
                        "stripe:{id}: a payout of {} {currency} made by hand; Stripe does not say which rows it holds",
                        head.payout
                    ),
                    "book this account by day: settle_by = \"window\" with account and from under the connection; \
                     or pay out by schedule",
                );
                settlement(head, Some(hold), false)
            }
            GroupKey::Payout(id, currency) => {
                let head = head(id, "", *currency, on, false);
                let name = &head.name;
                let twice = self.groups.iter().any(|other| {
                    matches!(&other.key, GroupKey::Payout(other_id, other_currency) if other_id == id && other_currency != currency)
                });
                let hold = if twice {
                    Some(Hold::new(
                        Cause::DoesNotAddUp,
                        format!("{name}: its rows have more than one currency"),
                        "a payout has one currency; download the report again",
                    ))
                } else if totals.payout_rows == 0 {
                    Some(Hold::new(
                        Cause::PayoutRowMissing,
                        format!(
                            "{name}: {} rows add up to {} {currency}, but the payout's own row is not in the report",
                            totals.rows,
                            totals.net()
                        ),
                        "export the report again over a period that includes the payout, with all categories",
                    ))
                } else if totals.payout_rows > 1 {
                    Some(Hold::new(
                        Cause::DoesNotAddUp,
                        format!("{name}: {} payout rows where one is expected", totals.payout_rows),
                        "download the report again; do not join reports by hand",
                    ))
                } else {
                    None
                };
                settlement(head, hold, false)
            }
        }
    }
}
