//! A voucher: a balanced journal entry, its reference, and its text for people.

use chrono::NaiveDate;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::hold::{Cause, Hold};
use crate::line::{FeeType, Kind, named};
use crate::mapping::Role;
use crate::money::Currency;
use crate::settlement::Name;

named! {
    /// What a voucher is for.
    Purpose {
        /// The settlement itself.
        Settlement = "settlement",
        /// A payout that failed, was cancelled or aborted.
        PayoutReversal = "payout-reversal",
        /// The bank line that ends the money's transit.
        Clearing = "clearing",
        /// The difference when source data changed after posting.
        Correction = "correction",
        /// The mirror of a voucher that an operator took back.
        Reversal = "reversal",
    }
}

/// What makes a voucher unique: one live voucher exists per key.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Reference {
    /// The settlement.
    pub settlement: Name,
    /// What the voucher is for.
    pub purpose: Purpose,
    /// 1, and one more each time the source data changed or the settlement was booked anew.
    pub revision: u32,
    /// 1-based.
    pub part: u32,
    /// How many parts there are.
    pub parts: u32,
}

impl std::fmt::Display for Reference {
    /// `<provider>:[<scope>:]<id>[:<purpose>][:r<revision>][:<part>/<parts>]`, defaults left out.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.settlement)?;
        if self.purpose != Purpose::Settlement {
            write!(f, ":{}", self.purpose)?;
        }
        if self.revision != 1 {
            write!(f, ":r{}", self.revision)?;
        }
        if self.parts != 1 {
            write!(f, ":{}/{}", self.part, self.parts)?;
        }
        Ok(())
    }
}

named! {
    /// The side of a posting.
    Side {
        /// Left.
        Debit = "debit",
        /// Right.
        Credit = "credit",
    }
}

/// One line of a voucher. The amount is never negative; the side says the direction.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Posting {
    /// Debit or credit.
    pub side: Side,
    /// Major units of the voucher's currency, never negative.
    pub amount: Decimal,
    /// The account number.
    pub account: String,
    /// The VAT code; `none` when there is none.
    pub vat: String,
    /// The department, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub department: Option<String>,
    /// The project, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project: Option<String>,
    /// The text of the line.
    pub text: String,
    /// Why the line is on this account.
    pub role: Role,
    /// The kind of the rows behind it.
    pub kind: Kind,
    /// The fee type of the rows behind it, for fees.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fee_type: Option<FeeType>,
    /// The rule that decided, counted from 1 in the configuration file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<usize>,
    /// How many rows are behind it.
    pub rows: u64,
}

impl Posting {
    /// The amount with debit positive.
    pub fn signed(&self) -> Decimal {
        match self.side {
            Side::Debit => self.amount,
            Side::Credit => -self.amount,
        }
    }
}

/// A balanced journal entry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Voucher {
    /// The company's id.
    pub company: String,
    /// What makes it unique.
    pub reference: Reference,
    /// The accounting day.
    pub on: NaiveDate,
    /// The currency of all postings.
    pub currency: Currency,
    /// The text of the voucher.
    pub text: String,
    /// The reference of the voucher that this one corrects or takes back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub corrects: Option<String>,
    /// The lines.
    pub postings: Vec<Posting>,
}

impl Voucher {
    /// Sum of the debit side.
    pub fn total(&self) -> Decimal {
        self.sum(Side::Debit)
    }

    fn sum(&self, side: Side) -> Decimal {
        self.postings.iter().filter(|posting| posting.side == side).map(|posting| posting.amount).sum()
    }

    /// Proves that debit equals credit, that no amount is negative and that all fit the currency.
    ///
    /// # Errors
    ///
    /// [`Cause::DoesNotAddUp`] with both sums.
    pub fn prove(&self) -> Result<(), Hold> {
        let (debit, credit) = (self.sum(Side::Debit), self.sum(Side::Credit));
        let sound = self
            .postings
            .iter()
            .all(|posting| !posting.amount.is_sign_negative() && self.currency.fit(posting.amount).is_ok());
        if debit == credit && sound && !self.postings.is_empty() {
            return Ok(());
        }
        Err(Hold::new(
            Cause::DoesNotAddUp,
            format!("voucher {}: debit {debit} and credit {credit} {}", self.reference, self.currency),
            "this is a fault in bilag: report it with the settlement's id; nothing was booked",
        ))
    }

    /// The voucher's bytes as they are archived and hashed: the same input gives the same bytes.
    pub fn canonical(&self) -> Vec<u8> {
        // A voucher holds only strings, numbers and lists, so it can always be written.
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// SHA-256 of [`Voucher::canonical`], in lower-case hex.
    pub fn hash(&self) -> String {
        hex(&Sha256::digest(self.canonical()))
    }

    /// The voucher turned around under its own reference, dated like the original.
    pub fn reversal(&self, reference: Reference) -> Voucher {
        let mut mirrored = self.clone();
        mirrored.corrects = Some(self.reference.to_string());
        mirrored.text = format!("Reversal of {}", self.reference);
        mirrored.reference = reference;
        for posting in &mut mirrored.postings {
            posting.side = match posting.side {
                Side::Debit => Side::Credit,
                Side::Credit => Side::Debit,
            };
        }
        mirrored
    }

    /// The voucher as an accountant reads it; the form of the golden files.
    pub fn to_text(&self) -> String {
        let mut text = format!("voucher  {}  {}  {}\n", self.reference, self.on, self.currency);
        if let Some(corrects) = &self.corrects {
            text.push_str(&format!("  corrects {corrects}\n"));
        }
        let amounts: Vec<String> = self.postings.iter().map(|posting| grouped(posting.amount)).collect();
        let wide = |width: usize, part: usize| width.max(part);
        let amount_width = amounts.iter().map(String::len).fold(grouped(self.total()).len(), wide);
        let role_width = self.postings.iter().map(|posting| posting.role.name().len()).fold(0, wide);
        let account_width = self.postings.iter().map(|posting| posting.account.chars().count()).fold(0, wide);
        for (posting, amount) in self.postings.iter().zip(&amounts) {
            let line = format!(
                "  {:<6}  {:<role_width$}  {:<account_width$}  {amount:>amount_width$}  vat {}{}{}  {}",
                posting.side.name(),
                posting.role.name(),
                posting.account,
                posting.vat,
                posting.department.as_ref().map(|name| format!(" department {name}")).unwrap_or_default(),
                posting.project.as_ref().map(|name| format!(" project {name}")).unwrap_or_default(),
                posting.text,
            );
            text.push_str(line.trim_end());
            text.push('\n');
        }
        let indent = "total".len() + 2;
        let gap = 6 + 2 + role_width + 2 + account_width + 2 - indent;
        let (debit, credit) = (grouped(self.total()), grouped(self.sum(Side::Credit)));
        text.push_str(&format!("  total  {:gap$}{debit:>amount_width$} = {credit}\n", ""));
        text
    }
}

/// An amount with blanks between thousands: `12 345.60`.
pub fn grouped(amount: Decimal) -> String {
    let text = amount.to_string();
    let (sign, number) = match text.strip_prefix('-') {
        Some(number) => ("-", number),
        None => ("", text.as_str()),
    };
    let (whole, fraction) =
        number.split_once('.').map_or((number, ""), |(whole, fraction)| (whole, fraction));
    let mut grouped = String::from(sign);
    for (index, digit) in whole.chars().enumerate() {
        if index > 0 && (whole.len() - index) % 3 == 0 {
            grouped.push(' ');
        }
        grouped.push(digit);
    }
    if !fraction.is_empty() {
        grouped.push('.');
        grouped.push_str(fraction);
    }
    grouped
}

/// Bytes in lower-case hex.
pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        let _ = write!(text, "{byte:02x}");
    }
    text
}
