//! One remote row as a settlement line, seen from the merchant: what the provider will owe is positive.

use std::borrow::Cow;

use chrono::NaiveDate;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use crate::money::Currency;

macro_rules! named {
    ($(#[$doc:meta])* $type:ident { $($(#[$vdoc:meta])* $name:ident = $text:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        pub enum $type { $($(#[$vdoc])* #[serde(rename = $text)] $name,)* }

        impl $type {
            /// Every value, in order.
            pub const ALL: &'static [$type] = &[$($type::$name,)*];

            /// The name as configured, stored and printed.
            pub fn name(self) -> &'static str {
                match self { $($type::$name => $text,)* }
            }

            /// The value of a name, if there is one.
            pub fn from_name(name: &str) -> Option<$type> {
                match name { $($text => Some($type::$name),)* _ => None }
            }
        }

        impl std::fmt::Display for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.name())
            }
        }
    };
}
pub(crate) use named;

named! {
    /// What a row is, a closed list: each connector maps every remote type to one of these, or the row is unknown.
    Kind {
        /// Goods or services sold; gross is positive.
        Sale = "sale",
        /// Money given back to a customer, or a sale undone; gross is negative.
        Refund = "refund",
        /// A refund that did not go through, back with the merchant; gross is positive.
        RefundReversal = "refund-reversal",
        /// Money taken back by a card holder's dispute; gross is negative.
        Chargeback = "chargeback",
        /// A dispute won; gross is positive.
        ChargebackReversal = "chargeback-reversal",
        /// The provider's charge; gross 0 and fee positive on rows of their own.
        Fee = "fee",
        /// A charge given back.
        FeeRefund = "fee-refund",
        /// VAT on the provider's charge, where the provider states it.
        FeeVat = "fee-vat",
        /// Money kept back by the provider as security.
        Hold = "hold",
        /// Money kept back earlier and now free.
        HoldRelease = "hold-release",
        /// The merchant pays money in to the provider.
        TopUp = "top-up",
        /// Money moved to or from another account at the provider.
        Transfer = "transfer",
        /// A loan from the provider, paid out or paid back, and advances.
        Loan = "loan",
        /// Anything else that the provider adds or takes.
        Adjustment = "adjustment",
        /// The provider changed one currency to another.
        Conversion = "conversion",
        /// Money sent to the bank; gross is negative (positive when the provider debits the bank).
        Payout = "payout",
        /// A payout that failed or was cancelled, back with the provider.
        PayoutReversal = "payout-reversal",
    }
}

named! {
    /// What a fee is for.
    FeeType {
        /// Handling a payment.
        Processing = "processing",
        /// A dispute.
        Dispute = "dispute",
        /// Sending a payout.
        Payout = "payout",
        /// Changing currency.
        Fx = "fx",
        /// A product of the provider's beside payments.
        Software = "software",
        /// A loan.
        Financing = "financing",
        /// The provider does not say.
        Unknown = "unknown",
    }
}

/// One row of a settlement.
///
/// `net = gross - fee`. Rows that are themselves a fee or fee VAT have gross 0 and `fee = -amount`. Text borrows
/// from the row where it can, so that folding a million lines allocates nothing per line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line<'a> {
    /// The provider's id of the movement; unique within the settlement together with `remote_type`.
    pub id: Cow<'a, str>,
    /// What the movement is.
    pub kind: Kind,
    /// The provider's accounting day, or the movement's day in the company's time zone.
    pub on: NaiveDate,
    /// The movement before fees, in major units; positive raises what the provider owes the merchant.
    pub gross: Decimal,
    /// What the provider kept from this movement, VAT included; negative when a fee is given back.
    pub fee: Decimal,
    /// The part of `fee` that the provider states to be VAT; 0 where it states none.
    pub fee_vat: Decimal,
    /// What the fee is for.
    pub fee_type: FeeType,
    /// The currency of gross and fee.
    pub currency: Currency,
    /// The merchant's own reference (order or invoice number), or the provider's id of the payment.
    pub reference: Cow<'a, str>,
    /// The provider's word for the type.
    pub remote_type: Cow<'a, str>,
    /// The means of payment, where told.
    pub method: Cow<'a, str>,
    /// The customer's country, where told.
    pub country: Cow<'a, str>,
    /// For refunds and chargebacks: the id of the payment they concern, where told.
    pub original_id: Cow<'a, str>,
    /// For refunds and chargebacks: the day of the payment they concern, where known.
    pub original_on: Option<NaiveDate>,
    /// Remote metadata that the connection asked to keep, as (key, value).
    pub tags: Vec<(Cow<'a, str>, Cow<'a, str>)>,
    /// A movement within the provider's balance that is no economic event (a minimum-balance hold): it is summed
    /// but stays on `provider_balance`.
    pub stays_on_balance: bool,
    /// The remote type is not in the connector's table; the settlement is held, or the line goes to
    /// `unallocated` within the configured limit.
    pub unknown: bool,
}

impl<'a> Line<'a> {
    /// A line with its money; everything that most rows lack is empty.
    pub fn new(
        id: impl Into<Cow<'a, str>>,
        kind: Kind,
        on: NaiveDate,
        gross: Decimal,
        fee: Decimal,
        currency: Currency,
    ) -> Line<'a> {
        Line {
            id: id.into(),
            kind,
            on,
            gross,
            fee,
            fee_vat: Decimal::ZERO,
            fee_type: FeeType::Unknown,
            currency,
            reference: Cow::Borrowed(""),
            remote_type: Cow::Borrowed(""),
            method: Cow::Borrowed(""),
            country: Cow::Borrowed(""),
            original_id: Cow::Borrowed(""),
            original_on: None,
            tags: Vec::new(),
            stays_on_balance: false,
            unknown: false,
        }
    }

    /// What the row does to the provider's balance: gross less fee.
    pub fn net(&self) -> Decimal {
        self.gross - self.fee
    }

    /// The same line with all amounts turned around, as a correction takes out what was booked.
    pub fn mirrored(mut self) -> Line<'a> {
        self.gross = -self.gross;
        self.fee = -self.fee;
        self.fee_vat = -self.fee_vat;
        self
    }
}
