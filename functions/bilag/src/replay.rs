//! `bilag replay`: every voucher rebuilt from the archive and compared with what was booked.

use edge::Error;
use ledger::{Purpose, Voucher};
use serde_json::json;
use store::item::SettlementItem;
use store::posting::Found;
use store::{Key, Table, VoucherItem, VoucherState, archive};

use crate::out::Exit;
use crate::{Home, Out};

/// Rebuilds and compares; exit 1 if anything differs.
///
/// # Errors
///
/// If the archive is damaged or the store does not answer.
pub async fn replay(home: &Home, out: Out) -> Result<Exit, Error> {
    let table = Table::of(&home.world);
    let (mut same, mut differing) = (0u64, 0u64);
    for company in home.companies().await? {
        for read in table.list::<SettlementItem>(&company, "s#").await? {
            let item = read.body;
            for voucher in table.list::<VoucherItem>(&company, &Key::vouchers_of(&item.name)).await? {
                let voucher = voucher.body;
                if !matches!(voucher.state, VoucherState::Posted | VoucherState::Reversed) {
                    continue;
                }
                match compare(home, &company, &item, &voucher).await? {
                    None => same += 1,
                    Some(what) => {
                        differing += 1;
                        out.object(&json!({
                            "type": "differs", "company": company, "reference": voucher.text, "what": what,
                        }));
                        out.text(&format!("{company}/{}: {what}", voucher.text));
                    }
                }
            }
        }
    }
    out.object(&json!({ "type": "replay", "same": same, "differs": differing }));
    out.text(&format!("{same} vouchers rebuilt byte for byte, {differing} differ"));
    Ok(if differing > 0 { Exit::Held } else { Exit::Done })
}

async fn compare(
    home: &Home,
    company: &str,
    item: &SettlementItem,
    booked: &VoucherItem,
) -> Result<Option<String>, Error> {
    let world = &home.world;
    let config = check_config::by_version(world, company, &booked.config).await?;
    let system = post_voucher::system_of(&config)?;
    let rebuilt = if booked.reference.purpose == Purpose::Reversal {
        reversal(home, company, booked).await?
    } else {
        let past = item.past.iter().find(|past| past.revision == booked.reference.revision);
        let then = past.map_or_else(|| item.clone(), |past| item.at(past));
        let vouchers = match post_voucher::plan::vouchers(world, &config, system, &then).await? {
            Ok(vouchers) => vouchers,
            Err(hold) => return Ok(Some(format!("cannot be planned again: {hold}"))),
        };
        vouchers.into_iter().find(|voucher| voucher.reference == booked.reference)
    };
    let Some(rebuilt) = rebuilt else {
        return Ok(Some("the archive no longer gives this voucher".to_owned()));
    };
    if rebuilt.canonical() != archive::voucher(world, company, &booked.hash).await?.canonical() {
        return Ok(Some(format!("rebuilt as {}, booked as {}", rebuilt.hash(), booked.hash)));
    }
    Ok(match post_voucher::open(world, &config).await?.find(&rebuilt).await? {
        Found::Ours { .. } | Found::Draft { .. } => None,
        Found::Twice { ids } => {
            Some(format!("stands in the books {} times: {}", ids.len(), ids.join(" and ")))
        }
        Found::Nothing => Some("is no longer in the books".to_owned()),
        Found::Differs(what) => Some(format!("differs in the books: {what}")),
        Found::NotSure => Some("the books cannot be read completely".to_owned()),
    })
}

/// A reversal is the mirror of the voucher it names.
async fn reversal(home: &Home, company: &str, booked: &VoucherItem) -> Result<Option<Voucher>, Error> {
    let stored = archive::voucher(&home.world, company, &booked.hash).await?;
    let originals = Table::of(&home.world)
        .list::<VoucherItem>(company, &Key::vouchers_of(&booked.reference.settlement))
        .await?;
    let original = originals.into_iter().find(|voucher| stored.corrects.as_ref() == Some(&voucher.body.text));
    let Some(original) = original else {
        return Ok(None);
    };
    let original = archive::voucher(&home.world, company, &original.body.hash).await?;
    Ok(Some(original.reversal(booked.reference.clone())))
}
