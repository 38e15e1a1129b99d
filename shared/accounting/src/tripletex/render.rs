//! A voucher as Tripletex wants it: ids in place of numbers and codes, signed gross amounts, texts that it can keep.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use ledger::{Cause, Hold, Posting, Reference, Voucher};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::wire;

/// The id of NOK, the same in all companies.
pub const NOK: wire::Id = wire::Id { id: 1 };

/// The id of no VAT treatment, the same in all companies.
pub const NO_VAT: i64 = 0;

/// The most characters of an external voucher number, by the specification.
const REFERENCE_MAX: usize = 70;

/// The most characters of a text. The specification names no limit; this is one that every text column keeps.
const TEXT_MAX: usize = 255;

/// What a company's books have, as far as posting needs it: numbers and codes to ids.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Directory {
    /// By account number.
    pub accounts: BTreeMap<String, Account>,
    /// By VAT code; more than one id means that the code is ambiguous.
    pub vats: BTreeMap<String, Vec<i64>>,
    /// Departments that were asked for.
    pub departments: BTreeMap<String, i64>,
    /// Projects that were asked for.
    pub projects: BTreeMap<String, i64>,
}

/// One account, kept small.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// Its id.
    #[serde(rename = "i")]
    pub id: i64,
    /// The id of the only VAT type that it takes.
    #[serde(rename = "v", default, skip_serializing_if = "Option::is_none")]
    pub locked: Option<i64>,
    /// Why nothing can be booked on it.
    #[serde(rename = "r", default, skip_serializing_if = "Option::is_none")]
    pub refuses: Option<String>,
    /// Lines need a department.
    #[serde(rename = "d", default, skip_serializing_if = "std::ops::Not::not")]
    pub needs_department: bool,
    /// Lines need a project.
    #[serde(rename = "p", default, skip_serializing_if = "std::ops::Not::not")]
    pub needs_project: bool,
}

impl Account {
    /// What posting needs to know of an account.
    pub fn of(account: &wire::Account) -> Account {
        let of_ledger = |who: &str| Some(format!("a ledger of {who}, whose lines need one of them"));
        let refuses = if account.is_inactive == Some(true) {
            Some("inactive".to_owned())
        } else if account.currency.is_some_and(|currency| currency != NOK) {
            Some("kept in a foreign currency".to_owned())
        } else {
            match account.ledger_type.as_deref() {
                None | Some("GENERAL") => None,
                Some("CUSTOMER") => of_ledger("customers"),
                Some("VENDOR") => of_ledger("suppliers"),
                Some("EMPLOYEE") => of_ledger("employees"),
                Some("ASSET") => of_ledger("assets"),
                Some(other) => Some(format!("of ledger type {other}, which this version does not know")),
            }
        };
        let locked = account.vat_locked == Some(true);
        Account {
            id: account.id,
            locked: locked.then(|| account.vat_type.map_or(NO_VAT, |vat| vat.id)),
            refuses,
            needs_department: account.requires_department == Some(true),
            needs_project: account.requires_project == Some(true),
        }
    }
}

impl Directory {
    /// The directory of a chart and the VAT types, still without departments and projects.
    pub fn new(accounts: &[wire::Account], vats: &[wire::VatType]) -> Directory {
        let mut directory = Directory {
            accounts: accounts.iter().map(|a| (a.number.to_string(), Account::of(a))).collect(),
            ..Directory::default()
        };
        // A type that a company derived for a share of deduction never stands in for the predefined one.
        for derived in [false, true] {
            for vat in
                vats.iter().filter(|vat| vat.parent_type.is_some_and(|parent| parent.id != 0) == derived)
            {
                let Some(code) = &vat.number else { continue };
                let ids = directory.vats.entry(code.clone()).or_default();
                if !derived || ids.is_empty() {
                    ids.push(vat.id);
                }
            }
        }
        directory
    }

    /// The code of a VAT type's id, as a mapping names it.
    pub fn vat_code(&self, id: i64) -> String {
        if id == NO_VAT {
            return "none".to_owned();
        }
        let found = self.vats.iter().find(|(_, ids)| ids.contains(&id)).map(|(code, _)| code.clone());
        found.unwrap_or_else(|| format!("with id {id}"))
    }

    fn vat(&self, posting: &Posting) -> Result<i64, Hold> {
        if posting.vat == "none" {
            return Ok(NO_VAT);
        }
        match self.vats.get(&posting.vat).map(Vec::as_slice) {
            Some([id]) => Ok(*id),
            None | Some([]) => Err(Hold::new(
                Cause::VatRefused,
                format!("{}: Tripletex has no VAT code {}", place(posting), posting.vat),
                format!(
                    "write a code that Tripletex shows, or \"none\", at {}; then release",
                    place(posting)
                ),
            )),
            Some(_) => Err(Hold::new(
                Cause::VatRefused,
                format!("{}: Tripletex has several VAT types of code {}", place(posting), posting.vat),
                format!("write another code at {}; then release", place(posting)),
            )),
        }
    }
}

/// The place in the mapping that decided about a line.
fn place(posting: &Posting) -> String {
    match posting.rule {
        Some(number) => format!("[[rules]] number {number}"),
        None => format!("accounts.{}", posting.role),
    }
}

/// The external voucher number of a reference: itself, or where it is too long or has unusual characters, its SHA-256
/// in upper-case base32.
pub fn external_number(reference: &Reference) -> String {
    let text = reference.to_string();
    if text.len() <= REFERENCE_MAX && text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return text;
    }
    base32(&Sha256::digest(text.as_bytes()))
}

/// RFC 4648 without padding.
fn base32(bytes: &[u8]) -> String {
    let mut text = String::new();
    let (mut bits, mut count) = (0u32, 0);
    for byte in bytes {
        bits = (bits << 8) | u32::from(*byte);
        count += 8;
        while count >= 5 {
            count -= 5;
            text.push(digit(bits >> count));
        }
        bits &= (1 << count) - 1;
    }
    if count > 0 {
        text.push(digit(bits << (5 - count)));
    }
    text
}

fn digit(bits: u32) -> char {
    char::from(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"[bits as usize & 31])
}

/// What a moved voucher's description says of its true day.
pub fn true_day(on: NaiveDate) -> String {
    format!("[accounting day {on}]")
}

/// Whether no line has VAT: such a voucher may move to another period.
pub fn is_free_of_vat(voucher: &Voucher) -> bool {
    voucher.postings.iter().all(|posting| matches!(posting.vat.as_str(), "none" | "0"))
}

/// The voucher as it is sent, dated `on`: its own day, or the day that it was moved to.
///
/// # Errors
///
/// [`Hold`] naming the place in the mapping if the books do not have, or do not allow, what it asks for.
pub fn render(voucher: &Voucher, directory: &Directory, on: NaiveDate) -> Result<wire::NewVoucher, Hold> {
    if voucher.currency.code() != "NOK" {
        return Err(Hold::new(
            Cause::NoRate,
            format!(
                "{}: vouchers in {} are not booked in Tripletex by this version",
                voucher.reference, voucher.currency
            ),
            "book this one by hand, or give the connection an accounting system that takes the currency",
        ));
    }
    let number = external_number(&voucher.reference);
    let mut tail = String::new();
    if on != voucher.on {
        tail.push_str(&format!(" {}", true_day(voucher.on)));
    }
    if let Some(corrects) = voucher.corrects.as_ref().filter(|corrects| !voucher.text.contains(*corrects)) {
        tail.push_str(&format!(" [corrects {corrects}]"));
    }
    if number != voucher.reference.to_string() {
        tail.push_str(&format!(" [{}]", voucher.reference));
    }
    let date = on.to_string();
    let mut postings = Vec::with_capacity(voucher.postings.len());
    for (index, posting) in voucher.postings.iter().enumerate() {
        postings.push(line(posting, directory, index + 1, &date)?);
    }
    Ok(wire::NewVoucher {
        date,
        description: text(&voucher.text, &tail),
        external_voucher_number: number,
        voucher_type: None,
        postings,
    })
}

fn line(posting: &Posting, directory: &Directory, row: usize, date: &str) -> Result<wire::NewPosting, Hold> {
    let (number, place) = (&posting.account, place(posting));
    let refused = |what: &str, remedy: String| {
        Hold::new(Cause::AccountRefused, format!("account {number} ({place}) {what}"), remedy)
    };
    let account = directory.accounts.get(number).ok_or_else(|| {
        refused(
            "is not in Tripletex's chart of accounts",
            format!("mend {place} in the mapping, or make the account in Tripletex; then release"),
        )
    })?;
    if let Some(why) = &account.refuses {
        return Err(refused(
            &format!("is {why}"),
            format!("name another account at {place}, or change this one in Tripletex; then release"),
        ));
    }
    let vat = directory.vat(posting)?;
    if let Some(locked) = account.locked.filter(|locked| *locked != vat) {
        let code = directory.vat_code(locked);
        return Err(Hold::new(
            Cause::VatRefused,
            format!(
                "account {number} ({place}) takes only VAT code {code}, and the line has {}",
                posting.vat
            ),
            format!("write vat = \"{code}\" or another account at {place}; then release"),
        ));
    }
    let dimension =
        |wanted: &Option<String>, known: &BTreeMap<String, i64>, what: &str, needed: bool| match wanted {
            None if needed => Err(refused(
                &format!("needs a {what}"),
                format!("write {what} = \"…\" at {place}; then release"),
            )),
            None => Ok(None),
            Some(name) => match known.get(name) {
                Some(id) => Ok(Some(wire::Id { id: *id })),
                None => Err(refused(
                    &format!(
                        "is used with the {what} \"{}\", which Tripletex does not have in use",
                        plain(name)
                    ),
                    format!("mend {what} at {place}, or make it in Tripletex; then release"),
                )),
            },
        };
    let department =
        dimension(&posting.department, &directory.departments, "department", account.needs_department)?;
    let project = dimension(&posting.project, &directory.projects, "project", account.needs_project)?;
    let amount = number_of(posting)?;
    Ok(wire::NewPosting {
        row,
        date: date.to_owned(),
        description: text(&posting.text, ""),
        account: wire::Id { id: account.id },
        amount_gross: amount.clone(),
        amount_gross_currency: amount,
        currency: NOK,
        vat_type: wire::Id { id: vat },
        department,
        project,
    })
}

/// The signed amount with exactly two decimals: its digits become the JSON number, no float is in between.
fn number_of(posting: &Posting) -> Result<wire::Number, Hold> {
    let mut amount = posting.signed().normalize();
    let fits = amount.scale() <= 2;
    amount.rescale(2);
    let number = amount.to_string().parse().ok().filter(|_| fits);
    number.ok_or_else(|| {
        Hold::new(
            Cause::DoesNotAddUp,
            format!("{}: {} has more than two decimals", place(posting), posting.amount),
            "this is a fault in bilag: report it with the settlement's id; nothing was booked",
        )
    })
}

/// A text that Tripletex keeps: one line, no control or direction characters, `?` for characters beyond the basic
/// plane (emoji), cut between characters so that it fits with its tail. The tail is never cut.
fn text(text: &str, tail: &str) -> String {
    let room = TEXT_MAX.saturating_sub(tail.chars().count());
    let cut: String = plain(text).chars().take(room).collect();
    format!("{}{tail}", cut.trim_end()).trim_start().to_owned()
}

fn plain(text: &str) -> String {
    let replaced: String = text
        .chars()
        .map(|c| match c {
            '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' => ' ',
            c if c.is_control() => ' ',
            c if c.len_utf16() > 1 => '?',
            c => c,
        })
        .collect();
    replaced.split_whitespace().collect::<Vec<_>>().join(" ")
}
