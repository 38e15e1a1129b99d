//! How a booked voucher gets its document.
//!
//! A voucher is booked whether or not its document ever arrives. What is attached is begun before it is sent, so that a
//! lost answer leads to a question ("is there one?") and never to a second voucher or a second document.

use chrono::Duration;
use edge::{Error, Kind, World};
use sha2::{Digest as _, Sha256};

use crate::item::{Attachment, VoucherItem, VoucherState};
use crate::posting::{LEASE, Outbox};
use crate::table::{Claim, Stored, Table, Trail, Written};
use crate::{Due, Key};

/// The first wait after an attachment that failed; it doubles up to a day.
const WAIT: Duration = Duration::minutes(1);
const WAIT_MAX: Duration = Duration::days(1);

/// Attaches a voucher's document, if it is owed and due. `make` makes the PDF when it is needed. Returns whether
/// it is done with, now or before. Safe to repeat at any time, by any number of workers.
///
/// # Errors
///
/// If the store does not answer, or whatever `make` returns; the document stays owed. That the accounting system does
/// not answer is no error.
pub async fn attach<M>(world: &World, outbox: &dyn Outbox, key: &Key, make: M) -> Result<bool, Error>
where
    M: AsyncFnOnce() -> Result<Vec<u8>, Error>,
{
    let table = Table::of(world);
    let Claim::Taken(mut held) = table.claim::<VoucherItem>(key, LEASE).await? else {
        return Ok(false);
    };
    let now = world.clock.now();
    let booked = matches!(held.body.state, VoucherState::Posted | VoucherState::Drafted);
    let id = held.body.remote_id.clone();
    let (true, Some(id), Some(owed)) = (booked, id, held.body.attachment.clone()) else {
        let due = held.body.due();
        table.release(&mut held, due, true, None).await?;
        return Ok(true);
    };
    let (begun, failures) = match owed {
        Attachment::Owed { at, failures } if at <= now => (false, failures),
        Attachment::Begun { at, failures } if at <= now => (true, failures),
        other => {
            let due = held.body.due();
            table.release(&mut held, due, true, None).await?;
            return Ok(matches!(other, Attachment::Done { .. } | Attachment::Refused { .. }));
        }
    };
    let bytes = match make().await {
        Ok(bytes) => bytes,
        Err(error) => {
            table.release(&mut held, Some(later(now, failures)), true, None).await?;
            return Err(error);
        }
    };
    let sha256 = ledger::voucher::hex(&Sha256::digest(&bytes));
    if begun {
        match outbox.has_document(&id).await {
            Ok(true) => return done(world, &table, held, sha256, "found attached").await,
            Ok(false) => {}
            Err(error) => return put_off(world, &table, held, (true, failures), error).await,
        }
    }
    held.body.attachment = Some(Attachment::Begun { at: now, failures });
    if table.save(&mut held, None).await? == Written::Lost {
        return Ok(false);
    }
    match outbox.attach(&id, bytes).await {
        Ok(()) => done(world, &table, held, sha256, "attached").await,
        Err(error) => put_off(world, &table, held, (true, failures), error).await,
    }
}

async fn done(
    world: &World,
    table: &Table<'_>,
    mut held: Box<Stored<VoucherItem>>,
    sha256: String,
    how: &str,
) -> Result<bool, Error> {
    let trail = Trail::new(world, &held.body.state, "documented", format!("{how}: {sha256}"));
    held.body.attachment = Some(Attachment::Done { sha256 });
    let due = held.body.due();
    Ok(table.release(&mut held, due, true, Some(trail)).await? == Written::Yes)
}

/// The document waits for another try, or for ever if it was refused for good.
async fn put_off(
    world: &World,
    table: &Table<'_>,
    mut held: Box<Stored<VoucherItem>>,
    (begun, failures): (bool, u32),
    error: Error,
) -> Result<bool, Error> {
    let now = world.clock.now();
    let refused = matches!(error.kind, Kind::Rejected | Kind::Permission);
    held.body.attachment = Some(match (refused, begun) {
        (true, _) => Attachment::Refused { why: error.to_string() },
        (false, true) => {
            Attachment::Begun { at: later(now, failures).at, failures: failures.saturating_add(1) }
        }
        (false, false) => {
            Attachment::Owed { at: later(now, failures).at, failures: failures.saturating_add(1) }
        }
    });
    let to = if refused { "not documented" } else { "document put off" };
    let trail = Trail::new(world, &held.body.state, to, error.to_string());
    let due = held.body.due();
    table.release(&mut held, due, true, Some(trail)).await?;
    Ok(refused)
}

fn later(now: chrono::DateTime<chrono::Utc>, failures: u32) -> Due {
    let wait = (WAIT * 2i32.saturating_pow(failures.min(11))).min(WAIT_MAX);
    Due { function: "post-voucher", at: now + wait }
}
