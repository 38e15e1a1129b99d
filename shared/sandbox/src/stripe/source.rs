//! The objects that cause balance transactions, as `expand[]=data.source` shows them: whole, as the API's document
//! declares them, with a customer's data, which must not be kept.

use serde_json::{Value, json};

use super::rows::{Movement, Row};

// Members that an object must have and that have no value here.
const CHARGE_NULLS: &[&str] = &[
    "application",
    "application_fee",
    "application_fee_amount",
    "customer",
    "failure_balance_transaction",
    "failure_code",
    "failure_message",
    "on_behalf_of",
    "payment_method",
    "receipt_number",
    "receipt_url",
    "review",
    "shipping",
    "source",
    "source_transfer",
    "statement_descriptor",
    "statement_descriptor_suffix",
    "transfer_data",
    "transfer_group",
];
const EVIDENCE_NULLS: &[&str] = &[
    "access_activity_log",
    "billing_address",
    "cancellation_policy",
    "cancellation_policy_disclosure",
    "cancellation_rebuttal",
    "customer_communication",
    "customer_purchase_ip",
    "customer_signature",
    "duplicate_charge_documentation",
    "duplicate_charge_explanation",
    "duplicate_charge_id",
    "product_description",
    "receipt",
    "refund_policy",
    "refund_policy_disclosure",
    "refund_refusal_explanation",
    "service_date",
    "service_documentation",
    "shipping_address",
    "shipping_carrier",
    "shipping_date",
    "shipping_documentation",
    "shipping_tracking_number",
    "uncategorized_file",
    "uncategorized_text",
];
const TOP_UP_NULLS: &[&str] = &[
    "description",
    "failure_code",
    "failure_message",
    "initiated_by",
    "source",
    "statement_descriptor",
    "transfer_group",
];
const REFUND_NULLS: &[&str] = &[
    "customer",
    "customer_account",
    "payment_method",
    "receipt_number",
    "source_transfer_reversal",
    "transfer_reversal",
];

/// What the members of an object are about.
struct About<'a> {
    id: &'a str,
    /// The balance transaction.
    row: &'a str,
    /// The charge that it undoes.
    charge: Option<&'a str>,
    created: i64,
    /// In minor units of `currency`, which is that of the customer.
    amount: i64,
    currency: &'a str,
    metadata: Value,
}

impl Row {
    /// The object called `id` that caused the row called `row`.
    pub fn source_json(&self, id: &str, row: &str, charge: Option<&str>, created: i64) -> Value {
        let (amount, currency) = match self.rate {
            // Worked backwards; the world makes converted charges of whole euros.
            Some(rate) => (self.amount.abs() * 10_000 / rate, "eur"),
            None => (self.amount.abs(), "nok"),
        };
        let metadata = json!({ "order_id": self.order.to_string() });
        let about = About { id, row, charge, created, amount, currency, metadata };
        match self.movement {
            Movement::Charge => about.charge("card", &self.description()),
            Movement::Payment => about.charge("klarna", &self.description()),
            Movement::Dispute => about.dispute("needs_response"),
            Movement::DisputeReversal => about.dispute("won"),
            Movement::TopUp => about.top_up(),
            _ => about.refund(),
        }
    }
}

impl About<'_> {
    fn charge(self, method: &str, description: &str) -> Value {
        with_nulls(
            json!({
                "id": self.id,
                "object": "charge",
                "amount": self.amount,
                "amount_captured": self.amount,
                "amount_refunded": 0,
                "balance_transaction": self.row,
                "billing_details": {
                    "address": {
                        "city": "Bergen",
                        "country": "NO",
                        "line1": "Strandgaten 1",
                        "line2": null,
                        "postal_code": "5013",
                        "state": null,
                    },
                    "email": "kari.nordmann@example.com",
                    "name": "Kari Nordmann",
                    "phone": "+4799999999",
                    "tax_id": null,
                },
                "calculated_statement_descriptor": "NORDLYS",
                "captured": true,
                "created": self.created,
                "currency": self.currency,
                "description": description,
                "disputed": false,
                "fraud_details": {},
                "livemode": false,
                "metadata": self.metadata,
                "outcome": {
                    "advice_code": null,
                    "network_advice_code": null,
                    "network_decline_code": null,
                    "network_status": "approved_by_network",
                    "reason": null,
                    "seller_message": "Payment complete.",
                    "type": "authorized",
                },
                "paid": true,
                "payment_intent": payment(self.id),
                "payment_method_details": { "type": method },
                "receipt_email": "kari.nordmann@example.com",
                "refunded": false,
                "status": "succeeded",
            }),
            CHARGE_NULLS,
        )
    }

    fn dispute(self, status: &str) -> Value {
        json!({
            "id": self.id,
            "object": "dispute",
            "amount": self.amount,
            "balance_transactions": [],
            "charge": self.charge,
            "created": self.created,
            "currency": self.currency,
            "enhanced_eligibility_types": [],
            "evidence": with_nulls(json!({
                "customer_email_address": "kari.nordmann@example.com",
                "customer_name": "Kari Nordmann",
                "enhanced_evidence": {},
            }), EVIDENCE_NULLS),
            "evidence_details": {
                "due_by": self.created + 14 * 86_400,
                "enhanced_eligibility": {},
                "has_evidence": false,
                "past_due": false,
                "submission_count": 0,
            },
            "is_charge_refundable": false,
            "livemode": false,
            "metadata": {},
            "payment_intent": self.charge.map(payment),
            "reason": "product_not_received",
            "status": status,
        })
    }

    fn top_up(self) -> Value {
        with_nulls(
            json!({
                "id": self.id,
                "object": "topup",
                "amount": self.amount,
                "balance_transaction": self.row,
                "created": self.created,
                "currency": self.currency,
                "expected_availability_date": self.created,
                "livemode": false,
                "metadata": {},
                "status": "succeeded",
            }),
            TOP_UP_NULLS,
        )
    }

    fn refund(self) -> Value {
        with_nulls(
            json!({
                "id": self.id,
                "object": "refund",
                "amount": self.amount,
                "balance_transaction": self.row,
                "charge": self.charge,
                "created": self.created,
                "currency": self.currency,
                "metadata": self.metadata,
                "payment_intent": self.charge.map(payment),
                "reason": "requested_by_customer",
                "status": "succeeded",
            }),
            REFUND_NULLS,
        )
    }
}

/// An object with members that it must have and that have no value here.
fn with_nulls(mut object: Value, names: &[&str]) -> Value {
    for name in names {
        object[*name] = Value::Null;
    }
    object
}

/// The payment intent of a charge.
fn payment(charge: &str) -> String {
    format!("pi_{}", charge.split_once('_').map_or(charge, |(_, rest)| rest))
}
