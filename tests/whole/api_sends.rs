//! Sendings of vouchers that are lost, late, stalled or made by two workers: one voucher each.

use std::time::Duration as StdDuration;

use bilag_tests::Sandboxed;
use bilag_tests::sandboxed::{Done, Trouble};
use chrono::Duration;
use sandbox::{COMPANY, Options};
use serde_json::json;
use store::{Table, VoucherItem};

const SEND: (&str, &str) = ("POST", "/ledger/voucher");

/// One payout of each provider, in front of books that show vouchers late.
async fn small(seed: u64, visible_after: u64) -> Sandboxed {
    let visible_after = StdDuration::from_secs(visible_after);
    let options = Options { seed, payouts: 1, sound_only: true, visible_after, ..Options::default() };
    Sandboxed::new(options).await
}

async fn alerts(company: &Sandboxed) -> Vec<String> {
    let reader = company.worker("reader").await;
    let items = Table::of(&reader.world).list::<VoucherItem>(COMPANY, "v#").await.unwrap();
    items.into_iter().filter_map(|item| item.body.alert.map(|hold| hold.to_string())).collect()
}

#[tokio::test(start_paused = true)]
async fn fault_001_a_sending_whose_answer_is_lost_is_found_and_not_repeated() {
    for visible_after in [0, 90] {
        let company = small(1, visible_after).await;
        company.trouble_once(SEND.0, SEND.1, Trouble::LostAfter);
        company.settle_down().await;
        company.check().await;
        assert_eq!(company.calls_for("tripletex", "send"), 2, "one for each payout");
    }
}

#[tokio::test(start_paused = true)]
async fn fault_002_a_sending_that_never_arrived_is_repeated_under_the_same_reference() {
    for trouble in [Trouble::LostBefore, Trouble::Unreached] {
        let company = small(2, 0).await;
        company.trouble_once(SEND.0, SEND.1, trouble);
        company.settle_down().await;
        company.check().await;
        assert_eq!(alerts(&company).await, [""; 0]);
    }
}

#[tokio::test(start_paused = true)]
async fn fault_003_books_that_show_a_voucher_minutes_late_do_not_get_a_second() {
    let company = small(3, 110).await;
    for answers_lost in [1, 2] {
        let mut left = answers_lost;
        company.trouble(move |request| {
            let meant = request.method() == SEND.0 && request.uri().path().ends_with(SEND.1) && left > 0;
            left -= i32::from(meant);
            meant.then_some(Trouble::LostAfter)
        });
        company.settle_down().await;
        company.check().await;
    }
}

#[tokio::test(start_paused = true)]
async fn fault_035_two_workers_at_once_book_everything_once() {
    let company = Sandboxed::sound(4, 6).await;
    let (one, other) = (company.worker("one").await, company.worker("other").await);
    let horizon = Duration::hours(2);
    let (first, second) =
        tokio::join!(Box::pin(one.work(&company, horizon)), Box::pin(other.work(&company, horizon)));
    assert!(first.failed.is_empty() && second.failed.is_empty(), "{:?} {:?}", first.failed, second.failed);
    company.check().await;
    assert_eq!(company.calls_for("tripletex", "send"), company.vouchers().len() as u64);
    assert_eq!(first.vouchers.len() + second.vouchers.len(), company.vouchers().len());
}

#[tokio::test(start_paused = true)]
async fn two_workers_that_need_a_token_make_one_call_for_it() {
    let company = Sandboxed::sound(5, 6).await;
    let (one, other) = (company.worker("one").await, company.worker("other").await);
    for round in 1..=2 {
        let horizon = Duration::hours(2);
        tokio::join!(Box::pin(one.work(&company, horizon)), Box::pin(other.work(&company, horizon)));
        company.check().await;
        assert_eq!(company.calls_for("vipps-mobilepay", "session"), round, "round {round}");
        company.control("POST", "expire-tokens", &serde_json::json!({}));
    }
    assert_eq!(company.calls_for("tripletex", "session"), 1);
}

#[tokio::test(start_paused = true)]
async fn two_workers_whose_session_expired_renew_it_by_one_call() {
    let company = Sandboxed::seeded(5).await;
    company.settle_down().await;
    assert_eq!(company.calls_for("tripletex", "session"), 1);
    let before = company.vouchers().len();
    company.control("POST", "expire-tokens", &serde_json::json!({ "system": "tripletex" }));
    company.control("POST", "settle", &serde_json::json!({}));
    let (one, other) = (company.worker("one").await, company.worker("other").await);
    let horizon = Duration::hours(26);
    tokio::join!(Box::pin(one.work(&company, horizon)), Box::pin(other.work(&company, horizon)));
    company.check().await;
    assert!(company.vouchers().len() >= before + 2, "{}", company.vouchers().len() - before);
    assert_eq!(company.calls_for("tripletex", "session"), 2);
}

#[tokio::test(start_paused = true)]
async fn fault_036_a_worker_that_stalls_past_its_lease_and_sends_then_makes_no_second_voucher() {
    let company = small(6, 0).await;
    company.trouble_once(SEND.0, SEND.1, Trouble::Stall(StdDuration::from_secs(200)));
    let (one, other) = (company.worker("one").await, company.worker("other").await);
    let horizon = Duration::hours(2);
    let late = async {
        tokio::time::sleep(StdDuration::from_secs(5)).await;
        Box::pin(other.work(&company, horizon)).await
    };
    tokio::join!(Box::pin(one.work(&company, horizon)), late);
    company.check().await;
    assert_eq!(company.calls_for("tripletex", "send"), 2);
    assert_eq!(alerts(&company).await, [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn fault_036_a_worker_that_stalls_beyond_every_patience_is_found_out_and_alerted() {
    let company = small(7, 0).await;
    company.trouble_once(SEND.0, SEND.1, Trouble::Stall(StdDuration::from_secs(1800)));
    let (one, other) = (company.worker("one").await, company.worker("other").await);
    let horizon = Duration::hours(3);
    let late = async {
        tokio::time::sleep(StdDuration::from_secs(5)).await;
        Box::pin(other.work(&company, horizon)).await
    };
    tokio::join!(Box::pin(one.work(&company, horizon)), late);
    let wrong = company.wrong().await;
    assert_eq!(wrong.iter().filter(|wrong| wrong.ends_with("in the books twice")).count(), 1, "{wrong:?}");
    let alerts = alerts(&company).await;
    assert_eq!(alerts.len(), 1);
    assert!(alerts[0].contains("collision"), "{alerts:?}");
}

#[tokio::test(start_paused = true)]
async fn fault_034_a_document_whose_answer_is_lost_is_there_once() {
    for trouble in [Trouble::LostBefore, Trouble::LostAfter, Trouble::Unreached] {
        let company = Sandboxed::sound(8, 6).await;
        let mut left = 4;
        company.trouble(move |request| {
            let meant = request.uri().path().ends_with("/attachment") && left > 0;
            left -= i32::from(meant);
            meant.then_some(trouble)
        });
        company.settle_down().await;
        company.check().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_hold_of_one_voucher_leaves_no_other_one_in_doubt() {
    let company = Sandboxed::sound(9, 6).await;
    let payouts = company.payouts();
    let with_return = payouts.iter().find(|payout| !payout["reversals"].as_array().unwrap().is_empty());
    let name = with_return.unwrap()["settlement"].as_str().unwrap().to_owned();
    let own = format!("\"{name}\"");
    company.trouble(move |request| {
        let sends = request.method() == "POST" && request.uri().path().ends_with("/ledger/voucher");
        let is_own = String::from_utf8_lossy(request.body()).contains(&own);
        (sends && is_own).then_some(Trouble::Death)
    });
    let dies = company.worker("dies").await;
    let work = Box::pin(dies.work(&company, Duration::hours(2)));
    assert!(tokio::time::timeout(StdDuration::from_secs(3600), work).await.is_err());
    for month in ["2026-10", "2026-11"] {
        company.control("POST", "close-period", &json!({ "month": month }));
    }
    company.peace();
    company.work(Duration::hours(2)).await;
    assert_eq!(company.state(&name).await, "held(period-closed)");
    let next = company.worker("next").await;
    for voucher in bilag_tests::home::vouchers(&next.world, COMPANY, &name).await {
        let state = voucher.state.to_string();
        assert!(!state.starts_with("posting") && !state.starts_with("unknown"), "{state}");
    }
}

#[tokio::test(start_paused = true)]
async fn fault_034_a_worker_that_dies_while_it_attaches_leaves_the_document_to_the_next() {
    let company = Sandboxed::sound(9, 3).await;
    company.trouble_once("POST", "/attachment", Trouble::Death);
    let dies = company.worker("dies").await;
    let work = Box::pin(dies.work(&company, Duration::hours(2)));
    assert!(tokio::time::timeout(StdDuration::from_secs(3600), work).await.is_err());
    let done: Done = company.settle_down().await;
    assert!(!done.vouchers.is_empty());
    company.check().await;
}
