//! A company whose provider accounts and books are the sandbox: real handlers, the embedded store, and the simulated
//! systems behind the transport, all by one clock that runs on the test's (paused) time.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration as StdDuration;

use async_trait::async_trait;
use bilag::Home;
use bilag::home::Dispatched;
use chrono::{DateTime, Duration, NaiveDate, Utc};
use edge::http::{Broken, Hosts, Limits, Transport};
use edge::secret::{Entry, Secrets};
use edge::vault::KeyFile;
use edge::{Clock, Error, Kind, World};
use embedded::Embedded;
use http::{Request, Response};
use ledger::{Name, Voucher};
use rust_decimal::Decimal;
use sandbox::{COMPANY, Ending, Options, Reply, Sandbox};
use serde_json::{Value, json};
use store::item::ConnectionItem;
use store::{Due, Key, SettlementItem, SettlementState, Table, bucket};

use trial::TestClock;

use crate::home::TestHome;

/// Where the sandbox seems to be.
const BASE: &str = "http://127.0.0.1:4010";

/// How long one piece of looking or fetching may go on, as in production.
const PIECE: StdDuration = StdDuration::from_secs(30);

/// What one call takes on the way.
const WAY: StdDuration = StdDuration::from_millis(20);

/// The sandbox' faults that pass and cost neither real time nor memory.
pub const PASSING_FAULTS: &[&str] = &[
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

/// What is wrong between bilag and the sandbox with one call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// Nothing leaves the machine.
    Unreached,
    /// It is lost before it arrives.
    LostBefore,
    /// It has its effect, and the answer is lost.
    LostAfter,
    /// It is answered "too many calls, wait so many seconds".
    TooMany(u32),
    /// The worker stands still for so long before it sends, and knows nothing of that.
    Stall(StdDuration),
    /// The worker dies: neither is it sent nor does anything more happen.
    Death,
}

/// Decides call by call.
type Decides = Box<dyn FnMut(&Request<Vec<u8>>) -> Option<Trouble> + Send>;

/// Changes answers that came whole.
type Rewrites = Box<dyn FnMut(&Request<Vec<u8>>, &mut Value) + Send>;

/// The simulated systems as a transport: what the network does to an answer happens here, in the test's time.
#[derive(Clone)]
pub struct Line {
    sandbox: Arc<Mutex<Sandbox>>,
    clock: Arc<TestClock>,
    trouble: Arc<Mutex<Option<Decides>>>,
    rewrites: Arc<Mutex<Option<Rewrites>>>,
    calls: Arc<AtomicU64>,
    refused: Arc<AtomicU64>,
}

impl Line {
    fn answer(&self, request: &Request<Vec<u8>>) -> Reply {
        self.sandbox.lock().unwrap().handle(self.clock.now(), request)
    }

    fn rewrite(&self, request: &Request<Vec<u8>>, answer: Response<Vec<u8>>) -> Response<Vec<u8>> {
        let mut rewrites = self.rewrites.lock().unwrap();
        let (Some(rewrite), Ok(mut value)) = (rewrites.as_mut(), serde_json::from_slice(answer.body()))
        else {
            return answer;
        };
        rewrite(request, &mut value);
        answer.map(|_| value.to_string().into_bytes())
    }
}

#[async_trait]
impl Transport for Line {
    async fn exchange(&self, request: Request<Vec<u8>>, limits: Limits) -> Result<Response<Vec<u8>>, Broken> {
        self.calls.fetch_add(1, Ordering::Relaxed);
        assert!(!request.uri().to_string().contains("/sandbox/"), "{}", request.uri());
        let trouble = self.trouble.lock().unwrap().as_mut().and_then(|decides| decides(&request));
        let lost = || Err(Broken::Lost("the connection broke".to_owned()));
        match trouble {
            Some(Trouble::Unreached) => return Err(Broken::NotSent("no route".to_owned())),
            Some(Trouble::LostBefore) => return lost(),
            Some(Trouble::Stall(time)) => tokio::time::sleep(time).await,
            Some(Trouble::Death) => std::future::pending().await,
            Some(Trouble::TooMany(seconds)) => {
                self.refused.fetch_add(1, Ordering::Relaxed);
                let answer = Response::builder().status(429).header("retry-after", seconds);
                return Ok(answer.body(b"{}".to_vec()).unwrap());
            }
            Some(Trouble::LostAfter) | None => {}
        }
        tokio::time::sleep(WAY).await;
        let Reply { response, delay, ending } = self.answer(&request);
        tokio::time::sleep(WAY).await;
        let trickles = match ending {
            Ending::Slow => StdDuration::from_secs(response.body().len() as u64),
            _ => StdDuration::ZERO,
        };
        if delay + trickles > limits.deadline {
            tokio::time::sleep(limits.deadline).await;
            return Err(Broken::Lost("not complete in time".to_owned()));
        }
        tokio::time::sleep(delay + trickles).await;
        match ending {
            Ending::Drop | Ending::Cut(_) => lost(),
            _ if trouble == Some(Trouble::LostAfter) => lost(),
            Ending::Whole | Ending::Slow if response.body().len() > limits.body_max => {
                Err(Broken::Unusable("too large".to_owned()))
            }
            Ending::Whole | Ending::Slow => Ok(self.rewrite(&request, response)),
        }
    }
}

/// Secret bundles in memory, which tests rotate.
pub struct Bundles(Mutex<toml::Table>);

impl Bundles {
    /// Bundles by company.
    pub fn of(bundles: toml::Table) -> Bundles {
        Bundles(Mutex::new(bundles))
    }

    /// Changes one field of an entry of a company; a list if there are several values.
    pub fn set(&self, company: &str, entry: &str, field: &str, values: &[&str]) {
        let mut bundles = self.0.lock().unwrap();
        let values: Vec<toml::Value> = values.iter().map(|value| toml::Value::from(*value)).collect();
        bundles[company][entry].as_table_mut().unwrap().insert(field.to_owned(), values.into());
    }
}

#[async_trait]
impl Secrets for Bundles {
    async fn entry(&self, company: &str, entry: &str) -> Result<Entry, Error> {
        let bundles = self.0.lock().unwrap();
        let place = format!("{company}.{entry}");
        let fields = bundles.get(company).and_then(|bundle| bundle.get(entry)?.as_table());
        let fields = fields.ok_or_else(|| Error::auth(format!("secret {place} is missing")))?;
        let texts = |value: &toml::Value| match value {
            toml::Value::Array(values) => {
                values.iter().map(|value| value.as_str().unwrap().to_owned()).collect()
            }
            value => vec![value.as_str().unwrap().to_owned()],
        };
        Ok(Entry::new(place, fields.iter().map(|(name, value)| (name.clone(), texts(value)))))
    }
}

/// A company in front of a sandbox.
pub struct Sandboxed {
    /// Its folders and clock.
    pub home: TestHome,
    /// Its table and buckets.
    pub store: Embedded,
    /// The way to the systems.
    pub line: Line,
    /// The secret bundles.
    pub secrets: Arc<Bundles>,
    config: Mutex<String>,
}

/// One worker of the company.
pub struct Worker {
    /// Its world.
    pub world: World,
    /// What the dispatcher handed over.
    pub dispatched: Arc<Dispatched>,
    /// How long one piece of looking or fetching may go on.
    pub piece: StdDuration,
}

/// What workers did until nothing was due any more.
#[derive(Debug, Default)]
pub struct Done {
    /// Vouchers that were booked.
    pub vouchers: Vec<Voucher>,
    /// Looks that came to their end, and settlements that were found or changed by them.
    pub looks: (usize, usize),
    /// What failed, apart from what is tried again anyhow.
    pub failed: Vec<Error>,
}

impl Sandboxed {
    /// A company in front of a sandbox of these options, on 20 November 2026, with nothing done yet.
    pub async fn new(options: Options) -> Sandboxed {
        let home = TestHome::running("2026-11-20T06:00:00Z");
        let line = Line {
            sandbox: Arc::new(Mutex::new(Sandbox::new(options))),
            clock: Arc::clone(&home.clock),
            trouble: Arc::new(Mutex::new(None)),
            rewrites: Arc::new(Mutex::new(None)),
            calls: Arc::new(AtomicU64::new(0)),
            refused: Arc::new(AtomicU64::new(0)),
        };
        let store = home.store();
        home.world(&store, "maker").await;
        let made = Sandboxed {
            home,
            store,
            line,
            secrets: Arc::new(Bundles::of(toml::Table::new())),
            config: Mutex::new(String::new()),
        };
        let base_on: NaiveDate = made.truth()["base_on"].as_str().unwrap().parse().unwrap();
        let files = sandbox::home_from(BASE, base_on);
        *made.secrets.0.lock().unwrap() = files.secrets_toml.parse().unwrap();
        made.configure(|_| files.config_toml).await;
        made
    }

    /// A sandbox of one seed, with everything sound and unsound that it has.
    pub async fn seeded(seed: u64) -> Sandboxed {
        Sandboxed::new(Options { seed, ..Options::default() }).await
    }

    /// A sandbox of sound payouts only.
    pub async fn sound(seed: u64, payouts: usize) -> Sandboxed {
        Sandboxed::new(Options { seed, payouts, sound_only: true, ..Options::default() }).await
    }

    /// Changes the mapping file and puts it in force.
    pub async fn configure(&self, change: impl FnOnce(String) -> String) {
        let text = {
            let mut config = self.config.lock().unwrap();
            *config = change(config.clone());
            config.clone()
        };
        self.home.config(COMPANY, &text);
        let worker = self.worker("configures").await;
        let verdict = check_config::handle(&worker.world, &format!("{COMPANY}.toml")).await.unwrap();
        assert!(verdict.valid, "{:?}", verdict.errors);
    }

    /// The mapping file.
    pub fn config(&self) -> String {
        self.config.lock().unwrap().clone()
    }

    /// Changes one field of the secret bundle; a list if there are several values.
    pub fn secret(&self, entry: &str, field: &str, values: &[&str]) {
        self.secrets.set(COMPANY, entry, field, values);
    }

    /// A second company on the same store and line, with the first one's Stripe connection under another key.
    pub async fn join(&self, company: &str, api_key: &str) {
        let text = self.config().replace(&format!("id = \"{COMPANY}\""), &format!("id = \"{company}\""));
        let (before, rest) = text.split_once("[connections.counter]").unwrap();
        let (_, accounts) = rest.split_once("[accounts]").unwrap();
        self.home.config(company, &format!("{before}[accounts]{accounts}"));
        {
            let mut bundles = self.secrets.0.lock().unwrap();
            let bundle = bundles[COMPANY].clone();
            bundles.insert(company.to_owned(), bundle);
        }
        self.secrets.set(company, "stripe", "api_key", &[api_key]);
        let worker = self.worker("joins").await;
        assert!(check_config::handle(&worker.world, &format!("{company}.toml")).await.unwrap().valid);
    }

    /// Another worker on the same store and line.
    pub async fn worker(&self, name: &str) -> Worker {
        let (world, dispatched) = self.home.world(&self.store, name).await;
        let vault = KeyFile::of(&[7; 32]).unwrap();
        let secrets: Arc<dyn Secrets> = Arc::<Bundles>::clone(&self.secrets);
        let world =
            world.reaching(Arc::new(self.line.clone()), Hosts::Loopback).trusting(secrets, Arc::new(vault));
        Worker { world, dispatched, piece: PIECE }
    }

    /// The home as the command line opens it, in front of the sandbox.
    pub async fn opened(&self) -> Home {
        let Worker { world, dispatched, .. } = self.worker("command").await;
        let mut home = self.home.open().await;
        (home.world, home.dispatched) = (world, dispatched);
        home
    }

    /// Lets `decides` say for each call from now on what goes wrong.
    pub fn trouble(&self, decides: impl FnMut(&Request<Vec<u8>>) -> Option<Trouble> + Send + 'static) {
        *self.line.trouble.lock().unwrap() = Some(Box::new(decides));
    }

    /// This trouble happens once, to the next call of this kind.
    pub fn trouble_once(&self, method: &'static str, end: &'static str, trouble: Trouble) {
        let mut left = Some(trouble);
        self.trouble(move |request| {
            let meant = request.method() == method && request.uri().path().ends_with(end);
            if meant { left.take() } else { None }
        });
    }

    /// Lets `rewrites` change every whole JSON answer from now on.
    pub fn rewrite(&self, rewrites: impl FnMut(&Request<Vec<u8>>, &mut Value) + Send + 'static) {
        *self.line.rewrites.lock().unwrap() = Some(Box::new(rewrites));
    }

    /// Ends all trouble and all faults.
    pub fn peace(&self) {
        *self.line.trouble.lock().unwrap() = None;
        self.control("DELETE", "faults", &Value::Null);
    }

    /// How many calls were refused by [`Trouble::TooMany`].
    pub fn refused(&self) -> u64 {
        self.line.refused.load(Ordering::Relaxed)
    }

    /// How many calls were made to the systems.
    pub fn calls(&self) -> u64 {
        self.line.calls.load(Ordering::Relaxed)
    }

    /// Calls by what they were for, of one system.
    pub fn calls_for(&self, system: &str, kind: &str) -> u64 {
        self.control("GET", "calls", &Value::Null)["kinds"][system][kind].as_u64().unwrap_or_default()
    }

    /// Asks the sandbox' control.
    pub fn control(&self, method: &str, path: &str, body: &Value) -> Value {
        let body = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
        self.ask(method, &format!("/sandbox/{path}"), &[], body)
    }

    /// Asks one of the systems directly.
    pub fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)], body: Vec<u8>) -> Value {
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(body).unwrap();
        let answer = self.line.answer(&request).response;
        assert!(answer.status().is_success(), "{method} {path}: {answer:?}");
        serde_json::from_slice(answer.body()).unwrap()
    }

    /// Faults of these kinds happen to a share of all calls, decided by the seed.
    pub fn faults(&self, percent: u64, seed: u64, kinds: &[&str]) {
        self.control("PUT", "faults", &json!({ "percent": percent, "seed": seed, "kinds": kinds }));
    }

    fn truth(&self) -> Value {
        self.control("GET", "payouts", &Value::Null)
    }

    /// The payouts as they really are.
    pub fn payouts(&self) -> Vec<Value> {
        self.truth()["payouts"].as_array().unwrap().clone()
    }

    /// The payouts of one kind of soundness.
    pub fn payouts_that_are(&self, soundness: &str) -> Vec<Value> {
        self.payouts().into_iter().filter(|payout| payout["soundness"] == soundness).collect()
    }

    /// Every voucher in the books.
    pub fn vouchers(&self) -> Vec<Value> {
        self.control("GET", "vouchers", &Value::Null)["vouchers"].as_array().unwrap().clone()
    }

    /// A settlement's item, if it is known.
    pub async fn item(&self, settlement: &str) -> Option<SettlementItem> {
        let worker = self.worker("reader").await;
        let key = Key::settlement(COMPANY, &Name::parse(settlement).unwrap());
        Table::of(&worker.world).get(&key).await.unwrap().map(|read| read.body)
    }

    /// A settlement's state, as it is shown.
    pub async fn state(&self, settlement: &str) -> String {
        self.item(settlement).await.map_or("unknown".to_owned(), |item| item.state.to_string())
    }

    /// A connection's item.
    pub async fn connection(&self, name: &str) -> ConnectionItem {
        let worker = self.worker("reader").await;
        Table::of(&worker.world).get(&Key::connection(COMPANY, name)).await.unwrap().unwrap().body
    }

    /// One worker works until nothing is due within a horizon.
    pub async fn work(&self, horizon: Duration) -> Done {
        let worker = self.worker("worker").await;
        Box::pin(worker.work(self, horizon)).await
    }

    /// The usual: everything there is, with a look an hour later that finds nothing new.
    pub async fn settle_down(&self) -> Done {
        let done = self.work(Duration::hours(2)).await;
        assert!(done.failed.is_empty(), "{:?}", done.failed);
        done
    }

    /// The account of a role, by provider.
    fn account(&self, provider: &str, role: &str) -> String {
        let config: toml::Table = self.config().parse().unwrap();
        let connection = match provider {
            "stripe" => "webshop",
            _ => "counter",
        };
        let own = config["connections"][connection].get("accounts").and_then(|accounts| accounts.get(role));
        let target = own.unwrap_or_else(|| &config["accounts"][role]);
        let number = target.get("account").unwrap_or(target);
        number.as_str().unwrap().to_owned()
    }

    /// Demands that the books are right: for each sound payout exactly one live voucher with the sums of the truth,
    /// one for its payouts that came back, a document on each; the others held for their cause or waiting; and
    /// nothing besides.
    ///
    /// # Panics
    ///
    /// If they are not; with what is wrong.
    pub async fn check(&self) {
        let wrong = self.wrong().await;
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }

    /// What is wrong with the books; empty if nothing is.
    pub async fn wrong(&self) -> Vec<String> {
        let mut wrong = Vec::new();
        let vouchers = self.vouchers();
        let mut expected: BTreeMap<String, BTreeMap<String, Decimal>> = BTreeMap::new();
        for payout in self.payouts() {
            let text = |name: &str| payout[name].as_str().unwrap().to_owned();
            let (name, provider) = (text("settlement"), text("provider"));
            let state = self.state(&name).await;
            let wanted = match payout["soundness"].as_str().unwrap() {
                "sound" => "posted".to_owned(),
                "unsound" => format!("held({})", text("cause")),
                "waiting" => "waiting(".to_owned(),
                _ => "unknown".to_owned(),
            };
            // Some providers show nothing of what they have not finished.
            let is_hidden = payout["soundness"] == "waiting" && state == "unknown";
            if !state.starts_with(&wanted) && !is_hidden {
                let item = self.item(&name).await;
                wrong.push(format!("{name} is {state}, not {wanted}: {:?}", item.map(|item| item.state)));
            }
            if payout["soundness"] != "sound" {
                continue;
            }
            let sums = expected.entry(name.clone()).or_default();
            for (role, sum) in payout["postings"].as_object().unwrap() {
                *sums.entry(self.account(&provider, role)).or_default() +=
                    crate::amount(sum.as_str().unwrap());
            }
            for back in payout["reversals"].as_array().unwrap() {
                let amount = crate::amount(back["amount"].as_str().unwrap());
                let sums = expected.entry(format!("{name}:payout-reversal")).or_default();
                *sums.entry(self.account(&provider, "provider_balance")).or_default() += amount;
                *sums.entry(self.account(&provider, "in_transit")).or_default() -= amount;
            }
        }
        let mut seen: BTreeSet<String> = BTreeSet::new();
        for voucher in &vouchers {
            let reference = voucher["reference"].as_str().unwrap_or_default().to_owned();
            if !seen.insert(reference.clone()) {
                wrong.push(format!("{reference} stands in the books twice"));
            }
            let mut sums: BTreeMap<String, Decimal> = BTreeMap::new();
            for posting in voucher["postings"].as_array().unwrap() {
                *sums.entry(posting["account"].as_str().unwrap().to_owned()).or_default() +=
                    crate::amount(posting["amount"].as_str().unwrap());
            }
            sums.retain(|_, sum| !sum.is_zero());
            match expected.get_mut(&reference) {
                None => wrong.push(format!("{reference} stands in the books, and nothing says why")),
                Some(wanted) => {
                    wanted.retain(|_, sum| !sum.is_zero());
                    if *wanted != sums {
                        wrong.push(format!("{reference} is {sums:?}, not {wanted:?}"));
                    }
                }
            }
            if voucher["attachments"] != 1 {
                wrong.push(format!("{reference} has {} documents", voucher["attachments"]));
            }
        }
        let missing = expected.keys().filter(|reference| !seen.contains(*reference));
        wrong.extend(missing.map(|reference| format!("{reference} is not in the books")));
        wrong
    }
}

impl Worker {
    /// Works until nothing is due within a horizon.
    pub async fn work(&self, company: &Sandboxed, horizon: Duration) -> Done {
        let clock = &company.home.clock;
        let end = clock.now() + horizon;
        let mut done = Done::default();
        loop {
            self.inbox(&mut done).await;
            self.round(&mut done).await;
            match self.next_due().await {
                Some(due) if due <= end => {
                    let wait = (due - clock.now()).max(Duration::milliseconds(50));
                    tokio::time::sleep(wait.to_std().unwrap()).await;
                }
                _ => return done,
            }
        }
    }

    /// Reads what lies in the inbox.
    async fn inbox(&self, done: &mut Done) {
        let inbox = &self.world.places.inbox;
        for file in bucket::list(&self.world, inbox, "").await.unwrap() {
            if let Err(error) = Box::pin(import_file::handle(&self.world, &file.key, &mut |_| {})).await {
                done.failed.push(error);
            }
        }
    }

    /// Works once on each thing that is due now.
    pub async fn round(&self, done: &mut Done) {
        let now = self.world.clock.now();
        for (due, key) in self.due().await.into_iter().filter(|(due, _)| due.at <= now) {
            // Unoptimised handlers need more room than a test's stack has.
            match Box::pin(self.one(due.function, &key.to_string(), done)).await {
                Err(error) if error.kind != Kind::Retry => done.failed.push(error),
                _ => {}
            }
        }
    }

    /// What is due, soonest first: read from the items themselves, which is quicker than the index and never stale.
    async fn due(&self) -> Vec<(Due, Key)> {
        let mut due = Vec::new();
        for config in bucket::list(&self.world, &self.world.places.config, "").await.unwrap() {
            for prefix in ["n#", "s#", "v#"] {
                let company = config.key.trim_end_matches(".toml");
                let listed = Table::of(&self.world).list::<Value>(company, prefix).await.unwrap();
                due.extend(listed.into_iter().filter_map(|read| Some((read.due?, read.key))));
            }
        }
        due.sort_by(|one, other| (one.0.at, &one.1).cmp(&(other.0.at, &other.1)));
        due
    }

    async fn one(&self, function: &str, key: &str, done: &mut Done) -> Result<(), Error> {
        match function {
            "discover-payouts" => {
                let looked = Box::pin(discover_payouts::handle(&self.world, key, self.piece)).await?;
                done.looks.0 += usize::from(!looked.unfinished);
                done.looks.1 += looked.announced;
            }
            "fetch-settlement" => {
                Box::pin(fetch_settlement::handle(&self.world, key, self.piece, &mut |_| {})).await?;
            }
            "post-voucher" => {
                let posted = Box::pin(post_voucher::handle(&self.world, key)).await?;
                done.vouchers.extend(posted.vouchers);
            }
            other => panic!("{key} is due for {other}"),
        }
        Ok(())
    }

    /// When the next work is due.
    pub async fn next_due(&self) -> Option<DateTime<Utc>> {
        self.due().await.first().map(|(due, _)| due.at)
    }

    /// All settlements' states by name.
    pub async fn states(&self) -> BTreeMap<String, SettlementState> {
        let listed = Table::of(&self.world).list::<SettlementItem>(COMPANY, "s#").await.unwrap();
        listed.into_iter().map(|read| (read.body.name.to_string(), read.body.state)).collect()
    }
}
