//! The itemized payout reconciliation as a stream of rows, grouped by payout (or by day).

use std::borrow::Cow;
use std::collections::{HashMap, VecDeque};
use std::fs::File;

use chrono::NaiveDate;
use ledger::{Cause, Currency, Head, Hold, Kind, Name, RunningTotals, Totals};
use rust_decimal::Decimal;

use super::settle::{Meaning, Settler};
use super::wire::{Field, Row, Texts};
use crate::csv_file::{Record, Records};
use crate::{GroupEnd, Item, ReadError, Rows, Terms, wrong_account};

/// Where each column stands in this file.
struct Columns {
    /// By [`Field`]; a number beyond any record where the report has no such column.
    places: [usize; Field::COUNT],
    payout: usize,
    connected: usize,
    tags: Vec<(String, usize)>,
}

impl Columns {
    fn of(records: &Records, terms: &Terms) -> Result<Columns, ReadError> {
        let place = |name: &str| records.column(name).unwrap_or(usize::MAX);
        let mut needed = vec![
            "automatic_payout_id",
            "balance_transaction_id",
            "reporting_category",
            "currency",
            "gross",
            "fee",
            "net",
        ];
        if records.column("created_utc").is_none() {
            needed.push("created");
        }
        for name in needed {
            if records.column(name).is_none() {
                return Err(ReadError::new(
                    "line 1",
                    format!("the column {name} is missing; export the report with all columns"),
                ));
            }
        }
        let mut places = [usize::MAX; Field::COUNT];
        for (field, name) in [
            (Field::Id, "balance_transaction_id"),
            (Field::Category, "reporting_category"),
            (Field::Currency, "currency"),
            (Field::Gross, "gross"),
            (Field::Fee, "fee"),
            (Field::Net, "net"),
            (Field::CreatedUtc, "created_utc"),
            (Field::Created, "created"),
            (Field::Source, "source_id"),
            (Field::Charge, "charge_id"),
            (Field::Intent, "payment_intent_id"),
            (Field::Order, "order_id"),
            (Field::Invoice, "invoice_number"),
            (Field::Method, "payment_method_type"),
            (Field::Country, "card_country"),
        ] {
            places[field as usize] = place(name);
        }
        let tag = |key: &String| Some((key.clone(), records.column(&format!("payment_metadata[{key}]"))?));
        Ok(Columns {
            places,
            payout: place("automatic_payout_id"),
            connected: place("connected_account_id"),
            tags: terms.tags.iter().filter_map(tag).collect(),
        })
    }
}

/// A record of the report, read by field.
struct InFile<'a> {
    columns: &'a Columns,
    record: Record<'a>,
}

impl<'a> InFile<'a> {
    #[inline]
    fn at(&self, place: usize) -> &'a str {
        self.record.get(place).unwrap_or_default()
    }

    /// The archived form: the allow-listed fields that are filled.
    fn row(&self) -> Row<'a> {
        let created_utc = self.text(Field::CreatedUtc);
        Row {
            balance_transaction_id: self.text(Field::Id),
            automatic_payout_id: Cow::Borrowed(self.at(self.columns.payout)),
            reporting_category: self.text(Field::Category),
            currency: self.text(Field::Currency),
            gross: self.text(Field::Gross),
            fee: self.text(Field::Fee),
            net: self.text(Field::Net),
            created: if created_utc.is_empty() { self.text(Field::Created) } else { Cow::Borrowed("") },
            created_utc,
            source_id: self.text(Field::Source),
            charge_id: self.text(Field::Charge),
            payment_intent_id: self.text(Field::Intent),
            order_id: self.text(Field::Order),
            invoice_number: self.text(Field::Invoice),
            payment_method_type: self.text(Field::Method),
            card_country: self.text(Field::Country),
            connected_account_id: Cow::Borrowed(self.at(self.columns.connected)),
            metadata: self.metadata(),
        }
    }
}

impl<'a> Texts<'a> for InFile<'a> {
    #[inline]
    fn look(&self, field: Field) -> &str {
        self.at(self.columns.places[field as usize])
    }

    #[inline]
    fn text(&self, field: Field) -> Cow<'a, str> {
        Cow::Borrowed(self.at(self.columns.places[field as usize]))
    }

    fn metadata(&self) -> Vec<(Cow<'a, str>, Cow<'a, str>)> {
        if self.columns.tags.is_empty() {
            return Vec::new();
        }
        let tags = self.columns.tags.iter();
        tags.map(|(key, place)| (Cow::Borrowed(key.as_str()), Cow::Borrowed(self.at(*place))))
            .filter(|(_, value)| !value.is_empty())
            .collect()
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
    /// The group of a row that is not booked by day; `id` names a payout made by hand.
    fn by_payout(payout: &str, id: &str, row: Meaning) -> GroupKey {
        match (payout, row.kind) {
            ("", Kind::Payout) => GroupKey::Manual(id.to_owned(), row.currency),
            ("", _) => GroupKey::Open(row.currency),
            (payout, _) => GroupKey::Payout(payout.to_owned(), row.currency),
        }
    }
}

struct Group {
    key: GroupKey,
    totals: RunningTotals,
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
            let row = InFile { columns: &self.columns, record };
            if let Some(json) = json {
                serde_json::to_writer(json, &row.row())
                    .map_err(|error| ReadError::new("", error.to_string()))?;
            }
            let located = |error: ReadError| ReadError { at: self.records.at(), ..error };
            let payout = row.at(self.columns.payout);
            let connected = row.at(self.columns.connected);
            let meaning = self.settler.meaning(&row).map_err(located)?;
            let windowed = self.terms.window_from.is_some_and(|from| meaning.on >= from);
            let near = self.last.as_ref().filter(|(id, currency, _)| {
                !windowed && !payout.is_empty() && id == payout && *currency == meaning.currency
            });
            let index = match near {
                Some((_, _, index)) => *index,
                None => {
                    if !payout.is_empty() && !Name::is_plain(payout) {
                        let what = format!("\"{payout}\" is not a payout id");
                        return Err(located(ReadError::new("", what)));
                    }
                    let source = row.at(self.columns.places[Field::Source as usize]);
                    // A manual payout is named by its source.
                    let id = if source.is_empty() { row.look(Field::Id) } else { source };
                    if payout.is_empty() && meaning.kind == Kind::Payout && !windowed && !Name::is_plain(id) {
                        let what = format!("\"{source}\" is not a payout id");
                        return Err(located(ReadError::new("", what)));
                    }
                    let key = if windowed {
                        GroupKey::Window(meaning.on, meaning.currency)
                    } else {
                        GroupKey::by_payout(payout, id, meaning)
                    };
                    let groups = &mut self.groups;
                    let index = *self.by_key.entry(key.clone()).or_insert_with(|| {
                        groups.push(Group {
                            key,
                            totals: RunningTotals::default(),
                            payout_on: None,
                            account: String::new(),
                        });
                        groups.len() - 1
                    });
                    self.last = (!windowed).then(|| (payout.to_owned(), meaning.currency, index));
                    index
                }
            };
            let line = meaning.line(&row);
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
        let totals: Vec<Totals> = self.groups.iter().map(|group| group.totals.so_far()).collect();
        let first = totals.iter().filter_map(|totals| totals.first_on).min();
        let last = totals.iter().filter_map(|totals| totals.last_on).max();
        let groups = self.groups.iter().zip(&totals);
        (0..)
            .zip(groups)
            .map(|(index, (group, totals))| (index, self.end(group, totals, first, last)))
            .collect()
    }

    fn end(
        &self,
        group: &Group,
        totals: &Totals,
        first: Option<NaiveDate>,
        last: Option<NaiveDate>,
    ) -> GroupEnd {
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
