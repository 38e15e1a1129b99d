//! Reports that are broken, hostile or of another kind.
#![allow(clippy::unwrap_used)]

use ledger::Cause;

use super::VippsMobilePay;
use super::tests::{Group, describe, read, read_as, read_with, report};
use super::workbook_tests::{rows, workbook};
use crate::{Detected, Provider as _, Terms};

/// The report of a case as text.
pub fn text_of(case: &str) -> String {
    String::from_utf8(report(case)).unwrap()
}

/// The report of a case with one text put for another; panics if there is nothing to replace.
fn changed(case: &str, from: &str, to: &str) -> String {
    let text = text_of(case);
    assert!(text.contains(from), "{from}");
    text.replacen(from, to, 1)
}

/// Panics unless the report is refused, whether at sight or when it is read, for this reason.
pub fn refused(bytes: &[u8], why: &str) {
    let error = read(bytes).map(|groups| describe(&Ok(groups))).unwrap_err();
    assert!(error.to_string().contains(why), "{error}");
}

/// What a look at the beginning of a file tells.
pub fn detected(bytes: &[u8]) -> String {
    match VippsMobilePay.detect(bytes) {
        Detected::Refused(why) => why,
        other => format!("{other:?}"),
    }
}

#[test]
fn fault_072_deep_and_endless_xml_is_refused() {
    let sound = text_of("gross-settlement");
    let deep = sound.replace("<OrderID>N-1", &format!("<OrderID>{}", "<a>".repeat(100_000)));
    refused(deep.as_bytes(), "deeper than 32");
    let long = sound.replace("<OrderID>N-1", &format!("<OrderID>{}", "x".repeat(1 << 20)));
    refused(long.as_bytes(), "longer than 64 KB");
    let comment = sound.replace("<OrderID>N-1", &format!("<!--{}--><OrderID>N-1", "x".repeat(1 << 20)));
    refused(comment.as_bytes(), "longer than 64 KB");
    let tag = sound.replace("<OrderID>N-1", &format!("<OrderID a=\"{}\">N-1", "x".repeat(1 << 20)));
    refused(tag.as_bytes(), "longer than 64 KB");
}

#[test]
fn fault_073_byte_order_marks_are_tolerated_and_other_encodings_are_refused() {
    for case in ["charges-only", "gross-settlement"] {
        let marked = [b"\xef\xbb\xbf", report(case).as_slice()].concat();
        assert_eq!(describe(&read(&marked)), describe(&read(&report(case))), "{case}");
    }
    let latin: Vec<u8> =
        text_of("charges-only").chars().map(|c| u8::try_from(u32::from(c)).unwrap_or(b'?')).collect();
    assert!(read(&latin).is_err());
    let declared = changed("gross-settlement", "encoding=\"UTF-8\"", "encoding=\"ISO-8859-1\"");
    refused(declared.as_bytes(), "another encoding than UTF-8");
    let mut broken = report("gross-settlement");
    let order = broken.windows(3).position(|window| window == b"N-1").unwrap();
    broken[order] = 0xe6;
    refused(&broken, "not UTF-8");
    let wide: Vec<u8> = text_of("charges-only").encode_utf16().flat_map(u16::to_le_bytes).collect();
    assert_eq!(detected(&wide), "NotMine");
}

#[test]
fn fault_075_bidirectional_characters_in_references_are_kept_raw() {
    let groups = read(changed("charges-only", ",10002,", ",\u{202e}10002\u{2066},").as_bytes()).unwrap();
    assert!(groups[0].lines[1].contains("ref \"\u{202e}10002\u{2066}\""), "{:?}", groups[0].lines);
    // Names and keys are made of payout ids, where such characters are refused.
    let id = text_of("charges-only").replace("310077-2000041", "3100\u{202e}77-2000041");
    refused(id.as_bytes(), "is not <ledger id>-<payout number>");
    let unit = text_of("gross-settlement").replace("200551", "2005\u{202e}51");
    refused(unit.as_bytes(), "SerialNumber");
}

#[test]
fn fault_079_decimal_commas_and_thousands_are_refused_with_row_and_column() {
    let text = text_of("charges-only").replace(',', ";");
    for (amount, column) in [("1249,50", "Beløp"), ("1 249.50", "Beløp"), ("1249.505", "Beløp")] {
        refused(text.replacen("1249.50", amount, 1).as_bytes(), &format!("row 3: column {column}"));
    }
    refused(text.replacen(";1489.50;", ";1489,50;", 1).as_bytes(), "row 3: column Balanse");
    refused(text.replacen(";-21.87;", ";-21,87;", 1).as_bytes(), "row 3: column Gebyr");
    let xml = changed("gross-settlement", "<SettledAmount>150.00", "<SettledAmount>150,00");
    refused(xml.as_bytes(), "is not an amount");
}

#[test]
fn fault_081_xml_entities_and_dtd_are_refused() {
    let dtd = "standalone=\"yes\"?>\n<!DOCTYPE SettlementReport [<!ENTITY a \"aa\"><!ENTITY b \"&a;&a;\">]>";
    let text = changed("gross-settlement", "standalone=\"yes\"?>", dtd);
    assert!(detected(text.as_bytes()).contains("document type declaration"));
    let error = read_as("vipps-settlement-xml", text.as_bytes(), &Terms::plain()).unwrap_err();
    assert!(error.what.contains("document type declaration"), "{error}");
    let external = changed("gross-settlement", "N-1<", "&file;<");
    refused(external.as_bytes(), "entity of its own");
    let known = read(changed("gross-settlement", "N-1<", "N&#45;1 &lt;&amp;&gt;<").as_bytes()).unwrap();
    assert!(known[0].lines[0].contains("ref \"N-1 <&>\""), "{:?}", known[0].lines);
}

#[test]
fn fault_082_other_namespaces_are_refused_by_name() {
    let next = changed("gross-settlement", "SettlementReport-3.0.xsd", "SettlementReport-4.0.xsd");
    let why = detected(next.as_bytes());
    assert!(why.contains("SettlementReport-4.0.xsd\" is not known; bilag reads http://vipps.no/"), "{why}");
    let none =
        changed("gross-settlement", " xmlns=\"http://vipps.no/xmlschema/SettlementReport-3.0.xsd\"", "");
    assert!(detected(none.as_bytes()).contains("namespace \"\" is not known"));
    let inner =
        text_of("two-settlements").replacen("<SettlementInfo>", "<SettlementInfo xmlns=\"urn:x\">", 1);
    refused(inner.as_bytes(), "another namespace");
    let prefix = changed("gross-settlement", "<VippsInfo>", "<VippsInfo><x:y/>");
    refused(prefix.as_bytes(), "prefix is not declared");
    assert_eq!(detected(b"<?xml version=\"1.0\"?><camt xmlns=\"urn:iso\"/>"), "NotMine");
}

#[test]
fn fault_084_a_header_alone_has_no_settlements_and_an_empty_file_is_an_error() {
    assert!(read(&report("empty")).unwrap().is_empty());
    for format in VippsMobilePay.formats() {
        let error = read_as(format, b"", &Terms::plain()).unwrap_err();
        assert!(!error.what.is_empty(), "{format}");
    }
    assert_eq!(detected(b""), "NotMine");
}

#[test]
fn fault_086_rows_of_another_account_are_held() {
    let terms = |account: &str| Terms { account: Some(account.to_owned()), ..Terms::plain() };
    for account in ["512204", "310077"] {
        assert_eq!(read_with(&report("charges-only"), &terms(account)).unwrap()[0].hold(), None, "{account}");
    }
    for case in ["charges-only", "gross-settlement", "xml-2-0"] {
        let groups = read_with(&report(case), &terms("999")).unwrap();
        assert_eq!(groups[0].hold().unwrap().cause, Cause::WrongAccount, "{case}");
    }
    let groups = read_with(&workbook(&rows()), &terms("999")).unwrap();
    assert!(groups.iter().all(|group| group.hold().unwrap().cause == Cause::WrongAccount));
    let groups = read_with(&report("two-units"), &terms("512204")).unwrap();
    let held: Vec<_> = groups.iter().filter_map(Group::hold).map(|hold| hold.cause).collect();
    assert_eq!(held, [Cause::PayoutRowMissing], "whose ledger the other unit's rows are on is not known");
}

#[test]
fn fault_089_a_missing_row_or_changed_sum_holds_the_settlement_with_both_figures() {
    let held = |text: &str| {
        let groups = read(text.as_bytes()).unwrap();
        let hold = groups[0].hold().unwrap_or_else(|| panic!("not held: {:?}", groups[0])).clone();
        assert_eq!(hold.cause, Cause::DoesNotAddUp);
        hold.what
    };
    let lines = text_of("partial-refund");
    let without: Vec<&str> = lines.lines().filter(|line| !line.contains("71000000012")).collect();
    let what = held(&without.join("\n"));
    assert!(what.contains("row 3: 470.00 is expected after the row before, the row says 350.00"), "{what}");

    for (from, to, name) in [
        ("<SettledAmount>150.00", "<SettledAmount>145.80", "SettledAmount should be 150.00 and is 145.80"),
        (
            "<CaptureSettlementAmount>239.90",
            "<CaptureSettlementAmount>239.00",
            "CaptureSettlementAmount should be 239.90 and is 239.00",
        ),
        (
            "<FeeSettlementAmount>4.20",
            "<FeeSettlementAmount>4.21",
            "FeeSettlementAmount should be 4.20 and is 4.21",
        ),
        ("<NumOfTransactions>3", "<NumOfTransactions>4", "NumOfTransactions should be 3 and is 4"),
        (
            "<TransactionNetAmount>147.37",
            "<TransactionNetAmount>147.38",
            "net amount of transaction 5600000001",
        ),
    ] {
        let what = held(&changed("gross-settlement", from, to));
        assert!(what.contains(name), "{from}: {what}");
    }
    let what = held(&changed("xml-2-0", "<v:NetSettlementAmount>313.08", "<v:NetSettlementAmount>388.58"));
    assert!(what.contains("should be 313.08 and is 388.58"), "{what}");
    let missing = changed("two-settlements", "<NumOfSettlements>2", "<NumOfSettlements>3");
    refused(missing.as_bytes(), "NumOfSettlements is 3 but 2 are there");
}

#[test]
fn fault_089_a_broken_chain_holds_its_own_unit_only() {
    let text = changed("two-units", ",70.00,120.00,", ",70.00,121.00,");
    let groups = read(text.as_bytes()).unwrap();
    let held: Vec<String> = groups.iter().filter_map(Group::hold).map(|hold| hold.what.clone()).collect();
    assert_eq!(held.len(), 1, "{held:?}");
    assert!(held[0].contains("1100305 break at row 6: 120.00 is expected"), "{held:?}");
}

#[test]
fn fault_094_a_negative_payout_keeps_its_sign_and_a_negative_balance_makes_none() {
    let groups = read(&report("two-settlements")).unwrap();
    assert_eq!((groups[1].head().payout.to_string(), groups[1].hold()), ("-50.18".to_owned(), None));
    assert_eq!(groups[1].totals.payout.to_string(), "50.18");
    let groups = read(&report("refund-larger-than-sales")).unwrap();
    assert_eq!(groups.len(), 1);
}

#[test]
fn fault_096_a_refund_in_a_later_payout_than_its_sale_is_in_that_payout() {
    let groups = read(&report("newest-first")).unwrap();
    assert!(groups[0].lines[1].contains("10052") && groups[0].lines[1].contains("sale"));
    assert!(groups[1].lines[1].contains("10052") && groups[1].lines[1].contains("refund"));
    assert_eq!(groups[1].head().payout.to_string(), "58.25");
}

#[test]
fn the_old_csv_whose_net_ignores_refunds_is_refused() {
    let old = "OrganizationNumber,MerchantName\n000000000,Eksempel AS\n\
        SettlementInfo,SalesUnitName,SaleUnitNumber,SettlementID,Gross,Currency,Fee,Refund,Net\n\
        SettlementInfo,Eksempel,512204,2000001,100.00,NOK,-1.00,-50.00,99.00\n\
        TransactionInfo,SalesDate,SaleUnitName,SaleUnitNumber,TransactionId,SettlementId,OrderID\n";
    let why = detected(old.as_bytes());
    assert!(
        why.contains("Net column leaves the refunds out") && why.contains("export the Settlement report"),
        "{why}"
    );
}

#[test]
fn the_list_of_the_retired_mobilepay_api_is_refused() {
    let why = detected(b"Merchant Name;Payment Point ID;Type;Amount;Transfer Reference\n");
    assert!(why.contains("retired"), "{why}");
}

#[test]
fn a_portal_report_without_a_needed_column_is_refused_by_its_name() {
    let why = detected(changed("charges-only", "Balanse", "Saldo").as_bytes());
    assert!(why.contains("without the column Balanse"), "{why}");
}

#[test]
fn fees_outside_the_settlements_of_an_xml_file_are_refused_unless_nothing() {
    let fees = |amount: &str| {
        let info = format!("<v:FeeInfo><v:FeeAmount>{amount}</v:FeeAmount></v:FeeInfo>");
        let info = format!("<v:FeeDetailsInfo>{info}</v:FeeDetailsInfo></v:PaymentsInfo>");
        changed("xml-2-0", "</v:PaymentsInfo>", &info)
    };
    refused(fees("99.00").as_bytes(), "outside the settlements");
    assert!(read(fees("0.00").as_bytes()).is_ok());
}

#[test]
fn xml_that_names_two_currencies_two_kinds_or_one_settlement_twice_is_refused() {
    let currency = changed(
        "gross-settlement",
        "NOK</SettlementCurrencyCode>\n            <TransactionID>",
        "EUR</SettlementCurrencyCode>\n            <TransactionID>",
    );
    refused(currency.as_bytes(), "it is in EUR, the settlement in NOK");
    let both = changed("gross-settlement", "<TransactionRefundAmount>0.00", "<TransactionRefundAmount>-1.00");
    refused(both.as_bytes(), "capture and refund at once");
    refused(text_of("two-settlements").replace("2000012", "2000011").as_bytes(), "stands twice in this file");
    let second = format!("{0}{0}", text_of("gross-settlement").split_once("?>").unwrap().1);
    refused(second.as_bytes(), "second root");
    let elsewhere = changed("gross-settlement", "<VippsInfo>", "<VippsInfo><TransactionInfo/>");
    refused(elsewhere.as_bytes(), "stands at a place");
}

/// Everything that a report alone proves: a cut report may prove less, never other. A settlement that
/// must follow on another is not proved by the report alone.
fn sound(groups: &[Group]) -> Vec<String> {
    groups
        .iter()
        .filter(|group| matches!(group.end, crate::GroupEnd::Settlement { hold: None, follows: None, .. }))
        .map(|group| format!("{:?} {:?}", group.head(), group.totals))
        .collect()
}

#[test]
fn a_report_cut_at_any_byte_never_gives_another_settlement() {
    for case in [
        "two-units",
        "charges-only",
        "newest-first",
        "carried-balance",
        "english",
        "two-settlements",
        "xml-2-0",
    ] {
        let whole = report(case);
        let format = if whole.starts_with(b"<") { "vipps-settlement-xml" } else { "vipps-portal-csv" };
        let known = sound(&read(&whole).unwrap());
        assert!(!known.is_empty(), "{case}");
        for cut in 0..whole.len() {
            let Ok(groups) = read_as(format, &whole[..cut], &Terms::plain()) else {
                continue;
            };
            for settlement in sound(&groups) {
                assert!(known.contains(&settlement), "{case} cut at {cut}: {settlement}");
            }
        }
    }
}
