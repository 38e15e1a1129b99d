//! Notices of providers: who may make a look due, and what comes of it.

use bilag_tests::Sandboxed;
use chrono::{DateTime, Duration, Utc};
use edge::Clock as _;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use receive_webhook::{BODY_MAX, Incoming};
use sandbox::{COMPANY, Notice, stripe, stripe_notice, vipps_mobilepay, vipps_mobilepay_notice};
use serde_json::{Value, json};
use store::{Key, Table};

const HOST: &str = "https://hooks.example.com";
const STRIPE: &str = "/hooks/sandbox/webshop";
const VIPPS: &str = "/hooks/sandbox/counter";

/// A company whose payouts are booked and that takes notices.
async fn listening(seed: u64) -> Sandboxed {
    let company = Sandboxed::sound(seed, 3).await;
    company
        .configure(|text| {
            let public = format!("\npublic_url = \"{HOST}\"\nbase_url = \"http://127.0.0.1:4010/");
            text.replace("\nbase_url = \"http://127.0.0.1:4010/stripe", &format!("{public}stripe"))
                .replace("\nbase_url = \"http://127.0.0.1:4010/vipps", &format!("{public}vipps"))
        })
        .await;
    company.settle_down().await;
    company
}

fn incoming(path: &str, notice: &Notice) -> Incoming {
    let mut headers = HeaderMap::new();
    for (name, value) in &notice.headers {
        headers.append(HeaderName::from_static(name), value.parse().unwrap());
    }
    Incoming { method: Method::POST, path: path.to_owned(), headers, body: notice.body.clone() }
}

fn of_stripe(at: DateTime<Utc>, secrets: &[&str]) -> Incoming {
    incoming(STRIPE, &stripe_notice("payout.paid", "po_1", at, secrets))
}

fn of_vipps(at: DateTime<Utc>) -> Incoming {
    let url = format!("{HOST}{VIPPS}");
    incoming(VIPPS, &vipps_mobilepay_notice(&url, "order-1", at, vipps_mobilepay::WEBHOOK_SECRET))
}

fn now(company: &Sandboxed) -> DateTime<Utc> {
    company.home.clock.now()
}

async fn answer(company: &Sandboxed, incoming: &Incoming) -> u16 {
    let worker = company.worker("receives").await;
    receive_webhook::handle(&worker.world, incoming).await.as_u16()
}

/// Everything in the table that belongs to the company.
async fn table(company: &Sandboxed) -> String {
    let worker = company.worker("reader").await;
    let mut all = String::new();
    for prefix in ["c", "f#", "k#", "n#", "o#", "s#", "t#", "v#"] {
        let listed = Table::of(&worker.world).list::<Value>(COMPANY, prefix).await;
        // The trail is no item with a version.
        for item in listed.unwrap_or_default() {
            all.push_str(&format!("{item:?}\n"));
        }
    }
    all
}

/// When a connection's next look is due.
async fn due(company: &Sandboxed, connection: &str) -> DateTime<Utc> {
    let worker = company.worker("reader").await;
    let key = Key::connection(COMPANY, connection);
    Table::of(&worker.world).get::<Value>(&key).await.unwrap().unwrap().due.unwrap().at
}

#[tokio::test(start_paused = true)]
async fn a_valid_notice_makes_the_look_due_now() {
    let company = listening(1).await;
    // A notice right after a look waits for ten seconds.
    tokio::time::sleep(std::time::Duration::from_secs(15)).await;
    let at = now(&company);
    for (notice, connection) in
        [(of_stripe(at, &[stripe::WEBHOOK_SECRET]), "webshop"), (of_vipps(at), "counter")]
    {
        assert!(due(&company, connection).await > at);
        assert_eq!(answer(&company, &notice).await, 200);
        assert!(due(&company, connection).await <= now(&company), "{connection}");
    }
    let done = company.work(Duration::zero()).await;
    assert_eq!(done.looks, (2, 0));
    company.check().await;
}

/// Notices that must not be let in, with the status that they get.
fn refused(company: &Sandboxed) -> Vec<(&'static str, Incoming, u16)> {
    let at = now(company);
    let good = [of_stripe(at, &[stripe::WEBHOOK_SECRET]), of_vipps(at)];
    let mut all = Vec::new();
    let forged = vipps_mobilepay_notice(&format!("{HOST}{VIPPS}"), "order-1", at, "guess");
    all.push(("fault 56: forged", of_stripe(at, &["whsec_guess"]), 401));
    all.push(("fault 56: forged", incoming(VIPPS, &forged), 401));
    all.push(("fault 58: stale", of_stripe(at - Duration::minutes(6), &[stripe::WEBHOOK_SECRET]), 401));
    all.push(("fault 58: stale", of_vipps(at - Duration::days(8)), 401));
    all.push(("fault 38: of last year", of_stripe(at - Duration::days(365), &[stripe::WEBHOOK_SECRET]), 401));
    all.push(("fault 38: of last year", of_vipps(at - Duration::days(365)), 401));
    all.push(("fault 58: future", of_stripe(at + Duration::minutes(6), &[stripe::WEBHOOK_SECRET]), 401));
    all.push(("fault 58: future", of_vipps(at + Duration::minutes(6)), 401));
    // Signed for another company or connection: the path decides whose it is.
    let elsewhere = vipps_mobilepay_notice(
        &format!("{HOST}/hooks/other/counter"),
        "order-1",
        at,
        vipps_mobilepay::WEBHOOK_SECRET,
    );
    all.push(("fault 61: of another address", incoming(VIPPS, &elsewhere), 401));
    for good in good {
        let with = |change: &dyn Fn(&mut Incoming)| {
            let mut changed = good.clone();
            change(&mut changed);
            changed
        };
        all.push(("fault 57: altered", with(&|it| it.body.push(b' ')), 401));
        all.push(("fault 57: emptied", with(&|it| it.body.clear()), 401));
        let other = if good.path == STRIPE { VIPPS } else { STRIPE };
        all.push(("fault 61: another connection", with(&|it| it.path = other.to_owned()), 401));
        all.push(("fault 61: another company", with(&|it| it.path = "/hooks/other/webshop".to_owned()), 404));
        all.push((
            "fault 61: no such connection",
            with(&|it| it.path = "/hooks/sandbox/shop".to_owned()),
            404,
        ));
        let re_encoded = |it: &mut Incoming| {
            let body: Value = serde_json::from_slice(&it.body).unwrap();
            it.body = serde_json::to_vec_pretty(&body).unwrap();
        };
        all.push(("fault 62: re-encoded", with(&re_encoded), 401));
        for name in ["stripe-signature", "authorization", "x-ms-date", "x-ms-content-sha256"] {
            if !good.headers.contains_key(name) {
                continue;
            }
            let twice = |it: &mut Incoming| {
                let value = it.headers[name].clone();
                it.headers.append(name, value);
            };
            all.push(("fault 59: doubled", with(&twice), 401));
            all.push((
                "fault 59: missing",
                with(&|it| {
                    it.headers.remove(name);
                }),
                401,
            ));
            let nonsense = |it: &mut Incoming| {
                it.headers.insert(name, HeaderValue::from_static("nonsense"));
            };
            all.push(("fault 59: malformed", with(&nonsense), 401));
        }
        let plain = |it: &mut Incoming| {
            it.headers.insert("content-type", HeaderValue::from_static("text/plain"));
        };
        all.push(("fault 65: another type", with(&plain), 415));
        all.push(("fault 65: another method", with(&|it| it.method = Method::PUT), 405));
        all.push(("fault 63: too large", with(&|it| it.body.resize(BODY_MAX + 1, b' ')), 413));
    }
    all
}

#[tokio::test(start_paused = true)]
async fn fault_056_to_065_what_is_not_the_providers_own_notice_leaves_nothing_behind() {
    let company = listening(2).await;
    let (before, calls) = (table(&company).await, company.calls());
    assert!(before.lines().count() > 10);
    let all = refused(&company);
    assert!(all.len() > 30);
    for (what, incoming, status) in all {
        assert_eq!(answer(&company, &incoming).await, status, "{what}: {}", incoming.path);
    }
    assert_eq!(table(&company).await, before);
    assert_eq!(company.calls(), calls);
}

#[tokio::test(start_paused = true)]
async fn fault_060_both_secrets_count_while_they_are_rotated() {
    let company = listening(3).await;
    let at = now(&company);
    company.secret("stripe", "webhook_secrets", &["whsec_new", stripe::WEBHOOK_SECRET]);
    for secrets in [&["whsec_new"][..], &[stripe::WEBHOOK_SECRET], &["whsec_new", stripe::WEBHOOK_SECRET]] {
        assert_eq!(answer(&company, &of_stripe(at, secrets)).await, 200, "{secrets:?}");
    }
    company.secret("stripe", "webhook_secrets", &["whsec_new"]);
    assert_eq!(answer(&company, &of_stripe(at, &[stripe::WEBHOOK_SECRET])).await, 401);
    assert_eq!(answer(&company, &of_stripe(at, &["whsec_new"])).await, 200);
}

#[tokio::test(start_paused = true)]
async fn fault_037_the_same_notice_ten_times_at_once_is_one_look() {
    let company = listening(4).await;
    let worker = company.worker("receives").await;
    let notice = of_stripe(now(&company), &[stripe::WEBHOOK_SECRET]);
    let one = || receive_webhook::handle(&worker.world, &notice);
    let (a, b, c, d, e) = tokio::join!(one(), one(), one(), one(), one());
    let (f, g, h, i, j) = tokio::join!(one(), one(), one(), one(), one());
    assert!([a, b, c, d, e, f, g, h, i, j].iter().all(|status| *status == 200));
    let books = company.vouchers();
    assert_eq!(company.work(Duration::minutes(5)).await.looks, (1, 0));
    assert_eq!(company.vouchers(), books);
    company.check().await;
}

#[tokio::test(start_paused = true)]
async fn fault_066_a_flood_of_valid_notices_costs_a_read_each_and_a_look_now_and_then() {
    let company = listening(5).await;
    let notice = of_stripe(now(&company), &[stripe::WEBHOOK_SECRET]);
    let calls = company.calls_for("stripe", "data");
    let books = company.calls_for("tripletex", "search");
    let mut looks = 0;
    for _ in 0..200 {
        assert_eq!(answer(&company, &notice).await, 200);
        looks += company.work(Duration::zero()).await.looks.0;
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    assert!((1..=4).contains(&looks), "{looks} looks in 20 s");
    assert!(company.calls_for("stripe", "data") - calls <= 8);
    assert_eq!(company.calls_for("tripletex", "search"), books);
}

#[tokio::test(start_paused = true)]
async fn fault_042_a_notice_and_the_schedule_at_once_make_one_voucher() {
    let company = Sandboxed::sound(6, 6).await;
    company
        .configure(|text| {
            text.replace("[connections.webshop]", &format!("[connections.webshop]\npublic_url = \"{HOST}\""))
        })
        .await;
    let (one, other) = (company.worker("one").await, company.worker("other").await);
    let notices = async {
        for event in ["payout.paid", "payout.created", "payout.updated", "payout.paid"] {
            let at = now(&company);
            let notice = incoming(STRIPE, &stripe_notice(event, "po_1", at, &[stripe::WEBHOOK_SECRET]));
            assert_eq!(answer(&company, &notice).await, 200);
            tokio::time::sleep(std::time::Duration::from_secs(3)).await;
        }
    };
    let horizon = Duration::hours(2);
    tokio::join!(notices, Box::pin(one.work(&company, horizon)), Box::pin(other.work(&company, horizon)));
    company.check().await;
}

#[tokio::test(start_paused = true)]
async fn fault_041_notices_in_any_order_come_to_the_same_state() {
    let mut states = Vec::new();
    let mut events = ["payout.created", "payout.updated", "payout.paid"];
    for _ in 0..2 {
        let company = listening(7).await;
        let waiting = company.payouts_that_are("sound")[0]["id"].as_str().unwrap().to_owned();
        for event in events {
            let at = now(&company);
            let notice = incoming(STRIPE, &stripe_notice(event, &waiting, at, &[stripe::WEBHOOK_SECRET]));
            assert_eq!(answer(&company, &notice).await, 200);
            company.work(Duration::minutes(1)).await;
        }
        company.check().await;
        states.push(company.worker("reader").await.states().await);
        events.reverse();
    }
    assert_eq!(states[0], states[1]);
}

#[tokio::test(start_paused = true)]
async fn fault_043_a_payout_whose_notice_never_comes_is_found_by_the_schedule() {
    let company = Sandboxed::seeded(8).await;
    company.settle_down().await;
    let waiting: Vec<String> = (company.payouts_that_are("waiting").iter())
        .map(|payout| payout["settlement"].as_str().unwrap().to_owned())
        .collect();
    assert!(!waiting.is_empty());
    company.control("POST", "settle", &json!({}));
    // One interval and what the work takes.
    company.work(Duration::minutes(75)).await;
    company.check().await;
    for settlement in waiting {
        assert_eq!(company.state(&settlement).await, "posted", "{settlement}");
    }
}
