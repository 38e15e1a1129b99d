//! The operator's commands over provider accounts and books: check, backfill, and what lies in the inbox besides.

use std::time::Duration as StdDuration;

use bilag::out::captured;
use bilag::{Exit, Out, backfill, check};
use bilag_tests::Sandboxed;
use bilag_tests::sandboxed::{Trouble, Worker};
use chrono::{Days, NaiveDate};
use ledger::Name;
use post_voucher::operate;
use sandbox::{COMPANY, Options, stripe, tripletex};
use serde_json::{Value, json};
use store::Key;
use store::item::Backfill;

const JSON: Out = Out { json: true };

/// What `bilag check` says, one message a line, and its exit.
async fn checked(company: &Sandboxed) -> (Exit, String) {
    let home = company.opened().await;
    let (exit, printed) = Box::pin(captured(check::check(&home, JSON, false))).await;
    let messages = printed.lines().map(|line| {
        let object: Value = serde_json::from_str(line).unwrap();
        format!(
            "{}: {}",
            object["severity"].as_str().unwrap(),
            object["message"].as_str().unwrap_or_default()
        )
    });
    (exit.unwrap(), messages.collect::<Vec<_>>().join("\n"))
}

#[tokio::test(start_paused = true)]
async fn check_asks_everybody_and_finds_all_well() {
    let company = Sandboxed::seeded(1).await;
    let (exit, said) = checked(&company).await;
    assert_eq!(exit, Exit::Done, "{said}");
    for wanted in
        ["fine: accounting system tripletex", "fine: connection webshop", "fine: connection counter"]
    {
        assert!(said.contains(wanted), "{wanted} is not in\n{said}");
    }
    assert!(company.vouchers().is_empty());
}

#[tokio::test(start_paused = true)]
async fn check_names_what_the_books_lack_and_what_to_do() {
    let company = Sandboxed::seeded(2).await;
    company
        .configure(|text| {
            text.replace("in_transit = \"1909\"", "in_transit = \"1998\"")
                .replace("{ account = \"7770\", vat = \"none\" }", "{ account = \"7770\", vat = \"99\" }")
                .replace("disputed = \"1576\"", "disputed = \"1521\"")
        })
        .await;
    company.control("POST", "lock-account", &json!({ "account": 3990, "vat": "3" }));
    company.control("POST", "lock-account", &json!({ "account": 7790, "requires_department": true }));
    let (exit, said) = checked(&company).await;
    assert_eq!(exit, Exit::Usage);
    for wanted in [
        "accounts.in_transit is \"1998\", which the chart of accounts does not have; create",
        "accounts.provider_fee has the VAT code \"99\", which the books do not have; they have: ",
        "accounts.disputed is \"1521\"",
        "accounts.other_income is \"3990\"",
        "which takes the VAT code 3 only, not none; write vat = \"3\"",
        "accounts.other_expense is \"7790\"",
        "needs a department; add department",
    ] {
        assert!(said.contains(wanted), "{wanted} is not in\n{said}");
    }
}

#[tokio::test(start_paused = true)]
async fn check_names_credentials_and_rights_that_are_missing_and_never_shows_a_secret() {
    for (entry, field, value, wanted) in [
        ("stripe", "api_key", stripe::REVOKED_KEY, "connection webshop: stripe: /v1/balance gave 401"),
        ("stripe", "api_key", stripe::EXPIRED_KEY, "the key has expired"),
        ("stripe", "api_key", stripe::PUBLISHABLE_KEY, "is a publishable key"),
        ("stripe", "api_key", stripe::RESTRICTED_KEY_WITHOUT_PAYOUTS, "may not read payouts"),
        ("vipps-mobilepay", "client_secret", "wrong-secret", "connection counter: Vipps MobilePay: no token"),
        ("vipps-mobilepay", "subscription_key", "wrong-subscription", "check client_id, client_secret"),
        (
            "tripletex",
            "employee_token",
            "wrong-employee",
            "tripletex does not accept consumer_token and employee_token",
        ),
        ("tripletex", "consumer_token", "wrong-consumer", "make a new employee token"),
    ] {
        let company = Sandboxed::sound(3, 1).await;
        company.secret(entry, field, &[value]);
        let (exit, said) = checked(&company).await;
        assert_eq!(exit, Exit::Usage, "{entry} {field} {value}\n{said}");
        assert!(said.contains(wanted), "{wanted} is not in\n{said}");
        assert!(!said.contains(value), "{said}");
        // The others are fine all the same.
        assert_eq!(said.lines().filter(|line| line.starts_with("fine: ")).count(), 2, "{said}");
        company.secret(entry, field, &[]);
        let (exit, said) = checked(&company).await;
        assert!(exit == Exit::Usage && said.contains(&format!("the field {field} is")), "{said}");
    }
}

#[tokio::test(start_paused = true)]
async fn check_says_that_a_token_may_not_write() {
    let company = Sandboxed::sound(4, 1).await;
    company.secret("tripletex", "employee_token", &[tripletex::READ_ONLY_EMPLOYEE_TOKEN]);
    // Reading is all that can be tried without booking anything; posting holds with the right that lacks.
    let (exit, said) = checked(&company).await;
    assert_eq!(exit, Exit::Done, "{said}");
    company.settle_down().await;
    for payout in company.payouts() {
        let item = company.item(payout["settlement"].as_str().unwrap()).await.unwrap();
        assert!(item.state.to_string() == "held(permission)", "{:?}", item.state);
    }
}

/// All payouts of a connection.
fn all_of(connection: &str) -> backfill::Range {
    let day = |text: &str| text.parse::<NaiveDate>().unwrap();
    backfill::Range {
        connection: connection.to_owned(),
        company: None,
        from: day("2026-10-01"),
        to: day("2026-11-20") + Days::new(30),
    }
}

async fn back(company: &Sandboxed, connection: &str) -> Vec<Value> {
    let home = company.opened().await;
    let (exit, printed) = Box::pin(captured(backfill::backfill(&home, JSON, &all_of(connection)))).await;
    exit.unwrap();
    printed.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[tokio::test(start_paused = true)]
async fn a_backfill_of_everything_changes_nothing_that_is_booked() {
    let company = Sandboxed::sound(5, 6).await;
    company.settle_down().await;
    let books = company.vouchers();
    for connection in ["webshop", "counter"] {
        let printed = back(&company, connection).await;
        assert_eq!(printed.last().unwrap()["posted"], 0, "{printed:?}");
        company.settle_down().await;
        assert_eq!(company.vouchers(), books);
        company.check().await;
        assert!(company.connection(connection).await.backfill.is_none());
    }
}

#[tokio::test(start_paused = true)]
async fn a_backfill_before_the_first_look_books_everything_once() {
    let company = Sandboxed::sound(6, 3).await;
    for connection in ["webshop", "counter"] {
        back(&company, connection).await;
    }
    tokio::time::sleep(StdDuration::from_secs(1)).await;
    company.settle_down().await;
    company.check().await;
}

/// Lets Stripe show one payout's rows otherwise from now on.
fn amend(company: &Sandboxed, id: &str, change: fn(&mut Vec<Value>)) {
    let wanted = format!("payout={id}");
    company.rewrite(move |request, answer| {
        let query = request.uri().query().unwrap_or_default();
        if request.uri().path().ends_with("/v1/balance_transactions") && query.ends_with(&wanted) {
            change(answer["data"].as_array_mut().unwrap());
        }
    });
}

/// A sound payout of Stripe that fits on one page: its settlement and its id.
fn small_payout(company: &Sandboxed) -> (String, String) {
    let payouts = company.payouts_that_are("sound");
    let is_small = |payout: &&Value| {
        payout["provider"] == "stripe" && (2..100).contains(&payout["rows"].as_u64().unwrap())
    };
    let name = payouts.iter().find(is_small).unwrap()["settlement"].as_str().unwrap().to_owned();
    let id = name.rsplit_once(':').unwrap().1.to_owned();
    (name, id)
}

/// A company whose sound payouts are booked, with its vouchers and a small payout of Stripe's.
async fn booked() -> (Sandboxed, Vec<Value>, (String, String)) {
    let company = Sandboxed::sound(5, 6).await;
    company.settle_down().await;
    let (books, payout) = (company.vouchers(), small_payout(&company));
    (company, books, payout)
}

#[tokio::test(start_paused = true)]
async fn rows_that_say_more_after_they_were_booked_are_corrected_by_one_more_voucher() {
    let (company, books, (name, id)) = booked().await;
    company.control("POST", "amend-payout", &json!({ "id": id }));
    for _ in 0..2 {
        back(&company, "webshop").await;
        company.settle_down().await;
        let new: Vec<Value> =
            company.vouchers().into_iter().filter(|voucher| !books.contains(voucher)).collect();
        assert_eq!(new.len(), 1, "{new:?}");
        let reference = new[0]["reference"].as_str().unwrap();
        assert!(reference.contains(&id) && reference.contains("correction"), "{reference}");
        let amounts: Vec<&str> = (new[0]["postings"].as_array().unwrap().iter())
            .map(|posting| posting["amount"].as_str().unwrap())
            .collect();
        assert!(amounts.contains(&"-1.00") && amounts.contains(&"1.00"), "{amounts:?}");
        assert_eq!(company.state(&name).await, "posted");
    }
}

#[tokio::test(start_paused = true)]
async fn rows_that_change_before_they_are_booked_are_held_and_booked_on_release_as_they_are_now() {
    let company = Sandboxed::sound(5, 6).await;
    let (name, id) = small_payout(&company);
    let Worker { world, piece, .. } = company.worker("fetches").await;
    let parsed = Name::parse(&name).unwrap();
    let fetched = || async {
        let connection = Key::connection(COMPANY, "webshop").to_string();
        Box::pin(discover_payouts::handle(&world, &connection, piece)).await.unwrap();
        let settlement = Key::settlement(COMPANY, &parsed).to_string();
        Box::pin(fetch_settlement::handle(&world, &settlement, piece, &mut |_| {})).await.unwrap();
        company.state(&name).await
    };
    assert_eq!(fetched().await, "fetched");
    company.control("POST", "amend-payout", &json!({ "id": id }));
    let to = world.clock.now().date_naive() + Days::new(30);
    let asked = Backfill { from: to - Days::new(90), to, cursor: None };
    assert!(discover_payouts::make_due(&world, COMPANY, "webshop", Some(asked)).await.unwrap());
    assert_eq!(fetched().await, "held(duplicate-differs)");
    let hold = format!("{:?}", company.item(&name).await.unwrap().state);
    assert!(hold.contains("release to book what it says now"), "{hold}");
    operate::release(&world, COMPANY, &parsed, "kari", "Stripe says so").await.unwrap();
    company.settle_down().await;
    company.check().await;
}

/// A backfill of everything is asked for, and looked for at once.
async fn asked_again(worker: &Worker) {
    let to = worker.world.clock.now().date_naive() + Days::new(30);
    let asked = Backfill { from: to - Days::new(90), to, cursor: None };
    assert!(discover_payouts::make_due(&worker.world, COMPANY, "webshop", Some(asked)).await.unwrap());
    let connection = Key::connection(COMPANY, "webshop").to_string();
    Box::pin(discover_payouts::handle(&worker.world, &connection, worker.piece)).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn rows_that_are_asked_for_again_are_compared_before_a_late_invocation_books_them() {
    let company = Sandboxed::sound(5, 6).await;
    let (name, id) = small_payout(&company);
    let worker = company.worker("late").await;
    let settlement = Key::settlement(COMPANY, &Name::parse(&name).unwrap()).to_string();
    let connection = Key::connection(COMPANY, "webshop").to_string();
    Box::pin(discover_payouts::handle(&worker.world, &connection, worker.piece)).await.unwrap();
    Box::pin(fetch_settlement::handle(&worker.world, &settlement, worker.piece, &mut |_| {})).await.unwrap();
    company.control("POST", "amend-payout", &json!({ "id": id }));
    asked_again(&worker).await;
    let posted = Box::pin(post_voucher::handle(&worker.world, &settlement)).await.unwrap();
    assert_eq!((posted.vouchers.len(), company.state(&name).await.as_str()), (0, "fetched"));
    company.work(chrono::Duration::minutes(10)).await;
    assert_eq!(company.state(&name).await, "held(duplicate-differs)");
}

#[tokio::test(start_paused = true)]
async fn rows_that_are_asked_for_again_while_they_are_posted_are_compared_afterwards() {
    let visible_after = StdDuration::from_secs(90);
    let options = Options { seed: 5, payouts: 6, sound_only: true, visible_after, ..Options::default() };
    let company = Sandboxed::new(options).await;
    let (name, id) = small_payout(&company);
    let own = format!("\"{name}\"");
    company.trouble(move |request| {
        let sends = request.method() == "POST" && request.uri().path().ends_with("/ledger/voucher");
        (sends && String::from_utf8_lossy(request.body()).contains(&own)).then_some(Trouble::LostAfter)
    });
    company.work(chrono::Duration::seconds(20)).await;
    assert_eq!(company.state(&name).await, "posting");
    company.control("POST", "amend-payout", &json!({ "id": id }));
    asked_again(&company.worker("asks").await).await;
    assert_eq!(company.state(&name).await, "posting");
    company.peace();
    company.settle_down().await;
    assert_eq!(company.state(&name).await, "posted");
    let of_name = company.vouchers().into_iter().filter_map(|voucher| {
        voucher["reference"].as_str().filter(|reference| reference.contains(&id)).map(str::to_owned)
    });
    let of_name: Vec<String> = of_name.collect();
    assert_eq!(of_name.len(), 2, "{of_name:?}");
    assert!(of_name[1].contains("correction"), "{of_name:?}");
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_read_again_leaves_what_is_booked_as_it_is_and_is_corrected_later() {
    let (company, books, (name, id)) = booked().await;
    amend(&company, &id, |rows| rows[0]["amount"] = "much".into());
    back(&company, "webshop").await;
    let done = company.work(chrono::Duration::minutes(10)).await;
    let said = format!("{:?}", done.failed);
    assert!(said.contains("cannot be compared with what is booked"), "{said}");
    assert_eq!(company.state(&name).await, "posted");
    assert_eq!(company.vouchers(), books);
    amend(&company, &id, |_| ());
    company.control("POST", "amend-payout", &json!({ "id": id }));
    back(&company, "webshop").await;
    company.settle_down().await;
    assert_eq!(company.vouchers().len(), books.len() + 1);
    assert_eq!(company.state(&name).await, "posted");
}

#[tokio::test(start_paused = true)]
async fn a_retry_of_rows_that_do_not_add_up_asks_the_provider_once_more() {
    let company = Sandboxed::sound(5, 6).await;
    let (name, id) = small_payout(&company);
    amend(&company, &id, |rows| {
        let charge = rows.iter().position(|row| row["reporting_category"] == "charge").unwrap();
        rows.remove(charge);
    });
    company.settle_down().await;
    assert_eq!(company.state(&name).await, "held(does-not-add-up)");
    amend(&company, &id, |_| ());
    let Worker { world, .. } = company.worker("person").await;
    let parsed = Name::parse(&name).unwrap();
    operate::retry(&world, COMPANY, &parsed, "kari", "Stripe has mended it").await.unwrap();
    company.settle_down().await;
    company.check().await;
}

#[tokio::test(start_paused = true)]
async fn rows_that_are_gone_after_they_were_booked_are_held_and_the_voucher_stays() {
    let (company, books, (name, id)) = booked().await;
    amend(&company, &id, |rows| {
        // Two charges become one of the same money.
        let charges = (0..rows.len()).filter(|at| rows[*at]["reporting_category"] == "charge");
        let [one, other] = charges.take(2).collect::<Vec<usize>>()[..] else { panic!("{rows:?}") };
        for member in ["amount", "fee", "net"] {
            rows[one][member] =
                (rows[one][member].as_i64().unwrap() + rows[other][member].as_i64().unwrap()).into();
        }
        let mut details = rows[other]["fee_details"].as_array().unwrap().clone();
        rows[one]["fee_details"].as_array_mut().unwrap().append(&mut details);
        rows.remove(other);
    });
    back(&company, "webshop").await;
    company.settle_down().await;
    assert_eq!(company.state(&name).await, "held(duplicate-differs)");
    assert_eq!(company.vouchers(), books);
}
