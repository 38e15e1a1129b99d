//! Dates of the API in, payouts and lines out: the walk and the pages, without a network.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, Utc};
use ledger::{Cause, Kind, Line};
use rust_decimal::Decimal;
use serde_json::{Value, json};

use super::entry::{Page, Then};
use super::pages::Reader;
use super::tests::{folder, read, report};
use super::walk::{Detail, Read, Walk};
use super::{REPORT_API, VippsMobilePay};
use crate::{Announced, GroupEnd, Next, Pages as _, Provider as _, ReadError, Ready, Terms};

const LEDGER: &str = "310077";

fn day(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

fn now() -> DateTime<Utc> {
    "2026-03-01T09:00:00Z".parse().unwrap()
}

/// A ledger made row by row, and the pages that a server would make of it.
#[derive(Default)]
pub struct Made {
    dates: BTreeMap<NaiveDate, Vec<Value>>,
    balance: i64,
    page: usize,
}

impl Made {
    fn of(rows: &[(&str, &str, &str, i64)]) -> Made {
        let mut made = Made { page: 1000, ..Made::default() };
        for (on, kind, id, amount) in rows {
            made.row(on, kind, id, *amount);
        }
        made
    }

    /// The same ledger with a balance before its first row.
    fn from(balance: i64, rows: &[(&str, &str, &str, i64)]) -> Made {
        let mut made = Made { page: 1000, balance, ..Made::default() };
        for (on, kind, id, amount) in rows {
            made.row(on, kind, id, *amount);
        }
        made
    }

    fn row(&mut self, on: &str, kind: &str, id: &str, amount: i64) {
        let before = self.balance;
        self.balance += amount;
        self.dates.entry(day(on)).or_default().push(json!({
            "pspReference": id, "time": format!("{on}T10:00:00.000000Z"), "ledgerDate": on, "entryType": kind,
            "reference": format!("ref {id}"), "currency": "NOK", "amount": amount, "balanceBefore": before,
            "balanceAfter": self.balance, "recipientHandle": "NO:512204",
        }));
    }

    fn page(&self, on: NaiveDate, cursor: Option<&str>) -> String {
        let none = Vec::new();
        let rows = self.dates.get(&on).unwrap_or(&none);
        let from: usize = cursor.map_or(0, |cursor| cursor.strip_prefix("c=").unwrap().parse().unwrap());
        let to = (from + self.page).min(rows.len());
        let mut page = json!({
            "items": rows[from.min(to)..to], "hasMore": to < rows.len(), "tryLater": false,
        });
        if to < rows.len() {
            page["cursor"] = json!(format!("c={to}"));
        }
        page.to_string()
    }

    /// Walks over all dates and gives what is announced.
    fn walk(&self, start_on: &str) -> Vec<Announced> {
        let start_on = day(start_on);
        let mut walk = Walk::new(start_on);
        let mut announced = Vec::new();
        while walk.next <= day("2026-02-28") {
            let body = self.page(walk.next, walk.page());
            // As the cursor is kept between steps.
            walk = serde_json::from_value(serde_json::to_value(&walk).unwrap()).unwrap();
            let handles = ["NO:512204".to_owned()];
            let page = Page::read(body.as_bytes()).unwrap();
            if let Read::Closed(payouts) = walk.take(page, (LEDGER, &handles), now()).unwrap() {
                let wanted: Vec<Detail> =
                    payouts.into_iter().filter(|payout| payout.last >= start_on).collect();
                if wanted.iter().any(|payout| walk.go_back(payout, start_on)) {
                    continue;
                }
                announced.extend(wanted.into_iter().map(|payout| payout.announced().unwrap()));
            }
        }
        announced
    }

    /// Fetches an announced payout's pages.
    fn fetch(&self, announced: &Announced) -> Result<Fetched, ReadError> {
        self.fetch_with(announced, &Terms::plain(), |body| body)
    }

    fn fetch_with(
        &self,
        announced: &Announced,
        terms: &Terms,
        change: impl Fn(String) -> String,
    ) -> Result<Fetched, ReadError> {
        fetch(announced, terms, |on, cursor| change(self.page(on, cursor)))
    }
}

struct Fetched {
    lines: Vec<Line<'static>>,
    archived: Vec<String>,
    end: GroupEnd,
    bodies: usize,
}

impl Fetched {
    fn head(&self) -> &ledger::Head {
        let GroupEnd::Settlement { head, .. } = &self.end else { panic!("{:?}", self.end) };
        head
    }

    fn hold(&self) -> Option<&ledger::Hold> {
        let GroupEnd::Settlement { hold, .. } = &self.end else { panic!("{:?}", self.end) };
        hold.as_ref()
    }

    fn proved(self) -> Fetched {
        assert_eq!(self.hold(), None);
        let mut totals = ledger::Totals::default();
        for line in &self.lines {
            totals.add(line).unwrap();
        }
        totals.prove(self.head()).unwrap();
        let last = self.lines.last().unwrap();
        assert_eq!((last.kind, last.on), (Kind::Payout, self.head().payout_on));
        self
    }
}

/// Fetches page by page, each with a reader made anew from the state, as a worker that dies after each page.
fn fetch(
    announced: &Announced,
    terms: &Terms,
    page: impl Fn(NaiveDate, Option<&str>) -> String,
) -> Result<Fetched, ReadError> {
    let detail: Detail = serde_json::from_value(announced.detail.clone()).unwrap();
    let (mut lines, mut archived, mut bodies) = (Vec::new(), Vec::new(), 0);
    let mut reader = Reader::new(terms, announced, None)?;
    let mut cursor: Option<String> = None;
    loop {
        let (on, at) = match cursor.as_deref() {
            None => (detail.first, None),
            Some(cursor) => match cursor.split_once(' ') {
                None => (day(cursor), None),
                Some((on, at)) => (day(on), Some(at)),
            },
        };
        let body = page(on, at);
        bodies += 1;
        let mut settler = VippsMobilePay.settler(REPORT_API, terms).unwrap();
        let next = reader.read(body.as_bytes(), &mut |line, json| {
            assert_eq!(settler.line(json).unwrap(), *line, "a row reads the same from the archive");
            assert!(!json.contains(&b'\n'));
            archived.push(String::from_utf8(json.to_vec()).unwrap());
            lines.push(owned(line));
            Ok(())
        })?;
        reader = Reader::new(terms, announced, Some(&reader.state()))?;
        match next {
            Next::Page(next) => cursor = Some(next),
            Next::Done => break,
            Next::NotYet(_) => return Err(ReadError::new("not yet", on.to_string())),
        }
    }
    Ok(Fetched { lines, archived, end: Box::new(reader).end(), bodies })
}

fn owned(line: &Line<'_>) -> Line<'static> {
    let text = |text: &str| std::borrow::Cow::Owned(text.to_owned());
    let mut made = Line::new(text(&line.id), line.kind, line.on, line.gross, line.fee, line.currency);
    made.reference = text(&line.reference);
    made.remote_type = text(&line.remote_type);
    made.unknown = line.unknown;
    made
}

fn amount(text: &str) -> Decimal {
    text.parse().unwrap()
}

const SIMPLE: &[(&str, &str, &str, i64)] = &[
    ("2026-02-02", "capture", "1", 10_000),
    ("2026-02-02", "fees-retained", "f1", -175),
    ("2026-02-02", "payout-scheduled", "310077-2000001", -9_825),
    ("2026-02-05", "capture", "2", 20_000),
    ("2026-02-06", "refund", "3", -5_000),
    ("2026-02-08", "fees-retained", "f2", -350),
    ("2026-02-08", "payout-scheduled", "310077-2000002", -14_650),
];

#[test]
fn a_payout_over_several_dates_holds_the_rows_since_the_payout_before() {
    let made = Made::of(SIMPLE);
    let announced = made.walk("2026-02-01");
    assert_eq!(announced.len(), 2);
    assert_eq!(announced[1].name.to_string(), "vipps-mobilepay:310077-2000002");
    assert_eq!((announced[1].payout_on, announced[1].payout), (day("2026-02-08"), amount("146.50")));
    assert_eq!(
        (announced[1].detail["first"].as_str(), &announced[1].ready),
        (Some("2026-02-05"), &Ready::Now)
    );
    let fetched = made.fetch(&announced[1]).unwrap().proved();
    assert_eq!((fetched.lines.len(), fetched.bodies), (4, 4));
    assert_eq!(fetched.head().account, "512204");
    assert_eq!(fetched.head().fees_invoiced, Some(false));
    assert_eq!(fetched.lines[2].id, "310077-20260208");
}

#[test]
fn any_size_of_pages_gives_the_same_payouts_and_rows() {
    let mut made = Made::of(SIMPLE);
    let announced = made.walk("2026-02-01");
    let whole: Vec<Vec<String>> = announced.iter().map(|one| made.fetch(one).unwrap().archived).collect();
    for size in 1..4 {
        made.page = size;
        assert_eq!(made.walk("2026-02-01"), announced);
        let again: Vec<Vec<String>> =
            announced.iter().map(|one| made.fetch(one).unwrap().proved().archived).collect();
        assert_eq!(again, whole);
    }
}

#[test]
fn a_payout_that_holds_rows_of_before_start_on_is_whole() {
    let announced = Made::of(SIMPLE).walk("2026-02-07");
    assert_eq!(announced.len(), 1);
    assert_eq!(announced, Made::of(SIMPLE).walk("2026-02-01")[1..], "wherever the walk begins");
}

#[test]
fn a_walk_that_finds_no_beginning_begins_further_back() {
    let mut rows = vec![("2025-12-01", "capture", "0", 700), ("2025-12-02", "correction", "k", 100)];
    rows.extend([
        ("2026-02-02", "capture", "1", 10_000),
        ("2026-02-02", "payout-scheduled", "310077-7", -10_800),
    ]);
    let made = Made::of(&rows);
    let announced = made.walk("2026-02-01");
    assert_eq!((&announced[0].ready, announced[0].detail["proof"].as_str()), (&Ready::Now, Some("zero")));
    assert_eq!(made.fetch(&announced[0]).unwrap().proved().lines.len(), 4);
}

#[test]
fn a_payout_whose_beginning_is_nowhere_is_held() {
    let made = Made::from(500, SIMPLE);
    let announced = made.walk("2026-02-01");
    let Ready::Held(hold) = &announced[0].ready else { panic!("{announced:?}") };
    assert_eq!(hold.cause, Cause::PayoutRowMissing);
    assert!(hold.what.contains("2026-02-02, stands at a balance of 5.00"), "{hold}");
    assert_eq!(announced[1].ready, Ready::Now, "the payout before it proves its beginning");
    let GroupEnd::Settlement { follows, .. } = made.fetch(&announced[0]).unwrap().end else { panic!() };
    assert_eq!(follows.as_deref(), Some("310077-2000000"));
}

#[test]
fn a_balance_that_a_payout_leaves_behind_is_the_next_ones_opening() {
    let made = Made::of(&[
        ("2026-02-02", "capture", "1", 10_000),
        ("2026-02-02", "payout-scheduled", "310077-1", -8_000),
        ("2026-02-03", "capture", "2", 5_000),
        ("2026-02-03", "payout-scheduled", "310077-2", -5_000),
    ]);
    let announced = made.walk("2026-02-03");
    assert_eq!(announced[0].ready, Ready::Now);
    let fetched = made.fetch(&announced[0]).unwrap().proved();
    assert_eq!((fetched.head().opening, fetched.head().closing), (amount("20.00"), amount("20.00")));
    let GroupEnd::Settlement { follows, .. } = &fetched.end else { panic!() };
    assert_eq!(*follows, None, "the walk saw the payout before");
}

#[test]
fn fault_096_a_negative_balance_is_carried_into_a_later_payout() {
    let made = Made::of(&[
        ("2026-02-02", "payout-scheduled", "310077-1", 0),
        ("2026-02-03", "refund", "1", -5_000),
        ("2026-02-04", "top-up", "t", 1_000),
        ("2026-02-09", "capture", "2", 9_000),
        ("2026-02-09", "fees-retained", "f", 25),
        ("2026-02-09", "payout-scheduled", "310077-2", -5_025),
    ]);
    let announced = made.walk("2026-02-03");
    let fetched = made.fetch(&announced[0]).unwrap().proved();
    let kinds: Vec<Kind> = fetched.lines.iter().map(|line| line.kind).collect();
    assert_eq!(kinds, [Kind::Refund, Kind::TopUp, Kind::Sale, Kind::Fee, Kind::Payout]);
    assert_eq!(fetched.lines[3].fee, amount("-0.25"), "fees that leave a credit");
}

#[test]
fn fault_093_an_aborted_payout_comes_back_in_the_next() {
    let made = Made::of(&[
        ("2026-02-02", "capture", "1", 10_000),
        ("2026-02-02", "payout-scheduled", "310077-1", -10_000),
        ("2026-02-04", "payout-aborted", "310077-1", 10_000),
        ("2026-02-04", "scheduled-for-payout", "310077-2", -10_000),
    ]);
    let announced = made.walk("2026-02-01");
    let fetched = made.fetch(&announced[1]).unwrap().proved();
    assert_eq!(fetched.lines[0].kind, Kind::PayoutReversal);
    assert_eq!(fetched.lines[0].gross, amount("100.00"));
}

#[test]
fn fault_097_disputes_share_the_id_of_their_capture() {
    let made = Made::of(&[
        ("2026-02-02", "capture", "1", 10_000),
        ("2026-02-02", "retained-disputed-capture", "1", -10_000),
        ("2026-02-03", "returned-disputed-capture", "1", 10_000),
        ("2026-02-03", "credit-note", "n", 5),
        ("2026-02-03", "payout-scheduled", "310077-1", -10_005),
    ]);
    let fetched = made.fetch(&made.walk("2026-02-01")[0]).unwrap().proved();
    let kinds: Vec<Kind> = fetched.lines.iter().map(|line| line.kind).collect();
    assert_eq!(
        kinds,
        [Kind::Sale, Kind::Chargeback, Kind::ChargebackReversal, Kind::Adjustment, Kind::Payout]
    );
    assert_eq!(fetched.head().fees_invoiced, None, "gross settlement, or no fees");
}

#[test]
fn a_payout_in_the_middle_of_a_date_ends_there_and_the_next_begins() {
    let made = Made::of(&[
        ("2026-02-02", "capture", "1", 100),
        ("2026-02-02", "payout-scheduled", "310077-1", -100),
        ("2026-02-02", "capture", "2", 200),
        ("2026-02-02", "payout-scheduled", "310077-2", -200),
        ("2026-02-02", "capture", "3", 300),
        ("2026-02-05", "payout-scheduled", "310077-3", -300),
    ]);
    let announced = made.walk("2026-02-01");
    let ids: Vec<Vec<String>> = announced
        .iter()
        .map(|one| {
            let fetched = made.fetch(one).unwrap().proved();
            fetched.lines.iter().map(|line| line.id.clone().into_owned()).collect()
        })
        .collect();
    assert_eq!(ids, [["1", "310077-1"], ["2", "310077-2"], ["3", "310077-3"]]);
}

#[test]
fn fault_087_an_entry_type_that_is_not_listed_is_an_unknown_line() {
    let made = Made::of(&[
        ("2026-02-02", "capture", "1", 100),
        ("2026-02-02", "loyalty-bonus", "2", 7),
        ("2026-02-02", "payout-scheduled", "310077-1", -107),
    ]);
    let fetched = made.fetch(&made.walk("2026-02-01")[0]).unwrap().proved();
    assert!(fetched.lines[1].unknown && fetched.lines[1].kind == Kind::Adjustment);
}

#[test]
fn fault_089_a_broken_chain_is_held_with_the_row() {
    let made = Made::of(SIMPLE);
    let announced = made.walk("2026-02-01");
    let changes: [(&str, &str, &str); 5] = [
        ("\"amount\":10000", "\"amount\":10001", "row 1 (capture 1): 0.00 and 100.01 do not give 100.00"),
        ("\"balanceBefore\":10000", "\"balanceBefore\":9999", "row 2 (fees-retained f1): the balance before"),
        ("\"balanceAfter\":10000", "\"balanceAfter\":9223372036854775807", "do not give"),
        ("\"currency\":\"NOK\"", "\"currency\":\"DKK\"", "its currency is DKK, the payout's NOK"),
        ("310077-2000001", "310077-2000009", "another payout stands before the end"),
    ];
    for (from, to, what) in changes {
        let change = |body: String| body.replace(from, to);
        let fetched = made.fetch_with(&announced[0], &Terms::plain(), change).unwrap();
        let hold = fetched.hold().unwrap();
        assert_eq!(hold.cause, Cause::DoesNotAddUp);
        assert!(hold.what.contains(what), "{hold}");
    }
    // A payout's row that is gone.
    let gone = |body: String| body.replace("payout-scheduled", "correction");
    let fetched = made.fetch_with(&announced[0], &Terms::plain(), gone).unwrap();
    assert_eq!(fetched.hold().unwrap().cause, Cause::PayoutRowMissing);
}

#[test]
fn fault_086_rows_of_another_account_are_held() {
    let made = Made::of(SIMPLE);
    let announced = &made.walk("2026-02-01")[0];
    for (account, held) in
        [("310077", false), ("512204", false), ("NO:512204", false), ("api:512204", true), ("310078", true)]
    {
        let terms = Terms { account: Some(account.to_owned()), ..Terms::plain() };
        let fetched = made.fetch_with(announced, &terms, |body| body).unwrap();
        assert_eq!(fetched.hold().map(|hold| hold.cause), held.then_some(Cause::WrongAccount), "{account}");
    }
}

#[test]
fn the_same_payout_by_api_and_by_the_portals_report_has_the_same_lines() {
    let body = std::fs::read_to_string(folder("partial-refund").join("2026-02-03.json")).unwrap();
    let mut walk = Walk::new(day("2026-02-03"));
    while walk.next < day("2026-02-03") {
        walk.skip();
    }
    let page = Page::read(body.as_bytes()).unwrap();
    let Read::Closed(payouts) = walk.take(page, (LEDGER, &["NO:512204".to_owned()]), now()).unwrap() else {
        panic!("not closed");
    };
    let announced = payouts.into_iter().next().unwrap().announced().unwrap();
    let fetched = fetch(&announced, &Terms::plain(), |_, _| body.clone()).unwrap().proved();

    let groups = read(&report("partial-refund")).unwrap();
    assert_eq!(fetched.head(), groups[0].head());
    // Reference, type and method are words of their source.
    let money = |line: &str| {
        let (money, words) = line.split_once("  ref \"").unwrap();
        (money.to_owned(), words.contains("UNKNOWN"))
    };
    let by_file: Vec<_> = groups[0].lines.iter().map(|line| money(line)).collect();
    let by_api: Vec<_> = fetched.lines.iter().map(|line| money(&super::tests::text(line))).collect();
    assert_eq!(by_api, by_file);
    let archived = fetched.archived.join("\n");
    for private in ["Kari", "Takk", "xxxx"] {
        assert!(body.contains(private) && !archived.contains(private), "{private}");
    }
}

fn announced() -> Announced {
    Made::of(SIMPLE).walk("2026-02-01").remove(0)
}

#[test]
fn a_date_that_is_open_after_all_is_not_used() {
    let made = Made::of(SIMPLE);
    let open = |body: String| body.replace("\"tryLater\":false", "\"tryLater\":true");
    let error = made.fetch_with(&announced(), &Terms::plain(), open).err().unwrap();
    assert_eq!(error.at, "not yet");
    let page = open(made.page(day("2026-02-02"), None));
    let mut walk = Walk::new(day("2026-02-02"));
    while walk.next < day("2026-02-02") {
        walk.skip();
    }
    let before = walk.clone();
    assert_eq!(walk.take(Page::read(page.as_bytes()).unwrap(), (LEDGER, &[]), now()).unwrap(), Read::Open);
    assert_eq!(walk, before);
}

#[test]
fn what_a_page_says_of_its_date_is_read_in_every_combination() {
    let cases: [(&str, Result<Then, &str>); 12] = [
        (r#""hasMore": false, "tryLater": false"#, Ok(Then::Closed)),
        (r#""hasMore": false, "tryLater": true"#, Ok(Then::Open)),
        (r#""hasMore": true, "tryLater": false, "cursor": "a""#, Ok(Then::More("a".to_owned()))),
        (r#""hasMore": true, "tryLater": true, "cursor": "a""#, Ok(Then::More("a".to_owned()))),
        (r#""hasMore": false, "tryLater": false, "cursor": "a""#, Ok(Then::Closed)),
        (r#""hasMore": false, "tryLater": false, "cursor": null"#, Ok(Then::Closed)),
        (r#""tryLater": true"#, Ok(Then::Open)),
        (r#""tryLater": false, "cursor": "a""#, Err("no hasMore")),
        (r#""hasMore": true, "tryLater": false"#, Err("no cursor")),
        (r#""hasMore": true, "tryLater": false, "cursor": """#, Err("no cursor")),
        (r#""hasMore": false"#, Err("tryLater")),
        (r#""hasMore": false, "tryLater": "false""#, Err("boolean")),
    ];
    for (text, expected) in cases {
        let body = format!("{{\"items\": [], {text}, \"new\": [{{}}]}}");
        match (Page::read(body.as_bytes()), expected) {
            (Ok(page), Ok(then)) => assert_eq!(page.then, then, "{text}"),
            (Err(error), Err(what)) => assert!(error.what.contains(what), "{text}: {error:?}"),
            (found, _) => panic!("{text}: {found:?}"),
        }
    }
    assert!(Page::read(br#"{"hasMore": false, "tryLater": false}"#).unwrap_err().what.contains("items"));
}

fn refused(change: impl Fn(String) -> String) -> String {
    let made = Made::of(SIMPLE);
    made.fetch_with(&announced(), &Terms::plain(), change).err().unwrap().to_string()
}

#[test]
fn fault_027_pages_that_repeat_are_refused() {
    for cursors in [vec!["a"], vec!["a", "b"], vec!["a", "b", "c", "d", "e"]] {
        let mut reader = Reader::new(&Terms::plain(), &announced(), None).unwrap();
        let mut walk = Walk::new(day("2026-02-02"));
        let (mut refused_rows, mut refused_walk) = (false, false);
        for cursor in cursors.iter().cycle().take(40) {
            let body = json!({"items": [], "hasMore": true, "tryLater": false, "cursor": cursor}).to_string();
            refused_rows |= reader.read(body.as_bytes(), &mut |_, _| Ok(())).is_err();
            let page = Page::read(body.as_bytes()).unwrap();
            refused_walk |= walk.take(page, (LEDGER, &[]), now()).is_err();
        }
        assert!(refused_rows && refused_walk, "{cursors:?}");
    }
    // The same rows again under another cursor: the chain of balances breaks.
    let mut made = Made::of(SIMPLE);
    made.page = 2;
    let fetched = fetch(&announced(), &Terms::plain(), |on, cursor| {
        let body = made.page(on, None);
        body.replace("c=2", if cursor.is_some() { "c=3" } else { "c=2" })
    });
    assert_eq!(fetched.unwrap().hold().unwrap().cause, Cause::DoesNotAddUp);
}

#[test]
fn fault_028_fields_may_be_added_and_not_taken_away() {
    let made = Made::of(SIMPLE);
    let added = |body: String| body.replace("\"amount\":", "\"vat\":{\"rate\":[1.5e400,null]},\"amount\":");
    made.fetch_with(&announced(), &Terms::plain(), added).unwrap().proved();
    let spare = |body: String| {
        let mut page: Value = serde_json::from_str(&body).unwrap();
        for row in page["items"].as_array_mut().unwrap() {
            row["recipientHandle"] = Value::Null;
            row["reference"] = Value::Null;
            row.as_object_mut().unwrap().remove("time");
            row.as_object_mut().unwrap().remove("ledgerDate");
        }
        page.to_string()
    };
    made.fetch_with(&announced(), &Terms::plain(), spare).unwrap().proved();
    for field in ["pspReference", "entryType", "currency", "amount", "balanceBefore", "balanceAfter"] {
        let error = refused(|body| body.replace(&format!("\"{field}\""), "\"other\""));
        assert!(error.contains(&format!("missing field `{field}`")), "{error}");
    }
    let error =
        refused(|body| body.replace("\"ledgerDate\":\"2026-02-02\"", "\"ledgerDate\":\"2026-02-03\""));
    assert!(error.contains("row 1: the row is of 2026-02-03"), "{error}");
}

#[test]
fn fault_068_truncated_ambiguous_and_unreal_answers_are_refused() {
    for (from, to, what) in [
        ("\"amount\":10000", "\"amount\":10000,\"amount\":1", "duplicate field `amount`"),
        ("\"amount\":10000", "\"amount\":10000.5", "invalid type"),
        ("\"amount\":10000", "\"amount\":1e400", "out of range"),
        ("\"amount\":10000", "\"amount\":\"10000\"", "invalid type"),
        ("\"amount\":10000", "\"amount\":99999999999999999999", "invalid"),
        ("\"items\"", "\"items\":[],\"items\"", "duplicate field `items`"),
        ("NOK", "NO\u{7}K", "control character"),
    ] {
        let error = refused(|body| body.replace(from, to));
        assert!(error.contains(what), "{to}: {error}");
    }
    let error = refused(|body| body[..body.len() - 40].to_owned());
    assert!(error.contains("EOF"), "{error}");
    assert!(Page::read(b"{\"items\": [").unwrap_err().cut_off);
    assert!(refused(|_| "<html>Log in</html>".to_owned()).contains("expected value"));
    assert!(refused(|_| format!("{{\"x\":{}", "[".repeat(200_000))).contains("EOF"));
}

#[test]
fn fault_071_amounts_beyond_any_real_one_are_refused() {
    let amount = 2_000_000_000_000_000;
    let made = Made::of(&[
        ("2026-02-02", "capture", "1", amount),
        ("2026-02-03", "payout-scheduled", "310077-1", -amount),
    ]);
    let mut walk = Walk::new(day("2026-02-02"));
    let mut found = Vec::new();
    while walk.next < day("2026-02-05") {
        let body = made.page(walk.next, None);
        let page = Page::read(body.as_bytes()).unwrap();
        if let Read::Closed(payouts) = walk.take(page, (LEDGER, &[]), now()).unwrap() {
            found.extend(payouts);
        }
    }
    let error = found.remove(0).announced().unwrap_err();
    assert!(error.to_string().contains("beyond any real one"), "{error}");
}

#[test]
fn a_payout_whose_id_is_not_of_its_ledger_is_refused() {
    for (id, what) in
        [("2000001", "is not <ledger id>"), ("999-1", "names another ledger"), ("310077-1x", "is not")]
    {
        let made = Made::of(&[("2026-02-02", "payout-scheduled", id, -100)]);
        let body = made.page(day("2026-02-02"), None);
        let mut walk = Walk::new(day("2026-02-02"));
        while walk.next < day("2026-02-02") {
            walk.skip();
        }
        let page = Page::read(body.as_bytes()).unwrap();
        let Read::Closed(mut found) = walk.take(page, (LEDGER, &[]), now()).unwrap() else { panic!() };
        let error = found.remove(0).announced().unwrap_err();
        assert!(error.to_string().contains(what), "{error}");
    }
}
