//! `[[rules]]`: exceptions from the roles' accounts, and which of them could never do what they say.

use ledger::{Book, FeeType, Kind, Role, Rule, When};

use super::connection::Connection;
use super::problem::{Notes, element, join, shown};
use super::section::Section;
use super::{Config, Known, accounts};

/// What `text` may have filled in.
const PLACEHOLDERS: &[&str] = &["payout", "provider", "kind", "month", "reference"];

/// The most rules that are read; each is compared with each.
const RULES_MAX: usize = 1000;

pub(super) fn read_all(top: &mut Section<'_>, known: &Known<'_>) -> Vec<Rule> {
    let sections = top.tables("rules", "rule");
    if sections.len() > RULES_MAX {
        top.error("rules", format!("has {} rules; keep at most {RULES_MAX}", sections.len()));
        return Vec::new();
    }
    sections.into_iter().map(|section| read(section, known)).collect()
}

fn read(mut section: Section<'_>, known: &Known<'_>) -> Rule {
    section.missing(
        "when",
        "say what the rule is for, as in when = { kind = \"sale\" }; when = {} matches every line",
    );
    let when = section.table("when").map(|when| read_when(when, known)).unwrap_or_default();
    let rule = Rule {
        when,
        account: section.code("account"),
        vat: section.code("vat"),
        department: section.code("department"),
        project: section.code("project"),
        text: section.text("text", 200),
    };
    if let Some(why) = rule.text.as_deref().and_then(refused_placeholder) {
        section.error("text", why);
    }
    if !["account", "vat", "department", "project", "text"].iter().any(|key| section.has(key)) {
        let what = "sets nothing; add account, vat, department, project or text, or remove the rule";
        section.notes.error(section.path(), what);
    }
    section.finish();
    rule
}

fn read_when(mut section: Section<'_>, known: &Known<'_>) -> When {
    let provider = section.text("provider", 40);
    if let Some(name) = provider.as_ref().filter(|name| !known.providers.contains(&name.as_str())) {
        let providers = known.providers.join(", ");
        section.error(
            "provider",
            format!("{} is not in this version; this version has: {providers}", shown(name)),
        );
    }
    let when = When {
        connection: section.text("connection", 40),
        provider,
        kind: section.choice("kind", Kind::ALL, Kind::name, &[]),
        fee_type: section.choice("fee_type", FeeType::ALL, FeeType::name, &[]),
        remote_type: section.text("remote_type", 100),
        method: section.text("method", 100),
        currency: section.currency("currency"),
        country: section.country("country"),
        reference: section.text("reference", 100),
        tag: section
            .table("tag")
            .map(|tags| tags.text_entries().into_iter().map(|(key, value)| (key.to_owned(), value)).collect())
            .unwrap_or_default(),
        from: section.date("from"),
        to: section.date("to"),
    };
    let inside = when.reference.as_deref().and_then(|reference| reference.find('*'));
    if let (Some(at), Some(reference)) = (inside, &when.reference)
        && at + 1 < reference.len()
    {
        let what =
            format!("{} has a * before its end; only a * at the end matches any ending", shown(reference));
        section.error("reference", what);
    }
    if let (Some(from), Some(to)) = (when.from, when.to)
        && from > to
    {
        section.error("to", format!("{to} is before from, {from}, so no day matches; correct one of them"));
    }
    section.finish();
    when
}

/// Why a text's placeholders cannot be filled in.
fn refused_placeholder(text: &str) -> Option<String> {
    let known = PLACEHOLDERS.iter().map(|name| format!("{{{name}}}")).collect::<Vec<_>>().join(" ");
    let mut rest = text;
    while let Some(at) = rest.find(['{', '}']) {
        let name = rest[at..].strip_prefix('{').and_then(|inner| inner.split_once('}'));
        let Some((name, after)) = name else {
            return Some(format!(
                "{} has a brace without its pair; braces are only for {known}",
                shown(text)
            ));
        };
        if !PLACEHOLDERS.contains(&name) {
            return Some(format!("{} is not known here; use {known}", shown(&format!("{{{name}}}"))));
        }
        rest = after;
    }
    None
}

/// The connections that a condition leaves open.
pub(super) fn concerns<'c>(
    when: &'c When,
    config: &'c Config,
) -> impl Iterator<Item = (&'c str, &'c Connection)> {
    config
        .connections
        .iter()
        .filter(|(name, connection)| {
            when.connection.as_ref().is_none_or(|wanted| wanted == *name)
                && when.provider.as_ref().is_none_or(|wanted| *wanted == connection.provider)
        })
        .map(|(name, connection)| (name.as_str(), connection))
}

/// Checks the rules against the connections and against each other.
pub(super) fn check(notes: &Notes<'_>, config: &Config) {
    for (index, rule) in config.rules.iter().enumerate() {
        let path = element("rules", index);
        let when = join(&path, "when");
        let exists = rule.when.connection.as_ref().is_none_or(|name| config.connections.contains_key(name));
        if let Some(name) = rule.when.connection.as_ref().filter(|_| !exists) {
            let names: Vec<&str> = config.connections.keys().map(String::as_str).collect();
            notes.error(
                &join(&when, "connection"),
                format!("there is no connection {}; this file has: {}", shown(name), names.join(", ")),
            );
        } else if concerns(&rule.when, config).next().is_none() && !notes.blamed(&when) {
            notes.warning(&when, "no connection is for this provider, so the rule is never used; remove it");
        }
        check_tags(notes, config, rule, &when);
        check_clearing(notes, config, rule, &path);

        // A `when` that was refused reads as an empty one.
        let before = config.rules[..index].iter().enumerate().find(|(earlier, other)| {
            (other.when == When::default() || other.when == rule.when)
                && !notes.blamed(&join(&element("rules", *earlier), "when"))
        });
        if let Some((earlier, _)) = before
            && !notes.blamed(&when)
        {
            notes.warning(
                &path,
                format!(
                    "is never used, since {} already matches all of its lines and the first match wins; move \
                 it up or remove it",
                    element("rules", earlier),
                ),
            );
        }
    }
}

/// A tag can only match if the rows are archived with it.
fn check_tags(notes: &Notes<'_>, config: &Config, rule: &Rule, when: &str) {
    for key in rule.when.tag.keys() {
        let mut concerned = concerns(&rule.when, config).peekable();
        let Some((name, _)) = concerned.peek().copied() else {
            return;
        };
        let refused = |name: &str| notes.blamed(&join(&join("connections", name), "tags"));
        if concerned.all(|(name, connection)| !connection.tags.contains(key) && !refused(name)) {
            notes.error(
                &join(&join(when, "tag"), key),
                format!(
                    "no connection of this rule keeps it; add  tags = [{}]  under [{}]",
                    shown(key),
                    join("connections", name),
                ),
            );
        }
    }
}

/// With clearing the sale is booked elsewhere: a rule may move it to another clearing account, nothing more.
fn check_clearing(notes: &Notes<'_>, config: &Config, rule: &Rule, path: &str) {
    if !matches!(rule.when.kind, Some(Kind::Sale | Kind::Refund | Kind::RefundReversal)) {
        return;
    }
    let mut concerned = concerns(&rule.when, config).peekable();
    if concerned.peek().is_none() || !concerned.all(|(_, connection)| connection.book == Book::Clearing) {
        return;
    }
    if rule.vat.as_deref().is_some_and(|vat| vat != "none") {
        notes.error(
            &join(path, "vat"),
            "sets a VAT code on sales that are booked elsewhere, since book is \"clearing\"; remove it, or \
             set book = \"sales\" for the connection",
        );
    }
    let Some(account) = &rule.account else { return };
    let taken = concerns(&rule.when, config).find_map(|(name, _)| {
        config.accounts_of(name).into_iter().find_map(|(role, target)| {
            let other =
                !matches!(role, Role::SalesClearing | Role::Unallocated) && target.account == *account;
            other.then_some(role)
        })
    });
    if let Some(role) = taken {
        notes.error(
            &join(path, "account"),
            format!(
                "account {} is that of {role}, and with book = \"clearing\" a rule may move sales only to \
             another clearing account; give one, or set book = \"sales\" for the connection",
                shown(account),
            ),
        );
    } else if accounts::is_receivable(&config.company.country, account) {
        notes.error(
            &join(path, "account"),
            format!(
                "account {} holds customers' open invoices, which a settlement must not empty; give another \
             clearing account",
                shown(account),
            ),
        );
    }
}
