//! What a file's settlements mean beside those that are known: new, the same again, another source, or a change.

use chrono::{Duration, NaiveDate};
use edge::config::Config;
use edge::{Error, World};
use ledger::{Cause, Currency, Head, Hold, Name, Purpose};
use providers::{GroupEnd, Provider};
use store::item::{FileError, FileItem, PositionItem, Rival, SettlementItem, SettlementState, Source};
use store::table::{Stored, Written};
use store::{Key, Table, Trail};

use crate::Group;
use crate::compare::{Digests, RowCounts};

/// What applying a file came to.
pub struct Applied {
    pub settlements: u64,
    pub error: Option<FileError>,
}

struct Context<'a> {
    world: &'a World,
    table: Table<'a>,
    config: &'a Config,
    company: &'a str,
    connection: &'a str,
    file: &'a FileItem,
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

/// Brings all groups of a file into the table.
pub async fn apply(
    world: &World,
    config: &Config,
    company: &str,
    connection: &str,
    provider: &'static dyn Provider,
    file: &FileItem,
    mut groups: Vec<Group>,
) -> Result<Applied, Error> {
    let table = Table::of(world);
    let booked = booked(&table, company, connection, provider.name()).await?;
    let context = Context { world, table, config, company, connection, file, booked };
    groups.sort_by_key(|group| match &group.end {
        GroupEnd::Settlement { head, .. } => (Some(head.payout_on), head.name.id.clone()),
        GroupEnd::Open { scope, .. } => (None, scope.clone()),
    });
    let mut applied = Applied { settlements: 0, error: None };
    let mut open_positions = Vec::new();
    let mut covered = Vec::new();
    let mut emptied = Vec::new();
    for (index, group) in groups.into_iter().enumerate() {
        match group.end {
            GroupEnd::Settlement { head, hold, open, follows } => {
                applied.settlements += 1;
                covered.push(days(&head, &group.totals));
                if hold.is_none() && !head.account.is_empty() && head.closing.is_zero() {
                    emptied.push((head.account.clone(), head.currency.code(), group.totals.last_on));
                }
                let found =
                    Found { head: *head, hold, open, follows, totals: group.totals, source: group.source };
                if let Some(error) = context.settlement(found, index).await? {
                    applied.error.get_or_insert(error);
                }
            }
            GroupEnd::Open { scope, currency, hold } => {
                let position = PositionItem {
                    connection: connection.to_owned(),
                    provider: provider.name().to_owned(),
                    scope,
                    currency: currency.code().to_owned(),
                    file: file.file.clone(),
                    source: Some(group.source),
                    totals: group.totals,
                    hold,
                };
                open_positions.push(position);
            }
        }
    }
    context.positions(open_positions, &emptied).await?;
    context.placed(provider.name(), &covered).await?;
    context.followers(provider.name()).await?;
    Ok(applied)
}

struct Found {
    head: Head,
    hold: Option<Hold>,
    open: bool,
    follows: Option<String>,
    totals: ledger::Totals,
    source: Source,
}

impl Context<'_> {
    async fn settlement(&self, found: Found, index: usize) -> Result<Option<FileError>, Error> {
        if let Some(error) = self.booked_the_other_way(&found) {
            return Ok(Some(error));
        }
        let key = Key::settlement(self.company, &found.head.name);
        let state = self.state(&found).await?;
        let due = |state: &SettlementState| {
            // In the order of the payouts: the journal then reads like a calendar.
            let at = self.world.clock.now() + Duration::microseconds(i64::try_from(index).unwrap_or(0));
            state.due(at)
        };
        let item = SettlementItem {
            name: found.head.name.clone(),
            connection: self.connection.to_owned(),
            head: found.head,
            totals: found.totals,
            source: found.source,
            state: state.clone(),
            revision: 1,
            purpose: Purpose::Settlement,
            corrects: None,
            rival: None,
            decided: Vec::new(),
            config: None,
            planned_as: None,
            open: found.open,
            follows: found.follows,
            live_from: 1,
            past: Vec::new(),
        };
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
            let Some((changed, why)) = self.merge(&known, &item).await? else {
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
    async fn merge(
        &self,
        known: &Stored<SettlementItem>,
        new: &SettlementItem,
    ) -> Result<Option<(SettlementItem, String)>, Error> {
        let old = &known.body;
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
                let item = SettlementItem {
                    live_from: old.live_from,
                    revision: old.revision,
                    decided: old.decided.clone(),
                    ..new.clone()
                };
                (item, why)
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
            if begun {
                "compare both files; the booked voucher stays; release when settled"
            } else {
                "compare both files, delete the wrong one from the inbox, then release"
            },
        );
        let item = SettlementItem {
            state: SettlementState::Held(hold),
            rival: Some(Box::new(rival)),
            ..old.clone()
        };
        Ok(Some((item, format!("{why}: {difference}"))))
    }

    /// Rows without a payout: what this file shows of a scope replaces what an earlier one showed.
    ///
    /// `emptied` are the accounts that this file proves to be at 0, with currency and day.
    async fn positions(
        &self,
        open: Vec<PositionItem>,
        emptied: &[(String, &str, Option<NaiveDate>)],
    ) -> Result<(), Error> {
        let known = self.table.list::<PositionItem>(self.company, &format!("o#{}#", self.connection)).await?;
        for position in &open {
            let key = Key::position(self.company, self.connection, &position.scope, &position.currency);
            match known.iter().find(|known| known.key == key) {
                None => {
                    self.table.create(&key, position, None, None).await?;
                }
                Some(read) if is_later(position, &read.body) => {
                    let next = Stored { body: position.clone(), ..read.clone() };
                    self.table.replace(&next, None, None).await?;
                }
                Some(_) => {}
            }
        }
        // No open rows any more: a fuller version of the same file, or a later file in which a payout took them.
        let ended = |position: &PositionItem| {
            position.file == self.file.file
                || emptied.iter().any(|(account, currency, on)| {
                    *account == position.scope
                        && *currency == position.currency
                        && *on >= position.totals.last_on
                })
        };
        for read in known.into_iter().filter(|read| read.body.totals.rows > 0 && ended(&read.body)) {
            let still = open.iter().any(|p| p.scope == read.body.scope && p.currency == read.body.currency);
            if !still {
                let mut next = read;
                next.body.totals = ledger::Totals::default();
                next.body.hold = None;
                self.table.replace(&next, None, None).await?;
            }
        }
        Ok(())
    }

    /// Open rows that stand in a settlement by now are no longer open. `covered` are the days of this file's
    /// settlements.
    async fn placed(&self, provider: &str, covered: &[(NaiveDate, NaiveDate)]) -> Result<(), Error> {
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
            let touched = position.file == self.file.file || covered.iter().any(overlaps);
            if position.hold.is_some() || position.totals.rows == 0 || !touched {
                continue;
            }
            if settlements.is_none() {
                let prefix = format!("s#{provider}#");
                settlements = Some(self.table.list::<SettlementItem>(self.company, &prefix).await?);
            }
            let mut placed = RowCounts::default();
            for settlement in settlements.iter().flatten().map(|read| &read.body) {
                if settlement.connection == self.connection
                    && settlement.source.format == source.format
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

    /// Settlements that waited for the one before them.
    async fn followers(&self, provider: &str) -> Result<(), Error> {
        for read in self.table.list::<SettlementItem>(self.company, &format!("s#{provider}#")).await? {
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

/// The days that a settlement's rows cover.
fn days(head: &Head, totals: &ledger::Totals) -> (NaiveDate, NaiveDate) {
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

/// Whether a position tells of later days than another.
fn is_later(new: &PositionItem, old: &PositionItem) -> bool {
    old.totals.rows == 0 || new.file == old.file || new.totals.last_on >= old.totals.last_on
}
