//! Reports in, settlements and lines out, compared with text that a person can check.
//!
//! `BILAG_REGENERATE=1 cargo test -p providers stripe` writes the expected texts anew; read the difference
//! afterwards.
#![allow(clippy::unwrap_used)]

use std::fmt::Write as _;
use std::fs;
use std::io::{Seek as _, SeekFrom, Write as _};
use std::path::PathBuf;

use chrono_tz::Tz;
use ledger::{Cause, Head, Hold, Kind, Line, plan};
use rust_decimal::Decimal;

use super::{ITEMIZED, Stripe, kind_of};
use crate::{Detected, GroupEnd, Item, Provider as _, ReadError, Terms};

/// One group of a report: how it ended and its lines.
pub(super) struct Group {
    pub(super) end: GroupEnd,
    pub(super) lines: Vec<Line<'static>>,
}

impl Group {
    fn head(&self) -> &Head {
        match &self.end {
            GroupEnd::Settlement { head, .. } => head,
            end => panic!("not a settlement: {end:?}"),
        }
    }

    fn hold(&self) -> Option<&Hold> {
        match &self.end {
            GroupEnd::Settlement { hold, .. } | GroupEnd::Open { hold, .. } => hold.as_ref(),
        }
    }
}

pub(super) fn owned(line: &Line<'_>) -> Line<'static> {
    let text = |text: &str| text.to_owned().into();
    Line {
        id: text(&line.id),
        reference: text(&line.reference),
        remote_type: text(&line.remote_type),
        method: text(&line.method),
        country: text(&line.country),
        original_id: text(&line.original_id),
        tags: line.tags.iter().map(|(key, value)| (text(key), text(value))).collect(),
        ..*line
    }
}

fn file_of(bytes: &[u8]) -> fs::File {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    file.seek(SeekFrom::Start(0)).unwrap();
    file
}

/// Reads a report as the importer does: each row is archived and must read the same from there.
pub(super) fn read_with(bytes: &[u8], terms: &Terms) -> Result<Vec<Group>, ReadError> {
    let mut rows = Stripe.open(ITEMIZED, file_of(bytes), terms)?;
    let mut settler = Stripe.settler(ITEMIZED, terms).unwrap();
    let mut open: Vec<Vec<Line<'static>>> = Vec::new();
    let mut groups = Vec::new();
    let mut json = Vec::new();
    while let Some(item) = rows.next(Some(&mut json))? {
        match item {
            Item::Row { group, line } => {
                assert_eq!(settler.line(&json).unwrap(), line);
                assert!(!json.contains(&b'\n'), "an archived row is one line");
                let group = group as usize;
                if group == open.len() {
                    open.push(Vec::new());
                }
                open[group].push(owned(&line));
            }
            Item::Group { group, end } => {
                let lines = std::mem::take(&mut open[group as usize]);
                groups.push(Group { end, lines });
            }
        }
        json.clear();
    }
    assert!(open.iter().all(Vec::is_empty), "every group ends");
    Ok(groups)
}

fn read(text: &str) -> Result<Vec<Group>, ReadError> {
    read_with(text.as_bytes(), &Terms::plain())
}

/// What is wrong with a report that is refused as a whole.
fn refused(text: &str) -> String {
    match read(text) {
        Ok(groups) => panic!("read as {}", describe(&groups)),
        Err(error) => error.to_string(),
    }
}

pub(super) fn describe(groups: &[Group]) -> String {
    let mut out = String::new();
    for group in groups {
        match &group.end {
            GroupEnd::Settlement { head, open, .. } => {
                let totals = group.lines.iter().fold((Decimal::ZERO, Decimal::ZERO), sums);
                writeln!(
                    out,
                    "settlement  {}  {}  {}  payout {}  gross {}  fee {}  net {}  opening {}  closing {}{}",
                    head.name,
                    head.currency,
                    head.payout_on,
                    head.payout,
                    totals.0,
                    totals.1,
                    totals.0 - totals.1,
                    head.opening,
                    head.closing,
                    if *open { "  may go on" } else { "" },
                )
                .unwrap();
            }
            GroupEnd::Open { currency, .. } => {
                writeln!(out, "not paid out yet  {currency}").unwrap();
            }
        }
        if let Some(hold) = group.hold() {
            writeln!(out, "  held  {hold}").unwrap();
        }
        for line in &group.lines {
            writeln!(out, "  {}", describe_line(line)).unwrap();
        }
    }
    if groups.is_empty() {
        out.push_str("no settlements\n");
    }
    out
}

fn sums((gross, fee): (Decimal, Decimal), line: &Line<'_>) -> (Decimal, Decimal) {
    if line.kind == Kind::Payout { (gross, fee) } else { (gross + line.gross, fee + line.fee) }
}

fn describe_line(line: &Line<'_>) -> String {
    let mut text = format!(
        "{}  {:<19}  {}  {:>10}  {:>7}  {}  {}",
        line.id,
        line.kind.name(),
        line.on,
        line.gross.to_string(),
        line.fee.to_string(),
        line.fee_type,
        line.remote_type,
    );
    for (name, value) in [
        ("ref", &line.reference),
        ("method", &line.method),
        ("country", &line.country),
        ("original", &line.original_id),
    ] {
        if !value.is_empty() {
            write!(text, "  {name} {value}").unwrap();
        }
    }
    for (key, value) in &line.tags {
        write!(text, "  {key}={value}").unwrap();
    }
    for (is, name) in [(line.stays_on_balance, "stays on balance"), (line.unknown, "UNKNOWN")] {
        if is {
            write!(text, "  {name}").unwrap();
        }
    }
    text
}

pub(super) fn folder(case: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src/stripe/fixtures").join(case)
}

pub(super) fn report(case: &str) -> String {
    fs::read_to_string(folder(case).join("report.csv")).unwrap()
}

fn check_with(case: &str, terms: &Terms) {
    let report = report(case);
    assert_eq!(Stripe.detect(report.as_bytes()), Detected::Format(ITEMIZED), "{case}");
    let found = describe(&read_with(report.as_bytes(), terms).unwrap());
    let path = folder(case).join("expected.lines");
    if std::env::var_os("BILAG_REGENERATE").is_some_and(|value| value == "1") {
        fs::write(&path, &found).unwrap();
    }
    let expected = fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(found, expected, "{case}");
}

fn check(case: &str) {
    check_with(case, &Terms::plain());
}

/// Terms of a connection that is booked by day.
fn by_day() -> Terms {
    Terms {
        account: Some("acct_1".to_owned()),
        window_from: Some("2026-01-01".parse().unwrap()),
        ..Terms::plain()
    }
}

#[test]
fn two_pages_of_the_api_are_one_report() {
    check("two-pages");
}

#[test]
fn charges_only_are_sales_with_their_fees() {
    check("charges-only");
}

#[test]
fn fees_and_vat_on_rows_of_their_own_have_no_gross() {
    check("fee-with-vat");
}

#[test]
fn partial_refunds_name_the_payment_they_concern() {
    check("partial-refund");
}

#[test]
fn a_refund_larger_than_sales_makes_a_negative_payout() {
    check("refund-larger-than-sales");
}

#[test]
fn a_chargeback_has_a_dispute_fee() {
    check("chargeback");
}

#[test]
fn a_chargeback_won_gives_the_dispute_fee_back() {
    check("chargeback-won");
}

#[test]
fn reserves_minimum_balances_and_returned_payouts_are_told_apart() {
    check("reserve-held");
}

#[test]
fn two_payouts_with_mixed_rows_are_two_settlements() {
    check("two-payouts-mixed");
}

#[test]
fn two_currencies_are_two_settlements_and_one_payout_in_both_is_held() {
    check("two-currencies");
}

#[test]
fn an_unknown_category_becomes_an_unknown_line() {
    check("unknown-line");
}

#[test]
fn fault_084_a_report_without_rows_has_no_settlements() {
    check("empty-payout");
    assert!(refused("").contains("empty"));
}

#[test]
fn a_payout_made_by_hand_is_held() {
    check("manual-payout");
}

#[test]
fn rows_that_are_not_paid_out_yet_stay_open() {
    check("not-paid-out-yet");
}

#[test]
fn a_payout_without_its_own_row_is_held() {
    check("payout-row-missing");
}

#[test]
fn by_day_the_first_and_the_last_day_may_go_on_elsewhere() {
    check_with("window", &by_day());
    for group in read_with(report("window").as_bytes(), &by_day()).unwrap() {
        assert!(!group.head().payout.to_string().starts_with("-0"));
    }
}

#[test]
fn tags_are_kept_for_the_configured_keys_only() {
    let terms = Terms { tags: vec!["plan".to_owned(), "not-there".to_owned()], ..Terms::plain() };
    check_with("tags", &terms);
}

#[test]
fn currencies_without_decimals_may_be_written_with_two_zeros() {
    check("iskr");
}

#[test]
fn plain_created_times_are_read_in_the_reports_time_zone() {
    let terms =
        Terms { time_zone: Tz::Europe__Oslo, report_time_zone: Tz::America__Los_Angeles, ..Terms::plain() };
    check_with("plain-created-column", &terms);
}

#[test]
fn archived_rows_give_the_same_lines() {
    // `read_with` compares each line with the one that its archived row gives; here for every case, and with
    // terms that decide what is archived and which day a row has.
    let terms = Terms {
        time_zone: Tz::Europe__Oslo,
        report_time_zone: Tz::Asia__Tokyo,
        tags: vec!["plan".to_owned(), "region".to_owned()],
        ..by_day()
    };
    let mut cases = 0;
    for entry in fs::read_dir(folder("")).unwrap() {
        let case = entry.unwrap().file_name().into_string().unwrap();
        read_with(report(&case).as_bytes(), &terms).unwrap();
        read(&report(&case)).unwrap();
        cases += 1;
    }
    assert!(cases >= 17);
}

#[test]
fn customers_names_and_descriptions_are_not_archived() {
    let report = report("charges-only");
    let mut rows = Stripe.open(ITEMIZED, file_of(report.as_bytes()), &Terms::plain()).unwrap();
    let mut json = Vec::new();
    while rows.next(Some(&mut json)).unwrap().is_some() {}
    let json = String::from_utf8(json).unwrap();
    assert!(report.contains("Kari Eksempel") && json.contains("txn_1"));
    assert!(!json.contains("Kari"), "{json}");
}

/// `charges-only` with one text changed.
fn changed(from: &str, to: &str) -> String {
    let report = report("charges-only");
    assert!(report.contains(from), "{from}");
    report.replacen(from, to, 1)
}

#[test]
fn fault_069_quoted_numbers_are_read_as_numbers() {
    let quoted = changed("600.00,17.25,582.75", "\"600.00\",\"17.25\",\"582.75\"");
    let sound = describe(&read(&report("charges-only")).unwrap());
    assert_eq!(describe(&read(&quoted).unwrap()), sound);
}

#[test]
fn fault_070_an_amount_that_is_no_plain_decimal_refuses_the_file_at_its_row() {
    for amount in ["", "6e2", "1e400", "NaN", "Infinity", "600.001", "+600.00", " 600.00"] {
        let error = refused(&changed("600.00,17.25", &format!("{amount},17.25")));
        assert!(error.starts_with("row 3: gross: "), "{amount:?}: {error}");
    }
}

#[test]
fn fault_071_an_amount_beyond_any_limit_refuses_the_file_at_its_row() {
    for amount in ["99999999999999.99", "9223372036854775808", "-170141183460469231731687303715884105729"] {
        let error = refused(&changed("600.00,17.25", &format!("{amount},17.25")));
        assert!(error.starts_with("row 3: gross: "), "{amount}: {error}");
    }
}

#[test]
fn fault_079_decimal_commas_thousands_and_trailing_signs_refuse_the_file() {
    for amount in ["\"600,00\"", "\"1,600.00\"", "1 600.00", "600.00-", "(600.00)", "1.600.00"] {
        let error = refused(&changed("600.00,17.25", &format!("{amount},17.25")));
        assert!(error.starts_with("row 3: gross: "), "{amount}: {error}");
    }
}

#[test]
fn fault_073_a_byte_order_mark_is_read_and_other_encodings_are_refused() {
    let report = report("charges-only");
    let sound = describe(&read(&report).unwrap());
    let marked = format!("\u{feff}{report}");
    assert_eq!(Stripe.detect(marked.as_bytes()), Detected::Format(ITEMIZED));
    assert_eq!(describe(&read(&marked).unwrap()), sound);
    let latin = changed("N-2", "N-@").replace('@', "\u{e6}");
    let latin: Vec<u8> = latin.chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect();
    let error = read_with(&latin, &Terms::plain()).err().unwrap();
    assert!(error.to_string().starts_with("row 3: the text is not UTF-8"), "{error}");
    let wide: Vec<u8> = report.encode_utf16().flat_map(u16::to_le_bytes).collect();
    assert_eq!(Stripe.detect(&wide), Detected::NotMine);
    assert!(read_with(&wide, &Terms::plain()).is_err());
}

#[test]
fn fault_075_order_ids_are_kept_as_they_came_and_printed_without_hidden_characters() {
    // The Cyrillic \u{0415} looks like a Latin E; the other two turn the text around.
    let order = "\u{202e}ORD\u{0415}R\u{2066}-1";
    let groups = read(&changed("N-1", order)).unwrap();
    let line = &groups[0].lines[0];
    assert_eq!(line.reference, order);
    assert_eq!(plan::printable(&line.reference), "ORD\u{0415}R-1");
    // Names of settlements are plain, or the file is refused.
    for id in ["po_\u{202e}1A", "po_1:A", "po 1A", "po/1A"] {
        let error = refused(&changed("po_1A", id));
        assert!(error.starts_with("row 2: "), "{error}");
    }
}

#[test]
fn fault_075_a_manual_payout_with_an_id_that_is_not_plain_is_refused() {
    for id in ["po_\u{202e}1", "po:1", "a/b"] {
        let error = refused(&report("manual-payout").replace("po_manual_txn_2", id));
        assert!(error.starts_with("row 3: "), "{error}");
    }
}

#[test]
fn fault_078_columns_in_any_order_with_others_between_and_any_separator_are_read() {
    let report = report("charges-only");
    let sound = describe(&read(&report).unwrap());
    for (separator, line_end) in [(",", "\n"), (";", "\r\n"), ("\t", "\n")] {
        let lines: Vec<String> = report
            .lines()
            .enumerate()
            .map(|(index, line)| {
                let mut fields: Vec<&str> = line.split(',').collect();
                fields.reverse();
                fields.insert(4, if index == 0 { "new_column" } else { "\"two\nlines\"" });
                fields.join(separator)
            })
            .collect();
        let text = lines.join(line_end);
        assert_eq!(Stripe.detect(text.as_bytes()), Detected::Format(ITEMIZED));
        assert_eq!(describe(&read(&text).unwrap()), sound, "{separator:?}");
    }
    for column in ["automatic_payout_id", "currency", "gross", "fee", "net", "reporting_category"] {
        let error = refused(&changed(&format!("{column},"), "other,"));
        assert!(error.contains(&format!("the column {column} is missing")), "{error}");
    }
}

#[test]
fn fault_086_one_row_of_another_account_holds_the_settlement() {
    let with_accounts = |accounts: [&str; 4]| {
        let mut lines = report("charges-only").lines().map(str::to_owned).collect::<Vec<_>>();
        lines[0].push_str(",connected_account_id");
        for (line, account) in lines[1..].iter_mut().zip(accounts) {
            write!(line, ",{account}").unwrap();
        }
        lines.join("\n")
    };
    for (accounts, held) in [
        (["acct_1"; 4], false),
        ([""; 4], false),
        (["acct_1", "", "acct_1", ""], false),
        (["acct_2"; 4], true),
        (["acct_1", "acct_1", "acct_2", "acct_1"], true),
        (["", "", "", "acct_2"], true),
    ] {
        for terms in [by_day(), Terms { window_from: None, ..by_day() }] {
            let groups = read_with(with_accounts(accounts).as_bytes(), &terms).unwrap();
            let wrong = groups.iter().filter_map(Group::hold).any(|hold| hold.cause == Cause::WrongAccount);
            assert_eq!(wrong, held, "{accounts:?}");
        }
    }
}

#[test]
fn fault_087_an_unknown_category_never_passes_as_something_else() {
    for category in ["", "Charge", "charge ", "issuing_transaction", "stripe_fx_fee", "sale"] {
        assert_eq!(kind_of(category, Decimal::ONE), None, "{category:?}");
        let text = changed(",charge,", &format!(",{category},"));
        let groups = read(&text).unwrap();
        assert!(groups[0].lines[0].unknown, "{category:?}");
    }
}

#[test]
fn fault_088_unknown_currencies_and_wrong_decimals_refuse_the_file() {
    for code in ["", "xxx", "nokk", "kr", "zzz"] {
        let error = refused(&changed(",nok,600.00", &format!(",{code},600.00")));
        assert!(error.starts_with("row 3: currency: "), "{code}: {error}");
    }
    for (code, amount, sound) in [
        ("jpy", "600.50", false),
        ("isk", "600.01", false),
        ("mga", "600.50", false),
        ("ugx", "600.50", false),
        ("huf", "600.50", true),
        ("kwd", "600.505", true),
        ("nok", "600.505", false),
        ("kwd", "600.5055", false),
    ] {
        let rows = format!(
            "automatic_payout_id,balance_transaction_id,created_utc,currency,gross,fee,net,\
             reporting_category\n\
             po_1,txn_1,2026-02-02 10:00:00,{code},{amount},0,{amount},charge\n\
             po_1,txn_2,2026-02-03 10:00:00,{code},-{amount},0,-{amount},payout\n"
        );
        match read(&rows) {
            Ok(groups) => assert!(sound && groups[0].hold().is_none(), "{code} {amount}"),
            Err(error) => assert!(!sound && error.at == "row 2", "{code} {amount}: {error}"),
        }
    }
}

#[test]
fn fault_089_a_payout_that_does_not_add_up_is_held_and_a_row_that_does_not_refuses_the_file() {
    for (from, to, missing) in [
        ("600.00,17.25,582.75", "600.01,17.25,582.76", "-0.01 NOK"),
        ("600.00,17.25,582.75", "500.00,17.25,482.75", "100.00 NOK"),
        ("-1942.50,0.00,-1942.50", "-1942.49,0.00,-1942.49", "-0.01 NOK"),
    ] {
        let groups = read(&changed(from, to)).unwrap();
        let hold = groups[0].hold().unwrap();
        assert_eq!(hold.cause, Cause::DoesNotAddUp);
        assert!(hold.what.contains(&format!("{missing} is missing")), "{hold}");
    }
    let error = refused(&changed("600.00,17.25,582.75", "600.00,17.25,582.76"));
    assert!(error.starts_with("row 3: net 582.76 is not gross"), "{error}");
    // The payout's row twice, as in two reports joined by hand.
    let report = report("charges-only");
    let payout = report.lines().last().unwrap();
    let groups = read(&format!("{report}{payout}\n")).unwrap();
    assert_eq!(groups[0].hold().unwrap().cause, Cause::DoesNotAddUp);
}

#[test]
fn times_that_are_none_and_rows_without_an_id_refuse_the_file() {
    for time in ["", "2026-02-30 10:00:00", "02.02.2026 10:00", "1770026400"] {
        let text = report("plain-created-column").replacen("2026-02-01 23:30:00", time, 1);
        assert!(refused(&text).starts_with("row 2: "), "{time}");
    }
    assert!(refused(&changed("txn_2,", ",")).starts_with("row 3: balance_transaction_id"));
}

/// What can be booked from a report: heads with their lines, none of them held or open.
fn sound(groups: &[Group]) -> Vec<String> {
    groups
        .iter()
        .filter(|group| {
            group.hold().is_none() && matches!(group.end, GroupEnd::Settlement { open: false, .. })
        })
        .map(|group| {
            let lines: Vec<&str> = group.lines.iter().map(|line| line.id.as_ref()).collect();
            format!("{:?} {lines:?}", group.head())
        })
        .collect()
}

#[test]
fn a_report_cut_off_anywhere_gives_no_settlement_that_the_whole_does_not_have() {
    for (case, terms) in [
        ("two-payouts-mixed", Terms::plain()),
        ("reserve-held", Terms::plain()),
        ("tags", Terms::plain()),
        ("plain-created-column", Terms::plain()),
        ("window", by_day()),
    ] {
        let report = report(case);
        let whole = sound(&read_with(report.as_bytes(), &terms).unwrap());
        for end in 0..report.len() {
            let Ok(groups) = read_with(&report.as_bytes()[..end], &terms) else {
                continue;
            };
            for settlement in sound(&groups) {
                assert!(whole.contains(&settlement), "{case} at {end}: {settlement}");
            }
        }
    }
}

#[test]
fn the_readmes_table_is_what_the_code_does() {
    let mut listed = Vec::new();
    let rows =
        include_str!("README.md").lines().filter_map(|line| line.strip_prefix("| `")?.strip_suffix(" |"));
    for row in rows.filter(|row| !row.starts_with("reporting_category")) {
        let (categories, meaning) = row.split_once(" | ").unwrap();
        for category in categories.split(", ") {
            let category = category.trim_matches('`');
            let kind = |gross: i64| kind_of(category, Decimal::new(gross, 0)).unwrap().0;
            let (taken, given) = (kind(-1), kind(1));
            let expected = match (taken, given) {
                (Kind::Fee, Kind::FeeRefund) => "fee, or fee-refund when positive".to_owned(),
                (Kind::Hold, Kind::HoldRelease) => "hold or hold-release, by sign".to_owned(),
                _ => {
                    assert_eq!(taken, given, "{category}");
                    taken.name().to_owned()
                }
            };
            let said = meaning.split(';').next().unwrap();
            let said = said.strip_suffix(", booked by its own voucher").unwrap_or(said);
            assert_eq!(said, expected, "{category}");
            assert!(!listed.contains(&category), "{category} stands twice");
            listed.push(category);
        }
    }
    assert_eq!(listed.len(), 43);
    // The code has no category that the table lacks: each arm's texts stand in the table.
    let code = include_str!("settle.rs");
    let body = &code[code.find("pub fn kind_of").unwrap()..];
    let body = &body[..body.find("_ => return None").unwrap()];
    for category in body.split('"').skip(1).step_by(2) {
        assert!(listed.contains(&category), "{category} is not in README");
    }
}

#[test]
fn other_reports_of_stripes_are_named_and_refused() {
    for (header, expected) in [
        ("balance_transaction_id,reporting_category,net\n", "no column automatic_payout_id"),
        ("id,Created (UTC),Amount,Type\n", "list of transactions"),
    ] {
        match Stripe.detect(header.as_bytes()) {
            Detected::Refused(why) => assert!(why.contains(expected), "{why}"),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(Stripe.detect(b"a,b,c\n1,2,3\n"), Detected::NotMine);
    assert!(Stripe.settler("stripe-v0", &Terms::plain()).is_err());
}
