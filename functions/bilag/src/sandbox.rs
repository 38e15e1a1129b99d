//! `bilag sandbox`: simulated providers and accounting system on this machine, with a ready home, so that a person can
//! try everything without credentials. For development and tests only.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use chrono::{Duration, Utc};
use clap::Args;
use edge::Error;
use sandbox::{Fault, Faults, Huge, Options, Sandbox};
use serde_json::json;
use tokio::net::TcpListener;

use crate::Out;
use crate::out::{Exit, Failure};

/// What kind of world.
#[derive(Debug, Args)]
pub struct Wishes {
    /// The port on this machine.
    #[arg(long, default_value_t = 4010)]
    port: u16,
    /// Where the ready home is made. What an earlier sandbox left there is removed.
    #[arg(long, default_value = "sandbox-home")]
    home: PathBuf,
    /// Decides the payouts; the same seed makes the same ones.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Sound payouts of each provider.
    #[arg(long, default_value_t = 6)]
    payouts: usize,
    /// Leave out payouts that must be held or that wait.
    #[arg(long)]
    sound_only: bool,
    /// One more payout of Stripe's with so many sales.
    #[arg(long, value_name = "ROWS")]
    huge: Option<u64>,
    /// Of a hundred calls, so many go wrong: answers lost before and after the effect, too many calls, broken pages.
    #[arg(long, default_value_t = 0)]
    faults: u8,
    /// Seconds until the simulated accounting system's searches find a new voucher.
    #[arg(long, default_value_t = 0)]
    visible_after: u64,
}

/// What happens to calls over any network: nothing here is a fault of the data.
const ANY_NETWORK: &[Fault] = &[
    Fault::DropBefore,
    Fault::DropAfter,
    Fault::TooMany,
    Fault::TooManyRetryAfter,
    Fault::ServerError,
    Fault::ServerErrorAfter,
    Fault::BadGateway,
    Fault::Unavailable,
    Fault::Portal,
    Fault::CutBody,
    Fault::DelayVisible,
];

/// The file that marks a home as one that a sandbox made.
const MARK: &str = ".sandbox";

/// Serves the simulated systems until the process ends.
///
/// # Errors
///
/// If the port is taken, or the home cannot be made.
pub async fn sandbox(out: Out, wishes: &Wishes) -> Result<Exit, Failure> {
    let listener =
        TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, wishes.port))).await.map_err(|error| {
            let what = format!("port {} cannot be opened; choose another with --port", wishes.port);
            Failure::from(Error::retry(what).because(error))
        })?;
    let address =
        listener.local_addr().map_err(|error| Error::retry("the port has no address").because(error))?;
    let base = format!("http://{address}");
    // Far enough back for all payouts to lie in the past.
    let days = i64::try_from(wishes.payouts).unwrap_or(i64::MAX).saturating_mul(2).saturating_add(30);
    let start_on = Utc::now().date_naive() - Duration::days(days.min(3_000));
    make_home(&wishes.home, &sandbox::home_from(&base, start_on))?;
    let faults = (wishes.faults > 0).then(|| Faults {
        percent: u64::from(wishes.faults.min(100)),
        seed: wishes.seed,
        kinds: ANY_NETWORK.to_vec(),
        only: None,
        endpoint: None,
        limit: None,
    });
    let options = Options {
        seed: wishes.seed,
        payouts: wishes.payouts,
        sound_only: wishes.sound_only,
        base_on: Some(start_on),
        huge: wishes.huge.map(|rows| Huge { provider: "stripe", rows }),
        visible_after: std::time::Duration::from_secs(wishes.visible_after),
        faults,
        ..Options::default()
    };
    let home = wishes.home.display();
    out.object(&json!({ "type": "sandbox", "base": base, "home": home.to_string() }));
    out.text(&format!(
        "Simulated Stripe, Vipps MobilePay and Tripletex at {base} until you end this process.\n\
         A ready home: {home}\n\n\
         In another terminal:\n  \
         bilag check {home}\n  \
         bilag run {home} --wait 60\n  \
         bilag status {home}\n\n\
         What the simulated systems hold: {base}/sandbox/payouts, {base}/sandbox/vouchers, {base}/sandbox/calls"
    ));
    sandbox::serve(Arc::new(Mutex::new(Sandbox::new(options))), listener).await;
    Ok(Exit::Done)
}

fn make_home(root: &Path, files: &sandbox::Home) -> Result<(), Error> {
    let failed = |error| Error::file("cannot make the home", root, error);
    if root.join(MARK).exists() {
        std::fs::remove_dir_all(root).map_err(failed)?;
    } else if root.exists() {
        return Err(Error::config(format!(
            "{} exists, and no sandbox made it; choose another with --home",
            root.display()
        )));
    }
    std::fs::create_dir_all(root.join("config")).map_err(failed)?;
    std::fs::create_dir_all(root.join("inbox").join(sandbox::COMPANY)).map_err(failed)?;
    std::fs::write(root.join(MARK), "").map_err(failed)?;
    let config = root.join("config").join(format!("{}.toml", sandbox::COMPANY));
    std::fs::write(config, &files.config_toml).map_err(failed)?;
    let secrets = root.join("secrets.toml");
    std::fs::write(&secrets, &files.secrets_toml).map_err(failed)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        std::fs::set_permissions(&secrets, std::fs::Permissions::from_mode(0o600)).map_err(failed)?;
    }
    Ok(())
}
