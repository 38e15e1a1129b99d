//! The simulated account: payouts made from a seed, with their rows.

use chrono::{DateTime, Datelike, Days, NaiveDate, NaiveTime, Utc, Weekday};
use serde_json::{Value, json};

use super::rows::{Movement, Row};
use super::shapes::{SHAPES, Shape};
use crate::huge::Huge;
use crate::random::Random;
use crate::truth::{Expected, Reversal, Soundness, Truth};

/// How much greater an amended charge is, in minor units.
const AMENDED_BY: i64 = 100;

/// Rows of one payout, newest first; the payout's own row comes first.
pub(super) enum Rows {
    Stored(Vec<Row>),
    Huge(Huge),
}

/// One payout and the rows that it holds.
pub(super) struct Payout {
    pub amount: i64,
    pub created: i64,
    pub automatic: bool,
    /// Stripe has not finished saying which rows it holds.
    pub waiting: bool,
    /// A row that the list of this payout leaves out.
    pub missing: Option<u64>,
    /// Where the money came back: payout and row.
    pub failure: Option<(usize, u64)>,
    pub soundness: Soundness,
    pub rows: Rows,
    /// Seconds between the payout before and this one; the rows lie in them.
    window: i64,
}

/// All payouts, oldest first.
pub(super) struct World {
    tag: String,
    pub payouts: Vec<Payout>,
    /// Sums up orders, so that no number comes twice.
    pub(super) orders: u64,
    pub(super) random: Random,
    next_on: NaiveDate,
}

impl World {
    /// An account without payouts whose first one is made on `base_on`.
    pub fn new(seed: u64, base_on: NaiveDate) -> World {
        let mut random = Random::new(seed, "stripe");
        World { tag: random.text(4), payouts: Vec::new(), orders: 1000, random, next_on: base_on }
    }

    /// The next payout is made on `on`, unless that day is over already.
    pub fn start_at(&mut self, on: NaiveDate) {
        self.next_on = self.next_on.max(on);
    }

    /// Adds `count` sound payouts, the first one of this shape.
    pub fn add_sound(&mut self, count: usize, first: usize, soundness: Soundness) {
        for index in first..first + count {
            let rows = self.shape(SHAPES[index % SHAPES.len()]);
            self.add(rows, soundness);
        }
    }

    /// Adds one payout that does not add up, one with a type that nobody knows and one made by hand.
    pub fn add_unsound(&mut self) {
        let rows = self.shape(Shape::Refunds);
        let index = self.add(rows, Soundness::Unsound("does-not-add-up"));
        self.payouts[index].missing = Some(2);
        let mut rows = self.shape(Shape::Refunds);
        rows.push(Row::new(Movement::New, 4_200));
        self.add(rows, Soundness::Unsound("unknown-line"));
        let rows = self.charges(3);
        let index = self.add(rows, Soundness::Unsound("manual-payout"));
        self.payouts[index].automatic = false;
    }

    /// Adds a payout whose list of rows is not finished.
    pub fn add_waiting(&mut self) {
        let rows = self.shape(Shape::Refunds);
        let index = self.add(rows, Soundness::Waiting);
        self.payouts[index].waiting = true;
    }

    /// Adds a payout of `rows` sales that are worked out when asked for.
    pub fn add_huge(&mut self, seed: u64, rows: u64) {
        let huge = Huge::new(seed, rows);
        let (amounts, fees) = huge.sums();
        self.push(amounts - fees, Soundness::Sound, Rows::Huge(huge), 4 * 3600);
    }

    /// Lets an automatic payout come back: its row stands in a new payout, made at `now`. False if there is
    /// no such payout or it came back already.
    pub fn fail(&mut self, index: usize, now: i64) -> bool {
        let Some(payout) = self.payouts.get(index) else {
            return false;
        };
        if payout.failure.is_some() || !payout.automatic || payout.waiting {
            return false;
        }
        let amount = payout.amount;
        let mut rows = self.charges(2);
        rows.push(Row { original: Some((index, 0)), ..Row::new(Movement::PayoutFailure, amount) });
        let last = self.payouts.last().map_or(0, |last| last.created);
        let new = self.add(rows, Soundness::Sound);
        let payout = &mut self.payouts[new];
        payout.created = now.max(last + 60);
        payout.window = (payout.created - last - 1).clamp(1, 80_000);
        self.link_failure(new);
        true
    }

    /// Lets a payout's first charge and its fee be greater by the same amount from now on, as a provider does that
    /// finds a row to have been wrong. False if the payout has no plain charge.
    pub fn amend(&mut self, index: usize) -> bool {
        let Some(Payout { rows: Rows::Stored(rows), .. }) = self.payouts.get_mut(index) else {
            return false;
        };
        let charge = rows.iter_mut().find(|row| row.movement == Movement::Charge && row.rate.is_none());
        charge.is_some_and(|charge| {
            charge.amount += AMENDED_BY;
            charge.fee += AMENDED_BY;
            true
        })
    }

    /// Finishes the list of a waiting payout. False if it does not wait.
    pub fn settle(&mut self, index: usize) -> bool {
        let Some(payout) = self.payouts.get_mut(index).filter(|payout| payout.waiting) else {
            return false;
        };
        payout.waiting = false;
        payout.soundness = Soundness::Sound;
        true
    }

    /// The payout with an id.
    pub fn find(&self, id: &str) -> Option<usize> {
        let index = id.strip_prefix("po_1S")?.strip_prefix(self.tag.as_str())?.parse().ok()?;
        (self.payout_id(index) == id && index < self.payouts.len()).then_some(index)
    }

    /// The row with an id.
    pub fn find_row(&self, id: &str) -> Option<(usize, u64)> {
        let rest = id.strip_prefix("txn_1S")?.strip_prefix(self.tag.as_str())?;
        let (index, row) = rest.split_at_checked(6)?;
        let (index, row) = (index.parse().ok()?, row.parse().ok()?);
        (self.row_id(index, row) == id && row < self.payouts.get(index)?.len()).then_some((index, row))
    }

    pub fn payout_id(&self, index: usize) -> String {
        format!("po_1S{}{index:06}", self.tag)
    }

    pub fn row_id(&self, index: usize, row: u64) -> String {
        format!("txn_1S{}{index:06}{row:08}", self.tag)
    }

    /// The id of what caused a row.
    pub fn source_id(&self, index: usize, row: u64, of: &Row) -> Option<String> {
        match of.movement {
            Movement::Payout => Some(self.payout_id(index)),
            Movement::PayoutFailure => of.original.map(|(failed, _)| self.payout_id(failed)),
            movement if movement.prefix().is_empty() => None,
            movement => Some(format!("{}{}{index:06}{row:08}", movement.prefix(), self.tag)),
        }
    }

    /// The charge that a row undoes.
    pub fn original_id(&self, of: &Row) -> Option<String> {
        let (index, row) = of.original?;
        let original = self.payouts.get(index)?.row(row)?;
        self.source_id(index, row, &original)
    }

    /// The payout as the API shows it at `now`.
    pub fn payout_json(&self, index: usize, now: i64) -> Option<Value> {
        let payout = self.payouts.get(index)?;
        let failed_at = payout
            .failure
            .and_then(|(later, row)| Some((later, row, self.payouts.get(later)?.row_created(row))));
        let failure = failed_at.filter(|(.., at)| *at <= now);
        let arrival = payout.arrival();
        let status = match failure {
            Some(_) => "failed",
            None if payout.waiting || arrival > now => "in_transit",
            None => "paid",
        };
        let paid = status == "paid";
        Some(json!({
            "id": self.payout_id(index),
            "object": "payout",
            "amount": payout.amount,
            "application_fee": null,
            "application_fee_amount": null,
            "arrival_date": arrival,
            "automatic": payout.automatic,
            "balance_transaction": self.row_id(index, 0),
            "created": payout.created,
            "currency": "nok",
            "description": if payout.automatic { Value::from("STRIPE PAYOUT") } else { Value::Null },
            "destination": format!("ba_1S{}000001", self.tag),
            "failure_balance_transaction": failure.map(|(later, row, _)| self.row_id(later, row)),
            "failure_code": failure.map(|_| "account_closed"),
            "failure_message": failure.map(|_| "The bank account has been closed"),
            "livemode": false,
            "metadata": {},
            "method": "standard",
            "original_payout": null,
            "payout_method": null,
            "reconciliation_status": match (payout.automatic, payout.waiting) {
                (false, _) => "not_applicable",
                (true, true) => "in_progress",
                (true, false) => "completed",
            },
            "reversed_by": null,
            "source_type": "card",
            "statement_descriptor": if payout.automatic { Value::Null } else { Value::from("NORDLYS UKE") },
            "status": status,
            "trace_id": {
                "status": if paid { "supported" } else { "pending" },
                "value": paid.then(|| format!("2026{}{index:06}", self.tag.to_uppercase())),
            },
            "type": "bank_account",
        }))
    }

    /// What the payouts made until `now` really are.
    pub fn truths(&self, now: i64) -> Vec<Truth> {
        let visible = self.payouts.iter().enumerate().filter(|(_, payout)| payout.created <= now);
        visible
            .map(|(index, payout)| Truth {
                provider: "stripe",
                id: self.payout_id(index),
                account: String::new(),
                on: payout.on(),
                amount: payout.amount,
                currency: "NOK",
                rows: payout.len() - 1,
                soundness: payout.soundness,
                returned: payout.failure.is_some(),
                reversals: self.reversals(payout),
                expected: payout.expected(),
            })
            .collect()
    }

    /// The payouts whose return stands in a payout.
    fn reversals(&self, payout: &Payout) -> Vec<Reversal> {
        let Rows::Stored(rows) = &payout.rows else {
            return Vec::new();
        };
        let returns = rows.iter().enumerate().filter(|(_, row)| row.movement == Movement::PayoutFailure);
        returns
            .filter_map(|(place, row)| {
                let (failed, _) = row.original?;
                let on = day_in_oslo(payout.row_created(place as u64));
                Some(Reversal { of: self.payout_id(failed), on, amount: row.amount })
            })
            .collect()
    }

    /// Makes a payout of rows that come oldest first.
    fn add(&mut self, mut rows: Vec<Row>, soundness: Soundness) -> usize {
        // They stand newest first behind the payout's own row.
        let (count, making) = (rows.len() as u64, self.payouts.len());
        for row in &mut rows {
            if let Some((index, of)) = row.original.filter(|(index, _)| *index == making) {
                row.original = Some((index, count - of));
            }
        }
        rows.reverse();
        let amount: i64 = rows.iter().map(Row::net).sum();
        rows.insert(0, Row::new(Movement::Payout, -amount));
        // One in three is made shortly before midnight UTC, which is the next day in Oslo.
        let at = if self.payouts.len() % 3 == 2 { 23 * 3600 + 1800 } else { 4 * 3600 + 600 };
        let index = self.push(amount, soundness, Rows::Stored(rows), at);
        self.link_failure(index);
        index
    }

    /// Names the row of a payout that came back in the payout itself.
    fn link_failure(&mut self, index: usize) {
        let Rows::Stored(rows) = &self.payouts[index].rows else {
            return;
        };
        let returned = rows.iter().position(|row| row.movement == Movement::PayoutFailure);
        let Some((row, (failed, _))) = returned.and_then(|row| Some((row, rows[row].original?))) else {
            return;
        };
        self.payouts[failed].failure = Some((index, row as u64));
    }

    fn push(&mut self, amount: i64, soundness: Soundness, rows: Rows, at: i64) -> usize {
        let created = self.next_on.and_time(NaiveTime::MIN).and_utc().timestamp() + at;
        let window = self.payouts.last().map_or(80_000, |last| created - last.created - 1);
        self.next_on = self.next_on + Days::new(1);
        self.payouts.push(Payout {
            amount,
            created,
            automatic: true,
            waiting: false,
            missing: None,
            failure: None,
            soundness,
            rows,
            window: window.min(80_000),
        });
        self.payouts.len() - 1
    }
}

impl Payout {
    /// Number of rows with the payout's own.
    pub fn len(&self) -> u64 {
        match &self.rows {
            Rows::Stored(rows) => rows.len() as u64,
            Rows::Huge(huge) => huge.rows() + 1,
        }
    }

    /// A row by its place, newest first.
    pub fn row(&self, place: u64) -> Option<Row> {
        match &self.rows {
            Rows::Stored(rows) => rows.get(usize::try_from(place).ok()?).cloned(),
            Rows::Huge(_) if place == 0 => Some(Row::new(Movement::Payout, -self.amount)),
            Rows::Huge(huge) => {
                let (amount, fee) = (place <= huge.rows()).then(|| huge.row(place - 1))?;
                Some(Row { order: place, ..Row::new(Movement::Charge, amount).with_fee(fee) })
            }
        }
    }

    /// When a row was made.
    pub fn row_created(&self, place: u64) -> i64 {
        let (place, count) = (i64::try_from(place).unwrap_or(0), i64::try_from(self.len()).unwrap_or(1));
        self.created - place * self.window / count
    }

    /// Whether the list of this payout shows a row.
    pub fn lists(&self, place: u64) -> bool {
        self.missing != Some(place) && !(self.waiting && place > self.len() / 2)
    }

    /// Midnight UTC of the expected bank day.
    pub fn arrival(&self) -> i64 {
        let day = DateTime::<Utc>::from_timestamp(self.created, 0).unwrap_or_default().date_naive();
        let mut arrival = day + Days::new(2);
        while matches!(arrival.weekday(), Weekday::Sat | Weekday::Sun) {
            arrival = arrival + Days::new(1);
        }
        arrival.and_time(NaiveTime::MIN).and_utc().timestamp()
    }

    /// The day it was made, in Oslo.
    fn on(&self) -> NaiveDate {
        day_in_oslo(self.created)
    }

    fn expected(&self) -> Expected {
        let mut expected = Expected::default();
        let mut add = |row: &Row| expected.add(row.movement.words().2, row.amount, row.fee, row.vat);
        match &self.rows {
            Rows::Stored(rows) => rows.iter().for_each(&mut add),
            Rows::Huge(huge) => {
                let (amounts, fees) = huge.sums();
                add(&Row::new(Movement::Charge, amounts).with_fee(fees));
                add(&Row::new(Movement::Payout, -self.amount));
            }
        }
        expected
    }
}

fn day_in_oslo(at: i64) -> NaiveDate {
    let at = DateTime::<Utc>::from_timestamp(at, 0).unwrap_or_default();
    at.with_timezone(&chrono_tz::Europe::Oslo).date_naive()
}
