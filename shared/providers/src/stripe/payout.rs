//! Payouts and windows as they are found: the list's payload, what is announced of it, and how far a look has come.
//! Pure.

use std::borrow::Cow;
use std::collections::HashSet;

use chrono::{DateTime, Days, NaiveDate, TimeZone as _, Utc};
use chrono_tz::Tz;
use edge::{Error, Kind};
use ledger::{Cause, Currency, Hold, Name};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use super::lines::{Units, day_of};
use crate::{Announced, Ready, Terms};

/// A payout, in Stripe's words. Only these fields are kept.
#[derive(Debug, Serialize, Deserialize)]
pub struct Payout<'a> {
    #[serde(borrow)]
    pub id: Cow<'a, str>,
    /// Minor units; negative when Stripe debits the bank.
    pub amount: i64,
    #[serde(borrow)]
    pub currency: Cow<'a, str>,
    /// Unix seconds.
    pub created: i64,
    #[serde(default)]
    pub arrival_date: Option<i64>,
    pub automatic: bool,
    #[serde(default)]
    pub method: Option<String>,
    #[serde(borrow)]
    pub status: Cow<'a, str>,
    #[serde(default)]
    pub reconciliation_status: Option<String>,
    #[serde(default)]
    pub balance_transaction: Option<String>,
    #[serde(default)]
    pub failure_balance_transaction: Option<String>,
    #[serde(default)]
    pub failure_code: Option<String>,
    #[serde(default)]
    pub original_payout: Option<String>,
    #[serde(default)]
    pub reversed_by: Option<String>,
    #[serde(default)]
    pub trace_id: Option<TraceId>,
    #[serde(default)]
    pub statement_descriptor: Option<String>,
    #[serde(default)]
    pub livemode: Option<bool>,
}

/// The bank's reference of a payout.
#[derive(Debug, Serialize, Deserialize)]
pub struct TraceId {
    #[serde(default)]
    pub status: Option<String>,
    #[serde(default)]
    pub value: Option<String>,
}

/// One page of the list of payouts.
#[derive(Debug, Deserialize)]
pub struct PayoutPage<'a> {
    #[serde(borrow)]
    pub data: Vec<Payout<'a>>,
    pub has_more: bool,
}

/// What is needed of [`Announced::detail`] to fetch and prove the rows.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Detail {
    /// A payout's amount in minor units.
    #[serde(default)]
    pub amount: Option<i64>,
    /// The id of a payout's own row.
    #[serde(default)]
    pub balance_transaction: Option<String>,
    /// The first second of a window.
    #[serde(default)]
    pub gte: Option<i64>,
    /// The first second after a window.
    #[serde(default)]
    pub lt: Option<i64>,
}

impl Payout<'_> {
    /// The announcement of this payout.
    ///
    /// # Errors
    ///
    /// [`Kind::Rejected`] if the payout is not one that can be named, counted or dated; [`Kind::Auth`] if it is one of
    /// test mode though the key is a live one.
    pub fn announce(&self, terms: &Terms, live: bool) -> Result<Announced, Error> {
        let id = &*self.id;
        if !Name::is_plain(id) {
            return Err(Error::new(Kind::Rejected, "stripe: a payout has an id that is none"));
        }
        let wrong = |what: String| Error::new(Kind::Rejected, format!("stripe: payout {id}: {what}"));
        if live && self.livemode == Some(false) {
            return Err(Error::auth(format!(
                "stripe: payout {id} is of test mode, but the key is a live one; check where the connection's \
                 base_url leads"
            )));
        }
        let currency = Currency::parse(&self.currency).map_err(|error| wrong(error.to_string()))?;
        let payout = (Units::of(currency).major(self.amount))
            .map_err(|what| wrong(format!("amount {} {currency} {what}", self.amount)))?;
        let payout_on = day_of(self.created, terms.time_zone)
            .ok_or_else(|| wrong(format!("created {} is no time", self.created)))?;
        Ok(Announced {
            name: Name { provider: "stripe".to_owned(), scope: String::new(), id: id.to_owned() },
            currency,
            payout_on,
            payout,
            window: false,
            ready: self.ready(payout, currency),
            detail: serde_json::to_value(self).map_err(|error| wrong(error.to_string()))?,
        })
    }

    fn ready(&self, payout: Decimal, currency: Currency) -> Ready {
        let id = &self.id;
        let by_day = "book this account by day: settle_by = \"window\" with account and from under the connection; \
                      or pay out by schedule";
        let status = self.reconciliation_status.as_deref().unwrap_or_default();
        match (self.automatic, status) {
            (false, _) => Ready::Held(Hold::new(
                Cause::ManualPayout,
                format!(
                    "stripe:{id}: a payout of {payout} {currency} made by hand; Stripe does not say which rows it holds"
                ),
                by_day,
            )),
            (true, "completed") => Ready::Now,
            (true, "in_progress") => Ready::Later(format!(
                "the provider is still reconciling payout {id}: its rows are not complete yet"
            )),
            (true, "not_applicable") => Ready::Held(Hold::new(
                Cause::ManualPayout,
                format!(
                    "stripe:{id}: a payout of {payout} {currency} that Stripe does not reconcile; it does not say which \
                     rows the payout holds"
                ),
                by_day,
            )),
            (true, other) => Ready::Held(Hold::new(
                Cause::Schema,
                format!(
                    "stripe:{id}: reconciliation_status is \"{other}\", which this version does not know"
                ),
                "drop the payout reconciliation report in the inbox, or wait for a version that knows it",
            )),
        }
    }
}

/// How many payouts back are looked at again: a payout may fail days after it was paid, and the bank's reference may
/// come later still.
const OVERLAP: i64 = 15 * 86_400;

/// How far back a payout that is still being reconciled keeps the look.
const OVERLAP_MAX: i64 = 90 * 86_400;

/// More pages than any list of payouts has.
const PAGES_MAX: u64 = 10_000;

/// How far the look for payouts has come.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Cursor {
    /// The first day that was asked for.
    pub start_on: NaiveDate,
    /// When the newest payout of the last whole listing was made, in Unix seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub newest: Option<i64>,
    /// When the oldest payout was made that was still being reconciled then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waiting: Option<i64>,
    /// A listing that has more pages.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub listing: Option<Listing>,
}

/// A listing under way. The list is newest first, so nothing of it counts for the cursor before its last page.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Listing {
    /// The oldest time that is asked for.
    pub from: i64,
    /// The last payout of the last page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
    /// Pages read.
    pub pages: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    newest: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    waiting: Option<i64>,
    /// The last payout of some earlier page, moved on at each power of two: a list that goes in a circle comes by it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    milestone: Option<String>,
}

/// The first second of a day in a zone.
pub fn begin_of(day: NaiveDate, zone: Tz) -> i64 {
    let midnight = day.and_time(chrono::NaiveTime::MIN);
    let mut instant = zone.from_local_datetime(&midnight).earliest();
    // A day that a change of clocks lets begin after midnight.
    for quarters in 1..=12 {
        let later = midnight + chrono::Duration::minutes(15 * quarters);
        instant = instant.or_else(|| zone.from_local_datetime(&later).earliest());
    }
    instant.map_or_else(|| midnight.and_utc().timestamp(), |instant| instant.timestamp())
}

impl Cursor {
    /// The cursor that was kept, or a new one; with a listing under way in either case.
    ///
    /// # Errors
    ///
    /// [`Kind::Bug`] if it was made by another version and cannot be read.
    pub fn open(
        kept: Option<&serde_json::Value>,
        start_on: NaiveDate,
        zone: Tz,
    ) -> Result<(Cursor, Listing), Error> {
        let mut cursor = match kept {
            // A cursor of the look for windows: the connection was settled by day until now.
            Some(kept) if kept.get("day").is_none() => Cursor::deserialize(kept)
                .map_err(|error| Error::bug("stripe: the cursor cannot be read").because(error))?,
            _ => Cursor { start_on, ..Cursor::default() },
        };
        if cursor.start_on > start_on {
            // An earlier day than before is asked for.
            cursor = Cursor::default();
        }
        cursor.start_on = start_on;
        let listing = cursor.listing.take().unwrap_or_else(|| {
            let start = begin_of(start_on, zone);
            let from = cursor.newest.map_or(start, |newest| {
                let waiting = cursor.waiting.unwrap_or(newest).max(newest - OVERLAP_MAX);
                (newest - OVERLAP).min(waiting).max(start)
            });
            Listing { from, ..Listing::default() }
        });
        Ok((cursor, listing))
    }

    /// Takes a page of a listing: its payouts to `found`, newest first. The listing is kept if more pages follow.
    /// `step` are the payouts of this step.
    ///
    /// # Errors
    ///
    /// [`Kind::Rejected`] if pages repeat themselves, or as [`Payout::announce`].
    pub fn take(
        &mut self,
        mut listing: Listing,
        page: &PayoutPage<'_>,
        (terms, live): (&Terms, bool),
        step: &mut HashSet<String>,
        found: &mut Vec<(i64, Announced)>,
    ) -> Result<(), Error> {
        let repeats = |what: String| {
            Error::new(Kind::Rejected, format!("stripe: the list of payouts repeats itself: {what}"))
        };
        listing.pages += 1;
        if listing.pages > PAGES_MAX {
            return Err(repeats("it has more pages than any account has payouts".to_owned()));
        }
        for payout in &page.data {
            let known = |place: &Option<String>| place.as_deref() == Some(&*payout.id);
            if known(&listing.after) || known(&listing.milestone) || !step.insert(payout.id.to_string()) {
                return Err(repeats(format!("payout {} comes twice", payout.id)));
            }
            let announced = payout.announce(terms, live)?;
            listing.newest = listing.newest.max(Some(payout.created));
            if matches!(announced.ready, Ready::Later(_)) {
                let oldest = listing.waiting.unwrap_or(payout.created);
                listing.waiting = Some(oldest.min(payout.created));
            }
            found.push((payout.created, announced));
        }
        match (page.has_more, page.data.last()) {
            (true, None) => Err(repeats("a page is empty, but more are said to follow".to_owned())),
            (true, Some(last)) => {
                listing.after = Some(last.id.to_string());
                if listing.pages.is_power_of_two() {
                    listing.milestone.clone_from(&listing.after);
                }
                self.listing = Some(listing);
                Ok(())
            }
            (false, _) => {
                self.newest = self.newest.max(listing.newest);
                self.waiting = listing.waiting;
                self.listing = None;
                Ok(())
            }
        }
    }
}

/// How long after its end a day is looked at: rows of the last minutes may show late.
pub const DAY_IS_WHOLE_AFTER: chrono::Duration = chrono::Duration::hours(6);

/// How far the look for windows has come.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct WindowCursor {
    /// The next day.
    pub day: NaiveDate,
    /// The first day that was asked for.
    pub from: NaiveDate,
    /// Currencies that the account ever had, as Stripe writes them.
    pub currencies: Vec<String>,
}

impl WindowCursor {
    /// The cursor that was kept, or a new one that begins at `from`.
    ///
    /// # Errors
    ///
    /// [`Kind::Bug`] if it was made by another version and cannot be read.
    pub fn open(kept: Option<&serde_json::Value>, from: NaiveDate) -> Result<WindowCursor, Error> {
        let begin = WindowCursor { day: from, from, currencies: Vec::new() };
        match kept {
            // A cursor of the look for payouts: the connection was settled by payout until now.
            Some(kept) if kept.get("day").is_some() => {
                let cursor = WindowCursor::deserialize(kept)
                    .map_err(|error| Error::bug("stripe: the cursor cannot be read").because(error))?;
                Ok(if from < cursor.from {
                    begin
                } else {
                    WindowCursor { from, day: cursor.day.max(from), ..cursor }
                })
            }
            _ => Ok(begin),
        }
    }

    /// Notes a currency.
    pub fn note(&mut self, currency: &str) {
        if let Err(place) = self.currencies.binary_search_by(|known| known.as_str().cmp(currency)) {
            self.currencies.insert(place, currency.to_owned());
        }
    }
}

/// A day's seconds: the first, and the first after it.
pub fn seconds_of(day: NaiveDate, zone: Tz) -> (i64, i64) {
    let next = day.checked_add_days(Days::new(1)).unwrap_or(day);
    (begin_of(day, zone), begin_of(next, zone))
}

/// Whether a day has ended long enough ago.
pub fn is_whole(day: NaiveDate, zone: Tz, now: DateTime<Utc>) -> bool {
    seconds_of(day, zone).1 + DAY_IS_WHOLE_AFTER.num_seconds() <= now.timestamp()
}

/// The announcement of a window.
pub fn announce_window(day: NaiveDate, currency: Currency, account: &str, zone: Tz) -> Announced {
    let (gte, lt) = seconds_of(day, zone);
    Announced {
        name: Name {
            provider: "stripe".to_owned(),
            scope: account.to_owned(),
            id: format!("window-{day}-{currency}"),
        },
        currency,
        payout_on: day,
        payout: Decimal::ZERO,
        window: true,
        ready: Ready::Now,
        detail: serde_json::json!({ "currency": currency.code().to_ascii_lowercase(), "gte": gte, "lt": lt }),
    }
}
