//! Vipps MobilePay's API against a scripted server that is strict about what it is sent.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};

use async_trait::async_trait;
use bilag_tests::TestHome;
use chrono::{Duration, NaiveDate};
use edge::config::Keys;
use edge::http::{Broken, Hosts, Limits, Transport};
use edge::secret::{Entry, NoSecrets};
use edge::vault::KeyFile;
use edge::{Kind, World};
use embedded::Embedded;
use http::{HeaderMap, Request, Response};
use providers::{Access, Announced, Api, Discovered, GroupEnd, Next, Provider as _, Terms};
use serde_json::{Value, json};
use trial::TestClock;

type Answer = (u16, Vec<(&'static str, String)>, String);

/// The server's state. Rows are entries without the fields that follow from the others.
#[derive(Default)]
struct Server {
    accounting: bool,
    ledgers: Vec<Value>,
    dates: BTreeMap<(String, NaiveDate), Vec<Value>>,
    balances: BTreeMap<String, i64>,
    /// Dates from this one on are open.
    open_from: Option<NaiveDate>,
    page: usize,
    /// Pages that are not the last say `tryLater` as well.
    noisy: bool,
    tokens: usize,
    /// Tokens up to this one are refused.
    revoked: usize,
    /// Answers in place of the usual ones, for calls whose path holds a text.
    scripted: VecDeque<(&'static str, Answer)>,
    calls: Vec<String>,
}

#[derive(Clone)]
struct Fake {
    server: Arc<Mutex<Server>>,
    clock: Arc<TestClock>,
}

fn answer(status: u16, body: impl ToString) -> Answer {
    (status, Vec::new(), body.to_string())
}

fn refusal(what: &str) -> Answer {
    answer(401, json!({"code": "Unauthorized", "message": what}))
}

fn day(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

impl Server {
    fn ledger(&mut self, id: &str, handles: &[&str]) {
        self.ledgers.push(json!({
            "ledgerId": id, "currency": "NOK", "payoutBankAccount": {"scheme": "BBAN:NO", "id": "00000000000"},
            "owner": {"scheme": "business:NO:ORG", "id": "999888777"}, "settlesForRecipientHandles": handles,
        }));
    }

    fn row(&mut self, ledger: &str, on: &str, kind: &str, id: &str, amount: i64) {
        let balance = self.balances.entry(ledger.to_owned()).or_default();
        let before = *balance;
        *balance += amount;
        let after = *balance;
        self.dates.entry((ledger.to_owned(), day(on))).or_default().push(json!({
            "pspReference": id, "time": format!("{on}T23:30:00.824993+0200"), "ledgerDate": on,
            "entryType": kind, "reference": "", "currency": "NOK", "amount": amount, "balanceBefore": before,
            "balanceAfter": after, "recipientHandle": null,
        }));
    }

    /// A day with one sale that is paid out.
    fn simple(&mut self, ledger: &str, on: &str, number: u32) {
        self.row(ledger, on, "capture", &format!("c{number}"), 10_000);
        self.row(ledger, on, "fees-retained", &format!("f{number}"), -175);
        self.row(ledger, on, "payout-scheduled", &format!("{ledger}-{number}"), -9_825);
    }

    fn answer(&mut self, method: &str, target: &str, headers: &HeaderMap, body: &[u8]) -> Answer {
        self.calls.push(format!("{method} {target}"));
        if let Some((part, _)) = self.scripted.front()
            && target.contains(part)
            && let Some((_, answer)) = self.scripted.pop_front()
        {
            return answer;
        }
        let has = |name: &str, value: &str| {
            headers.get_all(name).iter().map(|found| found.to_str().unwrap()).eq([value])
        };
        for name in ["name", "version", "plugin-name", "plugin-version"] {
            let value = headers[&format!("vipps-system-{name}")].to_str().unwrap();
            assert!((1..=30).contains(&value.len()), "{name}");
        }
        let key = "ocp-apim-subscription-key";
        if self.accounting {
            assert!(!headers.contains_key(key) && !headers.contains_key("merchant-serial-number"));
        } else if !has(key, "sub-key") || !has("merchant-serial-number", "512204") {
            return refusal("Access denied due to missing subscription key");
        }
        match (method, target.split_once('?').map_or((target, ""), |(path, query)| (path, query))) {
            ("POST", ("/accesstoken/get", "")) => {
                assert!(!self.accounting && body.is_empty());
                if !has("client_id", "the-id") || !has("client_secret", "the-secret") {
                    return refusal("wrong client");
                }
                self.tokens += 1;
                answer(
                    200,
                    json!({
                        "token_type": "Bearer", "expires_in": "86398", "expires_on": "1495271273",
                        "access_token": format!("token-{}", self.tokens),
                    }),
                )
            }
            ("POST", ("/miami/v1/token", "")) => {
                assert!(self.accounting && body == b"grant_type=client_credentials");
                assert!(has("content-type", "application/x-www-form-urlencoded"));
                // the-id:the-secret
                if !has("authorization", "Basic dGhlLWlkOnRoZS1zZWNyZXQ=") {
                    return answer(400, json!({"error": "invalid_client"}));
                }
                self.tokens += 1;
                let token = format!("token-{}", self.tokens);
                answer(200, json!({"token_type": "Bearer", "expires_in": 900, "access_token": token}))
            }
            ("GET", (path, query)) => {
                let good = self.revoked + 1..=self.tokens;
                if !good.into_iter().any(|number| has("authorization", &format!("Bearer token-{number}"))) {
                    return refusal("the-secret and Bearer token are not right");
                }
                assert!(!query.contains("GDPR"), "{query}");
                let from: usize = match query {
                    "" => 0,
                    // c=<n>/ as the server wrote it, encoded.
                    other => {
                        let number =
                            other.strip_prefix("cursor=c%3D").and_then(|text| text.strip_suffix("%2F"));
                        number.unwrap_or_else(|| panic!("{other}")).parse().unwrap()
                    }
                };
                self.page(path, from)
            }
            other => panic!("no such call: {other:?}"),
        }
    }

    fn page(&self, path: &str, from: usize) -> Answer {
        let size = self.page.max(1);
        let none = Vec::new();
        if path == "/settlement/v1/ledgers" {
            let to = (from + size).min(self.ledgers.len());
            let cursor = if to < self.ledgers.len() { format!("c={to}/") } else { String::new() };
            return answer(200, json!({"items": self.ledgers[from..to], "cursor": cursor}));
        }
        let parts: Vec<&str> = path.split('/').collect();
        let ["", "report", "v2", "ledgers", ledger, "funds", "dates", on] = parts.as_slice() else {
            panic!("{path}");
        };
        if !self.ledgers.iter().any(|known| known["ledgerId"] == *ledger) {
            return answer(404, json!({"title": "No such ledgerId", "status": 404, "traceId": "t-404"}));
        }
        let on = day(on);
        let rows = self.dates.get(&((*ledger).to_owned(), on)).unwrap_or(&none);
        let to = (from + size).min(rows.len());
        let more = to < rows.len();
        let open = self.open_from.is_some_and(|open| on >= open) || more && self.noisy;
        let mut page = json!({"items": rows[from.min(to)..to], "hasMore": more, "tryLater": open});
        if more {
            page["cursor"] = json!(format!("c={to}/"));
        }
        answer(200, page)
    }
}

#[async_trait]
impl Transport for Fake {
    async fn exchange(&self, request: Request<Vec<u8>>, _: Limits) -> Result<Response<Vec<u8>>, Broken> {
        // Every call takes a second, so that the pace has calls to give.
        self.clock.forward(Duration::seconds(1));
        let uri = request.uri().clone();
        assert_eq!((uri.scheme_str(), uri.host()), (Some("https"), Some("api.vipps.no")));
        for name in ["authorization", "client_secret", "client_id", "ocp-apim-subscription-key"] {
            assert!(request.headers().get_all(name).iter().all(http::HeaderValue::is_sensitive), "{name}");
        }
        let target = uri.path_and_query().unwrap().as_str();
        let (status, headers, body) =
            self.server().answer(request.method().as_str(), target, request.headers(), request.body());
        let mut response = Response::builder().status(status);
        for (name, value) in headers {
            response = response.header(name, value);
        }
        Ok(response.body(body.into_bytes()).unwrap())
    }
}

impl Fake {
    fn server(&self) -> MutexGuard<'_, Server> {
        self.server.lock().unwrap()
    }

    /// How many calls there were whose path holds a text, since the last time.
    fn calls(&self, part: &str) -> usize {
        self.server().calls.iter().filter(|call| call.contains(part)).count()
    }
}

/// A connection to the server, as one worker has it.
struct Connection {
    home: TestHome,
    store: Embedded,
    world: World,
    fake: Fake,
    terms: Terms,
    start_on: NaiveDate,
    secret: Entry,
    keys: Option<Keys>,
}

impl Connection {
    async fn new(set_up: impl FnOnce(&mut Server)) -> Connection {
        let home = TestHome::of("nordlys");
        let store = home.store();
        let mut server = Server { page: 1000, ..Server::default() };
        set_up(&mut server);
        let keys = server.accounting.then_some(Keys::Accounting);
        let fake = Fake { server: Arc::new(Mutex::new(server)), clock: Arc::clone(&home.clock) };
        let world = worker(&home, &store, &fake, "a").await;
        let fields = [
            ("client_id", "the-id"),
            ("client_secret", "the-secret"),
            ("subscription_key", "sub-key"),
            ("merchant_serial_number", "512204"),
        ];
        let fields = fields.iter().take(if keys.is_some() { 2 } else { 4 });
        let secret = Entry::new(
            "nordlys.vipps",
            fields.map(|(name, value)| ((*name).to_owned(), vec![(*value).to_owned()])),
        );
        let account = keys.map(|_| "NO:512204".to_owned());
        let terms = Terms { time_zone: chrono_tz::Tz::Europe__Oslo, account, ..Terms::plain() };
        Connection { home, store, world, fake, terms, start_on: day("2026-02-01"), secret, keys }
    }

    fn access<'a>(&'a self, world: &'a World) -> Access<'a> {
        Access {
            world,
            company: "nordlys",
            connection: "counter",
            terms: &self.terms,
            start_on: self.start_on,
            base_url: None,
            keys: self.keys,
            secret: self.secret.clone(),
        }
    }

    async fn step(&self, cursor: Option<&Value>) -> Result<Discovered, edge::Error> {
        api().discover(&self.access(&self.world), cursor).await
    }

    /// Steps until no more follows, the cursor kept as text in between.
    async fn look(&self, cursor: &mut Option<Value>) -> Result<Vec<Announced>, edge::Error> {
        let mut found = Vec::new();
        for _ in 0..200 {
            let step = self.step(cursor.as_ref()).await?;
            found.extend(step.settlements);
            *cursor = Some(serde_json::from_str(&step.cursor.to_string()).unwrap());
            if !step.more {
                return Ok(found);
            }
        }
        panic!("a look without end");
    }

    async fn names(&self) -> Vec<String> {
        let found = self.look(&mut None).await.unwrap();
        found.iter().map(|found| found.name.id.clone()).collect()
    }

    async fn error(&self) -> edge::Error {
        let error = self.look(&mut None).await.unwrap_err();
        let text = error.to_string();
        for secret in ["the-secret", "the-id", "sub-key", "token-"] {
            assert!(!text.contains(secret), "{text}");
        }
        error
    }

    /// Fetches all pages and gives the ids of the rows and the end.
    async fn fetch(&self, announced: &Announced) -> (Vec<String>, GroupEnd) {
        let access = self.access(&self.world);
        let mut pages = api().pages(&self.terms, announced, None).unwrap();
        let (mut ids, mut cursor) = (Vec::new(), None);
        loop {
            let body = api().page(&access, announced, cursor.as_deref()).await.unwrap();
            let next = pages.read(&body, &mut |line, _| {
                ids.push(line.id.clone().into_owned());
                Ok(())
            });
            match next.unwrap() {
                Next::Page(next) => cursor = Some(next),
                Next::Done => return (ids, pages.end()),
                Next::NotYet(wait) => panic!("not yet: {wait:?}"),
            }
        }
    }
}

async fn worker(home: &TestHome, store: &Embedded, fake: &Fake, name: &str) -> World {
    let vault = KeyFile::of(&[7; 32]).unwrap();
    let (world, _) = home.world(store, name).await;
    world.reaching(Arc::new(fake.clone()), Hosts::Loopback).trusting(Arc::new(NoSecrets), Arc::new(vault))
}

fn api() -> &'static dyn Api {
    providers::vipps_mobilepay::VippsMobilePay.api().unwrap()
}

/// The clock stands at 2026-02-10: the newest date is 2026-02-09.
fn usual(server: &mut Server) {
    server.ledger("310077", &["NO:512204"]);
    server.simple("310077", "2026-02-03", 1);
    server.row("310077", "2026-02-05", "capture", "c2", 5_000);
    server.row("310077", "2026-02-07", "refund", "r2", -1_000);
    server.row("310077", "2026-02-07", "payout-scheduled", "310077-2", -4_000);
}

#[tokio::test]
async fn payouts_are_found_and_fetched_with_a_sales_units_own_keys() {
    let connection = Connection::new(usual).await;
    let mut cursor = None;
    let found = connection.look(&mut cursor).await.unwrap();
    let ids: Vec<&str> = found.iter().map(|found| found.name.id.as_str()).collect();
    assert_eq!(ids, ["310077-1", "310077-2"]);
    let (rows, end) = connection.fetch(&found[1]).await;
    assert_eq!(rows, ["c2", "r2", "310077-2"]);
    let GroupEnd::Settlement { head, hold, .. } = end else { panic!("{end:?}") };
    assert_eq!((head.payout.to_string(), hold), ("40.00".to_owned(), None));
    // One token for all of it, and nothing new at the next look, which asks for no date twice.
    let before = connection.fake.calls("dates");
    assert_eq!(connection.look(&mut cursor).await.unwrap(), []);
    assert_eq!((connection.fake.calls("accesstoken"), connection.fake.calls("dates")), (1, before));
    connection.home.clock.forward(Duration::hours(24));
    connection.look(&mut cursor).await.unwrap();
    assert_eq!((connection.fake.calls("accesstoken"), connection.fake.calls("dates")), (2, before + 1));
}

#[tokio::test]
async fn accounting_keys_ask_without_a_subscription_key_and_need_an_account() {
    let mut connection = Connection::new(|server| {
        server.accounting = true;
        usual(server);
        server.ledger("310099", &["NO:600600"]);
        server.simple("310099", "2026-02-03", 9);
    })
    .await;
    assert_eq!(connection.names().await, ["310077-1", "310077-2"]);
    let tokens = connection.fake.calls("miami");
    connection.home.clock.forward(Duration::minutes(15));
    connection.names().await;
    assert_eq!(connection.fake.calls("miami"), tokens + 1);
    connection.terms.account = None;
    let error = connection.error().await;
    assert_eq!(error.kind, Kind::Config);
    assert!(error.to_string().contains("account is missing"), "{error}");
    assert!(error.to_string().contains("310077 (NO:512204), 310099 (NO:600600)"), "{error}");
}

#[tokio::test]
async fn keys_that_are_refused_are_told_with_the_provider_words() {
    let mut connection = Connection::new(|server| {
        server.accounting = true;
        usual(server);
    })
    .await;
    let fields = [("client_id", "the-id"), ("client_secret", "wrong")];
    let fields = fields.map(|(name, value)| (name.to_owned(), vec![value.to_owned()]));
    connection.secret = Entry::new("nordlys.vipps", fields);
    let error = connection.error().await;
    assert_eq!(error.kind, Kind::Auth);
    assert!(error.to_string().contains("(400): invalid_client"), "{error}");
}

#[tokio::test]
async fn fault_010_a_token_that_is_refused_is_renewed_once() {
    let connection = Connection::new(usual).await;
    let mut cursor = None;
    connection.look(&mut cursor).await.unwrap();
    connection.fake.server().revoked = 1;
    connection.look(&mut cursor).await.unwrap();
    assert_eq!(connection.fake.calls("accesstoken"), 2);
    // Whatever token there is, it is refused.
    connection.fake.server().revoked = 1000;
    let error = connection.error().await;
    assert_eq!(error.kind, Kind::Auth);
    assert_eq!(connection.fake.calls("accesstoken"), 3);
}

#[tokio::test]
async fn fault_111_workers_whose_token_is_refused_renew_it_once_for_all() {
    let connection = Connection::new(usual).await;
    let mut cursor = None;
    connection.look(&mut cursor).await.unwrap();
    connection.fake.server().revoked = 1;
    let other = worker(&connection.home, &connection.store, &connection.fake, "b").await;
    let (one, two) = (connection.access(&connection.world), connection.access(&other));
    let (one, two) =
        tokio::join!(api().discover(&one, cursor.as_ref()), api().discover(&two, cursor.as_ref()));
    assert_eq!(one.unwrap(), two.unwrap());
    assert_eq!(connection.fake.calls("accesstoken"), 2);
}

#[tokio::test]
async fn a_date_that_is_open_ends_the_look_and_is_asked_for_again() {
    let connection = Connection::new(|server| {
        usual(server);
        server.open_from = Some(day("2026-02-07"));
    })
    .await;
    let mut cursor = None;
    assert_eq!(connection.look(&mut cursor).await.unwrap().len(), 1);
    assert!(connection.fake.server().calls.last().unwrap().ends_with("dates/2026-02-07"));
    assert_eq!(connection.look(&mut cursor).await.unwrap(), [], "it has entries, but is not closed");
    connection.fake.server().open_from = None;
    let found = connection.look(&mut cursor).await.unwrap();
    assert_eq!(found[0].name.id, "310077-2");
    assert_eq!(found[0].detail["first"], "2026-02-05");
}

#[tokio::test]
async fn pages_are_gone_through_whatever_they_say_of_the_date() {
    for (page, noisy) in [(1, false), (1, true), (2, true)] {
        let connection = Connection::new(|server| {
            usual(server);
            (server.page, server.noisy) = (page, noisy);
        })
        .await;
        let found = connection.look(&mut None).await.unwrap();
        assert_eq!(found.len(), 2, "{page} {noisy}");
        for found in found {
            let (rows, end) = connection.fetch(&found).await;
            assert!(matches!(end, GroupEnd::Settlement { hold: None, .. }) && rows.len() == 3, "{rows:?}");
        }
    }
}

#[tokio::test]
async fn a_step_is_bounded_and_goes_on_within_a_date() {
    let connection = Connection::new(|server| {
        server.ledger("310077", &["NO:512204"]);
        server.page = 1;
        for number in 0..50 {
            server.row("310077", "2026-02-02", "capture", &format!("c{number}"), 100);
        }
        server.row("310077", "2026-02-02", "payout-scheduled", "310077-1", -5_000);
    })
    .await;
    let mut cursor: Option<Value> = None;
    let mut steps = 0;
    let mut found = Vec::new();
    loop {
        let before = connection.fake.calls("dates");
        let step = connection.step(cursor.as_ref()).await.unwrap();
        assert!(connection.fake.calls("dates") - before <= 20);
        assert!(step.cursor.to_string().len() < 2_000, "the cursor does not grow with the rows");
        found.extend(step.settlements);
        cursor = Some(step.cursor);
        steps += 1;
        if !step.more {
            break;
        }
    }
    // 36 dates before, 51 pages, 7 dates after.
    assert_eq!((steps, found.len()), (5, 1));
    let (rows, _) = connection.fetch(&found[0]).await;
    assert_eq!(rows.len(), 51);
}

#[tokio::test]
async fn all_ledgers_of_a_sales_units_keys_are_walked_and_new_ones_appear() {
    let connection = Connection::new(|server| {
        server.page = 1;
        server.ledger("310078", &["api:512205", "api:512206"]);
        usual(server);
        server.simple("310078", "2026-02-04", 1);
    })
    .await;
    let mut cursor = None;
    let found = connection.look(&mut cursor).await.unwrap();
    let mut ids: Vec<&str> = found.iter().map(|found| found.name.id.as_str()).collect();
    ids.sort_unstable();
    assert_eq!(ids, ["310077-1", "310077-2", "310078-1"]);
    let server = || connection.fake.server();
    server().ledger("310080", &["api:512207"]);
    server().simple("310080", "2026-02-06", 4);
    let found = connection.look(&mut cursor).await.unwrap();
    assert_eq!(found[0].name.id, "310080-4");
    // A ledger that settles for several sales units has no account but itself.
    let (sentence, ids) = api().check(&connection.access(&connection.world)).await.unwrap();
    assert!(
        sentence.contains("3 ledgers: 310077 (NO:512204), 310078 (api:512205, api:512206)"),
        "{sentence}"
    );
    assert!(["310078", "api:512206", "512206"].iter().all(|id| ids.iter().any(|found| found == id)));
}

#[tokio::test]
async fn an_account_is_found_by_ledger_number_or_handle_and_never_guessed() {
    let mut connection = Connection::new(|server| {
        usual(server);
        server.ledger("512204", &["api:310099"]);
        server.ledger("310078", &["api:600600"]);
        server.ledger("310079", &["DK:600600"]);
        server.simple("310078", "2026-02-04", 1);
    })
    .await;
    for (account, ids) in [
        ("310077", Ok(2)),
        ("NO:512204", Ok(2)),
        ("api:600600", Ok(1)),
        ("DK:600600", Ok(0)),
        ("512204", Err("account 512204 may be 512204 or NO:512204")),
        ("600600", Err("account 600600 may be DK:600600 or api:600600")),
        ("api:512204", Err("no ledger settles for account api:512204; the keys reach 310077 (NO:512204)")),
        ("1", Err("no ledger settles")),
    ] {
        connection.terms.account = Some(account.to_owned());
        match ids {
            Ok(count) => assert_eq!(connection.names().await.len(), count, "{account}"),
            Err(what) => {
                let error = connection.error().await;
                assert_eq!(error.kind, Kind::Config);
                assert!(error.to_string().contains(what), "{error}");
            }
        }
    }
}

#[tokio::test]
async fn fault_012_a_ledger_that_is_not_granted_is_told_with_the_remedy() {
    let connection = Connection::new(|_| ()).await;
    let error = connection.error().await;
    assert!(error.kind == Kind::Config && error.to_string().contains("reach no ledger"), "{error}");

    let connection = Connection::new(usual).await;
    let mut cursor = None;
    let found = connection.look(&mut cursor).await.unwrap();
    let gone = || answer(404, json!({"title": "No such ledgerId", "traceId": "t-404"}));
    connection.fake.server().scripted.push_back(("dates/2026-02-03", gone()));
    let error = api().page(&connection.access(&connection.world), &found[0], None).await.unwrap_err();
    assert_eq!(error.kind, Kind::Config);
    let text = error.to_string();
    assert!(text.contains("310077, 2026-02-03: answer 404 No such ledgerId [traceId t-404]"), "{text}");
    assert!(text.contains("grants in the portal"), "{text}");
}

#[tokio::test]
async fn the_newest_date_may_be_missing_and_so_may_dates_before_the_ledger() {
    let connection = Connection::new(|server| {
        usual(server);
        let missing = || answer(404, json!({"title": "not there"}));
        server.scripted.push_back(("dates/2025-12-28", missing()));
        server.scripted.push_back(("dates/2026-02-09", missing()));
    })
    .await;
    let mut cursor = None;
    assert_eq!(connection.look(&mut cursor).await.unwrap().len(), 2);
    let before = connection.fake.calls("2026-02-09");
    connection.look(&mut cursor).await.unwrap();
    assert_eq!(connection.fake.calls("2026-02-09"), before + 1);
}

#[tokio::test]
async fn a_date_in_between_is_never_passed_over() {
    let connection = Connection::new(|server| {
        usual(server);
        for _ in 0..2 {
            let missing = answer(404, json!({"title": "not there"}));
            server.scripted.push_back(("dates/2026-02-04", missing));
        }
    })
    .await;
    let (mut cursor, mut found) = (None, Vec::new());
    // What was reached before is kept; then there is nothing but the error to tell.
    let error = loop {
        match connection.step(cursor.as_ref()).await {
            Ok(step) => {
                assert!(step.more);
                found.extend(step.settlements);
                cursor = Some(step.cursor);
            }
            Err(error) => break error,
        }
    };
    assert_eq!((error.kind, found.len()), (Kind::Config, 1));
    assert_eq!(connection.look(&mut cursor).await.unwrap()[0].name.id, "310077-2");
}

#[tokio::test]
async fn fault_011_a_right_that_is_missing_is_named() {
    let connection = Connection::new(|server| {
        usual(server);
        server.scripted.push_back(("ledgers", answer(403, json!({"detail": "no access"}))));
    })
    .await;
    let error = connection.error().await;
    assert_eq!(error.kind, Kind::Permission);
    assert!(error.to_string().contains("answer 403 no access; the keys lack the right"), "{error}");
}

#[tokio::test]
async fn fault_007_too_many_calls_wait_as_long_as_the_answer_says() {
    let connection = Connection::new(usual).await;
    let slow = |wait: &[(&'static str, &str)]| {
        let headers = wait.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        ("ledgers", (429, headers, String::new()))
    };
    connection.fake.server().scripted.push_back(slow(&[("retry-after", "120")]));
    let error = connection.step(None).await.unwrap_err();
    assert_eq!((error.kind, error.after), (Kind::Retry, Some(std::time::Duration::from_secs(120))));
    // Nobody calls before that.
    let calls = connection.fake.calls("");
    assert_eq!(connection.step(None).await.unwrap_err().kind, Kind::Retry);
    assert_eq!(connection.fake.calls(""), calls);
    connection.home.clock.forward(Duration::seconds(200));
    assert_eq!(connection.names().await.len(), 2);
    // Without a time it is tried again by itself, a little later.
    connection.fake.server().scripted.push_back(slow(&[]));
    let time_goes_by = async {
        loop {
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            connection.home.clock.forward(Duration::seconds(1));
        }
    };
    let result = tokio::select! {
        result = connection.step(None) => result,
        () = time_goes_by => unreachable!(),
    };
    assert!(result.is_ok(), "{result:?}");
}

#[tokio::test]
async fn faults_of_the_server_are_repeated_unless_it_says_that_the_call_is_wrong() {
    let connection = Connection::new(usual).await;
    let broken =
        |code: Value| answer(500, json!({"errorCode": code, "errorMessage": "no", "contextId": "ctx-1"}));
    connection.fake.server().scripted.push_back(("ledgers", broken(json!(10001))));
    assert_eq!(connection.names().await.len(), 2);
    for code in [json!(10002), json!("10002")] {
        let calls = connection.fake.calls("ledgers");
        connection.fake.server().scripted.push_back(("ledgers", broken(code)));
        let error = connection.step(None).await.unwrap_err();
        assert_eq!((error.kind, connection.fake.calls("ledgers")), (Kind::Rejected, calls + 1));
        assert!(error.to_string().contains("the ledgers: answer 500 no [contextId ctx-1]"), "{error}");
    }
}

#[tokio::test]
async fn fault_025_answers_that_are_no_data_are_never_taken_for_empty() {
    for (body, kind) in [
        ("<!DOCTYPE html><title>Log in</title>", Kind::Retry),
        ("", Kind::Retry),
        ("{\"items\": [", Kind::Retry),
        ("{\"items\": [{\"ledgerId\": \"1\"}", Kind::Retry),
        ("{\"items\": [{}]}", Kind::Rejected),
        ("{\"data\": []}", Kind::Rejected),
        ("{\"items\": [], \"items\": []}", Kind::Rejected),
        ("[]", Kind::Retry),
    ] {
        let connection = Connection::new(|server| {
            usual(server);
            server.scripted.push_back(("ledgers", answer(200, body)));
        })
        .await;
        assert_eq!(connection.error().await.kind, kind, "{body}");
    }
    let connection = Connection::new(|server| {
        usual(server);
        server.scripted.push_back(("accesstoken", answer(200, json!({"error": "busy"}))));
    })
    .await;
    let error = connection.error().await;
    assert!(error.kind == Kind::Rejected && error.to_string().contains("the token is not JSON"), "{error}");
}

#[tokio::test]
async fn fault_027_ledgers_and_dates_whose_pages_repeat_are_refused() {
    let connection = Connection::new(|server| {
        usual(server);
        for _ in 0..6 {
            server.scripted.push_back(("ledgers", answer(200, json!({"items": [], "cursor": "c=0/"}))));
        }
    })
    .await;
    let error = connection.error().await;
    assert!(error.kind == Kind::Rejected && error.to_string().contains("repeat"), "{error}");

    let connection = Connection::new(|server| {
        usual(server);
        let page = json!({"items": [], "hasMore": true, "tryLater": false, "cursor": "c=0/"});
        for _ in 0..60 {
            server.scripted.push_back(("dates/2025-12-28", answer(200, &page)));
        }
    })
    .await;
    let error = connection.error().await;
    assert!(error.kind == Kind::Rejected && error.to_string().contains("the pages repeat"), "{error}");
}

#[tokio::test]
async fn windows_are_refused_and_an_earlier_start_begins_anew() {
    let mut connection = Connection::new(usual).await;
    connection.start_on = day("2026-02-06");
    let mut cursor = None;
    assert_eq!(connection.look(&mut cursor).await.unwrap().len(), 1);
    connection.start_on = day("2026-02-01");
    assert_eq!(connection.look(&mut cursor).await.unwrap().len(), 2);
    connection.start_on = day("2026-02-06");
    assert_eq!(connection.look(&mut cursor).await.unwrap().len(), 0, "a later one does not");
    connection.terms.window_from = Some(day("2026-02-01"));
    let error = connection.error().await;
    assert!(error.kind == Kind::Config && error.to_string().contains("settle_by"), "{error}");
}
