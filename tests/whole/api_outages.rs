//! Hours without a provider or the books, credentials that are revoked, storms of one company: the others go on, and
//! afterwards everything is booked once.

use std::sync::Arc;

use bilag_tests::Sandboxed;
use bilag_tests::sandboxed::Trouble;
use chrono::Duration;
use edge::Clock as _;
use ledger::Name;
use sandbox::{COMPANY, stripe, tripletex};
use serde_json::json;

/// Every call to one system is answered like this.
fn down(company: &Sandboxed, system: &str, kind: &str) {
    company.control("PUT", "faults", &json!({ "percent": 100, "kinds": [kind], "only": system }));
}

#[tokio::test(start_paused = true)]
async fn fault_030_hours_of_maintenance_of_the_books_hold_nothing_and_lose_nothing() {
    for kind in ["503-html", "html-200", "429"] {
        let company = Sandboxed::sound(1, 3).await;
        down(&company, "tripletex", kind);
        company.work(Duration::hours(6)).await;
        let states = company.worker("reader").await.states().await;
        assert!(states.len() >= 6);
        assert!(states.values().all(|state| state.name() != "held"), "{kind}: {states:?}");
        assert!(company.vouchers().is_empty());
        let calls = company.calls_for("tripletex", "session");
        assert!(calls < 2_000, "{kind}: {calls} calls in six hours");
        company.peace();
        company.work(Duration::hours(2)).await;
        company.check().await;
    }
}

#[tokio::test(start_paused = true)]
async fn fault_030_books_that_go_down_in_the_middle_hold_nothing_and_double_nothing() {
    let company = Sandboxed::sound(2, 6).await;
    let mut left = 40;
    company.trouble(move |request| {
        left -= i32::from(request.uri().path().starts_with("/tripletex"));
        (left < 0 && request.uri().path().starts_with("/tripletex")).then_some(Trouble::LostBefore)
    });
    company.work(Duration::hours(6)).await;
    let states = company.worker("reader").await.states().await;
    assert!(states.values().all(|state| state.name() != "held"), "{states:?}");
    assert!(states.values().any(|state| state.name() != "posted"), "{states:?}");
    company.peace();
    company.work(Duration::hours(2)).await;
    let states = company.worker("reader").await.states().await;
    assert!(states.values().all(|state| state.name() == "posted"), "{states:?}");
    // Documents of vouchers that were booked before wait up to a day.
    company.work(Duration::hours(24)).await;
    company.check().await;
}

#[tokio::test(start_paused = true)]
async fn hours_without_the_providers_lose_nothing() {
    for system in ["stripe", "vipps-mobilepay"] {
        let company = Sandboxed::sound(3, 3).await;
        down(&company, system, "503-html");
        company.work(Duration::hours(6)).await;
        let other = if system == "stripe" { "vipps-mobilepay" } else { "stripe" };
        for payout in company.payouts_that_are("sound") {
            let state = company.state(payout["settlement"].as_str().unwrap()).await;
            assert_eq!(state, if payout["provider"] == other { "posted" } else { "unknown" });
        }
        company.peace();
        // The wait between looks that fail is at most six hours.
        company.work(Duration::hours(7)).await;
        company.check().await;
    }
}

#[tokio::test(start_paused = true)]
async fn fault_111_credentials_of_the_books_revoked_in_the_middle_hold_until_they_are_mended() {
    let company = Sandboxed::sound(4, 6).await;
    let (mut sent, secrets) = (0, Arc::clone(&company.secrets));
    company.trouble(move |request| {
        sent += i32::from(request.method() == "POST" && request.uri().path().ends_with("/ledger/voucher"));
        if sent > 3 {
            secrets.set(COMPANY, "tripletex", "employee_token", &["revoked"]);
        }
        None
    });
    company.work(Duration::hours(2)).await;
    let worker = company.worker("kari").await;
    let states = worker.states().await;
    let held: Vec<&String> = states
        .iter()
        .filter(|(_, state)| state.to_string() == "held(credentials)")
        .map(|(name, _)| name)
        .collect();
    assert!(!held.is_empty() && held.len() < states.len(), "{states:?}");
    company.peace();
    company.secret("tripletex", "employee_token", &[tripletex::EMPLOYEE_TOKEN]);
    for name in held {
        let name = Name::parse(name).unwrap();
        post_voucher::operate::retry(&worker.world, COMPANY, &name, "kari", "a new token").await.unwrap();
    }
    company.settle_down().await;
    company.check().await;
}

#[tokio::test(start_paused = true)]
async fn fault_111_a_revoked_key_of_a_provider_is_told_and_the_next_look_after_mending_finds_everything() {
    let company = Sandboxed::sound(5, 3).await;
    company.secret("stripe", "api_key", &[stripe::REVOKED_KEY]);
    company.work(Duration::hours(2)).await;
    let hold = company.connection("webshop").await.hold.unwrap();
    assert_eq!(hold.cause.name(), "credentials");
    assert!(hold.what.contains("webshop") && hold.remedy.contains("secret bundle"), "{hold}");
    assert!(!hold.to_string().contains(stripe::REVOKED_KEY));
    assert!(company.connection("counter").await.hold.is_none());
    company.secret("stripe", "api_key", &[stripe::KEY]);
    company.work(Duration::hours(7)).await;
    assert!(company.connection("webshop").await.hold.is_none());
    company.check().await;
}

#[tokio::test(start_paused = true)]
async fn fault_011_a_token_that_may_not_write_holds_with_the_right_that_it_lacks() {
    let company = Sandboxed::sound(6, 3).await;
    company.secret("tripletex", "employee_token", &[tripletex::READ_ONLY_EMPLOYEE_TOKEN]);
    company.settle_down().await;
    let worker = company.worker("kari").await;
    let states = worker.states().await;
    assert!(states.values().all(|state| state.to_string() == "held(permission)"), "{states:?}");
    company.secret("tripletex", "employee_token", &[tripletex::EMPLOYEE_TOKEN]);
    for name in states.keys() {
        let name = Name::parse(name).unwrap();
        post_voucher::operate::retry(&worker.world, COMPANY, &name, "kari", "may write now").await.unwrap();
    }
    company.settle_down().await;
    company.check().await;
}

#[tokio::test(start_paused = true)]
async fn fault_009_a_storm_of_refusals_to_one_company_leaves_another_unharmed() {
    // How long it takes without a storm.
    let calm = Sandboxed::sound(7, 3).await;
    let begun = calm.home.clock.now();
    while !calm.wrong().await.is_empty() {
        calm.work(Duration::seconds(1)).await;
        tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    }
    let usual = calm.home.clock.now() - begun;

    let company = Sandboxed::sound(7, 3).await;
    company.join("stormy", stripe::RESTRICTED_KEY).await;
    let stormy = format!("Bearer {}", stripe::RESTRICTED_KEY);
    company.trouble(move |request| {
        let meant = request.headers().get("authorization").is_some_and(|value| *value == stormy.as_str());
        meant.then_some(Trouble::TooMany(60))
    });
    let begun = company.home.clock.now();
    while !company.wrong().await.is_empty() {
        company.work(Duration::seconds(1)).await;
        tokio::time::sleep(std::time::Duration::from_secs(1)).await;
        assert!(company.home.clock.now() - begun < Duration::hours(1), "{:?}", company.wrong().await);
    }
    let took = company.home.clock.now() - begun;
    assert!(took < usual + Duration::seconds(30), "{took} in place of {usual}");
    let stormed = company.refused();
    company.work(Duration::hours(1)).await;
    let more = company.refused() - stormed;
    assert!(stormed > 0 && more <= 70, "{more} calls in an hour of \"wait a minute\"");
}
