//! The API: which ledgers belong to a connection, and steps of the walk over their dates.

use async_trait::async_trait;
use chrono::{DateTime, Duration, Utc};
use edge::config::Keys;
use edge::secret::Entry as Secret;
use edge::{Error, Kind};
use ledger::Name;

use super::client::{self, Client};
use super::entry::{Ledger, Page};
use super::pages::{NOT_YET, Reader};
use super::walk::{Cursor, Detail, Read, Walk};
use super::{REPORT_API, VippsMobilePay, WINDOWS_REFUSED, is_account, settle, webhook};
use crate::{Access, Announced, Api, Discovered, Notice, Pages, ReadError, Refusal, Terms};

/// How many pages of dates one step reads; with many ledgers two of each, so that none keeps another waiting.
const CALLS_MAX: usize = 20;

/// How long the pages of a date may be gone on with: their cursors may not last.
const PAGES_LAST: Duration = Duration::hours(1);

/// How many ledgers a message names.
const SHOWN: usize = 20;

#[async_trait]
impl Api for VippsMobilePay {
    fn format(&self) -> &'static str {
        REPORT_API
    }

    fn secret_fields(&self) -> &'static [&'static str] {
        &["client_id", "client_secret", "subscription_key", "merchant_serial_number", "webhook_secrets"]
    }

    fn interval(&self) -> Duration {
        Duration::hours(1)
    }

    async fn discover(
        &self,
        access: &Access<'_>,
        cursor: Option<&serde_json::Value>,
    ) -> Result<Discovered, Error> {
        if access.terms.window_from.is_some() {
            return Err(Error::config(WINDOWS_REFUSED));
        }
        let mut cursor: Cursor = match cursor {
            Some(cursor) => serde_json::from_value(cursor.clone()).map_err(|error| {
                Error::bug("Vipps MobilePay: the cursor was made by another version").because(error)
            })?,
            None => Cursor::default(),
        };
        // Payouts of days that were not asked for so far: the walks begin anew, what is known has no effect.
        if cursor.start_on.is_none_or(|begun| access.start_on < begun) {
            cursor = Cursor { start_on: Some(access.start_on), ..Cursor::default() };
        }
        let client = Client::new(access)?;
        let all = client.ledgers().await?;
        let ledgers = belonging(&all, access.terms.account.as_deref(), access.keys)?;
        warn_of_lost(&cursor, &ledgers);
        step(access, &client, cursor, &ledgers).await
    }

    async fn page(
        &self,
        access: &Access<'_>,
        settlement: &Announced,
        cursor: Option<&str>,
    ) -> Result<Vec<u8>, Error> {
        let shape = || Error::bug(format!("{}: made by another version", settlement.name));
        let detail: Detail = serde_json::from_value(settlement.detail.clone()).map_err(|_| shape())?;
        let (on, page) = match cursor {
            None => (detail.first, None),
            Some(cursor) => {
                let (on, page) = cursor.split_once(' ').map_or((cursor, None), |(on, page)| (on, Some(page)));
                (on.parse().map_err(|_| shape())?, page)
            }
        };
        let body = Client::new(access)?.date(&detail.ledger, on, page).await?;
        body.ok_or_else(|| {
            Error::retry(format!("{}: the report of {on} is not there yet", settlement.name)).after(NOT_YET)
        })
    }

    fn pages(
        &self,
        terms: &Terms,
        settlement: &Announced,
        state: Option<&serde_json::Value>,
    ) -> Result<Box<dyn Pages + Send>, ReadError> {
        Ok(Box::new(Reader::new(terms, settlement, state)?))
    }

    async fn check(&self, access: &Access<'_>) -> Result<(String, Vec<String>), Error> {
        let client = Client::new(access)?;
        let all = client.ledgers().await?;
        let ledgers = belonging(&all, access.terms.account.as_deref(), access.keys)?;
        // The ledgers may be listed though their reports may not be read.
        for ledger in ledgers.iter().take(3) {
            let on = client::newest(access).pred_opt().unwrap_or_default();
            client.date(&ledger.ledger_id, on, None).await?;
        }
        let many = if ledgers.len() == 1 { "" } else { "s" };
        let sentence =
            format!("the keys reach the reports of {} ledger{many}: {}", ledgers.len(), names(&ledgers));
        let ids = ledgers.iter().flat_map(|ledger| {
            let handles = ledger.settles_for_recipient_handles.iter();
            let names = handles.flat_map(|handle| [handle.clone(), settle::number_of(handle).to_owned()]);
            std::iter::once(ledger.ledger_id.clone()).chain(names)
        });
        Ok((sentence, ids.collect()))
    }

    fn verify_notice(&self, notice: &Notice<'_>, secret: &Secret, now: DateTime<Utc>) -> Result<(), Refusal> {
        webhook::verify(notice, &secret.list("webhook_secrets"), now)
    }
}

/// Reads dates of one ledger after the other, from the one whose turn it is. What was reached before an error is
/// kept: the next step meets the error again, and then has nothing else to tell.
async fn step(
    access: &Access<'_>,
    client: &Client<'_>,
    mut cursor: Cursor,
    ledgers: &[&Ledger],
) -> Result<Discovered, Error> {
    let before = cursor.clone();
    let turn = cursor.turn.take();
    let mut settlements = Vec::new();
    let mut failed = None;
    let mut calls = CALLS_MAX.max(2 * ledgers.len());
    for ledger in
        ledgers.iter().skip_while(|ledger| turn.as_ref().is_some_and(|turn| ledger.ledger_id < *turn))
    {
        let walk =
            cursor.ledgers.entry(ledger.ledger_id.clone()).or_insert_with(|| Walk::new(access.start_on));
        let error = match walk_on(access, client, ledger, walk, &mut settlements, &mut calls).await {
            Ok(true) => continue,
            Ok(false) => {
                cursor.turn = Some(ledger.ledger_id.clone());
                break;
            }
            Err(error) => error,
        };
        // One ledger's trouble is its own; refused keys and a provider that does not answer are everybody's.
        let alone = matches!(error.kind, Kind::Config | Kind::Rejected);
        failed.get_or_insert(error);
        if !alone {
            break;
        }
    }
    settlements.sort_by_key(|settlement: &Announced| settlement.payout_on);
    // Dates that are closed count; pages of a date that is not finished do not, lest trouble on it never shows.
    let dates = |cursor: &Cursor| -> Vec<_> { cursor.ledgers.values().map(|walk| walk.next).collect() };
    let advanced = dates(&cursor) != dates(&before) || !settlements.is_empty();
    match failed {
        Some(error) if !advanced => return Err(error),
        Some(_) => return found(settlements, cursor, true),
        None => {}
    }
    let more = cursor.turn.is_some();
    found(settlements, cursor, more)
}

fn found(settlements: Vec<Announced>, cursor: Cursor, more: bool) -> Result<Discovered, Error> {
    let cursor = serde_json::to_value(cursor)
        .map_err(|error| Error::bug("Vipps MobilePay: the cursor cannot be kept").because(error))?;
    Ok(Discovered { settlements, cursor, more })
}

/// Reads a ledger's dates up to the newest, an open one, or the end of the step's calls (`false`).
async fn walk_on(
    access: &Access<'_>,
    client: &Client<'_>,
    ledger: &Ledger,
    walk: &mut Walk,
    settlements: &mut Vec<Announced>,
    calls: &mut usize,
) -> Result<bool, Error> {
    let id = &ledger.ledger_id;
    if !Name::is_plain(id) {
        let what = "Vipps MobilePay: a ledger's id holds characters that no id may hold";
        return Err(Error::new(Kind::Rejected, what));
    }
    let mut handles = ledger.settles_for_recipient_handles.clone();
    handles.sort();
    let now = access.world.clock.now();
    walk.forget_before(now - PAGES_LAST);
    while walk.next <= client::newest(access) {
        if *calls == 0 {
            return Ok(false);
        }
        *calls -= 1;
        let on = walk.next;
        let page = walk.page().map(str::to_owned);
        let body = match client.date(id, on, page.as_deref()).await {
            Ok(Some(body)) => body,
            Ok(None) => return Ok(true),
            // Before the first payout day a ledger may not have been there yet.
            Err(error) if error.kind == Kind::Config && on < access.start_on && !walk.has_begun() => {
                walk.skip();
                continue;
            }
            Err(error) => return Err(error),
        };
        let what = format!("ledger {id}, {on}");
        let page = Page::read(&body).map_err(|error| client::unreadable(&what, error))?;
        let before = walk.clone();
        let read = walk.take(page, (id, &handles), now)?;
        match read {
            Read::On => {}
            Read::Open => return Ok(true),
            Read::Closed(payouts) => {
                let wanted: Vec<Detail> =
                    payouts.into_iter().filter(|payout| payout.last >= access.start_on).collect();
                if wanted.iter().any(|payout| walk.go_back(payout, access.start_on)) {
                    continue;
                }
                let announced: Result<Vec<Announced>, Error> =
                    wanted.into_iter().map(Detail::announced).collect();
                match announced {
                    Ok(announced) => settlements.extend(announced),
                    // The date stays next: a payout that cannot be announced is not passed over.
                    Err(error) => {
                        *walk = before;
                        return Err(error);
                    }
                }
            }
        }
    }
    Ok(true)
}

/// The ledgers that a connection books, by id.
///
/// # Errors
///
/// [`Kind::Config`] if there are none, or if `account` does not say which.
fn belonging<'l>(
    all: &'l [Ledger],
    account: Option<&str>,
    keys: Option<Keys>,
) -> Result<Vec<&'l Ledger>, Error> {
    let every: Vec<&Ledger> = all.iter().collect();
    let refused = |what: String| Err(Error::config(format!("Vipps MobilePay: {what}")));
    if all.is_empty() {
        return refused(
            "the keys reach no ledger; with keys of an accounting partner the merchant grants access in the \
             portal under Reports, Accounting partners"
                .to_owned(),
        );
    }
    let Some(account) = account else {
        // Ledgers of other companies may appear at any time.
        return match keys {
            None => Ok(every),
            Some(Keys::Accounting) => refused(format!(
                "account is missing: an accounting partner's keys reach the ledgers of several merchants; \
                 give the ledger, or the sales unit as in api:123456 or NO:123456; the keys reach {}",
                names(&every)
            )),
        };
    };
    let found: Vec<&Ledger> = (every.iter().copied())
        .filter(|ledger| is_account(account, &ledger.ledger_id, &ledger.settles_for_recipient_handles))
        .collect();
    if found.is_empty() {
        return refused(format!("no ledger settles for account {account}; the keys reach {}", names(&every)));
    }
    // A bare number may be one merchant's ledger and another's sales unit, or a sales unit in two countries.
    let mut meanings: Vec<&str> = Vec::new();
    for ledger in &found {
        let handles = ledger.settles_for_recipient_handles.iter().map(String::as_str);
        let names = std::iter::once(ledger.ledger_id.as_str())
            .chain(handles)
            .filter(|name| *name == account || settle::number_of(name) == account);
        meanings.extend(names);
    }
    meanings.sort_unstable();
    meanings.dedup();
    if found.len() > 1 && meanings.len() > 1 {
        return refused(format!(
            "account {account} may be {}; write the sales unit's handle, as in api:123456 or NO:123456",
            meanings.join(" or ")
        ));
    }
    Ok(found)
}

/// Ledgers as people know them.
fn names(ledgers: &[&Ledger]) -> String {
    let mut shown: Vec<String> = ledgers.iter().take(SHOWN).map(|ledger| ledger.name()).collect();
    if ledgers.len() > SHOWN {
        shown.push(format!("and {} more", ledgers.len() - SHOWN));
    }
    shown.join(", ")
}

/// Rows whose payout will not be seen, because the keys do not reach their ledger any more.
fn warn_of_lost(cursor: &Cursor, ledgers: &[&Ledger]) {
    for (id, walk) in &cursor.ledgers {
        if walk.is_open() && !ledgers.iter().any(|ledger| ledger.ledger_id == *id) {
            tracing::warn!(
                ledger.id = id,
                "a ledger with rows that are not paid out is not reached any more"
            );
        }
    }
}
