//! One row of the itemized payout reconciliation, in Stripe's words. Only these fields are archived.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

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
