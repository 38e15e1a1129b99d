//! The Tripletex connector against a strict company behind the transport, alone and through the posting protocol.

use std::sync::Arc;

use accounting::{Access, Books};
use bilag_tests::home::TestHome;
use bilag_tests::tripletex::{BASE, Trick, Tripletex, problem};
use chrono::Duration;
use edge::config::Config;
use edge::http::Hosts;
use edge::secret::SecretsFile;
use edge::vault::KeyFile;
use edge::{Kind as ErrorKind, World};
use embedded::Embedded;
use ledger::{Cause, Currency, Kind, Name, Posting, Purpose, Reference, Role, Side, Voucher};
use rust_decimal::Decimal;
use serde_json::{Value, json};
use store::posting::{self, Answer, Found, LEASE, Outcome};
use store::{Key, Table, VoucherItem, VoucherState};

const COMPANY: &str = "nordlys";
const POST: &str = "POST /ledger/voucher?";
const SEARCH: &str = "GET /ledger/voucher/%3EexternalVoucherNumber";

struct Shop {
    home: TestHome,
    ledger: Arc<Tripletex>,
    world: World,
    config: Config,
    _store: Embedded,
}

impl Shop {
    async fn new(settings: &str) -> Shop {
        Shop::with_secret(settings, "employee-x").await
    }

    async fn with_secret(settings: &str, employee_token: &str) -> Shop {
        let home = TestHome::new();
        let secrets = home.path().join("secrets.toml");
        let text = format!(
            "[nordlys.tripletex]\nconsumer_token = \"consumer-x\"\nemployee_token = \"{employee_token}\"\n"
        );
        std::fs::write(&secrets, text).unwrap();
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            std::fs::set_permissions(&secrets, std::fs::Permissions::from_mode(0o600)).unwrap();
        }
        let ledger = Tripletex::new(&home.clock);
        let store = home.store();
        let (world, _) = home.world(&store, "one").await;
        let world = world
            .reaching(Arc::<Tripletex>::clone(&ledger), Hosts::Loopback)
            .trusting(Arc::new(SecretsFile(secrets)), Arc::new(KeyFile::of(&[7; 32]).unwrap()));
        let text = bilag_tests::mapping(COMPANY).replace(
            "system = \"journal\"",
            &format!("system = \"tripletex\"\nsecret = \"tripletex\"\nbase_url = \"{BASE}\"\n{settings}"),
        );
        let (config, _) = check_config::judge("nordlys.toml", text.as_bytes()).unwrap();
        Shop { home, ledger, world, config, _store: store }
    }

    async fn books(&self) -> Box<dyn Books + '_> {
        // Opening takes a batch of the calls that are allowed.
        self.home.clock.forward(Duration::seconds(2));
        let (company, settings) = (&self.config.company, &self.config.accounting);
        let secret = Some(self.world.secrets.entry(&company.id, "tripletex").await.unwrap());
        let access = Access { world: &self.world, company, settings, secret };
        accounting::find("tripletex").unwrap().open(access).unwrap()
    }

    async fn send(&self, voucher: &Voucher) -> Answer {
        self.books().await.send(voucher).await
    }

    async fn find(&self, voucher: &Voucher) -> Found {
        self.books().await.find(voucher).await.unwrap()
    }

    /// One walk through the protocol.
    async fn walk(&self, voucher: &Voucher) -> Outcome {
        posting::plan(&self.world, voucher, "v1").await.unwrap();
        let key = Key::voucher(COMPANY, &voucher.reference);
        posting::walk(&self.world, self.books().await.as_ref(), &key).await.unwrap()
    }

    async fn state(&self, voucher: &Voucher) -> VoucherState {
        let key = Key::voucher(COMPANY, &voucher.reference);
        Table::of(&self.world).get::<VoucherItem>(&key).await.unwrap().unwrap().body.state
    }

    fn saved(&self) -> usize {
        self.ledger.with(|state| state.vouchers.len())
    }

    /// Lets doubt grow old enough.
    fn wait(&self) {
        self.home.clock.forward(LEASE + Duration::minutes(11));
    }
}

fn voucher(id: &str, fee: (&str, &str)) -> Voucher {
    let posting = |side, minor: i64, account: &str, vat: &str, role| Posting {
        side,
        amount: Decimal::new(minor, 2),
        account: account.to_owned(),
        vat: vat.to_owned(),
        department: None,
        project: None,
        text: format!("Stripe {id}"),
        role,
        kind: Kind::Sale,
        fee_type: None,
        rule: None,
        rows: 1,
    };
    Voucher {
        company: COMPANY.to_owned(),
        reference: Reference {
            settlement: Name { provider: "stripe".to_owned(), scope: String::new(), id: id.to_owned() },
            purpose: Purpose::Settlement,
            revision: 1,
            part: 1,
            parts: 1,
        },
        on: "2026-01-20".parse().unwrap(),
        currency: Currency::parse("NOK").unwrap(),
        text: format!("Stripe payout {id}"),
        corrects: None,
        postings: vec![
            posting(Side::Debit, 97_150, "1909", "none", Role::InTransit),
            posting(Side::Debit, 2_850, fee.0, fee.1, Role::ProviderFee),
            posting(Side::Credit, 100_000, "1579", "none", Role::SalesClearing),
        ],
    }
}

fn plain(id: &str) -> Voucher {
    voucher(id, ("7770", "none"))
}

fn cause(answer: Answer) -> Cause {
    match answer {
        Answer::NotWritten(hold) => hold.cause,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_voucher_costs_a_look_up_a_post_and_a_document() {
    let shop = Shop::new("").await;
    for id in ["po_1", "po_2"] {
        assert_eq!(shop.walk(&plain(id)).await, Outcome::Posted);
    }
    let calls = shop.ledger.calls();
    let periods = calls.iter().filter(|call| call.contains("accountingPeriod")).count();
    assert_eq!(periods, 1, "{calls:?}");
    assert_eq!(shop.ledger.count(SEARCH), 2, "{calls:?}");
    assert_eq!(shop.ledger.count(POST), 2, "{calls:?}");
    assert_eq!(calls.len(), 5, "{calls:?}");
    for once in ["POST /token", "GET /ledger/account?", "GET /ledger/vatType", "GET /ledger/annual"] {
        assert_eq!(shop.ledger.count(once), 1, "{once}");
    }
    assert!(shop.ledger.calls()[2].contains("sendToLedger=true"), "{calls:?}");
    let sent = shop.ledger.with(|state| state.sent[0].clone());
    assert!(sent.contains("\"amountGross\":971.50") && sent.contains("\"amountGross\":-1000.00"), "{sent}");
    assert_eq!(shop.walk(&plain("po_1")).await, Outcome::AlreadyPosted);
    assert_eq!(shop.saved(), 2);
}

#[tokio::test]
async fn fault_036_nothing_is_sent_when_what_comes_before_took_too_long() {
    for slow in ["GET /ledger/account?", "GET /ledger/accountingPeriod", "POST /token"] {
        let shop = Shop::new("").await;
        shop.ledger.trick(slow, Trick::Slow(20));
        assert!(matches!(shop.send(&plain("po_1")).await, Answer::Later { .. }), "{slow}");
        assert_eq!(shop.ledger.count(POST), 0, "{slow}");
        assert!(matches!(shop.send(&plain("po_1")).await, Answer::Accepted { .. }), "{slow}");
    }
    // A refused session that is slow to renew is not sent again either.
    let shop = Shop::new("").await;
    shop.ledger.trick(POST, Trick::Say(401, &[], problem(401, 3000, "", "")));
    assert!(matches!(shop.send(&plain("po_1")).await, Answer::Accepted { .. }));
    shop.ledger.trick(POST, Trick::Say(401, &[], problem(401, 3000, "", "")));
    shop.ledger.trick("POST /token", Trick::Slow(20));
    assert!(matches!(shop.send(&plain("po_2")).await, Answer::Later { .. }));
}

#[tokio::test]
async fn fault_034_a_document_is_attached_and_seen() {
    let shop = Shop::new("").await;
    let Answer::Accepted { id } = shop.send(&plain("po_1")).await else { panic!() };
    let books = shop.books().await;
    assert!(books.takes_documents());
    assert!(!books.has_document(&id).await.unwrap());
    shop.ledger.trick("POST /ledger/voucher/", Trick::LoseAfter);
    assert_eq!(books.attach(&id, b"%PDF-1.7".to_vec()).await.unwrap_err().kind, ErrorKind::Retry);
    assert!(books.has_document(&id).await.unwrap());
    shop.ledger.end_session();
    books.attach(&id, b"%PDF-1.7".to_vec()).await.unwrap();
    assert_eq!(shop.ledger.with(|state| state.documents.len()), 2);
    shop.ledger.trick("POST /ledger/voucher/", Trick::Say(403, &[], problem(403, 9000, "", "")));
    let error = books.attach(&id, b"%PDF-1.7".to_vec()).await.unwrap_err();
    assert!(error.kind == ErrorKind::Permission && error.to_string().contains("Voucher (write)"), "{error}");
    let gone = books.attach("99", b"%PDF-1.7".to_vec()).await.unwrap_err();
    assert!(gone.to_string().contains("tlx-7"), "{gone}");
}

#[tokio::test]
async fn fault_001_an_answer_that_is_lost_after_saving_is_found_by_the_reference() {
    for trick in [
        Trick::LoseAfter,
        Trick::SayAfter(502, String::new()),
        Trick::SayAfter(500, "<!DOCTYPE html><title>Feilsituasjon - Tripletex</title>".to_owned()),
        Trick::SayAfter(201, "{\"value\":{\"id\":60".to_owned()),
        Trick::SayAfter(200, "<html>Logg inn</html>".to_owned()),
        Trick::SayAfter(409, problem(409, 14000, "", "Duplicate entry")),
    ] {
        let shop = Shop::new("").await;
        shop.ledger.trick(POST, trick.clone());
        let po = plain("po_1");
        assert!(matches!(shop.walk(&po).await, Outcome::Later(_)), "{trick:?}");
        assert_eq!(shop.state(&po).await, VoucherState::Unknown(1), "{trick:?}");
        assert_eq!(shop.walk(&po).await, Outcome::Posted, "{trick:?}");
        assert_eq!(shop.saved(), 1, "{trick:?}");
    }
}

#[tokio::test]
async fn fault_004_what_never_arrived_is_sent_again_only_past_the_delay_of_look_ups() {
    for trick in [
        Trick::LoseBefore,
        Trick::Say(503, &[], String::new()),
        Trick::Say(500, &[], "<!DOCTYPE html>".to_owned()),
        Trick::Say(302, &[("location", "https://elsewhere.example/")], String::new()),
    ] {
        let shop = Shop::new("").await;
        shop.ledger.trick(POST, trick.clone());
        let po = plain("po_1");
        assert!(matches!(shop.walk(&po).await, Outcome::Later(_)), "{trick:?}");
        shop.home.clock.forward(Duration::minutes(1));
        assert!(matches!(shop.walk(&po).await, Outcome::Later(_)), "{trick:?}");
        assert_eq!(shop.ledger.count(POST), 1, "{trick:?}");
        shop.wait();
        assert_eq!(shop.walk(&po).await, Outcome::Posted, "{trick:?}");
        let sent = shop.ledger.with(|state| state.sent.clone());
        assert_eq!(shop.saved(), 1, "{sent:?}");
    }
}

#[tokio::test]
async fn fault_005_no_status_without_a_listed_code_says_that_nothing_was_saved() {
    let shop = Shop::new("").await;
    for status in [301, 307, 400, 403, 404, 408, 409, 410, 422, 500, 502, 503, 504] {
        shop.ledger.trick(POST, Trick::Say(status, &[], String::new()));
        assert_eq!(shop.send(&plain("po_1")).await, Answer::Unknown, "{status}");
    }
    shop.ledger.trick(POST, Trick::Unreached);
    assert!(matches!(shop.send(&plain("po_1")).await, Answer::Later { .. }));
}

#[tokio::test]
async fn fault_007_too_many_calls_wait_as_long_as_the_answer_says_or_a_minute() {
    for (headers, seconds) in [
        (&[("retry-after", "17")][..], 17),
        (&[("x-rate-limit-remaining", "0"), ("x-rate-limit-reset", "23")][..], 23),
        (&[][..], 60),
    ] {
        let shop = Shop::new("").await;
        let (po, other) = (plain("po_1"), plain("po_2"));
        shop.ledger.trick(POST, Trick::Say(429, headers, String::new()));
        assert_eq!(shop.walk(&po).await, Outcome::Later(Duration::seconds(seconds)), "{headers:?}");
        assert_eq!(shop.state(&po).await, VoucherState::Planned);
        // Everyone with this token waits, and what waits is not lost.
        if !headers.is_empty() {
            let error = shop.books().await.find(&other).await.unwrap_err();
            assert_eq!(error.kind, ErrorKind::Retry, "{error}");
        }
        shop.home.clock.forward(Duration::seconds(seconds) + LEASE);
        assert_eq!(shop.walk(&po).await, Outcome::Posted);
        assert_eq!(shop.saved(), 1);
    }
}

#[tokio::test]
async fn a_quota_that_is_used_up_stops_calls_before_they_are_refused() {
    let shop = Shop::new("").await;
    shop.find(&plain("po_1")).await;
    shop.ledger
        .with(|state| state.headers = vec![("x-rate-limit-remaining", "0"), ("x-rate-limit-reset", "40")]);
    shop.find(&plain("po_1")).await;
    let calls = shop.ledger.calls().len();
    let error = shop.books().await.find(&plain("po_1")).await.unwrap_err();
    assert!(error.after.is_some_and(|wait| wait.as_secs() > 30), "{error}");
    assert_eq!(shop.ledger.calls().len(), calls);
}

#[tokio::test]
async fn fault_010_a_session_that_ends_in_the_middle_is_renewed_once() {
    let shop = Shop::new("").await;
    assert_eq!(shop.walk(&plain("po_1")).await, Outcome::Posted);
    shop.ledger.end_session();
    assert_eq!(shop.walk(&plain("po_2")).await, Outcome::Posted);
    assert_eq!(shop.ledger.count("POST /token"), 2);
    // Within a send: the answer 401 says that nothing was saved.
    shop.ledger.trick(POST, Trick::Say(401, &[], problem(401, 3000, "", "")));
    assert_eq!(shop.walk(&plain("po_3")).await, Outcome::Posted);
    assert_eq!(shop.ledger.count("POST /token"), 3);
    for _ in 0..2 {
        shop.ledger.trick(POST, Trick::Say(401, &[], problem(401, 3000, "", "")));
    }
    assert_eq!(cause(shop.send(&plain("po_4")).await), Cause::Credentials);
    for _ in 0..2 {
        shop.ledger.trick(SEARCH, Trick::Say(401, &[], problem(401, 3000, "", "")));
    }
    let error = shop.books().await.find(&plain("po_4")).await.unwrap_err();
    assert!(error.kind == ErrorKind::Auth && error.to_string().contains("tlx-7"), "{error}");
    assert_eq!(shop.saved(), 3);
}

#[tokio::test]
async fn fault_111_a_session_is_replaced_before_midnight_and_a_revoked_token_is_held() {
    let shop = Shop::new("").await;
    assert_eq!(shop.walk(&plain("po_1")).await, Outcome::Posted);
    // 06:00 UTC on the 10th: the session ends with the beginning of the 12th in Oslo, 23:00 UTC on the 11th.
    shop.home.clock.forward(Duration::minutes(40 * 60 + 44));
    assert_eq!(shop.walk(&plain("po_2")).await, Outcome::Posted);
    assert_eq!(shop.ledger.count("POST /token"), 1);
    shop.home.clock.forward(Duration::minutes(2));
    assert_eq!(shop.walk(&plain("po_3")).await, Outcome::Posted);
    assert_eq!(shop.ledger.count("POST /token"), 2);
    let revoked = Shop::with_secret("", "employee-old").await;
    let answer = revoked.send(&plain("po_1")).await;
    assert!(!format!("{answer:?}").contains("employee-old"), "{answer:?}");
    assert_eq!(cause(answer), Cause::Credentials);
    let error = revoked.books().await.catalogue().await.unwrap_err();
    assert!(error.kind == ErrorKind::Auth && error.to_string().contains("employee_token"), "{error}");
}

#[tokio::test]
async fn fault_011_a_missing_entitlement_is_named() {
    let shop = Shop::new("").await;
    let refused = || Trick::Say(403, &[], problem(403, 9000, "", "You do not have permission"));
    shop.ledger.trick(POST, refused());
    let Answer::NotWritten(hold) = shop.send(&plain("po_1")).await else { panic!() };
    assert!(hold.cause == Cause::Permission && hold.what.contains("Advanced Voucher"), "{hold}");
    assert!(hold.what.contains("tlx-7"), "{hold}");
    for (call, right) in [
        ("GET /ledger/account?", "Chart of accounts"),
        (SEARCH, "Voucher (read)"),
        ("GET /ledger/accountingPeriod", "Chart of accounts"),
    ] {
        shop.ledger.trick(call, refused());
        let error = shop.books().await.catalogue().await.unwrap_err();
        assert!(error.kind == ErrorKind::Permission && error.to_string().contains(right), "{error}");
    }
    for call in ["GET /department", "GET /project"] {
        shop.ledger.trick(call, refused());
    }
    let catalogue = shop.books().await.catalogue().await.unwrap();
    assert_eq!((catalogue.departments, catalogue.projects), (None, None));
}

#[tokio::test]
async fn fault_012_a_company_that_is_gone_is_held() {
    let shop = Shop::new("").await;
    shop.ledger.trick(POST, Trick::Say(404, &[], problem(404, 6000, "", "Object not found")));
    assert_eq!(cause(shop.send(&plain("po_1")).await), Cause::CompanyGone);
}

#[tokio::test]
async fn fault_013_only_an_equal_voucher_under_exactly_our_reference_is_ours() {
    let shop = Shop::new("").await;
    for id in ["po_12", "po_1x", "PO_1"] {
        assert!(matches!(shop.send(&plain(id)).await, Answer::Accepted { .. }));
    }
    assert_eq!(shop.find(&plain("po_1")).await, Found::Nothing);
    let Answer::Accepted { id } = shop.send(&plain("po_1")).await else { panic!() };
    assert_eq!(shop.find(&plain("po_1")).await, Found::Ours { id: id.clone() });
    let mut other = plain("po_1");
    other.postings[0].account = "1570".to_owned();
    assert!(matches!(shop.find(&other).await, Found::Differs(what) if what.contains(&id)));
    let Answer::Accepted { id: second } = shop.send(&plain("po_1")).await else { panic!() };
    assert!(matches!(shop.find(&plain("po_1")).await,
        Found::Differs(what) if what.contains(&id) && what.contains(&second)));
    // Taken back in Tripletex: it does not count any more.
    shop.ledger.with(|state| {
        for voucher in &mut state.vouchers {
            if voucher["externalVoucherNumber"] == "stripe:po_1" {
                voucher["reverseVoucher"] = json!({"id": 5});
            }
        }
    });
    assert_eq!(shop.find(&plain("po_1")).await, Found::Nothing);
}

#[tokio::test]
async fn fault_027_a_look_up_reads_all_pages_and_trusts_no_short_or_repeated_one() {
    let shop = Shop::new("").await;
    shop.ledger.with(|state| {
        state.vouchers = (0..250)
            .map(|i| json!({"id": i, "number": 1, "externalVoucherNumber": format!("stripe:po_1{i}")}))
            .collect();
    });
    let Answer::Accepted { id } = shop.send(&plain("po_1")).await else { panic!() };
    assert_eq!(shop.find(&plain("po_1")).await, Found::Ours { id });
    assert_eq!(shop.ledger.count(SEARCH), 3);
    // Pages that are shorter than asked for do not end the list.
    shop.ledger.with(|state| state.page_max = 70);
    assert!(matches!(shop.find(&plain("po_1")).await, Found::Ours { .. }));
    let page = |size: u32| json!({"fullResultSize": size, "from": 0, "count": 0, "values": []}).to_string();
    shop.ledger.trick(SEARCH, Trick::Say(200, &[], page(3)));
    assert_eq!(shop.find(&plain("po_9")).await, Found::NotSure);
    let full: Vec<Value> = (0..100).map(|i| json!({"id": i, "externalVoucherNumber": "x"})).collect();
    for _ in 0..2 {
        let page = json!({"fullResultSize": 200, "from": 0, "count": 100, "values": full}).to_string();
        shop.ledger.trick(SEARCH, Trick::Say(200, &[], page));
    }
    assert_eq!(shop.find(&plain("po_9")).await, Found::NotSure);
}

#[tokio::test]
async fn a_closed_period_is_held_or_moved_as_the_company_wants() {
    let close =
        |shop: &Shop| shop.ledger.with(|state| state.closed_before = Some("2026-02-01".parse().unwrap()));
    let shop = Shop::new("").await;
    close(&shop);
    assert_eq!(cause(shop.send(&plain("po_1")).await), Cause::PeriodClosed);
    assert_eq!(shop.ledger.count(POST), 0);

    let shop = Shop::new("closed_period = \"first-open\"").await;
    close(&shop);
    assert_eq!(shop.walk(&plain("po_1")).await, Outcome::Posted);
    let sent: Value = shop.ledger.with(|state| serde_json::from_str(&state.sent[0]).unwrap());
    assert_eq!(sent["date"], "2026-02-01");
    assert!(sent["description"].as_str().unwrap().contains("[accounting day 2026-01-20]"), "{sent}");
    assert!(matches!(shop.find(&plain("po_1")).await, Found::Ours { .. }));
    assert_eq!(cause(shop.send(&voucher("po_2", ("7770", "86"))).await), Cause::PeriodClosed);
    let mut december = plain("po_3");
    december.on = "2025-12-30".parse().unwrap();
    assert_eq!(cause(shop.send(&december).await), Cause::PeriodClosed, "another fiscal year");

    // Closed between the look at the periods and the sending.
    let shop = Shop::new("closed_period = \"first-open\"").await;
    assert_eq!(shop.walk(&plain("po_1")).await, Outcome::Posted);
    close(&shop);
    assert!(matches!(shop.walk(&plain("po_2")).await, Outcome::Later(_)));
    assert_eq!(shop.walk(&plain("po_2")).await, Outcome::Posted);
    assert_eq!(shop.ledger.with(|state| state.vouchers[1]["date"].clone()), "2026-02-01");
}

#[tokio::test]
async fn what_the_chart_refuses_is_held_after_one_more_look() {
    let shop = Shop::new("").await;
    assert_eq!(cause(shop.send(&voucher("po_1", ("7771", "none"))).await), Cause::AccountRefused);
    assert_eq!(cause(shop.send(&voucher("po_1", ("1500", "none"))).await), Cause::AccountRefused);
    assert_eq!(cause(shop.send(&voucher("po_1", ("3000", "none"))).await), Cause::VatRefused);
    assert_eq!(cause(shop.send(&voucher("po_1", ("7770", "12"))).await), Cause::VatRefused);
    assert_eq!(shop.ledger.count(POST), 0);
    let mut placed = plain("po_1");
    placed.postings[1].department = Some("11".to_owned());
    assert_eq!(cause(shop.send(&placed).await), Cause::AccountRefused);
    // Made meanwhile: the chart is asked again before anybody is bothered.
    shop.ledger.with(|state| {
        let mut account = state.accounts[5].clone();
        account["number"] = 7771.into();
        account["id"] = 1.into();
        state.accounts.push(account);
    });
    assert!(matches!(shop.send(&voucher("po_1", ("7771", "none"))).await, Answer::Accepted { .. }));
    // Made anew under the same number: the old id is refused, and asked for once.
    shop.ledger.with(|state| state.accounts[6]["id"] = 2.into());
    assert!(matches!(shop.send(&voucher("po_2", ("7771", "none"))).await, Answer::Accepted { .. }));
    placed.postings[1].department = Some("Butikk".to_owned());
    assert!(matches!(shop.send(&placed).await, Answer::Accepted { .. }));
}

#[tokio::test]
async fn vat_lines_of_the_system_are_no_difference_and_a_locked_account_takes_its_code() {
    let shop = Shop::new("").await;
    let po = voucher("po_1", ("3000", "3"));
    assert_eq!(shop.walk(&po).await, Outcome::Posted);
    assert!(matches!(shop.find(&po).await, Found::Ours { .. }));
}

#[tokio::test]
async fn drafts_are_found_as_drafts_and_as_booked_once_a_person_booked_them() {
    let shop = Shop::new("post = \"draft\"").await;
    let po = plain("po_1");
    shop.ledger.trick(POST, Trick::LoseAfter);
    assert!(matches!(shop.walk(&po).await, Outcome::Later(_)));
    assert!(matches!(shop.find(&po).await, Found::Draft { .. }));
    assert_eq!(shop.walk(&po).await, Outcome::Posted);
    assert_eq!(shop.state(&po).await, VoucherState::Drafted);
    assert!(matches!(shop.send(&plain("po_2")).await, Answer::Drafted { .. }));
    assert!(shop.ledger.calls().iter().any(|call| call.contains("sendToLedger=false")));
    shop.ledger.with(|state| state.vouchers[0]["number"] = 12.into());
    assert!(matches!(shop.find(&po).await, Found::Ours { .. }));
}

#[tokio::test]
async fn fault_019_what_was_saved_differently_or_for_somebody_else_is_an_alert() {
    let shop = Shop::new("").await;
    for change in [
        |voucher: &mut Value| voucher["postings"][1]["amountGross"] = 29.into(),
        |voucher: &mut Value| drop(voucher["postings"].as_array_mut().unwrap().pop()),
        |voucher: &mut Value| voucher["externalVoucherNumber"] = "stripe:po_7".into(),
        |voucher: &mut Value| voucher["date"] = "2026-01-21".into(),
    ] {
        shop.ledger.trick(POST, Trick::Save(change));
        assert!(matches!(shop.send(&plain("po_1")).await, Answer::Differs { .. }));
    }
    // An answer without lines is read back.
    shop.ledger.trick(POST, Trick::SayAfter(201, "{\"value\":{\"id\":608000005}}".to_owned()));
    assert_eq!(shop.send(&plain("po_2")).await, Answer::Accepted { id: "608000005".to_owned() });
}

#[tokio::test]
async fn fault_018_a_success_that_cannot_be_read_is_no_success() {
    let shop = Shop::new("").await;
    for body in ["", "{}", "null", "{\"value\":{\"id\":1", "<html></html>", "{\"value\":{\"id\":\"x\"}}"] {
        shop.ledger.trick(POST, Trick::Say(201, &[], body.to_owned()));
        assert_eq!(shop.send(&plain("po_1")).await, Answer::Unknown, "{body}");
    }
    shop.ledger.trick(POST, Trick::Say(200, &[], problem(422, 18000, "postings.vatType.id", "låst")));
    assert_eq!(cause(shop.send(&plain("po_1")).await), Cause::VatRefused);
}

#[tokio::test]
async fn fault_020_a_redirect_is_not_followed() {
    let shop = Shop::new("").await;
    shop.ledger.trick(SEARCH, Trick::Say(302, &[("location", "https://elsewhere.example/")], String::new()));
    let error = shop.books().await.find(&plain("po_1")).await.unwrap_err();
    assert!(error.kind == ErrorKind::Retry && error.to_string().contains("refused"), "{error}");
}

#[tokio::test]
async fn fault_025_a_page_for_people_is_not_an_answer() {
    let shop = Shop::new("").await;
    shop.ledger.trick(SEARCH, Trick::Say(200, &[], "<html>Logg inn</html>".to_owned()));
    let error = shop.books().await.find(&plain("po_1")).await.unwrap_err();
    assert!(error.kind == ErrorKind::Retry && error.to_string().contains("tlx-7"), "{error}");
}

#[tokio::test]
async fn the_catalogue_shows_what_a_mapping_may_name() {
    let shop = Shop::new("").await;
    let catalogue = shop.books().await.catalogue().await.unwrap();
    assert_eq!(catalogue.company, "Nordlys Keramikk AS");
    let accounts = catalogue.accounts.unwrap();
    assert_eq!(accounts["3000"].vat_locked.as_deref(), Some("3"));
    assert_eq!(accounts["1500"].vat_locked.as_deref(), Some("none"));
    assert!(accounts["1500"].refuses.as_ref().unwrap().contains("customers"));
    assert_eq!(accounts["7770"], accounting::Account { name: "Konto 7770".to_owned(), ..Default::default() });
    assert!(catalogue.vat_codes.unwrap().contains_key("86"));
    assert!(catalogue.departments.unwrap().contains("Butikk"));
}
