//! Tripletex's payloads as types: its own member names, no decisions.
//!
//! Members are read as optional throughout: a token that may not see a member gets `null` instead of a refusal.

use serde::{Deserialize, Serialize};

/// A JSON number as the digits that stand there.
pub type Number = serde_json::Number;

/// One object.
#[derive(Clone, Debug, Deserialize)]
pub struct Envelope<T> {
    /// The object.
    pub value: T,
}

/// One page of a list.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct List<T> {
    /// How many there are over all pages; the specification says that it is not exact.
    pub full_result_size: Option<u64>,
    /// This page.
    pub values: Vec<T>,
}

/// A reference to an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Id {
    /// Its id, unique within the company.
    pub id: i64,
}

/// What a session is made with.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NewSession<'a> {
    /// The integration's token.
    pub consumer_token: &'a str,
    /// The company's token.
    pub employee_token: &'a str,
    /// `yyyy-MM-dd`; the session ends as this day begins.
    pub expiration_date: String,
}

/// A session.
#[derive(Deserialize)]
pub struct Session {
    /// What calls are authorised with.
    pub token: String,
}

/// Who the token belongs to.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WhoAmI {
    /// The company.
    pub company: Option<Company>,
}

/// A company.
#[derive(Clone, Debug, Deserialize)]
pub struct Company {
    /// Its name.
    pub name: Option<String>,
}

/// A voucher as it is sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NewVoucher {
    /// `yyyy-MM-dd`.
    pub date: String,
    /// Text for people.
    pub description: String,
    /// At most 70 characters; what a voucher is found by.
    pub external_voucher_number: String,
    /// Always `null`: a voucher of no special type.
    pub voucher_type: Option<Id>,
    /// The lines.
    pub postings: Vec<NewPosting>,
}

/// A line as it is sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NewPosting {
    /// From 1; row 0 is the system's own.
    pub row: usize,
    /// `yyyy-MM-dd`, the voucher's.
    pub date: String,
    /// Text for people.
    pub description: String,
    /// By id only.
    pub account: Id,
    /// In NOK with VAT, debit positive.
    pub amount_gross: Number,
    /// The same in `currency`.
    pub amount_gross_currency: Number,
    /// NOK.
    pub currency: Id,
    /// By id, which is not the VAT code; 0 for none.
    pub vat_type: Id,
    /// By id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub department: Option<Id>,
    /// By id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub project: Option<Id>,
}

/// A voucher as it is read.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Voucher {
    /// Its id.
    pub id: i64,
    /// The number that users see; 0 for one that is not posted.
    pub number: Option<i64>,
    /// The number of one that is not posted; else 0.
    pub temp_number: Option<i64>,
    /// `yyyy-MM-dd`.
    pub date: Option<String>,
    /// Text for people.
    pub description: Option<String>,
    /// Our reference.
    pub external_voucher_number: Option<String>,
    /// The voucher that takes this one back, or that this one takes back.
    pub reverse_voucher: Option<Id>,
    /// The document.
    pub attachment: Option<Id>,
    /// The lines, those of the system included.
    pub postings: Option<Vec<Posting>>,
}

/// A line as it is read.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Posting {
    /// 0 for the system's own VAT lines.
    pub row: Option<i64>,
    /// The account.
    pub account: Option<Id>,
    /// In NOK with VAT, debit positive.
    pub amount_gross: Option<Number>,
    /// The same in `currency`.
    pub amount_gross_currency: Option<Number>,
    /// The currency; NOK is 1.
    pub currency: Option<Id>,
    /// The VAT type.
    pub vat_type: Option<Id>,
    /// The department.
    pub department: Option<Id>,
    /// The project.
    pub project: Option<Id>,
    /// Made by the system.
    pub system_generated: Option<bool>,
}

/// An account of the chart.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Account {
    /// Its id in this company.
    pub id: i64,
    /// The number that users see.
    pub number: u64,
    /// Its name.
    pub name: Option<String>,
    /// `GENERAL`, `CUSTOMER`, `VENDOR`, `EMPLOYEE` or `ASSET`.
    pub ledger_type: Option<String>,
    /// All lines must have `vat_type`.
    pub vat_locked: Option<bool>,
    /// The usual VAT type.
    pub vat_type: Option<Id>,
    /// Lines need a department.
    pub requires_department: Option<bool>,
    /// Lines need a project.
    pub requires_project: Option<bool>,
    /// Not in use any more.
    pub is_inactive: Option<bool>,
    /// The one currency that it takes.
    pub currency: Option<Id>,
}

/// A VAT type.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct VatType {
    /// Its id, the same in all companies.
    pub id: i64,
    /// The code that users see.
    pub number: Option<String>,
    /// Its name.
    pub name: Option<String>,
    /// The type that this one was derived from; 0 for the predefined ones.
    pub parent_type: Option<Id>,
}

/// A department or a project.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Dimension {
    /// Its id.
    pub id: i64,
    /// A project's number.
    pub number: Option<String>,
    /// A department's number.
    pub department_number: Option<String>,
    /// Its name.
    pub name: Option<String>,
}

/// An accounting period, or a fiscal year.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Period {
    /// Its id.
    pub id: i64,
    /// `yyyy-MM-dd`.
    pub start: String,
    /// `yyyy-MM-dd`.
    pub end: String,
    /// Whether it is closed; not told of a fiscal year.
    pub is_closed: Option<bool>,
}

/// What is wrong, as Tripletex tells it.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Problem {
    /// The HTTP status once more.
    pub status: u16,
    /// Tripletex's own code.
    pub code: u32,
    /// In the language of the token's user.
    pub message: Option<String>,
    /// For developers.
    pub developer_message: Option<String>,
    /// What is wrong with which member.
    pub validation_messages: Option<Vec<Validation>>,
    /// What their support asks for.
    pub request_id: Option<String>,
}

/// What is wrong with one member.
#[derive(Clone, Debug, Deserialize)]
pub struct Validation {
    /// The member, for example `postings.vatType.id`.
    pub field: Option<String>,
    /// In the language of the token's user.
    pub message: Option<String>,
}
