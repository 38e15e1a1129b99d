//! The pages of one settlement's balance transactions: each row to its line and archived form, and at the end the
//! proof. Pure; nothing is kept but running figures.

use std::collections::HashSet;
use std::hash::{BuildHasherDefault, Hasher};

use chrono::NaiveDate;
use ledger::{Cause, Head, Hold, Kind, Line, Totals};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use super::lines::Lines;
use super::payout::Detail;
use super::row::Row;
use crate::json::{Json, Seen};
use crate::{Announced, EachRow, GroupEnd, Next, Pages, ReadError, Terms};

/// The version of [`State`].
const VERSION: u32 = 1;

/// More pages than any settlement has: 100 million rows.
const PAGES_MAX: u64 = 1_000_000;

/// What is remembered from page to page.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct State {
    version: u32,
    pages: u64,
    totals: Totals,
    /// The payout's own row.
    own: Option<Own>,
    /// Rows whose fee details do not add up to their fee, none of them stating VAT.
    fee_details_differ: u64,
    /// The marks of the last page's rows.
    last: Vec<u64>,
    /// The mark of a row at the end of some earlier page, moved on at each power of two: pages that go in a circle
    /// come by it, however long the circle is.
    milestone: Option<u64>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Own {
    id: String,
    amount: i64,
    on: NaiveDate,
}

/// Reads the pages of one settlement.
pub struct RowPages {
    lines: Lines,
    settlement: Announced,
    detail: Detail,
    state: State,
    /// The rows of the page before.
    before: Marks,
    /// The rows of the page at hand.
    now: Marks,
    archived: Vec<u8>,
}

impl std::fmt::Debug for RowPages {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RowPages").field("name", &self.settlement.name).finish_non_exhaustive()
    }
}

impl RowPages {
    /// From the first page, or from a state that [`Pages::state`] gave.
    ///
    /// # Errors
    ///
    /// [`ReadError`] if the announcement or the state cannot be read by this version.
    pub fn new(
        terms: &Terms,
        settlement: &Announced,
        state: Option<&serde_json::Value>,
    ) -> Result<RowPages, ReadError> {
        let state = match state {
            None => State { version: VERSION, ..State::default() },
            Some(state) => State::deserialize(state)
                .map_err(|error| ReadError::new("state", error.to_string()))
                .and_then(|state| match state.version {
                    VERSION => Ok(state),
                    other => {
                        Err(ReadError::new("state", format!("is of version {other}; fetch the rows anew")))
                    }
                })?,
        };
        let detail = Detail::deserialize(&settlement.detail)
            .map_err(|error| ReadError::new("announcement", error.to_string()))?;
        Ok(RowPages {
            lines: Lines::new(terms),
            settlement: settlement.clone(),
            detail,
            before: state.last.iter().copied().collect(),
            now: Marks::default(),
            state,
            archived: Vec::new(),
        })
    }

    /// Reads one page as [`Pages::read`] does, without making the archived form of its rows.
    ///
    /// # Errors
    ///
    /// As [`Pages::read`].
    pub fn read_lines(
        &mut self,
        body: &[u8],
        mut each: impl FnMut(&Line<'_>) -> Result<(), Hold>,
    ) -> Result<Next, ReadError> {
        self.fold::<false>(body, |line, _| each(line))
    }

    fn fold<const ARCHIVE: bool>(
        &mut self,
        body: &[u8],
        mut each: impl FnMut(&Line<'_>, &[u8]) -> Result<(), Hold>,
    ) -> Result<Next, ReadError> {
        self.state.pages += 1;
        if self.state.pages > PAGES_MAX {
            return Err(ReadError::new("page", "there are more pages than any settlement has"));
        }
        self.now.clear();
        let mut last_id = None;
        let mut has_more = false;
        let mut seen = Seen::default();
        let mut json = Json::new(body)?;
        json.object()?;
        while let Some(key) = json.key()? {
            match key {
                "data" => {
                    json.once(&mut seen, 0, "data")?;
                    json.array()?;
                    while json.item()? {
                        let row = Row::read(&mut json)?;
                        let line = self.lines.line(&row)?;
                        self.count(&row, &line)?;
                        if ARCHIVE {
                            self.archived.clear();
                            row.write(&mut self.archived, self.lines.tags());
                        }
                        each(&line, &self.archived).map_err(|hold| ReadError {
                            at: row.id.to_string(),
                            what: hold.what,
                            cause: hold.cause,
                        })?;
                        last_id = Some(row.id);
                    }
                }
                "has_more" => {
                    json.once(&mut seen, 1, "has_more")?;
                    has_more = json.flag("has_more")?;
                }
                _ => json.skip()?,
            }
        }
        json.end()?;
        if !seen.has(0) || !seen.has(1) {
            return Err(ReadError::new("page", "is no list of Stripe's: data or has_more is missing"));
        }
        let next = match (has_more, last_id) {
            (false, _) => Next::Done,
            (true, None) => return Err(ReadError::new("page", "is empty, but more are said to follow")),
            (true, Some(id)) => {
                if self.state.pages.is_power_of_two() {
                    self.state.milestone = Some(mark(id));
                }
                Next::Page(id.to_owned())
            }
        };
        std::mem::swap(&mut self.before, &mut self.now);
        Ok(next)
    }

    /// Checks a row against the settlement and the rows before it, and adds it to the figures.
    fn count(&mut self, row: &Row<'_>, line: &Line<'_>) -> Result<(), ReadError> {
        let wrong = |cause: Cause, what: String| ReadError { at: row.id.to_string(), what, cause };
        let mark = mark(row.id);
        if self.state.milestone == Some(mark) || self.before.contains(&mark) || !self.now.insert(mark) {
            return Err(wrong(Cause::Schema, "the row comes twice: the pages repeat themselves".to_owned()));
        }
        if line.currency != self.settlement.currency {
            let what =
                format!("the row is in {}, the settlement in {}", line.currency, self.settlement.currency);
            return Err(wrong(Cause::DoesNotAddUp, what));
        }
        if let (Some(from), Some(until)) = (self.detail.gte, self.detail.lt)
            && !(from..until).contains(&row.created)
        {
            let what = format!("created {} is not within the window that was asked for", row.created);
            return Err(wrong(Cause::Schema, what));
        }
        if row.fees.sum != row.fee {
            self.state.fee_details_differ += 1;
        }
        self.state.totals.add(line).map_err(|hold| wrong(hold.cause, hold.what))?;
        if line.kind == Kind::Payout && row.type_ == "payout" && row.source.id == self.settlement.name.id {
            self.state.own = Some(Own { id: row.id.to_string(), amount: row.amount, on: line.on });
        }
        Ok(())
    }

    /// What the payout says against what its own row says; windows have none.
    fn prove_payout(&self) -> Result<(), Hold> {
        let Announced { name, currency, window: false, .. } = &self.settlement else {
            return Ok(());
        };
        let totals = &self.state.totals;
        let wrong = |what: String| {
            Hold::new(
                Cause::DoesNotAddUp,
                format!("{name}: {what}"),
                "compare the payout in Stripe's dashboard, then fetch it again: bilag retry",
            )
        };
        let Some(own) = &self.state.own else {
            return Err(Hold::new(
                Cause::PayoutRowMissing,
                format!(
                    "{name}: {} rows add up to {} {currency}, but the payout's own row is not among them; the payout \
                     is {}",
                    totals.rows,
                    totals.net() + totals.payout - totals.payout_fee,
                    self.settlement.payout,
                ),
                "fetch the payout again later: bilag retry; or drop the payout reconciliation report in the inbox",
            ));
        };
        if totals.payout_rows != 1 {
            return Err(wrong(format!("{} payout rows where one is expected", totals.payout_rows)));
        }
        let amount = self.detail.amount.unwrap_or_default();
        if i128::from(own.amount) != -i128::from(amount) {
            return Err(wrong(format!(
                "the payout is {amount}, its own row {} (in minor units)",
                own.amount
            )));
        }
        match &self.detail.balance_transaction {
            Some(stated) if *stated != own.id => {
                Err(wrong(format!("the payout names the row {stated}, the rows have {}", own.id)))
            }
            _ => Ok(()),
        }
    }
}

impl Pages for RowPages {
    fn read(&mut self, body: &[u8], each: EachRow<'_>) -> Result<Next, ReadError> {
        self.fold::<true>(body, each)
    }

    fn state(&self) -> serde_json::Value {
        let mut last: Vec<u64> = self.before.iter().copied().collect();
        last.sort_unstable();
        // Figures and texts always have a JSON form.
        serde_json::to_value(State { last, ..self.state.clone() }).unwrap_or_default()
    }

    fn end(self: Box<Self>) -> GroupEnd {
        let totals = &self.state.totals;
        let settlement = &self.settlement;
        let window = settlement.window;
        let head = Head {
            name: settlement.name.clone(),
            currency: settlement.currency,
            payout_on: self.state.own.as_ref().map_or(settlement.payout_on, |own| own.on),
            // The negative of 0 would be written as "-0".
            payout: if totals.payout.is_zero() { Decimal::ZERO } else { -totals.payout },
            opening: Decimal::ZERO,
            closing: if window { totals.net() + totals.payout - totals.payout_fee } else { Decimal::ZERO },
            account: String::new(),
            window,
            fees_invoiced: (!totals.fee.is_zero()).then_some(false),
        };
        let hold = self.prove_payout().and_then(|()| totals.prove(&head)).err();
        GroupEnd::Settlement { head: Box::new(head), hold, open: false, follows: None }
    }
}

/// Rows as marks, which are spread well enough to be their own hashes.
type Marks = HashSet<u64, BuildHasherDefault<AsIs>>;

/// A mark of a row's id: 64 bits, so that two ids of one settlement do not share one by chance. The same in every
/// version, since states keep them.
fn mark(id: &str) -> u64 {
    let bytes = id.as_bytes();
    let mut mark = bytes.len() as u64;
    let mut add = |word: u64| mark = (mark.rotate_left(23) ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let (eights, rest) = bytes.as_chunks::<8>();
    for eight in eights {
        add(u64::from_le_bytes(*eight));
    }
    let mut last = [0; 8];
    last[..rest.len()].copy_from_slice(rest);
    add(u64::from_le_bytes(last));
    mark ^ mark >> 29
}

#[derive(Clone, Copy, Debug, Default)]
struct AsIs(u64);

impl Hasher for AsIs {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u64(&mut self, mark: u64) {
        self.0 = mark;
    }
}
