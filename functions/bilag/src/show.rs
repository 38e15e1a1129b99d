//! `bilag show`: one settlement with its rows, vouchers, trail and hashes.

use edge::Error;
use ledger::Name;
use ledger::voucher::grouped;
use serde_json::json;
use store::{Key, SettlementItem, SettlementState, Table, VoucherItem, archive};

use crate::out::{self, Exit};
use crate::{Home, Out};

/// Rows shown to a person; `--json` gives all.
const ROWS_SHOWN: usize = 40;

/// Prints one settlement.
///
/// # Errors
///
/// If it is not known or the archive is damaged.
pub async fn show(home: &Home, out: Out, company: &str, name: &Name) -> Result<Exit, Error> {
    let table = Table::of(&home.world);
    let key = Key::settlement(company, name);
    let item = table
        .get::<SettlementItem>(&key)
        .await?
        .ok_or_else(|| Error::config(format!("{company}/{name} is not known; see bilag status")))?
        .body;
    let (head, totals) = (&item.head, &item.totals);
    let amount = |amount| out::amount(head.currency.code(), amount);
    out.object(&json!({
        "type": "settlement", "company": company, "settlement": name.to_string(), "connection": item.connection,
        "state": item.state.to_string(), "currency": head.currency.code(), "payout_on": head.payout_on,
        "payout": amount(head.payout), "gross": amount(totals.gross), "fee": amount(totals.fee),
        "net": amount(totals.net()), "opening": amount(head.opening), "closing": amount(head.closing),
        "left_on_balance": amount(totals.left_on_balance(head)), "rows": item.source.rows,
        "source": item.source.from, "format": item.source.format, "rows_sha256": item.source.rows_hash,
        "manifest": item.source.manifest, "revision": item.revision, "config": item.config,
    }));
    out.text(&format!(
        "{company}/{name}  {}\n  connection {}, from {} ({})\n  payout {} {} on {}, gross {}, fee {}, net {}, opening {}, \
         closing {}\n  {} rows, sha256 {}\n  archive {}",
        item.state,
        item.connection,
        item.source.from,
        item.source.format,
        grouped(head.payout),
        head.currency,
        head.payout_on,
        grouped(totals.gross),
        grouped(totals.fee),
        grouped(totals.net()),
        grouped(head.opening),
        grouped(head.closing),
        item.source.rows,
        item.source.rows_hash,
        item.source.manifest,
    ));
    if let SettlementState::Held(hold) = &item.state {
        out.object(&json!({
            "type": "held", "company": company, "settlement": name.to_string(), "cause": hold.cause.name(),
            "what": hold.what, "remedy": hold.remedy,
        }));
        out.text(&format!("  held    {}\n  what    {}\n  remedy  {}", hold.cause, hold.what, hold.remedy));
    }
    rows(home, out, &item).await?;
    let mut alerts = 0;
    for voucher in table.list::<VoucherItem>(company, &Key::vouchers_of(name)).await? {
        let content = archive::voucher(&home.world, company, &voucher.body.hash).await?;
        let mut object = out::voucher(&item.connection, &voucher.body.state.to_string(), &content, true);
        object["sha256"] = voucher.body.hash.clone().into();
        object["config"] = voucher.body.config.clone().into();
        out.object(&object);
        out.text(&format!(
            "\n{}  state {}, sha256 {}\n  config {}",
            content.to_text(),
            voucher.body.state,
            voucher.body.hash,
            voucher.body.config
        ));
        if let Some(alert) = &voucher.body.alert {
            out.object(&json!({
                "type": "held", "company": company, "settlement": name.to_string(), "cause": alert.cause.name(),
                "what": alert.what, "remedy": alert.remedy,
            }));
            out.text(&format!(
                "  alert   {}\n  what    {}\n  remedy  {}",
                alert.cause, alert.what, alert.remedy
            ));
            alerts += 1;
        }
        trail(home, out, &voucher.key, &voucher.body.text).await?;
    }
    trail(home, out, &key, &name.to_string()).await?;
    let held = alerts > 0 || matches!(item.state, SettlementState::Held(_));
    Ok(if held { Exit::Held } else { Exit::Done })
}

async fn rows(home: &Home, out: Out, item: &SettlementItem) -> Result<(), Error> {
    let mut table = Vec::new();
    let mut more = 0;
    let amount = |amount| out::amount(item.head.currency.code(), amount);
    intake::compare::each_line(&home.world, &item.source, |line| {
        out.object(&json!({
            "type": "row", "id": line.id, "kind": line.kind.name(), "on": line.on, "gross": amount(line.gross),
            "fee": amount(line.fee), "net": amount(line.net()), "reference": line.reference,
            "remote_type": line.remote_type,
        }));
        if table.len() < ROWS_SHOWN {
            table.push(vec![
                line.id.to_string(),
                line.kind.to_string(),
                line.on.to_string(),
                grouped(line.gross),
                grouped(line.fee),
                grouped(line.net()),
                ledger::plan::printable(&line.reference),
            ]);
        } else {
            more += 1;
        }
        Ok(())
    })
    .await?;
    out.text("");
    out.table(&["row", "kind", "day", ">gross", ">fee", ">net", "reference"], table);
    if more > 0 {
        out.text(&format!("… and {more} more rows; --json prints all"));
    }
    Ok(())
}

async fn trail(home: &Home, out: Out, key: &Key, of: &str) -> Result<(), Error> {
    out.text(&format!("  trail of {of}:"));
    for entry in Table::of(&home.world).trail(key).await? {
        out.object(&json!({
            "type": "trail", "of": of, "at": entry.at, "who": entry.who, "from": entry.from, "to": entry.to,
            "cause": entry.cause, "config": entry.config, "code": entry.code,
        }));
        out.text(&format!(
            "    {}  {} → {}  {}  ({})",
            entry.at.format("%Y-%m-%d %H:%M:%S"),
            if entry.from.is_empty() { "new" } else { &entry.from },
            entry.to,
            entry.cause,
            entry.who
        ));
    }
    Ok(())
}
