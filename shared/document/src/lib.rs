//! A voucher's document: the page that an auditor finds behind a booked payout.
//!
//! Pure: facts and rows in, a PDF out; no clock, no file, no random ids, so the same input gives the same bytes.
//! At most [`ROWS_MAX`] rows are held in memory and itemised; beyond that the rows are shown as totals by day.
//!
//! The PDF uses the standard fonts Helvetica and Helvetica-Bold, which every reader has, in the Windows-1252 encoding:
//! Nordic letters and € are right, and a character that it lacks is shown as `?`.

mod paper;
mod text;

use std::collections::BTreeMap;

use chrono::NaiveDate;
use ledger::{Currency, Kind, Posting, Side, Voucher, voucher::grouped};
use rust_decimal::Decimal;

use paper::{Column, Paper};

/// The most rows that are itemised.
pub const ROWS_MAX: usize = 1_000;

/// What a document says, but for the rows.
#[derive(Clone, Debug)]
pub struct Facts<'a> {
    /// The company whose books these are.
    pub company: &'a str,
    /// Its organisation number.
    pub org_no: Option<&'a str>,
    /// The provider's legal name, for example `Stripe Payments Europe, Ltd.`
    pub provider: &'a str,
    /// The account at the provider; empty if it is not known.
    pub account: &'a str,
    /// The provider's id of the payout.
    pub payout: &'a str,
    /// The day of the payout's row.
    pub payout_on: NaiveDate,
    /// The voucher.
    pub voucher: &'a Voucher,
    /// What is known of each line's VAT, in the order of the voucher's lines; shorter or empty if it is the accounting
    /// system that computes it.
    pub vat: &'a [Vat],
    /// The rate to the currency of the books, where there is one.
    pub rate: Option<Rate<'a>>,
    /// The version of the configuration that decided.
    pub config_version: &'a str,
    /// The version of bilag.
    pub code_version: &'a str,
    /// SHA-256 of the archived source, in hex.
    pub source_hash: &'a str,
    /// Where the archived source lies.
    pub source_place: &'a str,
}

/// The VAT of a line, in the voucher's currency.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Vat {
    /// What it is computed from.
    pub base: Option<Decimal>,
    /// How much it is.
    pub amount: Option<Decimal>,
}

/// A rate of exchange.
#[derive(Clone, Copy, Debug)]
pub struct Rate<'a> {
    /// As its source writes it.
    pub text: &'a str,
    /// Who says so.
    pub source: &'a str,
    /// Of which day.
    pub on: NaiveDate,
}

/// One row of the settlement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row<'a> {
    /// The provider's id of the row.
    pub id: &'a str,
    /// Its day.
    pub on: NaiveDate,
    /// What moved.
    pub kind: Kind,
    /// The shop's reference.
    pub reference: &'a str,
    /// In major units, as the merchant sees it.
    pub gross: Decimal,
    /// What the provider kept.
    pub fee: Decimal,
    /// Gross less fee.
    pub net: Decimal,
}

/// The document of a voucher and its rows.
pub fn pdf<'r>(facts: &Facts<'_>, rows: impl IntoIterator<Item = Row<'r>>) -> Vec<u8> {
    let mut document = Document::default();
    for row in rows {
        document.row(&row);
    }
    document.finish(facts)
}

/// A document to which rows are added one by one.
#[derive(Clone, Debug, Default)]
pub struct Document {
    rows: Vec<Kept>,
    days: BTreeMap<NaiveDate, Sum>,
    all: Sum,
}

#[derive(Clone, Debug)]
struct Kept {
    id: String,
    on: NaiveDate,
    kind: Kind,
    reference: String,
    gross: Decimal,
    fee: Decimal,
    net: Decimal,
}

#[derive(Clone, Copy, Debug, Default)]
struct Sum {
    count: u64,
    gross: Decimal,
    fee: Decimal,
    net: Decimal,
}

impl Sum {
    fn add(&mut self, row: &Row<'_>) {
        self.count += 1;
        self.gross += row.gross;
        self.fee += row.fee;
        self.net += row.net;
    }
}

impl Document {
    /// Adds the next row, in the order in which rows are shown.
    pub fn row(&mut self, row: &Row<'_>) {
        self.all.add(row);
        self.days.entry(row.on).or_default().add(row);
        if self.all.count <= ROWS_MAX as u64 {
            self.rows.push(Kept {
                id: row.id.to_owned(),
                on: row.on,
                kind: row.kind,
                reference: row.reference.to_owned(),
                gross: row.gross,
                fee: row.fee,
                net: row.net,
            });
        } else {
            // Too many to itemise: the days are what is shown.
            self.rows = Vec::new();
        }
    }

    /// The PDF.
    pub fn finish(self, facts: &Facts<'_>) -> Vec<u8> {
        let voucher = facts.voucher;
        let reference = voucher.reference.to_string();
        let title = format!("Voucher {reference}");
        let mut paper = Paper::new(&title, &format!("{}  ·  {reference}", facts.company));
        paper.heading(&title);
        self.head(&mut paper, facts);
        lines(&mut paper, facts);
        self.rows_or_days(&mut paper, voucher.currency);
        proof(&mut paper, facts);
        paper.finish()
    }

    fn head(&self, paper: &mut Paper, facts: &Facts<'_>) {
        let voucher = facts.voucher;
        let org_no = facts.org_no.map(|number| format!(", org. no. {number}")).unwrap_or_default();
        paper.fact("Company", &format!("{}{org_no}", facts.company));
        paper.fact("Provider", facts.provider);
        if !facts.account.is_empty() {
            paper.fact("Account at the provider", facts.account);
        }
        paper.fact("Payout", &format!("{} of {}", facts.payout, facts.payout_on));
        paper.fact("Accounting day", &voucher.on.to_string());
        if let (Some((first, _)), Some((last, _))) = (self.days.first_key_value(), self.days.last_key_value())
        {
            let days = if first == last { first.to_string() } else { format!("{first} to {last}") };
            paper.fact("Days of the rows", &days);
        }
        paper.fact("Number of rows", &grouped(Decimal::from(self.all.count)));
        paper.fact("Currency", voucher.currency.code());
        if let Some(rate) = facts.rate {
            paper.fact("Rate", &format!("{} ({}, {})", rate.text, rate.source, rate.on));
        }
        paper.fact("Text", &voucher.text);
        if let Some(corrects) = &voucher.corrects {
            paper.fact("Corrects or takes back", corrects);
        }
    }

    fn rows_or_days(&self, paper: &mut Paper, currency: Currency) {
        let money = |amount| money(currency, amount);
        let sums = |sum: &Sum| [money(sum.gross), money(sum.fee), money(sum.net)];
        let [gross, fee, net] = sums(&self.all);
        if self.rows.len() as u64 == self.all.count {
            let columns = [
                Column::left("Day", 50),
                Column::left("Kind", 80),
                Column::left("Id", 122),
                Column::left("Reference", 84),
                Column::right("Gross", 65),
                Column::right("Fee", 55),
                Column::right("Net", 67),
            ];
            paper.heading("Rows of the settlement");
            paper.table(
                &columns,
                self.rows.iter().map(|row| {
                    [
                        row.on.to_string(),
                        row.kind.to_string(),
                        row.id.clone(),
                        row.reference.clone(),
                        money(row.gross),
                        money(row.fee),
                        money(row.net),
                    ]
                }),
            );
            let blank = String::new;
            paper.total(&columns, &["Total".to_owned(), blank(), blank(), blank(), gross, fee, net]);
            return;
        }
        let columns = [
            Column::left("Day", 120),
            Column::right("Rows", 80),
            Column::right("Gross", 110),
            Column::right("Fee", 100),
            Column::right("Net", 113),
        ];
        paper.heading(&format!("Rows of the settlement, by day (more than {ROWS_MAX})"));
        paper.table(
            &columns,
            self.days.iter().map(|(on, sum)| {
                let [gross, fee, net] = sums(sum);
                [on.to_string(), grouped(Decimal::from(sum.count)), gross, fee, net]
            }),
        );
        let count = grouped(Decimal::from(self.all.count));
        paper.total(&columns, &["Total".to_owned(), count, gross, fee, net]);
    }
}

/// The voucher's lines.
fn lines(paper: &mut Paper, facts: &Facts<'_>) {
    let voucher = facts.voucher;
    let columns = [
        Column::left("Account", 52),
        Column::left("Text", 171),
        Column::left("VAT code", 45),
        Column::right("VAT base", 63),
        Column::right("VAT", 56),
        Column::right("Debit", 68),
        Column::right("Credit", 68),
    ];
    let money = |amount| money(voucher.currency, amount);
    paper.heading("Lines");
    paper.table(
        &columns,
        voucher.postings.iter().enumerate().map(|(index, posting)| {
            let vat = facts.vat.get(index).copied().unwrap_or_default();
            let amount = money(posting.amount);
            let (debit, credit) = match posting.side {
                Side::Debit => (amount, String::new()),
                Side::Credit => (String::new(), amount),
            };
            [
                posting.account.clone(),
                told(posting),
                posting.vat.clone(),
                vat.base.map(money).unwrap_or_default(),
                vat.amount.map(money).unwrap_or_default(),
                debit,
                credit,
            ]
        }),
    );
    let total = money(voucher.total());
    let blank = String::new;
    let cells = ["Total".to_owned(), blank(), blank(), blank(), blank(), total.clone(), total];
    paper.total(&columns, &cells);
}

/// A line's text with its dimensions.
fn told(posting: &Posting) -> String {
    let mut text = posting.text.clone();
    for (what, name) in [("department", &posting.department), ("project", &posting.project)] {
        if let Some(name) = name {
            text.push_str(&format!(" ({what} {name})"));
        }
    }
    text
}

/// What an auditor needs to make the voucher again.
fn proof(paper: &mut Paper, facts: &Facts<'_>) {
    paper.heading("Where this comes from");
    paper.fact("Voucher's hash", &facts.voucher.hash());
    paper.fact("Source", facts.source_place);
    paper.fact("Source's hash", facts.source_hash);
    paper.fact("Configuration", facts.config_version);
    paper.fact("Made by", &format!("bilag {}", facts.code_version));
}

/// An amount with the currency's digits and blanks between thousands.
fn money(currency: Currency, amount: Decimal) -> String {
    grouped(currency.fit(amount).unwrap_or(amount))
}
