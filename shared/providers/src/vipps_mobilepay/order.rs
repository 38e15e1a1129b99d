//! The ledger order of a sales unit's rows, found by its chain of balances.

use std::ops::Range;

use chrono::NaiveDate;
use ledger::{Cause, Hold};
use rust_decimal::Decimal;

/// The rank of a row that is neither fees nor payout: first on its day.
pub const OTHER: u8 = 0;
/// The rank of fees retained: before the payout.
pub const FEES: u8 = 1;
/// The rank of a payout: the last row of its day.
pub const PAYOUT: u8 = 2;

/// A row in memory: where its archived form stands, and what its order hangs on.
pub struct Entry {
    /// The archived form, within the buffer of all rows.
    pub json: Range<usize>,
    /// The row's number in the file.
    pub number: u64,
    /// The booking date.
    pub on: NaiveDate,
    /// [`OTHER`], [`FEES`] or [`PAYOUT`].
    pub rank: u8,
    /// The time, which sorts as text.
    pub time: Box<str>,
    /// What the row does to the balance.
    pub amount: Decimal,
    /// The balance after it.
    pub balance: Decimal,
}

/// A row whose balance does not follow from the row before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Break {
    row: u64,
    expected: Decimal,
    found: Decimal,
}

impl Break {
    /// The hold of what stands on a broken chain; `what` names it.
    pub fn hold(&self, what: &str, unit: &str) -> Hold {
        Hold::new(
            Cause::DoesNotAddUp,
            format!(
                "{what}: the balances of sales unit {unit} break at row {}: {} is expected after the row \
                 before, the row says {}",
                self.row, self.expected, self.found
            ),
            "export the report again with all rows of the sales unit, without a filter, and drop it in \
             the inbox",
        )
    }
}

/// Whether a row may stand after another, each given by day and whether it is a payout: days do not go
/// back, and the payout is the last row of its day.
pub fn may_follow(before: (NaiveDate, bool), after: (NaiveDate, bool)) -> bool {
    before <= after && !(before.1 && before.0 == after.0)
}

/// Puts a unit's rows in ledger order: as they stand, turned around, or by day, rank and time.
///
/// The chain of balances decides. Where several orders keep it (rows that return to the same balance),
/// the one whose days do not go back wins. Where none keeps it, the order with the fewest breaks is
/// given, with its first.
pub fn arrange(mut entries: Vec<Entry>) -> (Vec<Entry>, Option<Break>) {
    let count = entries.len();
    let by_day = |order: &mut Vec<usize>| {
        order.sort_by(|a, b| {
            let key = |index: usize| {
                let entry: &Entry = &entries[index];
                (entry.on, entry.rank, &entry.time)
            };
            key(*a).cmp(&key(*b))
        });
    };
    let mut candidates: Vec<Vec<usize>> = vec![
        (0..count).collect(),
        (0..count).rev().collect(),
        (0..count).collect(),
        (0..count).rev().collect(),
    ];
    candidates[2..].iter_mut().for_each(by_day);
    let best = candidates
        .into_iter()
        .map(|order| (breaks(&entries, &order), order))
        // min_by_key keeps the first of equals.
        .min_by_key(|((chain, days, _), _)| (*chain, *days));
    let Some(((chain, _, first), order)) = best else {
        return (entries, None);
    };
    let mut places: Vec<Option<Entry>> = entries.drain(..).map(Some).collect();
    let arranged = order.iter().filter_map(|index| places[*index].take()).collect();
    (arranged, first.filter(|_| chain > 0))
}

/// How often an order breaks the chain of balances, whether it breaks the order of days, and the first
/// broken row.
fn breaks(entries: &[Entry], order: &[usize]) -> (usize, bool, Option<Break>) {
    let mut chain = 0;
    let mut days = false;
    let mut first = None;
    for pair in order.windows(2) {
        let (before, after) = (&entries[pair[0]], &entries[pair[1]]);
        let expected = before.balance + after.amount;
        if expected != after.balance {
            chain += 1;
            first.get_or_insert(Break { row: after.number, expected, found: after.balance });
        }
        days |= !may_follow((before.on, before.rank == PAYOUT), (after.on, after.rank == PAYOUT));
    }
    (chain, days, first)
}
