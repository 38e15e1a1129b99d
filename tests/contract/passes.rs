//! What bilag says to the simulated systems in ordinary and in bad days: a representative pass over everything that it
//! sends, and over everything that it must understand.

use accounting::Books;
use bilag_tests::simulated::{BASE, Exchange, Simulated};
use chrono::Duration;
use edge::config::Config;
use edge::{Error, Kind};
use providers::{Announced, Api};
use sandbox::{Home, Options, stripe, tripletex, vipps_mobilepay};
use serde_json::{Value, json};

/// Everything that is exchanged.
pub async fn all() -> Vec<Exchange> {
    let mut all = Vec::new();
    for exchanges in [
        usual().await,
        windows().await,
        accounting_keys().await,
        drafts().await,
        refused_vouchers().await,
        refused_keys().await,
        bad_days().await,
        wrong_questions().await,
    ] {
        assert!(!exchanges.is_empty());
        all.extend(exchanges);
    }
    all
}

fn small_pages() -> Options {
    Options { vipps_page: 3, ..Options::default() }
}

fn add(to: &mut String, after: &str, lines: &str) {
    assert!(to.contains(after), "{after}");
    *to = to.replace(after, &format!("{after}\n{lines}"));
}

fn books_at() -> String {
    format!("base_url = \"{BASE}/tripletex/v2\"")
}

/// Asks every provider and the accounting system whether all is well.
async fn check(simulated: &Simulated) -> Vec<Result<(), Error>> {
    let config = simulated.config().await;
    let mut answers = vec![books(simulated, &config).await.catalogue().await.map(|_| ())];
    for (name, connection) in &config.connections {
        let terms = intake::terms(&config, connection);
        let access = discover_payouts::access(&simulated.world, &config, name, connection, &terms).await;
        answers.push(api(&connection.provider).check(&access.unwrap()).await.map(|_| ()));
    }
    answers
}

async fn books<'w>(simulated: &'w Simulated, config: &'w Config) -> Box<dyn Books + 'w> {
    simulated.home.clock.forward(Duration::seconds(2));
    post_voucher::open(&simulated.world, config).await.unwrap()
}

fn api(provider: &str) -> &'static dyn Api {
    providers::find(provider).and_then(|provider| provider.api()).unwrap()
}

fn posted(exchanges: &[Exchange]) -> usize {
    let is_post = |exchange: &&Exchange| {
        exchange.request.method() == http::Method::POST
            && exchange.request.uri().path().ends_with("/ledger/voucher")
            && exchange.answer.status() == 201
    };
    exchanges.iter().filter(is_post).count()
}

/// Payouts of all kinds are found, fetched and booked with departments and projects; two answers are lost and looked
/// up; what waits is settled; a payout comes back.
async fn usual() -> Vec<Exchange> {
    let rules = "\n[[rules]]\nwhen = { kind = \"sale\" }\ndepartment = \"10\"\nproject = \"Messe\"\n\
                 [[rules]]\nwhen = { kind = \"refund\" }\ndepartment = \"Butikk\"\nproject = \"2026\"\n";
    let simulated = Simulated::new(small_pages(), |home: &mut Home| home.config_toml.push_str(rules)).await;
    for answer in check(&simulated).await {
        answer.unwrap();
    }
    simulated.lose("/ledger/voucher");
    simulated.lose("/attachment");
    for _ in 0..3 {
        assert!(simulated.look().await.is_empty());
        simulated.home.clock.forward(Duration::hours(2));
    }
    simulated.control("POST", "settle", &json!({}));
    let payouts = simulated.control("GET", "payouts", &json!({}));
    let paid = payouts["payouts"].as_array().unwrap().iter().find(|payout| payout["provider"] == "stripe");
    simulated.control("POST", "fail-payout", &json!({ "id": paid.unwrap()["id"] }));
    for _ in 0..3 {
        assert!(simulated.look().await.is_empty());
        simulated.home.clock.forward(Duration::hours(26));
    }
    let vouchers = simulated.control("GET", "vouchers", &json!({}));
    assert_eq!(vouchers["twice"], json!([]));
    let exchanges = simulated.exchanges();
    assert!(posted(&exchanges) > 10, "{}", posted(&exchanges));
    exchanges
}

/// Days in place of payouts.
async fn windows() -> Vec<Exchange> {
    let simulated = Simulated::new(small_pages(), |home| {
        let at = format!("base_url = \"{BASE}/stripe\"");
        add(&mut home.config_toml, &at, "settle_by = \"window\"\naccount = \"acct_1Sandbox\"");
    })
    .await;
    for _ in 0..2 {
        assert!(simulated.look().await.is_empty());
        simulated.home.clock.forward(Duration::hours(2));
    }
    let exchanges = simulated.exchanges();
    assert!(posted(&exchanges) > 10, "{}", posted(&exchanges));
    exchanges
}

fn with_accounting_keys(home: &mut Home) {
    use vipps_mobilepay::{
        ACCOUNTING_CLIENT_ID, ACCOUNTING_CLIENT_SECRET, CLIENT_ID, CLIENT_SECRET, MERCHANT_SERIAL_NUMBER,
    };
    let at = format!("base_url = \"{BASE}/vipps\"");
    let keys = format!("keys = \"accounting\"\naccount = \"api:{MERCHANT_SERIAL_NUMBER}\"");
    add(&mut home.config_toml, &at, &keys);
    for (own, partners) in [(CLIENT_SECRET, ACCOUNTING_CLIENT_SECRET), (CLIENT_ID, ACCOUNTING_CLIENT_ID)] {
        home.secrets_toml = home.secrets_toml.replace(&format!("\"{own}\""), &format!("\"{partners}\""));
    }
}

/// An accounting partner's keys, which reach several ledgers.
async fn accounting_keys() -> Vec<Exchange> {
    let options = Options { vipps_second_ledger: true, ..small_pages() };
    let simulated = Simulated::new(options, with_accounting_keys).await;
    for answer in check(&simulated).await {
        answer.unwrap();
    }
    assert!(simulated.look().await.is_empty());
    simulated.exchanges()
}

/// Vouchers that a person books, in months of which some are closed.
async fn drafts() -> Vec<Exchange> {
    let simulated = Simulated::new(small_pages(), |home| {
        let lines = "post = \"draft\"\nclosed_period = \"first-open\"";
        add(&mut home.config_toml, &books_at(), lines);
    })
    .await;
    simulated.control("POST", "close-period", &json!({ "month": "2026-01" }));
    assert!(simulated.look().await.is_empty());
    simulated.home.clock.forward(Duration::hours(2));
    assert!(simulated.look().await.is_empty());
    let exchanges = simulated.exchanges();
    assert!(posted(&exchanges) > 0);
    exchanges
}

/// Refusals of vouchers: an account that was locked, a month that was closed and a session that ended after all was
/// looked up; a token that may not write; a voucher that is not there.
async fn refused_vouchers() -> Vec<Exchange> {
    let simulated = Simulated::new(small_pages(), |_| {}).await;
    let config = simulated.config().await;
    // Keeps chart and periods.
    books(&simulated, &config).await.catalogue().await.unwrap();
    simulated.control("POST", "close-period", &json!({ "month": "2026-01" }));
    simulated.control("POST", "expire-tokens", &json!({}));
    simulated.look().await;
    simulated.control("POST", "lock-account", &json!({ "account": 1909, "inactive": true }));
    simulated.home.clock.forward(Duration::hours(2));
    simulated.look().await;
    let books = books(&simulated, &config).await;
    assert_eq!(books.attach("99", b"%PDF-1.7 %%EOF".to_vec()).await.unwrap_err().kind, Kind::Config);
    let mut exchanges = simulated.exchanges();
    let readonly = Simulated::new(small_pages(), |home| {
        let (may, may_not) = (tripletex::EMPLOYEE_TOKEN, tripletex::READ_ONLY_EMPLOYEE_TOKEN);
        home.secrets_toml = home.secrets_toml.replace(&format!("\"{may}\""), &format!("\"{may_not}\""));
    })
    .await;
    readonly.look().await;
    exchanges.extend(readonly.exchanges());
    exchanges
}

/// Keys that are wrong, expired, revoked, or lack a right.
async fn refused_keys() -> Vec<Exchange> {
    let mut exchanges = Vec::new();
    let set: [(&str, &str); 6] = [
        (stripe::KEY, stripe::REVOKED_KEY),
        (stripe::KEY, stripe::EXPIRED_KEY),
        (stripe::KEY, stripe::RESTRICTED_KEY_WITHOUT_PAYOUTS),
        (vipps_mobilepay::CLIENT_SECRET, "wrong"),
        (vipps_mobilepay::SUBSCRIPTION_KEY, "wrong"),
        (tripletex::CONSUMER_TOKEN, "wrong"),
    ];
    for (right, wrong) in set {
        let simulated = Simulated::new(small_pages(), |home| {
            home.secrets_toml = home.secrets_toml.replace(&format!("\"{right}\""), &format!("\"{wrong}\""));
        })
        .await;
        assert_eq!(check(&simulated).await.iter().filter(|answer| answer.is_err()).count(), 1, "{wrong}");
        exchanges.extend(simulated.exchanges());
    }
    for wrong in [vipps_mobilepay::PARTNER_CLIENT_ID, "nobody"] {
        let simulated = Simulated::new(small_pages(), |home| {
            with_accounting_keys(home);
            let id = vipps_mobilepay::ACCOUNTING_CLIENT_ID;
            home.secrets_toml = home.secrets_toml.replace(&format!("\"{id}\""), &format!("\"{wrong}\""));
        })
        .await;
        assert_eq!(check(&simulated).await.iter().filter(|answer| answer.is_err()).count(), 1, "{wrong}");
        exchanges.extend(simulated.exchanges());
    }
    exchanges
}

/// Too many calls, errors of the server, tokens that end: at each kind of call.
async fn bad_days() -> Vec<Exchange> {
    let mut exchanges = Vec::new();
    for endpoint in [
        "/v1/balance",
        "/v1/payouts",
        "/v1/balance_transactions",
        "/accesstoken/get",
        "/settlement/v1/ledgers",
        "/dates/",
        "/token/session/:create",
        "/ledger/account",
        "/ledger/voucher",
    ] {
        let simulated = Simulated::new(small_pages(), |_| {}).await;
        for kind in ["429-retry-after", "500", "token-expired"] {
            let faults = json!({ "percent": 100, "kinds": [kind], "endpoint": endpoint, "limit": 1 });
            simulated.control("PUT", "faults", &faults);
            check(&simulated).await;
            simulated.look().await;
            simulated.home.clock.forward(Duration::hours(2));
        }
        exchanges.extend(simulated.exchanges());
    }
    exchanges
}

/// What is asked when something is gone: a ledger, a cursor.
async fn wrong_questions() -> Vec<Exchange> {
    let simulated = Simulated::new(small_pages(), |_| {}).await;
    let config = simulated.config().await;
    for (name, connection) in &config.connections {
        let terms = intake::terms(&config, connection);
        let access = discover_payouts::access(&simulated.world, &config, name, connection, &terms).await;
        let (access, api) = (access.unwrap(), api(&connection.provider));
        let (mut found, mut cursor): (Vec<Announced>, Option<Value>) = (Vec::new(), None);
        while found.is_empty() {
            let step = api.discover(&access, cursor.as_ref()).await.unwrap();
            (found, cursor) = (step.settlements, Some(step.cursor));
            simulated.home.clock.forward(Duration::minutes(1));
        }
        let page = api.page(&access, &found[0], None).await.unwrap();
        let mut pages = api.pages(&terms, &found[0], None).unwrap();
        pages.read(&page, &mut |_, _| Ok(())).unwrap();
        let cursor = if connection.provider == "stripe" { "txn_gone" } else { "2026-01-05 gone" };
        api.page(&access, &found[0], Some(cursor)).await.unwrap_err();
        let mut gone = found[0].clone();
        let text = gone.detail.to_string();
        if let Some(ledger) = gone.detail.get("ledger").and_then(Value::as_str) {
            gone.detail = serde_json::from_str(&text.replace(ledger, "000001")).unwrap();
            assert_eq!(api.page(&access, &gone, None).await.unwrap_err().kind, Kind::Config);
        }
    }
    simulated.exchanges()
}
