//! Stripe's rows to lines: every decision about kind, gross, fee and sign.

use chrono_tz::Tz;
use ledger::{Currency, FeeType, Kind, Line, money};
use rust_decimal::Decimal;

use super::wire::{Field, Texts};
use crate::{Days, ReadError, Terms};

/// Turns rows into lines; remembers the last currency and day, which most neighbours share.
pub struct Settler {
    utc: Days,
    plain: Days,
    currency: Option<(String, Currency)>,
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
    /// Rows that are themselves a fee (`fee`, `tax`, …) have gross 0 and `fee = -amount`.
    ///
    /// # Errors
    ///
    /// [`ReadError`] for an amount, currency or timestamp that is none, or if `net` is not `gross - fee`.
    pub fn settle<'a>(&mut self, row: &impl Texts<'a>) -> Result<Line<'a>, ReadError> {
        let currency = self.currency(&row.text(Field::Currency))?;
        let digits = major_digits(currency);
        let amount = |name: &str, field: Field| {
            money::parse_amount(&row.text(field), digits)
                .map_err(|error| ReadError::new("", format!("{name}: {error}")))
        };
        let gross = amount("gross", Field::Gross)?;
        let fee = amount("fee", Field::Fee)?;
        let net = amount("net", Field::Net)?;
        if money::checked_sum(net, fee) != Some(gross) {
            return Err(ReadError::new(
                "",
                format!(
                    "net {net} is not gross {gross} less fee {fee}; the file was changed, download it again"
                ),
            ));
        }
        let created_utc = row.text(Field::CreatedUtc);
        let on = if created_utc.is_empty() {
            let created = row.text(Field::Created);
            self.plain.day(&created).ok_or(created)
        } else {
            self.utc.day(&created_utc).ok_or(created_utc)
        };
        let on = on.map_err(|text| {
            ReadError::new("", format!("\"{text}\" is not a time like 2026-01-31 12:00:00"))
        })?;
        let id = row.text(Field::Id);
        if id.is_empty() {
            return Err(ReadError::new("", "balance_transaction_id is empty; download the report again"));
        }
        let category = row.text(Field::Category);
        let known = kind_of(&category, gross);
        let (kind, fee_type) = known.unwrap_or((Kind::Adjustment, FeeType::Unknown));
        let is_fee = matches!(kind, Kind::Fee | Kind::FeeRefund | Kind::FeeVat);
        let (gross, fee) = if is_fee { (Decimal::ZERO, fee - gross) } else { (gross, fee) };
        let mut line = Line::new(id, kind, on, gross, fee, currency);
        line.unknown = known.is_none();
        line.fee_type = fee_type;
        line.stays_on_balance = category.starts_with("payout_minimum_balance_");
        if matches!(kind, Kind::Refund | Kind::RefundReversal | Kind::Chargeback | Kind::ChargebackReversal) {
            line.original_id = row.text(Field::Charge);
        }
        line.reference = [Field::Order, Field::Invoice, Field::Intent, Field::Charge, Field::Source]
            .into_iter()
            .map(|field| row.text(field))
            .find(|text| !text.is_empty())
            .unwrap_or_default();
        line.remote_type = category;
        line.method = row.text(Field::Method);
        line.country = row.text(Field::Country);
        line.tags = row.metadata();
        Ok(line)
    }

    fn currency(&mut self, code: &str) -> Result<Currency, ReadError> {
        match &self.currency {
            Some((known, currency)) if known == code => Ok(*currency),
            _ => {
                let currency = Currency::parse(code)
                    .map_err(|error| ReadError::new("", format!("currency: {error}")))?;
                self.currency = Some((code.to_owned(), currency));
                Ok(currency)
            }
        }
    }
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
