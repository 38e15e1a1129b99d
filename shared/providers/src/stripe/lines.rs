//! Balance transactions of the API to lines: the decisions that the report leaves open, and the units.
//!
//! What a category means is decided in `settle.rs` for reports and API alike, so that the same payout gives the same
//! lines from either.

use chrono::{DateTime, NaiveDate};
use chrono_tz::Tz;
use ledger::{Cause, Currency, FeeType, Kind, Line};
use rust_decimal::Decimal;

use super::row::Row;
use super::settle::{kind_of, major_digits};
use crate::{ReadError, Terms};

/// Turns rows into lines; remembers currency and days, which most neighbours share.
pub struct Lines {
    days: UnixDays,
    tags: Vec<String>,
    currency: Option<(String, Currency, Units)>,
}

impl Lines {
    /// For a connection's terms.
    pub fn new(terms: &Terms) -> Lines {
        Lines { days: UnixDays::new(terms.time_zone), tags: terms.tags.clone(), currency: None }
    }

    /// The remote metadata keys that are kept.
    pub fn tags(&self) -> &[String] {
        &self.tags
    }

    /// The line of one row.
    ///
    /// Rows that are themselves a fee (`fee`, `tax`, …) have gross 0 and `fee = -amount`.
    ///
    /// # Errors
    ///
    /// [`Cause::DoesNotAddUp`] if `net` is not `amount - fee`, or if the details of a fee state VAT but do not add up
    /// to the fee; [`Cause::Schema`] for a currency, amount or time that is none.
    pub fn line<'a>(&mut self, row: &Row<'a>) -> Result<Line<'a>, ReadError> {
        let at = || printable(row.id);
        if row.id.is_empty() {
            return Err(ReadError::new("row", "the id is empty"));
        }
        if row.amount.checked_sub(row.fee) != Some(row.net) {
            return Err(ReadError {
                at: at(),
                what: format!("net {} is not amount {} less fee {}", row.net, row.amount, row.fee),
                cause: Cause::DoesNotAddUp,
            });
        }
        let fees = &row.fees;
        if fees.taxes > 0 && fees.sum != row.fee {
            return Err(ReadError {
                at: at(),
                what: format!(
                    "fee_details add up to {}, the fee is {}: how much of it is VAT cannot be told",
                    fees.sum, row.fee
                ),
                cause: Cause::DoesNotAddUp,
            });
        }
        let (currency, units) = self.currency(row.currency, row.id)?;
        let amount = |minor: i64| {
            units.major(minor).map_err(|what| ReadError::new(at(), format!("{minor} {currency} {what}")))
        };
        let gross = amount(row.amount)?;
        let fee = if row.fee == 0 { units.zero() } else { amount(row.fee)? };
        let on = (self.days.day(row.created))
            .ok_or_else(|| ReadError::new(at(), format!("created {} is no time", row.created)))?;
        let known = meaning(row, gross);
        let (kind, mut fee_type) = known.unwrap_or((Kind::Adjustment, FeeType::Unknown));
        // What a platform takes from a sale is not the provider's charge for handling it.
        if fees.application_fees > 0 && fees.application_fees == fees.count {
            fee_type = FeeType::Unknown;
        }
        let is_fee = matches!(kind, Kind::Fee | Kind::FeeRefund | Kind::FeeVat);
        let (gross, fee) = if is_fee { (Decimal::ZERO, fee - gross) } else { (gross, fee) };
        let mut line = Line::new(row.id, kind, on, gross, fee, currency);
        if fees.tax != 0 {
            line.fee_vat = amount(fees.tax)?;
        }
        line.unknown = known.is_none();
        line.fee_type = fee_type;
        let word = if row.category.is_empty() { row.type_ } else { row.category };
        line.stays_on_balance = word.starts_with("payout_minimum_balance_");
        line.remote_type =
            if elsewhere(row) { format!("{}:{word}", row.balance_type).into() } else { word.into() };
        let source = &row.source;
        let is_payment = source.object == "charge";
        let charge = if is_payment { source.id } else { source.charge };
        if matches!(kind, Kind::Refund | Kind::RefundReversal | Kind::Chargeback | Kind::ChargebackReversal) {
            line.original_id = charge.into();
        }
        line.reference = match (source.payment_intent, charge) {
            ("", "") => source.id,
            ("", charge) => charge,
            (intent, _) => intent,
        }
        .into();
        line.method = source.method.into();
        line.country = source.country.into();
        // The report states the metadata of the payment. A refund's or dispute's own are something else.
        if is_payment && !self.tags.is_empty() {
            line.tags = source.tags(&self.tags)?;
        }
        Ok(line)
    }

    #[inline]
    fn currency(&mut self, code: &str, id: &str) -> Result<(Currency, Units), ReadError> {
        match &self.currency {
            Some((known, currency, units)) if known == code => Ok((*currency, *units)),
            _ => {
                let currency = Currency::parse(code)
                    .map_err(|error| ReadError::new(printable(id), format!("currency: {error}")))?;
                let units = Units::of(currency);
                self.currency = Some((code.to_owned(), currency, units));
                Ok((currency, units))
            }
        }
    }
}

/// An id as it may stand in a message.
fn printable(id: &str) -> String {
    id.chars().filter(char::is_ascii_graphic).take(40).collect()
}

/// Whether a row moves another balance than that of payments, such as card issuing's. Such rows are never booked
/// unseen: they are of unknown type.
fn elsewhere(row: &Row<'_>) -> bool {
    !matches!(row.balance_type, "" | "payments")
}

/// What a row means: by its category, else by its type. `None` if neither is in the README's table.
fn meaning(row: &Row<'_>, gross: Decimal) -> Option<(Kind, FeeType)> {
    if elsewhere(row) {
        return None;
    }
    kind_of(row.category, gross).or_else(|| kind_of(category_of(row.type_)?, gross)).map(
        |(kind, fee_type)| {
            let fee_type = if row.type_ == "stripe_fx_fee" { FeeType::Fx } else { fee_type };
            (kind, fee_type)
        },
    )
}

/// The category that a type normally has, for rows whose own category is missing or unknown. Types that come with
/// several meanings (`adjustment`), and those whose meaning is not documented, have none.
pub fn category_of(type_: &str) -> Option<&'static str> {
    Some(match type_ {
        "charge" | "payment" | "validation" => "charge",
        "refund" | "payment_refund" | "payment_reversal" => "refund",
        "payment_failure_refund" => "charge_failure",
        "refund_failure" => "refund_failure",
        "stripe_fee" | "stripe_fx_fee" => "fee",
        "tax_fee" => "tax",
        "application_fee" => "platform_earning",
        "application_fee_refund" => "platform_earning_refund",
        "transfer" => "transfer",
        "transfer_cancel" | "transfer_failure" | "transfer_refund" => "transfer_reversal",
        "connect_collection_transfer" => "connect_collection_transfer",
        "reserve_transaction" => "connect_reserved_funds",
        "reserved_funds" | "reserve_hold" | "reserve_release" => "risk_reserved_funds",
        "payment_network_reserve_hold" => "payment_network_reserve_hold",
        "payment_network_reserve_release" => "payment_network_reserve_release",
        "payout_minimum_balance_hold" => "payout_minimum_balance_hold",
        "payout_minimum_balance_release" => "payout_minimum_balance_release",
        "topup" => "topup",
        "topup_reversal" => "topup_reversal",
        "inbound_transfer" => "inbound_transfer",
        "inbound_transfer_reversal" => "inbound_transfer_reversal",
        "payout" => "payout",
        "payout_cancel" | "payout_failure" => "payout_reversal",
        "advance" => "advance",
        "advance_funding" => "advance_funding",
        "anticipation_repayment" => "anticipation_repayment",
        "contribution" => "contribution",
        "climate_order_purchase" => "climate_order_purchase",
        "climate_order_refund" => "climate_order_refund",
        "obligation_outbound" | "obligation_reversal_inbound" => "other_adjustment",
        "stripe_balance_payment_debit" => "stripe_balance_payment_debit",
        "stripe_balance_payment_debit_reversal" => "stripe_balance_payment_debit_reversal",
        "payment_unreconciled" => "unreconciled_customer_funds",
        _ => return None,
    })
}

/// How many decimals of the major unit Stripe's API counts in, which is not always ISO's number.
pub fn minor_digits(currency: Currency) -> u32 {
    match currency.code() {
        "BIF" | "CLP" | "DJF" | "GNF" | "JPY" | "KMF" | "KRW" | "MGA" | "PYG" | "RWF" | "VND" | "VUV"
        | "XAF" | "XOF" | "XPF" => 0,
        "BHD" | "JOD" | "KWD" | "OMR" | "TND" => 3,
        // ISK and UGX too, though they have no minor unit; HUF and TWD.
        _ => 2,
    }
}

/// How minor units of the API become major units at the scale that reports have.
#[derive(Clone, Copy, Debug)]
pub struct Units {
    digits: u32,
    multiply: i64,
    divide: i64,
}

/// Beyond any amount that a shop settles ([`ledger::money::LIMIT_DIGITS`]); refused rather than wrapped.
const LIMIT: u64 = 1_000_000_000_000_000;

impl Units {
    /// Those of a currency.
    pub fn of(currency: Currency) -> Units {
        let (major, minor) = (major_digits(currency), minor_digits(currency));
        Units {
            digits: major,
            multiply: 10i64.pow(major.saturating_sub(minor)),
            divide: 10i64.pow(minor.saturating_sub(major)),
        }
    }

    /// The amount in major units.
    ///
    /// # Errors
    ///
    /// What is wrong: parts of a unit that the currency does not have, or beyond any real amount.
    #[inline]
    pub fn major(self, minor: i64) -> Result<Decimal, &'static str> {
        if minor.unsigned_abs() >= LIMIT {
            return Err("is beyond any real amount");
        }
        if self.divide == 1 && self.multiply == 1 {
            return Ok(Decimal::new(minor, self.digits));
        }
        if minor % self.divide != 0 {
            return Err("has parts of a unit that the currency does not have");
        }
        Ok(Decimal::new(minor / self.divide * self.multiply, self.digits))
    }

    fn zero(self) -> Decimal {
        Decimal::new(0, self.digits)
    }
}

/// Unix times as days of a zone. A zone's offset changes only at whole quarters of an hour, so that each quarter has
/// one day; the days of the last few quarters are remembered.
pub struct UnixDays {
    zone: Tz,
    known: Vec<(i64, NaiveDate)>,
}

/// Quarters that are remembered: some ten days.
const QUARTERS: usize = 1024;

impl UnixDays {
    /// Days in a zone.
    pub fn new(zone: Tz) -> UnixDays {
        UnixDays { zone, known: vec![(i64::MIN, NaiveDate::MIN); QUARTERS] }
    }

    /// The day of a Unix time; `None` if it is beyond the calendar.
    #[inline]
    pub fn day(&mut self, unix: i64) -> Option<NaiveDate> {
        let quarter = unix.div_euclid(900);
        let place = usize::try_from(quarter.rem_euclid(QUARTERS as i64)).ok()?;
        let (known, day) = self.known[place];
        if known == quarter {
            return Some(day);
        }
        let day = day_of(unix, self.zone)?;
        self.known[place] = (quarter, day);
        Some(day)
    }
}

/// The day of a Unix time in a zone.
pub fn day_of(unix: i64, zone: Tz) -> Option<NaiveDate> {
    Some(DateTime::from_timestamp(unix, 0)?.with_timezone(&zone).date_naive())
}

/// A row that was archived.
pub fn archived<'a>(lines: &mut Lines, row: &'a [u8]) -> Result<Line<'a>, ReadError> {
    let damaged = |error: ReadError| ReadError { at: format!("archive, {}", error.at), ..error };
    let mut json = crate::json::Json::new(row).map_err(|bad| damaged(bad.into()))?;
    let row = Row::read(&mut json).map_err(|bad| damaged(bad.into()))?;
    json.end().map_err(|bad| damaged(bad.into()))?;
    lines.line(&row)
}
