//! What is doubtful stays doubtful: looks after the booking, holds in between, plans that change.

use chrono::Duration;
use ledger::Cause;
use store::posting::{self, Doubt, LEASE, Outcome};
use store::table::SHARDS;
use store::{Table, VoucherState};

use crate::scripted::{LOOKUP, Look, Send, Stage, voucher};

/// Walks until the voucher is booked by its second sending, the first having come to `first`.
async fn sent_twice(first: Send) -> Stage {
    let stage = Stage::new(LOOKUP, [first, Send::Accept]).await;
    assert_eq!(stage.to_the_end().await, Outcome::Posted);
    assert_eq!(stage.sent(), 2);
    stage
}

/// One sweep of what is due, by the function that is named; returns how many looks there were.
async fn sweep(stage: &Stage) -> usize {
    let world = stage.world("sweeper").await;
    let outbox = stage.outbox().await;
    let mut looks = 0;
    for shard in 0..SHARDS {
        for (_, key) in Table::of(&world).due("post-voucher", shard).await.unwrap() {
            assert_eq!(key, stage.key);
            posting::look_again(&world, &outbox, &key).await.unwrap();
            looks += 1;
        }
    }
    looks
}

#[tokio::test]
async fn a_voucher_that_was_sent_twice_is_looked_for_again_after_an_hour_a_day_and_a_week() {
    let stage = sent_twice(Send::Lose).await;
    let mut looked = Vec::new();
    for hour in 0..24 * 9 {
        if sweep(&stage).await > 0 {
            looked.push(hour);
        }
        stage.later(Duration::hours(1));
    }
    assert_eq!(looked, [1, 24, 24 * 7]);
    let item = stage.item().await;
    assert_eq!((item.due, item.body.alert, item.body.state), (None, None, VoucherState::Posted));
    assert_eq!((stage.saved(), stage.sent()), (1, 2));
    // One that was sent once is not looked for again.
    let stage = Stage::new(LOOKUP, [Send::AcceptAndLose]).await;
    assert_eq!(stage.to_the_end().await, Outcome::Posted);
    assert_eq!(stage.item().await.due, None);
}

#[tokio::test]
async fn a_sending_that_shows_up_days_later_is_an_alert_and_the_voucher_stays_booked() {
    let stage = sent_twice(Send::AcceptLate(Duration::days(3))).await;
    stage.later(Duration::hours(25));
    assert_eq!(sweep(&stage).await, 1);
    assert_eq!(stage.item().await.body.alert, None);
    stage.later(Duration::days(7));
    assert_eq!(sweep(&stage).await, 1);
    let item = stage.item().await;
    assert_eq!(item.body.state, VoucherState::Posted);
    assert_eq!(item.due, None);
    let alert = item.body.alert.unwrap();
    assert_eq!(alert.cause, Cause::Collision);
    assert!(alert.what.contains("4711 and 4712") && alert.remedy.contains("only 4711"), "{alert}");
    assert_eq!(stage.outcome("b").await, Outcome::AlreadyPosted);
    assert_eq!((stage.saved(), stage.sent()), (2, 2));
}

#[tokio::test]
async fn a_look_that_cannot_be_made_is_made_later() {
    let stage = sent_twice(Send::AcceptLate(Duration::minutes(30))).await;
    stage.later(Duration::hours(1));
    stage.books.lock().unwrap().looks = [Look::NotSure, Look::Fails].into();
    assert_eq!(sweep(&stage).await, 1);
    let (world, outbox) = (stage.world("a").await, stage.outbox().await);
    stage.later(Duration::hours(1));
    assert!(posting::look_again(&world, &outbox, &stage.key).await.is_err());
    assert_eq!(sweep(&stage).await, 0);
    stage.later(Duration::hours(1));
    assert_eq!(sweep(&stage).await, 1);
    assert!(stage.item().await.body.alert.is_some());
}

#[tokio::test]
async fn what_is_found_twice_before_it_is_booked_is_booked_with_an_alert_and_not_sent() {
    let stage = Stage::new(LOOKUP, []).await;
    for _ in 0..2 {
        stage.outbox().await.save(&voucher(), Duration::zero());
    }
    assert_eq!(stage.outcome("a").await, Outcome::Posted);
    let item = stage.item().await.body;
    assert_eq!((item.state, item.remote_id.as_deref()), (VoucherState::Posted, Some("4711")));
    assert_eq!(item.alert.unwrap().cause, Cause::Collision);
    assert_eq!(stage.sent(), 0);
}

#[tokio::test]
async fn a_hold_in_doubt_does_not_shorten_the_wait_for_a_system_that_shows_vouchers_late() {
    let slow = Doubt::Lookup { visible_after: Duration::hours(10) };
    let stage = Stage::new(slow, [Send::AcceptLate(Duration::hours(9))]).await;
    assert!(matches!(stage.outcome("a").await, Outcome::Later(_)));
    stage.books.lock().unwrap().looks = [Look::NotSure; 8].into();
    for _ in 0..8 {
        assert!(matches!(stage.outcome("a").await, Outcome::Later(_)));
        stage.later(LEASE);
    }
    assert!(matches!(stage.outcome("a").await, Outcome::Held(_)));
    let world = stage.world("kari").await;
    posting::reopen(&world, stage.item().await, "kari", "the system answers again").await.unwrap();
    assert_eq!(stage.state().await, VoucherState::Unknown(1));
    assert_eq!(stage.to_the_end().await, Outcome::Posted);
    assert_eq!((stage.saved(), stage.sent()), (1, 1));
}

#[tokio::test]
async fn a_refusal_of_the_second_sending_leaves_the_first_in_doubt() {
    let stage =
        Stage::new(LOOKUP, [Send::AcceptLate(Duration::hours(1)), Send::Refuse(Cause::PeriodClosed)]).await;
    assert!(matches!(stage.outcome("a").await, Outcome::Later(_)));
    assert!(matches!(stage.outcome("a").await, Outcome::Held(_)));
    let item = stage.item().await;
    assert_eq!(item.body.sendings, 1);
    let world = stage.world("kari").await;
    assert!(!posting::supersede(&world, item.clone(), "a newer plan").await.unwrap());
    stage.later(Duration::hours(1));
    posting::reopen(&world, item, "kari", "the period is open again").await.unwrap();
    assert_eq!(stage.outcome("b").await, Outcome::Posted);
    assert_eq!((stage.saved(), stage.sent()), (1, 2));
}

#[tokio::test]
async fn a_person_who_looked_by_hand_decides_that_it_is_sent_again() {
    let stage = Stage::new(Doubt::Hold, [Send::Lose, Send::Accept]).await;
    assert!(matches!(stage.outcome("a").await, Outcome::Later(_)));
    assert!(matches!(stage.outcome("b").await, Outcome::Held(_)));
    let world = stage.world("kari").await;
    posting::reopen(&world, stage.item().await, "kari", "it is not there").await.unwrap();
    assert_eq!(stage.outcome("c").await, Outcome::Posted);
    assert_eq!((stage.saved(), stage.sent()), (1, 2));
}

#[tokio::test]
async fn a_superseded_voucher_is_never_sent_and_a_plan_that_has_it_again_revives_it() {
    let stage = Stage::new(LOOKUP, []).await;
    let world = stage.world("planner").await;
    assert!(posting::supersede(&world, stage.item().await, "a newer plan").await.unwrap());
    assert!(matches!(stage.outcome("a").await, Outcome::Later(_)));
    assert_eq!((stage.state().await, stage.sent()), (VoucherState::Superseded, 0));
    posting::plan(&world, &voucher(), "newest").await.unwrap();
    assert_eq!(stage.outcome("a").await, Outcome::Posted);
}

#[tokio::test]
async fn a_voucher_that_another_worker_planned_otherwise_is_not_sent_by_this_one() {
    let stage = Stage::new(LOOKUP, []).await;
    let (world, outbox) = (stage.world("slow").await, stage.outbox().await);
    let mut other = voucher();
    other.postings[1].account = "1589".to_owned();
    posting::plan(&world, &other, "newer").await.unwrap();
    let outcome = posting::walk_planned(&world, &outbox, &voucher()).await.unwrap();
    assert!(matches!(outcome, Outcome::Later(_)), "{outcome:?}");
    assert_eq!(stage.sent(), 0);
    assert_eq!(posting::walk_planned(&world, &outbox, &other).await.unwrap(), Outcome::Posted);
}
