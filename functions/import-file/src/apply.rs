//! Brings what a file holds into the table: its settlements, and the rows that no payout holds yet.

use chrono::NaiveDate;
use edge::config::Config;
use edge::{Error, World};
use intake::{Found, Intake};
use providers::{GroupEnd, Provider};
use store::item::{FileError, FileItem, PositionItem};
use store::table::Stored;
use store::{Key, Table};

use crate::Group;

/// What applying a file came to.
pub struct Applied {
    pub settlements: u64,
    pub error: Option<FileError>,
}

/// Brings all groups of a file into the table.
pub async fn apply(
    world: &World,
    config: &Config,
    connection: &str,
    provider: &'static dyn Provider,
    file: &FileItem,
    mut groups: Vec<Group>,
) -> Result<Applied, Error> {
    let intake = Intake::of(world, config, connection, provider.name()).await?;
    groups.sort_by_key(|group| match &group.end {
        GroupEnd::Settlement { head, .. } => (Some(head.payout_on), head.name.id.clone()),
        GroupEnd::Open { scope, .. } => (None, scope.clone()),
    });
    let mut applied = Applied { settlements: 0, error: None };
    let mut open_positions = Vec::new();
    let mut emptied = Vec::new();
    let mut covered = Vec::new();
    for (index, group) in groups.into_iter().enumerate() {
        match group.end {
            GroupEnd::Settlement { head, hold, open, follows } => {
                applied.settlements += 1;
                covered.push(intake::days(&head, &group.totals));
                if hold.is_none() && !head.account.is_empty() && head.closing.is_zero() {
                    emptied.push((head.account.clone(), head.currency.code(), group.totals.last_on));
                }
                let found =
                    Found { head: *head, hold, open, follows, totals: group.totals, source: group.source };
                if let Some(error) = intake.bring(found, index).await? {
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
    let table = Table::of(world);
    positions(&table, (&config.company.id, connection, file), open_positions, &emptied).await?;
    intake.placed(&file.file, &covered).await?;
    intake.followers().await?;
    Ok(applied)
}

/// Rows without a payout: what this file shows of a scope replaces what an earlier one showed.
///
/// `emptied` are the accounts that this file proves to be at 0, with currency and day.
async fn positions(
    table: &Table<'_>,
    (company, connection, file): (&str, &str, &FileItem),
    open: Vec<PositionItem>,
    emptied: &[(String, &str, Option<NaiveDate>)],
) -> Result<(), Error> {
    let known = table.list::<PositionItem>(company, &format!("o#{}#", connection)).await?;
    for position in &open {
        let key = Key::position(company, connection, &position.scope, &position.currency);
        match known.iter().find(|known| known.key == key) {
            None => {
                table.create(&key, position, None, None).await?;
            }
            Some(read) if is_later(position, &read.body) => {
                let next = Stored { body: position.clone(), ..read.clone() };
                table.replace(&next, None, None).await?;
            }
            Some(_) => {}
        }
    }
    // No open rows any more: a fuller version of the same file, or a later file in which a payout took them.
    let ended = |position: &PositionItem| {
        position.file == file.file
            || emptied.iter().any(|(account, currency, on)| {
                *account == position.scope && *currency == position.currency && *on >= position.totals.last_on
            })
    };
    for read in known.into_iter().filter(|read| read.body.totals.rows > 0 && ended(&read.body)) {
        let still = open.iter().any(|p| p.scope == read.body.scope && p.currency == read.body.currency);
        if !still {
            let mut next = read;
            next.body.totals = ledger::Totals::default();
            next.body.hold = None;
            table.replace(&next, None, None).await?;
        }
    }
    Ok(())
}

/// Whether a position tells of later days than another.
fn is_later(new: &PositionItem, old: &PositionItem) -> bool {
    old.totals.rows == 0 || new.file == old.file || new.totals.last_on >= old.totals.last_on
}
