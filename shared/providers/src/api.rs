//! Providers that are asked over an API: what is announced, how rows are fetched, what a notice must prove.

use async_trait::async_trait;
use chrono::{DateTime, Duration, NaiveDate, Utc};
use edge::config::Keys;
use edge::secret::Entry;
use edge::{Error, World};
use ledger::{Currency, Hold, Line, Name};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use crate::{GroupEnd, ReadError, Terms};

/// A connection's way to its provider account.
pub struct Access<'w> {
    /// The world that calls are made from.
    pub world: &'w World,
    /// The company's id.
    pub company: &'w str,
    /// The connection's name.
    pub connection: &'w str,
    /// How the connection wants rows read.
    pub terms: &'w Terms,
    /// The first payout day that is booked.
    pub start_on: NaiveDate,
    /// An address in place of the provider's own.
    pub base_url: Option<&'w str>,
    /// Which kind of keys the secret holds.
    pub keys: Option<Keys>,
    /// The credentials.
    pub secret: Entry,
}

/// A provider's API.
#[async_trait]
pub trait Api: Sync {
    /// The name of the rows that [`Pages`] archives, known to [`crate::Provider::settler`].
    fn format(&self) -> &'static str;

    /// The fields of the secret's entry; names in the plural are lists.
    fn secret_fields(&self) -> &'static [&'static str];

    /// How long after one look for payouts the next is due, where nothing says otherwise.
    fn interval(&self) -> Duration;

    /// Looks for payouts (or windows) from where `cursor` says, in one bounded step.
    ///
    /// Without a cursor it begins at `start_on`. The same payout may be announced again: with the same content it has
    /// no effect.
    ///
    /// # Errors
    ///
    /// [`edge::Kind::Auth`] if the credentials are refused or lack a right, [`edge::Kind::Config`] if the configured
    /// account is not there, [`edge::Kind::Retry`] if the provider does not answer, [`edge::Kind::Rejected`] if an
    /// answer has a shape that this version does not know. Messages carry the provider's request id.
    async fn discover(
        &self,
        access: &Access<'_>,
        cursor: Option<&serde_json::Value>,
    ) -> Result<Discovered, Error>;

    /// The answer that holds one page of a settlement's rows: the first, or the one after `cursor`.
    ///
    /// # Errors
    ///
    /// As [`Api::discover`].
    async fn page(
        &self,
        access: &Access<'_>,
        settlement: &Announced,
        cursor: Option<&str>,
    ) -> Result<Vec<u8>, Error>;

    /// A reader of these pages, from the first or from a state that [`Pages::state`] gave. Pure.
    ///
    /// # Errors
    ///
    /// [`ReadError`] if the state or the announcement was made by another version and cannot be read.
    fn pages(
        &self,
        terms: &Terms,
        settlement: &Announced,
        state: Option<&serde_json::Value>,
    ) -> Result<Box<dyn Pages + Send>, ReadError>;

    /// Asks the provider account who it is: proves that the credentials work and have the rights that are needed.
    /// Returns a sentence for a person, and the account's ids as a connection's `account` may name them.
    ///
    /// # Errors
    ///
    /// As [`Api::discover`].
    async fn check(&self, access: &Access<'_>) -> Result<(String, Vec<String>), Error>;

    /// Verifies that a notice comes from the provider, over its original bytes and in constant time. What it says is
    /// not looked at further.
    ///
    /// # Errors
    ///
    /// [`Refusal`] with what is wrong with it.
    fn verify_notice(&self, notice: &Notice<'_>, secret: &Entry, now: DateTime<Utc>) -> Result<(), Refusal>;
}

/// What one step of looking for payouts found.
#[derive(Clone, Debug, PartialEq)]
pub struct Discovered {
    /// Payouts and windows, oldest first.
    pub settlements: Vec<Announced>,
    /// Where the next step begins; kept once the settlements are.
    pub cursor: serde_json::Value,
    /// Whether another step should follow at once.
    pub more: bool,
}

/// A settlement that the provider has, before its rows are here.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Announced {
    /// Which settlement.
    pub name: Name,
    /// Its currency.
    pub currency: Currency,
    /// The day of the payout's row; a window's day.
    pub payout_on: NaiveDate,
    /// What goes to the bank, in major units; negative when the provider debits the bank. 0 for windows.
    pub payout: Decimal,
    /// The settlement is a window: one account, currency and day.
    pub window: bool,
    /// Whether its rows can be fetched.
    pub ready: Ready,
    /// What the connector needs to fetch and prove the rows: remote fields of its allow-list. A change of it is a
    /// change of the settlement.
    pub detail: serde_json::Value,
}

/// Whether a settlement's rows can be fetched.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Ready {
    /// All of them.
    Now,
    /// Not yet, and why; it is announced again when that changes.
    Later(String),
    /// Never by themselves: a person has to act.
    Held(Hold),
}

/// Where the next page is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// After this cursor.
    Page(String),
    /// All rows are here.
    Done,
    /// The provider has not finished these rows after all: try again after this time, from the first page.
    NotYet(std::time::Duration),
}

/// What is done with each row: its line, and its archived form. A hold ends the reading of the settlement.
pub type EachRow<'a> = &'a mut dyn FnMut(&Line<'_>, &[u8]) -> Result<(), Hold>;

/// Reads the pages of one settlement in order. Nothing is kept but running figures.
pub trait Pages {
    /// Reads one page. `each` gets every row as a line, with its archived form (allow-listed fields only, JSON without
    /// a line break).
    ///
    /// # Errors
    ///
    /// [`ReadError`] if the answer is not such a page, or repeats what an earlier page held.
    fn read(&mut self, body: &[u8], each: EachRow<'_>) -> Result<Next, ReadError>;

    /// What must be remembered to go on with the next page: small, whatever the number of rows.
    fn state(&self) -> serde_json::Value;

    /// After the last page: the settlement as a whole, with a hold if an identity of the provider does not hold.
    fn end(self: Box<Self>) -> GroupEnd;
}

/// A request that claims to come from a provider.
#[derive(Clone, Copy, Debug)]
pub struct Notice<'a> {
    /// The address that the provider was given: scheme, host, path and query.
    pub public_url: &'a str,
    /// The headers.
    pub headers: &'a http::HeaderMap,
    /// The body's original bytes.
    pub body: &'a [u8],
}

impl Notice<'_> {
    /// The one value of a header.
    ///
    /// # Errors
    ///
    /// [`Refusal`] if it is missing, stands twice, or is not text.
    pub fn header(&self, name: &'static str) -> Result<&str, Refusal> {
        let mut values = self.headers.get_all(name).iter();
        match (values.next(), values.next()) {
            (Some(value), None) => value.to_str().map_err(|_| Refusal(format!("{name} is not text"))),
            (None, _) => Err(Refusal(format!("{name} is missing"))),
            (Some(_), Some(_)) => Err(Refusal(format!("{name} stands twice"))),
        }
    }
}

/// Why a notice is refused. The text is for our own logs, and quotes nothing of the notice.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Refusal(pub String);
