//! One row of the itemized payout reconciliation, in Stripe's words. Only these fields are archived.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

/// What is read of a row to make a line, wherever its text lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    Id,
    Category,
    Currency,
    Gross,
    Fee,
    Net,
    CreatedUtc,
    Created,
    Source,
    Charge,
    Intent,
    Order,
    Invoice,
    Method,
    Country,
}

impl Field {
    /// How many there are.
    pub const COUNT: usize = Field::Country as usize + 1;
}

/// A row's texts: in the record of a report, or in an archived row.
pub trait Texts<'a> {
    /// The text of a field, to look at; empty where there is none.
    fn look(&self, field: Field) -> &str;

    /// The text of a field, to keep.
    fn text(&self, field: Field) -> Cow<'a, str>;

    /// The metadata that the connection keeps, as (key, value).
    fn metadata(&self) -> Vec<(Cow<'a, str>, Cow<'a, str>)>;
}

impl<'a> Row<'a> {
    fn field(&self, field: Field) -> &Cow<'a, str> {
        match field {
            Field::Id => &self.balance_transaction_id,
            Field::Category => &self.reporting_category,
            Field::Currency => &self.currency,
            Field::Gross => &self.gross,
            Field::Fee => &self.fee,
            Field::Net => &self.net,
            Field::CreatedUtc => &self.created_utc,
            Field::Created => &self.created,
            Field::Source => &self.source_id,
            Field::Charge => &self.charge_id,
            Field::Intent => &self.payment_intent_id,
            Field::Order => &self.order_id,
            Field::Invoice => &self.invoice_number,
            Field::Method => &self.payment_method_type,
            Field::Country => &self.card_country,
        }
    }
}

impl<'a> Texts<'a> for Row<'a> {
    fn look(&self, field: Field) -> &str {
        self.field(field)
    }

    fn text(&self, field: Field) -> Cow<'a, str> {
        self.field(field).clone()
    }

    fn metadata(&self) -> Vec<(Cow<'a, str>, Cow<'a, str>)> {
        self.metadata.clone()
    }
}

/// A row; amounts are decimal text in major units. Empty text means that the report has no value.
#[derive(Debug, Serialize, Deserialize)]
pub struct Row<'a> {
    #[serde(borrow)]
    pub balance_transaction_id: Cow<'a, str>,
    #[serde(borrow, default, skip_serializing_if = "str::is_empty")]
    pub automatic_payout_id: Cow<'a, str>,
    #[serde(borrow)]
    pub reporting_category: Cow<'a, str>,
    #[serde(borrow)]
    pub currency: Cow<'a, str>,
    #[serde(borrow)]
    pub gross: Cow<'a, str>,
    #[serde(borrow)]
    pub fee: Cow<'a, str>,
    #[serde(borrow)]
    pub net: Cow<'a, str>,
    /// `created_utc` where the report has it.
    #[serde(borrow, default, skip_serializing_if = "str::is_empty")]
    pub created_utc: Cow<'a, str>,
    /// `created` where the report has no `created_utc`.
    #[serde(borrow, default, skip_serializing_if = "str::is_empty")]
    pub created: Cow<'a, str>,
    #[serde(borrow, default, skip_serializing_if = "str::is_empty")]
    pub source_id: Cow<'a, str>,
    #[serde(borrow, default, skip_serializing_if = "str::is_empty")]
    pub charge_id: Cow<'a, str>,
    #[serde(borrow, default, skip_serializing_if = "str::is_empty")]
    pub payment_intent_id: Cow<'a, str>,
    #[serde(borrow, default, skip_serializing_if = "str::is_empty")]
    pub order_id: Cow<'a, str>,
    #[serde(borrow, default, skip_serializing_if = "str::is_empty")]
    pub invoice_number: Cow<'a, str>,
    #[serde(borrow, default, skip_serializing_if = "str::is_empty")]
    pub payment_method_type: Cow<'a, str>,
    #[serde(borrow, default, skip_serializing_if = "str::is_empty")]
    pub card_country: Cow<'a, str>,
    #[serde(borrow, default, skip_serializing_if = "str::is_empty")]
    pub connected_account_id: Cow<'a, str>,
    /// `payment_metadata[<key>]` for the keys that the connection keeps.
    #[serde(borrow, default, skip_serializing_if = "Vec::is_empty")]
    pub metadata: Vec<(Cow<'a, str>, Cow<'a, str>)>,
}
