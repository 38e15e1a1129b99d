//! Triggered with keys of due connections. Asks the provider for payouts since the cursor and makes settlements
//! `announced`.
//!
//! The cursor moves only after what was found before it is in the table, so a crash repeats work and loses none.

use std::time::Duration;

use edge::config::{Config, Connection};
use edge::{Error, Kind, World};
use intake::Intake;
use ledger::{Cause, Head, Hold, Name, Totals};
use providers::{Access, Announced, Api, Provider, Ready, Terms};
use store::item::{Backfill, ConnectionItem, Fetch, Source};
use store::table::{Claim, Stored, Written};
use store::{Due, Key, SettlementItem, SettlementState, Table, Trail};

/// How long a connection is claimed.
const LEASE: chrono::Duration = chrono::Duration::minutes(5);

/// The least time between two looks, whatever the number of notices.
const SPACING: chrono::Duration = chrono::Duration::seconds(10);

/// The longest wait after looks that failed.
const WAIT_MAX: chrono::Duration = chrono::Duration::hours(6);

/// What a look found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Looked {
    /// Settlements that are new or changed.
    pub announced: usize,
    /// Why a person has to act before looking is of use.
    pub held: Option<Hold>,
    /// The provider did not answer, or time was short: the connection is due again soon.
    pub unfinished: bool,
}

/// Looks for payouts of one connection, for at most `budget` and what one more step takes. Safe to repeat at any time,
/// by any number of workers.
///
/// # Errors
///
/// If the store does not answer; the connection stays due.
pub async fn handle(world: &World, key: &str, budget: Duration) -> Result<Looked, Error> {
    let key = Key::parse(key).ok_or_else(|| Error::bug(format!("\"{key}\" is not a key")))?;
    let name = key.item.strip_prefix("n#").unwrap_or_default().to_owned();
    let table = Table::of(world);
    let mut held = match table.claim::<ConnectionItem>(&key, LEASE).await? {
        Claim::Taken(held) => held,
        Claim::Busy => return Ok(Looked { unfinished: true, ..Looked::default() }),
        Claim::Gone => return Ok(Looked::default()),
    };
    let config = check_config::in_force(world, &key.company).await?;
    let asked = config.as_ref().and_then(|(version, config)| {
        let connection = config.connections.get(&name)?;
        let provider = providers::find(&connection.provider)?;
        Some(Asked { world, version, config, name: &name, connection, provider, api: provider.api()? })
    });
    let Some(asked) = asked.filter(|asked| asked.connection.secret.is_some()) else {
        // The connection is gone, or reads files only now.
        table.release(&mut held, None, true, None).await?;
        return Ok(Looked::default());
    };
    let mut looked = Looked::default();
    let until = world.clock.now() + chrono::Duration::from_std(budget).unwrap_or(LEASE).min(LEASE / 2);
    let result = asked.look(&table, &mut held, until, &mut looked).await;
    asked.done(&table, held, result, looked).await
}

/// A connection's way to its provider account.
///
/// # Errors
///
/// If its secret is missing.
pub async fn access<'a>(
    world: &'a World,
    config: &'a Config,
    name: &'a str,
    connection: &'a Connection,
    terms: &'a Terms,
) -> Result<Access<'a>, Error> {
    let entry = connection.secret.as_deref().unwrap_or_default();
    Ok(Access {
        world,
        company: &config.company.id,
        connection: name,
        terms,
        start_on: connection.start_on,
        base_url: connection.base_url.as_deref(),
        keys: connection.keys,
        secret: world.secrets.entry(&config.company.id, entry).await?,
    })
}

/// What an error of an API means for whoever must act; `None` if waiting may help.
pub fn hold_of(place: &str, error: &Error) -> Option<Hold> {
    let (cause, remedy) = match error.kind {
        Kind::Auth => {
            (Cause::Credentials, "put valid credentials into the secret bundle; the next look uses them")
        }
        Kind::Permission => (Cause::Permission, "give the credentials this right; the next look uses it"),
        Kind::Config => (Cause::WrongAccount, "correct the connection in the mapping file"),
        Kind::Rejected => {
            (Cause::Schema, "update bilag; until then drop the provider's reports in the inbox")
        }
        Kind::Retry | Kind::Bug => return None,
    };
    Some(Hold::new(cause, format!("{place}: {error}"), remedy))
}

struct Asked<'a> {
    world: &'a World,
    version: &'a str,
    config: &'a Config,
    name: &'a str,
    connection: &'a Connection,
    provider: &'static dyn Provider,
    api: &'static dyn Api,
}

impl Asked<'_> {
    /// Steps until nothing more is said to follow or time is up.
    async fn look(
        &self,
        table: &Table<'_>,
        held: &mut Stored<ConnectionItem>,
        until: chrono::DateTime<chrono::Utc>,
        looked: &mut Looked,
    ) -> Result<(), Error> {
        let terms = intake::terms(self.config, self.connection);
        let mut access = access(self.world, self.config, self.name, self.connection, &terms).await?;
        let again = held.body.backfill.clone();
        if let Some(backfill) = &again {
            access.start_on = backfill.from.max(access.start_on);
        }
        loop {
            let cursor = match &held.body.backfill {
                Some(backfill) => backfill.cursor.clone(),
                None => held.body.cursor.clone(),
            };
            let found = self.api.discover(&access, cursor.as_ref()).await?;
            for (index, announced) in found.settlements.iter().enumerate() {
                let wanted =
                    again.as_ref().is_none_or(|days| (days.from..=days.to).contains(&announced.payout_on));
                if wanted && announced.payout_on >= self.connection.start_on {
                    looked.announced +=
                        usize::from(self.announce(table, announced, index, again.is_some()).await?);
                }
            }
            match &mut held.body.backfill {
                Some(backfill) if found.more => backfill.cursor = Some(found.cursor),
                Some(_) => held.body.backfill = None,
                None => held.body.cursor = Some(found.cursor),
            }
            if table.save(held, None).await? == Written::Lost {
                return Err(Error::retry("another worker looks for payouts of this connection"));
            }
            if !found.more {
                // Settlements that waited for one that is here by now.
                let intake = Intake::of(self.world, self.config, self.name, self.provider.name()).await?;
                return intake.followers().await;
            }
            if self.world.clock.now() >= until {
                looked.unfinished = true;
                return Ok(());
            }
        }
    }

    /// Brings one announcement into the table; `true` if it changed anything.
    async fn announce(
        &self,
        table: &Table<'_>,
        announced: &Announced,
        index: usize,
        again: bool,
    ) -> Result<bool, Error> {
        let name = &announced.name;
        if !Name::is_plain(&name.id) || !name.scope.is_empty() && !Name::is_plain(&name.scope) {
            let what = format!("{}: an id that cannot be a settlement's name", self.provider.title());
            return Err(Error::new(Kind::Rejected, what));
        }
        let key = Key::settlement(&self.config.company.id, name);
        let due_at = intake::in_order(self.world.clock.now(), index);
        let fresh = self.item(announced)?;
        let trail = Trail::new(self.world, "", &fresh.state, "announced by the provider").under(self.version);
        if table.create(&key, &fresh, fresh.state.due(due_at), Some(trail)).await? == Written::Yes {
            return Ok(true);
        }
        for _ in 0..3 {
            let Some(read) = table.get::<SettlementItem>(&key).await? else { return Ok(false) };
            let renamed = !self.config.connections.contains_key(&read.body.connection);
            let (next, why) = match changed(&read.body, &fresh, again) {
                Some((next, why)) if renamed => {
                    (SettlementItem { connection: self.name.to_owned(), ..next }, why)
                }
                Some(change) => change,
                None if renamed && read.body.state != SettlementState::Posting => {
                    let why = format!("connection {} is now {}", read.body.connection, self.name);
                    (SettlementItem { connection: self.name.to_owned(), ..read.body.clone() }, why)
                }
                None => return Ok(false),
            };
            let trail = Trail::new(self.world, &read.body.state, &next.state, why).under(self.version);
            let due = next.due(due_at);
            if table.replace(&Stored { body: next, ..read }, due, Some(trail)).await? == Written::Yes {
                return Ok(true);
            }
        }
        if again {
            return Err(Error::retry(format!(
                "{name} is being worked on; it is asked for again in a moment"
            )));
        }
        // Somebody is at work on it: announced again at the next look, which overlaps this one.
        Ok(false)
    }

    fn item(&self, announced: &Announced) -> Result<SettlementItem, Error> {
        let detail =
            serde_json::to_value(announced).map_err(|error| Error::bug("announcement").because(error))?;
        let state = match &announced.ready {
            Ready::Now => SettlementState::Announced,
            Ready::Later(reason) => SettlementState::Waiting(reason.clone()),
            Ready::Held(hold) => SettlementState::Held(hold.clone()),
        };
        let head = Head {
            name: announced.name.clone(),
            currency: announced.currency,
            payout_on: announced.payout_on,
            payout: announced.payout,
            opening: rust_decimal::Decimal::ZERO,
            closing: rust_decimal::Decimal::ZERO,
            account: String::new(),
            window: announced.window,
            fees_invoiced: None,
        };
        let source = Source {
            manifest: String::new(),
            rows_hash: String::new(),
            rows: 0,
            from: format!("{} (API)", self.name),
            format: self.api.format().to_owned(),
        };
        let item = SettlementItem::new(self.name, head, Totals::default(), source, state);
        Ok(SettlementItem { announced: Some(detail), ..item })
    }

    /// Writes what came of a look and when the next is due.
    async fn done(
        &self,
        table: &Table<'_>,
        mut held: Box<Stored<ConnectionItem>>,
        result: Result<(), Error>,
        mut looked: Looked,
    ) -> Result<Looked, Error> {
        let now = self.world.clock.now();
        let place = format!("connection {}", self.name);
        let wait = match &result {
            Ok(()) if looked.unfinished => chrono::Duration::zero(),
            Ok(()) => {
                held.body.looked_at = Some(now);
                spread(&held.key, self.api.interval())
            }
            Err(error) => {
                looked.unfinished = true;
                let doubling = 2i32.saturating_pow(held.body.failures.min(12));
                let asked = error.after.and_then(|after| chrono::Duration::from_std(after).ok());
                (chrono::Duration::seconds(30) * doubling).min(WAIT_MAX).max(asked.unwrap_or_default())
            }
        };
        let error = result.err();
        held.body.failures = if error.is_some() { held.body.failures.saturating_add(1) } else { 0 };
        held.body.hold = error.as_ref().and_then(|error| hold_of(&place, error));
        held.body.trouble = error.as_ref().filter(|_| held.body.hold.is_none()).map(Error::to_string);
        if let Some(error) = &error {
            tracing::warn!(connection.name = self.name, provider.name = self.provider.name(), %error, "look failed");
        }
        looked.held = held.body.hold.clone();
        let due = Due { function: "discover-payouts", at: now + wait };
        let trail = error.map(|error| Trail::new(self.world, "looking", "failed", error.to_string()));
        table.release(&mut held, Some(due), true, trail).await?;
        Ok(looked)
    }
}

/// What an announcement changes of what is known; `None` for no effect.
///
/// A complete source that came first (a dropped file, an earlier fetch) counts: a payout of the same amount has no
/// effect, one of another amount holds the settlement. With `again`, rows are fetched once more and compared.
fn changed(old: &SettlementItem, new: &SettlementItem, again: bool) -> Option<(SettlementItem, String)> {
    let same = old.announced == new.announced;
    match &old.state {
        SettlementState::Announced | SettlementState::Waiting(_) if old.config.is_none() => {
            if same && !again {
                return None;
            }
            let (revision, live_from, past) = (old.revision, old.live_from, old.past.clone());
            let decided = old.decided.clone();
            let next = SettlementItem { revision, live_from, past, decided, ..new.clone() };
            Some((next, "announced anew by the provider".to_owned()))
        }
        SettlementState::Held(hold) if !same && old.config.is_none() && ends_by_announcement(hold) => {
            let (revision, live_from, past) = (old.revision, old.live_from, old.past.clone());
            let decided = old.decided.clone();
            let next = SettlementItem { revision, live_from, past, decided, ..new.clone() };
            Some((next, "announced anew by the provider".to_owned()))
        }
        _ if again && matches!(new.state, SettlementState::Announced) => {
            let number = old.fetch.as_ref().map_or(1, |fetch| fetch.number) + 1;
            let fetch = Fetch::new(number);
            let next = SettlementItem { fetch: Some(fetch), announced: new.announced.clone(), ..old.clone() };
            Some((next, "fetched once more, to compare".to_owned()))
        }
        SettlementState::Posting => None,
        _ if same => None,
        _ if old.head.payout != new.head.payout || old.head.currency != new.head.currency => {
            let hold = Hold::new(
                Cause::DuplicateDiffers,
                format!(
                    "{}: the provider now says {} {}, {} says {} {}",
                    old.name,
                    new.head.payout,
                    new.head.currency,
                    old.source.from,
                    old.head.payout,
                    old.head.currency
                ),
                "compare the source with the provider's dashboard; release when settled",
            );
            let state = SettlementState::Held(hold);
            let next = SettlementItem { state, announced: new.announced.clone(), ..old.clone() };
            Some((next, "another amount".to_owned()))
        }
        _ => {
            let next = SettlementItem { announced: new.announced.clone(), ..old.clone() };
            Some((next, "the provider tells more of it".to_owned()))
        }
    }
}

/// Holds that a new announcement ends by itself.
fn ends_by_announcement(hold: &Hold) -> bool {
    matches!(hold.cause, Cause::ManualPayout | Cause::PayoutRowMissing | Cause::DoesNotAddUp | Cause::Schema)
}

/// The interval, a tenth longer or shorter: by a fixed hash, so that connections do not all look at once.
fn spread(key: &Key, interval: chrono::Duration) -> chrono::Duration {
    let hash =
        key.to_string().bytes().fold(0u32, |hash, byte| hash.wrapping_mul(31).wrapping_add(u32::from(byte)));
    interval * 9 / 10 + interval / 5 * i32::try_from(hash % 1000).unwrap_or(0) / 1000
}

/// Makes a connection's next look due now: a notice came, or a person asked. One that is due already, or was looked
/// at a moment ago, is left as it is. `true` if it is due then.
///
/// # Errors
///
/// If the store does not answer.
pub async fn make_due(
    world: &World,
    company: &str,
    connection: &str,
    asked: Option<Backfill>,
) -> Result<bool, Error> {
    let table = Table::of(world);
    let key = Key::connection(company, connection);
    let now = world.clock.now();
    for _ in 0..3 {
        let Some(mut read) = table.get::<ConnectionItem>(&key).await? else {
            let item = ConnectionItem { backfill: asked.clone(), ..ConnectionItem::default() };
            let due = Due { function: "discover-payouts", at: now };
            if table.create(&key, &item, Some(due), None).await? == Written::Yes {
                return Ok(true);
            }
            continue;
        };
        let claimed = read.lease.as_ref().is_some_and(|lease| lease.until > now);
        if asked.is_none() && !claimed && read.due.is_some_and(|due| due.at <= now) {
            return Ok(true);
        }
        let spaced = read.body.looked_at.map_or(now, |at| now.max(at + SPACING));
        if let Some(backfill) = &asked {
            read.body.backfill = Some(backfill.clone());
        }
        let due = Due { function: "discover-payouts", at: if asked.is_some() { now } else { spaced } };
        if table.replace(&read, Some(due), None).await? == Written::Yes {
            return Ok(true);
        }
        // Somebody looks right now: perhaps too early for what the notice is about.
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    Ok(false)
}
