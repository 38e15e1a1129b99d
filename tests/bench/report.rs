//! Rows of a report to a checked, balanced voucher, against a Python script that does the same job.

use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::Path;

use ledger::{Head, Planner, Purpose, Voucher};
use providers::{GroupEnd, Item, Terms};

use crate::books::{self, compare, mapping, only, python};
use crate::watch::{Series, print_ratio, timed};
use crate::{Failure, generate, scripts};

/// Runs the part.
pub fn run(rows: u64, rounds: u32, folder: &Path) -> Result<(), Failure> {
    let report = folder.join("report.csv");
    let megabytes = generate(rows, "report", &report)?;
    println!("report: {rows} rows, {megabytes} MB, {rounds} rounds of each, one after the other");
    let rival = scripts().join("rival_report.py");
    let (mut ours, mut theirs) = (Series::default(), Series::default());
    for round in 1..=rounds {
        let (voucher, took) = timed(|| book(&report))?;
        let (sums, rival_took) = python(&rival, &report)?;
        compare(&books::sums(&voucher), &sums)?;
        println!(
            "  round {round}: bilag {} ms, python {} ms, same voucher",
            took.wall.as_millis(),
            rival_took.wall.as_millis()
        );
        ours.add(took);
        theirs.add(rival_took);
    }
    let ours = ours.median();
    println!("  {} rows a millisecond", u128::from(rows) * 1000 / ours.wall.as_micros().max(1));
    print_ratio("report against python, medians", ours, theirs.median(), "at least 12, aim 20");
    Ok(())
}

/// From the file to the balanced voucher: what import and posting do, without the archive between.
fn book(report: &Path) -> Result<Voucher, Failure> {
    let provider = providers::find("stripe").ok_or("no stripe")?;
    let terms = Terms { time_zone: chrono_tz::Tz::Europe__Oslo, ..Terms::plain() };
    let mapping = mapping();
    let file = std::fs::File::open(report)?;
    let format = provider.formats()[0];
    let mut rows = provider.open(format, file, &terms)?;
    // Lines are folded before the payout row is read, so the day and amount come from a first guess of the head.
    let mut head = None;
    let mut planner: Option<Planner<'_>> = None;
    let guess = guess(report)?;
    while let Some(item) = rows.next(None)? {
        match item {
            Item::Row { ref line, .. } => {
                planner
                    .get_or_insert_with(|| Planner::new(&mapping, &guess, Purpose::Settlement, 1))
                    .add(line)?;
            }
            Item::Group { end: GroupEnd::Settlement { head: proved, hold, .. }, .. } => {
                if let Some(hold) = hold {
                    return Err(hold.into());
                }
                head = Some(*proved);
            }
            Item::Group { .. } => return Err("rows without a payout".into()),
        }
    }
    if head.as_ref() != Some(&guess) {
        return Err("the head that the rows prove is another".into());
    }
    only(planner.ok_or("no rows")?.finish()?)
}

/// What the archive's manifest tells in a real run: read here from the report's last line, the payout row.
fn guess(report: &Path) -> Result<Head, Failure> {
    let mut file = std::fs::File::open(report)?;
    let mut header = vec![0; 4096];
    let read = file.read(&mut header)?;
    let header = String::from_utf8_lossy(&header[..read]).into_owned();
    let columns: Vec<&str> = header.lines().next().unwrap_or_default().split(',').collect();
    file.seek(SeekFrom::End(-2048))?;
    let mut tail = String::new();
    file.read_to_string(&mut tail)?;
    let last: Vec<&str> = tail.lines().last().unwrap_or_default().split(',').collect();
    let text = |name: &str| columns.iter().position(|column| *column == name).map_or("", |index| last[index]);
    let currency = ledger::Currency::parse(text("currency"))?;
    let payout = -ledger::money::parse_amount(text("gross"), currency.digits())?;
    let mut days = providers::Days::new(chrono_tz::Tz::UTC, chrono_tz::Tz::Europe__Oslo);
    Ok(Head {
        name: ledger::Name {
            provider: "stripe".to_owned(),
            scope: String::new(),
            id: text("automatic_payout_id").to_owned(),
        },
        currency,
        payout_on: days.day(text("created_utc")).ok_or("no day")?,
        payout,
        opening: Default::default(),
        closing: Default::default(),
        account: String::new(),
        window: false,
        fees_invoiced: Some(false),
    })
}
