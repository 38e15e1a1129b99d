//! Why a settlement is not booked: a cause from a closed list, what was found, and what a person can do about it.

use serde::{Deserialize, Serialize};

/// Declares [`Cause`] with the name of each cause as it is stored, shown and searched for.
macro_rules! causes {
    ($($(#[$doc:meta])* $name:ident = $text:literal,)*) => {
        /// Why something is held. The names are stable: programs and alarms compare them.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        pub enum Cause {
            $($(#[$doc])* #[serde(rename = $text)] $name,)*
        }

        impl Cause {
            /// Every cause, in the order of the documentation.
            pub const ALL: &'static [Cause] = &[$(Cause::$name,)*];

            /// The name as printed and stored, for example `unknown-line`.
            pub fn name(self) -> &'static str {
                match self { $(Cause::$name => $text,)* }
            }
        }
    };
}

causes! {
    /// A remote row has a type that the connector's mapping table does not list.
    UnknownLine = "unknown-line",
    /// The rows do not add up to the payout or break another identity of the provider.
    DoesNotAddUp = "does-not-add-up",
    /// The payout's own row, or the balance before the first row, is not proved by the source.
    PayoutRowMissing = "payout-row-missing",
    /// A role that this settlement needs has no account in the mapping.
    MissingAccount = "missing-account",
    /// A sale is booked to revenue but nothing says which VAT code it has.
    VatMissing = "vat-missing",
    /// A rule asks for something that its booking style does not allow.
    RuleRefused = "rule-refused",
    /// No exchange rate is known for the day.
    NoRate = "no-rate",
    /// The provider's way of charging fees contradicts the configuration.
    FeeMode = "fee-mode",
    /// Whether VAT is due on a fee is not known.
    FeeVatUnknown = "fee-vat-unknown",
    /// A payout made by hand: the provider does not say which rows it holds.
    ManualPayout = "manual-payout",
    /// A second source of the same settlement says something else.
    DuplicateDiffers = "duplicate-differs",
    /// The rows belong to another provider account than the connection's.
    WrongAccount = "wrong-account",
    /// More lines than may be booked for one settlement.
    TooManyLines = "too-many-lines",
    /// The accounting period is closed.
    PeriodClosed = "period-closed",
    /// The VAT period has been reported.
    VatPeriodClosed = "vat-period-closed",
    /// The accounting system does not accept the account.
    AccountRefused = "account-refused",
    /// The accounting system does not accept the VAT code.
    VatRefused = "vat-refused",
    /// The credentials were refused.
    Credentials = "credentials",
    /// The credentials are valid but lack a right.
    Permission = "permission",
    /// The company or account no longer exists at the other side.
    CompanyGone = "company-gone",
    /// The reference is taken by something that is not our voucher.
    Collision = "collision",
    /// The accounting system saved something else than was sent.
    ReadBackDiffers = "read-back-differs",
    /// Whether the voucher was written can only be found out by a person.
    CheckByHand = "check-by-hand",
    /// Eight attempts without progress.
    Poison = "poison",
    /// A file or answer has a shape that this version does not know.
    Schema = "schema",
}

impl std::fmt::Display for Cause {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// A settlement or voucher that waits for a person: the cause, what was found, and the remedy in words that an
/// ops person understands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{cause}: {what}; {remedy}")]
pub struct Hold {
    /// The stable name of the reason.
    pub cause: Cause,
    /// What was found, with the names and figures of this case.
    pub what: String,
    /// What a person can do.
    pub remedy: String,
}

impl Hold {
    /// A hold with its three parts.
    pub fn new(cause: Cause, what: impl Into<String>, remedy: impl Into<String>) -> Hold {
        Hold { cause, what: what.into(), remedy: remedy.into() }
    }
}
