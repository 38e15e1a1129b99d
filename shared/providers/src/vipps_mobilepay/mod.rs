#![doc = include_str!("README.md")]

mod client;
mod entry;
mod file;
mod order;
mod pages;
mod report_api;
mod safe_xml;
mod settle;
mod walk;
mod webhook;
mod wire;
mod workbook;
mod xlsx;
mod xml;

#[cfg(test)]
mod api_tests;
#[cfg(test)]
mod fault_tests;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod webhook_tests;
#[cfg(test)]
mod workbook_tests;

use std::fs::File;

use crate::{Api, Detected, Provider, ReadError, Rows, Settle, Terms, csv_file};
use safe_xml::{Token, XmlReader};
use settle::Settler;

/// The configured name.
const NAME: &str = "vipps-mobilepay";

/// The settlement report of the merchant portal, exported as CSV.
const PORTAL_CSV: &str = "vipps-portal-csv";
/// The settlement file in XML, versions 2.0 and 3.0, as delivered until 2024.
const SETTLEMENT_XML: &str = "vipps-settlement-xml";
/// The workbook "Oppgjørsrapport", as delivered until 2024.
const SETTLEMENT_XLSX: &str = "vipps-settlement-xlsx";
/// Entries of the Report API's topic `funds`.
const REPORT_API: &str = "vipps-report-api";

/// Why rows are not booked by day.
const WINDOWS_REFUSED: &str =
    "Vipps MobilePay's rows are booked by payout; remove settle_by = \"window\" from the connection";

/// Vipps MobilePay: its settlement reports and its Report API.
pub struct VippsMobilePay;

impl Provider for VippsMobilePay {
    fn name(&self) -> &'static str {
        NAME
    }

    fn title(&self) -> &'static str {
        "Vipps MobilePay"
    }

    fn legal_name(&self) -> &'static str {
        "Vipps MobilePay AS"
    }

    fn formats(&self) -> &'static [&'static str] {
        &[PORTAL_CSV, SETTLEMENT_XML, SETTLEMENT_XLSX]
    }

    fn detect(&self, head: &[u8]) -> Detected {
        let text = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head).trim_ascii_start();
        if head.starts_with(b"PK\x03\x04") {
            detect_workbook(head)
        } else if text.starts_with(b"<") {
            detect_xml(head)
        } else {
            detect_csv(head)
        }
    }

    fn open(&self, format: &str, file: File, terms: &Terms) -> Result<Box<dyn Rows + Send>, ReadError> {
        if terms.window_from.is_some() {
            return Err(ReadError::new("file", WINDOWS_REFUSED));
        }
        match format {
            PORTAL_CSV => Ok(Box::new(file::Portal::open(file, terms)?)),
            SETTLEMENT_XML => Ok(Box::new(xml::Report::open(file, terms)?)),
            SETTLEMENT_XLSX => Ok(Box::new(xlsx::Report::open(file, terms)?)),
            _ => Err(unknown_format(format)),
        }
    }

    fn api(&self) -> Option<&'static dyn Api> {
        Some(&VippsMobilePay)
    }

    fn settler(&self, format: &str, _terms: &Terms) -> Result<Box<dyn Settle + Send>, ReadError> {
        match format {
            PORTAL_CSV => Ok(Box::new(Settler::Portal)),
            SETTLEMENT_XML => Ok(Box::new(Settler::Xml)),
            SETTLEMENT_XLSX => Ok(Box::new(Settler::Workbook)),
            REPORT_API => Ok(Box::new(Settler::Api)),
            _ => Err(unknown_format(format)),
        }
    }
}

/// Whether a connection's `account` names a ledger: by its id, or by a sales unit that it settles for, with or
/// without the letters before the number.
fn is_account(account: &str, ledger: &str, handles: &[String]) -> bool {
    account == ledger
        || handles.iter().any(|handle| handle == account || settle::number_of(handle) == account)
}

fn unknown_format(format: &str) -> ReadError {
    ReadError::new("file", format!("the format {format} is not known to this version of bilag"))
}

/// Entry names stand uncompressed in a ZIP file, so that a workbook shows itself; whose it is, opening tells.
fn detect_workbook(head: &[u8]) -> Detected {
    let names =
        [&b"xl/workbook.xml"[..], b"xl/worksheets/", b"xl/_rels/", b"xl/sharedStrings.xml", b"xl/styles.xml"];
    if names.iter().any(|name| contains(head, name)) {
        Detected::Format(SETTLEMENT_XLSX)
    } else {
        Detected::NotMine
    }
}

fn detect_xml(head: &[u8]) -> Detected {
    let mut xml = XmlReader::new(head);
    match xml.next() {
        Ok(Token::Open) if xml.name() == wire::ROOT => match wire::Version::of(xml.namespace()) {
            Some(_) => Detected::Format(SETTLEMENT_XML),
            None => Detected::Refused(wire::unknown_namespace(xml.namespace())),
        },
        Err(error) if contains(head, wire::ROOT.as_bytes()) => Detected::Refused(error.what),
        _ => Detected::NotMine,
    }
}

fn detect_csv(head: &[u8]) -> Detected {
    let columns = csv_file::header(head);
    let has = |name: &str| columns.iter().any(|column| column == name);
    for titles in &wire::TITLES {
        let missing: Vec<&str> = titles.needed().into_iter().filter(|title| !has(title)).collect();
        if missing.is_empty() {
            return Detected::Format(PORTAL_CSV);
        }
        // The sales unit's column is named like this in no other report.
        if has(titles.unit) {
            return Detected::Refused(missing_columns(&missing));
        }
    }
    if has("Transfer Reference") && has("Payment Point ID") {
        return Detected::Refused(
            "this is the transaction list of MobilePay's retired reporting API, which bilag does not \
             read; export the Settlement report as CSV from the Vipps MobilePay portal, or book these \
             old transfers by hand"
                .to_owned(),
        );
    }
    if has("OrganizationNumber") && contains(head, b"SettlementInfo") && contains(head, b"TransactionInfo") {
        return Detected::Refused(
            "this is Vipps' old CSV with a record type in the first column; its Net column leaves the \
             refunds out, so its payout cannot be trusted; export the Settlement report as CSV from the \
             portal, or drop the XML file of the same settlement"
                .to_owned(),
        );
    }
    Detected::NotMine
}

fn missing_columns(missing: &[&str]) -> String {
    format!(
        "this is a settlement report of the portal without the column{} {}; export it again with all columns",
        if missing.len() == 1 { "" } else { "s" },
        missing.join(", "),
    )
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}
