//! Documents as a whole.

#![allow(clippy::unwrap_used)]

use document::{Facts, Rate, Row, Vat, pdf};
use ledger::{Currency, Kind, Name, Posting, Purpose, Reference, Role, Side, Voucher};
use rust_decimal::Decimal;

fn voucher() -> Voucher {
    let posting = |side, minor: i64, account: &str, vat: &str, text: &str| Posting {
        side,
        amount: Decimal::new(minor, 2),
        account: account.to_owned(),
        vat: vat.to_owned(),
        department: (vat != "none").then(|| "Butikk Grünerløkka".to_owned()),
        project: None,
        text: text.to_owned(),
        role: Role::InTransit,
        kind: Kind::Payout,
        fee_type: None,
        rule: None,
        rows: 1,
    };
    Voucher {
        company: "nordlys".to_owned(),
        reference: Reference {
            settlement: Name {
                provider: "stripe".to_owned(),
                scope: String::new(),
                id: "po_1MAbCdEfGhIjKlMn".to_owned(),
            },
            purpose: Purpose::Settlement,
            revision: 1,
            part: 1,
            parts: 1,
        },
        on: "2026-01-20".parse().unwrap(),
        currency: Currency::parse("NOK").unwrap(),
        text: "Stripe utbetaling, smørbrød på øya – 12 € (漢)".to_owned(),
        corrects: Some("stripe:po_0".to_owned()),
        postings: vec![
            posting(Side::Debit, 123_456_789, "1909", "none", "Stripe payout to the bank"),
            posting(
                Side::Debit,
                2_850,
                "7770",
                "86",
                "Stripe fees, purchased abroad, reverse charge, January",
            ),
            posting(Side::Credit, 123_459_639, "1579", "none", "Sales that were cleared"),
        ],
    }
}

fn made(rows: usize) -> Vec<u8> {
    let voucher = voucher();
    let vat = [
        Vat::default(),
        Vat { base: Some(Decimal::new(2_850, 2)), amount: Some(Decimal::new(713, 2)) },
        Vat::default(),
    ];
    let facts = Facts {
        company: "Nordlys Keramikk AS",
        org_no: Some("999 888 777"),
        provider: "Stripe Technology Europe, Limited",
        account: "acct_1AbCdEfGhIjKl",
        payout: "po_1MAbCdEfGhIjKlMn",
        payout_on: "2026-01-20".parse().unwrap(),
        voucher: &voucher,
        vat: &vat,
        rate: Some(Rate { text: "11.7325", source: "Norges Bank", on: "2026-01-19".parse().unwrap() }),
        config_version: "5f0c9a52c1c3d1f2b7f8e5a5d9e1c7a1b2c3d4e5f60718293a4b5c6d7e8f9012",
        code_version: "0.1.0",
        source_hash: "0d9a52c1c3d1f2b7f8e5a5d9e1c7a1b2c3d4e5f60718293a4b5c6d7e8f90125f",
        source_place: "archive nordlys/stripe/po_1MAbCdEfGhIjKlMn/manifest.json",
    };
    let ids: Vec<String> = (0..rows).map(|i| format!("txn_1MAbCdEfGhIjKlMn{i:08}")).collect();
    let start: chrono::NaiveDate = "2026-01-10".parse().unwrap();
    let rows = ids.iter().enumerate().map(|(i, id)| Row {
        id,
        on: start + chrono::Days::new(i as u64 % 9),
        kind: if i % 7 == 3 { Kind::ChargebackReversal } else { Kind::Sale },
        reference: "order-100234 Kari Ås",
        gross: Decimal::new(124_950, 2),
        fee: Decimal::new(1_895, 2),
        net: Decimal::new(123_055, 2),
    });
    pdf(&facts, rows)
}

/// How often a text stands in a document, as its fonts encode it.
fn count(pdf: &[u8], text: &[u8]) -> usize {
    pdf.windows(text.len()).filter(|part| *part == text).count()
}

#[test]
fn the_same_facts_give_the_same_bytes() {
    let pdf = made(60);
    assert_eq!(pdf, made(60));
    assert!(pdf.starts_with(b"%PDF-1.") && pdf.ends_with(b"%%EOF"));
    for absent in [&b"CreationDate"[..], b"ModDate", b"/ID"] {
        assert_eq!(count(&pdf, absent), 0);
    }
    if let Some(path) = std::env::var_os("BILAG_DOCUMENT") {
        std::fs::write(path, &pdf).unwrap();
    }
}

#[test]
fn what_an_auditor_asks_for_is_there() {
    let pdf = made(60);
    for text in [
        &b"(Nordlys Keramikk AS, org. no. 999 888 777)"[..],
        b"(Stripe Technology Europe, Limited)",
        b"(acct_1AbCdEfGhIjKl)",
        b"(po_1MAbCdEfGhIjKlMn of 2026-01-20)",
        b"(2026-01-10 to 2026-01-18)",
        b"(stripe:po_0)",
        b"(1 234 567.89)",
        b"(1 234 596.39)",
        b"(86)",
        b"(7.13)",
        b"(bilag 0.1.0)",
        b"(74 970.00)",
        b"(Page 1 of 2)",
    ] {
        assert!(count(&pdf, text) >= 1, "{}", String::from_utf8_lossy(text));
    }
    assert_eq!(count(&pdf, b"txn_1MAbCdEfGhIjKlMn"), 60);
    // Nordic letters, the dash and the euro in Windows-1252; what it lacks is visible. Such texts are written in hex.
    let text: String =
        b"sm\xf8rbr\xf8d p\xe5 \xf8ya \x96 12 \x80 (?)".iter().map(|b| format!("{b:02X}")).collect();
    assert_eq!(count(&pdf.to_ascii_uppercase(), text.as_bytes()), 1);
}

#[test]
fn beyond_a_thousand_rows_days_are_totalled() {
    let itemised = made(document::ROWS_MAX);
    assert_eq!(count(&itemised, b"txn_1MAbCdEfGhIjKlMn"), 1000);
    let totalled = made(document::ROWS_MAX + 1);
    assert_eq!(count(&totalled, b"txn_1MAbCdEfGhIjKlMn"), 0);
    assert_eq!(count(&totalled, b"(1 001)"), 2);
    assert!(totalled.len() < 20_000 && itemised.len() < 1_000_000, "{} {}", totalled.len(), itemised.len());
}

#[test]
fn a_settlement_without_rows_has_a_document() {
    assert_eq!(count(&made(0), b"(Page 1 of 1)"), 1);
}
