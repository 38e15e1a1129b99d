//! Provider accounts and books over their APIs: from nothing to vouchers that are right, once.

use bilag_tests::Sandboxed;
use chrono::Duration;
use sandbox::Options;
use serde_json::json;

#[tokio::test(start_paused = true)]
async fn what_is_sound_is_booked_once_and_the_rest_is_held_for_its_cause_or_waits() {
    for seed in 1..=2 {
        let company = Sandboxed::seeded(seed).await;
        company.settle_down().await;
        company.check().await;
        assert!(company.payouts_that_are("sound").len() >= 12);
        assert!(!company.payouts_that_are("unsound").is_empty());
        assert_eq!(company.calls_for("tripletex", "send"), company.vouchers().len() as u64);
        assert_eq!(company.calls_for("tripletex", "attach"), company.vouchers().len() as u64);
    }
}

#[tokio::test(start_paused = true)]
async fn what_waits_is_booked_when_the_provider_has_finished_it() {
    let company = Sandboxed::seeded(3).await;
    company.settle_down().await;
    let waiting = company.payouts_that_are("waiting");
    assert!(!waiting.is_empty());
    company.control("POST", "settle", &json!({}));
    company.settle_down().await;
    company.check().await;
    for payout in waiting {
        assert_eq!(company.state(payout["settlement"].as_str().unwrap()).await, "posted");
    }
}

#[tokio::test(start_paused = true)]
async fn a_second_pass_has_no_effect() {
    let company = Sandboxed::seeded(4).await;
    company.settle_down().await;
    let (books, sent) = (company.vouchers(), company.calls_for("tripletex", "send"));
    let again = company.settle_down().await;
    assert!(again.looks.0 >= 2, "{again:?}");
    assert_eq!((again.looks.1, again.vouchers.len()), (0, 0));
    assert_eq!(company.vouchers(), books);
    assert_eq!(company.calls_for("tripletex", "send"), sent);
}

#[tokio::test(start_paused = true)]
async fn drafts_are_made_once_and_have_their_documents() {
    let company = Sandboxed::sound(5, 6).await;
    company
        .configure(|text| text.replace("[connections.webshop]", "post = \"draft\"\n\n[connections.webshop]"))
        .await;
    company.settle_down().await;
    company.check().await;
    assert!(company.vouchers().iter().all(|voucher| voucher["posted"] == false));
    company.settle_down().await;
    company.check().await;
}

#[tokio::test(start_paused = true)]
async fn a_payout_that_comes_back_later_is_booked_back_once() {
    // The last payouts are of these days, so that what comes back does so on days to come.
    let base_on = Some("2026-11-14".parse().unwrap());
    let options = Options { seed: 6, payouts: 6, sound_only: true, base_on, ..Options::default() };
    let company = Sandboxed::new(options).await;
    company.work(Duration::hours(30)).await;
    let failed = |provider: &str| {
        let payouts = company.payouts_that_are("sound");
        let of = |payout: &&serde_json::Value| {
            payout["provider"] == provider
                && payout["returned"] == false
                && !payout["amount"].as_str().unwrap().starts_with('-')
        };
        payouts.iter().rfind(of).unwrap()["id"].as_str().unwrap().to_owned()
    };
    for provider in ["stripe", "vipps-mobilepay"] {
        company.control("POST", "fail-payout", &json!({ "id": failed(provider) }));
    }
    company.work(Duration::days(4)).await;
    company.check().await;
    assert!(company.payouts().iter().any(|payout| payout["reversals"] != json!([])));
}

#[tokio::test(start_paused = true)]
async fn payouts_before_the_start_are_left_alone() {
    let options = Options { seed: 7, payouts: 3, before: 4, sound_only: true, ..Options::default() };
    let company = Sandboxed::new(options).await;
    company.settle_down().await;
    company.check().await;
    assert!(company.payouts_that_are("before").len() >= 4);
}
