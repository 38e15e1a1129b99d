//! What the command line prints, for people and for programs, and how it ends.

use std::cell::RefCell;
use std::io::{IsTerminal as _, Write as _};

use comfy_table::{CellAlignment, ContentArrangement, Table, presets};
use edge::{Error, Kind};
use ledger::Voucher;
use serde_json::{Value, json};

/// How the process ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Exit {
    /// Done.
    Done = 0,
    /// Something is held.
    Held = 1,
    /// Bad usage or configuration.
    Usage = 2,
    /// Could not run.
    Failed = 3,
}

/// Why a command could not be carried out.
#[derive(Debug)]
pub struct Failure {
    /// How the process ends.
    pub exit: Exit,
    /// The reason and the remedy.
    pub message: String,
}

impl Failure {
    /// The home is in use.
    pub fn busy(message: String) -> Failure {
        Failure { exit: Exit::Failed, message }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Failure {
        let exit = if error.kind == Kind::Config { Exit::Usage } else { Exit::Failed };
        Failure { exit, message: error.to_string() }
    }
}

/// Prints JSON lines, or text and tables.
#[derive(Clone, Copy, Debug)]
pub struct Out {
    /// JSON lines on standard output.
    pub json: bool,
}

impl Out {
    /// One JSON object, if programs are reading.
    pub fn object(self, value: &Value) {
        if self.json {
            print(&value.to_string());
        }
    }

    /// Text, if people are reading.
    pub fn text(self, text: &str) {
        if !self.json {
            print(text);
        }
    }

    /// A table, if people are reading; columns named with a leading `>` are aligned right.
    pub fn table(self, columns: &[&str], rows: Vec<Vec<String>>) {
        if self.json || rows.is_empty() {
            return;
        }
        let mut table = Table::new();
        table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
        table.set_header(columns.iter().map(|column| column.trim_start_matches('>')));
        for row in rows {
            table.add_row(row);
        }
        for (index, column) in columns.iter().enumerate() {
            if let Some(right) = table.column_mut(index).filter(|_| column.starts_with('>')) {
                right.set_cell_alignment(CellAlignment::Right);
            }
        }
        print(&table.to_string());
    }

    /// A progress bar, if a person looks at a terminal.
    pub fn progress(self, message: &str) -> indicatif::ProgressBar {
        if self.json || !std::io::stderr().is_terminal() || CAPTURED.try_with(|_| ()).is_ok() {
            return indicatif::ProgressBar::hidden();
        }
        let bar = indicatif::ProgressBar::new_spinner();
        bar.set_message(message.to_owned());
        bar
    }
}

tokio::task_local! {
    /// What a command prints while it runs for another process.
    static CAPTURED: RefCell<String>;
}

/// Runs a command whose output is kept rather than printed.
pub async fn captured<T>(command: impl Future<Output = T>) -> (T, String) {
    CAPTURED
        .scope(RefCell::default(), async {
            let done = command.await;
            (done, CAPTURED.with(RefCell::take))
        })
        .await
}

/// Prints a line; a reader that has gone away ends the process quietly.
fn print(text: &str) {
    let kept = CAPTURED.try_with(|captured| {
        let mut captured = captured.borrow_mut();
        captured.push_str(text);
        captured.push('\n');
    });
    if kept.is_ok() {
        return;
    }
    let mut stdout = std::io::stdout().lock();
    if writeln!(stdout, "{text}").is_err() {
        std::process::exit(0);
    }
}

/// The JSON object of a voucher; `lines` are left out in overviews.
pub fn voucher(connection: &str, state: &str, voucher: &Voucher, lines: bool) -> Value {
    let reference = &voucher.reference;
    let mut object = json!({
        "type": "voucher",
        "company": voucher.company,
        "connection": connection,
        "settlement": reference.settlement.to_string(),
        "reference": reference.to_string(),
        "purpose": reference.purpose.name(),
        "part": format!("{}/{}", reference.part, reference.parts),
        "state": state,
        "on": voucher.on,
        "currency": voucher.currency.code(),
    });
    if lines {
        object["lines"] = voucher
            .postings
            .iter()
            .map(|posting| {
                json!({
                    "account": posting.account,
                    "amount": posting.signed().to_string(),
                    "vat": posting.vat,
                    "text": posting.text,
                })
            })
            .collect();
    }
    object
}

/// An amount with exactly the digits of its currency, as programs read it.
pub fn amount(currency: &str, amount: ledger::money::Decimal) -> String {
    let known = ledger::Currency::parse(currency);
    known.and_then(|currency| currency.format(amount)).unwrap_or_else(|_| amount.to_string())
}
