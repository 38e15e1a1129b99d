//! Which account a line goes to: roles, rules and booking styles, as the company's configuration says.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use crate::line::{FeeType, Kind, Line, named};
use crate::money::Currency;

named! {
    /// What an account is for. The configuration gives each role an account.
    Role {
        /// Sales are booked elsewhere; this account is emptied by the settlement.
        SalesClearing = "sales_clearing",
        /// Revenue.
        Sales = "sales",
        /// Money under dispute.
        Disputed = "disputed",
        /// The provider's charges.
        ProviderFee = "provider_fee",
        /// VAT on the provider's charges, as the provider states it.
        FeeVat = "fee_vat",
        /// Security kept by the provider.
        HeldByProvider = "held_by_provider",
        /// Money moved between own accounts at the provider.
        OwnTransfer = "own_transfer",
        /// Loans from the provider.
        ProviderLoan = "provider_loan",
        /// Adjustments in the merchant's favour.
        OtherIncome = "other_income",
        /// Adjustments against the merchant.
        OtherExpense = "other_expense",
        /// What stands with the provider.
        ProviderBalance = "provider_balance",
        /// Money between the provider and the bank.
        InTransit = "in_transit",
        /// The bank account.
        Bank = "bank",
        /// Fees that the provider invoices.
        ProviderPayable = "provider_payable",
        /// Rows of unknown type within the configured limit.
        Unallocated = "unallocated",
        /// Rounding.
        Rounding = "rounding",
        /// Gain from exchange rates.
        ExchangeGain = "exchange_gain",
        /// Loss from exchange rates.
        ExchangeLoss = "exchange_loss",
    }
}

named! {
    /// How sales and refunds are booked.
    Book {
        /// They empty a clearing account; the sale itself is booked elsewhere.
        Clearing = "clearing",
        /// They are revenue, with VAT.
        Sales = "sales",
    }
}

named! {
    /// How a voucher's lines are cut.
    Granularity {
        /// One line per account, VAT code, dimensions, kind, fee type and period.
        Summary = "summary",
        /// One line per row of the settlement.
        Transaction = "transaction",
    }
}

named! {
    /// What happens to a payout whose rows lie in two periods.
    CutOff {
        /// One voucher, dated by the payout.
        Payout = "payout",
        /// One part per month, each dated in its month.
        Month = "month",
    }
}

named! {
    /// How the provider charges its fees.
    FeeMode {
        /// As the rows tell.
        Auto = "auto",
        /// Taken from the payout; a gross settlement is held.
        Netted = "netted",
        /// Invoiced; a settlement with fees taken from it is held.
        Invoiced = "invoiced",
    }
}

/// An account with its VAT code and dimensions. Codes are those that users see in their accounting system.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target {
    /// The account number.
    pub account: String,
    /// The VAT code; `None` if the configuration names none, `Some("none")` if it says so explicitly.
    pub vat: Option<String>,
    /// The department.
    pub department: Option<String>,
    /// The project.
    pub project: Option<String>,
}

/// When a rule matches: all given conditions hold. An empty condition matches everything.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct When {
    /// The connection's name.
    pub connection: Option<String>,
    /// The provider's name.
    pub provider: Option<String>,
    /// The line's kind; `fee`, `fee-refund` and `fee-vat` also match the fee part of other rows.
    pub kind: Option<Kind>,
    /// The fee's type.
    pub fee_type: Option<FeeType>,
    /// The provider's word for the type.
    pub remote_type: Option<String>,
    /// The means of payment.
    pub method: Option<String>,
    /// The currency.
    pub currency: Option<Currency>,
    /// The customer's country.
    pub country: Option<String>,
    /// The reference; a trailing `*` matches any ending.
    pub reference: Option<String>,
    /// Remote metadata that must all be present with these values.
    pub tag: BTreeMap<String, String>,
    /// First row day.
    pub from: Option<NaiveDate>,
    /// Last row day.
    pub to: Option<NaiveDate>,
}

/// One rule of the configuration; the first that matches a line wins.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rule {
    /// When the rule matches.
    pub when: When,
    /// The account instead of the role's.
    pub account: Option<String>,
    /// The VAT code instead of the role's.
    pub vat: Option<String>,
    /// The department instead of the role's.
    pub department: Option<String>,
    /// The project instead of the role's.
    pub project: Option<String>,
    /// The text instead of the usual one; `{payout}`, `{provider}`, `{kind}`, `{month}` and `{reference}` are
    /// filled in.
    pub text: Option<String>,
}

impl When {
    /// Whether the part of `line` that is booked as `kind` with `fee_type` matches, in `mapping`'s connection.
    pub fn matches(&self, mapping: &Mapping, line: &Line<'_>, kind: Kind, fee_type: FeeType) -> bool {
        fn same(condition: &Option<String>, value: &str) -> bool {
            condition.as_ref().is_none_or(|wanted| wanted == value)
        }
        self.kind.is_none_or(|wanted| wanted == kind)
            && self.fee_type.is_none_or(|wanted| wanted == fee_type)
            && same(&self.connection, &mapping.connection)
            && same(&self.provider, &mapping.provider)
            && same(&self.remote_type, &line.remote_type)
            && same(&self.method, &line.method)
            && same(&self.country, &line.country)
            && self.currency.is_none_or(|wanted| wanted == line.currency)
            && self.from.is_none_or(|from| line.on >= from)
            && self.to.is_none_or(|to| line.on <= to)
            && self.reference.as_ref().is_none_or(|wanted| match wanted.strip_suffix('*') {
                Some(start) => line.reference.starts_with(start),
                None => *wanted == line.reference,
            })
            && self.tag.iter().all(|(key, value)| line.tags.iter().any(|(k, v)| k == key && v == value))
    }
}

/// Everything that planning needs from the configuration for one connection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mapping {
    /// The company's id.
    pub company: String,
    /// The connection's name.
    pub connection: String,
    /// The provider's name, for example `vipps-mobilepay`.
    pub provider: String,
    /// The provider's name as people write it, for example `Vipps MobilePay`.
    pub provider_title: String,
    /// How sales are booked.
    pub book: Book,
    /// How lines are cut.
    pub granularity: Granularity,
    /// What happens at a month's end.
    pub cut_off: CutOff,
    /// How fees are charged.
    pub fees: FeeMode,
    /// The sum of rows of unknown type, in major units, up to which they go to `unallocated`.
    pub unallocated_limit: Option<Decimal>,
    /// The account of each role.
    pub accounts: BTreeMap<Role, Target>,
    /// The rules, in order.
    pub rules: Vec<Rule>,
    /// The most lines that one voucher may have in the accounting system.
    pub lines_max: usize,
}

impl Mapping {
    /// The role that a part of a line is booked to; `None` for kinds that only move the provider's balance.
    pub fn role(&self, kind: Kind, gross: Decimal) -> Option<Role> {
        let role = match kind {
            Kind::Sale | Kind::Refund | Kind::RefundReversal => match self.book {
                Book::Clearing => Role::SalesClearing,
                Book::Sales => Role::Sales,
            },
            Kind::Chargeback | Kind::ChargebackReversal => Role::Disputed,
            Kind::Fee | Kind::FeeRefund => Role::ProviderFee,
            Kind::FeeVat => Role::FeeVat,
            Kind::Hold | Kind::HoldRelease => Role::HeldByProvider,
            Kind::Transfer | Kind::Conversion => Role::OwnTransfer,
            Kind::Loan => Role::ProviderLoan,
            Kind::Adjustment if gross.is_sign_negative() => Role::OtherExpense,
            Kind::Adjustment => Role::OtherIncome,
            Kind::TopUp | Kind::Payout => Role::InTransit,
            Kind::PayoutReversal => return None,
        };
        Some(role)
    }
}
