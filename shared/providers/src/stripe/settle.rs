//! Stripe's rows to lines: every decision about kind, gross, fee and sign.

use std::borrow::Cow;

use chrono::NaiveDate;
use chrono_tz::Tz;
use ledger::{Currency, FeeType, Kind, Line, money};
use rust_decimal::Decimal;

use super::wire::{Field, Texts};
use crate::{Days, ReadError, Terms};

/// Turns rows into lines; remembers the last currency and day, which most neighbours share.
pub struct Settler {
    utc: Days,
    plain: Days,
    currency: Option<(String, Currency, u32)>,
}

impl Settler {
    /// A settler for a connection's terms.
    pub fn new(terms: &Terms) -> Settler {
        Settler {
            utc: Days::new(Tz::UTC, terms.time_zone),
            plain: Days::new(terms.report_time_zone, terms.time_zone),
            currency: None,
        }
    }

    /// The line of one row.
    ///
    /// # Errors
    ///
    /// As for [`Settler::meaning`].
    pub fn settle<'a>(&mut self, row: &impl Texts<'a>) -> Result<Line<'a>, ReadError> {
        Ok(self.meaning(row)?.line(row))
    }

    /// What one row means.
    ///
    /// Rows that are themselves a fee (`fee`, `tax`, …) have gross 0 and `fee = -amount`.
    ///
    /// # Errors
    ///
    /// [`ReadError`] for an amount, currency or timestamp that is none, or if `net` is not `gross - fee`.
    #[inline]
    pub fn meaning<'a>(&mut self, row: &impl Texts<'a>) -> Result<Meaning, ReadError> {
        let (currency, digits) = self.currency(row.look(Field::Currency))?;
        let gross = amount("gross", row.look(Field::Gross), digits)?;
        let fee = amount("fee", row.look(Field::Fee), digits)?;
        let net = amount("net", row.look(Field::Net), digits)?;
        let in_major = |minor: i64| money::from_minor(minor, digits);
        if net.checked_add(fee) != Some(gross) {
            let (gross, fee, net) = (in_major(gross), in_major(fee), in_major(net));
            return Err(ReadError::new(
                "",
                format!(
                    "net {net} is not gross {gross} less fee {fee}; the file was changed, download it again"
                ),
            ));
        }
        let (gross, fee) = (in_major(gross), in_major(fee));
        let on = self.day(row)?;
        if row.look(Field::Id).is_empty() {
            return Err(ReadError::new("", "balance_transaction_id is empty; download the report again"));
        }
        let category = row.look(Field::Category);
        let known = kind_of(category, gross);
        let (kind, fee_type) = known.unwrap_or((Kind::Adjustment, FeeType::Unknown));
        let is_fee = matches!(kind, Kind::Fee | Kind::FeeRefund | Kind::FeeVat);
        let (gross, fee) = if is_fee { (Decimal::ZERO, fee - gross) } else { (gross, fee) };
        Ok(Meaning {
            kind,
            fee_type,
            on,
            gross,
            fee,
            currency,
            stays_on_balance: category.starts_with("payout_minimum_balance_"),
            unknown: known.is_none(),
        })
    }

    /// The day of a row in the company's time zone.
    fn day<'a>(&mut self, row: &impl Texts<'a>) -> Result<NaiveDate, ReadError> {
        let created_utc = row.look(Field::CreatedUtc);
        let (days, created) = if created_utc.is_empty() {
            (&mut self.plain, row.look(Field::Created))
        } else {
            (&mut self.utc, created_utc)
        };
        days.day(created).ok_or_else(|| {
            ReadError::new("", format!("\"{created}\" is not a time like 2026-01-31 12:00:00"))
        })
    }

    /// The currency of a code, and the digits that amounts in it may have.
    #[inline]
    fn currency(&mut self, code: &str) -> Result<(Currency, u32), ReadError> {
        if let Some((known, currency, digits)) = &self.currency
            && known.as_bytes() == code.as_bytes()
        {
            return Ok((*currency, *digits));
        }
        let currency =
            Currency::parse(code).map_err(|error| ReadError::new("", format!("currency: {error}")))?;
        let digits = major_digits(currency);
        self.currency = Some((code.to_owned(), currency, digits));
        Ok((currency, digits))
    }
}

/// What is decided about a row; the rest of its line is text as it stands.
#[derive(Clone, Copy)]
pub struct Meaning {
    pub kind: Kind,
    fee_type: FeeType,
    pub on: NaiveDate,
    gross: Decimal,
    fee: Decimal,
    pub currency: Currency,
    stays_on_balance: bool,
    unknown: bool,
}

impl Meaning {
    /// The line of the row that means this.
    #[inline]
    pub fn line<'a>(self, row: &impl Texts<'a>) -> Line<'a> {
        let of_a_payment = matches!(
            self.kind,
            Kind::Refund | Kind::RefundReversal | Kind::Chargeback | Kind::ChargebackReversal
        );
        Line {
            id: row.text(Field::Id),
            kind: self.kind,
            on: self.on,
            gross: self.gross,
            fee: self.fee,
            fee_vat: Decimal::ZERO,
            fee_type: self.fee_type,
            currency: self.currency,
            reference: reference(row),
            remote_type: row.text(Field::Category),
            method: row.text(Field::Method),
            country: row.text(Field::Country),
            original_id: if of_a_payment { row.text(Field::Charge) } else { Cow::Borrowed("") },
            original_on: None,
            tags: row.metadata(),
            stays_on_balance: self.stays_on_balance,
            unknown: self.unknown,
        }
    }
}

/// An amount of a row, in minor units.
#[inline]
fn amount(name: &str, text: &str, digits: u32) -> Result<i64, ReadError> {
    money::parse_minor(text, digits).map_err(|error| ReadError::new("", format!("{name}: {error}")))
}

/// What ties a row to the shop's own books: the order or invoice number, else Stripe's id of the payment.
fn reference<'a>(row: &impl Texts<'a>) -> Cow<'a, str> {
    for field in [Field::Order, Field::Invoice, Field::Intent, Field::Charge] {
        if !row.look(field).is_empty() {
            return row.text(field);
        }
    }
    row.text(Field::Source)
}

/// What a reporting category means; `gross` decides between a hold and its release. `None` if it is not in the
/// README's table.
pub fn kind_of(category: &str, gross: Decimal) -> Option<(Kind, FeeType)> {
    let by_sign = |negative, positive| {
        if gross.is_sign_negative() { negative } else { positive }
    };
    Some(match category {
        "charge" => (Kind::Sale, FeeType::Processing),
        "refund" | "partial_capture_reversal" | "charge_failure" => (Kind::Refund, FeeType::Processing),
        "refund_failure" => (Kind::RefundReversal, FeeType::Processing),
        "dispute" => (Kind::Chargeback, FeeType::Dispute),
        "dispute_reversal" => (Kind::ChargebackReversal, FeeType::Dispute),
        "fee" | "platform_fee" | "stripe_fee" => (by_sign(Kind::Fee, Kind::FeeRefund), FeeType::Unknown),
        "network_cost" => (by_sign(Kind::Fee, Kind::FeeRefund), FeeType::Processing),
        "tax" => (Kind::FeeVat, FeeType::Unknown),
        "risk_reserved_funds"
        | "connect_reserved_funds"
        | "payment_network_reserve_hold"
        | "payment_network_reserve_release"
        | "payout_minimum_balance_hold"
        | "payout_minimum_balance_release" => (by_sign(Kind::Hold, Kind::HoldRelease), FeeType::Unknown),
        "topup" | "topup_reversal" | "inbound_transfer" | "inbound_transfer_reversal" => {
            (Kind::TopUp, FeeType::Unknown)
        }
        "transfer" | "transfer_reversal" | "connect_collection_transfer" => {
            (Kind::Transfer, FeeType::Unknown)
        }
        "advance"
        | "advance_funding"
        | "anticipation_repayment"
        | "financing_payout"
        | "financing_payout_reversal"
        | "financing_paydown"
        | "financing_paydown_reversal" => (Kind::Loan, FeeType::Financing),
        "platform_earning"
        | "platform_earning_refund"
        | "contribution"
        | "climate_order_purchase"
        | "climate_order_refund"
        | "other_adjustment"
        | "stripe_balance_payment_debit"
        | "stripe_balance_payment_debit_reversal"
        | "unreconciled_customer_funds" => (Kind::Adjustment, FeeType::Unknown),
        "payout" => (Kind::Payout, FeeType::Payout),
        "payout_reversal" => (Kind::PayoutReversal, FeeType::Payout),
        _ => return None,
    })
}

/// Decimals that an amount in major units may have: ISO's, but none where Stripe counts whole units.
pub fn major_digits(currency: Currency) -> u32 {
    const WHOLE: &[&str] = &["MGA"];
    if WHOLE.contains(&currency.code()) { 0 } else { currency.digits() }
}
