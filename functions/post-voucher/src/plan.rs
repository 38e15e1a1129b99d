//! From the archive to vouchers: the same archive and configuration give the same bytes.

use accounting::System;
use edge::config::Config;
use edge::{Error, World};
use intake::compare::{Digests, each_line};
use ledger::{Cause, Head, Hold, Mapping, Planner, Purpose, Totals, Voucher};
use store::SettlementItem;
use store::archive::Manifest;
use store::item::Source;

/// Plans a settlement's vouchers, or says why it cannot be booked.
///
/// # Errors
///
/// If the archive does not answer or is damaged.
pub async fn vouchers(
    world: &World,
    config: &Config,
    system: &dyn System,
    item: &SettlementItem,
) -> Result<Result<Vec<Voucher>, Hold>, Error> {
    let title = providers::find(&item.name.provider).map_or(item.name.provider.as_str(), |p| p.title());
    let connection = item.planned_as.as_ref().unwrap_or(&item.connection);
    let Some(mapping) = config.mapping(connection, title, system.lines_max()) else {
        return Ok(Err(Hold::new(
            Cause::MissingAccount,
            format!("{}: the configuration has no connection \"{connection}\" any more", item.name),
            format!(
                "add [connections.{connection}] again, or drop the report in another connection's folder"
            ),
        )));
    };
    let planned = match (&item.purpose, &item.corrects) {
        (Purpose::Correction, Some(before)) => correction(world, &mapping, item, before).await?,
        _ => settlement(world, &mapping, item).await?,
    };
    Ok(planned)
}

/// Lines go into the planner until one is refused; the rest is then only counted.
struct Filling<'m> {
    planner: Planner<'m>,
    refused: Option<Hold>,
}

impl Filling<'_> {
    fn add(&mut self, line: &ledger::Line<'_>) {
        if self.refused.is_none() {
            self.refused = self.planner.add(line).err();
        }
    }

    fn take_out(&mut self, line: &ledger::Line<'_>) {
        if self.refused.is_none() {
            self.refused = self.planner.take_out(line).err();
        }
    }

    fn finish(self) -> Result<Vec<Voucher>, Hold> {
        match self.refused {
            Some(hold) => Err(hold),
            None => self.planner.finish(),
        }
    }
}

async fn settlement(
    world: &World,
    mapping: &Mapping,
    item: &SettlementItem,
) -> Result<Result<Vec<Voucher>, Hold>, Error> {
    let planner = Planner::new(mapping, &item.head, Purpose::Settlement, item.revision);
    let mut filling = Filling { planner, refused: None };
    let manifest = each_line(world, &item.source, |line| {
        filling.add(line);
        Ok(())
    })
    .await?;
    if let Some(hold) = unproved(&manifest, &item.head) {
        return Ok(Err(hold));
    }
    if filling.refused.is_none() && !same_movements(&filling.planner.totals(), &manifest.totals) {
        return Err(Error::bug(format!("{}: the archived rows are not those that were read", item.name)));
    }
    Ok(filling.finish())
}

/// Whether rows move the balance as they did when they were read. Kinds may differ: a newer version of bilag may know
/// a type that an older one did not.
fn same_movements(now: &Totals, then: &Totals) -> bool {
    let moved = |totals: &Totals| totals.net() + totals.payout - totals.payout_fee;
    now.rows == then.rows && moved(now) == moved(then)
}

/// What the source itself could not prove stays held, whatever the operator asks for.
fn unproved(manifest: &Manifest, head: &Head) -> Option<Hold> {
    (&manifest.head == head).then(|| manifest.hold.clone()).flatten()
}

/// Only the rows that were added or amended: the new ones, and the old ones turned around.
async fn correction(
    world: &World,
    mapping: &Mapping,
    item: &SettlementItem,
    before: &Source,
) -> Result<Result<Vec<Voucher>, Hold>, Error> {
    let old = Digests::of(world, before, false).await?;
    let new = Digests::of(world, &item.source, false).await?;
    let planner = Planner::new(mapping, &item.head, Purpose::Correction, item.revision);
    let mut filling = Filling { planner, refused: None };
    let mut totals = Totals::default();
    let mut broken = None;
    each_line(world, &item.source, |line| {
        if broken.is_none() {
            broken = totals.add(line).err();
        }
        if old.changed(&new, line) {
            filling.add(line);
        }
        Ok(())
    })
    .await?;
    if let Err(hold) = broken.map_or(Ok(()), Err).and_then(|()| totals.prove(&item.head)) {
        return Ok(Err(hold));
    }
    each_line(world, before, |line| {
        if old.changed(&new, line) {
            filling.take_out(line);
        }
        Ok(())
    })
    .await?;
    Ok(filling.finish())
}
