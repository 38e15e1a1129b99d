//! Reports in, settlements and lines out, compared with text that a person can check.
//!
//! `BILAG_REGENERATE=1 cargo test -p providers` writes the expected texts anew; read the difference
//! afterwards.
#![allow(clippy::unwrap_used)]

use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::PathBuf;

use ledger::Line;

use super::VippsMobilePay;
use crate::{Detected, GroupEnd, Item, Provider as _, ReadError, Terms};

/// One group of a report: how it ended, its lines as text, their ids and its sum.
#[derive(Debug)]
pub struct Group {
    /// How the group ended.
    pub end: GroupEnd,
    /// One line of text per row.
    pub lines: Vec<String>,
    /// The sums of the lines.
    pub totals: ledger::Totals,
}

impl Group {
    /// The group as a settlement; panics if it is none.
    pub fn head(&self) -> &ledger::Head {
        match &self.end {
            GroupEnd::Settlement { head, .. } => head,
            end => panic!("not a settlement: {end:?}"),
        }
    }

    /// Why the group is held, if it is.
    pub fn hold(&self) -> Option<&ledger::Hold> {
        match &self.end {
            GroupEnd::Settlement { hold, .. } | GroupEnd::Open { hold, .. } => hold.as_ref(),
        }
    }
}

/// Reads a report as the importer does: the format is found, each row is archived and read back.
pub fn read_with(bytes: &[u8], terms: &Terms) -> Result<Vec<Group>, ReadError> {
    let format = match VippsMobilePay.detect(&bytes[..bytes.len().min(64 * 1024)]) {
        Detected::Format(format) => format,
        Detected::Refused(why) => return Err(ReadError::new("file", why)),
        Detected::NotMine => return Err(ReadError::new("file", "not a Vipps MobilePay report")),
    };
    read_as(format, bytes, terms)
}

/// Reads a report of a known format.
pub fn read_as(format: &str, bytes: &[u8], terms: &Terms) -> Result<Vec<Group>, ReadError> {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    let mut rows = VippsMobilePay.open(format, file, terms)?;
    let mut settler = VippsMobilePay.settler(format, terms)?;
    let mut open: Vec<Option<(Vec<String>, ledger::Totals)>> = Vec::new();
    let mut ended = Vec::new();
    let mut json = Vec::new();
    while let Some(item) = rows.next(Some(&mut json))? {
        match item {
            Item::Row { group, line } => {
                assert_eq!(settler.line(&json).unwrap(), line, "a row reads the same from the archive");
                assert!(!json.contains(&b'\n'), "an archived row is one line");
                let group = group as usize;
                if group == open.len() {
                    open.push(Some(Default::default()));
                }
                let (lines, totals) = open[group].as_mut().expect("no row follows the end of its group");
                lines.push(text(&line));
                totals.add(&line).unwrap();
            }
            Item::Group { group, end } => {
                let (lines, totals) = open[group as usize].take().expect("a group ends once");
                ended.push(Group { end, lines, totals });
                assert!(json.is_empty(), "an end is not archived");
            }
        }
        json.clear();
    }
    assert!(open.iter().all(Option::is_none), "every group ends");
    Ok(ended)
}

/// Reads a report without a configuration.
pub fn read(bytes: &[u8]) -> Result<Vec<Group>, ReadError> {
    read_with(bytes, &Terms::plain())
}

pub fn text(line: &Line<'_>) -> String {
    format!(
        "  {:<10} {}  gross {:>10}  fee {:>7}  {}  ref \"{}\"  type \"{}\"  method \"{}\"{}",
        line.kind.to_string(),
        line.on,
        line.gross.to_string(),
        line.fee.to_string(),
        line.id,
        line.reference,
        line.remote_type,
        line.method,
        if line.unknown { "  UNKNOWN" } else { "" },
    )
}

/// The groups of a report, or why it is refused, as an accountant can read them.
pub fn describe(result: &Result<Vec<Group>, ReadError>) -> String {
    let mut out = String::new();
    let groups = match result {
        Ok(groups) => groups,
        Err(error) => return format!("refused  {error}\n"),
    };
    if groups.is_empty() {
        out.push_str("no settlements\n");
    }
    for group in groups {
        match &group.end {
            GroupEnd::Settlement { head, follows, .. } => {
                writeln!(
                    out,
                    "settlement  {}  {}  {}  payout {}",
                    head.name, head.currency, head.payout_on, head.payout
                )
                .unwrap();
                let fees = match head.fees_invoiced {
                    Some(true) => "invoiced",
                    Some(false) => "netted",
                    None => "not told",
                };
                writeln!(
                    out,
                    "  account {}  opening {}  closing {}  fees {fees}{}",
                    head.account,
                    head.opening,
                    head.closing,
                    follows.as_ref().map(|id| format!("  follows {id}")).unwrap_or_default(),
                )
                .unwrap();
            }
            GroupEnd::Open { scope, currency, .. } => writeln!(out, "open  {scope}  {currency}").unwrap(),
        }
        if let Some(hold) = group.hold() {
            writeln!(out, "  held  {hold}").unwrap();
        }
        for line in &group.lines {
            writeln!(out, "{line}").unwrap();
        }
        let totals = &group.totals;
        writeln!(
            out,
            "  total      {} rows  gross {}  fee {}  net {}",
            totals.rows,
            totals.gross,
            totals.fee,
            totals.net()
        )
        .unwrap();
    }
    out
}

/// The folder of a case.
pub fn folder(case: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src/vipps_mobilepay/fixtures").join(case)
}

/// The report of a case.
pub fn report(case: &str) -> Vec<u8> {
    ["report.csv", "report.xml"]
        .iter()
        .find_map(|name| fs::read(folder(case).join(name)).ok())
        .expect("a report")
}

/// Compares a text with the expected one of a case, or writes it there.
pub fn check_text(case: &str, found: &str) {
    let path = folder(case).join("expected.lines");
    if std::env::var_os("BILAG_REGENERATE").is_some() {
        fs::write(&path, found).unwrap();
    }
    let expected = fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(found, expected, "{case}: see BILAG_REGENERATE in tests.rs");
}

fn check(case: &str) {
    check_text(case, &describe(&read(&report(case))));
}

#[test]
fn charges_only_settle_as_sales_less_the_fees_retained() {
    check("charges-only");
}

#[test]
fn partial_refunds_reduce_the_payout() {
    check("partial-refund");
}

#[test]
fn a_refund_larger_than_sales_rolls_into_a_later_payout() {
    check("refund-larger-than-sales");
}

#[test]
fn a_file_that_begins_in_mid_ledger_names_the_payout_before() {
    check("carried-balance");
}

#[test]
fn two_units_in_one_file_are_settled_apart() {
    check("two-units");
}

#[test]
fn a_file_that_stands_newest_first_is_turned_around() {
    check("newest-first");
}

#[test]
fn a_type_that_is_not_listed_becomes_an_unknown_line() {
    check("unknown-line");
}

#[test]
fn a_report_without_rows_has_no_settlements() {
    check("empty");
}

#[test]
fn english_titles_and_missing_last_columns_are_read() {
    check("english");
}

#[test]
fn with_gross_settlement_the_fees_are_not_kept_from_the_payout() {
    check("gross-settlement");
}

#[test]
fn xml_3_0_with_two_settlements_one_of_them_negative_is_read() {
    check("two-settlements");
}

#[test]
fn xml_2_0_is_read_by_the_sign_of_its_gross_amounts() {
    check("xml-2-0");
}

#[test]
fn customers_names_telephone_numbers_and_messages_are_not_archived() {
    let bytes = report("charges-only");
    let whole = String::from_utf8(bytes.clone()).unwrap();
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(&bytes).unwrap();
    let mut rows = VippsMobilePay.open("vipps-portal-csv", file, &Terms::plain()).unwrap();
    let mut json = Vec::new();
    while rows.next(Some(&mut json)).unwrap().is_some() {}
    let json = String::from_utf8(json).unwrap();
    for private in ["Kari Eksempel", "+47 xxxx", "sitat", "NO00 0000"] {
        assert!(whole.contains(private) && !json.contains(private), "{private}");
    }
}

#[test]
fn every_order_of_rows_that_the_chain_proves_gives_the_same_settlements() {
    let sound = describe(&read(&report("newest-first")));
    let text = String::from_utf8(report("newest-first")).unwrap();
    let (header, rows) = text.split_once('\n').unwrap();
    let mut rows: Vec<&str> = rows.lines().collect();
    for rotation in 0..rows.len() {
        rows.rotate_left(rotation);
        let mut turned = rows.clone();
        turned.reverse();
        for order in [&rows, &turned] {
            let shuffled = format!("{header}\n{}\n", order.join("\n"));
            assert_eq!(describe(&read(shuffled.as_bytes())), sound, "{shuffled}");
        }
    }
}

#[test]
fn columns_may_stand_in_any_order_with_others_between_and_any_separator() {
    let sound = describe(&read(&report("partial-refund")));
    let text = String::from_utf8(report("partial-refund")).unwrap();
    for separator in [",", ";", "\t"] {
        let turned: Vec<String> = text
            .lines()
            .enumerate()
            .map(|(index, line)| {
                let mut fields: Vec<&str> = line.split(',').collect();
                fields.reverse();
                fields.insert(3, if index == 0 { "Ny kolonne" } else { "x" });
                fields.join(separator)
            })
            .collect();
        assert_eq!(describe(&read(turned.join("\r\n").as_bytes())), sound, "{separator:?}");
    }
}

#[test]
fn a_unit_without_a_payout_row_is_held_with_its_rows_and_days() {
    let groups = read(&report("two-units")).unwrap();
    let open =
        groups.iter().find(|group| matches!(&group.end, GroupEnd::Open { scope, .. } if scope == "1100305"));
    let hold = open.unwrap().hold().unwrap();
    assert_eq!(hold.cause, ledger::Cause::PayoutRowMissing);
    assert!(hold.what.contains("1100305: 2 rows from 2026-02-09 to 2026-02-10"), "{hold}");
}

#[test]
fn a_payout_number_that_contradicts_the_psp_reference_is_refused() {
    let text = String::from_utf8(report("charges-only")).unwrap();
    let changed = text.replace("512204,2000041,", "512204,2000042,");
    let error = read(changed.as_bytes()).unwrap_err();
    assert!(error.to_string().contains("row 6: the payout number's column says 2000042"), "{error}");
    let changed = text.replace("310077-2000041", "310077");
    assert!(read(changed.as_bytes()).unwrap_err().what.contains("<ledger id>-<payout number>"));
}

#[test]
fn information_columns_that_contradict_the_amount_are_refused() {
    let text = String::from_utf8(report("charges-only")).unwrap();
    let changed = text.replace(",235.80,", ",235.81,");
    assert_ne!(changed, text);
    let error = read(changed.as_bytes()).unwrap_err();
    assert!(error.to_string().contains("row 2: Nettobeløp 235.81 is not"), "{error}");
}

#[test]
fn a_report_dropped_twice_in_one_file_is_refused() {
    let text = String::from_utf8(report("charges-only")).unwrap();
    let rows = text.split_once('\n').unwrap().1;
    // Twice the same days in one piece: the chain holds, the payout's id stands twice.
    let twice = format!("{text}{rows}");
    let error = read(twice.as_bytes()).unwrap_err();
    assert!(error.to_string().contains("row 11: the payout 310077-2000041 stands twice"), "{error}");
}

#[test]
fn a_file_too_large_to_be_sorted_is_refused_with_the_remedy() {
    let text = String::from_utf8(report("newest-first")).unwrap();
    let (header, rows) = text.split_once('\n').unwrap();
    let mut large = format!("{header}\n{rows}");
    let row = rows.lines().last().unwrap();
    for _ in 0..200_001 {
        large.push_str(row);
        large.push('\n');
    }
    let error = read(large.as_bytes()).unwrap_err();
    assert!(error.to_string().contains("export the report oldest first"), "{error}");
    assert_eq!(error.at, "row 3");
}

#[test]
fn windows_are_refused() {
    let terms = Terms { window_from: chrono::NaiveDate::from_ymd_opt(2026, 1, 1), ..Terms::plain() };
    assert!(read_with(&report("empty"), &terms).unwrap_err().what.contains("settle_by"));
}
