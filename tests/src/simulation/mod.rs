//! Everything at once, decided by a seed: the real handlers, store, protocol, connectors and AWS clients, over the
//! embedded table, buckets in memory and the simulated systems, in one thread and in virtual time, while calls are lost,
//! workers die and configurations change. After that a checker of its own looks at the books.

mod checker;
pub mod crash_points;
pub mod defects;
mod events;
pub mod history;
pub mod hub;
mod lines;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration as StdDuration;

use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::types::AttributeValue;
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use bilag::home::Dispatched;
use chrono::{DateTime, Duration, NaiveDate, Utc};
use edge::http::Hosts;
use edge::secret::Secrets;
use edge::vault::KeyFile;
use edge::{Error, Kind, World};
use embedded::Embedded;
use http::Request;
use ledger::Cause;
use post_voucher::operate;
use sandbox::{Options, Sandbox};
use serde_json::Value;
use store::table::FUNCTIONS;
use store::{Key, SettlementItem, SettlementState, Table};
use tokio::task::LocalSet;

use trial::TestClock;

use crate::home::TestHome;
use crate::sandboxed::Bundles;
use defects::{Defect, Switched};
use history::{Company, Event, History, Second, Style, What};
use hub::{Hub, WorkerClock};
use lines::{Place, StoreLine, SystemLine};

/// When all simulations begin.
const BEGIN: &str = "2026-11-08T06:00:00Z";

/// The day of the first payout: some lie in one month and some in the next, and few days are without.
const FIRST: NaiveDate = NaiveDate::from_ymd_opt(2026, 10, 28).unwrap();

/// The longest that everything may take once nothing goes wrong any more.
const PATIENCE: Second = 14 * 24 * 3600;

/// The longest that a worker waits before it asks again what is due.
const IDLE: Duration = Duration::minutes(10);

/// A day, and what a look at its end may take.
const DAY: Second = 26 * 3600;

/// The longest until a look that a person asked for is over, once nothing goes wrong any more.
const LOOKED_BACK: Second = 6 * 3600;

/// How long one piece of looking or fetching may go on, as in production.
const PIECE: StdDuration = StdDuration::from_secs(30);

/// What became of a simulation.
#[derive(Debug, Default)]
pub struct Report {
    /// What is wrong; empty if nothing is.
    pub wrong: Vec<String>,
    /// How often what was injected.
    pub injected: BTreeMap<String, u64>,
    /// How long it went on, in virtual time.
    pub lasted: StdDuration,
    /// Calls of workers to the store and the systems.
    pub calls: u64,
    /// Vouchers in the books at the end.
    pub vouchers: usize,
    /// The same for the same calls at the same times.
    pub trace: u64,
    /// A line for each call, if that was wanted.
    pub log: Vec<String>,
    /// What the first worker called while things could go wrong, by function and what the call is.
    pub called: Vec<String>,
    /// The trail of what is wrong.
    pub trail: String,
}

/// Runs a history to its end. With `logs` every call is told.
pub fn simulate(history: &History, defect: Option<Defect>, logs: bool) -> Report {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    LocalSet::new().block_on(&runtime, async {
        let simulation = Arc::new(Simulation::new(history, defect, logs).await);
        Arc::clone(&simulation).run().await
    })
}

/// The smallest part of a history that still goes wrong, found by leaving out one thing after another.
pub fn shrink(history: &History, defect: Option<Defect>) -> History {
    let fails = |history: &History| !simulate(history, defect, false).wrong.is_empty();
    let mut smallest = history.clone();
    loop {
        let before = smallest.clone();
        for at in (0..smallest.events.len()).rev() {
            let mut smaller = smallest.clone();
            smaller.events.remove(at);
            if fails(&smaller) {
                smallest = smaller;
            }
        }
        for company in 0..smallest.companies.len() {
            for payouts in 1..smallest.companies[company].payouts {
                let mut smaller = smallest.clone();
                smaller.companies[company].payouts = payouts;
                if fails(&smaller) {
                    smallest = smaller;
                    break;
                }
            }
            let mut smaller = smallest.clone();
            smaller.companies[company].unsound = false;
            smaller.companies[company].style = Style::default();
            smaller.companies[company].visible_after = 0;
            if fails(&smaller) {
                smallest = smaller;
            }
        }
        if smallest.workers > 1 && smallest.events.iter().all(|event| event.worker().is_none()) {
            let smaller = History { workers: 1, ..smallest.clone() };
            if fails(&smaller) {
                smallest = smaller;
            }
        }
        if (&smallest.events, smallest.workers) == (&before.events, before.workers) {
            return smallest;
        }
    }
}

impl Event {
    /// The worker that it happens to.
    fn worker(&self) -> Option<usize> {
        match self.what {
            What::Crash { worker, .. }
            | What::Lose { worker, .. }
            | What::Stall { worker, .. }
            | What::Clock { worker, .. } => Some(worker),
            _ => None,
        }
    }
}

/// A company under way.
struct Running {
    plan: Company,
    /// Every mapping file that was ever in force.
    configs: Mutex<Vec<String>>,
    port: u16,
    /// Settlements of which a row was amended, with the postings by role that were right before.
    amended: Mutex<BTreeMap<String, Value>>,
}

/// When what is due for which function.
type Due = Arc<[(DateTime<Utc>, String, Key)]>;

/// The table at some time.
type Snapshot = Vec<HashMap<String, AttributeValue>>;

struct Simulation {
    history: History,
    defect: Option<Arc<Switched>>,
    home: TestHome,
    store: Embedded,
    hub: Arc<Hub>,
    places: Arc<Vec<Place>>,
    companies: Vec<Running>,
    secrets: Arc<Bundles>,
    /// Sees everything as it is: no trouble, no latency, no defect.
    oracle: World,
    /// How fast each worker's clock goes.
    fast: Vec<Arc<AtomicI64>>,
    /// Workers may not begin before this second.
    closed_until: Mutex<Second>,
    restart_after: Mutex<Vec<Second>>,
    snapshots: Mutex<Vec<(Second, Snapshot)>>,
    /// What the first worker called until nothing went wrong any more.
    called: Mutex<Vec<String>>,
    /// What is due, as it was after so many writes.
    due: Mutex<Option<(u64, Due)>>,
    /// Connections that were looked at to the end since nothing goes wrong any more.
    looked: Mutex<BTreeSet<String>>,
    /// Settlements that do not add up and were fetched once more since then.
    retried: Mutex<BTreeSet<String>>,
    wrong: Mutex<Vec<String>>,
}

/// A worker with its world.
struct Worker {
    number: usize,
    world: World,
    dispatched: Arc<Dispatched>,
}

impl Simulation {
    async fn new(history: &History, defect: Option<Defect>, logs: bool) -> Simulation {
        let home = TestHome::in_memory(BEGIN);
        let hub = Arc::new(Hub::new(history.seed, Arc::clone(&home.clock), history.workers, logs));
        let store = home.store();
        let (oracle, _) = home.world_named(
            SharedHttpClient::new(store.http_client()),
            "oracle",
            Arc::<TestClock>::clone(&home.clock),
            RetryConfig::disabled(),
        );
        Table::of(&oracle).create_if_missing().await.unwrap();
        let (mut companies, mut places, mut bundles) = (Vec::new(), Vec::new(), toml::Table::new());
        for (number, plan) in history.companies.iter().enumerate() {
            let port = 4010 + u16::try_from(number).unwrap();
            let sandbox = Sandbox::new(options(history.seed, number, plan));
            let files = sandbox::home_from(&format!("http://127.0.0.1:{port}"), FIRST);
            let secrets: toml::Table = files.secrets_toml.parse().unwrap();
            bundles.insert(plan.id.clone(), secrets[sandbox::COMPANY].clone());
            places.push(Place { port, sandbox: Mutex::new(sandbox) });
            companies.push(Running {
                plan: plan.clone(),
                configs: Mutex::default(),
                port,
                amended: Mutex::default(),
            });
        }
        let secrets = Arc::new(Bundles::of(bundles));
        let simulation = Simulation {
            history: history.clone(),
            defect: defect.map(|defect| Arc::new(Switched::on(defect))),
            store,
            hub,
            places: Arc::new(places),
            companies,
            oracle: oracle
                .trusting(Arc::<Bundles>::clone(&secrets), Arc::new(KeyFile::of(&[7; 32]).unwrap())),
            secrets,
            fast: (0..history.workers).map(|_| Arc::default()).collect(),
            closed_until: Mutex::new(0),
            restart_after: Mutex::new(vec![0; history.workers]),
            snapshots: Mutex::default(),
            called: Mutex::default(),
            due: Mutex::default(),
            looked: Mutex::default(),
            retried: Mutex::default(),
            wrong: Mutex::default(),
            home,
        };
        for company in &simulation.companies {
            simulation.configure(company, Some(company.plan.style)).await;
        }
        simulation
    }

    /// One worker with a name that no other has.
    fn worker(&self, number: usize, life: usize) -> Worker {
        let line = StoreLine {
            store: self.store.clone(),
            hub: Arc::clone(&self.hub),
            worker: number,
            defect: self.defect.clone(),
        };
        let clock = WorkerClock { clock: Arc::clone(&self.home.clock), fast: Arc::clone(&self.fast[number]) };
        let (world, dispatched) = self.home.world_named(
            SharedHttpClient::new(line),
            &format!("worker{number}-{life}"),
            Arc::new(clock),
            RetryConfig::standard(),
        );
        let systems = SystemLine {
            places: Arc::clone(&self.places),
            hub: Arc::clone(&self.hub),
            worker: number,
            defect: self.defect.clone(),
        };
        let secrets: Arc<dyn Secrets> = Arc::<Bundles>::clone(&self.secrets);
        let world = world
            .reaching(Arc::new(systems), Hosts::Loopback)
            .trusting(secrets, Arc::new(KeyFile::of(&[7; 32]).unwrap()));
        Worker { number, world, dispatched }
    }

    async fn run(self: Arc<Simulation>) -> Report {
        let begun = tokio::time::Instant::now();
        let mut lanes = Vec::new();
        for number in 0..self.history.workers {
            lanes.push(tokio::task::spawn_local(Arc::clone(&self).lane(number)));
        }
        self.storm().await;
        self.calm().await;
        for lane in &lanes {
            lane.abort();
        }
        self.look_again().await;
        let mut wrong = std::mem::take(&mut *self.wrong.lock().unwrap());
        let (found, trail) = checker::check(&self).await;
        wrong.extend(found);
        let vouchers = (0..self.companies.len()).map(|number| self.vouchers(number).len()).sum();
        Report {
            wrong,
            injected: self.hub.injected(),
            lasted: begun.elapsed(),
            calls: self.hub.calls(),
            vouchers,
            trace: self.hub.trace(),
            log: self.hub.log(),
            called: std::mem::take(&mut *self.called.lock().unwrap()),
            trail,
        }
    }

    /// Ends the faults of a company's systems, and counts those that happened.
    fn end_faults(&self, company: usize) {
        let happened = self.control(company, "GET", "faults", &Value::Null);
        for (kind, count) in happened["happened"].as_object().unwrap() {
            self.hub.count_more(&format!("system: {kind}"), count.as_u64().unwrap());
        }
        self.control(company, "DELETE", "faults", &Value::Null);
    }

    fn control(&self, company: usize, method: &str, path: &str, body: &Value) -> Value {
        let mut sandbox = self.places[company].sandbox.lock().unwrap();
        control(&mut sandbox, self.hub.now(), method, path, body)
    }

    fn payouts(&self, company: usize) -> Vec<Value> {
        self.control(company, "GET", "payouts", &Value::Null)["payouts"].as_array().unwrap().clone()
    }

    fn vouchers(&self, company: usize) -> Vec<Value> {
        self.control(company, "GET", "vouchers", &Value::Null)["vouchers"].as_array().unwrap().clone()
    }

    fn is_wrong(&self, what: String) {
        self.hub.note(&what);
        self.wrong.lock().unwrap().push(what);
    }

    /// Everything that the history tells, at its time.
    async fn storm(&self) {
        enum Step<'h> {
            Remember,
            Happen(&'h What),
            Over(usize),
            Expire,
        }
        let mut steps: Vec<(Second, Step<'_>)> = Vec::new();
        for event in &self.history.events {
            if let What::Restore { back } = event.what {
                steps.push((event.at.saturating_sub(back), Step::Remember));
            }
            steps.push((event.at, Step::Happen(&event.what)));
            if let What::Systems { company, lasting, .. } = event.what {
                steps.push((event.at + lasting, Step::Over(company)));
            }
        }
        if self.defect.as_ref().is_some_and(|defect| defect.defect == Defect::RecordExpires) {
            steps.extend((1..self.history.storm / 1800).map(|half_hour| (half_hour * 1800, Step::Expire)));
        }
        steps.sort_by_key(|(at, _)| *at);
        for (at, step) in steps {
            self.until(at).await;
            match step {
                Step::Remember => {
                    let snapshot = self.snapshot().await;
                    self.snapshots.lock().unwrap().push((at, snapshot));
                }
                Step::Expire => {
                    self.expire().await;
                    self.hub.wrote();
                }
                Step::Over(company) => self.end_faults(company),
                Step::Happen(what) => {
                    self.hub.note(&format!("{what:?}"));
                    self.happen(at, what).await;
                    self.hub.wrote();
                }
            }
        }
        self.until(self.history.storm).await;
        self.hub.peace();
        *self.called.lock().unwrap() = self.hub.called(0);
        for (number, company) in self.companies.iter().enumerate() {
            self.end_faults(number);
            let style = company.plan.style;
            self.configure(company, Some(style)).await;
        }
        self.hub.wrote();
        for (number, fast) in self.fast.iter().enumerate() {
            fast.store(0, Ordering::Relaxed);
            if number > 0 {
                self.hub.kill(number);
            }
        }
    }

    /// Deletes what was booked an hour ago: [`Defect::RecordExpires`].
    async fn expire(&self) {
        let (client, name) = (&self.oracle.dynamodb, &self.oracle.places.table);
        let old = (self.hub.now() - Duration::hours(1)).to_rfc3339();
        for mut item in self.snapshot().await {
            let text =
                |name: &str| item.get(name).and_then(|value| value.as_s().ok()).cloned().unwrap_or_default();
            let body: Value = serde_json::from_str(&text("body")).unwrap_or_default();
            let sent_at = body["sent_at"].as_str().unwrap_or_default().to_owned();
            if text("sk").starts_with("v#") && body["state"] == "posted" && sent_at < old {
                item.retain(|name, _| name == "pk" || name == "sk");
                client.delete_item().table_name(name).set_key(Some(item)).send().await.unwrap();
            }
        }
    }

    async fn until(&self, at: Second) {
        let now = self.hub.second();
        tokio::time::sleep(StdDuration::from_secs(at.saturating_sub(now))).await;
    }

    /// One worker after the other in one place.
    async fn lane(self: Arc<Simulation>, number: usize) {
        for life in 0.. {
            let opens = *self.closed_until.lock().unwrap();
            self.until(opens).await;
            let worker = self.worker(number, life);
            tokio::select! {
                biased;
                () = self.hub.death(number) => {}
                () = self.work(&worker) => {}
            }
            if self.hub.second() >= self.history.storm && number > 0 {
                return;
            }
            let back_after = std::mem::take(&mut self.restart_after.lock().unwrap()[number]);
            tokio::time::sleep(StdDuration::from_secs(back_after.max(1))).await;
        }
    }

    /// What is due, soonest first, as it really is.
    async fn due(&self) -> Due {
        let writes = self.hub.writes();
        let known = self.due.lock().unwrap().clone();
        if let Some((_, due)) = known.filter(|(of, _)| *of == writes) {
            return due;
        }
        let scan = self.oracle.dynamodb.scan().table_name(&self.oracle.places.table);
        let scan =
            scan.filter_expression("attribute_exists(due)").projection_expression("pk, sk, due, due_at");
        let page = scan.send().await.unwrap();
        assert!(page.last_evaluated_key().is_none(), "a simulation is small");
        let mut due: Vec<_> = (page.items().iter())
            .map(|item| {
                let text = |name: &str| item[name].as_s().unwrap().as_str();
                let function = text("due").split('#').nth(1).unwrap().to_owned();
                let key = Key { company: text("pk").to_owned(), item: text("sk").to_owned() };
                (text("due_at").parse().unwrap(), function, key)
            })
            .collect();
        due.sort();
        let due = Due::from(due);
        *self.due.lock().unwrap() = Some((writes, Due::clone(&due)));
        due
    }

    /// Takes what is due, for ever.
    async fn work(&self, worker: &Worker) {
        loop {
            let now = self.hub.now();
            let next = self.due().await.iter().map(|due| due.0 + self.patience(&due.2)).min();
            let next = next.unwrap_or(now + IDLE);
            let wait = (next - now).clamp(Duration::milliseconds(200), IDLE);
            let late = StdDuration::from_millis(self.hub.below(3_000));
            tokio::time::sleep(wait.to_std().unwrap() + late).await;
            if next > now + IDLE {
                continue;
            }
            let mut taken = self.dispatched(worker).await;
            self.hub.shuffle(&mut taken);
            for (function, key) in taken {
                let stormy = self.hub.second() < self.history.storm;
                if stormy && self.hub.chance(3) {
                    self.hub.count("an invocation is lost");
                    continue;
                }
                let times = if stormy && self.hub.chance(3) { 2 } else { 1 };
                if times == 2 {
                    self.hub.count("an invocation comes twice");
                }
                for _ in 0..times {
                    self.invoke(worker, &function, &key).await;
                }
            }
        }
    }

    /// What is handed over to work on: now and then by the dispatcher and its index, else as it really is, which is
    /// quicker.
    async fn dispatched(&self, worker: &Worker) -> Vec<(String, String)> {
        if self.hub.chance(3) {
            self.hub.enter(worker.number, "dispatch-due");
            // What is not handed over now stays due.
            let _ = dispatch_due::handle(&worker.world).await;
            return worker.dispatched.take();
        }
        let now = worker.world.clock.now();
        let due = self.due().await;
        let due = due.iter().filter(|due| due.0 <= now);
        due.map(|(_, function, key)| (function.clone(), key.to_string())).collect()
    }

    async fn invoke(&self, worker: &Worker, function: &str, key: &str) {
        let world = &worker.world;
        let known = FUNCTIONS.iter().find(|known| **known == function);
        self.hub.enter(worker.number, known.unwrap_or(&"unknown"));
        self.hub.note(&format!("{} {function} {key}", world.worker));
        // Unoptimised handlers need more room than a stack has.
        let done: Result<(), Error> = match function {
            "discover-payouts" => Box::pin(discover_payouts::handle(world, key, PIECE)).await.map(|looked| {
                if !looked.unfinished && self.hub.second() >= self.history.storm {
                    self.looked.lock().unwrap().insert(key.to_owned());
                }
            }),
            "fetch-settlement" => {
                Box::pin(fetch_settlement::handle(world, key, PIECE, &mut |_| {})).await.map(|_| ())
            }
            "post-voucher" => Box::pin(post_voucher::handle(world, key)).await.map(|_| ()),
            other => panic!("{key} is due for {other}"),
        };
        match done {
            Err(error) if error.kind == Kind::Bug => self.is_wrong(format!("{function} {key}: {error}")),
            Err(error) => self.hub.note(&format!("{} {function} {key}: {error}", world.worker)),
            Ok(()) => {}
        }
    }

    /// Nothing goes wrong any more: waits until all is done.
    async fn calm(&self) {
        // What comes back twice on a day does so on this one and the next.
        let days = self.history.events.iter().filter(|event| {
            matches!(
                event.what,
                What::Settle { .. } | What::Fail { .. } | What::Restore { .. } | What::Amend { .. }
            )
        });
        let days = days.count() as Second;
        let mut least = self.history.storm + if days == 0 { 3600 } else { days * DAY };
        let mut unasked: BTreeSet<usize> = (0..self.companies.len())
            .filter(|company| !self.companies[*company].amended.lock().unwrap().is_empty())
            .collect();
        loop {
            unasked.extend(self.mend().await);
            let second = self.hub.second();
            for company in std::mem::take(&mut unasked) {
                if !self.look_back(company).await {
                    unasked.insert(company);
                }
                least = least.max(second + LOOKED_BACK);
                self.hub.wrote();
            }
            let busy = self.busy().await;
            if busy.is_empty() && unasked.is_empty() && second >= least {
                return;
            }
            if second > self.history.storm + PATIENCE {
                return self.is_wrong(format!("not done in time: {}", busy.join(", ")));
            }
            tokio::time::sleep(StdDuration::from_secs(1800)).await;
        }
    }

    /// A person does what the remedy says: credentials work again, so what was held for them is released, and so is
    /// what was held since a row was amended; answers can be read again, so they are asked for. Gives the companies whose payouts have to be asked for once more.
    async fn mend(&self) -> Vec<usize> {
        let mut again = Vec::new();
        for (number, company) in self.companies.iter().enumerate() {
            let id = &company.plan.id;
            for read in Table::of(&self.oracle).list::<SettlementItem>(id, "s#").await.unwrap() {
                let SettlementState::Held(hold) = &read.body.state else { continue };
                let amended = company.amended.lock().unwrap().contains_key(&read.body.name.to_string());
                let (world, name, who, why) = (&self.oracle, &read.body.name, "kari", "it is mended");
                let done = match hold.cause {
                    Cause::DuplicateDiffers if !amended => continue,
                    Cause::Credentials | Cause::DuplicateDiffers => {
                        operate::release(world, id, name, who, why).await
                    }
                    Cause::Schema => operate::retry(world, id, name, who, why).await,
                    Cause::DoesNotAddUp if self.retried.lock().unwrap().insert(format!("{id}/{name}")) => {
                        operate::retry(world, id, name, who, why).await
                    }
                    _ => continue,
                };
                // Refused while somebody is at work on it: the next time, then.
                if done.is_ok() {
                    self.hub.count(&format!("a person ends what was held for {}", hold.cause));
                    self.hub.wrote();
                    if amended {
                        again.push(number);
                    }
                }
            }
        }
        again
    }

    /// How late something is begun. Once nothing goes wrong any more, looks for payouts come to nothing hour after hour;
    /// a few of them a day do as well.
    fn patience(&self, key: &Key) -> Duration {
        let looked = self.looked.lock().unwrap().contains(&key.to_string());
        if looked { Duration::hours(5) } else { Duration::zero() }
    }

    /// What is still worked on. Looks for payouts and for vouchers never end, but one for payouts is owed.
    async fn busy(&self) -> Vec<String> {
        let mut busy = Vec::new();
        for (_, _, key) in self.due().await.iter() {
            let owes = match key.item.as_bytes().first() {
                Some(b's') => true,
                Some(b'v') => self.owes_document(key).await,
                Some(b'n') => !self.looked.lock().unwrap().contains(&key.to_string()),
                _ => false,
            };
            if owes {
                busy.push(key.to_string());
            }
        }
        busy
    }

    async fn owes_document(&self, key: &Key) -> bool {
        let read = Table::of(&self.oracle).get::<store::VoucherItem>(key).await.unwrap();
        use store::item::Attachment;
        read.is_some_and(|read| {
            matches!(read.body.attachment, Some(Attachment::Owed { .. } | Attachment::Begun { .. }))
        })
    }

    /// The looks after hours and days for vouchers that were sent more than once.
    async fn look_again(&self) {
        let worker = self.worker(0, usize::MAX);
        for _ in 0..64 {
            let due = self.due().await;
            let Some((at, function, key)) = due.iter().find(|due| due.2.item.starts_with("v#")) else {
                return;
            };
            let wait = (*at - self.hub.now()).max(Duration::seconds(1));
            tokio::time::sleep(wait.to_std().unwrap()).await;
            self.invoke(&worker, function, &key.to_string()).await;
        }
        self.is_wrong("looks for vouchers do not end".to_owned());
    }
}

fn options(seed: u64, number: usize, plan: &Company) -> Options {
    Options {
        seed: seed.wrapping_mul(31).wrapping_add(number as u64),
        base_on: Some(FIRST),
        payouts: plan.payouts,
        first_shape: plan.first_shape,
        sound_only: !plan.unsound,
        visible_after: StdDuration::from_secs(plan.visible_after),
        ..Options::default()
    }
}

/// The mapping file of a company in a style.
fn config(company: &Running, style: Style) -> String {
    let files = sandbox::home_from(&format!("http://127.0.0.1:{}", company.port), FIRST);
    let mut text = files
        .config_toml
        .replace(&format!("id = \"{}\"", sandbox::COMPANY), &format!("id = \"{}\"", company.plan.id));
    let mut accounting = String::from("[accounting]\n");
    if style.drafts {
        accounting.push_str("post = \"draft\"\n");
    }
    if style.first_open {
        accounting.push_str("closed_period = \"first-open\"\n");
    }
    text = text.replace("[accounting]\n", &accounting);
    let mut connection = String::from("public_url = \"https://hooks.example.com\"\n");
    if style.transactions {
        connection.push_str("granularity = \"transaction\"\n");
    }
    if style.months {
        connection.push_str("cut_off = \"month\"\n");
    }
    for provider in ["stripe", "vipps-mobilepay"] {
        let line = format!("provider = \"{provider}\"\n");
        text = text.replace(&line, &format!("{line}{connection}"));
    }
    if style.other_fees {
        text = text.replace("\"7770\"", "\"7790\"");
    }
    text
}

fn ask(sandbox: &mut Sandbox, now: DateTime<Utc>, method: &str, path: &str, body: &Value) -> (u16, Value) {
    let body = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
    let request = Request::builder().method(method).uri(format!("/sandbox/{path}")).body(body).unwrap();
    let answer = sandbox.handle(now, &request).response;
    (answer.status().as_u16(), serde_json::from_slice(answer.body()).unwrap_or_default())
}

fn control(sandbox: &mut Sandbox, now: DateTime<Utc>, method: &str, path: &str, body: &Value) -> Value {
    let (status, answer) = ask(sandbox, now, method, path, body);
    assert_eq!(status, 200, "{method} {path}: {answer}");
    answer
}
