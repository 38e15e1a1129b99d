//! The remote vocabulary: column titles, element names, and rows as they are archived.
//!
//! Archived rows keep amounts, days and times as the report writes them. Customers' names, telephone
//! numbers and messages are not among the fields, so they never leave the dropped file.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

/// One row of the portal's report: one movement on the ledger of a sales unit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Row<'a> {
    /// The sales unit's number (MSN or Vipps number).
    #[serde(borrow)]
    pub unit: Cow<'a, str>,
    /// The sales unit's country, in the language of the report.
    #[serde(borrow, default, skip_serializing_if = "str::is_empty")]
    pub country: Cow<'a, str>,
    /// The payment solution.
    #[serde(borrow, default, skip_serializing_if = "str::is_empty")]
    pub method: Cow<'a, str>,
    /// Local time, `YYYY-MM-DD HH:MM:SS`; only the order of rows is taken from it.
    #[serde(borrow, default, skip_serializing_if = "str::is_empty")]
    pub time: Cow<'a, str>,
    /// The ledger day, `YYYY-MM-DD`.
    #[serde(borrow)]
    pub booked: Cow<'a, str>,
    /// The type, in the language of the report.
    #[serde(borrow, rename = "type")]
    pub kind: Cow<'a, str>,
    /// What the movement does to the balance, in major units.
    #[serde(borrow)]
    pub amount: Cow<'a, str>,
    /// The balance after the movement, in major units.
    #[serde(borrow)]
    pub balance: Cow<'a, str>,
    /// Three letters.
    #[serde(borrow)]
    pub currency: Cow<'a, str>,
    /// The provider's id of the movement; `<ledger id>-<payout number>` on a payout.
    #[serde(borrow)]
    pub psp_reference: Cow<'a, str>,
    /// The merchant's order id or reference; on a payout the text for the bank.
    #[serde(borrow, default, skip_serializing_if = "str::is_empty")]
    pub reference: Cow<'a, str>,
    /// The payout number, on payout rows of reports that have the column.
    #[serde(borrow, default, skip_serializing_if = "str::is_empty")]
    pub payout: Cow<'a, str>,
}

/// One transaction, or the closing sum, of a settlement in the old XML and XLSX reports.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Transaction<'a> {
    /// The sales unit's number.
    #[serde(borrow)]
    pub unit: Cow<'a, str>,
    /// The settlement's number, unique within the sales unit.
    #[serde(borrow)]
    pub settlement: Cow<'a, str>,
    /// `Net` or `Gross`; empty where the report does not tell, which means net.
    #[serde(borrow, default, skip_serializing_if = "str::is_empty")]
    pub settlement_type: Cow<'a, str>,
    /// What it is: one of the words of [`CAPTURE`], [`REFUND`] and [`SETTLED`], or another of the report's.
    #[serde(borrow, rename = "type")]
    pub kind: Cow<'a, str>,
    /// The transaction's id; the settlement's for the closing sum.
    #[serde(borrow)]
    pub id: Cow<'a, str>,
    /// The merchant's order id.
    #[serde(borrow, default, skip_serializing_if = "str::is_empty")]
    pub order: Cow<'a, str>,
    /// The product that was sold with.
    #[serde(borrow, default, skip_serializing_if = "str::is_empty")]
    pub method: Cow<'a, str>,
    /// The day as written, possibly with a time.
    #[serde(borrow)]
    pub on: Cow<'a, str>,
    /// Major units; negative for refunds. For the closing sum what is paid out.
    #[serde(borrow)]
    pub gross: Cow<'a, str>,
    /// The fee as written: positive in XML, negative in the workbook.
    #[serde(borrow)]
    pub fee: Cow<'a, str>,
    /// What remains, as written.
    #[serde(borrow)]
    pub net: Cow<'a, str>,
    /// Three letters.
    #[serde(borrow)]
    pub currency: Cow<'a, str>,
}

/// The words for a sale in the old reports: XML (by its amount), workbook.
pub const CAPTURE: [&str; 2] = ["Capture", "Salg"];
/// The words for a refund in the old reports.
pub const REFUND: [&str; 2] = ["Refund", "Refundering"];
/// The words for what is paid out: the element of XML 3.0 and 2.0, the closing row of the workbook.
pub const SETTLED: [&str; 3] = ["SettledAmount", "NetSettlementAmount", "Til utbetaling netto"];

/// The column titles of the portal's report in one language.
pub struct Titles {
    /// [`Row::unit`]
    pub unit: &'static str,
    /// [`Row::time`]
    pub time: &'static str,
    /// [`Row::booked`]
    pub booked: &'static str,
    /// [`Row::kind`]
    pub kind: &'static str,
    /// [`Row::amount`]
    pub amount: &'static str,
    /// [`Row::balance`]
    pub balance: &'static str,
    /// [`Row::currency`]
    pub currency: &'static str,
    /// [`Row::psp_reference`]
    pub psp_reference: &'static str,
    /// [`Row::reference`]
    pub reference: &'static str,
    /// [`Row::country`]
    pub country: &'static str,
    /// [`Row::method`]
    pub method: &'static str,
    /// The row's fee, for information; it moves the balance with the row of fees retained.
    pub fee: &'static str,
    /// The amount less that fee, for information.
    pub net: &'static str,
    /// [`Row::payout`]
    pub payout: &'static str,
}

/// The known languages: Norwegian and English.
pub const TITLES: [Titles; 2] = [
    Titles {
        unit: "MSN/Vippsnummer",
        time: "Tidspunkt",
        booked: "Bokføringsdato",
        kind: "Type",
        amount: "Beløp",
        balance: "Balanse",
        currency: "Valuta",
        psp_reference: "PSP-referanse",
        reference: "Ordre-ID/Referanse",
        country: "Land",
        method: "Betalingsløsning",
        fee: "Gebyr",
        net: "Nettobeløp",
        payout: "Utbetalingsnummer",
    },
    Titles {
        unit: "MSN/Vipps number",
        time: "Time",
        booked: "Booking date",
        kind: "Type",
        amount: "Amount",
        balance: "Balance",
        currency: "Currency",
        psp_reference: "PSP reference",
        reference: "Order ID/Reference",
        country: "Country",
        method: "Payment solution",
        fee: "Fee",
        net: "Net amount",
        payout: "Payout number",
    },
];

impl Titles {
    /// The columns without which no settlement can be read.
    pub fn needed(&self) -> [&'static str; 9] {
        [
            self.unit,
            self.time,
            self.booked,
            self.kind,
            self.amount,
            self.balance,
            self.currency,
            self.psp_reference,
            self.reference,
        ]
    }
}

/// The root element of the XML report.
pub const ROOT: &str = "SettlementReport";

/// The versions of the XML report, told by their namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// Net amounts only, sums before the transactions.
    Two,
    /// Captures and refunds apart, net or gross settlement, sums after the transactions.
    Three,
}

/// The namespace of version 2.0.
const NAMESPACE_2: &str = "http://vipps.dnb.no/XMLSchema/SettlementReport.xsd";
/// The namespace of version 3.0.
const NAMESPACE_3: &str = "http://vipps.no/xmlschema/SettlementReport-3.0.xsd";

impl Version {
    /// The version that a namespace stands for.
    pub fn of(namespace: &str) -> Option<Version> {
        match namespace {
            NAMESPACE_2 => Some(Version::Two),
            NAMESPACE_3 => Some(Version::Three),
            _ => None,
        }
    }
}

/// Why a settlement report in another namespace is refused.
pub fn unknown_namespace(found: &str) -> String {
    let found: String = found.chars().take(120).collect();
    format!(
        "a settlement report in the namespace \"{found}\" is not known; bilag reads {NAMESPACE_3} and \
         {NAMESPACE_2}; export the Settlement report as CSV from the portal instead"
    )
}

/// What a `TransactionInfo` says, in both versions.
pub const TRANSACTION_FIELDS: &[&str] = &[
    "TransactionTime",
    "TransactionDate",
    "TransactionCaptureAmount",
    "TransactionRefundAmount",
    "TransactionGrossAmount",
    "TransactionNetAmount",
    "TransactionFeeAmount",
    "SettlementCurrencyCode",
    "TransactionID",
    "OrderID",
];

/// What a `SettlementInfo` says of itself, in both versions.
pub const SETTLEMENT_FIELDS: &[&str] = &[
    "SettlementDate",
    "SettlementBatchDate",
    "SettlementID",
    "SettlementCurrencyCode",
    "SettlementType",
    "NumOfTransactions",
    "CaptureSettlementAmount",
    "RefundSettlementAmount",
    "GrossSettlementAmount",
    "NetSettlementAmount",
    "FeeSettlementAmount",
    "SettledAmount",
];
