//! Ledgers made from a seed.

use chrono::{Days, NaiveDate};

use super::ledger::Ledger;
use crate::huge::Huge;
use crate::random::Random;
use crate::truth::Soundness;

/// Makes a ledger's dates one after the other.
pub(super) struct Maker {
    pub ledger: Ledger,
    random: Random,
    next_on: NaiveDate,
    orders: u64,
    /// Fees of captures near the cut-off, which come on the next date.
    late: Vec<(String, String, i64)>,
}

/// The shapes of sound payouts, in the order in which a ledger gets them.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Shape {
    ManyCaptures,
    Refunds,
    Disputes,
    NegativeForDays,
    TopUpAndServiceFee,
    Aborted,
}

const SHAPES: [Shape; 6] = [
    Shape::ManyCaptures,
    Shape::Refunds,
    Shape::Disputes,
    Shape::NegativeForDays,
    Shape::TopUpAndServiceFee,
    Shape::Aborted,
];

impl Maker {
    pub fn new(seed: u64, msn: &'static str, gross: bool, first_on: NaiveDate) -> Maker {
        let mut random = Random::new(seed, msn);
        let ledger = Ledger::new(format!("4{:05}", random.below(100_000)), msn, gross);
        Maker { ledger, random, next_on: first_on, orders: 0, late: Vec::new() }
    }

    /// The next date is `on`, unless it is over already.
    pub fn start_at(&mut self, on: NaiveDate) {
        self.next_on = self.next_on.max(on);
    }

    /// Adds `count` sound payouts, the first one of this shape.
    pub fn add_sound(&mut self, count: usize, first: usize, soundness: Soundness) {
        for index in first..first + count {
            self.shape(SHAPES[index % SHAPES.len()], index, soundness);
        }
    }

    /// Adds a payout whose chain of balances is broken and one with a type that nobody knows.
    pub fn add_unsound(&mut self) {
        self.begin();
        self.captures(4, false);
        self.end("payout-scheduled", Soundness::Unsound("does-not-add-up"));
        self.ledger.break_chain();
        self.begin();
        self.captures(4, false);
        let psp = self.ledger.psp();
        self.ledger.put("loyalty-bonus", &psp, "", 4_200);
        self.end("payout-scheduled", Soundness::Unsound("unknown-line"));
    }

    /// Adds a date that stays open.
    pub fn add_waiting(&mut self) {
        self.begin();
        self.captures(5, false);
        self.end("payout-scheduled", Soundness::Waiting);
        self.ledger.leave_open();
    }

    /// Adds a date with `rows` captures that are worked out when asked for.
    pub fn add_huge(&mut self, seed: u64, rows: u64) {
        // What came late must not meet the huge date, which starts from nothing.
        if !self.late.is_empty() {
            self.begin();
            self.captures(1, false);
            self.end("payout-scheduled", Soundness::Sound);
        }
        let on = self.next_on;
        self.next_on = on + Days::new(1);
        self.ledger.add_huge(on, Huge::new(seed, rows));
    }

    /// Aborts a payout: its money comes back on the next date and is paid out again.
    pub fn abort(&mut self, number: &str, today: NaiveDate) -> bool {
        let found = self.ledger.payouts.iter_mut().find(|payout| payout.id == number && !payout.returned);
        let Some(payout) = found.filter(|payout| payout.soundness != Soundness::Waiting) else {
            return false;
        };
        if self.ledger.open_from.is_some() {
            return false;
        }
        payout.returned = true;
        let (id, amount) = (payout.id.clone(), payout.amount);
        self.start_at(today);
        self.begin();
        self.ledger.put("payout-aborted", &id, "", amount);
        self.captures(2, false);
        self.end("payout-scheduled", Soundness::Sound);
        true
    }

    fn begin(&mut self) {
        let on = self.next_on;
        self.next_on = on + Days::new(1);
        self.ledger.begin(on);
        for (psp, reference, fee) in std::mem::take(&mut self.late) {
            self.ledger.put_fee("capture-fee", &psp, &reference, fee);
        }
    }

    fn end(&mut self, kind: &'static str, soundness: Soundness) {
        self.ledger.retain(false);
        self.ledger.pay(kind, soundness);
    }

    /// Captures with their fees, some of them two; gives PSP reference, reference and amount of each. The fee
    /// of the last one comes late if `late`.
    fn captures(&mut self, count: u64, late: bool) -> Vec<(String, String, i64)> {
        let mut made = Vec::new();
        for index in 0..count {
            self.orders += 1;
            let (psp, reference) = (self.ledger.psp(), format!("kasse-{:05}", self.orders));
            let amount = self.random.amount(2_500, 89_900);
            let fee = -(amount * 175 / 10_000 + 100);
            self.ledger.put("capture", &psp, &reference, amount);
            if late && index + 1 == count {
                self.late.push((psp.clone(), reference.clone(), fee));
            } else {
                self.ledger.put_fee("capture-fee", &psp, &reference, fee);
                if index % 5 == 3 {
                    self.ledger.put_fee("capture-fee", &psp, &reference, -25);
                }
            }
            made.push((psp, reference, amount));
        }
        made
    }

    fn refund(&mut self, of: &(String, String, i64), amount: i64) {
        let psp = self.ledger.psp();
        self.ledger.put("refund", &psp, &of.1, -amount);
    }

    fn shape(&mut self, shape: Shape, index: usize, soundness: Soundness) {
        // Documents before 2024 call the payout's row by its other name; both are met.
        let kind = if index % 6 == 1 { "scheduled-for-payout" } else { "payout-scheduled" };
        self.begin();
        match shape {
            Shape::ManyCaptures => {
                let count = 60 + self.random.below(30);
                self.captures(count, false);
            }
            Shape::Refunds => {
                let made = self.captures(6, true);
                self.refund(&made[0], made[0].2);
                self.refund(&made[1], made[1].2 / 2);
                self.refund(&made[1], made[1].2 / 4);
            }
            Shape::Disputes => {
                let made = self.captures(6, false);
                let (first, second) = (&made[0], &made[1]);
                self.ledger.put("retained-disputed-capture", &first.0, &first.1, -first.2);
                self.ledger.put("retained-disputed-capture", &second.0, &second.1, -second.2);
                self.ledger.put("returned-disputed-capture", &second.0, &second.1, second.2);
                let psp = self.ledger.psp();
                self.ledger.put("correction", &psp, "", -150);
            }
            Shape::NegativeForDays => {
                let made = self.captures(3, false);
                let sum: i64 = made.iter().map(|made| made.2).sum();
                for made in &made {
                    self.refund(made, made.2);
                }
                let older = ("".to_owned(), "kasse-00000".to_owned(), 0);
                self.refund(&older, sum / 2 + 20_000);
                self.ledger.retain(false);
                self.begin();
                self.captures(1, false);
                self.ledger.retain(false);
                // Sales until something is owed again, on a date of their own.
                self.begin();
                while self.ledger.balance() < 50_000 {
                    self.captures(2, false);
                }
            }
            Shape::TopUpAndServiceFee => {
                self.captures(4, false);
                let psp = self.ledger.psp();
                self.ledger.put("top-up", &psp, "", 50_000);
                let psp = self.ledger.psp();
                self.ledger.put_fee("service-fee", &psp, "", -9_900);
            }
            Shape::Aborted => {
                let aborted = self.ledger.payouts.last_mut().filter(|payout| !payout.returned);
                if let Some(payout) = aborted {
                    payout.returned = true;
                    let (id, amount) = (payout.id.clone(), payout.amount);
                    self.ledger.put("payout-aborted", &id, "", amount);
                }
                let made = self.captures(5, false);
                self.refund(&made[2], made[2].2);
                let psp = self.ledger.psp();
                self.ledger.put("correction", &psp, "", 300);
            }
        }
        self.ledger.retain(index % 6 == 5);
        self.ledger.pay(kind, soundness);
    }
}
