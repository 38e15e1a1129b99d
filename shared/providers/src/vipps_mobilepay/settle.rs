//! Rows to lines: every decision about kind, gross, fee, sign and day.

use std::borrow::Cow;

use chrono::NaiveDate;
use ledger::money::{LIMIT_DIGITS, from_minor, parse_amount};
use ledger::{Cause, Currency, FeeType, Head, Hold, Kind, Line, Name, Totals};
use rust_decimal::Decimal;

use super::entry::Entry;
use super::wire::{self, Row, Transaction};
use crate::{GroupEnd, ReadError, Settle, wrong_account};

/// What a type of the portal's report means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meaning {
    /// A captured payment.
    Sale,
    /// Money given back to a customer.
    Refund,
    /// The fees of a period, taken from the balance in one sum.
    Fee,
    /// The payout that empties the balance.
    Payout,
    /// A payout that was not made: its money is back.
    PayoutReversal,
    /// A sale that is taken back by a dispute.
    Chargeback,
    /// A dispute that was won.
    ChargebackReversal,
    /// Money that the merchant paid in.
    TopUp,
    /// A correction by hand, or a credit note.
    Adjustment,
}

impl Meaning {
    /// What a movement of this meaning is, and how its amount divides into gross and fee.
    fn money(self, amount: Decimal) -> (Kind, Decimal, Decimal) {
        let kind = match self {
            Meaning::Fee => return (Kind::Fee, Decimal::ZERO, turned(amount)),
            Meaning::Sale => Kind::Sale,
            Meaning::Refund => Kind::Refund,
            Meaning::Payout => Kind::Payout,
            Meaning::PayoutReversal => Kind::PayoutReversal,
            Meaning::Chargeback => Kind::Chargeback,
            Meaning::ChargebackReversal => Kind::ChargebackReversal,
            Meaning::TopUp => Kind::TopUp,
            Meaning::Adjustment => Kind::Adjustment,
        };
        (kind, amount, Decimal::ZERO)
    }
}

/// What an entry type of the API's topic `funds` means; `None` for one that the README's table does not list.
pub fn entry_meaning(entry_type: &str) -> Option<Meaning> {
    match entry_type {
        "capture" => Some(Meaning::Sale),
        "refund" => Some(Meaning::Refund),
        "fees-retained" => Some(Meaning::Fee),
        "payout-scheduled" | "scheduled-for-payout" => Some(Meaning::Payout),
        "payout-aborted" => Some(Meaning::PayoutReversal),
        "retained-disputed-capture" => Some(Meaning::Chargeback),
        "returned-disputed-capture" => Some(Meaning::ChargebackReversal),
        "top-up" => Some(Meaning::TopUp),
        "correction" | "credit-note" => Some(Meaning::Adjustment),
        _ => None,
    }
}

/// What the portal's word for a type means; `None` for a word that the README's table does not list.
pub fn meaning(word: &str) -> Option<Meaning> {
    match word {
        "Belastning" | "Capture" => Some(Meaning::Sale),
        "Refusjon" | "Refund" => Some(Meaning::Refund),
        "Gebyrer fratrukket" | "Fees retained" => Some(Meaning::Fee),
        "Utbetaling planlagt" | "Payout scheduled" => Some(Meaning::Payout),
        _ => None,
    }
}

/// The line of one row of the portal's report.
///
/// A row of fees retained is a fee line: gross 0 and the fee positive when the provider keeps it. A payout's
/// amount is negative. A word that is not known becomes an unknown adjustment of the same amount.
///
/// # Errors
///
/// A currency, amount or booking date that cannot be read; the text names it.
pub fn portal_line(row: Row<'_>) -> Result<Line<'_>, String> {
    let currency = currency(&row.currency)?;
    let amount = amount(&row.amount, currency, "the amount")?;
    let on = day(&row.booked).ok_or_else(|| not_a_day(&row.booked, "booking date"))?;
    let meaning = meaning(&row.kind);
    let (kind, gross, fee) = meaning.unwrap_or(Meaning::Adjustment).money(amount);
    let mut line = Line::new(row.psp_reference, kind, on, gross, fee, currency);
    if meaning == Some(Meaning::Fee) {
        line.fee_type = FeeType::Processing;
    }
    line.unknown = meaning.is_none();
    line.reference = row.reference;
    line.remote_type = row.kind;
    line.method = row.method;
    Ok(line)
}

/// The line of one entry of the API's topic `funds`, whose ledger and day are filled in.
///
/// Kind, day, amounts and id are those of the portal's report. Fees retained are named `<ledger id>-<yyyymmdd>`, as
/// the portal names them: the API's documentation shows other ids for them, and the same fees by API and by file are
/// one movement.
///
/// # Errors
///
/// A currency, amount or day that cannot be used; the text names it.
pub fn entry_line(entry: Entry<'_>) -> Result<Line<'_>, String> {
    let currency = currency(&entry.currency)?;
    let amount = minor(entry.amount, currency)?;
    let on = day(&entry.ledger_date).ok_or_else(|| not_a_day(&entry.ledger_date, "ledger date"))?;
    let meaning = entry_meaning(&entry.entry_type);
    let (kind, gross, fee) = meaning.unwrap_or(Meaning::Adjustment).money(amount);
    let id = match meaning {
        Some(Meaning::Fee) => Cow::Owned(format!("{}-{}", entry.ledger_id, on.format("%Y%m%d"))),
        _ => entry.psp_reference,
    };
    let mut line = Line::new(id, kind, on, gross, fee, currency);
    match meaning {
        Some(Meaning::Fee) => line.fee_type = FeeType::Processing,
        // A dispute has the id of the capture that it is about.
        Some(Meaning::Chargeback | Meaning::ChargebackReversal) => line.original_id = line.id.clone(),
        _ => {}
    }
    line.unknown = meaning.is_none();
    line.reference = entry.reference;
    line.remote_type = entry.entry_type;
    Ok(line)
}

/// The line of one transaction, or of the closing sum, of the old reports.
///
/// With `Gross` settlement the fee is invoiced: it is not kept from the payout, so the line has none.
/// `fees_negative`: the report writes a fee that is kept as a negative amount (the workbook).
///
/// # Errors
///
/// A currency, amount or day that cannot be read; the text names it.
pub fn transaction_line(row: Transaction<'_>, fees_negative: bool) -> Result<Line<'_>, String> {
    let currency = currency(&row.currency)?;
    let gross = amount(&row.gross, currency, "the gross amount")?;
    let written = amount(&row.fee, currency, "the fee")?;
    let on = day(&row.on).ok_or_else(|| not_a_day(&row.on, "day"))?;
    let fee = match (row.settlement_type == "Gross", fees_negative) {
        (true, _) => Decimal::ZERO,
        (false, true) => turned(written),
        (false, false) => written,
    };
    let word = row.kind.as_ref();
    let (kind, gross, unknown) = if wire::CAPTURE.contains(&word) {
        (Kind::Sale, gross, false)
    } else if wire::REFUND.contains(&word) {
        (Kind::Refund, gross, false)
    } else if wire::SETTLED.contains(&word) {
        (Kind::Payout, turned(gross), false)
    } else {
        (Kind::Adjustment, gross, true)
    };
    let mut line = Line::new(row.id, kind, on, gross, fee, currency);
    line.fee_type = FeeType::Processing;
    line.unknown = unknown;
    line.reference = row.order;
    line.remote_type = row.kind;
    line.method = row.method;
    Ok(line)
}

/// Reads archived rows of one format.
#[derive(Clone, Copy, Debug)]
pub enum Settler {
    /// Rows of the portal's CSV.
    Portal,
    /// Transactions of the old XML.
    Xml,
    /// Transactions of the old workbook.
    Workbook,
    /// Entries of the API.
    Api,
}

impl Settle for Settler {
    fn line<'a>(&mut self, row: &'a [u8]) -> Result<Line<'a>, ReadError> {
        let shape = |error: serde_json::Error| damaged(&error.to_string());
        let line = match self {
            Settler::Portal => portal_line(serde_json::from_slice(row).map_err(shape)?),
            Settler::Xml => transaction_line(serde_json::from_slice(row).map_err(shape)?, false),
            Settler::Workbook => transaction_line(serde_json::from_slice(row).map_err(shape)?, true),
            Settler::Api => entry_line(serde_json::from_slice(row).map_err(shape)?),
        };
        line.map_err(|what| damaged(&what))
    }
}

fn damaged(what: &str) -> ReadError {
    ReadError::new("archived row", format!("{what}; the archive is damaged, drop the report again"))
}

/// The ledger and payout number of a payout row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PayoutId {
    /// Both, as they stand in the PSP reference: unique at the provider.
    pub id: String,
    /// The ledger's id.
    pub ledger: String,
    /// The id of the payout before this one on the ledger; `None` for number 0.
    pub previous: Option<String>,
}

impl PayoutId {
    /// Reads the id of a payout row, and compares it with the payout number's column where that is filled.
    ///
    /// # Errors
    ///
    /// A PSP reference that is not `<ledger id>-<payout number>`, or a column that says otherwise.
    pub fn of(row: &Row<'_>) -> Result<PayoutId, String> {
        PayoutId::parse(&row.psp_reference, &row.payout)
    }

    /// Reads a PSP reference, and compares it with a payout number that is told beside it; empty if none is.
    ///
    /// # Errors
    ///
    /// As [`PayoutId::of`].
    pub fn parse(id: &str, told: &str) -> Result<PayoutId, String> {
        let parts = id.rsplit_once('-').filter(|(ledger, number)| {
            !ledger.is_empty()
                && Name::is_plain(id)
                && !number.is_empty()
                && number.bytes().all(|b| b.is_ascii_digit())
        });
        let Some((ledger, number)) = parts else {
            return Err(format!(
                "the payout's PSP reference \"{}\" is not <ledger id>-<payout number>; download the \
                 report again",
                short(id)
            ));
        };
        let count: u64 =
            number.parse().map_err(|_| format!("the payout number {} is too long", short(number)))?;
        if !told.is_empty() && told != number {
            return Err(format!(
                "the payout number's column says {}, the PSP reference {id}; download the report again",
                short(told)
            ));
        }
        let previous =
            count.checked_sub(1).map(|before| format!("{ledger}-{before:0width$}", width = number.len()));
        Ok(PayoutId { id: id.to_owned(), ledger: ledger.to_owned(), previous })
    }
}

/// The sums of a settlement in progress, and the first thing that was found wrong with it.
#[derive(Debug, Default)]
pub struct Tally {
    /// The sums of the lines so far.
    pub totals: Totals,
    hold: Option<Hold>,
}

impl Tally {
    /// Adds a line.
    pub fn add(&mut self, line: &Line<'_>) {
        if let Err(hold) = self.totals.add(line) {
            self.hold(hold);
        }
    }

    /// Notes why the settlement cannot be booked; the first reason stays.
    pub fn hold(&mut self, hold: Hold) {
        self.hold.get_or_insert(hold);
    }

    /// Notes a reason that goes before those found so far.
    pub fn hold_first(&mut self, hold: Hold) {
        self.hold = Some(hold);
    }

    /// Ends the settlement: its own reason first, then the proof of its sums.
    pub fn end(self, head: Head, follows: Option<String>) -> GroupEnd {
        let hold = self.hold.or_else(|| self.totals.prove(&head).err());
        GroupEnd::Settlement { head: Box::new(head), hold, open: false, follows }
    }

    /// Ends rows whose payout this report does not show.
    pub fn end_open(self, scope: String, currency: Currency, hold: Option<Hold>) -> GroupEnd {
        GroupEnd::Open { scope, currency, hold: self.hold.or(hold) }
    }
}

/// The hold of rows that belong to another account than the connection's, which may be named by sales
/// unit or by ledger.
pub fn check_account(account: Option<&str>, name: &Name, unit: &str, ledger: Option<&str>) -> Option<Hold> {
    let wanted = account?;
    (number_of(wanted) != unit && Some(wanted) != ledger).then(|| {
        let found = ledger.map_or_else(|| unit.to_owned(), |ledger| format!("{unit} (ledger {ledger})"));
        wrong_account(name, &found, wanted)
    })
}

/// The number of a handle such as `api:123456` or `NO:123456`; any other text is its own number.
pub fn number_of(handle: &str) -> &str {
    handle.split_once(':').map_or(handle, |(_, number)| number)
}

/// The hold of rows whose payout row a report does not show.
pub fn payout_row_missing(what: String) -> Hold {
    Hold::new(
        Cause::PayoutRowMissing,
        what,
        "export a period that includes the payout, from a day on which the balance was 0, and drop it in \
         the inbox",
    )
}

/// The currency of a three-letter code.
///
/// # Errors
///
/// A code that is not known.
pub fn currency(code: &str) -> Result<Currency, String> {
    Currency::parse(code).map_err(|error| error.to_string())
}

/// An amount in major units with a decimal dot; `what` names it.
///
/// # Errors
///
/// A text that is no amount, or has more decimals than the currency.
pub fn amount(text: &str, currency: Currency, what: &str) -> Result<Decimal, String> {
    parse_amount(text, currency.digits()).map_err(|error| format!("{what}: {error}"))
}

/// An amount that the API counts in minor units.
///
/// # Errors
///
/// An amount beyond any real one.
pub fn minor(amount: i64, currency: Currency) -> Result<Decimal, String> {
    if amount.unsigned_abs() >= 10u64.pow(u32::try_from(LIMIT_DIGITS).unwrap_or(15)) {
        return Err(format!("the amount {amount} is beyond any real one"));
    }
    Ok(from_minor(amount, currency.digits()))
}

/// The amount with the other sign; 0 stays 0, since a negative zero would be printed as one.
pub fn turned(amount: Decimal) -> Decimal {
    if amount.is_zero() { amount } else { -amount }
}

/// The day of `YYYY-MM-DD`, also with a time behind it, or of `DD.MM.YYYY`.
pub fn day(text: &str) -> Option<NaiveDate> {
    let bytes = text.as_bytes();
    let number = |range: std::ops::Range<usize>| {
        bytes
            .get(range)?
            .iter()
            .try_fold(0u32, |sum, byte| byte.is_ascii_digit().then(|| sum * 10 + u32::from(byte - b'0')))
    };
    let (year, month, day) = match bytes {
        [_, _, b'.', _, _, b'.', _, _, _, _] => (6..10, 3..5, 0..2),
        [_, _, _, _, b'-', _, _, b'-', _, _] | [_, _, _, _, b'-', _, _, b'-', _, _, b'T' | b' ', ..] => {
            (0..4, 5..7, 8..10)
        }
        _ => return None,
    };
    NaiveDate::from_ymd_opt(i32::try_from(number(year)?).ok()?, number(month)?, number(day)?)
}

fn not_a_day(text: &str, what: &str) -> String {
    format!("the {what} \"{}\" is not a date; download the report again", short(text))
}

/// The beginning of a foreign text, for a message.
pub fn short(text: &str) -> String {
    text.chars().take(40).collect()
}
