//! How a voucher reaches an accounting system exactly once.
//!
//! This file knows no accounting system: it speaks to an [`Outbox`]. The walk of one voucher:
//!
//! ```text
//! planned ──intent──▶ posting(n) ──send──▶ posted            Accepted
//!    ▲                    │    └─────────▶ planned           NotWritten: from a listed answer only
//!    │                    └──────────────▶ unknown(n)        anything else, and a claim that lapsed
//!    └── held(cause)                          │
//!                              look up ───────┴─▶ posted     found, and it is ours line by line
//!                              not found ───────▶ posting(n+1), under the same reference
//! ```
//!
//! What makes it exact: the intent (reference, hash, attempt, lease with fence) is written by conditional write
//! before anything is sent; a reference never changes between attempts; where the system can be asked, it is asked
//! before every send; "not found" counts only from a complete scan; state is written only under the fence.

use async_trait::async_trait;
use chrono::Duration;
use edge::{Error, World};
use ledger::{Cause, Hold, Voucher};

use crate::item::{VoucherItem, VoucherState};
use crate::table::{Claim, Stored, TRIES_MAX, Table, Trail, Written};
use crate::{Key, archive};

/// How long a voucher is claimed. A send must end well before.
pub const LEASE: Duration = Duration::seconds(120);

/// The least time that must be left of a claim for a send to begin.
pub const SEND: Duration = Duration::seconds(60);

/// The answer to a send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Saved under this id, with these lines as far as the answer tells.
    Accepted {
        /// The system's own id.
        id: String,
    },
    /// Saved under this id as a draft, which a person books.
    Drafted {
        /// The system's own id.
        id: String,
    },
    /// Saved under this id, but not as it was sent.
    Differs {
        /// The system's own id.
        id: String,
        /// What differs, line by line.
        what: String,
    },
    /// Surely not saved: a listed answer says so.
    NotWritten(Hold),
    /// Surely not saved, and worth another try after this time: too many calls, a maintenance window.
    Later {
        /// How long to wait at least.
        after: Duration,
        /// What the system said.
        why: String,
    },
    /// Nobody knows.
    Unknown,
}

/// What a look-up by reference found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// Nothing, after a complete scan.
    Nothing,
    /// One that is equal to the voucher, line by line.
    Ours {
        /// The system's own id.
        id: String,
    },
    /// One that is equal to the voucher, as a draft.
    Draft {
        /// The system's own id.
        id: String,
    },
    /// One or more under this reference that are not equal to the voucher.
    Differs(String),
    /// The scan was not complete.
    NotSure,
}

/// How doubt is resolved at an accounting system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Doubt {
    /// It can be asked for a reference; it shows a voucher at the latest after `visible_after`.
    Lookup {
        /// How long a saved voucher may stay invisible.
        visible_after: Duration,
    },
    /// It refuses a second voucher under the same key by itself.
    ResendSameKey,
    /// Only a person can find out.
    Hold,
}

/// An accounting system, as far as posting needs it.
#[async_trait]
pub trait Outbox: Send + Sync {
    /// How doubt is resolved.
    fn doubt(&self) -> Doubt;

    /// Sends a voucher once: no retries, no redirects, and done before the deadline.
    async fn send(&self, voucher: &Voucher) -> Answer;

    /// Looks the voucher's reference up and compares line by line.
    ///
    /// # Errors
    ///
    /// If the system cannot be asked now.
    async fn find(&self, voucher: &Voucher) -> Result<Found, Error>;

    /// Whether vouchers may have a document (PDF) attached.
    fn takes_documents(&self) -> bool {
        false
    }

    /// Attaches the voucher's document to the saved voucher of this id. Never saves a voucher.
    ///
    /// # Errors
    ///
    /// If the document was not, or perhaps not, attached.
    async fn attach(&self, id: &str, _document: Vec<u8>) -> Result<(), Error> {
        Err(Error::bug(format!("voucher {id}: this accounting system takes no documents")))
    }

    /// Whether the saved voucher of this id has a document already: asked when the answer to an attachment was lost.
    ///
    /// # Errors
    ///
    /// If the system cannot be asked now.
    async fn has_document(&self, _id: &str) -> Result<bool, Error> {
        Ok(false)
    }
}

/// What became of a voucher in this walk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Booked by this walk.
    Posted,
    /// Booked before.
    AlreadyPosted,
    /// A person has to act.
    Held(Hold),
    /// Doubtful or busy: try again after this time.
    Later(Duration),
}

/// Writes the voucher's item as `planned`, or refreshes one that is still `planned` by a newer plan. A voucher that
/// has gone further keeps what was sent.
///
/// # Errors
///
/// If the store does not answer.
pub async fn plan(world: &World, voucher: &Voucher, config: &str) -> Result<(), Error> {
    let table = Table::of(world);
    let key = Key::voucher(&voucher.company, &voucher.reference);
    let hash = archive::put_voucher(world, voucher).await?;
    let item = VoucherItem {
        text: voucher.reference.to_string(),
        reference: voucher.reference.clone(),
        on: voucher.on,
        total: voucher.total(),
        currency: voucher.currency.code().to_owned(),
        hash,
        state: VoucherState::Planned,
        config: config.to_owned(),
        sent_at: None,
        remote_id: None,
    };
    let trail = Trail::new(world, "", &item.state, "planned from the archive").under(config);
    if table.create(&key, &item, None, Some(trail)).await? == Written::Yes {
        return Ok(());
    }
    let Some(mut read) = table.get::<VoucherItem>(&key).await? else {
        return Ok(());
    };
    let mendable = matches!(read.body.state, VoucherState::Planned | VoucherState::Held(_));
    if mendable && read.body.hash != item.hash {
        let trail = Trail::new(world, &read.body.state, &item.state, "planned afresh").under(config);
        read.body = item;
        table.replace(&read, None, Some(trail)).await?;
    }
    Ok(())
}

/// Walks one voucher as far as it goes. Safe to repeat, at any time, by any number of workers.
///
/// # Errors
///
/// If the store does not answer; the voucher's state then says how to go on.
pub async fn walk(world: &World, outbox: &dyn Outbox, key: &Key) -> Result<Outcome, Error> {
    let table = Table::of(world);
    let mut held: Box<Stored<VoucherItem>> = match table.claim::<VoucherItem>(key, LEASE).await? {
        Claim::Taken(held) => held,
        Claim::Busy => return Ok(Outcome::Later(LEASE)),
        Claim::Gone => return Err(Error::bug(format!("{key} is not planned"))),
    };
    match &held.body.state {
        VoucherState::Posted | VoucherState::Drafted | VoucherState::Reversed => {
            table.release(&mut held, None, true, None).await?;
            return Ok(Outcome::AlreadyPosted);
        }
        VoucherState::Held(hold) => {
            let hold = hold.clone();
            table.release(&mut held, None, false, None).await?;
            return Ok(Outcome::Held(hold));
        }
        // Whoever wrote posting(n) is gone, and may or may not have sent.
        VoucherState::Posting(n) => {
            let n = *n;
            let trail = Trail::new(world, &held.body.state, VoucherState::Unknown(n), "the claim lapsed");
            held.body.state = VoucherState::Unknown(n);
            if table.save(&mut held, Some(trail)).await? == Written::Lost {
                return Ok(Outcome::Later(LEASE));
            }
        }
        VoucherState::Planned | VoucherState::Unknown(_) => {}
    }
    if held.tries > TRIES_MAX {
        let hold = Hold::new(
            Cause::Poison,
            format!("{}: {TRIES_MAX} attempts without progress", held.body.text),
            "look at the trail, mend the cause, then release",
        );
        return hold_it(&table, world, held, hold).await;
    }
    let voucher = archive::voucher(world, &key.company, &held.body.hash).await?;
    let in_doubt = matches!(held.body.state, VoucherState::Unknown(_));
    match outbox.doubt() {
        Doubt::Hold if in_doubt => {
            let hold = Hold::new(
                Cause::CheckByHand,
                format!("{}: it is not known whether the voucher was saved", held.body.text),
                "look for the reference in the accounting system; release if it is not there",
            );
            return hold_it(&table, world, held, hold).await;
        }
        Doubt::Lookup { visible_after } => match outbox.find(&voucher).await? {
            Found::Ours { id } => {
                let why =
                    if in_doubt { "found by its reference" } else { "was there already, equal line by line" };
                return posted(&table, world, held, id, why).await;
            }
            Found::Draft { id } => return drafted(&table, world, held, id).await,
            Found::Differs(what) => {
                let hold = Hold::new(
                    Cause::Collision,
                    format!("{}: the reference is taken by another entry: {what}", held.body.text),
                    "compare the two; if the other entry is wrong remove it, then release",
                );
                return hold_it(&table, world, held, hold).await;
            }
            Found::NotSure => return later(&table, held, Duration::seconds(30)).await,
            Found::Nothing if in_doubt && !visible_after.is_zero() => {
                // A sending may have gone on until its claim ended.
                let ended_at = held.body.sent_at.map(|at| at + LEASE);
                let since = ended_at.map_or(visible_after, |at| world.clock.now() - at);
                if since < visible_after {
                    return later(&table, held, visible_after - since).await;
                }
            }
            Found::Nothing => {}
        },
        Doubt::ResendSameKey | Doubt::Hold => {}
    }
    send(world, outbox, &table, held, &voucher).await
}

/// Writes the intent, sends, writes the answer.
async fn send(
    world: &World,
    outbox: &dyn Outbox,
    table: &Table<'_>,
    mut held: Box<Stored<VoucherItem>>,
    voucher: &Voucher,
) -> Result<Outcome, Error> {
    if let Err(hold) = voucher.prove() {
        return hold_it(table, world, held, hold).await;
    }
    let n = match held.body.state {
        VoucherState::Unknown(n) => n + 1,
        _ => 1,
    };
    let intent = VoucherState::Posting(n);
    let trail = Trail::new(world, &held.body.state, &intent, "about to send").under(&held.body.config);
    held.body.state = intent.clone();
    held.body.sent_at = Some(world.clock.now());
    if table.save(&mut held, Some(trail)).await? == Written::Lost {
        return Ok(Outcome::Later(LEASE));
    }
    let left = held.lease.as_ref().map_or(Duration::zero(), |lease| lease.until - world.clock.now());
    if left < SEND {
        // Nothing was sent, but a later worker cannot know that: it will look up first.
        return later(table, held, Duration::zero()).await;
    }
    match outbox.send(voucher).await {
        Answer::Accepted { id } => posted(table, world, held, id, "accepted").await,
        Answer::Drafted { id } => drafted(table, world, held, id).await,
        Answer::Differs { id, what } => {
            let hold = Hold::new(
                Cause::ReadBackDiffers,
                format!("{}: saved as {id}, but not as it was sent: {what}", held.body.text),
                "compare the voucher in the accounting system with `bilag show`; correct or reverse it there, then \
                 release",
            );
            held.body.remote_id = Some(id);
            hold_it(table, world, held, hold).await
        }
        Answer::Later { after, why } => {
            let trail = Trail::new(world, &intent, VoucherState::Planned, format!("not written: {why}"));
            held.body.state = VoucherState::Planned;
            table.release(&mut held, None, false, Some(trail)).await?;
            Ok(Outcome::Later(after))
        }
        Answer::NotWritten(hold) => {
            held.body.state = VoucherState::Planned;
            hold_it(table, world, held, hold).await
        }
        Answer::Unknown => {
            let trail = Trail::new(world, &intent, VoucherState::Unknown(n), "no clear answer");
            held.body.state = VoucherState::Unknown(n);
            table.release(&mut held, None, true, Some(trail)).await?;
            Ok(Outcome::Later(Duration::seconds(5)))
        }
    }
}

async fn drafted(
    table: &Table<'_>,
    world: &World,
    mut held: Box<Stored<VoucherItem>>,
    id: String,
) -> Result<Outcome, Error> {
    let trail = Trail::new(world, &held.body.state, VoucherState::Drafted, format!("a draft as {id}"));
    held.body.state = VoucherState::Drafted;
    held.body.remote_id = Some(id);
    if table.release(&mut held, None, true, Some(trail.clone())).await? == Written::Lost {
        table.note(&held.key, &trail).await?;
        return Ok(Outcome::Later(LEASE));
    }
    Ok(Outcome::Posted)
}

async fn posted(
    table: &Table<'_>,
    world: &World,
    mut held: Box<Stored<VoucherItem>>,
    id: String,
    why: &str,
) -> Result<Outcome, Error> {
    let trail = Trail::new(world, &held.body.state, VoucherState::Posted, format!("{why} as {id}"));
    held.body.state = VoucherState::Posted;
    held.body.remote_id = Some(id);
    if table.release(&mut held, None, true, Some(trail.clone())).await? == Written::Lost {
        // Fenced off: what was learned stays on the trail, the new holder finds the voucher by its reference.
        table.note(&held.key, &trail).await?;
        return Ok(Outcome::Later(LEASE));
    }
    Ok(Outcome::Posted)
}

async fn hold_it(
    table: &Table<'_>,
    world: &World,
    mut held: Box<Stored<VoucherItem>>,
    hold: Hold,
) -> Result<Outcome, Error> {
    let state = VoucherState::Held(hold.clone());
    let trail = Trail::new(world, &held.body.state, &state, hold.to_string());
    held.body.state = state;
    table.release(&mut held, None, true, Some(trail)).await?;
    Ok(Outcome::Held(hold))
}

async fn later(
    table: &Table<'_>,
    mut held: Box<Stored<VoucherItem>>,
    after: Duration,
) -> Result<Outcome, Error> {
    table.release(&mut held, None, false, None).await?;
    Ok(Outcome::Later(after))
}
