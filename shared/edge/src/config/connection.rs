//! `[connections.<name>]`: the provider accounts whose settlements are booked.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use chrono_tz::Tz;
use ledger::{Book, CutOff, FeeMode, Granularity, Role, Target};
use rust_decimal::Decimal;

use super::problem::{join, shown};
use super::section::Section;
use super::values::is_name;
use super::{Known, accounts};

/// The most metadata keys that one connection keeps.
const TAGS_MAX: usize = 20;

/// The most connections that are read; each is compared with each.
const CONNECTIONS_MAX: usize = 200;

/// One account at a provider. Its name is 1 to 40 of a-z, 0-9 and -, and is also its inbox folder's.
#[derive(Clone, Debug, PartialEq)]
pub struct Connection {
    /// The provider's name, for example `vipps-mobilepay`.
    pub provider: String,
    /// The entry of the company's secrets bundle; `None` where report files are dropped and no API is asked.
    pub secret: Option<String>,
    /// The first payout day that is booked.
    pub start_on: NaiveDate,
    /// How sales are booked. Default `clearing`.
    pub book: Book,
    /// What is booked together. Default `payout`.
    pub settle_by: SettleBy,
    /// How a voucher's lines are cut. Default `summary`.
    pub granularity: Granularity,
    /// What happens to payouts over a month's end. Default `payout`.
    pub cut_off: CutOff,
    /// The provider account's id or number, which files and answers must match; `None` if any is taken.
    /// Needed with `settle_by = "window"` and where two connections have the same provider.
    pub account: Option<String>,
    /// The zone of a report's timestamps that do not tell theirs. Default `UTC`.
    pub report_time_zone: Tz,
    /// Remote metadata keys to keep, for rules. Default none, at most 20.
    pub tags: Vec<String>,
    /// The first day that is booked by window; `None` means `start_on`. Only with `settle_by = "window"`.
    pub from: Option<NaiveDate>,
    /// How the provider charges its fees. Default `auto`.
    pub fees: FeeMode,
    /// Where exchange rates come from. Default `ledger`.
    pub rate: Rate,
    /// The sum of rows of unknown type, in major units, up to which they go to `unallocated`; `None` holds
    /// every settlement with such a row. Needs an account for `unallocated`.
    pub unallocated_limit: Option<Decimal>,
    /// Accounts of roles for this connection, in place of the company's.
    pub accounts: BTreeMap<Role, Target>,
    /// The address under which the provider reaches `bilag serve`; `None` without webhooks.
    pub public_url: Option<String>,
    /// An address in place of the provider's own; `None` for the provider's own. On one machine any address
    /// of this machine, in the cloud only hosts that the deployment allows.
    pub base_url: Option<String>,
    /// Which kind of keys the secret holds; `None` for the provider's usual ones.
    pub keys: Option<Keys>,
}

words! {
    /// What is booked together.
    SettleBy {
        /// The rows of one payout.
        Payout = "payout",
        /// The rows of one account, currency and day.
        Window = "window",
    }
}

words! {
    /// Where exchange rates come from.
    Rate {
        /// The accounting system's own.
        Ledger = "ledger",
    }
}

words! {
    /// A kind of keys that a provider gives out.
    Keys {
        /// Keys of an accounting partner (Vipps MobilePay): client id and secret alone.
        Accounting = "accounting",
    }
}

impl Connection {
    /// The first day that is booked by window; `None` if payouts are booked.
    pub fn window_from(&self) -> Option<NaiveDate> {
        match self.settle_by {
            SettleBy::Payout => None,
            SettleBy::Window => Some(self.from.unwrap_or(self.start_on)),
        }
    }
}

/// Reads every connection and refuses those that would book the same provider account.
pub(super) fn read_all(top: &mut Section<'_>, known: &Known<'_>) -> BTreeMap<String, Connection> {
    let add = "add [connections.<name>] with provider and start_on; the name is also the inbox folder's";
    top.missing("connections", add);
    let Some(section) = top.table("connections") else {
        return BTreeMap::new();
    };
    if section.is_empty() {
        section.notes.error(section.path(), format!("has no connection; {add}"));
    }
    let mut connections = BTreeMap::new();
    let entries = section.entries("connection");
    if entries.len() > CONNECTIONS_MAX {
        let what = format!("has {} connections; keep at most {CONNECTIONS_MAX}", entries.len());
        section.notes.error(section.path(), what);
        return connections;
    }
    for (name, entry) in entries {
        if !is_name(name) {
            let remedy = "use 1 to 40 of the characters a-z, 0-9 and -";
            section.error(name, format!("{} cannot be a connection's name; {remedy}", shown(name)));
        } else if name == "bank" {
            let what = "the inbox folder bank is for bank statements; give the connection another name";
            section.error(name, what);
        }
        connections.insert(name.to_owned(), read(entry, known));
    }
    refuse_shared_accounts(&section, &connections);
    connections
}

fn read(mut section: Section<'_>, known: &Known<'_>) -> Connection {
    let providers = known.providers.join(", ");
    let provider = section.text("provider", 40);
    section.missing("provider", &format!("give one of this version's providers: {providers}"));
    if let Some(name) = provider.as_ref().filter(|name| !known.providers.contains(&name.as_str())) {
        let what = format!("{} is not in this version; this version has: {providers}", shown(name));
        section.error("provider", what);
    }
    let start_on = section.date("start_on");
    section.missing("start_on", "give the first payout day to book, as in start_on = 2026-01-01");
    section.later("close_day", "remove the key; cut_off = \"month\" books a part per month");

    let settle_by =
        section.choice("settle_by", SettleBy::ALL, SettleBy::name, &[]).unwrap_or(SettleBy::Payout);
    let from = section.date("from");
    if settle_by == SettleBy::Payout && from.is_some() && !section.notes.blamed(&section.at("settle_by")) {
        section
            .error("from", "is only for settle_by = \"window\"; remove it, or add  settle_by = \"window\"");
    }
    let account = section.text("account", 100);
    if settle_by == SettleBy::Window {
        section.missing(
            "account",
            "settle_by = \"window\" needs the provider account's id; add  account = \"…\"",
        );
    }
    let read = Connection {
        provider: provider.unwrap_or_default(),
        secret: section.name("secret"),
        start_on: start_on.unwrap_or_default(),
        book: section.choice("book", Book::ALL, Book::name, &["invoices"]).unwrap_or(Book::Clearing),
        settle_by,
        granularity: section
            .choice("granularity", Granularity::ALL, Granularity::name, &[])
            .unwrap_or(Granularity::Summary),
        cut_off: section.choice("cut_off", CutOff::ALL, CutOff::name, &["close"]).unwrap_or(CutOff::Payout),
        account,
        report_time_zone: section.zone("report_time_zone").unwrap_or(Tz::UTC),
        tags: section.texts("tags", TAGS_MAX).unwrap_or_default(),
        from,
        fees: section.choice("fees", FeeMode::ALL, FeeMode::name, &[]).unwrap_or(FeeMode::Auto),
        rate: section
            .choice("rate", Rate::ALL, Rate::name, &["norges-bank", "riksbank", "ecb", "file"])
            .unwrap_or(Rate::Ledger),
        unallocated_limit: section.amount("unallocated_limit"),
        accounts: section.table("accounts").map(accounts::read).unwrap_or_default(),
        public_url: section.url("public_url"),
        base_url: section.url("base_url"),
        keys: section.choice("keys", Keys::ALL, Keys::name, &[]),
    };
    section.finish();
    read
}

/// Two connections on one provider account would book every payout twice.
fn refuse_shared_accounts(section: &Section<'_>, connections: &BTreeMap<String, Connection>) {
    for (name, connection) in connections {
        let mut others = connections
            .iter()
            .filter(|(other, found)| *other != name && found.provider == connection.provider);
        if connection.provider.is_empty() {
            continue;
        }
        let path = join(&section.at(name), "account");
        match &connection.account {
            None if !section.notes.has(&path) => {
                if let Some((other, _)) = others.next() {
                    section.notes.error(&path, format!(
                        "is missing, and connection {} is for {} too; add to both the id of their provider \
                         account, as in account = \"…\"",
                        shown(other),
                        connection.provider,
                    ));
                }
            }
            None => {}
            // The pair is refused once, at the later name.
            Some(account) => {
                let twin =
                    others.find(|(other, found)| *other < name && found.account.as_ref() == Some(account));
                if let Some((other, _)) = twin {
                    section.notes.error(
                        &path,
                        format!(
                            "{} is also the account of connection {}; every payout would be booked twice: \
                         remove one of the connections, or correct its account",
                            shown(account),
                            shown(other),
                        ),
                    );
                }
            }
        }
    }
}
