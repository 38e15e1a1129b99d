//! The due index: what has work left says itself which function has to do it.

use bilag_tests::{Stripe, TestHome};
use chrono::Duration;
use ledger::Name;
use serde_json::{Value, json};
use store::item::CLAIMED;
use store::table::Claim;
use store::{Due, Key, SettlementItem, SettlementState, Table};

#[tokio::test]
async fn an_item_stays_due_for_the_function_it_names_through_claims_and_deaths() {
    let home = TestHome::of("acme");
    let store = home.store();
    let (world, dispatched) = home.world(&store, "dies").await;
    let table = Table::of(&world);
    let key = Key::parse("acme n#shop").unwrap();
    let due = Due { function: "discover-payouts", at: world.clock.now() };
    table.create(&key, &json!({}), Some(due), None).await.unwrap();
    let wanted = [("discover-payouts".to_owned(), key.to_string())];
    dispatch_due::handle(&world).await.unwrap();
    assert_eq!(dispatched.take(), wanted);

    let Claim::Taken(mut held) = table.claim::<Value>(&key, Duration::minutes(10)).await.unwrap() else {
        panic!("not free");
    };
    table.save(&mut held, None).await.unwrap();
    assert_eq!(dispatch_due::handle(&world).await.unwrap(), 0);
    home.clock.forward(Duration::minutes(10));
    dispatch_due::handle(&world).await.unwrap();
    assert_eq!(dispatched.take(), wanted, "the claim ended");

    table.claim::<Value>(&key, Duration::minutes(10)).await.unwrap();
    assert_eq!(table.lapse("acme", CLAIMED, &world.worker).await.unwrap(), 1);
    dispatch_due::handle(&world).await.unwrap();
    assert_eq!(dispatched.take(), wanted, "the worker died");
}

#[tokio::test]
async fn a_settlement_that_is_only_announced_is_fetched_before_it_is_posted() {
    let home = TestHome::of("acme");
    let store = home.store();
    let (world, dispatched) = home.world(&store, "a").await;
    check_config::handle(&world, "acme.toml").await.unwrap();
    home.drop_file("acme/shop/a.csv", Stripe::simple("po_1", "2026-01-05").csv());
    import_file::handle(&world, "acme/shop/a.csv", &mut |_| {}).await.unwrap();
    let name = Name::parse("stripe:po_1").unwrap();
    let key = Key::settlement("acme", &name);
    let mut read = Table::of(&world).get::<SettlementItem>(&key).await.unwrap().unwrap();
    assert_eq!(read.due.map(|due| due.function), Some("post-voucher"));
    read.body.state = SettlementState::Announced;
    Table::of(&world).replace(&read, None, None).await.unwrap();
    post_voucher::operate::retry(&world, "acme", &name, "kari", "the provider is back").await.unwrap();
    dispatch_due::handle(&world).await.unwrap();
    assert_eq!(dispatched.take(), [("fetch-settlement".to_owned(), key.to_string())]);
    // Whoever hands it to the wrong function does no harm.
    post_voucher::handle(&world, &key.to_string()).await.unwrap();
    dispatch_due::handle(&world).await.unwrap();
    assert_eq!(dispatched.take(), [("fetch-settlement".to_owned(), key.to_string())]);
}
