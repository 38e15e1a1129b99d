//! `bilag run`: one pass of everything due. `bilag preview`: the same on a copy that is thrown away.

use check_config::Verdict;
use chrono::Duration;
use edge::Error;
use import_file::Imported;
use ledger::Voucher;
use ledger::voucher::grouped;
use serde_json::json;
use store::item::SettlementItem;
use store::{Key, Table, bucket};

use crate::out::{self, Exit};
use crate::status::{Report, summary};
use crate::{Home, Out};

/// How a pass is made.
#[derive(Clone, Copy, Debug)]
pub struct How {
    /// Go on until nothing is due, at most this long.
    pub wait: Option<Duration>,
    /// Print each voucher with the reason of each line.
    pub explain: bool,
}

/// Makes one pass and prints what it booked and what is held.
///
/// # Errors
///
/// If the store, a bucket or the accounting system does not answer.
pub async fn run(home: &Home, out: Out, how: How) -> Result<Exit, Error> {
    let verdicts = configurations(home).await?;
    let invalid = print_verdicts(&verdicts, out);
    inbox(home, out).await?;
    let end = home.world.clock.now() + how.wait.unwrap_or_else(Duration::zero);
    let mut posted = Posted { vouchers: Vec::new(), unknown: 0, failed: None };
    let bar = out.progress("posting");
    loop {
        posted.pass(home, &bar).await?;
        let busy = posted.unknown > 0;
        if !busy || home.world.clock.now() >= end {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(500)).await;
        posted.unknown = 0;
    }
    bar.finish_and_clear();
    print_vouchers(&posted.vouchers, out, how.explain);
    let report = Report::read(home).await?;
    report.print_held(out);
    summary(out, posted.vouchers.len(), &report, posted.unknown);
    if let Some(error) = posted.failed {
        return Err(error);
    }
    Ok(match (invalid, report.held_count()) {
        (true, _) => Exit::Usage,
        (false, 0) => Exit::Done,
        (false, _) => Exit::Held,
    })
}

/// Judges every mapping file and puts the valid ones in force. A file that is gone counts as an invalid one.
///
/// # Errors
///
/// If the store or a bucket does not answer.
pub async fn configurations(home: &Home) -> Result<Vec<Verdict>, Error> {
    let files = home.mapping_files().await?;
    let companies = home.companies().await?;
    if companies.is_empty() {
        return Err(Error::config("the config folder has no <company>.toml; write one, or use bilag init"));
    }
    let mut verdicts = Vec::new();
    for file in &files {
        verdicts.push(check_config::handle(&home.world, file).await?);
    }
    for company in companies.into_iter().filter(|company| !files.contains(&format!("{company}.toml"))) {
        let gone = format!(
            "{company}.toml is gone from the config folder; put it back, or remove state/verdicts/{company}.json to \
             forget the company"
        );
        let (hash, errors) = (String::new(), vec![gone]);
        verdicts.push(Verdict { company, hash, valid: false, errors, warnings: Vec::new() });
    }
    Ok(verdicts)
}

/// Prints what is wrong with mapping files; `true` if one is invalid.
pub fn print_verdicts(verdicts: &[Verdict], out: Out) -> bool {
    for verdict in verdicts {
        for (severity, texts) in [("error", &verdict.errors), ("warning", &verdict.warnings)] {
            for text in texts {
                out.object(&json!({
                    "type": "config", "company": verdict.company, "severity": severity, "message": text,
                }));
                out.text(&format!("{severity}: {text}"));
            }
        }
        if !verdict.valid {
            out.text(&format!(
                "{}.toml is not in force; the last valid version, if any, works on",
                verdict.company
            ));
        }
    }
    verdicts.iter().any(|verdict| !verdict.valid)
}

/// Reads every file of the inbox that is new or changed.
async fn inbox(home: &Home, out: Out) -> Result<(), Error> {
    let world = &home.world;
    for company in home.companies().await? {
        for object in bucket::list(world, &world.places.inbox, &format!("{company}/")).await? {
            let bar = out.progress(&object.key);
            let mut progress = |rows| bar.set_message(format!("{}: {rows} rows", object.key));
            let imported = import_file::handle(world, &object.key, &mut progress).await?;
            bar.finish_and_clear();
            if let Imported::Read(settlements) = imported {
                out.text(&format!("read inbox/{}: {settlements} settlements", object.key));
            }
        }
    }
    Ok(())
}

struct Posted {
    vouchers: Vec<(String, Voucher)>,
    unknown: u64,
    failed: Option<Error>,
}

impl Posted {
    /// Dispatches and works until nothing is due now. A settlement is worked on once a pass.
    async fn pass(&mut self, home: &Home, bar: &indicatif::ProgressBar) -> Result<(), Error> {
        let mut seen = std::collections::BTreeSet::new();
        loop {
            dispatch_due::handle(&home.world).await?;
            let due: Vec<(String, String)> =
                home.dispatched.take().into_iter().filter(|due| seen.insert(due.clone())).collect();
            if due.is_empty() {
                return Ok(());
            }
            for (function, key) in due {
                bar.set_message(format!("posting: {} vouchers", self.vouchers.len()));
                bar.tick();
                let worked = match function.as_str() {
                    "post-voucher" => post_voucher::handle(&home.world, &key).await,
                    other => Err(Error::bug(format!("{key} is due for {other}, which run does not call"))),
                };
                match worked {
                    Ok(posted) => {
                        self.unknown += u64::from(posted.unknown);
                        let connection = connection(home, &key).await?;
                        self.vouchers
                            .extend(posted.vouchers.into_iter().map(|voucher| (connection.clone(), voucher)));
                    }
                    // The others go on; the settlement stays due.
                    Err(error) => {
                        self.unknown += 1;
                        self.failed.get_or_insert(error);
                    }
                }
            }
        }
    }
}

async fn connection(home: &Home, key: &str) -> Result<String, Error> {
    let Some(key) = Key::parse(key).filter(|key| key.item.starts_with("s#")) else {
        return Ok(String::new());
    };
    let item = Table::of(&home.world).get::<SettlementItem>(&key).await?;
    Ok(item.map(|item| item.body.connection).unwrap_or_default())
}

fn print_vouchers(vouchers: &[(String, Voucher)], out: Out, explain: bool) {
    let mut rows = Vec::new();
    for (connection, voucher) in vouchers {
        let mut object = out::voucher(connection, if explain { "planned" } else { "posted" }, voucher, true);
        if explain && let Some(lines) = object["lines"].as_array_mut() {
            for (line, posting) in lines.iter_mut().zip(&voucher.postings) {
                line["why"] = why(posting).into();
            }
        }
        out.object(&object);
        if explain {
            out.text(&voucher.to_text());
            for posting in &voucher.postings {
                out.text(&format!("    {:<14} {}", posting.account, why(posting)));
            }
            out.text("");
        }
        rows.push(vec![
            voucher.on.to_string(),
            connection.clone(),
            voucher.reference.to_string(),
            voucher.postings.len().to_string(),
            grouped(voucher.total()),
            voucher.currency.to_string(),
        ]);
    }
    if !explain {
        out.table(&["day", "connection", "reference", ">lines", ">total", "currency"], rows);
    }
}

/// Why a line is where it is, in words.
fn why(posting: &ledger::Posting) -> String {
    let source = match posting.rule {
        Some(rule) => format!("rule {rule}"),
        None => format!("accounts.{}", posting.role),
    };
    match posting.rows {
        0 => format!("what stays on the provider's balance, {source}"),
        1 => format!("1 row of kind {}, {source}", posting.kind),
        rows => format!("{rows} rows of kind {}, {source}", posting.kind),
    }
}
