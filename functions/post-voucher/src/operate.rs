//! What an operator decides about a settlement: try again, release, reverse. Each leaves its reason on the trail.

use edge::{Error, World};
use ledger::{Cause, Name, Purpose, Reference, Voucher};
use store::item::SettlementItem;
use store::posting::{self, NEEDS_RELEASE, Outcome};
use store::table::{Stored, Written};
use store::{Key, SettlementState, Table, Trail, VoucherItem, VoucherState, archive, bucket};

/// What an operator's command came to, in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// The state before.
    pub from: String,
    /// The state after.
    pub to: String,
    /// Vouchers booked by the command itself (reversals).
    pub vouchers: Vec<Voucher>,
}

async fn read(world: &World, company: &str, name: &Name) -> Result<Stored<SettlementItem>, Error> {
    Table::of(world)
        .get(&Key::settlement(company, name))
        .await?
        .ok_or_else(|| Error::config(format!("{company}/{name} is not known; see bilag status")))
}

async fn write(
    world: &World,
    mut read: Stored<SettlementItem>,
    state: SettlementState,
    by: (&str, &str),
) -> Result<Decision, Error> {
    let decision =
        Decision { from: read.body.state.to_string(), to: state.to_string(), vouchers: Vec::new() };
    let mut trail = Trail::new(world, &read.body.state, &state, by.1);
    trail.who = by.0.to_owned();
    read.body.state = state;
    let due = read.body.due(world.clock.now());
    match Table::of(world).replace(&read, due, Some(trail)).await? {
        Written::Yes => Ok(decision),
        Written::Lost => {
            Err(Error::retry(format!("{} is being worked on; try again in a moment", read.body.name)))
        }
    }
}

/// Makes a settlement due now, so that it is planned and judged afresh. What was fetched and does not add up is fetched
/// once more.
///
/// # Errors
///
/// If there is nothing to try again, or the cause needs a decision.
pub async fn retry(
    world: &World,
    company: &str,
    name: &Name,
    who: &str,
    reason: &str,
) -> Result<Decision, Error> {
    let read = read(world, company, name).await?;
    let state = match &read.body.state {
        SettlementState::Posted => {
            return Err(Error::config(format!("{name} is booked; use reverse to take it back")));
        }
        SettlementState::Held(hold) if NEEDS_RELEASE.contains(&hold.cause) => {
            return Err(Error::config(format!(
                "{name} is held({}), which needs a decision: {}; then use release",
                hold.cause, hold.remedy
            )));
        }
        SettlementState::Waiting(why) => {
            return Err(Error::config(format!("{name} waits: {why}")));
        }
        // What its provider may say otherwise by now is asked for once more.
        SettlementState::Held(hold)
            if read.body.config.is_none()
                && read.body.source.is_fetched()
                && matches!(hold.cause, Cause::DoesNotAddUp | Cause::PayoutRowMissing) =>
        {
            SettlementState::Announced
        }
        // Its rows are not here yet.
        _ if read.body.source.manifest.is_empty() => SettlementState::Announced,
        SettlementState::Announced => SettlementState::Announced,
        _ if read.body.config.is_some() => SettlementState::Posting,
        _ => SettlementState::Fetched,
    };
    reopen(world, company, name, (who, reason)).await?;
    write(world, read, state, (who, reason)).await
}

/// Ends a hold after its cause is mended or accepted. Whatever can be proved is proved again: a settlement that does
/// not add up is held again.
///
/// With a second source that differs, the one whose file is still in the inbox counts, else what was fetched last, and
/// the other one is not asked about again. While vouchers of the first are on their way, what was fetched since is set
/// aside until it is fetched once more. A settlement that was taken back by `reverse` is booked anew under the mapping
/// in force. An alert on a booked voucher ends, too.
///
/// # Errors
///
/// If nothing is held, or the store does not answer.
pub async fn release(
    world: &World,
    company: &str,
    name: &Name,
    who: &str,
    reason: &str,
) -> Result<Decision, Error> {
    let mut read = read(world, company, name).await?;
    if let Some(decision) = accept_alerts(world, company, &read.body, (who, reason)).await? {
        return Ok(decision);
    }
    let taken_back = matches!(&read.body.state, SettlementState::Waiting(why) if why == REVERSED);
    if !taken_back && !matches!(read.body.state, SettlementState::Held(_)) {
        return Err(Error::config(format!("{name} is {}, not held", read.body.state)));
    }
    let begun = read.body.config.is_some();
    let rival = read.body.rival.take();
    if let Some(rival) = rival.clone().filter(|_| !begun) {
        let in_inbox = async |from: &str| -> Result<bool, Error> {
            Ok(bucket::etag(world, &world.places.inbox, &format!("{company}/{from}")).await?.is_some())
        };
        let offered = rival.source.is_fetched() || in_inbox(&rival.source.from).await?;
        if offered && !in_inbox(&read.body.source.from).await? {
            read.body.decided.push(read.body.source.clone());
            read.body.source = rival.source;
            read.body.head = rival.head;
            read.body.totals = rival.totals;
        } else {
            read.body.decided.push(rival.source);
        }
    }
    // The operator vouches for the beginning.
    read.body.follows = None;
    let table = Table::of(world);
    reopen(world, company, name, (who, reason)).await?;
    let mut live = table.list::<VoucherItem>(company, &Key::vouchers_of(name)).await?;
    live.retain(|voucher| voucher.body.state != VoucherState::Superseded);
    let all_booked = begun
        && !taken_back
        && !live.is_empty()
        && live.iter().all(|v| matches!(v.body.state, VoucherState::Posted | VoucherState::Reversed));
    if let Some(rival) = rival.filter(|rival| begun && (all_booked || !rival.source.is_fetched())) {
        read.body.decided.push(rival.source);
    }
    let state = match (all_booked, begun) {
        _ if read.body.source.manifest.is_empty() => SettlementState::Announced,
        (true, _) => SettlementState::Posted,
        (false, true) => SettlementState::Posting,
        (false, false) => SettlementState::Fetched,
    };
    write(world, read, state, (who, reason)).await
}

/// Ends the holds of a settlement's vouchers.
async fn reopen(world: &World, company: &str, name: &Name, by: (&str, &str)) -> Result<(), Error> {
    for voucher in Table::of(world).list::<VoucherItem>(company, &Key::vouchers_of(name)).await? {
        posting::reopen(world, voucher, by.0, by.1).await?;
    }
    Ok(())
}

/// Ends the alerts of a settlement that is booked and not held; `None` if there are none.
async fn accept_alerts(
    world: &World,
    company: &str,
    item: &SettlementItem,
    by: (&str, &str),
) -> Result<Option<Decision>, Error> {
    if matches!(item.state, SettlementState::Held(_)) {
        return Ok(None);
    }
    let table = Table::of(world);
    let mut ended = None;
    for mut voucher in table.list::<VoucherItem>(company, &Key::vouchers_of(&item.name)).await? {
        let Some(alert) = voucher.body.alert.take() else { continue };
        let state = voucher.body.state.to_string();
        let mut trail = Trail::new(world, format!("{state}, alert({})", alert.cause), &state, by.1);
        trail.who = by.0.to_owned();
        let due = voucher.body.look_due();
        if table.replace(&voucher, due, Some(trail)).await? == Written::Lost {
            return Err(Error::retry(format!(
                "{} is being worked on; try again in a moment",
                voucher.body.text
            )));
        }
        let from = format!("{}, alert({})", item.state, alert.cause);
        ended = Some(Decision { from, to: item.state.to_string(), vouchers: Vec::new() });
    }
    Ok(ended)
}

/// The reason of a settlement that was taken back.
pub const REVERSED: &str = "reversed";

/// Mirrors every live voucher of a settlement under its own reference. Safe to repeat.
///
/// # Errors
///
/// If the settlement is not booked, or the accounting system does not answer: the command can then be given again.
pub async fn reverse(
    world: &World,
    company: &str,
    name: &Name,
    who: &str,
    reason: &str,
) -> Result<Decision, Error> {
    let mut read = read(world, company, name).await?;
    if read.body.state != SettlementState::Posted {
        return Err(Error::config(format!(
            "{name} is {}; only a booked settlement can be reversed",
            read.body.state
        )));
    }
    let table = Table::of(world);
    let live: Vec<Stored<VoucherItem>> = table
        .list::<VoucherItem>(company, &Key::vouchers_of(name))
        .await?
        .into_iter()
        .filter(|voucher| {
            let item = &voucher.body;
            item.reference.purpose != Purpose::Reversal
                && item.reference.revision >= read.body.live_from
                && matches!(item.state, VoucherState::Posted | VoucherState::Reversed)
        })
        .collect();
    let version = read.body.config.clone().unwrap_or_default();
    let config = check_config::by_version(world, company, &version).await?;
    let outbox = crate::open(world, &config).await?;
    let parts = u32::try_from(live.len()).unwrap_or(u32::MAX);
    let mut booked = Vec::new();
    for (original, part) in live.iter().zip(1..) {
        let reference = Reference {
            settlement: name.clone(),
            purpose: Purpose::Reversal,
            revision: read.body.revision,
            part,
            parts,
        };
        let voucher = archive::voucher(world, company, &original.body.hash).await?.reversal(reference);
        posting::plan(world, &voucher, &version).await?;
        let key = Key::voucher(company, &voucher.reference);
        // Held since the command was given before: giving it again is the decision.
        if let Some(before) = table.get::<VoucherItem>(&key).await? {
            posting::reopen(world, before, who, reason).await?;
        }
        match posting::walk(world, outbox.as_ref(), &key).await? {
            Outcome::Posted => booked.push(voucher),
            Outcome::AlreadyPosted => {}
            Outcome::Held(hold) => {
                return Err(Error::config(format!("the reversal is held: {hold}; then give reverse again")));
            }
            Outcome::Later(after) => {
                return Err(Error::retry(format!(
                    "it is not known yet whether {} was booked; give reverse again in {} s",
                    voucher.reference,
                    after.num_seconds().max(1)
                )));
            }
        }
    }
    for mut original in live {
        if original.body.state != VoucherState::Reversed {
            let mut trail = Trail::new(world, &original.body.state, VoucherState::Reversed, reason);
            trail.who = who.to_owned();
            original.body.state = VoucherState::Reversed;
            let due = original.body.look_due();
            table.replace(&original, due, Some(trail)).await?;
        }
    }
    let past = read.body.as_past();
    read.body.past.push(past);
    read.body.revision += 1;
    read.body.live_from = read.body.revision;
    read.body.purpose = Purpose::Settlement;
    read.body.corrects = None;
    read.body.config = None;
    read.body.planned_as = None;
    let decision = write(world, read, SettlementState::Waiting(REVERSED.to_owned()), (who, reason)).await?;
    Ok(Decision { vouchers: booked, ..decision })
}
