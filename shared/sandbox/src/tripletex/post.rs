//! A posted voucher: what the API and the books refuse, and what they make of the rest.

use std::collections::BTreeMap;
use std::str::FromStr;

use chrono::{DateTime, Datelike, NaiveDate, Utc};
use rust_decimal::{Decimal, RoundingStrategy};
use serde_json::Value;

use super::Books;
use super::chart::{self, Account, Ledger, Vat};
use super::error::{Refusal, refuse, refuse_fields, refuse_type};
use super::model::{Kind, Model};
use super::voucher::{Posting, Voucher};
use crate::wire::Request;

/// The most characters of `externalVoucherNumber`.
const EXTERNAL_MAX: usize = 70;

/// Refuses members that the model does not have and values of the wrong type, the first one found.
fn map(value: &Value, model: Model, field: &str, path: &str) -> Result<(), Refusal> {
    let object = value.as_object().ok_or_else(|| refuse_type(field, path))?;
    for (name, value) in object {
        let join = |before: &str| if before.is_empty() { name.clone() } else { format!("{before}.{name}") };
        let (field, path) = (join(field), join(path));
        let Some(kind) = model.member(name) else {
            return Err(refuse_fields(16_000, &[(name, "Feltet eksisterer ikke i objektet.")]));
        };
        let wrong = || refuse_type(&field, &path);
        match (kind, value) {
            (_, Value::Null) | (Kind::Other, _) => {}
            (Kind::Text, Value::String(_)) | (Kind::Flag, Value::Bool(_)) => {}
            (Kind::Integer, Value::Number(number)) if number.as_i64().is_some() => {}
            (Kind::Number, Value::Number(_)) => {}
            (Kind::Day, Value::String(day)) if day.len() == 10 && day.parse::<NaiveDate>().is_ok() => {}
            (Kind::One(of), value) => map(value, of, &field, &path)?,
            (Kind::Many(of), Value::Array(values)) => {
                for (index, value) in values.iter().enumerate() {
                    map(value, of, &field, &format!("{path}[{index}]"))?;
                }
            }
            _ => return Err(wrong()),
        }
    }
    Ok(())
}

fn id(value: &Value, name: &str) -> Option<i64> {
    value.get(name)?.get("id")?.as_i64()
}

fn text<'v>(value: &'v Value, name: &str) -> Option<&'v str> {
    value.get(name).and_then(Value::as_str)
}

fn day(value: &Value, name: &str) -> Option<NaiveDate> {
    text(value, name).and_then(|day| day.parse().ok())
}

/// An amount as sent, rounded to øre: the books keep two decimals and say nothing about it.
fn amount(value: &Value, name: &str) -> Option<Decimal> {
    let sent = value.get(name)?.as_number()?.to_string();
    let sent = Decimal::from_str(&sent).or_else(|_| Decimal::from_scientific(&sent)).ok()?;
    Some(sent.round_dp_with_strategy(2, RoundingStrategy::MidpointAwayFromZero))
}

/// Reads the body of a request as a voucher's.
pub(super) fn read(request: &Request) -> Result<Value, Refusal> {
    if !request.is_json() {
        return Err(refuse(415, 4000, "HTTP 415 Unsupported Media Type"));
    }
    let body: Value = serde_json::from_slice(request.body)
        .map_err(|_| refuse(422, 22_000, "The request body is not valid JSON"))?;
    map(&body, Model::Voucher, "", "")?;
    Ok(body)
}

/// Messages of a validation, in the order in which they were found.
struct Messages(Vec<(&'static str, String)>);

impl Messages {
    fn add(&mut self, field: &'static str, message: impl Into<String>) {
        let message = message.into();
        if !self.0.iter().any(|known| known.0 == field && known.1 == message) {
            self.0.push((field, message));
        }
    }
}

impl Books {
    /// Checks a voucher and books it. `posted` gives it a number; otherwise it is left for a person to send
    /// on.
    pub(super) fn post(&mut self, now: DateTime<Utc>, body: &Value, posted: bool) -> Result<i64, Refusal> {
        let mut messages = Messages(Vec::new());
        let date = day(body, "date");
        if date.is_none() {
            messages.add("date", "Kan ikke være null.");
        }
        let description = text(body, "description").unwrap_or("");
        if description.is_empty() {
            messages.add("description", "Kan ikke være null.");
        }
        let external = text(body, "externalVoucherNumber").filter(|external| !external.is_empty());
        if external.is_some_and(|external| external.chars().count() > EXTERNAL_MAX) {
            messages.add("externalVoucherNumber", format!("Kan ikke være lengre enn {EXTERNAL_MAX} tegn."));
        }
        let voucher_type = id(body, "voucherType");
        match voucher_type {
            Some(chart::OUTGOING_INVOICE) => {
                messages.add("voucherType.id", "Bilagstypen Utgående faktura kan ikke brukes på nye bilag.");
            }
            Some(id) if !chart::VOUCHER_TYPES.iter().any(|(known, _)| *known == id) => {
                messages.add("voucherType.id", "Objektet finnes ikke.");
            }
            _ => {}
        }
        let sent = body.get("postings").and_then(Value::as_array).cloned().unwrap_or_default();
        let mut postings = Vec::new();
        for posting in &sent {
            if let Some(posting) =
                self.read_posting(posting, date.unwrap_or_default(), description, &mut messages)
            {
                postings.push(posting);
            }
        }
        let is_about_rows = |field: &str| field == "postings.row" || !field.starts_with("postings");
        if postings.iter().all(|posting| posting.gross.is_zero())
            && messages.0.iter().all(|(field, _)| is_about_rows(field))
        {
            messages.add("postings", "Et bilag kan ikke registreres uten posteringer.");
        }
        check_balance(&postings, &mut messages);
        for day in postings.iter().map(|posting| posting.date).chain(date) {
            if self.is_closed(day) {
                messages.add("date", format!("Regnskapsperioden {} er lukket.", day.format("%Y-%m")));
            }
        }
        let Some(date) = date.filter(|_| messages.0.is_empty()) else {
            let fields: Vec<(&str, &str)> =
                messages.0.iter().map(|(field, text)| (*field, text.as_str())).collect();
            return Err(refuse_fields(18_000, &fields));
        };
        let postings = self.with_vat(postings);
        let external = external.map(str::to_owned);
        Ok(self.add(now, date, description.to_owned(), voucher_type, external, postings, posted))
    }

    /// Books a voucher that was checked, under the next number of its type and year.
    #[allow(clippy::too_many_arguments)]
    pub(super) fn add(
        &mut self,
        now: DateTime<Utc>,
        date: NaiveDate,
        description: String,
        voucher_type: Option<i64>,
        external: Option<String>,
        postings: Vec<Posting>,
        posted: bool,
    ) -> i64 {
        self.next_id += 17;
        let id = self.next_id;
        let place = self.numbers.entry((date.year(), voucher_type, posted)).or_default();
        *place += 1;
        let number = *place;
        self.vouchers.push(Voucher {
            id,
            version: 1,
            date,
            number: if posted { number } else { 0 },
            temp_number: if posted { 0 } else { number },
            description,
            voucher_type,
            external,
            postings,
            reverse: None,
            attachment: None,
            visible_at: now + self.visible_after,
        });
        id
    }

    fn read_posting(
        &mut self,
        sent: &Value,
        date: NaiveDate,
        description: &str,
        messages: &mut Messages,
    ) -> Option<Posting> {
        let row = sent.get("row").and_then(Value::as_i64).unwrap_or(0);
        if row < 1 {
            messages.add(
                "postings.row",
                "Posteringene på rad 0 (guiRow 0) er systemgenererte og kan ikke opprettes eller endres på utsiden av \
                 Tripletex.",
            );
            return None;
        }
        let Some(account) = sent.get("account").filter(|account| !account.is_null()) else {
            messages.add("postings.account", "Kan ikke være null.");
            return None;
        };
        let Some(account_id) = account.get("id").and_then(Value::as_i64) else {
            // An account is named by its id; a number alone is read as a new account without a name.
            messages.add("postings.account.name", "Kan ikke være null.");
            return None;
        };
        let Some(account) = self.accounts.iter().find(|account| account.id == account_id).cloned() else {
            messages.add("postings.account.id", "Objektet finnes ikke.");
            return None;
        };
        let gross = amount(sent, "amountGross").unwrap_or_default();
        let currency = id(sent, "currency").unwrap_or(1);
        let gross_currency = amount(sent, "amountGrossCurrency").unwrap_or_default();
        if !chart::CURRENCIES.iter().any(|(known, ..)| *known == currency) {
            messages.add("postings.currency.id", "Objektet finnes ikke.");
        }
        if currency == 1 && gross != gross_currency {
            messages.add(
                "postings.amountGross",
                "Beløp (amountGross) må være det samme som valutabeløpet (amountGrossCurrency)",
            );
        }
        let vat = id(sent, "vatType").unwrap_or(0);
        check_vat(&account, vat, messages);
        check_dimensions(&account, sent, messages);
        if account.is_inactive {
            messages.add(
                "postings.account.id",
                format!("Kontoen {} {} er ikke aktiv.", account.number, account.name),
            );
        }
        self.next_posting_id += 1;
        Some(Posting {
            id: self.next_posting_id,
            row,
            date: day(sent, "date").unwrap_or(date),
            description: text(sent, "description").unwrap_or(description).to_owned(),
            account: account_id,
            customer: id(sent, "customer"),
            supplier: id(sent, "supplier"),
            employee: id(sent, "employee"),
            department: id(sent, "department"),
            project: id(sent, "project"),
            vat,
            amount: gross,
            gross,
            gross_currency,
            currency,
            invoice_number: text(sent, "invoiceNumber").unwrap_or("").to_owned(),
        })
    }

    /// Adds the VAT that the system books by itself, on row 0.
    fn with_vat(&mut self, postings: Vec<Posting>) -> Vec<Posting> {
        let number_of = |books: &Books, number: i64| {
            books.accounts.iter().find(|account| account.number == number).map(|account| account.id)
        };
        let (mut made, mut system) = (Vec::new(), Vec::new());
        for mut posting in postings {
            let vat = Vat::find(posting.vat).filter(|vat| vat.percent != 0);
            let tax = vat.map_or(Decimal::ZERO, |vat| vat.of(posting.gross));
            let mut put = |books: &mut Books, account: Option<i64>, amount: Decimal| {
                if let Some(account) = account.filter(|_| !amount.is_zero()) {
                    books.next_posting_id += 1;
                    let made =
                        Posting { id: books.next_posting_id, row: 0, account, amount, ..posting.clone() };
                    system.push(Posting { gross: amount, gross_currency: amount, ..made });
                }
            };
            if let Some(vat) = vat {
                let account = vat.account.and_then(|number| number_of(self, number));
                match vat.owed.and_then(|number| number_of(self, number)) {
                    Some(owed) => {
                        put(self, Some(account.unwrap_or(posting.account)), tax);
                        put(self, Some(owed), -tax);
                    }
                    None => put(self, account, tax),
                }
                if vat.percent > 0 {
                    posting.amount = posting.gross - tax;
                }
            }
            made.push(posting);
        }
        made.extend(system);
        made
    }
}

/// Postings of one date add up to 0, and so do those of one row that stands twice.
fn check_balance(postings: &[Posting], messages: &mut Messages) {
    let mut by_date: BTreeMap<NaiveDate, Decimal> = BTreeMap::new();
    let mut by_row: BTreeMap<i64, (u32, Decimal)> = BTreeMap::new();
    for posting in postings {
        *by_date.entry(posting.date).or_default() += posting.gross;
        let row = by_row.entry(posting.row).or_default();
        *row = (row.0 + 1, row.1 + posting.gross);
    }
    for (date, _) in by_date.iter().filter(|(_, sum)| !sum.is_zero()) {
        messages.add("postings.amountGross", format!("Summen av posteringene for {date} er ikke lik 0."));
    }
    for (row, _) in by_row.iter().filter(|(_, (count, sum))| *count > 1 && !sum.is_zero()) {
        messages.add("postings.row", format!("Posteringene på rad {row} er ikke i balanse."));
    }
}

fn check_vat(account: &Account, vat: i64, messages: &mut Messages) {
    let shown =
        |id: i64| Vat::find(id).map_or_else(String::new, |vat| format!("{}: {}", vat.number, vat.name));
    if Vat::find(vat).is_none() {
        messages.add("postings.vatType.id", "Objektet finnes ikke.");
    } else if account.vat_locked && account.vat != vat {
        let (number, name) = (account.number, account.name);
        let text = format!("Kontoen {number} {name} er låst til mva-kode {}.", shown(account.vat));
        messages.add("postings.vatType.id", text);
    } else if !account.legal_vat().contains(&vat) {
        let (number, name) = (account.number, account.name);
        messages.add(
            "postings.vatType.id",
            format!("Mva-kode {} kan ikke brukes på kontoen {number} {name}.", shown(vat)),
        );
    }
}

fn check_dimensions(account: &Account, sent: &Value, messages: &mut Messages) {
    let exists = |name: &str, known: &dyn Fn(i64) -> bool| id(sent, name).is_none_or(known);
    let one = |name: &str, only: i64| exists(name, &|id| id == only);
    let missing = |name: &str| id(sent, name).is_none();
    if account.ledger == Ledger::Customer && missing("customer") {
        messages.add("postings.customer.id", "Kunde mangler.");
    }
    if account.ledger == Ledger::Vendor && missing("supplier") {
        messages.add("postings.supplier.id", "Leverandør mangler.");
    }
    if account.ledger == Ledger::Employee && missing("employee") {
        messages.add("postings.employee.id", "Ansatt mangler.");
    }
    if account.needs_department && missing("department") {
        messages.add("postings.department.id", "Avdeling mangler.");
    }
    if account.needs_project && missing("project") {
        messages.add("postings.project.id", "Prosjekt mangler.");
    }
    if !one("customer", chart::CUSTOMER_ID) {
        messages.add("postings.customer.id", "Objektet finnes ikke.");
    }
    if !one("supplier", chart::SUPPLIER_ID) {
        messages.add("postings.supplier.id", "Objektet finnes ikke.");
    }
    if !one("employee", chart::EMPLOYEE_ID) {
        messages.add("postings.employee.id", "Objektet finnes ikke.");
    }
    if !exists("department", &|id| chart::DEPARTMENTS.iter().any(|known| known.0 == id)) {
        messages.add("postings.department.id", "Objektet finnes ikke.");
    }
    if !exists("project", &|id| chart::PROJECTS.iter().any(|known| known.0 == id)) {
        messages.add("postings.project.id", "Objektet finnes ikke.");
    }
}
