//! The providers' own samples: bilag's code reads them as it reads answers, and verifies their webhooks.

use std::fmt;
use std::path::Path;
use std::sync::{Arc, Mutex};

use accounting::Access as BooksAccess;
use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bilag_tests::TestHome;
use bilag_tests::simulated::Exchange;
use bilag_tests::tripletex::{BASE as TRIPLETEX_BASE, Trick, Tripletex};
use chrono::{DateTime, Utc};
use edge::http::{Broken, Hosts, Limits, Transport};
use edge::secret::{Entry, SecretsFile};
use edge::vault::KeyFile;
use edge::{Kind, World};
use http::{HeaderMap, Request, Response};
use ledger::{Cause, Currency, Name, Posting, Purpose, Reference, Role, Side, Voucher};
use providers::{Access, Announced, Api, GroupEnd, Next, Notice, Terms};
use rust_decimal::Decimal;
use serde_json::{Value, json};
use store::posting::Answer;

/// What a scripted provider says to a path with its query.
type Says = Box<dyn Fn(&str) -> (u16, Vec<u8>) + Send + Sync>;

struct Script {
    says: Says,
    /// The last authorization that was sent.
    authorization: Mutex<String>,
}

impl fmt::Debug for Script {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Script").finish_non_exhaustive()
    }
}

#[async_trait]
impl Transport for Script {
    async fn exchange(&self, request: Request<Vec<u8>>, _: Limits) -> Result<Response<Vec<u8>>, Broken> {
        if let Some(value) = request.headers().get("authorization") {
            *self.authorization.lock().unwrap() = value.to_str().unwrap().to_owned();
        }
        let uri = request.uri();
        let (status, body) = (self.says)(uri.path_and_query().unwrap().as_str());
        Ok(Response::builder().status(status).header("content-type", "application/json").body(body).unwrap())
    }
}

struct Samples<'f> {
    folder: &'f Path,
    read: usize,
}

impl Samples<'_> {
    fn bytes(&mut self, name: &str) -> Vec<u8> {
        self.read += 1;
        let path = self.folder.join(name);
        std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }

    fn json(&mut self, name: &str) -> Value {
        let bytes = self.bytes(name);
        serde_json::from_slice(&bytes).unwrap_or_else(|error| panic!("{name}: {error}"))
    }
}

fn api(provider: &str) -> &'static dyn Api {
    providers::find(provider).and_then(|provider| provider.api()).unwrap()
}

/// Reads all samples, and gives real answers to vouchers for the documents to judge.
///
/// # Panics
///
/// If one is not understood as it should be.
pub async fn all(folder: &Path) -> Vec<Exchange> {
    let mut samples = Samples { folder, read: 0 };
    webhooks(&mut samples);
    stripe(&mut samples).await;
    vipps_mobilepay(&mut samples).await;
    let exchanges = tripletex(&mut samples).await;
    println!("\nsamples: {} files read as they should be", samples.read);
    exchanges
}

fn webhooks(samples: &mut Samples<'_>) {
    let vectors = samples.json("stripe/webhook-signature-vectors.json");
    let vectors = vectors["vectors"].as_array().unwrap();
    assert!(!vectors.is_empty());
    for vector in vectors {
        let body = STANDARD.decode(vector["body_base64"].as_str().unwrap()).unwrap();
        let at = DateTime::<Utc>::from_timestamp(vector["timestamp"].as_i64().unwrap(), 0).unwrap();
        let mut headers = HeaderMap::new();
        headers.insert("stripe-signature", vector["header"].as_str().unwrap().parse().unwrap());
        for secret in vector["secrets"].as_array().unwrap() {
            verified("stripe", "https://bilag.example/hooks", &headers, &body, secret, at);
        }
    }
    let vector = samples.json("vipps-mobilepay/webhook-hmac-vector.json");
    let mut headers = HeaderMap::new();
    for name in ["x-ms-date", "host", "x-ms-content-sha256", "authorization"] {
        headers.insert(name, vector[name].as_str().unwrap().parse().unwrap());
    }
    let at = DateTime::parse_from_rfc2822(vector["x-ms-date"].as_str().unwrap()).unwrap().to_utc();
    let (url, body) = (vector["registered_url"].as_str().unwrap(), vector["body"].as_str().unwrap());
    verified("vipps-mobilepay", url, &headers, body.as_bytes(), &vector["secret"], at);
}

/// The notice is genuine; under another secret, with another body, or much later it is not.
fn verified(
    provider: &str,
    public_url: &str,
    headers: &HeaderMap,
    body: &[u8],
    secret: &Value,
    at: DateTime<Utc>,
) {
    let secret = secret.as_str().unwrap().to_owned();
    let entry = |secret: String| Entry::new("samples", [("webhook_secrets".to_owned(), vec![secret])]);
    let judge = |body: &[u8], secret: String, at| {
        api(provider).verify_notice(&Notice { public_url, headers, body }, &entry(secret), at)
    };
    judge(body, secret.clone(), at).unwrap_or_else(|refusal| panic!("{provider}: {refusal}"));
    assert!(judge(b"{}", secret.clone(), at).is_err(), "{provider}: another body");
    assert!(judge(body, format!("{secret}x"), at).is_err(), "{provider}: another secret");
    assert!(judge(body, secret, at + chrono::Duration::days(8)).is_err(), "{provider}: too late");
}

/// A world whose providers say what a script says.
async fn world(home: &TestHome, now: &str, says: Says) -> (World, embedded::Embedded, Arc<Script>) {
    let now: DateTime<Utc> = now.parse().unwrap();
    home.clock.forward(now - edge::Clock::now(home.clock.as_ref()));
    let store = home.store();
    let (world, _) = home.world(&store, "samples").await;
    let script = Arc::new(Script { says, authorization: Mutex::default() });
    let transport: Arc<dyn Transport> = Arc::<Script>::clone(&script);
    let vault = Arc::new(KeyFile::of(&[7; 32]).unwrap());
    let secrets = Arc::new(SecretsFile(home.path().join("secrets.toml")));
    (world.reaching(transport, Hosts::Loopback).trusting(secrets, vault), store, script)
}

fn access<'w>(world: &'w World, terms: &'w Terms, start_on: &str, fields: &[(&str, &str)]) -> Access<'w> {
    let fields = fields.iter().map(|(name, value)| ((*name).to_owned(), vec![(*value).to_owned()]));
    Access {
        world,
        company: "samples",
        connection: "samples",
        terms,
        start_on: start_on.parse().unwrap(),
        base_url: None,
        keys: None,
        secret: Entry::new("samples", fields),
    }
}

/// All settlements of all steps.
async fn discovered(provider: &str, home: &TestHome, access: &Access<'_>) -> Vec<Announced> {
    let (mut found, mut cursor) = (Vec::new(), None);
    loop {
        let step = api(provider).discover(access, cursor.as_ref()).await.unwrap();
        found.extend(step.settlements);
        cursor = Some(step.cursor);
        home.clock.forward(chrono::Duration::seconds(10));
        if !step.more {
            return found;
        }
    }
}

/// Amount of the payout, kinds of the lines, and why it is held.
async fn fetched(
    provider: &str,
    access: &Access<'_>,
    announced: &Announced,
) -> (Decimal, Vec<String>, Option<Cause>) {
    let mut pages = api(provider).pages(access.terms, announced, None).unwrap();
    let (mut kinds, mut cursor) = (Vec::new(), None);
    loop {
        let body = api(provider).page(access, announced, cursor.as_deref()).await.unwrap();
        let next = pages.read(&body, &mut |line, _| {
            kinds.push(line.kind.to_string());
            Ok(())
        });
        match next.unwrap() {
            Next::Page(next) => cursor = Some(next),
            Next::Done => break,
            Next::NotYet(wait) => panic!("not yet: {wait:?}"),
        }
    }
    match pages.end() {
        GroupEnd::Settlement { head, hold, .. } => (head.payout, kinds, hold.map(|hold| hold.cause)),
        end => panic!("{end:?}"),
    }
}

async fn stripe(samples: &mut Samples<'_>) {
    let payouts = samples.bytes("stripe/constructed-payouts-list.json");
    let pages = ["1", "2"]
        .map(|page| samples.bytes(&format!("stripe/constructed-balance-transactions-page{page}.json")));
    let says: Says = Box::new(move |path| {
        let body = match path {
            path if path.starts_with("/v1/payouts?") => payouts.clone(),
            path if path.contains("starting_after=") => pages[1].clone(),
            path => {
                assert!(path.contains("payout=po_0Bilag0001"), "{path}");
                pages[0].clone()
            }
        };
        (200, body)
    });
    let home = TestHome::new();
    let (world, _store, _) = world(&home, "2025-11-25T06:00:00Z", says).await;
    let terms = Terms { time_zone: chrono_tz::Tz::Europe__Oslo, ..Terms::plain() };
    let access = access(&world, &terms, "2025-11-01", &[("api_key", "rk_test_samples")]);
    let found = discovered("stripe", &home, &access).await;
    assert_eq!(found.len(), 4, "{found:?}");
    let payout = found.iter().find(|found| found.name.id == "po_0Bilag0001").unwrap();
    let (amount, kinds, hold) = fetched("stripe", &access, payout).await;
    assert_eq!((amount.to_string().as_str(), hold), ("2473.31", None));
    assert_eq!(kinds.len(), 14, "{kinds:?}");
}

async fn vipps_mobilepay(samples: &mut Samples<'_>) {
    let file = |samples: &mut Samples<'_>, name: &str| samples.bytes(&format!("vipps-mobilepay/{name}.json"));
    let token = file(samples, "token-standard");
    let specialized = file(samples, "token-specialized");
    // The two samples are of different ledgers.
    let ledgers = file(samples, "ledgers-response");
    let ledgers = String::from_utf8(ledgers).unwrap().replace("\"302321\"", "\"12345\"").into_bytes();
    let date = file(samples, "funds-dates-2022-10-01");
    let not_ready = file(samples, "dates-not-ready");
    let says: Says = Box::new(move |path| {
        let body = match path {
            "/accesstoken/get" => token.clone(),
            "/miami/v1/token" => specialized.clone(),
            "/settlement/v1/ledgers" => ledgers.clone(),
            path if path.starts_with("/settlement/v1/ledgers?cursor=") => {
                b"{\"items\":[],\"cursor\":\"\"}".to_vec()
            }
            "/report/v2/ledgers/12345/funds/dates/2022-10-01" => date.clone(),
            "/report/v2/ledgers/12345/funds/dates/2022-10-03" => not_ready.clone(),
            _ => b"{\"items\":[],\"tryLater\":false,\"hasMore\":false}".to_vec(),
        };
        (200, body)
    });
    let home = TestHome::new();
    let (world, _store, script) = world(&home, "2022-10-04T06:00:00Z", says).await;
    let terms =
        Terms { time_zone: chrono_tz::Tz::Europe__Oslo, account: Some("12345".to_owned()), ..Terms::plain() };
    let keys = [
        ("client_id", "id"),
        ("client_secret", "secret"),
        ("subscription_key", "key"),
        ("merchant_serial_number", "57860"),
    ];
    let own = access(&world, &terms, "2022-10-01", &keys);
    let found = discovered("vipps-mobilepay", &home, &own).await;
    let names: Vec<&str> = found.iter().map(|found| found.name.id.as_str()).collect();
    assert_eq!(names, ["12345-2000023"]);
    let (amount, kinds, hold) = fetched("vipps-mobilepay", &own, &found[0]).await;
    assert_eq!((amount.to_string().as_str(), hold), ("288.00", None));
    assert_eq!(kinds, ["sale", "sale", "sale", "refund", "fee", "payout"]);
    assert_eq!(*script.authorization.lock().unwrap(), "Bearer eyJ0eXAiOiJKV1QiLCJhbGciOiJSUzI1Ni");
    let partner = Access { connection: "partner", keys: Some(edge::config::Keys::Accounting), ..own };
    assert_eq!(discovered("vipps-mobilepay", &home, &partner).await.len(), 1);
}

fn voucher() -> Voucher {
    let posting = |side, account: &str, role| Posting {
        side,
        amount: Decimal::new(100_000, 2),
        account: account.to_owned(),
        vat: "none".to_owned(),
        department: None,
        project: None,
        text: "Stripe po_1".to_owned(),
        role,
        kind: ledger::Kind::Sale,
        fee_type: None,
        rule: None,
        rows: 1,
    };
    Voucher {
        company: "samples".to_owned(),
        reference: Reference {
            settlement: Name { provider: "stripe".to_owned(), scope: String::new(), id: "po_1".to_owned() },
            purpose: Purpose::Settlement,
            revision: 1,
            part: 1,
            parts: 1,
        },
        on: "2026-01-20".parse().unwrap(),
        currency: Currency::parse("NOK").unwrap(),
        text: "Stripe payout po_1".to_owned(),
        corrects: None,
        postings: vec![
            posting(Side::Debit, "1909", Role::InTransit),
            posting(Side::Credit, "1579", Role::SalesClearing),
        ],
    }
}

async fn tripletex(samples: &mut Samples<'_>) -> Vec<Exchange> {
    let home = TestHome::new();
    let ledger = Tripletex::new(&home.clock);
    let store = home.store();
    let (world, _) = home.world(&store, "samples").await;
    let transport: Arc<dyn Transport> = Arc::<Tripletex>::clone(&ledger);
    let secrets = Arc::new(SecretsFile(home.path().join("secrets.toml")));
    let world = world
        .reaching(transport, Hosts::Loopback)
        .trusting(secrets, Arc::new(KeyFile::of(&[7; 32]).unwrap()));
    let settings = format!("system = \"tripletex\"\nsecret = \"tripletex\"\nbase_url = \"{TRIPLETEX_BASE}\"");
    let text = bilag_tests::mapping("samples").replace("system = \"journal\"", &settings);
    let config = check_config::judge("samples.toml", text.as_bytes()).unwrap().0;
    let books = || {
        home.clock.forward(chrono::Duration::minutes(3));
        let fields = [("consumer_token", "consumer-x"), ("employee_token", "employee-x")];
        let fields = fields.map(|(name, value)| (name.to_owned(), vec![value.to_owned()]));
        let secret = Some(Entry::new("samples", fields));
        let access =
            BooksAccess { world: &world, company: &config.company, settings: &config.accounting, secret };
        accounting::find("tripletex").unwrap().open(access).unwrap()
    };
    let said = async |status: u16, body: &str| {
        ledger.trick("POST /ledger/voucher?", Trick::Say(status, &[], body.to_owned()));
        books().send(&voucher()).await
    };
    // Refusals.
    let mut refusals: Vec<(u16, Value)> = Vec::new();
    for one in samples.json("tripletex/voucher-post-rejected.json").as_array().unwrap() {
        let body = serde_json::from_str(one["response"].as_str().unwrap()).unwrap();
        refusals.push((u16::try_from(one["status"].as_u64().unwrap()).unwrap(), body));
    }
    let errors = samples.json("tripletex/error-bodies.json");
    for one in errors["('POST', '/ledger/voucher', 422)"].as_array().unwrap() {
        refusals.push((422, one["response"].clone()));
    }
    let mut exchanges = Vec::new();
    for (status, body) in &refusals {
        if !body["code"].is_null() {
            exchanges.push(real(&json!({}), *status, body.to_string()));
        }
        let answer = said(*status, &body.to_string()).await;
        let fields: Vec<&str> = (body["validationMessages"].as_array().into_iter().flatten())
            .filter_map(|message| message["field"].as_str())
            .collect();
        let has = |names: &[&str]| fields.iter().any(|field| names.iter().any(|name| field.contains(name)));
        let cause = match &answer {
            // The proxy's own refusal says nothing about the voucher.
            Answer::Unknown if body["code"].is_null() => continue,
            Answer::NotWritten(hold) => hold.cause,
            answer => panic!("{body}: {answer:?}"),
        };
        let fits = match cause {
            Cause::VatRefused => has(&["vatType"]),
            Cause::AccountRefused => has(&["customer", "supplier", "account"]),
            Cause::Schema => body["code"] == 16_000 || !has(&["vatType", "customer", "supplier"]),
            _ => false,
        };
        assert!(fits, "{body}: {answer:?}");
    }
    // Refusals of questions.
    for (name, kind) in [("401", Kind::Auth), ("403", Kind::Permission)] {
        let body = &errors[format!("('GET', '/ledger/account', {name})")][0]["response"];
        for _ in 0..2 {
            let trick = Trick::Say(name.parse().unwrap(), &[], body.to_string());
            ledger.trick("GET /ledger/account?", trick);
        }
        let error = books().catalogue().await.unwrap_err();
        assert_eq!(error.kind, kind, "{error}");
        ledger.forget_tricks();
    }
    // A session is used as it is told.
    let session = samples.bytes("tripletex/session-token-response.json");
    let says: Says = Box::new(move |path| match path.ends_with("/token/session/:create") {
        true => (201, session.clone()),
        false => (404, Vec::new()),
    });
    let other = TestHome::new();
    let (scripted, _store, script) = self::world(&other, "2026-11-28T06:00:00Z", says).await;
    let secret = Entry::new(
        "samples",
        [("consumer_token", "a"), ("employee_token", "b")]
            .map(|(name, value)| (name.to_owned(), vec![value.to_owned()])),
    );
    let access = BooksAccess {
        world: &scripted,
        company: &config.company,
        settings: &config.accounting,
        secret: Some(secret),
    };
    accounting::find("tripletex").unwrap().open(access).unwrap().catalogue().await.unwrap_err();
    assert_eq!(*script.authorization.lock().unwrap(), format!("Basic {}", STANDARD.encode("0:eyJ0...")));
    // Saved. The log that the samples are from cut them: as they are, nothing is known; closed after the last whole
    // posting, they are vouchers, though not the one that was sent.
    for one in samples.json("tripletex/voucher-post-accepted.json").as_array().unwrap() {
        let text = one["response"].as_str().unwrap();
        if serde_json::from_str::<Value>(text).is_err() {
            assert_eq!(said(201, text).await, Answer::Unknown, "{text}");
        }
        let Some(whole) = closed(text) else { continue };
        let answer = said(201, &whole).await;
        assert!(matches!(&answer, Answer::Differs { what, .. } if !what.is_empty()), "{answer:?}");
        exchanges.push(real(&one["request"], 201, whole));
    }
    assert!(exchanges.len() > 15, "{}", exchanges.len());
    exchanges
}

/// An exchange about a voucher that others had.
fn real(request: &Value, status: u16, answer: String) -> Exchange {
    let request = Request::post("/tripletex/v2/ledger/voucher?sendToLedger=true")
        .header("content-type", "application/json; charset=utf-8")
        .body(request.to_string().into_bytes());
    let response = Response::builder().status(status).header("content-type", "application/json");
    Exchange { request: request.unwrap(), answer: response.body(answer.into_bytes()).unwrap() }
}

/// A voucher that was cut off, closed after its last whole posting.
fn closed(text: &str) -> Option<String> {
    let ends: Vec<usize> = text.match_indices("},{\"id\":").map(|(at, _)| at).collect();
    ends.into_iter().rev().find_map(|at| {
        let whole = format!("{}}}]}}}}", &text[..at]);
        serde_json::from_str::<Value>(&whole).is_ok().then_some(whole)
    })
}
