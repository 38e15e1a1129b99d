//! Fetches of many pages that are cut into pieces, killed, overtaken: the same rows whatever happens.

use std::collections::BTreeMap;
use std::time::Duration as StdDuration;

use bilag_tests::Sandboxed;
use bilag_tests::sandboxed::{Trouble, Worker};
use chrono::Duration;
use sandbox::{COMPANY, Huge, Options};
use serde_json::Value;
use store::archive::{self, Manifest};
use store::{SettlementItem, Table, bucket};

/// A company with one settlement of 12 pages at one provider, and pages of 25 entries at the other.
async fn large(provider: &'static str) -> Sandboxed {
    let huge = Some(Huge { provider, rows: 1_150 });
    let options =
        Options { seed: 1, payouts: 6, sound_only: true, huge, vipps_page: 25, ..Options::default() };
    Sandboxed::new(options).await
}

async fn items(company: &Sandboxed) -> Vec<SettlementItem> {
    let reader = company.worker("reader").await;
    let listed = Table::of(&reader.world).list::<SettlementItem>(COMPANY, "s#").await.unwrap();
    listed.into_iter().map(|read| read.body).collect()
}

/// The hash of each settlement's archived rows, with their number.
async fn hashes(company: &Sandboxed) -> BTreeMap<String, (String, u64)> {
    let all = items(company).await.into_iter();
    all.map(|item| (item.name.to_string(), (item.source.rows_hash, item.source.rows))).collect()
}

async fn manifest(company: &Sandboxed, settlement: &str) -> Manifest {
    let reader = company.worker("reader").await;
    let item = company.item(settlement).await.unwrap();
    archive::manifest(&reader.world, &item.source.manifest).await.unwrap()
}

/// The settlement with the most rows.
fn largest(company: &Sandboxed) -> String {
    let payouts = company.payouts();
    let most = payouts.iter().max_by_key(|payout| payout["rows"].as_u64().unwrap()).unwrap();
    assert!(most["rows"].as_u64().unwrap() > 1_000);
    most["settlement"].as_str().unwrap().to_owned()
}

async fn in_one_go(provider: &'static str) -> BTreeMap<String, (String, u64)> {
    let company = large(provider).await;
    company.settle_down().await;
    company.check().await;
    hashes(&company).await
}

async fn page_by_page(company: &Sandboxed, name: &str) -> Worker {
    Worker { piece: StdDuration::ZERO, ..company.worker(name).await }
}

#[tokio::test(start_paused = true)]
async fn pieces_of_one_page_give_the_same_archive_and_keep_little_in_the_item() {
    for provider in ["stripe", "vipps-mobilepay"] {
        let company = large(provider).await;
        let worker = page_by_page(&company, "small").await;
        let mut sizes = Vec::new();
        let largest = largest(&company);
        let mut done = Default::default();
        for _ in 0..2_000 {
            worker.round(&mut done).await;
            if let Some(item) = company.item(&largest).await {
                sizes.push((
                    item.fetch.as_ref().map(|fetch| fetch.rows),
                    serde_json::to_vec(&item).unwrap().len(),
                ));
            }
            if worker.next_due().await.is_none_or(|due| due > chrono::DateTime::<chrono::Utc>::MAX_UTC) {
                break;
            }
            if worker.states().await.values().all(|state| state.name() == "posted")
                && done.vouchers.len() > 12
            {
                break;
            }
            tokio::time::sleep(StdDuration::from_secs(1)).await;
        }
        Box::pin(worker.work(&company, Duration::hours(2))).await;
        assert!(done.failed.is_empty(), "{:?}", done.failed);
        company.check().await;
        assert_eq!(hashes(&company).await, in_one_go(provider).await);
        let steps: std::collections::BTreeSet<u64> = sizes.iter().filter_map(|(rows, _)| *rows).collect();
        assert!(steps.len() > 8, "{steps:?}");
        assert!(sizes.iter().all(|(_, size)| *size < 4_000), "{sizes:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_fetch_that_is_killed_before_any_page_goes_on_and_gives_the_same_rows() {
    for provider in ["stripe", "vipps-mobilepay"] {
        let wanted = in_one_go(provider).await;
        let company = large(provider).await;
        // Each worker lives a little longer than the one before and dies in the middle of a call.
        for lifetime in 1..=24 {
            let mut left = lifetime;
            company.trouble(move |_| {
                left -= 1;
                (left < 0).then_some(Trouble::Death)
            });
            let worker = page_by_page(&company, &format!("dies-{lifetime}")).await;
            let work = Box::pin(worker.work(&company, Duration::minutes(1)));
            let _ = tokio::time::timeout(StdDuration::from_secs(300), work).await;
            tokio::time::sleep(StdDuration::from_secs(700)).await;
        }
        company.peace();
        company.work(Duration::hours(3)).await;
        company.check().await;
        assert_eq!(hashes(&company).await, wanted);
    }
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_lost_its_lease_in_the_middle_of_a_fetch_changes_nothing() {
    let wanted = in_one_go("stripe").await;
    let company = large("stripe").await;
    let mut pages = 0;
    company.trouble(move |request| {
        pages += i32::from(request.uri().query().unwrap_or_default().contains("starting_after=txn"));
        // Stalls once, beyond the claim, in the middle of the large one.
        (pages == 5).then(|| {
            pages += 1;
            Trouble::Stall(StdDuration::from_secs(1_500))
        })
    });
    let (slow, other) = (company.worker("slow").await, company.worker("other").await);
    let late = async {
        tokio::time::sleep(StdDuration::from_secs(30)).await;
        Box::pin(other.work(&company, Duration::hours(2))).await
    };
    let (first, second) = tokio::join!(Box::pin(slow.work(&company, Duration::hours(2))), late);
    assert!(first.failed.is_empty() && second.failed.is_empty(), "{first:?} {second:?}");
    company.check().await;
    assert_eq!(hashes(&company).await, wanted);
}

#[tokio::test(start_paused = true)]
async fn a_fetch_ends_under_the_configuration_that_it_began_under() {
    let company = large("stripe").await;
    let largest = largest(&company);
    let worker = page_by_page(&company, "small").await;
    let mut done = Default::default();
    let begun = loop {
        worker.round(&mut done).await;
        let item = company.item(&largest).await;
        if let Some(fetch) = item.and_then(|item| item.fetch).filter(|fetch| fetch.rows >= 300) {
            break fetch;
        }
        tokio::time::sleep(StdDuration::from_secs(1)).await;
    };
    assert!(begun.rows < 1_000);
    company
        .configure(|text| text.replace("[connections.webshop]", "[connections.webshop]\ntags = [\"order\"]"))
        .await;
    company.settle_down().await;
    company.check().await;
    let manifest = manifest(&company, &largest).await;
    assert_eq!(manifest.terms["tags"], Value::Array(Vec::new()));
}

#[tokio::test(start_paused = true)]
async fn the_archive_holds_no_row_twice() {
    let company = large("vipps-mobilepay").await;
    company.settle_down().await;
    let reader = company.worker("reader").await;
    for item in items(&company).await {
        let manifest = manifest(&company, &item.name.to_string()).await;
        let mut rows = 0;
        for chunk in &manifest.chunks {
            let bytes = archive::chunk(&reader.world, chunk).await.unwrap();
            rows += bytes.split(|byte| *byte == b'\n').filter(|row| !row.is_empty()).count() as u64;
        }
        assert_eq!(rows, item.source.rows, "{}", item.name);
    }
    let archived = bucket::list(&reader.world, &reader.world.places.archive, COMPANY).await.unwrap();
    assert!(archived.len() > 20);
}
