//! A company's configuration: one TOML file, read as a whole, with every mistake reported at once.
//!
//! [`read`] walks the document with a reader that notes what it cannot use and goes on, so that a person
//! corrects a file once. Nothing here asks the accounting system or looks at secrets; whether accounts and
//! VAT codes exist is checked elsewhere. `infra/example.toml` shows every key.

/// Declares an enum whose values are words of the configuration.
macro_rules! words {
    ($(#[$doc:meta])* $type:ident { $($(#[$vdoc:meta])* $name:ident = $text:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum $type { $($(#[$vdoc])* $name,)* }

        impl $type {
            /// Every value, in order.
            pub const ALL: &'static [$type] = &[$($type::$name,)*];

            /// The word in the configuration.
            pub fn name(self) -> &'static str {
                match self { $($type::$name => $text,)* }
            }
        }
    };
}

mod accounts;
mod company;
mod connection;
mod fields;
mod problem;
mod rules;
mod section;
#[cfg(test)]
mod tests;
mod values;

use std::collections::{BTreeMap, BTreeSet};

use ledger::{Mapping, Role, Rule, Target};
use toml::de::DeTable;

pub use company::{Accounting, ClosedPeriod, Company, Post};
pub use connection::{Connection, Keys, Rate, SettleBy};
pub use problem::{Problem, Severity};

use problem::Notes;
use section::Section;

/// The largest file that is read, in bytes.
pub const SIZE_MAX: usize = 256 * 1024;

/// A company's configuration, checked as far as that is possible without asking anyone.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// `[company]`: whose books these are.
    pub company: Company,
    /// `[accounting]`: where vouchers go.
    pub accounting: Accounting,
    /// `[connections.<name>]`: one per provider account. At least one.
    pub connections: BTreeMap<String, Connection>,
    /// `[accounts]`: the account of each role, for connections that do not give their own.
    pub accounts: BTreeMap<Role, Target>,
    /// `[[rules]]`: exceptions, in order; the first whose `when` matches a line wins.
    pub rules: Vec<Rule>,
}

/// What this version of bilag has, for checking names.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Known<'a> {
    /// The names of the providers.
    pub providers: &'a [&'a str],
    /// The accounting systems.
    pub systems: &'a [SystemFacts],
}

/// What the configuration has to know of an accounting system.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SystemFacts {
    /// The configured name, for example `journal`.
    pub name: &'static str,
    /// The most lines that one voucher may have there.
    pub lines_max: usize,
    /// Whether `accounting.secret` must be given.
    pub needs_secret: bool,
    /// Whether it has drafts; elsewhere what is written is booked.
    pub has_drafts: bool,
}

/// Reads a configuration file and returns it with its warnings.
///
/// `file_name` is the file's name as people see it; its last part without `.toml` must be the company's id. A
/// byte order mark is skipped.
///
/// # Errors
///
/// Every problem of the file in the order of its lines, warnings included; at least one is an error. Of more
/// than 200 the rest is only counted. A file that is not valid TOML is not looked at further: only its syntax
/// errors are returned, one per line.
pub fn read(file_name: &str, text: &[u8], known: &Known<'_>) -> Result<(Config, Vec<Problem>), Vec<Problem>> {
    let text = readable(file_name, text).map_err(|problem| vec![problem])?;
    let (document, errors) = DeTable::parse_recoverable(text);
    let notes = Notes::new(file_name, text, document.get_ref());
    if !errors.is_empty() {
        // What the parser says after its first surprise on a line rarely helps.
        let mut lines = BTreeSet::new();
        for error in errors {
            let line = notes.line_at(error.span().map_or(0, |span| span.start));
            if lines.insert(line) {
                let what = error.message().trim().replace('\n', " ");
                let remedy = "correct this line (texts stand in double quotes)";
                notes.error_at(line, format!("this is not valid TOML: {what}; {remedy}"));
            }
        }
        return Err(notes.into_problems());
    }
    let nothing = DeTable::new();
    let config = walk(&notes, document.get_ref(), &nothing, known);
    let failed = notes.failed();
    let problems = notes.into_problems();
    match config {
        Some(config) if !failed => Ok((config, problems)),
        _ => Err(problems),
    }
}

/// The text of a file, or why it cannot be one.
fn readable<'t>(file_name: &str, text: &'t [u8]) -> Result<&'t str, Problem> {
    let refuse = |line: usize, what: String| Problem {
        file: file_name.to_owned(),
        line,
        key: String::new(),
        what,
        severity: Severity::Error,
    };
    if text.len() > SIZE_MAX {
        return Err(refuse(
            1,
            format!(
                "the file has {} bytes, more than the {SIZE_MAX} that a configuration may have; \
                 is it the right file?",
                text.len()
            ),
        ));
    }
    let text = std::str::from_utf8(text).map_err(|error| {
        let before = &text[..error.valid_up_to()];
        let line = 1 + before.iter().filter(|byte| **byte == b'\n').count();
        refuse(line, "the file is not UTF-8 from this line on; save it as UTF-8".to_owned())
    })?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if text.trim().is_empty() {
        return Err(refuse(
            1,
            "the file is empty; begin with [company], as infra/example.toml does".to_owned(),
        ));
    }
    Ok(text)
}

/// Reads the whole document. Where a value cannot be used a stand-in takes its place and the problem is
/// noted, so the result is only good if no error was noted. `nothing` is an empty table, read in place of a
/// missing one so that each of its required keys is asked for.
fn walk<'a>(
    notes: &'a Notes<'a>,
    document: &'a DeTable<'a>,
    nothing: &'a DeTable<'a>,
    known: &Known<'_>,
) -> Option<Config> {
    let mut top = Section::new(notes, document, "", "");
    let mut required = |key: &'static str| {
        let section = top.table(key);
        section.unwrap_or_else(|| Section::new(notes, nothing, key, key))
    };
    let company = company::read(required("company"));
    let accounting = company::read_accounting(required("accounting"), known);
    let connections = connection::read_all(&mut top, known);
    let accounts = top.table("accounts").map(accounts::read).unwrap_or_default();
    let rules = rules::read_all(&mut top, known);
    top.finish();
    let config = Config { company: company?, accounting, connections, accounts, rules };
    accounts::check(notes, &config);
    rules::check(notes, &config);
    Some(config)
}

impl Config {
    /// The account of each role for a connection: its own, and the company's for roles that it does not give.
    /// An own account takes the place of the company's with its VAT code and dimensions. Empty if there is no
    /// such connection.
    pub fn accounts_of(&self, connection: &str) -> BTreeMap<Role, Target> {
        let Some(connection) = self.connections.get(connection) else {
            return BTreeMap::new();
        };
        let mut accounts = self.accounts.clone();
        accounts.extend(connection.accounts.iter().map(|(role, target)| (*role, target.clone())));
        accounts
    }

    /// Everything that planning needs for one connection; `None` if there is no such connection.
    /// `provider_title` is the provider's name as people write it, `lines_max` the most lines of one voucher.
    pub fn mapping(&self, connection: &str, provider_title: &str, lines_max: usize) -> Option<Mapping> {
        let found = self.connections.get(connection)?;
        Some(Mapping {
            company: self.company.id.clone(),
            connection: connection.to_owned(),
            provider: found.provider.clone(),
            provider_title: provider_title.to_owned(),
            book: found.book,
            granularity: found.granularity,
            cut_off: found.cut_off,
            fees: found.fees,
            unallocated_limit: found.unallocated_limit,
            accounts: self.accounts_of(connection),
            rules: self.rules.clone(),
            lines_max,
        })
    }
}
