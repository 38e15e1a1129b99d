//! What a payout really is, so that a checker can compare the books with it.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use serde_json::{Value, json};

/// What a movement means in the books.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Meaning {
    Sale,
    Refund,
    Chargeback,
    Fee,
    FeeVat,
    /// Security kept or given back.
    Hold,
    /// A minimum balance; it stays on the provider's account.
    MinimumHold,
    TopUp,
    Adjustment,
    /// A payout that came back; booked by a voucher of its own.
    PayoutReversal,
    Payout,
    /// A type that no fact sheet lists.
    Unknown,
}

/// Sums of one payout's movements in minor units, as the merchant sees them: what comes in is positive.
#[derive(Clone, Debug, Default)]
pub(crate) struct Expected {
    sums: BTreeMap<&'static str, i64>,
    /// Debit positive, by role, for a connection that books sales on a clearing account.
    roles: BTreeMap<&'static str, i64>,
}

impl Expected {
    /// Takes in one movement: its gross amount, the fee kept from it and how much of that fee is VAT.
    pub fn add(&mut self, meaning: Meaning, gross: i64, fee: i64, vat: i64) {
        let (sum, role) = match meaning {
            Meaning::Sale => ("sales", Some("sales_clearing")),
            Meaning::Refund => ("refunds", Some("sales_clearing")),
            Meaning::Chargeback => ("chargebacks", Some("disputed")),
            Meaning::Fee => ("fees", Some("provider_fee")),
            Meaning::FeeVat => ("fee_vat", Some("fee_vat")),
            Meaning::Hold => ("holds", Some("held_by_provider")),
            Meaning::MinimumHold => ("minimum_holds", None),
            Meaning::TopUp => ("top_ups", Some("in_transit")),
            Meaning::Adjustment if gross < 0 => ("adjustments", Some("other_expense")),
            Meaning::Adjustment => ("adjustments", Some("other_income")),
            Meaning::PayoutReversal => ("payout_reversals", None),
            Meaning::Payout => ("payout", Some("in_transit")),
            Meaning::Unknown => ("unknown", None),
        };
        // Fees are told as a cost, positive, and so is the payout.
        let sign = if matches!(meaning, Meaning::Fee | Meaning::FeeVat | Meaning::Payout) { -1 } else { 1 };
        *self.sums.entry(sum).or_default() += sign * gross;
        if let Some(role) = role {
            *self.roles.entry(role).or_default() -= gross;
        }
        if fee != 0 {
            *self.sums.entry("fees").or_default() += fee - vat;
            *self.roles.entry("provider_fee").or_default() += fee - vat;
        }
        if vat != 0 {
            *self.sums.entry("fee_vat").or_default() += vat;
            *self.roles.entry("fee_vat").or_default() += vat;
        }
    }

    /// Postings of the settlement's own voucher by role, debit positive; what they do not balance stays with
    /// the provider.
    fn postings(&self) -> BTreeMap<&'static str, i64> {
        let mut roles = self.roles.clone();
        let rest: i64 = roles.values().sum();
        roles.insert("provider_balance", -rest);
        roles.retain(|_, amount| *amount != 0);
        roles
    }
}

/// Whether a payout can be booked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Soundness {
    Sound,
    /// It must be held, for this cause.
    Unsound(&'static str),
    /// It is not complete yet.
    Waiting,
    /// It lies before the base day, so a connection that starts on the base day leaves it alone.
    Before,
}

/// A payout that came back.
#[derive(Clone)]
pub(crate) struct Reversal {
    /// The payout's id.
    pub of: String,
    /// The day of the row.
    pub on: NaiveDate,
    /// Minor units, positive where the payout was.
    pub amount: i64,
}

/// One payout as it really is.
#[derive(Clone)]
pub(crate) struct Truth {
    pub provider: &'static str,
    /// The settlement's id.
    pub id: String,
    /// The provider's account: a ledger; empty where there is one.
    pub account: String,
    pub on: NaiveDate,
    /// Minor units, positive to the bank.
    pub amount: i64,
    pub currency: &'static str,
    pub rows: u64,
    pub soundness: Soundness,
    /// Whether this payout came back later.
    pub returned: bool,
    /// Earlier payouts whose return stands among the rows.
    pub reversals: Vec<Reversal>,
    pub expected: Expected,
}

impl Truth {
    /// The payout as the control answers it.
    pub fn json(&self) -> Value {
        let (soundness, cause) = match self.soundness {
            Soundness::Sound => ("sound", Value::Null),
            Soundness::Unsound(cause) => ("unsound", Value::from(cause)),
            Soundness::Waiting => ("waiting", Value::Null),
            Soundness::Before => ("before", Value::Null),
        };
        let major = |sums: &BTreeMap<&'static str, i64>| -> serde_json::Map<String, Value> {
            sums.iter().map(|(name, amount)| ((*name).to_owned(), Value::from(major(*amount)))).collect()
        };
        let reversals: Vec<Value> = self
            .reversals
            .iter()
            .map(|row| {
                let amount = crate::truth::major(row.amount);
                json!({ "of": row.of, "on": row.on.to_string(), "amount": amount })
            })
            .collect();
        json!({
            "provider": self.provider,
            "settlement": format!("{}:{}", self.provider, self.id),
            "id": self.id,
            "account": self.account,
            "on": self.on.to_string(),
            "amount": crate::truth::major(self.amount),
            "currency": self.currency,
            "rows": self.rows,
            "soundness": soundness,
            "cause": cause,
            "returned": self.returned,
            "reversals": reversals,
            "expected": major(&self.expected.sums),
            "postings": major(&self.expected.postings()),
        })
    }
}

/// Minor units as text in major units with two decimals.
pub(crate) fn major(minor: i64) -> String {
    let sign = if minor < 0 { "-" } else { "" };
    let size = minor.unsigned_abs();
    format!("{sign}{}.{:02}", size / 100, size % 100)
}
