//! `bilag inspect`: what bilag reads from one report, without a home.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use ledger::voucher::grouped;
use ledger::{Line, Totals};
use providers::{GroupEnd, Item, Provider, ReadError, Terms};
use serde_json::{Value, json};

use crate::Out;
use crate::out::Exit;

/// Lines shown to a person; `--json` gives all.
const LINES_SHOWN: usize = 40;

#[derive(Default)]
struct Group {
    totals: Totals,
    lines: Vec<Value>,
    table: Vec<Vec<String>>,
}

/// Reads one report and prints each settlement, or what is wrong with it. A file that cannot be read whole gives
/// nothing but its error.
pub fn inspect(out: Out, path: &Path, format: Option<&str>) -> Exit {
    match read(out, path, format) {
        Ok(groups) => print(out, groups),
        Err(error) => {
            print_error(out, &error.at, &format!("{}: {}", error.cause, error.what));
            Exit::Held
        }
    }
}

fn print_error(out: Out, at: &str, cause: &str) {
    out.object(&json!({ "type": "error", "at": at, "cause": cause }));
    out.text(&format!("cannot be read at {at}: {cause}"));
}

fn read(out: Out, path: &Path, format: Option<&str>) -> Result<Vec<(Group, GroupEnd)>, ReadError> {
    let failed = |error: std::io::Error| ReadError::new("file", format!("{}: {error}", path.display()));
    let mut head = Vec::new();
    File::open(path).map_err(failed)?.take(64 * 1024).read_to_end(&mut head).map_err(failed)?;
    let (provider, format) = choose(&head, format)?;
    let mut rows = provider.open(format, File::open(path).map_err(failed)?, &Terms::plain())?;
    let mut growing: BTreeMap<u32, Group> = BTreeMap::new();
    let mut ended = Vec::new();
    while let Some(item) = rows.next(None)? {
        match item {
            Item::Row { group, line } => {
                let entry = growing.entry(group).or_default();
                entry.totals.add(&line).map_err(|hold| ReadError::new(line.id.as_ref(), hold.what))?;
                if line.kind == ledger::Kind::Payout {
                    continue;
                }
                if out.json {
                    entry.lines.push(object(&line));
                } else if entry.table.len() < LINES_SHOWN {
                    entry.table.push(row(&line));
                }
            }
            Item::Group { group, end } => ended.push((growing.remove(&group).unwrap_or_default(), end)),
        }
    }
    Ok(ended)
}

/// The reader of a format by name, or by the content of the file.
fn choose(head: &[u8], format: Option<&str>) -> Result<(&'static dyn Provider, &'static str), ReadError> {
    let Some(wanted) = format else {
        return providers::detect(None, head);
    };
    let mut known = providers::REGISTRY
        .iter()
        .flat_map(|provider| provider.formats().iter().map(move |format| (*provider, *format)));
    known.find(|(_, format)| *format == wanted).ok_or_else(|| {
        let names: Vec<&str> = providers::REGISTRY.iter().flat_map(|p| p.formats().iter().copied()).collect();
        ReadError::new("--as", format!("\"{wanted}\" is not a format; the formats are: {}", names.join(", ")))
    })
}

fn object(line: &Line<'_>) -> Value {
    let amount = |amount| line.currency.format(amount).unwrap_or_default();
    json!({
        "id": line.id, "kind": line.kind.name(), "on": line.on, "gross": amount(line.gross), "fee": amount(line.fee),
        "net": amount(line.net()), "reference": line.reference, "remote_type": line.remote_type,
    })
}

fn row(line: &Line<'_>) -> Vec<String> {
    vec![
        line.id.to_string(),
        line.kind.to_string(),
        line.on.to_string(),
        grouped(line.gross),
        grouped(line.fee),
        grouped(line.net()),
        ledger::plan::printable(&line.reference),
    ]
}

fn print(out: Out, groups: Vec<(Group, GroupEnd)>) -> Exit {
    let mut exit = Exit::Done;
    if groups.is_empty() {
        out.text("a report without rows: nothing to book");
    }
    for (group, end) in groups {
        let totals = &group.totals;
        match end {
            GroupEnd::Settlement { head, hold, follows, .. } => {
                let unknown = unknown(totals);
                if let Some(cause) = hold.map(|hold| hold.to_string()).or(unknown) {
                    print_error(out, &head.name.to_string(), &cause);
                    exit = Exit::Held;
                    continue;
                }
                let amount = |amount| head.currency.format(amount).unwrap_or_default();
                out.object(&json!({
                    "type": "settlement", "provider": head.name.provider, "scope": head.name.scope, "id": head.name.id,
                    "currency": head.currency.code(), "payout_on": head.payout_on, "payout": amount(head.payout),
                    "gross": amount(totals.gross), "fee": amount(totals.fee), "net": amount(totals.net()),
                    "lines": group.lines,
                }));
                out.text(&format!(
                    "\n{}  {} {} on {}  ({} rows: gross {}, fee {}, net {})",
                    head.name,
                    grouped(head.payout),
                    head.currency,
                    head.payout_on,
                    totals.rows - totals.payout_rows,
                    grouped(totals.gross),
                    grouped(totals.fee),
                    grouped(totals.net()),
                ));
                if let Some(before) = follows {
                    out.text(&format!(
                        "  begins at a balance of {}; booked once payout {before} is in the archive",
                        grouped(head.opening)
                    ));
                }
                let shown = group.table.len();
                out.table(&["row", "kind", "day", ">gross", ">fee", ">net", "reference"], group.table);
                let rest = usize::try_from(totals.rows - totals.payout_rows).unwrap_or(shown) - shown;
                if rest > 0 && !out.json {
                    out.text(&format!("… and {rest} more rows; --json prints all"));
                }
            }
            GroupEnd::Open { scope, currency, hold } => {
                let cause = hold.map_or_else(
                    || "payout-row-missing: these rows are not paid out yet".to_owned(),
                    |hold| hold.to_string(),
                );
                out.object(&json!({
                    "type": "open", "scope": scope, "currency": currency.code(), "rows": totals.rows,
                    "net": crate::out::amount(currency.code(), totals.net()), "from": totals.first_on, "to": totals.last_on, "cause": cause,
                }));
                out.text(&format!(
                    "\nrows without a payout in this report{}: {} rows, {} {currency} ({cause})",
                    if scope.is_empty() { String::new() } else { format!(" ({scope})") },
                    totals.rows,
                    grouped(totals.net()),
                ));
            }
        }
    }
    exit
}

fn unknown(totals: &Totals) -> Option<String> {
    (!totals.unknown_types.is_empty()).then(|| {
        let names: Vec<String> =
            totals.unknown_types.iter().map(|name| ledger::plan::printable(name)).collect();
        format!("unknown-line: rows of unknown type {}; update bilag", names.join(", "))
    })
}
