//! Faults of the network between bilag and its providers and books.

use bilag_tests::Sandboxed;
use chrono::Duration;
use sandbox::Options;
use serde_json::{Value, json};

/// Every kind that costs neither real time nor memory.
const KINDS: &[&str] = &[
    "drop-before",
    "drop-after",
    "429",
    "429-retry-after",
    "500",
    "500-after",
    "502-empty",
    "503-html",
    "html-200",
    "cut-body",
    "slow-body",
    "hang",
    "delay-visible",
    "duplicate-rows",
    "repeated-cursor",
    "redirect",
    "token-expired",
    "wrong-content-type",
];

/// Two days of faults at every fifth call, then a day of peace.
async fn stormy(seed: u64, kinds: &[&str]) {
    let company = Sandboxed::seeded(seed).await;
    company.faults(20, seed, kinds);
    company.work(Duration::days(2)).await;
    let happened = company.control("GET", "faults", &Value::Null);
    company.peace();
    company.work(Duration::days(2)).await;
    let wrong = company.wrong().await;
    assert!(wrong.is_empty(), "seed {seed}, {happened}\n{}", wrong.join("\n"));
    assert_eq!(company.control("GET", "calls", &Value::Null)["redirects_followed"], 0);
}

#[tokio::test(start_paused = true)]
async fn fault_027_rows_that_stand_twice_in_a_page_now_and_then_are_asked_for_again() {
    for (system, page, percent) in
        [("vipps-mobilepay", 1000, 5), ("vipps-mobilepay", 7, 5), ("stripe", 1000, 25)]
    {
        let options = Options { payouts: 6, sound_only: true, vipps_page: page, ..Options::default() };
        let company = Sandboxed::new(options).await;
        company.control(
            "PUT",
            "faults",
            &json!({ "percent": percent, "seed": 3, "kinds": ["duplicate-rows", "repeated-cursor"], "only": system }),
        );
        company.work(Duration::hours(12)).await;
        let happened = company.control("GET", "faults", &Value::Null);
        assert!(happened["total"].as_u64().unwrap() > 0, "{system}, pages of {page}");
        company.peace();
        company.work(Duration::hours(7)).await;
        let wrong = company.wrong().await;
        assert!(wrong.is_empty(), "{system}, pages of {page}, {happened}\n{}", wrong.join("\n"));
    }
}

#[tokio::test(start_paused = true)]
async fn every_fifth_call_going_wrong_makes_no_voucher_wrong_missing_or_double() {
    // BILAG_SEEDS=100 tries more.
    let seeds = std::env::var("BILAG_SEEDS").ok().and_then(|seeds| seeds.parse().ok()).unwrap_or(3);
    for seed in 1..=seeds {
        stormy(seed, KINDS).await;
    }
}
