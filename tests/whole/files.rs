//! Faults of dropped files: what cannot be read has no effect, what comes twice is compared.

use bilag_tests::{Stripe, TestHome, Vipps, mapping};
use store::SettlementState;

/// Runs a home with a sound report and one odd file; the sound one is booked, the odd one must be an error that
/// names `why`.
async fn refused(name: &str, bytes: impl AsRef<[u8]>, why: &str) {
    let home = TestHome::of("acme");
    home.drop_file("acme/shop/sound.csv", Stripe::simple("po_sound", "2026-01-05").csv());
    home.drop_file(&format!("acme/shop/{name}"), bytes);
    let pass = home.pass().await;
    assert!(pass.failed.is_empty(), "{:?}", pass.failed);
    assert_eq!(pass.booked(), ["stripe:po_sound"], "{name}");
    let [(file, cause)] = pass.unreadable.as_slice() else {
        panic!("{name}: {:?}", pass.unreadable);
    };
    assert_eq!(file, &format!("inbox/acme/shop/{name}"));
    assert!(cause.contains(why), "{name}: {cause}");
}

#[tokio::test]
async fn fault_028_columns_that_a_newer_report_adds_are_ignored_and_one_that_is_missing_is_named() {
    let report = Stripe::simple("po_1", "2026-01-05").csv();
    let newer: String = report.lines().map(|line| format!("{line},brand_new\n")).collect();
    let home = TestHome::of("acme");
    home.drop_file("acme/shop/newer.csv", newer);
    assert_eq!(home.pass().await.clean().booked(), ["stripe:po_1"]);
    for column in ["net", "gross", "currency", "created_utc"] {
        let lacking = report.replacen(&format!("{column},"), &format!("old_{column},"), 1);
        refused("lacking.csv", lacking, column.trim_end_matches("_utc")).await;
    }
}

#[tokio::test]
async fn fault_067_a_file_cut_off_anywhere_books_nothing_that_it_does_not_prove() {
    let whole = Stripe::simple("po_1", "2026-01-05")
        .payout("po_2")
        .sale("2026-01-06 09:00:00", "50.00", "1.00")
        .paid("2026-01-07 12:00:00")
        .csv();
    let booked_whole = {
        let home = TestHome::of("acme");
        home.drop_file("acme/shop/whole.csv", &whole);
        home.pass().await.clean();
        home.journal("acme").text
    };
    // At many places, and at the end of each row.
    let ends = whole.match_indices('\n').map(|(at, _)| at);
    let cuts = (0..whole.len()).step_by(61).chain(ends);
    for length in cuts {
        let home = TestHome::of("acme");
        home.drop_file("acme/shop/report.csv", &whole[..length]);
        let pass = home.pass().await;
        assert!(pass.failed.is_empty(), "{length}: {:?}", pass.failed);
        for transaction in &home.journal("acme").transactions {
            assert!(booked_whole.contains(&transaction.reference), "{length}: {transaction:?}");
        }
        // The whole file under the same name makes it good.
        home.drop_file("acme/shop/report.csv", &whole);
        home.pass().await.clean();
        assert_eq!(home.journal("acme").balance("1909").to_string(), "146.00", "{length}");
        assert_eq!(home.journal("acme").transactions.len(), 2, "{length}");
    }
}

#[tokio::test]
async fn fault_067_truncated_json_is_an_error_and_its_bytes_are_kept() {
    refused("answer.json", "{\"object\": \"list\", \"data\": [{\"amount\": 12", "JSON").await;
    let home = TestHome::of("acme");
    home.drop_file("acme/shop/answer.json", "{\"data\": [");
    home.pass().await;
    let kept: Vec<Vec<u8>> = std::fs::read_dir(home.path().join("archive/acme/files"))
        .unwrap()
        .map(|entry| std::fs::read(entry.unwrap().path()).unwrap())
        .collect();
    assert_eq!(kept, [b"{\"data\": [".to_vec()]);
}

#[tokio::test]
async fn fault_068_a_column_that_stands_twice_is_refused_as_ambiguous() {
    let report = Stripe::simple("po_1", "2026-01-05").csv().replacen("order_id", "gross", 1);
    refused("twice.csv", report, "stands twice").await;
}

#[tokio::test]
async fn fault_070_amounts_that_are_no_plain_decimals_make_the_file_an_error() {
    for odd in ["1e2", "NaN", "Infinity", "0x64", "+100.00", "100.001", "1 00.00", ""] {
        let report = Stripe::simple("po_1", "2026-01-05").csv().replacen(",100.00,", &format!(",{odd},"), 1);
        refused("odd.csv", report, "row 2").await;
    }
}

#[tokio::test]
async fn fault_071_an_amount_beyond_any_real_one_makes_the_file_an_error() {
    let report = Stripe::simple("po_1", "2026-01-05").csv().replacen(",100.00,", ",92233720368547758.07,", 1);
    refused("huge.csv", report, "limit").await;
}

#[tokio::test]
async fn fault_072_deep_and_endless_content_is_refused_within_bounds() {
    refused("deep.json", "[".repeat(100_000), "JSON").await;
    refused("deep.xml", "<a>".repeat(100_000), "XML").await;
    let mut endless = Stripe::simple("po_1", "2026-01-05").csv();
    endless.push_str("po_2,\"");
    endless.push_str(&"x".repeat(3 << 20));
    refused("open-quote.csv", endless, "row 4").await;
    let wide = format!("{}\n", "column,".repeat(200_000));
    refused("wide.csv", wide, "columns").await;
}

#[tokio::test]
async fn fault_073_only_utf_8_is_read_with_or_without_a_mark() {
    let report = Stripe::simple("po_1", "2026-01-05").csv();
    let marked = TestHome::of("acme");
    marked.drop_file("acme/shop/marked.csv", format!("\u{feff}{report}"));
    assert_eq!(marked.pass().await.clean().booked(), ["stripe:po_1"]);

    let utf_16: Vec<u8> =
        [0xff, 0xfe].into_iter().chain(report.encode_utf16().flat_map(u16::to_le_bytes)).collect();
    refused("utf-16.csv", utf_16, "UTF-16").await;
    let latin_1 = report.replacen("N-1", "B\u{1}l", 1).into_bytes();
    let latin_1: Vec<u8> = latin_1.into_iter().map(|byte| if byte == 1 { 0xe5 } else { byte }).collect();
    refused("latin-1.csv", latin_1, "UTF-8").await;
}

/// The journal of a payout whose one sale has `order` as its reference, one line per row.
async fn booked_with_reference(order: &str) -> TestHome {
    let home = TestHome::new();
    let by_row = "book = \"clearing\"\ngranularity = \"transaction\"";
    home.config("acme", &mapping("acme").replacen("book = \"clearing\"", by_row, 1));
    let report = Stripe::new()
        .payout("po_1")
        .ordered("charge", "2026-01-05 10:00:00", "100.00", "3.00", order)
        .paid("2026-01-07 12:00:00");
    home.drop_file("acme/shop/report.csv", report.csv());
    home.pass().await.clean();
    let journal = home.journal("acme");
    assert_eq!(journal.references(), ["stripe:po_1"], "{order:?}");
    assert_eq!(journal.of("stripe:po_1").figures(), ["1909 97.00", "1579 -100.00", "7770 3.00"]);
    assert!(home.replays().await, "{order:?}");
    home
}

fn sale_comment(home: &TestHome) -> String {
    home.journal("acme").of("stripe:po_1").lines[1].comment.clone()
}

#[tokio::test]
async fn fault_074_control_characters_in_a_reference_cannot_break_the_journal() {
    let home =
        booked_with_reference("A\n2026-01-01 * (stripe:po_9) x\n    1909  1 NOK\r\u{b}\u{7f}\u{85};tag:1")
            .await;
    let comment = sale_comment(&home);
    assert!(!comment.contains(|c: char| c.is_control() || c == ';'), "{comment:?}");
    assert!(comment.contains('A'), "{comment:?}");
}

#[tokio::test]
async fn fault_075_bidirectional_characters_stay_in_the_archive_and_out_of_the_journal() {
    let home = booked_with_reference("inv\u{202e}oice\u{2066}\u{200f} 7").await;
    assert!(sale_comment(&home).ends_with("invoice 7"), "{:?}", sale_comment(&home));
    let item = home.settlement("acme", "stripe:po_1").await;
    let place = home.path().join("archive").join(item.source.manifest.replace("/manifest.json", ""));
    let chunk = std::fs::read_dir(place).unwrap().map(|entry| entry.unwrap().path());
    let chunk = chunk.filter(|path| path.extension().is_some_and(|end| end == "jsonl")).next().unwrap();
    let rows = std::fs::read_to_string(chunk).unwrap();
    assert!(rows.contains("inv\u{202e}oice"), "{rows}");
}

#[tokio::test]
async fn fault_076_text_of_four_bytes_is_kept_where_the_system_takes_it() {
    let home = booked_with_reference("Kopp ☕ 🏺 𝕏").await;
    assert!(sale_comment(&home).ends_with("Kopp ☕ 🏺 𝕏"));
}

#[tokio::test]
async fn fault_077_a_very_long_reference_is_cut_at_a_character_and_the_vouchers_own_is_not() {
    let home = booked_with_reference(&"åß🏺".repeat(50_000)).await;
    let comment = sale_comment(&home);
    assert!(comment.chars().count() < 200, "{}", comment.chars().count());
    assert!(comment.contains("åß🏺"), "{comment}");
}

#[tokio::test]
async fn fault_078_columns_are_found_by_name_in_any_order_and_dialect() {
    let plain = Stripe::simple("po_1", "2026-01-05").csv();
    let reordered: String = plain
        .lines()
        .map(|line| {
            let mut cells: Vec<&str> = line.split(',').collect();
            cells.reverse();
            format!("{};seen\r\n", cells.join(";"))
        })
        .collect();
    let home = TestHome::of("acme");
    home.drop_file("acme/shop/a.csv", reordered.trim_end());
    let pass = home.pass().await.clean();
    assert_eq!(pass.booked(), ["stripe:po_1"]);
    // The same payout in the other dialect is the same.
    home.drop_file("acme/shop/b.csv", &plain);
    assert!(home.pass().await.clean().vouchers.is_empty());
}

#[tokio::test]
async fn fault_079_decimal_commas_and_brackets_are_refused() {
    for odd in ["\"100,00\"", "\"1.00,00\"", "(100.00)", "100.00-"] {
        let report = Stripe::simple("po_1", "2026-01-05").csv().replacen(",100.00,", &format!(",{odd},"), 1);
        refused("odd.csv", report, "row 2").await;
    }
}

#[tokio::test]
async fn fault_083_archives_of_unknown_kind_are_refused_by_name() {
    refused("report.zip", b"PK\x03\x04\x14\0\0\0nothing", "ZIP").await;
}

#[tokio::test]
async fn fault_084_an_empty_file_is_an_error_and_a_header_alone_makes_no_voucher() {
    refused("empty.csv", "", "empty").await;
    let home = TestHome::of("acme");
    home.drop_file("acme/shop/header.csv", Stripe::new().csv());
    home.drop_file("acme/counter/header.csv", Vipps::new("548005", "460017").csv());
    let pass = home.pass().await.clean();
    assert!(pass.vouchers.is_empty());
    assert!(!home.journal_path("acme").exists());
}

#[tokio::test]
async fn fault_085_the_same_rows_in_another_file_have_no_effect() {
    let home = TestHome::of("acme");
    let report = Stripe::simple("po_1", "2026-01-05");
    home.drop_file("acme/shop/a.csv", report.csv());
    home.pass().await.clean();
    let before = home.journal("acme").text;
    // The same, with a row of the next payout behind it.
    let longer = report.payout("").sale("2026-01-08 10:00:00", "10.00", "1.00");
    home.drop_file("acme/shop/b.csv", longer.csv());
    assert!(home.pass().await.clean().vouchers.is_empty());
    assert_eq!(home.journal("acme").text, before);
}

#[tokio::test]
async fn fault_085_files_that_differ_before_posting_hold_the_settlement_until_one_is_chosen() {
    let home = TestHome::of("acme");
    let one = Stripe::simple("po_1", "2026-01-05");
    let other = Stripe::new()
        .payout("po_1")
        .sale("2026-01-05 10:00:00", "90.00", "3.00")
        .sale("2026-01-05 11:00:00", "10.00", "0.00")
        .paid("2026-01-05 12:00:00");
    home.drop_file("acme/shop/a.csv", one.csv());
    home.drop_file("acme/shop/b.csv", other.csv());
    let pass = home.pass().await;
    assert_eq!(pass.held_for("acme/stripe:po_1"), Some("duplicate-differs"));
    assert!(home.journal("acme").transactions.is_empty());
    assert!(home.pass().await.vouchers.is_empty());

    home.take_away("acme/shop/a.csv");
    home.release("acme", "stripe:po_1").await;
    let pass = home.pass().await.clean();
    assert_eq!(pass.booked(), ["stripe:po_1"]);
    let item = home.settlement("acme", "stripe:po_1").await;
    assert_eq!(item.source.from, "shop/b.csv");
    assert!(home.replays().await);
}

/// What makes all files be read again, with other bytes for every row.
fn with_a_tag() -> String {
    mapping("acme").replacen("book = \"clearing\"", "book = \"clearing\"\ntags = [\"plan\"]", 1)
}

#[tokio::test]
async fn a_decision_between_two_reports_lasts_when_they_are_read_again() {
    let report = |gross: &str| {
        let sale = Stripe::new().payout("po_1").sale("2026-01-05 10:00:00", gross, "3.00");
        sale.paid("2026-01-05 12:00:00").csv().replacen("order_id", "payment_metadata[plan]", 1)
    };
    for taken_away in [None, Some("acme/shop/a.csv")] {
        let home = TestHome::of("acme");
        home.drop_file("acme/shop/a.csv", report("100.00"));
        home.drop_file("acme/shop/b.csv", report("90.00"));
        assert_eq!(home.pass().await.held_for("acme/stripe:po_1"), Some("duplicate-differs"));
        if let Some(file) = taken_away {
            home.take_away(file);
        }
        home.release("acme", "stripe:po_1").await;
        assert_eq!(home.pass().await.clean().booked(), ["stripe:po_1"]);
        let booked = home.journal("acme").text;
        home.config("acme", &with_a_tag());
        home.drop_file("acme/shop/again.csv", report("100.00"));
        home.drop_file("acme/shop/once-more.csv", report("90.00"));
        home.pass().await.clean();
        assert_eq!(home.journal("acme").text, booked);
        // What nobody has decided about is asked.
        home.drop_file("acme/shop/c.csv", report("80.00"));
        assert_eq!(home.pass().await.held_for("acme/stripe:po_1"), Some("duplicate-differs"));
        home.release("acme", "stripe:po_1").await;
        home.config("acme", &mapping("acme"));
        home.pass().await.clean();
        assert_eq!(home.journal("acme").text, booked);
    }
}

/// A booked payout of three sales, and its report.
async fn booked() -> (TestHome, Stripe) {
    let home = TestHome::of("acme");
    let report = Stripe::new().payout("po_1").sale("2026-01-05 10:00:00", "100.00", "3.00").sale(
        "2026-01-05 11:00:00",
        "200.00",
        "6.00",
    );
    home.drop_file("acme/shop/a.csv", report.clone().paid("2026-01-07 12:00:00").csv());
    home.pass().await.clean();
    (home, report)
}

#[tokio::test]
async fn fault_091_rows_added_and_amended_after_posting_make_one_correction_with_only_these_rows() {
    let (home, _) = booked().await;
    // The second sale was of a larger amount with a larger fee, and a refund that cancels with a sale came late.
    let later = Stripe::new()
        .payout("po_1")
        .sale("2026-01-05 10:00:00", "100.00", "3.00")
        .sale("2026-01-05 11:00:00", "202.00", "8.00")
        .refund("2026-01-06 09:00:00", "-40.00")
        .sale("2026-01-06 10:00:00", "41.00", "1.00")
        .paid("2026-01-07 12:00:00");
    home.drop_file("acme/shop/b.csv", later.csv());
    let pass = home.pass().await.clean();
    assert_eq!(pass.booked(), ["stripe:po_1:correction:r2"]);
    let journal = home.journal("acme");
    assert_eq!(journal.references().len(), 2);
    let correction = journal.of("stripe:po_1:correction:r2");
    assert_eq!(correction.on_account("1909").to_string(), "0");
    assert_eq!(correction.on_account("1579").to_string(), "-3.00");
    assert_eq!(correction.on_account("7770").to_string(), "3.00");
    assert!(correction.text.contains("corrects:stripe:po_1"));
    assert_eq!(journal.balance("1579").to_string(), "-303.00");
    assert_eq!(journal.balance("1909").to_string(), "291.00");

    assert!(home.pass().await.clean().vouchers.is_empty());
    assert!(home.replays().await);
}

#[tokio::test]
async fn fault_085_rows_removed_after_posting_are_held_and_the_voucher_stays() {
    let (home, _) = booked().await;
    let before = home.journal("acme").text;
    let fewer = Stripe::new()
        .payout("po_1")
        .sale("2026-01-05 10:00:00", "300.00", "9.00")
        .paid("2026-01-07 12:00:00");
    home.drop_file("acme/shop/b.csv", fewer.csv());
    let pass = home.pass().await;
    assert_eq!(pass.held_for("acme/stripe:po_1"), Some("duplicate-differs"));
    assert_eq!(home.journal("acme").text, before);
    home.release("acme", "stripe:po_1").await;
    home.pass().await.clean();
    assert_eq!(home.journal("acme").text, before);
    assert_eq!(home.settlement("acme", "stripe:po_1").await.state, SettlementState::Posted);
}

#[tokio::test]
async fn fault_085_another_payout_amount_after_posting_is_held() {
    let (home, report) = booked().await;
    let before = home.journal("acme").text;
    let larger = report.sale("2026-01-06 10:00:00", "10.00", "0.00").paid("2026-01-07 12:00:00");
    home.drop_file("acme/shop/b.csv", larger.csv());
    let pass = home.pass().await;
    assert_eq!(pass.held_for("acme/stripe:po_1"), Some("duplicate-differs"));
    assert_eq!(home.journal("acme").text, before);
}

#[tokio::test]
async fn fault_085_an_old_report_read_again_after_a_correction_changes_nothing() {
    let (home, report) = booked().await;
    let later = report
        .refund("2026-01-06 09:00:00", "-5.00")
        .sale("2026-01-06 10:00:00", "5.00", "0.00")
        .paid("2026-01-07 12:00:00");
    home.drop_file("acme/shop/b.csv", later.csv());
    home.pass().await.clean();
    let before = home.journal("acme").text;
    // A new tag makes all files be read again, the superseded one as well.
    let tagged = "book = \"clearing\"\ntags = [\"plan\"]";
    home.config("acme", &mapping("acme").replacen("book = \"clearing\"", tagged, 1));
    home.pass().await.clean();
    assert_eq!(home.journal("acme").text, before);
}

#[tokio::test]
async fn rows_that_were_corrected_and_come_back_in_another_report_are_held_and_not_corrected_back() {
    let (home, report) = booked().await;
    let amended =
        report.clone().refund("2026-01-06 09:00:00", "-5.00").sale("2026-01-06 10:00:00", "5.00", "0.00");
    home.drop_file("acme/shop/b.csv", amended.paid("2026-01-07 12:00:00").csv());
    home.pass().await.clean();
    let before = home.journal("acme").text;
    // The first report under another name says nothing new, one with other payouts beside the same rows does.
    home.drop_file("acme/shop/copy.csv", report.clone().paid("2026-01-07 12:00:00").csv());
    home.pass().await.clean();
    let longer =
        report.paid("2026-01-07 12:00:00").payout("po_2").sale("2026-01-08 10:00:00", "1.00", "0.00");
    home.drop_file("acme/shop/c.csv", longer.paid("2026-01-09 12:00:00").csv());
    let pass = home.pass().await;
    assert_eq!(pass.held_for("acme/stripe:po_1"), Some("duplicate-differs"));
    assert_eq!(pass.booked(), ["stripe:po_2"]);
    assert!(home.journal("acme").text.starts_with(before.trim_end()));
    assert_eq!(home.journal("acme").transactions.len(), 3);
}

#[tokio::test]
async fn fault_086_rows_of_another_account_are_held_and_the_others_go_on() {
    let home = TestHome::new();
    let with_account = "book = \"clearing\"\naccount = \"acct_mine\"";
    home.config("acme", &mapping("acme").replacen("book = \"clearing\"", with_account, 1));
    let day = "2026-01-05 10:00:00";
    let foreign =
        Stripe::new().account("acct_theirs").payout("po_theirs").sale(day, "100.00", "3.00").paid(day);
    let mine = Stripe::new().account("acct_mine").payout("po_mine").sale(day, "50.00", "2.00").paid(day);
    home.drop_file("acme/shop/theirs.csv", foreign.csv());
    home.drop_file("acme/shop/mine.csv", mine.csv());
    let unit = Vipps::new("777777", "470077").capture("2026-01-05", "100.00").paid("2026-01-05", "2000001");
    home.drop_file("acme/counter/theirs.csv", unit.csv());
    let pass = home.pass().await;
    assert_eq!(pass.booked(), ["stripe:po_mine"]);
    assert_eq!(pass.held_for("acme/stripe:po_theirs"), Some("wrong-account"));
    assert_eq!(pass.held_for("acme/vipps-mobilepay:470077-2000001"), Some("wrong-account"));
}

#[tokio::test]
async fn a_report_that_begins_in_mid_ledger_waits_for_the_one_before_it() {
    let home = TestHome::of("acme");
    let second = Vipps::new("548005", "460017")
        .opening("-40.00")
        .capture("2026-01-06", "140.00")
        .paid("2026-01-06", "2000002");
    home.drop_file("acme/counter/b.csv", second.csv());
    let pass = home.pass().await;
    let held = "acme/vipps-mobilepay:460017-2000002";
    assert_eq!(pass.held_for(held), Some("payout-row-missing"));
    assert!(home.journal("acme").transactions.is_empty());
}

#[tokio::test]
async fn fault_086_a_report_moved_from_the_wrong_folder_to_the_right_one_is_booked() {
    let home = TestHome::new();
    let second = "[connections.kiosk]\nprovider = \"vipps-mobilepay\"\naccount = \"777777\"\nstart_on = 2024-01-01\n\n\
        [connections.kiosk.accounts]\nprovider_balance = \"1572\"\n\n[accounts]";
    home.config("acme", &mapping("acme").replacen("[accounts]", second, 1));
    let report = Vipps::new("777777", "470077").capture("2026-01-05", "100.00").paid("2026-01-05", "2000001");
    home.drop_file("acme/counter/report.csv", report.csv());
    let name = "acme/vipps-mobilepay:470077-2000001";
    assert_eq!(home.pass().await.held_for(name), Some("wrong-account"));
    home.take_away("acme/counter/report.csv");
    home.drop_file("acme/kiosk/report.csv", report.csv());
    home.pass().await.clean();
    assert_eq!(home.journal("acme").balance("1909").to_string(), "100.00");
    assert!(home.replays().await);
}

#[tokio::test]
async fn rows_that_a_later_report_shows_as_paid_are_no_longer_with_the_provider() {
    let home = TestHome::of("acme");
    let days = Vipps::new("548005", "460017")
        .capture("2026-01-05", "100.00")
        .paid("2026-01-05", "2000001")
        .capture("2026-01-06", "20.00");
    home.drop_file("acme/counter/a.csv", days.csv());
    home.pass().await.clean();
    let open = async |home: &TestHome| {
        let opened = home.open().await;
        bilag::status::Report::read(&opened).await.unwrap().open.len()
    };
    assert_eq!(open(&home).await, 1);
    home.drop_file("acme/counter/b.csv", days.paid("2026-01-06", "2000002").csv());
    home.pass().await.clean();
    assert_eq!(open(&home).await, 0);
}

/// How many rows each open position still has.
async fn open_rows(home: &TestHome) -> Vec<u64> {
    let report = bilag::status::Report::read(&home.open().await).await.unwrap();
    report.open.iter().map(|(_, position)| position.totals.rows).collect()
}

#[tokio::test]
async fn open_rows_of_stripe_end_one_by_one_as_later_reports_show_them_in_payouts() {
    // The rows of a payout and those without one have the same ids in both reports.
    let rows = |payout: &str, numbers: std::ops::Range<usize>| {
        let mut report = Stripe::new().payout(payout);
        for number in numbers {
            report = report.sale(&format!("2026-01-{:02} 10:00:00", 5 + number), "100.00", "3.00");
        }
        report
    };
    let ids = |csv: String| csv.replace("txn_po_2_", "txn_po_1_").replace("txn__", "txn_po_1_");
    for later_first in [false, true] {
        let home = TestHome::of("acme");
        let early = ids(rows("", 0..3).csv());
        let half = ids(rows("po_1", 0..2).paid("2026-01-08 12:00:00").csv());
        let files = if later_first { [("a", &half), ("b", &early)] } else { [("a", &early), ("b", &half)] };
        for (name, csv) in files {
            home.drop_file(&format!("acme/shop/{name}.csv"), csv);
            home.pass().await.clean();
        }
        assert_eq!(open_rows(&home).await, [1], "{later_first}");
        // The third row, with its id, in the payout after it.
        let last = rows("po_2", 0..3).csv().replace("txn_po_2_", "txn_po_1_");
        let (header, third) = (last.lines().next().unwrap(), last.lines().last().unwrap());
        let own = rows("po_2", 0..1).paid("2026-01-09 12:00:00").csv();
        home.drop_file("acme/shop/c.csv", format!("{header}\n{third}\n{}\n", own.lines().last().unwrap()));
        let pass = home.pass().await.clean();
        assert_eq!(pass.booked(), ["stripe:po_2"]);
        assert!(open_rows(&home).await.is_empty(), "{later_first}");
    }
}

#[tokio::test]
async fn open_rows_that_no_payout_shows_stay_with_their_age_and_their_file() {
    let home = TestHome::of("acme");
    home.drop_file(
        "acme/shop/a.csv",
        Stripe::new().payout("").sale("2026-01-05 10:00:00", "100.00", "3.00").csv(),
    );
    home.pass().await.clean();
    // Another row of the same day is another row.
    home.drop_file("acme/shop/b.csv", Stripe::simple("po_1", "2026-01-05").csv());
    home.pass().await.clean();
    assert_eq!(open_rows(&home).await, [1]);
    let report = bilag::status::Report::read(&home.open().await).await.unwrap();
    assert_eq!(report.open[0].1.file, "a.csv");
}

#[tokio::test]
async fn a_hold_on_rows_without_a_payout_ends_when_a_report_with_the_payout_comes() {
    let home = TestHome::of("acme");
    // The balance before the first row is not 0, and no payout is shown.
    let cut = Vipps::new("548005", "460017").opening("40.00").capture("2026-01-05", "60.00");
    home.drop_file("acme/counter/a.csv", cut.csv());
    home.pass().await;
    let whole = Vipps::new("548005", "460017")
        .capture("2026-01-04", "40.00")
        .capture("2026-01-05", "60.00")
        .paid("2026-01-05", "2000001");
    home.drop_file("acme/counter/b.csv", whole.csv());
    let pass = home.pass().await.clean();
    assert_eq!(pass.booked(), ["vipps-mobilepay:460017-2000001"]);
}
