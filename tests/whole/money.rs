//! Faults of money and meaning: nothing is dropped, nothing is guessed, every øre has a place.

use bilag_tests::{Journal, Stripe, TestHome, Vipps, mapping};

/// A home after one pass over one Stripe report.
async fn after(report: &Stripe) -> (TestHome, bilag_tests::Pass) {
    after_with(&mapping("acme"), report).await
}

async fn after_with(config: &str, report: &Stripe) -> (TestHome, bilag_tests::Pass) {
    let home = TestHome::new();
    home.config("acme", config);
    home.drop_file("acme/shop/report.csv", report.csv());
    let pass = home.pass().await;
    assert!(pass.failed.is_empty(), "{:?}", pass.failed);
    (home, pass)
}

/// The journal of a report that must be booked without a word.
async fn journal(report: &Stripe) -> Journal {
    let (home, pass) = after(report).await;
    pass.clean();
    home.journal("acme")
}

/// The cause for which `stripe:po_1` of a report is held; nothing of it may be booked.
async fn held(report: &Stripe) -> Option<&'static str> {
    let (home, pass) = after(report).await;
    assert!(!home.journal("acme").references().iter().any(|reference| reference.starts_with("stripe:po_1")));
    pass.held_for("acme/stripe:po_1")
}

const DAY: &str = "2026-01-05 10:00:00";
const PAID: &str = "2026-01-07 12:00:00";

#[tokio::test]
async fn fault_087_an_unknown_type_holds_its_settlement_while_others_go_on() {
    let report = Stripe::simple("po_0", "2026-01-04")
        .payout("po_1")
        .sale(DAY, "100.00", "3.00")
        .row("moon_dust", DAY, "-12.00", "0.00")
        .paid(PAID);
    let (home, pass) = after(&report).await;
    assert_eq!(pass.held_for("acme/stripe:po_1"), Some("unknown-line"));
    assert_eq!(home.journal("acme").references(), ["stripe:po_0"]);
}

#[tokio::test]
async fn fault_087_unknown_rows_go_to_unallocated_only_within_the_configured_limit() {
    let config = |limit: &str| {
        let with_limit = format!("book = \"clearing\"\nunallocated_limit = \"{limit}\"");
        mapping("acme").replacen("book = \"clearing\"", &with_limit, 1) + "unallocated = \"1999\"\n"
    };
    let report = Stripe::new()
        .payout("po_1")
        .sale(DAY, "100.00", "3.00")
        .row("moon_dust", DAY, "-12.00", "0.00")
        .row("star_dust", DAY, "7.00", "0.50")
        .paid(PAID);
    // |-12| + |7| + |0.50| = 19.50
    let (home, pass) = after_with(&config("19.50"), &report).await;
    pass.clean();
    let journal = home.journal("acme");
    assert_eq!(journal.balance("1999").to_string(), "5.50");
    assert_eq!(journal.balance("1909").to_string(), "91.50");
    let (home, pass) = after_with(&config("19.49"), &report).await;
    assert_eq!(pass.held_for("acme/stripe:po_1"), Some("unknown-line"));
    assert!(home.journal("acme").transactions.is_empty());

    // Raising the limit lets the held one go.
    home.config("acme", &config("20.00"));
    assert_eq!(home.pass().await.clean().booked(), ["stripe:po_1"]);
}

#[tokio::test]
async fn fault_088_unknown_currencies_are_refused_and_known_ones_keep_their_digits() {
    let euro = Stripe::new().currency("xyz").payout("po_1").sale(DAY, "10.00", "1.00").paid(PAID);
    let (_, pass) = after(&euro).await;
    assert_eq!(pass.unreadable.len(), 1);
    let yen = Stripe::new().currency("jpy").payout("po_1").sale(DAY, "1000", "36").paid(PAID);
    let booked = journal(&yen).await;
    assert_eq!(booked.of("stripe:po_1").figures(), ["1909 964", "1579 -1000", "7770 36"]);
    assert!(booked.text.starts_with("commodity 1000. JPY\n"));
    let dinar = Stripe::new().currency("kwd").payout("po_1").sale(DAY, "10.125", "0.375").paid(PAID);
    let booked = journal(&dinar).await;
    assert_eq!(booked.of("stripe:po_1").figures()[0], "1909 9.750");
}

#[tokio::test]
async fn fault_089_a_payout_that_does_not_add_up_is_held_with_the_difference_and_never_plugged() {
    let report = Stripe::new().payout("po_1").sale(DAY, "100.00", "3.00").paid_as(PAID, "98.50");
    let (home, pass) = after(&report).await;
    assert_eq!(pass.held_for("acme/stripe:po_1"), Some("does-not-add-up"));
    let item = home.settlement("acme", "stripe:po_1").await;
    let store::SettlementState::Held(hold) = item.state else {
        panic!("{:?}", item.state);
    };
    assert!(hold.what.contains("1.50 NOK"), "{}", hold.what);
    // An operator's release does not make it add up.
    home.release("acme", "stripe:po_1").await;
    let pass = home.pass().await;
    assert_eq!(pass.held_for("acme/stripe:po_1"), Some("does-not-add-up"));
    assert!(home.journal("acme").transactions.is_empty());
}

#[tokio::test]
async fn fault_090_a_difference_of_one_øre_is_not_rounded_away() {
    let report = Stripe::new().payout("po_1").sale(DAY, "100.00", "3.00").paid_as(PAID, "97.01");
    assert_eq!(held(&report).await, Some("does-not-add-up"));
}

#[tokio::test]
async fn fault_092_a_payout_that_came_back_is_booked_once_by_its_own_voucher() {
    let report = Stripe::simple("po_0", "2026-01-05")
        .payout("po_1")
        .sale("2026-01-08 10:00:00", "50.00", "1.00")
        .row("payout_reversal", "2026-01-09 10:00:00", "97.00", "0.00")
        .paid("2026-01-12 12:00:00");
    let journal = journal(&report).await;
    assert_eq!(journal.references(), ["stripe:po_0", "stripe:po_1", "stripe:po_1:payout-reversal"]);
    let back = journal.of("stripe:po_1:payout-reversal");
    assert_eq!(back.on, "2026-01-09");
    assert_eq!(back.figures(), ["1570 97.00", "1909 -97.00"]);
    assert_eq!(journal.of("stripe:po_1").on_account("1909").to_string(), "146.00");
    // Nothing is left with the provider; what is in transit is what the bank will show in the end.
    assert_eq!(journal.balance("1570").to_string(), "0");
    assert_eq!(journal.balance("1909").to_string(), "146.00");
}

#[tokio::test]
async fn fault_093_a_payout_cancelled_on_its_way_is_taken_back_by_a_voucher_and_not_by_deletion() {
    let home = TestHome::of("acme");
    let first = Stripe::simple("po_0", "2026-01-05");
    home.drop_file("acme/shop/a.csv", first.csv());
    home.pass().await.clean();
    let before = home.journal("acme").text;
    let again = first
        .payout("po_1")
        .row("payout_reversal", "2026-01-05 15:00:00", "97.00", "0.00")
        .paid("2026-01-06 12:00:00");
    home.drop_file("acme/shop/b.csv", again.csv());
    assert_eq!(home.pass().await.clean().booked(), ["stripe:po_1", "stripe:po_1:payout-reversal"]);
    let journal = home.journal("acme");
    assert!(journal.text.starts_with(&before));
    // The money is on its way once.
    assert_eq!(journal.balance("1909").to_string(), "97.00");
    assert_eq!(journal.balance("1570").to_string(), "0");
}

#[tokio::test]
async fn fault_094_a_negative_payout_takes_money_from_the_bank() {
    let report = Stripe::new().payout("po_1").sale(DAY, "20.00", "1.00").refund(DAY, "-119.00").paid(PAID);
    let journal = journal(&report).await;
    assert_eq!(
        journal.of("stripe:po_1").figures(),
        ["1909 -100.00", "1579 -20.00", "1579 119.00", "7770 1.00"]
    );
}

#[tokio::test]
async fn fault_095_a_zero_payout_has_a_voucher_without_money_in_transit() {
    let report = Stripe::new().payout("po_1").sale(DAY, "100.00", "3.00").refund(DAY, "-97.00").paid(PAID);
    let (home, pass) = after(&report).await;
    pass.clean();
    let journal = home.journal("acme");
    assert_eq!(journal.of("stripe:po_1").figures(), ["1579 -100.00", "1579 97.00", "7770 3.00"]);
    let opened = home.open().await;
    let report = bilag::status::Report::read(&opened).await.unwrap();
    assert!(report.transit.is_empty(), "{:?}", report.transit);
}

#[tokio::test]
async fn fault_095_a_payout_of_nothing_at_all_has_no_voucher_and_is_not_asked_for_again() {
    let report = Stripe::new().payout("po_1").paid(PAID);
    let (home, pass) = after(&report).await;
    let pass = pass.clean();
    assert!(pass.vouchers.is_empty());
    assert_eq!(home.settlement("acme", "stripe:po_1").await.state, store::SettlementState::Posted);
    assert!(!home.journal_path("acme").exists());
    assert!(home.pass().await.clean().vouchers.is_empty());
}

#[tokio::test]
async fn fault_096_refunds_in_chains_over_payouts_net_to_the_true_sum() {
    let report = Stripe::new()
        .payout("po_1")
        .sale(DAY, "100.00", "3.00")
        .refund(DAY, "-30.00")
        .paid(PAID)
        // More is given back than was sold, in another payout; one refund fails and comes back.
        .payout("po_2")
        .refund("2026-01-08 10:00:00", "-70.00")
        .refund("2026-01-08 11:00:00", "-15.00")
        .row("refund_failure", "2026-01-09 10:00:00", "15.00", "0.00")
        .paid("2026-01-10 12:00:00");
    let journal = journal(&report).await;
    assert_eq!(journal.balance("1579").to_string(), "0");
    assert_eq!(journal.balance("7770").to_string(), "3.00");
    assert_eq!(journal.balance("1909").to_string(), "-3.00");
    // Sales and refunds are never netted into one line.
    assert_eq!(journal.of("stripe:po_1").figures()[1..3], ["1579 -100.00", "1579 30.00"]);
}

#[tokio::test]
async fn fault_097_a_dispute_lost_and_won_back_over_a_year_end_is_on_its_own_account_once_each() {
    let report = Stripe::new()
        .payout("po_1")
        .sale("2025-12-20 10:00:00", "400.00", "8.00")
        .sale("2025-12-20 11:00:00", "600.00", "10.00")
        .row("dispute", "2025-12-28 10:00:00", "-400.00", "150.00")
        .paid("2025-12-30 12:00:00")
        .payout("po_2")
        .row("dispute_reversal", "2026-02-03 10:00:00", "400.00", "-150.00")
        .paid("2026-02-05 12:00:00");
    let journal = journal(&report).await;
    let lost = journal.of("stripe:po_1");
    assert_eq!((lost.on.as_str(), lost.on_account("1575").to_string()), ("2025-12-30", "400.00".to_owned()));
    assert_eq!(lost.on_account("7770").to_string(), "168.00");
    let won = journal.of("stripe:po_2");
    assert_eq!(won.figures(), ["1909 550.00", "1575 -400.00", "7770 -150.00"]);
    assert_eq!(journal.balance("1575").to_string(), "0");
}

#[tokio::test]
async fn fault_098_a_reserve_kept_and_partly_released_stands_on_its_account() {
    let report = Stripe::new()
        .payout("po_1")
        .sale(DAY, "1000.00", "20.00")
        .row("risk_reserved_funds", DAY, "-300.00", "0.00")
        .paid(PAID)
        .payout("po_2")
        .row("risk_reserved_funds", "2026-01-09 10:00:00", "120.00", "0.00")
        .paid("2026-01-10 12:00:00");
    let journal = journal(&report).await;
    assert_eq!(journal.balance("1576").to_string(), "180.00");
    assert_eq!(journal.balance("1909").to_string(), "800.00");
}

#[tokio::test]
async fn fault_099_stated_vat_on_fees_and_fees_given_back_have_their_own_lines() {
    let report = Stripe::new()
        .payout("po_1")
        .sale(DAY, "1000.00", "20.00")
        .row("fee", DAY, "-40.00", "0.00")
        .row("fee", DAY, "15.00", "0.00")
        .row("tax", DAY, "-10.00", "0.00")
        .row("tax", DAY, "3.75", "0.00")
        .paid(PAID);
    let journal = journal(&report).await;
    assert_eq!(journal.balance("7770").to_string(), "45.00");
    assert_eq!(journal.balance("2711").to_string(), "6.25");
    let fees: Vec<String> = journal.of("stripe:po_1").figures()[2..].to_vec();
    assert_eq!(fees, ["7770 20.00", "7770 40.00", "7770 -15.00", "2711 6.25"]);
}

#[tokio::test]
async fn fault_099_fees_taken_from_a_payout_against_the_configuration_are_held() {
    let invoiced = "book = \"clearing\"\nfees = \"invoiced\"";
    let config = mapping("acme").replacen("book = \"clearing\"", invoiced, 1);
    let (home, pass) = after_with(&config, &Stripe::simple("po_1", "2026-01-05")).await;
    assert_eq!(pass.held_for("acme/stripe:po_1"), Some("fee-mode"));
    home.config("acme", &mapping("acme"));
    assert_eq!(home.pass().await.clean().booked(), ["stripe:po_1"]);
}

#[tokio::test]
async fn fault_100_two_currencies_under_one_payout_are_held() {
    let report = Stripe::new()
        .payout("po_1")
        .sale(DAY, "100.00", "3.00")
        .currency("eur")
        .sale(DAY, "10.00", "0.30")
        .paid(PAID);
    assert_eq!(held(&report).await, Some("does-not-add-up"));
}

#[tokio::test]
async fn fault_100_payouts_in_several_currencies_each_keep_theirs() {
    let report = Stripe::simple("po_1", "2026-01-05")
        .currency("eur")
        .payout("po_2")
        .sale(DAY, "10.00", "0.30")
        .paid(PAID);
    let journal = journal(&report).await;
    let euro = journal.of("stripe:po_2");
    assert!(euro.lines.iter().all(|line| line.currency == "EUR"));
    assert!(journal.text.contains("commodity 1000.00 EUR\n"));
}

#[tokio::test]
async fn fault_101_instant_fees_top_ups_transfers_and_loans_are_each_on_their_account() {
    let report = Stripe::new()
        .payout("po_1")
        .sale(DAY, "1000.00", "20.00")
        .row("topup", DAY, "500.00", "0.00")
        .row("transfer", DAY, "-200.00", "0.00")
        .row("financing_paydown", DAY, "-100.00", "0.00")
        .row("fee", DAY, "-12.00", "0.00")
        .row("other_adjustment", DAY, "-5.00", "0.00")
        .row("other_adjustment", DAY, "8.00", "0.00")
        .paid(PAID);
    let journal = journal(&report).await;
    // The money paid in comes through transit as the payout goes through it.
    assert_eq!(journal.balance("1909").to_string(), "671.00");
    assert_eq!(journal.balance("1960").to_string(), "200.00");
    assert_eq!(journal.balance("2280").to_string(), "100.00");
    assert_eq!(journal.balance("7790").to_string(), "5.00");
    assert_eq!(journal.balance("3990").to_string(), "-8.00");
    assert_eq!(journal.balance("7770").to_string(), "32.00");
    assert_eq!(journal.balance("1570").to_string(), "0");
}

#[tokio::test]
async fn fault_101_a_movement_whose_account_is_not_given_is_held_and_goes_on_when_it_is() {
    let config = mapping("acme").replace("provider_loan = \"2280\"\n", "");
    let report = Stripe::new()
        .payout("po_1")
        .sale(DAY, "1000.00", "20.00")
        .row("financing_paydown", DAY, "-100.00", "0.00")
        .paid(PAID);
    let (home, pass) = after_with(&config, &report).await;
    assert_eq!(pass.held_for("acme/stripe:po_1"), Some("missing-account"));
    let item = home.settlement("acme", "stripe:po_1").await;
    let store::SettlementState::Held(hold) = item.state else {
        panic!("{:?}", item.state);
    };
    assert!(hold.remedy.contains("provider_loan"), "{}", hold.remedy);
    home.config("acme", &mapping("acme"));
    assert_eq!(home.pass().await.clean().booked(), ["stripe:po_1"]);
}

/// A mapping whose web shop is cut by month.
fn by_month() -> String {
    mapping("acme").replacen("book = \"clearing\"", "book = \"clearing\"\ncut_off = \"month\"", 1)
}

#[tokio::test]
async fn fault_102_a_december_sale_paid_in_january_is_a_part_of_december() {
    let report = Stripe::new()
        .payout("po_1")
        .sale("2025-12-30 10:00:00", "100.00", "3.00")
        // 22:59 UTC is the last minute of the year in Oslo, 23:00 UTC the first of the next.
        .sale("2025-12-31 22:59:59", "200.00", "4.00")
        .sale("2025-12-31 23:00:00", "400.00", "5.00")
        .paid("2026-01-02 12:00:00");
    let (home, pass) = after_with(&by_month(), &report).await;
    pass.clean();
    let journal = home.journal("acme");
    assert_eq!(journal.references(), ["stripe:po_1:1/2", "stripe:po_1:2/2"]);
    let december = journal.of("stripe:po_1:1/2");
    assert_eq!(december.on, "2025-12-31");
    assert_eq!(december.figures(), ["1579 -300.00", "7770 7.00", "1570 293.00"]);
    let january = journal.of("stripe:po_1:2/2");
    assert_eq!(january.on, "2026-01-02");
    assert_eq!(january.figures(), ["1909 688.00", "1579 -400.00", "7770 5.00", "1570 -293.00"]);
    assert!(home.replays().await);
}

#[tokio::test]
async fn fault_102_days_of_23_and_25_hours_and_leap_days_are_days_of_the_company() {
    // The last moments before a month's end in Oslo: summer time since 29 March, winter time since 25 October.
    for (before, after_it, month_end) in [
        ("2026-03-31 21:59:59", "2026-03-31 22:00:00", "2026-03-31"),
        ("2026-10-31 22:59:59", "2026-10-31 23:00:00", "2026-10-31"),
        ("2024-02-29 22:59:59", "2024-02-29 23:00:00", "2024-02-29"),
    ] {
        let paid = format!("{} 12:00:00", next_days(month_end, 3));
        let report = Stripe::new()
            .payout("po_1")
            .sale(before, "1.00", "0.00")
            .sale(after_it, "2.00", "0.00")
            .paid(&paid);
        let (home, pass) = after_with(&by_month(), &report).await;
        pass.clean();
        let journal = home.journal("acme");
        let first = journal.of("stripe:po_1:1/2");
        assert_eq!(
            (first.on.as_str(), first.on_account("1579").to_string()),
            (month_end, "-1.00".to_owned())
        );
        let second = journal.of("stripe:po_1:2/2");
        assert_eq!(second.on_account("1579").to_string(), "-2.00");
    }
    // The payout's own day is Oslo's as well, on a day of 23 hours and on one of 25.
    for (paid, on) in [
        ("2026-03-28 23:00:00", "2026-03-29"),
        ("2026-03-29 21:59:59", "2026-03-29"),
        ("2026-03-29 22:00:00", "2026-03-30"),
        ("2026-10-24 22:00:00", "2026-10-25"),
        ("2026-10-25 22:59:59", "2026-10-25"),
    ] {
        let report = Stripe::new().payout("po_1").sale("2026-03-01 10:00:00", "1.00", "0.00").paid(paid);
        assert_eq!(journal(&report).await.of("stripe:po_1").on, on, "{paid}");
    }
}

fn next_days(day: &str, count: u64) -> String {
    let day: chrono::NaiveDate = day.parse().unwrap();
    (day + chrono::Days::new(count)).to_string()
}

#[tokio::test]
async fn fault_102_the_providers_own_booking_day_goes_before_the_clock() {
    let home = TestHome::new();
    let monthly = "account = \"548005\"\ncut_off = \"month\"";
    home.config("acme", &mapping("acme").replacen("account = \"548005\"", monthly, 1));
    let report = Vipps::new("548005", "460017")
        .capture("2025-12-31", "100.00")
        .fees("2025-12-31", "-2.00")
        .capture("2026-01-01", "50.00")
        .fees("2026-01-01", "-1.00")
        .paid("2026-01-01", "2000001");
    home.drop_file("acme/counter/report.csv", report.csv());
    home.pass().await.clean();
    let journal = home.journal("acme");
    let december = journal.of("vipps-mobilepay:460017-2000001:1/2");
    assert_eq!(december.on, "2025-12-31");
    assert_eq!(december.figures(), ["1578 -100.00", "7770 2.00", "1571 98.00"]);
    assert_eq!(journal.of("vipps-mobilepay:460017-2000001:2/2").on, "2026-01-01");
}

#[tokio::test]
async fn fault_102_days_before_the_first_one_to_book_wait() {
    let home = TestHome::new();
    home.config("acme", &mapping("acme").replacen("start_on = 2024-01-01", "start_on = 2026-01-01", 1));
    let report = Stripe::new()
        .payout("po_old")
        .sale("2025-12-30 10:00:00", "1.00", "0.00")
        .paid("2025-12-31 22:59:00")
        .payout("po_new")
        .sale("2025-12-30 11:00:00", "2.00", "0.00")
        .paid("2025-12-31 23:00:00");
    home.drop_file("acme/shop/report.csv", report.csv());
    let pass = home.pass().await.clean();
    assert_eq!(pass.booked(), ["stripe:po_new"]);
    assert_eq!(pass.waiting[0].0, "acme/stripe:po_old");
}

#[tokio::test]
async fn line_limits_split_a_voucher_into_balanced_parts() {
    let by_row = "book = \"clearing\"\ngranularity = \"transaction\"";
    let config = mapping("acme").replacen("book = \"clearing\"", by_row, 1);
    let mut report = Stripe::new().payout("po_1");
    for minute in 0..6_000 {
        let at = format!("2026-01-05 {:02}:{:02}:00", minute / 60 % 24, minute % 60);
        report = report.sale(&at, "10.00", "0.00");
    }
    let (home, pass) = after_with(&config, &report.paid(PAID)).await;
    pass.clean();
    let journal = home.journal("acme");
    assert_eq!(journal.references(), ["stripe:po_1:1/2", "stripe:po_1:2/2"]);
    assert_eq!(journal.balance("1909").to_string(), "60000.00");
    assert_eq!(journal.balance("1579").to_string(), "-60000.00");
    assert_eq!(journal.balance("1570").to_string(), "0");
}

/// The mapping with the shop's account booked by day from `from` on.
fn by_day(from: &str) -> String {
    let keys = format!("book = \"clearing\"\nsettle_by = \"window\"\naccount = \"acct_1\"\nfrom = {from}");
    mapping("acme").replacen("book = \"clearing\"", &keys, 1)
}

#[tokio::test]
async fn an_account_without_payout_lists_is_booked_by_day_and_cut_days_wait() {
    let report = Stripe::new()
        .payout("")
        .sale("2026-01-04 10:00:00", "50.00", "1.00")
        .sale("2026-01-05 10:00:00", "100.00", "3.00")
        .sale("2026-01-05 11:00:00", "60.00", "2.00")
        .refund("2026-01-05 12:00:00", "-10.00")
        .sale("2026-01-06 10:00:00", "70.00", "2.00");
    let (home, pass) = after_with(&by_day("2026-01-01"), &report).await;
    assert!(pass.held.is_empty());
    let journal = home.journal("acme");
    assert_eq!(journal.references(), ["stripe:acct_1:window-2026-01-05-NOK"]);
    assert_eq!(journal.balance("1570").to_string(), "145.00");
    assert_eq!(journal.balance("1579").to_string(), "-150.00");
}

#[tokio::test]
async fn days_whose_rows_are_booked_by_payout_are_not_booked_again_by_day() {
    let report = Stripe::simple("po_0", "2026-01-04")
        .payout("po_1")
        .sale("2026-01-05 10:00:00", "100.00", "3.00")
        .paid("2026-01-07 12:00:00")
        .payout("")
        .sale("2026-01-08 10:00:00", "10.00", "1.00")
        .sale("2026-01-09 10:00:00", "20.00", "1.00")
        .sale("2026-01-10 10:00:00", "30.00", "1.00");
    let (home, _) = after(&report).await;
    assert_eq!(home.journal("acme").references(), ["stripe:po_0", "stripe:po_1"]);
    home.config("acme", &by_day("2026-01-01"));
    let pass = home.pass().await;
    assert!(pass.failed.is_empty(), "{:?}", pass.failed);
    assert!(!pass.unreadable.is_empty());
    let journal = home.journal("acme");
    assert!(
        !journal.references().iter().any(|name| name.contains("window-2026-01-05")),
        "{:?}",
        journal.references()
    );
    home.config("acme", &by_day("2026-01-08"));
    home.pass().await.clean();
    let journal = home.journal("acme");
    let names = journal.references();
    assert_eq!(names.iter().filter(|name| name.contains("po_")).count(), 2, "{names:?}");
    assert!(names.contains(&"stripe:acct_1:window-2026-01-09-NOK"), "{names:?}");
}
