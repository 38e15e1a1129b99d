//! What every parser of outside bytes promises, whatever the bytes: it does not panic, and what it accepts obeys the
//! identities of money.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Cursor, Seek as _, Write as _};

use chrono::{DateTime, NaiveDate};
use edge::config::{Known, SystemFacts};
use edge::secret::Entry;
use ledger::{Currency, Head, Line, Name, Totals};
use libfuzzer_sys::arbitrary::Unstructured;
use providers::{Announced, GroupEnd, Item, Next, Notice, Ready, Settle, Terms};
use rust_decimal::Decimal;
use serde_json::json;
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

/// Pages of one input are set apart by this byte, which no JSON holds.
const BETWEEN_PAGES: u8 = 0;

/// Any day.
const DAY: NaiveDate = NaiveDate::from_ymd_opt(2026, 1, 5).unwrap();

/// Reads a dropped file as `bilag inspect` does, with its format found by content unless given.
pub fn report(format: Option<&str>, bytes: &[u8]) {
    let mut known =
        providers::REGISTRY.iter().flat_map(|p| p.formats().iter().map(move |format| (*p, *format)));
    let found = match format {
        Some(wanted) => known.find(|(_, format)| *format == wanted),
        None => providers::detect(None, &bytes[..bytes.len().min(64 * 1024)]).ok(),
    };
    let Some((provider, format)) = found else { return };
    let terms = Terms::plain();
    let Ok(mut rows) = provider.open(format, file(bytes), &terms) else { return };
    let mut settler = provider.settler(format, &terms).unwrap();
    let mut groups: BTreeMap<u32, Totals> = BTreeMap::new();
    let mut archived = Vec::new();
    loop {
        archived.clear();
        match rows.next(Some(&mut archived)) {
            Ok(Some(Item::Row { group, line })) => {
                same_again(&mut *settler, &archived, &line);
                if groups.entry(group).or_default().add(&line).is_err() {
                    return;
                }
            }
            Ok(Some(Item::Group { group, end })) => proved(&groups.remove(&group).unwrap_or_default(), &end),
            Ok(None) => return,
            Err(error) => return explained(&error.at, &error.what),
        }
    }
}

/// A workbook whose sheet and texts are the two halves of the input.
pub fn workbook(bytes: &[u8]) {
    let middle = bytes.iter().position(|byte| *byte == BETWEEN_PAGES).unwrap_or(bytes.len());
    let (sheet, strings) = bytes.split_at(middle);
    let links = r#"<Relationships><Relationship Id="rId1" Target="worksheets/sheet1.xml"/></Relationships>"#;
    let list = concat!(
        r#"<workbook xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main" "#,
        r#"xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships">"#,
        r#"<sheets><sheet name="Rapport" sheetId="5" r:id="rId1"/></sheets></workbook>"#,
    );
    let parts: [(&str, &[u8]); 5] = [
        ("[Content_Types].xml", b"<Types/>"),
        ("xl/workbook.xml", list.as_bytes()),
        ("xl/_rels/workbook.xml.rels", links.as_bytes()),
        ("xl/worksheets/sheet1.xml", sheet),
        ("xl/sharedStrings.xml", strings.get(1..).unwrap_or_default()),
    ];
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in parts {
        zip.start_file(name, SimpleFileOptions::default()).unwrap();
        zip.write_all(bytes).unwrap();
    }
    report(Some("vipps-settlement-xlsx"), &zip.finish().unwrap().into_inner());
    // The bytes as they are, too.
    report(Some("vipps-settlement-xlsx"), bytes);
}

/// A payout that Stripe has announced: that of the connector's fixture `two-pages`.
pub fn stripe() -> Announced {
    announced(
        "stripe:po_1SkyBilag00001",
        241_732,
        json!({ "amount": 241_732, "balance_transaction": "txn_1Sky0000" }),
    )
}

/// A payout that Vipps MobilePay has announced: that of the connector's fixture `partial-refund`.
pub fn vipps() -> Announced {
    let detail = json!({
        "ledger": "310077", "handles": ["NO:512204"], "first": "2026-02-03", "last": "2026-02-03",
        "psp_reference": "310077-2000042", "reference": "Utb. 2000042 Vippsnr 512204", "currency": "NOK",
        "amount": -34_125, "opening": 0, "closing": 0, "proof": "zero",
    });
    announced("vipps-mobilepay:310077-2000042", 34_125, detail)
}

fn announced(name: &str, minor: i64, detail: serde_json::Value) -> Announced {
    Announced {
        name: Name::parse(name).unwrap(),
        currency: Currency::parse("NOK").unwrap(),
        payout_on: DAY,
        payout: Decimal::new(minor, 2),
        window: false,
        ready: Ready::Now,
        detail,
    }
}

/// Reads the pages of a settlement as fetching does, the state going through JSON after each.
pub fn pages(settlement: &Announced, bytes: &[u8]) {
    let provider = providers::find(&settlement.name.provider).unwrap();
    let (api, terms) = (provider.api().unwrap(), Terms::plain());
    let mut settler = provider.settler(api.format(), &terms).unwrap();
    let mut totals = Totals::default();
    let mut state: Option<serde_json::Value> = None;
    for page in bytes.split(|byte| *byte == BETWEEN_PAGES) {
        let mut reader = api.pages(&terms, settlement, state.as_ref()).unwrap();
        let next = reader.read(page, &mut |line, row| {
            same_again(&mut *settler, row, line);
            totals.add(line)
        });
        match next {
            Ok(Next::Page(_)) => {}
            Ok(Next::Done) => return proved(&totals, &reader.end()),
            Ok(Next::NotYet(_)) => return,
            Err(error) => return explained(&error.at, &error.what),
        }
        state = Some(serde_json::from_str(&reader.state().to_string()).unwrap());
    }
}

/// Reads a mapping file, and what it maps if it is one.
pub fn config(bytes: &[u8]) {
    let system = SystemFacts { name: "journal", lines_max: 1000, needs_secret: false, has_drafts: false };
    let providers: Vec<&str> = providers::REGISTRY.iter().map(|provider| provider.name()).collect();
    let known = Known { providers: &providers, systems: &[system] };
    match edge::config::read("nordlys.toml", bytes, &known) {
        Ok((config, _)) => {
            for connection in config.connections.keys() {
                config.accounts_of(connection);
                config.mapping(connection, "Stripe", 1000);
            }
        }
        Err(problems) => assert!(!problems.is_empty(), "refused without a reason"),
    }
}

/// A notice that nobody signed: four header values, and the rest is the body. None is ever believed.
pub fn notice(bytes: &[u8]) {
    let mut input = Unstructured::new(bytes);
    let mut headers = http::HeaderMap::new();
    for name in ["stripe-signature", "x-ms-date", "x-ms-content-sha256", "authorization"] {
        let value: &[u8] = input.arbitrary().unwrap_or_default();
        if let Ok(value) = http::HeaderValue::from_bytes(value) {
            headers.append(name, value);
        }
    }
    let secret = Entry::new("nordlys.any", [("webhook_secrets".to_owned(), vec!["whsec_Zk3b".repeat(4)])]);
    let now = DateTime::from_timestamp(1_767_569_400, 0).unwrap();
    let notice = Notice {
        public_url: "https://hooks.example.com/hooks/nordlys/webshop",
        headers: &headers,
        body: input.take_rest(),
    };
    for api in providers::REGISTRY.iter().filter_map(|provider| provider.api()) {
        let refusal = api.verify_notice(&notice, &secret, now).expect_err("nobody signed it");
        assert!(!refusal.0.contains("whsec_"), "{}", refusal.0);
    }
}

fn file(bytes: &[u8]) -> File {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    file.rewind().unwrap();
    file
}

/// An archived row is one line, and reads as the line that it was made from.
fn same_again(settler: &mut (dyn Settle + Send), row: &[u8], line: &Line<'_>) {
    assert!(!row.contains(&b'\n'));
    assert_eq!(settler.line(row).unwrap(), *line, "{}", String::from_utf8_lossy(row));
}

/// What nothing holds back adds up.
fn proved(totals: &Totals, end: &GroupEnd) {
    if let GroupEnd::Settlement { head, hold: None, .. } = end {
        let head: &Head = head;
        totals.prove(head).unwrap_or_else(|hold| panic!("accepted, though {hold}"));
        assert!(head.currency.fit(head.payout).is_ok(), "{}", head.payout);
    }
}

fn explained(at: &str, what: &str) {
    assert!(!at.is_empty() && !what.is_empty(), "refused without a reason");
}
