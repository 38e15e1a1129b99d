//! The pages of one payout, read in order: the chain of balances proves every row.

use chrono::NaiveDate;
use ledger::{Cause, Currency, Head, Hold, Kind};
use serde::{Deserialize, Serialize};

use super::entry::{Page, Then};
use super::settle::{self, Meaning, PayoutId};
use super::walk::{Detail, Laps, Proof};
use super::{file, is_account};
use crate::{Announced, EachRow, GroupEnd, Next, Pages, ReadError, Terms, wrong_account};

/// When a date that should be closed is asked for again.
pub const NOT_YET: std::time::Duration = std::time::Duration::from_secs(30 * 60);

/// Reads the pages of one payout.
pub struct Reader {
    announced: Announced,
    detail: Detail,
    currency: Currency,
    account: Option<String>,
    json: Vec<u8>,
    state: State,
}

/// What is remembered from page to page.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct State {
    /// The date whose page is next.
    date: NaiveDate,
    laps: Laps,
    /// Entries of the date so far.
    entries: u64,
    /// The balance after the last row.
    balance: i64,
    part: Part,
    fees: bool,
    hold: Option<Hold>,
}

/// Which payout the next entry belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Part {
    /// An earlier one, on the first date.
    Before,
    /// This one.
    Within,
    /// A later one, on the last date.
    After,
}

impl Reader {
    /// A reader from the first page on, or from a state that an earlier one gave.
    ///
    /// # Errors
    ///
    /// [`ReadError`] if the announcement or the state cannot be read.
    pub fn new(
        terms: &Terms,
        announced: &Announced,
        state: Option<&serde_json::Value>,
    ) -> Result<Reader, ReadError> {
        let unreadable = |error: serde_json::Error| {
            ReadError::new("announcement", format!("{}: made by another version: {error}", announced.name))
        };
        let detail: Detail = Detail::deserialize(&announced.detail).map_err(unreadable)?;
        let state = match state {
            Some(state) => State::deserialize(state).map_err(unreadable)?,
            None => State {
                date: detail.first,
                laps: Laps::default(),
                entries: 0,
                balance: detail.opening,
                part: if detail.after.is_some() { Part::Before } else { Part::Within },
                fees: false,
                hold: None,
            },
        };
        Ok(Reader {
            announced: announced.clone(),
            currency: announced.currency,
            account: terms.account.clone(),
            detail,
            json: Vec::new(),
            state,
        })
    }

    fn broken(&self, row: &str, what: String) -> Hold {
        Hold::new(
            Cause::DoesNotAddUp,
            format!(
                "{}: {} row {} ({row}): {what}",
                self.announced.name, self.state.date, self.state.entries
            ),
            "fetch it again with retry; if it stays, drop the Settlement report of the portal, or ask Vipps \
             MobilePay about the row",
        )
    }

    fn money(&self, minor: i64) -> String {
        ledger::money::from_minor(minor, self.currency.digits()).to_string()
    }

    fn read_rows(&mut self, page: Page<'_>, each: EachRow<'_>) -> Result<(), ReadError> {
        let date = self.state.date.to_string();
        for mut entry in page.items {
            self.state.entries += 1;
            let at = || format!("{date} row {}", self.state.entries);
            if !entry.ledger_date.is_empty() && entry.ledger_date != date {
                let what = format!("the row is of {}", settle::short(&entry.ledger_date));
                return Err(ReadError::new(at(), what));
            }
            let is_payout = settle::entry_meaning(&entry.entry_type) == Some(Meaning::Payout);
            match self.state.part {
                Part::Before => {
                    if is_payout && Some(entry.psp_reference.as_ref()) == self.detail.after.as_deref() {
                        self.state.part = Part::Within;
                    }
                    continue;
                }
                Part::After => continue,
                Part::Within => {}
            }
            let (before, after) = (entry.balance_before, entry.balance_after);
            let hold = if before != self.state.balance {
                let (expected, found) = (self.money(self.state.balance), self.money(before));
                Some(format!("the balance before it is {found}, after the row before it was {expected}"))
            } else if before.checked_add(entry.amount) != Some(after) {
                let [before, amount, after] = [before, entry.amount, after].map(|minor| self.money(minor));
                Some(format!("{before} and {amount} do not give {after}"))
            } else if entry.currency != self.currency.code() {
                Some(format!("its currency is {}, the payout's {}", entry.currency, self.currency))
            } else if is_payout && entry.psp_reference != self.detail.psp_reference {
                Some("another payout stands before the end of this one".to_owned())
            } else if is_payout && entry.amount != self.detail.amount {
                let [found, announced] = [entry.amount, self.detail.amount].map(|minor| self.money(minor));
                Some(format!("the payout is {found}, {announced} was announced"))
            } else {
                None
            };
            if let Some(what) = hold {
                self.state.hold = Some(self.broken(&entry.name(), what));
                return Ok(());
            }
            self.state.balance = after;
            if entry.ledger_date.is_empty() {
                entry.ledger_date = date.as_str().into();
            }
            entry.ledger_id = self.detail.ledger.as_str().into();
            self.json.clear();
            file::write(&mut self.json, &entry)?;
            let line = settle::entry_line(entry).map_err(|what| ReadError::new(at(), what))?;
            self.state.fees |= line.kind == Kind::Fee;
            if let Err(hold) = each(&line, &self.json) {
                self.state.hold = Some(hold);
                return Ok(());
            }
            if is_payout {
                self.state.part = Part::After;
            }
        }
        Ok(())
    }
}

impl Pages for Reader {
    fn read(&mut self, body: &[u8], each: EachRow<'_>) -> Result<Next, ReadError> {
        let at = self.state.date.to_string();
        let page = Page::read(body).map_err(|error| ReadError::new(at.clone(), error.what))?;
        if page.then == Then::Open {
            return Ok(Next::NotYet(NOT_YET));
        }
        let then = page.then.clone();
        self.read_rows(page, each)?;
        if self.state.hold.is_some() {
            return Ok(Next::Done);
        }
        match then {
            Then::More(cursor) => {
                if !self.state.laps.is_new(&cursor) {
                    return Err(ReadError::new(at, "the pages repeat; fetch it again with retry"));
                }
                Ok(Next::Page(format!("{at} {cursor}")))
            }
            Then::Open | Then::Closed if self.state.date >= self.detail.last => Ok(Next::Done),
            Then::Open | Then::Closed => {
                if self.state.part == Part::Before {
                    let what = "the payout that stood on this date is not there any more";
                    return Err(ReadError::new(at, what));
                }
                self.state.date = self.state.date.succ_opt().unwrap_or(self.detail.last);
                self.state.laps = Laps::default();
                self.state.entries = 0;
                Ok(Next::Page(self.state.date.to_string()))
            }
        }
    }

    fn state(&self) -> serde_json::Value {
        serde_json::to_value(&self.state).unwrap_or_default()
    }

    fn end(self: Box<Self>) -> GroupEnd {
        let Reader { announced, detail, currency, account, state, .. } = *self;
        let name = announced.name;
        let missing = (state.part != Part::After).then(|| {
            settle::payout_row_missing(format!("{name}: the payout's row is not among its rows any more"))
        });
        let differs = || {
            (state.balance != detail.closing).then(|| {
                let what = format!("{name}: the payout's row is not the one that was announced");
                Hold::new(Cause::DoesNotAddUp, what, "fetch it again with retry")
            })
        };
        let wrong = account.filter(|account| !is_account(account, &detail.ledger, &detail.handles));
        let hold = wrong
            .map(|wanted| wrong_account(&name, &detail.ledger, &wanted))
            .or(state.hold)
            .or(missing)
            .or_else(differs);
        let money = |minor: i64| ledger::money::from_minor(minor, currency.digits());
        let unproved = detail.proof == Proof::Nothing && detail.opening != 0;
        let follows = PayoutId::parse(&detail.psp_reference, "").ok().and_then(|id| id.previous);
        let head = Head {
            name,
            currency,
            payout_on: announced.payout_on,
            payout: announced.payout,
            opening: money(detail.opening),
            closing: money(state.balance),
            account: account_of(&detail),
            window: false,
            fees_invoiced: state.fees.then_some(false),
        };
        GroupEnd::Settlement {
            head: Box::new(head),
            hold,
            open: false,
            follows: follows.filter(|_| unproved),
        }
    }
}

/// The sales unit's number, as the portal's report names the account; the ledger's id if it settles for several.
fn account_of(detail: &Detail) -> String {
    match detail.handles.as_slice() {
        [handle] => settle::number_of(handle).to_owned(),
        _ => detail.ledger.clone(),
    }
}
