//! `bilag backfill`: payouts of any days again. What is known is compared, what is new is booked, nothing twice.

use chrono::{Duration, NaiveDate};
use edge::Error;
use store::item::Backfill;

use crate::out::Exit;
use crate::{Home, Out, run};

/// What is asked for again.
#[derive(Debug, clap::Args)]
pub struct Range {
    /// The connection's name.
    #[arg(long)]
    pub connection: String,
    /// The company, if there are several.
    #[arg(long)]
    pub company: Option<String>,
    /// The first payout day.
    #[arg(long)]
    pub from: NaiveDate,
    /// The last payout day.
    #[arg(long)]
    pub to: NaiveDate,
}

/// Looks at these payout days again, then makes a pass.
///
/// # Errors
///
/// If the range or connection is none, or as [`run::run`].
pub async fn backfill(home: &Home, out: Out, range: &Range) -> Result<Exit, Error> {
    let Range { connection, from, to, .. } = range;
    if from > to {
        return Err(Error::config(format!("--from {from} is after --to {to}")));
    }
    run::configurations(home).await?;
    let company = match (&range.company, home.companies().await?.as_slice()) {
        (Some(company), _) => company.clone(),
        (None, [only]) => only.clone(),
        (None, all) => return Err(Error::config(format!("add --company, one of: {}", all.join(", ")))),
    };
    let Some((_, config)) = check_config::in_force(&home.world, &company).await? else {
        return Err(Error::config(format!("{company} has no valid mapping file; see bilag check")));
    };
    let names = || config.connections.keys().cloned().collect::<Vec<_>>().join(", ");
    let settings = config.connections.get(connection).ok_or_else(|| {
        Error::config(format!("{company}.toml has no connection \"{connection}\"; it has: {}", names()))
    })?;
    if !check_config::fetches(settings) {
        return Err(Error::config(format!(
            "connection {connection} fetches nothing by API (no secret); drop the reports of these days in inbox/{company}/{connection}/"
        )));
    }
    if *to < settings.start_on {
        return Err(Error::config(format!(
            "connection {connection} books payouts from start_on = {} on; these days lie before it",
            settings.start_on
        )));
    }
    let asked = Backfill { from: *from, to: *to, cursor: None };
    if !discover_payouts::make_due(&home.world, &company, connection, Some(asked)).await? {
        return Err(Error::retry(format!("another worker looks for payouts of {connection}; try again")));
    }
    let how = run::How { wait: Some(Duration::seconds(60)), piece: run::PIECE, explain: false };
    run::run(home, out, how).await
}
