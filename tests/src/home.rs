//! Homes in temporary folders, and passes over them.

use std::collections::BTreeSet;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use bilag::home::Dispatched;
use bilag::status::Report;
use bilag::{Exit, Home, Out};
use check_config::Verdict;
use edge::{Clock, Error, Invoke, World};
use embedded::Embedded;
use ledger::{Name, Voucher};
use store::item::SettlementItem;
use store::{Key, Table, VoucherItem, bucket};
use trial::{Place, Transport};

use crate::Journal;

/// A mapping file of one company with a Stripe connection `shop` and a Vipps MobilePay connection `counter`, both
/// clearing, and an account for every role but `unallocated`. Tests change it by replacing text.
pub fn mapping(company: &str) -> String {
    format!(
        r#"[company]
id = "{company}"
name = "{company} AS"
country = "NO"
currency = "NOK"
time_zone = "Europe/Oslo"

[accounting]
system = "journal"

[connections.shop]
provider = "stripe"
start_on = 2024-01-01
book = "clearing"

[connections.counter]
provider = "vipps-mobilepay"
account = "548005"
start_on = 2024-01-01
book = "clearing"

[connections.counter.accounts]
sales_clearing = "1578"
provider_balance = "1571"

[accounts]
sales_clearing = "1579"
provider_balance = "1570"
in_transit = "1909"
provider_fee = {{ account = "7770", vat = "none" }}
fee_vat = "2711"
disputed = "1575"
held_by_provider = "1576"
own_transfer = "1960"
provider_loan = "2280"
other_income = "3990"
other_expense = "7790"
"#
    )
}

/// A home in a temporary folder.
#[derive(Debug)]
pub struct TestHome {
    place: Place,
}

impl Deref for TestHome {
    type Target = Place;

    fn deref(&self) -> &Place {
        &self.place
    }
}

impl Default for TestHome {
    fn default() -> TestHome {
        TestHome::new()
    }
}

impl TestHome {
    /// A home without any company.
    pub fn new() -> TestHome {
        TestHome::at(Place::new())
    }

    /// A home without any company whose clock runs with the test's runtime.
    pub fn running(from: &str) -> TestHome {
        TestHome::at(Place::running(from))
    }

    /// A home without any company whose clock runs with the test's runtime, in memory where the machine has files there.
    pub fn in_memory(from: &str) -> TestHome {
        TestHome::at(Place::in_memory(from))
    }

    fn at(place: Place) -> TestHome {
        std::fs::create_dir(place.path().join("config")).unwrap();
        TestHome { place }
    }

    /// A home with one company under the usual [`mapping`].
    pub fn of(company: &str) -> TestHome {
        let home = TestHome::new();
        home.config(company, &mapping(company));
        home
    }

    /// A copy of a demo home's configuration and inbox, without what a run may have left there.
    pub fn demo(name: &str) -> TestHome {
        let home = TestHome::new();
        let demo = demo_folder(name);
        for part in ["config", "inbox"] {
            copy(&demo.join(part), &home.path().join(part));
        }
        home
    }

    /// Writes a company's mapping file.
    pub fn config(&self, company: &str, text: &str) {
        std::fs::write(self.path().join("config").join(format!("{company}.toml")), text).unwrap();
    }

    /// Drops a file into `inbox/<to>`, for example `shop/webshop/january.csv`.
    pub fn drop_file(&self, to: &str, bytes: impl AsRef<[u8]>) {
        let path = self.path().join("inbox").join(to);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }

    /// Takes a file out of the inbox.
    pub fn take_away(&self, from: &str) {
        std::fs::remove_file(self.path().join("inbox").join(from)).unwrap();
    }

    /// Where a company's journal is.
    pub fn journal_path(&self, company: &str) -> PathBuf {
        self.path().join("out").join(company).join("journal.hledger")
    }

    /// A company's journal; empty if nothing was ever booked.
    pub fn journal(&self, company: &str) -> Journal {
        match std::fs::read_to_string(self.journal_path(company)) {
            Ok(text) => Journal::read(text),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Journal::default(),
            Err(error) => panic!("{error}"),
        }
    }

    /// Opens the home as the command line does.
    pub async fn open(&self) -> Home {
        Home::open(self.path(), false).await.unwrap()
    }

    /// One quiet pass over the home, as the command line opens it.
    pub async fn pass(&self) -> Pass {
        let home = self.open().await;
        let mut pass = pass(&home.world, &home.dispatched).await;
        let report = Report::read(&home).await.unwrap();
        pass.held = (report.held.iter())
            .map(|held| (format!("{}/{}", held.company, held.settlement), held.hold.cause.name()))
            .collect();
        pass.unreadable = (report.unreadable.iter())
            .map(|file| (file.file.clone(), format!("{}: {}", file.at, file.cause)))
            .collect();
        pass.waiting = (report.waiting.iter())
            .map(|(company, settlement, why)| (format!("{company}/{settlement}"), why.clone()))
            .collect();
        pass
    }

    /// Whether all vouchers, rebuilt from the archive, are those that were booked.
    pub async fn replays(&self) -> bool {
        let home = self.open().await;
        let exit = bilag::replay::replay(&home, Out { json: false }).await.unwrap();
        exit == Exit::Done
    }

    /// A settlement's item.
    pub async fn settlement(&self, company: &str, name: &str) -> SettlementItem {
        let home = self.open().await;
        settlement(&home.world, company, name).await
    }

    /// A settlement's voucher items, in key order.
    pub async fn vouchers(&self, company: &str, name: &str) -> Vec<VoucherItem> {
        let home = self.open().await;
        vouchers(&home.world, company, name).await
    }

    /// Gives the operator's command `release`.
    pub async fn release(&self, company: &str, name: &str) {
        let home = self.open().await;
        let name = Name::parse(name).unwrap();
        post_voucher::operate::release(&home.world, company, &name, "kari", "looked at it").await.unwrap();
    }

    /// Gives the operator's command `reverse`.
    pub async fn reverse(&self, company: &str, name: &str) -> Vec<Voucher> {
        let home = self.open().await;
        let name = Name::parse(name).unwrap();
        post_voucher::operate::reverse(&home.world, company, &name, "kari", "booked wrong")
            .await
            .unwrap()
            .vouchers
    }

    /// A world over a store: another worker, the clock of this home, the same journal.
    pub async fn world(&self, store: &Embedded, worker: &str) -> (World, Arc<Dispatched>) {
        let world = self.place.world(store, worker).await;
        dispatching(world)
    }

    /// A world over a line that loses calls. With `retries` the store's clients try again as they do in production,
    /// but at once.
    pub fn flaky_world(&self, line: &Transport, worker: &str, retries: bool) -> (World, Arc<Dispatched>) {
        dispatching(self.place.flaky_world(line, worker, retries))
    }

    /// A world of a worker whose name is its own, by its own clock.
    pub fn world_named(
        &self,
        http: SharedHttpClient,
        worker: &str,
        clock: Arc<dyn Clock>,
        retry: RetryConfig,
    ) -> (World, Arc<Dispatched>) {
        dispatching(self.place.world_named(http, worker, clock, retry))
    }
}

/// The same world, in which what is dispatched waits to be worked on.
fn dispatching(mut world: World) -> (World, Arc<Dispatched>) {
    let dispatched = Arc::new(Dispatched::default());
    let invoker: Arc<dyn Invoke> = Arc::<Dispatched>::clone(&dispatched);
    world.invoker = invoker;
    (world, dispatched)
}

/// A settlement's item.
pub async fn settlement(world: &World, company: &str, name: &str) -> SettlementItem {
    let key = Key::settlement(company, &Name::parse(name).unwrap());
    Table::of(world).get(&key).await.unwrap().unwrap_or_else(|| panic!("{company}/{name} is not known")).body
}

/// A settlement's voucher items, in key order.
pub async fn vouchers(world: &World, company: &str, name: &str) -> Vec<VoucherItem> {
    let prefix = Key::vouchers_of(&Name::parse(name).unwrap());
    let listed = Table::of(world).list(company, &prefix).await.unwrap();
    listed.into_iter().map(|read| read.body).collect()
}

/// The folder of a demo home.
pub fn demo_folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("homes").join(name)
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// What a pass came to.
#[derive(Debug, Default)]
pub struct Pass {
    /// The verdicts on the mapping files.
    pub verdicts: Vec<Verdict>,
    /// The vouchers that this pass booked.
    pub vouchers: Vec<Voucher>,
    /// What failed; everything else went on.
    pub failed: Vec<Error>,
    /// `<company>/<settlement>` and cause of all that is held, of a pass over an opened home.
    pub held: Vec<(String, &'static str)>,
    /// Files that cannot be read, and why, of a pass over an opened home.
    pub unreadable: Vec<(String, String)>,
    /// `<company>/<settlement>` of all that waits, and for what, of a pass over an opened home.
    pub waiting: Vec<(String, String)>,
}

impl Pass {
    /// The references of the vouchers that this pass booked.
    pub fn booked(&self) -> Vec<String> {
        self.vouchers.iter().map(|voucher| voucher.reference.to_string()).collect()
    }

    /// The cause for which a settlement is held.
    pub fn held_for(&self, settlement: &str) -> Option<&'static str> {
        self.held.iter().find(|(name, _)| name == settlement).map(|(_, cause)| *cause)
    }

    /// Asserts that nothing is held, unreadable or failed.
    ///
    /// # Panics
    ///
    /// If something is.
    pub fn clean(self) -> Pass {
        assert!(self.failed.is_empty() && self.held.is_empty() && self.unreadable.is_empty(), "{self:?}");
        self
    }
}

/// One pass over a world, as `bilag run` makes it: configurations, inbox, and whatever is due. What fails is noted,
/// the rest goes on.
pub async fn pass(world: &World, dispatched: &Dispatched) -> Pass {
    let mut pass = Pass::default();
    let configs = bucket::list(world, &world.places.config, "").await;
    for config in pass.note(configs).unwrap_or_default() {
        let verdict = check_config::handle(world, &config.key).await;
        if let Some(verdict) = pass.note(verdict) {
            pass.verdicts.push(verdict);
        }
    }
    let files = bucket::list(world, &world.places.inbox, "").await;
    for file in pass.note(files).unwrap_or_default() {
        let imported = import_file::handle(world, &file.key, &mut |_| {}).await;
        pass.note(imported);
    }
    let mut seen = BTreeSet::new();
    loop {
        let count = dispatch_due::handle(world).await;
        pass.note(count);
        let due: Vec<(String, String)> =
            dispatched.take().into_iter().filter(|due| seen.insert(due.clone())).collect();
        if due.is_empty() {
            return pass;
        }
        for (function, key) in due {
            assert_eq!(function, "post-voucher", "{key}");
            let posted = post_voucher::handle(world, &key).await;
            if let Some(posted) = pass.note(posted) {
                pass.vouchers.extend(posted.vouchers);
            }
        }
    }
}

impl Pass {
    fn note<T>(&mut self, result: Result<T, Error>) -> Option<T> {
        result.map_err(|error| self.failed.push(error)).ok()
    }
}
