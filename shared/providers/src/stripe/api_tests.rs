//! Pages of the API in, lines and proofs out; the same payout by file and by API; what is announced.
#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, HashSet};
use std::fs;

use chrono_tz::Tz;
use ledger::{
    Book, Cause, Currency, CutOff, FeeMode, FeeType, Granularity, Head, Hold, Kind, Line, Mapping, Planner,
    Purpose, Role, Side, Target,
};
use rust_decimal::Decimal;
use serde_json::{Value, json};

use super::lines::category_of;
use super::payout::{Cursor, Listing, Payout, PayoutPage, WindowCursor, announce_window, begin_of, is_whole};
use super::tests::{folder, owned, read_with, report};
use super::{BALANCE_TRANSACTIONS, RowPages, Stripe, minor_digits};
use crate::{Announced, Api as _, GroupEnd, Next, Pages as _, Provider as _, ReadError, Ready, Terms};

const CASE: &str = "two-pages";

fn terms() -> Terms {
    Terms { time_zone: Tz::Europe__Oslo, tags: vec!["shop".to_owned(), "order".to_owned()], ..Terms::plain() }
}

fn fixture(name: &str) -> Vec<u8> {
    fs::read(folder(CASE).join(name)).unwrap()
}

fn announced() -> Announced {
    announce(&serde_json::from_slice::<Value>(&fixture("payout.json")).unwrap()).unwrap()
}

fn announce(payout: &Value) -> Result<Announced, edge::Error> {
    let text = payout.to_string();
    let payout: Payout<'_> = serde_json::from_str(&text).unwrap();
    payout.announce(&terms(), true)
}

#[test]
fn a_currency_that_is_none_names_its_row() {
    let pages = [fixture("rows-1.json"), fixture("rows-2.json")];
    let pages =
        pages.map(|page| String::from_utf8(page).unwrap().replace("\"nok\"", "\"nok/\"").into_bytes());
    let error = read_pages(&announced(), &pages, &terms()).err().unwrap();
    assert!(error.at.starts_with("txn_") && error.what.starts_with("currency: "), "{error}");
}

/// What became of a settlement's pages.
struct Reading {
    lines: Vec<Line<'static>>,
    archived: Vec<Vec<u8>>,
    head: Head,
    hold: Option<Hold>,
}

/// Reads pages as fetching does: the state goes through JSON after each, and each archived row must read the same.
fn read_pages(settlement: &Announced, pages: &[Vec<u8>], terms: &Terms) -> Result<Reading, ReadError> {
    let mut settler = Stripe.settler(BALANCE_TRANSACTIONS, terms).unwrap();
    let (mut lines, mut archived) = (Vec::new(), Vec::new());
    let mut state: Option<Value> = None;
    for (number, page) in pages.iter().enumerate() {
        let mut reader = Stripe.pages(terms, settlement, state.as_ref()).unwrap();
        let next = reader.read(page, &mut |line, row| {
            assert!(!row.contains(&b'\n'), "an archived row is one line");
            assert_eq!(settler.line(row).unwrap(), *line, "{}", String::from_utf8_lossy(row));
            serde_json::from_slice::<Value>(row).unwrap();
            lines.push(owned(line));
            archived.push(row.to_vec());
            Ok(())
        })?;
        assert_eq!(next == Next::Done, number + 1 == pages.len(), "{next:?}");
        let text = reader.state().to_string();
        assert!(text.len() < 8_000, "{}", text.len());
        state = Some(serde_json::from_str(&text).unwrap());
    }
    match Stripe.pages(terms, settlement, state.as_ref()).unwrap().end() {
        GroupEnd::Settlement { head, hold, open: false, follows: None } => {
            Ok(Reading { lines, archived, head: *head, hold })
        }
        end => panic!("{end:?}"),
    }
}

fn page(rows: &[Value], has_more: bool) -> Vec<u8> {
    json!({ "object": "list", "url": "/v1/balance_transactions", "has_more": has_more, "data": rows })
        .to_string()
        .into_bytes()
}

/// A row as an answer has it; `with` replaces fields.
fn row(id: &str, amount: i64, fee: i64, category: &str, with: Value) -> Value {
    let type_ = match category {
        "dispute" | "dispute_reversal" => "adjustment",
        "fee" => "stripe_fee",
        other => other,
    };
    let details = if fee == 0 { json!([]) } else { json!([{ "amount": fee, "type": "stripe_fee" }]) };
    let mut row = json!({
        "id": id, "object": "balance_transaction", "amount": amount, "fee": fee, "net": amount - fee,
        "available_on": 1_767_312_000, "balance_type": "payments", "created": 1_767_268_800, "currency": "nok",
        "description": null, "exchange_rate": null, "fee_details": details, "reporting_category": category,
        "source": null, "status": "available", "type": type_,
    });
    for (key, value) in with.as_object().unwrap() {
        row[key] = value.clone();
    }
    row
}

/// A payout of `amount` and its own row.
fn payout_of(amount: i64) -> (Announced, Value) {
    let mut payout: Value = serde_json::from_slice(&fixture("payout.json")).unwrap();
    payout["id"] = "po_1".into();
    payout["amount"] = amount.into();
    payout["balance_transaction"] = "txn_0".into();
    (announce(&payout).unwrap(), row("txn_0", -amount, 0, "payout", json!({ "source": "po_1" })))
}

fn settle(amount: i64, rows: &[Value]) -> Reading {
    let (settlement, own) = payout_of(amount);
    let rows = [&[own], rows].concat();
    read_pages(&settlement, &[page(&rows, false)], &terms()).unwrap()
}

/// What is wrong with a page.
fn refused(body: impl AsRef<[u8]>) -> ReadError {
    let (settlement, _) = payout_of(100);
    read_pages(&settlement, &[body.as_ref().to_vec()], &terms()).err().expect("refused")
}

#[test]
fn the_same_payout_by_api_and_by_file_has_the_same_lines() {
    let pages = [fixture("rows-1.json"), fixture("rows-2.json")];
    let by_api = read_pages(&announced(), &pages, &terms()).unwrap();
    let by_file = read_with(report(CASE).as_bytes(), &terms()).unwrap();
    assert_eq!(by_file.len(), 1);
    assert_eq!(by_api.hold, None);
    let GroupEnd::Settlement { head, hold: None, .. } = &by_file[0].end else {
        panic!("{:?}", by_file[0].end)
    };
    assert_eq!(by_api.head, **head);
    assert_eq!(by_api.head.payout_on, announced().payout_on);
    assert_eq!(by_api.head.payout, announced().payout);
    let by_id = |lines: &[Line<'static>]| -> BTreeMap<String, Line<'static>> {
        lines.iter().map(|line| (line.id.to_string(), line.clone())).collect()
    };
    let (api, file) = (by_id(&by_api.lines), by_id(&by_file[0].lines));
    assert_eq!(api.len(), 15);
    assert!(api.keys().eq(file.keys()));
    for (id, api) in &api {
        let file = &file[id];
        let money = |line: &Line<'_>| (line.kind, line.on, line.gross, line.fee, line.net(), line.currency);
        assert_eq!(money(api), money(file), "{id}");
        assert_eq!(api.remote_type, file.remote_type, "{id}");
        assert_eq!(api.reference, file.reference, "{id}");
        assert_eq!(api.original_id, file.original_id, "{id}");
        assert_eq!(api.method, file.method, "{id}");
        assert_eq!(api.country, file.country, "{id}");
        assert_eq!(api.stays_on_balance, file.stays_on_balance, "{id}");
        assert_eq!(api.tags, file.tags, "{id}");
        assert_eq!(api.gross.scale(), file.gross.scale(), "{id}: written alike");
    }
    assert_eq!(api["txn_1Sky0002"].fee_vat, Decimal::new(165, 2), "only the API states it");
    assert_eq!(file["txn_1Sky0002"].fee_vat, Decimal::ZERO);
}

#[test]
fn archived_rows_hold_the_allow_list_and_nothing_of_people() {
    let pages = [fixture("rows-1.json"), fixture("rows-2.json")];
    let reading = read_pages(&announced(), &pages, &terms()).unwrap();
    let of = |id: &str| -> Value {
        let row = reading.archived.iter().map(|row| serde_json::from_slice::<Value>(row).unwrap());
        row.into_iter().find(|row| row["id"] == id).unwrap()
    };
    assert_eq!(
        of("txn_1Sky0002"),
        json!({
            "id": "txn_1Sky0002", "amount": 39900, "fee": 825, "net": 39075, "created": 1_767_222_000,
            "currency": "nok", "type": "charge", "reporting_category": "charge", "balance_type": "payments",
            "fee_details": [{ "amount": 660, "type": "stripe_fee" }, { "amount": 165, "type": "tax" }],
            "source": {
                "id": "ch_3Sky0002", "object": "charge", "payment_intent": "pi_3Sky0002",
                "payment_method_details": { "type": "card", "card": { "country": "SE" } },
                "metadata": { "order": "A-1002" },
            },
        })
    );
    assert_eq!(of("txn_1Sky0003")["exchange_rate"].to_string(), "11.2345", "the digits as they came");
    let all = reading.archived.concat();
    let all = String::from_utf8(all).unwrap();
    for word in ["description", "email", "name", "last4", "billing", "evidence", "wrong size", "4242"] {
        assert!(!all.contains(word), "{word}");
    }
}

#[test]
fn fault_027_pages_that_repeat_themselves_are_refused() {
    let (settlement, own) = payout_of(100);
    let sale = |number: u32| row(&format!("txn_{number}"), 50, 0, "charge", json!({}));
    let read = |pages: &[Vec<u8>]| {
        let mut reader = Stripe.pages(&terms(), &settlement, None).unwrap();
        let mut state = reader.state();
        for page in pages {
            reader = Stripe.pages(&terms(), &settlement, Some(&state)).unwrap();
            reader.read(page, &mut |_, _| Ok(()))?;
            state = reader.state();
        }
        Ok::<_, ReadError>(())
    };
    let twice = "the row comes twice: the pages repeat themselves";
    // Twice on one page; the same page again; a page that begins with the row it was to begin after.
    assert_eq!(read(&[page(&[sale(1), own.clone(), sale(1)], false)]).unwrap_err().what, twice);
    let first = page(&[own.clone(), sale(1)], true);
    assert_eq!(read(&[first.clone(), first.clone()]).unwrap_err().what, twice);
    assert_eq!(read(&[first.clone(), page(&[sale(1), sale(2)], false)]).unwrap_err().what, twice);
    // A circle of any length is found before long.
    for length in [2_u32, 3, 7, 50] {
        let mut pages = vec![page(std::slice::from_ref(&own), true)];
        pages.extend((0..length * 4).map(|number| page(&[sale(number % length + 1)], true)));
        assert_eq!(read(&pages).unwrap_err().what, twice, "{length}");
    }
    // A row that comes again much later adds up to more than the payout.
    let later: Vec<Value> = [1, 2, 3, 4, 5, 1].iter().map(|number| sale(*number)).collect();
    let mut pages: Vec<Vec<u8>> = later.chunks(1).map(|rows| page(rows, true)).collect();
    pages.insert(0, page(&[own], true));
    pages.push(page(&[sale(9)], false));
    let reading = read_pages(&settlement, &pages, &terms());
    let held = reading.map_or_else(|error| error.cause, |reading| reading.hold.unwrap().cause);
    assert!(matches!(held, Cause::DoesNotAddUp | Cause::Schema));
    assert_eq!(read(&[page(&[], true)]).unwrap_err().what, "is empty, but more are said to follow");
}

#[test]
fn fault_028_new_fields_are_passed_over_and_missing_ones_are_refused() {
    let sale = row("txn_1", 100, 0, "charge", json!({ "new": { "deep": [1, { "id": "x" }] }, "newer": "1" }));
    assert_eq!(settle(100, &[sale]).hold, None);
    for field in ["id", "type", "currency", "amount", "fee", "net", "created", "fee_details"] {
        let mut sale = row("txn_1", 100, 0, "charge", json!({}));
        sale.as_object_mut().unwrap().remove(field);
        let error = refused(page(&[sale], false));
        assert_eq!((error.cause, error.what), (Cause::Schema, format!("{field} is missing")));
    }
    let mut sale = row("txn_1", 100, 0, "charge", json!({}));
    for field in ["source", "balance_type", "exchange_rate", "status", "description", "available_on"] {
        sale.as_object_mut().unwrap().remove(field);
    }
    assert_eq!(settle(100, &[sale]).hold, None);
    assert!(refused(r#"{"object":"list","data":[]}"#).what.contains("has_more is missing"));
    assert!(refused(r#"{"error":{"message":"no"}}"#).what.contains("data or has_more is missing"));
}

#[test]
fn fault_067_an_answer_that_is_cut_off_is_refused_with_the_place() {
    let whole =
        page(&[row("txn_1", 100, 0, "charge", json!({ "source": { "id": "ch_1", "metadata": {} } }))], false);
    for end in 1..whole.len() {
        let error = refused(&whole[..end]);
        assert_eq!(error.cause, Cause::Schema);
        assert!(error.at.starts_with("byte "), "{error}");
    }
    for other in ["", "<html>", "[]", "null", "\u{feff}{}", "{} {}"] {
        refused(other);
    }
    assert_eq!(refused([b'{', b'"', 0xff, b'"']).what, "is not UTF-8");
}

#[test]
fn fault_068_a_field_that_stands_twice_is_refused() {
    let text = String::from_utf8(page(
        &[row("txn_1", 100, 0, "charge", json!({ "source": { "id": "ch_1" } }))],
        false,
    ));
    let text = text.unwrap();
    for field in
        ["\"amount\":", "\"net\":", "\"id\":", "\"type\":", "\"currency\":", "\"reporting_category\":"]
    {
        let at = text.rfind(field).unwrap();
        let end = at + text[at..].find([',', '}']).unwrap();
        let twice = format!("{},{}{}", &text[..end], &text[at..end], &text[end..]);
        serde_json::from_str::<Value>(&twice).unwrap();
        assert!(refused(&twice).what.contains("stands twice"), "{field}");
    }
    assert!(refused(text.replace("\"data\":", "\"data\":[],\"data\":")).what.contains("data stands twice"));
    assert!(
        refused(text.replace("has_more\":false", "has_more\":false,\"has_more\":true"))
            .what
            .contains("twice")
    );
    // Escaped, it is the same name.
    assert!(refused(text.replace("\"net\":", "\"n\\u0065t\":1,\"net\":")).what.contains("hides its name"));
}

#[test]
fn fault_069_numbers_as_texts_and_texts_as_numbers_are_refused() {
    for (field, value) in [
        ("amount", json!("100")),
        ("net", json!(null)),
        ("fee", json!("0")),
        ("created", json!("2026-01-01")),
        ("id", json!(17)),
        ("currency", json!(578)),
        ("type", json!(null)),
        ("fee_details", json!(null)),
        ("fee_details", json!({})),
        ("fee_details", json!([{ "amount": "1", "type": "tax" }])),
        ("fee_details", json!([{ "amount": 1 }])),
        ("exchange_rate", json!("1.5")),
        ("source", json!(5)),
        ("source", json!({ "object": "charge" })),
    ] {
        let sale = row("txn_1", 100, 0, "charge", json!({ field: value.clone() }));
        assert_eq!(refused(page(&[sale], false)).cause, Cause::Schema, "{field} {value}");
    }
    assert_eq!(refused(r#"{"data":[],"has_more":"false"}"#).what, "has_more is neither true nor false");
}

#[test]
fn fault_070_amounts_that_are_no_whole_numbers_are_refused() {
    let text = String::from_utf8(page(&[row("txn_1", 100, 0, "charge", json!({}))], false)).unwrap();
    for number in ["100.0", "1e2", "1E400", "NaN", "Infinity", "-Infinity", "0x64", "0100", "+100", "1_00"] {
        let error = refused(text.replace("\"amount\":100", &format!("\"amount\":{number}")));
        assert_eq!(error.cause, Cause::Schema, "{number}");
    }
    let none = row("txn_1", 0, 0, "charge", json!({}));
    let text = String::from_utf8(page(&[payout_of(0).1, none], false)).unwrap();
    let minus_zero = text.replace("\"amount\":0", "\"amount\":-0");
    let reading = read_pages(&payout_of(0).0, &[minus_zero.into_bytes()], &terms()).unwrap();
    assert_eq!((reading.hold, reading.head.payout.to_string()), (None, "0".to_owned()));
}

#[test]
fn fault_071_amounts_beyond_any_real_one_are_refused() {
    for amount in [1_000_000_000_000_000_i64, -1_000_000_000_000_000, 999_999_999_999_999_999] {
        let error = refused(page(&[row("txn_1", amount, 0, "charge", json!({}))], false));
        assert!(error.what.contains("beyond any real amount"), "{error}");
    }
    let text = String::from_utf8(page(&[row("txn_1", 100, 0, "charge", json!({}))], false)).unwrap();
    for amount in ["9223372036854775808", "99999999999999999999999999999999999999999"] {
        let error = refused(text.replace("\"amount\":100", &format!("\"amount\":{amount}")));
        assert_eq!(error.what, "amount is beyond any real number");
    }
}

#[test]
fn fault_072_nesting_without_end_is_refused() {
    let deep = "[".repeat(1_000_000);
    assert!(refused(format!("{{\"x\":{deep}")).what.contains("nested too deeply"));
    assert!(refused(format!("{{\"data\":[{{\"source\":{{\"metadata\":{deep}")).what.contains("too deeply"));
    assert!(refused(format!("{{\"data\":{deep}")).what.contains("an object is expected"));
}

#[test]
fn fault_088_currencies_are_counted_as_stripe_counts_them() {
    for (code, minor, major, digits) in [
        ("NOK", 12345, "123.45", 2),
        ("JPY", 500, "500", 0),
        ("ISK", 500, "5", 2),
        ("UGX", 500, "5", 2),
        ("HUF", 1000, "10.00", 2),
        ("TWD", 80000, "800.00", 2),
        ("KWD", 5120, "5.120", 3),
        ("MGA", 700, "700", 0),
        ("XOF", 700, "700", 0),
    ] {
        let currency = Currency::parse(code).unwrap();
        assert_eq!(minor_digits(currency), digits, "{code}");
        let code = code.to_ascii_lowercase();
        let mut payout: Value = serde_json::from_slice(&fixture("payout.json")).unwrap();
        payout["amount"] = minor.into();
        payout["currency"] = code.clone().into();
        payout["id"] = "po_1".into();
        payout["balance_transaction"] = "txn_0".into();
        let settlement = announce(&payout).unwrap();
        assert_eq!((settlement.payout.to_string().as_str(), settlement.currency), (major, currency));
        let rows = [
            row("txn_0", -minor, 0, "payout", json!({ "source": "po_1", "currency": code })),
            row("txn_1", minor, 0, "charge", json!({ "currency": code })),
        ];
        let reading = read_pages(&settlement, &[page(&rows, false)], &terms()).unwrap();
        assert_eq!((reading.hold, reading.head.payout), (None, settlement.payout));
    }
    let half = row("txn_1", 501, 0, "charge", json!({ "currency": "isk" }));
    assert!(refused(page(&[half], false)).what.contains("parts of a unit"));
    let unknown = row("txn_1", 501, 0, "charge", json!({ "currency": "zzz" }));
    assert!(refused(page(&[unknown], false)).what.contains("not a known currency"));
    let foreign = refused(page(&[row("txn_1", 501, 0, "charge", json!({ "currency": "sek" }))], false));
    assert_eq!(foreign.cause, Cause::DoesNotAddUp);
    assert!(foreign.what.contains("SEK") && foreign.what.contains("NOK"), "{foreign}");
}

#[test]
fn fault_089_a_payout_that_does_not_add_up_is_held_with_the_difference() {
    let hold = settle(100, &[row("txn_1", 101, 0, "charge", json!({}))]).hold.unwrap();
    assert_eq!(hold.cause, Cause::DoesNotAddUp);
    assert!(hold.what.contains("-0.01 NOK"), "{hold}");

    let (settlement, own) = payout_of(100);
    let sale = row("txn_1", 100, 0, "charge", json!({}));
    let held =
        |rows: &[Value]| read_pages(&settlement, &[page(rows, false)], &terms()).unwrap().hold.unwrap();
    let missing = held(std::slice::from_ref(&sale));
    assert_eq!(missing.cause, Cause::PayoutRowMissing);
    assert!(missing.what.contains("1 rows add up to 1.00 NOK"), "{missing}");
    assert_eq!(held(&[]).cause, Cause::PayoutRowMissing);
    let other = row("txn_9", -100, 0, "payout", json!({ "source": "po_other" }));
    assert_eq!(held(&[other.clone(), sale.clone()]).cause, Cause::PayoutRowMissing);
    let two = held(&[own.clone(), other, sale.clone(), row("txn_2", 100, 0, "charge", json!({}))]);
    assert!(two.what.contains("2 payout rows"), "{two}");
    let mut named = own.clone();
    named["id"] = "txn_7".into();
    assert!(held(&[named, sale]).what.contains("txn_0"), "another row than the payout names");
    let mut less = own;
    less["amount"] = (-90).into();
    less["net"] = (-90).into();
    let differs = held(&[less, row("txn_1", 90, 0, "charge", json!({}))]);
    assert!(differs.what.contains("the payout is 100, its own row -90"), "{differs}");

    let mut wrong = row("txn_1", 100, 3, "charge", json!({}));
    wrong["net"] = 98.into();
    let error = refused(page(&[wrong], false));
    assert_eq!((error.cause, error.at.as_str()), (Cause::DoesNotAddUp, "txn_1"));
    assert!(error.what.contains("net 98 is not amount 100 less fee 3"), "{error}");
}

#[test]
fn fee_details_that_do_not_add_up_matter_only_where_they_state_vat() {
    let with = |details: Value| row("txn_1", 110, 10, "charge", json!({ "fee_details": details }));
    let reading = settle(100, &[with(json!([{ "amount": 7, "type": "stripe_fee" }]))]);
    assert_eq!((reading.hold, reading.lines[1].fee_vat), (None, Decimal::ZERO));
    assert_eq!(settle(100, &[with(json!([]))]).hold, None);
    let error = refused(page(&[with(json!([{ "amount": 2, "type": "tax" }]))], false));
    assert_eq!(error.cause, Cause::DoesNotAddUp);
    assert!(error.what.contains("how much of it is VAT cannot be told"), "{error}");
    let both = json!([{ "amount": 8, "type": "stripe_fee" }, { "amount": 2, "type": "tax" }]);
    let line = &settle(100, &[with(both)]).lines[1];
    assert_eq!(
        (line.fee, line.fee_vat, line.fee_type),
        (Decimal::new(10, 2), Decimal::new(2, 2), FeeType::Processing)
    );
    let platform = json!([{ "amount": 10, "type": "application_fee" }]);
    assert_eq!(settle(100, &[with(platform)]).lines[1].fee_type, FeeType::Unknown);
}

#[test]
fn a_category_that_is_missing_or_unknown_gives_way_to_the_type() {
    let kind = |type_: &str, category: Value, amount: i64| {
        let sale =
            row("txn_1", amount, 0, "charge", json!({ "type": type_, "reporting_category": category }));
        let line = settle(amount, &[sale]).lines.pop().unwrap();
        (!line.unknown).then_some((line.kind, line.fee_type, line.remote_type.to_string()))
    };
    let known = |kind, fee_type, word: &str| Some((kind, fee_type, word.to_owned()));
    assert_eq!(kind("charge", json!(null), 100), known(Kind::Sale, FeeType::Processing, "charge"));
    assert_eq!(
        kind("payment_reversal", json!("brand_new"), -5),
        known(Kind::Refund, FeeType::Processing, "brand_new")
    );
    assert_eq!(kind("stripe_fx_fee", json!("fx_cost"), -5), known(Kind::Fee, FeeType::Fx, "fx_cost"));
    assert_eq!(
        kind("reserve_release", json!(""), 5),
        known(Kind::HoldRelease, FeeType::Unknown, "reserve_release")
    );
    assert_eq!(kind("transfer_failure", json!(null), 5).unwrap().0, Kind::Transfer);
    // The category wins over the type where it is known.
    assert_eq!(kind("refund", json!("partial_capture_reversal"), -5).unwrap().0, Kind::Refund);
    assert_eq!(kind("adjustment", json!("dispute"), -5).unwrap().0, Kind::Chargeback);
    for type_ in ["adjustment", "tax_fund", "fee_credit_funding", "issuing_transaction", "brand_new"] {
        assert_eq!(kind(type_, json!("brand_new"), -5), None, "{type_}");
    }
}

#[test]
fn the_readmes_table_of_types_is_what_the_code_does() {
    let quoted = |text: &str| text.split('`').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>();
    let mut listed = HashSet::new();
    for row in include_str!("README.md").lines().filter_map(|line| line.strip_prefix("| as ")) {
        let (meaning, types) = row.split_once(" | ").unwrap();
        for type_ in quoted(types) {
            let category = quoted(meaning).pop().unwrap_or_else(|| type_.clone());
            assert_eq!(category_of(&type_), Some(category.as_str()), "{type_}");
            assert!(super::kind_of(&category, Decimal::ONE).is_some(), "{category}");
            assert!(listed.insert(type_), "{row}");
        }
    }
    assert_eq!(listed.len(), 44);
}

#[test]
fn rows_of_another_balance_are_never_booked_unseen() {
    let row = row("txn_1", 100, 0, "charge", json!({ "balance_type": "risk_reserved" }));
    let line = settle(100, &[row]).lines.pop().unwrap();
    assert!(line.unknown);
    assert_eq!(line.remote_type, "risk_reserved:charge");
}

#[test]
fn fault_094_a_negative_payout_is_debited_from_the_bank() {
    let refund = row("txn_1", -12345, 0, "refund", json!({ "source": { "id": "re_1", "charge": "ch_1" } }));
    let reading = settle(-12345, &[refund]);
    assert_eq!((reading.hold, reading.head.payout), (None, Decimal::new(-12345, 2)));
    assert_eq!(reading.lines[0].gross, Decimal::new(12345, 2));
    assert_eq!(reading.lines[1].original_id, "ch_1");
}

#[test]
fn fault_095_a_payout_of_nothing_has_its_rows() {
    let rows = [row("txn_1", 5000, 100, "charge", json!({})), row("txn_2", -4900, 0, "refund", json!({}))];
    let reading = settle(0, &rows);
    assert_eq!((reading.hold, reading.head.payout.to_string()), (None, "0".to_owned()));
    assert_eq!(reading.lines.len(), 3);
}

#[test]
fn fault_097_disputes_opened_and_won_name_their_charge_and_keep_their_fees() {
    let dispute = json!({ "source": { "id": "du_1", "object": "dispute", "charge": { "id": "ch_1", "object": "charge" } } });
    let reading = settle(
        100,
        &[
            row("txn_1", -39900, 15000, "dispute", dispute.clone()),
            row("txn_2", 39900, -15000, "dispute_reversal", dispute),
            row("txn_3", 100, 0, "charge", json!({})),
        ],
    );
    assert_eq!(reading.hold, None);
    let (opened, won) = (&reading.lines[1], &reading.lines[2]);
    assert_eq!((opened.kind, won.kind), (Kind::Chargeback, Kind::ChargebackReversal));
    assert_eq!((opened.fee, won.fee), (Decimal::new(15000, 2), Decimal::new(-15000, 2)));
    assert_eq!(
        (&*opened.original_id, &*won.original_id, opened.fee_type),
        ("ch_1", "ch_1", FeeType::Dispute)
    );
}

#[test]
fn an_answer_whose_sources_are_not_expanded_has_their_ids() {
    let refund = row("txn_1", 100, 0, "charge", json!({ "source": "ch_1" }));
    let line = settle(100, &[refund]).lines.pop().unwrap();
    assert_eq!((&*line.reference, &*line.method, &*line.original_id), ("ch_1", "", ""));
}

#[test]
fn a_hold_of_the_caller_ends_the_reading() {
    let mut reader = Stripe.pages(&terms(), &announced(), None).unwrap();
    let hold = Hold::new(Cause::MissingAccount, "no account", "add it");
    let error = reader.read(&fixture("rows-1.json"), &mut |_, _| Err(hold.clone())).unwrap_err();
    assert_eq!((error.cause, error.what.as_str()), (Cause::MissingAccount, "no account"));
}

#[test]
fn a_state_of_another_version_is_refused() {
    let mut state = Stripe.pages(&terms(), &announced(), None).unwrap().state();
    state["version"] = 2.into();
    assert!(Stripe.pages(&terms(), &announced(), Some(&state)).is_err());
    assert!(Stripe.pages(&terms(), &announced(), Some(&json!({}))).is_err());
}

#[test]
fn a_window_takes_every_row_of_its_day() {
    let nok = Currency::parse("nok").unwrap();
    let day = "2026-01-01".parse().unwrap();
    let settlement = announce_window(day, nok, "acct_1", Tz::Europe__Oslo);
    assert_eq!(settlement.name.to_string(), "stripe:acct_1:window-2026-01-01-NOK");
    let rows = [
        row("txn_1", 5000, 100, "charge", json!({})),
        row("txn_2", -3000, 0, "payout", json!({ "source": "po_manual" })),
        row("txn_3", -500, 0, "payout", json!({ "source": "po_instant", "fee": 5, "net": -505 })),
    ];
    let terms = Terms { account: Some("acct_1".to_owned()), window_from: Some(day), ..terms() };
    let reading = read_pages(&settlement, &[page(&rows, false)], &terms).unwrap();
    assert_eq!(reading.hold, None);
    assert_eq!((reading.head.payout, reading.head.closing), (Decimal::new(3500, 2), Decimal::new(1395, 2)));
    assert!(reading.head.window);
    let outside = row("txn_9", 1, 0, "charge", json!({ "created": begin_of(day, Tz::Europe__Oslo) - 1 }));
    let error = read_pages(&settlement, &[page(&[outside], false)], &terms).err().unwrap();
    assert!(error.what.contains("not within the window"), "{error}");
}

#[test]
fn days_of_windows_begin_and_end_with_the_company() {
    let oslo = Tz::Europe__Oslo;
    let hours = |day: &str| {
        let (gte, lt) = super::payout::seconds_of(day.parse().unwrap(), oslo);
        (lt - gte) / 3600
    };
    assert_eq!((hours("2026-01-01"), hours("2026-03-29"), hours("2026-10-25")), (24, 23, 25));
    assert_eq!(begin_of("2026-01-01".parse().unwrap(), oslo), 1_767_222_000);
    let at = |text: &str| text.parse().unwrap();
    let day = "2026-01-01".parse().unwrap();
    assert!(!is_whole(day, oslo, at("2026-01-02T04:59:59Z")));
    assert!(is_whole(day, oslo, at("2026-01-02T05:00:00Z")));
    let mut cursor = WindowCursor::open(None, day).unwrap();
    for currency in ["sek", "nok", "sek"] {
        cursor.note(currency);
    }
    assert_eq!(cursor.currencies, ["nok", "sek"]);
    let kept = serde_json::to_value(WindowCursor { day: "2026-02-01".parse().unwrap(), ..cursor }).unwrap();
    let next = WindowCursor::open(Some(&kept), day).unwrap();
    assert_eq!(next.day.to_string(), "2026-02-01");
    let earlier = WindowCursor::open(Some(&kept), "2025-12-01".parse().unwrap()).unwrap();
    assert_eq!((earlier.day.to_string().as_str(), earlier.currencies.len()), ("2025-12-01", 0));
}

#[test]
fn payouts_are_announced_as_far_as_stripe_tells_their_rows() {
    let payout: Value = serde_json::from_slice(&fixture("payout.json")).unwrap();
    let with = |changes: Value| {
        let mut payout = payout.clone();
        for (key, value) in changes.as_object().unwrap() {
            payout[key] = value.clone();
        }
        announce(&payout)
    };
    let usual = with(json!({})).unwrap();
    assert_eq!(usual.name.to_string(), "stripe:po_1SkyBilag00001");
    assert_eq!(
        (usual.payout, usual.payout_on.to_string()),
        (Decimal::new(241_732, 2), "2026-01-05".to_owned())
    );
    assert_eq!((usual.ready, usual.window), (Ready::Now, false));
    assert_eq!(usual.detail["trace_id"]["value"], "20260106BILAG000001");
    for left_out in ["destination", "description", "metadata", "failure_message"] {
        assert_eq!(usual.detail.get(left_out), None, "{left_out}");
    }
    let ready = |changes: Value| with(changes).unwrap().ready;
    assert!(
        matches!(ready(json!({ "reconciliation_status": "in_progress" })), Ready::Later(why) if why.contains("still reconciling"))
    );
    let cause = |changes: Value| match ready(changes) {
        Ready::Held(hold) => (hold.cause, hold.remedy),
        ready => panic!("{ready:?}"),
    };
    let (held, remedy) = cause(json!({ "automatic": false, "reconciliation_status": "not_applicable" }));
    assert_eq!(held, Cause::ManualPayout);
    assert!(
        remedy.contains("settle_by = \"window\"") && remedy.contains("account") && remedy.contains("from")
    );
    assert_eq!(cause(json!({ "automatic": false, "method": "instant" })).0, Cause::ManualPayout);
    assert_eq!(cause(json!({ "reconciliation_status": "not_applicable" })).0, Cause::ManualPayout);
    assert_eq!(cause(json!({ "reconciliation_status": "paused" })).0, Cause::Schema);
    assert_eq!(ready(json!({ "status": "failed", "failure_balance_transaction": "txn_9" })), Ready::Now);
    let error = with(json!({ "livemode": false })).unwrap_err();
    assert!(error.kind == edge::Kind::Auth && error.to_string().contains("test mode"), "{error}");
    assert!(with(json!({ "id": "po:1" })).is_err());
    assert!(with(json!({ "currency": "zzz" })).is_err());
}

/// One page of a list of payouts, given as (id, created, reconciled).
fn listed(payouts: &[(&str, i64, bool)], has_more: bool) -> String {
    let template: Value = serde_json::from_slice(&fixture("payout.json")).unwrap();
    let data: Vec<Value> = payouts
        .iter()
        .map(|(id, created, reconciled)| {
            let mut payout = template.clone();
            payout["id"] = (*id).into();
            payout["created"] = (*created).into();
            payout["reconciliation_status"] = if *reconciled { "completed" } else { "in_progress" }.into();
            payout
        })
        .collect();
    json!({ "object": "list", "url": "/v1/payouts", "has_more": has_more, "data": data }).to_string()
}

const DAY: i64 = 86_400;

fn open(kept: Option<&Value>) -> (Cursor, Listing) {
    Cursor::open(kept, "2026-01-01".parse().unwrap(), Tz::Europe__Oslo).unwrap()
}

#[test]
fn the_cursor_moves_only_when_a_whole_listing_is_read() {
    let start = begin_of("2026-01-01".parse().unwrap(), Tz::Europe__Oslo);
    let (mut cursor, listing) = open(None);
    assert_eq!((listing.from, &listing.after), (start, &None));
    let take = |cursor: &mut Cursor, listing: Listing, page: &str| {
        let page: PayoutPage<'_> = serde_json::from_str(page).unwrap();
        cursor.take(listing, &page, (&terms(), true), &mut HashSet::new(), &mut Vec::new())
    };
    let newest = start + 100 * DAY;
    take(&mut cursor, listing, &listed(&[("po_9", newest, true), ("po_8", newest, true)], true)).unwrap();
    assert_eq!(cursor.newest, None);
    // Killed here: the next step goes on behind po_8, and a listing that fails leaves the cursor where it was.
    let kept = serde_json::to_value(&cursor).unwrap();
    let (mut cursor, listing) = open(Some(&kept));
    assert_eq!((listing.from, listing.after.as_deref()), (start, Some("po_8")));
    take(&mut cursor, listing, &listed(&[("po_7", start + 80 * DAY, false), ("po_6", start, true)], false))
        .unwrap();
    assert_eq!((cursor.newest, cursor.waiting), (Some(newest), Some(start + 80 * DAY)));
    // A payout that is not reconciled yet is listed again until it is, however old.
    let kept = serde_json::to_value(&cursor).unwrap();
    let (mut cursor, listing) = open(Some(&kept));
    assert_eq!(listing.from, start + 80 * DAY);
    take(&mut cursor, listing, &listed(&[("po_9", newest, true), ("po_7", start + 80 * DAY, true)], false))
        .unwrap();
    let kept = serde_json::to_value(&cursor).unwrap();
    let (mut cursor, listing) = open(Some(&kept));
    assert_eq!(listing.from, newest - 15 * DAY);
    // Nothing new.
    take(&mut cursor, listing, &listed(&[], false)).unwrap();
    assert_eq!(cursor.newest, Some(newest));
    // An earlier start begins anew, a later one does not list what is not wanted.
    let kept = serde_json::to_value(&cursor).unwrap();
    let (_, listing) = Cursor::open(Some(&kept), "2025-06-01".parse().unwrap(), Tz::UTC).unwrap();
    assert_eq!(listing.from, begin_of("2025-06-01".parse().unwrap(), Tz::UTC));
    let (_, listing) = Cursor::open(Some(&kept), "2027-06-01".parse().unwrap(), Tz::UTC).unwrap();
    assert_eq!(listing.from, begin_of("2027-06-01".parse().unwrap(), Tz::UTC));
}

#[test]
fn fault_027_a_list_of_payouts_that_repeats_itself_is_refused() {
    let run = |pages: &[String]| {
        let (mut cursor, _) = open(None);
        for page in pages {
            let kept = serde_json::to_value(&cursor).unwrap();
            let (next, listing) = open(Some(&kept));
            cursor = next;
            let page: PayoutPage<'_> = serde_json::from_str(page).unwrap();
            // Each page a step of its own: only the cursor remembers.
            cursor.take(listing, &page, (&terms(), true), &mut HashSet::new(), &mut Vec::new())?;
        }
        Ok::<_, edge::Error>(())
    };
    let one = |id: &str, more: bool| listed(&[(id, 1_780_000_000, true)], more);
    assert!(
        run(&[one("po_1", true), one("po_1", true)]).unwrap_err().to_string().contains("po_1 comes twice")
    );
    let circle: Vec<String> = (0..100).map(|number| one(&format!("po_{}", number % 7), true)).collect();
    assert!(run(&circle).unwrap_err().to_string().contains("comes twice"));
    assert!(run(&[listed(&[], true)]).is_err());
    assert!(run(&[listed(&[("po_1", 1_780_000_000, true), ("po_1", 1_780_000_000, true)], false)]).is_err());
    assert!(run(&[one("po_1", true), one("po_2", false)]).is_ok());
}

#[test]
fn pages_become_a_balanced_voucher() {
    let target = |account: &str| Target { account: account.to_owned(), ..Target::default() };
    let mapping = Mapping {
        company: "nordlys".to_owned(),
        connection: "shop".to_owned(),
        provider: "stripe".to_owned(),
        provider_title: "Stripe".to_owned(),
        book: Book::Clearing,
        granularity: Granularity::Summary,
        cut_off: CutOff::Payout,
        fees: FeeMode::Auto,
        unallocated_limit: None,
        accounts: Role::ALL.iter().map(|role| (*role, target(role.name()))).collect(),
        rules: Vec::new(),
        lines_max: 1000,
    };
    let pages = [fixture("rows-1.json"), fixture("rows-2.json")];
    let head = read_pages(&announced(), &pages, &terms()).unwrap().head;
    let mut planner = Planner::new(&mapping, &head, Purpose::Settlement, 1);
    let mut reader = RowPages::new(&terms(), &announced(), None).unwrap();
    for page in &pages {
        reader.read_lines(page, |line| planner.add(line)).unwrap();
    }
    let end = Box::new(reader).end();
    assert_eq!(
        end,
        GroupEnd::Settlement { head: Box::new(head.clone()), hold: None, open: false, follows: None }
    );
    let vouchers = planner.finish().unwrap();
    assert_eq!(vouchers.len(), 2, "the payout that came back has a voucher of its own");
    let on = |account: &str| -> Decimal {
        let postings = vouchers[0].postings.iter().filter(|posting| posting.account == account);
        postings
            .map(|posting| if posting.side == Side::Debit { posting.amount } else { -posting.amount })
            .sum()
    };
    assert_eq!(on("in_transit"), Decimal::new(241_732, 2));
    // VAT that Stripe states: within the fee of txn_1Sky0002, and as a row of its own.
    assert_eq!(on("fee_vat"), Decimal::new(165 + 313, 2));
    assert_eq!(on("provider_fee"), Decimal::new(2050 + 660 + 330 + 15000 - 15000 + 1250 + 4500, 2));
}
