//! A settlement: rows that are booked together, and the proof that they add up.

use chrono::NaiveDate;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use crate::hold::{Cause, Hold};
use crate::line::{Kind, Line};
use crate::money::{Currency, Sum};

/// The name of a settlement within a company: `<provider>:[<scope>:]<id>`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Name {
    /// The connector's name, for example `stripe`.
    pub provider: String,
    /// What makes the id unique at this provider; empty where ids are unique by themselves.
    pub scope: String,
    /// The provider's id of the payout, or `window-<day>-<currency>`.
    pub id: String,
}

impl Name {
    /// Reads `<provider>:[<scope>:]<id>`; `None` if a part is missing or empty.
    pub fn parse(text: &str) -> Option<Name> {
        let parts: Vec<&str> = text.split(':').collect();
        let (provider, scope, id) = match parts.as_slice() {
            [provider, id] => (provider, "", id),
            [provider, scope, id] if !scope.is_empty() => (provider, *scope, id),
            _ => return None,
        };
        if provider.is_empty() || id.is_empty() {
            return None;
        }
        Some(Name { provider: (*provider).to_owned(), scope: scope.to_owned(), id: (*id).to_owned() })
    }

    /// Whether a provider's id may be part of a name: printable ASCII without blanks, `:`, `/`, `#` or quotes,
    /// at most 128 characters.
    pub fn is_plain(id: &str) -> bool {
        !id.is_empty()
            && id.len() <= 128
            && id
                .bytes()
                .all(|byte| byte.is_ascii_graphic() && !matches!(byte, b':' | b'/' | b'#' | b'"' | b'\''))
    }
}

impl std::fmt::Display for Name {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.scope.is_empty() {
            write!(f, "{}:{}", self.provider, self.id)
        } else {
            write!(f, "{}:{}:{}", self.provider, self.scope, self.id)
        }
    }
}

/// What is known of a settlement as a whole once its boundaries are proved.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// Which settlement.
    pub name: Name,
    /// The one currency of all its rows.
    pub currency: Currency,
    /// The day of the payout's own row, by the provider's accounting day or the company's time zone; for a
    /// window its day.
    pub payout_on: NaiveDate,
    /// What the provider sends to the bank; negative when it debits the bank. 0 in a window without payouts.
    pub payout: Decimal,
    /// The provider balance before the first row.
    pub opening: Decimal,
    /// The provider balance after the last row.
    pub closing: Decimal,
    /// The account, sales unit or merchant number that the source names; empty when it names none.
    pub account: String,
    /// The settlement is a window: one account, currency and day, rather than one payout.
    pub window: bool,
    /// `Some(true)`: the provider pays gross and invoices its fees. `Some(false)`: fees are taken from the payout.
    /// `None`: the rows do not tell.
    pub fees_invoiced: Option<bool>,
}

/// Running totals of a settlement; lines are folded in and then forgotten.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Totals {
    /// Rows, the payout's own row included.
    pub rows: u64,
    /// Σ gross of all rows but payouts.
    pub gross: Decimal,
    /// Σ fee of all rows but payouts.
    pub fee: Decimal,
    /// Σ gross of the payout rows, as signed on the provider's balance (negative for money sent to the bank).
    pub payout: Decimal,
    /// Σ fee of the payout rows.
    pub payout_fee: Decimal,
    /// How many payout rows there are.
    pub payout_rows: u64,
    /// Σ net of minimum-balance holds, which stay on the provider's balance.
    pub stays: Decimal,
    /// Σ net of failed, cancelled or aborted payouts that came back.
    pub returned: Decimal,
    /// Σ (|gross| + |fee|) of rows of unknown type.
    pub unknown: Decimal,
    /// The first few unknown types.
    pub unknown_types: Vec<String>,
    /// The first row day.
    pub first_on: Option<NaiveDate>,
    /// The last row day.
    pub last_on: Option<NaiveDate>,
}

/// How many names of unknown types are kept for the message.
const UNKNOWN_TYPES_SHOWN: usize = 5;

impl Totals {
    /// Adds one line. Where there are many, [`RunningTotals`] are faster.
    ///
    /// # Errors
    ///
    /// [`Cause::DoesNotAddUp`] if a sum grows beyond what a decimal holds.
    pub fn add(&mut self, line: &Line<'_>) -> Result<(), Hold> {
        if line.kind == Kind::Payout {
            self.payout_rows += 1;
            add(&mut self.payout, line.gross)?;
            add(&mut self.payout_fee, line.fee)?;
        } else {
            add(&mut self.gross, line.gross)?;
            add(&mut self.fee, line.fee)?;
        }
        self.note(line)
    }

    /// Everything of a line but its share in the large sums.
    #[inline]
    fn note(&mut self, line: &Line<'_>) -> Result<(), Hold> {
        self.rows += 1;
        if line.stays_on_balance || line.unknown || line.kind == Kind::PayoutReversal {
            self.note_unusual(line)?;
        }
        if self.last_on != Some(line.on) {
            self.first_on = Some(self.first_on.map_or(line.on, |first| first.min(line.on)));
            self.last_on = Some(self.last_on.map_or(line.on, |last| last.max(line.on)));
        }
        Ok(())
    }

    fn note_unusual(&mut self, line: &Line<'_>) -> Result<(), Hold> {
        if line.stays_on_balance {
            add(&mut self.stays, line.net())?;
        }
        if line.kind == Kind::PayoutReversal {
            add(&mut self.returned, line.net())?;
        }
        if line.unknown {
            add(&mut self.unknown, line.gross.abs() + line.fee.abs())?;
            if self.unknown_types.len() < UNKNOWN_TYPES_SHOWN
                && !self.unknown_types.iter().any(|name| *name == line.remote_type)
            {
                self.unknown_types.push(line.remote_type.clone().into_owned());
            }
        }
        Ok(())
    }

    /// Σ net of all rows but payouts.
    pub fn net(&self) -> Decimal {
        self.gross - self.fee
    }

    /// Proves `opening + Σ net of all rows, the payout included = closing`, and that the payout is the one stated.
    ///
    /// # Errors
    ///
    /// [`Cause::DoesNotAddUp`] with the difference.
    pub fn prove(&self, head: &Head) -> Result<(), Hold> {
        let end = head.opening + self.net() + self.payout - self.payout_fee;
        if end != head.closing {
            return Err(Hold::new(
                Cause::DoesNotAddUp,
                format!(
                    "{}: {} rows add up to {}, the payout is {}, opening {} and closing {}: {} {} is missing",
                    head.name,
                    self.rows - self.payout_rows,
                    self.net(),
                    head.payout,
                    head.opening,
                    head.closing,
                    head.closing - end,
                    head.currency,
                ),
                "retry fetches an API's rows again; or download the report with all rows and columns, and drop it in the inbox",
            ));
        }
        if -self.payout != head.payout {
            return Err(Hold::new(
                Cause::DoesNotAddUp,
                format!("{}: payout rows say {}, the source says {}", head.name, -self.payout, head.payout),
                "download the report again and drop it in the inbox",
            ));
        }
        Ok(())
    }

    /// What the settlement leaves on the account `provider_balance` beyond what stood there before: the change of
    /// the provider's balance, less minimum-balance holds (which the provider counts as gone). A payout that came
    /// back is booked by its own voucher and is part of this change.
    pub fn left_on_balance(&self, head: &Head) -> Decimal {
        head.closing - head.opening - self.stays
    }
}

/// [`Totals`] in the making: the two sums that nearly every row changes are kept as whole minor units.
#[derive(Debug, Default)]
pub struct RunningTotals {
    gross: Sum,
    fee: Sum,
    /// Everything else; its `gross` and `fee` stay 0.
    rest: Totals,
}

impl RunningTotals {
    /// Adds one line.
    ///
    /// # Errors
    ///
    /// As for [`Totals::add`].
    #[inline]
    pub fn add(&mut self, line: &Line<'_>) -> Result<(), Hold> {
        if line.kind == Kind::Payout {
            return self.rest.add(line);
        }
        self.gross.add(line.gross).ok_or_else(beyond_any_amount)?;
        self.fee.add(line.fee).ok_or_else(beyond_any_amount)?;
        self.rest.note(line)
    }

    /// The totals of the lines so far.
    pub fn so_far(&self) -> Totals {
        Totals { gross: self.gross.total(), fee: self.fee.total(), ..self.rest.clone() }
    }

    /// As [`Totals::unknown`].
    pub fn unknown(&self) -> Decimal {
        self.rest.unknown
    }
}

fn add(sum: &mut Decimal, amount: Decimal) -> Result<(), Hold> {
    if amount.is_zero() {
        return Ok(());
    }
    *sum = sum.checked_add(amount).ok_or_else(beyond_any_amount)?;
    Ok(())
}

#[cold]
fn beyond_any_amount() -> Hold {
    Hold::new(Cause::DoesNotAddUp, "the sum of the rows is beyond any real amount", "check the source")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn running_totals_are_the_totals() {
        let nok = Currency::parse("NOK").unwrap();
        let day = |day| NaiveDate::from_ymd_opt(2026, 1, day).unwrap();
        let (mut running, mut totals) = (RunningTotals::default(), Totals::default());
        for (kind, on, gross, fee, unknown) in [
            (Kind::Sale, 5, 1_250, 175, false),
            (Kind::Refund, 3, -400, 0, false),
            (Kind::Fee, 9, 0, 99, false),
            (Kind::PayoutReversal, 4, 50_000, 0, false),
            (Kind::Adjustment, 6, -700, 25, true),
            (Kind::Payout, 7, -800, 10, false),
        ] {
            let [gross, fee] = [gross, fee].map(|minor| Decimal::new(minor, 2));
            let line = Line { unknown, ..Line::new("id", kind, day(on), gross, fee, nok) };
            running.add(&line).unwrap();
            totals.add(&line).unwrap();
            assert_eq!(running.so_far(), totals, "after {kind}");
            assert_eq!(
                format!("{:?}", running.so_far()),
                format!("{totals:?}"),
                "the same digits are stored"
            );
        }
        assert_eq!(running.unknown(), totals.unknown);
    }

    #[test]
    fn names_are_read_as_they_are_printed() {
        for text in ["stripe:po_1", "vipps-mobilepay:460017-2000167", "stripe:acct_1:window-2026-01-05-NOK"] {
            assert_eq!(Name::parse(text).unwrap().to_string(), text);
        }
        for text in ["", "stripe", "stripe:", ":po_1", "stripe::po_1", "a:b:c:d"] {
            assert_eq!(Name::parse(text), None, "{text}");
        }
    }

    #[test]
    fn ids_that_would_break_a_name_or_a_key_are_not_plain() {
        assert!(Name::is_plain("po_1A-2.b"));
        for id in ["", "a:b", "a/b", "a#b", "a b", "a\u{202e}b", "a\nb", &"x".repeat(129)] {
            assert!(!Name::is_plain(id), "{id:?}");
        }
    }
}
