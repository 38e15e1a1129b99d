//! Vouchers compared with those in `golden/`, which a person has read.
//!
//! A case is a folder with `lines.txt`, a `mapping.txt` where it differs from the usual one, and either
//! `expected.voucher` or `expected.error`. `BILAG_REGENERATE=1 cargo test -p ledger` writes the expected
//! texts
//! anew; read the difference afterwards.

use std::fs;
use std::path::{Path, PathBuf};

use ledger::Voucher;

use crate::case::{Case, mapping_with};

/// Every case; a folder that is not named here, or a name without a folder, fails the test.
const CASES: &[&str] = &[
    "adjustments",
    "carried-balance",
    "chargeback",
    "chargeback-won",
    "charges-only",
    "correction",
    "empty-payout",
    "fee-mode-invoiced-but-netted",
    "fee-mode-netted-but-invoiced",
    "fee-vat-rows",
    "fee-with-vat",
    "gross-settlement",
    "line-limit",
    "loan",
    "minimum-balance-hold",
    "missing-account",
    "month-cut",
    "partial-refund",
    "payout-fee",
    "payout-returned",
    "refund-larger-than-sales",
    "reserve-held",
    "reserve-released",
    "reversal",
    "rule-refused",
    "rule-refused-vat",
    "sales-with-rules",
    "sales-without-vat",
    "too-many-lines",
    "top-up",
    "transaction-lines",
    "transfers",
    "two-payouts-returned",
    "unallocated",
    "unallocated-over-limit",
    "unknown-line",
    "window-day",
    "window-without-payout",
    "yen",
    "zero-payout",
];

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden")
}

/// The vouchers or the hold of a case as text, and the file that it is expected in.
fn outcome(case: &str) -> (&'static str, String) {
    let read = |name: &str| fs::read_to_string(folder().join(case).join(name));
    let mapping = mapping_with(&read("mapping.txt").unwrap_or_default());
    let case = Case::parse(&read("lines.txt").unwrap());
    match case.plan(&mapping) {
        Ok(vouchers) if vouchers.is_empty() => ("expected.voucher", "no voucher\n".to_owned()),
        Ok(vouchers) => {
            let texts: Vec<String> = vouchers.iter().map(Voucher::to_text).collect();
            ("expected.voucher", texts.join("\n"))
        }
        Err(hold) => ("expected.error", format!("{hold}\n")),
    }
}

#[test]
fn vouchers_are_those_that_an_accountant_has_read() {
    let regenerate = std::env::var_os("BILAG_REGENERATE").is_some_and(|value| value == "1");
    let mut wrong = Vec::new();
    for case in CASES {
        let (file, text) = outcome(case);
        let path = |file: &str| folder().join(case).join(file);
        let other = match file {
            "expected.voucher" => "expected.error",
            _ => "expected.voucher",
        };
        if regenerate {
            if path(other).exists() {
                fs::remove_file(path(other)).unwrap();
            }
            fs::write(path(file), &text).unwrap();
        }
        assert!(!path(other).exists(), "{case} has one expected text");
        let expected = fs::read_to_string(path(file)).unwrap_or_default();
        if expected != text {
            wrong.push(format!("--- {case}/{file}, expected:\n{expected}--- found:\n{text}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_folder_is_a_case() {
    let mut folders: Vec<String> = fs::read_dir(folder())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    folders.sort();
    assert_eq!(folders, CASES);
}
