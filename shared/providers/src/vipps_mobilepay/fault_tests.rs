//! Reports that are broken, hostile or of another kind.
#![allow(clippy::unwrap_used)]

use std::io::{Cursor, Write as _};

use ledger::{Cause, Kind};
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use super::VippsMobilePay;
use super::tests::{Group, describe, read, read_as, read_with, report};
use crate::{Detected, Provider as _, Terms};

fn text_of(case: &str) -> String {
    String::from_utf8(report(case)).unwrap()
}

/// The report of a case with one text put for another; panics if there is nothing to replace.
fn changed(case: &str, from: &str, to: &str) -> String {
    let text = text_of(case);
    assert!(text.contains(from), "{from}");
    text.replacen(from, to, 1)
}

fn refused(bytes: &[u8], why: &str) {
    let error = read(bytes).map(|groups| describe(&Ok(groups))).unwrap_err();
    assert!(error.to_string().contains(why), "{error}");
}

fn detected(bytes: &[u8]) -> String {
    match VippsMobilePay.detect(bytes) {
        Detected::Refused(why) => why,
        other => format!("{other:?}"),
    }
}

#[test]
fn fault_072_deep_and_endless_xml_is_refused() {
    let sound = text_of("gross-settlement");
    let deep = sound.replace(
        "<OrderID>N-1",
        &format!("<OrderID>{}", "<a>".repeat(100_000)),
    );
    refused(deep.as_bytes(), "deeper than 32");
    let long = sound.replace("<OrderID>N-1", &format!("<OrderID>{}", "x".repeat(1 << 20)));
    refused(long.as_bytes(), "longer than 64 KB");
    let comment = sound.replace(
        "<OrderID>N-1",
        &format!("<!--{}--><OrderID>N-1", "x".repeat(1 << 20)),
    );
    refused(comment.as_bytes(), "longer than 64 KB");
    let tag = sound.replace(
        "<OrderID>N-1",
        &format!("<OrderID a=\"{}\">N-1", "x".repeat(1 << 20)),
    );
    refused(tag.as_bytes(), "longer than 64 KB");
}

#[test]
fn fault_073_byte_order_marks_are_tolerated_and_other_encodings_are_refused() {
    for case in ["charges-only", "gross-settlement"] {
        let marked = [b"\xef\xbb\xbf", report(case).as_slice()].concat();
        assert_eq!(
            describe(&read(&marked)),
            describe(&read(&report(case))),
            "{case}"
        );
    }
    let latin: Vec<u8> = text_of("charges-only")
        .chars()
        .map(|c| u8::try_from(u32::from(c)).unwrap_or(b'?'))
        .collect();
    assert!(read(&latin).is_err());
    let declared = changed(
        "gross-settlement",
        "encoding=\"UTF-8\"",
        "encoding=\"ISO-8859-1\"",
    );
    refused(declared.as_bytes(), "another encoding than UTF-8");
    let mut broken = report("gross-settlement");
    let order = broken
        .windows(3)
        .position(|window| window == b"N-1")
        .unwrap();
    broken[order] = 0xe6;
    refused(&broken, "not UTF-8");
    let wide: Vec<u8> = text_of("charges-only")
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    assert_eq!(detected(&wide), "NotMine");
}

#[test]
fn fault_075_bidirectional_characters_in_references_are_kept_raw() {
    let groups =
        read(changed("charges-only", ",10002,", ",\u{202e}10002\u{2066},").as_bytes()).unwrap();
    assert!(
        groups[0].lines[1].contains("ref \"\u{202e}10002\u{2066}\""),
        "{:?}",
        groups[0].lines
    );
    // Names and keys are made of payout ids, where such characters are refused.
    let id = text_of("charges-only").replace("310077-2000041", "3100\u{202e}77-2000041");
    refused(id.as_bytes(), "is not <ledger id>-<payout number>");
    let unit = text_of("gross-settlement").replace("200551", "2005\u{202e}51");
    refused(unit.as_bytes(), "SerialNumber");
}

#[test]
fn fault_079_decimal_commas_and_thousands_are_refused_with_row_and_column() {
    let text = text_of("charges-only").replace(',', ";");
    for (amount, column) in [
        ("1249,50", "Beløp"),
        ("1 249.50", "Beløp"),
        ("1249.505", "Beløp"),
    ] {
        refused(
            text.replacen("1249.50", amount, 1).as_bytes(),
            &format!("row 3: column {column}"),
        );
    }
    refused(
        text.replacen(";1489.50;", ";1489,50;", 1).as_bytes(),
        "row 3: column Balanse",
    );
    refused(
        text.replacen(";-21.87;", ";-21,87;", 1).as_bytes(),
        "row 3: column Gebyr",
    );
    let xml = changed(
        "gross-settlement",
        "<SettledAmount>150.00",
        "<SettledAmount>150,00",
    );
    refused(xml.as_bytes(), "is not an amount");
}

#[test]
fn fault_081_xml_entities_and_dtd_are_refused() {
    let dtd = "standalone=\"yes\"?>\n<!DOCTYPE SettlementReport [<!ENTITY a \"aaaaaaaaaa\"><!ENTITY b \"&a;&a;\">]>";
    let text = changed("gross-settlement", "standalone=\"yes\"?>", dtd);
    assert!(detected(text.as_bytes()).contains("document type declaration"));
    let error = read_as("vipps-settlement-xml", text.as_bytes(), &Terms::plain()).unwrap_err();
    assert!(error.what.contains("document type declaration"), "{error}");
    let external = changed("gross-settlement", "N-1<", "&file;<");
    refused(external.as_bytes(), "entity of its own");
    let known =
        read(changed("gross-settlement", "N-1<", "N&#45;1 &lt;&amp;&gt;<").as_bytes()).unwrap();
    assert!(
        known[0].lines[0].contains("ref \"N-1 <&>\""),
        "{:?}",
        known[0].lines
    );
}

#[test]
fn fault_082_other_namespaces_are_refused_by_name() {
    let next = changed(
        "gross-settlement",
        "SettlementReport-3.0.xsd",
        "SettlementReport-4.0.xsd",
    );
    let why = detected(next.as_bytes());
    assert!(
        why.contains("SettlementReport-4.0.xsd\" is not known; bilag reads http://vipps.no/"),
        "{why}"
    );
    let none = changed(
        "gross-settlement",
        " xmlns=\"http://vipps.no/xmlschema/SettlementReport-3.0.xsd\"",
        "",
    );
    assert!(detected(none.as_bytes()).contains("namespace \"\" is not known"));
    let inner = text_of("two-settlements").replacen(
        "<SettlementInfo>",
        "<SettlementInfo xmlns=\"urn:x\">",
        1,
    );
    refused(inner.as_bytes(), "another namespace");
    let prefix = changed("gross-settlement", "<VippsInfo>", "<VippsInfo><x:y/>");
    refused(prefix.as_bytes(), "prefix is not declared");
    assert_eq!(
        detected(b"<?xml version=\"1.0\"?><camt xmlns=\"urn:iso\"/>"),
        "NotMine"
    );
}

#[test]
fn fault_083_hostile_archives_are_refused() {
    let sound = workbook(&rows());
    assert!(read(&sound).is_ok());
    let options = SimpleFileOptions::default();

    refused(
        &archive(&rows(), &[("xl/media/a.bin", &[0; 4 << 20])], options),
        "inflates more than 200 times",
    );
    refused(
        &archive(&rows(), &[("../evil.xml", b"x")], options),
        "leads out of it",
    );
    refused(
        &archive(&rows(), &[("xl/../../evil.xml", b"x")], options),
        "leads out of it",
    );
    let many: Vec<String> = (0..201).map(|index| format!("xl/media/{index}")).collect();
    let many: Vec<(&str, &[u8])> = many.iter().map(|name| (name.as_str(), &b"x"[..])).collect();
    refused(&archive(&rows(), &many, options), "more than 200 entries");

    let twins = archive(
        &rows(),
        &[("xl/twinA.xml", b"x"), ("xl/twinB.xml", b"y")],
        options,
    );
    refused(
        &patched(&twins, b"xl/twinB.xml", |name| {
            name.copy_from_slice(b"xl/twinA.xml")
        }),
        "two entries of one name",
    );

    let mut linked = ZipWriter::new(Cursor::new(Vec::new()));
    linked
        .add_symlink("xl/workbook.xml", "/etc/passwd", options)
        .unwrap();
    refused(&linked.finish().unwrap().into_inner(), "leads out of it");

    // One text of 60 KB that every row refers to, in a file of a few kilobytes.
    let titles = ('A'..).zip(0..TITLES.len());
    let titles = titles.map(|(c, n)| format!("<c r=\"{c}1\" t=\"s\"><v>{n}</v></c>"));
    let row = |n: usize| {
        let order = format!("<c r=\"F{n}\" t=\"s\"><v>{}</v></c>", TITLES.len());
        format!("<row r=\"{n}\">{order}<c r=\"A{n}\"><v>{n}</v></c></row>")
    };
    let first: String = titles.collect();
    let others: String = (2..6000).map(row).collect();
    let sheet = format!("<row r=\"1\">{first}</row>{others}");
    let long: String = (0..6000).map(|n| format!("{n:<10}")).collect();
    let texts = TITLES.iter().copied().chain([long.as_str()]);
    let texts: String = texts
        .map(|text| format!("<si><t>{text}</t></si>"))
        .collect();
    refused(
        &zipped(&sheet, &texts, &[], options),
        "more than 256 MB of rows",
    );

    // Bit 0 of the flags, at 8 bytes into the directory's header, says encrypted.
    let mut encrypted = sound.clone();
    let header = encrypted
        .windows(4)
        .position(|window| window == b"PK\x01\x02")
        .unwrap();
    encrypted[header + 8] |= 1;
    refused(&encrypted, "is encrypted");

    for cut in (30..sound.len()).step_by(7) {
        let result = read_as("vipps-settlement-xlsx", &sound[..cut], &Terms::plain());
        assert!(result.is_err(), "cut at {cut}");
    }
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
    let terms = |account: &str| Terms {
        account: Some(account.to_owned()),
        ..Terms::plain()
    };
    for account in ["512204", "310077"] {
        assert_eq!(
            read_with(&report("charges-only"), &terms(account)).unwrap()[0].hold(),
            None,
            "{account}"
        );
    }
    for case in ["charges-only", "gross-settlement", "xml-2-0"] {
        let groups = read_with(&report(case), &terms("999")).unwrap();
        assert_eq!(
            groups[0].hold().unwrap().cause,
            Cause::WrongAccount,
            "{case}"
        );
    }
    let groups = read_with(&workbook(&rows()), &terms("999")).unwrap();
    assert!(
        groups
            .iter()
            .all(|group| group.hold().unwrap().cause == Cause::WrongAccount)
    );
    let groups = read_with(&report("two-units"), &terms("512204")).unwrap();
    let held: Vec<_> = groups
        .iter()
        .filter_map(Group::hold)
        .map(|hold| hold.cause)
        .collect();
    assert_eq!(
        held,
        [Cause::PayoutRowMissing],
        "whose ledger the other unit's rows are on is not known"
    );
}

#[test]
fn fault_089_a_missing_row_or_changed_sum_holds_the_settlement_with_both_figures() {
    let held = |text: &str| {
        let groups = read(text.as_bytes()).unwrap();
        let hold = groups[0]
            .hold()
            .unwrap_or_else(|| panic!("not held: {:?}", groups[0]))
            .clone();
        assert_eq!(hold.cause, Cause::DoesNotAddUp);
        hold.what
    };
    let lines = text_of("partial-refund");
    let without: Vec<&str> = lines
        .lines()
        .filter(|line| !line.contains("71000000012"))
        .collect();
    let what = held(&without.join("\n"));
    assert!(
        what.contains("row 3: 470.00 is expected after the row before, the row says 350.00"),
        "{what}"
    );

    for (from, to, name) in [
        (
            "<SettledAmount>150.00",
            "<SettledAmount>145.80",
            "SettledAmount should be 150.00 and is 145.80",
        ),
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
        (
            "<NumOfTransactions>3",
            "<NumOfTransactions>4",
            "NumOfTransactions should be 3 and is 4",
        ),
        (
            "<TransactionNetAmount>147.37",
            "<TransactionNetAmount>147.38",
            "net amount of transaction 5600000001",
        ),
    ] {
        let what = held(&changed("gross-settlement", from, to));
        assert!(what.contains(name), "{from}: {what}");
    }
    let what = held(&changed(
        "xml-2-0",
        "<v:NetSettlementAmount>313.08",
        "<v:NetSettlementAmount>388.58",
    ));
    assert!(what.contains("should be 313.08 and is 388.58"), "{what}");
    let missing = changed(
        "two-settlements",
        "<NumOfSettlements>2",
        "<NumOfSettlements>3",
    );
    refused(missing.as_bytes(), "NumOfSettlements is 3 but 2 are there");
}

#[test]
fn fault_089_a_broken_chain_holds_its_own_unit_only() {
    let text = changed("two-units", ",70.00,120.00,", ",70.00,121.00,");
    let groups = read(text.as_bytes()).unwrap();
    let held: Vec<String> = groups
        .iter()
        .filter_map(Group::hold)
        .map(|hold| hold.what.clone())
        .collect();
    assert_eq!(held.len(), 1, "{held:?}");
    assert!(
        held[0].contains("1100305 break at row 6: 120.00 is expected"),
        "{held:?}"
    );
}

#[test]
fn fault_094_a_negative_payout_keeps_its_sign_and_a_negative_balance_makes_none() {
    let groups = read(&report("two-settlements")).unwrap();
    assert_eq!(
        (groups[1].head().payout.to_string(), groups[1].hold()),
        ("-50.18".to_owned(), None)
    );
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
        SettlementInfo,SalesUnitName,SaleUnitNumber,SettlementDate,SettlementID,SettlementAccount,Gross,Currency,Fee,Refund,Net\n\
        SettlementInfo,Eksempel,512204,12.04.2021,2000001,00000000000,100.00,NOK,-1.00,-50.00,99.00\n\
        TransactionInfo,SalesDate,SaleUnitName,SaleUnitNumber,TransactionId,SettlementId,OrderID\n";
    let why = detected(old.as_bytes());
    assert!(
        why.contains("Net column leaves the refunds out")
            && why.contains("export the Settlement report"),
        "{why}"
    );
}

#[test]
fn the_list_of_the_retired_mobilepay_api_is_refused() {
    let why = detected(b"Company Reg No;Merchant Name;Payment Point ID;Type;Amount;Transfer Reference Date;Transfer Reference\n");
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
        let info = format!(
            "<v:FeeDetailsInfo><v:FeeInfo><v:FeeAmount>{amount}</v:FeeAmount></v:FeeInfo></v:FeeDetailsInfo></v:PaymentsInfo>"
        );
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
    let both = changed(
        "gross-settlement",
        "<TransactionRefundAmount>0.00",
        "<TransactionRefundAmount>-1.00",
    );
    refused(both.as_bytes(), "capture and refund at once");
    refused(
        text_of("two-settlements")
            .replace("2000012", "2000011")
            .as_bytes(),
        "stands twice in this file",
    );
    let second = format!(
        "{0}{0}",
        text_of("gross-settlement").split_once("?>").unwrap().1
    );
    refused(second.as_bytes(), "second root");
    let elsewhere = changed(
        "gross-settlement",
        "<VippsInfo>",
        "<VippsInfo><TransactionInfo/>",
    );
    refused(elsewhere.as_bytes(), "stands at a place");
}

/// Everything that a report alone proves: a cut report may prove less, never other. A settlement that must follow
/// on another is not proved by the report alone.
fn sound(groups: &[Group]) -> Vec<String> {
    groups
        .iter()
        .filter(|group| {
            matches!(
                group.end,
                crate::GroupEnd::Settlement {
                    hold: None,
                    follows: None,
                    ..
                }
            )
        })
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
        let format = if whole.starts_with(b"<") {
            "vipps-settlement-xml"
        } else {
            "vipps-portal-csv"
        };
        let known = sound(&read(&whole).unwrap());
        assert!(!known.is_empty(), "{case}");
        for cut in 0..whole.len() {
            let Ok(groups) = read_as(format, &whole[..cut], &Terms::plain()) else {
                continue;
            };
            for settlement in sound(&groups) {
                assert!(
                    known.contains(&settlement),
                    "{case} cut at {cut}: {settlement}"
                );
            }
        }
    }
}

/// A cell's text; a leading `#` makes it a number.
type Rows<'a> = Vec<Vec<&'a str>>;

const TITLES: [&str; 17] = [
    "Salgsdato",
    "Salgssted",
    "Vippsnummer",
    "Produkt",
    "Transaksjons-ID",
    "Ordre-ID",
    "Brutto",
    "Gebyr",
    "Netto",
    "Transaksjonstype",
    "Oppgjørs-ID",
    "Oppgjørsdato",
    "Oppgjørssum",
    "Oppgjørskonto",
    "Fornavn",
    "Etternavn",
    "Melding",
];

fn rows() -> Rows<'static> {
    let row = |day, id, order, gross, fee, net, kind| {
        vec![
            day,
            "Eksempel",
            "2199",
            "Vipps Bedrift",
            id,
            order,
            gross,
            fee,
            net,
            kind,
            "2000461",
            "04.03.2019",
            "",
            "",
            "Kari",
            "",
            "Hei",
        ]
    };
    vec![
        vec!["Oppgjørsrapport"],
        vec!["Fra dato", "", "01.03.2019"],
        TITLES.to_vec(),
        row(
            "01.03.2019",
            "5600000101",
            "",
            "#500",
            "#-7.5",
            "#492.5",
            "Salg",
        ),
        row(
            "02.03.2019",
            "5600000102",
            "A-7",
            "#49.9",
            "#-0.75",
            "#49.15",
            "Salg",
        ),
        row(
            "03.03.2019",
            "5600000103",
            "A-7",
            "#-49.9",
            "#0",
            "#-49.9",
            "Refundering",
        ),
        vec![
            "Til utbetaling netto",
            "Eksempel",
            "2199",
            "",
            "",
            "",
            "",
            "",
            "",
            "",
            "2000461",
            "04.03.2019",
            "#491.75",
            "#99999999999",
        ],
        vec![],
        vec![
            "04.03.2019",
            "Eksempel",
            "2199",
            "VippsGO",
            "5600000104",
            "",
            "#10",
            "#-0.15",
            "#9.85",
            "Salg",
            "2000462",
            "11.03.2019",
        ],
        vec![
            "Til utbetaling netto",
            "Eksempel",
            "2199",
            "",
            "",
            "",
            "",
            "",
            "",
            "",
            "2000462",
            "11.03.2019",
            "#9.85",
        ],
    ]
}

fn workbook(rows: &Rows<'_>) -> Vec<u8> {
    archive(rows, &[], SimpleFileOptions::default())
}

fn archive(rows: &Rows<'_>, more: &[(&str, &[u8])], options: SimpleFileOptions) -> Vec<u8> {
    let (mut sheet, mut strings, mut count) = (String::new(), String::new(), 0);
    for (number, row) in (1..).zip(rows) {
        let mut cells = String::new();
        for (letter, text) in ('A'..).zip(row).filter(|(_, text)| !text.is_empty()) {
            if let Some(amount) = text.strip_prefix('#') {
                cells += &format!("<c r=\"{letter}{number}\" s=\"6\"><v>{amount}</v></c>");
            } else {
                cells += &format!("<c r=\"{letter}{number}\" t=\"s\"><v>{count}</v></c>");
                strings += &format!("<si><t>{text}</t></si>");
                count += 1;
            }
        }
        sheet += &format!("<row r=\"{number}\">{cells}</row>");
    }
    zipped(&sheet, &strings, more, options)
}

/// A workbook with these rows and shared texts, and more entries.
fn zipped(
    sheet: &str,
    strings: &str,
    more: &[(&str, &[u8])],
    options: SimpleFileOptions,
) -> Vec<u8> {
    const MAIN: &str = "http://schemas.openxmlformats.org/spreadsheetml/2006/main";
    const LINKS: &str = "http://schemas.openxmlformats.org/officeDocument/2006/relationships";
    let list = "<sheets><sheet name=\"Rapport\" sheetId=\"5\" r:id=\"rId1\"/></sheets>";
    let list = format!("<workbook xmlns=\"{MAIN}\" xmlns:r=\"{LINKS}\">{list}</workbook>");
    let link = "<Relationship Id=\"rId1\" Target=\"worksheets/sheet1.xml\"/>";
    let link = format!("<Relationships>{link}</Relationships>");
    let sheet = format!("<worksheet xmlns=\"{MAIN}\"><sheetData>{sheet}</sheetData></worksheet>");
    let strings = format!("<sst xmlns=\"{MAIN}\">{strings}</sst>");
    let parts = [
        ("[Content_Types].xml", "<Types/>"),
        ("xl/workbook.xml", &list),
        ("xl/_rels/workbook.xml.rels", &link),
        ("xl/worksheets/sheet1.xml", &sheet),
        ("xl/sharedStrings.xml", &strings),
    ];
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    let parts = parts.map(|(name, text)| (name, text.as_bytes()));
    for (name, bytes) in parts.into_iter().chain(more.iter().copied()) {
        zip.start_file(name, options).unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

/// The bytes with every occurrence of a name changed.
fn patched(bytes: &[u8], name: &[u8], change: impl Fn(&mut [u8])) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    while let Some(start) = bytes.windows(name.len()).position(|window| window == name) {
        change(&mut bytes[start..start + name.len()]);
    }
    bytes
}

#[test]
fn the_old_workbook_is_read_digit_by_digit() {
    let groups = read(&workbook(&rows())).unwrap();
    let found = describe(&Ok(groups));
    let expected = "\
settlement  vipps-mobilepay:2199:2000461  NOK  2019-03-04  payout 491.75
  account 2199  opening 0  closing 0  fees netted
  sale       2019-03-01  gross     500.00  fee    7.50  5600000101  ref \"\"  type \"Salg\"  method \"Vipps Bedrift\"
  sale       2019-03-02  gross      49.90  fee    0.75  5600000102  ref \"A-7\"  type \"Salg\"  method \"Vipps Bedrift\"
  refund     2019-03-03  gross     -49.90  fee    0.00  5600000103  ref \"A-7\"  type \"Refundering\"  method \"Vipps Bedrift\"
  payout     2019-03-04  gross    -491.75  fee    0.00  2000461  ref \"\"  type \"Til utbetaling netto\"  method \"\"
  total      4 rows  gross 500.00  fee 8.25  net 491.75
settlement  vipps-mobilepay:2199:2000462  NOK  2019-03-11  payout 9.85
  account 2199  opening 0  closing 0  fees netted
  sale       2019-03-04  gross      10.00  fee    0.15  5600000104  ref \"\"  type \"Salg\"  method \"VippsGO\"
  payout     2019-03-11  gross      -9.85  fee    0.00  2000462  ref \"\"  type \"Til utbetaling netto\"  method \"\"
  total      2 rows  gross 10.00  fee 0.15  net 9.85
";
    assert_eq!(found, expected);
}

#[test]
fn workbooks_saved_by_a_spreadsheet_program_are_refused() {
    for (row, cell, text, why) in [
        (3, 8, "#492.50000000000006", "row 4: Netto"),
        (3, 6, "#5E2", "download it again"),
        (3, 0, "#43525", "row 4: the day \"43525\" is not a date"),
        (
            3,
            4,
            "#5.600000101E9",
            "Transaksjons-ID \"5.600000101E9\" is written as a decimal number",
        ),
        (3, 10, "#2000461.0", "Oppgjørs-ID"),
        (3, 6, "500,00", "is not an amount"),
    ] {
        let mut rows = rows();
        rows[row][cell] = text;
        refused(&workbook(&rows), why);
    }
}

#[test]
fn workbook_settlements_that_are_not_closed_or_do_not_add_up_are_held() {
    let mut open = rows();
    open.remove(6);
    let groups = read(&workbook(&open)).unwrap();
    let causes: Vec<_> = groups
        .iter()
        .map(|group| group.hold().map(|hold| hold.cause))
        .collect();
    assert_eq!(causes, [Some(Cause::PayoutRowMissing), None]);

    let mut unclosed = rows();
    unclosed.pop();
    let groups = read(&workbook(&unclosed)).unwrap();
    assert_eq!(groups[1].hold().unwrap().cause, Cause::PayoutRowMissing);

    let mut sum = rows();
    sum[6][12] = "#541.65";
    let groups = read(&workbook(&sum)).unwrap();
    assert!(
        groups[0]
            .hold()
            .unwrap()
            .what
            .contains("49.90 NOK is missing"),
        "{:?}",
        groups[0].hold()
    );

    let mut net = rows();
    net[3][8] = "#493.5";
    assert!(
        read(&workbook(&net)).unwrap()[0]
            .hold()
            .unwrap()
            .what
            .contains("row 4 has Netto 493.50")
    );

    let mut unknown = rows();
    unknown[5][9] = "Korreksjon";
    let groups = read(&workbook(&unknown)).unwrap();
    assert!(
        groups[0].lines[2].contains(Kind::Adjustment.name())
            && groups[0].lines[2].contains("UNKNOWN")
    );

    let mut apart = rows();
    apart[8][10] = "2000461";
    refused(&workbook(&apart), "do not stand together");
}

#[test]
fn workbooks_of_another_kind_are_refused_with_the_remedy() {
    let portal = vec![vec!["Sales unit", "MSN/Vipps number", "Booking date"]];
    refused(&workbook(&portal), "export it as CSV");
    refused(
        &workbook(&vec![vec!["a", "b"]]),
        "no sheet has the columns Salgsdato",
    );
    assert_eq!(detected(b"PK\x03\x04 some other archive"), "NotMine");
}

#[test]
fn the_workbook_and_the_xml_of_one_settlement_share_its_name_and_line_ids() {
    let xml = text_of("two-settlements");
    let groups = read(xml.as_bytes()).unwrap();
    assert_eq!(
        groups[0].head().name.to_string(),
        "vipps-mobilepay:200552:2000011"
    );
    let row = |day, id, gross, fee, net, kind| {
        vec![
            day,
            "E",
            "200552",
            "",
            id,
            "",
            gross,
            fee,
            net,
            kind,
            "2000011",
            "06.03.2019",
        ]
    };
    let rows = vec![
        TITLES.to_vec(),
        row(
            "04.03.2019",
            "5600000011",
            "#150",
            "#-2.63",
            "#147.37",
            "Salg",
        ),
        row(
            "04.03.2019",
            "5600000012",
            "#-20",
            "#0",
            "#-20",
            "Refundering",
        ),
        vec![
            "Til utbetaling netto",
            "E",
            "200552",
            "",
            "",
            "",
            "",
            "",
            "",
            "",
            "2000011",
            "06.03.2019",
            "#127.37",
        ],
    ];
    let same = read(&workbook(&rows)).unwrap();
    assert_eq!(same[0].head(), groups[0].head());
    let nets = |group: &Group| (group.totals.net(), group.totals.payout, group.totals.rows);
    assert_eq!(nets(&same[0]), nets(&groups[0]));
}
