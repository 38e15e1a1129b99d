//! Faults of tenants, configuration and people's decisions.

use bilag_tests::{Stripe, TestHome, mapping};
use ledger::Name;
use store::item::ConfigItem;
use store::{Key, SettlementItem, SettlementState, Table, VoucherItem, VoucherState};

#[tokio::test]
async fn fault_107_the_same_settlement_id_in_two_companies_does_not_cross() {
    let home = TestHome::new();
    for (company, gross) in [("acme", "100.00"), ("bilka", "200.00")] {
        home.config(company, &mapping(company));
        let report = Stripe::new()
            .payout("po_1")
            .sale("2026-01-05 10:00:00", gross, "1.00")
            .paid("2026-01-07 12:00:00");
        home.drop_file(&format!("{company}/shop/report.csv"), report.csv());
    }
    home.pass().await.clean();
    for (company, transit) in [("acme", "99.00"), ("bilka", "199.00")] {
        let journal = home.journal(company);
        assert_eq!(journal.references(), ["stripe:po_1"]);
        assert_eq!(journal.balance("1909").to_string(), transit);
    }
    // What is decided for one says nothing of the other.
    home.reverse("acme", "stripe:po_1").await;
    assert_eq!(home.journal("acme").balance("1909").to_string(), "0");
    assert_eq!(home.journal("bilka").transactions.len(), 1);
    assert_eq!(home.settlement("bilka", "stripe:po_1").await.state, SettlementState::Posted);
}

/// A company with two accounts at Stripe.
fn two_accounts() -> String {
    let second = "[connections.club]\nprovider = \"stripe\"\nstart_on = 2024-01-01\naccount = \"acct_club\"\n\n\
        [connections.club.accounts]\nprovider_balance = \"1572\"\nsales_clearing = \"1577\"\n\n[accounts]";
    mapping("acme")
        .replacen("start_on = 2024-01-01", "start_on = 2024-01-01\naccount = \"acct_shop\"", 1)
        .replacen("[accounts]", second, 1)
}

#[tokio::test]
async fn fault_107_a_report_in_another_connections_folder_changes_nothing_of_what_is_booked() {
    let home = TestHome::new();
    home.config("acme", &two_accounts());
    let report = Stripe::simple("po_1", "2026-01-05").csv();
    home.drop_file("acme/shop/report.csv", &report);
    home.pass().await.clean();
    let before = home.journal("acme").text;
    home.drop_file("acme/club/report.csv", &report);
    let pass = home.pass().await;
    assert!(pass.vouchers.is_empty());
    let (file, cause) = &pass.unreadable[0];
    assert_eq!(file, "inbox/acme/club/report.csv");
    assert!(cause.contains("wrong-account") && cause.contains("inbox/acme/shop/"), "{cause}");
    assert_eq!(home.journal("acme").text, before);
    let item = home.settlement("acme", "stripe:po_1").await;
    assert_eq!((item.connection.as_str(), item.state), ("shop", SettlementState::Posted));
    home.take_away("acme/club/report.csv");
    home.pass().await.clean();
}

#[tokio::test]
async fn fault_107_two_merchants_of_one_company_are_booked_to_their_own_accounts() {
    let home = TestHome::new();
    home.config("acme", &two_accounts());
    home.drop_file("acme/shop/report.csv", Stripe::simple("po_1", "2026-01-05").csv());
    home.drop_file("acme/club/report.csv", Stripe::simple("po_2", "2026-01-05").csv());
    home.pass().await.clean();
    let journal = home.journal("acme");
    assert_eq!(journal.balance("1579").to_string(), "-100.00");
    assert_eq!(journal.balance("1577").to_string(), "-100.00");
}

#[tokio::test]
async fn fault_107_renaming_a_connection_books_nothing_again() {
    let home = TestHome::of("acme");
    let report = Stripe::simple("po_1", "2026-01-05").csv();
    home.drop_file("acme/shop/report.csv", &report);
    home.pass().await.clean();
    home.config("acme", &mapping("acme").replace("connections.shop", "connections.web"));
    home.take_away("acme/shop/report.csv");
    home.drop_file("acme/web/report.csv", &report);
    assert!(home.pass().await.clean().vouchers.is_empty());
    assert_eq!(home.settlement("acme", "stripe:po_1").await.connection, "web");
    assert!(home.replays().await);
}

#[tokio::test]
async fn a_folder_without_a_connection_is_told_and_read_when_it_has_one() {
    let home = TestHome::of("acme");
    home.drop_file("acme/webshop/report.csv", Stripe::simple("po_1", "2026-01-05").csv());
    let pass = home.pass().await;
    assert!(pass.unreadable[0].1.contains("no connection \"webshop\""), "{pass:?}");
    home.config("acme", &mapping("acme").replace("connections.shop", "connections.webshop"));
    assert_eq!(home.pass().await.clean().booked(), ["stripe:po_1"]);
}

/// Brings a home to the moment after the intent of the first sending was written: the settlement and its first voucher
/// are `posting`, further ones are planned, and the worker is gone.
async fn stop_after_the_intent(home: &TestHome, in_the_books: bool) {
    let opened = home.open().await;
    let table = Table::of(&opened.world);
    let key = Key::settlement("acme", &Name::parse("stripe:po_1").unwrap());
    let version = table.get::<ConfigItem>(&Key::config("acme")).await.unwrap().unwrap().body.hash;
    let mut item = table.get::<SettlementItem>(&key).await.unwrap().unwrap();
    assert_eq!(item.body.state, SettlementState::Posted);
    item.body.state = SettlementState::Posting;
    item.body.config = Some(version);
    let due = store::Due { function: "post-voucher", at: chrono::Utc::now() };
    table.replace(&item, Some(due), None).await.unwrap();
    for mut voucher in table.list::<VoucherItem>("acme", "v#stripe##po_1#").await.unwrap() {
        let first = voucher.body.reference.part == 1;
        voucher.body.state = if first { VoucherState::Posting(1) } else { VoucherState::Planned };
        voucher.body.remote_id = None;
        table.replace(&voucher, None, None).await.unwrap();
    }
    if !in_the_books {
        std::fs::remove_file(home.journal_path("acme")).unwrap();
    }
}

#[tokio::test]
async fn fault_108_a_posting_that_has_begun_ends_on_the_configuration_it_began_with() {
    for in_the_books in [true, false] {
        let home = TestHome::of("acme");
        home.drop_file("acme/shop/report.csv", Stripe::simple("po_1", "2026-01-05").csv());
        home.pass().await.clean();
        let booked = home.journal("acme").text;
        stop_after_the_intent(&home, in_the_books).await;
        home.config("acme", &mapping("acme").replace("\"1579\"", "\"1589\""));
        home.drop_file("acme/shop/later.csv", Stripe::simple("po_2", "2026-01-08").csv());
        let pass = home.pass().await.clean();
        assert!(pass.booked().contains(&"stripe:po_2".to_owned()));
        let journal = home.journal("acme");
        assert!(journal.text.contains(booked.trim_end()), "{}", journal.text);
        assert_eq!(journal.of("stripe:po_1").on_account("1579").to_string(), "-100.00");
        assert_eq!(journal.of("stripe:po_2").on_account("1589").to_string(), "-100.00");
        let [voucher] = home.vouchers("acme", "stripe:po_1").await.try_into().unwrap();
        assert_eq!(voucher.state, VoucherState::Posted);
        assert!(home.replays().await);
    }
}

#[tokio::test]
async fn fault_108_the_parts_that_were_not_sent_yet_keep_to_the_plan_of_the_first() {
    let home = TestHome::new();
    let by_month =
        mapping("acme").replacen("book = \"clearing\"", "book = \"clearing\"\ncut_off = \"month\"", 1);
    home.config("acme", &by_month);
    let report = Stripe::new()
        .payout("po_1")
        .sale("2025-12-30 10:00:00", "100.00", "3.00")
        .sale("2026-01-02 10:00:00", "200.00", "4.00")
        .paid("2026-01-03 12:00:00");
    home.drop_file("acme/shop/report.csv", report.csv());
    home.pass().await.clean();
    let booked = home.journal("acme");
    assert_eq!(booked.references(), ["stripe:po_1:1/2", "stripe:po_1:2/2"]);
    stop_after_the_intent(&home, false).await;
    // Another account, and no parts any more.
    home.config("acme", &mapping("acme").replace("\"1579\"", "\"1589\""));
    home.pass().await.clean();
    assert_eq!(home.journal("acme").text, booked.text);
    assert!(home.replays().await);
}

#[tokio::test]
async fn fault_108_what_is_only_planned_is_planned_afresh_by_a_new_configuration() {
    let home = TestHome::new();
    home.config("acme", &mapping("acme").replace("provider_fee", "# provider_fee"));
    let pass = home.pass().await;
    assert!(!pass.verdicts[0].valid);
    home.config("acme", &mapping("acme").replace("disputed = \"1575\"\n", ""));
    let report = Stripe::new()
        .payout("po_1")
        .sale("2026-01-05 10:00:00", "100.00", "3.00")
        .row("dispute", "2026-01-05 11:00:00", "-10.00", "0.00")
        .paid("2026-01-07 12:00:00");
    home.drop_file("acme/shop/report.csv", report.csv());
    assert_eq!(home.pass().await.held_for("acme/stripe:po_1"), Some("missing-account"));
    home.config("acme", &mapping("acme").replace("\"1579\"", "\"1589\""));
    home.pass().await.clean();
    assert_eq!(home.journal("acme").balance("1589").to_string(), "-100.00");
    assert_eq!(home.journal("acme").balance("1575").to_string(), "10.00");
}

#[tokio::test]
async fn fault_109_while_a_mapping_is_broken_the_last_good_one_stays_in_force() {
    let good = mapping("acme");
    let broken = [
        good[..good.len() / 2].to_owned(),
        good.replace("[accounting]", "[acounting]"),
        format!("{good}provider_balance = \"1900\"\n"),
        String::new(),
        "\u{0}\u{1}".to_owned(),
    ];
    for (number, text) in broken.iter().enumerate() {
        let home = TestHome::of("acme");
        home.pass().await.clean();
        home.config("acme", text);
        home.drop_file("acme/shop/report.csv", Stripe::simple("po_1", "2026-01-05").csv());
        let pass = home.pass().await;
        assert!(!pass.verdicts[0].valid, "{number}");
        assert!(!pass.verdicts[0].errors.is_empty(), "{number}");
        assert_eq!(pass.booked(), ["stripe:po_1"], "{number}");
        let verdict = std::fs::read_to_string(home.path().join("state/verdicts/acme.json")).unwrap();
        assert!(verdict.contains("\"valid\": false"), "{verdict}");
    }
}

#[tokio::test]
async fn fault_109_without_any_good_mapping_new_work_waits_and_other_companies_go_on() {
    let home = TestHome::of("acme");
    home.config("bilka", "[company]\nid = \"bilka\"\n");
    for company in ["acme", "bilka"] {
        home.drop_file(&format!("{company}/shop/report.csv"), Stripe::simple("po_1", "2026-01-05").csv());
    }
    let pass = home.pass().await;
    assert_eq!(pass.vouchers.len(), 1);
    assert_eq!(pass.vouchers[0].company, "acme");
    assert!(home.journal("bilka").transactions.is_empty());
    home.config("bilka", &mapping("bilka"));
    let pass = home.pass().await.clean();
    assert_eq!(pass.vouchers[0].company, "bilka");
}

#[tokio::test]
async fn fault_109_a_mapping_that_is_gone_leaves_the_last_good_one_in_force() {
    let home = TestHome::of("acme");
    home.config("bilka", &mapping("bilka"));
    home.pass().await.clean();
    std::fs::remove_file(home.path().join("config/acme.toml")).unwrap();
    home.drop_file("acme/shop/report.csv", Stripe::simple("po_1", "2026-01-05").csv());
    assert_eq!(home.pass().await.booked(), ["stripe:po_1"]);
    let opened = home.open().await;
    assert!(
        opened.companies().await.unwrap().contains(&"acme".to_owned()),
        "a company whose mapping file is gone is forgotten"
    );
}

#[tokio::test]
async fn fault_110_a_mapping_change_touches_nothing_that_is_booked_until_it_is_reversed_and_released() {
    let home = TestHome::of("acme");
    home.drop_file("acme/shop/report.csv", Stripe::simple("po_1", "2026-01-05").csv());
    home.pass().await.clean();
    let before = home.journal("acme").text;
    home.config("acme", &mapping("acme").replace("\"1579\"", "\"1589\""));
    assert!(home.pass().await.clean().vouchers.is_empty());
    assert_eq!(home.journal("acme").text, before);

    let reversed = home.reverse("acme", "stripe:po_1").await;
    assert_eq!(reversed.len(), 1);
    let journal = home.journal("acme");
    assert!(journal.text.starts_with(&before), "nothing is edited");
    let mirror = journal.of("stripe:po_1:reversal");
    assert_eq!(mirror.figures(), ["1909 -97.00", "1579 100.00", "7770 -3.00"]);
    assert!(mirror.text.contains("corrects:stripe:po_1"));
    assert_eq!(mirror.on, journal.of("stripe:po_1").on);
    // Taken back, it waits for a decision.
    assert!(home.pass().await.clean().vouchers.is_empty());
    assert!(journal.balances().is_empty(), "{:?}", journal.balances());

    home.release("acme", "stripe:po_1").await;
    assert_eq!(home.pass().await.clean().booked(), ["stripe:po_1:r2"]);
    let journal = home.journal("acme");
    assert_eq!(journal.of("stripe:po_1:r2").figures(), ["1909 97.00", "1589 -100.00", "7770 3.00"]);
    assert_eq!(journal.transactions.len(), 3);
    assert!(home.replays().await);
}

#[tokio::test]
async fn fault_110_a_corrected_settlement_is_reversed_whole_and_as_often_as_needed() {
    let home = TestHome::of("acme");
    let report = Stripe::new().payout("po_1").sale("2026-01-05 10:00:00", "100.00", "3.00");
    home.drop_file("acme/shop/a.csv", report.clone().paid("2026-01-07 12:00:00").csv());
    home.pass().await.clean();
    let later = report
        .sale("2026-01-06 10:00:00", "10.00", "1.00")
        .refund("2026-01-06 11:00:00", "-9.00")
        .paid("2026-01-07 12:00:00");
    home.drop_file("acme/shop/b.csv", later.csv());
    home.pass().await.clean();
    let corrected = home.journal("acme").balances();

    for round in 1..=2 {
        home.reverse("acme", "stripe:po_1").await;
        assert!(home.journal("acme").balances().is_empty(), "round {round}");
        home.release("acme", "stripe:po_1").await;
        let pass = home.pass().await.clean();
        assert_eq!(pass.booked(), [format!("stripe:po_1:r{}", round + 2)]);
        assert_eq!(home.journal("acme").balances(), corrected, "round {round}");
    }
    assert!(home.replays().await);
}
