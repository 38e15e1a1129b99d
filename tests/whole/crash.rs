//! Crashes and lost answers at every call of the store, over whole passes.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use bilag_tests::{Journal, Stripe, TestHome, pass};
use chrono::Duration;
use embedded::Embedded;
use store::{SettlementItem, SettlementState, Table, VoucherItem, VoucherState};
use trial::{Loss, Transport};

/// A home with two settlements in two files.
fn tiny() -> TestHome {
    let home = TestHome::of("acme");
    home.drop_file("acme/shop/a.csv", Stripe::simple("po_1", "2026-01-05").csv());
    home.drop_file("acme/shop/b.csv", Stripe::simple("po_2", "2026-01-06").csv());
    home
}

/// One clean pass by a new worker, long after whoever was at work before.
async fn clean_pass(home: &TestHome, store: &Embedded, worker: &str) {
    home.clock.forward(Duration::hours(1));
    let (world, dispatched) = home.world(store, worker).await;
    let pass = pass(&world, &dispatched).await;
    assert!(pass.failed.is_empty(), "{:?}", pass.failed);
}

/// Both vouchers, each once, everything at rest. The order may be another one.
async fn check(home: &TestHome, store: &Embedded, wanted: &Journal, what: &str) {
    let journal = home.journal("acme");
    assert_eq!(journal.balances(), wanted.balances(), "{what}");
    for transaction in &wanted.transactions {
        assert_eq!(journal.of(&transaction.reference), transaction, "{what}");
    }
    assert_eq!(journal.transactions.len(), wanted.transactions.len(), "{what}");
    let (world, _) = home.world(store, "reader").await;
    let table = Table::of(&world);
    for item in table.list::<SettlementItem>("acme", "s#").await.unwrap() {
        assert_eq!(item.body.state, SettlementState::Posted, "{what}");
        assert_eq!(item.due, None, "{what}");
    }
    for item in table.list::<VoucherItem>("acme", "v#").await.unwrap() {
        assert_eq!(item.body.state, VoucherState::Posted, "{what}");
    }
}

/// What must stand in the journal in the end, and for each call of an undisturbed pass whether it writes.
async fn undisturbed() -> (Journal, Vec<bool>) {
    let home = tiny();
    let store = home.store();
    home.world(&store, "maker").await;
    let calls = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&calls);
    let line = Transport::new(store.clone(), move |call| {
        seen.lock().unwrap().push(call.writes());
        None
    });
    let (world, dispatched) = home.flaky_world(&line, "a", false);
    pass(&world, &dispatched).await;
    let journal = home.journal("acme");
    assert_eq!(journal.transactions.len(), 2);
    let calls = calls.lock().unwrap().clone();
    assert!(calls.iter().filter(|writes| **writes).count() >= 20);
    (journal, calls)
}

/// A pass that loses calls as `picks` says, then a clean one.
async fn broken_then_clean(
    wanted: &Journal,
    what: &str,
    retries: bool,
    picks: impl Fn(usize) -> Option<Loss> + Send + 'static,
) {
    let home = tiny();
    let store = home.store();
    home.world(&store, "maker").await;
    let line = Transport::new(store.clone(), move |call| picks(call.number));
    let (world, dispatched) = home.flaky_world(&line, "broken", retries);
    let broken = pass(&world, &dispatched).await;
    if retries {
        assert!(broken.failed.is_empty(), "{what}: {:?}", broken.failed);
        check(&home, &store, wanted, what).await;
    }
    // Whatever stands in the journal by now is right.
    home.journal("acme");
    clean_pass(&home, &store, "second").await;
    check(&home, &store, wanted, what).await;
}

#[tokio::test]
async fn fault_031_a_worker_that_dies_at_any_call_leaves_nothing_that_a_later_pass_cannot_end() {
    let (wanted, calls) = undisturbed().await;
    // Dying after a call is dying before the next one.
    for number in 0..calls.len() {
        let what = format!("dead from call {number} on");
        broken_then_clean(&wanted, &what, false, move |call| (call >= number).then_some(Loss::Before)).await;
    }
}

#[tokio::test]
async fn fault_031_a_call_that_fails_once_is_made_good_by_the_next_pass() {
    let (wanted, calls) = undisturbed().await;
    for (number, writes) in calls.into_iter().enumerate() {
        for loss in [Loss::Before, Loss::After] {
            if loss == Loss::After && !writes {
                continue;
            }
            let what = format!("call {number} failed once, {loss:?}");
            broken_then_clean(&wanted, &what, false, move |call| (call == number).then_some(loss)).await;
        }
    }
}

#[tokio::test]
async fn fault_048_a_lost_answer_that_the_client_repeats_is_not_noticed_at_all() {
    let (wanted, calls) = undisturbed().await;
    for (number, _) in calls.into_iter().enumerate().filter(|(_, writes)| *writes) {
        let what = format!("answer of call {number} lost");
        broken_then_clean(&wanted, &what, true, move |call| (call == number).then_some(Loss::After)).await;
    }
}

#[tokio::test]
async fn fault_031_workers_that_die_again_and_again_get_there_in_the_end() {
    let (wanted, _) = undisturbed().await;
    // Each worker is a little luckier than the one before.
    let home = tiny();
    let store = home.store();
    home.world(&store, "maker").await;
    for lifetime in (0..200).step_by(7) {
        home.clock.forward(Duration::hours(1));
        let line =
            Transport::new(store.clone(), move |call| (call.number >= lifetime).then_some(Loss::Before));
        let (world, dispatched) = home.flaky_world(&line, &format!("w{lifetime}"), false);
        pass(&world, &dispatched).await;
        home.journal("acme");
    }
    clean_pass(&home, &store, "last").await;
    check(&home, &store, &wanted, "many deaths").await;
}

#[tokio::test]
async fn fault_032_a_claim_always_has_an_end_and_comes_up_again_by_itself() {
    let home = tiny();
    let store = home.store();
    let (world, dispatched) = home.world(&store, "dies").await;
    check_config::handle(&world, "acme.toml").await.unwrap();
    import_file::handle(&world, "acme/shop/a.csv", &mut |_| {}).await.unwrap();
    home.clock.forward(Duration::seconds(1));
    let key = store::Key::parse("acme s#stripe##po_1").unwrap();
    let lease = Duration::minutes(10);
    Table::of(&world).claim::<SettlementItem>(&key, lease).await.unwrap();
    // While the claim runs nothing is due, and a worker that comes all the same goes without effect.
    assert_eq!(dispatch_due::handle(&world).await.unwrap(), 0);
    assert!(post_voucher::handle(&world, &key.to_string()).await.unwrap().unknown);
    home.clock.forward(lease);
    assert_eq!(dispatch_due::handle(&world).await.unwrap(), 1);
    assert_eq!(dispatched.take(), [("post-voucher".to_owned(), key.to_string())]);
    post_voucher::handle(&world, &key.to_string()).await.unwrap();
    assert_eq!(home.journal("acme").references(), ["stripe:po_1"]);
}

#[tokio::test]
async fn fault_039_a_key_that_is_dispatched_twice_is_worked_on_once() {
    let home = tiny();
    let store = home.store();
    let (world, dispatched) = home.world(&store, "a").await;
    pass(&world, &dispatched).await;
    let before = home.journal("acme").text;
    let (other, _) = home.world(&store, "b").await;
    for _ in 0..3 {
        let posted = post_voucher::handle(&other, "acme s#stripe##po_1").await.unwrap();
        assert!(posted.vouchers.is_empty());
    }
    assert_eq!(home.journal("acme").text, before);
}

#[tokio::test]
async fn fault_039_a_key_dispatched_while_it_is_worked_on_has_no_effect() {
    let home = tiny();
    let store = home.store();
    let (world, _) = home.world(&store, "a").await;
    check_config::handle(&world, "acme.toml").await.unwrap();
    import_file::handle(&world, "acme/shop/a.csv", &mut |_| {}).await.unwrap();
    let (one, other) = (home.world(&store, "one").await.0, home.world(&store, "other").await.0);
    let key = "acme s#stripe##po_1";
    let (first, second) = tokio::join!(post_voucher::handle(&one, key), post_voucher::handle(&other, key));
    let vouchers = first.unwrap().vouchers.len() + second.unwrap().vouchers.len();
    assert_eq!(vouchers, 1);
    assert_eq!(home.journal("acme").references(), ["stripe:po_1"]);
}

#[tokio::test]
async fn fault_040_one_settlement_that_fails_does_not_stop_the_others() {
    let home = tiny();
    let store = home.store();
    let (world, _) = home.world(&store, "maker").await;
    check_config::handle(&world, "acme.toml").await.unwrap();
    for file in ["a", "b"] {
        let key = format!("acme/shop/{file}.csv");
        import_file::handle(&world, &key, &mut |_| {}).await.unwrap();
    }
    // The rows of the first cannot be read from the archive.
    let item = bilag_tests::home::settlement(&world, "acme", "stripe:po_1").await;
    let line = Transport::new(store.clone(), move |call| {
        call.path.contains(&item.source.manifest).then_some(Loss::Before)
    });
    let (world, dispatched) = home.flaky_world(&line, "a", true);
    let broken = pass(&world, &dispatched).await;
    assert_eq!(broken.failed.len(), 1, "{:?}", broken.failed);
    assert_eq!(home.journal("acme").references(), ["stripe:po_2"]);
    clean_pass(&home, &store, "b").await;
    assert_eq!(home.journal("acme").references(), ["stripe:po_2", "stripe:po_1"]);
}

#[tokio::test]
async fn fault_044_a_settlement_that_fails_again_and_again_is_held_as_poison_and_can_be_released() {
    let home = tiny();
    let store = home.store();
    home.world(&store, "maker").await;
    clean_pass(&home, &store, "first").await;
    let before = home.journal("acme").text;
    home.drop_file("acme/shop/c.csv", Stripe::simple("po_3", "2026-01-07").csv());
    // Hours of trouble are waited through; a day of it is not.
    for attempt in 0..=post_voucher::FAILURES_MAX + 1 {
        home.clock.forward(Duration::hours(1));
        let line = Transport::new(store.clone(), |call| {
            (call.path.contains("/rows/") && !call.writes()).then_some(Loss::Before)
        });
        let (world, dispatched) = home.flaky_world(&line, &format!("w{attempt}"), true);
        pass(&world, &dispatched).await;
    }
    let (world, _) = home.world(&store, "reader").await;
    let item = bilag_tests::home::settlement(&world, "acme", "stripe:po_3").await;
    assert_eq!(item.state.to_string(), "held(poison)");
    assert_eq!(home.journal("acme").text, before);
    let name = ledger::Name::parse("stripe:po_3").unwrap();
    post_voucher::operate::release(&world, "acme", &name, "kari", "disk mended").await.unwrap();
    clean_pass(&home, &store, "last").await;
    assert_eq!(home.journal("acme").references().len(), 3);
}

#[tokio::test]
async fn fault_046_vouchers_are_the_same_whatever_the_clock_says() {
    let mut journals = Vec::new();
    for days in [-10_000, 0, 10_000] {
        let home = tiny();
        home.clock.forward(Duration::days(days));
        let store = home.store();
        let (world, dispatched) = home.world(&store, "a").await;
        pass(&world, &dispatched).await;
        journals.push(home.journal("acme").text);
    }
    assert!(journals[0].contains("(stripe:po_2)"));
    assert!(journals.iter().all(|journal| *journal == journals[0]));
}

#[tokio::test]
async fn fault_051_rows_beyond_what_one_item_holds_lie_in_the_archive() {
    let home = TestHome::of("acme");
    let mut report = Stripe::new().payout("po_1");
    for number in 0..5_000 {
        let at = format!("2026-01-05 {:02}:{:02}:00", number / 60 % 24, number % 60);
        report = report.sale(&at, "10.00", "0.10");
    }
    let csv = report.paid("2026-01-07 12:00:00").csv();
    assert!(csv.len() > 400 * 1024);
    home.drop_file("acme/shop/big.csv", csv);
    home.pass().await.clean();
    let item = home.settlement("acme", "stripe:po_1").await;
    assert_eq!(item.source.rows, 5_001);
    assert_eq!(home.journal("acme").balance("1909").to_string(), "49500.00");
}

#[tokio::test]
async fn fault_052_nothing_is_booked_of_a_report_that_could_not_be_archived() {
    for part in ["/files/", "/rows/", "/vouchers/"] {
        let home = tiny();
        let store = home.store();
        home.world(&store, "maker").await;
        let hits = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&hits);
        let line = Transport::new(store.clone(), move |call| {
            let hit = call.writes() && call.path.contains("/archive/") && call.path.contains(part);
            counted.fetch_add(usize::from(hit), Ordering::Relaxed);
            hit.then_some(Loss::Before)
        });
        let (world, dispatched) = home.flaky_world(&line, "a", true);
        let broken = pass(&world, &dispatched).await;
        assert!(hits.load(Ordering::Relaxed) > 0, "{part}");
        assert!(!broken.failed.is_empty(), "{part}");
        assert!(home.journal("acme").transactions.is_empty(), "{part}");
        clean_pass(&home, &store, "b").await;
        assert_eq!(home.journal("acme").transactions.len(), 2, "{part}");
    }
}

#[tokio::test]
async fn fault_053_items_that_disappear_are_made_again_without_a_second_voucher() {
    use aws_sdk_dynamodb::types::AttributeValue;
    for prefix in ["v#", "s#", "f#", "c", "t#"] {
        let home = tiny();
        let store = home.store();
        home.world(&store, "maker").await;
        clean_pass(&home, &store, "a").await;
        let before = home.journal("acme").text;
        let (world, _) = home.world(&store, "remover").await;
        let listed = Table::of(&world).list::<serde_json::Value>("acme", prefix).await.unwrap();
        assert!(!listed.is_empty(), "{prefix}");
        for item in listed {
            world
                .dynamodb
                .delete_item()
                .table_name("bilag")
                .key("pk", AttributeValue::S("acme".to_owned()))
                .key("sk", AttributeValue::S(item.key.item))
                .send()
                .await
                .unwrap();
        }
        clean_pass(&home, &store, "b").await;
        home.drop_file("acme/shop/c.csv", Stripe::simple("po_1", "2026-01-05").csv());
        clean_pass(&home, &store, "c").await;
        assert_eq!(home.journal("acme").text, before, "{prefix}");
    }
}

#[tokio::test]
async fn fault_054_a_table_restored_from_before_books_nothing_again() {
    let home = tiny();
    home.pass().await.clean();
    let before = home.journal("acme").text;
    // The whole table is gone, the journal is not.
    std::fs::remove_dir_all(home.path().join("state")).unwrap();
    let pass = home.pass().await.clean();
    assert_eq!(home.journal("acme").text, before);
    assert_eq!(pass.vouchers.len(), 2, "found again by their references");
    assert!(home.replays().await);
}
