//! Triggered by an object in the config bucket. Reads the newest mapping file of a company, writes a verdict under
//! `verdicts/`, and, if the file is valid, keeps it in the archive by its hash and points the table at it.
//!
//! While the newest file is invalid the last good one stays in force.

use edge::config::{Config, Connection, Known, Problem, SystemFacts, read};
use edge::{Error, World};
use ledger::Cause;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use store::item::{ConfigItem, ConnectionItem};
use store::{Due, Key, SettlementItem, SettlementState, Table, Trail, bucket};

/// What was found in a mapping file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    /// The company that the file's name gives.
    pub company: String,
    /// SHA-256 of the file.
    pub hash: String,
    /// Whether the file is in force.
    pub valid: bool,
    /// What must be mended, all of it at once.
    pub errors: Vec<String>,
    /// What is worth a look.
    pub warnings: Vec<String>,
}

/// Causes that a new mapping may mend; settlements held for them are tried again under a new version, unless posting
/// has begun.
pub const MENDED_BY_CONFIG: &[Cause] = &[
    Cause::MissingAccount,
    Cause::VatMissing,
    Cause::RuleRefused,
    Cause::FeeMode,
    Cause::FeeVatUnknown,
    Cause::NoRate,
    Cause::UnknownLine,
    Cause::TooManyLines,
    Cause::AccountRefused,
    Cause::VatRefused,
    Cause::PeriodClosed,
];

/// Judges `<company>.toml` of the config bucket and puts it in force if it is valid.
///
/// # Errors
///
/// If the store or a bucket does not answer, or another version was put in force at the same moment.
pub async fn handle(world: &World, key: &str) -> Result<Verdict, Error> {
    let company = key.strip_suffix(".toml").unwrap_or(key).to_owned();
    let (bytes, _) = bucket::get(world, &world.places.config, key)
        .await?
        .ok_or_else(|| Error::config(format!("{key} is not in the config folder")))?;
    let hash = ledger::voucher::hex(&Sha256::digest(&bytes));
    let (valid, errors, warnings) = match judge(key, &bytes) {
        Ok((_, warnings)) => (true, Vec::new(), warnings),
        Err(errors) => (false, errors, Vec::new()),
    };
    let texts = |problems: Vec<Problem>| problems.iter().map(Problem::to_string).collect();
    let verdict = Verdict { company, hash, valid, errors: texts(errors), warnings: texts(warnings) };
    if verdict.valid {
        let copy = config_key(&verdict.company, &verdict.hash);
        bucket::put_once(world, &world.places.archive, &copy, bytes).await?;
        put_in_force(world, &verdict.company, &verdict.hash).await?;
    }
    if let Some((_, config)) = in_force(world, &verdict.company).await? {
        start_looking(world, &config).await?;
    }
    let body = serde_json::to_vec_pretty(&verdict).map_err(|error| Error::bug("verdict").because(error))?;
    bucket::put(world, &world.places.verdicts, &format!("verdicts/{}.json", verdict.company), body).await?;
    Ok(verdict)
}

/// Whether a connection fetches by API.
pub fn fetches(connection: &Connection) -> bool {
    let api = providers::find(&connection.provider).and_then(|provider| provider.api());
    connection.secret.is_some() && api.is_some()
}

/// Makes the first look of every connection due that fetches by API.
async fn start_looking(world: &World, config: &Config) -> Result<(), Error> {
    let table = Table::of(world);
    for (name, _) in config.connections.iter().filter(|(_, connection)| fetches(connection)) {
        let key = Key::connection(&config.company.id, name);
        let read = table.get::<ConnectionItem>(&key).await?;
        if read.as_ref().is_some_and(|read| read.due.is_some()) {
            continue;
        }
        let due = Some(Due { function: "discover-payouts", at: world.clock.now() });
        // Lost: somebody else has made it due.
        match read {
            None => table.create(&key, &ConnectionItem::default(), due, None).await?,
            Some(read) => table.replace(&read, due, None).await?,
        };
    }
    Ok(())
}

/// Reads a mapping file as this version knows it, without touching anything.
///
/// # Errors
///
/// All problems of the file.
pub fn judge(file_name: &str, text: &[u8]) -> Result<(Config, Vec<Problem>), Vec<Problem>> {
    let providers: Vec<&str> = providers::REGISTRY.iter().map(|provider| provider.name()).collect();
    let systems: Vec<SystemFacts> = accounting::REGISTRY
        .iter()
        .map(|system| SystemFacts {
            name: system.name(),
            lines_max: system.lines_max(),
            needs_secret: system.needs_secret(),
            has_drafts: system.has_drafts(),
        })
        .collect();
    read(file_name, text, &Known { providers: &providers, systems: &systems })
}

/// The configuration in force with its version, or `None` if there has never been a valid one.
///
/// # Errors
///
/// If the store or the archive does not answer.
pub async fn in_force(world: &World, company: &str) -> Result<Option<(String, Config)>, Error> {
    let Some(pointer) = Table::of(world).get::<ConfigItem>(&Key::config(company)).await? else {
        return Ok(None);
    };
    let hash = pointer.body.hash;
    let config = by_version(world, company, &hash).await?;
    Ok(Some((hash, config)))
}

/// The configuration of a version (hash), as it was when a voucher was planned by it.
///
/// # Errors
///
/// If the archive does not have it or this version of bilag cannot read it.
pub async fn by_version(world: &World, company: &str, hash: &str) -> Result<Config, Error> {
    let key = config_key(company, hash);
    let (bytes, _) = bucket::get(world, &world.places.archive, &key).await?.ok_or_else(|| {
        Error::config(format!("archive {key} is missing; restore the archive from a backup"))
    })?;
    judge(&format!("{company}.toml"), &bytes).map(|(config, _)| config).map_err(|problems| {
        let text: Vec<String> = problems.iter().map(Problem::to_string).collect();
        Error::config(format!("the archived configuration {hash} is no longer valid: {}", text.join("; ")))
    })
}

fn config_key(company: &str, hash: &str) -> String {
    format!("{company}/config/{hash}.toml")
}

/// Moves the pointer by compare-and-swap, then makes settlements due that a mapping may have mended.
async fn put_in_force(world: &World, company: &str, hash: &str) -> Result<(), Error> {
    let table = Table::of(world);
    let key = Key::config(company);
    let before = table.get::<ConfigItem>(&key).await?;
    let old = before.as_ref().map(|pointer| pointer.body.hash.clone()).unwrap_or_default();
    if old == hash {
        return Ok(());
    }
    let trail = Trail::new(world, &old, hash, "a valid mapping file").under(hash);
    let written = match before {
        None => table.create(&key, &ConfigItem { hash: hash.to_owned() }, None, Some(trail)).await?,
        Some(mut pointer) => {
            pointer.body.hash = hash.to_owned();
            table.replace(&pointer, None, Some(trail)).await?
        }
    };
    if written == store::table::Written::Lost {
        return Err(Error::retry(format!("{company}: another version was put in force at the same moment")));
    }
    for mut held in table.list::<SettlementItem>(company, "s#").await? {
        let mendable = matches!(&held.body.state, SettlementState::Held(hold)
            if MENDED_BY_CONFIG.contains(&hold.cause) && held.body.config.is_none());
        if mendable {
            let trail =
                Trail::new(world, &held.body.state, &SettlementState::Fetched, "a new mapping is in force")
                    .under(hash);
            held.body.state = SettlementState::Fetched;
            let due = held.body.state.due(world.clock.now());
            // Lost: somebody is at work on it, under whatever mapping is in force by then.
            table.replace(&held, due, Some(trail)).await?;
        }
    }
    Ok(())
}
