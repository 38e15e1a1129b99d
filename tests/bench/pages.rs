//! Pages of Stripe's API to a checked, balanced voucher, against a Python script that does the same job, and against
//! a general parser that only reads the same members.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;

use ledger::{Currency, Head, Name, Planner, Purpose, Voucher};
use providers::stripe::RowPages;
use providers::{Announced, GroupEnd, Next, Pages as _, Ready, Terms};
use serde_json::Value;

use crate::books::{self, compare, mapping, only, python};
use crate::watch::{Series, print_ratio, timed};
use crate::{Failure, bare, generate, scripts};

/// Runs the part.
pub fn run(rows: u64, rounds: u32, folder: &Path) -> Result<(), Failure> {
    let pages = folder.join("pages");
    let megabytes = generate(rows, "pages", &pages)?;
    println!("pages: {rows} rows, {megabytes} MB of JSON, {rounds} rounds of each, one after the other");
    let rival = scripts().join("rival_pages.py");
    let (mut ours, mut parsing, mut theirs) = (Series::default(), Series::default(), Series::default());
    for round in 1..=rounds {
        let (voucher, took) = timed(|| book(&pages))?;
        let ((counted, _), parse_took) = timed(|| bare::parse(Answers::open(&pages)?))?;
        let (sums, rival_took) = python(&rival, &pages)?;
        compare(&books::sums(&voucher), &sums)?;
        if counted != rows {
            return Err(format!("serde_json sees {counted} rows of {rows}").into());
        }
        println!(
            "  round {round}: bilag {} ms, serde_json without the work {} ms, python {} ms, same voucher",
            took.wall.as_millis(),
            parse_took.wall.as_millis(),
            rival_took.wall.as_millis()
        );
        ours.add(took);
        parsing.add(parse_took);
        theirs.add(rival_took);
    }
    let ours = ours.median();
    println!("  {} rows a millisecond", u128::from(rows) * 1000 / ours.wall.as_micros().max(1));
    print_ratio("pages against python, medians", ours, theirs.median(), "at least 4, aim 6");
    print_ratio("pages against bare serde_json, medians", ours, parsing.median(), "at least 0.9, aim 1.3");
    std::fs::remove_file(&pages)?;
    Ok(())
}

/// The answers of a file, one after the other in one buffer.
pub struct Answers {
    file: BufReader<File>,
    body: Vec<u8>,
}

impl Answers {
    fn open(path: &Path) -> Result<Answers, Failure> {
        Ok(Answers { file: BufReader::with_capacity(1 << 18, File::open(path)?), body: Vec::new() })
    }

    /// The body of the next answer.
    pub fn next(&mut self) -> Result<Option<&[u8]>, Failure> {
        let mut size = String::new();
        if self.file.read_line(&mut size)? == 0 {
            return Ok(None);
        }
        self.body.resize(size.trim_end().parse()?, 0);
        self.file.read_exact(&mut self.body)?;
        Ok(Some(&self.body))
    }
}

/// From the pages to the balanced voucher: what fetching and posting do, without network and archive between.
fn book(pages: &Path) -> Result<Voucher, Failure> {
    let mut answers = Answers::open(pages)?;
    let payout: Value = serde_json::from_slice(answers.next()?.ok_or("no payout")?)?;
    let settlement = announced(payout)?;
    let head = head(&settlement);
    let mapping = mapping();
    let terms = Terms { time_zone: chrono_tz::Tz::Europe__Oslo, ..Terms::plain() };
    let mut planner = Planner::new(&mapping, &head, Purpose::Settlement, 1);
    let mut rows = RowPages::new(&terms, &settlement, None)?;
    let mut next = Next::Page(String::new());
    while let Some(body) = answers.next()? {
        if next == Next::Done {
            return Err("a page follows the last".into());
        }
        next = rows.read_lines(body, |line| planner.add(line))?;
    }
    match (next, Box::new(rows).end()) {
        (Next::Done, GroupEnd::Settlement { head: proved, hold: None, .. }) if *proved == head => {
            only(planner.finish()?)
        }
        (next, end) => Err(format!("the rows prove something else: {next:?}, {end:?}").into()),
    }
}

/// What the look for payouts announces of a payout.
fn announced(payout: Value) -> Result<Announced, Failure> {
    let text = |name: &str| payout[name].as_str().unwrap_or_default();
    let number = |name: &str| payout[name].as_i64().ok_or("no number");
    let created = chrono::DateTime::from_timestamp(number("created")?, 0).ok_or("no time")?;
    Ok(Announced {
        name: Name { provider: "stripe".to_owned(), scope: String::new(), id: text("id").to_owned() },
        currency: Currency::parse(text("currency"))?,
        payout_on: created.with_timezone(&chrono_tz::Tz::Europe__Oslo).date_naive(),
        payout: ledger::money::Decimal::new(number("amount")?, 2),
        window: false,
        ready: Ready::Now,
        detail: payout,
    })
}

/// What the archive's manifest tells in a real run, where the rows are read before they are planned.
fn head(settlement: &Announced) -> Head {
    Head {
        name: settlement.name.clone(),
        currency: settlement.currency,
        payout_on: settlement.payout_on,
        payout: settlement.payout,
        opening: Default::default(),
        closing: Default::default(),
        account: String::new(),
        window: false,
        fees_invoiced: Some(false),
    }
}
