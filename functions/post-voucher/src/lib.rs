//! Triggered with keys of due settlements. Plans each settlement's vouchers from the archive and the mapping, and
//! walks each voucher through the posting protocol.

pub mod operate;
pub mod plan;

use accounting::{Books, System};
use chrono::Duration;
use edge::config::Config;
use edge::{Error, World};
use ledger::{Cause, Hold, Voucher};
use store::posting::{self, Outbox, Outcome};
use store::table::{Claim, Stored, TRIES_MAX, Written};
use store::{Key, SettlementItem, SettlementState, Table, Trail};

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

/// Works on one settlement as far as it goes. Safe to repeat at any time, by any number of workers.
///
/// # Errors
///
/// If the store, the archive or the accounting system does not answer; the settlement stays due.
pub async fn handle(world: &World, key: &str) -> Result<Posted, Error> {
    let key = Key::parse(key).ok_or_else(|| Error::bug(format!("\"{key}\" is not a key")))?;
    let table = Table::of(world);
    let mut held = match table.claim::<SettlementItem>(&key, LEASE).await? {
        Claim::Taken(held) => held,
        Claim::Busy => {
            return Ok(Posted { unknown: true, ..Posted::default() });
        }
        Claim::Gone => return Ok(Posted::default()),
    };
    if !matches!(held.body.state, SettlementState::Fetched | SettlementState::Posting) {
        let due = held.body.state.due(world.clock.now());
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
    let system = system_of(&config)?;
    let vouchers = match plan::vouchers(world, &config, system, &held.body).await? {
        Ok(vouchers) => vouchers,
        Err(hold) => return hold_it(world, &table, held, hold).await,
    };
    let books = open(world, &config).await?;
    let posted = post(world, &table, &mut held, &vouchers, books.as_ref(), &version).await?;
    finish(world, &table, held, posted, &version).await
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
    if vouchers.is_empty() {
        return Ok(Walked::Done(booked));
    }
    for voucher in vouchers {
        posting::plan(world, voucher, version).await?;
    }
    // From here on the plan is fixed: the first sending is about to begin.
    if held.body.config.is_none() {
        let trail = Trail::new(world, &held.body.state, SettlementState::Posting, "planned").under(version);
        held.body.config = Some(version.to_owned());
        held.body.planned_as = Some(held.body.connection.clone());
        held.body.state = SettlementState::Posting;
        if table.save(held, Some(trail)).await? == Written::Lost {
            return Ok(Walked::Lost(booked));
        }
    }
    for voucher in vouchers {
        let key = Key::voucher(&voucher.company, &voucher.reference);
        match posting::walk(world, outbox, &key).await? {
            Outcome::Posted => booked.push(voucher.clone()),
            Outcome::AlreadyPosted => {}
            Outcome::Held(hold) => return Ok(Walked::Held(booked, hold)),
            Outcome::Later(after) => return Ok(Walked::Later(booked, after)),
        }
    }
    Ok(Walked::Done(booked))
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
            held.body.config.get_or_insert_with(|| version.to_owned());
            table.release(&mut held, None, true, Some(trail.under(version))).await?;
            Ok(Posted { vouchers, ..Posted::default() })
        }
        Walked::Held(vouchers, hold) => {
            let posted = hold_it(world, table, held, hold).await?;
            Ok(Posted { vouchers, ..posted })
        }
        Walked::Later(vouchers, after) => {
            let due = held.body.state.due(world.clock.now() + after);
            table.release(&mut held, due, false, None).await?;
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
    let (company, settings) = (&config.company, &config.accounting);
    let secret = match &settings.secret {
        Some(entry) => Some(world.secrets.entry(&company.id, entry).await?),
        None => None,
    };
    system_of(config)?.open(accounting::Access { world, company, settings, secret })
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
