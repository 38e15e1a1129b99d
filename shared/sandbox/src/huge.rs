//! A settlement of very many rows that are worked out when asked for, never stored.

use crate::random::Random;

/// Rows repeat with this period, so that every sum has a closed form.
const PERIOD: usize = 997;

/// Amounts and fees of `rows` rows, all sales.
pub(crate) struct Huge {
    rows: u64,
    amounts: Vec<i64>,
    fees: Vec<i64>,
    /// Sum of the amounts and of the fees before each place of the period, and of all of it.
    before: Vec<(i64, i64)>,
}

impl Huge {
    /// `rows` rows with amounts from 10.00 to 900.00 and fees of about 2 %.
    pub fn new(seed: u64, rows: u64) -> Huge {
        let mut random = Random::new(seed, "huge");
        let amounts: Vec<i64> = (0..PERIOD).map(|_| random.amount(1_000, 90_000)).collect();
        let fees: Vec<i64> = amounts.iter().map(|amount| amount / 50 + 3).collect();
        let mut before = vec![(0, 0)];
        for (amount, fee) in amounts.iter().zip(&fees) {
            let (amounts, fees) = before.last().copied().unwrap_or_default();
            before.push((amounts + amount, fees + fee));
        }
        Huge { rows, amounts, fees, before }
    }

    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Amount and fee of a row.
    pub fn row(&self, index: u64) -> (i64, i64) {
        let place = usize::try_from(index).unwrap_or(usize::MAX) % PERIOD;
        (self.amounts[place], self.fees[place])
    }

    /// Sums of amounts and fees of the rows before `index`.
    pub fn before(&self, index: u64) -> (i64, i64) {
        let index = usize::try_from(index).unwrap_or(usize::MAX);
        let rounds = i64::try_from(index / PERIOD).unwrap_or(0);
        let (round, part) = (self.before[PERIOD], self.before[index % PERIOD]);
        (rounds * round.0 + part.0, rounds * round.1 + part.1)
    }

    /// Sums of all amounts and fees.
    pub fn sums(&self) -> (i64, i64) {
        self.before(self.rows)
    }
}

#[cfg(test)]
mod tests {
    use super::Huge;

    #[test]
    fn sums_are_those_of_the_rows() {
        let huge = Huge::new(3, 2_500);
        let (mut amounts, mut fees) = (0, 0);
        for index in 0..huge.rows() {
            assert_eq!(huge.before(index), (amounts, fees));
            let (amount, fee) = huge.row(index);
            amounts += amount;
            fees += fee;
        }
        assert_eq!(huge.sums(), (amounts, fees));
    }
}
