//! Vouchers and their postings as the books keep them.

use std::str::FromStr;

use chrono::{DateTime, Datelike, NaiveDate, Utc};
use rust_decimal::Decimal;
use serde_json::{Map, Number, Value, json};

/// One posting. Debit is positive.
#[derive(Clone, Debug)]
pub(super) struct Posting {
    pub id: i64,
    /// 0 for what the system made.
    pub row: i64,
    pub date: NaiveDate,
    pub description: String,
    pub account: i64,
    pub customer: Option<i64>,
    pub supplier: Option<i64>,
    pub employee: Option<i64>,
    pub department: Option<i64>,
    pub project: Option<i64>,
    pub vat: i64,
    /// Net of VAT.
    pub amount: Decimal,
    pub gross: Decimal,
    pub gross_currency: Decimal,
    pub currency: i64,
    pub invoice_number: String,
}

/// A file that belongs to a voucher.
#[derive(Clone, Debug)]
pub(super) struct Attachment {
    pub id: i64,
    pub name: String,
    pub size: usize,
    /// How many uploads it was put together from.
    pub uploads: u32,
}

/// One voucher.
#[derive(Clone, Debug)]
pub(super) struct Voucher {
    pub id: i64,
    pub version: i64,
    pub date: NaiveDate,
    /// 0 while it is not posted.
    pub number: i64,
    pub temp_number: i64,
    pub description: String,
    pub voucher_type: Option<i64>,
    pub external: Option<String>,
    pub postings: Vec<Posting>,
    /// The voucher that reverses this one, or that it reverses.
    pub reverse: Option<i64>,
    pub attachment: Option<Attachment>,
    /// When searches find it.
    pub visible_at: DateTime<Utc>,
}

/// A decimal as a JSON number, digit by digit.
pub(super) fn number(amount: Decimal) -> Value {
    Number::from_str(&amount.to_string()).map_or(Value::Null, Value::Number)
}

/// A net amount, which is always told with two decimals.
fn net(mut amount: Decimal) -> Value {
    amount.rescale(2);
    number(amount)
}

fn by_id(id: Option<i64>) -> Value {
    id.map_or(Value::Null, |id| json!({ "id": id }))
}

impl Voucher {
    /// The members; references by id.
    pub fn record(&self) -> Map<String, Value> {
        let year = self.date.year();
        let shown = if self.number > 0 {
            format!("{}-{year}", self.number)
        } else {
            format!("({})", self.temp_number)
        };
        let postings: Vec<Value> = self.postings.iter().map(|posting| json!({ "id": posting.id })).collect();
        let value = json!({
            "id": self.id,
            "version": self.version,
            "date": self.date.to_string(),
            "number": self.number,
            "tempNumber": self.temp_number,
            "year": year,
            "description": self.description,
            "voucherType": by_id(self.voucher_type),
            "reverseVoucher": by_id(self.reverse),
            "postings": postings,
            "document": null,
            "attachment": by_id(self.attachment.as_ref().map(|attachment| attachment.id)),
            "externalVoucherNumber": self.external,
            "ediDocument": null,
            "supplierVoucherType": null,
            "wasAutoMatched": false,
            "vendorInvoiceNumber": null,
            "displayName": format!("Bilag {shown}"),
            "numberAsString": shown,
        });
        into_map(value)
    }

    /// The members of a posting; references by id.
    pub fn posting_record(&self, posting: &Posting) -> Map<String, Value> {
        let system = posting.row == 0;
        let value = json!({
            "id": posting.id,
            "version": 1,
            "voucher": { "id": self.id },
            "date": posting.date.to_string(),
            "description": posting.description,
            "account": { "id": posting.account },
            "customer": by_id(posting.customer),
            "supplier": by_id(posting.supplier),
            "employee": by_id(posting.employee),
            "project": by_id(posting.project),
            "department": by_id(posting.department),
            "vatType": { "id": posting.vat },
            "amount": net(posting.amount),
            "amountCurrency": net(if posting.currency == 1 { posting.amount } else { posting.gross_currency }),
            "amountGross": number(posting.gross),
            "amountGrossCurrency": number(posting.gross_currency),
            "currency": { "id": posting.currency },
            "closeGroup": null,
            "invoiceNumber": posting.invoice_number,
            "termOfPayment": null,
            "row": posting.row,
            "type": null,
            "externalRef": "",
            "systemGenerated": system,
            "taxTransactionType": "(Ikke valgt)",
            "taxTransactionTypeId": 0,
            "matched": false,
            "quantityAmount1": 0,
            "quantityAmount2": 0,
            "isVatReadonly": system,
            "isAmountVatClosed": false,
            "postingRuleId": 0,
        });
        let mut record = into_map(value);
        for name in EMPTY {
            record.insert((*name).to_owned(), Value::Null);
        }
        record
    }
}

/// Members of a posting that the simulation leaves empty.
const EMPTY: &[&str] = &[
    "amortizationAccount",
    "amortizationStartDate",
    "amortizationEndDate",
    "product",
    "quantityType1",
    "quantityType2",
    "freeAccountingDimension1",
    "freeAccountingDimension2",
    "freeAccountingDimension3",
    "asset",
];

pub(super) fn into_map(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}
