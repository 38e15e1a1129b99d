//! The posting protocol, step by step, with everything that can go wrong between two steps.

use std::sync::{Arc, Mutex};

use chrono::{DateTime, Duration, Utc};
use edge::Clock;
use ledger::Cause;
use store::posting::{self, Doubt, LEASE, Outcome};
use store::{Table, VoucherItem, VoucherState};
use trial::{Loss, TestClock, Transport};

use crate::scripted::{LOOKUP, Look, Send, Stage, voucher};

#[tokio::test]
async fn an_accepted_voucher_is_posted_and_never_sent_again() {
    let stage = Stage::new(LOOKUP, [Send::Accept]).await;
    assert_eq!(stage.outcome("a").await, Outcome::Posted);
    assert_eq!(stage.outcome("b").await, Outcome::AlreadyPosted);
    assert_eq!((stage.saved(), stage.sent()), (1, 1));
    assert_eq!(stage.item().await.body.remote_id.as_deref(), Some("4711"));
}

#[tokio::test]
async fn fault_001_an_answer_lost_after_the_effect_is_found_by_the_reference() {
    let stage = Stage::new(LOOKUP, [Send::AcceptAndLose]).await;
    assert!(matches!(stage.outcome("a").await, Outcome::Later(_)));
    assert_eq!(stage.state().await, VoucherState::Unknown(1));
    stage.later(Duration::seconds(10));
    assert_eq!(stage.outcome("b").await, Outcome::Posted);
    assert_eq!((stage.saved(), stage.sent()), (1, 1));
}

#[tokio::test]
async fn fault_002_a_send_that_never_arrived_is_repeated_under_the_same_reference() {
    let stage = Stage::new(LOOKUP, [Send::Lose, Send::Lose, Send::Accept]).await;
    assert_eq!(stage.to_the_end().await, Outcome::Posted);
    assert_eq!((stage.saved(), stage.sent()), (1, 3));
    let world = stage.world("reader").await;
    let trail = Table::of(&world).trail(&stage.key).await.unwrap();
    let states: Vec<&str> = trail.iter().map(|entry| entry.to.as_str()).collect();
    assert_eq!(
        states,
        ["planned", "posting(1)", "unknown(1)", "posting(2)", "unknown(2)", "posting(3)", "posted"]
    );
}

#[tokio::test]
async fn fault_003_a_voucher_that_shows_late_is_waited_for_and_not_sent_again() {
    let slow = Doubt::Lookup { visible_after: Duration::minutes(10) };
    let stage = Stage::new(slow, [Send::AcceptLate(Duration::minutes(9))]).await;
    assert_eq!(stage.to_the_end().await, Outcome::Posted);
    assert_eq!((stage.saved(), stage.sent()), (1, 1));
}

#[tokio::test]
async fn fault_003_after_the_systems_own_delay_nothing_found_means_nothing_saved() {
    let slow = Doubt::Lookup { visible_after: Duration::minutes(10) };
    let stage = Stage::new(slow, [Send::Lose, Send::Accept]).await;
    let sent_at = stage.place.clock.now();
    assert_eq!(stage.to_the_end().await, Outcome::Posted);
    assert_eq!((stage.saved(), stage.sent()), (1, 2));
    assert!(stage.place.clock.now() - sent_at >= Duration::minutes(10));
}

#[tokio::test]
async fn fault_013_a_reference_that_is_taken_is_ours_if_equal_and_a_collision_if_not() {
    let stage = Stage::new(LOOKUP, []).await;
    stage.outbox().await.save(&voucher(), Duration::zero());
    assert_eq!(stage.outcome("a").await, Outcome::Posted);
    assert_eq!(stage.sent(), 0);

    let stage = Stage::new(LOOKUP, []).await;
    let mut other = voucher();
    other.postings[1].account = "3000".to_owned();
    stage.outbox().await.save(&other, Duration::zero());
    let Outcome::Held(hold) = stage.outcome("a").await else {
        panic!("{}", stage.state().await);
    };
    assert_eq!(hold.cause, Cause::Collision);
    assert_eq!(stage.sent(), 0);
    // It stays held, whoever comes by.
    assert!(matches!(stage.outcome("b").await, Outcome::Held(_)));
}

#[tokio::test]
async fn fault_016_a_listed_refusal_holds_and_is_sent_again_only_after_a_release() {
    let stage = Stage::new(LOOKUP, [Send::Refuse(Cause::AccountRefused), Send::Accept]).await;
    let Outcome::Held(hold) = stage.outcome("a").await else {
        panic!("{}", stage.state().await);
    };
    assert_eq!(hold.cause, Cause::AccountRefused);
    assert!(matches!(stage.outcome("b").await, Outcome::Held(_)));
    assert_eq!(stage.sent(), 1);
    // What release does to the voucher.
    let world = stage.world("kari").await;
    let mut item = stage.item().await;
    item.body.state = VoucherState::Planned;
    Table::of(&world).replace(&item, None, None).await.unwrap();
    assert_eq!(stage.outcome("c").await, Outcome::Posted);
    assert_eq!((stage.saved(), stage.sent()), (1, 2));
}

#[tokio::test]
async fn an_unsure_look_up_or_a_failed_one_never_leads_to_a_send() {
    let stage = Stage::new(LOOKUP, [Send::Accept]).await;
    stage.books.lock().unwrap().looks = [Look::NotSure, Look::Fails].into();
    assert!(matches!(stage.outcome("a").await, Outcome::Later(_)));
    assert!(stage.walk("b").await.unwrap().is_err());
    assert_eq!(stage.sent(), 0);
    assert_eq!(stage.state().await, VoucherState::Planned);
    stage.later(LEASE);
    assert_eq!(stage.outcome("c").await, Outcome::Posted);
}

#[tokio::test]
async fn fault_033_a_worker_that_dies_after_the_effect_leaves_a_voucher_that_is_found() {
    let stage = Stage::new(LOOKUP, [Send::AcceptAndDie]).await;
    assert!(stage.walk("dead").await.is_none());
    assert_eq!(stage.state().await, VoucherState::Posting(1));
    // While its claim runs, nobody touches the voucher.
    assert_eq!(stage.outcome("b").await, Outcome::Later(LEASE));
    stage.later(LEASE);
    assert_eq!(stage.outcome("b").await, Outcome::Posted);
    assert_eq!((stage.saved(), stage.sent()), (1, 1));
}

#[tokio::test]
async fn a_claim_that_lapsed_in_posting_is_doubt_and_not_a_new_start() {
    let stage = Stage::new(LOOKUP, [Send::Die, Send::Accept]).await;
    assert!(stage.walk("dead").await.is_none());
    stage.later(LEASE);
    assert_eq!(stage.outcome("b").await, Outcome::Posted);
    let world = stage.world("reader").await;
    let trail = Table::of(&world).trail(&stage.key).await.unwrap();
    let states: Vec<&str> = trail.iter().map(|entry| entry.to.as_str()).collect();
    assert_eq!(states, ["planned", "posting(1)", "unknown(1)", "posting(2)", "posted"]);
    assert_eq!((stage.saved(), stage.sent()), (1, 2));
}

#[tokio::test]
async fn a_system_that_cannot_be_asked_is_checked_by_hand_and_never_sent_to_twice() {
    for first in [Send::Lose, Send::AcceptAndLose] {
        let stage = Stage::new(Doubt::Hold, [first]).await;
        assert!(matches!(stage.outcome("a").await, Outcome::Later(_)));
        let Outcome::Held(hold) = stage.outcome("b").await else {
            panic!("{}", stage.state().await);
        };
        assert_eq!(hold.cause, Cause::CheckByHand);
        assert!(matches!(stage.outcome("c").await, Outcome::Held(_)));
        assert_eq!(stage.sent(), 1);
    }
}

#[tokio::test]
async fn a_system_that_refuses_a_second_of_the_same_key_is_simply_sent_to_again() {
    for first in [Send::Lose, Send::AcceptAndLose] {
        let stage = Stage::new(Doubt::ResendSameKey, [first, Send::Accept]).await;
        assert_eq!(stage.to_the_end().await, Outcome::Posted);
        assert_eq!((stage.saved(), stage.sent()), (1, 2));
    }
}

#[tokio::test]
async fn fault_035_of_two_workers_one_has_the_voucher_and_the_other_goes_without_effect() {
    let stage = Stage::new(LOOKUP, [Send::Accept]).await;
    let (one, other) = (stage.world("one").await, stage.world("other").await);
    let (out_one, out_other) = (stage.outbox().await, stage.outbox().await);
    // The claims themselves race: both read the item before either has written.
    let (first, second) = tokio::join!(
        posting::walk(&one, &out_one, &stage.key),
        posting::walk(&other, &out_other, &stage.key),
    );
    let outcomes = [first.unwrap(), second.unwrap()];
    assert!(outcomes.contains(&Outcome::Posted), "{outcomes:?}");
    assert!(outcomes.iter().all(|outcome| !matches!(outcome, Outcome::Held(_))), "{outcomes:?}");
    assert_eq!((stage.saved(), stage.sent()), (1, 1));
}

#[tokio::test]
async fn fault_036_a_worker_that_is_fenced_off_keeps_what_it_learned_on_the_trail() {
    let stage = Stage::new(LOOKUP, [Send::AcceptAndStall]).await;
    let world = stage.world("slow").await;
    let mut outbox = stage.outbox().await;
    outbox.rival = Some(Box::new((stage.world("rival").await, stage.outbox().await)));
    let outcome = posting::walk(&world, &outbox, &stage.key).await.unwrap();
    assert!(matches!(outcome, Outcome::Later(_)), "{outcome:?}");
    let item = stage.item().await;
    assert_eq!(item.body.state, VoucherState::Posted);
    assert_eq!((stage.saved(), stage.sent()), (1, 1));
    let trail = Table::of(&world).trail(&stage.key).await.unwrap();
    let learned = trail.last().unwrap();
    assert_eq!(learned.who, world.worker);
    assert!(learned.cause.contains("4711"), "{learned:?}");
}

/// A clock that jumps once, at a chosen reading.
struct Jumping {
    base: Arc<TestClock>,
    left: Mutex<u32>,
    by: Duration,
}

impl Clock for Jumping {
    fn now(&self) -> DateTime<Utc> {
        let mut left = self.left.lock().unwrap();
        *left = left.saturating_sub(1);
        if *left == 0 {
            *left = u32::MAX;
            self.base.forward(self.by);
        }
        self.base.now()
    }
}

#[tokio::test]
async fn fault_036_however_long_a_worker_stalls_before_it_sends_the_claim_outlives_the_send() {
    // The scripted system asserts at each send that enough of the claim is left.
    for by in [Duration::seconds(100), LEASE + Duration::seconds(30)] {
        for reading in 1..25 {
            let stage = Stage::new(LOOKUP, [Send::Accept]).await;
            let mut world = stage.world("stalls").await;
            world.clock =
                Arc::new(Jumping { base: Arc::clone(&stage.place.clock), left: Mutex::new(reading), by });
            let outbox = stage.outbox().await;
            posting::walk(&world, &outbox, &stage.key).await.unwrap();
            assert!(matches!(stage.to_the_end().await, Outcome::Posted | Outcome::AlreadyPosted));
            assert_eq!((stage.saved(), stage.sent()), (1, 1), "reading {reading}");
        }
    }
}

#[tokio::test]
async fn fault_044_eight_attempts_without_progress_are_poison() {
    let stage = Stage::new(LOOKUP, [Send::Accept]).await;
    stage.books.lock().unwrap().looks = [Look::NotSure; 20].into();
    for attempt in 1..=8 {
        assert!(matches!(stage.outcome("a").await, Outcome::Later(_)), "{attempt}");
        stage.later(LEASE);
    }
    let Outcome::Held(hold) = stage.outcome("a").await else {
        panic!("{}", stage.state().await);
    };
    assert_eq!(hold.cause, Cause::Poison);
    assert_eq!(stage.sent(), 0);
}

#[tokio::test]
async fn fault_045_what_is_released_from_poison_is_found_or_sent_once() {
    for (first, sent) in [(Send::AcceptAndLose, 1), (Send::Lose, 2)] {
        let stage = Stage::new(LOOKUP, [first]).await;
        assert!(matches!(stage.outcome("a").await, Outcome::Later(_)));
        stage.books.lock().unwrap().looks = [Look::NotSure; 8].into();
        for _ in 0..8 {
            assert!(matches!(stage.outcome("a").await, Outcome::Later(_)));
            stage.later(LEASE);
        }
        assert!(matches!(stage.outcome("a").await, Outcome::Held(_)));
        // What release does to the voucher.
        let world = stage.world("kari").await;
        let mut item = stage.item().await;
        item.body.state = VoucherState::Planned;
        Table::of(&world).replace(&item, None, None).await.unwrap();
        assert_eq!(stage.to_the_end().await, Outcome::Posted);
        assert_eq!((stage.saved(), stage.sent()), (1, sent));
    }
}

#[tokio::test]
async fn fault_047_a_clock_that_jumps_back_costs_time_and_no_second_voucher() {
    let stage = Stage::new(LOOKUP, [Send::AcceptAndLose]).await;
    assert!(matches!(stage.outcome("a").await, Outcome::Later(_)));
    stage.later(-Duration::hours(5));
    assert_eq!(stage.to_the_end().await, Outcome::Posted);

    let stage = Stage::new(LOOKUP, [Send::AcceptAndDie]).await;
    assert!(stage.walk("dead").await.is_none());
    stage.later(-Duration::hours(5));
    // The dead worker's claim now ends in five hours.
    assert!(matches!(stage.outcome("b").await, Outcome::Later(_)));
    stage.later(Duration::hours(5) + LEASE);
    assert_eq!(stage.outcome("b").await, Outcome::Posted);
    assert_eq!((stage.saved(), stage.sent()), (1, 1));
}

#[tokio::test]
async fn fault_048_a_write_whose_own_first_try_won_is_recognised_at_every_step() {
    let count = {
        let stage = Stage::new(LOOKUP, [Send::Accept]).await;
        let line = Transport::new(stage.store.clone(), |_| None);
        let world = stage.place.flaky_world(&line, "a", true);
        let outbox = stage.outbox().await;
        posting::walk(&world, &outbox, &stage.key).await.unwrap();
        line.count()
    };
    assert!(count >= 4, "{count} calls");
    for number in 0..count {
        let stage = Stage::new(LOOKUP, [Send::Accept]).await;
        let line =
            Transport::new(stage.store.clone(), move |call| (call.number == number).then_some(Loss::After));
        let world = stage.place.flaky_world(&line, "a", true);
        let outbox = stage.outbox().await;
        let outcome = posting::walk(&world, &outbox, &stage.key).await.unwrap();
        assert_eq!(outcome, Outcome::Posted, "call {number}");
        assert_eq!((stage.saved(), stage.sent()), (1, 1), "call {number}");
    }
}

#[tokio::test]
async fn fault_049_nothing_is_sent_while_the_store_does_not_take_the_intent() {
    let stage = Stage::new(LOOKUP, [Send::Accept]).await;
    // The claim is taken, then every write is lost.
    let mut writes = 0;
    let line = Transport::new(stage.store.clone(), move |call| {
        writes += u32::from(call.writes());
        (call.writes() && writes > 1).then_some(Loss::Before)
    });
    let world = stage.place.flaky_world(&line, "a", true);
    let outbox = stage.outbox().await;
    assert!(posting::walk(&world, &outbox, &stage.key).await.is_err());
    assert_eq!(stage.sent(), 0);
    stage.later(LEASE);
    assert_eq!(stage.outcome("b").await, Outcome::Posted);
}

#[tokio::test]
async fn fault_050_a_worker_that_acts_on_what_it_read_earlier_loses_to_the_one_that_wrote() {
    let stage = Stage::new(LOOKUP, []).await;
    let (one, other) = (stage.world("one").await, stage.world("other").await);
    let stale = Table::of(&one).get::<VoucherItem>(&stage.key).await.unwrap().unwrap();
    assert_eq!(stage.outcome("b").await, Outcome::Posted);
    let written = Table::of(&other).replace(&stale, None, None).await.unwrap();
    assert_eq!(written, store::table::Written::Lost);
    assert_eq!(stage.state().await, VoucherState::Posted);
}

#[tokio::test]
async fn fault_055_an_item_of_a_newer_version_is_left_alone() {
    use aws_sdk_dynamodb::types::AttributeValue;
    let stage = Stage::new(LOOKUP, []).await;
    let world = stage.world("newer").await;
    world
        .dynamodb
        .update_item()
        .table_name("bilag")
        .key("pk", AttributeValue::S(stage.key.company.clone()))
        .key("sk", AttributeValue::S(stage.key.item.clone()))
        .update_expression("SET #schema = :newer")
        .expression_attribute_names("#schema", "schema")
        .expression_attribute_values(":newer", AttributeValue::N((store::table::SCHEMA + 1).to_string()))
        .send()
        .await
        .unwrap();
    let error = stage.walk("older").await.unwrap().unwrap_err();
    assert!(error.to_string().contains("newer version"), "{error}");
    assert_eq!(stage.sent(), 0);
}

#[tokio::test]
async fn a_plan_made_afresh_replaces_one_that_was_never_sent_and_no_other() {
    let stage = Stage::new(LOOKUP, [Send::AcceptAndLose]).await;
    let world = stage.world("planner").await;
    let mut other = voucher();
    other.postings[1].account = "1589".to_owned();
    posting::plan(&world, &other, "newer").await.unwrap();
    assert_eq!(stage.item().await.body.hash, other.hash());
    assert!(matches!(stage.outcome("a").await, Outcome::Later(_)));
    // From the first sending on the plan is fixed.
    posting::plan(&world, &voucher(), "newest").await.unwrap();
    assert_eq!(stage.item().await.body.hash, other.hash());
    assert_eq!(stage.to_the_end().await, Outcome::Posted);
    assert_eq!(stage.books.lock().unwrap().saved[0].0, other);
}
