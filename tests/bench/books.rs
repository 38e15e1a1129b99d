//! The books that both parts write: the mapping, and a voucher as sums that can be compared with a rival's.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use ledger::{Book, CutOff, FeeMode, Granularity, Mapping, Role, Target, Voucher};
use serde_json::Value;

use crate::Failure;
use crate::watch::Took;

/// Sums per (account, kind), debit positive, as text.
pub type Sums = BTreeMap<(String, String), String>;

/// A mapping with a clearing account and everything in one voucher.
pub fn mapping() -> Mapping {
    let target = |account: &str| Target { account: account.to_owned(), ..Target::default() };
    Mapping {
        company: "bench".to_owned(),
        connection: "shop".to_owned(),
        provider: "stripe".to_owned(),
        provider_title: "Stripe".to_owned(),
        book: Book::Clearing,
        granularity: Granularity::Summary,
        cut_off: CutOff::Payout,
        fees: FeeMode::Auto,
        unallocated_limit: None,
        accounts: BTreeMap::from([
            (Role::SalesClearing, target("1579")),
            (Role::Disputed, target("1575")),
            (Role::ProviderFee, target("7770")),
            (Role::FeeVat, target("2711")),
            (Role::HeldByProvider, target("1576")),
            (Role::InTransit, target("1909")),
            (Role::ProviderBalance, target("1570")),
        ]),
        rules: Vec::new(),
        lines_max: 1000,
    }
}

/// The only one of a planner's vouchers.
pub fn only(mut vouchers: Vec<Voucher>) -> Result<Voucher, Failure> {
    match (vouchers.pop(), vouchers.is_empty()) {
        (Some(voucher), true) => Ok(voucher),
        _ => Err("expected one voucher".into()),
    }
}

/// A voucher's sums.
pub fn sums(voucher: &Voucher) -> Sums {
    let mut sums = BTreeMap::new();
    for posting in &voucher.postings {
        *sums
            .entry((posting.account.clone(), posting.kind.name().to_owned()))
            .or_insert(ledger::money::Decimal::ZERO) += posting.signed();
    }
    sums.into_iter().map(|(key, amount)| (key, amount.to_string())).collect()
}

/// Runs a rival; its own clocks start after the interpreter.
pub fn python(script: &Path, input: &Path) -> Result<(Sums, Took), Failure> {
    let output = Command::new("python3").arg(script).arg(input).output()?;
    if !output.status.success() {
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        return Err(format!("{}: {text}", script.display()).into());
    }
    let answer: Value = serde_json::from_slice(&output.stdout)?;
    let mut sums = Sums::new();
    for line in answer["lines"].as_array().ok_or("no lines")? {
        let text = |index: usize| line[index].as_str().unwrap_or_default().to_owned();
        sums.insert((text(0), text(2)), text(1));
    }
    Ok((sums, Took { wall: seconds(&answer["seconds"])?, cpu: seconds(&answer["cpu_seconds"])? }))
}

/// Seconds with up to six decimals.
fn seconds(number: &Value) -> Result<Duration, Failure> {
    let number = number.to_string();
    let (whole, fraction) = number.split_once('.').unwrap_or((&number, "0"));
    let micros = format!("{fraction:0<6}");
    Ok(Duration::from_micros(whole.parse::<u64>()? * 1_000_000 + micros[..6].parse::<u64>()?))
}

/// Whether ours and a rival's are the same.
pub fn compare(ours: &Sums, rival: &Sums) -> Result<(), Failure> {
    if ours == rival {
        return Ok(());
    }
    Err(format!("bilag and the rival differ:\n{ours:?}\n{rival:?}").into())
}
