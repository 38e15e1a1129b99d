//! A journal file, read back by other code than that which writes it.

use std::collections::{BTreeMap, BTreeSet};

use rust_decimal::Decimal;

/// A journal's transactions, in the order of the file.
#[derive(Clone, Debug, Default)]
pub struct Journal {
    /// The file's text.
    pub text: String,
    /// What it holds.
    pub transactions: Vec<Transaction>,
}

/// One transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transaction {
    /// The day, `YYYY-MM-DD`.
    pub on: String,
    /// The code in brackets.
    pub reference: String,
    /// What stands behind it on the first line.
    pub text: String,
    /// The postings.
    pub lines: Vec<Line>,
}

/// One posting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// The account.
    pub account: String,
    /// Debit positive.
    pub amount: Decimal,
    /// The currency.
    pub currency: String,
    /// The comment: tags and text.
    pub comment: String,
}

impl Transaction {
    /// The sum on an account, debit positive.
    pub fn on_account(&self, account: &str) -> Decimal {
        let lines = self.lines.iter().filter(|line| line.account == account);
        lines.map(|line| line.amount).sum()
    }

    /// `account amount` of each posting.
    pub fn figures(&self) -> Vec<String> {
        let figures = self.lines.iter().map(|line| format!("{} {}", line.account, line.amount));
        figures.collect()
    }
}

impl Journal {
    /// Reads a journal as bilag writes it, and checks what must hold of every one: declarations come before their
    /// use, each transaction balances, no reference stands twice.
    ///
    /// # Panics
    ///
    /// If one of these does not hold, or a line is of no known form.
    pub fn read(text: String) -> Journal {
        let mut transactions: Vec<Transaction> = Vec::new();
        let mut declared = BTreeSet::new();
        for line in text.lines() {
            if let Some(account) = line.strip_prefix("account ") {
                declared.insert(account.to_owned());
            } else if let Some(commodity) = line.strip_prefix("commodity ") {
                let code = commodity.split_once(' ').unwrap().1;
                declared.insert(code.to_owned());
            } else if let Some(posting) = line.strip_prefix("    ") {
                let line = Journal::line(posting);
                assert!(declared.contains(&line.account), "{} is not declared", line.account);
                assert!(declared.contains(&line.currency), "{} is not declared", line.currency);
                transactions.last_mut().unwrap().lines.push(line);
            } else if !line.is_empty() {
                transactions.push(Journal::head(line));
            }
        }
        let journal = Journal { text, transactions };
        let mut seen = BTreeSet::new();
        for transaction in &journal.transactions {
            let sum: Decimal = transaction.lines.iter().map(|line| line.amount).sum();
            assert!(sum.is_zero(), "{} sums to {sum}", transaction.reference);
            assert!(transaction.lines.len() >= 2, "{} has too few lines", transaction.reference);
            assert!(seen.insert(&transaction.reference), "{} stands twice", transaction.reference);
        }
        journal
    }

    fn head(line: &str) -> Transaction {
        let (on, rest) = line.split_once(" * (").unwrap_or_else(|| panic!("no transaction: {line}"));
        let (reference, text) = rest.split_once(") ").unwrap();
        let (_, tags) = text.rsplit_once("  ; ").unwrap();
        assert!(tags.starts_with(&format!("ref:{reference}")), "{line}");
        Transaction {
            on: on.to_owned(),
            reference: reference.to_owned(),
            text: text.to_owned(),
            lines: Vec::new(),
        }
    }

    fn line(posting: &str) -> Line {
        let (account, rest) = posting.split_once("  ").unwrap();
        let (figure, comment) = rest.split_once("  ; ").unwrap();
        let (amount, currency) = figure.split_once(' ').unwrap();
        Line {
            account: account.to_owned(),
            amount: amount.parse().unwrap(),
            currency: currency.to_owned(),
            comment: comment.to_owned(),
        }
    }

    /// The references, in the order of the file.
    pub fn references(&self) -> Vec<&str> {
        self.transactions.iter().map(|transaction| transaction.reference.as_str()).collect()
    }

    /// The transaction of a reference.
    ///
    /// # Panics
    ///
    /// If there is none.
    pub fn of(&self, reference: &str) -> &Transaction {
        self.transactions
            .iter()
            .find(|transaction| transaction.reference == reference)
            .unwrap_or_else(|| panic!("no {reference} among {:?}", self.references()))
    }

    /// What stands on each account, debit positive, accounts at 0 left out.
    pub fn balances(&self) -> BTreeMap<String, Decimal> {
        let mut balances: BTreeMap<String, Decimal> = BTreeMap::new();
        for line in self.transactions.iter().flat_map(|transaction| &transaction.lines) {
            *balances.entry(line.account.clone()).or_default() += line.amount;
        }
        balances.retain(|_, amount| !amount.is_zero());
        balances
    }

    /// What stands on one account.
    pub fn balance(&self, account: &str) -> Decimal {
        self.balances().get(account).copied().unwrap_or_default()
    }
}
