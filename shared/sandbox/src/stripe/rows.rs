//! Balance transactions: what moved the balance, and how the API shows it.

use std::str::FromStr;

use serde_json::{Number, Value, json};

use crate::truth::Meaning;

/// What moved the balance. The words are those of the API version that the fact sheet names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Movement {
    Charge,
    Payment,
    Refund,
    PartialCaptureReversal,
    PaymentRefund,
    RefundFailure,
    Dispute,
    DisputeReversal,
    StripeFee,
    TaxFee,
    ReservedFunds,
    MinimumHold,
    TopUp,
    OtherAdjustment,
    PayoutFailure,
    Payout,
    /// A type and a category that nobody has seen before.
    New,
}

impl Movement {
    /// The API's `type` and `reporting_category`, and what it means in the books.
    pub fn words(self) -> (&'static str, &'static str, Meaning) {
        match self {
            Movement::Charge => ("charge", "charge", Meaning::Sale),
            Movement::Payment => ("payment", "charge", Meaning::Sale),
            Movement::Refund => ("refund", "refund", Meaning::Refund),
            Movement::PartialCaptureReversal => ("refund", "partial_capture_reversal", Meaning::Refund),
            Movement::PaymentRefund => ("payment_refund", "refund", Meaning::Refund),
            Movement::RefundFailure => ("refund_failure", "refund_failure", Meaning::Refund),
            Movement::Dispute => ("adjustment", "dispute", Meaning::Chargeback),
            Movement::DisputeReversal => ("adjustment", "dispute_reversal", Meaning::Chargeback),
            Movement::StripeFee => ("stripe_fee", "fee", Meaning::Fee),
            Movement::TaxFee => ("tax_fee", "tax", Meaning::FeeVat),
            Movement::ReservedFunds => ("reserved_funds", "risk_reserved_funds", Meaning::Hold),
            Movement::MinimumHold => {
                ("payout_minimum_balance_hold", "payout_minimum_balance_hold", Meaning::MinimumHold)
            }
            Movement::TopUp => ("topup", "topup", Meaning::TopUp),
            Movement::OtherAdjustment => ("adjustment", "other_adjustment", Meaning::Adjustment),
            Movement::PayoutFailure => ("payout_failure", "payout_reversal", Meaning::PayoutReversal),
            Movement::Payout => ("payout", "payout", Meaning::Payout),
            Movement::New => ("loyalty_settlement", "loyalty_settlement", Meaning::Unknown),
        }
    }

    /// The prefix of the object that caused it; empty where there is none.
    pub fn prefix(self) -> &'static str {
        match self {
            Movement::Charge => "ch_1S",
            Movement::Payment => "py_1S",
            Movement::Refund | Movement::PartialCaptureReversal | Movement::RefundFailure => "re_1S",
            Movement::PaymentRefund => "pyr_1S",
            Movement::Dispute | Movement::DisputeReversal => "du_1S",
            Movement::TopUp => "topup_1S",
            _ => "",
        }
    }
}

/// One balance transaction, amounts in minor units.
#[derive(Clone, Debug)]
pub(super) struct Row {
    pub movement: Movement,
    /// Signed gross.
    pub amount: i64,
    /// Kept by Stripe; negative when given back.
    pub fee: i64,
    /// How much of the fee is VAT.
    pub vat: i64,
    /// Rate from euro to the settlement currency, in ten-thousandths, for a charge in euro.
    pub rate: Option<i64>,
    /// Number of the merchant's order, also for what undoes it.
    pub order: u64,
    /// The row of the charge that this one undoes: payout and row.
    pub original: Option<(usize, u64)>,
}

impl Row {
    pub fn new(movement: Movement, amount: i64) -> Row {
        Row { movement, amount, fee: 0, vat: 0, rate: None, order: 0, original: None }
    }

    pub fn with_fee(self, fee: i64) -> Row {
        Row { fee, ..self }
    }

    pub fn net(&self) -> i64 {
        self.amount - self.fee
    }

    /// The text that Stripe shows for it.
    pub fn description(&self) -> String {
        let order = self.order;
        match self.movement {
            Movement::Charge | Movement::Payment => format!("Ordre {order}"),
            Movement::Refund => format!("REFUND FOR CHARGE (Ordre {order})"),
            Movement::PartialCaptureReversal => format!("Uncaptured part of Ordre {order}"),
            Movement::PaymentRefund => format!("REFUND FOR PAYMENT (Ordre {order})"),
            Movement::RefundFailure => format!("REFUND FAILURE (Ordre {order})"),
            Movement::Dispute => format!("Chargeback withdrawal for Ordre {order}"),
            Movement::DisputeReversal => format!("Chargeback reversal for Ordre {order}"),
            Movement::StripeFee => "Billing: Usage fee".to_owned(),
            Movement::TaxFee => "VAT on Stripe fees".to_owned(),
            Movement::ReservedFunds => "Reserved funds".to_owned(),
            Movement::MinimumHold => "Minimum balance hold".to_owned(),
            Movement::TopUp => "Top-up".to_owned(),
            Movement::OtherAdjustment => "Compensation".to_owned(),
            Movement::PayoutFailure => "STRIPE PAYOUT (return)".to_owned(),
            Movement::Payout => "STRIPE PAYOUT".to_owned(),
            Movement::New => "Loyalty settlement".to_owned(),
        }
    }

    fn fee_details(&self) -> Vec<Value> {
        let detail = |amount: i64, kind: &str, description: &str| {
            json!({
                "amount": amount,
                "application": null,
                "currency": "nok",
                "description": description,
                "type": kind,
            })
        };
        let text = match self.movement {
            Movement::Dispute => "Dispute fee",
            Movement::DisputeReversal => "Dispute fee refund",
            _ if self.fee < 0 => "Stripe processing fee refund",
            _ => "Stripe processing fees",
        };
        let mut details = Vec::new();
        if self.fee != self.vat {
            details.push(detail(self.fee - self.vat, "stripe_fee", text));
        }
        if self.vat != 0 {
            details.push(detail(self.vat, "tax", "VAT"));
        }
        details
    }

    /// The object as the API shows it.
    pub fn json(&self, id: &str, source: Option<&str>, created: i64, available: i64, now: i64) -> Value {
        let (kind, category, _) = self.movement.words();
        json!({
            "id": id,
            "object": "balance_transaction",
            "amount": self.amount,
            "available_on": available,
            "balance_type": "payments",
            "created": created,
            "currency": "nok",
            "description": self.description(),
            "exchange_rate": self.rate.map(rate_number),
            "fee": self.fee,
            "fee_details": self.fee_details(),
            "net": self.net(),
            "reporting_category": category,
            "source": source,
            "status": if available <= now { "available" } else { "pending" },
            "type": kind,
        })
    }
}

/// A rate in ten-thousandths as a JSON number, without going through a float.
fn rate_number(rate: i64) -> Value {
    let text = format!("{}.{:04}", rate / 10_000, rate % 10_000);
    Number::from_str(text.trim_end_matches('0').trim_end_matches('.')).map_or(Value::Null, Value::Number)
}
