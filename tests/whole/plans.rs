//! What becomes of a plan when the mapping changes before, while and after an accounting system says no.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use accounting::{Access, Catalogue, System};
use async_trait::async_trait;
use bilag_tests::home::{settlement, vouchers};
use bilag_tests::{Stripe, TestHome, mapping, pass};
use chrono::Duration;
use edge::{Error, World};
use embedded::Embedded;
use ledger::{Cause, Hold, Name, Voucher};
use post_voucher::operate;
use store::posting::{self, Answer, Doubt, Found, Outbox};
use store::{Key, SettlementItem, Table, VoucherState};
use trial::{Loss, Transport};

type Refuse = fn(&Voucher) -> Option<Cause>;

/// An accounting system that says no to what it is told to.
struct Strict(Arc<Books>);

struct Books {
    refuse: Mutex<Refuse>,
    saved: Mutex<Vec<Voucher>>,
}

impl Strict {
    fn new(refuse: Refuse) -> &'static Strict {
        let books = Books { refuse: Mutex::new(refuse), saved: Mutex::default() };
        Box::leak(Box::new(Strict(Arc::new(books))))
    }

    /// From now on it takes everything.
    fn mend(&self) {
        *self.0.refuse.lock().unwrap() = |_| None;
    }

    /// The references in the books, each with the clearing account that it was booked to.
    fn booked(&self) -> Vec<(String, String)> {
        let saved = self.0.saved.lock().unwrap();
        let clearing = |voucher: &Voucher| {
            let posting = voucher.postings.iter().find(|posting| posting.account.ends_with("79")).unwrap();
            posting.account.clone()
        };
        saved.iter().map(|voucher| (voucher.reference.to_string(), clearing(voucher))).collect()
    }
}

impl System for Strict {
    fn name(&self) -> &'static str {
        "strict"
    }

    fn lines_max(&self) -> usize {
        1_000
    }

    fn needs_secret(&self) -> bool {
        false
    }

    fn has_drafts(&self) -> bool {
        false
    }

    fn open<'w>(&self, _: Access<'w>) -> Result<Box<dyn accounting::Books + 'w>, Error> {
        Ok(Box::new(Strict(Arc::clone(&self.0))))
    }
}

#[async_trait]
impl accounting::Books for Strict {
    async fn catalogue(&self) -> Result<Catalogue, Error> {
        Ok(Catalogue::default())
    }
}

#[async_trait]
impl Outbox for Strict {
    fn doubt(&self) -> Doubt {
        Doubt::Lookup { visible_after: Duration::zero() }
    }

    async fn send(&self, voucher: &Voucher) -> Answer {
        let refuse = *self.0.refuse.lock().unwrap();
        if let Some(cause) = refuse(voucher) {
            return Answer::NotWritten(Hold::new(cause, "the system says no", "change the mapping"));
        }
        self.0.saved.lock().unwrap().push(voucher.clone());
        Answer::Accepted { id: voucher.reference.to_string() }
    }

    async fn find(&self, voucher: &Voucher) -> Result<Found, Error> {
        let saved = self.0.saved.lock().unwrap();
        let same = saved.iter().filter(|known| known.reference == voucher.reference).count();
        let equal = saved.iter().filter(|known| *known == voucher).count();
        Ok(match (same, equal) {
            (0, _) => Found::Nothing,
            (1, 1) => Found::Ours { id: voucher.reference.to_string() },
            _ => Found::Differs(format!("{same} of them")),
        })
    }
}

/// A home, its store, and one pass after another over a scripted accounting system.
struct Stage {
    home: TestHome,
    store: Embedded,
    system: &'static Strict,
}

const PO_1: &str = "stripe:po_1";

impl Stage {
    /// One payout of sales in January and February.
    async fn new(config: &str, refuse: Refuse) -> Stage {
        let home = two_months(config);
        let store = home.store();
        home.world(&store, "maker").await;
        Stage { home, store, system: Strict::new(refuse) }
    }

    async fn world(&self) -> World {
        self.home.world(&self.store, "a").await.0
    }

    async fn pass(&self) {
        self.home.clock.forward(Duration::hours(1));
        let (world, dispatched) = self.home.world(&self.store, "a").await;
        check_config::handle(&world, "acme.toml").await.unwrap();
        import_file::handle(&world, "acme/shop/report.csv", &mut |_| {}).await.unwrap();
        dispatch_due::handle(&world).await.unwrap();
        let system: &'static dyn System = self.system;
        for (_, key) in dispatched.take() {
            post_voucher::handle_through(&world, &key, &move |_| Ok(system)).await.unwrap();
        }
    }

    async fn item(&self) -> SettlementItem {
        settlement(&self.world().await, "acme", PO_1).await
    }

    async fn states(&self) -> Vec<(String, VoucherState)> {
        let listed = vouchers(&self.world().await, "acme", PO_1).await;
        listed.into_iter().map(|voucher| (voucher.text, voucher.state)).collect()
    }

    async fn retry(&self) {
        let name = Name::parse(PO_1).unwrap();
        operate::retry(&self.world().await, "acme", &name, "kari", "mended").await.unwrap();
    }
}

fn by_month() -> String {
    mapping("acme").replacen("book = \"clearing\"", "book = \"clearing\"\ncut_off = \"month\"", 1)
}

fn two_months(config: &str) -> TestHome {
    let home = TestHome::new();
    home.config("acme", config);
    let report = Stripe::new()
        .payout("po_1")
        .sale("2026-01-30 10:00:00", "100.00", "3.00")
        .sale("2026-02-02 10:00:00", "50.00", "2.00")
        .paid("2026-02-04 12:00:00");
    home.drop_file("acme/shop/report.csv", report.csv());
    home
}

fn pair(reference: &str, account: &str) -> (String, String) {
    (reference.to_owned(), account.to_owned())
}

/// Plans by month and stops before anything is sent, as a worker that dies there does.
async fn planned_by_month(home: &TestHome, store: &Embedded) {
    let (world, _) = home.world(store, "dies").await;
    check_config::handle(&world, "acme.toml").await.unwrap();
    import_file::handle(&world, "acme/shop/report.csv", &mut |_| {}).await.unwrap();
    let (version, config) = check_config::in_force(&world, "acme").await.unwrap().unwrap();
    let item = settlement(&world, "acme", PO_1).await;
    let system = post_voucher::system_of(&config).unwrap();
    let planned = post_voucher::plan::vouchers(&world, &config, system, &item).await.unwrap().unwrap();
    assert_eq!(planned.len(), 2);
    for voucher in planned {
        posting::plan(&world, &voucher, &version).await.unwrap();
    }
}

#[tokio::test]
async fn parts_that_a_newer_plan_does_not_have_are_superseded_and_never_sent() {
    let stage = Stage::new(&by_month(), |_| None).await;
    planned_by_month(&stage.home, &stage.store).await;
    stage.home.config("acme", &mapping("acme"));
    stage.pass().await;
    assert_eq!(stage.system.booked(), [pair(PO_1, "1579")]);
    let superseded = (format!("{PO_1}:2/2"), VoucherState::Superseded);
    assert_eq!(stage.states().await, [(PO_1.to_owned(), VoucherState::Posted), superseded]);
    let world = stage.world().await;
    let stale = Key::parse("acme v#stripe##po_1#0001#settlement#0002").unwrap();
    let trail = Table::of(&world).trail(&stale).await.unwrap();
    assert_eq!(trail.last().unwrap().cause, "a newer plan has no such part");
    // Nothing brings it back.
    posting::walk(&world, stage.system, &stale).await.unwrap();
    stage.pass().await;
    assert_eq!(stage.system.booked().len(), 1);
}

#[tokio::test]
async fn a_plan_with_more_parts_again_revives_the_one_that_was_superseded() {
    let stage =
        Stage::new(&by_month(), |voucher| (voucher.reference.parts == 1).then_some(Cause::AccountRefused))
            .await;
    planned_by_month(&stage.home, &stage.store).await;
    stage.home.config("acme", &mapping("acme"));
    stage.pass().await;
    assert_eq!(stage.item().await.state.to_string(), "held(account-refused)");
    stage.home.config("acme", &by_month());
    stage.pass().await;
    let (first, second) = (format!("{PO_1}:1/2"), format!("{PO_1}:2/2"));
    assert_eq!(stage.system.booked(), [pair(&first, "1579"), pair(&second, "1579")]);
    assert_eq!(stage.states().await, [(first, VoucherState::Posted), (second, VoucherState::Posted)]);
}

#[tokio::test]
async fn a_crash_anywhere_while_a_plan_replaces_another_books_the_payout_once() {
    let stop = |number: Option<usize>, loss: Loss| async move {
        let home = two_months(&by_month());
        let store = home.store();
        planned_by_month(&home, &store).await;
        home.config("acme", &mapping("acme"));
        check_config::handle(&home.world(&store, "maker").await.0, "acme.toml").await.unwrap();
        home.clock.forward(Duration::hours(1));
        // Reads that fail change nothing: the calls that write are enough.
        let mut writes = 0;
        let count = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&count);
        let line = Transport::new(store.clone(), move |call| {
            writes += usize::from(call.writes());
            counted.store(writes, Ordering::Relaxed);
            (call.writes() && Some(writes) == number).then_some(loss)
        });
        let (world, dispatched) = home.flaky_world(&line, "a", false);
        pass(&world, &dispatched).await;
        home.clock.forward(Duration::hours(1));
        let (world, dispatched) = home.world(&store, "b").await;
        assert!(pass(&world, &dispatched).await.failed.is_empty());
        assert_eq!(home.journal("acme").references(), [PO_1], "{number:?} {loss:?}");
        let states: Vec<VoucherState> =
            vouchers(&world, "acme", PO_1).await.into_iter().map(|voucher| voucher.state).collect();
        assert_eq!(states, [VoucherState::Posted, VoucherState::Superseded], "{number:?} {loss:?}");
        count.load(Ordering::Relaxed)
    };
    let count = stop(None, Loss::Before).await;
    assert!(count > 5, "{count}");
    for number in 1..=count {
        stop(Some(number), Loss::Before).await;
        stop(Some(number), Loss::After).await;
    }
}

#[tokio::test]
async fn a_refused_account_that_is_mended_in_the_mapping_posts_under_the_same_reference() {
    let refuse: Refuse = |voucher| {
        let has = |account: &str| voucher.postings.iter().any(|posting| posting.account == account);
        has("1579").then_some(Cause::AccountRefused)
    };
    let stage = Stage::new(&mapping("acme"), refuse).await;
    stage.pass().await;
    let item = stage.item().await;
    assert_eq!(item.state.to_string(), "held(account-refused)");
    assert_eq!((item.config, item.planned_as), (None, None));
    // Tried again under the same mapping, it is refused again.
    stage.retry().await;
    stage.pass().await;
    assert_eq!(stage.item().await.state.to_string(), "held(account-refused)");
    stage.home.config("acme", &mapping("acme").replace("\"1579\"", "\"1679\""));
    stage.pass().await;
    assert_eq!(stage.system.booked(), [pair(PO_1, "1679")]);
    assert_eq!(stage.states().await, [(PO_1.to_owned(), VoucherState::Posted)]);
    let (item, world) = (stage.item().await, stage.world().await);
    assert_eq!(
        item.config,
        check_config::in_force(&world, "acme").await.unwrap().map(|(version, _)| version)
    );
}

#[tokio::test]
async fn a_refused_account_that_is_mended_in_the_accounting_system_posts_on_retry() {
    let stage = Stage::new(&by_month(), |_| Some(Cause::VatRefused)).await;
    stage.pass().await;
    assert_eq!(stage.item().await.state.to_string(), "held(vat-refused)");
    let second = stage.states().await.pop().unwrap();
    assert_eq!(second.1, VoucherState::Superseded, "its plan was given up");
    stage.system.mend();
    stage.pass().await;
    assert!(stage.system.booked().is_empty(), "nobody has said that it is mended");
    stage.retry().await;
    stage.pass().await;
    let references: Vec<String> = stage.system.booked().into_iter().map(|(reference, _)| reference).collect();
    assert_eq!(references, [format!("{PO_1}:1/2"), format!("{PO_1}:2/2")]);
}

#[tokio::test]
async fn once_a_part_is_booked_the_mapping_stays_pinned_and_the_remedy_says_so() {
    let stage =
        Stage::new(&by_month(), |voucher| (voucher.reference.part == 2).then_some(Cause::AccountRefused))
            .await;
    stage.pass().await;
    let item = stage.item().await;
    let store::SettlementState::Held(hold) = &item.state else { panic!("{}", item.state) };
    assert!(hold.remedy.contains("stripe:po_1:1/2 is posted already"), "{hold}");
    assert!(item.config.is_some());
    stage.home.config("acme", &by_month().replace("\"1579\"", "\"1679\""));
    stage.pass().await;
    assert_eq!(stage.item().await.state.to_string(), "held(account-refused)");
    stage.system.mend();
    stage.retry().await;
    stage.pass().await;
    let (first, second) = (format!("{PO_1}:1/2"), format!("{PO_1}:2/2"));
    assert_eq!(stage.system.booked(), [pair(&first, "1579"), pair(&second, "1579")]);
    assert_eq!(stage.item().await.state.to_string(), "posted");
}
