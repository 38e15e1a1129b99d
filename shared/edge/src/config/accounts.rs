//! `[accounts]`: which account each role has, and what two roles may not share.

use std::collections::BTreeMap;

use ledger::{Book, Kind, Role, Target};

use super::problem::{Notes, join, shown};
use super::section::Section;
use super::{Config, rules};

/// Roles that hold money which is still to come or to go. On a shared account the one would hide the other.
const MONEY: &[Role] = &[
    Role::SalesClearing,
    Role::Disputed,
    Role::HeldByProvider,
    Role::ProviderLoan,
    Role::ProviderBalance,
    Role::InTransit,
    Role::Bank,
];

/// Roles that reports often need though not always, with what needs them.
const OFTEN: &[(Role, &str)] = &[
    (Role::Disputed, "chargebacks"),
    (Role::FeeVat, "VAT on fees"),
    (Role::HeldByProvider, "money that the provider keeps back"),
    (Role::OtherIncome, "adjustments in your favour"),
    (Role::OtherExpense, "adjustments against you"),
];

/// Reads a table of accounts: roles, each with an account number or a table of account, vat, department and
/// project. Roles whose account cannot be used are left out.
pub(super) fn read(mut section: Section<'_>) -> BTreeMap<Role, Target> {
    let mut accounts = BTreeMap::new();
    for role in Role::ALL.iter().copied() {
        let target = match section.code_or_table(role.name(), "target") {
            Some(Ok(account)) => Some(Target { account, ..Target::default() }),
            Some(Err(table)) => read_target(table),
            None => None,
        };
        if let Some(target) = target {
            accounts.insert(role, target);
        }
    }
    section.finish();
    accounts
}

fn read_target(mut section: Section<'_>) -> Option<Target> {
    let account = section.code("account");
    section.missing("account", "give the account number, as in { account = \"7770\", vat = \"none\" }");
    let (vat, department, project) =
        (section.code("vat"), section.code("department"), section.code("project"));
    section.finish();
    Some(Target { account: account?, vat, department, project })
}

/// Checks the accounts that each connection ends up with.
pub(super) fn check(notes: &Notes<'_>, config: &Config) {
    let mut missing: BTreeMap<Role, Vec<&str>> = BTreeMap::new();
    let mut often: BTreeMap<Role, &str> = BTreeMap::new();
    for (name, connection) in &config.connections {
        let places = Places { notes, connection: join("connections", name) };
        let accounts = config.accounts_of(name);
        let lacks = |role: Role| !accounts.contains_key(&role) && !places.blamed(role);

        let sales = match connection.book {
            Book::Clearing => Role::SalesClearing,
            Book::Sales => Role::Sales,
        };
        let sales = Some(sales).filter(|_| !notes.blamed(&join(&places.connection, "book")));
        let required = [Role::ProviderBalance, Role::InTransit, Role::ProviderFee];
        for role in sales.into_iter().chain(required).filter(|role| lacks(*role)) {
            missing.entry(role).or_default().push(name);
        }
        often.extend(OFTEN.iter().copied().filter(|(role, _)| lacks(*role)));

        if connection.unallocated_limit.is_some() && lacks(Role::Unallocated) {
            notes.error(
                &join(&places.connection, "unallocated_limit"),
                "needs an account for the role unallocated; add  unallocated = \"<account>\"  under \
                 [accounts]",
            );
        }
        refuse_shared(&places, &accounts);
        refuse_receivable(&places, &accounts, config);
        warn_of_missing_vat(&places, &accounts, config, name);
    }
    for (role, names) in missing {
        notes.error(
            &join("accounts", role.name()),
            format!(
                "is missing and needed by {}; add  {role} = \"<account>\"  under [accounts]",
                names.iter().map(|name| join("connections", name)).collect::<Vec<_>>().join(", "),
            ),
        );
    }
    for (role, needed_for) in often {
        notes.warning(
            &join("accounts", role.name()),
            format!(
                "is not given; a settlement with {needed_for} will be held until you add  {role} = \
                 \"<account>\"  under [accounts]"
            ),
        );
    }
}

/// Where the accounts of a connection are written.
struct Places<'a> {
    notes: &'a Notes<'a>,
    /// The connection's dotted key.
    connection: String,
}

impl Places<'_> {
    fn own(&self, role: Role) -> String {
        join(&join(&self.connection, "accounts"), role.name())
    }

    /// The dotted key that gives the role its account.
    fn of(&self, role: Role) -> String {
        let own = self.own(role);
        if self.notes.has(&own) { own } else { join("accounts", role.name()) }
    }

    /// Whether the role has an account that was refused.
    fn blamed(&self, role: Role) -> bool {
        self.notes.blamed(&self.own(role)) || self.notes.blamed(&join("accounts", role.name()))
    }
}

/// Money must not be booked from an account to the same account. What stands with the provider is the
/// counter-account of every line, so it shares its account with no role at all.
fn refuse_shared(places: &Places<'_>, accounts: &BTreeMap<Role, Target>) {
    for (first, target) in accounts {
        for (second, other) in accounts.range(*first..).skip(1) {
            let both_money = MONEY.contains(first) && MONEY.contains(second);
            let balance = *first == Role::ProviderBalance || *second == Role::ProviderBalance;
            if target.account != other.account || !(both_money || balance) {
                continue;
            }
            let (mut here, mut there) = (places.of(*first), places.of(*second));
            if places.notes.line_of(&here) < places.notes.line_of(&there) {
                (here, there) = (there, here);
            }
            places.notes.error(&here, format!(
                "account {} is also that of {there} (line {}), and what stands on the one would be hidden \
                 by the other; give each an account of its own",
                shown(&target.account),
                places.notes.line_of(&there),
            ));
        }
    }
}

/// Whether an account is one of the chart's customer receivables, where open invoices stand.
pub(super) fn is_receivable(country: &str, account: &str) -> bool {
    let range = match country {
        "NO" => 1500..=1509,
        "SE" => 1510..=1519,
        _ => return false,
    };
    account.len() == 4 && account.parse().is_ok_and(|number: u16| range.contains(&number))
}

fn refuse_receivable(places: &Places<'_>, accounts: &BTreeMap<Role, Target>, config: &Config) {
    let Some(target) = accounts.get(&Role::SalesClearing) else {
        return;
    };
    if is_receivable(&config.company.country, &target.account) {
        places.notes.error(&places.of(Role::SalesClearing), format!(
            "account {} holds customers' open invoices, which a settlement must not empty; give an account \
             that only holds sales paid through the provider",
            shown(&target.account),
        ));
    }
}

/// Revenue without a VAT code is held; say so before the first settlement comes.
fn warn_of_missing_vat(places: &Places<'_>, accounts: &BTreeMap<Role, Target>, config: &Config, name: &str) {
    let needed = config.connections.get(name).is_some_and(|connection| connection.book == Book::Sales);
    let lacks = accounts.get(&Role::Sales).is_some_and(|target| target.vat.is_none());
    let by_rule = config.rules.iter().any(|rule| {
        rule.vat.is_some()
            && rule.when.kind.is_none_or(|kind| kind == Kind::Sale)
            && rules::concerns(&rule.when, config).any(|(concerned, _)| concerned == name)
    });
    if needed && lacks && !by_rule {
        places.notes.warning(
            &places.of(Role::Sales),
            "has no VAT code and no rule gives one, so settlements with sales will be held; write it as in \
             sales = { account = \"3000\", vat = \"3\" }, with vat = \"none\" if there is no VAT",
        );
    }
}
