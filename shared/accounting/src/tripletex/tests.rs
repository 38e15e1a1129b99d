//! What is sent, what is compared, what answers mean: pure, with golden files.

#![allow(clippy::unwrap_used)]

use http::{HeaderMap, StatusCode};
use ledger::{Cause, Currency, Kind, Name, Posting, Purpose, Reference, Role, Side, Voucher};
use rust_decimal::Decimal;

use super::answer::{self, Calendar, Verdict};
use super::render::{self, Directory};
use super::wire;

fn posting(side: Side, minor: i64, account: &str, vat: &str, role: Role) -> Posting {
    Posting {
        side,
        amount: Decimal::new(minor, 2),
        account: account.to_owned(),
        vat: vat.to_owned(),
        department: None,
        project: None,
        text: format!("Stripe po_1 {}", role.name()),
        role,
        kind: Kind::Sale,
        fee_type: None,
        rule: None,
        rows: 3,
    }
}

/// 1 000.00 of sales, 28.50 of fees, 971.50 on its way to the bank.
fn charges(fee_vat: &str) -> Voucher {
    Voucher {
        company: "shop".to_owned(),
        reference: Reference {
            settlement: Name { provider: "stripe".to_owned(), scope: String::new(), id: "po_1".to_owned() },
            purpose: Purpose::Settlement,
            revision: 1,
            part: 1,
            parts: 1,
        },
        on: "2026-01-05".parse().unwrap(),
        currency: Currency::parse("NOK").unwrap(),
        text: "Stripe payout po_1".to_owned(),
        corrects: None,
        postings: vec![
            posting(Side::Debit, 97_150, "1909", "none", Role::InTransit),
            posting(Side::Debit, 2_850, "7770", fee_vat, Role::ProviderFee),
            posting(Side::Credit, 100_000, "1579", "none", Role::SalesClearing),
        ],
    }
}

fn directory() -> Directory {
    let accounts: wire::List<wire::Account> =
        serde_json::from_str(include_str!("fixtures/accounts.json")).unwrap();
    let vats: wire::List<wire::VatType> =
        serde_json::from_str(include_str!("fixtures/vat-types.json")).unwrap();
    let mut directory = Directory::new(&accounts.values, &vats.values);
    directory.departments.insert("10".to_owned(), 611);
    directory
}

/// Compares with a golden file; `BILAG_REGENERATE` writes it anew.
fn check(case: &str, sent: &wire::NewVoucher) {
    let mut text = serde_json::to_string_pretty(sent).unwrap();
    text.push('\n');
    let path = format!("{}/src/tripletex/fixtures/{case}/sent.json", env!("CARGO_MANIFEST_DIR"));
    if std::env::var_os("BILAG_REGENERATE").is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    assert_eq!(std::fs::read_to_string(&path).unwrap(), text, "{case}");
}

fn saved(text: &str) -> wire::Voucher {
    answer::object(text.as_bytes()).unwrap()
}

#[test]
fn a_clearing_voucher_is_sent_with_ids_and_signed_gross_amounts() {
    let voucher = charges("none");
    let sent = render::render(&voucher, &directory(), voucher.on).unwrap();
    check("charges-only", &sent);
    let answer = saved(include_str!("fixtures/charges-only/answer.json"));
    assert_eq!(answer::compare(&sent, &answer, None), Ok(()));
    assert!(!answer::is_draft(&answer, false));
}

#[test]
fn vat_is_left_to_tripletex_and_its_own_rows_are_no_difference() {
    let mut voucher = charges("86");
    voucher.postings[1].department = Some("10".to_owned());
    let sent = render::render(&voucher, &directory(), voucher.on).unwrap();
    check("fee-with-vat", &sent);
    let answer = saved(include_str!("fixtures/fee-with-vat/answer.json"));
    assert_eq!(answer::compare(&sent, &answer, None), Ok(()));
}

#[test]
fn fault_014_a_moved_voucher_tells_its_true_day_and_a_long_reference_is_hashed() {
    let mut voucher = charges("none");
    voucher.reference.settlement.id = "x".repeat(80);
    voucher.corrects = Some("stripe:po_0".to_owned());
    let sent = render::render(&voucher, &directory(), "2026-02-01".parse().unwrap()).unwrap();
    check("moved-and-hashed", &sent);
    let number = &sent.external_voucher_number;
    assert_eq!(number.len(), 52);
    assert!(number.bytes().all(|b| b.is_ascii_uppercase() || (b'2'..=b'7').contains(&b)), "{number}");
    assert!(sent.description.contains(&voucher.reference.to_string()));
    // Found again from the voucher's own day.
    let own = render::render(&voucher, &directory(), voucher.on).unwrap();
    let found: wire::Voucher = serde_json::from_value(as_saved(&sent)).unwrap();
    let mark = render::true_day(voucher.on);
    assert_eq!(answer::compare(&own, &found, Some(&mark)), Ok(()));
    assert!(answer::compare(&own, &found, None).unwrap_err().contains("date 2026-02-01"));
}

/// What Tripletex would keep of a voucher, to be changed by tests.
fn as_saved(sent: &wire::NewVoucher) -> serde_json::Value {
    let mut value = serde_json::to_value(sent).unwrap();
    value["id"] = 7.into();
    value["number"] = 31.into();
    value
}

#[test]
fn fault_029_a_rounded_or_dropped_line_is_a_difference() {
    let voucher = charges("none");
    let sent = render::render(&voucher, &directory(), voucher.on).unwrap();
    let compare = |change: &dyn Fn(&mut serde_json::Value)| {
        let mut value = as_saved(&sent);
        change(&mut value);
        answer::compare(&sent, &serde_json::from_value(value).unwrap(), None)
    };
    assert_eq!(compare(&|_| {}), Ok(()));
    assert_eq!(
        compare(&|v| v["postings"][0]["amountGross"] = serde_json::from_str("9.715E+2").unwrap()),
        Ok(())
    );
    let rounded = compare(&|v| v["postings"][1]["amountGross"] = 29.into()).unwrap_err();
    assert!(rounded.contains("28.5") && rounded.contains("29"), "{rounded}");
    let dropped = compare(&|v| drop(v["postings"].as_array_mut().unwrap().remove(1))).unwrap_err();
    assert!(dropped.contains("missing"), "{dropped}");
    assert!(compare(&|v| v["postings"][1]["vatType"]["id"] = 3.into()).is_err());
    assert!(compare(&|v| v["postings"][1]["currency"]["id"] = 5.into()).is_err());
    assert!(compare(&|v| v["postings"][1]["account"]["id"] = 5.into()).is_err());
    assert!(compare(&|v| v["date"] = "2026-01-06".into()).is_err());
    assert!(compare(&|v| v["externalVoucherNumber"] = "stripe:po_2".into()).is_err());
    assert!(compare(&|v| v["postings"][1]["department"] = serde_json::json!({"id": 9})).is_ok());
}

#[test]
fn fault_016_what_the_books_refuse_names_the_place_in_the_mapping() {
    let refused = |change: &dyn Fn(&mut Posting)| {
        let mut voucher = charges("none");
        change(&mut voucher.postings[1]);
        let hold = render::render(&voucher, &directory(), voucher.on).unwrap_err();
        (hold.cause, hold.to_string())
    };
    for (account, what) in [
        ("7771", "not in Tripletex's chart"),
        ("1500", "a ledger of customers"),
        ("2400", "a ledger of suppliers"),
        ("7799", "inactive"),
        ("1941", "foreign currency"),
        ("7100", "needs a department"),
    ] {
        let (cause, text) = refused(&|posting| posting.account = account.to_owned());
        assert_eq!(cause, Cause::AccountRefused, "{text}");
        assert!(text.contains(what) && text.contains("accounts.provider_fee"), "{text}");
    }
    let (cause, text) = refused(&|posting| posting.vat = "12".to_owned());
    assert!(cause == Cause::VatRefused && text.contains("no VAT code 12"), "{text}");
    // A code is never an id: 34 is the id of code 86.
    assert_eq!(refused(&|posting| posting.vat = "34".to_owned()).0, Cause::VatRefused);
    let (cause, text) = refused(&|posting| {
        posting.account = "3000".to_owned();
        posting.rule = Some(2);
    });
    assert!(cause == Cause::VatRefused && text.contains("only VAT code 3"), "{text}");
    assert!(text.contains("[[rules]] number 2"), "{text}");
    let (cause, text) = refused(&|posting| posting.department = Some("99".to_owned()));
    assert!(cause == Cause::AccountRefused && text.contains("department \"99\""), "{text}");
}

#[test]
fn another_currency_than_nok_is_held() {
    let mut voucher = charges("none");
    voucher.currency = Currency::parse("EUR").unwrap();
    let hold = render::render(&voucher, &directory(), voucher.on).unwrap_err();
    assert_eq!(hold.cause, Cause::NoRate);
}

#[test]
fn fault_076_characters_that_a_ledger_may_refuse_are_replaced_and_marked() {
    let mut voucher = charges("none");
    voucher.text = "Kaffe ☕ og 🎉\u{202e}\u{0}\n \u{feff}smørbrød".to_owned();
    let sent = render::render(&voucher, &directory(), voucher.on).unwrap();
    assert_eq!(sent.description, "Kaffe ☕ og ? smørbrød");
}

#[test]
fn fault_077_long_texts_are_cut_between_characters_and_references_never() {
    let mut voucher = charges("none");
    voucher.text = "ø".repeat(400);
    voucher.postings[0].text = "å".repeat(400);
    let sent = render::render(&voucher, &directory(), "2026-02-01".parse().unwrap()).unwrap();
    assert_eq!(sent.description.chars().count(), 255);
    assert!(sent.description.ends_with("ø [accounting day 2026-01-05]"));
    assert_eq!(sent.postings[0].description.chars().count(), 255);
    assert_eq!(sent.external_voucher_number, "stripe:po_1");
}

fn judge(status: u16, body: &str) -> Verdict {
    answer::judge(StatusCode::from_u16(status).unwrap(), &HeaderMap::new(), body.as_bytes())
}

fn envelope(status: u16, code: u32, fields: &[&str]) -> String {
    let messages: Vec<_> = fields
        .iter()
        .map(|field| serde_json::json!({"field": field, "message": "Feil.", "path": null, "rootId": null}))
        .collect();
    serde_json::json!({
        "status": status, "code": code, "message": "Validering feilet.", "link": "https://tripletex.no/v2-docs/",
        "developerMessage": "VALIDATION_ERROR", "validationMessages": messages, "requestId": "ab-12",
    })
    .to_string()
}

#[test]
fn fault_006_only_a_listed_code_in_its_own_shape_says_that_nothing_was_saved() {
    let refused = |status, code, fields: &[&str]| match judge(status, &envelope(status, code, fields)) {
        Verdict::Refused(refusal) => {
            assert!(refusal.what.contains("request ab-12"), "{}", refusal.what);
            Some(refusal.cause)
        }
        _ => None,
    };
    assert_eq!(refused(422, 18000, &["postings.vatType.id"]), Some(Cause::VatRefused));
    assert_eq!(refused(422, 18000, &["postings", "postings.customer.id"]), Some(Cause::AccountRefused));
    assert_eq!(refused(422, 18000, &["date"]), Some(Cause::PeriodClosed));
    assert_eq!(refused(422, 18000, &["postings", "postings.row"]), Some(Cause::Schema));
    assert_eq!(refused(422, 16000, &["voucherDate"]), Some(Cause::Schema));
    assert_eq!(refused(403, 9000, &[]), Some(Cause::Permission));
    assert_eq!(refused(404, 6000, &[]), Some(Cause::CompanyGone));
    // Perhaps saved: duplicates, conflicts, codes that are not listed, faults of the server whatever they say.
    assert_eq!(refused(422, 18000, &["externalVoucherNumber"]), None);
    for (status, code) in [
        (409, 7000),
        (409, 8000),
        (409, 10000),
        (409, 14000),
        (422, 99),
        (500, 1000),
        (500, 18000),
        (418, 18000),
    ] {
        assert_eq!(refused(status, code, &[]), None, "{status}/{code}");
    }
    for (status, body) in [
        (403, "{\"error\": \"Invalid or expired token\"}"),
        (404, "<html>gone</html>"),
        (422, ""),
        (422, "{\"status\":422,\"code\":18000"),
        (500, "<!DOCTYPE html>\n<html><title>Feilsituasjon - Tripletex</title>"),
        (502, ""),
        (302, ""),
        (200, "<html>Logg inn</html>"),
        (201, "{\"value\":{\"id\":1"),
        (201, "{\"value\":null}"),
        (204, ""),
    ] {
        assert!(matches!(judge(status, body), Verdict::Unclear), "{status} {body}");
    }
    assert!(matches!(judge(401, ""), Verdict::Unauthorised));
    assert!(matches!(judge(429, ""), Verdict::TooMany));
}

#[test]
fn fault_015_a_day_that_a_vat_return_covers_has_its_own_cause() {
    let body = envelope(422, 18000, &["date"]).replace("Feil.", "Mva-terminen er levert.");
    let Verdict::Refused(refusal) = judge(422, &body) else { panic!("{body}") };
    assert_eq!(refusal.cause, Cause::VatPeriodClosed);
}

#[test]
fn fault_017_an_error_in_the_body_of_a_success_is_that_error() {
    let body = envelope(422, 18000, &["postings.vatType.id"]);
    assert!(matches!(judge(200, &body), Verdict::Refused(refusal) if refusal.cause == Cause::VatRefused));
    assert!(matches!(judge(200, &envelope(500, 1000, &[])), Verdict::Unclear));
    assert!(matches!(judge(201, &envelope(401, 3000, &[])), Verdict::Unauthorised));
}

#[test]
fn look_alikes_and_vouchers_that_were_taken_back_do_not_count() {
    let found: Vec<wire::Voucher> = serde_json::from_str(
        r#"[{"id": 1, "externalVoucherNumber": "stripe:po_1"},
            {"id": 1, "externalVoucherNumber": "stripe:po_1"},
            {"id": 2, "externalVoucherNumber": "stripe:po_12"},
            {"id": 3, "externalVoucherNumber": "STRIPE:PO_1"},
            {"id": 4, "externalVoucherNumber": null},
            {"id": 5, "externalVoucherNumber": "stripe:po_1", "reverseVoucher": {"id": 6}},
            {"id": 6, "externalVoucherNumber": "stripe:po_1"}]"#,
    )
    .unwrap();
    let ids: Vec<i64> = answer::live(&found, "stripe:po_1").iter().map(|voucher| voucher.id).collect();
    assert_eq!(ids, [1]);
}

#[test]
fn a_calendar_knows_closed_days_whether_ends_are_inclusive_or_not() {
    let day = |text: &str| text.parse().unwrap();
    for ends in [["2025-12-31", "2026-01-31", "2026-02-28"], ["2026-01-01", "2026-02-01", "2026-03-01"]] {
        let period = |start: &str, end: &str, closed| wire::Period {
            id: 1,
            start: start.to_owned(),
            end: end.to_owned(),
            is_closed: Some(closed),
        };
        let periods = [
            period("2026-02-01", ends[2], false),
            period("2025-12-01", ends[0], true),
            period("2026-01-01", ends[1], true),
        ];
        let calendar = Calendar::new(&periods, &[]);
        assert!(calendar.is_closed(day("2025-12-31")) && calendar.is_closed(day("2026-01-31")));
        assert!(!calendar.is_closed(day("2026-02-01")) && !calendar.is_closed(day("2027-01-01")));
        assert_eq!(calendar.first_open(day("2026-01-20")), Some(day("2026-02-01")));
        assert_eq!(calendar.first_open(day("2025-12-20")), None, "another fiscal year");
        let year = [period("2025-07-01", "2026-06-30", false)];
        let calendar = Calendar::new(&periods, &year);
        assert_eq!(calendar.first_open(day("2025-12-20")), Some(day("2026-02-01")));
    }
}

#[test]
fn a_derived_vat_type_never_stands_in_for_the_predefined_one() {
    let directory = directory();
    assert_eq!(directory.vats["1"], [1]);
    assert_eq!(directory.vats["86"], [34]);
    assert_eq!(directory.vat_code(34), "86");
    assert_eq!(directory.vat_code(0), "none");
}
