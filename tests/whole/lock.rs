//! One process at a time, and what a dead one leaves behind.

use std::io::Write as _;

use bilag::{Exit, Home};
use bilag_tests::{Stripe, TestHome};
use chrono::Duration;
use ledger::Name;
use store::table::Claim;
use store::{Key, SettlementItem, Table};

#[tokio::test]
async fn a_second_process_is_told_who_holds_the_home_and_ends_with_3() {
    let home = TestHome::of("acme");
    let first = home.open().await;
    let refused = Home::open(home.path(), false).await.err().unwrap();
    assert_eq!(refused.exit, Exit::Failed);
    let pid = std::process::id().to_string();
    assert!(refused.message.contains(&pid), "{}", refused.message);
    let rehearsal = Home::rehearse(home.path(), false).await.err().unwrap();
    assert_eq!(rehearsal.exit, Exit::Failed);
    drop(first);
    home.open().await;
}

/// The moment between taking the lock and writing the name belongs to nobody.
#[tokio::test]
async fn a_process_refused_before_the_holder_wrote_its_name_still_names_it() {
    let home = TestHome::of("acme");
    drop(home.open().await);
    let path = home.path().join("state/lock");
    let mut file = std::fs::File::options().write(true).open(&path).unwrap();
    file.lock().unwrap();
    let holder = std::thread::spawn(move || {
        std::thread::sleep(std::time::Duration::from_millis(500));
        file.write_all(b"4711-12345\n").unwrap();
        file
    });
    let refused = Home::open(home.path(), false).await.err().unwrap();
    assert!(refused.message.contains("4711"), "{}", refused.message);
    drop(holder.join().unwrap());
}

#[tokio::test]
async fn a_home_that_was_closed_leaves_no_name_in_its_lock() {
    let home = TestHome::of("acme");
    drop(home.open().await);
    assert_eq!(std::fs::read_to_string(home.path().join("state/lock")).unwrap(), "");
}

/// Leaves a settlement claimed by a worker that died, and its name in the lock.
async fn die_in_the_middle(home: &TestHome) -> Key {
    home.drop_file("acme/shop/report.csv", Stripe::simple("po_1", "2026-01-05").csv());
    let opened = home.open().await;
    check_config::handle(&opened.world, "acme.toml").await.unwrap();
    import_file::handle(&opened.world, "acme/shop/report.csv", &mut |_| {}).await.unwrap();
    let key = Key::settlement("acme", &Name::parse("stripe:po_1").unwrap());
    let claim = Table::of(&opened.world).claim::<SettlementItem>(&key, Duration::minutes(10)).await.unwrap();
    assert!(matches!(claim, Claim::Taken(_)));
    let dead = opened.world.worker.clone();
    drop(opened);
    std::fs::write(home.path().join("state/lock"), dead).unwrap();
    key
}

async fn tries(home: &Home, key: &Key) -> u64 {
    let table = Table::of(&home.world);
    table.get::<SettlementItem>(key).await.unwrap().unwrap().tries
}

#[tokio::test]
async fn taking_over_from_a_dead_process_lapses_its_claims_without_counting_a_try() {
    let home = TestHome::of("acme");
    let key = die_in_the_middle(&home).await;
    let opened = home.open().await;
    assert_eq!(tries(&opened, &key).await, 0);
    drop(opened);
    assert_eq!(home.pass().await.clean().booked(), ["stripe:po_1"]);
}

#[tokio::test]
async fn the_claims_of_others_do_not_lapse() {
    let home = TestHome::of("acme");
    die_in_the_middle(&home).await;
    std::fs::write(home.path().join("state/lock"), "4711-12345").unwrap();
    let pass = home.pass().await;
    assert!(pass.vouchers.is_empty(), "{:?}", pass.booked());
}

#[tokio::test]
async fn a_preview_between_a_death_and_the_next_run_does_not_hide_the_death() {
    let home = TestHome::of("acme");
    die_in_the_middle(&home).await;
    drop(Home::rehearse(home.path(), false).await.unwrap());
    assert_eq!(home.pass().await.clean().booked(), ["stripe:po_1"]);
}

#[tokio::test]
async fn many_deaths_in_a_row_are_no_poison() {
    let home = TestHome::of("acme");
    let key = die_in_the_middle(&home).await;
    for _ in 0..12 {
        let opened = home.open().await;
        let claim =
            Table::of(&opened.world).claim::<SettlementItem>(&key, Duration::minutes(10)).await.unwrap();
        assert!(matches!(claim, Claim::Taken(_)));
        let dead = opened.world.worker.clone();
        drop(opened);
        std::fs::write(home.path().join("state/lock"), dead).unwrap();
    }
    assert_eq!(home.pass().await.clean().booked(), ["stripe:po_1"]);
}

#[tokio::test]
async fn a_death_before_the_claims_of_an_earlier_one_lapsed_hides_neither() {
    let home = TestHome::of("acme");
    die_in_the_middle(&home).await;
    let lock = home.path().join("state/lock");
    let earlier = std::fs::read_to_string(&lock).unwrap();
    // Takes the lock and dies at once: a folder stands where the store should be.
    let store = home.path().join("state/store.db");
    std::fs::rename(&store, home.path().join("aside.db")).unwrap();
    std::fs::create_dir(&store).unwrap();
    assert!(Home::open(home.path(), false).await.is_err());
    std::fs::remove_dir(&store).unwrap();
    std::fs::rename(home.path().join("aside.db"), &store).unwrap();
    std::fs::write(&lock, format!("4711-1 {}", std::fs::read_to_string(&lock).unwrap())).unwrap();
    assert!(std::fs::read_to_string(&lock).unwrap().contains(&earlier));
    assert_eq!(home.pass().await.clean().booked(), ["stripe:po_1"]);
}

#[tokio::test]
async fn names_that_were_cut_off_while_the_lock_was_written_are_no_names() {
    let home = TestHome::of("acme");
    let key = die_in_the_middle(&home).await;
    let lock = home.path().join("state/lock");
    let dead = std::fs::read_to_string(&lock).unwrap();
    // Whoever wrote a shorter line died before the rest was cut off.
    std::fs::write(&lock, format!("{}\n17-2 4711-1 4711-2", dead.trim())).unwrap();
    let opened = home.open().await;
    let claim = Table::of(&opened.world).claim::<SettlementItem>(&key, Duration::minutes(10)).await.unwrap();
    assert!(matches!(claim, Claim::Taken(_)));
    assert!(!std::fs::read_to_string(&lock).unwrap().contains("4711"));
}

#[tokio::test]
async fn a_store_that_was_left_half_made_is_made_anew() {
    let home = TestHome::of("acme");
    std::fs::create_dir(home.path().join("state")).unwrap();
    for name in ["store.new", "store.new-wal"] {
        std::fs::write(home.path().join("state").join(name), "half a page").unwrap();
    }
    home.drop_file("acme/shop/one.csv", Stripe::simple("po_1", "2026-01-05").csv());
    assert_eq!(home.pass().await.clean().booked(), ["stripe:po_1"]);
    assert!(!home.path().join("state/store.new").exists());
}
