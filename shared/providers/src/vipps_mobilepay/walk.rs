//! The walk over a ledger's dates: where payouts begin and end, and what is announced of them. Pure.
//!
//! The walk keeps one place per ledger: the date to ask for next, and what is open there. A date counts once it is
//! closed; until then nothing of it is used.

use std::collections::BTreeMap;

use chrono::{DateTime, Days, NaiveDate, Utc};
use edge::Error;
use ledger::{Cause, Hold, Name};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::NAME;
use super::entry::{Entry, Page, Then};
use super::settle::{self, Meaning, PayoutId};
use crate::{Announced, Ready};

/// How many days before the first payout day the walk begins, and begins anew as long as it finds no beginning: a
/// payout holds the rows of a month at most where it is monthly, and of more only while the balance is negative.
const BACK: [u64; 3] = [35, 100, 400];

/// The most pages that one date may have.
const PAGES_MAX: u64 = 10_000;

/// The most payouts that one date may have.
const PAYOUTS_MAX: usize = 100;

/// Where a connection's walk stands.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cursor {
    /// The first payout day that the walks were begun for.
    #[serde(default)]
    pub start_on: Option<NaiveDate>,
    /// The ledger whose turn it is; `None` for the first.
    #[serde(default)]
    pub turn: Option<String>,
    /// Each ledger's walk, by its id.
    #[serde(default)]
    pub ledgers: BTreeMap<String, Walk>,
}

/// The walk over one ledger.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Walk {
    /// The date to ask for next.
    pub next: NaiveDate,
    back: usize,
    place: Place,
    #[serde(default)]
    reading: Option<Reading>,
}

/// What is known after the last entry.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Place {
    /// The balance, once an entry was seen.
    balance: Option<i64>,
    /// The payout that is open, once an entry of it was seen.
    open: Option<Beginning>,
    /// The last payout's day and id.
    payout: Option<(NaiveDate, String)>,
}

/// Where a payout begins.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Beginning {
    on: NaiveDate,
    opening: i64,
    after: Option<String>,
    proof: Proof,
}

/// What proves that no row of the payout is missing at its beginning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Proof {
    /// The payout before it stands right before its first row.
    Payout,
    /// The ledger's first known row, at a balance of 0.
    Zero,
    /// Nothing: the first known row stands at another balance.
    Nothing,
}

/// A date that is being read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Reading {
    begun_at: DateTime<Utc>,
    cursor: Option<String>,
    laps: Laps,
    place: Place,
    found: Vec<Detail>,
}

/// What an announcement keeps of a payout: enough to fetch its rows and to prove them. Amounts in minor units.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Detail {
    /// The ledger's id.
    pub ledger: String,
    /// The sales units that the ledger settles for, in order.
    pub handles: Vec<String>,
    /// The first date with a row of the payout.
    pub first: NaiveDate,
    /// The date of the payout's row.
    pub last: NaiveDate,
    /// Set if the first date begins with rows of an earlier payout: that payout's id, after whose row this one's begin.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
    /// The payout row's id.
    pub psp_reference: String,
    /// The text for the bank.
    pub reference: String,
    /// Three letters.
    pub currency: String,
    /// What the payout does to the balance: negative.
    pub amount: i64,
    /// The balance before the first row.
    pub opening: i64,
    /// The balance after the payout's row.
    pub closing: i64,
    /// What proves the beginning.
    pub proof: Proof,
}

/// What reading one page of a date came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Read {
    /// The date goes on.
    On,
    /// The date is closed; these payouts end on it.
    Closed(Vec<Detail>),
    /// The date is open: ask again later.
    Open,
}

impl Walk {
    /// A walk that will find every payout from `start_on` on.
    pub fn new(start_on: NaiveDate) -> Walk {
        Walk::begun(start_on, 0)
    }

    fn begun(start_on: NaiveDate, back: usize) -> Walk {
        let days = Days::new(BACK[back.min(BACK.len() - 1)]);
        let next = start_on.checked_sub_days(days).unwrap_or(start_on);
        Walk { next, back, place: Place::default(), reading: None }
    }

    /// Where within the date the next page is.
    pub fn page(&self) -> Option<&str> {
        self.reading.as_ref()?.cursor.as_deref()
    }

    /// Whether any entry was seen.
    pub fn has_begun(&self) -> bool {
        self.place.balance.is_some()
    }

    /// Whether rows wait for a payout.
    pub fn is_open(&self) -> bool {
        self.place.open.is_some()
    }

    /// Forgets what was read of a date that is not finished, if that began before an instant.
    pub fn forget_before(&mut self, instant: DateTime<Utc>) {
        self.reading = self.reading.take().filter(|reading| reading.begun_at >= instant);
    }

    /// A date of which there is nothing.
    pub fn skip(&mut self) {
        self.reading = None;
        self.next = self.next.succ_opt().unwrap_or(self.next);
    }

    /// Takes one page of the date that is next.
    ///
    /// # Errors
    ///
    /// [`edge::Kind::Rejected`] if pages repeat or never end.
    pub fn take(
        &mut self,
        page: Page<'_>,
        (ledger, handles): (&str, &[String]),
        now: DateTime<Utc>,
    ) -> Result<Read, Error> {
        let on = self.next;
        let what = || format!("Vipps MobilePay: ledger {ledger}, {on}");
        let refused = |why: &str| Error::new(edge::Kind::Rejected, format!("{}: {why}", what()));
        let mut reading = self.reading.take().unwrap_or_else(|| Reading {
            begun_at: now,
            cursor: None,
            laps: Laps::default(),
            place: self.place.clone(),
            found: Vec::new(),
        });
        for entry in page.items {
            if let Some(payout) = reading.place.follow(on, &entry, ledger, handles) {
                if reading.found.len() >= PAYOUTS_MAX {
                    return Err(refused("the date has more payouts than a date can have"));
                }
                reading.found.push(payout);
            }
        }
        match page.then {
            Then::More(cursor) => {
                if !reading.laps.is_new(&cursor) {
                    return Err(refused("the pages repeat"));
                }
                reading.cursor = Some(cursor);
                self.reading = Some(reading);
                Ok(Read::On)
            }
            Then::Open => Ok(Read::Open),
            Then::Closed => {
                self.place = reading.place;
                self.skip();
                Ok(Read::Closed(reading.found))
            }
        }
    }

    /// Begins anew further back if a payout's beginning is not proved and there is anything further back to try.
    pub fn go_back(&mut self, payout: &Detail, start_on: NaiveDate) -> bool {
        let again = payout.proof == Proof::Nothing && self.back + 1 < BACK.len();
        if again {
            *self = Walk::begun(start_on, self.back + 1);
        }
        again
    }
}

impl Place {
    /// Goes on to the next entry; gives the payout that it closes, if it is a payout's row.
    fn follow(
        &mut self,
        on: NaiveDate,
        entry: &Entry<'_>,
        ledger: &str,
        handles: &[String],
    ) -> Option<Detail> {
        let is_payout = settle::entry_meaning(&entry.entry_type) == Some(Meaning::Payout);
        if is_payout && self.payout.as_ref().is_some_and(|(_, id)| *id == entry.psp_reference) {
            // The same row once more does not begin another payout. The fetch proves every row.
            return None;
        }
        let place = (self.balance, &self.payout);
        let open = self.open.get_or_insert_with(|| match place {
            (Some(balance), Some((day, id))) => Beginning {
                on,
                opening: balance,
                after: (*day == on).then(|| id.clone()),
                proof: Proof::Payout,
            },
            _ => Beginning {
                on,
                opening: entry.balance_before,
                after: None,
                proof: if entry.balance_before == 0 { Proof::Zero } else { Proof::Nothing },
            },
        });
        self.balance = Some(entry.balance_after);
        if !is_payout {
            return None;
        }
        let detail = Detail {
            ledger: ledger.to_owned(),
            handles: handles.to_vec(),
            first: open.on,
            last: on,
            after: open.after.take(),
            psp_reference: entry.psp_reference.clone().into_owned(),
            reference: entry.reference.clone().into_owned(),
            currency: entry.currency.clone().into_owned(),
            amount: entry.amount,
            opening: open.opening,
            closing: entry.balance_after,
            proof: open.proof,
        };
        self.open = None;
        self.payout = Some((on, detail.psp_reference.clone()));
        Some(detail)
    }
}

impl Detail {
    /// The payout as it is announced.
    ///
    /// # Errors
    ///
    /// [`edge::Kind::Rejected`] if its id, currency or amount cannot be used.
    pub fn announced(self) -> Result<Announced, Error> {
        let refused = |what: String| {
            let on = self.last;
            Error::new(
                edge::Kind::Rejected,
                format!("Vipps MobilePay: ledger {}, the payout of {on}: {what}", self.ledger),
            )
        };
        let id = PayoutId::parse(&self.psp_reference, "").map_err(refused)?;
        if id.ledger != self.ledger {
            return Err(refused(format!("its PSP reference {} names another ledger", id.id)));
        }
        let currency = settle::currency(&self.currency).map_err(refused)?;
        let amount = settle::minor(self.amount, currency).map_err(refused)?;
        let opening = settle::minor(self.opening, currency).map_err(refused)?;
        let name = Name { provider: NAME.to_owned(), scope: String::new(), id: id.id };
        let ready = match self.proof {
            Proof::Payout | Proof::Zero => Ready::Now,
            Proof::Nothing => Ready::Held(Hold::new(
                Cause::PayoutRowMissing,
                format!(
                    "{name}: the ledger's first row that could be read, of {}, stands at a balance of \
                     {opening}, and no payout came before it",
                    self.first
                ),
                "drop a Settlement report of the portal that begins with the payout before this one",
            )),
        };
        Ok(Announced {
            currency,
            payout_on: self.last,
            payout: settle::turned(amount),
            window: false,
            ready,
            detail: serde_json::to_value(&self)
                .map_err(|error| Error::bug(format!("{name}: not to be kept")).because(error))?,
            name,
        })
    }
}

/// Notices when cursors come back, by one kept mark that moves on at every doubling: whatever the length of the loop.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Laps {
    count: u64,
    mark: u64,
}

impl Laps {
    /// Whether the next page's cursor is another than those before, as far as this can tell yet; `false` too if there
    /// are more pages than a date can have.
    pub fn is_new(&mut self, cursor: &str) -> bool {
        let hash = Sha256::digest(cursor.as_bytes());
        let hash = hash.iter().take(8).fold(0, |sum: u64, byte| sum << 8 | u64::from(*byte));
        let seen = self.count > 0 && hash == self.mark;
        self.count += 1;
        if self.count.is_power_of_two() {
            self.mark = hash;
        }
        !seen && self.count <= PAGES_MAX
    }
}
