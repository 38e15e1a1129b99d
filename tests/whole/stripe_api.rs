//! Stripe's API as a connection meets it: a strict account over a transport that can be told to fail.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bilag_tests::TestHome;
use chrono_tz::Tz;
use edge::http::{Broken, Hosts, Limits, Transport};
use edge::secret::Entry;
use edge::{Error, Kind, World};
use http::{Method, Request, Response};
use ledger::Cause;
use providers::{Access, Announced, Api, Discovered, GroupEnd, Next, Ready, Terms};
use serde_json::{Value, json};
use trial::TestClock;

const KEY: &str = "rk_live_51BilagSecret";

/// What the next call meets instead of an answer.
enum Fault {
    Answer(u16, Vec<(&'static str, &'static str)>, String),
    Lost,
}

/// An account at Stripe: strict about credentials, versions, paths and parameters.
#[derive(Default)]
struct Account {
    /// Newest first.
    payouts: Vec<Value>,
    /// Newest first, each with the payout that holds it.
    rows: Vec<(String, Value)>,
    faults: VecDeque<Fault>,
    /// Paths and queries of all calls.
    calls: Vec<String>,
    /// Rights that the key lacks.
    forbidden: Vec<&'static str>,
    page_size: Option<usize>,
    /// Lists begin again from the top after this many pages.
    circle: Option<usize>,
}

#[derive(Clone)]
struct Stripe(Arc<Mutex<Account>>, Arc<TestClock>);

fn answer(
    status: u16,
    headers: &[(&'static str, &'static str)],
    body: impl Into<Vec<u8>>,
) -> Response<Vec<u8>> {
    let mut answer = Response::builder().status(status).header("request-id", "req_Bilag1");
    for (name, value) in headers {
        answer = answer.header(*name, *value);
    }
    answer.body(body.into()).unwrap()
}

fn error(status: u16, code: &str, message: &str) -> Response<Vec<u8>> {
    let body = json!({ "error": { "type": "invalid_request_error", "code": code, "message": message } });
    answer(status, &[], body.to_string())
}

impl Account {
    fn call(&mut self, request: &Request<Vec<u8>>) -> Result<Response<Vec<u8>>, Broken> {
        let uri = request.uri().to_string();
        let path = uri.strip_prefix("https://api.stripe.com").expect("only Stripe is asked");
        self.calls.push(path.to_owned());
        assert_eq!(request.method(), Method::GET, "nothing is ever sent");
        assert!(request.body().is_empty());
        match self.faults.pop_front() {
            Some(Fault::Answer(status, headers, body)) => return Ok(answer(status, &headers, body)),
            Some(Fault::Lost) => return Err(Broken::Lost("the line broke".to_owned())),
            None => {}
        }
        let authorization = &request.headers()["authorization"];
        assert!(authorization.is_sensitive());
        if authorization != &format!("Bearer {KEY}") {
            return Ok(error(401, "", "Invalid API Key provided: rk_live_*****Wrong"));
        }
        if request.headers()["stripe-version"] != "2026-07-29.dahlia" {
            return Ok(error(400, "", "Invalid Stripe API version"));
        }
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        if let Some(right) = self.forbidden.iter().find(|right| path == self.path_of(right)) {
            let message = format!(
                "The provided key '{KEY}' does not have the required permissions for this endpoint. Having the \
                 '{right}' permission would allow this request to continue."
            );
            return Ok(error(403, "", &message));
        }
        let mut query: Vec<(String, String)> = (query.split('&').filter(|part| !part.is_empty()))
            .map(|part| part.split_once('=').unwrap())
            .map(|(name, value)| (name.replace("%5B", "[").replace("%5D", "]"), value.to_owned()))
            .collect();
        let mut take = |name: &str| {
            let place = query.iter().position(|(found, _)| found == name)?;
            Some(query.swap_remove(place).1)
        };
        let limit = take("limit").map_or(10, |limit| limit.parse().unwrap());
        assert!((1..=100).contains(&limit));
        let number = |text: Option<String>| text.map(|text| text.parse::<i64>().unwrap());
        let (gte, lt) = (number(take("created[gte]")), number(take("created[lt]")));
        let (after, payout, currency) = (take("starting_after"), take("payout"), take("currency"));
        let expand = take("expand[]");
        assert!(expand.is_none_or(|expand| expand == "data.source"));
        if !query.is_empty() {
            return Ok(error(
                400,
                "parameter_unknown",
                &format!("Received unknown parameter: {}", query[0].0),
            ));
        }
        let fits = |row: &Value| {
            let created = row["created"].as_i64().unwrap();
            gte.is_none_or(|gte| created >= gte)
                && lt.is_none_or(|lt| created < lt)
                && currency.as_ref().is_none_or(|currency| row["currency"] == **currency)
        };
        let found: Vec<&Value> = match path {
            "/v1/balance" => {
                let funds = json!([{ "amount": 0, "currency": "nok" }]);
                let balance =
                    json!({ "object": "balance", "available": funds, "pending": [], "livemode": true });
                return Ok(answer(200, &[], balance.to_string()));
            }
            "/v1/payouts" => self.payouts.iter().filter(|payout| fits(payout)).collect(),
            "/v1/balance_transactions" => {
                let of = |(held, _): &&(String, Value)| payout.as_ref().is_none_or(|payout| held == payout);
                self.rows.iter().filter(of).map(|(_, row)| row).filter(|row| fits(row)).collect()
            }
            _ => return Ok(error(404, "resource_missing", "Unrecognized request URL")),
        };
        let mut from = 0;
        if let Some(after) = after {
            let Some(place) = found.iter().position(|row| row["id"] == *after) else {
                return Ok(error(400, "resource_missing", &format!("No such object: {after}")));
            };
            from = place + 1;
        }
        let limit = self.page_size.map_or(limit, |size| size.min(limit));
        if self.circle.is_some_and(|pages| from >= pages * limit) {
            from = 0;
        }
        let page: Vec<&Value> = found.iter().skip(from).take(limit).copied().collect();
        let has_more = from + page.len() < found.len();
        let list = json!({ "object": "list", "url": path, "has_more": has_more, "data": page });
        Ok(answer(200, &[("content-type", "application/json")], serde_json::to_vec_pretty(&list).unwrap()))
    }

    fn path_of(&self, right: &str) -> &'static str {
        match right {
            "rak_balance_read" => "/v1/balance",
            "rak_payout_read" => "/v1/payouts",
            _ => "/v1/balance_transactions",
        }
    }
}

#[async_trait]
impl Transport for Stripe {
    async fn exchange(&self, request: Request<Vec<u8>>, _: Limits) -> Result<Response<Vec<u8>>, Broken> {
        self.1.forward(chrono::Duration::milliseconds(250));
        self.0.lock().unwrap().call(&request)
    }
}

/// A connection to an account.
struct Connected {
    stripe: Stripe,
    home: TestHome,
    world: World,
    terms: Terms,
    key: String,
}

const START: i64 = 1_767_222_000;
const DAY: i64 = 86_400;

impl Connected {
    async fn new() -> Connected {
        let home = TestHome::new();
        let stripe = Stripe(Arc::default(), Arc::clone(&home.clock));
        let (world, _) = home.world(&home.store(), "worker").await;
        let world = world.reaching(Arc::new(stripe.clone()), Hosts::Loopback);
        let terms = Terms { time_zone: Tz::Europe__Oslo, ..Terms::plain() };
        Connected { stripe, home, world, terms, key: KEY.to_owned() }
    }

    fn account(&self) -> std::sync::MutexGuard<'_, Account> {
        self.stripe.0.lock().unwrap()
    }

    fn calls(&self) -> Vec<String> {
        std::mem::take(&mut self.account().calls)
    }

    fn fault(&self, status: u16, headers: &[(&'static str, &'static str)], body: &str) {
        self.account().faults.push_back(Fault::Answer(status, headers.to_vec(), body.to_owned()));
    }

    fn access(&self) -> Access<'_> {
        Access {
            world: &self.world,
            company: "acme",
            connection: "shop",
            terms: &self.terms,
            start_on: "2026-01-01".parse().unwrap(),
            base_url: None,
            keys: None,
            secret: Entry::new("acme.stripe", [("api_key".to_owned(), vec![self.key.clone()])]),
        }
    }

    async fn discover(&self, cursor: Option<&Value>) -> Result<Discovered, Error> {
        let found = api().discover(&self.access(), cursor).await?;
        let text = found.cursor.to_string();
        Ok(Discovered { cursor: serde_json::from_str(&text).unwrap(), ..found })
    }

    async fn check(&self) -> Result<(String, Vec<String>), Error> {
        api().check(&self.access()).await
    }

    /// All rows of a settlement, as fetching reads them.
    async fn fetch(&self, settlement: &Announced) -> Result<(usize, GroupEnd), Error> {
        let (mut rows, mut cursor) = (0, None);
        let mut pages = api().pages(&self.terms, settlement, None).unwrap();
        loop {
            let body = api().page(&self.access(), settlement, cursor.as_deref()).await?;
            let next = pages.read(&body, &mut |_, _| {
                rows += 1;
                Ok(())
            });
            match next.map_err(|error| Error::new(Kind::Rejected, error.to_string()))? {
                Next::Page(after) => cursor = Some(after),
                Next::Done => return Ok((rows, pages.end())),
                Next::NotYet(_) => panic!("not yet"),
            }
        }
    }

    /// A payout of so many sales of 1.00, made on a day counted from the first.
    fn pay_out(&self, id: &str, day: i64, sales: i64) {
        let mut account = self.account();
        let created = START + day * DAY;
        account.payouts.insert(0, payout(id, created, sales * 100));
        let own = row(&format!("txn_{id}"), -sales * 100, created, "payout", json!(id));
        let mut rows = vec![(id.to_owned(), own)];
        rows.extend((0..sales).rev().map(|number| {
            let source = json!({ "id": format!("ch_{id}_{number}"), "object": "charge", "metadata": {} });
            (id.to_owned(), row(&format!("txn_{id}_{number}"), 100, created - 60, "charge", source))
        }));
        rows.append(&mut account.rows);
        account.rows = rows;
    }
}

fn api() -> &'static dyn Api {
    providers::find("stripe").unwrap().api().unwrap()
}

fn payout(id: &str, created: i64, amount: i64) -> Value {
    json!({
        "id": id, "object": "payout", "amount": amount, "arrival_date": created + DAY, "automatic": true,
        "balance_transaction": format!("txn_{id}"), "created": created, "currency": "nok", "livemode": true,
        "destination": "ba_1", "failure_balance_transaction": null, "method": "standard",
        "reconciliation_status": "completed", "status": "paid", "trace_id": null, "type": "bank_account",
    })
}

fn row(id: &str, amount: i64, created: i64, type_: &str, source: Value) -> Value {
    json!({
        "id": id, "object": "balance_transaction", "amount": amount, "available_on": created,
        "balance_type": "payments", "created": created, "currency": "nok", "description": null,
        "exchange_rate": null, "fee": 0, "fee_details": [], "net": amount, "reporting_category": type_,
        "source": source, "status": "available", "type": type_,
    })
}

fn ids(found: &Discovered) -> Vec<&str> {
    found.settlements.iter().map(|settlement| settlement.name.id.as_str()).collect()
}

#[tokio::test]
async fn payouts_are_found_oldest_first_and_again_when_they_change() {
    let shop = Connected::new().await;
    shop.pay_out("po_0", -1, 1);
    for (id, day) in [("po_1", 0), ("po_2", 1), ("po_3", 40)] {
        shop.pay_out(id, day, 2);
    }
    let first = shop.discover(None).await.unwrap();
    assert_eq!((ids(&first), first.more), (vec!["po_1", "po_2", "po_3"], false));
    assert_eq!(shop.calls(), [format!("/v1/payouts?limit=100&created%5Bgte%5D={START}")]);
    let again = shop.discover(Some(&first.cursor)).await.unwrap();
    assert_eq!(ids(&again), ["po_3"], "15 days back");
    assert_eq!(again.settlements[0], first.settlements[2], "unchanged, so without effect");
    assert_eq!(shop.calls(), [format!("/v1/payouts?limit=100&created%5Bgte%5D={}", START + 25 * DAY)]);
    shop.account().payouts[0]["status"] = "failed".into();
    let changed = shop.discover(Some(&again.cursor)).await.unwrap();
    assert_ne!(changed.settlements[0].detail, again.settlements[0].detail);
}

#[tokio::test]
async fn a_long_list_is_read_in_bounded_steps_and_a_step_that_is_lost_loses_nothing() {
    let shop = Connected::new().await;
    for number in 0..25 {
        shop.pay_out(&format!("po_{number}"), i64::from(number), 1);
    }
    shop.account().page_size = Some(2);
    let first = shop.discover(None).await.unwrap();
    assert_eq!((first.settlements.len(), first.more), (20, true));
    assert_eq!((ids(&first)[0], ids(&first)[19]), ("po_5", "po_24"));
    // The worker dies after this step, or its answer is lost: the same step gives the same.
    let second = shop.discover(Some(&first.cursor)).await.unwrap();
    assert_eq!(shop.discover(Some(&first.cursor)).await.unwrap(), second);
    assert_eq!((ids(&second), second.more), (vec!["po_0", "po_1", "po_2", "po_3", "po_4"], false));
    // A payout that came meanwhile is the next listing's.
    shop.pay_out("po_new", 26, 1);
    let third = shop.discover(Some(&second.cursor)).await.unwrap();
    assert!(ids(&third).contains(&"po_new"));
}

#[tokio::test]
async fn rows_are_fetched_page_by_page_up_to_the_proof() {
    let shop = Connected::new().await;
    shop.pay_out("po_1", 1, 1);
    shop.pay_out("po_2", 2, 250);
    let found = shop.discover(None).await.unwrap();
    shop.calls();
    let (rows, end) = shop.fetch(&found.settlements[0]).await.unwrap();
    assert_eq!((rows, shop.calls().len()), (2, 1), "the first page is the last");
    assert!(matches!(end, GroupEnd::Settlement { hold: None, .. }), "{end:?}");
    let (rows, end) = shop.fetch(&found.settlements[1]).await.unwrap();
    assert_eq!(rows, 251);
    assert!(matches!(end, GroupEnd::Settlement { hold: None, .. }), "{end:?}");
    let base = "/v1/balance_transactions?limit=100&expand%5B%5D=data.source&payout=po_2";
    assert_eq!(
        shop.calls(),
        [
            base.to_owned(),
            format!("{base}&starting_after=txn_po_2_151"),
            format!("{base}&starting_after=txn_po_2_51"),
        ]
    );
}

#[tokio::test]
async fn fault_027_lists_that_go_in_a_circle_are_refused_over_the_wire() {
    let shop = Connected::new().await;
    for number in 0..30 {
        shop.pay_out(&format!("po_{number}"), i64::from(number), 250);
    }
    let all = shop.discover(None).await.unwrap();
    {
        let mut account = shop.account();
        account.page_size = Some(2);
        account.circle = Some(3);
    }
    let refused = shop.discover(None).await.unwrap_err();
    assert!(refused.kind == Kind::Rejected && refused.to_string().contains("repeats itself"), "{refused}");
    assert!(refused.to_string().contains("req_Bilag1"), "{refused}");
    let refused = shop.fetch(&all.settlements[0]).await.unwrap_err();
    assert!(refused.to_string().contains("comes twice"), "{refused}");
}

#[tokio::test]
async fn days_with_rows_are_windows_named_as_files_name_them() {
    let mut shop = Connected::new().await;
    shop.terms.account = Some("acct_1".to_owned());
    shop.terms.window_from = Some("2026-01-02".parse().unwrap());
    shop.pay_out("po_1", 0, 1);
    shop.pay_out("po_2", 3, 3);
    {
        // A currency that the balance does not list.
        let mut sek = row("txn_sek", 100, START + 5 * DAY, "charge", json!(null));
        sek["currency"] = "sek".into();
        shop.account().rows.insert(0, (String::new(), sek));
    }
    let mut found = Vec::new();
    let mut cursor = None;
    loop {
        let step = shop.discover(cursor.as_ref()).await.unwrap();
        assert!(shop.calls().len() <= 32);
        found.extend(step.settlements);
        cursor = Some(step.cursor);
        if !step.more {
            break;
        }
    }
    let names: Vec<String> = found.iter().map(|window| window.name.to_string()).collect();
    assert_eq!(
        names,
        // The rows of po_2 were made a minute before its day.
        [
            "stripe:acct_1:window-2026-01-03-NOK",
            "stripe:acct_1:window-2026-01-04-NOK",
            "stripe:acct_1:window-2026-01-06-SEK",
        ]
    );
    assert!(
        found.iter().all(|window| window.window && window.ready == Ready::Now && window.payout.is_zero())
    );
    let (rows, end) = shop.fetch(&found[0]).await.unwrap();
    assert_eq!(rows, 3);
    assert!(matches!(end, GroupEnd::Settlement { hold: None, open: false, .. }), "{end:?}");
    // Nothing new until another day has ended, and six hours more.
    let calls = shop.calls();
    assert!(calls[0].contains("&currency=nok"), "{calls:?}");
    let still = shop.discover(cursor.as_ref()).await.unwrap();
    assert_eq!((still.settlements.len(), still.more, shop.calls().len()), (0, false, 0));
    shop.home.clock.forward(chrono::Duration::days(1));
    let next = shop.discover(Some(&still.cursor)).await.unwrap();
    assert_eq!((next.settlements.len(), shop.calls().len()), (0, 2));
    shop.terms.account = None;
    assert_eq!(shop.discover(None).await.unwrap_err().kind, Kind::Config);
}

#[tokio::test]
async fn payouts_made_by_hand_are_held_with_the_way_out() {
    let shop = Connected::new().await;
    shop.pay_out("po_1", 1, 1);
    shop.account().payouts[0]["automatic"] = false.into();
    shop.account().payouts[0]["reconciliation_status"] = "not_applicable".into();
    let found = shop.discover(None).await.unwrap();
    let Ready::Held(hold) = &found.settlements[0].ready else { panic!("{found:?}") };
    assert_eq!(hold.cause, Cause::ManualPayout);
    assert!(hold.remedy.contains("settle_by = \"window\""), "{hold}");
}

#[tokio::test]
async fn a_key_that_is_refused_is_told_from_one_that_expired_and_never_shown() {
    let mut shop = Connected::new().await;
    shop.fault(
        401,
        &[],
        r#"{"error":{"code":"api_key_expired","message":"Expired API Key provided: rk_live_*1"}}"#,
    );
    let expired = shop.discover(None).await.unwrap_err();
    assert!(expired.kind == Kind::Auth && expired.to_string().contains("the key has expired"), "{expired}");
    assert!(expired.to_string().contains("req_Bilag1"), "{expired}");
    shop.key = "rk_live_51Wrong".to_owned();
    shop.calls();
    let wrong = shop.discover(None).await.unwrap_err();
    assert!(wrong.kind == Kind::Auth && wrong.to_string().contains("wrong or was revoked"), "{wrong}");
    assert_eq!(shop.calls().len(), 1, "not asked again");
    for key in ["pk_live_1", "whsec_1", "rk_live_\n1"] {
        shop.key = key.to_owned();
        let error = shop.check().await.unwrap_err();
        assert_eq!(error.kind, Kind::Auth, "{error}");
        assert!(!error.to_string().contains(key), "{error}");
    }
    assert_eq!(shop.calls().len(), 0);
}

#[tokio::test]
async fn fault_011_a_right_that_the_key_lacks_is_named() {
    let shop = Connected::new().await;
    let (text, accounts) = shop.check().await.unwrap();
    assert!(text.contains("live mode") && accounts.is_empty(), "{text}");
    shop.account().forbidden = vec!["rak_payout_read"];
    let error = shop.discover(None).await.unwrap_err();
    assert!(
        error.kind == Kind::Permission && error.to_string().contains("permission missing: rak_payout_read"),
        "{error}"
    );
    assert!(!error.to_string().contains(KEY), "{error}");
    shop.account().forbidden = vec!["rak_balance_read", "rak_charge_read"];
    let error = shop.check().await.unwrap_err();
    assert_eq!(error.kind, Kind::Permission);
    let error = error.to_string();
    assert!(error.contains("may not read balance:") && error.contains("rak_balance_read"), "{error}");
    assert!(
        error.contains("may not read balance transactions") && error.contains("rak_charge_read"),
        "{error}"
    );
    assert!(!error.contains("rak_payout_read") && !error.contains(KEY), "{error}");
}

#[tokio::test]
async fn fault_012_an_account_that_is_gone_is_a_matter_of_configuration() {
    let shop = Connected::new().await;
    shop.fault(404, &[], r#"{"error":{"code":"resource_missing","message":"No such payout: 'po_1'"}}"#);
    let error = shop.discover(None).await.unwrap_err();
    assert_eq!(error.kind, Kind::Config);
    assert_eq!(shop.calls().len(), 1);
}

#[tokio::test]
async fn fault_007_too_many_calls_wait_as_long_as_the_answer_says() {
    let shop = Connected::new().await;
    shop.pay_out("po_1", 1, 1);
    shop.fault(429, &[("retry-after", "30")], r#"{"error":{"code":"rate_limit"}}"#);
    let error = shop.discover(None).await.unwrap_err();
    assert_eq!((error.kind, error.after), (Kind::Retry, Some(Duration::from_secs(30))));
    assert_eq!(shop.calls().len(), 1);
    // Others who use the same key wait too, without a call.
    let error = shop.discover(None).await.unwrap_err();
    assert_eq!((error.kind, shop.calls().len()), (Kind::Retry, 0));
    shop.home.clock.forward(chrono::Duration::seconds(31));
    assert_eq!(shop.discover(None).await.unwrap().settlements.len(), 1);
}

#[tokio::test]
async fn faults_of_the_server_and_of_the_line_are_asked_again() {
    let shop = Connected::new().await;
    shop.pay_out("po_1", 1, 1);
    shop.fault(503, &[], "");
    shop.account().faults.push_back(Fault::Lost);
    assert_eq!(shop.discover(None).await.unwrap().settlements.len(), 1);
    assert_eq!(shop.calls().len(), 3);
    // Stripe says itself whether it helps to ask again.
    shop.fault(500, &[("stripe-should-retry", "false")], r#"{"error":{"message":"no"}}"#);
    let error = shop.discover(None).await.unwrap_err();
    assert_eq!((error.kind, shop.calls().len()), (Kind::Retry, 1), "{error}");
    shop.fault(400, &[("stripe-should-retry", "true")], "{}");
    assert_eq!(shop.discover(None).await.unwrap().settlements.len(), 1);
    assert_eq!(shop.calls().len(), 2);
    shop.fault(409, &[], "{}");
    assert_eq!(shop.discover(None).await.unwrap().settlements.len(), 1);
    shop.calls();
    shop.fault(400, &[], r#"{"error":{"code":"parameter_invalid","message":"Invalid integer"}}"#);
    let error = shop.discover(None).await.unwrap_err();
    assert_eq!((error.kind, shop.calls().len()), (Kind::Rejected, 1));
    assert!(error.to_string().contains("parameter_invalid"), "{error}");
}

#[tokio::test]
async fn fault_025_a_page_for_people_is_no_answer() {
    let shop = Connected::new().await;
    shop.fault(200, &[("content-type", "text/html")], "<!doctype html><title>Maintenance</title>");
    let error = shop.discover(None).await.unwrap_err();
    assert!(error.kind == Kind::Retry && error.to_string().contains("something else than JSON"), "{error}");
    for body in ["{\"object\":\"list\",\"data\":[{\"id\":\"po_1\"", "{}", "{\"data\":{},\"has_more\":false}"]
    {
        shop.fault(200, &[], body);
        let error = shop.discover(None).await.unwrap_err();
        assert!(error.kind == Kind::Rejected && error.to_string().contains("unknown shape"), "{error}");
    }
}

#[tokio::test]
async fn fault_020_a_redirect_is_refused() {
    let shop = Connected::new().await;
    shop.fault(302, &[("location", "https://evil.example/")], "");
    let error = shop.discover(None).await.unwrap_err();
    assert_eq!((error.kind, shop.calls().len()), (Kind::Retry, 1));
}
