//! `bilag run`: one pass of everything due. `bilag preview`: the same on a copy that is thrown away.

use std::collections::{BTreeMap, BTreeSet};

use check_config::Verdict;
use chrono::{DateTime, Duration, Utc};
use edge::{Error, Kind};
use import_file::Imported;
use ledger::Voucher;
use ledger::voucher::grouped;
use serde_json::json;
use store::item::{ConnectionItem, SettlementItem};
use store::table::FUNCTIONS;
use store::{Key, Table, bucket};

use crate::out::{self, Exit};
use crate::status::{Report, summary};
use crate::{Home, Out};

/// How a pass is made.
#[derive(Clone, Copy, Debug)]
pub struct How {
    /// Go on until nothing is due, at most this long.
    pub wait: Option<Duration>,
    /// How long one piece of fetching goes on before it is saved.
    pub piece: std::time::Duration,
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
    look_now(home).await?;
    let mut work = Work { piece: how.piece, ..Work::default() };
    let bar = out.progress("working");
    loop {
        (work.unknown, work.failed) = (0, None);
        work.pass(home, &bar).await?;
        let waiting_helps = work.failed.as_ref().is_none_or(|error| error.kind == Kind::Retry);
        match next_due(home).await? {
            Some(due) if due <= end && waiting_helps => {
                let wait = (due - home.world.clock.now()).max(Duration::milliseconds(50));
                tokio::time::sleep(wait.to_std().unwrap_or_default()).await;
            }
            _ => break,
        }
    }
    bar.finish_and_clear();
    print_vouchers(&work.vouchers, out, how.explain);
    let report = Report::read(home).await?;
    report.print_held(out);
    summary(out, work.vouchers.len(), &report, work.unknown);
    if let Some(error) = work.failed {
        return Err(error);
    }
    Ok(match (invalid, report.held_count()) {
        (true, _) => Exit::Usage,
        (false, 0) => Exit::Done,
        (false, _) => Exit::Held,
    })
}

/// A person's run is a look for payouts too, unless there was one a moment ago or the provider asked to wait.
const LOOKED_LATELY: Duration = Duration::minutes(5);

/// Makes the connections due that fetch by API.
async fn look_now(home: &Home) -> Result<(), Error> {
    let world = &home.world;
    for company in home.companies().await? {
        let Some((_, config)) = check_config::in_force(world, &company).await? else { continue };
        for (name, connection) in &config.connections {
            if !check_config::fetches(connection) {
                continue;
            }
            let known = Table::of(world).get::<ConnectionItem>(&Key::connection(&company, name)).await?;
            let lately = known.as_ref().is_some_and(|known| {
                let waits = known.body.failures > 0 && known.body.hold.is_none();
                waits || known.body.looked_at.is_some_and(|at| world.clock.now() - at < LOOKED_LATELY)
            });
            if !lately {
                discover_payouts::make_due(world, &company, name, None).await?;
            }
        }
    }
    Ok(())
}

/// When the next work is due.
async fn next_due(home: &Home) -> Result<Option<DateTime<Utc>>, Error> {
    let mut next: Option<DateTime<Utc>> = None;
    for function in FUNCTIONS {
        if let Some(at) = Table::of(&home.world).next_due(function).await? {
            next = Some(next.map_or(at, |next| next.min(at)));
        }
    }
    Ok(next)
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

/// Judges the mapping files that are new or changed since the last call; `read` remembers them.
///
/// # Errors
///
/// If the store or a bucket does not answer.
pub async fn new_configurations(
    home: &Home,
    out: Out,
    read: &mut BTreeMap<String, String>,
) -> Result<(), Error> {
    for file in bucket::list(&home.world, &home.world.places.config, "").await? {
        if file.key.contains('/') || !file.key.ends_with(".toml") || read.get(&file.key) == Some(&file.etag) {
            continue;
        }
        print_verdicts(&[check_config::handle(&home.world, &file.key).await?], out);
        read.insert(file.key, file.etag);
    }
    Ok(())
}

/// Reads every file of the inbox that is new or changed.
///
/// # Errors
///
/// If the store or a bucket does not answer.
pub async fn inbox(home: &Home, out: Out) -> Result<(), Error> {
    let world = &home.world;
    for company in home.companies().await? {
        for object in bucket::list(world, &world.places.inbox, &format!("{company}/")).await? {
            let bar = out.progress(&object.key);
            let mut progress = |rows| bar.set_message(format!("{}: {rows} rows", object.key));
            let imported = Box::pin(import_file::handle(world, &object.key, &mut progress)).await?;
            bar.finish_and_clear();
            if let Imported::Read(settlements) = imported {
                out.text(&format!("read inbox/{}: {settlements} settlements", object.key));
            }
        }
    }
    Ok(())
}

/// How long one piece of fetching goes on before it is saved and other work has its turn.
pub const PIECE: std::time::Duration = std::time::Duration::from_secs(30);

/// What a pass has done so far.
pub struct Work {
    /// How long one piece of fetching goes on.
    pub piece: std::time::Duration,
    /// Vouchers that were booked, with their connection.
    pub vouchers: Vec<(String, Voucher)>,
    /// Settlements whose fate is open.
    pub unknown: u64,
    /// The first failure of the store, the archive or an accounting system.
    pub failed: Option<Error>,
}

impl Default for Work {
    fn default() -> Work {
        Work { piece: PIECE, vouchers: Vec::new(), unknown: 0, failed: None }
    }
}

impl Work {
    /// Dispatches and works until nothing is due now. What does not come to its end is worked on once a pass.
    ///
    /// # Errors
    ///
    /// If the store does not answer.
    pub async fn pass(&mut self, home: &Home, bar: &indicatif::ProgressBar) -> Result<(), Error> {
        let mut ended = BTreeSet::new();
        loop {
            dispatch_due::handle(&home.world).await?;
            let mut due = home.dispatched.take();
            due.retain(|work| !ended.contains(work));
            if due.is_empty() {
                return Ok(());
            }
            for (function, key) in due {
                bar.set_message(format!("{function}: {} vouchers so far", self.vouchers.len()));
                bar.tick();
                // The others go on; what failed stays due.
                match self.one(home, &function, &key, bar).await {
                    Ok(Turn::Again) => {}
                    Ok(Turn::Ended) => {
                        ended.insert((function, key));
                    }
                    Err(error) => {
                        self.unknown += 1;
                        self.failed.get_or_insert(error);
                        ended.insert((function, key));
                    }
                }
            }
        }
    }

    async fn one(
        &mut self,
        home: &Home,
        function: &str,
        key: &str,
        bar: &indicatif::ProgressBar,
    ) -> Result<Turn, Error> {
        let world = &home.world;
        // Boxed, so that what calls this does not carry the largest of them on its stack.
        match function {
            "discover-payouts" => {
                let looked = Box::pin(discover_payouts::handle(world, key, self.piece)).await?;
                Ok(if looked.unfinished { Turn::Again } else { Turn::Ended })
            }
            "fetch-settlement" => {
                let mut progress = |rows| {
                    bar.set_message(format!("fetching {key}: {rows} rows"));
                    bar.tick();
                };
                let fetched =
                    Box::pin(fetch_settlement::handle(world, key, self.piece, &mut progress)).await?;
                Ok(if fetched.unfinished { Turn::Again } else { Turn::Ended })
            }
            "post-voucher" => {
                let posted = match home.rehearsal {
                    true => Box::pin(post_voucher::rehearse(world, key)).await?,
                    false => Box::pin(post_voucher::handle(world, key)).await?,
                };
                self.unknown += u64::from(posted.unknown);
                let connection = connection(home, key).await?;
                self.vouchers
                    .extend(posted.vouchers.into_iter().map(|voucher| (connection.clone(), voucher)));
                Ok(Turn::Ended)
            }
            other => {
                Err(Error::config(format!("{key} is due for {other}, which this version does not have")))
            }
        }
    }
}

/// Whether an item may be worked on again within one pass, if it is due again.
enum Turn {
    Again,
    Ended,
}

async fn connection(home: &Home, key: &str) -> Result<String, Error> {
    let Some(key) = Key::parse(key).filter(|key| key.item.starts_with("s#")) else {
        return Ok(String::new());
    };
    let item = Table::of(&home.world).get::<SettlementItem>(&key).await?;
    Ok(item.map(|item| item.body.connection).unwrap_or_default())
}

/// Prints vouchers; with `explain`, each with the reason of each line.
pub fn print_vouchers(vouchers: &[(String, Voucher)], out: Out, explain: bool) {
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
