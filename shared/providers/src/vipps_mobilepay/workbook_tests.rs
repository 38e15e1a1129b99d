//! The old workbook: read digit by digit, and archives that are broken, hostile or of another kind.
#![allow(clippy::unwrap_used)]

use std::io::{Cursor, Write as _};

use ledger::{Cause, Kind};
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use super::fault_tests::{detected, refused, text_of};
use super::tests::{Group, check_text, describe, read, read_as};
use crate::Terms;

#[test]
fn fault_083_hostile_archives_are_refused() {
    let sound = workbook(&rows());
    assert!(read(&sound).is_ok());
    let options = SimpleFileOptions::default();

    refused(&archive(&rows(), &[("xl/media/a.bin", &[0; 4 << 20])], options), "inflates more than 200 times");
    refused(&archive(&rows(), &[("../evil.xml", b"x")], options), "leads out of it");
    refused(&archive(&rows(), &[("xl/../../evil.xml", b"x")], options), "leads out of it");
    let many: Vec<String> = (0..201).map(|index| format!("xl/media/{index}")).collect();
    let many: Vec<(&str, &[u8])> = many.iter().map(|name| (name.as_str(), &b"x"[..])).collect();
    refused(&archive(&rows(), &many, options), "more than 200 entries");

    let twins = archive(&rows(), &[("xl/twinA.xml", b"x"), ("xl/twinB.xml", b"y")], options);
    refused(
        &patched(&twins, b"xl/twinB.xml", |name| name.copy_from_slice(b"xl/twinA.xml")),
        "two entries of one name",
    );

    let mut linked = ZipWriter::new(Cursor::new(Vec::new()));
    linked.add_symlink("xl/workbook.xml", "/etc/passwd", options).unwrap();
    refused(&linked.finish().unwrap().into_inner(), "leads out of it");

    // One text of 60 KB that every row refers to, in a file of a few kilobytes.
    let titles = ('A'..).zip(0..TITLES.len());
    let titles = titles.map(|(c, n)| format!("<c r=\"{c}1\" t=\"s\"><v>{n}</v></c>"));
    let row = |n: usize| {
        let order = format!("<c r=\"F{n}\" t=\"s\"><v>{}</v></c>", TITLES.len());
        format!("<row r=\"{n}\">{order}<c r=\"A{n}\"><v>{n}</v></c></row>")
    };
    let first: String = titles.collect();
    let others: String = (2..2000).map(row).collect();
    let sheet = format!("<row r=\"1\">{first}</row>{others}");
    let long: String = (0..6000).map(|n| format!("{n:<10}")).collect();
    let texts = TITLES.iter().copied().chain([long.as_str()]);
    let texts: String = texts.map(|text| format!("<si><t>{text}</t></si>")).collect();
    refused(&zipped(&sheet, &texts, &[], options), "more than 64 MB of rows");

    // Bit 0 of the flags, at 8 bytes into the directory's header, says encrypted.
    let mut encrypted = sound.clone();
    let header = encrypted.windows(4).position(|window| window == b"PK\x01\x02").unwrap();
    encrypted[header + 8] |= 1;
    refused(&encrypted, "is encrypted");

    for cut in (30..sound.len()).step_by(7) {
        let result = read_as("vipps-settlement-xlsx", &sound[..cut], &Terms::plain());
        assert!(result.is_err(), "cut at {cut}");
    }
}

/// A cell's text; a leading `#` makes it a number.
pub type Rows<'a> = Vec<Vec<&'a str>>;

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

/// The rows of a sound report with two settlements.
pub fn rows() -> Rows<'static> {
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
        row("01.03.2019", "5600000101", "", "#500", "#-7.5", "#492.5", "Salg"),
        row("02.03.2019", "5600000102", "A-7", "#49.9", "#-0.75", "#49.15", "Salg"),
        row("03.03.2019", "5600000103", "A-7", "#-49.9", "#0", "#-49.9", "Refundering"),
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

/// A workbook with these rows.
pub fn workbook(rows: &Rows<'_>) -> Vec<u8> {
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
fn zipped(sheet: &str, strings: &str, more: &[(&str, &[u8])], options: SimpleFileOptions) -> Vec<u8> {
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
    check_text("workbook", &describe(&read(&workbook(&rows()))));
}

#[test]
fn workbooks_saved_by_a_spreadsheet_program_are_refused() {
    for (row, cell, text, why) in [
        (3, 8, "#492.50000000000006", "row 4: Netto"),
        (3, 6, "#5E2", "download it again"),
        (3, 0, "#43525", "row 4: the day \"43525\" is not a date"),
        (3, 4, "#5.600000101E9", "Transaksjons-ID \"5.600000101E9\" is written as a decimal number"),
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
    let causes: Vec<_> = groups.iter().map(|group| group.hold().map(|hold| hold.cause)).collect();
    assert_eq!(causes, [Some(Cause::PayoutRowMissing), None]);

    let mut unclosed = rows();
    unclosed.pop();
    let groups = read(&workbook(&unclosed)).unwrap();
    assert_eq!(groups[1].hold().unwrap().cause, Cause::PayoutRowMissing);

    let mut sum = rows();
    sum[6][12] = "#541.65";
    let groups = read(&workbook(&sum)).unwrap();
    assert!(groups[0].hold().unwrap().what.contains("49.90 NOK is missing"), "{:?}", groups[0].hold());

    let mut net = rows();
    net[3][8] = "#493.5";
    assert!(read(&workbook(&net)).unwrap()[0].hold().unwrap().what.contains("row 4 has Netto 493.50"));

    let mut unknown = rows();
    unknown[5][9] = "Korreksjon";
    let groups = read(&workbook(&unknown)).unwrap();
    assert!(groups[0].lines[2].contains(Kind::Adjustment.name()) && groups[0].lines[2].contains("UNKNOWN"));

    let mut apart = rows();
    apart[8][10] = "2000461";
    refused(&workbook(&apart), "do not stand together");
}

#[test]
fn workbooks_of_another_kind_are_refused_with_the_remedy() {
    let portal = vec![vec!["Sales unit", "MSN/Vipps number", "Booking date"]];
    refused(&workbook(&portal), "export it as CSV");
    refused(&workbook(&vec![vec!["a", "b"]]), "no sheet has the columns Salgsdato");
    assert_eq!(detected(b"PK\x03\x04 some other archive"), "NotMine");
}

#[test]
fn the_workbook_and_the_xml_of_one_settlement_share_its_name_and_line_ids() {
    let xml = text_of("two-settlements");
    let groups = read(xml.as_bytes()).unwrap();
    assert_eq!(groups[0].head().name.to_string(), "vipps-mobilepay:200552:2000011");
    let row = |day, id, gross, fee, net, kind| {
        vec![day, "E", "200552", "", id, "", gross, fee, net, kind, "2000011", "06.03.2019"]
    };
    let rows = vec![
        TITLES.to_vec(),
        row("04.03.2019", "5600000011", "#150", "#-2.63", "#147.37", "Salg"),
        row("04.03.2019", "5600000012", "#-20", "#0", "#-20", "Refundering"),
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
