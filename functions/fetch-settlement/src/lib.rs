//! Triggered with keys of due settlements. Takes a settlement's rows page by page into the archive.
//!
//! Work stops when time is up and goes on from the last saved page, in this worker or another.

use std::time::Duration;

use edge::config::Config;
use edge::{Error, Kind, World};
use intake::{Found, Intake};
use ledger::{Cause, Hold, Totals};
use providers::{Access, Announced, Api, GroupEnd, Next, Pages, ReadError, Terms};
use serde::{Deserialize, Serialize};
use store::archive::{self, CHUNK_BYTES, Manifest, RowWriter, WriterState};
use store::item::{Fetch, Source};
use store::table::{Claim, Stored, Written};
use store::{Due, Key, SettlementItem, SettlementState, Table, Trail};

/// How long a settlement is claimed; a piece of work ends well before.
const LEASE: chrono::Duration = chrono::Duration::minutes(10);

/// The longest piece of work.
const PIECE_MAX: chrono::Duration = chrono::Duration::minutes(5);

/// How often rows that cannot be read are fetched anew before a person has to look, and how often rows that do not
/// add up: a page may have been put together wrongly, or changed while it was read.
const RESTARTS_MAX: u32 = 2;

/// What became of one settlement.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fetched {
    /// All rows are here.
    pub complete: bool,
    /// Rows so far.
    pub rows: u64,
    /// Why it is held, if it is.
    pub held: Option<Hold>,
    /// There is more to do: the settlement is due again.
    pub unfinished: bool,
}

/// How far a fetch has come: kept in the archive, since it grows with the number of chunks.
#[derive(Serialize, Deserialize)]
struct Progress {
    terms: Terms,
    cursor: Option<String>,
    pages: Option<serde_json::Value>,
    totals: Totals,
    writer: WriterState,
}

/// Fetches rows of one settlement for at most `budget` and what one more page takes. `progress` is told the number of
/// rows. Safe to repeat at any time, by any number of workers.
///
/// # Errors
///
/// If the store or the archive does not answer; the settlement stays due.
pub async fn handle(
    world: &World,
    key: &str,
    budget: Duration,
    progress: &mut (dyn FnMut(u64) + Send),
) -> Result<Fetched, Error> {
    let key = Key::parse(key).ok_or_else(|| Error::bug(format!("\"{key}\" is not a key")))?;
    let table = Table::of(world);
    let mut held = match table.claim::<SettlementItem>(&key, LEASE).await? {
        Claim::Taken(held) => held,
        Claim::Busy => return Ok(Fetched { unfinished: true, ..Fetched::default() }),
        Claim::Gone => return Ok(Fetched::default()),
    };
    let wanted = held.body.state == SettlementState::Announced || held.body.fetch.is_some();
    let wanted = wanted && held.body.state != SettlementState::Posting;
    let (true, Some(announced)) = (wanted, held.body.announced.clone()) else {
        let due = held.body.state.due(world.clock.now());
        table.release(&mut held, due, true, None).await?;
        return Ok(Fetched::default());
    };
    let config = check_config::in_force(world, &key.company).await?;
    let piece = chrono::Duration::from_std(budget).unwrap_or(PIECE_MAX).min(PIECE_MAX);
    let done = match &config {
        Some((_, config)) => {
            let fetching = Fetching { world, config, until: world.clock.now() + piece };
            fetching.work(&mut held, &announced, progress).await
        }
        None => Err(Stop::Later(Error::config(format!("{} has no valid mapping file", key.company)))),
    };
    let (item, fetched) = match done {
        Ok(done) => done,
        Err(stop) => return end(world, &table, held, stop).await,
    };
    let trail =
        item.as_ref().map(|(item, why)| Trail::new(world, &held.body.state, &item.state, why.as_str()));
    if let Some((item, _)) = item {
        held.body = item;
    }
    let due = held.body.due(world.clock.now());
    if table.release(&mut held, due, true, trail).await? == Written::Lost {
        return Ok(Fetched { unfinished: true, ..Fetched::default() });
    }
    if let (true, Some((_, config))) = (fetched.complete, &config)
        && let Some(provider) = providers::find(&held.body.name.provider)
    {
        // Settlements that waited for this one as their beginning.
        Intake::of(world, config, &held.body.connection, provider.name()).await?.followers().await?;
    }
    Ok(fetched)
}

/// Why a piece of work stops before its end.
enum Stop {
    /// Waiting may help, or somebody mends the connection.
    Later(Error),
    /// The provider has not finished the rows after all.
    NotYet(Duration),
    /// An answer cannot be read.
    Unreadable(ReadError),
    /// The rows do not prove the payout.
    Unproved(Hold),
    /// The rows cannot be booked as they are.
    Held(Hold),
}

impl From<Error> for Stop {
    fn from(error: Error) -> Stop {
        Stop::Later(error)
    }
}

/// The item after a whole fetch with the reason for the trail, and what to report.
type Done = (Option<(SettlementItem, String)>, Fetched);

struct Fetching<'a> {
    world: &'a World,
    config: &'a Config,
    until: chrono::DateTime<chrono::Utc>,
}

impl Fetching<'_> {
    async fn work(
        &self,
        held: &mut Stored<SettlementItem>,
        announced: &serde_json::Value,
        progress: &mut (dyn FnMut(u64) + Send),
    ) -> Result<Done, Stop> {
        let name = held.body.connection.clone();
        let gone = |what: &str| Error::config(format!("{}: {what}", held.body.name));
        let connection = self.config.connections.get(&name).filter(|found| found.secret.is_some());
        let connection =
            connection.ok_or_else(|| gone(&format!("no connection \"{name}\" with a secret fetches it")))?;
        let api = providers::find(&held.body.name.provider).and_then(|provider| provider.api());
        let api = api.ok_or_else(|| gone("this version cannot fetch from that provider"))?;
        let announced: Announced = serde_json::from_value(announced.clone()).map_err(|error| {
            Error::bug(format!("{}: its announcement cannot be read", held.body.name)).because(error)
        })?;
        let fetch = held.body.fetch.clone().unwrap_or_else(|| Fetch::new(1));
        let place = place(&self.config.company.id, &held.body, fetch.number);
        let before = match fetch.progress.as_str() {
            "" => Progress {
                terms: intake::terms(self.config, connection),
                cursor: None,
                pages: None,
                totals: Totals::default(),
                writer: WriterState::default(),
            },
            key => archive::json(self.world, key, &fetch.sha256).await?,
        };
        let terms = before.terms;
        let access = discover_payouts::access(self.world, self.config, &name, connection, &terms).await?;
        let pages = api.pages(&terms, &announced, before.pages.as_ref()).map_err(Stop::Unreadable)?;
        let writer = match before.cursor {
            None => RowWriter::new(place.clone()),
            Some(_) => RowWriter::resume(self.world, place.clone(), before.writer).await?,
        };
        let mut taking =
            Taking { pages, writer, totals: before.totals, cursor: before.cursor, announced: &announced };
        if !taking.take(self.world, api, &access, self.until, progress).await? {
            return self.rest(held, &place, fetch, terms, taking).await;
        }
        let Taking { pages, writer, totals, .. } = taking;
        let GroupEnd::Settlement { head, hold, open, follows } = pages.end() else {
            return Err(Error::bug(format!("{}: the rows make no settlement", held.body.name)).into());
        };
        if let Some(hold) = hold.clone().filter(|hold| is_doubtful(hold) && fetch.unproved < RESTARTS_MAX) {
            return Err(Stop::Unproved(hold));
        }
        let (chunks, rows, rows_hash) = writer.finish(self.world).await?;
        let from = format!("{name} (API)");
        let manifest = Manifest {
            format: api.format().to_owned(),
            terms: serde_json::to_value(&terms).map_err(|error| Error::bug("terms").because(error))?,
            head: head.as_ref().clone(),
            totals: totals.clone(),
            hold: hold.clone(),
            from: from.clone(),
            file_sha256: String::new(),
            chunks,
        };
        let (manifest, _) = archive::put_json(self.world, &format!("{place}/manifest"), &manifest).await?;
        let source = Source { manifest, rows_hash, rows, from, format: api.format().to_owned() };
        let found = Found { head: *head, hold, open, follows, totals, source };
        self.apply(held, &name, found, rows).await
    }

    /// Keeps how far it has come.
    async fn rest(
        &self,
        held: &mut Stored<SettlementItem>,
        place: &str,
        fetch: Fetch,
        terms: Terms,
        taking: Taking<'_>,
    ) -> Result<Done, Stop> {
        let pages = Some(taking.pages.state());
        let writer = taking.writer.rest(self.world).await?;
        let rows = writer.rows;
        let progress = Progress { terms, cursor: taking.cursor, pages, totals: taking.totals, writer };
        let (key, sha256) = archive::put_json(self.world, &format!("{place}/progress"), &progress).await?;
        held.body.fetch = Some(Fetch { progress: key, sha256, rows, ..fetch });
        Ok((None, Fetched { rows, unfinished: true, ..Fetched::default() }))
    }

    /// What the fetched rows mean beside what is known.
    async fn apply(
        &self,
        held: &mut Stored<SettlementItem>,
        connection: &str,
        found: Found,
        rows: u64,
    ) -> Result<Done, Stop> {
        let provider = providers::find(&held.body.name.provider).map_or("", |provider| provider.name());
        if found.head.name != held.body.name {
            let what = format!("{}: the rows are those of {}", held.body.name, found.head.name);
            return Err(Error::bug(what).into());
        }
        let intake = Intake::of(self.world, self.config, connection, provider).await?;
        let new = match intake.judge(found).await? {
            Ok(item) => item,
            Err(error) => {
                let remedy = "set from under the connection to a day on a payout boundary, then retry";
                return Err(Stop::Held(Hold::new(Cause::DuplicateDiffers, error.cause, remedy)));
            }
        };
        let merged = intake.merge(&held.body, &new).await?;
        let (mut item, why) =
            merged.unwrap_or_else(|| (held.body.clone(), format!("fetched again, the same {rows} rows")));
        item.fetch = None;
        let complete = !matches!(item.state, SettlementState::Held(_));
        let hold = match &item.state {
            SettlementState::Held(hold) => Some(hold.clone()),
            _ => None,
        };
        Ok((Some((item, why)), Fetched { complete, rows, held: hold, unfinished: false }))
    }
}

/// Where the rows of a fetch lie.
fn place(company: &str, item: &SettlementItem, number: u32) -> String {
    let scope = if item.name.scope.is_empty() { "-" } else { &item.name.scope };
    format!("{company}/fetched/{}/{scope}/{}/{number:03}", item.name.provider, item.name.id)
}

/// A fetch under way.
struct Taking<'a> {
    pages: Box<dyn Pages + Send>,
    writer: RowWriter,
    totals: Totals,
    cursor: Option<String>,
    announced: &'a Announced,
}

impl Taking<'_> {
    /// Takes pages until all are here (`true`) or time is up.
    async fn take(
        &mut self,
        world: &World,
        api: &dyn Api,
        access: &Access<'_>,
        until: chrono::DateTime<chrono::Utc>,
        progress: &mut (dyn FnMut(u64) + Send),
    ) -> Result<bool, Stop> {
        loop {
            let body = api.page(access, self.announced, self.cursor.as_deref()).await?;
            let (writer, totals) = (&mut self.writer, &mut self.totals);
            let mut refused = None;
            let read = self.pages.read(&body, &mut |line, row| {
                writer.add(row);
                totals.add(line).inspect_err(|hold| refused = Some(hold.clone()))
            });
            if let Some(hold) = refused {
                return Err(Stop::Held(hold));
            }
            let next = read.map_err(Stop::Unreadable)?;
            progress(self.writer.rows());
            if self.writer.buffered() >= CHUNK_BYTES {
                self.writer.flush(world).await?;
            }
            match next {
                Next::Done => return Ok(true),
                Next::NotYet(wait) => return Err(Stop::NotYet(wait)),
                Next::Page(cursor) if self.cursor.as_ref() == Some(&cursor) => {
                    let what = format!("the page after {cursor} points to itself");
                    return Err(Stop::Unreadable(ReadError::new("page", what)));
                }
                Next::Page(cursor) => self.cursor = Some(cursor),
            }
            if world.clock.now() >= until {
                return Ok(false);
            }
        }
    }
}

/// Ends a piece of work that did not come to its end: the settlement is held, or due again.
async fn end(
    world: &World,
    table: &Table<'_>,
    mut held: Box<Stored<SettlementItem>>,
    stop: Stop,
) -> Result<Fetched, Error> {
    let now = world.clock.now();
    let rows = held.body.fetch.as_ref().map_or(0, |fetch| fetch.rows);
    let again = |wait: chrono::Duration| Some(Due { function: "fetch-settlement", at: now + wait });
    let unfinished = Fetched { rows, unfinished: true, ..Fetched::default() };
    let fetch = held.body.fetch.clone().unwrap_or_else(|| Fetch::new(1));
    let anew = match &stop {
        Stop::Unreadable(_) if fetch.unreadable < RESTARTS_MAX => {
            let unreadable = fetch.unreadable + 1;
            Some((chrono::Duration::minutes(1), Fetch { unreadable, ..fetch.anew() }))
        }
        // At once: a run that a person waits for tells at its end what does not add up.
        Stop::Unproved(_) => {
            let unproved = fetch.unproved + 1;
            Some((chrono::Duration::zero(), Fetch { unproved, unreadable: 0, ..fetch.anew() }))
        }
        _ => None,
    };
    let hold = match stop {
        Stop::NotYet(wait) => {
            // From the first page, since what was read was not final.
            held.body.fetch = held.body.fetch.map(|fetch| fetch.anew());
            let wait = chrono::Duration::from_std(wait).unwrap_or(chrono::Duration::hours(1));
            let trail = Trail::new(
                world,
                &held.body.state,
                &held.body.state,
                "the provider has not finished the rows",
            );
            table.release(&mut held, again(wait), true, Some(trail)).await?;
            return Ok(unfinished);
        }
        Stop::Later(error) if error.kind == Kind::Bug => return Err(error),
        Stop::Later(error) => {
            // Waiting for the provider, or for a person, is no poison; the connection's own looks tell what is wrong.
            let asked = error.after.and_then(|after| chrono::Duration::from_std(after).ok());
            let usual = if error.kind == Kind::Retry { 1 } else { 30 };
            let wait = asked.unwrap_or_default().max(chrono::Duration::minutes(usual));
            let trail = Trail::new(world, &held.body.state, &held.body.state, error.to_string());
            table.release(&mut held, again(wait), true, Some(trail)).await?;
            return Ok(unfinished);
        }
        Stop::Unreadable(error) => Hold::new(
            error.cause,
            format!("{}: an answer cannot be read, {error}", held.body.name),
            "update bilag, or drop the provider's report in the inbox; then retry",
        ),
        Stop::Unproved(hold) => hold,
        Stop::Held(hold) => hold,
    };
    if let Some((wait, fetch)) = anew {
        held.body.fetch = Some(fetch);
        let trail = Trail::new(world, &held.body.state, &held.body.state, format!("fetched anew: {hold}"));
        table.release(&mut held, again(wait), true, Some(trail)).await?;
        return Ok(unfinished);
    }
    if held.body.config.is_some() {
        // What is booked, or on its way, was only to be compared: it stays as it is, and a correction stays possible.
        held.body.fetch = None;
        let (state, due) = (held.body.state.clone(), held.body.state.due(now));
        let trail = Trail::new(world, &state, &state, format!("not compared: {hold}"));
        table.release(&mut held, due, true, Some(trail)).await?;
        let what = format!("what the provider says now cannot be compared with what is booked: {hold}");
        return Err(Error::new(Kind::Rejected, what));
    }
    let state = SettlementState::Held(hold.clone());
    let trail = Trail::new(world, &held.body.state, &state, hold.to_string());
    held.body.state = state;
    held.body.fetch = None;
    table.release(&mut held, None, true, Some(trail)).await?;
    Ok(Fetched { rows, held: Some(hold), ..Fetched::default() })
}

/// Whether a source that the API itself gave may say something else when it is asked again.
fn is_doubtful(hold: &Hold) -> bool {
    matches!(hold.cause, Cause::DoesNotAddUp | Cause::PayoutRowMissing)
}
