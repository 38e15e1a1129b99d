//! How a voucher reaches an accounting system exactly once.
//!
//! This file knows no accounting system: it speaks to an [`Outbox`]. The walk of one voucher:
//!
//! ```text
//! planned ──intent──▶ posting(n) ──send──▶ posted            Accepted
//!    ▲                    │    └─────────▶ held(cause)       NotWritten: from a listed answer only
//!    │                    └──────────────▶ unknown(n)        anything else, and a claim that lapsed
//!    └── held(cause) ──▶ unknown(n)           │
//!                              look up ───────┴─▶ posted     found, and it is ours line by line
//!                              not found ───────▶ posting(n+1), under the same reference
//! ```
//!
//! What makes it exact: the intent (reference, hash, attempt, lease with fence) is written by conditional write
//! before anything is sent; a reference never changes between attempts; where the system can be asked, it is asked
//! before every send; "not found" counts only from a complete scan; state is written only under the fence. A hold
//! never makes doubt forgotten: the item counts the sendings that may have got through. When there was more than one,
//! the reference is looked up again after the voucher is booked, and what is found twice is an alert.

use async_trait::async_trait;
use chrono::{DateTime, Duration, Utc};
use edge::{Error, World};
use ledger::{Cause, Hold, Voucher};

use crate::item::{Attachment, VoucherItem, VoucherState};
use crate::table::{Claim, Due, Stored, TRIES_MAX, Table, Trail, Written};
use crate::{Key, archive};

/// How long a voucher is claimed. A send must end well before.
pub const LEASE: Duration = Duration::seconds(120);

/// The least time that must be left of a claim for a send to begin.
pub const SEND: Duration = Duration::seconds(60);

/// When a voucher that was sent more than once is looked for again, counted from when it was found to be booked.
pub const LOOKS: [Duration; 3] = [Duration::hours(1), Duration::hours(24), Duration::days(7)];

/// How long to wait when a look could not be made.
const LOOK_RETRY: Duration = Duration::hours(1);

/// Causes that only a person's decision ends.
pub const NEEDS_RELEASE: &[Cause] =
    &[Cause::DuplicateDiffers, Cause::Collision, Cause::ReadBackDiffers, Cause::CheckByHand, Cause::Poison];

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
    /// More than one that are equal to the voucher, line by line.
    Twice {
        /// The system's own ids, the oldest first.
        ids: Vec<String>,
    },
    /// One or more under this reference that are not all equal to the voucher.
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
        sent_until: None,
        sendings: 0,
        remote_id: None,
        looks: Vec::new(),
        alert: None,
        attachment: None,
    };
    let trail = Trail::new(world, "", &item.state, "planned from the archive").under(config);
    if table.create(&key, &item, None, Some(trail)).await? == Written::Yes {
        return Ok(());
    }
    let Some(mut read) = table.get::<VoucherItem>(&key).await? else {
        return Ok(());
    };
    let stale = match &read.body.state {
        VoucherState::Planned => read.body.hash != item.hash,
        VoucherState::Held(hold) => read.body.hash != item.hash && !NEEDS_RELEASE.contains(&hold.cause),
        VoucherState::Superseded => true,
        _ => false,
    };
    if stale && read.body.sendings == 0 {
        let trail = Trail::new(world, &read.body.state, &item.state, "planned afresh").under(config);
        read.body = item;
        table.replace(&read, None, Some(trail)).await?;
    }
    Ok(())
}

/// Takes a voucher that a newer plan does not have out of the way, so that nothing ever sends it. Only one that was
/// never sent: `false` if this one may have been, or somebody is at work on it.
///
/// # Errors
///
/// If the store does not answer.
pub async fn supersede(world: &World, mut read: Stored<VoucherItem>, why: &str) -> Result<bool, Error> {
    match read.body.state {
        VoucherState::Superseded => return Ok(true),
        VoucherState::Planned | VoucherState::Held(_) if read.body.sendings == 0 => {}
        _ => return Ok(false),
    }
    let trail = Trail::new(world, &read.body.state, VoucherState::Superseded, why);
    read.body.state = VoucherState::Superseded;
    Ok(Table::of(world).replace(&read, None, Some(trail)).await? == Written::Yes)
}

/// Ends a voucher's hold for a person. Whatever was doubtful before the hold is doubtful again.
///
/// # Errors
///
/// If the store does not answer, or somebody is at work on the voucher.
pub async fn reopen(
    world: &World,
    mut read: Stored<VoucherItem>,
    who: &str,
    reason: &str,
) -> Result<(), Error> {
    let VoucherState::Held(hold) = &read.body.state else {
        return Ok(());
    };
    let before = read.body.state.to_string();
    if hold.cause == Cause::CheckByHand {
        // The person has looked and says that it is not there.
        (read.body.sendings, read.body.sent_at, read.body.sent_until) = (0, None, None);
    }
    read.body.state = match read.body.sendings {
        0 => VoucherState::Planned,
        n => VoucherState::Unknown(n),
    };
    let mut trail = Trail::new(world, before, &read.body.state, reason);
    trail.who = who.to_owned();
    match Table::of(world).replace(&read, None, Some(trail)).await? {
        Written::Yes => Ok(()),
        Written::Lost => {
            Err(Error::retry(format!("{} is being worked on; try again in a moment", read.body.text)))
        }
    }
}

/// Walks one voucher as far as it goes. Safe to repeat, at any time, by any number of workers.
///
/// # Errors
///
/// If the store does not answer; the voucher's state then says how to go on.
pub async fn walk(world: &World, outbox: &dyn Outbox, key: &Key) -> Result<Outcome, Error> {
    Box::pin(walk_if(world, outbox, key, |_| true)).await
}

/// As [`walk`], but an unsent voucher is sent only as it is planned here: another worker, which acts on what it read
/// long ago, may have planned it otherwise in between.
///
/// # Errors
///
/// As [`walk`].
pub async fn walk_planned(world: &World, outbox: &dyn Outbox, voucher: &Voucher) -> Result<Outcome, Error> {
    let (key, hash) = (Key::voucher(&voucher.company, &voucher.reference), voucher.hash());
    Box::pin(walk_if(world, outbox, &key, |item| item.hash == hash)).await
}

async fn walk_if(
    world: &World,
    outbox: &dyn Outbox,
    key: &Key,
    wanted: impl Fn(&VoucherItem) -> bool + Send,
) -> Result<Outcome, Error> {
    let table = Table::of(world);
    let mut held: Box<Stored<VoucherItem>> = match table.claim::<VoucherItem>(key, LEASE).await? {
        Claim::Taken(held) => held,
        Claim::Busy => return Ok(Outcome::Later(LEASE)),
        Claim::Gone => return Err(Error::bug(format!("{key} is not planned"))),
    };
    match &held.body.state {
        VoucherState::Posted | VoucherState::Drafted | VoucherState::Reversed => {
            let due = held.body.due();
            table.release(&mut held, due, true, None).await?;
            return Ok(Outcome::AlreadyPosted);
        }
        VoucherState::Superseded => return later(&table, held, Duration::zero(), false).await,
        VoucherState::Planned if held.body.sendings == 0 && !wanted(&held.body) => {
            return later(&table, held, Duration::zero(), false).await;
        }
        VoucherState::Held(hold) => {
            let hold = hold.clone();
            table.release(&mut held, None, false, None).await?;
            return Ok(Outcome::Held(hold));
        }
        // Whoever wrote posting(n) is gone, and may or may not have sent.
        VoucherState::Posting(n) => {
            let n = *n;
            held.body.sendings = n.max(held.body.sendings);
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
    let in_doubt = held.body.sendings > 0;
    match outbox.doubt() {
        Doubt::Hold if in_doubt => {
            let hold = Hold::new(
                Cause::CheckByHand,
                format!("{}: it is not known whether the voucher was saved", held.body.text),
                "look for the reference in the accounting system; release if it is not there",
            );
            return hold_it(&table, world, held, hold).await;
        }
        Doubt::Lookup { visible_after } => match found_or_free(&table, &mut held, outbox, &voucher).await? {
            Found::Ours { id } => {
                let why =
                    if in_doubt { "found by its reference" } else { "was there already, equal line by line" };
                return posted(&table, world, outbox, held, (VoucherState::Posted, id), why).await;
            }
            Found::Twice { ids } => {
                held.body.alert = Some(twice(&held.body.text, &ids));
                let id = ids.into_iter().next().unwrap_or_default();
                let found = (VoucherState::Posted, id);
                return posted(&table, world, outbox, held, found, "found more than once").await;
            }
            Found::Draft { id } => {
                let found = (VoucherState::Drafted, id);
                return posted(&table, world, outbox, held, found, "found as a draft").await;
            }
            Found::Differs(what) => {
                let hold = taken(&held.body.text, &what);
                return hold_it(&table, world, held, hold).await;
            }
            Found::NotSure => return later(&table, held, Duration::seconds(30), false).await,
            Found::Nothing if in_doubt && !visible_after.is_zero() => {
                // A sending may have gone on until its claim ended.
                let ended_at = held.body.sent_until.or(held.body.sent_at.map(|at| at + LEASE));
                let since = ended_at.map_or(visible_after, |at| world.clock.now() - at);
                if since < visible_after {
                    return later(&table, held, visible_after - since, true).await;
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
    let n = held.body.sendings + 1;
    let intent = VoucherState::Posting(n);
    let trail = Trail::new(world, &held.body.state, &intent, "about to send").under(&held.body.config);
    held.body.state = intent.clone();
    let sent_before = (held.body.sent_at, held.body.sent_until);
    held.body.sent_at = Some(world.clock.now());
    held.body.sent_until = held.lease.as_ref().map(|lease| lease.until);
    held.body.sendings = n;
    if table.save(&mut held, Some(trail)).await? == Written::Lost {
        return Ok(Outcome::Later(LEASE));
    }
    let left = held.lease.as_ref().map_or(Duration::zero(), |lease| lease.until - world.clock.now());
    if left < SEND {
        // Nothing was sent, but a later worker cannot know that: it will look up first.
        return later(table, held, Duration::zero(), false).await;
    }
    match outbox.send(voucher).await {
        Answer::Accepted { id } => {
            posted(table, world, outbox, held, (VoucherState::Posted, id), "accepted").await
        }
        Answer::Drafted { id } => {
            posted(table, world, outbox, held, (VoucherState::Drafted, id), "accepted").await
        }
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
            held.body.sendings = n - 1;
            (held.body.sent_at, held.body.sent_until) = sent_before;
            held.body.state = if n == 1 { VoucherState::Planned } else { VoucherState::Unknown(n - 1) };
            let trail = Trail::new(world, &intent, &held.body.state, format!("not written: {why}"));
            table.release(&mut held, None, true, Some(trail)).await?;
            Ok(Outcome::Later(after))
        }
        Answer::NotWritten(hold) => {
            // This sending is out of the count; earlier ones stay as doubtful as they were.
            held.body.sendings = n - 1;
            (held.body.sent_at, held.body.sent_until) = sent_before;
            hold_it(table, world, held, hold).await
        }
        Answer::Unknown => {
            let trail = Trail::new(world, &intent, VoucherState::Unknown(n), "no clear answer");
            held.body.state = VoucherState::Unknown(n);
            held.body.sent_until = Some(world.clock.now());
            table.release(&mut held, None, true, Some(trail)).await?;
            Ok(Outcome::Later(Duration::seconds(5)))
        }
    }
}

/// Looks the voucher up. A system that cannot be asked now gives the claim back at once.
async fn found_or_free(
    table: &Table<'_>,
    held: &mut Stored<VoucherItem>,
    outbox: &dyn Outbox,
    voucher: &Voucher,
) -> Result<Found, Error> {
    match outbox.find(voucher).await {
        Ok(found) => Ok(found),
        Err(error) => {
            table.release(held, None, true, None).await?;
            Err(error)
        }
    }
}

/// The sendings of a worker that is known to be dead have ended. Its claims on vouchers end at once and without
/// counting a try. Returns how many.
///
/// # Errors
///
/// If the store does not answer.
pub async fn lapse(world: &World, company: &str, dead: &str) -> Result<usize, Error> {
    let table = Table::of(world);
    let now = world.clock.now();
    let mut lapsed = 0;
    for mut read in table.list::<VoucherItem>(company, "v#").await? {
        if !read.lease.as_ref().is_some_and(|lease| lease.holder == dead && lease.until > now) {
            continue;
        }
        if matches!(read.body.state, VoucherState::Posting(_)) {
            read.body.sent_until = Some(now);
        }
        read.tries = read.tries.saturating_sub(1);
        let due = read.due.map(|due| Due { at: now, ..due });
        table.release(&mut read, due, false, None).await?;
        lapsed += 1;
    }
    Ok(lapsed)
}

/// Looks once more for a booked voucher that was sent more than once, if a look is due: a sending that was taken for
/// lost may have got through late. Returns the alert, if there is one now. Safe to repeat.
///
/// # Errors
///
/// If the store or the system does not answer; the look stays due.
pub async fn look_again(world: &World, outbox: &dyn Outbox, key: &Key) -> Result<Option<Hold>, Error> {
    let table = Table::of(world);
    let Claim::Taken(mut held) = table.claim::<VoucherItem>(key, LEASE).await? else {
        return Ok(None);
    };
    let now = world.clock.now();
    let booked =
        matches!(held.body.state, VoucherState::Posted | VoucherState::Drafted | VoucherState::Reversed);
    if !booked || held.body.look_due().is_none_or(|due| due.at > now) {
        let due = held.body.due();
        table.release(&mut held, due, true, None).await?;
        return Ok(None);
    }
    let voucher = archive::voucher(world, &key.company, &held.body.hash).await?;
    let found = match outbox.find(&voucher).await {
        Ok(Found::NotSure) => None,
        Ok(found) => Some(found),
        Err(error) => {
            let due = Due { function: "post-voucher", at: now + LOOK_RETRY };
            table.release(&mut held, Some(due), true, None).await?;
            return Err(error);
        }
    };
    let Some(found) = found else {
        let due = Due { function: "post-voucher", at: now + LOOK_RETRY };
        table.release(&mut held, Some(due), true, None).await?;
        return Ok(None);
    };
    // One look stands for all that are overdue.
    held.body.looks.retain(|at| *at > now);
    let seen = match found {
        Found::Ours { id } | Found::Draft { id } => format!("looked again: there is one, {id}"),
        Found::Nothing | Found::NotSure => "looked again: it is no longer there".to_owned(),
        Found::Twice { ids } => alert(&mut held.body, twice(&voucher.reference.to_string(), &ids)),
        Found::Differs(what) => alert(&mut held.body, taken(&voucher.reference.to_string(), &what)),
    };
    let trail = Trail::new(world, &held.body.state, &held.body.state, seen);
    let (due, hold) = (held.body.due(), held.body.alert.clone());
    if table.release(&mut held, due, true, Some(trail.clone())).await? == Written::Lost {
        table.note(&held.key, &trail).await?;
    }
    Ok(hold)
}

/// Raises an alert; nothing more is looked for until a person has acted.
fn alert(item: &mut VoucherItem, hold: Hold) -> String {
    item.looks.clear();
    let text = hold.to_string();
    item.alert = Some(hold);
    text
}

fn twice(reference: &str, ids: &[String]) -> Hold {
    Hold::new(
        Cause::Collision,
        format!("{reference}: booked {} times, as {}", ids.len(), ids.join(" and ")),
        format!(
            "reverse or remove the younger one in the accounting system, so that only {} counts, then release",
            ids.first().map_or("one", String::as_str)
        ),
    )
}

fn taken(reference: &str, what: &str) -> Hold {
    Hold::new(
        Cause::Collision,
        format!("{reference}: the reference is taken by another entry: {what}"),
        "compare the two; if the other entry is wrong remove it, then release",
    )
}

/// When to look again for a voucher that is booked now.
fn looks(outbox: &dyn Outbox, item: &VoucherItem, now: DateTime<Utc>) -> Vec<DateTime<Utc>> {
    match outbox.doubt() {
        Doubt::Lookup { .. } if item.sendings > 1 && item.alert.is_none() => {
            LOOKS.iter().map(|after| now + *after).collect()
        }
        _ => Vec::new(),
    }
}

async fn posted(
    table: &Table<'_>,
    world: &World,
    outbox: &dyn Outbox,
    mut held: Box<Stored<VoucherItem>>,
    (state, id): (VoucherState, String),
    why: &str,
) -> Result<Outcome, Error> {
    let trail = Trail::new(world, &held.body.state, &state, format!("{why} as {id}"));
    held.body.state = state;
    held.body.remote_id = Some(id);
    held.body.looks = looks(outbox, &held.body, world.clock.now());
    if outbox.takes_documents() && held.body.attachment.is_none() {
        held.body.attachment = Some(Attachment::Owed { at: world.clock.now(), failures: 0 });
    }
    let due = held.body.due();
    if table.release(&mut held, due, true, Some(trail.clone())).await? == Written::Lost {
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
    progress: bool,
) -> Result<Outcome, Error> {
    table.release(&mut held, None, progress, None).await?;
    Ok(Outcome::Later(after))
}
