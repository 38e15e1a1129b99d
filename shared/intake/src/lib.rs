//! What a source's settlements mean beside those that are known: new, the same again, another source, or a change.
//!
//! A dropped file and an API both bring settlements here, so the same payout is one item whichever came first.

pub mod compare;

use chrono::{DateTime, Duration, NaiveDate, Utc};
use edge::config::{Config, Connection};
use edge::{Error, World};
use ledger::{Cause, Currency, Head, Hold, Name, Purpose, Totals};
use providers::Terms;
use store::item::{FileError, PositionItem, Rival, SettlementItem, SettlementState, Source};
use store::table::{Stored, Written};
use store::{Key, Table, Trail};

use crate::compare::{Digests, RowCounts};

/// Where settlements come in: one connection of one company, with what it has booked before.
pub struct Intake<'a> {
    world: &'a World,
    table: Table<'a>,
    config: &'a Config,
    company: &'a str,
    connection: &'a str,
    provider: &'static str,
    /// Settlements of this connection that are booked or will be.
    booked: Vec<Booked>,
}

/// Which days a settlement covers, by payout or by day.
struct Booked {
    name: Name,
    window: bool,
    currency: Currency,
    days: (NaiveDate, NaiveDate),
}

/// How a connection wants its rows read, from whichever source they come.
pub fn terms(config: &Config, connection: &Connection) -> Terms {
    Terms {
        time_zone: config.company.time_zone,
        report_time_zone: connection.report_time_zone,
        tags: connection.tags.clone(),
        account: connection.account.clone(),
        window_from: connection.window_from(),
    }
}

/// A settlement as one source tells it.
#[derive(Clone, Debug)]
pub struct Found {
    /// What it says as a whole.
    pub head: Head,
    /// Why this source alone does not prove it.
    pub hold: Option<Hold>,
    /// The day's rows may go on in another source (windows only).
    pub open: bool,
    /// The id of the settlement whose closing balance must be this one's opening balance.
    pub follows: Option<String>,
    /// Its sums.
    pub totals: Totals,
    /// Where its rows are.
    pub source: Source,
}

impl<'a> Intake<'a> {
    /// The intake of a connection.
    ///
    /// # Errors
    ///
    /// If the store does not answer.
    pub async fn of(
        world: &'a World,
        config: &'a Config,
        connection: &'a str,
        provider: &'static str,
    ) -> Result<Intake<'a>, Error> {
        let table = Table::of(world);
        let company = config.company.id.as_str();
        let booked = booked(&table, company, connection, provider).await?;
        Ok(Intake { world, table, config, company, connection, provider, booked })
    }

    /// The settlement as this source alone makes it, or why the source cannot be used.
    ///
    /// # Errors
    ///
    /// If the store does not answer.
    pub async fn judge(&self, found: Found) -> Result<Result<SettlementItem, FileError>, Error> {
        if let Some(error) = self.booked_the_other_way(&found) {
            return Ok(Err(error));
        }
        let state = self.state(&found).await?;
        let item = SettlementItem::new(self.connection, found.head, found.totals, found.source, state);
        Ok(Ok(SettlementItem { open: found.open, follows: found.follows, ..item }))
    }

    /// Brings a settlement into the table: creates its item, or merges it with the one that is known. `index` is its
    /// place among those of the source.
    ///
    /// # Errors
    ///
    /// If the store does not answer, or somebody is at work on the item.
    pub async fn bring(&self, found: Found, index: usize) -> Result<Option<FileError>, Error> {
        let item = match self.judge(found).await? {
            Ok(item) => item,
            Err(error) => return Ok(Some(error)),
        };
        let key = Key::settlement(self.company, &item.name);
        let state = item.state.clone();
        let due = |state: &SettlementState| state.due(in_order(self.world.clock.now(), index));
        let why = format!("read from {}", item.source.from);
        let trail = Trail::new(self.world, "", &item.state, &why);
        if self.table.create(&key, &item, due(&state), Some(trail)).await? == Written::Yes {
            return Ok(None);
        }
        for _ in 0..3 {
            let Some(known) = self.table.get::<SettlementItem>(&key).await? else {
                return Ok(None);
            };
            if let Some(error) = self.foreign(&known.body) {
                return Ok(Some(error));
            }
            let Some((changed, why)) = self.merge(&known.body, &item).await? else {
                return Ok(None);
            };
            let trail = Trail::new(self.world, &known.body.state, &changed.state, why);
            let due = due(&changed.state);
            let next = Stored { body: changed, ..known };
            if self.table.replace(&next, due, Some(trail)).await? == Written::Yes {
                return Ok(None);
            }
        }
        Err(Error::retry(format!("{key} is being worked on; the file is read again next time")))
    }

    /// A settlement that another connection brought, which still exists, does not change hands.
    fn foreign(&self, known: &SettlementItem) -> Option<FileError> {
        let other = &known.connection;
        let stays =
            other != self.connection && self.config.connections.contains_key(other) && !is_incomplete(known);
        stays.then(|| FileError {
            at: known.name.to_string(),
            cause: format!(
                "wrong-account: this settlement belongs to connection {other}; move the file to inbox/{}/{other}/",
                self.company
            ),
        })
    }

    /// The state that this source alone justifies.
    async fn state(&self, found: &Found) -> Result<SettlementState, Error> {
        let head = &found.head;
        let connection = self.config.connections.get(self.connection);
        if connection.is_some_and(|connection| head.payout_on < connection.start_on) {
            return Ok(SettlementState::Waiting("before start_on".to_owned()));
        }
        if let Some(hold) = &found.hold {
            return Ok(SettlementState::Held(hold.clone()));
        }
        if let Some(hold) = connection.and_then(|connection| fetched_as_well(head, connection)) {
            return Ok(SettlementState::Held(hold));
        }
        if found.open {
            return Ok(SettlementState::Waiting("the day may go on in another report".to_owned()));
        }
        if let Some(hold) = self.unproved_opening(head, found.follows.as_deref()).await? {
            return Ok(SettlementState::Held(hold));
        }
        Ok(SettlementState::Fetched)
    }

    /// Rows are booked by payout or by day, never both: a change of `settle_by` needs a day on which no payout with
    /// earlier rows is open.
    fn booked_the_other_way(&self, found: &Found) -> Option<FileError> {
        let (head, (first, last)) = (&found.head, days(&found.head, &found.totals));
        let clash = self.booked.iter().find(|other| {
            other.window != head.window
                && other.currency == head.currency
                && other.days.0 <= last
                && first <= other.days.1
        })?;
        Some(FileError {
            at: head.name.to_string(),
            cause: format!(
                "duplicate-differs: days {first} to {last} hold rows that {} books already; set from under \
                 [connections.{}] to a day after the rows of the last payout that is booked whole",
                clash.name, self.connection
            ),
        })
    }

    /// A settlement that does not begin at 0 must begin where the one before ended.
    async fn unproved_opening(&self, head: &Head, follows: Option<&str>) -> Result<Option<Hold>, Error> {
        let Some(before) = follows else {
            return Ok(None);
        };
        let before = Name { id: before.to_owned(), ..head.name.clone() };
        let known = self.table.get::<SettlementItem>(&Key::settlement(self.company, &before)).await?;
        let proved = known.is_some_and(|known| {
            let incomplete = matches!(&known.body.state, SettlementState::Held(hold)
                if matches!(hold.cause, Cause::DoesNotAddUp | Cause::WrongAccount));
            known.body.head.closing == head.opening
                && known.body.head.currency == head.currency
                && !incomplete
        });
        Ok((!proved).then(|| {
            Hold::new(
                Cause::PayoutRowMissing,
                format!(
                    "{}: the report begins at a balance of {} {}, and the payout before it ({}) is not in the archive",
                    head.name, head.opening, head.currency, before.id
                ),
                "drop a report that begins earlier, with that payout; or release, if these rows are the whole payout",
            )
        }))
    }

    /// What a further source changes; `None` for no effect.
    ///
    /// # Errors
    ///
    /// If the archive does not answer.
    pub async fn merge(
        &self,
        old: &SettlementItem,
        new: &SettlementItem,
    ) -> Result<Option<(SettlementItem, String)>, Error> {
        let renamed = || -> Option<(SettlementItem, String)> {
            (old.connection != self.connection).then(|| {
                let item = SettlementItem { connection: self.connection.to_owned(), ..old.clone() };
                (item, format!("connection {} is now {}", old.connection, self.connection))
            })
        };
        let new_complete = matches!(new.state, SettlementState::Fetched);
        let why = format!("read from {}", new.source.from);
        if is_incomplete(old) {
            let better = new_complete || old.state != new.state && new.source.rows >= old.source.rows;
            return Ok(better.then(|| {
                let announced = new.announced.clone().or_else(|| old.announced.clone());
                let (live_from, revision, decided) = (old.live_from, old.revision, old.decided.clone());
                (SettlementItem { live_from, revision, decided, announced, ..new.clone() }, why)
            }));
        }
        if !new_complete
            || old.source.rows_hash == new.source.rows_hash && old.source.format == new.source.format
            || old.decided.iter().any(|decided| decided.is_same(&new.source))
        {
            return Ok(renamed());
        }
        let by_net = old.source.format != new.source.format;
        let before = Digests::of(self.world, &old.source, by_net).await?;
        let difference = before.difference(&Digests::of(self.world, &new.source, by_net).await?);
        if difference.is_none() {
            return Ok(renamed());
        }
        if old.past.iter().any(|past| past.source.is_same_file(&new.source)) {
            // What was corrected since, read or dropped once more.
            return Ok(renamed());
        }
        let rival = Rival { source: new.source.clone(), head: new.head.clone(), totals: new.totals.clone() };
        let begun = old.config.is_some();
        // Rows that were corrected once and come back are no correction: nobody knows which report is the newer one.
        let known_before = old.past.iter().any(|past| past.source.is_same(&new.source));
        let correctable = begun
            && !known_before
            && old.state == SettlementState::Posted
            && difference.removed == 0
            && !by_net
            && new.head.payout == old.head.payout
            && new.head.payout_on == old.head.payout_on;
        if correctable {
            let item = SettlementItem {
                connection: self.connection.to_owned(),
                state: SettlementState::Fetched,
                revision: old.revision + 1,
                purpose: Purpose::Correction,
                corrects: Some(old.source.clone()),
                rival: None,
                decided: old.decided.clone(),
                config: None,
                planned_as: None,
                live_from: old.live_from,
                past: old.past.iter().cloned().chain([old.as_past()]).collect(),
                announced: new.announced.clone().or_else(|| old.announced.clone()),
                ..new.clone()
            };
            return Ok(Some((item, format!("{why}: {difference}"))));
        }
        if old.rival.as_ref().is_some_and(|known| known.source.rows_hash == rival.source.rows_hash) {
            return Ok(None);
        }
        let hold = Hold::new(
            Cause::DuplicateDiffers,
            format!(
                "{}: {} says something else than {}: {difference}",
                old.name, new.source.from, old.source.from
            ),
            match (begun, old.source.is_fetched() && new.source.is_fetched()) {
                (true, true) if old.state == SettlementState::Posted => {
                    "ask the provider why; the booked voucher stays; book the difference by hand, then release"
                }
                (true, true) => {
                    "release, and backfill its day once it is booked: the difference is then judged anew"
                }
                (true, false) => "compare both files; the booked voucher stays; release when settled",
                (false, true) => "ask the provider why; release to book what it says now",
                (false, false) => "compare both files, delete the wrong one from the inbox, then release",
            },
        );
        let item = SettlementItem {
            state: SettlementState::Held(hold),
            rival: Some(Box::new(rival)),
            ..old.clone()
        };
        Ok(Some((item, format!("{why}: {difference}"))))
    }

    /// Open rows that stand in a settlement by now are no longer open. `file` is what was read, `covered` are the days
    /// of its settlements; positions that neither touches are left alone.
    ///
    /// # Errors
    ///
    /// If the store or the archive does not answer.
    pub async fn placed(&self, file: &str, covered: &[(NaiveDate, NaiveDate)]) -> Result<(), Error> {
        let known = self.table.list::<PositionItem>(self.company, &format!("o#{}#", self.connection)).await?;
        let mut settlements = None;
        for mut read in known {
            let position = &read.body;
            let (Some(source), Some(first), Some(last)) =
                (&position.source, position.totals.first_on, position.totals.last_on)
            else {
                continue;
            };
            let overlaps = |days: &(NaiveDate, NaiveDate)| days.0 <= last && first <= days.1;
            let touched = position.file == file || covered.iter().any(overlaps);
            if position.hold.is_some() || position.totals.rows == 0 || !touched {
                continue;
            }
            if settlements.is_none() {
                let prefix = format!("s#{}#", self.provider);
                settlements = Some(self.table.list::<SettlementItem>(self.company, &prefix).await?);
            }
            let mut placed = RowCounts::default();
            for settlement in settlements.iter().flatten().map(|read| &read.body) {
                if settlement.connection == self.connection
                    && settlement.source.format == source.format
                    && !settlement.source.manifest.is_empty()
                    && overlaps(&days(&settlement.head, &settlement.totals))
                {
                    placed.add(self.world, &settlement.source).await?;
                }
            }
            let totals = placed.rest_of(self.world, source).await?;
            if totals.rows != position.totals.rows {
                read.body.totals = totals;
                self.table.replace(&read, None, None).await?;
            }
        }
        Ok(())
    }

    /// Makes due what waited for a settlement that is known now.
    ///
    /// # Errors
    ///
    /// If the store does not answer.
    pub async fn followers(&self) -> Result<(), Error> {
        for read in self.table.list::<SettlementItem>(self.company, &format!("s#{}#", self.provider)).await? {
            let waits = matches!(&read.body.state, SettlementState::Held(hold) if hold.cause == Cause::PayoutRowMissing);
            if !waits || read.body.follows.is_none() {
                continue;
            }
            if self.unproved_opening(&read.body.head, read.body.follows.as_deref()).await?.is_none() {
                let trail = Trail::new(
                    self.world,
                    &read.body.state,
                    &SettlementState::Fetched,
                    "the payout before it is in the archive now",
                );
                let mut next = read;
                next.body.state = SettlementState::Fetched;
                let due = next.body.state.due(self.world.clock.now());
                self.table.replace(&next, due, Some(trail)).await?;
            }
        }
        Ok(())
    }
}

/// The time at which the settlement of this place in a source is due: in the order of the payouts, so that the books
/// read like a calendar.
pub fn in_order(now: DateTime<Utc>, index: usize) -> DateTime<Utc> {
    now + Duration::microseconds(i64::try_from(index).unwrap_or(0))
}

/// The days that a settlement's rows cover.
pub fn days(head: &Head, totals: &Totals) -> (NaiveDate, NaiveDate) {
    (totals.first_on.unwrap_or(head.payout_on), totals.last_on.unwrap_or(head.payout_on))
}

async fn booked(
    table: &Table<'_>,
    company: &str,
    connection: &str,
    provider: &str,
) -> Result<Vec<Booked>, Error> {
    let known = table.list::<SettlementItem>(company, &format!("s#{provider}#")).await?;
    let live = known.into_iter().map(|read| read.body).filter(|item| {
        let waits = matches!(item.state, SettlementState::Waiting(_));
        item.connection == connection && !waits && !is_incomplete(item)
    });
    Ok(live
        .map(|item| Booked {
            days: days(&item.head, &item.totals),
            name: item.name,
            window: item.head.window,
            currency: item.head.currency,
        })
        .collect())
}

/// A file whose ids are unique only within a scope (a sales unit) cannot be told from what the same connection fetches
/// under other ids.
fn fetched_as_well(head: &Head, connection: &Connection) -> Option<Hold> {
    (!head.name.scope.is_empty() && !head.window && connection.secret.is_some()).then(|| {
        Hold::new(
            Cause::DuplicateDiffers,
            format!("{}: this file does not give the payout's full id, and the connection fetches by API", head.name),
            "remove the file, the same payout comes by API; or release if it lies before everything that is fetched",
        )
    })
}

/// A source that did not prove its settlement, so that a better one may take its place.
fn is_incomplete(item: &SettlementItem) -> bool {
    if item.config.is_some() || item.live_from > 1 {
        return false;
    }
    match &item.state {
        SettlementState::Waiting(_) | SettlementState::Announced => true,
        SettlementState::Held(hold) => matches!(
            hold.cause,
            Cause::DoesNotAddUp
                | Cause::PayoutRowMissing
                | Cause::WrongAccount
                | Cause::ManualPayout
                | Cause::Schema
        ),
        _ => false,
    }
}
