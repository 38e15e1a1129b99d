//! The shapes of payouts: which rows a seed puts into them.

use super::rows::{Movement, Row};
use super::world::{Rows, World};

/// The shapes of sound payouts, in the order in which a world gets them.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    ManyCharges,
    Refunds,
    Disputes,
    FeesWithVat,
    Negative,
    HoldsAndReturn,
}

pub(super) const SHAPES: [Shape; 6] = [
    Shape::ManyCharges,
    Shape::Refunds,
    Shape::Disputes,
    Shape::FeesWithVat,
    Shape::Negative,
    Shape::HoldsAndReturn,
];

impl World {
    fn charge(&mut self) -> Row {
        let amount = self.random.amount(4_900, 299_900);
        self.orders += 1;
        let movement = if self.random.chance(15) { Movement::Payment } else { Movement::Charge };
        let row = Row { order: self.orders, ..Row::new(movement, amount) };
        row.with_fee(amount * 24 / 1000 + 200)
    }

    pub(super) fn charges(&mut self, count: usize) -> Vec<Row> {
        (0..count).map(|_| self.charge()).collect()
    }

    /// A row that undoes part of the charge at `of`, counted from the oldest row of the payout that is being
    /// made.
    fn undo(&mut self, rows: &[Row], of: usize, movement: Movement, amount: i64) -> Row {
        Row {
            order: rows[of].order,
            original: Some((self.payouts.len(), of as u64)),
            ..Row::new(movement, amount)
        }
    }

    /// The rows of one shape, oldest first.
    pub(super) fn shape(&mut self, shape: Shape) -> Vec<Row> {
        let mut rows = match shape {
            Shape::ManyCharges => {
                let count = self.random.amount(180, 260);
                self.charges(usize::try_from(count).unwrap_or(200))
            }
            _ => {
                let count = self.random.amount(5, 9);
                self.charges(usize::try_from(count).unwrap_or(5))
            }
        };
        match shape {
            Shape::ManyCharges => {}
            Shape::Refunds => {
                let full = self.undo(&rows, 0, Movement::Refund, -rows[0].amount);
                let part = self
                    .undo(&rows, 1, Movement::PartialCaptureReversal, -rows[1].amount / 10)
                    .with_fee(-125);
                let payment = self.undo(&rows, 2, Movement::PaymentRefund, -rows[2].amount / 2);
                let failed = self.undo(&rows, 2, Movement::RefundFailure, rows[2].amount / 4);
                rows.extend([full, part, payment, failed]);
            }
            Shape::Disputes => {
                let lost = self.undo(&rows, 0, Movement::Dispute, -rows[0].amount).with_fee(15_000);
                let won = self.undo(&rows, 1, Movement::DisputeReversal, rows[1].amount).with_fee(-15_000);
                rows.extend([lost, won]);
            }
            Shape::FeesWithVat => {
                for row in &mut rows {
                    row.vat = row.fee / 4;
                    row.fee += row.vat;
                }
                let euro = self.random.amount(20, 400) * 100;
                let rate = self.random.amount(112_000, 119_000);
                let amount = euro * rate / 10_000;
                let fee = amount * 35 / 1000 + 200;
                self.orders += 1;
                let charge =
                    Row { order: self.orders, rate: Some(rate), ..Row::new(Movement::Charge, amount) };
                rows.push(Row { vat: fee / 5, ..charge.with_fee(fee) });
                rows.push(Row::new(Movement::StripeFee, -1_250));
                rows.push(Row::new(Movement::TaxFee, -313));
            }
            Shape::Negative => {
                for of in 0..rows.len() {
                    let refund = self.undo(&rows, of, Movement::Refund, -rows[of].amount);
                    rows.push(refund);
                }
                // Money that older sales brought.
                self.orders += 1;
                let order = self.orders;
                let amount = -self.random.amount(10_000, 40_000);
                rows.push(Row { order, ..Row::new(Movement::Refund, amount) });
            }
            Shape::HoldsAndReturn => {
                rows.push(Row::new(Movement::ReservedFunds, -20_000));
                rows.push(Row::new(Movement::ReservedFunds, 5_000));
                rows.push(Row::new(Movement::MinimumHold, -10_000));
                rows.push(Row::new(Movement::TopUp, 30_000));
                rows.push(Row::new(Movement::OtherAdjustment, 700));
                let came_back = self.payouts.iter().enumerate().rev().find(|(_, payout)| {
                    payout.failure.is_none()
                        && payout.automatic
                        && payout.amount > 0
                        && matches!(payout.rows, Rows::Stored(_))
                });
                if let Some((failed, payout)) = came_back {
                    let row = Row::new(Movement::PayoutFailure, payout.amount);
                    rows.push(Row { original: Some((failed, 0)), ..row });
                }
            }
        }
        rows
    }
}
