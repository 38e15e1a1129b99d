//! Triggered with keys of due settlements and vouchers. Plans each settlement's vouchers from the archive and the
//! mapping, and walks each voucher through the posting protocol. A voucher is due by itself when it was sent more than
//! once and has to be looked for again, and while its document is owed.

pub mod document;
pub mod operate;
pub mod plan;

use accounting::{Books, System};
use chrono::Duration;
use edge::config::Config;
use edge::{Error, Kind, World};
use ledger::{Cause, Hold, Purpose, Voucher};
use store::posting::{self, Outbox, Outcome};
use store::table::{Claim, Stored, TRIES_MAX, Written};
use store::{Key, SettlementItem, SettlementState, Table, Trail, VoucherItem, VoucherState};
use store::{archive, documents};

/// How long a settlement is claimed: planning a million rows and posting takes seconds.
const LEASE: Duration = Duration::minutes(10);

/// What became of one settlement.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Posted {
    /// Vouchers that this call booked.
    pub vouchers: Vec<Voucher>,
    /// Why it is held, if it is.
    pub held: Option<Hold>,
    /// Some voucher's fate is not known yet, or somebody else is at work.
    pub unknown: bool,
}

/// Works on one settlement as far as it goes, or looks again for one voucher. Safe to repeat at any time, by any number of workers.
///
/// # Errors
///
/// If the store, the archive or the accounting system does not answer; the settlement stays due.
pub async fn handle(world: &World, key: &str) -> Result<Posted, Error> {
    handle_through(world, key, &system_of).await
}

/// Which accounting system a configuration means.
pub type Systems = dyn Fn(&Config) -> Result<&'static dyn System, Error> + Send + Sync;

/// As [`handle`], with another way to find the accounting system.
///
/// # Errors
///
/// As [`handle`].
pub async fn handle_through(world: &World, key: &str, systems: &Systems) -> Result<Posted, Error> {
    let key = Key::parse(key).ok_or_else(|| Error::bug(format!("\"{key}\" is not a key")))?;
    if key.item.starts_with("v#") {
        return after_booking(world, &key, systems).await;
    }
    let table = Table::of(world);
    let mut held = match table.claim::<SettlementItem>(&key, LEASE).await? {
        Claim::Taken(held) => held,
        Claim::Busy => {
            return Ok(Posted { unknown: true, ..Posted::default() });
        }
        Claim::Gone => return Ok(Posted::default()),
    };
    let begins = held.body.state == SettlementState::Fetched && held.body.fetch.is_none();
    if !begins && held.body.state != SettlementState::Posting {
        let due = held.body.due(world.clock.now());
        table.release(&mut held, due, true, None).await?;
        return Ok(Posted::default());
    }
    if held.tries > TRIES_MAX {
        let hold = Hold::new(
            Cause::Poison,
            format!("{}: {TRIES_MAX} attempts without progress", held.body.name),
            "look at the trail, mend the cause, then release",
        );
        return hold_it(world, &table, held, hold).await;
    }
    let Some((version, config)) = config_for(world, &key.company, &held.body).await? else {
        let due = held.body.state.due(world.clock.now() + Duration::minutes(5));
        table.release(&mut held, due, true, None).await?;
        return Ok(Posted::default());
    };
    match work(world, &table, &mut held, (&version, &config), systems).await {
        Ok(Ok((walked, books))) => {
            let settlement = held.body.clone();
            let posted = finish(world, &table, held, walked, &version).await?;
            attach(world, books.as_ref(), (&version, &config), &settlement, &posted.vouchers).await;
            Ok(posted)
        }
        Ok(Err(hold)) => hold_it(world, &table, held, hold).await,
        Err(error) => failed(world, &table, held, error).await,
    }
}

/// Plans and posts, or says why the settlement cannot be booked.
async fn work<'w>(
    world: &'w World,
    table: &Table<'_>,
    held: &mut Stored<SettlementItem>,
    (version, config): (&str, &'w Config),
    systems: &Systems,
) -> Result<Result<(Walked, Box<dyn Books + 'w>), Hold>, Error> {
    let vouchers = match pinned(world, table, held).await? {
        Some(vouchers) => vouchers,
        None => match plan::vouchers(world, config, systems(config)?, &held.body).await? {
            Ok(vouchers) => vouchers,
            Err(hold) => return Ok(Err(hold)),
        },
    };
    let books = open_through(world, config, systems).await?;
    let walked = post(world, table, held, &vouchers, books.as_ref(), version).await?;
    Ok(Ok((walked, books)))
}

/// The vouchers of a plan that is pinned, as they were planned: a newer version of bilag might cut them otherwise.
/// All of them were written before the pin.
async fn pinned(
    world: &World,
    table: &Table<'_>,
    held: &Stored<SettlementItem>,
) -> Result<Option<Vec<Voucher>>, Error> {
    if held.body.config.is_none() {
        return Ok(None);
    }
    let mut vouchers = Vec::new();
    let mut known = of_this_revision(table, held).await?;
    // What may have been sent goes first: a hold of another one must not leave it in doubt.
    known.sort_by_key(|read| {
        let in_doubt = matches!(read.body.state, VoucherState::Posting(_) | VoucherState::Unknown(_));
        (!in_doubt, read.body.reference.clone())
    });
    for read in known {
        if read.body.state != VoucherState::Superseded {
            vouchers.push(archive::voucher(world, &held.key.company, &read.body.hash).await?);
        }
    }
    Ok((!vouchers.is_empty()).then_some(vouchers))
}

/// Attaches the documents of vouchers that were booked just now. They are booked; what fails here stays owed and due.
async fn attach(
    world: &World,
    books: &dyn Books,
    (version, config): (&str, &Config),
    settlement: &SettlementItem,
    vouchers: &[Voucher],
) {
    if !books.takes_documents() {
        return;
    }
    for voucher in vouchers {
        let key = Key::voucher(&voucher.company, &voucher.reference);
        let make = async || document::pdf(world, config, version, settlement, voucher).await;
        if let Err(error) = documents::attach(world, books, &key, make).await {
            tracing::warn!(voucher.reference = %voucher.reference, %error, "document not attached");
        }
    }
}

/// Tries in a row, over about a day, after which a settlement is held as poison.
pub const FAILURES_MAX: u32 = 32;

/// The first wait after an accounting system did not answer; it doubles up to an hour.
const WAIT: Duration = Duration::seconds(5);
const WAIT_MAX: Duration = Duration::hours(1);

/// The accounting system, the store or the archive did not answer, or the credentials do not work: nothing is lost, and
/// the settlement is due again or held.
async fn failed(
    world: &World,
    table: &Table<'_>,
    mut held: Box<Stored<SettlementItem>>,
    error: Error,
) -> Result<Posted, Error> {
    let name = held.body.name.to_string();
    let hold = |cause, remedy| Hold::new(cause, format!("{name}: {error}"), remedy);
    let hold = match error.kind {
        Kind::Auth => hold(Cause::Credentials, "put valid credentials into the secret bundle, then retry"),
        Kind::Permission => hold(Cause::Permission, "give the credentials this right, then retry"),
        Kind::Rejected => hold(Cause::Schema, "update bilag, then retry"),
        _ if held.body.failures >= FAILURES_MAX => {
            hold(Cause::Poison, "look at the trail, mend what does not answer, then release")
        }
        Kind::Retry | Kind::Config | Kind::Bug => {
            let doubling = 2i32.saturating_pow(held.body.failures.min(10));
            let asked = error.after.and_then(|after| Duration::from_std(after).ok()).unwrap_or_default();
            let due = held.body.state.due(world.clock.now() + (WAIT * doubling).min(WAIT_MAX).max(asked));
            held.body.failures = held.body.failures.saturating_add(1);
            let trail = Trail::new(world, &held.body.state, &held.body.state, error.to_string());
            let crashed = error.kind == Kind::Bug;
            table.release(&mut held, due, !crashed, Some(trail)).await?;
            return Err(error);
        }
    };
    hold_it(world, table, held, hold).await
}

/// Looks for a voucher again, and attaches its document, as far as either is due.
async fn after_booking(world: &World, key: &Key, systems: &Systems) -> Result<Posted, Error> {
    let table = Table::of(world);
    let Some(read) = table.get::<VoucherItem>(key).await? else {
        return Ok(Posted::default());
    };
    let version = &read.body.config;
    let config = check_config::by_version(world, &key.company, version).await?;
    let books = open_through(world, &config, systems).await?;
    let held = posting::look_again(world, books.as_ref(), key).await?;
    let name = &read.body.reference.settlement;
    if let Some(settlement) = table.get::<SettlementItem>(&Key::settlement(&key.company, name)).await? {
        let item = settlement.body;
        let past = item.past.iter().find(|past| past.revision == read.body.reference.revision);
        let then = past.map_or_else(|| item.clone(), |past| item.at(past));
        let make = async || {
            let voucher = archive::voucher(world, &key.company, &read.body.hash).await?;
            document::pdf(world, &config, version, &then, &voucher).await
        };
        documents::attach(world, books.as_ref(), key, make).await?;
    }
    Ok(Posted { held, ..Posted::default() })
}

/// The configuration that decides: the pinned one once posting has begun, else the one in force.
pub async fn config_for(
    world: &World,
    company: &str,
    item: &SettlementItem,
) -> Result<Option<(String, Config)>, Error> {
    match &item.config {
        Some(version) => {
            let config = check_config::by_version(world, company, version).await?;
            Ok(Some((version.clone(), config)))
        }
        None => check_config::in_force(world, company).await,
    }
}

enum Walked {
    Done(Vec<Voucher>),
    Held(Vec<Voucher>, Hold),
    Later(Vec<Voucher>, Duration),
    Lost(Vec<Voucher>),
}

async fn post(
    world: &World,
    table: &Table<'_>,
    held: &mut Stored<SettlementItem>,
    vouchers: &[Voucher],
    outbox: &dyn Outbox,
    version: &str,
) -> Result<Walked, Error> {
    let mut booked = Vec::new();
    for voucher in vouchers {
        posting::plan(world, voucher, version).await?;
    }
    // From here on the plan is fixed: the first sending is about to begin.
    if held.body.config.is_none() {
        let kept: Vec<Key> =
            vouchers.iter().map(|voucher| Key::voucher(&voucher.company, &voucher.reference)).collect();
        for stale in of_this_revision(table, held).await? {
            if !kept.contains(&stale.key) {
                posting::supersede(world, stale, "a newer plan has no such part").await?;
            }
        }
        if vouchers.is_empty() {
            return Ok(Walked::Done(booked));
        }
        let trail = Trail::new(world, &held.body.state, SettlementState::Posting, "planned").under(version);
        let before = held.body.clone();
        held.body.config = Some(version.to_owned());
        held.body.planned_as = Some(held.body.connection.clone());
        held.body.state = SettlementState::Posting;
        match table.save(held, Some(trail)).await {
            Ok(Written::Yes) => {}
            Ok(Written::Lost) => return Ok(Walked::Lost(booked)),
            Err(error) => {
                held.body = before;
                return Err(error);
            }
        }
    }
    for voucher in vouchers {
        match posting::walk_planned(world, outbox, voucher).await? {
            Outcome::Posted => booked.push(voucher.clone()),
            Outcome::AlreadyPosted => {}
            Outcome::Held(hold) => {
                let hold = unpin(world, table, held, hold).await?;
                return Ok(Walked::Held(booked, hold));
            }
            Outcome::Later(after) => return Ok(Walked::Later(booked, after)),
        }
    }
    Ok(Walked::Done(booked))
}

/// The vouchers that the present revision of a settlement has had so far, without reversals.
async fn of_this_revision(
    table: &Table<'_>,
    held: &Stored<SettlementItem>,
) -> Result<Vec<Stored<VoucherItem>>, Error> {
    let prefix = Key::vouchers_of(&held.body.name);
    let mut vouchers = table.list::<VoucherItem>(&held.key.company, &prefix).await?;
    vouchers.retain(|voucher| {
        let reference = &voucher.body.reference;
        reference.revision == held.body.revision && reference.purpose != Purpose::Reversal
    });
    Ok(vouchers)
}

/// After a hold: if surely nothing of the plan is in the books, the plan is given up, so that a mended mapping plans
/// afresh under the same references. Else the configuration stays pinned, and the remedy says so.
async fn unpin(
    world: &World,
    table: &Table<'_>,
    held: &mut Stored<SettlementItem>,
    hold: Hold,
) -> Result<Hold, Error> {
    let vouchers = of_this_revision(table, held).await?;
    if let Some(sent) = vouchers.iter().find(|voucher| voucher.body.may_be_booked()) {
        if !check_config::MENDED_BY_CONFIG.contains(&hold.cause) {
            return Ok(hold);
        }
        let state = &sent.body.state;
        let remedy = format!(
            "make the accounting system accept it, then retry; a changed mapping does not apply to this settlement any more, since {} is {state} already (first remedy: {})",
            sent.body.text, hold.remedy
        );
        return Ok(Hold { remedy, ..hold });
    }
    for voucher in vouchers.into_iter().filter(|voucher| voucher.body.state == VoucherState::Planned) {
        // A worker that was thought gone may be about to send this one: then the plan must stay.
        if !posting::supersede(world, voucher, "nothing of this plan was booked").await? {
            return Ok(hold);
        }
    }
    held.body.config = None;
    held.body.planned_as = None;
    Ok(hold)
}

async fn finish(
    world: &World,
    table: &Table<'_>,
    mut held: Box<Stored<SettlementItem>>,
    walked: Walked,
    version: &str,
) -> Result<Posted, Error> {
    match walked {
        Walked::Done(vouchers) => {
            let trail =
                Trail::new(world, &held.body.state, SettlementState::Posted, "all vouchers are booked");
            held.body.state = SettlementState::Posted;
            held.body.failures = 0;
            held.body.config.get_or_insert_with(|| version.to_owned());
            let due = held.body.due(world.clock.now());
            table.release(&mut held, due, true, Some(trail.under(version))).await?;
            Ok(Posted { vouchers, ..Posted::default() })
        }
        Walked::Held(vouchers, hold) => {
            let posted = hold_it(world, table, held, hold).await?;
            Ok(Posted { vouchers, ..posted })
        }
        Walked::Later(vouchers, after) => {
            let due = held.body.state.due(world.clock.now() + after);
            table.release(&mut held, due, true, None).await?;
            Ok(Posted { vouchers, unknown: true, ..Posted::default() })
        }
        Walked::Lost(vouchers) => Ok(Posted { vouchers, unknown: true, ..Posted::default() }),
    }
}

async fn hold_it(
    world: &World,
    table: &Table<'_>,
    mut held: Box<Stored<SettlementItem>>,
    hold: Hold,
) -> Result<Posted, Error> {
    let state = SettlementState::Held(hold.clone());
    let trail = Trail::new(world, &held.body.state, &state, hold.to_string());
    held.body.state = state;
    table.release(&mut held, None, true, Some(trail)).await?;
    Ok(Posted { held: Some(hold), ..Posted::default() })
}

/// The books of a configuration's company.
///
/// # Errors
///
/// If this version does not have the system, its secret is missing, or this place cannot reach it.
pub async fn open<'w>(world: &'w World, config: &'w Config) -> Result<Box<dyn Books + 'w>, Error> {
    open_through(world, config, &system_of).await
}

async fn open_through<'w>(
    world: &'w World,
    config: &'w Config,
    systems: &Systems,
) -> Result<Box<dyn Books + 'w>, Error> {
    let system = systems(config)?;
    let (company, settings) = (&config.company, &config.accounting);
    let secret = match &settings.secret {
        Some(entry) if system.needs_secret() => Some(world.secrets.entry(&company.id, entry).await?),
        _ => None,
    };
    system.open(accounting::Access { world, company, settings, secret })
}

/// As [`handle`], on paper: nothing is sent to any accounting system. For a copy of the state that is thrown away.
///
/// # Errors
///
/// As [`handle`].
pub async fn rehearse(world: &World, key: &str) -> Result<Posted, Error> {
    let on_paper = |config: &Config| {
        system_of(config)?;
        accounting::rehearsal::find(&config.accounting.system)
            .ok_or_else(|| Error::bug("a system without paper"))
    };
    handle_through(world, key, &on_paper).await
}

/// The accounting system of a configuration.
///
/// # Errors
///
/// If this version does not have it.
pub fn system_of(config: &Config) -> Result<&'static dyn System, Error> {
    accounting::find(&config.accounting.system).ok_or_else(|| {
        Error::config(format!("this version has no accounting system {}", config.accounting.system))
    })
}
