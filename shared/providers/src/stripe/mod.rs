#![doc = include_str!("README.md")]

mod file;
mod settle;
mod wire;

#[cfg(test)]
mod tests;

use std::fs::File;

use ledger::Line;

use crate::{Detected, Provider, ReadError, Rows, Settle, Terms, csv_file};

pub use settle::kind_of;

/// The itemized payout reconciliation report.
const ITEMIZED: &str = "stripe-payout-reconciliation";

/// Stripe.
#[derive(Debug)]
pub struct Stripe;

impl Provider for Stripe {
    fn name(&self) -> &'static str {
        "stripe"
    }

    fn title(&self) -> &'static str {
        "Stripe"
    }

    fn formats(&self) -> &'static [&'static str] {
        &[ITEMIZED]
    }

    fn detect(&self, head: &[u8]) -> Detected {
        let columns = csv_file::header(head);
        let has = |name: &str| columns.iter().any(|column| column == name);
        if has("balance_transaction_id") && has("reporting_category") && has("automatic_payout_id") {
            return Detected::Format(ITEMIZED);
        }
        let export = "export Reports, Payout reconciliation, Itemized with all columns";
        if has("balance_transaction_id") && has("reporting_category") {
            return Detected::Refused(format!(
                "this Stripe report has no column automatic_payout_id, so it does not say which payout a row \
                 belongs to; {export}"
            ));
        }
        if has("Created (UTC)") && has("Amount") && (has("Transfer") || has("Source") || has("Type")) {
            return Detected::Refused(format!(
                "this is Stripe's list of transactions, not its reconciliation; {export}"
            ));
        }
        Detected::NotMine
    }

    fn open(&self, format: &str, file: File, terms: &Terms) -> Result<Box<dyn Rows + Send>, ReadError> {
        known(format)?;
        Ok(Box::new(file::Itemized::open(file, terms)?))
    }

    fn settler(&self, format: &str, terms: &Terms) -> Result<Box<dyn Settle + Send>, ReadError> {
        known(format)?;
        Ok(Box::new(Archived(settle::Settler::new(terms))))
    }
}

fn known(format: &str) -> Result<(), ReadError> {
    if format == ITEMIZED {
        return Ok(());
    }
    Err(ReadError::new("file", format!("\"{format}\" is not a Stripe format; this version reads {ITEMIZED}")))
}

struct Archived(settle::Settler);

impl Settle for Archived {
    fn line<'a>(&mut self, row: &'a [u8]) -> Result<Line<'a>, ReadError> {
        let row: wire::Row<'a> =
            serde_json::from_slice(row).map_err(|error| ReadError::new("archive", error.to_string()))?;
        self.0.settle(&row)
    }
}
