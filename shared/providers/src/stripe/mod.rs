#![doc = include_str!("README.md")]

mod client;
mod file;
mod lines;
mod pages;
mod payout;
mod row;
mod settle;
mod webhook;
mod wire;

#[cfg(test)]
mod api_tests;
#[cfg(test)]
mod tests;

use std::fs::File;

use async_trait::async_trait;
use chrono::{DateTime, Duration, Utc};
use edge::Error;
use edge::secret::Entry;
use ledger::Line;

use crate::{
    Access, Announced, Api, Detected, Discovered, Notice, Pages, Provider, ReadError, Refusal, Rows, Settle,
    Terms, csv_file,
};

pub use lines::minor_digits;
pub use pages::RowPages;
pub use settle::kind_of;

/// The itemized payout reconciliation report.
const ITEMIZED: &str = "stripe-payout-reconciliation";

/// Balance transactions of the API, as they are archived.
const BALANCE_TRANSACTIONS: &str = "stripe-api";

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

    fn legal_name(&self) -> &'static str {
        "Stripe Payments Europe, Limited"
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

    fn api(&self) -> Option<&'static dyn Api> {
        Some(&Stripe)
    }

    fn settler(&self, format: &str, terms: &Terms) -> Result<Box<dyn Settle + Send>, ReadError> {
        if format == BALANCE_TRANSACTIONS {
            return Ok(Box::new(ArchivedApi(lines::Lines::new(terms))));
        }
        known(format)?;
        Ok(Box::new(Archived(settle::Settler::new(terms))))
    }
}

#[async_trait]
impl Api for Stripe {
    fn format(&self) -> &'static str {
        BALANCE_TRANSACTIONS
    }

    fn secret_fields(&self) -> &'static [&'static str] {
        &["api_key", "webhook_secrets"]
    }

    fn interval(&self) -> Duration {
        Duration::hours(1)
    }

    async fn discover(
        &self,
        access: &Access<'_>,
        cursor: Option<&serde_json::Value>,
    ) -> Result<Discovered, Error> {
        client::discover(access, cursor).await
    }

    async fn page(
        &self,
        access: &Access<'_>,
        settlement: &Announced,
        cursor: Option<&str>,
    ) -> Result<Vec<u8>, Error> {
        client::page(access, settlement, cursor).await
    }

    fn pages(
        &self,
        terms: &Terms,
        settlement: &Announced,
        state: Option<&serde_json::Value>,
    ) -> Result<Box<dyn Pages + Send>, ReadError> {
        Ok(Box::new(RowPages::new(terms, settlement, state)?))
    }

    async fn check(&self, access: &Access<'_>) -> Result<(String, Vec<String>), Error> {
        client::check(access).await
    }

    fn verify_notice(&self, notice: &Notice<'_>, secret: &Entry, now: DateTime<Utc>) -> Result<(), Refusal> {
        webhook::verify(notice, &secret.list("webhook_secrets"), now)
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

struct ArchivedApi(lines::Lines);

impl Settle for ArchivedApi {
    fn line<'a>(&mut self, row: &'a [u8]) -> Result<Line<'a>, ReadError> {
        lines::archived(&mut self.0, row)
    }
}
